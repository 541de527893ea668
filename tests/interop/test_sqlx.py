# SPDX-License-Identifier: Apache-2.0
"""sqlx-cli and whimbrel, by turns. It takes no lock."""

import re

import pytest
from layouts import Sqlx
from turns import Peer, Turns


class SqlxPeer(Peer):
    program = "sqlx"

    def __init__(self, project, db):
        super().__init__(project, db)
        self.layout = Sqlx()
        self.layout.prepare(db)
        self.url = ["--database-url", db.url.replace("mariadb://", "mysql://")]

    def prepare(self):
        self.project.write("Cargo.toml", '[dependencies]\nsqlx = "0.9"\n')

    def up_words(self):
        return ["migrate", "run", *self.url]

    def down(self):
        self.ok("migrate", "revert", *self.url)

    def is_content_with(self, n):
        out = self.ok("migrate", "info", *self.url)
        found = re.findall(r"^\d+/(installed|pending)(.*)$", out, re.M)
        return [state for state, _ in found] == ["installed"] * n + ["pending"] * (len(found) - n) and "mismatch" not in out


class TestTurns(Turns):
    peer_class = SqlxPeer

    def test_a_failure_of_either_is_mended_by_the_other(self, peer):
        if peer.db.engine != "mariadb":
            super().test_a_failure_of_either_is_mended_by_the_other(peer)
            return
        self.write(peer, 1, 3)
        peer.db.sql("CREATE TABLE t3 (id int)")
        assert peer.call(*peer.up_words())[0] != 0
        # SQLx leaves a row that says so, and goes no further; nor do we, until it is settled.
        result = peer.project("migrate", "-d", peer.db.url, *peer.layout.arguments())
        assert result.code != 0 and "repair" in result.err
        peer.db.sql("DROP TABLE t3")
        self.ours(peer, "repair", "--yes")
        self.ours(peer, "migrate")
        self.check(peer, 3)
        self.write(peer, 4, 4)
        peer.db.sql("CREATE TABLE t4 (id int)")
        assert peer.project("migrate", "-d", peer.db.url, *peer.layout.arguments()).code != 0
        peer.db.sql("DROP TABLE t4")
        peer.ok(*peer.up_words())
        self.check(peer, 4)


SESSIONS = {
    "sqlite": "INSERT INTO said SELECT 'foreign_keys ' || foreign_keys FROM pragma_foreign_keys;\n",
    "postgres": "INSERT INTO said SELECT name || ' ' || setting FROM pg_settings WHERE name IN ('TimeZone', 'DateStyle', "
    "'extra_float_digits', 'client_encoding', 'standard_conforming_strings', 'search_path');\n",
    "mariadb": "INSERT INTO said VALUES (CONCAT_WS(' ', @@sql_mode, @@time_zone, @@character_set_client, @@collation_connection, "
    "@@foreign_key_checks, 'a' || 'b'));\n",
}


@pytest.mark.parametrize("settings", ["as they are", "others"])
def test_a_migration_finds_the_same_session(whimbrel, db, settings):
    peer = SqlxPeer(whimbrel, db)
    if db.engine == "sqlite":
        db.sql("PRAGMA user_version = 0")
    if settings == "others" and db.engine == "postgres":
        db.sql(f"ALTER DATABASE {db.name} SET TimeZone = 'Asia/Tokyo'; ALTER DATABASE {db.name} SET DateStyle = 'SQL, DMY'")
    whimbrel.write("migrations/1_table.sql", "CREATE TABLE said (a text);\n")
    for n in (2, 3):
        whimbrel.write(f"migrations/{n}_say.sql", SESSIONS[db.engine])
    peer.ok("migrate", "run", "--target-version", "2", *peer.url)
    theirs = db.sql("SELECT a FROM said ORDER BY a")
    db.sql("DELETE FROM said")
    whimbrel.ok("migrate", "--convention", "sqlx", "-d", db.url)
    assert db.sql("SELECT a FROM said ORDER BY a") == theirs

# SPDX-License-Identifier: Apache-2.0
"""Flyway's own command line (the free edition) and whimbrel, by turns. It cannot undo: what it applied is rolled back by whimbrel alone."""

import json

import pytest
from layouts import Flyway
from turns import Peer, Turns


class FlywayPeer(Peer):
    program = "flyway"
    layout = Flyway()

    def __init__(self, project, db):
        super().__init__(project, db)
        self.has_lock = db.engine != "sqlite"

    def words(self, *words):
        place = self.db.url.split("@")[-1]
        url, user = {
            "sqlite": (f"jdbc:sqlite:{self.project.cwd / 'app.db'}", ""),
            "postgres": (f"jdbc:postgresql://{place}", "postgres"),
            "mariadb": (f"jdbc:mariadb://{place}", "root"),
        }[self.db.engine]
        return [f"-url={url}", f"-user={user}", "-password=", "-color=never", *words]

    def up_words(self):
        return self.words("migrate")

    def is_content_with(self, n):
        self.ok(*self.words("-ignoreMigrationPatterns=*:pending,*:future", "validate"))
        found = json.loads(self.ok(*self.words("-outputType=json", "info")))
        states = [row["state"] for row in found["migrations"] if row["category"] == "Versioned"]
        return states == ["Success"] * n + ["Pending"] * (len(states) - n)


class TestTurns(Turns):
    peer_class = FlywayPeer

    def test_each_rolls_back_what_the_other_applied(self, peer):
        self.write(peer, 1, 3)
        peer.ok(*peer.up_words())
        self.ours(peer, "rollback")
        self.check(peer, 2)
        peer.ok(*peer.up_words())
        self.check(peer, 3)

    def test_a_failure_of_either_is_mended_by_the_other(self, peer):
        if peer.db.engine != "mariadb":
            super().test_a_failure_of_either_is_mended_by_the_other(peer)
            return
        # Flyway leaves a row after every failure here.
        self.write(peer, 1, 2)
        peer.ok(*peer.up_words())
        self.write(peer, 3, 3)
        peer.db.sql("CREATE TABLE t3 (id int)")
        assert peer.call(*peer.up_words())[0] != 0
        peer.db.sql("DROP TABLE t3")
        document = self.ours(peer, "status", "--output", "json").json
        assert [row["state"] for row in document["migrations"]] == ["applied", "applied", "failed"]
        self.ours(peer, "repair", "--yes")
        self.ours(peer, "migrate")
        self.check(peer, 3)
        # The other way: the second statement of ours fails.
        self.write(peer, 4, 4)
        peer.project.write("migrations/V4__make_t4.sql", peer.layout.up(4) + "INSERT INTO nothing VALUES (1);\n")
        assert peer.project("migrate", "-d", peer.db.url, *peer.layout.arguments()).code != 0
        assert "contains a failed migration" in peer.call(*peer.up_words())[1] + peer.call(*peer.words("validate"))[1] or (
            "Failed" in peer.ok(*peer.words("info"))
        )
        peer.ok(*peer.words("repair"))
        peer.db.sql("DROP TABLE t4")
        self.write(peer, 4, 4)
        peer.ok(*peer.up_words())
        self.check(peer, 4)


def test_repeatables_and_baselines_are_one_to_both(whimbrel, db):
    peer = FlywayPeer(whimbrel, db)
    if db.engine == "sqlite":
        db.sql("PRAGMA user_version = 0")
    db.sql("CREATE TABLE old (id int)")
    whimbrel.write("flyway.toml", '[flyway]\nlocations = ["filesystem:sql"]\n[flyway.placeholders]\nx = "1"\n')
    whimbrel.write("sql/V1__a.sql", "CREATE TABLE a (id int);\n")
    whimbrel.write("sql/V2__b.sql", "CREATE TABLE b (id int);\n")
    whimbrel.write("sql/R__v.sql", "DROP VIEW IF EXISTS v;\nCREATE VIEW v AS SELECT ${x} AS x; -- ${flyway:table} ${flyway:defaultSchema}\n")
    whimbrel.ok("baseline", "1", "-d", db.url, "--convention", "flyway")
    whimbrel.ok("migrate", "-d", db.url)
    out = peer.ok(*peer.up_words())
    assert "up to date" in out, out
    peer.ok(*peer.words("validate"))
    whimbrel.write("sql/V2__b.sql", "CREATE TABLE b (id int); -- changed\n")
    assert peer.call(*peer.words("validate"))[0] != 0
    assert whimbrel("validate", "-d", db.url).code != 0
    whimbrel.ok("repair", "--yes", "-d", db.url)
    peer.ok(*peer.words("validate"))


@pytest.mark.parametrize("begins", ["flyway", "whimbrel"])
def test_the_tables_are_the_same(whimbrel, pg, begins):
    peer = FlywayPeer(whimbrel, pg)
    whimbrel.write("flyway.toml", '[flyway]\nlocations = ["filesystem:sql"]\n')
    whimbrel.write("sql/V1__a.sql", "CREATE TABLE a (id int);\n")
    if begins == "flyway":
        peer.ok(*peer.up_words())
    else:
        whimbrel.ok("migrate", "-d", pg.url)
    assert pg.sql("SELECT indexname FROM pg_indexes WHERE tablename = 'flyway_schema_history' ORDER BY 1") == [
        ("flyway_schema_history_pk",), ("flyway_schema_history_s_idx",),
    ]
    assert pg.value("SELECT string_agg(column_name || ' ' || data_type || coalesce(character_maximum_length::text, '') || is_nullable "
                    "|| coalesce(column_default, ''), ',' ORDER BY ordinal_position) FROM information_schema.columns "
                    "WHERE table_name = 'flyway_schema_history'").startswith("installed_rank integerNO,version character varying50YES")

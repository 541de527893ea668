# SPDX-License-Identifier: Apache-2.0
"""Atlas' own command line (0.13.1, the newest whose module builds) and whimbrel, by turns. It has no way down: what it applied is rolled
back by whimbrel alone."""

import json

import pytest
from layouts import Atlas
from turns import Peer, Turns


class AtlasPeer(Peer):
    program = "atlas"
    layout = Atlas()
    is_bound = True  # to a schema of PostgreSQL

    def __init__(self, project, db):
        super().__init__(project, db)
        self.has_lock = db.engine != "sqlite"
        self.variables = {"TMPDIR": project.cwd}  # on SQLite its lock is a file there, one for all databases

    def prepare(self):
        if self.is_bound:
            self.layout.prepare(self.db)
        self.project.cwd.joinpath("migrations").mkdir(exist_ok=True)

    def words(self, *words):
        url = {
            "sqlite": "sqlite://app.db",
            "postgres": f"{self.db.url}?sslmode=disable{'&search_path=public' if self.is_bound else ''}",
            "mariadb": self.db.url.replace("mariadb:", "maria:"),
        }[self.db.engine]
        return ["migrate", *words, "--url", url]

    def up_words(self):
        return self.words("apply", "--allow-dirty")

    def status(self):
        return json.loads(self.ok(*self.words("status"), "--format", "{{ json . }}"))

    def is_content_with(self, n):
        self.ok("migrate", "validate")
        found = self.status()
        files = len(list((self.project.cwd / "migrations").glob("*.sql")))
        return not found.get("Error") and len(found.get("Applied") or []) == n and len(found.get("Pending") or []) == files - n


class TestTurns(Turns):
    peer_class = AtlasPeer

    def test_each_rolls_back_what_the_other_applied(self, peer):
        self.write(peer, 1, 3)
        peer.ok(*peer.up_words())
        self.ours(peer, "rollback")
        self.check(peer, 2)
        peer.ok(*peer.up_words())
        self.check(peer, 3)

    def stops_midway(self, peer):
        """Migration 3 in three statements, outside of a transaction, of which the second fails as long as there is no table `later`."""
        self.write(peer, 1, 2)
        peer.ok(*peer.up_words())
        text = "-- atlas:txmode none\n\nCREATE TABLE t3 (id int);\n-- needs the table\nINSERT INTO later VALUES (1);\nINSERT INTO t3 VALUES (3);\n"
        peer.project.write(f"migrations/{peer.layout.file(3)}", text)
        peer.ok("migrate", "hash")

    def state(self, peer):
        document = self.ours(peer, "status", "--output", "json").json
        return [row["state"] for row in document["migrations"]]

    def test_whimbrel_goes_on_where_atlas_stopped(self, peer):
        self.stops_midway(peer)
        assert peer.call(*peer.up_words())[0] != 0
        assert self.state(peer) == ["applied", "applied", "partial"]
        peer.db.sql("CREATE TABLE later (id int)")
        # What has run may not be changed, for either.
        name = f"migrations/{peer.layout.file(3)}"
        text = (peer.project.cwd / name).read_text()
        peer.project.write(name, text.replace("(id int)", "(id bigint)"))
        peer.ok("migrate", "hash")
        assert "history changed" in peer.call(*peer.up_words())[1]
        refused = peer.project("resume", "-d", peer.db.url, *peer.layout.arguments())
        assert refused.code != 0 and "is no longer what the file says" in refused.err
        peer.project.write(name, text)
        peer.ok("migrate", "hash")
        self.ours(peer, "resume")
        assert self.state(peer) == ["applied"] * 3 and peer.is_content_with(3)
        assert peer.db.value("SELECT count(*) FROM later") == peer.db.value("SELECT count(*) FROM t3") == "1"

    def test_atlas_goes_on_where_whimbrel_stopped(self, peer):
        self.stops_midway(peer)
        assert peer.project("migrate", "-d", peer.db.url, *peer.layout.arguments()).code != 0
        found = peer.status()
        assert "later" in found["Error"] and "INSERT INTO later VALUES (1);" == found["SQL"]
        assert (found["Count"], found["Total"]) == (1, 3)
        assert self.state(peer) == ["applied", "applied", "partial"]
        peer.db.sql("CREATE TABLE later (id int)")
        peer.ok(*peer.up_words())
        assert self.state(peer) == ["applied"] * 3 and peer.is_content_with(3)
        assert peer.db.value("SELECT count(*) FROM later") == peer.db.value("SELECT count(*) FROM t3") == "1"

    def test_what_is_settled_by_hand_is_settled_for_both(self, peer):
        self.stops_midway(peer)
        assert peer.project("migrate", "-d", peer.db.url, *peer.layout.arguments()).code != 0
        self.ours(peer, "stamp", "head")
        assert self.state(peer) == ["applied"] * 3 and peer.is_content_with(3)

    def test_a_baseline_of_either_is_one_to_the_other(self, peer):
        self.write(peer, 1, 4)
        peer.db.sql("CREATE TABLE t1 (id int)")
        peer.db.sql("CREATE TABLE t2 (id int)")
        peer.ok(*peer.words("apply", "--baseline", "20240101000002", "1"))
        assert self.state(peer) == ["skipped", "baselined", "applied", "pending"]
        peer.db.sql(f"DELETE FROM atlas_schema_revisions")
        self.ours(peer, "baseline", "20240101000003")
        peer.ok(*peer.up_words())
        assert self.state(peer)[-1] == "applied"
        assert peer.db.value("SELECT type FROM atlas_schema_revisions WHERE version = '20240101000003'") == "1"


def test_unbound_connections_have_a_schema_of_their_own(whimbrel, pg):
    peer = AtlasPeer(whimbrel, pg)
    peer.is_bound = False
    peer.prepare()
    for n in range(1, 3):
        peer.layout.write(whimbrel, n)
    peer.ok(*peer.words("apply", "1"))
    document = whimbrel.ok("status", "-d", pg.url, "--output", "json").json
    assert document["convention"] == "atlas"
    assert [row["state"] for row in document["migrations"]] == ["applied", "pending"]
    whimbrel.ok("migrate", "-d", pg.url)
    assert peer.is_content_with(2)
    pg.sql("DROP SCHEMA atlas_schema_revisions CASCADE")
    pg.sql("DROP TABLE t1, t2")
    whimbrel.ok("migrate", "-d", pg.url, "--convention", "atlas")
    assert pg.value("SELECT count(*) FROM atlas_schema_revisions.atlas_schema_revisions") == "2"
    assert peer.is_content_with(2)


@pytest.mark.parametrize("begins", ["atlas", "whimbrel"])
def test_delimiters_are_one_to_both(whimbrel, sqlite, begins):
    """Checkpoints are left out: this release runs them like any other file."""
    peer = AtlasPeer(whimbrel, sqlite)
    peer.prepare()
    sqlite.sql("PRAGMA user_version = 0")
    whimbrel.write("migrations/1_a.sql", "CREATE TABLE a (id int);\nCREATE TABLE b (id int);\n")
    body = "CREATE TRIGGER t AFTER INSERT ON a BEGIN\n  INSERT INTO b VALUES (1);\n  INSERT INTO b VALUES (2);\nEND"
    text = f"-- atlas:delimiter \\n--\\n\n\n-- atlas:nolint\n{body}\n--\nINSERT INTO a VALUES (';')\n--\n-- the end\n"
    whimbrel.write("migrations/2_b.sql", text)
    peer.ok("migrate", "hash")
    if begins == "atlas":
        peer.ok(*peer.words("apply", "1"))
        whimbrel.ok("migrate", "-d", sqlite.url)
    else:
        whimbrel.ok("migrate", "--to", "1", "-d", sqlite.url)
        peer.ok(*peer.words("apply", "--allow-dirty"))
    states = [row["state"] for row in whimbrel.ok("status", "-d", sqlite.url, "--output", "json").json["migrations"]]
    assert states == ["applied", "applied"]
    assert sqlite.value("SELECT count(*) FROM b") in (2, "2")
    assert sqlite.value("SELECT total FROM atlas_schema_revisions WHERE version = '2'") in (2, "2")
    assert "Status: OK" in peer.ok(*peer.words("status"))


def test_sums_are_the_same(whimbrel, sqlite):
    peer = AtlasPeer(whimbrel, sqlite)
    peer.prepare()
    for n in range(1, 4):
        peer.layout.write(whimbrel, n)
    sqlite.sql("PRAGMA user_version = 0")
    ours = (whimbrel.cwd / "migrations/atlas.sum").read_text()
    peer.ok("migrate", "hash")
    assert (whimbrel.cwd / "migrations/atlas.sum").read_text() == ours
    whimbrel.ok("new", "more", "-d", sqlite.url)
    peer.ok("migrate", "validate")
    whimbrel.write(f"migrations/{peer.layout.file(2)}", "SELECT 1;\n")
    assert peer.call("migrate", "validate")[0] != 0
    whimbrel.ok("repair", "--yes", "-d", sqlite.url)
    peer.ok("migrate", "validate")
    peer.ok("migrate", "new", "yet_more")
    whimbrel.ok("status", "-d", sqlite.url)

# SPDX-License-Identifier: Apache-2.0
"""Sqitch's own command and whimbrel, by turns. Its registry is a schema, a database or a file."""

import re

import pytest
from layouts import Sqitch
from turns import Peer, Turns


class SqitchPeer(Peer):
    program = "sqitch"

    def __init__(self, project, db):
        super().__init__(project, db)
        self.has_lock = db.engine != "sqlite"
        self.registry = "sqitch" if db.engine != "mariadb" else f"sqitch_{db.name}"
        self.layout = Sqitch()
        self.layout.rows_sql = self.select(
            "change_id, script_hash, {change}, project, note, planner_name, planner_email", "changes"
        )

    def select(self, columns, table):
        change = "`change`" if self.db.engine == "mariadb" else "change"
        query = f"SELECT {columns.format(change=change)} FROM {self.registry}.{table} ORDER BY committed_at"
        if self.db.engine == "sqlite":
            return f"ATTACH '{self.project.cwd / 'sqitch.db'}' AS sqitch; {query}"
        return query

    def prepare(self):
        place = self.db.url.split("://")[-1]
        engine, target = {
            "sqlite": ("sqlite", "db:sqlite:app.db"),
            "postgres": ("pg", f"db:pg://{place}"),
            "mariadb": ("mysql", f"db:mysql://{place}"),
        }[self.db.engine]
        self.project.write(
            "sqitch.conf",
            f'[core]\n\tengine = {engine}\n\tregistry = {self.registry}\n[engine "{engine}"]\n\ttarget = {target}\n'
            "[user]\n\tname = Test User\n\temail = t@example.com\n",
        )

    def up_words(self):
        return ["deploy"]

    def down(self):
        self.ok("revert", "-y", "--to", "@HEAD^")

    def is_content_with(self, n):
        _, out = self.call("status")
        found = re.search(r"# Change: +([0-9a-f]{40})", out)
        return (found.group(1) == self.layout.id(n)) if found else n == 0 and "No changes deployed" in out


class TestTurns(Turns):
    peer_class = SqitchPeer


PLAN = """%syntax-version=1.0.0
%project=demo
%uri=https://Example.com:443

t1 2026-01-01T00:00:00Z Test User <t@example.com> # first change
sub/t2 [t1 !other:nope] 2026-01-01T00:01:00Z Test  User <t@example.com> # second \\n line é \\\\
@v1 2026-01-01T00:01:30Z Test User <t@example.com> # tag one
@v1b 2026-01-01T00:01:31Z Test User <t@example.com>
t1 [t1@v1 sub/t2] 2026-01-01T00:02:00Z Test User <t@example.com> # reworked
"""


@pytest.mark.parametrize("begins", ["sqitch", "whimbrel"])
def test_what_is_written_is_the_same(whimbrel, db, begins):
    """Tags, dependencies, reworked changes and events, as the other tool writes them for the same plan."""
    peer = SqitchPeer(whimbrel, db)
    peer.prepare()
    whimbrel.write("sqitch.plan", PLAN)
    for name, text in [
        ("t1@v1b", "CREATE TABLE a (id int);"),
        ("sub/t2", "CREATE TABLE b (id int);"),
        ("t1", "CREATE TABLE c (id int);"),
    ]:
        whimbrel.write(f"deploy/{name}.sql", f"BEGIN;\n{text}\nCOMMIT;\n")
        whimbrel.write(f"revert/{name}.sql", f"DROP TABLE {text.split()[2]};\n")
    if begins == "sqitch":
        peer.ok("deploy")
        peer.ok("revert", "-y", "--to", "@v1")
    else:
        whimbrel.ok("migrate")
        whimbrel.ok("rollback")
    assert "Nothing to deploy" not in peer.ok("status")
    events = db.sql(peer.select("event, change_id, {change}, note, planner_name, tags, requires, conflicts", "events"))
    ids = [row[1] for row in events]
    assert [row[0] for row in events] == ["deploy", "deploy", "deploy", "revert"]
    assert ids[2] == ids[3] and len(set(ids)) == 3
    assert events[1][3:5] == ("second \n line é \\", "Test  User")
    flat = [[re.sub(r"[{}]", "", field) for field in row[5:]] for row in events]
    assert [sorted(row[0].replace(",", " ").split()) for row in flat] == [[], ["@v1", "@v1b"], [], []]
    assert [sorted(row[1].split(",")) for row in flat] == [[""], ["t1"], ["sub/t2", "t1@v1"], ["sub/t2", "t1@v1"]]
    assert [row[2] for row in flat] == ["", "other:nope", "", ""]
    deps = db.sql(
        peer.select("d.type, d.dependency, d.dependency_id", "dependencies d").replace(
            "ORDER BY committed_at", "ORDER BY d.dependency"
        )
    )
    assert [tuple(row[:2]) for row in deps] == [("conflict", "other:nope"), ("require", "t1")]
    assert deps[1][2] == ids[0]
    tags = db.sql(peer.select("tag_id, tag, change_id, note", "tags").replace("committed_at", "tag"))
    assert [row[1:] for row in tags] == [("@v1", ids[1], "tag one"), ("@v1b", ids[1], "")]
    # The other one goes on, and has nothing to say against it.
    if begins == "sqitch":
        whimbrel.ok("migrate")
        assert "Nothing to deploy" in peer.ok("status")
    else:
        peer.ok("deploy")
        document = whimbrel.ok("status", "--output", "json").json
        assert [(row["version"], row["state"]) for row in document["migrations"]] == [
            ("t1@v1b", "applied"), ("sub/t2", "applied"), ("t1", "applied"),
        ]
        whimbrel.ok("validate")


def test_sqitch_reads_what_new_plans_and_verifies_what_it_deploys(whimbrel, db):
    peer = SqitchPeer(whimbrel, db)
    peer.prepare()
    whimbrel.write("sqitch.plan", "%syntax-version=1.0.0\n%project=demo\n\n")
    for n, words in [(1, []), (2, ["--requires", "t1", "--note", "a \\ b\nc é"])]:
        whimbrel.ok("new", f"t{n}", *words)
        whimbrel.write(f"deploy/t{n}.sql", f"BEGIN;\nCREATE TABLE t{n} (id int);\nCOMMIT;\n")
        whimbrel.write(f"revert/t{n}.sql", f"DROP TABLE t{n};\n")
        whimbrel.write(f"verify/t{n}.sql", f"BEGIN;\nINSERT INTO t{n} VALUES (1);\nSELECT id FROM t{n};\nROLLBACK;\n")
    planned = re.findall(r"^Deploy ([0-9a-f]{40})", peer.ok("plan"), re.M)
    whimbrel.ok("migrate", "--verify")
    assert [row[0] for row in db.sql(peer.select("change_id", "changes"))] == planned
    assert "Verify successful" in peer.ok("verify")
    assert "2 verify scripts succeeded" in whimbrel.ok("verify").out
    whimbrel.write("verify/t1.sql", "SELECT wrong FROM t1;\n")
    assert peer.call("verify")[0] != 0
    assert whimbrel("verify").code == 3
    peer.ok("revert", "-y")
    code, out = peer.call("deploy", "--verify")
    assert code != 0, out
    assert whimbrel("migrate", "--verify").code != 0
    assert "No changes deployed" in peer.call("status")[1]


PLACES = ["@v1", "t1", "t1@HEAD", "t1@v1", "t3@HEAD^", "t2~", "@HEAD", "@HEAD^", "@HEAD^^", "@HEAD^3", "@ROOT", "@ROOT~", "@ROOT~2",
          "@ROOT~9", "@HEAD~", "nobody", "t1@nobody", "@nobody"]


@pytest.fixture
def reworked(whimbrel, db):
    """t1 @v1, t2, t1 again, t3 @v2."""
    peer = SqitchPeer(whimbrel, db)
    peer.prepare()
    whimbrel.write("sqitch.plan", "%syntax-version=1.0.0\n%project=demo\n\n")
    for name in ("t1", "t2", "t3"):
        for folder, text in (("deploy", f"CREATE TABLE {name} (id int);"), ("revert", f"DROP TABLE {name};"),
                             ("verify", f"SELECT id FROM {name};")):
            whimbrel.write(f"{folder}/{name}.sql", f"{text}\n")
    peer.ok("add", "t1", "-n", "the first")
    peer.ok("tag", "v1", "-n", "one")
    peer.ok("add", "t2", "-n", "the second")
    return peer


def finish(whimbrel, peer, who):
    """Each of the two does the same to the plan, and whoever reads it finds the same."""
    if who == "sqitch":
        peer.ok("rework", "t1", "-r", "t2", "-n", "again")
        peer.ok("add", "t3", "-n", "the third")
        peer.ok("tag", "v2", "-n", "two")
        peer.ok("tag", "v1b", "t1@v1", "-n", "late")
    else:
        whimbrel.ok("rework", "t1", "--requires", "t2", "--note", "again")
        for folder in ("deploy", "revert", "verify"):
            (whimbrel.cwd / folder / "t3.sql").rename(whimbrel.cwd / f"{folder}.sql")
        whimbrel.ok("add", "t3", "--note", "the third")
        for folder in ("deploy", "revert", "verify"):
            (whimbrel.cwd / f"{folder}.sql").rename(whimbrel.cwd / folder / "t3.sql")
        whimbrel.ok("tag", "v2", "--note", "two")
        whimbrel.ok("tag", "v1b", "--at", "t1@v1", "--note", "late")


def test_both_rework_and_tag_alike(whimbrel, reworked):
    finish(whimbrel, reworked, "sqitch")
    before = sorted((str(path), path.read_text()) for path in whimbrel.cwd.rglob("*.sql"))
    plan = (whimbrel.cwd / "sqitch.plan").read_text()
    for path in whimbrel.cwd.rglob("*@*.sql"):
        path.unlink()
    whimbrel.write("revert/t1.sql", "DROP TABLE t1;\n")
    lines = plan.split("\n")
    whimbrel.write("sqitch.plan", "\n".join(line for line in lines if not re.match(r"t1 \[|t3|@v2|@v1b", line)))
    finish(whimbrel, reworked, "whimbrel")
    assert sorted((str(path), path.read_text()) for path in whimbrel.cwd.rglob("*.sql")) == before
    masked = [re.sub(r"\d{4}-\S+Z", "TIME", text) for text in (plan, (whimbrel.cwd / "sqitch.plan").read_text())]
    assert masked[0].replace("\n\n", "\n") == masked[1].replace("\n\n", "\n")
    assert len(re.findall(r"^deploy", reworked.ok("plan", "--format", "oneline"), re.M)) == 4


def test_places_mean_the_same(whimbrel, reworked, db):
    finish(whimbrel, reworked, "sqitch")
    whimbrel.write("deploy/t1.sql", "INSERT INTO t1 VALUES (1);\n")
    whimbrel.write("revert/t1.sql", "DELETE FROM t1;\n")
    count = reworked.select("COUNT(*)", "changes").replace("ORDER BY committed_at", "")

    def deployed():
        return db.sql(count)[0][0]

    for place in PLACES:
        if place == "t1":  # Sqitch calls it ambiguous; here it is the newest
            continue
        reworked.call("deploy", "--to", place)
        theirs = deployed() if "No changes" not in reworked.call("status")[1] else 0
        reworked.call("revert", "-y")
        code = whimbrel("deploy", place).code
        ours = deployed()
        assert str(ours) == str(theirs), (place, theirs, ours, code)
        whimbrel.ok("rollback", "--all")
    whimbrel.ok("migrate")
    for place in PLACES:
        if place == "t1":
            continue
        reworked.call("revert", "-y", "--to", place)
        theirs = deployed()
        reworked.ok("deploy") if str(theirs) != "4" else None
        whimbrel("revert", place)
        assert str(deployed()) == str(theirs), (place, theirs, deployed())
        whimbrel("migrate")
        assert str(deployed()) == "4"


def test_a_tag_that_came_later_is_written_down(whimbrel, reworked, db):
    whimbrel.ok("migrate")
    whimbrel.ok("tag", "v2")
    whimbrel.ok("add", "last")
    whimbrel.write("deploy/last.sql", "CREATE TABLE last (id int);\n")
    whimbrel.ok("migrate")
    tags = db.sql(reworked.select("tag", "tags").replace("committed_at", "tag"))
    assert [row[0] for row in tags] == ["@v1", "@v2"]
    reworked.ok("revert", "-y", "--to", "@v2")
    assert whimbrel.ok("status", "--output", "json").json["migrations"][1]["tag"] == "@v2"

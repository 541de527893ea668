# SPDX-License-Identifier: Apache-2.0
"""Liquibase's own command line and whimbrel, by turns. Each call of it is a Java program that starts."""

import re

import pytest
from layouts import Liquibase
from turns import Peer, Turns

ROOT = "databaseChangeLog:\n- includeAll: {path: migrations}\n"
COLUMNS = "ID, AUTHOR, FILENAME, ORDEREXECUTED, EXECTYPE, MD5SUM, DESCRIPTION, COMMENTS, TAG, CONTEXTS, LABELS"


class LiquibasePeer(Peer):
    program = "liquibase"
    layout = Liquibase()

    def __init__(self, project, db):
        super().__init__(project, db)
        self.has_lock = db.engine != "sqlite"  # there the file is locked, and Liquibase does not wait for it
        self.root = "root.yaml"

    def prepare(self):
        self.project.write(self.root, ROOT)

    def words(self, *words):
        place = self.db.url.split("@")[-1]
        url, user = {
            "sqlite": (f"jdbc:sqlite:{self.project.cwd / 'app.db'}", ""),
            "postgres": (f"jdbc:postgresql://{place}", "postgres"),
            "mariadb": (f"jdbc:mariadb://{place}", "root"),
        }[self.db.engine]
        command, *rest = words
        always = ["--show-banner=false", "--changelog-lock-poll-rate=1", "--analytics-enabled=false"]
        whose = [f"--url={url}", *([f"--username={user}", "--password="] if user else [])]
        needs = [] if command in ("history", "list-locks", "release-locks") else [f"--changelog-file={self.root}"]
        return [*always[:2], command, *whose, *needs, *rest]

    def up_words(self):
        return self.words("update")

    def down(self):
        self.ok(*self.words("rollback-count", "--count=1"))

    def pending(self):
        out = self.ok(*self.words("status", "--verbose"))
        return re.findall(r"^ +(\S+::\S+::\S+)$", out, re.MULTILINE)

    def is_content_with(self, n):
        assert "No validation errors" in self.ok(*self.words("validate"))
        files = len(list((self.project.cwd / "migrations").glob("*.sql")))
        return len(self.pending()) == files - n


class TestTurns(Turns):
    peer_class = LiquibasePeer


FILES = {
    "db/root.yaml": """
databaseChangeLog:
  - property: {name: tname, value: tee}
  - include: {file: db/one.sql}
  - include: {file: two.sql, relativeToChangelogFile: true, contextFilter: "test or dev", labels: "x"}
  - changeSet:
      id: y1
      author: bob
      labels: "l1, l2"
      context: "test and dev"
      comment: from yaml
      changes:
        - sql: {sql: "create table y1 (id int); create table y1b (id int)"}
        - sqlFile: {path: raw.txt, relativeToChangelogFile: true}
      rollback:
        - sql: drop table y1; drop table y1b; drop table raw1; drop table raw2
  - changeSet: {id: y2, author: bob, dbms: oracle, changes: [{sql: {sql: select 1}}]}
  - changeSet:
      id: y3
      author: bob
      runAlways: true
      changes:
        - sql: {dbms: oracle, sql: select 1}
        - sql: insert into y1 values (1)
      rollback: [{empty: {}}]
  - includeAll: {path: db/all}
""",
    "db/all/z.sql": "create table rawall (id int);\n",
    "db/raw.txt": "create table raw1 (id int);\n-- x\ncreate table raw2 (id int);\n",
    "db/one.sql": """--liquibase formatted sql

--changeset alice:1 labels:v1
--comment first one
create table person (
    id int primary key,
    name varchar(50) not null
);
-- an ordinary comment
insert into person values (1, 'a  b');
--rollback drop table person;

--changeset alice:2 context:test
create table ${tname}2 (id int);
--rollback drop table ${tname}2;

--changeset alice:3 runOnChange:true
drop view if exists v1;
create view v1 as select id from person;
--rollback drop view v1;
""",
    "db/two.sql": """--liquibase formatted sql logicalFilePath:logi/two.sql
--changeset carol:1
--preconditions onFail:MARK_RAN
--precondition-sql-check expectedResult:1 select count(*) from person where id = 99
create table never (id int);
--changeset carol:2
--preconditions onFail:CONTINUE
--precondition-sql-check expectedResult:1 select count(*) from person where id = 99
create table never2 (id int);
--changeset carol:3 failOnError:false
create table person (id int);
--changeset carol:4
create table c4 (id int);
""",
}


@pytest.fixture
def rich(whimbrel, db):
    peer = LiquibasePeer(whimbrel, db)
    peer.root = "db/root.yaml"
    for name, text in FILES.items():
        whimbrel.write(name, text)
    whimbrel.write("liquibase.properties", "changeLogFile: db/root.yaml\n")
    if db.engine == "sqlite":
        db.sql("PRAGMA user_version = 0")
    return peer


def history(db):
    return db.sql(f"SELECT {COLUMNS} FROM DATABASECHANGELOG ORDER BY ORDEREXECUTED")


EXPECTED = [
    ("1", "alice", "db/one.sql", "1", "EXECUTED", "9:405bf9c9ef461b79001d8774677c271f", "sql", "first one", None, None, "v1"),
    ("2", "alice", "db/one.sql", "2", "EXECUTED", "9:29023e6fb6451d5a7de25760c50e81b2", "sql", "", None, "test", None),
    ("3", "alice", "db/one.sql", "3", "EXECUTED", "9:6a848d342057ec0bc2e507a995ee1cb0", "sql", "", None, None, None),
    ("1", "carol", "logi/two.sql", "4", "MARK_RAN", "9:778322dc8e6f0a7b7b30e91f03c1c31e", "sql", "", None, "(test or dev)", "x"),
    ("4", "carol", "logi/two.sql", "5", "EXECUTED", "9:ae671891060d4c734af5fa98be06c497", "sql", "", None, "(test or dev)", "x"),
]


@pytest.mark.parametrize("begins", ["liquibase", "whimbrel"])
def test_a_rich_changelog_comes_to_the_same(rich, db, begins):
    if begins == "liquibase":
        rich.ok(*rich.up_words())
    else:
        rich.project.ok("migrate", "-d", db.url)
    rows = history(db)
    assert rows[:5] == EXPECTED
    assert [row[0] for row in rows[5:]] == ["y1", "y3", "raw"]
    assert rows[5][6:] == ("sql; sqlFile path=raw.txt", "from yaml", None, "(test and dev)", "l1,l2")
    # Both find the same to do: what a precondition held back, what has failed, what always runs.
    assert rich.pending() == ["logi/two.sql::2::carol", "logi/two.sql::3::carol", "db/root.yaml::y3::bob"]
    document = rich.project.ok("status", "-d", db.url, "--output", "json").json
    states = {one["version"]: one["state"] for one in document["migrations"]}
    assert [name for name, state in states.items() if state != "applied"] == ["carol:2", "carol:3", "bob:y2", "bob:y3"]
    # A changed view runs again by the other one, and both call it RERAN.
    rich.project.write("db/one.sql", FILES["db/one.sql"].replace("select id from", "select id, name from"))
    if begins == "liquibase":
        rich.project.ok("migrate", "-d", db.url)
    else:
        rich.ok(*rich.up_words())
    again = history(db)
    assert [row[0] for row in again if row[4] == "RERAN"] == ["3", "y3"]
    assert again[-2][5] == "9:" + again[-2][5][2:] != rows[2][5]
    rich.ok(*rich.words("validate"))
    rich.project.ok("validate", "-d", db.url)


def test_sums_of_the_same_text_agree(rich, db):
    """whimbrel's, read back by Liquibase, which would say that a checksum has changed."""
    rich.project.ok("migrate", "-d", db.url)
    ours = [row[5] for row in history(db)]
    db.sql("UPDATE DATABASECHANGELOG SET MD5SUM = NULL")
    rich.ok(*rich.up_words())
    assert sorted(row[5] for row in history(db)) == sorted(ours)


def test_each_sees_the_lock_of_the_other(whimbrel, pg):
    peer = LiquibasePeer(whimbrel, pg)
    peer.prepare()
    peer.layout.write(whimbrel, 1)
    peer.ok(*peer.up_words())
    pg.sql("CREATE TABLE go_on (id int)")
    wait = "do $$ begin while not exists (select from go_on) loop perform pg_sleep(0.1); end loop; end $$;"
    whimbrel.write("migrations/002.sql", f"--liquibase formatted sql\n--changeset a:2 splitStatements:false\n{wait}\n")
    ours = whimbrel.start("migrate", "-d", pg.url, *peer.layout.arguments())
    while pg.value("SELECT LOCKED::text FROM DATABASECHANGELOGLOCK") == "false":
        assert ours.poll() is None
    assert "(whimbrel, process " in peer.ok(*peer.words("list-locks"))
    pg.sql("INSERT INTO go_on VALUES (1)")
    assert ours.wait(timeout=60) == 0
    pg.sql("UPDATE DATABASECHANGELOGLOCK SET LOCKED = TRUE, LOCKEDBY = 'gone (10.0.0.1)', LOCKGRANTED = NOW()")
    peer.layout.write(whimbrel, 3)
    result = whimbrel("migrate", "-d", pg.url, *peer.layout.arguments(), "--lock-wait", "0")
    assert result.code == 4 and "gone (10.0.0.1)" in result.err
    peer.ok(*peer.words("release-locks"))
    whimbrel.ok("migrate", "-d", pg.url, *peer.layout.arguments())
    assert not peer.pending()


TAGGED = """
databaseChangeLog:
  - changeSet: {id: 1, author: a, changes: [{sql: {sql: create table t1 (id int)}}], rollback: [{sql: {sql: drop table t1}}]}
  - changeSet: {id: v1, author: a, changes: [{tagDatabase: {tag: v1}}]}
  - changeSet: {id: e, author: a, changes: [{empty: {}}]}
  - changeSet: {id: 2, author: a, changes: [{sql: {sql: create table t2 (id int)}}], rollback: [{sql: {sql: drop table t2}}]}
"""


def test_tags_lead_both_back(whimbrel, db):
    peer = LiquibasePeer(whimbrel, db)
    peer.root = "root.yaml"
    whimbrel.write(peer.root, TAGGED)
    whimbrel.write("liquibase.properties", "changeLogFile: root.yaml\n")

    def applied():
        return [row[0] for row in db.sql("SELECT ID FROM DATABASECHANGELOG ORDER BY ORDEREXECUTED")]

    whimbrel.ok("migrate", "-d", db.url)
    assert "No validation errors" in peer.ok(*peer.words("validate")) and not peer.pending()
    ours = db.sql("SELECT ID, MD5SUM, DESCRIPTION, TAG FROM DATABASECHANGELOG ORDER BY ORDEREXECUTED")
    peer.ok(*peer.words("rollback", "--tag=v1"))
    assert applied() == ["1"]  # with it goes what set the tag
    whimbrel.ok("tag", "mine", "-d", db.url)
    peer.ok(*peer.up_words())
    theirs = db.sql("SELECT ID, MD5SUM, DESCRIPTION, TAG FROM DATABASECHANGELOG ORDER BY ORDEREXECUTED")
    assert theirs[1:] == ours[1:] and theirs[0] == (*ours[0][:3], "mine")
    whimbrel.ok("rollback", "v1", "-d", db.url)
    assert applied() == ["1"]
    peer.ok(*peer.up_words())
    peer.ok(*peer.words("rollback", "--tag=MINE"))
    assert applied() == ["1"]
    peer.ok(*peer.up_words())
    whimbrel.ok("rollback", "MINE", "-d", db.url)
    assert applied() == ["1"]


def test_sums_of_older_releases_are_the_same(rich, db):
    """What whimbrel takes for unchanged, Liquibase does too, though it runs on a change; and it writes today's sum instead."""
    rich.project.write("v8.sql", "--liquibase formatted sql\n--changeset a:1 runOnChange:true\nselect 'a  b' ;\n")
    rich.root = "v8.sql"
    rich.project.write("liquibase.properties", "changeLogFile: v8.sql\n")
    rich.project.ok("migrate", "-d", db.url)
    ours = history(db)
    db.sql("UPDATE DATABASECHANGELOG SET MD5SUM = '8:6d5271881f1a8aefbc38677c03788cee'")
    document = rich.project.ok("status", "-d", db.url, "--output", "json").json
    assert [one["state"] for one in document["migrations"]] == ["applied"]
    assert not rich.pending()
    rich.ok(*rich.up_words())
    assert history(db) == ours


@pytest.mark.parametrize("begins", ["liquibase", "whimbrel"])
def test_the_tables_are_the_same(whimbrel, pg, begins):
    peer = LiquibasePeer(whimbrel, pg)
    peer.prepare()
    peer.layout.write(whimbrel, 1)
    if begins == "liquibase":
        peer.ok(*peer.up_words())
    else:
        whimbrel.ok("migrate", "-d", pg.url, "--convention", "liquibase", *peer.layout.arguments())
    made = pg.value(
        "SELECT string_agg(table_name || '.' || column_name || ' ' || data_type || coalesce(character_maximum_length::text, '') || "
        "is_nullable, ',' ORDER BY table_name, ordinal_position) FROM information_schema.columns "
        "WHERE table_name LIKE 'databasechangelog%'"
    )
    text = "character varying"
    log = [f"{n} {text}255NO" for n in ("id", "author", "filename")] + [
        "dateexecuted timestamp without time zoneNO",
        "orderexecuted integerNO",
        f"exectype {text}10NO",
        f"md5sum {text}35YES",
        f"description {text}255YES",
        f"comments {text}255YES",
        f"tag {text}255YES",
        f"liquibase {text}20YES",
        f"contexts {text}255YES",
        f"labels {text}255YES",
        f"deployment_id {text}10YES",
    ]
    lock = [
        "id integerNO",
        "locked booleanNO",
        "lockgranted timestamp without time zoneYES",
        f"lockedby {text}255YES",
    ]
    assert made.split(",") == [f"databasechangelog.{c}" for c in log] + [f"databasechangeloglock.{c}" for c in lock]
    assert pg.value("SELECT conname FROM pg_constraint WHERE conrelid = 'databasechangeloglock'::regclass") == "databasechangeloglock_pkey"

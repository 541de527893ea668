# SPDX-License-Identifier: Apache-2.0
"""What is Liquibase's own: formatted SQL and its attributes, changelogs in other forms, filters, checksums, preconditions, the lock in a table,
liquibase.properties. Sums, contexts and labels are those that Liquibase 4.28 itself wrote."""

import json

import pytest

WORDS = ["-m", "db", "--convention", "liquibase"]
HEAD = "--liquibase formatted sql\n"


def changelog(program, text, name="db/a.sql"):
    program.write(name, HEAD + text)


def migrations(program, database, *words):
    document = program.ok("status", "-d", database.url, *WORDS, *words, "--output", "json").json
    return {one["version"]: one["state"] for one in document["migrations"]}


def migrate(program, database, *words):
    return program.ok("migrate", "-d", database.url, *WORDS, *words)


def error_of(program, database, *words):
    result = program(*words, "-d", database.url, *WORDS, "--output", "json")
    assert result.code != 0
    return result.json["error"]


def sum_of(database, name):
    return database.value(f"SELECT MD5SUM FROM DATABASECHANGELOG WHERE ID = '{name}'")


# ---- checksums ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "sql, checksum",
    [
        (
            "create table person (\n    id int primary key,\n    name varchar(50) not null\n);\n-- an ordinary comment\n"
            "insert into person values (1, 'a  b\tc');\n",
            "9:7104a4d772e03243d01831388fa1d01e",
        ),
        ("select 1;\n", "9:a7ca957848b7a2d82c733ec390529b49"),
        ("\r\nselect\r\n1;\r\n", "9:a7ca957848b7a2d82c733ec390529b49"),
        ("--comment: none of it\nselect 1;\n--rollback select 2;\n--validCheckSum: 9:x\n", "9:a7ca957848b7a2d82c733ec390529b49"),
    ],
)
def test_checksums_are_those_of_liquibase(whimbrel, sqlite, sql, checksum):
    changelog(whimbrel, f"--changeset a:1 runInTransaction:true\n{sql}")
    migrate(whimbrel, sqlite)
    assert sum_of(sqlite, "1") == checksum


def test_a_changed_text_is_noticed_and_accepted(whimbrel, sqlite):
    changelog(whimbrel, "--changeset a:1\nselect 1;\n--changeset a:2\nselect 2;\n--changeset a:3\nselect 3;\n")
    migrate(whimbrel, sqlite)
    # What older versions wrote, and nothing, is taken as it is.
    sqlite.sql("UPDATE DATABASECHANGELOG SET MD5SUM = '8:0123456789abcdef0123456789abcdef' WHERE ID = '1'")
    sqlite.sql("UPDATE DATABASECHANGELOG SET MD5SUM = NULL WHERE ID = '2'")
    changelog(
        whimbrel, "--changeset a:1\nselect 10;\n--changeset a:2\nselect 20;\n--changeset a:3\n  select\t3 ; \n"
    )
    assert set(migrations(whimbrel, sqlite).values()) == {"applied"}
    assert whimbrel.ok("history", "-d", sqlite.url, *WORDS).out.count("with a checksum of an older form") == 1
    changelog(whimbrel, "--changeset a:1\nselect 1;\n--changeset a:2\nselect 2;\n--changeset a:3\nselect 30;\n")
    assert migrations(whimbrel, sqlite)["a:3"] == "changed"
    assert error_of(whimbrel, sqlite, "migrate")["code"] == "checksum-changed"
    changelog(
        whimbrel,
        "--changeset a:1\nselect 1;\n--changeset a:2\nselect 2;\n--changeset a:3\n--validCheckSum: any\nselect 30;\n",
    )
    assert migrations(whimbrel, sqlite)["a:3"] == "applied"
    changelog(whimbrel, "--changeset a:1\nselect 1;\n--changeset a:2\nselect 2;\n--changeset a:3\nselect 30;\n")
    whimbrel.ok("repair", "-d", sqlite.url, *WORDS, "--yes")
    assert set(migrations(whimbrel, sqlite).values()) == {"applied"}


# ---- formatted SQL ----------------------------------------------------------------------------------------------------------


def test_attributes_come_to_the_row(whimbrel, sqlite):
    changelog(
        whimbrel,
        '--changeset "Ann B":"id 1" labels:"l1, l2" contextFilter:"one or two"\n--comment said of it\nselect 1;\n'
        "--changeset a:2 logicalFilePath:else/where.sql context:one\nselect 2;\n",
    )
    migrate(whimbrel, sqlite)
    rows = sqlite.sql("SELECT ID, AUTHOR, FILENAME, COMMENTS, CONTEXTS, LABELS, EXECTYPE FROM DATABASECHANGELOG")
    assert rows == [
        ("id 1", "Ann B", "db/a.sql", "said of it", "(one or two)", "l1,l2", "EXECUTED"),
        ("2", "a", "else/where.sql", "", "one", None, "EXECUTED"),
    ]
    assert list(migrations(whimbrel, sqlite)) == ["Ann B:id 1", "a:2"]


def test_the_four_forms_of_rollback(whimbrel, sqlite):
    changelog(
        whimbrel,
        "--changeset a:1\ncreate table t1 (id int);\n--rollback drop table\n--rollback t1;\n"
        "--changeset a:2\ncreate table t2 (id int);\n/* liquibase rollback\ndrop table t2;\n*/\n"
        "--changeset a:3\ndrop table t1;\n--rollback changesetId:1 changesetAuthor:a\n"
        "--changeset a:4\ninsert into t2 values (1);\n--rollback not required\n"
        "--changeset a:5\ncreate table t5 (id int);\n",
    )
    migrate(whimbrel, sqlite)
    assert error_of(whimbrel, sqlite, "rollback")["code"] == "missing-down"
    sqlite.sql("DELETE FROM DATABASECHANGELOG WHERE ID = '5'")
    whimbrel.ok("rollback", "-d", sqlite.url, *WORDS, "--steps", "2")
    assert sqlite.value("SELECT count(*) FROM t1") == "0"
    whimbrel.ok("rollback", "-d", sqlite.url, *WORDS, "--all")
    assert sqlite.value("SELECT count(*) FROM sqlite_master WHERE name IN ('t1', 't2')") == "0"
    assert sqlite.value("SELECT count(*) FROM DATABASECHANGELOG") == "0"


def test_properties_stand_in_the_text(whimbrel, sqlite):
    whimbrel.write("liquibase.properties", "parameter.size=12\n")
    changelog(
        whimbrel,
        "--property name:kind value:varchar(${size}) dbms:sqlite\n--property name:kind value:text\n"
        "--changeset a:1\ncreate table t (x ${kind}, y text default '${unknown} ${:kind}');\n",
    )
    migrate(whimbrel, sqlite)
    text = sqlite.value("SELECT sql FROM sqlite_master WHERE name = 't'")
    assert "varchar(12)" in text and "${unknown} ${kind}" in text


def test_lines_that_are_ignored(whimbrel, sqlite):
    changelog(
        whimbrel,
        "--ignoreLines:start\nnonsense\n--changeset x:0\n--ignoreLines:end\n--changeset a:1\n--ignoreLines:1\nnonsense\n"
        "select 1;\n",
    )
    migrate(whimbrel, sqlite)
    assert migrations(whimbrel, sqlite) == {"a:1": "applied"}
    assert sum_of(sqlite, "1") == "9:a7ca957848b7a2d82c733ec390529b49"


@pytest.mark.parametrize(
    "text, line",
    [
        ("--changeset a:\nselect 1;\n", 2),
        ("--changeset a\nselect 1;\n", 2),
        ("--changeset a:1\n", 2),
        ("--changeset a:1\nselect 1;\n-rollback select 2;\n", 4),
        ("--changeset a:1\n--preconditions onFail:MAYBE\nselect 1;\n", 3),
        ("--changeset a:1\n--precondition-moon-phase full\nselect 1;\n", 3),
        ("--changeset a:1\nselect 1;\n--rollback changesetId:9 changesetAuthor:a\n", 4),
        ("--changeset a:1\nselect 1;\n/* liquibase rollback\nselect 2;\n", 5),
    ],
)
def test_what_stops_liquibase_stops_with_its_place(whimbrel, sqlite, text, line):
    changelog(whimbrel, text)
    error = error_of(whimbrel, sqlite, "status")
    assert (error["code"], error["line"]) == ("bad-changelog", line)


def test_errors_of_the_server_are_told_at_their_line(whimbrel, db):
    changelog(whimbrel, "--changeset a:1\nselect 1;\n\n--changeset a:2\n\nselect * from\n  nowhere_to_be_found;\n")
    result = whimbrel("migrate", "-d", db.url, *WORDS, "--output", "json")
    error = result.json["error"]
    assert error["path"] == "db/a.sql" and error["line"] in (7, 8)
    assert migrations(whimbrel, db) == {"a:1": "applied", "a:2": "pending"}


def test_bodies_are_one_statement(whimbrel, maria):
    body = "create procedure p() begin select 1; select 2; end"
    changelog(
        whimbrel,
        f"--changeset a:1 splitStatements:false\n{body}\n--rollback drop procedure p\n"
        f"--changeset a:2 endDelimiter://\n{body.replace('p()', 'q()')}\n//\ncreate table t (id int)//\n"
        f"--changeset a:3 endDelimiter:\\n/\n{body.replace('p()', 'r()')}\n/\ninsert into t values (1)\n/\n",
    )
    migrate(whimbrel, maria)
    assert maria.value("SELECT count(*) FROM t") == "1"
    assert maria.value("SELECT count(*) FROM information_schema.routines WHERE routine_schema = DATABASE()") == "3"


def test_dollar_quotes_are_not_cut(whimbrel, pg):
    changelog(
        whimbrel,
        "--changeset a:1\ncreate function f() returns int language plpgsql as $$\ndeclare x int := 1;\nbegin\n  x := x + 1;\n"
        "  return x;\nend $$;\ncreate table t as select f() as n;\n--changeset a:2 runInTransaction:false\nvacuum t;\n",
    )
    migrate(whimbrel, pg)
    assert pg.value("SELECT n FROM t") == "2"


# ---- filters --------------------------------------------------------------------------------------------------------------------

FILTERED = """
--changeset a:1 labels:x
create table l1 (id int);
--changeset a:2 labels:y context:one
create table l2 (id int);
--changeset a:3
create table l3 (id int);
--changeset a:4 context:"!three"
create table l4 (id int);
--changeset a:5 dbms:mysql,mariadb
create table l5 (id int);
--changeset a:6 dbms:!sqlite
create table l6 (id int);
--changeset a:7 context:three
create table l7 (id int);
--changeset a:8 context:@four
create table l8 (id int);
--changeset a:9 ignore:true
create table l9 (id int);
"""


@pytest.mark.parametrize(
    "properties, words, pending",
    [
        ("contexts: one\nlabelFilter: x\n", [], "1 3 4"),
        ("", ["-e", "one"], "1 2 3 4"),
        ("", [], "1 2 3 4 7"),
        ("contexts=three, four\n", [], "1 3 7 8"),
        ("liquibase.command.labelFilter=!x\n", [], "2 3 4 7"),
    ],
)
def test_filters_are_those_of_liquibase(whimbrel, sqlite, properties, words, pending):
    whimbrel.write("liquibase.properties", properties)
    changelog(whimbrel, FILTERED)
    states = migrations(whimbrel, sqlite, *words)
    assert [name[2:] for name, state in states.items() if state == "pending"] == pending.split()
    assert set(states.values()) <= {"pending", "skipped"}
    migrate(whimbrel, sqlite, *words)
    assert [row[0] for row in sqlite.sql("SELECT ID FROM DATABASECHANGELOG")] == pending.split()


# ---- again and again ----------------------------------------------------------------------------------------------------------


def test_what_runs_again_does_so_at_its_place(whimbrel, db):
    view = "--changeset a:2 runOnChange:true\ndrop view if exists v;\ncreate view v as select {} as n;\n"
    last = "--changeset a:3\ncreate table t3 (id int);\n--changeset a:4 runAlways:true\ninsert into t3 values (1);\n"
    changelog(whimbrel, "--changeset a:1\nselect 1;\n" + view.format(1) + last)
    migrate(whimbrel, db)
    assert migrations(whimbrel, db) == {"a:1": "applied", "a:2": "applied", "a:3": "applied", "a:4": "outdated"}
    changelog(whimbrel, "--changeset a:1\nselect 1;\n" + view.format(2) + "--changeset a:2b\nselect n from v;\n" + last)
    assert migrations(whimbrel, db)["a:2"] == "outdated"
    migrate(whimbrel, db)
    assert db.value("SELECT n FROM v") == "2"
    assert db.value("SELECT count(*) FROM t3") == "2"
    rows = db.sql("SELECT ID, EXECTYPE FROM DATABASECHANGELOG ORDER BY ORDEREXECUTED")
    assert rows == [("1", "EXECUTED"), ("3", "EXECUTED"), ("2", "RERAN"), ("2b", "EXECUTED"), ("4", "RERAN")]
    # runAlways is never done: that is what it says.
    assert migrations(whimbrel, db)["a:4"] == "outdated"


def test_what_may_fail_stops_no_other(whimbrel, db):
    changelog(
        whimbrel,
        "--changeset a:1\ncreate table t (id int);\n--changeset a:2 failOnError:false\ncreate table t (id int);\n"
        "--changeset a:3\ninsert into t values (3);\n--changeset a:4 failOnError:false\ninsert into nowhere values (1);\n",
    )
    result = migrate(whimbrel, db)
    assert "a:2" in result.err and "passed over" in result.err
    assert [row[0] for row in db.sql("SELECT ID FROM DATABASECHANGELOG ORDER BY ORDEREXECUTED")] == ["1", "3"]
    assert db.value("SELECT count(*) FROM t") == "1"
    states = {"a:1": "applied", "a:2": "pending", "a:3": "applied", "a:4": "pending"}
    assert migrations(whimbrel, db) == states
    migrate(whimbrel, db)
    assert migrations(whimbrel, db) == states


# ---- preconditions --------------------------------------------------------------------------------------------------------------


def test_preconditions_decide(whimbrel, db):
    def conditional(name, what, check):
        return f"--changeset a:{name}\n--preconditions {what}\n--precondition-{check}\ncreate table c{name} (id int);\n"

    changelog(
        whimbrel,
        "--changeset a:1\ncreate table first_one (id int);\n--changeset a:1b\ncreate view seen as select 1 as n;\n"
        + conditional(2, "onFail:MARK_RAN", "sql-check expectedResult:0 select count(*) from first_one")
        + conditional(3, "onFail:MARK_RAN", "sql-check expectedResult:7 select count(*) from first_one")
        + conditional(4, "onFail:CONTINUE", "table-exists table:second_one")
        + conditional(5, "onFail:HALT", "table-exists table:FIRST_ONE")
        + conditional(6, "onFail:WARN", "view-exists view:unseen")
        + conditional(7, "onError:CONTINUE", "sql-check expectedResult:0 select count(*) from nowhere")
        + conditional(8, "onFail:HALT", "view-exists view:seen")
        + conditional(9, 'onFail:HALT onFailMessage:"not yet"', "table-exists table:second_one"),
    )
    result = whimbrel("migrate", "-d", db.url, *WORDS, "--output", "json")
    assert result.json["error"]["code"] == "precondition-failed"
    assert "not yet" in result.json["error"]["message"]
    assert "a:3" in result.err and "marked as run" in result.err
    rows = db.sql("SELECT ID, EXECTYPE FROM DATABASECHANGELOG ORDER BY ORDEREXECUTED")
    assert rows == [
        ("1", "EXECUTED"),
        ("1b", "EXECUTED"),
        ("2", "EXECUTED"),
        ("3", "MARK_RAN"),
        ("5", "EXECUTED"),
        ("6", "EXECUTED"),
        ("8", "EXECUTED"),
    ]
    states = migrations(whimbrel, db)
    assert [name for name, state in states.items() if state == "pending"] == ["a:4", "a:7", "a:9"]
    db.sql("CREATE TABLE second_one (id int)")
    migrate(whimbrel, db)
    assert migrations(whimbrel, db)["a:4"] == "applied"


# ---- changelogs in other forms ------------------------------------------------------------------------------------------------------

YAML = """
databaseChangeLog:
  - property: {name: tname, value: tee}
  - preConditions:
      - onFail: HALT
      - or:
          - dbms: {type: sqlite}
          - dbms: {type: postgresql}
  - include: {file: parts/one.sql, relativeToChangelogFile: true, contextFilter: "one or two", labels: x}
  - changeSet:
      id: y1
      author: bob
      comment: from yaml
      preConditions:
        - onFail: MARK_RAN
        - not:
            - tableExists: {tableName: y1}
      changes:
        - sql: {sql: "create table y1 (id int); create table ${tname} (id int)"}
        - sql: {dbms: mysql, sql: nonsense}
        - sqlFile: {path: parts/raw.txt, relativeToChangelogFile: true}
      rollback:
        - sql: drop table y1; drop table tee; drop table raw
  - includeAll: {path: db/all}
"""

JSON = {
    "databaseChangeLog": [
        {"property": {"name": "tname", "value": "tee"}},
        {
            "preConditions": [
                {"onFail": "HALT"},
                {"or": [{"dbms": {"type": "sqlite"}}, {"dbms": {"type": "postgresql"}}]},
            ]
        },
        {
            "include": {
                "file": "parts/one.sql",
                "relativeToChangelogFile": True,
                "contextFilter": "one or two",
                "labels": "x",
            }
        },
        {
            "changeSet": {
                "id": "y1",
                "author": "bob",
                "comment": "from yaml",
                "preConditions": [{"onFail": "MARK_RAN"}, {"not": [{"tableExists": {"tableName": "y1"}}]}],
                "changes": [
                    {"sql": {"sql": "create table y1 (id int); create table ${tname} (id int)"}},
                    {"sql": {"dbms": "mysql", "sql": "nonsense"}},
                    {"sqlFile": {"path": "parts/raw.txt", "relativeToChangelogFile": True}},
                ],
                "rollback": [{"sql": "drop table y1; drop table tee; drop table raw"}],
            }
        },
        {"includeAll": {"path": "db/all"}},
    ]
}

XML = """<?xml version="1.0" encoding="UTF-8"?>
<!-- a root -->
<databaseChangeLog xmlns="http://www.liquibase.org/xml/ns/dbchangelog"
    xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:schemaLocation="http://www.liquibase.org/xml/ns/dbchangelog
    http://www.liquibase.org/xml/ns/dbchangelog/dbchangelog-latest.xsd">
  <property name="tname" value="tee"/>
  <preConditions onFail="HALT"><or><dbms type="sqlite"/><dbms type="postgresql"/></or></preConditions>
  <include file="parts/one.sql" relativeToChangelogFile="true" contextFilter="one or two" labels="x"/>
  <changeSet id="y1" author="bob">
    <preConditions onFail="MARK_RAN"><not><tableExists tableName="y1"/></not></preConditions>
    <comment>from yaml</comment>
    <sql><![CDATA[create table y1 (id int); create table ${tname} (id int)]]></sql>
    <sql dbms="mysql">non&lt;sense</sql>
    <sqlFile path="parts/raw.txt" relativeToChangelogFile="true"/>
    <rollback>drop table y1; drop table tee; drop table raw</rollback>
  </changeSet>
  <includeAll path="db/all"/>
</databaseChangeLog>
"""


@pytest.mark.parametrize(
    "name, text",
    [
        ("db/db.changelog-master.yaml", YAML),
        ("db/db.changelog-master.json", json.dumps(JSON, indent=2)),
        ("db/db.changelog-master.xml", XML),
    ],
)
def test_the_root_may_be_of_any_form(whimbrel, sqlite, name, text):
    whimbrel.write(name, text)
    changelog(whimbrel, "--changeset a:1\ncreate table one (id int);\n", "db/parts/one.sql")
    whimbrel.write("db/parts/raw.txt", "create table raw (id int);\n")
    whimbrel.write("db/all/b.sql", "create table b (id int);\n")
    changelog(whimbrel, "--changeset a:1\ncreate table a (id int);\n", "db/all/a.sql")
    document = whimbrel.ok("status", "-d", sqlite.url, "-m", "db", "--output", "json").json
    assert document["convention"] == "liquibase"
    migrate(whimbrel, sqlite)
    rows = sqlite.sql(
        "SELECT ID, AUTHOR, FILENAME, MD5SUM, DESCRIPTION, COMMENTS, CONTEXTS, LABELS FROM DATABASECHANGELOG"
    )
    assert rows == [
        ("1", "a", "db/parts/one.sql", rows[0][3], "sql", "", "(one or two)", "x"),
        ("y1", "bob", name, "9:24c72588076eb2ed07cf8e8bb56abd3e", "sql; sql; sqlFile path=parts/raw.txt", "from yaml", None, None),
        ("1", "a", "db/all/a.sql", rows[2][3], "sql", "", None, None),
        ("raw", "includeAll", "db/all/b.sql", rows[3][3], "sql", "", None, None),
    ]
    assert list(migrations(whimbrel, sqlite)) == [
        "db/parts/one.sql::1::a",
        "bob:y1",
        "db/all/a.sql::1::a",
        "includeAll:raw",
    ]


def test_other_changes_are_refused_by_their_name_and_line(whimbrel, sqlite):
    whimbrel.write(
        "db/changelog.yaml",
        "databaseChangeLog:\n- changeSet:\n    id: 1\n    author: a\n    changes:\n    - sql: select 1\n"
        "- changeSet:\n    id: 2\n    author: a\n    changes:\n    - createTable:\n        tableName: t\n"
        "- changeSet:\n    id: 3\n    author: a\n    changes:\n    - sql: select 3\n",
    )
    assert set(migrations(whimbrel, sqlite).values()) == {"pending"}
    error = error_of(whimbrel, sqlite, "migrate")
    assert error["code"] == "host-language" and "createTable" in error["message"]
    assert (error["path"], error["line"]) == ("db/changelog.yaml", 11)
    migrate(whimbrel, sqlite, "--to", "a:1")
    whimbrel.ok("stamp", "a:2", "-d", sqlite.url, *WORDS)
    migrate(whimbrel, sqlite)
    assert set(migrations(whimbrel, sqlite).values()) == {"applied"}


@pytest.mark.parametrize(
    "name, text, code, line",
    [
        ("changelog.yaml", "databaseChangeLog:\n- include: {file: nowhere.sql}\n", "bad-changelog", 2),
        ("changelog.yaml", "databaseChangeLog:\n- include: {file: changelog.yaml, relativeToChangelogFile: true}\n", "bad-changelog", None),
        ("changelog.yaml", "databaseChangeLog:\n- changeSet: {id: 1, id: 2}\n", "markup", 2),
        ("changelog.yaml", "databaseChangeLog: &x\n- *x\n", "markup", 2),
        ("changelog.json", '{"databaseChangeLog": [\n{"changeSet": {"id": "1"}}]}', "bad-changelog", 2),
        ("changelog.xml", "<databaseChangeLog>\n<changeSet>\n</databaseChangeLog>", "markup", 3),
        ("changelog.xml", '<!DOCTYPE x [<!ENTITY y SYSTEM "/etc/passwd">]><databaseChangeLog/>', "markup", 1),
        ("changelog.xml", "<databaseChangeLog>\n<changeSet id='1' author='&y;'/></databaseChangeLog>", "markup", 2),
        ("changelog.xml", "<databaseChangeLog>" + "<x>" * 200, "markup", 1),
        ("changelog.xml", "<databaseChangeLog/>\nmore", "markup", 2),
    ],
)
def test_what_is_wrong_with_a_changelog_is_told_at_its_place(whimbrel, sqlite, name, text, code, line):
    whimbrel.write(f"db/{name}", text)
    error = error_of(whimbrel, sqlite, "status")
    assert (error["code"], error["line"], error["path"]) == (code, line, f"db/{name}")


def test_an_identity_that_is_there_twice_is_refused(whimbrel, sqlite):
    changelog(whimbrel, "--changeset a:1\nselect 1;\n--changeset A:1\nselect 2;\n")
    assert error_of(whimbrel, sqlite, "status")["code"] == "duplicate-version"


def test_what_no_changelog_holds_is_missing(whimbrel, sqlite):
    changelog(whimbrel, "--changeset a:1\nselect 1;\n--changeset a:2\nselect 2;\n")
    migrate(whimbrel, sqlite)
    changelog(whimbrel, "--changeset a:1\nselect 1;\n")
    assert migrations(whimbrel, sqlite) == {"a:1": "applied", "a:2": "missing"}
    # The path is part of the identity, its case is not.
    sqlite.sql("UPDATE DATABASECHANGELOG SET FILENAME = 'DB/A.sql', AUTHOR = 'A' WHERE ID = '1'")
    sqlite.sql("UPDATE DATABASECHANGELOG SET FILENAME = 'classpath:db/a.sql', ID = '1b' WHERE ID = '2'")
    changelog(whimbrel, "--changeset a:1\nselect 1;\n--rollback select 1;\n--changeset a:1b\nselect 2;\n--rollback select 2;\n")
    assert migrations(whimbrel, sqlite) == {"a:1": "applied", "a:1b": "applied"}
    whimbrel.ok("rollback", "-d", sqlite.url, *WORDS, "--all")
    assert sqlite.value("SELECT count(*) FROM DATABASECHANGELOG") == "0"


# ---- the lock --------------------------------------------------------------------------------------------------------------------


def lock_of_liquibase(database, owner):
    time = "CURRENT_TIMESTAMP" if database.engine == "sqlite" else "NOW()"
    kind = {"sqlite": "TEXT", "postgres": "TIMESTAMP", "mariadb": "datetime"}[database.engine]
    database.sql(
        f"CREATE TABLE DATABASECHANGELOGLOCK (ID INTEGER NOT NULL, LOCKED BOOLEAN NOT NULL, LOCKGRANTED {kind}, "
        "LOCKEDBY VARCHAR(255), CONSTRAINT PK_DATABASECHANGELOGLOCK PRIMARY KEY (ID))"
    )
    database.sql(f"INSERT INTO DATABASECHANGELOGLOCK VALUES (1, TRUE, {time}, '{owner}')")


def test_the_lock_of_liquibase_is_heeded_and_its_owner_named(whimbrel, db):
    changelog(whimbrel, "--changeset a:1\ncreate table t (id int);\n")
    lock_of_liquibase(db, "build-7 (10.0.0.7)")
    error = error_of(whimbrel, db, "migrate", "--lock-wait", "0")
    assert error["code"] == "locked" and "build-7 (10.0.0.7)" in error["detail"]
    (lock,) = whimbrel.ok("lock", "list", "-d", db.url, *WORDS, "--output", "json").json["locks"]
    assert (lock["kind"], lock["id"], lock["application"]) == ("row", "build-7 (10.0.0.7)", "Liquibase")
    assert 0 <= lock["age_ms"] < 3600000
    whimbrel.ok("lock", "release", "-d", db.url, *WORDS, "--yes")
    migrate(whimbrel, db)
    assert db.sql("SELECT ID, CASE WHEN LOCKED THEN 1 ELSE 0 END, LOCKEDBY FROM DATABASECHANGELOGLOCK") == [
        ("1", "0", None)
    ]


def test_what_another_whimbrel_has_left_is_taken_over(whimbrel, db):
    changelog(whimbrel, "--changeset a:1\ncreate table t (id int);\n")
    lock_of_liquibase(db, "build-7 (whimbrel, process 12, 0a0b0c0d)")
    migrate(whimbrel, db, "--lock-wait", "0")
    assert db.value("SELECT CASE WHEN LOCKED THEN 1 ELSE 0 END FROM DATABASECHANGELOGLOCK") == "0"


def test_the_lock_is_held_while_a_changeset_runs_and_given_back_after_a_failure(whimbrel, pg):
    changelog(
        whimbrel,
        "--changeset a:1\ncreate table seen as select LOCKEDBY as owner from DATABASECHANGELOGLOCK where LOCKED;\n"
        "--changeset a:2\nselect nonsense;\n",
    )
    assert whimbrel("migrate", "-d", pg.url, *WORDS).code != 0
    assert "(whimbrel, process " in pg.value("SELECT owner FROM seen")
    assert pg.value("SELECT LOCKED::text FROM DATABASECHANGELOGLOCK") == "false"


def test_a_dry_run_leaves_no_lock(whimbrel, pg):
    changelog(whimbrel, "--changeset a:1\ncreate table t (id int);\n")
    whimbrel.ok("migrate", "--dry-run", "-d", pg.url, *WORDS)
    assert pg.value("SELECT count(*) FROM pg_tables WHERE tablename LIKE 'databasechangelog%'") == "0"


# ---- liquibase.properties ------------------------------------------------------------------------------------------------------------


def test_the_configuration_says_where_all_is(whimbrel, sqlite):
    whimbrel.write(
        "liquibase.properties",
        "# comment\nchangeLogFile = changes/root.yaml\nsearchPath: src/res\n"
        f"url: jdbc:{sqlite.url}\nliquibase.databaseChangelogTableName=MY_LOG\ndatabaseChangelogLockTableName MY_LOCK\n"
        "logLevel: info\nstrangeSetting: 1\n",
    )
    whimbrel.write("src/res/changes/root.yaml", "databaseChangeLog:\n- include: {file: changes/one.sql}\n")
    changelog(whimbrel, "--changeset a:1\nselect 1;\n", "src/res/changes/one.sql")
    result = whimbrel.ok("migrate")
    assert "strangeSetting" in result.err and "logLevel" not in result.err
    assert sqlite.sql("SELECT ID, FILENAME FROM MY_LOG") == [("1", "changes/one.sql")]
    assert sqlite.value("SELECT LOCKED FROM MY_LOCK") == "0"


def test_schemas_of_the_configuration(whimbrel, pg):
    pg.sql("CREATE SCHEMA keep")
    whimbrel.write("liquibase.properties", "liquibaseSchemaName: keep\n")
    changelog(whimbrel, "--changeset a:1\ncreate table t (id int);\n")
    migrate(whimbrel, pg)
    assert pg.value("SELECT count(*) FROM keep.databasechangelog") == "1"
    assert pg.value("SELECT count(*) FROM keep.databasechangeloglock") == "1"
    assert pg.value("SELECT count(*) FROM public.t") == "0"


def test_new_files_are_changelogs(whimbrel, sqlite):
    whimbrel.write("liquibase.properties", "changeLogFile: db/root.yaml\n")
    whimbrel.write("db/root.yaml", "databaseChangeLog:\n- includeAll: {path: db/changes, errorIfMissingOrEmpty: false}\n")
    whimbrel.write("db/changes/.keep", "")
    words = ["-m", "db/changes", "--convention", "liquibase"]
    made = whimbrel.ok("new", "add t", *words, "--output", "json", "-d", sqlite.url).json
    assert made is not None
    whimbrel.ok("new", "views", "--repeatable", *words, "-d", sqlite.url)
    states = whimbrel.ok("status", "-d", sqlite.url, *words, "--output", "json").json["migrations"]
    assert len(states) == 2 and states[1]["version"].endswith(":views")

# ---- the lock that another gives back -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("made", ["pg", "maria"])
def test_a_lock_that_was_released_is_taken_again(whimbrel, request, made):
    """What a Liquibase before 5.0.4 does to the lock when it gives up waiting for it."""
    db = request.getfixturevalue(made)
    changelog(
        whimbrel,
        "--changeset a:1\ncreate table t1 (id int);\n"
        "--changeset a:2\nupdate DATABASECHANGELOGLOCK set LOCKED = FALSE, LOCKEDBY = NULL, LOCKGRANTED = NULL;\n"
        "--changeset a:3\ncreate table t3 as select LOCKED, LOCKEDBY from DATABASECHANGELOGLOCK;\n",
    )
    migrate(whimbrel, db)
    assert db.value("SELECT count(*) FROM t3 WHERE LOCKED AND LOCKEDBY LIKE '%(whimbrel, process %'") == "1"
    assert db.value("SELECT count(*) FROM DATABASECHANGELOGLOCK WHERE NOT LOCKED AND LOCKEDBY IS NULL") == "1"


@pytest.mark.parametrize("made", ["pg", "maria"])
def test_a_lock_that_is_anothers_ends_the_run(whimbrel, request, made):
    db = request.getfixturevalue(made)
    changelog(
        whimbrel,
        "--changeset a:1\nupdate DATABASECHANGELOGLOCK set LOCKED = TRUE, LOCKEDBY = 'gone (10.0.0.1)';\n"
        "--changeset a:2\ncreate table t2 (id int);\n--changeset a:3\ncreate table t3 (id int);\n",
    )
    error = error_of(whimbrel, db, "migrate")
    assert error["code"] == "lock-lost" and "Liquibase's lock" in error["message"]
    assert list(migrations(whimbrel, db).values()) == ["applied", "pending", "pending"]
    assert db.value("SELECT LOCKEDBY FROM DATABASECHANGELOGLOCK") == "gone (10.0.0.1)"
    db.sql("UPDATE DATABASECHANGELOGLOCK SET LOCKED = FALSE, LOCKEDBY = NULL")
    migrate(whimbrel, db)
    assert set(migrations(whimbrel, db).values()) == {"applied"}


def test_a_lock_that_is_anothers_is_noticed_before_a_statement_that_stands_alone(whimbrel, request):
    for made, lone in (("pg", "create index concurrently i on t1 (id);"), ("maria", "create table t2 (id int);")):
        db = request.getfixturevalue(made)
        changelog(
            whimbrel,
            "--changeset a:1\ncreate table t1 (id int);\n"
            f"--changeset a:2 runInTransaction:false\nselect 1;\n{lone}\n"
            "--changeset a:3\nupdate DATABASECHANGELOGLOCK set LOCKED = TRUE, LOCKEDBY = 'gone (10.0.0.1)';\n"
            f"--changeset a:4 runInTransaction:false\n{lone.replace(' i ', ' j ').replace('t2', 't3')}\n",
        )
        error = error_of(whimbrel, db, "migrate")
        assert error["code"] == "lock-lost", error
        assert list(migrations(whimbrel, db).values()) == ["applied", "applied", "applied", "pending"]
        there = "SELECT count(*) FROM pg_indexes WHERE indexname = 'j'" if made == "pg" else "SHOW TABLES LIKE 't3'"
        assert db.sql(there) in ([("0",)], [])
        assert db.value("SELECT LOCKEDBY FROM DATABASECHANGELOGLOCK") == "gone (10.0.0.1)"


# ---- tags -------------------------------------------------------------------------------------------------------------------

TAGGED = """
databaseChangeLog:
  - changeSet: {id: 1, author: a, changes: [{sql: {sql: create table t1 (id int)}}], rollback: [{sql: {sql: drop table t1}}]}
  - changeSet: {id: v1, author: a, changes: [{tagDatabase: {tag: v1}}]}
  - changeSet: {id: 2, author: a, changes: [{sql: {sql: create table t2 (id int)}}], rollback: [{sql: {sql: drop table t2}}]}
  - changeSet: {id: v2, author: a, changes: [{tagDatabase: {tag: v2, keepTagOnRollback: true}}]}
  - changeSet: {id: e, author: a, changes: [{empty: {}}]}
  - changeSet: {id: 3, author: a, changes: [{tagDatabase: {tag: v3}}, {sql: {sql: create table t3 (id int)}}], rollback: drop table t3}
"""


def test_a_tag_is_a_place_to_go_to(whimbrel, db):
    whimbrel.write("db/changelog.yaml", TAGGED)
    migrate(whimbrel, db, "--to", "v2")
    migrate(whimbrel, db)
    rows = db.sql("SELECT ID, MD5SUM, DESCRIPTION, TAG FROM DATABASECHANGELOG ORDER BY ORDEREXECUTED")
    assert rows[1] == ("v1", "9:635ff1e577e13420abaf0552fb77ab20", "tagDatabase", "v1")
    assert rows[3] == ("v2", "9:2fab199a61bb19555667fd7102c8c553", "tagDatabase", "v2")
    assert rows[4] == ("e", "9:7a37a4e4638085400ecf49cb0bebb7de", "empty", None)
    assert rows[5][2:] == ("tagDatabase; sql", "v3")
    assert "tagged v3" in whimbrel.ok("history", "-d", db.url, *WORDS).out
    # What does nothing but set the tag goes with it, what does more stays; the letters' case says nothing.
    for tag, left in (("v3", ["a:1", "a:v1", "a:2", "a:v2", "a:e", "a:3"]), ("V2", ["a:1", "a:v1", "a:2"]), ("v1", ["a:1"])):
        whimbrel.ok("rollback", tag, "-d", db.url, *WORDS)
        assert [name for name, state in migrations(whimbrel, db).items() if state == "applied"] == left
    migrate(whimbrel, db)
    whimbrel.ok("goto", "v1", "-d", db.url, *WORDS)
    assert db.value("SELECT count(*) FROM DATABASECHANGELOG") == "2"
    whimbrel.ok("rollback", "--to", "a:v1", "-d", db.url, *WORDS)
    assert db.value("SELECT count(*) FROM DATABASECHANGELOG") == "2"
    whimbrel.ok("update-to-tag", "v2", "-d", db.url, *WORDS)
    # One of one's own, which Liquibase sets on the row of what came last.
    assert "a:v2 " in whimbrel.ok("tag", "before it", "-d", db.url, *WORDS).out
    assert db.sql("SELECT ID FROM DATABASECHANGELOG WHERE TAG = 'before it'") == [("v2",)]
    migrate(whimbrel, db)
    whimbrel.ok("goto", "before it", "-d", db.url, *WORDS)
    assert db.value("SELECT count(*) FROM DATABASECHANGELOG") == "4"
    assert error_of(whimbrel, db, "rollback", "--to", "nowhere")["code"] == "unknown-version"


def test_of_several_that_have_a_tag_the_oldest_is_meant(whimbrel, sqlite):
    whimbrel.write("db/changelog.yaml", TAGGED)
    for version in ("a:1", "a:2", "a:3"):
        migrate(whimbrel, sqlite, "--to", version)
        whimbrel.ok("tag", "now", "-d", sqlite.url, *WORDS)
    whimbrel.ok("rollback", "now", "-d", sqlite.url, *WORDS)
    assert sqlite.sql("SELECT ID FROM DATABASECHANGELOG") == [("1",)]
    # To the first of all, which is nothing but a tag, all goes.
    whimbrel.write("db/changelog.yaml", TAGGED.replace("{id: 1,", "{id: v0, author: a, changes: [{tagDatabase: {tag: v0}}]}\n  - changeSet: {id: 1,"))
    whimbrel.ok("rollback", "--all", "-d", sqlite.url, *WORDS)
    migrate(whimbrel, sqlite)
    whimbrel.ok("rollback", "v0", "-d", sqlite.url, *WORDS)
    assert sqlite.sql("SELECT ID FROM DATABASECHANGELOG") == []


def test_a_tag_needs_something_that_has_it(whimbrel, sqlite):
    whimbrel.write("db/changelog.yaml", TAGGED)
    sqlite.sql("PRAGMA user_version = 0")
    assert error_of(whimbrel, sqlite, "tag", "x")["code"] == "nothing-applied"
    whimbrel.write("migrations/1_a.sql", "select 1;")
    result = whimbrel("tag", "x", "-d", sqlite.url, "--convention", "whimbrel", "--output", "json")
    assert result.json["error"]["code"] == "not-in-convention"


# ---- what older releases left ------------------------------------------------------------------------------------------------

# Sums of version 8 that Liquibase 4.28 takes for unchanged.
OLDER = {
    "1": "8:847c7b68e7af2e09a2d769c97ccc0df5",
    "2": "8:cf2ff47fc737e6eca4f0689ac8c1e46f",
    "3": "8:37e58966395c665b3c0494842b903dea",
    "4": "8:6d5271881f1a8aefbc38677c03788cee",
    "5": "8:8747ae24c7def42fb2e80d9e3760ae6d",
    "6": "8:66b36565238a5af72e5603468437de78",
}


def test_sums_of_version_8_are_known(whimbrel, sqlite):
    formatted = """--liquibase formatted sql
--changeset a:1
create table v1 (id int);

  -- c   x
insert into v1\tvalues (1);
--changeset a:2 endDelimiter:/
create table v2 (id int)
/
--changeset a:3 splitStatements:false stripComments:false
create table v3 (id int);
--changeset a:4 runOnChange:true
select 'a  b' ;
"""
    whimbrel.write("db/part.sql", formatted)
    whimbrel.write(
        "db/changelog.yaml",
        "databaseChangeLog:\n  - include: {file: db/part.sql}\n"
        "  - changeSet: {id: 5, author: a, changes: [{sql: {sql: 'create table v5 (id   int)'}}, "
        "{sql: {sql: create table v5b (id int), splitStatements: false, endDelimiter: //}}]}\n"
        "  - changeSet: {id: 6, author: a, changes: [{tagDatabase: {tag: v1}}]}\n",
    )
    migrate(whimbrel, sqlite)
    for name, checksum in OLDER.items():
        sqlite.sql(f"UPDATE DATABASECHANGELOG SET MD5SUM = '{checksum}' WHERE ID = '{name}'")
    assert set(migrations(whimbrel, sqlite).values()) == {"applied"}
    # What runs whenever it changes runs; of the others an older sum is no reason to stop.
    whimbrel.write("db/part.sql", formatted.replace("a  b", "a  c").replace("v3", "v3x"))
    states = migrations(whimbrel, sqlite)
    assert [name for name, state in states.items() if state != "applied"] == ["a:4"]
    migrate(whimbrel, sqlite)
    assert sum_of(sqlite, "4").startswith("9:") and sum_of(sqlite, "3") == OLDER["3"]


# ---- what is settled by name --------------------------------------------------------------------------------------------------


def test_properties_of_a_file(whimbrel, sqlite):
    whimbrel.write("db/names.properties", "# names\nfirst=one\nsecond: t\\\n  wo\n")
    whimbrel.write(
        "db/changelog.yaml",
        "databaseChangeLog:\n  - property: {file: names.properties, relativeToChangelogFile: true}\n"
        "  - property: {file: absent.properties, errorIfMissing: false}\n"
        "  - changeSet: {id: 1, author: a, changes: [{sql: {sql: 'create table ${first}_${second} (id int)'}}]}\n",
    )
    migrate(whimbrel, sqlite)
    assert sqlite.value("SELECT count(*) FROM one_two") == "0"
    whimbrel.write("db/changelog.yaml", "databaseChangeLog:\n  - property: {file: absent.properties}\n")
    error = error_of(whimbrel, sqlite, "status")
    assert error["code"] == "bad-changelog" and "the file of a property is not there" in error["message"]


def test_quoting_is_of_what_liquibase_makes_itself(whimbrel, sqlite):
    def written(strategy):
        whimbrel.write(
            "db/changelog.yaml",
            f"databaseChangeLog:\n  - objectQuotingStrategy: {strategy}\n  - changeSet: {{id: 1, author: a, "
            f"objectQuotingStrategy: {strategy}, changes: [{{sql: {{sql: create table QqQ (id int)}}}}]}}\n",
        )

    written("QUOTE_ALL_OBJECTS")
    migrate(whimbrel, sqlite)
    assert sum_of(sqlite, "1") == "9:c222275a85c5980399d50ab33e2161e9"
    written("QUOTE_SOME")
    assert "an unknown objectQuotingStrategy" in error_of(whimbrel, sqlite, "status")["message"]


def test_preconditions_ask_the_catalog(whimbrel, db):
    def wanted(name, test, otherwise="MARK_RAN"):
        return (
            f"  - changeSet: {{id: {name}, author: a, preConditions: [{{onFail: {otherwise}}}, {test}], "
            f"changes: [{{sql: {{sql: create table c{name} (id int)}}}}]}}\n"
        )

    named = db.engine != "sqlite"
    tests = [
        ("1", "{indexExists: {indexName: IX_T}}", True),
        ("2", "{indexExists: {indexName: ix_t, tableName: u}}", False),
        ("3", "{primaryKeyExists: {tableName: T}}", True),
        ("4", "{not: [{primaryKeyExists: {tableName: u}}]}", True),
        ("5", "{changeLogPropertyDefined: {property: later}}", True),
        ("6", "{changeLogPropertyDefined: {property: later, value: no}}", False),
        ("7", "{sequenceExists: {sequenceName: nowhere}}", False),
    ]
    if named:
        tests += [
            ("8", "{foreignKeyConstraintExists: {foreignKeyName: u_fk}}", True),
            ("9", "{foreignKeyConstraintExists: {foreignKeyName: u_fk, foreignKeyTableName: t}}", False),
            ("10", "{uniqueConstraintExists: {tableName: u, constraintName: u_one}}", True),
        ]
    whimbrel.write(
        "db/changelog.yaml",
        "databaseChangeLog:\n  - changeSet: {id: 0, author: a, changes: [{sql: {sql: 'create table t (id int primary key); "
        "create index ix_t on t (id); create table u (t int, constraint u_one unique (t), "
        "constraint u_fk foreign key (t) references t (id))'}}]}\n"
        + "".join(wanted(name, test) for name, test, _ in tests)
        + "  - property: {name: later, value: yes}\n",
    )
    migrate(whimbrel, db)
    found = dict(db.sql("SELECT ID, EXECTYPE FROM DATABASECHANGELOG WHERE ID <> '0'"))
    assert found == {name: "EXECUTED" if holds else "MARK_RAN" for name, _, holds in tests}


def test_a_precondition_that_is_not_known_stops_only_its_changeset(whimbrel, sqlite):
    whimbrel.write(
        "db/changelog.yaml",
        "databaseChangeLog:\n  - changeSet: {id: 1, author: a, changes: [{sql: {sql: select 1}}]}\n"
        "  - changeSet:\n      id: 2\n      author: a\n      preConditions:\n        - customPrecondition: {className: x.Y}\n"
        "      changes: [{sql: {sql: select 2}}]\n",
    )
    assert set(migrations(whimbrel, sqlite).values()) == {"pending"}
    error = error_of(whimbrel, sqlite, "migrate")
    assert error["code"] == "host-language" and error["line"] == 7
    assert "has the precondition customPrecondition, which is not known here" in error["message"]
    migrate(whimbrel, sqlite, "--to", "a:1")
    whimbrel.ok("stamp", "head", "-d", sqlite.url, *WORDS)
    assert set(migrations(whimbrel, sqlite).values()) == {"applied"}

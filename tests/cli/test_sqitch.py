# SPDX-License-Identifier: Apache-2.0
"""What is Sqitch's own: its plan and ids, scripts for its clients, its registry on each engine, sqitch.conf."""

import hashlib

import pytest
from layouts import Sqitch

LAYOUT = Sqitch()
WORDS = ["--convention", "sqitch", "-m", "."]
HEAD = "%syntax-version=1.0.0\n%project=demo\n\n"
BY = "2026-01-01T00:00:00Z Test User <t@example.com>"


def write(program, plan, *names):
    program.write("sqitch.plan", plan)
    for name in names:
        program.write(f"deploy/{name}.sql", f"CREATE TABLE {name.split('/')[-1].split('@')[0]} (id int); -- {name}\n")
        program.write(f"revert/{name}.sql", f"DROP TABLE {name.split('/')[-1].split('@')[0]};\n")


def rows(program, sqlite, columns, table="changes", order="committed_at"):
    return sqlite.sql(
        f"ATTACH '{program.cwd / 'sqitch.db'}' AS sqitch; SELECT {columns} FROM sqitch.{table} ORDER BY {order}"
    )


def states(program, *words):
    document = program.ok("status", "--output", "json", *WORDS, *words).json
    return [(migration["version"], migration["state"]) for migration in document["migrations"]]


def test_ids_are_those_that_sqitch_computes(whimbrel, sqlite):
    # Each was seen in a registry that Sqitch 1.3.1 wrote.
    write(
        whimbrel,
        "%syntax-version=1.0.0\n%project=demo\n%uri=https://example.com/demo\n\n"
        "t1 2026-01-01T00:00:00Z Test User <t@example.com> # first change\n"
        "@v1 2026-01-01T00:00:30Z Test User <t@example.com> # tag one\n"
        "t2 [t1 !other:nope] 2026-01-01T00:01:00Z Test User <t@example.com> # second \\n line é\n",
        "t1",
        "t2",
    )
    text = "BEGIN;\nCREATE TABLE t1(id int);\nCOMMIT;\n"
    whimbrel.write("deploy/t1.sql", text)
    result = whimbrel.ok("migrate", *WORDS, "-d", sqlite.url)
    assert "t2 conflicts with other:nope: whether that is deployed is not looked at" in result.err
    assert rows(whimbrel, sqlite, "change_id, script_hash, note") == [
        ("b056655fbf60438a01e108e9f864209e38099d21", "5da304ac82b6bf6ed6fb6475e2e55521e8d4a588", "first change"),
        (
            "e4f8fd7b3be63031be45084811fb9586fd2526b5",
            hashlib.sha1((whimbrel.cwd / "deploy/t2.sql").read_bytes()).hexdigest(),
            "second \n line é",
        ),
    ]
    assert rows(whimbrel, sqlite, "tag_id, tag", "tags") == [("2580d7d73df865ededa3f24766fa34768dc9936a", "@v1")]
    assert rows(whimbrel, sqlite, "type, dependency, dependency_id", "dependencies", "type") == [
        ("conflict", "other:nope", None),
        ("require", "t1", "b056655fbf60438a01e108e9f864209e38099d21"),
    ]


@pytest.mark.parametrize(
    "text, line, says",
    [
        ("t1 2026-01-01T00:00:00Z Test User <t@example.com>\n", 1, "a blank line must come between"),
        ("%syntax-version=1.0.0\n\n", 2, "there is no %project"),
        (HEAD + f"t1 {BY}\nt1 {BY}\n", 5, "a second change of this name"),
        (HEAD + f"t1 [t2] {BY}\nt2 {BY}\n", 4, "t1 requires t2, which does not stand before it"),
        (HEAD + "t1\n", 4, "there is no timestamp"),
        (HEAD + "t1 2026-01-01T00:00:00Z Test User\n", 4, "there is no planner with name and email"),
        (HEAD + f"@v1 {BY}\n", 4, "a tag without a change before it"),
        (HEAD + f"t~1 {BY}\n", 4, "this cannot be a name"),
        (HEAD + f"HEAD {BY}\n", 4, "this name is reserved"),
        (HEAD + f"t1 [a:b:c] {BY}\n", 4, "this is not a dependency"),
    ],
)
def test_what_stops_sqitch_stops_with_its_place(whimbrel, sqlite, text, line, says):
    write(whimbrel, text, "t1", "t2")
    result = whimbrel("status", *WORDS, "-d", sqlite.url)
    assert result.code != 0
    assert says in result.err
    assert f"sqitch.plan:{line}:1" in result.err


def test_a_planned_script_must_be_there(whimbrel, sqlite):
    write(whimbrel, HEAD + f"t1 {BY}\nt2 {BY}\n", "t1")
    result = whimbrel("status", *WORDS, "-d", sqlite.url)
    assert result.code != 0
    assert "deploy/t2.sql is in the plan, and not there" in result.err


def test_reworked_changes_have_their_own_files(whimbrel, sqlite):
    plan = HEAD + f"t1 {BY}\n@v1 {BY}\n@v1b {BY}\nt1 [t1@v1] {BY}\n"
    write(whimbrel, plan, "t1@v1b")
    whimbrel.write("deploy/t1.sql", "CREATE TABLE other (id int);\n")
    whimbrel.write("revert/t1.sql", "DROP TABLE other;\n")
    whimbrel.ok("migrate", *WORDS, "-d", sqlite.url)
    assert states(whimbrel, "-d", sqlite.url) == [("t1@v1b", "applied"), ("t1", "applied")]
    whimbrel.ok("rollback", *WORDS, "-d", sqlite.url)
    assert states(whimbrel, "-d", sqlite.url) == [("t1@v1b", "applied"), ("t1", "pending")]
    assert rows(whimbrel, sqlite, "event, change", "events") == [("deploy", "t1"), ("deploy", "t1"), ("revert", "t1")]


def test_a_conflict_with_what_is_deployed_stops(whimbrel, sqlite):
    write(whimbrel, HEAD + f"t1 {BY}\nt2 [!t1] {BY}\n", "t1", "t2")
    result = whimbrel("migrate", *WORDS, "-d", sqlite.url)
    assert result.code != 0
    assert "conflicts with t1, which is deployed before it" in result.err


def test_what_was_planned_otherwise_is_missing(whimbrel, sqlite):
    write(whimbrel, HEAD + f"t1 {BY}\n", "t1")
    whimbrel.ok("migrate", *WORDS, "-d", sqlite.url)
    ((id,),) = rows(whimbrel, sqlite, "change_id")
    write(whimbrel, HEAD + f"t1 {BY} # another note\n", "t1")
    assert sorted(states(whimbrel, "-d", sqlite.url)) == [("t1", "out-of-order"), (f"t1@{id}", "missing")]
    assert whimbrel("migrate", *WORDS, "-d", sqlite.url).code != 0


def test_a_changed_script_is_named_and_accepted(whimbrel, sqlite):
    write(whimbrel, HEAD + f"t1 {BY}\n", "t1")
    whimbrel.ok("migrate", *WORDS, "-d", sqlite.url)
    whimbrel.write("deploy/t1.sql", "CREATE TABLE t1 (id bigint);\n")
    assert whimbrel("validate", *WORDS, "-d", sqlite.url).code != 0
    whimbrel.ok("repair", *WORDS, "-d", sqlite.url, "--yes")
    whimbrel.ok("validate", *WORDS, "-d", sqlite.url)
    assert rows(whimbrel, sqlite, "script_hash") == [(hashlib.sha1(b"CREATE TABLE t1 (id bigint);\n").hexdigest(),)]


def test_lines_for_the_client_are_passed_over_where_they_may_be(whimbrel, pg):
    write(whimbrel, HEAD + f"t1 {BY}\n", "t1")
    whimbrel.write(
        "deploy/t1.sql",
        "\\set ON_ERROR_STOP on\n\\set QUIET 1\n\\echo hello\nBEGIN;\nCREATE TABLE t1 (t text);\n"
        "COPY t1 FROM STDIN;\n\\N\nx\n\\.\nCOMMIT;\n",
    )
    whimbrel.ok("migrate", *WORDS, "-d", pg.url)
    assert pg.value("SELECT count(*) FROM t1") == "2"


@pytest.mark.parametrize(
    "text, line, says",
    [
        ("SELECT 1;\n\\i other.sql\n", 2, "uses \\i, which is no SQL"),
        ("\\set ON_ERROR_STOP off\n", 1, "uses \\set, which is no SQL"),
        ("SELECT 'SELECT 1' \\gexec\n", 1, "uses a command of psql behind SQL"),
        ("CREATE TABLE :\"registry\".x (id int);\n", 1, "uses the variable registry"),
        ("SELECT :'who';\n", 1, "uses the variable who"),
    ],
)
def test_what_only_the_client_can_do_is_refused_by_line(whimbrel, pg, text, line, says):
    write(whimbrel, HEAD + f"t1 {BY}\nt2 {BY}\n", "t1", "t2")
    whimbrel.write("sqitch.conf", '[core]\n  engine = pg\n[engine "pg.variables"]\n  who = me\n')
    whimbrel.write("deploy/t2.sql", text)
    result = whimbrel("migrate", *WORDS, "-d", pg.url)
    assert result.code != 0
    assert says in result.err and f"deploy/t2.sql:{line}" in result.err
    # It has its place, and can be said to be there.
    whimbrel.ok("stamp", "head", *WORDS, "-d", pg.url)
    assert states(whimbrel, "-d", pg.url) == [("t1", "applied"), ("t2", "applied")]


def test_a_failure_is_an_event(whimbrel, db):
    write(whimbrel, HEAD + f"t1 {BY}\nt2 {BY}\n", "t1", "t2")
    registry = f"reg_{db.name}" if db.engine == "mariadb" else "sqitch"
    whimbrel.write("sqitch.conf", f"[core]\n  registry = {registry}\n")
    whimbrel.write("deploy/t2.sql", "INSERT INTO nothing VALUES (1);\n")
    assert whimbrel("migrate", *WORDS, "-d", db.url).code != 0
    assert states(whimbrel, "-d", db.url) == [("t1", "applied"), ("t2", "pending")]


def test_a_newer_registry_is_refused(whimbrel, pg):
    for statement in LAYOUT.history("postgres", 1):
        pg.sql(statement)
    LAYOUT.write(whimbrel, 1)
    pg.sql("INSERT INTO sqitch.releases VALUES (2.0, now(), 'x', 'x')")
    result = whimbrel("status", *WORDS, "-d", pg.url)
    assert result.code != 0
    assert "release 2, which is not known here" in result.err


# ---- sqitch.conf --------------------------------------------------------------------------------------------


def test_the_configuration_names_target_folders_plan_and_registry(whimbrel, sqlite):
    whimbrel.write(
        "sqitch.conf",
        "# comment\n[core]\n\tengine = sqlite ; here\n\ttop_dir = sql\n\tplan_file = plans/my.plan\n"
        '[engine "sqlite"]\n\ttarget = here\n\tregistry = reg\n[target "here"]\n\turi = "db:sqlite:app.db"\n'
        "\tdeploy_dir = up\n[user]\n\tname = \"Me \\\"Myself\\\"\"\n\temail = me@example.com\n",
    )
    whimbrel.write("plans/my.plan", HEAD + f"t1 {BY}\n")
    whimbrel.write("up/t1.sql", "CREATE TABLE t1 (id int);\n")
    whimbrel.write("sql/revert/t1.sql", "DROP TABLE t1;\n")
    whimbrel.ok("migrate")
    file = whimbrel.cwd / "reg.db"
    assert sqlite.sql(f"ATTACH '{file}' AS r; SELECT committer_name, committer_email FROM r.changes") == [
        ('Me "Myself"', "me@example.com")
    ]
    whimbrel.ok("rollback")
    assert sqlite.sql("SELECT name FROM sqlite_master WHERE name = 't1'") == []


def test_another_target_is_chosen_with_e(whimbrel, sqlite):
    LAYOUT.write(whimbrel, 1)
    whimbrel.write(
        "sqitch.conf",
        '[core]\nengine = sqlite\n[engine "sqlite"]\ntarget = db:sqlite:other.db\n[target "mine"]\nuri = db:sqlite:app.db\n',
    )
    whimbrel.ok("migrate", "-e", "mine")
    assert len(rows(whimbrel, sqlite, "change")) == 1
    assert not (whimbrel.cwd / "other.db").exists()
    assert "sqitch.plan is there" in whimbrel.ok("conventions").out
    result = whimbrel("migrate", "-e", "nobody")
    assert result.code != 0 and "sqitch.conf has no target nobody" in result.err


def test_an_unreadable_line_is_an_error_with_its_place(whimbrel, sqlite):
    LAYOUT.write(whimbrel, 1)
    whimbrel.write("sqitch.conf", '[core]\n  engine = "sqlite\n')
    result = whimbrel("status", *WORDS, "-d", sqlite.url)
    assert result.code != 0
    assert "sqitch.conf:2:1" in result.err


def test_new_changes_are_left_to_sqitch(whimbrel, sqlite):
    LAYOUT.write(whimbrel, 1)
    result = whimbrel("new", "add users", *WORDS)
    assert result.code != 0
    assert "sqitch add add_users" in result.err

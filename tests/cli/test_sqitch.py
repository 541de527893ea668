# SPDX-License-Identifier: Apache-2.0
"""What is Sqitch's own: its plan and ids, scripts for its clients, its registry on each engine, sqitch.conf."""

import hashlib
import re

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
    whimbrel.ok("migrate", *WORDS, "-d", sqlite.url)
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


# ---- dependencies on other projects ---------------------------------------------------------------------------


def other_project(whimbrel, registry="sqitch"):
    whimbrel.write("other/sqitch.conf", f"[core]\n  registry = {registry}\n")
    whimbrel.write("other/sqitch.plan", f"%project=other\n\no1 {BY}\n@v1 {BY}\no2 {BY}\n")
    for n in (1, 2):
        whimbrel.write(f"other/deploy/o{n}.sql", f"CREATE TABLE o{n} (id int);\n")
        whimbrel.write(f"other/revert/o{n}.sql", f"DROP TABLE o{n};\n")


def test_what_other_projects_have_is_asked_of_the_registry(whimbrel, db):
    registry = f"reg_{db.name}" if db.engine == "mariadb" else "sqitch"
    whimbrel.write("sqitch.conf", f"[core]\n  registry = {registry}\n")
    write(whimbrel, HEAD + f"t1 {BY}\nt2 [other:o1@v1 !other:o2] {BY}\n", "t1", "t2")
    other_project(whimbrel, registry)
    there = ["--convention", "sqitch", "-m", "other", "-d", db.url]
    result = whimbrel("migrate", *WORDS, "-d", db.url)
    assert result.code != 0
    assert "t2 requires other:o1@v1, which is not deployed" in result.err and "sqitch.plan:5" in result.err
    assert states(whimbrel, "-d", db.url) == [("t1", "applied"), ("t2", "pending")]
    whimbrel.ok("migrate", *there)
    result = whimbrel("migrate", *WORDS, "-d", db.url)
    assert result.code != 0 and "t2 conflicts with other:o2, which is deployed" in result.err
    whimbrel.ok("rollback", *there)
    whimbrel.ok("migrate", *WORDS, "-d", db.url)
    assert states(whimbrel, "-d", db.url) == [("t1", "applied"), ("t2", "applied")]


# ---- verify scripts --------------------------------------------------------------------------------------------


def verify(whimbrel, name, text):
    whimbrel.write(f"verify/{name}.sql", f"-- Verify\nBEGIN;\n{text}\nROLLBACK;\n")


@pytest.mark.parametrize("other", ["--no-verify", "--dry-run", "--fake", "--single-transaction"])
def test_what_does_not_go_with_verify_is_said(whimbrel, other):
    result = whimbrel("migrate", "--verify", other)
    assert result.code == 2 and f"--verify and {other.split('=')[0]} do not go together" in result.err


def test_nobody_is_left_to_believe_that_something_was_verified(whimbrel, sqlite):
    whimbrel.write("migrations/1_t.sql", "CREATE TABLE t (id int);\n")
    result = whimbrel("migrate", "--verify", "-d", sqlite.url)
    assert result.code != 0 and "not-in-convention" in result.err
    whimbrel.ok("migrate", "-d", sqlite.url)
    assert "note   this convention has no verify scripts" in whimbrel.ok("validate", "--verify", "-d", sqlite.url).out
    document = whimbrel.ok("validate", "--verify", "-d", sqlite.url, "--output", "json").json
    assert document["valid"] and [(f["severity"], f["state"]) for f in document["findings"]] == [("note", "nothing-to-verify")]
    result = whimbrel("tag", " ", "-d", sqlite.url)
    assert result.code == 2 and "a tag has to have a name" in result.err
    result = whimbrel("tag", "v1", "-d", sqlite.url)
    assert result.code != 0 and "no tag can be put into whimbrel's history" in result.err


def test_verify_scripts_run_and_leave_nothing(whimbrel, db):
    registry = f"reg_{db.name}" if db.engine == "mariadb" else "sqitch"
    whimbrel.write("sqitch.conf", f"[core]\n  registry = {registry}\n")
    plan = HEAD + f"t1 {BY}\n@v1 {BY}\nt2 {BY}\nt1 {BY}\nt3 {BY}\n"
    write(whimbrel, plan, "t1@v1", "t2", "t3")
    whimbrel.write("deploy/t1.sql", "CREATE TABLE other (id int);\n")
    words = [*WORDS, "-d", db.url]
    verify(whimbrel, "t1@v1", "SELECT not_there FROM nowhere;")  # of a change that was reworked: not run
    verify(whimbrel, "t1", "INSERT INTO other VALUES (7);\nSELECT id FROM other;")
    whimbrel.ok("migrate", *words)
    result = whimbrel.ok("validate", "--verify", *words)
    assert "1 verify script succeeded" in result.out and "4 applied" in result.out
    assert db.value("SELECT count(*) FROM other") == "0"
    verify(whimbrel, "t3", "SELECT id FROM t3;\nSELECT wrong FROM t3;")
    whimbrel.ok("validate", *words)
    result = whimbrel("verify", *words)  # Sqitch's word
    assert result.code == 3
    assert "t3: its verify script fails: " in result.out and "verify/t3.sql:4" in result.out
    assert "1 of 2 verify scripts fails" in result.out
    document = whimbrel("validate", "--verify", "--output", "json", *words).json
    assert document["valid"] is False
    assert [(f["version"], f["state"], f["path"]) for f in document["findings"]] == [("t3", "unverified", "verify/t3.sql:4")]


@pytest.mark.parametrize(
    "engine, text, says",
    [
        ("pg", "VACUUM;", "this statement cannot run in a transaction"),
        ("maria", "CREATE TABLE x (id int);", "this statement ends the transaction on this server"),
        ("pg", "\\i other.sql", "uses \\i, which is no SQL"),
    ],
)
def test_a_verify_script_that_could_not_be_undone_is_refused(whimbrel, request, engine, text, says):
    db = request.getfixturevalue(engine)
    registry = f"reg_{db.name}" if db.engine == "mariadb" else "sqitch"
    whimbrel.write("sqitch.conf", f"[core]\n  registry = {registry}\n")
    write(whimbrel, HEAD + f"t1 {BY}\n", "t1")
    whimbrel.write("verify/t1.sql", text + "\n")
    whimbrel.ok("migrate", *WORDS, "-d", db.url)
    result = whimbrel("validate", "--verify", *WORDS, "-d", db.url)
    assert result.code == 3 and says in result.out and "verify/t1.sql:1" in result.out


@pytest.mark.parametrize("how", ["option", "configuration"])
def test_what_fails_its_test_is_taken_back(whimbrel, db, how):
    registry = f"reg_{db.name}" if db.engine == "mariadb" else "sqitch"
    conf = f"[core]\n  registry = {registry}\n"
    whimbrel.write("sqitch.conf", conf + ("[deploy]\n  verify = true\n" if how == "configuration" else ""))
    write(whimbrel, HEAD + "".join(f"t{n} {BY}\n" for n in (1, 2, 3)), "t1", "t2", "t3")
    verify(whimbrel, "t1", "SELECT id FROM t1;")
    verify(whimbrel, "t2", "SELECT wrong FROM t2;")
    words = [*WORDS, "-d", db.url] + (["--verify"] if how == "option" else [])
    result = whimbrel("migrate", *words)
    assert result.code != 0
    assert "verifying t2" in result.err and "verify/t2.sql:3" in result.err and "has taken it back" in result.err
    assert states(whimbrel, "-d", db.url) == [("t1", "applied"), ("t2", "pending"), ("t3", "pending")]
    assert len(rows(whimbrel, db, "change_id")) == 1 if db.engine == "sqlite" else True
    verify(whimbrel, "t2", "SELECT id FROM t2;")
    result = whimbrel.ok("migrate", *words)
    assert states(whimbrel, "-d", db.url) == [("t1", "applied"), ("t2", "applied"), ("t3", "applied")]
    whimbrel.ok("rollback", *WORDS, "--steps", "2", "-d", db.url)
    verify(whimbrel, "t2", "SELECT wrong FROM t2;")
    whimbrel.ok("migrate", "--no-verify", *[word for word in words if word != "--verify"])


@pytest.mark.parametrize("how", ["option", "configuration"])
def test_a_saved_plan_is_verified_too(whimbrel, db, how):
    registry = f"reg_{db.name}" if db.engine == "mariadb" else "sqitch"
    whimbrel.write("sqitch.conf", f"[core]\n  registry = {registry}\n" + ("[deploy]\n  verify = true\n" if how == "configuration" else ""))
    write(whimbrel, HEAD + "".join(f"t{n} {BY}\n" for n in (1, 2, 3)), "t1", "t2", "t3")
    verify(whimbrel, "t2", "SELECT wrong FROM t2;")
    words = [*WORDS, "-d", db.url]
    whimbrel.ok("plan", "--save", "plan.json", *words)
    words += ["--verify"] if how == "option" else []
    result = whimbrel("migrate", "--plan", "plan.json", *words)
    assert result.code == 1 and "verifying t2" in result.err and "has taken it back" in result.err
    assert states(whimbrel, "-d", db.url) == [("t1", "applied"), ("t2", "pending"), ("t3", "pending")]
    verify(whimbrel, "t2", "SELECT id FROM t2;")
    result = whimbrel("migrate", "--plan", "plan.json", *words)
    assert result.code == 1 and "plan-outdated" in result.err
    whimbrel.ok("plan", "--save", "plan.json", *words[:6])
    whimbrel.ok("migrate", "--plan", "plan.json", *words)
    assert states(whimbrel, "-d", db.url) == [("t1", "applied"), ("t2", "applied"), ("t3", "applied")]


def test_a_dry_run_says_that_it_verifies_nothing(whimbrel, sqlite):
    whimbrel.write("sqitch.conf", "[deploy]\n  verify = true\n")
    write(whimbrel, HEAD + f"t1 {BY}\n", "t1")
    result = whimbrel.ok("migrate", "--dry-run", *WORDS, "-d", sqlite.url)
    assert "note: the verify scripts run with the migrations themselves" in result.err
    assert "note" not in whimbrel.ok("migrate", "--dry-run", "--no-verify", *WORDS, "-d", sqlite.url).err


# ---- new changes -----------------------------------------------------------------------------------------------


def test_a_new_change_is_planned_with_its_scripts(whimbrel, sqlite):
    whimbrel.write(
        "sqitch.conf",
        "[core]\n  engine = sqlite\n  top_dir = db\n  verify_dir = tests\n[user]\n  name = Test User\n  email = t@example.com\n",
    )
    whimbrel.write("db/sqitch.plan", "%syntax-version=1.0.0\n%project=demo")
    words = ["--convention", "sqitch", "-d", sqlite.url]
    result = whimbrel.ok("new", "Create users", "--note", "the first\\one", *words)
    assert result.out.split() == [
        "db/deploy/create_users.sql", "db/revert/create_users.sql", "db/../tests/create_users.sql", "db/sqitch.plan",
    ]
    document = whimbrel.ok("add", "orders", "--requires", "create_users", "--conflicts", "x:y", "--output", "json", *words).json
    assert document["version"] == "orders" and document["paths"][-1] == "db/sqitch.plan"
    lines = (whimbrel.cwd / "db/sqitch.plan").read_text().splitlines()
    assert lines[:3] == ["%syntax-version=1.0.0", "%project=demo", ""]
    at = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ Test User <t@example.com>"
    assert re.fullmatch(rf"create_users {at} # the first\\\\one", lines[3])
    assert re.fullmatch(rf"orders \[create_users !x:y\] {at} # orders", lines[4])
    text = (whimbrel.cwd / "db/deploy/orders.sql").read_text()
    assert text.startswith("-- Deploy demo:orders to sqlite\n-- requires: create_users\n-- conflicts: x:y\n\nBEGIN;\n")
    assert text.endswith("\nCOMMIT;\n")
    assert (whimbrel.cwd / "tests/orders.sql").read_text().endswith("ROLLBACK;\n")
    assert [m["version"] for m in whimbrel.ok("status", *words, "--output", "json").json["migrations"]] == ["create_users", "orders"]
    # Behind a tag there is a blank line.
    with open(whimbrel.cwd / "db/sqitch.plan", "a") as plan:
        plan.write("@v1 2026-01-01T00:00:00Z Test User <t@example.com>\n")
    whimbrel.ok("new", "last", *words)
    assert (whimbrel.cwd / "db/sqitch.plan").read_text().splitlines()[6] == ""


def test_a_change_that_sqitch_would_not_plan_is_not_planned(whimbrel, sqlite):
    write(whimbrel, HEAD + f"t1 {BY}\n", "t1")
    before = (whimbrel.cwd / "sqitch.plan").read_text()
    result = whimbrel("new", "t1", *WORDS)
    assert result.code != 0 and "t1 is in sqitch.plan already" in result.err and "sqitch rework t1" in result.err
    result = whimbrel("new", "t2", "--requires", "nobody", *WORDS)
    assert result.code != 0 and "t2 requires nobody, which does not stand before it" in result.err
    assert not (whimbrel.cwd / "deploy/t2.sql").exists()
    assert (whimbrel.cwd / "sqitch.plan").read_text() == before
    result = whimbrel("new", "t2", "--requires", "t1", "--convention", "whimbrel")
    assert result.code != 0 and "--requires is for tools that list their migrations" in result.err


# ---- places, tags, and changes in a new form ---------------------------------------------------------------------


@pytest.fixture
def tagged(whimbrel, sqlite):
    """t1 @v1 @v1b, t2, t1 again, t3 @v2"""
    write(whimbrel, HEAD + f"t1 {BY}\n@v1 {BY}\n@v1b {BY}\nt2 {BY}\nt1 [t1@v1] {BY}\nt3 {BY}\n@v2 {BY}\n", "t1@v1", "t2", "t3")
    whimbrel.write("deploy/t1.sql", "CREATE TABLE other (id int);\n")
    whimbrel.write("revert/t1.sql", "DROP TABLE other;\n")
    return [*WORDS, "-d", sqlite.url]


UP = {"@v1": 1, "v1": 1, "@v1b": 1, "t1@v1": 1, "t1@v1b": 1, "t1": 3, "t1@HEAD": 3, "t1@ROOT": 1, "t2~": 3, "t2~2": 4, "@HEAD": 4,
      "@HEAD^": 3, "@HEAD^^": 2, "@HEAD^3": 1, "@ROOT": 1, "@ROOT~": 2, "@v2^": 3, "@v2": 4}
NOWHERE = ["@HEAD~", "@ROOT^", "@HEAD^4", "@ROOT~9", "@nobody", "t2@nobody", "t1@nobody^", "@", "^", "@HEAD^99999999999999999999"]


def test_places_as_sqitch_has_them(whimbrel, tagged):
    for place, count in UP.items():
        whimbrel.ok("deploy", place, *tagged)
        assert [state for _, state in states(whimbrel, *tagged[-2:])].count("applied") == count, place
        whimbrel.ok("rollback", "--all", *tagged)
    for place in NOWHERE:
        result = whimbrel("migrate", "--to", place, *tagged)
        assert result.code == 2 and f"there is no migration '{place}'" in result.err, place
    # Down, what counts is what is deployed.
    for place, count in UP.items():
        whimbrel.ok("migrate", "--to", "t1", *tagged)
        count = {"@HEAD": 3, "@HEAD^": 2, "@HEAD^^": 1, "t2~2": 3, "@v2": 3}.get(place, count)
        result = whimbrel("revert", place, *tagged)
        assert result.code == (2 if place in ("@HEAD^3", "t2~2") else 0), (place, result)
        expected = 3 if place == "@HEAD^3" else count
        assert [state for _, state in states(whimbrel, *tagged[-2:])].count("applied") == expected, place


def test_an_id_is_a_place(whimbrel, tagged, sqlite):
    whimbrel.ok("migrate", "--to", "t2", *tagged)
    first = rows(whimbrel, sqlite, "change_id")[0][0]
    whimbrel.ok("rollback", "--to", first, *tagged)
    assert len(rows(whimbrel, sqlite, "change_id")) == 1


def test_status_has_the_tags(whimbrel, tagged):
    whimbrel.ok("migrate", "--to", "t2", *tagged)
    document = whimbrel.ok("status", "--output", "json", *tagged).json
    assert [migration.get("tag") for migration in document["migrations"]] == ["@v1 @v1b", None, None, "@v2"]
    out = whimbrel.ok("status", *tagged).out
    assert "@v1 @v1b" in out and "@v2" in out


def test_what_was_tagged_since_is_written_down_with_the_next(whimbrel, tagged, sqlite):
    whimbrel.ok("migrate", "--to", "t2", *tagged)
    whimbrel.ok("tag", "late", "--at", "t2", "--note", "so late", *WORDS)
    whimbrel.ok("tag", "@early", "--at", "@v1", *WORDS)
    whimbrel.ok("migrate", "--steps", "1", *tagged)
    assert [row[0] for row in rows(whimbrel, sqlite, "tag", "tags", "tag")] == ["@late", "@v1", "@v1b"]
    plan = (whimbrel.cwd / "sqitch.plan").read_text().split("\n")
    assert [line.split()[0] for line in plan[3:-1]] == ["t1", "@v1", "@v1b", "@early", "t2", "@late", "t1", "t3", "@v2"]
    assert plan[8].endswith(" # so late")


def test_tags_that_sqitch_would_not_take(whimbrel, tagged):
    before = (whimbrel.cwd / "sqitch.plan").read_text()
    for words, says in [(["v1"], "a second tag of this name"), (["a/b"], "no tag of the name a/b"), (["HEAD"], "this name is reserved"),
                        (["x", "--at", "nobody"], "has no change nobody"), (["a b"], "no tag of the name a b")]:
        result = whimbrel("tag", *words, *WORDS)
        assert result.code != 0 and says in result.err, words
    assert (whimbrel.cwd / "sqitch.plan").read_text() == before
    write(whimbrel, HEAD)
    assert "plans nothing that could be tagged" in whimbrel("tag", "v1", *WORDS).err
    result = whimbrel("tag", "v1", "--note", "x", "--convention", "whimbrel", "-m", ".")
    assert result.code == 2 and "--note is for tools that list their migrations" in result.err


def test_a_change_is_reworked_behind_a_tag(whimbrel, tagged, sqlite):
    result = whimbrel("rework", "t3", "--convention", "whimbrel", "-m", ".")
    assert result.code == 2 and "--rework is for tools that list" in result.err
    whimbrel.write("verify/t2.sql", "SELECT id FROM t2;\n")
    result = whimbrel.ok("rework", "t2", "--requires", "t3", "--note", "another", *WORDS)
    assert result.out.split() == ["deploy/t2@v2.sql", "revert/t2@v2.sql", "verify/t2@v2.sql", "revert/t2.sql", "sqitch.plan"]
    text = (whimbrel.cwd / "deploy/t2.sql").read_text()
    assert (whimbrel.cwd / "deploy/t2@v2.sql").read_text() == text == (whimbrel.cwd / "revert/t2.sql").read_text()
    assert "DROP TABLE t2" in (whimbrel.cwd / "revert/t2@v2.sql").read_text()
    assert re.search(r"\nt2 \[t2@v2 t3\] \S+Z .* # another\n$", (whimbrel.cwd / "sqitch.plan").read_text())
    assert [version for version, _ in states(whimbrel, "-d", sqlite.url)] == ["t1@v1", "t2@v2", "t1", "t3", "t2"]
    before = (whimbrel.cwd / "sqitch.plan").read_text()
    for name, says in [("t2", "t2 has no tag behind it"), ("nobody", "has no change nobody")]:
        result = whimbrel("rework", name, *WORDS)
        assert result.code != 0 and says in result.err
    assert (whimbrel.cwd / "sqitch.plan").read_text() == before


def test_reworking_goes_on_where_it_was_interrupted(whimbrel, tagged):
    whimbrel.write("deploy/t2@v2.sql", (whimbrel.cwd / "deploy/t2.sql").read_text())
    whimbrel.ok("rework", "t2", *WORDS)
    whimbrel.write("deploy/t3@v2.sql", "SELECT 'something else';\n")
    before = (whimbrel.cwd / "sqitch.plan").read_text()
    result = whimbrel("rework", "t3", *WORDS)
    assert result.code != 0 and "deploy/t3@v2.sql is there already, and holds something else" in result.err
    assert (whimbrel.cwd / "sqitch.plan").read_text() == before


@pytest.mark.parametrize("line, says", [
    (f"t2 [t1@nope] {BY}", "t2 requires t1@nope, which does not stand before it"),
    (f"t2 [t1 t1] {BY}", "the same dependency a second time"),
])
def test_a_dependency_must_be_one(whimbrel, sqlite, line, says):
    write(whimbrel, HEAD + f"t1 {BY}\n@v1 {BY}\n{line}\n", "t1", "t2")
    result = whimbrel("status", *WORDS, "-d", sqlite.url)
    assert result.code != 0 and says in result.err and "sqitch.plan:6:1" in result.err

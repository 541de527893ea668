# SPDX-License-Identifier: Apache-2.0
"""Each command as people use it, on the embedded engine; what differs between engines is in test_engines.py."""

import json
import pathlib
import re
import time

import pytest

A_UP, A_DOWN = "CREATE TABLE a (x integer);\n", "DROP TABLE a;\n"
B_UP, B_DOWN = "CREATE TABLE b (x integer);\n", "DROP TABLE b;\n"


@pytest.fixture
def project(whimbrel, sqlite):
    """Two reversible migrations and a database URL in the environment's place: the configuration."""
    whimbrel.write("whimbrel.toml", f'database = "{sqlite.url}"\n')
    whimbrel.write("migrations/20250405120000_create_a.up.sql", A_UP)
    whimbrel.write("migrations/20250405120000_create_a.down.sql", A_DOWN)
    whimbrel.write("migrations/20250406120000_create_b.up.sql", B_UP)
    whimbrel.write("migrations/20250406120000_create_b.down.sql", B_DOWN)
    return whimbrel


def states(program, *args):
    document = program.ok("status", "--output", "json", *args).json
    return [(row["version"] or row["name"], row["state"]) for row in document["migrations"]]


def tables(sqlite):
    rows = sqlite.sql("SELECT name FROM sqlite_master WHERE type = 'table' AND name IN ('a', 'b', 'c') ORDER BY name")
    return re.findall(r"[abc]", str(rows))


# ---- new ------------------------------------------------------------------------------------------------------------


def test_new_makes_files_with_a_header_and_prints_their_paths(whimbrel):
    result = whimbrel.ok("new", "CreateUsers", "--reversible")
    paths = result.out.split()
    assert len(paths) == 2
    assert all(re.fullmatch(r"migrations/\d{14}_create_users\.(up|down)\.sql", path) for path in paths)
    today = time.strftime("%Y-%m-%d", time.gmtime())
    for path in paths:
        text = (whimbrel.cwd / path).read_text()
        assert "-- Author: " in text and f"-- Date: {today}" in text and "create" in text


@pytest.mark.parametrize(
    "name, snake",
    [
        ("create users", "create_users"),
        ("Add Order-Status!", "add_order_status"),
        ("parseHTTPHeader", "parse_http_header"),
        ("__x__", "x"),
        ("größe", "größe"),
        ("a/../../b", "a_b"),
    ],
)
def test_new_turns_the_name_into_snake_case(whimbrel, name, snake):
    path = whimbrel.ok("new", name, "--sql-only").out.strip()
    assert re.fullmatch(rf"migrations/\d{{14}}_{snake}\.sql", path)


def test_new_refuses_a_name_of_nothing(whimbrel):
    assert whimbrel("new", "!!!").code == 2


def test_new_never_collides(whimbrel):
    versions = [whimbrel.ok("new", "x", "--sql-only", "--output", "json").json["version"] for _ in range(5)]
    assert len(set(versions)) == 5 and versions == sorted(versions)


def test_new_folder_repeatable_and_numbered(whimbrel):
    assert re.fullmatch(r"migrations/\d{14}_x/up\.sql\nmigrations/\d{14}_x/down\.sql\n", whimbrel_sorted(whimbrel, "--dir"))
    assert whimbrel.ok("new", "views", "--repeatable").out == "migrations/R__views.sql\n"
    again = whimbrel("new", "views", "--repeatable")
    assert again.code == 1 and "is there already" in again.err


def whimbrel_sorted(whimbrel, *args):
    return "".join(sorted(whimbrel.ok("new", "x", *args).out.splitlines(keepends=True), reverse=True))


def test_new_numbered_counts_on(whimbrel):
    whimbrel.write("migrations/0041_x.sql", "SELECT 1;")
    assert whimbrel.ok("new", "y", "--numbered", "--sql-only").out == "migrations/0042_y.sql\n"


def test_new_uses_the_projects_templates(whimbrel):
    whimbrel.write("templates/migration.up.sql", "-- ${name} by ${author} on ${date}, ${version}, ${other}\n")
    result = whimbrel.ok("new", "x", "--reversible", "--output", "json").json
    up = next(path for path in result["paths"] if path.endswith(".up.sql"))
    text = (whimbrel.cwd / up).read_text()
    assert re.fullmatch(r"-- x by .+ on \d{4}-\d\d-\d\d, \d{14}, \$\{other\}\n", text)
    assert result["version"] in text


def test_new_takes_the_author_from_git(whimbrel):
    whimbrel.write("bin/git", "#!/bin/sh\necho 'Ada Lovelace'\n").chmod(0o755)
    path = whimbrel.ok("new", "x", "--sql-only", env={"PATH": f"{whimbrel.cwd}/bin:/usr/bin:/bin"}).out.strip()
    assert "-- Author: Ada Lovelace\n" in (whimbrel.cwd / path).read_text()
    path = whimbrel.ok("new", "y", "--sql-only", env={"PATH": "/nowhere", "USER": "grace"}).out.strip()
    assert "-- Author: grace\n" in (whimbrel.cwd / path).read_text()


# ---- status, plan, migrate, rollback -----------------------------------------------------------------------------------


def test_status_looks_at_an_absent_file_as_an_empty_database(project, sqlite):
    assert states(project) == [("20250405120000", "pending"), ("20250406120000", "pending")]
    assert project.ok("status", "--output", "json").json["database"]["name"] == "app.db"
    for command in ("plan", "current", "validate", "history"):
        project.ok(command)
    assert not (project.cwd / "app.db").exists()


def test_status_as_json(project):
    project.ok("migrate", "--steps", "1")
    document = project.ok("status", "--output", "json").json
    assert document["whimbrel"] and document["convention"] == "whimbrel"
    assert document["database"]["engine"] == "sqlite" and document["database"]["version"]
    assert (document["state"], document["current"]) == ("pending", "20250405120000")
    first, second = document["migrations"]
    assert first["version"] == "20250405120000" and first["name"] == "create_a"
    assert first["kind"] == "versioned" and first["state"] == "applied" and first["reversible"] is True
    assert first["path"] == "migrations/20250405120000_create_a.up.sql"
    assert re.fullmatch(r"[0-9a-f]{64}", first["checksum"])
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", first["applied_at"])
    assert first["duration_ms"] >= 0 and "@" in first["applied_by"] and first["run"] == 1
    assert second["state"] == "pending" and second["applied_at"] is None and second["run"] is None


def test_status_check_exits_with_3_until_everything_is_applied(project):
    assert project("status", "--check").code == 3
    project.ok("migrate")
    project.ok("status", "--check")
    project.write("migrations/20250405120000_create_a.up.sql", "CREATE TABLE a (x integer, y integer);\n")
    assert project("status", "--check").code == 3


def test_status_pending_shows_only_what_is_to_do(project):
    project.ok("migrate", "--steps", "1")
    assert states(project, "--pending") == [("20250406120000", "pending")]
    out = project.ok("status", "--pending").out
    assert "create_b" in out and "create_a" not in out


def test_status_as_text(project):
    project.ok("migrate", "--steps", "1")
    out = project.ok("status").out
    assert out.startswith("app.db · SQLite 3.")
    assert re.search(r"^  20250405120000  create_a  applied  \d{4}-\d\d-\d\d \d\d:\d\d UTC", out, re.MULTILINE)
    assert re.search(r"^  20250406120000  create_b  pending$", out, re.MULTILINE)
    assert "1 applied, 1 pending.    next: whimbrel plan, whimbrel migrate" in out
    assert not [line for line in out.splitlines() if line != line.rstrip()]


def test_migrate_and_rollback_as_json(project, sqlite):
    document = project.ok("migrate", "--output", "json").json
    assert document["state"] == "up-to-date" and document["run"] == 1 and document["error"] is None
    assert document["applied"] == ["20250405120000", "20250406120000"] and document["rolled_back"] == []
    assert document["duration_ms"] > 0
    document = project.ok("rollback", "--output", "json").json
    assert document["rolled_back"] == ["20250406120000"] and document["applied"] == []
    assert document["state"] == "pending" and document["run"] == 2
    assert tables(sqlite) == ["a"]


def test_migrate_says_what_it_did_and_then_that_there_is_nothing_to_do(project):
    result = project.ok("migrate")
    assert re.search(r"^2 applied in .*, run 1\. The database is at 20250406120000, up to date\.$", result.out, re.MULTILINE)
    assert re.search(r"^ok   20250405120000 create_a", result.err, re.MULTILINE)
    result = project.ok("migrate")
    assert result.out == "Nothing to do: the database is at 20250406120000, up to date.\n" and result.err == ""


def test_a_failure_is_shown_with_the_files_line_and_what_holds(project):
    project.write("migrations/20250407120000_bad.up.sql", "-- a comment\nCREATE TABLE c (x integer);\n\tINSERT INTO nowhere VALUES (1);\n")
    result = project("migrate")
    assert result.code == 1
    assert "error: no such table: nowhere" in result.err
    assert "--> migrations/20250407120000_bad.up.sql:3:" in result.err
    lines = result.err.splitlines()
    at = next(i for i, line in enumerate(lines) if "INSERT INTO nowhere" in line and "|" in line)
    assert set(lines[at + 1].split("|")[1].strip()) == {"^"}
    assert "20250406120000" in result.err and "Next: " in result.err
    document = project("migrate", "--output", "json").json
    error = document["error"]
    assert set("kind message migration path line column statement sqlstate hint".split()) <= set(error)
    assert error["kind"] == "sql" and error["migration"] == "20250407120000" and error["line"] == 3
    assert error["path"] == "migrations/20250407120000_bad.up.sql" and "INSERT INTO nowhere" in error["statement"]
    assert document["state"] == "pending" and document["applied"] == []


def test_migrate_to_steps_and_fake(project, sqlite):
    assert project.ok("migrate", "--to", "create_a", "--output", "json").json["applied"] == ["20250405120000"]
    assert project.ok("migrate", "--fake", "--output", "json").json["applied"] == ["20250406120000"]
    assert tables(sqlite) == ["a"]
    assert "1 recorded as not applied" in project.ok("rollback", "--fake").out


def test_a_dry_run_leaves_nothing(project, sqlite):
    result = project.ok("migrate", "--dry-run")
    assert "this was a dry run" in result.out
    assert tables(sqlite) == []
    assert states(project) == [("20250405120000", "pending"), ("20250406120000", "pending")]


def test_an_unknown_version_is_a_wrong_call(project):
    result = project("migrate", "--to", "99")
    assert result.code == 2 and "99" in result.err


def test_rollback_in_all_its_ways(project):
    project.ok("migrate", "--steps", "1")
    project.ok("migrate")
    assert project.ok("rollback", "--last-run", "--output", "json").json["rolled_back"] == ["20250406120000"]
    project.ok("migrate")
    assert project.ok("rollback", "--to", "20250405120000", "--output", "json").json["rolled_back"] == ["20250406120000"]
    project.ok("migrate")
    assert project.ok("rollback", "--steps", "2", "--output", "json").json["rolled_back"] == ["20250406120000", "20250405120000"]
    project.ok("migrate")
    assert len(project.ok("rollback", "--all", "--output", "json").json["rolled_back"]) == 2


def test_rollback_keeps_a_copy_if_asked(project, sqlite):
    project.ok("migrate")
    sqlite.sql("INSERT INTO b VALUES (42)")
    project.ok("rollback", "--backup")
    copies = list(project.cwd.glob("app.db.*.backup"))
    assert len(copies) == 1
    import sqlite3

    assert sqlite3.connect(copies[0]).execute("SELECT x FROM b").fetchall() == [(42,)]


def test_rollback_refuses_an_absent_database(project):
    result = project("rollback")
    assert result.code == 1 and "app.db" in result.err
    assert not (project.cwd / "app.db").exists()


def test_goto_redo_sync(project, sqlite):
    assert project.ok("goto", "head", "--output", "json").json["applied"] == ["20250405120000", "20250406120000"]
    assert project.ok("goto", "-1", "--output", "json").json["rolled_back"] == ["20250406120000"]
    assert project.ok("goto", "base", "--output", "json").json["rolled_back"] == ["20250405120000"]
    project.ok("migrate")
    document = project.ok("redo", "--output", "json").json
    assert document["rolled_back"] == document["applied"] == ["20250406120000"]
    for file in project.cwd.glob("migrations/20250406*"):
        file.unlink()
    project.write("migrations/20250407120000_c.sql", "CREATE TABLE c (x integer);")
    document = project.ok("sync", "--output", "json").json
    assert document["rolled_back"] == ["20250406120000"] and document["applied"] == ["20250407120000"]
    assert tables(sqlite) == ["a", "c"]


def test_plan_shows_statements_and_changes_nothing(project, sqlite):
    out = project.ok("plan").out
    assert "2 migrations, in 2 transactions, on app.db (SQLite" in out
    assert "CREATE TABLE a (x integer)" in out and "in one transaction" in out
    document = project.ok("plan", "--output", "json").json
    assert [step["version"] for step in document["steps"]] == ["20250405120000", "20250406120000"]
    assert document["steps"][0]["segments"][0]["kind"] == "transaction"
    assert document["steps"][0]["segments"][0]["statements"][0]["text"] == "CREATE TABLE a (x integer)"
    assert states(project)[0][1] == "pending"
    project.ok("migrate")
    assert "DROP TABLE b" in project.ok("plan", "--down").out
    assert project.ok("plan").out.startswith("Nothing to do")


def test_a_saved_plan_runs_only_as_it_was_looked_at(project, sqlite):
    project.ok("plan", "--save", "release.plan")
    assert json.loads((project.cwd / "release.plan").read_text())["whimbrel_plan"] == 1
    project.write("migrations/20250406120000_create_b.up.sql", "CREATE TABLE b (x integer, y integer);\n")
    result = project("migrate", "--plan", "release.plan")
    assert result.code == 1 and "plan" in result.err
    assert states(project)[0][1] == "pending"
    project.write("migrations/20250406120000_create_b.up.sql", B_UP)
    assert len(project.ok("migrate", "--plan", "release.plan", "--output", "json").json["applied"]) == 2
    project.ok("plan", "--down", "--save", "back.plan")
    assert project("migrate", "--plan", "back.plan").code == 2
    assert project.ok("rollback", "--plan", "back.plan", "--output", "json").json["rolled_back"] == ["20250406120000"]
    project.write("nonsense.plan", "{}")
    assert project("migrate", "--plan", "nonsense.plan").code == 2


def test_seed(project, sqlite):
    project.ok("migrate")
    project.write("migrations/seeds/dev.sql", "INSERT INTO a VALUES (1);")
    assert "Seeds of dev ran" in project.ok("seed", "dev").out
    assert project.ok("seed", "--env", "dev", "--output", "json").json["error"] is None
    assert sqlite.value("SELECT count(*) FROM a") in (2, "2")
    result = project("seed", "dve")
    assert result.code == 2 and "Did you mean 'dev'?" in result.err
    assert project("seed").code == 2


# ---- taking over, mending ------------------------------------------------------------------------------------------------


def test_init_makes_what_is_missing_and_never_writes_over(whimbrel):
    result = whimbrel.ok("init", "-d", "sqlite:app.db")
    assert "made whimbrel.toml" in result.out and "made migrations/" in result.out
    text = (whimbrel.cwd / "whimbrel.toml").read_text()
    assert 'database = "sqlite:app.db"' in text
    assert whimbrel.ok("status").code == 0
    whimbrel.write("whimbrel.toml", "# mine\n")
    assert "kept whimbrel.toml" in whimbrel.ok("init").out
    assert (whimbrel.cwd / "whimbrel.toml").read_text() == "# mine\n"


def test_init_writes_no_password_into_the_file(whimbrel):
    whimbrel.ok("init", "-d", "mysql://u:hunter2@127.0.0.1:1/d")
    assert "hunter2" not in (whimbrel.cwd / "whimbrel.toml").read_text()


def test_init_from_another_tool(whimbrel):
    assert "Did you mean 'sqlx'?" in whimbrel("init", "--from", "sqlxx").err
    whimbrel.ok("init", "--from", "sqlx")
    assert 'convention = "sqlx"' in (whimbrel.cwd / "whimbrel.toml").read_text()


def test_conventions(project):
    out = project.ok("conventions").out
    assert "sqlx" in out and "This project: whimbrel" in out
    document = project.ok("conventions", "--output", "json").json
    assert document["convention"] == "whimbrel"
    assert {"whimbrel", "sqlx"} <= {row["name"] for row in document["conventions"]}
    result = project("--convention", "flywya", "status")
    assert result.code == 2


def test_baseline_and_stamp(project, sqlite):
    sqlite.sql("CREATE TABLE a (x integer)")
    assert "at 20250405120000" in project.ok("baseline", "20250405120000").out
    assert project.ok("migrate", "--output", "json").json["applied"] == ["20250406120000"]
    assert project("baseline", "20250405120000").code == 1
    assert project.ok("stamp", "20250405120000", "--output", "json").json["rolled_back"] == ["20250406120000"]
    assert tables(sqlite) == ["a", "b"]


def test_validate_and_repair(project):
    project.ok("migrate")
    assert project.ok("validate", "--output", "json").json["valid"] is True
    project.write("migrations/20250405120000_create_a.up.sql", "CREATE TABLE a (x bigint);\n")
    result = project("validate")
    assert result.code == 3 and "differs from what was applied" in result.out
    out = project("validate", "--diff").out
    assert "-CREATE TABLE a (x integer);" in out and "+CREATE TABLE a (x bigint);" in out
    document = project("validate", "--output", "json").json
    assert document["valid"] is False and document["findings"][0]["state"] == "changed"
    assert project("migrate").code == 1
    asked = project("repair")
    assert asked.code == 2 and "create_a" in asked.err and "-y" in asked.err
    assert project("validate").code == 3
    assert project.ok("repair", "--yes", "--output", "json").json["done"] is True
    project.ok("validate")
    assert project.ok("repair").out == "Nothing to repair.\n"


def test_comments_and_spacing_are_only_a_note(project):
    project.ok("migrate")
    project.write("migrations/20250405120000_create_a.up.sql", "-- more\nCREATE  TABLE a (x integer);\n")
    result = project.ok("validate")
    assert "comments or spacing differ" in result.out
    project.ok("status", "--check")


def test_what_a_short_history_leaves_out_is_asked_for_when_it_matters(whimbrel, db):
    whimbrel.write("whimbrel.toml", f'database = "{db.url}"\n')
    whimbrel.write("migrations/1_a.sql", A_UP)
    whimbrel.write("migrations/2_b.sql", B_UP)
    whimbrel.write("migrations/R__v.sql", "DROP VIEW IF EXISTS v;\nCREATE VIEW v AS SELECT 1 AS one;\n")
    whimbrel.ok("migrate")
    whimbrel.write("migrations/1_a.sql", "-- the same\n" + A_UP)
    whimbrel.write("migrations/R__v.sql", "DROP VIEW IF EXISTS v;\nCREATE VIEW v AS SELECT  1  AS one;\n")
    assert "up to date" in whimbrel.ok("migrate").out
    assert "comments or spacing differ" in whimbrel.ok("status", "--check").out
    assert whimbrel.ok("plan").code == 0
    whimbrel.write("migrations/2_b.sql", B_UP + "SELECT 1;\n")
    result = whimbrel("migrate")
    assert result.code == 1 and "2 b differs from what was applied on 20" in result.err
    assert states(whimbrel) == [("1", "applied"), ("2", "changed"), ("v", "applied")]
    # What is written again is written whole.
    whimbrel.ok("repair", "--yes")
    whimbrel.write("migrations/2_b.sql", "-- the same\n" + B_UP + "SELECT 1;\n")
    assert states(whimbrel) == [("1", "applied"), ("2", "applied"), ("v", "applied")]
    assert db.value("SELECT count(*) FROM whimbrel_history WHERE tokens = ''") == "0"


def test_duplicate_versions_are_a_finding_of_validate(project):
    project.write("migrations/20250405120000_other.sql", "SELECT 1;")
    result = project("validate")
    assert result.code == 3
    assert "create_a" in result.err and "other" in result.err
    assert project("migrate").code == 1


def test_history(project):
    project.ok("migrate")
    project.ok("rollback")
    runs = project.ok("history", "--output", "json").json["runs"]
    assert [(run["run"], run["command"], run["outcome"]) for run in runs] == [(2, "rollback", "ok"), (1, "migrate", "ok")]
    assert runs[1]["applied"] == ["20250405120000", "20250406120000"] and runs[0]["rolled_back"] == ["20250406120000"]
    assert runs[0]["who"] and runs[0]["started_at"]
    for _ in range(25):
        project.ok("stamp", "base")
        project.ok("stamp", "head")
    assert len(project.ok("history", "--output", "json").json["runs"]) == 20
    assert len(project.ok("history", "--all", "--output", "json").json["runs"]) > 20


def test_current_and_heads(project):
    assert project.ok("current").out == "base\n"
    assert project.ok("heads").out == "20250406120000 create_b\n"
    project.ok("migrate", "--steps", "1")
    assert project.ok("current").out == "20250405120000 create_a\n"
    assert project.ok("current", "--output", "json").json["current"] == "20250405120000"
    assert project.ok("heads", "--output", "json").json["heads"][0]["version"] == "20250406120000"


def test_lock_list_when_nobody_holds_it(project):
    project.ok("migrate")
    assert project.ok("lock", "list", "--output", "json").json["locks"] == []
    assert "Nobody holds" in project.ok("lock", "list").out


def test_rebase_renumbers_what_came_too_late(project):
    project.ok("migrate")
    project.write("migrations/20250401120000_late.up.sql", "CREATE TABLE c (x integer);")
    project.write("migrations/20250401120000_late.down.sql", "DROP TABLE c;")
    assert project("migrate").code == 1
    asked = project("rebase")
    assert asked.code == 2 and "20250401120000_late.up.sql" in asked.err
    assert (project.cwd / "migrations/20250401120000_late.up.sql").exists()
    document = project.ok("rebase", "--yes", "--output", "json").json
    new = document["renamed"][0]["new_version"]
    assert int(new) > 20250406120000 and len(new) == 14
    assert (project.cwd / f"migrations/{new}_late.up.sql").exists() and (project.cwd / f"migrations/{new}_late.down.sql").exists()
    assert not (project.cwd / "migrations/20250401120000_late.up.sql").exists()
    assert project.ok("migrate", "--output", "json").json["applied"] == [new]
    assert "Nothing to renumber" in project.ok("rebase").out


def test_rebase_keeps_numbers_and_folders_as_they_are(whimbrel, sqlite):
    whimbrel.write("migrations/0001_a.sql", A_UP)
    whimbrel.write("migrations/0003_b.sql", B_UP)
    whimbrel.ok("-d", sqlite.url, "migrate")
    whimbrel.write("migrations/0002_c/up.sql", "CREATE TABLE c (x integer);")
    whimbrel.write("migrations/0002_c/down.sql", "DROP TABLE c;")
    whimbrel.ok("-d", sqlite.url, "rebase", "-y")
    assert (whimbrel.cwd / "migrations/0004_c/up.sql").exists() and (whimbrel.cwd / "migrations/0004_c/down.sql").exists()
    assert whimbrel.ok("-d", sqlite.url, "migrate", "--output", "json").json["applied"] == ["0004"]


def test_rebase_stays_before_what_is_pending(whimbrel, sqlite):
    whimbrel.write("migrations/0010_a.sql", A_UP)
    whimbrel.ok("-d", sqlite.url, "migrate")
    whimbrel.write("migrations/0005_c.sql", "CREATE TABLE c (x integer);")
    whimbrel.write("migrations/0020_d.sql", "ALTER TABLE c ADD COLUMN y integer;")
    whimbrel.ok("-d", sqlite.url, "rebase", "-y")
    assert whimbrel.ok("-d", sqlite.url, "migrate", "--output", "json").json["applied"] == ["0011", "0020"]


# ---- checks --------------------------------------------------------------------------------------------------------------


def test_check(project):
    result = project("check")
    assert result.code == 3 and "2 pending" in result.out
    project.ok("migrate")
    assert project.ok("check").out.startswith("Ready")
    document = project.ok("check", "--output", "json").json
    assert document["ready"] is True and document["current"] == document["head"] == "20250406120000"


def test_check_waits_until_somebody_has_migrated(project):
    waiting = project.start("check", "--wait", "30s")
    time.sleep(0.7)
    assert waiting.poll() is None
    project.ok("migrate")
    out, err = waiting.communicate(timeout=20)
    assert waiting.returncode == 0 and out.startswith("Ready"), err


def test_check_waits_no_longer_than_it_is_told(project):
    began = time.monotonic()
    assert project("check", "--wait", "1s").code == 3
    assert 0.9 < time.monotonic() - began < 10


def test_doctor(project):
    project.ok("migrate")
    document = project.ok("doctor", "--output", "json").json
    assert document["healthy"] is True
    names = {check["name"] for check in document["checks"]}
    assert {"connection", "version", "server", "privileges", "lock", "history"} <= names
    project.write("migrations/20250405120000_create_a.up.sql", "CREATE TABLE a (x bigint);\n")
    result = project("doctor")
    assert result.code == 3 and "bad" in result.out


def test_doctor_leaves_nothing_behind(project, sqlite):
    project.ok("migrate")
    before = sqlite.sql("SELECT name FROM sqlite_master ORDER BY name")
    project.ok("doctor")
    assert sqlite.sql("SELECT name FROM sqlite_master ORDER BY name") == before


# ---- developing, danger --------------------------------------------------------------------------------------------------


def test_scratch(project, tmp_path):
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    env = {"TMPDIR": str(temporary)}
    result = project(
        "scratch", "--", "sh", "-c", 'echo "$DATABASE_URL"; sqlite3 "${DATABASE_URL#sqlite:}" .tables; exit 7', env=env
    )
    assert result.code == 7
    assert str(temporary) in result.out and re.search(r"^a .*^b ", result.out, re.MULTILINE | re.DOTALL)
    assert list(temporary.iterdir()) == []
    assert project("scratch", "true", env=env).code == 0
    assert project("scratch", "--", "/nowhere/program", env=env).code == 1
    assert list(temporary.iterdir()) == []
    kept = project("scratch", "--keep", "--", "true", env=env)
    assert kept.code == 0 and "kept: sqlite:" in kept.err
    assert len(list(temporary.iterdir())) == 1
    assert not (project.cwd / "app.db").exists()


def test_what_destroys_is_refused_unless_the_environment_allows_it(project, sqlite):
    project.ok("migrate")
    for command in (["reset"], ["drop"], ["database", "drop"]):
        result = project(*command, "--yes")
        assert result.code == 2 and "allow_reset = true" in result.err
    assert tables(sqlite) == ["a", "b"]
    project.write("whimbrel.toml", f'database = "{sqlite.url}"\n[env.dev]\nallow_reset = true\n')
    for command in (["reset"], ["drop"], ["database", "drop"]):
        result = project("-e", "dev", *command)
        assert result.code == 2 and "-y" in result.err
    assert tables(sqlite) == ["a", "b"]


def test_reset_and_drop(project, sqlite):
    project.write("whimbrel.toml", f'database = "{sqlite.url}"\nenvironment = "dev"\n[env.dev]\nallow_reset = true\n')
    project.write("migrations/seeds/dev.sql", "INSERT INTO a VALUES (1);")
    project.ok("migrate")
    sqlite.sql("INSERT INTO a VALUES (2), (3)")
    sqlite.sql("CREATE TABLE c (x integer)")
    assert project.ok("reset", "-y", "--output", "json").json["applied"] == ["20250405120000", "20250406120000"]
    assert tables(sqlite) == ["a", "b"] and sqlite.value("SELECT count(*) FROM a") in (1, "1")
    assert project.ok("drop", "-y", "--output", "json").json["dropped"] >= 2
    assert tables(sqlite) == []


def test_database_create_and_drop(project, sqlite):
    assert project.ok("database", "create", "--output", "json").json["created"] is True
    assert project.ok("database", "create", "--output", "json").json["created"] is False
    project.write("whimbrel.toml", f'database = "{sqlite.url}"\nallow_reset = true\n')
    assert project.ok("database", "drop", "-y", "--output", "json").json["dropped"] is True
    assert not (project.cwd / "app.db").exists()
    assert project.ok("database", "drop", "-y").out.strip().endswith("does not exist.")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion(project, shell):
    import shutil
    import subprocess

    script = project.ok("completion", shell).out
    for word in ("migrate", "rollback", "dry-run", "whimbrel"):
        assert word in script
    assert "__generate" not in script.replace("whimbrel __generate", "")
    if shutil.which(shell):
        assert subprocess.run([shell, "-n"], input=script, text=True, capture_output=True).stderr == ""


def test_completion_in_bash(project, program_command):
    import subprocess

    script = project.ok("completion", "bash").out
    (project.cwd / "bin").mkdir()
    (project.cwd / "bin" / "whimbrel").write_text("#!/bin/sh\nexec " + " ".join(program_command) + ' "$@"\n')
    (project.cwd / "bin" / "whimbrel").chmod(0o755)

    def complete(*words):
        typed = " ".join(f"'{word}'" for word in words)
        run = f"{script}\nCOMP_WORDS=({typed}); COMP_CWORD={len(words) - 1}; _whimbrel; printf '%s\\n' \"${{COMPREPLY[@]}}\""
        env = {"PATH": f"{project.cwd}/bin:/usr/bin:/bin"}
        return subprocess.run(["bash", "-c", run], cwd=project.cwd, env=env, text=True, capture_output=True).stdout.split()

    assert complete("whimbrel", "mig") == ["migrate"]
    assert complete("whimbrel", "migrate", "--dr") == ["--dry-run"]
    assert "--database" in complete("whimbrel", "migrate", "--d")
    assert complete("whimbrel", "up", "--to", "20250406") == ["20250406120000"]
    assert complete("whimbrel", "status", "--output", "") == ["text", "json"]
    assert complete("whimbrel", "lock", "") == ["list", "release"]
    assert "checksum-changed" in complete("whimbrel", "explain", "check")


def test_manual_pages_agree_with_the_tables(whimbrel):
    whimbrel.ok("__generate", "man", "man")
    listing = whimbrel.ok("--help").out
    commands = re.findall(r"^  ([a-z]+) {2,}", listing.split("Global options")[0], re.MULTILINE)
    for command in commands:
        page = (whimbrel.cwd / "man" / f"whimbrel-{command}.1").read_text().replace("\\-", "-")
        for option in re.findall(r"--[a-z-]+", whimbrel.ok(command, "--help").out.split("Options\n")[-1].split("'whimbrel")[0]):
            assert option in page, (command, option)
    build = (pathlib.Path(__file__).resolve().parents[2] / "docs" / "meson.build").read_text()
    listed = re.findall(r"'([a-z]+)'", build[build.index("[") : build.index("]")])
    assert listed == sorted(commands)
    main = (whimbrel.cwd / "man" / "whimbrel.1").read_text().replace("\\-", "-")
    for option in re.findall(r"--[a-z-]+", listing):
        assert option in main


def test_a_wrong_folder_leaves_no_database_behind(whimbrel):
    assert whimbrel("-d", "sqlite:app.db", "migrate").code == 2
    whimbrel.write("migrations/1_a.sql", A_UP)
    whimbrel.write("migrations/1_b.sql", A_UP)
    assert whimbrel("-d", "sqlite:app.db", "migrate").code == 1
    assert not (whimbrel.cwd / "app.db").exists()


def test_another_tools_project(whimbrel, sqlite):
    whimbrel.write("migrations/0001_a.up.sql", A_UP)
    whimbrel.write("migrations/0001_a.down.sql", A_DOWN)
    assert whimbrel.ok("-d", sqlite.url, "--convention", "sqlx", "migrate", "--output", "json").json["applied"] == ["1"]
    document = whimbrel.ok("-d", sqlite.url, "status", "--output", "json").json
    assert document["convention"] == "sqlx" and document["state"] == "up-to-date"
    assert whimbrel.ok("-d", sqlite.url, "history", "--output", "json").json["runs"][0]["run"] is None
    assert "applied: 1 a" in whimbrel.ok("-d", sqlite.url, "history").out
    # The history tells whose files a new one has to fit.
    refused = whimbrel("-d", sqlite.url, "new", "v", "--repeatable")
    assert refused.code == 1 and "SQLx" in refused.err
    assert whimbrel("-d", sqlite.url, "seed", "dev").code == 1
    assert whimbrel("-d", sqlite.url, "--namespace", "x", "status").code == 2

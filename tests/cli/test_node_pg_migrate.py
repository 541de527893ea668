# SPDX-License-Identifier: Apache-2.0
"""What is node-pg-migrate's own: names and their order, sections, one transaction for all, config/*.json."""

import pytest
from layouts import NodePgMigrate

LAYOUT = NodePgMigrate()
WORDS = ["--convention", "node-pg-migrate", "-m", "migrations"]


def write(program, name, up="SELECT 1;\n", down=None):
    text = f"-- Up Migration\n{up}"
    if down is not None:
        text += f"-- Down Migration\n{down}"
    program.write(f"migrations/{name}", text)


def states(program, *words):
    document = program.ok("status", "--output", "json", *words).json
    return [(migration["version"], migration["state"]) for migration in document["migrations"]]


def test_names_are_ordered_as_node_pg_migrate_orders_them(whimbrel, pg):
    # As `up --dry-run` shows them: 17 digits are a date, and what has one number is compared as text with numbers in it.
    for name in [
        "20231114221320001_date.sql",
        "1700000000000_ms.sql",
        "1700000000002_later.sql",
        "7_b10.sql",
        "7_b9.sql",
        "7-B-8.sql",
        "0006_index.sql",
    ]:
        write(whimbrel, name)
    whimbrel.write("migrations/notes.md", "")
    assert [version for version, _ in states(whimbrel, *WORDS, "-d", pg.url)] == [
        "0006_index",
        "7-B-8",
        "7_b9",
        "7_b10",
        "1700000000000_ms",
        "20231114221320001_date",
        "1700000000002_later",
    ]


def test_a_name_without_a_number_stops(whimbrel, pg):
    write(whimbrel, "init.sql")
    result = whimbrel("status", *WORDS, "-d", pg.url)
    assert result.code != 0
    assert "would stop node-pg-migrate" in result.err


def test_sections_may_stand_either_way_round(whimbrel, pg):
    whimbrel.write(
        "migrations/1_a.sql",
        "--- - down   MIGRATION\nDROP TABLE a;\n\n  -- Up Migration of a\nCREATE TABLE a (id int);\n",
    )
    whimbrel.write("migrations/2_b.sql", "CREATE TABLE b (id int);\n")
    whimbrel.ok("migrate", *WORDS, "-d", pg.url)
    result = whimbrel("rollback", *WORDS, "-d", pg.url)
    assert result.code != 0 and "2_b" in result.err
    pg.sql("DELETE FROM pgmigrations WHERE name = '2_b'")
    whimbrel.ok("rollback", *WORDS, "-d", pg.url)
    assert pg.value("SELECT to_regclass('a') IS NULL") == "t"


def test_a_file_for_each_direction(whimbrel, pg):
    whimbrel.write("migrations/1_a.up.sql", "CREATE TABLE a (id int);\n")
    whimbrel.write("migrations/1_a.down.sql", "DROP TABLE a;\n")
    whimbrel.ok("migrate", *WORDS, "-d", pg.url)
    assert pg.sql("SELECT name FROM pgmigrations") == [("1_a",)]
    whimbrel.ok("rollback", *WORDS, "-d", pg.url)
    whimbrel.write("migrations/1_a.sql", "CREATE TABLE a (id int);\n")
    result = whimbrel("migrate", *WORDS, "-d", pg.url)
    assert result.code != 0 and "two files are the migration 1_a" in result.err


def test_a_down_without_an_up_is_refused(whimbrel, pg):
    whimbrel.write("migrations/1_a.sql", "CREATE TABLE a (id int);\n-- Down Migration\nDROP TABLE a;\n")
    result = whimbrel("migrate", *WORDS, "-d", pg.url)
    assert result.code != 0
    assert "`-- Down Migration` without `-- Up Migration`" in result.err and "migrations/1_a.sql:2" in result.err


def test_a_script_has_its_place_and_stops_who_would_run_it(whimbrel, pg):
    write(whimbrel, "1_a.sql")
    whimbrel.write("migrations/2_b.js", "exports.up = () => {};\n")
    whimbrel.write("migrations/3_c.ts", "export const up = () => {};\n")
    result = whimbrel("migrate", *WORDS, "-d", pg.url)
    assert result.code != 0
    assert "migrations/2_b.js is a migration in JavaScript" in result.err
    assert [state for _, state in states(whimbrel, *WORDS, "-d", pg.url)] == ["pending"] * 3
    whimbrel.ok("stamp", "head", *WORDS, "-d", pg.url)
    assert [state for _, state in states(whimbrel, *WORDS, "-d", pg.url)] == ["applied"] * 3
    assert "3_c.ts is a migration in TypeScript" in whimbrel("rollback", *WORDS, "-d", pg.url).err


def test_a_run_is_all_or_nothing(whimbrel, pg):
    write(whimbrel, "1_a.sql", "CREATE TABLE a (id int);\n", "DROP TABLE a;\n")
    write(whimbrel, "2_b.sql", "INSERT INTO nothing VALUES (1);\n", "SELECT 1;\n")
    assert whimbrel("migrate", *WORDS, "-d", pg.url).code != 0
    assert pg.value("SELECT to_regclass('a') IS NULL") == "t"
    write(whimbrel, "2_b.sql", "SELECT 1;\n", "INSERT INTO nothing VALUES (1);\n")
    whimbrel.ok("migrate", *WORDS, "-d", pg.url)
    assert pg.value("SELECT count(DISTINCT run_on) FROM pgmigrations") == "1"


def test_what_cannot_run_in_a_transaction_runs_by_itself(whimbrel, pg):
    write(whimbrel, "1_a.sql", "CREATE TABLE a (id int);\n")
    write(whimbrel, "2_b.sql", "CREATE INDEX CONCURRENTLY i ON a (id);\n", "DROP INDEX CONCURRENTLY i;\n")
    # Whoever asks for one transaction is told.
    result = whimbrel("migrate", *WORDS, "-d", pg.url, "--single-transaction")
    assert result.code != 0 and "cannot run in a transaction" in result.err
    whimbrel.ok("migrate", *WORDS, "-d", pg.url)
    assert pg.value("SELECT indisvalid FROM pg_index WHERE indexrelid = 'i'::regclass") == "t"
    whimbrel.ok("rollback", *WORDS, "-d", pg.url)
    assert states(whimbrel, *WORDS, "-d", pg.url) == [("1_a", "applied"), ("2_b", "pending")]


def test_what_comes_late_is_refused_unless_the_order_is_not_checked(whimbrel, pg):
    write(whimbrel, "1_a.sql")
    write(whimbrel, "3_c.sql")
    whimbrel.ok("migrate", *WORDS, "-d", pg.url)
    write(whimbrel, "2_b.sql")
    assert whimbrel("migrate", *WORDS, "-d", pg.url).code != 0
    whimbrel.write("config/default.json", '{"db": {"check-order": false}}')
    whimbrel.ok("migrate", *WORDS, "-d", pg.url)
    assert [state for _, state in states(whimbrel, *WORDS, "-d", pg.url)] == ["applied"] * 3


def test_other_engines_are_refused(whimbrel, sqlite):
    write(whimbrel, "1_a.sql")
    result = whimbrel("status", *WORDS, "-d", sqlite.url)
    assert result.code != 0
    assert "node-pg-migrate works on PostgreSQL only" in result.err


def test_a_dependency_tells_the_tool(whimbrel, pg):
    whimbrel.write("package.json", '{"devDependencies": {"node-pg-migrate": "^8.0.0"}}')
    whimbrel.write("migrations/1_a.sql", "CREATE TABLE a (id int);\n")
    document = whimbrel.ok("status", "-d", pg.url, "--output", "json").json
    assert document["convention"] == "node-pg-migrate"


# ---- config/*.json ------------------------------------------------------------------------------------------


def test_the_configuration_names_database_folder_schemas_and_table(whimbrel, pg):
    place, name = pg.url.split("@")[-1].split("/")
    host, port = place.split(":")
    whimbrel.write(
        "config/default.json",
        f'{{"db": {{"host": "nowhere", "user": "postgres", "name": "{name}", "schema": ["app", "public"],\n'
        '"create-schema": true, "migrations-schema": "meta", "create-migrations-schema": true,\n'
        '"migrations-table": "My\\u0054able", "migrations-dir": "sql", "use-glob": false}}',
    )
    whimbrel.write(
        "config/development.json",
        f'{{"db": {{"host": "{host}", "port": {port}, "user": "postgres", "database": "{name}", "schema": "app"}}}}',
    )
    whimbrel.write("sql/1_a.sql", "CREATE TABLE a (id int);\n")
    whimbrel.ok("migrate", "--convention", "node-pg-migrate")
    assert pg.value("SELECT count(*) FROM app.a") == "0"
    assert pg.sql('SELECT name FROM meta."MyTable"') == [("1_a",)]
    # Another connection works elsewhere: nothing is done there.
    whimbrel.write("sql/2_b.sql", "CREATE TABLE b (id int);\n")
    result = whimbrel("migrate", "--convention", "node-pg-migrate", "-d", pg.url)
    assert result.code != 0 and "default schema app" in result.err


def test_what_is_not_followed_is_said(whimbrel, pg):
    write(whimbrel, "1_a.sql")
    whimbrel.write("config/default.json", '{"db": {"ignore-pattern": "x.*"}}')
    assert "config/default.json:1: ignore-pattern is not followed" in whimbrel.ok("status", *WORDS, "-d", pg.url).err


def test_broken_json_is_an_error_with_its_place(whimbrel, pg):
    write(whimbrel, "1_a.sql")
    whimbrel.write("config/default.json", '{"db": {\n  "schema": [1, 2\n}}')
    result = whimbrel("status", *WORDS, "-d", pg.url)
    assert result.code != 0
    assert "config/default.json:3:1" in result.err and "',' or ']' is expected" in result.err


# ---- new ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "format, digits, words", [("", 13, []), ("utc", 17, []), ("index", 4, []), ("", 4, ["--numbered"])]
)
def test_a_new_file_is_one_that_node_pg_migrate_would_make(whimbrel, format, digits, words):
    if format:
        whimbrel.write("config/default.json", f'{{"db": {{"migration-filename-format": "{format}"}}}}')
    (whimbrel.cwd / "migrations").mkdir()
    for name in ("add users", "add_more"):
        whimbrel.ok("new", name, *WORDS, *words)
    names = sorted(path.name for path in (whimbrel.cwd / "migrations").iterdir())
    assert [name.partition("_")[2] for name in names] == ["add-users.sql", "add-more.sql"]
    assert [len(name.partition("_")[0]) for name in names] == [digits, digits]
    text = (whimbrel.cwd / "migrations" / names[0]).read_text()
    assert text.startswith("-- Up Migration\n") and "\n-- Down Migration\n" in text

# SPDX-License-Identifier: Apache-2.0
"""Histories that stand under another name, in another shape or beside the chosen one: nothing starts from the first migration by itself."""

import pytest

FLYWAY = (
    "installed_rank INT NOT NULL PRIMARY KEY, version VARCHAR(50), description VARCHAR(200) NOT NULL, type VARCHAR(20) NOT NULL, "
    "script VARCHAR(1000) NOT NULL, checksum INT, installed_by VARCHAR(100) NOT NULL, installed_on TIMESTAMP NOT NULL DEFAULT "
    "CURRENT_TIMESTAMP, execution_time INT NOT NULL, success BOOLEAN NOT NULL"
)
FIRST = "(installed_rank, version, description, type, script, installed_by, execution_time, success) VALUES (1, '1', 'a', 'SQL', 'V1__a.sql', 'u', 1, TRUE)"


def flyway_files(program):
    program.write("migrations/V1__a.sql", "CREATE TABLE a (id int);")
    program.write("migrations/V2__b.sql", "CREATE TABLE b (id int);")


def golang_files(program):
    for n in (1, 2):
        program.write(f"migrations/{n}_x.up.sql", f"CREATE TABLE t{n} (id int);")


def golang_table(db, table="schema_migrations", *versions):
    db.sql(f"CREATE TABLE {table} (version bigint NOT NULL PRIMARY KEY, dirty boolean NOT NULL)")
    for version in versions:
        db.sql(f"INSERT INTO {table} VALUES ({version}, FALSE)")


def test_the_table_of_flyway_before_version_5(whimbrel, db):
    flyway_files(whimbrel)
    db.sql(f"CREATE TABLE schema_version ({FLYWAY})")
    db.sql(f"INSERT INTO schema_version {FIRST}")
    for more in ([], ["--convention", "flyway"]):
        result = whimbrel("migrate", "-d", db.url, *more)
        assert result.code == 1 and "before version 5" in result.err and 'table = "schema_version"' in result.err
    whimbrel.write("whimbrel.toml", 'convention = "flyway"\ntable = "schema_version"\n')
    result = whimbrel.ok("migrate", "-d", db.url)
    assert "1 applied" in result.out and "note" not in result.err
    assert [str(row[0]) for row in db.sql("SELECT version FROM schema_version ORDER BY installed_rank")] == ["1", "2"]


@pytest.mark.parametrize("options", [[], ["--convention", "flyway", "--table", "schema_version"]])
def test_the_rank_of_flyway_3_is_said(whimbrel, db, options):
    """Also where the table is named: a row without a rank would be refused when the migration had run."""
    flyway_files(whimbrel)
    db.sql(f"CREATE TABLE schema_version (version_rank INT NOT NULL, {FLYWAY})")
    for command in ("status", "migrate"):
        result = whimbrel(command, "-d", db.url, *options)
        assert result.code == 1 and "version_rank" in result.err and "Flyway 4.2" in result.err


def test_the_table_of_tern_is_none_of_flyway(whimbrel, pg):
    flyway_files(whimbrel)
    pg.sql("CREATE TABLE schema_version (version int4 NOT NULL)")
    pg.sql("INSERT INTO schema_version VALUES (1)")
    result = whimbrel("status", "-d", pg.url)
    assert "before version 5" not in result.err
    whimbrel.ok("status", "-d", pg.url, "--convention", "flyway")


def golang(program, db):
    golang_files(program)
    golang_table(db, '"SCHEMA_MIGRATIONS"', 1)
    return "golang-migrate", "SCHEMA_MIGRATIONS"


def flyway(program, db):
    flyway_files(program)
    db.sql(f'CREATE TABLE "FLYWAY_SCHEMA_HISTORY" ({FLYWAY})')
    db.sql(f'INSERT INTO "FLYWAY_SCHEMA_HISTORY" {FIRST}')
    return "flyway", "FLYWAY_SCHEMA_HISTORY"


def refinery(program, db):
    flyway_files(program)
    db.sql('CREATE TABLE "REFINERY_SCHEMA_HISTORY" (version int4 PRIMARY KEY, name varchar(255), applied_on varchar(255), checksum varchar(255))')
    return "refinery", "REFINERY_SCHEMA_HISTORY"


def sqlx(program, db):
    program.write("migrations/1_a.sql", "CREATE TABLE a (id int);")
    db.sql('CREATE TABLE "_SQLX_MIGRATIONS" (version bigint PRIMARY KEY, description text NOT NULL, installed_on timestamptz NOT NULL '
           "DEFAULT now(), success boolean NOT NULL, checksum bytea NOT NULL, execution_time bigint NOT NULL)")
    return "sqlx", "_SQLX_MIGRATIONS"


@pytest.mark.parametrize("tool", [golang, flyway, refinery, sqlx])
def test_a_history_in_capitals_is_refused(whimbrel, pg, tool):
    name, table = tool(whimbrel, pg)
    result = whimbrel("migrate", "-d", pg.url)
    assert result.code == 1 and table in result.err and f'convention = "{name}"' in result.err
    assert pg.value("SELECT count(*) FROM pg_class WHERE relname = 'whimbrel_history'") in ("0", 0)


def test_what_the_refusal_says_leads_on(whimbrel, pg):
    golang(whimbrel, pg)
    whimbrel.write("whimbrel.toml", "convention = \"golang-migrate\"\ntable = '\"SCHEMA_MIGRATIONS\"'\n")
    assert "1 applied" in whimbrel.ok("migrate", "-d", pg.url).out


def test_a_table_of_the_users_in_capitals_is_let_be(whimbrel, pg):
    golang_files(whimbrel)
    pg.sql('CREATE TABLE "SCHEMA_MIGRATIONS" (id int, remark text)')
    assert "2 applied" in whimbrel.ok("migrate", "-d", pg.url).out


def test_sqlite_knows_no_capitals(whimbrel, sqlite):
    golang_files(whimbrel)
    golang_table(sqlite, '"SCHEMA_MIGRATIONS"', 1)
    assert "convention golang-migrate" in whimbrel.ok("status", "-d", sqlite.url).out


def test_init_says_that_the_file_names_another_tool(whimbrel):
    flyway_files(whimbrel)
    whimbrel.write("whimbrel.toml", 'convention = "goose"\n')
    result = whimbrel.ok("init", "--from", "flyway")
    assert "kept whimbrel.toml" in result.out
    assert "the convention stays goose, of whimbrel.toml:1, not flyway" in result.out
    whimbrel.write("whimbrel.toml", 'convention = "flyway"\n')
    assert "stays" not in whimbrel.ok("init", "--from", "flyway").out


def test_a_second_row_of_golang_migrate_is_said(whimbrel, sqlite):
    golang_files(whimbrel)
    golang_table(sqlite, "schema_migrations", 1, 2)
    for command in ("status", "migrate"):
        assert whimbrel.ok(command, "-d", sqlite.url).err.count("has a second row, of version 2") == 1


def test_the_filled_history_of_another_tool_is_named(whimbrel, db):
    whimbrel.write("migrations/00001_a.sql", "-- +goose Up\nCREATE TABLE a (id int);\n")
    whimbrel.write("whimbrel.toml", 'convention = "goose"\n')
    golang_table(db)
    assert "note" not in whimbrel.ok("status", "-d", db.url).err
    db.sql("INSERT INTO schema_migrations VALUES (1, FALSE)")
    if db.engine == "mariadb":
        db.sql("ANALYZE TABLE schema_migrations")
    result = whimbrel.ok("status", "-d", db.url)
    assert "the table schema_migrations holds a history of golang-migrate" in result.err
    whimbrel.ok("migrate", "-d", db.url)
    assert "note" not in whimbrel.ok("status", "-d", db.url).err

# SPDX-License-Identifier: Apache-2.0
"""What is refinery's own: names, both widths of versions and their checksums, U versions, refinery.toml."""

import re

import pytest
from layouts import Refinery

LAYOUT = Refinery()
WORDS = ["-m", "migrations", "--convention", "refinery"]
A = "CREATE TABLE t (id INT);\nINSERT INTO t VALUES (1);\n"


def states(program, database):
    document = program.ok("status", "-d", database.url, *WORDS, "--output", "json").json
    return {migration["version"]: migration["state"] for migration in document["migrations"]}


def error_of(result):
    assert result.code != 0
    return result.json["error"]["code"]


def test_names_are_read_as_refinery_reads_them(whimbrel, sqlite):
    for n, name in enumerate(
        ["V00001__first.sql", "U2__second.sql", "sub/folder/V3__áé.sql", "V4___x.sql", "V0__zero.sql"]
    ):
        whimbrel.write(f"migrations/{name}", f"CREATE TABLE t{n} (id int);\n")
    for name in ["v5__x.sql", "V5_x.sql", "V5__add-col.sql", "V5__a b.sql", "V5__.sql", "V5__x.SQL", "5__x.sql"]:
        whimbrel.write(f"migrations/{name}", "nonsense")
    document = whimbrel.ok("status", "-d", sqlite.url, *WORDS, "--output", "json").json
    found = [(migration["version"], migration["name"]) for migration in document["migrations"]]
    assert found == [("0", "zero"), ("1", "first"), ("2", "second"), ("3", "áé"), ("4", "_x")]


@pytest.mark.parametrize("name", ["V1.2__x.sql", "|1__x.sql", "V99999999999999999999__x.sql"])
def test_names_that_would_stop_refinery_stop(whimbrel, sqlite, name):
    whimbrel.write(f"migrations/{name}", A)
    result = whimbrel("status", "-d", sqlite.url, *WORDS)
    assert result.code != 0
    assert "would stop refinery" in result.err


@pytest.mark.parametrize("column, checksum", [("int4", "15235138002516861525"), ("int8", "3346843387501048934")])
def test_the_columns_type_tells_the_checksum(whimbrel, db, column, checksum):
    db.sql(
        f"CREATE TABLE refinery_schema_history (version {column} PRIMARY KEY, name VARCHAR(255), "
        "applied_on VARCHAR(255), checksum VARCHAR(255))"
    )
    whimbrel.write("migrations/V1__initial.sql", A)
    whimbrel.ok("migrate", "-d", db.url, *WORDS)
    ((name, time, found),) = db.sql("SELECT name, applied_on, checksum FROM refinery_schema_history")
    assert (name, found) == ("initial", checksum)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z", time)
    whimbrel.ok("validate", "-d", db.url, *WORDS)
    # A change is noticed, and repair writes the checksum of that width again.
    whimbrel.write("migrations/V1__initial.sql", A + "SELECT 1;\n")
    assert whimbrel("validate", "-d", db.url, *WORDS).code != 0
    whimbrel.ok("repair", "-d", db.url, *WORDS, "--yes")
    whimbrel.ok("validate", "-d", db.url, *WORDS)
    whimbrel.write("migrations/V1__initial.sql", A)
    whimbrel.ok("repair", "-d", db.url, *WORDS, "--yes")
    assert db.value("SELECT checksum FROM refinery_schema_history") == checksum


def test_versions_that_are_times_make_the_wide_table(whimbrel, db):
    whimbrel.write("migrations/V20260101000000__initial.sql", A)
    whimbrel.ok("migrate", "-d", db.url, *WORDS)
    assert db.value("SELECT version FROM refinery_schema_history") == "20260101000000"
    assert states(whimbrel, db) == {"20260101000000": "applied"}


def test_an_unversioned_one_may_come_late_and_a_versioned_one_may_not(whimbrel, db):
    LAYOUT.write(whimbrel, 1)
    LAYOUT.write(whimbrel, 5)
    whimbrel.ok("migrate", "-d", db.url, *WORDS)
    whimbrel.write("migrations/U3__late.sql", "CREATE TABLE late (id int);\n")
    assert states(whimbrel, db)["3"] == "pending"
    whimbrel.ok("migrate", "-d", db.url, *WORDS)
    assert states(whimbrel, db)["3"] == "applied"
    whimbrel.write("migrations/V4__late.sql", "CREATE TABLE later (id int);\n")
    assert states(whimbrel, db)["4"] == "out-of-order"
    assert error_of(whimbrel("migrate", "-d", db.url, *WORDS, "--output", "json")) == "out-of-order"
    whimbrel.ok("migrate", "-d", db.url, *WORDS, "--out-of-order")
    assert states(whimbrel, db)["4"] == "applied"


def test_migrations_in_rust_stop_whoever_comes_to_run_them(whimbrel, sqlite):
    LAYOUT.write(whimbrel, 1)
    whimbrel.write("migrations/V2__make.rs", "pub fn migration() -> String { todo!() }\n")
    whimbrel.write("migrations/mod.rs", "")
    result = whimbrel("migrate", "-d", sqlite.url, *WORDS, "--output", "json")
    assert error_of(result) == "host-language"
    assert sqlite.value("SELECT count(*) FROM sqlite_master") == "0"
    whimbrel.ok("migrate", "--to", "1", "-d", sqlite.url, *WORDS)
    sqlite.sql("INSERT INTO refinery_schema_history VALUES (2, 'make', '2026-05-14T08:59:23Z', '7')")
    assert states(whimbrel, sqlite) == {"1": "applied", "2": "applied"}


@pytest.mark.parametrize(
    "row", ["1, 'x', '2026-05-14T08:59:23Z', NULL", "1, NULL, '2026-05-14T08:59:23Z', '5'", "1, 'x', 'y', 'not a number'"]
)
def test_rows_that_refinery_cannot_read_are_refused(whimbrel, db, row):
    for statement in LAYOUT.history(db.engine, 0):
        db.sql(statement)
    db.sql(f"INSERT INTO refinery_schema_history VALUES ({row})")
    LAYOUT.write(whimbrel, 1)
    assert error_of(whimbrel("migrate", "-d", db.url, *WORDS, "--output", "json")) == "foreign-history"


def test_refinery_toml_names_the_database(whimbrel, db):
    if db.engine == "sqlite":
        lines = 'db_type = "Sqlite"\ndb_path = "app.db"\n'
    else:
        user, _, address = db.url.split("://")[1].partition("@")
        host, _, port = address.split("/")[0].partition(":")
        kind = {"postgres": "Postgres", "mariadb": "Mysql"}[db.engine]
        lines = (
            f'db_type = "{kind}"\ndb_host = "{host}"\ndb_port = "{port}"\ndb_user = "{user}"\n'
            f'db_pass = "a b"\ndb_name = "{db.name}"\n'
        )
        if db.engine == "mariadb":
            lines = lines.replace('"a b"', '""')
    whimbrel.write("refinery.toml", "[main]\n" + lines)
    LAYOUT.write(whimbrel, 1)
    whimbrel.ok("migrate")
    assert [list(row) for row in db.sql(LAYOUT.rows_sql)] == LAYOUT.rows(1)


def test_a_kind_of_database_that_is_not_known_is_named(whimbrel):
    whimbrel.write("refinery.toml", '[main]\ndb_type = "Mssql"\n')
    LAYOUT.write(whimbrel, 1)
    result = whimbrel("status")
    assert result.code != 0
    assert "Mssql" in result.err and "refinery.toml" in result.err


def test_new_counts_on(whimbrel, sqlite):
    whimbrel.write("migrations/V009__x.sql", A)
    whimbrel.ok("new", "add users", "-d", sqlite.url, *WORDS)
    assert (whimbrel.cwd / "migrations/V010__add_users.sql").exists()
    # What \\w does not take, refinery would not see.
    whimbrel.ok("new", "add-more.of it", "-d", sqlite.url, *WORDS)
    assert (whimbrel.cwd / "migrations/V011__add_more_of_it.sql").exists()

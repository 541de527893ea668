# SPDX-License-Identifier: Apache-2.0
"""SQLx and whimbrel taking turns on one folder and one database.

The tests that call sqlx-cli itself want it on PATH or in WHIMBREL_SQLX (cargo install sqlx-cli); without it they are
skipped. The others stand in for it with the SQL that it sends."""

import hashlib
import os
import shutil
import subprocess

import pytest

STEPS = {
    "20240101000000_create_users": ("CREATE TABLE users (id int);\n", "DROP TABLE users;\n"),
    "20240102000000_create_orders": (
        "CREATE TABLE orders (id int);\nINSERT INTO orders VALUES (1);\n",
        "DROP TABLE orders;\n",
    ),
    "20240103000000_more_orders": ("INSERT INTO orders VALUES (2);\n", "DELETE FROM orders WHERE id = 2;\n"),
    "20240104000000_create_tags": ("CREATE TABLE tags (id int);\n", "DROP TABLE tags;\n"),
}
NAMES = list(STEPS)


def add(program, name):
    up, down = STEPS[name]
    program.write(f"migrations/{name}.up.sql", up)
    program.write(f"migrations/{name}.down.sql", down)


def states(program, db):
    document = program.ok("status", "-d", db.url, "--output", "json").json
    assert document["convention"] == "sqlx"
    return [row["state"] for row in document["migrations"]]


class Sqlx:
    def __init__(self, program, db):
        command = os.environ.get("WHIMBREL_SQLX") or shutil.which("sqlx")
        if not command:
            pytest.skip("sqlx-cli is not installed")
        self.command, self.program, self.db = command, program, db

    def __call__(self, *args):
        url = self.db.url.replace("mariadb://", "mysql://")
        done = subprocess.run(
            [self.command, *args, "--database-url", url],
            cwd=self.program.cwd,
            capture_output=True,
            text=True,
            env=self.program.environment(),
        )
        if "`sqlx-toml` feature was not enabled" in done.stdout:
            pytest.skip("this sqlx-cli was built without its feature sqlx-toml")
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def states(self):
        lines = [line for line in self("migrate", "info").splitlines() if "/" in line]
        return [line.split("/", 1)[1].split(" ")[0] if "different" not in line else "different" for line in lines]


@pytest.fixture
def sqlx(whimbrel, db):
    peer = Sqlx(whimbrel, db)
    whimbrel.write("Cargo.toml", '[dependencies]\nsqlx = "0.9"\n')
    if db.engine == "sqlite":
        peer("database", "create")
    return peer


def test_whimbrel_goes_on_with_what_sqlx_began_and_back(whimbrel, db, sqlx):
    add(whimbrel, NAMES[0])
    add(whimbrel, NAMES[1])
    sqlx("migrate", "run")
    assert states(whimbrel, db) == ["applied", "applied"]
    add(whimbrel, NAMES[2])
    assert whimbrel.ok("migrate", "-d", db.url, "--output", "json").json["applied"] == [NAMES[2][:14]]
    assert sqlx.states() == ["installed"] * 3
    add(whimbrel, NAMES[3])
    sqlx("migrate", "run")
    assert states(whimbrel, db) == ["applied"] * 4
    whimbrel.ok("rollback", "-d", db.url, "--steps", "2", "--yes")
    assert sqlx.states() == ["installed", "installed", "pending", "pending"]
    sqlx("migrate", "run")
    sqlx("migrate", "revert")
    assert states(whimbrel, db) == ["applied", "applied", "applied", "pending"]
    whimbrel.ok("migrate", "-d", db.url)
    assert sqlx.states() == ["installed"] * 4
    assert "No migrations" not in sqlx("migrate", "revert", "--target-version", "0")
    assert db.value("SELECT count(*) FROM _sqlx_migrations") in ("0", 0)


def test_the_table_that_whimbrel_makes_is_the_one_of_sqlx(whimbrel, db, sqlx):
    add(whimbrel, NAMES[0])
    whimbrel.ok("migrate", "-d", db.url)
    assert sqlx.states() == ["installed"]
    if db.engine == "sqlite":
        made = db.value("SELECT sql FROM sqlite_master WHERE name = '_sqlx_migrations'")
        db.sql("DROP TABLE _sqlx_migrations; DROP TABLE users;")
        sqlx("migrate", "run")
        assert db.value("SELECT sql FROM sqlite_master WHERE name = '_sqlx_migrations'") == made


def test_ignored_characters_and_another_table(whimbrel, db, sqlx):
    whimbrel.write("sqlx.toml", '[migrate]\ntable-name = "steps_taken"\nignored-chars = ["\\r"]\nmigrations-dir = "steps"\n')
    whimbrel.write("steps/1_a.sql", "CREATE TABLE a (id int);\nCREATE TABLE b (id int);\n")
    sqlx("migrate", "run")
    (whimbrel.cwd / "steps/1_a.sql").write_bytes(b"CREATE TABLE a (id int);\r\nCREATE TABLE b (id int);\r\n")
    assert states(whimbrel, db) == ["applied"]
    whimbrel.write("steps/2_c.sql", "CREATE TABLE c (id int);\n")
    whimbrel.ok("migrate", "-d", db.url)
    assert sqlx.states() == ["installed", "installed"]


# ---- without sqlx-cli: by the SQL that it sends --------------------------------------------------------------------


def make_table(db):
    types = {"postgres": ("TIMESTAMPTZ NOT NULL DEFAULT now()", "BYTEA")}
    instant, blob = types.get(db.engine, ("TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP", "BLOB"))
    db.sql(
        "CREATE TABLE IF NOT EXISTS _sqlx_migrations (version BIGINT PRIMARY KEY, description TEXT NOT NULL, "
        f"installed_on {instant}, success BOOLEAN NOT NULL, checksum {blob} NOT NULL, execution_time BIGINT NOT NULL);"
    )


def insert_row(db, name, success="TRUE"):
    digest = hashlib.sha384(STEPS[name][0].encode()).hexdigest()
    blob = f"'\\x{digest}'" if db.engine == "postgres" else f"x'{digest}'"
    version, description = name.split("_", 1)
    db.sql(
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) "
        f"VALUES ({version}, '{description.replace('_', ' ')}', {success}, {blob}, -1);"
    )


def test_a_history_of_sqlx_is_recognised_and_gone_on_with(whimbrel, db):
    for name in NAMES[:3]:
        add(whimbrel, name)
    make_table(db)
    for name in NAMES[:2]:
        db.sql(STEPS[name][0])
        insert_row(db, name)
    assert states(whimbrel, db) == ["applied", "applied", "pending"]
    whimbrel.ok("migrate", "-d", db.url)
    assert states(whimbrel, db) == ["applied"] * 3
    digest = hashlib.sha384(STEPS[NAMES[2]][0].encode()).hexdigest()
    encode = "encode(checksum, 'hex')" if db.engine == "postgres" else "lower(hex(checksum))"
    rows = db.sql(
        f"SELECT version, description, {encode} FROM _sqlx_migrations WHERE success ORDER BY version;"
    )
    assert rows[2] == (NAMES[2][:14], "more orders", digest)
    assert int(db.value(f"SELECT execution_time FROM _sqlx_migrations WHERE version = {NAMES[2][:14]}")) >= -1
    whimbrel.ok("rollback", "-d", db.url)
    assert len(db.sql("SELECT version FROM _sqlx_migrations;")) == 2
    assert states(whimbrel, db) == ["applied", "applied", "pending"]


def test_a_failed_row_of_sqlx_stops_a_migrate(whimbrel, db):
    add(whimbrel, NAMES[0])
    add(whimbrel, NAMES[1])
    make_table(db)
    insert_row(db, NAMES[0], "FALSE")
    result = whimbrel("migrate", "-d", db.url)
    assert result.code == 1 and NAMES[0][:14] in result.err
    document = whimbrel("status", "-d", db.url, "--output", "json").json
    assert [row["state"] for row in document["migrations"]] == ["failed", "pending"]


def test_a_file_that_would_stop_sqlx_stops_us(whimbrel, db):
    add(whimbrel, NAMES[0])
    make_table(db)
    insert_row(db, NAMES[0])
    whimbrel.write("migrations/R__views.sql", "SELECT 1;\n")
    result = whimbrel("status", "-d", db.url, "--convention", "sqlx")
    assert result.code != 0 and "R__views.sql" in result.err and "repeatable" in result.err

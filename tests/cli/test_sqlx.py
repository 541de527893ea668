# SPDX-License-Identifier: Apache-2.0
"""SQLx and whimbrel taking turns on one folder and one database.

The tests that call sqlx-cli itself want it on PATH or in WHIMBREL_SQLX (cargo install sqlx-cli); without it they are
skipped. The others stand in for it with the SQL that it sends."""

import hashlib
import os
import shutil
import subprocess
import time

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


# ---- the session that SQLx's connections set up ----------------------------------------------------------------------


SESSION = {
    "postgres": (
        "SET TimeZone = 'Asia/Tokyo';\nSET DateStyle = 'SQL, DMY';\nCREATE TABLE said (a text);\n",
        "INSERT INTO said SELECT current_setting('TimeZone') || ' ' || current_setting('DateStyle');\n",
        "UTC ISO, MDY",
    ),
    "mariadb": (
        "SET sql_mode = '', time_zone = '+09:00';\nCREATE TABLE said (a text);\n",
        "INSERT INTO said VALUES (@@time_zone || ' ' || (@@sql_mode LIKE '%NO_ENGINE_SUBSTITUTION%'));\n",
        "+00:00 1",
    ),
}


@pytest.mark.parametrize("engine", ["pg", "maria"])
def test_the_session_is_as_sqlx_sets_it_up(whimbrel, request, engine):
    db = request.getfixturevalue(engine)
    first, second, said = SESSION[db.engine]
    if db.engine == "postgres":
        db.sql(f"ALTER DATABASE {db.name} SET TimeZone = 'Europe/Berlin'")
    whimbrel.write("migrations/1_first.sql", first)
    whimbrel.write("migrations/2_second.sql", second)
    # What a migration sets for its session is undone before the next one, and not what SQLx sets.
    whimbrel.ok("migrate", "--convention", "sqlx", "-d", db.url)
    assert db.value("SELECT a FROM said") == said


def test_foreign_keys_hold_on_sqlite_as_with_sqlx(whimbrel, sqlite):
    whimbrel.write(
        "migrations/1_family.sql",
        "CREATE TABLE parent (id int PRIMARY KEY);\nCREATE TABLE child (p int REFERENCES parent ON DELETE CASCADE);\n"
        "INSERT INTO parent VALUES (1);\nINSERT INTO child VALUES (1);\n",
    )
    whimbrel.write("migrations/2_gone.sql", "DELETE FROM parent;\n")
    whimbrel.ok("migrate", "--convention", "sqlx", "-d", sqlite.url)
    assert sqlite.value("SELECT count(*) FROM child") == "0"


def test_the_session_is_made_again_after_a_lost_connection(whimbrel, maria):
    whimbrel.write("migrations/1_first.sql", "CREATE TABLE said (a text);\n")
    whimbrel.write("migrations/2_second.sql", "SET @dummy = SLEEP(3);\nINSERT INTO said VALUES ('a' || 'b');\n")
    running = whimbrel.start("migrate", "--convention", "sqlx", "-d", maria.url)
    for _ in range(200):
        found = maria.sql(
            f"SELECT id FROM information_schema.processlist WHERE db = '{maria.name}' AND info LIKE '%SLEEP(3)%' AND id <> connection_id()"
        )
        if found:
            break
        time.sleep(0.05)
    maria.sql(f"KILL CONNECTION {found[0][0]}")
    running.communicate(timeout=60)
    result = whimbrel("migrate", "--convention", "sqlx", "-d", maria.url)
    if result.code != 0:  # it cannot know how far the lost one came, and SQLx's table does not say
        maria.sql("DELETE FROM _sqlx_migrations WHERE success = FALSE")
        whimbrel.ok("migrate", "--convention", "sqlx", "-d", maria.url)
    assert maria.sql("SELECT DISTINCT a FROM said") == [("ab",)]


def test_missing_ones_are_ignored_where_it_is_said(whimbrel, sqlite):
    for name in NAMES[:2]:
        add(whimbrel, name)
    whimbrel.ok("migrate", "--convention", "sqlx", "-d", sqlite.url)
    for end in ("up", "down"):
        (whimbrel.cwd / f"migrations/{NAMES[0]}.{end}.sql").unlink()
    add(whimbrel, NAMES[2])
    assert whimbrel("migrate", "-d", sqlite.url).code != 0
    assert whimbrel("validate", "-d", sqlite.url).code == 3
    assert whimbrel.ok("validate", "--ignore-missing", "-d", sqlite.url).out.startswith("Files and history agree")
    assert whimbrel("plan", "-d", sqlite.url).code != 0
    whimbrel.ok("plan", "--ignore-missing", "--save", "p.json", "-d", sqlite.url)
    whimbrel.ok("migrate", "--plan", "p.json", "-d", sqlite.url)
    assert sqlite.value("SELECT count(*) FROM orders") == "2"
    add(whimbrel, NAMES[3])
    whimbrel.ok("migrate", "--ignore-missing", "-d", sqlite.url)
    assert sqlite.value("SELECT count(*) FROM _sqlx_migrations") == "4"


def test_the_variable_with_the_url_may_have_another_name(whimbrel, sqlite):
    whimbrel.write("sqlx.toml", '[common]\ndatabase-url-var = "SHOP_URL"\n[migrate]\ntable-name = "steps"\n')
    add(whimbrel, NAMES[0])
    whimbrel.ok("migrate", env={"SHOP_URL": sqlite.url})
    assert sqlite.value("SELECT count(*) FROM steps") == "1"

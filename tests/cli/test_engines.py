# SPDX-License-Identifier: Apache-2.0
"""The important commands, black box, on every engine."""

import json
import signal
import subprocess
import time

import pytest


@pytest.fixture
def project(whimbrel, db):
    whimbrel.write("whimbrel.toml", f'database = "{db.url}"\n')
    whimbrel.write("migrations/1_create_users.up.sql", "CREATE TABLE users (id integer, name varchar(20));\n")
    whimbrel.write("migrations/1_create_users.down.sql", "DROP TABLE users;\n")
    whimbrel.write(
        "migrations/2_create_orders.up.sql",
        "CREATE TABLE orders (id integer);\nINSERT INTO orders VALUES (1), (2);\n",
    )
    whimbrel.write("migrations/2_create_orders.down.sql", "DROP TABLE orders;\n")
    whimbrel.write("migrations/R__views.sql", "DROP VIEW IF EXISTS ids;\nCREATE VIEW ids AS SELECT id FROM users;\n")
    return whimbrel


def states(program):
    document = program.ok("status", "--output", "json").json
    return {row["version"] or row["name"]: row["state"] for row in document["migrations"]}


def test_up_down_and_up_again(project, db):
    assert states(project) == {"1": "pending", "2": "pending", "views": "pending"}
    document = project.ok("migrate", "--output", "json").json
    assert document["applied"] == ["1", "2", "views"] and document["state"] == "up-to-date"
    assert states(project) == {"1": "applied", "2": "applied", "views": "applied"}
    assert str(db.value("SELECT count(*) FROM orders")) == "2"
    project.ok("status", "--check")
    project.ok("check")
    assert project.ok("rollback", "--output", "json").json["rolled_back"] == ["2"]
    assert states(project)["2"] == "pending"
    assert project.ok("migrate", "--output", "json").json["applied"] == ["2"]
    assert "Nothing to do" in project.ok("migrate").out


def test_status_document(project, db):
    project.ok("migrate")
    document = project.ok("status", "--output", "json").json
    assert document["database"]["engine"] == {"sqlite": "sqlite", "postgres": "postgres"}.get(db.engine, "mariadb")
    assert document["database"]["version"][0].isdigit()
    assert document["state"] == "up-to-date" and document["current"] == "2" and document["convention"] == "whimbrel"
    row = document["migrations"][0]
    assert list(row)[:4] == ["version", "name", "kind", "state"]
    assert row["applied_at"].endswith("Z") and row["duration_ms"] >= 0 and row["run"] == 1 and row["reversible"] is True
    repeatable = document["migrations"][2]
    assert repeatable["version"] is None and repeatable["kind"] == "repeatable"


def test_a_failure_names_the_place(project, db):
    project.write("migrations/3_bad.up.sql", "CREATE TABLE t3 (id integer);\nINSERT INTO nowhere VALUES (1);\n")
    project.write("migrations/3_bad.down.sql", "DROP TABLE t3;\n")
    result = project("migrate", "--output", "json")
    assert result.code == 1
    error = result.json["error"]
    assert error["migration"] == "3" and error["path"] == "migrations/3_bad.up.sql" and error["line"] == 2
    assert "nowhere" in error["message"] and "INSERT INTO nowhere" in error["statement"]
    assert error["sqlstate"] == {"sqlite": None, "postgres": "42P01"}.get(db.engine, "42S02")
    assert result.json["applied"] == ["1", "2"]
    assert "--> migrations/3_bad.up.sql:2:" in result.err
    if db.engine in ("sqlite", "postgres"):
        assert result.json["state"] == "pending" and states(project)["3"] == "pending"
    else:
        assert result.json["state"] == "failed" and states(project)["3"] == "partial"
        assert "resume" in result.err or "migrate" in result.err
    project.write("migrations/3_bad.up.sql", "CREATE TABLE t3 (id integer);\nINSERT INTO t3 VALUES (1);\n")
    assert project.ok("migrate", "--output", "json").json["state"] == "up-to-date"
    assert str(db.value("SELECT count(*) FROM t3")) == "1"


def test_states_of_a_migration_that_stopped_at_its_first_statement(project, db):
    project.write("migrations/3_bad.sql", "CREATE TABLE t3 (id integer,,);\nCREATE TABLE t4 (id integer);\n")
    document = project("migrate", "--output", "json").json
    status = project.ok("status", "--output", "json").json
    assert document["state"] == status["state"]
    row = next(row for row in status["migrations"] if row["version"] == "3")
    assert row["state"] in ("pending", "failed") and row["applied_at"] is None and row["duration_ms"] is None
    project.write("migrations/3_bad.sql", "CREATE TABLE t3 (id integer);\nCREATE TABLE t4 (id integer);\n")
    assert project.ok("migrate", "--output", "json").json["state"] == "up-to-date"


def test_dry_run(project, db):
    result = project.ok("migrate", "--dry-run")
    if db.engine in ("sqlite", "postgres"):
        assert "this was a dry run" in result.out
    else:
        assert "CREATE TABLE users" in result.out and "cannot undo DDL" in result.err
    assert states(project) == {"1": "pending", "2": "pending", "views": "pending"}


def test_plan_validate_history_current(project):
    assert "CREATE TABLE users" in project.ok("plan").out
    project.ok("migrate")
    assert project.ok("current").out == "2 create_orders\n"
    assert project.ok("validate", "--output", "json").json["valid"] is True
    assert project.ok("history", "--output", "json").json["runs"][0]["command"] == "migrate"
    project.write("migrations/1_create_users.up.sql", "CREATE TABLE users (id bigint);\n")
    result = project("validate", "--diff")
    assert result.code == 3 and "+CREATE TABLE users (id bigint);" in result.out
    project.ok("repair", "-y")
    project.ok("validate")


def test_sync_rolls_back_what_is_absent_here(project):
    project.ok("migrate")
    for name in ("up", "down"):
        (project.cwd / f"migrations/2_create_orders.{name}.sql").unlink()
    assert states(project)["2"] == "missing"
    assert project("migrate").code == 1
    assert project.ok("sync", "--output", "json").json["rolled_back"] == ["2"]
    project.ok("status", "--check")


def test_baseline_stamp_redo_goto(project, db):
    db.sql("CREATE TABLE users (id integer)")
    project.ok("baseline", "1")
    assert project.ok("migrate", "--output", "json").json["applied"] == ["2", "views"]
    assert project.ok("redo", "--output", "json").json["applied"] == ["2"]
    assert project.ok("stamp", "1", "--output", "json").json["rolled_back"] == ["2"]
    assert states(project)["2"] == "pending"


def test_seed(project, db):
    project.ok("migrate")
    project.write("migrations/seeds/dev/1.sql", "INSERT INTO users VALUES (1, 'a');")
    project.write("migrations/seeds/dev/2.sql", "INSERT INTO users VALUES (2, 'b');")
    project.ok("seed", "dev")
    assert str(db.value("SELECT count(*) FROM users")) == "2"


def test_doctor(project, db):
    project.ok("migrate")
    document = project.ok("doctor", "--output", "json").json
    assert document["healthy"] is True, document
    assert {"connection", "privileges", "lock"} <= {check["name"] for check in document["checks"]}


def test_reset_and_drop(project, db):
    project.write("whimbrel.toml", f'database = "{db.url}"\nallow_reset = true\n')
    project.ok("migrate")
    db.sql("INSERT INTO orders VALUES (3)")
    assert project.ok("reset", "-y", "--output", "json").json["applied"] == ["1", "2", "views"]
    assert str(db.value("SELECT count(*) FROM orders")) == "2"
    assert project.ok("drop", "-y", "--output", "json").json["dropped"] > 0
    assert states(project) == {"1": "pending", "2": "pending", "views": "pending"}


def test_scratch(project, db):
    project.write("whimbrel.toml", f'database = "{db.url}"\n')
    result = project("scratch", "--", "sh", "-c", 'echo "$DATABASE_URL"; exit 3')
    assert result.code == 3, repr(result)
    url = result.out.strip()
    assert url != db.url and "scratch" in url
    assert states(project)["1"] == "pending"
    assert project("-d", url, "status").code in (0, 1)
    if db.engine != "sqlite":
        gone = project("-d", url, "status")
        assert gone.code == 1 and "scratch" in gone.err


def test_database_create_and_drop(project, db):
    if db.engine == "sqlite":
        pytest.skip("a file: test_commands.py")
    url = db.url.rsplit("/", 1)[0] + f"/{db.name}_made"
    project.write("whimbrel.toml", f'database = "{url}"\nallow_reset = true\n')
    absent = project("status")
    assert absent.code == 1 and "database create" in absent.err
    assert project.ok("database", "create", "--output", "json").json["created"] is True
    assert project.ok("database", "create", "--output", "json").json["created"] is False
    project.ok("migrate")
    assert project.ok("database", "drop", "-y", "--output", "json").json["dropped"] is True
    assert project("status").code == 1


def hold_migration_lock(project, db):
    """Another run, in the middle of a migration."""
    if db.engine == "postgres":
        slow = "SELECT pg_sleep(60);"
    else:
        slow = "SELECT sleep(60);"
    project.write("migrations/9_slow.sql", slow)
    holder = project.start("migrate")
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        locks = project("lock", "list", "--output", "json").json["locks"]
        if locks:
            return holder, locks[0]
        time.sleep(0.1)
    raise AssertionError("nobody took the lock")


def test_another_run_holds_the_lock(project, db):
    if db.engine == "sqlite":
        pytest.skip("the write transaction is the lock")
    holder, lock = hold_migration_lock(project, db)
    assert lock["id"] and lock["alive"] is True
    result = project("migrate", "--lock-wait", "1s", "--output", "json")
    assert result.code == 4
    assert result.json["error"]["kind"] == "locked"
    assert "note" in str(project.ok("doctor", "--output", "json").json["checks"])
    refused = project("lock", "release")
    assert refused.code == 2 and "-y" in refused.err and holder.poll() is None
    project.ok("lock", "release", "-y")
    holder.communicate(timeout=30)
    assert holder.returncode == 1
    (project.cwd / "migrations/9_slow.sql").unlink()
    assert project.ok("migrate", "--output", "json").json["applied"] == ["views"]


@pytest.mark.parametrize("number, code", [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_the_run_in_order(project, db, number, code):
    if db.engine == "sqlite":
        slow = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT count(*) FROM c;"
    else:
        slow = "SELECT pg_sleep(60);" if db.engine == "postgres" else "SELECT sleep(60);"
    project.write("migrations/3_slow.sql", f"CREATE TABLE t3 (id integer);\n{slow}\n")
    process = project.start("migrate", "--output", "json")
    time.sleep(1.5)
    began = time.monotonic()
    process.send_signal(number)
    out, err = process.communicate(timeout=30)
    assert process.returncode == code, (out, err)
    assert time.monotonic() - began < 10
    document = json.loads(out)
    assert document["error"]["kind"] == "cancelled"
    assert states(project)["3"] in ("pending", "partial")
    assert states(project)["1"] == "applied"


def test_no_password_in_any_output_or_process_list(whimbrel, postgres, pg):
    secret = "hunter2-geheim"
    postgres.execute(f"DO $$ BEGIN CREATE ROLE guarded LOGIN PASSWORD '{secret}'; EXCEPTION WHEN duplicate_object THEN NULL; END $$")
    pg.sql("GRANT ALL ON SCHEMA public TO guarded")
    pg.sql(f'ALTER DATABASE "{pg.name}" OWNER TO guarded')
    url = pg.url.replace("postgres://postgres@", f"postgres://guarded:{secret}@")
    whimbrel.write("migrations/1_a.up.sql", "CREATE TABLE a (x integer);")
    whimbrel.write("migrations/1_a.down.sql", "DROP TABLE a;")
    whimbrel.write("migrations/2_bad.sql", "SELECT * FROM nowhere;")
    shown = ""
    for line in (
        ["status"], ["migrate"], ["migrate", "--output", "json", "--log", "json", "-v"], ["config"], ["doctor"],
        ["history", "--all"], ["plan"], ["rollback"], ["check"], ["conventions"], ["lock", "list"],
    ):
        result = whimbrel("-d", url, *line)
        shown += result.out + result.err
        assert result.code in (0, 1, 3), repr(result)
    assert secret not in shown and "hunter2" not in shown
    dump = "".join(str(pg.sql(f"SELECT * FROM {table}")) for table in ("whimbrel_history", "whimbrel_run"))
    assert "hunter2" not in dump
    file = whimbrel.write("pw", f"{secret}\nnot this\n")
    file.chmod(0o600)
    whimbrel.ok("-d", url.replace(f":{secret}@", "@"), "--password-file", "pw", "status")
    wrong = whimbrel("-d", url.replace(secret, "wrong-one"), "status")
    assert wrong.code == 1 and "wrong-one" not in wrong.err and "password" in wrong.err
    listing = whimbrel(
        "-d", url.replace(f":{secret}@", "@"), "--password-file", "pw", "scratch", "--", "sh", "-c", "tr '\\0' ' ' < /proc/self/cmdline"
    )
    assert secret not in listing.out


def test_it_waits_for_a_table_and_says_who_holds_it(whimbrel, pg):
    pg.sql("CREATE TABLE users (id integer)")
    whimbrel.write("migrations/1_a.sql", "ALTER TABLE users ADD COLUMN name text;")
    holder = subprocess.Popen(
        pg.client("-c", "BEGIN", "-c", "SELECT * FROM users", "-c", "SELECT pg_sleep(60)"),
        env=pg.client_environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )
    try:
        time.sleep(1)
        result = whimbrel(
            "-d", pg.url, "--lock-timeout", "200ms", "--lock-retries", "1", "migrate", "--output", "json"
        )
        assert result.code == 1
        assert result.json["error"]["kind"] == "timeout" and result.json["error"]["code"] == "lock-timeout"
        assert "waiting for ACCESS EXCLUSIVE on users" in result.err and "held by" in result.err
    finally:
        holder.kill()
        holder.wait()


@pytest.mark.parametrize("charset", ["utf8mb4", "utf8mb3"])
def test_a_session_that_is_put_back_has_the_collation_that_it_had(whimbrel, maria, charset):
    """Views, routines and texts of a migration keep it; also behind one that set its own."""
    asks = "CREATE TABLE c{} AS SELECT @@character_set_client AS a, @@collation_connection AS b, @@sql_mode AS c;\n"
    whimbrel.write("migrations/1_a.sql", asks.format(1))
    whimbrel.write("migrations/2_b.sql", "SET NAMES latin1;\nSET SESSION sql_mode = '';\nCREATE TABLE b (id int);\n")
    whimbrel.write("migrations/3_c.sql", asks.format(3))
    whimbrel.ok("migrate", "-d", f"{maria.url}?charset={charset}")
    assert maria.sql("SELECT * FROM c1") == maria.sql("SELECT * FROM c3")
    assert maria.value("SELECT a FROM c1") == charset
    assert maria.value("SELECT b FROM c1") == maria.value(
        f"SELECT default_collate_name FROM information_schema.character_sets WHERE character_set_name = '{charset}'"
    )


@pytest.mark.parametrize("remote", ["pg", "maria"])
def test_the_history_says_how_long_each_took_and_the_run_as_a_whole(whimbrel, request, remote):
    db = request.getfixturevalue(remote)
    for version in range(1, 5):
        whimbrel.write(f"migrations/{version}_t.sql", f"CREATE TABLE t{version} (id int);\nSELECT count(*) FROM t{version};\n")
    whimbrel.ok("-d", db.url, "migrate")
    rows = db.sql("SELECT started_at, finished_at, duration_us FROM whimbrel_history ORDER BY ordinal")
    # They travelled in one message, which has one now() on PostgreSQL.
    assert all(before[1] <= after[0] for before, after in zip(rows, rows[1:])), rows
    assert int(db.value("SELECT duration_us FROM whimbrel_run")) >= sum(int(row[2]) for row in rows), rows


def mixed(whimbrel):
    """Of each kind of write: journaled and not, long and short texts, and sessions that are not as they were."""
    long = "".join(f"INSERT INTO t1 VALUES ({n}, 'a text like others');\n" for n in range(10, 30))
    scripts = [
        "CREATE TABLE t1 (id int PRIMARY KEY, name varchar(100));\n",
        long,
        "INSERT INTO t1 VALUES (1, 'it''s a \\\\ and a ;');\n",
        "SET SESSION sql_mode = 'ANSI_QUOTES,NO_BACKSLASH_ESCAPES';\nCREATE TABLE t2 (\"id\" int);\nINSERT INTO t1 VALUES (2, '\\');\n",
        "UPDATE t1 SET name = CONCAT(name, SLEEP(0.2)) WHERE id = 1;\n",
        "USE mysql;\nSET @whimbrel_other = 1;\n",
        "CREATE INDEX i1 ON t1 (name);\nALTER TABLE t1 ADD COLUMN n int;\n",
        "DELETE FROM t1 WHERE id = 2;\n",
    ]
    for version, script in enumerate(scripts, 1):
        whimbrel.write(f"migrations/{version}_it's.up.sql", script)
        whimbrel.write(f"migrations/{version}_it's.down.sql", f"-- {version}\nSELECT '\\\\';\n")
    whimbrel.write("migrations/R__again.sql", "CREATE OR REPLACE VIEW again AS SELECT id FROM t1;\n")
    return len(scripts)


@pytest.fixture
def two_databases(mariadb):
    both = [mariadb.create_database() for _ in range(2)]
    yield both
    for database in both:
        mariadb.drop_database(database)


EACH_ROW = (
    "SELECT namespace, id, ordinal, version, name, kind, outcome, checksum, tokens, done, total, fate_unknown, failure, "
    "HEX(up_text), HEX(down_text), applied_by, host, program FROM whimbrel_history ORDER BY ordinal"
)


def test_many_at_once_leave_the_history_that_they_leave_one_by_one(whimbrel, two_databases):
    once, one_by_one = two_databases
    for version in range(1, mixed(whimbrel) + 1):
        whimbrel.ok("-d", one_by_one.url, "migrate", "--to", str(version))
    whimbrel.ok("-d", one_by_one.url, "migrate")
    whimbrel.ok("-d", once.url, "migrate")
    assert once.sql(EACH_ROW) == one_by_one.sql(EACH_ROW)
    assert {row[6] for row in once.sql(EACH_ROW)} == {"applied"}


def test_a_server_that_prepares_nothing_is_migrated_all_the_same(whimbrel, mariadb, two_databases):
    usual, without = two_databases
    mixed(whimbrel)
    whimbrel.ok("-d", usual.url, "migrate")
    allowed = mariadb.execute("SELECT @@GLOBAL.max_prepared_stmt_count")[0][0]
    mariadb.execute("SET GLOBAL max_prepared_stmt_count = 0")
    try:
        whimbrel.ok("-d", without.url, "migrate")
    finally:
        mariadb.execute(f"SET GLOBAL max_prepared_stmt_count = {allowed}")
    assert without.sql(EACH_ROW) == usual.sql(EACH_ROW)


def test_the_server_says_when_each_migration_began(whimbrel, maria):
    mixed(whimbrel)
    whimbrel.ok("-d", maria.url, "migrate")
    rows = maria.sql("SELECT started_at, finished_at, duration_us, version FROM whimbrel_history ORDER BY ordinal")
    assert all(before[1] <= after[0] for before, after in zip(rows, rows[1:])), rows
    took = {version: int(duration) for _, _, duration, version in rows}
    assert took["5"] >= 200000, rows
    assert int(maria.value("SELECT duration_us FROM whimbrel_run")) >= sum(took.values()), rows


@pytest.mark.parametrize("setting", ["sql_select_limit = 1", "sql_safe_updates = 1"])
def test_what_a_server_is_set_to_for_careless_clients(whimbrel, mariadb, maria, setting):
    for version in range(1, 4):
        whimbrel.write(f"migrations/{version}_t.up.sql", f"CREATE TABLE t{version} (id int);\n")
        whimbrel.write(f"migrations/{version}_t.down.sql", f"DROP TABLE t{version};\n")
    mariadb.execute(f"SET GLOBAL {setting}")
    try:
        whimbrel.ok("-d", maria.url, "migrate")
        whimbrel.ok("-d", maria.url, "status", "--check")
        assert whimbrel.ok("-d", maria.url, "rollback", "--all", "--output", "json").json["rolled_back"] == ["3", "2", "1"]
    finally:
        mariadb.execute(f"SET GLOBAL {setting.split()[0]} = DEFAULT")

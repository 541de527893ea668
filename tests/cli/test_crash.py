# SPDX-License-Identifier: Apache-2.0
"""A small part of the crash campaign (./dev crash), and what it has found."""

import os
import pathlib
import signal
import subprocess
import sys
import time

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "campaign"))

import crash as campaign  # noqa: E402
import projects  # noqa: E402
import worlds  # noqa: E402
from proxy import AFTER, BEFORE, SERVER, SESSION  # noqa: E402

ROUNDS = 6
KINDS = {
    "postgres": ["concurrently", "lone_data", "enum", "table", "copy"],
    "mariadb": ["many", "lone_data", "batch", "procedure"],
    "sqlite": ["rebuild", "lone_data", "vacuum", "table", "trigger"],
}


@pytest.mark.parametrize("engine", list(KINDS))
def test_a_run_that_was_stopped_anywhere_ends_as_one_that_was_not(engine, program_command):
    """Message by message, evenly over a small run: killed, cut off, and the server killed."""
    try:
        crashes = campaign.Campaign(engine, program_command)
    except worlds.servers.NotInstalled as missing:
        pytest.skip(str(missing))
    try:
        kinds = KINDS[engine]
        project = projects.Project(engine, 7, count=len(kinds) + 1, kinds=kinds, hooks="sql")
        stages = [campaign.Stage("migrate", "migrate"), campaign.Stage("rollback --to", "rollback", "--to", "100")]
        reference = campaign.Reference(crashes, project, stages)
        for number in range(ROUNDS):
            # Each way meets each part of the run, and both sides of a message.
            how = ["kill", "rst", "fin", "kill-server"][number % 4]
            when = BEFORE if number % 3 else AFTER

            def choose(index):
                if engine == "sqlite":
                    point = ["run.before-chunk", "run.after-chunk", "run.before-history"][number % 3]
                    return [campaign.Crash("kill", at=2 + number * 2 // 3, point=point)]
                at = 1 + reference.messages[index] * number // ROUNDS
                return [campaign.Crash(how, at=at, when=when)]

            defect = crashes.round(str(number), reference, choose)
            assert not defect, defect
        assert crashes.crashes >= ROUNDS
    finally:
        crashes.world.close()


# ---- what it has found -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["rst", "fin"])
@pytest.mark.parametrize("engine", ["pg", "maria"])
def test_a_history_that_was_read_in_part_is_no_history(whimbrel, proxy, request, engine, how):
    db = request.getfixturevalue(engine)
    for n in range(1, 6):
        whimbrel.write(f"migrations/{n}_t.sql", f"CREATE TABLE t{n} (a integer);")
    whimbrel.ok("migrate", "-d", db.url)
    via = proxy(db)
    whimbrel.ok("status", "-d", via.url)
    via.wait()
    messages = via.numbers[SESSION, SERVER]
    refused = 0
    for n in range(1, messages + 1, 2 if engine == "maria" else 4):
        via.reset()
        via.at(n, how, side=SERVER, phase=SESSION)
        result = whimbrel("status", "-d", via.url, "--output", "json")
        via.wait()
        refused += result.code == 1
        if result.code == 0:
            states = {row["state"] for row in result.json["migrations"]}
            assert states == {"applied"}, (n, states)
    assert refused > 0


def kill_all(server):
    """Every process of it at once, so that nothing in its memory reaches a file any more."""
    pid = server.process.pid
    os.kill(pid, signal.SIGSTOP)
    for process in [*worlds.children(pid), pid]:
        try:
            os.kill(process, signal.SIGKILL)
        except ProcessLookupError:
            pass
    server.kill()


@pytest.fixture
def lazy(postgres, pg):
    """A server that writes its log only when a commit waits for that."""
    postgres.execute("ALTER SYSTEM SET wal_writer_delay = '10s'")
    postgres.execute("SELECT pg_reload_conf()")
    yield pg
    postgres.execute("ALTER SYSTEM RESET wal_writer_delay")
    postgres.execute("SELECT pg_reload_conf()")


def applied(program, db):
    document = program.ok("status", "-d", db.url, "--output", "json").json
    return [row["version"] for row in document["migrations"] if row["state"] == "applied"]


def test_what_a_failed_run_says_is_applied_outlives_the_server(whimbrel, postgres, lazy):
    # SQLx's history has no run log, whose last row would have been waited for.
    whimbrel.write("whimbrel.toml", 'convention = "sqlx"\n')
    for n in (1, 2):
        whimbrel.write(f"migrations/{n}_t.sql", f"CREATE TABLE t{n} (a integer);")
    whimbrel.write("migrations/3_bad.sql", "SELECT * FROM nowhere;")
    result = whimbrel("migrate", "-d", lazy.url, "--output", "json")
    assert result.code == 1 and result.json["applied"] == ["1", "2"]
    kill_all(postgres)
    postgres.start()
    assert applied(whimbrel, lazy) == ["1", "2"]


def test_what_the_server_had_confirmed_and_lost_is_not_said_to_be_applied(whimbrel, proxy, postgres, lazy):
    filler = "x" * 300000
    for n in range(1, 9):
        rows = f"INSERT INTO t{n} VALUES ('{filler}');\n" * 4
        whimbrel.write(f"migrations/{n}_t.sql", f"CREATE TABLE t{n} (a text);\n{rows}")
    via = proxy(lazy)
    seen = []

    def strike():
        seen.append(True)
        kill_all(postgres)
        via.refuse()

    # Each of these migrations takes two large messages: at the third, the first migration is confirmed.
    large = []
    rule = via.at(0, strike)
    rule.matches = lambda message, numbers: message.size > 500000 and (large.append(message) or len(large) == 3)
    result = whimbrel("migrate", "-d", via.url, "--output", "json", "--reconnect", "0s")
    via.wait()
    assert seen and result.code == 1
    assert result.json["applied"] == [] and result.json["current"] is None
    assert "is not known" in result.err
    postgres.start()
    assert whimbrel.ok("migrate", "-d", lazy.url, "--output", "json").json["state"] == "up-to-date"
    assert [lazy.value(f"SELECT count(*) FROM t{n}") for n in range(1, 9)] == ["4"] * 8


def stop_in_the_middle(program, db, statement, blocker):
    """Kills the program and its session while `statement` waits for `blocker`, which has something of the table in use."""
    holder = subprocess.Popen(
        db.client("-c", f"BEGIN ISOLATION LEVEL REPEATABLE READ; {blocker}", "-c", "SELECT pg_sleep(60)"),
        env=db.client_environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    asleep = "FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep(60)%' AND datname = current_database()"
    while db.value(f"SELECT count(*) {asleep}") == "0":
        time.sleep(0.05)
    ours = f"FROM pg_stat_activity WHERE query LIKE '{statement}%' AND wait_event_type = 'Lock'"
    try:
        process = program.start("migrate", "-d", db.url)
        end = time.monotonic() + 30
        while db.value(f"SELECT count(*) {ours}") == "0":
            assert time.monotonic() < end and process.poll() is None, process.communicate()
            time.sleep(0.05)
        process.kill()
        process.wait()
        db.sql(f"SELECT pg_terminate_backend(pid) {ours}")
        while db.value(f"SELECT count(*) {ours}") != "0":
            time.sleep(0.05)
    finally:
        holder.kill()
        holder.wait()
    while db.value(f"SELECT count(*) {asleep}") != "0":
        db.sql(f"SELECT pg_terminate_backend(pid) {asleep}")
        time.sleep(0.05)


def test_a_partition_that_was_being_detached_is_detached(whimbrel, pg):
    pg.sql(
        "CREATE TABLE p (a integer) PARTITION BY RANGE (a); CREATE TABLE p_1 PARTITION OF p FOR VALUES FROM (0) TO (9);"
        "INSERT INTO p VALUES (1);"
    )
    whimbrel.write("migrations/1_d.sql", "CREATE TABLE before ();\nALTER TABLE p DETACH PARTITION p_1 CONCURRENTLY;\nCREATE TABLE t ();")
    stop_in_the_middle(whimbrel, pg, "ALTER TABLE p", "SELECT * FROM p")
    assert pg.value("SELECT inhdetachpending FROM pg_inherits") == "t"
    whimbrel.ok("migrate", "-d", pg.url)
    assert pg.sql("SELECT * FROM pg_inherits") == []
    assert pg.value("SELECT count(*) FROM p_1") == "1"


def test_an_index_that_was_being_rebuilt_leaves_nothing(whimbrel, pg):
    pg.sql("CREATE TABLE q (a integer); CREATE INDEX q_a ON q (a);")
    whimbrel.write("migrations/1_r.sql", "CREATE TABLE before ();\nREINDEX INDEX CONCURRENTLY q_a;\nCREATE TABLE t ();")
    stop_in_the_middle(whimbrel, pg, "REINDEX", "SELECT * FROM q")
    assert pg.value("SELECT count(*) FROM pg_index WHERE NOT indisvalid") == "1"
    whimbrel.ok("migrate", "-d", pg.url)
    assert pg.sql("SELECT indexrelid::regclass FROM pg_index WHERE indrelid = 'q'::regclass") == [("q_a",)]


def test_what_vacuum_is_to_make_of_the_file_is_said_again(whimbrel, sqlite):
    whimbrel.write(
        "migrations/1_a.sql",
        "CREATE TABLE t (a int);\nPRAGMA page_size = 8192;\nPRAGMA auto_vacuum = FULL;\nPRAGMA foreign_keys = ON;\n"
        "INSERT INTO t VALUES (1);\nINSERT INTO later VALUES (1);\nVACUUM;\n",
    )
    stopped = whimbrel("migrate", "-d", sqlite.url)
    assert stopped.code == 1, stopped
    assert "Statements 1 to 4 of 7 ran and cannot be rolled back; 5 was rolled back; statement 6 failed" in stopped.err
    sqlite.sql("CREATE TABLE later (a int)")
    whimbrel.ok("migrate", "-d", sqlite.url)
    assert (sqlite.value("PRAGMA page_size"), sqlite.value("PRAGMA auto_vacuum")) == ("8192", "1")
    assert sqlite.value("SELECT count(*) FROM t") == "1"

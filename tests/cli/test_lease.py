# SPDX-License-Identifier: Apache-2.0
"""The migration lock as a lease: behind a pooling proxy, and where the configuration asks for it."""

import signal
import time

import pytest

LEASE = "2s"


@pytest.fixture(params=["pooled", "maria"])
def leased(request, whimbrel):
    """A database whose lock is a lease, with a project on it."""
    database = request.getfixturevalue(request.param)
    whimbrel.write("whimbrel.toml", f'database = "{database.url}"\nlease = "{LEASE}"\n')
    if database.engine == "mariadb":
        whimbrel.write("whimbrel.toml", f'database = "{database.url}"\nlease = "{LEASE}"\nlock = "lease"\n')
    database.sleep = "SELECT pg_sleep({})" if database.engine == "postgres" else "SELECT SLEEP({})"
    return database


def lock(whimbrel):
    locks = whimbrel.ok("lock", "list", "--output", "json").json["locks"]
    return locks[0] if locks else None


def wait_for(what, seconds=30):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = what()
        if found:
            return found
        time.sleep(0.05)
    raise AssertionError("it did not come to pass")


def test_it_is_taken_and_given_back(leased, whimbrel):
    whimbrel.write("migrations/1_a.sql", "CREATE TABLE a (id integer);\n")
    whimbrel.write("migrations/2_b.sql", "INSERT INTO a VALUES (1);\nINSERT INTO a VALUES (2);\n")
    assert "a lease of 2 s in whimbrel_lock" in whimbrel.ok("doctor").out
    whimbrel.ok("migrate")
    assert leased.value("SELECT count(*) FROM a") == "2"
    assert leased.sql("SELECT name, holder, expires FROM whimbrel_lock") == [("whimbrel_history", "", None)]
    token = int(leased.value("SELECT token FROM whimbrel_lock"))
    whimbrel.write("migrations/3_c.sql", "INSERT INTO a VALUES (3);\n")
    whimbrel.ok("migrate")
    assert int(leased.value("SELECT token FROM whimbrel_lock")) > token
    assert lock(whimbrel) is None


def test_it_is_renewed_during_a_long_statement(leased, whimbrel):
    whimbrel.write("migrations/1_a.sql", f"CREATE TABLE a (id integer);\n{leased.sleep.format(5)};\n")
    runner = whimbrel.start("migrate")
    held = wait_for(lambda: lock(whimbrel))
    assert held["kind"] == "lease" and held["id"] == str(runner.pid) and held["alive"]
    # Another run is told who it is, and cannot have it.
    refused = whimbrel.run("migrate", "--lock-wait", "3s")
    assert refused.code == 4 and f"held by {runner.pid}" in refused.err
    out, err = runner.communicate(timeout=60)
    assert runner.returncode == 0, err
    assert leased.value("SELECT count(*) FROM whimbrel_history") == "1"


def test_its_holder_dies(leased, whimbrel):
    whimbrel.write("migrations/1_a.sql", f"CREATE TABLE a (id integer);\n{leased.sleep.format(1)};\n")
    whimbrel.write("migrations/2_b.sql", f"INSERT INTO a VALUES (1);\n{leased.sleep.format(60)};\n")
    runner = whimbrel.start("migrate")
    wait_for(lambda: lock(whimbrel))
    runner.kill()
    runner.wait()
    whimbrel.write("migrations/2_b.sql", "INSERT INTO a VALUES (1);\n")
    whimbrel.ok("migrate", "--lock-wait", "60s", "--lock-retries", "100")
    assert leased.value("SELECT count(*) FROM a") == "1"


def test_a_runner_that_was_stopped_for_too_long_writes_nothing(leased, whimbrel):
    """Nobody has taken the lease meanwhile: that makes no difference."""
    whimbrel.write("migrations/1_a.sql", "CREATE TABLE a (id integer);\n")
    whimbrel.write("migrations/2_b.sql", "INSERT INTO a VALUES (1);\n")
    stopped = whimbrel.start("migrate", env={"WHIMBREL_FAULT": "run.before-chunk:1:stop"})
    wait_for(lambda: lock(whimbrel))
    wait_for(lambda: lock(whimbrel) is None)
    stopped.send_signal(signal.SIGCONT)
    out, err = stopped.communicate(timeout=60)
    assert stopped.returncode == 1 and "lease-lost" in err, err
    assert "whimbrel_history" not in str(leased.sql("SELECT table_name FROM information_schema.tables"))
    whimbrel.ok("migrate")


def test_the_server_itself_refuses_a_token_that_is_taken(leased, whimbrel):
    """The program does not know: only what it sends along tells."""
    whimbrel.write("migrations/1_a.sql", "CREATE TABLE a (id integer);\n")
    whimbrel.write("migrations/2_b.sql", "INSERT INTO a VALUES (1);\n")
    whimbrel.ok("migrate", "--to", "1")
    whimbrel.write("whimbrel.toml", (whimbrel.cwd / "whimbrel.toml").read_text().replace(LEASE, "10min"))
    stopped = whimbrel.start("migrate", env={"WHIMBREL_FAULT": "run.before-chunk:1:stop"})
    wait_for(lambda: lock(whimbrel))
    assert whimbrel.ok("lock", "release", "--yes").out == "The migration lock is free.\n"
    stopped.send_signal(signal.SIGCONT)
    out, err = stopped.communicate(timeout=60)
    assert stopped.returncode == 1 and "lease-lost" in err, err
    assert leased.value("SELECT count(*) FROM a") == "0"
    assert leased.value("SELECT count(*) FROM whimbrel_history") == "1"
    whimbrel.ok("migrate")
    assert leased.value("SELECT count(*) FROM a") == "1"


def test_interrupted_it_is_given_back(leased, whimbrel):
    whimbrel.write("migrations/1_a.sql", f"CREATE TABLE a (id integer);\n{leased.sleep.format(60)};\n")
    runner = whimbrel.start("migrate", "--lease", "10min")
    wait_for(lambda: lock(whimbrel))
    time.sleep(0.5)
    runner.send_signal(signal.SIGINT)
    runner.communicate(timeout=60)
    assert runner.returncode == 130
    assert lock(whimbrel) is None


def test_runners_past_the_proxy_exclude_each_other_with_those_behind_it(pooled, whimbrel):
    whimbrel.write("migrations/1_a.sql", "CREATE TABLE a (id integer);\nSELECT pg_sleep(3);\n")
    direct = whimbrel.start("migrate", "-d", pooled.direct_url)
    held = wait_for(lambda: whimbrel.ok("lock", "list", "-d", pooled.url, "--output", "json").json["locks"])
    assert held[0]["kind"] == "session"
    assert whimbrel.run("migrate", "-d", pooled.url, "--lock-wait", "0").code == 4
    assert direct.wait(60) == 0


def test_concurrent_builds_and_pollers_do_not_wait_for_each_other(pooled, whimbrel):
    whimbrel.write("migrations/1_a.sql", "CREATE TABLE a (id integer);\nINSERT INTO a SELECT generate_series(1, 1000);\n")
    for i in range(2, 8):
        whimbrel.write(f"migrations/{i}_index.sql", f"CREATE INDEX CONCURRENTLY a{i} ON a (id);\n")
    runners = [whimbrel.start("migrate", "-d", pooled.url, "--lock-wait", "100s") for _ in range(8)]
    for runner in runners:
        out, err = runner.communicate(timeout=120)
        assert runner.returncode == 0, err
    assert pooled.value("SELECT count(*) FROM pg_index WHERE indrelid = 'a'::regclass AND indisvalid") == "6"
    # Nothing that outlasts a transaction was left in the proxy's sessions.
    assert pooled.value("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'") == "0"


def test_a_pool_of_statements_is_refused(statement_pooled, whimbrel):
    whimbrel.write("migrations/1_a.sql", "CREATE TABLE a (id integer);\n")
    refused = whimbrel.run("migrate", "-d", statement_pooled.url)
    assert refused.code == 1 and "pools statements" in refused.err
    assert statement_pooled.value("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'") == "0"


def test_a_pool_of_sessions_serves(session_pooled, whimbrel):
    whimbrel.write("migrations/1_a.sql", "CREATE TABLE a (id integer);\n")
    whimbrel.ok("migrate", "-d", session_pooled.url)
    assert session_pooled.value("SELECT count(*) FROM whimbrel_history") == "1"
    assert session_pooled.value("SELECT count(*) FROM whimbrel_lock") == "1"
    session_pooled.sql("DROP TABLE whimbrel_lock")
    whimbrel.write("migrations/2_b.sql", "CREATE TABLE b (id integer);\n")
    whimbrel.ok("migrate", "-d", session_pooled.url + "?pgbouncer=false")
    assert session_pooled.value("SELECT count(*) FROM whimbrel_history") == "2"
    assert session_pooled.value("SELECT count(*) FROM pg_tables WHERE tablename = 'whimbrel_lock'") == "0"
    assert session_pooled.value("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'") == "0"

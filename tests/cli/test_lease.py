# SPDX-License-Identifier: Apache-2.0
"""The migration lock as a lease: behind a pooling proxy, and where the configuration asks for it."""

import pathlib
import shutil
import signal
import subprocess
import time

import pytest

import servers

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
    whimbrel.write("migrations/2_b.sql", "CREATE TABLE b (id integer);\nSELECT pg_sleep(3);\n")
    behind = whimbrel.start("migrate", "-d", pooled.url)
    held = wait_for(lambda: whimbrel.ok("lock", "list", "-d", pooled.url, "--output", "json").json["locks"])
    assert held[0]["kind"] == "lease"
    refused = whimbrel.run("migrate", "-d", pooled.direct_url, "--lock-wait", "0")
    assert refused.code == 4 and f"held by {behind.pid}" in refused.err
    assert behind.wait(60) == 0


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


def test_settings_of_the_url_reach_every_transaction_and_stay_with_nobody(pooled, whimbrel):
    pooled.sql("CREATE SCHEMA there")
    for i in range(1, 4):
        whimbrel.write(f"migrations/{i}_a.sql", f"CREATE TABLE a{i} (id integer);\n")
    url = pooled.url + "?search_path=there"
    whimbrel.ok("migrate", "-d", url)
    assert whimbrel.ok("current", "-d", url).out.startswith("3 ")
    found = pooled.sql("SELECT DISTINCT schemaname FROM pg_tables WHERE tablename ~ '^(a[0-9]|whimbrel)'")
    assert found == [("there",)]
    with servers.PgBouncer(pooled.server, size=1) as single:
        whimbrel.ok("status", "-d", single.url(pooled) + "?search_path=there")
        assert single.value(pooled, "SHOW search_path") == '"$user", public'
    # A statement that stands alone cannot be told of it.
    whimbrel.write("migrations/4_i.sql", "CREATE INDEX CONCURRENTLY i ON a1 (id);\n")
    refused = whimbrel.run("migrate", "-d", url)
    assert refused.code == 1 and "pooled-session" in refused.err


def test_what_a_migration_sets_is_left_to_nobody(pooled, whimbrel):
    with servers.PgBouncer(pooled.server, size=2) as pool:
        url = pool.url(pooled)
        whimbrel.write(
            "migrations/1_a.sql",
            "SET search_path = '';\nSET statement_timeout = '1h';\nSELECT pg_advisory_lock(7);\n"
            "CREATE TEMPORARY TABLE t (id integer);\nCREATE TABLE public.a (id integer);\n",
        )
        whimbrel.ok("migrate", "-d", url)
        for _ in range(3):
            assert pool.value(pooled, "SHOW search_path") == '"$user", public'
            assert pool.value(pooled, "SHOW statement_timeout") == "0"
        assert pooled.value("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'") == "0"
        assert pooled.value("SELECT count(*) FROM pg_class WHERE relname = 't'") == "0"
        whimbrel.write("migrations/2_b.sql", "SET lock_timeout = '5s';\nCREATE INDEX CONCURRENTLY i ON a (id);\n")
        refused = whimbrel.run("migrate", "-d", url)
        assert refused.code == 1 and "pooled-session" in refused.err and "2_b.sql" in refused.err
        whimbrel.ok("migrate", "-d", pooled.direct_url)


def test_a_session_lock_ends_soon_with_its_holder(pg, whimbrel):
    """Although the server is in the midst of a statement that takes a minute."""
    whimbrel.write("migrations/1_a.sql", "CREATE TABLE a (id integer);\nSELECT pg_sleep(60);\n")
    runner = whimbrel.start("migrate", "-d", pg.url)
    wait_for(lambda: whimbrel.ok("lock", "list", "-d", pg.url, "--output", "json").json["locks"])
    runner.kill()
    runner.wait()
    whimbrel.write("migrations/1_a.sql", "CREATE TABLE a (id integer);\n")
    whimbrel.ok("migrate", "-d", pg.url, "--lock-wait", "40s")


@pytest.mark.parametrize("view", ["the folder", "the file alone"])
def test_another_container_s_view_of_a_sqlite_file(sqlite, whimbrel, tmp_path, view):
    """The file under another path, with other mounts and other processes in sight."""
    unshare = shutil.which("unshare")
    if not unshare or subprocess.run([unshare, "-m", "-p", "--fork", "true"], capture_output=True).returncode != 0:
        pytest.skip("no namespaces can be made here")
    # It lets go of the database half-way: VACUUM runs in no transaction, and so does a program.
    whimbrel.write("migrations/1_a.sql", "CREATE TABLE a (id integer);\nVACUUM;\nINSERT INTO a VALUES (1);\n")
    hook = whimbrel.write("migrations/hooks/before-each", "#!/bin/sh\nexec sleep 6\n")
    hook.chmod(0o755)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    if view == "the folder":
        mount = f"mount --bind {tmp_path} {elsewhere}"
    else:
        (elsewhere / "app.db").touch()
        mount = f"mount --bind {sqlite.path} {elsewhere}/app.db"
    first = whimbrel.start("migrate", "-d", sqlite.url)
    wait_for(lambda: sqlite.path.exists() and first.poll() is None)
    time.sleep(2)
    assert first.poll() is None
    other = shutil.copytree(tmp_path / "migrations", tmp_path.parent / f"{tmp_path.name}-migrations")
    (other / "hooks" / "before-each").unlink()
    command = " ".join(map(str, whimbrel.command))
    script = (
        f"{mount} && mount -t proc proc /proc && "
        f"{command} migrate -d sqlite:{elsewhere}/app.db -m {other} --lock-wait "
    )
    in_view = [unshare, "-m", "-p", "--fork", "sh", "-c"]
    refused = subprocess.run([*in_view, script + "1s"], capture_output=True, text=True, cwd=other)
    assert refused.returncode == 4, refused.stderr
    waited = subprocess.run([*in_view, script + "60s"], capture_output=True, text=True, cwd=other)
    assert waited.returncode == 0, waited.stderr
    assert first.wait(60) == 0
    assert sqlite.value("SELECT count(*) FROM a") == "1"
    assert sqlite.value("SELECT count(*) FROM whimbrel_history") == "1"
    assert not list(pathlib.Path(tmp_path).glob("app.db-*"))

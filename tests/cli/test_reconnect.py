# SPDX-License-Identifier: Apache-2.0
"""A connection that is lost amid a run: sought again, and the run goes on, or says what holds."""

import os
import signal
import subprocess
import threading

import pytest

from gate import ALL_APPLIED, at_the_gate, ended, history, session, three, until


@pytest.fixture(params=["pg", "maria"])
def served(request):
    return request.getfixturevalue(request.param)


def restart(server, how="stop"):
    getattr(server, how)()
    server.start()


@pytest.mark.parametrize("how", ["stop", "kill"])
def test_a_server_restarted_between_two_migrations(whimbrel, served, how):
    three(whimbrel)
    code, out, err = at_the_gate(
        whimbrel, "1", lambda: restart(served.server, how), "migrate", "-d", served.url
    )
    assert code == 0, err
    assert "the connection to the database was lost" in err and "goes on with 2 of 3" in err, err
    assert out.startswith("3 applied"), out
    assert history(served) == ALL_APPLIED
    assert served.value("SELECT outcome FROM whimbrel_run WHERE run = 1") == "interrupted"
    assert served.value("SELECT outcome FROM whimbrel_run WHERE run = 2") == "ok"
    for number in (1, 2, 3):
        assert served.value(f"SELECT count(*) FROM t{number}") == "1"


def test_a_rollback_goes_on_with_what_is_left(whimbrel, served):
    three(whimbrel)
    whimbrel.ok("migrate", "-d", served.url)
    code, out, err = at_the_gate(
        whimbrel, "3", lambda: restart(served.server), "rollback", "--steps", "2", "-d", served.url
    )
    assert code == 0, err
    assert "goes on with 1 of 2" in err, err
    assert history(served) == [("1", "applied")]


def test_without_reconnecting_it_says_what_holds(whimbrel, served):
    three(whimbrel)
    code, out, err = at_the_gate(
        whimbrel, "1", lambda: restart(served.server), "migrate", "-d", served.url, "--reconnect", "0"
    )
    assert code == 1
    assert "the connection to the database was lost" in err and "the database is at 1." in err, err
    assert history(served) == ALL_APPLIED[:1]
    whimbrel.ok("migrate", "-d", served.url)
    assert history(served) == ALL_APPLIED


def test_a_server_that_stays_away(whimbrel, served):
    three(whimbrel)
    code, out, err = at_the_gate(
        whimbrel, "1", served.server.stop, "migrate", "-d", served.url, "--reconnect", "1s"
    )
    served.server.start()
    assert code == 1
    assert "seeking a new one" in err, err
    whimbrel.ok("migrate", "-d", served.url)
    assert history(served) == ALL_APPLIED


@pytest.mark.parametrize("patience", ["20s", "0"])
def test_the_server_ends_a_transaction_that_was_idle_for_too_long(whimbrel, served, patience):
    """The program is stopped amid one migration's transaction, as a machine that swaps or sleeps stops it."""
    three(whimbrel)
    # More than goes in one message, and rows only: MariaDB too has them in one transaction.
    rows = f"INSERT INTO t1 SELECT 7 WHERE '{'x' * 40000}' <> '';\n" * 60
    whimbrel.write("migrations/2_m.up.sql", rows)
    whimbrel.write("migrations/2_m.down.sql", "DELETE FROM t1 WHERE id = 7;\n")
    sessions = f"SELECT count(*) FROM information_schema.processlist WHERE db = '{served.name}'"
    if served.engine == "postgres":
        served.server.execute(f"ALTER DATABASE {served.name} SET idle_in_transaction_session_timeout = 200")
        sessions = f"SELECT count(*) FROM pg_stat_activity WHERE datname = '{served.name}'"
    else:
        served.server.execute("SET GLOBAL idle_transaction_timeout = 1")
    try:
        stop = {"WHIMBREL_FAULT": "run.before-chunk:2:stop"}
        process = whimbrel.start("migrate", "-d", served.url, "--reconnect", patience, env=stop)
        _, status = os.waitpid(process.pid, os.WUNTRACED)
        assert os.WIFSTOPPED(status), status
        until(lambda: served.server.execute(sessions) == [("0",)], "the server hangs up")
    finally:
        if served.engine == "mariadb":
            served.server.execute("SET GLOBAL idle_transaction_timeout = 0")
    process.send_signal(signal.SIGCONT)
    code, out, err = ended(process)
    assert "the connection to the database was lost" in err, err
    if patience == "0":
        assert code == 1 and "the database is at 1." in err, err
        assert history(served) == ALL_APPLIED[:1] and served.value("SELECT count(*) FROM t1") == "1"
        whimbrel.ok("migrate", "-d", served.url)
    else:
        assert code == 0 and "goes on with 2 of 3" in err, err
    assert history(served) == ALL_APPLIED and served.value("SELECT count(*) FROM t1") == "61"


# ---- amid a statement ---------------------------------------------------------------------------------------------


def test_postgres_falls_amid_a_statement(whimbrel, pg):
    three(whimbrel)
    whimbrel.write("migrations/2_m.up.sql", "CREATE TABLE t2 (id int);\nSELECT pg_advisory_xact_lock(42);\n")
    holder = session(pg, "SELECT pg_advisory_lock(42), pg_sleep(600)")
    locks = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = 42 AND granted = "
    until(lambda: pg.value(locks + "true") == "1", "the holder has its lock")
    process = whimbrel.start("migrate", "-d", pg.url, "--lock-timeout", "0")
    until(lambda: pg.value(locks + "false") == "1", "the migration waits")
    restart(pg.server, "kill")
    holder.wait()
    code, out, err = ended(process)
    assert code == 0, err
    assert history(pg) == ALL_APPLIED


def waits_in(db, what):
    return db.value(f"SELECT count(*) FROM information_schema.processlist WHERE state LIKE '{what}%'") == "1"


def test_mariadb_falls_amid_an_alter(whimbrel, maria):
    """Half a migration stays. What stays is found in the catalog, and the rest is done."""
    three(whimbrel)
    whimbrel.write(
        "migrations/2_m.up.sql", "CREATE TABLE t2 (id int);\nALTER TABLE t1 ADD COLUMN b int;\nCREATE TABLE u2 (id int);\n"
    )
    whimbrel.ok("migrate", "--to", "1", "-d", maria.url)
    holder = session(maria, "BEGIN; SELECT * FROM t1; SELECT sleep(600)")
    until(lambda: waits_in(maria, "User sleep"), "the holder has read")
    process = whimbrel.start("migrate", "-d", maria.url, "--lock-timeout", "0")
    until(lambda: waits_in(maria, "Waiting for table metadata lock"), "the migration waits")
    restart(maria.server, "kill")
    holder.wait()
    code, out, err = ended(process)
    assert code == 0, err
    assert history(maria) == ALL_APPLIED
    assert maria.value("SELECT count(*) FROM information_schema.columns WHERE table_name = 't1' AND column_name = 'b'") == "1"


def test_what_cannot_be_known_stops_the_run(whimbrel, maria):
    three(whimbrel)
    whimbrel.write("migrations/2_m.up.sql", "CREATE TABLE t2 (id int);\nTRUNCATE TABLE t1;\n")
    whimbrel.ok("migrate", "--to", "1", "-d", maria.url)
    holder = session(maria, "BEGIN; SELECT * FROM t1; SELECT sleep(600)")
    until(lambda: waits_in(maria, "User sleep"), "the holder has read")
    process = whimbrel.start("migrate", "-d", maria.url, "--lock-timeout", "0")
    until(lambda: waits_in(maria, "Waiting for table metadata lock"), "the migration waits")
    restart(maria.server, "kill")
    holder.wait()
    code, out, err = ended(process)
    assert code == 1
    assert "statement-in-doubt" in err and "migrations/2_m.up.sql:2" in err, err
    assert [version for version, _ in history(maria)] == ["1", "2"]
    whimbrel.ok("resume", "--from", "2", "-d", maria.url)
    whimbrel.ok("migrate", "-d", maria.url)
    assert history(maria) == ALL_APPLIED


def test_a_migration_that_ends_the_server_is_not_repeated_for_ever(whimbrel, pg):
    three(whimbrel)
    whimbrel.write("migrations/2_m.up.sql", "SELECT pg_terminate_backend(pg_backend_pid());\n")
    code, out, err = ended(whimbrel.start("migrate", "-d", pg.url))
    assert code == 1
    assert err.count("seeking a new one") == 2 and "the database is at 1." in err, err
    assert history(pg) == ALL_APPLIED[:1]


def test_what_the_history_no_longer_says_runs_again(whimbrel, served):
    """As after a crash that took the last transactions. Here only the row is gone, so that the table is in the way."""
    three(whimbrel)

    def action():
        restart(served.server)
        served.sql("DELETE FROM whimbrel_history WHERE version = '1'")

    code, out, err = at_the_gate(whimbrel, "1", action, "migrate", "-d", served.url)
    assert code == 1
    assert "are lost with it, and run again" in err and "exists" in err and "is applied" not in err, err
    assert ("1", "applied") not in history(served)


# ---- no connection yet --------------------------------------------------------------------------------------------


def told_to_wait(process):
    line = process.stderr.readline()
    assert "takes no connection yet" in line, line + process.stderr.read()


def test_postgres_without_a_free_connection(whimbrel, pg):
    three(whimbrel)
    role = f"crowded_{pg.name}"
    pg.sql(f"CREATE ROLE {role} LOGIN CONNECTION LIMIT 1; GRANT ALL ON SCHEMA public TO {role}")
    url = pg.url.replace("//postgres@", f"//{role}@")
    holder = subprocess.Popen(
        [*pg.client(), "-U", role, "-c", "SELECT pg_sleep(600)"], env=pg.client_environment(), stderr=subprocess.DEVNULL
    )
    until(lambda: pg.value(f"SELECT count(*) FROM pg_stat_activity WHERE usename = '{role}'") == "1", "it is crowded")
    refused = whimbrel("status", "-d", url, "--connect-timeout", "1s")
    assert refused.code == 1 and "too many connections" in refused.err, refused
    process = whimbrel.start("migrate", "-d", url, "--connect-timeout", "60s")
    told_to_wait(process)
    pg.sql(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{role}'")
    holder.wait()
    code, out, err = ended(process)
    assert code == 0, err
    pg.sql(f"DROP OWNED BY {role}; DROP ROLE {role}")


def test_mariadb_without_a_free_connection(whimbrel, maria):
    three(whimbrel)
    maria.sql(f"CREATE USER crowded@'%'; GRANT ALL ON {maria.name}.* TO crowded@'%'; SET GLOBAL max_connections = 10")
    url = maria.url.replace("//root@", "//crowded@")
    command = [*maria.client()[:-1], "--user=crowded", maria.name, "-e"]
    holders = []

    def is_full():
        """Whatever else may be connected, or have been a moment ago."""
        if subprocess.run([*command, "SELECT 1"], capture_output=True).returncode != 0:
            return True
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        holders.append(subprocess.Popen([*command, "SELECT sleep(600)"], **quiet))
        return False

    try:
        until(is_full, "it is full")
        process = whimbrel.start("migrate", "-d", url, "--connect-timeout", "60s")
        told_to_wait(process)
    finally:
        for holder in holders:
            holder.kill()
            holder.wait()
        until(maria.server.answers, "they went")
        maria.sql("SET GLOBAL max_connections = 60")
    code, out, err = ended(process)
    assert code == 0, err
    maria.sql("DROP USER crowded@'%'")


def test_postgres_that_is_starting_up(whimbrel, pg):
    """A server in recovery that lets nobody look answers, and says that it does not answer yet."""
    three(whimbrel)
    server = pg.server
    server.stop()
    (server.data / "standby.signal").touch()
    conf = (server.data / "postgresql.conf").read_text()
    (server.data / "postgresql.conf").write_text(conf + "hot_standby = off\n")
    told = []

    def meanwhile():
        until(lambda: (server.folder / f".s.PGSQL.{server.port}").exists(), "it listens")
        process = whimbrel.start("migrate", "-d", pg.url, "--connect-timeout", "60s")
        told.append((process, process.stderr.readline()))
        server.call([server.folder_of_programs + "/pg_ctl", "-D", server.data, "promote"])

    thread = threading.Thread(target=meanwhile)
    thread.start()
    server.start()  # in this thread, with which the server ends
    thread.join()
    (server.data / "postgresql.conf").write_text(conf)
    process, line = told[0]
    code, out, err = ended(process)
    assert code == 0 and "takes no connection yet" in line, line + err
    assert history(pg) == ALL_APPLIED


# ---- several servers ----------------------------------------------------------------------------------------------


@pytest.fixture
def standby(postgres):
    """A streaming copy of the server, on its own port."""
    import servers

    class Standby(servers.Postgres):
        def create_data(self):
            programs = self.folder_of_programs
            self.call(
                [programs + "/pg_basebackup", "-D", self.data, "-R", "-X", "stream", "-c", "fast", "--no-sync"]
                + ["-d", f"host={postgres.folder} port={postgres.port} user=postgres"]
            )
            conf = self.data / "postgresql.conf"
            conf.write_text(conf.read_text().replace(str(postgres.folder), str(self.folder)))

    copy = Standby()
    try:
        copy.start()
        yield copy
    finally:
        copy.remove()


def test_the_primary_falls_and_the_standby_takes_over(whimbrel, pg, standby):
    three(whimbrel)
    both = f"postgres://postgres@127.0.0.1:{standby.port},127.0.0.1:{pg.server.port}/{pg.name}"
    refused = whimbrel("migrate", "-d", f"postgres://postgres@127.0.0.1:{standby.port}/{pg.name}")
    assert refused.code == 1 and "is a standby: nothing can be written there" in refused.err, refused

    def fail_over():
        until(
            lambda: standby.query("SELECT count(*) FROM pg_tables WHERE tablename = 't1'", pg.name) == [("1",)],
            "the standby has what was done",
        )
        pg.server.kill()
        standby.query("SELECT pg_promote()", "postgres")

    try:
        code, out, err = at_the_gate(
            whimbrel, "1", fail_over, "migrate", "-d", both + "?target_session_attrs=read-write"
        )
    finally:
        pg.server.start()
    assert code == 0, err
    rows = standby.query("SELECT version, outcome FROM whimbrel_history ORDER BY version", pg.name)
    assert rows == ALL_APPLIED


def test_a_failover_to_what_is_still_a_standby(whimbrel, pg, standby):
    three(whimbrel)
    both = f"postgres://postgres@127.0.0.1:{pg.server.port},127.0.0.1:{standby.port}/{pg.name}"

    def fail_over():
        until(
            lambda: standby.query("SELECT count(*) FROM pg_tables WHERE tablename = 't1'", pg.name) == [("1",)],
            "the standby has what was done",
        )
        pg.server.kill()

    try:
        code, out, err = at_the_gate(whimbrel, "1", fail_over, "migrate", "-d", both, "--reconnect", "3s")
    finally:
        pg.server.start()
    assert code == 1
    assert "standby" in err, err
    whimbrel.ok("migrate", "-d", both)
    assert history(pg) == ALL_APPLIED

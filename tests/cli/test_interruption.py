# SPDX-License-Identifier: Apache-2.0
"""Ctrl-C, SIGTERM and a closed terminal at whatever moment: the run ends soon, leaves nothing on the server, says what holds.

Nothing here asks a clock how long it took; that it is no matter of minutes, the limits of waiting see to."""

import contextlib
import os
import pathlib
import signal
import socket
import threading
import time

import pytest

from test_progress import events_until, gate, wait_until  # noqa: F401 (gate is a fixture)

LIMIT = 20  # seconds, also under sanitizers; what is waited for below would last for ten minutes


def interrupted(process, number=signal.SIGINT):
    process.send_signal(number)
    out, err = process.communicate(timeout=LIMIT)
    assert process.returncode == 128 + number, f"exit code {process.returncode}\n{out}\n{err}"
    return err


def sessions(db):
    if db.engine == "postgres":
        return db.value("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()")
    return db.value("SELECT count(*) FROM information_schema.processlist WHERE db = DATABASE() AND id <> CONNECTION_ID()")


@pytest.fixture(params=["pg", "maria"])
def server_db(request):
    return request.getfixturevalue(request.param)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_in_a_statement(whimbrel, server_db, gate, number):  # noqa: F811
    db, holder = server_db, gate(server_db)
    whimbrel.write("migrations/1_a.sql", "CREATE TABLE a (x integer);")
    whimbrel.write("migrations/2_b.sql", f"CREATE TABLE b (x integer);\n{holder.sql};\nCREATE TABLE c (x integer);")
    process = whimbrel.start("migrate", "-d", db.url, "--lock-timeout", "600s")
    waits = {"postgres": "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted",
             "mariadb": "SELECT count(*) FROM information_schema.processlist WHERE state = 'User lock'"}
    wait_until(lambda: db.value(waits[db.engine]) == "1")
    err = interrupted(process, number)
    assert "cancelled" in err and "migrations/2_b.sql:2:1" in err and "Next: whimbrel migrate" in err
    assert ("Nothing of 2 was kept" if db.engine == "postgres" else "Statement 1 of 3 ran") in err
    assert sessions(db) == "1"  # the holder's
    holder.let_go()
    whimbrel.ok("migrate", "-d", db.url)
    assert db.value("SELECT count(*) FROM c") == "0"


def test_while_it_waits_for_the_migration_lock(whimbrel, server_db, gate):  # noqa: F811
    holder = gate(server_db)
    whimbrel.write("migrations/1_a.sql", f"{holder.sql};")
    first = whimbrel.start("migrate", "-d", server_db.url, "--log", "json", "--lock-timeout", "600s")
    events_until(first, lambda e: e["event"] in ("progress", "table-wait"))
    second = whimbrel.start("migrate", "-d", server_db.url, "--log", "json")
    events_until(second, lambda e: e["event"] == "lock-wait")
    assert "interrupted" in interrupted(second)
    holder.let_go()
    first.communicate(timeout=60)
    assert first.returncode == 0


def test_while_it_waits_for_a_table_and_between_its_tries(whimbrel, pg):
    import subprocess

    pg.sql("CREATE TABLE busy (x integer)")
    whimbrel.write("migrations/1_a.sql", "ALTER TABLE busy ADD y integer;")
    client = subprocess.Popen(pg.client(), stdin=subprocess.PIPE, text=True, env=pg.client_environment())
    client.stdin.write("BEGIN;\nSELECT * FROM busy;\n")
    client.stdin.flush()
    held = "SELECT count(*) FROM pg_locks WHERE relation = 'busy'::regclass AND pid <> pg_backend_pid()"
    wait_until(lambda: pg.value(held) == "1")
    try:
        for lock_timeout, is_rolled_back in (("600s", False), ("10ms", True)):
            process = whimbrel.start(
                "migrate", "-d", pg.url, "--lock-timeout", lock_timeout, "--lock-retries", "99", "--log", "json"
            )
            events_until(process, lambda e: e["event"] == "table-wait" and e["rolled_back"] is is_rolled_back)
            interrupted(process)
            wait_until(lambda: pg.value(held) == "1")
    finally:
        client.communicate("ROLLBACK;\n", timeout=60)
    whimbrel.ok("migrate", "-d", pg.url)


def test_in_an_index_that_is_built_concurrently(whimbrel, pg):
    import subprocess

    pg.sql("CREATE TABLE busy (x integer)")
    whimbrel.write("migrations/1_a.sql", "CREATE INDEX CONCURRENTLY busy_x ON busy (x);")
    client = subprocess.Popen(pg.client(), stdin=subprocess.PIPE, text=True, env=pg.client_environment())
    client.stdin.write("BEGIN;\nINSERT INTO busy VALUES (1);\n")
    client.stdin.flush()
    wait_until(lambda: pg.value("SELECT count(*) FROM pg_locks WHERE relation = 'busy'::regclass") == "1")
    process = whimbrel.start("migrate", "-d", pg.url)
    wait_until(lambda: pg.value("SELECT count(*) FROM pg_index WHERE NOT indisvalid") == "1")
    err = interrupted(process)
    client.communicate("ROLLBACK;\n", timeout=60)
    assert "busy_x" in err and "invalid" in err
    result = whimbrel.ok("migrate", "-d", pg.url)
    assert "busy_x" in result.err and pg.value("SELECT count(*) FROM pg_index WHERE NOT indisvalid") == "0"


def test_while_data_is_sent(whimbrel, pg, gate):  # noqa: F811
    # A trigger that waits holds up the server, so that the data no longer flows.
    holder = gate(pg)
    pg.sql(
        "CREATE TABLE a (x integer); CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$ BEGIN PERFORM {holder.sql[len('SELECT '):]}; RETURN NEW; END $$; "
        "CREATE TRIGGER t BEFORE INSERT ON a FOR EACH ROW EXECUTE FUNCTION wait();"
    )
    rows = "\n".join(str(n) for n in range(3_000_000))
    whimbrel.write("migrations/1_a.sql", f"COPY a FROM STDIN;\n{rows}\n\\.\n")
    process = whimbrel.start("migrate", "-d", pg.url, "--lock-timeout", "600s")
    wait_until(lambda: pg.value("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted") == "1")
    err = interrupted(process)
    assert "Nothing of 1 was kept" in err and sessions(pg) == "1" and pg.value("SELECT count(*) FROM a") == "0"


def test_in_a_statement_of_sqlite(whimbrel, sqlite):
    whimbrel.write("migrations/1_a.sql", "CREATE TABLE a (x integer);")
    whimbrel.write(
        "migrations/2_b.sql",
        "INSERT INTO a WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT x FROM c WHERE x < 0;",
    )
    process = whimbrel.start("migrate", "-d", sqlite.url, "--log", "json")
    events = events_until(process, lambda e: e["event"] == "progress")
    assert events[-1]["unit"] == "steps" and events[-1]["done"] > 0 and "of" not in events[-1]
    err = interrupted(process)
    # SQLite itself undoes all of a transaction whose writing statement is stopped; what came before was in it.
    assert "cancelled" in err
    states = {m["version"]: m["state"] for m in whimbrel.ok("status", "-d", sqlite.url, "--output", "json").json["migrations"]}
    assert states == {"1": "pending", "2": "pending"}
    assert sqlite.value("SELECT count(*) FROM sqlite_master WHERE name = 'a'") == "0"


@pytest.mark.parametrize("scheme", ["postgres", "mariadb"])
def test_while_a_host_does_not_answer(whimbrel, scheme):
    whimbrel.write("migrations/1_a.sql", "SELECT 1;")
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen(1)
        process = whimbrel.start("migrate", "-d", f"{scheme}://u@127.0.0.1:{deaf.getsockname()[1]}/d", "--connect-timeout", "600s")
        deaf.settimeout(60)
        peer, _ = deaf.accept()  # it is connected, and nothing is ever said
        assert "cancelled" in interrupted(process)
        peer.close()


def test_in_a_hook_that_does_not_heed_it_and_all_it_has_started(whimbrel, sqlite):
    whimbrel.write("migrations/1_a.sql", "CREATE TABLE a (x integer);")
    hook = whimbrel.write(
        "migrations/hooks/before-migrate", "#!/bin/sh\ntrap '' TERM\nsleep 600 &\necho $! > child\nwait\nwait\nsleep 600\n"
    )
    hook.chmod(0o755)
    process = whimbrel.start("migrate", "-d", sqlite.url)
    child = whimbrel.cwd / "child"
    wait_until(lambda: child.exists() and child.read_text().strip())
    assert "interrupted" in interrupted(process)
    stat = pathlib.Path(f"/proc/{child.read_text().strip()}/stat")
    wait_until(lambda: not stat.exists() or stat.read_text().split(") ")[1].startswith("Z"))


def test_in_a_password_command_that_does_not_heed_it(whimbrel):
    whimbrel.write("whimbrel.toml", 'database = "postgres://u@127.0.0.1:1/d"\npassword_command = ["./secret.sh"]\n')
    script = whimbrel.write("secret.sh", "#!/bin/sh\ntrap '' TERM INT\necho > started\nsleep 600 & wait\nsleep 600\n")
    script.chmod(0o755)
    whimbrel.write("migrations/1_a.sql", "SELECT 1;")
    process = whimbrel.start("migrate", stderr=open(whimbrel.cwd / "err", "w"))
    wait_until((whimbrel.cwd / "started").exists)
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=LIMIT) == 130
    assert "interrupted" in (whimbrel.cwd / "err").read_text()


def test_the_same_ctrl_c_from_the_terminal_and_from_a_wrapper(whimbrel, server_db, gate):  # noqa: F811
    holder = gate(server_db)
    whimbrel.write("migrations/1_a.sql", f"{holder.sql};")
    process = whimbrel.start("migrate", "-d", server_db.url, "--log", "json", "--lock-timeout", "600s")
    events_until(process, lambda e: e["event"] in ("progress", "table-wait"))
    process.send_signal(signal.SIGINT)
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=LIMIT)
    assert process.returncode in (130, 143)  # the kernel tells the two in any order
    assert "cancelled" in err, err


class StallingProxy:
    """Hands on what goes to and from a server, until it is told to stall: then nothing is handed on or answered any more."""

    def __init__(self, port):
        self.target, self.is_stalled, self.sockets = port, threading.Event(), []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            self.sockets.append(client)
            if self.is_stalled.is_set():
                continue
            server = socket.create_connection(("127.0.0.1", self.target))
            self.sockets.append(server)
            for source, sink in ((client, server), (server, client)):
                threading.Thread(target=self.hand_on, args=(source, sink), daemon=True).start()

    def hand_on(self, source, sink):
        try:
            while data := source.recv(65536):
                if self.is_stalled.is_set():
                    return
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def close(self):
        self.listener.close()
        for one in self.sockets:
            one.close()


@contextlib.contextmanager
def silenced(whimbrel, db):
    """A run in the midst of a long statement, and then its network silent."""
    proxy = StallingProxy(db.server.port)
    try:
        url = db.url.replace(f":{db.server.port}/", f":{proxy.port}/")
        process = whimbrel.start("migrate", "-d", url, "--log", "json", "--lock-timeout", "600s")
        events_until(process, lambda e: e["event"] in ("progress", "table-wait"))
        proxy.is_stalled.set()
        yield process
    finally:
        proxy.close()


def test_with_a_network_that_has_gone_silent(whimbrel, server_db, gate):  # noqa: F811
    whimbrel.write("migrations/1_a.sql", "CREATE TABLE a (x integer);")
    whimbrel.write("migrations/2_b.sql", f"{gate(server_db).sql};")
    with silenced(whimbrel, server_db) as process:
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
        assert process.returncode == 130
        assert "could not be told" in err and "whimbrel status" in err


def test_a_later_ctrl_c_ends_at_once(whimbrel, server_db, gate):  # noqa: F811
    whimbrel.write("migrations/1_a.sql", f"{gate(server_db).sql};")
    with silenced(whimbrel, server_db) as process:
        process.send_signal(signal.SIGINT)
        time.sleep(0.5)
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=LIMIT) == 130
        assert "could not be told" not in process.stderr.read()


def test_a_reader_of_the_output_that_goes_away_does_not_stop_the_run(whimbrel, sqlite):
    import subprocess

    for number in range(1, 300):
        whimbrel.write(f"migrations/{number:03}_m.sql", f"CREATE TABLE t{number} (x integer);")
    command = " ".join(whimbrel.command)
    done = subprocess.run(
        ["bash", "-c", f"{command} migrate -d {sqlite.url} --log json 2>&1 >/dev/null | head -1 >/dev/null; echo ${{PIPESTATUS[0]}}"],
        cwd=whimbrel.cwd, env=whimbrel.environment(), capture_output=True, text=True, timeout=60,
    )
    assert done.stdout.strip() == "0"
    assert sqlite.value("SELECT count(*) FROM whimbrel_history") == "299"


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no /dev/full")
def test_a_full_disk_for_the_log_or_the_result_does_not_stop_the_run_and_is_told(whimbrel, sqlite):
    whimbrel.write("migrations/1_a.sql", "CREATE TABLE a (x integer);")
    with open("/dev/full", "w") as full:
        process = whimbrel.start("migrate", "-d", sqlite.url, "--log", "json", stderr=full)
        out, _ = process.communicate(timeout=60)
    assert "1 applied" in out and "the log could not be written" in out and process.returncode == 0
    whimbrel.write("migrations/2_b.sql", "CREATE TABLE b (x integer);")
    with open("/dev/full", "w") as full:
        process = whimbrel.start("migrate", "-d", sqlite.url, stdout=full)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 1 and "cannot write standard output" in err and "migrations are done" in err
    assert sqlite.value("SELECT count(*) FROM whimbrel_history") == "2"

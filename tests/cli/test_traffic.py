# SPDX-License-Identifier: Apache-2.0
"""A migration that waits for a table in use: it says for whom, lets others pass, and goes on by itself.

What is asserted is the order in which things happen, never how long they take; tests/campaign/traffic.py measures."""

import json
import subprocess
import threading

import pytest


class Client:
    """A session of the engine's client that stays open. ask() gives the one line that the statement answers with."""

    def __init__(self, database):
        extra = ["-A", "-t"] if database.engine == "postgres" else ["-N", "--unbuffered", "--batch"]
        self.process = subprocess.Popen(
            database.client(*extra), env=database.client_environment(), stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, bufsize=1,
        )
        number = "pg_backend_pid()" if database.engine == "postgres" else "CONNECTION_ID()"
        self.pid = int(self.ask(f"SELECT {number};"))

    def ask(self, sql):
        self.process.stdin.write(sql + "\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().strip()

    def close(self):
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()


@pytest.fixture
def client(request):
    opened = []

    def make(database):
        opened.append(Client(database))
        return opened[-1]

    yield make
    for one in opened:
        if not one.process.stdin.closed:
            one.close()


@pytest.fixture(params=["pg", "maria"])
def server_db(request):
    return request.getfixturevalue(request.param)


class Events:
    """The events of a run under way."""

    def __init__(self, process):
        self.process = process
        self.seen = []

    def until(self, wanted):
        """Reads on to the first event that is wanted."""
        for line in self.process.stderr:
            event = json.loads(line)
            self.seen.append(event)
            if wanted(event):
                return event
        raise AssertionError(f"no such event: {self.seen}")

    def end(self):
        out, rest = self.process.communicate(timeout=120)
        self.seen += [json.loads(line) for line in rest.splitlines()]
        return self.process.returncode


def start(whimbrel, db, *args):
    return Events(whimbrel.start("-d", db.url, "migrate", "--log", "json", *args))


def is_wait(event):
    return event["event"] == "table-wait" and not event["rolled_back"]


def is_rolled_back(event):
    return event["event"] == "table-wait" and event["rolled_back"]


def test_traffic_passes_while_a_migration_waits_and_it_goes_on_by_itself(whimbrel, server_db, client):
    server_db.sql("CREATE TABLE busy (id int)")
    whimbrel.write("migrations/1_a.sql", "ALTER TABLE busy ADD COLUMN b int;")
    holder = client(server_db)
    holder.ask("BEGIN; SELECT count(*) FROM busy;")
    events = start(whimbrel, server_db, "--lock-timeout", "1s", "--lock-retries", "100")
    wait = events.until(is_wait)
    assert [blocker["pid"] for blocker in wait["blockers"]] == [holder.pid]
    blocker = wait["blockers"][0]
    assert blocker["state"] == "idle in transaction" and blocker["user"] and blocker["age_ms"] >= 0
    assert (wait["text"], wait["version"], wait["attempt"]) == ("busy", "1", 1)
    # MariaDB tells with a plugin, which another test may have put into this server.
    tells = server_db.engine == "postgres" or server_db.value(
        "SELECT count(*) FROM information_schema.plugins WHERE plugin_name = 'METADATA_LOCK_INFO' "
        "AND plugin_status = 'ACTIVE'"
    ) == "1"
    assert wait["inferred"] is not tells
    if server_db.engine == "postgres":
        assert wait["lock"] == "ACCESS EXCLUSIVE" and blocker["application"] == "psql"
        assert blocker["query"] == "SELECT count(*) FROM busy;"
    # It comes behind the waiting migration, and its answer before the holder lets go: the migration has given way.
    assert server_db.value("SELECT count(*) FROM busy") == "0"
    given = events.until(is_rolled_back)
    assert given["next_attempt_in_ms"] > 0 and given["queued"] >= 0
    holder.ask("COMMIT; SELECT 1;")
    assert events.end() == 0
    assert server_db.value("SELECT count(*) FROM whimbrel_history WHERE version = '1'") == "1"
    assert server_db.sql("SELECT b FROM busy") == []


def test_the_end_of_patience_names_the_holder_and_what_to_do(whimbrel, server_db, client):
    server_db.sql("CREATE TABLE busy (id int)")
    whimbrel.write("migrations/1_a.sql", "-- whimbrel: lock-timeout=1s lock-retries=1\nALTER TABLE busy ADD COLUMN b int;")
    holder = client(server_db)
    holder.ask("BEGIN; SELECT count(*) FROM busy;")
    result = whimbrel("-d", server_db.url, "migrate", "--output", "json")
    error = result.json["error"]
    assert (result.code, error["kind"], error["code"]) == (1, "timeout", "lock-timeout")
    assert f"held by {holder.pid}" in error["detail"] and "tried 2 times" in error["detail"]
    assert f"Of {holder.pid}: its transaction is open and does nothing" in error["hint"]


def test_a_row_in_use_is_waited_for_like_a_table(whimbrel, server_db, client):
    server_db.sql("CREATE TABLE busy (id int PRIMARY KEY, n int); INSERT INTO busy VALUES (1, 0)")
    whimbrel.write("migrations/1_a.sql", "CREATE TABLE other (id int);\nUPDATE busy SET n = n + 1;")
    holder = client(server_db)
    holder.ask("BEGIN; UPDATE busy SET n = 10; SELECT 1;")
    events = start(whimbrel, server_db, "--lock-timeout", "1s", "--lock-retries", "100")
    wait = events.until(is_wait)
    assert [blocker["pid"] for blocker in wait["blockers"]] == [holder.pid] and wait["text"] == "busy"
    events.until(is_rolled_back)
    holder.ask("COMMIT; SELECT 1;")
    assert events.end() == 0
    assert server_db.value("SELECT n FROM busy") == "11"


def test_a_prepared_transaction_is_named(whimbrel, pg):
    pg.sql("CREATE TABLE busy (id int)")
    pg.sql("BEGIN; INSERT INTO busy VALUES (1); PREPARE TRANSACTION 'forgotten'")
    try:
        whimbrel.write("migrations/1_a.sql", "ALTER TABLE busy ADD COLUMN b int;")
        result = whimbrel(
            "-d", pg.url, "migrate", "--lock-timeout", "1s", "--lock-retries", "0", "--output", "json"
        )
        assert "held by prepared forgotten" in result.json["error"]["detail"]
        assert "ROLLBACK PREPARED 'forgotten'" in result.json["error"]["hint"]
    finally:
        pg.sql("ROLLBACK PREPARED 'forgotten'")


def test_a_concurrent_build_shows_for_whom_it_waits(whimbrel, pg, client):
    pg.sql("CREATE TABLE busy (id int)")
    whimbrel.write("migrations/1_a.sql", "CREATE INDEX CONCURRENTLY busy_id ON busy (id);")
    holder = client(pg)
    holder.ask("BEGIN; INSERT INTO busy VALUES (1); SELECT 1;")
    events = start(whimbrel, pg)
    wait = events.until(is_wait)
    assert [blocker["pid"] for blocker in wait["blockers"]] == [holder.pid]
    assert pg.sql("INSERT INTO busy VALUES (2) RETURNING id") == [("2",)]  # nobody is held up
    holder.ask("COMMIT; SELECT 1;")
    assert events.end() == 0
    assert not any(is_rolled_back(event) for event in events.seen)


def test_several_locks_in_one_transaction_hold_nobody_up_for_the_sum_of_their_waits(whimbrel, pg, client):
    """Each wait ends in time for the server's own limit; whoever is behind all of them still passes."""
    pg.sql("CREATE TABLE a (id int); CREATE TABLE b (id int); CREATE TABLE c (id int)")
    whimbrel.write(
        "migrations/1_a.sql",
        "ALTER TABLE a ADD COLUMN x int;\nALTER TABLE b ADD COLUMN x int;\nALTER TABLE c ADD COLUMN x int;",
    )
    second, third = client(pg), client(pg)
    second.ask("BEGIN; SELECT count(*) FROM b;")
    third.ask("BEGIN; SELECT count(*) FROM c;")
    events = start(whimbrel, pg, "--lock-timeout", "2s", "--lock-retries", "100")
    assert events.until(is_wait)["text"] == "b"
    reader = threading.Thread(target=pg.sql, args=("SELECT * FROM a",))
    reader.start()
    waiters = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'a'::regclass"
    while reader.is_alive() and pg.value(waiters) == "0":
        pass
    second.ask("COMMIT; SELECT 1;")
    events.until(is_rolled_back)
    reader.join()  # while the third is still open
    third.ask("COMMIT; SELECT 1;")
    assert events.end() == 0


HOOK = """#!/bin/sh
exec {client} -A -t -c "SELECT '$WHIMBREL_HOOK ' || count(*) FROM pg_stat_activity
    WHERE application_name LIKE 'whimbrel%' AND state LIKE 'idle in transaction%'" >>{out}
"""


@pytest.mark.parametrize("options", [[], ["--single-transaction"]], ids=["each", "whole"])
def test_no_transaction_is_open_while_a_program_runs(whimbrel, pg, tmp_path, options):
    points = ["before-migrate", "after-migrate"] + ([] if options else ["before-each", "after-each"])
    out = tmp_path / "seen"
    for point in points:
        hook = whimbrel.write(
            f"migrations/hooks/{point}", HOOK.format(client=" ".join(pg.client()), out=out)
        )
        hook.chmod(0o755)
    for n in range(1, 4):
        whimbrel.write(f"migrations/{n}_a.sql", f"CREATE TABLE t{n} (id int);\nINSERT INTO t{n} VALUES (1);")
    whimbrel.ok("-d", pg.url, "migrate", *options)
    seen = dict(line.split() for line in out.read_text().splitlines())
    assert seen == {point: "0" for point in points}


def test_a_program_in_the_midst_of_a_single_transaction_is_refused(whimbrel, db):
    if db.engine == "mariadb":
        pytest.skip("has no such transactions")
    whimbrel.write("migrations/hooks/after-each", "#!/bin/sh\n").chmod(0o755)
    whimbrel.write("migrations/1_a.sql", "CREATE TABLE t (id int);")
    result = whimbrel("-d", db.url, "migrate", "--single-transaction", "--output", "json")
    assert result.code != 0 and result.json["error"]["code"] == "hook-in-transaction"
    whimbrel.ok("-d", db.url, "migrate")

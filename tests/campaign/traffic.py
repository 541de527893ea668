# SPDX-License-Identifier: Apache-2.0
"""Live traffic: what an application feels while the table that it works on is migrated.

    tests/campaign/traffic.py [ENGINE] [SECONDS]

ENGINE is postgres, mariadb or both (all). Workers read and change rows of one table in short transactions; every few
seconds somebody begins a transaction on it, reads, and stays idle for longer than any statement may wait. In the midst of
that the table is migrated: once by whimbrel, once by the vendor's own client with the same statements. For each the
longest time that a short transaction took is told, and how the run went.

Meanwhile whimbrel's sessions are looked at a few hundred times a second: none may be idle in a transaction.

It fails when a migration is missing, when such a session was seen for longer than lies between two messages, or when a
stall under whimbrel was longer than lock_timeout and a second.
"""

import ctypes
import ctypes.util
import os
import pathlib
import subprocess
import sys
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "cli"))

import servers  # noqa: E402

PROGRAM = os.environ.get("WHIMBREL_PROGRAM", str(ROOT / "build" / "whimbrel"))
WORKERS = 6
ROWS = 2000
LOCK_TIMEOUT_S = 1
IDLE_S = 6
SLACK_S = 1
MESSAGE_GAP_MS = 100  # on a machine that has other things to do

MIGRATIONS = {
    "postgres": [
        "ALTER TABLE orders ADD COLUMN note text;",
        "ALTER TABLE orders ADD COLUMN paid boolean NOT NULL DEFAULT false;\nCREATE TABLE invoices (id int PRIMARY KEY);\n"
        "ALTER TABLE orders ADD COLUMN invoice int REFERENCES invoices;",
        "CREATE INDEX CONCURRENTLY orders_state ON orders (state);",
        "ALTER TABLE orders DROP COLUMN note;",
    ],
    "mariadb": [
        "ALTER TABLE orders ADD COLUMN note text;",
        "ALTER TABLE orders ADD COLUMN paid boolean NOT NULL DEFAULT false;",
        "CREATE INDEX orders_state ON orders (state);",
        "ALTER TABLE orders DROP COLUMN note;",
    ],
}


def library(name, *fallbacks):
    for candidate in (*fallbacks, ctypes.util.find_library(name)):
        try:
            return ctypes.CDLL(candidate)
        except (OSError, TypeError):
            continue
    raise SystemExit(f"the client library {name} is not installed")


class PostgresClient:
    """A session by libpq; calls let other threads run."""

    def __init__(self, server, database, user):
        self.pq = library("pq", "libpq.so.5")
        self.pq.PQconnectdb.restype = self.pq.PQexec.restype = ctypes.c_void_p
        self.pq.PQgetvalue.restype = self.pq.PQerrorMessage.restype = ctypes.c_char_p
        target = f"host={server.folder} port={server.port} dbname={database} user={user} application_name={user}"
        self.connection = ctypes.c_void_p(self.pq.PQconnectdb(target.encode()))
        if self.pq.PQstatus(self.connection) != 0:
            raise RuntimeError(self.pq.PQerrorMessage(self.connection).decode())

    def run(self, sql):
        """The first field of the last result, or None."""
        result = ctypes.c_void_p(self.pq.PQexec(self.connection, sql.encode()))
        status = self.pq.PQresultStatus(result)
        value = self.pq.PQgetvalue(result, 0, 0).decode() if self.pq.PQntuples(result) else None
        self.pq.PQclear(result)
        if status not in (1, 2):
            raise RuntimeError(self.pq.PQerrorMessage(self.connection).decode().strip())
        return value

    def close(self):
        self.pq.PQfinish(self.connection)


class MariaDbClient:
    """A session by libmariadb."""

    def __init__(self, server, database, user):
        self.lib = library("mariadb", "libmariadb.so.3")
        for name in ("mysql_init", "mysql_real_connect", "mysql_store_result"):
            getattr(self.lib, name).restype = ctypes.c_void_p
        self.lib.mysql_error.restype = ctypes.c_char_p
        self.lib.mysql_fetch_row.restype = ctypes.POINTER(ctypes.c_char_p)
        self.connection = ctypes.c_void_p(self.lib.mysql_init(None))
        several = 1 << 16  # CLIENT_MULTI_STATEMENTS
        if not self.lib.mysql_real_connect(
            self.connection, b"localhost", user.encode(), None, database.encode(), 0,
            str(server.socket).encode(), ctypes.c_ulong(several),
        ):
            raise RuntimeError(self.lib.mysql_error(self.connection).decode())

    def run(self, sql):
        text = sql.encode()
        failed = self.lib.mysql_real_query(self.connection, text, ctypes.c_ulong(len(text)))
        value = None
        while not failed:
            result = ctypes.c_void_p(self.lib.mysql_store_result(self.connection))
            if result:
                row = self.lib.mysql_fetch_row(result)
                value = row[0].decode() if row and row[0] is not None else None
                self.lib.mysql_free_result(result)
            more = self.lib.mysql_next_result(self.connection)
            if more < 0:
                return value
            failed = more > 0
        message = self.lib.mysql_error(self.connection).decode()
        raise RuntimeError(message)

    def close(self):
        self.lib.mysql_close(self.connection)


ENGINES = {
    "postgres": {
        "server": servers.Postgres,
        "client": PostgresClient,
        "users": "CREATE ROLE runner SUPERUSER LOGIN; CREATE ROLE app SUPERUSER LOGIN;",
        "setup": "CREATE TABLE orders (id int PRIMARY KEY, state int NOT NULL DEFAULT 0);"
        f"INSERT INTO orders SELECT g, 0 FROM generate_series(1, {ROWS}) g;",
        "work": "BEGIN; SELECT state FROM orders WHERE id = {0}; UPDATE orders SET state = state + 1 WHERE id = {0}; COMMIT",
        "begin": "BEGIN; SELECT count(*) FROM orders",
        "idle": "SELECT coalesce(max(extract(epoch FROM clock_timestamp() - state_change) * 1000)::int, -1) "
        "FROM pg_stat_activity WHERE usename = 'runner' AND state LIKE 'idle in transaction%'",
    },
    "mariadb": {
        "server": servers.MariaDb,
        "client": MariaDbClient,
        "users": "CREATE USER runner@localhost; CREATE USER app@localhost; GRANT ALL ON *.* TO runner@localhost, app@localhost;",
        "setup": "CREATE TABLE orders (id int PRIMARY KEY, state int NOT NULL DEFAULT 0);"
        f"INSERT INTO orders SELECT seq, 0 FROM seq_1_to_{ROWS};",
        "work": "START TRANSACTION; SELECT state FROM orders WHERE id = {0}; "
        "UPDATE orders SET state = state + 1 WHERE id = {0}; COMMIT",
        "begin": "START TRANSACTION; SELECT count(*) FROM orders",
        # A session that sleeps for a moment between two messages is in no transaction, or it is found here.
        "idle": "SELECT COALESCE(MAX(p.TIME_MS), -1) FROM information_schema.PROCESSLIST p JOIN information_schema.INNODB_TRX x "
        "ON x.trx_mysql_thread_id = p.ID WHERE p.USER = 'runner' AND p.COMMAND = 'Sleep'",
    },
}


class Traffic:
    """The application: workers, somebody who stays idle in a transaction, and the one who looks at the runner's sessions."""

    def __init__(self, engine, server, database):
        self.engine, self.server, self.database = engine, server, database
        self.stop = threading.Event()
        self.took, self.errors, self.samples, self.deadlocks = [], [], [], 0
        self.lock = threading.Lock()
        roles = [self.work] * WORKERS + [self.idle, self.watch]
        self.threads = [threading.Thread(target=self.guard, args=(role, n)) for n, role in enumerate(roles)]

    def guard(self, role, n):
        client = None
        try:
            client = self.engine["client"](self.server, self.database, "app")
            role(client, n)
        except Exception as error:  # told at the end
            self.errors.append(f"{role.__name__}: {error}")
        finally:
            if client:
                client.close()

    def work(self, client, n):
        turn = n
        while not self.stop.is_set():
            turn = (turn * 7 + 1) % (ROWS // WORKERS)
            row = turn * WORKERS + n + 1  # of its own: what workers wait for is the table
            began = time.monotonic()
            try:
                client.run(self.engine["work"].format(row))
            except RuntimeError as error:
                # On MariaDB who has read a table and goes on to write it, with an ALTER waiting in between, is refused.
                if "Deadlock" not in str(error):
                    raise
                client.run("ROLLBACK")
                with self.lock:
                    self.deadlocks += 1
                continue
            with self.lock:
                self.took.append(time.monotonic() - began)
            self.stop.wait(0.005)

    def idle(self, client, n):
        while not self.stop.is_set():
            client.run(self.engine["begin"])
            self.stop.wait(IDLE_S)
            client.run("COMMIT")
            self.stop.wait(IDLE_S / 2)

    def watch(self, client, n):
        while not self.stop.is_set():
            self.samples.append(float(client.run(self.engine["idle"])))
            self.stop.wait(0.002)

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *exception):
        self.stop.set()
        for thread in self.threads:
            thread.join()


def url_of(name, server, database):
    if name == "postgres":
        return f"postgres://runner@/{database}?host={server.folder}&port={server.port}"
    return f"mariadb://runner@localhost/{database}?socket={server.socket}"


def by_whimbrel(name, server, database, folder):
    env = {"PATH": os.environ["PATH"], "HOME": str(folder), "LC_ALL": "C.UTF-8"}
    done = subprocess.run(
        [PROGRAM, "migrate", "-d", url_of(name, server, database), "--log", "json"]
        + ["--lock-timeout", f"{LOCK_TIMEOUT_S}s", "--lock-retries", "1000"],
        cwd=folder, env=env, capture_output=True, text=True,
    )
    tries = done.stderr.count('"rolled_back":true')
    return done.returncode, f"{tries} tries given up and made again", done.stderr


def by_client(name, server, database, folder):
    text = "\n".join(MIGRATIONS[name])
    done = subprocess.run(
        server.client(database), input=text, env=server.environment(), capture_output=True, text=True
    )
    return done.returncode, "", done.stderr


def measure(name, server, runner, seconds):
    """One database, traffic before, during and after the run; the figures of it."""
    engine = ENGINES[name]
    database = server.create_database().name
    server.query(engine["setup"], database)
    with tempfile.TemporaryDirectory() as folder:
        migrations = pathlib.Path(folder) / "migrations"
        migrations.mkdir()
        for n, text in enumerate(MIGRATIONS[name], 1):
            (migrations / f"{n}_step.sql").write_text(text + "\n")
        with Traffic(engine, server, database) as traffic:
            time.sleep(2)  # the first idle transaction is open by now
            before = max(traffic.took, default=0)
            began = time.monotonic()
            code, note, said = runner(name, server, database, folder)
            took = time.monotonic() - began
            time.sleep(max(1.0, seconds - took - 2))
    order = sorted(traffic.took)
    seen = [sample for sample in traffic.samples if sample >= 0]
    return {
        "code": code, "note": note, "said": said, "took": took, "before": before, "worst": order[-1],
        "p99": order[int(len(order) * 0.99)], "count": len(order), "errors": traffic.errors, "deadlocks": traffic.deadlocks,
        "samples": len(traffic.samples), "idle": len(seen), "idle_ms": max(seen, default=0),
    }


def campaign(name, seconds):
    server = ENGINES[name]["server"]()
    is_good = True
    try:
        server.start()
        server.execute(ENGINES[name]["users"])
        other = "psql" if name == "postgres" else "mariadb"
        print(f"\n{name}: {WORKERS} workers, transactions of {IDLE_S} s idle between, lock_timeout {LOCK_TIMEOUT_S} s")
        print(f"{'migrated by':12} {'worst stall':>12} {'p99':>9} {'before':>9} {'run took':>9} {'transactions':>13} {'deadlocks':>10}")
        for label, runner in (("whimbrel", by_whimbrel), (other, by_client)):
            got = measure(name, server, runner, seconds)
            print(
                f"{label:12} {got['worst']:10.2f} s {got['p99'] * 1000:6.1f} ms {got['before'] * 1000:6.1f} ms "
                f"{got['took']:7.1f} s {got['count']:13} {got['deadlocks']:10}  {got['note']}"
            )
            for error in got["errors"]:
                print(f"  the application was refused: {error}")
            if label != "whimbrel":
                continue
            print(
                f"  sessions of whimbrel looked at {got['samples']} times: idle in a transaction "
                + (f"{got['idle']} times, for up to {got['idle_ms']:.0f} ms" if got["idle"] else "never")
            )
            if got["code"] != 0:
                print(got["said"])
            is_good = got["code"] == 0 and not got["errors"] and got["idle_ms"] <= MESSAGE_GAP_MS
            if got["worst"] > LOCK_TIMEOUT_S + SLACK_S:
                print(f"  the worst stall is longer than lock_timeout and {SLACK_S} s")
                is_good = False
            sys.stdout.flush()
    finally:
        server.remove()
    return is_good


def main(arguments):
    names, seconds = [], 20
    for argument in arguments:
        if argument.isdigit():
            seconds = int(argument)
        elif argument in ENGINES:
            names.append(argument)
        elif argument != "all":
            raise SystemExit(f"traffic: there is no engine '{argument}'; there are {', '.join(ENGINES)}, all")
    results = [campaign(name, seconds) for name in names or ENGINES]
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

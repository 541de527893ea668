# SPDX-License-Identifier: Apache-2.0
"""The three engines as a campaign sees them: a fresh database, what it holds, and ways to end things."""

import concurrent.futures
import contextlib
import os
import pathlib
import re
import signal
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "cli"))

import servers  # noqa: E402
from proxy import Proxy  # noqa: E402

OURS = ["whimbrel_history", "whimbrel_run", "whimbrel_meta", "_sqlx_migrations"]
# What is not data of the migrations: hooks run once an attempt, and are looked at apart.
APART = [*OURS, "hooked"]

HISTORY = {
    "whimbrel": "SELECT version, name, kind, outcome, checksum, tokens, done, total, fate_unknown, failure, {texts} "
    "FROM whimbrel_history ORDER BY ordinal",
    "sqlx": "SELECT version, description, success, {checksum} FROM _sqlx_migrations ORDER BY version",
}


def children(pid):
    found = []
    for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            if stat.read_text().rpartition(")")[2].split()[1] == str(pid):
                found.append(int(stat.parent.name))
    return found


class World:
    """One engine, and one database at a time."""

    engine = None

    def __init__(self):
        self.database = None

    def history(self, convention):
        """The rows, without what differs from run to run; None where there is no history yet."""
        with contextlib.suppress(RuntimeError, OSError, ValueError):
            return self.query(HISTORY[convention].format(**self.history_columns))
        return None

    def number(self, sql):
        try:
            value = self.query(sql)[0][0]
        except Exception:
            return 0  # the table is not there
        return int(value)

    def query(self, sql):
        return self.database.sql(sql)


class ServerWorld(World):
    kind = None

    def __init__(self):
        super().__init__()
        self.server = self.kind()
        self.configure()
        self.server.start()
        self.proxy, self.is_killed = None, False
        self.starter = concurrent.futures.ThreadPoolExecutor(1)

    def configure(self):
        pass

    def fresh(self, folder):
        self.drop()
        self.database = self.server.create_database()
        self.proxy = Proxy(self.database)
        self.url = self.proxy.url

    def drop(self):
        if self.proxy:
            self.proxy.close()
            self.proxy = None
        if self.database:
            self.server.drop_database(self.database)
            self.database = None

    def kill_server(self):
        """All its processes at once, as when the machine stops; what the system has been given to write is kept."""
        pid = self.server.process.pid
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGSTOP)  # it starts no others meanwhile
            for child in [*children(pid), pid]:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(child, signal.SIGKILL)
        self.is_killed = True

    def revive(self):
        """Starts the server again if it was killed: on the same port, as the proxy and the program know it."""
        # In a thread that stays, since a server ends with the thread that has started it.
        self.starter.submit(self.revive_now).result()

    def revive_now(self):
        if not self.is_killed:
            return
        self.is_killed = False
        self.server.kill()
        port = self.server.port
        self.server.start()
        assert self.server.port == port, "the server came back on another port"

    def sessions(self):
        return self.server.execute(self.sessions_sql.format(name=self.database.name))

    def wait_until_idle(self):
        """A session whose client is gone works on until its statement ends."""
        end = time.monotonic() + 30
        while time.monotonic() < end:
            if not self.sessions():
                return
            time.sleep(0.02)
        raise AssertionError("a session stays: " + repr(self.sessions()))

    def close(self):
        if self.proxy:
            self.proxy.close()
        self.server.remove()
        self.starter.shutdown()


class PostgresWorld(ServerWorld):
    engine = "postgres"
    kind = servers.Postgres
    history_columns = {
        "texts": "md5(up_text), md5(down_text)",
        "checksum": "encode(checksum, 'hex')",
    }
    sessions_sql = (
        "SELECT pid, state, query FROM pg_stat_activity WHERE datname = '{name}' AND pid <> pg_backend_pid()"
    )

    def dump(self):
        program = os.path.join(self.server.folder_of_programs, "pg_dump")
        command = [program, "-h", str(self.server.folder), "-p", str(self.server.port), "-U", "postgres", "--no-sync"]
        for name in APART:
            command += ["-T", name]
        done = subprocess.run(
            [*command, self.database.name], env=self.server.environment(), capture_output=True, text=True
        )
        if done.returncode != 0:
            raise RuntimeError(done.stderr)
        lines, rows = [], None
        for line in done.stdout.splitlines():
            if line.startswith("COPY "):
                rows = []
            elif line == "\\.":
                lines += sorted(rows)
                rows = None
            if rows is not None and not line.startswith("COPY "):
                rows.append(line)
            elif not line.startswith(("\\restrict", "\\unrestrict", "-- Dumped")):
                lines.append(line)
        invalid = self.query("SELECT indexrelid::regclass::text FROM pg_index WHERE NOT indisvalid OR NOT indisready")
        return lines + [f"invalid index {row[0]}" for row in invalid]


class MariaWorld(ServerWorld):
    engine = "mariadb"
    kind = servers.MariaDb
    history_columns = {"texts": "sha2(up_text, 256), sha2(down_text, 256)", "checksum": "lower(hex(checksum))"}
    sessions_sql = "SELECT id, state, info FROM information_schema.processlist WHERE db = '{name}'"

    def dump(self):
        folders = ["/usr/sbin", "/usr/local/sbin", "/usr/libexec"]
        program = servers.find_program(["mariadb-dump", "mysqldump"], folders)
        command = [program, "--no-defaults", f"--socket={self.server.socket}", "--user=root", "--skip-comments"]
        command += ["--routines", "--triggers", "--skip-extended-insert", "--skip-lock-tables", "--single-transaction"]
        for name in APART:
            command.append(f"--ignore-table={self.database.name}.{name}")
        done = subprocess.run(
            [*command, self.database.name], env=self.server.environment(), capture_output=True, text=True
        )
        if done.returncode != 0:
            raise RuntimeError(done.stderr)
        lines, rows = [], []
        for line in done.stdout.splitlines():
            line = re.sub(r" AUTO_INCREMENT=\d+", "", line.replace(self.database.name, "DATABASE"))
            if line.startswith("INSERT INTO"):
                rows.append(line)
                continue
            lines += sorted(rows) + [line]
            rows = []
        return lines


class SqliteWorld(World):
    engine = "sqlite"
    proxy = None
    history_columns = {"texts": "hex(up_text), hex(down_text)", "checksum": "lower(hex(checksum))"}

    def fresh(self, folder):
        self.database = servers.SqliteDatabase(pathlib.Path(folder) / "app.db")
        self.url = self.database.url

    def query(self, sql):
        try:
            return self.database.sql(sql)
        except Exception as problem:
            raise RuntimeError(str(problem)) from None

    def dump(self):
        lines = [f"integrity {self.query('PRAGMA integrity_check')}"]
        for kind, name, table, sql in self.query("SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY 1, 2"):
            if table in APART:
                continue
            lines.append(f"{kind} {name} {table} {sql}")
            if kind == "table":
                lines += sorted(map(str, self.query(f'SELECT * FROM "{name}"')))
        return lines

    def drop(self):
        self.database = None

    def revive(self):
        pass

    def wait_until_idle(self):
        pass

    def close(self):
        pass


WORLDS = {world.engine: world for world in (PostgresWorld, MariaWorld, SqliteWorld)}

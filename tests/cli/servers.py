# SPDX-License-Identifier: Apache-2.0
"""Throwaway database servers on temporary folders, sockets and ports.

They run as a child of the test process and die with it, however that ends. Neither server agrees to run as root, so for
root they are started under another user.
"""

import csv
import ctypes
import glob
import io
import os
import pathlib
import pwd
import re
import secrets
import shutil
import signal
import socket
import sqlite3
import subprocess
import tempfile
import time
import urllib.parse

START_SECONDS = 60
PR_SET_PDEATHSIG = 1


class NotInstalled(Exception):
    pass


def find_program(names, folders):
    """The first of these names on PATH or in these folders (patterns; the highest version wins)."""
    for name in names:
        found = shutil.which(name)
        if found:
            return found
        for folder in folders:
            places = sorted(
                glob.glob(os.path.join(folder, name)),
                key=lambda place: [int(number) for number in re.findall(r"\d+", place)],
            )
            if places:
                return places[-1]
    raise NotInstalled(f"{names[0]} is not installed")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def user_for(*names):
    """Whom to run a server as: None unless this is root."""
    if os.geteuid() != 0:
        return None
    for name in (*names, "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise NotInstalled("there is no user but root to run a server as")


class Server:
    """A folder, a process, and databases with names of their own."""

    engine = None
    fixture_name = None
    users = ()
    stop_signal = signal.SIGTERM

    def __init__(self):
        self.user = user_for(*self.users)
        self.process = None
        self.port = None
        self.count = 0
        # Short, since a socket's path may have 107 bytes; not the tests' own folder, which only its owner may enter.
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix=f"wh-{self.engine[:2]}-", dir="/tmp"))
        self.data = self.folder / "data"
        self.log = self.folder / "log"
        try:
            self.log.touch()
            if self.user:
                for path in (self.folder, self.log):
                    os.chown(path, self.user.pw_uid, self.user.pw_gid)
            self.create_data()
        except BaseException:
            shutil.rmtree(self.folder, ignore_errors=True)
            raise

    def identity(self):
        if not self.user:
            return {}
        return {"user": self.user.pw_uid, "group": self.user.pw_gid, "extra_groups": []}

    def environment(self):
        env = {"PATH": os.environ.get("PATH", "/usr/bin:/bin") + ":/usr/sbin:/sbin", "LC_ALL": "C"}
        env["HOME"] = str(self.folder)
        return env

    def call(self, command, **kwargs):
        done = subprocess.run(
            list(map(str, command)),
            cwd=self.folder,
            env=self.environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            **self.identity(),
            **kwargs,
        )
        if done.returncode != 0:
            raise RuntimeError(f"{command[0]} failed:\n{done.stdout}")

    def start(self):
        """Starts it, again on its old port, and waits until it answers."""
        assert self.process is None
        die_with_parent = ctypes.CDLL(None).prctl
        for attempt in range(5):
            self.port = self.port or free_port()
            with open(self.log, "ab") as log:
                self.process = subprocess.Popen(
                    list(map(str, self.command())),
                    cwd=self.folder,
                    env=self.environment(),
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,  # a Ctrl-C is for the tests; they stop it in order
                    preexec_fn=lambda: die_with_parent(PR_SET_PDEATHSIG, signal.SIGKILL),
                    **self.identity(),
                )
            if self.wait_until_ready():
                return
            # Somebody else may have taken the port meanwhile.
            self.kill()
            self.port = None
        raise RuntimeError(f"{self.engine} does not start:\n{self.log.read_text(errors='replace')}")

    def wait_until_ready(self):
        end = time.monotonic() + START_SECONDS
        while time.monotonic() < end and self.process.poll() is None:
            if self.answers():
                return True
            time.sleep(0.05)
        return False

    def stop(self):
        """An orderly end."""
        if self.process is None:
            return
        if self.process.poll() is None:
            self.process.send_signal(self.stop_signal)
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.process.kill()
        self.process.wait()
        self.process = None

    def kill(self):
        """The end of a machine that lost its power."""
        if self.process is None:
            return
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.process = None

    def remove(self):
        try:
            self.stop()
        finally:
            shutil.rmtree(self.folder, ignore_errors=True)

    def create_database(self):
        self.count += 1
        name = f"t{self.count}_{secrets.token_hex(3)}"
        self.execute(f"CREATE DATABASE {name}")
        return self.database(name)


class Database:
    """engine, name, url, and the results of SQL as rows of strings, with None for NULL."""

    def __init__(self, server, name, url, socket_url):
        self.server, self.name, self.url, self.socket_url = server, name, url, socket_url
        self.engine = server.engine

    def sql(self, text):
        return self.server.query(text, self.name)

    def value(self, text):
        """The first column of the first row, or None when there is none."""
        rows = self.sql(text)
        return rows[0][0] if rows else None

    def client(self, *extra):
        """The command line of the engine's client on this database, for a session beside the program's."""
        return self.server.client(self.name) + list(extra)

    def client_environment(self):
        return self.server.environment()


class Postgres(Server):
    engine = "postgres"
    fixture_name = "postgres"
    users = ("postgres",)
    stop_signal = signal.SIGINT  # "fast": open transactions are rolled back

    def __init__(self):
        folders = ["/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/usr/local/pgsql/bin"]
        self.server_program = find_program(["postgres"], folders)
        self.folder_of_programs = os.path.dirname(os.path.realpath(self.server_program))
        self.psql = find_program(["psql"], folders)
        super().__init__()

    def create_data(self):
        initdb = os.path.join(self.folder_of_programs, "initdb")
        self.call([initdb, "-D", self.data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"])
        # No fsync, but commits are written: what was committed must survive kill(), if not a power cut.
        with open(self.data / "postgresql.conf", "a") as conf:
            conf.write(
                "fsync = off\nfull_page_writes = off\nshared_buffers = 32MB\n"
                "max_connections = 60\nmax_prepared_transactions = 5\nautovacuum = off\nlisten_addresses = '127.0.0.1'\n"
                f"unix_socket_directories = '{self.folder}'\nlog_min_messages = warning\ntimezone = 'UTC'\n"
            )
        # Anybody may come as anybody; only the role "guarded" needs its password.
        hba = self.data / "pg_hba.conf"
        hba.write_text("host all guarded 127.0.0.1/32 scram-sha-256\n" + hba.read_text())

    def command(self):
        return [self.server_program, "-D", self.data, "-p", self.port]

    def client(self, database):
        return [self.psql, "-X", "-q", "-v", "ON_ERROR_STOP=1", "-h", str(self.folder), "-p", str(self.port)] + [
            "-U", "postgres", "-d", database
        ]

    def answers(self):
        done = subprocess.run(
            [*self.client("postgres"), "-c", "SELECT 1"], env=self.environment(), capture_output=True
        )
        return done.returncode == 0

    def query(self, text, database):
        null = "\x1eNULL"
        done = subprocess.run(
            [*self.client(database), "--csv", "-t", "-P", f"null={null}", "-f", "-"],
            env=self.environment(),
            input=text,
            capture_output=True,
            text=True,
        )
        if done.returncode != 0:
            raise RuntimeError(f"psql: {done.stderr.strip()}\nin: {text}")
        rows = csv.reader(io.StringIO(done.stdout, newline=""))
        return [tuple(None if field == null else field for field in row) for row in rows]

    def execute(self, text):
        return self.query(text, "postgres")

    def database(self, name):
        folder = urllib.parse.quote(str(self.folder), safe="")
        return Database(
            self,
            name,
            f"postgres://postgres@127.0.0.1:{self.port}/{name}",
            f"postgres://postgres@/{name}?host={folder}&port={self.port}",
        )

    def drop_database(self, database):
        if self.process and self.process.poll() is None:
            # A session that a test left open must not keep the database.
            self.execute(f"DROP DATABASE IF EXISTS {database.name} WITH (FORCE)")


class MariaDb(Server):
    engine = "mariadb"
    fixture_name = "mariadb"
    users = ("mysql",)

    ESCAPES = {"\\n": "\n", "\\t": "\t", "\\0": "\0", "\\\\": "\\"}

    def __init__(self):
        folders = ["/usr/sbin", "/usr/local/sbin", "/usr/libexec"]
        # A MySQL's mysqld, to try what is said of it on it.
        self.mysqld = os.environ.get("WHIMBREL_MYSQLD")
        self.server_program = self.mysqld or find_program(["mariadbd", "mysqld"], folders)
        if not self.mysqld:
            self.installer = find_program(["mariadb-install-db", "mysql_install_db"], folders)
        self.client_program = find_program(["mariadb", "mysql"], folders)
        super().__init__()
        self.socket = self.folder / "s"

    def create_data(self):
        if self.mysqld:
            over_tcp = self.folder / "over-tcp.sql"
            over_tcp.write_text(
                "CREATE USER root@'127.0.0.1';\nGRANT ALL ON *.* TO root@'127.0.0.1' WITH GRANT OPTION;\n"
            )
            over_tcp.chmod(0o644)
            self.call(
                [self.mysqld, "--no-defaults", "--initialize-insecure", f"--datadir={self.data}"]
                + [f"--init-file={over_tcp}"]
            )
            return
        self.call(
            [self.installer, "--no-defaults", f"--datadir={self.data}", "--auth-root-authentication-method=normal"]
            # Its temporary tables have names that another one's may have, too.
            + ["--skip-test-db", "--innodb-flush-log-at-trx-commit=0", f"--tmpdir={self.folder}"]
        )

    def command(self):
        return [
            self.server_program,
            "--no-defaults",
            f"--datadir={self.data}",
            f"--socket={self.socket}",
            f"--port={self.port}",
            f"--pid-file={self.folder / 'pid'}",
            f"--tmpdir={self.folder}",
            "--bind-address=127.0.0.1",
            "--skip-name-resolve",
            "--character-set-server=utf8mb4",
            "--default-time-zone=+00:00",
            "--innodb-flush-log-at-trx-commit=2",
            "--innodb-buffer-pool-size=48M",
            "--max-connections=60",
            *(["--mysqlx=OFF", "--secure-file-priv=NULL", "--tls-version="] if self.mysqld else ["--innodb-log-file-size=16M"]),
        ]

    def client(self, database):
        return [self.client_program, "--no-defaults", f"--socket={self.socket}", "--user=root", database]

    def answers(self):
        done = subprocess.run(
            [*self.client("mysql"), "-e", "SELECT 1"], env=self.environment(), capture_output=True
        )
        return done.returncode == 0

    def query(self, text, database):
        done = subprocess.run(
            [*self.client(database), "--batch", "--skip-column-names", "--default-character-set=utf8mb4"],
            env=self.environment(),
            input=text,
            capture_output=True,
            text=True,
        )
        if done.returncode != 0:
            raise RuntimeError(f"mariadb: {done.stderr.strip()}\nin: {text}")
        # The client has no mark for NULL that text could not hold as well.
        return [
            tuple(None if field == "NULL" else self.plain(field) for field in line.split("\t"))
            for line in done.stdout.split("\n")[:-1]
        ]

    def plain(self, field):
        return re.sub(r"\\[nt0\\]", lambda match: self.ESCAPES[match.group()], field)

    def execute(self, text):
        return self.query(text, "mysql")

    def database(self, name):
        path = urllib.parse.quote(str(self.socket), safe="")
        return Database(
            self,
            name,
            f"mariadb://root@127.0.0.1:{self.port}/{name}",
            f"mariadb://root@localhost/{name}?socket={path}",
        )

    def drop_database(self, database):
        if self.process and self.process.poll() is None:
            # A session that a test left open may hold the metadata lock that DROP waits for.
            sessions = self.execute(
                f"SELECT id FROM information_schema.processlist WHERE db = '{database.name}'"
            )
            for (session,) in sessions:
                try:
                    self.execute(f"KILL CONNECTION {session}")
                except RuntimeError:
                    pass  # it went by itself
            self.execute(f"DROP DATABASE IF EXISTS {database.name}")


class PgBouncer:
    """A pool in front of a server. It runs as the server's user, with its files in the server's folder."""

    def __init__(self, server, mode="transaction", size=20):
        program = find_program(["pgbouncer"], ["/usr/sbin"])
        self.server = server
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="pool-", dir=server.folder))
        for _ in range(5):
            self.port = free_port()
            ini = self.folder / "pgbouncer.ini"
            ini.write_text(
                f"[databases]\n* = host={server.folder} port={server.port} user=postgres\n"
                f"[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {self.port}\n"
                f"unix_socket_dir = {self.folder}\nauth_type = any\npool_mode = {mode}\n"
                f"default_pool_size = {size}\nmax_client_conn = 500\n"
            )
            if server.user:
                for path in (self.folder, ini):
                    os.chown(path, server.user.pw_uid, server.user.pw_gid)
            die_with_parent = ctypes.CDLL(None).prctl
            with open(self.folder / "log", "ab") as log:
                self.process = subprocess.Popen(
                    [program, str(ini)],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                    preexec_fn=lambda: die_with_parent(PR_SET_PDEATHSIG, signal.SIGKILL),
                    **server.identity(),
                )
            if self.wait_until_ready():
                return
            self.process.kill()
            self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)
        raise RuntimeError("pgbouncer does not start")

    def wait_until_ready(self):
        end = time.monotonic() + START_SECONDS
        while time.monotonic() < end and self.process.poll() is None:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                return True
            except OSError:
                time.sleep(0.05)
        return False

    def url(self, database):
        return f"postgres://postgres@127.0.0.1:{self.port}/{database.name}"

    def value(self, database, text):
        """As another client of the pool finds it."""
        done = subprocess.run(
            [self.server.psql, "-X", "-A", "-t", "-c", text, self.url(database)],
            env=self.server.environment(),
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout.strip()

    def __enter__(self):
        return self

    def __exit__(self, *failure):
        self.remove()

    def remove(self):
        self.process.kill()
        self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


class SqliteDatabase:
    """A file that does not exist yet; the program or the first sql() makes it."""

    engine = "sqlite"

    def __init__(self, path):
        self.path = pathlib.Path(path)
        self.name = self.path.name
        self.url = f"sqlite:{self.path}"
        self.socket_url = self.url

    def sql(self, text):
        rows = []
        connection = sqlite3.connect(self.path, isolation_level=None, timeout=10)
        try:
            for statement in self.statements(text):
                rows += connection.execute(statement).fetchall()
        finally:
            connection.close()
        return [tuple(None if field is None else str(field) for field in row) for row in rows]

    @staticmethod
    def statements(text):
        """Cut where SQLite itself says that a statement is complete, so that triggers stay whole."""
        statement = ""
        for piece in re.split(r"(?<=;)", text):
            statement += piece
            if sqlite3.complete_statement(statement):
                yield statement
                statement = ""
        if statement.strip():
            yield statement

    def value(self, text):
        rows = self.sql(text)
        return rows[0][0] if rows else None

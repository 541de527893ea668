# SPDX-License-Identifier: Apache-2.0
"""What the tests of the built program share: how it is called, and throwaway databases for it.

`whimbrel`             calls the program in this test's own folder, with nothing inherited
`sqlite` `pg` `maria`  a fresh, empty database of that engine: .url, .sql(), .value()
`db`                   the same, once for each engine; its .engine says which
`pooled` ...           `pg` through PgBouncer, in transaction mode or another; .direct_url goes past it
`postgres` `mariadb`   the server behind it, for tests that stop or restart one
`proxy`                makes a proxy before a server's database: counts, delays and cuts (proxy.py)

A server is started when the first test wants it, and once a worker. Where it is not installed the test is skipped and
says so, unless WHIMBREL_REQUIRE_SERVERS=1 promises servers: then that is a failure.
"""

import contextlib
import os
import pathlib
import shlex
import signal
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))

import servers  # noqa: E402
from program import Program  # noqa: E402
from proxy import Proxy  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parents[2]


def pytest_configure(config):
    # Ended by a signal, pytest still runs the fixtures' ends, and so stops the servers.
    def interrupt(signum, frame):
        raise KeyboardInterrupt

    # Where SIGINT is ignored, as in the background of a shell, the programs under test would inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, interrupt)
    signal.signal(signal.SIGHUP, interrupt)


def absent(reason):
    if os.environ.get("WHIMBREL_REQUIRE_SERVERS") == "1":
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def program_command():
    """The program under test: WHIMBREL_PROGRAM, which may be a command with a wrapper, or build/whimbrel."""
    command = shlex.split(os.environ.get("WHIMBREL_PROGRAM", str(ROOT / "build" / "whimbrel")))
    if not command or not os.access(command[-1], os.X_OK):
        pytest.exit(f"there is no program to test at {command[-1:]}: ./dev build makes it", returncode=2)
    return command


@pytest.fixture
def whimbrel(program_command, tmp_path):
    program = Program(program_command, tmp_path)
    yield program
    program.end_all()


def server_fixture(kind):
    @pytest.fixture(scope="session", name=kind.fixture_name)
    def fixture():
        try:
            server = kind()
        except servers.NotInstalled as missing:
            absent(str(missing))
        try:
            server.start()
            yield server
        finally:
            server.remove()

    return fixture


postgres = server_fixture(servers.Postgres)
mariadb = server_fixture(servers.MariaDb)


@pytest.fixture
def pg(postgres):
    database = postgres.create_database()
    yield database
    postgres.drop_database(database)


def pool_fixture(name, mode):
    """A fresh database, reached through a pool: .direct_url goes past it."""

    @pytest.fixture(name=name)
    def fixture(pg):
        try:
            pool = servers.PgBouncer(pg.server, mode)
        except servers.NotInstalled as missing:
            absent(str(missing))
        database = pg.server.database(pg.name)
        database.direct_url, database.url = pg.url, pool.url(pg)
        yield database
        pool.remove()

    return fixture


pooled = pool_fixture("pooled", "transaction")
session_pooled = pool_fixture("session_pooled", "session")
statement_pooled = pool_fixture("statement_pooled", "statement")


@pytest.fixture
def maria(mariadb):
    database = mariadb.create_database()
    yield database
    mariadb.drop_database(database)


@pytest.fixture
def sqlite(tmp_path):
    return servers.SqliteDatabase(tmp_path / "app.db")


@pytest.fixture(params=["sqlite", "pg", "maria"])
def db(request):
    return request.getfixturevalue(request.param)


@pytest.fixture
def proxy():
    with contextlib.ExitStack() as stack:
        yield lambda database, **options: stack.enter_context(Proxy(database, **options))

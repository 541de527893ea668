# SPDX-License-Identifier: Apache-2.0
"""The database drivers against real servers: runs the C program that tests them."""

import contextlib
import os
import pathlib
import re
import shutil
import socket
import subprocess
import time

import pytest

import servers


@pytest.fixture
def driver_tests(program_command):
    """Calls the program beside the one under test with the tests of one engine."""
    beside = pathlib.Path(program_command[-1]).parent / "tests" / "unit" / "db" / "db_server_test"
    if not beside.exists():
        pytest.skip(f"{beside} is not built")

    def run(variables, pattern):
        env = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", **variables}
        for name in os.environ:
            if name.endswith("SAN_OPTIONS"):
                env[name] = os.environ[name]
        done = subprocess.run(
            [*program_command[:-1], str(beside), pattern], env=env, capture_output=True, text=True, timeout=300
        )
        lines = done.stdout.splitlines()
        bad = [line for line in lines if re.match(r"not ok|# [^o]", line) or "SKIP" in line]
        assert done.returncode == 0 and not bad, done.stdout + done.stderr
        assert any(line.startswith("ok ") for line in lines), done.stdout + done.stderr

    return run


def wait_for_port(port):
    end = time.monotonic() + 10
    while time.monotonic() < end:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.05)
    raise RuntimeError("the proxy does not start")


@pytest.fixture
def pgbouncer(pg, tmp_path):
    """The URL of the same database through a pool of transactions; None where the proxy is not installed."""
    program = shutil.which("pgbouncer", path=os.environ["PATH"] + ":/usr/sbin")
    if not program:
        yield None
        return
    server = pg.server
    folder = server.folder / "pool"
    folder.mkdir(exist_ok=True)
    port = servers.free_port()
    ini = folder / "pgbouncer.ini"
    ini.write_text(
        f"[databases]\n{pg.name} = host={server.folder} port={server.port} dbname={pg.name} user=postgres\n"
        f"[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir = {folder}\n"
        "auth_type = any\npool_mode = transaction\n"
    )
    if server.user:
        for path in (folder, ini):
            os.chown(path, server.user.pw_uid, server.user.pw_gid)
    process = subprocess.Popen(
        [program, str(ini)], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        **server.identity(),
    )
    try:
        wait_for_port(port)
        yield f"postgres://postgres@127.0.0.1:{port}/{pg.name}"
    finally:
        process.kill()
        process.wait()
        shutil.rmtree(folder, ignore_errors=True)


def test_postgres(driver_tests, pg, pgbouncer):
    variables = {"WHIMBREL_TEST_POSTGRES": pg.url, "WHIMBREL_TEST_POSTGRES_SOCKET": pg.socket_url}
    if pgbouncer:
        variables["WHIMBREL_TEST_PGBOUNCER"] = pgbouncer
    driver_tests(variables, "postgres_*")

# SPDX-License-Identifier: Apache-2.0
"""The database drivers against real servers: runs the C program that tests them."""

import os
import pathlib
import re
import shutil
import subprocess

import pytest

import certificates as certificates_of
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


def test_postgres(driver_tests, pg, pooled):
    variables = {"WHIMBREL_TEST_POSTGRES": pg.url, "WHIMBREL_TEST_POSTGRES_SOCKET": pg.socket_url}
    variables["WHIMBREL_TEST_PGBOUNCER"] = pooled.url
    driver_tests(variables, "postgres_*")


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    """A folder with an authority, a server's certificate for 127.0.0.1 by it, and another authority."""
    folder = tmp_path_factory.mktemp("tls")
    return folder if certificates_of.make(folder) else None


@pytest.fixture
def tls_mariadb(certificates):
    """Variables for a MariaDB that has TLS."""
    if not certificates:
        yield {}
        return

    class TlsMariaDb(servers.MariaDb):
        def command(self):
            for name in ("ca.pem", "server.pem", "server.key"):
                certificates_of.hand_over(certificates / name, self.folder / name, self.user)
            return [
                *super().command(),
                f"--ssl-ca={self.folder}/ca.pem",
                f"--ssl-cert={self.folder}/server.pem",
                f"--ssl-key={self.folder}/server.key",
            ]

    server = TlsMariaDb()
    try:
        server.start()
        yield {
            "WHIMBREL_TEST_MARIADB_TLS": f"mariadb://root@127.0.0.1:{server.port}",
            "WHIMBREL_TEST_MARIADB_TLS_CA": str(certificates / "ca.pem"),
            "WHIMBREL_TEST_MARIADB_OTHER_CA": str(certificates / "other.pem"),
        }
    finally:
        server.remove()


def test_mariadb(driver_tests, maria, tls_mariadb):
    variables = {"WHIMBREL_TEST_MARIADB": maria.url, "WHIMBREL_TEST_MARIADB_SOCKET": maria.socket_url, **tls_mariadb}
    driver_tests(variables, "mysql_*")

# SPDX-License-Identifier: Apache-2.0
"""A connection is encrypted and verified as the URL asks, and never silently less: against servers with certificates of
an authority made for the test."""

import pytest

import certificates
import servers

ENCRYPTED = {
    "postgres": "SELECT CASE WHEN ssl THEN 1 ELSE 0 END AS it FROM pg_stat_ssl WHERE pid = pg_backend_pid()",
    "mariadb": "SELECT VARIABLE_VALUE <> '' AS it FROM information_schema.SESSION_STATUS WHERE VARIABLE_NAME = 'Ssl_cipher'",
}


@pytest.fixture(scope="module")
def tls(tmp_path_factory):
    folder = tmp_path_factory.mktemp("certificates")
    if not certificates.make(folder):
        pytest.skip("openssl is not installed")
    return folder


def server_with_tls(kind, tls):
    """One server for all tests of an engine; .show(name) makes it present another certificate."""

    class WithTls(kind):
        def show(self, name):
            certificates.hand_over(tls / f"{name}.pem", self.folder / "shown.pem", self.user)

    server = WithTls()
    for name in ("ca.pem", "server.key"):
        certificates.hand_over(tls / name, server.folder / name, server.user)
    server.show("server")
    return server


@pytest.fixture(scope="module")
def pg_tls(tls):
    server = server_with_tls(servers.Postgres, tls)
    command = server.command
    options = ("ssl=on", f"ssl_cert_file={server.folder}/shown.pem", f"ssl_key_file={server.folder}/server.key")
    server.command = lambda: [*command(), *(word for option in options for word in ("-c", option))]
    try:
        server.start()
        yield server
    finally:
        server.remove()


@pytest.fixture(scope="module")
def maria_tls(tls):
    server = server_with_tls(servers.MariaDb, tls)
    command = server.command
    server.command = lambda: [
        *command(),
        f"--ssl-ca={server.folder}/ca.pem",
        f"--ssl-cert={server.folder}/shown.pem",
        f"--ssl-key={server.folder}/server.key",
    ]
    try:
        server.start()
        yield server
    finally:
        server.remove()


def connects(whimbrel, database, url):
    """True: encrypted, False: in the clear; None: refused, and because of TLS."""
    whimbrel.write("m/1_how.sql", f"CREATE TABLE how AS {ENCRYPTED[database.server.engine]};")
    result = whimbrel("migrate", "-d", url, "-m", "m", "--output", "json")
    if result.code != 0:
        assert result.code == 1 and result.json["error"]["code"] == "tls", repr(result)
        return None
    return str(database.value("SELECT * FROM how")) == "1"


PG_CASES = [
    # host, sslmode, authority, the certificate that the server shows; what comes of it
    ("127.0.0.1", "disable", None, "server", False),
    ("127.0.0.1", "prefer", None, "server", True),
    ("127.0.0.1", "require", None, "server", True),
    ("127.0.0.1", "verify-ca", "ca", "server", True),
    ("127.0.0.1", "verify-full", "ca", "server", True),
    ("localhost", "verify-ca", "ca", "server", True),
    ("localhost", "verify-full", "ca", "server", None),
    ("127.0.0.1", "verify-ca", "other", "server", None),
    ("127.0.0.1", "verify-full", "other", "server", None),
    ("127.0.0.1", "require", "other", "server", None),  # an authority that is named is heard, says libpq
    ("127.0.0.1", "verify-full", None, "server", None),  # nobody to trust
    ("127.0.0.1", "verify-ca", "ca", "expired", None),
    ("127.0.0.1", "verify-full", "ca", "expired", None),
    ("127.0.0.1", "require", None, "expired", True),
]


@pytest.mark.parametrize("host, mode, authority, shown, is_encrypted", PG_CASES)
def test_postgres(whimbrel, pg_tls, tls, host, mode, authority, shown, is_encrypted):
    pg_tls.show(shown)
    pg_tls.execute("SELECT pg_reload_conf(), pg_sleep(0.2)")
    database = pg_tls.create_database()
    url = f"postgres://postgres@{host}:{pg_tls.port}/{database.name}?sslmode={mode}"
    if authority:
        url += f"&sslrootcert={tls / authority}.pem"
    assert connects(whimbrel, database, url) is is_encrypted
    pg_tls.drop_database(database)


@pytest.mark.parametrize("mode, is_encrypted", [("require", None), ("verify-ca", None), ("verify-full", None), ("prefer", False)])
def test_postgres_without_tls(whimbrel, pg, tls, mode, is_encrypted):
    assert connects(whimbrel, pg, f"{pg.url}?sslmode={mode}&sslrootcert={tls}/ca.pem") is is_encrypted


MARIA_CASES = [
    ("127.0.0.1", "DISABLED", None, "server", False),
    ("127.0.0.1", "PREFERRED", None, "server", True),
    ("127.0.0.1", "REQUIRED", None, "server", True),
    ("127.0.0.1", "VERIFY_CA", "ca", "server", True),
    ("127.0.0.1", "VERIFY_IDENTITY", "ca", "server", True),
    ("localhost", "VERIFY_IDENTITY", "ca", "server", None),
    ("127.0.0.1", "VERIFY_CA", "other", "server", None),
    ("127.0.0.1", "VERIFY_IDENTITY", "other", "server", None),
    ("127.0.0.1", "VERIFY_CA", None, "server", None),
    ("127.0.0.1", "VERIFY_CA", "ca", "expired", None),
    ("127.0.0.1", "VERIFY_IDENTITY", "ca", "expired", None),
    ("127.0.0.1", "REQUIRED", None, "expired", True),
]


@pytest.mark.parametrize("host, mode, authority, shown, is_encrypted", MARIA_CASES)
def test_mariadb(whimbrel, maria_tls, tls, host, mode, authority, shown, is_encrypted):
    maria_tls.show(shown)
    maria_tls.execute("FLUSH SSL")
    database = maria_tls.create_database()
    url = f"mariadb://root@{host}:{maria_tls.port}/{database.name}?ssl-mode={mode}"
    if authority:
        url += f"&ssl-ca={tls / authority}.pem"
    assert connects(whimbrel, database, url) is is_encrypted
    maria_tls.drop_database(database)


@pytest.mark.parametrize(
    "mode, is_encrypted", [("REQUIRED", None), ("VERIFY_CA", None), ("VERIFY_IDENTITY", None), ("PREFERRED", False)]
)
def test_mariadb_without_tls(whimbrel, maria, tls, mode, is_encrypted):
    assert connects(whimbrel, maria, f"{maria.url}?ssl-mode={mode}&ssl-ca={tls}/ca.pem") is is_encrypted

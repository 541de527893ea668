# SPDX-License-Identifier: Apache-2.0
"""What is tern's own: names, templates, its configuration, and a table that is not its."""

import urllib.parse

import pytest
from layouts import Tern

LAYOUT = Tern()
SEPARATOR = "---- create above / drop below ----"


def test_its_lock_is_held(whimbrel, pg):
    whimbrel.write(
        "migrations/001_a.sql",
        "CREATE TABLE held AS SELECT (classid::bigint << 32) | objid::bigint AS key FROM pg_locks "
        "WHERE locktype = 'advisory' AND pid = pg_backend_pid();\n",
    )
    whimbrel.ok("migrate", "-d", pg.url, "--convention", "tern")
    assert pg.value("SELECT key FROM held") == "9628173550095224"


def test_values_of_its_configuration_are_put_in(whimbrel, pg):
    whimbrel.write(
        "migrations/tern.conf", "[database]\nversion_table = Its.Versions\n\n[data]\nprefix = shop\n# other = none\n"
    )
    pg.sql("CREATE SCHEMA its")
    whimbrel.write(
        "migrations/001_a.sql",
        f"{{{{/* a comment\nof two lines */}}}}CREATE TABLE {{{{ .prefix }}}}_a (id int);\n{SEPARATOR}\nDROP TABLE {{{{.prefix}}}}_a;\n",
    )
    whimbrel.ok("migrate", "-d", pg.url)
    assert pg.value("SELECT version FROM its.versions") == "1"
    assert pg.value("SELECT count(*) FROM shop_a") == "0"
    whimbrel.ok("rollback", "-d", pg.url)
    assert pg.value("SELECT version FROM its.versions") == "0"
    assert pg.value("SELECT to_regclass('shop_a') IS NULL") == "t"


@pytest.mark.parametrize("action", ['{{ template "shared/v1.sql" . }}', "{{.missing}}", "{{if .x}}", "{{ unclosed"])
def test_what_only_tern_can_fill_in_is_refused_by_line(whimbrel, pg, action):
    LAYOUT.write(whimbrel, 1)
    whimbrel.write("migrations/002_t.sql", f"SELECT 1;\n{SEPARATOR}\n{action}\n")
    document = whimbrel.ok("status", "-d", pg.url, "--convention", "tern", "--output", "json").json
    assert [m["state"] for m in document["migrations"]] == ["pending", "pending"]
    result = whimbrel("migrate", "-d", pg.url, "--convention", "tern")
    assert result.code == 1 and "only tern can fill in" in result.err and "002_t.sql:3" in result.err, repr(result)
    assert pg.value("SELECT to_regclass('schema_version') IS NULL") == "t"


def test_a_migration_outside_of_a_transaction(whimbrel, pg):
    whimbrel.write("migrations/001_a.sql", f"CREATE TABLE a (id int);\n{SEPARATOR}\nDROP TABLE a;\n")
    whimbrel.write(
        "migrations/002_b.sql",
        f"---- tern: disable-tx ----\nCREATE INDEX CONCURRENTLY i ON a (id);\n{SEPARATOR}\n"
        "---- tern: disable-tx ----\nDROP INDEX CONCURRENTLY i;\n",
    )
    whimbrel.ok("migrate", "-d", pg.url)
    whimbrel.ok("rollback", "-d", pg.url)
    assert pg.value("SELECT version FROM schema_version") == "1"


@pytest.mark.parametrize(
    "name, text, message",
    [
        ("003_b.sql", "SELECT 1;", "there is no migration 2 before it"),
        ("000_b.sql", "SELECT 1;", "would stop tern: its number"),
        ("3000000000_b.sql", "SELECT 1;", "would stop tern: its number"),
        ("1_b.sql", "SELECT 1;", "001_make_t1.sql"),
        ("002_b.sql", f"-- nothing\n{SEPARATOR}\nSELECT 1;", "has no SQL in its up"),
    ],
)
def test_what_would_stop_tern_stops_here(whimbrel, pg, name, text, message):
    LAYOUT.write(whimbrel, 1)
    whimbrel.write(f"migrations/{name}", text)
    result = whimbrel("migrate", "-d", pg.url, "--convention", "tern")
    assert result.code != 0 and message in result.err and name in result.err, repr(result)
    assert pg.value("SELECT to_regclass('schema_version') IS NULL") == "t"


@pytest.mark.parametrize("rows", ["(1), (2)", "(-1)"])
def test_a_table_that_is_not_its_is_refused(whimbrel, pg, rows):
    for n in (1, 2, 3):
        LAYOUT.write(whimbrel, n)
    pg.sql("CREATE TABLE schema_version (version int4 not null)")
    pg.sql(f"INSERT INTO schema_version VALUES {rows}")
    result = whimbrel("migrate", "-d", pg.url)
    assert result.code == 1 and "foreign-history" in result.err, repr(result)
    assert pg.value("SELECT to_regclass('t1') IS NULL") == "t"


def test_a_table_without_its_row_gets_it(whimbrel, pg):
    """tern itself fails there; nothing may be run that cannot be written down."""
    LAYOUT.write(whimbrel, 1)
    pg.sql("CREATE TABLE schema_version (version int4 not null)")
    whimbrel.ok("migrate", "-d", pg.url)
    assert pg.value("SELECT version FROM schema_version") == "1"


def test_a_down_of_comments_alone_is_a_down_and_no_down_is_none(whimbrel, pg):
    whimbrel.write("migrations/001_a.sql", f"SELECT 1;\n{SEPARATOR}\n-- nothing to do\n")
    whimbrel.write("migrations/002_b.sql", "SELECT 1;\n")
    whimbrel.ok("migrate", "-d", pg.url)
    assert whimbrel("rollback", "-d", pg.url).code == 1
    whimbrel.ok("stamp", "1", "-d", pg.url, "--yes")
    whimbrel.ok("rollback", "-d", pg.url)
    assert pg.value("SELECT version FROM schema_version") == "0"


def test_the_database_is_in_its_configuration(whimbrel, pg):
    url = urllib.parse.urlsplit(pg.url)
    whimbrel.write(
        "tern.conf",
        f'[database]\nhost = {{{{env "DB_HOST"}}}}\nport = {url.port}\ndatabase = {pg.name}\nuser = {url.username}\n'
        "sslmode = disable\n",
    )
    LAYOUT.write(whimbrel, 1)
    result = whimbrel.ok("init", "--from", "tern", env={"DB_HOST": url.hostname})
    assert "It is named in tern.conf:4" in (whimbrel.cwd / "whimbrel.toml").read_text()
    whimbrel.ok("migrate", env={"DB_HOST": url.hostname})
    assert pg.value("SELECT version FROM schema_version") == "1"
    whimbrel.write("tern.conf", "[database]\nhost = {{ if x }}\n")
    result = whimbrel("status", "-d", pg.url)
    assert result.code == 2 and "tern.conf:2" in result.err, repr(result)


def test_new_ones_are_numbered(whimbrel, pg):
    LAYOUT.write(whimbrel, 1)
    out = whimbrel.ok("new", "add users", "--convention", "tern").out
    assert "migrations/002_add_users.sql" in out
    assert SEPARATOR in (whimbrel.cwd / "migrations/002_add_users.sql").read_text()


def test_destinations_as_tern_has_them(whimbrel, pg):
    for number in range(1, 5):
        LAYOUT.write(whimbrel, number)
    pg.sql(LAYOUT.history("postgres", 0)[0])
    words = ["-d", pg.url]
    for destination, version in [("2", 2), ("+1", 3), ("-2", 1), ("last", 4), ("-+2", 4), ("3", 3), ("0", 0), ("last", 4)]:
        whimbrel.ok("migrate", "--destination", destination, *words)
        assert pg.value("SELECT version FROM schema_version") == str(version), destination
    for destination, says in [("9", "there is no migration '9'"), ("-9", ""), ("x", "--destination takes last"), ("-", "--destination takes"),
                              ("+x", "--steps")]:
        result = whimbrel("migrate", "--destination", destination, *words)
        assert (result.code == 2 and says in result.err) if says else result.code in (0, 2), (destination, result)
    # What was meant for the first command is not dropped.
    whimbrel.ok("migrate", "--destination", "last", *words)
    result = whimbrel("migrate", "--dry-run", "--destination", "1", *words)
    assert result.code == 2 and "in front of migrate's other options" in result.err
    whimbrel.ok("migrate", "--destination", "1", "--dry-run", *words)
    assert pg.value("SELECT version FROM schema_version") == "4"

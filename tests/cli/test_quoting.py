# SPDX-License-Identifier: Apache-2.0
"""Whatever is in names and values, it goes into the history as it is and ends no literal: in every mode of every engine."""

import contextlib

import pytest

HOSTILE = [
    "o'ne",
    "back\\slash\\",
    "\\'); DROP TABLE kept; -- ",
    "'; DROP TABLE kept; --",
    '"; DROP TABLE kept; --',
    "`; DROP TABLE kept; --",
    "$$; DROP TABLE kept; $$",
    "%s %n {0} ${env} :name ? @x",
    "/* ' */ -- '",
    "ünï\u202ecode 🐦",
]


@contextlib.contextmanager
def mode(database, name):
    engine = getattr(database, "server", None) and database.server.engine
    if name == "usual":
        yield
    elif engine == "postgres":
        database.server.execute(f"ALTER DATABASE {database.name} SET standard_conforming_strings = off")
        database.server.execute(f"ALTER DATABASE {database.name} SET backslash_quote = on")
        yield
    else:
        old = database.value("SELECT @@GLOBAL.sql_mode")
        database.server.execute(f"SET GLOBAL sql_mode = '{name}'")
        try:
            yield
        finally:
            database.server.execute(f"SET GLOBAL sql_mode = '{old}'")


CASES = [
    ("sqlite", "usual"),
    ("pg", "usual"),
    ("pg", "nonconforming"),
    ("maria", "usual"),
    ("maria", "NO_BACKSLASH_ESCAPES"),
    ("maria", "ANSI_QUOTES,NO_BACKSLASH_ESCAPES"),
    ("maria", "ANSI,TRADITIONAL"),
]


def ident(fixture, name, mode_name):
    quote = "`" if fixture == "maria" and "ANSI" not in mode_name else '"'
    return quote + name.replace(quote, quote * 2) + quote


@pytest.mark.parametrize("fixture, mode_name", CASES)
def test_values_come_back_as_they_were(whimbrel, request, fixture, mode_name):
    database = request.getfixturevalue(fixture)
    database.sql("CREATE TABLE kept (x int)")
    whimbrel.write("migrations/1_a.sql", "CREATE TABLE a (x int);")
    whimbrel.write("migrations/2_b.sql", "SELECT 'it''s' FROM nowhere;")
    with mode(database, mode_name):
        for number, text in enumerate(HOSTILE):
            whimbrel.write("migrations/1_a.sql", f"CREATE TABLE a{number} (x int); -- {text}\n")
            env = {"USER": text, "WHIMBREL_NAMESPACE": text}
            whimbrel.ok("migrate", "--to", "1", "-d", database.url, env=env)
            result = whimbrel.ok("status", "-d", database.url, "--output", "json", env=env)
            row = result.json["migrations"][0]
            assert row["state"] == "applied" and row["applied_by"].startswith(text + "@"), repr(result)
            whimbrel("migrate", "-d", database.url, env=env)  # fails, and says so in the run log
        assert str(database.value("SELECT COUNT(*) FROM kept")) == "0"
        assert str(database.value("SELECT COUNT(*) FROM whimbrel_history")) == str(len(HOSTILE))
        spaces = {row[0] for row in database.sql("SELECT namespace FROM whimbrel_history")}
        assert spaces == set(HOSTILE)


@pytest.mark.parametrize("fixture, mode_name", CASES)
def test_tables_of_any_name(whimbrel, request, fixture, mode_name):
    database = request.getfixturevalue(fixture)
    database.sql("CREATE TABLE kept (x int)")
    whimbrel.write("migrations/1_a.sql", "CREATE TABLE IF NOT EXISTS a (x int);")
    with mode(database, mode_name):
        for name in ("we'ird\"s", "we`ird\\", "'; DROP TABLE kept; --", "größe SELECT"):
            given = '"' + name.replace('"', '""') + '"'
            whimbrel.ok("migrate", "-d", database.url, "--table", given)
            result = whimbrel.ok("status", "-d", database.url, "--table", given, "--output", "json")
            assert result.json["state"] == "up-to-date"
            assert str(database.value(f"SELECT COUNT(*) FROM {ident(fixture, name, mode_name)}")) == "1"
        assert str(database.value("SELECT COUNT(*) FROM kept")) == "0"

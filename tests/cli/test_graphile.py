# SPDX-License-Identifier: Apache-2.0
"""What is graphile-migrate's own: heads and the chain of hashes, placeholders, no-transaction, .gmrc."""

import hashlib

import pytest
from layouts import Graphile

LAYOUT = Graphile()
WORDS = ["--convention", "graphile", "-m", "migrations"]


def commit(program, n, body, previous="-", more=""):
    text = (f"{previous}\n" if previous != "-" else "") + body.strip() + "\n"
    digest = "sha1:" + hashlib.sha1(text.encode()).hexdigest()
    program.write(
        f"migrations/committed/{n:06}.sql", f"--! Previous: {previous}\n--! Hash: {digest}\n{more}\n{body.strip()}\n"
    )
    return digest


def states(program, *words):
    document = program.ok("status", "--output", "json", *WORDS, *words).json
    return [(migration["version"], migration["state"]) for migration in document["migrations"]]


@pytest.mark.parametrize(
    "text, says",
    [
        ("SELECT 1;\n", "there is no `--! Previous:`"),
        ("--! Previous: -\n\nSELECT 1;\n", "there is no `--! Hash:`"),
        ("--! Previous: -\n--! Hash: sha1:0\nSELECT 1;\n", "there is no blank line behind the head"),
        ("--! Previous: -\n--! Previous: -\n--! Hash: sha1:0\n\nSELECT 1;\n", "a second line of this"),
        ("--! Previous: -\n--! Hash: sha1:0\n\nSELECT 1;\n", "its text is not the one that was committed"),
        (
            "--! Previous: sha1:1\n--! Hash: sha1:0\n--! AllowInvalidHash\n\nSELECT 1;\n",
            "its Previous is not the hash of the file before it",
        ),
    ],
)
def test_what_stops_graphile_migrate_stops(whimbrel, pg, text, says):
    whimbrel.write("migrations/committed/000001.sql", text)
    result = whimbrel("status", *WORDS, "-d", pg.url)
    assert result.code != 0
    assert says in result.err and "migrations/committed/000001.sql:" in result.err


def test_an_invalid_hash_may_be_allowed(whimbrel, pg):
    whimbrel.write(
        "migrations/committed/000001.sql",
        "--! Previous: -\n--! Hash: sha1:0\n--! AllowInvalidHash\n\nCREATE TABLE a (id int);\n",
    )
    whimbrel.ok("migrate", *WORDS, "-d", pg.url)
    assert pg.sql("SELECT hash, previous_hash, filename FROM graphile_migrate.migrations") == [("sha1:0", None, "000001.sql")]
    # Hashed as graphile-migrate's own calculateHash() does it.
    digest = commit(whimbrel, 2, "CREATE TABLE b (id int);\n", "sha1:0")
    assert digest == "sha1:" + hashlib.sha1(b"sha1:0\nCREATE TABLE b (id int);\n").hexdigest()
    whimbrel.ok("migrate", *WORDS, "-d", pg.url)
    assert states(whimbrel, "-d", pg.url) == [("000001", "applied"), ("000002", "applied")]


def test_placeholders_are_filled_in(whimbrel, pg):
    whimbrel.write(".gmrc", "{placeholders: {':TABLE': 'filled', ':WHO': '!ENV'}, /* ours */}")
    commit(
        whimbrel,
        1,
        "CREATE TABLE :TABLE (t text);\nINSERT INTO :TABLE VALUES (':WHO :DATABASE_NAME :DATABASE_OWNER :TABLEX a::text');\n",
    )
    result = whimbrel("migrate", *WORDS, "-d", pg.url)
    assert result.code != 0 and "the variable WHO is not set" in result.err
    whimbrel.ok("migrate", *WORDS, "-d", pg.url, env={"WHO": "me"})
    assert pg.value("SELECT t FROM filled") == f"me {pg.name} postgres :TABLEX a::text"


def test_no_transaction_counts_in_the_first_line(whimbrel, pg):
    first = commit(whimbrel, 1, "CREATE TABLE a (id int);\n")
    commit(whimbrel, 2, "--! no-transaction\nINSERT INTO a VALUES (1);\nINSERT INTO nothing VALUES (1);\n", first)
    assert whimbrel("migrate", *WORDS, "-d", pg.url).code != 0
    assert pg.value("SELECT count(*) FROM a") == "1"
    assert states(whimbrel, "-d", pg.url) == [("000001", "applied"), ("000002", "pending")]


def test_what_was_committed_anew_is_named_and_accepted(whimbrel, pg):
    first = commit(whimbrel, 1, "CREATE TABLE a (id int);\n")
    commit(whimbrel, 2, "CREATE TABLE b (id int);\n", first)
    whimbrel.ok("migrate", *WORDS, "-d", pg.url)
    first = commit(whimbrel, 1, "CREATE TABLE a (id bigint);\n")
    second = commit(whimbrel, 2, "CREATE TABLE b (id int);\n", first)
    assert whimbrel("validate", *WORDS, "-d", pg.url).code != 0
    whimbrel.ok("repair", *WORDS, "-d", pg.url, "--yes")
    whimbrel.ok("validate", *WORDS, "-d", pg.url)
    assert pg.sql("SELECT hash, previous_hash FROM graphile_migrate.migrations ORDER BY filename") == [
        (first, None),
        (second, first),
    ]


def test_the_configuration_names_database_and_folder(whimbrel, pg):
    whimbrel.write(
        ".gmrc",
        f"{{connectionString: '{pg.url}', migrationsFolder: 'db', pgSettings: {{search_path: 'app,public', role: 'x'}},\n"
        "afterAllMigrations: ['x.sql'], beforeAllMigrations: []}",
    )
    pg.sql("CREATE SCHEMA app")
    whimbrel.write("migrations/current.sql", "nonsense")
    commit(whimbrel, 1, "CREATE TABLE a (id int);\n")
    (whimbrel.cwd / "migrations").rename(whimbrel.cwd / "db")
    result = whimbrel.ok("migrate")
    assert pg.value("SELECT count(*) FROM app.a") == "0"
    assert ".gmrc:1: role of pgSettings is not followed" in result.err
    assert ".gmrc:2: afterAllMigrations is not run" in result.err
    # Another connection works elsewhere: nothing is done there.
    result = whimbrel("migrate", "-d", pg.url)
    assert result.code != 0 and "default schema app" in result.err


def test_new_files_and_other_engines_are_refused(whimbrel, sqlite):
    LAYOUT.write(whimbrel, 1)
    assert "graphile-migrate commit" in whimbrel("new", "x", *WORDS).err
    assert "graphile-migrate works on PostgreSQL only" in whimbrel("status", *WORDS, "-d", sqlite.url).err

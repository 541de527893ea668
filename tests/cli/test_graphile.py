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
    pg.sql("DROP ROLE IF EXISTS graphile_owner; CREATE ROLE graphile_owner; CREATE SCHEMA app; "
           f"GRANT ALL ON SCHEMA app TO graphile_owner; GRANT CREATE ON DATABASE {pg.name} TO graphile_owner")
    whimbrel.write(
        ".gmrc",
        f"{{connectionString: '{pg.url}', migrationsFolder: 'db',\n"
        "pgSettings: {search_path: 'app,public', role: 'graphile_owner', 'my.number': 7, work_mem: '7MB'}}",
    )
    whimbrel.write("migrations/current.sql", "-- Enter migration here\nnonsense")
    first = commit(whimbrel, 1, "RESET work_mem;\nCREATE TABLE a AS SELECT 1 AS id;\n")
    commit(whimbrel, 2, "INSERT INTO a SELECT current_setting('my.number')::int WHERE current_setting('work_mem') = '7MB';\n", first)
    (whimbrel.cwd / "migrations").rename(whimbrel.cwd / "db")
    result = whimbrel.ok("migrate")
    assert pg.sql("SELECT id, tableowner FROM app.a, pg_tables WHERE tablename = 'a' ORDER BY id") == [
        ("1", "graphile_owner"), ("7", "graphile_owner"),
    ]
    assert "db/current.sql is not committed and not run" in result.err
    # Another connection works elsewhere: nothing is done there.
    result = whimbrel("migrate", "-d", pg.url)
    assert result.code != 0 and "default schema app" in result.err
    pg.sql("DROP OWNED BY graphile_owner; DROP ROLE graphile_owner")


def test_actions_run_around_what_is_pending(whimbrel, pg):
    whimbrel.write(
        ".gmrc",
        "{placeholders: {':WHO': 'me'}, beforeAllMigrations: [{_: 'sql', file: 'before.sql'}, {_: 'sql', file: 'no.sql', shadow: true}],\n"
        "afterAllMigrations: 'sub/after.sql', afterReset: [{_: 'command', command: 'x'}]}",
    )
    whimbrel.write("migrations/before.sql", "CREATE TABLE IF NOT EXISTS said (t text);\nINSERT INTO said VALUES ('before :WHO');\n")
    whimbrel.write("migrations/sub/after.sql", "INSERT INTO said VALUES ('after');\n")
    first = commit(whimbrel, 1, "INSERT INTO said VALUES ('one');\n")
    for _ in range(2):  # with nothing pending they do not run
        whimbrel.ok("migrate", *WORDS, "-d", pg.url)
    assert pg.sql("SELECT t FROM said") == [("before me",), ("one",), ("after",)]
    commit(whimbrel, 2, "INSERT INTO said VALUES ('two');\n", first)
    whimbrel.write(".gmrc", "{afterAllMigrations: ['sub/after.sql',\n{_: 'command', command: 'yarn dump'}]}")
    result = whimbrel("migrate", *WORDS, "-d", pg.url)
    assert result.code != 0 and '.gmrc' in result.err and 'the command "yarn dump" would want a shell' in result.err
    assert pg.value("SELECT count(*) FROM said") == "3"
    whimbrel.ok("status", *WORDS, "-d", pg.url)


@pytest.mark.parametrize(
    "value, says",
    [
        ("['!x.sql']", "this action may not be run as root"),
        ("{_: 'sql', file: 'x.sql', root: true}", "this action may not be run as root"),
        ("{_: 'dance'}", "graphile-migrate has no action of this kind"),
        ("[7]", "an action names a file or a command"),
    ],
)
def test_actions_that_stop_graphile_migrate_stop(whimbrel, pg, value, says):
    commit(whimbrel, 1, "SELECT 1;\n")
    whimbrel.write(".gmrc", f"{{beforeAllMigrations: {value}}}")
    result = whimbrel("status", *WORDS, "-d", pg.url)
    assert result.code != 0 and says in result.err and ".gmrc:1" in result.err


def test_new_files_and_other_engines_are_refused(whimbrel, sqlite):
    LAYOUT.write(whimbrel, 1)
    assert "graphile-migrate commit" in whimbrel("new", "x", *WORDS).err
    assert "graphile-migrate works on PostgreSQL only" in whimbrel("status", *WORDS, "-d", sqlite.url).err

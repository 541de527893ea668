# SPDX-License-Identifier: Apache-2.0
"""What is Diesel's own: names of folders, metadata.toml, diesel.toml, and what would stop it."""

import pytest
from layouts import Diesel

LAYOUT = Diesel()
WORDS = ["--convention", "diesel"]


def folder(program, name, up="CREATE TABLE a (id int);\n", down=None, metadata=None):
    program.write(f"migrations/{name}/up.sql", up)
    if down is not None:
        program.write(f"migrations/{name}/down.sql", down)
    if metadata is not None:
        program.write(f"migrations/{name}/metadata.toml", metadata)


def versions(program, *words):
    document = program.ok("status", "-m", "migrations", "--output", "json", *words).json
    return [(migration["version"], migration["name"]) for migration in document["migrations"]]


def test_versions_are_read_from_folders_as_diesel_reads_them(whimbrel, sqlite):
    # Each as Diesel's own list shows and orders them.
    for n, name in enumerate(
        [
            "20170505070309_migration",
            "2025-01-03-193224_create_users",
            "2025-01-03-193224-0000_and_after",
            "00000000000000_diesel_initial_setup",
            "7letters",
            "a-b-c_x",
            "V1__x",
        ]
    ):
        folder(whimbrel, name, f"CREATE TABLE t{n} (id int);\n")
    whimbrel.write("migrations/.hidden/none.txt", "")
    whimbrel.write("migrations/notes.txt", "")
    (whimbrel.cwd / "migrations/2030_nothing_yet").mkdir()
    assert versions(whimbrel, *WORDS, "-d", sqlite.url) == [
        ("00000000000000", "diesel_initial_setup"),
        ("20170505070309", "migration"),
        ("20250103193224", "create_users"),
        ("202501031932240000", "and_after"),
        ("7letters", ""),
        ("V1", "_x"),
        ("abc", "x"),
    ]


def test_a_folder_without_an_up_stops(whimbrel, sqlite):
    folder(whimbrel, "2024_a")
    whimbrel.write("migrations/2025_b/.gitkeep", "")
    result = whimbrel("status", "-m", "migrations", "-d", sqlite.url, *WORDS)
    assert result.code != 0
    assert "migrations/2025_b would stop Diesel: it holds no up.sql" in result.err


def test_two_folders_of_one_version_are_refused(whimbrel, sqlite):
    folder(whimbrel, "2025-01-03-193224_a")
    folder(whimbrel, "20250103193224_b")
    result = whimbrel("migrate", "-m", "migrations", "-d", sqlite.url, *WORDS, "--output", "json")
    assert result.code != 0
    assert result.json["error"]["code"] == "duplicate-version"
    assert sqlite.value("SELECT count(*) FROM sqlite_master") == "0"


@pytest.mark.parametrize(
    "metadata, applied",
    [
        (None, False),
        ("run_in_transaction = true\n", False),
        ("run_in_transaction = false\n", True),
        ("", True),
        ("other = 1\n", True),
        ('run_in_transaction = "false"\n', False),
        ("run_in_transaction = \n", False),
    ],
)
def test_metadata_says_whether_there_is_a_transaction(whimbrel, pg, metadata, applied):
    # What fails behind a good statement tells whether both were in one transaction.
    folder(whimbrel, "2024_a", "CREATE TABLE kept (id int);\nSELECT 1/0;\n", metadata=metadata)
    result = whimbrel("migrate", "-m", "migrations", "-d", pg.url, *WORDS)
    assert result.code != 0
    assert (pg.value("SELECT to_regclass('kept') IS NOT NULL") == "t") == applied


def test_diesel_toml_names_the_folder(whimbrel, sqlite):
    whimbrel.write("diesel.toml", '[print_schema]\nfile = "src/schema.rs"\n\n[migrations_directory]\ndir = "db/steps"\n')
    whimbrel.write("db/steps/2024_a/up.sql", "CREATE TABLE a (id int);\n")
    whimbrel.ok("migrate", "-d", sqlite.url)
    assert sqlite.value("SELECT version FROM __diesel_schema_migrations") == "2024"
    # What the user names stands above it, and the variable above the file.
    whimbrel.write("elsewhere/2025_b/up.sql", "CREATE TABLE b (id int);\n")
    named = {"MIGRATION_DIRECTORY": "elsewhere"}
    status = whimbrel.ok("status", "-d", sqlite.url, "--output", "json", env=named).json
    assert "2025" in [migration["version"] for migration in status["migrations"]]


def test_a_bad_diesel_toml_is_named(whimbrel, sqlite):
    whimbrel.write("diesel.toml", "[migrations_directory]\ndir = 1\n")
    (whimbrel.cwd / "migrations").mkdir()
    result = whimbrel("status", "-d", sqlite.url)
    assert result.code != 0
    assert "diesel.toml" in result.err and "migrations_directory.dir" in result.err


def test_a_table_of_another_shape_is_refused(whimbrel, db):
    folder(whimbrel, "2024_a")
    db.sql("CREATE TABLE __diesel_schema_migrations (version int)")
    result = whimbrel("migrate", "-m", "migrations", "-d", db.url, *WORDS, "--output", "json")
    assert result.code != 0
    assert result.json["error"]["code"] == "foreign-history"
    assert db.value("SELECT count(*) FROM __diesel_schema_migrations") == "0"


def test_times_are_utc_whatever_the_session_says(whimbrel, pg):
    folder(whimbrel, "2024_a")
    whimbrel.ok("migrate", "-m", "migrations", "-d", pg.url, *WORDS, env={"PGTZ": "Asia/Tokyo"})
    difference = "extract(epoch FROM (now() AT TIME ZONE 'UTC') - run_on)"
    assert pg.value(f"SELECT abs({difference}) < 3600 FROM __diesel_schema_migrations") == "t"


def test_out_of_order_ones_are_applied_as_diesel_does(whimbrel, db):
    for statement in LAYOUT.history(db.engine, 2):
        db.sql(statement)
    for n in range(1, 3):
        LAYOUT.write(whimbrel, n)
    folder(whimbrel, "2023-01-01-000000_early", "CREATE TABLE early (id int);\n")
    whimbrel.ok("migrate", "-m", "migrations", "-d", db.url)
    rows = [row[0] for row in db.sql(LAYOUT.rows_sql)]
    assert rows == ["20230101000000", LAYOUT.version(1), LAYOUT.version(2)]


def test_new_makes_what_diesel_generates(whimbrel, sqlite):
    whimbrel.write("diesel.toml", "")
    whimbrel.ok("new", "add users", "-d", sqlite.url)
    (made,) = (whimbrel.cwd / "migrations").iterdir()
    assert made.name.endswith("-0000_add_users")
    assert sorted(path.name for path in made.iterdir()) == ["down.sql", "up.sql"]
    assert all(path.read_text() for path in made.iterdir())
    date, clock = made.name[:10], made.name[11:17]
    version = date.replace("-", "") + clock + "0000"
    assert versions(whimbrel, "-d", sqlite.url) == [(version, "add_users")]


def test_a_row_without_a_folder_is_shown_and_refused(whimbrel, sqlite):
    LAYOUT.write(whimbrel, 1)
    for statement in LAYOUT.history("sqlite", 2):
        sqlite.sql(statement)
    assert LAYOUT.version(2) in whimbrel("status", "-m", "migrations", "-d", sqlite.url).out
    result = whimbrel("validate", "-m", "migrations", "-d", sqlite.url)
    assert result.code != 0
    assert LAYOUT.version(2) in result.out + result.err

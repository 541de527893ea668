# SPDX-License-Identifier: Apache-2.0
"""What is Laravel's own: names, PHP that is refused, batches, schema dumps, .env, packages."""

from layouts import Laravel

LAYOUT = Laravel()
WORDS = ["-m", "database/migrations", "--convention", "laravel"]
CLASS = "<?php\nuse Illuminate\\Support\\Facades\\DB;\nreturn new class extends Migration {{\n{}}};\n"


def php(program, name, body):
    program.write(f"database/migrations/{name}.php", CLASS.format(body))


def states(program, db):
    document = program.ok("status", "-d", db.url, *WORDS, "--output", "json").json
    return [(row["version"], row["state"]) for row in document["migrations"]]


def test_names_are_the_versions_and_their_bytes_the_order(whimbrel, sqlite):
    for name in ("2024_01_02_000000_b", "2024_01_02_000000_a", "2023_01_01_000000_create_x_table"):
        php(whimbrel, name, "public function up() { }\n")
    whimbrel.write("database/migrations/readme.php", "")
    whimbrel.write("database/migrations/more/2024_01_01_000000_c.php", "")
    whimbrel.ok("migrate", "-d", sqlite.url, *WORDS)
    assert sqlite.sql("SELECT migration, batch FROM migrations ORDER BY id") == [
        ("2023_01_01_000000_create_x_table", "1"),
        ("2024_01_02_000000_a", "1"),
        ("2024_01_02_000000_b", "1"),
    ]


def test_php_that_is_more_than_sql_is_refused_by_line_and_nothing_is_written(whimbrel, sqlite):
    LAYOUT.write(whimbrel, 1)
    php(whimbrel, "2025_01_01_000000_b", "public function up() {\n  Schema::create('b', function ($t) { $t->id(); });\n}\n")
    result = whimbrel("migrate", "-d", sqlite.url, *WORDS)
    assert result.code != 0
    assert "2025_01_01_000000_b.php does more than run literal SQL: `Schema`" in result.err
    assert "2025_01_01_000000_b.php:5" in result.err
    assert sqlite.sql("SELECT name FROM sqlite_master") == []
    whimbrel.ok("stamp", "head", "-d", sqlite.url, *WORDS)
    assert [state for _, state in states(whimbrel, sqlite)] == ["applied", "applied"]


def test_a_migration_of_another_connection_is_refused(whimbrel, sqlite):
    php(whimbrel, "2025_01_01_000000_b", "protected $connection = 'other';\npublic function up() { DB::statement('SELECT 1'); }\n")
    result = whimbrel("migrate", "-d", sqlite.url, *WORDS)
    assert result.code != 0 and "runs on another connection" in result.err


def test_a_failure_is_placed_in_the_php_file(whimbrel, pg):
    php(whimbrel, "2025_01_01_000000_b", "public function up() {\n  DB::unprepared(<<<'SQL'\n    SELECT 1;\n    SELECT nothing;\n    SQL);\n}\n")
    result = whimbrel("migrate", "-d", pg.url, *WORDS)
    assert "2025_01_01_000000_b.php:7" in result.err


def test_without_a_transaction_what_asks_for_it(whimbrel, pg):
    body = "public function up() { DB::statement('CREATE TABLE b (id int)'); DB::statement('SELECT 1/0'); }\n"
    php(whimbrel, "2025_01_01_000000_b", "public $withinTransaction = false;\n" + body)
    assert whimbrel("migrate", "-d", pg.url, *WORDS).code != 0
    assert pg.value("SELECT count(*) FROM b") == "0"


def test_a_batch_is_a_run(whimbrel, sqlite):
    LAYOUT.write(whimbrel, 1)
    whimbrel.ok("migrate", "-d", sqlite.url, *WORDS)
    for n in (2, 3):
        LAYOUT.write(whimbrel, n)
    whimbrel.ok("migrate", "-d", sqlite.url, *WORDS)
    assert [int(row[0]) for row in sqlite.sql("SELECT batch FROM migrations ORDER BY id")] == [1, 2, 2]
    whimbrel.ok("rollback", "--last-run", "-d", sqlite.url, *WORDS)
    assert [state for _, state in states(whimbrel, sqlite)] == ["applied", "pending", "pending"]


def test_rows_of_packages_are_no_reason_to_stop(whimbrel, sqlite):
    LAYOUT.write(whimbrel, 1)
    whimbrel.ok("migrate", "-d", sqlite.url, *WORDS)
    sqlite.sql("INSERT INTO migrations (migration, batch) VALUES ('2024_05_05_000000_create_tokens', 2)")
    assert whimbrel("migrate", "-d", sqlite.url, *WORDS).code != 0
    whimbrel.write("vendor/laravel/sanctum/database/migrations/2024_05_05_000000_create_tokens.php", "")
    whimbrel.ok("migrate", "-d", sqlite.url, *WORDS)


SCHEMA = """CREATE TABLE IF NOT EXISTS "migrations" ("id" integer not null primary key autoincrement, "migration" varchar not null, "batch" integer not null);
CREATE TABLE IF NOT EXISTS "t1" ("id" int);
INSERT INTO migrations VALUES(1,'2019_01_01_000000_pruned',1);
INSERT INTO migrations VALUES(2,'2024_01_01_000001_make_t1',3);
"""


def test_an_empty_database_begins_with_the_schema(whimbrel, sqlite):
    for n in (1, 2):
        LAYOUT.write(whimbrel, n)
    whimbrel.write("database/schema/sqlite-schema.sql", SCHEMA)
    whimbrel.ok("migrate", "-d", sqlite.url, *WORDS)
    assert sqlite.sql("SELECT migration, batch FROM migrations ORDER BY id") == [
        ("2019_01_01_000000_pruned", "1"),
        ("2024_01_01_000001_make_t1", "3"),
        ("2024_01_01_000002_make_t2", "1"),
    ]
    assert sqlite.value("SELECT count(*) FROM t1") == "0"


def test_postgres_schemas_come_with_copy(whimbrel, pg):
    LAYOUT.write(whimbrel, 1)
    whimbrel.write(
        "database/schema/pgsql-schema.sql",
        "SELECT pg_catalog.set_config('search_path', '', false);\n"
        "CREATE TABLE public.migrations (id integer NOT NULL);\nCREATE TABLE public.t1 (id integer);\n"
        "CREATE SEQUENCE public.migrations_id_seq;\n"
        "COPY public.migrations (id, migration, batch) FROM stdin;\n"
        "1\t2024_01_01_000001_make_t1\t1\n\\.\n\n"
        "SELECT pg_catalog.setval('public.migrations_id_seq', 1, true);\n",
    )
    whimbrel.ok("migrate", "-d", pg.url, *WORDS)
    assert pg.value("SELECT count(*) FROM t1") == "0"
    assert pg.sql("SELECT migration FROM migrations") == [("2024_01_01_000001_make_t1",)]


def test_the_database_is_found_in_env(whimbrel):
    whimbrel.write("artisan", "")
    whimbrel.write(".env", 'APP_NAME=x\nDB_CONNECTION=sqlite\nDB_DATABASE="database/own.sqlite"\n')
    whimbrel.write(".env.testing", "DB_CONNECTION=sqlite\n")
    LAYOUT.write(whimbrel, 1)
    whimbrel.ok("migrate")
    assert (whimbrel.cwd / "database/own.sqlite").exists()
    whimbrel.ok("migrate", "-e", "testing")
    assert (whimbrel.cwd / "database/database.sqlite").exists()


def test_a_new_migration_is_one_that_whimbrel_and_laravel_can_run(whimbrel, sqlite):
    (whimbrel.cwd / "database/migrations").mkdir(parents=True)
    path = whimbrel.ok("new", "add pages", *WORDS, "-d", sqlite.url).out.split()[-1]
    assert path.endswith("_add_pages.php")
    assert "DB::unprepared(<<<'SQL'" in (whimbrel.cwd / path).read_text()
    whimbrel.ok("migrate", "-d", sqlite.url, *WORDS)


def test_a_table_without_an_id_will_do(whimbrel, sqlite):
    """Laravel reads and writes migration and batch alone."""
    LAYOUT.write(whimbrel, 1)
    LAYOUT.write(whimbrel, 2)
    sqlite.sql("CREATE TABLE migrations (migration varchar(255) NOT NULL, batch integer NOT NULL)")
    whimbrel.ok("migrate", "--steps", "1", "-d", sqlite.url, *WORDS)
    whimbrel.ok("migrate", "-d", sqlite.url, *WORDS)
    assert sqlite.sql("SELECT migration, batch FROM migrations ORDER BY batch") == [
        (LAYOUT.version(1), "1"),
        (LAYOUT.version(2), "2"),
    ]
    whimbrel.ok("rollback", "--last-run", "-d", sqlite.url, *WORDS)
    assert sqlite.sql("SELECT migration FROM migrations") == [(LAYOUT.version(1),)]


def test_folders_of_packages_are_one_line_with_the_projects(whimbrel, sqlite):
    """As what loadMigrationsFrom() and --path name: sorted by name over all folders."""
    php(whimbrel, "2024_01_01_000000_user-scope", "public function up() { }\n")
    php(whimbrel, "2024_01_03_000000_changes_for_385", "public function up() { }\n")
    whimbrel.write(
        "vendor/acme/shop/database/migrations/2024_01_02_000000_shop.php", CLASS.format("public function up() { }\n")
    )
    words = [*WORDS, "-m", "vendor/acme/shop/database/migrations"]
    whimbrel.ok("migrate", "-d", sqlite.url, *words)
    assert [row[0] for row in sqlite.sql("SELECT migration FROM migrations ORDER BY id")] == [
        "2024_01_01_000000_user-scope", "2024_01_02_000000_shop", "2024_01_03_000000_changes_for_385",
    ]  # fmt: skip
    # Without the package's folder its row is none to stop for.
    whimbrel.ok("migrate", "-d", sqlite.url, *WORDS)

# SPDX-License-Identifier: Apache-2.0
"""What is Prisma's own: names of folders, checksums, states and how they are settled, migration_lock.toml, schema and configuration."""

import re

import pytest
from layouts import Prisma

LAYOUT = Prisma()
WORDS = ["-m", "migrations", "--convention", "prisma"]


def migration(program, name, text="CREATE TABLE a (id int);\n", folder="migrations"):
    program.write(f"{folder}/{name}/migration.sql", text)


def states(program, *words):
    document = program.ok("status", "--output", "json", *words).json
    return [(row["version"], row["name"], row["state"]) for row in document["migrations"]]


def row(db, name, text, finished=True, rolled_back=False, logs=None, at=1, checksum=None):
    db.sql(
        "INSERT INTO _prisma_migrations (id, checksum, migration_name, logs, started_at, finished_at, rolled_back_at, applied_steps_count) "
        f"VALUES ('{at:036}', '{checksum or LAYOUT.checksum(text)}', '{name}', {repr(logs) if logs else 'NULL'}, {at}, "
        f"{at if finished else 'NULL'}, {at if rolled_back else 'NULL'}, 1)"
    )


@pytest.fixture
def made(whimbrel, sqlite):
    sqlite.sql(LAYOUT.history("sqlite", 0)[0])
    return sqlite


def test_any_folder_is_a_migration_in_the_order_of_names(whimbrel, sqlite):
    for n, name in enumerate(["20240102000000_b", "0_init", "20240101000000_a", "20240101000000_also", "zz last", "20240103"]):
        migration(whimbrel, name, f"CREATE TABLE t{n} (id int);\n")
    whimbrel.write("migrations/notes.txt", "")
    listed = [("0", "init"), ("20240101000000_a", ""), ("20240101000000_also", ""), ("20240102000000", "b"), ("20240103", ""), ("zz last", "")]
    assert states(whimbrel, *WORDS, "-d", sqlite.url) == [(*pair, "pending") for pair in listed]
    whimbrel.ok("migrate", *WORDS, "-d", sqlite.url)
    names = sqlite.sql("SELECT migration_name FROM _prisma_migrations ORDER BY rowid")
    assert [name for (name,) in names] == ["0_init", "20240101000000_a", "20240101000000_also", "20240102000000_b", "20240103", "zz last"]
    assert states(whimbrel, *WORDS, "-d", sqlite.url) == [(*pair, "applied") for pair in listed]
    ids = {value for (value,) in sqlite.sql("SELECT id FROM _prisma_migrations")}
    assert len(ids) == 6
    assert all(re.fullmatch(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", value) for value in ids)


def test_a_folder_without_a_script_stops(whimbrel, sqlite):
    whimbrel.write("migrations/20240101000000_a/readme.md", "")
    result = whimbrel("status", *WORDS, "-d", sqlite.url)
    assert result.code != 0 and "P3015" in result.err


def test_checksums_are_those_that_prisma_takes(whimbrel, made):
    # What Prisma's own source has for these bytes.
    hello = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"
    assert LAYOUT.checksum("hello") == hello
    text = "CREATE TABLE a (id int);\nCREATE TABLE b (id int);\n"
    crlf = text.replace("\n", "\r\n")
    old = "".join(f"{int(LAYOUT.checksum(text)[i:i + 2], 16):x}" for i in range(0, 64, 2))
    for n, (stored, file, state) in enumerate(
        [
            (LAYOUT.checksum(text), text, "applied"),
            (LAYOUT.checksum(crlf), text, "applied"),
            (LAYOUT.checksum(text), crlf, "applied"),
            (old, text, "applied"),
            (LAYOUT.checksum(text), text + "-- more\n", "changed"),
        ]
    ):
        name = f"{n}_m"
        (whimbrel.cwd / "migrations" / name).mkdir(parents=True)
        (whimbrel.cwd / "migrations" / name / "migration.sql").write_bytes(file.encode())
        row(made, name, "", checksum=stored, at=n + 1)
        assert states(whimbrel, *WORDS, "-d", made.url)[n] == (str(n), "m", state)
    assert whimbrel("validate", *WORDS, "-d", made.url).code != 0
    whimbrel.ok("repair", "--yes", *WORDS, "-d", made.url)
    whimbrel.ok("validate", *WORDS, "-d", made.url)
    assert made.value("SELECT checksum FROM _prisma_migrations WHERE migration_name = '4_m'") == LAYOUT.checksum(text + "-- more\n")


def test_a_failed_one_stops_and_is_settled_either_way(whimbrel, made):
    for name in ("1_a", "2_b"):
        migration(whimbrel, name, f"CREATE TABLE t{name[0]} (id int);\n")
    row(made, "1_a", "CREATE TABLE t1 (id int);\n", finished=False, logs="it broke")
    assert states(whimbrel, *WORDS, "-d", made.url) == [("1", "a", "failed"), ("2", "b", "pending")]
    result = whimbrel("migrate", *WORDS, "-d", made.url)
    assert result.code != 0 and "it broke" in whimbrel("status", *WORDS, "-d", made.url).out + result.err
    whimbrel.ok("repair", "--yes", *WORDS, "-d", made.url)
    settled = "SELECT finished_at IS NULL, rolled_back_at IS NULL FROM _prisma_migrations ORDER BY rowid"
    assert [tuple(map(int, pair)) for pair in made.sql(settled)] == [(1, 0)]
    assert states(whimbrel, *WORDS, "-d", made.url) == [("1", "a", "pending"), ("2", "b", "pending")]
    whimbrel.ok("migrate", *WORDS, "-d", made.url)
    assert [tuple(map(int, pair)) for pair in made.sql(settled)] == [(1, 0), (0, 1), (0, 1)]
    # resolve --applied: the failed row counts as rolled back, and another says that it is there.
    made.sql("UPDATE _prisma_migrations SET finished_at = NULL WHERE migration_name = '2_b'")
    whimbrel.ok("stamp", "head", *WORDS, "-d", made.url)
    assert [tuple(map(int, pair)) for pair in made.sql(settled)] == [(1, 0), (0, 1), (1, 0), (0, 1)]
    assert made.sql("SELECT logs, applied_steps_count FROM _prisma_migrations ORDER BY rowid DESC LIMIT 1")[0] in [("", "0"), ("", 0)]


def test_of_several_rows_those_that_were_rolled_back_do_not_count(whimbrel, made):
    text = "CREATE TABLE a (id int);\n"
    for name in ("1_a", "2_b", "3_c"):
        migration(whimbrel, name, text)
    row(made, "1_a", "old", finished=False, rolled_back=True, at=1)
    row(made, "1_a", text, at=2)
    row(made, "2_b", text, rolled_back=True, at=3)
    row(made, "3_c", text, at=4)
    row(made, "3_c", text, finished=False, at=5)
    row(made, "9_gone", text, at=6)
    assert [state for _, _, state in states(whimbrel, *WORDS, "-d", made.url)] == ["applied", "out-of-order", "failed", "missing"]


def test_a_late_one_is_applied_as_deploy_does(whimbrel, made):
    for name in ("1_a", "2_b"):
        migration(whimbrel, name, f"CREATE TABLE t{name[0]} (id int);\n")
    row(made, "2_b", "CREATE TABLE t2 (id int);\n")
    whimbrel.ok("migrate", *WORDS, "-d", made.url)
    assert [state for _, _, state in states(whimbrel, *WORDS, "-d", made.url)] == ["applied", "applied"]


def test_without_a_down_nothing_is_rolled_back(whimbrel, sqlite):
    migration(whimbrel, "1_a")
    whimbrel.ok("migrate", *WORDS, "-d", sqlite.url)
    assert whimbrel("rollback", *WORDS, "-d", sqlite.url).code != 0
    whimbrel.write("migrations/1_a/down.sql", "DROP TABLE a;\n")
    whimbrel.ok("rollback", *WORDS, "-d", sqlite.url)
    assert made_rows(sqlite) == "0"


def made_rows(db):
    return str(db.value("SELECT count(*) FROM _prisma_migrations"))


def test_files_for_another_engine_are_refused(whimbrel, sqlite):
    migration(whimbrel, "1_a")
    whimbrel.write("migrations/migration_lock.toml", '# comment\nprovider = "postgresql"\n')
    result = whimbrel("migrate", *WORDS, "-d", sqlite.url)
    assert result.code != 0
    assert "these migrations are for postgresql, and this is SQLite" in result.err and "P3019" in result.err


def test_what_runs_outside_of_a_transaction_leaves_its_state(whimbrel, maria):
    migration(whimbrel, "1_a", "CREATE TABLE a (id int);\nINSERT INTO nothing VALUES (1);\n")
    assert whimbrel("migrate", *WORDS, "-d", maria.url).code != 0
    assert "nothing" in maria.value("SELECT logs FROM _prisma_migrations WHERE finished_at IS NULL")
    assert [state for _, _, state in states(whimbrel, *WORDS, "-d", maria.url)] == ["failed"]
    # Where the first statement fails, nothing is left behind, and nothing is said.
    maria.sql("DELETE FROM _prisma_migrations")
    assert whimbrel("migrate", *WORDS, "-d", maria.url).code != 0
    assert made_rows(maria) == "0"


def test_the_schema_says_folder_and_database(whimbrel, sqlite):
    whimbrel.write(
        "prisma/schema.prisma",
        'generator client {\n  provider = "prisma-client-js"\n}\n// url = "file:no.db"\ndatasource db {\n  provider = "sqlite"\n'
        '  url      = env("DB_OF_APP")\n}\nmodel User {\n  id Int @id @default(autoincrement())\n  url String @default("x")\n}\n',
    )
    whimbrel.write(".env", 'DB_OF_APP="file:../app.db?connection_limit=1"\n')
    migration(whimbrel, "1_a", folder="prisma/migrations")
    document = whimbrel.ok("status", "--output", "json").json
    assert document["convention"] == "prisma"
    whimbrel.ok("migrate")
    assert made_rows(sqlite) == "1"


@pytest.mark.parametrize("named_by", ["DATABASE_URL", "DB_OF_APP"])
def test_a_file_is_relative_to_the_schema_wherever_it_is_called_from(whimbrel, named_by):
    """DATABASE_URL is a name that whimbrel knows too."""
    whimbrel.write("prisma/schema.prisma", f'datasource db {{\n  provider = "sqlite"\n  url = env("{named_by}")\n}}\n')
    whimbrel.write(".env", f'{named_by}="file:./dev.db"\n')
    whimbrel.write("whimbrel.toml", "")
    migration(whimbrel, "1_a", folder="prisma/migrations")
    (whimbrel.cwd / "src").mkdir()
    whimbrel.ok("migrate", "--convention", "prisma", cwd=whimbrel.cwd / "src")
    assert (whimbrel.cwd / "prisma" / "dev.db").is_file()
    whimbrel.ok("status")


def test_what_is_about_prismas_pool_is_passed_over(whimbrel, maria):
    migration(whimbrel, "1_a")
    whimbrel.ok("status", *WORDS, env={"DATABASE_URL": f"{maria.url.replace('mariadb:', 'mysql:')}?connection_limit=5&pool_timeout=3"})


@pytest.mark.parametrize(
    "config, note",
    [
        ('schema: "db/schema.prisma", migrations: { path: "db/steps" }, datasource: { url: env("NO_SUCH") }', None),
        ("schema: `db/schema.prisma`, migrations: { seed: 'x', 'path': 'db/steps' },\n datasource: { url: process.env.NO_SUCH ?? 'file:app.db' }", None),
        ('schema: "db/schema.prisma", migrations: { path: "db/steps" }, datasource: { url: process.env["NO_SUCH"]! }', None),
        ('schema: "db/schema.prisma", migrations: { path: "db/steps" }, datasource: { url: makeUrl({ a: 1 }) }', "prisma.config.ts:4 works the database's address out"),
        ('schema: path.join("db", "schema.prisma"), migrations: { path: "db/steps" }', "prisma.config.ts:4 works schema out"),
    ],
)
def test_the_configuration_is_read_as_far_as_it_can_be(whimbrel, sqlite, config, note):
    whimbrel.write("prisma.config.ts", f'import {{ defineConfig, env }} from "prisma/config";\n// schema: "no"\nexport default defineConfig({{\n{config} }});\n')
    whimbrel.write("db/schema.prisma", 'datasource db {\n  provider = "sqlite"\n}\n')
    migration(whimbrel, "1_a", folder="db/steps")
    result = whimbrel.ok("status", "-d", sqlite.url, "--output", "json")
    assert result.json["convention"] == "prisma" and len(result.json["migrations"]) == 1
    assert note is None or note in result.err


def test_the_packages_schema_is_found(whimbrel, sqlite):
    whimbrel.write("package.json", '{ "name": "x", "prisma": { "seed": "node s.js", "schema": "server/schema" } }\n')
    whimbrel.write("server/schema/a.prisma", "model A { id Int @id }\n")
    whimbrel.write("server/schema/base.prisma", 'datasource db {\n  provider = "sqlite"\n  url = "file:../../app.db"\n}\n')
    migration(whimbrel, "1_a", folder="server/schema/migrations")
    whimbrel.ok("migrate", "--convention", "prisma")
    assert made_rows(sqlite) == "1"


def test_new_makes_what_prisma_would(whimbrel, sqlite):
    words = [*WORDS, "-d", sqlite.url, "--output", "json"]
    document = whimbrel.ok("new", "add users", *words).json
    (script, lock) = document["paths"]
    assert re.fullmatch(r"migrations/\d{14}_add_users/migration\.sql", script) and lock == "migrations/migration_lock.toml"
    assert re.fullmatch(r"\d{14}", document["version"])
    assert 'provider = "sqlite"' in (whimbrel.cwd / lock).read_text()
    again = whimbrel.ok("new", "more", "--reversible", *words).json["paths"]
    assert [path.rsplit("/", 1)[1] for path in again] == ["migration.sql", "down.sql"]
    assert whimbrel("new", "x", "--repeatable", *words).code != 0
    assert whimbrel("new", "x" * 201, *words).code != 0


def test_a_table_of_another_shape_is_refused(whimbrel, sqlite):
    migration(whimbrel, "1_a")
    sqlite.sql("CREATE TABLE _prisma_migrations (id int, name text)")
    result = whimbrel("status", *WORDS, "-d", sqlite.url)
    assert result.code != 0 and "is not a history of Prisma" in result.err


def test_what_is_converted_says_for_which_database_it_is(whimbrel, db):
    """Without migration_lock.toml Prisma would not know, and refuse (P3019) what is for another."""
    whimbrel.write("migrations/1_a.up.sql", "CREATE TABLE a (id int);\n")
    whimbrel.ok("migrate", "-d", db.url)
    whimbrel.ok("convert", "--to", "prisma", "--yes", "--lossy", "-d", db.url)
    provider = {"sqlite": "sqlite", "postgres": "postgresql", "mariadb": "mysql"}[db.engine]
    assert f'provider = "{provider}"\n' in (whimbrel.cwd / "migrations-prisma/migration_lock.toml").read_text()
    whimbrel.ok("status", "-d", db.url)

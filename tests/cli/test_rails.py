# SPDX-License-Identifier: Apache-2.0
"""What is Rails' own: names, classes, Ruby that is refused, structure.sql, database.yml, its lock."""

import sqlite3
import zlib

import pytest
from layouts import Rails

LAYOUT = Rails()
WORDS = ["-m", "db/migrate", "--convention", "rails"]
CLASS = "class {} < ActiveRecord::Migration[7.1]\n{}end\n"


def ruby(program, name, body, class_name=None):
    class_name = class_name or "".join(word.capitalize() for word in name.split("_")[1:])
    program.write(f"db/migrate/{name}.rb", CLASS.format(class_name, body))


def migrations(program, db, *words):
    document = program.ok("status", "-d", db.url, *WORDS, *words, "--output", "json").json
    return [(row["version"], row["name"], row["state"]) for row in document["migrations"]]


def test_names_are_read_as_rails_reads_them(whimbrel, sqlite):
    ruby(whimbrel, "001_one", "def up\nend\n", "One")
    ruby(whimbrel, "20240101000000_create_api_keys", "def up\nend\n", "CreateAPIKeys")
    ruby(whimbrel, "deeper/20230101000000_older", "def up\nend\n", "Older")
    whimbrel.write("db/migrate/20240201000000_posts.blog.rb", CLASS.format("Posts", "def up\nend\n"))
    whimbrel.write("db/migrate/notes.rb", "")
    whimbrel.write("db/migrate/20240101000000_create.sql", "")
    assert migrations(whimbrel, sqlite) == [
        ("1", "one", "pending"),
        ("20230101000000", "older", "pending"),
        ("20240101000000", "create_api_keys", "pending"),
        ("20240201000000", "posts", "pending"),
    ]
    whimbrel.ok("migrate", "-d", sqlite.url, *WORDS)
    assert sqlite.sql("SELECT version FROM schema_migrations ORDER BY length(version), version")[0] == ("1",)


@pytest.mark.parametrize(
    "names, message",
    [
        (["1_Create"], "would stop Rails"),
        (["1_a", "001_b"], "two migrations have version 1"),
        (["1_a", "2_a"], "two migrations are called a"),
    ],
)
def test_what_would_stop_rails_stops(whimbrel, sqlite, names, message):
    for name in names:
        ruby(whimbrel, name, "")
    result = whimbrel("status", "-d", sqlite.url, *WORDS)
    assert result.code != 0
    assert message in result.err


def test_ruby_that_is_more_than_sql_is_refused_by_line_and_nothing_is_written(whimbrel, sqlite):
    ruby(whimbrel, "1_a", "  def up\n    execute 'CREATE TABLE a (id int)'\n  end\n")
    ruby(whimbrel, "2_b", "  def change\n    add_column :a, :b, :string\n  end\n")
    result = whimbrel("migrate", "-d", sqlite.url, *WORDS)
    assert result.code != 0
    assert "db/migrate/2_b.rb does more than run literal SQL: `add_column`" in result.err
    assert "db/migrate/2_b.rb:3" in result.err
    assert sqlite.sql("SELECT name FROM sqlite_master") == []
    whimbrel.ok("migrate", "--to", "1", "-d", sqlite.url, *WORDS)
    # What Rails has run is recorded.
    whimbrel.ok("stamp", "2", "-d", sqlite.url, *WORDS)
    assert migrations(whimbrel, sqlite) == [("1", "a", "applied"), ("2", "b", "applied")]
    result = whimbrel("rollback", "-d", sqlite.url, *WORDS)
    assert result.code != 0 and "`add_column`" in result.err


def test_a_class_of_another_name_is_refused(whimbrel, sqlite):
    ruby(whimbrel, "1_create_users", "def up\nend\n", "CreateUser")
    result = whimbrel("migrate", "-d", sqlite.url, *WORDS)
    assert "defines the class CreateUser, which does not fit its name" in result.err


def test_a_change_that_executes_has_no_way_back(whimbrel, sqlite):
    ruby(whimbrel, "1_a", "  def change\n    execute 'CREATE TABLE a (id int)'\n  end\n")
    whimbrel.ok("migrate", "-d", sqlite.url, *WORDS)
    result = whimbrel("rollback", "-d", sqlite.url, *WORDS)
    assert result.code != 0 and "has no down" in result.err


def test_a_failure_is_placed_in_the_ruby_file(whimbrel, pg):
    ruby(whimbrel, "1_a", "  def up\n    execute 'SELECT 1'\n    execute <<~SQL\n      SELECT 1;\n      SELECT nothing;\n    SQL\n  end\n")
    result = whimbrel("migrate", "-d", pg.url, *WORDS)
    assert "db/migrate/1_a.rb:6" in result.err


def test_without_a_transaction_what_asks_for_it(whimbrel, pg):
    ruby(whimbrel, "1_a", "  def up\n    execute 'CREATE TABLE a (id int)'\n  end\n")
    ruby(whimbrel, "2_b", "  disable_ddl_transaction!\n\n  def up\n    execute 'CREATE TABLE b (id int)'\n    execute 'SELECT 1/0'\n  end\n")
    assert whimbrel("migrate", "-d", pg.url, *WORDS).code != 0
    assert pg.value("SELECT count(*) FROM b") == "0"


def test_rows_below_the_oldest_file_are_those_that_were_cleared_away(whimbrel, sqlite):
    for statement in LAYOUT.history("sqlite", 3):
        sqlite.sql(statement)
    LAYOUT.write(whimbrel, 3)
    LAYOUT.write(whimbrel, 4)
    assert [row[2] for row in migrations(whimbrel, sqlite)] == ["missing", "missing", "applied", "pending"]
    whimbrel.ok("migrate", "-d", sqlite.url, *WORDS)
    # One that is missing amid the files is another matter.
    (whimbrel.cwd / f"db/migrate/{LAYOUT.version(4)}_make_t4.rb").unlink()
    result = whimbrel("migrate", "-d", sqlite.url, *WORDS)
    assert result.code != 0 and "its file is not here" in result.err


STRUCTURE = """CREATE TABLE IF NOT EXISTS "schema_migrations" ("version" varchar NOT NULL PRIMARY KEY);
CREATE TABLE t1 (id int);
CREATE TABLE t2 (id int);
CREATE TABLE sqlite_sequence(name,seq);
INSERT INTO "schema_migrations" (version) VALUES
('20240101000002'),
('20240101000001');

"""


def test_an_empty_database_begins_with_the_structure(whimbrel, sqlite):
    for n in (2, 3):
        LAYOUT.write(whimbrel, n)
    ruby(whimbrel, "20240101000001_make_t1", "  def change\n    create_table :t1\n  end\n")
    whimbrel.write("db/structure.sql", STRUCTURE)
    assert migrations(whimbrel, sqlite) == [
        (LAYOUT.version(1), "make_t1", "skipped"),
        (LAYOUT.version(2), "structure", "pending"),
        (LAYOUT.version(3), "make_t3", "pending"),
    ]
    whimbrel.ok("migrate", "-d", sqlite.url, *WORDS)
    assert [row[0] for row in sqlite.sql(LAYOUT.rows_sql)] == [LAYOUT.version(n) for n in (1, 2, 3)]
    assert sqlite.value("SELECT count(*) FROM t2") == "0"
    # With a history it has no part any more.
    assert [row[1:] for row in migrations(whimbrel, sqlite)] == [
        ("make_t1", "applied"),
        ("make_t2", "applied"),
        ("make_t3", "applied"),
    ]
    whimbrel.ok("rollback", "--steps", "2", "-d", sqlite.url, *WORDS)
    assert [row[0] for row in sqlite.sql(LAYOUT.rows_sql)] == [LAYOUT.version(1)]


def test_a_structure_stands_for_all_of_its_versions_when_it_is_stamped(whimbrel, sqlite):
    for n in (1, 2, 3):
        LAYOUT.write(whimbrel, n)
    whimbrel.write("db/structure.sql", STRUCTURE)
    sqlite.sql("CREATE TABLE t1 (id int)")
    whimbrel.ok("stamp", LAYOUT.version(2), "-d", sqlite.url, *WORDS)
    assert [row[0] for row in sqlite.sql(LAYOUT.rows_sql)] == [LAYOUT.version(1), LAYOUT.version(2)]


def test_a_stamp_below_the_structure_is_of_the_files(whimbrel, sqlite):
    """As ActiveRecord::Schema.define(version: V) assumes what is up to V."""
    for n in (1, 2, 3):
        LAYOUT.write(whimbrel, n)
    whimbrel.write("db/structure.sql", STRUCTURE.replace("'20240101000002'", "'20240101000003'"))
    whimbrel.ok("database", "create", "-d", sqlite.url)
    whimbrel.ok("stamp", LAYOUT.version(2), "-d", sqlite.url, *WORDS)
    assert [row[0] for row in sqlite.sql(LAYOUT.rows_sql)] == [LAYOUT.version(1), LAYOUT.version(2)]


YML = """
default: &default
  pool: <%= ENV.fetch("RAILS_MAX_THREADS") { 5 } %>
  adapter: sqlite3 # comment

development:
  <<: *default
  database: "db/dev.sqlite3"

production:
  primary:
    <<: *default
    database: db/prod.sqlite3
    migrations_paths: db/other_migrate
  animals:
    <<: *default
    database: db/animals.sqlite3

remote:
  adapter: postgresql
  database: <%= ENV["DB"] %>
"""


def test_the_database_is_found_in_its_configuration(whimbrel):
    whimbrel.write("config/database.yml", YML)
    whimbrel.write("config/application.rb", "")
    LAYOUT.write(whimbrel, 1)
    whimbrel.ok("migrate")
    assert (whimbrel.cwd / "db/dev.sqlite3").exists()
    whimbrel.write("db/other_migrate/1_a.rb", CLASS.format("A", "def up\nexecute 'CREATE TABLE a (id int)'\nend\n"))
    result = whimbrel.ok("migrate", "-e", "production", "--convention", "rails")
    assert (whimbrel.cwd / "db/prod.sqlite3").exists()
    assert result.err.count("names several databases (primary, animals): this is about primary") == 1
    result = whimbrel("migrate", "-e", "remote", "--convention", "rails")
    assert result.code != 0 and "no database is named" in result.err


SEVERAL = """
default: &default
  adapter: sqlite3

development:
  primary:
    <<: *default
    database: primary.sqlite3
  primary_copy:
    <<: *default
    database: copy.sqlite3
    replica: true
  animals:
    <<: *default
    database: animals.sqlite3
    migrations_paths: db/animals_migrate
  plants:
    <<: *default
    database: plants.sqlite3
    migrations_paths:
      - db/trees_migrate
      - db/plants_migrate
  elsewhere:
    <<: *default
    database: elsewhere.sqlite3
    database_tasks: false
"""


def test_a_folder_chooses_among_several_databases(whimbrel):
    """Each has its own schema_migrations and its own structure.sql."""
    whimbrel.write("config/database.yml", SEVERAL)
    whimbrel.write("config/application.rb", "")
    up = "def up\nexecute 'CREATE TABLE {0} (id int)'\nend\n"
    for folder, name in (("migrate", "A"), ("animals_migrate", "B"), ("trees_migrate", "C")):
        whimbrel.write(f"db/{folder}/1_{name.lower()}.rb", CLASS.format(name, up.format(name.lower())))
    whimbrel.write("db/plants_migrate/2_d.rb", CLASS.format("D", up.format("d")))
    whimbrel.write("db/animals_structure.sql", "CREATE TABLE old (id int);\nINSERT INTO schema_migrations (version) VALUES ('1');\n")
    result = whimbrel.ok("migrate", "--convention", "rails")
    assert "names several databases (primary, animals, plants): this is about primary" in result.err
    for folder in ("db/animals_migrate", "./db/plants_migrate/"):
        result = whimbrel.ok("migrate", "--convention", "rails", "-m", folder)
        assert "several databases" not in result.err
    whimbrel.ok("migrate", "--convention", "rails", "-m", "db/trees_migrate", "--ignore-missing")
    tables = {}
    for name in ("primary", "animals", "plants"):
        connection = sqlite3.connect(whimbrel.cwd / f"{name}.sqlite3")
        tables[name] = sorted(row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE length(name) < 4"))
        connection.close()
    assert tables == {"primary": ["a"], "animals": ["old"], "plants": ["c", "d"]}
    assert not (whimbrel.cwd / "copy.sqlite3").exists() and not (whimbrel.cwd / "elsewhere.sqlite3").exists()


def test_names_of_real_projects_keep_rails_order(whimbrel, sqlite):
    """An engine's name behind the dot, a year of long ago, two of one second, and numbers of other lengths."""
    names = [
        "20000225050318_add_schema_migration_details.rb", "20160131213109_acts_as_taggable_on_migration.acts_as_taggable_on_engine.rb",
        "20160131213110_add_missing_unique_indices.acts_as_taggable_on_engine.rb", "001_first.rb", "99_second.rb",
        "20120809020415_remove_site_id.rb", "20120809020415000_later.rb", "20220501000000_to_2_0.rb",
    ]  # fmt: skip
    for name in names:
        whimbrel.write(f"db/migrate/{name}", "class X < ActiveRecord::Migration[6.1]\nend\n")
    document = whimbrel.ok("status", "-d", sqlite.url, *WORDS, "--output", "json").json
    assert [int(row["version"]) for row in document["migrations"]] == sorted(int(name.split("_")[0]) for name in names)


def test_its_lock_is_taken(whimbrel, pg):
    LAYOUT.write(whimbrel, 1)
    key = zlib.crc32(pg.name.encode()) * 2053462845
    ruby(whimbrel, "2_locks", f"  def up\n    execute 'CREATE TABLE seen AS SELECT pg_try_advisory_lock({key}) AS ours, "
         "(classid::bigint << 32) + objid::bigint AS key FROM pg_locks WHERE locktype = $$advisory$$'\n  end\n")
    whimbrel.ok("migrate", "-d", pg.url, *WORDS)
    assert pg.sql("SELECT key FROM seen")[0] == (str(key),)


def test_a_new_migration_is_one_that_whimbrel_and_rails_can_run(whimbrel, sqlite):
    ruby(whimbrel, "20240101000000_first", "def up\nend\n", "First")
    path = whimbrel.ok("new", "Add HTML pages", *WORDS, "-d", sqlite.url).out.split()[-1]
    text = (whimbrel.cwd / path).read_text()
    assert path.endswith("_add_html_pages.rb")
    assert text.startswith("class AddHtmlPages < ActiveRecord::Migration[7.1]\n  def up\n    execute <<~'SQL'\n")
    whimbrel.ok("migrate", "-d", sqlite.url, *WORDS)


def test_another_tool_of_the_same_table_is_told_apart(whimbrel, sqlite):
    """dbmate has a table schema_migrations with a column version too."""
    sqlite.sql("CREATE TABLE schema_migrations (version varchar NOT NULL PRIMARY KEY)")
    sqlite.sql(f"INSERT INTO schema_migrations VALUES ('{LAYOUT.version(1)}')")
    LAYOUT.write(whimbrel, 1)
    document = whimbrel.ok("status", "-m", "db/migrate", "-d", sqlite.url, "--output", "json").json
    assert document["convention"] == "rails"

# SPDX-License-Identifier: Apache-2.0
"""What is sql-migrate's own: names and their order, annotations, dbconfig.yml, rows without a file."""

import pytest
from layouts import SqlMigrate

LAYOUT = SqlMigrate()
WORDS = ["--convention", "sql-migrate", "-m", "migrations"]


def write(program, name, up="CREATE TABLE t (id int);\n", down=None, options=""):
    text = f"-- +migrate Up{options}\n{up}"
    if down is not None:
        text += f"-- +migrate Down\n{down}"
    program.write(f"migrations/{name}", text)


def states(program, *words):
    document = program.ok("status", "--output", "json", *words).json
    return [(migration["version"], migration["state"]) for migration in document["migrations"]]


def test_names_are_ordered_as_sql_migrate_orders_them(whimbrel, sqlite):
    # Each as `sql-migrate status` shows them.
    names = ["10_ten.sql", "2_two.sql", "02_two.sql", "1-one.sql", "abc.sql", "Zed.sql", "3.sql"]
    for n, name in enumerate(names):
        write(whimbrel, name, f"CREATE TABLE t{n} (id int);\n")
    whimbrel.write("migrations/notes.txt", "")
    whimbrel.write("migrations/below/9_nine.sql", "nonsense")
    found = [version for version, _ in states(whimbrel, *WORDS, "-d", sqlite.url)]
    assert found == ["1-one.sql", "02_two.sql", "2_two.sql", "3.sql", "10_ten.sql", "Zed.sql", "abc.sql"]


def test_a_number_that_stops_sql_migrate_stops(whimbrel, sqlite):
    write(whimbrel, "9999999999999999999_x.sql")
    result = whimbrel("status", *WORDS, "-d", sqlite.url)
    assert result.code != 0
    assert "migrations/9999999999999999999_x.sql would stop sql-migrate: its number is too large" in result.err


@pytest.mark.parametrize(
    "text, says",
    [
        ("CREATE TABLE a (id int);\n", "there is no `-- +migrate Up`"),
        ("  -- +migrate Up\nSELECT 1;\n", "there is no `-- +migrate Up`"),
        ("-- +migrate Up\nSELECT 1\n", "a statement without an end"),
        ("-- +migrate Up\nSELECT 1; SELECT\n-- +migrate Down\n", "a statement without an end"),
        ("-- +migrate Up\n-- +migrate StatementBegin\nSELECT 1;\n", "StatementBegin without StatementEnd"),
        ("-- +migrate Up\n-- +migrate StatementBegin\n-- +migrate Down\n", "a section within a statement"),
        ("-- +migrate  \n", "an annotation without a word"),
    ],
)
def test_what_stops_sql_migrate_stops_with_its_place(whimbrel, sqlite, text, says):
    whimbrel.write("migrations/1_a.sql", text)
    result = whimbrel("status", *WORDS, "-d", sqlite.url)
    assert result.code != 0
    assert says in result.err
    assert "migrations/1_a.sql:" in result.err


def test_sections_may_come_in_any_order_and_number(whimbrel, sqlite):
    whimbrel.write(
        "migrations/1_a.sql",
        "what stands here is nothing;\n-- +migrate Down\nDROP TABLE b;\n-- +migrate Up\nCREATE TABLE a (id int);\n"
        "-- +migrate Other words\n-- +migrate Up\nCREATE TABLE b (id int); -- the second\n-- +migrate Down\nDROP TABLE a;\n",
    )
    whimbrel.ok("migrate", *WORDS, "-d", sqlite.url)
    assert sqlite.sql("SELECT name FROM sqlite_master WHERE name IN ('a', 'b') ORDER BY 1") == [("a",), ("b",)]
    whimbrel.ok("rollback", *WORDS, "-d", sqlite.url)
    assert sqlite.sql("SELECT name FROM sqlite_master WHERE name IN ('a', 'b')") == []


def test_a_block_is_one_statement(whimbrel, db):
    body = {
        "sqlite": "CREATE TRIGGER g AFTER INSERT ON a BEGIN\n  INSERT INTO b VALUES (1);\nEND;\n",
        "postgres": "CREATE FUNCTION f() RETURNS int AS '\nBEGIN\n  RETURN 1;\nEND;\n' LANGUAGE plpgsql;\n",
        "mariadb": "CREATE PROCEDURE p()\nBEGIN\n  SELECT 1;\nEND;\n",
    }[db.engine]
    up = (
        "CREATE TABLE a (id int);\nCREATE TABLE b (id int);\n"
        f"-- +migrate StatementBegin\n{body}-- +migrate StatementEnd\nINSERT INTO a VALUES (1);\n"
    )
    write(whimbrel, "1_a.sql", up)
    whimbrel.ok("migrate", *WORDS, "-d", db.url)
    assert db.value("SELECT count(*) FROM a") == "1"


def test_notransaction_counts_for_its_direction(whimbrel, pg):
    write(whimbrel, "1_a.sql", "CREATE TABLE a (id int);\n")
    write(
        whimbrel,
        "2_b.sql",
        "INSERT INTO a VALUES (1);\nINSERT INTO nothing VALUES (1);\n",
        options=" notransaction",
    )
    assert whimbrel("migrate", *WORDS, "-d", pg.url).code != 0
    assert pg.value("SELECT count(*) FROM a") == "1"
    assert states(whimbrel, *WORDS, "-d", pg.url) == [("1_a.sql", "applied"), ("2_b.sql", "pending")]


def test_what_comes_late_runs(whimbrel, sqlite):
    write(whimbrel, "1_a.sql", "CREATE TABLE a (id int);\n")
    write(whimbrel, "3_c.sql", "CREATE TABLE c (id int);\n")
    whimbrel.ok("migrate", *WORDS, "-d", sqlite.url)
    write(whimbrel, "2_b.sql", "CREATE TABLE b (id int);\n")
    whimbrel.ok("migrate", *WORDS, "-d", sqlite.url)
    assert [state for _, state in states(whimbrel, *WORDS, "-d", sqlite.url)] == ["applied"] * 3


def test_without_a_down_there_is_no_way_back(whimbrel, sqlite):
    write(whimbrel, "1_a.sql")
    whimbrel.ok("migrate", *WORDS, "-d", sqlite.url)
    assert whimbrel("rollback", *WORDS, "-d", sqlite.url).code != 0
    assert LAYOUT and states(whimbrel, *WORDS, "-d", sqlite.url) == [("1_a.sql", "applied")]


def test_the_time_of_a_row_is_utc(whimbrel, db):
    LAYOUT.write(whimbrel, 1)
    for statement in LAYOUT.history(db.engine, 1):
        db.sql(statement)
    document = whimbrel.ok("status", "-m", "migrations", "-d", db.url, "--output", "json").json
    assert document["migrations"][0]["applied_at"].startswith("2026-01-02T03:04:05")


# ---- dbconfig.yml ------------------------------------------------------------------------------------------


def test_the_configuration_names_database_folder_and_table(whimbrel, sqlite):
    whimbrel.write(
        "dbconfig.yml",
        "# comment\n---\nproduction: &it\n  dialect: postgres\n  datasource: 'host=nowhere'\n"
        "development:   # here\n"
        '    dialect: "sqlite3"\n    datasource: ${WHERE}.db # the file\n    dir: sql/here\n'
        "    table: 'my_''table'\n    other: {a: b}\n",
    )
    whimbrel.write("sql/here/1_a.sql", "-- +migrate Up\nCREATE TABLE a (id int);\n")
    whimbrel.ok("migrate", env={"WHERE": "app"})
    assert sqlite.sql("SELECT id FROM \"my_'table\"") == [("1_a.sql",)]


def test_another_environment_is_chosen_with_e(whimbrel, sqlite):
    whimbrel.write(
        "dbconfig.yml",
        "development:\n  dialect: sqlite3\n  datasource: other.db\nstaging:\n  dialect: sqlite3\n  datasource: app.db\n",
    )
    LAYOUT.write(whimbrel, 1)
    whimbrel.ok("migrate", "-e", "staging")
    assert sqlite.sql("SELECT id FROM gorp_migrations") == [(LAYOUT.id(1),)]
    result = whimbrel("migrate", "-e", "nowhere")
    assert result.code != 0
    assert "dbconfig.yml has no environment nowhere" in result.err


def test_rows_without_a_file_are_tolerated_where_it_says_so(whimbrel, sqlite):
    for n in (1, 2):
        LAYOUT.write(whimbrel, n)
    whimbrel.write("dbconfig.yml", "development:\n  dialect: sqlite3\n  datasource: app.db\n")
    whimbrel.ok("migrate")
    (whimbrel.cwd / "migrations" / LAYOUT.id(1)).unlink()
    LAYOUT.write(whimbrel, 3)
    assert whimbrel("migrate").code != 0
    whimbrel.write("dbconfig.yml", "development:\n  dialect: sqlite3\n  datasource: app.db\n  ignoreunknown: true\n")
    whimbrel.ok("migrate")
    assert len(sqlite.sql("SELECT id FROM gorp_migrations")) == 3


@pytest.mark.parametrize(
    "lines, says",
    [
        ("  dialect: sqlite3\n  datasource: |\n    app.db\n", "dbconfig.yml:3:1"),
        ("  dialect: sqlite3\n  datasource: 'app.db\n", "a quote is not closed"),
        ("  just words\n", 'not of the form "key: value"'),
        ("  dialect: postgres\n  datasource: nowhere\n", "neither a URL nor key=value"),
        ("  dialect: mysql\n  datasource: root@tcp(h:3306)/a?tls=own\n", "a tls setting that is made in Go code"),
    ],
)
def test_what_cannot_be_read_of_it_is_an_error(whimbrel, lines, says):
    LAYOUT.write(whimbrel, 1)
    whimbrel.write("dbconfig.yml", "development:\n" + lines)
    result = whimbrel("status", "--convention", "sql-migrate")
    assert result.code != 0
    assert says in result.err


def test_what_is_not_followed_is_said(whimbrel, sqlite):
    LAYOUT.write(whimbrel, 1)
    whimbrel.write(
        "dbconfig.yml", "development:\n  <<: *common\n  dialect: sqlite3\n  datasource: file:app.db?cache=shared\n"
    )
    result = whimbrel.ok("status")
    assert "dbconfig.yml:2: what is merged from elsewhere is not followed" in result.err
    assert "what follows '?' in the datasource is not followed" in result.err


@pytest.mark.parametrize(
    "given",
    [
        "{user}@tcp({place})/{name}?parseTime=true",
        "{user}@tcp({place})/{name}",
    ],
)
def test_a_datasource_of_mysql_is_understood(whimbrel, maria, given):
    place, name = maria.url.split("@")[-1].split("/")
    source = given.format(user="root", place=place, name=name)
    LAYOUT.write(whimbrel, 1)
    whimbrel.write("dbconfig.yml", f"development:\n  dialect: mysql\n  datasource: {source}\n")
    whimbrel.ok("migrate")
    assert maria.value("SELECT id FROM gorp_migrations") == LAYOUT.id(1)


def test_a_datasource_of_postgresql_is_understood(whimbrel, pg):
    place, name = pg.url.split("@")[-1].split("/")
    host, port = place.split(":")
    LAYOUT.write(whimbrel, 1)
    whimbrel.write(
        "dbconfig.yml",
        "development:\n  dialect: postgres\n"
        f"  datasource: host={host} port = {port} user='postgres' dbname={name} sslmode=disable\n  schema: public\n",
    )
    whimbrel.ok("migrate")
    assert pg.value("SELECT id FROM public.gorp_migrations") == LAYOUT.id(1)


# ---- new ----------------------------------------------------------------------------------------------------


def test_a_new_file_is_one_that_sql_migrate_would_make(whimbrel, sqlite):
    LAYOUT.write(whimbrel, 1)
    whimbrel.ok("new", "add users", *WORDS)
    whimbrel.ok("new", "add more", *WORDS, "--numbered")
    names = sorted(path.name for path in (whimbrel.cwd / "migrations").iterdir())
    assert [name.partition("-")[2] for name in names] == ["make_t1.sql", "add_users.sql", "add_more.sql"]
    assert all(name.partition("-")[0].isdigit() for name in names)
    text = (whimbrel.cwd / "migrations" / names[1]).read_text()
    assert text.startswith("-- +migrate Up\n") and "\n-- +migrate Down\n" in text

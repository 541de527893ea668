# SPDX-License-Identifier: Apache-2.0
"""init --from TOOL: the tool's own configuration becomes whimbrel.toml, and its files are left alone."""

import re

import pytest
from layouts import LAYOUTS


@pytest.fixture(params=LAYOUTS, ids=lambda layout: layout.name)
def layout(request):
    return request.param


@pytest.fixture
def db(request, layout):
    return request.getfixturevalue("sqlite" if "sqlite" in layout.engines else "pg")


def test_what_a_tool_left_goes_on_after_init(whimbrel, db, layout):
    for n in range(1, 4):
        layout.write(whimbrel, n)
    for statement in layout.history(db.engine, 2):
        db.sql(statement)
    db.sql("CREATE TABLE t1 (id int)")
    db.sql("CREATE TABLE t2 (id int)")
    before = {path: path.read_bytes() for path in whimbrel.cwd.rglob("*") if path.is_file() and path.name != "app.db"}
    result = whimbrel.ok("init", "--from", layout.name, "-d", db.url)
    assert "made whimbrel.toml" in result.out
    assert result.out.count("made ") == 1 and "\nkept " in result.out
    assert "3 migrations found" in result.out
    assert f"convention {layout.name}: " in result.out
    assert {path: path.read_bytes() for path in before} == before
    # The file alone is enough now.
    document = whimbrel.ok("status", "--output", "json", "-d", db.url).json
    assert document["convention"] == layout.name
    assert [m["state"] for m in document["migrations"]] == ["applied", "applied", "pending"]


def test_what_does_not_look_like_the_tool_is_said(whimbrel, layout):
    result = whimbrel.ok("init", "--from", layout.name)
    assert "nothing here looks like " in result.out
    assert f'convention = "{layout.name}"' in (whimbrel.cwd / "whimbrel.toml").read_text()


def test_the_title_is_a_name_too(whimbrel):
    whimbrel.ok("init", "--from", "Flyway")
    assert 'convention = "flyway"' in (whimbrel.cwd / "whimbrel.toml").read_text()
    result = whimbrel("init", "--from", "gose")
    assert result.code == 2 and "Did you mean 'goose'?" in result.err


def test_folder_table_and_database_come_from_its_configuration(whimbrel):
    whimbrel.write(
        "flyway.conf",
        "flyway.url=jdbc:postgresql://db.example/shop\nflyway.user=app\nflyway.password=geheim\n"
        "flyway.locations=filesystem:db/changes\nflyway.table=changes\n",
    )
    whimbrel.write("db/changes/V1__a.sql", "CREATE TABLE a (id int);")
    whimbrel.ok("init", "--from", "flyway")
    text = (whimbrel.cwd / "whimbrel.toml").read_text()
    assert 'migrations = "db/changes"' in text
    assert re.search("^table = .*changes", text, re.MULTILINE)
    assert "# It is named in" in text and "flyway.conf:1, and read from there." in text
    assert "geheim" not in text
    settings = whimbrel.ok("config", "--output", "json").out
    assert "geheim" not in settings


def test_a_faulty_configuration_of_the_tool_is_what_is_reported(whimbrel, sqlite):
    whimbrel.write("sqlx.toml", "[migrate]\nmigrations-dir = 7\n")
    for words in (["init", "--from", "sqlx"], ["status", "--convention", "sqlx", "-d", sqlite.url], ["status", "-d", sqlite.url]):
        result = whimbrel(*words)
        assert result.code == 2, repr(result)
        assert "sqlx.toml:2" in result.err and "no folder" not in result.err
    assert not (whimbrel.cwd / "whimbrel.toml").exists()


@pytest.mark.parametrize("tool, folder, table", [("goose", "GOOSE_MIGRATION_DIR", "GOOSE_TABLE"),
                                                 ("dbmate", "DBMATE_MIGRATIONS_DIR", "DBMATE_MIGRATIONS_TABLE")])
def test_its_environment_counts(whimbrel, sqlite, tool, folder, table):
    marker = {"goose": "-- +goose Up", "dbmate": "-- migrate:up"}[tool]
    whimbrel.write("here/1_a.sql", f"{marker}\nCREATE TABLE a (id int);\n")
    env = {folder: "here", table: "of_mine"}
    whimbrel.ok("migrate", "--convention", tool, "-d", sqlite.url, env=env)
    assert sqlite.value("SELECT count(*) FROM of_mine") in ("1", "2")
    whimbrel.ok("init", "--from", tool, env=env)
    text = (whimbrel.cwd / "whimbrel.toml").read_text()
    assert 'migrations = "here"' in text and 'table = "of_mine"' in text


def test_sqlx_may_have_its_url_in_another_variable(whimbrel, sqlite):
    whimbrel.write("sqlx.toml", '[common]\ndatabase-url-var = "SHOP_URL"\n')
    whimbrel.write("migrations/1_a.sql", "CREATE TABLE a (id int);")
    whimbrel.ok("migrate", env={"SHOP_URL": sqlite.url})
    assert sqlite.value("SELECT count(*) FROM _sqlx_migrations") == "1"
    whimbrel.ok("init", "--from", "sqlx", env={"SHOP_URL": sqlite.url})
    assert "sqlx.toml:2, and read from there" in (whimbrel.cwd / "whimbrel.toml").read_text()

# SPDX-License-Identifier: Apache-2.0
"""Working in place on what other tools left: the same cases for every tool, with its tables as it was seen to leave them."""

import subprocess
import time
import zlib

import pytest
from layouts import LAYOUTS, GolangMigrate


@pytest.fixture(params=LAYOUTS, ids=lambda layout: layout.name)
def layout(request):
    return request.param


@pytest.fixture
def project(whimbrel, db, layout):
    if db.engine not in layout.engines:
        pytest.skip(f"{layout.name} does not know {db.engine}")
    layout.prepare(db)
    return whimbrel


def run(project, db, layout, *words):
    return project.ok(*words, "-d", db.url, *layout.arguments())


def status(project, db, layout):
    return run(project, db, layout, "status", "--output", "json").json


def states(project, db, layout):
    return [migration["state"] for migration in status(project, db, layout)["migrations"]]


def rows(db, layout):
    return [[str(field) for field in row] for row in db.sql(layout.rows_sql)]


def as_left(project, db, layout, files, applied):
    """A project with some files, of which the tool has applied the first ones."""
    for n in range(1, files + 1):
        layout.write(project, n)
    for statement in layout.history(db.engine, applied):
        db.sql(statement)
    for n in range(1, applied + 1):
        db.sql(f"CREATE TABLE t{n} (id int)")
        db.sql(f"INSERT INTO t{n} VALUES ({n})")


def test_the_tool_is_recognised_and_its_history_read(project, db, layout):
    as_left(project, db, layout, 3, 2)
    document = status(project, db, layout)
    assert document["convention"] == layout.name
    assert [migration["state"] for migration in document["migrations"]] == ["applied", "applied", "pending"]


def test_its_history_goes_on(project, db, layout):
    as_left(project, db, layout, 3, 2)
    run(project, db, layout, "migrate")
    assert rows(db, layout) == layout.rows(3)
    assert db.value("SELECT count(*) FROM t3") == "1"
    assert states(project, db, layout) == ["applied"] * 3
    assert status(project, db, layout)["state"] == "up-to-date"


def test_what_it_applied_is_rolled_back(project, db, layout):
    if not layout.has_downs:
        pytest.skip(f"{layout.name} has no downs")
    as_left(project, db, layout, 3, 3)
    run(project, db, layout, "rollback")
    assert rows(db, layout) == layout.rows(2)
    assert states(project, db, layout) == ["applied", "applied", "pending"]
    run(project, db, layout, "rollback", "--all")
    assert rows(db, layout) == layout.rows(0)
    assert states(project, db, layout) == ["pending"] * 3


def test_a_fresh_database_gets_its_tables(project, db, layout):
    for n in range(1, 4):
        layout.write(project, n)
    words = ["--convention", layout.name]
    run(project, db, layout, "migrate", *words)
    assert rows(db, layout) == layout.rows(3)
    # Now the tool is known by its table.
    assert status(project, db, layout)["convention"] == layout.name


def test_stamping_writes_what_running_would(project, db, layout):
    for n in range(1, 4):
        layout.write(project, n)
    db.sql("CREATE TABLE unrelated (id int)")
    version = status(project, db, layout)["migrations"][1]["version"]
    run(project, db, layout, "stamp", version, "--convention", layout.name)
    assert rows(db, layout) == layout.rows(2)
    run(project, db, layout, "stamp", "head", "--convention", layout.name)
    assert rows(db, layout) == layout.rows(3)
    run(project, db, layout, "stamp", version, "--convention", layout.name, "--yes")
    assert rows(db, layout) == layout.rows(2)


def test_what_another_run_is_at_is_not_taken_for_failed(whimbrel, pg):
    """golang-migrate says dirty while it runs: whoever holds no lock yet must wait and look again."""
    layout = GolangMigrate()
    as_left(whimbrel, pg, layout, 3, 2)
    pg.sql("UPDATE schema_migrations SET dirty = true")
    key = migrate_key(pg)
    peer = subprocess.Popen(
        pg.client(), env=pg.client_environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    peer.stdin.write(f"SELECT pg_advisory_lock({key});\n")
    peer.stdin.flush()
    while pg.value("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'") == "0":
        time.sleep(0.05)
    process = whimbrel.start("migrate", "-d", pg.url, "--log", "json")
    waits = process.stderr.readline()
    while "lock-wait" not in waits:
        assert waits, process.communicate()
        waits = process.stderr.readline()
    peer.communicate("UPDATE schema_migrations SET dirty = false;\n", timeout=60)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, (out, err)
    assert rows(pg, layout) == layout.rows(3)


def migrate_key(database):
    """The key of golang-migrate's command: a checksum of schema, table and the URL's path, times a constant."""
    text = f"public\0schema_migrations\0/{database.name}".encode()
    return zlib.crc32(text) * 1486364155 % 2**32


# ---- what the tools are told by their variables -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "name, folder, table",
    [("dbmate", "DBMATE_MIGRATIONS_DIR", "DBMATE_MIGRATIONS_TABLE"), ("goose", "GOOSE_MIGRATION_DIR", "GOOSE_TABLE")],
)
def test_folder_and_table_as_the_tools_variables_name_them(whimbrel, sqlite, name, folder, table):
    layout = next(layout for layout in LAYOUTS if layout.name == name)
    layout.write(whimbrel, 1)
    (whimbrel.cwd / layout.folder).rename(whimbrel.cwd / "elsewhere")
    variables = {folder: "elsewhere", table: "its_history"}
    whimbrel.ok("migrate", "-d", sqlite.url, env=variables)
    assert sqlite.value("SELECT count(*) FROM its_history WHERE version" + ("_id = 1" if name == "goose" else " > ''")) == "1"
    assert whimbrel("status", "-d", sqlite.url).code == 2


def test_dbmates_folder_is_found_without_being_told(whimbrel, sqlite):
    layout = next(layout for layout in LAYOUTS if layout.name == "dbmate")
    layout.write(whimbrel, 1)
    found = whimbrel.ok("conventions", "--output", "json").json
    assert found["convention"] == "dbmate"
    whimbrel.ok("migrate", "-d", sqlite.url)
    assert sqlite.value("SELECT count(*) FROM t1") == "1"

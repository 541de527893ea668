# SPDX-License-Identifier: Apache-2.0
"""convert: files and history from one convention to another and back, for every tool that has a layout."""

import json
import pathlib

import pytest
from layouts import LAYOUTS

OTHERS = ["goose", "dbmate", "golang-migrate", "flyway", "sqlx", "diesel", "refinery"]


@pytest.fixture(params=LAYOUTS, ids=lambda layout: layout.name)
def layout(request):
    return request.param


def as_left(project, db, layout, files=3, applied=2):
    for n in range(1, files + 1):
        layout.write(project, n)
    for statement in layout.history(db.engine, applied):
        db.sql(statement)
    for n in range(1, applied + 1):
        db.sql(f"CREATE TABLE t{n} (id int)")
        db.sql(f"INSERT INTO t{n} VALUES ({n})")


def convert(project, db, to, *words):
    return project.ok("convert", "--to", to, "-d", db.url, *words).out


def status(project, db, *words):
    return project.ok("status", "--output", "json", "-d", db.url, *words).json


def states(document):
    return [migration["state"] for migration in document["migrations"]]


def rows(db, layout):
    return [[str(field) for field in row] for row in db.sql(layout.rows_sql)]


def files(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def statements(project, db, direction, *words):
    """What would run, by a saved plan's JSON: the statements of every migration, and how they run."""
    document = project.ok("plan", *direction, "--output", "json", "-d", db.url, *words).json
    return [
        [(part["kind"], [statement["sql"] for statement in part["statements"]]) for part in step["segments"]]
        for step in document["steps"]
    ]


def there_and_back(whimbrel, db, layout):
    as_left(whimbrel, db, layout)
    before = rows(db, layout)
    first = status(whimbrel, db, *layout.arguments())
    old = files(whimbrel.cwd)
    old.pop("app.db", None)
    convert(whimbrel, db, "whimbrel", "--yes", "--lossy", *layout.arguments())
    for name, data in old.items():
        assert (whimbrel.cwd / name).read_bytes() == data
    assert rows(db, layout) == before
    second = status(whimbrel, db)
    assert second["convention"] == "whimbrel"
    assert states(second) == ["applied", "applied", "pending"]
    assert [m["reversible"] for m in second["migrations"]] == [m["reversible"] for m in first["migrations"]]
    back = whimbrel(
        "convert", "--to", layout.name, "-d", db.url, "--yes", "--lossy", "--to-table", "back", "--into", "back"
    )
    if "cannot be written" in back.err:
        pytest.skip(f"nothing leads to {layout.name}")
    assert back.code == 0, repr(back)
    third = status(whimbrel, db)
    assert third["convention"] == layout.name
    for field in ("version", "state", "kind", "reversible", "checksum", "applied_at", "duration_ms"):
        assert [m[field] for m in third["migrations"]] == [m[field] for m in first["migrations"]], field
    table = layout.rows_sql.split(" FROM ")[1].split()[0]
    layout_back = [[str(f) for f in row] for row in db.sql(layout.rows_sql.replace(f" FROM {table}", " FROM back"))]
    assert layout_back == before
    whimbrel.ok("migrate", "-d", db.url)
    assert db.value("SELECT count(*) FROM t3") == "1"


def test_there_and_back_again(whimbrel, request, layout):
    engine = "sqlite" if "sqlite" in layout.engines else "pg"
    there_and_back(whimbrel, request.getfixturevalue(engine), layout)

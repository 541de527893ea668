# SPDX-License-Identifier: Apache-2.0
"""What does not fit together: the files of one tool with the history of another, tables that are no tool's, changed files. The same cases
for every tool: a message that says what is amiss and what to do, and nothing written."""

import os
import pathlib

import pytest
from layouts import LAYOUTS

BY_NAME = {layout.name: layout for layout in LAYOUTS}
# What a tool is put beside: another one whose files and tables are surely not its own.
OTHER = {name: BY_NAME["goose" if name != "goose" else "flyway"] for name in BY_NAME}


@pytest.fixture(params=LAYOUTS, ids=lambda layout: layout.name)
def layout(request):
    return request.param


@pytest.fixture
def db(request, layout):
    return request.getfixturevalue("sqlite" if "sqlite" in layout.engines else "pg")


def tables_of(db):
    if db.engine == "sqlite":
        return sorted(row[0] for row in db.sql("SELECT name FROM sqlite_master WHERE type = 'table' AND name <> 'sqlite_sequence'"))
    return sorted(row[0] for row in db.sql(
        "SELECT table_schema || '.' || table_name FROM information_schema.tables "
        "WHERE table_schema NOT IN ('pg_catalog', 'information_schema')"))


def content(db):
    return {table: sorted(map(str, db.sql(f"SELECT * FROM {table}"))) for table in tables_of(db)}


def as_left(project, db, layout, files, applied):
    for n in range(1, files + 1):
        layout.write(project, n)
    for statement in layout.history(db.engine, applied):
        db.sql(statement)
    for n in range(1, applied + 1):
        db.sql(f"CREATE TABLE t{n} (id int)")
        db.sql(f"INSERT INTO t{n} VALUES ({n})")


def refused(result):
    assert result.code in (1, 2), repr(result)
    assert result.err.startswith("error: ") or "\nerror: " in result.err, repr(result)
    assert "\n   = " in result.err, repr(result)  # a next step


def test_every_tool_has_its_page_and_its_rows(whimbrel, layout):
    root = pathlib.Path(__file__).resolve().parents[2]
    assert (root / f"docs/coming-from/{layout.name}.md").is_file()
    assert f"(docs/coming-from/{layout.name}.md)" in (root / "README.md").read_text(encoding="utf-8")
    assert f"| `{layout.name}` | " in (root / "docs/conventions.md").read_text(encoding="utf-8")


def test_every_tool_has_a_layout(whimbrel):
    known = whimbrel.ok("conventions", "--output", "json").json["conventions"]
    assert {row["name"] for row in known} == {"whimbrel", *BY_NAME}


def test_the_evidence_is_shown(whimbrel, db, layout):
    as_left(whimbrel, db, layout, 3, 2)
    out = whimbrel.ok("conventions", "-d", db.url, *layout.arguments()).out
    assert f"This project: {layout.name}." in out
    evidence = out.split(f"\n{layout.name}, because:\n")[1].split("\n\n")[0]
    assert "the table " in evidence, out


def test_the_folder_of_another_tool_is_not_run(whimbrel, db, layout):
    other = OTHER[layout.name]
    if db.engine not in other.engines:
        pytest.skip("not on this engine")
    for statement in layout.history(db.engine, 2):
        db.sql(statement)
    for n in range(1, 4):
        other.write(whimbrel, n)
    before = content(db)
    result = whimbrel("migrate", "-d", db.url, *other.arguments())
    refused(result)
    assert content(db) == before


def test_two_tools_tables_in_one_database_need_a_word(whimbrel, db, layout):
    other = OTHER[layout.name]
    if db.engine not in other.engines:
        pytest.skip("not on this engine")
    as_left(whimbrel, db, layout, 3, 2)
    for statement in other.history(db.engine, 2):
        db.sql(statement)
    before = content(db)
    result = whimbrel("migrate", "-d", db.url, *layout.arguments())
    refused(result)
    assert "ambiguous-convention" in result.err
    assert layout.name in result.err and other.name in result.err and "--convention" in result.err
    assert content(db) == before
    shown = whimbrel.ok("conventions", "-d", db.url, *layout.arguments()).out
    assert "This project: not clear." in shown
    whimbrel.ok("migrate", "-d", db.url, "--convention", layout.name, *layout.arguments())
    assert db.value("SELECT count(*) FROM t3") == "1"


def test_a_table_of_that_name_that_is_no_history_is_left_alone(whimbrel, db, layout):
    for n in range(1, 4):
        layout.write(whimbrel, n)
    known = whimbrel.ok("conventions", "--output", "json", *layout.arguments()).json["conventions"]
    name = next(row["table"] for row in known if row["name"] == layout.name)
    if "." in name:
        db.sql(f"CREATE SCHEMA IF NOT EXISTS {name.split('.')[0]}")
    db.sql(f"CREATE TABLE {name} (of_somebody int, else_entirely int)")
    before = content(db)
    result = whimbrel("migrate", "-d", db.url, "--convention", layout.name, *layout.arguments())
    refused(result)
    assert "foreign-history" in result.err and "--table" in result.err, repr(result)
    assert content(db) == before


# What both whimbrel and the tool can read: without the table of another shape, whimbrel's own convention would be meant.
SHARED = ("golang-migrate", "refinery", "sqlx", "tern")


@pytest.mark.parametrize("name", SHARED)
@pytest.mark.parametrize("change", ["a column more", "a column less", "a view"])
def test_no_run_begins_anew_beside_a_history_of_another_shape(whimbrel, pg, name, change):
    layout = BY_NAME[name]
    as_left(whimbrel, pg, layout, 3, 2)
    table = layout.rows_sql.split(" FROM ")[1].split()[0]
    pg.sql({
        "a column more": f"ALTER TABLE {table} ADD COLUMN more int",
        "a column less": f"ALTER TABLE {table} RENAME COLUMN version TO number",
        "a view": f"ALTER TABLE {table} RENAME TO moved; CREATE VIEW {table} AS SELECT * FROM moved",
    }[change])
    before = content(pg)
    result = whimbrel("migrate", "-d", pg.url, *layout.arguments())
    if change == "a column less":
        refused(result)
        assert "foreign-history" in result.err
        assert content(pg) == before
    else:  # all that the tool reads and writes is there, as for the tool itself
        assert result.code == 0, repr(result)
        assert pg.value("SELECT count(*) FROM t3") == "1"
        assert not any("whimbrel" in one for one in content(pg))


def test_what_new_makes_stops_nobody_who_only_looks(whimbrel, db, layout):
    as_left(whimbrel, db, layout, 2, 2)
    where = ["-d", db.url, *layout.arguments()]
    made = whimbrel("new", "add things", *where)
    if layout.name == "graphile":
        assert made.code == 1 and "commits migrations itself" in made.err
        return
    assert made.code == 0, repr(made)
    document = whimbrel.ok("status", "--output", "json", *where).json
    assert [m["state"] for m in document["migrations"]] == ["applied", "applied", "pending"]
    whimbrel.ok("validate", *where)
    before = content(db)
    for words in (["plan"], ["migrate", "--dry-run"]):
        result = whimbrel(*words, *where)
        # tern itself stops at a file without SQL.
        assert result.code == 0 or (layout.name == "tern" and "has no SQL in its up" in result.err), repr(result)
    assert content(db) == before


# ---- adversity: the same for every tool ----------------------------------------------------------------------------


def up_of(project, n):
    """The files with the up of migration n in them."""
    signs = (f"CREATE TABLE t{n} ", f'op.create_table("t{n}"')
    return [path for path in project.cwd.rglob("*") if path.suffix in (".sql", ".py", ".rb", ".php")
            and any(sign in path.read_text() for sign in signs)]


CONTENTS = {
    "CRLF": lambda data: data.replace(b"\n", b"\r\n"),
    "a byte order mark": lambda data: b"\xef\xbb\xbf" + data,
    "nothing": lambda data: b"",
    "a comment": lambda data: b"-- nothing but a comment\n",
    "blank lines": lambda data: b"\n \t\n\n",
    "another encoding": lambda data: data.replace(b"CREATE TABLE t3 ", b"CREATE TABLE /* \xe9 */ t3 "),
    "a NUL byte": lambda data: data.replace(b"CREATE TABLE t3 ", b"CREATE TABLE t3 \0 "),
    "UTF-16": lambda data: data.decode().encode("utf-16"),
    "half of it": lambda data: data[: len(data) // 2],
}


def test_files_of_every_content_are_read_or_refused(whimbrel, db, layout):
    as_left(whimbrel, db, layout, 3, 2)
    before = content(db)
    where = ["-d", db.url, *layout.arguments()]
    (path,) = up_of(whimbrel, 3)[:1]
    data = path.read_bytes()
    for what, change in CONTENTS.items():
        path.write_bytes(change(data))
        if layout.name == "atlas":
            whimbrel.write("migrations/atlas.sum", layout.sums(whimbrel.cwd / "migrations"))
        for words in (["status"], ["plan"]):
            result = whimbrel(*words, *where)
            assert result.code in (0, 1), (what, result)
            if result.code == 1:
                refused(result)
                assert str(path.relative_to(whimbrel.cwd)) in result.err, (what, result)
    assert content(db) == before
    path.write_bytes(data)


def test_a_link_to_the_folder_is_the_folder(whimbrel, db, layout):
    as_left(whimbrel, db, layout, 3, 2)
    if layout.folder == ".":
        pytest.skip("there is no folder")
    top = whimbrel.cwd / layout.folder.split("/")[0]
    top.rename(whimbrel.cwd / "elsewhere")
    top.symlink_to("elsewhere")
    whimbrel.ok("migrate", "-d", db.url, *layout.arguments())
    assert db.value("SELECT count(*) FROM t3") == "1"
    assert [m["state"] for m in whimbrel.ok("status", "--output", "json", "-d", db.url, *layout.arguments()).json["migrations"]] == [
        "applied"] * 3


ODD = ["it's.sql", 'a"b.sql', "a b.sql", "new\nline.sql", "\u00e9.sql", "99999999999999999999999_x.sql", "V99999999999999999999999__x.sql",
       "0000000000000000000004_x.up.sql", "-- x.sql", "%s%n.sql", "$(x).sql", "4_" + "x" * 240 + ".sql", "4.sql", "_x.sql", ".sql",
       b"\xff\xfe_4.sql", "4_x.SQL", "4_x.sql~", "003_make_t3 (copy).sql"]


def test_files_of_odd_names_are_read_passed_over_or_refused(whimbrel, db, layout):
    as_left(whimbrel, db, layout, 3, 2)
    folder = up_of(whimbrel, 3)[0].parent
    folder = folder.parent if layout.name in ("diesel", "prisma") else folder
    before = content(db)
    where = ["-d", db.url, *layout.arguments()]
    for name in ODD:
        path = os.path.join(os.fsencode(folder), os.fsencode(name))
        with open(path, "wb") as file:
            file.write(b"CREATE TABLE odd (id int);\n")
        result = whimbrel("status", *where)
        assert result.code in (0, 1), (name, result)
        if result.code == 1:
            refused(result)
        os.unlink(path)
    assert content(db) == before
    whimbrel.ok("status", *where)


def test_a_row_that_has_lost_its_file_stops_and_is_told(whimbrel, db, layout):
    as_left(whimbrel, db, layout, 3, 2)
    where = ["-d", db.url, *layout.arguments()]
    for path in up_of(whimbrel, 2):
        path.unlink()
        for other in [*path.parent.glob("*make_t2*"), *(path.parent.parent / "rollback").glob("*t2*")]:
            other.unlink()
        if not any(path.parent.iterdir()):
            path.parent.rmdir()
    if layout.name == "atlas":
        whimbrel.write("migrations/atlas.sum", layout.sums(whimbrel.cwd / "migrations"))
    before = content(db)
    result = whimbrel("migrate", "-d", db.url, *layout.arguments())
    refused(result)
    assert content(db) == before
    assert whimbrel("validate", *where).code in (1, 3)


READS = ("applied", "applied", "pending")


def test_who_may_only_read_is_told_what_is_missing(whimbrel, pg, layout):
    layout.prepare(pg)
    as_left(whimbrel, pg, layout, 3, 2)
    role = f"reader_{pg.name}"
    pg.sql(f"CREATE ROLE {role} LOGIN")
    schemas = [row[0] for row in pg.sql("SELECT nspname FROM pg_namespace WHERE nspname !~ '^pg_|^information'")]
    where = ["-d", pg.url.replace("postgres@", f"{role}@"), *layout.arguments()]
    before = content(pg)
    try:
        for schema in schemas:
            pg.sql(f"GRANT USAGE ON SCHEMA {schema} TO {role}; GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO {role}")
        document = whimbrel.ok("status", "--output", "json", *where).json
        assert tuple(m["state"] for m in document["migrations"]) == READS
        # At first not even the table can be made; then it can, and the history cannot be written.
        for grants in ("", f"GRANT CREATE ON SCHEMA public TO {role}"):
            pg.sql(grants or "SELECT 1")
            result = whimbrel("migrate", *where)
            assert result.code == 1 and "permission denied" in result.err and "no-privilege" in result.err, repr(result)
            assert content(pg) == before
        # Who may not read is not taken for somebody with an empty history.
        for schema in schemas:
            pg.sql(f"REVOKE SELECT ON ALL TABLES IN SCHEMA {schema} FROM {role}")
        result = whimbrel("migrate", *where)
        assert result.code == 1 and "permission denied" in result.err, repr(result)
        assert content(pg) == before
    finally:
        pg.sql(f"DROP OWNED BY {role}; DROP ROLE {role}")


# ---- three tools, one name ------------------------------------------------------------------------------------------

SAME_NAME = ("golang-migrate", "dbmate", "rails")


@pytest.mark.parametrize("name", SAME_NAME)
def test_of_three_tools_with_one_table_the_columns_and_files_decide(whimbrel, sqlite, name):
    layout, others = BY_NAME[name], [BY_NAME[other] for other in SAME_NAME if other != name]
    as_left(whimbrel, sqlite, layout, 3, 2)
    for other in others:
        for n in (1, 2, 3):
            other.write(whimbrel, n)
    before = content(sqlite)
    # Whose files are meant is said by the folder; another tool's reading of the table is refused.
    document = whimbrel.ok("status", "--output", "json", "-d", sqlite.url, *layout.arguments()).json
    assert document["convention"] == name
    for other in others:
        result = whimbrel("migrate", "-d", sqlite.url, "--convention", other.name, *other.arguments())
        if {name, other.name} == {"dbmate", "rails"}:
            # Their tables are one, and so are the versions here: whose they are only the user knows.
            assert result.code == 0 and "t3" in content(sqlite), repr(result)
            return
        refused(result)
        assert "foreign-history" in result.err, repr(result)
        assert content(sqlite) == before, other.name


@pytest.mark.parametrize("head, down", [("-- +goose Up", "-- +goose Down"), ("-- migrate:up", "-- migrate:down"),
                                        ("-- +migrate Up", "-- +migrate Down")])
def test_a_bom_does_not_make_a_tools_file_plain_sql(whimbrel, sqlite, head, down):
    """It would be run with its down behind its up."""
    whimbrel.write("migrations/00001_a.sql", f"\ufeff{head}\r\nCREATE TABLE a (id int);\r\n{down}\r\nDROP TABLE a;\r\n")
    result = whimbrel("migrate", "-d", sqlite.url)
    refused(result)
    assert "00001_a.sql:1" in result.err, repr(result)
    assert content(sqlite) == {}


def test_a_changed_file_is_noticed_and_accepted_by_repair(whimbrel, db, layout):
    if not layout.has_checksums:
        pytest.skip(f"{layout.name} keeps no checksums")
    as_left(whimbrel, db, layout, 3, 2)
    changed = [path for path in whimbrel.cwd.rglob("*") if path.is_file() and path.suffix in (".sql", ".yaml", ".xml")
               and "CREATE TABLE t1 (id int)" in path.read_text()]
    for path in changed:
        path.write_text(path.read_text().replace("CREATE TABLE t1 (id int)", "CREATE TABLE t1 (id int, more int)"))
    assert changed
    before = content(db)
    result = whimbrel("migrate", "-d", db.url, *layout.arguments())
    refused(result)
    assert "whimbrel repair" in result.err
    assert content(db) == before
    document = whimbrel("validate", "-d", db.url, *layout.arguments())
    assert document.code == 3
    whimbrel.ok("repair", "--yes", "-d", db.url, *layout.arguments())
    whimbrel.ok("migrate", "-d", db.url, *layout.arguments())
    assert db.value("SELECT count(*) FROM t3") == "1"


HOST = {
    "goose": "migrations/00003_code.go",
    "node-pg-migrate": "migrations/1700000000003_code.js",
    "flyway": "migrations/V3__code.java",
    "refinery": "migrations/V3__code.rs",
}


@pytest.mark.parametrize("name", [name for name in HOST if name in BY_NAME])
def test_a_migration_in_a_host_language_stops_what_would_run_it(whimbrel, request, name):
    layout = BY_NAME[name]
    db = request.getfixturevalue("sqlite" if "sqlite" in layout.engines else "pg")
    as_left(whimbrel, db, layout, 2, 2)
    whimbrel.write(HOST[name], "// code\n")
    document = whimbrel.ok("status", "--output", "json", "-d", db.url, *layout.arguments()).json
    assert [m["state"] for m in document["migrations"]] == ["applied", "applied", "pending"]
    before = content(db)
    result = whimbrel("migrate", "-d", db.url, *layout.arguments())
    refused(result)
    assert HOST[name] in result.err, repr(result)
    assert content(db) == before


@pytest.mark.parametrize("folder", ["db", "database", "conf", "config", "prisma", "vendor", "sql", "app"])
def test_a_folder_that_cannot_be_looked_at_is_nobodys(whimbrel, sqlite, folder):
    """A server's data in db/ is closed to others; a link that leads to itself is closed to all."""
    whimbrel.write("migrations/V001__a.sql", "CREATE TABLE a (id int);\n")
    (whimbrel.cwd / folder).symlink_to(folder)
    whimbrel.ok("migrate", "-d", sqlite.url)
    assert whimbrel.ok("status", "-d", sqlite.url, "--output", "json").json["convention"] == "whimbrel"

# SPDX-License-Identifier: Apache-2.0
"""convert: files and history from one convention to another and back, for every tool that has a layout."""

import os
import pathlib
import re
import shutil

import faulty
import pytest
from layouts import LAYOUTS


@pytest.fixture(params=LAYOUTS, ids=lambda layout: layout.name)
def layout(request):
    return request.param


def as_left(project, db, layout, files=3, applied=2):
    layout.prepare(db)
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


def there_and_back(whimbrel, db, layout):
    as_left(whimbrel, db, layout)
    if layout.times:
        db.sql(f"UPDATE {layout.times} = '2024-01-02 03:04:05'")
    before = rows(db, layout)
    first = status(whimbrel, db, *layout.arguments())
    old = files(whimbrel.cwd)
    old.pop("app.db", None)
    there = convert(whimbrel, db, "whimbrel", "--yes", "--lossy", *layout.arguments())
    for name, data in old.items():
        assert (whimbrel.cwd / name).read_bytes() == data
    assert rows(db, layout) == before
    second = status(whimbrel, db)
    assert second["convention"] == "whimbrel"
    if layout.times:
        assert [m["applied_at"] for m in second["migrations"][:2]] == ["2024-01-02T03:04:05Z"] * 2
    assert states(second) == ["applied", "applied", "pending"]
    assert [m["reversible"] for m in second["migrations"]] == [m["reversible"] for m in first["migrations"]]
    back = whimbrel(
        "convert", "--to", layout.name, "-d", db.url, "--yes", "--lossy", "--to-table", "back", "--into", "back"
    )
    if "cannot be written" in back.err:
        assert layout.name in ("alembic", "django", "laravel", "rails")
        pytest.skip(f"nothing leads to {layout.name}")
    assert back.code == 0, repr(back)
    third = status(whimbrel, db)
    assert third["convention"] == layout.name
    for field in ("version", "state", "kind", "reversible", "checksum", "applied_at", "duration_ms"):
        if layout.name == "sqitch" and field == "checksum":  # Sqitch's head and BEGIN are in its scripts
            continue
        assert [m[field] for m in third["migrations"]] == [m[field] for m in first["migrations"]], field
    table = layout.rows_sql.split(" FROM ")[1].split()[0]
    # graphile-migrate's table has but one place, and said the same already; Sqitch's are in the registry of this name.
    place = {"graphile": table, "sqitch": "back.changes"}.get(layout.name, "back")
    layout_back = [[str(f) for f in row] for row in db.sql(layout.rows_sql.replace(f" FROM {table}", f" FROM {place}"))]
    if layout.name == "liquibase":  # comments and labels are Liquibase's alone, and told as lost
        assert "labels of 3 changesets stay behind" in there
        layout_back, before = ([row[:7] + row[8:9] for row in some] for some in (layout_back, before))
    if layout.name == "sqitch":
        layout_back, before = ([row[2:3] for row in some] for some in (layout_back, before))
    assert layout_back == before
    # Their own files again, byte by byte, but for what the forms do not share: a message, Sqitch's heads and plan, names of changelogs.
    for name in [] if layout.name in ("graphile", "sqitch", "liquibase") else old:
        if name.startswith(layout.folder + "/"):
            assert (whimbrel.cwd / "back" / name.removeprefix(layout.folder + "/")).read_bytes() == old[name], name
    whimbrel.ok("migrate", "-d", db.url)
    assert db.value("SELECT count(*) FROM t3") == "1"


def test_there_and_back_again(whimbrel, request, layout):
    engine = "sqlite" if "sqlite" in layout.engines else "pg"
    there_and_back(whimbrel, request.getfixturevalue(engine), layout)


SERVERS = [layout for layout in LAYOUTS if layout.name in ("goose", "flyway")]


@pytest.mark.parametrize("layout", SERVERS, ids=lambda layout: layout.name)
@pytest.mark.parametrize("engine", ["pg", "maria"])
def test_there_and_back_again_on_servers(whimbrel, request, engine, layout):
    there_and_back(whimbrel, request.getfixturevalue(engine), layout)


GOOSE = next(layout for layout in LAYOUTS if layout.name == "goose")
FLYWAY = next(layout for layout in LAYOUTS if layout.name == "flyway")


@pytest.mark.parametrize("target", ["whimbrel", "dbmate", "diesel", "flyway", "golang-migrate", "refinery", "sql-migrate",
                                    "sqlx", "prisma", "sqitch"])
def test_from_one_tool_to_every_other(whimbrel, sqlite, target):
    whimbrel.write(
        "migrations/00001_body.sql",
        "-- +goose NO TRANSACTION\n-- +goose Up\n-- a comment stays\nCREATE TABLE t1 (id int);\n"
        "-- +goose StatementBegin\nCREATE TRIGGER tr AFTER INSERT ON t1 BEGIN\n  SELECT 1;\n  SELECT 2;\nEND;\n"
        "-- +goose StatementEnd\nINSERT INTO t1 VALUES (1) -- no semicolon\n-- +goose Down\nDROP TABLE t1;\n",
    )
    for n in (2, 3):
        GOOSE.write(whimbrel, n)
    whimbrel.ok("migrate", "--to", "2", "-d", sqlite.url)
    whimbrel.ok("convert", "--to", target, "--yes", "--lossy", "-d", sqlite.url)
    document = status(whimbrel, sqlite)
    assert document["convention"] == target
    assert states(document) == ["applied", "applied", "pending"]
    folder = whimbrel.cwd / f"migrations-{target}"
    up = "".join(path.read_text() for path in sorted(folder.rglob("*")) if "body" in str(path) and path.is_file())
    assert "a comment stays" in up and "+goose" not in up
    assert "INSERT INTO t1 VALUES (1); -- no semicolon" in up
    # And it goes on, both ways.
    whimbrel.ok("migrate", "-d", sqlite.url)
    if target != "refinery":
        whimbrel.ok("rollback", "--all", "-d", sqlite.url)
        assert sqlite.value("SELECT count(*) FROM sqlite_master WHERE name IN ('t1', 't2', 't3')") == "0"
        whimbrel.ok("migrate", "-d", sqlite.url)
    assert sqlite.value("SELECT count(*) FROM t3") == "1"


def untouched(project, sqlite, tables):
    assert not (project.cwd / "whimbrel.toml").exists()
    assert [path.name for path in project.cwd.glob("migrations*")] == ["migrations"]
    assert sorted(row[0] for row in sqlite.sql("SELECT name FROM sqlite_master WHERE type = 'table'")) == sorted(tables)


TABLES = ["goose_db_version", "sqlite_sequence", "t1", "t2"]


def test_without_a_word_it_shows_and_refuses(whimbrel, sqlite):
    as_left(whimbrel, sqlite, GOOSE)
    result = whimbrel("convert", "--to", "whimbrel", "-d", sqlite.url)
    assert result.code == 2 and "nobody can be asked" in result.err and "Nothing was written. --yes does" in result.err
    assert "3 migrations, 2 entries of history" in result.out
    untouched(whimbrel, sqlite, TABLES)
    result = whimbrel("convert", "--to", "refinery", "-d", sqlite.url, "--output", "json")
    assert result.code == 2 and result.json["error"]["code"] == "needs-yes"
    assert "--yes --lossy does" in result.json["error"]["hint"]
    untouched(whimbrel, sqlite, TABLES)


@pytest.mark.parametrize("words", [["--dry-run"], ["--dry-run", "--yes"]])
def test_a_dry_run_only_shows(whimbrel, sqlite, words):
    as_left(whimbrel, sqlite, GOOSE)
    result = whimbrel.ok("convert", "--to", "whimbrel", "-d", sqlite.url, *words)
    assert "Nothing was written. To do it: whimbrel convert --to whimbrel --yes" in result.out
    assert "3 migrations, 2 entries of history" in result.out
    untouched(whimbrel, sqlite, TABLES)
    document = whimbrel.ok("convert", "--to", "whimbrel", "-d", sqlite.url, "--output", "json", *words).json
    assert document["done"] is False and document["entries"] == 2 and len(document["files"]) == 6


def test_what_is_lost_has_to_be_accepted(whimbrel, sqlite):
    as_left(whimbrel, sqlite, GOOSE)
    result = whimbrel("convert", "--to", "refinery", "--yes", "-d", sqlite.url)
    assert result.code == 1 and "conversion-loses" in result.err
    assert "the down of 1 make_t1 stays behind: refinery has none" in result.out
    untouched(whimbrel, sqlite, TABLES)
    whimbrel.ok("convert", "--to", "refinery", "--yes", "--lossy", "-d", sqlite.url)


def test_what_is_not_settled_is_not_converted(whimbrel, sqlite):
    as_left(whimbrel, sqlite, FLYWAY)
    whimbrel.write("migrations/V1__make_t1.sql", "CREATE TABLE other (id int);\n")
    result = whimbrel("convert", "--to", "whimbrel", "--yes", "-d", sqlite.url)
    assert result.code == 1 and "not-settled" in result.err and "whimbrel repair" in result.err
    (whimbrel.cwd / "migrations/V1__make_t1.sql").unlink()
    (whimbrel.cwd / "migrations/U1__make_t1.sql").unlink()
    result = whimbrel("convert", "--to", "whimbrel", "--yes", "-d", sqlite.url)
    assert result.code == 1 and "has no file here" in result.err
    untouched(whimbrel, sqlite, ["flyway_schema_history", "t1", "t2"])


def test_half_a_file_of_a_killed_conversion_is_not_in_the_way(whimbrel, sqlite):
    as_left(whimbrel, sqlite, GOOSE)
    for name, is_ours in [("mine.sql.0a1b2c3d.tmp", False), ("1_make_t1.up.sql.tmp", False), ("1_make_t1.up.sql.0a1b2c3d.tmp", True)]:
        whimbrel.write(f"migrations-whimbrel/{name}", "CREATE TAB")
        result = whimbrel("convert", "--to", "whimbrel", "--dry-run", "-d", sqlite.url)
        assert result.code == (0 if is_ours else 1), name
        assert (whimbrel.cwd / "migrations-whimbrel" / name).exists()
        if not is_ours:
            (whimbrel.cwd / "migrations-whimbrel" / name).unlink()
    whimbrel.ok("convert", "--to", "whimbrel", "--yes", "-d", sqlite.url)
    assert len(list((whimbrel.cwd / "migrations-whimbrel").iterdir())) == 6


def test_nothing_is_written_over(whimbrel, sqlite):
    as_left(whimbrel, sqlite, GOOSE)
    whimbrel.write("migrations-whimbrel/mine.sql", "SELECT 1;")
    result = whimbrel("convert", "--to", "whimbrel", "--yes", "-d", sqlite.url)
    assert result.code == 1 and "mine.sql is there already" in result.err and "--into" in result.err
    (whimbrel.cwd / "migrations-whimbrel/mine.sql").unlink()
    sqlite.sql("CREATE TABLE refinery_schema_history (version int4 PRIMARY KEY, name VARCHAR(255), "
               "applied_on VARCHAR(255), checksum VARCHAR(255))")
    sqlite.sql("INSERT INTO refinery_schema_history VALUES (7, 'x', '2026-05-14T08:59:23Z', '1')")
    result = whimbrel("convert", "--convention", "goose", "--to", "refinery", "--yes", "--lossy", "-d", sqlite.url)
    assert result.code == 1 and "target-not-empty" in result.err and "--to-table" in result.err
    assert sqlite.value("SELECT count(*) FROM refinery_schema_history") == "1"
    assert not (whimbrel.cwd / "whimbrel.toml").exists()


def test_a_gap_that_the_other_history_cannot_say_is_refused(whimbrel, sqlite):
    as_left(whimbrel, sqlite, GOOSE, files=3, applied=3)
    sqlite.sql("DELETE FROM goose_db_version WHERE version_id = 2")
    result = whimbrel("convert", "--to", "golang-migrate", "--yes", "--lossy", "-d", sqlite.url)
    assert result.code == 1 and "cannot say what is applied" in result.err
    assert sqlite.value("SELECT count(*) FROM sqlite_master WHERE name = 'schema_migrations'") == "0"
    assert not (whimbrel.cwd / "whimbrel.toml").exists()


def test_versions_that_do_not_fit_are_numbered_and_found_again(whimbrel, sqlite):
    whimbrel.write("flyway.toml", '[flyway]\nlocations = ["filesystem:migrations"]\n')
    for version in ("1.1", "1.2", "1.10"):
        whimbrel.write(f"migrations/V{version}__step.sql", f"CREATE TABLE t{version.replace('.', '_')} (id int);\n")
    whimbrel.write("migrations/R__view.sql", "CREATE VIEW IF NOT EXISTS v AS SELECT 1;\n")
    whimbrel.ok("migrate", "--to", "1.2", "-d", sqlite.url)
    result = whimbrel.ok("convert", "--to", "goose", "--yes", "--lossy", "-d", sqlite.url)
    assert "1.10 -> 3" in result.out and "R view stays behind" in result.out
    assert states(status(whimbrel, sqlite)) == ["applied", "applied", "pending"]
    assert "-- converted from flyway: 1.10\tstep\n" in (whimbrel.cwd / "migrations-goose/00003_step.sql").read_text()
    whimbrel.ok("convert", "--to", "flyway", "--yes", "--lossy", "--to-table", "again", "-d", sqlite.url)
    document = status(whimbrel, sqlite)
    assert [m["version"] for m in document["migrations"]] == ["1.1", "1.2", "1.10"]
    assert states(document) == ["applied", "applied", "pending"]


def test_repeatables_go_where_there_are_some(whimbrel, sqlite):
    as_left(whimbrel, sqlite, FLYWAY)
    whimbrel.write("migrations/R__a_view.sql", "CREATE VIEW IF NOT EXISTS v AS SELECT 1;\n")
    whimbrel.ok("migrate", "-d", sqlite.url)
    whimbrel.ok("convert", "--to", "whimbrel", "--yes", "-d", sqlite.url)
    document = status(whimbrel, sqlite)
    assert document["state"] == "up-to-date"
    assert [m["kind"] for m in document["migrations"]].count("repeatable") == 1


@pytest.mark.parametrize("fault", ["run.history-write:1", "run.before-chunk:1", "run.after-chunk:1", "run.lock:1"])
def test_a_crash_anywhere_is_gone_on_from(whimbrel, sqlite, fault):
    as_left(whimbrel, sqlite, GOOSE)
    result = whimbrel(
        "convert", "--to", "whimbrel", "--yes", "-d", sqlite.url, env={"WHIMBREL_FAULT": fault + ":kill"}
    )
    if result.code == 0:
        pytest.skip("this build has no faults")
    assert not (whimbrel.cwd / "whimbrel.toml").exists()
    # Until then the old convention holds.
    assert status(whimbrel, sqlite, "--convention", "goose")["convention"] == "goose"
    result = whimbrel.ok("convert", "--to", "whimbrel", "--yes", "-d", sqlite.url)
    assert "all there already" in result.out
    document = status(whimbrel, sqlite)
    assert document["convention"] == "whimbrel" and states(document) == ["applied", "applied", "pending"]


# ---- killed anywhere -------------------------------------------------------------------------------------------------

EACH = os.environ.get("WHIMBREL_FAULTS") == "each"
SQLITE = [layout for layout in LAYOUTS if "sqlite" in layout.engines]
TARGETS_OF_FILES = ["whimbrel", "sqitch", *(layout.name for layout in SQLITE if layout.name not in ("alembic", "django", "laravel", "rails"))]
PAIRS = [(layout, target) for layout in SQLITE for target in TARGETS_OF_FILES if target != layout.name]
FEW = {("goose", "whimbrel"), ("flyway", "golang-migrate"), ("dbmate", "sqitch"), ("atlas", "prisma"), ("diesel", "liquibase")}


def killed_everywhere(whimbrel, sqlite, library, start, layout, target, words, most):
    """Ends the program right before each call that would leave something in the file system, and calls it again."""
    folder = whimbrel.cwd
    args = ["convert", "--to", target, "--yes", "--lossy", "--to-table", "converted", "-d", sqlite.url, *words]
    shutil.copytree(folder, start)
    old = {name: data for name, data in files(start).items() if name != "app.db" and "whimbrel.toml" not in name}
    before = rows(sqlite, layout)

    def again():
        shutil.rmtree(folder)
        shutil.copytree(start, folder)

    def end():
        document = status(whimbrel, sqlite)
        texts = {name: re.sub(rb"\d{4}-\d\d-\d\d", b"DATE", data) for name, data in files(folder).items()
                 if ".db" not in name and "whimbrel.toml." not in name}
        return texts, document["convention"], [(m["version"], m["state"], m["reversible"]) for m in document["migrations"]]

    shim = faulty.Shim(whimbrel, library)
    result, calls = shim.count(args, "change", folder)
    if result.code != 0 and "not-convertible" in result.err:
        pytest.skip(f"{layout.name} cannot become {target}")
    assert result.code == 0, repr(result)
    wanted = end()
    assert wanted[1] == target
    step = max(1, len(calls) // most) if most else 1
    for nth in [*range(1, len(calls), step), len(calls)]:
        again()
        fault = f"change:{nth}:kill"
        # What is said along the way comes in more or fewer pieces from one run to the next: the last call may not come.
        assert shim.run(args, fault, folder).code in (-9, 0), fault
        for name, data in old.items():
            assert (folder / name).read_bytes() == data, (fault, name)
        assert rows(sqlite, layout) == before, fault
        assert whimbrel("status", "-d", sqlite.url).code in (0, 2), fault
        result = whimbrel(*args)
        is_done = result.code == 2 and f"has the convention {target} already" in result.err
        assert result.code == 0 or is_done, f"{fault} {result!r}"
        ended = end()
        assert ended[0] == wanted[0], (fault, sorted(set(ended[0].items()) ^ set(wanted[0].items())))
        assert ended == wanted, fault
    return len(calls)


@pytest.fixture
def shim_library(program_command):
    library = pathlib.Path(program_command[-1]).parent / "tests" / "shim" / "libfaulty.so"
    if not library.exists() or program_command[0].endswith("valgrind"):
        pytest.skip("the shim is not built")
    return library


@pytest.mark.parametrize("layout, target", PAIRS if EACH else [pair for pair in PAIRS if (pair[0].name, pair[1]) in FEW],
                         ids=lambda value: value if isinstance(value, str) else value.name)
def test_killed_anywhere_the_same_command_goes_on(whimbrel, sqlite, shim_library, tmp_path_factory, layout, target):
    as_left(whimbrel, sqlite, layout)
    start = tmp_path_factory.mktemp("start") / "files"
    killed_everywhere(whimbrel, sqlite, shim_library, start, layout, target, layout.arguments(), 0 if EACH else 9)


def test_after_the_history_only_the_configuration_is_left_to_write(whimbrel, sqlite):
    as_left(whimbrel, sqlite, GOOSE)
    whimbrel.ok("convert", "--to", "whimbrel", "--yes", "-d", sqlite.url)
    (whimbrel.cwd / "whimbrel.toml").unlink()
    rows_before = sqlite.sql("SELECT * FROM whimbrel_history")
    whimbrel.ok("convert", "--to", "whimbrel", "--yes", "-d", sqlite.url)
    assert sqlite.sql("SELECT * FROM whimbrel_history") == rows_before
    assert status(whimbrel, sqlite)["convention"] == "whimbrel"
    result = whimbrel("convert", "--to", "whimbrel", "--yes", "-d", sqlite.url)
    assert result.code == 2 and "has the convention whimbrel already" in result.err


def test_a_configuration_that_is_there_is_changed_and_not_replaced(whimbrel, sqlite):
    as_left(whimbrel, sqlite, GOOSE)
    whimbrel.write(
        "whimbrel.toml",
        f'# mine\ndatabase = "{sqlite.url}"\nmigrations = [\n  "migrations",\n]\nconvention = "goose" # old\n\n'
        '[env.test]\nlock_wait = "1s"\n',
    )
    whimbrel.ok("convert", "--to", "dbmate", "--yes", "--lossy", "--to-table", "its")
    text = (whimbrel.cwd / "whimbrel.toml").read_text()
    assert text == (
        f'# mine\ndatabase = "{sqlite.url}"\nmigrations = "migrations-dbmate"\nconvention = "dbmate"\ntable = "its"\n\n'
        '[env.test]\nlock_wait = "1s"\n'
    )
    assert states(status(whimbrel, sqlite)) == ["applied", "applied", "pending"]


def test_files_alone_need_no_database(whimbrel):
    for n in (1, 2):
        GOOSE.write(whimbrel, n)
    result = whimbrel.ok("convert", "--to", "whimbrel", "--files-only", "--yes")
    assert "history" not in result.out.split("\n")[0]
    assert len(list((whimbrel.cwd / "migrations-whimbrel").iterdir())) == 4


def test_host_language_migrations_are_refused_by_name(whimbrel, sqlite):
    as_left(whimbrel, sqlite, GOOSE)
    whimbrel.write("migrations/00004_code.go", "package migrations\n")
    result = whimbrel("convert", "--to", "whimbrel", "--yes", "-d", sqlite.url)
    assert result.code == 1 and "migrations/00004_code.go is a migration in Go" in result.err
    untouched(whimbrel, sqlite, TABLES)


def test_comments_that_are_markers_to_the_other_tool_are_noticed(whimbrel):
    whimbrel.write("migrations/00001_a.sql", "-- +goose Up\nCREATE TABLE a (id int);\n-- migrate:down\nCREATE TABLE b (id int);\n")
    result = whimbrel("convert", "--to", "dbmate", "--yes", "--lossy", "--files-only")
    assert result.code == 1 and "not-convertible" in result.err
    assert not (whimbrel.cwd / "migrations-dbmate").exists()


# ---- the table of docs/convert.md ----------------------------------------------------------------------------------

TRAITS = {
    "downs": "stays behind: ",
    "when it was applied": "does not say when each was applied",
    "how long it took": "does not say how long each took",
    "who applied it": "does not say who applied each",
    "runs, texts of what was applied": "keeps no runs and no texts",
}
TARGETS = ["atlas", "dbmate", "diesel", "flyway", "golang-migrate", "goose", "graphile", "liquibase", "node-pg-migrate", "prisma",
           "refinery", "sql-migrate", "sqitch", "sqlx", "tern"]


def documented():
    """Which of TARGETS hold what, as the table says."""
    text = (pathlib.Path(__file__).parents[2] / "docs/convert.md").read_text()
    titles = {"graphile-migrate": "graphile"}
    found = {}
    for what, held in re.findall(r"^\| ([^|]+) \| ([^|]+) \|$", text, re.M):
        if what.strip() not in TRAITS:
            continue
        names = [titles.get(name.strip().lower(), name.strip().lower()) for name in held.removeprefix("all but ").split(",")]
        is_listed = {name: name in names for name in TARGETS}
        found[what.strip()] = {name: listed != held.startswith("all but ") for name, listed in is_listed.items()}
    return found


def test_the_table_of_what_is_held_is_true(whimbrel, pg):
    for n in (1, 2, 3):
        whimbrel.write(f"migrations/2024010100000{n}_make_t{n}.up.sql", f"CREATE TABLE t{n} (id int);\n")
        whimbrel.write(f"migrations/2024010100000{n}_make_t{n}.down.sql", f"DROP TABLE t{n};\n")
    whimbrel.ok("migrate", "--to", "20240101000002", "-d", pg.url)
    pg.sql("UPDATE whimbrel_history SET duration_us = 1500000")
    held = {what: {} for what in TRAITS}
    for target in TARGETS:
        losses = whimbrel.ok("convert", "--to", target, "--dry-run", "-d", pg.url, "--output", "json").json["losses"]
        for what, sentence in TRAITS.items():
            held[what][target] = not any(sentence in loss for loss in losses)
    assert documented() == held


@pytest.mark.parametrize("target", ["alembic", "rails", "django", "laravel"])
def test_why_nothing_leads_to_a_host_language_is_said(whimbrel, sqlite, target):
    as_left(whimbrel, sqlite, GOOSE)
    result = whimbrel("convert", "--to", target, "--yes", "-d", sqlite.url)
    assert result.code == 1 and "not-convertible" in result.err and "are programs" in result.err
    untouched(whimbrel, sqlite, TABLES)


@pytest.mark.parametrize("target", ["sqitch", "graphile"])
def test_statements_outside_of_a_transaction_go_there_too(whimbrel, pg, target):
    whimbrel.write(
        "migrations/00001_body.sql",
        "-- +goose NO TRANSACTION\n-- +goose Up\nCREATE TABLE t1 (id int);\nCREATE INDEX CONCURRENTLY i ON t1 (id);\n",
    )
    whimbrel.write("migrations/00002_two.sql", "-- +goose Up\nCREATE TABLE t2 (id int);\n-- +goose Down\nDROP TABLE t2;\n")
    whimbrel.ok("migrate", "--to", "1", "-d", pg.url)
    whimbrel.ok("convert", "--to", target, "--yes", "--lossy", "-d", pg.url)
    document = status(whimbrel, pg)
    assert document["convention"] == target and states(document) == ["applied", "pending"]
    folder = whimbrel.cwd / f"migrations-{target}"
    if target == "sqitch":
        assert "BEGIN" not in (folder / "deploy/1_body.sql").read_text()
        assert "\nBEGIN;\n" in (folder / "deploy/2_two.sql").read_text()
        assert "BEGIN;\n\nDROP TABLE t2;\n\nCOMMIT;" in (folder / "revert/2_two.sql").read_text()
    else:
        text = (folder / "committed/000001-body.sql").read_text()
        assert "\n\n--! no-transaction\n" in text and "--! Message: body\n" in text
    whimbrel.ok("migrate", "-d", pg.url)
    whimbrel.ok("validate", "-d", pg.url)
    # And away from there: what belongs to the form stays behind.
    whimbrel.ok("convert", "--to", "goose", "--into", "again", "--to-table", "again", "--yes", "--lossy", "-d", pg.url)
    text = next((whimbrel.cwd / "again").glob("*_two.sql")).read_text()
    assert "BEGIN" not in text and "--!" not in text and "CREATE TABLE t2 (id int);" in text


def test_the_order_of_sqitchs_registry_is_that_of_the_plan(whimbrel, db):
    registry = f"reg_{db.name}" if db.engine == "mariadb" else "reg"
    as_left(whimbrel, db, GOOSE, files=4, applied=3)
    db.sql("UPDATE goose_db_version SET tstamp = '2024-01-02 03:04:05'")
    whimbrel.ok("convert", "--to", "sqitch", "--to-table", registry, "--yes", "--lossy", "-d", db.url)
    change = "`change`" if db.engine == "mariadb" else "change"
    query = f"SELECT {change}, (SELECT count(DISTINCT committed_at) FROM {registry}.changes) FROM {registry}.changes ORDER BY committed_at"
    if db.engine == "sqlite":
        query = f"ATTACH '{whimbrel.cwd / 'reg.db'}' AS reg; {query}"
    rows_there = [[str(field) for field in row] for row in db.sql(query)]
    assert rows_there == [[f"{n}_make_t{n}", "3"] for n in (1, 2, 3)]

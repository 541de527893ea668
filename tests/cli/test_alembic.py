# SPDX-License-Identifier: Apache-2.0
"""Alembic's projects: configuration, the graph of revisions, what is run and what is refused."""

import os
import re
import sqlite3

import pytest

URL = "sqlite:app.db"

HEAD = """from alembic import op
import sqlalchemy as sa

revision = "{revision}"
down_revision = {down}
depends_on = {depends}


def upgrade() -> None:
    {up}


def downgrade() -> None:
    {back}
"""


def write(project, revision, down="None", up=None, back=None, depends="None", folder="alembic/versions"):
    if re.fullmatch(r"\w+", down) and down != "None":
        down = f'"{down}"'
    up = up or f'op.execute("CREATE TABLE t_{revision} (id int)")'
    back = back or f'op.drop_table("t_{revision}")'
    project.write(
        f"{folder}/{revision}_made.py",
        f'"""make {revision}"""\n' + HEAD.format(revision=revision, down=down, up=up, back=back, depends=depends),
    )


@pytest.fixture
def project(whimbrel):
    whimbrel.write("alembic.ini", "[alembic]\nscript_location = %(here)s/alembic\npath_separator = os\n")
    write(whimbrel, "aa11")
    write(whimbrel, "bb22", "aa11")
    return whimbrel


def fork(project):
    """Two that follow bb22, and one that merges them is still to come."""
    write(project, "cc33", "bb22")
    write(project, "dd44", "bb22")


def versions(project, table="alembic_version"):
    out = project.database(f"SELECT version_num FROM {table} ORDER BY 1")
    return [row[0] for row in out]


@pytest.fixture(autouse=True)
def database(whimbrel):
    def ask(sql):
        connection = sqlite3.connect(whimbrel.cwd / "app.db")
        try:
            return connection.execute(sql).fetchall()
        finally:
            connection.close()

    whimbrel.database = ask


# ---- configuration


def test_the_project_is_read_from_alembic_ini(project):
    document = project.ok("status", "-d", URL, "--output", "json").json
    assert document["convention"] == "alembic"
    assert [(m["version"], m["name"]) for m in document["migrations"]] == [("aa11", "make aa11"), ("bb22", "make bb22")]


def test_several_locations_and_a_url_are_read(whimbrel):
    whimbrel.write(
        "alembic.ini",
        "[alembic]\n# a comment\nscript_location = %(here)s/db\nversion_locations = %(here)s/one:%(here)s/two\n"
        "path_separator = os\nsqlalchemy.url = sqlite:///%(name)s.db\nname = app\n\n[loggers]\nkeys = root\n",
    )
    write(whimbrel, "aa11", folder="one")
    write(whimbrel, "bb22", "aa11", folder="two")
    whimbrel.ok("migrate")
    assert versions(whimbrel) == ["bb22"]


def test_pyproject_is_read(whimbrel):
    whimbrel.write("pyproject.toml", '[tool.alembic]\nscript_location = "%(here)s/db"\nrecursive_version_locations = true\n')
    write(whimbrel, "aa11", folder="db/versions")
    write(whimbrel, "bb22", "aa11", folder="db/versions/2024")
    document = whimbrel.ok("status", "-d", URL, "--output", "json").json
    assert document["convention"] == "alembic"
    assert [m["version"] for m in document["migrations"]] == ["aa11", "bb22"]


def test_the_table_is_the_one_that_env_py_names(project):
    project.write(
        "alembic/env.py",
        "from alembic import context\nTABLE = 'app_version'\n"
        "def run():\n    with engine.connect() as connection:\n"
        "        context.configure(connection=connection, version_table=TABLE)\n",
    )
    project.ok("migrate", "-d", URL)
    assert versions(project, "app_version") == ["bb22"]


def test_a_table_that_only_python_knows_is_said(project):
    project.write("alembic/env.py", "context.configure(version_table=make_name())\n")
    result = project("status", "-d", URL)
    assert "only Python knows" in result.err and "--table" in result.err


def test_init_says_which_revisions_need_python(project):
    result = project.ok("init", "--from", "alembic")
    assert "every revision can be run from here" in result.out + result.err


def test_init_offers_the_command_that_writes_the_sql(project):
    write(project, "cc33", "bb22", up="for x in y:\n        pass")
    result = project.ok("init", "--from", "alembic")
    said = result.out + result.err
    assert "1 of 3 revisions need Python" in said and "cc33_made.py:11" in said and "--sql" in said


# ---- the graph


def test_heads_and_current_show_several(project):
    fork(project)
    assert [line.split()[0] for line in project.ok("heads").out.splitlines()] == ["dd44", "cc33"]
    project.ok("migrate", "-d", URL)
    assert versions(project) == ["cc33", "dd44"]
    assert sorted(line.split()[0] for line in project.ok("current", "-d", URL).out.splitlines()) == ["cc33", "dd44"]
    assert project.ok("current", "-d", URL, "--output", "json").json["currents"] == ["dd44", "cc33"]


def test_head_is_refused_where_there_are_several(project):
    fork(project)
    for words in (["migrate", "--to", "head"], ["stamp", "head"]):
        result = project(*words, "-d", URL)
        assert result.code == 2 and "there are 2 heads: dd44, cc33" in result.err
    project.ok("migrate", "--to", "heads", "-d", URL)
    assert versions(project) == ["cc33", "dd44"]


def test_a_target_takes_what_leads_to_it_and_leaves_the_rest(project):
    fork(project)
    project.ok("migrate", "--to", "cc", "-d", URL)
    assert versions(project) == ["cc33"]
    project.ok("migrate", "--to", "dd44", "-d", URL)
    assert versions(project) == ["cc33", "dd44"]
    project.ok("rollback", "--to", "bb22", "-d", URL, "--yes")
    assert versions(project) == ["bb22"]


def test_a_merge_is_one_row_and_comes_apart_again(project):
    fork(project)
    write(project, "ee55", "('cc33', 'dd44')")
    project.ok("migrate", "-d", URL)
    assert versions(project) == ["ee55"]
    project.ok("rollback", "-d", URL)
    assert versions(project) == ["cc33", "dd44"]
    project.ok("rollback", "--all", "-d", URL, "--yes")
    assert versions(project) == []


def test_what_is_depended_on_comes_first_and_needs_no_row(project):
    write(project, "zz99")
    write(project, "cc33", "bb22", depends="'zz99'")
    project.ok("migrate", "-d", URL)
    assert versions(project) == ["cc33"]
    project.ok("rollback", "-d", URL)
    assert versions(project) == ["bb22", "zz99"]


def test_stamping_moves_one_line_only(project):
    fork(project)
    project.ok("migrate", "--to", "aa11", "-d", URL)
    project.ok("stamp", "heads", "-d", URL)
    assert versions(project) == ["cc33", "dd44"]
    project.ok("stamp", "bb22", "-d", URL, "--yes")
    assert versions(project) == ["bb22"]
    project.ok("stamp", "dd44", "-d", URL)
    assert versions(project) == ["dd44"]
    project.ok("stamp", "base", "-d", URL, "--yes")
    assert versions(project) == []


def test_goto_stays_within_its_line(project):
    fork(project)
    project.ok("migrate", "-d", URL)
    project.ok("goto", "bb22", "-d", URL, "--yes")
    assert versions(project) == ["bb22"]
    project.ok("goto", "cc33", "-d", URL, "--yes")
    assert versions(project) == ["cc33"]


@pytest.mark.parametrize(
    "change, code, part",
    [
        (lambda p: write(p, "cc33", "ff66"), "bad-revision", "ff66, which is not here"),
        (lambda p: write(p, "aa11", "bb22"), "bad-revision", "comes before itself"),
        (lambda p: write(p, "cc33", "make()"), "bad-revision", "down_revision is make(), which only Python knows"),
        (lambda p: p.write("alembic/versions/other.py", "x = 1\n"), "bad-revision", "there is no `revision"),
        (lambda p: p.write("alembic/versions/twin.py", "revision = 'aa11'\ndown_revision = None\n"), "duplicate-version", "aa11"),
    ],
    ids=["missing-parent", "circle", "not-literal", "no-revision", "twins"],
)
def test_a_graph_that_does_not_fit_is_refused(project, change, code, part):
    change(project)
    for words in (["validate"], ["migrate"]):
        result = project(*words, "-d", URL, "--output", "json")
        assert result.code != 0 and part in result.out + result.err
        assert code in result.out + result.err
    assert not (project.cwd / "app.db").exists() or project.database("SELECT name FROM sqlite_master") == []


def test_validate_names_several_heads(project):
    assert "heads" not in project.ok("validate", "-d", URL).out
    fork(project)
    assert "2 heads: dd44, cc33; 'head' names none of them" in project.ok("validate", "-d", URL).out
    document = project.ok("validate", "-d", URL, "--output", "json").json
    assert document["valid"] and [found["state"] for found in document["findings"]] == ["several-heads"]
    refused = project("upgrade", "head", "-d", URL)
    assert refused.code == 2 and "there are 2 heads: dd44, cc33" in refused.err


def test_the_head_of_a_line_is_a_target(project):
    fork(project)
    path = project.cwd / "alembic/versions/dd44_made.py"
    path.write_text(path.read_text(encoding="utf-8") + 'branch_labels = ("side",)\n', encoding="utf-8")
    write(project, "ee55", "dd44")
    refused = project("upgrade", "bb22@head", "-d", URL)
    assert refused.code == 2 and "bb22@head could be any of ee55, cc33" in refused.err
    project.ok("upgrade", "side", "-d", URL)
    assert versions(project) == ["dd44"]
    project.ok("upgrade", "side@head", "-d", URL)
    assert versions(project) == ["ee55"]
    project.ok("upgrade", "cc33@head", "-d", URL)
    assert versions(project) == ["cc33", "ee55"]
    assert project("upgrade", "other@head", "-d", URL).code == 2


@pytest.fixture
def lines(project):
    """bb22 goes on with cc33 and with side; lone stands alone and needs bb22."""
    write(project, "cc33", "bb22")
    for revision, down, label, depends in (
        ("dd44", "bb22", "side", "None"), ("ee55", "dd44", "", "None"), ("ff66", "None", "lone", "'bb22'"),
        ("ff77", "ff66", "", "None"),
    ):
        write(project, revision, down, depends=depends)
        path = project.cwd / f"alembic/versions/{revision}_made.py"
        path.write_text(path.read_text() + (f"\nbranch_labels = '{label}'\n" if label else ""))
    return project


@pytest.mark.parametrize(
    "start, target, rows",
    [
        ("bb22", "side@+1", ["dd44"]), ("bb22", "side@+2", ["ee55"]), ("bb22", "lone@+1", ["ff66"]),
        ("aa11", "bb22+0", ["bb22"]), ("aa11", "ee55-1", ["dd44"]), ("aa11", "side@aa11+2", ["dd44"]),
        ("aa11", "side@ee", ["ee55"]), ("dd44", "+1", ["ee55"]), ("bb22", "lone@head", ["ff77"]), ("cc33", "side@head", ["cc33", "ee55"]),
    ],
)
def test_a_target_is_counted_along_its_line(lines, start, target, rows):
    lines.ok("upgrade", start, "-d", URL)
    lines.ok("upgrade", target, "-d", URL)
    assert versions(lines) == rows


@pytest.mark.parametrize(
    "target, rows",
    [
        ("side@base", []), ("lone@base", ["cc33", "ee55"]), ("side@-1", ["cc33", "dd44", "ff77"]),
        ("lone@-2", ["cc33", "ee55"]), ("side@bb22", ["cc33", "ff77"]), ("cc33@bb22", ["ee55", "ff77"]),
        ("ee55-2", ["ff77"]), ("bb22+0", ["ff77"]), ("side@bb22+1", ["cc33", "dd44", "ff77"]),
    ],
)
def test_going_back_keeps_to_the_line(lines, target, rows):
    lines.ok("upgrade", "heads", "-d", URL)
    assert lines("downgrade", target, "-d", URL, "--yes").code == 0
    assert versions(lines) == rows


@pytest.mark.parametrize(
    "words, part",
    [
        (("upgrade", "+1"), "+1 could be any of dd44, cc33"), (("upgrade", "bb22+1"), "bb22+1 could be any of dd44, cc33"),
        (("upgrade", "side@+3"), "there is no version side@+3"), (("upgrade", "side@cc33"), "there is no version side@cc33"),
        (("upgrade", "side@base"), "migrate goes up"), (("upgrade", "none@head"), "there is no migration 'none'"),
        (("downgrade", "lone@-1"), "there is no version lone@-1"), (("downgrade", "bb22@bb22"), "several lines go on from bb22"),
        (("stamp", "side@base"), "the base of a single line cannot be stamped"),
    ],
)
def test_a_target_that_is_not_one_is_refused(lines, words, part):
    lines.ok("upgrade", "bb22", "-d", URL)
    refused = lines(*words, "-d", URL, "--yes") if words[0] != "upgrade" else lines(*words, "-d", URL)
    assert refused.code == 2 and part in refused.err
    assert versions(lines) == ["bb22"]


@pytest.mark.parametrize(
    "span, rows",
    [
        ("bb22:ee55", "bb22 dd44 ee55"), ("aa11:current", "aa11 bb22"), ("current:", "bb22 cc33 dd44 ee55"), (":lone", "aa11 bb22 ff66"),
        ("-1:ee55", "dd44 ee55"), ("dd44:+1", "dd44 ee55"), ("lone:lone", "ff66"),
    ],
)
def test_a_range_is_what_lies_between(lines, span, rows):
    lines.ok("upgrade", "bb22", "-d", URL)
    document = lines.ok("status", "-d", URL, "--range", span, "--output", "json").json
    assert sorted(row["version"] for row in document["migrations"]) == rows.split()


@pytest.mark.parametrize("span, part", [("ee55", "Write FROM:TO"), ("cc33:ee55", "does not follow"), ("none:", "'none'")])
def test_what_is_no_range_is_refused(lines, span, part):
    refused = lines("status", "-d", URL, f"--rev-range={span}")
    assert refused.code == 2 and part in refused.err


def test_stamping_takes_back_what_needs_the_version(lines):
    lines.ok("upgrade", "lone", "-d", URL)
    assert versions(lines) == ["ff66"]
    lines.ok("stamp", "bb22", "-d", URL)
    assert versions(lines) == ["bb22"]


def test_a_label_that_is_not_known_leaves_the_graph_alone(project):
    path = project.cwd / "alembic/versions/bb22_made.py"
    path.write_text(path.read_text(encoding="utf-8") + 'branch_labels = ("side", cli.BRANCH)\n', encoding="utf-8")
    project.ok("upgrade", "side", "-d", URL)
    assert versions(project) == ["bb22"]


# ---- what is run


MADE_OF_PARTS = """from alembic import op
import sqlalchemy as sa
revision = "aa11"
down_revision = None
TABLES = ("t1", "t2")
def make(table, column="name"):
    op.create_table(table, sa.Column("id", sa.Integer(), primary_key=True), sa.Column(column, sa.String(20)))
def upgrade():
    engine = op.get_bind().dialect.name
    for table in TABLES:
        make(table)
        op.execute(f"INSERT INTO {table} (name) VALUES ('{engine}')")
    if engine == "oracle":
        op.execute("no SQL at all")
def downgrade():
    for table in TABLES:
        op.drop_table(table)
"""


def test_loops_helpers_and_conditions_are_followed(whimbrel):
    whimbrel.write("alembic.ini", "[alembic]\nscript_location = alembic\n")
    whimbrel.write("alembic/versions/aa11.py", MADE_OF_PARTS)
    whimbrel.ok("migrate", "-d", URL)
    assert whimbrel.database("SELECT name FROM t1 UNION ALL SELECT name FROM t2") == [("sqlite",), ("sqlite",)]
    whimbrel.ok("rollback", "-d", URL, "--yes")
    assert whimbrel.database("SELECT name FROM sqlite_master WHERE name LIKE 't_'") == []


@pytest.mark.parametrize(
    "change, part",
    [
        (lambda text: text.replace("def upgrade", "@skipped\ndef upgrade"), "a decorator on upgrade()"),
        (lambda text: text.replace("def make", "if x:\n    TABLES = ()\ndef make"), "goes through values"),
        (lambda text: text.replace("make(table)", "make(table, width=2)"), "calls make()"),
        (lambda text: text.replace("def make(table,", "def make(*table,"), "calls make()"),
    ],
    ids=["decorated", "assigned twice", "another parameter", "more parameters"],
)
def test_what_may_mean_more_is_refused(whimbrel, change, part):
    whimbrel.write("alembic.ini", "[alembic]\nscript_location = alembic\n")
    whimbrel.write("alembic/versions/aa11.py", change(MADE_OF_PARTS))
    result = whimbrel("migrate", "-d", URL)
    assert result.code == 1 and part in result.err


def test_what_only_python_can_run_stops_by_name_and_line(project):
    write(project, "cc33", "bb22", up="op.drop_table('x')\n    for name in names():\n        op.drop_table(name)")
    write(project, "dd44", "cc33")
    states = [m["state"] for m in project.ok("status", "-d", URL, "--output", "json").json["migrations"]]
    assert states == ["pending"] * 4
    result = project("migrate", "-d", URL)
    assert result.code == 1
    assert "cc33_made.py goes through values that only Python knows" in result.err
    assert "cc33_made.py:12" in result.err and "--from alembic" in result.err
    assert project.database("SELECT name FROM sqlite_master") == []
    project.ok("migrate", "--to", "bb22", "-d", URL)
    project.ok("stamp", "cc33", "-d", URL)
    project.ok("migrate", "-d", URL)
    assert versions(project) == ["dd44"]


OFFLINE = """BEGIN;

-- Running upgrade bb22 -> cc33

CREATE TABLE t_cc33 (id int);

INSERT INTO t_cc33 VALUES (1);

UPDATE alembic_version SET version_num='cc33' WHERE alembic_version.version_num = 'bb22';

COMMIT;

"""


def test_sql_beside_the_revision_stands_above_it(project):
    write(project, "cc33", "bb22", up="run_it()", back="undo_it()")
    project.write("alembic/versions/cc33_made.up.sql", OFFLINE)
    project.write(
        "alembic/versions/cc33_made.sqlite.down.sql",
        "-- Running downgrade cc33 -> bb22\n\nDROP TABLE t_cc33;\n\n"
        "UPDATE alembic_version SET version_num='bb22' WHERE alembic_version.version_num = 'cc33';\n",
    )
    project.write("alembic/versions/cc33_made.down.sql", "no SQL of SQLite's")
    project.ok("migrate", "-d", URL)
    assert versions(project) == ["cc33"] and project.database("SELECT id FROM t_cc33") == [(1,)]
    project.ok("rollback", "-d", URL)
    assert versions(project) == ["bb22"]


def test_python_that_is_newer_than_its_sql_is_told(project):
    write(project, "cc33", "bb22", up="run_it()")
    project.write("alembic/versions/cc33_made.up.sql", OFFLINE)
    python, sql = (project.cwd / f"alembic/versions/cc33_made.{suffix}" for suffix in ("py", "up.sql"))
    os.utime(python, (1_700_000_000, 1_700_000_000))
    os.utime(sql, (1_700_000_000, 1_700_000_000))
    assert "was changed after" not in project.ok("status", "-d", URL).err
    os.utime(python, (1_700_000_060, 1_700_000_060))
    assert "cc33_made.py was changed after the SQL beside it was written" in project.ok("status", "-d", URL).err


@pytest.mark.parametrize(
    "text, part",
    [
        (OFFLINE.replace("-> cc33", "-> dd44"), "holds the SQL of another revision"),
        (OFFLINE.replace("upgrade", "downgrade"), "holds the SQL of another revision"),
        (OFFLINE + OFFLINE, "holds the SQL of its revision twice"),
        (OFFLINE.replace("bb22 ->", "aa11 ->"), "when its revision followed another one than now"),
        (OFFLINE.replace("bb22 ->", "->"), "when its revision followed another one than now"),
        (OFFLINE.replace("bb22 ->", "aa11, bb22 ->"), "when its revision followed another one than now"),
    ],
    ids=["another", "the-other-way", "twice", "moved", "moved from the base", "was a merge"],
)
def test_sql_of_another_revision_is_refused(project, text, part):
    write(project, "cc33", "bb22", up="run_it()")
    project.write("alembic/versions/cc33_made.up.sql", text)
    result = project("migrate", "-d", URL)
    assert result.code == 1 and part in result.err
    assert project.database("SELECT name FROM sqlite_master") == []


def test_a_place_in_a_failing_call_is_one_of_the_python_file(project):
    write(project, "cc33", "bb22", up='op.execute("""\n        SELECT 1;\n        SELECT nothing;\n    """)')
    result = project("migrate", "-d", URL)
    assert result.code == 1 and "cc33_made.py:12" in result.err


def test_a_revision_without_file_is_missing(project):
    project.ok("migrate", "-d", URL)
    next((project.cwd / "alembic" / "versions").glob("bb22*")).unlink()
    result = project("validate", "-d", URL)
    assert result.code != 0 and "bb22" in result.out + result.err


def test_a_table_of_another_shape_is_refused(project):
    connection = sqlite3.connect(project.cwd / "app.db")
    connection.execute("CREATE TABLE alembic_version (version int)")
    connection.commit()
    connection.close()
    result = project("status", "-d", URL, "--convention", "alembic", "--output", "json")
    assert result.code != 0 and "foreign-history" in result.out + result.err


def test_a_new_revision_follows_the_head(project):
    project.ok("new", "add users & more")
    made = [p for p in (project.cwd / "alembic" / "versions").glob("*.py") if "_made" not in p.name]
    assert len(made) == 1 and re.fullmatch(r"[0-9a-f]{12}_add_users_more\.py", made[0].name)
    text = made[0].read_text(encoding="utf-8")
    compile(text, made[0].name, "exec")
    assert f'revision = "{made[0].name[:12]}"' in text and 'down_revision = "bb22"' in text
    document = project.ok("status", "-d", URL, "--output", "json").json
    assert [m["version"] for m in document["migrations"]] == ["aa11", "bb22", made[0].name[:12]]
    project.ok("migrate", "-d", URL)


def test_a_new_revision_cannot_follow_several_heads(project):
    fork(project)
    result = project("new", "more")
    assert result.code == 1 and "2 heads" in result.err


# ---- transactions on PostgreSQL


def broken(project):
    write(project, "cc33", "bb22", up='op.execute("SELECT nothing")')


def test_a_run_is_one_transaction_on_postgresql(project, pg):
    broken(project)
    assert project("migrate", "-d", pg.url).code == 1
    assert pg.value("SELECT to_regclass('t_aa11') IS NULL") == "t"


def test_a_migration_is_one_where_env_py_says_so(project, pg):
    broken(project)
    project.write("alembic/env.py", "context.configure(transaction_per_migration=True)\n")
    assert project("migrate", "-d", pg.url).code == 1
    assert pg.sql("SELECT version_num FROM alembic_version") == [("bb22",)]


def test_a_block_of_its_own_runs_outside_a_transaction(project, pg):
    write(
        project, "cc33", "bb22",
        up='with op.get_context().autocommit_block():\n'
        '        op.create_index("ix_t", "t_bb22", ["id"], postgresql_concurrently=True)',
        back='op.drop_index("ix_t", table_name="t_bb22")',
    )
    project.ok("migrate", "-d", pg.url)
    assert pg.sql("SELECT version_num FROM alembic_version") == [("cc33",)]
    assert pg.value("SELECT indisvalid FROM pg_index WHERE indexrelid = 'ix_t'::regclass") == "t"


# ---- tables that SQLite has to make anew


REBUILD = """with op.batch_alter_table("t") as batch_op:
        batch_op.alter_column("name", new_column_name="title", type_=sa.Text(), nullable=False)
        batch_op.drop_column("old")
        batch_op.create_unique_constraint("uq_t", ["name"])"""
TABLE = (
    "CREATE TABLE t (id INTEGER NOT NULL, name VARCHAR(5), old INT DEFAULT 1, PRIMARY KEY (id)MORE);"
    "CREATE INDEX ix_t ON t (name); INSERT INTO t (id, name) VALUES (1, 'a'), (2, 'b')"
)


def rebuilding(project, more="", also="SELECT 1", batch=REBUILD):
    start = "\n    ".join(f'op.execute("{sql.strip()}")' for sql in [*TABLE.replace("MORE", more).split(";"), also])
    back = """with op.batch_alter_table("t") as batch_op:
        batch_op.alter_column("title", new_column_name="name", nullable=True)"""
    write(project, "cc33", "bb22", up=start)
    write(project, "dd44", "cc33", up=batch, back=back)


def test_a_table_is_made_anew_as_it_is_when_its_turn_comes(project):
    """The table is made in the same run."""
    rebuilding(project)
    plan = project.ok("plan", "-d", URL).out
    assert 'ALTER TABLE "t" REBUILD FROM WHAT IT IS THEN, ALEMBIC BATCH 1' in plan
    project.ok("migrate", "-d", URL)
    assert versions(project) == ["dd44"]
    assert project.database("SELECT * FROM t") == [(1, "a"), (2, "b")]
    columns = project.database("SELECT name, type, \"notnull\", pk FROM pragma_table_info('t')")
    assert columns == [("id", "INTEGER", 1, 1), ("title", "TEXT", 1, 0)]
    made = dict(project.database("SELECT name, sql FROM sqlite_master WHERE tbl_name = 't'"))
    assert made["ix_t"] == 'CREATE INDEX "ix_t" ON "t" ("title")'
    assert 'CONSTRAINT "uq_t" UNIQUE ("title")' in made["t"]
    project.ok("rollback", "-d", URL, "--yes")
    assert project.database("SELECT name, \"notnull\" FROM pragma_table_info('t')") == [("id", 1), ("name", 0)]
    assert project.database("SELECT * FROM t") == [(1, "a"), (2, "b")]
    assert project.database("SELECT name FROM sqlite_master WHERE name LIKE '!_alembic%' ESCAPE '!'") == []


@pytest.mark.parametrize(
    "change, part",
    [
        ({"more": ", CHECK (id > 0)"}, "a CHECK without a name"),
        ({"more": ", UNIQUE (name COLLATE NOCASE)"}, "a key of more than columns"),
        ({"also": "CREATE TRIGGER tr AFTER DELETE ON t BEGIN SELECT 1; END"}, "a trigger"),
        ({"also": "CREATE INDEX ix_e ON t (lower(name))"}, "a key of more than columns"),
        ({"also": "CREATE INDEX ix_old ON t (old)"}, "the index ix_old without one of its columns"),
        ({"also": "DROP TABLE t"}, "the table t, which is not there"),
        ({"batch": REBUILD.replace('"old"', '"older"')}, "drops the column older, which the table t has not"),
        ({"batch": REBUILD.replace("sa.Text()", "sa.DateTime()")}, "CAST would leave numbers"),
        ({"also": "UPDATE t SET name = NULL"}, "NOT NULL constraint failed"),
    ],
    ids=["check", "collation", "trigger", "expression", "index", "no table", "no column", "cast", "data"],
)
def test_what_a_new_table_would_lose_stops_it(project, change, part):
    rebuilding(project, **change)
    project.ok("migrate", "--to", "cc33", "-d", URL)
    before = project.database("SELECT sql FROM sqlite_master")
    result = project("migrate", "-d", URL)
    assert result.code == 1 and part in result.err and "dd44_made.py" in result.err
    assert versions(project) == ["cc33"]
    assert project.database("SELECT sql FROM sqlite_master") == before


def test_a_table_is_not_made_anew_while_rows_hang_on_it(project):
    rebuilding(project)
    result = project("migrate", "-d", URL + "?foreign_keys=on")
    assert result.code == 1 and "while foreign keys are on" in result.err
    assert versions(project) == ["cc33"]

# SPDX-License-Identifier: Apache-2.0
"""What is Atlas' own: atlas.sum, directives, checkpoints, rows that say how far a migration came, its table's place, atlas.hcl."""

import json
import re

import pytest
from layouts import Atlas
from servers import SqliteDatabase

LAYOUT = Atlas()
WORDS = ["-m", "migrations", "--convention", "atlas"]
ROW = "version, description, type, applied, total, executed_at, execution_time, error, error_stmt, hash, partial_hashes, operator_version"


def files(program, texts, sums=True):
    for name, text in texts.items():
        program.write(f"migrations/{name}", text)
    if sums:
        program.write("migrations/atlas.sum", LAYOUT.sums(program.cwd / "migrations"))


def states(program, db, *words):
    document = program.ok("status", "--output", "json", "-d", db.url, *WORDS, *words).json
    return [(row["version"], row["state"]) for row in document["migrations"]]


def row(db, version, kind=2, applied=1, total=1, error="", partial="NULL"):
    db.sql(
        f"INSERT INTO atlas_schema_revisions ({ROW}) VALUES ('{version}', 'x', {kind}, {applied}, {total}, "
        f"'2026-11-21 03:54:23', 1000000, '{error}', '', '', {partial}, 'Atlas CLI v1.2.3')"
    )


@pytest.fixture
def made(sqlite):
    sqlite.sql(LAYOUT.history("sqlite", 0)[0])
    return sqlite


INIT, ADD = "CREATE TABLE t (id int);\n", "ALTER TABLE t ADD COLUMN c int;\n"
# What Atlas itself makes of these two files, and with a third in between that is left out.
SUMS = """h1:PGjqr0yApLDbPMAwf5xmJtsyXV+SuXwyCzClJzGTvjg=
20240101000000_init.sql h1:SHzK9HMd1VJXxyfkB4DdEsZDHvMZKf0Wuy5nmE70+m8=
20240102000000_add.sql h1:GVABBxD8QtLtQX2r5BCsmohPCjUeeNvgQKnsQzE7LPA=
"""
SUMS_IGNORED = """h1:wlAdUqi9ssgffJ6mIxrXTose48j4bqDoJq9Lu7XPyx8=
20240101000000_init.sql h1:SHzK9HMd1VJXxyfkB4DdEsZDHvMZKf0Wuy5nmE70+m8=
20240102000000_add.sql h1:KSCKX39b2UomMsHxPKvyjR57sEJCF3kR+b0kYYvC21k=
"""


def test_sums_are_those_of_atlas(whimbrel, made):
    files(whimbrel, {"20240101000000_init.sql": INIT, "20240102000000_add.sql": ADD}, sums=False)
    missing = whimbrel("status", "-d", made.url, *WORDS)
    assert missing.code != 0 and "there is no migrations/atlas.sum" in missing.err
    whimbrel.ok("repair", "--yes", "-d", made.url, *WORDS)
    assert (whimbrel.cwd / "migrations/atlas.sum").read_text() == SUMS
    files(whimbrel, {"20240101120000_ign.sql": "-- atlas:sum ignore\n\nSELECT 1;\n"}, sums=False)
    whimbrel.ok("repair", "--yes", "-d", made.url, *WORDS)
    assert (whimbrel.cwd / "migrations/atlas.sum").read_text() == SUMS_IGNORED
    assert "Nothing to repair" in whimbrel.ok("repair", "--yes", "-d", made.url, *WORDS).out


@pytest.mark.parametrize(
    "change, said",
    [
        ({"20240102000000_add.sql": "SELECT 1;\n"}, "20240102000000_add.sql was edited"),
        ({"20240101000000_init.sql": None}, "20240101000000_init.sql was removed"),
        ({"20240101120000_mid.sql": "SELECT 1;\n"}, "20240101120000_mid.sql was added"),
        ({"20240103000000_end.sql": "SELECT 1;\n"}, "20240103000000_end.sql was added"),
        ({"atlas.sum": SUMS.replace("h1:PG", "h1:XX")}, "its first line is not the sum of the others"),
        ({"atlas.sum": SUMS + "<<<<<<< HEAD\n"}, "this is no line of it"),
    ],
)
def test_the_first_file_that_differs_is_named_and_accepted_by_repair(whimbrel, made, change, said):
    files(whimbrel, {"20240101000000_init.sql": INIT, "20240102000000_add.sql": ADD, "atlas.sum": SUMS}, sums=False)
    whimbrel.ok("status", "-d", made.url, *WORDS)
    for name, text in change.items():
        if text is None:
            (whimbrel.cwd / "migrations" / name).unlink()
        else:
            whimbrel.write(f"migrations/{name}", text)
    for command in (["status"], ["migrate"], ["plan"], ["new", "x"]):
        refused = whimbrel(*command, "-d", made.url, *WORDS)
        assert refused.code != 0 and said in refused.err, refused
    assert made.value("SELECT count(*) FROM atlas_schema_revisions") in (0, "0")
    document = whimbrel.ok("repair", "--yes", "-d", made.url, *WORDS, "--output", "json").json
    assert [action["action"] for action in document["actions"]] == ["settle-files"]
    assert (whimbrel.cwd / "migrations/atlas.sum").read_text() == LAYOUT.sums(whimbrel.cwd / "migrations")
    whimbrel.ok("status", "-d", made.url, *WORDS)


def test_new_and_rebase_keep_the_sums(whimbrel, made):
    made_files = whimbrel.ok("new", "a", "-d", made.url, *WORDS, "--output", "json").json["paths"]
    assert len(made_files) == 1 and re.fullmatch(r"migrations/\d{14}_a\.sql", made_files[0])
    whimbrel.ok("status", "-d", made.url, *WORDS)
    pair = whimbrel.ok("new", "b", "--reversible", "-d", made.url, *WORDS, "--output", "json").json["paths"]
    assert pair[1] == pair[0].replace("migrations/", "migrations/rollback/")
    whimbrel.ok("status", "-d", made.url, *WORDS)
    for path in (*made_files, *pair):
        (whimbrel.cwd / path).write_text("SELECT 1;\n")
    files(whimbrel, {"20990101000000_late.sql": "SELECT 1;\n"})
    row(made, "20990101000000")
    whimbrel.ok("rebase", "--yes", "-d", made.url, *WORDS)
    assert [state for _, state in states(whimbrel, made)] == ["applied", "pending", "pending"]


def test_what_runs_outside_of_a_transaction_is_a_journal(whimbrel, sqlite):
    text = "-- a remark\n-- atlas:txmode none\n\n-- first\nCREATE TABLE t (id int);\nALTER TABLE t ADD COLUMN c int;\nINSERT INTO later VALUES (1);\n"
    files(whimbrel, {"1_a.sql": text})
    assert whimbrel("migrate", "-d", sqlite.url, *WORDS).code != 0
    (left,) = sqlite.sql("SELECT applied, total, error, error_stmt, partial_hashes, type FROM atlas_schema_revisions")
    assert [int(left[0]), int(left[1]), int(left[5])] == [2, 3, 2] and "later" in left[2]
    assert left[3] == "INSERT INTO later VALUES (1);"
    # Atlas' own digests of these two statements.
    assert json.loads(left[4]) == ["h1:MqHbAvZWFUvn+jWeSHim8ncO6SadWY8FV8lAaQ1hSiM=", "h1:U9paKiojqxLJxMgV746gAaKOhjvzhpy9AGAK4DJpd94="]
    assert states(whimbrel, sqlite) == [("1", "partial")]
    sqlite.sql("CREATE TABLE later (id int)")
    whimbrel.ok("resume", "-d", sqlite.url, *WORDS)
    (left,) = sqlite.sql("SELECT applied, total, error, error_stmt, partial_hashes IS NULL FROM atlas_schema_revisions")
    assert [str(field) for field in left] == ["3", "3", "", "", "1"]


def test_a_directive_without_an_empty_line_behind_counts_for_nothing(whimbrel, sqlite):
    files(whimbrel, {"1_a.sql": "-- atlas:txmode none\nCREATE TABLE t (id int);\nINSERT INTO later VALUES (1);\n"})
    assert whimbrel("migrate", "-d", sqlite.url, *WORDS).code != 0
    assert states(whimbrel, sqlite) == [("1", "pending")]
    files(whimbrel, {"1_a.sql": "-- atlas:txmode all\n\nSELECT 1;\n"})
    refused = whimbrel("status", "-d", sqlite.url, *WORDS)
    assert refused.code != 0 and 'cannot have the transaction mode "all"' in refused.err


def test_a_half_done_down_stops_atlas_too(whimbrel, maria):
    files(
        whimbrel,
        {
            "1_a.sql": "CREATE TABLE a (id int);\n",
            "rollback/1_a.sql": "DROP TABLE a;\nDROP TABLE later;\nSELECT 1;\n",
        },
    )
    whimbrel.ok("migrate", "-d", maria.url, *WORDS)
    assert whimbrel("rollback", "-d", maria.url, *WORDS).code != 0
    (left,) = maria.sql("SELECT applied, total, partial_hashes, error FROM atlas_schema_revisions")
    # Atlas compares the first digest with its file, and refuses to go on.
    assert (left[0], left[1], json.loads(left[2])) == ("1", "2", ["whimbrel: 1 of 3 down"]) and "later" in left[3]
    assert states(whimbrel, maria) == [("1", "partial")]
    maria.sql("CREATE TABLE later (id int)")
    whimbrel.ok("resume", "-d", maria.url, *WORDS)
    assert maria.value("SELECT count(*) FROM atlas_schema_revisions") == "0"


def test_states_are_those_of_the_rows(whimbrel, made):
    files(whimbrel, {f"{n}_x.sql": f"CREATE TABLE t{n} (id int);\nSELECT 1;\n" for n in range(1, 7)})
    made.sql(
        f"INSERT INTO atlas_schema_revisions ({ROW}) VALUES ('.atlas_cloud_identifier', '8d7e8f1c-0000-4000-8000-000000000000', 2, 0, 0, "
        "'2026-11-21 03:54:23', 0, '', '', '', NULL, 'Atlas CLI v1.2.3')"
    )
    row(made, "2", kind=1, applied=0, total=0)
    row(made, "3", applied=2, total=2)
    row(made, "4", kind=4, applied=0, total=0)
    row(made, "5", kind=6, applied=1, total=2, error="it broke")
    row(made, "6", applied=1, total=2, error="it broke", partial="""'["h1:x"]'""")
    row(made, "9", applied=1, total=1)
    assert [state for _, state in states(whimbrel, made)] == ["skipped", "baselined", "applied", "applied", "applied", "partial", "missing"]
    assert whimbrel("resume", "-d", made.url, *WORDS).code != 0


def test_fresh_databases_begin_at_the_last_checkpoint(whimbrel, sqlite, tmp_path):
    """What Atlas' current releases do; others are passed over once something is recorded."""
    texts = {
        "1_a.sql": "CREATE TABLE a (id int);\n",
        "2_all.sql": "-- atlas:checkpoint v2\n\nCREATE TABLE a (id int);\nCREATE TABLE b (id int);\n",
        "3_c.sql": "CREATE TABLE c (id int);\n",
    }
    files(whimbrel, texts)
    whimbrel.ok("migrate", "-d", sqlite.url, *WORDS)
    assert states(whimbrel, sqlite) == [("1", "skipped"), ("2", "applied"), ("3", "applied")]
    # One that has come as far already knows nothing of it.
    other = SqliteDatabase(tmp_path / "other.db")
    other.sql(LAYOUT.history("sqlite", 0)[0])
    row(other, "1")
    whimbrel.ok("migrate", "-d", other.url, *WORDS)
    assert states(whimbrel, other) == [("1", "applied"), ("2", "skipped"), ("3", "applied")]


def test_parts_of_a_file_run_each_in_its_direction(whimbrel, sqlite):
    text = "-- atlas:txtar\n\n-- migration.sql --\nCREATE TABLE a (id int);\n-- down.sql --\nDROP TABLE a;\n"
    files(whimbrel, {"1_a.sql": text})
    whimbrel.ok("migrate", "-d", sqlite.url, *WORDS)
    whimbrel.ok("rollback", "-d", sqlite.url, *WORDS)
    assert states(whimbrel, sqlite) == [("1", "pending")]


def test_checks_of_a_file_come_before_it(whimbrel, db):
    text = (
        "-- atlas:txtar\n\n-- checks/empty.sql --\n-- atlas:assert DS102\n\n-- nobody is in it;\n"
        "SELECT NOT EXISTS (SELECT 1 FROM a);\nSELECT 2 > 1;\n"
        "-- checks.sql --\n-- atlas:assert oneof\n\nSELECT 1 > 2;\nSELECT count(*) = 0 FROM a;\n-- migration.sql --\nDROP TABLE a;\n"
    )
    files(whimbrel, {"1_a.sql": "CREATE TABLE a (id int);\nINSERT INTO a VALUES (1);\n", "2_b.sql": text})
    refused = whimbrel("migrate", "-d", db.url, *WORDS, "--output", "json").json["error"]
    assert refused["code"] == "precondition-failed" and refused["line"] == 7, refused
    assert "checks/empty.sql of migrations/2_b.sql" in refused["message"]
    assert db.value("SELECT count(*) FROM a") == "1"
    assert states(whimbrel, db) == [("1", "applied"), ("2", "pending")]
    db.sql("DELETE FROM a")
    whimbrel.ok("migrate", "-d", db.url, *WORDS)
    assert states(whimbrel, db) == [("1", "applied"), ("2", "applied")]


def test_one_of_several_checks_has_to_hold(whimbrel, sqlite):
    text = "-- atlas:txtar\n\n-- checks.sql --\n-- atlas:assert oneof\n\nSELECT 1 > 2;\nSELECT NULL;\n-- migration.sql --\nSELECT 1;\n"
    files(whimbrel, {"1_a.sql": text})
    refused = whimbrel("migrate", "-d", sqlite.url, *WORDS)
    assert refused.code != 0 and "none of its checks holds" in refused.err
    files(whimbrel, {"1_a.sql": text.replace("SELECT NULL", "SELECT nothing FROM nowhere")})
    refused = whimbrel("migrate", "-d", sqlite.url, *WORDS)
    assert refused.code != 0 and "asking checks.sql of migrations/1_a.sql" in refused.err


def test_what_came_late_is_passed_over_where_atlas_hcl_says_so(whimbrel, sqlite):
    files(whimbrel, {f"{n}_x.sql": f"CREATE TABLE t{n} (id int);\n" for n in (2, 4)})
    whimbrel.ok("migrate", "-d", sqlite.url, *WORDS)
    files(whimbrel, {f"{n}_x.sql": f"CREATE TABLE t{n} (id int);\n" for n in (2, 3, 4, 5)})
    assert whimbrel("migrate", "-d", sqlite.url, *WORDS).code != 0

    def order(word):
        whimbrel.write("atlas.hcl", f'env "x" {{\n  migration {{\n    dir = "file://migrations"\n    exec_order = {word}\n  }}\n}}\n')

    order("LINEAR_SKIP")
    whimbrel.ok("migrate", "-d", sqlite.url, *WORDS)
    assert states(whimbrel, sqlite) == [("2", "applied"), ("3", "skipped"), ("4", "applied"), ("5", "applied")]
    assert sqlite.value("SELECT count(*) FROM atlas_schema_revisions") == "3"
    order("SOMEHOW")
    assert "there is no exec_order SOMEHOW" in whimbrel("status", "-d", sqlite.url, *WORDS).err
    order("NON_LINEAR")
    whimbrel.ok("migrate", "-d", sqlite.url, *WORDS)
    assert {state for _, state in states(whimbrel, sqlite)} == {"applied"}


def test_the_lock_of_sqlite_is_a_file(whimbrel, sqlite):
    files(whimbrel, {"1_a.sql": "CREATE TABLE a (id int);\n"})
    whimbrel.write("temporary/atlas_migrate_execute.lock", "")
    lock = whimbrel.cwd / "temporary/atlas_migrate_execute.lock"
    environment = {"TMPDIR": str(lock.parent)}
    lock.write_text("4102444800000000000")  # of the year 2100
    held = whimbrel("migrate", "-d", sqlite.url, *WORDS, "--lock-wait", "0", env=environment)
    assert held.code == 4 and "atlas_migrate_execute.lock, Atlas" in held.err, held.err
    assert "atlas_migrate_execute.lock" in whimbrel.ok("lock", "list", "-d", sqlite.url, *WORDS, env=environment).out
    lock.write_text("1600000000000000000")  # has ended
    whimbrel.ok("migrate", "-d", sqlite.url, *WORDS, env=environment)
    assert not lock.exists()
    # Another whimbrel's, on whatever database: the database's own lock is what holds there.
    lock.write_text("4102444800000000615")
    whimbrel.ok("rollback", "--fake", "-d", sqlite.url, *WORDS, env=environment)
    whimbrel.ok("stamp", "head", "-d", sqlite.url, *WORDS, env=environment)
    assert lock.read_text() == "4102444800000000615"
    # What is no lock, and a folder that is not there, are in nobody's way.
    files(whimbrel, {"1_a.sql": "CREATE TABLE a (id int);\n", "2_b.sql": "CREATE TABLE b (id int);\n"})
    lock.write_text("not a time")
    whimbrel.ok("migrate", "-d", sqlite.url, *WORDS, env=environment)
    assert lock.read_text() == "not a time"
    whimbrel.ok("rollback", "--fake", "-d", sqlite.url, *WORDS, env={"TMPDIR": str(whimbrel.cwd / "nowhere")})


def test_sums_tell_which_files_count(whimbrel, sqlite):
    """Both forms may lie in one folder: atlas.sum names those of the one that is meant."""
    texts = {"1_x.up.sql": "CREATE TABLE t1 (id int);\n", "1_x.down.sql": "DROP TABLE t1;\n"}
    sqlite.sql("PRAGMA user_version = 0")
    files(whimbrel, texts)  # Atlas' own form: each is a migration, and both have one version
    assert "duplicate" in whimbrel("status", "-d", sqlite.url, *WORDS, "--output", "json").json["error"]["code"]
    (whimbrel.cwd / "migrations/atlas.sum").unlink()
    whimbrel.ok("repair", "--yes", "-d", sqlite.url, *WORDS)
    whimbrel.write("migrations/0_draft.sql", "SELECT nonsense;\n")
    whimbrel.ok("migrate", "-d", sqlite.url, *WORDS)
    assert states(whimbrel, sqlite) == [("1", "applied")]


def test_another_delimiter_is_read_as_atlas_reads_it(whimbrel, sqlite):
    text = (
        "-- atlas:delimiter \\n\\n\\n\nCREATE TABLE a (t text); -- \n\n\n/* one */\nINSERT INTO a VALUES ('x;\n\n\ny')\n\n\n"
        "INSERT INTO a VALUES (\n\n\n'z');\n\n\n-- no more"
    )
    files(whimbrel, {"1_a.sql": text})
    whimbrel.ok("migrate", "-d", sqlite.url, *WORDS)
    assert [tuple(pair) for pair in sqlite.sql("SELECT t FROM a")] == [("x;\n\n\ny",), ("z",)]


def test_golang_migrates_form_has_its_downs(whimbrel, made):
    texts = {}
    for n in (1, 2):
        texts[f"{n}_x.up.sql"] = f"CREATE TABLE t{n} (id int);\n"
        texts[f"{n}_x.down.sql"] = f"DROP TABLE t{n};\n"
    files(whimbrel, texts, sums=False)
    whimbrel.ok("repair", "--yes", "-d", made.url, *WORDS)
    assert "down" not in (whimbrel.cwd / "migrations/atlas.sum").read_text()
    whimbrel.ok("migrate", "-d", made.url, *WORDS)
    assert [pair[0] for pair in made.sql("SELECT description FROM atlas_schema_revisions ORDER BY version")] == ["x", "x"]
    whimbrel.ok("rollback", "-d", made.url, *WORDS)
    assert states(whimbrel, made) == [("1", "applied"), ("2", "pending")]
    new = whimbrel.ok("new", "y", "-d", made.url, *WORDS, "--output", "json").json["paths"]
    assert [path.split("_y", 1)[1] for path in new] == [".up.sql", ".down.sql"]
    whimbrel.ok("status", "-d", made.url, *WORDS)


def test_names_decide_the_order(whimbrel, sqlite):
    """Atlas sorts the names of files: 10_ comes before 1_."""
    files(whimbrel, {f"{n}_x.sql": f"CREATE TABLE t{n} (id int);\n" for n in (1, 2, 10)})
    whimbrel.ok("migrate", "-d", sqlite.url, *WORDS)
    assert [pair[0] for pair in sqlite.sql("SELECT version FROM atlas_schema_revisions ORDER BY rowid")] == ["10", "1", "2"]
    assert [state for _, state in states(whimbrel, sqlite)] == ["applied"] * 3


HCL = """
variable "dir" {
  type    = string
  default = "file://steps"
}
locals {
  // url = "sqlite://no.db"
  path = <<EOT
  url = "sqlite://no.db"
EOT
}
env "local" {
  url = getenv("APP_DB")
  dev = "docker://postgres/15/dev"
  migration {
    dir        = var.dir
    exec_order = NON_LINEAR
  }
}
env "prod" {
  url = "sqlite://${local.path}"
  migration {
    dir = "file://steps"
    baseline = "1"
  }
}
"""


def test_atlas_hcl_is_read_as_far_as_it_says_things(whimbrel, sqlite):
    whimbrel.write("atlas.hcl", HCL)
    whimbrel.write("steps/1_a.sql", "CREATE TABLE a (id int);\n")
    whimbrel.write("steps/2_b.sql", "CREATE TABLE b (id int);\n")
    whimbrel.write("steps/atlas.sum", LAYOUT.sums(whimbrel.cwd / "steps"))
    environment = {"APP_DB": "sqlite://app.db?_fk=1"}
    undecided = whimbrel("status", env=environment)
    assert undecided.code != 0
    whimbrel.ok("migrate", "-e", "local", "--to", "2", env=environment)
    sqlite.sql("DELETE FROM atlas_schema_revisions WHERE version = '1'")
    sqlite.sql("DROP TABLE a")
    whimbrel.ok("migrate", "-e", "local", env=environment)
    assert sqlite.value("SELECT count(*) FROM atlas_schema_revisions") in (2, "2")
    other = whimbrel.ok("status", "-e", "prod", "-d", sqlite.url)
    assert "atlas.hcl:21 works url out" in other.err and "whimbrel baseline 1" in other.err
    whimbrel.write("atlas.hcl", 'env "x" {\n  migration {\n    dir = "file://steps?format=goose"\n  }\n}\n')
    refused = whimbrel("status", "-d", sqlite.url)
    assert refused.code != 0 and "files of the format goose" in refused.err


def test_the_tables_place_is_not_guessed(whimbrel, pg):
    files(whimbrel, {"1_a.sql": "CREATE TABLE a (id int);\n"})
    # Without a schema in the URL Atlas keeps it in a schema of its own.
    whimbrel.ok("migrate", "-d", pg.url, *WORDS)
    assert pg.value("SELECT count(*) FROM atlas_schema_revisions.atlas_schema_revisions") == "1"
    assert whimbrel.ok("status", "-d", pg.url, "--output", "json").json["convention"] == "atlas"
    bound = f"{pg.url}?search_path=public"
    refused = whimbrel("status", "-d", bound, *WORDS)
    assert refused.code != 0 and "it is not clear which of them is meant" in refused.err
    whimbrel.ok("status", "-d", bound, *WORDS, "--table", "atlas_schema_revisions.atlas_schema_revisions")
    pg.sql("DROP SCHEMA atlas_schema_revisions CASCADE")
    pg.sql("DROP TABLE a")
    whimbrel.ok("migrate", "-d", bound, *WORDS)
    assert pg.value("SELECT count(*) FROM public.atlas_schema_revisions") == "1"
    assert states(whimbrel, pg) == [("1", "applied")]


def test_a_table_of_another_shape_is_refused(whimbrel, sqlite):
    files(whimbrel, {"1_a.sql": "SELECT 1;\n"})
    sqlite.sql("CREATE TABLE atlas_schema_revisions (version int, description text)")
    refused = whimbrel("status", "-d", sqlite.url, *WORDS)
    assert refused.code != 0 and "is not a history of Atlas" in refused.err

# SPDX-License-Identifier: Apache-2.0
"""What changes under a run: the history between two of its migrations, and room on the disk."""

import pytest

from gate import ALL_APPLIED, at_the_gate, history, three

HISTORY = "whimbrel_history"


def row_of(version):
    """An INSERT that records a version, as another runner might."""
    return (
        f"INSERT INTO {HISTORY} (namespace, id, ordinal, version, name, kind, outcome, run, checksum, tokens, done, total, "
        f"fate_unknown, applied_by, host, program) SELECT namespace, replace(id, '1', '{version}'), 1000, '{version}', name, kind, outcome, run, "
        f"checksum, tokens, done, total, fate_unknown, applied_by, host, program FROM {HISTORY} WHERE version = '1'"
    )


def state_of(whimbrel, db):
    told = whimbrel("status", "-d", db.url, "--output", "json")
    assert told.code in (0, 1, 3), repr(told)
    return {row["version"]: row["state"] for row in told.json["migrations"]}


def tables(db):
    place = {"postgres": "table_schema = 'public'", "mariadb": "table_schema = database()"}
    query = "SELECT name FROM sqlite_master WHERE type = 'table'"
    if db.engine != "sqlite":
        query = f"SELECT table_name FROM information_schema.tables WHERE {place[db.engine]}"
    return {name for (name,) in db.sql(query)}


def test_a_column_more_is_no_harm(whimbrel, db):
    three(whimbrel)
    code, out, err = at_the_gate(
        whimbrel, "1", lambda: db.sql(f"ALTER TABLE {HISTORY} ADD COLUMN remark varchar(20)"), "migrate", "-d", db.url
    )
    assert code == 0, err
    assert history(db) == ALL_APPLIED
    assert set(state_of(whimbrel, db).values()) == {"applied"}


@pytest.mark.parametrize("text", [f"DROP TABLE {HISTORY}", f"ALTER TABLE {HISTORY} RENAME TO elsewhere"])
def test_a_history_that_is_gone_stops_the_run(whimbrel, db, text):
    three(whimbrel)
    code, out, err = at_the_gate(whimbrel, "1", lambda: db.sql(text), "migrate", "-d", db.url)
    assert code == 1 and HISTORY in err, err
    assert "t3" not in tables(db)
    # Where DDL is undone, nothing stands there that no history tells of.
    assert db.engine == "mariadb" or "t2" not in tables(db)
    # Nor does a later run begin with the first migration again, however often it is called.
    for command in ("migrate", "migrate", "status"):
        refused = whimbrel(command, "-d", db.url)
        assert refused.code == 1 and "explain lost-history" in refused.err, refused


def test_a_row_of_somebody_else_stops_the_run(whimbrel, db):
    three(whimbrel)
    code, out, err = at_the_gate(whimbrel, "1", lambda: db.sql(row_of("2")), "migrate", "-d", db.url)
    assert code == 1 and "writing the history" in err and "once the history is right: whimbrel status" in err, err
    assert history(db) == ALL_APPLIED[:2]
    assert "t2" not in tables(db) and "t3" not in tables(db)


def test_a_row_taken_away_is_seen_by_status(whimbrel, db):
    three(whimbrel)
    at_the_gate(whimbrel, "1", lambda: db.sql(f"DELETE FROM {HISTORY} WHERE version = '1'"), "migrate", "-d", db.url)
    assert state_of(whimbrel, db)["1"] in ("pending", "out-of-order")
    assert ("1", "applied") not in history(db)


def test_rows_written_between_plan_and_run(whimbrel, db):
    three(whimbrel)
    whimbrel.ok("migrate", "--to", "1", "-d", db.url)
    whimbrel.ok("plan", "--save", "saved.plan", "-d", db.url)
    db.sql(row_of("2"))
    refused = whimbrel("migrate", "--plan", "saved.plan", "-d", db.url)
    assert refused.code == 1 and "explain plan-outdated" in refused.err, refused
    assert "t2" not in tables(db)


# ---- no room ------------------------------------------------------------------------------------------------------


def test_sqlite_is_full(whimbrel, sqlite):
    three(whimbrel)
    fill = "INSERT INTO t2 WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000) SELECT i FROM n;"
    whimbrel.write("migrations/2_m.up.sql", f"CREATE TABLE t2 (id int);\nPRAGMA max_page_count = 30;\n{fill}\n")
    result = whimbrel("migrate", "-d", sqlite.url)
    assert result.code == 1 and "full" in result.err, result
    # SQLite itself takes back all that was not committed yet, the first migration with it.
    assert "the database is at base" in result.err.lower() and tables(sqlite) <= {"whimbrel_history", "whimbrel_run", "whimbrel_meta"}
    whimbrel.write("migrations/2_m.up.sql", f"CREATE TABLE t2 (id int);\n{fill}\n")
    whimbrel.ok("migrate", "-d", sqlite.url)
    assert history(sqlite) == ALL_APPLIED


def test_postgres_comes_to_a_limit_of_its_disk(whimbrel, pg):
    three(whimbrel)
    whimbrel.write(
        "migrations/2_m.up.sql",
        "CREATE TABLE t2 (id text);\nSET LOCAL work_mem = '64kB';\nSET LOCAL temp_file_limit = '100kB';\n"
        "INSERT INTO t2 SELECT md5(i::text) FROM generate_series(1, 50000) i ORDER BY 1;\n",
    )
    result = whimbrel("migrate", "-d", pg.url)
    assert result.code == 1 and "temp_file_limit" in result.err and "migrations/2_m.up.sql:4" in result.err, result
    assert history(pg) == ALL_APPLIED[:1]
    whimbrel.write("migrations/2_m.up.sql", "CREATE TABLE t2 (id int);\n")
    whimbrel.ok("migrate", "-d", pg.url)
    assert history(pg) == ALL_APPLIED


def test_a_log_that_is_full_is_no_failure_and_output_is(whimbrel, sqlite):
    three(whimbrel)
    with open("/dev/full", "w") as full:
        process = whimbrel.start("migrate", "-d", sqlite.url, "--log", "json", stderr=full)
        assert process.wait(60) == 0
        assert history(sqlite) == ALL_APPLIED
        process = whimbrel.start("status", "-d", sqlite.url, stdout=full)
        _, err = process.communicate(timeout=60)
        assert process.returncode == 1 and "cannot write standard output" in err, err

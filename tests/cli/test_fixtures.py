# SPDX-License-Identifier: Apache-2.0
"""The ground that the other tests stand on."""

import os


def test_the_program_says_its_version(whimbrel):
    result = whimbrel.ok("--version")
    assert result.out == "whimbrel 0.1.0\n"
    assert result.err == ""


def test_nothing_of_the_callers_environment_reaches_the_program(whimbrel, monkeypatch):
    for name in ("DATABASE_URL", "WHIMBREL_ENV", "PGPASSWORD", "MYSQL_PWD", "NO_COLOR"):
        monkeypatch.setenv(name, "x")
    env = whimbrel.environment({"WHIMBREL_FAULT": "a:1:fail"})
    assert not {"DATABASE_URL", "WHIMBREL_ENV", "PGPASSWORD", "MYSQL_PWD", "NO_COLOR"} & set(env)
    assert env["WHIMBREL_FAULT"] == "a:1:fail"
    assert env["HOME"] != os.environ.get("HOME")


def test_each_engine_gives_an_empty_database_and_plain_rows(db):
    assert db.sql("CREATE TABLE t (a integer, b varchar(20)); INSERT INTO t VALUES (1, 'x;y'), (2, NULL);") == []
    assert db.sql("SELECT a, b FROM t ORDER BY a") == [("1", "x;y"), ("2", None)]
    assert db.value("SELECT count(*) FROM t") == "2"


def test_a_database_is_gone_for_the_next_test(db):
    db.sql("CREATE TABLE t (a integer)")
    assert db.value("SELECT count(*) FROM t") == "0"


def test_postgres_comes_back_after_a_kill_on_the_same_port(postgres, pg):
    pg.sql("CREATE TABLE kept (a integer)")
    port = postgres.port
    postgres.kill()
    postgres.start()
    assert postgres.port == port
    assert pg.value("SELECT count(*) FROM kept") == "0"


def test_mariadb_comes_back_after_a_kill_on_the_same_port(mariadb, maria):
    maria.sql("CREATE TABLE kept (a integer)")
    port = mariadb.port
    mariadb.kill()
    mariadb.start()
    assert mariadb.port == port
    assert maria.value("SELECT count(*) FROM kept") == "0"

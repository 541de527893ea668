# SPDX-License-Identifier: Apache-2.0
"""Scripts as people and other tools write them, run as the vendor's own client runs them."""

import pytest

BETWEEN_DELIMITERS = r"""
CREATE TABLE t (a int);
DELIMITER //
CREATE TRIGGER r BEFORE INSERT ON t FOR EACH ROW
BEGIN
    SET NEW.a = NEW.a + 10;
END;//
INSERT INTO t VALUES (1); INSERT INTO t VALUES (2);
//
DROP PROCEDURE IF EXISTS p; CREATE PROCEDURE p() BEGIN SELECT 1; END; //
CREATE PROCEDURE q() BEGIN SELECT 1; END; CREATE PROCEDURE s() BEGIN SELECT 1; SELECT 2; END //
DELIMITER ;
INSERT INTO t VALUES \
    (3);
"""

# @there must stay 0, though by the second EXECUTE the column is there.
CONDITIONAL_DDL = """
CREATE TABLE k (a int);
INSERT INTO k VALUES (1);
SET @there = (SELECT COUNT(*) FROM information_schema.columns
              WHERE table_schema = DATABASE() AND table_name = 'k' AND column_name = 'b');
SET @text = IF(@there = 0, 'ALTER TABLE k ADD b int', 'DO 0');
PREPARE p FROM @text;
EXECUTE p;
SET @text = IF(@there = 0, 'CREATE INDEX k_b ON k (b)', 'DO 0');
PREPARE p FROM @text;
EXECUTE p;
INSERT INTO nowhere VALUES (1);
"""

PROCEDURE_WITH_DDL = """
CREATE TABLE k (a int);
DELIMITER //
CREATE PROCEDURE add_b()
BEGIN
    ALTER TABLE k ADD b int;
END //
DELIMITER ;
INSERT INTO k VALUES (1);
CALL add_b();
INSERT INTO nowhere VALUES (1);
"""


def test_what_stands_between_other_delimiters(whimbrel, maria):
    whimbrel.write("whimbrel.toml", f'database = "{maria.url}"\n')
    whimbrel.write("migrations/1_a.sql", BETWEEN_DELIMITERS)
    whimbrel.ok("migrate")
    assert str(maria.value("SELECT GROUP_CONCAT(a ORDER BY a) FROM t")) == "11,12,13"
    routines = "SELECT GROUP_CONCAT(routine_name ORDER BY 1) FROM information_schema.routines WHERE routine_schema = DATABASE()"
    assert str(maria.value(routines)) == "p,q,s"
    whimbrel.ok("status", "--check")


@pytest.mark.parametrize("script", [CONDITIONAL_DDL, PROCEDURE_WITH_DDL])
def test_what_a_statement_has_committed_is_not_run_again(whimbrel, maria, script):
    whimbrel.write("whimbrel.toml", f'database = "{maria.url}"\n')
    whimbrel.write("migrations/1_a.sql", script)
    assert whimbrel("migrate").code == 1
    whimbrel.write("migrations/1_a.sql", script.replace("nowhere VALUES (1)", "k (a) VALUES (2)"))
    whimbrel.ok("migrate")
    assert str(maria.value("SELECT GROUP_CONCAT(a ORDER BY a) FROM k")) == "1,2"
    if "k_b" in script:
        indexes = "SELECT COUNT(*) FROM information_schema.statistics WHERE table_schema = DATABASE() AND index_name = 'k_b'"
        assert str(maria.value(indexes)) == "1"
    columns = "SELECT COUNT(*) FROM information_schema.columns WHERE table_schema = DATABASE() AND table_name = 'k'"
    assert str(maria.value(columns)) == "2"


def test_a_dump_that_keeps_out_of_the_binary_log(whimbrel, maria):
    whimbrel.write("whimbrel.toml", f'database = "{maria.url}"\n')
    whimbrel.write(
        "migrations/1_a.sql",
        "SET @old = @@SESSION.SQL_LOG_BIN;\nSET @@SESSION.SQL_LOG_BIN= 0;\nCREATE TABLE t (a int);\n"
        "INSERT INTO t VALUES (1);\nSET @@SESSION.SQL_LOG_BIN = @old;\n",
    )
    whimbrel.ok("migrate")
    assert str(maria.value("SELECT a FROM t")) == "1"


def test_a_dump_that_locks_tables(whimbrel, maria):
    whimbrel.write("whimbrel.toml", f'database = "{maria.url}"\n')
    whimbrel.write(
        "migrations/1_a.sql",
        "CREATE TABLE t (a int);\nLOCK TABLES t WRITE;\n/*!40000 ALTER TABLE t DISABLE KEYS */;\n"
        "INSERT INTO t VALUES (1),(2);\n/*!40000 ALTER TABLE t ENABLE KEYS */;\nUNLOCK TABLES;\n"
        "CREATE TABLE u (a int);\n",
    )
    result = whimbrel.ok("plan")
    assert "LOCK TABLES" in result.out + result.err
    whimbrel.ok("migrate")
    assert str(maria.value("SELECT COUNT(*) FROM t")) == "2"
    whimbrel.ok("status", "--check")

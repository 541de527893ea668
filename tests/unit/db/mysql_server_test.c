/* The MySQL and MariaDB driver against a real MariaDB. SPDX-License-Identifier: Apache-2.0 */
#include "server.h"

#include <mysql.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void drop_everything(Fixture *f)
{
    StrVec none = {0};
    DbStatementVec drops = {0};
    if (!f->db->driver->drop_all(f->db, f->arena, &none, &drops, &f->err))
        fail_msg("%s", f->err.message);
    run_all(f, f->db, &drops);
}

static int set_up(void **state)
{
    fixture_open(state, "WHIMBREL_TEST_MARIADB");
    Fixture *f = *state;
    if (f->db)
        drop_everything(f);
    return 0;
}

#define NEED_SERVER(f)                                                                             \
    if (!(f)->db)                                                                                  \
    skip()

/* ---- as if each statement came alone ------------------------------------------------------- */

static const char *const sequences[][10] = {
    {"CREATE TABLE t (a int PRIMARY KEY)", "INSERT INTO t VALUES (1), (2)", "SELECT a FROM t",
     "UPDATE t SET a = a + 10"},
    {"CREATE TABLE t (a int) -- a comment", "/* nothing */", "INSERT INTO t VALUES (1) # one more",
     "-- nothing either", "SELECT 1"},
    {"CREATE TABLE t (a int)",
     "CREATE PROCEDURE p() BEGIN SELECT 1; SELECT 2; INSERT INTO t VALUES (3); END", "CALL p()",
     "/* x */ CALL p()", "INSERT INTO t VALUES (4)"},
    {"START TRANSACTION", "CREATE TABLE t (a int)", "INSERT INTO t VALUES (1)", "COMMIT"},
    {"CREATE TABLE t (a int)", "START TRANSACTION", "INSERT INTO t VALUES (1)", "SAVEPOINT s",
     "INSERT INTO t VALUES (2)", "ROLLBACK TO s", "COMMIT"},
    {"CREATE TABLE t (a int)", "INSERT INTO t VALUES (1); INSERT INTO t VALUES (2)",
     "BEGIN NOT ATOMIC SELECT 1; SELECT 2; END", "INSERT INTO t VALUES (5) RETURNING a",
     "/*!50000 INSERT INTO t VALUES (6) */"},
    {"CREATE TABLE t (a int)",
     "CREATE TRIGGER tr BEFORE INSERT ON t FOR EACH ROW BEGIN SET @x = 1; SET NEW.a = NEW.a + 1; "
     "END",
     "INSERT INTO t VALUES (1)", "ANALYZE TABLE t", "SHOW TABLES"},
};
enum { SEQUENCES = sizeof sequences / sizeof *sequences };

static const char *const failures[] = {
    NULL,
    "SELEC 1",
    "INSERT INTO t\nVALUES ('äöü',, 1)",
    "SELECT * FROM nowhere",
    "CREATE TABLE t (a int)",
    "SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'no'",
    "SELECT 'unterminated",
    "INSERT INTO t VALUES (1); SELEC 1",
    "SELECT (",
};
enum { FAILURES = sizeof failures / sizeof *failures };

typedef struct Result {
    size_t completed, progressed;
    int64_t offset;
    int line, code;
    bool is_in_transaction, is_good;
    const char *rows, *message;
} Result;

static void count_progress(void *ctx, size_t completed)
{
    size_t *seen = ctx;
    assert_int_equal(completed, *seen + 1);
    *seen = completed;
}

static Result run_sequence(Fixture *f, const DbStatementVec *statements, bool is_single)
{
    Result result = {.is_good = true};
    DbOutcome outcome = {.error_offset = -1};
    Db *db = f->db;
    db_exec(db, STR("ROLLBACK"), NULL);
    must(f, db, "DROP TABLE IF EXISTS t");
    must(f, db, "DROP PROCEDURE IF EXISTS p");
    error_clear(&f->err);
    if (is_single) {
        for (size_t i = 0; i < statements->len && result.is_good; i++) {
            result.is_good = db_run(db, &statements->items[i], 1, NULL, NULL, &outcome, &f->err);
            result.completed += outcome.completed;
        }
    } else {
        result.is_good = db_run(db, statements->items, statements->len, count_progress,
                                &result.progressed, &outcome, &f->err);
        result.completed = outcome.completed;
        assert_int_equal(result.progressed, result.completed);
    }
    result.offset = outcome.error_offset;
    result.line = outcome.error_line;
    result.code = f->err.server_code;
    result.message = result.is_good ? "" : str_format(f->arena, "%s", f->err.message);
    result.is_in_transaction = db->is_in_transaction;
    assert_false(outcome.is_fate_unknown);
    bool has_table;
    assert_true(db->driver->has_table(db, STR("t"), &has_table, &f->err));
    result.rows =
        has_table ? value_of(f, db, "SELECT GROUP_CONCAT(a ORDER BY a) FROM t") : "no table";
    return result;
}

static void mysql_batches_are_as_if_each_statement_came_alone(void **state)
{
    Fixture *f = *state;
    NEED_SERVER(f);
    for (size_t s = 0; s < SEQUENCES; s++)
        for (size_t failure = 0; failure < FAILURES; failure++)
            for (
                size_t k = failure % 2;
                k == failure % 2 || (failures[failure] && k <= 9 && sequences[s][k - 1]);
                k +=
                failure < 3
                    ? 1
                    : 2) { /* every place for some, every other for the rest: tables cost time here */
                DbStatementVec statements = {0};
                for (size_t i = 0; sequences[s][i] || i == k; i++) {
                    if (i == k && failures[failure])
                        vec_push(f->arena, &statements,
                                 ((DbStatement){.sql = str_from(failures[failure])}));
                    if (!sequences[s][i])
                        break;
                    vec_push(f->arena, &statements,
                             ((DbStatement){.sql = str_from(sequences[s][i])}));
                }
                Result alone = run_sequence(f, &statements, true);
                Result batch = run_sequence(f, &statements, false);
                bool is_same = alone.is_good == batch.is_good &&
                               alone.completed == batch.completed && alone.offset == batch.offset &&
                               alone.line == batch.line && alone.code == batch.code &&
                               alone.is_in_transaction == batch.is_in_transaction &&
                               strcmp(alone.rows, batch.rows) == 0;
                if (!is_same)
                    fail_msg("sequence %zu, '%s' at %zu: good %d/%d completed %zu/%zu offset "
                             "%ld/%ld line %d/%d code %d/%d "
                             "transaction %d/%d rows %s/%s\n%s\n%s",
                             s, failures[failure] ? failures[failure] : "", k, alone.is_good,
                             batch.is_good, alone.completed, batch.completed, (long)alone.offset,
                             (long)batch.offset, alone.line, batch.line, alone.code, batch.code,
                             alone.is_in_transaction, batch.is_in_transaction, alone.rows,
                             batch.rows, alone.message, batch.message);
            }
}

static void mysql_many_statements_take_one_round_trip(void **state)
{
    Fixture *f = *state;
    NEED_SERVER(f);
    DbStatementVec statements = {0};
    must(f, f->db, "CREATE TABLE t (a int)");
    for (int i = 0; i < 500; i++) {
        char *insert = str_format(f->arena, "INSERT INTO t VALUES (%d)", i);
        vec_push(f->arena, &statements, ((DbStatement){.sql = str_from(insert)}));
    }
    uint64_t before = f->db->round_trips;
    run_all(f, f->db, &statements);
    assert_int_equal(f->db->round_trips - before, 1);
    assert_string_equal(value_of(f, f->db, "SELECT COUNT(*) FROM t"), "500");
}

static void mysql_messages_keep_to_the_packet_s_size(void **state)
{
    Fixture *f = *state;
    NEED_SERVER(f);
    const char *old = value_of(f, f->db, "SELECT @@global.max_allowed_packet");
    must(f, f->db, "CREATE TABLE t (a longtext)");
    must(f, f->db, "SET GLOBAL max_allowed_packet = 1048576");
    scoped(Db *, db_closep) db = fixture_connect(f);
    must(f, f->db, str_format(f->arena, "SET GLOBAL max_allowed_packet = %s", old));
    size_t len = 300000;
    char *text = arena_alloc(f->arena, len + 100);
    memset(text, 'x', len);
    memcpy(text, "INSERT INTO t VALUES ('", 23);
    memcpy(text + len - 2, "')", 3);
    DbStatement statements[6];
    for (size_t i = 0; i < 6; i++)
        statements[i] = (DbStatement){.sql = {text, len}};
    DbOutcome outcome;
    uint64_t before = db->round_trips;
    if (!db_run(db, statements, 6, NULL, NULL, &outcome, &f->err))
        fail_msg("%s", f->err.message);
    assert_int_equal(db->round_trips - before, 6);
    assert_string_equal(value_of(f, db, "SELECT COUNT(*) FROM t"), "6");
    char *huge = arena_alloc(f->arena, 1100000);
    memset(huge, ' ', 1100000);
    memcpy(huge, "SELECT 1", 8);
    statements[1] = (DbStatement){.sql = {huge, 1100000}};
    assert_false(db_run(db, statements, 6, NULL, NULL, &outcome, &f->err));
    assert_int_equal(outcome.completed, 1);
    assert_string_equal(f->err.code, "packet-too-large");
    assert_false(db->is_broken);
    must(f, db, "SELECT 1");
}

static void mysql_an_error_points_at_its_line_and_byte(void **state)
{
    Fixture *f = *state;
    NEED_SERVER(f);
    static const char *const sql[] = {"SELECT 1\n", "SELECT 'äöü€',\n  2\nFRÖM x", "SELECT 3",
                                      NULL};
    DbStatementVec statements = statements_of(f, sql);
    DbOutcome outcome;
    assert_false(db_run(f->db, statements.items, 3, NULL, NULL, &outcome, &f->err));
    assert_int_equal(outcome.completed, 1);
    assert_int_equal(f->err.server_code, 1064);
    assert_string_equal(f->err.sqlstate, "42000");
    assert_int_equal(outcome.error_line, 3);
    assert_int_equal(outcome.error_offset, strstr(sql[1], "x") - sql[1]);
    assert_null(strstr(f->err.message, "SELECT 3"));
}

static void mysql_errors_have_their_codes(void **state)
{
    Fixture *f = *state;
    NEED_SERVER(f);
    must(f, f->db, "CREATE TABLE t (a int PRIMARY KEY)");
    must(f, f->db, "INSERT INTO t VALUES (1)");
    must_fail(f, f->db, "INSERT INTO t VALUES (1)");
    assert_int_equal(f->err.server_code, 1062);
    assert_string_equal(f->err.sqlstate, "23000");
    must(f, f->db, "SET max_statement_time = 0.1");
    must_fail(f, f->db,
              "SELECT COUNT(*) FROM information_schema.COLUMNS a, information_schema.COLUMNS b, "
              "information_schema.COLUMNS c");
    assert_int_equal(f->err.kind, ERROR_TIMEOUT);
    assert_string_equal(f->err.code, "statement-timeout");
    must(f, f->db, "SET max_statement_time = 0");
    must_fail(f, f->db, "DROP DATABASE not_there");
    assert_string_equal(f->err.code, "database-absent");
    must(f, f->db, "CREATE USER IF NOT EXISTS little@'%'");
    DbUrl url =
        fixture_url(f, str_format(f->arena, "mariadb://little@%.*s", STR_ARG(f->url.hosts)));
    Db *db;
    assert_true(db_open(&url, NULL, &db, &f->err));
    must_fail(f, db, str_format(f->arena, "DROP TABLE %.*s.t", STR_ARG(f->url.database)));
    assert_string_equal(f->err.code, "no-privilege");
    assert_non_null(f->err.hint);
    db_close(db);
    DbUrl no_right = fixture_url(f, str_format(f->arena, "mariadb://little@%.*s/%.*s",
                                               STR_ARG(f->url.hosts), STR_ARG(f->url.database)));
    assert_false(db_open(&no_right, NULL, &db, &f->err));
    assert_int_equal(f->err.server_code, 1044);
    must(f, f->db, "DROP USER little@'%'");
    DbOptions options = {.is_read_only = true};
    assert_true(db_open(&f->url, &options, &db, &f->err));
    assert_true(db->info.is_read_only);
    must_fail(f, db, "INSERT INTO t VALUES (2)");
    assert_string_equal(f->err.code, "read-only");
    db_close(db);
}

/* ---- stopping ------------------------------------------------------------------------------ */

static void mysql_a_running_statement_is_cancelled_on_the_server(void **state)
{
    Fixture *f = *state;
    NEED_SERVER(f);
    static const char slow[] =
        "SELECT COUNT(*) FROM information_schema.COLUMNS a, information_schema.COLUMNS b, "
        "information_schema.COLUMNS c";
    must(f, f->db, "CREATE TABLE t (a int)");
    DbStatement statements[] = {{.sql = STR("INSERT INTO t VALUES (1)")},
                                {.sql = STR(slow)},
                                {.sql = STR("INSERT INTO t VALUES (2)")}};
    for (int round = 0; round < 2; round++) {
        Stopper stopper;
        DbOutcome outcome;
        stopper_begin(&stopper, 200);
        f->db->options.cancel = &stopper.cancel;
        int64_t begun = clock_monotonic_us();
        assert_false(db_run(f->db, statements, 3, NULL, NULL, &outcome, &f->err));
        assert_in_range((clock_monotonic_us() - begun) / 1000, 190, 8000);
        assert_int_equal(f->err.kind, ERROR_CANCELLED);
        assert_int_equal(outcome.completed, 1);
        assert_false(outcome.is_fate_unknown);
        must_fail(f, f->db, "SELECT 1");
        assert_int_equal(f->err.kind, ERROR_CANCELLED);
        DbRows rows;
        assert_false(db_query(f->db, STR("SELECT 1"), &rows, &f->err));
        stopper_end(&stopper);
        f->db->options.cancel = NULL;
        assert_string_equal(value_of(f, f->db, "SELECT GROUP_CONCAT(a) FROM t"),
                            round ? "1,1" : "1");
    }
    /* SLEEP() takes a kill for its end, not for an error: what was asked to stop goes no further all the same. */
    statements[1] = (DbStatement){.sql = STR("CALL nap()")};
    must(f, f->db, "CREATE PROCEDURE nap() SELECT SLEEP(20)");
    Stopper stopper;
    DbOutcome outcome;
    stopper_begin(&stopper, 200);
    f->db->options.cancel = &stopper.cancel;
    assert_false(db_run(f->db, statements, 3, NULL, NULL, &outcome, &f->err));
    assert_int_equal(f->err.kind, ERROR_CANCELLED);
    stopper_end(&stopper);
    f->db->options.cancel = NULL;
    for (int i = 0; i < 20; i++)
        must(f, f->db, "DO 1");
    assert_string_equal(value_of(f, f->db, "SELECT GROUP_CONCAT(a) FROM t"), "1,1,1");
}

static void mysql_a_lost_connection_leaves_the_fate_unknown(void **state)
{
    Fixture *f = *state;
    NEED_SERVER(f);
    static const char *const sql[] = {"CREATE TABLE t (a int)", "SELECT SLEEP(30)",
                                      "INSERT INTO t VALUES (1)", NULL};
    DbStatementVec statements = statements_of(f, sql);
    DbOutcome outcome;
    Later later;
    char *kill = str_format(f->arena, "KILL %s", value_of(f, f->db, "SELECT CONNECTION_ID()"));
    later_begin(&later, f, kill, 200);
    assert_false(db_run(f->db, statements.items, 3, NULL, NULL, &outcome, &f->err));
    later_end(&later);
    assert_int_equal(f->err.kind, ERROR_CONNECT);
    assert_string_equal(f->err.code, "connection-lost");
    assert_int_equal(outcome.completed, 1);
    assert_true(outcome.is_fate_unknown);
    assert_true(f->db->is_broken);
    must_fail(f, f->db, "SELECT 1");
    assert_string_equal(f->err.code, "connection-lost");
}

/* ---- rows ---------------------------------------------------------------------------------- */

static void mysql_rows_come_whole_and_result_by_result(void **state)
{
    Fixture *f = *state;
    NEED_SERVER(f);
    scoped(DbRows, db_rows_done) rows = {0};
    if (!db_query(
            f->db,
            STR("CREATE TABLE t (a int, b blob); INSERT INTO t VALUES (1, x'00ff5c'), (2, NULL); "
                "SELECT a, b FROM t ORDER BY a; SELECT 'é€😀'"),
            &rows, &f->err))
        fail_msg("%s", f->err.message);
    assert_int_equal(rows.col_count, 0);
    assert_true(db_rows_next_result(&rows));
    assert_true(db_rows_next_result(&rows));
    assert_int_equal(rows.col_count, 2);
    assert_true(db_rows_next(&rows));
    assert_int_equal(rows.cols[1].text.len, 3);
    assert_memory_equal(rows.cols[1].text.ptr, "\0\xff\\", 3);
    must(f, f->db, "DROP TABLE t");
    assert_true(db_rows_next(&rows));
    assert_true(rows.cols[1].is_null);
    assert_false(db_rows_next(&rows));
    assert_true(db_rows_next_result(&rows));
    assert_true(db_rows_next(&rows));
    assert_string_equal(rows.cols[0].text.ptr, "é€😀");
    assert_false(db_rows_next_result(&rows));
    assert_true(db_rows_finish(&rows, &f->err));
    assert_true(db_query(f->db, STR("SELECT 1; SELECT nowhere"), &rows, &f->err));
    assert_true(db_rows_next(&rows));
    assert_false(db_rows_finish(&rows, &f->err));
    assert_int_equal(f->err.server_code, 1054);
}

/* ---- the catalog --------------------------------------------------------------------------- */

/* statement, what the catalog says before it, what after it */
static const char *const effects[][3] = {
    {"CREATE TABLE a (id int, n int)", "no", "yes"},
    {"CREATE TABLE `odd ``name` (id int)", "no", "yes"},
    {"CREATE TABLE IF NOT EXISTS a (id int)", "no", "no"},
    {"CREATE TABLE c AS SELECT 1 AS x", "no", "unknown"},
    {"CREATE OR REPLACE TABLE c (x int)", "no", "no"},
    {"CREATE INDEX ai ON a (n)", "no", "yes"},
    {"ALTER TABLE a ADD COLUMN c text", "no", "yes"},
    {"ALTER TABLE a ADD d text AFTER id, ADD COLUMN e int FIRST", "no", "yes"},
    {"ALTER TABLE a ADD (f int, g int)", "no", "yes"},
    {"ALTER TABLE a ADD INDEX i2 (d(10)), ALGORITHM=INPLACE, LOCK=NONE", "no", "yes"},
    {"ALTER TABLE a ADD UNIQUE KEY u1 (e)", "no", "yes"},
    {"ALTER TABLE a ADD INDEX (f)", "unknown", "unknown"},
    {"ALTER TABLE a ADD PRIMARY KEY (id)", "no", "yes"},
    {"ALTER TABLE a ADD CONSTRAINT ck CHECK (n > 0)", "no", "yes"},
    {"ALTER TABLE a DROP CONSTRAINT ck", "no", "yes"},
    {"ALTER TABLE a DROP INDEX i2, ADD COLUMN h int", "no", "yes"},
    {"ALTER TABLE a DROP KEY u1", "no", "yes"},
    {"ALTER TABLE a DROP PRIMARY KEY", "no", "yes"},
    {"ALTER TABLE a DROP COLUMN h, ADD COLUMN h bigint", "unknown", "unknown"},
    {"ALTER TABLE a DROP COLUMN h", "no", "yes"},
    {"ALTER TABLE a DROP COLUMN IF EXISTS zzz", "no", "no"},
    {"ALTER TABLE a MODIFY n bigint NOT NULL", "no", "no"},
    {"ALTER TABLE a MODIFY n int, ADD COLUMN z int", "no", "yes"},
    {"ALTER TABLE a CHANGE n n bigint", "no", "no"},
    {"ALTER TABLE a CHANGE COLUMN n m bigint", "no", "yes"},
    {"ALTER TABLE a RENAME COLUMN m TO n", "no", "yes"},
    {"ALTER TABLE a RENAME INDEX ai TO ai2", "no", "yes"},
    {"ALTER TABLE a ENGINE=InnoDB, COMMENT='x, y'", "no", "no"},
    {"ALTER TABLE a RENAME TO a2", "no", "yes"},
    {"ALTER TABLE a2 RENAME a3, ADD COLUMN y int", "no", "yes"},
    {"RENAME TABLE a3 TO a4, c TO c2", "no", "yes"},
    {"RENAME TABLE a4 TO tmp, c2 TO a4, tmp TO c2", "unknown", "unknown"},
    {"CREATE VIEW v AS SELECT 1 AS x", "no", "yes"},
    {"ALTER VIEW v AS SELECT 2 AS x", "no", "no"},
    {"CREATE SEQUENCE s", "no", "yes"},
    {"CREATE FUNCTION f() RETURNS int RETURN 1", "no", "yes"},
    {"CREATE PROCEDURE p() SELECT 1", "no", "yes"},
    {"CREATE TRIGGER tg BEFORE INSERT ON a4 FOR EACH ROW SET @x = 1", "no", "yes"},
    {"CREATE EVENT ev ON SCHEDULE EVERY 1 DAY DO SELECT 1", "no", "yes"},
    {"DROP EVENT ev", "no", "yes"},
    {"DROP TRIGGER tg", "no", "yes"},
    {"DROP PROCEDURE p", "no", "yes"},
    {"DROP FUNCTION f", "no", "yes"},
    {"DROP SEQUENCE s", "no", "yes"},
    {"DROP VIEW v", "no", "yes"},
    {"DROP INDEX ai2 ON c2", "no", "yes"},
    {"DROP TABLE a4, c2", "no", "yes"},
    {"DROP TABLE IF EXISTS a4", "no", "no"},
    {"CREATE TEMPORARY TABLE tt (a int)", "no", "no"},
    {"INSERT INTO tt VALUES (1)", "unknown", "unknown"},
    {"CREATE DATABASE whimbrel_effect", "no", "yes"},
    {"DROP DATABASE whimbrel_effect", "no", "yes"},
};

static void mysql_the_catalog_tells_what_has_run(void **state)
{
    Fixture *f = *state;
    NEED_SERVER(f);
    SqlSplitOptions options = db_split_options(f->db, NULL);
    for (size_t i = 0; i < sizeof effects / sizeof *effects; i++) {
        SqlInfo info = sql_inspect(str_from(effects[i][0]), &options);
        for (int after = 0; after < 2; after++) {
            bool is_known, has_run;
            if (!f->db->driver->has_effect(f->db, str_from(effects[i][0]), &info, &is_known,
                                           &has_run, &f->err))
                fail_msg("%s: %s", effects[i][0], f->err.message);
            const char *answer = !is_known ? "unknown" : has_run ? "yes" : "no";
            if (strcmp(answer, effects[i][1 + after]) != 0)
                fail_msg("%s %s: %s", after ? "after" : "before", effects[i][0], answer);
            if (!after)
                must(f, f->db, effects[i][0]);
        }
    }
}

static void mysql_everything_is_dropped(void **state)
{
    Fixture *f = *state;
    NEED_SERVER(f);
    static const char *const sql[] = {
        "CREATE TABLE p (id int PRIMARY KEY, c int)",
        "CREATE TABLE `c ``d` (id int PRIMARY KEY, p int, FOREIGN KEY (p) REFERENCES p (id))",
        "ALTER TABLE p ADD FOREIGN KEY (c) REFERENCES `c ``d` (id)",
        "CREATE VIEW v AS SELECT * FROM p",
        "CREATE VIEW v2 AS SELECT * FROM v",
        "CREATE SEQUENCE s",
        "CREATE FUNCTION f() RETURNS int RETURN 1",
        "CREATE PROCEDURE pr() BEGIN SELECT 1; SELECT 2; END",
        "CREATE TRIGGER tg BEFORE INSERT ON p FOR EACH ROW SET @x = 1",
        "CREATE EVENT ev ON SCHEDULE EVERY 1 DAY DO SELECT 1",
        "CREATE TABLE ver (a int) WITH SYSTEM VERSIONING",
        NULL,
    };
    DbStatementVec made = statements_of(f, sql);
    run_all(f, f->db, &made);
    drop_everything(f);
    assert_string_equal(
        value_of(f, f->db,
                 "SELECT (SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA = "
                 "DATABASE()) + (SELECT COUNT(*) FROM information_schema.ROUTINES WHERE "
                 "ROUTINE_SCHEMA = DATABASE()) + (SELECT COUNT(*) FROM information_schema.EVENTS "
                 "WHERE EVENT_SCHEMA = DATABASE())"),
        "0");
    assert_string_equal(value_of(f, f->db, "SELECT @@foreign_key_checks"), "1");
}

/* ---- locks --------------------------------------------------------------------------------- */

static void mysql_the_migration_lock_is_one_session_s(void **state)
{
    Fixture *f = *state;
    NEED_SERVER(f);
    const DbDriver *driver = f->db->driver;
    scoped(Db *, db_closep) other = fixture_connect(f);
    DbLockKey key = {.name = STR("whimbrel:it's a \\ \"name\"")};
    DbSession holder;
    bool is_ours, has_holder;
    assert_true(driver->lock_try(f->db, key, &is_ours, &f->err));
    assert_true(is_ours);
    assert_true(driver->lock_try(other, key, &is_ours, &f->err));
    assert_false(is_ours);
    assert_true(driver->lock_holder(other, f->arena, key, &holder, &has_holder, &f->err));
    assert_true(has_holder);
    assert_true(holder.is_alive);
    assert_string_equal(holder.id.ptr, value_of(f, f->db, "SELECT CONNECTION_ID()"));
    assert_string_equal(holder.user.ptr, "root");
    assert_true(driver->unlock(f->db, key, &f->err));
    assert_false(driver->unlock(f->db, key, &f->err));
    assert_string_equal(f->err.code, "lock-lost");
    assert_true(driver->lock_holder(other, f->arena, key, &holder, &has_holder, &f->err));
    assert_false(has_holder);
    assert_true(driver->lock_try(other, key, &is_ours, &f->err));
    assert_true(is_ours);
}

static void mysql_who_blocks_is_found_and_can_be_ended(void **state)
{
    Fixture *f = *state;
    NEED_SERVER(f);
    const DbDriver *driver = f->db->driver;
    scoped(Db *, db_closep) other = fixture_connect(f);
    DbSessionVec sessions = {0};
    db_exec(f->db, STR("INSTALL SONAME 'metadata_lock_info'"), NULL);
    must(f, f->db, "CREATE TABLE busy (a int)");
    must(f, other, "START TRANSACTION");
    must(f, other, "SELECT * FROM busy");
    static const char *const spellings[] = {"busy", "`busy`"};
    bool has_plugin =
        strcmp(value_of(f, f->db,
                        "SELECT COUNT(*) FROM information_schema.PLUGINS WHERE PLUGIN_NAME = "
                        "'METADATA_LOCK_INFO'"),
               "1") == 0;
    for (size_t i = 0; i < 2; i++) {
        sessions = (DbSessionVec){0};
        if (!driver->blockers(f->db, f->arena, str_from(spellings[i]), &sessions, &f->err))
            fail_msg("%s", f->err.message);
        if (has_plugin) {
            assert_int_equal(sessions.len, 1);
            assert_string_equal(sessions.items[0].id.ptr,
                                value_of(f, other, "SELECT CONNECTION_ID()"));
        }
    }
    DbStatementVec set = {0};
    assert_true(driver->timeouts(f->db, f->arena, (DbTimeouts){.lock_ms = 300, .statement_ms = -1},
                                 false, &set));
    run_all(f, f->db, &set);
    assert_string_equal(value_of(f, f->db, "SELECT @@lock_wait_timeout"), "1");
    must_fail(f, f->db, "ALTER TABLE busy ADD COLUMN b int");
    assert_int_equal(f->err.kind, ERROR_TIMEOUT);
    assert_string_equal(f->err.code, "lock-timeout");
    must(f, other, "INSERT INTO busy VALUES (1)");
    sessions = (DbSessionVec){0};
    assert_true(driver->long_transactions(f->db, f->arena, 0, &sessions, &f->err));
    assert_int_equal(sessions.len, 1);
    assert_true(driver->kill_session(f->db, sessions.items[0].id, &f->err));
    must_fail(f, other, "COMMIT");
    assert_string_equal(f->err.code, "connection-lost");
    must(f, f->db, "ALTER TABLE busy ADD COLUMN b int");
    assert_false(driver->kill_session(f->db, STR("1; DROP TABLE x"), &f->err));
    assert_int_equal(f->err.kind, ERROR_USAGE);
}

/* ---- sessions ------------------------------------------------------------------------------ */

static void mysql_settings_are_put_back(void **state)
{
    Fixture *f = *state;
    NEED_SERVER(f);
    assert_string_equal(value_of(f, f->db, "SELECT @@time_zone"), "+00:00");
    assert_string_equal(value_of(f, f->db, "SELECT @@character_set_connection"), "utf8mb4");
    const char *mode = value_of(f, f->db, "SELECT @@sql_mode");
    must(f, f->db,
         "SET SESSION sql_mode = 'ANSI_QUOTES', foreign_key_checks = 0, time_zone = '+05:00', "
         "max_statement_time = 99, lock_wait_timeout = 7, unique_checks = 0");
    must(f, f->db, "SET NAMES latin1");
    must(f, f->db, "USE mysql");
    DbStatementVec reset = {0};
    assert_true(f->db->driver->reset_session(f->db, f->arena, &reset));
    run_all(f, f->db, &reset);
    assert_string_equal(value_of(f, f->db, "SELECT @@sql_mode"), mode);
    assert_string_equal(
        value_of(f, f->db,
                 "SELECT CONCAT(@@foreign_key_checks, @@unique_checks, @@time_zone, "
                 "@@max_statement_time, @@character_set_client)"),
        "ONON+00:000.000000utf8mb4");
    assert_string_equal(value_of(f, f->db, "SELECT DATABASE()"), str_z(f->arena, f->url.database));
}

static const char *one_value(Fixture *f, MYSQL *handle, const char *sql)
{
    if (mysql_query(handle, sql) != 0)
        fail_msg("%s: %s", sql, mysql_error(handle));
    MYSQL_RES *result = mysql_store_result(handle);
    if (!result)
        return NULL;
    MYSQL_ROW row = mysql_fetch_row(result);
    const char *value = row && row[0] ? str_format(f->arena, "%s", row[0]) : "NULL";
    mysql_free_result(result);
    return value;
}

static void mysql_an_adopted_connection_is_given_back_as_it_was(void **state)
{
    Fixture *f = *state;
    NEED_SERVER(f);
    Str host;
    Str port = str_cut(f->url.hosts, ':', &host);
    uint64_t number;
    assert_true(str_to_u64(port, &number));
    MYSQL *handle = mysql_init(NULL);
    assert_non_null(mysql_real_connect(handle, str_z(f->arena, host), "root", NULL,
                                       str_z(f->arena, f->url.database), (unsigned)number, NULL,
                                       0));
    mysql_set_character_set(handle, "latin1");
    one_value(f, handle,
              "SET SESSION time_zone = '+03:00', sql_mode = 'ANSI_QUOTES', autocommit = 0, "
              "lock_wait_timeout = 55");
    one_value(f, handle, "CREATE TABLE before_us (a int)");
    one_value(f, handle, "INSERT INTO before_us VALUES (1)");
    Db *db = NULL;
    assert_false(db_adopt(f->db->driver, handle, NULL, &db, &f->err));
    assert_int_equal(f->err.kind, ERROR_USAGE);
    assert_string_equal(f->err.code, "open-transaction");
    one_value(f, handle, "COMMIT");
    if (!db_adopt(f->db->driver, handle, NULL, &db, &f->err))
        fail_msg("%s", f->err.message);
    assert_true(db->is_adopted);
    assert_true(db->info.ansi_quotes);
    assert_string_equal(value_of(f, db, "SELECT 'é€😀'"), "é€😀");
    assert_string_equal(value_of(f, db, "SELECT CONCAT(@@autocommit, @@time_zone)"), "ON+00:00");
    DbStatement statements[] = {{.sql = STR("CREATE TABLE t (a int)")},
                                {.sql = STR("SET sql_mode = ''")},
                                {.sql = STR("START TRANSACTION")},
                                {.sql = STR("INSERT INTO t VALUES (1)")}};
    assert_true(db_run(db, statements, 4, NULL, NULL, NULL, &f->err));
    must(f, db, "USE mysql");
    Stopper stopper;
    stopper_begin(&stopper, 150);
    db->options.cancel = &stopper.cancel;
    assert_false(db_exec(
        db,
        STR("SELECT COUNT(*) FROM information_schema.COLUMNS a, information_schema.COLUMNS b, "
            "information_schema.COLUMNS c"),
        &f->err));
    assert_int_equal(f->err.kind, ERROR_CANCELLED);
    stopper_end(&stopper);
    db_close(db);
    assert_string_equal(mysql_character_set_name(handle), "latin1");
    assert_string_equal(
        one_value(f, handle,
                  "SELECT CONCAT_WS(' ', @@time_zone, @@sql_mode, @@autocommit, "
                  "@@lock_wait_timeout, @@character_set_client, (SELECT COUNT(*) FROM t))"),
        "+03:00 ANSI_QUOTES OFF 55 latin1 0");
    assert_string_equal(one_value(f, handle, "SELECT DATABASE()"),
                        str_z(f->arena, f->url.database));
    assert_int_not_equal(mysql_query(handle, "SELECT 1; SELECT 2"), 0);
    mysql_close(handle);
}

static char noticed[200];

static void take_notice(void *ctx, Str severity, Str message)
{
    (void)ctx;
    snprintf(noticed, sizeof noticed, "%.*s: %.*s", STR_ARG(severity), STR_ARG(message));
}

static void mysql_warnings_reach_the_caller(void **state)
{
    Fixture *f = *state;
    NEED_SERVER(f);
    DbOptions options = {.notice = take_notice};
    scoped(Db *, db_closep) db = NULL;
    assert_true(db_open(&f->url, &options, &db, &f->err));
    must(f, db, "DROP TABLE IF EXISTS not_there");
    assert_string_equal(noticed, "");
    must(f, db, "SET sql_mode = ''");
    must(f, db, "CREATE TABLE t (a varchar(2))");
    must(f, db, "INSERT INTO t VALUES ('long')");
    assert_string_equal(noticed, "WARNING: Data truncated for column 'a' at row 1");
}

/* ---- connecting ---------------------------------------------------------------------------- */

static void open_fails(Fixture *f, const char *text, const char *code)
{
    DbUrl url = fixture_url(f, text);
    Db *db = NULL;
    error_clear(&f->err);
    DbOptions options = {.connect_timeout_ms = 500};
    if (db_open(&url, &options, &db, &f->err))
        fail_msg("%s opens", text);
    assert_null(db);
    if (!f->err.code || strcmp(f->err.code, code) != 0)
        fail_msg("%s: %s instead of %s: %s", text, f->err.code, code, f->err.message);
    assert_int_equal(f->err.kind, ERROR_CONNECT);
    assert_true(!strstr(f->err.message, "s3cret") &&
                (!f->err.detail || !strstr(f->err.detail, "s3cret")));
}

static void mysql_what_keeps_from_connecting_is_told_apart(void **state)
{
    Fixture *f = *state;
    NEED_SERVER(f);
    char host[64];
    snprintf(host, sizeof host, "%.*s", STR_ARG(f->url.hosts));
    /* By each name of this host: an anonymous user of a more precise one would come first. */
    must(
        f, f->db,
        "CREATE OR REPLACE USER guarded@'%' IDENTIFIED BY 'right', guarded@localhost IDENTIFIED BY "
        "'right', guarded@'127.0.0.1' IDENTIFIED BY 'right'");
    open_fails(f, "mysql://u:s3cret@127.0.0.1:1/db", "connect-refused");
    open_fails(f, "mysql://u:s3cret@localhost/db?socket=/nowhere", "connect-refused");
    open_fails(f, "mysql://u:s3cret@no-such-host.invalid/db", "connect-refused");
    open_fails(f, str_format(f->arena, "mysql://guarded:s3cret@%s", host), "wrong-password");
    assert_int_equal(f->err.server_code, 1045);
    assert_string_equal(f->err.sqlstate, "28000");
    open_fails(f, str_format(f->arena, "mysql://root@%s/no_such_db", host), "database-absent");
    assert_non_null(strstr(f->err.hint, "database create"));
    DbOptions options = {.client_path = "/nowhere/libmariadb.so"};
    Db *db;
    assert_false(db_open(&f->url, &options, &db, &f->err));
    assert_string_equal(f->err.code, "client-missing");
    assert_non_null(strstr(f->err.hint, "libmariadb3"));
    DbUrl right = fixture_url(f, str_format(f->arena, "mysql://guarded@%s", host));
    assert_true(db_url_set_password(f->arena, &right, STR("right"), &f->err));
    if (!db_open(&right, NULL, &db, &f->err))
        fail_msg("%s", f->err.message);
    assert_string_equal(db->info.user, "guarded");
    assert_string_equal(db->info.database, "");
    db_close(db);
    must(f, f->db, "DROP USER guarded@'%'");
}

static void mysql_a_silent_host_is_passed_over(void **state)
{
    Fixture *f = *state;
    NEED_SERVER(f);
    int fd = 0;
    unsigned port;
    assert_int_equal(silent_server(&fd, &port), 0);
    DbOptions options = {.connect_timeout_ms = 300};
    Db *db = NULL;
    DbUrl url = fixture_url(f, str_format(f->arena, "mysql://root@127.0.0.1:%u,%.*s/%.*s", port,
                                          STR_ARG(f->url.hosts), STR_ARG(f->url.database)));
    if (!db_open(&url, &options, &db, &f->err))
        fail_msg("%s", f->err.message);
    assert_string_equal(db->info.place, str_format(f->arena, "%.*s", STR_ARG(f->url.hosts)));
    db_close(db);
    open_fails(f, str_format(f->arena, "mysql://root@127.0.0.1:%u/x", port), "connect-refused");
    assert_non_null(strstr(f->err.message, "did not answer"));
    Stopper stopper;
    stopper_begin(&stopper, 100);
    options = (DbOptions){.cancel = &stopper.cancel};
    url = fixture_url(f, str_format(f->arena, "mysql://root@127.0.0.1:%u/x", port));
    assert_false(db_open(&url, &options, &db, &f->err));
    assert_int_equal(f->err.kind, ERROR_CANCELLED);
    stopper_end(&stopper);
    silent_server_end(fd);
}

static const char *cipher_of(Fixture *f, Db *db)
{
    scoped(DbRows, db_rows_done) rows = {0};
    assert_true(db_query(db, STR("SHOW SESSION STATUS LIKE 'Ssl_cipher'"), &rows, &f->err));
    assert_true(db_rows_next(&rows));
    return str_z(f->arena, rows.cols[1].text);
}

/* WHIMBREL_TEST_MARIADB_TLS: a server with a certificate for 127.0.0.1, whose authority is in ..._TLS_CA. */
static void mysql_tls_is_never_less_than_asked(void **state)
{
    Fixture *f = *state;
    NEED_SERVER(f);
    static const char *const modes[] = {"REQUIRED", "VERIFY_CA", "verify-identity"};
    for (size_t i = 0; i < 3; i++) /* this server has no TLS */
        open_fails(f, fixture_url_with(f, str_format(f->arena, "ssl-mode=%s", modes[i])).text.ptr,
                   "tls");
    Db *db;
    DbUrl url = fixture_url_with(f, "ssl-mode=PREFERRED");
    if (!db_open(&url, NULL, &db, &f->err))
        fail_msg("%s", f->err.message);
    assert_string_equal(cipher_of(f, db), "");
    db_close(db);

    const char *tls = getenv("WHIMBREL_TEST_MARIADB_TLS"),
               *ca = getenv("WHIMBREL_TEST_MARIADB_TLS_CA");
    if (!tls || !ca)
        skip();
    const char *other_ca = getenv("WHIMBREL_TEST_MARIADB_OTHER_CA");
    const struct {
        const char *params;
        bool opens, is_encrypted;
    } cases[] = {
        {"ssl-mode=DISABLED", true, false},
        {"ssl-mode=PREFERRED", true, true},
        {"ssl-mode=REQUIRED", true, true},
        {"ssl-mode=VERIFY_CA", false, false},
        {str_format(f->arena, "ssl-mode=VERIFY_CA&ssl-ca=%s", ca), true, true},
        {str_format(f->arena, "ssl-mode=VERIFY_IDENTITY&ssl-ca=%s", ca), true, true},
        {str_format(f->arena, "ssl-mode=VERIFY_CA&ssl-ca=%s", other_ca), false, false},
        {str_format(f->arena, "ssl-mode=VERIFY_IDENTITY&ssl-ca=%s", other_ca), false, false},
        {"ssl-mode=REQUIRED&ssl-ca=/nowhere/ca.pem", false, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *text = str_format(f->arena, "%s?%s", tls, cases[i].params);
        if (!cases[i].opens) {
            open_fails(f, text, "tls");
            continue;
        }
        url = fixture_url(f, text);
        if (!db_open(&url, NULL, &db, &f->err))
            fail_msg("%s: %s", cases[i].params, f->err.message);
        if ((cipher_of(f, db)[0] != '\0') != cases[i].is_encrypted)
            fail_msg("%s: '%s'", cases[i].params, cipher_of(f, db));
        db_close(db);
    }
    /* The name in the certificate is not this one. */
    Str rest = str_sub(str_from(tls), str_find(str_from(tls), STR("127.0.0.1"), 0) + 9, SIZE_MAX);
    open_fails(f,
               str_format(f->arena,
                          "mariadb://root@localhost%.*s?ssl-mode=VERIFY_IDENTITY&ssl-ca=%s",
                          STR_ARG(rest), ca),
               "tls");
}

static void mysql_the_server_is_described(void **state)
{
    Fixture *f = *state;
    NEED_SERVER(f);
    assert_string_equal(f->db->info.engine, "mariadb");
    assert_string_equal(f->db->info.engine_title, "MariaDB");
    assert_string_equal(f->db->info.user, "root");
    assert_true(f->db->info.version_number >= 100600);
    assert_null(strchr(f->db->info.version, '-'));
    assert_false(f->db->info.is_read_only);
    assert_false(f->db->info.is_cluster);
    assert_true(db_has(f->db, DB_SESSION_LOCK | DB_BATCH));
    assert_false(db_has(f->db, DB_TRANSACTIONAL_DDL));
    scoped(Db *, db_closep) db = fixture_connect(f);
    assert_int_equal(db->round_trips, 1);
    const char *socket = getenv("WHIMBREL_TEST_MARIADB_SOCKET");
    if (socket) {
        DbUrl url = fixture_url(f, socket);
        scoped(Db *, db_closep) local = NULL;
        assert_true(db_open(&url, NULL, &local, &f->err));
        assert_int_equal(local->info.place[0], '/');
    }
}

static void mysql_databases_are_created_and_dropped(void **state)
{
    Fixture *f = *state;
    NEED_SERVER(f);
    const DbDriver *driver = f->db->driver;
    DbOptions options = {0};
    DbUrl url;
    bool exists;
    assert_true(db_url_with_database(f->arena, &f->url, STR("new `db` é"), &url, &f->err));
    assert_true(driver->database_exists(&url, &options, &exists, &f->err));
    assert_false(exists);
    assert_true(driver->database_create(&url, &options, &f->err));
    assert_false(driver->database_create(&url, &options, &f->err));
    assert_string_equal(f->err.code, "database-exists");
    assert_true(driver->database_exists(&url, &options, &exists, &f->err));
    assert_true(exists);
    Db *db;
    assert_true(db_open(&url, NULL, &db, &f->err));
    assert_string_equal(db->info.database, "new `db` é");
    db_close(db);
    assert_true(driver->database_drop(&url, &options, &f->err));
    assert_false(driver->database_drop(&url, &options, &f->err));
    assert_string_equal(f->err.code, "database-absent");
}

static void mysql_connections_live_in_threads_of_their_own(void **state)
{
    Fixture *f = *state;
    NEED_SERVER(f);
    enum { THREADS = 6 };
    Later later[THREADS];
    for (int i = 0; i < THREADS; i++)
        later_begin(&later[i], f, str_format(f->arena, "CREATE TABLE worker%d (a int)", i), 0);
    for (int i = 0; i < THREADS; i++)
        later_end(&later[i]);
    assert_string_equal(
        value_of(f, f->db,
                 "SELECT COUNT(*) FROM information_schema.tables WHERE table_name LIKE 'worker_'"),
        "6");
}

#ifdef WHIMBREL_FAULTS
static void mysql_the_loss_of_any_allocation_is_an_error(void **state)
{
    Fixture *f = *state;
    NEED_SERVER(f);
    survive_lost_allocations(f, "CREATE TABLE lost (a int)");
}
#endif

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, fixture_close)
UNIT_TESTS(mysql) = {
    TEST(mysql_batches_are_as_if_each_statement_came_alone),
    TEST(mysql_many_statements_take_one_round_trip),
    TEST(mysql_messages_keep_to_the_packet_s_size),
    TEST(mysql_an_error_points_at_its_line_and_byte),
    TEST(mysql_errors_have_their_codes),
    TEST(mysql_a_running_statement_is_cancelled_on_the_server),
    TEST(mysql_a_lost_connection_leaves_the_fate_unknown),
    TEST(mysql_rows_come_whole_and_result_by_result),
    TEST(mysql_the_catalog_tells_what_has_run),
    TEST(mysql_everything_is_dropped),
    TEST(mysql_the_migration_lock_is_one_session_s),
    TEST(mysql_who_blocks_is_found_and_can_be_ended),
    TEST(mysql_settings_are_put_back),
    TEST(mysql_warnings_reach_the_caller),
    TEST(mysql_an_adopted_connection_is_given_back_as_it_was),
    TEST(mysql_what_keeps_from_connecting_is_told_apart),
    TEST(mysql_a_silent_host_is_passed_over),
    TEST(mysql_tls_is_never_less_than_asked),
    TEST(mysql_the_server_is_described),
    TEST(mysql_databases_are_created_and_dropped),
    TEST(mysql_connections_live_in_threads_of_their_own),
#ifdef WHIMBREL_FAULTS
    TEST(mysql_the_loss_of_any_allocation_is_an_error),
#endif
};
UNIT_TESTS_END(mysql)

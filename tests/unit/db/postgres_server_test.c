/* The PostgreSQL driver against a real server. SPDX-License-Identifier: Apache-2.0 */
#include "server.h"

#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int set_up(void **state)
{
    fixture_open(state, "WHIMBREL_TEST_POSTGRES");
    Fixture *f = *state;
    if (f->db) {
        must(f, f->db, "SET client_min_messages = warning");
        must(f, f->db, "DROP SCHEMA public CASCADE");
        must(f, f->db, "CREATE SCHEMA public");
        must(f, f->db, "GRANT ALL ON SCHEMA public TO public");
        must(f, f->db, "RESET client_min_messages");
    }
    return 0;
}

#define NEED_SERVER(f)                                                                             \
    if (!(f)->db)                                                                                  \
    skip()

/* ---- as if each statement came alone ------------------------------------------------------- */

static const char *const sequences[][12] = {
    {"CREATE TABLE t (a int)", "INSERT INTO t VALUES (1)", "SELECT a FROM t",
     "INSERT INTO t VALUES (2)"},
    {"BEGIN", "CREATE TABLE t (a int)", "INSERT INTO t VALUES (1)", "COMMIT", "BEGIN",
     "INSERT INTO t VALUES (2)", "COMMIT"},
    {"SET work_mem = '1MB'", "BEGIN", "CREATE TABLE t (a int)", "COMMIT", "SET work_mem = '2MB'",
     "BEGIN", "INSERT INTO t VALUES (3)", "ROLLBACK"},
    {"/* empty */", "CREATE TABLE t (a int) -- a comment", "",
     "INSERT INTO t VALUES (1); INSERT INTO t VALUES (2)", "SELECT 1"},
    {"BEGIN", "CREATE TABLE t (a int)", "SAVEPOINT s", "INSERT INTO t VALUES (1)", "ROLLBACK TO s",
     "INSERT INTO t VALUES (2)", "COMMIT AND CHAIN", "INSERT INTO t VALUES (3)", "COMMIT"},
    {"CREATE TABLE t (a int)", "VACUUM t", "CREATE INDEX CONCURRENTLY i ON t (a)",
     "INSERT INTO t VALUES (1)"},
    {"BEGIN", "CREATE TABLE t (a int)", "COMMIT", "CREATE INDEX CONCURRENTLY i ON t (a)", "BEGIN",
     "INSERT INTO t VALUES (1)", "COMMIT"},
    {"CREATE TABLE t (a int)", "DO $$ BEGIN INSERT INTO t VALUES (5); END; $$",
     "CREATE RULE r AS ON INSERT TO t DO ALSO SELECT 7", "INSERT INTO t VALUES (6)", "BEGIN",
     "INSERT INTO t VALUES (8)", "COMMIT"},
};
enum { SEQUENCES = sizeof sequences / sizeof *sequences };

/* Each fails in its own way; %s: nothing. */
static const char *const failures[] = {
    NULL,
    "SELEC 1",
    "INSERT INTO t VALUES ('äöü' || 'x', nöwhere)",
    "SELECT * FROM nowhere",
    "SELECT 1/0",
    "CREATE TABLE t (a int)",
    "DO $$ BEGIN RAISE EXCEPTION 'no'; END $$",
    "SELECT 'unterminated",
    "INSERT INTO t VALUES (1); SELECT fröm nowhere",
    "SELECT '\xff'",
    "COPY t FROM STDIN",
};
enum { FAILURES = sizeof failures / sizeof *failures };

typedef struct Result {
    size_t completed, progressed;
    int64_t offset;
    char sqlstate[6];
    bool is_in_transaction, is_good;
    const char *rows, *work_mem, *has_index;
} Result;

static void count_progress(void *ctx, size_t completed)
{
    size_t *seen = ctx;
    assert_int_equal(completed, *seen + 1);
    *seen = completed;
}

/* begins_inside: the first BEGIN travels in a call of its own. */
static Result run_sequence(Fixture *f, const DbStatementVec *statements, bool is_single,
                           bool begins_inside)
{
    Result result = {.is_good = true, .offset = -1};
    Db *db = f->db;
    must(f, db, "RESET ALL");
    must(f, db, "SET client_min_messages = error");
    must(f, db, "DROP TABLE IF EXISTS t");
    error_clear(&f->err);
    size_t from = 0;
    if (begins_inside && statements->len > 0 && str_eq(statements->items[0].sql, STR("BEGIN"))) {
        must(f, db, "BEGIN");
        from = 1;
    }
    DbOutcome outcome = {.error_offset = -1};
    if (is_single) {
        for (size_t i = from; i < statements->len && result.is_good; i++) {
            result.is_good = db_run(db, &statements->items[i], 1, NULL, NULL, &outcome, &f->err);
            result.completed += outcome.completed;
        }
        result.progressed = result.completed;
    } else {
        result.is_good = db_run(db, statements->items + from, statements->len - from,
                                count_progress, &result.progressed, &outcome, &f->err);
        result.completed = outcome.completed;
    }
    result.offset = outcome.error_offset;
    memcpy(result.sqlstate, f->err.sqlstate, 6);
    result.is_in_transaction = db->is_in_transaction;
    assert_false(outcome.is_fate_unknown);
    /* What COMMIT now makes of it. */
    db_exec(db, STR("COMMIT"), NULL);
    bool has_table;
    assert_true(db->driver->has_table(db, STR("t"), &has_table, &f->err));
    result.rows = has_table ? value_of(f, db, "SELECT string_agg(a::text, ',' ORDER BY a) FROM t")
                            : "no table";
    result.has_index = value_of(f, db, "SELECT to_regclass('i')");
    result.work_mem = value_of(f, db, "SHOW work_mem");
    return result;
}

static void postgres_batches_are_as_if_each_statement_came_alone(void **state)
{
    Fixture *f = *state;
    NEED_SERVER(f);
    for (size_t s = 0; s < SEQUENCES; s++)
        for (size_t failure = 0; failure < FAILURES; failure++)
            for (size_t k = 0;
                 k == 0 || (failures[failure] && k <= 10 && (k == 0 || sequences[s][k - 1])); k++)
                for (int inside = 0; inside < (strcmp(sequences[s][0], "BEGIN") == 0 ? 2 : 1);
                     inside++) {
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
                    Result alone = run_sequence(f, &statements, true, inside);
                    Result batch = run_sequence(f, &statements, false, inside);
                    bool is_same = alone.is_good == batch.is_good &&
                                   alone.completed == batch.completed &&
                                   alone.offset == batch.offset &&
                                   strcmp(alone.sqlstate, batch.sqlstate) == 0 &&
                                   alone.is_in_transaction == batch.is_in_transaction &&
                                   strcmp(alone.rows, batch.rows) == 0 &&
                                   strcmp(alone.has_index, batch.has_index) == 0;
                    if (!is_same)
                        fail_msg("sequence %zu, '%s' at %zu, inside %d: good %d/%d completed "
                                 "%zu/%zu offset %ld/%ld state %s/%s "
                                 "transaction %d/%d rows %s/%s index %s/%s",
                                 s, failures[failure] ? failures[failure] : "", k, inside,
                                 alone.is_good, batch.is_good, alone.completed, batch.completed,
                                 (long)alone.offset, (long)batch.offset, alone.sqlstate,
                                 batch.sqlstate, alone.is_in_transaction, batch.is_in_transaction,
                                 alone.rows, batch.rows, alone.has_index, batch.has_index);
                }
}

static void postgres_many_transactions_take_one_round_trip(void **state)
{
    Fixture *f = *state;
    NEED_SERVER(f);
    DbStatementVec statements = {0};
    for (int i = 0; i < 300; i++) {
        char *make = str_format(f->arena, "CREATE TABLE t%d (a int)", i);
        vec_push(f->arena, &statements, ((DbStatement){.sql = STR("BEGIN")}));
        vec_push(f->arena, &statements, ((DbStatement){.sql = str_from(make)}));
        vec_push(f->arena, &statements, ((DbStatement){.sql = STR("COMMIT")}));
    }
    uint64_t before = f->db->round_trips;
    run_all(f, f->db, &statements);
    assert_int_equal(f->db->round_trips - before, 1);
    assert_string_equal(
        value_of(f, f->db, "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"), "300");
}

static void postgres_an_error_points_at_its_byte(void **state)
{
    Fixture *f = *state;
    NEED_SERVER(f);
    static const char *const sql[] = {"BEGIN", "SELECT 'äöü€😀'", "SELECT 'äöü€😀', nöwhere",
                                      "COMMIT", NULL};
    DbStatementVec statements = statements_of(f, sql);
    DbOutcome outcome;
    assert_false(db_run(f->db, statements.items, statements.len, NULL, NULL, &outcome, &f->err));
    assert_int_equal(outcome.completed, 2);
    assert_int_equal(outcome.error_offset, strstr(sql[2], "nöwhere") - sql[2]);
    assert_string_equal(f->err.sqlstate, "42703");
    assert_int_equal(f->err.kind, ERROR_SQL);
    assert_string_equal(f->err.statement, sql[2]);
    must(f, f->db, "ROLLBACK");
}

static void postgres_errors_bring_detail_hint_and_code(void **state)
{
    Fixture *f = *state;
    NEED_SERVER(f);
    must(f, f->db, "CREATE TABLE t (a int PRIMARY KEY, status text)");
    must(f, f->db, "INSERT INTO t VALUES (1)");
    must_fail(f, f->db, "INSERT INTO t VALUES (1)");
    assert_string_equal(f->err.sqlstate, "23505");
    assert_non_null(strstr(f->err.detail, "(a)=(1)"));
    must_fail(f, f->db, "SELECT t.statsu FROM t");
    assert_non_null(strstr(f->err.server_hint, "t.status"));
    must(f, f->db, "SET statement_timeout = 50");
    must_fail(f, f->db, "SELECT pg_sleep(5)");
    assert_int_equal(f->err.kind, ERROR_TIMEOUT);
    assert_string_equal(f->err.code, "statement-timeout");
    must(f, f->db, "RESET statement_timeout");
    must(f, f->db, "DROP ROLE IF EXISTS little");
    must(f, f->db, "CREATE ROLE little LOGIN");
    must(f, f->db, "SET ROLE little");
    must_fail(f, f->db, "DROP TABLE t");
    assert_string_equal(f->err.sqlstate, "42501");
    assert_string_equal(f->err.code, "no-privilege");
    assert_non_null(f->err.hint);
    must(f, f->db, "RESET ROLE");
    must(f, f->db, "BEGIN TRANSACTION READ ONLY");
    must_fail(f, f->db, "CREATE TABLE u (a int)");
    assert_string_equal(f->err.code, "read-only");
    must(f, f->db, "ROLLBACK");
}

/* ---- COPY ---------------------------------------------------------------------------------- */

typedef struct Pieces {
    const char *const *at;
    bool fails;
} Pieces;

static bool next_piece(void *ctx, Str *ret_piece, Error *err)
{
    Pieces *pieces = ctx;
    if (!*pieces->at && pieces->fails)
        return error_set(err, ERROR_IO, "cannot read on");
    *ret_piece = str_from(*pieces->at);
    if (*pieces->at)
        pieces->at++;
    return true;
}

static void postgres_copy_data_flows_in_the_middle_of_a_batch(void **state)
{
    Fixture *f = *state;
    NEED_SERVER(f);
    static const char *const good[] = {"1\ta", "é\n2\t", "b\n", NULL}, *const bad[] = {"3\tx\n",
                                                                                       "four\ty\n",
                                                                                       NULL};
    Pieces pieces = {.at = good};
    DbStatement statements[] = {
        {.sql = STR("BEGIN")},
        {.sql = STR("CREATE TABLE t (a int, b text)")},
        {.sql = STR("COPY t FROM STDIN"), .copy_data = next_piece, .copy_ctx = &pieces},
        {.sql = STR("COPY t TO STDOUT")},
        {.sql = STR("INSERT INTO t VALUES (9, 'z')")},
        {.sql = STR("COMMIT")},
    };
    DbOutcome outcome;
    uint64_t before = f->db->round_trips;
    if (!db_run(f->db, statements, 6, NULL, NULL, &outcome, &f->err))
        fail_msg("%s", f->err.message);
    assert_int_equal(f->db->round_trips - before, 1);
    assert_int_equal(outcome.completed, 6);
    assert_string_equal(value_of(f, f->db, "SELECT string_agg(a || b, ',' ORDER BY a) FROM t"),
                        "1aé,2b,9z");

    must(f, f->db, "DROP TABLE t");
    pieces = (Pieces){.at = bad};
    assert_false(db_run(f->db, statements, 6, NULL, NULL, &outcome, &f->err));
    assert_int_equal(outcome.completed, 2);
    assert_string_equal(f->err.sqlstate, "22P02");
    assert_non_null(strstr(f->err.detail, "line 2"));
    must(f, f->db, "ROLLBACK");

    pieces = (Pieces){.at = good, .fails = true};
    assert_false(db_run(f->db, statements, 6, NULL, NULL, &outcome, &f->err));
    assert_int_equal(outcome.completed, 2);
    assert_int_equal(f->err.kind, ERROR_IO);
    assert_string_equal(f->err.message, "cannot read on");
    must(f, f->db, "ROLLBACK");

    statements[2].copy_data = NULL;
    assert_false(db_run(f->db, statements, 6, NULL, NULL, &outcome, &f->err));
    assert_int_equal(outcome.completed, 2);
    assert_non_null(strstr(f->err.message, "no data was given"));
    must(f, f->db, "ROLLBACK");
}

/* In the midst of other questions; what stands for a character in COPY's text is that character again. */
static void postgres_rows_that_are_copied_out_are_rows_like_others(void **state)
{
    Fixture *f = *state;
    NEED_SERVER(f);
    static const char *const values[] = {"plain", "",      NULL, "\\N", "a\tb\nc\\d\r\x08\x0b\x0c",
                                         "\\",    "\\x41", "é"};
    enum { VALUES = sizeof values / sizeof *values };
    StrBuf sql = strbuf(f->arena);
    Str text;
    strbuf_adds(&sql, "SELECT 'before'; COPY (SELECT i, v, NULL, v FROM (VALUES ");
    for (int i = 0; i < VALUES; i++) {
        strbuf_addf(&sql, "%s(%d, ", i > 0 ? ", " : "", i);
        if (values[i])
            sql_add_literal(&sql, SQL_POSTGRES, str_from(values[i]));
        else
            strbuf_adds(&sql, "NULL");
        strbuf_adds(&sql, ")");
    }
    strbuf_adds(&sql, ") AS t (i, v) ORDER BY i) TO STDOUT; COPY (SELECT 1 WHERE false) TO STDOUT;"
                      " SELECT 'behind'");
    assert_true(strbuf_finish(&sql, &text));
    scoped(DbRows, db_rows_done) rows = {0};
    uint64_t before = f->db->round_trips;
    assert_true(db_query(f->db, text, &rows, &f->err));
    assert_int_equal(f->db->round_trips - before, 1);
    assert_true(db_rows_next(&rows));
    assert_true(str_eq(rows.cols[0].text, STR("before")));
    assert_true(db_rows_next_result(&rows));
    assert_int_equal(rows.col_count, 4);
    for (int64_t i = 0; i < VALUES; i++) {
        int64_t number = -1;
        assert_true(db_rows_next(&rows));
        assert_true(db_value_i64(&rows.cols[0], &number) && number == i);
        assert_true(rows.cols[2].is_null);
        for (int c = 1; c < 4; c += 2) {
            assert_int_equal(rows.cols[c].is_null, values[i] == NULL);
            assert_true(str_eq(rows.cols[c].text, str_from(values[i])));
        }
    }
    assert_false(db_rows_next(&rows));
    assert_true(db_rows_next_result(&rows));
    assert_false(db_rows_next(&rows));
    assert_true(db_rows_next_result(&rows));
    assert_true(db_rows_next(&rows));
    assert_true(str_eq(rows.cols[0].text, STR("behind")));
    assert_false(db_rows_next_result(&rows));
    assert_true(db_rows_finish(&rows, &f->err));

    /* What fails amid the rows leaves none of them. */
    assert_false(
        db_query(f->db, STR("COPY (SELECT 1 / (5 - i) FROM generate_series(1, 9) AS i) TO STDOUT"),
                 &rows, &f->err));
    assert_string_equal(f->err.sqlstate, "22012");
    assert_string_equal(value_of(f, f->db, "SELECT 'goes on'"), "goes on");
}

typedef struct Meanwhile {
    int calls;
    uint64_t *round_trips, at;
} Meanwhile;

static void note_call(void *ctx)
{
    Meanwhile *meanwhile = ctx;
    meanwhile->calls++;
    meanwhile->at = *meanwhile->round_trips;
}

static void postgres_work_is_done_while_the_server_is_at_its_own(void **state)
{
    Fixture *f = *state;
    NEED_SERVER(f);
    Meanwhile meanwhile = {.round_trips = &f->db->round_trips};
    uint64_t before = f->db->round_trips;
    db_meanwhile(f->db, note_call, &meanwhile);
    for (int i = 0; i < 2; i++)
        assert_string_equal(value_of(f, f->db, "SELECT 1"), "1");
    assert_int_equal(meanwhile.calls, 1);
    assert_int_equal(meanwhile.at, before + 1); /* the first was on its way */
    db_meanwhile(f->db, note_call, &meanwhile);
    db_meanwhile(f->db, NULL, NULL);
    assert_string_equal(value_of(f, f->db, "SELECT 1"), "1");
    assert_int_equal(meanwhile.calls, 1);
}

static bool endless_piece(void *ctx, Str *ret_piece, Error *err)
{
    (void)ctx;
    (void)err;
    static char rows[20000];
    if (!rows[0])
        for (size_t i = 0; i < sizeof rows; i += 2)
            memcpy(rows + i, "1\n", 2);
    *ret_piece = (Str){rows, sizeof rows};
    return true;
}

/* ---- stopping ------------------------------------------------------------------------------ */

static void postgres_a_running_statement_is_cancelled_on_the_server(void **state)
{
    Fixture *f = *state;
    NEED_SERVER(f);
    must(f, f->db, "CREATE TABLE t (a int)");
    DbStatement statements[] = {
        {.sql = STR("BEGIN")},
        {.sql = STR("INSERT INTO t VALUES (1)")},
        {.sql = STR("SELECT pg_sleep(30)")},
        {.sql = STR("COMMIT")},
    };
    for (int round = 0; round < 2; round++) {
        Stopper stopper;
        DbOutcome outcome;
        if (round == 1) /* in the midst of a COPY */
            statements[2] =
                (DbStatement){.sql = STR("COPY t FROM STDIN"), .copy_data = endless_piece};
        stopper_begin(&stopper, 150);
        f->db->options.cancel = &stopper.cancel;
        int64_t begun = clock_monotonic_us();
        assert_false(db_run(f->db, statements, 4, NULL, NULL, &outcome, &f->err));
        assert_in_range((clock_monotonic_us() - begun) / 1000, 140, 5000);
        assert_int_equal(f->err.kind, ERROR_CANCELLED);
        assert_int_equal(outcome.completed, 2);
        assert_false(outcome.is_fate_unknown);
        assert_true(f->db->is_in_transaction);
        must_fail(f, f->db, "SELECT 1");
        assert_int_equal(f->err.kind, ERROR_CANCELLED);
        stopper_end(&stopper);
        f->db->options.cancel = NULL;
        must(f, f->db, "ROLLBACK");
        assert_string_equal(value_of(f, f->db, "SELECT count(*) FROM t"), "0");
    }
    Stopper stopper;
    DbRows rows;
    stopper_begin(&stopper, 150);
    f->db->options.cancel = &stopper.cancel;
    assert_false(db_query(f->db, STR("SELECT pg_sleep(30)"), &rows, &f->err));
    assert_int_equal(f->err.kind, ERROR_CANCELLED);
    f->db->options.cancel = NULL;
    stopper_end(&stopper);
}

static void postgres_a_lost_connection_leaves_the_fate_unknown(void **state)
{
    Fixture *f = *state;
    NEED_SERVER(f);
    static const char *const sql[] = {"BEGIN", "CREATE TABLE t (a int)", "SELECT pg_sleep(30)",
                                      "COMMIT", NULL};
    DbStatementVec statements = statements_of(f, sql);
    DbOutcome outcome;
    Later later;
    char *kill = str_format(f->arena, "SELECT pg_terminate_backend(%s)",
                            value_of(f, f->db, "SELECT pg_backend_pid()"));
    later_begin(&later, f, kill, 150);
    assert_false(db_run(f->db, statements.items, 4, NULL, NULL, &outcome, &f->err));
    later_end(&later);
    assert_int_equal(f->err.kind, ERROR_CONNECT);
    assert_string_equal(f->err.code, "connection-lost");
    assert_int_equal(outcome.completed, 2);
    assert_true(outcome.is_fate_unknown);
    assert_true(f->db->is_broken);
    must_fail(f, f->db, "SELECT 1");
    assert_string_equal(f->err.code, "connection-lost");
}

/* ---- rows ---------------------------------------------------------------------------------- */

static void postgres_rows_come_whole_and_result_by_result(void **state)
{
    Fixture *f = *state;
    NEED_SERVER(f);
    scoped(DbRows, db_rows_done) rows = {0};
    if (!db_query(f->db,
                  STR("CREATE TABLE t (a int, b bytea); INSERT INTO t VALUES (1, '\\x00ff5c'), (2, "
                      "NULL); "
                      "SELECT a, b FROM t ORDER BY a; SELECT 'x'"),
                  &rows, &f->err))
        fail_msg("%s", f->err.message);
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
    assert_false(db_rows_next_result(&rows));
    assert_true(db_rows_finish(&rows, &f->err));
    must(f, f->db, "SET bytea_output = escape");
    assert_string_equal(value_of(f, f->db, "SELECT '\\x5c61'::bytea"), "\\a");
    assert_true(db_query(f->db, STR("SELECT 1; SELECT nowhere"), &rows, &f->err));
    assert_true(db_rows_next(&rows));
    assert_false(db_rows_finish(&rows, &f->err));
    assert_string_equal(f->err.sqlstate, "42703");
    /* Rows come one by one: those in front of an error are no result, and a result without rows is one. */
    assert_true(db_query(
        f->db, STR("SELECT 1 WHERE false; SELECT 7 / (2 - n) FROM generate_series(0, 2) n"), &rows,
        &f->err));
    assert_false(db_rows_next(&rows));
    assert_false(db_rows_next_result(&rows));
    assert_false(db_rows_finish(&rows, &f->err));
    assert_string_equal(f->err.sqlstate, "22012");
    assert_true(db_query(f->db, STR("SELECT n, repeat('x', n) FROM generate_series(1, 3000) n"),
                         &rows, &f->err));
    for (int n = 1; n <= 3000; n++) {
        int64_t number = 0;
        assert_true(db_rows_next(&rows) && db_value_i64(&rows.cols[0], &number));
        assert_int_equal(number, n);
        assert_int_equal(rows.cols[1].text.len, n);
    }
    assert_false(db_rows_next(&rows));
    assert_true(db_rows_finish(&rows, &f->err));
}

/* ---- the catalog --------------------------------------------------------------------------- */

static void check_effects(Fixture *f, const char *const (*cases)[4])
{
    SqlSplitOptions options = db_split_options(f->db, NULL);
    for (; (*cases)[0]; cases++) {
        SqlInfo info = sql_inspect(str_from((*cases)[0]), &options);
        for (int after = 0; after < 2; after++) {
            bool is_known, has_run;
            if (!f->db->driver->has_effect(f->db, str_from((*cases)[0]), &info, &is_known, &has_run,
                                           &f->err))
                fail_msg("%s: %s", (*cases)[0], f->err.message);
            const char *answer = !is_known ? "unknown" : has_run ? "yes" : "no";
            if (strcmp(answer, (*cases)[1 + after]) != 0)
                fail_msg("%s %s: %s instead of %s", after ? "after" : "before", (*cases)[0], answer,
                         (*cases)[1 + after]);
            if (!after)
                must(f, f->db, (*cases)[0]);
        }
    }
}

/* statement, what the catalog says before it, what after it */
static const char *const effects[][4] = {
    {"CREATE TABLE a (id int, n int)", "no", "yes"},
    {"CREATE TABLE \"Mixed Case\" (id int)", "no", "yes"},
    {"CREATE TABLE public.b (id int)", "no", "yes"},
    {"CREATE TABLE IF NOT EXISTS a (id int)", "no", "no"},
    {"CREATE TABLE c AS SELECT 1 AS x", "no", "yes"},
    {"CREATE INDEX ai ON a (n)", "no", "yes"},
    {"CREATE INDEX CONCURRENTLY ai2 ON a (n)", "no", "yes"},
    {"CREATE INDEX CONCURRENTLY IF NOT EXISTS ai3 ON a (n)", "no", "yes"},
    {"CREATE INDEX ON a (n)", "unknown", "unknown"},
    {"DROP INDEX CONCURRENTLY ai2", "no", "yes"},
    {"ALTER TABLE a ADD COLUMN c text", "no", "yes"},
    {"ALTER TABLE a ADD d text, ADD COLUMN e int", "no", "yes"},
    {"ALTER TABLE public.a ADD CONSTRAINT pk PRIMARY KEY (id)", "no", "yes"},
    {"ALTER TABLE a ADD CONSTRAINT ck CHECK (n > 0) NOT VALID", "no", "yes"},
    {"ALTER TABLE a VALIDATE CONSTRAINT ck", "no", "no"},
    {"ALTER TABLE a DROP CONSTRAINT ck", "no", "yes"},
    {"ALTER TABLE a DROP COLUMN e", "no", "yes"},
    {"ALTER TABLE a DROP COLUMN d, ADD COLUMN d int", "unknown", "unknown"},
    {"ALTER TABLE a ALTER COLUMN n SET NOT NULL", "no", "no"},
    {"ALTER TABLE a ALTER n TYPE bigint USING n * 2", "unknown", "unknown"},
    {"ALTER TABLE a RENAME COLUMN n TO m", "no", "yes"},
    {"ALTER TABLE a RENAME m TO o", "no", "yes"},
    {"ALTER TABLE a RENAME CONSTRAINT pk TO pk2", "no", "yes"},
    {"ALTER TABLE a RENAME TO a2", "no", "yes"},
    {"ALTER INDEX ai RENAME TO ai9", "no", "yes"},
    {"CREATE VIEW v AS SELECT 1 AS x", "no", "yes"},
    {"CREATE OR REPLACE VIEW v AS SELECT 1 AS x", "no", "no"},
    {"CREATE MATERIALIZED VIEW mv AS SELECT 1 AS x", "no", "yes"},
    {"CREATE SEQUENCE s", "no", "yes"},
    {"CREATE TYPE mood AS ENUM ('sad')", "no", "yes"},
    {"ALTER TYPE mood ADD VALUE 'it''s ok'", "no", "yes"},
    {"ALTER TYPE mood RENAME VALUE 'sad' TO 'bad'", "no", "yes"},
    {"CREATE DOMAIN pos AS int CHECK (VALUE > 0)", "no", "yes"},
    {"CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'", "no", "unknown"},
    {"CREATE FUNCTION tf() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'", "no",
     "unknown"},
    {"CREATE TRIGGER tg BEFORE INSERT ON a2 FOR EACH ROW EXECUTE FUNCTION tf()", "no", "yes"},
    {"DROP TRIGGER tg ON a2", "no", "yes"},
    {"CREATE POLICY po ON a2 USING (true)", "no", "yes"},
    {"CREATE SCHEMA other", "no", "yes"},
    {"CREATE TABLE other.t (a int)", "no", "yes"},
    {"DROP TABLE other.t, b", "no", "yes"},
    {"DROP SCHEMA other", "no", "yes"},
    {"DROP VIEW v", "no", "yes"},
    {"DROP TABLE IF EXISTS c", "no", "no"},
    {"DROP FUNCTION f()", "unknown", "yes"},
    {"CREATE TEMP TABLE tt (a int)", "no", "no"},
    {"INSERT INTO a2 (id, o) VALUES (1, 1)", "unknown", "unknown"},
    {"COMMENT ON TABLE a2 IS 'x'", "no", "no"},
    {"TRUNCATE a2", "unknown", "unknown"},
    {NULL},
};

static void postgres_the_catalog_tells_what_has_run(void **state)
{
    Fixture *f = *state;
    NEED_SERVER(f);
    check_effects(f, effects);
}

static void postgres_an_invalid_index_is_seen(void **state)
{
    Fixture *f = *state;
    NEED_SERVER(f);
    DbObjectState index;
    bool is_known, has_run;
    Str sql = STR("CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS i ON t (a)");
    SqlSplitOptions options = db_split_options(f->db, NULL);
    SqlInfo info = sql_inspect(sql, &options);
    must(f, f->db, "CREATE TABLE t (a int)");
    must(f, f->db, "INSERT INTO t VALUES (1), (1)");
    assert_true(f->db->driver->index_state(f->db, (Str){0}, STR("i"), &index, &f->err));
    assert_false(index.exists);
    must_fail(f, f->db, "CREATE UNIQUE INDEX CONCURRENTLY i ON t (a)");
    assert_true(f->db->driver->index_state(f->db, STR("public"), STR("i"), &index, &f->err));
    assert_true(index.exists);
    assert_false(index.is_valid);
    assert_true(f->db->driver->has_effect(f->db, sql, &info, &is_known, &has_run, &f->err));
    assert_true(is_known);
    assert_false(has_run);
    must(f, f->db, "DELETE FROM t");
    must(f, f->db, "REINDEX INDEX i");
    assert_true(f->db->driver->index_state(f->db, (Str){0}, STR("i"), &index, &f->err));
    assert_true(index.is_valid);
}

static void postgres_everything_owned_is_dropped_and_nothing_else(void **state)
{
    Fixture *f = *state;
    NEED_SERVER(f);
    static const char *const sql[] = {
        "CREATE EXTENSION IF NOT EXISTS pg_trgm WITH SCHEMA public",
        "CREATE TABLE \"T 1\" (id serial PRIMARY KEY, g int GENERATED ALWAYS AS IDENTITY)",
        "CREATE TABLE child (id int REFERENCES \"T 1\")",
        "CREATE TABLE part (a int, b int) PARTITION BY RANGE (a)",
        "CREATE TABLE part1 PARTITION OF part FOR VALUES FROM (0) TO (9)",
        "CREATE VIEW v AS SELECT * FROM child",
        "CREATE VIEW v2 AS SELECT * FROM v",
        "CREATE MATERIALIZED VIEW mv AS SELECT * FROM v2",
        "CREATE SEQUENCE alone",
        "CREATE TYPE mood AS ENUM ('a')",
        "CREATE TYPE pair AS (a int, b mood)",
        "CREATE TYPE span AS RANGE (subtype = int4)",
        "CREATE DOMAIN pos AS int CHECK (VALUE > 0)",
        "CREATE FUNCTION f(a int, VARIADIC b text[]) RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "CREATE FUNCTION f(m mood) RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "CREATE PROCEDURE p() LANGUAGE sql AS 'SELECT 1'",
        "CREATE AGGREGATE agg(int) (SFUNC = int4pl, STYPE = int)",
        "CREATE OPERATOR === (LEFTARG = int, RIGHTARG = int, FUNCTION = int4eq)",
        "CREATE OPERATOR FAMILY fam USING btree",
        "CREATE COLLATION coll (LOCALE = 'C')",
        "CREATE TEXT SEARCH CONFIGURATION cfg (COPY = simple)",
        "CREATE TEXT SEARCH DICTIONARY dict (TEMPLATE = simple)",
        "CREATE STATISTICS st ON a, b FROM part",
        NULL,
    };
    DbStatementVec made = statements_of(f, sql), dropped = {0};
    run_all(f, f->db, &made);
    must(f, f->db, "DROP ROLE IF EXISTS stranger");
    must(f, f->db, "CREATE ROLE stranger");
    must(f, f->db, "CREATE TABLE foreign_one (a int)");
    must(f, f->db, "ALTER TABLE foreign_one OWNER TO stranger");
    StrVec none = {0};
    if (!f->db->driver->drop_all(f->db, f->arena, &none, &dropped, &f->err))
        fail_msg("%s", f->err.message);
    must(f, f->db, "SET client_min_messages = error");
    must(f, f->db, "BEGIN");
    run_all(f, f->db, &dropped);
    must(f, f->db, "COMMIT");
    assert_string_equal(value_of(f, f->db,
                                 "SELECT string_agg(relname, ',') FROM pg_class WHERE relnamespace "
                                 "= 'public'::regnamespace"),
                        "foreign_one");
    static const char *const left[] = {
        "pg_proc WHERE pronamespace",
        "pg_type WHERE typname NOT LIKE '%foreign_one' AND typname <> '_gtrgm' AND typnamespace",
        "pg_operator WHERE oprnamespace",
        "pg_opfamily WHERE opfnamespace",
        "pg_collation WHERE collnamespace",
        "pg_ts_config WHERE cfgnamespace",
        "pg_ts_dict WHERE dictnamespace"};
    for (size_t i = 0; i < 7; i++) {
        char *query = str_format(f->arena,
                                 "SELECT count(*) FROM %s = 'public'::regnamespace AND NOT EXISTS "
                                 "(SELECT 1 FROM pg_depend d "
                                 "WHERE d.objid = %.*s.oid AND d.deptype = 'e')",
                                 left[i], (int)strcspn(left[i], " "), left[i]);
        if (strcmp(value_of(f, f->db, query), "0") != 0)
            fail_msg("%s is left", left[i]);
    }
    StrVec absent = {0};
    vec_push(f->arena, &absent, STR("no'such"));
    dropped = (DbStatementVec){0};
    assert_true(f->db->driver->drop_all(f->db, f->arena, &absent, &dropped, &f->err));
    assert_int_equal(dropped.len, 0);
    must(f, f->db, "DROP TABLE foreign_one");
    must(f, f->db, "DROP ROLE stranger");
    must(f, f->db, "DROP EXTENSION pg_trgm");
}

/* ---- locks --------------------------------------------------------------------------------- */

static void postgres_the_migration_lock_is_one_session_s(void **state)
{
    Fixture *f = *state;
    NEED_SERVER(f);
    const DbDriver *driver = f->db->driver;
    static const int64_t numbers[] = {42, -42, INT64_MAX, INT64_MIN, 0x123456789abcdef};
    scoped(Db *, db_closep) other = fixture_connect(f);
    for (size_t i = 0; i < 5; i++) {
        DbLockKey key = {.number = numbers[i]};
        DbSession holder;
        bool is_ours, has_holder;
        assert_true(driver->lock_try(f->db, key, &is_ours, &f->err));
        assert_true(is_ours);
        assert_true(driver->lock_try(other, key, &is_ours, &f->err));
        assert_false(is_ours);
        assert_true(driver->lock_holder(other, f->arena, key, &holder, &has_holder, &f->err));
        assert_true(has_holder);
        assert_true(holder.is_alive);
        assert_string_equal(holder.id.ptr, value_of(f, f->db, "SELECT pg_backend_pid()"));
        assert_string_equal(holder.application.ptr, "whimbrel");
        assert_true(driver->unlock(f->db, key, &f->err));
        assert_false(driver->unlock(f->db, key, &f->err));
        assert_int_equal(f->err.kind, ERROR_STATE);
        assert_string_equal(f->err.code, "lock-lost");
        assert_true(driver->lock_holder(other, f->arena, key, &holder, &has_holder, &f->err));
        assert_false(has_holder);
        assert_true(driver->lock_try(other, key, &is_ours, &f->err));
        assert_true(is_ours);
        assert_true(driver->unlock(other, key, &f->err));
    }
}

static void postgres_who_blocks_is_found_and_can_be_ended(void **state)
{
    Fixture *f = *state;
    NEED_SERVER(f);
    const DbDriver *driver = f->db->driver;
    scoped(Db *, db_closep) other = fixture_connect(f);
    DbSessionVec sessions = {0};
    must(f, f->db, "CREATE TABLE \"Busy\" (a int)");
    must(f, f->db, "CREATE TABLE busy2 (a int)");
    must(f, other, "BEGIN");
    must(f, other, "SELECT * FROM \"Busy\", BUSY2");
    assert_true(driver->blockers(f->db, f->arena, STR("Busy"), &sessions, &f->err));
    assert_int_equal(sessions.len, 1);
    assert_string_equal(sessions.items[0].state.ptr, "idle in transaction");
    assert_string_equal(sessions.items[0].query.ptr, "SELECT * FROM \"Busy\", BUSY2");
    assert_in_range(sessions.items[0].age_us, 1, 60000000);
    static const char *const spellings[] = {"\"Busy\"", "public.Busy", "public.\"Busy\"", "busy2",
                                            "BUSY2"};
    for (size_t i = 0; i < 5; i++) {
        sessions = (DbSessionVec){0};
        if (!driver->blockers(f->db, f->arena, str_from(spellings[i]), &sessions, &f->err))
            fail_msg("%s", f->err.message);
        if (sessions.len != 1)
            fail_msg("%s: %zu", spellings[i], sessions.len);
    }
    DbTimeouts timeouts = {.lock_ms = 100, .statement_ms = -1};
    DbStatementVec set = {0};
    assert_true(driver->timeouts(f->db, f->arena, timeouts, false, &set));
    run_all(f, f->db, &set);
    must_fail(f, f->db, "ALTER TABLE busy2 ADD COLUMN b int");
    assert_int_equal(f->err.kind, ERROR_TIMEOUT);
    assert_string_equal(f->err.code, "lock-timeout");
    sessions = (DbSessionVec){0};
    assert_true(driver->long_transactions(f->db, f->arena, 0, &sessions, &f->err));
    assert_int_equal(sessions.len, 1);
    assert_true(driver->kill_session(f->db, sessions.items[0].id, &f->err));
    must_fail(f, other, "COMMIT");
    assert_string_equal(f->err.code, "connection-lost");
    must(f, f->db, "SET lock_timeout = '5s'");
    must(f, f->db, "ALTER TABLE busy2 ADD COLUMN b int");
    assert_false(driver->kill_session(f->db, STR("1; DROP TABLE x"), &f->err));
    assert_int_equal(f->err.kind, ERROR_USAGE);
    sessions = (DbSessionVec){0};
    assert_true(driver->long_transactions(f->db, f->arena, 3600000, &sessions, &f->err));
    assert_int_equal(sessions.len, 0);
}

/* ---- sessions ------------------------------------------------------------------------------ */

static void postgres_settings_are_local_or_put_back(void **state)
{
    Fixture *f = *state;
    NEED_SERVER(f);
    DbUrl url = fixture_url_with(f, "search_path=other,public&application_name=mine");
    scoped(Db *, db_closep) db = NULL;
    DbOptions options = {.is_read_only = true};
    if (!db_open(&url, &options, &db, &f->err))
        fail_msg("%s", f->err.message);
    assert_true(db->info.is_read_only);
    assert_string_equal(value_of(f, db, "SHOW search_path"), "\"other\", \"public\"");
    assert_string_equal(value_of(f, db, "SHOW application_name"), "mine");
    must_fail(f, db, "CREATE TABLE t (a int)");
    assert_string_equal(f->err.code, "read-only");
    must(f, db, "SET search_path TO public");
    must(f, db, "SET default_transaction_read_only = off");
    must(f, db, "SET ROLE pg_monitor");
    DbStatementVec reset = {0};
    assert_true(db->driver->reset_session(db, f->arena, &reset));
    run_all(f, db, &reset);
    assert_string_equal(value_of(f, db, "SHOW search_path"), "other, public");
    assert_string_equal(value_of(f, db, "SHOW transaction_read_only"), "on");
    assert_string_equal(value_of(f, db, "SHOW role"), "none");

    DbStatementVec set = {0};
    assert_true(db->driver->timeouts(db, f->arena, (DbTimeouts){.lock_ms = 1500, .statement_ms = 0},
                                     true, &set));
    must(f, db, "BEGIN");
    run_all(f, db, &set);
    assert_string_equal(value_of(f, db, "SHOW lock_timeout"), "1500ms");
    must(f, db, "COMMIT");
    assert_string_equal(value_of(f, db, "SHOW lock_timeout"), "0");
}

static char noticed[100];

static void take_notice(void *ctx, Str severity, Str message)
{
    (void)ctx;
    snprintf(noticed, sizeof noticed, "%.*s: %.*s", STR_ARG(severity), STR_ARG(message));
}

static void postgres_notices_reach_the_caller(void **state)
{
    Fixture *f = *state;
    NEED_SERVER(f);
    DbOptions options = {.notice = take_notice};
    scoped(Db *, db_closep) db = NULL;
    assert_true(db_open(&f->url, &options, &db, &f->err));
    must(f, db, "DO $$ BEGIN RAISE WARNING 'careful'; END $$");
    assert_string_equal(noticed, "WARNING: careful");
}

static void postgres_an_adopted_connection_is_given_back_as_it_was(void **state)
{
    Fixture *f = *state;
    NEED_SERVER(f);
    const DbDriver *driver = f->db->driver;
    PGconn *conn = PQconnectdb(f->url.text.ptr);
    assert_int_equal(PQstatus(conn), CONNECTION_OK);
    PQclear(PQexec(conn, "SET work_mem = '5MB'; SET search_path = 'x', public; SET client_encoding "
                         "= 'LATIN1'; SET ROLE pg_monitor"));
    PQclear(PQexec(conn, "BEGIN"));
    Db *db = NULL;
    assert_false(db_adopt(driver, conn, NULL, &db, &f->err));
    assert_int_equal(f->err.kind, ERROR_USAGE);
    assert_string_equal(f->err.code, "open-transaction");
    PQclear(PQexec(conn, "COMMIT"));
    if (!db_adopt(driver, conn, NULL, &db, &f->err))
        fail_msg("%s", f->err.message);
    assert_true(db->is_adopted);
    assert_string_equal(db->info.engine, "postgres");
    assert_string_equal(value_of(f, db, "SELECT 'é€'"), "é€");
    must(f, db, "SET work_mem = '9MB'");
    must(f, db, "SET statement_timeout = 77000");
    must(f, db, "SET search_path = public");
    must(f, db, "RESET ROLE");
    must(f, db, "BEGIN");
    must(f, db, "CREATE TABLE t (a int)");
    db_close(db);
    assert_int_equal(PQtransactionStatus(conn), PQTRANS_IDLE);
    assert_false(PQisnonblocking(conn));
    assert_int_equal(PQclientEncoding(conn), 8 /* LATIN1 */);
    PGresult *result =
        PQexec(conn, "SELECT current_setting('work_mem'), current_setting('statement_timeout'), "
                     "current_setting('search_path'), current_setting('role'), to_regclass('t')");
    assert_int_equal(PQresultStatus(result), PGRES_TUPLES_OK);
    assert_string_equal(PQgetvalue(result, 0, 0), "5MB");
    assert_string_equal(PQgetvalue(result, 0, 1), "0");
    assert_string_equal(PQgetvalue(result, 0, 2), "x, public");
    assert_string_equal(PQgetvalue(result, 0, 3), "pg_monitor");
    assert_true(PQgetisnull(result, 0, 4));
    PQclear(result);
    PQfinish(conn);
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
    assert_true(!strstr(f->err.message, "s3cret") &&
                (!f->err.detail || !strstr(f->err.detail, "s3cret")));
}

static void postgres_what_keeps_from_connecting_is_told_apart(void **state)
{
    Fixture *f = *state;
    NEED_SERVER(f);
    char host[64];
    snprintf(host, sizeof host, "%.*s", STR_ARG(f->url.hosts));
    must(f, f->db, "DROP ROLE IF EXISTS guarded");
    must(f, f->db, "CREATE ROLE guarded LOGIN PASSWORD 'right'");
    open_fails(f, "postgres://u:s3cret@127.0.0.1:1/db", "connect-refused");
    assert_int_equal(f->err.kind, ERROR_CONNECT);
    open_fails(f, "postgres://u:s3cret@/db?host=/nowhere", "connect-refused");
    open_fails(f, "postgres://u:s3cret@no-such-host.invalid/db", "connect-refused");
    open_fails(f, str_format(f->arena, "postgres://guarded:s3cret@%s/postgres", host),
               "wrong-password");
    assert_string_equal(f->err.sqlstate, "28P01");
    assert_int_equal(f->err.kind, ERROR_CONNECT);
    open_fails(f, str_format(f->arena, "postgres://guarded@%s/postgres", host), "wrong-password");
    open_fails(f, str_format(f->arena, "postgres://nobody:s3cret@%s/postgres", host),
               "access-refused");
    open_fails(f, str_format(f->arena, "postgres://postgres:s3cret@%s/no_such_db", host),
               "database-absent");
    assert_string_equal(f->err.sqlstate, "3D000");
    assert_non_null(strstr(f->err.hint, "database create"));
    open_fails(f,
               str_format(f->arena, "postgres://postgres:s3cret@%s/postgres?sslmode=require", host),
               "tls");
    open_fails(f, str_format(f->arena, "postgres://postgres:s3cret@%s/postgres?ssl=true", host),
               "tls");
    open_fails(f, str_format(f->arena, "postgres://postgres@%s/postgres?sslmod=require", host),
               "bad-url");
    assert_string_equal(f->err.hint, "Did you mean 'sslmode'?");
    DbOptions options = {.client_path = "/nowhere/libpq.so"};
    Db *db;
    assert_false(db_open(&f->url, &options, &db, &f->err));
    assert_string_equal(f->err.code, "client-missing");
    assert_non_null(strstr(f->err.hint, "libpq5"));
    DbUrl right = fixture_url(f, str_format(f->arena, "postgres://guarded@%s/postgres", host));
    assert_true(db_url_set_password(f->arena, &right, STR("right"), &f->err));
    assert_true(db_open(&right, NULL, &db, &f->err));
    assert_string_equal(db->info.user, "guarded");
    db_close(db);
    must(f, f->db, "DROP ROLE guarded");
}

static void postgres_a_silent_host_is_passed_over(void **state)
{
    Fixture *f = *state;
    NEED_SERVER(f);
    /* A port that takes connections and never says a word. */
    int fd = 0;
    unsigned port;
    assert_int_equal(silent_server(&fd, &port), 0);
    DbOptions options = {.connect_timeout_ms = 300};
    Db *db = NULL;
    DbUrl url = fixture_url(f, str_format(f->arena, "postgres://postgres@127.0.0.1:%u,%.*s/%.*s",
                                          port, STR_ARG(f->url.hosts), STR_ARG(f->url.database)));
    if (!db_open(&url, &options, &db, &f->err))
        fail_msg("%s", f->err.message);
    assert_string_equal(db->info.place, str_format(f->arena, "%.*s", STR_ARG(f->url.hosts)));
    db_close(db);
    open_fails(f, str_format(f->arena, "postgres://postgres@127.0.0.1:%u/x", port),
               "connect-refused");
    assert_non_null(strstr(f->err.message, "did not answer"));
    Stopper stopper;
    stopper_begin(&stopper, 100);
    options = (DbOptions){.cancel = &stopper.cancel};
    url = fixture_url(f, str_format(f->arena, "postgres://postgres@127.0.0.1:%u/x", port));
    assert_false(db_open(&url, &options, &db, &f->err));
    assert_int_equal(f->err.kind, ERROR_CANCELLED);
    stopper_end(&stopper);
    silent_server_end(fd);
}

static void postgres_the_server_is_described(void **state)
{
    Fixture *f = *state;
    NEED_SERVER(f);
    assert_string_equal(f->db->info.engine, "postgres");
    assert_string_equal(f->db->info.engine_title, "PostgreSQL");
    assert_string_equal(f->db->info.user, "postgres");
    assert_true(f->db->info.version_number >= 120000);
    assert_true(strstr(f->db->info.version, ".") != NULL &&
                strchr(f->db->info.version, ' ') == NULL);
    assert_false(f->db->info.is_pooled);
    assert_false(f->db->info.is_read_only);
    assert_true(db_has(f->db, DB_SESSION_LOCK | DB_TRANSACTIONAL_DDL));
    scoped(Db *, db_closep) db = fixture_connect(f);
    assert_int_equal(db->round_trips, 1);

    const char *socket = getenv("WHIMBREL_TEST_POSTGRES_SOCKET"),
               *pooler = getenv("WHIMBREL_TEST_PGBOUNCER");
    if (socket) {
        DbUrl url = fixture_url(f, socket);
        scoped(Db *, db_closep) local = NULL;
        assert_true(db_open(&url, NULL, &local, &f->err));
        assert_int_equal(local->info.place[0], '/');
    }
    if (pooler) {
        DbUrl url = fixture_url(f, pooler);
        scoped(Db *, db_closep) pooled = NULL;
        if (!db_open(&url, NULL, &pooled, &f->err))
            fail_msg("%s", f->err.message);
        assert_true(pooled->info.is_pooled);
        assert_false(db_has(pooled, DB_SESSION_LOCK));
        must(f, pooled, "SELECT 1");
    }
}

static void postgres_databases_are_created_and_dropped(void **state)
{
    Fixture *f = *state;
    NEED_SERVER(f);
    const DbDriver *driver = f->db->driver;
    DbOptions options = {0};
    DbUrl url;
    bool exists;
    assert_true(db_url_with_database(f->arena, &f->url, STR("new \"db\" é"), &url, &f->err));
    assert_true(driver->database_exists(&url, &options, &exists, &f->err));
    assert_false(exists);
    assert_true(driver->database_create(&url, &options, &f->err));
    assert_false(driver->database_create(&url, &options, &f->err));
    assert_string_equal(f->err.code, "database-exists");
    assert_true(driver->database_exists(&url, &options, &exists, &f->err));
    assert_true(exists);
    Db *db;
    assert_true(db_open(&url, NULL, &db, &f->err));
    assert_string_equal(db->info.database, "new \"db\" é");
    assert_false(driver->database_drop(&url, &options, &f->err));
    assert_string_equal(f->err.code, "database-in-use");
    db_close(db);
    /* The server takes a moment to see that the session has gone. */
    bool is_dropped = false;
    for (int i = 0; i < 50 && !is_dropped; i++) {
        is_dropped = driver->database_drop(&url, &options, &f->err);
        if (!is_dropped)
            db_query_value(f->db, f->arena, STR("SELECT pg_sleep(0.1)"), &(DbValue){0}, &f->err);
    }
    assert_true(is_dropped);
    assert_false(driver->database_drop(&url, &options, &f->err));
    assert_string_equal(f->err.code, "database-absent");
}

static void postgres_connections_live_in_threads_of_their_own(void **state)
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
static void postgres_the_loss_of_any_allocation_is_an_error(void **state)
{
    Fixture *f = *state;
    NEED_SERVER(f);
    survive_lost_allocations(f, "CREATE TABLE lost (a int)");
}
#endif

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, fixture_close)
UNIT_TESTS(postgres) = {
    TEST(postgres_batches_are_as_if_each_statement_came_alone),
    TEST(postgres_many_transactions_take_one_round_trip),
    TEST(postgres_an_error_points_at_its_byte),
    TEST(postgres_errors_bring_detail_hint_and_code),
    TEST(postgres_copy_data_flows_in_the_middle_of_a_batch),
    TEST(postgres_rows_that_are_copied_out_are_rows_like_others),
    TEST(postgres_work_is_done_while_the_server_is_at_its_own),
    TEST(postgres_a_running_statement_is_cancelled_on_the_server),
    TEST(postgres_a_lost_connection_leaves_the_fate_unknown),
    TEST(postgres_rows_come_whole_and_result_by_result),
    TEST(postgres_the_catalog_tells_what_has_run),
    TEST(postgres_an_invalid_index_is_seen),
    TEST(postgres_everything_owned_is_dropped_and_nothing_else),
    TEST(postgres_the_migration_lock_is_one_session_s),
    TEST(postgres_who_blocks_is_found_and_can_be_ended),
    TEST(postgres_settings_are_local_or_put_back),
    TEST(postgres_notices_reach_the_caller),
    TEST(postgres_an_adopted_connection_is_given_back_as_it_was),
    TEST(postgres_what_keeps_from_connecting_is_told_apart),
    TEST(postgres_a_silent_host_is_passed_over),
    TEST(postgres_the_server_is_described),
    TEST(postgres_databases_are_created_and_dropped),
    TEST(postgres_connections_live_in_threads_of_their_own),
#ifdef WHIMBREL_FAULTS
    TEST(postgres_the_loss_of_any_allocation_is_an_error),
#endif
};
UNIT_TESTS_END(postgres)

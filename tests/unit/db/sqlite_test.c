/* The SQLite driver. SPDX-License-Identifier: Apache-2.0 */
#include "db/db.h"

#include <pthread.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "unit.h"

typedef struct Fixture {
    Arena *arena;
    Error err;
    char folder[64];
    Db *db;
} Fixture;

static int set_up(void **state)
{
    Fixture *f = calloc(1, sizeof *f);
    f->arena = arena_new();
    f->err.arena = f->arena;
    snprintf(f->folder, sizeof f->folder, "/tmp/whimbrel-sqlite-XXXXXX");
    assert_non_null(mkdtemp(f->folder));
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    Fixture *f = *state;
    db_close(f->db);
    char command[96];
    snprintf(command, sizeof command, "rm -rf %s", f->folder);
    assert_int_equal(system(command), 0);
    arena_free(f->arena);
    free(f);
    return 0;
}

static DbUrl url_of(Fixture *f, const char *rest)
{
    DbUrl url;
    char *text = str_format(f->arena, "sqlite:%s/%s", f->folder, rest);
    assert_true(db_url_parse(f->arena, str_from(text), &url, &f->err));
    return url;
}

static bool try_open(Fixture *f, const char *rest, const DbOptions *options, Db **ret_db)
{
    DbUrl url = url_of(f, rest);
    return db_open(&url, options, ret_db, &f->err);
}

static Db *open_new(Fixture *f, const char *rest)
{
    Db *db;
    DbOptions options = {.may_create = true};
    if (!try_open(f, rest, &options, &db))
        fail_msg("%s", f->err.message);
    return db;
}

static void must(Fixture *f, Db *db, const char *sql)
{
    if (!db_exec(db, str_from(sql), &f->err))
        fail_msg("%s: %s", sql, f->err.message);
}

static const char *value_of(Fixture *f, Db *db, const char *sql)
{
    DbValue value;
    if (!db_query_value(db, f->arena, str_from(sql), &value, &f->err))
        fail_msg("%s: %s", sql, f->err.message);
    return value.is_null ? "NULL" : value.text.ptr;
}

static void count_progress(void *ctx, size_t completed)
{
    size_t *seen = ctx;
    assert_int_equal(completed, *seen + 1);
    *seen = completed;
}

static void statements_run_up_to_the_one_that_fails(void **state)
{
    Fixture *f = *state;
    static const char *const sql[] = {
        "CREATE TABLE t (a INTEGER PRIMARY KEY)",
        "INSERT INTO t VALUES (1), (2)",
        "/* nothing but a comment */",
        "SELECT a FROM t",
        "INSERT INTO t VALUES (7)",
    };
    enum { COUNT = 5 };
    static const struct {
        const char *sql;
        int code;
        int64_t offset;
    } bad[] = {
        {"SELEC 1", SQLITE_ERROR, 0},
        {"SELECT 'é', nowhere FROM t", SQLITE_ERROR, -1},
        {"INSERT INTO t VALUES (1)", 0, -1},
        {"CREATE TABLE x (a); SELECT 1 FROM nothing", SQLITE_ERROR, -1},
    };
    for (size_t k = 0; k <= COUNT; k++)
        for (size_t b = 0; b < sizeof bad / sizeof *bad; b++) {
            scoped(Db *, db_closep) db = NULL;
            DbUrl url;
            assert_true(db_url_parse(f->arena, STR("sqlite::memory:"), &url, &f->err));
            assert_true(db_open(&url, NULL, &db, &f->err));
            must(f, db, "CREATE TABLE main.sentinel (a)");
            DbStatement statements[COUNT + 1];
            size_t n = 0;
            for (size_t i = 0; i < COUNT; i++) {
                if (i == k)
                    statements[n++] = (DbStatement){.sql = str_from(bad[b].sql)};
                statements[n++] = (DbStatement){.sql = str_from(sql[i])};
            }
            if (k == COUNT)
                statements[n++] = (DbStatement){.sql = str_from(bad[b].sql)};
            size_t seen = 0;
            DbOutcome outcome;
            bool is_done = db_run(db, statements, n, count_progress, &seen, &outcome, &f->err);
            if (b == 2 && k < 2) /* "INSERT 1" fails only once there is a 1 */
                continue;
            assert_false(is_done);
            assert_int_equal(f->err.kind, ERROR_SQL);
            assert_int_equal(outcome.completed, k);
            assert_int_equal(seen, k);
            assert_false(outcome.is_fate_unknown);
            assert_non_null(f->err.statement);
            if (bad[b].code)
                assert_int_equal(f->err.server_code, bad[b].code);
            bool has;
            assert_true(db->driver->has_table(db, STR("t"), &has, &f->err));
            assert_int_equal(has, k > 0);
        }
}

static void an_error_points_at_its_place(void **state)
{
    Fixture *f = *state;
    f->db = open_new(f, "a.db");
    DbStatement statements[] = {
        {.sql = STR("CREATE TABLE t (a)")},
        {.sql = STR("SELECT 'äöü', nowhere FROM t")},
    };
    DbOutcome outcome;
    assert_false(db_run(f->db, statements, 2, NULL, NULL, &outcome, &f->err));
    assert_string_equal(f->err.message, "no such column: nowhere");
    assert_string_equal(f->err.statement, "SELECT 'äöü', nowhere FROM t");
    if (sqlite3_libversion_number() >= 3038000)
        assert_int_equal(outcome.error_offset, 17);
    DbStatement two = {.sql = STR("SELECT 1; SELECT 2 FROM;")};
    assert_false(db_run(f->db, &two, 1, NULL, NULL, &outcome, &f->err));
    if (sqlite3_libversion_number() >= 3038000)
        assert_int_equal(outcome.error_offset, 23);
}

static void rows_come_whole_and_result_by_result(void **state)
{
    Fixture *f = *state;
    f->db = open_new(f, "a.db");
    scoped(DbRows, db_rows_done) rows = {0};
    assert_true(
        db_query(f->db,
                 STR("CREATE TABLE t (a, b); INSERT INTO t VALUES (1, NULL), ('x', x'00ff'); "
                     "SELECT a, b FROM t; SELECT 1 WHERE 0"),
                 &rows, &f->err));
    assert_int_equal(rows.col_count, 0);
    assert_false(db_rows_next(&rows));
    assert_true(db_rows_next_result(&rows));
    assert_true(db_rows_next_result(&rows));
    assert_int_equal(rows.col_count, 2);
    assert_true(db_rows_next(&rows));
    int64_t number;
    assert_true(db_value_i64(&rows.cols[0], &number));
    assert_int_equal(number, 1);
    assert_true(rows.cols[1].is_null);
    /* The table may go while its rows are still being looked at. */
    must(f, f->db, "DROP TABLE t");
    assert_true(db_rows_next(&rows));
    assert_false(rows.cols[1].is_null);
    assert_int_equal(rows.cols[1].text.len, 2);
    assert_memory_equal(rows.cols[1].text.ptr, "\0\xff", 2);
    assert_false(db_rows_next(&rows));
    assert_true(db_rows_next_result(&rows));
    assert_false(db_rows_next(&rows));
    assert_false(db_rows_next_result(&rows));
    assert_true(db_rows_finish(&rows, &f->err));

    assert_true(db_query(f->db, STR("SELECT 1; SELECT nowhere"), &rows, &f->err));
    assert_true(db_rows_next(&rows));
    assert_false(db_rows_next_result(&rows));
    assert_false(db_rows_finish(&rows, &f->err));
    assert_string_equal(f->err.message, "no such column: nowhere");
    assert_false(db_query(f->db, STR("SELECT nowhere"), &rows, &f->err));
}

static void what_is_absent_or_no_database_says_so(void **state)
{
    Fixture *f = *state;
    Db *db;
    assert_false(try_open(f, "absent.db", NULL, &db));
    assert_null(db);
    assert_int_equal(f->err.kind, ERROR_CONNECT);
    assert_string_equal(f->err.code, "database-absent");
    assert_non_null(strstr(f->err.hint, "database create"));
    assert_false(try_open(f, "absent.db?mode=ro", &(DbOptions){.may_create = true}, &db));
    assert_string_equal(f->err.code, "database-absent");
    assert_false(try_open(f, "no/folder.db", &(DbOptions){.may_create = true}, &db));
    assert_non_null(strstr(f->err.message, "there is no folder"));
    assert_false(try_open(f, "", &(DbOptions){.may_create = true}, &db));
    assert_non_null(strstr(f->err.message, "is a folder"));

    char *path = str_format(f->arena, "%s/text", f->folder);
    assert_true(file_create_new(path,
                                STR("This is a text of more than a hundred bytes, so that SQLite "
                                    "has enough to look at before it says what this is."),
                                0600, &f->err));
    assert_false(try_open(f, "text", NULL, &db));
    assert_int_equal(f->err.kind, ERROR_CONNECT);
    assert_string_equal(f->err.code, "not-a-database");
    assert_int_equal(f->err.server_code, SQLITE_NOTADB);
    DbUrl url = url_of(f, "text");
    assert_false(url.driver->database_drop(&url, &(DbOptions){0}, &f->err));
    FileInfo info;
    assert_true(file_info(path, &info, &f->err));
    assert_int_equal(info.kind, FILE_REGULAR);
}

static void a_read_only_file_says_so(void **state)
{
    Fixture *f = *state;
    Db *db = open_new(f, "a.db");
    must(f, db, "CREATE TABLE t (a)");
    assert_false(db->info.is_read_only);
    assert_string_equal(db->info.database, "a.db");
    assert_string_equal(db->info.place, f->folder);
    db_close(db);
    assert_true(try_open(f, "a.db?mode=ro", NULL, &f->db));
    assert_true(f->db->info.is_read_only);
    assert_false(db_exec(f->db, STR("INSERT INTO t VALUES (1)"), &f->err));
    assert_int_equal(f->err.kind, ERROR_SQL);
    assert_string_equal(f->err.code, "read-only");
    assert_non_null(f->err.hint);
    db_close(f->db);
    assert_true(try_open(f, "a.db", &(DbOptions){.is_read_only = true}, &f->db));
    assert_true(f->db->info.is_read_only);
}

/* Values are packed piece by piece: long ones, empty ones, NULL, and rows that nobody looks at before the next result. */
static void rows_of_many_results_keep_their_values(void **state)
{
    Fixture *f = *state;
    scoped(DbRows, db_rows_done) rows = {0};
    f->db = open_new(f, ":memory:");
    assert_true(db_query(
        f->db,
        STR("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000)"
            " SELECT i, NULL, '', hex(zeroblob(i % 500)), CASE WHEN i = 1500 THEN "
            "zeroblob(1000000) END FROM n;"
            "SELECT 1 UNION ALL SELECT 2; CREATE TABLE t (a); SELECT 'last', 'two'"),
        &rows, &f->err));
    assert_int_equal(rows.col_count, 5);
    for (int64_t i = 1; i <= 2500; i++) {
        int64_t number = 0;
        assert_true(db_rows_next(&rows));
        assert_true(db_value_i64(&rows.cols[0], &number));
        assert_int_equal(number, i);
        assert_true(rows.cols[1].is_null);
        assert_false(rows.cols[2].is_null);
        assert_int_equal(rows.cols[2].text.len, 0);
        assert_int_equal(rows.cols[3].text.len, i % 500 * 2);
        for (size_t j = 0; j < rows.cols[3].text.len; j++)
            assert_int_equal(rows.cols[3].text.ptr[j], '0');
        assert_int_equal(rows.cols[4].text.len, i == 1500 ? 1000000 : 0);
        assert_int_equal(rows.cols[4].is_null, i != 1500);
    }
    assert_true(db_rows_next_result(&rows)); /* 500 rows were not looked at */
    assert_int_equal(rows.col_count, 1);
    assert_true(db_rows_next_result(&rows));
    assert_int_equal(rows.col_count, 0);
    assert_false(db_rows_next(&rows));
    assert_true(db_rows_next_result(&rows));
    assert_true(db_rows_next(&rows));
    assert_true(str_eq(rows.cols[0].text, STR("last")));
    assert_true(str_eq(rows.cols[1].text, STR("two")));
    assert_false(db_rows_next(&rows));
    assert_false(db_rows_next_result(&rows));
    assert_true(db_rows_finish(&rows, &f->err));
}

/* A value as in the row before is only marked as such: over the ends of pieces, beside NULL, and between results. */
static void values_that_repeat_are_told_each_time(void **state)
{
    Fixture *f = *state;
    enum { ROWS = 20000 };
    static const char alike[] = "as in the row before, for a long time";
    f->db = open_new(f, ":memory:");
    for (int round = 0; round < 2; round++) { /* the second looks at the last result only */
        scoped(DbRows, db_rows_done) rows = {0};
        assert_true(db_query(
            f->db,
            STR("WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 19999)"
                " SELECT 'as in the row before, for a long time', i / 3, CASE WHEN i % 4 < 2 THEN"
                " '' WHEN i % 4 = 2 THEN 'x' END, i FROM n; SELECT '', 'x';"
                " SELECT 'x', 'x' UNION ALL SELECT 'x', 'x'"),
            &rows, &f->err));
        for (int64_t i = 0; i < ROWS && round == 0; i++) {
            int64_t third = -1, number = -1;
            assert_true(db_rows_next(&rows));
            assert_true(str_eq(rows.cols[0].text, STR(alike)));
            assert_int_equal(rows.cols[0].text.ptr[rows.cols[0].text.len], '\0');
            assert_true(db_value_i64(&rows.cols[1], &third) && third == i / 3);
            assert_int_equal(rows.cols[2].is_null, i % 4 == 3);
            assert_true(str_eq(rows.cols[2].text, i % 4 == 2 ? STR("x") : (Str){0}));
            assert_true(db_value_i64(&rows.cols[3], &number) && number == i);
        }
        assert_true(db_rows_next_result(&rows));
        assert_true(db_rows_next(&rows));
        assert_true(str_eq(rows.cols[0].text, (Str){0}) && str_eq(rows.cols[1].text, STR("x")));
        assert_true(db_rows_next_result(&rows));
        for (int i = 0; i < 2; i++) {
            assert_true(db_rows_next(&rows));
            assert_true(str_eq(rows.cols[0].text, STR("x")) && str_eq(rows.cols[1].text, STR("x")));
        }
        assert_false(db_rows_next(&rows));
    }
}

static void a_locked_file_is_waited_for_as_long_as_asked(void **state)
{
    Fixture *f = *state;
    scoped(Db *, db_closep) other = open_new(f, "a.db");
    must(f, other, "CREATE TABLE t (a)");
    must(f, other, "BEGIN EXCLUSIVE");
    assert_true(other->is_in_transaction);
    /* Opening does not wait. */
    f->db = open_new(f, "a.db?busy_timeout=150ms");
    int64_t begun = clock_monotonic_us();
    assert_false(db_exec(f->db, STR("BEGIN IMMEDIATE"), &f->err));
    int64_t took_ms = (clock_monotonic_us() - begun) / 1000;
    assert_int_equal(f->err.kind, ERROR_TIMEOUT);
    assert_string_equal(f->err.code, "lock-timeout");
    assert_in_range(took_ms, 140, 2000);

    /* Another time may be set by statements, the driver's own or the user's, and stays ours. */
    DbStatementVec set = {0};
    assert_true(f->db->driver->timeouts(
        f->db, f->arena, (DbTimeouts){.lock_ms = 300, .statement_ms = -1}, false, &set));
    assert_int_equal(set.len, 1);
    assert_true(db_run(f->db, set.items, set.len, NULL, NULL, NULL, &f->err));
    begun = clock_monotonic_us();
    assert_false(db_exec(f->db, STR("BEGIN IMMEDIATE"), &f->err));
    took_ms = (clock_monotonic_us() - begun) / 1000;
    assert_in_range(took_ms, 290, 2000);
    must(f, other, "COMMIT");
    must(f, f->db, "BEGIN IMMEDIATE");
    must(f, f->db, "ROLLBACK");
    assert_false(f->db->is_in_transaction);
}

typedef struct Stopper {
    atomic_bool is_stopped;
    int after_ms;
    int wake[2];
} Stopper;

static bool stop_requested(void *ctx)
{
    return atomic_load(&((Stopper *)ctx)->is_stopped);
}

static void *stop_later(void *ctx)
{
    Stopper *stopper = ctx;
    usleep((useconds_t)stopper->after_ms * 1000);
    atomic_store(&stopper->is_stopped, true);
    assert_int_equal(write(stopper->wake[1], "x", 1), 1);
    return NULL;
}

static void cancelled_within(Fixture *f, Db *db, const char *sql)
{
    Stopper stopper = {.after_ms = 100};
    DbCancel cancel = {.is_requested = stop_requested, .ctx = &stopper};
    assert_int_equal(pipe(stopper.wake), 0);
    cancel.wake_fd = stopper.wake[0];
    db->options.cancel = &cancel;
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, stop_later, &stopper), 0);
    int64_t begun = clock_monotonic_us();
    DbOutcome outcome;
    DbStatement statements[] = {{.sql = STR("SELECT 1")}, {.sql = str_from(sql)}};
    assert_false(db_run(db, statements, 2, NULL, NULL, &outcome, &f->err));
    int64_t took_ms = (clock_monotonic_us() - begun) / 1000;
    pthread_join(thread, NULL);
    assert_int_equal(f->err.kind, ERROR_CANCELLED);
    assert_int_equal(outcome.completed, 1);
    assert_false(outcome.is_fate_unknown);
    assert_in_range(took_ms, 90, 3000);
    /* As long as the wish stands, nothing new begins. */
    assert_false(db_run(db, statements, 1, NULL, NULL, &outcome, &f->err));
    assert_int_equal(f->err.kind, ERROR_CANCELLED);
    assert_int_equal(outcome.completed, 0);
    db->options.cancel = NULL;
    close(stopper.wake[0]);
    close(stopper.wake[1]);
    must(f, db, "SELECT 1");
}

static void a_running_statement_is_stopped_from_another_thread(void **state)
{
    Fixture *f = *state;
    f->db = open_new(f, "a.db");
    cancelled_within(
        f, f->db,
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT sum(i) "
        "FROM n");
}

static void waiting_for_a_lock_is_stopped_from_another_thread(void **state)
{
    Fixture *f = *state;
    scoped(Db *, db_closep) other = open_new(f, "a.db");
    must(f, other, "CREATE TABLE t (a)");
    must(f, other, "BEGIN IMMEDIATE");
    f->db = open_new(f, "a.db?busy_timeout=60s");
    cancelled_within(f, f->db, "BEGIN IMMEDIATE");
    must(f, other, "COMMIT");
}

static void a_full_disk_says_so(void **state)
{
    Fixture *f = *state;
    f->db = open_new(f, "a.db");
    must(f, f->db, "CREATE TABLE t (a)");
    struct rlimit before, small;
    getrlimit(RLIMIT_FSIZE, &before);
    small = before;
    small.rlim_cur = 65536;
    void (*old)(int) = signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    bool is_done = db_exec(f->db, STR("INSERT INTO t VALUES (zeroblob(1000000))"), &f->err);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    signal(SIGXFSZ, old);
    assert_false(is_done);
    assert_int_equal(f->err.kind, ERROR_SQL);
    assert_string_equal(f->err.code, "disk-full");
    assert_non_null(strstr(f->err.hint, "Make room"));
    assert_string_equal(value_of(f, f->db, "SELECT count(*) FROM t"), "0");

    scoped(Db *, db_closep) small_db = open_new(f, "b.db?max_page_count=10");
    assert_false(db_exec(small_db, STR("CREATE TABLE t AS SELECT zeroblob(1000000)"), &f->err));
    assert_string_equal(f->err.code, "disk-full");
}

static void pragmas_of_the_url_are_in_force(void **state)
{
    Fixture *f = *state;
    f->db = open_new(f, "a.db?foreign_keys=on&journal_mode=WAL&synchronous=normal&page_size=8192&"
                        "auto_vacuum=full");
    assert_string_equal(value_of(f, f->db, "PRAGMA foreign_keys"), "1");
    assert_string_equal(value_of(f, f->db, "PRAGMA journal_mode"), "wal");
    assert_string_equal(value_of(f, f->db, "PRAGMA synchronous"), "1");
    must(f, f->db, "CREATE TABLE t (a)");
    assert_string_equal(value_of(f, f->db, "PRAGMA page_size"), "8192");
    assert_string_equal(value_of(f, f->db, "PRAGMA auto_vacuum"), "1");
    scoped(Db *, db_closep) plain = open_new(f, "b.db");
    assert_string_equal(value_of(f, plain, "PRAGMA foreign_keys"), "0");
}

static void settings_left_behind_are_put_back(void **state)
{
    Fixture *f = *state;
    f->db = open_new(f, "a.db?foreign_keys=on");
    must(f, f->db, "PRAGMA foreign_keys=off");
    must(f, f->db, "PRAGMA legacy_alter_table=on");
    must(f, f->db, "PRAGMA query_only=on");
    DbStatementVec reset = {0};
    assert_true(f->db->driver->reset_session(f->db, f->arena, &reset));
    assert_true(db_run(f->db, reset.items, reset.len, NULL, NULL, NULL, &f->err));
    assert_string_equal(value_of(f, f->db, "PRAGMA foreign_keys"), "1");
    assert_string_equal(value_of(f, f->db, "PRAGMA legacy_alter_table"), "0");
    assert_string_equal(value_of(f, f->db, "PRAGMA query_only"), "0");
}

static void an_adopted_connection_is_given_back_as_it_was(void **state)
{
    Fixture *f = *state;
    const DbDriver *driver = url_of(f, "a.db").driver;
    sqlite3 *handle;
    char *path = str_format(f->arena, "%s/a.db", f->folder);
    assert_int_equal(sqlite3_open(path, &handle), SQLITE_OK);
    sqlite3_busy_timeout(handle, 1234);
    assert_int_equal(sqlite3_exec(handle, "PRAGMA foreign_keys=on; BEGIN", NULL, NULL, NULL),
                     SQLITE_OK);
    assert_false(db_adopt(driver, handle, NULL, &f->db, &f->err));
    assert_int_equal(f->err.kind, ERROR_USAGE);
    assert_int_equal(sqlite3_exec(handle, "COMMIT", NULL, NULL, NULL), SQLITE_OK);
    assert_true(db_adopt(driver, handle, NULL, &f->db, &f->err));
    assert_true(f->db->is_adopted);
    must(f, f->db, "CREATE TABLE t (a)");
    must(f, f->db, "PRAGMA foreign_keys=off");
    must(f, f->db, "BEGIN");
    must(f, f->db, "INSERT INTO t VALUES (1)");
    db_close(f->db);
    f->db = NULL;
    assert_true(sqlite3_get_autocommit(handle));
    sqlite3_stmt *stmt;
    assert_int_equal(sqlite3_prepare_v2(handle,
                                        "SELECT (SELECT count(*) FROM t), (SELECT * FROM "
                                        "pragma_foreign_keys), (SELECT * FROM pragma_busy_timeout)",
                                        -1, &stmt, NULL),
                     SQLITE_OK);
    assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
    assert_int_equal(sqlite3_column_int(stmt, 0), 0);
    assert_int_equal(sqlite3_column_int(stmt, 1), 1);
    assert_int_equal(sqlite3_column_int(stmt, 2), 1234);
    sqlite3_finalize(stmt);
    sqlite3_close(handle);
}

static void a_database_is_created_and_dropped_with_its_journals(void **state)
{
    Fixture *f = *state;
    DbOptions options = {0};
    DbUrl url = url_of(f, "a.db?journal_mode=wal");
    bool exists;
    assert_true(url.driver->database_exists(&url, &options, &exists, &f->err));
    assert_false(exists);
    assert_true(url.driver->database_create(&url, &options, &f->err));
    assert_true(url.driver->database_exists(&url, &options, &exists, &f->err));
    assert_true(exists);
    assert_false(url.driver->database_create(&url, &options, &f->err));
    assert_string_equal(f->err.code, "database-exists");

    Db *user = open_new(f, "a.db");
    must(f, user, "CREATE TABLE t (a)");
    must(f, user, "BEGIN IMMEDIATE");
    DbUrl impatient = url_of(f, "a.db?busy_timeout=0");
    assert_false(url.driver->database_drop(&impatient, &options, &f->err));
    assert_string_equal(f->err.code, "lock-timeout");
    must(f, user, "COMMIT");
    db_close(user);
    assert_true(url.driver->database_drop(&url, &options, &f->err));
    FolderEntryVec left;
    assert_true(folder_list(f->arena, f->folder, &left, &f->err));
    assert_int_equal(left.len, 0);
}

static void tables_are_found_by_name_and_schema(void **state)
{
    Fixture *f = *state;
    static const struct {
        const char *name;
        bool has;
    } cases[] = {
        {"t", true},          {"T", true},      {"main.t", true},  {"other.t", false},
        {"temp.t", false},    {"temp.u", true}, {"x y\"z'", true}, {"u", false},
        {"main.none", false}, {"", false},
    };
    f->db = open_new(f, "a.db");
    must(f, f->db, "CREATE TABLE t (a)");
    must(f, f->db, "CREATE TEMP TABLE u (a)");
    must(f, f->db, "CREATE TABLE \"x y\"\"z'\" (a)");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        bool has;
        assert_true(f->db->driver->has_table(f->db, str_from(cases[i].name), &has, &f->err));
        assert_int_equal(has, cases[i].has);
    }
}

/* statement, what the catalog says before it, what after it */
static const char *const effects[][3] = {
    {"CREATE TABLE a (id int, n int)", "no", "yes"},
    {"CREATE TABLE IF NOT EXISTS a (id int)", "no", "no"},
    {"CREATE TEMP TABLE tt (id int)", "no", "no"},
    {"CREATE TABLE main.\"x y\" (id int)", "no", "yes"},
    {"CREATE INDEX i ON a (n)", "no", "yes"},
    {"CREATE VIEW v AS SELECT 1 AS x", "no", "yes"},
    {"CREATE TRIGGER tg AFTER INSERT ON a BEGIN SELECT 1; END", "no", "yes"},
    {"ALTER TABLE a ADD COLUMN c text", "no", "yes"},
    {"ALTER TABLE main.a ADD d text", "no", "yes"},
    {"ALTER TABLE a RENAME COLUMN d TO e", "no", "yes"},
    {"ALTER TABLE a RENAME e TO f", "no", "yes"},
    {"ALTER TABLE a DROP COLUMN f", "no", "yes"},
    {"DROP TRIGGER tg", "no", "yes"},
    {"DROP VIEW v", "no", "yes"},
    {"DROP INDEX i", "no", "yes"},
    {"ALTER TABLE a RENAME TO b", "no", "yes"},
    {"INSERT INTO b (id) VALUES (1)", "unknown", "unknown"},
    {"PRAGMA user_version = 4", "no", "no"},
    {"DROP TABLE IF EXISTS b", "no", "no"},
    {"DROP TABLE \"x y\"", "no", "yes"},
};

static void the_catalog_tells_what_has_run(void **state)
{
    Fixture *f = *state;
    f->db = open_new(f, "a.db");
    SqlSplitOptions options = db_split_options(f->db, NULL);
    for (size_t i = 0; i < sizeof effects / sizeof *effects; i++) {
        SqlInfo info = sql_inspect(str_from(effects[i][0]), &options);
        for (int after = 0; after < 2; after++) {
            bool is_known, has_run;
            assert_true(f->db->driver->has_effect(f->db, str_from(effects[i][0]), &info, &is_known,
                                                  &has_run, &f->err));
            const char *answer = !is_known ? "unknown" : has_run ? "yes" : "no";
            if (strcmp(answer, effects[i][1 + after]) != 0)
                fail_msg("%s %s: %s", after ? "after" : "before", effects[i][0], answer);
            if (!after)
                must(f, f->db, effects[i][0]);
        }
    }
}

static void everything_is_dropped(void **state)
{
    Fixture *f = *state;
    f->db = open_new(f, "a.db?foreign_keys=on");
    must(f, f->db, "CREATE TABLE p (id INTEGER PRIMARY KEY AUTOINCREMENT)");
    must(f, f->db, "CREATE TABLE \"c \"\" d\" (id int REFERENCES p)");
    must(f, f->db, "INSERT INTO p VALUES (1)");
    must(f, f->db, "INSERT INTO \"c \"\" d\" VALUES (1)");
    must(f, f->db, "CREATE VIEW v AS SELECT * FROM p");
    must(f, f->db, "CREATE TRIGGER t INSTEAD OF INSERT ON v BEGIN SELECT 1; END");
    must(f, f->db, "CREATE INDEX i ON p (id)");
    if (sqlite3_compileoption_used("ENABLE_FTS5"))
        must(f, f->db, "CREATE VIRTUAL TABLE ft USING fts5 (a)");
    DbStatementVec drops = {0};
    StrVec none = {0};
    assert_true(f->db->driver->drop_all(f->db, f->arena, &none, &drops, &f->err));
    if (!db_run(f->db, drops.items, drops.len, NULL, NULL, NULL, &f->err))
        fail_msg("%s: %s", f->err.statement, f->err.message);
    assert_string_equal(
        value_of(f, f->db, "SELECT count(*) FROM sqlite_master WHERE name NOT LIKE 'sqlite_%'"),
        "0");
    assert_string_equal(value_of(f, f->db, "PRAGMA foreign_keys"), "1");
    vec_push(f->arena, &none, STR("nowhere\"'"));
    drops = (DbStatementVec){0};
    assert_true(f->db->driver->drop_all(f->db, f->arena, &none, &drops, &f->err));
}

#ifdef WHIMBREL_FAULTS
/* Opens, runs, asks; false as soon as something failed. */
static bool work(Arena *arena, const char *text, Error *err)
{
    scoped(Db *, db_closep) db = NULL;
    scoped(DbRows, db_rows_done) rows = {0};
    DbUrl url;
    DbStatement statements[] = {
        {.sql = STR("CREATE TABLE IF NOT EXISTS t (a)")},
        {.sql = STR("DELETE FROM t; INSERT INTO t VALUES (1), (2)")},
    };
    bool has;
    if (!db_url_parse(arena, str_from(text), &url, err) ||
        !db_open(&url, &(DbOptions){.may_create = true}, &db, err) ||
        !db_run(db, statements, 2, NULL, NULL, NULL, err) ||
        !db_query(db, STR("SELECT a FROM t; SELECT 2"), &rows, err))
        return false;
    while (db_rows_next(&rows))
        ;
    return db_rows_finish(&rows, err) && db->driver->has_table(db, STR("t"), &has, err);
}

static void the_loss_of_any_allocation_is_an_error(void **state)
{
    Fixture *f = *state;
    char *text = str_format(f->arena, "sqlite:%s/a.db?foreign_keys=on", f->folder);
    for (unsigned nth = 1;; nth++) {
        scoped(Arena *, arena_freep) arena = arena_new();
        Error err = {.arena = arena};
        fault_fail_allocation(nth);
        bool is_done = work(arena, text, &err);
        bool has_fired = fault_fired();
        fault_fail_allocation(0);
        if (!has_fired) {
            assert_true(is_done);
            assert_in_range(nth, 10, 1000);
            return;
        }
        assert_false(is_done);
        assert_int_equal(err.kind, ERROR_NOMEM);
    }
}
#endif

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
UNIT_TESTS(sqlite) = {
    TEST(statements_run_up_to_the_one_that_fails),
    TEST(an_error_points_at_its_place),
    TEST(rows_come_whole_and_result_by_result),
    TEST(what_is_absent_or_no_database_says_so),
    TEST(a_read_only_file_says_so),
    TEST(rows_of_many_results_keep_their_values),
    TEST(values_that_repeat_are_told_each_time),
    TEST(a_locked_file_is_waited_for_as_long_as_asked),
    TEST(a_running_statement_is_stopped_from_another_thread),
    TEST(waiting_for_a_lock_is_stopped_from_another_thread),
    TEST(a_full_disk_says_so),
    TEST(pragmas_of_the_url_are_in_force),
    TEST(settings_left_behind_are_put_back),
    TEST(an_adopted_connection_is_given_back_as_it_was),
    TEST(a_database_is_created_and_dropped_with_its_journals),
    TEST(tables_are_found_by_name_and_schema),
    TEST(the_catalog_tells_what_has_run),
    TEST(everything_is_dropped),
#ifdef WHIMBREL_FAULTS
    TEST(the_loss_of_any_allocation_is_an_error),
#endif
};
UNIT_TESTS_END(sqlite)

/* What the tests against real servers share. SPDX-License-Identifier: Apache-2.0 */
#include "server.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int fixture_open(void **state, const char *variable)
{
    const char *text = getenv(variable);
    Fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    *state = f;
    f->arena = arena_new();
    f->err.arena = f->arena;
    if (!text || !*text)
        return 0;
    f->url = fixture_url(f, text);
    f->db = fixture_connect(f);
    return 0;
}

int fixture_close(void **state)
{
    Fixture *f = *state;
    db_close(f->db);
    arena_free(f->arena);
    free(f);
    return 0;
}

DbUrl fixture_url(Fixture *f, const char *text)
{
    DbUrl url;
    if (!db_url_parse(f->arena, str_from(text), &url, &f->err))
        fail_msg("%s: %s", text, f->err.message);
    return url;
}

DbUrl fixture_url_with(Fixture *f, const char *param)
{
    bool has_params = str_find_char(f->url.text, '?', 0) != SIZE_MAX;
    return fixture_url(
        f, str_format(f->arena, "%.*s%c%s", STR_ARG(f->url.text), has_params ? '&' : '?', param));
}

Db *fixture_connect(Fixture *f)
{
    Db *db;
    if (!db_open(&f->url, NULL, &db, &f->err))
        fail_msg("%.*s: %s", STR_ARG(f->url.display), f->err.message);
    return db;
}

void must(Fixture *f, Db *db, const char *sql)
{
    if (!db_exec(db, str_from(sql), &f->err))
        fail_msg("%s: %s", sql, f->err.message);
}

void must_fail(Fixture *f, Db *db, const char *sql)
{
    error_clear(&f->err);
    if (db_exec(db, str_from(sql), &f->err))
        fail_msg("%s does not fail", sql);
}

const char *value_of(Fixture *f, Db *db, const char *sql)
{
    DbValue value;
    if (!db_query_value(db, f->arena, str_from(sql), &value, &f->err))
        fail_msg("%s: %s", sql, f->err.message);
    return value.is_null ? "NULL" : value.text.ptr;
}

DbStatementVec statements_of(Fixture *f, const char *const *sql)
{
    DbStatementVec statements = {0};
    for (; *sql; sql++)
        assert_true(vec_push(f->arena, &statements, ((DbStatement){.sql = str_from(*sql)})));
    return statements;
}

void run_all(Fixture *f, Db *db, const DbStatementVec *statements)
{
    DbOutcome outcome;
    if (!db_run(db, statements->items, statements->len, NULL, NULL, &outcome, &f->err))
        fail_msg("%s: %s", f->err.statement, f->err.message);
    assert_int_equal(outcome.completed, statements->len);
}

static bool stop_requested(void *ctx)
{
    return atomic_load(&((Stopper *)ctx)->is_stopped);
}

static void *stop_later(void *ctx)
{
    Stopper *stopper = ctx;
    usleep((useconds_t)stopper->after_ms * 1000);
    atomic_store(&stopper->is_stopped, true);
    return write(stopper->wake[1], "x", 1) == 1 ? NULL : ctx;
}

void stopper_begin(Stopper *stopper, int after_ms)
{
    *stopper = (Stopper){.after_ms = after_ms};
    assert_int_equal(pipe(stopper->wake), 0);
    stopper->cancel =
        (DbCancel){.is_requested = stop_requested, .ctx = stopper, .wake_fd = stopper->wake[0]};
    assert_int_equal(pthread_create(&stopper->thread, NULL, stop_later, stopper), 0);
}

void stopper_end(Stopper *stopper)
{
    void *result;
    pthread_join(stopper->thread, &result);
    assert_null(result);
    close(stopper->wake[0]);
    close(stopper->wake[1]);
}

static void *run_later(void *ctx)
{
    Later *later = ctx;
    Arena *arena = arena_new();
    Error err = {.arena = arena};
    Db *db = NULL;
    usleep((useconds_t)later->after_ms * 1000);
    bool is_good = db_open(&later->url, NULL, &db, &err) && db_exec(db, str_from(later->sql), &err);
    db_close(db);
    arena_free(arena);
    return is_good ? NULL : ctx;
}

void later_begin(Later *later, Fixture *f, const char *sql, int after_ms)
{
    *later = (Later){.f = f, .url = f->url, .sql = sql, .after_ms = after_ms};
    assert_int_equal(pthread_create(&later->thread, NULL, run_later, later), 0);
}

void later_end(Later *later)
{
    void *result;
    pthread_join(later->thread, &result);
    assert_null(result);
}

int silent_server(int *ret_fd, unsigned *ret_port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, len) != 0 || listen(fd, 10) != 0 ||
        getsockname(fd, (struct sockaddr *)&address, &len) != 0)
        return -1;
    *ret_fd = fd;
    *ret_port = ntohs(address.sin_port);
    return 0;
}

void silent_server_end(int fd)
{
    close(fd);
}

#ifdef WHIMBREL_FAULTS
static bool work(Fixture *f, Arena *arena, const char *table_sql, Error *err)
{
    scoped(Db *, db_closep) db = NULL;
    scoped(DbRows, db_rows_done) rows = {0};
    DbUrl url;
    DbStatement statements[] = {{.sql = str_from(table_sql)},
                                {.sql = STR("INSERT INTO lost VALUES (1)")}};
    DbStatementVec out = {0};
    DbSessionVec sessions = {0};
    StrVec none = {0};
    bool has, is_known, has_run;
    SqlSplitOptions options = db_split_options(f->db, NULL);
    SqlInfo info = sql_inspect(STR("ALTER TABLE lost ADD COLUMN b int, DROP COLUMN c"), &options);
    if (!db_url_parse(arena, f->url.text, &url, err) || !db_open(&url, NULL, &db, err) ||
        !db_exec(db, STR("DROP TABLE IF EXISTS lost"), err) ||
        !db_run(db, statements, 2, NULL, NULL, NULL, err) ||
        !db_query(db, STR("SELECT a FROM lost; SELECT 2"), &rows, err))
        return false;
    while (db_rows_next(&rows))
        ;
    const DbDriver *driver = db->driver;
    if (!db_rows_finish(&rows, err) || !driver->has_table(db, STR("lost"), &has, err) ||
        !driver->has_effect(db, STR("ALTER TABLE lost ADD COLUMN b int, DROP COLUMN c"), &info,
                            &is_known, &has_run, err) ||
        !driver->blockers(db, arena, STR("lost"), &sessions, err) ||
        !driver->drop_all(db, arena, &none, &out, err))
        return false;
    if (!driver->reset_session(db, arena, &out) ||
        !driver->timeouts(db, arena, (DbTimeouts){.lock_ms = 1000, .statement_ms = 1000}, true,
                          &out))
        return error_nomem(err);
    return true;
}

void survive_lost_allocations(Fixture *f, const char *table_sql)
{
    for (unsigned nth = 1;; nth++) {
        scoped(Arena *, arena_freep) arena = arena_new();
        Error err = {.arena = arena};
        fault_fail_allocation(nth);
        bool is_done = work(f, arena, table_sql, &err);
        bool has_fired = fault_fired();
        fault_fail_allocation(0);
        if (!has_fired) {
            if (!is_done)
                fail_msg("%s", err.message);
            assert_in_range(nth, 50, 5000);
            return;
        }
        if (is_done || err.kind != ERROR_NOMEM)
            fail_msg("allocation %u: %s: %s", nth, is_done ? "done" : error_kind_name(err.kind),
                     err.message);
    }
}
#endif

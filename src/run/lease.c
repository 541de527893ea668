/* The lease: its table, how it is taken, checked, given back. SPDX-License-Identifier: Apache-2.0 */
#include <string.h>
#include <unistd.h>

#include "run/work.h"

enum {
    US = 1000000,
    MS = 1000,
    DEFAULT_LEASE_MS = 30000,
    SHORTEST_LEASE_MS = 1000,
    WORD_BYTES = 255,
    TRY_LOCK_MS = 1000
};

bool lease_is_due(const Runner *runner)
{
    const Db *db = runner->db;
    switch (runner->settings.lock_kind) {
    case LOCK_KIND_AUTO:
        break;
    case LOCK_KIND_SESSION:
        return false;
    case LOCK_KIND_LEASE:
        return !db_has(db, DB_FILE_LOCK);
    }
    if (db_has(db, DB_FILE_LOCK))
        return false;
    return db->info.is_cluster || !db_has(db, DB_SESSION_LOCK) || !db->driver->lock_try;
}

/* ---- SQL ------------------------------------------------------------------------------------------ */

static const char *server_now(SqlDialect dialect)
{
    switch (dialect) {
    case SQL_POSTGRES:
        return "clock_timestamp()"; /* now() would be the transaction's beginning */
    case SQL_MYSQL:
        return "UTC_TIMESTAMP(6)";
    case SQL_SQLITE:
        break;
    }
    return "strftime('%Y-%m-%d %H:%M:%f', 'now')";
}

/* A Galera node's clock stands still during a message of several statements. SYSDATE() goes on; it is not taken elsewhere,
 * because it cannot be logged as a statement. */
static void add_end(StrBuf *sql, SqlDialect dialect, const Lease *lease)
{
    if (dialect == SQL_POSTGRES) {
        strbuf_addf(sql, "clock_timestamp() + interval '%lld microseconds'",
                    (long long)lease->length_us);
        return;
    }
    strbuf_addf(sql, "UTC_TIMESTAMP(6) + INTERVAL %lld", (long long)lease->length_us);
    if (lease->has_ordered_ddl)
        strbuf_adds(sql, " + TIMESTAMPDIFF(MICROSECOND, NOW(6), SYSDATE(6))");
    strbuf_adds(sql, " MICROSECOND");
}

static void add_elapsed(StrBuf *sql, SqlDialect dialect, const char *from, const char *to)
{
    if (dialect == SQL_POSTGRES)
        strbuf_addf(sql, "CAST(EXTRACT(EPOCH FROM %s - %s) * 1000000 AS BIGINT)", to, from);
    else
        strbuf_addf(sql, "TIMESTAMPDIFF(MICROSECOND, %s, %s)", from, to);
}

static void add_word(StrBuf *sql, SqlDialect dialect, Str word)
{
    word = str_sub(word, 0, word.len < WORD_BYTES ? word.len : WORD_BYTES);
    size_t good = word.len;
    if (!str_is_utf8(word, &good))
        word.len = good;
    sql_add_literal(sql, dialect, word);
}

static void add_where(StrBuf *sql, SqlDialect dialect, const Lease *lease)
{
    strbuf_adds(sql, " WHERE name = ");
    sql_add_literal(sql, dialect, lease->name);
}

/* The row, if nobody else has it locked: one more condition. What other servers wait for is over in a moment; see
 * lease_begin(). */
static void add_unlocked(StrBuf *sql, SqlDialect dialect, const Lease *lease, const char *condition)
{
    strbuf_addf(sql, " AND (%s)", condition);
    if (dialect != SQL_POSTGRES)
        return;
    strbuf_adds(sql, " AND name IN (SELECT name FROM ");
    strbuf_add(sql, lease->table);
    add_where(sql, dialect, lease);
    strbuf_addf(sql, " AND (%s) FOR UPDATE SKIP LOCKED)", condition);
}

static void add_free_condition(StrBuf *sql, SqlDialect dialect)
{
    strbuf_addf(sql, "expires IS NULL OR expires <= %s", server_now(dialect));
}

static void add_is_ours(StrBuf *sql, SqlDialect dialect, const Lease *lease)
{
    strbuf_addf(sql, "token = %lld AND expires > %s", (long long)lease->token, server_now(dialect));
}

/* The wait for what others have locked, for this message only where the engine can. */
static bool add_patience(StrBuf *sql, SqlDialect dialect)
{
    if (dialect == SQL_POSTGRES)
        strbuf_addf(sql, "SET LOCAL lock_timeout = %d; ", TRY_LOCK_MS);
    return dialect == SQL_POSTGRES;
}

static void add_try(StrBuf *sql, const Run *run)
{
    const Lease *lease = run->lease;
    const ConventionContext *context = run->convention;
    SqlDialect dialect = run->db->driver->dialect;
    StrBuf condition = strbuf(lease->arena);
    add_free_condition(&condition, dialect);
    strbuf_adds(sql, "UPDATE ");
    strbuf_add(sql, lease->table);
    /* Never a token that was there before, whatever happened to the row. */
    strbuf_addf(sql, " SET token = GREATEST(token + 1, %s), holder = ",
                dialect == SQL_POSTGRES
                    ? "CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000 AS BIGINT)"
                    : "CAST(UNIX_TIMESTAMP(NOW(6)) * 1000000 AS SIGNED)");
    sql_add_literal(sql, dialect, lease->holder);
    strbuf_adds(sql, ", who = ");
    add_word(sql, dialect, context->who);
    strbuf_adds(sql, ", host = ");
    add_word(sql, dialect, context->host);
    strbuf_addf(sql, ", pid = %ld, program = ", (long)getpid());
    add_word(sql, dialect, context->program);
    strbuf_addf(sql, ", acquired = %s, expires = ", server_now(dialect));
    add_end(sql, dialect, lease);
    add_where(sql, dialect, lease);
    add_unlocked(sql, dialect, lease, condition.has_failed ? "" : condition.ptr);
    sql->has_failed = sql->has_failed || condition.has_failed;
}

static void add_row_query(StrBuf *sql, SqlDialect dialect, const Lease *lease)
{
    strbuf_adds(sql, "SELECT token, holder, who, host, pid, program, ");
    add_elapsed(sql, dialect, "acquired", server_now(dialect));
    strbuf_adds(sql, ", ");
    add_elapsed(sql, dialect, server_now(dialect), "expires");
    strbuf_adds(sql, " FROM ");
    strbuf_add(sql, lease->table);
    add_where(sql, dialect, lease);
}

/* Ours for another length; no row when it is not ours any more. */
static bool renewal(const Run *run, Arena *arena, Str *ret_sql, Error *err)
{
    const Lease *lease = run->lease;
    SqlDialect dialect = run->db->driver->dialect;
    StrBuf sql = strbuf(arena);
    strbuf_adds(&sql, "UPDATE ");
    strbuf_add(&sql, lease->table);
    strbuf_adds(&sql, " SET expires = ");
    add_end(&sql, dialect, lease);
    add_where(&sql, dialect, lease);
    strbuf_adds(&sql, " AND ");
    add_is_ours(&sql, dialect, lease);
    return strbuf_finish(&sql, ret_sql) || error_nomem(err);
}

/* PostgreSQL: a lock of the row that lets renewals pass (they change no key) and keeps takers out (FOR UPDATE).
 *
 * MariaDB and MySQL know no such lock: there the fence is a write, and stands right in front of the COMMIT, so that
 * renewals wait for a moment only. As a write it is also what a cluster certifies: of a taking on one node and a
 * transaction on another, one fails. */
bool lease_fence_sql(const Run *run, Arena *arena, Str *ret_sql, Error *err)
{
    const Lease *lease = run->lease;
    SqlDialect dialect = run->db->driver->dialect;
    StrBuf sql = strbuf(arena);
    if (dialect == SQL_POSTGRES) {
        strbuf_adds(&sql, "SELECT 1 / count(*) FROM (SELECT 1 FROM ");
        strbuf_add(&sql, lease->table);
        add_where(&sql, dialect, lease);
        strbuf_adds(&sql, " AND ");
        add_is_ours(&sql, dialect, lease);
        strbuf_adds(&sql, " FOR KEY SHARE) AS held");
    } else {
        /* The overflow is an error whatever sql_mode says. */
        strbuf_adds(&sql, "UPDATE ");
        strbuf_add(&sql, lease->table);
        strbuf_adds(&sql, " SET pid = IF(");
        add_is_ours(&sql, dialect, lease);
        strbuf_adds(&sql, ", pid, 9223372036854775807 + token), expires = ");
        add_end(&sql, dialect, lease);
        add_where(&sql, dialect, lease);
    }
    return strbuf_finish(&sql, ret_sql) || error_nomem(err);
}

static bool make_table(Run *run, Error *err)
{
    scoped(Arena *, arena_freep) scratch = arena_new();
    if (!scratch)
        return error_nomem(err);
    const Lease *lease = run->lease;
    SqlDialect dialect = run->db->driver->dialect;
    bool is_postgres = dialect == SQL_POSTGRES;
    const char *word = is_postgres ? "TEXT" : "VARCHAR(255)";
    const char *time = is_postgres ? "TIMESTAMPTZ" : "DATETIME(6)";
    StrBuf create = strbuf(scratch), fill = strbuf(scratch);
    strbuf_adds(&create, "CREATE TABLE IF NOT EXISTS ");
    strbuf_add(&create, lease->table);
    strbuf_addf(&create,
                " (\n    name %s NOT NULL PRIMARY KEY,\n    token BIGINT NOT NULL,\n    holder %s "
                "NOT NULL,\n    who %s NOT NULL,\n    host %s NOT NULL,\n    pid BIGINT NOT NULL,\n"
                "    program %s NOT NULL,\n    acquired %s NULL,\n    expires %s NULL\n)%s",
                word, word, word, word, word, time, time,
                is_postgres ? ""
                            : " ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=utf8mb4 "
                              "COLLATE=utf8mb4_bin");
    strbuf_adds(&fill, "INSERT INTO ");
    strbuf_add(&fill, lease->table);
    strbuf_adds(&fill, " (name, token, holder, who, host, pid, program) VALUES (");
    sql_add_literal(&fill, dialect, lease->name);
    /* Not INSERT IGNORE, which would be answered with a warning. */
    strbuf_addf(&fill, ", 0, '', '', '', 0, '') ON %s",
                is_postgres ? "CONFLICT DO NOTHING" : "DUPLICATE KEY UPDATE pid = pid");
    if (create.has_failed || fill.has_failed)
        return error_nomem(err);
    return db_exec(run->db, strbuf_str(&create), err) && db_exec(run->db, strbuf_str(&fill), err);
}

/* ---- the table's place ------------------------------------------------------------------------------ */

static bool default_schema(Run *run, Arena *arena, Str *ret_schema, Error *err)
{
    DbValue value = {0};
    if (run->db->driver->dialect != SQL_POSTGRES) {
        *ret_schema = str_from(run->db->info.database);
        return true;
    }
    /* The table may stand in a later schema of search_path. */
    if (!db_query_value(run->db, arena,
                        STR("SELECT coalesce((SELECT n.nspname FROM pg_catalog.pg_class c JOIN "
                            "pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = "
                            "to_regclass('whimbrel_lock')), current_schema())"),
                        &value, err))
        return error_wrap(err, "looking for the table of the migration lock");
    *ret_schema = value.text;
    if (value.text.len > 0)
        return true;
    error_set(err, ERROR_STATE, "no schema is selected to make the table whimbrel_lock in");
    return error_hint(err, "Give the database URL a search_path, or name the history table's "
                           "schema: --table SCHEMA.NAME.");
}

/* The statements name the table in full: a migration may set search_path before one of them. */
bool lease_prepare(Run *run, Error *err)
{
    Str schema = {0}, text;
    Lease *lease = arena_alloc(run->arena, sizeof *lease);
    if (!lease)
        return error_nomem(err);
    *lease = (Lease){.arena = run->arena};
    if (!convention_lease_place(run->convention, run->arena, &schema, &lease->name, err) ||
        (schema.len == 0 && !default_schema(run, run->arena, &schema, err)))
        return false;
    StrBuf table = strbuf(run->arena);
    sql_add_ident(&table, run->db->driver->dialect, schema);
    strbuf_adds(&table, ".whimbrel_lock");
    if (!strbuf_finish(&table, &text))
        return error_nomem(err);
    lease->table = text;
    int64_t length_ms = run->runner->settings.lease_ms;
    lease->length_us = (length_ms > 0 ? length_ms : DEFAULT_LEASE_MS) * MS;
    lease->has_ordered_ddl = run->db->info.is_cluster && run->db->driver->dialect == SQL_MYSQL;
    run->lease = lease;
    return true;
}

/* ---- reading it ---------------------------------------------------------------------------------------- */

typedef struct LeaseRow {
    bool has_row, is_ours;
    int64_t token;
    int64_t left_us; /* above 0: held */
    DbSession session;
} LeaseRow;

static bool read_row(const Run *run, Arena *arena, DbRows *rows, LeaseRow *ret_row, Error *err)
{
    LeaseRow row = {.left_us = 0, .session = {.age_us = -1}};
    while (db_rows_next(rows)) {
        const DbValue *cols = rows->cols;
        Str pid = {0};
        if (rows->col_count != 8)
            return error_set(err, ERROR_STATE, "the table whimbrel_lock is not whimbrel's");
        row.has_row = true;
        row.is_ours = str_eq(cols[1].text, run->lease->holder);
        if (!db_value_i64(&cols[0], &row.token) || !db_value_i64(&cols[7], &row.left_us))
            row.left_us = 0;
        if (!db_value_i64(&cols[6], &row.session.age_us))
            row.session.age_us = -1;
        if (!str_copy(arena, cols[4].text, &pid) ||
            !str_copy(arena, cols[2].text, &row.session.user) ||
            !str_copy(arena, cols[3].text, &row.session.host) ||
            !str_copy(arena, cols[5].text, &row.session.application))
            return error_nomem(err);
        row.session.id = pid;
        row.session.is_alive = row.left_us > 0;
    }
    *ret_row = row;
    return true;
}

static bool ask_row(Run *run, Arena *arena, LeaseRow *ret_row, Error *err)
{
    scoped(DbRows, db_rows_done) rows = {0};
    StrBuf sql = strbuf(arena);
    Str text;
    add_row_query(&sql, run->db->driver->dialect, run->lease);
    if (!strbuf_finish(&sql, &text))
        return error_nomem(err);
    return db_query(run->db, text, &rows, err) && read_row(run, arena, &rows, ret_row, err) &&
           db_rows_finish(&rows, err);
}

/* ---- taking -------------------------------------------------------------------------------------------- */

/* A statement-pooling proxy ends the connection at the first BEGIN. It is found out before anything is done. */
static bool check_transactions(Run *run, Error *err)
{
    Db *db = run->db;
    if (!db->info.is_pooled)
        return true;
    if (db_exec(db, str_from(db->driver->begin), err) && db_exec(db, STR("ROLLBACK"), err))
        return true;
    if (!err->message || str_find(str_from(err->message), STR("statement pooling"), 0) == SIZE_MAX)
        return false;
    error_set(err, ERROR_UNSUPPORTED,
              "the proxy in between pools statements: no transaction can "
              "be had through it");
    error_code(err, "statement-pooling");
    return error_hint(err, "Give the server's own address, or that of a pool of sessions or "
                           "transactions.");
}

bool lease_begin(Run *run, Error *err)
{
    unsigned char random[16];
    if (!run->runner->url) {
        error_set(err, ERROR_UNSUPPORTED, "no migration lock can be held on this connection");
        error_code(err, "no-lock");
        return error_hint(err, "A lease would be needed, and a second connection to keep it: give "
                               "the database's URL instead of a connection.");
    }
    if (run->runner->settings.lease_ms > 0 && run->runner->settings.lease_ms < SHORTEST_LEASE_MS) {
        error_set(err, ERROR_USAGE, "a lease of less than a second cannot be kept");
        return error_code(err, "bad-lease");
    }
    if (!check_transactions(run, err) || !lease_prepare(run, err) ||
        !random_bytes(random, sizeof random, err))
        return false;
    const char *holder = hex_encode(run->arena, random, sizeof random);
    if (!holder)
        return error_nomem(err);
    run->lease->holder = str_from(holder);
    return true;
}

static bool is_absent(const Error *err)
{
    return strcmp(err->sqlstate, "42P01") == 0 || err->server_code == 1146;
}

/* Others make the same table at the same moment: what they were first with is no error. */
static bool make_place(Run *run, Error *err)
{
    if (make_table(run, err))
        return true;
    if (strcmp(err->sqlstate, "3F000") == 0) {
        Str schema = {0}, name = {0}, text;
        StrBuf sql = strbuf(run->arena);
        error_clear(err);
        strbuf_adds(&sql, "CREATE SCHEMA IF NOT EXISTS ");
        if (!convention_lease_place(run->convention, run->arena, &schema, &name, err))
            return false;
        sql_add_ident(&sql, run->db->driver->dialect, schema);
        if (!strbuf_finish(&sql, &text))
            return error_nomem(err);
        if (db_exec(run->db, text, err) && make_table(run, err))
            return true;
    }
    bool is_race = strcmp(err->sqlstate, "23505") == 0 || strcmp(err->sqlstate, "42P07") == 0 ||
                   strcmp(err->sqlstate, "42P06") == 0 || strcmp(err->sqlstate, "42710") == 0 ||
                   strcmp(err->sqlstate, "XX000") == 0 || err->kind == ERROR_TIMEOUT;
    if (!is_race || run->db->is_broken)
        return error_wrap(err, "making the table whimbrel_lock");
    error_clear(err);
    return true;
}

static bool send_try(Run *run, Arena *arena, LeaseRow *ret_row, Error *err)
{
    scoped(DbRows, db_rows_done) rows = {0};
    StrBuf sql = strbuf(arena);
    Str text;
    size_t results = add_patience(&sql, run->db->driver->dialect) ? 2 : 1;
    add_try(&sql, run);
    strbuf_adds(&sql, "; ");
    add_row_query(&sql, run->db->driver->dialect, run->lease);
    if (!strbuf_finish(&sql, &text))
        return error_nomem(err);
    if (!db_query(run->db, text, &rows, err))
        return false;
    for (size_t i = 0; i < results; i++)
        if (!db_rows_next_result(&rows))
            return db_rows_finish(&rows, err) &&
                   error_set(err, ERROR_SQL, "the server did not say who holds the lock");
    return read_row(run, arena, &rows, ret_row, err) && db_rows_finish(&rows, err);
}

static bool start_heartbeat(Run *run, int64_t good_until_us, Error *err)
{
    Lease *lease = run->lease;
    HeartbeatOptions options = {.url = run->runner->url,
                                .db = run->db->options,
                                .length_us = lease->length_us,
                                .good_until_us = good_until_us,
                                .may_be_held_up = run->lease->has_ordered_ddl};
    if (!renewal(run, run->arena, &options.renewal, err))
        return false;
    lease->heartbeat = heartbeat_start(&options, err);
    return lease->heartbeat != NULL;
}

static bool give_back(Run *run, Error *err)
{
    Lease *lease = run->lease;
    scoped(Arena *, arena_freep) scratch = arena_new();
    if (!scratch)
        return error_nomem(err);
    StrBuf sql = strbuf(scratch);
    strbuf_adds(&sql, "UPDATE ");
    strbuf_add(&sql, lease->table);
    strbuf_adds(&sql, " SET expires = NULL, holder = ''");
    add_where(&sql, run->db->driver->dialect, lease);
    strbuf_addf(&sql, " AND token = %lld", (long long)lease->token);
    return sql.has_failed ? error_nomem(err) : db_exec(run->db, strbuf_str(&sql), err);
}

/* Runners that come to the same database without the proxy use the session lock. Each writes its own first and looks at the
 * other's then, so never both go on. */
static bool excludes_sessions(Run *run, Arena *arena, DbSession *ret_holder, bool *ret_has,
                              Error *err)
{
    Db *db = run->db;
    *ret_has = false;
    if (db->info.is_cluster || !db->driver->lock_holder)
        return true;
    return db->driver->lock_holder(db, arena, run->lock_key, ret_holder, ret_has, err);
}

bool lease_try(Run *run, Arena *arena, bool *ret_is_ours, DbSession *ret_holder, bool *ret_has,
               Error *err)
{
    LeaseRow row = {0};
    *ret_is_ours = *ret_has = false;
    int64_t sent_us = clock_boottime_us();
    bool is_asked = send_try(run, arena, &row, err);
    if (is_asked ? !row.has_row : is_absent(err)) {
        error_clear(err);
        if (!make_place(run, err))
            return false;
        sent_us = clock_boottime_us();
        is_asked = send_try(run, arena, &row, err);
    }
    /* Somebody else was first, and the server said so by a conflict. */
    if (!is_asked && err->kind == ERROR_TIMEOUT && !run->db->is_broken) {
        error_clear(err);
        return true;
    }
    if (!is_asked)
        return false;
    if (!row.is_ours) {
        *ret_has = row.left_us > 0;
        *ret_holder = row.session;
        return true;
    }
    run->lease->token = row.token;
    if (!excludes_sessions(run, arena, ret_holder, ret_has, err))
        return false;
    if (*ret_has)
        return give_back(run, err);
    if (!start_heartbeat(run, sent_us + run->lease->length_us, err)) {
        Error ignored = {.arena = arena};
        (void)give_back(run, &ignored);
        return false;
    }
    *ret_is_ours = true;
    return true;
}

void lease_drop(Run *run)
{
    scoped(Arena *, arena_freep) scratch = arena_new();
    Error ignored = {.arena = scratch};
    Lease *lease = run->lease;
    if (!lease || !lease->heartbeat)
        return;
    bool is_held = heartbeat_good_until(lease->heartbeat) != 0;
    heartbeat_stop(lease->heartbeat);
    lease->heartbeat = NULL;
    /* Without a connection it runs out by itself. */
    if (is_held && !run->db->is_broken)
        (void)give_back(run, &ignored);
}

/* ---- holding -------------------------------------------------------------------------------------------- */

static bool is_leased(const Run *run)
{
    return run->lock == LOCK_LEASE && run->lease && run->lease->heartbeat;
}

bool lease_lost(Run *run, Error *err)
{
    scoped(Arena *, arena_freep) scratch = arena_new();
    Error ignored = {.arena = scratch};
    LeaseRow row = {0};
    run->is_lease_lost = true;
    error_clear(err);
    error_set(err, ERROR_STATE,
              "the migration lock was lost: its lease ran out before it was "
              "renewed");
    error_code(err, "lease-lost");
    error_hint(err, "The program was held up, or could not reach the server, for longer than the "
                    "lease. See what holds with whimbrel status, then run it again; a longer "
                    "lease: --lease 2min.");
    if (!scratch || run->db->is_broken || run->db->is_in_transaction ||
        !ask_row(run, scratch, &row, &ignored) || !row.has_row)
        return false;
    if (row.token != run->lease->token)
        return error_detail(err, "it was taken over by %.*s on %.*s (process %.*s)",
                            STR_ARG(row.session.user), STR_ARG(row.session.host),
                            STR_ARG(row.session.id));
    return false;
}

/* Where a statement held the renewals up, the server's clock has the word. */
bool lease_check(Run *run, Error *err)
{
    if (run->is_lease_lost)
        return lease_lost(run, err);
    if (!is_leased(run) || clock_boottime_us() < heartbeat_good_until(run->lease->heartbeat))
        return true;
    if (run->lease->has_ordered_ddl && heartbeat_good_until(run->lease->heartbeat) != 0 &&
        !run->db->is_in_transaction)
        return lease_renew(run, err);
    return lease_lost(run, err);
}

bool lease_renew(Run *run, Error *err)
{
    scoped(Arena *, arena_freep) scratch = arena_new();
    Str sql;
    DbOutcome outcome = {0};
    if (!is_leased(run))
        return true;
    if (!scratch)
        return error_nomem(err);
    int64_t sent_us = clock_boottime_us();
    if (!renewal(run, scratch, &sql, err))
        return false;
    DbStatement statement = {.sql = sql};
    if (!db_run(run->db, &statement, 1, NULL, NULL, &outcome, err))
        return error_wrap(err, "renewing the lease of the migration lock");
    if (outcome.rows != 1)
        return lease_lost(run, err);
    heartbeat_extend(run->lease->heartbeat, sent_us + run->lease->length_us);
    return true;
}

bool lease_fence(Run *run, uint32_t statement, Error *err)
{
    Str sql;
    if (!is_leased(run))
        return true;
    return lease_fence_sql(run, run->chunk.arena, &sql, err) &&
           chunk_add(run, sql, (Tag){.kind = TAG_FENCE, .statement = statement}, err);
}

bool lease_after_ddl(Run *run, uint32_t statement, Error *err)
{
    const Lease *lease = run->lease;
    SqlDialect dialect = run->db->driver->dialect;
    if (!is_leased(run) || !run->lease->has_ordered_ddl)
        return true;
    StrBuf sql = strbuf(run->chunk.arena);
    strbuf_adds(&sql, "UPDATE ");
    strbuf_add(&sql, lease->table);
    strbuf_adds(&sql, " SET expires = ");
    add_end(&sql, dialect, lease);
    add_where(&sql, dialect, lease);
    strbuf_addf(&sql, " AND token = %lld", (long long)lease->token);
    if (sql.has_failed)
        return error_nomem(err);
    return chunk_add(run, strbuf_str(&sql), (Tag){.kind = TAG_PLUMBING, .statement = statement},
                     err);
}

bool lease_fences_first(const Run *run)
{
    return run->db->driver->dialect == SQL_POSTGRES;
}

bool lease_says_lost(const Run *run, const Tag *tag, const Error *err)
{
    if (!is_leased(run) || err->kind != ERROR_SQL)
        return false;
    if (tag->kind == TAG_FENCE && (strcmp(err->sqlstate, "22012") == 0 || err->server_code == 1690))
        return true;
    /* Another's rows may be in the way of our own before the fence is. */
    return tag->kind != TAG_STATEMENT && tag->kind != TAG_HOOK &&
           clock_boottime_us() >= heartbeat_good_until(run->lease->heartbeat);
}

/* A transaction of ours that is still under way on a lost connection holds the row, and is waited for; with another token
 * than it knows, what of the message has not begun yet cannot commit any more. */
bool lease_retire(Run *run, Db *db, bool *ret_is_retired, Error *err)
{
    scoped(Arena *, arena_freep) scratch = arena_new();
    if (!scratch)
        return error_nomem(err);
    const Lease *lease = run->lease;
    SqlDialect dialect = db->driver->dialect;
    StrBuf sql = strbuf(scratch);
    char ours[64];
    DbOutcome outcome = {0};
    DbValue value = {0};
    int64_t token = 0;
    snprintf(ours, sizeof ours, "token = %lld", (long long)lease->token);
    strbuf_adds(&sql, "UPDATE ");
    strbuf_add(&sql, lease->table);
    strbuf_adds(&sql, " SET token = token + 1, expires = NULL, holder = ''");
    add_where(&sql, dialect, lease);
    add_unlocked(&sql, dialect, lease, ours);
    DbStatement statement = {.sql = strbuf_str(&sql)};
    if (sql.has_failed)
        return error_nomem(err);
    *ret_is_retired = false;
    if (!db_run(db, &statement, 1, NULL, NULL, &outcome, err)) {
        if (err->kind != ERROR_TIMEOUT)
            return false;
        error_clear(err);
        return true;
    }
    if (outcome.rows == 1) {
        *ret_is_retired = true;
        return true;
    }
    StrBuf ask = strbuf(scratch);
    strbuf_adds(&ask, "SELECT token FROM ");
    strbuf_add(&ask, lease->table);
    add_where(&ask, dialect, lease);
    if (ask.has_failed)
        return error_nomem(err);
    if (!db_query_value(db, scratch, strbuf_str(&ask), &value, err))
        return false;
    *ret_is_retired = !db_value_i64(&value, &token) || token != lease->token;
    return true;
}

/* ---- showing and taking over ---------------------------------------------------------------------------- */

static bool look(Run *run, Arena *arena, LeaseRow *ret_row, Error *err)
{
    *ret_row = (LeaseRow){0};
    if (!lease_prepare(run, err))
        return false;
    if (ask_row(run, arena, ret_row, err))
        return true;
    if (!is_absent(err))
        return error_wrap(err, "reading the table whimbrel_lock");
    error_clear(err);
    return true;
}

bool lease_may_be_held(const Run *run)
{
    /* With a schema of its own the table was not looked for at connect. */
    return run->db->driver->dialect == SQL_POSTGRES &&
           (run->db->info.has_leases || str_find_char(run->convention->table, '.', 0) != SIZE_MAX);
}

bool lease_is_held(Run *run, Arena *arena, DbSession *ret_holder, bool *ret_is_held, Error *err)
{
    LeaseRow row;
    *ret_is_held = false;
    if (!lease_may_be_held(run))
        return true;
    if (!look(run, arena, &row, err))
        return false;
    *ret_is_held = row.left_us > 0;
    *ret_holder = row.session;
    return true;
}

bool lease_holder(Runner *runner, Arena *arena, LockHolder *ret_holder, bool *ret_has, Error *err)
{
    Run run = {
        .runner = runner, .db = runner->db, .convention = runner->convention, .arena = arena};
    LeaseRow row;
    if (!look(&run, arena, &row, err))
        return false;
    *ret_has = row.left_us > 0;
    *ret_holder = (LockHolder){
        .session = row.session, .is_lease = true, .token = row.token, .left_us = row.left_us};
    return true;
}

bool lease_take_over(Runner *runner, Arena *arena, int64_t token, Error *err)
{
    Run run = {
        .runner = runner, .db = runner->db, .convention = runner->convention, .arena = arena};
    bool is_retired = false;
    if (!lease_prepare(&run, err))
        return false;
    run.lease->token = token;
    if (!lease_retire(&run, runner->db, &is_retired, err))
        return error_wrap(err, "taking the migration lock over");
    if (is_retired)
        return true;
    DbSessionVec sessions = {0};
    Error ignored = {.arena = arena};
    error_set(err, ERROR_LOCKED,
              "the holder of the migration lock is in the middle of a "
              "transaction, which holds the lock with it");
    error_code(err, "lock-in-use");
    if (runner->db->driver->blockers &&
        runner->db->driver->blockers(runner->db, arena, STR("whimbrel_lock"), &sessions,
                                     &ignored) &&
        sessions.len > 0)
        error_detail(err, "session %.*s: %.*s", STR_ARG(sessions.items[0].id),
                     STR_ARG(sessions.items[0].query));
    return error_hint(err, "Wait for it, or end that session on the server.");
}

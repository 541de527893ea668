/* Atlas: .sql files under a sum (atlas.sum), a row a version in atlas_schema_revisions that also says how many of its statements have run.
 *
 * Within a transaction the row is written once, with the migration. Outside of one it is a journal, as with Atlas itself: applied of total
 * statements and a digest for each, so that either goes on where the other stopped. A down that was stopped midway is something Atlas does
 * not know: its row is then one at which Atlas refuses to go on. SPDX-License-Identifier: Apache-2.0 */
#include "convention/atlas.h"
#include "convention/draft.h"

#include <string.h>

/* type: bits */
enum { TYPE_BASELINE = 1, TYPE_EXECUTED = 2, TYPE_RESOLVED = 4 };

/* The row that Atlas' cloud service keeps for itself. */
#define CLOUD_ROW ".atlas_cloud_identifier"

static AtlasState *state_of(const ConventionContext *ctx)
{
    const AtlasSettings *settings = ctx->own;
    return settings ? settings->state : NULL;
}

/* ---- where the table is --------------------------------------------------------------------------------- */

/* Where nothing is there yet: with Atlas a connection that is bound to a schema has the table in that, another in one of the table's name. */
static TableName unborn_table(const ConventionContext *ctx, const Db *db)
{
    Str name = str_from(ctx->convention->default_table);
    bool is_bound = strcmp(db->info.search_path, "\"$user\", public") != 0;
    return (TableName){.schema = is_bound ? (Str){0} : name, .table = name};
}

static bool ambiguous(const ConventionContext *ctx, Error *err)
{
    const char *name = ctx->convention->default_table;
    error_set(err, ERROR_STATE,
              "there is a table %s.%s, and none in the schema of this connection: it is not clear "
              "which of them is meant",
              name, name);
    error_code(err, "ambiguous-history");
    return error_hint(err, "Name it: --table %s.%s, or the schema's own one.", name, name);
}

static bool resolve_on_postgres(const ConventionContext *ctx, Db *db, TableName *ret_table,
                                Error *err)
{
    scoped(DbRows, db_rows_done) rows = {0};
    bool has_own = false, has_visible = false, is_same = false;
    *ret_table = unborn_table(ctx, db);
    bool is_bound = ret_table->schema.len == 0;
    if (!db_query(
            db,
            STR("SELECT own IS NOT NULL, visible IS NOT NULL, own = visible FROM (SELECT "
                "to_regclass('\"atlas_schema_revisions\".\"atlas_schema_revisions\"') AS own, "
                "to_regclass('\"atlas_schema_revisions\"') AS visible) AS found"),
            &rows, err))
        return false;
    while (db_rows_next(&rows)) {
        has_own = str_eq(rows.cols[0].text, STR("t"));
        has_visible = str_eq(rows.cols[1].text, STR("t"));
        is_same = str_eq(rows.cols[2].text, STR("t"));
    }
    if (!db_rows_finish(&rows, err))
        return false;
    if (has_own && is_bound && !has_visible)
        return ambiguous(ctx, err);
    if (has_visible && (is_bound || !has_own || is_same))
        ret_table->schema = (Str){0};
    return true;
}

/* The table, once it is known; before that, where it would be. */
static bool table_of(const ConventionContext *ctx, const Db *db, Arena *arena, TableName *ret_table,
                     Error *err)
{
    const AtlasState *state = state_of(ctx);
    if (ctx->table.len > 0 || ctx->dialect != SQL_POSTGRES)
        return table_name_read(ctx, arena, ret_table, err);
    *ret_table = state && state->is_resolved ? state->table : unborn_table(ctx, db);
    return true;
}

static bool find_table(const ConventionContext *ctx, Db *db, Arena *arena, TableName *ret_table,
                       Error *err)
{
    AtlasState *state = state_of(ctx);
    if (ctx->table.len > 0 || ctx->dialect != SQL_POSTGRES)
        return table_name_read(ctx, arena, ret_table, err);
    if (state && state->is_resolved) {
        *ret_table = state->table;
        return true;
    }
    if (!resolve_on_postgres(ctx, db, ret_table, err))
        return error_wrap(err, "looking for Atlas' history");
    if (state) {
        state->table = *ret_table;
        state->is_resolved = true;
    }
    return true;
}

/* ---- reading -------------------------------------------------------------------------------------------- */

enum {
    COL_VERSION,
    COL_DESCRIPTION,
    COL_TYPE,
    COL_APPLIED,
    COL_TOTAL,
    COL_EXECUTED_AT,
    COL_EXECUTION_TIME,
    COL_ERROR,
    COL_PARTIAL,
    COL_OPERATOR,
    COL_COUNT
};

static const char *columns_of(SqlDialect dialect)
{
    switch (dialect) {
    case SQL_POSTGRES:
        return "version, description, type, applied, total, CAST(date_part('epoch', executed_at) * "
               "1000000 AS BIGINT), execution_time, error, CAST(partial_hashes AS TEXT), "
               "operator_version";
    case SQL_MYSQL:
        return "version, description, type, applied, total, CAST(UNIX_TIMESTAMP(executed_at) * "
               "1000000 AS SIGNED), execution_time, error, partial_hashes, operator_version";
    case SQL_SQLITE:
        return "version, description, type, applied, total, executed_at, execution_time, error, "
               "CAST(partial_hashes AS TEXT), operator_version";
    }
    return "";
}

/* What stands between quotes in a JSON array of strings that need no escapes. */
static bool read_digests(Arena *arena, Str json, StrVec *ret_digests, Error *err)
{
    StrVec digests = {0};
    Str copy;
    size_t at = 0;
    if (!str_copy(arena, json, &copy))
        return error_nomem(err);
    while ((at = str_find_char(copy, '"', at)) != SIZE_MAX) {
        size_t end = str_find_char(copy, '"', at + 1);
        if (end == SIZE_MAX)
            break;
        Str one = str_sub(copy, at + 1, end);
        if (str_starts(one, STR("h1:")))
            one = str_sub(one, 3, one.len);
        if (!vec_push(arena, &digests, one))
            return error_nomem(err);
        at = end + 1;
    }
    *ret_digests = digests;
    return true;
}

/* "whimbrel: 1 of 3 down" in the place of a digest: a down is under way. No statement has such a digest, so that Atlas stops. */
#define DOWN_MARK "whimbrel: "
static bool read_down_mark(const StrVec *digests, uint32_t *ret_done, uint32_t *ret_total)
{
    uint64_t done, total;
    Str first, rest;
    if (digests->len != 1 || !str_starts(digests->items[0], STR(DOWN_MARK)))
        return false;
    rest = str_cut(str_sub(digests->items[0], sizeof DOWN_MARK - 1, digests->items[0].len), ' ',
                   &first);
    if (!str_starts(rest, STR("of ")) || !str_to_u64(first, &done))
        return false;
    (void)str_cut(str_sub(rest, 3, rest.len), ' ', &rest);
    if (!str_to_u64(rest, &total) || done > UINT32_MAX || total > UINT32_MAX)
        return false;
    *ret_done = (uint32_t)done;
    *ret_total = (uint32_t)total;
    return true;
}

static Timestamp executed_at(SqlDialect dialect, const DbValue *value)
{
    int64_t number;
    Timestamp t;
    if (value->is_null)
        return TIMESTAMP_UNKNOWN;
    if (dialect == SQL_SQLITE)
        return timestamp_parse(value->text, &t) ? t : TIMESTAMP_UNKNOWN;
    return db_value_i64(value, &number) ? number : TIMESTAMP_UNKNOWN;
}

static bool is_checkpoint(const ConventionContext *ctx, Str version)
{
    for (size_t i = 0; ctx->set && i < ctx->set->migrations.len; i++) {
        const Migration *migration = &ctx->set->migrations.items[i];
        if (migration->kind == MIGRATION_BASELINE && str_eq(migration->version, version))
            return true;
    }
    return false;
}

/* Some statements have run: of the up as Atlas counts them, or of a down of ours. */
static bool take_partial(const PeerReader *reader, const DbValue *cols, HistoryRow *row, Error *err)
{
    AtlasState *state = reader->own;
    AtlasPartial partial = {.version = row->version};
    bool has_error = !cols[COL_ERROR].is_null && cols[COL_ERROR].text.len > 0;
    row->outcome = HISTORY_RUNNING_UP;
    row->has_journal = true;
    row->is_fate_unknown = !has_error;
    row->duration_us = -1;
    row->finished_at = TIMESTAMP_UNKNOWN;
    if (has_error && !(row->failure = str_z(reader->arena, cols[COL_ERROR].text)))
        return error_nomem(err);
    if (!cols[COL_PARTIAL].is_null &&
        !read_digests(reader->arena, cols[COL_PARTIAL].text, &partial.digests, err))
        return false;
    if (read_down_mark(&partial.digests, &row->done, &row->total))
        row->outcome = HISTORY_RUNNING_DOWN;
    return !state || vec_push(reader->arena, &state->partials, partial) || error_nomem(err);
}

static bool take_row(void *ctx, const DbValue *cols, bool *ret_is_good, const char **ret_what,
                     Error *err)
{
    const PeerReader *reader = ctx;
    int64_t type = 0, applied = 0, total = 0, took = 0;
    HistoryRow *row;
    Str description;
    *ret_is_good = !cols[COL_VERSION].is_null && cols[COL_VERSION].text.len > 0 &&
                   db_value_i64(&cols[COL_TYPE], &type) &&
                   db_value_i64(&cols[COL_APPLIED], &applied) &&
                   db_value_i64(&cols[COL_TOTAL], &total) && applied >= 0 &&
                   applied <= UINT32_MAX && total >= 0 && total <= UINT32_MAX;
    *ret_what = "a row has no version, type or numbers of statements";
    if (!*ret_is_good || str_eq(cols[COL_VERSION].text, STR(CLOUD_ROW)))
        return true;
    if (!str_copy(reader->arena, cols[COL_DESCRIPTION].text, &description) ||
        !peer_push_row(reader, cols[COL_VERSION].text, description, &row, err))
        return error_nomem(err);
    row->done = (uint32_t)applied;
    row->total = (uint32_t)total;
    row->started_at = executed_at(reader->ctx->dialect, &cols[COL_EXECUTED_AT]);
    if (db_value_i64(&cols[COL_EXECUTION_TIME], &took) && took >= 0) {
        row->duration_us = took / 1000;
        if (row->started_at != TIMESTAMP_UNKNOWN)
            row->finished_at = row->started_at + row->duration_us;
    }
    if (!str_copy(reader->arena, cols[COL_OPERATOR].text, &row->program))
        return error_nomem(err);
    if (is_checkpoint(reader->ctx, row->version))
        row->kind = MIGRATION_BASELINE;
    if (type & TYPE_BASELINE)
        row->outcome = HISTORY_BASELINED;
    else if (applied < total && !(type & TYPE_RESOLVED))
        return take_partial(reader, cols, row, err);
    return true;
}

/* LINEAR_SKIP: what is older than the newest version and newer than the first is passed over for good. */
static bool skip_late(const ConventionContext *ctx, Arena *arena, History *history, Error *err)
{
    const AtlasSettings *settings = ctx->own;
    size_t count = history->rows.len;
    if (!settings || !settings->skips_late || !ctx->set || count == 0)
        return true;
    Str first = history->rows.items[0].version, last = history->rows.items[count - 1].version;
    for (size_t i = 0; i < ctx->set->migrations.len; i++) {
        const Migration *migration = &ctx->set->migrations.items[i];
        if (migration->kind != MIGRATION_VERSIONED || str_cmp(migration->version, first) < 0 ||
            str_cmp(migration->version, last) > 0 || history_find(history, migration->version))
            continue;
        HistoryRow row = peer_row(migration->version, migration->name, 0);
        row.outcome = HISTORY_DELETED;
        row.is_tolerated = true;
        if (!vec_push(arena, &history->rows, row))
            return error_nomem(err);
    }
    return history->rows.len == count || history_finish(arena, history, err);
}

static bool history_read(const ConventionContext *ctx, Db *db, Arena *arena, History *ret_history,
                         Error *err)
{
    static const VersionOrder text_order = {.kind = VERSIONS_TEXT};
    AtlasState *state = state_of(ctx);
    PeerTable table = {.columns = columns_of(ctx->dialect),
                       .order = "version",
                       .column_count = COL_COUNT,
                       .row = take_row,
                       .ctx = state};
    if (state)
        memset(&state->partials, 0, sizeof state->partials);
    return find_table(ctx, db, arena, &table.name, err) &&
           peer_history_read(ctx, db, arena, &table, ctx->set ? &ctx->set->versions : &text_order,
                             ret_history, err) &&
           skip_late(ctx, arena, ret_history, err);
}

/* ---- the table ------------------------------------------------------------------------------------------ */

static const char *table_body(SqlDialect dialect)
{
    switch (dialect) {
    case SQL_POSTGRES:
        return " (\"version\" character varying NOT NULL, \"description\" character varying NOT "
               "NULL, \"type\" bigint NOT NULL DEFAULT 2, \"applied\" bigint NOT NULL DEFAULT 0, "
               "\"total\" bigint NOT NULL DEFAULT 0, \"executed_at\" timestamptz NOT NULL, "
               "\"execution_time\" bigint NOT NULL, \"error\" text NULL, \"error_stmt\" text NULL, "
               "\"hash\" character varying NOT NULL, \"partial_hashes\" jsonb NULL, "
               "\"operator_version\" character varying NOT NULL, PRIMARY KEY (\"version\"))";
    case SQL_MYSQL:
        return " (`version` varchar(255) NOT NULL, `description` varchar(255) NOT NULL, `type` "
               "bigint unsigned NOT NULL DEFAULT 2, `applied` bigint NOT NULL DEFAULT 0, `total` "
               "bigint NOT NULL DEFAULT 0, `executed_at` timestamp NULL, `execution_time` bigint "
               "NOT NULL, `error` longtext NULL, `error_stmt` longtext NULL, `hash` varchar(255) "
               "NOT NULL, `partial_hashes` json NULL, `operator_version` varchar(255) NOT NULL, "
               "PRIMARY KEY (`version`)) CHARSET utf8mb4 COLLATE utf8mb4_bin";
    case SQL_SQLITE:
        return " (`version` text NOT NULL, `description` text NOT NULL, `type` integer NOT NULL "
               "DEFAULT 2, `applied` integer NOT NULL DEFAULT 0, `total` integer NOT NULL DEFAULT "
               "0, `executed_at` datetime NOT NULL, `execution_time` integer NOT NULL, `error` "
               "text "
               "NULL, `error_stmt` text NULL, `hash` text NOT NULL, `partial_hashes` json NULL, "
               "`operator_version` text NOT NULL, PRIMARY KEY (`version`))";
    }
    return "";
}

static bool history_prepare(const ConventionContext *ctx, Db *db, Arena *arena,
                            const History *history, DbStatementVec *out, Error *err)
{
    TableName name;
    StrBuf schema = strbuf(arena), sql = strbuf(arena);
    if (history->exists)
        return true;
    if (!table_of(ctx, db, arena, &name, err))
        return false;
    if (name.schema.len > 0 && ctx->dialect != SQL_SQLITE) {
        strbuf_adds(&schema, ctx->dialect == SQL_POSTGRES ? "CREATE SCHEMA IF NOT EXISTS "
                                                          : "CREATE DATABASE IF NOT EXISTS ");
        sql_add_ident(&schema, ctx->dialect, name.schema);
        if (!statement_push(arena, &schema, out, err))
            return false;
    }
    peer_begin(&sql, ctx, &name, "CREATE TABLE IF NOT EXISTS ");
    strbuf_adds(&sql, table_body(ctx->dialect));
    return statement_push(arena, &sql, out, err);
}

/* ---- writing -------------------------------------------------------------------------------------------- */

typedef struct Writer {
    const ConventionContext *ctx;
    Arena *arena;
    const HistoryWrite *write;
    AtlasFile *file; /* NULL: there is none */
    TableName table;
    DbStatementVec *out;
} Writer;

/* In time zones of servers nothing is said twice: MySQL's column is an instant. */
static void add_start(StrBuf *sql, const Writer *w)
{
    char buf[TIMESTAMP_TEXT];
    Timestamp t = w->write->started_at;
    bool is_known = t != TIMESTAMP_UNKNOWN;
    switch (w->ctx->dialect) {
    case SQL_POSTGRES:
        if (is_known)
            strbuf_addf(sql, "TIMESTAMPTZ '%s+00'", timestamp_sql(t, buf));
        else
            strbuf_adds(sql, "CURRENT_TIMESTAMP");
        return;
    case SQL_MYSQL:
        if (is_known)
            strbuf_addf(sql, "FROM_UNIXTIME(%lld)", (long long)(t / 1000000));
        else
            strbuf_adds(sql, "CURRENT_TIMESTAMP");
        return;
    case SQL_SQLITE:
        strbuf_addf(sql, "'%s+00:00'", timestamp_sql(is_known ? t : clock_now(), buf));
        return;
    }
}

/* In nanoseconds. */
static void add_duration(StrBuf *sql, const Writer *w)
{
    char buf[TIMESTAMP_TEXT];
    const HistoryWrite *write = w->write;
    if (write->duration_us >= 0) {
        strbuf_addf(sql, "%lld",
                    (long long)(write->duration_us < INT64_MAX / 1000 ? write->duration_us * 1000
                                                                      : INT64_MAX));
        return;
    }
    switch (w->ctx->dialect) {
    case SQL_POSTGRES:
        strbuf_adds(sql, "CAST(EXTRACT(EPOCH FROM clock_timestamp() - CURRENT_TIMESTAMP) * "
                         "1000000000 AS BIGINT)");
        return;
    case SQL_MYSQL:
        if (write->started_at == TIMESTAMP_UNKNOWN)
            strbuf_adds(sql, "0");
        else
            strbuf_addf(sql,
                        "GREATEST(0, TIMESTAMPDIFF(MICROSECOND, '%s', UTC_TIMESTAMP(6)) * 1000)",
                        timestamp_sql(write->started_at, buf));
        return;
    case SQL_SQLITE:
        strbuf_adds(sql, "0");
        return;
    }
}

/* Since executed_at, for what was journaled. */
static void add_time_since(StrBuf *sql, SqlDialect dialect)
{
    switch (dialect) {
    case SQL_POSTGRES:
        strbuf_adds(sql, "CAST(EXTRACT(EPOCH FROM clock_timestamp() - executed_at) * 1000000000 AS "
                         "BIGINT)");
        return;
    case SQL_MYSQL:
        strbuf_adds(sql, "COALESCE(GREATEST(0, TIMESTAMPDIFF(SECOND, executed_at, "
                         "CURRENT_TIMESTAMP)), 0) * 1000000000");
        return;
    case SQL_SQLITE:
        strbuf_adds(sql, "CAST(MAX(0, (julianday('now') - julianday(executed_at)) * 86400.0) * "
                         "1000000000 AS INTEGER)");
        return;
    }
}

static void add_json(StrBuf *sql, SqlDialect dialect, Str json)
{
    if (dialect == SQL_POSTGRES)
        strbuf_adds(sql, "CAST(");
    sql_add_literal(sql, dialect, json);
    if (dialect == SQL_POSTGRES)
        strbuf_adds(sql, " AS JSONB)");
}

/* The digests of the statements that have run. */
static bool add_partial(StrBuf *sql, const Writer *w, uint32_t done, Error *err)
{
    StrBuf json = strbuf(w->arena);
    Str text;
    if (done == 0 || !w->file) {
        strbuf_adds(sql, "NULL");
        return true;
    }
    if (!atlas_statements(w->ctx, w->write->migration, w->file, err))
        return false;
    for (uint32_t i = 0; i < done && i < w->file->digests.len; i++)
        strbuf_addf(&json, "%s\"h1:%.*s\"", i > 0 ? "," : "[", STR_ARG(w->file->digests.items[i]));
    strbuf_add_char(&json, ']');
    if (!strbuf_finish(&json, &text))
        return error_nomem(err);
    add_json(sql, w->ctx->dialect, text);
    return true;
}

static bool push_insert(const Writer *w, unsigned type, uint32_t applied, uint32_t total,
                        bool is_done, Error *err)
{
    const HistoryWrite *write = w->write;
    StrBuf sql = strbuf(w->arena);
    SqlDialect dialect = w->ctx->dialect;
    peer_begin(&sql, w->ctx, &w->table, "INSERT INTO ");
    strbuf_adds(&sql, " (version, description, type, applied, total, executed_at, execution_time, "
                      "error, error_stmt, hash, partial_hashes, operator_version) VALUES (");
    sql_add_literal(&sql, dialect, peer_version(write));
    strbuf_adds(&sql, ", ");
    sql_add_literal(&sql, dialect, peer_name(write));
    strbuf_addf(&sql, ", %u, %u, %u, ", type, applied, total);
    add_start(&sql, w);
    strbuf_adds(&sql, ", ");
    if (is_done)
        add_duration(&sql, w);
    else
        strbuf_adds(&sql, "0");
    strbuf_adds(&sql, ", '', '', ");
    sql_add_literal(&sql, dialect, w->file && type != TYPE_BASELINE ? w->file->digest : (Str){0});
    strbuf_adds(&sql, ", NULL, ");
    sql_add_literal(&sql, dialect, w->ctx->program);
    strbuf_adds(&sql, ")");
    return statement_push(w->arena, &sql, w->out, err);
}

static StrBuf begin_update(const Writer *w)
{
    StrBuf sql = strbuf(w->arena);
    peer_begin(&sql, w->ctx, &w->table, "UPDATE ");
    strbuf_adds(&sql, " SET ");
    return sql;
}

static bool push_where(const Writer *w, StrBuf *sql, Error *err)
{
    strbuf_adds(sql, " WHERE version = ");
    sql_add_literal(sql, w->ctx->dialect, peer_version(w->write));
    return statement_push(w->arena, sql, w->out, err);
}

static bool push_delete(const Writer *w, Error *err)
{
    StrBuf sql = strbuf(w->arena);
    peer_begin(&sql, w->ctx, &w->table, "DELETE FROM ");
    return push_where(w, &sql, err);
}

/* Either has to refuse to go on behind statements that were changed since. */
static bool check_prefix(const Writer *w, Error *err)
{
    const AtlasState *state = state_of(w->ctx);
    const HistoryRow *row = w->write->row;
    const AtlasPartial *partial = NULL;
    for (size_t i = 0; state && i < state->partials.len; i++) {
        if (str_eq(state->partials.items[i].version, row->version))
            partial = &state->partials.items[i];
    }
    if (!partial || !w->file || w->write->done == 0)
        return true;
    if (!atlas_statements(w->ctx, w->write->migration, w->file, err))
        return false;
    for (uint32_t i = 0; i < row->done && i < partial->digests.len; i++) {
        if (i < w->file->digests.len &&
            str_eq(w->file->digests.items[i], partial->digests.items[i]))
            continue;
        error_set(err, ERROR_STATE,
                  "statement %u of %.*s has run, and is no longer what the file "
                  "says",
                  i + 1, STR_ARG(row->version));
        error_code(err, "resumed-prefix-changed");
        error_at(err, w->file->path, 0, 0);
        error_detail(err, "%u of %u statements had run when it stopped", row->done, row->total);
        return error_hint(err, "Bring back what has run and change only what follows; or go back: "
                               "whimbrel rollback");
    }
    return true;
}

/* A row at which Atlas stops: one statement has run that is none of the file's. */
static bool push_down(const Writer *w, Str failure, Error *err)
{
    const HistoryWrite *write = w->write;
    StrBuf sql = begin_update(w);
    const char *mark = str_format(w->arena, "[\"" DOWN_MARK "%u of %u down\"]",
                                  (unsigned)write->done, (unsigned)write->total);
    if (!mark)
        return error_nomem(err);
    strbuf_adds(&sql, "type = 2, applied = 1, total = 2, error_stmt = '', partial_hashes = ");
    add_json(&sql, w->ctx->dialect, str_from(mark));
    strbuf_adds(&sql, ", error = ");
    sql_add_literal(&sql, w->ctx->dialect, failure);
    return push_where(w, &sql, err);
}

static bool push_begin(const Writer *w, Error *err)
{
    const HistoryWrite *write = w->write;
    if (write->is_down)
        return push_down(w, (Str){0}, err);
    if (!write->row)
        return push_insert(w, TYPE_EXECUTED, 0, write->total, false, err);
    StrBuf sql = begin_update(w);
    if (!check_prefix(w, err))
        return false;
    strbuf_addf(&sql,
                "type = 2, applied = %u, total = %u, error = '', error_stmt = '', "
                "partial_hashes = ",
                (unsigned)write->done, (unsigned)write->total);
    return add_partial(&sql, w, write->done, err) && push_where(w, &sql, err);
}

static bool push_step(const Writer *w, Error *err)
{
    if (w->write->is_down)
        return push_down(w, (Str){0}, err);
    StrBuf sql = begin_update(w);
    strbuf_addf(&sql, "applied = %u, partial_hashes = ", (unsigned)w->write->done);
    return add_partial(&sql, w, w->write->done, err) && push_where(w, &sql, err);
}

/* Done, wholly: applied and total are what they were, where they are known. */
static bool push_finished(const Writer *w, unsigned type, uint32_t total, bool is_timed, Error *err)
{
    StrBuf sql = begin_update(w);
    strbuf_addf(&sql,
                "type = %u, applied = %u, total = %u, error = '', error_stmt = '', partial_hashes "
                "= NULL, operator_version = ",
                type, total, total);
    sql_add_literal(&sql, w->ctx->dialect, w->ctx->program);
    if (w->file) {
        strbuf_adds(&sql, ", hash = ");
        sql_add_literal(&sql, w->ctx->dialect, w->file->digest);
    }
    if (is_timed) {
        strbuf_adds(&sql, ", execution_time = ");
        add_time_since(&sql, w->ctx->dialect);
    }
    return push_where(w, &sql, err);
}

/* `atlas migrate set` leaves a half-done row at its half, and would go on with it later: here it is done. */
static bool push_applied(const Writer *w, Error *err)
{
    const HistoryWrite *write = w->write;
    if (write->row && write->row->outcome == HISTORY_DELETED) /* there is none in the table */
        return push_insert(w, write->is_said ? TYPE_RESOLVED : TYPE_EXECUTED, write->total,
                           write->total, true, err);
    if (write->is_journaled)
        return push_finished(w, TYPE_EXECUTED, write->total, true, err);
    if (write->is_said && write->row)
        return push_finished(w, TYPE_EXECUTED | TYPE_RESOLVED, write->row->total, false, err);
    if (write->row && !push_delete(w, err))
        return false;
    return write->is_said ? push_insert(w, TYPE_RESOLVED, 0, 0, false, err)
                          : push_insert(w, TYPE_EXECUTED, write->total, write->total, true, err);
}

/* Where nothing was kept, nothing is said. An error that is empty says that the next statement may have run. */
static bool push_failed(const Writer *w, Error *err)
{
    const HistoryWrite *write = w->write;
    bool is_nothing_kept = write->done == 0 && !write->is_fate_unknown;
    Str failure = write->is_fate_unknown ? (Str){0}
                  : write->error.len > 0 ? write->error
                                         : STR("failed");
    if (!write->is_journaled)
        return true;
    if (is_nothing_kept && write->is_down)
        return push_finished(w, TYPE_EXECUTED, write->row ? write->row->total : 0, false, err);
    if (is_nothing_kept)
        return push_delete(w, err);
    if (write->is_down)
        return push_down(w, failure, err);
    StrBuf sql = begin_update(w);
    strbuf_addf(&sql, "applied = %u, partial_hashes = ", (unsigned)write->done);
    if (!add_partial(&sql, w, write->done, err))
        return false;
    strbuf_adds(&sql, ", error = ");
    sql_add_literal(&sql, w->ctx->dialect, failure);
    if (w->file && failure.len > 0 && write->done < w->file->texts.len) {
        strbuf_adds(&sql, ", error_stmt = ");
        sql_add_literal(&sql, w->ctx->dialect, w->file->texts.items[write->done]);
    }
    return push_where(w, &sql, err);
}

static bool push_changed(const Writer *w, Error *err)
{
    if (!w->write->migration)
        return true;
    StrBuf sql = begin_update(w);
    strbuf_adds(&sql, "description = ");
    sql_add_literal(&sql, w->ctx->dialect, w->write->migration->name);
    if (w->file) {
        strbuf_adds(&sql, ", hash = ");
        sql_add_literal(&sql, w->ctx->dialect, w->file->digest);
    }
    return push_where(w, &sql, err);
}

static bool history_write(const ConventionContext *ctx, const Db *db, Arena *arena,
                          const HistoryWrite *write, DbStatementVec *out, Error *err)
{
    Writer w = {.ctx = ctx, .arena = arena, .write = write, .out = out};
    if (write->kind == WRITE_RUN_BEGIN || write->kind == WRITE_RUN_END ||
        write->kind == WRITE_SKIPPED)
        return true;
    if (!table_of(ctx, db, arena, &w.table, err))
        return false;
    w.file = atlas_file(ctx, write->migration);
    switch (write->kind) {
    case WRITE_BEGIN:
        return push_begin(&w, err);
    case WRITE_STEP:
        return push_step(&w, err);
    case WRITE_APPLIED:
        return push_applied(&w, err);
    case WRITE_BASELINE:
        return (!write->row || push_delete(&w, err)) &&
               push_insert(&w, TYPE_BASELINE, 0, 0, false, err);
    case WRITE_FAILED:
        return push_failed(&w, err);
    case WRITE_REMOVED:
    case WRITE_DELETED:
        return push_delete(&w, err);
    case WRITE_CHECKSUM:
        return push_changed(&w, err);
    case WRITE_SKIPPED:
    case WRITE_RUN_BEGIN:
    case WRITE_RUN_END:
        return true;
    }
    return true;
}

/* ---- lock, recognition, new files ------------------------------------------------------------------------- */

/* On PostgreSQL the name's FNV-1. On SQLite it is a file: atlas_lock.c. */
static bool lock_key(const ConventionContext *ctx, const Db *db, Arena *arena, DbLockKey *ret_key,
                     Error *err)
{
    static const char name[] = ATLAS_LOCK;
    uint32_t hash = 2166136261U;
    (void)ctx;
    (void)db;
    (void)arena;
    (void)err;
    for (size_t i = 0; i + 1 < sizeof name; i++)
        hash = (hash * 16777619U) ^ (unsigned char)name[i];
    *ret_key = (DbLockKey){.number = (int64_t)hash, .name = str_from(name)};
    return true;
}

/* Any .sql file is a migration to Atlas: the names are no sign. */
static bool takes_none(const ConventionContext *ctx, const PeerFile *file, Str text)
{
    (void)ctx;
    (void)file;
    (void)text;
    return false;
}

static bool look_at_folders(const ConventionContext *ctx, Arena *arena, ConventionGuess *guess,
                            Error *err)
{
    bool has_files = false;
    for (size_t i = 0; i < ctx->folders.len; i++) {
        FolderList list;
        if (!folder_look(ctx, arena, ctx->folders.items[i], &list, err))
            return false;
        for (size_t j = 0; list.is_there && j < list.entries.len; j++) {
            Str name = list.entries.items[j].name;
            has_files = has_files || str_ends(name, STR(".sql"));
            if (str_eq(name, STR("atlas.sum")) &&
                !guess_add(
                    arena, guess, 2,
                    str_format(arena, "%.*s/atlas.sum is there", STR_ARG(ctx->folders.items[i])),
                    err))
                return false;
        }
    }
    guess->has_files = has_files && guess->weight > 0;
    return true;
}

static bool recognise(const ConventionContext *given, Db *db, Arena *arena,
                      ConventionGuess *ret_guess, Error *err)
{
    static const char *const configurations[] = {"atlas.hcl", NULL};
    static const PeerSigns signs = {.configurations = configurations,
                                    .columns =
                                        "version, description, type, applied, total, "
                                        "executed_at, execution_time, hash, operator_version",
                                    .depth = PEER_FLAT,
                                    .takes = takes_none};
    ConventionContext ctx = *given;
    Error local = {.arena = arena};
    if (!atlas_configure(&ctx, arena, &local)) {
        if (local.kind == ERROR_NOMEM)
            return error_nomem(err);
        ctx = *given;
    }
    /* The table's own schema is looked into where the question has done that already. */
    ctx.table = given->table;
    return peer_recognise(&ctx, db, arena, &signs, ret_guess, err) &&
           look_at_folders(&ctx, arena, ret_guess, err);
}

static bool new_paths(const ConventionContext *ctx, Arena *arena, const MigrationSet *set, Str name,
                      unsigned new_kind, bool is_numbered, Timestamp now, StrVec *ret_paths,
                      Error *err)
{
    Str stem;
    bool is_golang_migrate = false;
    if (!peer_new_stem(ctx, arena, set, name, new_kind, is_numbered, 14, now, &stem, err) ||
        !atlas_is_golang_migrate(ctx, arena, &is_golang_migrate, err))
        return false;
    if (is_golang_migrate)
        return peer_new_files(arena, stem, ".up.sql", new_kind == NEW_SQL_ONLY ? NULL : ".down.sql",
                              ret_paths, err);
    if (!peer_new_files(arena, stem, ".sql", NULL, ret_paths, err))
        return false;
    if (new_kind != NEW_REVERSIBLE)
        return true;
    const char *down = str_format(arena, "rollback/%.*s.sql", STR_ARG(stem));
    return (down && vec_push(arena, ret_paths, str_from(down))) || error_nomem(err);
}

/* Downs lie in rollback/, under the same names. */
static bool draft_files(const ConventionContext *ctx, Arena *arena, const DraftVec *drafts,
                        TreeFileVec *ret_files, Error *err)
{
    (void)ctx;
    static const char alone[] = "-- atlas:txmode none\n\n";
    TreeFile sum = {.path = STR("atlas.sum")};
    for (size_t i = 0; i < drafts->len; i++) {
        const Draft *draft = &drafts->items[i];
        const char *name = draft_number(arena, draft, 0);
        const char *up = str_format(arena, "%s_%.*s.sql", name, STR_ARG(draft->name));
        const char *down = up ? str_format(arena, "rollback/%s", up) : NULL;
        if (!down)
            return error_nomem(err);
        if (!draft_plain(arena, ret_files, up, draft, false, draft->up.no_transaction ? alone : "",
                         err) ||
            (draft->has_down && !draft_plain(arena, ret_files, down, draft, true, NULL, err)))
            return false;
    }
    return atlas_sum_of(arena, ret_files, &sum.bytes, err) &&
           (vec_push(arena, ret_files, sum) || error_nomem(err));
}

static const char *const annotations[] = {"atlas:", NULL};

const Convention convention_atlas = {
    .version = 1,
    .name = "atlas",
    .title = "Atlas",
    .summary = "Atlas: 20240101000000_name.sql under atlas.sum, table atlas_schema_revisions",
    .default_table = "atlas_schema_revisions",
    .features = CONVENTION_DOWN | CONVENTION_BASELINE | CONVENTION_JOURNAL | CONVENTION_DIRECTIVES |
                CONVENTION_EMPTY | CONVENTION_OWN_SCHEMA,
    .checksum_hash = HASH_SHA256,
    .versions = VERSIONS_TEXT,
    .scan = atlas_scan,
    .history_read = history_read,
    .history_prepare = history_prepare,
    .history_write = history_write,
    .lock_key = lock_key,
    .recognise = recognise,
    .new_paths = new_paths,
    .configure = atlas_configure,
    .settle_files = atlas_settle_files,
    .draft_files = draft_files,
    .annotations = annotations,
    .check = atlas_check,
    .lock_try = atlas_lock_try,
    .lock_give = atlas_lock_give,
    .lock_holder = atlas_lock_holder,
    .lock_is_for_files = true,
};

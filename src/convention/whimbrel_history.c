/* whimbrel's own history: one row a migration, which is also its journal; one row a run; and a table of one row that says which
 * format the others have. All writes are SQL text, so that they travel in the same message as the migration.
 *
 * The marker is written last when the tables are made, since not every engine makes tables in a transaction: tables without
 * a marker are a preparation that was cut short, called format 0, and history_prepare() completes it.
 * SPDX-License-Identifier: Apache-2.0 */
#include "convention/whimbrel.h"

#include <stdlib.h>
#include <string.h>

enum { FORMAT = 1 };

/* Texts are kept in a blob: a zero byte and the text, or a zlib stream, whose first byte is never zero. Compressing short ones costs more
 * than it saves. */
enum { COMPRESS_FROM_BYTES = 512 };
#define STORED_TEXT_LIMIT_BYTES ((uint64_t)1 << 30)

typedef struct Tables {
    TableName name; /* of the history table */
    const char *run_suffix, *meta_suffix;
    TableName run, meta;
    SqlDialect dialect;
} Tables;

/* whimbrel_history, whimbrel_run, whimbrel_meta; or t, t_run, t_meta for --table t. */
static bool tables_read(const ConventionContext *ctx, Arena *arena, Tables *ret_tables, Error *err)
{
    Tables tables = {.dialect = ctx->dialect};
    if (!table_name_read(ctx, arena, &tables.name, err))
        return false;
    tables.run = tables.meta = tables.name;
    if (ctx->table.len == 0) {
        tables.run.table = STR("whimbrel_run");
        tables.meta.table = STR("whimbrel_meta");
        tables.run_suffix = tables.meta_suffix = "";
    } else {
        tables.run_suffix = "_run";
        tables.meta_suffix = "_meta";
    }
    *ret_tables = tables;
    return true;
}

static void add_history(StrBuf *out, const Tables *tables)
{
    table_name_add(out, tables->dialect, &tables->name, "");
}

static void add_run(StrBuf *out, const Tables *tables)
{
    table_name_add(out, tables->dialect, &tables->run, tables->run_suffix);
}

static void add_meta(StrBuf *out, const Tables *tables)
{
    table_name_add(out, tables->dialect, &tables->meta, tables->meta_suffix);
}

/* ---- words ---------------------------------------------------------------------------------------------- */

static const char *outcome_word(HistoryOutcome outcome)
{
    switch (outcome) {
    case HISTORY_APPLIED:
        return "applied";
    case HISTORY_BASELINED:
        return "baselined";
    case HISTORY_RUNNING_UP:
        return "running-up";
    case HISTORY_RUNNING_DOWN:
        return "running-down";
    case HISTORY_FAILED:
        return "failed";
    case HISTORY_SKIPPED:
        return "skipped";
    case HISTORY_DELETED:
        return "deleted";
    }
    return "unknown";
}

static bool outcome_from_word(Str word, HistoryOutcome *ret_outcome)
{
    for (int i = HISTORY_APPLIED; i <= HISTORY_DELETED; i++) {
        if (str_eq(word, str_from(outcome_word((HistoryOutcome)i)))) {
            *ret_outcome = (HistoryOutcome)i;
            return true;
        }
    }
    return false;
}

static bool kind_from_word(Str word, MigrationKind *ret_kind)
{
    for (int i = MIGRATION_VERSIONED; i <= MIGRATION_BASELINE; i++) {
        if (str_eq(word, str_from(migration_kind_name((MigrationKind)i)))) {
            *ret_kind = (MigrationKind)i;
            return true;
        }
    }
    return false;
}

/* ---- values --------------------------------------------------------------------------------------------- */

/* Text from outside (a server's message, a host's name) may hold what a text column refuses. */
static void add_text(StrBuf *out, SqlDialect dialect, Str text, size_t max_bytes)
{
    StrBuf clean = strbuf(out->arena);
    Str rest = str_sub(text, 0, text.len), s;
    while (rest.len > 0 && clean.len < max_bytes) {
        size_t good = rest.len;
        if (!str_is_utf8(rest, &good) && good == 0) {
            strbuf_add_char(&clean, '?');
            rest = str_sub(rest, 1, rest.len);
            continue;
        }
        Str piece = str_sub(rest, 0, good);
        size_t nul = str_find_char(piece, '\0', 0);
        piece = str_sub(piece, 0, nul);
        size_t room = max_bytes - clean.len;
        if (piece.len > room) {
            while (room > 0 && ((unsigned char)piece.ptr[room] & 0xc0) == 0x80)
                room--;
            strbuf_add(&clean, str_sub(piece, 0, room));
            break;
        }
        strbuf_add(&clean, piece);
        if (piece.len < good)
            strbuf_add_char(&clean, '?');
        rest = str_sub(rest, piece.len < good ? piece.len + 1 : good, rest.len);
    }
    if (!strbuf_finish(&clean, &s))
        out->has_failed = true;
    else
        sql_add_literal(out, dialect, s);
}

enum { WORD_BYTES = 255, LONG_TEXT_BYTES = 1 << 20 };

static void add_time(StrBuf *out, SqlDialect dialect, Timestamp t)
{
    char buf[TIMESTAMP_TEXT];
    if (t == TIMESTAMP_UNKNOWN) {
        strbuf_adds(out, "NULL");
        return;
    }
    const char *text = timestamp_sql(t, buf);
    switch (dialect) {
    case SQL_POSTGRES:
        strbuf_addf(out, "TIMESTAMPTZ '%s+00'", text);
        return;
    case SQL_MYSQL:
    case SQL_SQLITE:
        strbuf_addf(out, "'%s'", text);
        return;
    }
}

static const char *server_now(SqlDialect dialect)
{
    switch (dialect) {
    case SQL_POSTGRES:
        return "clock_timestamp()";
    case SQL_MYSQL:
        return "UTC_TIMESTAMP(6)";
    case SQL_SQLITE:
        return "strftime('%Y-%m-%d %H:%M:%f', 'now')";
    }
    return "NULL";
}

/* When the message came of which this is a part; on MariaDB and SQLite, when the statement did. */
static const char *message_began(SqlDialect dialect)
{
    return dialect == SQL_POSTGRES ? "now()" : server_now(dialect);
}

/* Microseconds from the time that `since` stands for (an expression) until the server's now. */
static void add_elapsed(StrBuf *out, SqlDialect dialect, const char *since)
{
    switch (dialect) {
    case SQL_POSTGRES:
        strbuf_addf(out, "CAST(date_part('epoch', clock_timestamp() - %s) * 1000000 AS BIGINT)",
                    since);
        return;
    case SQL_MYSQL:
        strbuf_addf(out, "GREATEST(0, TIMESTAMPDIFF(MICROSECOND, %s, UTC_TIMESTAMP(6)))", since);
        return;
    case SQL_SQLITE:
        strbuf_addf(
            out,
            "MAX(0, CAST(ROUND((julianday('now') - julianday(%s)) * 86400000000.0) AS INTEGER))",
            since);
        return;
    }
}

/* ---- columns of one write ------------------------------------------------------------------------------------ */

typedef struct Column {
    const char *name;
    Str value;     /* SQL */
    bool is_fixed; /* the same in each row of a run */
} Column;

typedef struct Columns {
    Arena *arena;
    SqlDialect dialect;
    Column items[24];
    size_t len;
    bool has_fixed; /* the same columns are fixed as in prepare_insert() */
    bool has_failed;
} Columns;

static void put(Columns *columns, const char *name, StrBuf *value)
{
    Column column = {.name = name};
    if (columns->len == sizeof columns->items / sizeof *columns->items ||
        !strbuf_finish(value, &column.value))
        columns->has_failed = true;
    else
        columns->items[columns->len++] = column;
}

/* Of the column put last. */
static void fix(Columns *columns)
{
    if (!columns->has_failed)
        columns->items[columns->len - 1].is_fixed = true;
}

static void put_sql(Columns *columns, const char *name, const char *sql)
{
    StrBuf value = strbuf(columns->arena);
    strbuf_adds(&value, sql);
    put(columns, name, &value);
}

static void put_text(Columns *columns, const char *name, Str text, size_t max_bytes)
{
    StrBuf value = strbuf(columns->arena);
    add_text(&value, columns->dialect, text, max_bytes);
    put(columns, name, &value);
}

static void put_int(Columns *columns, const char *name, int64_t number)
{
    StrBuf value = strbuf(columns->arena);
    strbuf_addf(&value, "%lld", (long long)number);
    put(columns, name, &value);
}

static void put_time(Columns *columns, const char *name, Timestamp t)
{
    StrBuf value = strbuf(columns->arena);
    add_time(&value, columns->dialect, t);
    put(columns, name, &value);
}

/* The blob that keeps a text. */
static bool put_stored(const ConventionContext *ctx, Columns *columns, const char *name, Str text,
                       bool has_text, Error *err)
{
    StrBuf value = strbuf(columns->arena), blob = strbuf(columns->arena);
    Str bytes;
    if (!has_text || text.len > ctx->store_limit_bytes) {
        put_sql(columns, name, "NULL");
        return true;
    }
    if (text.len >= COMPRESS_FROM_BYTES) {
        if (!bytes_compress(columns->arena, text, &bytes, err))
            return false;
    } else {
        strbuf_add_char(&blob, '\0');
        strbuf_add(&blob, text);
        if (!strbuf_finish(&blob, &bytes))
            return error_nomem(err);
    }
    sql_add_blob(&value, columns->dialect, bytes);
    put(columns, name, &value);
    return true;
}

/* ---- identity ------------------------------------------------------------------------------------------------- */

typedef struct Identity {
    MigrationKind kind;
    Str version, name; /* to be written */
    Str id;            /* key of the row: with a row, the one that it has */
} Identity;

static bool make_id(Arena *arena, MigrationKind kind, Str version, Str name, Str *ret_id)
{
    StrBuf id = strbuf(arena);
    strbuf_adds(&id, kind == MIGRATION_REPEATABLE ? "R " : "V ");
    strbuf_add(&id, kind == MIGRATION_REPEATABLE ? name : version);
    return strbuf_finish(&id, ret_id);
}

static bool identity_of(Arena *arena, const HistoryWrite *write, Identity *ret_identity, Error *err)
{
    const Migration *migration = write->migration;
    const HistoryRow *row = write->row;
    if (!migration && !row)
        return error_set(err, ERROR_USAGE, "a history write names no migration");
    Identity identity = {0};
    Str key_name = {0};
    MigrationKind key_kind = MIGRATION_VERSIONED;
    if (row) {
        key_kind = row->kind;
        key_name = row->name;
        identity = (Identity){.kind = row->kind, .version = row->version, .name = row->name};
    }
    if (migration) {
        identity.kind = migration->kind;
        identity.name = migration->name;
        if (!row) {
            key_kind = migration->kind;
            key_name = migration->name;
            identity.version = migration->version;
        }
    }
    if (!make_id(arena, key_kind, identity.version, key_name, &identity.id))
        return error_nomem(err);
    *ret_identity = identity;
    return true;
}

/* The id comes behind it. */
static void add_where_id(StrBuf *sql, const ConventionContext *ctx)
{
    strbuf_adds(sql, " WHERE namespace = ");
    sql_add_literal(sql, ctx->dialect, ctx->name_space);
    strbuf_adds(sql, " AND id = ");
}

static void add_where(StrBuf *sql, const ConventionContext *ctx, Str id)
{
    add_where_id(sql, ctx);
    sql_add_literal(sql, ctx->dialect, id);
}

/* ---- statements ------------------------------------------------------------------------------------------------- */

/* Parsing an INSERT of so many columns costs the server more than carrying it out. MariaDB takes expressions as the parameters of EXECUTE;
 * MySQL takes nothing but variables. */
#define PREPARED_INSERT "whimbrel_insert"
#define PREPARED_END "whimbrel_end"

static bool push_prepared(StrBuf *sql, Arena *arena, DbStatementVec *out, Error *err)
{
    if (!statement_push(arena, sql, out, err))
        return false;
    out->items[out->len - 1].is_single = true;
    return true;
}

static bool push_prepare(const ConventionContext *ctx, Arena *arena, const char *name, StrBuf *sql,
                         DbStatementVec *out, Error *err)
{
    StrBuf prepare = strbuf(arena);
    Str text;
    if (!strbuf_finish(sql, &text))
        return error_nomem(err);
    strbuf_addf(&prepare, "PREPARE %s FROM ", name);
    sql_add_literal(&prepare, ctx->dialect, text);
    return push_prepared(&prepare, arena, out, err);
}

static void add_insert_head(StrBuf *sql, const Tables *tables, const Columns *columns)
{
    strbuf_adds(sql, "INSERT INTO ");
    add_history(sql, tables);
    strbuf_adds(sql, " (namespace, id, ordinal");
    for (size_t i = 0; i < columns->len; i++)
        strbuf_addf(sql, ", %s", columns->items[i].name);
}

/* What push_insert() gives its values to. */
static bool prepare_insert(const ConventionContext *ctx, const Tables *tables, Arena *arena,
                           const Columns *columns, DbStatementVec *out, Error *err)
{
    StrBuf sql = strbuf(arena);
    if (columns->has_failed)
        return error_nomem(err);
    add_insert_head(&sql, tables, columns);
    strbuf_adds(&sql, ") VALUES (");
    sql_add_literal(&sql, ctx->dialect, ctx->name_space);
    strbuf_adds(&sql, ", ?, ?");
    for (size_t i = 0; i < columns->len; i++) {
        strbuf_adds(&sql, ", ");
        strbuf_add(&sql, columns->items[i].is_fixed ? columns->items[i].value : STR("?"));
    }
    strbuf_add_char(&sql, ')');
    return push_prepare(ctx, arena, PREPARED_INSERT, &sql, out, err);
}

static bool push_insert(const ConventionContext *ctx, const Tables *tables, Arena *arena,
                        const Columns *columns, Str id, int64_t ordinal, DbStatementVec *out,
                        Error *err)
{
    StrBuf sql = strbuf(arena);
    if (columns->has_failed)
        return error_nomem(err);
    if (ctx->has_prepared && columns->has_fixed && ordinal > 0) {
        strbuf_adds(&sql, "EXECUTE " PREPARED_INSERT " USING ");
        sql_add_literal(&sql, ctx->dialect, id);
        strbuf_addf(&sql, ", %lld", (long long)ordinal);
        for (size_t i = 0; i < columns->len; i++) {
            if (columns->items[i].is_fixed)
                continue;
            strbuf_adds(&sql, ", ");
            strbuf_add(&sql, columns->items[i].value);
        }
        return push_prepared(&sql, arena, out, err);
    }
    add_insert_head(&sql, tables, columns);
    /* PostgreSQL plans MAX() anew each time, which costs more than the insert itself; MySQL refuses to read the table in
     * VALUES that it inserts into. */
    bool has_values = ordinal > 0 || ctx->dialect == SQL_POSTGRES;
    strbuf_adds(&sql, has_values ? ") VALUES (" : ") SELECT ");
    sql_add_literal(&sql, ctx->dialect, ctx->name_space);
    strbuf_adds(&sql, ", ");
    sql_add_literal(&sql, ctx->dialect, id);
    if (ordinal > 0) {
        strbuf_addf(&sql, ", %lld", (long long)ordinal);
    } else if (has_values) {
        strbuf_adds(&sql, ", COALESCE((SELECT ordinal FROM ");
        add_history(&sql, tables);
        strbuf_adds(&sql, " ORDER BY ordinal DESC LIMIT 1), 0) + 1");
    } else {
        strbuf_adds(&sql, ", COALESCE(MAX(ordinal), 0) + 1");
    }
    for (size_t i = 0; i < columns->len; i++) {
        strbuf_adds(&sql, ", ");
        strbuf_add(&sql, columns->items[i].value);
    }
    if (has_values) {
        strbuf_add_char(&sql, ')');
    } else {
        strbuf_adds(&sql, " FROM ");
        add_history(&sql, tables);
    }
    return statement_push(arena, &sql, out, err);
}

/* open: the column whose value is a parameter; NULL: none. */
static void add_update_head(StrBuf *sql, const Tables *tables, const Columns *columns,
                            const char *open)
{
    strbuf_adds(sql, "UPDATE ");
    add_history(sql, tables);
    strbuf_adds(sql, " SET ");
    for (size_t i = 0; i < columns->len; i++) {
        const Column *column = &columns->items[i];
        bool is_open = open && strcmp(column->name, open) == 0;
        strbuf_addf(sql, "%s%s = ", i > 0 ? ", " : "", column->name);
        strbuf_add(sql, is_open ? STR("?") : column->value);
    }
}

/* moves_to_end: the row becomes the last applied one. */
static bool push_update(const ConventionContext *ctx, const Tables *tables, Arena *arena,
                        const Columns *columns, Str id, bool moves_to_end, int64_t ordinal,
                        DbStatementVec *out, Error *err)
{
    StrBuf sql = strbuf(arena);
    if (columns->has_failed)
        return error_nomem(err);
    add_update_head(&sql, tables, columns, NULL);
    if (moves_to_end && ordinal > 0) {
        strbuf_addf(&sql, ", ordinal = %lld", (long long)ordinal);
    } else if (moves_to_end) {
        /* The inner query is named, or MySQL refuses to read the table that it changes. */
        strbuf_adds(
            &sql,
            ", ordinal = (SELECT last FROM (SELECT COALESCE(MAX(ordinal), 0) + 1 AS last FROM ");
        add_history(&sql, tables);
        strbuf_adds(&sql, ") AS newest)");
    }
    add_where(&sql, ctx, id);
    return statement_push(arena, &sql, out, err);
}

static void put_who(const ConventionContext *ctx, Columns *columns, const HistoryWrite *write)
{
    put_int(columns, "run", ctx->run);
    if (write->kept) {
        /* "app@host" of another history; a host's name has no '@' */
        Str by = write->kept->applied_by;
        size_t at = by.len;
        while (at > 0 && by.ptr[at - 1] != '@')
            at--;
        put_text(columns, "applied_by", at > 0 ? str_sub(by, 0, at - 1) : by, WORD_BYTES);
        put_text(columns, "host", at > 0 ? str_sub(by, at, by.len) : (Str){0}, WORD_BYTES);
        put_text(columns, "program", write->kept->program, WORD_BYTES);
        return;
    }
    fix(columns);
    put_text(columns, "applied_by", ctx->who, WORD_BYTES);
    fix(columns);
    put_text(columns, "host", ctx->host, WORD_BYTES);
    fix(columns);
    put_text(columns, "program", ctx->program, WORD_BYTES);
    fix(columns);
    columns->has_fixed = true;
}

static void put_identity(Columns *columns, const Identity *identity)
{
    put_text(columns, "version", identity->version, WORD_BYTES);
    put_text(columns, "name", identity->name, WORD_BYTES);
    put_text(columns, "kind", str_from(migration_kind_name(identity->kind)), WORD_BYTES);
}

static void put_digests(Columns *columns, const HistoryWrite *write)
{
    const Script *up = write->migration ? write->migration->up : NULL;
    put_text(columns, "checksum",
             up           ? up->checksum
             : write->row ? write->row->checksum
                          : (Str){0},
             WORD_BYTES);
    put_text(columns, "tokens",
             up           ? up->tokens.len > 0 ? up->tokens : write->tokens
             : write->row ? write->row->tokens
                          : (Str){0},
             WORD_BYTES);
}

static void put_journal(Columns *columns, uint32_t done, uint32_t total, bool is_fate_unknown)
{
    put_int(columns, "done", done);
    put_int(columns, "total", total);
    put_sql(columns, "fate_unknown", is_fate_unknown ? "TRUE" : "FALSE");
}

/* When the migration of a write began, where the server has to say it. On PostgreSQL now() is when the message came that brought the
 * transaction, and a message brings many: what ended behind that is the migration before. */
static void add_began(StrBuf *out, const Tables *tables, int64_t ordinal)
{
    if (tables->dialect != SQL_POSTGRES || ordinal <= 1) {
        strbuf_adds(out, message_began(tables->dialect));
        return;
    }
    strbuf_adds(out, "GREATEST(now(), (SELECT finished_at FROM ");
    add_history(out, tables);
    strbuf_addf(out, " WHERE ordinal = %lld))", (long long)ordinal - 1);
}

/* When a write that is not a journal's began and ended. */
static void put_times(const Tables *tables, Columns *columns, const HistoryWrite *write)
{
    SqlDialect dialect = columns->dialect;
    bool is_started_known = write->started_at != TIMESTAMP_UNKNOWN && write->started_at != 0;
    StrBuf duration = strbuf(columns->arena), since = strbuf(columns->arena);
    if (write->kept) {
        put_time(columns, "started_at", write->kept->started_at);
        put_time(columns, "finished_at", write->kept->finished_at);
        if (write->kept->duration_us >= 0)
            strbuf_addf(&duration, "%lld", (long long)write->kept->duration_us);
        else
            strbuf_adds(&duration, "NULL");
        put(columns, "duration_us", &duration);
        return;
    }
    if (write->began)
        strbuf_adds(&since, write->began);
    else if (is_started_known)
        add_time(&since, dialect, write->started_at);
    else
        add_began(&since, tables, write->ordinal);
    put(columns, "started_at", &since);
    if (is_started_known && write->duration_us >= 0)
        put_time(columns, "finished_at", write->started_at + write->duration_us);
    else
        put_sql(columns, "finished_at", server_now(dialect));
    if (write->duration_us >= 0)
        strbuf_addf(&duration, "%lld", (long long)write->duration_us);
    else if (since.has_failed)
        duration.has_failed = true;
    else if (write->began || is_started_known || dialect == SQL_POSTGRES)
        add_elapsed(&duration, dialect, since.ptr);
    else
        strbuf_adds(&duration, "NULL");
    put(columns, "duration_us", &duration);
}

/* The end of what a journal row began: the row itself knows when. */
static void put_end(Columns *columns, const HistoryWrite *write)
{
    StrBuf duration = strbuf(columns->arena);
    put_sql(columns, "finished_at", server_now(columns->dialect));
    if (write->duration_us >= 0)
        strbuf_addf(&duration, "%lld", (long long)write->duration_us);
    else
        add_elapsed(&duration, columns->dialect, "started_at");
    put(columns, "duration_us", &duration);
}

/* A whole row. */
static bool put_row(const ConventionContext *ctx, const Tables *tables, const Identity *identity,
                    const HistoryWrite *write, HistoryOutcome outcome, Columns *columns, Error *err)
{
    bool is_begin = outcome == HISTORY_RUNNING_UP;
    put_identity(columns, identity);
    put_digests(columns, write);
    put_text(columns, "outcome", str_from(outcome_word(outcome)), WORD_BYTES);
    /* While the row says that it is running, the statement after the last that is done may be under way. */
    put_journal(columns, is_begin ? write->done : write->total, write->total, is_begin);
    put_sql(columns, "failure", "NULL");
    fix(columns);
    if (is_begin) {
        put_sql(columns, "started_at", server_now(ctx->dialect));
        put_sql(columns, "finished_at", "NULL");
        put_sql(columns, "duration_us", "NULL");
    } else {
        put_times(tables, columns, write);
    }
    put_who(ctx, columns, write);
    return put_stored(ctx, columns, "up_text", write->up_text, write->has_up_text, err) &&
           put_stored(ctx, columns, "down_text", write->down_text, write->has_down_text, err);
}

/* Inserted, or put in the place of the one that is there. */
static bool write_row(const ConventionContext *ctx, const Tables *tables, Arena *arena,
                      const HistoryWrite *write, HistoryOutcome outcome, DbStatementVec *out,
                      Error *err)
{
    Columns columns = {.arena = arena, .dialect = ctx->dialect};
    Identity identity;
    if (!identity_of(arena, write, &identity, err) ||
        !put_row(ctx, tables, &identity, write, outcome, &columns, err))
        return false;
    return write->row
               ? push_update(ctx, tables, arena, &columns, identity.id, true, write->ordinal, out,
                             err)
               : push_insert(ctx, tables, arena, &columns, identity.id, write->ordinal, out, err);
}

/* A journaled up is done: its row has all but how it ended. */
static void put_journaled_end(Columns *columns, const HistoryWrite *write)
{
    put_text(columns, "outcome", str_from(outcome_word(HISTORY_APPLIED)), WORD_BYTES);
    put_int(columns, "done", write->total);
    put_sql(columns, "fate_unknown", "FALSE");
    put_end(columns, write);
}

static bool prepare_end(const ConventionContext *ctx, const Tables *tables, Arena *arena,
                        DbStatementVec *out, Error *err)
{
    Columns columns = {.arena = arena, .dialect = ctx->dialect};
    StrBuf sql = strbuf(arena);
    put_journaled_end(&columns, &(HistoryWrite){.duration_us = -1});
    if (columns.has_failed)
        return error_nomem(err);
    add_update_head(&sql, tables, &columns, "done");
    add_where_id(&sql, ctx);
    strbuf_add_char(&sql, '?');
    return push_prepare(ctx, arena, PREPARED_END, &sql, out, err);
}

static bool execute_end(const ConventionContext *ctx, Arena *arena, Str id, uint32_t total,
                        DbStatementVec *out, Error *err)
{
    StrBuf sql = strbuf(arena);
    strbuf_addf(&sql, "EXECUTE " PREPARED_END " USING %lu, ", (unsigned long)total);
    sql_add_literal(&sql, ctx->dialect, id);
    return push_prepared(&sql, arena, out, err);
}

/* Some columns of a row that is there. */
static bool change_row(const ConventionContext *ctx, const Tables *tables, Arena *arena,
                       const HistoryWrite *write, DbStatementVec *out, Error *err)
{
    Columns columns = {.arena = arena, .dialect = ctx->dialect};
    Identity identity;
    if (!identity_of(arena, write, &identity, err))
        return false;
    switch (write->kind) {
    case WRITE_BEGIN: /* of a down: the up's entries stay */
        put_text(&columns, "outcome", str_from(outcome_word(HISTORY_RUNNING_DOWN)), WORD_BYTES);
        put_journal(&columns, write->done, write->total, true);
        put_sql(&columns, "failure", "NULL");
        break;
    case WRITE_STEP:
        put_int(&columns, "done", write->done);
        put_sql(&columns, "fate_unknown", "TRUE");
        break;
    case WRITE_FAILED:
        put_text(&columns, "outcome",
                 str_from(outcome_word(write->is_down ? HISTORY_RUNNING_DOWN : HISTORY_RUNNING_UP)),
                 WORD_BYTES);
        put_int(&columns, "done", write->done);
        put_sql(&columns, "fate_unknown", write->is_fate_unknown ? "TRUE" : "FALSE");
        put_text(&columns, "failure", write->error, LONG_TEXT_BYTES);
        if (!write->is_down)
            put_end(&columns, write);
        break;
    case WRITE_APPLIED: /* the end of a journaled up */
        if (write->is_begun && ctx->has_prepared && write->duration_us < 0)
            return execute_end(ctx, arena, identity.id, write->total, out, err);
        if (write->is_begun) {
            put_journaled_end(&columns, write);
            break;
        }
        put_identity(&columns, &identity);
        put_digests(&columns, write);
        put_text(&columns, "outcome", str_from(outcome_word(HISTORY_APPLIED)), WORD_BYTES);
        put_journal(&columns, write->total, write->total, false);
        put_sql(&columns, "failure", "NULL");
        put_end(&columns, write);
        put_who(ctx, &columns, write);
        if ((write->has_up_text &&
             !put_stored(ctx, &columns, "up_text", write->up_text, true, err)) ||
            (write->has_down_text &&
             !put_stored(ctx, &columns, "down_text", write->down_text, true, err)))
            return false;
        break;
    case WRITE_CHECKSUM:
        put_digests(&columns, write);
        put_text(&columns, "name", identity.name, WORD_BYTES);
        if (!put_stored(ctx, &columns, "up_text", write->up_text, write->has_up_text, err) ||
            !put_stored(ctx, &columns, "down_text", write->down_text, write->has_down_text, err))
            return false;
        break;
    case WRITE_DELETED:
        put_text(&columns, "outcome", str_from(outcome_word(HISTORY_DELETED)), WORD_BYTES);
        break;
    case WRITE_RUN_BEGIN:
    case WRITE_RUN_END:
    case WRITE_REMOVED:
    case WRITE_BASELINE:
    case WRITE_SKIPPED:
        break;
    }
    return push_update(ctx, tables, arena, &columns, identity.id, false, 0, out, err);
}

static bool remove_row(const ConventionContext *ctx, const Tables *tables, Arena *arena,
                       const HistoryWrite *write, DbStatementVec *out, Error *err)
{
    StrBuf sql = strbuf(arena);
    Identity identity;
    if (!identity_of(arena, write, &identity, err))
        return false;
    strbuf_adds(&sql, "DELETE FROM ");
    add_history(&sql, tables);
    add_where(&sql, ctx, identity.id);
    return statement_push(arena, &sql, out, err);
}

/* Whoever begins a run has the lock: what another run left open was killed, or came back as this one. */
static bool close_left_open(const ConventionContext *ctx, const Tables *tables, Arena *arena,
                            DbStatementVec *out, Error *err)
{
    StrBuf sql = strbuf(arena);
    strbuf_adds(&sql, "UPDATE ");
    add_run(&sql, tables);
    strbuf_adds(&sql, " SET outcome = 'interrupted', error = 'it ended without a word' WHERE "
                      "outcome = 'running' AND namespace = ");
    sql_add_literal(&sql, ctx->dialect, ctx->name_space);
    strbuf_addf(&sql, " AND run < %lld", (long long)ctx->run);
    return statement_push(arena, &sql, out, err);
}

static bool begin_run(const ConventionContext *ctx, const Tables *tables, Arena *arena,
                      const HistoryWrite *write, DbStatementVec *out, Error *err)
{
    StrBuf sql = strbuf(arena);
    if (ctx->run > 1 && !close_left_open(ctx, tables, arena, out, err))
        return false;
    strbuf_adds(&sql, "INSERT INTO ");
    add_run(&sql, tables);
    strbuf_adds(&sql, " (run, namespace, command, started_at, who, host, program, outcome, "
                      "applied, rolled_back, error) VALUES (");
    strbuf_addf(&sql, "%lld, ", (long long)ctx->run);
    sql_add_literal(&sql, ctx->dialect, ctx->name_space);
    strbuf_adds(&sql, ", ");
    add_text(&sql, ctx->dialect, write->command, WORD_BYTES);
    strbuf_addf(&sql, ", %s, ", message_began(ctx->dialect));
    add_text(&sql, ctx->dialect, ctx->who, WORD_BYTES);
    strbuf_adds(&sql, ", ");
    add_text(&sql, ctx->dialect, ctx->host, WORD_BYTES);
    strbuf_adds(&sql, ", ");
    add_text(&sql, ctx->dialect, ctx->program, WORD_BYTES);
    strbuf_adds(&sql, ", 'running', '', '', '')");
    return statement_push(arena, &sql, out, err);
}

static bool end_run(const ConventionContext *ctx, const Tables *tables, Arena *arena,
                    const HistoryWrite *write, DbStatementVec *out, Error *err)
{
    Columns columns = {.arena = arena, .dialect = ctx->dialect};
    StrBuf sql = strbuf(arena);
    put_text(&columns, "outcome", write->outcome, WORD_BYTES);
    put_text(&columns, "applied", write->applied, LONG_TEXT_BYTES);
    put_text(&columns, "rolled_back", write->rolled_back, LONG_TEXT_BYTES);
    put_text(&columns, "error", write->error, LONG_TEXT_BYTES);
    put_end(&columns, write);
    if (columns.has_failed)
        return error_nomem(err);
    strbuf_adds(&sql, "UPDATE ");
    add_run(&sql, tables);
    strbuf_adds(&sql, " SET ");
    for (size_t i = 0; i < columns.len; i++) {
        strbuf_addf(&sql, "%s%s = ", i > 0 ? ", " : "", columns.items[i].name);
        strbuf_add(&sql, columns.items[i].value);
    }
    strbuf_addf(&sql, " WHERE run = %lld", (long long)ctx->run);
    return statement_push(arena, &sql, out, err);
}

bool whimbrel_history_write(const ConventionContext *ctx, const Db *db, Arena *arena,
                            const HistoryWrite *write, DbStatementVec *out, Error *err)
{
    (void)db;
    Tables tables;
    if (!tables_read(ctx, arena, &tables, err))
        return false;
    switch (write->kind) {
    case WRITE_RUN_BEGIN:
        return begin_run(ctx, &tables, arena, write, out, err);
    case WRITE_RUN_END:
        return end_run(ctx, &tables, arena, write, out, err);
    case WRITE_BEGIN:
        if (write->is_down)
            return change_row(ctx, &tables, arena, write, out, err);
        return write_row(ctx, &tables, arena, write, HISTORY_RUNNING_UP, out, err);
    case WRITE_STEP:
    case WRITE_CHECKSUM:
    case WRITE_DELETED:
        return change_row(ctx, &tables, arena, write, out, err);
    case WRITE_FAILED:
        /* Without a journal row the failed transaction has left nothing, and there is nothing to say of it. */
        return !write->is_journaled || change_row(ctx, &tables, arena, write, out, err);
    case WRITE_APPLIED:
        if (write->is_journaled)
            return change_row(ctx, &tables, arena, write, out, err);
        return write_row(ctx, &tables, arena, write, HISTORY_APPLIED, out, err);
    case WRITE_BASELINE:
        return write_row(ctx, &tables, arena, write, HISTORY_BASELINED, out, err);
    case WRITE_SKIPPED:
        return write_row(ctx, &tables, arena, write, HISTORY_SKIPPED, out, err);
    case WRITE_REMOVED:
        return remove_row(ctx, &tables, arena, write, out, err);
    }
    return true;
}

bool whimbrel_write_prepare(const ConventionContext *ctx, const Db *db, Arena *arena,
                            DbStatementVec *out, Error *err)
{
    Tables tables;
    Columns columns = {.arena = arena, .dialect = ctx->dialect};
    if (!str_eq(str_from(db->info.engine), STR("mariadb")))
        return true;
    /* Names alone are wanted of it, and the values that are those of any. */
    if (!tables_read(ctx, arena, &tables, err) ||
        !put_row(ctx, &tables, &(Identity){0}, &(HistoryWrite){.duration_us = -1}, HISTORY_APPLIED,
                 &columns, err))
        return false;
    return prepare_insert(ctx, &tables, arena, &columns, out, err) &&
           prepare_end(ctx, &tables, arena, out, err);
}

/* ---- making the tables ------------------------------------------------------------------------------------------- */

typedef struct Types {
    const char *word, *text, *blob, *time, *key, *options;
} Types;

static Types types_of(SqlDialect dialect)
{
    switch (dialect) {
    case SQL_POSTGRES:
        return (Types){.word = "TEXT",
                       .text = "TEXT",
                       .blob = "BYTEA",
                       .time = "TIMESTAMPTZ",
                       .key = "TEXT",
                       .options = ""};
    case SQL_MYSQL:
        /* The key's columns together stay under the 3,072 bytes that an index may have. */
        return (Types){
            .word = "VARCHAR(255)",
            .text = "MEDIUMTEXT",
            .blob = "LONGBLOB",
            .time = "DATETIME(6)",
            .key = "VARCHAR(255)",
            .options =
                " ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin"};
    case SQL_SQLITE:
        break;
    }
    return (Types){.word = "TEXT",
                   .text = "TEXT",
                   .blob = "BLOB",
                   .time = "TEXT",
                   .key = "TEXT",
                   .options = ""};
}

static bool push_history_table(const Tables *tables, Arena *arena, DbStatementVec *out, Error *err)
{
    Types t = types_of(tables->dialect);
    StrBuf sql = strbuf(arena);
    strbuf_adds(&sql, "CREATE TABLE IF NOT EXISTS ");
    add_history(&sql, tables);
    strbuf_addf(
        &sql,
        " (\n    namespace %s NOT NULL,\n    id %s NOT NULL,\n    ordinal BIGINT NOT NULL UNIQUE,\n"
        "    version %s NOT NULL,\n    name %s NOT NULL,\n    kind %s NOT NULL,\n    outcome %s "
        "NOT NULL,\n    run BIGINT NOT NULL,\n"
        "    checksum %s NOT NULL,\n    tokens %s NOT NULL,\n    done BIGINT NOT NULL,\n    total "
        "BIGINT NOT NULL,\n"
        "    fate_unknown BOOLEAN NOT NULL,\n    failure %s,\n    up_text %s,\n    down_text %s,\n "
        "   started_at %s NULL,\n"
        "    finished_at %s NULL,\n    duration_us BIGINT,\n    applied_by %s NOT NULL,\n    host "
        "%s NOT NULL,\n"
        "    program %s NOT NULL,\n    PRIMARY KEY (namespace, id)\n)%s",
        t.key, t.key, t.word, t.word, t.word, t.word, t.word, t.word, t.text, t.blob, t.blob,
        t.time, t.time, t.word, t.word, t.word, t.options);
    return statement_push(arena, &sql, out, err);
}

static bool push_run_table(const Tables *tables, Arena *arena, DbStatementVec *out, Error *err)
{
    Types t = types_of(tables->dialect);
    StrBuf sql = strbuf(arena);
    strbuf_adds(&sql, "CREATE TABLE IF NOT EXISTS ");
    add_run(&sql, tables);
    strbuf_addf(&sql,
                " (\n    run BIGINT NOT NULL PRIMARY KEY,\n    namespace %s NOT NULL,\n    command "
                "%s NOT NULL,\n    started_at %s NULL,\n"
                "    finished_at %s NULL,\n    duration_us BIGINT,\n    who %s NOT NULL,\n    host "
                "%s NOT NULL,\n    program %s NOT NULL,\n"
                "    outcome %s NOT NULL,\n    applied %s NOT NULL,\n    rolled_back %s NOT "
                "NULL,\n    error %s NOT NULL\n)%s",
                t.key, t.word, t.time, t.time, t.word, t.word, t.word, t.word, t.text, t.text,
                t.text, t.options);
    return statement_push(arena, &sql, out, err);
}

static bool push_marker(const ConventionContext *ctx, const Tables *tables, Arena *arena,
                        DbStatementVec *out, Error *err)
{
    Types t = types_of(tables->dialect);
    StrBuf create = strbuf(arena), fill = strbuf(arena), raise = strbuf(arena);
    strbuf_adds(&create, "CREATE TABLE IF NOT EXISTS ");
    add_meta(&create, tables);
    strbuf_addf(&create,
                " (\n    id INTEGER NOT NULL PRIMARY KEY,\n    format BIGINT NOT NULL,\n    "
                "program %s NOT NULL\n)%s",
                t.word, t.options);
    strbuf_adds(&fill, "INSERT INTO ");
    add_meta(&fill, tables);
    strbuf_adds(&fill, " (id, format, program) SELECT 1, 0, '' FROM (SELECT 1 AS one) AS once "
                       "WHERE NOT EXISTS (SELECT 1 FROM ");
    add_meta(&fill, tables);
    strbuf_adds(&fill, ")");
    strbuf_adds(&raise, "UPDATE ");
    add_meta(&raise, tables);
    strbuf_addf(&raise, " SET format = %d, program = ", FORMAT);
    add_text(&raise, ctx->dialect, ctx->program, WORD_BYTES);
    /* By the key, or a server that is set to safe updates refuses it. */
    strbuf_addf(&raise, " WHERE id = 1 AND format < %d", FORMAT);
    return statement_push(arena, &create, out, err) && statement_push(arena, &fill, out, err) &&
           statement_push(arena, &raise, out, err);
}

/* PostgreSQL asks for the right to make schemas even where the schema stands: so it is looked up first. */
static bool push_schema(const Tables *tables, Db *db, Arena *arena, DbStatementVec *out, Error *err)
{
    StrBuf ask = strbuf(arena), make = strbuf(arena);
    Str sql;
    DbValue value = {0};
    strbuf_adds(&ask, "SELECT 1 FROM pg_catalog.pg_namespace WHERE nspname = ");
    sql_add_literal(&ask, tables->dialect, tables->name.schema);
    if (!strbuf_finish(&ask, &sql))
        return error_nomem(err);
    if (!db_query_value(db, arena, sql, &value, err))
        return false;
    if (!value.is_null)
        return true;
    strbuf_adds(&make, "CREATE SCHEMA IF NOT EXISTS ");
    sql_add_ident(&make, tables->dialect, tables->name.schema);
    return statement_push(arena, &make, out, err);
}

bool whimbrel_history_prepare(const ConventionContext *ctx, Db *db, Arena *arena,
                              const History *history, DbStatementVec *out, Error *err)
{
    Tables tables;
    if (history->exists && !history->is_older_format)
        return true;
    if (!tables_read(ctx, arena, &tables, err))
        return false;
    if (ctx->dialect == SQL_POSTGRES && tables.name.schema.len > 0 && !history->exists &&
        !push_schema(&tables, db, arena, out, err))
        return false;
    /* Format 0 differs from 1 by what is missing. A later format adds its steps here, before the marker is raised. */
    return push_history_table(&tables, arena, out, err) &&
           push_run_table(&tables, arena, out, err) && push_marker(ctx, &tables, arena, out, err);
}

/* ---- reading ------------------------------------------------------------------------------------------------------- */

/* Columns of the history table in the order in which row_from() takes them. */
enum {
    COL_VERSION,
    COL_NAME,
    COL_KIND,
    COL_OUTCOME,
    COL_ORDINAL,
    COL_RUN,
    COL_CHECKSUM,
    COL_TOKENS,
    COL_DONE,
    COL_TOTAL,
    COL_FATE,
    COL_FAILURE,
    COL_HAS_UP,
    COL_HAS_DOWN,
    COL_STARTED,
    COL_FINISHED,
    COL_DURATION,
    COL_WHO,
    COL_HOST,
    COL_PROGRAM,
    COL_COUNT
};

/* There is a run after each that is read. */
#define LAST_RUN (INT64_MAX - 1)

/* A time as a number where the server's text for it depends on settings; reading text costs less. */
static void add_time_column(StrBuf *sql, SqlDialect dialect, const char *column)
{
    if (dialect == SQL_POSTGRES)
        strbuf_addf(sql, "CAST(date_part('epoch', %s) * 1000000 AS BIGINT)", column);
    else
        strbuf_adds(sql, column);
}

/* Whether the columns from COL_STARTED on are read. */
static bool tells(const ConventionContext *ctx)
{
    return !(ctx->without & HISTORY_WITHOUT_TELLING);
}

/* Not sorted: servers sort rows with blobs slowly, and here they come nearly in order. */
static void add_rows_query(StrBuf *sql, const ConventionContext *ctx, const Tables *tables,
                           bool is_copied)
{
    bool has_tokens = !(ctx->without & HISTORY_WITHOUT_TOKENS);
    strbuf_addf(sql,
                "%sSELECT version, name, kind, outcome, ordinal, run, checksum, %s, done, total,"
                " CASE WHEN fate_unknown THEN 1 ELSE 0 END, failure, CASE WHEN up_text IS NULL "
                "THEN 0 ELSE 1 END,"
                " CASE WHEN down_text IS NULL THEN 0 ELSE 1 END",
                is_copied ? "COPY (" : "",
                has_tokens ? "tokens" : "CASE WHEN kind = 'repeatable' THEN tokens END");
    if (tells(ctx)) {
        strbuf_adds(sql, ", ");
        add_time_column(sql, ctx->dialect, "started_at");
        strbuf_adds(sql, ", ");
        add_time_column(sql, ctx->dialect, "finished_at");
        strbuf_adds(sql, ", duration_us, applied_by, host, program");
    }
    strbuf_adds(sql, " FROM ");
    add_history(sql, tables);
    strbuf_adds(sql, " WHERE namespace = ");
    sql_add_literal(sql, ctx->dialect, ctx->name_space);
    strbuf_adds(sql, is_copied ? ") TO STDOUT" : "");
}

/* And the last ordinal, so that those who write many rows need not have it found for each. */
static void add_last_run_query(StrBuf *sql, const Tables *tables)
{
    strbuf_adds(sql, "SELECT COALESCE(MAX(run), 0), (SELECT COALESCE(MAX(ordinal), 0) FROM ");
    add_history(sql, tables);
    strbuf_adds(sql, ") FROM ");
    add_run(sql, tables);
}

static void add_format_query(StrBuf *sql, const Tables *tables)
{
    strbuf_adds(sql, "SELECT format FROM ");
    add_meta(sql, tables);
}

static bool foreign_history(const Tables *tables, Arena *arena, const char *what, Error *err)
{
    const char *plain = table_name_plain(arena, &tables->name, "");
    if (!plain)
        return error_nomem(err);
    error_set(err, ERROR_STATE, "the table %s is not a history of whimbrel's: %s", plain, what);
    error_code(err, "foreign-history");
    return error_hint(err, "Give whimbrel another table with --table NAME, or name the tool that "
                           "this one belongs to with --convention.");
}

static bool newer_history(const Tables *tables, Arena *arena, int64_t format, Error *err)
{
    const char *plain = table_name_plain(arena, &tables->name, "");
    if (!plain)
        return error_nomem(err);
    error_set(err, ERROR_STATE,
              "the history in %s has format %lld, and this program knows formats up to %d", plain,
              (long long)format, FORMAT);
    error_code(err, "newer-history");
    return error_hint(err, "A newer whimbrel has been at work here: upgrade this one.");
}

/* The marker is made last and goes with the history: whoever took one alone has not begun anew. */
static bool lost_history(const Tables *tables, Arena *arena, Error *err)
{
    const char *plain = table_name_plain(arena, &tables->name, "");
    const char *meta = table_name_plain(arena, &tables->meta, tables->meta_suffix);
    const char *run = table_name_plain(arena, &tables->run, tables->run_suffix);
    if (!plain || !meta || !run)
        return error_nomem(err);
    error_set(err, ERROR_STATE, "the table %s is gone, and what has run here is not known", plain);
    error_detail(err, "%s is still there.", meta);
    error_code(err, "lost-history");
    return error_hint(err,
                      "Bring it back. To begin anew drop %s and %s, too; then whimbrel stamp says "
                      "what has run.",
                      run, meta);
}

static Timestamp time_value(SqlDialect dialect, const DbValue *value)
{
    Timestamp t = TIMESTAMP_UNKNOWN;
    if (value->is_null)
        return TIMESTAMP_UNKNOWN;
    if (dialect == SQL_POSTGRES ? !db_value_i64(value, &t) : !timestamp_parse(value->text, &t))
        return TIMESTAMP_UNKNOWN;
    return t;
}

/* Goes through the set along with the rows: mostly both are in one order, and what both hold is kept once. */
typedef struct Beside {
    const MigrationSet *set; /* NULL: it is not known */
    size_t next;
} Beside;

static bool take_identity(Arena *arena, Beside *beside, const DbValue *cols, HistoryRow *row)
{
    Str version = cols[COL_VERSION].text, name = cols[COL_NAME].text;
    if (beside->set && beside->next < beside->set->migrations.len) {
        const Migration *migration = &beside->set->migrations.items[beside->next];
        if (str_eq(version, migration->version) && str_eq(name, migration->name)) {
            row->version = migration->version;
            row->name = migration->name;
            beside->next++;
            return true;
        }
    }
    return str_copy(arena, version, &row->version) && str_copy(arena, name, &row->name);
}

/* Copies text, or lends the same text of the row before: programs and people repeat. */
static bool copy_or_share(Arena *arena, Str text, Str before, Str *ret_copy)
{
    if (before.len > 0 && str_eq(text, before)) {
        *ret_copy = before;
        return true;
    }
    return str_copy(arena, text, ret_copy);
}

static bool number_in(const DbValue *value, int64_t min, int64_t max, int64_t *ret_number)
{
    int64_t number = 0;
    if (value->is_null || !db_value_i64(value, &number) || number < min || number > max)
        return false;
    *ret_number = number;
    return true;
}

/* How long something took, or -1: what cannot be is as good as nothing, and must not be counted with. */
static int64_t duration_value(const DbValue *value)
{
    static const int64_t century_us = (int64_t)100 * 366 * 24 * 3600 * 1000000;
    int64_t duration_us;
    return number_in(value, 0, century_us, &duration_us) ? duration_us : -1;
}

/* "app@host" without a copy for each row. */
static bool applied_by(Arena *arena, const DbValue *cols, const HistoryRow *before, Str *ret_who)
{
    Str who = cols[COL_WHO].text, host = cols[COL_HOST].text;
    if (host.len == 0)
        return copy_or_share(arena, who, before ? before->applied_by : (Str){0}, ret_who);
    Str last = before ? before->applied_by : (Str){0};
    if (last.ptr && last.len == who.len + 1 + host.len && str_starts(last, who) &&
        last.ptr[who.len] == '@' && str_ends(last, host)) {
        *ret_who = last;
        return true;
    }
    const char *text = str_format(arena, "%.*s@%.*s", STR_ARG(who), STR_ARG(host));
    *ret_who = str_from(text);
    return text != NULL;
}

static bool take_telling(const ConventionContext *ctx, Arena *arena, const DbValue *cols,
                         const HistoryRow *before, HistoryRow *row)
{
    row->started_at = row->finished_at = TIMESTAMP_UNKNOWN;
    row->duration_us = -1;
    if (!tells(ctx))
        return true;
    row->started_at = time_value(ctx->dialect, &cols[COL_STARTED]);
    row->finished_at = time_value(ctx->dialect, &cols[COL_FINISHED]);
    row->duration_us = duration_value(&cols[COL_DURATION]);
    return applied_by(arena, cols, before, &row->applied_by) &&
           copy_or_share(arena, cols[COL_PROGRAM].text, before ? before->program : (Str){0},
                         &row->program);
}

static bool row_from(const ConventionContext *ctx, const Tables *tables, Arena *arena,
                     const DbRows *rows, const HistoryRow *before, Beside *beside,
                     HistoryRow *ret_row, Error *err)
{
    const DbValue *cols = rows->cols;
    HistoryRow row = {.has_journal = true};
    int64_t done = 0, total = 0;
    if (rows->col_count != (tells(ctx) ? COL_COUNT : COL_STARTED) ||
        !kind_from_word(cols[COL_KIND].text, &row.kind) ||
        !outcome_from_word(cols[COL_OUTCOME].text, &row.outcome) ||
        !number_in(&cols[COL_ORDINAL], INT64_MIN, INT64_MAX, &row.rank) ||
        !number_in(&cols[COL_RUN], 0, LAST_RUN, &row.run) ||
        !number_in(&cols[COL_DONE], 0, UINT32_MAX, &done) ||
        !number_in(&cols[COL_TOTAL], 0, UINT32_MAX, &total))
        return foreign_history(tables, arena, "a row holds values that whimbrel does not write",
                               err);
    row.done = (uint32_t)done;
    row.total = (uint32_t)total;
    /* Once all statements are known to have run none is in doubt. */
    row.is_fate_unknown = str_eq(cols[COL_FATE].text, STR("1")) && row.done < row.total;
    row.has_up_text = str_eq(cols[COL_HAS_UP].text, STR("1"));
    row.has_down_text = str_eq(cols[COL_HAS_DOWN].text, STR("1"));
    if (!take_telling(ctx, arena, cols, before, &row) ||
        !take_identity(arena, beside, cols, &row) ||
        !str_copy(arena, cols[COL_CHECKSUM].text, &row.checksum) ||
        !str_copy(arena, cols[COL_TOKENS].text, &row.tokens) ||
        (!cols[COL_FAILURE].is_null && !(row.failure = str_z(arena, cols[COL_FAILURE].text))))
        return error_nomem(err);
    *ret_row = row;
    return true;
}

static int by_rank(const void *a, const void *b)
{
    int64_t one = ((const HistoryRow *)a)->rank, two = ((const HistoryRow *)b)->rank;
    return one < two ? -1 : one > two;
}

/* The rows of the result that rows stands at, put in order. */
static bool take_rows(const ConventionContext *ctx, const Tables *tables, Arena *arena,
                      DbRows *rows, History *history, Error *err)
{
    bool is_sorted = true;
    Beside beside = {.set = ctx->set};
    while (db_rows_next(rows)) {
        const HistoryRow *before =
            history->rows.len > 0 ? &history->rows.items[history->rows.len - 1] : NULL;
        HistoryRow row = {0};
        if (!row_from(ctx, tables, arena, rows, before, &beside, &row, err))
            return false;
        if (!vec_push(arena, &history->rows, row))
            return error_nomem(err);
        is_sorted = is_sorted && (!before || before->rank <= row.rank);
        if (row.run > history->last_run)
            history->last_run = row.run;
    }
    if (!is_sorted)
        qsort(history->rows.items, history->rows.len, sizeof *history->rows.items, by_rank);
    return true;
}

/* Room for as many rows as there are migrations, which is mostly enough: to have the server count them would take longer than to read
 * half of them. Many pages of it that stay unused take no memory. */
static bool make_room(const ConventionContext *ctx, Arena *arena, History *history, Error *err)
{
    size_t count = ctx->set ? ctx->set->migrations.len : 0;
    return vec_reserve(arena, &history->rows, count) || error_nomem(err);
}

/* The marker's format (0 when there is no row) or the last run; ret_count, if wanted, is the number in the second column. */
static bool take_number(const Tables *tables, Arena *arena, DbRows *rows, int64_t *ret_number,
                        int64_t *ret_count, Error *err)
{
    int64_t found = 0;
    bool is_number = true;
    while (db_rows_next(rows)) {
        int64_t number = 0;
        is_number = is_number && rows->col_count > 0 &&
                    number_in(&rows->cols[0], INT64_MIN, LAST_RUN, &number);
        found = number > found ? number : found;
        if (ret_count && rows->col_count > 1 && !db_value_i64(&rows->cols[1], ret_count))
            *ret_count = 0;
    }
    if (!is_number)
        return foreign_history(tables, arena, "its marker holds no number", err);
    *ret_number = found;
    return true;
}

/* Marker, rows and last run in one message. What fails here fails as the server says it; *ret_is_absent is set when it says that
 * something is not there. Where that is the history's own table, there is no history, and nothing has failed. */
static bool read_in_one(const ConventionContext *ctx, const Tables *tables, Db *db, Arena *arena,
                        History *history, bool *ret_is_absent, Error *err)
{
    bool has_table = true;
    scoped(DbRows, db_rows_done) rows = {0};
    Error local = {.arena = err ? err->arena : arena};
    StrBuf sql = strbuf(arena);
    Str text;
    int64_t format = 0, last_run = 0;
    if (!history_add_presence(db, arena, &tables->name, &sql, err))
        return false;
    add_format_query(&sql, tables);
    strbuf_adds(&sql, "; ");
    add_rows_query(&sql, ctx, tables, db_has(db, DB_COPY_OUT));
    strbuf_adds(&sql, "; ");
    add_last_run_query(&sql, tables);
    if (!strbuf_finish(&sql, &text))
        return error_nomem(err);
    bool ok = db_query(db, text, &rows, &local);
    bool goes_on = ok && history_take_presence(&rows, &has_table);
    ok = ok && (!goes_on || take_number(tables, arena, &rows, &format, NULL, &local));
    bool has_marker = ok && format > 0;
    if (ok && format > FORMAT)
        return newer_history(tables, arena, format, err);
    ok = ok && make_room(ctx, arena, history, &local);
    if (ok && db_rows_next_result(&rows))
        ok = take_rows(ctx, tables, arena, &rows, history, &local);
    if (ok && db_rows_next_result(&rows))
        ok = take_number(tables, arena, &rows, &last_run, &history->last_ordinal, &local);
    ok = ok && db_rows_finish(&rows, &local);
    if (!ok) {
        *ret_is_absent = error_means_absent(&local, ctx->dialect);
        if (*ret_is_absent && !has_table && !has_marker)
            return true;
        if (err)
            *err = local;
        return false;
    }
    if (last_run > history->last_run)
        history->last_run = last_run;
    history->exists = true;
    history->is_older_format = format < FORMAT;
    return true;
}

static bool has_table(Db *db, Arena *arena, const TableName *name, const char *suffix,
                      bool *ret_has, Error *err)
{
    const char *plain = table_name_plain(arena, name, suffix);
    return plain ? db->driver->has_table(db, str_from(plain), ret_has, err) : error_nomem(err);
}

typedef enum Reading { READ_FORMAT, READ_ROWS, READ_LAST_RUN } Reading;

/* One query of the slow way. */
static bool read_one(const ConventionContext *ctx, const Tables *tables, Db *db, Arena *arena,
                     Reading which, History *history, int64_t *ret_format, Error *err)
{
    scoped(DbRows, db_rows_done) rows = {0};
    StrBuf sql = strbuf(arena);
    Str text;
    bool ok;
    switch (which) {
    case READ_FORMAT:
        add_format_query(&sql, tables);
        break;
    case READ_ROWS:
        add_rows_query(&sql, ctx, tables, db_has(db, DB_COPY_OUT));
        break;
    case READ_LAST_RUN:
        add_last_run_query(&sql, tables);
        break;
    }
    if (!strbuf_finish(&sql, &text))
        return error_nomem(err);
    if (!db_query(db, text, &rows, err))
        return false;
    if (which == READ_ROWS) {
        ok = take_rows(ctx, tables, arena, &rows, history, err);
    } else {
        int64_t number = 0;
        ok = take_number(tables, arena, &rows, &number,
                         which == READ_LAST_RUN ? &history->last_ordinal : NULL, err);
        if (which == READ_FORMAT)
            *ret_format = number;
        else if (number > history->last_run)
            history->last_run = number;
    }
    return ok && db_rows_finish(&rows, err);
}

/* Table by table, as far as they are there: on an engine where asking costs nothing, and to find out what is amiss. */
static bool read_one_by_one(const ConventionContext *ctx, const Tables *tables, Db *db,
                            Arena *arena, History *history, Error *err)
{
    bool has_history = false, has_meta = false, has_run = false;
    int64_t format = 0;
    Error local = {.arena = err ? err->arena : arena};
    /* In the order opposite to their making: another run may make them meanwhile. */
    if (!has_table(db, arena, &tables->meta, tables->meta_suffix, &has_meta, err) ||
        !has_table(db, arena, &tables->name, "", &has_history, err))
        return false;
    if (!has_history)
        return !has_meta || lost_history(tables, arena, err);
    if (!has_table(db, arena, &tables->run, tables->run_suffix, &has_run, err))
        return false;
    bool ok = !has_meta || read_one(ctx, tables, db, arena, READ_FORMAT, history, &format, &local);
    if (ok && format > FORMAT)
        return newer_history(tables, arena, format, err);
    ok = ok && read_one(ctx, tables, db, arena, READ_ROWS, history, &format, &local) &&
         (!has_run || read_one(ctx, tables, db, arena, READ_LAST_RUN, history, &format, &local));
    if (!ok && error_means_absent(&local, ctx->dialect))
        return foreign_history(tables, arena, local.message, err);
    if (!ok) {
        if (err)
            *err = local;
        return false;
    }
    history->exists = true;
    history->is_older_format = format < FORMAT || !has_run;
    if (!has_run)
        history->last_ordinal = -1;
    return true;
}

bool whimbrel_history_read(const ConventionContext *ctx, Db *db, Arena *arena, History *ret_history,
                           Error *err)
{
    Tables tables;
    History history = {0};
    bool is_absent = false;
    if (!tables_read(ctx, arena, &tables, err))
        return false;
    /* Reading at once, and asking what is amiss only when that fails, is one round trip on a database that is in use. Inside a
     * transaction the failure would end it. */
    bool tries_at_once = db_has(db, DB_BATCH) && !db->is_in_transaction;
    if (!tries_at_once || !read_in_one(ctx, &tables, db, arena, &history, &is_absent, err)) {
        if (tries_at_once && !is_absent)
            return error_wrap(err, "reading the history");
        history = (History){0};
        error_clear(err);
        if (!read_one_by_one(ctx, &tables, db, arena, &history, err))
            return error_wrap(err, "reading the history");
    }
    history.is_short = ctx->without != 0;
    if (!history_finish(arena, &history, err))
        return false;
    *ret_history = history;
    return true;
}

/* ---- stored texts, runs --------------------------------------------------------------------------------------------- */

static bool unpack_text(Arena *arena, const DbValue *value, Str *ret_text, bool *ret_has,
                        Error *err)
{
    *ret_has = !value->is_null && value->text.len > 0;
    *ret_text = (Str){0};
    if (!*ret_has)
        return true;
    if (value->text.ptr[0] != '\0')
        return bytes_expand(arena, value->text, STORED_TEXT_LIMIT_BYTES, ret_text, err);
    return str_copy(arena, str_sub(value->text, 1, value->text.len), ret_text) || error_nomem(err);
}

bool whimbrel_history_text(const ConventionContext *ctx, Db *db, Arena *arena,
                           const HistoryRow *row, Str *ret_up, bool *ret_has_up, Str *ret_down,
                           bool *ret_has_down, Error *err)
{
    scoped(DbRows, db_rows_done) rows = {0};
    Tables tables;
    StrBuf sql = strbuf(arena);
    Str text, id, up = {0}, down = {0};
    bool has_up = false, has_down = false;
    if (!tables_read(ctx, arena, &tables, err))
        return false;
    strbuf_adds(&sql, "SELECT up_text, down_text FROM ");
    add_history(&sql, &tables);
    if (!make_id(arena, row->kind, row->version, row->name, &id))
        return error_nomem(err);
    add_where(&sql, ctx, id);
    if (!strbuf_finish(&sql, &text))
        return error_nomem(err);
    if (!db_query(db, text, &rows, err))
        return error_wrap(err, "reading a stored migration");
    while (db_rows_next(&rows)) {
        if (!unpack_text(arena, &rows.cols[0], &up, &has_up, err) ||
            !unpack_text(arena, &rows.cols[1], &down, &has_down, err))
            return error_wrap(err, "reading a stored migration");
    }
    if (!db_rows_finish(&rows, err))
        return error_wrap(err, "reading a stored migration");
    *ret_up = up;
    *ret_has_up = has_up;
    *ret_down = down;
    *ret_has_down = has_down;
    return true;
}

enum {
    RUN_RUN,
    RUN_COMMAND,
    RUN_STARTED,
    RUN_FINISHED,
    RUN_DURATION,
    RUN_WHO,
    RUN_HOST,
    RUN_PROGRAM,
    RUN_OUTCOME,
    RUN_APPLIED,
    RUN_ROLLED_BACK,
    RUN_ERROR,
    RUN_COUNT
};

static bool run_from(const ConventionContext *ctx, Arena *arena, const DbValue *cols,
                     RunRow *ret_run, Error *err)
{
    RunRow run = {0};
    if (!db_value_i64(&cols[RUN_RUN], &run.run))
        return error_set(err, ERROR_STATE, "the run log holds a run without a number");
    run.started_at = time_value(ctx->dialect, &cols[RUN_STARTED]);
    run.finished_at = time_value(ctx->dialect, &cols[RUN_FINISHED]);
    run.duration_us = duration_value(&cols[RUN_DURATION]);
    if (!str_copy(arena, cols[RUN_COMMAND].text, &run.command) ||
        !str_copy(arena, cols[RUN_WHO].text, &run.who) ||
        !str_copy(arena, cols[RUN_HOST].text, &run.host) ||
        !str_copy(arena, cols[RUN_PROGRAM].text, &run.program) ||
        !str_copy(arena, cols[RUN_OUTCOME].text, &run.outcome) ||
        !str_copy(arena, cols[RUN_APPLIED].text, &run.applied) ||
        !str_copy(arena, cols[RUN_ROLLED_BACK].text, &run.rolled_back) ||
        !str_copy(arena, cols[RUN_ERROR].text, &run.error))
        return error_nomem(err);
    *ret_run = run;
    return true;
}

bool whimbrel_runs_read(const ConventionContext *ctx, Db *db, Arena *arena, size_t limit,
                        RunRowVec *ret_runs, Error *err)
{
    scoped(DbRows, db_rows_done) rows = {0};
    Tables tables;
    RunRowVec runs = {0};
    StrBuf sql = strbuf(arena);
    Str text;
    bool has_runs = false;
    if (!tables_read(ctx, arena, &tables, err) ||
        !has_table(db, arena, &tables.run, tables.run_suffix, &has_runs, err))
        return false;
    if (!has_runs) {
        *ret_runs = runs;
        return true;
    }
    strbuf_adds(&sql, "SELECT run, command, ");
    add_time_column(&sql, ctx->dialect, "started_at");
    strbuf_adds(&sql, ", ");
    add_time_column(&sql, ctx->dialect, "finished_at");
    strbuf_adds(&sql,
                ", duration_us, who, host, program, outcome, applied, rolled_back, error FROM ");
    add_run(&sql, &tables);
    strbuf_adds(&sql, " WHERE namespace = ");
    sql_add_literal(&sql, ctx->dialect, ctx->name_space);
    strbuf_adds(&sql, " ORDER BY run DESC");
    if (limit > 0)
        strbuf_addf(&sql, " LIMIT %zu", limit);
    if (!strbuf_finish(&sql, &text))
        return error_nomem(err);
    if (!db_query(db, text, &rows, err))
        return error_wrap(err, "reading the run log");
    while (db_rows_next(&rows)) {
        RunRow run;
        if (rows.col_count != RUN_COUNT || !run_from(ctx, arena, rows.cols, &run, err))
            return false;
        if (!vec_push(arena, &runs, run))
            return error_nomem(err);
    }
    if (!db_rows_finish(&rows, err))
        return error_wrap(err, "reading the run log");
    *ret_runs = runs;
    return true;
}

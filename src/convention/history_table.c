/* Names and presence of history tables. SPDX-License-Identifier: Apache-2.0 */
#include "convention/history_table.h"

static bool bad_table(Str text, const char *why, Error *err)
{
    error_set(err, ERROR_USAGE, "bad name of a history table \"%.*s\": %s", STR_ARG(text), why);
    error_code(err, "bad-table");
    return error_hint(err,
                      "Write a table's name or schema.table, quoted as in SQL where it must be.");
}

static char closing_quote(char c)
{
    return c == '"' || c == '`' ? c : c == '[' ? ']' : '\0';
}

/* One part from *at on, without quotes, doubled ones halved; *at comes to stand behind it. */
static bool read_part(Arena *arena, Str text, size_t *at, bool folds, Str *ret_part, Error *err)
{
    StrBuf part = strbuf(arena);
    char quote = *at < text.len ? closing_quote(text.ptr[*at]) : '\0';
    if (quote) {
        size_t i = *at + 1;
        for (;; i++) {
            if (i >= text.len)
                return bad_table(text, "a quote is not closed", err);
            if (text.ptr[i] == quote && i + 1 < text.len && text.ptr[i + 1] == quote)
                i++;
            else if (text.ptr[i] == quote)
                break;
            strbuf_add_char(&part, text.ptr[i]);
        }
        *at = i + 1;
    } else {
        for (; *at < text.len && text.ptr[*at] != '.'; (*at)++) {
            char c = text.ptr[*at];
            strbuf_add_char(&part, folds && c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c);
        }
    }
    return strbuf_finish(&part, ret_part) || error_nomem(err);
}

bool table_name_read(const ConventionContext *ctx, Arena *arena, TableName *ret_name, Error *err)
{
    Str text = ctx->table.len > 0 ? ctx->table : str_from(ctx->convention->default_table);
    bool folds =
        ctx->dialect == SQL_POSTGRES && (ctx->convention->features & CONVENTION_FOLDS_TABLE) != 0;
    TableName name = {0};
    size_t at = 0;
    if (!read_part(arena, text, &at, folds, &name.table, err))
        return false;
    if (at < text.len && text.ptr[at] == '.') {
        at++;
        name.schema = name.table;
        if (name.schema.len == 0)
            return bad_table(text, "the schema is empty", err);
        if (!read_part(arena, text, &at, folds, &name.table, err))
            return false;
    }
    if (at < text.len)
        return bad_table(text, "something follows the name", err);
    if (name.table.len == 0)
        return bad_table(text, "the table is empty", err);
    if (str_find_char(text, '\0', 0) != SIZE_MAX || !str_is_utf8(text, NULL))
        return bad_table(text, "it is not text", err);
    /* The longest name that PostgreSQL does not cut in silence, with room for a suffix of ours. */
    if (name.table.len > 58 || name.schema.len > 63)
        return bad_table(text, "it is longer than 58 bytes", err);
    *ret_name = name;
    return true;
}

void table_name_add(StrBuf *out, SqlDialect dialect, const TableName *name, const char *suffix)
{
    if (name->schema.len > 0) {
        sql_add_ident(out, dialect, name->schema);
        strbuf_add_char(out, '.');
    }
    /* Both lengths were bounded by table_name_read(). */
    char whole[128];
    size_t len = 0;
    for (size_t i = 0; i < name->table.len && len < sizeof whole; i++)
        whole[len++] = name->table.ptr[i];
    for (size_t i = 0; suffix[i] && len < sizeof whole; i++)
        whole[len++] = suffix[i];
    sql_add_ident(out, dialect, (Str){whole, len});
}

const char *table_name_plain(Arena *arena, const TableName *name, const char *suffix)
{
    return str_format(arena, "%.*s%s%.*s%s", STR_ARG(name->schema), name->schema.len > 0 ? "." : "",
                      STR_ARG(name->table), suffix);
}

bool error_means_absent(const Error *err, SqlDialect dialect)
{
    if (err->kind != ERROR_SQL)
        return false;
    Str state = str_from(err->sqlstate), message = str_from(err->message);
    switch (dialect) {
    case SQL_POSTGRES: /* undefined table, column, schema */
        return str_eq(state, STR("42P01")) || str_eq(state, STR("42703")) ||
               str_eq(state, STR("3F000"));
    case SQL_MYSQL: /* unknown database, column, table */
        return err->server_code == 1049 || err->server_code == 1054 || err->server_code == 1146;
    case SQL_SQLITE: /* one code for all of it */
        return str_find(message, STR("no such table"), 0) != SIZE_MAX ||
               str_find(message, STR("no such column"), 0) != SIZE_MAX;
    }
    return false;
}

bool statement_push(Arena *arena, StrBuf *buf, DbStatementVec *out, Error *err)
{
    DbStatement statement = {0};
    return (strbuf_finish(buf, &statement.sql) && vec_push(arena, out, statement)) ||
           error_nomem(err);
}

/* Runs a query; *ret_has_row says whether it had a row. What is absent is not there and has none. */
static bool probe(const ConventionContext *ctx, Db *db, Arena *arena, Str sql, bool *ret_is_there,
                  bool *ret_has_row, Error *err)
{
    scoped(DbRows, db_rows_done) rows = {0};
    Error local = {.arena = err ? err->arena : arena};
    bool has_row = false;
    bool ok = db_query(db, sql, &rows, &local);
    if (ok) {
        has_row = db_rows_next(&rows);
        while (has_row && db_rows_next(&rows))
            ;
        ok = db_rows_finish(&rows, &local);
    }
    if (!ok && !error_means_absent(&local, ctx->dialect)) {
        if (err)
            *err = local;
        return false;
    }
    *ret_is_there = ok;
    *ret_has_row = ok && has_row;
    return true;
}

const KnownTable *known_table(const ConventionContext *ctx, Str name)
{
    for (size_t i = 0; ctx->known_tables && i < ctx->known_tables->len; i++) {
        const KnownTable *table = &ctx->known_tables->items[i];
        /* SQLite finds a table whatever its letters. */
        if (str_eq(table->name, name) ||
            (ctx->dialect == SQL_SQLITE && str_eq_nocase(table->name, name)))
            return table;
    }
    return NULL;
}

static size_t count_of(Str list)
{
    size_t count = list.len > 0;
    for (size_t i = 0; i < list.len; i++)
        count += list.ptr[i] == ',';
    return count;
}

static bool has_columns(const KnownTable *table, Str wanted, bool is_exact)
{
    if (is_exact && count_of(table->columns) != count_of(wanted))
        return false;
    while (wanted.len > 0) {
        Str want, column = {0}, rest = table->columns;
        bool has = false;
        wanted = str_cut(wanted, ',', &want);
        while (rest.len > 0 && !has) {
            rest = str_cut(rest, ',', &column);
            has = str_eq_nocase(column, str_trim(want));
        }
        if (!has)
            return false;
    }
    return true;
}

bool history_add_presence(const Db *db, Arena *arena, const TableName *name, StrBuf *sql,
                          Error *err)
{
    Str question;
    if (!db->driver->has_table_question)
        return true;
    const char *plain = table_name_plain(arena, name, "");
    if (!plain)
        return error_nomem(err);
    if (!db->driver->has_table_question(arena, str_from(plain), &question, err))
        return false;
    strbuf_add(sql, question);
    strbuf_adds(sql, "; ");
    return true;
}

bool history_take_presence(DbRows *rows, bool *ret_has)
{
    int64_t count = 0;
    if (!rows->db->driver->has_table_question) {
        *ret_has = true;
        return true;
    }
    *ret_has = db_rows_next(rows) && rows->col_count == 1 && db_value_i64(&rows->cols[0], &count) &&
               count > 0;
    return db_rows_next_result(rows);
}

/* Of a table whose name the user gave. */
static bool count_columns(const ConventionContext *ctx, Db *db, Arena *arena, const TableName *name,
                          size_t *ret_count, Error *err)
{
    scoped(DbRows, db_rows_done) rows = {0};
    StrBuf sql = strbuf(arena);
    Str text;
    strbuf_adds(&sql, "SELECT * FROM ");
    table_name_add(&sql, ctx->dialect, name, "");
    strbuf_adds(&sql, " LIMIT 1");
    if (!strbuf_finish(&sql, &text))
        return error_nomem(err);
    if (!db_query(db, text, &rows, err))
        return false;
    *ret_count = rows.col_count;
    while (db_rows_next(&rows))
        *ret_count = rows.col_count;
    return db_rows_finish(&rows, err);
}

bool history_table_look(const ConventionContext *ctx, Db *db, Arena *arena, const TableName *name,
                        const char *columns, bool is_exact, bool *ret_has_table, bool *ret_has_rows,
                        Error *err)
{
    *ret_has_table = *ret_has_rows = false;
    if (ctx->table.len == 0 && ctx->known_tables) {
        const char *plain = table_name_plain(arena, name, "");
        if (!plain)
            return error_nomem(err);
        const KnownTable *known = known_table(ctx, str_from(plain));
        *ret_has_table = known && has_columns(known, str_from(columns), is_exact);
        *ret_has_rows = *ret_has_table && known->is_filled;
        if (!*ret_has_table || *ret_has_rows || ctx->dialect == SQL_POSTGRES)
            return true;
    } else {
        const char *plain = table_name_plain(arena, name, "");
        if (!plain)
            return error_nomem(err);
        if (!db->driver->has_table(db, str_from(plain), ret_has_table, err))
            return false;
        if (*ret_has_table && is_exact) {
            size_t count = 0;
            if (!count_columns(ctx, db, arena, name, &count, err))
                return false;
            *ret_has_table = count == count_of(str_from(columns));
        }
        if (!*ret_has_table)
            return true;
    }
    StrBuf sql = strbuf(arena);
    Str text;
    strbuf_addf(&sql, "SELECT %s FROM ", columns);
    table_name_add(&sql, ctx->dialect, name, "");
    strbuf_adds(&sql, " LIMIT 1");
    return strbuf_finish(&sql, &text)
               ? probe(ctx, db, arena, text, ret_has_table, ret_has_rows, err)
               : error_nomem(err);
}

/* One that is not the history only because it is written in other letters. */
static bool look_for_stray(const ConventionContext *ctx, Arena *arena, Str plain,
                           const char *columns, bool is_exact, ConventionGuess *guess, Error *err)
{
    for (size_t i = 0; ctx->table.len == 0 && ctx->known_tables && i < ctx->known_tables->len;
         i++) {
        const KnownTable *table = &ctx->known_tables->items[i];
        if (!str_eq_nocase(table->name, plain) || !has_columns(table, str_from(columns), is_exact))
            continue;
        guess->stray = table->name;
        return guess_add(
            arena, guess, 0,
            str_format(arena, "the table %.*s is there, in other letters", STR_ARG(table->name)),
            err);
    }
    return true;
}

bool guess_table(const ConventionContext *ctx, Db *db, Arena *arena, const TableName *name,
                 const char *columns, bool is_exact, ConventionGuess *guess, Error *err)
{
    bool has_table = false, has_rows = false;
    const char *plain = table_name_plain(arena, name, "");
    if (!plain)
        return error_nomem(err);
    if (!history_table_look(ctx, db, arena, name, columns, is_exact, &has_table, &has_rows, err))
        return false;
    if (!has_table && !known_table(ctx, str_from(plain)))
        return look_for_stray(ctx, arena, str_from(plain), columns, is_exact, guess, err);
    return !has_table ||
           guess_add(arena, guess, has_rows ? 3 : 2,
                     str_format(arena, "the table %s is there%s", plain, has_rows ? "" : ", empty"),
                     err);
}

bool convention_lease_place(const ConventionContext *ctx, Arena *arena, Str *ret_schema,
                            Str *ret_name, Error *err)
{
    TableName name;
    if (!table_name_read(ctx, arena, &name, err))
        return false;
    *ret_schema = name.schema;
    *ret_name = name.table;
    return true;
}

/* What the conventions of tools with a host language share. SPDX-License-Identifier: Apache-2.0 */
#include "convention/host.h"

#include <string.h>

/* ---- scripts -------------------------------------------------------------------------------------------- */

typedef struct HostOwn {
    const ConventionContext *ctx;
    const HostTool *tool;
    const void *own;
    bool is_down;
} HostOwn;

bool host_refuse_way(HostWay *way, uint32_t line, const char *what, Error *err)
{
    if (!what)
        return error_nomem(err);
    if (!way->refusal) {
        way->refusal = what;
        way->refusal_line = line;
    }
    way->is_there = true;
    return true;
}

bool host_refuse(HostFile *file, uint32_t line, const char *what, Error *err)
{
    return host_refuse_way(&file->up, line, what, err) &&
           host_refuse_way(&file->down, line, what, err);
}

/* Whether a statement that is put behind the text would be taken for a comment. */
static bool ends_in_comment(Str text)
{
    size_t from = text.len;
    while (from > 0 && text.ptr[from - 1] != '\n')
        from--;
    Str line = str_sub(text, from, text.len);
    return str_find(line, STR("--"), 0) != SIZE_MAX || str_find_char(line, '#', 0) != SIZE_MAX;
}

/* The literals one behind the other, each on the line where it stands in the file as long as there is room, so that places in the SQL
 * are places in the file. */
static bool render(Arena *arena, const HostSqlVec *calls, Str *ret_sql, Error *err)
{
    StrBuf out = strbuf(arena);
    uint32_t line = 1;
    for (size_t i = 0; i < calls->len; i++) {
        const HostSql *call = &calls->items[i];
        bool is_at_line_start = out.len == 0;
        for (; line < call->line; line++) {
            strbuf_add_char(&out, '\n');
            is_at_line_start = true;
        }
        if (is_at_line_start && line == call->line && call->column > 1)
            strbuf_add_repeat(&out, ' ', call->column - 1);
        strbuf_add(&out, call->text);
        for (size_t c = 0; c < call->text.len; c++)
            line += call->text.ptr[c] == '\n';
        Str trimmed = str_trim(call->text);
        if (str_ends(trimmed, STR(";")))
            continue;
        if (ends_in_comment(trimmed)) {
            strbuf_add_char(&out, '\n');
            line++;
        }
        strbuf_add_char(&out, ';');
    }
    strbuf_add_char(&out, '\n');
    return strbuf_finish(&out, ret_sql) || error_nomem(err);
}

/* What one literal begins, it must end: a quote that is open at its end would swallow the next. */
static bool check_call(Arena *arena, const HostSql *call, const SqlSplitOptions *split,
                       const char **ret_refusal, Error *err)
{
    SqlStatementVec statements = {0};
    Error local = {.arena = arena};
    SqlSplitOptions options = *split;
    options.whole = NULL;
    options.whole_count = 0;
    *ret_refusal = NULL;
    if (sql_split(arena, &options, call->text, &statements, &local))
        return true;
    if (local.kind == ERROR_NOMEM)
        return error_nomem(err);
    *ret_refusal = str_format(arena, "holds SQL that cannot be read: %s", local.message);
    return *ret_refusal || error_nomem(err);
}

static bool prepare(const void *ctx, Arena *arena, const Script *script, Str text,
                    const SqlSplitOptions *split, ScriptText *ret_text, Error *err)
{
    (void)ctx;
    const HostOwn *own = script->form->own;
    HostFile file = {0};
    if (!own->tool->reader(own->ctx, arena, script->path, text, own->own, &file, err))
        return false;
    HostWay *way = own->is_down ? &file.down : &file.up;
    for (size_t i = 0; i < way->calls.len && !way->refusal; i++) {
        const char *refusal;
        if (!check_call(arena, &way->calls.items[i], split, &refusal, err))
            return false;
        way->refusal = refusal;
        way->refusal_line = way->calls.items[i].line;
    }
    ScriptText made = {.sql = STR(" "), .no_transaction = way->no_transaction};
    if (way->refusal) {
        made.refusal = way->refusal;
        made.refusal_line = way->refusal_line;
        made.refusal_hint = own->tool->hint;
    } else if (!render(arena, &way->calls, &made.sql, err)) {
        return false;
    }
    *ret_text = made;
    return true;
}

static bool make_script(const ConventionContext *ctx, Arena *arena, const char *path,
                        const HostOwn *own, Script **ret_script, Error *err)
{
    Script *script = script_new(arena, ctx->files, path);
    ScriptForm *form = arena_alloc(arena, sizeof *form);
    HostOwn *kept = arena_alloc(arena, sizeof *kept);
    if (!script || !form || !kept)
        return error_nomem(err);
    *kept = *own;
    *form = (ScriptForm){.prepare = prepare, .own = kept};
    script->form = form;
    *ret_script = script;
    return true;
}

bool host_scripts(const ConventionContext *ctx, Arena *arena, const char *path,
                  const HostTool *tool, const void *own, Script **ret_up, Script **ret_down,
                  Error *err)
{
    scoped(Arena *, arena_freep) scratch = arena_new();
    HostFile file = {0};
    HostOwn up = {ctx, tool, own, false}, down = {ctx, tool, own, true};
    Str text;
    *ret_down = NULL;
    if (!scratch)
        return error_nomem(err);
    return peer_read(ctx, scratch, path, &text, err) &&
           tool->reader(ctx, scratch, path, text, own, &file, err) &&
           make_script(ctx, arena, path, &up, ret_up, err) &&
           (!file.down.is_there || make_script(ctx, arena, path, &down, ret_down, err));
}

static const char *dialect_name(SqlDialect dialect)
{
    switch (dialect) {
    case SQL_POSTGRES:
        return "postgresql";
    case SQL_MYSQL:
        return "mysql";
    case SQL_SQLITE:
        break;
    }
    return "sqlite";
}

bool host_beside(const ConventionContext *ctx, Arena *arena, const char *path, const char *suffix,
                 const char **ret_path, Error *err)
{
    Str stem = str_from(path);
    for (size_t i = stem.len; i-- > 0 && stem.ptr[i] != '/';)
        if (stem.ptr[i] == '.') {
            stem.len = i;
            break;
        }
    const char *const names[] = {
        str_format(arena, "%.*s.%s%s", STR_ARG(stem), dialect_name(ctx->dialect), suffix),
        str_format(arena, "%.*s%s", STR_ARG(stem), suffix)};
    *ret_path = NULL;
    for (size_t i = 0; i < 2; i++) {
        FileInfo info;
        if (!names[i])
            return error_nomem(err);
        if (!file_tree_info(ctx->files, names[i], &info, err))
            return false;
        if (info.kind == FILE_REGULAR) {
            *ret_path = names[i];
            return true;
        }
    }
    return true;
}

/* ---- tokens --------------------------------------------------------------------------------------------- */

const HostToken *host_peek(const HostCursor *cursor, size_t ahead)
{
    size_t at = cursor->at;
    while (ahead-- > 0 && cursor->tokens[at].kind != HOST_END)
        at++;
    return &cursor->tokens[at];
}

bool host_is(const HostCursor *cursor, const char *text)
{
    const HostToken *token = &cursor->tokens[cursor->at];
    return (token->kind == HOST_WORD || token->kind == HOST_SYMBOL) &&
           str_eq(token->text, str_from(text));
}

bool host_take(HostCursor *cursor, const char *text)
{
    bool is = host_is(cursor, text);
    cursor->at += is;
    return is;
}

enum { LONGEST_DESCRIPTION = 60 };

const char *host_describe(const HostCursor *cursor, Arena *arena)
{
    const HostToken *token = &cursor->tokens[cursor->at];
    Str text = token->text;
    if (text.len > LONGEST_DESCRIPTION)
        text.len = LONGEST_DESCRIPTION;
    switch (token->kind) {
    case HOST_WORD:
        return str_format(arena, "does more than run literal SQL: `%.*s`", STR_ARG(text));
    case HOST_END:
        return "ends in the middle of something";
    case HOST_LINE:
    case HOST_STRING:
    case HOST_NUMBER:
    case HOST_SYMBOL:
        break;
    }
    return "does more than run literal SQL";
}

int host_char(const HostText *text, size_t ahead)
{
    size_t at = text->at + ahead;
    return at < text->text.len ? (unsigned char)text->text.ptr[at] : -1;
}

void host_skip(HostText *text, size_t count)
{
    for (; count > 0 && text->at < text->text.len; count--) {
        if (text->text.ptr[text->at++] != '\n')
            continue;
        text->line++;
        text->line_from = text->at;
    }
}

uint32_t host_column(const HostText *text)
{
    return (uint32_t)(text->at - text->line_from) + 1;
}

bool host_is_word_char(int c)
{
    return c == '_' || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           c >= 0x80;
}

/* ---- dumps ---------------------------------------------------------------------------------------------- */

typedef struct DumpReader {
    Arena *arena;
    const SqlSplitOptions *split;
    const char *const *tables;
    HostDump dump;
    Error *err;
} DumpReader;

/* The name that a token stands for, without quotes. */
static Str plain_name(const SqlToken *token)
{
    Str text = token->text;
    if (token->kind == SQL_TOKEN_IDENT && text.len >= 2)
        text = str_sub(text, 1, text.len - 1);
    return text;
}

/* The table itself, or what an engine names after it: "t_id_seq", "t_pkey". */
static size_t named_table(const DumpReader *reader, Str name, bool exactly)
{
    for (size_t i = 0; reader->tables[i]; i++) {
        Str table = str_from(reader->tables[i]), rest;
        if (str_eq(name, table))
            return i;
        rest = str_starts(name, table) ? str_sub(name, table.len, name.len) : (Str){0};
        if (!exactly && (str_eq(rest, STR("_id_seq")) || str_eq(rest, STR("_pkey"))))
            return i;
    }
    return SIZE_MAX;
}

/* The object that a statement is about: what its first name says behind the words of its verb. "INSERT INTO public.t", "ALTER TABLE
 * ONLY t", "LOCK TABLES `t` WRITE", "SELECT pg_catalog.setval('public.t_id_seq', 1)". */
static size_t table_of(const DumpReader *reader, Str statement, bool *ret_is_insert)
{
    static const char *const words[] = {"CREATE", "TABLE",   "IF",     "NOT",   "EXISTS",
                                        "INSERT", "INTO",    "ALTER",  "ONLY",  "DROP",
                                        "LOCK",   "TABLES",  "UNIQUE", "INDEX", "SEQUENCE",
                                        "COPY",   "COMMENT", "ON",     NULL};
    SqlLexer lexer = sql_lexer(statement, reader->split);
    SqlToken token;
    Str name = {0};
    bool is_first = true, is_select = false, is_index = false;
    *ret_is_insert = false;
    while (sql_lexer_next(&lexer, &token)) {
        bool is_known = false;
        if (is_first) {
            *ret_is_insert = sql_token_is(&token, "INSERT");
            is_select = sql_token_is(&token, "SELECT");
            is_first = false;
            if (is_select)
                continue;
        }
        if (is_select) {
            /* Only setval() is of interest. */
            if (token.kind == SQL_TOKEN_STRING && token.text.len > 2) {
                name = str_sub(token.text, 1, token.text.len - 1);
                size_t dot = str_find_char(name, '.', 0);
                return named_table(
                    reader, dot == SIZE_MAX ? name : str_sub(name, dot + 1, name.len), false);
            }
            if (!sql_token_is(&token, "pg_catalog") && !sql_token_is(&token, "setval") &&
                token.kind != SQL_TOKEN_SYMBOL)
                return SIZE_MAX;
            continue;
        }
        for (size_t i = 0; words[i] && name.len == 0; i++)
            is_known = is_known || sql_token_is(&token, words[i]);
        is_index = is_index || (is_known && sql_token_is(&token, "INDEX"));
        if (is_known)
            continue;
        if (token.kind == SQL_TOKEN_WORD || token.kind == SQL_TOKEN_IDENT) {
            if (is_index && sql_token_is(&token, "ON")) {
                name = (Str){0};
                is_index = false;
                continue;
            }
            if (name.len > 0 && !str_ends(name, STR(".")))
                break;
            name = plain_name(&token);
            continue;
        }
        if (token.kind == SQL_TOKEN_SYMBOL && str_eq(token.text, STR("."))) {
            name = STR(".");
            continue;
        }
        break;
    }
    return named_table(reader, name, *ret_is_insert);
}

static bool push_row(DumpReader *reader, StrVec row)
{
    return row.len == 0 || vec_push(reader->arena, &reader->dump.rows, row) ||
           error_nomem(reader->err);
}

/* The rows behind VALUES. */
static bool take_insert(DumpReader *reader, Str statement)
{
    SqlLexer lexer = sql_lexer(statement, reader->split);
    SqlToken token;
    StrVec row = {0};
    bool is_in_values = false;
    while (sql_lexer_next(&lexer, &token)) {
        if (!is_in_values) {
            is_in_values = sql_token_is(&token, "VALUES");
            continue;
        }
        if (token.kind == SQL_TOKEN_SYMBOL && str_eq(token.text, STR(")"))) {
            if (!push_row(reader, row))
                return false;
            row = (StrVec){0};
        }
        bool is_string = token.kind == SQL_TOKEN_STRING && token.text.len >= 2;
        if (!is_string && token.kind != SQL_TOKEN_NUMBER)
            continue;
        Str value = is_string ? str_sub(token.text, 1, token.text.len - 1) : token.text;
        if (!vec_push(reader->arena, &row, value))
            return error_nomem(reader->err);
    }
    return true;
}

/* The lines of a COPY, columns between tabs. */
static bool take_copy(DumpReader *reader, Str data)
{
    Line line = {0};
    while (line_next(data, &line)) {
        StrVec row = {0};
        Str rest = line.text, column;
        if (str_eq(rest, STR("\\.")))
            break;
        if (rest.len == 0)
            continue;
        while (rest.len > 0) {
            rest = str_cut(rest, '\t', &column);
            if (!vec_push(reader->arena, &row, column))
                return error_nomem(reader->err);
        }
        if (!push_row(reader, row))
            return false;
    }
    return true;
}

static void blank(char *text, size_t from, size_t to)
{
    for (size_t i = from; i < to; i++)
        if (text[i] != '\n' && text[i] != '\r')
            text[i] = ' ';
}

/* LOCK TABLES without its partner would be left behind. */
static bool is_unlock(const DumpReader *reader, Str statement)
{
    SqlLexer lexer = sql_lexer(statement, reader->split);
    SqlToken token;
    return sql_lexer_next(&lexer, &token) && sql_token_is(&token, "UNLOCK");
}

/* pg_dump names everything with its schema, and would leave a session behind that finds nothing without. */
static bool sets_search_path(Str statement)
{
    return str_starts_nocase(statement, STR("SET search_path")) ||
           str_starts_nocase(statement, STR("SELECT pg_catalog.set_config('search_path'"));
}

bool host_dump_read(Arena *arena, const SqlSplitOptions *split, Str text, const char *const *tables,
                    HostDump *ret_dump, Error *err)
{
    DumpReader reader = {.arena = arena, .split = split, .tables = tables, .err = err};
    SqlStatementVec statements = {0};
    bool has_locked = false;
    char *sql = str_z(arena, text);
    if (!sql)
        return error_nomem(err);
    if (!sql_split(arena, split, text, &statements, err))
        return false;
    for (size_t i = 0; i < statements.len; i++) {
        const SqlStatement *statement = &statements.items[i];
        size_t to =
            i + 1 < statements.len ? (size_t)statements.items[i + 1].trivia_offset : text.len;
        bool is_insert = false;
        size_t table = table_of(&reader, statement->text, &is_insert);
        bool is_sqlites_own =
            split->dialect == SQL_SQLITE &&
            str_starts_nocase(statement->text, STR("CREATE TABLE sqlite_sequence"));
        if (has_locked && is_unlock(&reader, statement->text)) {
            has_locked = false;
            blank(sql, statement->offset, statement->end_offset);
            continue;
        }
        if (table == SIZE_MAX && !is_sqlites_own && !sets_search_path(statement->text))
            continue;
        if (str_starts_nocase(statement->text, STR("LOCK")))
            has_locked = true;
        if (table == 0 && is_insert && !take_insert(&reader, statement->text))
            return false;
        if (table == 0 && statement->has_copy_data &&
            !take_copy(&reader, str_sub(text, (size_t)statement->end_offset, to)))
            return false;
        blank(sql, (size_t)statement->offset,
              statement->has_copy_data ? to : (size_t)statement->end_offset);
    }
    reader.dump.sql = (Str){sql, text.len};
    *ret_dump = reader.dump;
    return true;
}

/* ---- baselines ------------------------------------------------------------------------------------------ */

static bool count_rows(void *ctx, const DbValue *cols, bool *ret_is_good, const char **ret_what,
                       Error *err)
{
    (void)err;
    int64_t count = 0;
    *ret_what = "its rows cannot be counted";
    *ret_is_good = db_value_i64(&cols[0], &count);
    *(int64_t *)ctx = count;
    return true;
}

static bool is_fresh(const ConventionContext *ctx, Arena *arena, bool *ret_is, Error *err)
{
    int64_t count = 0;
    bool exists = false;
    PeerTable table = {.columns = "count(*)", .column_count = 1, .row = count_rows, .ctx = &count};
    *ret_is = false;
    if (!ctx->db)
        return true;
    /* The database is only looked at, and it is the caller's to use. */
    Db *db = (Db *)(uintptr_t)ctx->db;
    if (!table_name_read(ctx, arena, &table.name, err) ||
        !peer_table_read(ctx, db, arena, &table, &exists, err))
        return false;
    *ret_is = !exists || count == 0;
    return true;
}

static bool dump_prepare(const void *ctx, Arena *arena, const Script *script, Str text,
                         const SqlSplitOptions *split, ScriptText *ret_text, Error *err)
{
    (void)ctx;
    const HostBaseline *baseline = script->form->own;
    HostDump dump;
    if (!host_dump_read(arena, split, text, baseline->tables, &dump, err))
        return false;
    *ret_text = (ScriptText){.sql = dump.sql};
    return true;
}

static bool copy_rows(Arena *arena, const HostDump *dump, HostBaseline *baseline, Error *err)
{
    for (size_t i = 0; i < dump->rows.len; i++) {
        StrVec row = {0};
        for (size_t k = 0; k < dump->rows.items[i].len; k++) {
            Str copy;
            if (!str_copy(arena, dump->rows.items[i].items[k], &copy) ||
                !vec_push(arena, &row, copy))
                return error_nomem(err);
        }
        if (!vec_push(arena, &baseline->rows, row))
            return error_nomem(err);
    }
    return true;
}

/* Takes the file of this version out of the set; NULL: there is none. */
static Script *take_out(MigrationSet *set, const VersionOrder *order, Str version)
{
    for (size_t i = 0; i < set->migrations.len; i++) {
        Migration *migration = &set->migrations.items[i];
        if (version_order_compare(order, migration->version, version) != 0)
            continue;
        Script *down = migration->down;
        memmove(migration, migration + 1, (set->migrations.len - i - 1) * sizeof *migration);
        set->migrations.len--;
        return down;
    }
    return NULL;
}

bool host_add_baseline(const ConventionContext *ctx, Arena *arena, HostBaseline *baseline,
                       const VersionOrder *order, MigrationSet *set, Error *err)
{
    scoped(Arena *, arena_freep) scratch = arena_new();
    SqlSplitOptions split = {.dialect = ctx->dialect, .file = baseline->path};
    FileInfo info;
    HostDump dump;
    Migration *migration;
    Str text, newest = {0};
    bool is_empty = false;
    if (!scratch)
        return error_nomem(err);
    if (!file_tree_info(ctx->files, baseline->path, &info, err))
        return false;
    if (info.kind != FILE_REGULAR)
        return true;
    if (!is_fresh(ctx, scratch, &is_empty, err))
        return false;
    if (!is_empty)
        return true;
    if (!peer_read(ctx, scratch, baseline->path, &text, err) ||
        !host_dump_read(scratch, &split, text, baseline->tables, &dump, err) ||
        !copy_rows(arena, &dump, baseline, err))
        return false;
    for (size_t i = 0; i < baseline->rows.len; i++) {
        const StrVec *row = &baseline->rows.items[i];
        Str version =
            row->len > baseline->version_column ? row->items[baseline->version_column] : (Str){0};
        if (version_order_takes(order, version) &&
            (newest.len == 0 || version_order_compare(order, version, newest) > 0))
            newest = version;
    }
    if (newest.len == 0)
        return true;
    Script *down = take_out(set, order, newest);
    Script *up = script_new(arena, ctx->files, baseline->path);
    ScriptForm *form = arena_alloc(arena, sizeof *form);
    if (!up || !form)
        return error_nomem(err);
    *form = (ScriptForm){.prepare = dump_prepare, .own = baseline};
    up->form = form;
    if (!peer_add(arena, set, newest, baseline->name, &migration, err))
        return false;
    migration->kind = MIGRATION_BASELINE;
    migration->up = up;
    migration->down = down;
    set->has_optional_baselines = true;
    return true;
}

const HostBaseline *host_baseline(const Migration *migration)
{
    const Script *up = migration ? migration->up : NULL;
    return up && up->form && up->form->prepare == dump_prepare ? up->form->own : NULL;
}

/* Cases of sql/: how a script is split, and what a statement is. SPDX-License-Identifier: Apache-2.0 */
#include "sql/sql.h"

#include "cases.h"

static SqlSplitOptions options_of(const Case *c)
{
    return (SqlSplitOptions){
        .dialect = case_has(c, "postgres") ? SQL_POSTGRES
                   : case_has(c, "mysql")  ? SQL_MYSQL
                                           : SQL_SQLITE,
        .file = "case.sql",
        .no_backslash_escapes = case_has(c, "no-backslash-escapes"),
        .ansi_quotes = case_has(c, "ansi-quotes"),
        .nonconforming_strings = case_has(c, "nonconforming-strings"),
    };
}

static void add_error(StrBuf *out, const Error *err)
{
    strbuf_addf(out, "error %u:%u %s: %s\n", err->pos.line, err->pos.column,
                err->code ? err->code : "(no code)", err->message);
    if (err->excerpt) {
        uint32_t column = err->excerpt_column ? err->excerpt_column : err->pos.column;
        strbuf_addf(out, "    | %s\n    | ", err->excerpt);
        for (uint32_t i = 1; i < column; i++)
            strbuf_add_char(out, err->excerpt[i - 1] == '\t' ? '\t' : ' ');
        strbuf_adds(out, "^\n");
    }
    if (err->hint)
        strbuf_addf(out, "    = %s\n", err->hint);
}

static bool run_splitter(Arena *arena, const Case *c, StrBuf *out)
{
    static const char *const terminators[] = {
        [SQL_END_SEMICOLON] = ";", [SQL_END_CLIENT] = "\\", [SQL_END_OF_TEXT] = "$"};
    SqlSplitOptions options = options_of(c);
    Error err = {.arena = arena};
    SqlStatement statement;
    scoped(SqlSplitter *, sql_splitter_freep) splitter = NULL;
    bool has;

    if (!sql_splitter_new_text(arena, &options, c->input, &splitter, &err))
        return false;
    for (;;) {
        if (!sql_splitter_next(splitter, &statement, &has, &err)) {
            add_error(out, &err);
            return true;
        }
        if (case_has(c, "trivia")) {
            strbuf_addf(out, "trivia %u ", statement.trivia_line);
            case_add_escaped(out, statement.trivia);
            strbuf_add_char(out, '\n');
        }
        if (!has)
            return true;
        size_t before = out->len;
        strbuf_addf(out, "%u:%u", statement.line, statement.column);
        size_t width = out->len - before;
        strbuf_add_repeat(out, ' ', width < 6 ? 6 - width : 1);
        strbuf_addf(out, "%s  ", terminators[statement.terminator]);
        case_add_escaped(out, statement.text);
        strbuf_add_char(out, '\n');
        if (!statement.has_copy_data)
            continue;
        strbuf_adds(out, "      data  ");
        for (;;) {
            Str piece;
            if (!sql_splitter_copy_data(splitter, &piece, &err)) {
                strbuf_add_char(out, '\n');
                add_error(out, &err);
                return true;
            }
            if (piece.len == 0)
                break;
            case_add_escaped(out, piece);
        }
        strbuf_add_char(out, '\n');
    }
}

const CaseKind splitter_cases = {"splitter", run_splitter};

/* ---- inspect: a statement a line ---- */

static void add_part(StrBuf *out, const char *what, Str schema, Str name)
{
    if (name.len == 0)
        return;
    strbuf_addf(out, " %s=", what);
    if (schema.len > 0) {
        case_add_escaped(out, schema);
        strbuf_add_char(out, '.');
    }
    case_add_escaped(out, name);
}

static bool run_inspect(Arena *arena, const Case *c, StrBuf *out)
{
    static const char *const verbs[] = {
        "other",     "create",  "alter",   "drop",   "rename",  "truncate", "insert",
        "update",    "delete",  "merge",   "select", "copy",    "call",     "do",
        "set",       "reset",   "pragma",  "use",    "begin",   "commit",   "rollback",
        "savepoint", "release", "grant",   "revoke", "comment", "analyze",  "vacuum",
        "reindex",   "cluster", "refresh", "lock",   "unlock",  "attach",   "explain",
    };
    static const char *const objects[] = {
        "none",        "table",     "index",   "view",       "materialized-view",
        "sequence",    "type",      "domain",  "schema",     "database",
        "function",    "procedure", "trigger", "event",      "extension",
        "role",        "rule",      "policy",  "tablespace", "subscription",
        "publication", "system",    "other",
    };
    static const char *const flags[] = {
        "no-transaction",
        "no-transaction-old",
        "implicit-commit",
        "transaction-control",
        "session-state",
        "ddl",
        "dml",
        "concurrently",
        "if-exists",
        "temporary",
        "copy-from-stdin",
        "uses-new-enum",
        "session-kept",
    };
    SqlSplitOptions options = options_of(c);
    (void)arena;

    for (Str rest = c->input; rest.len > 0;) {
        Str line;
        rest = str_cut(rest, '\n', &line);
        SqlInfo info = sql_inspect(line, &options);
        strbuf_adds(out, verbs[info.verb]);
        if (info.object != SQL_OBJECT_NONE)
            strbuf_addf(out, " %s", objects[info.object]);
        add_part(out, "name", info.schema, info.name);
        add_part(out, "table", info.table_schema, info.table);
        if (info.action_count > 0 || info.sub_name.len > 0) {
            strbuf_addf(out, " actions=%u (%s %s", info.action_count, verbs[info.sub_verb],
                        objects[info.sub_object]);
            add_part(out, "name", (Str){0}, info.sub_name);
            strbuf_add_char(out, ')');
        }
        for (size_t i = 0; i < sizeof flags / sizeof *flags; i++) {
            if (info.flags & 1u << i)
                strbuf_addf(out, " %s", flags[i]);
        }
        if (info.transaction_since)
            strbuf_addf(out, " since=%d", info.transaction_since);
        strbuf_add_char(out, '\n');
    }
    return true;
}

const CaseKind inspect_cases = {"inspect", run_inspect};

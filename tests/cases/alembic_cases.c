/* Cases of Alembic's operations: the body of an upgrade(), and the SQL that it comes to on each engine.
 * SPDX-License-Identifier: Apache-2.0
 *
 * The attributes name the engines; MariaDB's is left out where it is MySQL's. Each statement is a line, blanks folded; a refusal tells its
 * line. tests/interop/test_alembic.py has alembic itself write the same SQL. */
#include "convention/alembic.h"

#include "cases.h"

static const struct {
    const char *name;
    AlembicTarget target;
} engines[] = {
    {"postgres", {.dialect = SQL_POSTGRES}},
    {"mysql", {.dialect = SQL_MYSQL}},
    {"mariadb", {.dialect = SQL_MYSQL, .is_mariadb = true}},
    {"sqlite", {.dialect = SQL_SQLITE}},
};

static const char head[] = "from alembic import op\n"
                           "import sqlalchemy as sa\n"
                           "from sqlalchemy.dialects import mysql, postgresql\n"
                           "def upgrade():\n";
enum { HEAD_LINES = 4 };

static void add_folded(StrBuf *out, Str text)
{
    bool was_blank = true;
    for (size_t i = 0; i < text.len; i++) {
        bool is_blank = text.ptr[i] == ' ' || text.ptr[i] == '\n' || text.ptr[i] == '\t';
        if (!is_blank)
            strbuf_add_char(out, text.ptr[i]);
        else if (!was_blank)
            strbuf_add_char(out, ' ');
        was_blank = is_blank;
    }
    strbuf_add_char(out, '\n');
}

static bool add_statements(Arena *arena, const AlembicTarget *target, const char *name,
                           const ScriptText *text, StrBuf *out)
{
    SqlSplitOptions split = {
        .dialect = target->dialect, .whole = text->whole.items, .whole_count = text->whole.len};
    SqlStatementVec statements = {0};
    Error err = {.arena = arena};
    if (text->refusal) {
        strbuf_addf(out, "%s refused, line %u: %s\n", name,
                    text->refusal_line > HEAD_LINES ? text->refusal_line - HEAD_LINES : 0,
                    text->refusal);
        return true;
    }
    if (!sql_split(arena, &split, text->sql, &statements, &err))
        return false;
    if (statements.len == 0)
        strbuf_addf(out, "%s nothing\n", name);
    for (size_t i = 0; i < statements.len; i++) {
        strbuf_addf(out, "%s %u: ", name, statements.items[i].line - HEAD_LINES);
        if (str_find(statements.items[i].trivia, STR("no-transaction"), 0) != SIZE_MAX)
            strbuf_adds(out, "(alone) ");
        add_folded(out, statements.items[i].text);
    }
    return true;
}

static bool run(Arena *arena, const Case *c, StrBuf *out)
{
    StrBuf module_text = strbuf(arena);
    Str text, line, rest = c->input, mysql = {0};
    Error err = {.arena = arena};
    PyModule module;
    strbuf_adds(&module_text, head);
    while (rest.len > 0) {
        rest = str_cut(rest, '\n', &line);
        strbuf_addf(&module_text, "    %.*s\n", STR_ARG(line));
    }
    if (!strbuf_finish(&module_text, &text) || !python_read(arena, text, &module, &err))
        return false;
    for (size_t i = 0; i < sizeof engines / sizeof *engines; i++) {
        ScriptText made;
        StrBuf part = strbuf(arena);
        Str said;
        bool is_mariadb = engines[i].target.is_mariadb;
        if (!case_has(c, is_mariadb ? "mysql" : engines[i].name) && !case_has(c, "all"))
            continue;
        if (!alembic_render(arena, &engines[i].target, &module, STR("upgrade"), &made, &err) ||
            !add_statements(arena, &engines[i].target, is_mariadb ? "mysql" : engines[i].name,
                            &made, &part) ||
            !strbuf_finish(&part, &said))
            return false;
        if (engines[i].target.dialect == SQL_MYSQL && !is_mariadb)
            mysql = said;
        if (is_mariadb && str_eq(said, mysql))
            continue;
        while (is_mariadb && said.len > 0) {
            said = str_cut(said, '\n', &line);
            strbuf_addf(out, "mariadb%.*s\n", STR_ARG(str_sub(line, 5, line.len)));
        }
        strbuf_add(out, said);
    }
    return !out->has_failed;
}

const CaseKind alembic_cases = {.folder = "alembic", .run = run};

/* Alembic's operations, read statically, as the SQL that its offline mode writes for them.
 *
 * A function is gone through line by line. What its calls are given has to be literal; the first thing that is not is the refusal, with
 * its line, and nothing of the migration runs then. SPDX-License-Identifier: Apache-2.0 */
#include "convention/alembic_schema.h"

#include <stdarg.h>

enum { MOST_CALLS = 10, MOST_DEPTH = 30 };

/* ---- refusing, reading names ------------------------------------------------------------------------------------ */

bool(alembic_nomem)(Renderer *r)
{
    if (r->refusal) /* what cannot stand in SQL makes a buffer fail too: it was refused before */
        return false;
    r->has_failed = true;
    return error_nomem(r->err);
}

bool(alembic_refuse)(Renderer *r, const PyNode *node, const char *hint, const char *fmt, ...)
{
    StrBuf text = strbuf(r->arena);
    Str sentence;
    va_list args;
    if (r->refusal)
        return false;
    va_start(args, fmt);
    strbuf_addv(&text, fmt, args);
    va_end(args);
    if (!strbuf_finish(&text, &sentence))
        return alembic_nomem(r);
    r->refusal = sentence.ptr;
    r->hint = hint;
    r->refusal_line = node ? node->line : 0;
    return false;
}

bool alembic_path(Renderer *r, const PyNode *node, Str *ret_path)
{
    if (node && node->kind == PY_CALL)
        node = node->base;
    if (python_path(r->arena, r->module, node, ret_path, r->err))
        return true;
    r->has_failed = true;
    return false;
}

const PyNode *alembic_argument(Renderer *r, const PyNode *call, size_t place, const char *name)
{
    const PyNode *node = alembic_resolve(r, python_argument(call, place, name));
    return node && node->kind != PY_NONE ? node : NULL;
}

/* op.f("name"), batch_op.f("name"): a name that is final. */
static const PyNode *without_final(Renderer *r, const PyNode *node)
{
    node = alembic_resolve(r, node);
    if (node && node->kind == PY_CALL && node->base->kind == PY_ATTRIBUTE &&
        str_eq(node->base->text, STR("f")) && node->items.len == 1)
        return alembic_resolve(r, node->items.items[0].value);
    return node;
}

bool alembic_string(Renderer *r, const PyNode *node, const char *what, Str *ret_text)
{
    const PyNode *value = without_final(r, node);
    if (!value || value->kind != PY_STRING || value->base)
        return alembic_refuse(r, node, "Write it as a string.", "gives %s as %s", what,
                              value ? python_describe(r->arena, value) : "nothing");
    if (str_find_char(value->text, '\0', 0) != SIZE_MAX)
        return alembic_refuse(r, node, NULL, "has a NUL in %s", what);
    *ret_text = value->text;
    return true;
}

static bool is_word_char(char c)
{
    return c == '_' || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (unsigned char)c >= 0x80;
}

/* As SQLAlchemy reads a text: ":name" is a parameter unless a colon, a letter or a backslash is before it or a colon behind; "\:" is
 * a colon. */
bool alembic_sql_text(Renderer *r, const PyNode *node, Str text, Str *ret_sql)
{
    StrBuf out = strbuf(r->arena);
    for (size_t i = 0; i < text.len; i++) {
        char before = i > 0 ? text.ptr[i - 1] : '\0';
        char next = i + 1 < text.len ? text.ptr[i + 1] : '\0';
        if (text.ptr[i] == '\\' && next == ':')
            continue;
        if (text.ptr[i] == '\0')
            return alembic_refuse(r, node, NULL, "has a NUL in its SQL");
        if (text.ptr[i] == ':' && before != ':' && before != '\\' && !is_word_char(before) &&
            is_word_char(next)) {
            size_t end = i + 1;
            while (end < text.len && is_word_char(text.ptr[end]))
                end++;
            if (end == text.len || text.ptr[end] != ':')
                return alembic_refuse(
                    r, node, "Write a colon that is none of a parameter as \"\\\\:\".",
                    "has the parameter %.*s in its SQL", STR_ARG(str_sub(text, i, end)));
        }
        strbuf_add_char(&out, text.ptr[i]);
    }
    return strbuf_finish(&out, ret_sql) || alembic_nomem(r);
}

void alembic_add_name(Renderer *r, StrBuf *out, Str schema, Str name)
{
    if (schema.len > 0) {
        sql_add_ident(out, r->target->dialect, schema);
        strbuf_add_char(out, '.');
    }
    sql_add_ident(out, r->target->dialect, name);
}

/* ---- what comes out ------------------------------------------------------------------------------------------ */

/* Goes to the line that the statement comes from, if it is not past it. */
void alembic_begin(Renderer *r, const PyNode *node)
{
    if (r->out.len > 0)
        strbuf_add_char(&r->out, r->line < node->line ? '\n' : ' ');
    r->line += r->out.len > 0 && r->line < node->line;
    for (; r->line < node->line; r->line++)
        strbuf_add_char(&r->out, '\n');
    if (r->is_autocommit)
        strbuf_adds(&r->out, "/* whimbrel: no-transaction */ ");
}

bool alembic_end(Renderer *r, Str sql, bool is_whole)
{
    SqlRange range = {r->out.len, r->out.len + sql.len};
    strbuf_add(&r->out, sql);
    strbuf_adds(&r->out, ";");
    for (size_t i = 0; i < sql.len; i++)
        r->line += sql.ptr[i] == '\n';
    if (r->out.has_failed || (is_whole && !vec_push(r->arena, &r->whole, range)))
        return alembic_nomem(r);
    return true;
}

bool alembic_statement(Renderer *r, const PyNode *node, StrBuf *sql)
{
    Str text;
    if (r->refusal || r->has_failed)
        return false;
    if (!strbuf_finish(sql, &text))
        return alembic_nomem(r);
    alembic_begin(r, node);
    return alembic_end(r, text, false);
}

/* ---- arguments ----------------------------------------------------------------------------------------------- */

/* Other dialects' options mean nothing here. */
static bool is_for_others(const Renderer *r, Str name)
{
    static const struct {
        Str prefix;
        int dialect;
    } prefixes[] = {
        {{"postgresql_", 11}, SQL_POSTGRES},
        {{"mysql_", 6}, SQL_MYSQL},
        {{"sqlite_", 7}, SQL_SQLITE},
        {{"mariadb_", 8}, SQL_MYSQL},
        {{"mssql_", 6}, -1},
        {{"oracle_", 7}, -1},
    };
    for (size_t i = 0; i < sizeof prefixes / sizeof *prefixes; i++)
        if (str_starts(name, prefixes[i].prefix))
            return prefixes[i].dialect != (int)r->target->dialect;
    return false;
}

bool alembic_check(Renderer *r, const PyNode *call, const char *const *known)
{
    for (size_t i = 0; i < call->items.len; i++) {
        const PyItem *item = &call->items.items[i];
        bool is_known = item->name.len == 0 || is_for_others(r, item->name);
        for (size_t k = 0; !is_known && known[k]; k++)
            is_known = str_eq(item->name, str_from(known[k]));
        if (item->name.len > 0 && item->name.ptr[0] == '*')
            return alembic_refuse(r, call, NULL, "gives arguments that only Python knows to %s",
                                  python_describe(r->arena, call));
        if (!is_known)
            return alembic_refuse(r, item->value, NULL, "gives the argument %.*s to %s",
                                  STR_ARG(item->name), python_describe(r->arena, call));
    }
    return true;
}

bool alembic_flag(Renderer *r, const PyNode *call, const char *name, int otherwise, int *ret_flag)
{
    const PyNode *node = alembic_argument(r, call, SIZE_MAX, name);
    *ret_flag = otherwise;
    if (!node)
        return true;
    if (node->kind != PY_TRUE && node->kind != PY_FALSE)
        return alembic_refuse(r, node, NULL, "gives %s as %s", name,
                              python_describe(r->arena, node));
    *ret_flag = node->kind == PY_TRUE;
    return true;
}

bool alembic_word(Renderer *r, const PyNode *call, size_t place, const char *name, Str *ret_text)
{
    const PyNode *node = alembic_argument(r, call, place, name);
    *ret_text = (Str){0};
    return !node || alembic_string(r, node, name, ret_text);
}

bool alembic_need(Renderer *r, const PyNode *call, size_t place, const char *name, Str *ret_text)
{
    const PyNode *node = alembic_argument(r, call, place, name);
    if (!node)
        return alembic_refuse(r, call, NULL, "gives no %s to %s", name,
                              python_describe(r->arena, call));
    return alembic_string(r, node, name, ret_text);
}

/* A schema with dots in it is several to some functions of SQLAlchemy's and one to others. */
bool alembic_schema(Renderer *r, const PyNode *call, const char *name, Str *ret_schema)
{
    if (!alembic_word(r, call, SIZE_MAX, name, ret_schema))
        return false;
    return str_find_char(*ret_schema, '.', 0) == SIZE_MAX ||
           alembic_refuse(r, call, NULL, "has a schema with a dot in its name");
}

/* A list or tuple of strings; a string alone is not one. */
bool alembic_strings(Renderer *r, const PyNode *node, const char *what, StrVec *ret_strings)
{
    StrVec strings = {0};
    node = alembic_resolve(r, node);
    if (!node || (node->kind != PY_LIST && node->kind != PY_TUPLE))
        return alembic_refuse(r, node, NULL, "gives %s as %s", what,
                              node ? python_describe(r->arena, node) : "nothing");
    for (size_t i = 0; i < node->items.len; i++) {
        Str text;
        if (!alembic_string(r, node->items.items[i].value, what, &text))
            return false;
        if (!vec_push(r->arena, &strings, text))
            return alembic_nomem(r);
    }
    *ret_strings = strings;
    return true;
}

/* ---- tables, columns: the simple ones ------------------------------------------------------------------------ */

static bool find_place(Renderer *r, const PyNode *call, size_t at, bool is_batch, Place *ret_place)
{
    Place place = {.is_batch = is_batch, .next = at};
    if (is_batch) {
        place.table = r->batch_table;
        place.schema = r->batch_schema;
    } else {
        if (!alembic_need(r, call, at, "table_name", &place.table) ||
            !alembic_schema(r, call, "schema", &place.schema))
            return false;
        place.next = at + 1;
    }
    *ret_place = place;
    return true;
}

static void begin_alter(Renderer *r, const Place *place, StrBuf *sql)
{
    strbuf_adds(sql, "ALTER TABLE ");
    alembic_add_name(r, sql, place->schema, place->table);
    strbuf_add_char(sql, ' ');
}

static bool drop_table(Renderer *r, const PyNode *call, bool is_batch)
{
    static const char *const known[] = {"table_name", "schema", "if_exists", "info", NULL};
    Place place;
    StrBuf sql = strbuf(r->arena);
    int if_exists;
    if (!alembic_check(r, call, known) || !find_place(r, call, 0, is_batch, &place) ||
        !alembic_flag(r, call, "if_exists", 0, &if_exists))
        return false;
    strbuf_adds(&sql, if_exists ? "DROP TABLE IF EXISTS " : "DROP TABLE ");
    alembic_add_name(r, &sql, place.schema, place.table);
    return alembic_statement(r, call, &sql);
}

static bool rename_table(Renderer *r, const PyNode *call, bool is_batch)
{
    static const char *const known[] = {"old_table_name", "new_table_name", "schema", NULL};
    Place place = {0};
    Str new_name;
    StrBuf sql = strbuf(r->arena);
    if (is_batch)
        return alembic_refuse(r, call, NULL, "renames a table within batch_alter_table()");
    if (!alembic_check(r, call, known) ||
        !alembic_need(r, call, 0, "old_table_name", &place.table) ||
        !alembic_need(r, call, 1, "new_table_name", &new_name) ||
        !alembic_schema(r, call, "schema", &place.schema))
        return false;
    begin_alter(r, &place, &sql);
    strbuf_adds(&sql, "RENAME TO ");
    alembic_add_name(r, &sql, r->target->dialect == SQL_MYSQL ? place.schema : (Str){0}, new_name);
    return alembic_statement(r, call, &sql);
}

static bool drop_column(Renderer *r, const PyNode *call, bool is_batch)
{
    static const char *const known[] = {"table_name", "column_name", "schema", "if_exists", NULL};
    Place place;
    Str column;
    StrBuf sql = strbuf(r->arena);
    int if_exists;
    if (!alembic_check(r, call, known) || !find_place(r, call, 0, is_batch, &place) ||
        !alembic_need(r, call, place.next, "column_name", &column) ||
        !alembic_flag(r, call, "if_exists", 0, &if_exists))
        return false;
    begin_alter(r, &place, &sql);
    strbuf_adds(&sql, if_exists ? "DROP COLUMN IF EXISTS " : "DROP COLUMN ");
    sql_add_ident(&sql, r->target->dialect, column);
    return alembic_statement(r, call, &sql);
}

static bool table_comment(Renderer *r, const PyNode *call, bool is_batch, bool is_drop)
{
    static const char *const known[] = {"table_name", "comment", "existing_comment", "schema",
                                        NULL};
    Place place;
    Str comment = {0};
    StrBuf sql = strbuf(r->arena);
    SqlDialect dialect = r->target->dialect;
    if (!alembic_check(r, call, known) || !find_place(r, call, 0, is_batch, &place) ||
        (!is_drop && !alembic_need(r, call, place.next, "comment", &comment)))
        return false;
    if (dialect == SQL_SQLITE)
        return alembic_refuse(r, call, NULL, "gives a comment to a table, which SQLite has not");
    if (dialect == SQL_MYSQL) {
        begin_alter(r, &place, &sql);
        strbuf_adds(&sql, "COMMENT ");
        sql_add_literal(&sql, dialect, comment);
        return alembic_statement(r, call, &sql);
    }
    strbuf_adds(&sql, "COMMENT ON TABLE ");
    alembic_add_name(r, &sql, place.schema, place.table);
    strbuf_adds(&sql, " IS ");
    if (is_drop)
        strbuf_adds(&sql, "NULL");
    else
        sql_add_literal(&sql, dialect, comment);
    return alembic_statement(r, call, &sql);
}

/* ---- alter_column --------------------------------------------------------------------------------------------- */

/* As given, so that None and False are told apart from nothing. */
static const PyNode *as_given(Renderer *r, const PyNode *call, const char *name)
{
    const PyNode *node = alembic_resolve(r, python_argument(call, SIZE_MAX, name));
    return node && node->kind == PY_FALSE ? NULL : node;
}

bool alembic_read_alteration(Renderer *r, const PyNode *call, bool is_batch, Alteration *a)
{
    static const char *const known[] = {"table_name",
                                        "column_name",
                                        "nullable",
                                        "comment",
                                        "server_default",
                                        "new_column_name",
                                        "type_",
                                        "existing_type",
                                        "existing_server_default",
                                        "existing_nullable",
                                        "existing_comment",
                                        "schema",
                                        "autoincrement",
                                        "existing_autoincrement",
                                        "postgresql_using",
                                        NULL};
    *a = (Alteration){.call = call};
    if (!alembic_check(r, call, known) || !find_place(r, call, 0, is_batch, &a->place) ||
        !alembic_need(r, call, a->place.next, "column_name", &a->column) ||
        !alembic_word(r, call, SIZE_MAX, "new_column_name", &a->new_name) ||
        !alembic_flag(r, call, "nullable", -1, &a->nullable) ||
        !alembic_flag(r, call, "existing_nullable", -1, &a->existing_nullable) ||
        !alembic_flag(r, call, "autoincrement", -1, &a->autoincrement) ||
        !alembic_flag(r, call, "existing_autoincrement", -1, &a->existing_autoincrement) ||
        !alembic_word(r, call, SIZE_MAX, "postgresql_using", &a->using) ||
        !alembic_word(r, call, SIZE_MAX, "existing_comment", &a->existing_comment))
        return false;
    a->type = alembic_argument(r, call, SIZE_MAX, "type_");
    a->existing_type = alembic_argument(r, call, SIZE_MAX, "existing_type");
    a->default_value = as_given(r, call, "server_default");
    a->existing_default = as_given(r, call, "existing_server_default");
    const PyNode *comment = as_given(r, call, "comment");
    a->has_comment = comment != NULL;
    if (comment && comment->kind != PY_NONE && !alembic_string(r, comment, "comment", &a->comment))
        return false;
    return true;
}

static bool begin_alter_column(Renderer *r, const Alteration *a, StrBuf *sql)
{
    *sql = strbuf(r->arena);
    begin_alter(r, &a->place, sql);
    strbuf_adds(sql, "ALTER COLUMN ");
    sql_add_ident(sql, r->target->dialect, a->column);
    strbuf_add_char(sql, ' ');
    return true;
}

static bool alter_default(Renderer *r, const Alteration *a)
{
    StrBuf sql;
    if (!a->default_value)
        return true;
    begin_alter_column(r, a, &sql);
    if (a->default_value->kind == PY_NONE)
        strbuf_adds(&sql, "DROP DEFAULT");
    else {
        strbuf_adds(&sql, "SET DEFAULT ");
        if (!alembic_default(r, a->default_value, false, &sql))
            return false;
    }
    return alembic_statement(r, a->call, &sql);
}

/* The CHECK of a type that the engine has not. */
static bool check_type(Renderer *r, const Alteration *a, const EnumType *type)
{
    StrBuf sql = strbuf(r->arena), body = strbuf(r->arena);
    if (type->check.len == 0)
        return true;
    alembic_type_check(r, a->new_name.len > 0 ? a->new_name : a->column, type, &body);
    begin_alter(r, &a->place, &sql);
    strbuf_adds(&sql, "ADD ");
    strbuf_add(&sql, strbuf_str(&body));
    return alembic_statement(r, a->call, &sql);
}

static bool alter_postgres(Renderer *r, const Alteration *a)
{
    EnumType type = {0};
    StrBuf sql;
    if (a->type) {
        begin_alter_column(r, a, &sql);
        strbuf_adds(&sql, "TYPE ");
        if (!alembic_type(r, a->type, &sql, NULL, &type))
            return false;
        if (a->using.len > 0)
            strbuf_addf(&sql, " USING %.*s", STR_ARG(a->using));
        if (!alembic_statement(r, a->call, &sql))
            return false;
    } else if (a->using.len > 0) {
        return alembic_refuse(r, a->call, NULL, "gives postgresql_using without type_");
    }
    if (a->nullable >= 0) {
        begin_alter_column(r, a, &sql);
        strbuf_adds(&sql, a->nullable ? "DROP NOT NULL" : "SET NOT NULL");
        if (!alembic_statement(r, a->call, &sql))
            return false;
    }
    if (!alter_default(r, a))
        return false;
    if (a->has_comment) {
        sql = strbuf(r->arena);
        strbuf_adds(&sql, "COMMENT ON COLUMN ");
        alembic_add_name(r, &sql, a->place.schema, a->place.table);
        strbuf_add_char(&sql, '.');
        sql_add_ident(&sql, SQL_POSTGRES, a->column);
        strbuf_adds(&sql, " IS ");
        if (a->comment.len > 0)
            sql_add_literal(&sql, SQL_POSTGRES, a->comment);
        else
            strbuf_adds(&sql, "NULL");
        if (!alembic_statement(r, a->call, &sql))
            return false;
    }
    if (a->new_name.len == 0)
        return check_type(r, a, &type);
    sql = strbuf(r->arena);
    begin_alter(r, &a->place, &sql);
    strbuf_adds(&sql, "RENAME ");
    sql_add_ident(&sql, SQL_POSTGRES, a->column);
    strbuf_adds(&sql, " TO ");
    sql_add_ident(&sql, SQL_POSTGRES, a->new_name);
    return alembic_statement(r, a->call, &sql) && check_type(r, a, &type);
}

/* MySQL wants the whole column said again. */
static bool alter_mysql(Renderer *r, const Alteration *a)
{
    StrBuf sql = strbuf(r->arena), type_sql = strbuf(r->arena);
    const PyNode *type = a->type ? a->type : a->existing_type;
    const PyNode *value = a->default_value ? a->default_value : a->existing_default;
    TypeFamily family = TYPE_OTHER;
    EnumType enumeration = {0};
    if (type && !alembic_type(r, type, &type_sql, &family, &enumeration))
        return false;
    if (!a->type)
        enumeration.check = (Str){0}; /* it has it already */
    /* A type that is not called does not count as one of a moment there. */
    bool is_moment =
        type && type->kind == PY_CALL && (family == TYPE_DATETIME || family == TYPE_TIMESTAMP);
    bool drops_default = a->default_value && a->default_value->kind == PY_NONE;
    bool is_change = a->new_name.len > 0 || (is_moment && !drops_default);
    if (!is_change && a->nullable < 0 && !a->type && a->autoincrement < 0 && !a->has_comment)
        return alter_default(r, a);
    if (!type)
        return alembic_refuse(r, a->call, "Give existing_type, as MySQL needs the whole column.",
                              "alters a column without its existing_type");
    begin_alter(r, &a->place, &sql);
    strbuf_adds(&sql, is_change ? "CHANGE " : "MODIFY ");
    sql_add_ident(&sql, SQL_MYSQL, a->column);
    if (is_change) {
        strbuf_add_char(&sql, ' ');
        sql_add_ident(&sql, SQL_MYSQL, a->new_name.len > 0 ? a->new_name : a->column);
    }
    int nullable = a->nullable >= 0 ? a->nullable : a->existing_nullable;
    int counts = a->autoincrement >= 0 ? a->autoincrement : a->existing_autoincrement;
    strbuf_add_char(&sql, ' ');
    strbuf_add(&sql, strbuf_str(&type_sql));
    strbuf_adds(&sql, nullable == 0 ? " NOT NULL" : " NULL");
    strbuf_adds(&sql, counts > 0 ? " AUTO_INCREMENT" : "");
    if (value && value->kind != PY_NONE) {
        strbuf_adds(&sql, " DEFAULT ");
        if (!alembic_default(r, value, false, &sql))
            return false;
    }
    Str comment = a->has_comment ? a->comment : a->existing_comment;
    if (comment.len > 0) {
        strbuf_adds(&sql, " COMMENT ");
        sql_add_literal(&sql, SQL_MYSQL, comment);
    }
    return alembic_statement(r, a->call, &sql) && check_type(r, a, &enumeration);
}

#define REBUILD_HINT                                                                               \
    "On SQLite that takes a new table: write the SQL beside the migration, or run it with "        \
    "alembic."

static bool alter_sqlite(Renderer *r, const Alteration *a)
{
    StrBuf sql = strbuf(r->arena);
    if (a->nullable >= 0 || a->type || a->default_value || a->has_comment || a->autoincrement >= 0)
        return alembic_refuse(r, a->call, REBUILD_HINT, "alters the column %.*s of %.*s",
                              STR_ARG(a->column), STR_ARG(a->place.table));
    if (a->new_name.len == 0)
        return true;
    begin_alter(r, &a->place, &sql);
    strbuf_adds(&sql, "RENAME COLUMN ");
    sql_add_ident(&sql, SQL_SQLITE, a->column);
    strbuf_adds(&sql, " TO ");
    sql_add_ident(&sql, SQL_SQLITE, a->new_name);
    return alembic_statement(r, a->call, &sql);
}

static bool alter_column(Renderer *r, const PyNode *call, bool is_batch)
{
    Alteration a;
    if (!alembic_read_alteration(r, call, is_batch, &a))
        return false;
    switch (r->target->dialect) {
    case SQL_POSTGRES:
        return alter_postgres(r, &a);
    case SQL_MYSQL:
        return alter_mysql(r, &a);
    case SQL_SQLITE:
        break;
    }
    return alter_sqlite(r, &a);
}

/* ---- indexes -------------------------------------------------------------------------------------------------- */

/* A name, or sa.text() and the like as it stands. */
static bool add_index_column(Renderer *r, const PyNode *node, const PyNode *lengths,
                             const PyNode *classes, StrBuf *sql)
{
    bool is_expression;
    Str text;
    node = alembic_resolve(r, node);
    if (!node || !alembic_expression(r, node, &is_expression, &text))
        return false;
    if (is_expression) {
        strbuf_add(sql, text);
        return true;
    }
    if (!alembic_string(r, node, "a column of the index", &text))
        return false;
    sql_add_ident(sql, r->target->dialect, text);
    for (size_t i = 0; lengths && lengths->kind == PY_DICT && i < lengths->items.len; i++) {
        const PyItem *item = &lengths->items.items[i];
        if (item->key && item->key->kind == PY_STRING && str_eq(item->key->text, text) &&
            item->value->kind == PY_NUMBER)
            strbuf_addf(sql, "(%.*s)", STR_ARG(item->value->text));
    }
    if (lengths && lengths->kind == PY_NUMBER)
        strbuf_addf(sql, "(%.*s)", STR_ARG(lengths->text));
    for (size_t i = 0; classes && classes->kind == PY_DICT && i < classes->items.len; i++) {
        const PyItem *item = &classes->items.items[i];
        if (item->key && item->key->kind == PY_STRING && str_eq(item->key->text, text) &&
            item->value->kind == PY_STRING)
            strbuf_addf(sql, " %.*s", STR_ARG(item->value->text));
    }
    return true;
}

static bool add_index_columns(Renderer *r, const PyNode *call, const PyNode *columns, StrBuf *sql)
{
    const PyNode *lengths = r->target->dialect == SQL_MYSQL
                                ? alembic_argument(r, call, SIZE_MAX, "mysql_length")
                                : NULL;
    const PyNode *classes = r->target->dialect == SQL_POSTGRES
                                ? alembic_argument(r, call, SIZE_MAX, "postgresql_ops")
                                : NULL;
    columns = alembic_resolve(r, columns);
    if (!columns || (columns->kind != PY_LIST && columns->kind != PY_TUPLE))
        return alembic_refuse(r, call, NULL, "gives the columns of an index as %s",
                              columns ? python_describe(r->arena, columns) : "nothing");
    if ((lengths && lengths->kind != PY_DICT && lengths->kind != PY_NUMBER) ||
        (classes && classes->kind != PY_DICT))
        return alembic_refuse(r, call, NULL, "gives options of an index that only Python knows");
    strbuf_adds(sql, "(");
    for (size_t i = 0; i < columns->items.len; i++) {
        strbuf_adds(sql, i > 0 ? ", " : "");
        if (!add_index_column(r, columns->items.items[i].value, lengths, classes, sql))
            return false;
    }
    strbuf_adds(sql, ")");
    return true;
}

/* {"fillfactor": 50} */
bool alembic_storage(Renderer *r, const PyNode *options, StrBuf *sql)
{
    if (options->kind != PY_DICT)
        return alembic_refuse(r, options, NULL, "gives options of an index that only Python knows");
    strbuf_adds(sql, " WITH (");
    for (size_t i = 0; i < options->items.len; i++) {
        const PyItem *item = &options->items.items[i];
        const PyNode *value = alembic_resolve(r, item->value);
        if (!item->key || item->key->kind != PY_STRING)
            return alembic_refuse(r, options, NULL,
                                  "gives options of an index that only Python knows");
        strbuf_addf(sql, "%s%.*s", i > 0 ? ", " : "", STR_ARG(item->key->text));
        if (value->kind == PY_TRUE || value->kind == PY_FALSE)
            strbuf_adds(sql, value->kind == PY_TRUE ? " = true" : " = false");
        else if (value->kind == PY_NUMBER || value->kind == PY_STRING)
            strbuf_addf(sql, " = %.*s", STR_ARG(value->text));
        else if (value->kind != PY_NONE)
            return alembic_refuse(r, options, NULL,
                                  "gives options of an index that only Python knows");
    }
    strbuf_adds(sql, ")");
    return true;
}

static bool add_index_tail(Renderer *r, const PyNode *call, StrBuf *sql)
{
    SqlDialect dialect = r->target->dialect;
    bool is_expression;
    Str text, using;
    StrVec included;
    int is_distinct;
    if (dialect == SQL_MYSQL) {
        if (!alembic_word(r, call, SIZE_MAX, "mysql_using", &using))
            return false;
        if (!alembic_word(r, call, SIZE_MAX, "mysql_with_parser", &text))
            return false;
        if (text.len > 0)
            strbuf_addf(sql, " WITH PARSER %.*s", STR_ARG(text));
        if (using.len > 0)
            strbuf_addf(sql, " USING %.*s", STR_ARG(using));
        return true;
    }
    if (dialect == SQL_POSTGRES) {
        const PyNode *include = alembic_argument(r, call, SIZE_MAX, "postgresql_include");
        const PyNode *storage = alembic_argument(r, call, SIZE_MAX, "postgresql_with");
        if (include && (!alembic_strings(r, include, "postgresql_include", &included) ||
                        (strbuf_adds(sql, " INCLUDE "), !alembic_add_columns(r, &included, sql))))
            return false;
        if (!alembic_flag(r, call, "postgresql_nulls_not_distinct", -1, &is_distinct))
            return false;
        strbuf_adds(sql, is_distinct == 1   ? " NULLS NOT DISTINCT"
                         : is_distinct == 0 ? " NULLS DISTINCT"
                                            : "");
        if ((storage && !alembic_storage(r, storage, sql)) ||
            !alembic_word(r, call, SIZE_MAX, "postgresql_tablespace", &text))
            return false;
        if (text.len > 0) {
            strbuf_adds(sql, " TABLESPACE ");
            sql_add_ident(sql, dialect, text);
        }
    }
    const PyNode *where = alembic_argument(
        r, call, SIZE_MAX, dialect == SQL_POSTGRES ? "postgresql_where" : "sqlite_where");
    if (!where)
        return true;
    if (!alembic_expression(r, where, &is_expression, &text) ||
        (!is_expression && (!alembic_string(r, where, "the condition of an index", &text) ||
                            !alembic_sql_text(r, where, text, &text))))
        return false;
    strbuf_addf(sql, " WHERE %.*s", STR_ARG(text));
    return true;
}

bool alembic_write_index(Renderer *r, const IndexCall *index)
{
    SqlDialect dialect = r->target->dialect;
    const PyNode *call = index->call;
    Str using = {0}, prefix = {0};
    int is_unique, if_not_exists, is_concurrent = 0;
    StrBuf sql = strbuf(r->arena);
    if (!alembic_flag(r, call, "unique", 0, &is_unique) ||
        !alembic_flag(r, call, "if_not_exists", 0, &if_not_exists) ||
        (dialect == SQL_POSTGRES &&
         (!alembic_flag(r, call, "postgresql_concurrently", 0, &is_concurrent) ||
          !alembic_word(r, call, SIZE_MAX, "postgresql_using", &using))) ||
        (dialect == SQL_MYSQL && !alembic_word(r, call, SIZE_MAX, "mysql_prefix", &prefix)))
        return false;
    strbuf_adds(&sql, is_unique ? "CREATE UNIQUE " : "CREATE ");
    if (prefix.len > 0)
        strbuf_addf(&sql, "%.*s ", STR_ARG(prefix));
    strbuf_adds(&sql, is_concurrent ? "INDEX CONCURRENTLY " : "INDEX ");
    strbuf_adds(&sql, if_not_exists ? "IF NOT EXISTS " : "");
    alembic_add_name(r, &sql, dialect == SQL_SQLITE ? index->schema : (Str){0}, index->name);
    strbuf_adds(&sql, " ON ");
    alembic_add_name(r, &sql, dialect == SQL_SQLITE ? (Str){0} : index->schema, index->table);
    strbuf_adds(&sql, " ");
    if (using.len > 0)
        strbuf_addf(&sql, "USING %.*s ", STR_ARG(using));
    return add_index_columns(r, call, index->columns, &sql) && add_index_tail(r, call, &sql) &&
           alembic_statement(r, index->at, &sql);
}

#define INDEX_OPTIONS                                                                              \
    "unique", "info", "postgresql_using", "postgresql_where", "postgresql_concurrently",           \
        "postgresql_include", "postgresql_with", "postgresql_ops",                                 \
        "postgresql_nulls_not_distinct", "postgresql_tablespace", "sqlite_where", "mysql_length",  \
        "mysql_prefix", "mysql_using", "mysql_with_parser"

bool alembic_read_index(Renderer *r, const PyNode *call, bool is_batch, IndexCall *ret_index)
{
    static const char *const known[] = {"index_name",    "table_name",  "columns", "schema",
                                        "if_not_exists", INDEX_OPTIONS, NULL};
    IndexCall index = {.at = call, .call = call};
    Place place;
    if (!alembic_check(r, call, known) || !alembic_need(r, call, 0, "index_name", &index.name) ||
        !find_place(r, call, 1, is_batch, &place))
        return false;
    index.schema = place.schema;
    index.table = place.table;
    index.columns = python_argument(call, place.next, "columns");
    *ret_index = index;
    return true;
}

static bool create_index(Renderer *r, const PyNode *call, bool is_batch)
{
    IndexCall index;
    return alembic_read_index(r, call, is_batch, &index) && alembic_write_index(r, &index);
}

bool alembic_table_index(Renderer *r, const PyNode *at, const PyNode *call, Str schema, Str table)
{
    static const char *const known[] = {"name", INDEX_OPTIONS, NULL};
    PyNode columns = {.kind = PY_LIST, .line = call->line, .column = call->column};
    IndexCall index = {
        .at = at, .call = call, .columns = &columns, .schema = schema, .table = table};
    const PyNode *column;
    if (!alembic_check(r, call, known) || !alembic_need(r, call, 0, "name", &index.name))
        return false;
    for (size_t place = 1; (column = python_argument(call, place, NULL)); place++) {
        PyItem item = {.value = column};
        if (!vec_push(r->arena, &columns.items, item))
            return alembic_nomem(r);
    }
    return alembic_write_index(r, &index);
}

static bool drop_index(Renderer *r, const PyNode *call, bool is_batch)
{
    static const char *const known[] = {"index_name", "table_name",  "schema", "if_exists",
                                        "info",       INDEX_OPTIONS, NULL};
    SqlDialect dialect = r->target->dialect;
    Str name, table = r->batch_table, schema = r->batch_schema;
    int if_exists, is_concurrent = 0;
    StrBuf sql = strbuf(r->arena);
    if (!alembic_check(r, call, known) || !alembic_need(r, call, 0, "index_name", &name) ||
        (!is_batch && (!alembic_word(r, call, 1, "table_name", &table) ||
                       !alembic_schema(r, call, "schema", &schema))) ||
        !alembic_flag(r, call, "if_exists", 0, &if_exists) ||
        (dialect == SQL_POSTGRES &&
         !alembic_flag(r, call, "postgresql_concurrently", 0, &is_concurrent)))
        return false;
    if (dialect == SQL_MYSQL && table.len == 0)
        return alembic_refuse(r, call, "Give table_name.", "drops an index without its table");
    strbuf_adds(&sql, is_concurrent ? "DROP INDEX CONCURRENTLY " : "DROP INDEX ");
    strbuf_adds(&sql, if_exists ? "IF EXISTS " : "");
    alembic_add_name(r, &sql, dialect == SQL_MYSQL ? (Str){0} : schema, name);
    if (dialect == SQL_MYSQL) {
        strbuf_adds(&sql, " ON ");
        alembic_add_name(r, &sql, schema, table);
    }
    return alembic_statement(r, call, &sql);
}

/* ---- constraints ---------------------------------------------------------------------------------------------- */

static bool refuse_on_sqlite(Renderer *r, const PyNode *call)
{
    if (r->target->dialect != SQL_SQLITE)
        return true;
    return alembic_refuse(r, call, REBUILD_HINT, "changes constraints with %s",
                          python_describe(r->arena, call));
}

static bool add_constraint(Renderer *r, const PyNode *call, const Place *place, Str name,
                           const StrBuf *body)
{
    StrBuf sql = strbuf(r->arena);
    begin_alter(r, place, &sql);
    strbuf_adds(&sql, "ADD ");
    if (name.len > 0) {
        strbuf_adds(&sql, "CONSTRAINT ");
        sql_add_ident(&sql, r->target->dialect, name);
        strbuf_add_char(&sql, ' ');
    }
    strbuf_add(&sql, strbuf_str(body));
    return alembic_statement(r, call, &sql);
}

static bool create_foreign_key(Renderer *r, const PyNode *call, bool is_batch)
{
    static const char *const known[] = {"constraint_name",
                                        "source_table",
                                        "referent_table",
                                        "local_cols",
                                        "remote_cols",
                                        "onupdate",
                                        "ondelete",
                                        "deferrable",
                                        "initially",
                                        "match",
                                        "source_schema",
                                        "referent_schema",
                                        NULL};
    Place place = {.next = 1, .table = r->batch_table, .schema = r->batch_schema};
    Str name, referent, referent_schema;
    StrVec local, remote;
    StrBuf body = strbuf(r->arena);
    if (!refuse_on_sqlite(r, call) || !alembic_check(r, call, known) ||
        !alembic_word(r, call, 0, "constraint_name", &name))
        return false;
    if (!is_batch && (!alembic_need(r, call, place.next++, "source_table", &place.table) ||
                      !alembic_schema(r, call, "source_schema", &place.schema)))
        return false;
    if (!alembic_need(r, call, place.next, "referent_table", &referent) ||
        !alembic_schema(r, call, "referent_schema", &referent_schema) ||
        !alembic_strings(r, python_argument(call, place.next + 1, "local_cols"), "local_cols",
                         &local) ||
        !alembic_strings(r, python_argument(call, place.next + 2, "remote_cols"), "remote_cols",
                         &remote))
        return false;
    return alembic_foreign_key(r, call, &local, referent_schema, referent, &remote, &body) &&
           add_constraint(r, call, &place, name, &body);
}

static bool create_columns_constraint(Renderer *r, const PyNode *call, bool is_batch,
                                      const char *kind)
{
    static const char *const known[] = {"constraint_name",
                                        "table_name",
                                        "columns",
                                        "schema",
                                        "deferrable",
                                        "initially",
                                        "postgresql_nulls_not_distinct",
                                        NULL};
    Place place;
    Str name;
    StrVec columns;
    StrBuf body = strbuf(r->arena);
    int is_distinct = -1;
    if (!refuse_on_sqlite(r, call) || !alembic_check(r, call, known) ||
        !alembic_word(r, call, 0, "constraint_name", &name) ||
        !find_place(r, call, 1, is_batch, &place) ||
        !alembic_strings(r, python_argument(call, place.next, "columns"), "columns", &columns) ||
        !alembic_flag(r, call, "postgresql_nulls_not_distinct", -1, &is_distinct))
        return false;
    strbuf_addf(&body, "%s ", kind);
    if (r->target->dialect == SQL_POSTGRES && is_distinct >= 0)
        strbuf_adds(&body, is_distinct ? "NULLS NOT DISTINCT " : "NULLS DISTINCT ");
    return alembic_add_columns(r, &columns, &body) && alembic_deferrable(r, call, &body) &&
           add_constraint(r, call, &place, name, &body);
}

static bool create_check(Renderer *r, const PyNode *call, bool is_batch)
{
    static const char *const known[] = {"constraint_name", "table_name", "condition", "schema",
                                        "deferrable",      "initially",  NULL};
    Place place;
    Str name;
    StrBuf body = strbuf(r->arena);
    if (!refuse_on_sqlite(r, call) || !alembic_check(r, call, known) ||
        !alembic_word(r, call, 0, "constraint_name", &name) ||
        !find_place(r, call, 1, is_batch, &place))
        return false;
    return alembic_condition(r, call, python_argument(call, place.next, "condition"), &body) &&
           alembic_deferrable(r, call, &body) && add_constraint(r, call, &place, name, &body);
}

static bool drop_constraint(Renderer *r, const PyNode *call, bool is_batch)
{
    static const char *const known[] = {"constraint_name", "table_name", "type_",
                                        "schema",          "if_exists",  NULL};
    Place place;
    Str name, type;
    StrBuf sql = strbuf(r->arena);
    int if_exists;
    bool is_mysql = r->target->dialect == SQL_MYSQL, wants_name = true;
    if (!refuse_on_sqlite(r, call) || !alembic_check(r, call, known) ||
        !alembic_need(r, call, 0, "constraint_name", &name) ||
        !find_place(r, call, 1, is_batch, &place) ||
        !alembic_word(r, call, place.next, "type_", &type) ||
        !alembic_flag(r, call, "if_exists", 0, &if_exists))
        return false;
    begin_alter(r, &place, &sql);
    if (!is_mysql) {
        strbuf_adds(&sql, if_exists ? "DROP CONSTRAINT IF EXISTS " : "DROP CONSTRAINT ");
    } else if (str_eq(type, STR("foreignkey"))) {
        strbuf_adds(&sql, "DROP FOREIGN KEY ");
    } else if (str_eq(type, STR("primary"))) {
        strbuf_adds(&sql, "DROP PRIMARY KEY");
        wants_name = false;
    } else if (str_eq(type, STR("unique"))) {
        strbuf_adds(&sql, "DROP INDEX ");
    } else if (str_eq(type, STR("check"))) {
        strbuf_adds(&sql, r->target->is_mariadb ? "DROP CONSTRAINT " : "DROP CHECK ");
    } else {
        return alembic_refuse(r, call, "Give type_, as MySQL has no way to drop just any.",
                              "drops a constraint without saying its type");
    }
    if (wants_name)
        sql_add_ident(&sql, r->target->dialect, name);
    return alembic_statement(r, call, &sql);
}

/* ---- data, SQL ------------------------------------------------------------------------------------------------ */

static bool add_value(Renderer *r, const PyNode *node, StrBuf *sql)
{
    SqlDialect dialect = r->target->dialect;
    bool is_true;
    node = alembic_resolve(r, node);
    if (!node)
        return false;
    switch (node->kind) {
    case PY_NONE:
        strbuf_adds(sql, "NULL");
        return true;
    case PY_TRUE:
    case PY_FALSE:
        is_true = node->kind == PY_TRUE;
        strbuf_adds(sql,
                    dialect == SQL_SQLITE ? (is_true ? "1" : "0") : (is_true ? "true" : "false"));
        return true;
    case PY_NUMBER:
        /* 0x10, 1_000, 1j: SQL knows them otherwise or not at all */
        for (size_t i = 0; i < node->text.len; i++)
            if (!(node->text.ptr[i] >= '0' && node->text.ptr[i] <= '9') &&
                node->text.ptr[i] != '.' && node->text.ptr[i] != '-')
                return alembic_refuse(r, node, NULL, "has a number that SQL writes otherwise");
        strbuf_add(sql, node->text);
        return true;
    case PY_STRING:
        if (str_find_char(node->text, '\0', 0) != SIZE_MAX)
            return alembic_refuse(r, node, NULL, "has a NUL in a value");
        sql_add_literal(sql, dialect, node->text);
        return true;
    case PY_BYTES:
        sql_add_blob(sql, dialect, node->text);
        return true;
    case PY_NAME:
    case PY_ATTRIBUTE:
    case PY_CALL:
    case PY_LIST:
    case PY_TUPLE:
    case PY_SET:
    case PY_DICT:
    case PY_OPERATION:
    case PY_OTHER:
        break;
    }
    return alembic_refuse(r, node, NULL, "inserts %s", python_describe(r->arena, node));
}

/* sa.table("t", ...), sa.Table, or what op.create_table() gave: where rows go. */
static bool find_table(Renderer *r, const PyNode *call, const PyNode *node, Str *ret_schema,
                       Str *ret_name)
{
    Str path;
    node = alembic_resolve(r, node);
    if (!node || node->kind != PY_CALL)
        return alembic_refuse(r, call, NULL, "inserts into a table that only Python knows");
    if (!alembic_path(r, node, &path))
        return false;
    if (!str_eq(path, STR("sqlalchemy.table")) && !str_eq(path, STR("sqlalchemy.sql.table")) &&
        !str_eq(path, STR("sqlalchemy.Table")) && !str_eq(path, STR("alembic.op.create_table")) &&
        !str_eq(path, STR("sqlalchemy.sql.expression.table")))
        return alembic_refuse(r, node, NULL, "inserts into %s", python_describe(r->arena, node));
    for (size_t i = 0; i < node->items.len; i++) {
        const PyNode *column = alembic_resolve(r, node->items.items[i].value);
        if (column && column->kind == PY_CALL && alembic_argument(r, column, SIZE_MAX, "default"))
            return alembic_refuse(r, column, NULL,
                                  "inserts into a table with a default that only Python knows");
    }
    return alembic_need(r, node, 0, "name", ret_name) &&
           alembic_schema(r, node, "schema", ret_schema);
}

static bool bulk_insert(Renderer *r, const PyNode *call)
{
    static const char *const known[] = {"table", "rows", "multiinsert", NULL};
    Str schema, table;
    const PyNode *rows = alembic_argument(r, call, 1, "rows");
    if (!alembic_check(r, call, known) ||
        !find_table(r, call, python_argument(call, 0, "table"), &schema, &table))
        return false;
    if (!rows || rows->kind != PY_LIST)
        return alembic_refuse(r, call, NULL, "inserts rows that only Python knows");
    for (size_t i = 0; i < rows->items.len; i++) {
        const PyNode *row = alembic_resolve(r, rows->items.items[i].value);
        StrBuf sql = strbuf(r->arena), values = strbuf(r->arena);
        if (!row || row->kind != PY_DICT || row->items.len == 0)
            return alembic_refuse(r, call, NULL, "inserts rows that only Python knows");
        strbuf_adds(&sql, "INSERT INTO ");
        alembic_add_name(r, &sql, schema, table);
        strbuf_adds(&sql, " (");
        for (size_t k = 0; k < row->items.len; k++) {
            const PyItem *item = &row->items.items[k];
            const PyNode *key = alembic_resolve(r, item->key);
            if (!key || key->kind != PY_STRING)
                return alembic_refuse(r, row, NULL, "inserts rows that only Python knows");
            strbuf_adds(&sql, k > 0 ? ", " : "");
            strbuf_adds(&values, k > 0 ? ", " : "");
            sql_add_ident(&sql, r->target->dialect, key->text);
            if (!add_value(r, item->value, &values))
                return false;
        }
        strbuf_adds(&sql, ") VALUES (");
        strbuf_add(&sql, strbuf_str(&values));
        strbuf_adds(&sql, ")");
        if (values.has_failed)
            return alembic_nomem(r);
        if (!alembic_statement(r, row, &sql))
            return false;
    }
    return true;
}

/* Drivers of MySQL and SQLite take one statement at a time, so there it is one, whatever it holds; PostgreSQL's take several. */
static bool execute(Renderer *r, const PyNode *call)
{
    static const char *const known[] = {"sqltext", "statement", NULL};
    bool is_expression;
    Str text;
    const PyNode *node = alembic_resolve(r, python_argument(call, 0, "sqltext"));
    if (!alembic_check(r, call, known))
        return false;
    if (!node || call->items.len != 1)
        return alembic_refuse(r, call, NULL, "runs SQL with parameters");
    if (!alembic_expression(r, node, &is_expression, &text))
        return false;
    if (!is_expression && node->kind != PY_STRING)
        return alembic_refuse(r, node, "Write the SQL as one string.", "runs SQL out of %s",
                              python_describe(r->arena, node));
    if (!is_expression && !alembic_sql_text(r, node, node->text, &text))
        return false;
    text = str_trim(text);
    while (str_ends(text, STR(";")))
        text = str_trim(str_sub(text, 0, text.len - 1));
    if (text.len == 0)
        return true;
    alembic_begin(r, node);
    return alembic_end(r, text, r->target->dialect != SQL_POSTGRES);
}

/* sa.Enum(...).create(op.get_bind()): PostgreSQL's type by itself. checkfirst asks first whether it is there. */
static bool enum_alone(Renderer *r, const PyNode *call, const EnumType *type, bool is_drop)
{
    static const char *const known[] = {"bind", "checkfirst", NULL};
    StrBuf sql = strbuf(r->arena);
    int asks;
    if (!alembic_check(r, call, known))
        return false;
    const PyNode *check = alembic_argument(r, call, 1, "checkfirst");
    asks = !check || check->kind == PY_TRUE; /* so is the default */
    if (check && check->kind != PY_TRUE && check->kind != PY_FALSE)
        return alembic_refuse(r, check, NULL, "gives checkfirst as %s",
                              python_describe(r->arena, check));
    if (r->target->dialect != SQL_POSTGRES)
        return true;
    if (type->name.len == 0)
        return alembic_refuse(r, call, "Give it a name.", "has an enumeration without a name");
    if (is_drop) {
        strbuf_adds(&sql, asks ? "DROP TYPE IF EXISTS " : "DROP TYPE ");
        alembic_add_name(r, &sql, type->schema, type->name);
        return alembic_statement(r, call, &sql);
    }
    strbuf_adds(&sql, asks ? "DO $whimbrel$ BEGIN CREATE TYPE " : "CREATE TYPE ");
    alembic_add_name(r, &sql, type->schema, type->name);
    strbuf_adds(&sql, " AS ENUM ");
    if (!alembic_enum_labels(r, type, &sql))
        return false;
    strbuf_adds(&sql, asks ? "; EXCEPTION WHEN duplicate_object THEN NULL; END $whimbrel$" : "");
    return alembic_statement(r, call, &sql);
}

static bool exclude_constraint(Renderer *r, const PyNode *call, bool is_batch)
{
    Place place;
    Str name;
    StrBuf body = strbuf(r->arena);
    return alembic_word(r, call, 0, "constraint_name", &name) &&
           find_place(r, call, 1, is_batch, &place) &&
           alembic_exclude(r, call, place.next, &body) &&
           add_constraint(r, call, &place, name, &body);
}

static bool unique_constraint(Renderer *r, const PyNode *call, bool is_batch)
{
    return create_columns_constraint(r, call, is_batch, "UNIQUE");
}

static bool primary_key(Renderer *r, const PyNode *call, bool is_batch)
{
    return create_columns_constraint(r, call, is_batch, "PRIMARY KEY");
}

static bool create_table_comment(Renderer *r, const PyNode *call, bool is_batch)
{
    return table_comment(r, call, is_batch, false);
}

static bool drop_table_comment(Renderer *r, const PyNode *call, bool is_batch)
{
    return table_comment(r, call, is_batch, true);
}

/* ---- the calls ------------------------------------------------------------------------------------------------ */

typedef bool Operation(Renderer *r, const PyNode *call, bool is_batch);

static const struct {
    const char *name;
    Operation *run;
} operations[] = {
    {"add_column", alembic_add_column},
    {"alter_column", alter_column},
    {"create_check_constraint", create_check},
    {"create_exclude_constraint", exclude_constraint},
    {"create_foreign_key", create_foreign_key},
    {"create_index", create_index},
    {"create_primary_key", primary_key},
    {"create_table", alembic_create_table},
    {"create_table_comment", create_table_comment},
    {"create_unique_constraint", unique_constraint},
    {"drop_column", drop_column},
    {"drop_constraint", drop_constraint},
    {"drop_index", drop_index},
    {"drop_table", drop_table},
    {"drop_table_comment", drop_table_comment},
    {"rename_table", rename_table},
};

static bool run_body(Renderer *r, const PyStatementVec *body, bool *ret_returned);

/* A method of something that is no operations' object. *ret_done false: it is none that is read. */
static bool run_method(Renderer *r, const PyNode *call, bool *ret_done)
{
    EnumType type;
    Str name = call->base->text;
    bool is_create = str_eq(name, STR("create")), is_drop = str_eq(name, STR("drop"));
    *ret_done = true;
    if (str_eq(name, STR("execute")) && alembic_is_bind(r, call->base->base))
        return execute(r, call);
    if ((is_create || is_drop) && alembic_enum(r, call->base->base, &type))
        return enum_alone(r, call, &type, is_drop);
    *ret_done = false;
    return !r->refusal && !r->has_failed;
}

bool alembic_bind_parameters(Renderer *r, const PyStatement *function, const PyNode *call,
                             bool *ret_fits)
{
    size_t given = 0;
    *ret_fits = !function->has_more_parameters && !function->is_decorated && !python_unpacks(call);
    for (size_t i = 0; i < function->items.len && *ret_fits; i++) {
        const PyItem *parameter = &function->items.items[i];
        const char *name = str_z(r->arena, parameter->name);
        const PyNode *value = name ? python_argument(call, i, name) : NULL;
        if (!name)
            return alembic_nomem(r);
        given += value != NULL;
        value = value ? alembic_freeze(r, value) : parameter->value;
        PyName local = {parameter->name, value};
        *ret_fits = value != NULL;
        if (value && !vec_push(r->arena, &r->locals, local))
            return alembic_nomem(r);
    }
    *ret_fits = *ret_fits && given == call->items.len;
    return !r->has_failed && !r->refusal;
}

static bool run_function(Renderer *r, const PyNode *call, bool *ret_done)
{
    bool returned, fits;
    const PyStatement *function = call->base->kind == PY_NAME
                                      ? python_find(&r->module->body, PY_DEF, call->base->text)
                                      : NULL;
    size_t locals = r->locals.len, locals_from = r->locals_from;
    Str batch_name = r->batch_name;
    *ret_done = false;
    if (!function)
        return true;
    if (r->depth == MOST_CALLS)
        return alembic_refuse(r, call, NULL, "has functions that call each other too deep");
    if (!alembic_bind_parameters(r, function, call, &fits))
        return false;
    *ret_done = fits;
    bool is_ok = true;
    if (fits) {
        r->depth++;
        r->locals_from = locals;
        r->batch_name = (Str){0};
        is_ok = run_body(r, &function->body, &returned);
        r->batch_name = batch_name;
        r->locals_from = locals_from;
        r->depth--;
    }
    r->locals.len = locals;
    return is_ok;
}

/* Into the batch, with what its names stand for now. */
static bool put_off(Renderer *r, const PyNode *call)
{
    const PyNode *frozen = alembic_freeze(r, call);
    if (!frozen || r->refusal || r->has_failed)
        return false;
    return vec_push(r->arena, &r->batch, frozen) || alembic_nomem(r);
}

static bool is_harmless(Renderer *r, const PyNode *node, unsigned depth, bool *ret_is_harmless);

/* What is only said to whoever watches: print(...), logger.info(...). */
static bool is_talk(Renderer *r, const PyNode *call, bool *ret_is_talk)
{
    static const char *const methods[] = {"debug", "info",      "warning", "warn",
                                          "error", "exception", "log",     NULL};
    const PyNode *of;
    Str path;
    *ret_is_talk = call->base->kind == PY_NAME && str_eq(call->base->text, STR("print")) &&
                   !python_find(&r->module->body, PY_DEF, STR("print"));
    for (size_t i = 0; call->base->kind == PY_ATTRIBUTE && methods[i] && !*ret_is_talk; i++)
        *ret_is_talk = str_eq(call->base->text, str_from(methods[i]));
    if (*ret_is_talk && call->base->kind == PY_ATTRIBUTE) {
        of = alembic_resolve(r, call->base->base);
        if (!of || !alembic_path(r, of, &path))
            return false;
        *ret_is_talk = str_eq(path, STR("logging")) || str_ends(path, STR(".getLogger"));
    }
    for (size_t i = 0; i < call->items.len && *ret_is_talk; i++)
        if (!is_harmless(r, call->items.items[i].value, 0, ret_is_talk))
            return false;
    return true;
}

static bool run_call(Renderer *r, const PyNode *call)
{
    Str path;
    if (!(call = alembic_expand(r, call)))
        return false;
    bool is_batch = r->batch_name.len > 0 && call->base->kind == PY_ATTRIBUTE &&
                    call->base->base->kind == PY_NAME &&
                    str_eq(call->base->base->text, r->batch_name);
    bool is_done = false;
    if (!alembic_path(r, call, &path))
        return false;
    bool is_operation = is_batch || str_starts(path, STR("alembic.op."));
    if (is_operation) {
        Str name = call->base->text;
        for (size_t i = 0; i < sizeof operations / sizeof *operations; i++)
            if (str_eq(name, str_from(operations[i].name)))
                return is_batch ? put_off(r, call) : operations[i].run(r, call, false);
        if (str_eq(name, STR("execute")))
            return execute(r, call);
        if (str_eq(name, STR("bulk_insert")) && !is_batch)
            return bulk_insert(r, call);
        if (str_eq(name, STR("get_bind")) || str_eq(name, STR("get_context")))
            return true; /* by itself it does nothing */
    }
    if ((call->base->kind == PY_ATTRIBUTE && !run_method(r, call, &is_done)) ||
        (!is_done && !is_talk(r, call, &is_done)))
        return false;
    if (is_done)
        return true;
    if (!run_function(r, call, &is_done))
        return false;
    return is_done || alembic_refuse(r, call, NULL, "calls %s, which only Python can run",
                                     python_describe(r->arena, call));
}

/* What may stand behind `=` although it is not run: it is looked at where the name is used. Calls that may do something are not among it,
 * wherever they stand. */
static bool is_harmless(Renderer *r, const PyNode *node, unsigned depth, bool *ret_is_harmless)
{
    Str path;
    *ret_is_harmless =
        depth < MOST_DEPTH && (node->kind != PY_OTHER || str_eq(node->text, STR("a lambda")));
    if (!*ret_is_harmless)
        return true;
    if (node->kind == PY_CALL) {
        if (!alembic_path(r, node, &path))
            return false;
        Str last = node->base->kind == PY_NAME || node->base->kind == PY_ATTRIBUTE
                       ? node->base->text
                       : (Str){0};
        /* A type of somebody's among the arguments is only made. */
        bool is_class = depth > 0 && last.len > 0 && last.ptr[0] >= 'A' && last.ptr[0] <= 'Z';
        *ret_is_harmless =
            is_class || str_starts(path, STR("sqlalchemy.")) ||
            str_starts(path, STR("sqlmodel.")) || str_eq(path, STR("alembic.op.f")) ||
            str_eq(path, STR("logging.getLogger")) || alembic_is_bind(r, node) ||
            (node->base->kind == PY_ATTRIBUTE && (str_eq(node->base->text, STR("with_variant")) ||
                                                  str_eq(node->base->text, STR("format"))));
    }
    bool has_base = (node->kind == PY_ATTRIBUTE || node->kind == PY_CALL) && node->base;
    if (has_base && *ret_is_harmless && !is_harmless(r, node->base, depth + 1, ret_is_harmless))
        return false;
    for (size_t i = 0; i < node->items.len && *ret_is_harmless; i++)
        if (!is_harmless(r, node->items.items[i].value, depth + 1, ret_is_harmless))
            return false;
    return true;
}

bool alembic_is_harmless(Renderer *r, const PyNode *node, bool *ret_is_harmless)
{
    return is_harmless(r, node, 0, ret_is_harmless);
}

static bool run_assignment(Renderer *r, const PyStatement *statement)
{
    PyName name = {statement->name, alembic_freeze(r, statement->value)};
    bool harmless;
    if (!name.value || !is_harmless(r, statement->value, 0, &harmless))
        return false;
    /* A function that only gives a value. */
    if (!harmless && statement->value->kind == PY_CALL && statement->value->base->kind == PY_NAME)
        harmless = alembic_resolve(r, statement->value) != statement->value;
    if (!harmless && statement->value->kind != PY_CALL)
        return alembic_refuse(r, statement->value, NULL, "has %s, which only Python can run",
                              python_describe(r->arena, statement->value));
    if (!harmless && !run_call(r, statement->value))
        return false;
    return vec_push(r->arena, &r->locals, name) || alembic_nomem(r);
}

static bool run_operation(Renderer *r, const PyNode *call, bool is_batch)
{
    Str name = call->base->text;
    for (size_t i = 0; i < sizeof operations / sizeof *operations; i++)
        if (str_eq(name, str_from(operations[i].name)))
            return operations[i].run(r, call, is_batch);
    return alembic_refuse(r, call, NULL, "calls %s, which only Python can run",
                          python_describe(r->arena, call));
}

/* What a batch holds runs at its end, at once or as a new table. */
static bool flush_batch(Renderer *r, const PyNode *call, Str recreate)
{
    const AlembicBatch batch = {
        .call = call, .table = r->batch_table, .calls = r->batch.items, .count = r->batch.len};
    bool rebuilds = str_eq(recreate, STR("always"));
    if (!rebuilds && r->target->dialect == SQL_SQLITE && !str_eq(recreate, STR("never")) &&
        !alembic_batch_rebuilds(r, &batch, &rebuilds))
        return false;
    if (rebuilds && r->target->dialect != SQL_SQLITE)
        return alembic_refuse(r, call,
                              "Write the SQL beside the migration, or run it with alembic.",
                              "rebuilds the table %.*s", STR_ARG(r->batch_table));
    if (rebuilds && alembic_argument(r, call, SIZE_MAX, "naming_convention"))
        return alembic_refuse(
            r, call, "Write the SQL beside the migration, or run it with alembic.",
            "rebuilds the table %.*s with names by a convention", STR_ARG(r->batch_table));
    if (rebuilds && r->batch_schema.len > 0)
        return alembic_refuse(r, call, NULL, "rebuilds a table of another schema");
    if (rebuilds)
        return alembic_rebuild(r, &batch);
    for (size_t i = 0; i < batch.count; i++)
        if (!run_operation(r, batch.calls[i], true))
            return false;
    return true;
}

/* with op.batch_alter_table("t") as batch_op: */
static bool run_batch(Renderer *r, const PyStatement *statement, bool *ret_returned)
{
    static const char *const known[] = {"table_name", "schema", "recreate", "naming_convention",
                                        NULL};
    const PyNode *call = statement->value;
    Str recreate;
    if (r->batch_name.len > 0)
        return alembic_refuse(r, call, NULL, "has a batch_alter_table() within another");
    if (!alembic_check(r, call, known) ||
        !alembic_need(r, call, 0, "table_name", &r->batch_table) ||
        !alembic_schema(r, call, "schema", &r->batch_schema) ||
        !alembic_word(r, call, SIZE_MAX, "recreate", &recreate))
        return false;
    if (statement->name.len == 0)
        return alembic_refuse(r, call, NULL, "has a batch_alter_table() without a name");
    r->batch_name = statement->name;
    bool is_ok = run_body(r, &statement->body, ret_returned) && flush_batch(r, call, recreate);
    r->batch_name = r->batch_table = r->batch_schema = (Str){0};
    r->batch.len = 0;
    return is_ok;
}

static bool run_with(Renderer *r, const PyStatement *statement, bool *ret_returned)
{
    Str path;
    const PyNode *call = statement->value;
    bool is_block = call->kind == PY_CALL && call->base->kind == PY_ATTRIBUTE &&
                    str_eq(call->base->text, STR("autocommit_block")) &&
                    alembic_is_bind(r, call->base->base);
    if (r->refusal || r->has_failed || !alembic_path(r, call, &path))
        return false;
    if (str_eq(path, STR("alembic.op.batch_alter_table")))
        return run_batch(r, statement, ret_returned);
    if (!is_block)
        return alembic_refuse(r, call, NULL, "has a with block of %s",
                              python_describe(r->arena, call));
    bool was_autocommit = r->is_autocommit;
    r->is_autocommit = r->target->dialect == SQL_POSTGRES;
    bool is_ok = run_body(r, &statement->body, ret_returned);
    r->is_autocommit = was_autocommit;
    return is_ok;
}

static bool run_if(Renderer *r, const PyStatement *statement, bool *ret_returned)
{
    PyNode place = {.line = statement->line};
    int value = alembic_truth(r, statement->value);
    if (r->refusal || r->has_failed)
        return false;
    if (value < 0)
        return alembic_refuse(r, &place, NULL, "has a condition that only Python knows");
    return run_body(r, value ? &statement->body : &statement->otherwise, ret_returned);
}

/* The names of a loop, or the one, and what one round gives them. */
static bool bind_round(Renderer *r, const PyStatement *statement, const PyNode *value)
{
    value = alembic_resolve(r, value);
    bool is_one = statement->items.len == 1;
    if (!is_one && ((value->kind != PY_TUPLE && value->kind != PY_LIST) ||
                    value->items.len != statement->items.len || !alembic_is_whole(value)))
        return alembic_refuse(r, statement->value, NULL,
                              "goes through values that only Python knows");
    for (size_t i = 0; i < statement->items.len; i++) {
        PyName name = {statement->items.items[i].name,
                       alembic_freeze(r, is_one ? value : value->items.items[i].value)};
        if (!name.value || !vec_push(r->arena, &r->locals, name))
            return alembic_nomem(r);
    }
    return true;
}

enum { MOST_ROUNDS = 1000 };

static bool run_for(Renderer *r, const PyStatement *statement, bool *ret_returned)
{
    const PyNode *values = alembic_resolve(r, statement->value);
    if (r->refusal || r->has_failed)
        return false;
    if ((values->kind != PY_TUPLE && values->kind != PY_LIST) || !alembic_is_whole(values) ||
        values->items.len > MOST_ROUNDS)
        return alembic_refuse(r, statement->value, NULL,
                              "goes through values that only Python knows");
    for (size_t i = 0; i < values->items.len && !*ret_returned; i++)
        if (!bind_round(r, statement, values->items.items[i].value) ||
            !run_body(r, &statement->body, ret_returned))
            return false;
    return true;
}

/* Of a value that nobody asks for: what is called for it. */
static bool run_value(Renderer *r, const PyNode *value)
{
    bool harmless;
    if (value->kind == PY_CALL) {
        if (!is_harmless(r, value, 0, &harmless))
            return false;
        return harmless || run_call(r, value);
    }
    for (size_t i = 0; value->kind == PY_TUPLE && i < value->items.len; i++)
        if (!run_value(r, value->items.items[i].value))
            return false;
    if (value->kind == PY_TUPLE)
        return true;
    if (!is_harmless(r, value, 0, &harmless))
        return false;
    return harmless || alembic_refuse(r, value, NULL, "has %s, which only Python can run",
                                      python_describe(r->arena, value));
}

/* Whether a handler only says something and lets the error go on. */
static bool lets_go_on(Renderer *r, const PyStatementVec *body, bool *ret_does)
{
    size_t last = body->len > 0 ? body->len - 1 : 0;
    *ret_does = body->len > 0 && body->items[last].kind == PY_SIMPLE &&
                str_eq(body->items[last].name, STR("raise"));
    for (size_t i = 0; i < last && *ret_does; i++) {
        const PyStatement *statement = &body->items[i];
        *ret_does = statement->kind == PY_EXPRESSION;
        if (*ret_does && statement->value->kind == PY_CALL &&
            !is_talk(r, statement->value, ret_does))
            return false;
    }
    return true;
}

/* try: ... except Exception: LOG.error(...); raise */
static bool run_try(Renderer *r, const PyStatement *statement, bool *ret_returned)
{
    bool returned = false, does = true;
    for (size_t i = 0; i < statement->otherwise.len && does; i++) {
        const PyStatement *part = &statement->otherwise.items[i];
        if (str_eq(part->name, STR("except")) && !lets_go_on(r, &part->body, &does))
            return false;
    }
    if (!does) {
        PyNode place = {.line = statement->line};
        return alembic_refuse(r, &place, NULL, "goes on after an error, which only Python can");
    }
    if (!run_body(r, &statement->body, ret_returned))
        return false;
    for (size_t i = 0; i < statement->otherwise.len; i++) {
        const PyStatement *part = &statement->otherwise.items[i];
        bool runs = str_eq(part->name, STR("finally")) ||
                    (str_eq(part->name, STR("else")) && !*ret_returned);
        if (runs && !run_body(r, &part->body, &returned))
            return false;
        *ret_returned = *ret_returned || returned;
    }
    return true;
}

static bool run_statement(Renderer *r, const PyStatement *statement, bool *ret_returned)
{
    PyNode place = {.line = statement->line};
    switch (statement->kind) {
    case PY_PASS:
    case PY_IMPORT:
        return true;
    case PY_ASSIGN:
        return run_assignment(r, statement);
    case PY_WITH:
        return run_with(r, statement, ret_returned);
    case PY_IF:
        return run_if(r, statement, ret_returned);
    case PY_TRY:
        return run_try(r, statement, ret_returned);
    case PY_FOR:
        return run_for(r, statement, ret_returned);
    case PY_RETURN:
        *ret_returned = true;
        if (statement->value && statement->value->kind != PY_NONE)
            return run_value(r, statement->value);
        return true;
    case PY_EXPRESSION:
        if (statement->value->kind == PY_CALL)
            return run_call(r, statement->value);
        if (statement->value->kind == PY_STRING || str_eq(statement->value->text, STR("...")))
            return true;
        if (statement->value->kind == PY_TUPLE) /* a comma too much */
            return run_value(r, statement->value);
        return alembic_refuse(r, &place, NULL, "has %s, which only Python can run",
                              python_describe(r->arena, statement->value));
    case PY_DEF:
    case PY_CLASS:
    case PY_BLOCK:
    case PY_SIMPLE:
        break;
    }
    return alembic_refuse(r, &place, NULL, "has a line with \"%.*s\", which only Python can run",
                          STR_ARG(statement->name));
}

static bool run_body(Renderer *r, const PyStatementVec *body, bool *ret_returned)
{
    *ret_returned = false;
    for (size_t i = 0; i < body->len && !*ret_returned; i++)
        if (!run_statement(r, &body->items[i], ret_returned) || r->refusal || r->has_failed)
            return false;
    return true;
}

#define OFFLINE_HINT                                                                               \
    "Put its SQL beside it (`whimbrel init --from alembic` tells how), or run it with alembic."

/* The statement that stands for the rebuild of this number, or the SQL of it. */
static bool render(Arena *arena, const AlembicTarget *target, const PyModule *module, Str function,
                   const LateRebuild *late, ScriptText *ret_text, Error *err)
{
    Renderer r = {.arena = arena,
                  .target = target,
                  .module = module,
                  .out = strbuf(arena),
                  .line = 1,
                  .late = late,
                  .err = err};
    const PyStatement *body = python_find(&module->body, PY_DEF, function);
    bool returned;
    ScriptText text = {.sql = STR(" ")};
    if (module->trouble) {
        PyNode place = {.line = module->trouble_line};
        (void)alembic_refuse(&r, &place, NULL, "cannot be read without Python: %s",
                             module->trouble);
    } else if (!body) {
        (void)alembic_refuse(&r, NULL, NULL, "has no %.*s()", STR_ARG(function));
    } else if (body->is_decorated) {
        PyNode place = {.line = body->line};
        (void)alembic_refuse(&r, &place, NULL, "has a decorator on %.*s()", STR_ARG(function));
    } else {
        (void)run_body(&r, &body->body, &returned);
    }
    if (r.has_failed)
        return error_nomem(err);
    if (r.refusal) {
        text.refusal = r.refusal;
        text.refusal_hint = r.hint ? r.hint : OFFLINE_HINT;
        text.refusal_line = r.refusal_line;
    } else if (r.out.len > 0) {
        text.whole = r.whole;
        if (!strbuf_finish(&r.out, &text.sql))
            return error_nomem(err);
    }
    if (late && !text.refusal)
        text.sql = str_sub(text.sql, r.late_from, r.late_to);
    *ret_text = text;
    return true;
}

bool alembic_render(Arena *arena, const AlembicTarget *target, const PyModule *module, Str function,
                    ScriptText *ret_text, Error *err)
{
    return render(arena, target, module, function, NULL, ret_text, err);
}

bool alembic_render_late(Arena *arena, const AlembicTarget *target, const PyModule *module,
                         Str function, const LateRebuild *late, ScriptText *ret_text, Error *err)
{
    return render(arena, target, module, function, late, ret_text, err);
}

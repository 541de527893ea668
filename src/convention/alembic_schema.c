/* Columns, constraints and tables of SQLAlchemy, read from their calls and written as its DDL compilers write them.
 * SPDX-License-Identifier: Apache-2.0 */
#include "convention/alembic_schema.h"

/* ---- expressions --------------------------------------------------------------------------------------------- */

static bool is_call_of(Renderer *r, const PyNode *node, const char *name, const char *other_name)
{
    Str path, plain;
    if (!node || node->kind != PY_CALL || !alembic_path(r, node, &path))
        return false;
    if (!str_starts(path, STR("sqlalchemy.")))
        return false;
    plain = path;
    for (size_t at; (at = str_find_char(plain, '.', 0)) != SIZE_MAX;)
        plain = str_sub(plain, at + 1, plain.len);
    return str_eq(plain, str_from(name)) || (other_name && str_eq(plain, str_from(other_name)));
}

/* sa.func.now() and functions without arguments; some engines call them otherwise. */
static bool function_sql(Renderer *r, const PyNode *node, Str name, Str *ret_sql)
{
    static const char *const bare[] = {"current_timestamp", "current_date",   "current_time",
                                       "localtime",         "localtimestamp", "current_user",
                                       "session_user",      "user",           NULL};
    if (node->items.len > 0)
        return alembic_refuse(r, node, "Write it as sa.text(\"...\").", "has %s with arguments",
                              python_describe(r->arena, node));
    if (str_eq(name, STR("now")) && r->target->dialect == SQL_SQLITE) {
        *ret_sql = STR("CURRENT_TIMESTAMP");
        return true;
    }
    StrBuf sql = strbuf(r->arena);
    bool is_bare = false;
    for (size_t i = 0; bare[i]; i++)
        is_bare = is_bare || str_eq(name, str_from(bare[i]));
    if (is_bare)
        for (size_t i = 0; i < name.len; i++)
            strbuf_add_char(&sql, name.ptr[i] >= 'a' && name.ptr[i] <= 'z'
                                      ? (char)(name.ptr[i] - 'a' + 'A')
                                      : name.ptr[i]);
    else
        strbuf_addf(&sql, "%.*s()", STR_ARG(name));
    return strbuf_finish(&sql, ret_sql) || alembic_nomem(r);
}

bool alembic_expression(Renderer *r, const PyNode *node, bool *ret_is, Str *ret_sql)
{
    Str path, text;
    bool is_sqlite = r->target->dialect == SQL_SQLITE;
    node = alembic_resolve(r, node);
    *ret_is = false;
    if (!node || node->kind != PY_CALL)
        return true;
    if (!alembic_path(r, node, &path))
        return false;
    if (str_starts(path, STR("sqlalchemy.func.")) ||
        str_starts(path, STR("sqlalchemy.sql.func."))) {
        Str name = node->base->text;
        *ret_is = true;
        return function_sql(r, node, name, ret_sql);
    }
    if (is_call_of(r, node, "true", NULL) || is_call_of(r, node, "false", NULL)) {
        bool is_true = is_call_of(r, node, "true", NULL);
        *ret_is = true;
        *ret_sql =
            is_sqlite ? (is_true ? STR("1") : STR("0")) : (is_true ? STR("true") : STR("false"));
        return true;
    }
    if (is_call_of(r, node, "null", NULL)) {
        *ret_is = true;
        *ret_sql = STR("NULL");
        return true;
    }
    if (!is_call_of(r, node, "text", "literal_column"))
        return !r->has_failed;
    *ret_is = true;
    if (node->items.len != 1 || !alembic_string(r, node->items.items[0].value, "SQL", &text))
        return alembic_refuse(r, node, NULL, "has %s with more than a string",
                              python_describe(r->arena, node));
    if (is_call_of(r, node, "literal_column", NULL)) {
        *ret_sql = text;
        return true;
    }
    return alembic_sql_text(r, node, text, ret_sql);
}

static bool has_symbol(Str text)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (!(c == '_' || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
              (c >= '0' && c <= '9') || (unsigned char)c >= 0x80))
            return true;
    }
    return false;
}

static bool begins_quoted(Str text)
{
    text = str_trim(text);
    return text.len > 0 && (text.ptr[0] == '\'' || text.ptr[0] == '"' || text.ptr[0] == '(');
}

static bool has_on_update(Str text)
{
    for (size_t i = 0; i + 1 < text.len; i++) {
        if (!str_starts_nocase(str_sub(text, i, text.len), STR("on ")))
            continue;
        if (str_starts_nocase(str_trim(str_sub(text, i + 2, text.len)), STR("update")))
            return true;
    }
    return false;
}

/* now(6), current_timestamp(3): MySQL takes these as they are. */
static bool is_timed(Str text)
{
    size_t open = str_find_char(text, '(', 0);
    if (open == SIZE_MAX || open + 1 >= text.len || text.ptr[open + 1] < '0' ||
        text.ptr[open + 1] > '9')
        return false;
    Str name = str_sub(text, 0, open);
    return str_eq_nocase(name, STR("now")) || str_eq_nocase(name, STR("current_timestamp"));
}

/* Where an expression as a default wants brackets. */
static bool wants_brackets(const Renderer *r, Str sql)
{
    switch (r->target->dialect) {
    case SQL_POSTGRES:
        return false;
    case SQL_SQLITE:
        return !begins_quoted(sql) && has_symbol(sql);
    case SQL_MYSQL:
        break;
    }
    bool has_functions = r->target->version == 0 || r->target->is_mariadb
                             ? r->target->version == 0 || r->target->version >= 100201
                             : r->target->version >= 80013;
    return has_functions && !begins_quoted(sql) && !has_on_update(sql) && !is_timed(sql) &&
           has_symbol(sql);
}

bool alembic_default(Renderer *r, const PyNode *node, bool in_column, StrBuf *sql)
{
    bool is_expression;
    Str text;
    node = alembic_resolve(r, node);
    if (!alembic_expression(r, node, &is_expression, &text))
        return false;
    if (!is_expression) {
        if (!alembic_string(r, node, "server_default", &text))
            return false;
        sql_add_literal(sql, r->target->dialect, text);
        return true;
    }
    if (in_column && wants_brackets(r, text))
        strbuf_addf(sql, "(%.*s)", STR_ARG(text));
    else
        strbuf_add(sql, text);
    return true;
}

bool alembic_add_columns(Renderer *r, const StrVec *columns, StrBuf *sql)
{
    strbuf_adds(sql, "(");
    for (size_t i = 0; i < columns->len; i++) {
        strbuf_adds(sql, i > 0 ? ", " : "");
        sql_add_ident(sql, r->target->dialect, columns->items[i]);
    }
    strbuf_adds(sql, ")");
    return true;
}

/* ---- constraints --------------------------------------------------------------------------------------------- */

/* Words and what may stand between them: what goes into SQL as it is must not be more than a phrase. */
static bool add_phrase(Renderer *r, const PyNode *call, const char *name, const char *before,
                       StrBuf *sql)
{
    Str text;
    if (!alembic_word(r, call, SIZE_MAX, name, &text))
        return false;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (c == ';' || c == '\'' || c == '\n')
            return alembic_refuse(r, call, NULL, "gives %s as something that is no phrase of SQL",
                                  name);
    }
    if (text.len > 0)
        strbuf_addf(sql, " %s %.*s", before, STR_ARG(text));
    return true;
}

bool alembic_deferrable(Renderer *r, const PyNode *call, StrBuf *sql)
{
    int deferrable;
    if (!alembic_flag(r, call, "deferrable", -1, &deferrable))
        return false;
    strbuf_adds(sql, deferrable == 1 ? " DEFERRABLE" : deferrable == 0 ? " NOT DEFERRABLE" : "");
    return add_phrase(r, call, "initially", "INITIALLY", sql);
}

bool alembic_foreign_rules(Renderer *r, const PyNode *call, StrBuf *sql)
{
    if (r->target->dialect == SQL_MYSQL && alembic_argument(r, call, SIZE_MAX, "match"))
        return alembic_refuse(r, call, NULL, "gives MATCH, which MySQL does not heed");
    return add_phrase(r, call, "match", "MATCH", sql) &&
           add_phrase(r, call, "ondelete", "ON DELETE", sql) &&
           add_phrase(r, call, "onupdate", "ON UPDATE", sql) && alembic_deferrable(r, call, sql);
}

bool alembic_foreign_key(Renderer *r, const PyNode *call, const StrVec *local, Str schema,
                         Str table, const StrVec *remote, StrBuf *sql)
{
    int is_later;
    if (!alembic_flag(r, call, "use_alter", 0, &is_later))
        return false;
    if (is_later)
        return alembic_refuse(r, call, NULL, "has a foreign key with use_alter");
    strbuf_adds(sql, "FOREIGN KEY");
    (void)alembic_add_columns(r, local, sql);
    strbuf_adds(sql, " REFERENCES ");
    alembic_add_name(r, sql, schema, table);
    strbuf_adds(sql, " ");
    (void)alembic_add_columns(r, remote, sql);
    return alembic_foreign_rules(r, call, sql);
}

bool alembic_condition(Renderer *r, const PyNode *call, const PyNode *node, StrBuf *sql)
{
    bool is_expression;
    Str text;
    node = alembic_resolve(r, node);
    if (!node)
        return alembic_refuse(r, call, NULL, "has a check without a condition");
    if (!alembic_expression(r, node, &is_expression, &text))
        return false;
    if (!is_expression && (!alembic_string(r, node, "the condition of a check", &text) ||
                           !alembic_sql_text(r, node, text, &text)))
        return false;
    strbuf_addf(sql, "CHECK (%.*s)", STR_ARG(text));
    return true;
}

/* One element of EXCLUDE: ("period", "&&"). */
static bool add_excluded(Renderer *r, const PyNode *node, const PyNode *classes, StrBuf *sql)
{
    bool is_expression;
    Str text, op;
    node = alembic_resolve(r, node);
    if (!node || (node->kind != PY_TUPLE && node->kind != PY_LIST) || node->items.len != 2 ||
        !alembic_string(r, node->items.items[1].value, "an operator", &op))
        return alembic_refuse(r, node, NULL, "has an EXCLUDE whose elements only Python knows");
    for (size_t i = 0; i < op.len; i++)
        if (op.ptr[i] == ';' || op.ptr[i] == '\'' || op.ptr[i] == '(' || op.ptr[i] == ')')
            return alembic_refuse(r, node, NULL, "has an EXCLUDE with what is no operator");
    const PyNode *column = alembic_resolve(r, node->items.items[0].value);
    bool is_column = is_call_of(r, column, "column", NULL);
    if (is_column)
        column = alembic_argument(r, column, 0, "text");
    if (!alembic_expression(r, column, &is_expression, &text))
        return false;
    if (is_expression && (!classes || classes->kind == PY_DICT)) {
        strbuf_add(sql, text);
    } else {
        if (!alembic_string(r, column, "a column of an EXCLUDE", &text))
            return false;
        sql_add_ident(sql, r->target->dialect, text);
        for (size_t i = 0; classes && i < classes->items.len; i++) {
            const PyItem *item = &classes->items.items[i];
            if (item->key && item->key->kind == PY_STRING && str_eq(item->key->text, text) &&
                item->value->kind == PY_STRING)
                strbuf_addf(sql, " %.*s", STR_ARG(item->value->text));
        }
    }
    strbuf_addf(sql, " WITH %.*s", STR_ARG(op));
    return true;
}

bool alembic_exclude(Renderer *r, const PyNode *call, size_t place, StrBuf *sql)
{
    static const char *const known[] = {
        "constraint_name", "table_name", "name", "where", "schema", "deferrable",
        "initially",       "using",      "ops",  "info",  NULL};
    bool is_expression, has_any = false;
    const PyNode *element;
    Str using, text;
    const PyNode *where = alembic_argument(r, call, SIZE_MAX, "where");
    const PyNode *classes = alembic_argument(r, call, SIZE_MAX, "ops");
    if (!alembic_check(r, call, known) || !alembic_word(r, call, SIZE_MAX, "using", &using))
        return false;
    if (r->target->dialect != SQL_POSTGRES)
        return alembic_refuse(r, call, NULL, "has an EXCLUDE, which only PostgreSQL knows");
    if (classes && classes->kind != PY_DICT)
        return alembic_refuse(r, call, NULL, "gives options of an EXCLUDE that only Python knows");
    strbuf_addf(sql, "EXCLUDE USING %.*s (", STR_ARG(using.len > 0 ? using : STR("gist")));
    for (; (element = python_argument(call, place, NULL)); place++) {
        strbuf_adds(sql, has_any ? ", " : "");
        if (!add_excluded(r, element, classes, sql))
            return false;
        has_any = true;
    }
    if (!has_any)
        return alembic_refuse(r, call, NULL, "has an EXCLUDE of nothing");
    strbuf_adds(sql, ")");
    if (where) {
        if (!alembic_expression(r, where, &is_expression, &text) ||
            (!is_expression && (!alembic_string(r, where, "the condition of an EXCLUDE", &text) ||
                                !alembic_sql_text(r, where, text, &text))))
            return false;
        strbuf_addf(sql, " WHERE (%.*s)", STR_ARG(text));
    }
    return alembic_deferrable(r, call, sql);
}

/* ---- columns ------------------------------------------------------------------------------------------------- */

typedef struct Column {
    const PyNode *call;
    Str name, comment;
    const PyNode *type, *default_value, *identity, *computed;
    int nullable;      /* -1: not said */
    int autoincrement; /* -1: "auto" */
    int is_unique, is_indexed, is_key;
    bool has_default; /* Python's, of an INSERT */
    Vec(const PyNode *) references;
    TypeFamily family;
    StrBuf type_sql;
    EnumType enumeration;
} Column;
typedef Vec(Column) ColumnVec;

static bool read_nullable(Renderer *r, const PyNode *call, Column *column)
{
    const PyNode *counts = alembic_argument(r, call, SIZE_MAX, "autoincrement");
    column->autoincrement = -1;
    if (counts && counts->kind == PY_STRING && str_eq(counts->text, STR("auto")))
        counts = NULL;
    if (counts && counts->kind != PY_TRUE && counts->kind != PY_FALSE)
        return alembic_refuse(r, counts, NULL, "gives autoincrement as %s",
                              python_describe(r->arena, counts));
    if (counts)
        column->autoincrement = counts->kind == PY_TRUE;
    return alembic_flag(r, call, "nullable", -1, &column->nullable) &&
           alembic_flag(r, call, "unique", 0, &column->is_unique) &&
           alembic_flag(r, call, "index", 0, &column->is_indexed) &&
           alembic_flag(r, call, "primary_key", 0, &column->is_key);
}

/* What stands behind the name and the type: foreign keys, Identity, Computed. */
static bool read_extras(Renderer *r, const PyNode *call, Column *column)
{
    for (size_t place = 1;; place++) {
        const PyNode *raw = python_argument(call, place, NULL);
        const PyNode *node = alembic_resolve(r, raw);
        if (!raw)
            break;
        if (is_call_of(r, node, "ForeignKey", NULL)) {
            if (!vec_push(r->arena, &column->references, node))
                return alembic_nomem(r);
        } else if (is_call_of(r, node, "Identity", NULL)) {
            column->identity = node;
        } else if (is_call_of(r, node, "Computed", NULL)) {
            column->computed = node;
        } else if (place == 1) {
            column->type = node;
        } else {
            return alembic_refuse(r, raw, NULL, "has a column with %s",
                                  python_describe(r->arena, raw));
        }
    }
    return true;
}

static bool read_column(Renderer *r, const PyNode *node, Column *column)
{
    static const char *const known[] = {
        "name",          "type_",          "nullable",   "server_default",
        "default",       "unique",         "index",      "primary_key",
        "autoincrement", "comment",        "info",       "doc",
        "onupdate",      "insert_default", "sort_order", NULL};
    const PyNode *call = alembic_resolve(r, node);
    *column = (Column){.call = call, .type_sql = strbuf(r->arena)};
    if (!is_call_of(r, call, "Column", NULL))
        return alembic_refuse(r, node, NULL, "gives %s where a sa.Column is read",
                              call ? python_describe(r->arena, call) : "nothing");
    if (!alembic_check(r, call, known) || !alembic_need(r, call, 0, "name", &column->name) ||
        !alembic_word(r, call, SIZE_MAX, "comment", &column->comment) ||
        !read_nullable(r, call, column) || !read_extras(r, call, column))
        return false;
    if (!column->type)
        column->type = alembic_argument(r, call, SIZE_MAX, "type_");
    column->default_value = alembic_argument(r, call, SIZE_MAX, "server_default");
    column->has_default = alembic_argument(r, call, SIZE_MAX, "default") != NULL;
    if (is_call_of(r, column->default_value, "Identity", NULL)) {
        column->identity = column->default_value;
        column->default_value = NULL;
    }
    if (is_call_of(r, column->default_value, "Computed", NULL)) {
        column->computed = column->default_value;
        column->default_value = NULL;
    }
    if (!column->type)
        return alembic_refuse(r, call, NULL, "has the column %.*s without a type",
                              STR_ARG(column->name));
    return alembic_type(r, column->type, &column->type_sql, &column->family, &column->enumeration);
}

static bool add_computed(Renderer *r, const Column *column, StrBuf *sql)
{
    bool is_expression;
    Str text;
    int is_persisted;
    const PyNode *node = alembic_argument(r, column->computed, 0, "sqltext");
    const PyNode *persisted = alembic_argument(r, column->computed, 1, "persisted");
    if (!node || !alembic_expression(r, node, &is_expression, &text) ||
        (!is_expression && (!alembic_string(r, node, "the computed value", &text) ||
                            !alembic_sql_text(r, node, text, &text))))
        return alembic_refuse(r, column->computed, NULL, "has a computed column without a text");
    is_persisted = !persisted ? -1 : persisted->kind == PY_TRUE;
    if (r->target->dialect == SQL_POSTGRES && is_persisted == 0)
        return alembic_refuse(r, column->computed, NULL, "has a virtual column on PostgreSQL");
    strbuf_addf(sql, " GENERATED ALWAYS AS (%.*s)", STR_ARG(text));
    if (r->target->dialect == SQL_POSTGRES || is_persisted == 1)
        strbuf_adds(sql, " STORED");
    else if (is_persisted == 0)
        strbuf_adds(sql, " VIRTUAL");
    return true;
}

static bool add_identity(Renderer *r, const PyNode *call, StrBuf *sql)
{
    static const char *const known[] = {"start", "increment", "minvalue", "maxvalue",
                                        "cycle", "cache",     "always",   NULL};
    static const struct {
        const char *name, *sql;
        size_t place;
    } numbers[] = {{"increment", "INCREMENT BY", 2},
                   {"start", "START WITH", 1},
                   {"minvalue", "MINVALUE", 3},
                   {"maxvalue", "MAXVALUE", 4},
                   {"cache", "CACHE", SIZE_MAX}};
    StrBuf options = strbuf(r->arena);
    int always, cycles;
    if (!alembic_check(r, call, known) || !alembic_flag(r, call, "always", 0, &always) ||
        !alembic_flag(r, call, "cycle", -1, &cycles))
        return false;
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        const PyNode *node = alembic_argument(r, call, numbers[i].place, numbers[i].name);
        if (!node)
            continue;
        if (node->kind != PY_NUMBER)
            return alembic_refuse(r, node, NULL, "gives %s as %s", numbers[i].name,
                                  python_describe(r->arena, node));
        strbuf_addf(&options, "%s%s %.*s", options.len > 0 ? " " : "", numbers[i].sql,
                    STR_ARG(node->text));
    }
    if (cycles >= 0)
        strbuf_addf(&options, "%s%s", options.len > 0 ? " " : "", cycles ? "CYCLE" : "NO CYCLE");
    strbuf_addf(sql, " GENERATED %s AS IDENTITY", always ? "ALWAYS" : "BY DEFAULT");
    if (options.len > 0) {
        strbuf_adds(sql, " (");
        strbuf_add(sql, strbuf_str(&options));
        strbuf_adds(sql, ")");
    }
    return !options.has_failed || alembic_nomem(r);
}

/* What of the table the column's SQL depends on. */
typedef struct ColumnPlace {
    bool is_key;          /* it is of the primary key */
    bool counts;          /* its numbers are made by the server */
    bool is_sqlite_count; /* AUTOINCREMENT, for which its key stands in the column */
} ColumnPlace;

static bool add_column_postgres(Renderer *r, const Column *c, const ColumnPlace *place,
                                bool is_nullable, StrBuf *sql)
{
    if (place->counts && !c->identity && !c->has_default) {
        strbuf_adds(sql, c->family == TYPE_BIG_INTEGER     ? "BIGSERIAL"
                         : c->family == TYPE_SMALL_INTEGER ? "SMALLSERIAL"
                                                           : "SERIAL");
    } else {
        strbuf_add(sql, strbuf_str(&c->type_sql));
        if (c->default_value) {
            strbuf_adds(sql, " DEFAULT ");
            if (!alembic_default(r, c->default_value, true, sql))
                return false;
        }
    }
    if (c->computed && !add_computed(r, c, sql))
        return false;
    if (c->identity && !add_identity(r, c->identity, sql))
        return false;
    if (!is_nullable && !c->identity)
        strbuf_adds(sql, " NOT NULL");
    else if (is_nullable && c->identity)
        strbuf_adds(sql, " NULL");
    return true;
}

static bool add_column_mysql(Renderer *r, const Column *c, const ColumnPlace *place,
                             bool is_nullable, StrBuf *sql)
{
    strbuf_add(sql, strbuf_str(&c->type_sql));
    if (c->computed && !add_computed(r, c, sql))
        return false;
    if (!is_nullable)
        strbuf_adds(sql, " NOT NULL");
    else if (c->family == TYPE_TIMESTAMP)
        strbuf_adds(sql, " NULL");
    if (c->comment.len > 0) {
        strbuf_adds(sql, " COMMENT ");
        sql_add_literal(sql, SQL_MYSQL, c->comment);
    }
    if (place->counts && !c->default_value) {
        strbuf_adds(sql, " AUTO_INCREMENT");
    } else if (c->default_value) {
        strbuf_adds(sql, " DEFAULT ");
        return alembic_default(r, c->default_value, true, sql);
    }
    return true;
}

static bool add_column_sqlite(Renderer *r, const Column *c, const ColumnPlace *place,
                              bool is_nullable, StrBuf *sql)
{
    strbuf_add(sql, strbuf_str(&c->type_sql));
    if (c->default_value) {
        strbuf_adds(sql, " DEFAULT ");
        if (!alembic_default(r, c->default_value, true, sql))
            return false;
    }
    if (!is_nullable)
        strbuf_adds(sql, " NOT NULL");
    if (place->is_sqlite_count)
        strbuf_adds(sql, " PRIMARY KEY AUTOINCREMENT");
    return !c->computed || add_computed(r, c, sql);
}

static bool add_column_sql(Renderer *r, const Column *c, const ColumnPlace *place, StrBuf *sql)
{
    bool is_nullable = c->nullable >= 0 ? c->nullable : !place->is_key && !c->identity;
    sql_add_ident(sql, r->target->dialect, c->name);
    strbuf_adds(sql, " ");
    switch (r->target->dialect) {
    case SQL_POSTGRES:
        return add_column_postgres(r, c, place, is_nullable, sql);
    case SQL_MYSQL:
        return add_column_mysql(r, c, place, is_nullable, sql);
    case SQL_SQLITE:
        break;
    }
    return add_column_sqlite(r, c, place, is_nullable, sql);
}

/* "schema.table.column" */
static bool split_target(Renderer *r, const PyNode *node, Str target, Str *ret_schema,
                         Str *ret_table, Str *ret_column)
{
    size_t last = SIZE_MAX, first = str_find_char(target, '.', 0);
    for (size_t i = 0; i < target.len; i++)
        if (target.ptr[i] == '.')
            last = i;
    if (last == SIZE_MAX)
        return alembic_refuse(r, node, NULL, "has a foreign key to %.*s, which names no column",
                              STR_ARG(target));
    *ret_column = str_sub(target, last + 1, target.len);
    *ret_schema = first == last ? (Str){0} : str_sub(target, 0, first);
    *ret_table = first == last ? str_sub(target, 0, last) : str_sub(target, first + 1, last);
    return str_find_char(*ret_table, '.', 0) == SIZE_MAX ||
           alembic_refuse(r, node, NULL, "has a foreign key to %.*s, which has too many dots",
                          STR_ARG(target));
}

static void add_constraint_name(Renderer *r, Str name, StrBuf *sql)
{
    if (name.len == 0)
        return;
    strbuf_adds(sql, "CONSTRAINT ");
    sql_add_ident(sql, r->target->dialect, name);
    strbuf_adds(sql, " ");
}

void alembic_type_check(Renderer *r, Str column, const EnumType *type, StrBuf *sql)
{
    add_constraint_name(r, type->check_name, sql);
    strbuf_adds(sql, "CHECK (");
    sql_add_ident(sql, r->target->dialect, column);
    strbuf_add(sql, type->check);
    strbuf_adds(sql, ")");
}

/* sa.ForeignKey("t.id", ondelete=...) of a column. *ret_is_left_out: SQLite has none between files. */
static bool add_reference(Renderer *r, const Column *column, const PyNode *node, Str own_schema,
                          StrBuf *sql, bool *ret_is_left_out)
{
    static const char *const known[] = {"column",       "name",      "onupdate", "ondelete",
                                        "deferrable",   "initially", "match",    "use_alter",
                                        "link_to_name", "info",      "comment",  NULL};
    Str target, name, schema, table, remote;
    StrVec from = {0}, to = {0};
    if (!alembic_check(r, node, known) || !alembic_need(r, node, 0, "column", &target) ||
        !alembic_word(r, node, SIZE_MAX, "name", &name) ||
        !split_target(r, node, target, &schema, &table, &remote))
        return false;
    *ret_is_left_out = r->target->dialect == SQL_SQLITE && !str_eq(schema, own_schema);
    if (*ret_is_left_out)
        return true;
    if (!vec_push(r->arena, &from, column->name) || !vec_push(r->arena, &to, remote))
        return alembic_nomem(r);
    add_constraint_name(r, name, sql);
    return alembic_foreign_key(r, node, &from, r->target->dialect == SQL_SQLITE ? (Str){0} : schema,
                               table, &to, sql);
}

/* ---- add_column ---------------------------------------------------------------------------------------------- */

typedef struct Target {
    Str schema, table;
} Target;

static void add_table(Renderer *r, const char *before, const Target *table, StrBuf *sql)
{
    strbuf_adds(sql, before);
    alembic_add_name(r, sql, table->schema, table->table);
}

/* Column(index=True): its name is that of the default convention. */
static bool create_column_index(Renderer *r, const PyNode *call, const Target *table,
                                const Column *column)
{
    StrBuf sql = strbuf(r->arena);
    StrVec columns = {0};
    const char *name =
        str_format(r->arena, "ix_%.*s%s%.*s_%.*s", STR_ARG(table->schema),
                   table->schema.len > 0 ? "_" : "", STR_ARG(table->table), STR_ARG(column->name));
    bool is_sqlite = r->target->dialect == SQL_SQLITE;
    if (!column->is_indexed)
        return true;
    if (!name || !vec_push(r->arena, &columns, column->name))
        return alembic_nomem(r);
    if (str_from(name).len > 60)
        return alembic_refuse(r, column->call, "Create the index with op.create_index().",
                              "has an index whose name SQLAlchemy would shorten");
    strbuf_adds(&sql, column->is_unique ? "CREATE UNIQUE INDEX " : "CREATE INDEX ");
    alembic_add_name(r, &sql, is_sqlite ? table->schema : (Str){0}, str_from(name));
    strbuf_adds(&sql, " ON ");
    alembic_add_name(r, &sql, is_sqlite ? (Str){0} : table->schema, table->table);
    strbuf_adds(&sql, " ");
    return alembic_add_columns(r, &columns, &sql) && alembic_statement(r, call, &sql);
}

static bool comment_on_column(Renderer *r, const PyNode *call, const Target *table,
                              const Column *column)
{
    StrBuf sql = strbuf(r->arena);
    if (r->target->dialect != SQL_POSTGRES || column->comment.len == 0)
        return true;
    add_table(r, "COMMENT ON COLUMN ", table, &sql);
    strbuf_adds(&sql, ".");
    sql_add_ident(&sql, SQL_POSTGRES, column->name);
    strbuf_adds(&sql, " IS ");
    sql_add_literal(&sql, SQL_POSTGRES, column->comment);
    return alembic_statement(r, call, &sql);
}

static bool refuse_sqlite_constraint(Renderer *r, const Column *column)
{
    bool has_any = column->references.len > 0 || (column->is_unique && !column->is_indexed);
    return r->target->dialect != SQL_SQLITE || !has_any ||
           alembic_refuse(r, column->call,
                          "On SQLite that takes a new table: write the SQL beside the migration, "
                          "or run it with alembic.",
                          "adds the column %.*s with a constraint", STR_ARG(column->name));
}

/* The constraints of a column that is added, each as a statement. */
static bool add_column_constraints(Renderer *r, const PyNode *call, const Target *table,
                                   const Column *column)
{
    bool is_left_out;
    if (column->is_unique && !column->is_indexed) {
        StrBuf sql = strbuf(r->arena);
        StrVec columns = {0};
        if (!vec_push(r->arena, &columns, column->name))
            return alembic_nomem(r);
        add_table(r, "ALTER TABLE ", table, &sql);
        strbuf_adds(&sql, " ADD UNIQUE ");
        if (!alembic_add_columns(r, &columns, &sql) || !alembic_statement(r, call, &sql))
            return false;
    }
    for (size_t i = 0; i < column->references.len; i++) {
        StrBuf sql = strbuf(r->arena);
        add_table(r, "ALTER TABLE ", table, &sql);
        strbuf_adds(&sql, " ADD ");
        if (!add_reference(r, column, column->references.items[i], table->schema, &sql,
                           &is_left_out) ||
            !alembic_statement(r, call, &sql))
            return false;
    }
    /* SQLite cannot add it, and Alembic leaves it out there. */
    if (column->enumeration.check.len > 0 && r->target->dialect != SQL_SQLITE) {
        StrBuf sql = strbuf(r->arena);
        add_table(r, "ALTER TABLE ", table, &sql);
        strbuf_adds(&sql, " ADD ");
        alembic_type_check(r, column->name, &column->enumeration, &sql);
        return alembic_statement(r, call, &sql);
    }
    return true;
}

bool alembic_add_column(Renderer *r, const PyNode *call, bool is_batch)
{
    static const char *const known[] = {"table_name", "column", "schema", "if_not_exists", NULL};
    Target table = {r->batch_schema, r->batch_table};
    Column column;
    ColumnPlace place = {0};
    StrBuf sql = strbuf(r->arena);
    int if_not_exists;
    if (!alembic_check(r, call, known) ||
        (!is_batch && (!alembic_need(r, call, 0, "table_name", &table.table) ||
                       !alembic_schema(r, call, "schema", &table.schema))) ||
        !read_column(r, python_argument(call, is_batch ? 0 : 1, "column"), &column) ||
        !alembic_flag(r, call, "if_not_exists", 0, &if_not_exists))
        return false;
    if (column.is_key)
        return alembic_refuse(r, call, NULL, "adds a column of the primary key");
    if (!refuse_sqlite_constraint(r, &column))
        return false;
    add_table(r, "ALTER TABLE ", &table, &sql);
    strbuf_adds(&sql, if_not_exists ? " ADD COLUMN IF NOT EXISTS " : " ADD COLUMN ");
    return add_column_sql(r, &column, &place, &sql) && alembic_statement(r, call, &sql) &&
           add_column_constraints(r, call, &table, &column) &&
           create_column_index(r, call, &table, &column) &&
           comment_on_column(r, call, &table, &column);
}

bool alembic_lone_column(Renderer *r, const PyNode *node, Str *ret_name, Str *ret_sql)
{
    Column column;
    ColumnPlace place = {0};
    StrBuf sql = strbuf(r->arena);
    if (!read_column(r, node, &column))
        return false;
    if (column.is_key || column.is_unique || column.is_indexed || column.references.len > 0 ||
        column.enumeration.check.len > 0)
        return alembic_refuse(
            r, column.call, NULL,
            "adds the column %.*s with a key, an index, a check or a reference to a table "
            "that is rebuilt",
            STR_ARG(column.name));
    *ret_name = column.name;
    return add_column_sql(r, &column, &place, &sql) &&
           (strbuf_finish(&sql, ret_sql) || alembic_nomem(r));
}

/* ---- create_table -------------------------------------------------------------------------------------------- */

typedef struct Table {
    const PyNode *call;
    Target target;
    Str comment;
    ColumnVec columns;
    Vec(const PyNode *) constraints; /* but the primary key, in order */
    Vec(const PyNode *) indexes;
    const PyNode *key; /* sa.PrimaryKeyConstraint(...) */
    StrVec key_columns;
    bool is_sqlite_count;
    bool is_in_lines;
} Table;

static const Column *find_column(const Table *table, Str name)
{
    for (size_t i = 0; i < table->columns.len; i++)
        if (str_eq(table->columns.items[i].name, name))
            return &table->columns.items[i];
    return NULL;
}

/* The strings among the arguments without a name. */
static bool read_names(Renderer *r, const PyNode *call, StrVec *ret_names)
{
    StrVec names = {0};
    for (size_t i = 0; i < call->items.len; i++) {
        Str name;
        if (call->items.items[i].name.len > 0)
            continue;
        if (!alembic_string(r, call->items.items[i].value, "a column", &name))
            return false;
        if (!vec_push(r->arena, &names, name))
            return alembic_nomem(r);
    }
    *ret_names = names;
    return true;
}

static bool read_element(Renderer *r, Table *table, const PyNode *raw)
{
    const PyNode *node = alembic_resolve(r, raw);
    if (is_call_of(r, node, "Column", NULL)) {
        Column column;
        if (!read_column(r, node, &column))
            return false;
        return vec_push(r->arena, &table->columns, column) || alembic_nomem(r);
    }
    if (is_call_of(r, node, "PrimaryKeyConstraint", NULL)) {
        table->key = node;
        return read_names(r, node, &table->key_columns);
    }
    if (is_call_of(r, node, "UniqueConstraint", "CheckConstraint") ||
        is_call_of(r, node, "ForeignKeyConstraint", "ExcludeConstraint"))
        return vec_push(r->arena, &table->constraints, node) || alembic_nomem(r);
    if (is_call_of(r, node, "Index", NULL))
        return vec_push(r->arena, &table->indexes, node) || alembic_nomem(r);
    if (is_call_of(r, node, "MetaData", NULL) && node->items.len == 0)
        return true; /* Alembic brings its own */
    return alembic_refuse(r, raw, NULL, "creates a table with %s", python_describe(r->arena, raw));
}

static bool read_table(Renderer *r, const PyNode *call, Table *table)
{
    static const char *const known[] = {"table_name",
                                        "schema",
                                        "comment",
                                        "if_not_exists",
                                        "info",
                                        "prefixes",
                                        "mysql_engine",
                                        "mysql_charset",
                                        "mysql_default_charset",
                                        "mysql_collate",
                                        "mysql_row_format",
                                        "mysql_auto_increment",
                                        "mysql_key_block_size",
                                        "sqlite_autoincrement",
                                        "sqlite_with_rowid",
                                        "sqlite_strict",
                                        "postgresql_partition_by",
                                        "postgresql_tablespace",
                                        "postgresql_with",
                                        "postgresql_inherits",
                                        "postgresql_on_commit",
                                        "postgresql_using",
                                        NULL};
    int counts = 0;
    *table = (Table){.call = call};
    if (!alembic_check(r, call, known) ||
        !alembic_need(r, call, 0, "table_name", &table->target.table) ||
        !alembic_schema(r, call, "schema", &table->target.schema) ||
        !alembic_word(r, call, SIZE_MAX, "comment", &table->comment) ||
        (r->target->dialect == SQL_SQLITE &&
         !alembic_flag(r, call, "sqlite_autoincrement", 0, &counts)))
        return false;
    table->is_sqlite_count = counts;
    for (size_t place = 1;; place++) {
        const PyNode *raw = python_argument(call, place, NULL);
        if (!raw)
            break;
        if (!read_element(r, table, raw))
            return false;
    }
    for (size_t i = 0; !table->key && i < table->columns.len; i++)
        if (table->columns.items[i].is_key &&
            !vec_push(r->arena, &table->key_columns, table->columns.items[i].name))
            return alembic_nomem(r);
    return true;
}

static bool is_key(const Table *table, const Column *column)
{
    for (size_t i = 0; i < table->key_columns.len; i++)
        if (str_eq(table->key_columns.items[i], column->name))
            return true;
    return false;
}

/* Whether a foreign key of the table holds the column. */
static bool has_reference(Renderer *r, const Table *table, const Column *column)
{
    if (column->references.len > 0)
        return true;
    for (size_t i = 0; i < table->constraints.len; i++) {
        const PyNode *node = table->constraints.items[i];
        const PyNode *columns = alembic_argument(r, node, 0, "columns");
        if (!is_call_of(r, node, "ForeignKeyConstraint", NULL) || !columns)
            continue;
        for (size_t k = 0; k < columns->items.len; k++)
            if (columns->items.items[k].value->kind == PY_STRING &&
                str_eq(columns->items.items[k].value->text, column->name))
                return true;
    }
    return false;
}

/* The column of the key whose numbers the server makes: the only one, if it is an integer that nothing else fills, or one that says so. */
static bool counts_up(Renderer *r, const Table *table, const Column *column)
{
    bool is_integer = column->family == TYPE_INTEGER || column->family == TYPE_SMALL_INTEGER ||
                      column->family == TYPE_BIG_INTEGER;
    if (!is_integer || !is_key(table, column) || column->autoincrement == 0)
        return false;
    if (column->autoincrement == 1)
        return true;
    return table->key_columns.len == 1 && !column->has_default && !column->default_value &&
           !has_reference(r, table, column);
}

static ColumnPlace place_of(Renderer *r, const Table *table, const Column *column)
{
    bool is_integer = column->family == TYPE_INTEGER || column->family == TYPE_SMALL_INTEGER ||
                      column->family == TYPE_BIG_INTEGER;
    ColumnPlace place = {.is_key = is_key(table, column), .counts = counts_up(r, table, column)};
    place.is_sqlite_count = table->is_sqlite_count && place.is_key && is_integer &&
                            table->key_columns.len == 1 && !has_reference(r, table, column);
    return place;
}

/* A line each where the call has as many, so that what comes after it keeps its place. */
static void next_line(const Table *table, StrBuf *sql, bool *has_any)
{
    strbuf_adds(sql, *has_any ? "," : "");
    strbuf_adds(sql, table->is_in_lines ? "\n    " : *has_any ? " " : "");
    *has_any = true;
}

static bool add_unique(Renderer *r, const PyNode *node, StrBuf *sql)
{
    StrVec columns;
    Str name;
    int is_distinct;
    static const char *const known[] = {"name", "deferrable", "initially",
                                        "info", "comment",    "postgresql_nulls_not_distinct",
                                        NULL};
    if (!alembic_check(r, node, known) || !read_names(r, node, &columns) ||
        !alembic_word(r, node, SIZE_MAX, "name", &name) ||
        !alembic_flag(r, node, "postgresql_nulls_not_distinct", -1, &is_distinct))
        return false;
    add_constraint_name(r, name, sql);
    strbuf_adds(sql, "UNIQUE ");
    if (r->target->dialect == SQL_POSTGRES && is_distinct >= 0)
        strbuf_adds(sql, is_distinct ? "NULLS NOT DISTINCT " : "NULLS DISTINCT ");
    return alembic_add_columns(r, &columns, sql) && alembic_deferrable(r, node, sql);
}

static bool add_check(Renderer *r, const PyNode *node, StrBuf *sql)
{
    static const char *const known[] = {"sqltext", "name",    "deferrable", "initially",
                                        "info",    "comment", NULL};
    Str name;
    if (!alembic_check(r, node, known) || !alembic_word(r, node, SIZE_MAX, "name", &name))
        return false;
    add_constraint_name(r, name, sql);
    return alembic_condition(r, node, python_argument(node, 0, "sqltext"), sql) &&
           alembic_deferrable(r, node, sql);
}

static bool add_foreign_key(Renderer *r, const Table *table, const PyNode *node, StrBuf *sql,
                            bool *ret_is_left_out)
{
    static const char *const known[] = {
        "columns", "refcolumns", "name",         "onupdate", "ondelete", "deferrable", "initially",
        "match",   "use_alter",  "link_to_name", "info",     "comment",  NULL};
    StrVec local, targets, remote = {0};
    Str name, schema = {0}, referent = {0}, column;
    if (!alembic_check(r, node, known) || !alembic_word(r, node, 2, "name", &name) ||
        !alembic_strings(r, python_argument(node, 0, "columns"), "columns", &local) ||
        !alembic_strings(r, python_argument(node, 1, "refcolumns"), "refcolumns", &targets))
        return false;
    for (size_t i = 0; i < targets.len; i++) {
        if (!split_target(r, node, targets.items[i], &schema, &referent, &column))
            return false;
        if (!vec_push(r->arena, &remote, column))
            return alembic_nomem(r);
    }
    *ret_is_left_out = r->target->dialect == SQL_SQLITE && !str_eq(schema, table->target.schema);
    if (*ret_is_left_out)
        return true;
    add_constraint_name(r, name, sql);
    return alembic_foreign_key(r, node, &local,
                               r->target->dialect == SQL_SQLITE ? (Str){0} : schema, referent,
                               &remote, sql);
}

static bool add_key(Renderer *r, const Table *table, StrBuf *sql, bool *has_any)
{
    Str name = {0};
    static const char *const known[] = {"name", "deferrable", "initially", "info", "comment", NULL};
    if (table->key_columns.len == 0)
        return true;
    const Column *only =
        table->key_columns.len == 1 ? find_column(table, table->key_columns.items[0]) : NULL;
    if (only && place_of(r, table, only).is_sqlite_count)
        return true; /* it stands in the column */
    if (table->key && (!alembic_check(r, table->key, known) ||
                       !alembic_word(r, table->key, SIZE_MAX, "name", &name)))
        return false;
    next_line(table, sql, has_any);
    add_constraint_name(r, name, sql);
    strbuf_adds(sql, "PRIMARY KEY ");
    return alembic_add_columns(r, &table->key_columns, sql) &&
           (!table->key || alembic_deferrable(r, table->key, sql));
}

static bool add_exclude(Renderer *r, const PyNode *node, StrBuf *sql)
{
    Str name;
    if (!alembic_word(r, node, SIZE_MAX, "name", &name))
        return false;
    add_constraint_name(r, name, sql);
    return alembic_exclude(r, node, 0, sql);
}

/* One constraint in a line of its own, if it is not left out. */
static bool add_line(Renderer *r, const Table *table, const Column *column, const PyNode *node,
                     StrBuf *sql, bool *has_any)
{
    StrBuf line = strbuf(r->arena);
    bool is_left_out = false, is_ok;
    if (column)
        is_ok = add_reference(r, column, node, table->target.schema, &line, &is_left_out);
    else if (is_call_of(r, node, "UniqueConstraint", NULL))
        is_ok = add_unique(r, node, &line);
    else if (is_call_of(r, node, "CheckConstraint", NULL))
        is_ok = add_check(r, node, &line);
    else if (is_call_of(r, node, "ExcludeConstraint", NULL))
        is_ok = add_exclude(r, node, &line);
    else
        is_ok = add_foreign_key(r, table, node, &line, &is_left_out);
    if (!is_ok || is_left_out)
        return is_ok;
    if (line.has_failed)
        return alembic_nomem(r);
    next_line(table, sql, has_any);
    strbuf_add(sql, strbuf_str(&line));
    return true;
}

static bool add_table_body(Renderer *r, const Table *table, StrBuf *sql)
{
    bool has_any = false;
    for (size_t i = 0; i < table->columns.len; i++) {
        ColumnPlace place = place_of(r, table, &table->columns.items[i]);
        next_line(table, sql, &has_any);
        if (!add_column_sql(r, &table->columns.items[i], &place, sql))
            return false;
    }
    if (!add_key(r, table, sql, &has_any))
        return false;
    for (size_t i = 0; i < table->constraints.len; i++)
        if (!add_line(r, table, NULL, table->constraints.items[i], sql, &has_any))
            return false;
    for (size_t i = 0; i < table->columns.len; i++) {
        const Column *column = &table->columns.items[i];
        if (column->is_unique && !column->is_indexed) {
            next_line(table, sql, &has_any);
            strbuf_adds(sql, "UNIQUE (");
            sql_add_ident(sql, r->target->dialect, column->name);
            strbuf_adds(sql, ")");
        }
        for (size_t k = 0; k < column->references.len; k++)
            if (!add_line(r, table, column, column->references.items[k], sql, &has_any))
                return false;
        if (column->enumeration.check.len > 0) {
            next_line(table, sql, &has_any);
            alembic_type_check(r, column->name, &column->enumeration, sql);
        }
    }
    return true;
}

/* A word as it stands in the options behind a table. */
static bool add_option(Renderer *r, const PyNode *call, const char *name, const char *before,
                       StrBuf *sql)
{
    const PyNode *node = alembic_argument(r, call, SIZE_MAX, name);
    if (!node)
        return true;
    if (node->kind != PY_STRING && node->kind != PY_NUMBER)
        return alembic_refuse(r, node, NULL, "gives %s as %s", name,
                              python_describe(r->arena, node));
    strbuf_addf(sql, "%s%.*s", before, STR_ARG(node->text));
    return true;
}

static bool add_postgres_options(Renderer *r, const PyNode *call, StrBuf *sql)
{
    const PyNode *parents = alembic_argument(r, call, SIZE_MAX, "postgresql_inherits");
    const PyNode *storage = alembic_argument(r, call, SIZE_MAX, "postgresql_with");
    StrVec names = {0};
    Str name, place;
    if (parents && parents->kind == PY_STRING) {
        if (!vec_push(r->arena, &names, parents->text))
            return alembic_nomem(r);
    } else if (parents && !alembic_strings(r, parents, "postgresql_inherits", &names)) {
        return false;
    }
    if (names.len > 0) {
        strbuf_adds(sql, " INHERITS ");
        (void)alembic_add_columns(r, &names, sql);
    }
    if (!add_option(r, call, "postgresql_partition_by", " PARTITION BY ", sql) ||
        !add_option(r, call, "postgresql_using", " USING ", sql) ||
        (storage && !alembic_storage(r, storage, sql)) ||
        !alembic_word(r, call, SIZE_MAX, "postgresql_on_commit", &name) ||
        !alembic_word(r, call, SIZE_MAX, "postgresql_tablespace", &place))
        return false;
    if (name.len > 0) {
        strbuf_adds(sql, " ON COMMIT ");
        for (size_t i = 0; i < name.len; i++) {
            char c = name.ptr[i];
            strbuf_add_char(sql, c == '_' ? ' ' : c >= 'a' && c <= 'z' ? (char)(c - 'a' + 'A') : c);
        }
    }
    if (place.len > 0) {
        strbuf_adds(sql, " TABLESPACE ");
        sql_add_ident(sql, SQL_POSTGRES, place);
    }
    return true;
}

static bool add_options(Renderer *r, const Table *table, StrBuf *sql)
{
    static const struct {
        const char *name, *sql;
    } mysql[] = {
        {"mysql_engine", " ENGINE="},         {"mysql_auto_increment", " AUTO_INCREMENT="},
        {"mysql_row_format", " ROW_FORMAT="}, {"mysql_key_block_size", " KEY_BLOCK_SIZE="},
        {"mysql_charset", " CHARSET="},       {"mysql_default_charset", " DEFAULT CHARSET="}};
    const PyNode *call = table->call;
    if (r->target->dialect == SQL_MYSQL) {
        for (size_t i = 0; i < sizeof mysql / sizeof *mysql; i++)
            if (!add_option(r, call, mysql[i].name, mysql[i].sql, sql))
                return false;
        if (table->comment.len > 0) {
            strbuf_adds(sql, " COMMENT=");
            sql_add_literal(sql, SQL_MYSQL, table->comment);
        }
        return add_option(r, call, "mysql_collate", " COLLATE ", sql);
    }
    if (r->target->dialect == SQL_POSTGRES) {
        return add_postgres_options(r, call, sql);
    }
    int has_rowid, is_strict;
    if (!alembic_flag(r, call, "sqlite_with_rowid", 1, &has_rowid) ||
        !alembic_flag(r, call, "sqlite_strict", 0, &is_strict))
        return false;
    strbuf_adds(sql, has_rowid ? "" : " WITHOUT ROWID");
    strbuf_adds(sql, is_strict ? (has_rowid ? " STRICT" : ", STRICT") : "");
    return true;
}

/* PostgreSQL's enumerations are made before the table that uses them; each once. */
static bool create_enums(Renderer *r, const Table *table)
{
    for (size_t i = 0; i < table->columns.len; i++) {
        const EnumType *type = &table->columns.items[i].enumeration;
        bool is_twin = false;
        StrBuf sql = strbuf(r->arena);
        for (size_t k = 0; k < i && !is_twin; k++)
            is_twin = table->columns.items[k].enumeration.call &&
                      str_eq(table->columns.items[k].enumeration.name, type->name);
        if (!type->call || !type->may_create || is_twin || r->target->dialect != SQL_POSTGRES)
            continue;
        strbuf_adds(&sql, "CREATE TYPE ");
        alembic_add_name(r, &sql, type->schema, type->name);
        strbuf_adds(&sql, " AS ENUM ");
        if (!alembic_enum_labels(r, type, &sql) || !alembic_statement(r, table->call, &sql))
            return false;
    }
    return true;
}

static bool comment_on_table(Renderer *r, const Table *table)
{
    StrBuf sql = strbuf(r->arena);
    if (r->target->dialect == SQL_POSTGRES && table->comment.len > 0) {
        add_table(r, "COMMENT ON TABLE ", &table->target, &sql);
        strbuf_adds(&sql, " IS ");
        sql_add_literal(&sql, SQL_POSTGRES, table->comment);
        if (!alembic_statement(r, table->call, &sql))
            return false;
    }
    for (size_t i = 0; i < table->columns.len; i++)
        if (!comment_on_column(r, table->call, &table->target, &table->columns.items[i]))
            return false;
    return true;
}

bool alembic_create_table(Renderer *r, const PyNode *call, bool is_batch)
{
    Table table;
    StrBuf sql = strbuf(r->arena);
    StrVec prefixes = {0};
    int if_not_exists;
    if (is_batch)
        return alembic_refuse(r, call, NULL, "creates a table within batch_alter_table()");
    if (!read_table(r, call, &table) || !alembic_flag(r, call, "if_not_exists", 0, &if_not_exists))
        return false;
    const PyNode *before = alembic_argument(r, call, SIZE_MAX, "prefixes");
    if ((before && !alembic_strings(r, before, "prefixes", &prefixes)) || !create_enums(r, &table))
        return false;
    table.is_in_lines = call->end_line > call->line + table.columns.len + table.constraints.len;
    strbuf_adds(&sql, "CREATE ");
    for (size_t i = 0; i < prefixes.len; i++)
        strbuf_addf(&sql, "%.*s ", STR_ARG(prefixes.items[i]));
    strbuf_adds(&sql, if_not_exists ? "TABLE IF NOT EXISTS " : "TABLE ");
    alembic_add_name(r, &sql, table.target.schema, table.target.table);
    strbuf_adds(&sql, " (");
    if (!add_table_body(r, &table, &sql))
        return false;
    strbuf_adds(&sql, table.is_in_lines ? "\n)" : ")");
    if (!add_options(r, &table, &sql) || !alembic_statement(r, call, &sql))
        return false;
    for (size_t i = 0; i < table.columns.len; i++)
        if (!create_column_index(r, call, &table.target, &table.columns.items[i]))
            return false;
    for (size_t i = 0; i < table.indexes.len; i++)
        if (!alembic_table_index(r, call, table.indexes.items[i], table.target.schema,
                                 table.target.table))
            return false;
    return comment_on_table(r, &table);
}

/* Reads CREATE TABLE and CREATE INDEX as SQLite keeps them. What goes beyond columns, defaults, keys and conditions is told as trouble
 * rather than passed over, as whoever makes the table anew would lose it. SPDX-License-Identifier: Apache-2.0 */
#include "convention/sqlite_table.h"

typedef Vec(SqlToken) TokenVec;

typedef struct Reader {
    Arena *arena;
    Str sql;
    TokenVec tokens;
    size_t at;
    SqliteTable *table;
    bool has_failed; /* memory */
} Reader;

static bool tokens_of(Arena *arena, Str sql, Reader *ret_reader, Error *err)
{
    SqlSplitOptions options = {.dialect = SQL_SQLITE};
    SqlLexer lexer = sql_lexer(sql, &options);
    SqlToken token;
    Reader reader = {.arena = arena, .sql = sql};
    while (sql_lexer_next(&lexer, &token))
        if (!vec_push(arena, &reader.tokens, token))
            return error_nomem(err);
    *ret_reader = reader;
    return true;
}

static const SqlToken *now(const Reader *r)
{
    return r->at < r->tokens.len ? &r->tokens.items[r->at] : NULL;
}

static bool is_word(const Reader *r, const char *word)
{
    return now(r) && sql_token_is(now(r), word);
}

static bool is_symbol(const Reader *r, const char *symbol)
{
    return now(r) && now(r)->kind == SQL_TOKEN_SYMBOL && str_eq(now(r)->text, str_from(symbol));
}

static bool take_word(Reader *r, const char *word)
{
    bool is = is_word(r, word);
    r->at += is;
    return is;
}

static bool take_symbol(Reader *r, const char *symbol)
{
    bool is = is_symbol(r, symbol);
    r->at += is;
    return is;
}

/* Always false. */
static bool trouble(Reader *r, const char *what)
{
    if (!r->table->trouble)
        r->table->trouble = what;
    return false;
}

static bool nomem(Reader *r)
{
    r->has_failed = true;
    return false;
}

static bool take_name(Reader *r, Str *ret_name)
{
    const SqlToken *token = now(r);
    if (!token || (token->kind != SQL_TOKEN_WORD && token->kind != SQL_TOKEN_IDENT))
        return trouble(r, "a name that is not read");
    r->at++;
    return sql_ident_value(r->arena, SQL_SQLITE, token->text, ret_name) || nomem(r);
}

/* At "(": what is between it and its partner, which is passed. */
static bool take_brackets(Reader *r, Str *ret_text)
{
    size_t depth = 0, from = now(r) ? now(r)->offset + 1 : 0;
    if (!is_symbol(r, "("))
        return trouble(r, "something that is not read");
    for (; now(r); r->at++) {
        depth += is_symbol(r, "(");
        depth -= is_symbol(r, ")");
        if (depth == 0) {
            *ret_text = str_trim(str_sub(r->sql, from, now(r)->offset));
            r->at++;
            return true;
        }
    }
    return trouble(r, "a bracket that does not close");
}

/* "(a, b)" */
static bool take_columns(Reader *r, StrVec *ret_columns)
{
    StrVec columns = {0};
    if (!take_symbol(r, "("))
        return trouble(r, "something that is not read");
    do {
        Str name;
        if (!take_name(r, &name))
            return false;
        if (!vec_push(r->arena, &columns, name))
            return nomem(r);
    } while (take_symbol(r, ","));
    if (!take_symbol(r, ")"))
        return trouble(r, "an index or a key of more than columns");
    *ret_columns = columns;
    return true;
}

static bool push_constraint(Reader *r, SqliteConstraint constraint)
{
    return vec_push(r->arena, &r->table->constraints, constraint) || nomem(r);
}

/* ---- REFERENCES ---------------------------------------------------------------------------------------------- */

static bool take_rule(Reader *r, Str *deletes, Str *updates)
{
    Str *rule = is_word(r, "DELETE") ? deletes : is_word(r, "UPDATE") ? updates : NULL;
    if (!rule)
        return trouble(r, "a foreign key that is not read");
    r->at++;
    if (take_word(r, "CASCADE"))
        *rule = STR("CASCADE");
    else if (take_word(r, "RESTRICT"))
        *rule = STR("RESTRICT");
    else if (take_word(r, "SET"))
        *rule = is_word(r, "NULL") ? STR("SET NULL") : STR("SET DEFAULT");
    else if (!take_word(r, "NO"))
        return trouble(r, "a foreign key that is not read");
    else
        *rule = (Str){0};
    if (!str_starts(*rule, STR("CASCADE")) && !str_starts(*rule, STR("RESTRICT")))
        r->at++; /* NULL, DEFAULT, ACTION */
    return true;
}

/* Behind REFERENCES. The rules in the order in which SQLAlchemy says them; NO ACTION is what goes without saying. */
static bool take_reference(Reader *r, SqliteConstraint *constraint)
{
    StrBuf rules = strbuf(r->arena);
    Str deletes = {0}, updates = {0}, initially = {0};
    int deferrable = -1;
    if (!take_name(r, &constraint->referent) ||
        (is_symbol(r, "(") && !take_columns(r, &constraint->remote)))
        return false;
    for (;;) {
        if (take_word(r, "ON")) {
            if (!take_rule(r, &deletes, &updates))
                return false;
        } else if (take_word(r, "MATCH")) {
            return trouble(r, "a foreign key with MATCH");
        } else if (take_word(r, "DEFERRABLE")) {
            deferrable = 1;
        } else if (is_word(r, "NOT") && r->at + 1 < r->tokens.len &&
                   sql_token_is(&r->tokens.items[r->at + 1], "DEFERRABLE")) {
            r->at += 2;
            deferrable = 0;
        } else if (take_word(r, "INITIALLY")) {
            initially = is_word(r, "DEFERRED") ? STR("DEFERRED") : STR("IMMEDIATE");
            r->at++;
        } else {
            break;
        }
    }
    if (deletes.len > 0)
        strbuf_addf(&rules, " ON DELETE %.*s", STR_ARG(deletes));
    if (updates.len > 0)
        strbuf_addf(&rules, " ON UPDATE %.*s", STR_ARG(updates));
    strbuf_adds(&rules, deferrable == 1 ? " DEFERRABLE" : deferrable == 0 ? " NOT DEFERRABLE" : "");
    if (initially.len > 0)
        strbuf_addf(&rules, " INITIALLY %.*s", STR_ARG(initially));
    return strbuf_finish(&rules, &constraint->rules) || nomem(r);
}

/* ---- columns ------------------------------------------------------------------------------------------------- */

static bool begins_constraint(const Reader *r)
{
    static const char *const words[] = {"CONSTRAINT", "NOT",       "NULL",  "DEFAULT",
                                        "PRIMARY",    "UNIQUE",    "CHECK", "REFERENCES",
                                        "COLLATE",    "GENERATED", "AS",    NULL};
    for (size_t i = 0; words[i]; i++)
        if (is_word(r, words[i]))
            return true;
    return false;
}

static bool take_type(Reader *r, Str *ret_type)
{
    size_t from = now(r) ? now(r)->offset : 0, to = from;
    Str ignored;
    while (now(r) && (now(r)->kind == SQL_TOKEN_WORD || now(r)->kind == SQL_TOKEN_IDENT) &&
           !begins_constraint(r)) {
        to = now(r)->offset + now(r)->text.len;
        r->at++;
    }
    if (is_symbol(r, "(") && to > from) {
        if (!take_brackets(r, &ignored))
            return false;
        to = r->tokens.items[r->at - 1].offset + 1;
    }
    *ret_type = str_sub(r->sql, from, to);
    return true;
}

static bool take_default(Reader *r, SqliteColumn *column)
{
    column->has_default = true;
    if (is_symbol(r, "("))
        return take_brackets(r, &column->default_value);
    size_t from = now(r) ? now(r)->offset : 0;
    if (is_symbol(r, "-") || is_symbol(r, "+"))
        r->at++;
    const SqlToken *token = now(r);
    if (!token || token->kind == SQL_TOKEN_SYMBOL)
        return trouble(r, "a default that is not read");
    r->at++;
    column->default_value = str_sub(r->sql, from, token->offset + token->text.len);
    return true;
}

/* A constraint that stands in its column. name: behind CONSTRAINT. */
static bool take_inline(Reader *r, SqliteColumn *column, Str name)
{
    SqliteConstraint constraint = {0};
    if (take_word(r, "NOT")) {
        column->is_not_null = true;
        return take_word(r, "NULL") || trouble(r, "something that is not read");
    }
    if (take_word(r, "NULL"))
        return true;
    if (take_word(r, "DEFAULT"))
        return take_default(r, column);
    if (take_word(r, "CHECK")) {
        constraint.kind = SQLITE_CHECK;
        constraint.name = name;
        return take_brackets(r, &constraint.condition) && push_constraint(r, constraint);
    }
    if (is_word(r, "COLLATE"))
        return trouble(r, "a collation");
    if (is_word(r, "GENERATED") || is_word(r, "AS"))
        return trouble(r, "a computed column");
    if (is_word(r, "ON"))
        return trouble(r, "an ON CONFLICT clause");
    if (!vec_push(r->arena, &constraint.columns, column->name))
        return nomem(r);
    if (take_word(r, "PRIMARY")) {
        constraint.kind = SQLITE_PRIMARY_KEY;
        constraint.name = name;
        if (!take_word(r, "KEY") || take_word(r, "DESC"))
            return trouble(r, "a descending primary key");
        (void)take_word(r, "ASC");
        if (is_word(r, "AUTOINCREMENT"))
            return trouble(r, "AUTOINCREMENT");
        return push_constraint(r, constraint);
    }
    if (take_word(r, "UNIQUE")) {
        constraint.kind = SQLITE_UNIQUE;
        return push_constraint(r, constraint);
    }
    if (!take_word(r, "REFERENCES"))
        return trouble(r, "something that is not read");
    constraint.kind = SQLITE_FOREIGN_KEY;
    if (!take_reference(r, &constraint))
        return false;
    if (constraint.rules.len > 0)
        return trouble(r, "a foreign key with rules within its column");
    return push_constraint(r, constraint);
}

static bool take_column(Reader *r)
{
    SqliteColumn column = {0};
    if (!take_name(r, &column.name) || !take_type(r, &column.type))
        return false;
    while (now(r) && !is_symbol(r, ",") && !is_symbol(r, ")")) {
        Str name = {0};
        if (take_word(r, "CONSTRAINT") && !take_name(r, &name))
            return false;
        if (!take_inline(r, &column, name))
            return false;
    }
    return vec_push(r->arena, &r->table->columns, column) || nomem(r);
}

/* ---- the table ----------------------------------------------------------------------------------------------- */

/* One of the table's own. *ret_is false: here begins a column. */
static bool take_constraint(Reader *r, bool *ret_is)
{
    SqliteConstraint constraint = {0};
    *ret_is = true;
    if (take_word(r, "CONSTRAINT") && !take_name(r, &constraint.name))
        return false;
    if (take_word(r, "PRIMARY")) {
        constraint.kind = SQLITE_PRIMARY_KEY;
        if (!take_word(r, "KEY") || !take_columns(r, &constraint.columns))
            return trouble(r, "a primary key that is not read");
    } else if (take_word(r, "UNIQUE")) {
        constraint.kind = SQLITE_UNIQUE;
        if (!take_columns(r, &constraint.columns))
            return false;
    } else if (take_word(r, "CHECK")) {
        constraint.kind = SQLITE_CHECK;
        if (!take_brackets(r, &constraint.condition))
            return false;
    } else if (take_word(r, "FOREIGN")) {
        constraint.kind = SQLITE_FOREIGN_KEY;
        if (!take_word(r, "KEY") || !take_columns(r, &constraint.columns) ||
            !take_word(r, "REFERENCES") || !take_reference(r, &constraint))
            return trouble(r, "a foreign key that is not read");
    } else {
        *ret_is = false;
        return constraint.name.len == 0 || trouble(r, "a constraint that is not read");
    }
    if (is_word(r, "ON"))
        return trouble(r, "an ON CONFLICT clause");
    return push_constraint(r, constraint);
}

static bool take_table(Reader *r)
{
    Str name;
    if (!take_word(r, "CREATE") || !take_word(r, "TABLE"))
        return trouble(r, "a form that is not read (it is virtual or temporary)");
    if (take_word(r, "IF"))
        r->at += 2;
    if (!take_name(r, &name) || (take_symbol(r, ".") && !take_name(r, &name)) ||
        !take_symbol(r, "("))
        return trouble(r, "a form that is not read");
    do {
        bool is_constraint;
        if (!take_constraint(r, &is_constraint) || (!is_constraint && !take_column(r)))
            return false;
    } while (take_symbol(r, ","));
    if (!take_symbol(r, ")"))
        return trouble(r, "something that is not read");
    return !now(r) || trouble(r, "WITHOUT ROWID or STRICT");
}

bool sqlite_table_parse(Arena *arena, Str sql, SqliteTable *ret_table, Error *err)
{
    Reader r;
    *ret_table = (SqliteTable){0};
    if (!tokens_of(arena, sql, &r, err))
        return false;
    r.table = ret_table;
    (void)take_table(&r);
    return !r.has_failed || error_nomem(err);
}

static bool take_index(Reader *r)
{
    SqliteIndex index = {0};
    Str ignored;
    (void)take_word(r, "CREATE");
    index.is_unique = take_word(r, "UNIQUE");
    (void)take_word(r, "INDEX");
    if (take_word(r, "IF"))
        r->at += 2;
    if (!take_name(r, &index.name) || (take_symbol(r, ".") && !take_name(r, &index.name)))
        return false;
    (void)take_word(r, "ON");
    if (!take_name(r, &ignored))
        return false;
    if (!take_columns(r, &index.columns))
        return trouble(r, "an index of more than columns");
    if (is_word(r, "WHERE")) {
        size_t from = now(r)->offset + now(r)->text.len;
        index.condition = str_trim(str_sub(r->sql, from, r->sql.len));
    } else if (now(r)) {
        return trouble(r, "an index that is not read");
    }
    return vec_push(r->arena, &r->table->indexes, index) || nomem(r);
}

bool sqlite_index_parse(Arena *arena, Str sql, SqliteTable *table, Error *err)
{
    Reader r;
    if (!tokens_of(arena, sql, &r, err))
        return false;
    r.table = table;
    (void)take_index(&r);
    return !r.has_failed || error_nomem(err);
}

bool sqlite_table_read(Db *db, Arena *arena, Str name, SqliteTable *ret_table, bool *ret_exists,
                       Error *err)
{
    scoped(DbRows, db_rows_done) rows = {0};
    SqliteTable table = {0};
    StrBuf sql = strbuf(arena);
    Str text;
    bool has_trigger = false;
    *ret_exists = false;
    /* The table first. */
    strbuf_adds(&sql, "SELECT type, sql FROM sqlite_master WHERE sql IS NOT NULL AND tbl_name = ");
    sql_add_literal(&sql, SQL_SQLITE, name);
    strbuf_adds(&sql, " COLLATE NOCASE ORDER BY type <> 'table', name");
    if (!strbuf_finish(&sql, &text))
        return error_nomem(err);
    if (!db_query(db, text, &rows, err))
        return false;
    while (db_rows_next(&rows)) {
        Str type = rows.cols[0].text, made;
        if (!str_copy(arena, rows.cols[1].text, &made))
            return error_nomem(err);
        bool is_table = str_eq(type, STR("table"));
        *ret_exists = *ret_exists || is_table;
        has_trigger = has_trigger || str_eq(type, STR("trigger"));
        if ((is_table && !sqlite_table_parse(arena, made, &table, err)) ||
            (str_eq(type, STR("index")) && !sqlite_index_parse(arena, made, &table, err)))
            return false;
    }
    if (!db_rows_finish(&rows, err))
        return false;
    if (has_trigger && !table.trouble)
        table.trouble = "a trigger";
    *ret_table = table;
    return true;
}

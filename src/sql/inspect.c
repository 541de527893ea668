/* What a statement is, read off its leading tokens: verb, object, names, and what running it safely has to know.
 *
 * Each reader below follows the grammar as far as it needs to and leaves alone what it does not know: an unknown statement is
 * SQL_VERB_OTHER without flags, for the server to judge. The facts behind the flags (what a server refuses in a
 * transaction, what commits implicitly) were tried on PostgreSQL 12 to 18, MariaDB 10.11 and SQLite 3.34 to 3.54; those of
 * MySQL 8 are from its manual, 15.3.3. SPDX-License-Identifier: Apache-2.0 */
#include "sql/scan.h"

typedef struct Cursor {
    SqlLexer lexer, outer; /* outer: of the text around a conditional comment */
    bool is_inner;
    SqlToken token;
    bool has; /* whether there is a token */
    SqlDialect dialect;
} Cursor;

/* ---- walking -------------------------------------------------------------------------------------------------- */

static void advance(Cursor *c)
{
    for (;;) {
        c->has = sql_lexer_next(&c->lexer, &c->token);
        if (!c->has && c->is_inner) {
            c->lexer = c->outer;
            c->is_inner = false;
            continue;
        }
        if (!c->has || c->token.kind != SQL_TOKEN_CODE_COMMENT)
            return;
        Str text = c->token.text;
        size_t from = text.len > 2 && text.ptr[2] == 'M' ? 4 : 3;
        if (c->is_inner || (text.len > 2 && text.ptr[2] == '+'))
            continue; /* a hint */
        while (from < text.len && text.ptr[from] >= '0' && text.ptr[from] <= '9')
            from++;
        c->outer = c->lexer;
        c->is_inner = true;
        size_t end = str_ends(text, STR("*/")) && text.len >= from + 2 ? text.len - 2 : text.len;
        c->lexer.text = str_sub(text, from, end);
        c->lexer.at = 0;
    }
}

static bool is(const Cursor *c, const char *keyword)
{
    return c->has && sql_token_is(&c->token, keyword);
}

static bool is_symbol(const Cursor *c, char symbol)
{
    return c->has && c->token.kind == SQL_TOKEN_SYMBOL && c->token.text.ptr[0] == symbol;
}

static bool accept(Cursor *c, const char *keyword)
{
    if (!is(c, keyword))
        return false;
    advance(c);
    return true;
}

static bool accept_symbol(Cursor *c, char symbol)
{
    if (!is_symbol(c, symbol))
        return false;
    advance(c);
    return true;
}

/* Takes whichever of the words, up to NULL, comes next; its index, or -1. */
static int accept_any(Cursor *c, const char *const *keywords)
{
    for (int i = 0; keywords[i]; i++) {
        if (accept(c, keywords[i]))
            return i;
    }
    return -1;
}
#define ACCEPT_ANY(c, ...) accept_any((c), (const char *const[]){__VA_ARGS__, NULL})
#define IS_ANY(c, ...) is_any((c), (const char *const[]){__VA_ARGS__, NULL})

static bool is_any(const Cursor *c, const char *const *keywords)
{
    for (; *keywords; keywords++) {
        if (is(c, *keywords))
            return true;
    }
    return false;
}

/* The keyword behind the next token, without taking anything. */
static bool is_behind(const Cursor *c, const char *keyword)
{
    Cursor ahead = *c;
    advance(&ahead);
    return is(&ahead, keyword);
}

/* Goes behind the parenthesis that closes the one at hand. */
static void skip_parens(Cursor *c)
{
    size_t depth = 0;

    do {
        if (is_symbol(c, '('))
            depth++;
        else if (is_symbol(c, ')'))
            depth--;
        advance(c);
    } while (c->has && depth > 0);
}

/* Goes to the keyword at parenthesis depth 0 and takes it. */
static bool find(Cursor *c, const char *keyword)
{
    while (c->has) {
        if (is_symbol(c, '('))
            skip_parens(c);
        else if (accept(c, keyword))
            return true;
        else
            advance(c);
    }
    return false;
}

static bool is_name(const Cursor *c)
{
    return c->has && (c->token.kind == SQL_TOKEN_WORD || c->token.kind == SQL_TOKEN_IDENT ||
                      (c->token.kind == SQL_TOKEN_STRING && c->dialect != SQL_POSTGRES) ||
                      (c->token.kind == SQL_TOKEN_NUMBER && c->dialect == SQL_MYSQL));
}

/* name, schema.name, database.schema.name */
static bool take_name(Cursor *c, Str *ret_schema, Str *ret_name)
{
    if (!is_name(c))
        return false;
    *ret_schema = (Str){0};
    *ret_name = c->token.text;
    advance(c);
    while (is_symbol(c, '.')) {
        advance(c);
        if (!is_name(c))
            break;
        *ret_schema = *ret_name;
        *ret_name = c->token.text;
        advance(c);
    }
    return true;
}

/* IF [NOT] EXISTS */
static void take_if_exists(Cursor *c, SqlInfo *info)
{
    if (!is(c, "IF"))
        return;
    Cursor ahead = *c;
    advance(&ahead);
    accept(&ahead, "NOT");
    if (accept(&ahead, "EXISTS")) {
        *c = ahead;
        info->flags |= SQL_IF_EXISTS;
    }
}

/* ---- objects -------------------------------------------------------------------------------------------------- */

/* The object whose word is at hand, and the word taken; several words where the grammar has them. */
static SqlObject take_object(Cursor *c)
{
    static const struct {
        const char *word;
        SqlObject object;
    } words[] = {
        {"TABLE", SQL_OBJECT_TABLE},
        {"TABLES", SQL_OBJECT_TABLE}, /* MySQL's DROP TABLES */
        {"INDEX", SQL_OBJECT_INDEX},
        {"VIEW", SQL_OBJECT_VIEW},
        {"SEQUENCE", SQL_OBJECT_SEQUENCE},
        {"TYPE", SQL_OBJECT_TYPE},
        {"DOMAIN", SQL_OBJECT_DOMAIN},
        {"SCHEMA", SQL_OBJECT_SCHEMA},
        {"DATABASE", SQL_OBJECT_DATABASE},
        {"FUNCTION", SQL_OBJECT_FUNCTION},
        {"PROCEDURE", SQL_OBJECT_PROCEDURE},
        {"TRIGGER", SQL_OBJECT_TRIGGER},
        {"EXTENSION", SQL_OBJECT_EXTENSION},
        {"ROLE", SQL_OBJECT_ROLE},
        {"GROUP", SQL_OBJECT_ROLE},
        {"RULE", SQL_OBJECT_RULE},
        {"POLICY", SQL_OBJECT_POLICY},
        {"TABLESPACE", SQL_OBJECT_TABLESPACE},
        {"SUBSCRIPTION", SQL_OBJECT_SUBSCRIPTION},
        {"PUBLICATION", SQL_OBJECT_PUBLICATION},
        {"SYSTEM", SQL_OBJECT_SYSTEM},
    };

    if (is(c, "MATERIALIZED") && is_behind(c, "VIEW")) {
        advance(c);
        advance(c);
        return SQL_OBJECT_MATERIALIZED_VIEW;
    }
    if (is(c, "EVENT")) {
        advance(c);
        /* PostgreSQL's event triggers belong to no table */
        return accept(c, "TRIGGER") ? SQL_OBJECT_OTHER : SQL_OBJECT_EVENT;
    }
    if (is(c, "USER")) {
        advance(c);
        return accept(c, "MAPPING") ? SQL_OBJECT_OTHER : SQL_OBJECT_ROLE;
    }
    if (is(c, "FOREIGN")) {
        advance(c);
        if (accept(c, "TABLE"))
            return SQL_OBJECT_TABLE;
        if (accept(c, "DATA"))
            accept(c, "WRAPPER");
        return SQL_OBJECT_OTHER;
    }
    if (is(c, "VIRTUAL") && is_behind(c, "TABLE")) {
        advance(c);
        advance(c);
        return SQL_OBJECT_TABLE;
    }
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (!accept(c, words[i].word))
            continue;
        if (words[i].object == SQL_OBJECT_SCHEMA && c->dialect == SQL_MYSQL)
            return SQL_OBJECT_DATABASE;
        return words[i].object;
    }
    /* What has two words before its name. */
    static const char *const pairs[][2] = {
        {"TEXT", "SEARCH"},        {"ACCESS", "METHOD"}, {"OPERATOR", "CLASS"},
        {"OPERATOR", "FAMILY"},    {"LARGE", "OBJECT"},  {"RESOURCE", "GROUP"},
        {"DEFAULT", "PRIVILEGES"}, {"PACKAGE", "BODY"},
    };
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        if (is(c, pairs[i][0]) && is_behind(c, pairs[i][1])) {
            advance(c);
            advance(c);
            ACCEPT_ANY(c, "CONFIGURATION", "DICTIONARY", "PARSER", "TEMPLATE");
            return SQL_OBJECT_OTHER;
        }
    }
    if (c->has)
        advance(c);
    return SQL_OBJECT_OTHER;
}

/* The words between CREATE, ALTER or DROP and the object's. */
static void take_modifiers(Cursor *c, SqlInfo *info)
{
    for (;;) {
        if (is(c, "OR") && is_behind(c, "REPLACE")) {
            advance(c);
            advance(c);
            info->flags |= SQL_IF_EXISTS;
        } else if (ACCEPT_ANY(c, "TEMP", "TEMPORARY") >= 0) {
            info->flags |= SQL_TEMPORARY;
        } else if (ACCEPT_ANY(c, "GLOBAL", "LOCAL", "UNLOGGED", "UNIQUE", "FULLTEXT", "SPATIAL",
                              "RECURSIVE", "CONSTRAINT", "AGGREGATE", "TRUSTED", "PROCEDURAL",
                              "ONLINE", "OFFLINE", "IGNORE", "UNDO") >= 0) {
            /* says nothing that matters here */
        } else if (c->dialect == SQL_MYSQL && IS_ANY(c, "DEFINER", "ALGORITHM")) {
            /* DEFINER = 'root'@'localhost', ALGORITHM = MERGE */
            advance(c);
            accept_symbol(c, '=');
            advance(c);
            if (c->has && c->token.kind == SQL_TOKEN_PARAM)
                advance(c);
            if (is_symbol(c, '('))
                skip_parens(c);
        } else if (c->dialect == SQL_MYSQL && is(c, "SQL") && is_behind(c, "SECURITY")) {
            advance(c);
            advance(c);
            advance(c);
        } else {
            return;
        }
    }
}

static bool is_off(Str value)
{
    if (value.len >= 2 && value.ptr[0] == '\'')
        value = str_sub(value, 1, value.len - 1);
    return str_eq_nocase(value, STR("false")) || str_eq_nocase(value, STR("off")) ||
           str_eq(value, STR("0"));
}

/* Whether an option list that follows says name = false (or off, 0), or says it at all with any value. */
static bool has_option(Cursor c, const char *name, bool wants_off)
{
    while (c.has) {
        if (!accept(&c, name)) {
            advance(&c);
            continue;
        }
        if (!wants_off)
            return true;
        accept_symbol(&c, '=');
        return c.has && is_off(c.token.text);
    }
    return false;
}

/* ---- CREATE, DROP, ALTER -------------------------------------------------------------------------------------- */

static void take_concurrently(Cursor *c, SqlInfo *info)
{
    if (c->dialect == SQL_POSTGRES && accept(c, "CONCURRENTLY"))
        info->flags |= SQL_CONCURRENTLY | SQL_NO_TRANSACTION;
}

/* ON table, for what belongs to one. */
static void take_owner(Cursor *c, SqlInfo *info, bool is_far)
{
    if (is_far ? !find(c, "ON") : !accept(c, "ON"))
        return;
    accept(c, "ONLY");
    take_name(c, &info->table_schema, &info->table);
}

static void read_create_index(Cursor *c, SqlInfo *info)
{
    take_concurrently(c, info);
    take_if_exists(c, info);
    if (!is(c, "ON"))
        take_name(c, &info->schema, &info->name);
    take_owner(c, info, true);
}

static void read_create(Cursor *c, SqlInfo *info)
{
    info->verb = SQL_VERB_CREATE;
    info->flags |= SQL_IS_DDL;
    take_modifiers(c, info);
    info->object = take_object(c);
    if (info->object == SQL_OBJECT_INDEX) {
        read_create_index(c, info);
        return;
    }
    take_if_exists(c, info);
    bool is_nameless = (info->object == SQL_OBJECT_SCHEMA && is(c, "AUTHORIZATION")) ||
                       (info->object == SQL_OBJECT_OTHER && is(c, "FOR")); /* USER MAPPING FOR */
    if (!is_nameless)
        take_name(c, &info->schema, &info->name);
    bool is_postgres = c->dialect == SQL_POSTGRES;
    switch (info->object) {
    case SQL_OBJECT_TRIGGER:
        take_owner(c, info, true);
        break;
    case SQL_OBJECT_POLICY:
        take_owner(c, info, false);
        break;
    case SQL_OBJECT_RULE:
        if (find(c, "TO"))
            take_name(c, &info->table_schema, &info->table);
        break;
    case SQL_OBJECT_DATABASE:
    case SQL_OBJECT_TABLESPACE:
        if (is_postgres)
            info->flags |= SQL_NO_TRANSACTION;
        break;
    case SQL_OBJECT_SUBSCRIPTION:
        if (!has_option(*c, "create_slot", true) && !has_option(*c, "connect", true))
            info->flags |= SQL_NO_TRANSACTION;
        break;
    case SQL_OBJECT_NONE:
    case SQL_OBJECT_TABLE:
    case SQL_OBJECT_INDEX:
    case SQL_OBJECT_VIEW:
    case SQL_OBJECT_MATERIALIZED_VIEW:
    case SQL_OBJECT_SEQUENCE:
    case SQL_OBJECT_TYPE:
    case SQL_OBJECT_DOMAIN:
    case SQL_OBJECT_SCHEMA:
    case SQL_OBJECT_FUNCTION:
    case SQL_OBJECT_PROCEDURE:
    case SQL_OBJECT_EVENT:
    case SQL_OBJECT_EXTENSION:
    case SQL_OBJECT_ROLE:
    case SQL_OBJECT_PUBLICATION:
    case SQL_OBJECT_SYSTEM:
    case SQL_OBJECT_OTHER:
        break;
    }
}

static void read_drop(Cursor *c, SqlInfo *info)
{
    info->verb = SQL_VERB_DROP;
    if (c->dialect == SQL_MYSQL && accept(c, "PREPARE")) {
        info->verb = SQL_VERB_OTHER;
        return;
    }
    info->flags |= SQL_IS_DDL;
    take_modifiers(c, info);
    if (is(c, "OWNED")) {
        info->object = SQL_OBJECT_OTHER;
        return;
    }
    info->object = take_object(c);
    if (info->object == SQL_OBJECT_INDEX)
        take_concurrently(c, info);
    take_if_exists(c, info);
    take_name(c, &info->schema, &info->name);
    if (info->object == SQL_OBJECT_TRIGGER || info->object == SQL_OBJECT_RULE ||
        info->object == SQL_OBJECT_POLICY ||
        (info->object == SQL_OBJECT_INDEX && c->dialect == SQL_MYSQL))
        take_owner(c, info, false);
    if (c->dialect == SQL_POSTGRES &&
        (info->object == SQL_OBJECT_DATABASE || info->object == SQL_OBJECT_TABLESPACE ||
         info->object == SQL_OBJECT_SUBSCRIPTION))
        info->flags |= SQL_NO_TRANSACTION;
}

static void set_sub(SqlInfo *info, SqlVerb verb, SqlObject object, Str name)
{
    info->sub_verb = verb;
    info->sub_object = object;
    info->sub_name = name;
}

static Str take_part(Cursor *c)
{
    Str name = {0};

    if (is_name(c)) {
        name = c->token.text;
        advance(c);
    }
    return name;
}

static void read_add(Cursor *c, SqlInfo *info)
{
    if (accept(c, "COLUMN")) {
        take_if_exists(c, info);
        if (!is_symbol(c, '('))
            set_sub(info, SQL_VERB_CREATE, SQL_OBJECT_NONE, take_part(c));
        return;
    }
    if (accept(c, "CONSTRAINT")) {
        take_if_exists(c, info);
        bool is_nameless =
            IS_ANY(c, "PRIMARY", "UNIQUE", "FOREIGN", "CHECK") && c->dialect == SQL_MYSQL;
        set_sub(info, SQL_VERB_CREATE, SQL_OBJECT_OTHER, is_nameless ? (Str){0} : take_part(c));
        return;
    }
    bool is_mysql = c->dialect == SQL_MYSQL;
    if (is_mysql && IS_ANY(c, "INDEX", "KEY", "UNIQUE", "FULLTEXT", "SPATIAL")) {
        if (ACCEPT_ANY(c, "UNIQUE", "FULLTEXT", "SPATIAL") >= 0)
            ACCEPT_ANY(c, "INDEX", "KEY");
        else
            advance(c);
        take_if_exists(c, info);
        set_sub(info, SQL_VERB_CREATE, SQL_OBJECT_INDEX, is(c, "USING") ? (Str){0} : take_part(c));
        return;
    }
    if (is(c, "PARTITION") || (is_mysql && is(c, "SYSTEM"))) {
        info->sub_verb = SQL_VERB_ALTER;
        return;
    }
    if ((is(c, "PRIMARY") && is_behind(c, "KEY")) || (is(c, "FOREIGN") && is_behind(c, "KEY")) ||
        IS_ANY(c, "UNIQUE", "CHECK", "EXCLUDE", "PERIOD")) {
        set_sub(info, SQL_VERB_CREATE, SQL_OBJECT_OTHER, (Str){0});
        return;
    }
    take_if_exists(c, info);
    if (!is_symbol(c, '(')) /* MySQL's ADD (a int, b int) is several */
        set_sub(info, SQL_VERB_CREATE, SQL_OBJECT_NONE, take_part(c));
}

static void read_drop_part(Cursor *c, SqlInfo *info)
{
    SqlObject object = SQL_OBJECT_NONE;

    if (is(c, "PRIMARY") && is_behind(c, "KEY")) {
        set_sub(info, SQL_VERB_DROP, SQL_OBJECT_OTHER, (Str){0});
        return;
    }
    if (is(c, "PARTITION") && c->dialect == SQL_MYSQL) {
        info->sub_verb = SQL_VERB_ALTER;
        return;
    }
    if (accept(c, "CONSTRAINT") || (c->dialect == SQL_MYSQL && accept(c, "CHECK"))) {
        object = SQL_OBJECT_OTHER;
    } else if (is(c, "FOREIGN") && is_behind(c, "KEY")) {
        advance(c);
        advance(c);
        object = SQL_OBJECT_OTHER;
    } else if (c->dialect == SQL_MYSQL && ACCEPT_ANY(c, "INDEX", "KEY") >= 0) {
        object = SQL_OBJECT_INDEX;
    } else {
        accept(c, "COLUMN");
    }
    take_if_exists(c, info);
    set_sub(info, SQL_VERB_DROP, object, take_part(c));
}

/* RENAME TO new, RENAME [COLUMN] a TO b, RENAME CONSTRAINT a TO b, RENAME INDEX a TO b */
static void read_rename(Cursor *c, SqlInfo *info)
{
    SqlObject object = SQL_OBJECT_NONE;

    if (ACCEPT_ANY(c, "TO", "AS") >= 0) {
        Str schema, name = {0};
        take_name(c, &schema, &name);
        set_sub(info, SQL_VERB_RENAME, SQL_OBJECT_TABLE, name);
        return;
    }
    if (accept(c, "CONSTRAINT"))
        object = SQL_OBJECT_OTHER;
    else if (c->dialect == SQL_MYSQL && ACCEPT_ANY(c, "INDEX", "KEY") >= 0)
        object = SQL_OBJECT_INDEX;
    else
        accept(c, "COLUMN");
    take_if_exists(c, info);
    Str old = take_part(c);
    if (accept(c, "TO"))
        set_sub(info, SQL_VERB_RENAME, object, take_part(c));
    else /* MySQL: RENAME new */
        set_sub(info, SQL_VERB_RENAME, SQL_OBJECT_TABLE, old);
}

static void read_action(Cursor *c, SqlInfo *info)
{
    bool is_mysql = c->dialect == SQL_MYSQL;

    info->sub_verb = SQL_VERB_ALTER;
    if (accept(c, "ADD")) {
        info->sub_verb = SQL_VERB_OTHER;
        read_add(c, info);
    } else if (accept(c, "DROP")) {
        read_drop_part(c, info);
    } else if (accept(c, "RENAME")) {
        read_rename(c, info);
    } else if (accept(c, "VALIDATE")) {
        accept(c, "CONSTRAINT");
        set_sub(info, SQL_VERB_ALTER, SQL_OBJECT_OTHER, take_part(c));
    } else if (ACCEPT_ANY(c, "ATTACH", "DETACH") >= 0) {
        if (accept(c, "PARTITION"))
            set_sub(info, SQL_VERB_ALTER, SQL_OBJECT_TABLE, take_part(c));
    } else if (is(c, "ALTER") || (is_mysql && is(c, "MODIFY"))) {
        advance(c);
        SqlObject object = SQL_OBJECT_NONE;
        if (accept(c, "CONSTRAINT") || (is_mysql && accept(c, "CHECK")))
            object = SQL_OBJECT_OTHER;
        else if (is_mysql && ACCEPT_ANY(c, "INDEX", "KEY") >= 0)
            object = SQL_OBJECT_INDEX;
        else
            accept(c, "COLUMN");
        take_if_exists(c, info);
        set_sub(info, SQL_VERB_ALTER, object, take_part(c));
    } else if (is_mysql && accept(c, "CHANGE")) {
        accept(c, "COLUMN");
        take_if_exists(c, info);
        Str old = take_part(c), new = take_part(c);
        set_sub(info, str_eq_nocase(old, new) ? SQL_VERB_ALTER : SQL_VERB_RENAME, SQL_OBJECT_NONE,
                new);
    }
}

/* Behind ALTER TABLE name. */
static void read_actions(Cursor *c, SqlInfo *info)
{
    Cursor first;
    bool is_detach = false;

    accept_symbol(c, '*');
    if (c->dialect == SQL_MYSQL && accept(c, "WAIT"))
        advance(c);
    else if (c->dialect == SQL_MYSQL)
        accept(c, "NOWAIT");
    while (c->dialect == SQL_MYSQL && IS_ANY(c, "ALGORITHM", "LOCK")) {
        while (c->has && !accept_symbol(c, ','))
            advance(c);
    }
    first = *c;
    info->action_count = c->has ? 1 : 0;
    while (c->has) {
        if (is_symbol(c, '(')) {
            skip_parens(c);
            continue;
        }
        if (is_symbol(c, ',')) {
            advance(c);
            /* MySQL: how, not what */
            if (c->dialect != SQL_MYSQL || !IS_ANY(c, "ALGORITHM", "LOCK"))
                info->action_count++;
            continue;
        }
        is_detach |= is(c, "DETACH");
        /* FINALIZE, the other ending of DETACH PARTITION, may run in a transaction. */
        if (is_detach && is(c, "CONCURRENTLY"))
            info->flags |= SQL_CONCURRENTLY | SQL_NO_TRANSACTION;
        advance(c);
    }
    if (info->action_count == 1)
        read_action(&first, info);
}

/* ALTER TYPE t ADD VALUE [IF NOT EXISTS] 'label' */
static void read_alter_type(Cursor *c, SqlInfo *info)
{
    if (!accept(c, "ADD") || !accept(c, "VALUE"))
        return;
    take_if_exists(c, info);
    info->flags |= SQL_NO_TRANSACTION_OLD | SQL_USES_NEW_ENUM;
    info->transaction_since = 120000;
}

static void read_alter_subscription(Cursor *c, SqlInfo *info)
{
    bool is_refresh = accept(c, "REFRESH"); /* PUBLICATION; 19: SEQUENCES */
    bool is_publication = false;

    if (is_refresh)
        is_publication = accept(c, "PUBLICATION");
    else if (ACCEPT_ANY(c, "SET", "ADD", "DROP") >= 0) {
        is_publication = accept(c, "PUBLICATION") && !has_option(*c, "refresh", true);
        /* 17, 18: these change the slot at the publisher */
        if (has_option(*c, "failover", false) || has_option(*c, "two_phase", false))
            info->flags |= SQL_NO_TRANSACTION;
    }
    if (is_publication)
        info->flags |= SQL_NO_TRANSACTION;
}

static void read_alter(Cursor *c, SqlInfo *info)
{
    info->verb = SQL_VERB_ALTER;
    info->flags |= SQL_IS_DDL;
    take_modifiers(c, info);
    info->object = take_object(c);
    take_if_exists(c, info);
    if (info->object == SQL_OBJECT_SYSTEM) {
        if (c->dialect == SQL_POSTGRES)
            info->flags |= SQL_NO_TRANSACTION;
        return;
    }
    if (is(c, "ALL") && is_behind(c, "IN"))
        return; /* ALTER TABLE ALL IN TABLESPACE */
    accept(c, "ONLY");
    take_name(c, &info->schema, &info->name);
    bool is_postgres = c->dialect == SQL_POSTGRES;
    if (info->object == SQL_OBJECT_TABLE) {
        info->table_schema = info->schema;
        info->table = info->name;
        read_actions(c, info);
    } else if (info->object == SQL_OBJECT_TYPE && is_postgres) {
        read_alter_type(c, info);
    } else if (info->object == SQL_OBJECT_SUBSCRIPTION) {
        read_alter_subscription(c, info);
    } else if (info->object == SQL_OBJECT_DATABASE && is_postgres) {
        if (accept(c, "SET") && is(c, "TABLESPACE"))
            info->flags |= SQL_NO_TRANSACTION;
    } else if (info->object == SQL_OBJECT_TRIGGER || info->object == SQL_OBJECT_RULE ||
               info->object == SQL_OBJECT_POLICY) {
        take_owner(c, info, false);
    }
}

/* ---- data ----------------------------------------------------------------------------------------------------- */

static void read_insert(Cursor *c, SqlInfo *info)
{
    info->verb = SQL_VERB_INSERT;
    info->flags |= SQL_IS_DML;
    if (c->dialect == SQL_SQLITE && accept(c, "OR"))
        advance(c);
    while (c->dialect == SQL_MYSQL &&
           ACCEPT_ANY(c, "LOW_PRIORITY", "DELAYED", "HIGH_PRIORITY", "IGNORE") >= 0)
        ;
    accept(c, "INTO");
    take_name(c, &info->table_schema, &info->table);
}

static void read_update(Cursor *c, SqlInfo *info)
{
    info->verb = SQL_VERB_UPDATE;
    info->flags |= SQL_IS_DML;
    if (c->dialect == SQL_SQLITE && accept(c, "OR"))
        advance(c);
    while (c->dialect == SQL_MYSQL && ACCEPT_ANY(c, "LOW_PRIORITY", "IGNORE") >= 0)
        ;
    accept(c, "ONLY");
    take_name(c, &info->table_schema, &info->table);
}

static void read_delete(Cursor *c, SqlInfo *info)
{
    info->verb = SQL_VERB_DELETE;
    info->flags |= SQL_IS_DML;
    while (c->dialect == SQL_MYSQL && ACCEPT_ANY(c, "LOW_PRIORITY", "QUICK", "IGNORE") >= 0)
        ;
    accept(c, "FROM"); /* MySQL: DELETE a, b FROM ... names them first */
    accept(c, "ONLY");
    take_name(c, &info->table_schema, &info->table);
}

/* PostgreSQL's SELECT ... INTO makes a table. */
static void read_select(Cursor *c, SqlInfo *info)
{
    info->verb = SQL_VERB_SELECT;
    Cursor setting = *c;
    /* As pg_dump writes it: SELECT pg_catalog.set_config('search_path', '', false) */
    if (c->dialect == SQL_POSTGRES && find(&setting, "set_config"))
        info->flags |= SQL_SESSION_STATE;
    if (c->dialect != SQL_POSTGRES || !find(c, "INTO"))
        return;
    info->flags |= SQL_IS_DML | SQL_IS_DDL;
    if (ACCEPT_ANY(c, "TEMP", "TEMPORARY") >= 0)
        info->flags |= SQL_TEMPORARY;
    accept(c, "UNLOGGED");
    accept(c, "TABLE");
    take_name(c, &info->table_schema, &info->table);
}

static bool read_query(Cursor *c, SqlInfo *info)
{
    if (accept(c, "INSERT") || accept(c, "REPLACE")) {
        read_insert(c, info);
    } else if (accept(c, "UPDATE")) {
        read_update(c, info);
    } else if (accept(c, "DELETE")) {
        read_delete(c, info);
    } else if (accept(c, "MERGE")) {
        info->verb = SQL_VERB_MERGE;
        info->flags |= SQL_IS_DML;
        accept(c, "INTO");
        accept(c, "ONLY");
        take_name(c, &info->table_schema, &info->table);
    } else if (ACCEPT_ANY(c, "SELECT", "VALUES", "TABLE") >= 0) {
        read_select(c, info);
    } else {
        return false;
    }
    return true;
}

/* Behind WITH: the main verb stands at depth 0 behind the parentheses of the queries. */
static void read_with(Cursor *c, SqlInfo *info)
{
    info->verb = SQL_VERB_SELECT;
    accept(c, "RECURSIVE");
    bool is_behind_as = false;
    while (c->has) {
        if (is_symbol(c, '(')) {
            Cursor inner = *c;
            advance(&inner);
            /* PostgreSQL: a query that writes */
            if (is_behind_as && IS_ANY(&inner, "INSERT", "UPDATE", "DELETE", "MERGE"))
                info->flags |= SQL_IS_DML;
            skip_parens(c);
            if (is_behind_as &&
                (is_symbol(c, '(') || IS_ANY(c, "INSERT", "REPLACE", "UPDATE", "DELETE", "MERGE",
                                             "SELECT", "VALUES", "TABLE"))) {
                while (accept_symbol(c, '('))
                    ;
                read_query(c, info);
                return;
            }
            is_behind_as = false;
            continue;
        }
        is_behind_as = is(c, "AS") || (is_behind_as && IS_ANY(c, "NOT", "MATERIALIZED"));
        /* Behind SEARCH and CYCLE clauses. */
        if (!is_behind_as && IS_ANY(c, "INSERT", "UPDATE", "DELETE", "MERGE", "SELECT")) {
            read_query(c, info);
            return;
        }
        advance(c);
    }
}

static void read_copy(Cursor *c, SqlInfo *info)
{
    info->verb = SQL_VERB_COPY;
    accept(c, "BINARY");
    if (is_symbol(c, '('))
        return; /* COPY (query) TO */
    take_name(c, &info->table_schema, &info->table);
    if (is_symbol(c, '('))
        skip_parens(c);
    if (!accept(c, "FROM"))
        return;
    info->flags |= SQL_IS_DML;
    if (is(c, "STDIN"))
        info->flags |= SQL_COPY_FROM_STDIN;
}

/* ---- sessions and transactions ---------------------------------------------------------------------------------- */

static void read_set_postgres(Cursor *c, SqlInfo *info)
{
    if (accept(c, "LOCAL") || IS_ANY(c, "TRANSACTION", "CONSTRAINTS"))
        return;
    info->flags |= SQL_SESSION_STATE;
}

static void read_statement(Cursor *c, SqlInfo *info);

static bool is_autocommit(Str variable)
{
    return str_eq_nocase(variable, STR("autocommit")) ||
           str_eq_nocase(variable, STR("@@autocommit")) ||
           str_eq_nocase(variable, STR("@@session.autocommit")) ||
           str_eq_nocase(variable, STR("@@local.autocommit"));
}

/* Whether "= 0" or the like follows the variable at hand. */
static bool is_set_off(const Cursor *c)
{
    Cursor ahead = *c;

    advance(&ahead);
    accept_symbol(&ahead, ':');
    return accept_symbol(&ahead, '=') && ahead.has && is_off(ahead.token.text);
}

/* What the servers refuse to change inside a transaction: how changes are logged for replicas. */
static bool is_set_outside_transactions(Str variable)
{
    static const Str names[] = {
        {"sql_log_bin", 11},
        {"binlog_format", 13},
        {"binlog_direct_non_transactional_updates", 39},
        {"gtid_domain_id", 14},
        {"gtid_seq_no", 11},
        {"gtid_slave_pos", 14},
        {"gtid_next", 9},
        {"gtid_purged", 11},
        {"gtid_mode", 9},
        {"skip_replication", 16},
        {"wsrep_on", 8},
        {"read_only", 9},
    };
    Str name = variable;
    size_t dot;

    if (str_starts(name, STR("@@")))
        name = str_sub(name, 2, name.len);
    if ((dot = str_find_char(name, '.', 0)) != SIZE_MAX)
        name = str_sub(name, dot + 1, name.len);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (str_eq_nocase(name, names[i]))
            return true;
    }
    return false;
}

/* SET a = 1, GLOBAL b = 2, ... */
static void read_set_mysql(Cursor *c, SqlInfo *info)
{
    if (accept(c, "STATEMENT")) {
        /* MariaDB: SET STATEMENT lock_wait_timeout=1 FOR ALTER TABLE ... */
        if (find(c, "FOR"))
            read_statement(c, info);
        return;
    }
    if (is(c, "PASSWORD") || (is(c, "DEFAULT") && is_behind(c, "ROLE"))) {
        info->flags |= SQL_IMPLICIT_COMMIT;
        return;
    }
    if (is(c, "TRANSACTION")) {
        info->flags |= SQL_NO_TRANSACTION; /* 1568 */
        return;
    }
    bool is_global = false, is_kept = true;
    for (bool starts = true; c->has;) {
        if (is_symbol(c, '(')) {
            skip_parens(c);
            continue;
        }
        if (starts) {
            is_global = IS_ANY(c, "GLOBAL", "PERSIST", "PERSIST_ONLY") ||
                        str_starts_nocase(c->token.text, STR("@@global.")) ||
                        str_starts_nocase(c->token.text, STR("@@persist"));
            if (is_global && c->token.kind == SQL_TOKEN_WORD)
                advance(c);
            else if (IS_ANY(c, "SESSION", "LOCAL"))
                advance(c);
            is_kept &= str_starts(c->token.text, STR("@")) && !str_starts(c->token.text, STR("@@"));
            /* It cannot be undone or said again around the history's writes, which are transactions. */
            if (is_set_outside_transactions(c->token.text))
                info->flags |= SQL_NO_TRANSACTION;
            else if (!is_global)
                info->flags |= SQL_SESSION_STATE;
            if (!is_global && is_autocommit(c->token.text)) {
                info->flags |= SQL_TRANSACTION_CONTROL;
                if (!is_set_off(c))
                    info->flags |= SQL_IMPLICIT_COMMIT; /* turning it on commits */
            }
        }
        starts = is_symbol(c, ',');
        advance(c);
    }
    if (is_kept && info->flags & SQL_SESSION_STATE)
        info->flags |= SQL_SESSION_KEPT;
}

/* A block that is run once: it commits by itself if one of its statements does. */
static void read_block(Cursor *c, SqlInfo *info)
{
    info->verb = SQL_VERB_DO;
    info->flags |= SQL_IS_DML;
    for (; c->has; advance(c)) {
        if (IS_ANY(c, "CREATE", "ALTER", "DROP", "TRUNCATE", "RENAME", "GRANT", "REVOKE", "EXECUTE",
                   "CALL", "COMMIT", "ROLLBACK", "TRANSACTION", "LOCK", "UNLOCK", "AUTOCOMMIT",
                   "ANALYZE", "OPTIMIZE", "REPAIR", "FLUSH")) {
            info->flags |= SQL_IMPLICIT_COMMIT;
            return;
        }
    }
}

static void read_begin(Cursor *c, SqlInfo *info)
{
    info->verb = SQL_VERB_BEGIN;
    if (c->dialect == SQL_MYSQL && accept(c, "NOT")) { /* BEGIN NOT ATOMIC */
        read_block(c, info);
        return;
    }
    info->flags |= SQL_TRANSACTION_CONTROL;
    if (c->dialect == SQL_MYSQL)
        info->flags |= SQL_IMPLICIT_COMMIT; /* ends the transaction before */
}

static void read_commit(Cursor *c, SqlInfo *info, SqlVerb verb)
{
    info->verb = verb;
    if (c->dialect == SQL_POSTGRES && is(c, "PREPARED")) {
        info->flags |= SQL_NO_TRANSACTION; /* ends another transaction */
        return;
    }
    ACCEPT_ANY(c, "WORK", "TRANSACTION");
    if (verb == SQL_VERB_ROLLBACK && is(c, "TO"))
        return; /* a savepoint */
    info->flags |= SQL_TRANSACTION_CONTROL;
}

static void read_xa(Cursor *c, SqlInfo *info)
{
    info->flags |= SQL_TRANSACTION_CONTROL;
    if (ACCEPT_ANY(c, "START", "BEGIN") >= 0) {
        info->verb = SQL_VERB_BEGIN;
        info->flags |= SQL_NO_TRANSACTION; /* 1400 */
    } else if (accept(c, "COMMIT")) {
        info->verb = SQL_VERB_COMMIT;
    } else if (accept(c, "ROLLBACK")) {
        info->verb = SQL_VERB_ROLLBACK;
    } else if (is(c, "RECOVER")) {
        info->flags &= ~(unsigned)SQL_TRANSACTION_CONTROL;
    }
}

/* PRAGMA [schema.]name [= value | (value)] */
static void read_pragma(Cursor *c, SqlInfo *info)
{
    enum { SESSION = 1, REFUSED = 2, REFUSED_BARE = 4 };
    static const struct {
        const char *name;
        unsigned traits;
    } pragmas[] = {
        {"analysis_limit", SESSION},
        {"auto_vacuum", SESSION}, /* until VACUUM makes it the file's */
        {"automatic_index", SESSION},
        {"busy_timeout", SESSION},
        {"cache_size", SESSION},
        {"cache_spill", SESSION},
        {"case_sensitive_like", SESSION},
        {"cell_size_check", SESSION},
        {"checkpoint_fullfsync", SESSION},
        {"count_changes", SESSION},
        {"default_cache_size", 0},
        {"defer_foreign_keys", 0}, /* ends with the transaction */
        {"empty_result_callbacks", SESSION},
        {"foreign_keys", SESSION | REFUSED}, /* silently ignored in a transaction */
        {"full_column_names", SESSION},
        {"fullfsync", SESSION},
        {"hard_heap_limit", SESSION},
        {"ignore_check_constraints", SESSION},
        {"journal_mode", REFUSED},
        {"journal_size_limit", SESSION},
        {"legacy_alter_table", SESSION},
        {"locking_mode", SESSION},
        {"max_page_count", SESSION},
        {"mmap_size", SESSION},
        {"page_size", SESSION}, /* as auto_vacuum */
        {"query_only", SESSION},
        {"read_uncommitted", SESSION},
        {"recursive_triggers", SESSION},
        {"reverse_unordered_selects", SESSION},
        {"secure_delete", SESSION},
        {"short_column_names", SESSION},
        {"soft_heap_limit", SESSION},
        {"synchronous", SESSION | REFUSED},
        {"temp_store", SESSION | REFUSED},
        {"temp_store_directory", SESSION},
        {"threads", SESSION},
        {"trusted_schema", SESSION},
        {"wal_autocheckpoint", SESSION},
        {"wal_checkpoint", REFUSED | REFUSED_BARE},
        {"writable_schema", SESSION},
    };

    info->verb = SQL_VERB_PRAGMA;
    take_name(c, &info->schema, &info->name);
    bool has_value = accept_symbol(c, '=') || accept_symbol(c, '(');
    /* Of the journal modes WAL alone is the file's; the others end with the connection. */
    if (has_value && str_eq_nocase(info->name, STR("journal_mode")) && !is(c, "WAL"))
        info->flags |= SQL_SESSION_STATE;
    for (size_t i = 0; i < sizeof pragmas / sizeof *pragmas; i++) {
        if (!str_eq_nocase(info->name, str_from(pragmas[i].name)))
            continue;
        if (has_value && pragmas[i].traits & SESSION)
            info->flags |= SQL_SESSION_STATE;
        if (pragmas[i].traits & (has_value ? REFUSED : REFUSED_BARE))
            info->flags |= SQL_NO_TRANSACTION;
    }
}

/* ---- upkeep ----------------------------------------------------------------------------------------------------- */

static void read_reindex(Cursor *c, SqlInfo *info)
{
    info->verb = SQL_VERB_REINDEX;
    if (c->dialect == SQL_SQLITE) {
        take_name(c, &info->schema, &info->name);
        return;
    }
    if (is_symbol(c, '(')) {
        Cursor options = *c;
        skip_parens(c);
        advance(&options);
        for (; options.has && !is_symbol(&options, ')'); advance(&options)) {
            if (!is(&options, "CONCURRENTLY"))
                continue;
            if (!has_option(options, "CONCURRENTLY", true))
                info->flags |= SQL_CONCURRENTLY | SQL_NO_TRANSACTION;
            break;
        }
    }
    bool is_all = IS_ANY(c, "SCHEMA", "DATABASE", "SYSTEM");
    info->object = take_object(c);
    if (is_all)
        info->flags |= SQL_NO_TRANSACTION;
    take_concurrently(c, info);
    take_name(c, &info->schema, &info->name);
    if (info->object == SQL_OBJECT_TABLE) {
        info->table_schema = info->schema;
        info->table = info->name;
    }
}

static void read_cluster(Cursor *c, SqlInfo *info)
{
    info->verb = SQL_VERB_CLUSTER;
    if (is_symbol(c, '('))
        skip_parens(c);
    accept(c, "VERBOSE");
    if (!take_name(c, &info->table_schema, &info->table))
        info->flags |= SQL_NO_TRANSACTION;
}

static void read_vacuum(Cursor *c, SqlInfo *info)
{
    info->verb = SQL_VERB_VACUUM;
    info->flags |= SQL_NO_TRANSACTION;
    if (is_symbol(c, '('))
        skip_parens(c);
    while (c->dialect == SQL_POSTGRES &&
           ACCEPT_ANY(c, "FULL", "FREEZE", "VERBOSE", "ANALYZE", "ONLY") >= 0)
        ;
    if (c->dialect == SQL_SQLITE && is(c, "INTO"))
        return;
    take_name(c, &info->table_schema, &info->table);
}

static void read_analyze(Cursor *c, SqlInfo *info)
{
    info->verb = SQL_VERB_ANALYZE;
    if (c->dialect == SQL_MYSQL) {
        ACCEPT_ANY(c, "NO_WRITE_TO_BINLOG", "LOCAL");
        if (ACCEPT_ANY(c, "TABLE", "TABLES") >= 0) {
            info->flags |= SQL_IMPLICIT_COMMIT;
            take_name(c, &info->table_schema, &info->table);
            return;
        }
        /* MariaDB's ANALYZE [FORMAT=JSON] runs the statement and explains it. */
        if (accept(c, "FORMAT")) {
            accept_symbol(c, '=');
            advance(c);
        }
        SqlInfo inner = {0};
        read_statement(c, &inner);
        info->verb = SQL_VERB_EXPLAIN;
        info->flags |= inner.flags;
        return;
    }
    if (is_symbol(c, '('))
        skip_parens(c);
    ACCEPT_ANY(c, "VERBOSE", "ONLY");
    take_name(c, &info->table_schema, &info->table);
}

static void read_explain(Cursor *c, SqlInfo *info)
{
    bool runs = false;

    info->verb = SQL_VERB_EXPLAIN;
    if (c->dialect == SQL_SQLITE)
        return;
    if (is_symbol(c, '(')) {
        Cursor options = *c;
        skip_parens(c);
        for (; options.has && !is_symbol(&options, ')'); advance(&options)) {
            if (!IS_ANY(&options, "ANALYZE", "ANALYSE"))
                continue;
            runs = !has_option(options, is(&options, "ANALYZE") ? "ANALYZE" : "ANALYSE", true);
            break;
        }
    }
    runs |= ACCEPT_ANY(c, "ANALYZE", "ANALYSE") >= 0;
    accept(c, "VERBOSE");
    if (!runs || c->dialect != SQL_POSTGRES)
        return;
    SqlInfo inner = {0};
    read_statement(c, &inner);
    info->flags |= inner.flags;
}

static void read_truncate(Cursor *c, SqlInfo *info)
{
    info->verb = SQL_VERB_TRUNCATE;
    info->object = SQL_OBJECT_TABLE;
    info->flags |= SQL_IS_DDL;
    accept(c, "TABLE");
    accept(c, "ONLY");
    take_name(c, &info->schema, &info->name);
    info->table_schema = info->schema;
    info->table = info->name;
}

/* COMMENT ON object name IS ... */
static void read_comment(Cursor *c, SqlInfo *info)
{
    info->verb = SQL_VERB_COMMENT;
    info->flags |= SQL_IS_DDL;
    if (!accept(c, "ON"))
        return;
    bool is_column = is(c, "COLUMN");
    bool has_table = IS_ANY(c, "CONSTRAINT", "TRIGGER", "RULE", "POLICY");
    info->object = take_object(c);
    if (is_column) {
        /* table.column, schema.table.column */
        Str parts[4];
        size_t count = 0;
        while (count < 4 && is_name(c)) {
            parts[count++] = c->token.text;
            advance(c);
            if (!accept_symbol(c, '.'))
                break;
        }
        if (count > 0)
            info->sub_name = parts[count - 1];
        if (count > 1)
            info->table = parts[count - 2];
        if (count > 2)
            info->table_schema = parts[count - 3];
        return;
    }
    take_name(c, &info->schema, &info->name);
    if (has_table)
        take_owner(c, info, false);
    if (info->object == SQL_OBJECT_TABLE) {
        info->table_schema = info->schema;
        info->table = info->name;
    }
}

/* ---- by dialect ------------------------------------------------------------------------------------------------- */

static void read_postgres(Cursor *c, SqlInfo *info)
{
    if (accept(c, "SET")) {
        info->verb = SQL_VERB_SET;
        read_set_postgres(c, info);
    } else if (accept(c, "RESET")) {
        info->verb = SQL_VERB_RESET;
        info->flags |= SQL_SESSION_STATE;
    } else if (accept(c, "DISCARD")) {
        info->verb = SQL_VERB_RESET;
        info->flags |= SQL_SESSION_STATE | (is(c, "ALL") ? SQL_NO_TRANSACTION : 0u);
    } else if (accept(c, "COPY")) {
        read_copy(c, info);
    } else if (accept(c, "DO")) {
        info->verb = SQL_VERB_DO;
        info->flags |= SQL_IS_DML;
    } else if (accept(c, "ABORT")) {
        read_commit(c, info, SQL_VERB_ROLLBACK);
    } else if (accept(c, "PREPARE")) {
        info->flags |= is(c, "TRANSACTION") ? SQL_TRANSACTION_CONTROL : SQL_SESSION_STATE;
    } else if (accept(c, "COMMENT")) {
        read_comment(c, info);
    } else if (accept(c, "CLUSTER")) {
        read_cluster(c, info);
    } else if (accept(c, "REFRESH")) {
        info->verb = SQL_VERB_REFRESH;
        info->flags |= SQL_IS_DDL;
        info->object = take_object(c);
        accept(c, "CONCURRENTLY");
        take_name(c, &info->schema, &info->name);
    } else if (accept(c, "LOCK")) {
        info->verb = SQL_VERB_LOCK;
        accept(c, "TABLE");
        accept(c, "ONLY");
        take_name(c, &info->table_schema, &info->table);
    } else if (is(c, "IMPORT") || is(c, "REASSIGN") || is(c, "SECURITY")) {
        info->flags |= SQL_IS_DDL; /* FOREIGN SCHEMA, OWNED, LABEL */
    } else if (IS_ANY(c, "LISTEN", "UNLISTEN", "LOAD")) {
        info->flags |= SQL_SESSION_STATE;
    }
}

static void read_sqlite(Cursor *c, SqlInfo *info)
{
    if (accept(c, "PRAGMA")) {
        read_pragma(c, info);
    } else if (accept(c, "ATTACH")) {
        info->verb = SQL_VERB_ATTACH;
        info->flags |= SQL_SESSION_STATE;
    } else if (accept(c, "DETACH")) {
        info->flags |= SQL_SESSION_STATE | SQL_NO_TRANSACTION; /* "database x is locked" */
    }
}

static void read_mysql(Cursor *c, SqlInfo *info)
{
    if (accept(c, "SET")) {
        info->verb = SQL_VERB_SET;
        read_set_mysql(c, info);
    } else if (accept(c, "USE")) {
        info->verb = SQL_VERB_USE;
        info->flags |= SQL_SESSION_STATE;
        info->name = take_part(c);
    } else if (accept(c, "DO")) {
        info->verb = SQL_VERB_DO;
        info->flags |= SQL_IS_DML;
    } else if (accept(c, "RENAME")) {
        info->verb = SQL_VERB_RENAME;
        info->flags |= SQL_IS_DDL | SQL_IMPLICIT_COMMIT;
        info->object = take_object(c);
        take_if_exists(c, info);
        take_name(c, &info->schema, &info->name);
        if (info->object == SQL_OBJECT_TABLE) {
            info->table_schema = info->schema;
            info->table = info->name;
        }
    } else if (accept(c, "LOAD")) {
        if (ACCEPT_ANY(c, "DATA", "XML") >= 0) {
            info->verb = SQL_VERB_COPY;
            info->flags |= SQL_IS_DML;
            if (find(c, "INTO") && accept(c, "TABLE"))
                take_name(c, &info->table_schema, &info->table);
        }
    } else if (accept(c, "LOCK")) {
        info->verb = SQL_VERB_LOCK;
        info->flags |= SQL_IMPLICIT_COMMIT;
        if (ACCEPT_ANY(c, "TABLE", "TABLES") >= 0)
            take_name(c, &info->table_schema, &info->table);
    } else if (accept(c, "UNLOCK")) {
        info->verb = SQL_VERB_UNLOCK;
        info->flags |= SQL_IMPLICIT_COMMIT; /* commits when tables were locked */
    } else if (accept(c, "XA")) {
        read_xa(c, info);
    } else if (accept(c, "RESET")) {
        info->verb = SQL_VERB_RESET;
        info->flags |= SQL_IMPLICIT_COMMIT;
    } else if (IS_ANY(c, "OPTIMIZE", "REPAIR", "CHECK", "FLUSH", "INSTALL", "UNINSTALL", "BACKUP",
                      "CHANGE", "STOP", "CLONE", "IMPORT")) {
        info->flags |= SQL_IMPLICIT_COMMIT;
    } else if (is(c, "PREPARE")) {
        info->flags |= SQL_SESSION_STATE | SQL_SESSION_KEPT;
    } else if (is(c, "HANDLER")) {
        info->flags |= SQL_SESSION_STATE;
    } else if (accept(c, "EXECUTE")) {
        /* Its text is made as it runs: "add the column if it is not there" is written so. */
        info->flags |= SQL_IS_DML | SQL_IMPLICIT_COMMIT;
    } else if (IS_ANY(c, "IF", "CASE", "LOOP", "WHILE", "REPEAT", "FOR")) {
        read_block(c, info);
    }
}

/* What the dialects share. True when that was it. */
static bool read_common(Cursor *c, SqlInfo *info)
{
    if (accept(c, "CREATE")) {
        read_create(c, info);
    } else if (accept(c, "DROP")) {
        read_drop(c, info);
    } else if (accept(c, "ALTER")) {
        read_alter(c, info);
    } else if (read_query(c, info)) {
        /* said there */
    } else if (accept(c, "WITH")) {
        read_with(c, info);
    } else if (accept(c, "TRUNCATE")) {
        read_truncate(c, info);
    } else if (accept(c, "BEGIN")) {
        read_begin(c, info);
    } else if (accept(c, "START")) {
        if (is(c, "TRANSACTION"))
            read_begin(c, info);
        else if (c->dialect == SQL_MYSQL)
            info->flags |= SQL_IMPLICIT_COMMIT; /* MySQL: START REPLICA, GROUP_REPLICATION */
    } else if (ACCEPT_ANY(c, "COMMIT", "END") >= 0) {
        read_commit(c, info, SQL_VERB_COMMIT);
    } else if (accept(c, "ROLLBACK")) {
        read_commit(c, info, SQL_VERB_ROLLBACK);
    } else if (accept(c, "SAVEPOINT")) {
        info->verb = SQL_VERB_SAVEPOINT;
    } else if (accept(c, "RELEASE")) {
        info->verb = SQL_VERB_RELEASE;
    } else if (ACCEPT_ANY(c, "EXPLAIN", "DESCRIBE", "DESC") >= 0) {
        read_explain(c, info);
    } else if (ACCEPT_ANY(c, "ANALYZE", "ANALYSE") >= 0) {
        read_analyze(c, info);
    } else if (accept(c, "VACUUM")) {
        read_vacuum(c, info);
    } else if (accept(c, "REINDEX")) {
        read_reindex(c, info);
    } else if (accept(c, "CALL")) {
        info->verb = SQL_VERB_CALL;
        info->flags |= SQL_IS_DML;
        if (c->dialect == SQL_MYSQL)
            info->flags |=
                SQL_IMPLICIT_COMMIT; /* a procedure may alter tables; many are made for it */
        take_name(c, &info->schema, &info->name);
    } else if (accept(c, "GRANT")) {
        info->verb = SQL_VERB_GRANT;
        info->flags |= SQL_IS_DDL;
    } else if (accept(c, "REVOKE")) {
        info->verb = SQL_VERB_REVOKE;
        info->flags |= SQL_IS_DDL;
    } else {
        return false;
    }
    return true;
}

static void read_statement(Cursor *c, SqlInfo *info)
{
    bool is_parenthesised = is_symbol(c, '(');

    while (accept_symbol(c, '('))
        ;
    if (is_parenthesised && !IS_ANY(c, "SELECT", "WITH", "VALUES", "TABLE"))
        return;
    if (c->dialect == SQL_MYSQL && c->has && c->token.kind == SQL_TOKEN_WORD) {
        Cursor ahead = *c; /* label: */
        advance(&ahead);
        if (accept_symbol(&ahead, ':'))
            *c = ahead;
    }
    if (!read_common(c, info)) {
        switch (c->dialect) {
        case SQL_POSTGRES:
            read_postgres(c, info);
            break;
        case SQL_SQLITE:
            read_sqlite(c, info);
            break;
        case SQL_MYSQL:
            read_mysql(c, info);
            break;
        }
    }
    if (c->dialect == SQL_MYSQL && info->flags & SQL_IS_DDL) {
        /* Temporary tables alone are made and dropped without; to alter one commits. */
        bool is_temporary = info->flags & SQL_TEMPORARY && info->object == SQL_OBJECT_TABLE &&
                            (info->verb == SQL_VERB_CREATE || info->verb == SQL_VERB_DROP);
        if (!is_temporary)
            info->flags |= SQL_IMPLICIT_COMMIT;
    }
}

SqlInfo sql_inspect(Str statement, const SqlSplitOptions *options)
{
    SqlInfo info = {0};
    Cursor c = {.lexer = sql_lexer(statement, options), .dialect = options->dialect};

    advance(&c);
    read_statement(&c, &info);
    return info;
}

/* ---- summary ---------------------------------------------------------------------------------------------------- */

bool sql_summary(Arena *arena, Str statement, const SqlSplitOptions *options, size_t max_bytes,
                 Str *ret_summary)
{
    StrBuf out = strbuf(arena);
    SqlLexer lexer = sql_lexer(statement, options);
    SqlToken token;
    size_t end = 0;

    while (out.len <= max_bytes && sql_lexer_next(&lexer, &token)) {
        if (out.len > 0 && token.offset > end)
            strbuf_add_char(&out, ' ');
        end = token.offset + token.text.len;
        bool is_space = false;
        for (size_t i = 0; i < token.text.len && out.len <= max_bytes; i++) {
            char byte = token.text.ptr[i];
            bool was_space = is_space;
            is_space = byte == '\n' || byte == '\r' || byte == '\t' || byte == ' ';
            if (!is_space || !was_space)
                strbuf_add_char(&out, is_space ? ' ' : byte);
        }
    }
    if (out.len > max_bytes && !out.has_failed) {
        size_t len = max_bytes > 3 ? max_bytes - 3 : 0;
        while (len > 0 && ((unsigned char)out.ptr[len] & 0xc0) == 0x80)
            len--;
        out.len = len;
        out.ptr[len] = '\0';
        if (max_bytes >= 3)
            strbuf_add(&out, STR("..."));
    }
    return strbuf_finish(&out, ret_summary);
}

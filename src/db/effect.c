/* Settles a crash: whether a statement whose answer never came has run, judged by what the catalog holds now. Each thing that the
 * statement would make, remove or rename casts a vote; what is harmless to run again casts none, and what the catalog cannot tell makes
 * the answer "not known". Guessing is never allowed here. SPDX-License-Identifier: Apache-2.0 */
#include "db/driver.h"

typedef Vec(SqlToken) TokenVec;

typedef struct Judge {
    Db *db;
    DbProbe *probe;
    Arena *arena;
    SqlDialect dialect;
    TokenVec tokens;
    size_t at;
    Error *err;
    unsigned has_run, has_not, cannot_tell; /* votes */
    bool has_failed;                        /* err is set */
} Judge;

typedef struct Name {
    Str schema, name; /* values, without quotes */
} Name;

/* ---- reading ------------------------------------------------------------------------------ */

static const SqlToken *peek(const Judge *judge, size_t ahead)
{
    return judge->at + ahead < judge->tokens.len ? &judge->tokens.items[judge->at + ahead] : NULL;
}

static bool is_word(const Judge *judge, size_t ahead, const char *word)
{
    const SqlToken *token = peek(judge, ahead);
    return token && sql_token_is(token, word);
}

static bool is_symbol(const Judge *judge, size_t ahead, char symbol)
{
    const SqlToken *token = peek(judge, ahead);
    return token && token->kind == SQL_TOKEN_SYMBOL && token->text.len == 1 &&
           token->text.ptr[0] == symbol;
}

static bool take(Judge *judge, const char *word)
{
    if (!is_word(judge, 0, word))
        return false;
    judge->at++;
    return true;
}

/* "IF EXISTS", "IF NOT EXISTS" */
static bool take_if_exists(Judge *judge)
{
    if (!is_word(judge, 0, "IF"))
        return false;
    size_t len = is_word(judge, 1, "NOT") ? 3 : 2;
    if (!is_word(judge, len - 1, "EXISTS"))
        return false;
    judge->at += len;
    return true;
}

static bool fail_nomem(Judge *judge)
{
    judge->has_failed = true;
    return error_nomem(judge->err);
}

static bool is_name_token(const Judge *judge, size_t ahead)
{
    const SqlToken *token = peek(judge, ahead);
    return token && (token->kind == SQL_TOKEN_WORD || token->kind == SQL_TOKEN_IDENT ||
                     (token->kind == SQL_TOKEN_STRING && judge->dialect != SQL_POSTGRES));
}

static bool take_part(Judge *judge, Str *ret_value)
{
    if (!is_name_token(judge, 0))
        return false;
    Str written = judge->tokens.items[judge->at++].text;
    return sql_ident_value(judge->arena, judge->dialect, written, ret_value) || fail_nomem(judge);
}

/* "name", "schema.name"; of three parts the last two count. */
static bool take_name(Judge *judge, Name *ret_name)
{
    Name name = {0};
    if (!take_part(judge, &name.name))
        return false;
    while (is_symbol(judge, 0, '.')) {
        judge->at++;
        name.schema = name.name;
        if (!take_part(judge, &name.name))
            return false;
    }
    *ret_name = name;
    return true;
}

/* A string literal's value; false for what is no plain '...'. */
static bool take_string(Judge *judge, Str *ret_value)
{
    const SqlToken *token = peek(judge, 0);
    if (!token || token->kind != SQL_TOKEN_STRING || token->text.len < 2 ||
        token->text.ptr[0] != '\'')
        return false;
    judge->at++;
    StrBuf value = strbuf(judge->arena);
    for (size_t i = 1; i + 1 < token->text.len; i++) {
        strbuf_add_char(&value, token->text.ptr[i]);
        if (token->text.ptr[i] == '\'')
            i++; /* doubled */
    }
    return strbuf_finish(&value, ret_value) || fail_nomem(judge);
}

/* ---- voting ------------------------------------------------------------------------------- */

/* false: there is no vote to be cast. */
static bool look_up(Judge *judge, DbThing thing, Str schema, Str parent, Str name,
                    DbObjectState *ret_state)
{
    Error said = {.arena = judge->arena};
    *ret_state = (DbObjectState){0};
    if (judge->has_failed)
        return false;
    if (judge->probe(judge->db, thing, schema, parent, name, ret_state, &said))
        return true;
    if (said.kind == ERROR_UNSUPPORTED) { /* this engine's catalog knows no such things */
        judge->cannot_tell++;
        return false;
    }
    judge->has_failed = true;
    return db_error_copy(judge->err, &said);
}

static void vote(Judge *judge, bool has_run)
{
    if (has_run)
        judge->has_run++;
    else
        judge->has_not++;
}

static void vote_made(Judge *judge, DbThing thing, Str schema, Str parent, Str name)
{
    DbObjectState state;
    if (look_up(judge, thing, schema, parent, name, &state))
        vote(judge, state.exists && (thing != DB_THING_INDEX || state.is_valid));
}

static void vote_dropped(Judge *judge, DbThing thing, Str schema, Str parent, Str name)
{
    DbObjectState state;
    if (look_up(judge, thing, schema, parent, name, &state))
        vote(judge, !state.exists);
}

static void vote_renamed(Judge *judge, DbThing thing, Name from, Str to_schema, Str parent, Str to)
{
    DbObjectState old, new;
    /* Where letters' case does not count, such a renaming cannot be seen. */
    if (str_eq_nocase(from.name, to) && str_eq_nocase(from.schema, to_schema)) {
        judge->cannot_tell++;
        return;
    }
    if (!look_up(judge, thing, from.schema, parent, from.name, &old) ||
        !look_up(judge, thing, to_schema, parent, to, &new))
        return;
    if (old.exists == new.exists)
        judge->cannot_tell++;
    else
        vote(judge, new.exists);
}

/* ---- what is made and dropped ---------------------------------------------------------------- */

/* false: the catalogs of this engine are not asked for such a thing. */
static bool thing_of(SqlDialect dialect, SqlObject object, DbThing *ret_thing)
{
    bool is_postgres = dialect == SQL_POSTGRES, is_sqlite = dialect == SQL_SQLITE;
    switch (object) {
    case SQL_OBJECT_TABLE:
        *ret_thing = DB_THING_TABLE;
        return true;
    case SQL_OBJECT_INDEX:
        *ret_thing = DB_THING_INDEX;
        return true;
    case SQL_OBJECT_VIEW:
        *ret_thing = DB_THING_VIEW;
        return true;
    case SQL_OBJECT_TRIGGER:
        *ret_thing = DB_THING_TRIGGER;
        return true;
    case SQL_OBJECT_SEQUENCE:
        *ret_thing = DB_THING_SEQUENCE;
        return !is_sqlite;
    case SQL_OBJECT_FUNCTION:
        *ret_thing = DB_THING_FUNCTION;
        return !is_sqlite;
    case SQL_OBJECT_PROCEDURE:
        *ret_thing = DB_THING_PROCEDURE;
        return !is_sqlite;
    case SQL_OBJECT_SCHEMA:
        *ret_thing = DB_THING_SCHEMA;
        return !is_sqlite;
    case SQL_OBJECT_DATABASE:
        *ret_thing = DB_THING_DATABASE;
        return !is_sqlite;
    case SQL_OBJECT_EVENT:
        *ret_thing = DB_THING_EVENT;
        return !is_sqlite;
    case SQL_OBJECT_MATERIALIZED_VIEW:
        *ret_thing = DB_THING_MATERIALIZED_VIEW;
        return is_postgres;
    case SQL_OBJECT_TYPE:
    case SQL_OBJECT_DOMAIN:
        *ret_thing = DB_THING_TYPE;
        return is_postgres;
    case SQL_OBJECT_EXTENSION:
        *ret_thing = DB_THING_EXTENSION;
        return is_postgres;
    case SQL_OBJECT_ROLE:
        *ret_thing = DB_THING_ROLE;
        return is_postgres;
    case SQL_OBJECT_RULE:
        *ret_thing = DB_THING_RULE;
        return is_postgres;
    case SQL_OBJECT_POLICY:
        *ret_thing = DB_THING_POLICY;
        return is_postgres;
    case SQL_OBJECT_TABLESPACE:
        *ret_thing = DB_THING_TABLESPACE;
        return is_postgres;
    case SQL_OBJECT_SUBSCRIPTION:
        *ret_thing = DB_THING_SUBSCRIPTION;
        return is_postgres;
    case SQL_OBJECT_PUBLICATION:
        *ret_thing = DB_THING_PUBLICATION;
        return is_postgres;
    case SQL_OBJECT_NONE:
    case SQL_OBJECT_SYSTEM:
    case SQL_OBJECT_OTHER:
        return false;
    }
    return false;
}

/* Goes to the token with which the name of the object begins. */
static bool go_to_name(Judge *judge, const SqlInfo *info)
{
    const char *begin = info->schema.len > 0 ? info->schema.ptr : info->name.ptr;
    for (size_t i = 0; i < judge->tokens.len && info->name.len > 0; i++)
        if (judge->tokens.items[i].text.ptr == begin) {
            judge->at = i;
            return true;
        }
    return false;
}

static bool parent_of(Judge *judge, const SqlInfo *info, Name *ret_parent)
{
    *ret_parent = (Name){0};
    return (sql_ident_value(judge->arena, judge->dialect, info->table_schema,
                            &ret_parent->schema) &&
            sql_ident_value(judge->arena, judge->dialect, info->table, &ret_parent->name)) ||
           fail_nomem(judge);
}

/* CREATE TABLE ... [AS] [(] SELECT: made and filled, which MariaDB does not do as one. Nothing else in a CREATE TABLE can hold
 * that word. */
static bool is_filled(const Judge *judge)
{
    for (size_t i = 0; i < judge->tokens.len; i++)
        if (sql_token_is(&judge->tokens.items[i], "SELECT") ||
            sql_token_is(&judge->tokens.items[i], "VALUES"))
            return true;
    return false;
}

static void judge_create(Judge *judge, const SqlInfo *info)
{
    DbThing thing;
    Name name, parent;
    DbObjectState state;
    /* What is temporary went with its session, and what says IF NOT EXISTS or OR REPLACE can be run again, come what may. But an index
     * that a concurrent build left invalid would be taken for there by IF NOT EXISTS, so it is looked at. */
    if (info->flags & SQL_TEMPORARY)
        return;
    if ((info->flags & SQL_IF_EXISTS) && !(info->flags & SQL_CONCURRENTLY))
        return;
    if (!thing_of(judge->dialect, info->object, &thing) || !go_to_name(judge, info) ||
        !take_name(judge, &name) || !parent_of(judge, info, &parent)) {
        judge->cannot_tell++;
        return;
    }
    /* An index is in the schema of its table, whose name alone may bring it along. A trigger too, on PostgreSQL. */
    if (name.schema.len == 0)
        name.schema = parent.schema;
    if (!look_up(judge, thing, name.schema, parent.name, name.name, &state))
        return;
    bool is_overloaded = judge->dialect == SQL_POSTGRES &&
                         (thing == DB_THING_FUNCTION || thing == DB_THING_PROCEDURE);
    bool is_unsure = is_overloaded ||
                     (judge->dialect == SQL_MYSQL && thing == DB_THING_TABLE && is_filled(judge));
    if (state.exists && is_unsure)
        judge->cannot_tell++; /* perhaps another one of that name, or not yet full */
    else
        vote(judge, state.exists && (thing != DB_THING_INDEX || state.is_valid));
}

static void judge_drop(Judge *judge, const SqlInfo *info)
{
    DbThing thing;
    Name name, parent;
    if (info->flags & (SQL_IF_EXISTS | SQL_TEMPORARY))
        return;
    if (!thing_of(judge->dialect, info->object, &thing) || !go_to_name(judge, info) ||
        !parent_of(judge, info, &parent)) {
        judge->cannot_tell++;
        return;
    }
    do {
        DbObjectState state;
        if (!take_name(judge, &name)) {
            judge->cannot_tell++;
            return;
        }
        if (name.schema.len == 0)
            name.schema = parent.schema;
        if (!look_up(judge, thing, name.schema, parent.name, name.name, &state))
            return;
        bool is_overloaded = judge->dialect == SQL_POSTGRES &&
                             (thing == DB_THING_FUNCTION || thing == DB_THING_PROCEDURE);
        if (state.exists && is_overloaded)
            judge->cannot_tell++;
        else
            vote(judge, !state.exists);
        if (!is_symbol(judge, 0, ','))
            return;
        judge->at++;
    } while (!judge->has_failed);
}

/* RENAME TABLE a TO b, c TO d */
static void judge_rename_tables(Judge *judge)
{
    Vec(Name) names = {0};
    judge->at = 1;
    if (!take(judge, "TABLE") && !take(judge, "TABLES")) {
        judge->cannot_tell++;
        return;
    }
    take_if_exists(judge);
    for (;;) {
        Name from, to;
        bool is_good = take_name(judge, &from);
        if (take(judge, "WAIT"))
            judge->at++;
        else
            take(judge, "NOWAIT");
        if (!is_good || !take(judge, "TO") || !take_name(judge, &to)) {
            judge->cannot_tell++;
            return;
        }
        /* Names that change places leave no trace. */
        for (size_t i = 0; i < names.len; i++)
            if (str_eq_nocase(names.items[i].name, from.name) ||
                str_eq_nocase(names.items[i].name, to.name)) {
                judge->cannot_tell++;
                return;
            }
        if (!vec_push(judge->arena, &names, from) || !vec_push(judge->arena, &names, to)) {
            fail_nomem(judge);
            return;
        }
        if (!is_symbol(judge, 0, ','))
            break;
        judge->at++;
    }
    for (size_t i = 0; i + 1 < names.len; i += 2)
        vote_renamed(judge, DB_THING_TABLE, names.items[i], names.items[i + 1].schema, (Str){0},
                     names.items[i + 1].name);
}

/* ---- ALTER TABLE ----------------------------------------------------------------------------- */

static bool take_index_word(Judge *judge)
{
    return take(judge, "INDEX") || take(judge, "KEY");
}

static void judge_add(Judge *judge, Name table)
{
    Str name;
    bool is_column = take(judge, "COLUMN");
    if (!is_column) {
        bool is_named = take(judge, "CONSTRAINT");
        if (is_named) {
            if (take_if_exists(judge))
                return;
            bool is_primary = is_word(judge, 0, "PRIMARY");
            bool is_nameless = is_primary || is_word(judge, 0, "UNIQUE") ||
                               is_word(judge, 0, "FOREIGN") || is_word(judge, 0, "CHECK");
            if (is_nameless && !is_primary) {
                judge->cannot_tell++;
                return;
            }
            if (!is_primary) {
                if (!take_part(judge, &name)) {
                    judge->cannot_tell++;
                    return;
                }
                /* MySQL calls every primary key PRIMARY, whatever name it is given. */
                if (is_word(judge, 0, "PRIMARY") && judge->dialect == SQL_MYSQL)
                    name = (Str){0};
                vote_made(judge, DB_THING_CONSTRAINT, table.schema, table.name, name);
                return;
            }
        }
        if (is_word(judge, 0, "PRIMARY") && is_word(judge, 1, "KEY")) {
            vote_made(judge, DB_THING_CONSTRAINT, table.schema, table.name, (Str){0});
            return;
        }
        bool is_index = take(judge, "UNIQUE") || take(judge, "FULLTEXT") || take(judge, "SPATIAL");
        is_index = take_index_word(judge) || is_index;
        if (is_index) {
            if (take_if_exists(judge))
                return;
            bool is_nameless = is_symbol(judge, 0, '(') || is_word(judge, 0, "USING");
            if (is_nameless || judge->dialect == SQL_POSTGRES || !take_part(judge, &name))
                judge->cannot_tell++;
            else
                vote_made(judge, DB_THING_INDEX, table.schema, table.name, name);
            return;
        }
        if (is_word(judge, 0, "FOREIGN") || is_word(judge, 0, "CHECK") ||
            is_word(judge, 0, "PARTITION") || is_word(judge, 0, "EXCLUDE") ||
            is_word(judge, 0, "PERIOD") || is_word(judge, 0, "SYSTEM") ||
            is_word(judge, 0, "GENERATED")) {
            judge->cannot_tell++;
            return;
        }
    }
    if (take_if_exists(judge))
        return;
    if (is_symbol(judge, 0,
                  '(')) /* ADD COLUMN (a int, b int): the first stands for all of one statement */
        judge->at++;
    if (take_part(judge, &name))
        vote_made(judge, DB_THING_COLUMN, table.schema, table.name, name);
    else
        judge->cannot_tell++;
}

static void judge_drop_part(Judge *judge, Name table)
{
    DbThing thing = DB_THING_COLUMN;
    Str name;
    if (take(judge, "PRIMARY")) {
        vote_dropped(judge, DB_THING_CONSTRAINT, table.schema, table.name, (Str){0});
        return;
    }
    if (is_word(judge, 0, "PARTITION") || is_word(judge, 0, "PERIOD") ||
        is_word(judge, 0, "SYSTEM")) {
        judge->cannot_tell++;
        return;
    }
    if (judge->dialect == SQL_MYSQL && take_index_word(judge))
        thing = DB_THING_INDEX;
    else if (take(judge, "CONSTRAINT") || (judge->dialect == SQL_MYSQL && take(judge, "CHECK")))
        thing = DB_THING_CONSTRAINT;
    else if (judge->dialect == SQL_MYSQL && is_word(judge, 0, "FOREIGN") &&
             is_word(judge, 1, "KEY")) {
        judge->at += 2;
        thing = DB_THING_CONSTRAINT;
    } else {
        take(judge, "COLUMN");
    }
    if (take_if_exists(judge))
        return;
    if (take_part(judge, &name))
        vote_dropped(judge, thing, table.schema, table.name, name);
    else
        judge->cannot_tell++;
}

/* RENAME COLUMN a TO b, RENAME INDEX a TO b, RENAME CONSTRAINT a TO b, RENAME a TO b. The table itself is the caller's. */
static void judge_rename_part(Judge *judge, Name table)
{
    DbThing thing = DB_THING_COLUMN;
    Name from = {.schema = table.schema};
    Str to;
    if (judge->dialect == SQL_MYSQL && take_index_word(judge))
        thing = DB_THING_INDEX;
    else if (take(judge, "CONSTRAINT"))
        thing = DB_THING_CONSTRAINT;
    else
        take(judge, "COLUMN");
    if (take_if_exists(judge) || !take_part(judge, &from.name) || !take(judge, "TO") ||
        !take_part(judge, &to))
        judge->cannot_tell++;
    else
        vote_renamed(judge, thing, from, table.schema, table.name, to);
}

/* CHANGE [COLUMN] a b definition: the definition alone does no harm a second time. */
static void judge_change(Judge *judge, Name table)
{
    Name from = {.schema = table.schema};
    Str to;
    take(judge, "COLUMN");
    if (take_if_exists(judge))
        return;
    if (!take_part(judge, &from.name) || !take_part(judge, &to))
        judge->cannot_tell++;
    else if (!str_eq_nocase(from.name, to))
        vote_renamed(judge, DB_THING_COLUMN, from, table.schema, table.name, to);
}

/* ALTER [COLUMN] c: SET and DROP DEFAULT, NOT NULL, a type that is computed from nothing but itself. */
static void judge_alter_column(Judge *judge, size_t end)
{
    for (; judge->at < end; judge->at++)
        if (is_word(judge, 0, "USING") || is_word(judge, 0, "IDENTITY") ||
            is_word(judge, 0, "EXPRESSION") || is_word(judge, 0, "RESTART"))
            judge->cannot_tell++;
}

/* Actions that may be run again without harm. */
static bool is_repeatable_action(const Judge *judge)
{
    static const char *const words[] = {
        "MODIFY",
        "ENGINE",
        "COMMENT",
        "AUTO_INCREMENT",
        "CONVERT",
        "DEFAULT",
        "CHARACTER",
        "CHARSET",
        "COLLATE",
        "FORCE",
        "ALGORITHM",
        "LOCK",
        "ENABLE",
        "DISABLE",
        "ROW_FORMAT",
        "ORDER",
        "OWNER",
        "SET",
        "RESET",
        "VALIDATE",
        "CLUSTER",
        "REPLICA",
        "NO",
        "KEY_BLOCK_SIZE",
        "CHECKSUM",
        "PAGE_CHECKSUM",
        "STATS_PERSISTENT",
        "STATS_AUTO_RECALC",
        "STATS_SAMPLE_PAGES",
        "MAX_ROWS",
        "MIN_ROWS",
        "PACK_KEYS",
        "DELAY_KEY_WRITE",
        "AVG_ROW_LENGTH",
        "PAGE_COMPRESSED",
        "TRANSACTIONAL",
        "ENCRYPTED",
        "ENCRYPTION",
        "NOT",
        "COMPRESSION",
    };
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (is_word(judge, 0, words[i]))
            /* SET SCHEMA moves the table, NO INHERIT and NOT OF can be done once */
            return !is_word(judge, 1, "SCHEMA") && !is_word(judge, 1, "INHERIT") &&
                   !is_word(judge, 1, "OF");
    return false;
}

/* DETACH PARTITION p CONCURRENTLY or FINALIZE. One that was stopped on the way is attached still: it is finished by being
 * run again, see left_behind(). */
static void judge_detach(Judge *judge, Name table)
{
    Name partition;
    if (take(judge, "PARTITION") && take_name(judge, &partition))
        vote_dropped(judge, DB_THING_PARTITION, table.schema, table.name, partition.name);
    else
        judge->cannot_tell++;
}

static void judge_action(Judge *judge, Name table, size_t end)
{
    if (take(judge, "ADD"))
        judge_add(judge, table);
    else if (take(judge, "DROP"))
        judge_drop_part(judge, table);
    else if (take(judge, "CHANGE"))
        judge_change(judge, table);
    else if (take(judge, "RENAME"))
        judge_rename_part(judge, table);
    else if (take(judge, "ALTER"))
        judge_alter_column(judge, end);
    else if (judge->dialect == SQL_POSTGRES && take(judge, "DETACH"))
        judge_detach(judge, table);
    else if (!is_repeatable_action(judge))
        judge->cannot_tell++;
}

static size_t action_end(const Judge *judge)
{
    int depth = 0;
    size_t i = judge->at;
    for (; i < judge->tokens.len; i++) {
        const SqlToken *token = &judge->tokens.items[i];
        if (token->kind != SQL_TOKEN_SYMBOL)
            continue;
        char c = token->text.ptr[0];
        depth += (c == '(' || c == '[') - (c == ')' || c == ']');
        if (c == ',' && depth == 0)
            break;
    }
    return i;
}

/* RENAME [TO|AS] name, where it is the table that is renamed. */
static bool renames_table(Judge *judge, Str *ret_schema, Str *ret_to)
{
    size_t begin = judge->at;
    Name to;
    bool is_it = false;
    if (take(judge, "RENAME")) {
        bool has_word = take(judge, "TO") || take(judge, "AS") ||
                        (judge->dialect == SQL_MYSQL && is_symbol(judge, 0, '='));
        bool is_bare = judge->dialect == SQL_MYSQL && !is_word(judge, 0, "COLUMN") &&
                       !is_word(judge, 0, "INDEX") && !is_word(judge, 0, "KEY");
        if (has_word && is_symbol(judge, 0, '='))
            judge->at++;
        if ((has_word || is_bare) && take_name(judge, &to)) {
            *ret_schema = to.schema;
            *ret_to = to.name;
            is_it = true;
        }
    }
    judge->at = begin;
    return is_it;
}

static void judge_alter_table(Judge *judge)
{
    Name table;
    judge->at = 0;
    while (judge->at < judge->tokens.len && !take(judge, "TABLE"))
        judge->at++;
    take_if_exists(judge);
    take(judge, "ONLY");
    if (!take_name(judge, &table)) {
        judge->cannot_tell++;
        return;
    }
    if (is_symbol(judge, 0, '*'))
        judge->at++;
    if (take(judge, "WAIT"))
        judge->at++;
    else
        take(judge, "NOWAIT");
    size_t begin = judge->at;
    /* Once the table has another name, nothing else of it can be looked up by the old one. */
    for (judge->at = begin; judge->at < judge->tokens.len; judge->at = action_end(judge) + 1) {
        Str schema, to;
        if (renames_table(judge, &schema, &to)) {
            vote_renamed(judge, DB_THING_TABLE, table, schema.len > 0 ? schema : table.schema,
                         (Str){0}, to);
            return;
        }
    }
    for (judge->at = begin; judge->at < judge->tokens.len && !judge->has_failed;) {
        size_t end = action_end(judge);
        judge_action(judge, table, end);
        judge->at = end + 1;
    }
}

/* ---- ALTER of other things ------------------------------------------------------------------- */

static void judge_alter_type(Judge *judge, Name type)
{
    Name label = {.schema = type.schema};
    Str to;
    if (take(judge, "ADD") && take(judge, "VALUE")) {
        if (take_if_exists(judge))
            return;
        if (take_string(judge, &to)) {
            vote_made(judge, DB_THING_ENUM_VALUE, type.schema, type.name, to);
            return;
        }
    } else if (take(judge, "RENAME") && take(judge, "VALUE") && take_string(judge, &label.name) &&
               take(judge, "TO") && take_string(judge, &to)) {
        vote_renamed(judge, DB_THING_ENUM_VALUE, label, type.schema, type.name, to);
        return;
    }
    judge->cannot_tell++;
}

static void judge_alter_other(Judge *judge, const SqlInfo *info)
{
    DbThing thing;
    Name name, parent;
    if (!thing_of(judge->dialect, info->object, &thing) || !go_to_name(judge, info) ||
        !take_name(judge, &name) || !parent_of(judge, info, &parent)) {
        judge->cannot_tell++;
        return;
    }
    size_t begin = judge->at;
    for (; judge->at < judge->tokens.len; judge->at++)
        if (is_word(judge, 0, "RENAME") && is_word(judge, 1, "TO")) {
            Name to;
            judge->at += 2;
            if (take_name(judge, &to))
                vote_renamed(judge, thing, name, to.schema.len > 0 ? to.schema : name.schema,
                             parent.name, to.name);
            else
                judge->cannot_tell++;
            return;
        }
    judge->at = begin;
    bool is_setting = is_word(judge, 0, "OWNER") ||
                      (is_word(judge, 0, "SET") && !is_word(judge, 1, "SCHEMA")) ||
                      is_word(judge, 0, "RESET");
    if (is_setting)
        return;
    if (thing == DB_THING_TYPE)
        judge_alter_type(judge, name);
    else if (judge->dialect != SQL_MYSQL)
        judge->cannot_tell++;
    /* MySQL's ALTER VIEW, EVENT, FUNCTION, PROCEDURE, DATABASE say how the thing is to be: again does no harm. A sequence may be told
     * where to go on from. */
    else if (thing == DB_THING_SEQUENCE)
        judge->cannot_tell++;
}

/* ---- the verdict ------------------------------------------------------------------------------ */

static bool calls_something(const Judge *judge)
{
    for (size_t i = 0; i < judge->tokens.len; i++)
        if (judge->tokens.items[i].kind == SQL_TOKEN_SYMBOL &&
            judge->tokens.items[i].text.ptr[0] == '(')
            return true;
    return false;
}

static void judge_statement(Judge *judge, const SqlInfo *info)
{
    switch (info->verb) {
    case SQL_VERB_CREATE:
        judge_create(judge, info);
        return;
    case SQL_VERB_DROP:
        judge_drop(judge, info);
        return;
    case SQL_VERB_RENAME:
        judge_rename_tables(judge);
        return;
    case SQL_VERB_ALTER:
        if (info->object == SQL_OBJECT_TABLE)
            judge_alter_table(judge);
        else
            judge_alter_other(judge, info);
        return;
    /* They say how something is to be, or belong to a session that is gone: to be run, once more or not. */
    case SQL_VERB_GRANT:
    case SQL_VERB_COMMENT:
    case SQL_VERB_ANALYZE:
    case SQL_VERB_VACUUM:
    case SQL_VERB_REINDEX:
    case SQL_VERB_CLUSTER:
    case SQL_VERB_REFRESH:
    case SQL_VERB_SET:
    case SQL_VERB_RESET:
    case SQL_VERB_PRAGMA:
    case SQL_VERB_USE:
    case SQL_VERB_LOCK:
    case SQL_VERB_UNLOCK:
    case SQL_VERB_ATTACH:
    case SQL_VERB_EXPLAIN:
        return;
    /* Elsewhere it fails where nothing is granted any more. */
    case SQL_VERB_REVOKE:
        judge->cannot_tell += judge->dialect != SQL_POSTGRES;
        return;
    /* A function that it calls may have written. */
    case SQL_VERB_SELECT:
        judge->cannot_tell += (info->flags & SQL_IS_DML) || calls_something(judge);
        return;
    /* Data. TRUNCATE as well: rows may have come in since. */
    case SQL_VERB_OTHER:
    case SQL_VERB_TRUNCATE:
    case SQL_VERB_INSERT:
    case SQL_VERB_UPDATE:
    case SQL_VERB_DELETE:
    case SQL_VERB_MERGE:
    case SQL_VERB_COPY:
    case SQL_VERB_CALL:
    case SQL_VERB_DO:
    case SQL_VERB_BEGIN:
    case SQL_VERB_COMMIT:
    case SQL_VERB_ROLLBACK:
    case SQL_VERB_SAVEPOINT:
    case SQL_VERB_RELEASE:
        judge->cannot_tell++;
        return;
    }
}

/* Whether one ALTER TABLE happens whole or not at all, so that one of its actions tells of all. */
static bool is_alter_atomic(const Db *db)
{
    if (db->driver->dialect != SQL_MYSQL)
        return true;
    return db->info.version_number >=
           (str_eq(str_from(db->info.engine), STR("mariadb")) ? 100600 : 80000);
}

bool db_effect(Db *db, Str statement, const SqlInfo *info, DbProbe *probe, bool *ret_is_known,
               bool *ret_has_run, Error *err)
{
    /* A CREATE says what it makes at its beginning; the others are short. */
    enum { MOST_TOKENS = 100000 };
    scoped(Arena *, arena_freep) arena = arena_new();
    if (!arena)
        return error_nomem(err);
    Judge judge = {
        .db = db, .probe = probe, .arena = arena, .dialect = db->driver->dialect, .err = err};
    SqlSplitOptions options = db_split_options(db, NULL);
    SqlLexer lexer = sql_lexer(statement, &options);
    SqlToken token;
    while (judge.tokens.len < MOST_TOKENS && sql_lexer_next(&lexer, &token))
        if (!vec_push(arena, &judge.tokens, token))
            return error_nomem(err);
    if (judge.tokens.len == MOST_TOKENS)
        judge.cannot_tell++;
    else
        judge_statement(&judge, info);
    if (judge.has_failed)
        return error_wrap(err, "asking the catalog what has run");
    bool is_one_action = info->verb == SQL_VERB_ALTER && is_alter_atomic(db);
    bool is_contradicted = judge.has_run > 0 && judge.has_not > 0;
    bool is_incomplete =
        judge.cannot_tell > 0 && !(is_one_action && judge.has_run + judge.has_not > 0);
    *ret_is_known = !is_contradicted && !is_incomplete;
    *ret_has_run = *ret_is_known && judge.has_run > 0;
    return true;
}

/* Has this statement run already? After a stop in the middle of statements that commit by themselves, the catalog is asked for
 * what the one in doubt would have made or removed. Three answers: it has; it has not, or running it again does no harm;
 * nobody can tell. SPDX-License-Identifier: Apache-2.0 */
#include "db/driver.h"

typedef enum Verdict { VERDICT_UNKNOWN, VERDICT_NOT_RUN, VERDICT_HAS_RUN } Verdict;

typedef struct Effect {
    Db *db;
    DbProbe *probe;
    SqlSplitOptions options;
    Arena *arena;
} Effect;

static const struct {
    SqlObject object;
    DbThing thing;
} things[] = {
    {SQL_OBJECT_TABLE, DB_THING_TABLE},
    {SQL_OBJECT_INDEX, DB_THING_INDEX},
    {SQL_OBJECT_VIEW, DB_THING_VIEW},
    {SQL_OBJECT_MATERIALIZED_VIEW, DB_THING_MATERIALIZED_VIEW},
    {SQL_OBJECT_SEQUENCE, DB_THING_SEQUENCE},
    {SQL_OBJECT_TYPE, DB_THING_TYPE},
    {SQL_OBJECT_DOMAIN, DB_THING_TYPE},
    {SQL_OBJECT_SCHEMA, DB_THING_SCHEMA},
    {SQL_OBJECT_DATABASE, DB_THING_DATABASE},
    {SQL_OBJECT_FUNCTION, DB_THING_FUNCTION},
    {SQL_OBJECT_PROCEDURE, DB_THING_PROCEDURE},
    {SQL_OBJECT_TRIGGER, DB_THING_TRIGGER},
    {SQL_OBJECT_EVENT, DB_THING_EVENT},
    {SQL_OBJECT_EXTENSION, DB_THING_EXTENSION},
    {SQL_OBJECT_ROLE, DB_THING_ROLE},
    {SQL_OBJECT_RULE, DB_THING_RULE},
    {SQL_OBJECT_POLICY, DB_THING_POLICY},
    {SQL_OBJECT_TABLESPACE, DB_THING_TABLESPACE},
    {SQL_OBJECT_SUBSCRIPTION, DB_THING_SUBSCRIPTION},
    {SQL_OBJECT_PUBLICATION, DB_THING_PUBLICATION},
};

static bool thing_of(SqlObject object, DbThing *ret_thing)
{
    for (size_t i = 0; i < sizeof things / sizeof *things; i++)
        if (things[i].object == object) {
            *ret_thing = things[i].thing;
            return true;
        }
    return false;
}

/* Asks for one thing by names as they are written. ret_is_known false: this catalog does not list such things. */
static bool look_up(Effect *e, DbThing thing, Str schema, Str parent, Str name, bool *ret_is_known,
                    DbObjectState *ret_state, Error *err)
{
    SqlDialect dialect = e->options.dialect;
    Error asked = {.arena = e->arena};
    Str values[3];
    if (!sql_ident_value(e->arena, dialect, schema, &values[0]) ||
        !sql_ident_value(e->arena, dialect, parent, &values[1]) ||
        !sql_ident_value(e->arena, dialect, name, &values[2]))
        return error_nomem(err);
    *ret_is_known = e->probe(e->db, thing, values[0], values[1], values[2], ret_state, &asked);
    if (!*ret_is_known && asked.kind != ERROR_UNSUPPORTED)
        return db_error_copy(err, &asked);
    return true;
}

static Verdict made(bool is_known, DbObjectState state)
{
    if (!is_known)
        return VERDICT_UNKNOWN;
    return state.exists && state.is_valid ? VERDICT_HAS_RUN : VERDICT_NOT_RUN;
}

static Verdict removed(bool is_known, DbObjectState state)
{
    if (!is_known)
        return VERDICT_UNKNOWN;
    return state.exists ? VERDICT_NOT_RUN : VERDICT_HAS_RUN;
}

/* One action of an ALTER TABLE. */
static bool judge_action(Effect *e, const SqlInfo *info, Verdict *ret_verdict, Error *err)
{
    DbThing thing = info->sub_object == SQL_OBJECT_OTHER   ? DB_THING_CONSTRAINT
                    : info->sub_object == SQL_OBJECT_INDEX ? DB_THING_INDEX
                    : info->sub_object == SQL_OBJECT_TABLE ? DB_THING_TABLE
                                                           : DB_THING_COLUMN;
    bool has_name = info->sub_name.len > 0;
    bool is_known = false;
    DbObjectState state = {0};
    *ret_verdict = VERDICT_UNKNOWN;
    switch ((int)info->sub_verb) {
    case SQL_VERB_CREATE:
    case SQL_VERB_RENAME: /* sub_name is the new name */
        if (!has_name)
            return true;
        if (!look_up(e, thing, info->table_schema, thing == DB_THING_TABLE ? (Str){0} : info->table,
                     info->sub_name, &is_known, &state, err))
            return false;
        *ret_verdict = made(is_known, state);
        return true;
    case SQL_VERB_DROP:
        /* A constraint without a name is the primary key. */
        if (!has_name && thing != DB_THING_CONSTRAINT)
            return true;
        if (!look_up(e, thing, info->table_schema, info->table, info->sub_name, &is_known, &state,
                     err))
            return false;
        *ret_verdict = removed(is_known, state);
        return true;
    case SQL_VERB_ALTER:
        /* SET DEFAULT, TYPE, MODIFY, VALIDATE: saying it again changes nothing. */
        if (has_name && thing != DB_THING_TABLE)
            *ret_verdict = VERDICT_NOT_RUN;
        return true;
    default:
        return true;
    }
}

/* Where the actions of an ALTER TABLE begin: behind the table's name. */
static size_t actions_start(const SqlInfo *info, Str statement)
{
    Str name = info->name;
    if (name.ptr < statement.ptr || name.ptr >= statement.ptr + statement.len)
        return SIZE_MAX;
    return (size_t)(name.ptr - statement.ptr) + name.len;
}

/* Several actions run all or not at all, so one that can be judged speaks for the others; but not by a name that another
 * action takes away or brings back. */
static bool judge_alter_table(Effect *e, Str statement, const SqlInfo *info, Verdict *ret_verdict,
                              Error *err)
{
    if (info->action_count <= 1)
        return judge_action(e, info, ret_verdict, err);
    size_t start = actions_start(info, statement);
    *ret_verdict = VERDICT_UNKNOWN;
    if (start == SIZE_MAX)
        return true;
    Vec(SqlInfo) actions = {0};
    SqlLexer lexer = sql_lexer(statement, &e->options);
    SqlToken token;
    size_t from = start, depth = 0;
    for (bool is_end = false; !is_end;) {
        is_end = !sql_lexer_next(&lexer, &token);
        char c = !is_end && token.kind == SQL_TOKEN_SYMBOL ? token.text.ptr[0] : '\0';
        if (!is_end && token.offset < start)
            continue;
        depth += c == '(';
        depth -= c == ')' && depth > 0;
        if (!is_end && (c != ',' || depth > 0))
            continue;
        size_t to = is_end ? statement.len : token.offset;
        StrBuf one = strbuf(e->arena);
        strbuf_add(&one, str_sub(statement, 0, start));
        strbuf_add_char(&one, ' ');
        strbuf_add(&one, str_sub(statement, from, to));
        Str text;
        if (!strbuf_finish(&one, &text) ||
            !vec_push(e->arena, &actions, sql_inspect(text, &e->options)))
            return error_nomem(err);
        from = to + 1;
    }
    for (size_t i = 0; i < actions.len; i++) {
        const SqlInfo *action = &actions.items[i];
        bool is_alone = action->sub_verb != SQL_VERB_ALTER;
        for (size_t j = 0; j < actions.len; j++)
            if (j != i && str_eq(actions.items[j].sub_name, action->sub_name))
                is_alone = false;
        if (!is_alone || action->flags & SQL_IF_EXISTS)
            continue;
        if (!judge_action(e, action, ret_verdict, err))
            return false;
        if (*ret_verdict != VERDICT_UNKNOWN)
            return true;
    }
    return true;
}

/* ALTER TYPE t ADD VALUE 'v' */
static bool judge_enum_value(Effect *e, Str statement, const SqlInfo *info, Verdict *ret_verdict,
                             Error *err)
{
    SqlLexer lexer = sql_lexer(statement, &e->options);
    SqlToken token;
    bool is_next = false;
    while (sql_lexer_next(&lexer, &token)) {
        if (is_next && token.kind == SQL_TOKEN_STRING)
            break;
        is_next = sql_token_is(&token, "VALUE");
    }
    *ret_verdict = VERDICT_UNKNOWN;
    if (!is_next || token.text.len < 2 || token.text.ptr[0] != '\'')
        return true;
    /* The label in the quotes: '' stands for one quote. */
    StrBuf label = strbuf(e->arena);
    for (size_t i = 1; i + 1 < token.text.len; i++) {
        strbuf_add_char(&label, token.text.ptr[i]);
        i += token.text.ptr[i] == '\'';
    }
    Str value, schema, type;
    if (!strbuf_finish(&label, &value) ||
        !sql_ident_value(e->arena, e->options.dialect, info->schema, &schema) ||
        !sql_ident_value(e->arena, e->options.dialect, info->name, &type))
        return error_nomem(err);
    DbObjectState state = {0};
    Error asked = {.arena = e->arena};
    bool is_known = e->probe(e->db, DB_THING_ENUM_VALUE, schema, type, value, &state, &asked);
    if (!is_known && asked.kind != ERROR_UNSUPPORTED)
        return db_error_copy(err, &asked);
    *ret_verdict = made(is_known, state);
    return true;
}

/* DROP TABLE a, b: where some of several may be gone and others not, nobody can tell. */
static bool names_several(Effect *e, Str statement)
{
    SqlLexer lexer = sql_lexer(statement, &e->options);
    SqlToken token;
    size_t depth = 0;
    while (sql_lexer_next(&lexer, &token)) {
        if (token.kind != SQL_TOKEN_SYMBOL)
            continue;
        char c = token.text.ptr[0];
        depth += c == '(';
        depth -= c == ')' && depth > 0;
        if (c == ',' && depth == 0)
            return true;
    }
    return false;
}

static bool judge_object(Effect *e, Str statement, const SqlInfo *info, bool is_drop,
                         Verdict *ret_verdict, Error *err)
{
    DbThing thing;
    bool is_known = false;
    DbObjectState state = {0};
    *ret_verdict = VERDICT_UNKNOWN;
    if (info->name.len == 0 || !thing_of(info->object, &thing) ||
        (is_drop && names_several(e, statement)))
        return true;
    bool is_part = thing == DB_THING_INDEX || thing == DB_THING_TRIGGER || thing == DB_THING_RULE ||
                   thing == DB_THING_POLICY;
    Str schema = info->schema.len > 0 ? info->schema : info->table_schema;
    if (!look_up(e, thing, schema, is_part ? info->table : (Str){0}, info->name, &is_known, &state,
                 err))
        return false;
    *ret_verdict = is_drop ? removed(is_known, state) : made(is_known, state);
    return true;
}

static bool judge(Effect *e, Str statement, const SqlInfo *info, Verdict *ret_verdict, Error *err)
{
    /* IF [NOT] EXISTS, OR REPLACE, and what goes with the session may all be said again. */
    if (info->flags & (SQL_IF_EXISTS | SQL_TEMPORARY)) {
        *ret_verdict = VERDICT_NOT_RUN;
        return true;
    }
    switch ((int)info->verb) {
    case SQL_VERB_CREATE:
        return judge_object(e, statement, info, false, ret_verdict, err);
    case SQL_VERB_DROP:
        return judge_object(e, statement, info, true, ret_verdict, err);
    case SQL_VERB_RENAME: { /* name is the old one; several are renamed all or none */
        bool is_known;
        DbObjectState state = {0};
        if (info->name.len == 0)
            break;
        if (!look_up(e, DB_THING_TABLE, info->schema, (Str){0}, info->name, &is_known, &state, err))
            return false;
        *ret_verdict = removed(is_known, state);
        return true;
    }
    case SQL_VERB_ALTER:
        if (info->object == SQL_OBJECT_TABLE)
            return judge_alter_table(e, statement, info, ret_verdict, err);
        if (info->flags & SQL_USES_NEW_ENUM)
            return judge_enum_value(e, statement, info, ret_verdict, err);
        break;
    case SQL_VERB_SELECT:
    case SQL_VERB_EXPLAIN:
    case SQL_VERB_SET:
    case SQL_VERB_RESET:
    case SQL_VERB_USE:
    case SQL_VERB_PRAGMA:
    case SQL_VERB_GRANT:
    case SQL_VERB_REVOKE:
    case SQL_VERB_COMMENT:
    case SQL_VERB_ANALYZE:
    case SQL_VERB_VACUUM:
    case SQL_VERB_REINDEX:
    case SQL_VERB_CLUSTER:
    case SQL_VERB_REFRESH:
    case SQL_VERB_LOCK:
    case SQL_VERB_UNLOCK:
        /* SELECT may call a function that writes; then it is data, and flagged so. */
        *ret_verdict = info->flags & SQL_IS_DML ? VERDICT_UNKNOWN : VERDICT_NOT_RUN;
        return true;
    default:
        break;
    }
    *ret_verdict = VERDICT_UNKNOWN;
    return true;
}

bool db_effect(Db *db, Str statement, const SqlInfo *info, DbProbe *probe, bool *ret_is_known,
               bool *ret_has_run, Error *err)
{
    scoped(Arena *, arena_freep) scratch = arena_new();
    if (!scratch)
        return error_nomem(err);
    Effect e = {.db = db, .probe = probe, .options = db_split_options(db, NULL), .arena = scratch};
    Verdict verdict = VERDICT_UNKNOWN;
    if (!judge(&e, statement, info, &verdict, err))
        return error_wrap(err, "asking the catalog what has run");
    *ret_is_known = verdict != VERDICT_UNKNOWN;
    *ret_has_run = verdict == VERDICT_HAS_RUN;
    return true;
}

/* What the PostgreSQL driver asks the server's catalogs: objects, locks, sessions.
 * SPDX-License-Identifier: Apache-2.0 */
#include "db/postgres_catalog.h"

#include <string.h>

/* Makes SQL from a text with places: %l a literal (Str), %n a number (int64_t), %s plain text. */
static bool make_sql(Arena *arena, Str *ret_sql, Error *err, const char *format, ...)
{
    StrBuf sql = strbuf(arena);
    va_list args;
    va_start(args, format);
    for (const char *at = format; *at; at++) {
        if (at[0] == '%' && at[1] == 'l')
            sql_add_literal(&sql, SQL_POSTGRES, va_arg(args, Str));
        else if (at[0] == '%' && at[1] == 'n')
            strbuf_addf(&sql, "%lld", (long long)va_arg(args, int64_t));
        else if (at[0] == '%' && at[1] == 's')
            strbuf_adds(&sql, va_arg(args, const char *));
        else {
            strbuf_add_char(&sql, *at);
            continue;
        }
        at++;
    }
    va_end(args);
    return strbuf_finish(&sql, ret_sql) || error_nomem(err);
}

/* "s"."t", as to_regclass() reads it. */
static bool quoted_name(Arena *arena, Str schema, Str name, Str *ret_text, Error *err)
{
    StrBuf text = strbuf(arena);
    if (schema.len > 0) {
        sql_add_ident(&text, SQL_POSTGRES, schema);
        strbuf_add_char(&text, '.');
    }
    sql_add_ident(&text, SQL_POSTGRES, name);
    return strbuf_finish(&text, ret_text) || error_nomem(err);
}

static Str cut_schema(Str *name)
{
    Str schema = {0};
    if (str_find_char(*name, '.', 0) != SIZE_MAX)
        *name = str_cut(*name, '.', &schema);
    return schema;
}

/* Whether the question counts more than none. */
static bool is_any(Db *db, Arena *scratch, Str sql, bool *ret_is, Error *err)
{
    DbValue value;
    int64_t count;
    if (!db_query_value(db, scratch, sql, &value, err))
        return false;
    *ret_is = db_value_i64(&value, &count) && count > 0;
    return true;
}

/* ---- objects ------------------------------------------------------------------------------ */

bool postgres_has_database(Db *db, Str name, bool *ret_exists, Error *err)
{
    scoped(Arena *, arena_freep) scratch = arena_new();
    Str sql;
    if (!scratch)
        return error_nomem(err);
    return make_sql(scratch, &sql, err,
                    "SELECT count(*) FROM pg_catalog.pg_database WHERE datname = %l", name) &&
           is_any(db, scratch, sql, ret_exists, err);
}

bool postgres_has_table_question(Arena *arena, Str name, Str *ret_sql, Error *err)
{
    Str schema = cut_schema(&name), text;
    return quoted_name(arena, schema, name, &text, err) &&
           make_sql(
               arena, ret_sql, err,
               "SELECT count(*) FROM pg_catalog.pg_class WHERE oid = to_regclass(%l) AND relkind "
               "IN ('r', 'p', 'v', 'm', 'f')",
               text);
}

bool postgres_has_table(Db *db, Str name, bool *ret_has, Error *err)
{
    scoped(Arena *, arena_freep) scratch = arena_new();
    Str sql;
    if (!scratch)
        return error_nomem(err);
    return postgres_has_table_question(scratch, name, &sql, err) &&
           is_any(db, scratch, sql, ret_has, err);
}

bool postgres_index_state(Db *db, Str schema, Str name, DbObjectState *ret_state, Error *err)
{
    scoped(Arena *, arena_freep) scratch = arena_new();
    Str text, sql;
    DbValue value;
    if (!scratch)
        return error_nomem(err);
    if (!quoted_name(scratch, schema, name, &text, err) ||
        !make_sql(scratch, &sql, err,
                  "SELECT indisvalid FROM pg_catalog.pg_index WHERE indexrelid = to_regclass(%l)",
                  text) ||
        !db_query_value(db, scratch, sql, &value, err))
        return false;
    *ret_state = (DbObjectState){
        .exists = !value.is_null,
        .is_valid = str_eq(value.text, STR("t")),
    };
    return true;
}

/* The catalog of a thing: what is to be true of it besides its name, and how it is seen without its schema. Aliases:
 * o the thing, n its schema, p its parent. */
typedef struct Catalog {
    DbThing thing;
    const char *from;    /* with its joins */
    const char *name;    /* column */
    const char *schema;  /* column, or NULL: no schemas */
    const char *visible; /* true where an unqualified name finds it */
    const char *parent;  /* column, or NULL */
    const char *also;
} Catalog;

#define CLASS_FROM "pg_class o JOIN pg_namespace n ON n.oid = o.relnamespace"
#define CLASS_VISIBLE "pg_table_is_visible(o.oid)"
#define OF_TABLE(catalog, column)                                                                  \
    catalog " o JOIN pg_class p ON p.oid = o." column                                              \
            " JOIN pg_namespace n ON n.oid = p.relnamespace"
#define TABLE_VISIBLE "pg_table_is_visible(p.oid)"
#define PROC_FROM "pg_proc o JOIN pg_namespace n ON n.oid = o.pronamespace"
#define PROC_VISIBLE "pg_function_is_visible(o.oid)"

static const Catalog catalogs[] = {
    {DB_THING_TABLE, CLASS_FROM, "o.relname", "n.nspname", CLASS_VISIBLE, NULL,
     "o.relkind IN ('r', 'p', 'f', 'v', 'm', 'S')"},
    {DB_THING_VIEW, CLASS_FROM, "o.relname", "n.nspname", CLASS_VISIBLE, NULL, "o.relkind = 'v'"},
    {DB_THING_MATERIALIZED_VIEW, CLASS_FROM, "o.relname", "n.nspname", CLASS_VISIBLE, NULL,
     "o.relkind = 'm'"},
    {DB_THING_SEQUENCE, CLASS_FROM, "o.relname", "n.nspname", CLASS_VISIBLE, NULL,
     "o.relkind = 'S'"},
    {DB_THING_INDEX, CLASS_FROM " JOIN pg_index i ON i.indexrelid = o.oid", "o.relname",
     "n.nspname", CLASS_VISIBLE, NULL, "o.relkind IN ('i', 'I')"},
    {DB_THING_COLUMN, OF_TABLE("pg_attribute", "attrelid"), "o.attname", "n.nspname", TABLE_VISIBLE,
     "p.relname", "o.attnum > 0 AND NOT o.attisdropped"},
    {DB_THING_CONSTRAINT, OF_TABLE("pg_constraint", "conrelid"), "o.conname", "n.nspname",
     TABLE_VISIBLE, "p.relname", "true"},
    {DB_THING_TYPE, "pg_type o JOIN pg_namespace n ON n.oid = o.typnamespace", "o.typname",
     "n.nspname", "pg_type_is_visible(o.oid)", NULL, "true"},
    {DB_THING_ENUM_VALUE,
     "pg_enum o JOIN pg_type p ON p.oid = o.enumtypid JOIN pg_namespace n ON n.oid = "
     "p.typnamespace",
     "o.enumlabel", "n.nspname", "pg_type_is_visible(p.oid)", "p.typname", "true"},
    {DB_THING_SCHEMA, "pg_namespace o", "o.nspname", NULL, NULL, NULL, "true"},
    {DB_THING_DATABASE, "pg_database o", "o.datname", NULL, NULL, NULL, "true"},
    {DB_THING_FUNCTION, PROC_FROM, "o.proname", "n.nspname", PROC_VISIBLE, NULL, "true"},
    {DB_THING_PROCEDURE, PROC_FROM, "o.proname", "n.nspname", PROC_VISIBLE, NULL, "true"},
    {DB_THING_TRIGGER, OF_TABLE("pg_trigger", "tgrelid"), "o.tgname", "n.nspname", TABLE_VISIBLE,
     "p.relname", "NOT o.tgisinternal"},
    {DB_THING_EVENT, "pg_event_trigger o", "o.evtname", NULL, NULL, NULL, "true"},
    {DB_THING_EXTENSION, "pg_extension o", "o.extname", NULL, NULL, NULL, "true"},
    {DB_THING_ROLE, "pg_roles o", "o.rolname", NULL, NULL, NULL, "true"},
    {DB_THING_RULE, OF_TABLE("pg_rewrite", "ev_class"), "o.rulename", "n.nspname", TABLE_VISIBLE,
     "p.relname", "true"},
    {DB_THING_POLICY, OF_TABLE("pg_policy", "polrelid"), "o.polname", "n.nspname", TABLE_VISIBLE,
     "p.relname", "true"},
    {DB_THING_PUBLICATION, "pg_publication o", "o.pubname", NULL, NULL, NULL, "true"},
    {DB_THING_SUBSCRIPTION, "pg_subscription o", "o.subname", NULL, NULL, NULL, "true"},
    {DB_THING_TABLESPACE, "pg_tablespace o", "o.spcname", NULL, NULL, NULL, "true"},
    {DB_THING_PARTITION,
     "pg_inherits i JOIN pg_class o ON o.oid = i.inhrelid JOIN pg_class p ON p.oid = i.inhparent "
     "JOIN pg_namespace n ON n.oid = p.relnamespace",
     "o.relname", "n.nspname", TABLE_VISIBLE, "p.relname", "p.relkind = 'p'"},
};

static bool probe(Db *db, DbThing thing, Str schema, Str parent, Str name, DbObjectState *ret_state,
                  Error *err)
{
    const Catalog *catalog = catalogs;
    while (catalog->thing != thing)
        catalog++;
    scoped(Arena *, arena_freep) scratch = arena_new();
    if (!scratch)
        return error_nomem(err);
    StrBuf buf = strbuf(scratch);
    /* An index that a failed concurrent build left behind is there, and is of no use. */
    strbuf_addf(&buf, "SELECT %s FROM %s WHERE %s",
                thing == DB_THING_INDEX ? "bool_and(i.indisvalid)"
                                        : "CASE WHEN count(*) > 0 THEN true END",
                catalog->from, catalog->also);
    if (thing == DB_THING_CONSTRAINT && name.len == 0) {
        strbuf_adds(&buf, " AND o.contype = 'p'");
    } else {
        strbuf_addf(&buf, " AND %s = ", catalog->name);
        sql_add_literal(&buf, SQL_POSTGRES, name);
    }
    if (catalog->parent && parent.len > 0) {
        strbuf_addf(&buf, " AND %s = ", catalog->parent);
        sql_add_literal(&buf, SQL_POSTGRES, parent);
    }
    if (catalog->schema && schema.len > 0) {
        strbuf_addf(&buf, " AND %s = ", catalog->schema);
        sql_add_literal(&buf, SQL_POSTGRES, schema);
    } else if (catalog->schema) {
        strbuf_addf(&buf, " AND %s", catalog->visible);
    }
    Str sql;
    DbValue value;
    if (!strbuf_finish(&buf, &sql))
        return error_nomem(err);
    if (!db_query_value(db, scratch, sql, &value, err))
        return false;
    *ret_state =
        (DbObjectState){.exists = !value.is_null, .is_valid = str_eq(value.text, STR("t"))};
    return true;
}

bool postgres_has_effect(Db *db, Str statement, const SqlInfo *info, bool *ret_is_known,
                         bool *ret_has_run, Error *err)
{
    return db_effect(db, statement, info, probe, ret_is_known, ret_has_run, err);
}

/* ---- what a stopped statement has left ------------------------------------------------------ */

/* DETACH PARTITION p CONCURRENTLY that was stopped: p is neither in nor out, and only FINALIZE gets it out. */
static bool finish_detach(Db *db, Arena *arena, Str statement, const SqlInfo *info,
                          Str *ret_instead, Error *err)
{
    SqlSplitOptions split = db_split_options(db, NULL);
    SqlLexer lexer = sql_lexer(statement, &split);
    SqlToken token, last = {0}, partition = {0};
    Str schema, table, name, text, sql;
    bool is_pending = false;
    while (sql_lexer_next(&lexer, &token)) {
        if (sql_token_is(&token, "CONCURRENTLY"))
            partition = last;
        last = token;
    }
    if (!partition.text.ptr || !sql_token_is(&last, "CONCURRENTLY"))
        return true;
    if (!sql_ident_value(arena, SQL_POSTGRES, info->table_schema, &schema) ||
        !sql_ident_value(arena, SQL_POSTGRES, info->table, &table) ||
        !sql_ident_value(arena, SQL_POSTGRES, partition.text, &name))
        return error_nomem(err);
    if (!quoted_name(arena, schema, table, &text, err) ||
        !make_sql(arena, &sql, err,
                  "SELECT count(*) FROM pg_inherits i JOIN pg_class o ON o.oid = i.inhrelid "
                  "WHERE i.inhparent = to_regclass(%l) AND o.relname = %l AND i.inhdetachpending",
                  text, name) ||
        !is_any(db, arena, sql, &is_pending, err))
        return false;
    if (!is_pending)
        return true;
    size_t len = (size_t)(last.text.ptr - statement.ptr);
    StrBuf out = strbuf(arena);
    strbuf_add(&out, str_sub(statement, 0, len));
    strbuf_adds(&out, "FINALIZE");
    return strbuf_finish(&out, ret_instead) || error_nomem(err);
}

/* REINDEX CONCURRENTLY that was stopped leaves the index that it was building, invalid, and would leave another one. */
static bool drop_unfinished(Db *db, Arena *arena, const SqlInfo *info, DbStatementVec *ret_first,
                            Error *err)
{
    scoped(DbRows, db_rows_done) rows = {0};
    Str schema, name, text, sql;
    bool is_index = info->object == SQL_OBJECT_INDEX;
    if (info->name.len == 0 || (!is_index && info->object != SQL_OBJECT_TABLE))
        return true;
    if (!sql_ident_value(arena, SQL_POSTGRES, info->schema, &schema) ||
        !sql_ident_value(arena, SQL_POSTGRES, info->name, &name))
        return error_nomem(err);
    /* Names are cut where they would be too long with their ending. */
    if (!quoted_name(arena, schema, name, &text, err) ||
        !make_sql(arena, &sql, err,
                  "SELECT format('DROP INDEX CONCURRENTLY IF EXISTS %I.%I', n.nspname, c.relname) "
                  "FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid "
                  "JOIN pg_namespace n ON n.oid = c.relnamespace "
                  "JOIN pg_class t ON t.oid = i.indrelid, to_regclass(%l) AS it "
                  "WHERE NOT i.indisvalid AND c.relname ~ '_cc(new|old)[0-9]*$' AND CASE "
                  "WHEN %s THEN i.indrelid = (SELECT x.indrelid FROM pg_index x WHERE "
                  "x.indexrelid = it) AND starts_with(c.relname, left(%l, 50)) "
                  "ELSE i.indrelid = it OR i.indrelid = (SELECT x.reltoastrelid FROM pg_class x "
                  "WHERE x.oid = it) END ORDER BY 1",
                  text, is_index ? "true" : "false", name) ||
        !db_query(db, sql, &rows, err))
        return false;
    while (db_rows_next(&rows)) {
        DbStatement statement = {0};
        if (!str_copy(arena, rows.cols[0].text, &statement.sql) ||
            !vec_push(arena, ret_first, statement))
            return error_nomem(err);
    }
    return db_rows_finish(&rows, err);
}

bool postgres_left_behind(Db *db, Arena *arena, Str statement, const SqlInfo *info,
                          DbStatementVec *ret_first, Str *ret_instead, Error *err)
{
    *ret_first = (DbStatementVec){0};
    *ret_instead = (Str){0};
    if (!(info->flags & SQL_CONCURRENTLY))
        return true;
    if (info->verb == SQL_VERB_ALTER)
        return finish_detach(db, arena, statement, info, ret_instead, err);
    return info->verb != SQL_VERB_REINDEX || drop_unfinished(db, arena, info, ret_first, err);
}

/* ---- the migration lock -------------------------------------------------------------------- */

/* In front of it the isolation: where sessions default to one snapshot for a whole transaction, that snapshot would be older than
 * the lock. */
bool postgres_lock_question(Arena *arena, DbLockKey key, Str *ret_sql, Error *err)
{
    return make_sql(arena, ret_sql, err,
                    "SET TRANSACTION ISOLATION LEVEL READ COMMITTED; "
                    "SELECT pg_try_advisory_lock('%n'::bigint)",
                    key.number);
}

bool postgres_unlock_question(Arena *arena, DbLockKey key, Str *ret_sql, Error *err)
{
    return make_sql(arena, ret_sql, err, "SELECT pg_advisory_unlock('%n'::bigint)", key.number);
}

bool postgres_lock_try(Db *db, DbLockKey key, bool *ret_is_ours, Error *err)
{
    scoped(Arena *, arena_freep) scratch = arena_new();
    Str sql;
    DbValue value;
    if (!scratch)
        return error_nomem(err);
    if (!make_sql(scratch, &sql, err, "SELECT pg_try_advisory_lock('%n'::bigint)", key.number) ||
        !db_query_value(db, scratch, sql, &value, err))
        return false;
    if (value.is_null)
        return error_set(err, ERROR_SQL, "the server did not say whether the lock was had");
    *ret_is_ours = str_eq(value.text, STR("t"));
    return true;
}

bool postgres_unlock(Db *db, DbLockKey key, Error *err)
{
    scoped(Arena *, arena_freep) scratch = arena_new();
    Str sql;
    DbValue value;
    if (!scratch)
        return error_nomem(err);
    if (!postgres_unlock_question(scratch, key, &sql, err) ||
        !db_query_value(db, scratch, sql, &value, err))
        return false;
    if (str_eq(value.text, STR("t")))
        return true;
    error_set(err, ERROR_STATE, "the migration lock was not this session's any more");
    return error_code(err, "lock-lost");
}

/* The columns of a session, in the order in which take_sessions() takes them. a is pg_stat_activity, and p
 * pg_prepared_xacts: a prepared transaction holds locks without any session. */
#define SESSION_ID "coalesce(a.pid::text, 'prepared ' || p.gid), "
#define SESSION_DETAILS                                                                            \
    "coalesce(a.usename, p.owner, ''), "                                                           \
    "coalesce(a.application_name, ''), coalesce(host(a.client_addr), a.client_hostname, "          \
    "'local'), "                                                                                   \
    "coalesce(a.state, CASE WHEN p.gid IS NOT NULL THEN 'prepared transaction' END, ''), "         \
    "coalesce(a.query, ''), (extract(epoch FROM clock_timestamp() - coalesce(a.xact_start, "       \
    "p.prepared, a.state_change, a.backend_start)) * 1000000)::bigint, a.pid IS NOT NULL, "        \
    "coalesce(a.backend_type, '')"
#define SESSION_COLUMNS SESSION_ID SESSION_DETAILS

/* Which prepared transaction holds the lock l: until the server is restarted it has the number of the session that prepared it. */
#define IS_PREPARED(l)                                                                             \
    l ".pid IS NULL AND (" l ".virtualtransaction = '-1/' || p.transaction::text OR EXISTS "       \
      "(SELECT 1 FROM pg_locks z WHERE z.pid IS NULL AND z.granted AND z.locktype = "              \
      "'transactionid' AND z.transactionid = p.transaction AND z.virtualtransaction = " l          \
      ".virtualtransaction))"

/* The views of locks look large to the planner, which would compile the question to machine code for seconds. */
#define NO_JIT "SET LOCAL jit = off; "

static const Str hidden = {"<insufficient privilege>", 24};

/* What ends a session that would not end by itself. */
static bool add_advice(Arena *arena, DbSession *session, Str kind)
{
    static const Str prepared = {"prepared ", 9};
    StrBuf text = strbuf(arena);
    if (!session->is_alive && str_starts(session->id, prepared)) {
        strbuf_adds(&text, "it is over once someone says COMMIT PREPARED or ROLLBACK PREPARED ");
        sql_add_literal(&text, SQL_POSTGRES, str_sub(session->id, prepared.len, session->id.len));
    } else if (str_eq(kind, STR("autovacuum worker"))) {
        bool is_urgent = str_find(session->query, STR("to prevent wraparound"), 0) != SIZE_MAX;
        strbuf_adds(&text, is_urgent ? "it keeps transaction numbers from running out and gives "
                                       "way to nobody: let it finish"
                                     : "it gives way by itself to whoever waits for longer than "
                                       "deadlock_timeout (1 s)");
    } else if (str_starts(session->state, STR("idle in transaction"))) {
        strbuf_addf(&text,
                    "its transaction is open and does nothing; SELECT "
                    "pg_terminate_backend(%.*s) would end it",
                    STR_ARG(session->id));
    } else {
        return true;
    }
    return strbuf_finish(&text, &session->advice);
}

/* The sessions of one result. */
static bool take_sessions(DbRows *rows, Arena *arena, DbSessionVec *ret_sessions, Error *err)
{
    DbSessionVec sessions = {0};
    while (db_rows_next(rows)) {
        DbSession session = {0};
        Str *const texts[] = {&session.id,   &session.user,  &session.application,
                              &session.host, &session.state, &session.query};
        for (size_t i = 0; i < 6; i++)
            if (!str_copy(arena, rows->cols[i].text, texts[i]))
                return error_nomem(err);
        if (!db_value_i64(&rows->cols[6], &session.age_us))
            session.age_us = -1;
        session.is_alive = str_eq(rows->cols[7].text, STR("t"));
        if (!add_advice(arena, &session, rows->cols[8].text) ||
            !vec_push(arena, &sessions, session))
            return error_nomem(err);
    }
    *ret_sessions = sessions;
    return true;
}

static bool read_sessions(Db *db, Arena *arena, Str sql, DbSessionVec *ret_sessions, Error *err)
{
    scoped(DbRows, db_rows_done) rows = {0};
    DbSessionVec sessions;
    if (!db_query(db, sql, &rows, err))
        return false;
    while (rows.col_count == 0 && db_rows_next_result(&rows))
        ; /* NO_JIT */
    if (!take_sessions(&rows, arena, &sessions, err) || !db_rows_finish(&rows, err))
        return false;
    *ret_sessions = sessions;
    return true;
}

bool postgres_lock_holder(Db *db, Arena *arena, DbLockKey key, DbSession *ret_holder, bool *ret_has,
                          Error *err)
{
    Str sql;
    DbSessionVec sessions;
    int64_t high = (int64_t)((uint64_t)key.number >> 32);
    int64_t low = (int64_t)((uint64_t)key.number & 0xffffffff);
    if (!make_sql(arena, &sql, err,
                  "SELECT " SESSION_COLUMNS
                  " FROM pg_locks l LEFT JOIN pg_stat_activity a ON a.pid = l.pid "
                  "LEFT JOIN pg_prepared_xacts p ON " IS_PREPARED(
                      "l") " WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1 "
                           "AND "
                           "l.classid::bigint = %n AND l.objid::bigint = %n AND l.database = "
                           "(SELECT oid FROM "
                           "pg_database WHERE datname = current_database()) ORDER BY l.pid LIMIT 1",
                  high, low) ||
        !read_sessions(db, arena, sql, &sessions, err))
        return false;
    *ret_has = sessions.len > 0;
    if (sessions.len > 0)
        *ret_holder = sessions.items[0];
    return true;
}

/* function: one that takes a pid and says whether there was such a session. */
static bool signal_session(Db *db, Str id, const char *function, Error *err)
{
    scoped(Arena *, arena_freep) scratch = arena_new();
    uint64_t pid;
    Str sql;
    DbValue value;
    if (!scratch)
        return error_nomem(err);
    if (!str_to_u64(id, &pid) || pid == 0 || pid > INT32_MAX)
        return error_set(err, ERROR_USAGE, "'%.*s' is not the pid of a session", STR_ARG(id));
    if (!make_sql(scratch, &sql, err, "SELECT %s(%n)", function, (int64_t)pid) ||
        !db_query_value(db, scratch, sql, &value, err))
        return false;
    if (str_eq(value.text, STR("t")))
        return true;
    return error_set(err, ERROR_STATE, "there is no session with the pid %.*s any more",
                     STR_ARG(id));
}

bool postgres_kill_session(Db *db, Str id, Error *err)
{
    return signal_session(db, id, "pg_terminate_backend", err);
}

bool postgres_cancel_session(Db *db, Str id, Error *err)
{
    return signal_session(db, id, "pg_cancel_backend", err);
}

bool postgres_blockers(Db *db, Arena *arena, Str table, DbSessionVec *ret_sessions, Error *err)
{
    /* The table may come as a value or as it stands in a statement: quoted, or to be folded. */
    Str name = table, schema = cut_schema(&name), folded_name, folded_schema, exact, folded, sql;
    return sql_ident_value(arena, SQL_POSTGRES, name, &folded_name) &&
                   sql_ident_value(arena, SQL_POSTGRES, schema, &folded_schema)
               ? quoted_name(arena, schema, name, &exact, err) &&
                     quoted_name(arena, folded_schema, folded_name, &folded, err) &&
                     make_sql(
                         arena, &sql, err,
                         NO_JIT
                         "SELECT DISTINCT " SESSION_COLUMNS
                         " FROM pg_locks l LEFT JOIN pg_stat_activity a ON a.pid = l.pid LEFT JOIN "
                         "pg_prepared_xacts p ON " IS_PREPARED(
                             "l") " WHERE l.locktype = 'relation' AND l.granted AND "
                                  "l.database = "
                                  "(SELECT oid FROM pg_database WHERE datname = "
                                  "current_database()) AND "
                                  "l.relation "
                                  "IN (to_regclass(%l), to_regclass(%l)) AND l.pid IS DISTINCT "
                                  "FROM "
                                  "pg_backend_pid() ORDER BY 7 DESC, 1",
                         exact, folded) &&
                     read_sessions(db, arena, sql, ret_sessions, err)
               : error_nomem(err);
}

/* ---- work under way ------------------------------------------------------------------------- */

/* A view of pg_stat_progress_*, in which version it came, and what of it counts in which phase. */
static const struct {
    int since;
    const char *view, *phase, *done, *total, *unit;
} works[] = {
    {120000, "create_index", "phase",
     "CASE WHEN phase LIKE 'waiting%' THEN lockers_done WHEN phase LIKE '%sorting%' THEN 0 WHEN "
     "phase LIKE '%loading tuples%' THEN "
     "tuples_done ELSE blocks_done END",
     "CASE WHEN phase LIKE 'waiting%' THEN lockers_total WHEN phase LIKE '%loading tuples%' "
     "THEN tuples_total WHEN phase LIKE '%sorting%' THEN 0 ELSE blocks_total END",
     "CASE WHEN phase LIKE 'waiting%' THEN 'sessions' WHEN phase LIKE '%loading tuples%' THEN "
     "'rows' ELSE 'blocks' END"},
    {120000, "cluster", "phase",
     "CASE phase WHEN 'seq scanning heap' THEN heap_blks_scanned WHEN 'writing new heap' THEN "
     "heap_tuples_written WHEN 'index scanning heap' THEN heap_tuples_scanned ELSE 0 END",
     "CASE phase WHEN 'seq scanning heap' THEN heap_blks_total WHEN 'writing new heap' THEN "
     "heap_tuples_scanned ELSE 0 END",
     "CASE phase WHEN 'seq scanning heap' THEN 'blocks' ELSE 'rows' END"},
    {90600, "vacuum", "phase",
     "CASE phase WHEN 'scanning heap' THEN heap_blks_scanned WHEN 'vacuuming heap' THEN "
     "heap_blks_vacuumed ELSE 0 END",
     "CASE WHEN phase IN ('scanning heap', 'vacuuming heap') THEN heap_blks_total ELSE 0 END",
     "'blocks'"},
    {130000, "analyze", "phase",
     "CASE phase WHEN 'acquiring sample rows' THEN sample_blks_scanned ELSE 0 END",
     "CASE phase WHEN 'acquiring sample rows' THEN sample_blks_total ELSE 0 END", "'blocks'"},
    {140000, "copy", "'copying'",
     "CASE WHEN bytes_total > 0 THEN bytes_processed ELSE tuples_processed END", "bytes_total",
     "CASE WHEN bytes_total > 0 THEN 'bytes' ELSE 'rows' END"},
};
enum { WORKS = sizeof works / sizeof *works };

static bool work_sql(Db *db, Arena *arena, int64_t pid, Str table, Str *ret_sql, Error *err)
{
    Str schema = cut_schema(&table), quoted = {0};
    StrBuf sql = strbuf(arena);
    if (table.len > 0 && !quoted_name(arena, schema, table, &quoted, err))
        return false;
    strbuf_adds(&sql, "SELECT w.phase, w.done, w.total, w.unit, (SELECT relpages::bigint * "
                      "current_setting('block_size')::bigint FROM pg_class WHERE relpages > 0 AND "
                      "oid = to_regclass(");
    sql_add_literal(&sql, SQL_POSTGRES, quoted);
    strbuf_adds(&sql, ")) FROM (SELECT 1) one LEFT JOIN (SELECT '' AS phase, 0::bigint AS done, "
                      "0::bigint AS total, '' AS unit WHERE false");
    for (size_t i = 0; i < WORKS; i++)
        if (db->info.version_number >= works[i].since)
            strbuf_addf(&sql,
                        " UNION ALL SELECT %s, %s, %s, %s FROM pg_stat_progress_%s WHERE pid = "
                        "%lld",
                        works[i].phase, works[i].done, works[i].total, works[i].unit, works[i].view,
                        (long long)pid);
    strbuf_adds(&sql, ") w ON true LIMIT 1");
    return strbuf_finish(&sql, ret_sql) || error_nomem(err);
}

bool postgres_work(Db *db, Arena *arena, Str session, Str table, DbWork *ret_work, Error *err)
{
    static const char *const units[] = {"blocks", "rows", "bytes", "sessions"};
    scoped(DbRows, db_rows_done) rows = {0};
    DbWork work = {.unit = "", .table_bytes = -1};
    int64_t pid;
    Str sql;
    if (!str_to_i64(session, &pid))
        return error_set(err, ERROR_USAGE, "a session's number is one");
    if (!work_sql(db, arena, pid, table, &sql, err) || !db_query(db, sql, &rows, err))
        return false;
    if (db_rows_next(&rows) && rows.col_count == 5) {
        const DbValue *cols = rows.cols;
        if (!str_copy(arena, cols[0].text, &work.phase))
            return error_nomem(err);
        if (!db_value_i64(&cols[1], &work.done) || !db_value_i64(&cols[2], &work.total))
            work.done = work.total = 0;
        for (size_t i = 0; i < sizeof units / sizeof *units; i++)
            if (str_eq(cols[3].text, str_from(units[i])))
                work.unit = units[i];
        if (!db_value_i64(&cols[4], &work.table_bytes))
            work.table_bytes = -1;
    }
    if (!db_rows_finish(&rows, err))
        return false;
    *ret_work = work;
    return true;
}

/* ---- waiting ------------------------------------------------------------------------------- */

#define SAME_LOCK(a, b) "(" LOCK_TAG(a) ") IS NOT DISTINCT FROM (" LOCK_TAG(b) ")"
#define LOCK_TAG(l)                                                                                \
    l ".locktype, " l ".database, " l ".relation, " l ".page, " l ".tuple, " l ".virtualxid, " l   \
      ".transactionid, " l ".classid, " l ".objid, " l ".objsubid"

/* "AccessExclusiveLock" is ACCESS EXCLUSIVE in the manual and in LOCK TABLE. */
static bool mode_in_words(Arena *arena, Str mode, Str *ret_words)
{
    StrBuf words = strbuf(arena);
    if (str_ends(mode, STR("Lock")))
        mode.len -= 4;
    for (size_t i = 0; i < mode.len; i++) {
        char c = mode.ptr[i];
        bool is_capital = c >= 'A' && c <= 'Z';
        if (is_capital && i > 0)
            strbuf_add_char(&words, ' ');
        strbuf_add_char(&words, c >= 'a' && c <= 'z' ? (char)(c - 'a' + 'A') : c);
    }
    return strbuf_finish(&words, ret_words);
}

/* Three questions in one message: what is waited for, who is in the way, who queues behind. */
static bool waiting_sql(Db *db, Arena *arena, int64_t pid, Str *ret_sql, Error *err)
{
    /* A waiter of a row waits for its transaction, and holds the lock of the row's place meanwhile. */
    static const char what[] = NO_JIT
        "SELECT CASE l.locktype WHEN 'relation' THEN l.mode END, coalesce(l.relation, "
        "t.relation)::regclass::text FROM pg_locks l LEFT JOIN "
        "pg_locks t ON t.pid = l.pid AND t.locktype = 'tuple' AND t.granted WHERE l.pid = %n AND "
        "NOT l.granted LIMIT 1;";
    /* 0 stands for transactions that are prepared; which ones, their locks tell. */
    static const char who[] =
        "SELECT coalesce(nullif(b.pid, 0)::text, 'prepared ' || p.gid, "
        "'prepared'), " SESSION_DETAILS
        " FROM (SELECT DISTINCT unnest(pg_blocking_pids(%n)) AS pid) b LEFT JOIN pg_stat_activity "
        "a ON a.pid = b.pid LEFT JOIN pg_prepared_xacts p ON b.pid = 0 AND EXISTS (SELECT 1 FROM "
        "pg_locks h JOIN pg_locks w ON w.pid = %n AND NOT w.granted AND " SAME_LOCK(
            "h", "w") " WHERE h.granted AND " IS_PREPARED("h") ") ORDER BY 7 DESC NULLS LAST, 1;";
    /* Locks of ours that keep nobody from reading and writing hold nobody up. */
    static const char behind[] =
        "SELECT count(DISTINCT w.pid), (extract(epoch FROM clock_timestamp() - min(%s)) * "
        "1000000)::bigint FROM pg_locks o JOIN pg_locks w ON NOT w.granted AND w.pid <> o.pid "
        "AND " SAME_LOCK(
            "o",
            "w") " JOIN pg_stat_activity a ON a.pid = w.pid WHERE o.pid = %n AND (NOT o.granted OR "
                 "o.mode "
                 "NOT IN ('AccessShareLock', 'RowShareLock', 'RowExclusiveLock')) AND w.pid <> ALL "
                 "(pg_blocking_pids(%n))";
    const char *since = db->info.version_number >= 140000 ? "w.waitstart" : "a.query_start";
    Str first, second, third;
    if (!make_sql(arena, &first, err, what, pid) || !make_sql(arena, &second, err, who, pid, pid) ||
        !make_sql(arena, &third, err, behind, since, pid, pid))
        return false;
    char *sql = str_format(arena, "%.*s%.*s%.*s", STR_ARG(first), STR_ARG(second), STR_ARG(third));
    if (!sql)
        return error_nomem(err);
    *ret_sql = str_from(sql);
    return true;
}

static void note_hidden(const Db *db, Arena *arena, DbWaiting *waiting)
{
    for (size_t i = 0; i < waiting->blockers.len; i++) {
        DbSession *session = &waiting->blockers.items[i];
        if (!str_eq(session->query, hidden))
            continue;
        session->query = (Str){0};
        char *text = str_format(arena,
                                "what others run is hidden from this user: GRANT "
                                "pg_read_all_stats TO %s",
                                db->info.user);
        waiting->unseen = str_from(text);
    }
}

bool postgres_waiting(Db *db, Arena *arena, Str session, Str table, DbWaiting *ret_waiting,
                      Error *err)
{
    scoped(DbRows, db_rows_done) rows = {0};
    DbWaiting waiting = {.queued = -1, .queued_us = -1};
    Str sql;
    int64_t pid;
    (void)table;
    if (!str_to_i64(session, &pid))
        return error_set(err, ERROR_USAGE, "'%.*s' is not the pid of a session", STR_ARG(session));
    if (!waiting_sql(db, arena, pid, &sql, err) || !db_query(db, sql, &rows, err))
        return false;
    (void)db_rows_next_result(&rows); /* the first is NO_JIT's */
    if (db_rows_next(&rows)) {
        waiting.is_waiting = true;
        if (!mode_in_words(arena, rows.cols[0].text, &waiting.lock) ||
            !str_copy(arena, rows.cols[1].text, &waiting.table))
            return error_nomem(err);
    }
    if (db_rows_next_result(&rows) && !take_sessions(&rows, arena, &waiting.blockers, err))
        return false;
    if (db_rows_next_result(&rows) && db_rows_next(&rows)) {
        if (!db_value_i64(&rows.cols[0], &waiting.queued))
            waiting.queued = -1;
        if (!db_value_i64(&rows.cols[1], &waiting.queued_us))
            waiting.queued_us = -1;
    }
    if (!db_rows_finish(&rows, err))
        return false;
    note_hidden(db, arena, &waiting);
    *ret_waiting = waiting;
    return true;
}

bool postgres_long_transactions(Db *db, Arena *arena, int64_t older_than_ms,
                                DbSessionVec *ret_sessions, Error *err)
{
    Str sql;
    return make_sql(
               arena, &sql, err,
               "SELECT " SESSION_COLUMNS
               " FROM (SELECT * FROM pg_stat_activity WHERE xact_start IS NOT NULL AND datname = "
               "current_database() AND pid <> pg_backend_pid() AND backend_type = 'client "
               "backend') a FULL "
               "JOIN (SELECT * FROM pg_prepared_xacts WHERE database = current_database()) p ON "
               "false "
               "WHERE clock_timestamp() - coalesce(a.xact_start, p.prepared) >= %n * interval '1 "
               "millisecond' ORDER BY 7 DESC, 1",
               older_than_ms) &&
           read_sessions(db, arena, sql, ret_sessions, err);
}

/* ---- dropping everything -------------------------------------------------------------------- */

/* Each part gives statements for one kind of object; %s stands for the condition on schema (alias n) and owner. What belongs to
 * an extension stays, and what another object brought along goes with that. IF EXISTS, since CASCADE may have been there first. */
#define NOT_OF(catalog, alias, kinds)                                                              \
    " AND NOT EXISTS (SELECT 1 FROM pg_depend d WHERE d.classid = '" catalog                       \
    "'::regclass AND d.objid = " alias ".oid AND d.deptype IN (" kinds "))"
#define NOT_OF_OTHERS(catalog, alias) NOT_OF(catalog, alias, "'e', 'i'")

static const char *const drop_parts[] = {
    /* views first: then nothing but them has to go in their order */
    "SELECT 1, c.oid, format('DROP %s IF EXISTS %I.%I CASCADE', CASE c.relkind WHEN 'v' THEN "
    "'VIEW' WHEN 'm' THEN "
    "'MATERIALIZED VIEW' WHEN 'f' THEN 'FOREIGN TABLE' WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END, "
    "n.nspname, c.relname), "
    "CASE c.relkind WHEN 'v' THEN 1 WHEN 'm' THEN 2 WHEN 'S' THEN 4 ELSE 3 END FROM pg_class c "
    "JOIN pg_namespace n ON n.oid "
    "= c.relnamespace WHERE c.relkind IN ('v', 'm', 'f', 'S', 'r', 'p') AND c.relowner = me.oid "
    "AND NOT (c.relkind = 'S' "
    "AND EXISTS (SELECT 1 FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = "
    "c.oid AND d.deptype IN "
    "('a', 'i')))" NOT_OF("pg_class", "c", "'e'"),
    "SELECT 2, o.oid, format('DROP ROUTINE IF EXISTS %I.%I(%s) CASCADE', n.nspname, o.proname, "
    "pg_get_function_identity_arguments(o.oid)), 0 FROM pg_proc o JOIN pg_namespace n ON n.oid = "
    "o.pronamespace WHERE "
    "o.proowner = me.oid" NOT_OF_OTHERS("pg_proc", "o"),
    "SELECT 3, o.oid, format('DROP OPERATOR IF EXISTS %I.%s (%s, %s) CASCADE', n.nspname, "
    "o.oprname, CASE o.oprleft WHEN 0 "
    "THEN 'NONE' ELSE format_type(o.oprleft, NULL) END, CASE o.oprright WHEN 0 THEN 'NONE' ELSE "
    "format_type(o.oprright, "
    "NULL) END), 0 FROM pg_operator o JOIN pg_namespace n ON n.oid = o.oprnamespace WHERE "
    "o.oprowner = "
    "me.oid" NOT_OF_OTHERS("pg_operator", "o"),
    "SELECT 4, o.oid, format('DROP OPERATOR FAMILY IF EXISTS %I.%I USING %I CASCADE', n.nspname, "
    "o.opfname, m.amname), 0 FROM "
    "pg_opfamily o JOIN pg_am m ON m.oid = o.opfmethod JOIN pg_namespace n ON n.oid = "
    "o.opfnamespace WHERE o.opfowner = "
    "me.oid" NOT_OF_OTHERS("pg_opfamily", "o"),
    /* neither arrays nor the row types of tables nor what a range brings along */
    "SELECT 5, o.oid, format('DROP %s IF EXISTS %I.%I CASCADE', CASE o.typtype WHEN 'd' THEN "
    "'DOMAIN' ELSE 'TYPE' END, "
    "n.nspname, o.typname), 0 FROM pg_type o JOIN pg_namespace n ON n.oid = o.typnamespace LEFT "
    "JOIN pg_class r ON r.oid = "
    "o.typrelid WHERE o.typowner = me.oid AND (o.typrelid = 0 OR r.relkind = 'c') AND o.typtype <> "
    "'m' AND NOT EXISTS "
    "(SELECT 1 FROM pg_type e WHERE e.typarray = o.oid)" NOT_OF_OTHERS("pg_type", "o"),
    "SELECT 6, o.oid, format('DROP COLLATION IF EXISTS %I.%I CASCADE', n.nspname, o.collname), 0 "
    "FROM pg_collation o JOIN "
    "pg_namespace n ON n.oid = o.collnamespace WHERE o.collowner = me.oid" NOT_OF_OTHERS(
        "pg_collation", "o"),
    "SELECT 7, o.oid, format('DROP CONVERSION IF EXISTS %I.%I CASCADE', n.nspname, o.conname), 0 "
    "FROM pg_conversion o JOIN "
    "pg_namespace n ON n.oid = o.connamespace WHERE o.conowner = me.oid" NOT_OF_OTHERS(
        "pg_conversion", "o"),
    "SELECT 8, o.oid, format('DROP TEXT SEARCH CONFIGURATION IF EXISTS %I.%I CASCADE', n.nspname, "
    "o.cfgname), 0 FROM "
    "pg_ts_config o JOIN pg_namespace n ON n.oid = o.cfgnamespace WHERE o.cfgowner = "
    "me.oid" NOT_OF_OTHERS("pg_ts_config", "o"),
    "SELECT 9, o.oid, format('DROP TEXT SEARCH DICTIONARY IF EXISTS %I.%I CASCADE', n.nspname, "
    "o.dictname), 0 FROM pg_ts_dict "
    "o JOIN pg_namespace n ON n.oid = o.dictnamespace WHERE o.dictowner = me.oid" NOT_OF_OTHERS(
        "pg_ts_dict", "o"),
    "SELECT 10, o.oid, format('DROP STATISTICS IF EXISTS %I.%I', n.nspname, o.stxname), 0 FROM "
    "pg_statistic_ext o JOIN "
    "pg_namespace n ON n.oid = o.stxnamespace WHERE o.stxowner = me.oid",
};

bool postgres_drop_all(Db *db, Arena *arena, const StrVec *schemas, DbStatementVec *ret_statements,
                       Error *err)
{
    scoped(Arena *, arena_freep) scratch = arena_new();
    scoped(DbRows, db_rows_done) rows = {0};
    if (!scratch)
        return error_nomem(err);
    StrBuf where = strbuf(scratch), sql = strbuf(scratch);
    Str condition, whole;
    strbuf_adds(&where, " AND n.nspname IN (");
    for (size_t i = 0; i < schemas->len; i++) {
        strbuf_adds(&where, i > 0 ? ", " : "");
        sql_add_literal(&where, SQL_POSTGRES, schemas->items[i]);
    }
    strbuf_adds(&where, schemas->len > 0 ? ")" : "current_schema())");
    if (!strbuf_finish(&where, &condition))
        return error_nomem(err);
    strbuf_adds(
        &sql,
        "SELECT x.text FROM (SELECT oid FROM pg_roles WHERE rolname = current_user) me CROSS JOIN "
        "LATERAL (");
    for (size_t i = 0; i < sizeof drop_parts / sizeof *drop_parts; i++) {
        strbuf_adds(&sql, i > 0 ? " UNION ALL " : "");
        strbuf_adds(&sql, drop_parts[i]);
        strbuf_add(&sql, condition);
    }
    strbuf_adds(&sql, ") x (part, oid, text, rank) ORDER BY x.part, x.rank, x.oid");
    if (!strbuf_finish(&sql, &whole))
        return error_nomem(err);
    DbStatementVec statements = {0};
    if (!db_query(db, whole, &rows, err))
        return error_wrap(err, "listing what is to be dropped");
    while (db_rows_next(&rows)) {
        DbStatement statement = {0};
        if (!str_copy(arena, rows.cols[0].text, &statement.sql) ||
            !vec_push(arena, &statements, statement))
            return error_nomem(err);
    }
    if (!db_rows_finish(&rows, err))
        return error_wrap(err, "listing what is to be dropped");
    *ret_statements = statements;
    return true;
}

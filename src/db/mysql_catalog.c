/* What MySQL and MariaDB know of objects, sessions and locks. Columns of information_schema are always named
 * and aliased: MySQL 8 writes their names in capitals. SPDX-License-Identifier: Apache-2.0 */
#include "db/mysql_catalog.h"

#include <stdio.h>

static void add_literal(StrBuf *sql, Str text)
{
    sql_add_literal(sql, SQL_MYSQL, text);
}

/* The schema as a literal; the current database where none is named. */
static void add_schema(StrBuf *sql, Str schema)
{
    if (schema.len > 0)
        add_literal(sql, schema);
    else
        strbuf_adds(sql, "DATABASE()");
}

static bool ask_number(Db *db, StrBuf *sql, int64_t *ret_number, bool *ret_is_null, Error *err)
{
    Str text;
    DbValue value;
    if (!strbuf_finish(sql, &text))
        return error_nomem(err);
    if (!db_query_value(db, sql->arena, text, &value, err))
        return false;
    int64_t number = 0;
    *ret_is_null = !db_value_i64(&value, &number);
    *ret_number = number;
    return true;
}

static bool ask_exists(Db *db, StrBuf *sql, bool *ret_exists, Error *err)
{
    int64_t count;
    bool is_null;
    if (!ask_number(db, sql, &count, &is_null, err))
        return false;
    *ret_exists = !is_null && count > 0;
    return true;
}

/* ---- objects ------------------------------------------------------------------------------ */

static void add_has_table(StrBuf *sql, Str name)
{
    Str schema = {0};
    if (str_find_char(name, '.', 0) != SIZE_MAX)
        name = str_cut(name, '.', &schema);
    strbuf_adds(sql, "SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA = ");
    add_schema(sql, schema);
    strbuf_adds(sql, " AND TABLE_NAME = ");
    add_literal(sql, name);
}

bool mysql_has_table_question(Arena *arena, Str name, Str *ret_sql, Error *err)
{
    StrBuf sql = strbuf(arena);
    add_has_table(&sql, name);
    return strbuf_finish(&sql, ret_sql) || error_nomem(err);
}

bool mysql_has_table(Db *db, Str name, bool *ret_has, Error *err)
{
    scoped(Arena *, arena_freep) scratch = arena_new();
    if (!scratch)
        return error_nomem(err);
    StrBuf sql = strbuf(scratch);
    add_has_table(&sql, name);
    return ask_exists(db, &sql, ret_has, err);
}

/* Where a kind of thing is listed: table of information_schema, its columns for schema, parent and name, and a
 * further condition. */
typedef struct Listing {
    DbThing thing;
    const char *table, *schema_column, *parent_column, *name_column, *condition;
} Listing;
static const Listing listings[] = {
    {DB_THING_TABLE, "TABLES", "TABLE_SCHEMA", NULL, "TABLE_NAME", NULL},
    {DB_THING_VIEW, "TABLES", "TABLE_SCHEMA", NULL, "TABLE_NAME", "TABLE_TYPE LIKE '%VIEW'"},
    {DB_THING_SEQUENCE, "TABLES", "TABLE_SCHEMA", NULL, "TABLE_NAME", "TABLE_TYPE = 'SEQUENCE'"},
    {DB_THING_INDEX, "STATISTICS", "TABLE_SCHEMA", "TABLE_NAME", "INDEX_NAME", NULL},
    {DB_THING_COLUMN, "COLUMNS", "TABLE_SCHEMA", "TABLE_NAME", "COLUMN_NAME", NULL},
    {DB_THING_CONSTRAINT, "TABLE_CONSTRAINTS", "TABLE_SCHEMA", "TABLE_NAME", "CONSTRAINT_NAME",
     NULL},
    {DB_THING_SCHEMA, "SCHEMATA", NULL, NULL, "SCHEMA_NAME", NULL},
    {DB_THING_DATABASE, "SCHEMATA", NULL, NULL, "SCHEMA_NAME", NULL},
    {DB_THING_FUNCTION, "ROUTINES", "ROUTINE_SCHEMA", NULL, "ROUTINE_NAME",
     "ROUTINE_TYPE = 'FUNCTION'"},
    {DB_THING_PROCEDURE, "ROUTINES", "ROUTINE_SCHEMA", NULL, "ROUTINE_NAME",
     "ROUTINE_TYPE = 'PROCEDURE'"},
    {DB_THING_TRIGGER, "TRIGGERS", "TRIGGER_SCHEMA", "EVENT_OBJECT_TABLE", "TRIGGER_NAME", NULL},
    {DB_THING_EVENT, "EVENTS", "EVENT_SCHEMA", NULL, "EVENT_NAME", NULL},
};

static bool probe(Db *db, DbThing thing, Str schema, Str parent, Str name, DbObjectState *ret_state,
                  Error *err)
{
    const Listing *listing = NULL;
    for (size_t i = 0; i < sizeof listings / sizeof *listings; i++)
        if (listings[i].thing == thing)
            listing = &listings[i];
    if (!listing)
        return error_set(err, ERROR_UNSUPPORTED, "the catalog does not list such an object");
    scoped(Arena *, arena_freep) scratch = arena_new();
    if (!scratch)
        return error_nomem(err);
    if (thing == DB_THING_CONSTRAINT && name.len == 0)
        name = STR("PRIMARY");
    StrBuf sql = strbuf(scratch);
    strbuf_addf(&sql, "SELECT COUNT(*) FROM information_schema.%s WHERE %s = ", listing->table,
                listing->name_column);
    add_literal(&sql, name);
    if (listing->schema_column) {
        strbuf_addf(&sql, " AND %s = ", listing->schema_column);
        add_schema(&sql, schema);
    }
    if (listing->parent_column && parent.len > 0) {
        strbuf_addf(&sql, " AND %s = ", listing->parent_column);
        add_literal(&sql, parent);
    }
    if (listing->condition)
        strbuf_addf(&sql, " AND %s", listing->condition);
    bool exists;
    if (!ask_exists(db, &sql, &exists, err))
        return false;
    *ret_state = (DbObjectState){.exists = exists, .is_valid = exists};
    return true;
}

bool mysql_has_effect(Db *db, Str statement, const SqlInfo *info, bool *ret_is_known,
                      bool *ret_has_run, Error *err)
{
    return db_effect(db, statement, info, probe, ret_is_known, ret_has_run, err);
}

/* ---- the migration lock -------------------------------------------------------------------- */

/* Never a negative time: MariaDB answers NULL to it at once, and no lock is held then. */
static void add_lock(StrBuf *sql, DbLockKey key)
{
    strbuf_adds(sql, "SELECT GET_LOCK(");
    add_literal(sql, key.name);
    strbuf_adds(sql, ", 0)");
}

static void add_unlock(StrBuf *sql, DbLockKey key)
{
    strbuf_adds(sql, "SELECT RELEASE_LOCK(");
    add_literal(sql, key.name);
    strbuf_adds(sql, ")");
}

/* Every statement outside a transaction sees what was committed before it, and autocommit is on. */
bool mysql_lock_question(Arena *arena, DbLockKey key, Str *ret_sql, Error *err)
{
    StrBuf sql = strbuf(arena);
    add_lock(&sql, key);
    return strbuf_finish(&sql, ret_sql) || error_nomem(err);
}

bool mysql_unlock_question(Arena *arena, DbLockKey key, Str *ret_sql, Error *err)
{
    StrBuf sql = strbuf(arena);
    add_unlock(&sql, key);
    return strbuf_finish(&sql, ret_sql) || error_nomem(err);
}

bool mysql_lock_try(Db *db, DbLockKey key, bool *ret_is_ours, Error *err)
{
    scoped(Arena *, arena_freep) scratch = arena_new();
    if (!scratch)
        return error_nomem(err);
    StrBuf sql = strbuf(scratch);
    add_lock(&sql, key);
    int64_t got;
    bool is_null;
    if (!ask_number(db, &sql, &got, &is_null, err))
        return error_wrap(err, "taking the migration lock");
    if (is_null) {
        error_set(err, ERROR_SQL, "the server could not say whether the migration lock was taken");
        return error_hint(
            err, "GET_LOCK answered NULL: its session was killed, or it is out of memory.");
    }
    *ret_is_ours = got == 1;
    return true;
}

bool mysql_unlock(Db *db, DbLockKey key, Error *err)
{
    scoped(Arena *, arena_freep) scratch = arena_new();
    if (!scratch)
        return error_nomem(err);
    StrBuf sql = strbuf(scratch);
    add_unlock(&sql, key);
    int64_t released;
    bool is_null;
    if (!ask_number(db, &sql, &released, &is_null, err))
        return error_wrap(err, "releasing the migration lock");
    if (!is_null && released == 1)
        return true;
    error_set(err, ERROR_STATE, "the migration lock was not this session's any more");
    return error_code(err, "lock-lost");
}

/* ---- sessions ------------------------------------------------------------------------------ */

/* The columns that read_sessions() expects, from information_schema.PROCESSLIST as p. TIME is in seconds. */
#define SESSION_STATE "CONCAT(p.COMMAND, COALESCE(CONCAT(': ', NULLIF(p.STATE, '')), ''))"
#define SESSION_COLUMNS                                                                            \
    "p.ID AS id, p.USER AS user, p.HOST AS host, " SESSION_STATE                                   \
    " AS state, p.INFO AS query, p.TIME AS age_s, NULL AS application"

static bool copy_or_empty(Arena *arena, const DbValue *value, Str *ret_text)
{
    *ret_text = (Str){0};
    return value->is_null || str_copy(arena, value->text, ret_text);
}

static bool read_sessions(Db *db, Arena *arena, StrBuf *sql, DbSessionVec *ret_sessions, Error *err)
{
    scoped(DbRows, db_rows_done) rows = {0};
    DbSessionVec sessions = {0};
    Str text;
    if (!strbuf_finish(sql, &text))
        return error_nomem(err);
    if (!db_query(db, text, &rows, err))
        return false;
    while (db_rows_next(&rows)) {
        DbSession session = {.is_alive = true, .age_us = -1};
        int64_t age_s;
        if (!copy_or_empty(arena, &rows.cols[0], &session.id) ||
            !copy_or_empty(arena, &rows.cols[1], &session.user) ||
            !copy_or_empty(arena, &rows.cols[2], &session.host) ||
            !copy_or_empty(arena, &rows.cols[3], &session.state) ||
            !copy_or_empty(arena, &rows.cols[4], &session.query) ||
            (rows.col_count > 6 && !copy_or_empty(arena, &rows.cols[6], &session.application)))
            return error_nomem(err);
        if (str_eq(session.state, STR("idle in transaction")))
            session.advice = str_from(str_format(
                arena, "its transaction is open and does nothing; KILL %.*s would end it",
                STR_ARG(session.id)));
        if (db_value_i64(&rows.cols[5], &age_s) && age_s >= 0)
            session.age_us = age_s * 1000000;
        if (!vec_push(arena, &sessions, session))
            return error_nomem(err);
    }
    if (!db_rows_finish(&rows, err))
        return false;
    *ret_sessions = sessions;
    return true;
}

bool mysql_lock_holder(Db *db, Arena *arena, DbLockKey key, DbSession *ret_holder, bool *ret_has,
                       Error *err)
{
    DbSessionVec sessions;
    StrBuf sql = strbuf(arena);
    strbuf_adds(&sql, "SELECT " SESSION_COLUMNS
                      " FROM information_schema.PROCESSLIST AS p WHERE p.ID = IS_USED_LOCK(");
    add_literal(&sql, key.name);
    strbuf_adds(&sql, ")");
    if (!read_sessions(db, arena, &sql, &sessions, err))
        return error_wrap(err, "asking who holds the migration lock");
    if (sessions.len > 0) {
        *ret_holder = sessions.items[0];
        *ret_has = true;
        return true;
    }
    /* Without the PROCESS privilege other people's sessions are hidden, but the number is told. */
    sql = strbuf(arena);
    strbuf_adds(&sql, "SELECT IS_USED_LOCK(");
    add_literal(&sql, key.name);
    strbuf_adds(&sql, ")");
    int64_t id;
    bool is_null;
    if (!ask_number(db, &sql, &id, &is_null, err))
        return error_wrap(err, "asking who holds the migration lock");
    DbSession holder = {.is_alive = true, .age_us = -1};
    if (!is_null) {
        holder.id = str_from(str_format(arena, "%lld", (long long)id));
        if (!holder.id.ptr)
            return error_nomem(err);
        *ret_holder = holder;
    }
    *ret_has = !is_null;
    return true;
}

bool mysql_kill_session(Db *db, Str id, Error *err)
{
    uint64_t number;
    if (!str_to_u64(id, &number))
        return error_set(err, ERROR_USAGE, "'%.*s' is no connection number", STR_ARG(id));
    char sql[64];
    int len = snprintf(sql, sizeof sql, "KILL %llu", (unsigned long long)number);
    return db_exec(db, (Str){sql, (size_t)len}, err) ||
           error_wrap(err, "ending connection %llu", (unsigned long long)number);
}

/* What the server has that tells of locks. */
typedef struct LockSources {
    bool has_plugin;      /* MariaDB's METADATA_LOCK_INFO */
    bool has_performance; /* performance_schema, switched on */
} LockSources;

static bool ask_sources(Db *db, Arena *arena, LockSources *ret_sources, Error *err)
{
    DbValue value;
    int64_t bits = 0;
    if (!db_query_value(db, arena,
                        STR("SELECT @@performance_schema + 2 * (SELECT COUNT(*) FROM "
                            "information_schema.PLUGINS WHERE PLUGIN_NAME = 'METADATA_LOCK_INFO' "
                            "AND PLUGIN_STATUS = 'ACTIVE')"),
                        &value, err))
        return false;
    db_value_i64(&value, &bits);
    *ret_sources = (LockSources){.has_performance = bits & 1, .has_plugin = bits & 2};
    return true;
}

/* Whoever waits for a metadata lock holds none that is in the way, but may have one of another table. */
#define WAITS_FOR_LOCK "COALESCE(p.STATE, '') LIKE 'Waiting for%%lock%%'" /* for a format */

/* Who holds metadata locks on the table, by the best source that there is; without any, whoever has had a transaction open for
 * long enough. ret_is_inferred: it is the latter. waiter: whose wait it is, not to be listed. */
static bool list_holders(Db *db, Arena *arena, Str waiter, Str schema, Str table, int64_t waited_s,
                         LockSources sources, DbSessionVec *ret_sessions, bool *ret_is_inferred,
                         Error *err)
{
    StrBuf sql = strbuf(arena);
    strbuf_adds(&sql,
                "SELECT DISTINCT p.ID AS id, p.USER AS user, p.HOST AS host, CASE WHEN p.COMMAND = "
                "'Sleep' AND x.trx_id IS NOT NULL THEN 'idle in transaction' ELSE " SESSION_STATE
                " END AS state, ");
    strbuf_adds(&sql, sources.has_performance ? "COALESCE(p.INFO, e.SQL_TEXT)" : "p.INFO");
    strbuf_adds(&sql, " AS query, COALESCE(TIMESTAMPDIFF(SECOND, x.trx_started, NOW()), p.TIME) AS "
                      "age_s, ");
    strbuf_adds(&sql, sources.has_performance ? "c.ATTR_VALUE" : "NULL");
    strbuf_adds(&sql, " AS application FROM information_schema.PROCESSLIST AS p LEFT JOIN "
                      "information_schema.INNODB_TRX AS x ON x.trx_mysql_thread_id = p.ID");
    if (sources.has_performance)
        strbuf_adds(&sql, " LEFT JOIN performance_schema.threads AS t ON t.PROCESSLIST_ID = p.ID "
                          "LEFT JOIN performance_schema.events_statements_current AS e ON "
                          "e.THREAD_ID = t.THREAD_ID LEFT JOIN "
                          "performance_schema.session_connect_attrs AS c ON c.PROCESSLIST_ID = "
                          "p.ID AND c.ATTR_NAME = 'program_name'");
    *ret_is_inferred = false;
    if (sources.has_plugin && table.len > 0) {
        strbuf_adds(&sql, " JOIN information_schema.METADATA_LOCK_INFO AS m ON m.THREAD_ID = p.ID "
                          "WHERE m.TABLE_SCHEMA = ");
        add_schema(&sql, schema);
        strbuf_adds(&sql, " AND m.TABLE_NAME = ");
        add_literal(&sql, table);
    } else if (sources.has_performance && table.len > 0) {
        strbuf_adds(&sql, " JOIN performance_schema.metadata_locks AS m ON m.OWNER_THREAD_ID = "
                          "t.THREAD_ID WHERE m.LOCK_STATUS = 'GRANTED' AND m.OBJECT_TYPE = 'TABLE' "
                          "AND m.OBJECT_SCHEMA = ");
        add_schema(&sql, schema);
        strbuf_adds(&sql, " AND m.OBJECT_NAME = ");
        add_literal(&sql, table);
    } else {
        *ret_is_inferred = true;
        strbuf_addf(&sql,
                    " WHERE ((x.trx_id IS NOT NULL AND x.trx_started <= NOW() - INTERVAL %lld "
                    "SECOND)",
                    (long long)waited_s);
        if (table.len > 0) {
            strbuf_adds(&sql, " OR (p.COMMAND = 'Query' AND INSTR(p.INFO, ");
            add_literal(&sql, table);
            strbuf_adds(&sql, ") > 0)");
        }
        strbuf_adds(&sql, ")");
    }
    strbuf_addf(&sql, " AND NOT (" WAITS_FOR_LOCK ") AND p.ID <> CONNECTION_ID()");
    if (waiter.len > 0)
        strbuf_addf(&sql, " AND p.ID <> %.*s", STR_ARG(waiter));
    strbuf_adds(&sql, " ORDER BY age_s DESC, id");
    return read_sessions(db, arena, &sql, ret_sessions, err);
}

bool mysql_blockers(Db *db, Arena *arena, Str table, DbSessionVec *ret_sessions, Error *err)
{
    Str schema = {0};
    LockSources sources;
    bool is_inferred;
    if (str_find_char(table, '.', 0) != SIZE_MAX)
        table = str_cut(table, '.', &schema);
    /* The table may come as it stands in a statement, with its quotes. */
    if (!sql_ident_value(arena, SQL_MYSQL, schema, &schema) ||
        !sql_ident_value(arena, SQL_MYSQL, table, &table))
        return error_nomem(err);
    return (ask_sources(db, arena, &sources, err) &&
            list_holders(db, arena, (Str){0}, schema, table, 0, sources, ret_sessions, &is_inferred,
                         err)) ||
           error_wrap(err, "asking who holds locks on %.*s", STR_ARG(table));
}

/* Row locks: the engine knows exactly. */
static bool list_row_holders(Db *db, Arena *arena, Str waiter, DbSessionVec *ret_sessions,
                             Error *err)
{
    StrBuf sql = strbuf(arena);
    strbuf_addf(&sql,
                "SELECT DISTINCT p.ID AS id, p.USER AS user, p.HOST AS host, CASE p.COMMAND WHEN "
                "'Sleep' THEN 'idle in transaction' ELSE " SESSION_STATE " END AS state, p.INFO AS "
                "query, TIMESTAMPDIFF(SECOND, b.trx_started, NOW()) AS age_s FROM "
                "information_schema.INNODB_TRX AS r JOIN information_schema.INNODB_LOCK_WAITS AS w "
                "ON w.requesting_trx_id = r.trx_id JOIN information_schema.INNODB_TRX AS b ON "
                "b.trx_id = w.blocking_trx_id JOIN information_schema.PROCESSLIST AS p ON p.ID = "
                "b.trx_mysql_thread_id WHERE r.trx_mysql_thread_id = %.*s ORDER BY age_s DESC, id",
                STR_ARG(waiter));
    return read_sessions(db, arena, &sql, ret_sessions, err);
}

enum { NEEDS_PROCESS = 1227 };

/* Without the PROCESS privilege InnoDB's transactions and other people's sessions are hidden. */
static bool note_hidden(const Db *db, Arena *arena, const Error *failure, DbWaiting *waiting)
{
    if (failure->server_code != NEEDS_PROCESS)
        return false;
    char *text =
        str_format(arena, "who is in the way is hidden from this user: GRANT PROCESS ON *.* TO %s",
                   db->info.user);
    waiting->unseen = str_from(text);
    return true;
}

static void ask_queue(Db *db, Arena *arena, Str waiter, Str table, DbWaiting *waiting)
{
    scoped(DbRows, db_rows_done) rows = {0};
    Error ignored = {.arena = arena};
    StrBuf sql = strbuf(arena);
    Str text;
    bool is_mariadb = str_eq(str_from(db->info.engine), STR("mariadb"));
    strbuf_addf(&sql,
                "SELECT COUNT(*), CAST(MAX(%s) AS SIGNED) FROM information_schema.PROCESSLIST AS p "
                "WHERE " WAITS_FOR_LOCK " AND p.ID <> %.*s AND INSTR(p.INFO, ",
                is_mariadb ? "p.TIME_MS * 1000" : "p.TIME * 1000000", STR_ARG(waiter));
    add_literal(&sql, table);
    strbuf_adds(&sql, ") > 0");
    if (table.len == 0 || !strbuf_finish(&sql, &text) || !db_query(db, text, &rows, &ignored) ||
        !db_rows_next(&rows))
        return;
    if (!db_value_i64(&rows.cols[0], &waiting->queued))
        waiting->queued = -1;
    if (!db_value_i64(&rows.cols[1], &waiting->queued_us))
        waiting->queued_us = -1;
}

/* What the session itself is doing: visible to its own user without any privilege. */
static bool ask_state(Db *db, Arena *arena, Str session, Str *ret_state, int64_t *ret_waited_s,
                      Error *err)
{
    scoped(DbRows, db_rows_done) rows = {0};
    char *sql = str_format(arena,
                           "SELECT p.STATE, p.TIME FROM information_schema.PROCESSLIST AS p WHERE "
                           "p.ID = %.*s AND p.COMMAND = 'Query'",
                           STR_ARG(session));
    *ret_state = (Str){0};
    *ret_waited_s = 0;
    if (!sql)
        return error_nomem(err);
    if (!db_query(db, str_from(sql), &rows, err))
        return false;
    if (db_rows_next(&rows)) {
        (void)db_value_i64(&rows.cols[1], ret_waited_s);
        if (!copy_or_empty(arena, &rows.cols[0], ret_state))
            return error_nomem(err);
    }
    return db_rows_finish(&rows, err);
}

bool mysql_waiting(Db *db, Arena *arena, Str session, Str table, DbWaiting *ret_waiting, Error *err)
{
    DbWaiting waiting = {.queued = -1, .queued_us = -1};
    Error failure = {.arena = arena};
    LockSources sources;
    Str state, schema = {0}, name = table;
    uint64_t number;
    int64_t waited_s = 0;
    if (!str_to_u64(session, &number))
        return error_set(err, ERROR_USAGE, "'%.*s' is no connection number", STR_ARG(session));
    if (!ask_state(db, arena, session, &state, &waited_s, err))
        return false;
    if (str_find_char(name, '.', 0) != SIZE_MAX)
        name = str_cut(name, '.', &schema);
    if (str_starts(state, STR("Waiting for")) && str_find(state, STR("lock"), 0) != SIZE_MAX) {
        waiting.is_waiting = true;
        if (!ask_sources(db, arena, &sources, err))
            return false;
        bool is_listed = list_holders(db, arena, session, schema, name, waited_s, sources,
                                      &waiting.blockers, &waiting.is_inferred, &failure);
        if (!is_listed && sources.has_performance && failure.server_code != NEEDS_PROCESS) {
            /* It is there, and not for this user. */
            sources.has_performance = false;
            error_clear(&failure);
            is_listed = list_holders(db, arena, session, schema, name, waited_s, sources,
                                     &waiting.blockers, &waiting.is_inferred, &failure);
        }
        if (!is_listed && !note_hidden(db, arena, &failure, &waiting))
            return db_error_copy(err, &failure);
        ask_queue(db, arena, session, name, &waiting);
    } else if (list_row_holders(db, arena, session, &waiting.blockers, &failure)) {
        waiting.is_waiting = waiting.blockers.len > 0;
    }
    waiting.table = table;
    *ret_waiting = waiting;
    return true;
}

bool mysql_long_transactions(Db *db, Arena *arena, int64_t older_than_ms,
                             DbSessionVec *ret_sessions, Error *err)
{
    StrBuf sql = strbuf(arena);
    strbuf_addf(
        &sql,
        "SELECT p.ID AS id, p.USER AS user, p.HOST AS host, p.COMMAND AS state, p.INFO AS query, "
        "TIMESTAMPDIFF(SECOND, x.trx_started, NOW()) AS age_s "
        "FROM information_schema.INNODB_TRX AS x JOIN information_schema.PROCESSLIST AS p "
        "ON p.ID = x.trx_mysql_thread_id WHERE p.ID <> CONNECTION_ID() AND "
        "x.trx_started <= NOW() - INTERVAL %lld MICROSECOND ORDER BY age_s DESC, id",
        (long long)older_than_ms * 1000);
    return read_sessions(db, arena, &sql, ret_sessions, err) ||
           error_wrap(err, "asking for long transactions");
}

/* ---- dropping everything ------------------------------------------------------------------- */

/* ---- work under way -------------------------------------------------------------------------- */

enum { SHARES = 100000 }; /* of the whole: MariaDB counts in thousandths of a percent */

/* MariaDB's own: stages of a statement, and how much of the stage is done, in percent with three places. */
static bool mariadb_work(Db *db, Arena *arena, int64_t id, DbWork *work, Error *err)
{
    scoped(DbRows, db_rows_done) rows = {0};
    int64_t stage = 0, stages = 0;
    char *sql = str_format(arena,
                           "SELECT STATE, STAGE, MAX_STAGE, CAST(PROGRESS * 1000 AS INTEGER) FROM "
                           "information_schema.PROCESSLIST WHERE ID = %lld",
                           (long long)id);
    if (!sql)
        return error_nomem(err);
    if (!db_query(db, str_from(sql), &rows, err))
        return false;
    if (db_rows_next(&rows) && rows.col_count == 4) {
        const DbValue *cols = rows.cols;
        (void)db_value_i64(&cols[1], &stage);
        bool has_stages = db_value_i64(&cols[2], &stages) && stages > 0;
        if (has_stages && db_value_i64(&cols[3], &work->done))
            work->total = SHARES;
        char *phase = has_stages && stages > 1
                          ? str_format(arena, "%.*s, stage %lld of %lld", STR_ARG(cols[0].text),
                                       (long long)stage, (long long)stages)
                          : str_z(arena, cols[0].text);
        if (!phase)
            return error_nomem(err);
        work->phase = str_from(phase);
    }
    return db_rows_finish(&rows, err);
}

/* InnoDB's, where performance_schema is on and keeps stages. */
static bool innodb_work(Db *db, Arena *arena, int64_t id, DbWork *work, Error *err)
{
    static const Str prefix = {"stage/innodb/", 13};
    scoped(DbRows, db_rows_done) rows = {0};
    char *sql =
        str_format(arena,
                   "SELECT s.EVENT_NAME, s.WORK_COMPLETED, s.WORK_ESTIMATED FROM "
                   "performance_schema.events_stages_current s JOIN performance_schema.threads t "
                   "ON t.THREAD_ID = s.THREAD_ID WHERE t.PROCESSLIST_ID = %lld AND s.EVENT_NAME "
                   "LIKE 'stage/innodb/%%' AND s.WORK_ESTIMATED > 0 LIMIT 1",
                   (long long)id);
    if (!sql)
        return error_nomem(err);
    if (!db_query(db, str_from(sql), &rows, err))
        return false;
    if (db_rows_next(&rows) && rows.col_count == 3) {
        Str name = rows.cols[0].text;
        if (str_starts(name, prefix))
            name = str_sub(name, prefix.len, name.len);
        if (!str_copy(arena, name, &work->phase))
            return error_nomem(err);
        if (!db_value_i64(&rows.cols[1], &work->done) || !db_value_i64(&rows.cols[2], &work->total))
            work->done = work->total = 0;
    }
    return db_rows_finish(&rows, err);
}

bool mysql_work(Db *db, Arena *arena, Str session, Str table, DbWork *ret_work, Error *err)
{
    DbWork work = {.unit = "", .table_bytes = -1};
    int64_t id;
    /* To ask for a table's size may mean to open it, which an ALTER TABLE keeps from us. */
    (void)table;
    if (!str_to_i64(session, &id))
        return error_set(err, ERROR_USAGE, "a session's number is one");
    if (str_eq(str_from(db->info.engine), STR("mariadb")) &&
        !mariadb_work(db, arena, id, &work, err))
        return false;
    /* To know more is welcome; not to be allowed to is no failure. */
    Error ignored = {.arena = arena};
    if (work.total == 0 && !innodb_work(db, arena, id, &work, &ignored) && db->is_broken)
        return db_error_copy(err, &ignored);
    *ret_work = work;
    return true;
}

static bool push_sql(Arena *arena, StrBuf *sql, DbStatementVec *out)
{
    Str text;
    return strbuf_finish(sql, &text) && vec_push(arena, out, ((DbStatement){.sql = text}));
}

/* One "DROP kind `schema`.`name`" a row of the listing's answer (schema, name). */
static bool push_drops(Db *db, Arena *arena, const char *kind, StrBuf *listing, DbStatementVec *out,
                       Error *err)
{
    scoped(DbRows, db_rows_done) rows = {0};
    Str text;
    if (!strbuf_finish(listing, &text))
        return error_nomem(err);
    if (!db_query(db, text, &rows, err))
        return false;
    while (db_rows_next(&rows)) {
        StrBuf sql = strbuf(arena);
        strbuf_addf(&sql, "DROP %s IF EXISTS ", kind);
        sql_add_ident(&sql, SQL_MYSQL, rows.cols[0].text);
        strbuf_add_char(&sql, '.');
        sql_add_ident(&sql, SQL_MYSQL, rows.cols[1].text);
        if (!push_sql(arena, &sql, out))
            return error_nomem(err);
    }
    return db_rows_finish(&rows, err);
}

static void add_schemas(StrBuf *sql, const StrVec *schemas)
{
    if (!schemas || schemas->len == 0) {
        strbuf_adds(sql, "(DATABASE())");
        return;
    }
    for (size_t i = 0; i < schemas->len; i++) {
        strbuf_add_char(sql, i ? ',' : '(');
        add_literal(sql, schemas->items[i]);
    }
    strbuf_add_char(sql, ')');
}

bool mysql_drop_all(Db *db, Arena *arena, const StrVec *schemas, DbStatementVec *ret_statements,
                    Error *err)
{
    /* Views first, since they read tables; triggers go with their tables. */
    static const struct {
        const char *kind, *columns, *table, *schema_column, *condition, *name_column;
    } kinds[] = {
        {"EVENT", "EVENT_SCHEMA, EVENT_NAME", "EVENTS", "EVENT_SCHEMA", "1", "EVENT_NAME"},
        {"VIEW", "TABLE_SCHEMA, TABLE_NAME", "TABLES", "TABLE_SCHEMA", "TABLE_TYPE LIKE '%VIEW'",
         "TABLE_NAME"},
        {"TABLE", "TABLE_SCHEMA, TABLE_NAME", "TABLES", "TABLE_SCHEMA",
         "TABLE_TYPE IN ('BASE TABLE', 'SYSTEM VERSIONED')", "TABLE_NAME"},
        {"SEQUENCE", "TABLE_SCHEMA, TABLE_NAME", "TABLES", "TABLE_SCHEMA",
         "TABLE_TYPE = 'SEQUENCE'", "TABLE_NAME"},
        {"FUNCTION", "ROUTINE_SCHEMA, ROUTINE_NAME", "ROUTINES", "ROUTINE_SCHEMA",
         "ROUTINE_TYPE = 'FUNCTION'", "ROUTINE_NAME"},
        {"PROCEDURE", "ROUTINE_SCHEMA, ROUTINE_NAME", "ROUTINES", "ROUTINE_SCHEMA",
         "ROUTINE_TYPE = 'PROCEDURE'", "ROUTINE_NAME"},
    };
    DbStatementVec statements = {0};
    if (!vec_push(arena, &statements, ((DbStatement){.sql = STR("SET foreign_key_checks = 0")})))
        return error_nomem(err);
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        StrBuf listing = strbuf(arena);
        strbuf_addf(&listing, "SELECT %s FROM information_schema.%s WHERE %s IN ", kinds[i].columns,
                    kinds[i].table, kinds[i].schema_column);
        add_schemas(&listing, schemas);
        strbuf_addf(&listing, " AND %s ORDER BY 1, %s", kinds[i].condition, kinds[i].name_column);
        if (!push_drops(db, arena, kinds[i].kind, &listing, &statements, err))
            return error_wrap(err, "listing what is to be dropped");
    }
    if (!vec_push(arena, &statements, ((DbStatement){.sql = STR("SET foreign_key_checks = 1")})))
        return error_nomem(err);
    *ret_statements = statements;
    return true;
}

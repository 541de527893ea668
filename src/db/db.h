/* The door of db/: one driver interface, with PostgreSQL, MySQL/MariaDB and SQLite behind it. Callers ask for features,
 * never for names. SPDX-License-Identifier: Apache-2.0 */
#ifndef WHIMBREL_DB_DB_H
#define WHIMBREL_DB_DB_H

#include "base/base.h"
#include "sql/sql.h"

typedef struct Db Db;
typedef struct DbDriver DbDriver;

/* ---- what an engine can do ------------------------------------------------------------------------------------------ */
enum {
    DB_TRANSACTIONAL_DDL = 1 << 0, /* DDL is undone by ROLLBACK */
    DB_NEST_RUN =
        1 << 1, /* a whole run fits in one transaction with savepoints, at one flush (SQLite) */
    DB_SESSION_LOCK = 1 << 2, /* lock_try/unlock hold for the session (advisory lock, GET_LOCK) */
    DB_FILE_LOCK = 1 << 3,    /* the write transaction itself is the migration lock (SQLite) */
    DB_BATCH = 1 << 4,        /* many statements travel in one message */
    DB_SCHEMAS = 1 << 5,      /* schemas within a database */
    DB_COPY = 1 << 6,         /* COPY ... FROM STDIN with data */
    DB_CREATE_DATABASE = 1 << 7,
    DB_LOCK_TIMEOUT = 1 << 8,  /* table locks are waited for no longer than asked */
    DB_INVALID_INDEX = 1 << 9, /* a failed concurrent build leaves an index behind */
    DB_SINGLE_FILE = 1 << 10,  /* the database is a file in this file system */
    DB_COPY_OUT =
        1
        << 11, /* COPY (SELECT ...) TO STDOUT is a query like others, with its values as text; many rows cost far less so */
};

/* ---- URLs ------------------------------------------------------------------------------------------------------------ */
typedef struct DbParam {
    Str key, value; /* decoded */
} DbParam;
typedef Vec(DbParam) DbParamVec;

typedef struct DbUrl {
    const DbDriver *driver;
    Str text; /* as given: holds the password, never to be shown; parts written without escapes are slices of it */
    Str display; /* safe to show: password and secret parameters replaced by *** */
    Str user, password, hosts,
        database; /* decoded, hosts as written ("a:1,b:2"); for SQLite database is the path or ":memory:" */
    bool has_password;
    DbParamVec params;
} DbUrl;

/* Forms: cli.md "Database URLs". An unknown scheme, a bad escape, a bad port are ERROR_USAGE (code "bad-url"), with the nearest
 * scheme; the error never shows a password. All is in the arena. */
bool db_url_parse(Arena *arena, Str text, DbUrl *ret_url, Error *err);
/* Puts another password in place, say from a file or a command. */
bool db_url_set_password(Arena *arena, DbUrl *url, Str password, Error *err);
/* A copy that needs nothing of the first; there too the password lies in the text and nowhere else, if it can. */
bool db_url_copy(Arena *arena, const DbUrl *url, DbUrl *ret_url, Error *err);
/* The same without text and password, for what is asked about the connection later. */
bool db_url_copy_without_password(Arena *arena, const DbUrl *url, DbUrl *ret_url, Error *err);
/* The same server with another database (for scratch databases and `database create`). */
bool db_url_with_database(Arena *arena, const DbUrl *url, Str database, DbUrl *ret_url, Error *err);
/* NULL-terminated. */
const DbDriver *const *db_drivers(void);

/* ---- cancelling ------------------------------------------------------------------------------------------------------- */
/* Asked from the wait loops of a driver, at least every 100 ms and whenever wake_fd becomes readable (-1: none). Once it says
 * true, the running statement is cancelled on the server and the call returns ERROR_CANCELLED; further calls return it at once, before
 * anything is sent. To clean up after that (ROLLBACK, unlock), set db->options.cancel to NULL first. */
typedef struct DbCancel {
    bool (*is_requested)(void *ctx);
    void *ctx;
    int wake_fd;
} DbCancel;

/* The drivers': until when to wait. What was slept counts beside the clock, so that one that stands still ends no wait. */
typedef struct DbDeadline {
    int64_t at_us; /* of clock_monotonic_us(); INT64_MAX: never */
    int64_t left_us;
} DbDeadline;

/* ---- connecting ------------------------------------------------------------------------------------------------------- */
typedef struct DbOptions {
    const DbCancel *cancel;     /* may be NULL; must outlive the Db */
    int64_t connect_timeout_ms; /* 0: 10 s */
    /* a server that is silent for so long counts as lost; 0: it may take its time */
    int64_t answer_timeout_ms;
    bool is_read_only;            /* SQLite: open read-only; others: a read-only session */
    bool may_create;              /* SQLite: create the file when absent */
    const char *application_name; /* NULL: "whimbrel" */
    const char *client_path; /* where to find the client library; NULL: by the loader's rules */
    void (*notice)(void *ctx, Str severity,
                   Str message); /* the server's notices and warnings; may be NULL */
    void *notice_ctx;
    /* Called about ten times a second while a statement runs or waits, with how long the server has said nothing. It may use
     * other connections, not this one, and the statement's answer is not looked at before it returns. May be NULL. */
    void (*tick)(void *ctx, int64_t silent_us);
    void *tick_ctx;
    /* A query that is asked along with what a server is asked at first, to save a round trip; see db_answer(). It must not depend
     * on the server's features, and outlive the Db. Empty: none */
    Str question;
} DbOptions;

/* Errors: ERROR_CONNECT (codes "connect-refused", "wrong-password", "database-absent", "client-missing"), with a next step. A server
 * that is there and not ready yet (starting up, no connection free) is asked again until connect_timeout_ms is over. */
bool db_open(const DbUrl *url, const DbOptions *options, Db **ret_db, Error *err);
/* On a connection that the application has: sqlite3 *, PGconn *, MYSQL *. It is never closed by us, and is left outside a transaction,
 * with the session settings that it had. An open transaction is ERROR_USAGE. */
bool db_adopt(const DbDriver *driver, void *native, const DbOptions *options, Db **ret_db,
              Error *err);
/* Puts a new connection in the place of one that is lost; pointers to db and to what it said stay good. One attempt. Whatever the
 * session had (locks, settings, temporary tables) is gone. ERROR_UNSUPPORTED where nothing can be opened again: adopted ones, SQLite. */
bool db_reopen(Db *db, const DbUrl *url, Error *err);
void db_close(Db *db); /* takes NULL and half-opened ones; frees all */
void db_closep(Db **db);

/* Rows, as the caller of db_query() gets them; see there. */
typedef struct DbValue {
    Str text; /* bytea and BLOB: the raw bytes */
    bool is_null;
} DbValue;
typedef struct DbRows {
    Db *db;
    void *impl;          /* the driver's */
    const DbValue *cols; /* valid until the next call */
    size_t col_count;
    Error *err;
} DbRows;

typedef enum DbLead {
    DB_LEAD_UNASKED, /* none was given, or no query took it along */
    DB_LEAD_NO,
    DB_LEAD_YES,
} DbLead;

typedef struct DbInfo {
    const char *engine;       /* "sqlite", "postgres", "mysql", "mariadb": for JSON */
    const char *engine_title; /* "SQLite", "PostgreSQL", "MariaDB", "CockroachDB" ... */
    const char *version;      /* "15.20" */
    int version_number;       /* 150020, 101106, 3040001 */
    const char *database;     /* name; SQLite: file name without its folder */
    const char *user;         /* "" for SQLite */
    const char *schema;       /* PostgreSQL: where new tables go; "" if nowhere, and elsewhere */
    const char *search_path;  /* PostgreSQL: as the server writes it; elsewhere "" */
    const char *place;        /* "db:5432", "/run/mysqld.sock", the SQLite file's folder */
    /* the number by which other sessions know this one; "": there is none, or not always the same */
    const char *session;
    bool is_read_only; /* a standby, read_only=1, a read-only file */
    bool is_in_recovery;
    /* a transaction-pooling proxy stands between: session locks cannot be trusted */
    bool is_pooled;
    /* is_pooled, and what the URL sets reaches transactions only, no statement that stands alone */
    bool has_transient_settings;
    /* a table whimbrel_lock is in the search path; PostgreSQL, and only on a connection of our own */
    bool has_leases;
    bool is_cluster; /* Galera and the like: GET_LOCK holds on one node only */
    bool no_backslash_escapes, ansi_quotes, nonconforming_strings; /* for SqlSplitOptions */
} DbInfo;

struct Db { /* what all drivers share; each embeds it first in its own struct */
    const DbDriver *driver;
    Arena *arena;      /* of the connection */
    unsigned features; /* of this server, at most those of the driver */
    DbInfo info;
    DbOptions options;
    bool is_adopted;
    bool is_broken;         /* the connection is gone: nothing but db_close() makes sense */
    bool is_in_transaction; /* as the server last said */
    uint64_t round_trips;   /* messages sent and answered, for tests and -v */
    int64_t silent_since_us, ticked_us; /* the drivers' */
    DbDeadline silence;                 /* the drivers': when it has lasted for too long */
    DbRows answer;                /* to options.question; no rows (db is NULL): it was not asked */
    Str lead;                     /* waits for a query to go with */
    void (*meanwhile)(void *ctx); /* waits for a query to be done with */
    void *meanwhile_ctx;
    DbLead lead_answer;
    StrVec defaults; /* see db_set_defaults() */
};

/* ---- running ---------------------------------------------------------------------------------------------------------- */
typedef struct DbStatement {
    Str sql;
    /* the data of a COPY ... FROM STDIN: pieces until an empty one. NULL: none */
    bool (*copy_data)(void *ctx, Str *ret_piece, Error *err);
    void *copy_ctx;
    /* It neither writes nor minds with what it becomes one transaction: outside a block it may stand behind others in their message */
    bool joins;
    bool is_brief; /* surely done in no time: nobody looks for when it began */
    /* answers once, although its words leave that open: EXECUTE of what we have prepared */
    bool is_single;
} DbStatement;
typedef Vec(DbStatement) DbStatementVec;

typedef struct DbOutcome {
    size_t completed; /* statements that the server confirmed, from the first on */
    /* the connection broke (or the answer did not come) while statement [completed] was under way */
    bool is_fate_unknown;
    /* where in statement [completed] the server points, in bytes from 0; -1: nowhere */
    int64_t error_offset;
    int error_line; /* MySQL: the line in that statement that its message names, from 1; 0: none */
    int64_t rows;   /* affected by the last completed statement; -1 unknown */
} DbOutcome;

/* Runs statements in order until one fails, in as few messages as the engine can; on failure nothing behind the failing one has run.
 * All is as if each statement had been sent alone: a syntax error does not keep the statements before it from running, and statements
 * outside a transaction block commit each by itself. So a message ends where joining would be noticed; cheap are BEGIN ... COMMIT blocks,
 * one behind the other, with SET and RESET between them (a SET in front of a block is undone if that block fails, on PostgreSQL).
 * Where a block was opened by an earlier call, a syntax error on PostgreSQL undoes it before the statements in front of the error have
 * run; they count as completed all the same, for ROLLBACK is all that is left. MySQL has no implicit transactions: its messages are cut
 * only at half of max_allowed_packet and around CALL. A statement that holds several counts as one. Result rows are thrown away.
 *
 * progress, if given, is called as each is confirmed. ret_outcome is filled on failure too. Errors: ERROR_SQL, ERROR_TIMEOUT (lock or
 * statement timeout, deadlock: codes "lock-timeout", "statement-timeout", "deadlock", "serialization"), ERROR_CONNECT (connection lost:
 * "connection-lost"), ERROR_CANCELLED, ERROR_NOMEM; with sqlstate/server_code, detail, server_hint; further codes: "no-privilege",
 * "read-only", "disk-full", "packet-too-large", "cancelled-by-server" (someone else stopped it there). */
bool db_run(Db *db, const DbStatement *statements, size_t count,
            void (*progress)(void *ctx, size_t completed), void *ctx, DbOutcome *ret_outcome,
            Error *err);
bool db_exec(Db *db, Str sql, Error *err); /* one statement */

/* Rows. One result at a time; sql may hold several statements where DB_BATCH is set: db_rows_next_result() goes on to the next. Every
 * statement has a result, one without columns too. All are read to their end before db_query() returns, so that other statements may run
 * while rows are looked at; an error behind the first result is told by db_rows_finish(). */
bool db_query(Db *db, Str sql, DbRows *ret_rows, Error *err);
bool db_rows_next(DbRows *rows); /* whether there is a row; the error, if any, is told by finish */
bool db_rows_next_result(DbRows *rows);        /* whether there is a further result */
bool db_rows_finish(DbRows *rows, Error *err); /* false if the end was an error */
void db_rows_done(DbRows *rows); /* clean-up for scoped(); takes a zeroed or finished one */
/* One value of one row, copied; is_null when there is no row. */
bool db_query_value(Db *db, Arena *arena, Str sql, DbValue *ret_value, Error *err);
bool db_value_i64(const DbValue *value, int64_t *ret_number);

/* What options.question was answered with, handed over once; false when this very question was not asked. */
bool db_answer(Db *db, Str question, DbRows *ret_rows);
/* Work for the time in which the server is at the next db_query(): called once, when that is on its way, by drivers that wait for a
 * server. It must not use the connection. NULL takes back what was not called. */
void db_meanwhile(Db *db, void (*work)(void *ctx), void *ctx);
/* A question to be answered with yes or no (one row; one value: t, f, 1, 0), which the next db_query() takes along in front of its
 * own in one message (DB_BATCH). What stands in front of it and has no columns is no answer. sql is borrowed until then. */
void db_lead(Db *db, Str sql);
/* The answer; it stands even where the query behind it failed. The lead is forgotten. */
DbLead db_lead_take(Db *db);

/* ---- transactions and settings as text, to be sent with other statements ------------------------------------------------ */
typedef struct DbTimeouts {
    int64_t lock_ms;      /* -1: leave, 0: none */
    int64_t statement_ms; /* -1: leave, 0: none */
    /* Above 0, and only for a transaction: how long it may stand idle before the server ends it, and how soon the server looks whether
     * we are still there. PostgreSQL; the second from 14 on, on Linux. */
    int64_t abandoned_ms;
} DbTimeouts;

/* ---- the migration lock ------------------------------------------------------------------------------------------------- */
typedef struct DbLockKey {
    int64_t number; /* PostgreSQL */
    Str name;       /* MySQL/MariaDB, at most 64 bytes */
} DbLockKey;
typedef struct DbSession { /* who holds or waits for something */
    Str id;                /* pid or connection id */
    Str user, application, host, state, query;
    int64_t age_us; /* of its transaction or state; -1 unknown */
    bool is_alive;
    Str advice; /* how it may come to an end, where that is not plain; may be empty */
} DbSession;
typedef Vec(DbSession) DbSessionVec;

/* What a session waits for, as another one sees it. */
typedef struct DbWaiting {
    bool is_waiting; /* for a lock */
    Str lock;  /* the mode that it wants: "ACCESS EXCLUSIVE"; empty: the engine does not say */
    Str table; /* of the lock, as SQL names it; empty: of none, or it is not known */
    DbSessionVec blockers; /* the oldest first */
    bool is_inferred;      /* the server does not tell: these are those that probably block */
    int64_t queued;        /* sessions that wait for this one in turn; -1: not known */
    int64_t queued_us;     /* how long the first of them has been waiting; -1: not known */
    Str unseen; /* what was kept from us, and which privilege would show it; empty: nothing */
} DbWaiting;

/* ---- work under way ----------------------------------------------------------------------------------------------------- */
/* How far a session's running statement has come, as the server says. */
typedef struct DbWork {
    Str phase;           /* in the server's words; empty: it says nothing */
    int64_t done, total; /* of this phase alone; total 0: not known. Both 0: nothing is counted */
    const char *unit; /* "blocks", "rows", "bytes", "sessions", "steps"; "": shares of the whole */
    int64_t table_bytes; /* about the size of the table in question; -1: not known */
} DbWork;

/* ---- the catalog -------------------------------------------------------------------------------------------------------- */
typedef struct DbObjectState {
    bool exists;
    bool is_valid; /* false: an index left by a failed concurrent build */
} DbObjectState;

/* One engine. Filled in at the foot of its file; version first, since outsiders may implement it one day. */
struct DbDriver {
    unsigned version;           /* 1 */
    const char *name;           /* "sqlite", "postgres", "mysql" */
    const char *const *schemes; /* NULL-terminated */
    SqlDialect dialect;
    unsigned features;
    /* what opens a transaction for writing: "BEGIN", "BEGIN IMMEDIATE", "START TRANSACTION" */
    const char *begin;
    /* said inside a transaction: its commit need not wait for the disk; NULL: no such thing */
    const char *lazy_commit;
    /* said outside of one: all that was committed lazily is on the disk; with lazy_commit */
    const char *flush_commits;
    /* said inside a transaction: began, an expression, is from now on when that was; NULL: the server's now() says it, or nothing */
    const char *note_began;
    const char *began;
    const char *const *secret_params; /* URL parameters never to be shown; NULL-terminated */
    /* MUST */
    bool (*url_check)(Arena *arena, DbUrl *url,
                      Error *err); /* called by db_url_parse() once the parts are cut */
    bool (*open)(const DbUrl *url, const DbOptions *options, Db **ret_db, Error *err);
    bool (*adopt)(void *native, const DbOptions *options, Db **ret_db, Error *err);
    void (*close)(Db *db);
    bool (*run)(Db *db, const DbStatement *statements, size_t count,
                void (*progress)(void *, size_t), void *ctx, DbOutcome *ret_outcome, Error *err);
    bool (*query)(Db *db, Str sql, DbRows *ret_rows, Error *err);
    bool (*rows_next)(DbRows *rows);
    bool (*rows_next_result)(DbRows *rows);
    void (*rows_done)(DbRows *rows);
    /* SET statements for the timeouts; is_local: for this transaction only, where the engine can. Each is one statement pushed to out.
     * MariaDB and MySQL wait for table locks in whole seconds (rounded up); MySQL and SQLite have no limit on the time of any statement:
     * nothing is pushed for it. */
    bool (*timeouts)(Db *db, Arena *arena, DbTimeouts timeouts, bool is_local, DbStatementVec *out);
    /* Statements that undo session settings a migration may have left (RESET ALL, ...). Not on SQLite: synchronous, temp_store and
     * locking_mode, whose pragmas fail inside a transaction. */
    bool (*reset_session)(Db *db, Arena *arena, DbStatementVec *out);
    /* Does table exist? name may be schema-qualified ("s.t"), unquoted value. */
    bool (*has_table)(Db *db, Str name, bool *ret_has, Error *err);
    /* MAY (DB_BATCH): the same as a query that counts, to be sent with others. */
    bool (*has_table_question)(Arena *arena, Str name, Str *ret_sql, Error *err);
    /* The state of what the statement (inspected) would make or remove, for settling a crash. ret_is_known false: the catalog cannot tell. */
    bool (*has_effect)(Db *db, Str statement, const SqlInfo *info, bool *ret_is_known,
                       bool *ret_has_run, Error *err);
    /* MAY: NULL when the feature bit is not set */
    void (*replace)(
        Db *db,
        Db *fresh); /* db becomes fresh, which is gone afterwards; NULL: no server that could be lost */
    bool (*lock_try)(Db *db, DbLockKey key, bool *ret_is_ours,
                     Error *err); /* DB_SESSION_LOCK; never waits in the server */
    bool (*unlock)(Db *db, DbLockKey key, Error *err);
    /* DB_SESSION_LOCK: the same two as SQL: what db_lead() takes, such that queries behind it see all that the lock's last holder has
     * committed; and what may stand behind a run's last transaction, with no look at the answer. */
    bool (*lock_question)(Arena *arena, DbLockKey key, Str *ret_sql, Error *err);
    bool (*unlock_question)(Arena *arena, DbLockKey key, Str *ret_sql, Error *err);
    bool (*lock_holder)(Db *db, Arena *arena, DbLockKey key, DbSession *ret_holder, bool *ret_has,
                        Error *err);
    bool (*kill_session)(Db *db, Str id, Error *err);
    /* Stops what the session runs; its transaction fails, the session lives. */
    bool (*cancel_session)(Db *db, Str id, Error *err);
    bool (*blockers)(Db *db, Arena *arena, Str table, DbSessionVec *ret_sessions,
                     Error *err); /* who holds locks on table that block DDL */
    /* What the session (DbInfo.session of another connection) waits for at this moment, and who waits for it. table: the one
     * that it works on, if known. What the user may not see is said in unseen. */
    /* Asked on another connection, but for SQLite: there session is empty, and the running statement's own connection
     * answers. table: what the statement works on, as has_table() takes it; may be empty. */
    bool (*work)(Db *db, Arena *arena, Str session, Str table, DbWork *ret_work, Error *err);
    bool (*waiting)(Db *db, Arena *arena, Str session, Str table, DbWaiting *ret_waiting,
                    Error *err);
    bool (*long_transactions)(Db *db, Arena *arena, int64_t older_than_ms,
                              DbSessionVec *ret_sessions, Error *err);
    bool (*index_state)(Db *db, Str schema, Str name, DbObjectState *ret_state,
                        Error *err); /* DB_INVALID_INDEX; unquoted values, schema may be empty */
    /* What the statement has left when it was stopped the last time: what to say before it is run again, and what to say in its
     * place (empty: nothing else) */
    bool (*left_behind)(Db *db, Arena *arena, Str statement, const SqlInfo *info,
                        DbStatementVec *ret_first, Str *ret_instead, Error *err);
    bool (*database_exists)(const DbUrl *url, const DbOptions *options, bool *ret_exists,
                            Error *err);
    bool (*database_create)(const DbUrl *url, const DbOptions *options, Error *err);
    bool (*database_drop)(const DbUrl *url, const DbOptions *options, Error *err);
    /* Statements, in order, that drop every object that the user owns in the schemas (empty: the default one). */
    bool (*drop_all)(Db *db, Arena *arena, const StrVec *schemas, DbStatementVec *ret_statements,
                     Error *err);
};

/* Statements that set what is to hold for the session besides the server's own: said now, and again where a session is put back or its
 * connection opened again. Once is enough: nothing is done when there are some. Where a proxy lends sessions for single transactions
 * nothing can be set, and *ret_is_set is false. */
bool db_set_defaults(Db *db, const StrVec *statements, bool *ret_is_set, Error *err);
/* DbDriver.reset_session(), and the defaults behind it. */
bool db_reset_session(Db *db, Arena *arena, DbStatementVec *out);
/* Does the driver's server (not only the driver) have all these features? */
bool db_has(const Db *db, unsigned features);
/* Options for the splitter as this server's session lexes. */
SqlSplitOptions db_split_options(const Db *db, const char *file);

#endif

/* libwhimbrel: schema migrations for PostgreSQL, MySQL/MariaDB and SQLite. SPDX-License-Identifier: Apache-2.0
 *
 * The library is what the command line is made of. It prints nothing, ends no process, touches no signal, keeps no global
 * state and reads no environment (libpq and libmariadb read theirs): what it has to say comes back as data, or through the
 * callbacks of WhimbrelOptions. Any number of handles may be in use at once, each by one thread at a time;
 * whimbrel_cancel() alone may be called from any thread, and from a signal handler.
 *
 * Texts are UTF-8 and NUL-terminated. What is passed in is copied unless said otherwise. What is handed out belongs to
 * the object it was reached through and lives exactly as long: results, plans, overviews and errors are freed by the
 * caller, each by its own function, in any order, before or after whimbrel_close(). All functions that free take NULL.
 *
 * A function that returns WhimbrelStatus fills its ret_ arguments as described with each; where it fails it sets
 * *ret_error to an error to be freed with whimbrel_error_free(), and to NULL where it succeeds. ret_error may be NULL.
 *
 * Structs begin with their size. Set it in those that you fill (the _init functions do); a later library may append
 * members, never move or drop one, and takes what an older program does not know for zero. In structs that the library
 * fills, size says how many bytes there are; they are only ever reached through pointers. */
#ifndef WHIMBREL_WHIMBREL_H
#define WHIMBREL_WHIMBREL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined(__GNUC__)
#define WHIMBREL_API __attribute__((visibility("default")))
#else
#define WHIMBREL_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* The version of these headers. Of the library that is linked: whimbrel_version(). */
#define WHIMBREL_VERSION_MAJOR 0
#define WHIMBREL_VERSION_MINOR 1
#define WHIMBREL_VERSION_PATCH 0

/* "0.1.0"; static text. */
WHIMBREL_API const char *whimbrel_version(void);

/* ---- errors -------------------------------------------------------------------------------------------- */

typedef enum WhimbrelStatus {
    WHIMBREL_OK = 0,
    WHIMBREL_NOMEM = 1,        /* memory is out */
    WHIMBREL_USAGE = 2,        /* a wrong argument, a bad URL, an unknown version or convention */
    WHIMBREL_IO = 3,           /* a file or folder */
    WHIMBREL_PARSE = 4,        /* a migration's text or name does not have its form */
    WHIMBREL_CONNECT = 5,      /* no connection to be had, or it broke */
    WHIMBREL_SQL = 6,          /* the server refused a statement */
    WHIMBREL_TIMEOUT = 7,      /* a table's lock or a statement took too long */
    WHIMBREL_LOCKED = 8,       /* someone else is migrating */
    WHIMBREL_CANCELLED = 9,    /* whimbrel_cancel(), or is_cancelled() said so */
    WHIMBREL_STATE = 10,       /* migrations and history do not fit together */
    WHIMBREL_CHECK = 11,       /* whimbrel_require() or whimbrel_validate() found something */
    WHIMBREL_UNSUPPORTED = 12, /* not possible on this engine, version or convention */
} WhimbrelStatus;

/* "ok", "sql", "connect" ...; static text, "unknown" for what this library does not know. */
WHIMBREL_API const char *whimbrel_status_name(WhimbrelStatus status);

typedef struct WhimbrelError {
    size_t size;
    WhimbrelStatus status;
    const char *kind; /* whimbrel_status_name(status) */
    const char *code; /* stable name of this very error ("duplicate-version"), for programs and for
                              * `whimbrel explain`; or NULL */
    const char *message;   /* short and factual; never NULL */
    const char *detail;    /* more of it; or NULL */
    const char *hint;      /* a sentence: what to do next; or NULL */
    const char *file;      /* where in the migrations, as whimbrel was told the folder; or NULL */
    uint32_t line, column; /* from 1, column in bytes; 0: none */
    const char *excerpt;   /* that line of the file, or a piece of it; or NULL */
    /* version of the migration that failed, "" for a repeatable one; or NULL */
    const char *migration;
    const char *statement;   /* the statement that failed, cut to a readable length; or NULL */
    const char *sqlstate;    /* "42703", "" when no server spoke or has none; never NULL */
    int server_code;         /* MySQL's error number, SQLite's extended result code; 0: none */
    const char *server_hint; /* the server's own hint; or NULL */
    uint32_t excerpt_column; /* the column's place in excerpt, from 1; 0: none */
} WhimbrelError;

WHIMBREL_API void whimbrel_error_free(WhimbrelError *error);

/* ---- where migrations come from ------------------------------------------------------------------------ */

typedef struct WhimbrelFile {
    const char *path; /* below the folder: "20250405120000_create_users.up.sql", "seeds/test.sql" */
    const void *data;
    size_t length;
} WhimbrelFile;

/* Migrations as part of the program: what `whimbrel embed DIR -o FILE.c` writes. A table may also be made by hand. */
typedef struct WhimbrelEmbedded {
    size_t size;
    const WhimbrelFile *files; /* in any order */
    size_t count;
    /* of all names and bytes, "sha256:..."; for the program's own use; or NULL */
    const char *digest;
} WhimbrelEmbedded;

/* ---- opening --------------------------------------------------------------------------------------------- */

/* One database and one set of migrations. */
typedef struct Whimbrel Whimbrel;

typedef struct WhimbrelEvent WhimbrelEvent;

enum {
    WHIMBREL_READ_ONLY = 1 << 0,    /* nothing can be written through this handle */
    WHIMBREL_MUST_EXIST = 1 << 1,   /* SQLite: do not create the file */
    WHIMBREL_OUT_OF_ORDER = 1 << 2, /* apply what is older than the newest applied, too */
    WHIMBREL_ALLOW_MISSING =
        1 << 3, /* applied migrations that are absent here do not stop a migrate */
};

/* Everything may be left zero but size. */
typedef struct WhimbrelOptions {
    size_t size;
    unsigned flags;
    /* The migrations: folders on disk (ends with NULL), or a table, which is not copied and must outlive the handle.
     * Neither: the folder "migrations". Both: WHIMBREL_USAGE. */
    const char *const *folders;
    const WhimbrelEmbedded *embedded;
    /* NULL: "whimbrel"; "sqlx", "flyway" ...; "auto": by what files and database show */
    const char *convention;
    const char *table;      /* of the history, may be "schema.table"; NULL: the convention's own */
    const char *name_space; /* keeps several sets of migrations in one database apart; NULL: none */
    const char *environment; /* the value of ${env}; NULL: none */
    /* "KEY=VALUE", ends with NULL. NULL itself: ${...} is left alone. */
    const char *const *placeholders;
    const char *password;   /* instead of one in the URL; NULL: none */
    const char *applied_by; /* for the history; NULL: the operating system's user */
    /* for the history and the server's list of sessions: "shop 2.3"; NULL: "libwhimbrel 0.1.0" */
    const char *program;
    /* the shared library of libpq or libmariadb; NULL: as the loader finds it */
    const char *client_path;
    /* Milliseconds. 0: the default; WHIMBREL_FOREVER and WHIMBREL_AT_ONCE where noted. */
    int64_t connect_timeout_ms; /* default 10 s */
    int64_t lock_wait_ms;       /* for the migration lock; default 60 s, or forever, or at once */
    int64_t
        table_lock_ms; /* for each table's lock before the transaction is taken back and tried again;
                                   * default 3 s, or forever */
    int64_t statement_timeout_ms; /* default: none */
    uint32_t table_lock_retries;  /* default 10 */
    /* Called during a call, in its thread, with context. They must not call the library with this handle (whimbrel_cancel()
     * excepted), nor leave by longjmp() or an exception. event may be NULL. is_cancelled may be NULL; it is asked at least
     * ten times a second, also while a server is waited for. */
    void (*event)(void *context, const WhimbrelEvent *event);
    bool (*is_cancelled)(void *context);
    void *context;
    /* Milliseconds for which a connection that is lost amid a run is sought again; the run then goes on where the history
     * says that it was. Default 30 s, or at once: the loss ends the call. Never done for adopted connections. */
    int64_t reconnect_ms;
} WhimbrelOptions;

#define WHIMBREL_FOREVER (-1)
#define WHIMBREL_AT_ONCE (-2)

static inline void whimbrel_options_init(WhimbrelOptions *options)
{
    memset(options, 0, sizeof *options);
    options->size = sizeof *options;
}

/* Connects. url: "sqlite:app.db", "sqlite::memory:", "postgres://user@host:port/db?sslmode=...", "mysql://..."; every form
 * that the command line takes. No password is ever shown in an error. options may be NULL. On failure *ret_whimbrel is
 * NULL. */
WHIMBREL_API WhimbrelStatus whimbrel_open(const char *url, const WhimbrelOptions *options,
                                          Whimbrel **ret_whimbrel, WhimbrelError **ret_error);

typedef enum WhimbrelEngine {
    WHIMBREL_SQLITE = 1,
    WHIMBREL_POSTGRES = 2,
    WHIMBREL_MYSQL = 3, /* MariaDB too */
} WhimbrelEngine;

/* Works on a connection that the program has: a sqlite3 *, PGconn * or MYSQL *; <whimbrel/sqlite.h>, <whimbrel/postgres.h>
 * and <whimbrel/mysql.h> have the same with the right type. It stays the program's: it is never closed here, must outlive
 * the handle and must not be used by others during a call. It must not be in a transaction (WHIMBREL_USAGE); each call
 * leaves it outside of one, with the session settings it had. libpq and libmariadb must be the shared libraries that the
 * program itself runs with. */
WHIMBREL_API WhimbrelStatus whimbrel_adopt(WhimbrelEngine engine, void *connection,
                                           const WhimbrelOptions *options, Whimbrel **ret_whimbrel,
                                           WhimbrelError **ret_error);

/* Closes the connection, unless it was adopted, and frees the handle. */
WHIMBREL_API void whimbrel_close(Whimbrel *whimbrel);

/* Asks the call that is under way in another thread to stop: the statement is cancelled on the server, its transaction is
 * rolled back, and the call returns WHIMBREL_CANCELLED. Without one under way the next call is cancelled. Holds until a
 * call has returned WHIMBREL_CANCELLED, or until whimbrel_cancel_clear(). Safe in a signal handler. */
WHIMBREL_API void whimbrel_cancel(Whimbrel *whimbrel);
WHIMBREL_API void whimbrel_cancel_clear(Whimbrel *whimbrel);

/* ---- what there is ----------------------------------------------------------------------------------------- */

typedef enum WhimbrelMigrationKind {
    WHIMBREL_VERSIONED = 0,
    WHIMBREL_REPEATABLE = 1,
    WHIMBREL_BASELINE = 2,
} WhimbrelMigrationKind;

typedef enum WhimbrelMigrationState {
    WHIMBREL_APPLIED = 0,
    WHIMBREL_PENDING = 1,
    WHIMBREL_FAILED = 2,
    WHIMBREL_PARTIAL = 3,  /* some of its statements have run (engines without transactional DDL) */
    WHIMBREL_CHANGED = 4,  /* its statements differ from those that were applied */
    WHIMBREL_MISSING = 5,  /* applied, but not among these migrations */
    WHIMBREL_LATE = 6,     /* pending, but older than the newest applied: "out-of-order" */
    WHIMBREL_OUTDATED = 7, /* a repeatable to run again */
    WHIMBREL_SKIPPED = 8,  /* not for this engine, or below the baseline */
    WHIMBREL_BASELINED = 9, /* said to be there already */
} WhimbrelMigrationState;

/* "applied", "out-of-order" ...: as the command line says it. Static text. */
WHIMBREL_API const char *whimbrel_migration_state_name(WhimbrelMigrationState state);

typedef enum WhimbrelDatabaseState {
    WHIMBREL_UP_TO_DATE = 0,
    WHIMBREL_HAS_PENDING = 1,
    WHIMBREL_HAS_FAILED = 2, /* a migration failed or stopped half-way */
    WHIMBREL_DIVERGED = 3,   /* changed, missing or out of order */
} WhimbrelDatabaseState;

/* "up-to-date", "pending", "failed", "diverged". Static text. */
WHIMBREL_API const char *whimbrel_database_state_name(WhimbrelDatabaseState state);

typedef struct WhimbrelMigration {
    size_t size;
    const char *version; /* "" for a repeatable */
    const char *name;
    WhimbrelMigrationKind kind;
    WhimbrelMigrationState state;
    const char *path;     /* of its up; NULL where it is missing */
    const char *checksum; /* of the file, or of what was applied where that is missing; or NULL */
    bool is_reversible;
    const char *applied_at; /* "2026-11-20T18:00:00Z"; or NULL */
    double duration_ms;     /* -1: not known */
    const char *applied_by; /* "app@host"; or NULL */
    int64_t run;            /* 0: not known */
} WhimbrelMigration;

typedef struct WhimbrelOverview {
    size_t size;
    WhimbrelDatabaseState state;
    const char *engine;         /* "sqlite", "postgres", "mysql", "mariadb" */
    const char *server_version; /* "15.20" */
    const char *database;       /* its name */
    const char *convention;     /* "whimbrel" */
    const char *current;        /* newest applied version; NULL: none */
    const char *head;           /* newest version here; NULL: none */
    uint32_t applied, pending, outdated, wrong;
    const WhimbrelMigration *const *migrations; /* versioned in order, then repeatables by name */
    size_t migration_count;
} WhimbrelOverview;

/* Every migration and its state. Changes nothing, takes no lock. */
WHIMBREL_API WhimbrelStatus whimbrel_status(Whimbrel *whimbrel, WhimbrelOverview **ret_overview,
                                            WhimbrelError **ret_error);
WHIMBREL_API void whimbrel_overview_free(WhimbrelOverview *overview);

/* Is the database exactly at what this program brings along? One reading of the history, no lock, no change: made for the
 * start of a program. WHIMBREL_OK if so. Else WHIMBREL_CHECK, the error's code being "pending" (migrate first), "ahead" (the
 * database has migrations that this program does not know: it is too old), "changed" (applied ones have another content
 * here) or "failed"; its message says what differs, its detail names the migrations. */
WHIMBREL_API WhimbrelStatus whimbrel_require(Whimbrel *whimbrel, WhimbrelError **ret_error);

/* ---- what would be done ---------------------------------------------------------------------------------------- */

typedef enum WhimbrelVerb {
    WHIMBREL_MIGRATE = 0,
    WHIMBREL_ROLLBACK = 1,
    WHIMBREL_GOTO = 2, /* up or down, whichever leads there */
    WHIMBREL_REDO = 3, /* down and up again */
    WHIMBREL_SYNC =
        4, /* roll back what is missing here, by the downs kept in history; then apply what is pending */
} WhimbrelVerb;

enum {
    WHIMBREL_ALL = 1 << 0,                /* rollback: everything */
    WHIMBREL_LAST_RUN = 1 << 1,           /* rollback: what the last run applied */
    WHIMBREL_FAKE = 1 << 2,               /* record only */
    WHIMBREL_DRY_RUN = 1 << 3,            /* run in a transaction that is rolled back */
    WHIMBREL_SINGLE_TRANSACTION = 1 << 4, /* all of it or nothing */
    WHIMBREL_EXPAND = 1 << 5,             /* only the migrations of that phase */
    WHIMBREL_CONTRACT = 1 << 6,
};

/* Everything may be left zero but size. */
typedef struct WhimbrelRequest {
    size_t size;
    unsigned flags;
    /* A version, a unique prefix of one, a name, "head", "base", "+N", "-N". NULL: migrate everything that is pending, roll back
     * the last one; goto needs it. */
    const char *to;
    uint32_t steps; /* at most so many; 0: the verb's own */
} WhimbrelRequest;

static inline void whimbrel_request_init(WhimbrelRequest *request)
{
    memset(request, 0, sizeof *request);
    request->size = sizeof *request;
}

typedef struct WhimbrelStep {
    size_t size;
    const char *version; /* "" for a repeatable */
    const char *name;
    WhimbrelMigrationKind kind;
    const char *path; /* NULL: a down that is kept in history */
    bool is_down;
    bool is_fake;          /* recorded only */
    bool is_transactional; /* all of it in one transaction */
    uint32_t statements;   /* 0 where only history knows them */
} WhimbrelStep;

/* Something that stands in the way, or a note. */
typedef struct WhimbrelProblem {
    size_t size;
    const char *code; /* "checksum-changed", "missing-migration", "out-of-order" ... */
    bool stops;       /* false: a note */
    const char *version, *name;
    const char *file; /* or NULL */
    uint32_t line, column;
    const char *message;
    const char *detail, *hint; /* or NULL */
} WhimbrelProblem;

typedef struct WhimbrelPlan {
    size_t size;
    const WhimbrelStep *const *steps; /* none while a problem stops */
    size_t step_count;
    const WhimbrelProblem *const *problems;
    size_t problem_count;
    bool stops;
    const char *target; /* version that the database will be at; NULL: before the first */
} WhimbrelPlan;

/* What the verb would do. Changes nothing, takes no lock. A plan that is stopped by problems is WHIMBREL_OK: they are in it.
 * request may be NULL. */
WHIMBREL_API WhimbrelStatus whimbrel_plan(Whimbrel *whimbrel, WhimbrelVerb verb,
                                          const WhimbrelRequest *request, WhimbrelPlan **ret_plan,
                                          WhimbrelError **ret_error);
WHIMBREL_API void whimbrel_plan_free(WhimbrelPlan *plan);

/* Migrations against history: changed, missing, out of order, duplicate, failed. WHIMBREL_CHECK if a problem stops; the plan
 * then lists them all, and the error tells the first. ret_plan may be NULL. */
WHIMBREL_API WhimbrelStatus whimbrel_validate(Whimbrel *whimbrel, WhimbrelPlan **ret_plan,
                                              WhimbrelError **ret_error);

/* ---- doing it ---------------------------------------------------------------------------------------------------- */

typedef struct WhimbrelDone {
    size_t size;
    const char *version; /* "" for a repeatable */
    const char *name;
    WhimbrelMigrationKind kind;
    double duration_ms;
    bool is_fake;
} WhimbrelDone;

typedef struct WhimbrelResult {
    size_t size;
    /* its number in the history; 0: there was nothing to do, or the convention keeps none */
    int64_t run;
    const WhimbrelDone *const *applied;
    size_t applied_count;
    const WhimbrelDone *const *rolled_back;
    size_t rolled_back_count;
    double duration_ms;
    WhimbrelDatabaseState state;
    const char *current; /* newest applied version; NULL: none */
    bool is_dry_run;
    /* When a migration failed, else NULL and 0. */
    const char *failed_version, *failed_name, *failed_path;
    uint32_t failed_statement; /* from 1 */
    uint32_t failed_done;      /* how many of its statements have run and are kept */
    uint32_t failed_total;
    bool is_fate_unknown; /* the connection broke while that statement ran: it may have been done */
    const char *const *holds; /* sentences that say what holds now; ends with NULL */
} WhimbrelResult;

WHIMBREL_API void whimbrel_result_free(WhimbrelResult *result);

/* Carries a verb out: takes the migration lock, plans, runs. Killed at any instant, the history still tells the truth, and the
 * next call goes on. *ret_result tells what was done and what holds now, on failure too, unless the failure came before there was
 * anything to tell (NULL then). ret_result and request may be NULL. */
WHIMBREL_API WhimbrelStatus whimbrel_execute(Whimbrel *whimbrel, WhimbrelVerb verb,
                                             const WhimbrelRequest *request,
                                             WhimbrelResult **ret_result,
                                             WhimbrelError **ret_error);

/* The everyday ones: everything that is pending; the last one back; to a version. */
WHIMBREL_API WhimbrelStatus whimbrel_migrate(Whimbrel *whimbrel, WhimbrelResult **ret_result,
                                             WhimbrelError **ret_error);
WHIMBREL_API WhimbrelStatus whimbrel_rollback(Whimbrel *whimbrel, WhimbrelResult **ret_result,
                                              WhimbrelError **ret_error);
WHIMBREL_API WhimbrelStatus whimbrel_goto(Whimbrel *whimbrel, const char *to,
                                          WhimbrelResult **ret_result, WhimbrelError **ret_error);

/* Says that the database already is at version, without running anything; refuses where something is applied. name may be
 * NULL. */
WHIMBREL_API WhimbrelStatus whimbrel_baseline(Whimbrel *whimbrel, const char *version,
                                              const char *name, WhimbrelResult **ret_result,
                                              WhimbrelError **ret_error);

/* Where a migration stopped half-way at a statement of which nobody can say whether it ran (code "statement-in-doubt"): goes on
 * at statement from (counted from 1; 0: where it is known to have stopped), or, with is_done, behind the one in doubt. */
WHIMBREL_API WhimbrelStatus whimbrel_resume(Whimbrel *whimbrel, uint32_t from, bool is_done,
                                            WhimbrelResult **ret_result, WhimbrelError **ret_error);

/* ---- what happens meanwhile ------------------------------------------------------------------------------------------- */

typedef enum WhimbrelEventKind {
    WHIMBREL_EVENT_RUN_BEGIN = 0,  /* total: how many steps */
    WHIMBREL_EVENT_LOCK_WAIT = 1,  /* someone else migrates: holder_..., attempt, elapsed_ms */
    WHIMBREL_EVENT_STEP_BEGIN = 2, /* version, name, is_down, step, total */
    WHIMBREL_EVENT_STATEMENT =
        3, /* statement of statements is done; text: the next one, shortened */
    WHIMBREL_EVENT_TABLE_WAIT =
        4, /* a lock on the table text could not be had: holder_..., attempt */
    WHIMBREL_EVENT_STEP_END = 5,    /* duration_ms */
    WHIMBREL_EVENT_STEP_FAILED = 6, /* error */
    WHIMBREL_EVENT_SETTLED =
        7, /* what became of the statement at which an earlier run stopped: message */
    WHIMBREL_EVENT_INDEX_REBUILT =
        8,                       /* an invalid index was dropped before it is built again: text */
    WHIMBREL_EVENT_HOOK = 9,     /* text: its path */
    WHIMBREL_EVENT_SEED = 10,    /* text: its path */
    WHIMBREL_EVENT_NOTICE = 11,  /* of the server: severity, message */
    WHIMBREL_EVENT_NOTE = 12,    /* of ours: message */
    WHIMBREL_EVENT_RUN_END = 13, /* duration_ms */
    WHIMBREL_EVENT_PROGRESS =
        14, /* a statement takes its time: statement, text, elapsed_ms, phase, work_..., left_ms */
} WhimbrelEventKind;

/* "run-begin" ...; static text. */
WHIMBREL_API const char *whimbrel_event_kind_name(WhimbrelEventKind kind);

/* Lives, with all it points to, until the callback returns. Kinds may be added: skip those that you do not know. */
struct WhimbrelEvent {
    size_t size;
    WhimbrelEventKind kind;
    const char *version, *name; /* NULL where the event is of no migration */
    WhimbrelMigrationKind migration_kind;
    bool is_down;
    size_t step, total; /* step from 1 */
    size_t statement, statements;
    const char *text, *message, *severity; /* or NULL */
    uint32_t attempt;
    double duration_ms, elapsed_ms;
    const WhimbrelError *error; /* or NULL */
    /* who holds what is waited for; NULL where not known */
    const char *holder_id, *holder_user, *holder_application, *holder_query;
    /* how far a statement is; all of it is of the phase that runs */
    const char *phase;             /* in the server's words; NULL where it says nothing */
    const char *work_unit;         /* "blocks", "rows", ...; "": shares of the whole */
    int64_t work_done, work_total; /* work_total 0: not known */
    double left_ms;                /* an estimate; below 0: none */
};

#ifdef __cplusplus
}
#endif

#endif

/* The door of run/: carries a plan out. Lock, transactions, journal, retries, hooks, seeds; and what mends a history.
 * What is worth saying on the way goes to the sink; nothing is printed here. SPDX-License-Identifier: Apache-2.0 */
#ifndef WHIMBREL_RUN_RUN_H
#define WHIMBREL_RUN_RUN_H

#include "base/base.h"
#include "convention/convention.h"
#include "db/db.h"
#include "migration/migration.h"
#include "plan/plan.h"
#include "sql/sql.h"

/* ---- events --------------------------------------------------------------------------------------------------------------- */

typedef enum EventKind {
    EVENT_RUN_BEGIN,  /* total: steps */
    EVENT_LOCK_WAIT,  /* someone else migrates: sessions[0] if known; attempt, elapsed_us */
    EVENT_STEP_BEGIN, /* version, name, migration_kind, step, total */
    EVENT_STATEMENT, /* statement index..total confirmed; text: summary of the one that runs next, if any */
    EVENT_PROGRESS, /* a statement takes its time: statement, text, elapsed_us, and from the server, where it tells: phase, work_...,
                       left_us, table_bytes. At most once a second, and only while something changes or ten seconds have gone by */
    EVENT_TABLE_WAIT, /* a lock on table text is waited for: sessions hold it, queued wait behind us; attempt, elapsed_us. is_rolled_back:
                         it could not be had in time, and is tried again after next_attempt_us */
    EVENT_STEP_END,   /* duration_us */
    EVENT_STEP_FAILED, /* error */
    EVENT_SETTLED,     /* after a stop: what the catalog says of the statement in doubt (message) */
    EVENT_INDEX_REBUILT, /* an invalid index was found and dropped before being built again: text */
    EVENT_HOOK,          /* text: the hook's path */
    EVENT_SEED,          /* text: the seed's path */
    EVENT_NOTICE,        /* the server's notice or warning: severity, message */
    EVENT_NOTE,          /* ours: message */
    EVENT_RUN_END,       /* duration_us */
} EventKind;
const char *event_kind_name(EventKind kind); /* "step-begin", ...: for --log json */

/* All strings live only for the call. */
typedef struct Event {
    EventKind kind;
    Str version, name;
    MigrationKind migration_kind;
    bool is_down;
    size_t step, total; /* steps: from 1 */
    size_t statement, statements;
    Str text, message, severity;
    uint32_t attempt;
    int64_t duration_us, elapsed_us;
    const DbSession *sessions;
    size_t session_count;
    /* EVENT_TABLE_WAIT */
    Str lock;          /* the mode that is wanted; may be empty */
    bool is_inferred;  /* sessions are those that probably are in the way */
    bool is_repeated;  /* sessions are those of the event before */
    int64_t queued;    /* -1: not known */
    int64_t queued_us; /* how long the first of them has been waiting; -1: not known */
    Str unseen;        /* what was hidden from us; may be empty */
    bool is_rolled_back;
    int64_t next_attempt_us;
    /* EVENT_PROGRESS */
    Str phase; /* in the server's words; may be empty */
    int64_t work_done,
        work_total; /* of the phase; both 0: nothing is counted; work_total 0: it is not known */
    const char *work_unit; /* see DbWork */
    int64_t left_us;       /* estimate for the rest of the phase; -1: not known */
    int64_t table_bytes;   /* -1: not known */
    const Error *error;
} Event;

typedef struct EventSink {
    void (*emit)(void *ctx, const Event *event); /* may be NULL */
    void *ctx;
} EventSink;

/* ---- what a run needs --------------------------------------------------------------------------------------------------------- */

/* What the migration lock is: a session's lock, or a lease where the server's session locks cannot be trusted. */
typedef enum LockKind { LOCK_KIND_AUTO, LOCK_KIND_SESSION, LOCK_KIND_LEASE } LockKind;

typedef struct RunSettings {
    /* how long to poll for the migration lock; 0: one try; -1: for ever. Default 60 s is the caller's business */
    int64_t lock_wait_ms;
    LockKind lock_kind;
    int64_t lease_ms;      /* 0: 30 s */
    DbTimeouts timeouts;   /* of DDL: lock_ms (default 3 s), statement_ms (0) */
    uint32_t lock_retries; /* after a lock timeout; default 10 */
    /* first pause, doubled each time up to 30 s, with jitter; default 500 */
    int64_t retry_pause_ms;
    /* a connection that is lost amid a run is sought again for so long, and the run goes on; 0: never */
    int64_t reconnect_ms;
    /* everything in a transaction that is rolled back; ERROR_UNSUPPORTED where DDL cannot be */
    bool is_dry_run;
    bool has_placeholders;
    /* configured ones; the built-in ${env} ${database} ${user} ${timestamp} ${version} are added here */
    SqlPlaceholderVec placeholders;
    Str environment;
    const DbCancel *cancel; /* the one the Db was opened with */
    /* of SQL that travels in one message; 0: 2.5 MiB; 512 KiB of one script, 256 KiB in a long run */
    size_t chunk_bytes;
    const char *const *
        hook_environment; /* NULL-terminated NAME=VALUE for executables; they get nothing else but PATH, HOME, LANG and WHIMBREL_*, the URL among them */
    Str command;          /* for the run log: "migrate" */
    /* The connection is closed right after: what the session holds and has no use for goes then, without a message of its own */
    bool ends_session;
} RunSettings;

typedef struct Runner {
    Db *db;
    const DbUrl *url; /* NULL for adopted connections */
    ConventionContext *convention;
    MigrationSet *set;
    PlanPolicy policy;
    RunSettings settings;
    EventSink sink;
    bool has_told_note; /* of the history: once is enough. Ours */
} Runner;

/* Policy as this server and convention have it; the caller adds what its options say. */
PlanPolicy run_policy(const Db *db, const ConventionContext *convention);

/* Reads history and scripts, makes an overview or a plan. Nothing is changed, no lock is taken, no table is made. */
bool run_overview(Runner *runner, Arena *arena, History *ret_history, Overview *ret_overview,
                  Error *err);
/* The same for those who only show it: rows of the history may lack their tokens. */
bool run_states(Runner *runner, Arena *arena, History *ret_history, Overview *ret_overview,
                Error *err);
bool run_plan(Runner *runner, Arena *arena, const PlanRequest *request, History *ret_history,
              Plan *ret_plan, Error *err);
/* For each step with is_stored_down: brings the text from history and cuts it, so that it can be shown. */
bool run_fill_stored(Runner *runner, Arena *arena, Plan *plan, Error *err);

/* ---- running ------------------------------------------------------------------------------------------------------------------ */

typedef struct RunItem {
    Str version, name; /* version empty for a repeatable */
    int64_t duration_us;
    MigrationKind kind;
    bool is_fake;
} RunItem;
typedef Vec(RunItem) RunItemVec;

/* Filled on failure too: what holds now. */
typedef struct RunResult {
    int64_t run; /* 0: nothing was run */
    RunItemVec applied, rolled_back;
    int64_t duration_us;
    OverallState state;
    Str current;
    bool is_dry_run;
    /* when it failed */
    Str failed_version, failed_name;
    const char *failed_path;
    uint32_t failed_statement, failed_done,
        failed_total; /* statement from 1; how many of the failed migration have run and are kept */
    bool is_fate_unknown;
    StrVec holds; /* sentences: what holds now */
    /* commands and what they do: "whimbrel migrate" "goes on at statement 4", in pairs */
    StrVec next;
} RunResult;

/* Plans, and if there is anything to do: takes the lock, reads the history again, plans again and carries it out. PLAN_MIGRATE, ROLLBACK, GOTO, REDO,
 * SYNC, RESUME. Errors: ERROR_STATE (plan's problem), ERROR_LOCKED (with the holder), ERROR_SQL/_TIMEOUT/_CONNECT/_CANCELLED with place in the
 * file, excerpt and statement. expected, if given, is the saved plan's digest: ERROR_STATE (code "plan-outdated") when what would run now differs. */
bool run_execute(Runner *runner, Arena *arena, const PlanRequest *request,
                 const char *expected_digest, RunResult *ret_result, Error *err);
/* A digest of what a plan would do: files' checksums, history rows, order. Hexadecimal. */
const char *run_plan_digest(Arena *arena, const Plan *plan, const History *history);

/* Runs the migration's test (Convention.verify_script), in a transaction that is rolled back. *ret_has false: it has none, and nothing was
 * done. Errors: what the test came to, with its place in the file; ERROR_UNSUPPORTED (code "bad-verify") where it could not be undone. */
bool run_verify(Runner *runner, const Migration *migration, bool *ret_has, Error *err);

/* The environment's seeds in one transaction (one each where a statement forbids it). */
bool run_seed(Runner *runner, Arena *arena, Str environment, RunResult *ret_result, Error *err);

/* ---- saying and mending ---------------------------------------------------------------------------------------------------------- */

/* Records V as there already (CONVENTION_BASELINE); refuses where something is applied. */
bool run_baseline(Runner *runner, Arena *arena, Str version, Str name, RunResult *ret_result,
                  Error *err);
/* Adds and removes rows, without running anything, until the history says `to`. */
bool run_stamp(Runner *runner, Arena *arena, Str to, RunResult *ret_result, Error *err);
/* Marks what was applied last with a name, to go back to. ERROR_UNSUPPORTED, code "not-in-convention", where the tool has no such. */
bool run_tag(Runner *runner, Arena *arena, Str tag, RunResult *ret_result, Error *err);

typedef enum RepairKind {
    REPAIR_REMOVE_FAILED,
    REPAIR_ACCEPT_CHECKSUM,
    REPAIR_MARK_DELETED,
    REPAIR_NEW_NAME
} RepairKind;
typedef struct RepairAction {
    RepairKind kind;
    const StateRow *row;
    const char *sentence; /* what will be done */
} RepairAction;
typedef Vec(RepairAction) RepairActionVec;
bool run_repair_plan(Runner *runner, Arena *arena, RepairActionVec *ret_actions, Error *err);
/* Takes the lock, makes the list again, refuses if it changed, and carries it out. */
bool run_repair(Runner *runner, Arena *arena, const RepairActionVec *actions, Error *err);

/* `convert`: what one history says, written into another of the same database. */
typedef struct ConvertEntry {
    const HistoryRow *row; /* of the old history */
    const Migration *to;   /* as the new convention's reader finds it */
} ConvertEntry;
typedef Vec(ConvertEntry) ConvertEntryVec;
/* What the new history could not say of these, as sentences; without asking the database. */
bool run_convert_losses(Runner *to, Arena *arena, const ConvertEntryVec *entries,
                        StrVec *ret_losses, Error *err);
/* Writes entries, which are of `seen`, into the history of `to`, in one transaction, under the locks of both conventions, and reads it
 * back before it is committed. The old history is left as it is. Where the new one holds just this already nothing is written, and
 * ret_result->run stays 0. ERROR_STATE: code "convert-outdated" when the old history is no longer what was seen, "target-not-empty" when the
 * new one holds something else. */
bool run_convert(Runner *from, Runner *to, Arena *arena, const History *seen,
                 const ConvertEntryVec *entries, RunResult *ret_result, Error *err);

/* Goes on with a partial migration: at the statement after the last known to have run; from (1-based, 0: as known) or with skip the
 * statement in doubt taken as done. ERROR_STATE, code "statement-in-doubt", naming the statement, when it is not known and neither is given. */
bool run_resume(Runner *runner, Arena *arena, uint32_t from, bool skip, RunResult *ret_result,
                Error *err);

/* Line-by-line difference of the applied text and the file's; empty when no text is stored. */
bool run_text_diff(Runner *runner, Arena *arena, const StateRow *row, Str *ret_applied,
                   Str *ret_file, bool *ret_has, Error *err);

/* ---- the migration lock ------------------------------------------------------------------------------------------------------------ */
typedef struct LockHolder {
    DbSession session; /* of a lease: the process, its user, host and program; since when */
    bool is_lease;
    bool is_row; /* of the tool's own table of locks: id says whose, as it is written there */
    int64_t token, left_us; /* of a lease */
} LockHolder;
bool run_lock_holder(Runner *runner, Arena *arena, LockHolder *ret_holder, bool *ret_has,
                     Error *err);
/* Ends the holder's session, or its lease. */
bool run_lock_release(Runner *runner, Arena *arena, const LockHolder *holder, Error *err);
/* Whether the lock is a lease here; a sentence says why. */
bool run_lock_is_lease(const Runner *runner, const char **ret_why);

/* Drops all objects of the user's in the schemas, under the lock; the history goes with them. */
bool run_drop_all(Runner *runner, Arena *arena, const StrVec *schemas, uint32_t *ret_dropped,
                  Error *err);

#endif

/* What the files of run/ share: a run under way, its units, and the message being put together.
 * SPDX-License-Identifier: Apache-2.0
 *
 * A plan is compiled into units. A unit is a transaction (statements and the history row that says so), the lone
 * statements of one segment with their journal, or something that is no SQL at all, such as a hook's program. Units are
 * produced one after the other into a chunk, which travels as one message; each of its statements carries a tag that
 * leads back to unit, migration, statement and place in the file. Whatever fails, fails in a unit, and a unit can be
 * produced again from its start: that is all a retry is. */
#ifndef WHIMBREL_RUN_WORK_H
#define WHIMBREL_RUN_WORK_H

#include "run/lease.h"
#include "run/run.h"

enum { NO_STEP = UINT32_MAX };

/* ---- units ----------------------------------------------------------------------------------- */

typedef enum SMALL UnitKind {
    UNIT_OPENING,     /* the history tables are made, the run log says that a run begins */
    UNIT_PREPARING,   /* the session learns what makes history writes cheaper */
    UNIT_RECORD,      /* nothing but a history write: a fake, a skip, the journal's first row */
    UNIT_CHECK,       /* the migration's own tests: whether it runs at all */
    UNIT_TRANSACTION, /* statements, all or none */
    UNIT_LONE,        /* statements that commit by themselves, each with its journal write */
    UNIT_REPLAY,      /* the session settings of statements that a stopped run had done */
    UNIT_RESET,       /* session settings back to what they were */
    UNIT_PROGRAM,     /* a hook's executable */
    UNIT_CLOSING,     /* the run log says that the run ended */
} UnitKind;

typedef enum SMALL UnitWrite {
    UNIT_WRITES_NOTHING,
    UNIT_WRITES_BEGIN, /* journal: the first statement is about to run */
    UNIT_WRITES_STEP,  /* journal: so many have run */
    UNIT_WRITES_END,   /* applied, or removed */
} UnitWrite;

typedef struct Unit {
    uint32_t step; /* in the plan; NO_STEP: a hook around the run, a seed */
    UnitKind kind;
    UnitWrite write;
    bool is_last_of_step;
    bool has_before_each, has_after_each; /* SQL hooks within the unit's transaction */
    bool resets;            /* session settings are undone before the history is written */
    const Script *script;   /* where the statements come from; NULL: none */
    const Segment *segment; /* the step's, mostly; segment_of_none where it has no statements */
    const Hook *hook;       /* whose script or program this is; NULL: a migration's or a seed's */
    const Seed *seed;
} Unit;
extern const Segment segment_of_none;
typedef Vec(Unit) UnitVec;

/* A hook, and its script cut into segments once. */
typedef struct HookUse {
    const Hook *hook;
    SegmentVec segments;
} HookUse;
typedef Vec(HookUse) HookUseVec;

/* ---- the message ------------------------------------------------------------------------------ */

typedef enum SMALL TagKind {
    TAG_PLUMBING,  /* BEGIN, settings, history tables, run log */
    TAG_STATEMENT, /* of a migration or a seed */
    TAG_HOOK,      /* of a hook */
    TAG_WRITE,     /* of the history */
    TAG_COMMIT,
    TAG_FENCE, /* the lease is still ours */
} TagKind;

/* Where a statement of the message comes from, and what its confirmation means. */
typedef struct Tag {
    TagKind kind;
    bool finishes;      /* the step is done */
    bool commits;       /* all that was done is durable */
    bool is_lazy;       /* ... but for the disk, which the commit did not wait for */
    bool opens, closes; /* a savepoint */
    uint32_t unit;
    /* TAG_STATEMENT, TAG_HOOK: index in the script; TAG_WRITE: statements that have run by then */
    uint32_t statement;
    uint32_t line, column;
    const char *path;
    Str source; /* the statement as the file has it, before placeholders; empty: as sent */
} Tag;

/* Timeouts as statements; their texts are the chunk's. */
typedef struct SaidTimeouts {
    bool is_known;
    DbTimeouts timeouts;
    DbStatementVec local, session; /* of the transaction, of the session */
    Str session_text;
    bool has_local; /* the engine has settings of a transaction */
} SaidTimeouts;

typedef struct Chunk {
    Arena *arena; /* of statements and texts; reset once they are sent */
    DbStatementVec statements;
    Vec(Tag) tags;
    SaidTimeouts said;
    size_t bytes;
    size_t seen; /* confirmed and told */
} Chunk;

/* The script being read. Statements of one script are produced front to back, so it stays open from one unit to the
 * next. */
typedef struct Feed {
    Arena *arena;
    const Script *script; /* NULL: closed */
    ScriptCursor cursor;
} Feed;

/* A statement that changed the session, and where it stands in the script. */
typedef struct SessionSetting {
    uint32_t statement;
    Str sql;
} SessionSetting;

/* ---- a run ------------------------------------------------------------------------------------ */

typedef enum LockState { LOCK_NONE, LOCK_SESSION, LOCK_FILE, LOCK_LEASE } LockState;

/* What failed, and where. */
typedef struct Failure {
    bool has_tag; /* the server refused (or lost) a statement; else the failure is ours */
    /* the connection broke while a message was under way that ends transactions */
    bool is_committing;
    Tag tag;
    Str sql; /* as sent */
    uint32_t unit;
    bool has_unit;
    DbOutcome outcome;
} Failure;

/* The second connection. */
typedef struct Watch {
    Db *db;                   /* NULL: it is not open */
    int64_t refused_until_us; /* it could not be had, or broke: not asked for again before */
    int64_t looked_us;
} Watch;

/* A wait for a lock, as last seen. */
typedef struct LockWait {
    Arena *arena; /* of seen; NULL until the first */
    DbWaiting seen;
    uint32_t unit;    /* whose; NO_STEP: none */
    uint32_t attempt; /* in which it was seen; 0: not yet */
    int64_t began_us; /* the first try of the unit */
    int64_t told_us;
    bool has_given_way; /* others had waited for too long: the statement was stopped */
} LockWait;

/* What is left of a plan when its connection was lost, and how often that was. */
typedef struct Reconnects {
    bool goes_on;        /* there is a new connection, and something to do on it */
    PlanRequest request; /* what to ask for now */
    PlanStepVec left;    /* what the plan has to be then */
    uint32_t without_progress;
    size_t done_before; /* migrations, when the connection was last lost */
} Reconnects;

/* The pace of a statement's phase. */
typedef struct Pace {
    char phase[64];
    int64_t total, done, first; /* first: as first seen */
    int64_t began_us, moved_us; /* first seen, last seen to advance */
    int64_t end_us;             /* when it will probably be over; 0: not known */
} Pace;

/* The statement that is under way, as last told. */
typedef struct Look {
    Pace pace;
    char phase[64];
    int64_t began_us, told_us, permille;
} Look;

typedef struct Run {
    Runner *runner;
    Db *db;
    ConventionContext *convention;
    Arena *arena; /* the caller's: results */
    SqlSplitOptions split;
    History history; /* as read under the lock; history_bring_up() */
    Plan plan;
    RunResult *result;
    bool is_record_only; /* baseline, stamp, repair, seeds: no plan */

    HookUseVec hooks[HOOK_COUNT];
    bool has_programs, has_downs;
    HookPoint first_point, last_point; /* the hooks that come before and after all else */
    int64_t last_rank;                 /* of the history in memory */
    int64_t last_ordinal; /* that was given to a row; -1: the database finds the next itself */
    UnitVec units;
    uint32_t last_commit; /* the last unit that commits: it alone waits for the disk */

    LockState lock;
    DbLockKey lock_key;
    Lease *lease; /* LOCK_LEASE */
    bool is_lease_lost;
    bool has_nothing_to_do; /* so that nothing keeps the session from being ended at once */
    bool releases_at_end;   /* the message that ends the run gives the lock back */
    bool has_row;           /* the lock in the tool's own table is ours */
    bool is_row_lost;       /* it was, and is another's by now */
    bool has_side;          /* the file of side_fd, which is SQLite's, says that the run lives */
    int side_fd;
    bool is_nested; /* the run is one transaction with a savepoint per migration (DB_NEST_RUN) */
    bool is_whole;  /* all of it or nothing: --single-transaction, --dry-run */
    bool has_outer; /* the surrounding transaction is open */
    /* ... and so is a migration's savepoint, as far as the server has confirmed */
    bool has_savepoint;
    /* a nested run that commits after each migration, to find the one that breaks a constraint */
    bool commits_each;
    uint32_t kept_unit; /* nested: the first unit that is not durable yet */
    bool has_opened;    /* the run log's row was sent */

    Chunk chunk;
    Feed feed;
    uint32_t at;      /* the unit produced now */
    uint32_t lone_at; /* UNIT_LONE: the statement at which a retry goes on; 0: the unit's first */
    bool owes_lone_write; /* ... and what the journal has to say of those before it comes first */
    bool has_sent_part;   /* part of the unit produced now has been sent */
    size_t unit_start;    /* in the chunk: where the unit produced now begins */
    size_t unit_bytes;
    bool has_set_up;     /* session_set_up() was done */
    bool cannot_prepare; /* the server refused it */
    Str sent_timeouts;   /* session settings in force; empty: as connected */
    Arena *timeouts_arena;
    Vec(SessionSetting)
        session; /* of the step that is produced: said again after a history write in its midst */
    Arena *session_arena;
    uint32_t session_step;
    int64_t sent_us;  /* when the message under way was sent */
    int64_t moved_us; /* when its running statement began: the one before was confirmed */
    Look look;
    uint32_t attempt; /* of the unit that is retried */
    uint32_t attempt_unit;
    LockWait wait;
    Watch watch;
    Failure failure;

    /* progress */
    uint32_t begun_step; /* NO_STEP: none is open */
    int64_t step_began_us, last_told_us;
    /* of the step that is open: have run, and stay if the transaction around them does */
    uint32_t statements_done;
    uint32_t statements_kept;             /* ... and stay whatever comes */
    size_t applied_kept, rolled_kept;     /* of result's vectors: durable */
    size_t applied_before, rolled_before; /* ... from a connection before this one */
    Vec(uint32_t) finished;               /* steps, in the order in which they were done */
    size_t finished_kept;
    size_t finished_noted; /* in the history in memory, see history_bring_up() */
    size_t applied_flushed, rolled_flushed,
        finished_flushed; /* the same, for a server that may crash at any moment */
    int64_t began_us;
    Timestamp began_at;

    SqlPlaceholderVec placeholders;
    size_t version_placeholder;
    const DbCancel *cancel; /* set aside while cleaning up */
    Reconnects *reconnects; /* NULL: a lost connection ends the run */
} Run;

/* event.c */
void event_emit(const Runner *runner, const Event *event);
void event_note(const Runner *runner, const char *message);
/* An event that names the run's step (or none, with NO_STEP). */
Event event_of_step(const Run *run, EventKind kind, uint32_t step);
bool step_is_down(const PlanStep *step);
const char *step_label(Arena *arena, const PlanStep *step);

/* begin.c: a Run made ready, and taken apart again. */
bool work_begin(Run *run, Runner *runner, Arena *arena, RunResult *result, Error *err);
/* Says, once, what the convention's tool sets for its session: before the first script runs. */
bool session_set_up(Run *run, Error *err);
void work_done(
    Run *run); /* closes files, frees scratch memory; the lock is dropped by lock_drop() */
/* Reads the scripts. with_all: downs, and the parts of what is applied, too. */
bool read_all(Runner *runner, Arena *arena, const History *history, bool with_all, Error *err);
/* state and current of the result, from the history kept in memory. */
bool result_finish(Run *run, bool is_plan_done, Error *err);

/* lock.c */
bool cancel_requested(const Runner *runner);
/* ERROR_CANCELLED when asked to stop meanwhile. */
bool pause_for(const Runner *runner, int64_t pause_ms, Error *err);
/* For a nested run that will let go of the database in between: others then know that it lives. */
bool lock_side(Run *run, Error *err);
bool lock_take(Run *run, Error *err);
/* Lets the next question to the database try for the lock on its way, where a session can hold one. Whether it was had
 * is to be asked behind it in any case, also where the question failed. Others are not waited for; *ret_is_held says that there
 * is one. */
bool lock_lead(Run *run, Error *err);
bool lock_lead_had(Run *run, bool *ret_is_held);
/* Puts the giving back of the lock behind the run's last statement; lock_note_release() once that is
 * confirmed. */
bool lock_add_release(Run *run, Error *err);
/* Into a transaction that begins: the tool's own lock, where that is a row, has to be ours still. And what an error of it means. */
bool lock_fence(Run *run, Error *err);
/* Whether a transaction carries a fence, this one or the lease's. */
bool lock_has_fence(const Run *run);
bool lock_says_lost(const Run *run, const Tag *tag, const Error *err);
bool lock_lost(Run *run, Error *err); /* false */
void lock_note_release(Run *run);
void lock_drop(Run *run);
/* The surrounding transaction of a nested run; polls as the lock does. */
bool nest_open(Run *run, Error *err);

/* lease.c */
/* Whether this server's lock is a lease. */
bool lease_is_due(const Runner *runner);
/* Before the first try: what cannot hold a lease is refused. */
bool lease_begin(Run *run, Error *err);
bool lease_try(Run *run, Arena *arena, bool *ret_is_ours, DbSession *ret_holder, bool *ret_has,
               Error *err);
void lease_drop(Run *run);
/* By our own clock, before anything is sent. ERROR_STATE, code "lease-lost". */
bool lease_check(Run *run, Error *err);
/* By the server's, in a message of its own, before what cannot carry a fence; a whole lease lies ahead then. */
bool lease_renew(Run *run, Error *err);
/* Adds the check that commits with what it is added to: nothing without a lease. */
bool lease_fence(Run *run, uint32_t statement, Error *err);
/* Behind a statement that commits by itself, in its message: where it may have held all renewals up (Galera), the lease
 * begins anew if nobody has taken it meanwhile. */
bool lease_after_ddl(Run *run, uint32_t statement, Error *err);
bool lease_fence_sql(const Run *run, Arena *arena, Str *ret_sql, Error *err);
/* Whether a transaction's fence is its first statement; else it is its last. */
bool lease_fences_first(const Run *run);
bool lease_says_lost(const Run *run, const Tag *tag, const Error *err);
/* Fills err. Returns false. */
bool lease_lost(Run *run, Error *err);
/* From another connection: what this run has sent and not yet begun can commit no more. */
bool lease_retire(Run *run, Db *db, bool *ret_is_retired, Error *err);
bool lease_prepare(Run *run, Error *err);
/* Whether that is to be looked for at all, which costs round trips. */
bool lease_may_be_held(const Run *run);
/* Whether a run that needs a lease holds one, where this one uses the session's lock. */
bool lease_is_held(Run *run, Arena *arena, DbSession *ret_holder, bool *ret_is_held, Error *err);
bool lease_holder(Runner *runner, Arena *arena, LockHolder *ret_holder, bool *ret_has, Error *err);
bool lease_take_over(Runner *runner, Arena *arena, int64_t token, Error *err);

/* compile.c */
bool compile_plan(Run *run, Error *err);
bool compile_script(Run *run, const Script *script, SegmentVec *ret_segments, Error *err);
/* Says no, with this kind and code, to what is written in another language. */
bool compile_refuses_script(const Script *script, ErrorKind kind, const char *code, Error *err);
bool compile_refuses_lone(Run *run, Error *err);
bool compile_refuses_pooled(Run *run, Error *err);
void compile_last_commit(Run *run);

/* chunk.c */
bool chunk_add(Run *run, Str sql, Tag tag, Error *err);
bool chunk_add_all(Run *run, const DbStatementVec *statements, Tag tag, Error *err);
bool chunk_add_statement(Run *run, const SqlStatement *statement, Tag tag, Error *err);
size_t chunk_limit(const Run *run);
bool chunk_flush(Run *run, Error *err);
void chunk_note_flushed(Run *run);
void chunk_drop(Run *run);
/* Sends the units that were complete before the one that could not be produced. */
bool chunk_keep_whole_units(Run *run, Error *err);
bool feed_next(Run *run, const Script *script, uint32_t index, SqlStatement *ret_statement,
               Error *err);
/* Opens what is fed from next. */
bool feed_ready(Run *run, const Script *script, Error *err);
/* The text of the script that is fed from, where it is held; lives until another is fed from. */
bool feed_held(const Run *run, const Script *script, Str *ret_text);
void feed_close(Run *run);

/* watch.c: a second connection, for looking at what happens on the first while it is waited for. It is opened when a message has
 * taken half a second, by the run's URL (without one there is none), and closed with the message; it never holds a
 * transaction. Whoever has something to look at is called from there twice a second. */
/* Around whatever may take its time on the run's connection. */
void watch_begin(Run *run);
void watch_end(Run *run);

/* pace.c: work under way. */
/* Looks how far the running statement is, by the second connection where there is one (second may be NULL), and tells of it. */
void pace_look(Run *run, Db *second);
/* What has been seen of a phase, the name of which tells it from others. */
void pace_note(Pace *pace, int64_t now_us, Str phase, int64_t done, int64_t total);
/* How long the phase will take on; -1: that cannot be said. */
int64_t pace_left_us(const Pace *pace, int64_t now_us);

/* wait.c: waiting for locks. */
/* Looks, by the second connection, whether the first waits for a lock, and tells of it. False: it does not. */
bool wait_look(Run *run, Db *second);
/* The table that the statement works on, as the driver's functions take it; empty: none that shows. */
Str wait_table(const Run *run, Arena *arena, Str sql);
/* After a timeout, once it is rolled back: tells of it, and pauses; for less than pause_ms when those who were in the way have
 * gone. */
bool wait_pause(Run *run, uint32_t unit, Str sql, int64_t pause_ms, const Error *cause, Error *err);
/* Says in the error of a lock timeout who holds the lock, how long it was tried, and what may be done. */
void wait_explain(Run *run, Error *err);
/* A statement that was stopped to let others pass is a lock timeout like others. */
void wait_take_as_timeout(Run *run, Error *err);
void wait_done(Run *run);

/* write.c: history writes */
/* Whether the history row of this unit takes the server's word for when it began. */
bool write_has_clock(const Run *run, const Unit *unit);
bool write_add(Run *run, const Unit *unit, HistoryWriteKind kind, uint32_t done, Tag tag,
               Error *err);
bool write_texts(Run *run, Arena *arena, const Migration *migration, HistoryWrite *write,
                 Error *err);
bool write_raw(Run *run, const HistoryWrite *write, Tag tag, Error *err);
bool write_run_log(Run *run, HistoryWriteKind kind, const char *outcome, const Error *failure,
                   Error *err);
/* Opens and closes a transaction around what is added in between, as the run's kind wants it. */
bool transaction_begin(Run *run, const Unit *unit, Error *err);
/* The same, with the history's tables made if they are not there; *ret_has_tables: something was to be made. */
bool transaction_begin_prepared(Run *run, const Unit *unit, bool *ret_has_tables, Error *err);
bool transaction_end(Run *run, const Unit *unit, bool finishes, Error *err);
DbTimeouts timeouts_of(const Run *run, const Unit *unit);
bool timeouts_add(Run *run, DbTimeouts timeouts, bool is_local, Error *err);
bool reset_add(Run *run, Error *err);
/* Remembers a statement that changes the session; and says all of them again, after reset_add(). */
bool session_note(Run *run, uint32_t step, uint32_t statement, Str sql, Error *err);
bool session_restore(Run *run, Error *err);
/* Ends the surrounding transaction of a nested run, keeping what it did. */
bool nest_close(Run *run, Error *err);
/* Brings the history in memory to what the steps that are kept have made of it. is_plan_done: nobody looks any more at the rows to which
 * the plan points, so no copy is needed. */
bool history_bring_up(Run *run, bool is_plan_done, Error *err);
void history_note_gone(Run *run, size_t at);

/* execute.c */
/* Carries the units out; on failure rolls back, writes down and says what holds. False without an error: see
 * run->reconnects. */
bool work_run(Run *run, Error *err);

/* failure.c */
/* Where in the file it is. */
void failure_place(Run *run, Error *err);
/* Rolls back, finds the place in the file, journals, logs, finds out what holds. */
void failure_settle(Run *run, Error *err);

/* Which steps of the plan a lost session had finished, asked on another connection: the history counts from then on, and
 * ret_done the steps from the first on. False when it cannot be known. */
bool failure_find_out(Run *run, Db *db, size_t *ret_done, Error *err);

/* What was committed without waiting for the disk can still be lost with the server; afterwards it cannot. */
bool failure_flush(const Run *run, Db *db, Error *err);

/* reconnect.c: after a connection was lost. True with reconnects->goes_on set: the run is to be made anew; without:
 * the lost session had done everything. False: err stands as it was. */
bool reconnect(Run *run, Error *err);
/* Whether the plan that was made anew is what was left of the old one. */
bool reconnect_fits(const Run *run, Error *err);

/* settle.c: a migration that stopped half-way. */
/* Whether the step goes on after a stop, so that one has to look first. */
bool settle_is_due(const PlanStep *step);
/* Is what had run still the beginning of the script? And if a statement was under way when the run stopped: had it run?
 * ret_resume_from: the statement (from 0) to go on at. */
bool settle_step(Run *run, const PlanStep *step, uint32_t *ret_resume_from, Error *err);

/* mend.c: what changes the history and nothing else. */
typedef Vec(HistoryWrite) HistoryWriteVec;
bool mend_begin(Run *run, Runner *runner, Arena *arena, RunResult *result, Error *err);
/* All of them in one transaction, under the lock that the run has. check, which may be NULL, looks at what has been written before
 * it is committed. Where it fails nothing is kept. */
bool mend_write(Run *run, const HistoryWriteVec *writes, bool (*check)(Run *run, Error *err),
                Error *err);
bool mend_add_item(Run *run, RunItemVec *items, Str version, Str name, MigrationKind kind,
                   Error *err);

/* repeatables.c */
/* After downs: repeatables of which something is gone lose their rows, so that they run again. Best effort, told in notes. */
void repeatables_check(Run *run, bool is_plan_done);

/* hooks.c */
bool hook_run_program(Run *run, const Unit *unit, const Error *failure, Error *err);

#endif

/* The door of plan/: pure. (Set, history, target, policy) -> steps, or problems. No I/O, no clock, no connection: the rules of
 * migrating live here, and are tested here. SPDX-License-Identifier: Apache-2.0 */
#ifndef WHIMBREL_PLAN_PLAN_H
#define WHIMBREL_PLAN_PLAN_H

#include "base/base.h"
#include "migration/migration.h"
#include "sql/sql.h"

/* ---- the state of every migration ------------------------------------------------------------------------------------------- */

typedef enum SMALL MigrationState {
    STATE_APPLIED,
    STATE_PENDING,
    STATE_FAILED,
    STATE_PARTIAL,      /* some of its statements have run */
    STATE_CHANGED,      /* the file's tokens differ from what was applied */
    STATE_MISSING,      /* applied, but no file here */
    STATE_OUT_OF_ORDER, /* pending, but older than the newest applied */
    STATE_OUTDATED,     /* a repeatable to run again, or a migration that its tool runs again */
    STATE_SKIPPED, /* not for this engine; below the baseline and never applied; marked as deleted */
    STATE_BASELINED,
} MigrationState;
const char *
migration_state_name(MigrationState state); /* "applied", "pending", "out-of-order" ...: cli.md */

typedef struct StateRow {
    const Migration *migration; /* NULL: no file here: missing, or covered by a baseline file */
    const HistoryRow *row;      /* NULL: never applied */
    Str version, name;
    MigrationKind kind;
    MigrationState state;
    bool is_reversible; /* a down in the file or in history */
    bool has_new_name;  /* notes: applied under another name, */
    bool has_new_bytes; /* or only comments and spacing differ */
    bool
        is_no_transaction; /* a statement is kept out of a transaction, by its nature or a directive; that MySQL's DDL commits by
                                 * itself does not count. Only known of scripts that have parts */
} StateRow;
typedef Vec(StateRow) StateRowVec;

typedef enum OverallState {
    OVERALL_UP_TO_DATE,
    OVERALL_PENDING,
    OVERALL_FAILED,
    OVERALL_DIVERGED
} OverallState;
const char *overall_state_name(OverallState state); /* "up-to-date", ... */

typedef struct Overview {
    StateRowVec rows; /* versioned by version, files and history merged, then repeatables by name */
    const MigrationSet *set;
    const VersionOrder *versions; /* of the set */
    OverallState
        state; /* failed: failed or partial ones; diverged: changed, missing or out-of-order ones that the policy does not allow; else
                         * pending or up-to-date */
    Str current; /* newest applied version; empty: none */
    Str head;    /* newest version on disk that is for this engine; empty: none */
    /* In a graph there may be several of both: what nothing applied follows, what nothing on disk follows. Else there is one, or none. */
    StrVec currents, heads;
    uint32_t applied, pending, outdated,
        wrong; /* wrong: failed, partial, and of changed, missing, out-of-order those that are not allowed;
                                                 * the allowed ones count as applied and pending */
} Overview;

/* ---- what the engine and the project allow ------------------------------------------------------------------------------------ */

typedef struct PlanPolicy {
    const char *engine; /* "sqlite", "postgres", "mysql", "mariadb" */
    int server_version;
    bool allows_out_of_order; /* --out-of-order, or the convention's habit */
    bool allows_missing;      /* missing ones do not stop a migrate */
    bool skips_irreversible;  /* CONVENTION_SKIPS_IRREVERSIBLE */
    /* CONVENTION_EMPTY: a script without statements is a migration like others */
    bool allows_empty;
    bool has_journal;           /* the convention can say how far a migration came */
    bool is_single_transaction; /* --single-transaction, or the convention's habit */
    /* only the latter: given up where a statement cannot run in a transaction */
    bool is_single_by_habit;
    Phase phase; /* PHASE_NONE: all */
    Str target;  /* what PLAN_MIGRATE with neither to nor steps takes for to; empty: nothing */
} PlanPolicy;

/* Merges files and history. All ups of the set must have been read; what is not applied needs its parts too (directives stand in the
 * script's head), which is what migration_set_expect() and migration_set_read() leave behind. */
bool plan_overview(Arena *arena, const MigrationSet *set, const History *history,
                   const PlanPolicy *policy, Overview *ret_overview, Error *err);

/* Two words of the overview once more has been done, for less memory than it takes. done: for each migration of the set whether it was
 * done since the history was read, and how. Not for a graph, where what is late depends on what is applied. */
enum { PLAN_DONE_APPLIED = 1, PLAN_DONE_SKIPPED };
bool plan_standing(Arena *arena, const MigrationSet *set, const History *history,
                   const PlanPolicy *policy, const unsigned char *done, OverallState *ret_state,
                   Str *ret_current, Error *err);

/* ---- targets -------------------------------------------------------------------------------------------------------------------- */

/* What has become of a migration that stopped half-way: its script goes on at statement resume_from (from 0). */
typedef struct Settled {
    const HistoryRow *row;
    uint32_t resume_from;
} Settled;
typedef Vec(Settled) SettledVec;

/* What the user asked for. */
typedef enum PlanVerb {
    PLAN_MIGRATE,  /* to: empty or "head": all; a version; "+N" */
    PLAN_ROLLBACK, /* to: empty: steps; "base"; a version that stays applied; "-N" */
    PLAN_GOTO,
    PLAN_REDO,   /* steps down and up again */
    PLAN_SYNC,   /* roll back what is missing here, then apply what is pending */
    PLAN_RESUME, /* go on with the partial one only */
} PlanVerb;

typedef struct PlanRequest {
    PlanVerb verb;
    Str to; /* version, unique prefix, name, "head", "base", "+N", "-N"; empty: the verb's default */
    uint32_t steps;   /* 0: the verb's default */
    bool is_all;      /* rollback --all */
    bool is_last_run; /* rollback --last-run */
    bool is_fake;     /* record only */
    /* resume --from, --skip: resume_from counts, for the first half-way one that the plan comes to */
    bool settles;
    int64_t resume_from; /* statement (from 0) at which it goes on; -1: as the journal says */
    SettledVec settled;  /* run/ has looked at these, by script and catalog */
} PlanRequest;

/* What Sqitch's kind of places counts among: "@HEAD" is the newest file to who goes up, the newest applied one to who goes down. */
typedef enum PlaceAmong { AMONG_FILES, AMONG_APPLIED } PlaceAmong;
/* Where one wants to get to. */
typedef struct PlanTarget {
    Str version;  /* empty: before the first */
    bool is_base; /* before the first of everything */
    /* in a graph: only the line of this row of the overview is meant; SIZE_MAX: whatever hangs on the version */
    size_t line;
    /* for plan_lineage(): what only needs the version to be there comes after it, too */
    bool with_needing;
} PlanTarget;
/* Finds the version that `to` means among files and history: exact version, then unique prefix of a version, then a unique name.
 * "head" is the newest on disk, "base" is before the first, "+N"/"-N" count from the current one. In a graph also "V+N" and "V-N", and
 * with "LINE@" before it what lies in the line of a version or label: "LINE@head", "LINE@base", "LINE@V", "LINE@V+N", "LINE@-N".
 * ERROR_USAGE, code "unknown-version" (nearest suggested), "ambiguous-version" (listing them) or "several-heads". */
bool plan_resolve(Arena *arena, const Overview *overview, Str to, PlaceAmong among,
                  PlanTarget *ret_target, Error *err);

/* How the versions stand to one of them, a byte for each row of the overview: what leads to it and itself, and what comes after it. In a
 * graph there are others, which do neither; of the lines that begin at the target only its own comes after it. ERROR_USAGE, code
 * "several-lines": its line does not go on from there. */
enum { LINEAGE_BEFORE = 1, LINEAGE_AFTER = 2 };
bool plan_lineage(Arena *arena, const Overview *overview, const PlanTarget *target,
                  unsigned char **ret_lineage, Error *err);

/* Only the rows from one target to another, both included: "FROM:TO". Empty: from the first, to the last; "current": what is applied. In
 * a graph "-N" before the colon counts from what is behind it, and "+N" behind it from what is before it. */
bool plan_range(Arena *arena, const Overview *overview, Str range, Overview *ret_part, Error *err);

/* ---- steps ------------------------------------------------------------------------------------------------------------------------ */

typedef enum SMALL SegmentKind {
    SEGMENT_TRANSACTION, /* all of it or nothing, with its history write */
    SEGMENT_LONE,        /* each statement by itself, journaled after each */
} SegmentKind;
typedef struct Segment {
    SegmentKind kind;
    bool is_implicit_commit; /* lone because the engine commits by itself */
    bool sets_session;
    uint32_t first, count; /* statements of the script */
    uint32_t line;
    /* merged: the migration's, overridden by the statements' own. NULL in a segment without statements */
    const Directives *directives;
} Segment;
typedef Vec(Segment) SegmentVec;
/* When they are all there; steps that are cut alike share them. */
typedef struct SegmentList {
    const Segment *items;
    uint32_t len;
} SegmentList;

typedef enum SMALL StepKind {
    STEP_UP,
    STEP_DOWN,
    STEP_REPEATABLE,
    STEP_SKIP /* record as not for this engine */
} StepKind;
typedef struct PlanStep {
    const Migration *migration; /* NULL: rolled back from history alone */
    const HistoryRow *row;      /* NULL: no row yet */
    /* what runs; NULL with is_stored_down: to be brought from history, read and cut by plan_cut() when run */
    const Script *script;
    SegmentList segments;
    uint32_t
        resume_at; /* first statement to run: > 0 when it goes on after a stop. row->is_fate_unknown and neither
                                 * request.settles nor settled: run/ asks what became of this statement, and plans anew with the answer */
    StepKind kind;
    MigrationKind migration_kind;
    bool is_stored_down;
    /* record only: asked for, or a half-done up of which nothing was kept is struck out */
    bool is_fake;
    /* a journal row exists; a down that undoes a half-done up starts at statement 0 */
    bool is_resumed;
    bool is_marked; /* STEP_SKIP: recorded as if it had run */
    /* is_resumed, but of another text: a repeatable that was changed since runs from its first statement */
    bool begins_again;
    bool
        is_journaled; /* more than one segment, or a lone one: its history row is written first and stepped. Of a stored down
                                 * only known when it is cut */
} PlanStep;
typedef Vec(PlanStep) PlanStepVec;
/* The migration's, or the row's where there is no file. */
Str step_version(const PlanStep *step);
Str step_name(const PlanStep *step);

typedef struct Problem {
    const char *
        code; /* "checksum-changed", "missing-migration", "out-of-order", "failed-migration", "partial-migration", "missing-down", "requires",
                           "transaction-control", "lone-in-transaction", "empty-migration", "phase-order", "below-baseline", "behind-baseline",
                           "unreachable", "deleted", "repeatable-only", "nothing-to-resume", "host-language":
                           docs/planning.md */
    Str version, name;
    SourcePos pos;
    const char *message, *detail, *hint;
    bool stops; /* false: a note */
} Problem;
typedef Vec(Problem) ProblemVec;

typedef struct Plan {
    PlanRequest request;
    Overview overview;
    PlanStepVec steps;
    ProblemVec problems; /* when one stops, steps is empty */
    bool stops;
    Str target; /* where the database will be; empty: base */
    uint32_t transactions, lone_statements;
    ScriptVec unread; /* what plan_try() lacks the parts of */
} Plan;

/* Never touches anything. For a migrate, applied ups need no parts; a rollback needs those of the downs that it runs and of the ups that stay
 * and may require what goes; the other verbs need the parts of all ups, for what is rolled back may go up again, and of the downs. ERROR_USAGE for a target that cannot be resolved; problems (not errors) for what stands in the way. */
bool plan_make(Arena *arena, const MigrationSet *set, const History *history,
               const PlanRequest *request, const PlanPolicy *policy, Plan *ret_plan, Error *err);

/* The same; but where parts are lacking it names the scripts in unread. Then the plan is good for nothing but to be made again when they are
 * read. */
bool plan_try(Arena *arena, const MigrationSet *set, const History *history,
              const PlanRequest *request, const PlanPolicy *policy, Plan *ret_plan, Error *err);

/* Cuts one script (read) into segments, from statement resume_at on. A BEGIN ... COMMIT written in the file is taken over: its statements make
 * one transaction, the words themselves are not sent. ROLLBACK, a COMMIT without BEGIN, a BEGIN without COMMIT, and a statement that cannot run in a
 * transaction inside such a pair are problems that name the line. */
bool plan_cut(Arena *arena, const Script *script, const PlanPolicy *policy, uint32_t resume_at,
              SegmentVec *ret_segments, ProblemVec *problems, Error *err);

/* The first problem that stops, as an error: ERROR_STATE with code, place, detail, hint. */
bool plan_error(const Plan *plan, Error *err);

#endif

/* What the files of plan/ share among themselves. SPDX-License-Identifier: Apache-2.0 */
#ifndef WHIMBREL_PLAN_PLANNER_H
#define WHIMBREL_PLAN_PLANNER_H

#include "plan/plan.h"

/* plan_overview() for a migrate that stops at ceiling (empty: none): a baseline file newer than the ceiling is not the
 * one to begin with. */
bool overview_make(Arena *arena, const MigrationSet *set, const History *history,
                   const PlanPolicy *policy, Str ceiling, Overview *ret_overview, Error *err);

/* How many rows at the beginning of overview->rows are versioned; repeatables follow. */
size_t overview_versioned(const Overview *overview);
/* The versioned row of this version by bisection; SIZE_MAX: there is none. */
size_t overview_find(const Overview *overview, size_t versioned, Str version);

/* The newest version that a baseline covers, as far as this database is concerned: it was recorded as being there, or
 * a baseline file was applied. False: there is none. */
bool overview_baseline(const Overview *overview, size_t versioned, Str *ret_version);

/* ERROR_USAGE, code "several-heads": "head" could be any of them. */
bool overview_one_head(Arena *arena, const Overview *overview, Error *err);

/* Whether a directive `engine=` keeps the script from this engine. "mysql" stands for MySQL and MariaDB alike. */
bool script_is_excluded(const Script *script, const PlanPolicy *policy);

/* Whether the script is another than the one the row tells of: by tokens where both have them, else by checksum. Nothing
 * to compare is no difference. *ret_new_bytes (may be NULL): only comments and spacing differ. */
bool script_differs(const HistoryRow *row, const Script *script, bool *ret_new_bytes);

/* Appends a problem about a migration and returns it, so that detail, hint and place can be added; NULL: out of
 * memory. */
Problem *problem_add(Arena *arena, ProblemVec *problems, bool stops, const char *code, Str version,
                     Str name, const char *fmt, ...) PRINTF_LIKE(7, 8);

/* ---- a plan in the making ------------------------------------------------------------------------------ */

enum {
    MARK_APPLIED = 1 << 0,     /* applied once the steps so far are done */
    MARK_ROLLED_BACK = 1 << 1, /* a step of this plan takes it back */
    MARK_UP = 1 << 2,          /* a step of this plan applies it */
};

enum { ALIKE_SEGMENTS = 8 };

typedef struct Planner {
    Arena *arena;
    const MigrationSet *set;
    const History *history;
    const PlanRequest *request;
    const PlanPolicy *policy;
    Plan *plan;
    size_t versioned;     /* rows of the overview before the repeatables */
    unsigned char *marks; /* a set of MARK_ for each row of the overview */
    bool has_baseline;
    Str baseline;
    unsigned char *lineage; /* of the version that one wants to get to; NULL: none was named */
    bool has_settled;       /* request->resume_from has found its migration */
    const Segment *alike[ALIKE_SEGMENTS]; /* of single segments, the last with so many statements */
    bool lacks_memory;                    /* for a label */
    Error *err;
} Planner;

/* How a migration stands that is neither applied nor not. */
typedef enum Halfway {
    HALFWAY_NONE,
    HALFWAY_UP,    /* its up goes on where the journal says, */
    HALFWAY_DOWN,  /* or its down */
    HALFWAY_STUCK, /* nobody knows how far it came */
} Halfway;
Halfway halfway(const Planner *p, const StateRow *row);

/* Whether the up ran into its first statement and left nothing behind but its entry. */
bool is_nothing_kept(const HistoryRow *row);

/* For messages. Never NULL: when memory is out, planner_problem() notices. */
const char *planner_label(Planner *p, const StateRow *row);
/* Notes that the plan is to be made again when this script is read. */
bool planner_lacks(Planner *p, const Script *script);
/* Makes room for this many more steps at once, so that thousands do not grow by doubling. */
bool planner_reserve(Planner *p, size_t steps);
/* A problem about a row of the overview, placed at its file; NULL: out of memory, and p->err says so. */
Problem *planner_problem(Planner *p, const StateRow *row, bool stops, const char *code,
                         const char *fmt, ...) PRINTF_LIKE(5, 6);

/* Append one step and mark its row; what stands in the way becomes a problem. False: memory is out, p->err is set. */
bool step_up(Planner *p, size_t index);
/* *ret_is_passed: there is no down, and the policy says to pass over such a migration. */
bool step_down(Planner *p, size_t index, bool *ret_is_passed);
bool step_skip(Planner *p, size_t index);

/* Targets of a graph, "LINE@V+N" and the like. *ret_found false: it is none. graph.c */
bool graph_resolve(Arena *arena, const Overview *overview, Str to, PlanTarget *ret_target,
                   bool *ret_found, Error *err);
/* Whether it counts as applied. */
bool row_is_applied(const StateRow *row);

#endif

/* Cuts a script into what runs in one transaction and what runs by itself. SPDX-License-Identifier: Apache-2.0
 *
 * Works on parts, never on statements: a script of a million INSERTs is one part and one segment. */
#include "plan/planner.h"

typedef struct Cut {
    Arena *arena;
    const Script *script;
    const PlanPolicy *policy;
    uint32_t resume_at;
    SegmentVec segments;
    ProblemVec *problems;
    const ScriptPart *begin; /* BEGIN whose COMMIT has not come yet */
    const ScriptPart *lone;  /* the first part that cannot be in a transaction */
    bool has_autocommit;     /* SET autocommit was seen: a COMMIT then needs no BEGIN */
    bool is_closed;          /* the next transaction is another one */
    bool has_noted_lock;     /* said once that table locks are left out */
    bool has_noted_commit;   /* said once that DDL between BEGIN and COMMIT commits */
} Cut;

static Problem *cut_problem(Cut *cut, const ScriptPart *part, bool stops, const char *code,
                            const char *message)
{
    Problem *problem =
        problem_add(cut->arena, cut->problems, stops, code, (Str){0}, (Str){0}, "%s", message);
    if (problem)
        problem->pos = (SourcePos){cut->script->path, part->line, part->column};
    return problem;
}

/* ---- directives -------------------------------------------------------------------------------------- */

/* Most statements have none of their own, or stand in a migration that has none: then there is nothing to merge. */
static const Directives *merged(Arena *arena, const Directives *head, const Directives *own)
{
    if (own == directives_nothing())
        return head;
    if (head == directives_nothing())
        return own;
    Directives *all = arena_alloc(arena, sizeof *all);
    if (!all)
        return NULL;
    *all = *head;
    all->no_transaction = head->no_transaction || own->no_transaction;
    if (own->lock_timeout_ms >= 0)
        all->lock_timeout_ms = own->lock_timeout_ms;
    if (own->statement_timeout_ms >= 0)
        all->statement_timeout_ms = own->statement_timeout_ms;
    if (own->lock_retries >= 0)
        all->lock_retries = own->lock_retries;
    if (own->allowed.len > 0)
        all->allowed = own->allowed;
    if (own->reason.len > 0)
        all->reason = own->reason;
    return all;
}

/* 0 is "as long as it takes", -1 is "not said". */
static int64_t longer(int64_t a, int64_t b)
{
    if (a < 0 || b < 0)
        return a < 0 ? b : a;
    if (a == 0 || b == 0)
        return 0;
    return a > b ? a : b;
}

static bool is_alike(const Directives *a, const Directives *b)
{
    return a->lock_timeout_ms == b->lock_timeout_ms &&
           a->statement_timeout_ms == b->statement_timeout_ms && a->lock_retries == b->lock_retries;
}

/* One transaction waits, fails and is tried again as a whole, so that it has the patience of its most patient statement.
 * NULL when memory is out. */
static const Directives *joined(Arena *arena, const Directives *one, const Directives *next)
{
    if (is_alike(one, next))
        return one;
    Directives *all = arena_alloc(arena, sizeof *all);
    if (!all)
        return NULL;
    *all = *one;
    all->lock_timeout_ms = longer(one->lock_timeout_ms, next->lock_timeout_ms);
    all->statement_timeout_ms = longer(one->statement_timeout_ms, next->statement_timeout_ms);
    if (next->lock_retries > one->lock_retries)
        all->lock_retries = next->lock_retries;
    return all;
}

/* ---- segments ---------------------------------------------------------------------------------------- */

/* Appends the statements of a part, as far as they are still to run. */
static bool cut_add(Cut *cut, const ScriptPart *part, SegmentKind kind)
{
    uint32_t first = part->first, end = part->first + part->count;
    uint32_t line = part->line;
    if (end <= cut->resume_at)
        return true;
    if (first < cut->resume_at) {
        first = cut->resume_at;
        line = 0; /* parts know the line of their first statement alone */
    }
    const Directives *directives = merged(cut->arena, cut->script->head, part->directives);
    if (!directives)
        return false;
    bool is_implicit = kind == SEGMENT_LONE && part->class == PART_IMPLICIT_COMMIT;

    Segment *last = cut->segments.len > 0 ? &cut->segments.items[cut->segments.len - 1] : NULL;
    bool joins = last && last->kind == kind && last->first + last->count == first &&
                 (kind == SEGMENT_TRANSACTION ? !cut->is_closed
                                              : last->is_implicit_commit == is_implicit &&
                                                    is_alike(last->directives, directives));
    cut->is_closed = false;
    if (joins) {
        last->count += end - first;
        last->sets_session = last->sets_session || part->sets_session;
        last->directives = joined(cut->arena, last->directives, directives);
        return last->directives != NULL;
    }
    if (!cut->segments.items) { /* no part makes more than one: one allocation will do */
        cut->segments.cap = cut->script->parts.len;
        cut->segments.items =
            arena_alloc(cut->arena, cut->segments.cap * sizeof *cut->segments.items);
        if (!cut->segments.items)
            return false;
    }
    return vec_push(cut->arena, &cut->segments,
                    ((Segment){.kind = kind,
                               .first = first,
                               .count = end - first,
                               .line = line,
                               .is_implicit_commit = is_implicit,
                               .sets_session = part->sets_session,
                               .directives = directives}));
}

/* A statement that runs by itself. */
static bool cut_lone(Cut *cut, const ScriptPart *part)
{
    if (!cut->lone)
        cut->lone = part;
    if (cut->begin && part->class == PART_IMPLICIT_COMMIT && !part->directives->no_transaction) {
        /* Dumps and habit write it so, and the server allows it: it only does not do what it seems to. */
        if (!cut->has_noted_commit) {
            Problem *note = cut_problem(
                cut, part, false, "transaction-control",
                "this statement commits by itself, so that BEGIN ... COMMIT does not hold "
                "around it");
            if (!note)
                return false;
            cut->has_noted_commit = true;
        }
    } else if (cut->begin) {
        Problem *problem = cut_problem(
            cut, part, true, "lone-in-transaction",
            part->directives->no_transaction
                ? "a statement marked no-transaction stands between BEGIN and COMMIT"
                : "a statement that cannot run in a transaction stands between BEGIN and COMMIT");
        if (!problem)
            return false;
        problem->detail = str_format(cut->arena, "BEGIN is in line %u", cut->begin->line);
        problem->hint = "Move it out of the pair, or leave BEGIN and COMMIT out: whimbrel makes "
                        "the transactions itself.";
        if (!problem->detail)
            return false;
    }
    return cut_add(cut, part, SEGMENT_LONE);
}

static bool cut_begin(Cut *cut, const ScriptPart *part)
{
    if (cut->begin) {
        Problem *problem = cut_problem(cut, part, true, "transaction-control",
                                       "BEGIN inside a transaction that is already begun");
        if (!problem)
            return false;
        problem->detail =
            str_format(cut->arena, "the BEGIN before it is in line %u", cut->begin->line);
        problem->hint = "Put a COMMIT before it, or use SAVEPOINT.";
        return problem->detail != NULL;
    }
    cut->begin = part;
    cut->is_closed = true;
    return true;
}

static bool cut_commit(Cut *cut, const ScriptPart *part)
{
    if (!cut->begin && !cut->has_autocommit) {
        Problem *problem =
            cut_problem(cut, part, true, "transaction-control", "COMMIT without BEGIN");
        if (!problem)
            return false;
        problem->hint = "Leave it out: whimbrel begins and commits a transaction itself.";
    }
    cut->begin = NULL;
    cut->is_closed = true;
    return true;
}

/* Under LOCK TABLES no table may be touched that it does not name, those of the history too. Every dump is full of it. */
static bool cut_table_lock(Cut *cut, const ScriptPart *part)
{
    cut->is_closed = true;
    if (cut->has_noted_lock)
        return true;
    cut->has_noted_lock = true;
    return cut_problem(
               cut, part, false, "transaction-control",
               "LOCK TABLES and UNLOCK TABLES are left out: under them the history could not "
               "be written") != NULL;
}

static bool cut_part(Cut *cut, const ScriptPart *part)
{
    bool is_lone =
        part->directives->no_transaction || (cut->script->head->no_transaction && !cut->begin);
    switch (part->class) {
    case PART_ORDINARY:
        break;
    case PART_IMPLICIT_COMMIT:
    case PART_LONE:
        is_lone = true;
        break;
    case PART_LONE_BEFORE:
        is_lone = is_lone || cut->policy->server_version < part->since;
        break;
    case PART_BEGIN:
        return cut_begin(cut, part);
    case PART_COMMIT:
        return cut_commit(cut, part);
    case PART_ROLLBACK: {
        Problem *problem = cut_problem(cut, part, true, "transaction-control",
                                       "ROLLBACK in a migration would undo it");
        if (!problem)
            return false;
        problem->hint = "Leave it out: when a statement fails, whimbrel rolls back itself.";
        cut->begin = NULL;
        cut->is_closed = true;
        return true;
    }
    case PART_AUTOCOMMIT:
        cut->has_autocommit = true;
        cut->is_closed = true;
        return true;
    case PART_TABLE_LOCK:
        return cut_table_lock(cut, part);
    }
    return is_lone ? cut_lone(cut, part) : cut_add(cut, part, SEGMENT_TRANSACTION);
}

bool plan_cut(Arena *arena, const Script *script, const PlanPolicy *policy, uint32_t resume_at,
              SegmentVec *ret_segments, ProblemVec *problems, Error *err)
{
    Cut cut = {.arena = arena,
               .script = script,
               .policy = policy,
               .resume_at = resume_at,
               .problems = problems};

    if (!script->has_parts)
        return error_set(err, ERROR_STATE, "%s was planned before it was read", script->path);
    for (size_t i = 0; i < script->parts.len; i++) {
        if (!cut_part(&cut, &script->parts.items[i]))
            return error_nomem(err);
    }
    if (cut.begin) {
        Problem *problem =
            cut_problem(&cut, cut.begin, true, "transaction-control", "BEGIN without COMMIT");
        if (!problem)
            return error_nomem(err);
        problem->hint = "Put COMMIT at the end, or leave BEGIN out: whimbrel makes the transaction "
                        "itself.";
    }
    if (cut.lone && policy->is_single_transaction) {
        Problem *problem = cut_problem(
            &cut, cut.lone, true, "lone-in-transaction",
            cut.lone->class == PART_IMPLICIT_COMMIT
                ? "this statement commits by itself: it cannot be part of a single transaction"
                : "this statement cannot run in a transaction, and a single one was asked for");
        if (!problem)
            return error_nomem(err);
        problem->hint = "Run it without --single-transaction.";
    }
    *ret_segments = cut.segments;
    return true;
}

/* The rules of migrating: which migrations go up or down, in which order, and what stands in the way.
 * SPDX-License-Identifier: Apache-2.0
 *
 * A plan is made by playing it through: every row of the overview carries marks that say what will be applied once the
 * steps so far are done, and each rule looks at those. docs/planning.md tells the rules in words. */
#include "plan/planner.h"

static StateRow *row_at(const Planner *p, size_t index)
{
    return &p->plan->overview.rows.items[index];
}

static bool is_applied_state(MigrationState state)
{
    return state == STATE_APPLIED || state == STATE_CHANGED || state == STATE_MISSING ||
           state == STATE_BASELINED;
}

/* ---- what is wrong whatever one wants to do -------------------------------------------------------------- */

static bool problem_changed(Planner *p, const StateRow *row)
{
    char buf[TIMESTAMP_TEXT];
    Timestamp at =
        row->row->finished_at != TIMESTAMP_UNKNOWN ? row->row->finished_at : row->row->started_at;
    bool has_time = at != TIMESTAMP_UNKNOWN;
    Problem *problem = planner_problem(
        p, row, true, "checksum-changed", "%s differs from what was applied%s%s",
        planner_label(p, row), has_time ? " on " : "", has_time ? timestamp_human(at, buf) : "");
    if (!problem)
        return false;
    problem->hint =
        "A new migration is the usual way to change what has shipped. whimbrel validate "
        "--diff shows both texts; whimbrel repair accepts the file as it is now.";
    return true;
}

static bool problem_missing(Planner *p, const StateRow *row, bool stops)
{
    Problem *problem =
        planner_problem(p, row, stops, "missing-migration",
                        "%s is applied, but its file is not here", planner_label(p, row));
    if (!problem)
        return false;
    if (!stops)
        return true;
    problem->hint = row->kind == MIGRATION_REPEATABLE
                        ? "Bring the file back, or let whimbrel repair mark it as deleted."
                        : "Bring the file back; whimbrel sync rolls back what this checkout does "
                          "not have, whimbrel repair marks it as deleted.";
    return true;
}

static bool note_deleted(Planner *p, const StateRow *row)
{
    Problem *problem = planner_problem(p, row, false, "deleted",
                                       "%s is marked as deleted, but its file is here again",
                                       planner_label(p, row));
    if (!problem)
        return false;
    problem->hint = "What it did is still in the database, and it is not run again. Under a new "
                    "version it would be.";
    return true;
}

/* An existing database that never came as far as what a squash put together. */
static bool check_behind_baseline(Planner *p)
{
    const StateRow *baseline = NULL;
    bool is_fresh = true;
    for (size_t i = 0; i < p->versioned; i++) {
        const StateRow *row = row_at(p, i);
        if (row->row && row->row->outcome != HISTORY_SKIPPED)
            is_fresh = false;
        else if (row->kind == MIGRATION_BASELINE && row->state == STATE_PENDING)
            baseline = row;
    }
    if (!baseline || is_fresh)
        return true;
    Str current = p->plan->overview.current;
    Problem *problem = planner_problem(
        p, baseline, true, "behind-baseline",
        "the database is at %.*s, and what comes after it is only here as "
        "part of the baseline %s",
        STR_ARG(current.len > 0 ? current : STR("no version")), planner_label(p, baseline));
    if (!problem)
        return false;
    problem->hint = "Bring it up to the baseline's version with the checkout from before the "
                    "squash, then go on with this one.";
    return true;
}

/* What must be mended before anything is applied. */
static bool check_states(Planner *p)
{
    for (size_t i = 0; i < p->plan->overview.rows.len; i++) {
        const StateRow *row = row_at(p, i);
        bool is_there = p->marks[i] & MARK_APPLIED;
        bool is_repeatable = row->kind == MIGRATION_REPEATABLE;
        if (row->state == STATE_CHANGED && is_there && !problem_changed(p, row))
            return false;
        if (row->state == STATE_MISSING &&
            (is_repeatable || (is_there && p->request->verb != PLAN_SYNC))) {
            bool stops = !p->policy->allows_missing && !row->row->is_tolerated &&
                         !(is_repeatable && p->request->verb == PLAN_SYNC);
            if (!problem_missing(p, row, stops))
                return false;
        }
        if (row->row && row->row->outcome == HISTORY_DELETED && row->migration &&
            row->state == STATE_SKIPPED && !note_deleted(p, row))
            return false;
    }
    return check_behind_baseline(p);
}

static bool problem_stuck(Planner *p, const StateRow *row)
{
    bool is_failed = row->state == STATE_FAILED;
    Problem *problem =
        planner_problem(p, row, true, is_failed ? "failed-migration" : "partial-migration",
                        "%s %s, and how far it came was not recorded", planner_label(p, row),
                        is_failed ? "has failed" : "stopped half-way");
    if (!problem)
        return false;
    if (row->row->failure)
        problem->detail = row->row->failure;
    problem->hint = "Put the database right by hand, to before or after it; whimbrel repair then "
                    "removes the entry, whimbrel stamp records it as applied.";
    return true;
}

/* "1 create_users stopped half-way (2 of 5 statements ran)", with something before and behind. */
static bool problem_half(Planner *p, const StateRow *row, const char *before, const char *behind,
                         const char *hint)
{
    const HistoryRow *stopped = row->row;
    const char *count =
        stopped->total > 0
            ? str_format(p->arena, "%u of %u statements ran", stopped->done, stopped->total)
            : str_format(p->arena, "statements that ran: %u", stopped->done);
    if (!count)
        return error_nomem(p->err);
    Problem *problem =
        planner_problem(p, row, true, "partial-migration", "%s%s stopped half-way (%s)%s", before,
                        planner_label(p, row), count, behind);
    if (!problem)
        return false;
    if (stopped->failure)
        problem->detail = stopped->failure;
    problem->hint = hint;
    return true;
}

static bool problem_half_down(Planner *p, const StateRow *row)
{
    return problem_half(p, row, "the rollback of ", "",
                        "Finish it first: whimbrel rollback, or whimbrel resume.");
}

static bool problem_half_missing(Planner *p, const StateRow *row)
{
    return problem_half(p, row, "", ", and its file is not here",
                        row->kind == MIGRATION_REPEATABLE
                            ? "Bring the file back; whimbrel repair removes the entry."
                            : "Bring the file back; whimbrel sync rolls back with the stored down "
                              "what this checkout does not have.");
}

/* ---- up -------------------------------------------------------------------------------------------------- */

typedef struct Ups {
    bool has_ceiling;
    Str ceiling;    /* nothing newer */
    uint64_t limit; /* at most so many steps */
    bool is_redo;   /* only what this plan has rolled back */
    bool minds_phase;
} Ups;

static bool is_above(const Planner *p, const Ups *ups, const StateRow *row)
{
    return ups->has_ceiling && p->lineage[row - p->plan->overview.rows.items] != LINEAGE_BEFORE;
}

/* Whether the row's up could run now. Half-way ones are not among these: they come first, by themselves. */
static bool is_eligible(const Planner *p, const Ups *ups, size_t index)
{
    const StateRow *row = row_at(p, index);
    unsigned char marks = p->marks[index];
    if (row->state == STATE_OUTDATED && !(marks & (MARK_UP | MARK_ROLLED_BACK)))
        return !ups->is_redo;
    if (marks & (MARK_APPLIED | MARK_UP))
        return false;
    if (marks & MARK_ROLLED_BACK)
        return row->migration && row->migration->up &&
               !script_is_excluded(row->migration->up, p->policy);
    return !ups->is_redo && (row->state == STATE_PENDING || row->state == STATE_OUT_OF_ORDER);
}

/* A baseline file stands for all that went before: without it nothing can go on, whatever the phase. */
static Phase phase_of(const StateRow *row)
{
    return row->kind == MIGRATION_BASELINE ? PHASE_NONE : row->migration->up->head->phase;
}

static bool is_in_phase(const Planner *p, const Ups *ups, const StateRow *row)
{
    if (!ups->minds_phase)
        return true;
    switch (p->policy->phase) {
    case PHASE_NONE:
        return true;
    case PHASE_EXPAND:
        return phase_of(row) != PHASE_CONTRACT;
    case PHASE_CONTRACT:
        return phase_of(row) == PHASE_CONTRACT;
    }
    return true;
}

/* What is applied of that which comes right after it; NULL: nothing. */
static const StateRow *applied_follower(const Planner *p, const StateRow *row)
{
    for (size_t i = 0; i < p->versioned; i++) {
        const StateRow *other = row_at(p, i);
        const VersionParents *parents = other->migration && (p->marks[i] & MARK_APPLIED)
                                            ? migration_parents(p->set, other->migration)
                                            : NULL;
        for (size_t k = 0; parents && k < parents->versions.len; k++)
            if (str_eq(parents->versions.items[k], row->version))
                return other;
    }
    return NULL;
}

static bool problem_out_of_order(Planner *p, const StateRow *row, const StateRow *newest)
{
    const StateRow *follower = p->set->parents ? applied_follower(p, row) : NULL;
    if (follower) {
        Problem *late = planner_problem(p, row, true, "out-of-order",
                                        "%s is not applied, though %.*s, which depends on it, is",
                                        planner_label(p, row), STR_ARG(follower->version));
        if (late)
            late->hint = "--out-of-order applies it now; if what it does is there already, "
                         "whimbrel stamp records it.";
        return late != NULL;
    }
    Problem *problem = planner_problem(p, row, true, "out-of-order",
                                       "%s is older than %.*s, which is applied already",
                                       planner_label(p, row), STR_ARG(newest->version));
    if (!problem)
        return false;
    problem->hint =
        "whimbrel rebase gives it a version after the others; --out-of-order applies it "
        "as it is.";
    return true;
}

static bool problem_phase(Planner *p, const StateRow *row, const StateRow *earlier)
{
    Problem *problem = planner_problem(p, row, true, "phase-order",
                                       "%s contracts, but %s before it is not applied",
                                       planner_label(p, row), planner_label(p, earlier));
    if (!problem)
        return false;
    problem->hint = "Run whimbrel migrate --phase expand first.";
    return true;
}

static bool is_engine_skip(const Planner *p, size_t index)
{
    const StateRow *row = row_at(p, index);
    return row->state == STATE_SKIPPED && !row->row && row->migration && row->migration->up &&
           row->kind == MIGRATION_VERSIONED && script_is_excluded(row->migration->up, p->policy);
}

static bool plan_repeatables(Planner *p, const Ups *ups, uint64_t taken)
{
    for (size_t i = p->versioned; i < p->plan->overview.rows.len && taken < ups->limit; i++) {
        const StateRow *row = row_at(p, i);
        Halfway half = halfway(p, row);
        if (half == HALFWAY_NONE && row->state != STATE_PENDING && row->state != STATE_OUTDATED)
            continue;
        if (half == HALFWAY_STUCK)
            continue; /* plan_halfway() has spoken of it */
        if (!row->migration || !row->migration->up) {
            if (!problem_half_missing(p, row))
                return false;
            continue;
        }
        if (!is_in_phase(p, ups, row))
            continue;
        if (!step_up(p, i))
            return false;
        taken++;
    }
    return true;
}

/* Versioned ones in order, then, when none is left behind, repeatables: they are written against the newest schema. */
static bool plan_ups(Planner *p, const Ups *ups)
{
    const StateRow *newest = NULL, *left = NULL;
    size_t newest_index = 0, count = 0, real = 0;
    uint64_t taken = 0;
    bool is_complete = true;

    for (size_t i = p->versioned; i-- > 0 && !newest;) {
        if (p->marks[i] & MARK_APPLIED) {
            newest = row_at(p, i);
            newest_index = i;
        }
    }
    for (size_t i = 0; i < p->plan->overview.rows.len; i++) {
        MigrationState state = row_at(p, i)->state;
        count += i < p->versioned ? is_eligible(p, ups, i) || is_engine_skip(p, i)
                                  : state == STATE_PENDING || state == STATE_OUTDATED;
    }
    if (count > ups->limit)
        count = (size_t)ups->limit;
    for (size_t i = 0; i < p->plan->steps.len; i++)
        taken += p->plan->steps.items[i].kind == STEP_UP; /* a half-way one that goes on counts */
    size_t before = p->plan->steps.len;
    if (!planner_reserve(p, count))
        return false;

    for (size_t i = 0; i < p->versioned; i++) {
        const StateRow *row = row_at(p, i);
        if (!ups->is_redo && is_engine_skip(p, i) && !is_above(p, ups, row) && taken < ups->limit &&
            !step_skip(p, i))
            return false;
        if (!is_eligible(p, ups, i))
            continue;
        if (!is_in_phase(p, ups, row)) {
            if (p->policy->phase == PHASE_CONTRACT && !left)
                left = row;
            continue;
        }
        if (is_above(p, ups, row) || taken >= ups->limit) {
            is_complete = false;
            continue;
        }
        if (left && !problem_phase(p, row, left))
            return false;
        if (newest && i < newest_index && row->state != STATE_OUTDATED &&
            phase_of(row) != PHASE_CONTRACT && !ups->is_redo && !p->policy->allows_out_of_order &&
            (row->state == STATE_OUT_OF_ORDER ||
             !(row->migration && row->migration->may_come_late)) &&
            !problem_out_of_order(p, row, newest))
            return false;
        if (!step_up(p, i))
            return false;
        taken++;
        real++;
    }
    if (!ups->is_redo && is_complete) {
        size_t so_far = p->plan->steps.len;
        if (!plan_repeatables(p, ups, taken))
            return false;
        real += p->plan->steps.len - so_far;
    }
    /* That some are not for this engine is recorded along with others, and is no work of its own: a tool whose history
     * cannot tell would never be done. */
    if (real == 0)
        p->plan->steps.len = before;
    return true;
}

/* Goes on with the ups that stopped half-way. For migrate and its like: a half-done down is in the way. */
static bool plan_half_ups(Planner *p, const Ups *ups)
{
    for (size_t i = 0; i < p->plan->overview.rows.len; i++) {
        const StateRow *row = row_at(p, i);
        bool ok = true;
        if (p->marks[i] & MARK_ROLLED_BACK)
            continue;
        switch (halfway(p, row)) {
        case HALFWAY_NONE:
            break;
        case HALFWAY_STUCK:
            ok = problem_stuck(p, row);
            break;
        case HALFWAY_DOWN:
            ok = problem_half_down(p, row);
            break;
        case HALFWAY_UP:
            if (row->kind == MIGRATION_REPEATABLE)
                break; /* at their own time: after what they may have been waiting for */
            if (!row->migration || !row->migration->up)
                ok = problem_half_missing(p, row);
            else if (is_above(p, ups, row) || !is_in_phase(p, ups, row))
                ok = problem_half(p, row, "", "",
                                  "Finish it first: whimbrel resume; or go back: whimbrel "
                                  "rollback.");
            else
                ok = step_up(p, i);
            break;
        }
        if (!ok)
            return false;
    }
    return true;
}

/* ---- down ------------------------------------------------------------------------------------------------ */

typedef struct Downs {
    bool is_all;
    bool has_floor; /* what does not come after the target stays applied */
    bool has_run;
    int64_t run;
    bool only_missing;  /* sync */
    bool minds_halfway; /* else the caller has seen to those */
    uint64_t limit;
    uint64_t taken;
} Downs;

/* Order of application, as indexes into history->rows. */
typedef struct Ranked {
    const HistoryRow *row;
    size_t index; /* in the overview */
} Ranked;

static int by_rank(const void *a, const void *b)
{
    const Ranked *left = a, *right = b;
    if (left->row->rank != right->row->rank)
        return left->row->rank < right->row->rank ? -1 : 1;
    return (left->row > right->row) - (left->row < right->row);
}

static bool rank_rows(Planner *p, Ranked **ret_ranked, size_t *ret_count)
{
    size_t count = 0;
    Ranked *ranked = arena_alloc(p->arena, (p->versioned + 1) * sizeof *ranked);
    if (!ranked)
        return error_nomem(p->err);
    for (size_t i = 0; i < p->versioned; i++) {
        if (row_at(p, i)->row)
            ranked[count++] = (Ranked){row_at(p, i)->row, i};
    }
    qsort(ranked, count, sizeof *ranked, by_rank);
    *ret_ranked = ranked;
    *ret_count = count;
    return true;
}

static bool problem_baseline(Planner *p, const StateRow *row, bool stops)
{
    Problem *problem = planner_problem(
        p, row, stops, "below-baseline",
        "what is at or below the baseline %.*s was there before and cannot be rolled back",
        STR_ARG(p->baseline));
    if (!problem)
        return false;
    if (stops)
        problem->hint = "Go back no further than the baseline.";
    return true;
}

static bool is_below_baseline(const Planner *p, const StateRow *row)
{
    return p->has_baseline &&
           version_order_compare(&p->set->versions, row->version, p->baseline) <= 0;
}

/* Whether it comes after the version that stays. */
static bool is_over(const Planner *p, const StateRow *row)
{
    return p->lineage[row - p->plan->overview.rows.items] == LINEAGE_AFTER;
}

/* What stopped half-way happened last, and nothing else can be undone before it. */
static bool plan_half_downs(Planner *p, Downs *downs, const Ranked *ranked, size_t count)
{
    for (size_t k = count; k-- > 0;) {
        size_t i = ranked[k].index;
        const StateRow *row = row_at(p, i);
        bool is_passed, ok = true;
        switch (halfway(p, row)) {
        case HALFWAY_NONE:
            continue;
        case HALFWAY_STUCK:
            ok = problem_stuck(p, row);
            break;
        case HALFWAY_DOWN:
            ok = step_down(p, i, &is_passed);
            downs->taken++;
            break;
        case HALFWAY_UP:
            if (downs->has_floor && !is_over(p, row))
                ok = problem_half(p, row, "", "", "Finish it first: whimbrel resume.");
            else
                ok = step_down(p, i, &is_passed);
            downs->taken++;
            break;
        }
        if (!ok)
            return false;
    }
    return true;
}

/* Nothing that stays may require what goes. */
static bool check_required_stay(Planner *p)
{
    for (size_t i = 0; i < p->versioned; i++) {
        const StateRow *row = row_at(p, i);
        if (!(p->marks[i] & MARK_APPLIED) || !row->migration || !row->migration->up)
            continue;
        Script *up = row->migration->up;
        if (!up->has_parts && !up->is_undemanding && !planner_lacks(p, up))
            return false;
        const StrVec *required = &up->head->required;
        for (size_t r = 0; r < required->len; r++) {
            size_t found = overview_find(&p->plan->overview, p->versioned, required->items[r]);
            if (found == SIZE_MAX || !(p->marks[found] & MARK_ROLLED_BACK) ||
                (p->marks[found] & MARK_APPLIED))
                continue;
            Problem *problem =
                planner_problem(p, row, true, "requires", "%s, which stays, requires %s",
                                planner_label(p, row), planner_label(p, row_at(p, found)));
            if (!problem)
                return false;
            problem->hint = "Roll it back as well.";
        }
    }
    return true;
}

static bool is_wanted_down(const Planner *p, const Downs *downs, const StateRow *row)
{
    if (downs->has_floor && !is_over(p, row))
        return false;
    if (downs->has_run && (row->row->run != downs->run || row->state == STATE_BASELINED))
        return false;
    return !downs->only_missing || row->state == STATE_MISSING;
}

static bool plan_downs(Planner *p, Downs *downs)
{
    Ranked *ranked;
    size_t count, wanted = 0;
    const StateRow *below = NULL; /* the newest of those that a baseline keeps from going */

    if (!rank_rows(p, &ranked, &count) ||
        (downs->minds_halfway && !plan_half_downs(p, downs, ranked, count)))
        return false;
    for (size_t i = 0; i < p->versioned; i++)
        wanted += (p->marks[i] & MARK_APPLIED) && is_wanted_down(p, downs, row_at(p, i));
    if (!planner_reserve(p, wanted < downs->limit ? wanted : (size_t)downs->limit))
        return false;
    for (size_t k = count; k-- > 0;) {
        size_t i = ranked[k].index;
        const StateRow *row = row_at(p, i);
        bool is_passed;
        if (!(p->marks[i] & MARK_APPLIED) || (p->marks[i] & MARK_UP) ||
            !is_wanted_down(p, downs, row))
            continue;
        if (is_below_baseline(p, row)) {
            if (!below ||
                version_order_compare(&p->set->versions, row->version, below->version) > 0)
                below = row;
            continue;
        }
        if (downs->taken >= downs->limit)
            continue;
        if (!step_down(p, i, &is_passed))
            return false;
        downs->taken += !is_passed;
    }
    /* --all goes as far as it can, a number or a version is a promise. */
    if (below && downs->taken < downs->limit) {
        bool stops = !downs->is_all && !(downs->only_missing && p->policy->allows_missing);
        if (!problem_baseline(p, below, stops))
            return false;
    }
    return true;
}

/* ---- what was asked for ------------------------------------------------------------------------------------ */

static bool bad_target(Planner *p, const char *message, const char *hint)
{
    error_set(p->err, ERROR_USAGE, "%s", message);
    error_code(p->err, "bad-target");
    return error_hint(p->err, "%s", hint);
}

/* "+N" or "-N" with this sign. */
static bool is_count(Str to, char sign, uint64_t *ret_count)
{
    return to.len > 1 && to.ptr[0] == sign && str_to_u64(str_sub(to, 1, to.len), ret_count);
}

static bool refuse_down(Planner *p)
{
    return bad_target(p, "migrate goes up, never down",
                      "whimbrel rollback --to goes down, whimbrel goto both ways.");
}

static bool read_ups(Planner *p, Ups *ups)
{
    const PlanRequest *request = p->request;
    bool is_told = request->to.len > 0 || request->steps > 0;
    Str to = is_told ? request->to : p->policy->target;
    PlanTarget target;
    uint64_t count;

    *ups = (Ups){.limit = request->steps > 0 ? request->steps : UINT64_MAX, .minds_phase = true};
    if (to.len == 0 || (str_eq(to, STR("heads")) && p->set->parents))
        return true;
    if (str_eq(to, STR("head")))
        return overview_one_head(p->arena, &p->plan->overview, p->err);
    if (is_count(to, '+', &count) && !p->set->counts_in_lines) {
        if (count < ups->limit)
            ups->limit = count;
        return true;
    }
    if (is_count(to, '-', &count) || str_eq(to, STR("base")))
        return refuse_down(p);
    if (!plan_resolve(p->arena, &p->plan->overview, to, AMONG_FILES, &target, p->err))
        return false;
    if (target.version.len == 0)
        return refuse_down(p);
    ups->ceiling = target.version;
    ups->has_ceiling = true;
    target.line = SIZE_MAX; /* whatever leads there comes along */
    return plan_lineage(p->arena, &p->plan->overview, &target, &p->lineage, p->err);
}

static bool newest_run(Planner *p, int64_t *ret_run, bool *ret_has_versioned)
{
    int64_t run = 0;
    for (size_t i = 0; i < p->plan->overview.rows.len; i++) {
        const HistoryRow *row = row_at(p, i)->row;
        if (!row || (row->outcome != HISTORY_APPLIED && row->outcome != HISTORY_RUNNING_UP))
            continue;
        if (row->run > run) {
            run = row->run;
            *ret_has_versioned = false;
        }
        if (row->run == run && row->kind != MIGRATION_REPEATABLE)
            *ret_has_versioned = true;
    }
    *ret_run = run;
    if (run > 0 || p->history->rows.len == 0)
        return true;
    error_set(p->err, ERROR_UNSUPPORTED, "this history does not tell which run applied what");
    error_code(p->err, "no-run-log");
    return error_hint(p->err, "Say how far to go back: --steps N or --to VERSION.");
}

static bool read_downs(Planner *p, Downs *downs)
{
    const PlanRequest *request = p->request;
    Str to = request->to;
    PlanTarget target;
    uint64_t count;

    *downs = (Downs){.limit = UINT64_MAX, .minds_halfway = true};
    if (request->is_all) {
        downs->is_all = true;
        return true;
    }
    if (request->is_last_run) {
        bool has_versioned = false;
        downs->has_run = true;
        if (!newest_run(p, &downs->run, &has_versioned))
            return false;
        if (downs->run > 0 && !has_versioned &&
            !problem_add(p->arena, &p->plan->problems, false, "repeatable-only", (Str){0}, (Str){0},
                         "run %lld applied repeatables only, and those have no way back",
                         (long long)downs->run))
            return error_nomem(p->err);
        return true;
    }
    if (to.len == 0) {
        downs->limit = request->steps > 0 ? request->steps : 1;
        return true;
    }
    /* From several ends there is no one line, and the last comes first. */
    bool counts_lines = p->set->counts_in_lines && p->plan->overview.currents.len == 1;
    if (is_count(to, '-', &count) && !counts_lines) {
        downs->limit = count;
        return true;
    }
    if (is_count(to, '+', &count))
        return bad_target(p, "rollback goes down, never up",
                          "whimbrel migrate --to goes up, whimbrel goto both ways.");
    if (!plan_resolve(p->arena, &p->plan->overview, to, AMONG_APPLIED, &target, p->err))
        return false;
    downs->is_all = target.is_base;
    downs->has_floor = !target.is_base;
    if (request->steps > 0)
        downs->limit = request->steps;
    return target.is_base ||
           plan_lineage(p->arena, &p->plan->overview, &target, &p->lineage, p->err);
}

/* ---- the verbs --------------------------------------------------------------------------------------------- */

static bool plan_migrate(Planner *p)
{
    Ups ups;
    return read_ups(p, &ups) && check_states(p) && plan_half_ups(p, &ups) && plan_ups(p, &ups);
}

static bool plan_rollback(Planner *p)
{
    Downs downs;
    return read_downs(p, &downs) && plan_downs(p, &downs) && check_required_stay(p);
}

static bool plan_redo(Planner *p)
{
    Ups ups = {.limit = UINT64_MAX, .is_redo = true};
    Downs downs;
    if (!read_downs(p, &downs) || !plan_downs(p, &downs) || !check_required_stay(p))
        return false;
    for (size_t i = 0; i < p->versioned; i++) {
        const StateRow *row = row_at(p, i);
        if (!(p->marks[i] & MARK_ROLLED_BACK) || is_eligible(p, &ups, i))
            continue;
        Problem *problem = planner_problem(p, row, true, "missing-migration",
                                           "%s cannot be applied again: its file is not here",
                                           planner_label(p, row));
        if (!problem)
            return false;
        problem->hint = "whimbrel rollback takes it back for good.";
    }
    return plan_ups(p, &ups);
}

static bool plan_sync(Planner *p)
{
    Ups ups = {.limit = UINT64_MAX, .minds_phase = true};
    Downs downs = {.limit = UINT64_MAX, .only_missing = true};
    bool is_passed;

    for (size_t i = p->versioned; i-- > 0;) { /* half-way ones first, whichever way leads out */
        const StateRow *row = row_at(p, i);
        Halfway half = halfway(p, row);
        bool goes_down = half == HALFWAY_DOWN ||
                         (half == HALFWAY_UP && (!row->migration || !row->migration->up));
        if (goes_down && !step_down(p, i, &is_passed))
            return false;
    }
    return plan_half_ups(p, &ups) && plan_downs(p, &downs) && check_states(p) &&
           check_required_stay(p) && plan_ups(p, &ups);
}

static bool plan_resume(Planner *p)
{
    bool is_passed, has_any = false;
    for (size_t i = 0; i < p->plan->overview.rows.len; i++) {
        const StateRow *row = row_at(p, i);
        bool ok = true;
        switch (halfway(p, row)) {
        case HALFWAY_NONE:
            continue;
        case HALFWAY_STUCK:
            ok = problem_stuck(p, row);
            break;
        case HALFWAY_DOWN:
            ok = step_down(p, i, &is_passed);
            break;
        case HALFWAY_UP:
            ok =
                row->migration && row->migration->up ? step_up(p, i) : problem_half_missing(p, row);
            break;
        }
        if (!ok)
            return false;
        has_any = true;
    }
    if (!has_any && !problem_add(p->arena, &p->plan->problems, false, "nothing-to-resume", (Str){0},
                                 (Str){0}, "no migration has stopped half-way"))
        return error_nomem(p->err);
    return true;
}

static bool has_ups(const Planner *p, const Ups *ups)
{
    for (size_t i = 0; i < p->versioned; i++) {
        if (is_eligible(p, ups, i) && !is_above(p, ups, row_at(p, i)))
            return true;
    }
    return false;
}

static const StateRow *newest_applied(const Planner *p)
{
    for (size_t i = p->versioned; i-- > 0;) {
        if (p->marks[i] & MARK_APPLIED)
            return row_at(p, i);
    }
    return NULL;
}

static bool has_stop(const Plan *plan)
{
    for (size_t i = 0; i < plan->problems.len; i++) {
        if (plan->problems.items[i].stops)
            return true;
    }
    return false;
}

/* Says so when the way does not lead to where one wanted to be. */
static bool check_arrival(Planner *p, Str version)
{
    const StateRow *newest = newest_applied(p);
    size_t target = overview_find(&p->plan->overview, p->versioned, version);
    bool has_newer =
        newest && version_order_compare(&p->set->versions, newest->version, version) != 0;
    if (p->set->parents) { /* other branches may have newer ones */
        has_newer = target == SIZE_MAX || !(p->marks[target] & MARK_APPLIED);
        for (size_t i = 0; i < p->versioned; i++)
            has_newer =
                has_newer || (p->lineage[i] == LINEAGE_AFTER && (p->marks[i] & MARK_APPLIED));
    }
    if (has_stop(p->plan) || (newest && !has_newer))
        return true;
    size_t found = overview_find(&p->plan->overview, p->versioned, version);
    if (found == SIZE_MAX)
        return error_set(p->err, ERROR_STATE, "the overview lost version %.*s", STR_ARG(version));
    const StateRow *row = row_at(p, found);
    const char *why = "";
    if (newest && version_order_compare(&p->set->versions, newest->version, version) > 0)
        why = ": what is newer cannot be rolled back";
    else if (row->row && row->row->outcome == HISTORY_DELETED)
        why = ": it is marked as deleted";
    else if (row->migration && row->migration->up &&
             script_is_excluded(row->migration->up, p->policy))
        why = ": it is not for this engine";
    else if (row->migration && !row->migration->up)
        why = ": only its down is here";
    return planner_problem(p, row, true, "unreachable", "the database cannot be brought to %s%s",
                           planner_label(p, row), why) != NULL;
}

static bool plan_goto(Planner *p)
{
    Ups ups = {.limit = UINT64_MAX};
    Downs downs = {.limit = UINT64_MAX};
    PlanTarget target;
    bool is_passed;

    if (p->request->to.len == 0)
        return bad_target(p, "goto needs to be told where to",
                          "Give a version, a name, head, base, +N or -N.");
    if (!plan_resolve(p->arena, &p->plan->overview, p->request->to, AMONG_FILES, &target, p->err) ||
        (!target.is_base &&
         !plan_lineage(p->arena, &p->plan->overview, &target, &p->lineage, p->err)))
        return false;
    ups.ceiling = target.version;
    ups.has_ceiling = true;
    downs.has_floor = !target.is_base;
    downs.is_all = target.is_base;
    downs.minds_halfway = target.version.len == 0;
    if (target.version.len == 0)
        return plan_downs(p, &downs) && check_required_stay(p);

    for (size_t i = p->versioned; i-- > 0;) {
        const StateRow *row = row_at(p, i);
        Halfway half = halfway(p, row);
        bool goes_down = half == HALFWAY_DOWN || (half == HALFWAY_UP && is_above(p, &ups, row));
        if (goes_down && !step_down(p, i, &is_passed))
            return false;
    }
    if (!plan_half_ups(p, &ups) || !plan_downs(p, &downs))
        return false;
    if (has_ups(p, &ups) && !check_states(p))
        return false;
    return check_required_stay(p) && plan_ups(p, &ups) && check_arrival(p, ups.ceiling);
}

/* ---- the plan ---------------------------------------------------------------------------------------------- */

/* A migrate that stops below the newest baseline file begins with an older one, or with the first migration. */
static bool lower_baseline(Planner *p)
{
    const PlanRequest *request = p->request;
    Overview *overview = &p->plan->overview;
    PlanTarget target;
    bool begins = false;
    uint64_t count;

    if (request->verb != PLAN_MIGRATE && request->verb != PLAN_GOTO)
        return true;
    for (size_t i = 0; i < overview->rows.len && !begins; i++)
        begins = overview->rows.items[i].kind == MIGRATION_BASELINE &&
                 overview->rows.items[i].state == STATE_PENDING;
    if (!begins || request->to.len == 0 || p->set->parents || is_count(request->to, '+', &count) ||
        is_count(request->to, '-', &count))
        return true;
    if (!plan_resolve(p->arena, overview, request->to, AMONG_FILES, &target, p->err))
        return false;
    return target.version.len == 0 ||
           overview_make(p->arena, p->set, p->history, p->policy, target.version, overview, p->err);
}

static bool prepare(Planner *p)
{
    const Overview *overview = &p->plan->overview;
    if (!lower_baseline(p))
        return false;
    p->versioned = overview_versioned(overview);
    p->marks = arena_alloc(p->arena, overview->rows.len + 1);
    if (!p->marks)
        return error_nomem(p->err);
    p->has_baseline = overview_baseline(overview, p->versioned, &p->baseline);
    for (size_t i = 0; i < overview->rows.len; i++) {
        const StateRow *row = &overview->rows.items[i];
        bool is_rerun = row->state == STATE_OUTDATED && row->kind != MIGRATION_REPEATABLE;
        if (is_applied_state(row->state) || is_rerun)
            p->marks[i] = MARK_APPLIED;
    }
    return true;
}

static bool plan_verb(Planner *p)
{
    switch (p->request->verb) {
    case PLAN_MIGRATE:
        return plan_migrate(p);
    case PLAN_ROLLBACK:
        return plan_rollback(p);
    case PLAN_GOTO:
        return plan_goto(p);
    case PLAN_REDO:
        return plan_redo(p);
    case PLAN_SYNC:
        return plan_sync(p);
    case PLAN_RESUME:
        return plan_resume(p);
    }
    return error_set(p->err, ERROR_USAGE, "there is no such verb");
}

static void finish(Planner *p)
{
    Plan *plan = p->plan;
    plan->stops = has_stop(plan);
    if (plan->stops) {
        plan->steps.len = 0;
        plan->target = plan->overview.current;
        return;
    }
    const StateRow *newest = newest_applied(p);
    plan->target = newest ? newest->version : (Str){0};
    for (size_t i = 0; i < plan->steps.len; i++) {
        const PlanStep *step = &plan->steps.items[i];
        for (size_t k = 0; k < step->segments.len; k++) {
            const Segment *segment = &step->segments.items[k];
            if (segment->kind == SEGMENT_LONE)
                plan->lone_statements += segment->count;
            else
                plan->transactions++;
        }
    }
    if (p->policy->is_single_transaction && plan->steps.len > 0)
        plan->transactions = 1;
}

bool plan_try(Arena *arena, const MigrationSet *set, const History *history,
              const PlanRequest *request, const PlanPolicy *policy, Plan *ret_plan, Error *err)
{
    Plan plan = {.request = *request};
    Planner p = {.arena = arena,
                 .set = set,
                 .history = history,
                 .request = request,
                 .policy = policy,
                 .plan = &plan,
                 .err = err};

    if (!plan_overview(arena, set, history, policy, &plan.overview, err) || !prepare(&p) ||
        !plan_verb(&p))
        return false;
    finish(&p);
    *ret_plan = plan;
    return true;
}

bool plan_make(Arena *arena, const MigrationSet *set, const History *history,
               const PlanRequest *request, const PlanPolicy *policy, Plan *ret_plan, Error *err)
{
    if (!plan_try(arena, set, history, request, policy, ret_plan, err))
        return false;
    if (ret_plan->unread.len == 0)
        return true;
    return error_set(err, ERROR_STATE, "%s was planned before it was read",
                     ret_plan->unread.items[0]->path);
}

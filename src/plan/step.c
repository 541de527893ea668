/* Makes single steps of a plan: which script, from which statement on, cut how. SPDX-License-Identifier: Apache-2.0 */
#include "plan/planner.h"

const char *planner_label(Planner *p, const StateRow *row)
{
    const char *label = migration_label(p->arena, row->version, row->name, row->kind);
    if (!label)
        p->lacks_memory = true;
    return label ? label : "";
}

static const char *path_of(const StateRow *row)
{
    const Migration *m = row->migration;
    return !m ? NULL : m->up ? m->up->path : m->down ? m->down->path : NULL;
}

Problem *planner_problem(Planner *p, const StateRow *row, bool stops, const char *code,
                         const char *fmt, ...)
{
    StrBuf text = strbuf(p->arena);
    va_list args;
    va_start(args, fmt);
    strbuf_addv(&text, fmt, args);
    va_end(args);
    Problem *problem = NULL;
    if (!text.has_failed && !p->lacks_memory)
        problem = problem_add(p->arena, &p->plan->problems, stops, code, row->version, row->name,
                              "%.*s", STR_ARG(strbuf_str(&text)));
    if (!problem) {
        error_nomem(p->err);
        return NULL;
    }
    problem->pos.file = path_of(row);
    return problem;
}

bool planner_reserve(Planner *p, size_t steps)
{
    PlanStepVec *v = &p->plan->steps;
    if (v->cap - v->len >= steps)
        return true;
    size_t cap = v->len + steps;
    PlanStep *items = arena_grow(p->arena, v->items, v->len * sizeof *items, cap * sizeof *items);
    if (!items)
        return error_nomem(p->err);
    v->items = items;
    v->cap = cap;
    return true;
}

Halfway halfway(const Planner *p, const StateRow *row)
{
    if (row->state != STATE_FAILED && row->state != STATE_PARTIAL)
        return HALFWAY_NONE;
    if (!row->row->has_journal || !p->policy->has_journal)
        return HALFWAY_STUCK;
    switch (row->row->outcome) {
    case HISTORY_RUNNING_UP:
        return HALFWAY_UP;
    case HISTORY_RUNNING_DOWN:
        return HALFWAY_DOWN;
    case HISTORY_APPLIED:
    case HISTORY_BASELINED:
    case HISTORY_FAILED:
    case HISTORY_SKIPPED:
    case HISTORY_DELETED:
        break;
    }
    return HALFWAY_STUCK;
}

/* ---- what both ways share ---------------------------------------------------------------------------- */

Str step_version(const PlanStep *step)
{
    return step->migration ? step->migration->version : step->row ? step->row->version : (Str){0};
}

Str step_name(const PlanStep *step)
{
    return step->migration ? step->migration->name : step->row ? step->row->name : (Str){0};
}

static PlanStep step_begin(const Planner *p, const StateRow *row, StepKind kind)
{
    return (PlanStep){.kind = kind,
                      .migration = row->migration,
                      .row = row->row,
                      .migration_kind = row->kind,
                      .is_fake = p->request->is_fake};
}

bool planner_lacks(Planner *p, const Script *script)
{
    /* The set's scripts are its own; the planner alone has no business to change them. */
    Script *wanted = (Script *)(uintptr_t)script;
    return vec_push(p->arena, &p->plan->unread, wanted) || error_nomem(p->err);
}

static bool is_same_segment(const Segment *a, const Segment *b)
{
    return a->kind == b->kind && a->is_implicit_commit == b->is_implicit_commit &&
           a->sets_session == b->sets_session && a->first == b->first && a->count == b->count &&
           a->line == b->line && a->directives == b->directives;
}

/* Most of thousands are one transaction of a few statements: those that are alike are kept once. */
static SegmentList shared_segments(Planner *p, const SegmentVec *segments)
{
    SegmentList list = {segments->items, (uint32_t)segments->len};
    if (list.len != 1)
        return list;
    const Segment **place = &p->alike[list.items->count % ALIKE_SEGMENTS];
    if (*place && is_same_segment(*place, list.items)) {
        arena_trim(p->arena, list.items, 0);
        list.items = *place;
    } else {
        *place = list.items;
    }
    return list;
}

/* Cuts step->script and has problems speak of the migration. */
static bool step_cut(Planner *p, PlanStep *step)
{
    ProblemVec *problems = &p->plan->problems;
    size_t before = problems->len;
    SegmentVec segments = {0};
    if (!step->script->has_parts)
        return planner_lacks(p, step->script);
    if (!plan_cut(p->arena, step->script, p->policy, step->resume_at, &segments, problems, p->err))
        return false;
    step->segments = shared_segments(p, &segments);
    for (size_t i = before; i < problems->len; i++) {
        problems->items[i].version = step_version(step);
        problems->items[i].name = step_name(step);
    }
    bool is_one = step->segments.len == 0 ||
                  (step->segments.len == 1 && step->segments.items[0].kind == SEGMENT_TRANSACTION);
    /* One transaction over the whole run carries every history row itself. */
    step->is_journaled = step->is_resumed || (!is_one && !p->policy->is_single_transaction);
    return true;
}

static bool step_push(Planner *p, PlanStep step)
{
    if (!vec_push(p->arena, &p->plan->steps, step))
        return error_nomem(p->err);
    return true;
}

/* What the caller knows of where it goes on. */
static bool find_settled(Planner *p, const HistoryRow *row, uint32_t *ret_resume_at)
{
    const PlanRequest *request = p->request;
    for (size_t i = 0; i < request->settled.len; i++) {
        if (request->settled.items[i].row == row) {
            *ret_resume_at = request->settled.items[i].resume_from;
            return true;
        }
    }
    if (!request->settles || p->has_settled)
        return false;
    p->has_settled = true;
    if (request->resume_from >= 0)
        *ret_resume_at =
            request->resume_from >= UINT32_MAX ? UINT32_MAX - 1 : (uint32_t)request->resume_from;
    return true;
}

/* Where a stopped script goes on. The journal may know of more statements than the file still has. */
static bool step_resume(Planner *p, PlanStep *step, size_t index)
{
    const StateRow *row = &p->plan->overview.rows.items[index];
    step->resume_at = row->row->done;
    bool is_settled = find_settled(p, row->row, &step->resume_at);
    if (row->row->is_fate_unknown && !is_settled) {
        if (!planner_problem(p, row, false, "partial-migration",
                             "statement %u of %s was under way when the run stopped: what became "
                             "of it is settled first",
                             row->row->done + 1, planner_label(p, row)))
            return false;
    }
    if (step->script && step->resume_at > step->script->statements) {
        Problem *problem =
            is_settled
                ? planner_problem(p, row, true, "partial-migration",
                                  "%s cannot go on at statement %u: it has only %u",
                                  planner_label(p, row), step->resume_at + 1,
                                  step->script->statements)
                : planner_problem(p, row, true, "partial-migration",
                                  "%u statements of %s have run, but the file has only %u",
                                  step->resume_at, planner_label(p, row), step->script->statements);
        if (!problem)
            return false;
        problem->pos.file = step->script->path;
        problem->hint = "What has run stays at the beginning of the file; only what follows may "
                        "change.";
    }
    return true;
}

/* ---- up ------------------------------------------------------------------------------------------------ */

/* Whether a version that is required is there, or as good as there. */
static bool is_satisfied(const Planner *p, Str required)
{
    const Overview *overview = &p->plan->overview;
    size_t found = overview_find(overview, p->versioned, required);
    if (found == SIZE_MAX)
        return p->has_baseline &&
               version_order_compare(&p->set->versions, required, p->baseline) <= 0;
    const StateRow *row = &overview->rows.items[found];
    if (p->marks[found] & MARK_APPLIED)
        return true;
    /* What is not for this engine, or covered by a baseline, asks nothing of this database. */
    return row->state == STATE_SKIPPED && (row->row || (row->migration && row->migration->up));
}

static bool check_required(Planner *p, const StateRow *row)
{
    const StrVec *required = &row->migration->up->head->required;
    for (size_t i = 0; i < required->len; i++) {
        if (is_satisfied(p, required->items[i]))
            continue;
        Problem *problem = planner_problem(p, row, true, "requires",
                                           "%s requires %.*s, which is neither applied nor "
                                           "planned before it",
                                           planner_label(p, row), STR_ARG(required->items[i]));
        if (!problem)
            return false;
        problem->hint = "Apply the required one first, or correct the directive requires=.";
    }
    return true;
}

/* What stands before it in the set comes before it in the plan; but in a graph it may depend on what is not here at all. */
static bool check_parents(Planner *p, const StateRow *row)
{
    const VersionParents *parents = migration_parents(p->set, row->migration);
    for (size_t i = 0; parents && i < parents->versions.len; i++) {
        if (overview_find(&p->plan->overview, p->versioned, parents->versions.items[i]) != SIZE_MAX)
            continue;
        Problem *problem = planner_problem(
            p, row, true, "requires", "%s depends on %.*s, which is neither applied nor here",
            planner_label(p, row), STR_ARG(parents->versions.items[i]));
        if (!problem)
            return false;
        problem->hint = "Apply that one first, with the tool that has it.";
    }
    return true;
}

static bool check_empty(Planner *p, const StateRow *row, const PlanStep *step, bool stops)
{
    if (step->segments.len > 0 || step->resume_at > 0)
        return true;
    Problem *problem =
        planner_problem(p, row, stops, "empty-migration", "%s of %s holds no statement",
                        step->kind == STEP_DOWN ? "the down" : "the script", planner_label(p, row));
    if (!problem)
        return false;
    problem->pos = (SourcePos){.file = step->script->path, .line = 1};
    if (stops)
        problem->hint = "Write its statements, or remove the file; SELECT 1; says that it is meant "
                        "to do nothing.";
    return true;
}

/* What only its own tool can run has its place in the order, and stops who comes to it. */
static bool check_refusal(Planner *p, const StateRow *row, const Script *script, bool *ret_runs)
{
    const ScriptForm *form = script->form;
    *ret_runs = !form || !form->refusal;
    if (*ret_runs)
        return true;
    Problem *problem =
        planner_problem(p, row, true, "host-language", "%s %s", script->path, form->refusal);
    if (!problem)
        return false;
    problem->pos = (SourcePos){.file = script->path, .line = form->refusal_line};
    problem->hint = form->refusal_hint;
    return true;
}

bool step_up(Planner *p, size_t index)
{
    const StateRow *row = &p->plan->overview.rows.items[index];
    bool is_repeatable = row->kind == MIGRATION_REPEATABLE;
    bool is_back = p->marks[index] & MARK_ROLLED_BACK; /* then its row is gone by now */
    PlanStep step = step_begin(p, row, is_repeatable ? STEP_REPEATABLE : STEP_UP);

    step.script = row->migration->up;
    if (is_back)
        step.row = NULL;
    step.is_resumed = !is_back && halfway(p, row) == HALFWAY_UP;
    if (!check_required(p, row) || !check_parents(p, row))
        return false;
    /* A repeatable that was changed is another script: it begins again, as it must be able to. */
    step.begins_again =
        is_repeatable && step.is_resumed && script_differs(row->row, step.script, NULL);
    if (step.is_resumed && !step.begins_again && !step.is_fake && !step_resume(p, &step, index))
        return false;
    if (step.is_fake) {
        step.is_journaled = step.is_resumed;
    } else {
        bool runs;
        if (!check_refusal(p, row, step.script, &runs) ||
            (runs && (!step_cut(p, &step) ||
                      !check_empty(p, row, &step, !is_repeatable && !p->policy->allows_empty))))
            return false;
    }
    p->marks[index] |= MARK_APPLIED | MARK_UP;
    return step_push(p, step);
}

bool step_skip(Planner *p, size_t index)
{
    const StateRow *row = &p->plan->overview.rows.items[index];
    return step_push(p, step_begin(p, row, STEP_SKIP));
}

/* ---- down ---------------------------------------------------------------------------------------------- */

/* The down of the file, unless another up than the file's was applied and the down that belonged to it was kept. */
static bool choose_down(Planner *p, const StateRow *row, PlanStep *step, bool *ret_has_down)
{
    const Migration *m = row->migration;
    bool has_file = m && migration_has_down(m), has_stored = row->row->has_down_text;
    bool is_other = m && m->up && script_differs(row->row, m->up, NULL);

    *ret_has_down = true;
    if (has_file && !(is_other && has_stored)) {
        Script *down;
        if (!migration_down(p->set, m, &down))
            return error_nomem(p->err);
        step->script = down;
    } else if (has_stored) {
        step->is_stored_down = true;
    } else {
        *ret_has_down = false;
    }
    if (!is_other || !*ret_has_down)
        return true;
    if (!planner_problem(p, row, false, "checksum-changed",
                         step->is_stored_down
                             ? "%s has changed since it was applied: its stored down runs"
                             : "%s has changed since it was applied, and no down was stored with "
                               "it: the file's runs, and may not fit",
                         planner_label(p, row)))
        return false;
    return true;
}

static bool no_down(Planner *p, const StateRow *row, bool stops)
{
    Problem *problem = planner_problem(p, row, stops, "missing-down",
                                       stops ? "%s has no down: it cannot be rolled back"
                                             : "%s has no down and is passed over",
                                       planner_label(p, row));
    if (!problem)
        return false;
    if (stops)
        problem->hint =
            row->migration ? "Write its down beside it, or undo it in a new migration; --fake only "
                             "strikes it from the history."
                           : "Its down may be in the checkout it was applied from; --fake only "
                             "strikes it from the history.";
    return true;
}

bool step_down(Planner *p, size_t index, bool *ret_is_passed)
{
    const StateRow *row = &p->plan->overview.rows.items[index];
    PlanStep step = step_begin(p, row, STEP_DOWN);
    Halfway half = halfway(p, row);

    *ret_is_passed = false;
    step.is_resumed = half != HALFWAY_NONE;
    step.is_journaled = step.is_resumed;
    if (half == HALFWAY_UP && is_nothing_kept(row->row)) {
        if (!planner_problem(p, row, false, "failed-migration",
                             "nothing of %s was kept: only its entry is removed",
                             planner_label(p, row)))
            return false;
        step.is_fake = true;
    }
    if (!step.is_fake) {
        bool has_down;
        if (!choose_down(p, row, &step, &has_down))
            return false;
        if (!has_down) {
            /* sync promises that nothing missing is left, unless such are allowed. */
            bool may_pass = p->request->verb == PLAN_SYNC ? p->policy->allows_missing
                                                          : p->policy->skips_irreversible;
            *ret_is_passed = may_pass && half == HALFWAY_NONE;
            return no_down(p, row, !*ret_is_passed);
        }
        if (half == HALFWAY_DOWN && !step_resume(p, &step, index))
            return false;
        bool runs = true;
        if (step.script && (!check_refusal(p, row, step.script, &runs) ||
                            (runs && (!step_cut(p, &step) || !check_empty(p, row, &step, false)))))
            return false;
    }
    p->marks[index] = (unsigned char)((p->marks[index] & ~MARK_APPLIED) | MARK_ROLLED_BACK);
    return step_push(p, step);
}

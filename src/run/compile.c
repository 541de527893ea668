/* Compiles a plan into units: what is one transaction, what stands alone, what is written into the history and when.
 * SPDX-License-Identifier: Apache-2.0 */
#include "run/work.h"

bool compile_refuses_script(const Script *script, ErrorKind kind, const char *code, Error *err)
{
    const ScriptForm *form = script->form;
    if (!form || !form->refusal)
        return true;
    error_set(err, kind, "%s %s", script->path, form->refusal);
    error_code(err, code);
    error_at(err, str_from(script->path), form->refusal_line, 0);
    return error_hint(err, "%s", form->refusal_hint);
}

bool compile_script(Run *run, const Script *script, SegmentVec *ret_segments, Error *err)
{
    ProblemVec problems = {0};
    if (!script_read_parts(run->arena, (Script *)(uintptr_t)script,
                           &run->runner->set->script_options, err) ||
        !compile_refuses_script(script, ERROR_STATE, "host-language", err))
        return false;
    if (!plan_cut(run->arena, script, &run->runner->policy, 0, ret_segments, &problems, err))
        return false;
    for (size_t i = 0; i < problems.len; i++) {
        const Problem *problem = &problems.items[i];
        if (!problem->stops)
            continue;
        error_set(err, ERROR_STATE, "%s", problem->message);
        error_code(err, problem->code);
        if (problem->detail)
            error_detail(err, "%s", problem->detail);
        if (problem->hint)
            error_hint(err, "%s", problem->hint);
        if (problem->pos.file)
            error_at(err, str_from(problem->pos.file), problem->pos.line, problem->pos.column);
        return false;
    }
    return true;
}

const Segment segment_of_none;

/* Of no statements; a retry counts from there. NULL: memory is out. */
static const Segment *segment_at(Run *run, uint32_t first)
{
    if (first == 0)
        return &segment_of_none;
    Segment *segment = arena_alloc(run->arena, sizeof *segment);
    if (segment)
        *segment = (Segment){.first = first};
    return segment;
}

static bool add_unit(Run *run, Unit unit, Error *err)
{
    if (!unit.segment)
        unit.segment = &segment_of_none;
    return vec_push(run->arena, &run->units, unit) || error_nomem(err);
}

/* Each segment of a script that is no migration (a hook around the run, a seed) is a unit without a history write. */
static bool add_script(Run *run, const Hook *hook, const Script *script, Error *err)
{
    SegmentVec segments = {0};
    if (!compile_script(run, script, &segments, err))
        return false;
    bool resets = false;
    for (size_t i = 0; i < segments.len; i++) {
        const Segment *segment = &segments.items[i];
        resets = resets || segment->sets_session;
        Unit unit = {.kind = segment->kind == SEGMENT_LONE ? UNIT_LONE : UNIT_TRANSACTION,
                     .step = NO_STEP,
                     .script = script,
                     .segment = segment,
                     .hook = hook};
        if (!add_unit(run, unit, err))
            return false;
    }
    return !resets || add_unit(run, (Unit){.kind = UNIT_RESET, .step = NO_STEP}, err);
}

/* A run in one transaction has no place for a program in its midst: it would see nothing of what was done, and every lock would be
 * held for as long as it takes. */
static bool refuse_program(const Hook *hook, Error *err)
{
    error_set(
        err, ERROR_UNSUPPORTED,
        "a program cannot run in the midst of a single transaction, whose locks it would hold");
    error_code(err, "hook-in-transaction");
    error_at(err, str_from(hook->program), 0, 0);
    return error_hint(err,
                      "Run it before or after the whole (before-migrate, after-migrate), or go "
                      "without --single-transaction.");
}

static bool add_program(Run *run, const Hook *hook, uint32_t step, Error *err)
{
    if (run->runner->settings.is_dry_run) {
        char *note = str_format(run->arena, "%s is not run in a dry run", hook->program);
        event_note(run->runner, note);
        return true;
    }
    return add_unit(run, (Unit){.kind = UNIT_PROGRAM, .step = step, .hook = hook}, err);
}

/* The hooks around a run, or around one direction of it. Where all is one transaction, what is no SQL stands outside. */
static bool add_hooks(Run *run, HookPoint point, Error *err)
{
    const HookUseVec *hooks = &run->hooks[point];
    for (size_t i = 0; i < hooks->len; i++) {
        const Hook *hook = hooks->items[i].hook;
        if (hook->program && run->is_whole && !run->runner->settings.is_dry_run) {
            if (point != run->first_point && point != run->last_point)
                return refuse_program(hook, err);
            continue;
        }
        if (hook->program ? !add_program(run, hook, NO_STEP, err)
                          : !add_script(run, hook, hook->script, err))
            return error_wrap(err, "the hook %s", hook_point_name(point));
    }
    return true;
}

static bool add_outer_programs(Run *run, HookPoint point, Error *err)
{
    const HookUseVec *hooks = &run->hooks[point];
    for (size_t i = 0; run->is_whole && !run->runner->settings.is_dry_run && i < hooks->len; i++)
        if (hooks->items[i].hook->program && !add_program(run, hooks->items[i].hook, NO_STEP, err))
            return false;
    return true;
}

static bool add_programs_of_step(Run *run, HookPoint point, uint32_t step, Error *err)
{
    const HookUseVec *hooks = &run->hooks[point];
    for (size_t i = 0; i < hooks->len; i++) {
        const Hook *hook = hooks->items[i].hook;
        if (hook->program && run->is_whole && !run->runner->settings.is_dry_run)
            return refuse_program(hook, err);
        if (hook->program && !add_program(run, hook, step, err))
            return false;
    }
    return true;
}

static bool hooks_set_session(const Run *run)
{
    for (HookPoint point = HOOK_BEFORE_EACH; point <= HOOK_AFTER_EACH; point++)
        for (size_t i = 0; i < run->hooks[point].len; i++)
            for (size_t s = 0; s < run->hooks[point].items[i].segments.len; s++)
                if (run->hooks[point].items[i].segments.items[s].sets_session)
                    return true;
    return false;
}

static bool has_sql(const HookUseVec *hooks)
{
    for (size_t i = 0; i < hooks->len; i++)
        if (hooks->items[i].hook->script)
            return true;
    return false;
}

/* A hook around each migration runs in the migration's own transaction, so it can hold nothing that cannot. */
static bool check_each(Run *run, HookPoint point, Error *err)
{
    for (size_t i = 0; i < run->hooks[point].len; i++) {
        HookUse *use = &run->hooks[point].items[i];
        const Hook *hook = use->hook;
        if (!hook->script)
            continue;
        if (!compile_script(run, hook->script, &use->segments, err))
            return error_wrap(err, "the hook %s", hook_point_name(point));
        for (size_t s = 0; s < use->segments.len; s++) {
            if (use->segments.items[s].kind == SEGMENT_TRANSACTION)
                continue;
            error_set(err, ERROR_UNSUPPORTED,
                      "the hook %s runs in the migration's transaction, and this statement cannot",
                      hook_point_name(point));
            error_code(err, "hook-lone-statement");
            error_at(err, str_from(hook->script->path), use->segments.items[s].line, 1);
            return error_hint(err, "Move it to after-migrate, which may hold such statements.");
        }
    }
    return true;
}

static bool compile_hooks(Run *run, Error *err)
{
    const HookVec *hooks = &run->runner->set->hooks;
    for (size_t i = 0; i < hooks->len; i++) {
        const Hook *hook = &hooks->items[i];
        if (!vec_push(run->arena, &run->hooks[hook->point], (HookUse){.hook = hook}))
            return error_nomem(err);
        run->has_programs = run->has_programs || hook->program;
    }
    return check_each(run, HOOK_BEFORE_EACH, err) && check_each(run, HOOK_AFTER_EACH, err);
}

/* One transaction, and the history row in it. */
static bool add_plain(Run *run, uint32_t at, const PlanStep *step, Error *err)
{
    Unit unit = {.kind = UNIT_TRANSACTION,
                 .write = UNIT_WRITES_END,
                 .step = at,
                 .is_last_of_step = true,
                 .has_before_each = has_sql(&run->hooks[HOOK_BEFORE_EACH]),
                 .has_after_each = has_sql(&run->hooks[HOOK_AFTER_EACH]),
                 .segment = &segment_of_none,
                 .script = step->script};
    if (step->segments.len > 0)
        unit.segment = &step->segments.items[0];
    unit.resets = unit.segment->sets_session || hooks_set_session(run);
    return add_unit(run, unit, err);
}

static bool sets_session(const Run *run, const PlanStep *step)
{
    if (hooks_set_session(run))
        return true;
    for (size_t i = 0; i < step->segments.len; i++)
        if (step->segments.items[i].sets_session)
            return true;
    return step->is_resumed; /* its done statements may have, and are replayed */
}

/* Segments, each with its journal write; the last one with the history row. */
static bool add_journaled(Run *run, uint32_t at, const PlanStep *step, Error *err)
{
    bool has_before = has_sql(&run->hooks[HOOK_BEFORE_EACH]),
         has_after = has_sql(&run->hooks[HOOK_AFTER_EACH]);
    bool resets = sets_session(run, step);
    Unit first = {.kind = UNIT_RECORD,
                  .write =
                      UNIT_WRITES_BEGIN, /* of a resumed one too: its text may have been mended */
                  .step = at,
                  .script = step->script,
                  .segment = segment_at(run, step->resume_at)};
    if (!first.segment)
        return error_nomem(err);
    if (!add_unit(run, first, err))
        return false;
    if (step->resume_at > 0 &&
        !add_unit(run, (Unit){.kind = UNIT_REPLAY, .step = at, .script = step->script}, err))
        return false;
    if (has_before &&
        !add_unit(run, (Unit){.kind = UNIT_TRANSACTION, .step = at, .has_before_each = true}, err))
        return false;
    for (size_t i = 0; i < step->segments.len; i++) {
        const Segment *segment = &step->segments.items[i];
        bool is_last = i + 1 == step->segments.len && !has_after;
        Unit unit = {.kind = segment->kind == SEGMENT_LONE ? UNIT_LONE : UNIT_TRANSACTION,
                     .write = is_last ? UNIT_WRITES_END : UNIT_WRITES_STEP,
                     .step = at,
                     .is_last_of_step = is_last,
                     .resets = is_last && resets,
                     .script = step->script,
                     .segment = segment};
        if (!add_unit(run, unit, err))
            return false;
    }
    if (!has_after && step->segments.len > 0)
        return true;
    /* Nothing was left to run after a stop, or hooks follow: the history row has a transaction of its own. */
    Unit last = {.kind = UNIT_TRANSACTION,
                 .write = UNIT_WRITES_END,
                 .step = at,
                 .is_last_of_step = true,
                 .resets = resets,
                 .has_after_each = has_after,
                 .segment = segment_at(run, step->script ? step->script->statements : 0)};
    if (!last.segment)
        return error_nomem(err);
    return add_unit(run, last, err);
}

static bool add_step(Run *run, uint32_t at, Error *err)
{
    const PlanStep *step = &run->plan.steps.items[at];
    if (step->is_fake || step->kind == STEP_SKIP) {
        Unit unit = {
            .kind = UNIT_RECORD, .write = UNIT_WRITES_END, .step = at, .is_last_of_step = true};
        return add_unit(run, unit, err);
    }
    const Script *up = step->migration ? step->migration->up : NULL;
    bool is_conditional = !step_is_down(step) && up && up->form && up->form->is_conditional &&
                          run->convention->convention->check;
    if (is_conditional && !add_unit(run, (Unit){.kind = UNIT_CHECK, .step = at}, err))
        return false;
    if (!add_programs_of_step(run, HOOK_BEFORE_EACH, at, err))
        return false;
    if (step->is_journaled || step->is_resumed ? !add_journaled(run, at, step, err)
                                               : !add_plain(run, at, step, err))
        return false;
    /* In a nested run, session settings can only be undone outside the transaction. */
    if (run->is_nested && sets_session(run, step) &&
        !add_unit(run, (Unit){.kind = UNIT_RESET, .step = NO_STEP}, err))
        return false;
    return add_programs_of_step(run, HOOK_AFTER_EACH, at, err);
}

static bool add_run_log(Run *run, UnitKind kind, Error *err)
{
    if (kind == UNIT_CLOSING && !(run->convention->convention->features & CONVENTION_RUN_LOG))
        return true;
    return add_unit(run, (Unit){.kind = kind, .step = NO_STEP}, err);
}

/* Preparing costs as much as a few writes do; and a connection that was handed to us is given back without statements of ours. */
static bool add_preparing(Run *run, Error *err)
{
    enum { LONG_RUN = 4 };
    return run->plan.steps.len < LONG_RUN || run->db->is_adopted ||
           !run->convention->convention->write_prepare ||
           add_unit(run, (Unit){.kind = UNIT_PREPARING, .step = NO_STEP}, err);
}

bool compile_refuses_lone(Run *run, Error *err)
{
    if (!run->is_whole)
        return true;
    const char *what =
        run->runner->settings.is_dry_run ? "a dry run" : "a run in a single transaction";
    if (!db_has(run->db, DB_TRANSACTIONAL_DDL)) {
        error_set(err, ERROR_UNSUPPORTED, "%s is not possible on %s, which cannot undo DDL", what,
                  run->db->info.engine_title);
        error_code(err, "no-transactional-ddl");
        return error_hint(err, "See what would run: whimbrel plan");
    }
    for (size_t i = 0; i < run->units.len; i++) {
        const Unit *unit = &run->units.items[i];
        if (unit->kind != UNIT_LONE)
            continue;
        const char *label = unit->step == NO_STEP
                                ? unit->script->path
                                : step_label(run->arena, &run->plan.steps.items[unit->step]);
        error_set(err, ERROR_UNSUPPORTED,
                  "%s holds a statement that cannot run in a transaction, so %s is not possible",
                  label, what);
        error_code(err, "lone-in-transaction");
        error_at(err, str_from(unit->script->path), unit->segment->line, 1);
        return error_hint(
            err, "Run up to the migration before it (--to), then go on without the option.");
    }
    return true;
}

/* Behind a pool of transactions a session's settings end with the transaction, and neither the statements that stand
 * alone nor those of the next segment find them: what would run with others than it was written for is refused. */
bool compile_refuses_pooled(Run *run, Error *err)
{
    const DbInfo *info = &run->db->info;
    for (size_t i = 0; info->is_pooled && i < run->units.len; i++) {
        const Unit *unit = &run->units.items[i];
        const PlanStep *step = unit->step == NO_STEP ? NULL : &run->plan.steps.items[unit->step];
        bool is_apart = unit->kind == UNIT_LONE || (step && step->is_journaled);
        if (!unit->script)
            continue;
        bool is_refused = is_apart && unit->segment->sets_session;
        bool is_blind = unit->kind == UNIT_LONE && info->has_transient_settings;
        if (!is_refused && !is_blind)
            continue;
        error_set(err, ERROR_UNSUPPORTED,
                  is_refused
                      ? "%s sets something for its session, which the pooling proxy in "
                        "between does not keep from one transaction to the next"
                      : "%s holds a statement that cannot run in a transaction, and through "
                        "the pooling proxy in between the database URL's search_path reaches "
                        "transactions only",
                  step ? step_label(run->arena, step) : unit->script->path);
        error_code(err, "pooled-session");
        error_at(err, str_from(unit->script->path), unit->segment->line, 1);
        return error_hint(err, "Give the server's own address for this run, or leave the setting "
                               "out and name schemas in full.");
    }
    return true;
}

/* Only the last commit of a run waits for the disk: it flushes the log of all before it, and a crash of the server before
 * that loses a suffix of whole migrations, together with their history rows. That holds for what the database does, and
 * for nothing else; with programs around the migrations every commit waits. */
void compile_last_commit(Run *run)
{
    run->last_commit = NO_STEP;
    for (size_t i = run->units.len; i-- > 0;) {
        UnitKind kind = run->units.items[i].kind;
        if (kind == UNIT_TRANSACTION || kind == UNIT_RECORD || kind == UNIT_CLOSING) {
            run->last_commit = (uint32_t)i;
            return;
        }
    }
}

/* About as many as there will be: the first write of a journaled step is one of its own. */
static size_t units_of(const Plan *plan)
{
    size_t count = 2;
    for (size_t i = 0; i < plan->steps.len; i++) {
        const PlanStep *step = &plan->steps.items[i];
        count += step->is_journaled ? 1 + step->segments.len : 1;
    }
    return count;
}

/* Room for what a run of many steps keeps, at its exact size: growing step by step would leave as much behind. */
static bool make_room(Run *run, size_t downs, Error *err)
{
    size_t count = run->plan.steps.len, ups = count - downs;
    RunResult *result = run->result;
    return (vec_reserve(run->arena, &run->units, units_of(&run->plan)) &&
            vec_reserve(run->arena, &run->finished, count) &&
            vec_reserve(run->arena, &result->applied, ups) &&
            vec_reserve(run->arena, &result->rolled_back, downs)) ||
           error_nomem(err);
}

bool compile_plan(Run *run, Error *err)
{
    size_t count = run->plan.steps.len;
    size_t last_down = SIZE_MAX, first_up = SIZE_MAX;
    for (size_t i = 0; i < count; i++) {
        if (step_is_down(&run->plan.steps.items[i])) {
            last_down = i;
            run->has_downs = true;
        } else if (first_up == SIZE_MAX) {
            first_up = i;
        }
    }
    if (!make_room(run, last_down == SIZE_MAX ? 0 : last_down + 1, err) || !compile_hooks(run, err))
        return false;
    run->first_point = last_down != SIZE_MAX ? HOOK_BEFORE_ROLLBACK : HOOK_BEFORE_MIGRATE;
    run->last_point = first_up != SIZE_MAX ? HOOK_AFTER_MIGRATE : HOOK_AFTER_ROLLBACK;
    if (!add_outer_programs(run, run->first_point, err) || !add_run_log(run, UNIT_OPENING, err) ||
        !add_preparing(run, err))
        return false;
    if (last_down != SIZE_MAX && !add_hooks(run, HOOK_BEFORE_ROLLBACK, err))
        return false;
    for (size_t i = 0; i < count; i++) {
        if (i == first_up && !add_hooks(run, HOOK_BEFORE_MIGRATE, err))
            return false;
        if (!add_step(run, (uint32_t)i, err))
            return false;
        if (i == last_down && !add_hooks(run, HOOK_AFTER_ROLLBACK, err))
            return false;
    }
    if (first_up != SIZE_MAX && !add_hooks(run, HOOK_AFTER_MIGRATE, err))
        return false;
    if (!add_run_log(run, UNIT_CLOSING, err) || !add_outer_programs(run, run->last_point, err))
        return false;
    compile_last_commit(run);
    return compile_refuses_lone(run, err) && compile_refuses_pooled(run, err);
}

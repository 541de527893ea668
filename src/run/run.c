/* The door's main functions: overview, plan, execute, resume. SPDX-License-Identifier: Apache-2.0
 *
 * Only what is read under the lock still holds when it is carried out. So the lock is tried for in the message that reads the
 * history. Where another holds it, or it cannot be tried so, what was read can still say that there is nothing to do, as
 * mostly there is not; else the lock is waited for, and all is read and planned again. */
#include "run/work.h"

#include <string.h>

/* without: see ConventionContext. */
static bool read_history(Runner *runner, Arena *arena, unsigned without, History *ret_history,
                         Error *err)
{
    ConventionContext context = *runner->convention;
    context.without = without;
    if (!context.convention->history_read(&context, runner->db, arena, ret_history, err))
        return false;
    if (ret_history->note && !runner->has_told_note && runner->sink.emit) {
        const Event event = {.kind = EVENT_NOTE, .message = str_from(ret_history->note)};
        runner->has_told_note = true;
        runner->sink.emit(runner->sink.ctx, &event);
    }
    return true;
}

static void look_at_files(void *ctx)
{
    set_look_at(ctx);
}

/* History and scripts. While the server is at the one, the other is looked at. scripts: what is found in scripts outlasts the
 * history. */
static bool read_both(Runner *runner, Arena *scripts, Arena *arena, unsigned without, bool with_all,
                      History *ret_history, Error *err)
{
    scoped(SetLook *, set_look_freep) look = set_look_new(runner->set);
    if (!look)
        return error_nomem(err);
    runner->set->leaves_tokens = without & HISTORY_WITHOUT_TOKENS;
    db_meanwhile(runner->db, look_at_files, look);
    bool is_read = read_history(runner, arena, without, ret_history, err);
    db_meanwhile(runner->db, NULL, NULL);
    if (!is_read || !read_all(runner, scripts, ret_history, with_all, err))
        return false;
    /* Mostly nothing has changed, and a short history says as much as a whole one. */
    return !ret_history->is_short || !migration_set_has_changed(runner->set, ret_history) ||
           (migration_set_forget(runner->set, scripts, err) &&
            read_history(runner, arena, 0, ret_history, err) &&
            read_all(runner, scripts, ret_history, with_all, err));
}

static bool needs_all(const PlanRequest *request)
{
    switch (request->verb) {
    case PLAN_MIGRATE:
    case PLAN_RESUME:
    case PLAN_ROLLBACK: /* reads what it comes upon, see make_plan() */
        return false;
    case PLAN_GOTO:
    case PLAN_REDO:
    case PLAN_SYNC:
        return true;
    }
    return true;
}

/* A single transaction that nobody asked for, in the way of a statement: then each migration has its own. */
static bool gives_up_single(Runner *runner, const Plan *plan)
{
    PlanPolicy *policy = &runner->policy;
    for (size_t i = 0;
         policy->is_single_transaction && policy->is_single_by_habit && i < plan->problems.len;
         i++) {
        if (strcmp(plan->problems.items[i].code, "lone-in-transaction") != 0)
            continue;
        policy->is_single_transaction = false;
        return true;
    }
    return false;
}

/* Reads what turns out to be needed, and plans again. Each time there is less to be read, so it ends. */
static bool make_plan(Runner *runner, Arena *scripts, Arena *arena, const History *history,
                      const PlanRequest *request, Plan *ret_plan, Error *err)
{
    for (;;) {
        /* What is good for nothing but to say what is to be read goes again. */
        scoped(Arena *, arena_freep) attempt = arena_new();
        Plan plan = {0};
        if (!attempt)
            return error_nomem(err);
        if (!plan_try(attempt, runner->set, history, request, &runner->policy, &plan, err))
            return false;
        bool plans_again = gives_up_single(runner, &plan);
        if (plan.unread.len == 0 && !plans_again) {
            arena_adopt(arena, attempt);
            attempt = NULL;
            *ret_plan = plan;
            return true;
        }
        if (plan.unread.len > 0 &&
            !migration_set_read_these(scripts, runner->set, &plan.unread, err))
            return false;
    }
}

static bool overview_without(Runner *runner, Arena *arena, unsigned without, History *ret_history,
                             Overview *ret_overview, Error *err)
{
    return read_both(runner, arena, arena, without, false, ret_history, err) &&
           plan_overview(arena, runner->set, ret_history, &runner->policy, ret_overview, err);
}

bool run_overview(Runner *runner, Arena *arena, History *ret_history, Overview *ret_overview,
                  Error *err)
{
    return overview_without(runner, arena, 0, ret_history, ret_overview, err);
}

bool run_states(Runner *runner, Arena *arena, History *ret_history, Overview *ret_overview,
                Error *err)
{
    return overview_without(runner, arena, HISTORY_WITHOUT_TOKENS, ret_history, ret_overview, err);
}

/* What is applied and unchanged is of no more interest to a run that goes on from there. */
static unsigned not_needed(const PlanRequest *request)
{
    return request->verb == PLAN_MIGRATE || request->verb == PLAN_ROLLBACK
               ? HISTORY_WITHOUT_TOKENS | HISTORY_WITHOUT_TELLING
               : 0;
}

/* scripts: what is found in scripts outlasts the plan. */
static bool read_and_plan(Runner *runner, Arena *scripts, Arena *arena, const PlanRequest *request,
                          History *ret_history, Plan *ret_plan, Error *err)
{
    return read_both(runner, scripts, arena, not_needed(request), needs_all(request), ret_history,
                     err) &&
           make_plan(runner, scripts, arena, ret_history, request, ret_plan, err);
}

bool run_plan(Runner *runner, Arena *arena, const PlanRequest *request, History *ret_history,
              Plan *ret_plan, Error *err)
{
    return read_and_plan(runner, arena, arena, request, ret_history, ret_plan, err);
}

/* ---- downs from history ----------------------------------------------------------------------------------- */

static bool fill_step(Runner *runner, Arena *arena, Plan *plan, PlanStep *step, Error *err)
{
    const Convention *convention = runner->convention->convention;
    Str up = {0}, down = {0};
    bool has_up = false, has_down = false;
    if (!convention->history_text ||
        !convention->history_text(runner->convention, runner->db, arena, step->row, &up, &has_up,
                                  &down, &has_down, err))
        return convention->history_text
                   ? false
                   : error_set(err, ERROR_STATE, "this convention stores no downs");
    if (!has_down) {
        error_set(err, ERROR_STATE, "the down of %s is no longer in the history",
                  step_label(arena, step));
        return error_code(err, "missing-down");
    }
    Script *script = arena_alloc(arena, sizeof *script);
    char *path = str_format(arena, "down of %s, stored in the history", step_label(arena, step));
    if (!script || !path)
        return error_nomem(err);
    *script = (Script){.path = path, .text = down, .size_bytes = down.len};
    size_t problems = plan->problems.len;
    SegmentVec segments = {0};
    if (!script_read_parts(arena, script, &runner->set->script_options, err) ||
        !plan_cut(arena, script, &runner->policy, step->resume_at, &segments, &plan->problems, err))
        return false;
    for (size_t i = problems; i < plan->problems.len; i++) {
        plan->problems.items[i].version = step_version(step);
        plan->problems.items[i].name = step_name(step);
        plan->stops = plan->stops || plan->problems.items[i].stops;
    }
    bool is_one =
        segments.len == 0 || (segments.len == 1 && segments.items[0].kind == SEGMENT_TRANSACTION);
    step->script = script;
    step->segments = (SegmentList){segments.items, (uint32_t)segments.len};
    step->is_journaled = step->is_resumed || (!is_one && !runner->policy.is_single_transaction);
    return true;
}

bool run_fill_stored(Runner *runner, Arena *arena, Plan *plan, Error *err)
{
    for (size_t i = 0; i < plan->steps.len; i++) {
        PlanStep *step = &plan->steps.items[i];
        if (step->is_stored_down && !step->script && !step->is_fake &&
            !fill_step(runner, arena, plan, step, err))
            return false;
    }
    return true;
}

/* ---- the digest of a plan ----------------------------------------------------------------------------------- */

static void add_field(Hash *hash, Str text)
{
    uint64_t len = text.len;
    hash_add(hash, (Str){(const char *)&len, sizeof len});
    hash_add(hash, text);
}

static void add_number(Hash *hash, int64_t number)
{
    hash_add(hash, (Str){(const char *)&number, sizeof number});
}

const char *run_plan_digest(Arena *arena, const Plan *plan, const History *history)
{
    Hash hash;
    unsigned char digest[HASH_MAX_BYTES];
    hash_begin(&hash, HASH_SHA256);
    add_number(&hash, (int64_t)plan->steps.len);
    for (size_t i = 0; i < plan->steps.len; i++) {
        const PlanStep *step = &plan->steps.items[i];
        add_number(&hash, step->kind);
        add_field(&hash, step_version(step));
        add_field(&hash, step_name(step));
        add_number(&hash, step->migration_kind);
        add_number(&hash, step->is_fake);
        add_number(&hash, step->resume_at);
        add_number(&hash, step->is_stored_down);
        /* A stored down is told by the row that it is stored with. */
        bool is_file = step->script && !step->is_stored_down;
        add_field(&hash, is_file ? step->script->checksum : (Str){0});
    }
    add_number(&hash, (int64_t)history->rows.len);
    for (size_t i = 0; i < history->rows.len; i++) {
        const HistoryRow *row = &history->rows.items[i];
        add_field(&hash, row->version);
        add_field(&hash, row->name);
        add_number(&hash, row->kind);
        add_number(&hash, row->outcome);
        add_field(&hash, row->checksum);
        add_number(&hash, row->done);
        add_number(&hash, row->is_fate_unknown);
    }
    return hex_encode(arena, digest, hash_end(&hash, digest));
}

static bool check_digest(const Run *run, const char *expected, Error *err)
{
    if (!expected)
        return true;
    const char *now = run_plan_digest(run->arena, &run->plan, &run->history);
    if (!now)
        return error_nomem(err);
    if (str_eq(str_from(now), str_from(expected)))
        return true;
    error_set(err, ERROR_STATE,
              "the plan no longer fits: files or database have changed since it was saved");
    error_code(err, "plan-outdated");
    return error_hint(err,
                      "Look at what would run now, and save it again: whimbrel plan --save FILE");
}

/* ---- executing ------------------------------------------------------------------------------------------------ */

static bool plan_now(Run *run, Arena *arena, const PlanRequest *request, Error *err)
{
    run->plan = (Plan){0};
    run->history = (History){0};
    if (!read_and_plan(run->runner, run->arena, arena, request, &run->history, &run->plan, err))
        return false;
    for (size_t i = 0; i < run->history.rows.len; i++)
        if (run->history.rows.items[i].rank > run->last_rank)
            run->last_rank = run->history.rows.items[i].rank;
    run->last_ordinal = run->history.last_ordinal;
    return true;
}

/* What stopped half-way is settled, and the plan made again with the answers. Of the first the user may have said. */
static bool settle_and_plan(Run *run, const PlanRequest *request, Error *err)
{
    PlanRequest settled = *request;
    bool is_said = request->settles;
    for (size_t i = 0; i < run->plan.steps.len; i++) {
        const PlanStep *step = &run->plan.steps.items[i];
        Settled answer = {.row = step->row};
        if (!settle_is_due(step))
            continue;
        if (is_said) {
            is_said = false;
            continue;
        }
        if (!settle_step(run, step, &answer.resume_from, err))
            return false;
        if (!vec_push(run->arena, &settled.settled, answer))
            return error_nomem(err);
    }
    if (settled.settled.len == 0)
        return true;
    run->plan = (Plan){0};
    return make_plan(run->runner, run->arena, run->arena, &run->history, &settled, &run->plan, err);
}

static bool refuse_read_only(const Db *db, Error *err)
{
    if (!db->info.is_read_only)
        return true;
    error_set(err, ERROR_STATE,
              db->info.is_in_recovery ? "%s is a standby: nothing can be written there"
                                      : "%s is read-only",
              db->info.database);
    error_code(err, "read-only");
    if (db_has(db, DB_FILE_LOCK))
        return error_hint(err,
                          "Check the permissions of the file and of its folder, who runs this, "
                          "and mode= in the database URL.");
    return error_hint(err, "Give the address of the primary, or of a session that may write.");
}

static bool stop_or_nothing(Run *run, bool *ret_is_done, Error *err)
{
    *ret_is_done = false;
    if (run->plan.stops) {
        run->result->state = run->plan.overview.state;
        run->result->current = run->plan.overview.current;
        return plan_error(&run->plan, err);
    }
    if (run->plan.steps.len > 0)
        return true;
    *ret_is_done = true;
    run->result->state = run->plan.overview.state;
    run->result->current = run->plan.overview.current;
    return true;
}

/* Whether a nested run has to leave its transaction in between. */
static bool lets_go(const Run *run)
{
    for (size_t i = 0; run->is_nested && i < run->units.len; i++) {
        UnitKind kind = run->units.items[i].kind;
        if (run->is_whole && kind != UNIT_PROGRAM)
            continue;
        if (kind == UNIT_LONE || kind == UNIT_REPLAY || kind == UNIT_RESET || kind == UNIT_PROGRAM)
            return true;
    }
    return false;
}

/* *ret_is_ours: what was read was read under the lock. */
static bool plan_first(Run *run, Arena *arena, const PlanRequest *request,
                       const char *expected_digest, bool *ret_is_ours, bool *ret_is_done,
                       Error *err)
{
    bool is_planned = lock_lead(run, err) && plan_now(run, arena, request, err);
    bool is_held = false;
    *ret_is_ours = lock_lead_had(run, &is_held);
    run->has_nothing_to_do = true;
    /* What another run is at may look failed or half done: it is judged once the lock is ours. */
    if (is_planned && is_held && run->plan.stops) {
        *ret_is_done = false;
        return true;
    }
    if (!is_planned || !check_digest(run, expected_digest, err) ||
        !stop_or_nothing(run, ret_is_done, err) ||
        (!*ret_is_done && !refuse_read_only(run->db, err)))
        return false;
    run->has_nothing_to_do = *ret_is_done;
    return true;
}

/* The first plan is given up, and its memory with it. */
static bool plan_again(Run *run, Arena *first, const PlanRequest *request,
                       const char *expected_digest, Error *err)
{
    bool is_forgotten = migration_set_forget(run->runner->set, run->arena, err);
    run->plan = (Plan){0};
    run->history = (History){0};
    arena_free(first);
    return is_forgotten && plan_now(run, run->arena, request, err) &&
           check_digest(run, expected_digest, err);
}

/* Nothing that follows the last message needs the lock. */
static bool may_release_at_end(const Run *run)
{
    if (!run->has_downs)
        return true;
    for (size_t i = 0; i < run->history.rows.len; i++)
        if (run->history.rows.items[i].kind == MIGRATION_REPEATABLE)
            return false; /* repeatables_check() may strike its row */
    return true;
}

static bool execute(Run *run, const PlanRequest *request, const char *expected_digest, Error *err)
{
    bool is_done = false, is_ours = false;
    /* Where a second plan is made, the first goes before; else its texts are the result's. */
    Arena *first = arena_new();
    if (!first)
        return error_nomem(err);
    bool goes_on = plan_first(run, first, request, expected_digest, &is_ours, &is_done, err) &&
                   (is_done || is_ours || lock_take(run, err));
    if (!goes_on || is_done || is_ours)
        arena_adopt(run->arena, first);
    if (!goes_on || is_done)
        return goes_on;
    if (!is_ours && !plan_again(run, first, request, expected_digest, err))
        return false;
    if (!settle_and_plan(run, request, err) ||
        !run_fill_stored(run->runner, run->arena, &run->plan, err) ||
        !stop_or_nothing(run, &is_done, err) || !reconnect_fits(run, err))
        return false;
    if (is_done) {
        run->has_nothing_to_do = true;
        return true;
    }
    run->is_whole = run->runner->policy.is_single_transaction || run->runner->settings.is_dry_run;
    int64_t run_before = run->convention->run;
    run->convention->run = run->history.last_run + 1;
    bool is_ok = compile_plan(run, err) && (!lets_go(run) || lock_side(run, err));
    run->releases_at_end = may_release_at_end(run);
    /* What is to be done is known now: how everything stood before takes room that the messages need. */
    arena_give_back(run->arena, run->plan.overview.rows.items);
    run->plan.overview.rows = (StateRowVec){0};
    if (is_ok) {
        run->result->run = run->runner->settings.is_dry_run ? 0 : run->convention->run;
        is_ok = work_run(run, err);
        repeatables_check(run, is_ok);
    }
    run->convention->run = run_before;
    return is_ok;
}

/* On one connection: to the end, to a failure, or until the connection is lost and there is another. */
static bool execute_once(Runner *runner, Arena *arena, const char *expected_digest,
                         Reconnects *reconnects, RunResult *result, Error *err)
{
    Run run;
    const PlanRequest request = reconnects->request;
    reconnects->goes_on = false;
    bool is_ok = work_begin(&run, runner, arena, result, err);
    run.reconnects = reconnects;
    is_ok = is_ok && execute(&run, &request, expected_digest, err);
    if (!is_ok && run.units.len == 0 && reconnect(&run, err))
        error_clear(err);
    /* With something done, the state is that of the history in memory; without, it is the plan's. */
    if (is_ok && run.units.len > 0)
        is_ok = result_finish(&run, true, err);
    lock_drop(&run);
    work_done(&run);
    return is_ok;
}

bool run_execute(Runner *runner, Arena *arena, const PlanRequest *request,
                 const char *expected_digest, RunResult *ret_result, Error *err)
{
    Reconnects reconnects = {.request = *request};
    int64_t began_us = clock_monotonic_us();
    *ret_result = (RunResult){.is_dry_run = runner->settings.is_dry_run};
    bool is_ok;
    do {
        /* What a saved plan says was looked at before anything began; from then on it is what is left that counts. */
        const char *digest = reconnects.left.len > 0 ? NULL : expected_digest;
        is_ok = execute_once(runner, arena, digest, &reconnects, ret_result, err);
    } while (!is_ok && reconnects.goes_on);
    ret_result->duration_us = clock_monotonic_us() - began_us;
    return is_ok;
}

bool run_resume(Runner *runner, Arena *arena, uint32_t from, bool skip, RunResult *ret_result,
                Error *err)
{
    PlanRequest request = {.verb = PLAN_RESUME, .resume_from = -1};
    if (from > 0 && skip)
        return error_set(err, ERROR_USAGE, "--from and --skip exclude each other");
    if (from > 0) {
        request.settles = true;
        request.resume_from = (int64_t)from - 1;
    } else if (skip) {
        History history = {0};
        *ret_result = (RunResult){0};
        if (!read_history(runner, arena, 0, &history, err))
            return false;
        for (size_t i = 0; i < history.rows.len; i++) {
            const HistoryRow *row = &history.rows.items[i];
            if (row->outcome != HISTORY_RUNNING_UP && row->outcome != HISTORY_RUNNING_DOWN)
                continue;
            request.settles = true;
            request.resume_from = (int64_t)row->done + 1;
        }
    }
    return run_execute(runner, arena, &request, NULL, ret_result, err);
}

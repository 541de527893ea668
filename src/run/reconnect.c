/* A connection that is lost amid a run: sought again for a bounded time, and the rest of the plan handed back to be
 * planned and run anew. SPDX-License-Identifier: Apache-2.0
 *
 * Safe, because nothing is taken over from the lost session: its end is waited for (its lock is free then), the history
 * is read again, the lock taken again, and the plan made again; and only if that plan is what was left of the old one,
 * it runs. What was in doubt is settled as it is after a crash, or stops the run. */
#include <string.h>

#include "run/work.h"

/* A statement that ends its own session, or the server, is not to do so for ever. */
enum { MOST_WITHOUT_PROGRESS = 2, FIRST_PAUSE_MS = 100, LONGEST_PAUSE_MS = 2000, MS = 1000 };

static bool is_lost(const Run *run, const Error *err)
{
    return err->kind == ERROR_CONNECT && run->db->is_broken;
}

static bool may_reconnect(const Run *run, const Error *err)
{
    const Runner *runner = run->runner;
    return run->reconnects && is_lost(run, err) && runner->url && !run->db->is_adopted &&
           run->db->driver->replace && runner->settings.reconnect_ms > 0 &&
           !runner->settings.is_dry_run && !cancel_requested(runner);
}

/* Whether anything has come to its end since the connection was last lost. */
static bool is_worth_it(Run *run)
{
    Reconnects *reconnects = run->reconnects;
    size_t done = run->result->applied.len + run->result->rolled_back.len;
    if (done > reconnects->done_before)
        reconnects->without_progress = 0;
    reconnects->done_before = done;
    return reconnects->without_progress++ < MOST_WITHOUT_PROGRESS;
}

/* Opens the connection again and asks it what is done, until the patience ends. A server that says no for good (another
 * password, the database is gone) is believed. */
static bool ask_again(Run *run, size_t *ret_done, Error *err)
{
    Runner *runner = run->runner;
    int64_t until_us = clock_monotonic_us() + runner->settings.reconnect_ms * MS;
    int64_t pause_ms = FIRST_PAUSE_MS;
    int64_t slept_ms = 0; /* counts, too: a clock that stands still ends no patience */
    for (;;) {
        error_clear(err);
        if (FAULT("run.reconnect", err))
            return false;
        bool is_open = !run->db->is_broken || db_reopen(run->db, runner->url, err);
        /* Where nothing had begun, the lock says by itself when the lost session is gone. */
        if (is_open && (run->units.len == 0 || failure_find_out(run, run->db, ret_done, err)))
            return true;
        bool is_final = err->kind == ERROR_NOMEM || err->kind == ERROR_CANCELLED ||
                        (err->code && (strcmp(err->code, "wrong-password") == 0 ||
                                       strcmp(err->code, "database-absent") == 0));
        if (is_final || clock_monotonic_us() + pause_ms * MS > until_us ||
            slept_ms + pause_ms > runner->settings.reconnect_ms ||
            !pause_for(runner, pause_ms, err))
            return false;
        slept_ms += pause_ms;
        pause_ms = pause_ms * 2 > LONGEST_PAUSE_MS ? LONGEST_PAUSE_MS : pause_ms * 2;
    }
}

static bool is_relative(Str to)
{
    return to.len > 0 && (to.ptr[0] == '+' || to.ptr[0] == '-');
}

/* What to ask for, so that the plan becomes what is left. False: it cannot be said. */
static bool ask_for_rest(const Plan *plan, size_t done, PlanRequest *ret_request)
{
    PlanRequest request = plan->request;
    size_t left = plan->steps.len - done;
    request.settled = (SettledVec){0};
    request.settles =
        false; /* what the user has said, has been done by now; or the journal is asked */
    request.resume_from = -1;
    switch (request.verb) {
    case PLAN_MIGRATE:
        if (request.steps > 0 || is_relative(request.to)) {
            request.to = (Str){0};
            request.steps = (uint32_t)left;
        }
        break;
    case PLAN_ROLLBACK:
        if (is_relative(request.to) ||
            (request.to.len == 0 && !request.is_all && !request.is_last_run)) {
            request.to = (Str){0};
            request.steps = (uint32_t)left;
        }
        break;
    case PLAN_GOTO:
        if (is_relative(request.to))
            request.to = plan->target.len > 0 ? plan->target : STR("base");
        break;
    case PLAN_REDO:
        if (done > 0)
            return false;
        break;
    case PLAN_SYNC:
    case PLAN_RESUME:
        break;
    }
    *ret_request = request;
    return true;
}

static bool tell(Run *run, const Error *lost, size_t left)
{
    scoped(Arena *, arena_freep) scratch = arena_new();
    char *text =
        scratch
            ? str_format(scratch,
                         left > 0 ? "%s; there is a new one, and the run goes on with %zu of %zu"
                                  : "%s; it had done all there was to do",
                         lost->message ? lost->message : "the connection was lost", left,
                         run->plan.steps.len)
            : NULL;
    if (!text)
        return false;
    event_note(run->runner, text);
    return true;
}

/* After the plan was done, hooks were still to come: nobody knows whether they ran. */
static bool is_all_there_is(const Run *run)
{
    return run->hooks[HOOK_AFTER_MIGRATE].len == 0 && run->hooks[HOOK_AFTER_ROLLBACK].len == 0;
}

/* A server that crashed, or a standby in its place, may have lost the last transactions whole: migrations and their rows.
 * They are to do again, and are no longer said to be done. */
static void forget_lost(Run *run, size_t done)
{
    size_t ups = 0, downs = 0;
    for (size_t i = 0; i < done; i++) {
        const PlanStep *step = &run->plan.steps.items[i];
        if (step->kind != STEP_SKIP)
            *(step_is_down(step) ? &downs : &ups) += 1;
    }
    run->applied_kept = run->applied_before + ups;
    run->rolled_kept = run->rolled_before + downs;
    event_note(run->runner, "migrations that were done before are lost with it, and run again");
}

/* Whether somebody has closed this run in the run log, and so ended its session on purpose. */
static bool was_ended(Run *run, Arena *scratch)
{
    const Convention *convention = run->convention->convention;
    RunRowVec runs = {0};
    Error ignored = {.arena = scratch};
    return convention->runs_read && run->result->run > 0 &&
           convention->runs_read(run->convention, run->db, scratch, 1, &runs, &ignored) &&
           runs.len > 0 && runs.items[0].run == run->result->run &&
           !str_eq(runs.items[0].outcome, STR("running"));
}

bool reconnect(Run *run, Error *err)
{
    RunResult *result = run->result;
    Reconnects *reconnects = run->reconnects;
    if (!may_reconnect(run, err))
        return false;
    scoped(Arena *, arena_freep) scratch = arena_new();
    Error own = {.arena = scratch};
    size_t applied = run->applied_kept, rolled = run->rolled_kept, kept = run->finished_kept;
    size_t done = 0;
    result->applied.len = applied;
    result->rolled_back.len = rolled;
    run->finished.len = run->finished_kept;
    if (!scratch || !is_worth_it(run))
        return false;
    event_note(run->runner, "the connection to the database was lost; seeking a new one");
    bool is_answered = ask_again(run, &done, &own);
    if (is_answered && run->units.len == 0) {
        reconnects->goes_on = true;
        return true;
    }
    bool is_ended = is_answered && was_ended(run, scratch);
    if (is_ended)
        event_note(run->runner, "somebody has released the lock of this run: it ends here");
    is_answered = is_answered && !is_ended;
    if (is_answered && done < kept)
        forget_lost(run, done);
    if (is_answered && ask_for_rest(&run->plan, done, &reconnects->request) &&
        (done < run->plan.steps.len || is_all_there_is(run))) {
        size_t left = run->plan.steps.len - done;
        reconnects->left =
            (PlanStepVec){.items = run->plan.steps.items + done, .len = left, .cap = left};
        reconnects->goes_on = left > 0;
        result->applied.len = run->applied_kept;
        result->rolled_back.len = run->rolled_kept;
        (void)tell(run, err, left);
        return true;
    }
    /* What was found out is forgotten: it is asked for once more when the failure is told. */
    run->applied_kept = result->applied.len = applied;
    run->rolled_kept = result->rolled_back.len = rolled;
    run->finished_kept = run->finished.len = kept;
    run->db->is_broken = true;
    return false;
}

static bool is_same(const PlanStep *a, const PlanStep *b)
{
    bool is_same_text = a->is_stored_down || b->is_stored_down || !a->script || !b->script ||
                        str_eq(a->script->checksum, b->script->checksum);
    return a->kind == b->kind && a->migration_kind == b->migration_kind &&
           a->is_fake == b->is_fake && str_eq(step_version(a), step_version(b)) &&
           str_eq(step_name(a), step_name(b)) && is_same_text;
}

bool reconnect_fits(const Run *run, Error *err)
{
    const PlanStepVec *left = run->reconnects ? &run->reconnects->left : NULL;
    if (!left || left->len == 0)
        return true;
    bool fits = left->len == run->plan.steps.len;
    for (size_t i = 0; fits && i < left->len; i++)
        fits = is_same(&left->items[i], &run->plan.steps.items[i]);
    if (fits)
        return true;
    error_set(err, ERROR_STATE,
              "the connection was lost, and what is left to do is no longer what was planned");
    error_code(err, "plan-outdated");
    return error_hint(err, "Look at what holds, then run it again: whimbrel status");
}

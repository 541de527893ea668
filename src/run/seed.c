/* Seeds: an environment's data, in one transaction. SPDX-License-Identifier: Apache-2.0 */
#include "run/work.h"

/* Segments one behind the other; the transaction goes on from seed to seed until a statement forbids it. */
static bool add_seed(Run *run, const Seed *seed, bool *resets, Error *err)
{
    SegmentVec segments = {0};
    if (!compile_script(run, seed->script, &segments, err))
        return false;
    for (size_t i = 0; i < segments.len; i++) {
        const Segment *segment = &segments.items[i];
        Unit unit = {.kind = segment->kind == SEGMENT_LONE ? UNIT_LONE : UNIT_TRANSACTION,
                     .step = NO_STEP,
                     .script = seed->script,
                     .segment = segment,
                     .seed = i == 0 ? seed : NULL};
        *resets = *resets || segment->sets_session;
        if (!vec_push(run->arena, &run->units, unit))
            return error_nomem(err);
    }
    return true;
}

static bool has_lone(const Run *run)
{
    for (size_t i = 0; i < run->units.len; i++)
        if (run->units.items[i].kind == UNIT_LONE)
            return true;
    return false;
}

static bool seed_all(Run *run, Str environment, Error *err)
{
    const SeedVec *seeds = &run->runner->set->seeds;
    bool resets = false, has_any = false;
    for (size_t i = 0; i < seeds->len; i++) {
        if (!str_eq(seeds->items[i].environment, environment))
            continue;
        has_any = true;
        if (!add_seed(run, &seeds->items[i], &resets, err))
            return false;
    }
    if (!has_any) {
        error_set(err, ERROR_USAGE, "there are no seeds for '%.*s'", STR_ARG(environment));
        error_code(err, "no-seeds");
        return error_hint(err,
                          "Seeds are in seeds/%.*s.sql or seeds/%.*s/*.sql beside the migrations.",
                          STR_ARG(environment), STR_ARG(environment));
    }
    if (has_lone(run)) {
        if (run->runner->settings.is_dry_run)
            return compile_refuses_lone(run, err);
        event_note(run->runner,
                   "a statement of the seeds cannot run in a transaction: they are not all one");
        run->is_whole = false;
    } else {
        run->is_whole = true;
    }
    if (resets &&
        !vec_push(run->arena, &run->units,
                  (Unit){.kind = UNIT_RESET, .step = NO_STEP, .segment = &segment_of_none}))
        return error_nomem(err);
    compile_last_commit(run);
    run->releases_at_end = true;
    return compile_refuses_pooled(run, err) && lock_take(run, err) && work_run(run, err);
}

bool run_seed(Runner *runner, Arena *arena, Str environment, RunResult *ret_result, Error *err)
{
    Run run;
    *ret_result = (RunResult){.is_dry_run = runner->settings.is_dry_run};
    bool is_ok = work_begin(&run, runner, arena, ret_result, err);
    run.is_record_only = true;
    is_ok = is_ok && seed_all(&run, environment, err);
    if (is_ok)
        ret_result->duration_us = clock_monotonic_us() - run.began_us;
    lock_drop(&run);
    work_done(&run);
    return is_ok;
}

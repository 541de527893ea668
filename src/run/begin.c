/* A run made ready: what it needs, gathered in one place; and the reading of history and scripts that every command
 * begins with. SPDX-License-Identifier: Apache-2.0 */
#include "run/work.h"

static bool add_placeholder(Run *run, Str name, Str value)
{
    /* What the project says stands above what is built in. */
    for (size_t i = 0; i < run->placeholders.len; i++)
        if (str_eq(run->placeholders.items[i].name, name))
            return true;
    return vec_push(run->arena, &run->placeholders, (SqlPlaceholder){name, value});
}

static bool fill_placeholders(Run *run, Error *err)
{
    const RunSettings *settings = &run->runner->settings;
    char now[TIMESTAMP_TEXT];
    Str now_text;
    run->version_placeholder = SIZE_MAX;
    if (!settings->has_placeholders)
        return true;
    for (size_t i = 0; i < settings->placeholders.len; i++)
        if (!vec_push(run->arena, &run->placeholders, settings->placeholders.items[i]))
            return error_nomem(err);
    if (!str_copy(run->arena, str_from(timestamp_iso(run->began_at, now)), &now_text) ||
        !add_placeholder(run, STR("env"), settings->environment) ||
        !add_placeholder(run, STR("database"), str_from(run->db->info.database)) ||
        !add_placeholder(run, STR("user"), str_from(run->db->info.user)) ||
        !add_placeholder(run, STR("timestamp"), now_text))
        return error_nomem(err);
    size_t count = run->placeholders.len;
    if (!add_placeholder(run, STR("version"), (Str){0}))
        return error_nomem(err);
    if (run->placeholders.len > count)
        run->version_placeholder = count;
    return true;
}

bool session_set_up(Run *run, Error *err)
{
    const ConventionContext *context = run->convention;
    StrVec statements = {0};
    bool is_set = true;
    if (!context->convention->session || run->has_set_up)
        return true;
    if (!context->convention->session(context, run->db, run->arena, &statements, err) ||
        (statements.len > 0 && !db_set_defaults(run->db, &statements, &is_set, err)))
        return error_wrap(err, "setting up the session as %s does", context->convention->title);
    char *note =
        is_set ? NULL
               : str_format(run->arena,
                            "the session is not set up as %s does it: the proxy in between lends "
                            "sessions for single transactions",
                            context->convention->title);
    if (note)
        event_note(run->runner, note);
    run->has_set_up = is_set || note;
    return run->has_set_up || error_nomem(err);
}

bool work_begin(Run *run, Runner *runner, Arena *arena, RunResult *result, Error *err)
{
    *run = (Run){.runner = runner,
                 .db = runner->db,
                 .convention = runner->convention,
                 .arena = arena,
                 .result = result,
                 .begun_step = NO_STEP,
                 .attempt_unit = NO_STEP,
                 .wait.unit = NO_STEP,
                 .last_commit = NO_STEP,
                 .applied_before = result->applied.len,
                 .rolled_before = result->rolled_back.len,
                 .applied_kept = result->applied.len,
                 .rolled_kept = result->rolled_back.len,
                 .applied_flushed = result->applied.len,
                 .rolled_flushed = result->rolled_back.len,
                 .began_us = clock_monotonic_us(),
                 .began_at = clock_now()};
    run->convention->has_prepared = false; /* the session may be another one */
    run->split = db_split_options(runner->db, NULL);
    run->is_nested = db_has(runner->db, DB_NEST_RUN);
    run->is_whole = runner->policy.is_single_transaction || runner->settings.is_dry_run;
    run->chunk.arena = arena_new();
    run->feed.arena = arena_new();
    run->timeouts_arena = arena_new();
    run->session_arena = arena_new();
    run->session_step = NO_STEP;
    if (!run->chunk.arena || !run->feed.arena || !run->timeouts_arena || !run->session_arena)
        return error_nomem(err);
    /* SQLite takes foreign_keys only outside transactions, and its lock is one; elsewhere it would be a message for nothing where
     * nothing is to be run. */
    return (!db_has(run->db, DB_FILE_LOCK) || session_set_up(run, err)) &&
           fill_placeholders(run, err);
}

void work_done(Run *run)
{
    feed_close(run);
    wait_done(run);
    arena_free(run->chunk.arena);
    arena_free(run->feed.arena);
    arena_free(run->timeouts_arena);
    arena_free(run->session_arena);
    run->chunk.arena = run->feed.arena = run->timeouts_arena = run->session_arena = NULL;
}

bool read_all(Runner *runner, Arena *arena, const History *history, bool with_all, Error *err)
{
    /* Scripts are read as this server's session reads them. */
    MigrationSet *set = runner->set;
    set->script_options.split = db_split_options(runner->db, set->script_options.split.file);
    migration_set_expect(set, history);
    return migration_set_read(arena, set, with_all, err) &&
           /* What is applied needs its parts where the way may lead down and up again. */
           migration_set_read_due(arena, set, history, with_all, err);
}

/* What the steps have made of the set's migrations. *ret_done NULL: that takes more to tell. */
static bool find_done(const Run *run, Arena *scratch, unsigned char **ret_done)
{
    const MigrationSet *set = run->runner->set;
    *ret_done = NULL;
    if (run->has_downs || set->parents || run->finished_noted > 0)
        return true;
    unsigned char *done = arena_alloc(scratch, set->migrations.len + 1);
    if (!done)
        return false;
    for (size_t i = 0; i < run->finished_kept; i++) {
        const PlanStep *step = &run->plan.steps.items[run->finished.items[i]];
        if (!step->migration)
            return true;
        bool is_skipped = step->kind == STEP_SKIP && !step->is_marked;
        done[step->migration - set->migrations.items] =
            is_skipped ? PLAN_DONE_SKIPPED : PLAN_DONE_APPLIED;
    }
    *ret_done = done;
    return true;
}

static bool find_standing(Run *run, bool is_plan_done, Error *err)
{
    Overview overview = {0};
    const Runner *runner = run->runner;
    RunResult *result = run->result;
    unsigned char *done = NULL;
    scoped(Arena *, arena_freep) scratch = arena_new();
    if (!scratch || (is_plan_done && !find_done(run, scratch, &done)))
        return error_nomem(err);
    if (done)
        return plan_standing(scratch, runner->set, &run->history, &runner->policy, done,
                             &result->state, &result->current, err);
    if (!history_bring_up(run, is_plan_done, err) ||
        (!run->history.order && !history_finish(run->arena, &run->history, err)) ||
        /* Two words of it are wanted, and those are the history's or the files' own. */
        !plan_overview(scratch, runner->set, &run->history, &runner->policy, &overview, err))
        return false;
    result->state = overview.state;
    result->current = overview.current;
    return true;
}

bool result_finish(Run *run, bool is_plan_done, Error *err)
{
    if (!find_standing(run, is_plan_done, err))
        return false;
    run->result->duration_us = clock_monotonic_us() - run->began_us;
    return true;
}

PlanPolicy run_policy(const Db *db, const ConventionContext *convention)
{
    unsigned features = convention->convention->features;
    bool is_whole = (features & CONVENTION_WHOLE_RUN) != 0 && !convention->runs_each_alone;
    return (PlanPolicy){.engine = db->info.engine,
                        .server_version = db->info.version_number,
                        .allows_out_of_order = (features & CONVENTION_OUT_OF_ORDER) != 0 ||
                                               convention->allows_out_of_order,
                        .target = convention->target,
                        .is_single_transaction = is_whole,
                        .is_single_by_habit = is_whole,
                        .skips_irreversible = (features & CONVENTION_SKIPS_IRREVERSIBLE) != 0,
                        .allows_empty = (features & CONVENTION_EMPTY) != 0,
                        .has_journal = (features & CONVENTION_JOURNAL) != 0};
}

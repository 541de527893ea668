/* whimbrel migrate. SPDX-License-Identifier: Apache-2.0 */
#include "cli/commands.h"
#include "cli/saved_plan.h"

typedef struct MigrateArgs {
    Str to, phase, plan;
    uint32_t steps;
    bool single_transaction, out_of_order, ignore_missing, dry_run, fake;
    bool verify, no_verify;
} MigrateArgs;

/* What its test finds wanting is taken back, as Sqitch does it; what was applied before it stays. */
static bool take_back(Cli *cli, const Migration *migration, Error *why, Error *err)
{
    const PlanRequest request = {.verb = PLAN_ROLLBACK, .steps = 1, .resume_from = -1};
    const char *label =
        migration_label(cli->arena, migration->version, migration->name, migration->kind);
    Error ignored = {.arena = cli->arena};
    RunResult result = {0};
    if (!label)
        return error_nomem(err);
    bool has_down = migration_has_down(migration);
    bool is_back =
        has_down && run_execute(&cli->runner, cli->arena, &request, NULL, &result, &ignored);
    *err = *why;
    error_wrap(err, "verifying %s", label);
    error_code(err, "verify-failed");
    return error_hint(err, is_back ? "Its revert script has taken it back; what was applied before "
                                     "it stays. Mend its scripts, and run this again."
                           : has_down ? "It is applied all the same: its revert script failed, too."
                                      : "It is applied all the same: there is no revert script.");
}

/* One after the other, each tested before the next. digest: of the plan that it has to be; NULL: any. */
static bool migrate_verified(Cli *cli, const PlanRequest *request, const char *digest, Error *err)
{
    History history;
    Plan plan;
    RunResult whole = {0};
    if (!run_plan(&cli->runner, cli->arena, request, &history, &plan, err))
        return false;
    const char *now = digest ? run_plan_digest(cli->arena, &plan, &history) : NULL;
    if (digest && !now)
        return error_nomem(err);
    if (plan.stops || plan.steps.len == 0 || (digest && !str_eq(str_from(digest), str_from(now)))) {
        if (!digest)
            return run_or_show(cli, request, false, err);
        bool is_ok = run_execute(&cli->runner, cli->arena, request, digest, &cli->result, err);
        return cli_finish_run(cli, is_ok, false, err);
    }
    for (size_t i = 0; i < plan.steps.len; i++) {
        const PlanStep *step = &plan.steps.items[i];
        PlanRequest one = *request;
        Error why = {.arena = cli->arena};
        bool has = false;
        one.to = step_version(step);
        one.steps = 0;
        bool is_ok = run_execute(&cli->runner, cli->arena, &one, NULL, &cli->result, err);
        for (size_t k = 0; k < cli->result.applied.len; k++)
            if (!vec_push(cli->arena, &whole.applied, cli->result.applied.items[k]))
                return error_nomem(err);
        int64_t duration_us = whole.duration_us + cli->result.duration_us;
        cli->result.applied = whole.applied;
        whole = cli->result;
        whole.duration_us = cli->result.duration_us = duration_us;
        if (!is_ok)
            return cli_finish_run(cli, false, false, err);
        const Migration *migration = migration_set_find(&cli->set, step_version(step));
        if (migration && !run_verify(&cli->runner, migration, &has, &why)) {
            cli->has_result = true;
            return take_back(cli, migration, &why, err);
        }
    }
    return cli_finish_run(cli, true, false, err);
}

/* The option, or the tool's own configuration where nothing that was said is against it. */
static bool wants_verify(const Cli *cli, const MigrateArgs *options)
{
    return (options->verify || cli->context.verifies) && !options->no_verify && !options->fake &&
           cli->context.convention->verify_script && !cli->runner.policy.is_single_transaction;
}

static bool migrate_saved(Cli *cli, const MigrateArgs *options, Error *err)
{
    SavedPlan saved;
    if (!saved_plan_read(cli, options->plan, PLAN_MIGRATE, &saved, err))
        return false;
    cli->runner.policy.phase = saved.phase;
    cli->runner.policy.is_single_transaction = saved.is_single_transaction;
    cli->runner.policy.allows_out_of_order = saved.allows_out_of_order;
    cli->runner.policy.allows_missing = saved.allows_missing;
    if (wants_verify(cli, options))
        return migrate_verified(cli, &saved.request, saved.digest, err);
    bool is_ok =
        run_execute(&cli->runner, cli->arena, &saved.request, saved.digest, &cli->result, err);
    return cli_finish_run(cli, is_ok, false, err);
}

static bool migrate_check(const void *args, Error *err)
{
    const MigrateArgs *options = args;
    if (options->plan.len > 0 && (options->to.len > 0 || options->steps > 0 ||
                                  options->phase.len > 0 || options->fake || options->dry_run)) {
        error_set(err, ERROR_USAGE,
                  "migrate: --plan says all there is to say; other options do not go with it");
        return error_code(err, "bad-option");
    }
    if (!options->verify)
        return true;
    const char *other = options->no_verify            ? "no-verify"
                        : options->dry_run            ? "dry-run"
                        : options->fake               ? "fake"
                        : options->single_transaction ? "single-transaction"
                                                      : NULL;
    if (!other)
        return true;
    error_set(err, ERROR_USAGE, "migrate: --verify and --%s do not go together", other);
    return error_code(err, "bad-option");
}

/* That it is not asked for in vain. */
static bool check_verify(const Cli *cli, Error *err)
{
    const Convention *convention = cli->context.convention;
    if (!convention->verify_script) {
        error_set(err, ERROR_UNSUPPORTED,
                  "migrate: --verify runs verify scripts, which the convention %s does not have",
                  convention->name);
        return error_code(err, "not-in-convention");
    }
    if (cli->runner.policy.is_single_transaction) {
        error_set(err, ERROR_USAGE,
                  "migrate: --verify and the configuration's single-transaction "
                  "do not go together");
        return error_code(err, "bad-option");
    }
    return true;
}

static bool migrate_run(Cli *cli, const void *args, Error *err)
{
    const MigrateArgs *options = args;
    PlanPolicy *policy = &cli->runner.policy;
    if (options->plan.len > 0)
        return (!options->verify || check_verify(cli, err)) && migrate_saved(cli, options, err);
    policy->phase = str_eq(options->phase, STR("expand"))     ? PHASE_EXPAND
                    : str_eq(options->phase, STR("contract")) ? PHASE_CONTRACT
                                                              : PHASE_NONE;
    policy->is_single_transaction |= options->single_transaction;
    policy->is_single_by_habit &= !options->single_transaction;
    policy->allows_out_of_order = policy->allows_out_of_order || options->out_of_order;
    policy->allows_missing = policy->allows_missing || options->ignore_missing;
    const PlanRequest request = {
        .verb = PLAN_MIGRATE,
        .to = options->to,
        .steps = options->steps,
        .is_fake = options->fake,
        .resume_from = -1,
    };
    if (options->verify && !check_verify(cli, err))
        return false;
    if (wants_verify(cli, options) && !options->dry_run)
        return migrate_verified(cli, &request, NULL, err);
    if (wants_verify(cli, options))
        cli_note(cli, "the verify scripts run with the migrations themselves, not with a dry run");
    return run_or_show(cli, &request, options->dry_run, err);
}

static const char *const phase_choices[] = {"expand", "contract", NULL};

static const Option migrate_options[] = {
    {.name = "to",
     .type = OPTION_STRING,
     .value = "V",
     .offset = offsetof(MigrateArgs, to),
     .complete = COMPLETE_VERSION,
     .help = "stop after version V: a version, a unique prefix, a name, head, +N"},
    {.name = "steps",
     .type = OPTION_COUNT,
     .value = "N",
     .offset = offsetof(MigrateArgs, steps),
     .help = "at most N migrations"},
    {.name = "phase",
     .type = OPTION_CHOICE,
     .value = "expand|contract",
     .choices = phase_choices,
     .offset = offsetof(MigrateArgs, phase),
     .complete = COMPLETE_CHOICE,
     .help = "only the migrations of this phase"},
    {.name = "single-transaction",
     .type = OPTION_FLAG,
     .offset = offsetof(MigrateArgs, single_transaction),
     .help = "the whole run in one transaction: all of it or nothing"},
    {.name = "out-of-order",
     .type = OPTION_FLAG,
     .offset = offsetof(MigrateArgs, out_of_order),
     .help = "apply those too that are older than the newest applied one"},
    {.name = "ignore-missing",
     .type = OPTION_FLAG,
     .offset = offsetof(MigrateArgs, ignore_missing),
     .help = "go on though applied ones have no file here"},
    {.name = "dry-run",
     .type = OPTION_FLAG,
     .offset = offsetof(MigrateArgs, dry_run),
     .help =
         "run it all inside a transaction and roll back; where the engine cannot, print the plan"},
    {.name = "fake",
     .type = OPTION_FLAG,
     .offset = offsetof(MigrateArgs, fake),
     .help = "record as applied without running"},
    {.name = "verify",
     .type = OPTION_FLAG,
     .offset = offsetof(MigrateArgs, verify),
     .help = "run each one's verify script behind it, and take back what fails it (Sqitch)"},
    {.name = "no-verify",
     .type = OPTION_FLAG,
     .offset = offsetof(MigrateArgs, no_verify),
     .help = "do not, although the tool's configuration wants it"},
    {.name = "plan",
     .type = OPTION_STRING,
     .value = "FILE",
     .offset = offsetof(MigrateArgs, plan),
     .complete = COMPLETE_FILE,
     .help = "run a saved plan, if files and database are still as they were"},
    {0},
};

static const Example migrate_examples[] = {
    {"whimbrel migrate", "applies what is pending"},
    {"whimbrel migrate --to 20250405120000", "no further than this version"},
    {"whimbrel migrate --dry-run", "tries it all, and leaves the database as it was"},
    {"whimbrel migrate --lock-wait 5min",
     "in a rollout: waits for another instance that is migrating"},
    {0},
};

static const ExitNote migrate_exits[] = {
    {4, "the migration lock could not be had within --lock-wait"},
    {0},
};

const Command cmd_migrate = {
    .name = "migrate",
    .summary = "apply what is pending",
    .about =
        "Each migration runs in a transaction of its own, together with its row in the history: it "
        "is applied if "
        "and only if the history says so. What cannot run in a transaction runs statement by "
        "statement, and the "
        "history says how far it came. Repeatables that changed run after the versioned ones.\n\n"
        "An absent SQLite file is made.",
    .group = GROUP_EVERY_DAY,
    .options = migrate_options,
    .examples = migrate_examples,
    .exits = migrate_exits,
    .args_size = sizeof(MigrateArgs),
    .needs = NEEDS_SETTINGS | NEEDS_MIGRATIONS | NEEDS_DATABASE | MAY_CREATE | PRINTS_RESULT |
             HAS_EVENTS,
    .check = migrate_check,
    .run = migrate_run,
};

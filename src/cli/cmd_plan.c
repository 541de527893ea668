/* whimbrel plan. SPDX-License-Identifier: Apache-2.0 */
#include "cli/commands.h"
#include "cli/saved_plan.h"

typedef struct PlanArgs {
    Str to, phase, save;
    bool down, all, last_run, out_of_order, ignore_missing, single_transaction;
    uint32_t steps;
} PlanArgs;

static bool plan_check(const void *args, Error *err)
{
    const PlanArgs *options = args;
    if ((options->all || options->last_run) && !options->down) {
        error_set(err, ERROR_USAGE, "plan: --all and --last-run go with --down");
        return error_code(err, "bad-option");
    }
    if (options->all + options->last_run + (options->to.len > 0) + (options->steps > 0) > 1 &&
        (options->down || options->all || options->last_run)) {
        error_set(err, ERROR_USAGE, "plan: --to, --steps, --all and --last-run exclude each other");
        return error_code(err, "bad-option");
    }
    return true;
}

static void plan_request(Cli *cli, const PlanArgs *options, PlanRequest *ret_request)
{
    PlanPolicy *policy = &cli->runner.policy;

    policy->phase = str_eq(options->phase, STR("expand"))     ? PHASE_EXPAND
                    : str_eq(options->phase, STR("contract")) ? PHASE_CONTRACT
                                                              : PHASE_NONE;
    policy->is_single_transaction |= options->single_transaction;
    policy->is_single_by_habit &= !options->single_transaction;
    policy->allows_out_of_order = policy->allows_out_of_order || options->out_of_order;
    policy->allows_missing = policy->allows_missing || options->ignore_missing;
    *ret_request = (PlanRequest){
        .verb = options->down ? PLAN_ROLLBACK : PLAN_MIGRATE,
        .to = options->to,
        .steps = options->steps,
        .is_all = options->all,
        .is_last_run = options->last_run,
        .resume_from = -1,
    };
}

static bool plan_run(Cli *cli, const void *args, Error *err)
{
    const PlanArgs *options = args;
    PlanRequest request;
    History history;
    Plan plan;
    plan_request(cli, options, &request);
    if (!run_plan(&cli->runner, cli->arena, &request, &history, &plan, err))
        return false;
    if (plan.stops && !cli->is_json)
        return plan_error(&plan, err);
    if (options->save.len > 0 && !plan.stops) {
        const char *path = str_z(cli->arena, options->save);
        const char *digest = run_plan_digest(cli->arena, &plan, &history);
        ReportSteps steps;
        if (!path || !digest)
            return error_nomem(err);
        if (!run_fill_stored(&cli->runner, cli->arena, &plan, err) ||
            !plan_statements(cli, &plan, &steps, err) ||
            !saved_plan_write(cli, path, &plan, &steps, digest, err))
            return false;
    }
    if (!plan_print(cli, &plan, &history, cli->is_json, err))
        return false;
    if (plan.stops)
        return plan_error(&plan, err);
    if (options->save.len > 0)
        cli_note(
            cli,
            "saved: 'whimbrel %s --plan %.*s' runs it while files and database are as they are now",
            options->down ? "rollback" : "migrate", STR_ARG(options->save));
    return true;
}

static const char *const phase_choices[] = {"expand", "contract", NULL};

static const Option plan_options[] = {
    {.name = "to",
     .type = OPTION_STRING,
     .value = "V",
     .offset = offsetof(PlanArgs, to),
     .complete = COMPLETE_VERSION,
     .help = "as for migrate, or with --down for rollback"},
    {.name = "steps",
     .type = OPTION_COUNT,
     .value = "N",
     .offset = offsetof(PlanArgs, steps),
     .help = "at most N migrations"},
    {.name = "down",
     .type = OPTION_FLAG,
     .offset = offsetof(PlanArgs, down),
     .help = "what rollback would do"},
    {.name = "all",
     .type = OPTION_FLAG,
     .offset = offsetof(PlanArgs, all),
     .help = "with --down: everything"},
    {.name = "last-run",
     .type = OPTION_FLAG,
     .offset = offsetof(PlanArgs, last_run),
     .help = "with --down: what the last run applied"},
    {.name = "phase",
     .type = OPTION_CHOICE,
     .value = "expand|contract",
     .choices = phase_choices,
     .offset = offsetof(PlanArgs, phase),
     .complete = COMPLETE_CHOICE,
     .help = "only the migrations of this phase"},
    {.name = "single-transaction",
     .type = OPTION_FLAG,
     .offset = offsetof(PlanArgs, single_transaction),
     .help = "all of it in one transaction"},
    {.name = "out-of-order",
     .type = OPTION_FLAG,
     .offset = offsetof(PlanArgs, out_of_order),
     .help = "with migrations that are older than the newest applied one"},
    {.name = "ignore-missing",
     .type = OPTION_FLAG,
     .offset = offsetof(PlanArgs, ignore_missing),
     .help = "as for migrate"},
    {.name = "save",
     .type = OPTION_STRING,
     .value = "FILE",
     .offset = offsetof(PlanArgs, save),
     .complete = COMPLETE_FILE,
     .help = "write the plan, for 'whimbrel migrate --plan FILE'"},
    {0},
};

static const Example plan_examples[] = {
    {"whimbrel plan", "what 'whimbrel migrate' would do: each statement and its transaction"},
    {"whimbrel plan --down --steps 2", "what 'whimbrel rollback --steps 2' would do"},
    {"whimbrel plan --save release.plan",
     "to be looked at, and then run as it is by 'whimbrel migrate --plan release.plan'"},
    {0},
};

const Command cmd_plan = {
    .name = "plan",
    .summary = "what migrate or rollback would do",
    .about = "Shows each migration that would run, how it is cut into transactions, and each "
             "statement with its line in "
             "the file. Nothing is changed, no lock is taken.\n\n"
             "With --save the plan is written into a file too. 'whimbrel migrate --plan FILE' runs "
             "it only if files and "
             "database are still those that it was made from.",
    .group = GROUP_EVERY_DAY,
    .options = plan_options,
    .examples = plan_examples,
    .args_size = sizeof(PlanArgs),
    .needs = NEEDS_SETTINGS | NEEDS_MIGRATIONS | NEEDS_DATABASE | READS_ONLY,
    .check = plan_check,
    .run = plan_run,
};

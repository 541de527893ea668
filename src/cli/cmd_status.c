/* whimbrel status. SPDX-License-Identifier: Apache-2.0 */
#include "cli/cli.h"
#include "cli/commands.h"

typedef struct StatusArgs {
    bool check, pending;
    Str range;
} StatusArgs;

static bool status_run(Cli *cli, const void *args, Error *err)
{
    const StatusArgs *options = args;
    History history;
    Overview overview;
    if (!run_states(&cli->runner, cli->arena, &history, &overview, err))
        return false;
    ReportPlace place = cli_place(cli);
    if (options->check && overview.state != OVERALL_UP_TO_DATE)
        cli->exit_code = EXIT_CHECK;
    if (options->range.len > 0 &&
        !plan_range(cli->arena, &overview, options->range, &overview, err))
        return false;
    if (cli->is_json) {
        CliJson json;
        cli_json_begin(cli, &json);
        report_status_json(&json.w, &place, &overview, options->pending);
        return cli_json_end(cli, &json, err);
    }
    Text text = cli_long_text(cli);
    report_status(&text, &place, &overview, options->pending);
    return cli_print(cli, &text, err);
}

static const Option status_options[] = {
    {.name = "check",
     .type = OPTION_FLAG,
     .offset = offsetof(StatusArgs, check),
     .help = "exit with 3 unless everything is applied and nothing is wrong"},
    {.name = "pending",
     .type = OPTION_FLAG,
     .offset = offsetof(StatusArgs, pending),
     .help = "only what is still to be done"},
    {.name = "range",
     .type = OPTION_STRING,
     .value = "FROM:TO",
     .offset = offsetof(StatusArgs, range),
     .help = "only these and what lies between: versions, 'current', 'head', or nothing"},
    {0},
};

static const Example status_examples[] = {
    {"whimbrel status", "the table of all migrations and their states"},
    {"whimbrel status --check --quiet", "in a pipeline: fails when something is pending or wrong"},
    {"whimbrel status --range current:", "what is to come, and what it comes after"},
    {"whimbrel status --output json", "the same for programs"},
    {0},
};

static const ExitNote status_exits[] = {
    {3, "--check found pending work, or something wrong"},
    {0},
};

const Command cmd_status = {
    .name = "status",
    .summary = "all migrations and their states",
    .about =
        "Compares the migrations here with the history in the database, and changes neither.\n\n"
        "States: applied, pending, failed, partial (stopped half-way), changed (the file differs "
        "from what was "
        "applied), missing (applied, but not here), out-of-order (older than the newest applied "
        "one), outdated (a "
        "repeatable that runs again), skipped, baselined.",
    .group = GROUP_EVERY_DAY,
    .options = status_options,
    .examples = status_examples,
    .exits = status_exits,
    .args_size = sizeof(StatusArgs),
    .needs = NEEDS_SETTINGS | NEEDS_MIGRATIONS | NEEDS_DATABASE | READS_ONLY,
    .run = status_run,
};

/* whimbrel goto, redo, sync: further ways to another version. SPDX-License-Identifier: Apache-2.0 */
#include "cli/commands.h"
#include "cli/saved_plan.h"

enum {
    MOVE_NEEDS = NEEDS_SETTINGS | NEEDS_MIGRATIONS | NEEDS_DATABASE | MAY_CREATE | PRINTS_RESULT |
                 HAS_EVENTS,
};

static const ExitNote move_exits[] = {
    {4, "the migration lock could not be had within --lock-wait"},
    {0},
};

/* ---- goto ------------------------------------------------------------------------------------------------------------ */

typedef struct GotoArgs {
    Str to;
    bool dry_run;
} GotoArgs;

static bool goto_run(Cli *cli, const void *args, Error *err)
{
    const GotoArgs *options = args;
    const PlanRequest request = {.verb = PLAN_GOTO, .to = options->to, .resume_from = -1};
    return run_or_show(cli, &request, options->dry_run, err);
}

static const Option goto_options[] = {
    {.name = "dry-run",
     .type = OPTION_FLAG,
     .offset = offsetof(GotoArgs, dry_run),
     .help =
         "run it inside a transaction and roll that back; where the engine cannot, print the plan"},
    {0},
};

static const Argument goto_arguments[] = {
    {.name = "V",
     .type = OPTION_STRING,
     .offset = offsetof(GotoArgs, to),
     .complete = COMPLETE_VERSION,
     .help = "a version, a unique prefix, a name, head, base, +N or -N"},
    {0},
};

static const Example goto_examples[] = {
    {"whimbrel goto 20250405120000", "up or down, whichever leads there"},
    {"whimbrel goto -2", "two back from where the database is"},
    {"whimbrel goto head", "the newest on disk"},
    {0},
};

const Command cmd_goto = {
    .name = "goto",
    .summary = "up or down, whichever leads to a version",
    .about = "Applies or rolls back until V is the newest applied migration. 'head' is the newest "
             "on disk, 'base' is "
             "before the first, +N and -N count from where the database is.",
    .group = GROUP_EVERY_DAY,
    .options = goto_options,
    .arguments = goto_arguments,
    .examples = goto_examples,
    .exits = move_exits,
    .args_size = sizeof(GotoArgs),
    .needs = MOVE_NEEDS,
    .run = goto_run,
};

/* ---- redo ------------------------------------------------------------------------------------------------------------ */

typedef struct RedoArgs {
    uint32_t steps;
    bool dry_run;
} RedoArgs;

static bool redo_run(Cli *cli, const void *args, Error *err)
{
    const RedoArgs *options = args;
    const PlanRequest request = {.verb = PLAN_REDO, .steps = options->steps, .resume_from = -1};
    return run_or_show(cli, &request, options->dry_run, err);
}

static const Option redo_options[] = {
    {.name = "steps",
     .type = OPTION_COUNT,
     .value = "N",
     .offset = offsetof(RedoArgs, steps),
     .help = "the last N migrations; default 1"},
    {.name = "dry-run",
     .type = OPTION_FLAG,
     .offset = offsetof(RedoArgs, dry_run),
     .help =
         "run it inside a transaction and roll that back; where the engine cannot, print the plan"},
    {0},
};

static const Example redo_examples[] = {
    {"whimbrel redo", "after editing the newest migration during development"},
    {0},
};

const Command cmd_redo = {
    .name = "redo",
    .summary = "roll back the last migration and apply it again",
    .about = "For developing: down and up again, so that the file as it is now is what has run.",
    .group = GROUP_EVERY_DAY,
    .options = redo_options,
    .examples = redo_examples,
    .exits = move_exits,
    .args_size = sizeof(RedoArgs),
    .needs = MOVE_NEEDS & ~MAY_CREATE,
    .run = redo_run,
};

/* ---- sync ------------------------------------------------------------------------------------------------------------ */

typedef struct SyncArgs {
    bool dry_run;
} SyncArgs;

static bool sync_run(Cli *cli, const void *args, Error *err)
{
    const SyncArgs *options = args;
    const PlanRequest request = {.verb = PLAN_SYNC, .resume_from = -1};
    return run_or_show(cli, &request, options->dry_run, err);
}

static const Option sync_options[] = {
    {.name = "dry-run",
     .type = OPTION_FLAG,
     .offset = offsetof(SyncArgs, dry_run),
     .help =
         "run it inside a transaction and roll that back; where the engine cannot, print the plan"},
    {0},
};

static const Example sync_examples[] = {
    {"git switch feature && whimbrel sync", "the development database follows the checkout"},
    {0},
};

const Command cmd_sync = {
    .name = "sync",
    .summary = "make the database match this checkout",
    .about = "Rolls back what is applied but absent here, by the down that was kept in the "
             "history, then applies what is "
             "pending. For changing branches.",
    .group = GROUP_EVERY_DAY,
    .options = sync_options,
    .examples = sync_examples,
    .exits = move_exits,
    .args_size = sizeof(SyncArgs),
    .needs = MOVE_NEEDS,
    .run = sync_run,
};

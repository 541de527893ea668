/* whimbrel rollback. SPDX-License-Identifier: Apache-2.0 */
#include "cli/commands.h"
#include "cli/saved_plan.h"

typedef struct RollbackArgs {
    Str to, plan;
    uint32_t steps;
    bool all, last_run, dry_run, backup, fake;
} RollbackArgs;

/* A copy of the database file beside it, made by the engine itself, so that it is whole whatever else is going on. */
static bool make_backup(Cli *cli, Error *err)
{
    char now[TIMESTAMP_TEXT];
    if (!db_has(cli->db, DB_SINGLE_FILE) || str_eq(cli->url.database, STR(":memory:"))) {
        error_set(err, ERROR_UNSUPPORTED,
                  "--backup copies a database that is a file, and %s is none", cli->database_name);
        error_hint(err,
                   "Make the backup with the server's own tool (pg_dump, mariadb-dump) first.");
        return error_code(err, "no-backup");
    }
    const char *path = str_format(cli->arena, "%.*s.%s.backup", STR_ARG(cli->url.database),
                                  timestamp_compact(clock_now(), now));
    StrBuf sql = strbuf(cli->arena);
    strbuf_adds(&sql, "VACUUM INTO ");
    if (path)
        sql_add_literal(&sql, cli->db->driver->dialect, str_from(path));
    Str text;
    if (!path || !strbuf_finish(&sql, &text))
        return error_nomem(err);
    if (!db_exec(cli->db, text, err))
        return error_wrap(err, "copying the database to %s", path);
    cli_note(cli, "the database as it was is in %s", path);
    return true;
}

static bool rollback_saved(Cli *cli, const RollbackArgs *options, Error *err)
{
    SavedPlan saved;
    if (!saved_plan_read(cli, options->plan, PLAN_ROLLBACK, &saved, err))
        return false;
    if (options->backup && !make_backup(cli, err))
        return false;
    bool is_ok =
        run_execute(&cli->runner, cli->arena, &saved.request, saved.digest, &cli->result, err);
    return cli_finish_run(cli, is_ok, false, err);
}

static bool rollback_check(const void *args, Error *err)
{
    const RollbackArgs *options = args;
    int ways = (options->to.len > 0) + (options->steps > 0) + options->all + options->last_run +
               (options->plan.len > 0);
    if (ways > 1) {
        error_set(err, ERROR_USAGE,
                  "rollback: --to, --steps, --all, --last-run and --plan exclude each other");
        return error_code(err, "bad-option");
    }
    return true;
}

static bool rollback_run(Cli *cli, const void *args, Error *err)
{
    const RollbackArgs *options = args;
    if (options->plan.len > 0)
        return rollback_saved(cli, options, err);
    const PlanRequest request = {
        .verb = PLAN_ROLLBACK,
        .to = options->to,
        .steps = options->steps,
        .is_all = options->all,
        .is_last_run = options->last_run,
        .is_fake = options->fake,
        .resume_from = -1,
    };
    if (options->backup && !options->dry_run && !make_backup(cli, err))
        return false;
    return run_or_show(cli, &request, options->dry_run, err);
}

static const Option rollback_options[] = {
    {.name = "steps",
     .type = OPTION_COUNT,
     .value = "N",
     .offset = offsetof(RollbackArgs, steps),
     .help = "the last N migrations; default 1"},
    {.name = "to",
     .type = OPTION_STRING,
     .value = "V",
     .offset = offsetof(RollbackArgs, to),
     .complete = COMPLETE_VERSION,
     .help = "until V is the newest applied: a version, a unique prefix, a name, base, -N"},
    {.name = "all",
     .type = OPTION_FLAG,
     .offset = offsetof(RollbackArgs, all),
     .help = "everything that has a way back"},
    {.name = "last-run",
     .type = OPTION_FLAG,
     .offset = offsetof(RollbackArgs, last_run),
     .help = "what the last run applied"},
    {.name = "dry-run",
     .type = OPTION_FLAG,
     .offset = offsetof(RollbackArgs, dry_run),
     .help =
         "run it inside a transaction and roll that back; where the engine cannot, print the plan"},
    {.name = "backup",
     .type = OPTION_FLAG,
     .offset = offsetof(RollbackArgs, backup),
     .help = "copy the database first (SQLite)"},
    {.name = "fake",
     .type = OPTION_FLAG,
     .offset = offsetof(RollbackArgs, fake),
     .help = "record as not applied without running"},
    {.name = "plan",
     .type = OPTION_STRING,
     .value = "FILE",
     .offset = offsetof(RollbackArgs, plan),
     .complete = COMPLETE_FILE,
     .help = "run a saved plan, if files and database are still as they were"},
    {0},
};

static const Example rollback_examples[] = {
    {"whimbrel rollback", "undoes the last migration"},
    {"whimbrel rollback --last-run", "undoes what the last deployment applied"},
    {"whimbrel rollback --to 20250405120000",
     "this version stays applied, what came after it goes"},
    {0},
};

static const ExitNote rollback_exits[] = {
    {4, "the migration lock could not be had within --lock-wait"},
    {0},
};

const Command cmd_rollback = {
    .name = "rollback",
    .summary = "undo migrations, by default the last one",
    .about =
        "Runs the down of each migration, newest first. Where this checkout no longer has the "
        "file, the down that was "
        "kept in the history when it was applied is used. A migration without a down stops "
        "the command before "
        "anything runs."
        " A repeatable whose view or function went with a down runs again with the next migrate.",
    .group = GROUP_EVERY_DAY,
    .options = rollback_options,
    .examples = rollback_examples,
    .exits = rollback_exits,
    .args_size = sizeof(RollbackArgs),
    .needs = NEEDS_SETTINGS | NEEDS_MIGRATIONS | NEEDS_DATABASE | PRINTS_RESULT | HAS_EVENTS,
    .check = rollback_check,
    .run = rollback_run,
};

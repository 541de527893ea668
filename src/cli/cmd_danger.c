/* whimbrel reset, drop, database: what destroys. SPDX-License-Identifier: Apache-2.0
 *
 * Each is refused unless the configuration says allow_reset = true, which is meant to stand in the tables of
 * environments that hold nothing of value. */
#include "cli/cli.h"
#include "cli/commands.h"

typedef struct NoArgs {
    char nothing;
} NoArgs;

static bool check_allowed(Cli *cli, const char *what, Error *err)
{
    if (cli->settings->allow_reset)
        return true;
    error_set(err, ERROR_USAGE, "%s destroys data, and is not allowed here", what);
    if (cli->settings->environment.len > 0)
        error_hint(err,
                   "Where that is right, say allow_reset = true in [env.%.*s] of whimbrel.toml.",
                   STR_ARG(cli->settings->environment));
    else
        error_hint(err, "Where that is right, say allow_reset = true in whimbrel.toml, best in the "
                        "table of an environment.");
    return error_code(err, "reset-refused");
}

static bool refuse(Error *err)
{
    return error_set(err, ERROR_USAGE, "nothing was changed: the answer was no");
}

/* ---- drop ------------------------------------------------------------------------------------------------------------------ */

static bool ask_name(Cli *cli, const char *what, Error *err)
{
    bool is_same = false;
    const char *question = str_format(cli->arena, "%s of %s. Type the database's name to go on",
                                      what, cli->database_name);
    if (!question)
        return error_nomem(err);
    return cli_confirm_word(cli, question, str_from(cli->database_name), &is_same, err) &&
           (is_same || refuse(err));
}

static bool drop_run(Cli *cli, const void *args, Error *err)
{
    (void)args;
    uint32_t dropped = 0;
    if (!check_allowed(cli, "drop", err) || !cli_open(cli, NEEDS_DATABASE, err) ||
        !ask_name(cli, "This drops every object", err) ||
        !run_drop_all(&cli->runner, cli->arena, &cli->settings->schemas, &dropped, err))
        return false;
    if (cli->is_json) {
        CliJson json;
        ReportPlace place = cli_place(cli);
        cli_json_begin(cli, &json);
        json_begin_object(&json.w);
        report_place_json(&json.w, &place);
        json_key_int(&json.w, "dropped", dropped);
        json_key_null(&json.w, "error");
        json_end_object(&json.w);
        return cli_json_end(cli, &json, err);
    }
    Text text = cli_text(cli);
    text_addf(&text, "%u %s dropped. %s is empty.\n", (unsigned)dropped,
              dropped == 1 ? "object" : "objects", cli->database_name);
    return cli_print(cli, &text, err);
}

static const Example drop_examples[] = {
    {"whimbrel --env development drop",
     "empties the development database, after asking for its name"},
    {0},
};

const Command cmd_drop = {
    .name = "drop",
    .summary = "drop every object in the database",
    .about = "Drops what the user owns in the configured schemas, the history included; the "
             "database itself stays. Refused "
             "unless the environment says allow_reset = true. Asks for the database's name on a "
             "terminal.",
    .group = GROUP_DANGER,
    .examples = drop_examples,
    .args_size = sizeof(NoArgs),
    .needs = NEEDS_SETTINGS,
    .run = drop_run,
};

/* ---- reset ----------------------------------------------------------------------------------------------------------------- */

static bool has_seeds(Cli *cli)
{
    for (size_t i = 0; i < cli->set.seeds.len; i++)
        if (str_eq(cli->set.seeds.items[i].environment, cli->settings->environment))
            return true;
    return false;
}

static bool reset_run(Cli *cli, const void *args, Error *err)
{
    (void)args;
    bool is_yes = false;
    uint32_t dropped = 0;
    const PlanRequest request = {.verb = PLAN_MIGRATE, .resume_from = -1};
    if (!check_allowed(cli, "reset", err) ||
        !cli_open(cli, NEEDS_DATABASE | NEEDS_MIGRATIONS | MAY_CREATE, err))
        return false;
    const char *question =
        str_format(cli->arena, "Drop everything in %s and build it anew?", cli->database_name);
    if (!question)
        return error_nomem(err);
    if (!cli_confirm(cli, question, &is_yes, err))
        return false;
    if (!is_yes)
        return refuse(err);
    /* Scripts are read first: a file that cannot be read is found before anything is dropped. */
    if (!migration_set_read(cli->arena, &cli->set, false, err) ||
        !run_drop_all(&cli->runner, cli->arena, &cli->settings->schemas, &dropped, err))
        return false;
    bool is_ok = run_execute(&cli->runner, cli->arena, &request, NULL, &cli->result, err);
    if (is_ok && has_seeds(cli)) {
        RunResult seeded = {0};
        is_ok = run_seed(&cli->runner, cli->arena, cli->settings->environment, &seeded, err);
        if (!is_ok)
            cli->result = seeded;
    }
    return cli_finish_run(cli, is_ok, false, err);
}

static const Example reset_examples[] = {
    {"whimbrel --env development reset", "drops everything, migrates, seeds"},
    {"whimbrel reset --yes", "without asking"},
    {0},
};

static const ExitNote reset_exits[] = {
    {4, "the migration lock could not be had within --lock-wait"},
    {0},
};

const Command cmd_reset = {
    .name = "reset",
    .summary = "drop everything, migrate, seed",
    .about = "For development. Refused unless the environment says allow_reset = true.",
    .group = GROUP_DANGER,
    .examples = reset_examples,
    .exits = reset_exits,
    .args_size = sizeof(NoArgs),
    .needs = NEEDS_SETTINGS | PRINTS_RESULT | HAS_EVENTS,
    .run = reset_run,
};

/* ---- database --------------------------------------------------------------------------------------------------------------- */

typedef struct DatabaseArgs {
    Str action;
} DatabaseArgs;

static bool database_answer(Cli *cli, const char *key, bool is_done, const char *sentence,
                            Error *err)
{
    if (cli->is_json) {
        CliJson json;
        cli_json_begin(cli, &json);
        json_begin_object(&json.w);
        json_key_text(&json.w, "whimbrel", WHIMBREL_VERSION);
        json_key_str(&json.w, "name", cli->url.database);
        json_key_bool(&json.w, key, is_done);
        json_key_null(&json.w, "error");
        json_end_object(&json.w);
        return cli_json_end(cli, &json, err);
    }
    Text text = cli_text(cli);
    text_add_line(&text, cli->url.database);
    text_addf(&text, " %s.\n", sentence);
    return cli_print(cli, &text, err);
}

static bool database_run(Cli *cli, const void *args, Error *err)
{
    const DatabaseArgs *options = args;
    bool is_drop = str_eq(options->action, STR("drop")), exists = false;
    if ((is_drop && !check_allowed(cli, "database drop", err)) || !cli_url(cli, &cli->url, err))
        return false;
    const DbDriver *driver = cli->url.driver;
    const DbOptions db_options = cli_db_options(cli, MAY_CREATE);
    cli->database_name = str_z(cli->arena, cli->url.database);
    if (!cli->database_name)
        return error_nomem(err);
    if (!driver->database_exists || !driver->database_create || !driver->database_drop) {
        error_set(err, ERROR_UNSUPPORTED, "databases cannot be made or dropped on this engine");
        return error_code(err, "no-databases");
    }
    if (!driver->database_exists(&cli->url, &db_options, &exists, err))
        return false;
    if (!is_drop) {
        if (!exists && !driver->database_create(&cli->url, &db_options, err))
            return false;
        return database_answer(cli, "created", !exists, exists ? "exists already" : "was created",
                               err);
    }
    if (!exists)
        return database_answer(cli, "dropped", false, "does not exist", err);
    if (!ask_name(cli, "This drops the whole database, with everything", err) ||
        !driver->database_drop(&cli->url, &db_options, err))
        return false;
    return database_answer(cli, "dropped", true, "was dropped", err);
}

static const char *const database_actions[] = {"create", "drop", NULL};

static const Argument database_arguments[] = {
    {.name = "create|drop",
     .type = OPTION_CHOICE,
     .offset = offsetof(DatabaseArgs, action),
     .choices = database_actions,
     .complete = COMPLETE_CHOICE,
     .help = "make it, or remove it with all that is in it"},
    {0},
};

static const Example database_examples[] = {
    {"whimbrel database create", "makes the database that the URL names, if it is not there"},
    {"whimbrel --env development database drop", "removes it, after asking for its name"},
    {0},
};

const Command cmd_database = {
    .name = "database",
    .summary = "create or drop the database itself",
    .about = "'drop' is refused unless the environment says allow_reset = true, and asks for the "
             "database's name on a "
             "terminal.",
    .group = GROUP_DANGER,
    .arguments = database_arguments,
    .examples = database_examples,
    .args_size = sizeof(DatabaseArgs),
    .needs = NEEDS_SETTINGS,
    .run = database_run,
};

/* whimbrel seed. SPDX-License-Identifier: Apache-2.0 */
#include "cli/cli.h"
#include "cli/commands.h"

typedef struct SeedArgs {
    Str name;
} SeedArgs;

static bool has_seeds(const MigrationSet *set, Str name)
{
    for (size_t i = 0; i < set->seeds.len; i++)
        if (str_eq(set->seeds.items[i].environment, name))
            return true;
    return false;
}

static bool seed_run(Cli *cli, const void *args, Error *err)
{
    const SeedArgs *options = args;
    Str name = options->name.len > 0 ? options->name : cli->settings->environment;
    if (name.len == 0) {
        error_set(err, ERROR_USAGE, "seed: which environment?");
        error_hint(err, "Say 'whimbrel seed NAME', or choose one with --env or environment = "
                        "\"...\" in whimbrel.toml.");
        return error_code(err, "missing-argument");
    }
    if (!(cli->context.convention->features & CONVENTION_SEEDS)) {
        error_set(err, ERROR_UNSUPPORTED, "the convention %s has no seeds",
                  cli->context.convention->name);
        return error_code(err, "not-in-convention");
    }
    if (!has_seeds(&cli->set, name)) {
        const char **names = arena_alloc(cli->arena, (cli->set.seeds.len + 1) * sizeof *names);
        if (!names)
            return error_nomem(err);
        for (size_t i = 0; i < cli->set.seeds.len; i++) {
            names[i] = str_z(cli->arena, cli->set.seeds.items[i].environment);
            if (!names[i])
                return error_nomem(err);
        }
        const char *nearest = suggest_nearest(name, names);
        if (nearest)
            error_set(err, ERROR_USAGE, "there are no seeds for '%.*s'. Did you mean '%s'?",
                      STR_ARG(name), nearest);
        else
            error_set(err, ERROR_USAGE, "there are no seeds for '%.*s'", STR_ARG(name));
        error_hint(err, "Seeds are %.*s/seeds/%.*s.sql or files in a folder of that name.",
                   STR_ARG(cli->context.folders.items[0]), STR_ARG(name));
        return error_code(err, "no-seeds");
    }
    bool is_ok = run_seed(&cli->runner, cli->arena, name, &cli->result, err);
    cli->has_result = true;
    if (!is_ok)
        return false;
    if (cli->is_json)
        return cli_finish_run(cli, true, false, err);
    char took[DURATION_TEXT];
    Text text = cli_text(cli);
    text_adds(&text, "Seeds of ");
    text_add_line(&text, name);
    text_addf(&text, " ran in %s.\n", duration_human(cli->result.duration_us, took));
    return cli_print(cli, &text, err);
}

static const Argument seed_arguments[] = {
    {.name = "NAME",
     .type = OPTION_STRING,
     .offset = offsetof(SeedArgs, name),
     .is_optional = true,
     .help = "the environment whose seeds run; default: the one in force"},
    {0},
};

static const Example seed_examples[] = {
    {"whimbrel seed development", "runs seeds/development.sql, or the files in seeds/development"},
    {0},
};

static const ExitNote seed_exits[] = {
    {4, "the migration lock could not be had within --lock-wait"},
    {0},
};

const Command cmd_seed = {
    .name = "seed",
    .summary = "run the environment's seeds in one transaction",
    .about = "Seeds are data, not migrations: they leave no trace in the history and run as often "
             "as they are asked to.",
    .group = GROUP_EVERY_DAY,
    .arguments = seed_arguments,
    .examples = seed_examples,
    .exits = seed_exits,
    .args_size = sizeof(SeedArgs),
    .needs = NEEDS_SETTINGS | NEEDS_MIGRATIONS | NEEDS_DATABASE | PRINTS_RESULT | HAS_EVENTS,
    .run = seed_run,
};

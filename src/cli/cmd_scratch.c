/* whimbrel scratch. SPDX-License-Identifier: Apache-2.0
 *
 * The database is made before and dropped after the command, whatever becomes of it. It lives on the server of the
 * configured one, or beside it as a file in the temporary folder. */
#include "cli/cli.h"
#include "cli/commands.h"

#include <stdlib.h>
#include <unistd.h>

typedef struct ScratchArgs {
    bool keep;
    StrVec command;
} ScratchArgs;

typedef struct Scratch {
    DbUrl url;
    const char *folder; /* of a file database; NULL: it is on a server */
    bool is_made;
} Scratch;

static bool make_file(Cli *cli, const DbUrl *base, Scratch *scratch, Error *err)
{
    const char *tmp = getenv("TMPDIR");
    char *folder = str_format(cli->arena, "%s/whimbrel-XXXXXX", tmp && tmp[0] ? tmp : "/tmp");
    if (!folder)
        return error_nomem(err);
    if (!mkdtemp(folder))
        return error_set(err, ERROR_IO, "cannot make a folder like %s", folder);
    scratch->folder = folder;
    scratch->is_made = true;
    const char *path = path_join(cli->arena, folder, STR("scratch.db"));
    if (!path)
        return error_nomem(err);
    return db_url_with_database(cli->secrets, base, str_from(path), &scratch->url, err);
}

static bool make_on_server(Cli *cli, const DbUrl *base, Scratch *scratch, Error *err)
{
    unsigned char noise[6];
    if (!random_bytes(noise, sizeof noise, err))
        return false;
    const char *hex = hex_encode(cli->arena, noise, sizeof noise);
    const char *name = hex ? str_format(cli->arena, "whimbrel_scratch_%s", hex) : NULL;
    if (!name)
        return error_nomem(err);
    if (!base->driver->database_create) {
        error_set(err, ERROR_UNSUPPORTED, "databases cannot be made on this engine");
        return error_code(err, "no-databases");
    }
    const DbOptions options = cli_db_options(cli, 0);
    if (!db_url_with_database(cli->secrets, base, str_from(name), &scratch->url, err))
        return false;
    if (!base->driver->database_create(&scratch->url, &options, err))
        return error_wrap(err, "making the scratch database %s", name);
    scratch->is_made = true;
    return true;
}

static bool remove_scratch(Cli *cli, const Scratch *scratch, Error *err)
{
    if (!scratch->is_made)
        return true;
    if (!scratch->folder) {
        /* A signal has ended the work, not the cleaning up. */
        DbOptions options = cli_db_options(cli, 0);
        options.cancel = NULL;
        return scratch->url.driver->database_drop(&scratch->url, &options, err) ||
               error_wrap(err, "dropping the scratch database %.*s",
                          STR_ARG(scratch->url.database));
    }
    FolderEntryVec entries;
    if (!folder_list(cli->arena, scratch->folder, &entries, err))
        return false;
    for (size_t i = 0; i < entries.len; i++) {
        const char *path = path_join(cli->arena, scratch->folder, entries.items[i].name);
        if (!path)
            return error_nomem(err);
        if (!file_remove(path, err))
            return false;
    }
    return rmdir(scratch->folder) == 0 ||
           error_set(err, ERROR_IO, "cannot remove the folder %s", scratch->folder);
}

/* All migrations, on the connection to the scratch database. */
static bool migrate_scratch(Cli *cli, Error *err)
{
    const PlanRequest request = {.verb = PLAN_MIGRATE, .resume_from = -1};
    const DbOptions options = cli_db_options(cli, MAY_CREATE);
    if (!db_open(&cli->url, &options, &cli->db, err))
        return false;
    cli->database_name = cli->db->info.database;
    if (!cli_convention(cli, cli->db, err) || !cli_scan(cli, err))
        return false;
    cli_runner(cli);
    bool is_ok = run_execute(&cli->runner, cli->arena, &request, NULL, &cli->result, err);
    cli->has_result = true;
    if (!is_ok)
        return false;
    cli_close(cli);
    return true;
}

static bool run_command(Cli *cli, const ScratchArgs *options, const Scratch *scratch, Error *err)
{
    const char **argv = arena_alloc(cli->arena, (options->command.len + 1) * sizeof *argv);
    if (!argv)
        return error_nomem(err);
    for (size_t i = 0; i < options->command.len; i++) {
        argv[i] = str_z(cli->arena, options->command.items[i]);
        if (!argv[i])
            return error_nomem(err);
    }
    const char *extra[] = {
        str_format(cli->secrets, "DATABASE_URL=%.*s", STR_ARG(scratch->url.text)),
        str_format(cli->secrets, "WHIMBREL_DATABASE_URL=%.*s", STR_ARG(scratch->url.text)),
        NULL,
    };
    if (!extra[0] || !extra[1])
        return error_nomem(err);
    return process_run(cli->arena, argv, extra, &cli->exit_code, err);
}

static bool scratch_run(Cli *cli, const void *args, Error *err)
{
    const ScratchArgs *options = args;
    Scratch scratch = {0};
    DbUrl base;
    if (!cli_url(cli, &base, err))
        return false;
    bool is_file = (base.driver->features & DB_SINGLE_FILE) != 0;
    bool is_ok =
        is_file ? make_file(cli, &base, &scratch, err) : make_on_server(cli, &base, &scratch, err);
    if (is_ok) {
        cli->url = scratch.url;
        is_ok = migrate_scratch(cli, err) && run_command(cli, options, &scratch, err);
    }
    cli_close(cli);
    if (options->keep && scratch.is_made) {
        cli_note(cli, "kept: %.*s", STR_ARG(scratch.url.display));
        return is_ok;
    }
    Error why = {.arena = cli->arena};
    if (!remove_scratch(cli, &scratch, is_ok ? err : &why)) {
        if (is_ok)
            return false;
        cli_note(cli, "%s", why.message);
    }
    return is_ok;
}

static const Option scratch_options[] = {
    {.name = "keep",
     .type = OPTION_FLAG,
     .offset = offsetof(ScratchArgs, keep),
     .help = "do not drop it afterwards"},
    {0},
};

static const Argument scratch_arguments[] = {
    {.name = "CMD",
     .type = OPTION_STRINGS,
     .offset = offsetof(ScratchArgs, command),
     .ends_options = true,
     .complete = COMPLETE_COMMAND,
     .help = "a program and its arguments, after --"},
    {0},
};

static const Example scratch_examples[] = {
    {"whimbrel scratch -- pytest", "tests against a fresh database with all migrations applied"},
    {"whimbrel scratch --keep -- true", "a fresh database to look at; its URL is printed"},
    {0},
};

static const ExitNote scratch_exits[] = {
    {1, "the database could not be made; otherwise CMD's own exit code"},
    {0},
};

const Command cmd_scratch = {
    .name = "scratch",
    .summary = "a fresh, migrated database for the length of a command",
    .about = "Makes a database on the configured server (for SQLite, a temporary file), applies "
             "all migrations, and runs CMD "
             "with DATABASE_URL and WHIMBREL_DATABASE_URL set to it. The database is dropped when "
             "CMD ends, and the exit "
             "code is CMD's.",
    .group = GROUP_DEVELOPING,
    .options = scratch_options,
    .arguments = scratch_arguments,
    .examples = scratch_examples,
    .exits = scratch_exits,
    .args_size = sizeof(ScratchArgs),
    .needs = NEEDS_SETTINGS | HAS_EVENTS,
    .run = scratch_run,
};

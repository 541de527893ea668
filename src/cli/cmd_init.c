/* whimbrel init, conventions. SPDX-License-Identifier: Apache-2.0 */
#include "cli/cli.h"
#include "cli/commands.h"
#include "cli/project.h"

#include <stdlib.h>

/* ---- what is found ------------------------------------------------------------------------------------------------------ */

typedef ConventionGuess Finding;
typedef Vec(Finding) FindingVec;

/* Opens the database if one is named and can be reached; evidence from it is welcome, not required. */
static void try_database(Cli *cli)
{
    Error why = {.arena = cli->arena};
    if (cli->settings->database.len == 0)
        return;
    const DbOptions options = cli_db_options(cli, 0);
    if (cli_url(cli, &cli->url, &why) && db_open(&cli->url, &options, &cli->db, &why)) {
        cli->database_name = cli->db->info.database;
        return;
    }
    /* A file that is not there yet has nothing to tell. */
    if (why.code && str_eq(str_from(why.code), STR("database-absent")))
        return;
    cli_note(cli, "the database was not looked at: %s",
             why.message ? why.message : "out of memory");
}

static bool look_around(Cli *cli, FindingVec *ret_findings, Error *err)
{
    const Convention *const *all = conventions();
    FindingVec findings = {0};
    cli->context = cli_context(cli, cli->db);
    if (cli->db && cli->settings->table.len == 0 &&
        !convention_look_at_tables(&cli->context, cli->db, cli->arena, err))
        return error_wrap(err, "looking for history tables");
    for (size_t i = 0; all[i]; i++) {
        Finding finding = {.convention = all[i]};
        ConventionContext context = cli->context;
        context.convention = all[i];
        Error why = {.arena = cli->arena};
        if (!all[i]->recognise(&context, cli->db, cli->arena, &finding, &why)) {
            if (why.kind == ERROR_NOMEM)
                return error_nomem(err);
            cli_note(cli, "%s: %s", all[i]->name, why.message);
        }
        finding.convention = all[i];
        if (!vec_push(cli->arena, &findings, finding))
            return error_nomem(err);
    }
    *ret_findings = findings;
    return true;
}

/* The convention in force, or NULL when that is not clear. */
static const Convention *chosen(Cli *cli, Error *why)
{
    ConventionContext context = cli->context;
    if (!str_eq(cli->settings->convention, STR("auto")))
        return convention_find(cli->settings->convention);
    if (convention_recognise(&context, cli->db, cli->arena, &context.convention, NULL, why))
        return context.convention;
    return NULL;
}

/* ---- conventions --------------------------------------------------------------------------------------------------------- */

typedef struct NoArgs {
    char nothing;
} NoArgs;

static bool conventions_json(Cli *cli, const FindingVec *findings, const Convention *mine,
                             Error *err)
{
    CliJson json;
    cli_json_begin(cli, &json);
    json_begin_object(&json.w);
    json_key_text(&json.w, "whimbrel", WHIMBREL_VERSION);
    json_key_text(&json.w, "convention", mine ? mine->name : NULL);
    json_key(&json.w, "conventions");
    json_begin_array(&json.w);
    for (size_t i = 0; i < findings->len; i++) {
        const Finding *finding = &findings->items[i];
        json_begin_object(&json.w);
        json_key_text(&json.w, "name", finding->convention->name);
        json_key_text(&json.w, "title", finding->convention->title);
        json_key_text(&json.w, "summary", finding->convention->summary);
        json_key_text(&json.w, "table", finding->convention->default_table);
        json_key_bool(&json.w, "here", finding->convention == mine);
        json_key(&json.w, "evidence");
        json_begin_array(&json.w);
        for (size_t e = 0; e < finding->evidence.len; e++)
            json_str(&json.w, finding->evidence.items[e]);
        json_end_array(&json.w);
        json_end_object(&json.w);
    }
    json_end_array(&json.w);
    json_end_object(&json.w);
    return cli_json_end(cli, &json, err);
}

static bool conventions_run(Cli *cli, const void *args, Error *err)
{
    (void)args;
    FindingVec findings;
    try_database(cli);
    if (!look_around(cli, &findings, err))
        return false;
    Error why = {.arena = cli->arena};
    const Convention *mine = chosen(cli, &why);
    if (cli->is_json)
        return conventions_json(cli, &findings, mine, err);
    Text text = cli_text(cli);
    Table table = table_new(cli->arena, 3);
    for (size_t i = 0; i < findings.len; i++) {
        const Convention *convention = findings.items[i].convention;
        bool is_mine = mine && convention == mine;
        table_add(&table, is_mine ? STR("*") : STR(" "), STYLE_GREEN);
        table_add(&table, str_from(convention->name), is_mine ? STYLE_BOLD : STYLE_PLAIN);
        table_add(&table, str_from(convention->summary), STYLE_PLAIN);
    }
    table_print(&text, &table, 0);
    for (size_t i = 0; i < findings.len; i++) {
        for (size_t e = 0; e < findings.items[i].evidence.len; e++) {
            if (e == 0)
                text_addf(&text, "\n%s, because:\n", findings.items[i].convention->name);
            text_add(&text, STR("  "));
            text_add_line(&text, findings.items[i].evidence.items[e]);
            text_add(&text, STR("\n"));
        }
    }
    if (mine)
        text_addf(&text, "\nThis project: %s%s.\n", mine->name,
                  str_eq(cli->settings->convention, STR("auto")) ? "" : ", as it is told to be");
    else
        text_addf(&text, "\nThis project: not clear. %s.\n",
                  why.message ? why.message : "Nothing was recognised");
    return cli_print(cli, &text, err);
}

static const Example conventions_examples[] = {
    {"whimbrel conventions",
     "the tools whose folders and histories can be worked on, and which one this project has"},
    {0},
};

const Command cmd_conventions = {
    .name = "conventions",
    .summary = "the conventions it knows, and which one this project has",
    .about =
        "A convention is another tool's way to name files, keep its history, compute checksums and "
        "lock. It is recognised "
        "from the files and, if a database is named and can be reached, from its history table.",
    .group = GROUP_MENDING,
    .examples = conventions_examples,
    .args_size = sizeof(NoArgs),
    .needs = NEEDS_SETTINGS,
    .run = conventions_run,
};

/* ---- init ----------------------------------------------------------------------------------------------------------------- */

typedef struct InitArgs {
    Str from;
} InitArgs;

/* Where other tools keep theirs. */
static const char *const usual_folders[] = {
    "migrations",          "db/migrations",
    "db/migrate",          "sql/migrations",
    "prisma/migrations",   "src/main/resources/db/migration",
    "database/migrations", NULL};

static bool choose_folder(Cli *cli, const char **ret_folder, bool *ret_exists, Error *err)
{
    FileInfo info;
    const SettingSource *source = &cli->configuration.sources[setting_index("migrations")];
    *ret_folder =
        str_z(cli->arena, cli->settings->migrations.len > 0 ? cli->settings->migrations.items[0]
                                                            : STR("migrations"));
    if (!*ret_folder)
        return error_nomem(err);
    for (size_t i = 0; !source->is_set && usual_folders[i]; i++) {
        if (!file_info(usual_folders[i], &info, err))
            return false;
        if (info.kind == FILE_FOLDER) {
            *ret_folder = usual_folders[i];
            break;
        }
    }
    if (!file_info(*ret_folder, &info, err))
        return false;
    *ret_exists = info.kind == FILE_FOLDER;
    return true;
}

/* A URL that holds no password may stand in a file that goes into version control. */
static Str presentable_database(Cli *cli)
{
    const SettingSource *source = &cli->configuration.sources[setting_index("database")];
    DbUrl url;
    Error why = {.arena = cli->arena};
    return source->is_set && source->origin == ORIGIN_COMMAND_LINE &&
                   db_url_parse(cli->arena, cli->settings->database, &url, &why) &&
                   str_eq(url.display, url.text)
               ? cli->settings->database
               : (Str){0};
}

/* The tool in use, from files and database; NULL when it is our own or nothing is found. */
static bool recognise_tool(Cli *cli, const Convention **ret_convention, StrVec *ret_evidence,
                           Error *err)
{
    FindingVec findings;
    *ret_convention = NULL;
    try_database(cli);
    if (!look_around(cli, &findings, err))
        return false;
    int best = 0;
    for (size_t i = 0; i < findings.len; i++)
        if (findings.items[i].weight > best)
            best = findings.items[i].weight;
    size_t count = 0;
    for (size_t i = 0; best > 0 && i < findings.len; i++) {
        if (findings.items[i].weight != best)
            continue;
        count++;
        *ret_convention = findings.items[i].convention;
        *ret_evidence = findings.items[i].evidence;
    }
    if (count > 1) {
        *ret_convention = NULL;
        cli_note(cli, "files fit more than one convention; 'whimbrel conventions' shows them, "
                      "convention = \"...\" chooses");
    }
    return true;
}

static bool init_run(Cli *cli, const void *args, Error *err)
{
    const InitArgs *options = args;
    const Convention *convention = NULL;
    StrVec evidence = {0};
    const char *folder = NULL;
    bool has_folder = false, has_config = false;
    FileInfo info;
    Str text;
    if (!file_info("whimbrel.toml", &info, err))
        return false;
    has_config = info.kind != FILE_ABSENT;
    if (!choose_folder(cli, &folder, &has_folder, err))
        return false;
    cli->settings->migrations = (StrVec){0};
    if (!vec_push(cli->arena, &cli->settings->migrations, str_from(folder)))
        return error_nomem(err);
    if (options->from.len > 0 ? !project_convention(options->from, "init", &convention, err)
                              : !has_config && !recognise_tool(cli, &convention, &evidence, err))
        return false;
    if (!has_folder && !folder_make(cli->arena, folder, 0777, err))
        return false;
    const ProjectFile file = {.convention = convention,
                              .folders = &cli->settings->migrations,
                              .database = presentable_database(cli)};
    if (!has_config && (!project_file_text(cli, &file, &text, err) ||
                        !file_create_new("whimbrel.toml", text, 0666, err)))
        return false;

    if (cli->is_json) {
        CliJson json;
        cli_json_begin(cli, &json);
        json_begin_object(&json.w);
        json_key_text(&json.w, "whimbrel", WHIMBREL_VERSION);
        json_key_text(&json.w, "convention", convention ? convention->name : NULL);
        json_key_text(&json.w, "migrations", folder);
        json_key(&json.w, "made");
        json_begin_array(&json.w);
        if (!has_config)
            json_text(&json.w, "whimbrel.toml");
        if (!has_folder)
            json_text(&json.w, folder);
        json_end_array(&json.w);
        json_end_object(&json.w);
        return cli_json_end(cli, &json, err);
    }
    Text out = cli_text(cli);
    text_addf(&out, "%s whimbrel.toml\n", has_config ? "kept" : "made");
    text_addf(&out, "%s %s/\n", has_folder ? "kept" : "made", folder);
    if (convention && !has_config) {
        text_addf(&out, "convention %s", convention->name);
        for (size_t i = 0; i < evidence.len; i++)
            text_addf(&out, "%s%.*s", i == 0 ? ": " : "; ", STR_ARG(evidence.items[i]));
        text_add(&out, STR("\n"));
    }
    text_adds(&out, "Next: whimbrel new NAME, whimbrel status\n");
    return cli_print(cli, &out, err);
}

static const Option init_options[] = {
    {.name = "from",
     .type = OPTION_STRING,
     .value = "TOOL",
     .offset = offsetof(InitArgs, from),
     .complete = COMPLETE_CONVENTION,
     .help = "the tool in use; without this it is recognised"},
    {0},
};

static const Example init_examples[] = {
    {"whimbrel init", "makes whimbrel.toml and migrations/"},
    {"whimbrel init --from sqlx -d sqlite:app.db", "goes on with what another tool began"},
    {0},
};

const Command cmd_init = {
    .name = "init",
    .summary = "make whimbrel.toml and the folder",
    .about = "Recognises the tool in use from the files and, if a database is named and can be "
             "reached, from its history "
             "table. What exists is kept as it is.",
    .group = GROUP_MENDING,
    .options = init_options,
    .examples = init_examples,
    .args_size = sizeof(InitArgs),
    .needs = NEEDS_SETTINGS,
    .run = init_run,
};

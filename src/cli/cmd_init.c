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
                   db_url_parse(cli->secrets, cli->settings->database, &url, &why) &&
                   str_eq(url.display, url.text) && str_find(url.text, STR("***"), 0) == SIZE_MAX
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

/* What there is, and what is made of it. */
typedef struct Start {
    Cli *cli;
    const Convention *convention; /* NULL: none was recognised */
    StrVec evidence, notes, folders;
    Str table;                   /* empty: the tool's own */
    const char *database_place;  /* where the tool names its database; NULL: nowhere */
    bool has_config, has_folder; /* were there before */
} Start;

static bool add_note(Start *start, const char *sentence, Error *err)
{
    return (sentence && vec_push(start->cli->arena, &start->notes, str_from(sentence))) ||
           error_nomem(err);
}

/* The signs that speak for one tool; without them it is taken at the user's word. */
static bool find_evidence(Start *start, Error *err)
{
    FindingVec findings;
    try_database(start->cli);
    if (!look_around(start->cli, &findings, err))
        return false;
    for (size_t i = 0; i < findings.len; i++)
        if (findings.items[i].convention == start->convention)
            start->evidence = findings.items[i].evidence;
    return start->evidence.len > 0 ||
           add_note(start,
                    str_format(start->cli->arena,
                               "nothing here looks like %s: neither files nor configuration nor, "
                               "where one is named, the database",
                               start->convention->title),
                    err);
}

/* What the tool's own configuration says, as far as nobody has said otherwise. */
static bool ask_tool(Start *start, Error *err)
{
    Cli *cli = start->cli;
    ConventionContext context = cli_context(cli, cli->db);
    context.convention = start->convention;
    if (!convention_configure(&context, cli->arena, err))
        return false;
    if (!context.are_folders_default)
        start->folders = context.folders;
    /* Some say the default, too, and in quotes. */
    Str table = context.table;
    if (table.len > 2 && table.ptr[0] == '"' && table.ptr[table.len - 1] == '"')
        table = str_sub(table, 1, table.len - 1);
    if (!str_eq(table, str_from(start->convention->default_table)))
        start->table = context.table;
    if (context.url.len > 0)
        start->database_place = context.url_place;
    for (size_t i = 0; i < context.notes.len; i++)
        if (!vec_push(cli->arena, &start->notes, context.notes.items[i]))
            return error_nomem(err);
    /* Of files that are not there, there is nothing to say. */
    FileInfo info;
    const char *folder = str_z(cli->arena, start->folders.items[0]);
    if (!folder)
        return error_nomem(err);
    if (!file_info(folder, &info, err))
        return false;
    return info.kind != FILE_FOLDER || !start->convention->init_notes ||
           start->convention->init_notes(&context, cli->arena, &start->notes, err);
}

/* Files that the tool would stumble over are worth a word now, and no reason to stop: nothing is run. */
static bool count_files(Start *start, Error *err)
{
    Cli *cli = start->cli;
    MigrationSet set = {0};
    Error why = {.arena = cli->arena};
    ConventionContext context = cli_context(cli, cli->db);
    context.convention = start->convention;
    context.table = start->table;
    context.folders = start->folders;
    context.are_folders_default = false;
    if (!start->has_folder)
        return true;
    if (convention_configure(&context, cli->arena, &why) &&
        start->convention->scan(&context, cli->arena, &set, &why))
        return add_note(start,
                        str_format(cli->arena, "%zu %s found", set.migrations.len,
                                   set.migrations.len == 1 ? "migration" : "migrations"),
                        err);
    if (why.kind == ERROR_NOMEM)
        return error_nomem(err);
    return add_note(start, str_format(cli->arena, "not all files can be read: %s", why.message),
                    err);
}

static bool start_json(const Start *start, Error *err)
{
    CliJson json;
    cli_json_begin(start->cli, &json);
    json_begin_object(&json.w);
    json_key_text(&json.w, "whimbrel", WHIMBREL_VERSION);
    json_key_text(&json.w, "convention", start->convention ? start->convention->name : NULL);
    json_key_str(&json.w, "migrations", start->folders.items[0]);
    json_key(&json.w, "made");
    json_begin_array(&json.w);
    if (!start->has_config)
        json_text(&json.w, "whimbrel.toml");
    if (!start->has_folder)
        json_str(&json.w, start->folders.items[0]);
    json_end_array(&json.w);
    json_key(&json.w, "evidence");
    json_begin_array(&json.w);
    for (size_t i = 0; i < start->evidence.len; i++)
        json_str(&json.w, start->evidence.items[i]);
    json_end_array(&json.w);
    json_key(&json.w, "notes");
    json_begin_array(&json.w);
    for (size_t i = 0; i < start->notes.len; i++)
        json_str(&json.w, start->notes.items[i]);
    json_end_array(&json.w);
    json_end_object(&json.w);
    return cli_json_end(start->cli, &json, err);
}

static bool start_text(const Start *start, Error *err)
{
    Text out = cli_text(start->cli);
    text_addf(&out, "%s whimbrel.toml\n", start->has_config ? "kept" : "made");
    for (size_t i = 0; i < start->folders.len; i++)
        text_addf(&out, "%s %.*s/\n", start->has_folder ? "kept" : "made",
                  STR_ARG(start->folders.items[i]));
    if (start->convention && !start->has_config) {
        text_addf(&out, "convention %s", start->convention->name);
        for (size_t i = 0; i < start->evidence.len; i++)
            text_addf(&out, "%s%.*s", i == 0 ? ": " : "; ", STR_ARG(start->evidence.items[i]));
        text_add(&out, STR("\n"));
    }
    for (size_t i = 0; i < start->notes.len; i++)
        text_addf(&out, "%.*s\n", STR_ARG(start->notes.items[i]));
    text_adds(&out, "Next: whimbrel new NAME, whimbrel status\n");
    return cli_print(start->cli, &out, err);
}

static bool write_start(Start *start, Error *err)
{
    Cli *cli = start->cli;
    Str text;
    ProjectFile file = {.convention = start->convention,
                        .folders = &start->folders,
                        .table = start->table,
                        .database = presentable_database(cli)};
    if (start->database_place && file.database.len == 0) {
        file.note = str_format(cli->arena, "It is named in %s, and read from there.",
                               start->database_place);
        if (!file.note)
            return error_nomem(err);
    }
    return project_file_text(cli, &file, &text, err) &&
           file_create_new("whimbrel.toml", text, 0666, err);
}

/* whimbrel.toml was there and is kept: what it says may be another tool than the one that is asked for. */
static bool compare_config(Start *start, Error *err)
{
    const Settings *settings = start->cli->settings;
    const SettingSource *source = &start->cli->configuration.sources[setting_index("convention")];
    if (!start->has_config || str_eq(settings->convention, str_from(start->convention->name)))
        return true;
    return add_note(start,
                    str_format(start->cli->arena,
                               "the convention stays %.*s%s%s, not %s: write convention = \"%s\" "
                               "into whimbrel.toml if that is meant",
                               STR_ARG(settings->convention), source->where[0] ? ", of " : "",
                               source->where, start->convention->name, start->convention->name),
                    err);
}

static bool init_run(Cli *cli, const void *args, Error *err)
{
    const InitArgs *options = args;
    Start start = {.cli = cli};
    const char *folder = NULL;
    FileInfo info;
    if (!file_info("whimbrel.toml", &info, err))
        return false;
    start.has_config = info.kind != FILE_ABSENT;
    if (!choose_folder(cli, &folder, &start.has_folder, err))
        return false;
    if (!vec_push(cli->arena, &start.folders, str_from(folder)))
        return error_nomem(err);
    cli->settings->migrations = start.folders;
    if (options->from.len > 0) {
        if (!project_convention(options->from, "init", &start.convention, err) ||
            !ask_tool(&start, err))
            return false;
        cli->settings->migrations = start.folders;
        if (!find_evidence(&start, err))
            return false;
        folder = str_z(cli->arena, start.folders.items[0]);
        if (!folder)
            return error_nomem(err);
        if (!file_info(folder, &info, err))
            return false;
        start.has_folder = info.kind == FILE_FOLDER;
        if (!count_files(&start, err) || !compare_config(&start, err))
            return false;
    } else if (!start.has_config) {
        if (!recognise_tool(cli, &start.convention, &start.evidence, err) ||
            (start.convention && !ask_tool(&start, err)))
            return false;
        folder = str_z(cli->arena, start.folders.items[0]);
        if (!folder)
            return error_nomem(err);
        if (!file_info(folder, &info, err))
            return false;
        start.has_folder = info.kind == FILE_FOLDER;
    }
    if (!start.has_folder && !folder_make(cli->arena, folder, 0777, err))
        return false;
    if (!start.has_config && !write_start(&start, err))
        return false;
    return cli->is_json ? start_json(&start, err) : start_text(&start, err);
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
             "reached, from its history table; --from says which it is. Folders, table and "
             "database are taken from that tool's own configuration; a password is never written "
             "down. What exists is kept as it is.",
    .group = GROUP_MENDING,
    .options = init_options,
    .examples = init_examples,
    .args_size = sizeof(InitArgs),
    .needs = NEEDS_SETTINGS,
    .run = init_run,
};

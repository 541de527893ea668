/* whimbrel current, heads. SPDX-License-Identifier: Apache-2.0 */
#include "cli/cli.h"
#include "cli/commands.h"

typedef struct NoArgs {
    char nothing;
} NoArgs;

static Str name_of(const Cli *cli, const History *history, Str version)
{
    const Migration *migration = version.len > 0 ? migration_set_find(&cli->set, version) : NULL;
    const HistoryRow *row = version.len > 0 ? history_find(history, version) : NULL;
    return migration ? migration->name : row ? row->name : (Str){0};
}

static bool current_run(Cli *cli, const void *args, Error *err)
{
    (void)args;
    History history;
    Overview overview;
    if (!run_overview(&cli->runner, cli->arena, &history, &overview, err))
        return false;
    Str name = name_of(cli, &history, overview.current);
    if (cli->is_json) {
        ReportPlace place = cli_place(cli);
        CliJson json;
        cli_json_begin(cli, &json);
        json_begin_object(&json.w);
        report_place_json(&json.w, &place);
        json_key_text(&json.w, "state", overall_state_name(overview.state));
        json_key(&json.w, "current");
        if (overview.current.len > 0)
            json_str(&json.w, overview.current);
        else
            json_null_value(&json.w);
        json_key(&json.w, "name");
        if (overview.current.len > 0)
            json_str(&json.w, name);
        else
            json_null_value(&json.w);
        if (overview.set->parents) {
            json_key(&json.w, "currents");
            json_begin_array(&json.w);
            for (size_t i = 0; i < overview.currents.len; i++)
                json_str(&json.w, overview.currents.items[i]);
            json_end_array(&json.w);
        }
        json_end_object(&json.w);
        return cli_json_end(cli, &json, err);
    }
    Text text = cli_text(cli);
    if (overview.currents.len == 0)
        text_adds(&text, "base\n");
    for (size_t i = 0; i < overview.currents.len; i++) {
        Str version = overview.currents.items[i];
        text_styled(&text, STYLE_BOLD, version);
        text_add(&text, STR(" "));
        text_add_line(&text, name_of(cli, &history, version));
        text_add(&text, STR("\n"));
    }
    return cli_print(cli, &text, err);
}

static const Example current_examples[] = {
    {"whimbrel current", "prints '20250405120000 create_users', or 'base' when nothing is applied"},
    {0},
};

const Command cmd_current = {
    .name = "current",
    .summary = "the version at which the database is",
    .about = "The newest applied version.",
    .group = GROUP_MENDING,
    .examples = current_examples,
    .args_size = sizeof(NoArgs),
    .needs = NEEDS_SETTINGS | NEEDS_MIGRATIONS | NEEDS_DATABASE | READS_ONLY,
    .run = current_run,
};

/* The files alone: no database is needed, but one that is named helps to find out whose files they are. */
static bool heads_run(Cli *cli, const void *args, Error *err)
{
    (void)args;
    MigrationRefVec heads;
    if (!migration_set_heads(cli->arena, &cli->set, &heads, err))
        return false;
    if (cli->is_json) {
        CliJson json;
        cli_json_begin(cli, &json);
        json_begin_object(&json.w);
        json_key_text(&json.w, "whimbrel", WHIMBREL_VERSION);
        json_key_text(&json.w, "convention", cli->context.convention->name);
        json_key(&json.w, "heads");
        json_begin_array(&json.w);
        for (size_t i = 0; i < heads.len; i++) {
            json_begin_object(&json.w);
            json_key_str(&json.w, "version", heads.items[i]->version);
            json_key_str(&json.w, "name", heads.items[i]->name);
            json_key_text(&json.w, "path", heads.items[i]->up->path);
            json_end_object(&json.w);
        }
        json_end_array(&json.w);
        json_end_object(&json.w);
        return cli_json_end(cli, &json, err);
    }
    Text text = cli_text(cli);
    for (size_t i = 0; i < heads.len; i++) {
        text_styled(&text, STYLE_BOLD, heads.items[i]->version);
        text_add(&text, STR(" "));
        text_add_line(&text, heads.items[i]->name);
        text_add(&text, STR("\n"));
    }
    if (heads.len == 0) {
        cli_note(cli, "there are no migrations in %.*s", STR_ARG(cli->context.folders.items[0]));
    }
    return cli_print(cli, &text, err);
}

static const Example heads_examples[] = {
    {"whimbrel heads", "prints the newest version on disk and its name"},
    {0},
};

const Command cmd_heads = {
    .name = "heads",
    .summary = "the newest version on disk",
    .about = "Looks at the files only: no database is needed.",
    .group = GROUP_MENDING,
    .examples = heads_examples,
    .args_size = sizeof(NoArgs),
    .needs = NEEDS_SETTINGS | NEEDS_MIGRATIONS,
    .run = heads_run,
};

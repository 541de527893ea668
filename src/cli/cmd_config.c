/* whimbrel config. SPDX-License-Identifier: Apache-2.0 */
#include "cli/cli.h"
#include "cli/commands.h"

typedef struct NoArgs {
    char nothing;
} NoArgs;

/* A URL without its password; one that cannot be read is not shown at all, since it may hold one. */
static bool masked(Cli *cli, const Option *row, Str text, Str *ret_text, Error *err)
{
    DbUrl url;
    Error why = {.arena = cli->arena};
    if (!(row->flags & OPTION_SECRET))
        *ret_text = text;
    else if (db_url_parse(cli->secrets, text, &url, &why))
        *ret_text = url.display;
    else if (why.kind == ERROR_NOMEM)
        return error_nomem(err);
    else
        *ret_text = STR("*** (cannot be read as a URL)");
    return true;
}

static bool has_part(Str name, const char *part)
{
    Str wanted = str_from(part);
    for (size_t i = 0; i + wanted.len <= name.len; i++)
        if (str_starts_nocase(str_sub(name, i, name.len), wanted))
            return true;
    return false;
}

static Str masked_placeholder(const PlaceholderSource *source)
{
    static const char *const parts[] = {"password", "passwd",     "secret",
                                        "token",    "credential", "key"};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (has_part(source->name, parts[i]))
            return STR("***");
    return source->value;
}

static const char *row_name(const Option *row)
{
    return row->key ? row->key : row->name;
}

static bool config_json(Cli *cli, Error *err)
{
    const Configuration *configuration = &cli->configuration;
    CliJson json;
    cli_json_begin(cli, &json);
    json_begin_object(&json.w);
    json_key_text(&json.w, "whimbrel", WHIMBREL_VERSION);
    json_key_text(&json.w, "file", configuration->file);
    json_key(&json.w, "settings");
    json_begin_array(&json.w);
    for (size_t i = 0; settings_table[i].name || settings_table[i].key; i++) {
        const Option *row = &settings_table[i];
        const SettingSource *source = &configuration->sources[i];
        if (row->type == OPTION_PAIRS)
            continue;
        json_begin_object(&json.w);
        json_key_text(&json.w, "key", row_name(row));
        json_key(&json.w, "value");
        if (row->type == OPTION_STRINGS) {
            json_begin_array(&json.w);
            for (size_t t = 0; t < source->texts.len; t++)
                json_str(&json.w, source->texts.items[t]);
            json_end_array(&json.w);
        } else if (source->texts.len > 0) {
            Str shown;
            if (!masked(cli, row, source->texts.items[0], &shown, err))
                return false;
            json_str(&json.w, shown);
        } else {
            json_null_value(&json.w);
        }
        json_key_text(&json.w, "origin", origin_name(source->origin));
        json_key_text(&json.w, "where", source->where[0] ? source->where : NULL);
        json_end_object(&json.w);
    }
    json_end_array(&json.w);
    json_key(&json.w, "placeholders");
    json_begin_array(&json.w);
    for (size_t i = 0; i < configuration->placeholders.len; i++) {
        const PlaceholderSource *source = &configuration->placeholders.items[i];
        json_begin_object(&json.w);
        json_key_str(&json.w, "name", source->name);
        json_key_str(&json.w, "value", masked_placeholder(source));
        json_key_text(&json.w, "origin", origin_name(source->origin));
        json_key_text(&json.w, "where", source->where);
        json_end_object(&json.w);
    }
    json_end_array(&json.w);
    json_key_null(&json.w, "error");
    json_end_object(&json.w);
    return cli_json_end(cli, &json, err);
}

static bool config_run(Cli *cli, const void *args, Error *err)
{
    (void)args;
    const Configuration *configuration = &cli->configuration;
    if (cli->is_json)
        return config_json(cli, err);
    Text text = cli_text(cli);
    if (configuration->file)
        text_addf(&text, "Configuration: %s\n\n", configuration->file);
    else
        text_adds(&text, "Configuration: there is no whimbrel.toml here or above\n\n");
    Table table = table_new(cli->arena, 3);
    for (size_t i = 0; settings_table[i].name || settings_table[i].key; i++) {
        const Option *row = &settings_table[i];
        const SettingSource *source = &configuration->sources[i];
        if (row->type == OPTION_PAIRS)
            continue;
        StrBuf value = strbuf(cli->arena);
        for (size_t t = 0; t < source->texts.len; t++) {
            Str shown;
            if (!masked(cli, row, source->texts.items[t], &shown, err))
                return false;
            strbuf_adds(&value, t > 0 ? ", " : "");
            strbuf_add(&value, shown);
        }
        if (value.has_failed)
            return error_nomem(err);
        table_add(&table, str_from(row_name(row)), STYLE_PLAIN);
        table_add(&table, strbuf_str(&value), source->is_set ? STYLE_BOLD : STYLE_PLAIN);
        table_add(&table, source->is_set ? str_from(source->where) : STR("default"), STYLE_DIM);
    }
    for (size_t i = 0; i < configuration->placeholders.len; i++) {
        const PlaceholderSource *source = &configuration->placeholders.items[i];
        const char *name = str_format(cli->arena, "${%.*s}", STR_ARG(source->name));
        if (!name)
            return error_nomem(err);
        table_add(&table, str_from(name), STYLE_PLAIN);
        table_add(&table, masked_placeholder(source), STYLE_BOLD);
        table_add(&table, str_from(source->where), STYLE_DIM);
    }
    table_print(&text, &table, 0);
    return cli_print(cli, &text, err);
}

static const Example config_examples[] = {
    {"whimbrel config", "every setting in force, and where it came from"},
    {"whimbrel --env staging config", "the same as it would be for staging"},
    {0},
};

const Command cmd_config = {
    .name = "config",
    .summary = "settings in force, and their origin",
    .about = "Passwords are masked. The first of these that says anything counts: command line, "
             "environment, .env, "
             "[env.NAME] of whimbrel.toml, the top of that file, built-in default.",
    .group = GROUP_DEVELOPING,
    .examples = config_examples,
    .args_size = sizeof(NoArgs),
    .needs = NEEDS_SETTINGS,
    .run = config_run,
};

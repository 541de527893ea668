/* whimbrel explain, help. SPDX-License-Identifier: Apache-2.0 */
#include "cli/cli.h"
#include "cli/commands.h"

typedef struct WordArgs {
    Str word;
} WordArgs;

/* ---- explain ------------------------------------------------------------------------------------------------------------ */

static bool unknown_code(Cli *cli, Str code, Error *err)
{
    size_t count = 0;
    while (explanations[count].code)
        count++;
    const char **names = arena_alloc(cli->arena, (count + 1) * sizeof *names);
    if (!names)
        return error_nomem(err);
    for (size_t i = 0; i < count; i++)
        names[i] = explanations[i].code;
    const char *nearest = suggest_nearest(code, names);
    if (nearest)
        error_set(err, ERROR_USAGE, "there is no code '%.*s'. Did you mean '%s'?", STR_ARG(code),
                  nearest);
    else
        error_set(err, ERROR_USAGE, "there is no code '%.*s'", STR_ARG(code));
    error_hint(err, "'whimbrel explain' lists them.");
    return error_code(err, "unknown-code");
}

static bool explain_run(Cli *cli, const void *args, Error *err)
{
    const WordArgs *options = args;
    const Explanation *found = NULL;
    for (const Explanation *e = explanations; e->code; e++)
        if (str_eq(options->word, str_from(e->code)))
            found = e;
    if (options->word.len > 0 && !found)
        return unknown_code(cli, options->word, err);
    if (cli->is_json) {
        CliJson json;
        cli_json_begin(cli, &json);
        json_begin_object(&json.w);
        json_key_text(&json.w, "whimbrel", WHIMBREL_VERSION);
        json_key(&json.w, "codes");
        json_begin_array(&json.w);
        for (const Explanation *e = explanations; e->code; e++) {
            if (found && e != found)
                continue;
            json_begin_object(&json.w);
            json_key_text(&json.w, "code", e->code);
            json_key_text(&json.w, "title", e->title);
            json_key_text(&json.w, "text", e->text);
            json_end_object(&json.w);
        }
        json_end_array(&json.w);
        json_end_object(&json.w);
        return cli_json_end(cli, &json, err);
    }
    Text text = cli_text(cli);
    if (found) {
        text_styled(&text, STYLE_BOLD, str_from(found->code));
        text_addf(&text, ": %s\n\n%s\n", found->title, found->text);
        return cli_print(cli, &text, err);
    }
    Table table = table_new(cli->arena, 2);
    for (const Explanation *e = explanations; e->code; e++) {
        table_add(&table, str_from(e->code), STYLE_BOLD);
        table_add(&table, str_from(e->title), STYLE_PLAIN);
    }
    table_print(&text, &table, 0);
    return cli_print(cli, &text, err);
}

static const Argument explain_arguments[] = {
    {.name = "CODE",
     .type = OPTION_STRING,
     .offset = offsetof(WordArgs, word),
     .is_optional = true,
     .complete = COMPLETE_CODE,
     .help = "as an error names it; without one, all are listed"},
    {0},
};

static const Example explain_examples[] = {
    {"whimbrel explain checksum-changed",
     "what the error means, where it comes from, and the way out"},
    {0},
};

const Command cmd_explain = {
    .name = "explain",
    .summary = "the page on an error code",
    .about = "What it means, what causes it, an example, the way out.",
    .group = GROUP_DEVELOPING,
    .arguments = explain_arguments,
    .examples = explain_examples,
    .args_size = sizeof(WordArgs),
    .run = explain_run,
};

/* ---- help ----------------------------------------------------------------------------------------------------------------- */

static bool help_run(Cli *cli, const void *args, Error *err)
{
    const WordArgs *options = args;
    Text text = cli_text(cli);
    if (options->word.len == 0) {
        help_full(&text, cli->commands);
        return cli_print(cli, &text, err);
    }
    const Command *command = command_find(cli->commands, options->word);
    if (command) {
        help_command(&text, command);
        return cli_print(cli, &text, err);
    }
    /* The parser words it. */
    CommandLine line;
    char *argv[] = {str_z(cli->arena, options->word), NULL};
    if (!argv[0])
        return error_nomem(err);
    return command_line_parse(cli->arena, cli->commands, settings_table, 1, argv, &line, err);
}

static const Argument help_arguments[] = {
    {.name = "COMMAND",
     .type = OPTION_STRING,
     .offset = offsetof(WordArgs, word),
     .is_optional = true,
     .complete = COMPLETE_COMMAND,
     .help = "the command to tell about"},
    {0},
};

static const Example help_examples[] = {
    {"whimbrel help migrate", "the same as 'whimbrel migrate --help'"},
    {0},
};

const Command cmd_help = {
    .name = "help",
    .summary = "help on a command",
    .about = "Without a command: the list of all commands and global options.",
    .group = GROUP_DEVELOPING,
    .arguments = help_arguments,
    .examples = help_examples,
    .args_size = sizeof(WordArgs),
    .run = help_run,
};

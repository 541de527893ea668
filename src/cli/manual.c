/* Manual pages from the tables, and the hidden command that the build makes them with. SPDX-License-Identifier: Apache-2.0 */
#include "cli/alias.h"
#include "cli/cli.h"
#include "cli/commands.h"

/* Text for troff: backslashes and hyphens are taken as they are, and a line may not begin with a dot or a quote. */
static void add_text(StrBuf *out, Str text)
{
    bool is_start = true;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (is_start && (c == '.' || c == '\''))
            strbuf_adds(out, "\\&");
        is_start = c == '\n';
        if (c == '\\')
            strbuf_adds(out, "\\(rs");
        else if (c == '-')
            strbuf_adds(out, "\\-");
        else
            strbuf_add_char(out, c);
    }
}

static void add_z(StrBuf *out, const char *text)
{
    add_text(out, str_from(text));
}

static void add_paragraphs(StrBuf *out, const char *about)
{
    Str rest = str_from(about);
    bool is_first = true;
    while (rest.len > 0) {
        size_t end = str_find(rest, STR("\n\n"), 0);
        if (!is_first)
            strbuf_adds(out, ".PP\n");
        add_text(out, str_sub(rest, 0, end));
        strbuf_adds(out, "\n");
        rest = end == SIZE_MAX ? (Str){0} : str_sub(rest, end + 2, rest.len);
        is_first = false;
    }
}

static void add_option(StrBuf *out, const Option *option)
{
    strbuf_adds(out, ".TP\n");
    if (option->letter)
        strbuf_addf(out, "\\fB\\-%c\\fR, ", option->letter);
    strbuf_adds(out, "\\fB\\-\\-");
    add_z(out, option->name);
    strbuf_adds(out, "\\fR");
    if (option_takes_value(option)) {
        strbuf_adds(out, " \\fI");
        add_z(out, option->value);
        strbuf_adds(out, "\\fR");
    }
    strbuf_adds(out, "\n");
    add_z(out, option->help);
    StrBuf also = strbuf(out->arena);
    flag_alias_add_words(&also, option, ", also ");
    add_text(out, strbuf_str(&also));
    out->has_failed = out->has_failed || also.has_failed;
    if (option->fallback && option->type != OPTION_FLAG) {
        strbuf_adds(out, " (default ");
        add_z(out, option->fallback);
        strbuf_adds(out, ")");
    }
    strbuf_adds(out, ".\n");
    for (size_t i = 0; i < 3 && option->env[i]; i++)
        strbuf_addf(out, "%s\\fB%s\\fR", i == 0 ? "Environment: " : ", ", option->env[i]);
    if (option->env[0])
        strbuf_adds(out, ".\n");
}

static void add_options(StrBuf *out, const Option *options)
{
    for (size_t i = 0; options && (options[i].name || options[i].key); i++)
        if (options[i].name && !(options[i].flags & OPTION_HIDDEN))
            add_option(out, &options[i]);
}

/* The date of the page is left empty: the same source must make the same page on any day. */
static void add_title(StrBuf *out, const char *name, const char *summary)
{
    strbuf_adds(out, ".\\\" made from the program's tables of commands and options\n.TH \"");
    for (const char *c = name; *c; c++)
        strbuf_add_char(out, *c >= 'a' && *c <= 'z' ? (char)(*c - 'a' + 'A') : *c);
    strbuf_adds(out, "\" \"1\" \"\" \"whimbrel " WHIMBREL_VERSION "\" \"whimbrel\"\n.SH NAME\n");
    add_z(out, name);
    strbuf_adds(out, " \\- ");
    add_z(out, summary);
    strbuf_adds(out, "\n");
}

static void command_page(StrBuf *out, const Command *command)
{
    const char *name = str_format(out->arena, "whimbrel-%s", command->name);
    if (!name) {
        out->has_failed = true;
        return;
    }
    add_title(out, name, command->summary);
    strbuf_adds(out, ".SH SYNOPSIS\n\\fBwhimbrel ");
    add_z(out, command->name);
    strbuf_adds(out, "\\fR");
    if (command->options)
        strbuf_adds(out, " [options]");
    for (size_t i = 0; command->arguments && command->arguments[i].name; i++) {
        const Argument *argument = &command->arguments[i];
        strbuf_addf(out, argument->is_optional ? " [\\fI%s\\fR%s]" : " \\fI%s\\fR%s",
                    argument->name, argument->type == OPTION_STRINGS ? " ..." : "");
    }
    strbuf_adds(out, "\n");
    StrBuf also = strbuf(out->arena);
    if (alias_add_words(&also, command)) {
        strbuf_adds(out, ".PP\nAlso: ");
        add_text(out, strbuf_str(&also));
        strbuf_adds(out, ".\n");
    }
    out->has_failed = out->has_failed || also.has_failed;
    strbuf_adds(out, ".SH DESCRIPTION\n");
    add_paragraphs(out, command->about);
    if (command->arguments && command->arguments[0].name) {
        strbuf_adds(out, ".SH ARGUMENTS\n");
        for (size_t i = 0; command->arguments[i].name; i++) {
            strbuf_adds(out, ".TP\n\\fI");
            add_z(out, command->arguments[i].name);
            strbuf_adds(out, "\\fR\n");
            add_z(out, command->arguments[i].help);
            strbuf_adds(out, ".\n");
        }
    }
    strbuf_adds(out, ".SH OPTIONS\n");
    add_options(out, command->options);
    strbuf_adds(out, ".PP\nThe global options of \\fBwhimbrel\\fR(1) hold here too.\n");
    if (command->examples) {
        strbuf_adds(out, ".SH EXAMPLES\n");
        for (size_t i = 0; command->examples[i].command; i++) {
            strbuf_adds(out, ".TP\n\\fB");
            add_z(out, command->examples[i].command);
            strbuf_adds(out, "\\fR\n");
            add_z(out, command->examples[i].what);
            strbuf_adds(out, ".\n");
        }
    }
    strbuf_adds(out, ".SH EXIT STATUS\n.TP\n0\nDone, or nothing to do.\n.TP\n1\nIt failed; the "
                     "message says what holds.\n"
                     ".TP\n2\nWrong usage or configuration; nothing was touched.\n");
    for (size_t i = 0; command->exits && command->exits[i].what; i++) {
        if (command->exits[i].code <= 2)
            continue;
        strbuf_addf(out, ".TP\n%d\n", command->exits[i].code);
        add_z(out, command->exits[i].what);
        strbuf_adds(out, ".\n");
    }
    strbuf_adds(out, ".SH SEE ALSO\n\\fBwhimbrel\\fR(1)\n");
}

static void main_page(StrBuf *out)
{
    add_title(out, "whimbrel",
              "database schema migrations for PostgreSQL, MySQL, MariaDB and SQLite");
    strbuf_adds(
        out,
        ".SH SYNOPSIS\n\\fBwhimbrel\\fR [global options] \\fICOMMAND\\fR [options] [arguments]\n"
        ".SH DESCRIPTION\nApplies migrations to a database, rolls them back, and says at any time "
        "what is "
        "applied. A migration is applied if and only if its row in the history says so.\n.SH "
        "COMMANDS\n");
    for (CommandGroup group = GROUP_EVERY_DAY; group < GROUP_HIDDEN; group++) {
        strbuf_adds(out, ".SS ");
        add_z(out, command_group_title(group));
        strbuf_adds(out, "\n");
        for (size_t i = 0; command_table[i]; i++) {
            if (command_table[i]->group != group)
                continue;
            strbuf_addf(out, ".TP\n\\fBwhimbrel\\-%s\\fR(1)\n", command_table[i]->name);
            add_z(out, command_table[i]->summary);
            strbuf_adds(out, ".\n");
        }
    }
    strbuf_adds(out, ".SH GLOBAL OPTIONS\nThey stand before or after the command.\n");
    add_options(out, settings_table);
    strbuf_adds(out, ".TP\n\\fB\\-h\\fR, \\fB\\-\\-help\\fR\nHelp, also on one command.\n"
                     ".TP\n\\fB\\-\\-version\\fR\nThe program's version.\n"
                     ".SH CONFIGURATION\nThe file \\fBwhimbrel.toml\\fR, here or in the nearest "
                     "folder above, and \\fB.env\\fR "
                     "in the current folder. The first of these that says anything counts: command "
                     "line, environment, "
                     "\\&.env, [env.NAME], the top of the file, built-in default. Keys:\n");
    for (size_t i = 0; settings_table[i].name || settings_table[i].key; i++) {
        const Option *row = &settings_table[i];
        if (!row->key)
            continue;
        strbuf_adds(out, ".TP\n\\fB");
        add_z(out, row->key);
        strbuf_adds(out, "\\fR");
        if (row->fallback) {
            strbuf_adds(out, " (default ");
            add_z(out, row->fallback);
            strbuf_adds(out, ")");
        }
        strbuf_adds(out, "\n");
        add_z(out, row->help);
        strbuf_adds(out, ".\n");
    }
    strbuf_adds(out, ".TP\n\\fB[placeholder]\\fR\nValues of placeholders.\n"
                     ".TP\n\\fB[env.\\fINAME\\fB]\\fR\nThe same keys, for one environment.\n"
                     ".SH EXIT STATUS\n.TP\n0\nDone, or nothing to do.\n"
                     ".TP\n1\nA migration or the database failed; the message says what holds now "
                     "and what to do next.\n"
                     ".TP\n2\nWrong usage or configuration; nothing was touched.\n"
                     ".TP\n3\nA check found something.\n"
                     ".TP\n4\nThe migration lock could not be had within \\-\\-lock\\-wait.\n"
                     ".TP\n130, 143\nInterrupted by SIGINT or SIGTERM; 129 when the terminal "
                     "closed (SIGHUP).\n");
}

static bool write_page(Arena *arena, const char *folder, const char *name, StrBuf *page, Error *err)
{
    const char *path = path_join(arena, folder, str_from(name));
    Str text;
    if (!path || !strbuf_finish(page, &text))
        return error_nomem(err);
    return file_write(arena, path, text, 0644, err);
}

bool manual_write(Arena *arena, const char *folder, Error *err)
{
    StrBuf page = strbuf(arena);
    main_page(&page);
    if (!folder_make(arena, folder, 0777, err) ||
        !write_page(arena, folder, "whimbrel.1", &page, err))
        return false;
    for (size_t i = 0; command_table[i]; i++) {
        if (command_table[i]->group == GROUP_HIDDEN)
            continue;
        const char *name = str_format(arena, "whimbrel-%s.1", command_table[i]->name);
        page = strbuf(arena);
        command_page(&page, command_table[i]);
        if (!name)
            return error_nomem(err);
        if (!write_page(arena, folder, name, &page, err))
            return false;
    }
    return true;
}

bool manual_write_completions(Arena *arena, const char *folder, Error *err)
{
    static const struct {
        const char *shell, *file;
    } rows[] = {{"bash", "whimbrel"}, {"zsh", "_whimbrel"}, {"fish", "whimbrel.fish"}};
    if (!folder_make(arena, folder, 0777, err))
        return false;
    for (size_t i = 0; i < 3; i++) {
        StrBuf script = strbuf(arena);
        if (!completion_script(str_from(rows[i].shell), &script))
            return error_nomem(err);
        if (!write_page(arena, folder, rows[i].file, &script, err))
            return false;
    }
    return true;
}

/* ---- the hidden command ------------------------------------------------------------------------------------------------------ */

typedef struct GenerateArgs {
    Str what, folder;
} GenerateArgs;

static void add_versions(Cli *cli, Text *text)
{
    for (size_t i = 0; i < cli->set.migrations.len; i++) {
        if (cli->set.migrations.items[i].kind == MIGRATION_REPEATABLE)
            continue;
        text_add_line(text, cli->set.migrations.items[i].version);
        text_add(text, STR("\n"));
    }
}

static bool generate_run(Cli *cli, const void *args, Error *err)
{
    const GenerateArgs *options = args;
    Text text = cli_text(cli);
    const char *folder = str_z(cli->arena, options->folder.len > 0 ? options->folder : STR("."));
    if (!folder)
        return error_nomem(err);
    if (str_eq(options->what, STR("man")))
        return manual_write(cli->arena, folder, err);
    if (str_eq(options->what, STR("completions")))
        return manual_write_completions(cli->arena, folder, err);
    if (str_eq(options->what, STR("versions"))) {
        /* Versions can be read without the configured database; a folder in disorder completes to nothing. */
        if (!configuration_load(cli->arena, cli->secrets, cli->line.given, true,
                                &cli->configuration, err))
            return false;
        if (!cli_convention(cli, NULL, err) || !cli_scan(cli, err))
            return false;
        add_versions(cli, &text);
    } else if (str_eq(options->what, STR("codes"))) {
        for (const Explanation *e = explanations; e->code; e++)
            text_addf(&text, "%s\n", e->code);
    } else {
        const Convention *const *all = conventions();
        for (size_t i = 0; all[i]; i++)
            text_addf(&text, "%s\n", all[i]->name);
    }
    return cli_print(cli, &text, err);
}

static const char *const generate_kinds[] = {"man",   "completions", "versions",
                                             "codes", "conventions", NULL};

static const Argument generate_arguments[] = {
    {.name = "WHAT",
     .type = OPTION_CHOICE,
     .offset = offsetof(GenerateArgs, what),
     .choices = generate_kinds,
     .help = "man, completions, versions, codes, conventions"},
    {.name = "DIR",
     .type = OPTION_STRING,
     .offset = offsetof(GenerateArgs, folder),
     .is_optional = true,
     .help = "where man and completions are written"},
    {0},
};

const Command cmd_generate = {
    .name = "__generate",
    .summary = "for the build, and for completion scripts",
    .about = "Not for people.",
    .group = GROUP_HIDDEN,
    .arguments = generate_arguments,
    .args_size = sizeof(GenerateArgs),
    .run = generate_run,
};

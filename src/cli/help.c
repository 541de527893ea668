/* Help, from the tables. SPDX-License-Identifier: Apache-2.0 */
#include "cli/alias.h"
#include "cli/cli.h"

enum { FILL_COLUMNS = 80, OPTION_COLUMN = 30 };

const char *command_group_title(CommandGroup group)
{
    switch (group) {
    case GROUP_EVERY_DAY:
        return "Every day";
    case GROUP_MENDING:
        return "Taking over, mending";
    case GROUP_CHECKS:
        return "Checks";
    case GROUP_DEVELOPING:
        return "Developing";
    case GROUP_DANGER:
        return "Danger";
    case GROUP_HIDDEN:
        return "";
    }
    return "";
}

/* Words of a paragraph, filled to the line's width, each line indented. */
static void fill(Text *text, Str words, size_t indent, size_t column)
{
    size_t at = column;
    bool is_begun = false;
    while (words.len > 0) {
        Str word;
        words = str_cut(words, ' ', &word);
        if (word.len == 0)
            continue;
        size_t width = text_width(word);
        if (is_begun && at + 1 + width > FILL_COLUMNS) {
            text_add(text, STR("\n"));
            text_pad(text, indent);
            at = indent;
        } else if (is_begun) {
            text_add(text, STR(" "));
            at++;
        }
        text_add(text, word);
        at += width;
        is_begun = true;
    }
    text_add(text, STR("\n"));
}

static void add_option(Text *text, const Option *option)
{
    StrBuf left = strbuf(text->buf.arena);
    strbuf_adds(&left, "  ");
    if (option->letter)
        strbuf_addf(&left, "-%c, ", option->letter);
    else
        strbuf_adds(&left, "    ");
    strbuf_addf(&left, "--%s", option->name);
    if (option_takes_value(option))
        strbuf_addf(&left, " %s", option->value);
    if (left.has_failed)
        text->buf.has_failed = true;
    text_add(text, strbuf_str(&left));
    size_t width = left.len;
    if (width + 2 > OPTION_COLUMN) {
        text_add(text, STR("\n"));
        width = 0;
    }
    text_pad(text, OPTION_COLUMN - width);
    StrBuf help = strbuf(text->buf.arena);
    strbuf_adds(&help, option->help);
    if (option->fallback && option->type != OPTION_FLAG)
        strbuf_addf(&help, " (default %s)", option->fallback);
    if (option->env[0])
        strbuf_addf(&help, " [%s%s%s]", option->env[0], option->env[1] ? ", " : "",
                    option->env[1] ? option->env[1] : "");
    flag_alias_add_words(&help, option, ", also ");
    if (help.has_failed)
        text->buf.has_failed = true;
    fill(text, strbuf_str(&help), OPTION_COLUMN, OPTION_COLUMN);
}

static void add_options(Text *text, const Option *options)
{
    for (size_t i = 0; options && (options[i].name || options[i].key); i++)
        if (options[i].name && !(options[i].flags & OPTION_HIDDEN))
            add_option(text, &options[i]);
}

static void add_heading(Text *text, const char *title)
{
    text_add(text, STR("\n"));
    text_styled(text, STYLE_BOLD, str_from(title));
    text_add(text, STR("\n"));
}

static void add_arguments(Text *text, const Command *command)
{
    for (size_t i = 0; command->arguments && command->arguments[i].name; i++) {
        const Argument *argument = &command->arguments[i];
        const char *dots = argument->type == OPTION_STRINGS ? " ..." : "";
        text_addf(text, argument->is_optional ? " [%s%s]" : " %s%s", argument->name, dots);
    }
}

void help_command(Text *text, const Command *command)
{
    text_styled(text, STYLE_BOLD, str_from(command->name));
    text_addf(text, ": %s\n", command->summary);
    text_adds(text, "\nusage: whimbrel ");
    text_adds(text, command->name);
    if (command->options)
        text_adds(text, " [options]");
    add_arguments(text, command);
    text_add(text, STR("\n"));
    StrBuf also = strbuf(text->buf.arena);
    strbuf_adds(&also, "also: ");
    if (alias_add_words(&also, command))
        fill(text, strbuf_str(&also), 6, 0);
    text->buf.has_failed = text->buf.has_failed || also.has_failed;
    Str about = str_from(command->about);
    while (about.len > 0) {
        size_t end = str_find(about, STR("\n\n"), 0);
        Str paragraph = str_sub(about, 0, end);
        about = end == SIZE_MAX ? (Str){0} : str_sub(about, end + 2, about.len);
        text_add(text, STR("\n"));
        fill(text, paragraph, 0, 0);
    }
    if (command->arguments && command->arguments[0].name) {
        add_heading(text, "Arguments");
        for (size_t i = 0; command->arguments[i].name; i++) {
            Str name = str_from(command->arguments[i].name);
            text_add(text, STR("      "));
            text_add(text, name);
            text_pad(text, name.len + 8 > OPTION_COLUMN ? 2 : OPTION_COLUMN - 6 - name.len);
            fill(text, str_from(command->arguments[i].help), OPTION_COLUMN, OPTION_COLUMN);
        }
    }
    if (command->options) {
        add_heading(text, "Options");
        add_options(text, command->options);
    }
    text_add(text, STR("\n"));
    text_adds(text, "'whimbrel --help' lists the global options, which hold here too.\n");
    if (command->examples) {
        add_heading(text, "Examples");
        for (size_t i = 0; command->examples[i].command; i++) {
            text_add(text, STR("  "));
            text_styled(text, STYLE_BOLD, str_from(command->examples[i].command));
            text_add(text, STR("\n      "));
            fill(text, str_from(command->examples[i].what), 6, 6);
        }
    }
    add_heading(text, "Exit codes");
    text_adds(text, "  0    done, or nothing to do\n");
    bool has_one = false, has_two = false;
    for (size_t i = 0; command->exits && command->exits[i].what; i++) {
        has_one = has_one || command->exits[i].code == 1;
        has_two = has_two || command->exits[i].code == 2;
    }
    bool has_database = (command->needs & NEEDS_DATABASE) != 0;
    if (!has_one)
        text_adds(text, has_database ? "  1    a migration or the database failed\n"
                                     : "  1    it failed\n");
    if (!has_two)
        text_adds(text, "  2    wrong usage or configuration; nothing was touched\n");
    for (size_t i = 0; command->exits && command->exits[i].what; i++)
        text_addf(text, "  %-3d  %s\n", command->exits[i].code, command->exits[i].what);
    if (has_database)
        text_adds(text,
                  "  130, 143    interrupted (SIGINT, SIGTERM); 129 when the terminal closed\n");
}

static void add_commands(Text *text, const Command *const *commands, bool is_short)
{
    for (CommandGroup group = GROUP_EVERY_DAY; group < GROUP_HIDDEN; group++) {
        if (is_short && group != GROUP_EVERY_DAY)
            continue;
        add_heading(text, is_short ? "Commands for every day" : command_group_title(group));
        for (size_t i = 0; commands[i]; i++) {
            if (commands[i]->group != group)
                continue;
            Str name = str_from(commands[i]->name);
            text_add(text, STR("  "));
            text_styled(text, STYLE_BOLD, name);
            text_pad(text, name.len < 12 ? 13 - name.len : 1);
            fill(text, str_from(commands[i]->summary), 15, 15);
        }
    }
}

void help_short(Text *text, const Command *const *commands)
{
    text_adds(text, "whimbrel " WHIMBREL_VERSION ": database migrations that arrive\n"
                    "\nusage: whimbrel [global options] COMMAND [options] [arguments]\n");
    add_commands(text, commands, true);
    text_adds(text, "\n'whimbrel --help' lists every command and option, 'whimbrel help COMMAND' "
                    "tells about one.\n");
}

void help_full(Text *text, const Command *const *commands)
{
    text_adds(text, "whimbrel " WHIMBREL_VERSION ": database migrations that arrive\n"
                    "\nusage: whimbrel [global options] COMMAND [options] [arguments]\n");
    add_commands(text, commands, false);
    text_adds(text, "\n");
    fill(text,
         STR("The words of other tools lead to these, as each command's help tells: up, down, "
             "upgrade head, downgrade -1, info, force, create, db:migrate. 'db', 'migration' and "
             "'migrate' before a command change nothing."),
         0, 0);
    add_heading(text, "Global options, before or after the command");
    add_options(text, settings_table);
    text_adds(text, "  -h, --help                  help, also on one command\n"
                    "      --version               the program's version\n");
    add_heading(text, "Where settings come from");
    fill(text,
         STR("Command line, environment, the file .env, [env.NAME] of whimbrel.toml, the top of "
             "that file, "
             "built-in default: the first that says anything counts. 'whimbrel config' shows all "
             "of them."),
         0, 0);
    add_heading(text, "Exit codes");
    text_adds(text, "  0    done, or nothing to do\n"
                    "  1    a migration or the database failed; the message says what holds now\n"
                    "  2    wrong usage or configuration; nothing was touched\n"
                    "  3    a check found something\n"
                    "  4    the migration lock could not be had within --lock-wait\n"
                    "  130, 143    interrupted (SIGINT, SIGTERM); 129 when the terminal closed\n");
}

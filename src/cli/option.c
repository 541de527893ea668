/* The parser over the tables of commands and options. SPDX-License-Identifier: Apache-2.0 */
#include "cli/option.h"

#include <string.h>

const Command *command_find(const Command *const *commands, Str name)
{
    for (size_t i = 0; commands[i]; i++)
        for (size_t n = 0; n < 6 && commands[i]->names[n]; n++)
            if (str_eq(name, str_from(commands[i]->names[n])))
                return commands[i];
    return NULL;
}

bool option_takes_value(const Option *option)
{
    return option->type != OPTION_FLAG;
}

/* ---- values ------------------------------------------------------------------------------------------------------ */

static bool parse_size(Str text, uint64_t *ret_bytes)
{
    static const struct {
        const char *unit;
        uint64_t factor;
    } units[] = {{"", 1},
                 {"B", 1},
                 {"kB", 1000},
                 {"KB", 1000},
                 {"MB", 1000000},
                 {"GB", 1000000000},
                 {"KiB", 1024},
                 {"MiB", 1024 * 1024},
                 {"GiB", 1024ULL * 1024 * 1024}};
    size_t digits = 0;
    while (digits < text.len && text.ptr[digits] >= '0' && text.ptr[digits] <= '9')
        digits++;
    uint64_t number = 0;
    if (!str_to_u64(str_sub(text, 0, digits), &number))
        return false;
    Str unit = str_trim(str_sub(text, digits, text.len));
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        if (!str_eq(unit, str_from(units[i].unit)))
            continue;
        if (number > UINT64_MAX / units[i].factor)
            return false;
        *ret_bytes = number * units[i].factor;
        return true;
    }
    return false;
}

static bool bad_value(Error *err, const char *subject, const char *wanted, Str text)
{
    error_set(err, ERROR_USAGE, "%s takes %s, not '%.*s'", subject, wanted, STR_ARG(text));
    return error_code(err, "bad-option");
}

static bool store_bool(void *target, Str text, const char *subject, Error *err)
{
    static const char *const yes[] = {"true", "yes", "on", "1"}, *const no[] = {"false", "no",
                                                                                "off", "0"};
    for (size_t i = 0; i < 4; i++) {
        bool is_yes = str_eq_nocase(text, str_from(yes[i]));
        if (is_yes || str_eq_nocase(text, str_from(no[i]))) {
            *(bool *)target = is_yes;
            return true;
        }
    }
    return bad_value(err, subject, "true or false", text);
}

static bool store_duration(const Option *option, void *target, Str text, const char *subject,
                           Error *err)
{
    int64_t us = 0;
    if ((option->flags & OPTION_FOREVER) && str_eq(text, STR("forever"))) {
        *(int64_t *)target = -1;
        return true;
    }
    if (!duration_parse(text, 1000000, &us) || us < 0 ||
        (us == 0 && !(option->flags & OPTION_ZERO_OK)))
        return bad_value(err, subject, "a duration such as 500ms, 2s or 10min", text);
    *(int64_t *)target = us > 0 && us < 1000 ? 1 : us / 1000;
    return true;
}

static bool store_choice(const Option *option, void *target, Str text, const char *subject,
                         Error *err)
{
    for (size_t i = 0; option->choices[i]; i++) {
        if (str_eq(text, str_from(option->choices[i]))) {
            *(Str *)target = str_from(option->choices[i]);
            return true;
        }
    }
    const char *nearest = suggest_nearest(text, option->choices);
    char list[200] = "";
    size_t at = 0;
    for (size_t i = 0; option->choices[i]; i++) {
        const char *between = i == 0 ? "" : option->choices[i + 1] ? ", " : " or ";
        int len = snprintf(list + at, sizeof list - at, "%s%s", between, option->choices[i]);
        if (len < 0 || at + (size_t)len >= sizeof list)
            break;
        at += (size_t)len;
    }
    if (nearest)
        error_set(err, ERROR_USAGE, "%s takes %s, not '%.*s'. Did you mean '%s'?", subject, list,
                  STR_ARG(text), nearest);
    else
        error_set(err, ERROR_USAGE, "%s takes %s, not '%.*s'", subject, list, STR_ARG(text));
    return error_code(err, "bad-option");
}

bool option_store(Arena *arena, const Option *option, void *base, Str text, const char *subject,
                  Error *err)
{
    void *target = (char *)base + option->offset;
    uint64_t number = 0;
    switch (option->type) {
    case OPTION_FLAG:
        return store_bool(target, text, subject, err);
    case OPTION_STRING:
        *(Str *)target = text;
        return true;
    case OPTION_STRINGS:
        return vec_push(arena, (StrVec *)target, text) || error_nomem(err);
    case OPTION_PAIRS:
        if (str_find_char(text, '=', 0) == SIZE_MAX || text.ptr[0] == '=')
            return bad_value(err, subject, "KEY=VALUE", text);
        return vec_push(arena, (StrVec *)target, text) || error_nomem(err);
    case OPTION_COUNT:
    case OPTION_NUMBER:
        if (!str_to_u64(text, &number) || number > UINT32_MAX ||
            (number == 0 && option->type == OPTION_COUNT))
            return bad_value(err, subject,
                             option->type == OPTION_COUNT ? "a number from 1 on" : "a number",
                             text);
        *(uint32_t *)target = (uint32_t)number;
        return true;
    case OPTION_DURATION:
        return store_duration(option, target, text, subject, err);
    case OPTION_SIZE:
        if (!parse_size(text, &number))
            return bad_value(err, subject, "a size such as 64kB or 1MB", text);
        *(uint64_t *)target = number;
        return true;
    case OPTION_CHOICE:
        return store_choice(option, target, text, subject, err);
    }
    return false;
}

/* ---- the line ---------------------------------------------------------------------------------------------------- */

typedef struct Parser {
    Arena *arena;
    const Command *const *commands;
    const Option *settings;
    int argc, at;
    char *const *argv;
    CommandLine *line;
    size_t argument;       /* index of the command's argument that is filled next */
    size_t argument_count; /* how many texts it got */
    bool is_raw;           /* after "--": no options any more */
    Error *err;
} Parser;

static size_t option_count(const Option *options)
{
    size_t count = 0;
    while (options && (options[count].name || options[count].key))
        count++;
    return count;
}

static const Option *option_find(const Option *options, Str name)
{
    for (size_t i = 0, count = option_count(options); i < count; i++)
        if (options[i].name && str_eq(name, str_from(options[i].name)))
            return &options[i];
    return NULL;
}

static const Option *option_find_letter(const Option *options, char letter)
{
    for (size_t i = 0, count = option_count(options); i < count; i++)
        if (options[i].letter == letter)
            return &options[i];
    return NULL;
}

/* What belongs to other commands, or to a later release. */
static const char *const later_options[] = {"from-diff", "autogenerate", "auto-down", NULL};
static const char *const later_commands[] = {"lint", "test",   "drift", "dump", "diff",
                                             "erd",  "squash", "batch", NULL};

static bool is_listed(const char *const *list, Str word)
{
    for (size_t i = 0; list[i]; i++)
        if (str_eq(word, str_from(list[i])))
            return true;
    return false;
}

static bool unknown_option(Parser *p, Str name)
{
    const Command *command = p->line->command;
    const Option *own = command ? command->options : NULL;
    const char *who = command ? command->names[0] : "whimbrel";
    if (command && str_eq(str_from(who), STR("new")) && is_listed(later_options, name)) {
        error_set(p->err, ERROR_USAGE, "this version does not have 'new --%.*s' yet",
                  STR_ARG(name));
        return error_code(p->err, "not-yet");
    }
    size_t own_count = option_count(own), setting_count = option_count(p->settings), count = 0;
    const char **names = arena_alloc(p->arena, (own_count + setting_count + 3) * sizeof *names);
    if (!names)
        return error_nomem(p->err);
    for (size_t i = 0; own && i < own_count; i++)
        if (!(own[i].flags & OPTION_HIDDEN))
            names[count++] = own[i].name;
    for (size_t i = 0; i < setting_count; i++)
        if (p->settings[i].name && !(p->settings[i].flags & OPTION_HIDDEN))
            names[count++] = p->settings[i].name;
    names[count++] = "help";
    names[count++] = "version";
    const char *nearest = suggest_nearest(name, names);
    if (nearest) {
        error_set(p->err, ERROR_USAGE, "%s has no option '--%.*s'. Did you mean '--%s'?", who,
                  STR_ARG(name), nearest);
    } else {
        error_set(p->err, ERROR_USAGE, "%s has no option '--%.*s'", who, STR_ARG(name));
        error_hint(p->err, "'whimbrel %s%s--help' lists those that it has.", command ? who : "",
                   command ? " " : "");
    }
    return error_code(p->err, "unknown-option");
}

/* One option with its text (a flag's is "true"). */
static bool take_option(Parser *p, const Option *option, bool is_setting, Str text,
                        const char *subject)
{
    if (is_setting) {
        StrVec *given = &p->line->given[option - p->settings];
        return vec_push(p->arena, given, text) || error_nomem(p->err);
    }
    /* --to "$VERSION" with a variable that nobody has set would say "all of it". */
    if (text.len == 0) {
        error_set(p->err, ERROR_USAGE, "%s: %s needs a value, and was given an empty one",
                  p->line->command->names[0], subject);
        error_hint(p->err, "Is a variable behind it unset?");
        return error_code(p->err, "bad-option");
    }
    if (!option_store(p->arena, option, p->line->args, text, subject, p->err))
        return error_wrap(p->err, "%s", p->line->command->names[0]);
    return true;
}

static bool take_value(Parser *p, const char *subject, Str *ret_text)
{
    if (p->at >= p->argc) {
        error_set(p->err, ERROR_USAGE, "%s needs a value", subject);
        return error_code(p->err, "bad-option");
    }
    *ret_text = str_from(p->argv[p->at++]);
    return true;
}

static bool take_long(Parser *p, Str word)
{
    Str name;
    bool has_value = str_find_char(word, '=', 0) != SIZE_MAX;
    Str text = str_cut(word, '=', &name);
    if (str_eq(name, STR("help")) && !has_value) {
        p->line->wants_help = true;
        return true;
    }
    if (str_eq(name, STR("version")) && !has_value) {
        p->line->wants_version = true;
        return true;
    }
    const Option *option = p->line->command ? option_find(p->line->command->options, name) : NULL;
    bool is_setting = !option;
    if (!option)
        option = option_find(p->settings, name);
    if (!option)
        return unknown_option(p, name);
    char subject[80];
    snprintf(subject, sizeof subject, "--%s", option->name);
    if (!option_takes_value(option)) {
        if (has_value) {
            error_set(p->err, ERROR_USAGE, "%s takes no value", subject);
            return error_code(p->err, "bad-option");
        }
        text = STR("true");
    } else if (!has_value && !take_value(p, subject, &text)) {
        return false;
    }
    return take_option(p, option, is_setting, text, subject);
}

/* "-qv", "-dURL", "-d URL" */
static bool take_short(Parser *p, Str letters)
{
    for (size_t i = 0; i < letters.len; i++) {
        char letter = letters.ptr[i];
        if (letter == 'h') {
            p->line->wants_help = true;
            continue;
        }
        const Option *option =
            p->line->command ? option_find_letter(p->line->command->options, letter) : NULL;
        bool is_setting = !option;
        if (!option)
            option = option_find_letter(p->settings, letter);
        if (!option) {
            const char *who = p->line->command ? p->line->command->names[0] : "whimbrel";
            error_set(p->err, ERROR_USAGE, "%s has no option '-%c'", who, letter);
            return error_code(p->err, "unknown-option");
        }
        char subject[8] = {'-', letter};
        Str text = STR("true");
        bool takes_value = option_takes_value(option);
        if (takes_value) {
            text = str_sub(letters, i + 1, letters.len);
            if (text.len == 0 && !take_value(p, subject, &text))
                return false;
        }
        if (!take_option(p, option, is_setting, text, subject))
            return false;
        if (takes_value)
            return true;
    }
    return true;
}

static bool unknown_command(Parser *p, Str word)
{
    if (is_listed(later_commands, word)) {
        error_set(p->err, ERROR_USAGE, "this version does not have 'whimbrel %.*s' yet",
                  STR_ARG(word));
        return error_code(p->err, "not-yet");
    }
    size_t count = 0, at = 0;
    while (p->commands[count])
        count++;
    const char **names = arena_alloc(p->arena, (count * 6 + 1) * sizeof *names);
    if (!names)
        return error_nomem(p->err);
    for (size_t i = 0; i < count; i++)
        for (size_t n = 0;
             n < 6 && p->commands[i]->names[n] && p->commands[i]->group != GROUP_HIDDEN; n++)
            names[at++] = p->commands[i]->names[n];
    const char *nearest = suggest_nearest(word, names);
    if (nearest) {
        error_set(p->err, ERROR_USAGE, "there is no command '%.*s'. Did you mean '%s'?",
                  STR_ARG(word), nearest);
    } else {
        error_set(p->err, ERROR_USAGE, "there is no command '%.*s'", STR_ARG(word));
        error_hint(p->err, "'whimbrel --help' lists them.");
    }
    return error_code(p->err, "unknown-command");
}

static bool take_word(Parser *p, Str word)
{
    CommandLine *line = p->line;
    if (!line->command) {
        /* "whimbrel db migrate": other tools' habit. */
        if (str_eq(word, STR("db")))
            return true;
        line->command = command_find(p->commands, word);
        if (!line->command)
            return unknown_command(p, word);
        line->args = arena_alloc(p->arena, line->command->args_size);
        return line->args || error_nomem(p->err);
    }
    const Argument *argument =
        line->command->arguments ? &line->command->arguments[p->argument] : NULL;
    if (!argument || !argument->name) {
        const char *name = line->command->names[0];
        if (str_eq(str_from(name), STR("rollback")) && str_ends(word, STR(".sql"))) {
            error_set(p->err, ERROR_USAGE, "this version cannot write the down of a file yet");
            return error_code(p->err, "not-yet");
        }
        error_set(p->err, ERROR_USAGE, "%s takes %s, and '%.*s' is one too many", name,
                  p->argument == 0   ? "no arguments"
                  : p->argument == 1 ? "one argument"
                                     : "fewer arguments",
                  STR_ARG(word));
        error_hint(p->err, "'whimbrel %s --help' shows how it is called.", name);
        return error_code(p->err, "too-many-arguments");
    }
    const Option as_option = {
        .type = argument->type, .choices = argument->choices, .offset = argument->offset};
    if (!option_store(p->arena, &as_option, line->args, word, argument->name, p->err))
        return error_wrap(p->err, "%s", line->command->names[0]);
    if (argument->ends_options)
        p->is_raw = true;
    p->argument_count++;
    if (argument->type != OPTION_STRINGS) {
        p->argument++;
        p->argument_count = 0;
    }
    return true;
}

static bool take(Parser *p, Str word)
{
    if (p->is_raw || word.len < 2 || word.ptr[0] != '-')
        return take_word(p, word);
    if (str_eq(word, STR("--"))) {
        p->is_raw = true;
        return true;
    }
    if (word.ptr[1] == '-')
        return take_long(p, str_sub(word, 2, word.len));
    /* "goto -1": no option is a digit. */
    if (word.ptr[1] >= '0' && word.ptr[1] <= '9')
        return take_word(p, word);
    return take_short(p, str_sub(word, 1, word.len));
}

bool command_line_parse(Arena *arena, const Command *const *commands, const Option *settings,
                        int argc, char *const *argv, CommandLine *ret_line, Error *err)
{
    CommandLine line = {0};
    Parser p = {.arena = arena,
                .commands = commands,
                .settings = settings,
                .argc = argc,
                .argv = argv,
                .line = &line,
                .err = err};
    bool is_ok = true;
    while (p.at < argc) {
        Str word = str_from(argv[p.at++]);
        bool was_ok = is_ok;
        if (was_ok)
            is_ok = take(&p, word);
        else if (!p.is_raw && (str_eq(word, STR("--help")) || str_eq(word, STR("-h"))))
            line.wants_help = true;
    }
    if (!is_ok && line.wants_help && err->kind != ERROR_NOMEM) {
        error_clear(err);
        is_ok = true;
    }
    if (is_ok && line.command && !line.wants_help && !line.wants_version &&
        line.command->arguments) {
        const Argument *argument = &line.command->arguments[p.argument];
        if (argument->name && !argument->is_optional && p.argument_count == 0) {
            error_set(err, ERROR_USAGE, "%s needs %s: %s", line.command->names[0], argument->name,
                      argument->help);
            error_hint(err, "'whimbrel %s --help' shows how it is called.", line.command->names[0]);
            is_ok = error_code(err, "missing-argument");
        }
    }
    *ret_line = line;
    return is_ok;
}

/* The parser over the tables of commands and options. SPDX-License-Identifier: Apache-2.0 */
#include "cli/alias.h"

#include <assert.h>
#include <string.h>

static const Command *named(const Command *const *commands, Str name)
{
    for (size_t i = 0; commands[i]; i++)
        if (str_eq(name, str_from(commands[i]->name)))
            return commands[i];
    return NULL;
}

const Command *command_find(const Command *const *commands, Str name)
{
    const Command *command = named(commands, name);
    const Alias *alias = command ? NULL : alias_find(name);
    return alias ? named(commands, str_from(alias->command)) : command;
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
    const Alias *alias;    /* what the command was called; NULL: by its name */
    Str typed;             /* the words that led to it so far */
    bool may_go_on;        /* the next word may still lead elsewhere: "migrate down" */
    bool has_own;          /* an option of the command itself was given */
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

/* Another tool's option, which this command or the settings have under another name. */
static const FlagAlias *flag_alias_of(const Parser *p, Str name)
{
    const Command *command = p->line->command;
    for (const FlagAlias *alias = flag_alias_table; alias->name; alias++) {
        if (!str_eq(name, str_from(alias->name)) ||
            (alias->command &&
             (!command || !str_eq(str_from(alias->command), str_from(command->name)))))
            continue;
        if (!alias->means || option_find(p->settings, str_from(alias->means)) ||
            (command && option_find(command->options, str_from(alias->means))))
            return alias;
    }
    return NULL;
}

static bool unknown_option(Parser *p, Str name)
{
    const Command *command = p->line->command;
    const Option *own = command ? command->options : NULL;
    const char *who = command ? command->name : "whimbrel";
    if (command && str_eq(str_from(who), STR("new")) && is_listed(later_options, name)) {
        error_set(p->err, ERROR_USAGE, "this version does not have 'new --%.*s' yet",
                  STR_ARG(name));
        return error_code(p->err, "not-yet");
    }
    size_t own_count = option_count(own), setting_count = option_count(p->settings), count = 0;
    size_t alias_count = 0;
    while (flag_alias_table[alias_count].name)
        alias_count++;
    const char **names =
        arena_alloc(p->arena, (own_count + setting_count + alias_count + 3) * sizeof *names);
    if (!names)
        return error_nomem(p->err);
    for (size_t i = 0; own && i < own_count; i++)
        if (!(own[i].flags & OPTION_HIDDEN))
            names[count++] = own[i].name;
    for (size_t i = 0; i < setting_count; i++)
        if (p->settings[i].name && !(p->settings[i].flags & OPTION_HIDDEN))
            names[count++] = p->settings[i].name;
    for (size_t i = 0; i < alias_count; i++) {
        const FlagAlias *alias = flag_alias_of(p, str_from(flag_alias_table[i].name));
        if (alias == &flag_alias_table[i])
            names[count++] = alias->name;
    }
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
    p->may_go_on = false;
    p->has_own = true;
    /* --to "$VERSION" with a variable that nobody has set would say "all of it". */
    if (text.len == 0) {
        error_set(p->err, ERROR_USAGE, "%s: %s needs a value, and was given an empty one",
                  p->line->command->name, subject);
        error_hint(p->err, "Is a variable behind it unset?");
        return error_code(p->err, "bad-option");
    }
    if (!option_store(p->arena, option, p->line->args, text, subject, p->err))
        return error_wrap(p->err, "%s", p->line->command->name);
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

static bool take_argument(Parser *p, Str word);
static bool lead_to(Parser *p, const Command *command, const Alias *alias);

static Str without(Str text, Str prefix)
{
    return str_starts(text, prefix) ? str_sub(text, prefix.len, text.len) : text;
}

/* "filesystem:a,b" and "file://a" are folders. */
static bool take_folders(Parser *p, const Option *option, Str text, const char *subject)
{
    do {
        Str one;
        text = str_cut(text, ',', &one);
        one = without(without(str_trim(one), STR("filesystem:")), STR("file://"));
        if (!take_option(p, option, true, one, subject))
            return false;
    } while (text.len > 0);
    return true;
}

static bool take_own(Parser *p, const char *name, Str text);

/* tern's: "last", a version, and from here "+2", "-2", or "-+2" for both. What it leads to is another command, which knows nothing of options
 * that were meant for the first. */
static bool take_destination(Parser *p, Str text)
{
    bool is_both = str_starts(text, STR("-+")), is_down = !is_both && str_starts(text, STR("-"));
    uint64_t number;
    if (str_eq(text, STR("last")))
        return true;
    if (str_starts(text, STR("+")))
        return take_own(p, "steps", str_sub(text, 1, text.len));
    Str digits = str_sub(text, is_both ? 2 : is_down, text.len);
    if (!str_to_u64(digits, &number)) {
        error_set(p->err, ERROR_USAGE,
                  "--destination takes last, a version, +N, -N or -+N, not '%.*s'", STR_ARG(text));
        return error_code(p->err, "bad-option");
    }
    if (p->has_own) {
        error_set(p->err, ERROR_USAGE,
                  "--destination %.*s has to stand in front of migrate's other options",
                  STR_ARG(text));
        return error_code(p->err, "bad-option");
    }
    if (!lead_to(p,
                 named(p->commands, is_both   ? STR("redo")
                                    : is_down ? STR("rollback")
                                              : STR("goto")),
                 NULL))
        return false;
    if (is_both || is_down)
        return take_own(p, "steps", digits);
    return take_argument(p, number == 0 ? STR("base") : digits);
}

static bool take_flag_alias(Parser *p, const FlagAlias *alias, Str text, bool has_value)
{
    char subject[80];
    snprintf(subject, sizeof subject, "--%s", alias->name);
    Str means = str_from(alias->means);
    const Option *own =
        alias->means && p->line->command ? option_find(p->line->command->options, means) : NULL;
    const Option *option = own || !alias->means ? own : option_find(p->settings, means);
    bool takes_value = !option || option_takes_value(option);
    if (takes_value && !has_value && !take_value(p, subject, &text))
        return false;
    switch (alias->kind) {
    case FLAG_ARGUMENT:
        return take_argument(p, text);
    case FLAG_TO_REPAIR:
        p->line->note = "repair looks for itself what there is to put right";
        return lead_to(p, named(p->commands, STR("repair")), NULL);
    case FLAG_DESTINATION:
        return take_destination(p, text);
    case FLAG_FOLDER:
        return take_folders(p, option, text, subject);
    case FLAG_URL:
        return take_option(p, option, !own, without(text, STR("jdbc:")), subject);
    case FLAG_ON_OFF:
        return (has_value && str_eq_nocase(text, STR("false"))) ||
               take_option(p, option, !own, STR("true"), subject);
    case FLAG_SAME:
        break;
    }
    if (!takes_value && has_value) {
        error_set(p->err, ERROR_USAGE, "%s takes no value", subject);
        return error_code(p->err, "bad-option");
    }
    return take_option(p, option, !own, takes_value ? text : STR("true"), subject);
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
    if (!option) {
        const FlagAlias *alias = flag_alias_of(p, name);
        return alias ? take_flag_alias(p, alias, text, has_value) : unknown_option(p, name);
    }
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

/* "-database URL", "-url=URL": as tools of Go and Java have it. */
static bool is_long_with_one_hyphen(const Parser *p, Str letters)
{
    Str name;
    (void)str_cut(letters, '=', &name);
    if (name.len < 2)
        return false;
    for (size_t i = 0; single_hyphen[i]; i++)
        if (str_eq(name, str_from(single_hyphen[i])))
            return option_find(p->settings, name) ||
                   (p->line->command && option_find(p->line->command->options, name));
    return flag_alias_of(p, name) != NULL;
}

/* "-qv", "-dURL", "-d URL" */
static bool take_short(Parser *p, Str letters)
{
    if (is_long_with_one_hyphen(p, letters))
        return take_long(p, letters);
    /* Alembic's "revision -m NAME". */
    if (p->alias && str_eq(str_from(p->alias->words), STR("revision")) && letters.ptr[0] == 'm') {
        Str name = str_sub(letters, 1, letters.len);
        return (name.len > 0 || take_value(p, "-m", &name)) && take_argument(p, name);
    }
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
            const char *who = p->line->command ? p->line->command->name : "whimbrel";
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
    size_t count = 0, at = 0, aliases = 0;
    while (p->commands[count])
        count++;
    while (alias_table[aliases].words)
        aliases++;
    const char **names = arena_alloc(p->arena, (count + aliases + 1) * sizeof *names);
    if (!names)
        return error_nomem(p->err);
    for (size_t i = 0; i < count; i++)
        if (p->commands[i]->group != GROUP_HIDDEN)
            names[at++] = p->commands[i]->name;
    for (size_t i = 0; i < aliases; i++)
        if (named(p->commands, str_from(alias_table[i].command)))
            names[at++] = alias_table[i].words;
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

static bool take_own(Parser *p, const char *name, Str text)
{
    const Option *option = option_find(p->line->command->options, str_from(name));
    char subject[80];
    snprintf(subject, sizeof subject, "--%s", name);
    return take_option(p, option, false, text, subject);
}

/* From here on the line is this command's; what has been given of settings stays. */
static bool lead_to(Parser *p, const Command *command, const Alias *alias)
{
    CommandLine *line = p->line;
    line->command = command;
    p->alias = alias;
    p->argument = p->argument_count = 0;
    line->args = arena_alloc(p->arena, command->args_size);
    if (!line->args)
        return error_nomem(p->err);
    if (!alias)
        return true;
    line->note = alias->note;
    if (!alias->preset)
        return true;
    Str preset = str_from(alias->preset);
    bool is_ok = str_starts(preset, STR("--")) ? take_long(p, str_sub(preset, 2, preset.len))
                                               : take_argument(p, preset);
    return is_ok;
}

/* The command that these words are, or lead to. */
static const Command *command_of(const Parser *p, Str words, const Alias **ret_alias)
{
    *ret_alias = alias_find(words);
    const Command *command =
        *ret_alias ? named(p->commands, str_from((*ret_alias)->command)) : NULL;
    if (!command) {
        *ret_alias = NULL;
        command = named(p->commands, words);
    }
    return command;
}

static bool join_words(Parser *p, Str word, Str *ret_words)
{
    const char *joined = p->typed.len == 0
                             ? str_z(p->arena, word)
                             : str_format(p->arena, "%.*s %.*s", STR_ARG(p->typed), STR_ARG(word));
    *ret_words = str_from(joined);
    return joined || error_nomem(p->err);
}

/* Whether the word goes on with those that led to the command, as in "migrate down", "db migrate status". */
static bool goes_on(Parser *p, Str word, bool *ret_does)
{
    const Alias *alias;
    Str words, first;
    *ret_does = false;
    if (!join_words(p, word, &words))
        return false;
    const Command *command = command_of(p, words, &alias);
    Str rest = str_cut(words, ' ', &first);
    /* "db" and the like stand before anything; and so does "migrate" before what is a command. */
    while (!command && rest.len > 0 && (alias_is_prefix(first) || str_eq(first, STR("migrate")))) {
        command = command_of(p, rest, &alias);
        rest = str_cut(rest, ' ', &first);
    }
    /* "migrate override" alone is nothing yet. */
    if (!command && !str_eq(words, STR("migrate override")))
        return true;
    p->typed = words;
    p->may_go_on = *ret_does = true;
    return !command || lead_to(p, command, alias);
}

/* "db:migrate:status" is "db migrate status". */
static bool take_first_word(Parser *p, Str word)
{
    bool does = false;
    Str part, rest = str_cut(word, ':', &part);
    if (rest.len > 0 &&
        (alias_is_prefix(part) || str_eq(part, STR("migrate")) || str_eq(part, STR("make"))))
        return take_first_word(p, part) &&
               (p->line->command && !p->may_go_on ? unknown_command(p, word)
                                                  : take_first_word(p, rest));
    if (!goes_on(p, part.len == word.len ? word : part, &does))
        return false;
    if (does && part.len == word.len)
        return true;
    if (!p->line->command && p->typed.len == 0 &&
        (alias_is_prefix(word) || str_eq(word, STR("make")))) {
        p->typed = word;
        p->may_go_on = true;
        return true;
    }
    return unknown_command(p, word);
}

static bool needs_number(Parser *p, Str word)
{
    const char *words = p->alias->words;
    error_set(p->err, ERROR_USAGE, "%s takes how many migrations, not '%.*s'", words,
              STR_ARG(word));
    error_hint(p->err, "Up or down to a version: whimbrel goto V.");
    return error_code(p->err, "bad-option");
}

static bool take_steps(Parser *p, Str word)
{
    enum { LONGEST_COUNT = 6 }; /* longer ones are versions */
    uint64_t number;
    if (word.len > LONGEST_COUNT || !str_to_u64(word, &number))
        return needs_number(p, word);
    return take_own(p, "steps", word);
}

/* "+2" to "upgrade", "-2" to "downgrade": where the convention has lines it counts along one. */
static bool take_counted(Parser *p, Str word, char sign)
{
    uint64_t number;
    if (word.len > 0 && word.ptr[0] == sign && !str_to_u64(str_sub(word, 1, word.len), &number))
        return needs_number(p, str_sub(word, 1, word.len));
    return take_own(p, "to", word);
}

/* A further word as the other tool would take it. */
static bool take_alias_word(Parser *p, Str word)
{
    switch (p->alias->word) {
    case WORD_STEPS:
        p->line->note = NULL; /* it is about what is done without a number */
        return take_steps(p, word);
    case WORD_TO:
        return take_own(p, "to", word);
    case WORD_UP:
        if (str_eq(word, STR("heads")))
            return true;
        return take_counted(p, word, '+');
    case WORD_DOWN:
        if (str_eq(word, STR("base")))
            return take_own(p, "all", STR("true"));
        return take_counted(p, word, '-');
    case WORD_FORCE:
        return take_argument(p, str_eq(word, STR("-1")) ? STR("base") : word);
    case WORD_NEW:
        return (p->argument > 0 && str_eq(word, STR("sql"))) || take_argument(p, word);
    case WORD_OWN:
        break;
    }
    return take_argument(p, word);
}

/* Rails' "STEP=2" and "VERSION=2024...". */
static bool take_rails_word(Parser *p, Str word, bool *ret_is_one)
{
    const Command *command = p->line->command;
    *ret_is_one = true;
    if (str_starts(word, STR("STEP=")) && option_find(command->options, STR("steps")))
        return take_own(p, "steps", str_sub(word, 5, word.len));
    if (str_starts(word, STR("VERSION=")) && str_eq(str_from(command->name), STR("migrate")) &&
        p->may_go_on)
        return lead_to(p, named(p->commands, STR("goto")), NULL) &&
               take_argument(p, str_sub(word, 8, word.len));
    *ret_is_one = false;
    return true;
}

static bool take_word(Parser *p, Str word)
{
    bool is_taken = false;
    if (!p->line->command)
        return take_first_word(p, word);
    if (p->may_go_on && !p->is_raw && !goes_on(p, word, &is_taken))
        return false;
    if (!is_taken && !p->is_raw && !take_rails_word(p, word, &is_taken))
        return false;
    if (is_taken)
        return true;
    p->may_go_on = false;
    return p->alias ? take_alias_word(p, word) : take_argument(p, word);
}

static bool take_argument(Parser *p, Str word)
{
    CommandLine *line = p->line;
    /* A first word is no argument, and an option means one only to a command. */
    assert(line->command);
    const Argument *argument =
        line->command->arguments ? &line->command->arguments[p->argument] : NULL;
    if (!argument || !argument->name) {
        const char *name = line->command->name;
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
        return error_wrap(p->err, "%s", line->command->name);
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
            error_set(err, ERROR_USAGE, "%s needs %s: %s", line.command->name, argument->name,
                      argument->help);
            error_hint(err, "'whimbrel %s --help' shows how it is called.", line.command->name);
            is_ok = error_code(err, "missing-argument");
        }
    }
    *ret_line = line;
    return is_ok;
}

/* The parser over the tables. SPDX-License-Identifier: Apache-2.0 */
#include "cli/cli.h"

#include "unit.h"

typedef struct ToolArgs {
    bool dry_run;
    Str to;
    StrVec words, pairs;
    uint32_t steps;
    int64_t wait_ms;
} ToolArgs;

static const Option tool_options[] = {
    {.name = "dry-run", .letter = 'n', .type = OPTION_FLAG, .offset = offsetof(ToolArgs, dry_run)},
    {.name = "to",
     .letter = 't',
     .type = OPTION_STRING,
     .value = "V",
     .offset = offsetof(ToolArgs, to)},
    {.name = "pair", .type = OPTION_PAIRS, .value = "K=V", .offset = offsetof(ToolArgs, pairs)},
    {.name = "steps", .type = OPTION_COUNT, .value = "N", .offset = offsetof(ToolArgs, steps)},
    {.name = "wait",
     .type = OPTION_DURATION,
     .flags = OPTION_FOREVER,
     .value = "D",
     .offset = offsetof(ToolArgs, wait_ms)},
    {0},
};
static const Argument tool_arguments[] = {
    {.name = "WORD",
     .type = OPTION_STRINGS,
     .offset = offsetof(ToolArgs, words),
     .is_optional = true,
     .help = "words"},
    {0},
};
static const Argument runner_arguments[] = {
    {.name = "CMD",
     .type = OPTION_STRINGS,
     .offset = offsetof(ToolArgs, words),
     .ends_options = true,
     .help = "it"},
    {0},
};
static const Command tool = {.name = "tool",
                             .options = tool_options,
                             .arguments = tool_arguments,
                             .args_size = sizeof(ToolArgs)};
static const Command runner = {.name = "runner",
                               .options = tool_options,
                               .arguments = runner_arguments,
                               .args_size = sizeof(ToolArgs)};
static const Command *const tools[] = {&tool, &runner, NULL};
static const Option globals[] = {
    {.name = "url", .letter = 'u', .type = OPTION_STRING, .value = "URL"},
    {.name = "loud", .letter = 'l', .type = OPTION_FLAG},
    {0},
};

typedef struct Parsed {
    Arena *arena;
    Error err;
    CommandLine line;
    const ToolArgs *args;
    bool is_ok;
} Parsed;

static void parsed_done(Parsed *parsed)
{
    arena_free(parsed->arena);
}

static Parsed parse(const char *const *words)
{
    Parsed parsed = {.arena = arena_new()};
    int count = 0;
    while (words[count])
        count++;
    parsed.err.arena = parsed.arena;
    parsed.is_ok = command_line_parse(parsed.arena, tools, globals, count,
                                      (char *const *)(uintptr_t)words, &parsed.line, &parsed.err);
    parsed.args = parsed.line.args;
    return parsed;
}
#define PARSE(...) parse((const char *const[]){__VA_ARGS__, NULL})

static void every_way_to_give_a_value_is_understood(void **state)
{
    (void)state;
    static const char *const lines[][5] = {{"tool", "--to", "x"}, {"tool", "--to=x"},
                                           {"tool", "-t", "x"},   {"tool", "-tx"},
                                           {"tool", "-n", "-tx"}, {"db", "tool", "--to", "x"}};
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        scoped(Parsed, parsed_done) p = parse(lines[i]);
        assert_true(p.is_ok);
        assert_ptr_equal(p.line.command, &tool);
        assert_true(str_eq(p.args->to, STR("x")));
    }
}

static void global_options_stand_anywhere(void **state)
{
    (void)state;
    scoped(Parsed, parsed_done) p = PARSE("-l", "--url", "a", "tool", "-u", "b", "word", "-nl");
    assert_true(p.is_ok);
    assert_int_equal(p.line.given[0].len, 2);
    assert_int_equal(p.line.given[1].len, 2);
    assert_true(str_eq(p.line.given[0].items[1], STR("b")));
    assert_true(p.args->dry_run);
    assert_int_equal(p.args->words.len, 1);
}

static void the_last_value_counts_and_lists_gather(void **state)
{
    (void)state;
    scoped(Parsed, parsed_done) p =
        PARSE("tool", "--to=a", "--to=b", "--pair", "x=1", "--pair=y=2=3");
    assert_true(p.is_ok);
    assert_true(str_eq(p.args->to, STR("b")));
    assert_int_equal(p.args->pairs.len, 2);
    assert_true(str_eq(p.args->pairs.items[1], STR("y=2=3")));
}

static void two_hyphens_end_the_options_and_digits_begin_none(void **state)
{
    (void)state;
    scoped(Parsed, parsed_done) p = PARSE("tool", "-1", "+2", "-", "--", "-n", "--to");
    assert_true(p.is_ok);
    assert_false(p.args->dry_run);
    assert_int_equal(p.args->words.len, 5);
    scoped(Parsed, parsed_done) r = PARSE("runner", "-n", "psql", "-t", "--help");
    assert_true(r.is_ok);
    assert_true(r.args->dry_run);
    assert_false(r.line.wants_help);
    assert_int_equal(r.args->words.len, 3);
    assert_int_equal(r.args->to.len, 0);
}

static void an_empty_value_is_refused(void **state)
{
    (void)state;
    scoped(Parsed, parsed_done) p = PARSE("tool", "--to", "");
    assert_false(p.is_ok);
    assert_string_equal(p.err.code, "bad-option");
    scoped(Parsed, parsed_done) q = PARSE("tool", "--to=");
    assert_false(q.is_ok);
}

static void slips_are_refused_with_the_nearest(void **state)
{
    (void)state;
    static const struct {
        const char *words[4], *message;
    } rows[] = {
        {{"tol"}, "there is no command 'tol'. Did you mean 'tool'?"},
        {{"tool", "--dryrun"}, "tool has no option '--dryrun'. Did you mean '--dry-run'?"},
        {{"tool", "--lound"}, "tool has no option '--lound'. Did you mean '--loud'?"},
        {{"tool", "--dry"}, "tool has no option '--dry'"},
        {{"--dry-run", "tool"}, "whimbrel has no option '--dry-run'"},
        {{"tool", "-x"}, "tool has no option '-x'"},
        {{"tool", "--to"}, "--to needs a value"},
        {{"tool", "-t"}, "-t needs a value"},
        {{"tool", "--loud=1"}, "--loud takes no value"},
        {{"tool", "--steps", "0"}, "tool: --steps takes a number from 1 on, not '0'"},
        {{"tool", "--steps", "4294967296"},
         "tool: --steps takes a number from 1 on, not '4294967296'"},
        {{"tool", "--pair", "=x"}, "tool: --pair takes KEY=VALUE, not '=x'"},
        {{"tool", "--wait", "0"},
         "tool: --wait takes a duration such as 500ms, 2s or 10min, not '0'"},
        {{"runner"}, "runner needs CMD: it"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        scoped(Parsed, parsed_done) p = parse(rows[i].words);
        assert_false(p.is_ok);
        assert_int_equal(p.err.kind, ERROR_USAGE);
        assert_string_equal(p.err.message, rows[i].message);
    }
}

static void durations_have_units(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t ms;
    } rows[] = {{"1", 1000},       {"500ms", 500},  {"2s", 2000},
                {"10min", 600000}, {"1h", 3600000}, {"forever", -1}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        scoped(Parsed, parsed_done) p = PARSE("tool", "--wait", rows[i].text);
        assert_true(p.is_ok);
        assert_int_equal(p.args->wait_ms, rows[i].ms);
    }
}

static void help_is_given_in_spite_of_other_slips(void **state)
{
    (void)state;
    scoped(Parsed, parsed_done) p = PARSE("tool", "--bogus", "--help");
    assert_true(p.is_ok && p.line.wants_help);
    assert_ptr_equal(p.line.command, &tool);
    scoped(Parsed, parsed_done) q = PARSE("-h", "runner");
    assert_true(q.is_ok && q.line.wants_help);
    assert_ptr_equal(q.line.command, &runner);
}

static void tables_are_sound(void **state)
{
    (void)state;
    for (size_t i = 0; command_table[i]; i++) {
        const Command *command = command_table[i];
        assert_non_null(command->name);
        assert_non_null(command->summary);
        assert_non_null(command->about);
        assert_non_null(command->run);
        assert_true(command->group == GROUP_HIDDEN || command->examples);
        assert_ptr_equal(command_find(command_table, str_from(command->name)), command);
        for (const Option *o = command->options; o && o->name; o++) {
            assert_non_null(o->help);
            assert_true(o->type == OPTION_FLAG || o->value);
            assert_true(o->type != OPTION_CHOICE || o->choices);
            assert_true(o->offset < command->args_size);
            /* An option of a command would hide a global one. */
            for (size_t s = 0; settings_table[s].name || settings_table[s].key; s++)
                assert_false(settings_table[s].name &&
                             str_eq(str_from(settings_table[s].name), str_from(o->name)));
        }
    }
    for (size_t s = 0; settings_table[s].name || settings_table[s].key; s++) {
        const Option *row = &settings_table[s];
        assert_non_null(row->help);
        assert_true(row->offset < sizeof(Settings));
        Settings settings = {0};
        scoped(Arena *, arena_freep) arena = arena_new();
        Error err = {.arena = arena};
        assert_true(!row->fallback ||
                    option_store(arena, row, &settings, str_from(row->fallback), "x", &err));
    }
}

UNIT_TESTS(option) = {
    cmocka_unit_test(every_way_to_give_a_value_is_understood),
    cmocka_unit_test(global_options_stand_anywhere),
    cmocka_unit_test(the_last_value_counts_and_lists_gather),
    cmocka_unit_test(two_hyphens_end_the_options_and_digits_begin_none),
    cmocka_unit_test(an_empty_value_is_refused),
    cmocka_unit_test(slips_are_refused_with_the_nearest),
    cmocka_unit_test(durations_have_units),
    cmocka_unit_test(help_is_given_in_spite_of_other_slips),
    cmocka_unit_test(tables_are_sound),
};
UNIT_TESTS_END(option)

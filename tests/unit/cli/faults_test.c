/* Memory that runs out, anywhere. SPDX-License-Identifier: Apache-2.0 */
#include "cli/cli.h"

#include "unit.h"

#ifdef WHIMBREL_FAULTS
typedef bool (*Work)(Arena *arena, Error *err);

/* Loses the 1st, 2nd, 3rd ... allocation until the work is done without losing any. */
static void survives(Work work)
{
    for (unsigned nth = 1;; nth++) {
        scoped(Arena *, arena_freep) arena = arena_new();
        scoped(Arena *, arena_freep) texts = arena_new();
        assert_non_null(arena);
        assert_non_null(texts);
        Error err = {.arena = texts};
        fault_fail_allocation(nth);
        bool ok = work(arena, &err);
        bool fired = fault_fired();
        fault_fail_allocation(0);
        if (!fired) {
            assert_true(ok);
            assert_true(nth > 1);
            return;
        }
        assert_false(ok);
        assert_int_equal(err.kind, ERROR_NOMEM);
    }
}

static bool parses(Arena *arena, Error *err)
{
    static const char *const words[] = {"-m",   "a", "migrate", "-m",  "b",
                                        "--to", "x", "--set",   "k=v", "-q"};
    CommandLine line;
    return command_line_parse(arena, command_table, settings_table, 10,
                              (char *const *)(uintptr_t)words, &line, err);
}

static void parsing_survives_the_loss_of_any_allocation(void **state)
{
    (void)state;
    survives(parses);
}

static bool configures(Arena *arena, Error *err)
{
    StrVec given[MOST_SETTINGS] = {0};
    static Str folders[] = {{"a", 1}, {"b", 1}}, pairs[] = {{"k=v", 3}, {"l=w", 3}};
    given[setting_index("migrations")] = (StrVec){.items = folders, .len = 2};
    given[setting_index("set")] = (StrVec){.items = pairs, .len = 2};
    Configuration configuration;
    return configuration_load(arena, arena, given, false, &configuration, err);
}

static void configuring_survives_the_loss_of_any_allocation(void **state)
{
    (void)state;
    survives(configures);
}

static bool helps(Arena *arena, Error *err)
{
    Text text = text_new(arena, (TextLook){.has_color = true});
    help_full(&text, command_table);
    for (size_t i = 0; command_table[i]; i++)
        help_command(&text, command_table[i]);
    Str s;
    return strbuf_finish(&text.buf, &s) || error_nomem(err);
}

static void a_lost_allocation_never_shortens_help_in_silence(void **state)
{
    (void)state;
    scoped(Arena *, arena_freep) arena = arena_new();
    Error err = {.arena = arena};
    Text whole = text_new(arena, (TextLook){.has_color = true});
    help_full(&whole, command_table);
    for (unsigned nth = 1; nth < 400; nth++) {
        scoped(Arena *, arena_freep) lossy = arena_new();
        Text text = text_new(lossy, (TextLook){.has_color = true});
        fault_fail_allocation(nth);
        help_full(&text, command_table);
        fault_fail_allocation(0);
        assert_true(text.buf.has_failed || text.buf.len == whole.buf.len);
    }
    assert_true(helps(arena, &err));
}

static bool completes(Arena *arena, Error *err)
{
    static const char *const shells[] = {"bash", "zsh", "fish"};
    for (size_t i = 0; i < 3; i++) {
        StrBuf out = strbuf(arena);
        Str s;
        if (!completion_script(str_from(shells[i]), &out) || !strbuf_finish(&out, &s))
            return error_nomem(err);
    }
    return true;
}

static void completion_survives_the_loss_of_any_allocation(void **state)
{
    (void)state;
    survives(completes);
}

static void a_page_of_the_manual_is_whole_or_an_error(void **state)
{
    (void)state;
    char folder[] = "/tmp/whimbrel-manual-XXXXXX";
    assert_non_null(mkdtemp(folder));
    for (unsigned nth = 1; nth < 200; nth += 7) {
        scoped(Arena *, arena_freep) arena = arena_new();
        scoped(Arena *, arena_freep) texts = arena_new();
        Error err = {.arena = texts};
        fault_fail_allocation(nth);
        bool ok = manual_write(arena, folder, &err);
        bool fired = fault_fired();
        fault_fail_allocation(0);
        assert_true(ok || fired);
        if (!ok)
            assert_int_equal(err.kind, ERROR_NOMEM);
    }
    scoped(Arena *, arena_freep) arena = arena_new();
    Error err = {.arena = arena};
    FolderEntryVec entries;
    assert_true(manual_write(arena, folder, &err));
    assert_true(folder_list(arena, folder, &entries, &err));
    for (size_t i = 0; i < entries.len; i++)
        assert_true(file_remove(path_join(arena, folder, entries.items[i].name), &err));
    assert_int_equal(remove(folder), 0);
}

UNIT_TESTS(faults) = {
    cmocka_unit_test(parsing_survives_the_loss_of_any_allocation),
    cmocka_unit_test(configuring_survives_the_loss_of_any_allocation),
    cmocka_unit_test(a_lost_allocation_never_shortens_help_in_silence),
    cmocka_unit_test(completion_survives_the_loss_of_any_allocation),
    cmocka_unit_test(a_page_of_the_manual_is_whole_or_an_error),
};
UNIT_TESTS_END(faults)
#endif

/* Sets and histories: order, duplicates, look-ups. SPDX-License-Identifier: Apache-2.0 */
#include "migration/migration.h"

#include "unit.h"

#include <string.h>

static void add(Arena *arena, MigrationSet *set, const char *version, const char *name,
                MigrationKind kind, const char *text)
{
    Script *script = arena_alloc(arena, sizeof *script);
    *script =
        (Script){.path = str_format(arena, "m/%s_%s.sql", version, name), .text = str_from(text)};
    Migration migration = {
        .version = str_from(version), .name = str_from(name), .kind = kind, .up = script};
    assert_true(vec_push(arena, &set->migrations, migration));
}

static void a_set_is_sorted_and_found_by_number(void **state)
{
    (void)state;
    scoped(Arena *, arena_freep) arena = arena_new();
    Error err = {.arena = arena};
    MigrationSet set = {
        .script_options = {.split = {.dialect = SQL_SQLITE}, .checksum_hash = HASH_SHA256}};
    add(arena, &set, "", "views", MIGRATION_REPEATABLE, "SELECT 5;");
    add(arena, &set, "10", "ten", MIGRATION_VERSIONED, "SELECT 1;");
    add(arena, &set, "9.1", "nine_one", MIGRATION_VERSIONED, "SELECT 2;");
    add(arena, &set, "", "funcs", MIGRATION_REPEATABLE, "SELECT 4;");
    add(arena, &set, "009", "nine", MIGRATION_VERSIONED, "SELECT 3;");
    assert_true(migration_set_finish(&set, &err));
    static const char *const order[] = {"nine", "nine_one", "ten", "funcs", "views"};
    for (size_t i = 0; i < 5; i++)
        assert_true(str_eq(set.migrations.items[i].name, str_from(order[i])));
    assert_true(str_eq(migration_set_find(&set, STR("9"))->name, STR("nine")));
    assert_true(str_eq(migration_set_find(&set, STR("010.0"))->name, STR("ten")));
    assert_null(migration_set_find(&set, STR("11")));
    assert_null(migration_set_find(&set, STR("")));
    assert_true(str_eq(migration_set_find_repeatable(&set, STR("views"))->name, STR("views")));
    assert_null(migration_set_find_repeatable(&set, STR("Views")));
    assert_true(migration_set_read(arena, &set, true, &err));
    for (size_t i = 0; i < 5; i++)
        assert_int_equal(set.migrations.items[i].up->statements, 1);
}

static void equal_versions_are_refused_naming_both_files(void **state)
{
    (void)state;
    scoped(Arena *, arena_freep) arena = arena_new();
    Error err = {.arena = arena};
    MigrationSet set = {0};
    add(arena, &set, "2", "b", MIGRATION_VERSIONED, "");
    add(arena, &set, "1", "x", MIGRATION_VERSIONED, "");
    add(arena, &set, "001", "y", MIGRATION_VERSIONED, "");
    assert_false(migration_set_finish(&set, &err));
    assert_int_equal(err.kind, ERROR_STATE);
    assert_string_equal(err.code, "duplicate-version");
    assert_non_null(strstr(err.message, "m/1_x.sql"));
    assert_non_null(strstr(err.message, "m/001_y.sql"));
    MigrationSet repeatables = {0};
    error_clear(&err);
    add(arena, &repeatables, "", "v", MIGRATION_REPEATABLE, "");
    add(arena, &repeatables, "", "v", MIGRATION_REPEATABLE, "");
    assert_false(migration_set_finish(&repeatables, &err));
    assert_string_equal(err.code, "duplicate-version");
}

static void rows_are_found_by_identity(void **state)
{
    (void)state;
    scoped(Arena *, arena_freep) arena = arena_new();
    Error err = {.arena = arena};
    HistoryRow rows[] = {
        {.version = STR("10"), .name = STR("ten"), .rank = 1},
        {.name = STR("views"), .kind = MIGRATION_REPEATABLE, .rank = 2},
        {.version = STR("2"), .name = STR("two"), .kind = MIGRATION_BASELINE, .rank = 3},
    };
    History history = {.rows = {.items = rows, .len = 3, .cap = 3}};
    for (int pass = 0; pass < 2; pass++) { /* without the index and with it */
        assert_int_equal(history_find(&history, STR("010"))->rank, 1);
        assert_int_equal(history_find(&history, STR("2.0"))->rank, 3);
        assert_null(history_find(&history, STR("3")));
        assert_int_equal(history_find_repeatable(&history, STR("views"))->rank, 2);
        assert_null(history_find_repeatable(&history, STR("ten")));
        assert_true(history_finish(arena, &history, &err));
    }
    History empty = {0};
    assert_true(history_finish(arena, &empty, &err));
    assert_null(history_find(&empty, STR("1")));
}

static void only_what_was_applied_is_expected(void **state)
{
    (void)state;
    scoped(Arena *, arena_freep) arena = arena_new();
    Error err = {.arena = arena};
    MigrationSet set = {
        .script_options = {.split = {.dialect = SQL_SQLITE}, .checksum_hash = HASH_SHA256}};
    add(arena, &set, "1", "a", MIGRATION_VERSIONED, "SELECT 1;");
    add(arena, &set, "2", "b", MIGRATION_VERSIONED, "SELECT 1;");
    add(arena, &set, "3", "c", MIGRATION_VERSIONED, "SELECT 1;");
    assert_true(migration_set_finish(&set, &err));
    HistoryRow rows[] = {
        {.version = STR("1"),
         .checksum = STR("aa"),
         .tokens = STR("bb"),
         .outcome = HISTORY_APPLIED},
        {.version = STR("2"),
         .checksum = STR("cc"),
         .tokens = STR("dd"),
         .outcome = HISTORY_RUNNING_UP},
    };
    History history = {.rows = {.items = rows, .len = 2, .cap = 2}};
    migration_set_expect(&set, &history);
    assert_true(str_eq(set.migrations.items[0].up->known->checksum, STR("aa")));
    assert_true(str_eq(set.migrations.items[0].up->known->tokens, STR("bb")));
    assert_null(set.migrations.items[1].up->known);
    assert_null(set.migrations.items[2].up->known);
}

/* A history is read twice, once under the lock: in between the first one goes, and files are not read again. */
static void digests_outlast_the_history_that_lent_them(void **state)
{
    (void)state;
    scoped(Arena *, arena_freep) arena = arena_new();
    scoped(Arena *, arena_freep) first = arena_new();
    Error err = {.arena = arena};
    MigrationSet set = {
        .script_options = {.split = {.dialect = SQL_SQLITE}, .checksum_hash = HASH_SHA256}};
    add(arena, &set, "1", "same", MIGRATION_VERSIONED, "SELECT 1;");
    add(arena, &set, "2", "changed", MIGRATION_VERSIONED, "SELECT 2;");
    Script *same = set.migrations.items[0].up, *changed = set.migrations.items[1].up;
    Script once = *same;
    assert_true(script_read(arena, &once, &set.script_options, &err));
    HistoryRow *rows = arena_alloc(first, 2 * sizeof *rows);
    assert_non_null(rows);
    rows[0] = (HistoryRow){.version = STR("1"), .tokens = STR("as lent")};
    assert_true(str_copy(first, once.checksum, &rows[0].checksum));
    rows[1] = (HistoryRow){.version = STR("2"), .checksum = STR("other"), .tokens = STR("other")};
    History history = {.rows = {.items = rows, .len = 2, .cap = 2}};
    migration_set_expect(&set, &history);
    assert_true(migration_set_read(arena, &set, false, &err));
    assert_true(str_eq(same->tokens, STR("as lent")));
    assert_false(same->has_parts);
    assert_true(changed->has_parts);
    assert_true(migration_set_forget(&set, arena, &err));
    arena_freep(&first);
    assert_false(same->is_read);
    assert_true(changed->is_read);
    HistoryRow again[] = {
        {.version = STR("1"), .checksum = once.checksum, .tokens = STR("lent again")},
        {.version = STR("2"), .checksum = STR("other"), .tokens = STR("other")}};
    history.rows.items = again;
    migration_set_expect(&set, &history);
    assert_true(same->is_read);
    assert_true(str_eq(same->tokens, STR("lent again")));
    assert_true(str_eq(same->checksum, once.checksum));
    assert_false(str_eq(changed->checksum, STR("other")));
    /* A third one knows other bytes: then they are looked at. */
    assert_true(migration_set_forget(&set, arena, &err));
    again[0].checksum = STR("yet other");
    migration_set_expect(&set, &history);
    assert_false(same->is_read);
    assert_true(migration_set_read(arena, &set, false, &err));
    assert_true(str_eq(same->checksum, once.checksum));
    assert_true(str_eq(same->tokens, once.tokens));
}

/* A set of ten thousand has to fit into a few megabytes: a count, for whoever adds a field. */
static void a_migration_takes_little_memory(void **state)
{
    (void)state;
    assert_true(sizeof(Migration) <= 64);
    assert_true(sizeof(Script) <= 128);
    assert_true(sizeof(ScriptPart) <= 32);
    assert_true(sizeof(HistoryRow) <= 176);
}

static void words_are_those_of_the_manual(void **state)
{
    (void)state;
    scoped(Arena *, arena_freep) arena = arena_new();
    static const char *const points[] = {"before-migrate", "after-migrate", "before-each",
                                         "after-each",     "on-error",      "before-rollback",
                                         "after-rollback"};
    for (int i = 0; i < HOOK_COUNT; i++)
        assert_string_equal(hook_point_name((HookPoint)i), points[i]);
    assert_string_equal(migration_kind_name(MIGRATION_VERSIONED), "versioned");
    assert_string_equal(migration_kind_name(MIGRATION_REPEATABLE), "repeatable");
    assert_string_equal(migration_kind_name(MIGRATION_BASELINE), "baseline");
    assert_string_equal(
        migration_label(arena, STR("20250405120000"), STR("create_users"), MIGRATION_VERSIONED),
        "20250405120000 create_users");
    assert_string_equal(migration_label(arena, (Str){0}, STR("views"), MIGRATION_REPEATABLE),
                        "R views");
    assert_string_equal(migration_label(arena, STR("7"), (Str){0}, MIGRATION_BASELINE), "7");
}

UNIT_TESTS(set) = {
    cmocka_unit_test(a_set_is_sorted_and_found_by_number),
    cmocka_unit_test(equal_versions_are_refused_naming_both_files),
    cmocka_unit_test(rows_are_found_by_identity),
    cmocka_unit_test(only_what_was_applied_is_expected),
    cmocka_unit_test(digests_outlast_the_history_that_lent_them),
    cmocka_unit_test(a_migration_takes_little_memory),
    cmocka_unit_test(words_are_those_of_the_manual),
};
UNIT_TESTS_END(set)

/* ${name} in a text. SPDX-License-Identifier: Apache-2.0 */
#include "sql/sql.h"

#include "unit.h"

#include <string.h>

static SqlPlaceholder items[] = {
    {{"schema", 6}, {"app", 3}},
    {{"a", 1}, {"${schema}", 9}},
    {{"empty", 5}, {"", 0}},
};
static const SqlPlaceholderVec placeholders = {items, 3, 3};

static void values_take_the_place_of_names(void **state)
{
    (void)state;
    scoped(Arena *, arena_freep) arena = arena_new();
    static const char *const pairs[][2] = {
        {"", ""},
        {"SELECT 1", "SELECT 1"},
        {"${schema}.t", "app.t"},
        {"'${a}' ${empty}.", "'${schema}' ."}, /* what is put in is not read again */
        {"$${schema}", "${schema}"},
        {"$$ $ { } $1", "$$ $ { } $1"},
        {"${schema}${schema}", "appapp"},
    };
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        Error err = {.arena = arena};
        Str text = str_from(pairs[i][0]), expanded;
        assert_true(sql_expand(arena, text, &placeholders, "x.sql", 1, &expanded, &err));
        assert_true(str_eq(expanded, str_from(pairs[i][1])));
        if (str_eq(text, expanded) && text.len > 0)
            assert_ptr_equal(text.ptr, expanded.ptr); /* nothing is copied for nothing */
    }
}

static void an_unset_one_is_told_with_its_place_and_the_nearest(void **state)
{
    (void)state;
    scoped(Arena *, arena_freep) arena = arena_new();
    Error err = {.arena = arena};
    Str expanded = STR("untouched");
    assert_false(sql_expand(arena, STR("SELECT 1;\n  FROM ${shcema}.t\n"), &placeholders, "x.sql",
                            10, &expanded, &err));
    assert_int_equal(err.kind, ERROR_USAGE);
    assert_string_equal(err.code, "placeholder-unset");
    assert_string_equal(err.pos.file, "x.sql");
    assert_int_equal(err.pos.line, 11);
    assert_int_equal(err.pos.column, 8);
    assert_string_equal(err.excerpt, "  FROM ${shcema}.t");
    assert_int_equal(err.excerpt_column, 8);
    assert_non_null(strstr(err.hint, "${schema}"));
    assert_true(str_eq(expanded, STR("untouched")));
}

static void what_is_no_placeholder_is_refused(void **state)
{
    (void)state;
    scoped(Arena *, arena_freep) arena = arena_new();
    static const char *const texts[] = {"${", "${}", "${a", "${a b}", "x ${\n}"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        Error err = {.arena = arena};
        Str expanded;
        assert_false(
            sql_expand(arena, str_from(texts[i]), &placeholders, NULL, 1, &expanded, &err));
        assert_string_equal(err.code, "placeholder-form");
    }
}

#ifdef WHIMBREL_FAULTS
static void expanding_survives_the_loss_of_any_allocation(void **state)
{
    (void)state;
    for (unsigned nth = 1;; nth++) {
        scoped(Arena *, arena_freep) arena = arena_new();
        Error err = {.arena = arena};
        Str expanded;
        fault_fail_allocation(nth);
        bool ok = sql_expand(arena, STR("${schema}.t"), &placeholders, NULL, 1, &expanded, &err);
        bool has_fired = fault_fired();
        fault_fail_allocation(0);
        assert_int_equal(ok, !has_fired);
        if (!has_fired)
            return;
        assert_int_equal(err.kind, ERROR_NOMEM);
    }
}
#endif

UNIT_TESTS(placeholder) = {
    cmocka_unit_test(values_take_the_place_of_names),
    cmocka_unit_test(an_unset_one_is_told_with_its_place_and_the_nearest),
    cmocka_unit_test(what_is_no_placeholder_is_refused),
#ifdef WHIMBREL_FAULTS
    cmocka_unit_test(expanding_survives_the_loss_of_any_allocation),
#endif
};
UNIT_TESTS_END(placeholder)

/* Versions. SPDX-License-Identifier: Apache-2.0 */
#include "migration/migration.h"

#include "unit.h"

static void versions_are_numbers_with_dots(void **state)
{
    (void)state;
    static const char *const good[] = {"0",
                                       "1",
                                       "001",
                                       "20250405120000",
                                       "1.2.3",
                                       "1.02",
                                       "+7",
                                       "-3",
                                       "99999999999999999999999999999999999",
                                       NULL};
    static const char *const bad[] = {"",  ".",   "1.",  ".1", "1..2", "a",   "1a", "v1", "-",
                                      "+", "--1", "1-2", " 1", "1 ",   "1_2", "١",  NULL};
    for (size_t i = 0; good[i]; i++) {
        if (!version_is_valid(str_from(good[i])))
            fail_msg("%s is refused", good[i]);
    }
    for (size_t i = 0; bad[i]; i++) {
        if (version_is_valid(str_from(bad[i])))
            fail_msg("\"%s\" is accepted", bad[i]);
    }
}

static void versions_compare_part_by_part_as_numbers(void **state)
{
    (void)state;
    /* In order; entries of one group are equal. */
    static const char *const groups[][5] = {
        {"-20", "-020"},
        {"-3.1"},
        {"-3"},
        {"0", "-0", "+0", "0.0", "000"},
        {"0.1", "0.01"},
        {"1", "001", "1.0", "+1", "1.00.0"},
        {"1.2"},
        {"1.10"},
        {"2"},
        {"9"},
        {"10"},
        {"20240101000000"},
        {"9223372036854775807"},
        {"9223372036854775808"},
        {"100000000000000000000000000000000000000"},
        {"1.x"}, /* what is no version stands behind all that are */
        {"abc"},
    };
    size_t count = sizeof groups / sizeof *groups;
    for (size_t a = 0; a < count; a++) {
        for (size_t b = 0; b < count; b++) {
            for (size_t i = 0; i < 5 && groups[a][i]; i++) {
                for (size_t j = 0; j < 5 && groups[b][j]; j++) {
                    int expected = a < b ? -1 : a > b;
                    int order = version_compare(str_from(groups[a][i]), str_from(groups[b][j]));
                    if (order != expected)
                        fail_msg("%s against %s gives %d", groups[a][i], groups[b][j], order);
                }
            }
        }
    }
}

static void other_orders_take_any_text(void **state)
{
    (void)state;
    static const VersionOrder text = {.kind = VERSIONS_TEXT};
    assert_true(version_order_takes(&text, STR("20240101_a")));
    assert_false(version_order_takes(&text, STR("")));
    assert_false(version_order_takes(NULL, STR("abc")));
    assert_true(version_order_compare(NULL, STR("2"), STR("10")) < 0);
    assert_true(version_order_compare(&text, STR("2"), STR("10")) > 0);
    assert_true(version_order_compare(&text, STR("1"), STR("001")) != 0);
}

static void a_list_gives_the_order_and_what_it_lacks_comes_last(void **state)
{
    (void)state;
    scoped(Arena *, arena_freep) arena = arena_new();
    Error err = {.arena = arena};
    StrVec versions = {0};
    VersionOrder order;
    static const char *const listed[] = {"c0ffee", "a1", "b2", "a1"};
    for (size_t i = 0; i < 4; i++)
        assert_true(vec_push(arena, &versions, str_from(listed[i])));
    assert_true(version_order_list(arena, &versions, &order, &err));
    assert_true(version_order_compare(&order, STR("c0ffee"), STR("a1")) < 0);
    assert_true(version_order_compare(&order, STR("b2"), STR("a1")) > 0);
    assert_int_equal(version_order_compare(&order, STR("a1"), STR("a1")), 0);
    assert_true(version_order_compare(&order, STR("b2"), STR("aa")) < 0);
    assert_true(version_order_compare(&order, STR("ab"), STR("aa")) > 0);
}

UNIT_TESTS(version) = {
    cmocka_unit_test(other_orders_take_any_text),
    cmocka_unit_test(a_list_gives_the_order_and_what_it_lacks_comes_last),
    cmocka_unit_test(versions_are_numbers_with_dots),
    cmocka_unit_test(versions_compare_part_by_part_as_numbers),
};
UNIT_TESTS_END(version)

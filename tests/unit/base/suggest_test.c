/* "Did you mean ...?" SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "unit.h"

static const char *const commands[] = {"new",  "status",    "plan",     "migrate", "rollback",
                                       "goto", "redo",      "sync",     "seed",    "up",
                                       "down", "--dry-run", "--output", NULL};

static void a_slip_finds_its_word(void **state)
{
    (void)state;
    static const char *const pairs[][2] = {
        {"migrat", "migrate"},
        {"mirgate", "migrate"},
        {"Migrate", "migrate"},
        {"staus", "status"},
        {"stauts", "status"},
        {"statuss", "status"},
        {"--dryrun", "--dry-run"},
        {"--outptu", "--output"},
        {"rolback", "rollback"},
        {"nwe", "new"},
        {"pu", "up"},
        {"stat", "status"},
    };
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        const char *found = suggest_nearest(str_from(pairs[i][0]), commands);
        if (!found || strcmp(found, pairs[i][1]) != 0)
            fail_msg("'%s' gives '%s'", pairs[i][0], found ? found : "nothing");
    }
}

static void what_is_nothing_like_it_finds_nothing(void **state)
{
    (void)state;
    static const char *const words[] = {"", "x", "qqq", "frobnicate", "deploy", "ab", "--verbose"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        assert_null(suggest_nearest(str_from(words[i]), commands));
    char long_word[300];
    memset(long_word, 'm', sizeof long_word);
    assert_null(suggest_nearest((Str){long_word, sizeof long_word}, commands));
    static const char *const none[] = {NULL};
    assert_null(suggest_nearest(STR("x"), none));
}

static void the_nearest_wins_and_the_first_of_equals(void **state)
{
    (void)state;
    static const char *const near[] = {"column", "columns", "volume", NULL};
    assert_string_equal(suggest_nearest(STR("colums"), near), "column");
    assert_string_equal(suggest_nearest(STR("columnss"), near), "columns");
}

UNIT_TESTS(suggest) = {
    cmocka_unit_test(a_slip_finds_its_word),
    cmocka_unit_test(what_is_nothing_like_it_finds_nothing),
    cmocka_unit_test(the_nearest_wins_and_the_first_of_equals),
};
UNIT_TESTS_END(suggest)

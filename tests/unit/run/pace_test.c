/* The estimate of how long a statement's phase takes on. SPDX-License-Identifier: Apache-2.0 */
#include "run/work.h"

#include <string.h>

#include "unit.h"

enum { S = 1000000 };

/* An even phase of 100 s, looked at every second. */
static void an_even_pace_counts_down(void **state)
{
    (void)state;
    Pace pace = {0};
    int64_t before = INT64_MAX;
    for (int64_t s = 0; s < 100; s++) {
        pace_note(&pace, (1000 + s) * S, STR("scanning"), s * 10, 1000);
        int64_t left = pace_left_us(&pace, (1000 + s) * S);
        if (s < 3) {
            assert_int_equal(left, -1); /* too early */
            continue;
        }
        assert_true(left > 0 && left < before);
        assert_in_range(left / S, 99 - s, 101 - s);
        before = left;
    }
}

static void nothing_is_said_without_a_total_or_an_advance(void **state)
{
    (void)state;
    Pace pace = {0};
    for (int64_t s = 1; s < 60; s++) {
        pace_note(&pace, s * S, STR("sorting"), s, 0);
        assert_int_equal(pace_left_us(&pace, s * S), -1);
    }
    for (int64_t s = 60; s < 120; s++) {
        pace_note(&pace, s * S, STR("waiting"), 2, 5);
        assert_int_equal(pace_left_us(&pace, s * S), -1);
    }
    /* More done than there is. */
    for (int64_t s = 120; s < 180; s++) {
        pace_note(&pace, s * S, STR("writing"), s * 2, 100);
        assert_int_equal(pace_left_us(&pace, s * S), -1);
    }
}

static void a_new_phase_is_learnt_anew(void **state)
{
    (void)state;
    Pace pace = {0};
    for (int64_t s = 1; s <= 10; s++)
        pace_note(&pace, s * S, STR("scanning"), s * 10, 1000);
    assert_true(pace_left_us(&pace, 10 * S) > 0);
    pace_note(&pace, 11 * S, STR("loading"), 0, 50);
    assert_int_equal(pace_left_us(&pace, 11 * S), -1);
    /* The same name over again, as when each of many indexes has its turn: what was counted goes back. */
    for (int64_t s = 12; s <= 20; s++)
        pace_note(&pace, s * S, STR("loading"), s, 50);
    assert_true(pace_left_us(&pace, 20 * S) > 0);
    pace_note(&pace, 21 * S, STR("loading"), 1, 50);
    assert_int_equal(pace_left_us(&pace, 21 * S), -1);
}

static void a_pause_makes_the_estimate_vanish_and_not_jump(void **state)
{
    (void)state;
    Pace pace = {0};
    int64_t s = 1, left = 0;
    for (; s <= 30; s++)
        pace_note(&pace, s * S, STR("scanning"), s * 10, 1000);
    left = pace_left_us(&pace, (s - 1) * S);
    /* One look at which nothing has moved, or much has, shifts it by a part of that only. */
    pace_note(&pace, s * S, STR("scanning"), 300, 1000);
    assert_true(pace_left_us(&pace, s * S) < left + 2 * S);
    pace_note(&pace, ++s * S, STR("scanning"), 400, 1000);
    assert_true(pace_left_us(&pace, s * S) > left / 2);
    /* And after long silence there is none, nor ever one below nothing. */
    for (int64_t i = 0; i < 60; i++)
        pace_note(&pace, ++s * S, STR("scanning"), 400, 1000);
    assert_int_equal(pace_left_us(&pace, s * S), -1);
    pace_note(&pace, ++s * S, STR("scanning"), 1000, 1000);
    assert_true(pace_left_us(&pace, (s + 1000) * S) == -1);
}

static void numbers_at_the_edge_do_no_harm(void **state)
{
    (void)state;
    Pace pace = {0};
    char name[200];
    memset(name, 'x', sizeof name);
    pace_note(&pace, 1 * S, (Str){name, sizeof name}, 0, INT64_MAX);
    pace_note(&pace, 10 * S, (Str){name, sizeof name}, 1, INT64_MAX);
    assert_int_equal(pace_left_us(&pace, 10 * S), -1); /* ages */
    pace_note(&pace, 20 * S, (Str){name, sizeof name}, INT64_MAX, INT64_MAX);
    assert_int_equal(pace_left_us(&pace, 20 * S), -1);
    pace_note(&pace, 30 * S, (Str){0}, -5, -1);
    assert_int_equal(pace_left_us(&pace, 30 * S), -1);
}

UNIT_TESTS(pace) = {
    cmocka_unit_test(an_even_pace_counts_down),
    cmocka_unit_test(nothing_is_said_without_a_total_or_an_advance),
    cmocka_unit_test(a_new_phase_is_learnt_anew),
    cmocka_unit_test(a_pause_makes_the_estimate_vanish_and_not_jump),
    cmocka_unit_test(numbers_at_the_edge_do_no_harm),
};
UNIT_TESTS_END(pace)

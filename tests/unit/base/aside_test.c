/* Work done aside. SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <signal.h>

#include "unit.h"

typedef struct Sum {
    Arena *arena;
    Aside next;
    uint64_t total, deeper;
    bool has_signals;
} Sum;

static void add_deeper(void *ctx)
{
    Sum *sum = ctx;
    sum->deeper = sum->total + 1;
}

static void add_up(void *ctx)
{
    Sum *sum = ctx;
    sigset_t blocked;
    for (uint64_t i = 1; i <= 1000; i++) {
        uint64_t *item = arena_alloc(sum->arena, sizeof *item);
        if (item)
            *item = i;
        sum->total += item ? *item : 0;
    }
    pthread_sigmask(SIG_SETMASK, NULL, &blocked);
    sum->has_signals = !sigismember(&blocked, SIGINT) || !sigismember(&blocked, SIGTERM);
    aside_begin(&sum->next, add_deeper, sum);
}

static void it_is_done_when_it_is_waited_for_and_may_begin_more(void **state)
{
    (void)state;
    scoped(Arena *, arena_freep) arena = arena_new();
    Sum sum = {.arena = arena};
    Aside aside = {0};
    sigset_t before, after;
    aside_end(&aside);
    pthread_sigmask(SIG_SETMASK, NULL, &before);
    aside_begin(&aside, add_up, &sum);
    pthread_sigmask(SIG_SETMASK, NULL, &after);
    aside_end(&aside);
    aside_end(&aside);
    assert_int_equal(sum.total, 500500);
    assert_false(sum.has_signals);
    aside_end(&sum.next);
    assert_int_equal(sum.deeper, 500501);
    assert_int_equal(sigismember(&before, SIGINT), sigismember(&after, SIGINT));
}

UNIT_TESTS(aside) = {
    cmocka_unit_test(it_is_done_when_it_is_waited_for_and_may_begin_more),
};
UNIT_TESTS_END(aside)

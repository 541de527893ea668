/* Lives through thousands of random histories, seeded. SPDX-License-Identifier: Apache-2.0
 *
 * WHIMBREL_SEED=N begins with another seed, WHIMBREL_ROUNDS=N lives through as many. What breaks is told with its seed. */
#include "model.h"

#include <stdio.h>
#include <stdlib.h>

#include "unit.h"

static uint64_t setting(const char *name, uint64_t standard)
{
    uint64_t value;
    return str_to_u64(str_from(getenv(name)), &value) ? value : standard;
}

static void no_random_history_breaks_a_rule(void **state)
{
    (void)state;
    uint64_t seed = setting("WHIMBREL_SEED", 1), rounds = setting("WHIMBREL_ROUNDS", 3000);
    scoped(Arena *, arena_freep) arena = arena_new();
    assert_non_null(arena);
    for (uint64_t i = 0; i < rounds; i++, seed++) {
        Chooser chooser = {.state = seed * 0x9E3779B97F4A7C15ULL + 1};
        arena_reset(arena);
        if (!model_live(arena, &chooser, 40, NULL))
            continue;
        chooser = (Chooser){.state = seed * 0x9E3779B97F4A7C15ULL + 1};
        arena_reset(arena);
        StrBuf trace = strbuf(arena);
        const char *why = model_live(arena, &chooser, 40, &trace);
        fprintf(stderr, "%.*sWHIMBREL_SEED=%llu: %s\n", STR_ARG(strbuf_str(&trace)),
                (unsigned long long)seed, why ? why : "not a second time");
        fail();
    }
}

UNIT_TESTS(model) = {
    cmocka_unit_test(no_random_history_breaks_a_rule),
};
UNIT_TESTS_END(model)

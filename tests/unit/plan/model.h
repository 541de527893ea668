/* A database and a team that do everything wrong, to try plans on. SPDX-License-Identifier: Apache-2.0 */
#ifndef WHIMBREL_TESTS_PLAN_MODEL_H
#define WHIMBREL_TESTS_PLAN_MODEL_H

#include "plan/plan.h"

/* Where decisions come from: a seed, or the bytes of a fuzzer (all zero when they have run out). */
typedef struct Chooser {
    uint64_t state;
    const unsigned char *bytes;
    size_t len, at;
    bool is_bytes;
} Chooser;

/* Lives through one random history of the given number of events: files come, go and change, plans are made and carried
 * out on a fake database, runs die in the middle of a statement. Returns NULL, or what was broken, in the arena; trace (may
 * be NULL) gets all that happened. */
const char *model_live(Arena *arena, Chooser *chooser, unsigned events, StrBuf *trace);

#endif

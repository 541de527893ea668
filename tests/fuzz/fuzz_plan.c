/* Fuzzes plan/: the bytes decide what happens to a folder and a database, and every plan on the way is held to its rules
 * (tests/unit/plan/model.c). SPDX-License-Identifier: Apache-2.0 */
#include "../unit/plan/model.h"

#include <stdio.h>

#include "fuzz.h"

enum { MOST_EVENTS = 100 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    scoped(Arena *, arena_freep) arena = arena_new();
    FUZZ_REQUIRE(arena);
    Chooser chooser = {.is_bytes = true, .bytes = data, .len = size};
    unsigned events = size / 2 < MOST_EVENTS ? (unsigned)(size / 2) : MOST_EVENTS;
    const char *broken = model_live(arena, &chooser, events, NULL);
    if (broken) {
        chooser.at = 0;
        StrBuf trace = strbuf(arena);
        model_live(arena, &chooser, events, &trace);
        fprintf(stderr, "%.*s%s\n", STR_ARG(strbuf_str(&trace)), broken);
        abort();
    }
    return 0;
}

/* Any bytes as a .env file. SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    Arena *arena = arena_new();
    Error err = {.arena = arena};
    Dotenv env;
    if (!arena)
        return 0;
    if (dotenv_parse(arena, ".env", (Str){(const char *)data, size}, &env, &err)) {
        for (size_t i = 0; i < env.len; i++)
            if (strlen(env.items[i].value.ptr) != env.items[i].value.len ||
                !dotenv_get(&env, env.items[i].key))
                abort();
    } else if (err.kind != ERROR_PARSE || err.pos.line == 0 || err.pos.column == 0 || err.excerpt) {
        abort();
    }
    arena_free(arena);
    return 0;
}

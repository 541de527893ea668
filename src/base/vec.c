/* Growth of vectors. SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

bool vec_grow_to(Arena *arena, void **items, size_t *cap, size_t len, size_t want, size_t item_size)
{
    if (want < *cap || want > PTRDIFF_MAX / item_size)
        return false;
    void *grown = arena_grow(arena, *items, len * item_size, want * item_size);
    if (!grown)
        return false;
    *items = grown;
    *cap = want;
    return true;
}

bool vec_grow(Arena *arena, void **items, size_t *cap, size_t len, size_t item_size)
{
    return vec_grow_to(arena, items, cap, len, *cap ? *cap * 2 : 8, item_size);
}

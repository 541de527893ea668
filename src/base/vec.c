/* Growth of vectors. SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

bool vec_grow(Arena *arena, void **items, size_t *cap, size_t len, size_t item_size)
{
    size_t new_cap = *cap ? *cap * 2 : 8;
    if (new_cap < *cap || new_cap > PTRDIFF_MAX / item_size)
        return false;
    void *grown = arena_grow(arena, *items, len * item_size, new_cap * item_size);
    if (!grown)
        return false;
    *items = grown;
    *cap = new_cap;
    return true;
}

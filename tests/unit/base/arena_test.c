/* Arenas. SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "unit.h"

static void fresh_memory_is_zero_aligned_and_apart(void **state)
{
    (void)state;
    scoped(Arena *, arena_freep) arena = arena_new();
    assert_non_null(arena);
    unsigned char *before = NULL;
    for (size_t size = 0; size < 20000; size = size * 3 / 2 + 1) {
        unsigned char *ptr = arena_alloc(arena, size);
        assert_non_null(ptr);
        assert_ptr_not_equal(ptr, before);
        assert_int_equal((uintptr_t)ptr % _Alignof(max_align_t), 0);
        for (size_t i = 0; i < size; i++) {
            assert_int_equal(ptr[i], 0);
            ptr[i] = 0xaa;
        }
        before = ptr;
    }
}

UNIT_TESTS(arena) = {
    cmocka_unit_test(fresh_memory_is_zero_aligned_and_apart),
};
UNIT_TESTS_END(arena)

/* Arenas. SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "unit.h"

static void fresh_memory_is_zero_aligned_and_apart(void **state)
{
    (void)state;
    scoped(Arena *, arena_freep) arena = arena_new();
    assert_non_null(arena);
    unsigned char *before = NULL;
    for (size_t size = 0; size < 3000000; size = size * 3 / 2 + 1) {
        unsigned char *ptr = arena_alloc(arena, size);
        assert_non_null(ptr);
        assert_ptr_not_equal(ptr, before);
        assert_int_equal((uintptr_t)ptr % _Alignof(max_align_t), 0);
        for (size_t i = 0; i < size; i++) {
            if (ptr[i] != 0)
                fail_msg("byte %zu of %zu is not zero", i, size);
            ptr[i] = 0xaa;
        }
        before = ptr;
    }
}

static void memory_is_zero_again_after_a_reset(void **state)
{
    (void)state;
    scoped(Arena *, arena_freep) arena = arena_new();
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 300; i++) {
            unsigned char *ptr = arena_alloc(arena, 100);
            for (int j = 0; j < 100; j++)
                assert_int_equal(ptr[j], 0);
            memset(ptr, 0xff, 100);
        }
        assert_true(arena_used(arena) >= 30000);
        arena_reset(arena);
        assert_int_equal(arena_used(arena), 0);
    }
}

static void what_was_written_stays(void **state)
{
    (void)state;
    scoped(Arena *, arena_freep) arena = arena_new();
    uint32_t *all[2000];
    for (uint32_t i = 0; i < 2000; i++) {
        size_t count = 1 + i % 97 * (i % 13 == 0 ? 100 : 1);
        all[i] = arena_alloc(arena, count * sizeof **all);
        for (size_t j = 0; j < count; j++)
            all[i][j] = i;
    }
    for (uint32_t i = 0; i < 2000; i++) {
        size_t count = 1 + i % 97 * (i % 13 == 0 ? 100 : 1);
        for (size_t j = 0; j < count; j++)
            if (all[i][j] != i)
                fail_msg("allocation %u was overwritten", i);
    }
}

static void growing_keeps_the_beginning_and_clears_the_tail(void **state)
{
    (void)state;
    scoped(Arena *, arena_freep) arena = arena_new();
    unsigned char *ptr = NULL;
    size_t size = 0;
    for (int round = 0; round < 40; round++) {
        size_t new_size = size + size / 2 + 7;
        /* Now and then something lies behind, so that it cannot grow in place. */
        if (round % 3 == 0)
            memset(arena_alloc(arena, 16), 0xee, 16);
        ptr = arena_grow(arena, ptr, size, new_size);
        assert_non_null(ptr);
        for (size_t i = 0; i < new_size; i++)
            if (ptr[i] != (i < size ? 0x55 : 0))
                fail_msg("round %d, byte %zu of %zu is %u", round, i, new_size, ptr[i]);
        memset(ptr, 0x55, new_size);
        size = new_size;
        if (size > 4000000)
            break;
    }
}

static void the_old_block_stays_readable_when_one_grows(void **state)
{
    (void)state;
    scoped(Arena *, arena_freep) arena = arena_new();
    char *old = arena_alloc(arena, 8);
    memset(old, 'o', 8);
    arena_alloc(arena, 8);
    char *grown = arena_grow(arena, old, 8, 100000);
    memset(grown, 'n', 100000);
    assert_memory_equal(old, "oooooooo", 8);
}

static void a_smaller_size_gives_the_beginning(void **state)
{
    (void)state;
    scoped(Arena *, arena_freep) arena = arena_new();
    char *old = arena_alloc(arena, 8);
    memcpy(old, "abcdefgh", 8);
    char *cut = arena_grow(arena, old, 8, 3);
    assert_memory_equal(cut, "abc", 3);
    char *other = arena_alloc(arena, 8);
    memset(other, 'x', 8);
    assert_memory_equal(cut, "abc", 3);
}

/* Raw bytes, trims and growth in between must not make typed memory crooked, nor overlap. */
static void raw_bytes_lie_between_typed_ones(void **state)
{
    (void)state;
    scoped(Arena *, arena_freep) arena = arena_new();
    char *texts[500];
    uint64_t *numbers[500];
    for (size_t i = 0; i < 500; i++) {
        char *long_text = arena_alloc_raw(arena, 100 + i);
        memset(long_text, 'x', 100 + i);
        arena_trim(arena, long_text, 1 + i % 37);
        memset(long_text, (int)('a' + i % 26), 1 + i % 37);
        texts[i] = long_text;
        numbers[i] = arena_alloc(arena, sizeof **numbers);
        assert_int_equal((uintptr_t)numbers[i] % _Alignof(max_align_t), 0);
        assert_int_equal(*numbers[i], 0);
        *numbers[i] = i;
    }
    for (size_t i = 0; i < 500; i++) {
        assert_int_equal(*numbers[i], i);
        for (size_t j = 0; j < 1 + i % 37; j++)
            assert_int_equal(texts[i][j], 'a' + i % 26);
    }
}

static void an_adopted_arena_lives_as_long_as_the_other(void **state)
{
    (void)state;
    scoped(Arena *, arena_freep) arena = arena_new();
    for (int round = 0; round < 3; round++) {
        Arena *child = arena_new();
        char *text = str_z(child, STR("kept"));
        arena_adopt(arena, child);
        arena_adopt(arena, NULL);
        assert_true(arena_used(arena) >= 5);
        assert_string_equal(text, "kept");
        if (round == 1)
            arena_reset(arena);
    }
}

static void impossible_sizes_are_refused(void **state)
{
    (void)state;
    scoped(Arena *, arena_freep) arena = arena_new();
    assert_null(arena_alloc(arena, SIZE_MAX));
    assert_null(arena_alloc(arena, SIZE_MAX - 8));
    assert_null(arena_alloc(arena, PTRDIFF_MAX));
    void *one = arena_alloc(arena, 1);
    assert_null(arena_grow(arena, one, 1, SIZE_MAX - 1));
    assert_non_null(arena_alloc(arena, 1));
}

static void freeing_nothing_is_allowed(void **state)
{
    (void)state;
    arena_free(NULL);
    Arena *arena = NULL;
    arena_freep(&arena);
    arena = arena_new();
    arena_reset(arena);
    arena_freep(&arena);
    assert_null(arena);
}

/* What is given back is gone from the count, and all else stays as it was. */
static void what_is_large_can_be_given_back(void **state)
{
    (void)state;
    enum { LARGE = 1 << 20 };
    scoped(Arena *, arena_freep) arena = arena_new();
    Arena *child = arena_new();
    char *small = arena_alloc(arena, 10), *large = arena_alloc(arena, LARGE),
         *behind = arena_alloc(arena, 10), *of_child;
    assert_non_null(arena_alloc(child, 10));
    of_child = arena_alloc(child, LARGE);
    assert_true(small && large && behind && of_child);
    memset(small, 's', 10);
    memset(behind, 'b', 10);
    memset(of_child, 'c', LARGE);
    size_t used = arena_used(arena), child_used = arena_used(child);
    arena_adopt(arena, child);
    size_t both = arena_used(arena);
    arena_give_back(arena, large);
    assert_int_equal(arena_used(arena), both - LARGE);
    arena_give_back(arena, of_child);
    assert_int_equal(arena_used(child), child_used - LARGE);
    /* Nothing, what was never the arena's, and what has no memory of its own. */
    arena_give_back(arena, NULL);
    arena_give_back(arena, &used);
    for (size_t i = 0; i < 10; i++) {
        assert_int_equal(small[i], 's');
        assert_int_equal(behind[i], 'b');
    }
    assert_true(used >= LARGE);
}

UNIT_TESTS(arena) = {
    cmocka_unit_test(fresh_memory_is_zero_aligned_and_apart),
    cmocka_unit_test(memory_is_zero_again_after_a_reset),
    cmocka_unit_test(what_was_written_stays),
    cmocka_unit_test(growing_keeps_the_beginning_and_clears_the_tail),
    cmocka_unit_test(the_old_block_stays_readable_when_one_grows),
    cmocka_unit_test(a_smaller_size_gives_the_beginning),
    cmocka_unit_test(raw_bytes_lie_between_typed_ones),
    cmocka_unit_test(an_adopted_arena_lives_as_long_as_the_other),
    cmocka_unit_test(what_is_large_can_be_given_back),
    cmocka_unit_test(impossible_sizes_are_refused),
    cmocka_unit_test(freeing_nothing_is_allowed),
};
UNIT_TESTS_END(arena)

/* Line differences. SPDX-License-Identifier: Apache-2.0 */
#include "cli/line_diff.h"

#include "unit.h"

static const char *diff(Arena *arena, const char *before, const char *after)
{
    Text text = text_new(arena, (TextLook){0});
    assert_true(line_diff(arena, &text, str_from(before), str_from(after)));
    Str s;
    assert_true(strbuf_finish(&text.buf, &s));
    return s.ptr;
}

static void equal_texts_have_none(void **state)
{
    (void)state;
    scoped(Arena *, arena_freep) arena = arena_new();
    assert_string_equal(diff(arena, "a\nb\n", "a\nb\n"), "");
    assert_string_equal(diff(arena, "a\r\nb\r\n", "a\nb\n"), "");
    assert_string_equal(diff(arena, "", ""), "");
}

static void lines_out_and_in_stand_among_their_neighbours(void **state)
{
    (void)state;
    scoped(Arena *, arena_freep) arena = arena_new();
    assert_string_equal(
        diff(arena, "1\n2\n3\n4\n5\n6\n7\n8\n9\n", "1\n2\n3\n4\nfive\n6\n7\n8\n9\n"),
        "       @@ applied 2, file 2 @@\n"
        "        2\n        3\n        4\n       -5\n       +five\n        6\n        7\n        "
        "8\n");
    assert_string_equal(diff(arena, "", "new\n"), "       @@ applied 1, file 1 @@\n       +new\n");
    assert_string_equal(diff(arena, "old\n", ""), "       @@ applied 1, file 1 @@\n       -old\n");
}

static void what_stays_in_between_is_found(void **state)
{
    (void)state;
    scoped(Arena *, arena_freep) arena = arena_new();
    assert_string_equal(diff(arena, "a\nb\nc\n", "x\nb\ny\n"),
                        "       @@ applied 1, file 1 @@\n"
                        "       -a\n       +x\n        b\n       -c\n       +y\n");
}

static void huge_texts_are_shown_as_blocks(void **state)
{
    (void)state;
    scoped(Arena *, arena_freep) arena = arena_new();
    StrBuf a = strbuf(arena), b = strbuf(arena);
    for (int i = 0; i < 3000; i++) {
        strbuf_addf(&a, "a%d\n", i);
        strbuf_addf(&b, "b%d\n", i);
    }
    const char *got = diff(arena, a.ptr, b.ptr);
    size_t out = str_find(str_from(got), STR("-a2999"), 0),
           in = str_find(str_from(got), STR("+b0"), 0);
    assert_true(out != SIZE_MAX && in != SIZE_MAX && out < in);
}

UNIT_TESTS(line_diff) = {
    cmocka_unit_test(equal_texts_have_none),
    cmocka_unit_test(lines_out_and_in_stand_among_their_neighbours),
    cmocka_unit_test(what_stays_in_between_is_found),
    cmocka_unit_test(huge_texts_are_shown_as_blocks),
};
UNIT_TESTS_END(line_diff)

/* Text for people. SPDX-License-Identifier: Apache-2.0 */
#include "report/report.h"

#include "unit.h"

static const char *shown(Arena *arena, const char *s)
{
    Text text = text_new(arena, (TextLook){.has_color = true, .is_unicode = true});
    text_adds(&text, s);
    assert_false(text.buf.has_failed);
    return text_str(&text).ptr;
}

static void ordinary_text_passes_unchanged(void **state)
{
    (void)state;
    scoped(Arena *, arena_freep) arena = arena_new();
    static const char *const plain[] = {"",
                                        "abc",
                                        "a\tb\nc",
                                        "gr\303\266\303\237e",
                                        "\xe6\x97\xa5\xe6\x9c\xac",
                                        "\xf0\x9f\x90\xa6"};
    for (size_t i = 1; i < sizeof plain / sizeof *plain; i++)
        assert_string_equal(shown(arena, plain[i]), plain[i]);
}

static void controls_bad_bytes_and_hidden_characters_become_visible(void **state)
{
    (void)state;
    scoped(Arena *, arena_freep) arena = arena_new();
    assert_string_equal(shown(arena, "a\x1b[31mb"), "a\\x1b[31mb");
    assert_string_equal(shown(arena, "a\rb\x07\x7f"), "a\\rb\\x07\\x7f");
    assert_string_equal(shown(arena, "\xc2\x9b"
                                     "31m"),
                        "\\x9b31m"); /* CSI in one character */
    assert_string_equal(shown(arena, "a\xff\xfe"), "a\\xff\\xfe");
    assert_string_equal(shown(arena, "\xc0\xaf"), "\\xc0\\xaf");          /* overlong */
    assert_string_equal(shown(arena, "\xed\xa0\x80"), "\\xed\\xa0\\x80"); /* a surrogate */
    assert_string_equal(shown(arena, "\xe2\x80\xae"), "\\u202e");
    assert_string_equal(shown(arena, "cut \xe6\x97"), "cut \\xe6\\x97");
}

static void a_line_keeps_no_line_feeds(void **state)
{
    (void)state;
    scoped(Arena *, arena_freep) arena = arena_new();
    Text text = text_new(arena, (TextLook){0});
    text_add_line(&text, STR("a\nb\tc"));
    assert_string_equal(text_str(&text).ptr, "a\\nb\\tc");
    assert_int_equal(text_width(STR("a\nb")), 4);
    assert_int_equal(text_width(STR("\xe6\x97\xa5")), 2);
}

static void styles_need_colour(void **state)
{
    (void)state;
    scoped(Arena *, arena_freep) arena = arena_new();
    Text plain = text_new(arena, (TextLook){0});
    text_styled(&plain, STYLE_RED, STR("x"));
    assert_string_equal(text_str(&plain).ptr, "x");
    Text colored = text_new(arena, (TextLook){.has_color = true});
    text_styled(&colored, STYLE_GREEN, STR("x"));
    assert_string_equal(text_str(&colored).ptr, "\x1b[32mx\x1b[0m");
}

static void columns_of_a_table_line_up_and_lines_end_in_no_spaces(void **state)
{
    (void)state;
    scoped(Arena *, arena_freep) arena = arena_new();
    Table table = table_new(arena, 3);
    table_add(&table, STR("a"), STYLE_PLAIN);
    table_add_right(&table, STR("1"), STYLE_PLAIN);
    table_add(&table, STR(""), STYLE_PLAIN);
    table_add(&table, STR("\xe6\x97\xa5\xe6\x9c\xac"), STYLE_PLAIN);
    table_add_right(&table, STR("100"), STYLE_PLAIN);
    table_add(&table, STR("z"), STYLE_PLAIN);
    Text text = text_new(arena, (TextLook){0});
    table_print(&text, &table, 2);
    assert_string_equal(text_str(&text).ptr, "  a       1\n  \xe6\x97\xa5\xe6\x9c\xac  100  z\n");
}

UNIT_TESTS(text) = {
    cmocka_unit_test(ordinary_text_passes_unchanged),
    cmocka_unit_test(controls_bad_bytes_and_hidden_characters_become_visible),
    cmocka_unit_test(a_line_keeps_no_line_feeds),
    cmocka_unit_test(styles_need_colour),
    cmocka_unit_test(columns_of_a_table_line_up_and_lines_end_in_no_spaces),
};
UNIT_TESTS_END(text)

/* Excerpts with a caret, and errors whole. SPDX-License-Identifier: Apache-2.0 */
#include "report/report.h"

#include <string.h>

#include "unit.h"

static const char *excerpt(Arena *arena, const char *line, uint32_t number, uint32_t column,
                           uint32_t width, unsigned columns)
{
    Text text = text_new(arena, (TextLook){.is_unicode = true, .columns = columns});
    report_excerpt(&text, str_from(line), number, column, width);
    assert_false(text.buf.has_failed);
    return text_str(&text).ptr;
}

static void the_caret_stands_under_the_place(void **state)
{
    (void)state;
    scoped(Arena *, arena_freep) arena = arena_new();
    assert_string_equal(excerpt(arena, "UPDATE orders SET statsu = 1", 14, 19, 6, 0),
                        "14 | UPDATE orders SET statsu = 1\n"
                        "   |                   ^^^^^^\n");
    assert_string_equal(excerpt(arena, "abc", 7, 1, 0, 0), " 7 | abc\n   | ^\n");
    assert_string_equal(excerpt(arena, "abc\r\n", 1234, 3, 1, 0), "1234 | abc\n     |   ^\n");
}

static void tabs_wide_and_hidden_characters_keep_it_there(void **state)
{
    (void)state;
    scoped(Arena *, arena_freep) arena = arena_new();
    assert_string_equal(excerpt(arena, "\tx", 1, 2, 1, 0), " 1 |     x\n   |     ^\n");
    assert_string_equal(excerpt(arena, "ab\tx", 1, 4, 1, 0), " 1 | ab  x\n   |     ^\n");
    assert_string_equal(excerpt(arena, "\xe6\x97\xa5x", 1, 4, 1, 0),
                        " 1 | \xe6\x97\xa5x\n   |   ^\n");
    assert_string_equal(excerpt(arena, "\x1bx", 1, 2, 1, 0), " 1 | \\x1bx\n   |     ^\n");
    /* A column inside a character means that character. */
    assert_string_equal(excerpt(arena, "\xe6\x97\xa5x", 1, 2, 1, 0),
                        " 1 | \xe6\x97\xa5x\n   | ^^\n");
}

static void a_place_behind_the_line_is_its_end(void **state)
{
    (void)state;
    scoped(Arena *, arena_freep) arena = arena_new();
    assert_string_equal(excerpt(arena, "abc", 1, 4, 5, 0), " 1 | abc\n   |    ^\n");
    assert_string_equal(excerpt(arena, "abc", 1, 400, 5, 0), " 1 | abc\n   |    ^\n");
    assert_string_equal(excerpt(arena, "", 1, 1, 1, 0), " 1 | \n   | ^\n");
    assert_string_equal(excerpt(arena, "abc", 1, 0, 0, 0), " 1 | abc\n");
}

static void a_long_line_is_cut_around_the_place(void **state)
{
    (void)state;
    scoped(Arena *, arena_freep) arena = arena_new();
    char line[2001];
    memset(line, 'x', 2000);
    line[2000] = '\0';
    memcpy(line + 1000, "HERE", 4);
    for (unsigned columns = 60; columns < 200; columns += 7) {
        const char *got = excerpt(arena, line, 1, 1001, 4, columns);
        Str first, second = str_cut(str_from(got), '\n', &first);
        assert_true(str_width(first) <= columns);
        size_t here = str_find(first, STR("HERE"), 0), caret = str_find(second, STR("^^^^"), 0);
        assert_true(here != SIZE_MAX && caret != SIZE_MAX);
        assert_int_equal(str_width(str_sub(first, 0, here)), caret);
    }
}

static void a_piece_of_a_line_has_a_column_of_its_own(void **state)
{
    (void)state;
    scoped(Arena *, arena_freep) arena = arena_new();
    Error err = {.arena = arena};
    error_set(&err, ERROR_PARSE, "unterminated string");
    error_at(&err, STR("m/1.sql"), 1, 100001);
    err.excerpt = "a, a, 'b";
    err.excerpt_column = 7;
    Text text = text_new(arena, (TextLook){.is_unicode = true});
    report_error(&text, &err, NULL);
    assert_non_null(strstr(text_str(&text).ptr, "m/1.sql:1:100001\n"));
    assert_non_null(strstr(text_str(&text).ptr, " 1 | a, a, 'b\n   |       ^\n"));
}

static void an_error_says_what_where_and_what_next(void **state)
{
    (void)state;
    scoped(Arena *, arena_freep) arena = arena_new();
    Error err = {.arena = arena};
    error_set(&err, ERROR_SQL, "column \"statsu\" does not exist");
    error_at(&err, STR("m/1.sql"), 14, 19);
    memcpy(err.sqlstate, "42703", 6);
    err.excerpt = "UPDATE orders SET statsu = 1";
    err.excerpt_width = 6;
    err.server_hint = "Perhaps you meant \"status\".";
    RunResult result = {0};
    assert_true(vec_push(arena, &result.holds, STR("Nothing of 1 was kept.")));
    assert_true(vec_push(arena, &result.next, STR("whimbrel migrate")));
    assert_true(vec_push(arena, &result.next, STR("once mended")));
    Text text = text_new(arena, (TextLook){.is_unicode = true});
    report_error(&text, &err, &result);
    assert_string_equal(text_str(&text).ptr,
                        "error: column \"statsu\" does not exist (42703)\n"
                        "  --> m/1.sql:14:19\n"
                        "   |\n"
                        "14 | UPDATE orders SET statsu = 1\n"
                        "   |                   ^^^^^^\n"
                        "   = the server's hint: Perhaps you meant \"status\".\n"
                        "Nothing of 1 was kept.\n"
                        "Next: whimbrel migrate     (once mended)\n");
}

static void an_error_without_text_is_out_of_memory(void **state)
{
    (void)state;
    scoped(Arena *, arena_freep) arena = arena_new();
    Error err = {.arena = arena, .kind = ERROR_NOMEM};
    Text text = text_new(arena, (TextLook){0});
    report_error(&text, &err, NULL);
    assert_string_equal(text_str(&text).ptr, "error: out of memory\n");
}

UNIT_TESTS(error) = {
    cmocka_unit_test(the_caret_stands_under_the_place),
    cmocka_unit_test(tabs_wide_and_hidden_characters_keep_it_there),
    cmocka_unit_test(a_place_behind_the_line_is_its_end),
    cmocka_unit_test(a_long_line_is_cut_around_the_place),
    cmocka_unit_test(a_piece_of_a_line_has_a_column_of_its_own),
    cmocka_unit_test(an_error_says_what_where_and_what_next),
    cmocka_unit_test(an_error_without_text_is_out_of_memory),
};
UNIT_TESTS_END(error)

/* Slices and buffers. SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "unit.h"

#define assert_str(actual, expected)                                                               \
    do {                                                                                           \
        Str actual_ = (actual);                                                                    \
        assert_int_equal(actual_.len, strlen(expected));                                           \
        assert_memory_equal(actual_.len ? actual_.ptr : "", expected, actual_.len);                \
    } while (0)

static void the_zero_value_is_the_empty_string(void **state)
{
    (void)state;
    Str none = {0};
    assert_true(str_eq(none, STR("")));
    assert_true(str_eq(str_from(NULL), none));
    assert_true(str_starts(none, none));
    assert_true(str_ends(none, none));
    assert_int_equal(str_cmp(none, STR("")), 0);
    assert_str(str_trim(none), "");
    assert_str(str_sub(none, 0, 5), "");
    assert_int_equal(str_find(none, STR("x"), 0), SIZE_MAX);
    assert_int_equal(str_find_char(none, 'x', 0), SIZE_MAX);
    assert_true(str_is_utf8(none, NULL));
    assert_int_equal(str_width(none), 0);
    Str before;
    assert_str(str_cut(none, ',', &before), "");
    assert_str(before, "");
}

static void a_part_is_clamped_to_the_string(void **state)
{
    (void)state;
    Str s = STR("abcdef");
    assert_str(str_sub(s, 2, 4), "cd");
    assert_str(str_sub(s, 4, 99), "ef");
    assert_str(str_sub(s, 9, 99), "");
    assert_str(str_sub(s, 4, 2), "");
    assert_str(str_sub(s, 0, SIZE_MAX), "abcdef");
}

static void comparing_is_by_bytes_and_shorter_first(void **state)
{
    (void)state;
    assert_true(str_cmp(STR("a"), STR("b")) < 0);
    assert_true(str_cmp(STR("ab"), STR("a")) > 0);
    assert_true(str_cmp(STR(""), STR("a")) < 0);
    assert_true(str_cmp(STR("\xff"), STR("a")) > 0);
    assert_true(str_eq(STR("a\0b"), STR("a\0b")));
    assert_false(str_eq(STR("a\0b"), STR("a\0c")));
    assert_true(str_eq_nocase(STR("SELECT"), STR("select")));
    assert_false(str_eq_nocase(STR("\xc3\x84"), STR("\xc3\xa4")));
    assert_false(str_eq_nocase(STR("@"), STR("`")));
    assert_true(str_starts_nocase(STR("CREATE TABLE"), STR("create ")));
    assert_false(str_starts(STR("cre"), STR("create")));
    assert_true(str_ends(STR("a.up.sql"), STR(".up.sql")));
    assert_false(str_ends(STR("sql"), STR(".sql")));
}

static void finding_begins_where_asked(void **state)
{
    (void)state;
    Str s = STR("one two one");
    assert_int_equal(str_find(s, STR("one"), 0), 0);
    assert_int_equal(str_find(s, STR("one"), 1), 8);
    assert_int_equal(str_find(s, STR("one"), 9), SIZE_MAX);
    assert_int_equal(str_find(s, STR(""), 11), 11);
    assert_int_equal(str_find(s, STR(""), 12), SIZE_MAX);
    assert_int_equal(str_find_char(s, 'o', 1), 6);
    assert_int_equal(str_find_char(s, 'z', 0), SIZE_MAX);
    assert_int_equal(str_find_char(s, 'e', 99), SIZE_MAX);
}

static void cutting_leaves_what_follows(void **state)
{
    (void)state;
    Str before;
    assert_str(str_cut(STR("key=value=x"), '=', &before), "value=x");
    assert_str(before, "key");
    assert_str(str_cut(STR("key"), '=', &before), "");
    assert_str(before, "key");
    assert_str(str_cut(STR("=value"), '=', &before), "value");
    assert_str(before, "");
    assert_str(str_trim(STR(" \t\r\n\v\f a b \n")), "a b");
}

static void numbers_are_whole_strings_in_range(void **state)
{
    (void)state;
    uint64_t u = 7;
    int64_t i = 7;
    assert_true(str_to_u64(STR("18446744073709551615"), &u));
    assert_true(u == UINT64_MAX);
    u = 7;
    assert_false(str_to_u64(STR("18446744073709551616"), &u));
    assert_false(str_to_u64(STR("99999999999999999999"), &u));
    assert_false(str_to_u64(STR(""), &u));
    assert_false(str_to_u64(STR("+1"), &u));
    assert_false(str_to_u64(STR("1 "), &u));
    assert_false(str_to_u64(STR("0x1"), &u));
    assert_false(str_to_u64(STR("1\0002"), &u));
    assert_int_equal(u, 7);
    assert_true(str_to_u64(STR("00012"), &u));
    assert_int_equal(u, 12);
    assert_true(str_to_i64(STR("-9223372036854775808"), &i));
    assert_true(i == INT64_MIN);
    assert_true(str_to_i64(STR("+9223372036854775807"), &i));
    assert_true(i == INT64_MAX);
    assert_false(str_to_i64(STR("9223372036854775808"), &i));
    assert_false(str_to_i64(STR("-9223372036854775809"), &i));
    assert_false(str_to_i64(STR("--1"), &i));
    assert_false(str_to_i64(STR("-"), &i));
    assert_true(str_to_i64(STR("-0"), &i));
    assert_int_equal(i, 0);
}

/* Written once more, by the table of RFC 3629 instead of by code points. */
static bool well_formed_by_the_rfc(const unsigned char *b, size_t len)
{
    if (len == 1)
        return b[0] < 0x80;
    for (size_t i = 1; i < len; i++)
        if (b[i] < 0x80 || b[i] > 0xbf)
            return false;
    if (len == 2)
        return b[0] >= 0xc2 && b[0] <= 0xdf;
    if (len == 3)
        return (b[0] == 0xe0 && b[1] >= 0xa0) || (b[0] >= 0xe1 && b[0] <= 0xec) ||
               (b[0] == 0xed && b[1] <= 0x9f) || b[0] == 0xee || b[0] == 0xef;
    return (b[0] == 0xf0 && b[1] >= 0x90) || (b[0] >= 0xf1 && b[0] <= 0xf3) ||
           (b[0] == 0xf4 && b[1] <= 0x8f);
}

static void utf8_agrees_with_the_rfc_on_every_short_sequence(void **state)
{
    (void)state;
    static const unsigned char edges[] = {0x00, 0x7f, 0x80, 0x8f, 0x90,
                                          0x9f, 0xa0, 0xbf, 0xc0, 0xff};
    for (unsigned first = 0; first < 256; first++) {
        for (unsigned second = 0; second < 256; second++) {
            size_t len = first < 0x80 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
            for (size_t third = 0; third < sizeof edges; third++) {
                unsigned char bytes[4] = {(unsigned char)first, (unsigned char)second, edges[third],
                                          0x80};
                bool expected = well_formed_by_the_rfc(bytes, len);
                bool found = str_is_utf8((Str){(char *)bytes, len}, NULL);
                if (found != expected)
                    fail_msg("%02x %02x %02x 80, %zu bytes", first, second, edges[third], len);
            }
        }
    }
}

static void the_first_bad_byte_is_named(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t bad;
    } cases[] = {
        {"\xff", 0},          {"ab\xc3", 2},           {"ab\xc3(", 2},    {"\xc3\xa4\xe2\x82", 2},
        {"a\xed\xa0\x80", 1}, {"\xf4\x90\x80\x80", 0}, {"ok\xc0\x80", 2}, {"\xe2\x82\xac\x80", 3},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        size_t bad = 99;
        assert_false(str_is_utf8(str_from(cases[i].text), &bad));
        assert_int_equal(bad, cases[i].bad);
    }
    size_t untouched = 99;
    assert_true(str_is_utf8(STR("gr\xc3\xbc\xc3\x9f \xf0\x9f\x90\xa6"), &untouched));
    assert_int_equal(untouched, 99);
}

static void width_is_what_a_terminal_shows(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t width;
    } cases[] = {
        {"users", 5},
        {"gr\xc3\xbc\xc3\x9f", 4},
        {"e\xcc\x81", 1},                /* e and a combining acute */
        {"\xe6\x97\xa5\xe6\x9c\xac", 4}, /* two ideographs */
        {"\xea\xb0\x80", 2},             /* a Hangul syllable */
        {"\xe1\x84\x80\xe1\x85\xa1", 2}, /* the same, as leading consonant and vowel */
        {"\xef\xbc\xa1", 2},             /* fullwidth A */
        {"\xef\xbd\xb1", 1},             /* halfwidth katakana */
        {"\xf0\x9f\x90\xa6", 2},         /* a bird */
        {"a\xe2\x80\x8b"
         "b",
         2},                     /* zero width space */
        {"\xd7\xa9\xd6\xb8", 1}, /* a Hebrew letter and its point */
        {"\xf0\xa0\x80\x80", 2}, /* an ideograph of plane 2 */
        {"a\xff"
         "b",
         3},                 /* not UTF-8: one replacement */
        {"\x1b[0m", 3},      /* control characters take no room */
        {"\xc2\xb7", 1},     /* middle dot */
        {"\xe2\x80\xa6", 1}, /* ellipsis */
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        if (str_width(str_from(cases[i].text)) != cases[i].width)
            fail_msg("'%s': %zu, not %zu", cases[i].text, str_width(str_from(cases[i].text)),
                     cases[i].width);
}

static void copies_end_with_nul_and_may_hold_one(void **state)
{
    (void)state;
    scoped(Arena *, arena_freep) arena = arena_new();
    Str copy;
    assert_true(str_copy(arena, STR("a\0b"), &copy));
    assert_int_equal(copy.len, 3);
    assert_memory_equal(copy.ptr, "a\0b\0", 4);
    assert_true(str_copy(arena, (Str){0}, &copy));
    assert_int_equal(copy.len, 0);
    assert_string_equal(copy.ptr, "");
    assert_string_equal(str_z(arena, STR("text")), "text");
    assert_string_equal(str_format(arena, "%s-%d", "a", 5), "a-5");
    assert_string_equal(str_format(arena, "%s", ""), "");
}

static void a_buffer_holds_all_that_was_added(void **state)
{
    (void)state;
    scoped(Arena *, arena_freep) arena = arena_new();
    StrBuf buf = strbuf(arena);
    for (int i = 0; i < 5000; i++) {
        strbuf_add_char(&buf, (char)('a' + i % 26));
        if (i % 100 == 0)
            strbuf_addf(&buf, "<%d>", i);
        assert_int_equal(buf.ptr[buf.len], '\0');
    }
    strbuf_add_repeat(&buf, '-', 3);
    strbuf_add_repeat(&buf, '-', 0);
    strbuf_adds(&buf, NULL);
    Str text;
    assert_true(strbuf_finish(&buf, &text));
    assert_int_equal(text.len, strlen(text.ptr));
    assert_true(str_starts(text, STR("a<0>bcd")));
    assert_true(str_ends(text, STR("---")));
    assert_int_equal(str_find(text, STR("<4900>"), 0) != SIZE_MAX, 1);
}

static void formatting_meets_every_size_of_what_is_left(void **state)
{
    (void)state;
    scoped(Arena *, arena_freep) arena = arena_new();
    for (int len = 0; len < 200; len++) {
        StrBuf buf = strbuf(arena);
        strbuf_add_repeat(&buf, 'x', (size_t)len);
        strbuf_addf(&buf, "%0*d", 70, 7);
        assert_int_equal(buf.len, len + 70);
        assert_int_equal(buf.ptr[buf.len - 1], '7');
        assert_int_equal(buf.ptr[buf.len], '\0');
    }
}

static void an_empty_buffer_finishes_as_an_empty_string(void **state)
{
    (void)state;
    scoped(Arena *, arena_freep) arena = arena_new();
    StrBuf buf = strbuf(arena);
    assert_int_equal(strbuf_str(&buf).len, 0);
    Str text = STR("before");
    assert_true(strbuf_finish(&buf, &text));
    assert_int_equal(text.len, 0);
    assert_string_equal(text.ptr, "");
}

static void a_failure_sticks_until_the_buffer_is_cleared(void **state)
{
    (void)state;
    scoped(Arena *, arena_freep) arena = arena_new();
    StrBuf buf = strbuf(arena);
    strbuf_add(&buf, STR("kept"));
    strbuf_add_repeat(&buf, 'x', SIZE_MAX - 2);
    strbuf_add(&buf, STR("lost"));
    strbuf_addf(&buf, "%d", 1);
    Str text = STR("untouched");
    assert_false(strbuf_finish(&buf, &text));
    assert_str(text, "untouched");
    assert_str(strbuf_str(&buf), "kept");
    strbuf_clear(&buf);
    strbuf_add(&buf, STR("again"));
    assert_true(strbuf_finish(&buf, &text));
    assert_str(text, "again");
}

typedef Vec(int) IntVec;

static void a_vector_keeps_its_items(void **state)
{
    (void)state;
    scoped(Arena *, arena_freep) arena = arena_new();
    IntVec ints = {0};
    StrVec strs = {0};
    for (int i = 0; i < 10000; i++) {
        assert_true(vec_push(arena, &ints, i));
        assert_true(vec_push(arena, &strs, (Str){"abc", (size_t)i % 4}));
    }
    assert_int_equal(ints.len, 10000);
    for (int i = 0; i < 10000; i++)
        if (ints.items[i] != i || strs.items[i].len != (size_t)i % 4)
            fail_msg("item %d is wrong", i);
}

static void a_vector_refuses_to_grow_past_memory(void **state)
{
    (void)state;
    scoped(Arena *, arena_freep) arena = arena_new();
    void *items = NULL;
    size_t cap = SIZE_MAX / 2 + 1;
    assert_false(vec_grow(arena, &items, &cap, 0, 1));
    cap = SIZE_MAX / 64;
    assert_false(vec_grow(arena, &items, &cap, 0, 64));
    assert_null(items);
}

UNIT_TESTS(str) = {
    cmocka_unit_test(the_zero_value_is_the_empty_string),
    cmocka_unit_test(a_part_is_clamped_to_the_string),
    cmocka_unit_test(comparing_is_by_bytes_and_shorter_first),
    cmocka_unit_test(finding_begins_where_asked),
    cmocka_unit_test(cutting_leaves_what_follows),
    cmocka_unit_test(numbers_are_whole_strings_in_range),
    cmocka_unit_test(utf8_agrees_with_the_rfc_on_every_short_sequence),
    cmocka_unit_test(the_first_bad_byte_is_named),
    cmocka_unit_test(width_is_what_a_terminal_shows),
    cmocka_unit_test(copies_end_with_nul_and_may_hold_one),
    cmocka_unit_test(a_buffer_holds_all_that_was_added),
    cmocka_unit_test(formatting_meets_every_size_of_what_is_left),
    cmocka_unit_test(an_empty_buffer_finishes_as_an_empty_string),
    cmocka_unit_test(a_failure_sticks_until_the_buffer_is_cleared),
    cmocka_unit_test(a_vector_keeps_its_items),
    cmocka_unit_test(a_vector_refuses_to_grow_past_memory),
};
UNIT_TESTS_END(str)

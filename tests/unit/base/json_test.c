/* The JSON writer, read back by jansson. SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <jansson.h>
#include <math.h>

#include "unit.h"

static void free_json(json_t **json)
{
    json_decref(*json);
}

static json_t *parsed(Str text)
{
    json_error_t error;
    json_t *json = json_loadb(text.ptr, text.len,
                              JSON_DECODE_ANY | JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &error);
    if (!json)
        fail_msg("not JSON: %s at %d: %.*s", error.text, error.position, STR_ARG(text));
    return json;
}

static void a_document_has_the_expected_form(void **state)
{
    (void)state;
    scoped(Arena *, arena_freep) arena = arena_new();
    StrBuf out = strbuf(arena);
    JsonWriter w = {.out = &out};
    json_begin_object(&w);
    json_key_text(&w, "engine", "sqlite");
    json_key_text(&w, "none", NULL);
    json_key(&w, "list");
    json_begin_array(&w);
    json_int(&w, INT64_MIN);
    json_bool(&w, true);
    json_begin_object(&w);
    json_end_object(&w);
    json_begin_array(&w);
    json_end_array(&w);
    json_null_value(&w);
    json_end_array(&w);
    json_key_bool(&w, "ok", false);
    json_key_double(&w, "ms", 41.7);
    json_key_int(&w, "run", 8);
    json_key_null(&w, "gone");
    json_key_str(&w, "s", STR("a\"b\\c\n\x01/"));
    json_end_object(&w);
    assert_true(json_finish(&w, NULL));
    assert_string_equal(
        out.ptr, "{\"engine\":\"sqlite\",\"none\":null,\"list\":[-9223372036854775808,true,{},[],"
                 "null],\"ok\":false,\"ms\":41.7,\"run\":8,\"gone\":null,"
                 "\"s\":\"a\\\"b\\\\c\\n\\u0001/\"}\n");
}

static void indentation_is_for_people(void **state)
{
    (void)state;
    scoped(Arena *, arena_freep) arena = arena_new();
    StrBuf out = strbuf(arena);
    JsonWriter w = {.out = &out, .indent = 2};
    json_begin_object(&w);
    json_key_int(&w, "a", 1);
    json_key(&w, "b");
    json_begin_array(&w);
    json_int(&w, 1);
    json_int(&w, 2);
    json_end_array(&w);
    json_key(&w, "c");
    json_begin_array(&w);
    json_end_array(&w);
    json_end_object(&w);
    assert_true(json_finish(&w, NULL));
    assert_string_equal(out.ptr,
                        "{\n  \"a\": 1,\n  \"b\": [\n    1,\n    2\n  ],\n  \"c\": []\n}\n");
}

static void any_bytes_become_valid_text(void **state)
{
    (void)state;
    static const char parts[] = "\xc3\xa4\xe2\x82\xac\xf0\x9f\x90\xa6\"\\\x00\xed\xa0";
    uint32_t x = 1;
    for (int round = 0; round < 3000; round++) {
        scoped(Arena *, arena_freep) arena = arena_new();
        StrBuf out = strbuf(arena);
        JsonWriter w = {.out = &out};
        char bytes[40];
        size_t len = (size_t)round % sizeof bytes;
        for (size_t i = 0; i < len; i++) {
            x = x * 1664525 + 1013904223;
            /* Mostly the bytes that sequences are made of. */
            char part = parts[(x >> 24) % (sizeof parts - 1)];
            bytes[i] = round % 2 ? (char)(x >> 24) : part;
        }
        json_str(&w, (Str){bytes, len});
        assert_true(json_finish(&w, NULL));
        scoped(json_t *, free_json) back = parsed(strbuf_str(&out));
        if (str_is_utf8((Str){bytes, len}, NULL)) {
            assert_int_equal(json_string_length(back), len);
            assert_memory_equal(json_string_value(back), bytes, len);
        }
    }
}

static void bad_bytes_are_replaced_one_by_one(void **state)
{
    (void)state;
    scoped(Arena *, arena_freep) arena = arena_new();
    StrBuf out = strbuf(arena);
    JsonWriter w = {.out = &out};
    json_str(&w, STR("a\xff\xfe"
                     "b\xc3"));
    assert_true(json_finish(&w, NULL));
    assert_string_equal(out.ptr, "\"a\xef\xbf\xbd\xef\xbf\xbd"
                                 "b\xef\xbf\xbd\"\n");
}

static void numbers_keep_three_decimals(void **state)
{
    (void)state;
    static const struct {
        double value;
        const char *text;
    } cases[] = {
        {0, "0\n"},
        {-0.0, "0\n"},
        {3, "3\n"},
        {3.2, "3.2\n"},
        {41.7, "41.7\n"},
        {0.125, "0.125\n"},
        {0.05, "0.05\n"},
        {0.001, "0.001\n"},
        {0.0004, "0\n"},
        {-0.0004, "0\n"},
        {-1.5, "-1.5\n"},
        {-0.25, "-0.25\n"},
        {1e300 / 1e290, "10000000000\n"},
        {99.9996, "100\n"},
        {1e15, "1000000000000000\n"},
        {9e15, "9000000000000000\n"},
        {NAN, "null\n"},
        {INFINITY, "null\n"},
        {-INFINITY, "null\n"},
    };
    scoped(Arena *, arena_freep) arena = arena_new();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        StrBuf out = strbuf(arena);
        JsonWriter w = {.out = &out};
        json_double(&w, cases[i].value);
        assert_true(json_finish(&w, NULL));
        assert_string_equal(out.ptr, cases[i].text);
    }
    StrBuf out = strbuf(arena);
    JsonWriter w = {.out = &out};
    json_double(&w, 1.7e308);
    assert_true(json_finish(&w, NULL));
    scoped(json_t *, free_json) huge =
        json_loadb(out.ptr, out.len, JSON_DECODE_ANY | JSON_DECODE_INT_AS_REAL, NULL);
    assert_non_null(huge);
    assert_true(json_real_value(huge) == 1.7e308);
}

static void the_deepest_nesting_is_valid(void **state)
{
    (void)state;
    scoped(Arena *, arena_freep) arena = arena_new();
    StrBuf out = strbuf(arena);
    JsonWriter w = {.out = &out, .indent = 1};
    for (int i = 0; i < 16; i++) {
        json_begin_array(&w);
        json_int(&w, i);
        json_begin_object(&w);
        json_key(&w, "k");
    }
    json_null_value(&w);
    for (int i = 0; i < 16; i++) {
        json_end_object(&w);
        json_int(&w, i);
        json_end_array(&w);
    }
    assert_true(json_finish(&w, NULL));
    scoped(json_t *, free_json) back = parsed(strbuf_str(&out));
    assert_int_equal(json_array_size(back), 3);
}

typedef struct Sink {
    StrBuf all;
    size_t calls, largest, fail_at;
} Sink;

static bool take(void *ctx, Str text, Error *err)
{
    Sink *sink = ctx;
    sink->calls++;
    if (text.len > sink->largest)
        sink->largest = text.len;
    if (sink->calls == sink->fail_at)
        return error_set(err, ERROR_IO, "cannot write standard output: Broken pipe");
    strbuf_add(&sink->all, text);
    return true;
}

static void long_documents_are_flushed_on_the_way(void **state)
{
    (void)state;
    scoped(Arena *, arena_freep) arena = arena_new();
    scoped(Arena *, arena_freep) sink_arena = arena_new();
    Sink sink = {.all = strbuf(sink_arena)};
    StrBuf out = strbuf(arena);
    JsonWriter w = {.out = &out, .flush = take, .ctx = &sink};
    json_begin_array(&w);
    for (int i = 0; i < 20000; i++)
        json_str(&w, STR("twenty bytes of text"));
    json_end_array(&w);
    assert_true(json_finish(&w, NULL));
    assert_in_range(sink.calls, 10, 20);
    assert_true(sink.largest < 33000);
    scoped(json_t *, free_json) back = parsed(strbuf_str(&sink.all));
    assert_int_equal(json_array_size(back), 20000);
}

static void a_sink_that_fails_is_not_called_again_and_its_reason_is_said(void **state)
{
    (void)state;
    for (size_t fail_at = 1; fail_at <= 3; fail_at++) {
        scoped(Arena *, arena_freep) arena = arena_new();
        scoped(Arena *, arena_freep) other = arena_new();
        Error err = {.arena = other};
        Sink sink = {.all = strbuf(arena), .fail_at = fail_at};
        StrBuf out = strbuf(arena);
        JsonWriter w = {.out = &out, .flush = take, .ctx = &sink};
        json_begin_array(&w);
        for (int i = 0; i < 4000; i++)
            json_str(&w, STR("twenty bytes of text"));
        json_end_array(&w);
        assert_false(json_finish(&w, &err));
        assert_int_equal(sink.calls, fail_at);
        assert_int_equal(err.kind, ERROR_IO);
        assert_string_equal(err.message, "cannot write standard output: Broken pipe");
    }
}

UNIT_TESTS(json) = {
    cmocka_unit_test(a_document_has_the_expected_form),
    cmocka_unit_test(indentation_is_for_people),
    cmocka_unit_test(any_bytes_become_valid_text),
    cmocka_unit_test(bad_bytes_are_replaced_one_by_one),
    cmocka_unit_test(numbers_keep_three_decimals),
    cmocka_unit_test(the_deepest_nesting_is_valid),
    cmocka_unit_test(long_documents_are_flushed_on_the_way),
    cmocka_unit_test(a_sink_that_fails_is_not_called_again_and_its_reason_is_said),
};
UNIT_TESTS_END(json)

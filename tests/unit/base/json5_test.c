/* The reader of JSON and JSON5. SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "unit.h"

static void dump(StrBuf *out, const TomlValue *value)
{
    switch (value->kind) {
    case TOML_STRING:
        strbuf_addf(out, "'%.*s'", STR_ARG(value->string));
        return;
    case TOML_INTEGER:
        strbuf_addf(out, "%lld", (long long)value->integer);
        return;
    case TOML_FLOAT:
        strbuf_addf(out, "%g", value->number);
        return;
    case TOML_BOOLEAN:
        strbuf_adds(out, value->boolean ? "yes" : "no");
        return;
    case TOML_ARRAY:
        for (size_t i = 0; i < value->array.len; i++) {
            strbuf_adds(out, i > 0 ? " " : "[");
            dump(out, value->array.items[i]);
        }
        strbuf_adds(out, value->array.len > 0 ? "]" : "[]");
        return;
    case TOML_TABLE:
        strbuf_adds(out, "{");
        for (size_t i = 0; i < value->table.len; i++) {
            strbuf_addf(out, "%s%.*s=", i > 0 ? " " : "", STR_ARG(value->table.items[i].key));
            dump(out, value->table.items[i].value);
        }
        strbuf_adds(out, "}");
        return;
    case TOML_OFFSET_DATETIME:
    case TOML_LOCAL_DATETIME:
    case TOML_LOCAL_DATE:
    case TOML_LOCAL_TIME:
        break;
    }
    fail_msg("a kind that JSON has not");
}

static const struct {
    const char *text, *dump;
} cases[] = {
    {"{}", "{}"},
    {" \xef\xbb\xbf{\"a\": [1, -2, 3.5, 1e3, true, false, null], \"b\": {}}\n",
     "{a=[1 -2 3.5 1000 yes no] b={}}"},
    {"{a: 'it\\'s', $b_1: \"x\\n\\u00e9\\ud83d\\ude00\\x41\\/\\q\", /* c */ c: 0x1F, // end\n}",
     "{a='it's' $b_1='x\n\xc3\xa9\xf0\x9f\x98\x80"
     "A/q' c=31}"},
    {"{a: [1, 2, ], b: +1.5, c: .5}", "{a=[1 2] b=1.5 c=0.5}"},
    {"{a: 1, b: 2, a: 3}", "{a=3 b=2}"},
    {"{a: 1, b: 2, a: null}", "{b=2}"},
    {"{a: 'two\\\nlines'}", "{a='twolines'}"},
};

static void documents_are_read(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        scoped(Arena *, arena_freep) arena = arena_new();
        Error err = {.arena = arena};
        TomlDoc doc;
        if (!json5_parse(arena, "a.json", str_from(cases[i].text), &doc, &err))
            fail_msg("%s\n%u:%u: %s", cases[i].text, err.pos.line, err.pos.column, err.message);
        StrBuf out = strbuf(arena);
        Str text;
        dump(&out, doc.root);
        assert_true(strbuf_finish(&out, &text));
        assert_string_equal(text.ptr, cases[i].dump);
    }
}

static const struct {
    const char *text;
    uint32_t line, column;
    const char *message;
} wrong[] = {
    {"", 1, 1, "an object is expected: '{'"},
    {"[]", 1, 1, "an object is expected: '{'"},
    {"{} x", 1, 4, "something follows the object"},
    {"{a 1}", 1, 4, "':' is expected"},
    {"{a: 1 b: 2}", 1, 7, "',' or '}' is expected"},
    {"{a: [1 2]}", 1, 8, "',' or ']' is expected"},
    {"{\n  a: what}", 2, 6, "a value is expected"},
    {"{\n  : 1}", 2, 3, "a key is expected"},
    {"{a: 'x}", 1, 8, "a string is not closed"},
    {"{a: 'x\n'}", 1, 7, "a string is not closed"},
    {"{a: '\\u00g0'}", 1, 10, "an escape wants hexadecimal digits"},
    {"{a: '\\ud800'}", 1, 12, "half of a character"},
    {"{ /* }", 1, 3, "a comment is not closed"},
    {"{a: '\xff'}", 1, 6, "this is not UTF-8"},
};

static void what_is_wrong_is_told_with_its_place(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        scoped(Arena *, arena_freep) arena = arena_new();
        Error err = {.arena = arena};
        TomlDoc doc;
        assert_false(json5_parse(arena, "a.json", str_from(wrong[i].text), &doc, &err));
        assert_string_equal(err.message, wrong[i].message);
        assert_string_equal(err.code, "json");
        assert_int_equal(err.pos.line, wrong[i].line);
        assert_int_equal(err.pos.column, wrong[i].column);
    }
}

static void nesting_has_an_end(void **state)
{
    (void)state;
    scoped(Arena *, arena_freep) arena = arena_new();
    Error err = {.arena = arena};
    StrBuf text = strbuf(arena);
    TomlDoc doc;
    strbuf_adds(&text, "{a: ");
    strbuf_add_repeat(&text, '[', 100000);
    assert_false(json5_parse(arena, NULL, strbuf_str(&text), &doc, &err));
    assert_string_equal(err.message, "it is nested too deep");
}

UNIT_TESTS(json5) = {
    cmocka_unit_test(documents_are_read),
    cmocka_unit_test(what_is_wrong_is_told_with_its_place),
    cmocka_unit_test(nesting_has_an_end),
};
UNIT_TESTS_END(json5)

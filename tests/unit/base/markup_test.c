/* XML and YAML in one form. SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <string.h>

#include "unit.h"

typedef bool Reading(Arena *arena, const char *file, Str text, MarkupNode **ret_root, Error *err);

static void add_node(StrBuf *out, const MarkupNode *node)
{
    strbuf_addf(out, "%.*s@%u", STR_ARG(node->name), node->line);
    if (node->is_null)
        strbuf_adds(out, "~");
    else if (node->is_scalar)
        strbuf_addf(out, "='%.*s'", STR_ARG(node->text));
    if (node->children.len == 0)
        return;
    strbuf_adds(out, "(");
    for (size_t i = 0; i < node->children.len; i++) {
        strbuf_adds(out, i > 0 ? " " : "");
        add_node(out, node->children.items[i]);
    }
    strbuf_adds(out, ")");
}

static void expect(Reading *reading, const char *text, const char *wanted)
{
    scoped(Arena *, arena_freep) arena = arena_new();
    Error err = {.arena = arena};
    StrBuf out = strbuf(arena);
    MarkupNode *root = NULL;
    if (!reading(arena, "f", str_from(text), &root, &err))
        fail_msg("%s: %s", text, err.message);
    add_node(&out, root);
    assert_string_equal(out.ptr, wanted);
}

static void expect_error(Reading *reading, const char *text, uint32_t line)
{
    scoped(Arena *, arena_freep) arena = arena_new();
    Error err = {.arena = arena};
    MarkupNode *root = NULL;
    if (reading(arena, "f", str_from(text), &root, &err))
        fail_msg("%s is read", text);
    assert_int_equal(err.kind, ERROR_PARSE);
    assert_string_equal(err.code, "markup");
    if (err.pos.line != line)
        fail_msg("%s: line %u: %s", text, err.pos.line, err.message);
}

static void xml_is_read(void **state)
{
    (void)state;
    expect(xml_read, "<a/>", "a@1=''");
    expect(xml_read,
           "\xef\xbb\xbf<?xml version='1.0' encoding=\"utf-8\"?>\n<!-- c --><x:a y:b = 'c'\n "
           "d=\"e\" ></x:a >\n",
           "a@2=''(b@2='c' d@3='e')");
    expect(xml_read, "<a xmlns='u' xmlns:p='v' xsi:s='w'>t</a>", "a@1='t'");
    expect(xml_read, "<a>1 &lt; 2 &amp;&#65;&#x20AC;\r\nx\ry</a>", "a@1='1 < 2 &A€\nx\ny'");
    expect(xml_read, "<a b='1\n2 &#10;'/>", "a@1=''(b@1='1 2 \n')");
    expect(xml_read, "<a>x<![CDATA[<b> & \r\n]]>y<!-- < --><?p <?>z</a>", "a@1='x<b> & \nyz'");
    expect(xml_read, "<a>\n<b>1</b>\n<b/></a>", "a@1(b@2='1' b@3='')");
}

static void what_is_no_xml_is_told_with_its_line(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint32_t line;
    } bad[] = {
        {"", 1},
        {"text", 1},
        {"<a>", 1},
        {"<a>\n</b>", 2},
        {"<a b>", 1},
        {"<a b=c/>", 1},
        {"<a b='<'/>", 1},
        {"<a b='x", 1},
        {"<a>&x;</a>", 1},
        {"<a>&#0;</a>", 1},
        {"<a>&#;</a>", 1},
        {"<a>&#xD800;</a>", 1},
        {"<a>&#x110000;</a>", 1},
        {"<a>\n<!-- </a>", 2},
        {"<a/>\n<b/>", 2},
        {"<a b='1'c='2'/>", 1},
        {"<!DOCTYPE a><a/>", 1},
        {"<a><![CDATA[x]]</a>", 1},
        {"<a>\xff</a>", 1},
        {"<1/>", 1},
        {"<?xml version='1.0' encoding='latin1'?><a/>", 1},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        expect_error(xml_read, bad[i].text, bad[i].line);
}

static void yaml_is_read(void **state)
{
    (void)state;
    expect(yaml_read, "", "@1");
    expect(yaml_read, "a: 1\nb:\n  c: 'x'\n  d: ~\n", "@1(a@1='1' b@2(c@3='x' d@4~))");
    /* An item that is a mapping of one key stands for what is behind it. */
    expect(yaml_read, "- a: {b: 1}\n- c: 1\n  d: 2\n- text\n- []\n",
           "@1(a@1(b@1='1') @2(c@2='1' d@3='2') @4='text' @5)");
    expect(yaml_read, "a: |\n  x\n   y\nb: >\n  z\n  w\nc: \"1\\n2\"\n",
           "@1(a@1='x\n y\n' b@4='z w\n' c@7='1\n2')");
    expect(yaml_read, "{\"a\": [\n{\"b\": true, \"c\": null}]}", "@1(a@1(@2(b@2='true' c@2~)))");
}

static void what_is_no_yaml_is_told_with_its_line(void **state)
{
    (void)state;
    expect_error(yaml_read, "a: 1\na: 2\n", 2);
    expect_error(yaml_read, "a: &x 1\nb: *x\n", 2);
    expect_error(yaml_read, "a: [1\n", 2);
    expect_error(yaml_read, "? [a]\n: b\n", 1);
    expect_error(yaml_read, "a: 1\n b: 2\n", 2);
}

static void depth_has_an_end(void **state)
{
    (void)state;
    scoped(Arena *, arena_freep) arena = arena_new();
    StrBuf xml = strbuf(arena), yaml = strbuf(arena);
    for (int i = 0; i < MARKUP_MOST_DEPTH + 1; i++)
        strbuf_adds(&xml, "<a>");
    strbuf_add_repeat(&yaml, '[', MARKUP_MOST_DEPTH + 1);
    expect_error(xml_read, xml.ptr, 1);
    expect_error(yaml_read, yaml.ptr, 1);
}

static void children_are_found_by_name(void **state)
{
    (void)state;
    scoped(Arena *, arena_freep) arena = arena_new();
    Error err = {.arena = arena};
    MarkupNode *root = NULL;
    assert_true(xml_read(arena, "f", STR("<a b='1'><c><d/></c></a>"), &root, &err));
    assert_true(str_eq(markup_text(root, STR("b")), STR("1")));
    assert_int_equal(markup_text(root, STR("c")).len, 0);
    assert_null(markup_child(root, STR("d")));
    assert_null(markup_child(NULL, STR("d")));
}

UNIT_TESTS(markup) = {
    cmocka_unit_test(xml_is_read),      cmocka_unit_test(what_is_no_xml_is_told_with_its_line),
    cmocka_unit_test(yaml_is_read),     cmocka_unit_test(what_is_no_yaml_is_told_with_its_line),
    cmocka_unit_test(depth_has_an_end), cmocka_unit_test(children_are_found_by_name),
};
UNIT_TESTS_END(markup)

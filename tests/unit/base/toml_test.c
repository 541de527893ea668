/* The reader of TOML, rule by rule. The public suite has more (./dev toml-test). SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "unit.h"

#include <inttypes.h>
#include <locale.h>
#include <stdio.h>
#include <string.h>

/* A document as text: every value with its kind, in order. */
static void dump(StrBuf *out, const TomlValue *value)
{
    const TomlDatetime *t = &value->datetime;
    switch (value->kind) {
    case TOML_STRING:
        strbuf_addf(out, "'%.*s'", STR_ARG(value->string));
        break;
    case TOML_INTEGER:
        strbuf_addf(out, "%" PRId64, value->integer);
        break;
    case TOML_FLOAT:
        strbuf_addf(out, "%g!", value->number);
        break;
    case TOML_BOOLEAN:
        strbuf_adds(out, value->boolean ? "yes" : "no");
        break;
    case TOML_OFFSET_DATETIME:
        strbuf_addf(out, "<%d.%d.%d %d:%d:%d.%d %+d>", t->year, t->month, t->day, t->hour,
                    t->minute, t->second, t->nanosecond, t->offset_minutes);
        break;
    case TOML_LOCAL_DATETIME:
        strbuf_addf(out, "<%d.%d.%d %d:%d:%d.%d>", t->year, t->month, t->day, t->hour, t->minute,
                    t->second, t->nanosecond);
        break;
    case TOML_LOCAL_DATE:
        strbuf_addf(out, "<%d.%d.%d>", t->year, t->month, t->day);
        break;
    case TOML_LOCAL_TIME:
        strbuf_addf(out, "<%d:%d:%d.%d>", t->hour, t->minute, t->second, t->nanosecond);
        break;
    case TOML_ARRAY:
        strbuf_add_char(out, '[');
        for (size_t i = 0; i < value->array.len; i++) {
            strbuf_adds(out, i > 0 ? " " : "");
            dump(out, value->array.items[i]);
        }
        strbuf_add_char(out, ']');
        break;
    case TOML_TABLE:
        strbuf_add_char(out, '{');
        for (size_t i = 0; i < value->table.len; i++) {
            strbuf_addf(out, "%s%.*s=", i > 0 ? " " : "", STR_ARG(value->table.items[i].key));
            dump(out, value->table.items[i].value);
        }
        strbuf_add_char(out, '}');
        break;
    }
}

typedef struct Valid {
    const char *text, *dump;
} Valid;

static const Valid valid[] = {
    {"", "{}"},
    {"# only a comment", "{}"},
    {"\xef\xbb\xbf"
     "a = 1",
     "{a=1}"},
    {" \t\r\n a = 1 # one\r\nb=2\r\n", "{a=1 b=2}"},
    /* keys */
    {"bare_key-1 = 1\n1234 = 2\n\"quoted key\" = 3\n'l\\iteral' = 4\n\"\" = 5",
     "{bare_key-1=1 1234=2 quoted key=3 l\\iteral=4 =5}"},
    {"\"\\u00e9\" = 1", "{\xc3\xa9=1}"},
    {"a.b . c = 1\na.b.d = 2\na.\"x.y\" = 3", "{a={b={c=1 d=2} x.y=3}}"},
    {"3.14 = 1", "{3={14=1}}"},
    {"true = 1\ninf = 2\n1979-05-27 = 3", "{true=1 inf=2 1979-05-27=3}"},
    /* strings */
    {"a = \"\"\nb = ''", "{a='' b=''}"},
    {"a = \"tab\\t nl\\n \\\" \\\\ \\b\\f\\r \\u0041\\U0001F600\"",
     "{a='tab\t nl\n \" \\ \b\f\r A\xf0\x9f\x98\x80'}"},
    {"a = 'C:\\new \"x\"'", "{a='C:\\new \"x\"'}"},
    {"a = \"\"\"\nfirst\nsecond\"\"\"", "{a='first\nsecond'}"},
    {"a = \"\"\"\r\nfirst\r\n\"\"\"", "{a='first\r\n'}"},
    {"a = \"\"\"one \\\n   \n\t two\"\"\"", "{a='one two'}"},
    {"a = \"\"\"\\  \n x\"\"\"", "{a='x'}"},
    {"a = \"\"\"\\\n\"\"\"", "{a=''}"},
    {"a = \"\"\"q\"\" \"\"\"", "{a='q\"\" '}"},
    {"a = \"\"\"\"two\"\"\"\"\"", "{a='\"two\"\"'}"},
    {"a = '''\n'x' ''y'''''", "{a=''x' ''y'''}"},
    {"a = '''a\\\nb'''", "{a='a\\\nb'}"},
    {"a = ''''''\nb = \"\"\"\"\"\"", "{a='' b=''}"},
    /* integers */
    {"a = [0, +0, -0, 99, +42, -17, 1_000, 5_3_4]", "{a=[0 0 0 99 42 -17 1000 534]}"},
    {"a = [9223372036854775807, -9223372036854775808]",
     "{a=[9223372036854775807 -9223372036854775808]}"},
    {"a = [0xDEADBEEF, 0xdead_beef, 0o01234567, 0b1101, 0x00, 0x7fffffffffffffff]",
     "{a=[3735928559 3735928559 342391 13 0 9223372036854775807]}"},
    /* floats */
    {"a = [1.0, +1.5, -0.01, 5e+22, 1e06, -2E-2, 6.626e-34, 9_224.5_1, 0e0, 1.0e1_0]",
     "{a=[1! 1.5! -0.01! 5e+22! 1e+06! -0.02! 6.626e-34! 9224.51! 0! 1e+10!]}"},
    {"a = [inf, +inf, -inf, nan]", "{a=[inf! inf! -inf! nan!]}"},
    {"a = [true, false]", "{a=[yes no]}"},
    /* dates */
    {"a = [1979-05-27T07:32:00Z, 1979-05-27 07:32:00.5-07:30, 1979-05-27t07:32:00z]",
     "{a=[<1979.5.27 7:32:0.0 +0> <1979.5.27 7:32:0.500000000 -450> <1979.5.27 7:32:0.0 +0>]}"},
    {"a = 1979-05-27T00:32:00.1234567891", "{a=<1979.5.27 0:32:0.123456789>}"},
    {"a = 1979-05-27 # a day", "{a=<1979.5.27>}"},
    {"a = 2000-02-29\nb = 2024-02-29", "{a=<2000.2.29> b=<2024.2.29>}"},
    {"a = 07:32:00\nb = 23:59:60.25", "{a=<7:32:0.0> b=<23:59:60.250000000>}"},
    /* arrays */
    {"a = []\nb = [ [ ], ]", "{a=[] b=[[]]}"},
    {"a = [ 1, 'x' , # c\n\n 2.5,\r\n {b=1}\n ,]", "{a=[1 'x' 2.5! {b=1}]}"},
    /* inline tables */
    {"a = {}\nb = { }\nc = { x = 1, y.z = 2 , y.w = [\n1\n] }",
     "{a={} b={} c={x=1 y={z=2 w=[1]}}}"},
    /* tables */
    {"[a]\nx = 1\n[b.c]\ny = 2\n[b]\nz = 3\n[ d . \"e\" ]", "{a={x=1} b={c={y=2} z=3} d={e={}}}"},
    {"[x.y.z.w]\n[x]\nk = 1", "{x={y={z={w={}}} k=1}}"},
    {"[fruit]\napple.color = 1\napple.taste.sweet = true\n[fruit.apple.texture]\ns = 1",
     "{fruit={apple={color=1 taste={sweet=yes} texture={s=1}}}}"},
    {"[[p]]\nn = 1\n[[p]]\n[[p]]\nn = 3", "{p=[{n=1} {} {n=3}]}"},
    {"[[f]]\n[f.p]\nc = 1\n[[f.v]]\nn = 1\n[[f.v]]\nn = 2\n[[f]]\n[f.p]\nc = 2",
     "{f=[{p={c=1} v=[{n=1} {n=2}]} {p={c=2}}]}"},
};

static void what_the_specification_allows_is_read(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof valid / sizeof *valid; i++) {
        scoped(Arena *, arena_freep) arena = arena_new();
        Error err = {.arena = arena};
        TomlDoc doc;
        if (!toml_parse(arena, "x.toml", str_from(valid[i].text), &doc, &err))
            fail_msg("%s\n%u:%u: %s", valid[i].text, err.pos.line, err.pos.column, err.message);
        StrBuf out = strbuf(arena);
        Str text;
        dump(&out, doc.root);
        assert_true(strbuf_finish(&out, &text));
        assert_string_equal(text.ptr, valid[i].dump);
    }
}

typedef struct Invalid {
    const char *text;
    uint32_t line, column;
    const char *message; /* a part of it */
} Invalid;

static const Invalid invalid[] = {
    /* bytes */
    {"a = 1\nb = \"\xff\"", 2, 6, "0xFF is not UTF-8"},
    {"# \xc0\x80", 1, 3, "not UTF-8"},
    {"# bad \x01", 1, 7, "U+0001 in a comment"},
    {"# cr \r x", 1, 6, "U+000D in a comment"},
    {"a = 1 \r", 1, 7, "expected the end of the line"},
    {"a = \"\x7f\"", 1, 6, "U+007F in a string"},
    {"a = 'x\ry'", 1, 7, "U+000D in a string"},
    {"a = '''x\ry'''", 1, 9, "U+000D in a string"},
    {"a = 1\n\xef\xbb\xbf"
     "b = 2",
     2, 1, "expected a key"},
    /* keys */
    {"= 1", 1, 1, "expected a key, found '='"},
    {"a", 1, 2, "expected '=' after a key, found the end of the file"},
    {"a = ", 1, 5, "expected a value, found the end of the file"},
    {"a = \nb = 1", 1, 5, "expected a value, found the end of the line"},
    {"a b = 1", 1, 3, "expected '='"},
    {"a. = 1", 1, 4, "expected a key"},
    {".a = 1", 1, 1, "expected a key"},
    {"a..b = 1", 1, 3, "expected a key"},
    {"\xc3\xa9 = 1", 1, 1, "expected a key, found '\xc3\xa9'"},
    {"\"\"\"a\"\"\" = 1", 1, 1, "a key cannot be a multi-line string"},
    {"\"a = 1", 1, 1, "not closed"},
    {"a = 1 b = 2", 1, 7, "expected the end of the line, found 'b'"},
    {"a = 1\na = 2", 2, 1, "'a' is set twice"},
    {"\"a\" = 1\na = 2", 2, 1, "'a' is set twice"},
    {"a = 1\na.b = 2", 2, 1, "'a' is no table"},
    {"a.b = 1\na = 2", 2, 1, "'a' is set twice"},
    {"a = {b = 1}\na.c = 2", 2, 1, "'a' is a table that a dotted key cannot add to"},
    {"[a.b]\n[a]\nb.c = 1", 3, 1, "dotted key cannot add to"},
    {"[a.b.c]\nz = 1\n[a]\nb.c.t = 1", 4, 1, "dotted key cannot add to"},
    {"[[a.b]]\n[a]\nb.y = 2", 3, 1, "'b' is no table"},
    /* strings */
    {"a = \"x", 1, 5, "not closed"},
    {"a = \"x\ny\"", 1, 5, "not closed"},
    {"a = 'x\ny'", 1, 5, "not closed"},
    {"b = 1\na = \"\"\"x\n\n", 2, 5, "not closed"},
    {"a = '''x''", 1, 5, "not closed"},
    {"a = \"\"\"x\"\"\"\"\"\"", 1, 14, "expected the end of the line"},
    {"a = \"C:\\path\"", 1, 8, "there is no escape of 'p'"},
    {"a = \"\\e\"", 1, 6, "no escape"},
    {"a = \"\\x41\"", 1, 6, "no escape"},
    {"a = \"\\u00g0\"", 1, 6, "\\u needs 4 hexadecimal digits"},
    {"a = \"\\U0001\"", 1, 6, "\\U needs 8 hexadecimal digits"},
    {"a = \"\\ud800\"", 1, 6, "U+D800 is no character"},
    {"a = \"\\U00110000\"", 1, 6, "U+110000 is no character"},
    {"a = \"\"\"x \\ y\"\"\"", 1, 10, "no escape of ' '"},
    {"a = bare", 1, 5, "'bare' is no value"},
    {"a = True", 1, 5, "no value"},
    /* numbers */
    {"a = 01", 1, 5, "no leading zeros"},
    {"a = -01", 1, 5, "no leading zeros"},
    {"a = 1_", 1, 5, "no number"},
    {"a = _1", 1, 5, "no value"},
    {"a = 1__0", 1, 5, "no number"},
    {"a = ++1", 1, 5, "no number"},
    {"a = 0x", 1, 5, "no number"},
    {"a = +0x1", 1, 5, "no number"},
    {"a = 0X1", 1, 5, "no number"},
    {"a = 0x_1", 1, 5, "no number"},
    {"a = 0b2", 1, 5, "no number"},
    {"a = 0o8", 1, 5, "no number"},
    {"a = 9223372036854775808", 1, 5, "does not fit into 64 bits"},
    {"a = -9223372036854775809", 1, 5, "does not fit into 64 bits"},
    {"a = 0x8000000000000000", 1, 5, "does not fit into 64 bits"},
    {"a = .5", 1, 5, "no number"},
    {"a = 5.", 1, 5, "no number"},
    {"a = 5.e1", 1, 5, "no number"},
    {"a = 05.1", 1, 5, "no number"},
    {"a = 1e", 1, 5, "no number"},
    {"a = 1e_1", 1, 5, "no number"},
    {"a = 1._5", 1, 5, "no number"},
    {"a = 1.5.2", 1, 5, "no number"},
    {"a = 1e999", 1, 5, "too large"},
    {"a = Inf", 1, 5, "no value"},
    {"a = +true", 1, 5, "no number"},
    /* dates */
    {"a = 2025-13-01", 1, 5, "the month must be 01 to 12"},
    {"a = 2025-00-01", 1, 5, "the month must be 01 to 12"},
    {"a = 2025-02-29", 1, 5, "no such day"},
    {"a = 1900-02-29", 1, 5, "no such day"},
    {"a = 2025-04-31", 1, 5, "no such day"},
    {"a = 2025-04-00", 1, 5, "no such day"},
    {"a = 24:00:00", 1, 5, "the hour must be"},
    {"a = 12:60:00", 1, 5, "the minute must be"},
    {"a = 12:00:61", 1, 5, "the second must be"},
    {"a = 2025-04-05T12:00:00+24:00", 1, 5, "the offset must be"},
    {"a = 2025-04-05T12:00:00-00:60", 1, 5, "the offset must be"},
    {"a = 2025-4-05", 1, 5, "no date"},
    {"a = 2025-04-05T", 1, 5, "no date"},
    {"a = 2025-04-05T12:00", 1, 5, "no date"},
    {"a = 2025-04-05T12:00:00.", 1, 5, "no date"},
    {"a = 2025-04-05T12:00:00+01", 1, 5, "no date"},
    {"a = 2025-04-05Z", 1, 5, "no date"},
    {"a = 2025-04-05  12:00:00", 1, 17, "expected the end of the line"},
    {"a = 12:00", 1, 5, "no time"},
    {"a = 12:00:00Z", 1, 5, "no time"},
    /* arrays */
    {"a = [1, 2", 1, 5, "the array that begins here is not closed"},
    {"a = [1 2]", 1, 8, "expected ',' or ']' in an array, found '2'"},
    {"a = [,]", 1, 6, "expected a value, found ','"},
    {"a = [1,,2]", 1, 8, "expected a value"},
    /* inline tables */
    {"a = {x = 1,}", 1, 12, "no comma behind its last pair"},
    {"a = {x = 1\n}", 1, 11, "expected ',' or '}' in an inline table, found the end of the line"},
    {"a = {x = 1 y = 2}", 1, 12, "expected ',' or '}'"},
    {"a = {x = 1, x = 2}", 1, 13, "'x' is set twice"},
    {"a = {b = {c = 1}, b.d = 2}", 1, 19, "dotted key cannot add to"},
    {"a = {b.c = 1}\n[a.b]", 2, 2, "'a' is an inline table"},
    {"a = {}\n[a]", 2, 2, "'a' is defined twice"},
    {"a = [{b = 1}]\n[[a]]", 2, 3, "'a' is no array of tables"},
    {"a = [{b = 1}]\n[a.c]", 2, 2, "'a' is no table"},
    {"a = {", 1, 6, "expected a key, found the end of the file"},
    /* tables */
    {"[]", 1, 2, "expected a key"},
    {"[a", 1, 3, "expected ']'"},
    {"[a\n]", 1, 3, "expected ']' at the end of a table's header, found the end of the line"},
    {"[[a]", 1, 4, "expected ']]'"},
    {"[ [a]]", 1, 3, "expected a key"},
    {"[a] b = 1", 1, 5, "expected the end of the line"},
    {"[a]\n[a]", 2, 2, "'a' is defined twice"},
    {"a = 1\n[a]", 2, 2, "'a' is no table"},
    {"a = 1\n[a.b]", 2, 2, "'a' is no table"},
    {"a.b = 1\n[a]", 2, 2, "'a' is defined twice"},
    {"[a]\nb.c = 1\n[a.b]", 3, 4, "'b' is defined twice"},
    {"[a]\n[[a]]", 2, 3, "'a' is no array of tables"},
    {"[a.b]\n[[a]]", 2, 3, "'a' is no array of tables"},
    {"[[a]]\n[a]", 2, 2, "'a' is no table"},
    {"a = []\n[[a]]", 2, 3, "'a' is no array of tables"},
};

static void what_the_specification_forbids_is_an_error_at_its_place(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof invalid / sizeof *invalid; i++) {
        scoped(Arena *, arena_freep) arena = arena_new();
        Error err = {.arena = arena};
        TomlDoc doc;
        const Invalid *c = &invalid[i];
        if (toml_parse(arena, "x.toml", str_from(c->text), &doc, &err))
            fail_msg("accepted: %s", c->text);
        assert_int_equal(err.kind, ERROR_PARSE);
        assert_string_equal(err.code, "toml");
        assert_string_equal(err.pos.file, "x.toml");
        if (err.pos.line != c->line || err.pos.column != c->column ||
            !strstr(err.message, c->message))
            fail_msg("%s\nexpected %u:%u %s\nfound %u:%u %s", c->text, c->line, c->column,
                     c->message, err.pos.line, err.pos.column, err.message);
        /* The same without anyone to tell. */
        assert_false(toml_parse(arena, NULL, str_from(c->text), &doc, NULL));
    }
}

static void a_nul_is_text_in_an_escape_and_an_error_outside(void **state)
{
    (void)state;
    scoped(Arena *, arena_freep) arena = arena_new();
    Error err = {.arena = arena};
    TomlDoc doc;
    assert_true(toml_parse(arena, NULL, STR("a = \"x\\u0000y\""), &doc, &err));
    assert_true(str_eq(toml_child(doc.root, STR("a"))->string, STR("x\0y")));
    assert_false(toml_parse(arena, NULL, STR("a = 'x\0y'"), &doc, &err));
    assert_false(toml_parse(arena, NULL, STR("\0"), &doc, &err));
    assert_false(toml_parse(arena, NULL, STR("# \0"), &doc, &err));
    assert_null(err.pos.file);
}

static void keys_and_values_know_their_places(void **state)
{
    (void)state;
    scoped(Arena *, arena_freep) arena = arena_new();
    Error err = {.arena = arena};
    TomlDoc doc;
    assert_true(toml_parse(arena, NULL,
                           STR("top = 1\n\n[ env . \"x y\" ] # c\n  url  =  'a'\n"
                               "m = '''\n\n'''\nn = [\n 1 ]\n"),
                           &doc, &err));
    const TomlValue *env = toml_child(toml_child(doc.root, STR("env")), STR("x y"));
    assert_int_equal(env->line, 3);
    assert_int_equal(env->column, 1);
    assert_int_equal(env->width, 15);
    assert_int_equal(toml_entry(toml_child(doc.root, STR("env")), STR("x y"))->column, 9);
    assert_int_equal(toml_entry(toml_child(doc.root, STR("env")), STR("x y"))->width, 5);
    const TomlEntry *url = toml_entry(env, STR("url"));
    assert_int_equal(url->line, 4);
    assert_int_equal(url->column, 3);
    assert_int_equal(url->value->column, 11);
    assert_int_equal(url->value->width, 3);
    assert_int_equal(toml_child(env, STR("n"))->line, 8);
    assert_int_equal(toml_child(env, STR("n"))->array.items[0]->line, 9);
}

static const char settings[] = "name = 'shop'\n"
                               "port = 5432\n"
                               "quick = true\n"
                               "folders = ['a', 'b']\n"
                               "mixed = ['a', 1]\n"
                               "[env.staging]\n"
                               "url = 'x'\n"
                               "'dotted.key' = 1\n";

static void values_are_found_by_path_and_typed(void **state)
{
    (void)state;
    scoped(Arena *, arena_freep) arena = arena_new();
    Error err = {.arena = arena};
    TomlDoc doc;
    Str text = STR("default");
    int64_t number = 7;
    bool flag = false;
    StrVec list = {0};
    const TomlValue *value, *env;
    assert_true(toml_parse(arena, "w.toml", str_from(settings), &doc, &err));

    assert_true(toml_get_string(&doc, doc.root, "absent", &text, &value, &err));
    assert_true(str_eq(text, STR("default")) && !value);
    assert_true(toml_get_string(&doc, doc.root, "env.production.url", &text, &value, &err));
    assert_null(value);
    assert_true(toml_get_string(&doc, doc.root, "env.staging.url", &text, &value, &err));
    assert_true(str_eq(text, STR("x")) && value->line == 7);
    assert_true(toml_get_integer(&doc, doc.root, "port", 0, 65535, &number, NULL, &err));
    assert_int_equal(number, 5432);
    assert_true(toml_get_boolean(&doc, doc.root, "quick", &flag, NULL, &err));
    assert_true(flag);
    assert_true(toml_get_strings(&doc, doc.root, "folders", arena, &list, NULL, &err));
    assert_true(list.len == 2 && str_eq(list.items[1], STR("b")));
    assert_true(toml_get_strings(&doc, doc.root, "name", arena, &list, NULL, &err));
    assert_true(list.len == 1 && str_eq(list.items[0], STR("shop")));
    assert_true(toml_get_strings(&doc, doc.root, "absent", arena, &list, &value, &err));
    assert_true(list.len == 1 && !value);
    assert_true(toml_get_table(&doc, doc.root, "env.staging", &env, &err));
    assert_int_equal(toml_child(env, STR("dotted.key"))->integer, 1);
    assert_true(toml_get_table(&doc, NULL, "env", &env, &err));
    assert_null(env);
    assert_null(toml_find(doc.root, "name.below"));
}

static void a_value_of_the_wrong_kind_is_told_with_its_place(void **state)
{
    (void)state;
    scoped(Arena *, arena_freep) arena = arena_new();
    Error err = {.arena = arena};
    TomlDoc doc;
    Str text;
    int64_t number;
    bool flag;
    StrVec list;
    const TomlValue *table;
    assert_true(toml_parse(arena, "w.toml", str_from(settings), &doc, &err));

    assert_false(toml_get_string(&doc, doc.root, "port", &text, NULL, &err));
    assert_int_equal(err.kind, ERROR_USAGE);
    assert_string_equal(err.code, "bad-setting");
    assert_string_equal(err.message, "'port' must be a string, not an integer");
    assert_string_equal(err.excerpt, "port = 5432");
    assert_int_equal(err.pos.line, 2);
    assert_int_equal(err.pos.column, 8);
    assert_int_equal(err.excerpt_width, 4);
    assert_false(toml_get_integer(&doc, doc.root, "port", 0, 100, &number, NULL, &err));
    assert_string_equal(err.message, "'port' must be 0 to 100");
    assert_false(toml_get_boolean(&doc, doc.root, "name", &flag, NULL, &err));
    assert_false(toml_get_strings(&doc, doc.root, "port", arena, &list, NULL, &err));
    assert_string_equal(err.message, "'port' must be an array of strings, not an integer");
    assert_false(toml_get_strings(&doc, doc.root, "mixed", arena, &list, NULL, &err));
    assert_int_equal(err.pos.column, 15);
    assert_false(toml_get_table(&doc, doc.root, "name", &table, &err));
    assert_false(toml_get_string(&doc, doc.root, "name.a.b", &text, NULL, &err));
    assert_string_equal(err.message, "'name' must be a table, not a string");
}

static void an_unknown_key_is_refused_with_the_nearest_known(void **state)
{
    (void)state;
    scoped(Arena *, arena_freep) arena = arena_new();
    Error err = {.arena = arena};
    TomlDoc doc;
    static const char *const known[] = {"database", "table", NULL};
    assert_true(toml_parse(arena, "w.toml", STR("table = 1\n  databse = 'x'"), &doc, &err));
    assert_false(toml_check_keys(&doc, doc.root, "env.x.", known, &err));
    assert_string_equal(err.code, "unknown-setting");
    assert_string_equal(err.message, "there is no setting 'env.x.databse'");
    assert_string_equal(err.hint, "Did you mean 'env.x.database'?");
    assert_int_equal(err.pos.line, 2);
    assert_int_equal(err.pos.column, 3);
    assert_int_equal(err.excerpt_width, 7);
}

static void no_excerpt_shows_a_password(void **state)
{
    (void)state;
    scoped(Arena *, arena_freep) arena = arena_new();
    Error err = {.arena = arena};
    TomlDoc doc;
    static const char *const texts[] = {
        "database = \"postgres://app:hunter2@db/shop\" x",
        "database = \"postgres://app:hunt@er2@db/shop",
        "database = 'mysql://app:hunter2",
        "database = 'mysql://db/shop?password=hunter2&x=1' x",
        "password = 'hunter2' x",
        "api_Token='hunter2",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        assert_false(toml_parse(arena, "w.toml", str_from(texts[i]), &doc, &err));
        if (err.excerpt && strstr(err.excerpt, "er2"))
            fail_msg("%s", err.excerpt);
        assert_null(strstr(err.message, "er2"));
    }
    assert_false(toml_parse(arena, "w.toml", str_from(texts[0]), &doc, &err));
    assert_string_equal(err.excerpt, "database = \"postgres://app:*******@db/shop\" x");
}

static void numbers_do_not_depend_on_the_locale(void **state)
{
    (void)state;
    scoped(Arena *, arena_freep) arena = arena_new();
    Error err = {.arena = arena};
    TomlDoc doc;
    /* Where no such locale is installed, the test holds trivially. */
    setlocale(LC_NUMERIC, "de_DE.UTF-8");
    bool is_read = toml_parse(arena, NULL, STR("a = 1.5"), &doc, &err);
    setlocale(LC_NUMERIC, "C");
    assert_true(is_read);
    assert_true(toml_child(doc.root, STR("a"))->number > 1.4);
}

static void depth_is_limited_and_no_stack_overflows(void **state)
{
    (void)state;
    static const char *const openings[] = {"[", "{a=", "[{a=", "a.", NULL};
    for (size_t i = 0; openings[i]; i++) {
        scoped(Arena *, arena_freep) arena = arena_new();
        Error err = {.arena = arena};
        TomlDoc doc;
        StrBuf text = strbuf(arena);
        strbuf_adds(&text, i == 3 ? "" : "a=");
        for (int n = 0; n < 100000; n++)
            strbuf_adds(&text, openings[i]);
        strbuf_adds(&text, i == 3 ? "a=1" : "");
        assert_false(text.has_failed);
        assert_false(toml_parse(arena, NULL, strbuf_str(&text), &doc, &err));
        assert_non_null(strstr(err.message, "more than 128"));
    }
    /* The last that is allowed. */
    scoped(Arena *, arena_freep) arena = arena_new();
    Error err = {.arena = arena};
    TomlDoc doc;
    StrBuf text = strbuf(arena);
    strbuf_adds(&text, "a=");
    strbuf_add_repeat(&text, '[', TOML_MOST_DEPTH - 1);
    strbuf_add_repeat(&text, ']', TOML_MOST_DEPTH - 1);
    assert_true(toml_parse(arena, NULL, strbuf_str(&text), &doc, &err));
}

static void many_keys_are_all_found_again(void **state)
{
    (void)state;
    enum { COUNT = 20000 };
    scoped(Arena *, arena_freep) arena = arena_new();
    Error err = {.arena = arena};
    TomlDoc doc;
    StrBuf text = strbuf(arena);
    for (int i = 0; i < COUNT; i++)
        strbuf_addf(&text, "key_%d = %d\n", i, i);
    assert_true(toml_parse(arena, NULL, strbuf_str(&text), &doc, &err));
    assert_int_equal(doc.root->table.len, COUNT);
    for (int i = 0; i < COUNT; i++) {
        char name[32];
        snprintf(name, sizeof name, "key_%d", i);
        const TomlValue *value = toml_child(doc.root, str_from(name));
        assert_true(value && value->integer == i);
    }
    assert_null(toml_child(doc.root, STR("key_")));
    strbuf_adds(&text, "key_17 = 1\n");
    assert_false(toml_parse(arena, NULL, strbuf_str(&text), &doc, &err));
    assert_int_equal(err.pos.line, COUNT + 1);
}

#ifdef WHIMBREL_FAULTS
static void reading_survives_the_loss_of_any_allocation(void **state)
{
    (void)state;
    Str text = STR("a.b = \"x\\ty\"\nl = [1, 2.5, {q = '''z'''}]\n[t]\n[[u.v]]\nw = 1\n"
                   "a=1\nb=1\nc=1\nd=1\ne=1\nf=1\ng=1\nh=1\ni=1\nj=1\n");
    for (unsigned nth = 1;; nth++) {
        scoped(Arena *, arena_freep) arena = arena_new();
        Error err = {.arena = arena};
        TomlDoc doc;
        fault_fail_allocation(nth);
        bool is_read = toml_parse(arena, "x.toml", text, &doc, &err);
        bool has_fired = fault_fired();
        fault_fail_allocation(0);
        if (!has_fired) {
            assert_true(is_read);
            assert_true(nth > 20);
            return;
        }
        assert_false(is_read);
        assert_int_equal(err.kind, ERROR_NOMEM);
    }
}

static void making_an_error_survives_the_loss_of_any_allocation(void **state)
{
    (void)state;
    for (unsigned nth = 1;; nth++) {
        scoped(Arena *, arena_freep) arena = arena_new();
        Error err = {.arena = arena};
        TomlDoc doc;
        fault_fail_allocation(nth);
        bool is_read = toml_parse(arena, "x.toml", STR("a = 1\nb = \"\\q\""), &doc, &err);
        bool has_fired = fault_fired();
        fault_fail_allocation(0);
        assert_false(is_read);
        assert_non_null(err.message);
        if (!has_fired) {
            assert_true(nth > 5);
            return;
        }
        assert_true(err.kind == ERROR_NOMEM || err.kind == ERROR_PARSE);
    }
}
#endif

UNIT_TESTS(toml) = {
    cmocka_unit_test(what_the_specification_allows_is_read),
    cmocka_unit_test(what_the_specification_forbids_is_an_error_at_its_place),
    cmocka_unit_test(a_nul_is_text_in_an_escape_and_an_error_outside),
    cmocka_unit_test(keys_and_values_know_their_places),
    cmocka_unit_test(values_are_found_by_path_and_typed),
    cmocka_unit_test(a_value_of_the_wrong_kind_is_told_with_its_place),
    cmocka_unit_test(an_unknown_key_is_refused_with_the_nearest_known),
    cmocka_unit_test(no_excerpt_shows_a_password),
    cmocka_unit_test(numbers_do_not_depend_on_the_locale),
    cmocka_unit_test(depth_is_limited_and_no_stack_overflows),
    cmocka_unit_test(many_keys_are_all_found_again),
#ifdef WHIMBREL_FAULTS
    cmocka_unit_test(reading_survives_the_loss_of_any_allocation),
    cmocka_unit_test(making_an_error_survives_the_loss_of_any_allocation),
#endif
};
UNIT_TESTS_END(toml)

/* The reader of .env files. SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "unit.h"

#include <string.h>

typedef struct Case {
    const char *text, *dump;
} Case;

static const Case cases[] = {
    {"", ""},
    {"\n  \n# a comment\n\t# another\r\n", ""},
    {"A=1\nB=2", "A=<1> B=<2>"},
    {"\xef\xbb\xbf"
     "A=1\r\nB=2\r\n",
     "A=<1> B=<2>"},
    {"A=1\r", "A=<1>"},
    {"export A=1\n  export\tB = 2\nexport=3\nexport = 4\nexported=5",
     "A=<1> B=<2> export=<3> export=<4> exported=<5>"},
    {"A=\nB=''\nC=\"\"\nD= # nothing\nE=  ", "A=<> B=<> C=<> D=<> E=<>"},
    {"_a.B-9 = x", "_a.B-9=<x>"},
    {"A =  one two  \t # c\nB=x#y\nC=#y\nD=x\t#y", "A=<one two> B=<x#y> C=<> D=<x>"},
    {"A=it's \"so\"\nB=a\\nb\nC=$HOME ${A}", "A=<it's \"so\"> B=<a\\nb> C=<$HOME ${A}>"},
    {"A='a # \"b\" \\n $X' # c\nB = 'two\r\nlines' \nC='\\'",
     "A=<a # \"b\" \\n $X> B=<two\nlines> C=<\\>"},
    {"A=\"a\\n\\t\\r\\\\\\\"\\'\\$\\` \\q # 'x'\" # c", "A=<a\n\t\r\\\"'$` \\q # 'x'>"},
    {"A=\"one\\\ntwo\nthree\"", "A=<onetwo\nthree>"},
    {"URL=postgres://u:p%23@h/db?x=1#y", "URL=<postgres://u:p%23@h/db?x=1#y>"},
    {"A=x=y==", "A=<x=y==>"},
    {"A=\xc3\xa9\xff", "A=<\xc3\xa9\xff>"},
};

static void lines_are_read_by_the_grammar(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        scoped(Arena *, arena_freep) arena = arena_new();
        Error err = {.arena = arena};
        Dotenv env;
        if (!dotenv_parse(arena, ".env", str_from(cases[i].text), &env, &err))
            fail_msg("%s\n%u:%u: %s", cases[i].text, err.pos.line, err.pos.column, err.message);
        StrBuf out = strbuf(arena);
        Str text;
        for (size_t e = 0; e < env.len; e++) {
            assert_int_equal(strlen(env.items[e].value.ptr), env.items[e].value.len);
            strbuf_addf(&out, "%s%s=<%s>", e > 0 ? " " : "", env.items[e].key.ptr,
                        env.items[e].value.ptr);
        }
        assert_true(strbuf_finish(&out, &text));
        assert_string_equal(text.ptr, cases[i].dump);
    }
}

typedef struct Wrong {
    const char *text;
    uint32_t line, column;
    const char *message;
} Wrong;

static const Wrong wrong[] = {
    {"A=1\nB", 2, 2, "expected '='"},
    {"A B=1", 1, 3, "expected '='"},
    {"export A", 1, 9, "expected '='"},
    {"=1", 1, 1, "expected the name"},
    {"1A=1", 1, 1, "expected the name"},
    {"# x\n  !A=1", 2, 3, "expected the name"},
    {"A='x\n\ny", 1, 3, "not closed"},
    {"B='\n'\nA=\"x\\\"", 3, 3, "not closed"},
    {"A='x'y", 1, 6, "behind the closing quote"},
    {"A='x\n' y", 2, 3, "behind the closing quote"},
    {"A=\"x\\", 1, 3, "not closed"},
};

static void an_error_names_its_place_and_shows_no_value(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        scoped(Arena *, arena_freep) arena = arena_new();
        Error err = {.arena = arena};
        Dotenv env;
        if (dotenv_parse(arena, ".env", str_from(wrong[i].text), &env, &err))
            fail_msg("accepted: %s", wrong[i].text);
        assert_int_equal(err.kind, ERROR_PARSE);
        assert_string_equal(err.code, "dotenv");
        assert_string_equal(err.pos.file, ".env");
        if (err.pos.line != wrong[i].line || err.pos.column != wrong[i].column ||
            !strstr(err.message, wrong[i].message))
            fail_msg("%s\n%u:%u: %s", wrong[i].text, err.pos.line, err.pos.column, err.message);
        assert_null(err.excerpt);
        assert_false(dotenv_parse(arena, NULL, str_from(wrong[i].text), &env, NULL));
    }
}

static void a_nul_is_refused_where_it_stands(void **state)
{
    (void)state;
    scoped(Arena *, arena_freep) arena = arena_new();
    Error err = {.arena = arena};
    Dotenv env;
    assert_false(dotenv_parse(arena, ".env", STR("A=1\nB=x\0y"), &env, &err));
    assert_int_equal(err.pos.line, 2);
    assert_int_equal(err.pos.column, 4);
}

static void the_last_of_repeated_keys_holds(void **state)
{
    (void)state;
    scoped(Arena *, arena_freep) arena = arena_new();
    Error err = {.arena = arena};
    Dotenv env;
    assert_true(dotenv_parse(arena, ".env", STR("A=1\nB=2\n A=3"), &env, &err));
    const DotenvEntry *a = dotenv_get(&env, STR("A"));
    assert_true(str_eq(a->value, STR("3")));
    assert_int_equal(a->line, 3);
    assert_int_equal(a->column, 2);
    assert_null(dotenv_get(&env, STR("a")));
}

#ifdef WHIMBREL_FAULTS
static void reading_survives_the_loss_of_any_allocation(void **state)
{
    (void)state;
    for (unsigned nth = 1;; nth++) {
        scoped(Arena *, arena_freep) arena = arena_new();
        Error err = {.arena = arena};
        Dotenv env;
        fault_fail_allocation(nth);
        bool is_read = dotenv_parse(arena, ".env", STR("A=1\nB='2'\nC=\"\\n\"\nD="), &env, &err);
        bool has_fired = fault_fired();
        fault_fail_allocation(0);
        if (!has_fired) {
            assert_true(is_read);
            assert_true(nth > 8);
            return;
        }
        assert_false(is_read);
        assert_int_equal(err.kind, ERROR_NOMEM);
    }
}
#endif

UNIT_TESTS(dotenv) = {
    cmocka_unit_test(lines_are_read_by_the_grammar),
    cmocka_unit_test(an_error_names_its_place_and_shows_no_value),
    cmocka_unit_test(a_nul_is_refused_where_it_stands),
    cmocka_unit_test(the_last_of_repeated_keys_holds),
#ifdef WHIMBREL_FAULTS
    cmocka_unit_test(reading_survives_the_loss_of_any_allocation),
#endif
};
UNIT_TESTS_END(dotenv)

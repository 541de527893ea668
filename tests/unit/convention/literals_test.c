/* Literals out of configuration in other languages. SPDX-License-Identifier: Apache-2.0 */
#include "convention/literals.h"

#include "unit.h"

static int setup(void **state)
{
    *state = arena_new();
    return *state ? 0 : -1;
}

static int teardown(void **state)
{
    arena_free(*state);
    return 0;
}

/* "T text", "W word", "V NAME", "V NAME or text", "C"; "-": there is no such key. */
static const char *said(Arena *arena, LiteralSyntax syntax, const char *text, const char *path)
{
    LiteralVec literals;
    Error err = {.arena = arena};
    if (!literals_read(arena, str_from(text), syntax, &literals, &err))
        fail_msg("%s", err.message);
    const Literal *found = literals_find(&literals, str_from(path));
    if (!found)
        return "-";
    switch (found->kind) {
    case LITERAL_TEXT:
        return str_format(arena, "T %.*s", STR_ARG(found->text));
    case LITERAL_WORD:
        return str_format(arena, "W %.*s", STR_ARG(found->text));
    case LITERAL_VARIABLE:
        return found->has_fallback ? str_format(arena, "V %.*s or %.*s", STR_ARG(found->text),
                                                STR_ARG(found->fallback))
                                   : str_format(arena, "V %.*s", STR_ARG(found->text));
    case LITERAL_COMPUTED:
        return "C";
    }
    return "";
}

static const struct {
    LiteralSyntax syntax;
    const char *text, *path, *said;
} cases[] = {
    {LITERALS_HCL, "url = \"x\"", "url", "T x"},
    {LITERALS_HCL, "env \"a\" { url = \"x\" }", "env/a/url", "T x"},
    {LITERALS_HCL, "env \"a\" {\n m {\n dir = \"x\"\n }\n}\nurl = 1\n", "env/a/m/dir", "T x"},
    {LITERALS_HCL, "env \"a\" {\n m {\n dir = \"x\"\n }\n}\nurl = 1\n", "url", "W 1"},
    {LITERALS_HCL, "a = \"${var.x}\"", "a", "C"},
    {LITERALS_HCL, "a = \"p\" + \"q\"\nb = \"r\"", "a", "C"},
    {LITERALS_HCL, "a = \"p\" + \"q\"\nb = \"r\"", "b", "T r"},
    {LITERALS_HCL, "a = var.x-y", "a", "W var.x-y"},
    {LITERALS_HCL, "a = getenv(\"X\")", "a", "V X"},
    {LITERALS_HCL, "a = getenv(\"X\" )\n", "a", "V X"},
    {LITERALS_HCL, "a = getenv(name)", "a", "C"},
    {LITERALS_HCL, "a = upper(getenv(\"X\"))\nb = \"r\"", "b", "T r"},
    {LITERALS_HCL, "a = [\"x\", { b = \"no\" }]\nc = \"r\"", "c", "T r"},
    {LITERALS_HCL, "a = [\"x\", { b = \"no\" }]\nc = \"r\"", "b", "-"},
    {LITERALS_HCL, "a = { b = \"yes\" }", "a/b", "T yes"},
    {LITERALS_HCL, "# a = \"x\"\n// a = \"y\"\n/* a = \"z\" */", "a", "-"},
    {LITERALS_HCL, "a = <<-EOT\n  b = \"x\"\n  EOT\nc = \"r\"", "a", "C"},
    {LITERALS_HCL, "a = <<-EOT\n  b = \"x\"\n  EOT\nc = \"r\"", "c", "T r"},
    {LITERALS_HCL, "a = \"x\\\"y\\n\\\\\"", "a", "T x\"y\n\\"},
    {LITERALS_HCL, "a = \"\\u0041\"", "a", "C"},
    {LITERALS_HCL, "a = \"first\"\na = \"last\"", "a", "T last"},
    {LITERALS_HCL, "} a = \"x\"", "a", "T x"},
    {LITERALS_PRISMA, "datasource db {\n url = env(\"U\")\n}", "datasource/db/url", "V U"},
    {LITERALS_PRISMA, "model A {\n url String @default(\"x\")\n}", "model/A/url", "-"},
    {LITERALS_PRISMA, "/// url = \"x\"\nurl = \"y\" // z", "url", "T y"},
    {LITERALS_SCRIPT, "{ a: { b: 'x' } }", "a/b", "T x"},
    {LITERALS_SCRIPT, "f({ a: { 'b': \"x\", }, c: `y` })", "c", "T y"},
    {LITERALS_SCRIPT, "f({ a: `${b}` })", "a", "C"},
    {LITERALS_SCRIPT, "f({ a: process.env.X })", "a", "V X"},
    {LITERALS_SCRIPT, "f({ a: process.env.X! })", "a", "V X"},
    {LITERALS_SCRIPT, "f({ a: process.env['X'] ?? 'y' })", "a", "V X or y"},
    {LITERALS_SCRIPT, "f({ a: process.env.X || y })", "a", "C"},
    {LITERALS_SCRIPT, "f({ a: env('X'), b: 1 })", "a", "V X"},
    {LITERALS_SCRIPT, "f({ a: 'x'\n + 'y', b: 'z' })", "a", "C"},
    {LITERALS_SCRIPT, "f({ a: 'x'\n + 'y', b: 'z' })", "b", "T z"},
    {LITERALS_SCRIPT, "f({ a: g({ b: 'no' }), c: 'z' })", "c", "T z"},
    {LITERALS_SCRIPT, "{ \"a\": \"http:\\/\\/x\" }", "a", "T http://x"},
};

static void what_is_literal_is_found_where_it_is(void **state)
{
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *found = said(*state, cases[i].syntax, cases[i].text, cases[i].path);
        if (!str_eq(str_from(found), str_from(cases[i].said)))
            fail_msg("%s in \"%s\": \"%s\" instead of \"%s\"", cases[i].path, cases[i].text, found,
                     cases[i].said);
    }
}

/* Whatever is cut off, and whatever language it is taken for: it is read without harm. */
static void no_text_does_harm(void **state)
{
    Arena *arena = *state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        Str whole = str_from(cases[i].text);
        for (size_t len = 0; len <= whole.len; len++) {
            for (LiteralSyntax syntax = LITERALS_HCL; syntax <= LITERALS_SCRIPT; syntax++) {
                LiteralVec literals;
                Error err = {.arena = arena};
                char *copy = str_z(arena, str_sub(whole, 0, len));
                assert_non_null(copy);
                assert_true(literals_read(arena, (Str){copy, len}, syntax, &literals, &err));
            }
        }
    }
}

static void a_key_says_its_line(void **state)
{
    LiteralVec literals;
    Error err = {.arena = *state};
    assert_true(literals_read(*state, STR("# x\n\na {\n  b =\n    \"c\"\n}\n"), LITERALS_HCL,
                              &literals, &err));
    assert_int_equal(literals.len, 1);
    assert_int_equal(literals.items[0].line, 4);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

UNIT_TESTS(literals) = {
    TEST(what_is_literal_is_found_where_it_is),
    TEST(no_text_does_harm),
    TEST(a_key_says_its_line),
};
UNIT_TESTS_END(literals)

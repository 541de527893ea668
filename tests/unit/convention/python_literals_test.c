/* Python that is read without being run: what is literal, what is not, and where reading stops. SPDX-License-Identifier: Apache-2.0 */
#include "fixture.h"

#include "convention/python_literals.h"

#include <stdlib.h>

static PyModule read_text(Fixture *f, const char *text)
{
    PyModule module;
    OK(f, python_read(f->arena, str_from(text), &module, &f->err));
    return module;
}

static void assert_text(Str actual, const char *expected)
{
    if (!str_eq(actual, str_from(expected)))
        fail_msg("\"%.*s\" instead of \"%s\"", STR_ARG(actual), expected);
}

/* The value of `x = ...`. */
static const PyNode *value_of(Fixture *f, const char *expression)
{
    const char *text = str_format(f->arena, "x = %s\n", expression);
    PyModule module = read_text(f, text);
    const PyStatement *statement = python_find(&module.body, PY_ASSIGN, STR("x"));
    if (!statement || module.trouble) {
        fail_msg("%s: %s", expression, module.trouble ? module.trouble : "no assignment");
        abort(); /* not reached, which fail_msg() does not declare */
    }
    return statement->value;
}

static void strings_are_decoded(void **state)
{
    Fixture *f = *state;
    static const struct {
        const char *written, *value;
        PyKind kind;
    } cases[] = {
        {"'a'", "a", PY_STRING},
        {"\"it's\"", "it's", PY_STRING},
        {"'''a\n'b'\nc'''", "a\n'b'\nc", PY_STRING},
        {"\"\"\"\n  x\n\"\"\"", "\n  x\n", PY_STRING},
        {"'a' 'b' \"c\"", "abc", PY_STRING},
        {"('a'\n    'b')", "ab", PY_STRING},
        {"'a' + \"b\"", "ab", PY_STRING},
        {"r'\\d\\''", "\\d\\'", PY_STRING},
        {"'\\x41\\u00e9\\101\\n\\q\\\n'",
         "A\xc3\xa9"
         "A\n\\q",
         PY_STRING},
        {"'\\U0001F600'", "\xf0\x9f\x98\x80", PY_STRING},
        {"b'\\xff'", "\xff", PY_BYTES},
        {"u'a'", "a", PY_STRING},
        {"f'plain {{}}'", "plain {}", PY_STRING},
        {"f'{a}'", "f", PY_OPERATION},
        {"'a' f'{b.c}'", "f", PY_OPERATION},
        {"f'{a()}'", "an f-string", PY_OTHER},
        {"f'{a!r}' 'b'", "an f-string", PY_OTHER},
        {"f'{a}' b'c'", "an f-string", PY_OTHER},
        {"'a' % b", "%", PY_OPERATION},
        {"'a' * 2", "an expression", PY_OTHER},
        {"'a' % b % c", "an expression", PY_OTHER},
        {"'a'.upper()", NULL, PY_CALL},
        {"'a' + b", "+", PY_OPERATION},
        {"'a' + 'b'.upper()", "+", PY_OPERATION},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const PyNode *node = value_of(f, cases[i].written);
        if (node->kind != cases[i].kind)
            fail_msg("%s is read as %s", cases[i].written, python_describe(f->arena, node));
        if (cases[i].value)
            assert_text(node->text, cases[i].value);
    }
}

static void literals_and_calls_are_told_apart(void **state)
{
    Fixture *f = *state;
    static const struct {
        const char *written;
        PyKind kind;
        size_t items;
    } cases[] = {
        {"None", PY_NONE, 0},
        {"True", PY_TRUE, 0},
        {"-5", PY_NUMBER, 0},
        {"1_000.5e-3", PY_NUMBER, 0},
        {"()", PY_TUPLE, 0},
        {"('a')", PY_STRING, 0},
        {"('a',)", PY_TUPLE, 1},
        {"'a', 'b'", PY_TUPLE, 2},
        {"['a', 'b',]", PY_LIST, 2},
        {"{'a', 'b'}", PY_SET, 2},
        {"{}", PY_DICT, 0},
        {"{'a': 1, **b}", PY_DICT, 2},
        {"sa.Column('a', sa.Integer(), nullable=False)", PY_CALL, 3},
        {"f(*a, **b)", PY_CALL, 2},
        {"a.b.c", PY_ATTRIBUTE, 0},
        {"a[1]", PY_OTHER, 0},
        {"a[1].b", PY_ATTRIBUTE, 0},
        {"1 if a else 2", PY_OPERATION, 3},
        {"1 if a < b else 2", PY_OTHER, 0},
        {"a and b and not c or d", PY_OPERATION, 2},
        {"a + b + c", PY_OPERATION, 3},
        {"a not in (b, c)", PY_OPERATION, 2},
        {"a == b == c", PY_OTHER, 0},
        {"a is not None", PY_OTHER, 0},
        {"f'x{a}y' f'{b}'", PY_OPERATION, 4},
        {"[x for x in y]", PY_LIST, 1},
        {"lambda a, b=1: a", PY_OTHER, 0},
        {"not a", PY_OPERATION, 1},
        {"1 << 2", PY_OTHER, 0},
        {"a == b", PY_OPERATION, 2},
        {"...", PY_OTHER, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const PyNode *node = value_of(f, cases[i].written);
        if (node->kind != cases[i].kind || node->items.len != cases[i].items)
            fail_msg("%s is read as %s of %zu", cases[i].written, python_describe(f->arena, node),
                     node->items.len);
    }
}

static void arguments_are_found_by_place_and_name(void **state)
{
    Fixture *f = *state;
    const PyNode *call = value_of(f, "f('a', 2, c=None, d=[1])");
    assert_text(python_argument(call, 0, NULL)->text, "a");
    assert_text(python_argument(call, 1, "b")->text, "2");
    assert_int_equal(python_argument(call, SIZE_MAX, "c")->kind, PY_NONE);
    assert_int_equal(python_argument(call, 3, "d")->kind, PY_LIST);
    assert_null(python_argument(call, 2, NULL));
    assert_null(python_argument(call, SIZE_MAX, "e"));
    assert_false(python_unpacks(call));
    assert_true(python_unpacks(value_of(f, "f(a, *b)")));
}

static void statements_and_blocks_are_read(void **state)
{
    Fixture *f = *state;
    PyModule module = read_text(f, "\xef\xbb\xbf\"\"\"what it does\"\"\"\n"
                                   "from alembic import op\n"
                                   "import sqlalchemy as sa\n"
                                   "from sqlalchemy.dialects import (postgresql,\n"
                                   "    mysql as my)\n"
                                   "import a.b\n"
                                   "\n"
                                   "revision: str = 'x'  # a comment\n"
                                   "down: Union[str, None] = None\n"
                                   "typed: int\n"
                                   "a = b = 1; c = 2\n"
                                   "if x:\n"
                                   "    revision = 'y'\n"
                                   "elif y: revision = 'z'\n"
                                   "\n"
                                   "@decorated(1)\n"
                                   "def upgrade(a, b: int = 3) -> None:\n"
                                   "\t# only a comment\n"
                                   "\twith op.batch('t') as b:\n"
                                   "\t\tb.add(1)\n"
                                   "\n"
                                   "\t\tb.drop(2)\n"
                                   "\tfor i in x:\n"
                                   "\t    pass\n"
                                   "\treturn\n"
                                   "def downgrade(): pass\n"
                                   "class M(a.B):\n"
                                   "    x = 1\n"
                                   "last = 'there'\n");
    assert_null(module.trouble);
    assert_text(module.doc, "what it does");
    assert_text(python_find(&module.body, PY_ASSIGN, STR("revision"))->value->text, "x");
    assert_int_equal(python_find(&module.body, PY_ASSIGN, STR("down"))->value->kind, PY_NONE);
    assert_null(python_find(&module.body, PY_ASSIGN, STR("typed")));
    assert_null(python_find(&module.body, PY_ASSIGN, STR("a")));
    assert_text(python_find(&module.body, PY_ASSIGN, STR("c"))->value->text, "2");
    assert_text(python_find(&module.body, PY_ASSIGN, STR("last"))->value->text, "there");
    const PyStatement *up = python_find(&module.body, PY_DEF, STR("upgrade"));
    assert_int_equal(up->body.len, 3);
    assert_int_equal(up->body.items[0].kind, PY_WITH);
    assert_text(up->body.items[0].name, "b");
    assert_int_equal(up->body.items[0].body.len, 2);
    assert_int_equal(up->body.items[0].body.items[1].line, 22);
    assert_int_equal(up->body.items[1].kind, PY_FOR);
    assert_text(up->body.items[1].items.items[0].name, "i");
    assert_true(up->is_decorated);
    assert_int_equal(up->items.len, 2);
    assert_text(up->items.items[1].value->text, "3");
    assert_int_equal(up->body.items[2].kind, PY_RETURN);
    assert_false(python_find(&module.body, PY_DEF, STR("downgrade"))->is_decorated);
    assert_int_equal(python_find(&module.body, PY_DEF, STR("downgrade"))->body.items[0].kind,
                     PY_PASS);
    const PyStatement *class = python_find(&module.body, PY_CLASS, STR("M"));
    assert_int_equal(class->body.len, 1);
    assert_int_equal(class->value->items.len, 1);
}

static void conditions_have_two_sides(void **state)
{
    Fixture *f = *state;
    PyModule module = read_text(f, "if a == 'b':\n"
                                   "    x = 1\n"
                                   "elif c < d:\n"
                                   "    return 1, 2\n"
                                   "    *y, z = 5\n"
                                   "else: x = 3\n"
                                   "for k, v in m: pass\n"
                                   "else:\n"
                                   "    x = 4\n");
    const PyStatement *first = &module.body.items[0];
    assert_null(module.trouble);
    assert_int_equal(module.body.len, 3);
    assert_int_equal(first->kind, PY_IF);
    assert_text(first->value->text, "==");
    const PyStatement *second = &first->otherwise.items[0];
    assert_int_equal(second->kind, PY_IF);
    assert_int_equal(second->value->kind, PY_OTHER);
    assert_int_equal(second->body.len, 2);
    assert_int_equal(second->body.items[0].value->items.len, 2);
    assert_int_equal(second->body.items[1].kind, PY_SIMPLE);
    assert_int_equal(second->otherwise.items[0].kind, PY_ASSIGN);
    assert_int_equal(module.body.items[1].items.len, 2);
    assert_int_equal(module.body.items[2].kind, PY_BLOCK);
}

/* What may have another value once the file was run through is no constant. */
static void constants_are_sure(void **state)
{
    Fixture *f = *state;
    PyModule module = read_text(f, "sure = 'a'\n"
                                   "also = sure\n"
                                   "also = 'b'\n"
                                   "chosen = 1\n"
                                   "if x:\n"
                                   "    chosen = 2\n"
                                   "tried = 1\n"
                                   "try:\n"
                                   "    tried = 2\n"
                                   "except E: pass\n"
                                   "grown = []\n"
                                   "grown.append(1)\n"
                                   "more = 'a'\n"
                                   "more += 'b'\n"
                                   "counted = 1\n"
                                   "for counted in y: pass\n"
                                   "def upgrade():\n"
                                   "    sure = 'c'\n");
    assert_text(python_constant(&module, STR("sure"))->text, "a");
    assert_text(python_constant(&module, STR("also"))->text, "b");
    assert_null(python_constant(&module, STR("chosen")));
    assert_null(python_constant(&module, STR("tried")));
    assert_null(python_constant(&module, STR("grown")));
    assert_null(python_constant(&module, STR("more")));
    assert_null(python_constant(&module, STR("counted")));
    assert_null(python_constant(&module, STR("nothing")));
}

static void imports_give_names_their_paths(void **state)
{
    Fixture *f = *state;
    PyModule module =
        read_text(f, "from alembic import op\n"
                     "import sqlalchemy as sa, os\n"
                     "from sqlalchemy.dialects import (postgresql as pg,\n  mysql,)\n"
                     "from . import near\n"
                     "x = [op.f, sa.Column, pg.UUID, mysql.ENUM, os.path, near.a, own]\n");
    static const char *const expected[] = {"alembic.op.f",
                                           "sqlalchemy.Column",
                                           "sqlalchemy.dialects.postgresql.UUID",
                                           "sqlalchemy.dialects.mysql.ENUM",
                                           "os.path",
                                           "..near.a",
                                           "own"};
    const PyNode *list = python_find(&module.body, PY_ASSIGN, STR("x"))->value;
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++) {
        Str path;
        OK(f, python_path(f->arena, &module, list->items.items[i].value, &path, &f->err));
        assert_text(path, expected[i]);
    }
}

/* What stands above the trouble is there: the head of a migration can be read though its body cannot. */
static void trouble_is_told_with_its_line(void **state)
{
    Fixture *f = *state;
    static const struct {
        const char *text;
        uint32_t line;
    } cases[] = {
        {"x = 1\ny = 'open\n", 2}, {"x = 1\ny = '''open\n\n", 2},   {"x = 1\n\ny = (1,\n", 4},
        {"x = 1\ny = $\n", 2},     {"x = 1\ny = 1)\n", 2},          {"x = 1\n  y = 2\n z = 3\n", 3},
        {"x = 1\ny = )\n", 2},     {"x = 1\ny = '\\N{DASH}'\n", 2}, {"x = 1\n(((]\n", 2},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        PyModule module = read_text(f, cases[i].text);
        const PyStatement *first = python_find(&module.body, PY_ASSIGN, STR("x"));
        if (!first)
            fail_msg("case %zu lost what was above", i);
        if (!module.trouble || module.trouble_line != cases[i].line)
            fail_msg("case %zu: %s in line %u", i, module.trouble ? module.trouble : "no trouble",
                     module.trouble_line);
    }
}

static void nothing_lies_too_deep(void **state)
{
    Fixture *f = *state;
    StrBuf text = strbuf(f->arena);
    Str deep;
    strbuf_adds(&text, "x = 1\ny = ");
    strbuf_add_repeat(&text, '(', 100000);
    strbuf_add_repeat(&text, ')', 100000);
    strbuf_adds(&text, "\n");
    assert_true(strbuf_finish(&text, &deep));
    PyModule module = read_text(f, deep.ptr);
    assert_non_null(module.trouble);
    assert_non_null(python_find(&module.body, PY_ASSIGN, STR("x")));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
UNIT_TESTS(python_literals) = {
    TEST(strings_are_decoded),
    TEST(literals_and_calls_are_told_apart),
    TEST(arguments_are_found_by_place_and_name),
    TEST(statements_and_blocks_are_read),
    TEST(conditions_have_two_sides),
    TEST(constants_are_sure),
    TEST(imports_give_names_their_paths),
    TEST(trouble_is_told_with_its_line),
    TEST(nothing_lies_too_deep),
};
UNIT_TESTS_END(python_literals)

/* Names and values as SQL text. SPDX-License-Identifier: Apache-2.0 */
#include "sql/sql.h"

#include "unit.h"

typedef void Add(StrBuf *out, SqlDialect dialect, Str text);

static void check(Arena *arena, Add *add, SqlDialect dialect, const char *before, Str text,
                  const char *expected)
{
    StrBuf out = strbuf(arena);
    Str whole;
    strbuf_adds(&out, before);
    add(&out, dialect, text);
    assert_true(strbuf_finish(&out, &whole));
    assert_string_equal(whole.ptr, expected);
}

static void names_are_quoted(void **state)
{
    (void)state;
    scoped(Arena *, arena_freep) arena = arena_new();
    check(arena, sql_add_ident, SQL_POSTGRES, "", STR("a\"b.c"), "\"a\"\"b.c\"");
    check(arena, sql_add_ident, SQL_SQLITE, "", STR("a`b"), "\"a`b\"");
    check(arena, sql_add_ident, SQL_MYSQL, "", STR("a`b\"c"), "`a``b\"c`");
    check(arena, sql_add_ident, SQL_POSTGRES, "", STR(""), "\"\"");
}

static void qualified_names_are_quoted_part_by_part(void **state)
{
    (void)state;
    scoped(Arena *, arena_freep) arena = arena_new();
    check(arena, sql_add_qualified, SQL_POSTGRES, "", STR("s.t"), "\"s\".\"t\"");
    check(arena, sql_add_qualified, SQL_POSTGRES, "", STR("t"), "\"t\"");
    check(arena, sql_add_qualified, SQL_POSTGRES, "", STR("\"a.b\".t"), "\"a.b\".\"t\"");
    check(arena, sql_add_qualified, SQL_POSTGRES, "", STR("\"a\"\".b\".t"), "\"a\"\".b\".\"t\"");
    check(arena, sql_add_qualified, SQL_POSTGRES, "", STR("\"a"), "\"\"\"a\"");
    check(arena, sql_add_qualified, SQL_POSTGRES, "", STR("`a`"), "\"`a`\"");
    check(arena, sql_add_qualified, SQL_MYSQL, "", STR("`a`.b"), "`a`.`b`");
    check(arena, sql_add_qualified, SQL_SQLITE, "", STR("main.[a b]"), "\"main\".[a b]");
}

static void values_mean_the_same_in_every_mode(void **state)
{
    (void)state;
    scoped(Arena *, arena_freep) arena = arena_new();
    check(arena, sql_add_literal, SQL_POSTGRES, "", STR("it's"), "'it''s'");
    check(arena, sql_add_literal, SQL_POSTGRES, "", STR("a\\'b"), "E'a\\\\''b'");
    check(arena, sql_add_literal, SQL_POSTGRES, "SELECT", STR("\\"), "SELECT E'\\\\'");
    check(arena, sql_add_literal, SQL_POSTGRES, "(", STR("\\"), "(E'\\\\'");
    check(arena, sql_add_literal, SQL_MYSQL, "", STR("it's"), "'it''s'");
    check(arena, sql_add_literal, SQL_MYSQL, "", STR("a\\"), "_utf8mb4 X'615c'");
    check(arena, sql_add_literal, SQL_SQLITE, "", STR("a\\'"), "'a\\'''");
    check(arena, sql_add_literal, SQL_SQLITE, "", STR(""), "''");
    check(arena, sql_add_blob, SQL_POSTGRES, "", STR("\0\xff"), "E'\\\\x00ff'::bytea");
    check(arena, sql_add_blob, SQL_MYSQL, "", STR("\0\xff"), "X'00ff'");
    check(arena, sql_add_blob, SQL_SQLITE, "", STR(""), "X''");
}

static void a_nul_fails_the_buffer(void **state)
{
    (void)state;
    scoped(Arena *, arena_freep) arena = arena_new();
    static Add *const adds[] = {sql_add_ident, sql_add_qualified, sql_add_literal};
    for (size_t i = 0; i < 3; i++) {
        StrBuf out = strbuf(arena);
        Str whole;
        adds[i](&out, SQL_MYSQL, STR("a\0b"));
        assert_false(strbuf_finish(&out, &whole));
    }
}

static void the_value_of_a_name_is_what_the_server_takes_it_for(void **state)
{
    (void)state;
    scoped(Arena *, arena_freep) arena = arena_new();
    static const struct {
        SqlDialect dialect;
        const char *written, *value;
    } cases[] = {
        {SQL_POSTGRES, "Users", "users"},
        {SQL_POSTGRES, "\"Us\"\"ers\"", "Us\"ers"},
        {SQL_POSTGRES, "\xc3\x84rger", "\xc3\x84rger"},
        {SQL_MYSQL, "Users", "Users"},
        {SQL_MYSQL, "`a``b`", "a`b"},
        {SQL_SQLITE, "[a]", "a"},
        {SQL_SQLITE, "'a''b'", "a'b"},
        {SQL_SQLITE, "\"\"", ""},
        {SQL_POSTGRES, "\"", "\""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        Str value;
        assert_true(sql_ident_value(arena, cases[i].dialect, str_from(cases[i].written), &value));
        assert_string_equal(value.ptr, cases[i].value);
    }
}

UNIT_TESTS(quote) = {
    cmocka_unit_test(names_are_quoted),
    cmocka_unit_test(qualified_names_are_quoted_part_by_part),
    cmocka_unit_test(values_mean_the_same_in_every_mode),
    cmocka_unit_test(a_nul_fails_the_buffer),
    cmocka_unit_test(the_value_of_a_name_is_what_the_server_takes_it_for),
};
UNIT_TESTS_END(quote)

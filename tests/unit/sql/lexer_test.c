/* Tokens, digests over them, summaries. SPDX-License-Identifier: Apache-2.0 */
#include "sql/sql.h"

#include "unit.h"

#include <string.h>

static void tokens_are_told_apart(void **state)
{
    (void)state;
    /* words, strings, identifiers, numbers, parameters, code comments; symbols are left out */
    static const struct {
        SqlDialect dialect;
        const char *text, *kinds;
    } cases[] = {
        {SQL_POSTGRES,
         "SELECT 'a', E'b\\'c', $x$ ' $x$, \"d\", U&\"e\", 1.5e+3, .5, $1, a$1, :v, b::int",
         "wsssiinnpwpww"},
        {SQL_MYSQL,
         "SELECT 'a\\'', \"b\", `c`, @v, @@global.x, x'00', /*+ h */ ? -- c\n # d\n /*! e */",
         "wssippscpc"},
        {SQL_SQLITE, "SELECT 'a\\', \"b\", [c], `d`, ?1, :v, @w, $x, x'00' -- c", "wsiiipppps"},
    };
    static const char letters[] = {
        [SQL_TOKEN_WORD] = 'w',        [SQL_TOKEN_IDENT] = 'i', [SQL_TOKEN_STRING] = 's',
        [SQL_TOKEN_NUMBER] = 'n',      [SQL_TOKEN_PARAM] = 'p', [SQL_TOKEN_SYMBOL] = 0,
        [SQL_TOKEN_CODE_COMMENT] = 'c'};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        SqlSplitOptions options = {.dialect = cases[i].dialect};
        SqlLexer lexer = sql_lexer(str_from(cases[i].text), &options);
        SqlToken token;
        char got[64] = "";
        size_t len = 0;
        while (sql_lexer_next(&lexer, &token)) {
            if (letters[token.kind])
                got[len++] = letters[token.kind];
        }
        assert_string_equal(got, cases[i].kinds);
    }
}

static void a_keyword_is_never_quoted(void **state)
{
    (void)state;
    SqlSplitOptions options = {.dialect = SQL_POSTGRES};
    SqlLexer lexer = sql_lexer(STR("sElEcT \"SELECT\""), &options);
    SqlToken token;
    assert_true(sql_lexer_next(&lexer, &token));
    assert_true(sql_token_is(&token, "SELECT"));
    assert_false(sql_token_is(&token, "SELEC"));
    assert_true(sql_lexer_next(&lexer, &token));
    assert_false(sql_token_is(&token, "SELECT"));
}

static void digest(SqlDialect dialect, const char *text, unsigned char *out)
{
    SqlSplitOptions options = {.dialect = dialect};
    Hash hash;
    hash_begin(&hash, HASH_SHA256);
    sql_hash_tokens(&hash, str_from(text), &options);
    hash_end(&hash, out);
}

static void a_digest_sees_tokens_only(void **state)
{
    (void)state;
    static const struct {
        SqlDialect dialect;
        bool is_same;
        const char *a, *b;
    } pairs[] = {
        {SQL_POSTGRES, true, "SELECT 1", "  SELECT\r\n\t1 -- x\n /* y /* z */ */"},
        {SQL_POSTGRES, true, "SELECT E'a'\n'\\''", "SELECT E'a' -- c\r\n   '\\''"},
        {SQL_POSTGRES, true, "a(b)", "a ( b )"},
        {SQL_POSTGRES, false, "SELECT ab", "SELECT a b"},
        {SQL_POSTGRES, false, "SELECT 'a  b'", "SELECT 'a b'"},
        {SQL_POSTGRES, false, "SELECT 'a\nb'", "SELECT 'a\r\nb'"},
        {SQL_POSTGRES, false, "SELECT $$a$$", "SELECT $x$a$x$"},
        {SQL_POSTGRES, false, "select 1", "SELECT 1"},
        {SQL_POSTGRES, false, "SELECT 1", "SELECT 1;"},
        {SQL_POSTGRES, false, "SELECT '-- x'", "SELECT ''"},
        {SQL_POSTGRES, false, "SELECT 12", "SELECT 1 2"},
        {SQL_POSTGRES, false, "SELECT E'x'", "SELECT E 'x'"},
        {SQL_MYSQL, true, "SELECT 1 # x", "SELECT 1"},
        {SQL_MYSQL, false, "SELECT 5--1", "SELECT 5"},
        {SQL_MYSQL, false, "SELECT /*!40000 SQL_CACHE */ 1", "SELECT 1"},
        {SQL_MYSQL, false, "SELECT /*+ A */ 1", "SELECT 1"},
        {SQL_MYSQL, true, "SELECT /* A */ 1", "SELECT 1"},
        {SQL_SQLITE, true, "SELECT 1 /* open", "SELECT 1"},
        {SQL_SQLITE, false, "SELECT [a b]", "SELECT [a  b]"},
    };
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        unsigned char a[HASH_MAX_BYTES] = {0}, b[HASH_MAX_BYTES] = {0};
        digest(pairs[i].dialect, pairs[i].a, a);
        digest(pairs[i].dialect, pairs[i].b, b);
        if ((memcmp(a, b, 32) == 0) != pairs[i].is_same)
            fail_msg("%s | %s", pairs[i].a, pairs[i].b);
    }
}

/* Stored digests have to stay what they are. */
static void digests_do_not_change(void **state)
{
    (void)state;
    unsigned char out[HASH_MAX_BYTES];
    digest(SQL_POSTGRES, "SELECT 1", out);
    unsigned char again[HASH_MAX_BYTES];
    Hash hash;
    hash_begin(&hash, HASH_SHA256);
    hash_add(&hash, (Str){"\6\0\0\0\0\0\0\0SELECT\1\0\0\0\0\0\0\0"
                          "1",
                          23});
    hash_end(&hash, again);
    assert_memory_equal(out, again, 32);
}

static void a_summary_is_short_and_in_one_line(void **state)
{
    (void)state;
    scoped(Arena *, arena_freep) arena = arena_new();
    SqlSplitOptions options = {.dialect = SQL_POSTGRES};
    static const struct {
        const char *text, *summary;
        size_t max;
    } cases[] = {
        {"CREATE  INDEX\n-- c\n  i ON t(a)", "CREATE INDEX i ON t(a)", 80},
        {"SELECT 'a\n\n  b'", "SELECT 'a b'", 80},
        {"SELECT abcdef", "SELECT abcdef", 13},
        {"SELECT abcdefg", "SELECT abc...", 13},
        {"SELECT caf\xc3\xa9s x", "SELECT caf...", 14},
        {"SELECT 1", "", 0},
        {"SELECT 1", "...", 3},
        {"", "", 10},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        Str summary;
        assert_true(sql_summary(arena, str_from(cases[i].text), &options, cases[i].max, &summary));
        assert_string_equal(summary.ptr, cases[i].summary);
    }
}

#ifdef WHIMBREL_FAULTS
static void a_summary_survives_the_loss_of_any_allocation(void **state)
{
    (void)state;
    SqlSplitOptions options = {.dialect = SQL_POSTGRES};
    for (unsigned nth = 1;; nth++) {
        scoped(Arena *, arena_freep) arena = arena_new();
        Str summary, name, value;
        fault_fail_allocation(nth);
        bool ok =
            sql_summary(
                arena, STR("ALTER TABLE a_table_of_a_long_name ADD COLUMN b int, ADD COLUMN c int"),
                &options, 60, &summary) &&
            sql_ident_value(arena, SQL_POSTGRES, STR("\"Name\""), &value);
        StrBuf out = strbuf(arena);
        sql_add_qualified(&out, SQL_POSTGRES, STR("a.b"));
        sql_add_literal(&out, SQL_POSTGRES, STR("a\\b"));
        sql_add_blob(&out, SQL_POSTGRES, STR("x"));
        ok = strbuf_finish(&out, &name) && ok;
        bool has_fired = fault_fired();
        fault_fail_allocation(0);
        assert_int_equal(ok, !has_fired);
        if (!has_fired)
            return;
    }
}
#endif

UNIT_TESTS(lexer) = {
    cmocka_unit_test(tokens_are_told_apart),
    cmocka_unit_test(a_keyword_is_never_quoted),
    cmocka_unit_test(a_digest_sees_tokens_only),
    cmocka_unit_test(digests_do_not_change),
    cmocka_unit_test(a_summary_is_short_and_in_one_line),
#ifdef WHIMBREL_FAULTS
    cmocka_unit_test(a_summary_survives_the_loss_of_any_allocation),
#endif
};
UNIT_TESTS_END(lexer)

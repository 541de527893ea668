/* Fuzzes what looks at one statement: lexer, digest, inspection, summary, placeholders, quoting. The first byte chooses
 * dialect and modes. SPDX-License-Identifier: Apache-2.0 */
#include "sql/sql.h"

#include <string.h>

#include "fuzz.h"

static void lex(Str text, const SqlSplitOptions *options)
{
    SqlLexer lexer = sql_lexer(text, options);
    SqlToken token;
    size_t end = 0;

    while (sql_lexer_next(&lexer, &token)) {
        FUZZ_REQUIRE(token.text.len > 0 && token.offset >= end);
        end = token.offset + token.text.len;
        FUZZ_REQUIRE(end <= text.len && token.text.ptr == text.ptr + token.offset);
    }
}

static void is_part(Str text, Str part)
{
    FUZZ_REQUIRE(part.len == 0 ||
                 (part.ptr >= text.ptr && part.ptr + part.len <= text.ptr + text.len));
}

static void inspect(Str text, const SqlSplitOptions *options)
{
    SqlInfo info = sql_inspect(text, options);

    is_part(text, info.schema);
    is_part(text, info.name);
    is_part(text, info.table_schema);
    is_part(text, info.table);
    is_part(text, info.sub_name);
    FUZZ_REQUIRE(!(info.flags & SQL_NO_TRANSACTION_OLD) == (info.transaction_since == 0));
    FUZZ_REQUIRE(!(info.flags & SQL_CONCURRENTLY) || info.flags & SQL_NO_TRANSACTION);
}

static void summarise(Arena *arena, Str text, const SqlSplitOptions *options)
{
    for (size_t max = 0; max < 80; max = max * 2 + 3) {
        Str summary;
        FUZZ_REQUIRE(sql_summary(arena, text, options, max, &summary));
        FUZZ_REQUIRE(summary.len <= max);
        FUZZ_REQUIRE(str_find_char(summary, '\n', 0) == SIZE_MAX);
        if (str_is_utf8(text, NULL))
            FUZZ_REQUIRE(str_is_utf8(summary, NULL));
    }
}

/* A name or a value comes back from what it was written as, and is one token whatever the modes. */
static void quote(Arena *arena, Str text, const SqlSplitOptions *options)
{
    StrBuf ident = strbuf(arena), literal = strbuf(arena);
    Str written, value;
    SqlToken token;

    sql_add_ident(&ident, options->dialect, text);
    sql_add_literal(&literal, options->dialect, text);
    bool has_nul = text.len > 0 && memchr(text.ptr, '\0', text.len);
    FUZZ_REQUIRE(strbuf_finish(&ident, &written) == !has_nul);
    if (has_nul)
        return;
    SqlLexer lexer = sql_lexer(written, options);
    FUZZ_REQUIRE(sql_lexer_next(&lexer, &token) && token.text.len == written.len &&
                 token.kind == SQL_TOKEN_IDENT);
    FUZZ_REQUIRE(sql_ident_value(arena, options->dialect, written, &value) && str_eq(value, text));
    FUZZ_REQUIRE(strbuf_finish(&literal, &written));
    lexer = sql_lexer(written, options);
    FUZZ_REQUIRE(sql_lexer_next(&lexer, &token));
    if (token.kind == SQL_TOKEN_WORD) /* _utf8mb4 X'...' */
        FUZZ_REQUIRE(options->dialect == SQL_MYSQL && sql_lexer_next(&lexer, &token));
    FUZZ_REQUIRE(token.kind == SQL_TOKEN_STRING && token.offset + token.text.len == written.len);

    StrBuf qualified = strbuf(arena);
    sql_add_qualified(&qualified, options->dialect, text);
    FUZZ_REQUIRE(strbuf_finish(&qualified, &written));
    lexer = sql_lexer(written, options);
    for (unsigned i = 0; sql_lexer_next(&lexer, &token); i++)
        FUZZ_REQUIRE(i % 2 ? str_eq(token.text, STR(".")) : token.kind == SQL_TOKEN_IDENT);
}

static void expand(Arena *arena, Str text)
{
    SqlPlaceholder items[] = {{STR("a"), STR("1")}, {STR("schema"), STR("${a}")}};
    SqlPlaceholderVec placeholders = {items, 2, 2};
    Error err = {.arena = arena};
    Str expanded;

    if (!sql_expand(arena, text, &placeholders, "fuzz.sql", 1, &expanded, &err))
        FUZZ_REQUIRE(err.kind == ERROR_USAGE && err.code && err.hint && err.pos.line > 0 &&
                     err.pos.column > 0);
    else if (str_find(text, STR("${"), 0) == SIZE_MAX)
        FUZZ_REQUIRE(str_eq(text, expanded));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    SqlSplitOptions options = {
        .dialect = (SqlDialect)(data[0] % 3),
        .no_backslash_escapes = (data[0] & 0x40) != 0,
        .ansi_quotes = (data[0] & 0x20) != 0,
        .nonconforming_strings = (data[0] & 0x10) != 0,
    };
    scoped(Arena *, arena_freep) arena = arena_new();
    char *bytes = malloc(size > 1 ? size - 1 : 1);
    FUZZ_REQUIRE(arena && bytes);
    for (size_t i = 1; i < size; i++)
        bytes[i - 1] = (char)data[i];
    Str text = {bytes, size - 1};
    lex(text, &options);
    inspect(text, &options);
    summarise(arena, text, &options);
    quote(arena, text, &options);
    expand(arena, text);
    Hash hash;
    hash_begin(&hash, HASH_MD5);
    sql_hash_tokens(&hash, text, &options);
    free(bytes);
    return 0;
}

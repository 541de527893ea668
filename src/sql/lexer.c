/* The tokens of one statement, and digests over them. SPDX-License-Identifier: Apache-2.0
 *
 * Never fails: a token that is not closed runs to the end. What a server would call one operator is given character by
 * character, since nobody here asks for more. */
#include "sql/scan.h"

#include <string.h>

SqlLexer sql_lexer(Str statement, const SqlSplitOptions *options)
{
    if (!statement.ptr)
        statement = STR("");
    return (SqlLexer){.text = statement, .options = *options};
}

static bool is_word(const unsigned char *classes, int c)
{
    return c >= 0 && (classes[c] & SCAN_CLASS_MASK) == SCAN_WORD;
}

/* at is behind a digit, or behind the dot of ".5". */
static void lex_number(Scan *scan, SqlDialect dialect, bool has_dot)
{
    const unsigned char *classes = scan_classes(dialect);
    const char *text = scan->data + scan->at - 1;
    bool is_hex = text[0] == '0' && (scan_peek(scan, 0) | 0x20) == 'x';
    bool has_letter = false;
    int c;

    for (; (c = scan_peek(scan, 0)) >= 0; scan->at++) {
        if (c == '.') {
            /* 1..10 is a range */
            if (has_dot || is_hex || scan_peek(scan, 1) == '.')
                return;
            has_dot = true;
            has_letter = false;
        } else if (c == '+' || c == '-') {
            if (is_hex || (scan->data[scan->at - 1] | 0x20) != 'e')
                return;
            int digit = scan_peek(scan, 1);
            if (digit < '0' || digit > '9')
                return;
            has_letter = false;
        } else if (!(classes[c] & SCAN_IDENT)) {
            return;
        } else if (c == '$' && dialect == SQL_POSTGRES && !has_letter) {
            return; /* 1$a$ is a number and a dollar quote; 1a$b$ is junk that belongs together */
        } else {
            has_letter |= c < '0' || c > '9';
        }
    }
}

static bool lex_quoted(Scan *scan, char quote, bool has_escapes)
{
    scan->at++;
    return scan_quoted(scan, quote, has_escapes, true);
}

static SqlTokenKind lex_quote(SqlLexer *lexer, Scan *scan, char quote)
{
    const SqlSplitOptions *options = &lexer->options;

    switch (options->dialect) {
    case SQL_SQLITE:
        lex_quoted(scan, quote, false);
        return quote == '\'' ? SQL_TOKEN_STRING : SQL_TOKEN_IDENT;
    case SQL_POSTGRES:
        if (quote == '\'') {
            bool is_escaped = options->nonconforming_strings || lexer->is_continued;
            bool is_closed = lex_quoted(scan, quote, is_escaped);
            if (lexer->is_continued && is_closed) {
                size_t end = scan->at;
                lexer->is_continued = scan_continuation(scan);
                scan->at = end;
            }
            return SQL_TOKEN_STRING;
        }
        lex_quoted(scan, quote, false);
        return SQL_TOKEN_IDENT;
    case SQL_MYSQL:
        if (quote == '`' || (quote == '"' && options->ansi_quotes)) {
            lex_quoted(scan, quote, false);
            return SQL_TOKEN_IDENT;
        }
        lex_quoted(scan, quote, !options->no_backslash_escapes);
        return SQL_TOKEN_STRING;
    }
    return SQL_TOKEN_STRING;
}

/* A word, or a string with a prefix. */
static SqlTokenKind lex_word(SqlLexer *lexer, Scan *scan, const unsigned char *classes)
{
    SqlDialect dialect = lexer->options.dialect;
    size_t from = scan->at++;

    scan_ident(scan, classes);
    if (scan->at - from != 1)
        return SQL_TOKEN_WORD;
    char prefix = scan->data[from] | 0x20;
    int next = scan_peek(scan, 0);
    if (dialect == SQL_POSTGRES && prefix == 'u' && next == '&' &&
        (scan_peek(scan, 1) == '\'' || scan_peek(scan, 1) == '"')) {
        next = scan_peek(scan, 1);
        scan->at++;
        lex_quoted(scan, (char)next, false);
        return next == '"' ? SQL_TOKEN_IDENT : SQL_TOKEN_STRING;
    }
    if (next != '\'')
        return SQL_TOKEN_WORD;
    if (dialect == SQL_POSTGRES && prefix == 'e') {
        if (lex_quoted(scan, '\'', true)) {
            size_t end = scan->at;
            lexer->is_continued = scan_continuation(scan);
            scan->at = end;
        }
        return SQL_TOKEN_STRING;
    }
    bool is_prefix = prefix == 'x' || (dialect != SQL_SQLITE && (prefix == 'b' || prefix == 'n'));
    if (!is_prefix)
        return SQL_TOKEN_WORD;
    bool has_escapes =
        (dialect == SQL_MYSQL && !lexer->options.no_backslash_escapes) ||
        (dialect == SQL_POSTGRES && prefix == 'n' && lexer->options.nonconforming_strings);
    lex_quoted(scan, '\'', has_escapes);
    return SQL_TOKEN_STRING;
}

/* @var, @@global.var, @'var', ?1, :name, $1, #x: at is on the sign. */
static SqlTokenKind lex_sign(SqlLexer *lexer, Scan *scan, const unsigned char *classes, char c)
{
    SqlDialect dialect = lexer->options.dialect;
    size_t from = scan->at++;
    int next = scan_peek(scan, 0);

    switch (dialect) {
    case SQL_MYSQL:
        if (c == '?')
            return SQL_TOKEN_PARAM;
        if (c != '@')
            break;
        if (next == '@') {
            scan->at++;
            next = scan_peek(scan, 0);
        }
        if (next == '\'' || next == '"' || next == '`') {
            lex_quote(lexer, scan, (char)next);
            return SQL_TOKEN_PARAM;
        }
        while ((next = scan_peek(scan, 0)) >= 0 && (classes[next] & SCAN_IDENT || next == '.'))
            scan->at++;
        return scan->at - from > 1 ? SQL_TOKEN_PARAM : SQL_TOKEN_SYMBOL;
    case SQL_SQLITE:
        if (c != '?' && c != ':' && c != '@' && c != '$')
            break;
        scan_ident(scan, classes);
        return c == '?' || scan->at - from > 1 ? SQL_TOKEN_PARAM : SQL_TOKEN_SYMBOL;
    case SQL_POSTGRES:
        if (c == ':' && is_word(classes, next) && (from == 0 || scan->data[from - 1] != ':')) {
            scan_ident(scan, classes);
            return SQL_TOKEN_PARAM;
        }
        break;
    }
    return SQL_TOKEN_SYMBOL;
}

static SqlTokenKind lex_dollar(Scan *scan)
{
    size_t from = scan->at, tag_len = scan_dollar_tag(scan);

    if (tag_len > 0) {
        scan->at += tag_len;
        if (!scan_dollar_body(scan, from, tag_len))
            scan->at = scan->limit;
        return SQL_TOKEN_STRING;
    }
    int c;
    scan->at++;
    while ((c = scan_peek(scan, 0)) >= '0' && c <= '9')
        scan->at++;
    return scan->at - from > 1 ? SQL_TOKEN_PARAM : SQL_TOKEN_SYMBOL;
}

/* at is on a comment or a slash; true when there is a token. */
static bool lex_slash(const SqlLexer *lexer, Scan *scan, SqlTokenKind *ret_kind)
{
    if (scan_peek(scan, 1) != '*') {
        scan->at++;
        *ret_kind = SQL_TOKEN_SYMBOL;
        return true;
    }
    int c = scan_peek(scan, 2);
    bool is_code = c == '!' || c == '+' || (c == 'M' && scan_peek(scan, 3) == '!');
    *ret_kind = SQL_TOKEN_CODE_COMMENT;
    scan->at += 2;
    if (!scan_block_comment(scan, lexer->options.dialect == SQL_POSTGRES))
        scan->at = scan->limit;
    return is_code && lexer->options.dialect == SQL_MYSQL;
}

bool sql_lexer_next(SqlLexer *lexer, SqlToken *ret_token)
{
    SqlDialect dialect = lexer->options.dialect;
    const unsigned char *classes = scan_classes(dialect);
    Scan scan = {.data = lexer->text.ptr, .at = lexer->at, .limit = lexer->text.len};

    while (scan.at < scan.limit) {
        size_t from = scan.at;
        char c = scan.data[from];
        SqlTokenKind kind = SQL_TOKEN_SYMBOL;
        bool is_token = true;
        switch ((ScanClass)(classes[(unsigned char)c] & SCAN_CLASS_MASK)) {
        case SCAN_SPACE:
            scan.at++;
            is_token = false;
            break;
        case SCAN_WORD:
            kind = lex_word(lexer, &scan, classes);
            break;
        case SCAN_DIGIT:
            scan.at++;
            lex_number(&scan, dialect, false);
            /* MySQL's and SQLite's identifiers may begin with digits; what they are is the parser's business */
            kind = SQL_TOKEN_NUMBER;
            break;
        case SCAN_QUOTE:
            kind = lex_quote(lexer, &scan, c);
            break;
        case SCAN_BRACKET:
            scan.at++;
            scan_until(&scan, ']');
            kind = SQL_TOKEN_IDENT;
            break;
        case SCAN_DOLLAR:
            kind = lex_dollar(&scan);
            break;
        case SCAN_DASH:
            is_token = !scan_is_dash_comment(&scan, dialect);
            if (is_token)
                scan.at++;
            else
                scan_line_comment(&scan, dialect);
            break;
        case SCAN_HASH:
            scan_line_comment(&scan, dialect);
            is_token = false;
            break;
        case SCAN_SLASH:
            is_token = lex_slash(lexer, &scan, &kind);
            break;
        case SCAN_BACKSLASH:
        case SCAN_SEMICOLON:
        case SCAN_OPEN:
        case SCAN_CLOSE:
            scan.at++;
            break;
        case SCAN_OTHER:
            if (c == '.' && scan_peek(&scan, 1) >= '0' && scan_peek(&scan, 1) <= '9' &&
                (from == 0 || !(classes[(unsigned char)scan.data[from - 1]] & SCAN_IDENT))) {
                scan.at++;
                lex_number(&scan, dialect, true);
                kind = SQL_TOKEN_NUMBER;
            } else {
                kind = lex_sign(lexer, &scan, classes, c);
            }
            break;
        }
        if (is_token) {
            if (kind != SQL_TOKEN_STRING)
                lexer->is_continued = false;
            lexer->at = scan.at;
            *ret_token = (SqlToken){kind, {scan.data + from, scan.at - from}, from};
            return true;
        }
    }
    lexer->at = scan.at;
    return false;
}

bool sql_token_is(const SqlToken *token, const char *keyword)
{
    return token->kind == SQL_TOKEN_WORD && str_eq_nocase(token->text, str_from(keyword));
}

void sql_hash_tokens(Hash *hash, Str statement, const SqlSplitOptions *options)
{
    SqlLexer lexer = sql_lexer(statement, options);
    SqlToken token;

    while (sql_lexer_next(&lexer, &token)) {
        unsigned char len[8]; /* little-endian on every machine: digests are stored */
        for (unsigned i = 0; i < sizeof len; i++)
            len[i] = (unsigned char)((uint64_t)token.text.len >> (8 * i));
        hash_add(hash, (Str){(const char *)len, sizeof len});
        hash_add(hash, token.text);
    }
}

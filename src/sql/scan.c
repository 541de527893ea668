/* Walks over quotes, comments and words, for the splitter (which may have to fetch more text at any byte) and for the
 * lexer (which has it all). Each function is linear in what it passes over.
 *
 * Sources: PostgreSQL src/fe_utils/psqlscan.l and manual 4.1; MariaDB "Comment Syntax", "String Literals"; SQLite
 * src/tokenize.c. SPDX-License-Identifier: Apache-2.0 */
#include "sql/scan.h"

#include <string.h>

#define LETTERS(value)                                                                             \
    ['a' ... 'z'] = (value), ['A' ... 'Z'] = (value), ['_'] = (value), [0x80 ... 0xff] = (value)
#define COMMON                                                                                     \
    LETTERS(SCAN_WORD | SCAN_IDENT),                                                               \
        ['0' ... '9'] = SCAN_DIGIT | SCAN_IDENT, [' '] = SCAN_SPACE, ['\t'] = SCAN_SPACE,          \
                 ['\n'] = SCAN_SPACE, ['\r'] = SCAN_SPACE, ['\f'] = SCAN_SPACE,                    \
                 ['\''] = SCAN_QUOTE, ['"'] = SCAN_QUOTE, ['-'] = SCAN_DASH, ['/'] = SCAN_SLASH,   \
                 [';'] = SCAN_SEMICOLON, ['('] = SCAN_OPEN, [')'] = SCAN_CLOSE

static const unsigned char classes_of[3][256] = {
    [SQL_SQLITE] =
        {COMMON, ['`'] = SCAN_QUOTE, ['['] = SCAN_BRACKET, ['$'] = SCAN_OTHER | SCAN_IDENT},
    [SQL_POSTGRES] =
        {COMMON, ['\v'] = SCAN_SPACE, ['$'] = SCAN_DOLLAR | SCAN_IDENT, ['\\'] = SCAN_BACKSLASH},
    [SQL_MYSQL] = {COMMON, ['\v'] = SCAN_SPACE, ['`'] = SCAN_QUOTE, ['$'] = SCAN_WORD | SCAN_IDENT,
                   ['#'] = SCAN_HASH, ['\\'] = SCAN_BACKSLASH},
};

const unsigned char *scan_classes(SqlDialect dialect)
{
    return classes_of[dialect];
}

bool scan_more(Scan *scan, bool is_literal)
{
    return scan->at < scan->limit || (scan->more && scan->more(scan, is_literal));
}

bool scan_has(Scan *scan, size_t count)
{
    size_t at = scan->at;
    bool has = true;

    /* "more" wants to see the scan at its limit: it asks for the byte there. */
    while (has && scan->limit - at < count) {
        scan->at = scan->limit;
        has = scan_more(scan, false);
    }
    scan->at = at;
    return has;
}

int scan_peek(Scan *scan, size_t ahead)
{
    if (scan->limit - scan->at <= ahead && !scan_has(scan, ahead + 1))
        return -1;
    return (unsigned char)scan->data[scan->at + ahead];
}

bool scan_quoted(Scan *scan, char quote, bool has_escapes, bool is_literal)
{
    for (;;) {
        const char *data = scan->data;
        size_t i = scan->at, limit = scan->limit;

        if (has_escapes) {
            while (i < limit && data[i] != quote && data[i] != '\\')
                i++;
        } else {
            while (i < limit && data[i] != quote)
                i++;
        }
        scan->at = i;
        if (i == limit) {
            if (!scan_more(scan, is_literal))
                return false;
            continue;
        }
        scan->at++;
        if (data[i] == '\\' && has_escapes) {
            if (!scan_more(scan, is_literal))
                return false;
            scan->at++;
            continue;
        }
        if (!scan_more(scan, false) || scan->data[scan->at] != quote)
            return true;
        scan->at++;
    }
}

bool scan_block_comment(Scan *scan, bool is_nested)
{
    size_t depth = 1;

    for (;;) {
        const char *data = scan->data;
        size_t i = scan->at, limit = scan->limit;

        while (i < limit && data[i] != '*' && data[i] != '/')
            i++;
        scan->at = i;
        if (i == limit) {
            if (!scan_more(scan, false))
                return false;
            continue;
        }
        char c = data[i];
        scan->at++;
        if (!scan_more(scan, false))
            return false;
        char next = scan->data[scan->at];
        if (c == '*' && next == '/') {
            scan->at++;
            if (--depth == 0)
                return true;
        } else if (is_nested && c == '/' && next == '*') {
            scan->at++;
            depth++;
        }
    }
}

void scan_line_comment(Scan *scan, SqlDialect dialect)
{
    do {
        const char *from = scan->data + scan->at;
        size_t len = scan->limit - scan->at;
        const char *end = memchr(from, '\n', len);
        const char *cr =
            dialect == SQL_POSTGRES ? memchr(from, '\r', end ? (size_t)(end - from) : len) : NULL;

        if (cr || end) {
            scan->at += (size_t)((cr ? cr : end) - from);
            return;
        }
        scan->at = scan->limit;
    } while (scan_more(scan, false));
}

bool scan_until(Scan *scan, char end)
{
    do {
        const char *from = scan->data + scan->at;
        const char *found = memchr(from, end, scan->limit - scan->at);

        if (found) {
            scan->at += (size_t)(found - from) + 1;
            return true;
        }
        scan->at = scan->limit;
    } while (scan_more(scan, false));
    return false;
}

void scan_ident(Scan *scan, const unsigned char *classes)
{
    do {
        const char *data = scan->data;
        size_t i = scan->at, limit = scan->limit;

        while (i < limit && classes[(unsigned char)data[i]] & SCAN_IDENT)
            i++;
        scan->at = i;
        if (i < limit)
            return;
    } while (scan_more(scan, false));
}

void scan_spaces(Scan *scan, const unsigned char *classes)
{
    do {
        const char *data = scan->data;
        size_t i = scan->at, limit = scan->limit;

        while (i < limit && classes[(unsigned char)data[i]] == SCAN_SPACE)
            i++;
        scan->at = i;
        if (i < limit)
            return;
    } while (scan_more(scan, false));
}

size_t scan_dollar_tag(Scan *scan)
{
    const unsigned char *classes = classes_of[SQL_POSTGRES];

    for (size_t len = 1;; len++) {
        int c = scan_peek(scan, len);
        if (c == '$')
            return len + 1;
        if (c < 0 || !(classes[c] & SCAN_IDENT) || (len == 1 && c >= '0' && c <= '9'))
            return 0;
    }
}

bool scan_dollar_body(Scan *scan, size_t open, size_t tag_len)
{
    while (scan_until(scan, '$')) {
        scan->at--;
        if (!scan_has(scan, tag_len)) {
            /* No room for the tag, but the bytes must be passed: what is wrong with them is said by scan_more(). */
            scan->at = scan->limit;
            return false;
        }
        if (memcmp(scan->data + scan->at, scan->data + open, tag_len) == 0) {
            scan->at += tag_len;
            return true;
        }
        scan->at++;
    }
    return false;
}

bool scan_continuation(Scan *scan)
{
    bool has_line_end = false;

    while (scan_more(scan, false)) {
        char c = scan->data[scan->at];
        if (c == '\n' || c == '\r')
            has_line_end = true;
        else if (c == '-' && scan_is_dash_comment(scan, SQL_POSTGRES)) {
            scan_line_comment(scan, SQL_POSTGRES);
            continue;
        } else if (classes_of[SQL_POSTGRES][(unsigned char)c] != SCAN_SPACE)
            return c == '\'' && has_line_end;
        scan->at++;
    }
    return false;
}

bool scan_is_dash_comment(Scan *scan, SqlDialect dialect)
{
    if (scan_peek(scan, 1) != '-')
        return false;
    if (dialect != SQL_MYSQL)
        return true;
    int c = scan_peek(scan, 2);
    return c <= ' ' || c == 0x7f;
}

ScanKeyword scan_keyword(Str word)
{
    static const struct {
        Str text;
        ScanKeyword keyword;
    } table[] = {
#define KEYWORD(name) {{#name, sizeof #name - 1}, KEYWORD_##name}
        KEYWORD(AGGREGATE), KEYWORD(ALTER),     KEYWORD(AND),       KEYWORD(AS),
        KEYWORD(ATOMIC),    KEYWORD(BEGIN),     KEYWORD(BODY),      KEYWORD(BY),
        KEYWORD(CASE),      KEYWORD(COPY),      KEYWORD(CREATE),    KEYWORD(DEFINER),
        KEYWORD(DELIMITER), KEYWORD(DO),        KEYWORD(ELSE),      KEYWORD(END),
        KEYWORD(EVENT),     KEYWORD(EXPLAIN),   KEYWORD(FOR),       KEYWORD(FROM),
        KEYWORD(FUNCTION),  KEYWORD(HANDLER),   KEYWORD(IF),        KEYWORD(IS),
        KEYWORD(LOOP),      KEYWORD(NOT),       KEYWORD(OR),        KEYWORD(PACKAGE),
        KEYWORD(PLAN),      KEYWORD(PROCEDURE), KEYWORD(QUERY),     KEYWORD(REPEAT),
        KEYWORD(REPLACE),   KEYWORD(ROW),       KEYWORD(SELECT),    KEYWORD(SET),
        KEYWORD(STDIN),     KEYWORD(TEMP),      KEYWORD(TEMPORARY), KEYWORD(THEN),
        KEYWORD(TRIGGER),   KEYWORD(USE),       KEYWORD(VIEW),      KEYWORD(WHEN),
        KEYWORD(WHERE),     KEYWORD(WHILE),
#undef KEYWORD
    };
    /* The table is in the order of the enum, by the alphabet. */
    static const unsigned char first_of[26] = {
        ['A' - 'A'] = KEYWORD_AGGREGATE, ['B' - 'A'] = KEYWORD_BEGIN,
        ['C' - 'A'] = KEYWORD_CASE,      ['D' - 'A'] = KEYWORD_DEFINER,
        ['E' - 'A'] = KEYWORD_ELSE,      ['F' - 'A'] = KEYWORD_FOR,
        ['H' - 'A'] = KEYWORD_HANDLER,   ['I' - 'A'] = KEYWORD_IF,
        ['L' - 'A'] = KEYWORD_LOOP,      ['N' - 'A'] = KEYWORD_NOT,
        ['O' - 'A'] = KEYWORD_OR,        ['P' - 'A'] = KEYWORD_PACKAGE,
        ['Q' - 'A'] = KEYWORD_QUERY,     ['R' - 'A'] = KEYWORD_REPEAT,
        ['S' - 'A'] = KEYWORD_SELECT,    ['T' - 'A'] = KEYWORD_TEMP,
        ['U' - 'A'] = KEYWORD_USE,       ['V' - 'A'] = KEYWORD_VIEW,
        ['W' - 'A'] = KEYWORD_WHEN,
    };
    enum { LONGEST = 9, COUNT = sizeof table / sizeof *table };

    if (word.len < 2 || word.len > LONGEST)
        return KEYWORD_NONE;
    unsigned char first = (unsigned char)(word.ptr[0] & ~0x20);
    if (first < 'A' || first > 'Z' || first_of[first - 'A'] == KEYWORD_NONE)
        return KEYWORD_NONE;
    for (size_t i = (size_t)first_of[first - 'A'] - 1;
         i < COUNT && (unsigned char)table[i].text.ptr[0] == first; i++) {
        if (table[i].text.len == word.len && str_eq_nocase(table[i].text, word))
            return table[i].keyword;
    }
    return KEYWORD_NONE;
}

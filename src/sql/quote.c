/* Names and values as SQL text. SPDX-License-Identifier: Apache-2.0 */
#include "sql/scan.h"

#include <string.h>

static char ident_quote(SqlDialect dialect)
{
    return dialect == SQL_MYSQL ? '`'
                                : '"'; /* MySQL's " is a string unless sql_mode says otherwise */
}

/* Servers end a text at a NUL or refuse it: nothing that holds one is what its author meant. */
static bool fails_for_nul(StrBuf *out, Str text)
{
    if (text.len > 0 && memchr(text.ptr, '\0', text.len))
        out->has_failed = true;
    return out->has_failed;
}

/* text between quotes, with each byte of `doubled` twice. */
static void add_doubled(StrBuf *out, char quote, Str text, const char *doubled)
{
    strbuf_add_char(out, quote);
    size_t from = 0;
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] != '\0' && strchr(doubled, text.ptr[i])) {
            strbuf_add(out, str_sub(text, from, i + 1));
            from = i;
        }
    }
    strbuf_add(out, str_sub(text, from, text.len));
    strbuf_add_char(out, quote);
}

void sql_add_ident(StrBuf *out, SqlDialect dialect, Str name)
{
    char quote = ident_quote(dialect);

    if (!fails_for_nul(out, name))
        add_doubled(out, quote, name, (char[]){quote, '\0'});
}

/* The length of the quoted name that text begins with, if a dot or the end follows it; else 0. */
static size_t quoted_len(SqlDialect dialect, Str text)
{
    char open = text.len > 0 ? text.ptr[0] : '\0', close = open == '[' ? ']' : open;
    bool is_quote =
        open == ident_quote(dialect) || (dialect == SQL_SQLITE && (open == '`' || open == '['));

    if (!is_quote)
        return 0;
    for (size_t i = 1; i < text.len; i++) {
        if (text.ptr[i] != close)
            continue;
        if (open != '[' && i + 1 < text.len && text.ptr[i + 1] == close) {
            i++;
            continue;
        }
        return i + 1 == text.len || text.ptr[i + 1] == '.' ? i + 1 : 0;
    }
    return 0;
}

void sql_add_qualified(StrBuf *out, SqlDialect dialect, Str name)
{
    for (;;) {
        size_t len = quoted_len(dialect, name);
        if (len > 0) {
            if (!fails_for_nul(out, str_sub(name, 0, len)))
                strbuf_add(out, str_sub(name, 0, len));
        } else {
            len = str_find_char(name, '.', 0);
            if (len == SIZE_MAX)
                len = name.len;
            sql_add_ident(out, dialect, str_sub(name, 0, len));
        }
        if (len >= name.len)
            return;
        strbuf_add_char(out, '.');
        name = str_sub(name, len + 1, name.len);
    }
}

void sql_add_literal(StrBuf *out, SqlDialect dialect, Str text)
{
    if (fails_for_nul(out, text))
        return;
    bool has_backslash = text.len > 0 && memchr(text.ptr, '\\', text.len);
    switch (dialect) {
    case SQL_SQLITE:
        break;
    case SQL_POSTGRES:
        if (has_backslash) {
            /* E'...' is read alike under every setting; as a letter it must not stick to a word before it. */
            if (out->len > 0 &&
                scan_classes(dialect)[(unsigned char)out->ptr[out->len - 1]] & SCAN_IDENT)
                strbuf_add_char(out, ' ');
            strbuf_add_char(out, 'E');
            add_doubled(out, '\'', text, "'\\");
            return;
        }
        break;
    case SQL_MYSQL:
        if (has_backslash) {
            /* Whether a backslash escapes is up to sql_mode, so none is written. */
            if (out->len > 0 &&
                scan_classes(dialect)[(unsigned char)out->ptr[out->len - 1]] & SCAN_IDENT)
                strbuf_add_char(out, ' ');
            strbuf_add(out, STR("_utf8mb4 "));
            sql_add_blob(out, dialect, text);
            return;
        }
        break;
    }
    add_doubled(out, '\'', text, "'");
}

void sql_add_blob(StrBuf *out, SqlDialect dialect, Str bytes)
{
    /* PostgreSQL: E'' so that the backslash is one whatever standard_conforming_strings says. */
    strbuf_adds(out, dialect == SQL_POSTGRES ? "E'\\\\x" : "X'");
    strbuf_add_hex(out, bytes);
    strbuf_adds(out, dialect == SQL_POSTGRES ? "'::bytea" : "'");
}

bool sql_ident_value(Arena *arena, SqlDialect dialect, Str written, Str *ret_value)
{
    char open = written.len > 0 ? written.ptr[0] : '\0', close = open == '[' ? ']' : open;
    bool is_quoted = written.len >= 2 && written.ptr[written.len - 1] == close &&
                     (open == '"' || (open == '`' && dialect != SQL_POSTGRES) ||
                      (dialect == SQL_SQLITE && (open == '[' || open == '\'')));
    Str value = is_quoted ? str_sub(written, 1, written.len - 1) : written;

    char *bytes = arena_alloc(arena, value.len + 1);
    if (!bytes)
        return false;
    size_t len = 0;
    for (size_t i = 0; i < value.len; i++) {
        char c = value.ptr[i];
        if (!is_quoted && dialect == SQL_POSTGRES && c >= 'A' && c <= 'Z')
            c = (char)(c | 0x20);
        bytes[len++] = c;
        if (is_quoted && open != '[' && c == close && i + 1 < value.len &&
            value.ptr[i + 1] == close)
            i++;
    }
    *ret_value = (Str){bytes, len};
    return true;
}

/* Reading .env files. The grammar is in the header. SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <string.h>

typedef struct EnvReader {
    const char *p, *end, *line_start;
    uint32_t line;
    Arena *arena;
    const char *file;
    Error *err;
} EnvReader;

/* ERROR_PARSE at a place; the text itself is never shown, it may be a secret. */
static bool fail(const EnvReader *r, uint32_t line, uint32_t column, const char *message,
                 const char *hint)
{
    error_set(r->err, ERROR_PARSE, "%s", message);
    error_code(r->err, "dotenv");
    if (hint)
        error_hint(r->err, "%s", hint);
    return error_at(r->err, str_from(r->file), line, column);
}

static uint32_t column(const EnvReader *r)
{
    return (uint32_t)(r->p - r->line_start) + 1;
}

/* LF, CRLF, or a CR that ends the file. */
static bool at_newline(const EnvReader *r)
{
    return r->p < r->end &&
           (*r->p == '\n' || (*r->p == '\r' && (r->end - r->p == 1 || r->p[1] == '\n')));
}

static void take_newline(EnvReader *r)
{
    r->p += *r->p == '\r' && r->end - r->p > 1 ? 2 : 1;
    r->line++;
    r->line_start = r->p;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static void skip_blanks(EnvReader *r)
{
    while (r->p < r->end && is_blank(*r->p))
        r->p++;
}

static bool is_key_start(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static bool is_key_byte(char c)
{
    return is_key_start(c) || (c >= '0' && c <= '9') || c == '.' || c == '-';
}

/* Behind a value: blanks and a comment, then the line's end. */
static bool finish_line(EnvReader *r)
{
    skip_blanks(r);
    if (r->p < r->end && !at_newline(r) && *r->p != '#')
        return fail(r, r->line, column(r), "text behind the closing quote",
                    "A quote inside a quoted value is written \\\" in double quotes; in single "
                    "quotes it cannot stand.");
    while (r->p < r->end && !at_newline(r))
        r->p++;
    if (r->p < r->end)
        take_newline(r);
    return true;
}

/* What stands behind a backslash in double quotes; p is at the backslash. */
static void read_escape(EnvReader *r, StrBuf *out)
{
    r->p++;
    if (at_newline(r)) {
        take_newline(r);
        return;
    }
    char c = r->p < r->end ? *r->p : '\0';
    const char *names = "nrt\\\"'$`", *codes = "\n\r\t\\\"'$`";
    const char *known = c ? strchr(names, c) : NULL;
    if (known) {
        strbuf_add_char(out, codes[known - names]);
        r->p++;
    } else {
        strbuf_add_char(out, '\\');
    }
}

static bool read_quoted(EnvReader *r, StrBuf *out)
{
    uint32_t line = r->line, opening = column(r);
    char quote = *r->p++;
    while (r->p < r->end && *r->p != quote) {
        if (at_newline(r)) {
            strbuf_add_char(out, '\n');
            take_newline(r);
        } else if (*r->p == '\\' && quote == '"') {
            read_escape(r, out);
        } else {
            strbuf_add_char(out, *r->p++);
        }
    }
    if (r->p == r->end)
        return fail(r, line, opening, "the quote that opens here is not closed", NULL);
    r->p++;
    return finish_line(r);
}

static void read_plain(EnvReader *r, StrBuf *out)
{
    const char *start = r->p, *stop = NULL;
    for (; r->p < r->end && !at_newline(r); r->p++)
        if (!stop && *r->p == '#' && (r->p == start || is_blank(r->p[-1])))
            stop = r->p;
    if (!stop)
        stop = r->p;
    while (stop > start && is_blank(stop[-1]))
        stop--;
    strbuf_add(out, (Str){start, (size_t)(stop - start)});
    if (r->p < r->end)
        take_newline(r);
}

/* "export" with blanks behind it, unless it is a variable of that name. */
static bool take_export(EnvReader *r)
{
    Str rest = {r->p, (size_t)(r->end - r->p)};
    if (!str_starts(rest, STR("export")) || rest.len == 6 || !is_blank(rest.ptr[6]))
        return false;
    size_t at = 6;
    while (at < rest.len && is_blank(rest.ptr[at]))
        at++;
    if (at < rest.len && rest.ptr[at] == '=')
        return false;
    r->p += at;
    return true;
}

static bool read_line(EnvReader *r, Dotenv *dotenv)
{
    skip_blanks(r);
    if (r->p == r->end || *r->p == '#' || at_newline(r))
        return finish_line(r);
    take_export(r);
    DotenvEntry entry = {.line = r->line, .column = column(r)};
    const char *key = r->p;
    if (r->p < r->end && is_key_start(*r->p))
        while (r->p < r->end && is_key_byte(*r->p))
            r->p++;
    size_t key_len = (size_t)(r->p - key);
    if (key_len == 0)
        return fail(r, r->line, column(r), "expected the name of a variable",
                    "A line is NAME=VALUE; a name begins with a letter or '_'.");
    skip_blanks(r);
    if (r->p == r->end || *r->p != '=')
        return fail(r, r->line, column(r), "expected '=' behind the name of a variable",
                    "A line is NAME=VALUE.");
    r->p++;
    skip_blanks(r);
    StrBuf value = strbuf(r->arena);
    if (r->p < r->end && (*r->p == '"' || *r->p == '\'')) {
        if (!read_quoted(r, &value))
            return false;
    } else {
        read_plain(r, &value);
    }
    if (!strbuf_finish(&value, &entry.value) ||
        !str_copy(r->arena, (Str){key, key_len}, &entry.key) || !vec_push(r->arena, dotenv, entry))
        return error_nomem(r->err);
    return true;
}

bool dotenv_parse(Arena *arena, const char *file, Str text, Dotenv *ret_dotenv, Error *err)
{
    Dotenv dotenv = {0};
    if (str_starts(text, STR("\xef\xbb\xbf")))
        text = str_sub(text, 3, text.len);
    EnvReader r = {
        .p = text.ptr,
        .end = text.ptr ? text.ptr + text.len : NULL,
        .line_start = text.ptr,
        .line = 1,
        .arena = arena,
        .file = file,
        .err = err,
    };
    size_t nul = str_find_char(text, '\0', 0);
    if (text.len >= UINT32_MAX)
        return error_set(err, ERROR_PARSE, "%s is larger than 4 GB", file ? file : "the text");
    if (nul != SIZE_MAX) {
        for (r.p = text.ptr; r.p < text.ptr + nul; r.p++)
            if (*r.p == '\n') {
                r.line++;
                r.line_start = r.p + 1;
            }
        return fail(&r, r.line, column(&r), "a NUL byte", NULL);
    }
    while (r.p < r.end)
        if (!read_line(&r, &dotenv))
            return false;
    *ret_dotenv = dotenv;
    return true;
}

const DotenvEntry *dotenv_get(const Dotenv *dotenv, Str key)
{
    for (size_t i = dotenv->len; i > 0; i--)
        if (str_eq(dotenv->items[i - 1].key, key))
            return &dotenv->items[i - 1];
    return NULL;
}

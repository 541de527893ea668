/* The bytes of a splitter: read, checked, kept as long as they are wanted; and errors, which show the line they are about.
 * SPDX-License-Identifier: Apache-2.0 */
#include "sql/splitter.h"

#include <stdio.h>
#include <string.h>

enum {
    READ_SIZE = 64 * 1024,
    /* Bytes kept before the current statement, so that an error can show the start of its line. */
    KEPT_BEFORE = 256,
    EXCERPT_BEFORE = 120,
    EXCERPT_LONGEST = 200,
    LOOK_AHEAD = 64, /* how far behind the end of a statement of the largest length may be looked */
};
#define LARGEST_STATEMENT ((uint64_t)1 << 30)

/* ---- errors --------------------------------------------------------------------------------------------------- */

void splitter_mark(SqlSplitter *s, size_t at)
{
    const char *data = s->scan.data;

    while (s->mark < at) {
        const char *end = memchr(data + s->mark, '\n', at - s->mark);
        if (!end) {
            s->mark = at;
            return;
        }
        s->mark = (size_t)(end - data) + 1;
        s->line++;
        s->line_start = s->base + s->mark;
    }
}

static bool splitter_read(SqlSplitter *s);

/* The line around `at`, or a window of it, with bytes that a terminal should not see replaced one by one. */
static void add_excerpt(SqlSplitter *s, size_t at)
{
    Error *err = s->err;
    size_t from = s->line_start > s->base ? (size_t)(s->line_start - s->base) : 0;
    size_t to;
    bool is_cut = at - from > EXCERPT_BEFORE;

    s->err = NULL; /* a failure on the way to an excerpt is no news */
    for (;;) {
        const char *end = at < s->len ? memchr(s->scan.data + at, '\n', s->len - at) : NULL;
        to = end ? (size_t)(end - s->scan.data) : s->len;
        s->has_failed = false;
        if (end || to - at > EXCERPT_LONGEST || !splitter_read(s))
            break;
    }
    s->err = err;
    s->has_failed = true;
    if (to > at && s->scan.data[to - 1] == '\r')
        to--;
    if (is_cut && to - from > EXCERPT_LONGEST) {
        from = at - EXCERPT_BEFORE;
        while (from < at && ((unsigned char)s->scan.data[from] & 0xc0) == 0x80)
            from++;
    }
    if (to - from > EXCERPT_LONGEST) {
        to = from + EXCERPT_LONGEST;
        while (to > at + 1 && ((unsigned char)s->scan.data[to] & 0xc0) == 0x80)
            to--;
    }
    char *text = str_z(err->arena, (Str){s->scan.data + from, to - from});
    if (!text)
        return;
    for (size_t i = 0, len = to - from; i < len;) {
        size_t bad;
        if (str_is_utf8((Str){text + i, len - i}, &bad))
            bad = len - i;
        for (size_t end = i + bad; i < end; i++) {
            if ((unsigned char)text[i] < ' ' || text[i] == 0x7f)
                text[i] = text[i] == '\t' ? '\t' : '?';
        }
        if (i < len)
            text[i++] = '?';
    }
    err->excerpt = text;
    err->excerpt_column = (uint32_t)(at - from) + 1;
}

bool splitter_fail(SqlSplitter *s, size_t at, const char *code, const char *fmt, ...)
{
    Error *err = s->err;

    s->has_failed = true;
    if (!err)
        return false;
    char text[256];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    error_set(err, ERROR_PARSE, "%s", text);
    error_code(err, code);
    splitter_mark(s, at);
    error_at(err, str_from(s->options.file), s->line, (uint32_t)(s->base + at - s->line_start) + 1);
    add_excerpt(s, at);
    return false;
}

bool splitter_fail_nomem(SqlSplitter *s)
{
    s->has_failed = true;
    return error_nomem(s->err);
}

Step splitter_fail_hint(SqlSplitter *s, const char *hint)
{
    error_hint(s->err, "%s", hint);
    return STEP_FAIL;
}

Step splitter_fail_open(SqlSplitter *s, size_t at, const char *what)
{
    /* The window may have stopped for another reason, which is then the error. */
    if (!s->has_failed)
        splitter_fail(s, at, "unterminated", "unterminated %s", what);
    return STEP_FAIL;
}

/* ---- bytes ---------------------------------------------------------------------------------------------------- */

/* Walks over what is well-formed in data[at, len); is_last: nothing follows, so that a sequence that is cut off is bad. */
static size_t validate(const char *data, size_t at, size_t len, bool is_last, Bad *ret_bad)
{
    const unsigned char *bytes = (const unsigned char *)data;

    *ret_bad = BAD_NOTHING;
    while (at < len) {
        while (len - at >= 8) {
            uint64_t word;
            memcpy(&word, data + at, 8);
            /* no byte has its high bit, and none is 0 */
            if ((word & 0x8080808080808080u) ||
                ((word - 0x0101010101010101u) & ~word & 0x8080808080808080u))
                break;
            at += 8;
        }
        if (at == len)
            break;
        unsigned char c = bytes[at];
        if (c == 0) {
            *ret_bad = BAD_NUL;
            return at;
        }
        if (c < 0x80) {
            at++;
            continue;
        }
        size_t size = c >= 0xc2 && c < 0xe0   ? 2
                      : c >= 0xe0 && c < 0xf0 ? 3
                      : c >= 0xf0 && c < 0xf5 ? 4
                                              : 0;
        unsigned char low = c == 0xe0   ? 0xa0
                            : c == 0xf0 ? 0x90
                                        : 0x80,
                      high = c == 0xed   ? 0x9f
                             : c == 0xf4 ? 0x8f
                                         : 0xbf;
        size_t i = 1;
        while (i < size && at + i < len && bytes[at + i] >= low && bytes[at + i] <= high) {
            low = 0x80;
            high = 0xbf;
            i++;
        }
        if (size > 0 && i == size) {
            at += size;
            continue;
        }
        if (size > 0 && at + i == len && !is_last)
            return at; /* cut off here: the rest is to come */
        *ret_bad = BAD_UTF8;
        return at;
    }
    return at;
}

/* Appends to the buffer what the source gives next; false at its end and on failure. */
static bool splitter_read(SqlSplitter *s)
{
    if (s->is_end || s->has_failed)
        return false;
    if (s->len == s->cap) {
        size_t cap = s->cap ? s->cap * 2 : (size_t)READ_SIZE * 2;
        Arena *grown = arena_new();
        char *data = grown ? arena_alloc(grown, cap) : NULL;
        if (!data) {
            arena_free(grown);
            return splitter_fail_nomem(s);
        }
        if (s->len > 0)
            memcpy(data, s->writable, s->len);
        arena_free(s->buffer);
        s->buffer = grown;
        s->writable = data;
        s->scan.data = data;
        s->cap = cap;
    }
    size_t room = s->cap - s->len, got = 0;
    if (room > READ_SIZE)
        room = READ_SIZE;
    if (!s->source.read(s->source.ctx, s->writable + s->len, room, &got, s->err)) {
        s->has_failed = true;
        return false;
    }
    s->is_end = got == 0;
    s->len += got;
    return got > 0;
}

uint64_t splitter_longest(const SqlSplitter *s)
{
    return s->options.max_statement_bytes ? s->options.max_statement_bytes : LARGEST_STATEMENT;
}

bool splitter_fail_too_long(SqlSplitter *s)
{
    size_t at = s->trivia_at;

    while (at < s->scan.at && s->classes[(unsigned char)s->scan.data[at]] == SCAN_SPACE)
        at++;
    splitter_fail(s, at, "statement-too-long",
                  "a statement of more than %llu bytes, with the comments before it",
                  (unsigned long long)splitter_longest(s));
    return error_hint(s->err, "Is a quote, a parenthesis or the end of a body missing?");
}

static bool fail_bad(SqlSplitter *s)
{
    size_t at = s->scan.limit;

    if (s->bad == BAD_NUL) {
        splitter_fail(s, at, "nul-byte", "a NUL byte");
        return error_hint(s->err,
                          "SQL text cannot hold one. Is the file UTF-16? Save it as UTF-8.");
    }
    splitter_fail(s, at, "not-utf8", "byte 0x%02x is not UTF-8 here",
                  (unsigned char)s->scan.data[at]);
    return error_hint(s->err, "Save the file as UTF-8.");
}

bool splitter_more(Scan *scan, bool is_literal)
{
    SqlSplitter *s = (SqlSplitter *)(void *)scan;

    for (;;) {
        if (s->has_failed)
            return false;
        if (!s->is_data && scan->at - s->trivia_at > splitter_longest(s) + LOOK_AHEAD)
            return splitter_fail_too_long(s);
        if (s->bad != BAD_NOTHING) {
            /* Dumps hold bytes in MySQL's _binary '...' as they are. */
            if (s->bad != BAD_UTF8 || !is_literal || s->options.dialect != SQL_MYSQL)
                return fail_bad(s);
            s->bad = BAD_NOTHING;
            scan->limit++;
            return true;
        }
        if (scan->limit < s->len) {
            /* In steps, so that a text in memory is looked at while it is in the cache. */
            bool is_step = s->len - scan->limit > READ_SIZE;
            size_t to = is_step ? scan->limit + READ_SIZE : s->len;
            scan->limit = validate(scan->data, scan->limit, to, s->is_end && !is_step, &s->bad);
            if (scan->limit > scan->at)
                return true;
            if (s->bad != BAD_NOTHING)
                continue;
            if (s->is_end)
                continue; /* a sequence was cut off: now nothing follows */
        } else if (s->is_end) {
            return false;
        }
        if (!splitter_read(s) && s->has_failed)
            return false;
    }
}

void splitter_compact(SqlSplitter *s)
{
    size_t at = s->scan.at, keep = at < KEPT_BEFORE ? at : KEPT_BEFORE, gone = at - keep;

    if (!s->is_stream || gone < s->len - gone || gone == 0)
        return;
    memmove(s->writable, s->writable + gone, s->len - gone);
    s->len -= gone;
    s->scan.at -= gone;
    s->scan.limit -= gone;
    s->mark -= gone;
    s->base += gone;
}

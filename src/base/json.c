/* Writing JSON as a stream. SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>

enum { FLUSH_AT = 32 * 1024, DEEPEST = 32 };

static void flush(JsonWriter *w)
{
    if (!w->flush || w->out->has_failed)
        return;
    if (!w->has_flush_failed) {
        /* The reason is kept until json_finish() can say it. */
        if (!w->err) {
            w->err = arena_alloc(w->out->arena, sizeof *w->err);
            if (!w->err) {
                w->out->has_failed = true;
                return;
            }
            w->err->arena = w->out->arena;
        }
        w->has_flush_failed = !w->flush(w->ctx, strbuf_str(w->out), w->err);
    }
    strbuf_clear(w->out);
}

static void line_break(JsonWriter *w)
{
    if (w->indent == 0)
        return;
    strbuf_add_char(w->out, '\n');
    strbuf_add_repeat(w->out, ' ', (size_t)w->depth * w->indent);
}

static uint32_t bit(unsigned depth)
{
    return UINT32_C(1) << (depth - 1);
}

/* Comma, line break and indentation before an item; nothing between a key and its value. */
static void before_item(JsonWriter *w)
{
    if (w->out->len >= FLUSH_AT)
        flush(w);
    if (w->after_key) {
        w->after_key = false;
        return;
    }
    if (w->depth == 0)
        return;
    if (w->has_items & bit(w->depth))
        strbuf_add_char(w->out, ',');
    w->has_items |= bit(w->depth);
    line_break(w);
}

static void begin(JsonWriter *w, char bracket)
{
    before_item(w);
    assert(w->depth < DEEPEST);
    w->depth++;
    w->has_items &= ~bit(w->depth);
    if (bracket == '{')
        w->is_object |= bit(w->depth);
    else
        w->is_object &= ~bit(w->depth);
    strbuf_add_char(w->out, bracket);
}

static void end(JsonWriter *w, char bracket)
{
    assert(w->depth > 0 && !w->after_key);
    assert(((w->is_object & bit(w->depth)) != 0) == (bracket == '}'));
    bool had_items = (w->has_items & bit(w->depth)) != 0;
    w->depth--;
    if (had_items)
        line_break(w);
    strbuf_add_char(w->out, bracket);
}

void json_begin_object(JsonWriter *w)
{
    begin(w, '{');
}

void json_end_object(JsonWriter *w)
{
    end(w, '}');
}

void json_begin_array(JsonWriter *w)
{
    begin(w, '[');
}

void json_end_array(JsonWriter *w)
{
    end(w, ']');
}

static void add_escape(StrBuf *out, unsigned char c)
{
    switch (c) {
    case '"':
        strbuf_add(out, STR("\\\""));
        return;
    case '\\':
        strbuf_add(out, STR("\\\\"));
        return;
    case '\n':
        strbuf_add(out, STR("\\n"));
        return;
    case '\r':
        strbuf_add(out, STR("\\r"));
        return;
    case '\t':
        strbuf_add(out, STR("\\t"));
        return;
    default:
        strbuf_addf(out, "\\u%04x", c);
    }
}

/* Runs that need nothing are copied whole. */
static void add_clean(StrBuf *out, Str s)
{
    size_t start = 0;
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.ptr[i];
        if (c >= 0x20 && c != '"' && c != '\\')
            continue;
        strbuf_add(out, str_sub(s, start, i));
        add_escape(out, c);
        start = i + 1;
    }
    strbuf_add(out, str_sub(s, start, s.len));
}

static void add_string(StrBuf *out, Str s)
{
    size_t bad;
    strbuf_add_char(out, '"');
    while (!str_is_utf8(s, &bad)) {
        add_clean(out, str_sub(s, 0, bad));
        strbuf_add(out, STR("\xef\xbf\xbd")); /* U+FFFD, one a byte */
        s = str_sub(s, bad + 1, s.len);
    }
    add_clean(out, s);
    strbuf_add_char(out, '"');
}

void json_key(JsonWriter *w, const char *key)
{
    assert(w->depth > 0 && (w->is_object & bit(w->depth)) && !w->after_key);
    before_item(w);
    add_string(w->out, str_from(key));
    strbuf_adds(w->out, w->indent > 0 ? ": " : ":");
    w->after_key = true;
}

void json_str(JsonWriter *w, Str value)
{
    before_item(w);
    add_string(w->out, value);
}

void json_text(JsonWriter *w, const char *value)
{
    if (value)
        json_str(w, str_from(value));
    else
        json_null_value(w);
}

void json_int(JsonWriter *w, int64_t value)
{
    before_item(w);
    strbuf_addf(w->out, "%" PRId64, value);
}

/* llround(), for which a library would have to be loaded. */
static int64_t nearest(double value)
{
    int64_t whole = (int64_t)value;
    double rest = value - (double)whole;
    return rest >= 0.5 ? whole + 1 : rest <= -0.5 ? whole - 1 : whole;
}

void json_double(JsonWriter *w, double value)
{
    if (!isfinite(value)) {
        json_null_value(w);
        return;
    }
    before_item(w);
    /* Past this, thousandths do not fit an integer, nor mean anything. */
    if (fabs(value) >= 9e15) {
        strbuf_addf(w->out, "%.0f", value);
        return;
    }
    /* By integers, since printf would write the decimal comma of some locales. */
    int64_t thousandths = nearest(value * 1000);
    uint64_t size = thousandths < 0 ? -(uint64_t)thousandths : (uint64_t)thousandths;
    strbuf_addf(w->out, "%s%" PRIu64, thousandths < 0 ? "-" : "", size / 1000);
    unsigned fraction = (unsigned)(size % 1000);
    if (fraction == 0)
        return;
    int digits = 3;
    for (; fraction % 10 == 0; fraction /= 10)
        digits--;
    strbuf_addf(w->out, ".%0*u", digits, fraction);
}

void json_bool(JsonWriter *w, bool value)
{
    before_item(w);
    strbuf_adds(w->out, value ? "true" : "false");
}

void json_null_value(JsonWriter *w)
{
    before_item(w);
    strbuf_add(w->out, STR("null"));
}

void json_key_str(JsonWriter *w, const char *key, Str value)
{
    json_key(w, key);
    json_str(w, value);
}

void json_key_text(JsonWriter *w, const char *key, const char *value)
{
    json_key(w, key);
    json_text(w, value);
}

void json_key_int(JsonWriter *w, const char *key, int64_t value)
{
    json_key(w, key);
    json_int(w, value);
}

void json_key_bool(JsonWriter *w, const char *key, bool value)
{
    json_key(w, key);
    json_bool(w, value);
}

void json_key_double(JsonWriter *w, const char *key, double value)
{
    json_key(w, key);
    json_double(w, value);
}

void json_key_null(JsonWriter *w, const char *key)
{
    json_key(w, key);
    json_null_value(w);
}

bool json_finish(JsonWriter *w, Error *err)
{
    assert(w->depth == 0 && !w->after_key);
    strbuf_add_char(w->out, '\n');
    if (w->out->has_failed)
        return error_nomem(err);
    flush(w);
    if (w->out->has_failed)
        return error_nomem(err);
    return !w->has_flush_failed || error_set(err, w->err->kind, "%s", w->err->message);
}

/* Any bytes as TOML: read, walked, looked up, and written anew in another form, which has to be read as the same.
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <math.h>
#include <string.h>

#include "fuzz.h"

/* Every key is found again, and no value lies deeper than promised. */
static void walk(const TomlDoc *doc, const TomlValue *value, unsigned depth)
{
    FUZZ_REQUIRE(depth <= TOML_MOST_DEPTH && value->line > 0 && value->column > 0);
    if (value->kind == TOML_ARRAY)
        for (size_t i = 0; i < value->array.len; i++)
            walk(doc, value->array.items[i], depth + 1);
    if (value->kind == TOML_TABLE)
        for (size_t i = 0; i < value->table.len; i++) {
            const TomlEntry *entry = &value->table.items[i];
            FUZZ_REQUIRE(toml_entry(value, entry->key) == entry);
            FUZZ_REQUIRE(str_is_utf8(entry->key, NULL));
            walk(doc, entry->value, depth + 1);
        }
    if (value->kind == TOML_STRING)
        FUZZ_REQUIRE(str_is_utf8(value->string, NULL));
}

/* ---- writing ------------------------------------------------------------------------------------ */

static void write_string(StrBuf *out, Str s)
{
    strbuf_add_char(out, '"');
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.ptr[i];
        if (c < 0x20 || c == 0x7f || c == '"' || c == '\\')
            strbuf_addf(out, "\\u%04X", c);
        else
            strbuf_add_char(out, (char)c);
    }
    strbuf_add_char(out, '"');
}

static void write_float(StrBuf *out, double number)
{
    if (isnan(number))
        strbuf_adds(out, signbit(number) ? "-nan" : "nan");
    else if (isinf(number))
        strbuf_adds(out, number < 0 ? "-inf" : "inf");
    else
        strbuf_addf(out, "%.17e", number);
}

static void write_datetime(StrBuf *out, TomlKind kind, const TomlDatetime *t)
{
    if (kind != TOML_LOCAL_TIME)
        strbuf_addf(out, "%04d-%02d-%02d", t->year, t->month, t->day);
    if (kind == TOML_LOCAL_DATETIME || kind == TOML_OFFSET_DATETIME)
        strbuf_add_char(out, ' ');
    if (kind != TOML_LOCAL_DATE)
        strbuf_addf(out, "%02d:%02d:%02d.%09d", t->hour, t->minute, t->second, t->nanosecond);
    if (kind == TOML_OFFSET_DATETIME) {
        int minutes = t->offset_minutes < 0 ? -t->offset_minutes : t->offset_minutes;
        strbuf_addf(out, "%c%02d:%02d", t->offset_minutes < 0 ? '-' : '+', minutes / 60,
                    minutes % 60);
    }
}

/* All in one line, tables as inline tables. */
static void write_value(StrBuf *out, const TomlValue *value)
{
    switch (value->kind) {
    case TOML_STRING:
        write_string(out, value->string);
        return;
    case TOML_INTEGER:
        strbuf_addf(out, "%lld", (long long)value->integer);
        return;
    case TOML_FLOAT:
        write_float(out, value->number);
        return;
    case TOML_BOOLEAN:
        strbuf_adds(out, value->boolean ? "true" : "false");
        return;
    case TOML_OFFSET_DATETIME:
    case TOML_LOCAL_DATETIME:
    case TOML_LOCAL_DATE:
    case TOML_LOCAL_TIME:
        write_datetime(out, value->kind, &value->datetime);
        return;
    case TOML_ARRAY:
        strbuf_add_char(out, '[');
        for (size_t i = 0; i < value->array.len; i++) {
            write_value(out, value->array.items[i]);
            strbuf_add_char(out, ',');
        }
        strbuf_add_char(out, ']');
        return;
    case TOML_TABLE:
        strbuf_add_char(out, '{');
        for (size_t i = 0; i < value->table.len; i++) {
            strbuf_adds(out, i > 0 ? "," : "");
            write_string(out, value->table.items[i].key);
            strbuf_add_char(out, '=');
            write_value(out, value->table.items[i].value);
        }
        strbuf_add_char(out, '}');
        return;
    }
}

static void require_same(const TomlValue *a, const TomlValue *b)
{
    FUZZ_REQUIRE(a->kind == b->kind);
    switch (a->kind) {
    case TOML_STRING:
        FUZZ_REQUIRE(str_eq(a->string, b->string));
        return;
    case TOML_INTEGER:
        FUZZ_REQUIRE(a->integer == b->integer);
        return;
    case TOML_FLOAT:
        FUZZ_REQUIRE(a->number == b->number || (isnan(a->number) && isnan(b->number)));
        FUZZ_REQUIRE(!signbit(a->number) == !signbit(b->number));
        return;
    case TOML_BOOLEAN:
        FUZZ_REQUIRE(a->boolean == b->boolean);
        return;
    case TOML_OFFSET_DATETIME:
    case TOML_LOCAL_DATETIME:
    case TOML_LOCAL_DATE:
    case TOML_LOCAL_TIME:
        FUZZ_REQUIRE(memcmp(&a->datetime, &b->datetime, sizeof a->datetime) == 0);
        return;
    case TOML_ARRAY:
        FUZZ_REQUIRE(a->array.len == b->array.len);
        for (size_t i = 0; i < a->array.len; i++)
            require_same(a->array.items[i], b->array.items[i]);
        return;
    case TOML_TABLE:
        FUZZ_REQUIRE(a->table.len == b->table.len);
        for (size_t i = 0; i < a->table.len; i++) {
            FUZZ_REQUIRE(str_eq(a->table.items[i].key, b->table.items[i].key));
            require_same(a->table.items[i].value, b->table.items[i].value);
        }
        return;
    }
}

static void write_again(Arena *arena, const TomlDoc *doc)
{
    StrBuf out = strbuf(arena);
    Str text;
    Error err = {.arena = arena};
    TomlDoc again;
    for (size_t i = 0; i < doc->root->table.len; i++) {
        write_string(&out, doc->root->table.items[i].key);
        strbuf_adds(&out, " = ");
        write_value(&out, doc->root->table.items[i].value);
        strbuf_adds(&out, "\r\n");
    }
    FUZZ_REQUIRE(strbuf_finish(&out, &text));
    FUZZ_REQUIRE(toml_parse(arena, "again.toml", text, &again, &err));
    require_same(doc->root, again.root);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    scoped(Arena *, arena_freep) arena = arena_new();
    FUZZ_REQUIRE(arena);
    Error err = {.arena = arena};
    TomlDoc doc;
    if (!toml_parse(arena, "fuzz.toml", (Str){(const char *)data, size}, &doc, &err)) {
        FUZZ_REQUIRE(err.kind == ERROR_PARSE && err.pos.line > 0 && err.pos.column > 0);
        return 0;
    }
    walk(&doc, doc.root, 0);
    if (doc.root->table.len > 0) {
        const TomlEntry *last = &doc.root->table.items[doc.root->table.len - 1];
        toml_error(&doc, last->value, &err, ERROR_USAGE, "x");
        toml_error_at_key(&doc, last, &err);
    }
    write_again(arena, &doc);
    return 0;
}

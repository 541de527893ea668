/* Reading JSON and JSON5. SPDX-License-Identifier: Apache-2.0 */
#include "base/json5.h"

#include "base/hash.h"

#include <stdlib.h>
#include <string.h>

typedef struct Reader {
    Arena *arena;
    TomlDoc *doc;
    Str text;
    size_t at, line_start;
    uint32_t line;
    unsigned depth;
    Error *err;
} Reader;

static bool fail(Reader *r, const char *what)
{
    const TomlValue place = {
        .line = r->line, .column = (uint32_t)(r->at - r->line_start) + 1, .width = 1};
    toml_error(r->doc, &place, r->err, ERROR_PARSE, "%s", what);
    return error_code(r->err, "json");
}

static int peek(const Reader *r, size_t ahead)
{
    return r->at + ahead < r->text.len ? (unsigned char)r->text.ptr[r->at + ahead] : -1;
}

static void step(Reader *r)
{
    if (r->text.ptr[r->at++] == '\n') {
        r->line++;
        r->line_start = r->at;
    }
}

static bool starts(const Reader *r, Str word)
{
    return str_starts(str_sub(r->text, r->at, r->text.len), word);
}

/* Blanks and comments. */
static bool skip(Reader *r)
{
    for (;;) {
        int c = peek(r, 0);
        if (c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\v' || c == '\f') {
            step(r);
        } else if (starts(r, STR("\xef\xbb\xbf")) || starts(r, STR("\xe2\x80\xa8"))) {
            r->at += 3;
        } else if (starts(r, STR("\xc2\xa0"))) {
            r->at += 2;
        } else if (starts(r, STR("//"))) {
            while (peek(r, 0) >= 0 && peek(r, 0) != '\n')
                step(r);
        } else if (starts(r, STR("/*"))) {
            size_t end = str_find(r->text, STR("*/"), r->at + 2);
            if (end == SIZE_MAX)
                return fail(r, "a comment is not closed");
            while (r->at < end + 2)
                step(r);
        } else {
            return true;
        }
    }
}

static bool new_value(Reader *r, TomlKind kind, TomlValue **ret_value)
{
    TomlValue *value = arena_alloc(r->arena, sizeof *value);
    if (!value)
        return error_nomem(r->err);
    value->kind = kind;
    value->line = r->line;
    value->column = (uint32_t)(r->at - r->line_start) + 1;
    value->width = 1;
    *ret_value = value;
    return true;
}

static void add_utf8(StrBuf *out, uint32_t c)
{
    if (c < 0x80) {
        strbuf_add_char(out, (char)c);
        return;
    }
    if (c < 0x800) {
        strbuf_add_char(out, (char)(0xc0 | c >> 6));
    } else {
        if (c < 0x10000) {
            strbuf_add_char(out, (char)(0xe0 | c >> 12));
        } else {
            strbuf_add_char(out, (char)(0xf0 | c >> 18));
            strbuf_add_char(out, (char)(0x80 | (c >> 12 & 0x3f)));
        }
        strbuf_add_char(out, (char)(0x80 | (c >> 6 & 0x3f)));
    }
    strbuf_add_char(out, (char)(0x80 | (c & 0x3f)));
}

static bool read_hex(Reader *r, size_t count, uint32_t *ret_number)
{
    *ret_number = 0;
    for (size_t i = 0; i < count; i++) {
        int digit = peek(r, 0) < 0 ? -1 : hex_value((char)peek(r, 0));
        if (digit < 0)
            return fail(r, "an escape wants hexadecimal digits");
        *ret_number = *ret_number << 4 | (uint32_t)digit;
        step(r);
    }
    return true;
}

static bool read_unicode(Reader *r, StrBuf *out)
{
    uint32_t c, low;
    if (!read_hex(r, 4, &c))
        return false;
    if (c >= 0xd800 && c < 0xdc00) {
        if (!starts(r, STR("\\u")))
            return fail(r, "half of a character");
        r->at += 2;
        if (!read_hex(r, 4, &low))
            return false;
        if (low < 0xdc00 || low >= 0xe000)
            return fail(r, "half of a character");
        c = 0x10000 + ((c - 0xd800) << 10 | (low - 0xdc00));
    } else if (c >= 0xdc00 && c < 0xe000) {
        return fail(r, "half of a character");
    }
    add_utf8(out, c);
    return true;
}

static bool read_escape(Reader *r, StrBuf *out)
{
    static const char names[] = "nrtbfv0", means[] = "\n\r\t\b\f\v";
    uint32_t c;
    step(r);
    int escape = peek(r, 0);
    if (escape < 0)
        return fail(r, "a string is not closed");
    const char *named = strchr(names, escape);
    step(r);
    if (escape == 'u')
        return read_unicode(r, out);
    if (escape == 'x') {
        if (!read_hex(r, 2, &c))
            return false;
        add_utf8(out, c);
        return true;
    }
    if (escape == '\r' && peek(r, 0) == '\n')
        step(r);
    if (escape != '\n' && escape != '\r')
        strbuf_add_char(out, named && escape ? means[named - names] : (char)escape);
    return true;
}

static bool read_string(Reader *r, Str *ret_string)
{
    StrBuf out = strbuf(r->arena);
    int quote = peek(r, 0);
    step(r);
    while (peek(r, 0) != quote) {
        int c = peek(r, 0);
        if (c < 0 || c == '\n')
            return fail(r, "a string is not closed");
        if (c == '\\') {
            if (!read_escape(r, &out))
                return false;
            continue;
        }
        strbuf_add_char(&out, (char)c);
        step(r);
    }
    step(r);
    return strbuf_finish(&out, ret_string) || error_nomem(r->err);
}

static bool is_word_char(int c)
{
    return c == '_' || c == '$' || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (c >= '0' && c <= '9') || c >= 0x80;
}

static Str read_word(Reader *r)
{
    size_t from = r->at;
    while (is_word_char(peek(r, 0)) || peek(r, 0) == '.' || peek(r, 0) == '+' || peek(r, 0) == '-')
        r->at++;
    return str_sub(r->text, from, r->at);
}

/* A number, or one of the words that are values. *ret_value NULL: null. */
static bool read_bare(Reader *r, TomlValue **ret_value)
{
    size_t from = r->at;
    TomlValue *value;
    if (!new_value(r, TOML_BOOLEAN, &value))
        return false;
    Str word = read_word(r);
    *ret_value = value;
    if (str_eq(word, STR("null"))) {
        *ret_value = NULL;
        return true;
    }
    value->boolean = str_eq(word, STR("true"));
    if (value->boolean || str_eq(word, STR("false")))
        return true;
    value->width = word.len > 0 ? (uint32_t)word.len : 1;
    value->kind = TOML_INTEGER;
    if (str_to_i64(word, &value->integer))
        return true;
    value->kind = TOML_FLOAT;
    const char *text = str_z(r->arena, word);
    char *end = NULL;
    if (!text)
        return error_nomem(r->err);
    value->number = strtod(text, &end);
    bool is_hex = word.len > 2 && word.ptr[0] == '0' && (word.ptr[1] | 32) == 'x';
    if (word.len > 0 && end == text + word.len) {
        if (is_hex && value->number < 9e15) {
            value->kind = TOML_INTEGER;
            value->integer = (int64_t)value->number;
        }
        return true;
    }
    r->at = from;
    return fail(r, "a value is expected");
}

static bool read_value(Reader *r, TomlValue **ret_value);

static bool read_array(Reader *r, TomlValue *array)
{
    TomlValue *item;
    for (step(r);;) {
        if (!skip(r))
            return false;
        if (peek(r, 0) == ']')
            break;
        if (!read_value(r, &item) || !skip(r))
            return false;
        if (item && !vec_push(r->arena, &array->array, item))
            return error_nomem(r->err);
        if (peek(r, 0) == ',')
            step(r);
        else if (peek(r, 0) != ']')
            return fail(r, "',' or ']' is expected");
    }
    step(r);
    return true;
}

static bool read_key(Reader *r, TomlEntry *entry)
{
    size_t from = r->at;
    entry->line = r->line;
    entry->column = (uint32_t)(r->at - r->line_start) + 1;
    if (peek(r, 0) == '"' || peek(r, 0) == '\'') {
        if (!read_string(r, &entry->key))
            return false;
    } else {
        while (is_word_char(peek(r, 0)))
            r->at++;
        entry->key = str_sub(r->text, from, r->at);
        if (entry->key.len == 0)
            return fail(r, "a key is expected");
    }
    entry->width = (uint32_t)(r->at - from);
    if (!skip(r))
        return false;
    if (peek(r, 0) != ':')
        return fail(r, "':' is expected");
    step(r);
    return skip(r);
}

static bool read_object(Reader *r, TomlValue *table)
{
    for (step(r);;) {
        TomlEntry entry = {0};
        if (!skip(r))
            return false;
        if (peek(r, 0) == '}')
            break;
        if (!read_key(r, &entry) || !read_value(r, &entry.value) || !skip(r))
            return false;
        TomlEntry *there = NULL;
        for (size_t i = 0; i < table->table.len; i++) {
            if (str_eq(table->table.items[i].key, entry.key))
                there = &table->table.items[i];
        }
        if (there && entry.value)
            *there = entry;
        else if (there)
            *there = table->table.items[--table->table.len];
        else if (entry.value && !vec_push(r->arena, &table->table, entry))
            return error_nomem(r->err);
        if (peek(r, 0) == ',')
            step(r);
        else if (peek(r, 0) != '}')
            return fail(r, "',' or '}' is expected");
    }
    step(r);
    return true;
}

static bool read_value(Reader *r, TomlValue **ret_value)
{
    int c = peek(r, 0);
    if (c == '"' || c == '\'') {
        if (!new_value(r, TOML_STRING, ret_value))
            return false;
        return read_string(r, &(*ret_value)->string);
    }
    if (c != '{' && c != '[')
        return read_bare(r, ret_value);
    if (++r->depth > TOML_MOST_DEPTH)
        return fail(r, "it is nested too deep");
    if (!new_value(r, c == '{' ? TOML_TABLE : TOML_ARRAY, ret_value))
        return false;
    bool is_ok = c == '{' ? read_object(r, *ret_value) : read_array(r, *ret_value);
    r->depth--;
    return is_ok;
}

bool json5_parse(Arena *arena, const char *file, Str text, TomlDoc *ret_doc, Error *err)
{
    TomlDoc doc = {.file = file ? str_z(arena, str_from(file)) : NULL};
    if ((file && !doc.file) || !str_copy(arena, text, &doc.text))
        return error_nomem(err);
    Reader r = {.arena = arena, .doc = &doc, .text = doc.text, .line = 1, .err = err};
    if (!skip(&r))
        return false;
    if (!str_is_utf8(doc.text, &r.at))
        return fail(&r, "this is not UTF-8");
    if (peek(&r, 0) != '{')
        return fail(&r, "an object is expected: '{'");
    if (!read_value(&r, &doc.root) || !skip(&r))
        return false;
    if (r.at < r.text.len)
        return fail(&r, "something follows the object");
    *ret_doc = doc;
    return true;
}

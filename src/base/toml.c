/* Reading TOML 1.0. SPDX-License-Identifier: Apache-2.0
 *
 * One pass from left to right over a copy of the text; strings without escapes are slices of that copy. Whether a table
 * may be opened again depends on how it came to be, so each remembers its origin. The productions named in comments are
 * those of the specification's ABNF. */
#include "base/base.h"

#include <inttypes.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* How a table or array came to be decides who may add to it. */
enum {
    ORIGIN_VALUE, /* { } or [ ]: whole where it stands, never added to */
    ORIGIN_DOTTED, /* by the front parts of a dotted key: only by further dotted keys, and sub-tables */
    ORIGIN_IMPLICIT, /* by the front parts of a [header]: may still get a header of its own */
    ORIGIN_HEADER,   /* by its own [header]; the root too */
    ORIGIN_ELEMENTS, /* an array made by [[header]] */
};

typedef struct Place {
    const char *at, *line_start;
    uint32_t line;
} Place;

typedef struct Reader {
    const char *p, *end, *line_start;
    uint32_t line;
    Arena *arena;
    const char *file;
    Error *err;
} Reader;

/* ---- errors ---------------------------------------------------------------------------------------------- */

enum { LONGEST_EXCERPT = 2000 };

/* Passwords of URLs become asterisks, as many as there were bytes so that columns stay true. */
static void mask_urls(char *line, size_t len)
{
    Str text = {line, len};
    size_t at = 0;
    while ((at = str_find(text, STR("://"), at)) != SIZE_MAX) {
        at += 3;
        size_t stop = at, sign = SIZE_MAX, colon = SIZE_MAX;
        for (; stop < len && line[stop] != '"' && line[stop] != '\'' && line[stop] != ' '; stop++) {
            if (line[stop] == '@')
                sign = stop;
            else if (line[stop] == ':' && colon == SIZE_MAX)
                colon = stop;
        }
        /* Without an '@' it may be a password that was cut off by the very mistake. */
        if (colon != SIZE_MAX)
            for (size_t i = colon + 1; i < (sign == SIZE_MAX ? stop : sign); i++)
                line[i] = '*';
        Str query = str_sub(text, at, stop);
        size_t secret = str_find(query, STR("password="), 0);
        for (size_t i = secret; secret != SIZE_MAX && i + 9 < query.len && query.ptr[i + 9] != '&';
             i++)
            line[at + i + 9] = '*';
        at = stop;
    }
}

static bool names_secret(Str line)
{
    static const char *const words[] = {"password", "passwd", "secret", "token", "api_key"};
    for (size_t w = 0; w < sizeof words / sizeof *words; w++) {
        Str word = str_from(words[w]);
        for (size_t i = 0; i + word.len <= line.len; i++)
            if (str_eq_nocase(str_sub(line, i, i + word.len), word))
                return true;
    }
    return false;
}

/* The whole line that begins at start, fit to be shown; NULL if there is nothing to show. */
static const char *excerpt_of(Arena *arena, const char *start, const char *end)
{
    const char *stop = memchr(start, '\n', (size_t)(end - start));
    Str line = {start, (size_t)((stop ? stop : end) - start)};
    if (line.len > 0 && line.ptr[line.len - 1] == '\r')
        line.len--;
    Str key;
    str_cut(line, '=', &key);
    if (line.len == 0 || line.len > LONGEST_EXCERPT || !arena || !str_is_utf8(line, NULL) ||
        (key.len < line.len && names_secret(key)))
        return NULL;
    char *copy = str_z(arena, line);
    if (copy)
        mask_urls(copy, line.len);
    return copy;
}

static void error_place(Error *err, const char *file, Place place, size_t width, const char *end)
{
    error_at(err, str_from(file), place.line, (uint32_t)(place.at - place.line_start) + 1);
    err->excerpt = excerpt_of(err->arena, place.line_start, end);
    err->excerpt_width = (uint32_t)width;
}

static void error_setv(Error *err, ErrorKind kind, const char *fmt, va_list args)
    __attribute__((format(printf, 3, 0)));

static void error_setv(Error *err, ErrorKind kind, const char *fmt, va_list args)
{
    if (!err->arena) {
        error_set(err, kind, "%s", fmt);
        return;
    }
    StrBuf text = strbuf(err->arena);
    strbuf_addv(&text, fmt, args);
    Str whole;
    if (strbuf_finish(&text, &whole))
        error_set(err, kind, "%s", text.ptr);
    else
        error_nomem(err);
}

static bool fail(Reader *r, Place place, size_t width, const char *fmt, ...) PRINTF_LIKE(4, 5);

static bool fail(Reader *r, Place place, size_t width, const char *fmt, ...)
{
    if (!r->err)
        return false;
    va_list args;
    va_start(args, fmt);
    error_setv(r->err, ERROR_PARSE, fmt, args);
    va_end(args);
    if (r->err->kind != ERROR_NOMEM) {
        error_code(r->err, "toml");
        error_place(r->err, r->file, place, width, r->end);
    }
    return false;
}
/* As in error.h: analyzers do not look into variadic functions. */
#define fail(...) error_false(fail(__VA_ARGS__))

static Place here(const Reader *r)
{
    return (Place){.at = r->p, .line_start = r->line_start, .line = r->line};
}

/* "'x'" or "U+0007" or "the end of the file": what stands at p. buf holds at least 16 bytes. */
static const char *what_is(const Reader *r, char *buf)
{
    if (r->p == r->end)
        return "the end of the file";
    unsigned char c = (unsigned char)*r->p;
    if (c == '\n' || c == '\r')
        return "the end of the line";
    if (c < 0x20 || c == 0x7f) {
        snprintf(buf, 16, "U+%04X", c);
        return buf;
    }
    size_t len = c < 0x80 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
    snprintf(buf, 16, "'%.*s'", (int)len, r->p);
    return buf;
}

/* ---- white space, comments, line ends ---------------------------------------------------------------------- */

static bool at_newline(const Reader *r)
{
    return r->p < r->end &&
           (*r->p == '\n' || (*r->p == '\r' && r->end - r->p > 1 && r->p[1] == '\n'));
}

static void take_newline(Reader *r)
{
    r->p += *r->p == '\r' ? 2 : 1;
    r->line++;
    r->line_start = r->p;
}

static void skip_blanks(Reader *r)
{
    while (r->p < r->end && (*r->p == ' ' || *r->p == '\t'))
        r->p++;
}

static bool is_control(char c)
{
    unsigned char byte = (unsigned char)c;
    return (byte < 0x20 && byte != '\t') || byte == 0x7f;
}

/* comment = "#" *non-eol; stops at the line's end. */
static bool skip_comment(Reader *r)
{
    if (r->p == r->end || *r->p != '#')
        return true;
    while (r->p < r->end && !at_newline(r)) {
        if (is_control(*r->p)) {
            char buf[16];
            return fail(r, here(r), 1, "control character %s in a comment",
                        *r->p == '\r' ? "U+000D" : what_is(r, buf));
        }
        r->p++;
    }
    return true;
}

/* Nothing more than a comment may follow in this line. */
static bool finish_line(Reader *r)
{
    skip_blanks(r);
    if (!skip_comment(r))
        return false;
    if (at_newline(r)) {
        take_newline(r);
        return true;
    }
    if (r->p == r->end)
        return true;
    char buf[16];
    return fail(r, here(r), 1, "expected the end of the line, found %s",
                *r->p == '\r' ? "U+000D" : what_is(r, buf));
}

/* ws-comment-newline, between the values of an array */
static bool skip_space(Reader *r)
{
    for (;;) {
        skip_blanks(r);
        if (!skip_comment(r))
            return false;
        if (!at_newline(r))
            return true;
        take_newline(r);
    }
}

/* ---- tables -------------------------------------------------------------------------------------------------- */

/* Positions in a table's items, plus one; open addressing, never more than half full. Small tables do without. */
struct TomlIndex {
    size_t cap;
    uint32_t slots[];
};

enum { SMALL_TABLE = 8 };

static uint64_t key_hash(Str key)
{
    uint64_t hash = UINT64_C(14695981039346656037);
    for (size_t i = 0; i < key.len; i++)
        hash = (hash ^ (unsigned char)key.ptr[i]) * UINT64_C(1099511628211);
    return hash ^ hash >> 32;
}

static void index_add(TomlIndex *index, Str key, size_t position)
{
    size_t slot = (size_t)key_hash(key) & (index->cap - 1);
    while (index->slots[slot] != 0)
        slot = (slot + 1) & (index->cap - 1);
    index->slots[slot] = (uint32_t)position + 1;
}

static bool table_push(Arena *arena, TomlValue *table, TomlEntry entry)
{
    if (!vec_push(arena, &table->table, entry))
        return false;
    size_t len = table->table.len;
    TomlIndex *index = table->table.index;
    if (index && len * 2 <= index->cap) {
        index_add(index, entry.key, len - 1);
        return true;
    }
    if (len <= SMALL_TABLE)
        return true;
    size_t cap = index ? index->cap * 2 : (size_t)SMALL_TABLE * 4;
    index = arena_alloc(arena, sizeof *index + cap * sizeof *index->slots);
    if (!index)
        return false;
    index->cap = cap;
    for (size_t i = 0; i < len; i++)
        index_add(index, table->table.items[i].key, i);
    table->table.index = index;
    return true;
}

const TomlEntry *toml_entry(const TomlValue *table, Str key)
{
    if (!table || table->kind != TOML_TABLE)
        return NULL;
    const TomlEntry *items = table->table.items;
    const TomlIndex *index = table->table.index;
    if (!index) {
        for (size_t i = 0; i < table->table.len; i++)
            if (str_eq(items[i].key, key))
                return &items[i];
        return NULL;
    }
    size_t slot = (size_t)key_hash(key) & (index->cap - 1);
    for (; index->slots[slot] != 0; slot = (slot + 1) & (index->cap - 1))
        if (str_eq(items[index->slots[slot] - 1].key, key))
            return &items[index->slots[slot] - 1];
    return NULL;
}

TomlValue *toml_child(const TomlValue *table, Str key)
{
    const TomlEntry *entry = toml_entry(table, key);
    return entry ? entry->value : NULL;
}

/* A new value at place. depth is that of what holds it. */
static bool value_new(Reader *r, TomlKind kind, Place place, size_t width, unsigned depth,
                      TomlValue **ret_value)
{
    if ((kind == TOML_TABLE || kind == TOML_ARRAY) && ++depth > TOML_MOST_DEPTH)
        return fail(r, place, width, "tables and arrays are nested more than %d deep",
                    TOML_MOST_DEPTH);
    TomlValue *value = arena_alloc(r->arena, sizeof *value);
    if (!value)
        return error_nomem(r->err);
    value->kind = kind;
    value->line = place.line;
    value->column = (uint32_t)(place.at - place.line_start) + 1;
    value->width = (uint32_t)width;
    value->depth = (uint8_t)depth;
    *ret_value = value;
    return true;
}

/* ---- strings --------------------------------------------------------------------------------------------------- */

static void add_utf8(StrBuf *out, uint32_t code)
{
    char bytes[4];
    size_t len;
    if (code < 0x80) {
        bytes[0] = (char)code;
        len = 1;
    } else if (code < 0x800) {
        bytes[0] = (char)(0xc0 | code >> 6);
        bytes[1] = (char)(0x80 | (code & 0x3f));
        len = 2;
    } else if (code < 0x10000) {
        bytes[0] = (char)(0xe0 | code >> 12);
        bytes[1] = (char)(0x80 | (code >> 6 & 0x3f));
        bytes[2] = (char)(0x80 | (code & 0x3f));
        len = 3;
    } else {
        bytes[0] = (char)(0xf0 | code >> 18);
        bytes[1] = (char)(0x80 | (code >> 12 & 0x3f));
        bytes[2] = (char)(0x80 | (code >> 6 & 0x3f));
        bytes[3] = (char)(0x80 | (code & 0x3f));
        len = 4;
    }
    strbuf_add(out, (Str){bytes, len});
}

/* \uXXXX and \UXXXXXXXX; p stands behind the letter. */
static bool read_unicode(Reader *r, Place place, int digits, StrBuf *out)
{
    uint32_t code = 0;
    for (int i = 0; i < digits; i++, r->p++) {
        int digit = r->p < r->end ? hex_value(*r->p) : -1;
        if (digit < 0)
            return fail(r, place, (size_t)(r->p - place.at), "\\%c needs %d hexadecimal digits",
                        place.at[1], digits);
        code = code << 4 | (uint32_t)digit;
    }
    if (code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff))
        return fail(r, place, (size_t)(r->p - place.at), "U+%04" PRIX32 " is no character", code);
    add_utf8(out, code);
    return true;
}

/* mlb-escaped-nl: a backslash, blanks, a line end, and all white space after it. p stands behind the backslash. */
static bool skip_escaped_newline(Reader *r)
{
    const char *p = r->p;
    skip_blanks(r);
    if (!at_newline(r)) {
        r->p = p;
        return false;
    }
    while (at_newline(r)) {
        take_newline(r);
        skip_blanks(r);
    }
    return true;
}

static bool read_escape(Reader *r, bool is_multiline, StrBuf *out)
{
    Place place = here(r);
    r->p++;
    char c = r->p < r->end ? *r->p : '\0';
    switch (c) {
    case 'b':
        strbuf_add_char(out, '\b');
        break;
    case 't':
        strbuf_add_char(out, '\t');
        break;
    case 'n':
        strbuf_add_char(out, '\n');
        break;
    case 'f':
        strbuf_add_char(out, '\f');
        break;
    case 'r':
        strbuf_add_char(out, '\r');
        break;
    case '"':
    case '\\':
        strbuf_add_char(out, c);
        break;
    case 'u':
        r->p++;
        return read_unicode(r, place, 4, out);
    case 'U':
        r->p++;
        return read_unicode(r, place, 8, out);
    default:
        if (is_multiline && skip_escaped_newline(r))
            return true;
        char buf[16];
        if (!fail(r, place, 2, "there is no escape of %s in TOML 1.0", what_is(r, buf)) && r->err &&
            r->err->kind == ERROR_PARSE)
            error_hint(r->err, "Write \\\\ for a backslash, or put the text in single quotes.");
        return false;
    }
    r->p++;
    return true;
}

/* What a string may not hold, at p; false fills the error. */
static bool check_string_byte(Reader *r, Place opening, bool is_multiline)
{
    if (r->p == r->end || (!is_multiline && at_newline(r)))
        return fail(r, opening, is_multiline ? 3 : 1, "the string that begins here is not closed");
    if (is_control(*r->p) && !(is_multiline && at_newline(r))) {
        char buf[16];
        return fail(r, here(r), 1, "control character %s in a string",
                    *r->p == '\r' ? "U+000D" : what_is(r, buf));
    }
    return true;
}

/* A string of one of the four kinds; p stands at its first quote. */
static bool read_string(Reader *r, bool may_be_multiline, Str *ret_text)
{
    Place opening = here(r);
    char quote = *r->p;
    bool is_multiline =
        may_be_multiline && r->end - r->p >= 3 && r->p[1] == quote && r->p[2] == quote;
    r->p += is_multiline ? 3 : 1;
    if (is_multiline && at_newline(r))
        take_newline(r);
    const char *run = r->p; /* what is not yet in out */
    StrBuf out = strbuf(r->arena);
    for (;;) {
        if (r->p < r->end && *r->p == quote) {
            size_t count = 1;
            while (is_multiline && r->p + count < r->end && r->p[count] == quote && count < 5)
                count++;
            if (!is_multiline || count >= 3) {
                /* One or two quotes right before the closing three belong to the text. */
                const char *close = r->p + (is_multiline ? count - 3 : 0);
                r->p += count;
                *ret_text = (Str){run, (size_t)(close - run)};
                break;
            }
            r->p += count;
            continue;
        }
        if (!check_string_byte(r, opening, is_multiline))
            return false;
        if (at_newline(r)) {
            take_newline(r);
        } else if (*r->p == '\\' && quote == '"') {
            strbuf_add(&out, (Str){run, (size_t)(r->p - run)});
            if (!read_escape(r, is_multiline, &out))
                return false;
            run = r->p;
        } else {
            r->p++;
        }
    }
    if (out.has_failed)
        return error_nomem(r->err);
    if (out.len == 0)
        return true;
    strbuf_add(&out, *ret_text);
    return strbuf_finish(&out, ret_text) || error_nomem(r->err);
}

/* ---- numbers, booleans, dates --------------------------------------------------------------------------------------- */

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Exactly count digits at *p, as a number. */
static bool take_digits(const char **p, const char *end, int count, int *ret_number)
{
    int number = 0;
    if (end - *p < count)
        return false;
    for (int i = 0; i < count; i++, (*p)++) {
        if (!is_digit(**p))
            return false;
        number = number * 10 + (**p - '0');
    }
    *ret_number = number;
    return true;
}

static bool take_char(const char **p, const char *end, char c)
{
    if (*p == end || **p != c)
        return false;
    (*p)++;
    return true;
}

static int days_in_month(int year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool is_leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return month == 2 && is_leap ? 29 : days[month - 1];
}

/* partial-time = hour ":" minute ":" second ["." digits] */
static bool take_time(const char **p, const char *end, TomlDatetime *time)
{
    if (!take_digits(p, end, 2, &time->hour) || !take_char(p, end, ':') ||
        !take_digits(p, end, 2, &time->minute) || !take_char(p, end, ':') ||
        !take_digits(p, end, 2, &time->second))
        return false;
    if (!take_char(p, end, '.'))
        return true;
    if (*p == end || !is_digit(**p))
        return false;
    for (int unit = 100000000; *p < end && is_digit(**p); (*p)++, unit /= 10)
        time->nanosecond += (**p - '0') * unit;
    return true;
}

static bool take_date(const char **p, const char *end, TomlDatetime *date)
{
    return take_digits(p, end, 4, &date->year) && take_char(p, end, '-') &&
           take_digits(p, end, 2, &date->month) && take_char(p, end, '-') &&
           take_digits(p, end, 2, &date->day);
}

/* What is wrong with the parts, or NULL. */
static const char *datetime_fault(const TomlDatetime *t, bool has_date, int offset_hour,
                                  int offset_minute)
{
    if (has_date && (t->month < 1 || t->month > 12))
        return "the month must be 01 to 12";
    if (has_date && (t->day < 1 || t->day > days_in_month(t->year, t->month)))
        return "that month has no such day";
    if (t->hour > 23)
        return "the hour must be 00 to 23";
    if (t->minute > 59)
        return "the minute must be 00 to 59";
    if (t->second > 60)
        return "the second must be 00 to 60";
    if (offset_hour > 23 || offset_minute > 59)
        return "the offset must be -23:59 to +23:59";
    return NULL;
}

static bool looks_like_date(Str text)
{
    return text.len >= 5 && is_digit(text.ptr[0]) && is_digit(text.ptr[1]) &&
           is_digit(text.ptr[2]) && is_digit(text.ptr[3]) && text.ptr[4] == '-';
}

static bool looks_like_time(Str text)
{
    return text.len >= 3 && is_digit(text.ptr[0]) && is_digit(text.ptr[1]) && text.ptr[2] == ':';
}

static bool read_datetime(Reader *r, Place place, Str text, TomlValue *value)
{
    const char *p = text.ptr, *end = text.ptr + text.len;
    TomlDatetime t = {0};
    int offset_hour = 0, offset_minute = 0;
    bool is_west = false, is_well_formed, has_date = !looks_like_time(text);

    value->kind = has_date ? TOML_LOCAL_DATE : TOML_LOCAL_TIME;
    is_well_formed = has_date ? take_date(&p, end, &t) : take_time(&p, end, &t);
    if (is_well_formed && has_date && p < end) {
        value->kind = TOML_LOCAL_DATETIME;
        is_well_formed = (*p == 'T' || *p == 't' || *p == ' ');
        p++;
        is_well_formed = is_well_formed && take_time(&p, end, &t);
        if (is_well_formed && p < end) {
            value->kind = TOML_OFFSET_DATETIME;
            char sign = *p++;
            is_west = sign == '-';
            if (sign == '+' || sign == '-')
                is_well_formed = take_digits(&p, end, 2, &offset_hour) && take_char(&p, end, ':') &&
                                 take_digits(&p, end, 2, &offset_minute);
            else
                is_well_formed = sign == 'Z' || sign == 'z';
        }
    }
    if (!is_well_formed || p < end) {
        fail(r, place, text.len, "'%.*s' is no %s", STR_ARG(text),
             has_date ? "date or date-time" : "time");
        if (r->err && r->err->kind == ERROR_PARSE)
            error_hint(r->err, "%s",
                       has_date ? "Dates are written 2025-04-05, date-times 2025-04-05T12:00:00Z."
                                : "Times are written 12:00:00.");
        return false;
    }
    const char *fault = datetime_fault(&t, has_date, offset_hour, offset_minute);
    if (fault)
        return fail(r, place, text.len, "'%.*s': %s", STR_ARG(text), fault);
    t.offset_minutes = (offset_hour * 60 + offset_minute) * (is_west ? -1 : 1);
    value->datetime = t;
    return true;
}

/* Digits of a base with single underscores between them, the whole of text. */
static bool are_digits(Str text, int base)
{
    bool was_digit = false;
    for (size_t i = 0; i < text.len; i++) {
        int digit = hex_value(text.ptr[i]);
        bool is_number = digit >= 0 && digit < base;
        if (!is_number && !(text.ptr[i] == '_' && was_digit))
            return false;
        was_digit = is_number;
    }
    return was_digit;
}

/* Adds up digits that are_digits() found good; false when the number is out of range. */
static bool add_up(Str text, int base, bool is_negative, int64_t *ret_number)
{
    int64_t number = 0;
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == '_')
            continue;
        int digit = hex_value(text.ptr[i]);
        if (__builtin_mul_overflow(number, base, &number) ||
            __builtin_add_overflow(number, is_negative ? -digit : digit, &number))
            return false;
    }
    *ret_number = number;
    return true;
}

/* float = float-int-part ( exp / frac [ exp ] ), without its sign */
static bool is_float(Str text)
{
    size_t exponent = 0;
    while (exponent < text.len && text.ptr[exponent] != 'e' && text.ptr[exponent] != 'E')
        exponent++;
    Str number = str_sub(text, 0, exponent), integer;
    Str fraction = str_cut(number, '.', &integer);
    bool has_fraction = integer.len < number.len, has_exponent = exponent < text.len;
    if (!has_fraction && !has_exponent)
        return false;
    if (!are_digits(integer, 10) || (integer.len > 1 && integer.ptr[0] == '0') ||
        (has_fraction && !are_digits(fraction, 10)))
        return false;
    Str power = str_sub(text, exponent + 1, text.len);
    if (power.len > 0 && (power.ptr[0] == '+' || power.ptr[0] == '-'))
        power = str_sub(power, 1, power.len);
    return !has_exponent || are_digits(power, 10);
}

/* strtod() reads as the process's locale writes; the text must mean the same everywhere. */
static bool float_value(Reader *r, Place place, Str text, double *ret_number)
{
    StrBuf digits = strbuf(r->arena);
    Str plain;
    for (size_t i = 0; i < text.len; i++)
        if (text.ptr[i] != '_')
            strbuf_add_char(&digits, text.ptr[i]);
    if (!strbuf_finish(&digits, &plain))
        return error_nomem(r->err);
    locale_t c_locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    if (!c_locale)
        return error_nomem(r->err);
    *ret_number = strtod_l(plain.ptr, NULL, c_locale);
    freelocale(c_locale);
    if (isinf(*ret_number))
        return fail(r, place, text.len, "%.*s is too large for a floating-point number",
                    STR_ARG(text));
    return true;
}

static bool read_number(Reader *r, Place place, Str text, TomlValue *value)
{
    bool has_sign = text.ptr[0] == '+' || text.ptr[0] == '-', is_negative = text.ptr[0] == '-';
    Str digits = str_sub(text, has_sign ? 1 : 0, text.len);
    int base = 10;

    if (str_eq(digits, STR("inf")) || str_eq(digits, STR("nan"))) {
        double number = digits.ptr[0] == 'i' ? (double)INFINITY : (double)NAN;
        value->kind = TOML_FLOAT;
        value->number = is_negative ? -number : number;
        return true;
    }
    if (digits.len > 2 && digits.ptr[0] == '0' && !has_sign) {
        base = digits.ptr[1] == 'x' ? 16 : digits.ptr[1] == 'o' ? 8 : digits.ptr[1] == 'b' ? 2 : 10;
        if (base != 10)
            digits = str_sub(digits, 2, digits.len);
    }
    if (are_digits(digits, base)) {
        if (base == 10 && digits.len > 1 && digits.ptr[0] == '0')
            return fail(r, place, text.len, "a decimal number has no leading zeros: %.*s",
                        STR_ARG(text));
        value->kind = TOML_INTEGER;
        if (!add_up(digits, base, is_negative, &value->integer))
            return fail(r, place, text.len, "%.*s does not fit into 64 bits", STR_ARG(text));
        return true;
    }
    if (base == 10 && is_float(digits)) {
        value->kind = TOML_FLOAT;
        return float_value(r, place, text, &value->number);
    }
    if (is_digit(text.ptr[0]) || has_sign || text.ptr[0] == '.')
        return fail(r, place, text.len, "'%.*s' is no number", STR_ARG(text));
    fail(r, place, text.len, "'%.*s' is no value", STR_ARG(text));
    if (r->err && r->err->kind == ERROR_PARSE)
        error_hint(r->err, "A string stands in quotes; true and false are in lower case.");
    return false;
}

static bool is_word_byte(char c)
{
    return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
           c == '-' || c == '+' || c == '.' || c == ':';
}

/* Booleans, numbers and dates: words without quotes. */
static bool read_word(Reader *r, TomlValue *value)
{
    Place place = here(r);
    while (r->p < r->end && is_word_byte(*r->p))
        r->p++;
    Str text = {place.at, (size_t)(r->p - place.at)};
    /* A date and a time may have a space between them. */
    if (text.len == 10 && looks_like_date(text) && r->end - r->p > 3 && *r->p == ' ' &&
        looks_like_time((Str){r->p + 1, 3})) {
        r->p++;
        while (r->p < r->end && is_word_byte(*r->p))
            r->p++;
        text.len = (size_t)(r->p - place.at);
    }
    value->width = (uint32_t)text.len;
    if (text.len == 0) {
        char buf[16];
        return fail(r, place, 1, "expected a value, found %s", what_is(r, buf));
    }
    if (str_eq(text, STR("true")) || str_eq(text, STR("false"))) {
        value->kind = TOML_BOOLEAN;
        value->boolean = text.ptr[0] == 't';
        return true;
    }
    if (looks_like_date(text) || looks_like_time(text))
        return read_datetime(r, place, text, value);
    return read_number(r, place, text, value);
}

/* ---- keys and values ------------------------------------------------------------------------------------------------- */

typedef struct Key {
    Str text;
    Place place;
    uint32_t width;
} Key;
typedef Vec(Key) KeyVec;

static bool is_bare_key_byte(char c)
{
    return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == '-';
}

static bool read_simple_key(Reader *r, Key *ret_key)
{
    *ret_key = (Key){.place = here(r)};
    if (r->p < r->end && (*r->p == '"' || *r->p == '\'')) {
        if (r->end - r->p >= 3 && r->p[1] == r->p[0] && r->p[2] == r->p[0])
            return fail(r, here(r), 3, "a key cannot be a multi-line string");
        if (!read_string(r, false, &ret_key->text))
            return false;
    } else {
        while (r->p < r->end && is_bare_key_byte(*r->p))
            r->p++;
        ret_key->text = (Str){ret_key->place.at, (size_t)(r->p - ret_key->place.at)};
        if (ret_key->text.len == 0) {
            char buf[16];
            return fail(r, here(r), 1, "expected a key, found %s", what_is(r, buf));
        }
    }
    ret_key->width = (uint32_t)(r->p - ret_key->place.at);
    return true;
}

/* key = simple-key *( ws "." ws simple-key ); keys is emptied first. */
static bool read_key(Reader *r, KeyVec *keys)
{
    keys->len = 0;
    for (;;) {
        Key key;
        if (!read_simple_key(r, &key))
            return false;
        if (keys->len == TOML_MOST_DEPTH)
            return fail(r, key.place, key.width, "a key of more than %d parts", TOML_MOST_DEPTH);
        if (!vec_push(r->arena, keys, key))
            return error_nomem(r->err);
        skip_blanks(r);
        if (r->p == r->end || *r->p != '.')
            return true;
        r->p++;
        skip_blanks(r);
    }
}

static bool fail_taken(Reader *r, const Key *key, const TomlEntry *there, const char *why)
{
    fail(r, key->place, key->width, "'%.*s' %s", STR_ARG(key->text), why);
    if (r->err && r->err->kind == ERROR_PARSE)
        error_detail(r->err, "it stands in line %" PRIu32 " already", there->line);
    return false;
}

static bool add_entry(Reader *r, TomlValue *table, const Key *key, TomlValue *value)
{
    TomlEntry entry = {
        .key = key->text,
        .line = key->place.line,
        .column = (uint32_t)(key->place.at - key->place.line_start) + 1,
        .width = key->width,
        .value = value,
    };
    return table_push(r->arena, table, entry) || error_nomem(r->err);
}

static bool add_table(Reader *r, TomlValue *table, const Key *key, uint8_t origin,
                      TomlValue **ret_child)
{
    if (!value_new(r, TOML_TABLE, key->place, key->width, table->depth, ret_child))
        return false;
    (*ret_child)->origin = origin;
    return add_entry(r, table, key, *ret_child);
}

static bool read_value(Reader *r, unsigned depth, TomlValue **ret_value);

/* keyval = key keyval-sep val, put into table */
static bool read_keyval(Reader *r, KeyVec *keys, TomlValue *table)
{
    if (!read_key(r, keys))
        return false;
    if (r->p == r->end || *r->p != '=') {
        char buf[16];
        return fail(r, here(r), 1, "expected '=' after a key, found %s", what_is(r, buf));
    }
    r->p++;
    skip_blanks(r);
    /* Tables first: a value may hold keys of its own, which use their own vector. */
    size_t last = keys->len - 1;
    for (size_t i = 0; i < last; i++) {
        const Key *key = &keys->items[i];
        const TomlEntry *there = toml_entry(table, key->text);
        if (!there) {
            if (!add_table(r, table, key, ORIGIN_DOTTED, &table))
                return false;
        } else if (there->value->kind != TOML_TABLE) {
            return fail_taken(r, key, there, "is no table");
        } else if (there->value->origin != ORIGIN_DOTTED) {
            return fail_taken(r, key, there, "is a table that a dotted key cannot add to");
        } else {
            table = there->value;
        }
    }
    Key key = keys->items[last];
    const TomlEntry *there = toml_entry(table, key.text);
    if (there)
        return fail_taken(r, &key, there, "is set twice");
    TomlValue *value;
    return read_value(r, table->depth, &value) && add_entry(r, table, &key, value);
}

static bool read_array(Reader *r, TomlValue *array)
{
    Place opening = here(r);
    r->p++;
    for (;;) {
        if (!skip_space(r))
            return false;
        if (r->p == r->end)
            break;
        if (*r->p == ']') {
            r->p++;
            return true;
        }
        TomlValue *value;
        if (!read_value(r, array->depth, &value))
            return false;
        if (!vec_push(r->arena, &array->array, value))
            return error_nomem(r->err);
        if (!skip_space(r))
            return false;
        if (r->p == r->end)
            break;
        if (*r->p == ',') {
            r->p++;
        } else if (*r->p != ']') {
            char buf[16];
            return fail(r, here(r), 1, "expected ',' or ']' in an array, found %s",
                        what_is(r, buf));
        }
    }
    return fail(r, opening, 1, "the array that begins here is not closed");
}

/* inline-table: in one line, without a comma behind the last pair */
static bool read_inline_table(Reader *r, TomlValue *table)
{
    KeyVec keys = {0};
    r->p++;
    skip_blanks(r);
    if (r->p < r->end && *r->p == '}') {
        r->p++;
        return true;
    }
    for (;;) {
        if (!read_keyval(r, &keys, table))
            return false;
        skip_blanks(r);
        if (r->p < r->end && *r->p == '}') {
            r->p++;
            return true;
        }
        if (r->p == r->end || *r->p != ',') {
            char buf[16];
            fail(r, here(r), 1, "expected ',' or '}' in an inline table, found %s",
                 what_is(r, buf));
            if (r->err && r->err->kind == ERROR_PARSE && at_newline(r))
                error_hint(r->err, "An inline table stands in one line; use a [table] for more.");
            return false;
        }
        r->p++;
        skip_blanks(r);
        if (r->p < r->end && *r->p == '}')
            return fail(r, here(r), 1, "an inline table has no comma behind its last pair");
    }
}

static bool read_value(Reader *r, unsigned depth, TomlValue **ret_value)
{
    Place place = here(r);
    char first = r->p < r->end ? *r->p : '\0';
    TomlKind kind = first == '[' ? TOML_ARRAY : first == '{' ? TOML_TABLE : TOML_STRING;
    TomlValue *value;
    if (!value_new(r, kind, place, 1, depth, &value))
        return false;
    bool is_ok;
    if (kind == TOML_ARRAY)
        is_ok = read_array(r, value);
    else if (kind == TOML_TABLE)
        is_ok = read_inline_table(r, value);
    else if (first == '"' || first == '\'')
        is_ok = read_string(r, true, &value->string);
    else
        is_ok = read_word(r, value);
    if (is_ok && r->line == place.line)
        value->width = (uint32_t)(r->p - place.at);
    *ret_value = value;
    return is_ok;
}

/* ---- headers ----------------------------------------------------------------------------------------------------------- */

/* The table that a front part of a header names, made when absent. */
static bool enter_table(Reader *r, const Key *key, TomlValue **table)
{
    const TomlEntry *there = toml_entry(*table, key->text);
    if (!there)
        return add_table(r, *table, key, ORIGIN_IMPLICIT, table);
    TomlValue *value = there->value;
    if (value->kind == TOML_ARRAY && value->origin == ORIGIN_ELEMENTS)
        value = value->array.items[value->array.len - 1];
    else if (value->kind != TOML_TABLE)
        return fail_taken(r, key, there, "is no table");
    else if (value->origin == ORIGIN_VALUE)
        return fail_taken(r, key, there, "is an inline table, which cannot be added to");
    *table = value;
    return true;
}

/* [a.b]: table becomes the one named last. */
static bool open_table(Reader *r, const Key *key, Place opening, size_t width, TomlValue **table)
{
    const TomlEntry *there = toml_entry(*table, key->text);
    if (!there) {
        if (!add_table(r, *table, key, ORIGIN_HEADER, table))
            return false;
    } else if (there->value->kind == TOML_TABLE && there->value->origin == ORIGIN_IMPLICIT) {
        *table = there->value;
        (*table)->origin = ORIGIN_HEADER;
    } else {
        return fail_taken(r, key, there,
                          there->value->kind != TOML_TABLE ? "is no table" : "is defined twice");
    }
    (*table)->line = opening.line;
    (*table)->column = (uint32_t)(opening.at - opening.line_start) + 1;
    (*table)->width = (uint32_t)width;
    return true;
}

/* [[a.b]]: one more element of the array named last. */
static bool open_element(Reader *r, const Key *key, Place opening, size_t width, TomlValue **table)
{
    const TomlEntry *there = toml_entry(*table, key->text);
    TomlValue *array, *element;
    if (!there) {
        if (!value_new(r, TOML_ARRAY, opening, width, (*table)->depth, &array) ||
            !add_entry(r, *table, key, array))
            return false;
        array->origin = ORIGIN_ELEMENTS;
    } else if (there->value->kind == TOML_ARRAY && there->value->origin == ORIGIN_ELEMENTS) {
        array = there->value;
    } else {
        return fail_taken(r, key, there, "is no array of tables");
    }
    if (!value_new(r, TOML_TABLE, opening, width, array->depth, &element))
        return false;
    element->origin = ORIGIN_HEADER;
    *table = element;
    return vec_push(r->arena, &array->array, element) || error_nomem(r->err);
}

static bool read_header(Reader *r, KeyVec *keys, TomlValue *root, TomlValue **ret_table)
{
    Place opening = here(r);
    r->p++;
    bool is_element = r->p < r->end && *r->p == '[';
    if (is_element)
        r->p++;
    skip_blanks(r);
    if (!read_key(r, keys))
        return false;
    if (r->p == r->end || *r->p != ']' || (is_element && (r->end - r->p < 2 || r->p[1] != ']'))) {
        char buf[16];
        return fail(r, here(r), 1, "expected '%s' at the end of a table's header, found %s",
                    is_element ? "]]" : "]", what_is(r, buf));
    }
    r->p += is_element ? 2 : 1;
    size_t width = (size_t)(r->p - opening.at);
    if (!finish_line(r))
        return false;
    TomlValue *table = root;
    size_t last = keys->len - 1;
    for (size_t i = 0; i < last; i++)
        if (!enter_table(r, &keys->items[i], &table))
            return false;
    *ret_table = table;
    return is_element ? open_element(r, &keys->items[last], opening, width, ret_table)
                      : open_table(r, &keys->items[last], opening, width, ret_table);
}

static bool check_utf8(Reader *r)
{
    size_t bad;
    if (str_is_utf8((Str){r->p, (size_t)(r->end - r->p)}, &bad))
        return true;
    Place place = {.at = r->p + bad, .line_start = r->line_start, .line = 1};
    for (const char *p = r->p; p < place.at; p++)
        if (*p == '\n') {
            place.line++;
            place.line_start = p + 1;
        }
    return fail(r, place, 1, "the byte 0x%02X is not UTF-8 here", (unsigned char)*place.at);
}

bool toml_parse(Arena *arena, const char *file, Str text, TomlDoc *ret_doc, Error *err)
{
    Str copy, name = {0};
    if (text.len >= UINT32_MAX)
        return error_set(err, ERROR_PARSE, "%s is larger than 4 GB", file ? file : "the text");
    if (!str_copy(arena, text, &copy) || (file && !str_copy(arena, str_from(file), &name)))
        return error_nomem(err);
    Reader r = {
        .p = copy.ptr,
        .end = copy.ptr + copy.len,
        .line_start = copy.ptr,
        .line = 1,
        .arena = arena,
        .file = name.ptr,
        .err = err,
    };
    if (!check_utf8(&r))
        return false;
    /* The specification says nothing of a byte order mark; editors put it there all the same. */
    if (str_starts(copy, STR("\xef\xbb\xbf")))
        r.p += 3;
    TomlValue *root, *table;
    KeyVec keys = {0};
    if (!value_new(&r, TOML_TABLE, here(&r), 0, 0, &root))
        return false;
    root->origin = ORIGIN_HEADER;
    table = root;
    while (r.p < r.end) {
        skip_blanks(&r);
        if (r.p < r.end && *r.p == '[') {
            if (!read_header(&r, &keys, root, &table))
                return false;
            continue;
        }
        if (r.p < r.end && *r.p != '#' && !at_newline(&r) && !read_keyval(&r, &keys, table))
            return false;
        if (!finish_line(&r))
            return false;
    }
    *ret_doc = (TomlDoc){.file = name.ptr, .text = copy, .root = root};
    return true;
}

/* ---- looking things up --------------------------------------------------------------------------------------------------- */

/* Goes down the path; ret_stop is what keeps it from going on, if that is no table. */
static TomlValue *find(const TomlValue *table, const char *path, const TomlValue **ret_stop,
                       Str *ret_stop_path)
{
    Str rest = str_from(path);
    TomlValue *value = NULL;
    *ret_stop = NULL;
    do {
        if (table->kind != TOML_TABLE) {
            *ret_stop = table;
            *ret_stop_path = (Str){path, (size_t)(rest.ptr - path) - 1};
            return NULL;
        }
        Str key;
        rest = str_cut(rest, '.', &key);
        value = toml_child(table, key);
        table = value;
    } while (value && rest.len > 0);
    return value;
}

TomlValue *toml_find(const TomlValue *table, const char *path)
{
    const TomlValue *stop;
    Str stop_path;
    return table ? find(table, path, &stop, &stop_path) : NULL;
}

const char *toml_kind_name(TomlKind kind)
{
    switch (kind) {
    case TOML_STRING:
        return "a string";
    case TOML_INTEGER:
        return "an integer";
    case TOML_FLOAT:
        return "a floating-point number";
    case TOML_BOOLEAN:
        return "a boolean";
    case TOML_OFFSET_DATETIME:
    case TOML_LOCAL_DATETIME:
        return "a date-time";
    case TOML_LOCAL_DATE:
        return "a date";
    case TOML_LOCAL_TIME:
        return "a time";
    case TOML_ARRAY:
        return "an array";
    case TOML_TABLE:
        return "a table";
    }
    return "a value";
}

static void error_at_line(const TomlDoc *doc, uint32_t line, uint32_t column, uint32_t width,
                          Error *err)
{
    const char *start = doc->text.ptr, *end = start + doc->text.len;
    for (uint32_t i = 1; i < line; i++) {
        const char *newline = memchr(start, '\n', (size_t)(end - start));
        if (!newline)
            break;
        start = newline + 1;
    }
    Place place = {.at = start + column - 1, .line_start = start, .line = line};
    error_place(err, doc->file, place, width, end);
}

bool toml_error(const TomlDoc *doc, const TomlValue *value, Error *err, ErrorKind kind,
                const char *fmt, ...)
{
    if (!err)
        return false;
    va_list args;
    va_start(args, fmt);
    error_setv(err, kind, fmt, args);
    va_end(args);
    if (err->kind != ERROR_NOMEM)
        error_at_line(doc, value->line, value->column, value->width, err);
    return false;
}

bool toml_error_at_key(const TomlDoc *doc, const TomlEntry *entry, Error *err)
{
    if (err && err->kind != ERROR_NOMEM)
        error_at_line(doc, entry->line, entry->column, entry->width, err);
    return false;
}

static bool fail_kind(const TomlDoc *doc, const TomlValue *value, Str path, const char *wanted,
                      Error *err)
{
    toml_error(doc, value, err, ERROR_USAGE, "'%.*s' must be %s, not %s", STR_ARG(path), wanted,
               toml_kind_name(value->kind));
    return error_code(err, "bad-setting");
}

/* The value at path if it is of that kind; NULL in *ret_value if absent. */
static bool get(const TomlDoc *doc, const TomlValue *table, const char *path, TomlKind kind,
                const TomlValue **ret_value, Error *err)
{
    const TomlValue *stop = NULL;
    Str stop_path = {0};
    const TomlValue *value = table ? find(table, path, &stop, &stop_path) : NULL;
    if (stop)
        return fail_kind(doc, stop, stop_path, toml_kind_name(TOML_TABLE), err);
    if (value && value->kind != kind)
        return fail_kind(doc, value, str_from(path), toml_kind_name(kind), err);
    *ret_value = value;
    return true;
}

bool toml_get_string(const TomlDoc *doc, const TomlValue *table, const char *path, Str *ret_string,
                     const TomlValue **ret_value, Error *err)
{
    const TomlValue *value;
    if (!get(doc, table, path, TOML_STRING, &value, err))
        return false;
    if (value)
        *ret_string = value->string;
    if (ret_value)
        *ret_value = value;
    return true;
}

bool toml_get_integer(const TomlDoc *doc, const TomlValue *table, const char *path, int64_t least,
                      int64_t most, int64_t *ret_integer, const TomlValue **ret_value, Error *err)
{
    const TomlValue *value;
    if (!get(doc, table, path, TOML_INTEGER, &value, err))
        return false;
    if (value && (value->integer < least || value->integer > most)) {
        toml_error(doc, value, err, ERROR_USAGE, "'%s' must be %" PRId64 " to %" PRId64, path,
                   least, most);
        return error_code(err, "bad-setting");
    }
    if (value)
        *ret_integer = value->integer;
    if (ret_value)
        *ret_value = value;
    return true;
}

bool toml_get_boolean(const TomlDoc *doc, const TomlValue *table, const char *path,
                      bool *ret_boolean, const TomlValue **ret_value, Error *err)
{
    const TomlValue *value;
    if (!get(doc, table, path, TOML_BOOLEAN, &value, err))
        return false;
    if (value)
        *ret_boolean = value->boolean;
    if (ret_value)
        *ret_value = value;
    return true;
}

bool toml_get_strings(const TomlDoc *doc, const TomlValue *table, const char *path, Arena *arena,
                      StrVec *ret_strings, const TomlValue **ret_value, Error *err)
{
    static const char wanted[] = "an array of strings";
    const TomlValue *value, *at = table ? toml_find(table, path) : NULL;
    StrVec strings = {0};
    if (at && at->kind == TOML_STRING) {
        value = at;
        if (!vec_push(arena, &strings, at->string))
            return error_nomem(err);
    } else {
        if (at && at->kind != TOML_ARRAY)
            return fail_kind(doc, at, str_from(path), wanted, err);
        if (!get(doc, table, path, TOML_ARRAY, &value, err))
            return false;
        for (size_t i = 0; value && i < value->array.len; i++) {
            const TomlValue *item = value->array.items[i];
            if (item->kind != TOML_STRING) {
                toml_error(doc, item, err, ERROR_USAGE, "'%s' must be %s, and this is %s", path,
                           wanted, toml_kind_name(item->kind));
                return error_code(err, "bad-setting");
            }
            if (!vec_push(arena, &strings, item->string))
                return error_nomem(err);
        }
    }
    if (value)
        *ret_strings = strings;
    if (ret_value)
        *ret_value = value;
    return true;
}

bool toml_get_table(const TomlDoc *doc, const TomlValue *table, const char *path,
                    const TomlValue **ret_table, Error *err)
{
    return get(doc, table, path, TOML_TABLE, ret_table, err);
}

bool toml_check_keys(const TomlDoc *doc, const TomlValue *table, const char *prefix,
                     const char *const *known, Error *err)
{
    for (size_t i = 0; i < table->table.len; i++) {
        const TomlEntry *entry = &table->table.items[i];
        const char *const *name = known;
        while (*name && !str_eq(str_from(*name), entry->key))
            name++;
        if (*name)
            continue;
        const char *nearest = suggest_nearest(entry->key, known);
        error_set(err, ERROR_USAGE, "there is no setting '%s%.*s'", prefix ? prefix : "",
                  STR_ARG(entry->key));
        error_code(err, "unknown-setting");
        if (nearest)
            error_hint(err, "Did you mean '%s%s'?", prefix ? prefix : "", nearest);
        return toml_error_at_key(doc, entry, err);
    }
    return true;
}

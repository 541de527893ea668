/* Reads TOML on standard input and prints the tagged JSON that the public toml-test suite compares; exit 1 if the text
 * is not TOML 1.0. SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

/* JsonWriter goes 32 deep and takes no key with a NUL in it, which is fine for us and too little for the suite: it writes
 * the strings, and the brackets are set here. */
static void write_string(StrBuf *out, Str text)
{
    JsonWriter writer = {.out = out};
    json_str(&writer, text);
}

static void write_tagged(StrBuf *out, const char *type, Str text)
{
    strbuf_addf(out, "{\"type\": \"%s\", \"value\": ", type);
    write_string(out, text);
    strbuf_add_char(out, '}');
}

static const char *float_text(Arena *arena, double number)
{
    if (isnan(number))
        return "nan";
    if (isinf(number))
        return number > 0 ? "inf" : "-inf";
    return str_format(arena, "%.17g", number);
}

static const char *datetime_text(Arena *arena, const TomlDatetime *t, TomlKind kind)
{
    StrBuf out = strbuf(arena);
    Str text;
    if (kind != TOML_LOCAL_TIME)
        strbuf_addf(&out, "%04d-%02d-%02d", t->year, t->month, t->day);
    if (kind == TOML_LOCAL_DATETIME || kind == TOML_OFFSET_DATETIME)
        strbuf_add_char(&out, 'T');
    if (kind != TOML_LOCAL_DATE) {
        strbuf_addf(&out, "%02d:%02d:%02d", t->hour, t->minute, t->second);
        if (t->nanosecond != 0)
            strbuf_addf(&out, ".%09d", t->nanosecond);
    }
    if (kind == TOML_OFFSET_DATETIME) {
        int offset = t->offset_minutes < 0 ? -t->offset_minutes : t->offset_minutes;
        strbuf_addf(&out, "%c%02d:%02d", t->offset_minutes < 0 ? '-' : '+', offset / 60,
                    offset % 60);
    }
    return strbuf_finish(&out, &text) ? out.ptr : NULL;
}

static void write_value(StrBuf *out, Arena *arena, const TomlValue *value)
{
    const char *text = NULL, *type = NULL;
    switch (value->kind) {
    case TOML_STRING:
        write_tagged(out, "string", value->string);
        return;
    case TOML_ARRAY:
        strbuf_add_char(out, '[');
        for (size_t i = 0; i < value->array.len; i++) {
            strbuf_adds(out, i > 0 ? ",\n" : "");
            write_value(out, arena, value->array.items[i]);
        }
        strbuf_add_char(out, ']');
        return;
    case TOML_TABLE:
        strbuf_add_char(out, '{');
        for (size_t i = 0; i < value->table.len; i++) {
            strbuf_adds(out, i > 0 ? ",\n" : "");
            write_string(out, value->table.items[i].key);
            strbuf_adds(out, ": ");
            write_value(out, arena, value->table.items[i].value);
        }
        strbuf_add_char(out, '}');
        return;
    case TOML_INTEGER:
        type = "integer";
        text = str_format(arena, "%" PRId64, value->integer);
        break;
    case TOML_FLOAT:
        type = "float";
        text = float_text(arena, value->number);
        break;
    case TOML_BOOLEAN:
        type = "bool";
        text = value->boolean ? "true" : "false";
        break;
    case TOML_OFFSET_DATETIME:
        type = "datetime";
        break;
    case TOML_LOCAL_DATETIME:
        type = "datetime-local";
        break;
    case TOML_LOCAL_DATE:
        type = "date-local";
        break;
    case TOML_LOCAL_TIME:
        type = "time-local";
        break;
    }
    if (!text)
        text = datetime_text(arena, &value->datetime, value->kind);
    if (text)
        write_tagged(out, type, str_from(text));
    else
        out->has_failed = true;
}

int main(void)
{
    scoped(Arena *, arena_freep) arena = arena_new();
    if (!arena)
        return 2;
    Error err = {.arena = arena};
    StrBuf in = strbuf(arena), out = strbuf(arena);
    Str text;
    char buf[65536];
    size_t len;
    TomlDoc doc;
    while ((len = fread(buf, 1, sizeof buf, stdin)) > 0)
        strbuf_add(&in, (Str){buf, len});
    if (ferror(stdin) || !strbuf_finish(&in, &text))
        return 2;
    if (!toml_parse(arena, "stdin", text, &doc, &err)) {
        fprintf(stderr, "%s:%" PRIu32 ":%" PRIu32 ": %s\n", err.pos.file, err.pos.line,
                err.pos.column, err.message);
        if (err.excerpt)
            fprintf(stderr, "%s\n%*s\n", err.excerpt, (int)err.pos.column, "^");
        return 1;
    }
    write_value(&out, arena, doc.root);
    if (!strbuf_finish(&out, &text))
        return 2;
    return fwrite(text.ptr, 1, text.len, stdout) == text.len && fflush(stdout) == 0 ? 0 : 2;
}

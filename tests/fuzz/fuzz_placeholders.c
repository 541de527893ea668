/* Fuzzes ${name} in a text, beside a reader of its own that goes byte by byte. SPDX-License-Identifier: Apache-2.0
 *
 * A first line "name=value" sets a placeholder, the text stands behind the first empty line. */
#include "sql/sql.h"

#include "fuzz.h"

enum { MOST = 8 };

static bool is_name(Str name)
{
    static const Str letters =
        STR("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-");
    for (size_t i = 0; i < name.len; i++)
        if (str_find_char(letters, name.ptr[i], 0) == SIZE_MAX)
            return false;
    return name.len > 0;
}

/* What has to come out; false: it has to fail. */
static bool expect(Arena *arena, Str text, const SqlPlaceholderVec *placeholders, Str *ret_text)
{
    StrBuf out = strbuf(arena);
    for (size_t i = 0; i < text.len;) {
        Str rest = str_sub(text, i, text.len);
        if (str_starts(rest, STR("$${"))) {
            strbuf_add(&out, STR("${"));
            i += 3;
        } else if (str_starts(rest, STR("${"))) {
            size_t close = str_find_char(rest, '}', 0), k = 0;
            Str name = str_sub(rest, 2, close);
            if (close == SIZE_MAX || !is_name(name))
                return false;
            while (k < placeholders->len && !str_eq(placeholders->items[k].name, name))
                k++;
            if (k == placeholders->len)
                return false;
            strbuf_add(&out, placeholders->items[k].value);
            i += close + 1;
        } else {
            strbuf_add_char(&out, text.ptr[i++]);
        }
    }
    return strbuf_finish(&out, ret_text);
}

/* Whatever the text: with every ${ written as $${ it comes out as it was. */
static void check_escaped(Arena *arena, Str text)
{
    StrBuf out = strbuf(arena);
    Str escaped, back;
    SqlPlaceholderVec none = {0};
    for (size_t i = 0; i < text.len; i++) {
        if (str_starts(str_sub(text, i, text.len), STR("${")))
            strbuf_add_char(&out, '$');
        strbuf_add_char(&out, text.ptr[i]);
    }
    FUZZ_REQUIRE(strbuf_finish(&out, &escaped));
    FUZZ_REQUIRE(sql_expand(arena, escaped, &none, "x.sql", 1, &back, NULL));
    FUZZ_REQUIRE(str_eq(back, text));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    scoped(Arena *, arena_freep) arena = arena_new();
    FUZZ_REQUIRE(arena);
    SqlPlaceholder items[MOST];
    SqlPlaceholderVec placeholders = {items, 0, MOST};
    Str text = {(const char *)data, size}, line, got = {0}, wanted = {0};
    while (text.len > 0 && placeholders.len < MOST) {
        text = str_cut(text, '\n', &line);
        if (line.len == 0)
            break;
        SqlPlaceholder *item = &items[placeholders.len++];
        item->value = str_cut(line, '=', &item->name);
    }
    Error err = {.arena = arena};
    bool ok = sql_expand(arena, text, &placeholders, "x.sql", 7, &got, &err);
    FUZZ_REQUIRE(ok == expect(arena, text, &placeholders, &wanted));
    if (ok)
        FUZZ_REQUIRE(str_eq(got, wanted));
    else
        FUZZ_REQUIRE(err.kind == ERROR_USAGE && err.code && err.hint && err.excerpt &&
                     err.pos.line >= 7 && err.pos.column > 0 && err.excerpt_column > 0);
    check_escaped(arena, text);
    return 0;
}

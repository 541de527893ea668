/* ${name} in a text. SPDX-License-Identifier: Apache-2.0 */
#include "sql/sql.h"

#include <string.h>

static bool is_name_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '.' || c == '-';
}

static const SqlPlaceholder *find(const SqlPlaceholderVec *placeholders, Str name)
{
    for (size_t i = 0; i < placeholders->len; i++) {
        if (str_eq(placeholders->items[i].name, name))
            return &placeholders->items[i];
    }
    return NULL;
}

static bool fail_at(Error *err, Str text, size_t at, const char *file, uint32_t start_line)
{
    uint32_t line = start_line;
    size_t from = 0, end = str_find_char(text, '\n', at);

    for (size_t i = 0; i < at; i++) {
        if (text.ptr[i] == '\n') {
            line++;
            from = i + 1;
        }
    }
    error_at(err, str_from(file), line, (uint32_t)(at - from) + 1);
    if (err && err->arena) {
        if (end == SIZE_MAX)
            end = text.len;
        /* a window, for there are lines of megabytes */
        size_t shown = at - from > 80 ? at - 80 : from;
        err->excerpt = str_z(err->arena, str_sub(text, shown, end < at + 120 ? end : at + 120));
        err->excerpt_column = (uint32_t)(at - shown) + 1;
    }
    return false;
}

/* The known name that comes nearest, or NULL. */
static const char *nearest(Arena *arena, const SqlPlaceholderVec *placeholders, Str name)
{
    const char **names = arena_alloc(arena, (placeholders->len + 1) * sizeof *names);

    if (!names)
        return NULL;
    size_t count = 0;
    for (size_t i = 0; i < placeholders->len; i++) {
        names[count] = str_z(arena, placeholders->items[i].name);
        count += names[count] != NULL;
    }
    return suggest_nearest(name, names);
}

bool sql_expand(Arena *arena, Str text, const SqlPlaceholderVec *placeholders, const char *file,
                uint32_t start_line, Str *ret_text, Error *err)
{
    StrBuf out = strbuf(arena);
    size_t from = 0, at;

    if (str_find(text, STR("${"), 0) == SIZE_MAX) {
        *ret_text = text;
        return true;
    }
    while ((at = str_find(text, STR("${"), from)) != SIZE_MAX) {
        if (at > from && text.ptr[at - 1] == '$') {
            strbuf_add(&out, str_sub(text, from, at - 1));
            strbuf_add(&out, STR("${"));
            from = at + 2;
            continue;
        }
        size_t end = at + 2;
        while (end < text.len && is_name_char(text.ptr[end]))
            end++;
        Str name = str_sub(text, at + 2, end);
        if (end == text.len || text.ptr[end] != '}' || name.len == 0) {
            error_set(err, ERROR_USAGE, "'${' without a name and '}' behind it");
            error_code(err, "placeholder-form");
            error_hint(err, "Write $${ for the characters ${ themselves.");
            return fail_at(err, text, at, file, start_line);
        }
        const SqlPlaceholder *placeholder = find(placeholders, name);
        if (!placeholder) {
            error_set(err, ERROR_USAGE, "placeholder ${%.*s} is not set", STR_ARG(name));
            error_code(err, "placeholder-unset");
            const char *known = err && err->arena ? nearest(err->arena, placeholders, name) : NULL;
            if (known)
                error_hint(err, "Did you mean ${%s}? Otherwise set it: --set %.*s=VALUE", known,
                           STR_ARG(name));
            else
                error_hint(
                    err, "Set it: --set %.*s=VALUE, or write $${ for the characters ${ themselves.",
                    STR_ARG(name));
            return fail_at(err, text, at, file, start_line);
        }
        strbuf_add(&out, str_sub(text, from, at));
        strbuf_add(&out, placeholder->value);
        from = end + 1;
    }
    strbuf_add(&out, str_sub(text, from, text.len));
    return strbuf_finish(&out, ret_text) || error_nomem(err);
}

/* Sections, keys and values, as Python and Go read them. SPDX-License-Identifier: Apache-2.0 */
#include "convention/ini.h"

static bool go_on(Arena *arena, IniEntry *last, Str text, Error *err)
{
    const char *joined = str_format(arena, "%.*s\n%.*s", STR_ARG(last->value), STR_ARG(text));
    if (!joined)
        return error_nomem(err);
    last->value = str_from(joined);
    return true;
}

bool ini_read(Arena *arena, Str text, unsigned flags, IniEntryVec *ret_entries, Error *err)
{
    IniEntryVec entries = {0};
    Str section = {0};
    bool goes_on = false;
    Line line = {0};
    while (line_next(text, &line)) {
        Str trimmed = str_trim(line.text);
        bool is_indented =
            line.text.len > 0 && (line.text.ptr[0] == ' ' || line.text.ptr[0] == '\t');
        if (trimmed.len == 0 || trimmed.ptr[0] == '#' || trimmed.ptr[0] == ';')
            continue;
        if (trimmed.ptr[0] == '[' && str_ends(trimmed, STR("]"))) {
            section = str_sub(trimmed, 1, trimmed.len - 1);
            goes_on = false;
            continue;
        }
        if (is_indented && goes_on && (flags & INI_CONTINUED)) {
            if (!go_on(arena, &entries.items[entries.len - 1], trimmed, err))
                return false;
            continue;
        }
        size_t at = str_find_char(trimmed, '=', 0);
        size_t colon = (flags & INI_COLONS) ? str_find_char(trimmed, ':', 0) : SIZE_MAX;
        at = colon < at ? colon : at;
        if (at == SIZE_MAX)
            continue;
        IniEntry entry = {section, str_trim(str_sub(trimmed, 0, at)),
                          str_trim(str_sub(trimmed, at + 1, trimmed.len)), line.number};
        if (!vec_push(arena, &entries, entry))
            return error_nomem(err);
        goes_on = true;
    }
    *ret_entries = entries;
    return true;
}

const IniEntry *ini_find(const IniEntryVec *entries, Str section, Str key)
{
    for (size_t i = entries->len; i-- > 0;)
        if (str_eq(entries->items[i].section, section) && str_eq_nocase(entries->items[i].key, key))
            return &entries->items[i];
    return NULL;
}

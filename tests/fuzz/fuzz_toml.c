/* Any bytes as TOML: read, walked, and looked up again. SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Every key is found again, and no value lies deeper than promised. */
static void walk(const TomlDoc *doc, const TomlValue *value, unsigned depth)
{
    if (depth > TOML_MOST_DEPTH || value->line == 0 || value->column == 0)
        abort();
    if (value->kind == TOML_ARRAY)
        for (size_t i = 0; i < value->array.len; i++)
            walk(doc, value->array.items[i], depth + 1);
    if (value->kind == TOML_TABLE)
        for (size_t i = 0; i < value->table.len; i++) {
            const TomlEntry *entry = &value->table.items[i];
            if (toml_entry(value, entry->key) != entry)
                abort();
            walk(doc, entry->value, depth + 1);
        }
    if (value->kind == TOML_STRING && !str_is_utf8(value->string, NULL))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    Arena *arena = arena_new();
    Error err = {.arena = arena};
    TomlDoc doc;
    if (!arena)
        return 0;
    if (toml_parse(arena, "fuzz.toml", (Str){(const char *)data, size}, &doc, &err)) {
        walk(&doc, doc.root, 0);
        if (doc.root->table.len > 0) {
            const TomlEntry *last = &doc.root->table.items[doc.root->table.len - 1];
            toml_error(&doc, last->value, &err, ERROR_USAGE, "x");
            toml_error_at_key(&doc, last, &err);
        }
    } else if (err.kind != ERROR_PARSE || err.pos.line == 0 || err.pos.column == 0) {
        abort();
    }
    arena_free(arena);
    return 0;
}

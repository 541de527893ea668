/* Any bytes as XML and as YAML. SPDX-License-Identifier: Apache-2.0
 *
 * Either comes to a tree of bounded depth whose places lie in the text, or to an error with a place. */
#include "base/base.h"

#include "fuzz.h"

static void check(const MarkupNode *node, uint32_t lines, unsigned depth)
{
    FUZZ_REQUIRE(depth <= MARKUP_MOST_DEPTH + 1);
    FUZZ_REQUIRE(node->line > 0 && node->line <= lines);
    FUZZ_REQUIRE(!node->is_null || node->text.len == 0);
    for (size_t i = 0; i < node->children.len; i++)
        check(node->children.items[i], lines, depth + 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    scoped(Arena *, arena_freep) arena = arena_new();
    FUZZ_REQUIRE(arena);
    bool (*const readings[])(Arena *, const char *, Str, MarkupNode **, Error *) = {xml_read,
                                                                                    yaml_read};
    Str text = {(const char *)data, size};
    uint32_t lines = 1;
    /* YAML knows other ends of lines. */
    for (size_t i = 0; i < size; i++)
        lines += data[i] == '\n' || data[i] == '\r' || data[i] >= 0x80;
    for (size_t i = 0; i < sizeof readings / sizeof *readings; i++) {
        Error err = {.arena = arena};
        MarkupNode *root = NULL;
        if (readings[i](arena, "file", text, &root, &err))
            check(root, lines, 1);
        else
            FUZZ_REQUIRE(err.code && err.message && err.kind != ERROR_NONE);
    }
    return 0;
}

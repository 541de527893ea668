/* Any bytes as a Python file of migrations: read, walked, and rendered as one of Alembic's on each engine.
 * SPDX-License-Identifier: Apache-2.0 */
#include "convention/alembic.h"

#include <string.h>

#include "fuzz.h"

static void walk_node(const PyNode *node, unsigned depth)
{
    FUZZ_REQUIRE(depth < 2000 && node->line > 0);
    if (node->base)
        walk_node(node->base, depth + 1);
    for (size_t i = 0; i < node->items.len; i++) {
        if (node->items.items[i].key)
            walk_node(node->items.items[i].key, depth + 1);
        walk_node(node->items.items[i].value, depth + 1);
    }
}

static void walk(const PyStatementVec *body, unsigned depth)
{
    FUZZ_REQUIRE(depth < 1000);
    for (size_t i = 0; i < body->len; i++) {
        const PyStatement *statement = &body->items[i];
        FUZZ_REQUIRE(statement->line > 0);
        FUZZ_REQUIRE(statement->kind != PY_ASSIGN || statement->value);
        if (statement->value)
            walk_node(statement->value, 0);
        walk(&statement->body, depth + 1);
        walk(&statement->otherwise, depth + 1);
    }
}

static void render(Arena *arena, const PyModule *module)
{
    static const SqlDialect dialects[] = {SQL_POSTGRES, SQL_MYSQL, SQL_SQLITE};
    for (size_t i = 0; i < sizeof dialects / sizeof *dialects; i++) {
        AlembicTarget target = {.dialect = dialects[i], .is_mariadb = i == 1};
        ScriptText text = {0};
        Error err = {.arena = arena};
        FUZZ_REQUIRE(alembic_render(arena, &target, module, STR("upgrade"), &text, &err));
        FUZZ_REQUIRE(text.refusal || text.sql.len > 0);
        for (size_t k = 0; k < text.whole.len; k++)
            FUZZ_REQUIRE(text.whole.items[k].from <= text.whole.items[k].to &&
                         text.whole.items[k].to <= text.sql.len &&
                         (k == 0 || text.whole.items[k - 1].to <= text.whole.items[k].from));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    scoped(Arena *, arena_freep) arena = arena_new();
    Error err = {.arena = arena};
    PyModule module;
    FUZZ_REQUIRE(arena);
    FUZZ_REQUIRE(python_read(arena, (Str){(const char *)data, size}, &module, &err));
    FUZZ_REQUIRE(!module.trouble == !module.trouble_line);
    walk(&module.body, 0);
    for (size_t i = 0; i < module.body.len; i++) {
        const PyNode *value = module.body.items[i].value;
        if (value)
            FUZZ_REQUIRE(python_describe(arena, value));
    }
    render(arena, &module);
    return 0;
}

/* Fuzzes the names of files and versions: lines are paths in a folder that every convention scans. SPDX-License-Identifier: Apache-2.0
 *
 * A scan succeeds or says what is wrong with which file; what it finds has valid versions in strict order; the name that
 * it proposes for a bad one is a good one. */
#include "convention/convention.h"

#include <string.h>

#include "fuzz.h"

enum { MAX_FILES = 64 };

/* "Rename it to NAME, or ...": scans a folder with that name alone; "something like" is an example, no name. */
static void try_proposal(const ConventionContext *ctx, Arena *arena, const char *hint)
{
    static const char before[] = "Rename it to ";
    if (!hint || strncmp(hint, before, sizeof before - 1) != 0 || strstr(hint, "something like"))
        return;
    Str name = str_from(hint + sizeof before - 1);
    name = str_sub(name, 0, str_find(name, STR(", or"), 0));
    if (!str_ends(name, STR(".sql")) || str_ends(name, STR(".down.sql")) || name.ptr[0] == 'U')
        return;
    TreeFile file = {.path = name, .bytes = STR("SELECT 1;")};
    FileTree tree;
    Error err = {.arena = arena};
    ConventionContext again = *ctx;
    MigrationSet set;
    again.files = &tree;
    FUZZ_REQUIRE(file_tree_make(arena, &file, 1, &tree, &err));
    FUZZ_REQUIRE(again.convention->scan(&again, arena, &set, &err));
    FUZZ_REQUIRE(set.migrations.len == 1);
}

static void check_set(const MigrationSet *set)
{
    for (size_t i = 0; i < set->migrations.len; i++) {
        const Migration *m = &set->migrations.items[i];
        FUZZ_REQUIRE(m->up || m->down);
        if (m->kind == MIGRATION_REPEATABLE) {
            FUZZ_REQUIRE(migration_set_find_repeatable(set, m->name) == m);
            continue;
        }
        FUZZ_REQUIRE(version_order_takes(&set->versions, m->version));
        FUZZ_REQUIRE(migration_set_find(set, m->version) == m);
        if (i > 0)
            FUZZ_REQUIRE(version_order_compare(&set->versions, set->migrations.items[i - 1].version,
                                               m->version) < 0);
    }
}

/* A total order, whatever the texts are. */
static void check_order(const TreeFile *files, size_t count)
{
    for (size_t i = 0; i + 2 < count; i++) {
        Str a = files[i].path, b = files[i + 1].path, c = files[i + 2].path;
        int ab = version_compare(a, b), bc = version_compare(b, c), ac = version_compare(a, c);
        FUZZ_REQUIRE(ab == -version_compare(b, a));
        FUZZ_REQUIRE(version_compare(a, a) == 0);
        if (ab <= 0 && bc <= 0)
            FUZZ_REQUIRE(ac <= 0);
        if (ab == 0 && bc == 0)
            FUZZ_REQUIRE(ac == 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    scoped(Arena *, arena_freep) arena = arena_new();
    if (!arena)
        return 0;
    TreeFile files[MAX_FILES];
    size_t count = 0;
    Str rest = {(const char *)data, size}, line, folder = STR(".");
    while (rest.len > 0 && count < MAX_FILES) {
        rest = str_cut(rest, '\n', &line);
        files[count++] = (TreeFile){.path = line, .bytes = STR("SELECT 1;")};
    }
    check_order(files, count);
    FileTree tree;
    Error err = {.arena = arena};
    if (!file_tree_make(arena, files, count, &tree, &err))
        return 0;
    for (const Convention *const *convention = conventions(); *convention; convention++) {
        ConventionContext ctx = {.convention = *convention,
                                 .dialect = SQL_SQLITE,
                                 .files = &tree,
                                 .folders = {&folder, 1, 1}};
        MigrationSet set;
        ConventionGuess guess;
        StrVec paths;
        error_clear(&err);
        FUZZ_REQUIRE((*convention)->recognise(&ctx, NULL, arena, &guess, &err));
        if (!convention_configure(&ctx, arena, &err)) {
            FUZZ_REQUIRE(err.message);
            continue; /* a tool without its own files */
        }
        if (!(*convention)->scan(&ctx, arena, &set, &err)) {
            FUZZ_REQUIRE(err.code && err.message && err.hint);
            if (strstr(err.message, "looks like a migration"))
                try_proposal(&ctx, arena, err.hint);
            continue;
        }
        check_set(&set);
        if ((*convention)
                ->new_paths(&ctx, arena, &set, (Str){(const char *)data, size}, NEW_DEFAULT,
                            size % 2, 0, &paths, &err))
            FUZZ_REQUIRE(paths.len > 0);
        else
            FUZZ_REQUIRE(err.kind == ERROR_USAGE || err.kind == ERROR_UNSUPPORTED);
    }
    return 0;
}

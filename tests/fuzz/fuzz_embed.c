/* Fuzzes migrations that are linked into a program: the table that is asked like a file system, and the C source that
 * `whimbrel embed` writes. SPDX-License-Identifier: Apache-2.0
 *
 * Lines are paths, and each is also its file's contents. The table is held against a search through all paths; the source is read
 * back by a reader of C's literals. */
#include "cli/embed.h"

#include <string.h>

#include "fuzz.h"

enum { MOST_FILES = 32 };

/* ---- the table --------------------------------------------------------------------------------- */

static bool is_below(Str path, Str folder)
{
    return folder.len == 0 ||
           (path.len > folder.len + 1 && str_starts(path, folder) && path.ptr[folder.len] == '/');
}

/* What a listing of folder has to hold: the first part of every path below it, once each. */
static void check_listing(const FileTree *tree, Arena *arena, Str folder)
{
    FolderEntryVec entries;
    Error err = {.arena = arena};
    size_t found = 0, below = 0;
    const char *path = folder.len == 0 ? "." : str_z(arena, folder);
    FUZZ_REQUIRE(path);
    bool ok = file_tree_list(tree, arena, path, &entries, &err);
    for (size_t i = 0; i < tree->count; i++)
        below += is_below(tree->files[i].path, folder);
    FUZZ_REQUIRE(ok == (below > 0 || folder.len == 0));
    for (size_t k = 0; ok && k < entries.len; k++) {
        FUZZ_REQUIRE(k == 0 || str_cmp(entries.items[k - 1].name, entries.items[k].name) < 0);
        size_t covered = 0;
        for (size_t i = 0; i < tree->count; i++) {
            Str file = tree->files[i].path, name;
            if (!is_below(file, folder))
                continue;
            Str rest = str_sub(file, folder.len > 0 ? folder.len + 1 : 0, file.len);
            str_cut(rest, '/', &name);
            if (!str_eq(name, entries.items[k].name))
                continue;
            FUZZ_REQUIRE((name.len == rest.len) == (entries.items[k].kind == FILE_REGULAR));
            covered++;
        }
        FUZZ_REQUIRE(covered > 0);
        found += covered;
    }
    FUZZ_REQUIRE(!ok || found == below);
}

static void check_tree(const FileTree *tree, Arena *arena)
{
    check_listing(tree, arena, (Str){0});
    for (size_t i = 0; i < tree->count; i++) {
        Str path = tree->files[i].path, bytes;
        Error err = {.arena = arena};
        FileInfo info;
        const char *name = str_z(arena, path);
        FUZZ_REQUIRE(name && file_tree_read(tree, arena, name, 0, &bytes, &err));
        FUZZ_REQUIRE(str_eq(bytes, tree->files[i].bytes));
        FUZZ_REQUIRE(file_tree_info(tree, name, &info, &err) && info.kind == FILE_REGULAR);
        for (size_t k = 0; k < path.len; k++) {
            if (path.ptr[k] != '/')
                continue;
            const char *folder = str_z(arena, str_sub(path, 0, k));
            FUZZ_REQUIRE(folder && file_tree_info(tree, folder, &info, &err));
            FUZZ_REQUIRE(info.kind == FILE_FOLDER);
            check_listing(tree, arena, str_sub(path, 0, k));
        }
    }
}

/* ---- the source --------------------------------------------------------------------------------- */

static void skip(Str *source, const char *text)
{
    FUZZ_REQUIRE(str_starts(*source, str_from(text)));
    *source = str_sub(*source, strlen(text), source->len);
}

static void skip_blanks(Str *source)
{
    while (source->len > 0 && strchr(" \n", source->ptr[0]))
        *source = str_sub(*source, 1, source->len);
}

static size_t read_number(Str *source)
{
    size_t number = 0, len = 0;
    for (; len < source->len && source->ptr[len] >= '0' && source->ptr[len] <= '9'; len++)
        number = number * 10 + (size_t)(source->ptr[len] - '0');
    FUZZ_REQUIRE(len > 0);
    *source = str_sub(*source, len, source->len);
    return number;
}

/* "..." "...": as a C compiler puts them together. */
static Str read_literal(Arena *arena, Str *source)
{
    StrBuf bytes = strbuf(arena);
    Str text;
    for (skip_blanks(source); source->len > 0 && source->ptr[0] == '"'; skip_blanks(source)) {
        size_t i = 1;
        for (; source->ptr[i] != '"'; i++) {
            unsigned char c = (unsigned char)source->ptr[i];
            FUZZ_REQUIRE(i + 4 < source->len && c >= 0x20 && c < 0x7f && c != '?');
            if (c != '\\') {
                strbuf_add_char(&bytes, (char)c);
                continue;
            }
            char escape = source->ptr[++i];
            const char *from = "ntr\"\\?", *to = "\n\t\r\"\\?", *known = strchr(from, escape);
            if (known) {
                strbuf_add_char(&bytes, to[known - from]);
                continue;
            }
            unsigned value = 0;
            for (size_t end = i + 3; i < end; i++) {
                FUZZ_REQUIRE(source->ptr[i] >= '0' && source->ptr[i] <= '7');
                value = value * 8 + (unsigned)(source->ptr[i] - '0');
            }
            i--;
            FUZZ_REQUIRE(value < 256);
            strbuf_add_char(&bytes, (char)value);
        }
        *source = str_sub(*source, i + 1, source->len);
    }
    FUZZ_REQUIRE(strbuf_finish(&bytes, &text));
    return text;
}

static void check_array(Str source, Str name, Str bytes)
{
    size_t at = str_find(source, name, 0);
    FUZZ_REQUIRE(at != SIZE_MAX);
    source = str_sub(source, at + name.len, source.len);
    skip(&source, "[] = {");
    for (size_t i = 0; i < bytes.len; i++) {
        skip_blanks(&source);
        FUZZ_REQUIRE(read_number(&source) == (unsigned char)bytes.ptr[i]);
        skip(&source, ",");
    }
    skip(&source, "\n};\n");
}

static void check_source(Arena *arena, const FileTree *tree)
{
    static const char head[] = "static const WhimbrelFile files[] = {\n";
    const char *digest, *again;
    Str source, same;
    FUZZ_REQUIRE(embed_digest(arena, tree->files, tree->count, &digest));
    FUZZ_REQUIRE(embed_source(arena, STR("it"), tree->files, tree->count, digest, &source));
    FUZZ_REQUIRE(embed_digest(arena, tree->files, tree->count, &again) &&
                 embed_source(arena, STR("it"), tree->files, tree->count, again, &same) &&
                 str_eq(source, same));
    FUZZ_REQUIRE(str_find(source, STR("?\?"), 0) == SIZE_MAX);
    Str rest = str_sub(source, str_find(source, STR(head), 0), source.len);
    skip(&rest, head);
    for (size_t i = 0; i < tree->count; i++) {
        skip_blanks(&rest);
        skip(&rest, "{");
        FUZZ_REQUIRE(str_eq(read_literal(arena, &rest), tree->files[i].path));
        skip(&rest, ",");
        skip_blanks(&rest);
        if (str_starts(rest, STR("file_"))) {
            Str name;
            str_cut(rest, ',', &name);
            check_array(source, name, tree->files[i].bytes);
            rest = str_sub(rest, name.len, rest.len);
        } else {
            FUZZ_REQUIRE(str_eq(read_literal(arena, &rest), tree->files[i].bytes));
        }
        skip(&rest, ", ");
        FUZZ_REQUIRE(read_number(&rest) == tree->files[i].bytes.len);
        skip(&rest, "},\n");
    }
    if (tree->count > 0)
        skip(&rest, "};\n");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    scoped(Arena *, arena_freep) arena = arena_new();
    FUZZ_REQUIRE(arena);
    TreeFile files[MOST_FILES];
    size_t count = 0;
    Str rest = {(const char *)data, size}, line;
    while (rest.len > 0 && count < MOST_FILES) {
        rest = str_cut(rest, '\n', &line);
        StrBuf bytes = strbuf(arena);
        /* Now and then longer than a literal may be. */
        for (size_t times = size % 31 == 0 ? 1 + 4000 / (line.len + 1) : 1; times > 0; times--) {
            strbuf_add(&bytes, line);
            strbuf_add_char(&bytes, (char)times);
        }
        files[count].path = line;
        FUZZ_REQUIRE(strbuf_finish(&bytes, &files[count].bytes));
        count++;
    }
    FileTree tree;
    Error err = {.arena = arena};
    if (!file_tree_make(arena, files, count, &tree, &err)) {
        FUZZ_REQUIRE(err.kind == ERROR_USAGE && err.code && err.message);
        return 0;
    }
    check_tree(&tree, arena);
    check_source(arena, &tree);
    return 0;
}

/* Files in memory. SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "unit.h"

#include <string.h>

#define FILE_OF(name, text)                                                                        \
    {                                                                                              \
        {name, sizeof(name) - 1},                                                                  \
        {                                                                                          \
            text, sizeof(text) - 1                                                                 \
        }                                                                                          \
    }

static const TreeFile files[] = {
    FILE_OF("b/up.sql", "B"),      FILE_OF("a.sql", "A\0A"), FILE_OF("a/up.sql", ""),
    FILE_OF("a/c/deep.sql", "d"),  FILE_OF("a-1.sql", "1"),  FILE_OF("b/down.sql", "b"),
    FILE_OF("a/c/other.sql", "o"), FILE_OF("z", "z"),
};

static const char *listing(const FileTree *tree, Arena *arena, const char *path)
{
    Error err = {.arena = arena};
    FolderEntryVec entries;
    StrBuf out = strbuf(arena);
    if (!file_tree_list(tree, arena, path, &entries, &err))
        return err.message;
    for (size_t i = 0; i < entries.len; i++)
        strbuf_addf(&out, "%s%.*s%s", i > 0 ? " " : "", STR_ARG(entries.items[i].name),
                    entries.items[i].kind == FILE_FOLDER ? "/" : "");
    return out.ptr;
}

static void a_table_is_read_like_folders(void **state)
{
    (void)state;
    scoped(Arena *, arena_freep) arena = arena_new();
    Error err = {.arena = arena};
    FileTree tree;
    FileInfo info;
    Str text;
    assert_true(file_tree_make(arena, files, sizeof files / sizeof *files, &tree, &err));
    assert_string_equal(listing(&tree, arena, "."), "a/ a-1.sql a.sql b/ z");
    assert_string_equal(listing(&tree, arena, ""), "a/ a-1.sql a.sql b/ z");
    assert_string_equal(listing(&tree, arena, "a"), "c/ up.sql");
    assert_string_equal(listing(&tree, arena, "./a/c/"), "deep.sql other.sql");
    assert_string_equal(listing(&tree, arena, "b"), "down.sql up.sql");
    assert_non_null(strstr(listing(&tree, arena, "a.sql"), "No such file"));
    assert_non_null(strstr(listing(&tree, arena, "absent"), "No such file"));

    assert_true(file_tree_info(&tree, "a", &info, &err) && info.kind == FILE_FOLDER);
    assert_true(file_tree_info(&tree, ".", &info, &err) && info.kind == FILE_FOLDER);
    assert_true(file_tree_info(&tree, "a/c", &info, &err) && info.kind == FILE_FOLDER);
    assert_true(file_tree_info(&tree, "a/", &info, &err) && info.kind == FILE_FOLDER);
    assert_true(file_tree_info(&tree, "a.", &info, &err) && info.kind == FILE_ABSENT);
    assert_true(file_tree_info(&tree, "zz", &info, &err) && info.kind == FILE_ABSENT);
    assert_true(file_tree_info(&tree, "./a.sql", &info, &err));
    assert_true(info.kind == FILE_REGULAR && info.size_bytes == 3);

    assert_true(file_tree_read(&tree, arena, "a.sql", 3, &text, &err));
    assert_true(str_eq(text, STR("A\0A")));
    assert_false(file_tree_read(&tree, arena, "a.sql", 2, &text, &err));
    assert_int_equal(err.kind, ERROR_IO);
    assert_false(file_tree_read(&tree, arena, "a", 0, &text, &err));
    assert_int_equal(err.kind, ERROR_IO);
}

static void an_empty_table_is_an_empty_folder(void **state)
{
    (void)state;
    scoped(Arena *, arena_freep) arena = arena_new();
    Error err = {.arena = arena};
    FolderEntryVec entries;
    FileTree tree;
    assert_true(file_tree_make(arena, NULL, 0, &tree, &err));
    assert_true(file_tree_list(&tree, arena, ".", &entries, &err));
    assert_int_equal(entries.len, 0);
}

static void paths_that_could_not_be_files_are_refused(void **state)
{
    (void)state;
    static const TreeFile wrong[] = {
        FILE_OF("", ""),     FILE_OF("/a", ""),    FILE_OF("a/", ""),   FILE_OF("a//b", ""),
        FILE_OF("../a", ""), FILE_OF("a/./b", ""), FILE_OF("a\0b", ""), FILE_OF("a/..", ""),
    };
    static const TreeFile twice[] = {FILE_OF("a", ""), FILE_OF("b", ""), FILE_OF("a", "")};
    static const TreeFile both[] = {FILE_OF("a/b/c", ""), FILE_OF("a", "")};
    scoped(Arena *, arena_freep) arena = arena_new();
    Error err = {.arena = arena};
    FileTree tree;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        assert_false(file_tree_make(arena, &wrong[i], 1, &tree, &err));
        assert_string_equal(err.code, "bad-embedded");
    }
    assert_false(file_tree_make(arena, twice, 3, &tree, &err));
    assert_string_equal(err.message, "the embedded file 'a' is there twice");
    assert_false(file_tree_make(arena, both, 2, &tree, &err));
    assert_string_equal(err.message, "'a' is an embedded file and a folder");
}

UNIT_TESTS(file_tree) = {
    cmocka_unit_test(a_table_is_read_like_folders),
    cmocka_unit_test(an_empty_table_is_an_empty_folder),
    cmocka_unit_test(paths_that_could_not_be_files_are_refused),
};
UNIT_TESTS_END(file_tree)

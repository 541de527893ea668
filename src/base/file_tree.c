/* Files in memory that are asked for like files on disk. SPDX-License-Identifier: Apache-2.0
 *
 * The table is sorted by path, so what lies below a folder stands together: a folder is a run of files with one prefix,
 * found by bisecting. */
#include "base/base.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int compare_paths(const void *a, const void *b)
{
    return str_cmp(((const TreeFile *)a)->path, ((const TreeFile *)b)->path);
}

static bool is_good_path(Str path)
{
    if (path.len == 0 || str_find_char(path, '\0', 0) != SIZE_MAX || path.ptr[path.len - 1] == '/')
        return false;
    while (path.len > 0) {
        Str part;
        path = str_cut(path, '/', &part);
        if (part.len == 0 || str_eq(part, STR(".")) || str_eq(part, STR("..")))
            return false;
    }
    return true;
}

/* path against what lies below folder, as if that were followed by a slash; the top has none. */
static int compare_below(Str path, Str folder)
{
    int order = str_cmp(str_sub(path, 0, folder.len), folder);
    if (order != 0 || folder.len == 0)
        return order;
    if (path.len == folder.len)
        return -1;
    unsigned char next = (unsigned char)path.ptr[folder.len];
    return (next > '/') - (next < '/');
}

/* The first file that is not before text, or not before what lies below it. */
static size_t lower_bound(const FileTree *tree, Str text, bool is_folder)
{
    size_t low = 0, high = tree->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        Str path = tree->files[middle].path;
        if ((is_folder ? compare_below(path, text) : str_cmp(path, text)) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static const TreeFile *find(const FileTree *tree, Str path)
{
    size_t at = lower_bound(tree, path, false);
    return at < tree->count && str_eq(tree->files[at].path, path) ? &tree->files[at] : NULL;
}

bool file_tree_make(Arena *arena, const TreeFile *files, size_t count, FileTree *ret_tree,
                    Error *err)
{
    if (count > PTRDIFF_MAX / sizeof *files)
        return error_nomem(err);
    TreeFile *sorted = arena_alloc(arena, count * sizeof *files);
    if (!sorted)
        return error_nomem(err);
    if (count > 0) {
        memcpy(sorted, files, count * sizeof *files);
        qsort(sorted, count, sizeof *sorted, compare_paths);
    }
    FileTree tree = {.files = sorted, .count = count};
    for (size_t i = 0; i < count; i++) {
        Str path = sorted[i].path, folder = path;
        if (!is_good_path(path)) {
            error_set(err, ERROR_USAGE, "'%.*s' is no path of an embedded file", STR_ARG(path));
            return error_code(err, "bad-embedded");
        }
        if (i > 0 && str_eq(sorted[i - 1].path, path)) {
            error_set(err, ERROR_USAGE, "the embedded file '%.*s' is there twice", STR_ARG(path));
            return error_code(err, "bad-embedded");
        }
        while (memrchr(folder.ptr, '/', folder.len)) {
            folder = path_folder(folder);
            if (find(&tree, folder)) {
                error_set(err, ERROR_USAGE, "'%.*s' is an embedded file and a folder",
                          STR_ARG(folder));
                return error_code(err, "bad-embedded");
            }
        }
    }
    *ret_tree = tree;
    return true;
}

/* "./a/b/" is "a/b", "." is "". */
static Str plain_path(const char *path)
{
    Str plain = str_from(path);
    while (str_starts(plain, STR("./")))
        plain = str_sub(plain, 2, plain.len);
    while (plain.len > 0 && plain.ptr[plain.len - 1] == '/')
        plain.len--;
    return str_eq(plain, STR(".")) ? (Str){0} : plain;
}

/* What stands directly below folder, from position *at on; false behind the last. */
static bool next_entry(const FileTree *tree, Str folder, size_t *at, FolderEntry *ret_entry)
{
    if (*at >= tree->count || compare_below(tree->files[*at].path, folder) != 0)
        return false;
    Str path = tree->files[*at].path, name;
    Str rest = str_sub(path, folder.len > 0 ? folder.len + 1 : 0, path.len);
    str_cut(rest, '/', &name);
    *ret_entry = (FolderEntry){.name = name, .kind = FILE_REGULAR};
    (*at)++;
    if (name.len == rest.len)
        return true;
    ret_entry->kind = FILE_FOLDER;
    Str below = str_sub(path, 0, path.len - rest.len + name.len);
    while (*at < tree->count && compare_below(tree->files[*at].path, below) == 0)
        (*at)++;
    return true;
}

static int compare_entries(const void *a, const void *b)
{
    return str_cmp(((const FolderEntry *)a)->name, ((const FolderEntry *)b)->name);
}

bool file_tree_list(const FileTree *tree, Arena *arena, const char *path,
                    FolderEntryVec *ret_entries, Error *err)
{
    if (!tree)
        return folder_list(arena, path, ret_entries, err);
    FolderEntryVec entries = {0};
    FolderEntry entry;
    Str folder = plain_path(path);
    for (size_t at = lower_bound(tree, folder, true); next_entry(tree, folder, &at, &entry);)
        if (!vec_push(arena, &entries, entry))
            return error_nomem(err);
    if (entries.len == 0 && folder.len > 0)
        return error_errno(err, ENOENT, "cannot read the embedded folder %s", path);
    /* "a.sql" stands before "a/b" in the table, but "a" before "a.sql" in a listing. */
    if (entries.len > 1)
        qsort(entries.items, entries.len, sizeof *entries.items, compare_entries);
    *ret_entries = entries;
    return true;
}

bool file_tree_info(const FileTree *tree, const char *path, FileInfo *ret_info, Error *err)
{
    if (!tree)
        return file_info(path, ret_info, err);
    Str plain = plain_path(path);
    const TreeFile *file = find(tree, plain);
    *ret_info = (FileInfo){.kind = FILE_ABSENT};
    if (file) {
        ret_info->kind = FILE_REGULAR;
        ret_info->size_bytes = file->bytes.len;
        return true;
    }
    size_t below = lower_bound(tree, plain, true);
    if (plain.len == 0 ||
        (below < tree->count && compare_below(tree->files[below].path, plain) == 0))
        ret_info->kind = FILE_FOLDER;
    return true;
}

bool file_tree_read(const FileTree *tree, Arena *arena, const char *path, uint64_t limit_bytes,
                    Str *ret_text, Error *err)
{
    if (!tree)
        return file_read(arena, path, limit_bytes, ret_text, err);
    const TreeFile *file = find(tree, plain_path(path));
    if (!file)
        return error_errno(err, ENOENT, "cannot read the embedded file %s", path);
    if (limit_bytes > 0 && file->bytes.len > limit_bytes)
        return error_set(err, ERROR_IO, "the embedded file %s is larger than %llu bytes", path,
                         (unsigned long long)limit_bytes);
    *ret_text = file->bytes;
    return true;
}

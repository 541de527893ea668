/* Files that may be on disk or linked into the program. SPDX-License-Identifier: Apache-2.0
 *
 * Whoever reads a folder of migrations asks through these functions. A tree of NULL is the file system; any other is a
 * table in memory, in which "." is the top and paths have no leading "./". */
#ifndef WHIMBREL_BASE_FILE_TREE_H
#define WHIMBREL_BASE_FILE_TREE_H

#include "base/file.h"

typedef struct TreeFile {
    Str path; /* "seeds/development.sql": relative, parts separated by '/', no empty, "." or ".." part, no NUL */
    Str bytes;
} TreeFile;

typedef struct FileTree {
    const TreeFile *files; /* sorted by path */
    size_t count;
} FileTree;

/* Sorts a copy of files; paths and bytes are borrowed. ERROR_USAGE (code "bad-embedded") for a path of another form, one that
 * is there twice, and one that is a file and a folder. */
bool file_tree_make(Arena *arena, const TreeFile *files, size_t count, FileTree *ret_tree,
                    Error *err);

/* As folder_list(), file_info() and file_read(). What is read from memory is not copied. */
bool file_tree_list(const FileTree *tree, Arena *arena, const char *path,
                    FolderEntryVec *ret_entries, Error *err);
bool file_tree_info(const FileTree *tree, const char *path, FileInfo *ret_info, Error *err);
bool file_tree_read(const FileTree *tree, Arena *arena, const char *path, uint64_t limit_bytes,
                    Str *ret_text, Error *err);

#endif

/* Files, folders and paths. SPDX-License-Identifier: Apache-2.0
 *
 * Every function names the path in its error. Interrupted calls are taken up again. */
#ifndef WHIMBREL_BASE_FILE_H
#define WHIMBREL_BASE_FILE_H

#include "base/error.h"
#include "base/vec.h"

/* Whole file into the arena. limit_bytes: larger is ERROR_IO that says so (0: no limit). A folder is an error that says
 * so; so are devices and sockets. */
bool file_read(Arena *arena, const char *path, uint64_t limit_bytes, Str *ret_text, Error *err);

/* Writes through a temporary file in the same folder, fsync and rename, so that path holds the old or the new text and
 * never half of one. mode as for open(2). */
bool file_write(Arena *scratch, const char *path, Str text, unsigned mode, Error *err);
/* "x.sql.0a1b2c3d.tmp": what a file_write() of x.sql leaves that was killed. *ret_of: "x.sql", part of path. */
bool file_is_leftover(Str path, Str *ret_of);

/* What only spares time and can be made anew, kept for this user alone. Both return false, without an error, whenever it
 * cannot be had: absent, unreadable, larger than the limit, or a file or folder that others could have written to. Writing
 * makes the folder of path and the one above (mode 0700; the rest must be there and be the user's), replaces the file in one
 * step (mode 0600) and does not wait for the disk. */
bool file_read_kept(Arena *arena, const char *path, uint64_t limit_bytes, Str *ret_text);
bool file_write_kept(Arena *scratch, const char *path, Str text);

/* Creates path, failing with ERROR_IO (errno EEXIST) if anything has that name already. */
bool file_create_new(const char *path, Str text, unsigned mode, Error *err);

typedef enum FileKind { FILE_ABSENT, FILE_REGULAR, FILE_FOLDER, FILE_OTHER } FileKind;
typedef struct FileInfo {
    FileKind kind; /* of what a symbolic link points to; FILE_ABSENT for a dangling one */
    bool is_link, is_executable;
    uint64_t size_bytes;
} FileInfo;

/* ENOENT and ENOTDIR give FILE_ABSENT, other failures an error. */
bool file_info(const char *path, FileInfo *ret_info, Error *err);
bool file_remove(const char *path, Error *err);

/* What tells one state of a file from another. Every change of bytes, name or mode moves changed_ns on, and no call can put
 * that back; modified_ns anybody can set. */
typedef struct FileStamp {
    uint64_t device, inode, size_bytes;
    int64_t modified_ns, changed_ns; /* since 1970, by the clock of the file system */
} FileStamp;
/* Of what path is or leads to; false when it is not a regular file or cannot be looked at. */
bool file_stamp(const char *path, FileStamp *ret_stamp);
/* The same for one file after the other: those of one folder are looked up in it, without the way there. Begin with a zeroed one. */
typedef struct StampFolder {
    const char *path; /* one that lies in it; NULL: no folder is open */
    size_t len;       /* of the folder's part, with the slash */
    int fd;
} StampFolder;
bool file_stamp_in(StampFolder *folder, const char *path, FileStamp *ret_stamp);
void stamp_folder_close(StampFolder *folder); /* takes a zeroed one */
bool file_stamp_equal(const FileStamp *a, const FileStamp *b);
/* Whether path lies on a file system of this machine: one of the network stamps by another clock and may be told late. */
bool file_is_local(const char *path);

bool file_rename(const char *from, const char *to, Error *err);
/* Makes the folder and those above it. */
bool folder_make(Arena *scratch, const char *path, unsigned mode, Error *err);

typedef struct FolderEntry {
    Str name; /* without its folder */
    FileKind kind;
    bool is_link;
} FolderEntry;
typedef Vec(FolderEntry) FolderEntryVec;

/* Entries but "." and "..", sorted by bytes, so that reports come out the same everywhere. An absent folder is an
 * error. */
bool folder_list(Arena *arena, const char *path, FolderEntryVec *ret_entries, Error *err);

/* A file read piece by piece. */
typedef struct FileReader {
    int fd; /* -1: closed */
    const char *path;
    uint64_t size_bytes; /* when it was opened; 0 where that says nothing */
} FileReader;
bool file_reader_open(FileReader *reader, Arena *arena, const char *path, Error *err);
/* The same for a path that the listing of a folder called a regular file: it is opened at once and looked at then, which
 * spares a walk along the path. Anything but a regular file is an error here too. path is borrowed. */
bool file_reader_open_listed(FileReader *reader, const char *path, Error *err);
bool file_reader_stamp(const FileReader *reader, FileStamp *ret_stamp);
/* ret_len 0 means the end. */
bool file_reader_read(FileReader *reader, char *buf, size_t cap, size_t *ret_len, Error *err);
void file_reader_close(FileReader *reader); /* takes a closed one */

/* "a/b" from "a" and "b"; b alone if it is absolute or a is "" or ".". NULL when memory is out. */
char *path_join(Arena *arena, const char *a, Str b);
Str path_base(Str path);   /* after the last '/' */
Str path_folder(Str path); /* before it; "." if there is none */
bool path_is_absolute(Str path);

#endif

/* Files, folders and paths. SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

static void close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

static void close_folder(DIR **folder)
{
    if (*folder)
        closedir(*folder);
}

static int open_again(const char *path, int flags, unsigned mode)
{
    int fd;
    do
        fd = open(path, flags | O_CLOEXEC, mode);
    while (fd < 0 && errno == EINTR);
    return fd;
}

/* Opens for reading what can be read from beginning to end: regular files and pipes. */
static bool open_readable(const char *path, int *ret_fd, struct stat *ret_stat, Error *err)
{
    /* Looked at before it is opened: opening a device can have effects of its own. */
    struct stat info;
    if (stat(path, &info) != 0)
        return error_errno(err, errno, "cannot open %s", path);
    if (S_ISDIR(info.st_mode))
        return error_set(err, ERROR_IO, "cannot read %s: it is a folder", path);
    if (!S_ISREG(info.st_mode) && !S_ISFIFO(info.st_mode))
        return error_set(err, ERROR_IO, "cannot read %s: it is not a regular file", path);
    if (FAULT("file.open", err))
        return error_wrap(err, "cannot open %s", path);
    int fd = open_again(path, O_RDONLY, 0);
    if (fd < 0)
        return error_errno(err, errno, "cannot open %s", path);
    *ret_fd = fd;
    *ret_stat = info;
    return true;
}

static bool read_some(int fd, const char *path, char *buf, size_t cap, size_t *ret_len, Error *err)
{
    ssize_t got;
    if (FAULT("file.read", err))
        return error_wrap(err, "cannot read %s", path);
    do
        got = read(fd, buf, cap);
    while (got < 0 && errno == EINTR);
    if (got < 0)
        return error_errno(err, errno, "cannot read %s", path);
    *ret_len = (size_t)got;
    return true;
}

static bool too_large(const char *path, uint64_t limit_bytes, Error *err)
{
    char size[SIZE_TEXT];
    return error_set(err, ERROR_IO, "cannot read %s: it is larger than %s", path,
                     size_human(limit_bytes, size));
}

bool file_read(Arena *arena, const char *path, uint64_t limit_bytes, Str *ret_text, Error *err)
{
    scoped(int, close_fd) fd = -1;
    struct stat info;
    if (!open_readable(path, &fd, &info, err))
        return false;
    if (limit_bytes > 0 && S_ISREG(info.st_mode) && (uint64_t)info.st_size > limit_bytes)
        return too_large(path, limit_bytes, err);

    /* One byte more than expected, so that the end is seen without growing; and the file may grow meanwhile. */
    size_t len = 0, cap = info.st_size > 0 ? (size_t)info.st_size + 1 : 4096;
    char *text = arena_alloc(arena, cap);
    if (!text)
        return error_nomem(err);
    for (;;) {
        if (len == cap) {
            text = arena_grow(arena, text, len, cap * 2);
            if (!text)
                return error_nomem(err);
            cap *= 2;
        }
        size_t got;
        if (!read_some(fd, path, text + len, cap - len, &got, err))
            return false;
        if (got == 0)
            break;
        len += got;
        if (limit_bytes > 0 && len > limit_bytes)
            return too_large(path, limit_bytes, err);
    }
    text[len] = '\0';
    *ret_text = (Str){text, len};
    return true;
}

static bool write_all(int fd, const char *path, Str text, Error *err)
{
    if (FAULT("file.write", err))
        return error_wrap(err, "cannot write %s", path);
    while (text.len > 0) {
        ssize_t put = write(fd, text.ptr, text.len);
        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0)
            return error_errno(err, errno, "cannot write %s", path);
        text = str_sub(text, (size_t)put, text.len);
    }
    return true;
}

static bool sync_fd(int fd, const char *path, Error *err)
{
    if (FAULT("file.sync", err))
        return error_wrap(err, "cannot write %s", path);
    /* EINVAL and EROFS: a pipe, or a file system that has nothing to sync. */
    if (fsync(fd) != 0 && errno != EINVAL && errno != EROFS)
        return error_errno(err, errno, "cannot write %s", path);
    return true;
}

/* Writes, syncs and closes. close() can be the one to report a full disk. */
static bool fill_file(int *fd, const char *path, Str text, Error *err)
{
    if (!write_all(*fd, path, text, err) || !sync_fd(*fd, path, err))
        return false;
    int closing = *fd;
    *fd = -1;
    if (close(closing) != 0 && errno != EINTR)
        return error_errno(err, errno, "cannot write %s", path);
    return true;
}

/* Makes the new name itself last. */
static bool sync_folder_of(Arena *scratch, const char *path, Error *err)
{
    char *folder = str_z(scratch, path_folder(str_from(path)));
    if (!folder)
        return error_nomem(err);
    scoped(int, close_fd) fd = open_again(folder, O_RDONLY | O_DIRECTORY, 0);
    /* A folder that may be written but not read cannot be synced; the file itself has been. */
    if (fd < 0)
        return errno == EACCES || error_errno(err, errno, "cannot open %s", folder);
    return sync_fd(fd, folder, err);
}

/* A new file beside path, under a name that nobody has. */
static bool create_beside(Arena *scratch, const char *path, unsigned mode, int *ret_fd,
                          char **ret_name, Error *err)
{
    for (unsigned attempt = 0;; attempt++) {
        uint64_t random;
        if (!random_bytes(&random, sizeof random, err))
            return false;
        char *name =
            str_format(scratch, "%s.%08lx.tmp", path, (unsigned long)(random & 0xffffffff));
        if (!name)
            return error_nomem(err);
        int fd = open_again(name, O_WRONLY | O_CREAT | O_EXCL, mode);
        if (fd < 0 && errno == EEXIST && attempt < 100)
            continue;
        if (fd < 0)
            return error_errno(err, errno, "cannot write %s", path);
        *ret_fd = fd;
        *ret_name = name;
        return true;
    }
}

static void free_text(char **text)
{
    free(*text);
}

bool file_write(Arena *scratch, const char *path, Str text, unsigned mode, Error *err)
{
    scoped(int, close_fd) fd = -1;
    struct stat info;
    /* A symbolic link stays one: what it points to is replaced. */
    scoped(char *, free_text) target = NULL;
    if (lstat(path, &info) == 0 && S_ISLNK(info.st_mode)) {
        target = realpath(path, NULL);
        if (!target && errno != ENOENT)
            return error_errno(err, errno, "cannot write %s", path);
    }
    const char *real = target ? target : path;
    bool is_there = stat(real, &info) == 0;
    if (is_there && S_ISDIR(info.st_mode))
        return error_set(err, ERROR_IO, "cannot write %s: it is a folder", path);
    if (is_there && !S_ISREG(info.st_mode)) {
        /* Nothing can be renamed over a device or a pipe without destroying it. */
        fd = open_again(real, O_WRONLY, 0);
        if (fd < 0)
            return error_errno(err, errno, "cannot write %s", path);
        return fill_file(&fd, path, text, err);
    }

    char *temporary;
    if (!create_beside(scratch, real, mode, &fd, &temporary, err))
        return false;
    bool is_written = true;
    /* As with open(2), a file that is there keeps its permissions; but what is for its owner alone is not given to others. */
    mode_t kept = info.st_mode & ((mode & 077) ? 07777 : 0700);
    if (is_there && fchmod(fd, kept) != 0)
        is_written = error_errno(err, errno, "cannot write %s", path);
    is_written = is_written && fill_file(&fd, path, text, err);
    if (is_written && FAULT("file.rename", err))
        is_written = error_wrap(err, "cannot write %s", path);
    if (is_written && rename(temporary, real) != 0)
        is_written = error_errno(err, errno, "cannot write %s", path);
    if (!is_written) {
        unlink(temporary);
        return false;
    }
    return sync_folder_of(scratch, real, err);
}

bool file_is_leftover(Str path, Str *ret_of)
{
    enum { DIGITS = 8 };
    Str name = path;
    if (!str_ends(name, STR(".tmp")) || name.len < DIGITS + 6)
        return false;
    name.len -= 4;
    for (size_t i = name.len - DIGITS; i < name.len; i++)
        if (hex_value(name.ptr[i]) < 0)
            return false;
    if (name.ptr[name.len - DIGITS - 1] != '.')
        return false;
    *ret_of = str_sub(name, 0, name.len - DIGITS - 1);
    return true;
}

/* ---- stamps --------------------------------------------------------------------------------------- */

static int64_t nanoseconds(const struct timespec *time)
{
    return (int64_t)time->tv_sec * 1000000000 + time->tv_nsec;
}

static bool stamp_of(const struct stat *info, FileStamp *ret_stamp)
{
    *ret_stamp = (FileStamp){.device = (uint64_t)info->st_dev,
                             .inode = (uint64_t)info->st_ino,
                             .size_bytes = (uint64_t)info->st_size,
                             .modified_ns = nanoseconds(&info->st_mtim),
                             .changed_ns = nanoseconds(&info->st_ctim)};
    return S_ISREG(info->st_mode);
}

bool file_stamp(const char *path, FileStamp *ret_stamp)
{
    struct stat info;
    return stat(path, &info) == 0 && stamp_of(&info, ret_stamp);
}

void stamp_folder_close(StampFolder *folder)
{
    if (folder->path)
        close_fd(&folder->fd);
    *folder = (StampFolder){0};
}

bool file_stamp_in(StampFolder *folder, const char *path, FileStamp *ret_stamp)
{
    const char *slash = strrchr(path, '/');
    size_t len = slash ? (size_t)(slash - path) + 1 : 0;
    char name[PATH_MAX];
    struct stat info;
    if (len < 2 || len > sizeof name)
        return file_stamp(path, ret_stamp);
    if (!folder->path || folder->len != len || memcmp(folder->path, path, len) != 0) {
        stamp_folder_close(folder);
        memcpy(name, path, len - 1);
        name[len - 1] = '\0';
        int fd = open_again(name, O_PATH | O_DIRECTORY, 0);
        if (fd < 0)
            return file_stamp(path, ret_stamp);
        *folder = (StampFolder){.path = path, .len = len, .fd = fd};
    }
    return fstatat(folder->fd, slash + 1, &info, 0) == 0 && stamp_of(&info, ret_stamp);
}

bool file_reader_stamp(const FileReader *reader, FileStamp *ret_stamp)
{
    struct stat info;
    return fstat(reader->fd, &info) == 0 && stamp_of(&info, ret_stamp);
}

bool file_stamp_equal(const FileStamp *a, const FileStamp *b)
{
    return a->device == b->device && a->inode == b->inode && a->size_bytes == b->size_bytes &&
           a->modified_ns == b->modified_ns && a->changed_ns == b->changed_ns;
}

bool file_is_local(const char *path)
{
    /* NFS, SMB (three generations), FUSE, 9P, Ceph, AFS, Coda, VirtualBox: linux/magic.h has the first ones. */
    static const uint32_t remote[] = {0x6969,     0x517b,     0xff534d42, 0xfe534d42, 0x65735546,
                                      0x01021997, 0x00c36400, 0x5346414f, 0x73757245, 0x786f4256};
    struct statfs info;
    if (statfs(path, &info) != 0)
        return false;
    for (size_t i = 0; i < sizeof remote / sizeof *remote; i++)
        if ((uint32_t)info.f_type == remote[i])
            return false;
    return true;
}

/* ---- what is kept for this user ---------------------------------------------------------------------- */

static bool is_own(const struct stat *info)
{
    return info->st_uid == geteuid() && (info->st_mode & (S_IWGRP | S_IWOTH)) == 0;
}

bool file_read_kept(Arena *arena, const char *path, uint64_t limit_bytes, Str *ret_text)
{
    scoped(int, close_fd) fd = open_again(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY, 0);
    struct stat info;
    if (fd < 0 || fstat(fd, &info) != 0 || !S_ISREG(info.st_mode) || !is_own(&info) ||
        info.st_size <= 0 || (uint64_t)info.st_size > limit_bytes)
        return false;
    size_t len = (size_t)info.st_size, at = 0;
    char *text = arena_alloc_raw(arena, len);
    while (text && at < len) {
        size_t got;
        if (!read_some(fd, path, text + at, len - at, &got, NULL) || got == 0)
            return false;
        at += got;
    }
    *ret_text = (Str){text, len};
    return text != NULL;
}

/* The user's folder, which is made where it is not there. */
static bool user_folder(const char *path, struct stat *ret_info)
{
    if (stat(path, ret_info) != 0 &&
        ((mkdir(path, 0700) != 0 && errno != EEXIST) || stat(path, ret_info) != 0))
        return false;
    return S_ISDIR(ret_info->st_mode) && ret_info->st_uid == geteuid();
}

/* The same with the one above it; root makes nothing in the home of another. */
static bool own_folder(Arena *scratch, const char *path)
{
    struct stat info;
    const char *above = str_z(scratch, path_folder(str_from(path)));
    const char *top = above ? str_z(scratch, path_folder(str_from(above))) : NULL;
    if (!top)
        return false;
    if (stat(above, &info) != 0 && (stat(top, &info) != 0 || info.st_uid != geteuid()))
        return false;
    return user_folder(above, &info) && user_folder(path, &info) && is_own(&info);
}

bool file_write_kept(Arena *scratch, const char *path, Str text)
{
    const char *folder = str_z(scratch, path_folder(str_from(path)));
    scoped(int, close_fd) fd = -1;
    char *temporary;
    if (!folder || !own_folder(scratch, folder) ||
        !create_beside(scratch, path, 0600, &fd, &temporary, NULL))
        return false;
    bool is_kept = write_all(fd, path, text, NULL) && rename(temporary, path) == 0;
    if (!is_kept)
        unlink(temporary);
    return is_kept;
}

bool file_create_new(const char *path, Str text, unsigned mode, Error *err)
{
    if (FAULT("file.create", err))
        return error_wrap(err, "cannot create %s", path);
    scoped(int, close_fd) fd = open_again(path, O_WRONLY | O_CREAT | O_EXCL, mode);
    if (fd < 0)
        return error_errno(err, errno, "cannot create %s", path);
    if (fill_file(&fd, path, text, err))
        return true;
    /* Half a file would be taken for a whole one. */
    unlink(path);
    return false;
}

static FileKind kind_of(mode_t mode)
{
    if (S_ISREG(mode))
        return FILE_REGULAR;
    return S_ISDIR(mode) ? FILE_FOLDER : FILE_OTHER;
}

static bool means_absent(int errnum)
{
    return errnum == ENOENT || errnum == ENOTDIR;
}

bool file_info(const char *path, FileInfo *ret_info, Error *err)
{
    struct stat info;
    FileInfo found = {.kind = FILE_ABSENT};
    if (lstat(path, &info) != 0) {
        if (!means_absent(errno))
            return error_errno(err, errno, "cannot look at %s", path);
        *ret_info = found;
        return true;
    }
    found.is_link = S_ISLNK(info.st_mode);
    if (found.is_link && stat(path, &info) != 0) {
        /* A loop of links leads nowhere, too. */
        if (!means_absent(errno) && errno != ELOOP)
            return error_errno(err, errno, "cannot look at %s", path);
        *ret_info = found;
        return true;
    }
    found.kind = kind_of(info.st_mode);
    found.is_executable = found.kind == FILE_REGULAR && (info.st_mode & 0111) != 0;
    found.size_bytes = (uint64_t)info.st_size;
    *ret_info = found;
    return true;
}

bool file_remove(const char *path, Error *err)
{
    if (unlink(path) != 0)
        return error_errno(err, errno, "cannot remove %s", path);
    return true;
}

bool file_rename(const char *from, const char *to, Error *err)
{
    if (FAULT("file.rename", err))
        return error_wrap(err, "cannot rename %s to %s", from, to);
    if (rename(from, to) != 0)
        return error_errno(err, errno, "cannot rename %s to %s", from, to);
    return true;
}

bool folder_make(Arena *scratch, const char *path, unsigned mode, Error *err)
{
    char *part = str_z(scratch, str_from(path));
    if (!part)
        return error_nomem(err);
    size_t len = strlen(part);
    for (size_t i = 1; i <= len; i++) {
        if (part[i] != '/' && part[i] != '\0')
            continue;
        char kept = part[i];
        part[i] = '\0';
        if (mkdir(part, mode) != 0) {
            int errnum = errno;
            struct stat info;
            /* Also on a file system that may not be written, what is there is there. */
            bool is_folder = stat(part, &info) == 0 && S_ISDIR(info.st_mode);
            if (!is_folder)
                return error_errno(err, errnum, "cannot make the folder %s", part);
        }
        part[i] = kept;
    }
    return true;
}

static bool entry_kind(DIR *folder, const struct dirent *entry, FolderEntry *ret_entry)
{
    struct stat info;
    ret_entry->is_link = entry->d_type == DT_LNK;
    if (entry->d_type == DT_REG || entry->d_type == DT_DIR) {
        ret_entry->kind = entry->d_type == DT_REG ? FILE_REGULAR : FILE_FOLDER;
        return true;
    }
    if (entry->d_type == DT_UNKNOWN) {
        /* Some file systems leave the kind to us. Gone meanwhile: not an entry any more. */
        if (fstatat(dirfd(folder), entry->d_name, &info, AT_SYMLINK_NOFOLLOW) != 0)
            return false;
        ret_entry->is_link = S_ISLNK(info.st_mode);
    }
    bool leads_somewhere = fstatat(dirfd(folder), entry->d_name, &info, 0) == 0;
    ret_entry->kind = leads_somewhere ? kind_of(info.st_mode) : FILE_ABSENT;
    return leads_somewhere || ret_entry->is_link;
}

/* An entry while a folder is sorted: the eight bytes of its name that are looked at, and where it stands. */
typedef struct Ranked {
    uint64_t key;
    uint32_t index;
} Ranked;

typedef struct Ranking {
    const FolderEntry *entries;
    Ranked *from, *to; /* as many of each */
} Ranking;

static int by_name(const void *a, const void *b, void *entries)
{
    const FolderEntry *all = entries;
    return str_cmp(all[((const Ranked *)a)->index].name, all[((const Ranked *)b)->index].name);
}

/* How many bytes the names of this run, which have `same` in common already, all begin with. */
static size_t common_length(const Ranking *ranking, size_t first, size_t count, size_t same)
{
    Str one = ranking->entries[ranking->from[first].index].name;
    size_t most = one.len;
    for (size_t i = first + 1; i < first + count; i++) {
        Str name = ranking->entries[ranking->from[i].index].name;
        size_t at = same;
        while (at < most && at < name.len && name.ptr[at] == one.ptr[at])
            at++;
        most = at;
    }
    return most;
}

/* Eight bytes of a name as a number that sorts as they do. A name holds no zero byte, so its end comes before all. */
static uint64_t key_at(Str name, size_t at)
{
    uint64_t key = 0;
    for (size_t i = at; i < at + sizeof key; i++)
        key = key << 8 | (i < name.len ? (unsigned char)name.ptr[i] : 0);
    return key;
}

/* Sorts a run by its keys, byte by byte from the last one; bytes that are alike in all are passed over. */
static void sort_by_key(Ranking *ranking, size_t first, size_t count)
{
    Ranked *from = ranking->from + first, *to = ranking->to + first;
    uint64_t differing = 0;
    for (size_t i = 1; i < count; i++)
        differing |= from[i].key ^ from[0].key;
    bool is_elsewhere = false;
    for (unsigned shift = 0; shift < 64; shift += 8) {
        size_t places[257] = {0};
        if ((differing >> shift & 0xff) == 0)
            continue;
        for (size_t i = 0; i < count; i++)
            places[(from[i].key >> shift & 0xff) + 1]++;
        for (size_t byte = 1; byte < 256; byte++)
            places[byte] += places[byte - 1];
        for (size_t i = 0; i < count; i++)
            to[places[from[i].key >> shift & 0xff]++] = from[i];
        Ranked *other = from;
        from = to;
        to = other;
        is_elsewhere = !is_elsewhere;
    }
    if (is_elsewhere)
        memcpy(to, from, count * sizeof *to);
}

/* Names of one folder begin alike, and comparing them in pairs would go through that each time. So a run of names is sorted by the eight
 * bytes behind what all of it have in common, then each run in which these are the same, too. */
static void sort_run(Ranking *ranking, size_t first, size_t count, size_t same)
{
    enum { FEW = 32 };
    if (count < FEW) {
        if (count > 1)
            qsort_r(ranking->from + first, count, sizeof *ranking->from, by_name,
                    (void *)(uintptr_t)ranking->entries);
        return;
    }
    same = common_length(ranking, first, count, same);
    for (size_t i = first; i < first + count; i++)
        ranking->from[i].key = key_at(ranking->entries[ranking->from[i].index].name, same);
    sort_by_key(ranking, first, count);
    for (size_t i = first, end = first + count; i < end;) {
        size_t next = i + 1;
        while (next < end && ranking->from[next].key == ranking->from[i].key)
            next++;
        if (next - i == count) /* a folder that changes may be said to hold one name twice */
            return;
        sort_run(ranking, i, next - i, same);
        i = next;
    }
}

/* The entries in the order of their names, in memory of just their size. */
static bool sort_entries(Arena *arena, Arena *scratch, const FolderEntryVec *read,
                         FolderEntryVec *ret_sorted)
{
    Ranking ranking = {.entries = read->items};
    if (read->len > UINT32_MAX || !vec_reserve(arena, ret_sorted, read->len))
        return false;
    ranking.from = arena_alloc_raw(scratch, (read->len + 1) * sizeof *ranking.from);
    ranking.to = arena_alloc_raw(scratch, (read->len + 1) * sizeof *ranking.to);
    if (!ranking.from || !ranking.to)
        return false;
    for (size_t i = 0; i < read->len; i++)
        ranking.from[i] = (Ranked){.index = (uint32_t)i};
    sort_run(&ranking, 0, read->len, 0);
    for (size_t i = 0; i < read->len; i++)
        ret_sorted->items[ret_sorted->len++] = read->items[ranking.from[i].index];
    return true;
}

/* How many entries there are at most, as far as the folder's size tells: room that is not used takes no memory. */
static size_t entries_at_most(DIR *folder)
{
    enum { LEAST_BYTES = 16, MOST = 1 << 18 };
    struct stat info;
    if (fstat(dirfd(folder), &info) != 0 || info.st_size <= 0)
        return 0;
    return info.st_size / LEAST_BYTES < MOST ? (size_t)info.st_size / LEAST_BYTES : MOST;
}

bool folder_list(Arena *arena, const char *path, FolderEntryVec *ret_entries, Error *err)
{
    FolderEntryVec read = {0}, sorted = {0};
    if (FAULT("folder.open", err))
        return error_wrap(err, "cannot read the folder %s", path);
    /* What grows by doubling goes again: a folder may be long. */
    scoped(Arena *, arena_freep) scratch = arena_new();
    if (!scratch)
        return error_nomem(err);
    scoped(DIR *, close_folder) folder = opendir(path);
    if (!folder)
        return error_errno(err, errno, "cannot read the folder %s", path);
    if (!vec_reserve(scratch, &read, entries_at_most(folder)))
        return error_nomem(err);
    for (;;) {
        errno = 0;
        struct dirent *entry = readdir(folder);
        if (!entry && errno != 0)
            return error_errno(err, errno, "cannot read the folder %s", path);
        if (!entry)
            break;
        Str name = str_from(entry->d_name);
        FolderEntry found = {0};
        if (str_eq(name, STR(".")) || str_eq(name, STR("..")) || !entry_kind(folder, entry, &found))
            continue;
        if (!str_copy(arena, name, &found.name) || !vec_push(scratch, &read, found))
            return error_nomem(err);
    }
    if (!sort_entries(arena, scratch, &read, &sorted))
        return error_nomem(err);
    *ret_entries = sorted;
    return true;
}

bool file_reader_open(FileReader *reader, Arena *arena, const char *path, Error *err)
{
    struct stat info;
    *reader = (FileReader){.fd = -1};
    reader->path = str_z(arena, str_from(path));
    if (!reader->path)
        return error_nomem(err);
    if (!open_readable(path, &reader->fd, &info, err))
        return false;
    reader->size_bytes = S_ISREG(info.st_mode) ? (uint64_t)info.st_size : 0;
    return true;
}

bool file_reader_open_listed(FileReader *reader, const char *path, Error *err)
{
    struct stat info;
    *reader = (FileReader){.fd = -1, .path = path};
    if (FAULT("file.open", err))
        return error_wrap(err, "cannot open %s", path);
    /* Without blocking: something else may have taken the file's place since. */
    int fd = open_again(path, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0);
    if (fd < 0)
        return error_errno(err, errno, "cannot open %s", path);
    if (fstat(fd, &info) != 0 || !S_ISREG(info.st_mode)) {
        close_fd(&fd);
        return error_set(err, ERROR_IO, "cannot read %s: it is not a regular file", path);
    }
    reader->fd = fd;
    reader->size_bytes = (uint64_t)info.st_size;
    return true;
}

bool file_reader_read(FileReader *reader, char *buf, size_t cap, size_t *ret_len, Error *err)
{
    return read_some(reader->fd, reader->path, buf, cap, ret_len, err);
}

void file_reader_close(FileReader *reader)
{
    close_fd(&reader->fd);
}

char *path_join(Arena *arena, const char *a, Str b)
{
    Str folder = str_from(a);
    if (folder.len == 0 || str_eq(folder, STR(".")) || path_is_absolute(b))
        return str_z(arena, b);
    /* Of just its size: there is one for each of ten thousand files. */
    size_t slash = folder.ptr[folder.len - 1] == '/' ? 0 : 1;
    char *path = arena_alloc(arena, folder.len + slash + b.len + 1);
    if (!path)
        return NULL;
    memcpy(path, folder.ptr, folder.len);
    memcpy(path + folder.len, "/", slash);
    if (b.len > 0)
        memcpy(path + folder.len + slash, b.ptr, b.len);
    return path;
}

/* Index of the last '/', or SIZE_MAX. */
static size_t last_slash(Str path)
{
    const char *slash = path.len > 0 ? memrchr(path.ptr, '/', path.len) : NULL;
    return slash ? (size_t)(slash - path.ptr) : SIZE_MAX;
}

Str path_base(Str path)
{
    size_t slash = last_slash(path);
    return slash == SIZE_MAX ? path : str_sub(path, slash + 1, path.len);
}

Str path_folder(Str path)
{
    size_t slash = last_slash(path);
    if (slash == SIZE_MAX)
        return STR(".");
    return slash == 0 ? STR("/") : str_sub(path, 0, slash);
}

bool path_is_absolute(Str path)
{
    return path.len > 0 && path.ptr[0] == '/';
}

/* Checksums of files that have not changed since they were last read. SPDX-License-Identifier: Apache-2.0
 *
 * Opening and hashing ten thousand files takes longer than all the rest of a run that has nothing to do. So what was found
 * is kept with the file's stamp, as git keeps its index: while the stamp is the same, so are the bytes. The file of the cache
 * may vanish, lie or be written by several at a time: what is not whole, or not made with these options, is as good as none. */
#ifndef WHIMBREL_MIGRATION_DIGEST_CACHE_H
#define WHIMBREL_MIGRATION_DIGEST_CACHE_H

#include "migration/migration.h"

typedef struct DigestCache {
    const DigestCachePlace *place; /* NULL: nothing is kept */
    Arena *arena;
    size_t digest_len;
    unsigned char options[16]; /* what the digests depend on */
    const unsigned char *read; /* entries of the file, sorted by inode */
    size_t read_count;
    unsigned char *served; /* which of those are still of use */
    char *added;           /* as the file will have them, behind room for its head; unsorted */
    size_t added_count, added_cap;
    size_t scripts;  /* for so many it was opened */
    uint64_t device; /* the last one that was asked about */
    bool has_device, is_local;
    StampFolder folder;
} DigestCache;

/* Opens the cache for a set of so many scripts. Never fails: at worst it is empty. */
void digest_cache_open(DigestCache *cache, const DigestCachePlace *place, size_t scripts,
                       const ScriptOptions *options);
/* Writes what was learnt, if that is worth it. */
void digest_cache_close(DigestCache *cache);

enum { KEPT_DEMANDS = 1 };

/* What is kept is the digest and behind it a byte, KEPT_DEMANDS when the file may hold a directive that requires something.
 *
 * The digest of the file at path while it is as it was. ret_stamp tells its state now; has_stamp says whether there is one. */
typedef struct DigestLook {
    FileStamp stamp;
    bool has_stamp;
    int64_t looked_at_us;
} DigestLook;
bool digest_cache_find(DigestCache *cache, const char *path, DigestLook *ret_look,
                       const unsigned char **ret_digest);
/* The same in two steps: where the digest of the file at path stands (0: nowhere), and later the digest there. */
uint32_t digest_cache_look(DigestCache *cache, const char *path);
const unsigned char *digest_cache_entry(const DigestCache *cache, uint32_t entry,
                                        uint64_t *ret_size_bytes);
/* The file was read after look and still was as it was then; digest is what it gave. */
void digest_cache_add(DigestCache *cache, const DigestLook *look, const FileStamp *after,
                      const unsigned char *digest);

#endif

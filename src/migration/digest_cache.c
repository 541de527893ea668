/* The cache of checksums: its file, and when an entry may be trusted. SPDX-License-Identifier: Apache-2.0
 *
 * A file may be written twice within one tick of the file system's clock, and a stamp taken between the two would be that of
 * both. As in git, an entry is therefore kept only when the file had been at rest for a while before it was read; and the file
 * is looked at before and after reading, so that what is written meanwhile is not taken for what was read. */
#include "migration/digest_cache.h"

#include <stdlib.h>
#include <string.h>

/* Of this machine alone, so in the order of its bytes; another machine's fails at the mark. */
static const char magic[8] = "wbdigst2";
enum { ORDER_MARK = 0x01020304 };
#define LARGEST_CACHE ((uint64_t)256 << 20)

typedef struct Header {
    char magic[8];
    uint32_t order, entry_bytes;
    unsigned char options[16];
    uint64_t count;
    uint32_t crc; /* of the entries */
    uint32_t reserved;
} Header;

/* An entry is a FileStamp and behind it the digest and its byte, without gaps. */
static size_t entry_bytes(const DigestCache *cache)
{
    return sizeof(FileStamp) + cache->digest_len + 1;
}

static void add_field(Hash *hash, Str text)
{
    uint64_t len = text.len;
    hash_add(hash, (Str){(const char *)&len, sizeof len});
    hash_add(hash, text);
}

/* What else than the bytes decides on a digest. */
static void options_digest(DigestCache *cache, const ScriptOptions *options)
{
    unsigned char digest[HASH_MAX_BYTES];
    Hash hash;
    hash_begin(&hash, options->checksum_hash);
    cache->digest_len = hash_end(&hash, digest);
    hash_begin(&hash, HASH_SHA256);
    uint32_t kind = (uint32_t)options->checksum_hash;
    hash_add(&hash, (Str){(const char *)&kind, sizeof kind});
    add_field(&hash, options->ignored_chars);
    hash_end(&hash, digest);
    memcpy(cache->options, digest, sizeof cache->options);
}

static void read_file(DigestCache *cache)
{
    Str text;
    Header header;
    if (!file_read_kept(cache->arena, cache->place->path, LARGEST_CACHE, &text) ||
        text.len < sizeof header)
        return;
    memcpy(&header, text.ptr, sizeof header);
    Str entries = str_sub(text, sizeof header, text.len);
    if (memcmp(header.magic, magic, sizeof magic) != 0 || header.order != ORDER_MARK ||
        header.entry_bytes != entry_bytes(cache) ||
        memcmp(header.options, cache->options, sizeof header.options) != 0 ||
        entries.len % header.entry_bytes != 0 || header.count != entries.len / header.entry_bytes ||
        header.crc != crc32_of(entries))
        return;
    cache->served = arena_alloc(cache->arena, (size_t)header.count);
    if (!cache->served)
        return;
    cache->read = (const unsigned char *)entries.ptr;
    cache->read_count = (size_t)header.count;
}

void digest_cache_open(DigestCache *cache, const DigestCachePlace *place, size_t scripts,
                       const ScriptOptions *options)
{
    *cache = (DigestCache){0};
    if (!place || !place->path || scripts < place->fewest)
        return;
    cache->arena = arena_new();
    if (!cache->arena)
        return;
    cache->place = place;
    cache->scripts = scripts;
    options_digest(cache, options);
    read_file(cache);
}

static FileStamp stamp_at(const DigestCache *cache, size_t i)
{
    FileStamp stamp;
    memcpy(&stamp, cache->read + i * entry_bytes(cache), sizeof stamp);
    return stamp;
}

static int compare_identity(const FileStamp *a, const FileStamp *b)
{
    if (a->device != b->device)
        return a->device < b->device ? -1 : 1;
    return a->inode < b->inode ? -1 : a->inode > b->inode;
}

/* Where files are, is asked once for each device. */
static bool is_on_local_device(DigestCache *cache, const char *path, uint64_t device)
{
    if (!cache->has_device || cache->device != device) {
        cache->has_device = true;
        cache->device = device;
        cache->is_local = file_is_local(path);
    }
    return cache->is_local;
}

/* The state of the file now, and where the entry of that very state is; SIZE_MAX: there is none. */
static size_t find_entry(DigestCache *cache, const char *path, DigestLook *ret_look)
{
    *ret_look = (DigestLook){0};
    if (!cache->place)
        return SIZE_MAX;
    ret_look->looked_at_us = clock_now();
    ret_look->has_stamp = file_stamp_in(&cache->folder, path, &ret_look->stamp) &&
                          is_on_local_device(cache, path, ret_look->stamp.device);
    if (!ret_look->has_stamp)
        return SIZE_MAX;
    size_t low = 0, high = cache->read_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        FileStamp stamp = stamp_at(cache, middle);
        if (compare_identity(&stamp, &ret_look->stamp) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == cache->read_count)
        return SIZE_MAX;
    FileStamp stamp = stamp_at(cache, low);
    if (!file_stamp_equal(&stamp, &ret_look->stamp))
        return SIZE_MAX;
    cache->served[low] = 1;
    return low;
}

static const unsigned char *digest_at(const DigestCache *cache, size_t i)
{
    return cache->read + i * entry_bytes(cache) + sizeof(FileStamp);
}

bool digest_cache_find(DigestCache *cache, const char *path, DigestLook *ret_look,
                       const unsigned char **ret_digest)
{
    size_t found = find_entry(cache, path, ret_look);
    if (found == SIZE_MAX)
        return false;
    *ret_digest = digest_at(cache, found);
    return true;
}

uint32_t digest_cache_look(DigestCache *cache, const char *path)
{
    DigestLook look;
    size_t found = find_entry(cache, path, &look);
    return found < UINT32_MAX ? (uint32_t)found + 1 : 0;
}

const unsigned char *digest_cache_entry(const DigestCache *cache, uint32_t entry,
                                        uint64_t *ret_size_bytes)
{
    *ret_size_bytes = stamp_at(cache, entry - 1).size_bytes;
    return digest_at(cache, entry - 1);
}

static char *added_at(const DigestCache *cache, size_t i)
{
    return cache->added + sizeof(Header) + i * entry_bytes(cache);
}

/* For all at once: what is not used takes no memory, and growing would leave as much behind. */
static bool has_room(DigestCache *cache)
{
    if (cache->added_count < cache->added_cap)
        return true;
    size_t each = entry_bytes(cache), had = cache->added_cap;
    size_t cap = had > 0 ? had * 2 : cache->scripts;
    char *grown = arena_grow(cache->arena, cache->added, had > 0 ? sizeof(Header) + had * each : 0,
                             sizeof(Header) + cap * each);
    if (!grown)
        return false;
    cache->added = grown;
    cache->added_cap = cap;
    return cap > had;
}

void digest_cache_add(DigestCache *cache, const DigestLook *look, const FileStamp *after,
                      const unsigned char *digest)
{
    if (!cache->place || !look->has_stamp || !file_stamp_equal(&look->stamp, after))
        return;
    int64_t touched_ns =
        after->changed_ns > after->modified_ns ? after->changed_ns : after->modified_ns;
    if (touched_ns / 1000 > look->looked_at_us - cache->place->rest_us)
        return;
    if (!has_room(cache))
        return;
    char *at = added_at(cache, cache->added_count++);
    memcpy(at, after, sizeof *after);
    memcpy(at + sizeof *after, digest, cache->digest_len + 1);
}

static FileStamp stamp_of(const void *entry)
{
    FileStamp stamp;
    memcpy(&stamp, entry, sizeof stamp);
    return stamp;
}

static int by_identity(const void *a, const void *b)
{
    FileStamp one = stamp_of(a), two = stamp_of(b);
    return compare_identity(&one, &two);
}

/* The entries that served and those that are new, merged. */
static size_t merge_entries(const DigestCache *cache, char *text)
{
    size_t each = entry_bytes(cache), count = 0;
    for (size_t old = 0, new = 0; old < cache->read_count || new < cache->added_count;) {
        const char *added = new < cache->added_count ? added_at(cache, new) : NULL;
        const char *read = (const char *)cache->read + old * each;
        if (added && (old == cache->read_count || by_identity(added, read) <= 0)) {
            memcpy(text + count++ * each, added, each);
            new ++;
            continue;
        }
        if (cache->served[old])
            memcpy(text + count++ * each, read, each);
        old++;
    }
    return count;
}

static void write_file(DigestCache *cache)
{
    size_t each = entry_bytes(cache), count = cache->added_count;
    scoped(Arena *, arena_freep) scratch = arena_new();
    char *text = cache->added;
    if (!scratch)
        return;
    qsort(text + sizeof(Header), count, each, by_identity);
    if (cache->read_count > 0) {
        text = arena_alloc_raw(scratch, sizeof(Header) + (cache->read_count + count) * each);
        if (!text)
            return;
        count = merge_entries(cache, text + sizeof(Header));
    }
    Header header = {.order = ORDER_MARK, .entry_bytes = (uint32_t)each, .count = count};
    Str entries = {text + sizeof header, count * each};
    memcpy(header.magic, magic, sizeof magic);
    memcpy(header.options, cache->options, sizeof header.options);
    header.crc = crc32_of(entries);
    memcpy(text, &header, sizeof header);
    (void)file_write_kept(scratch, cache->place->path, (Str){text, sizeof header + entries.len});
}

void digest_cache_close(DigestCache *cache)
{
    if (cache->place && cache->added_count > 0)
        write_file(cache);
    stamp_folder_close(&cache->folder);
    arena_free(cache->arena);
    *cache = (DigestCache){0};
}

/* Where this user's cache of checksums lies: $XDG_CACHE_HOME/whimbrel, a file for each set of folders.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"

enum { NAME_BYTES = 16 }; /* of the hash that a file is called by */

static const char *cache_folder(Arena *arena)
{
    const char *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    if (cache && path_is_absolute(str_from(cache)))
        return path_join(arena, cache, STR("whimbrel"));
    return home && path_is_absolute(str_from(home)) ? path_join(arena, home, STR(".cache/whimbrel"))
                                                    : NULL;
}

DigestCachePlace cli_cache(Cli *cli, const StrVec *folders)
{
    DigestCachePlace place = DIGEST_CACHE_DEFAULTS;
    unsigned char digest[HASH_MAX_BYTES];
    const char *folder = cli->settings->cache ? cache_folder(cli->arena) : NULL;
    Hash hash;
    if (!folder)
        return place;
    hash_begin(&hash, HASH_SHA256);
    for (size_t i = 0; i < folders->len; i++) {
        const char *path = str_z(cli->arena, folders->items[i]);
        char *real = path ? realpath(path, NULL) : NULL;
        if (!real)
            return place;
        hash_add(&hash, (Str){real, strlen(real) + 1}); /* NUL and all: it ends the path */
        free(real);
    }
    hash_end(&hash, digest);
    const char *name = hex_encode(cli->arena, digest, NAME_BYTES);
    place.path = name ? path_join(cli->arena, folder, str_from(name)) : NULL;
    return place;
}

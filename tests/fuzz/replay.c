/* A main for a fuzz target where there is no libFuzzer: runs what the corpus holds, so that what was once found stays found.
 * `replay_TARGET [FILE|FOLDER]...` SPDX-License-Identifier: Apache-2.0
 *
 * TAP on standard output. An input that breaks a rule ends the program, as in the fuzzer: its path was said before. */
#include "base/base.h"

#include <stdio.h>
#include <string.h>

#include "fuzz.h"

static bool replay(const char *path, unsigned *count)
{
    scoped(Arena *, arena_freep) arena = arena_new();
    Error err = {.arena = arena};
    Str bytes;
    if (!arena)
        return false;
    if (!file_read(arena, path, 0, &bytes, &err)) {
        fprintf(stderr, "%s\n", err.message);
        return false;
    }
    /* A copy of the very length, so that a tool that watches memory sees a read past its end. */
    uint8_t *copy = malloc(bytes.len > 0 ? bytes.len : 1);
    if (!copy)
        return false;
    if (bytes.len > 0)
        memcpy(copy, bytes.ptr, bytes.len);
    fprintf(stderr, "# %s\n", path);
    LLVMFuzzerTestOneInput(copy, bytes.len);
    free(copy);
    ++*count;
    return true;
}

int main(int argc, char **argv)
{
    unsigned count = 0;
    for (int i = 1; i < argc; i++) {
        scoped(Arena *, arena_freep) arena = arena_new();
        Error err = {.arena = arena};
        FileInfo info;
        FolderEntryVec entries = {0};
        if (!arena || !file_info(argv[i], &info, &err) || info.kind == FILE_ABSENT) {
            fprintf(stderr, "%s is not there\n", argv[i]);
            return 1;
        }
        if (info.kind != FILE_FOLDER) {
            if (!replay(argv[i], &count))
                return 1;
            continue;
        }
        if (!folder_list(arena, argv[i], &entries, &err)) {
            fprintf(stderr, "%s\n", err.message);
            return 1;
        }
        for (size_t k = 0; k < entries.len; k++) {
            char *path = path_join(arena, argv[i], entries.items[k].name);
            if (!path || !replay(path, &count))
                return 1;
        }
    }
    /* A corpus that is not there would pass for one in which all is well. */
    printf("%s 1 - replayed %u inputs\n1..1\n", count > 0 ? "ok" : "not ok", count);
    return count > 0 ? 0 : 1;
}

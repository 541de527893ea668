/* What script.c offers to the rest of its room: reading many scripts with one set of buffers. SPDX-License-Identifier: Apache-2.0 */
#ifndef WHIMBREL_MIGRATION_SCRIPT_H
#define WHIMBREL_MIGRATION_SCRIPT_H

#include "migration/digest_cache.h"

enum { ALIKE_PARTS = 8 };

/* Buffers that one script after the other uses. */
typedef struct ReadingRoom {
    Arena *arena;   /* of buf */
    Arena *scratch; /* emptied before each script */
    char *buf;
    DigestCache *cache; /* NULL: none */
    /* the digest of the very next script, where it was looked up already; NULL: it was not */
    const unsigned char *known;
    size_t known_len;                     /* of that digest */
    uint64_t known_bytes;                 /* of the file */
    size_t opened;                        /* files */
    bool skips_tokens;                    /* the digest of tokens is not wanted */
    bool leaves_tokens;                   /* nor that of what is new and short */
    const ScriptPart *alike[ALIKE_PARTS]; /* of single parts, the last with so many statements */
    const Arena *alike_in;                /* where these are */
} ReadingRoom;
bool reading_room_open(ReadingRoom *room, Error *err);
void reading_room_close(ReadingRoom *room); /* takes a zeroed one */

/* script_read(), or script_read_parts() with wants_parts. */
bool script_read_in(ReadingRoom *room, Arena *arena, Script *script, const ScriptOptions *options,
                    bool wants_parts, Error *err);

#endif

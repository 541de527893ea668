/* Configuration files of sections with a key and a value a line. SPDX-License-Identifier: Apache-2.0 */
#ifndef WHIMBREL_CONVENTION_INI_H
#define WHIMBREL_CONVENTION_INI_H

#include "convention/peer.h"

typedef struct IniEntry {
    Str section, key, value;
    uint32_t line;
} IniEntry;
typedef Vec(IniEntry) IniEntryVec;

enum {
    INI_CONTINUED = 1 << 0, /* an indented line goes on with the value before it */
    INI_COLONS = 1 << 1,    /* a colon separates as '=' does */
};
/* Blank lines and those that begin with '#' or ';' count for nothing, and so do lines without a separator. */
bool ini_read(Arena *arena, Str text, unsigned flags, IniEntryVec *ret_entries, Error *err);
/* The last one; case does not count in keys. NULL: it is not said. */
const IniEntry *ini_find(const IniEntryVec *entries, Str section, Str key);

#endif

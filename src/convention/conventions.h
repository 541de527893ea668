/* All conventions there are, out of the list in meson.build. SPDX-License-Identifier: Apache-2.0 */
#ifndef WHIMBREL_CONVENTION_CONVENTIONS_H
#define WHIMBREL_CONVENTION_CONVENTIONS_H

#include "convention/each.h" /* made by meson.build: EACH_CONVENTION(DO) is DO(whimbrel) DO(alembic) ... */
#include "convention/history_table.h"

#define DECLARE_CONVENTION(name) extern const Convention convention_##name;
EACH_CONVENTION(DECLARE_CONVENTION)
#undef DECLARE_CONVENTION

/* What one of the folders holds. */
typedef struct FolderList {
    Str folder;
    bool is_there;
    bool has_folders; /* some entry is one */
    bool is_sound;    /* every name is UTF-8, and no link leads nowhere */
    FolderEntryVec entries;
} FolderList;
/* As file_tree_list(), of one of the context's folders or another; not read again if it has been for the recognition. */
bool folder_entries(const ConventionContext *ctx, Arena *arena, const char *folder,
                    FolderEntryVec *ret_entries, Error *err);
/* As convention_recognise() has read it, or from the disk. */
bool folder_look(const ConventionContext *ctx, Arena *arena, Str folder, FolderList *ret_list,
                 Error *err);
/* What folder_look() would give without reading anything; NULL: it would have to. */
const FolderList *folder_known(const ConventionContext *ctx, Str folder);

#endif

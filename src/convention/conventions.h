/* All conventions there are; a new one adds a line here and one in convention.c. SPDX-License-Identifier: Apache-2.0 */
#ifndef WHIMBREL_CONVENTION_CONVENTIONS_H
#define WHIMBREL_CONVENTION_CONVENTIONS_H

#include "convention/history_table.h"

extern const Convention convention_whimbrel;
extern const Convention convention_sqlx;
extern const Convention convention_alembic;
extern const Convention convention_golang_migrate;
extern const Convention convention_goose;
extern const Convention convention_dbmate;
extern const Convention convention_diesel;
extern const Convention convention_flyway;
extern const Convention convention_prisma;
extern const Convention convention_atlas;
extern const Convention convention_refinery;
extern const Convention convention_sqitch;
extern const Convention convention_graphile;
extern const Convention convention_sql_migrate;
extern const Convention convention_node_pg_migrate;
extern const Convention convention_rails;
extern const Convention convention_laravel;
extern const Convention convention_liquibase;
extern const Convention convention_django;

/* What one of the folders holds. */
typedef struct FolderList {
    Str folder;
    bool is_there;
    FolderEntryVec entries;
} FolderList;
/* As file_tree_list(), of one of the context's folders or another; not read again if it has been for the recognition. */
bool folder_entries(const ConventionContext *ctx, Arena *arena, const char *folder,
                    FolderEntryVec *ret_entries, Error *err);
/* As convention_recognise() has read it, or from the disk. */
bool folder_look(const ConventionContext *ctx, Arena *arena, Str folder, FolderList *ret_list,
                 Error *err);

#endif

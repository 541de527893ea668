/* The pieces of whimbrel's own convention, which whimbrel.c puts together: whimbrel_files.c knows its folders, whimbrel_history.c
 * its tables. SPDX-License-Identifier: Apache-2.0 */
#ifndef WHIMBREL_CONVENTION_WHIMBREL_H
#define WHIMBREL_CONVENTION_WHIMBREL_H

#include "convention/conventions.h"

bool whimbrel_scan(const ConventionContext *ctx, Arena *arena, MigrationSet *ret_set, Error *err);
/* Whether the name of a file (not its folder) is one that whimbrel_scan() reads as a migration. */
bool whimbrel_reads_name(Str name);
/* The same of a folder that holds an up.sql. */
bool whimbrel_reads_folder(Str name);
bool whimbrel_new_paths(const ConventionContext *ctx, Arena *arena, const MigrationSet *set,
                        Str name, unsigned new_kind, bool is_numbered, Timestamp now,
                        StrVec *ret_paths, Error *err);

bool whimbrel_history_read(const ConventionContext *ctx, Db *db, Arena *arena, History *ret_history,
                           Error *err);
bool whimbrel_history_prepare(const ConventionContext *ctx, Db *db, Arena *arena,
                              const History *history, DbStatementVec *out, Error *err);
bool whimbrel_history_write(const ConventionContext *ctx, const Db *db, Arena *arena,
                            const HistoryWrite *write, DbStatementVec *out, Error *err);
bool whimbrel_write_prepare(const ConventionContext *ctx, const Db *db, Arena *arena,
                            DbStatementVec *out, Error *err);
bool whimbrel_history_text(const ConventionContext *ctx, Db *db, Arena *arena,
                           const HistoryRow *row, Str *ret_up, bool *ret_has_up, Str *ret_down,
                           bool *ret_has_down, Error *err);
bool whimbrel_runs_read(const ConventionContext *ctx, Db *db, Arena *arena, size_t limit,
                        RunRowVec *ret_runs, Error *err);

#endif

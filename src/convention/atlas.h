/* What the files of Atlas' convention share. SPDX-License-Identifier: Apache-2.0 */
#ifndef WHIMBREL_CONVENTION_ATLAS_H
#define WHIMBREL_CONVENTION_ATLAS_H

#include "convention/peer.h"

/* A migration of which some statements have run: their digests, as the history has them. */
typedef struct AtlasPartial {
    Str version;
    StrVec digests;
} AtlasPartial;

/* What is learnt on the way. */
typedef struct AtlasState {
    bool is_resolved;
    TableName table;
    Vec(AtlasPartial) partials; /* live as long as the history they came with */
    bool has_lock;              /* of SQLite's: its file is ours */
    char lock[32];              /* what we wrote into it */
} AtlasState;

typedef struct AtlasSettings {
    bool is_golang_migrate; /* ?format=golang-migrate */
    bool skips_late;        /* exec_order = LINEAR_SKIP: what came late has no turn */
    AtlasState *state;
} AtlasSettings;

/* One file of migrations, and what is worked out of it when it is asked for. */
typedef struct AtlasFile {
    Str path;
    Str digest; /* its line in atlas.sum, without "h1:"; empty: it has none */
    bool has_statements;
    StrVec texts, digests; /* of its statements, as Atlas takes them */
} AtlasFile;

/* MigrationSet.own */
typedef struct AtlasSet {
    Arena *arena;         /* lives as long as the set */
    Vec(AtlasFile) files; /* sorted by path */
} AtlasSet;

/* Convention.scan and .settle_files */
bool atlas_scan(const ConventionContext *ctx, Arena *arena, MigrationSet *ret_set, Error *err);
bool atlas_settle_files(const ConventionContext *ctx, Arena *arena, bool does, Str *ret_sentence,
                        Error *err);
/* atlas.sum for these files, in any order. */
bool atlas_sum_of(Arena *arena, const TreeFileVec *files, Str *ret_text, Error *err);
/* Whether new files are to be golang-migrate's. */
bool atlas_is_golang_migrate(const ConventionContext *ctx, Arena *arena, bool *ret_is, Error *err);
/* The file of a migration; NULL: it is not known. */
AtlasFile *atlas_file(const ConventionContext *ctx, const Migration *migration);
/* Fills in texts and digests. */
bool atlas_statements(const ConventionContext *ctx, const Migration *migration, AtlasFile *file,
                      Error *err);

/* Convention.check: what the checks of a file find. */
bool atlas_check(const ConventionContext *ctx, Db *db, Arena *arena, const Migration *migration,
                 ConventionVerdict *ret_verdict, const char **ret_why, Error *err);

/* Under which name it locks. */
#define ATLAS_LOCK "atlas_migrate_execute"
/* Convention.lock_try, .lock_give and .lock_holder: of SQLite alone. */
bool atlas_lock_try(const ConventionContext *ctx, Db *db, Arena *arena, bool *ret_is_ours,
                    DbSession *ret_holder, Error *err);
bool atlas_lock_give(const ConventionContext *ctx, Db *db, Arena *arena, const DbSession *holder,
                     Error *err);
bool atlas_lock_holder(const ConventionContext *ctx, Db *db, Arena *arena, DbSession *ret_holder,
                       bool *ret_has, Error *err);

/* Reads atlas.hcl as far as it says things literally; sets ctx->own. */
bool atlas_configure(ConventionContext *ctx, Arena *arena, Error *err);

#endif

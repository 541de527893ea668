/* Between the files of the Sqitch convention. SPDX-License-Identifier: Apache-2.0 */
#ifndef WHIMBREL_CONVENTION_SQITCH_H
#define WHIMBREL_CONVENTION_SQITCH_H

#include "convention/peer.h"

/* ---- sqitch_conf.c: sqitch.conf ------------------------------------------------------------------------------ */

typedef struct SqitchSettings {
    const char *plan_path;
    const char *top, *deploy, *revert, *verify; /* folders */
    const char *reworked_deploy, *reworked_revert,
        *reworked_verify; /* of changes that were reworked later */
    Str engine;           /* "pg" */
    Str extension;        /* "sql" */
    Str registry;         /* schema, database, or file of SQLite */
    Str user, email;      /* who commits */
    StrVec variables;     /* names that its client would fill in */
} SqitchSettings;

/* Fills ctx->own and what the configuration says of the database; */
bool sqitch_configure(ConventionContext *ctx, Arena *arena, Error *err);

/* ---- sqitch_plan.c: sqitch.plan and its scripts --------------------------------------------------------------- */

typedef struct SqitchDep {
    bool is_conflict;
    Str project, change, tag, id; /* empty: not given */
    Str text;                     /* as it is written down in ids and in the registry */
} SqitchDep;

/* What a change and a tag have in common. */
typedef struct SqitchMark {
    Str name, id, note, planner, email, date; /* date: "2026-01-01T00:00:00Z" */
} SqitchMark;

typedef struct SqitchChange {
    SqitchMark mark;
    Vec(SqitchDep) deps;
    Vec(SqitchMark) tags;
    Str version; /* as it is called here: its name, with a tag where a later one has that name too */
    Str file;    /* below the folders of scripts, without the extension */
    bool is_reworked;
    uint32_t line;
} SqitchChange;

/* In MigrationSet.own. */
typedef struct SqitchPlan {
    Str project, uri;
    Vec(SqitchChange) changes;
} SqitchPlan;

bool sqitch_plan_read(const ConventionContext *ctx, Arena *arena, const char *path, Str text,
                      SqitchPlan *ret_plan, Error *err);
/* The change that a dependency means; NULL: none of this plan. */
const SqitchChange *sqitch_find(const SqitchPlan *plan, const SqitchDep *dep);
bool sqitch_is_name(Str name);
/* The script of the change, should it be there, that tests it. */
bool sqitch_verify_script(const ConventionContext *ctx, Arena *arena, const Migration *migration,
                          Script **ret_script, Error *err);
/* Convention.new_paths, new_text, new_listed and rework_files. */
bool sqitch_rework_files(const ConventionContext *ctx, Arena *arena, const MigrationSet *set,
                         TreeFileVec *ret_files, Error *err);
bool sqitch_new_paths(const ConventionContext *ctx, Arena *arena, const MigrationSet *set, Str name,
                      unsigned new_kind, bool is_numbered, Timestamp now, StrVec *ret_paths,
                      Error *err);
bool sqitch_new_text(const ConventionContext *ctx, Arena *arena, const StrVec *paths, size_t index,
                     Str text, Str *ret_text, Error *err);
bool sqitch_new_listed(const ConventionContext *ctx, Arena *arena, const MigrationSet *set,
                       const char **ret_path, Str *ret_text, Error *err);
/* Convention.draft_files and draft_losses. */
bool sqitch_draft_files(const ConventionContext *ctx, Arena *arena, const DraftVec *drafts,
                        TreeFileVec *ret_files, Error *err);
bool sqitch_draft_losses(const ConventionContext *ctx, const MigrationSet *set, Arena *arena,
                         StrVec *losses, Error *err);
bool sqitch_scan(const ConventionContext *ctx, Arena *arena, MigrationSet *ret_set, Error *err);

#endif

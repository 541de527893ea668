/* What the files of api/ share: the handle, one call on it, and texts that go out. SPDX-License-Identifier: Apache-2.0 */
#ifndef WHIMBREL_API_HANDLE_H
#define WHIMBREL_API_HANDLE_H

#include <stdatomic.h>

#include "base/base.h"
#include "convention/convention.h"
#include "db/db.h"
#include "migration/migration.h"
#include "plan/plan.h"
#include "run/run.h"
#include "sql/sql.h"
#include "whimbrel/whimbrel.h"

struct Whimbrel {
    Arena *arena;
    Arena *event_arena;      /* texts of one event */
    WhimbrelOptions options; /* texts in arena */
    DbUrl url;               /* driver NULL: adopted */
    Db *db;
    DbCancel cancel;
    FileTree tree;
    ConventionContext context;
    SqlPlaceholderVec placeholders;
    /* whimbrel_cancel() sets the one and writes to the other, so that a driver that waits in poll() wakes up */
    atomic_bool is_cancelled;
    int wake[2];
};

/* One call of the API: its memory, which goes to the result, and what run/ needs. */
typedef struct Call {
    Whimbrel *whimbrel;
    Arena *arena;
    Error err;
    ConventionContext context;
    MigrationSet set;
    Runner runner;
} Call;

/* A copy of err that stands by itself; of a static one when memory is out. ret_error may be NULL. */
WhimbrelStatus error_report(const Error *err, const char *migration, WhimbrelError **ret_error);
/* Fills an error whose texts are err's own. */
void error_fill(const Error *err, const char *migration, WhimbrelError *ret_error);

/* The public word for it. */
WhimbrelMigrationKind migration_kind_of(MigrationKind kind);

/* The sink of run/, calling the program's event callback. */
void deliver_event(void *ctx, const Event *event);
void deliver_notice(void *ctx, Str severity, Str message);

/* Copies of texts, NUL-terminated. z_or_null gives NULL for an empty one. A failure is noted in *has_failed. */
const char *z(Arena *arena, Str text, bool *has_failed);
const char *z_or_null(Arena *arena, Str text, bool *has_failed);

/* What goes out, built in arena; NULL when memory is out. The arena then belongs to it. */
WhimbrelOverview *overview_out(Arena *arena, const Call *call, const Overview *overview);
WhimbrelPlan *plan_out(Arena *arena, const Plan *plan);
WhimbrelResult *result_out(Arena *arena, const RunResult *result);

#endif

/* Overviews, plans and results as they leave the library: arrays of pointers, so that the structs may grow, in the arena
 * of the call that made them. SPDX-License-Identifier: Apache-2.0 */
#include "api/handle.h"

typedef struct OverviewBox {
    WhimbrelOverview overview; /* first: it is what the program has a pointer to */
    Arena *arena;
} OverviewBox;

typedef struct PlanBox {
    WhimbrelPlan plan;
    Arena *arena;
} PlanBox;

typedef struct ResultBox {
    WhimbrelResult result;
    Arena *arena;
} ResultBox;

WhimbrelMigrationKind migration_kind_of(MigrationKind kind)
{
    switch (kind) {
    case MIGRATION_VERSIONED:
        return WHIMBREL_VERSIONED;
    case MIGRATION_REPEATABLE:
        return WHIMBREL_REPEATABLE;
    case MIGRATION_BASELINE:
        return WHIMBREL_BASELINE;
    }
    return WHIMBREL_VERSIONED;
}

static WhimbrelMigrationState state_of(MigrationState state)
{
    switch (state) {
    case STATE_APPLIED:
        return WHIMBREL_APPLIED;
    case STATE_PENDING:
        return WHIMBREL_PENDING;
    case STATE_FAILED:
        return WHIMBREL_FAILED;
    case STATE_PARTIAL:
        return WHIMBREL_PARTIAL;
    case STATE_CHANGED:
        return WHIMBREL_CHANGED;
    case STATE_MISSING:
        return WHIMBREL_MISSING;
    case STATE_OUT_OF_ORDER:
        return WHIMBREL_LATE;
    case STATE_OUTDATED:
        return WHIMBREL_OUTDATED;
    case STATE_SKIPPED:
        return WHIMBREL_SKIPPED;
    case STATE_BASELINED:
        return WHIMBREL_BASELINED;
    }
    return WHIMBREL_PENDING;
}

const char *whimbrel_migration_state_name(WhimbrelMigrationState state)
{
    for (int own = STATE_APPLIED; own <= STATE_BASELINED; own++)
        if (state_of((MigrationState)own) == state)
            return migration_state_name((MigrationState)own);
    return "unknown";
}

static WhimbrelDatabaseState overall_of(OverallState state)
{
    switch (state) {
    case OVERALL_UP_TO_DATE:
        return WHIMBREL_UP_TO_DATE;
    case OVERALL_PENDING:
        return WHIMBREL_HAS_PENDING;
    case OVERALL_FAILED:
        return WHIMBREL_HAS_FAILED;
    case OVERALL_DIVERGED:
        return WHIMBREL_DIVERGED;
    }
    return WHIMBREL_DIVERGED;
}

const char *whimbrel_database_state_name(WhimbrelDatabaseState state)
{
    for (int own = OVERALL_UP_TO_DATE; own <= OVERALL_DIVERGED; own++)
        if (overall_of((OverallState)own) == state)
            return overall_state_name((OverallState)own);
    return "unknown";
}

static double milliseconds(int64_t us)
{
    return us < 0 ? -1 : (double)us / 1000;
}

/* ---- the overview --------------------------------------------------------------------------------------------- */

static const WhimbrelMigration *migration_out(Arena *arena, const StateRow *row, bool *has_failed)
{
    WhimbrelMigration *out = arena_alloc(arena, sizeof *out);
    const HistoryRow *history = row->row;
    const Script *up = row->migration ? row->migration->up : NULL;
    if (!out) {
        *has_failed = true;
        return NULL;
    }
    *out = (WhimbrelMigration){
        .size = sizeof *out,
        .version = z(arena, row->version, has_failed),
        .name = z(arena, row->name, has_failed),
        .kind = migration_kind_of(row->kind),
        .state = state_of(row->state),
        .path = up ? up->path : NULL,
        .is_reversible = row->is_reversible,
        .duration_ms = -1,
    };
    if (up && up->checksum.len > 0)
        out->checksum = z(arena, up->checksum, has_failed);
    else if (history)
        out->checksum = z_or_null(arena, history->checksum, has_failed);
    if (history) {
        Timestamp at =
            history->finished_at != TIMESTAMP_UNKNOWN ? history->finished_at : history->started_at;
        char text[TIMESTAMP_TEXT];
        if (at != TIMESTAMP_UNKNOWN)
            out->applied_at = z(arena, str_from(timestamp_iso(at, text)), has_failed);
        out->duration_ms = milliseconds(history->duration_us);
        out->applied_by = z_or_null(arena, history->applied_by, has_failed);
        out->run = history->run;
    }
    return out;
}

WhimbrelOverview *overview_out(Arena *arena, const Call *call, const Overview *overview)
{
    OverviewBox *box = arena_alloc(arena, sizeof *box);
    const WhimbrelMigration **migrations =
        arena_alloc(arena, overview->rows.len * sizeof *migrations);
    const DbInfo *info = &call->whimbrel->db->info;
    bool has_failed = !box || !migrations;
    for (size_t i = 0; i < overview->rows.len && !has_failed; i++)
        migrations[i] = migration_out(arena, &overview->rows.items[i], &has_failed);
    if (has_failed)
        return NULL;
    box->arena = arena;
    box->overview = (WhimbrelOverview){
        .size = sizeof box->overview,
        .state = overall_of(overview->state),
        .engine = z(arena, str_from(info->engine), &has_failed),
        .server_version = z(arena, str_from(info->version), &has_failed),
        .database = z(arena, str_from(info->database), &has_failed),
        .convention = call->context.convention->name,
        .current = z_or_null(arena, overview->current, &has_failed),
        .head = z_or_null(arena, overview->head, &has_failed),
        .applied = overview->applied,
        .pending = overview->pending,
        .outdated = overview->outdated,
        .wrong = overview->wrong,
        .migrations = migrations,
        .migration_count = overview->rows.len,
    };
    return has_failed ? NULL : &box->overview;
}

void whimbrel_overview_free(WhimbrelOverview *overview)
{
    if (overview)
        arena_free(((OverviewBox *)(void *)overview)->arena);
}

/* ---- the plan ----------------------------------------------------------------------------------------------------- */

static const WhimbrelStep *step_out(Arena *arena, const PlanStep *step, bool *has_failed)
{
    WhimbrelStep *out = arena_alloc(arena, sizeof *out);
    if (!out) {
        *has_failed = true;
        return NULL;
    }
    *out = (WhimbrelStep){
        .size = sizeof *out,
        .version = z(arena, step_version(step), has_failed),
        .name = z(arena, step_name(step), has_failed),
        .kind = migration_kind_of(step->migration_kind),
        .path = step->script && !step->is_stored_down ? step->script->path : NULL,
        .is_down = step->kind == STEP_DOWN,
        .is_fake = step->is_fake || step->kind == STEP_SKIP,
        .is_transactional =
            step->segments.len == 1 && step->segments.items[0].kind == SEGMENT_TRANSACTION,
    };
    for (size_t i = 0; i < step->segments.len; i++)
        out->statements += step->segments.items[i].count;
    return out;
}

static const WhimbrelProblem *problem_out(Arena *arena, const Problem *problem, bool *has_failed)
{
    WhimbrelProblem *out = arena_alloc(arena, sizeof *out);
    if (!out) {
        *has_failed = true;
        return NULL;
    }
    *out = (WhimbrelProblem){
        .size = sizeof *out,
        .code = problem->code,
        .stops = problem->stops,
        .version = z(arena, problem->version, has_failed),
        .name = z(arena, problem->name, has_failed),
        .file = problem->pos.file,
        .line = problem->pos.line,
        .column = problem->pos.column,
        .message = problem->message ? problem->message : "",
        .detail = problem->detail,
        .hint = problem->hint,
    };
    return out;
}

WhimbrelPlan *plan_out(Arena *arena, const Plan *plan)
{
    PlanBox *box = arena_alloc(arena, sizeof *box);
    const WhimbrelStep **steps = arena_alloc(arena, plan->steps.len * sizeof *steps);
    const WhimbrelProblem **problems = arena_alloc(arena, plan->problems.len * sizeof *problems);
    bool has_failed = !box || !steps || !problems;
    for (size_t i = 0; i < plan->steps.len && !has_failed; i++)
        steps[i] = step_out(arena, &plan->steps.items[i], &has_failed);
    for (size_t i = 0; i < plan->problems.len && !has_failed; i++)
        problems[i] = problem_out(arena, &plan->problems.items[i], &has_failed);
    if (has_failed)
        return NULL;
    box->arena = arena;
    box->plan = (WhimbrelPlan){
        .size = sizeof box->plan,
        .steps = steps,
        .step_count = plan->steps.len,
        .problems = problems,
        .problem_count = plan->problems.len,
        .stops = plan->stops,
        .target = z_or_null(arena, plan->target, &has_failed),
    };
    return has_failed ? NULL : &box->plan;
}

void whimbrel_plan_free(WhimbrelPlan *plan)
{
    if (plan)
        arena_free(((PlanBox *)(void *)plan)->arena);
}

/* ---- the result ------------------------------------------------------------------------------------------------------ */

static const WhimbrelDone *const *items_out(Arena *arena, const RunItemVec *items, bool *has_failed)
{
    const WhimbrelDone **out = arena_alloc(arena, items->len * sizeof *out);
    if (!out)
        *has_failed = true;
    for (size_t i = 0; i < items->len && !*has_failed; i++) {
        const RunItem *item = &items->items[i];
        WhimbrelDone *done = arena_alloc(arena, sizeof *done);
        if (!done) {
            *has_failed = true;
            return NULL;
        }
        *done = (WhimbrelDone){
            .size = sizeof *done,
            .version = z(arena, item->version, has_failed),
            .name = z(arena, item->name, has_failed),
            .kind = migration_kind_of(item->kind),
            .duration_ms = milliseconds(item->duration_us),
            .is_fake = item->is_fake,
        };
        out[i] = done;
    }
    return out;
}

static const char *const *sentences_out(Arena *arena, const StrVec *sentences, bool *has_failed)
{
    const char **out = arena_alloc(arena, (sentences->len + 1) * sizeof *out);
    if (!out)
        *has_failed = true;
    for (size_t i = 0; i < sentences->len && !*has_failed; i++)
        out[i] = z(arena, sentences->items[i], has_failed);
    return out;
}

WhimbrelResult *result_out(Arena *arena, const RunResult *result)
{
    ResultBox *box = arena_alloc(arena, sizeof *box);
    bool has_failed = !box;
    if (!box)
        return NULL;
    box->arena = arena;
    box->result = (WhimbrelResult){
        .size = sizeof box->result,
        .run = result->run,
        .applied = items_out(arena, &result->applied, &has_failed),
        .applied_count = result->applied.len,
        .rolled_back = items_out(arena, &result->rolled_back, &has_failed),
        .rolled_back_count = result->rolled_back.len,
        .duration_ms = milliseconds(result->duration_us),
        .state = overall_of(result->state),
        .current = z_or_null(arena, result->current, &has_failed),
        .is_dry_run = result->is_dry_run,
        .failed_name = z_or_null(arena, result->failed_name, &has_failed),
        .failed_path = result->failed_path,
        .failed_statement = result->failed_statement,
        .failed_done = result->failed_done,
        .failed_total = result->failed_total,
        .is_fate_unknown = result->is_fate_unknown,
        .holds = sentences_out(arena, &result->holds, &has_failed),
    };
    if (result->failed_version.len > 0 || result->failed_name.len > 0)
        box->result.failed_version = z(arena, result->failed_version, &has_failed);
    return has_failed ? NULL : &box->result;
}

void whimbrel_result_free(WhimbrelResult *result)
{
    if (result)
        arena_free(((ResultBox *)(void *)result)->arena);
}

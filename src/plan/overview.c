/* Merges files and history into the state of every migration. SPDX-License-Identifier: Apache-2.0
 *
 * Both sides are sorted by version and walked once side by side, so the work grows with their number and nothing else.
 * docs/planning.md holds the table of states that this file makes true. */
#include "plan/planner.h"

const char *migration_state_name(MigrationState state)
{
    switch (state) {
    case STATE_APPLIED:
        return "applied";
    case STATE_PENDING:
        return "pending";
    case STATE_FAILED:
        return "failed";
    case STATE_PARTIAL:
        return "partial";
    case STATE_CHANGED:
        return "changed";
    case STATE_MISSING:
        return "missing";
    case STATE_OUT_OF_ORDER:
        return "out-of-order";
    case STATE_OUTDATED:
        return "outdated";
    case STATE_SKIPPED:
        return "skipped";
    case STATE_BASELINED:
        return "baselined";
    }
    return "";
}

const char *overall_state_name(OverallState state)
{
    switch (state) {
    case OVERALL_UP_TO_DATE:
        return "up-to-date";
    case OVERALL_PENDING:
        return "pending";
    case OVERALL_FAILED:
        return "failed";
    case OVERALL_DIVERGED:
        return "diverged";
    }
    return "";
}

bool script_is_excluded(const Script *script, const PlanPolicy *policy)
{
    const StrVec *engines = &script->head->engines;
    Str engine = str_from(policy->engine);
    if (engines->len == 0)
        return false;
    for (size_t i = 0; i < engines->len; i++) {
        if (str_eq_nocase(engines->items[i], engine))
            return false;
        if (str_eq_nocase(engines->items[i], STR("mysql")) && str_eq(engine, STR("mariadb")))
            return false;
    }
    return true;
}

bool script_differs(const HistoryRow *row, const Script *script, bool *ret_new_bytes)
{
    const ScriptForm *form = script->form;
    bool has_bytes = row->checksum.len > 0 && script->checksum.len > 0;
    bool is_same_bytes = has_bytes && ((form && form->takes_any_checksum) ||
                                       str_eq_nocase(row->checksum, script->checksum));
    for (size_t i = 0; form && has_bytes && !is_same_bytes && i < form->other_checksums.len; i++)
        is_same_bytes = str_eq_nocase(row->checksum, form->other_checksums.items[i]);
    if (row->tokens.len > 0 && script->tokens.len > 0) {
        bool differs = !str_eq_nocase(row->tokens, script->tokens);
        if (ret_new_bytes)
            *ret_new_bytes = !differs && has_bytes && !is_same_bytes;
        return differs;
    }
    if (ret_new_bytes)
        *ret_new_bytes = false;
    return has_bytes && !is_same_bytes;
}

/* ---- the history, sorted --------------------------------------------------------------------- */

/* Rows of the history by version or by name; of several with the same key only the last one, which is what holds now. */
typedef struct Sorted {
    const HistoryRow **items;
    size_t len;
} Sorted;

static int compare_versions(const VersionOrder *versions, const HistoryRow *a, const HistoryRow *b)
{
    return version_order_compare(versions, a->version, b->version);
}

static int compare_names(const VersionOrder *versions, const HistoryRow *a, const HistoryRow *b)
{
    (void)versions;
    return str_cmp(a->name, b->name);
}

/* Rows come from one array in order of application, so that their addresses tell which is the later one. */
static int by_version(const void *a, const void *b, void *ctx)
{
    const VersionOrder *versions = *(const VersionOrder *const *)ctx;
    const HistoryRow *left = *(const HistoryRow *const *)a, *right = *(const HistoryRow *const *)b;
    int order = compare_versions(versions, left, right);
    return order ? order : (left > right) - (left < right);
}

static int by_name(const void *a, const void *b, void *ctx)
{
    const VersionOrder *versions = *(const VersionOrder *const *)ctx;
    const HistoryRow *left = *(const HistoryRow *const *)a, *right = *(const HistoryRow *const *)b;
    int order = compare_names(versions, left, right);
    return order ? order : (left > right) - (left < right);
}

static bool sort_history(Arena *arena, const History *history, const VersionOrder *versions,
                         bool is_repeatable, Sorted *ret)
{
    size_t count = 0;
    for (size_t i = 0; i < history->rows.len; i++)
        count += (history->rows.items[i].kind == MIGRATION_REPEATABLE) == is_repeatable;
    *ret = (Sorted){0};
    if (count == 0)
        return true;
    ret->items = arena_alloc(arena, count * sizeof *ret->items);
    if (!ret->items)
        return false;

    int (*compare)(const VersionOrder *, const HistoryRow *, const HistoryRow *) =
        is_repeatable ? compare_names : compare_versions;
    bool is_sorted = true; /* nearly always: histories are mostly applied in order */
    for (size_t i = 0; i < history->rows.len; i++) {
        const HistoryRow *row = &history->rows.items[i];
        if ((row->kind == MIGRATION_REPEATABLE) != is_repeatable)
            continue;
        if (ret->len > 0 && compare(versions, ret->items[ret->len - 1], row) > 0)
            is_sorted = false;
        ret->items[ret->len++] = row;
    }
    if (!is_sorted)
        qsort_r(ret->items, ret->len, sizeof *ret->items, is_repeatable ? by_name : by_version,
                &versions);

    size_t kept = 0;
    for (size_t i = 0; i < ret->len; i++) {
        if (kept > 0 && compare(versions, ret->items[kept - 1], ret->items[i]) == 0)
            kept--;
        ret->items[kept++] = ret->items[i];
    }
    ret->len = kept;
    return true;
}

/* ---- one pair -------------------------------------------------------------------------------- */

typedef struct Merge {
    const PlanPolicy *policy;
    const VersionOrder *versions;
    bool is_fresh;     /* nothing was ever applied or recorded here */
    bool has_baseline; /* recorded in the history */
    Str baseline;
    bool has_newest, has_optional_baselines;
    Str newest;                /* applied, even if only in part */
    Str current;               /* applied wholly, or baselined */
    const Migration *begin;    /* the baseline file a fresh database begins with; NULL: none */
    const Migration *cover;    /* the newest baseline file */
    const unsigned char *done; /* PLAN_DONE_ of each migration of the set; NULL: nothing but rows */
} Merge;

bool is_nothing_kept(const HistoryRow *row)
{
    return row->outcome == HISTORY_RUNNING_UP && row->has_journal && row->done == 0 &&
           !row->is_fate_unknown;
}

static void note_history(Merge *merge, const HistoryRow *row)
{
    bool is_whole = row->outcome == HISTORY_APPLIED || row->outcome == HISTORY_BASELINED;
    if (row->outcome != HISTORY_SKIPPED)
        merge->is_fresh = false;
    if (is_whole)
        merge->current = row->version;
    if (is_whole || row->outcome == HISTORY_RUNNING_DOWN ||
        (row->outcome == HISTORY_RUNNING_UP && !is_nothing_kept(row))) {
        merge->has_newest = true;
        merge->newest = row->version;
    }
    /* A baseline script covers what is below it from its first statement on, and after it was marked as deleted. */
    if (row->outcome == HISTORY_BASELINED ||
        (row->kind == MIGRATION_BASELINE && row->outcome != HISTORY_SKIPPED)) {
        merge->has_baseline = true;
        merge->baseline = row->version;
    }
}

static void merge_files(Merge *merge, const MigrationSet *set, Str ceiling)
{
    for (size_t i = 0; i < set->migrations.len; i++) {
        const Migration *m = &set->migrations.items[i];
        if (m->kind != MIGRATION_BASELINE || !m->up || script_is_excluded(m->up, merge->policy))
            continue;
        merge->cover = m;
        if (merge->is_fresh &&
            (ceiling.len == 0 || version_order_compare(merge->versions, m->version, ceiling) <= 0))
            merge->begin = m;
    }
}

static MigrationState state_of_file(const Merge *merge, const Migration *m)
{
    if (!m->up || script_is_excluded(m->up, merge->policy))
        return STATE_SKIPPED;
    if (m->kind == MIGRATION_BASELINE) {
        /* A database that never came as far cannot take it, and is not up to date either: the plan says so. */
        bool is_behind = !merge->is_fresh && !merge->has_optional_baselines && m == merge->cover &&
                         (!merge->has_newest ||
                          version_order_compare(merge->versions, merge->newest, m->version) < 0);
        return m == merge->begin || is_behind ? STATE_PENDING : STATE_SKIPPED;
    }
    if (merge->begin &&
        version_order_compare(merge->versions, m->version, merge->begin->version) <= 0)
        return STATE_SKIPPED;
    if (merge->has_baseline &&
        version_order_compare(merge->versions, m->version, merge->baseline) <= 0)
        return STATE_SKIPPED;
    /* A contract migration waits for its own time while later ones go on: being late is its nature. */
    if (merge->has_newest &&
        version_order_compare(merge->versions, m->version, merge->newest) < 0 &&
        m->up->head->phase != PHASE_CONTRACT && !m->may_come_late)
        return STATE_OUT_OF_ORDER;
    return STATE_PENDING;
}

static MigrationState state_of_row(const Merge *merge, const Migration *m, const HistoryRow *row,
                                   bool *ret_new_bytes)
{
    switch (row->outcome) {
    case HISTORY_BASELINED:
        return STATE_BASELINED;
    case HISTORY_FAILED:
        return STATE_FAILED;
    case HISTORY_RUNNING_UP:
        return is_nothing_kept(row) ? STATE_FAILED : STATE_PARTIAL;
    case HISTORY_RUNNING_DOWN:
        return STATE_PARTIAL;
    case HISTORY_DELETED:
        return STATE_SKIPPED;
    case HISTORY_SKIPPED:
        return m && m->up ? state_of_file(merge, m) : STATE_SKIPPED;
    case HISTORY_APPLIED:
        break;
    }
    if (!m) /* a squash leaves the rows of what it put together, and a file that stands for them */
        return merge->cover && version_order_compare(merge->versions, row->version,
                                                     merge->cover->version) <= 0
                   ? STATE_APPLIED
                   : STATE_MISSING;
    if (m->up && m->reruns != RERUNS_NEVER && !script_is_excluded(m->up, merge->policy))
        return m->reruns == RERUNS_ALWAYS || script_differs(row, m->up, ret_new_bytes)
                   ? STATE_OUTDATED
                   : STATE_APPLIED;
    if (m->up && script_differs(row, m->up, ret_new_bytes))
        return STATE_CHANGED;
    return STATE_APPLIED;
}

static MigrationState state_of_repeatable(const Merge *merge, const Migration *m,
                                          const HistoryRow *row, bool *ret_new_bytes)
{
    bool can_run = m && m->up && !script_is_excluded(m->up, merge->policy);
    if (!row)
        return can_run ? STATE_PENDING : STATE_SKIPPED;
    switch (row->outcome) {
    case HISTORY_FAILED:
        return STATE_FAILED;
    case HISTORY_RUNNING_UP:
        return is_nothing_kept(row) ? STATE_FAILED : STATE_PARTIAL;
    case HISTORY_RUNNING_DOWN:
        return STATE_PARTIAL;
    case HISTORY_DELETED:
        return can_run ? STATE_OUTDATED : STATE_SKIPPED;
    case HISTORY_SKIPPED:
        return can_run ? STATE_PENDING : STATE_SKIPPED;
    case HISTORY_BASELINED:
    case HISTORY_APPLIED:
        break;
    }
    if (!m || !m->up)
        return row->outcome == HISTORY_BASELINED ? STATE_BASELINED : STATE_MISSING;
    if (can_run && script_differs(row, m->up, ret_new_bytes))
        return STATE_OUTDATED;
    return row->outcome == HISTORY_BASELINED ? STATE_BASELINED : STATE_APPLIED;
}

/* "create users" and "create_users" are one name: some tools keep it with blanks. */
static bool is_same_name(Str a, Str b)
{
    if (a.len != b.len)
        return false;
    for (size_t i = 0; i < a.len; i++) {
        char left = a.ptr[i] == ' ' ? '_' : a.ptr[i], right = b.ptr[i] == ' ' ? '_' : b.ptr[i];
        if (left != right)
            return false;
    }
    return true;
}

/* An implicit commit is the engine's habit and no property of the migration: it is not counted. */
static bool is_outside_transaction(const Script *script, const PlanPolicy *policy)
{
    if (script->head->no_transaction)
        return true;
    for (size_t i = 0; i < script->parts.len; i++) {
        const ScriptPart *part = &script->parts.items[i];
        if (part->class == PART_LONE || part->directives->no_transaction ||
            (part->class == PART_LONE_BEFORE && policy->server_version < part->since))
            return true;
    }
    return false;
}

static StateRow make_row(const Merge *merge, const Migration *m, const HistoryRow *row)
{
    StateRow state = {.migration = m, .row = row};
    state.kind = m ? m->kind : row->kind;
    state.version = m ? m->version : row->version;
    state.name = m ? m->name : row->name;
    if (state.kind == MIGRATION_REPEATABLE)
        state.state = state_of_repeatable(merge, m, row, &state.has_new_bytes);
    else
        state.state =
            row ? state_of_row(merge, m, row, &state.has_new_bytes) : state_of_file(merge, m);
    state.has_new_name =
        m && row && row->name.len > 0 && m->name.len > 0 && !is_same_name(m->name, row->name);
    state.is_reversible = state.kind != MIGRATION_REPEATABLE &&
                          ((m && migration_has_down(m)) || (row && row->has_down_text));
    state.is_no_transaction = m && m->up && is_outside_transaction(m->up, merge->policy);
    return state;
}

/* ---- all of them ----------------------------------------------------------------------------- */

/* Whether this file and this row, which share a version, are not the same thing: the file is a baseline that was put in
 * the place of the migration that the row tells of. Then the row stands and the file has no part. */
static bool is_replaced(const Migration *m, const HistoryRow *row)
{
    return m->kind == MIGRATION_BASELINE && row->kind != MIGRATION_BASELINE &&
           row->outcome != HISTORY_BASELINED;
}

static int compare_pair(const VersionOrder *versions, const Migration *m, const HistoryRow *row,
                        bool is_repeatable)
{
    return is_repeatable ? str_cmp(m->name, row->name)
                         : version_order_compare(versions, m->version, row->version);
}

/* Files [from, to) and rows, side by side. */
typedef struct Pairs {
    const Merge *merge;
    const MigrationSet *set;
    const Sorted *rows;
    bool is_repeatable;
    size_t file, to, at;
    const Migration *migration; /* of the pair; NULL: no file */
    const HistoryRow *row;      /* NULL: never applied */
    HistoryRow done;            /* what row points to where no row was read */
} Pairs;

static Pairs pairs_of(const Merge *merge, const MigrationSet *set, size_t from, size_t to,
                      const Sorted *rows, bool is_repeatable)
{
    return (Pairs){.merge = merge,
                   .set = set,
                   .rows = rows,
                   .is_repeatable = is_repeatable,
                   .file = from,
                   .to = to};
}

static HistoryRow row_of_done(const Migration *m, bool is_skipped)
{
    return (HistoryRow){.version = m->version,
                        .name = m->name,
                        .kind = m->kind,
                        .outcome = is_skipped ? HISTORY_SKIPPED : HISTORY_APPLIED,
                        .checksum = m->up ? m->up->checksum : (Str){0},
                        .tokens = m->up ? m->up->tokens : (Str){0}};
}

static bool pairs_next(Pairs *pairs)
{
    const Merge *merge = pairs->merge;
    const Migration *m =
        pairs->file < pairs->to ? &pairs->set->migrations.items[pairs->file] : NULL;
    const HistoryRow *row = pairs->at < pairs->rows->len ? pairs->rows->items[pairs->at] : NULL;
    if (!m && !row)
        return false;
    int order = !row ? -1 : !m ? 1 : compare_pair(merge->versions, m, row, pairs->is_repeatable);
    if (order > 0)
        m = NULL;
    if (order < 0)
        row = NULL;
    unsigned char done = m && merge->done ? merge->done[pairs->file] : 0;
    if (done) {
        pairs->done = row_of_done(m, done == PLAN_DONE_SKIPPED);
        row = &pairs->done;
    }
    pairs->file += order <= 0;
    pairs->at += order >= 0;
    if (m && row && is_replaced(m, row))
        m = NULL;
    pairs->migration = m;
    pairs->row = row;
    return true;
}

/* What the history alone tells. */
static void merge_history(Merge *merge, Pairs pairs)
{
    merge->is_fresh = true;
    while (pairs_next(&pairs))
        if (pairs.row)
            note_history(merge, pairs.row);
}

static size_t count_pairs(Pairs pairs)
{
    size_t count = 0;
    while (pairs_next(&pairs))
        count++;
    return count;
}

static void add_pairs(Pairs pairs, StateRowVec *out)
{
    while (pairs_next(&pairs))
        out->items[out->len++] = make_row(pairs.merge, pairs.migration, pairs.row);
}

typedef struct Tally {
    uint32_t applied, pending, outdated, wrong;
    bool has_failed, has_diverged;
} Tally;

static void count_state(Tally *tally, const StateRow *row, const PlanPolicy *policy)
{
    bool is_allowed = false;
    switch (row->state) {
    case STATE_APPLIED:
    case STATE_BASELINED:
        tally->applied++;
        return;
    case STATE_PENDING:
        tally->pending++;
        return;
    case STATE_OUTDATED:
        tally->outdated++;
        return;
    case STATE_SKIPPED:
        return;
    case STATE_OUT_OF_ORDER:
        if (policy->allows_out_of_order) {
            tally->pending++;
            return;
        }
        break;
    case STATE_CHANGED:
        break;
    case STATE_MISSING:
        is_allowed = policy->allows_missing || row->row->is_tolerated;
        break;
    case STATE_FAILED:
    case STATE_PARTIAL:
        tally->wrong++;
        tally->has_failed = true;
        return;
    }
    if (is_allowed) {
        tally->applied++;
    } else {
        tally->wrong++;
        tally->has_diverged = true;
    }
}

static OverallState overall_state(const Tally *tally)
{
    return tally->has_failed                      ? OVERALL_FAILED
           : tally->has_diverged                  ? OVERALL_DIVERGED
           : tally->pending + tally->outdated > 0 ? OVERALL_PENDING
                                                  : OVERALL_UP_TO_DATE;
}

static void count_states(Overview *overview, const PlanPolicy *policy)
{
    Tally tally = {0};
    for (size_t i = 0; i < overview->rows.len; i++)
        count_state(&tally, &overview->rows.items[i], policy);
    overview->applied = tally.applied;
    overview->pending = tally.pending;
    overview->outdated = tally.outdated;
    overview->wrong = tally.wrong;
    overview->state = overall_state(&tally);
}

static bool is_whole(const StateRow *row)
{
    return row->kind != MIGRATION_REPEATABLE && row->row &&
           (row->row->outcome == HISTORY_APPLIED || row->row->outcome == HISTORY_BASELINED);
}

static bool find_heads(Arena *arena, const MigrationSet *set, Overview *overview, Error *err)
{
    MigrationRefVec heads = {0};
    if (!set->parents)
        return (overview->head.len == 0 || vec_push(arena, &overview->heads, overview->head)) &&
                       (overview->current.len == 0 ||
                        vec_push(arena, &overview->currents, overview->current))
                   ? true
                   : error_nomem(err);
    if (!migration_set_heads(arena, set, &heads, err))
        return false;
    for (size_t i = 0; i < heads.len; i++)
        if (!vec_push(arena, &overview->heads, heads.items[i]->version))
            return error_nomem(err);
    size_t versioned = overview_versioned(overview);
    unsigned char *is_followed = arena_alloc(arena, versioned + 1);
    if (!is_followed)
        return error_nomem(err);
    memset(is_followed, 0, versioned + 1);
    for (size_t i = 0; i < versioned; i++) {
        const StateRow *row = &overview->rows.items[i];
        const VersionParents *parents =
            is_whole(row) && row->migration ? migration_parents(set, row->migration) : NULL;
        for (size_t k = 0; parents && k < parents->versions.len; k++) {
            size_t parent = overview_find(overview, versioned, parents->versions.items[k]);
            if (parent != SIZE_MAX)
                is_followed[parent] = 1;
        }
    }
    for (size_t i = 0; i < versioned; i++)
        if (is_whole(&overview->rows.items[i]) && !is_followed[i] &&
            !vec_push(arena, &overview->currents, overview->rows.items[i].version))
            return error_nomem(err);
    return true;
}

/* In a graph a migration is late when something that comes after it is applied, wherever it is listed. */
static void mark_late(const MigrationSet *set, Overview *overview)
{
    size_t versioned = overview_versioned(overview);
    for (size_t i = 0; set->parents && i < versioned; i++) {
        const StateRow *row = &overview->rows.items[i];
        const VersionParents *parents =
            is_whole(row) && row->migration ? migration_parents(set, row->migration) : NULL;
        for (size_t k = 0; parents && k < parents->versions.len; k++) {
            size_t parent = overview_find(overview, versioned, parents->versions.items[k]);
            if (parent != SIZE_MAX && overview->rows.items[parent].state == STATE_PENDING)
                overview->rows.items[parent].state = STATE_OUT_OF_ORDER;
        }
    }
}

/* Files and history side by side: those with a version, then the repeatables. */
typedef struct Both {
    Merge merge;
    Sorted versioned, repeatable;
    Pairs versioned_pairs, repeatable_pairs;
    size_t repeatables_from;
} Both;

static bool both_begin(Both *both, Arena *arena, const MigrationSet *set, const History *history,
                       const PlanPolicy *policy, const unsigned char *done, Str ceiling, Error *err)
{
    *both = (Both){.merge = {.policy = policy,
                             .versions = &set->versions,
                             .has_optional_baselines = set->has_optional_baselines,
                             .done = done}};
    for (size_t i = 0; i < set->migrations.len; i++) {
        const Migration *m = &set->migrations.items[i];
        if (m->up && !m->up->is_read)
            return error_set(err, ERROR_STATE, "%s was planned before it was read", m->up->path);
        if (m->kind != MIGRATION_REPEATABLE)
            both->repeatables_from = i + 1;
    }
    if (!sort_history(arena, history, &set->versions, false, &both->versioned) ||
        !sort_history(arena, history, &set->versions, true, &both->repeatable))
        return error_nomem(err);
    both->versioned_pairs =
        pairs_of(&both->merge, set, 0, both->repeatables_from, &both->versioned, false);
    both->repeatable_pairs = pairs_of(&both->merge, set, both->repeatables_from,
                                      set->migrations.len, &both->repeatable, true);
    merge_history(&both->merge, both->versioned_pairs);
    merge_files(&both->merge, set, ceiling);
    return true;
}

bool overview_make(Arena *arena, const MigrationSet *set, const History *history,
                   const PlanPolicy *policy, Str ceiling, Overview *ret_overview, Error *err)
{
    Overview overview = {.versions = &set->versions, .set = set};
    Both both;
    if (!both_begin(&both, arena, set, history, policy, NULL, ceiling, err))
        return false;

    /* Counted first, so that memory is what is needed and no doubling. */
    size_t count = count_pairs(both.versioned_pairs) + count_pairs(both.repeatable_pairs);
    if (count > 0) {
        overview.rows.items = arena_alloc(arena, count * sizeof *overview.rows.items);
        if (!overview.rows.items)
            return error_nomem(err);
        overview.rows.cap = count;
    }
    add_pairs(both.versioned_pairs, &overview.rows);
    add_pairs(both.repeatable_pairs, &overview.rows);

    overview.current = both.merge.current;
    for (size_t i = 0; i < both.repeatables_from; i++) {
        const Migration *m = &set->migrations.items[i];
        if (m->up && !script_is_excluded(m->up, policy))
            overview.head = m->version;
    }
    mark_late(set, &overview);
    count_states(&overview, policy);
    if (!find_heads(arena, set, &overview, err))
        return false;
    *ret_overview = overview;
    return true;
}

static void count_pairs_states(Tally *tally, Pairs pairs)
{
    while (pairs_next(&pairs)) {
        StateRow row = make_row(pairs.merge, pairs.migration, pairs.row);
        count_state(tally, &row, pairs.merge->policy);
    }
}

bool plan_standing(Arena *arena, const MigrationSet *set, const History *history,
                   const PlanPolicy *policy, const unsigned char *done, OverallState *ret_state,
                   Str *ret_current, Error *err)
{
    Both both;
    Tally tally = {0};
    if (!both_begin(&both, arena, set, history, policy, done, (Str){0}, err))
        return false;
    count_pairs_states(&tally, both.versioned_pairs);
    count_pairs_states(&tally, both.repeatable_pairs);
    *ret_state = overall_state(&tally);
    *ret_current = both.merge.current;
    return true;
}

bool plan_overview(Arena *arena, const MigrationSet *set, const History *history,
                   const PlanPolicy *policy, Overview *ret_overview, Error *err)
{
    return overview_make(arena, set, history, policy, (Str){0}, ret_overview, err);
}

/* ---- looking things up ----------------------------------------------------------------------- */

size_t overview_versioned(const Overview *overview)
{
    size_t low = 0, high = overview->rows.len;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (overview->rows.items[middle].kind == MIGRATION_REPEATABLE)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

size_t overview_find(const Overview *overview, size_t versioned, Str version)
{
    size_t low = 0, high = versioned;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (version_order_compare(overview->versions, overview->rows.items[middle].version,
                                  version) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    if (low < versioned &&
        version_order_compare(overview->versions, overview->rows.items[low].version, version) == 0)
        return low;
    return SIZE_MAX;
}

bool overview_baseline(const Overview *overview, size_t versioned, Str *ret_version)
{
    for (size_t i = versioned; i-- > 0;) {
        const StateRow *row = &overview->rows.items[i];
        if (row->state == STATE_BASELINED || (row->row && row->row->kind == MIGRATION_BASELINE &&
                                              row->row->outcome == HISTORY_APPLIED)) {
            *ret_version = row->version;
            return true;
        }
    }
    return false;
}

/* Finds the version that people mean. SPDX-License-Identifier: Apache-2.0 */
#include "plan/planner.h"

/* How many of several matches are named. */
enum { MOST_NAMED = 5 };

static const char *label(Arena *arena, const StateRow *row)
{
    return migration_label(arena, row->version, row->name, row->kind);
}

bool row_is_applied(const StateRow *row)
{
    switch (row->state) {
    case STATE_APPLIED:
    case STATE_CHANGED:
    case STATE_MISSING:
    case STATE_BASELINED:
    case STATE_OUTDATED:
        return true;
    case STATE_PENDING:
    case STATE_FAILED:
    case STATE_PARTIAL:
    case STATE_OUT_OF_ORDER:
    case STATE_SKIPPED:
        break;
    }
    return false;
}

/* "+N": the Nth of what is still to come after the current version. */
static bool resolve_ahead(const Overview *overview, size_t versioned, Str to, uint64_t count,
                          Str *ret_version, Error *err)
{
    uint64_t left = count;
    Str version = overview->current;
    for (size_t i = 0; i < versioned && left > 0; i++) {
        const StateRow *row = &overview->rows.items[i];
        if ((row->state != STATE_PENDING && row->state != STATE_PARTIAL &&
             row->state != STATE_FAILED) ||
            (overview->current.len > 0 &&
             version_order_compare(overview->versions, row->version, overview->current) <= 0))
            continue;
        version = row->version;
        left--;
    }
    if (left > 0) {
        error_set(err, ERROR_USAGE, "there is no version %.*s from here", STR_ARG(to));
        error_code(err, "unknown-version");
        if (overview->current.len == 0)
            return error_hint(err, "Nothing is applied yet; %llu are to come.",
                              (unsigned long long)(count - left));
        return error_hint(err, "The current version is %.*s; %llu come after it.",
                          STR_ARG(overview->current), (unsigned long long)(count - left));
    }
    *ret_version = version;
    return true;
}

/* "-N": N applied ones before the current one; before the first of them is the base. */
static bool resolve_back(const Overview *overview, size_t versioned, Str to, uint64_t count,
                         Str *ret_version, bool *ret_is_base, Error *err)
{
    uint64_t seen = 0; /* applied ones, the current one first */
    for (size_t i = versioned; i-- > 0;) {
        const StateRow *row = &overview->rows.items[i];
        if (!row_is_applied(row))
            continue;
        if (seen++ == count) {
            *ret_version = row->version;
            *ret_is_base = false;
            return true;
        }
    }
    if (seen == count) {
        *ret_version = (Str){0};
        *ret_is_base = true;
        return true;
    }
    error_set(err, ERROR_USAGE, "there is no version %.*s from here", STR_ARG(to));
    error_code(err, "unknown-version");
    return error_hint(err, "%llu %s applied; \"base\" is before the first.",
                      (unsigned long long)seen, seen == 1 ? "is" : "are");
}

static bool has_tag(const char *tag, Str wanted, bool minds_case)
{
    return tag &&
           (minds_case ? str_eq(str_from(tag), wanted) : str_eq_nocase(str_from(tag), wanted));
}

/* The oldest migration that is tagged so, in the history or by its file. Who goes back to a tag takes back, too, what does nothing but set it. */
static bool resolve_tag(const Overview *overview, size_t versioned, Str to, PlaceAmong among,
                        Str *ret_version, bool *ret_is_base)
{
    size_t found = SIZE_MAX;
    for (int minds_case = 1; minds_case >= 0 && found == SIZE_MAX; minds_case--)
        for (size_t i = 0; i < versioned && found == SIZE_MAX; i++) {
            const StateRow *row = &overview->rows.items[i];
            if ((row->row && has_tag(row->row->tag, to, minds_case)) ||
                (row->migration && has_tag(row->migration->tag, to, minds_case)))
                found = i;
        }
    if (found == SIZE_MAX)
        return false;
    const Migration *migration = overview->rows.items[found].migration;
    *ret_version = overview->rows.items[found].version;
    if (among != AMONG_APPLIED || !migration || !migration->is_mere_tag)
        return true;
    while (found > 0 && !row_is_applied(&overview->rows.items[found - 1]))
        found--;
    *ret_is_base = found == 0;
    *ret_version = found > 0 ? overview->rows.items[found - 1].version : (Str){0};
    return true;
}

typedef enum Match { MATCH_VERSION_START, MATCH_NAME, MATCH_LABEL, MATCH_LABEL_START } Match;

/* "V001__create" means what "001_create" does. */
static Str without_v(Str to)
{
    if (to.len > 1 && (to.ptr[0] == 'V' || to.ptr[0] == 'v') && to.ptr[1] >= '0' &&
        to.ptr[1] <= '9')
        return str_sub(to, 1, to.len);
    return to;
}

/* "20250405_create": a version and a name, or the beginnings of both. */
static bool matches_label(const VersionOrder *versions, const StateRow *row, Str to, bool is_whole)
{
    Str version, name;
    size_t at = str_find_char(to, '_', 0);
    if (at == SIZE_MAX || at == 0)
        return false;
    version = str_sub(to, 0, at);
    while (at < to.len && to.ptr[at] == '_')
        at++;
    name = str_sub(to, at, to.len);
    if (is_whole)
        return version_order_takes(versions, version) &&
               version_order_compare(versions, row->version, version) == 0 &&
               str_eq(row->name, name);
    return name.len > 0 && str_starts(row->version, version) && str_starts(row->name, name);
}

static bool matches(const VersionOrder *versions, const StateRow *row, Str to, Match match)
{
    switch (match) {
    case MATCH_VERSION_START:
        return str_starts(row->version, to);
    case MATCH_NAME:
        return row->name.len > 0 && str_eq(row->name, to);
    case MATCH_LABEL:
        return matches_label(versions, row, to, true);
    case MATCH_LABEL_START:
        return matches_label(versions, row, to, false);
    }
    return false;
}

/* The one row that matches. *ret_index SIZE_MAX: none does. */
static bool resolve_one(Arena *arena, const Overview *overview, size_t versioned, Str to,
                        Match match, size_t *ret_index, Error *err)
{
    size_t found = SIZE_MAX, count = 0;
    StrBuf names = strbuf(arena);
    for (size_t i = 0; i < versioned; i++) {
        const StateRow *row = &overview->rows.items[i];
        if (!matches(overview->versions, row, to, match))
            continue;
        if (count++ == 0) {
            found = i;
            continue;
        }
        if (count == 2) {
            const char *first = label(arena, &overview->rows.items[found]);
            if (!first)
                return error_nomem(err);
            strbuf_adds(&names, first);
        }
        if (count <= MOST_NAMED) {
            const char *next = label(arena, row);
            if (!next)
                return error_nomem(err);
            strbuf_adds(&names, ", ");
            strbuf_adds(&names, next);
        }
    }
    if (count > 1) {
        Str list;
        if (count > MOST_NAMED)
            strbuf_addf(&names, " and %zu more", count - MOST_NAMED);
        if (!strbuf_finish(&names, &list))
            return error_nomem(err);
        error_set(err, ERROR_USAGE, "'%.*s' could be any of %zu migrations", STR_ARG(to), count);
        error_code(err, "ambiguous-version");
        error_detail(err, "%.*s", STR_ARG(list));
        return error_hint(err, "Give more of the version.");
    }
    *ret_index = found;
    return true;
}

static bool unknown(Arena *arena, const Overview *overview, size_t versioned, Str to, Error *err)
{
    const char **candidates = arena_alloc(arena, (2 * versioned + 3) * sizeof *candidates);
    size_t count = 0;
    if (!candidates)
        return error_nomem(err);
    for (size_t i = 0; i < versioned; i++) {
        const StateRow *row = &overview->rows.items[i];
        if (!(candidates[count++] = str_z(arena, row->version)))
            return error_nomem(err);
        if (row->name.len > 0 && !(candidates[count++] = str_z(arena, row->name)))
            return error_nomem(err);
    }
    candidates[count++] = "head";
    candidates[count++] = "base";
    candidates[count] = NULL;
    const char *nearest = suggest_nearest(to, candidates);
    error_set(err, ERROR_USAGE, "there is no migration '%.*s'", STR_ARG(to));
    error_code(err, "unknown-version");
    if (nearest)
        return error_hint(err, "Did you mean '%s'?", nearest);
    for (size_t i = versioned; i < overview->rows.len; i++) {
        if (str_eq(overview->rows.items[i].name, to))
            return error_hint(err, "That is a repeatable: it has no version to go to.");
    }
    return error_hint(err, "whimbrel status lists all versions.");
}

bool overview_one_head(Arena *arena, const Overview *overview, Error *err)
{
    StrBuf names = strbuf(arena);
    Str list;
    if (overview->heads.len < 2)
        return true;
    for (size_t i = 0; i < overview->heads.len; i++)
        strbuf_addf(&names, "%s%.*s", i > 0 ? ", " : "", STR_ARG(overview->heads.items[i]));
    if (!strbuf_finish(&names, &list))
        return error_nomem(err);
    error_set(err, ERROR_USAGE, "there are %zu heads: %.*s", overview->heads.len, STR_ARG(list));
    error_code(err, "several-heads");
    return error_hint(err, "Name one of them, or heads for all; a revision that merges them makes "
                           "them one.");
}

/* ---- places as Sqitch has them ------------------------------------------------------------------------------ */

static bool is_among(const StateRow *row, PlaceAmong among)
{
    return among == AMONG_APPLIED ? row_is_applied(row) : row->migration && row->migration->up;
}

/* Takes "^", "~~" or "^12" off the end: what is left, and how far from there; 0: there is none. */
static Str without_offset(Str to, int64_t *ret_offset)
{
    size_t end = to.len;
    uint64_t count = 0;
    *ret_offset = 0;
    while (end > 0 && to.ptr[end - 1] >= '0' && to.ptr[end - 1] <= '9')
        end--;
    bool has_count = end < to.len;
    if (end < 2 || (to.ptr[end - 1] != '^' && to.ptr[end - 1] != '~') ||
        (has_count && (!str_to_u64(str_sub(to, end, to.len), &count) || count > INT32_MAX)))
        return to;
    char mark = to.ptr[end - 1];
    if (!has_count) {
        bool is_double = to.ptr[end - 2] == mark;
        count = is_double ? 2 : 1;
        end -= is_double;
    }
    *ret_offset = mark == '^' ? -(int64_t)count : (int64_t)count;
    return str_sub(to, 0, end - 1);
}

/* So many of those that count away from the row at `from`. */
static size_t row_away(const Overview *overview, size_t versioned, size_t from, int64_t offset,
                       PlaceAmong among)
{
    size_t i = from;
    while (offset != 0) {
        if (offset < 0 ? i == 0 : i + 1 >= versioned)
            return SIZE_MAX;
        i = offset < 0 ? i - 1 : i + 1;
        if (is_among(&overview->rows.items[i], among))
            offset += offset < 0 ? 1 : -1;
    }
    return i;
}

/* *ret_index SIZE_MAX: it is no such place. */
static void resolve_place(const Overview *overview, size_t versioned, Str to, PlaceAmong among,
                          size_t *ret_index)
{
    int64_t offset;
    Str place = without_offset(to, &offset), version;
    size_t found = SIZE_MAX;
    bool is_head = str_eq(place, STR("@HEAD")), is_root = str_eq(place, STR("@ROOT"));
    *ret_index = SIZE_MAX;
    if (is_head || is_root || str_eq(place, STR("HEAD")) || str_eq(place, STR("ROOT"))) {
        is_head = is_head || str_eq(place, STR("HEAD"));
        for (size_t i = 0; i < versioned && (is_head || found == SIZE_MAX); i++)
            if (is_among(&overview->rows.items[i], among))
                found = i;
    } else if (version_order_takes(overview->versions, place)) {
        found = overview_find(overview, versioned, place);
    }
    if (found == SIZE_MAX && overview->set->place(overview->set, place, &version))
        found = overview_find(overview, versioned, version);
    if (found != SIZE_MAX)
        *ret_index = row_away(overview, versioned, found, offset, among);
}

/* ---- targets ------------------------------------------------------------------------------------------------ */

/* A version itself, or what is counted from the current one. *ret_found false: it is neither. */
static bool resolve_plain(Arena *arena, const Overview *overview, size_t versioned, Str to,
                          Str *ret_version, bool *ret_is_base, bool *ret_found, Error *err)
{
    uint64_t count;
    size_t found;

    *ret_found = true;
    *ret_is_base = false;
    if (str_eq(to, STR("base"))) {
        *ret_version = (Str){0};
        *ret_is_base = true;
        return true;
    }
    if (str_eq(to, STR("head"))) {
        /* An empty folder has no head; taking that for the base would roll everything back. */
        if (overview->head.len == 0) {
            error_set(err, ERROR_USAGE, "there is no head: no migration is on disk");
            error_code(err, "unknown-version");
            return error_hint(err, "Look whether --migrations names the right folder.");
        }
        *ret_version = overview->head;
        return overview_one_head(arena, overview, err);
    }
    /* Before versions: with SQLx one may begin with a sign, but "-1" is what people write for one back. */
    if (to.len > 1 && !overview->set->counts_in_lines && (to.ptr[0] == '+' || to.ptr[0] == '-') &&
        str_to_u64(str_sub(to, 1, to.len), &count)) {
        if (to.ptr[0] == '-')
            return resolve_back(overview, versioned, to, count, ret_version, ret_is_base, err);
        Str version = {0};
        if (!resolve_ahead(overview, versioned, to, count, &version, err))
            return false;
        *ret_version = version;
        *ret_is_base = version.len == 0;
        return true;
    }
    if (version_order_takes(overview->versions, without_v(to))) {
        found = overview_find(overview, versioned, without_v(to));
        if (found != SIZE_MAX) {
            *ret_version = overview->rows.items[found].version;
            return true;
        }
    }
    *ret_found = false;
    return true;
}

bool plan_resolve(Arena *arena, const Overview *overview, Str to, PlaceAmong among,
                  PlanTarget *ret_target, Error *err)
{
    size_t versioned = overview_versioned(overview), found;
    bool is_found;
    PlanTarget target = {.line = SIZE_MAX};

    if (!resolve_plain(arena, overview, versioned, to, &target.version, &target.is_base, &is_found,
                       err))
        return false;
    if (overview->set->place && !is_found) {
        resolve_place(overview, versioned, to, among, &found);
        is_found = found != SIZE_MAX;
        target.version = is_found ? overview->rows.items[found].version : target.version;
    }
    for (size_t i = 0; i < overview->set->labels.len && !is_found; i++) {
        is_found = str_eq(overview->set->labels.items[i].label, to);
        target.version = is_found ? overview->set->labels.items[i].version : target.version;
    }
    *ret_target = target;
    if (is_found)
        return true;
    if (overview->set->parents && !graph_resolve(arena, overview, to, ret_target, &is_found, err))
        return false;
    if (is_found)
        return true;
    if (to.len > 0 &&
        resolve_tag(overview, versioned, to, among, &ret_target->version, &ret_target->is_base))
        return true;
    static const Match order[] = {MATCH_VERSION_START, MATCH_NAME, MATCH_LABEL, MATCH_LABEL_START};
    for (size_t i = 0; to.len > 0 && i < sizeof order / sizeof *order; i++) {
        Str text = order[i] == MATCH_NAME ? to : without_v(to);
        if (!resolve_one(arena, overview, versioned, text, order[i], &found, err))
            return false;
        if (found != SIZE_MAX) {
            ret_target->version = overview->rows.items[found].version;
            return true;
        }
    }
    return unknown(arena, overview, versioned, to, err);
}

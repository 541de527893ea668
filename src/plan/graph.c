/* Targets in a graph of versions: what leads where, lines and their ends, so many steps from a version on.
 * SPDX-License-Identifier: Apache-2.0 */
#include "plan/planner.h"

#include <string.h>

static const VersionParents *parents_of(const Overview *overview, size_t index)
{
    const Migration *migration = overview->rows.items[index].migration;
    return migration ? migration_parents(overview->set, migration) : NULL;
}

/* The rows that come right before each, of those that it follows and of those that it only needs to be there. */
typedef struct Links {
    size_t *parents; /* rows of the overview, those of one row after those of the other */
    size_t *first;   /* of each row, and one more */
    size_t *needed;  /* where those begin that are only needed */
} Links;

typedef struct Graph {
    Arena *arena;
    const Overview *overview;
    size_t versioned;
    Links links;
    Error *err;
} Graph;

static bool graph_read(Arena *arena, const Overview *overview, Graph *ret_graph, Error *err)
{
    size_t versioned = overview_versioned(overview), total = 0, count = 0;
    for (size_t i = 0; i < versioned; i++) {
        const VersionParents *parents = parents_of(overview, i);
        total += parents ? parents->versions.len : 0;
    }
    Links links = {arena_alloc(arena, (total + 1) * sizeof(size_t)),
                   arena_alloc(arena, (versioned + 1) * sizeof(size_t)),
                   arena_alloc(arena, (versioned + 1) * sizeof(size_t))};
    if (!links.parents || !links.first || !links.needed)
        return error_nomem(err);
    for (size_t i = 0; i < versioned; i++) {
        const VersionParents *parents = parents_of(overview, i);
        links.first[i] = links.needed[i] = count;
        for (size_t k = 0; parents && k < parents->versions.len; k++) {
            size_t parent = overview_find(overview, versioned, parents->versions.items[k]);
            if (parent == SIZE_MAX)
                continue;
            links.parents[count++] = parent;
            links.needed[i] += k < parents->followed;
        }
    }
    links.first[versioned] = count;
    *ret_graph = (Graph){arena, overview, versioned, links, err};
    return true;
}

static bool follows(const Graph *g, size_t index, size_t parent)
{
    for (size_t k = g->links.first[index]; k < g->links.needed[index]; k++)
        if (g->links.parents[k] == parent)
            return true;
    return false;
}

/* It has to be there before the row, and the row does not follow it. */
static bool needs(const Graph *g, size_t index, size_t parent)
{
    for (size_t k = g->links.needed[index]; k < g->links.first[index + 1]; k++)
        if (g->links.parents[k] == parent)
            return true;
    return false;
}

static bool is_root(const Graph *g, size_t index)
{
    return g->links.first[index] == g->links.needed[index] &&
           g->overview->rows.items[index].migration != NULL;
}

/* What leads to a row, itself, and what comes after it, without what is only needed. NULL: memory is out. */
static unsigned char *line_of(const Graph *g, size_t index)
{
    unsigned char *line = arena_alloc(g->arena, g->versioned + 1);
    if (!line) {
        (void)error_nomem(g->err);
        return NULL;
    }
    memset(line, 0, g->versioned + 1);
    line[index] = LINEAGE_BEFORE;
    /* Parents stand before what follows them. */
    for (size_t i = index + 1; i-- > 0;)
        for (size_t k = g->links.first[i]; line[i] && k < g->links.needed[i]; k++)
            line[g->links.parents[k]] = LINEAGE_BEFORE;
    for (size_t i = index + 1; i < g->versioned; i++)
        for (size_t k = g->links.first[i]; k < g->links.needed[i]; k++)
            if (g->links.parents[k] == index || line[g->links.parents[k]] == LINEAGE_AFTER)
                line[i] = LINEAGE_AFTER;
    return line;
}

/* The rows that follow one, or those that follow nothing (SIZE_MAX); of several only those that lead to the line's row. */
static bool mark_next(const Graph *g, const PlanTarget *target, size_t found,
                      unsigned char *lineage)
{
    size_t count = 0;
    for (size_t i = 0; i < g->versioned; i++) {
        bool is_next = found == SIZE_MAX
                           ? is_root(g, i)
                           : follows(g, i, found) || (target->with_needing && needs(g, i, found));
        lineage[i] = is_next ? LINEAGE_AFTER : lineage[i];
        count += is_next;
    }
    if (count < 2 || target->line == SIZE_MAX)
        return true;
    unsigned char *line = line_of(g, target->line);
    if (!line)
        return false;
    for (size_t i = 0; i < g->versioned; i++) {
        if (lineage[i] != LINEAGE_AFTER || line[i] == LINEAGE_BEFORE)
            continue;
        lineage[i] = 0;
        count--;
    }
    if (count > 0)
        return true;
    const StateRow *row = &g->overview->rows.items[target->line];
    error_set(g->err, ERROR_USAGE, "several lines go on from %.*s, and %.*s is in none of them",
              STR_ARG(target->version), STR_ARG(row->version));
    error_code(g->err, "several-lines");
    return error_hint(g->err, "Name a revision of the line that is meant before the @.");
}

bool plan_lineage(Arena *arena, const Overview *overview, const PlanTarget *target,
                  unsigned char **ret_lineage, Error *err)
{
    size_t versioned = overview_versioned(overview);
    size_t found = overview_find(overview, versioned, target->version);
    unsigned char *lineage = arena_alloc(arena, overview->rows.len + 1);
    Graph g;
    if (!lineage)
        return error_nomem(err);
    for (size_t i = 0; i < overview->rows.len; i++) {
        bool is_before = version_order_compare(overview->versions, overview->rows.items[i].version,
                                               target->version) <= 0;
        lineage[i] = overview->set->parents || i >= versioned ? 0
                     : is_before                              ? LINEAGE_BEFORE
                                                              : LINEAGE_AFTER;
    }
    *ret_lineage = lineage;
    if (!overview->set->parents || (found == SIZE_MAX && target->line == SIZE_MAX))
        return true;
    if (!graph_read(arena, overview, &g, err) || !mark_next(&g, target, found, lineage))
        return false;
    for (size_t i = 0; i < versioned; i++) /* what needs something to be there goes with it */
        for (size_t k = g.links.first[i]; k < g.links.first[i + 1]; k++)
            if (lineage[g.links.parents[k]] == LINEAGE_AFTER)
                lineage[i] = LINEAGE_AFTER;
    if (found == SIZE_MAX)
        return true;
    lineage[found] = LINEAGE_BEFORE;
    for (size_t i = found + 1; i-- > 0;)
        for (size_t k = g.links.first[i]; lineage[i] == LINEAGE_BEFORE && k < g.links.first[i + 1];
             k++)
            lineage[g.links.parents[k]] = LINEAGE_BEFORE;
    return true;
}

/* ---- targets ------------------------------------------------------------------------------------------------ */

static Str version_at(const Graph *g, size_t index)
{
    return g->overview->rows.items[index].version;
}

static bool no_such(const Graph *g, Str to, const char *hint)
{
    error_set(g->err, ERROR_USAGE, "there is no version %.*s", STR_ARG(to));
    error_code(g->err, "unknown-version");
    return error_hint(g->err, "%s", hint);
}

/* Of several rows none is meant more than the others. */
static bool several(const Graph *g, const unsigned char *marks, Str to)
{
    StrBuf names = strbuf(g->arena);
    Str list;
    for (size_t i = 0; i < g->versioned; i++)
        if (marks[i])
            strbuf_addf(&names, "%s%.*s", names.len > 0 ? ", " : "", STR_ARG(version_at(g, i)));
    if (!strbuf_finish(&names, &list))
        return error_nomem(g->err);
    error_set(g->err, ERROR_USAGE, "%.*s could be any of %.*s", STR_ARG(to), STR_ARG(list));
    error_code(g->err, "several-heads");
    return error_hint(g->err, "Name one of them, or the line that is meant, as in LINE@+1.");
}

/* The one row that is marked; SIZE_MAX: none is. */
static bool only(const Graph *g, const unsigned char *marks, Str to, size_t *ret_index)
{
    *ret_index = SIZE_MAX;
    for (size_t i = 0; i < g->versioned; i++) {
        if (!marks[i])
            continue;
        if (*ret_index != SIZE_MAX)
            return several(g, marks, to);
        *ret_index = i;
    }
    return true;
}

/* Among these the ones that no other of them follows. */
static void keep_tips(const Graph *g, unsigned char *marks)
{
    for (size_t i = g->versioned; i-- > 0;)
        for (size_t k = g->links.first[i]; marks[i] && k < g->links.needed[i]; k++)
            if (marks[g->links.parents[k]])
                marks[g->links.parents[k]] = 2;
    for (size_t i = 0; i < g->versioned; i++)
        marks[i] = marks[i] == 1;
}

/* Where the line has come to: SIZE_MAX is before its first. Upwards that may be where it has not yet left another line; downwards it has
 * to be its own. */
static bool find_current(const Graph *g, const unsigned char *line, bool is_up, Str to,
                         size_t *ret_index)
{
    unsigned char *marks = arena_alloc(g->arena, g->versioned + 1);
    bool has_any = false;
    if (!marks)
        return error_nomem(g->err);
    memset(marks, 0, g->versioned + 1);
    for (size_t i = 0; i < g->overview->currents.len; i++) {
        size_t at = overview_find(g->overview, g->versioned, g->overview->currents.items[i]);
        if (at == SIZE_MAX || (line && !line[at]))
            continue;
        marks[at] = 1;
        has_any = true;
    }
    /* Another line that needs this one may stand above it. */
    if (!has_any) {
        for (size_t i = 0; i < g->versioned; i++)
            marks[i] = row_is_applied(&g->overview->rows.items[i]) && (!is_up || !line || line[i]);
        keep_tips(g, marks);
        for (size_t i = 0; i < g->versioned; i++)
            marks[i] = marks[i] && (!line || line[i]);
    }
    if (!only(g, marks, to, ret_index))
        return false;
    return is_up || *ret_index != SIZE_MAX ||
           no_such(g, to, "Nothing that is applied is the end of that line.");
}

static bool find_head(const Graph *g, const unsigned char *line, Str to, size_t *ret_index)
{
    unsigned char *marks = arena_alloc(g->arena, g->versioned + 1);
    if (!marks)
        return error_nomem(g->err);
    for (size_t i = 0; i < g->versioned; i++)
        marks[i] = g->overview->rows.items[i].migration != NULL;
    keep_tips(g, marks);
    for (size_t i = 0; i < g->versioned; i++)
        marks[i] = marks[i] && (!line || line[i]);
    return only(g, marks, to, ret_index);
}

/* A version or the beginning of one, in the line only. */
static bool find_in_line(const Graph *g, const unsigned char *line, Str name, Str to,
                         size_t *ret_index)
{
    size_t found = SIZE_MAX;
    for (size_t i = 0; i < g->versioned && found == SIZE_MAX; i++)
        if (str_eq(version_at(g, i), name))
            found = i;
    if (found == SIZE_MAX) {
        unsigned char *marks = arena_alloc(g->arena, g->versioned + 1);
        if (!marks)
            return error_nomem(g->err);
        for (size_t i = 0; i < g->versioned; i++)
            marks[i] = line[i] && str_starts(version_at(g, i), name);
        if (!only(g, marks, to, &found))
            return false;
    }
    if (found == SIZE_MAX) {
        PlanTarget target;
        if (!plan_resolve(g->arena, g->overview, name, AMONG_FILES, &target, g->err))
            return false;
        found = overview_find(g->overview, g->versioned, target.version);
    }
    *ret_index = found;
    return (found != SIZE_MAX && line[found]) ||
           no_such(g, to, "What is behind the @ is not in the line of what is before it.");
}

/* So many rows up or down the line that `at` is in; SIZE_MAX is before the first. */
static bool walk(const Graph *g, const unsigned char *line, bool is_up, uint64_t count, Str to,
                 size_t *at)
{
    unsigned char *marks = arena_alloc(g->arena, g->versioned + 1);
    if (!marks)
        return error_nomem(g->err);
    for (uint64_t step = 0; step < count; step++) {
        memset(marks, 0, g->versioned + 1);
        if (!is_up && *at == SIZE_MAX)
            return no_such(g, to, "That is before the first one, which is base.");
        for (size_t i = 0; is_up && i < g->versioned; i++)
            marks[i] = (*at == SIZE_MAX ? is_root(g, i) : follows(g, i, *at)) && (!line || line[i]);
        for (size_t k = is_up ? 0 : g->links.first[*at]; !is_up && k < g->links.needed[*at]; k++)
            marks[g->links.parents[k]] = 1;
        if (!only(g, marks, to, at))
            return false;
        if (is_up && *at == SIZE_MAX)
            return no_such(g, to, "That is behind the last one; whimbrel heads tells which.");
    }
    return true;
}

/* "ae10+2": the sign's place, SIZE_MAX: there is none with a number behind it. */
static size_t find_sign(Str text, uint64_t *ret_count)
{
    for (size_t i = text.len; i-- > 0;)
        if ((text.ptr[i] == '+' || text.ptr[i] == '-') &&
            str_to_u64(str_sub(text, i + 1, text.len), ret_count))
            return i;
    return SIZE_MAX;
}

bool graph_resolve(Arena *arena, const Overview *overview, Str to, PlanTarget *ret_target,
                   bool *ret_found, Error *err)
{
    size_t at = str_find_char(to, '@', 0), index = SIZE_MAX, sign;
    bool has_line = at != SIZE_MAX && at > 0;
    Str rest = has_line ? str_sub(to, at + 1, to.len) : to, name = rest;
    unsigned char *line = NULL;
    uint64_t count = 0;
    PlanTarget of = {.line = SIZE_MAX};
    Graph g;

    sign = find_sign(rest, &count);
    /* "+2" without more is so many in the order of all, unless the convention counts along the one line that there is. */
    *ret_found = has_line || (sign != SIZE_MAX && (sign > 0 || overview->set->counts_in_lines));
    if (!*ret_found)
        return true;
    if (!graph_read(arena, overview, &g, err))
        return false;
    if (has_line) {
        if (!plan_resolve(arena, overview, str_sub(to, 0, at), AMONG_FILES, &of, err))
            return false;
        of.line = overview_find(overview, g.versioned, of.version);
        if (of.line == SIZE_MAX)
            return no_such(&g, to, "Before the @ stands a revision, or the label of one.");
        if (!(line = line_of(&g, of.line)))
            return false;
    }
    if (sign != SIZE_MAX)
        name = str_sub(rest, 0, sign);
    if (name.len == 0) {
        if (sign == SIZE_MAX || count == 0)
            return no_such(&g, to, "Behind the @ stands head, base, a revision, +N or -N.");
        if (!find_current(&g, line, rest.ptr[0] == '+', to, &index))
            return false;
        if (!has_line && rest.ptr[0] == '-') /* downwards the line goes with it */
            of.line = index;
    } else if (str_eq(name, STR("head")) || str_eq(name, STR("heads"))) {
        if (!find_head(&g, line, to, &index))
            return false;
    } else if (!str_eq(name, STR("base"))) {
        if (line) {
            if (!find_in_line(&g, line, name, to, &index))
                return false;
        } else {
            if (!plan_resolve(arena, overview, name, AMONG_FILES, &of, err))
                return false;
            index = overview_find(overview, g.versioned, of.version);
        }
    }
    if (sign != SIZE_MAX && !walk(&g, line, rest.ptr[sign] == '+', count, to, &index))
        return false;
    *ret_target = (PlanTarget){.version = index == SIZE_MAX ? (Str){0} : version_at(&g, index),
                               .is_base = index == SIZE_MAX && of.line == SIZE_MAX,
                               .line = of.line};
    return true;
}

/* ---- ranges -------------------------------------------------------------------------------------------------- */

/* "-3" before "ae10" is "ae10-3". */
static bool counted_from(Arena *arena, Str text, char sign, Str from, Str *ret_text)
{
    uint64_t count;
    bool counts = text.len > 1 && text.ptr[0] == sign &&
                  str_to_u64(str_sub(text, 1, text.len), &count) && !str_eq(from, STR("current"));
    const char *made = counts ? str_format(arena, "%.*s%.*s", STR_ARG(from), STR_ARG(text)) : "";
    *ret_text = counts ? str_from(made) : text;
    return made != NULL;
}

/* What leads to the end of a range, or of its beginning what follows it, and both themselves. */
static bool mark_end(Arena *arena, const Overview *overview, Str end, bool is_last,
                     unsigned char **ret_marks, Error *err)
{
    size_t versioned = overview_versioned(overview);
    unsigned char *marks = arena_alloc(arena, overview->rows.len + 1), *line;
    StrVec ends = overview->currents;
    PlanTarget target = {.line = SIZE_MAX};
    Graph g;
    if (!marks)
        return error_nomem(err);
    if (!str_eq(end, STR("current"))) {
        ends = (StrVec){0};
        if (!plan_resolve(arena, overview, end, AMONG_FILES, &target, err))
            return false;
        if (target.version.len > 0 && !vec_push(arena, &ends, target.version))
            return error_nomem(err);
    }
    if (!graph_read(arena, overview, &g, err))
        return false;
    memset(marks, !is_last && ends.len == 0, overview->rows.len + 1);
    *ret_marks = marks;
    if (!is_last && target.line != SIZE_MAX && ends.len == 0) /* the base of one line */
        return (*ret_marks = line_of(&g, target.line)) != NULL;
    for (size_t k = 0; k < ends.len; k++) {
        size_t at = overview_find(overview, versioned, ends.items[k]);
        PlanTarget one = {.version = ends.items[k], .line = SIZE_MAX};
        if (is_last || !overview->set->parents) {
            if (!plan_lineage(arena, overview, &one, &line, err))
                return false;
        } else if (at == SIZE_MAX || !(line = line_of(&g, at))) {
            return at == SIZE_MAX;
        }
        for (size_t i = 0; i < versioned; i++)
            marks[i] = marks[i] || i == at || line[i] == (is_last ? LINEAGE_BEFORE : LINEAGE_AFTER);
    }
    return true;
}

static bool no_range(Str range, const char *hint, Error *err)
{
    error_set(err, ERROR_USAGE, "%.*s is no range", STR_ARG(range));
    error_code(err, "bad-option");
    return error_hint(err, "%s", hint);
}

bool plan_range(Arena *arena, const Overview *overview, Str range, Overview *ret_part, Error *err)
{
    size_t colon = str_find_char(range, ':', 0), versioned = overview_versioned(overview);
    Str first, last;
    unsigned char *above = NULL, *within = NULL;
    Overview part = *overview;
    if (colon == SIZE_MAX)
        return no_range(range, "Write FROM:TO, FROM: or :TO.", err);
    first = str_sub(range, 0, colon);
    last = str_sub(range, colon + 1, range.len);
    Str end = last.len > 0 ? last : STR("head"), start = first.len > 0 ? first : STR("base");
    if (!counted_from(arena, first, '-', end, &first) ||
        !counted_from(arena, last, '+', start, &last))
        return error_nomem(err);
    bool has_last = last.len > 0 && !str_eq(last, STR("heads"));
    if ((first.len > 0 && !mark_end(arena, overview, first, false, &above, err)) ||
        (has_last && !mark_end(arena, overview, last, true, &within, err)))
        return false;
    part.rows = (StateRowVec){0};
    for (size_t i = 0; i < versioned; i++)
        if ((!above || above[i]) && (!within || within[i]) &&
            !vec_push(arena, &part.rows, overview->rows.items[i]))
            return error_nomem(err);
    if (part.rows.len == 0 && versioned > 0)
        return no_range(range, "What is behind the colon does not follow what is before it.", err);
    *ret_part = part;
    return true;
}

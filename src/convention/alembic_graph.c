/* Alembic's revisions: what their heads say, and the order in which Alembic runs them. SPDX-License-Identifier: Apache-2.0 */
#include "convention/alembic.h"

#include <string.h>

/* ---- the head of a file ---------------------------------------------------------------------------------- */

static bool bad_head(const char *path, uint32_t line, const char *what, const char *hint,
                     Error *err)
{
    error_set(err, ERROR_PARSE, "%s: %s", path, what);
    error_code(err, "bad-revision");
    error_at(err, str_from(path), line, 0);
    return error_hint(err, "%s", hint);
}

/* None, a string, or several. */
static bool read_ids(Arena *arena, const char *path, const PyModule *module, const char *name,
                     StrVec *ret_ids, Error *err)
{
    const PyStatement *statement = python_find(&module->body, PY_ASSIGN, str_from(name));
    const PyNode *node = statement ? statement->value : NULL;
    *ret_ids = (StrVec){0};
    if (!node || node->kind == PY_NONE)
        return true;
    if (node->kind == PY_STRING)
        return vec_push(arena, ret_ids, node->text) || error_nomem(err);
    /* The graph stands without a label that is not known. */
    bool is_needed = !str_eq(str_from(name), STR("branch_labels"));
    bool is_list = node->kind == PY_TUPLE || node->kind == PY_LIST || node->kind == PY_SET;
    for (size_t i = 0; is_list && i < node->items.len; i++) {
        const PyNode *item = node->items.items[i].value;
        bool is_text = item->kind == PY_STRING;
        is_list = is_text || !is_needed;
        if (is_text && !vec_push(arena, ret_ids, item->text))
            return error_nomem(err);
    }
    if (is_list || !is_needed)
        return true;
    const char *what =
        str_format(arena, "%s is %s, which only Python knows", name, python_describe(arena, node));
    return what ? bad_head(path, statement->line, what,
                           "Write it as None, a string or a tuple of strings.", err)
                : error_nomem(err);
}

static Str first_paragraph(Str doc)
{
    Str text = str_trim(doc);
    size_t end = str_find(text, STR("\n\n"), 0);
    text = str_trim(end == SIZE_MAX ? text : str_sub(text, 0, end));
    end = str_find_char(text, '\n', 0);
    return end == SIZE_MAX ? text : str_trim(str_sub(text, 0, end));
}

bool alembic_read_head(Arena *arena, const char *path, Str text, Revision *ret_revision, Error *err)
{
    PyModule module;
    Revision revision = {.path = path};
    if (!python_read(arena, text, &module, err))
        return false;
    const PyStatement *id = python_find(&module.body, PY_ASSIGN, STR("revision"));
    if (!id)
        return bad_head(path, module.trouble ? module.trouble_line : 0,
                        module.trouble ? module.trouble : "there is no `revision = \"...\"` in it",
                        "Alembic refuses such a file too: move it out of the folder of versions.",
                        err);
    if (id->value->kind != PY_STRING || id->value->text.len == 0 ||
        !str_is_utf8(id->value->text, NULL) || str_find_char(id->value->text, '\0', 0) != SIZE_MAX)
        return bad_head(path, id->line, "its revision is no string", "Write it as a string.", err);
    static const char illegal[] = "@-+:";
    for (size_t i = 0; illegal[i]; i++)
        if (str_find_char(id->value->text, illegal[i], 0) != SIZE_MAX)
            return bad_head(path, id->line, "its revision has a character that Alembic refuses",
                            "None of @ - + : may be in it.", err);
    revision.id = id->value->text;
    revision.message = first_paragraph(module.doc);
    revision.has_upgrade = python_find(&module.body, PY_DEF, STR("upgrade")) || module.trouble;
    revision.has_downgrade = python_find(&module.body, PY_DEF, STR("downgrade")) || module.trouble;
    if (!read_ids(arena, path, &module, "down_revision", &revision.down, err) ||
        !read_ids(arena, path, &module, "depends_on", &revision.depends, err) ||
        !read_ids(arena, path, &module, "branch_labels", &revision.labels, err))
        return false;
    *ret_revision = revision;
    return true;
}

/* ---- the graph ------------------------------------------------------------------------------------------- */

size_t alembic_find(const AlembicGraph *graph, Str id)
{
    for (size_t i = 0; i < graph->revisions.len; i++)
        if (str_eq(graph->revisions.items[i].id, id))
            return i;
    return SIZE_MAX;
}

static bool has_label(const Revision *revision, Str label)
{
    for (size_t i = 0; i < revision->labels.len; i++)
        if (str_eq(revision->labels.items[i], label))
            return true;
    return false;
}

/* An id, the label of a branch (which stands for the revision that has it), or the beginning of one id only. */
static size_t find_reference(const AlembicGraph *graph, Str text)
{
    size_t found = alembic_find(graph, text), count = 0;
    for (size_t i = 0; i < graph->revisions.len && found == SIZE_MAX; i++)
        if (has_label(&graph->revisions.items[i], text))
            found = i;
    if (found != SIZE_MAX)
        return found;
    for (size_t i = 0; i < graph->revisions.len; i++) {
        if (!str_starts(graph->revisions.items[i].id, text))
            continue;
        found = i;
        count++;
    }
    return count == 1 ? found : SIZE_MAX;
}

static bool not_there(const Revision *revision, Str text, Error *err)
{
    error_set(err, ERROR_STATE, "%s follows the revision %.*s, which is not here", revision->path,
              STR_ARG(text));
    error_code(err, "bad-revision");
    error_at(err, str_from(revision->path), 0, 0);
    return error_hint(err, "Bring its file back, or set down_revision to one that is here.");
}

static bool add_parents(Arena *arena, AlembicGraph *graph, Revision *revision, StrVec *ids,
                        Error *err)
{
    for (size_t i = 0; i < ids->len; i++) {
        size_t found = find_reference(graph, ids->items[i]);
        bool is_twin = false;
        if (found == SIZE_MAX)
            return not_there(revision, ids->items[i], err);
        ids->items[i] = graph->revisions.items[found].id;
        for (size_t k = 0; k < revision->parents.len; k++)
            is_twin = is_twin || revision->parents.items[k] == found;
        if (!is_twin && !vec_push(arena, &revision->parents, found))
            return error_nomem(err);
    }
    return true;
}

static bool bit(const unsigned char *bits, size_t at)
{
    return bits[at / 8] >> (at % 8) & 1;
}

bool alembic_is_ancestor(const AlembicGraph *graph, size_t older, size_t newer)
{
    return bit(graph->revisions.items[newer].ancestors, older);
}

/* Round by round those whose parents all have their ancestors; what is left then lies in a circle. */
static bool find_ancestors(Arena *arena, AlembicGraph *graph, Error *err)
{
    size_t count = graph->revisions.len, bytes = count / 8 + 1, done = 0, before = 1;
    while (done < count && before != done) {
        before = done;
        for (size_t i = 0; i < count; i++) {
            Revision *revision = &graph->revisions.items[i];
            bool is_ready = !revision->ancestors;
            for (size_t k = 0; k < revision->parents.len && is_ready; k++)
                is_ready = graph->revisions.items[revision->parents.items[k]].ancestors != NULL;
            if (!is_ready)
                continue;
            revision->ancestors = arena_alloc(arena, bytes);
            if (!revision->ancestors)
                return error_nomem(err);
            memset(revision->ancestors, 0, bytes);
            revision->ancestors[i / 8] |= (unsigned char)(1u << (i % 8));
            for (size_t k = 0; k < revision->parents.len; k++)
                for (size_t b = 0; b < bytes; b++)
                    revision->ancestors[b] |=
                        graph->revisions.items[revision->parents.items[k]].ancestors[b];
            done++;
        }
    }
    for (size_t i = 0; i < count; i++) {
        const Revision *revision = &graph->revisions.items[i];
        if (revision->ancestors)
            continue;
        error_set(err, ERROR_STATE, "the revision %.*s comes before itself", STR_ARG(revision->id));
        error_code(err, "bad-revision");
        error_at(err, str_from(revision->path), 0, 0);
        return error_hint(err, "Follow down_revision from file to file: somewhere it turns back.");
    }
    return true;
}

/* A dependency that another parent has as its ancestor anyway says nothing. */
static void drop_implied(AlembicGraph *graph, Revision *revision, size_t own)
{
    for (size_t i = own; i < revision->parents.len;) {
        bool is_implied = false;
        for (size_t k = 0; k < revision->parents.len && !is_implied; k++)
            is_implied = k != i && alembic_is_ancestor(graph, revision->parents.items[i],
                                                       revision->parents.items[k]);
        if (!is_implied) {
            i++;
            continue;
        }
        memmove(revision->parents.items + i, revision->parents.items + i + 1,
                (revision->parents.len - i - 1) * sizeof *revision->parents.items);
        revision->parents.len--;
    }
}

/* Alembic's own walk from the heads down: along one line until something else depends on what comes next. */
typedef struct Sorting {
    Arena *arena;
    AlembicGraph *graph;
    Vec(size_t) heads;
    unsigned char *is_done;
    Vec(size_t) downwards;
} Sorting;

static bool is_among(const Sorting *s, size_t revision)
{
    for (size_t i = 0; i < s->heads.len; i++)
        if (s->heads.items[i] == revision)
            return true;
    return false;
}

static bool step_down(Sorting *s, size_t *at)
{
    const Revision *revision = &s->graph->revisions.items[s->heads.items[*at]];
    bool has_first = false;
    size_t here = *at;
    for (size_t i = 0; i < revision->parents.len; i++) {
        size_t parent = revision->parents.items[i];
        if (s->is_done[parent] || is_among(s, parent))
            continue;
        if (has_first) {
            if (!vec_push(s->arena, &s->heads, parent))
                return false;
        } else {
            s->heads.items[here] = parent;
            has_first = true;
        }
    }
    if (has_first)
        return true;
    memmove(s->heads.items + here, s->heads.items + here + 1,
            (s->heads.len - here - 1) * sizeof *s->heads.items);
    s->heads.len--;
    *at = here > 0 ? here - 1 : 0;
    return true;
}

static bool sort(Sorting *s)
{
    size_t at = 0;
    while (s->heads.len > 0) {
        size_t candidate = s->heads.items[at], other = SIZE_MAX;
        for (size_t i = 0; i < s->heads.len && other == SIZE_MAX; i++)
            if (i != at && alembic_is_ancestor(s->graph, candidate, s->heads.items[i]))
                other = i;
        if (other != SIZE_MAX) {
            at = other;
            continue;
        }
        if (!s->is_done[candidate] && !vec_push(s->arena, &s->downwards, candidate))
            return false;
        s->is_done[candidate] = 1;
        if (!step_down(s, &at))
            return false;
    }
    return true;
}

static bool find_order(Arena *arena, AlembicGraph *graph, Error *err)
{
    size_t count = graph->revisions.len;
    Sorting s = {.arena = arena, .graph = graph, .is_done = arena_alloc(arena, count + 1)};
    unsigned char *is_parent = arena_alloc(arena, count + 1);
    if (!s.is_done || !is_parent)
        return error_nomem(err);
    memset(s.is_done, 0, count + 1);
    memset(is_parent, 0, count + 1);
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k < graph->revisions.items[i].parents.len; k++)
            is_parent[graph->revisions.items[i].parents.items[k]] = 1;
    for (size_t i = 0; i < count; i++)
        if (!is_parent[i] && !vec_push(arena, &s.heads, i))
            return error_nomem(err);
    if (!sort(&s))
        return error_nomem(err);
    for (size_t i = s.downwards.len; i-- > 0;)
        if (!vec_push(arena, &graph->order, s.downwards.items[i]))
            return error_nomem(err);
    return graph->order.len == count ||
           error_set(err, ERROR_STATE, "the graph of revisions has no order");
}

bool alembic_graph_finish(Arena *arena, AlembicGraph *graph, Error *err)
{
    for (size_t i = 0; i < graph->revisions.len; i++) {
        const Revision *revision = &graph->revisions.items[i];
        size_t first = alembic_find(graph, revision->id);
        if (first != i)
            return peer_twice("Alembic", graph->revisions.items[first].path, revision->path,
                              revision->id, err);
    }
    for (size_t i = 0; i < graph->revisions.len; i++) {
        Revision *revision = &graph->revisions.items[i];
        if (!add_parents(arena, graph, revision, &revision->down, err) ||
            !add_parents(arena, graph, revision, &revision->depends, err))
            return false;
    }
    if (!find_ancestors(arena, graph, err))
        return false;
    for (size_t i = 0; i < graph->revisions.len; i++)
        drop_implied(graph, &graph->revisions.items[i], graph->revisions.items[i].down.len);
    return find_order(arena, graph, err);
}

bool alembic_heads(Arena *arena, const AlembicGraph *graph, const unsigned char *among,
                   StrVec *ret_heads, Error *err)
{
    StrVec heads = {0};
    for (size_t o = 0; o < graph->order.len; o++) {
        size_t i = graph->order.items[o];
        bool is_head = !among || among[i];
        for (size_t k = 0; k < graph->revisions.len && is_head; k++) {
            const Revision *other = &graph->revisions.items[k];
            if (among && !among[k])
                continue;
            for (size_t p = 0; p < other->parents.len; p++)
                is_head = is_head && other->parents.items[p] != i;
        }
        if (is_head && !vec_push(arena, &heads, graph->revisions.items[i].id))
            return error_nomem(err);
    }
    *ret_heads = heads;
    return true;
}

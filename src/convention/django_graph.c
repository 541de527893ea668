/* The graph of Django's migrations: what each file says it depends on, what squashed ones replace, and the order that comes of it.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "convention/django.h"
#include "convention/python_literals.h"

size_t django_find(const DjangoGraph *graph, Str key)
{
    for (size_t i = 0; i < graph->nodes.len; i++)
        if (str_eq(graph->nodes.items[i].key, key))
            return i;
    return SIZE_MAX;
}

bool django_has(const StrVec *keys, Str key)
{
    for (size_t i = 0; keys && i < keys->len; i++)
        if (str_eq(keys->items[i], key))
            return true;
    return false;
}

bool django_has_app(const DjangoGraph *graph, Str app)
{
    for (size_t i = 0; i < graph->nodes.len; i++)
        if (str_eq(graph->nodes.items[i].app, app))
            return true;
    return false;
}

/* ---- the head of a file ----------------------------------------------------------------------------------- */

static bool bad_head(const DjangoNode *node, uint32_t line, const char *what, Error *err)
{
    error_set(err, ERROR_PARSE, "%s: %s", node->path, what);
    error_code(err, "bad-file");
    error_at(err, str_from(node->path), line, 0);
    return error_hint(
        err, "Whimbrel reads lists of literal (app, name) pairs here, and "
             "migrations.swappable_dependency(settings.AUTH_USER_MODEL) with settings that are "
             "literal, too.");
}

static bool add_key(Arena *arena, StrVec *keys, Str app, Str name, Error *err)
{
    const char *key = str_format(arena, "%.*s.%.*s", STR_ARG(app), STR_ARG(name));
    return (key && vec_push(arena, keys, str_from(key))) || error_nomem(err);
}

static Str last_of(Str path)
{
    for (size_t dot; (dot = str_find_char(path, '.', 0)) != SIZE_MAX;)
        path = str_sub(path, dot + 1, path.len);
    return path;
}

/* The app of the model that a setting names. Packages leave out what stands before it ("PAGE_MODEL" is WAGTAIL_PAGE_MODEL). What the settings
 * do not speak of is as the package has it: the user's model auth's, another one its own. *ret_app empty: only Python knows. */
static void app_of_setting(const DjangoGraph *graph, const DjangoNode *node, Str name, Str *ret_app)
{
    for (size_t i = 0; i < graph->models.items.len; i++) {
        const DjangoModel *model = &graph->models.items.items[i];
        bool is_it = str_ends(model->setting, name) &&
                     (model->setting.len == name.len ||
                      model->setting.ptr[model->setting.len - name.len - 1] == '_');
        *ret_app = model->app;
        if (is_it)
            return;
    }
    *ret_app = str_ends(name, STR("USER_MODEL")) ? STR("auth") : node->app;
}

/* One of: ("app", "name"), migrations.swappable_dependency(settings.AUTH_USER_MODEL) */
static bool take_pair(Arena *arena, const DjangoGraph *graph, const PyModule *module,
                      const DjangoNode *node, const PyNode *pair, StrVec *keys, Error *err)
{
    Str path, argument_path;
    bool is_pair = (pair->kind == PY_TUPLE || pair->kind == PY_LIST) && pair->items.len == 2 &&
                   pair->items.items[0].value->kind == PY_STRING &&
                   pair->items.items[1].value->kind == PY_STRING;
    if (is_pair)
        return add_key(arena, keys, pair->items.items[0].value->text,
                       pair->items.items[1].value->text, err);
    const PyNode *argument = pair->kind == PY_CALL ? python_argument(pair, 0, "value") : NULL;
    if (!argument)
        return bad_head(node, pair->line, "a dependency that only Python knows", err);
    if (!python_path(arena, module, pair->base, &path, err) ||
        !python_path(arena, module, argument, &argument_path, err))
        return false;
    Str app = {0};
    if (argument->kind == PY_STRING)
        (void)str_cut(argument->text, '.', &app);
    else if (str_ends(argument_path, STR("_MODEL")))
        app_of_setting(graph, node, last_of(argument_path), &app);
    if (!str_ends(path, STR("swappable_dependency")) || app.len == 0)
        return bad_head(node, pair->line, "a dependency that only Python knows", err);
    return add_key(arena, keys, app, STR("__first__"), err);
}

/* A list of pairs, or a sum of such. */
static bool take_list(Arena *arena, const DjangoGraph *graph, const PyModule *module,
                      const DjangoNode *node, const PyNode *list, uint32_t line, StrVec *keys,
                      Error *err)
{
    bool is_sum = list && list->kind == PY_OPERATION && str_eq(list->text, STR("+"));
    if (!list || (list->kind != PY_LIST && list->kind != PY_TUPLE && !is_sum))
        return bad_head(node, line, "a list that only Python knows", err);
    for (size_t i = 0; i < list->items.len; i++) {
        const PyNode *item = list->items.items[i].value;
        if (list->items.items[i].name.len > 0)
            return bad_head(node, line, "a list that only Python knows", err);
        if (is_sum ? !take_list(arena, graph, module, node, item, line, keys, err)
                   : !take_pair(arena, graph, module, node, item, keys, err))
            return false;
    }
    return true;
}

static bool take_pairs(Arena *arena, const DjangoGraph *graph, const PyModule *module,
                       const DjangoNode *node, const PyStatementVec *body, const char *name,
                       StrVec *keys, Error *err)
{
    const PyStatement *statement = python_find(body, PY_ASSIGN, str_from(name));
    if (!statement)
        return true;
    return take_list(arena, graph, module, node, statement->value, statement->line, keys, err);
}

bool django_read_head(Arena *arena, const DjangoGraph *graph, Str text, DjangoNode *node,
                      Error *err)
{
    PyModule module;
    if (!python_read(arena, text, &module, err))
        return false;
    const PyStatement *migration = python_find(&module.body, PY_CLASS, STR("Migration"));
    if (!migration) {
        error_set(err, ERROR_PARSE, "%s would stop Django: it has no class Migration", node->path);
        error_code(err, "bad-file");
        error_at(err, str_from(node->path), module.trouble ? module.trouble_line : 0, 0);
        return error_hint(err,
                          "Mend it, or move it out of the folder; names that begin with '_' are "
                          "passed over.");
    }
    return take_pairs(arena, graph, &module, node, &migration->body, "dependencies",
                      &node->dependencies, err) &&
           take_pairs(arena, graph, &module, node, &migration->body, "run_before",
                      &node->run_before, err) &&
           take_pairs(arena, graph, &module, node, &migration->body, "replaces", &node->replaces,
                      err);
}

/* ---- squashed migrations ---------------------------------------------------------------------------------- */

/* A squashed migration stands for what it replaces where all or none of that is applied; otherwise the others stand for it. */
static void choose_replacements(DjangoGraph *graph, const StrVec *applied)
{
    for (size_t i = 0; i < graph->nodes.len; i++) {
        DjangoNode *node = &graph->nodes.items[i];
        size_t count = 0;
        for (size_t k = 0; k < node->replaces.len; k++)
            count += django_has(applied, node->replaces.items[k]);
        if (node->replaces.len == 0)
            continue;
        node->is_out = node->is_out || (count > 0 && count < node->replaces.len);
        for (size_t k = 0; !node->is_out && k < node->replaces.len; k++) {
            size_t replaced = django_find(graph, node->replaces.items[k]);
            if (replaced != SIZE_MAX && replaced != i)
                graph->nodes.items[replaced].is_out = true;
        }
    }
}

/* What stands now for a migration that is out: the one that replaces it, or the last that it would replace. SIZE_MAX: nothing. */
static size_t stand_in(const DjangoGraph *graph, size_t index)
{
    const DjangoNode *out = &graph->nodes.items[index];
    for (size_t i = 0; i < graph->nodes.len; i++)
        if (!graph->nodes.items[i].is_out && django_has(&graph->nodes.items[i].replaces, out->key))
            return i;
    for (size_t i = out->replaces.len; i-- > 0;) {
        size_t last = django_find(graph, out->replaces.items[i]);
        if (last != SIZE_MAX && !graph->nodes.items[last].is_out)
            return last;
    }
    return SIZE_MAX;
}

/* ---- edges ------------------------------------------------------------------------------------------------ */

static bool add_parent(Arena *arena, DjangoGraph *graph, size_t child, size_t parent, Error *err)
{
    DjangoNode *node = &graph->nodes.items[child];
    if (child == parent)
        return true;
    for (size_t i = 0; i < node->parents.len; i++)
        if (node->parents.items[i] == parent)
            return true;
    if (str_eq(node->app, graph->nodes.items[parent].app))
        graph->nodes.items[parent].is_followed = true;
    return vec_push(arena, &node->parents, parent) || error_nomem(err);
}

static bool is_root(const DjangoGraph *graph, const DjangoNode *node)
{
    for (size_t i = 0; i < node->parents.len; i++)
        if (str_eq(graph->nodes.items[node->parents.items[i]].app, node->app))
            return false;
    return true;
}

/* The first root or leaf of an app, by name. */
static size_t end_of(const DjangoGraph *graph, Str app, bool is_first)
{
    size_t found = SIZE_MAX;
    for (size_t i = 0; i < graph->nodes.len; i++) {
        const DjangoNode *node = &graph->nodes.items[i];
        if (node->is_out || !str_eq(node->app, app) ||
            !(is_first ? is_root(graph, node) : !node->is_followed))
            continue;
        if (found == SIZE_MAX || str_cmp(node->key, graph->nodes.items[found].key) < 0)
            found = i;
    }
    return found;
}

static bool no_such(const DjangoNode *node, Str key, Error *err)
{
    error_set(err, ERROR_STATE, "%s depends on %.*s, which is not there", node->path, STR_ARG(key));
    error_code(err, "bad-revision");
    error_at(err, str_from(node->path), 0, 0);
    return error_hint(err, "Bring that file back, or correct the dependency.");
}

/* The node that a key stands for; SIZE_MAX with *ret_is_elsewhere: of an app that is not in this project. */
static bool resolve(const DjangoGraph *graph, const DjangoNode *from, Str key, size_t *ret_index,
                    bool *ret_is_elsewhere, Error *err)
{
    Str app, name = str_cut(key, '.', &app);
    bool is_first = str_eq(name, STR("__first__"));
    *ret_is_elsewhere = !django_has_app(graph, app);
    *ret_index = SIZE_MAX;
    if (*ret_is_elsewhere)
        return true;
    if (is_first || str_eq(name, STR("__latest__"))) {
        *ret_index = str_eq(app, from->app) ? SIZE_MAX : end_of(graph, app, is_first);
        return true;
    }
    size_t index = django_find(graph, key);
    if (index == SIZE_MAX) {
        /* The file may be gone that another one replaces. */
        for (size_t i = 0; i < graph->nodes.len && index == SIZE_MAX; i++)
            if (!graph->nodes.items[i].is_out && django_has(&graph->nodes.items[i].replaces, key))
                index = i;
    }
    for (size_t hops = 0; index != SIZE_MAX && graph->nodes.items[index].is_out; hops++)
        index = hops < graph->nodes.len ? stand_in(graph, index) : SIZE_MAX;
    *ret_index = index;
    return index != SIZE_MAX || no_such(from, key, err);
}

/* The edges that one file speaks of, those within its app or the others. For a file that is out they are those of its stand-in. */
static bool add_edges(Arena *arena, DjangoGraph *graph, size_t index, bool is_internal, Error *err)
{
    const DjangoNode node = graph->nodes.items[index];
    size_t child = index, other;
    bool is_elsewhere;
    if (node.is_out && node.replaces.len > 0)
        return true;
    if (node.is_out)
        child = stand_in(graph, index);
    for (size_t i = 0; child != SIZE_MAX && i < node.dependencies.len; i++) {
        Str app;
        (void)str_cut(node.dependencies.items[i], '.', &app);
        if (str_eq(app, node.app) != is_internal)
            continue;
        /* What is replaced with it is no parent of the replacement. */
        if (child != index &&
            django_has(&graph->nodes.items[child].replaces, node.dependencies.items[i]))
            continue;
        if (!resolve(graph, &node, node.dependencies.items[i], &other, &is_elsewhere, err))
            return false;
        if (other != SIZE_MAX && !add_parent(arena, graph, child, other, err))
            return false;
    }
    for (size_t i = 0; !is_internal && child != SIZE_MAX && i < node.run_before.len; i++) {
        if (!resolve(graph, &node, node.run_before.items[i], &other, &is_elsewhere, err))
            return false;
        if (other != SIZE_MAX && !add_parent(arena, graph, other, child, err))
            return false;
    }
    return true;
}

/* ---- order ------------------------------------------------------------------------------------------------ */

typedef struct Sorting {
    Arena *arena;
    DjangoGraph *graph;
    unsigned char *is_open; /* on the way from the leaf to here */
    Error *err;
} Sorting;

static bool circle(const DjangoNode *node, Error *err)
{
    error_set(err, ERROR_STATE, "%s depends on itself, by way of others", node->path);
    error_code(err, "bad-revision");
    error_at(err, str_from(node->path), 0, 0);
    return error_hint(err, "Django would not take it either: correct the dependencies.");
}

static int by_key_down(const DjangoGraph *graph, size_t a, size_t b)
{
    return str_cmp(graph->nodes.items[b].key, graph->nodes.items[a].key);
}

/* Parents by name, the last one first: so Django's stack comes to them. */
static void sort_parents(const DjangoGraph *graph, DjangoNode *node)
{
    for (size_t i = 1; i < node->parents.len; i++)
        for (size_t k = i;
             k > 0 && by_key_down(graph, node->parents.items[k - 1], node->parents.items[k]) > 0;
             k--) {
            size_t kept = node->parents.items[k];
            node->parents.items[k] = node->parents.items[k - 1];
            node->parents.items[k - 1] = kept;
        }
}

typedef struct Frame {
    size_t node, next; /* next parent to go to */
} Frame;

/* Everything that leads to a leaf, and the leaf. */
static bool walk(Sorting *sorting, size_t leaf)
{
    Vec(Frame) stack = {0};
    if (!vec_push(sorting->arena, &stack, (Frame){leaf, 0}))
        return error_nomem(sorting->err);
    while (stack.len > 0) {
        Frame *frame = &stack.items[stack.len - 1];
        DjangoNode *node = &sorting->graph->nodes.items[frame->node];
        sorting->is_open[frame->node] = 1;
        if (!node->is_done && frame->next < node->parents.len) {
            size_t parent = node->parents.items[frame->next++];
            if (sorting->graph->nodes.items[parent].is_done)
                continue;
            if (sorting->is_open[parent])
                return circle(node, sorting->err);
            if (!vec_push(sorting->arena, &stack, (Frame){parent, 0}))
                return error_nomem(sorting->err);
            continue;
        }
        if (!node->is_done && !vec_push(sorting->arena, &sorting->graph->order, frame->node))
            return error_nomem(sorting->err);
        node->is_done = true;
        sorting->is_open[frame->node] = 0;
        stack.len--;
    }
    return true;
}

static bool sort(Arena *arena, DjangoGraph *graph, Error *err)
{
    Sorting sorting = {arena, graph, arena_alloc(arena, graph->nodes.len + 1), err};
    if (!sorting.is_open)
        return error_nomem(err);
    for (size_t i = 0; i < graph->nodes.len; i++)
        sort_parents(graph, &graph->nodes.items[i]);
    /* Files come sorted by app and name. Whatever hangs in a circle is reached from no leaf, and is gone through at the end. */
    for (int with_all = 0; with_all < 2; with_all++)
        for (size_t i = 0; i < graph->nodes.len; i++) {
            const DjangoNode *node = &graph->nodes.items[i];
            if (!node->is_out && !node->is_done && (with_all || !node->is_followed) &&
                !walk(&sorting, i))
                return false;
        }
    return true;
}

static int by_key(const void *a, const void *b)
{
    const DjangoNode *one = a, *two = b;
    int order = str_cmp(one->app, two->app);
    return order ? order : str_cmp(one->name, two->name);
}

bool django_finish(Arena *arena, DjangoGraph *graph, const StrVec *applied, Error *err)
{
    if (graph->nodes.len > 0)
        qsort(graph->nodes.items, graph->nodes.len, sizeof *graph->nodes.items, by_key);
    choose_replacements(graph, applied);
    for (int internal = 1; internal >= 0; internal--)
        for (size_t i = 0; i < graph->nodes.len; i++)
            if (!add_edges(arena, graph, i, internal, err))
                return false;
    return sort(arena, graph, err);
}

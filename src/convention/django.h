/* What the files of the Django convention share. SPDX-License-Identifier: Apache-2.0 */
#ifndef WHIMBREL_CONVENTION_DJANGO_H
#define WHIMBREL_CONVENTION_DJANGO_H

#include "convention/host.h"

/* One migration; keys are "app.name". */
typedef struct DjangoNode {
    Str key, app, name;
    const char *path;
    StrVec dependencies; /* as written; "app.__first__" and "app.__latest__" among them */
    StrVec run_before;
    StrVec replaces;
    bool is_out; /* replaced by another, or one that cannot replace yet */
    Vec(size_t) parents;
    bool is_followed; /* by another one of its app */
    bool is_done;
} DjangoNode;
typedef struct DjangoModel {
    Str setting; /* "AUTH_USER_MODEL" */
    Str app;
} DjangoModel;
typedef struct DjangoModule {
    Str app;
    Str module; /* "project.schema.blog"; empty: it has none */
} DjangoModule;
typedef struct DjangoGraph {
    Vec(DjangoNode) nodes;
    Vec(size_t) order; /* as Django would apply them all */
    /* settings.*_MODEL: the app of the model that each names; empty: only Python knows */
    struct DjangoModels {
        Vec(DjangoModel) items;
    } models;
    /* of settings.MIGRATION_MODULES: where an app has its migrations */
    struct DjangoModules {
        bool are_known; /* the setting was read */
        Vec(DjangoModule) items;
    } modules;
} DjangoGraph;

/* ---- django_graph.c ----------------------------------------------------------------------------------------- */

/* What one file says of itself. Errors name the file: no class Migration, a head that only Python knows. */
bool django_read_head(Arena *arena, const DjangoGraph *graph, Str text, DjangoNode *node,
                      Error *err);
/* Carries out what squashed migrations replace, for a database with these rows (NULL: none), finds the parents, and the order. ERROR_STATE,
 * naming files: a dependency that is not there, a circle. */
bool django_finish(Arena *arena, DjangoGraph *graph, const StrVec *applied, Error *err);
/* SIZE_MAX: there is none. */
size_t django_find(const DjangoGraph *graph, Str key);
bool django_has_app(const DjangoGraph *graph, Str app);
bool django_has(const StrVec *keys, Str key);

/* ---- django_operations.c ------------------------------------------------------------------------------------ */

/* Both ways of a file, as far as its operations are RunSQL with literals. */
bool django_operations(Arena *arena, Str text, HostFile *ret_file, Error *err);
/* The label that apps.py gives its app; empty: none. */
bool django_label(Arena *arena, Str text, Str *ret_label, Error *err);
/* What matters of the settings in this file, into the graph, unless it was said before. MIGRATION_MODULES that only Python knows is an
 * error that names it. */
bool django_settings(Arena *arena, const char *path, Str text, DjangoGraph *graph, Error *err);

#endif

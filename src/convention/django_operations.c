/* What a Django migration does, as far as it is RunSQL with literal text: its SQL for both ways.
 *
 *     operations = [ RunSQL(sql [, reverse_sql]) | SeparateDatabaseAndState(database_operations=operations)
 *                  | AlterModelOptions | AlterModelManagers ]                  the last two are about models alone
 *     sql        = text | [ text | (text, None) ] | migrations.RunSQL.noop | the name of a text at the top of the file
 * SPDX-License-Identifier: Apache-2.0 */
#include "convention/django.h"
#include "convention/python_literals.h"

typedef struct Reader {
    Arena *arena;
    PyModule module;
    HostFile file;
    HostSqlVec backwards; /* of the operations so far, the last one first */
    Error *err;
} Reader;

enum { DEEPEST_OPERATION = 8 };

/* Both ways cannot be run. Always false, but for the error. */
static bool refuse(Reader *r, uint32_t line, const char *fmt, const char *what)
{
    return host_refuse(&r->file, line, what ? str_format(r->arena, fmt, what) : NULL, r->err);
}

/* The value that a name at the top of the file has, or the node itself. */
static const PyNode *value_of(const Reader *r, const PyNode *node)
{
    const PyNode *value = node->kind == PY_NAME ? python_constant(&r->module, node->text) : NULL;
    return value ? value : node;
}

static bool take_text(Reader *r, const PyNode *node, HostSqlVec *calls)
{
    node = value_of(r, node);
    if (node->kind != PY_STRING)
        return refuse(r, node->line, "gives RunSQL what is no literal text: %s",
                      python_describe(r->arena, node));
    return node->text.len == 0 ||
           vec_push(r->arena, calls, (HostSql){node->text, node->line, node->column}) ||
           error_nomem(r->err);
}

/* What RunSQL takes: a text, a list of texts and of pairs of a text and nothing. */
static bool take_sql(Reader *r, const PyNode *node, HostSqlVec *calls)
{
    Str path;
    node = value_of(r, node);
    if (!python_path(r->arena, &r->module, node, &path, r->err))
        return false;
    if (str_ends(path, STR("RunSQL.noop")))
        return true;
    if (node->kind != PY_LIST && node->kind != PY_TUPLE)
        return take_text(r, node, calls);
    for (size_t i = 0; i < node->items.len; i++) {
        const PyNode *item = value_of(r, node->items.items[i].value);
        bool is_pair = item->kind == PY_TUPLE || item->kind == PY_LIST;
        if (node->items.items[i].name.len > 0 ||
            (is_pair && (item->items.len != 2 || item->items.items[1].value->kind != PY_NONE))) {
            if (!refuse(r, item->line, "gives RunSQL %s", "values for its text"))
                return false;
            continue;
        }
        if (!take_text(r, is_pair ? item->items.items[0].value : item, calls))
            return false;
    }
    return true;
}

static bool take_run_sql(Reader *r, const PyNode *call)
{
    const PyNode *sql = python_argument(call, 0, "sql");
    const PyNode *reverse = python_argument(call, 1, "reverse_sql");
    HostSqlVec back = {0};
    if (!sql || python_unpacks(call))
        return refuse(r, call->line, "gives RunSQL %s", "what only Python knows");
    if (!take_sql(r, sql, &r->file.up.calls))
        return false;
    if (!reverse || reverse->kind == PY_NONE) {
        r->file.down.is_there = false;
        return true;
    }
    if (!take_sql(r, reverse, &back))
        return false;
    for (size_t i = 0; i < r->backwards.len; i++)
        if (!vec_push(r->arena, &back, r->backwards.items[i]))
            return error_nomem(r->err);
    r->backwards = back;
    return true;
}

static bool take_operations(Reader *r, const PyNode *list, unsigned depth);

static bool take_operation(Reader *r, const PyNode *call, unsigned depth)
{
    Str path = {0};
    if (call->kind == PY_CALL && !python_path(r->arena, &r->module, call->base, &path, r->err))
        return false;
    bool is_djangos = str_starts(path, STR("django.db.migrations."));
    Str last = path;
    for (size_t dot; (dot = str_find_char(last, '.', 0)) != SIZE_MAX;)
        last = str_sub(last, dot + 1, last.len);
    if (is_djangos && str_eq(last, STR("RunSQL")))
        return take_run_sql(r, call);
    if (is_djangos &&
        (str_eq(last, STR("AlterModelOptions")) || str_eq(last, STR("AlterModelManagers"))))
        return true;
    if (is_djangos && str_eq(last, STR("SeparateDatabaseAndState")) && depth < DEEPEST_OPERATION) {
        const PyNode *inner = python_argument(call, 0, "database_operations");
        return !inner || inner->kind == PY_NONE || take_operations(r, inner, depth + 1);
    }
    const char *what = last.len > 0 ? str_z(r->arena, last) : python_describe(r->arena, call);
    return refuse(r, call->line, "does more than run literal SQL: `%s`", what);
}

static bool take_operations(Reader *r, const PyNode *list, unsigned depth)
{
    if (list->kind != PY_LIST && list->kind != PY_TUPLE)
        return refuse(r, list->line, "has operations that only Python knows: %s",
                      python_describe(r->arena, list));
    for (size_t i = 0; i < list->items.len; i++) {
        const PyItem *item = &list->items.items[i];
        if (item->name.len > 0 ? !refuse(r, list->line, "has operations that %s", "are unpacked")
                               : !take_operation(r, item->value, depth))
            return false;
    }
    return true;
}

/* Methods decide what runs, and so may a base class. */
static bool check_class(Reader *r, const PyStatement *migration)
{
    Str path = {0};
    const PyNode *bases = migration->value;
    bool is_plain = bases && bases->items.len == 1;
    if (is_plain && !python_path(r->arena, &r->module, bases->items.items[0].value, &path, r->err))
        return false;
    if (!str_starts(path, STR("django.db.migrations.")) || !str_ends(path, STR(".Migration")))
        return refuse(r, migration->line, "has a class that is %s",
                      "not directly one of Django's Migration");
    for (size_t i = 0; i < migration->body.len; i++) {
        const PyStatement *statement = &migration->body.items[i];
        bool is_plainly = statement->kind == PY_ASSIGN || statement->kind == PY_EXPRESSION ||
                          statement->kind == PY_PASS;
        if (!is_plainly &&
            !refuse(r, statement->line, "has a class that %s", "holds more than its lists"))
            return false;
    }
    return true;
}

bool django_operations(Arena *arena, Str text, HostFile *ret_file, Error *err)
{
    Reader r = {.arena = arena, .err = err, .file = {.up.is_there = true, .down.is_there = true}};
    if (!python_read(arena, text, &r.module, err))
        return false;
    const PyStatement *migration = python_find(&r.module.body, PY_CLASS, STR("Migration"));
    if (r.module.trouble &&
        !refuse(&r, r.module.trouble_line, "cannot be read: %s", r.module.trouble))
        return false;
    if (!migration) {
        if (!refuse(&r, 1, "has no class %s", "Migration"))
            return false;
    } else if (!check_class(&r, migration)) {
        return false;
    }
    const PyStatementVec none = {0}, *body = migration ? &migration->body : &none;
    const PyStatement *atomic = python_find(body, PY_ASSIGN, STR("atomic"));
    const PyStatement *operations = python_find(body, PY_ASSIGN, STR("operations"));
    if (atomic && atomic->value && atomic->value->kind == PY_FALSE)
        r.file.up.no_transaction = r.file.down.no_transaction = true;
    if (operations && operations->value && !take_operations(&r, operations->value, 0))
        return false;
    r.file.down.calls = r.backwards;
    /* What is refused has its way back with Django. */
    r.file.down.is_there = r.file.down.is_there || r.file.down.refusal;
    *ret_file = r.file;
    return true;
}

/* At the top of the file, or of a class in it. */
static const PyStatement *find_setting(const PyModule *module, Str name)
{
    const PyStatement *found = python_find(&module->body, PY_ASSIGN, name);
    for (size_t i = 0; !found && i < module->body.len; i++)
        if (module->body.items[i].kind == PY_CLASS)
            found = python_find(&module->body.items[i].body, PY_ASSIGN, name);
    return found;
}

bool django_label(Arena *arena, Str text, Str *ret_label, Error *err)
{
    PyModule module;
    *ret_label = (Str){0};
    if (!python_read(arena, text, &module, err))
        return false;
    const PyStatement *found = find_setting(&module, STR("label"));
    if (found && found->value && found->value->kind == PY_STRING)
        *ret_label = found->value->text;
    return true;
}

/* AUTH_USER_MODEL = "people.User" and its like. */
static bool take_models(Arena *arena, const PyStatementVec *body, bool is_project,
                        DjangoGraph *graph, Error *err)
{
    for (size_t i = 0; i < body->len; i++) {
        const PyStatement *statement = &body->items[i];
        DjangoModel model = {.setting = statement->name};
        bool is_known = false;
        if (statement->kind == PY_CLASS &&
            !take_models(arena, &statement->body, is_project, graph, err))
            return false;
        if (statement->kind != PY_ASSIGN || !str_ends(statement->name, STR("_MODEL")))
            continue;
        for (size_t k = 0; k < graph->models.items.len; k++)
            is_known = is_known || str_eq(graph->models.items.items[k].setting, model.setting);
        if (statement->value && statement->value->kind == PY_STRING)
            (void)str_cut(statement->value->text, '.', &model.app);
        /* A package's own settings.py asks the project's. */
        is_known = is_known || (model.app.len == 0 && !is_project);
        if (!is_known && !vec_push(arena, &graph->models.items, model))
            return error_nomem(err);
    }
    return true;
}

static bool bad_modules(const char *path, uint32_t line, Error *err)
{
    error_set(err, ERROR_PARSE, "%s has MIGRATION_MODULES that only Python knows", path);
    error_code(err, "bad-setting");
    error_at(err, str_from(path), line, 0);
    return error_hint(err, "Write it as one dict of strings and None, or name the folders that "
                           "count: -m blog/migrations.");
}

bool django_settings(Arena *arena, const char *path, Str text, DjangoGraph *graph, Error *err)
{
    PyModule module;
    if (str_find(text, STR("_MODEL"), 0) == SIZE_MAX &&
        str_find(text, STR("MIGRATION_MODULES"), 0) == SIZE_MAX)
        return true;
    bool is_project = str_find(text, STR("INSTALLED_APPS"), 0) != SIZE_MAX;
    if (!python_read(arena, text, &module, err) ||
        !take_models(arena, &module.body, is_project, graph, err))
        return false;
    const PyStatement *found = find_setting(&module, STR("MIGRATION_MODULES"));
    if (!found || graph->modules.are_known)
        return true;
    if (!found->value || found->value->kind != PY_DICT)
        return bad_modules(path, found->line, err);
    for (size_t i = 0; i < found->value->items.len; i++) {
        const PyItem *item = &found->value->items.items[i];
        bool is_none = item->value->kind == PY_NONE;
        if (!item->key || item->key->kind != PY_STRING ||
            (!is_none && item->value->kind != PY_STRING))
            return bad_modules(path, item->value->line, err);
        DjangoModule entry = {item->key->text, is_none ? (Str){0} : item->value->text};
        if (!vec_push(arena, &graph->modules.items, entry))
            return error_nomem(err);
    }
    graph->modules.are_known = true;
    return true;
}

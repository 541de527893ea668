/* Django: APP/migrations/0001_name.py, a row in django_migrations.
 *
 * A version is "app.name", and comes after what its file depends on. Migrations are Python. Those that are RunSQL with literal text run
 * here, and those beside which lies the SQL that `manage.py sqlmigrate` wrote (0001_name.up.sql); the others are refused by line.
 * SPDX-License-Identifier: Apache-2.0 */
#include "convention/django.h"

#include <string.h>

/* ---- the project's files ------------------------------------------------------------------------------------ */

typedef struct Search {
    const ConventionContext *ctx;
    Arena *arena;
    DjangoGraph *graph;
    MigrationSet *set; /* NULL: only looked for */
    Error *err;
} Search;

enum { DEEPEST_APP = 8 };

/* What a project has beside its own code. */
static bool is_foreign(Str name)
{
    return name.len == 0 || name.ptr[0] == '.' || str_eq(name, STR("node_modules")) ||
           str_eq(name, STR("site-packages")) || str_eq(name, STR("__pycache__"));
}

static bool has_entry(const FolderEntryVec *entries, Str name)
{
    for (size_t i = 0; i < entries->len; i++)
        if (entries->items[i].kind == FILE_REGULAR && str_eq(entries->items[i].name, name))
            return true;
    return false;
}

/* What Django calls the app of a folder APP/migrations: its name, unless its apps.py says another label. */
static bool label_of(Search *search, const char *migrations, Str *ret_label)
{
    Str above = path_folder(str_from(migrations)), label = {0}, text;
    const char *folder = str_z(search->arena, above);
    const char *apps = folder ? path_join(search->arena, folder, STR("apps.py")) : NULL;
    FileInfo info;
    if (!apps)
        return error_nomem(search->err);
    if (!file_tree_info(search->ctx->files, apps, &info, search->err))
        return false;
    if (info.kind == FILE_REGULAR &&
        (!peer_read(search->ctx, search->arena, apps, &text, search->err) ||
         !django_label(search->arena, text, &label, search->err)))
        return false;
    *ret_label = label.len > 0 ? label : path_base(above);
    if (label.len > 0 || (!str_eq(above, STR(".")) && !str_ends(above, STR(".."))))
        return true;
    error_set(search->err, ERROR_USAGE, "the app of the folder %s has no name from here",
              migrations);
    error_code(search->err, "bad-name");
    return error_hint(search->err,
                      "Name the project's folder, or APP/migrations: -m blog/migrations.");
}

/* 0001_initial.py and so on; what begins with '_' or '~' is none to Django. */
static bool is_migration(Str name)
{
    return str_ends(name, STR(".py")) && name.len > 3 && name.ptr[0] != '_' && name.ptr[0] != '~';
}

/* A folder with migrations; label: of its app, empty: as the folder says. */
static bool add_migrations(Search *search, const char *folder, const FolderEntryVec *entries,
                           Str label)
{
    for (size_t i = 0; i < entries->len; i++) {
        const FolderEntry *entry = &entries->items[i];
        const char *path = path_join(search->arena, folder, entry->name);
        if (!path)
            return error_nomem(search->err);
        if (entry->kind != FILE_REGULAR || entry->name.ptr[0] == '.')
            continue;
        if (!is_migration(entry->name)) {
            if (search->set && !str_ends(entry->name, STR(".sql")) &&
                !str_eq(entry->name, STR("__init__.py")) &&
                !peer_ignore(search->arena, search->set, path, search->err))
                return false;
            continue;
        }
        if (label.len == 0 && !label_of(search, folder, &label))
            return false;
        DjangoNode node = {.app = label, .path = path};
        node.name = str_sub(entry->name, 0, entry->name.len - 3);
        const char *key =
            str_format(search->arena, "%.*s.%.*s", STR_ARG(node.app), STR_ARG(node.name));
        node.key = str_from(key);
        if (!key || !vec_push(search->arena, &search->graph->nodes, node))
            return error_nomem(search->err);
    }
    return true;
}

/* settings.py, or a file in settings/ */
static bool looks_like_settings(const FolderEntry *entry, const char *folder)
{
    return entry->kind == FILE_REGULAR && (str_eq(entry->name, STR("settings.py")) ||
                                           (str_eq(path_base(str_from(folder)), STR("settings")) &&
                                            str_ends(entry->name, STR(".py"))));
}

static bool read_settings(Search *search, const char *path)
{
    Str text;
    return peer_read(search->ctx, search->arena, path, &text, search->err) &&
           django_settings(search->arena, path, text, search->graph, search->err);
}

static bool walk(Search *search, const char *folder, unsigned depth)
{
    FolderEntryVec entries = {0};
    if (!folder_entries(search->ctx, search->arena, folder, &entries, search->err))
        return false;
    if (has_entry(&entries, STR("pyvenv.cfg")))
        return true;
    bool is_app = str_eq(path_base(str_from(folder)), STR("migrations"));
    if (is_app && has_entry(&entries, STR("__init__.py")))
        return add_migrations(search, folder, &entries, (Str){0});
    for (size_t i = 0; i < entries.len; i++) {
        const FolderEntry *entry = &entries.items[i];
        if (entry->kind != FILE_FOLDER && !str_ends(entry->name, STR(".py")))
            continue;
        const char *path = path_join(search->arena, folder, entry->name);
        if (!path)
            return error_nomem(search->err);
        if (looks_like_settings(entry, folder) && !read_settings(search, path))
            return false;
        if (entry->kind == FILE_FOLDER && !entry->is_link && depth > 0 &&
            !is_foreign(entry->name) && !walk(search, path, depth - 1))
            return false;
    }
    return true;
}

/* Takes out what has been found of an app, and what lies in this folder. */
static void drop_nodes(DjangoGraph *graph, Str app, Str folder)
{
    size_t kept = 0;
    for (size_t i = 0; i < graph->nodes.len; i++) {
        DjangoNode node = graph->nodes.items[i];
        bool is_there = folder.len > 0 && str_eq(path_folder(str_from(node.path)), folder);
        if (!str_eq(node.app, app) && !is_there)
            graph->nodes.items[kept++] = node;
    }
    graph->nodes.len = kept;
}

/* "project.schema.blog" below one of the folders; NULL: it is not there, but in some package. */
static bool find_module(Search *search, Str module, const char **ret_folder,
                        FolderEntryVec *ret_entries)
{
    StrBuf below = strbuf(search->arena);
    Str path;
    *ret_folder = NULL;
    for (size_t i = 0; i < module.len; i++)
        strbuf_add_char(&below, module.ptr[i] == '.' ? '/' : module.ptr[i]);
    if (!strbuf_finish(&below, &path))
        return error_nomem(search->err);
    for (size_t i = 0; i < search->ctx->folders.len && !*ret_folder; i++) {
        const char *top = str_z(search->arena, search->ctx->folders.items[i]);
        const char *folder = top ? path_join(search->arena, top, path) : NULL;
        FileInfo info;
        if (!folder)
            return error_nomem(search->err);
        if (!file_tree_info(search->ctx->files, folder, &info, search->err))
            return false;
        if (info.kind != FILE_FOLDER)
            continue;
        if (!folder_entries(search->ctx, search->arena, folder, ret_entries, search->err))
            return false;
        *ret_folder = folder;
    }
    return true;
}

/* What MIGRATION_MODULES says of apps counts more than where their migrations would be. */
static bool move_modules(Search *search)
{
    for (size_t i = 0; i < search->graph->modules.items.len; i++) {
        const DjangoModule *module = &search->graph->modules.items.items[i];
        FolderEntryVec entries = {0};
        const char *folder = NULL;
        if (module->module.len > 0 && !find_module(search, module->module, &folder, &entries))
            return false;
        drop_nodes(search->graph, module->app, folder ? str_from(folder) : (Str){0});
        if (folder && !add_migrations(search, folder, &entries, module->app))
            return false;
    }
    return true;
}

static bool search_folders(Search *search)
{
    for (size_t i = 0; i < search->ctx->folders.len; i++) {
        const char *folder = str_z(search->arena, search->ctx->folders.items[i]);
        if (!folder)
            return error_nomem(search->err);
        if (!walk(search, folder, DEEPEST_APP))
            return false;
    }
    return move_modules(search);
}

/* The project's folder is where manage.py is. */
static bool configure(ConventionContext *ctx, Arena *arena, Error *err)
{
    const char *manage = peer_beside(ctx, arena, STR("manage.py"));
    FileInfo info;
    if (!manage)
        return error_nomem(err);
    if (ctx->files || !ctx->are_folders_default)
        return true;
    if (!file_info(manage, &info, err))
        return false;
    const char *folder = str_z(arena, path_folder(str_from(manage)));
    return info.kind != FILE_REGULAR || peer_take_folder(ctx, arena, folder, err);
}

/* ---- scripts ------------------------------------------------------------------------------------------------ */

static bool read_file(const ConventionContext *ctx, Arena *arena, const char *path, Str text,
                      const void *own, HostFile *ret_file, Error *err)
{
    (void)ctx;
    (void)path;
    const char *conflict = own;
    if (!django_operations(arena, text, ret_file, err))
        return false;
    if (conflict)
        ret_file->up.refusal = NULL;
    return !conflict || host_refuse_way(&ret_file->up, 0, conflict, err);
}

static const HostTool tool = {
    .reader = read_file,
    .hint =
        "Whimbrel runs RunSQL with literal text only. Put what `manage.py sqlmigrate` prints "
        "beside it (0001_name.up.sql), or run it with manage.py; `whimbrel stamp` records it as "
        "applied.",
};

/* Where sqlmigrate met something that is no SQL it says so in a comment. */
static bool beside_prepare(const void *ctx, Arena *arena, const Script *script, Str text,
                           const SqlSplitOptions *split, ScriptText *ret_text, Error *err)
{
    (void)ctx;
    (void)arena;
    (void)split;
    (void)err;
    Line line = {0};
    ScriptText made = {.sql = text, .no_transaction = script->form->own != NULL};
    while (line_next(text, &line)) {
        if (!str_starts(line.text, STR("--")) ||
            str_find(line.text, STR("CANNOT BE WRITTEN AS SQL"), 0) == SIZE_MAX)
            continue;
        made.refusal = "lacks what cannot be written as SQL";
        made.refusal_line = line.number;
        made.refusal_hint = tool.hint;
        break;
    }
    *ret_text = made;
    return true;
}

static bool script_beside(const ConventionContext *ctx, Arena *arena, const char *path,
                          const char *suffix, Script **script, Error *err)
{
    const char *beside;
    if (!host_beside(ctx, arena, path, suffix, &beside, err))
        return false;
    if (!beside)
        return true;
    ScriptForm *form = arena_alloc(arena, sizeof *form);
    *script = script_new(arena, ctx->files, beside);
    if (!form || !*script)
        return error_nomem(err);
    *form = (ScriptForm){.prepare = beside_prepare};
    (*script)->form = form;
    return true;
}

/* Two ends of one app: Django stops until a migration merges them. */
static bool conflict_of(Arena *arena, const DjangoGraph *graph, const DjangoNode *node,
                        const char **ret_conflict, Error *err)
{
    *ret_conflict = NULL;
    for (size_t i = 0; !node->is_followed && i < graph->nodes.len; i++) {
        const DjangoNode *other = &graph->nodes.items[i];
        if (other == node || other->is_out || other->is_followed || !str_eq(other->app, node->app))
            continue;
        *ret_conflict = str_format(arena,
                                   "and %s are both ends of the app %.*s: `manage.py "
                                   "makemigrations --merge` makes them one",
                                   other->path, STR_ARG(node->app));
        return *ret_conflict || error_nomem(err);
    }
    return true;
}

static bool add_node(const ConventionContext *ctx, Arena *arena, const DjangoGraph *graph,
                     size_t index, MigrationSet *set, VersionParents *parents, Error *err)
{
    const DjangoNode *node = &graph->nodes.items[index];
    Migration *migration;
    const char *conflict;
    if (!conflict_of(arena, graph, node, &conflict, err) ||
        !peer_add(arena, set, node->key, (Str){0}, &migration, err) ||
        !host_scripts(ctx, arena, node->path, &tool, conflict, &migration->up, &migration->down,
                      err))
        return false;
    if (!conflict && (!script_beside(ctx, arena, node->path, ".up.sql", &migration->up, err) ||
                      !script_beside(ctx, arena, node->path, ".down.sql", &migration->down, err)))
        return false;
    migration->may_come_late = true; /* an app of its own is no late comer */
    /* Those of its own app are its line. */
    for (int is_own = 1; is_own >= 0; is_own--) {
        for (size_t i = 0; i < node->parents.len; i++) {
            const DjangoNode *parent = &graph->nodes.items[node->parents.items[i]];
            if (str_eq(parent->app, node->app) == is_own &&
                !vec_push(arena, &parents->versions, parent->key))
                return error_nomem(err);
        }
        if (is_own)
            parents->followed = parents->versions.len;
    }
    /* Apps that are not in the project have no files, but rows. Which of theirs is the first is not known. */
    for (size_t i = 0; i < node->dependencies.len; i++) {
        Str key = node->dependencies.items[i], app, name = str_cut(key, '.', &app);
        if (!django_has_app(graph, app) && !str_starts(name, STR("__")) &&
            !vec_push(arena, &parents->versions, key))
            return error_nomem(err);
    }
    return true;
}

/* ---- history ------------------------------------------------------------------------------------------------ */

static bool take_row(void *ctx, const DbValue *cols, bool *ret_is_good, const char **ret_what,
                     Error *err)
{
    const PeerReader *reader = ctx;
    HistoryRow *row;
    *ret_is_good = !cols[0].is_null && !cols[1].is_null && cols[0].text.len > 0;
    *ret_what = "a row has no app or no name";
    if (!*ret_is_good)
        return true;
    const char *key =
        str_format(reader->arena, "%.*s.%.*s", STR_ARG(cols[0].text), STR_ARG(cols[1].text));
    if (!key)
        return error_nomem(err);
    if (!peer_push_row(reader, str_from(key), (Str){0}, &row, err))
        return false;
    row->finished_at = peer_instant_of(reader->ctx->dialect, &cols[2]);
    return true;
}

static bool read_rows(const ConventionContext *ctx, Db *db, Arena *arena,
                      const VersionOrder *versions, History *ret_history, Error *err)
{
    const char *applied = peer_instant(ctx->dialect, arena, "applied", ctx->dialect == SQL_MYSQL);
    const char *columns = applied ? str_format(arena, "app, name, %s", applied) : NULL;
    if (!columns)
        return error_nomem(err);
    const PeerTable table = {.columns = columns, .order = "id", .column_count = 3, .row = take_row};
    return peer_history_read(ctx, db, arena, &table, versions, ret_history, err);
}

static const VersionOrder text_order = {.kind = VERSIONS_TEXT};

static bool has_replacements(const DjangoGraph *graph)
{
    for (size_t i = 0; i < graph->nodes.len; i++)
        if (graph->nodes.items[i].replaces.len > 0)
            return true;
    return false;
}

/* Which migrations are applied decides what squashed ones stand for. */
static bool applied_keys(const ConventionContext *ctx, Arena *arena, StrVec *ret_keys, Error *err)
{
    History history = {0};
    *ret_keys = (StrVec){0};
    if (!ctx->db)
        return true;
    /* The database is only looked at, and it is the caller's to use. */
    if (!read_rows(ctx, (Db *)(uintptr_t)ctx->db, arena, &text_order, &history, err))
        return false;
    for (size_t i = 0; i < history.rows.len; i++)
        if (!vec_push(arena, ret_keys, history.rows.items[i].version))
            return error_nomem(err);
    return true;
}

static bool has_class(Str text)
{
    return str_find(text, STR("class Migration"), 0) != SIZE_MAX;
}

/* A package that is called migrations, and of which no file is one, is none of an app. */
static bool read_heads(const ConventionContext *ctx, Arena *arena, DjangoGraph *graph, Error *err)
{
    Str *texts = arena_alloc(arena, (graph->nodes.len + 1) * sizeof *texts);
    size_t kept = 0, end;
    if (!texts)
        return error_nomem(err);
    for (size_t i = 0; i < graph->nodes.len; i++)
        if (!peer_read(ctx, arena, graph->nodes.items[i].path, &texts[i], err))
            return false;
    for (size_t from = 0; from < graph->nodes.len; from = end) {
        Str folder = path_folder(str_from(graph->nodes.items[from].path));
        bool is_app = false;
        for (end = from; end < graph->nodes.len &&
                         str_eq(path_folder(str_from(graph->nodes.items[end].path)), folder);
             end++)
            is_app = is_app || has_class(texts[end]);
        for (size_t i = from; i < end && is_app; i++) {
            texts[kept] = texts[i];
            graph->nodes.items[kept++] = graph->nodes.items[i];
        }
    }
    graph->nodes.len = kept;
    for (size_t i = 0; i < kept; i++)
        if (!django_read_head(arena, graph, texts[i], &graph->nodes.items[i], err))
            return false;
    return true;
}

/* "blog" is the last of that app. */
static bool add_labels(Arena *arena, const DjangoGraph *graph, MigrationSet *set, Error *err)
{
    for (size_t i = 0; i < graph->nodes.len; i++) {
        const DjangoNode *node = &graph->nodes.items[i];
        VersionLabel label = {node->app, node->key};
        if (!node->is_out && !node->is_followed && !vec_push(arena, &set->labels, label))
            return error_nomem(err);
    }
    return true;
}

static bool scan(const ConventionContext *ctx, Arena *arena, MigrationSet *ret_set, Error *err)
{
    MigrationSet set = {.script_options = peer_script_options(ctx)};
    DjangoGraph *graph = arena_alloc(arena, sizeof *graph);
    Search search = {ctx, arena, graph, &set, err};
    StrVec applied = {0};
    if (!graph)
        return error_nomem(err);
    *graph = (DjangoGraph){0};
    if (!search_folders(&search))
        return false;
    if (!read_heads(ctx, arena, graph, err))
        return false;
    if ((has_replacements(graph) && !applied_keys(ctx, arena, &applied, err)) ||
        !django_finish(arena, graph, &applied, err))
        return false;
    VersionParents *parents = arena_alloc(arena, (graph->order.len + 1) * sizeof *parents);
    if (!parents)
        return error_nomem(err);
    for (size_t i = 0; i < graph->order.len; i++)
        if (!add_node(ctx, arena, graph, graph->order.items[i], &set, &parents[i], err))
            return false;
    if (!add_labels(arena, graph, &set, err))
        return false;
    set.parents = parents;
    set.own = graph;
    if (!peer_order_as_added(arena, &set, err) || !migration_set_finish(&set, err))
        return false;
    *ret_set = set;
    return true;
}

/* "0001_squashed_0004_more": what it put together, of which rows may be left for ever. */
static uint64_t squashed_up_to(Str name)
{
    size_t at = str_find(name, STR("_squashed_"), 0);
    uint64_t number = 0;
    Str rest = at == SIZE_MAX ? (Str){0} : str_sub(name, at + strlen("_squashed_"), name.len);
    return str_to_u64(peer_digits(rest), &number) ? number : 0;
}

static bool is_tolerated(const DjangoGraph *graph, Str key)
{
    Str app, name = str_cut(key, '.', &app);
    uint64_t number = 0;
    if (!django_has_app(graph, app)) /* it came with some package */
        return true;
    if (!str_to_u64(peer_digits(name), &number))
        return false;
    for (size_t i = 0; i < graph->nodes.len; i++)
        if (str_eq(graph->nodes.items[i].app, app) &&
            number <= squashed_up_to(graph->nodes.items[i].name))
            return true;
    return false;
}

/* Rows of what a squashed migration has replaced are its own: once all are there it is applied, recorded or not. */
static bool fold_replaced(Arena *arena, const DjangoGraph *graph, const DjangoNode *node,
                          History *history, Error *err)
{
    size_t kept = 0, found = 0;
    bool is_recorded = false;
    HistoryRow last = {0};
    for (size_t k = 0; k < node->replaces.len; k++) {
        bool is_there = false;
        for (size_t i = 0; i < history->rows.len; i++)
            is_there = is_there || str_eq(history->rows.items[i].version, node->replaces.items[k]);
        found += is_there;
    }
    for (size_t i = 0; i < history->rows.len; i++) {
        HistoryRow row = history->rows.items[i];
        is_recorded = is_recorded || str_eq(row.version, node->key);
        bool is_replaced = django_has(&node->replaces, row.version) &&
                           (django_find(graph, row.version) == SIZE_MAX ||
                            graph->nodes.items[django_find(graph, row.version)].is_out);
        if (is_replaced)
            last = row;
        else
            history->rows.items[kept++] = row;
    }
    history->rows.len = kept;
    if (is_recorded || found < node->replaces.len)
        return true;
    last.version = node->key;
    return vec_push(arena, &history->rows, last) || error_nomem(err);
}

static bool history_read(const ConventionContext *ctx, Db *db, Arena *arena, History *ret_history,
                         Error *err)
{
    const DjangoGraph *graph = ctx->set ? ctx->set->own : NULL;
    const VersionOrder *versions = ctx->set ? &ctx->set->versions : &text_order;
    if (!read_rows(ctx, db, arena, versions, ret_history, err))
        return false;
    for (size_t i = 0; graph && i < graph->nodes.len; i++)
        if (graph->nodes.items[i].replaces.len > 0 && !graph->nodes.items[i].is_out &&
            !fold_replaced(arena, graph, &graph->nodes.items[i], ret_history, err))
            return false;
    for (size_t i = 0; graph && i < ret_history->rows.len; i++)
        ret_history->rows.items[i].is_tolerated =
            is_tolerated(graph, ret_history->rows.items[i].version);
    ret_history->order = NULL;
    return history_finish(arena, ret_history, err);
}

static const char *columns_of(SqlDialect dialect)
{
    switch (dialect) {
    case SQL_POSTGRES:
        return "(id bigint NOT NULL PRIMARY KEY GENERATED BY DEFAULT AS IDENTITY, app varchar(255) "
               "NOT NULL, name varchar(255) NOT NULL, applied timestamp with time zone NOT NULL)";
    case SQL_MYSQL:
        return "(id bigint AUTO_INCREMENT NOT NULL PRIMARY KEY, app varchar(255) NOT NULL, name "
               "varchar(255) NOT NULL, applied datetime(6) NOT NULL)";
    case SQL_SQLITE:
        break;
    }
    return "(\"id\" integer NOT NULL PRIMARY KEY AUTOINCREMENT, \"app\" varchar(255) NOT NULL, "
           "\"name\" varchar(255) NOT NULL, \"applied\" datetime NOT NULL)";
}

static bool history_prepare(const ConventionContext *ctx, Db *db, Arena *arena,
                            const History *history, DbStatementVec *out, Error *err)
{
    (void)db;
    return peer_create_table(ctx, arena, history, columns_of(ctx->dialect), out, err);
}

static const char *time_of(const ConventionContext *ctx, Arena *arena, const HistoryWrite *write)
{
    char buf[TIMESTAMP_TEXT];
    if (write->started_at != TIMESTAMP_UNKNOWN && write->duration_us >= 0)
        return str_format(arena, "'%s%s'",
                          timestamp_sql(write->started_at + write->duration_us, buf),
                          ctx->dialect == SQL_POSTGRES ? "+00" : "");
    switch (ctx->dialect) {
    case SQL_POSTGRES:
        return "CURRENT_TIMESTAMP";
    case SQL_MYSQL:
        return "UTC_TIMESTAMP(6)";
    case SQL_SQLITE:
        break;
    }
    return "strftime('%Y-%m-%d %H:%M:%f', 'now')";
}

static bool write_key(const ConventionContext *ctx, Arena *arena, const HistoryWrite *write,
                      Str key, DbStatementVec *out, Error *err)
{
    TableName table;
    Str app, name = str_cut(key, '.', &app), where_text, values_text;
    StrBuf where = strbuf(arena), values = strbuf(arena);
    const char *time = time_of(ctx, arena, write);
    if (!time)
        return error_nomem(err);
    strbuf_adds(&where, "app = ");
    sql_add_literal(&where, ctx->dialect, app);
    strbuf_adds(&where, " AND name = ");
    sql_add_literal(&where, ctx->dialect, name);
    sql_add_literal(&values, ctx->dialect, app);
    strbuf_adds(&values, ", ");
    sql_add_literal(&values, ctx->dialect, name);
    strbuf_addf(&values, ", %s", time);
    if (!strbuf_finish(&where, &where_text) || !strbuf_finish(&values, &values_text))
        return error_nomem(err);
    return table_name_read(ctx, arena, &table, err) &&
           peer_write_row(ctx, &table, arena, write, where_text, STR("app, name, applied"),
                          values_text, out, err);
}

static bool history_write(const ConventionContext *ctx, const Db *db, Arena *arena,
                          const HistoryWrite *write, DbStatementVec *out, Error *err)
{
    (void)db;
    const DjangoGraph *graph = ctx->set ? ctx->set->own : NULL;
    if (write->kind == WRITE_RUN_BEGIN || write->kind == WRITE_RUN_END)
        return true;
    Str key = peer_version(write);
    size_t index = graph ? django_find(graph, key) : SIZE_MAX;
    /* A squashed migration comes and goes with all that it replaces. */
    for (size_t i = 0; index != SIZE_MAX && i < graph->nodes.items[index].replaces.len; i++)
        if (!write_key(ctx, arena, write, graph->nodes.items[index].replaces.items[i], out, err))
            return false;
    return write_key(ctx, arena, write, key, out, err);
}

/* ---- recognition, new files --------------------------------------------------------------------------------- */

static bool takes(const ConventionContext *ctx, const PeerFile *file, Str text)
{
    (void)ctx;
    (void)file;
    (void)text;
    return false;
}

static bool recognise(const ConventionContext *given, Db *db, Arena *arena,
                      ConventionGuess *ret_guess, Error *err)
{
    static const char *const configurations[] = {"manage.py", NULL};
    static const PeerSigns signs = {.configurations = configurations,
                                    .columns = "id, app, name, applied",
                                    .has_only_these = true,
                                    .takes = takes};
    scoped(Arena *, arena_freep) scratch = arena_new();
    ConventionContext ctx = *given;
    DjangoGraph graph = {0};
    if (!scratch)
        return error_nomem(err);
    Error local = {.arena = scratch};
    Search search = {&ctx, scratch, &graph, NULL, &local};
    if (!configure(&ctx, arena, err) || !peer_recognise(&ctx, db, arena, &signs, ret_guess, err))
        return false;
    /* A whole tree is gone through only where something else speaks for Django, or this folder was named. */
    if ((ctx.are_folders_default && ret_guess->weight == 0) || given->files)
        return true;
    if (!search_folders(&search)) /* what Django would stumble over is no sign */
        return local.kind != ERROR_NOMEM || error_nomem(err);
    if (graph.nodes.len == 0)
        return true;
    ret_guess->has_files = true;
    return guess_add(
        arena, ret_guess, 1,
        str_format(arena, "%s is where Django has migrations", graph.nodes.items[0].path), err);
}

/* The app that a new migration is for: "blog.name" and "blog_name" say it, or there is only one. */
static bool app_of(const DjangoGraph *graph, Str *name, Str *ret_app, Error *err)
{
    Str found = {0};
    bool is_one = graph && graph->nodes.len > 0;
    for (size_t i = 0; graph && i < graph->nodes.len; i++) {
        Str app = graph->nodes.items[i].app;
        bool is_said = name->len > app.len + 1 && str_starts(*name, app) &&
                       (name->ptr[app.len] == '_' || name->ptr[app.len] == '.');
        if (is_said && app.len > found.len)
            found = app;
        is_one = is_one && str_eq(app, graph->nodes.items[0].app);
    }
    if (found.len > 0) {
        *name = str_sub(*name, found.len + 1, name->len);
        *ret_app = found;
        return true;
    }
    if (is_one) {
        *ret_app = graph->nodes.items[0].app;
        return true;
    }
    error_set(err, ERROR_USAGE, "which app the new migration is for is not clear");
    error_code(err, "bad-name");
    return error_hint(err, "Say it with the name of an app that has migrations: whimbrel new "
                           "blog.add_users.");
}

static bool new_paths(const ConventionContext *ctx, Arena *arena, const MigrationSet *set, Str name,
                      unsigned new_kind, bool is_numbered, Timestamp now, StrVec *ret_paths,
                      Error *err)
{
    (void)is_numbered;
    (void)now;
    const DjangoGraph *graph = set->own;
    Str app, slug, folder = {0};
    uint64_t newest = 0, number;
    StrVec paths = {0};
    if (new_kind == NEW_REPEATABLE || new_kind == NEW_FOLDER)
        return peer_lacks_kind(ctx->convention, new_kind, err);
    if (!app_of(graph, &name, &app, err) || !peer_slug(arena, name, &slug, err))
        return false;
    for (size_t i = 0; i < graph->nodes.len; i++) {
        const DjangoNode *node = &graph->nodes.items[i];
        if (!str_eq(node->app, app))
            continue;
        folder = path_folder(str_from(node->path));
        if (str_to_u64(peer_digits(node->name), &number) && number > newest)
            newest = number;
    }
    /* Paths are relative to the folder that was given. */
    Str top = ctx->folders.items[0];
    if (!str_eq(top, STR(".")) && str_starts(folder, top))
        folder = str_sub(folder, top.len + (folder.len > top.len), folder.len);
    const char *path =
        str_format(arena, "%.*s%s%04llu_%.*s.py", STR_ARG(folder), folder.len > 0 ? "/" : "",
                   (unsigned long long)newest + 1, STR_ARG(slug));
    if (!path || !vec_push(arena, &paths, str_from(path)))
        return error_nomem(err);
    *ret_paths = paths;
    return true;
}

static void add_text(StrBuf *out, Str text)
{
    Line line = {0};
    strbuf_adds(out, "r\"\"\"\n");
    while (line_next(text, &line)) {
        strbuf_add(out, line.text);
        strbuf_add_char(out, '\n');
    }
    strbuf_adds(out, "\"\"\"");
}

/* Whether a folder is that part of the top one. */
static bool is_folder(Str folder, Str top, Str below)
{
    if (!str_eq(top, STR(".")) && str_starts(folder, top))
        folder = str_sub(folder, top.len + (folder.len > top.len), folder.len);
    return str_eq(folder, str_eq(below, STR(".")) ? (Str){0} : below);
}

static bool new_text(const ConventionContext *ctx, Arena *arena, const StrVec *paths, size_t index,
                     Str text, Str *ret_text, Error *err)
{
    const DjangoGraph *graph = ctx->set ? ctx->set->own : NULL;
    StrBuf out = strbuf(arena);
    Str folder = path_folder(paths->items[index]);
    strbuf_adds(&out, "from django.db import migrations\n\n\nclass Migration(migrations.Migration):"
                      "\n\n    dependencies = [\n");
    for (size_t i = 0; graph && i < graph->nodes.len; i++) {
        const DjangoNode *node = &graph->nodes.items[i];
        if (!node->is_out && !node->is_followed &&
            is_folder(path_folder(str_from(node->path)), ctx->folders.items[0], folder))
            strbuf_addf(&out, "        (\"%.*s\", \"%.*s\"),\n", STR_ARG(node->app),
                        STR_ARG(node->name));
    }
    strbuf_adds(&out, "    ]\n\n    operations = [\n        migrations.RunSQL(\n            sql=");
    add_text(&out, text);
    strbuf_adds(&out, ",\n            reverse_sql=");
    add_text(&out, STR(""));
    strbuf_adds(&out, ",\n        ),\n    ]\n");
    return strbuf_finish(&out, ret_text) || error_nomem(err);
}

const Convention convention_django = {
    .version = 1,
    .name = "django",
    .title = "Django",
    .summary = "Django: app/migrations/0001_name.py with literal RunSQL, table django_migrations",
    .default_table = "django_migrations",
    .features = CONVENTION_DOWN | CONVENTION_DIRECTIVES | CONVENTION_EMPTY,
    .checksum_hash = HASH_SHA256,
    .versions = VERSIONS_LISTED,
    .scan = scan,
    .history_read = history_read,
    .history_prepare = history_prepare,
    .history_write = history_write,
    .lock_key = peer_own_lock,
    .recognise = recognise,
    .new_paths = new_paths,
    .new_text = new_text,
    .configure = configure,
};

/* Alembic (SQLAlchemy): revisions in Python that form a graph, and a table of how far the database came.
 *
 * The files are read, never run. What upgrade() and downgrade() do is taken from SQL that lies beside them, or out of the calls
 * themselves as far as all that they are given is literal; the rest is refused by name and line. SPDX-License-Identifier: Apache-2.0 */
#include "convention/alembic.h"
#include "convention/host.h"
#include "convention/sqlite_table.h"

#include <string.h>

/* ---- SQL that the offline mode has written ------------------------------------------------------------------ */

typedef struct ScriptOwn {
    const ConventionContext *ctx;
    Str revision;
    const StrVec *down; /* what it follows */
    bool is_down;
} ScriptOwn;

/* Whether the statement is of Alembic's own: the history is ours to write, the transaction too. */
static bool is_plumbing(const SqlInfo *info, const TableName *table, Arena *arena,
                        SqlDialect dialect)
{
    Str name = info->object == SQL_OBJECT_TABLE && info->name.len > 0 ? info->name : info->table;
    Str value;
    if (info->flags & SQL_TRANSACTION_CONTROL)
        return true;
    return name.len > 0 && sql_ident_value(arena, dialect, name, &value) &&
           str_eq(value, table->table);
}

static bool refuse_offline(ScriptText *text, const char *refusal, uint32_t line)
{
    text->sql = STR(" ");
    text->refusal = refusal;
    text->refusal_hint = "Write it anew: alembic upgrade FROM:REVISION --sql (downgrade for the "
                         "way back).";
    text->refusal_line = line;
    return true;
}

/* Whether "a, b" names just what the revision follows. */
static bool names_parents(const ScriptOwn *own, Str names)
{
    size_t count = 0;
    while (names.len > 0) {
        Str name;
        bool is_there = false;
        names = str_cut(names, ',', &name);
        for (size_t i = 0; i < own->down->len; i++)
            is_there = is_there || str_eq(str_trim(name), own->down->items[i]);
        count += is_there;
        if (!is_there)
            return false;
    }
    return count == own->down->len;
}

/* "-- Running upgrade a, b -> c": the line says which revision's SQL this is. *ret_is_other: of another one. *ret_is_moved: it followed
 * others then. */
static bool check_running(const ScriptOwn *own, Str line, bool *ret_is_other, bool *ret_is_moved)
{
    Str rest = str_trim(line), from, to;
    Str marker = own->is_down ? STR("-- Running downgrade ") : STR("-- Running upgrade ");
    *ret_is_other = *ret_is_moved = false;
    if (!str_starts(rest, STR("-- Running ")))
        return false;
    size_t arrow = str_find(rest, STR("->"), 0);
    *ret_is_other = !str_starts(rest, marker) || arrow == SIZE_MAX;
    if (*ret_is_other)
        return true;
    from = str_trim(str_sub(rest, marker.len, arrow));
    to = str_trim(str_sub(rest, arrow + 2, rest.len));
    Str mine = own->is_down ? from : to;
    *ret_is_other = !str_eq(mine, own->revision);
    *ret_is_moved = !names_parents(own, own->is_down ? to : from);
    return true;
}

static bool blank_plumbing(const ScriptOwn *own, Arena *arena, const SqlSplitOptions *split,
                           char *sql, size_t len, Error *err)
{
    SqlStatementVec statements = {0};
    TableName table;
    Str text = {sql, len};
    if (!table_name_read(own->ctx, arena, &table, err) ||
        !sql_split(arena, split, text, &statements, err))
        return false;
    for (size_t i = 0; i < statements.len; i++) {
        const SqlStatement *statement = &statements.items[i];
        SqlInfo info = sql_inspect(statement->text, split);
        if (!is_plumbing(&info, &table, arena, own->ctx->dialect))
            continue;
        for (uint64_t at = statement->offset; at < statement->end_offset && at < len; at++)
            if (sql[at] != '\n' && sql[at] != '\r')
                sql[at] = ' ';
    }
    return true;
}

static bool offline_prepare(const void *ctx, Arena *arena, const Script *script, Str text,
                            const SqlSplitOptions *split, ScriptText *ret_text, Error *err)
{
    (void)ctx;
    const ScriptOwn *own = script->form->own;
    ScriptText made = {0};
    Line line = {0};
    unsigned count = 0;
    while (line_next(text, &line)) {
        bool is_other, is_moved;
        if (!check_running(own, line.text, &is_other, &is_moved))
            continue;
        if (is_other || count++ > 0 || is_moved) {
            *ret_text = made;
            return refuse_offline(
                ret_text,
                is_other   ? "holds the SQL of another revision"
                : is_moved ? "was written when its revision followed another one than now"
                           : "holds the SQL of its revision twice",
                line.number);
        }
    }
    char *sql = str_z(arena, text);
    if (!sql)
        return error_nomem(err);
    if (!blank_plumbing(own, arena, split, sql, text.len, err))
        return false;
    made.sql = (Str){sql, text.len};
    *ret_text = made;
    return true;
}

/* ---- scripts ------------------------------------------------------------------------------------------------- */

static bool python_prepare(const void *ctx, Arena *arena, const Script *script, Str text,
                           const SqlSplitOptions *split, ScriptText *ret_text, Error *err)
{
    (void)ctx;
    const ScriptOwn *own = script->form->own;
    const Db *db = own->ctx->db;
    AlembicTarget target = {.dialect = split->dialect};
    PyModule module;
    if (db) {
        target.is_mariadb = str_eq(str_from(db->info.engine), STR("mariadb"));
        target.version = db->info.version_number;
    }
    return python_read(arena, text, &module, err) &&
           alembic_render(arena, &target, &module, own->is_down ? STR("downgrade") : STR("upgrade"),
                          ret_text, err);
}

/* A table that others refer to loses its rows' partners when it is dropped while foreign keys are heeded. */
static bool check_keys(Db *db, Arena *arena, Error *err)
{
    DbValue value;
    int64_t is_on = 0;
    if (!db_query_value(db, arena, STR("PRAGMA foreign_keys"), &value, err))
        return false;
    if (!db_value_i64(&value, &is_on) || is_on == 0)
        return true;
    error_set(err, ERROR_UNSUPPORTED,
              "a table is not rebuilt while foreign keys are on: dropping the old one would delete "
              "the rows that refer to it");
    error_code(err, "host-language");
    return error_hint(err, "Leave foreign_keys out of the database's URL for this run.");
}

static bool refuse_late(const Script *script, const ScriptText *made, Error *err)
{
    error_set(err, ERROR_UNSUPPORTED, "%s %s", script->path, made->refusal);
    error_code(err, "host-language");
    error_at(err, str_from(script->path), made->refusal_line, 0);
    return error_hint(err, "%s", made->refusal_hint);
}

/* The SQL of a rebuild, now that it is its turn. */
static bool python_late(const void *ctx, Arena *arena, Db *db, const Script *script, Str statement,
                        Str *ret_sql, Error *err)
{
    (void)ctx;
    const ScriptOwn *own = script->form->own;
    AlembicTarget target = {.dialect = SQL_SQLITE, .version = db->info.version_number};
    LateRebuild late = {0};
    SqliteTable table;
    ScriptText made;
    PyModule module;
    Str text, name;
    bool exists;
    size_t mark = str_find(statement, STR(ALEMBIC_REBUILD), 0);
    Str written = str_trim(str_sub(statement, strlen("ALTER TABLE "), mark));
    if (!str_to_u64(str_sub(statement, mark + strlen(ALEMBIC_REBUILD), statement.len),
                    &late.number)) {
        *ret_sql = statement; /* somebody's own words */
        return true;
    }
    if (!check_keys(db, arena, err) || !sql_ident_value(arena, SQL_SQLITE, written, &name) ||
        !sqlite_table_read(db, arena, name, &table, &exists, err))
        return err->kind != ERROR_NONE ? false : error_nomem(err);
    late.table = exists ? &table : NULL;
    if (!script_text(arena, script, 0, &text, err) || !python_read(arena, text, &module, err) ||
        !alembic_render_late(arena, &target, &module,
                             own->is_down ? STR("downgrade") : STR("upgrade"), &late, &made, err))
        return false;
    *ret_sql = made.sql;
    return !made.refusal || refuse_late(script, &made, err);
}

static bool make_script(const ConventionContext *ctx, Arena *arena, const Revision *revision,
                        bool is_down, Script **ret_script, Error *err)
{
    ScriptForm *form = arena_alloc(arena, sizeof *form);
    ScriptOwn *own = arena_alloc(arena, sizeof *own);
    const char *beside;
    *ret_script = NULL;
    if (!form || !own)
        return error_nomem(err);
    if (!host_beside(ctx, arena, revision->path, is_down ? ".down.sql" : ".up.sql", &beside, err))
        return false;
    if (!beside && is_down && !revision->has_downgrade)
        return true;
    *own = (ScriptOwn){
        .ctx = ctx, .revision = revision->id, .down = &revision->down, .is_down = is_down};
    *form = (ScriptForm){.prepare = beside ? offline_prepare : python_prepare, .own = own};
    if (!beside && ctx->dialect == SQL_SQLITE) {
        form->late_mark = ALEMBIC_REBUILD;
        form->late = python_late;
    }
    *ret_script = script_new(arena, ctx->files, beside ? beside : revision->path);
    if (!*ret_script)
        return error_nomem(err);
    (*ret_script)->form = form;
    return true;
}

/* ---- scan ---------------------------------------------------------------------------------------------------- */

/* (?!\.\#|__init__)(.*\.py)$ */
static bool is_revision_file(Str name)
{
    return str_ends(name, STR(".py")) && !str_starts(name, STR("__init__"));
}

static bool read_revisions(const ConventionContext *ctx, Arena *arena, const PeerFileVec *files,
                           AlembicGraph *graph, MigrationSet *set, Error *err)
{
    for (size_t i = 0; i < files->len; i++) {
        const PeerFile *file = &files->items[i];
        Revision revision;
        Str text;
        if (!is_revision_file(file->name)) {
            if (!str_ends(file->name, STR(".up.sql")) && !str_ends(file->name, STR(".down.sql")) &&
                !peer_ignore(arena, set, file->path, err))
                return false;
            continue;
        }
        if (!peer_read(ctx, arena, file->path, &text, err) ||
            !alembic_read_head(arena, file->path, text, &revision, err))
            return false;
        if (!vec_push(arena, &graph->revisions, revision))
            return error_nomem(err);
    }
    return true;
}

static bool add_migration(const ConventionContext *ctx, Arena *arena, const AlembicGraph *graph,
                          size_t index, MigrationSet *set, VersionParents *parents, Error *err)
{
    const Revision *revision = &graph->revisions.items[index];
    Migration *migration;
    if (!peer_add(arena, set, revision->id, revision->message, &migration, err) ||
        !make_script(ctx, arena, revision, false, &migration->up, err) ||
        !make_script(ctx, arena, revision, true, &migration->down, err))
        return false;
    migration->may_come_late = true; /* a branch of its own is no late comer */
    for (size_t i = 0; i < revision->labels.len; i++) {
        VersionLabel label = {revision->labels.items[i], revision->id};
        if (!vec_push(arena, &set->labels, label))
            return error_nomem(err);
    }
    for (size_t i = 0; i < revision->parents.len; i++)
        if (!vec_push(arena, &parents->versions,
                      graph->revisions.items[revision->parents.items[i]].id))
            return error_nomem(err);
    parents->followed = revision->down.len;
    return true;
}

enum { SLACK_NS = 2000000000 }; /* files of one checkout are written in any order */

/* Python that was changed after the SQL beside it was written: one sentence for all of it. */
static bool note_stale(const ConventionContext *ctx, Arena *arena, const AlembicGraph *graph,
                       MigrationSet *set, Error *err)
{
    size_t count = 0;
    const char *first = NULL;
    for (size_t i = 0; i < graph->revisions.len && !ctx->files; i++) {
        const char *path = graph->revisions.items[i].path, *beside;
        FileStamp python, sql;
        if (!host_beside(ctx, arena, path, ".up.sql", &beside, err))
            return false;
        if (!beside || !file_stamp(path, &python) || !file_stamp(beside, &sql) ||
            python.modified_ns - SLACK_NS <= sql.modified_ns)
            continue;
        if (count++ == 0)
            first = path;
    }
    if (count == 0)
        return true;
    const char *note = str_format(
        arena,
        "%s was changed after the SQL beside it was written%s: alembic upgrade --sql writes "
        "it anew",
        first, count > 1 ? ", as others were" : "");
    return (note && vec_push(arena, &set->notes, str_from(note))) || error_nomem(err);
}

static bool scan(const ConventionContext *ctx, Arena *arena, MigrationSet *ret_set, Error *err)
{
    MigrationSet set = {.script_options = peer_script_options(ctx)};
    AlembicGraph *graph = arena_alloc(arena, sizeof *graph);
    PeerFileVec files = {0};
    if (!graph)
        return error_nomem(err);
    *graph = (AlembicGraph){0};
    if (!peer_files(ctx, arena, alembic_settings(ctx)->is_recursive ? PEER_DEEPEST : PEER_FLAT,
                    &files, err) ||
        !read_revisions(ctx, arena, &files, graph, &set, err) ||
        !alembic_graph_finish(arena, graph, err))
        return false;
    VersionParents *parents = arena_alloc(arena, (graph->order.len + 1) * sizeof *parents);
    if (!parents)
        return error_nomem(err);
    for (size_t i = 0; i < graph->order.len; i++)
        if (!add_migration(ctx, arena, graph, graph->order.items[i], &set, &parents[i], err))
            return false;
    set.parents = parents;
    set.counts_in_lines = true;
    set.own = graph;
    if (!note_stale(ctx, arena, graph, &set, err) || !peer_order_as_added(arena, &set, err) ||
        !migration_set_finish(&set, err))
        return false;
    *ret_set = set;
    return true;
}

/* ---- history ------------------------------------------------------------------------------------------------- */

typedef struct Rows {
    Arena *arena;
    StrVec versions;
} Rows;

static bool take_row(void *ctx, const DbValue *cols, bool *ret_is_good, const char **ret_what,
                     Error *err)
{
    Rows *rows = ctx;
    Str version;
    *ret_is_good = !cols[0].is_null;
    *ret_what = "a row has no version_num";
    if (!*ret_is_good)
        return true;
    return (str_copy(rows->arena, cols[0].text, &version) &&
            vec_push(rows->arena, &rows->versions, version)) ||
           error_nomem(err);
}

static bool push_row(Arena *arena, History *history, Str version, Str name, Error *err)
{
    HistoryRow row = peer_row(version, name, (int64_t)history->rows.len + 1);
    return vec_push(arena, &history->rows, row) || error_nomem(err);
}

/* The rows are heads: they and all that comes before them is there. */
static bool spread_rows(const AlembicGraph *graph, Arena *arena, const Rows *rows, History *history,
                        Error *err)
{
    unsigned char *is_there = arena_alloc(arena, (graph ? graph->revisions.len : 0) + 1);
    if (!is_there)
        return error_nomem(err);
    memset(is_there, 0, (graph ? graph->revisions.len : 0) + 1);
    for (size_t i = 0; i < rows->versions.len; i++) {
        size_t found = graph ? alembic_find(graph, rows->versions.items[i]) : SIZE_MAX;
        if (found == SIZE_MAX) {
            if (!push_row(arena, history, rows->versions.items[i], (Str){0}, err))
                return false;
            continue;
        }
        for (size_t k = 0; k < graph->revisions.len; k++)
            is_there[k] = is_there[k] || alembic_is_ancestor(graph, k, found);
    }
    for (size_t o = 0; graph && o < graph->order.len; o++) {
        const Revision *revision = &graph->revisions.items[graph->order.items[o]];
        if (is_there[graph->order.items[o]] &&
            !push_row(arena, history, revision->id, revision->message, err))
            return false;
    }
    return true;
}

static const AlembicGraph *graph_of(const ConventionContext *ctx)
{
    return ctx->set ? ctx->set->own : NULL;
}

static bool history_read(const ConventionContext *ctx, Db *db, Arena *arena, History *ret_history,
                         Error *err)
{
    History history = {.versions = ctx->set ? &ctx->set->versions : NULL};
    Rows rows = {.arena = arena};
    PeerTable table = {.columns = "version_num",
                       .order = "version_num",
                       .column_count = 1,
                       .row = take_row,
                       .ctx = &rows};
    if (!table_name_read(ctx, arena, &table.name, err) ||
        !peer_table_read(ctx, db, arena, &table, &history.exists, err) ||
        !spread_rows(graph_of(ctx), arena, &rows, &history, err) ||
        !history_finish(arena, &history, err))
        return false;
    *ret_history = history;
    return true;
}

static bool history_prepare(const ConventionContext *ctx, Db *db, Arena *arena,
                            const History *history, DbStatementVec *out, Error *err)
{
    (void)db;
    TableName name;
    StrBuf sql = strbuf(arena);
    if (history->exists)
        return true;
    if (!table_name_read(ctx, arena, &name, err))
        return false;
    const char *key = str_format(arena, "%.*s_pkc", STR_ARG(name.table));
    if (!key)
        return error_nomem(err);
    peer_begin(&sql, ctx, &name, "CREATE TABLE ");
    strbuf_adds(&sql, " (version_num VARCHAR(32) NOT NULL, CONSTRAINT ");
    sql_add_ident(&sql, ctx->dialect, str_from(key));
    strbuf_adds(&sql, " PRIMARY KEY (version_num))");
    return statement_push(arena, &sql, out, err);
}

/* ---- writing ------------------------------------------------------------------------------------------------- */

/* "('a', 'b')" of the revisions for which wanted holds a byte. */
static void add_list(StrBuf *sql, const ConventionContext *ctx, const AlembicGraph *graph,
                     const unsigned char *wanted)
{
    bool has_any = false;
    strbuf_adds(sql, "(");
    for (size_t i = 0; i < graph->revisions.len; i++) {
        if (!wanted[i])
            continue;
        strbuf_adds(sql, has_any ? ", " : "");
        sql_add_literal(sql, ctx->dialect, graph->revisions.items[i].id);
        has_any = true;
    }
    strbuf_adds(sql, has_any ? ")" : "NULL)");
}

static bool push_insert(const ConventionContext *ctx, const TableName *name, Arena *arena,
                        Str version, DbStatementVec *out, Error *err)
{
    StrBuf sql = strbuf(arena);
    peer_begin(&sql, ctx, name, "INSERT INTO ");
    strbuf_adds(&sql, " (version_num) VALUES (");
    sql_add_literal(&sql, ctx->dialect, version);
    strbuf_adds(&sql, ")");
    return statement_push(arena, &sql, out, err);
}

/* The rows of the parents go, its own comes. That is where Alembic's UPDATE, INSERT, or DELETE and UPDATE lead, and if another
 * has applied it meanwhile, the key of the table says so. */
static bool push_applied(const ConventionContext *ctx, const TableName *name, Arena *arena,
                         size_t index, DbStatementVec *out, Error *err)
{
    const AlembicGraph *graph = graph_of(ctx);
    const Revision *revision = &graph->revisions.items[index];
    StrBuf sql = strbuf(arena);
    if (revision->parents.len > 0) {
        peer_begin(&sql, ctx, name, "DELETE FROM ");
        strbuf_adds(&sql, " WHERE version_num IN (");
        for (size_t i = 0; i < revision->parents.len; i++) {
            strbuf_adds(&sql, i > 0 ? ", " : "");
            sql_add_literal(&sql, ctx->dialect,
                            graph->revisions.items[revision->parents.items[i]].id);
        }
        strbuf_adds(&sql, ")");
        if (!statement_push(arena, &sql, out, err))
            return false;
    }
    return push_insert(ctx, name, arena, revision->id, out, err);
}

/* Its row goes, and with it those of what comes after it, should they be there; each parent gets one unless something else that is
 * there comes after the parent. Said so that several may be taken away in any order. */
static bool push_removed(const ConventionContext *ctx, const TableName *name, Arena *arena,
                         size_t index, DbStatementVec *out, Error *err)
{
    const AlembicGraph *graph = graph_of(ctx);
    const Revision *revision = &graph->revisions.items[index];
    size_t count = graph->revisions.len;
    unsigned char *gone = arena_alloc(arena, count + 1), *others = arena_alloc(arena, count + 1);
    if (!gone || !others)
        return error_nomem(err);
    for (size_t i = 0; i < count; i++)
        gone[i] = alembic_is_ancestor(graph, index, i);
    for (size_t p = 0; p < revision->parents.len; p++) {
        size_t parent = revision->parents.items[p];
        StrBuf sql = strbuf(arena);
        bool is_implied = false;
        for (size_t k = 0; k < revision->parents.len; k++)
            is_implied = is_implied ||
                         (k != p && alembic_is_ancestor(graph, parent, revision->parents.items[k]));
        if (is_implied)
            continue;
        for (size_t i = 0; i < count; i++)
            others[i] = !gone[i] && alembic_is_ancestor(graph, parent, i);
        peer_begin(&sql, ctx, name, "INSERT INTO ");
        strbuf_adds(&sql, " (version_num) SELECT ");
        sql_add_literal(&sql, ctx->dialect, graph->revisions.items[parent].id);
        strbuf_adds(&sql, ctx->dialect == SQL_MYSQL ? " FROM DUAL" : "");
        peer_begin(&sql, ctx, name, " WHERE EXISTS (SELECT 1 FROM ");
        strbuf_adds(&sql, " WHERE version_num IN ");
        add_list(&sql, ctx, graph, gone);
        peer_begin(&sql, ctx, name, ") AND NOT EXISTS (SELECT 1 FROM ");
        strbuf_adds(&sql, " WHERE version_num IN ");
        add_list(&sql, ctx, graph, others);
        strbuf_adds(&sql, ")");
        if (!statement_push(arena, &sql, out, err))
            return false;
    }
    StrBuf sql = strbuf(arena);
    peer_begin(&sql, ctx, name, "DELETE FROM ");
    strbuf_adds(&sql, " WHERE version_num IN ");
    add_list(&sql, ctx, graph, gone);
    return statement_push(arena, &sql, out, err);
}

/* A row of which no file is here. */
static bool push_unknown(const ConventionContext *ctx, const TableName *name, Arena *arena,
                         Str version, bool is_removed, DbStatementVec *out, Error *err)
{
    StrBuf sql = strbuf(arena);
    if (!is_removed)
        return push_insert(ctx, name, arena, version, out, err);
    peer_begin(&sql, ctx, name, "DELETE FROM ");
    strbuf_adds(&sql, " WHERE version_num = ");
    sql_add_literal(&sql, ctx->dialect, version);
    return statement_push(arena, &sql, out, err);
}

/* `alembic stamp`: what comes before it counts as there too, so that only its own row is left of its line. */
static bool push_baseline(const ConventionContext *ctx, const TableName *name, Arena *arena,
                          size_t index, DbStatementVec *out, Error *err)
{
    const AlembicGraph *graph = graph_of(ctx);
    unsigned char *older = arena_alloc(arena, graph->revisions.len + 1);
    StrBuf sql = strbuf(arena);
    if (!older)
        return error_nomem(err);
    for (size_t i = 0; i < graph->revisions.len; i++)
        older[i] = alembic_is_ancestor(graph, i, index);
    peer_begin(&sql, ctx, name, "DELETE FROM ");
    strbuf_adds(&sql, " WHERE version_num IN ");
    add_list(&sql, ctx, graph, older);
    return statement_push(arena, &sql, out, err) &&
           push_insert(ctx, name, arena, graph->revisions.items[index].id, out, err);
}

enum { MOST_CHARACTERS = 32 };

static bool history_write(const ConventionContext *ctx, const Db *db, Arena *arena,
                          const HistoryWrite *write, DbStatementVec *out, Error *err)
{
    (void)db;
    const AlembicGraph *graph = graph_of(ctx);
    TableName name;
    if (write->kind == WRITE_RUN_BEGIN || write->kind == WRITE_RUN_END)
        return true;
    Str version = peer_version(write);
    size_t index = graph ? alembic_find(graph, version) : SIZE_MAX;
    if (!table_name_read(ctx, arena, &name, err))
        return false;
    bool is_removed = write->kind == WRITE_REMOVED || write->kind == WRITE_DELETED;
    if (ctx->dialect == SQL_SQLITE && !is_removed && version.len > 4 * MOST_CHARACTERS) {
        error_set(err, ERROR_UNSUPPORTED, "Alembic cannot hold version %.*s", STR_ARG(version));
        error_code(err, "bad-version");
        return error_hint(err, "Its column has room for 32 characters.");
    }
    switch (write->kind) {
    case WRITE_APPLIED:
    case WRITE_SKIPPED:
        return index == SIZE_MAX ? push_unknown(ctx, &name, arena, version, false, out, err)
                                 : push_applied(ctx, &name, arena, index, out, err);
    case WRITE_BASELINE:
        return index == SIZE_MAX ? push_unknown(ctx, &name, arena, version, false, out, err)
                                 : push_baseline(ctx, &name, arena, index, out, err);
    case WRITE_REMOVED:
    case WRITE_DELETED:
        return index == SIZE_MAX ? push_unknown(ctx, &name, arena, version, true, out, err)
                                 : push_removed(ctx, &name, arena, index, out, err);
    case WRITE_BEGIN:
    case WRITE_STEP:
    case WRITE_FAILED:
    case WRITE_CHECKSUM:
    case WRITE_RUN_BEGIN:
    case WRITE_RUN_END:
        return true;
    }
    return true;
}

/* ---- recognition --------------------------------------------------------------------------------------------- */

static bool is_assigned(Str line, const char *name)
{
    Str word = str_from(name);
    if (!str_starts(line, word) || line.len <= word.len)
        return false;
    char next = line.ptr[word.len];
    return next == ' ' || next == '=' || next == ':';
}

static bool takes(const ConventionContext *ctx, const PeerFile *file, Str text)
{
    (void)ctx;
    bool has_revision = false, has_parent = false;
    Line line = {0};
    if (!is_revision_file(file->name))
        return false;
    while (line_next(text, &line)) {
        has_revision = has_revision || is_assigned(line.text, "revision");
        has_parent = has_parent || is_assigned(line.text, "down_revision");
    }
    return has_revision && has_parent;
}

static bool recognise(const ConventionContext *given, Db *db, Arena *arena,
                      ConventionGuess *ret_guess, Error *err)
{
    static const char *const files[] = {"alembic.ini", NULL};
    static const PeerSigns signs = {.configurations = files,
                                    .columns = "version_num",
                                    .has_only_these = true,
                                    .takes = takes,
                                    .reads = true,
                                    .suffix = ".py"};
    ConventionContext ctx = *given;
    Error local = {.arena = arena};
    const char *path;
    Str text;
    ctx.convention = &convention_alembic;
    /* What is wrong with the configuration is said when it is this tool's turn. */
    if (!alembic_configure(&ctx, arena, &local)) {
        if (local.kind == ERROR_NOMEM)
            return error_nomem(err);
        ctx = *given;
        ctx.convention = &convention_alembic;
    }
    if (!peer_recognise(&ctx, db, arena, &signs, ret_guess, err) ||
        !peer_configuration(given, arena, STR("pyproject.toml"), &path, &text, err))
        return false;
    if (!path || str_find(text, STR("[tool.alembic]"), 0) == SIZE_MAX)
        return true;
    return guess_add(arena, ret_guess, 2, str_format(arena, "%s has [tool.alembic]", path), err);
}

/* ---- new files ----------------------------------------------------------------------------------------------- */

enum { ID_DIGITS = 12, LONGEST_SLUG = 40 };

/* Words joined by '_' in lower case, cut behind the last whole one. */
static bool slug_of(Arena *arena, Str name, Str *ret_slug)
{
    StrBuf out = strbuf(arena);
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];
        bool is_word = c == '_' || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
                       (c >= 'A' && c <= 'Z') || (unsigned char)c >= 0x80;
        if (is_word)
            strbuf_add_char(&out, c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c);
        else if (out.len > 0 && out.ptr[out.len - 1] != '_')
            strbuf_add_char(&out, '_');
    }
    if (!strbuf_finish(&out, ret_slug))
        return false;
    if (ret_slug->len <= LONGEST_SLUG)
        return true;
    size_t end = LONGEST_SLUG;
    while (end > 0 && ret_slug->ptr[end - 1] != '_')
        end--;
    *ret_slug = str_sub(*ret_slug, 0, end > 0 ? end : LONGEST_SLUG);
    return true;
}

/* Alembic's file_template: %(rev)s, %(slug)s, and the time in numbers. */
static bool fill_template(Arena *arena, Str template, Str id, Str slug, Timestamp now,
                          Str *ret_name, Error *err)
{
    char compact[TIMESTAMP_TEXT];
    const char *time = timestamp_compact(now, compact);
    const struct {
        const char *name;
        Str value;
    } numbers[] = {{"year", {time, 4}},     {"month", {time + 4, 2}},   {"day", {time + 6, 2}},
                   {"hour", {time + 8, 2}}, {"minute", {time + 10, 2}}, {"second", {time + 12, 2}}};
    StrBuf out = strbuf(arena);
    for (size_t i = 0; i < template.len; i++) {
        size_t close = str_find_char(template, ')', i);
        if (!str_starts(str_sub(template, i, template.len), STR("%(")) || close == SIZE_MAX) {
            strbuf_add_char(&out, template.ptr[i]);
            continue;
        }
        Str name = str_sub(template, i + 2, close);
        size_t end = close + 1;
        while (end < template.len && template.ptr[end] >= '0' && template.ptr[end] <= '9')
            end++; /* the width, "02d" or ".2d" */
        bool is_known = true;
        if (str_eq(name, STR("rev")))
            strbuf_add(&out, id);
        else if (str_eq(name, STR("slug")))
            strbuf_add(&out, slug);
        else if (str_eq(name, STR("epoch")))
            strbuf_addf(&out, "%lld", (long long)(now / 1000000));
        else
            is_known = false;
        for (size_t k = 0; k < sizeof numbers / sizeof *numbers && !is_known; k++) {
            is_known = str_eq(name, str_from(numbers[k].name));
            if (is_known)
                strbuf_add(&out, numbers[k].value);
        }
        if (!is_known) {
            error_set(err, ERROR_USAGE, "file_template speaks of %%(%.*s), which is not known",
                      STR_ARG(name));
            return error_code(err, "bad-setting");
        }
        i = end; /* the letter that ends it */
    }
    return strbuf_finish(&out, ret_name) || error_nomem(err);
}

static bool new_paths(const ConventionContext *ctx, Arena *arena, const MigrationSet *set, Str name,
                      unsigned new_kind, bool is_numbered, Timestamp now, StrVec *ret_paths,
                      Error *err)
{
    Str slug, stem;
    StrVec paths = {0};
    unsigned char digest[HASH_MAX_BYTES];
    Hash hash;
    (void)is_numbered;
    if (new_kind == NEW_REPEATABLE || new_kind == NEW_FOLDER)
        return peer_lacks_kind(ctx->convention, new_kind, err);
    if (!peer_slug(arena, name, &slug, err))
        return false;
    /* As good as random: the time in microseconds, the name, and what is there. */
    hash_begin(&hash, HASH_SHA256);
    hash_add(&hash, (Str){(const char *)&now, sizeof now});
    hash_add(&hash, name);
    for (size_t i = 0; i < set->migrations.len; i++)
        hash_add(&hash, set->migrations.items[i].version);
    const char *hex = hex_encode(arena, digest, hash_end(&hash, digest));
    if (!hex || !slug_of(arena, name, &slug))
        return error_nomem(err);
    if (!fill_template(arena, alembic_settings(ctx)->file_template, (Str){hex, ID_DIGITS}, slug,
                       now, &stem, err))
        return false;
    const char *path = str_format(arena, "%.*s.py", STR_ARG(stem));
    if (!path || !vec_push(arena, &paths, str_from(path)))
        return error_nomem(err);
    *ret_paths = paths;
    return true;
}

/* The id that new_paths() has put into the name; with a template that has none, the name itself makes one. */
static bool id_of(Arena *arena, Str path, Str *ret_id)
{
    unsigned char digest[HASH_MAX_BYTES];
    Hash hash;
    Str base = path_base(path);
    for (size_t i = 0; i + ID_DIGITS <= base.len; i++) {
        size_t len = 0;
        bool has_letter = false;
        while (i + len < base.len && hex_value(base.ptr[i + len]) >= 0) {
            has_letter = has_letter || base.ptr[i + len] > '9';
            len++;
        }
        bool ends = i + len == base.len || base.ptr[i + len] == '_' || base.ptr[i + len] == '.' ||
                    base.ptr[i + len] == '-';
        if (len == ID_DIGITS && ends &&
            (i == 0 || base.ptr[i - 1] == '_' || base.ptr[i - 1] == '-')) {
            *ret_id = str_sub(base, i, i + len);
            return true;
        }
        i += len;
    }
    hash_begin(&hash, HASH_SHA256);
    hash_add(&hash, base);
    const char *hex = hex_encode(arena, digest, hash_end(&hash, digest));
    if (hex)
        *ret_id = (Str){hex, ID_DIGITS};
    return hex != NULL;
}

/* 'a', or ('a', 'b') of several. */
static void add_heads(StrBuf *out, const StrVec *heads)
{
    if (heads->len == 0)
        strbuf_adds(out, "None");
    if (heads->len > 1)
        strbuf_adds(out, "(");
    for (size_t i = 0; i < heads->len; i++)
        strbuf_addf(out, "%s\"%.*s\"", i > 0 ? ", " : "", STR_ARG(heads->items[i]));
    if (heads->len > 1)
        strbuf_adds(out, ")");
}

static bool new_text(const ConventionContext *ctx, Arena *arena, const StrVec *paths, size_t index,
                     Str text, Str *ret_text, Error *err)
{
    const AlembicGraph *graph = graph_of(ctx);
    StrVec heads = {0};
    StrBuf out = strbuf(arena);
    Line line = {0};
    Str id, title = {0};
    if (!id_of(arena, paths->items[index], &id))
        return error_nomem(err);
    if (graph && !alembic_heads(arena, graph, NULL, &heads, err))
        return false;
    if (heads.len > 1) {
        error_set(err, ERROR_STATE, "there are %zu heads, and a new revision follows one",
                  heads.len);
        error_code(err, "several-heads");
        return error_hint(err, "Join them first: alembic merge heads -m \"join\".");
    }
    /* The template is made for SQL; its comments become the docstring. */
    while (title.len == 0 && line_next(text, &line))
        if (str_starts(line.text, STR("--")))
            title = str_trim(str_sub(line.text, 2, line.text.len));
    strbuf_addf(&out, "\"\"\"%.*s\n\nRevision ID: %.*s\nRevises: ", STR_ARG(title), STR_ARG(id));
    if (heads.len > 0)
        strbuf_add(&out, heads.items[0]);
    strbuf_addf(&out, "\n\"\"\"\nfrom alembic import op\n\nrevision = \"%.*s\"\ndown_revision = ",
                STR_ARG(id));
    add_heads(&out, &heads);
    strbuf_adds(&out, "\nbranch_labels = None\ndepends_on = None\n\n\ndef upgrade() -> None:\n"
                      "    op.execute(\"\"\"\n    \"\"\")\n\n\ndef downgrade() -> None:\n"
                      "    op.execute(\"\"\"\n    \"\"\")\n");
    return strbuf_finish(&out, ret_text) || error_nomem(err);
}

/* Which of the revisions cannot be run from here, and how their SQL is had from alembic itself. */
static bool init_notes(const ConventionContext *ctx, Arena *arena, StrVec *ret_notes, Error *err)
{
    MigrationSet set = {0};
    size_t refused = 0;
    StrVec notes = {0};
    const char *first = NULL;
    if (!scan(ctx, arena, &set, err))
        return false;
    for (size_t i = 0; i < set.migrations.len; i++) {
        Script *up = set.migrations.items[i].up;
        if (!up || !script_read(arena, up, &set.script_options, err))
            return false;
        if (!up->form->refusal)
            continue;
        if (refused++ == 0)
            first = str_format(arena, "%s:%u %s", up->path, (unsigned)up->form->refusal_line,
                               up->form->refusal);
    }
    if (refused == 0) {
        *ret_notes = notes;
        return vec_push(arena, ret_notes, STR("every revision can be run from here")) ||
               error_nomem(err);
    }
    const char *count = str_format(arena, "%zu of %zu revisions need Python, first %s", refused,
                                   set.migrations.len, first);
    if (!first || !count || !vec_push(arena, &notes, str_from(count)) ||
        !vec_push(arena, &notes,
                  STR("alembic writes the SQL of one that is still to come: alembic upgrade "
                      "DOWN_REVISION:REVISION --sql > versions/FILE.up.sql, and alembic downgrade "
                      "REVISION:DOWN_REVISION --sql > versions/FILE.down.sql, where FILE is the "
                      "name of its Python file without .py")))
        return error_nomem(err);
    *ret_notes = notes;
    return true;
}

const Convention convention_alembic = {
    .version = 1,
    .name = "alembic",
    .title = "Alembic",
    .summary = "Alembic of Python: revisions that follow each other, read without Python, table "
               "alembic_version",
    .default_table = "alembic_version",
    .features = CONVENTION_DOWN | CONVENTION_BASELINE | CONVENTION_OUT_OF_ORDER |
                CONVENTION_DIRECTIVES | CONVENTION_EMPTY | CONVENTION_WHOLE_RUN,
    .checksum_hash = HASH_SHA256,
    .versions = VERSIONS_LISTED,
    .scan = scan,
    .history_read = history_read,
    .history_prepare = history_prepare,
    .history_write = history_write,
    .lock_key = peer_own_lock,
    .recognise = recognise,
    .new_paths = new_paths,
    .configure = alembic_configure,
    .new_text = new_text,
    .init_notes = init_notes,
};

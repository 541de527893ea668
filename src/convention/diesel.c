/* Diesel (diesel_cli, diesel_migrations): a folder a migration with up.sql, down.sql and metadata.toml, a version a row in
 * __diesel_schema_migrations.
 *
 * Versions are texts to Diesel: what stands before the first '_' of the folder's name, without '-', and they run in the order of their
 * bytes. Of two folders with one version Diesel silently runs one only: here that is an error. SPDX-License-Identifier: Apache-2.0 */
#include "convention/draft.h"

/* ---- diesel.toml ---------------------------------------------------------------------------------------- */

enum { TOML_LIMIT_BYTES = 1 << 20 };

/* Where diesel.toml would be; NULL when memory is out. */
static const char *configuration_path(const ConventionContext *ctx, Arena *arena)
{
    Str named;
    if (peer_variable(ctx, STR("DIESEL_CONFIG_FILE"), &named) && named.len > 0)
        return str_z(arena, named);
    return peer_beside(ctx, arena, STR("diesel.toml"));
}

/* The folder of migrations, which is relative to the file. What else stands there is about Rust code. */
static bool configure(ConventionContext *ctx, Arena *arena, Error *err)
{
    FileInfo info;
    Str text, dir = {0};
    TomlDoc doc;
    if (ctx->files || !ctx->are_folders_default)
        return true;
    if (peer_variable(ctx, STR("MIGRATION_DIRECTORY"), &dir) && dir.len > 0)
        return peer_take_folder(ctx, arena, str_z(arena, dir), err);
    const char *path = configuration_path(ctx, arena);
    if (!path)
        return error_nomem(err);
    if (!file_info(path, &info, err))
        return false;
    if (info.kind != FILE_REGULAR)
        return true;
    if (!file_read(arena, path, TOML_LIMIT_BYTES, &text, err) ||
        !toml_parse(arena, path, text, &doc, err) ||
        !toml_get_string(&doc, doc.root, "migrations_directory.dir", &dir, NULL, err))
        return false;
    const char *folder = str_z(arena, path_folder(str_from(path)));
    if (!folder)
        return error_nomem(err);
    return dir.len == 0 || peer_take_folder(ctx, arena, path_join(arena, folder, dir), err);
}

/* ---- files ---------------------------------------------------------------------------------------------- */

/* What one folder holds. */
typedef struct Parts {
    const char *up, *down, *metadata; /* NULL: not there */
    bool has_entries;
} Parts;

static bool read_parts(const ConventionContext *ctx, Arena *arena, const char *folder,
                       Parts *ret_parts, Error *err)
{
    FolderEntryVec entries = {0};
    Parts parts = {0};
    if (!folder_entries(ctx, arena, folder, &entries, err))
        return false;
    parts.has_entries = entries.len > 0;
    for (size_t i = 0; i < entries.len; i++) {
        Str name = entries.items[i].name;
        const char **part = str_eq(name, STR("up.sql"))          ? &parts.up
                            : str_eq(name, STR("down.sql"))      ? &parts.down
                            : str_eq(name, STR("metadata.toml")) ? &parts.metadata
                                                                 : NULL;
        if (part && entries.items[i].kind == FILE_REGULAR) {
            *part = path_join(arena, folder, name);
            if (!*part)
                return error_nomem(err);
        }
    }
    *ret_parts = parts;
    return true;
}

/* Without the file the scripts run in a transaction. A file that does not say so means that they do not, and one that cannot be read counts
 * for nothing: all as with Diesel. */
static bool runs_in_transaction(const ConventionContext *ctx, const char *path, bool *ret_does,
                                Error *err)
{
    scoped(Arena *, arena_freep) scratch = arena_new();
    Error local = {.arena = scratch};
    Str text;
    TomlDoc doc;
    bool does = false;
    *ret_does = true;
    if (!scratch)
        return error_nomem(err);
    if (!path)
        return true;
    if (file_tree_read(ctx->files, scratch, path, TOML_LIMIT_BYTES, &text, &local) &&
        toml_parse(scratch, path, text, &doc, &local) &&
        toml_get_boolean(&doc, doc.root, "run_in_transaction", &does, NULL, &local))
        *ret_does = does;
    else if (local.kind == ERROR_NOMEM)
        return error_nomem(err);
    return true;
}

/* "2025-01-03-193224_create_users": version 20250103193224, name create_users. */
static bool read_name(Arena *arena, Str folder, Str *ret_version, Str *ret_name, Error *err)
{
    StrBuf version = strbuf(arena);
    Str before;
    *ret_name = str_cut(folder, '_', &before);
    for (size_t i = 0; i < before.len; i++) {
        if (before.ptr[i] != '-')
            strbuf_add_char(&version, before.ptr[i]);
    }
    return strbuf_finish(&version, ret_version) || error_nomem(err);
}

static bool add_folder(const ConventionContext *ctx, Arena *arena, Str base, const char *path,
                       MigrationSet *set, Error *err)
{
    Parts parts;
    Str version, name;
    bool does = true;
    Migration *migration;
    if (!read_parts(ctx, arena, path, &parts, err))
        return false;
    if (!parts.has_entries)
        return peer_ignore(arena, set, path, err);
    if (!parts.up)
        return peer_bad_file(path, "bad-file", "would stop Diesel: it holds no up.sql",
                             "Add an up.sql, or move the folder out of the folder of migrations.",
                             err);
    if (!read_name(arena, base, &version, &name, err))
        return false;
    if (version.len == 0)
        return peer_bad_file(path, "bad-name", "has no version in its name",
                             "Rename it to something like 2025-01-03-193224_name.", err);
    return runs_in_transaction(ctx, parts.metadata, &does, err) &&
           peer_add(arena, set, version, name, &migration, err) &&
           peer_script_alone(ctx, arena, parts.up, !does, &migration->up, err) &&
           (!parts.down || peer_script_alone(ctx, arena, parts.down, !does, &migration->down, err));
}

static bool scan(const ConventionContext *ctx, Arena *arena, MigrationSet *ret_set, Error *err)
{
    MigrationSet set = {.script_options = peer_script_options(ctx),
                        .versions = {.kind = VERSIONS_TEXT}};
    for (size_t i = 0; i < ctx->folders.len; i++) {
        FolderEntryVec entries = {0};
        const char *folder = str_z(arena, ctx->folders.items[i]);
        if (!folder)
            return error_nomem(err);
        if (!folder_entries(ctx, arena, folder, &entries, err))
            return error_hint(err, "Make the folder with `whimbrel new NAME`, or name another with "
                                   "--migrations.");
        for (size_t j = 0; j < entries.len; j++) {
            const FolderEntry *entry = &entries.items[j];
            const char *path = path_join(arena, folder, entry->name);
            if (!path)
                return error_nomem(err);
            if (entry->name.ptr[0] == '.')
                continue;
            if (entry->kind != FILE_FOLDER) {
                if (!vec_push(arena, &set.ignored, str_from(path)))
                    return error_nomem(err);
                continue;
            }
            if (!str_is_utf8(entry->name, NULL))
                return peer_bad_file(path, "bad-name", "has a name that is not UTF-8",
                                     "Rename the folder.", err);
            if (!add_folder(ctx, arena, path_base(str_from(path)), path, &set, err))
                return false;
        }
    }
    if (!migration_set_finish(&set, err))
        return false;
    *ret_set = set;
    return true;
}

/* ---- history -------------------------------------------------------------------------------------------- */

static bool take_row(void *ctx, const DbValue *cols, bool *ret_is_good, const char **ret_what,
                     Error *err)
{
    HistoryRow *row;
    return peer_push_timed_row(ctx, cols, "a row has no version", ret_is_good, ret_what, &row, err);
}

static const char *order_of(SqlDialect dialect)
{
    switch (dialect) {
    case SQL_POSTGRES:
        return "version COLLATE \"C\"";
    case SQL_MYSQL:
        return "BINARY version";
    case SQL_SQLITE:
        break;
    }
    return "version";
}

static bool history_read(const ConventionContext *ctx, Db *db, Arena *arena, History *ret_history,
                         Error *err)
{
    static const VersionOrder text_order = {.kind = VERSIONS_TEXT};
    PeerTable table = {.order = order_of(ctx->dialect), .column_count = 2, .row = take_row};
    /* run_on has no zone on PostgreSQL, and is UTC there. */
    const char *time = peer_instant(ctx->dialect, arena, "run_on", false);
    table.columns = time ? str_format(arena, "version, %s", time) : NULL;
    if (!table.columns)
        return error_nomem(err);
    return peer_history_read(ctx, db, arena, &table, &text_order, ret_history, err);
}

static bool history_prepare(const ConventionContext *ctx, Db *db, Arena *arena,
                            const History *history, DbStatementVec *out, Error *err)
{
    (void)db;
    return peer_create_table(ctx, arena, history,
                             "(version VARCHAR(50) PRIMARY KEY NOT NULL, run_on TIMESTAMP NOT "
                             "NULL DEFAULT CURRENT_TIMESTAMP)",
                             out, err);
}

/* In UTC whatever the session's zone is; MySQL's and SQLite's default is so by itself. */
static const char *run_on(const ConventionContext *ctx, Arena *arena, const HistoryWrite *write)
{
    char buf[TIMESTAMP_TEXT];
    if (write->started_at != TIMESTAMP_UNKNOWN && write->duration_us >= 0)
        return str_format(arena, "'%.19s'",
                          timestamp_sql(write->started_at + write->duration_us, buf));
    return ctx->dialect == SQL_POSTGRES ? "CURRENT_TIMESTAMP AT TIME ZONE 'UTC'"
                                        : "CURRENT_TIMESTAMP";
}

static bool history_write(const ConventionContext *ctx, const Db *db, Arena *arena,
                          const HistoryWrite *write, DbStatementVec *out, Error *err)
{
    (void)db;
    TableName name;
    StrBuf values = strbuf(arena);
    Str where, values_text;
    if (write->kind == WRITE_RUN_BEGIN || write->kind == WRITE_RUN_END)
        return true;
    const char *time = run_on(ctx, arena, write);
    if (!time)
        return error_nomem(err);
    sql_add_literal(&values, ctx->dialect, peer_version(write));
    strbuf_addf(&values, ", %s", time);
    if (!strbuf_finish(&values, &values_text))
        return error_nomem(err);
    return table_name_read(ctx, arena, &name, err) &&
           peer_where_text(ctx, arena, "version", peer_version(write), &where, err) &&
           peer_write_row(ctx, &name, arena, write, where, STR("version, run_on"), values_text, out,
                          err);
}

/* ---- recognition, new files ------------------------------------------------------------------------------ */

static bool takes(const ConventionContext *ctx, const PeerFile *file, Str text)
{
    (void)ctx;
    (void)text;
    size_t slash = str_find_char(file->relative, '/', 0);
    return slash != SIZE_MAX && slash > 0 &&
           str_eq(str_sub(file->relative, slash + 1, file->relative.len), STR("up.sql"));
}

static bool recognise(const ConventionContext *given, Db *db, Arena *arena,
                      ConventionGuess *ret_guess, Error *err)
{
    static const char *const configurations[] = {"diesel.toml", NULL};
    static const PeerSigns signs = {.configurations = configurations,
                                    .columns = "version, run_on",
                                    .has_only_these = true,
                                    .depth = 1,
                                    .takes = takes};
    ConventionContext ctx = *given;
    const char *beside = peer_beside(given, arena, STR("diesel.toml"));
    if (!beside)
        return error_nomem(err);
    /* The folder that the configuration names need not be beside it. */
    ctx.project_folder = str_z(arena, path_folder(str_from(beside)));
    if (!ctx.project_folder)
        return error_nomem(err);
    return configure(&ctx, arena, err) && peer_recognise(&ctx, db, arena, &signs, ret_guess, err);
}

/* As `diesel migration generate` has it since 2.3: the time, and four digits that keep folders of one second apart. */
static const char *next_version(Arena *arena, const MigrationSet *set, bool is_numbered,
                                Timestamp now)
{
    char buf[TIMESTAMP_TEXT];
    if (is_numbered) {
        Str last = set->migrations.len > 0 ? set->migrations.items[set->migrations.len - 1].version
                                           : (Str){0};
        bool is_number = last.len > 0 && last.len < 20 && peer_digits(last).len == last.len;
        return peer_next_version(arena, set, true, is_number ? (int)last.len : 5, now);
    }
    const char *compact = timestamp_compact(now, buf);
    for (unsigned i = 0; i <= 0xffff; i++) {
        const char *version = str_format(arena, "%s%04x", compact, i);
        if (!version)
            return NULL;
        if (!migration_set_find(set, str_from(version)))
            return str_format(arena, "%.4s-%.2s-%.2s-%.6s-%04x", compact, compact + 4, compact + 6,
                              compact + 8, i);
    }
    return peer_next_version(arena, set, false, 0, now);
}

static bool new_paths(const ConventionContext *ctx, Arena *arena, const MigrationSet *set, Str name,
                      unsigned new_kind, bool is_numbered, Timestamp now, StrVec *ret_paths,
                      Error *err)
{
    Str slug;
    if (new_kind == NEW_REPEATABLE)
        return peer_lacks(ctx->convention, "repeatable migrations", err);
    if (!peer_slug(arena, name, &slug, err))
        return false;
    const char *version = next_version(arena, set, is_numbered, now);
    const char *stem = version ? str_format(arena, "%s_%.*s", version, STR_ARG(slug)) : NULL;
    if (!stem)
        return error_nomem(err);
    return peer_new_files(arena, str_from(stem), "/up.sql",
                          new_kind != NEW_SQL_ONLY ? "/down.sql" : NULL, ret_paths, err);
}

/* "2024-01-01-000001_name", as Diesel writes what looks like a time. */
static const char *draft_folder(Arena *arena, const Draft *draft)
{
    const char *v = draft->version.ptr;
    if (draft->version.len == 14 && peer_digits(draft->version).len == 14)
        return str_format(arena, "%.4s-%.2s-%.2s-%.6s_%.*s", v, v + 4, v + 6, v + 8,
                          STR_ARG(draft->name));
    return str_format(arena, "%.*s_%.*s", STR_ARG(draft->version), STR_ARG(draft->name));
}

static bool draft_files(const ConventionContext *ctx, Arena *arena, const DraftVec *drafts,
                        TreeFileVec *ret_files, Error *err)
{
    (void)ctx;
    for (size_t i = 0; i < drafts->len; i++) {
        const Draft *draft = &drafts->items[i];
        const char *folder = draft_folder(arena, draft);
        StrBuf metadata = strbuf(arena);
        if (!folder)
            return error_nomem(err);
        if (!draft_plain(arena, ret_files, str_format(arena, "%s/up.sql", folder), draft, false, "",
                         err) ||
            (draft->has_down &&
             !draft_plain(arena, ret_files, str_format(arena, "%s/down.sql", folder), draft, true,
                          "", err)))
            return false;
        if (!draft->up.no_transaction && !draft->down.no_transaction)
            continue;
        strbuf_adds(&metadata, "run_in_transaction = false\n");
        if (!draft_file(arena, ret_files, str_format(arena, "%s/metadata.toml", folder), &metadata,
                        err))
            return false;
    }
    return true;
}

const Convention convention_diesel = {
    .version = 1,
    .name = "diesel",
    .title = "Diesel",
    .summary = "Diesel of Rust: 2024-01-01-000000_name/up.sql and down.sql, table "
               "__diesel_schema_migrations",
    .default_table = "__diesel_schema_migrations",
    .features = CONVENTION_DOWN | CONVENTION_BASELINE | CONVENTION_DIRECTIVES |
                CONVENTION_OUT_OF_ORDER | CONVENTION_EMPTY,
    .checksum_hash = HASH_SHA256,
    .versions = VERSIONS_TEXT,
    .scan = scan,
    .history_read = history_read,
    .history_prepare = history_prepare,
    .history_write = history_write,
    .lock_key = peer_own_lock,
    .recognise = recognise,
    .new_paths = new_paths,
    .draft_files = draft_files,
    .configure = configure,
};

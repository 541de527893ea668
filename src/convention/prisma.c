/* Prisma Migrate: a folder a migration with migration.sql (and down.sql, if there), its SHA-256 and states in _prisma_migrations.
 *
 * A migration is its folder's name. The digits in front of the first '_' are its version here, what follows its name; where two folders
 * share the digits, and where there are none, the whole name is the version. SPDX-License-Identifier: Apache-2.0 */
#include "convention/draft.h"
#include "convention/literals.h"

#include <stdlib.h>
#include <string.h>

enum { CONFIGURATION_BYTES = 1 << 20, LONGEST_NAME = 200 };

typedef struct PrismaSettings {
    Str provider; /* of the datasource; empty: not known */
} PrismaSettings;

/* ---- schema.prisma, prisma.config.ts, package.json ------------------------------------------------------ */

static const char *const configurations[] = {
    "prisma.config.ts",
    "prisma.config.mts",
    "prisma.config.cts",
    "prisma.config.js",
    "prisma.config.mjs",
    "prisma.config.cjs",
    ".config/prisma.ts",
    ".config/prisma.js",
    "schema.prisma",
    "prisma/schema.prisma",
    NULL,
};
enum { SCHEMAS_FROM = 8 };

/* What was found of the project's configuration. */
typedef struct Project {
    ConventionContext *ctx;
    Arena *arena;
    const char *schema; /* file or folder; NULL: not known */
    const char *schema_folder;
    Str provider;
    bool is_folder_set;
} Project;

/* Beside the project, else in the current folder; *ret_path NULL: there is none. */
static bool find_file(const ConventionContext *ctx, Arena *arena, const char *name,
                      const char **ret_path, Error *err)
{
    const char *tries[] = {peer_beside(ctx, arena, str_from(name)),
                           ctx->project_folder ? NULL : name};
    *ret_path = NULL;
    if (!tries[0])
        return error_nomem(err);
    for (size_t i = 0; i < 2 && tries[i] && !*ret_path; i++) {
        FileInfo info;
        if (!file_info(tries[i], &info, err))
            return false;
        if (info.kind == FILE_REGULAR)
            *ret_path = tries[i];
    }
    return true;
}

static bool read_literals(Arena *arena, const char *path, LiteralSyntax syntax,
                          LiteralVec *ret_literals, Error *err)
{
    Str text;
    return file_read(arena, path, CONFIGURATION_BYTES, &text, err) &&
           literals_read(arena, text, syntax, ret_literals, err);
}

static bool take_folder(const Project *project, const char *folder, Str below, Error *err)
{
    const char *path = folder ? path_join(project->arena, folder, below) : NULL;
    return path ? peer_take_folder(project->ctx, project->arena, path, err) : error_nomem(err);
}

/* Of the environment, else of .env beside the project or the schema. */
static bool variable(const Project *project, const Literal *literal, Str *ret_value, Error *err)
{
    Arena *arena = project->arena;
    const char *const places[] = {
        peer_beside(project->ctx, arena, STR(".env")),
        path_join(arena, project->schema_folder ? project->schema_folder : ".", STR(".env"))};
    *ret_value = literal->fallback;
    if (peer_variable(project->ctx, literal->text, ret_value) && ret_value->len > 0)
        return true;
    for (size_t i = 0; i < 2; i++) {
        Error local = {.arena = arena};
        FileInfo info;
        Dotenv dotenv;
        Str text;
        if (!places[i])
            return error_nomem(err);
        if (!file_info(places[i], &info, err))
            return false;
        if (info.kind != FILE_REGULAR ||
            !file_read(arena, places[i], CONFIGURATION_BYTES, &text, &local) ||
            !dotenv_parse(arena, places[i], text, &dotenv, &local)) {
            if (local.kind == ERROR_NOMEM)
                return error_nomem(err);
            continue;
        }
        const DotenvEntry *entry = dotenv_get(&dotenv, literal->text);
        if (entry) {
            *ret_value = entry->value;
            return true;
        }
    }
    *ret_value = literal->fallback;
    return true;
}

/* What a pool or Prisma's own client makes of a URL means nothing to one connection. */
static bool is_of_pools(Str key)
{
    static const char *const known[] = {"connection_limit",     "pool_timeout",
                                        "socket_timeout",       "pgbouncer",
                                        "statement_cache_size", NULL};
    for (size_t i = 0; known[i]; i++) {
        if (str_eq(key, str_from(known[i])))
            return true;
    }
    return false;
}

static bool server_url(Arena *arena, Str url, Str *ret_url, Error *err)
{
    Str base, rest = str_cut(url, '?', &base);
    StrBuf out = strbuf(arena);
    bool is_mysql = str_starts(url, STR("mysql:"));
    char joint = '?';
    strbuf_add(&out, base);
    while (rest.len > 0) {
        Str param, key, value;
        rest = str_cut(rest, '&', &param);
        value = str_cut(param, '=', &key);
        /* PostgreSQL's driver heeds pgbouncer=true. */
        if (is_of_pools(key) && (is_mysql || !str_eq(key, STR("pgbouncer"))))
            continue;
        strbuf_add_char(&out, joint);
        joint = '&';
        strbuf_add(&out,
                   is_mysql && str_eq(key, STR("connect_timeout")) ? STR("connect-timeout") : key);
        strbuf_add_char(&out, '=');
        strbuf_add(&out, value);
    }
    return strbuf_finish(&out, ret_url) || error_nomem(err);
}

/* folder: what a file's path is relative to. */
static bool take_url(const Project *project, Str url, const char *file, uint32_t line,
                     const char *folder, Error *err)
{
    ConventionContext *ctx = project->ctx;
    static const char *const servers[] = {"postgresql:", "postgres:", "mysql:"};
    const char *place = str_format(project->arena, "%s:%u", file, (unsigned)line);
    if (!place)
        return error_nomem(err);
    if (str_starts(url, STR("file:"))) {
        Str path;
        (void)str_cut(str_sub(url, 5, url.len), '?', &path);
        if (str_starts(path, STR("//")))
            path = str_sub(path, 2, path.len);
        const char *joined = path_join(project->arena, folder, path);
        const char *made = joined ? str_format(project->arena, "sqlite:%s", joined) : NULL;
        ctx->url = str_from(made);
        ctx->url_place = place;
        return made || error_nomem(err);
    }
    for (size_t i = 0; i < sizeof servers / sizeof *servers; i++) {
        if (!str_starts(url, str_from(servers[i])))
            continue;
        ctx->url_place = place;
        return server_url(project->arena, url, &ctx->url, err);
    }
    return peer_note(project->ctx, project->arena,
                     str_format(project->arena,
                                "%s names a database that is reached by Prisma alone: give its own "
                                "address with -d",
                                place),
                     err);
}

static bool take_url_literal(const Project *project, const Literal *literal, const char *file,
                             const char *folder, Error *err)
{
    Str url = literal->text;
    if (literal->kind == LITERAL_VARIABLE && !variable(project, literal, &url, err))
        return false;
    if (literal->kind == LITERAL_TEXT || literal->kind == LITERAL_VARIABLE)
        return url.len == 0 || take_url(project, url, file, literal->line, folder, err);
    return peer_note(project->ctx, project->arena,
                     str_format(project->arena,
                                "%s:%u works the database's address out, which is not done here: "
                                "give it with -d",
                                file, (unsigned)literal->line),
                     err);
}

/* datasource NAME { key = ... } */
static const Literal *of_datasource(const LiteralVec *literals, const char *key)
{
    for (size_t i = 0; i < literals->len; i++) {
        Str path = literals->items[i].path, word, name, last;
        last = str_cut(str_cut(path, '/', &word), '/', &name);
        if (str_eq(word, STR("datasource")) && str_eq(last, str_from(key)))
            return &literals->items[i];
    }
    return NULL;
}

static bool read_schema_file(Project *project, const char *path, Error *err)
{
    LiteralVec literals;
    if (!read_literals(project->arena, path, LITERALS_PRISMA, &literals, err))
        return false;
    const Literal *provider = of_datasource(&literals, "provider");
    const Literal *url = of_datasource(&literals, "directUrl");
    if (!url)
        url = of_datasource(&literals, "url");
    if (!provider && !url)
        return true;
    project->schema_folder = str_z(project->arena, path_folder(str_from(path)));
    if (!project->schema_folder)
        return error_nomem(err);
    if (provider && provider->kind == LITERAL_TEXT)
        project->provider = provider->text;
    return !url || project->ctx->url.len > 0 ||
           take_url_literal(project, url, path, project->schema_folder, err);
}

/* The schema may lie in several files of a folder: the one with the datasource counts. */
static bool read_schema(Project *project, Error *err)
{
    FileInfo info;
    FolderEntryVec entries = {0};
    if (!project->schema)
        return true;
    if (!file_info(project->schema, &info, err))
        return false;
    if (info.kind == FILE_REGULAR)
        return read_schema_file(project, project->schema, err);
    if (info.kind == FILE_FOLDER && !folder_list(project->arena, project->schema, &entries, err))
        return false;
    for (size_t i = 0; i < entries.len; i++) {
        if (entries.items[i].kind != FILE_REGULAR ||
            !str_ends(entries.items[i].name, STR(".prisma")))
            continue;
        const char *path = path_join(project->arena, project->schema, entries.items[i].name);
        if (!path)
            return error_nomem(err);
        if (!read_schema_file(project, path, err))
            return false;
    }
    return true;
}

/* A key of prisma.config.ts that names a path; NULL: it is not there, or is worked out, which is told. */
static bool path_in_config(const Project *project, const LiteralVec *literals, const char *file,
                           const char *key, Str *ret_path, Error *err)
{
    const Literal *literal = literals_find(literals, str_from(key));
    *ret_path = (Str){0};
    if (literal && literal->kind == LITERAL_TEXT) {
        *ret_path = literal->text;
        return true;
    }
    return !literal ||
           peer_note(
               project->ctx, project->arena,
               str_format(project->arena,
                          "%s:%u works %s out, which is not done here: name the folder with -m",
                          file, (unsigned)literal->line, key),
               err);
}

static bool read_config(Project *project, const char *file, Error *err)
{
    LiteralVec literals;
    Str schema, migrations;
    const char *folder = str_z(project->arena, path_folder(str_from(file)));
    if (folder && str_eq(path_base(str_from(folder)), STR(".config")))
        folder = str_z(project->arena, path_folder(str_from(folder)));
    if (!folder)
        return error_nomem(err);
    if (!read_literals(project->arena, file, LITERALS_SCRIPT, &literals, err) ||
        !path_in_config(project, &literals, file, "schema", &schema, err) ||
        !path_in_config(project, &literals, file, "migrations/path", &migrations, err))
        return false;
    if (schema.len > 0 && !(project->schema = path_join(project->arena, folder, schema)))
        return error_nomem(err);
    if (migrations.len > 0 && project->ctx->are_folders_default) {
        if (!take_folder(project, folder, migrations, err))
            return false;
        project->is_folder_set = true;
    }
    const Literal *url = literals_find(&literals, STR("datasource/url"));
    return !url || take_url_literal(project, url, file, folder, err);
}

/* "prisma": { "schema": "db/schema.prisma" } */
static bool read_package(Project *project, Error *err)
{
    const char *file;
    LiteralVec literals;
    if (!find_file(project->ctx, project->arena, "package.json", &file, err))
        return false;
    if (!file)
        return true;
    if (!read_literals(project->arena, file, LITERALS_SCRIPT, &literals, err))
        return false;
    const Literal *schema = literals_find(&literals, STR("prisma/schema"));
    if (!schema || schema->kind != LITERAL_TEXT)
        return true;
    const char *folder = str_z(project->arena, path_folder(str_from(file)));
    project->schema = folder ? path_join(project->arena, folder, schema->text) : NULL;
    return project->schema || error_nomem(err);
}

/* Where the schema lies, there the folder of migrations is; and the database's address stands in it, or did until Prisma 7. */
static bool configure(ConventionContext *ctx, Arena *arena, Error *err)
{
    PrismaSettings *settings = arena_alloc(arena, sizeof *settings);
    Project project = {.ctx = ctx, .arena = arena};
    if (!settings)
        return error_nomem(err);
    ctx->own = settings;
    if (ctx->files)
        return true;
    for (size_t i = 0; i < SCHEMAS_FROM; i++) {
        const char *file;
        if (!find_file(ctx, arena, configurations[i], &file, err))
            return false;
        if (!file)
            continue;
        if (!read_config(&project, file, err))
            return false;
        break;
    }
    if (!project.schema && !read_package(&project, err))
        return false;
    for (size_t i = SCHEMAS_FROM; configurations[i] && !project.schema; i++) {
        if (!find_file(ctx, arena, configurations[i], &project.schema, err))
            return false;
    }
    if (!read_schema(&project, err))
        return false;
    settings->provider = project.provider;
    if (!project.schema_folder || !ctx->are_folders_default || project.is_folder_set)
        return true;
    return take_folder(&project, project.schema_folder, STR("migrations"), err);
}

/* ---- files ---------------------------------------------------------------------------------------------- */

/* "20240101000000_init": false for a name that is not of this form. */
static bool split_name(Str folder, Str *ret_version, Str *ret_name)
{
    Str digits = peer_digits(folder);
    if (digits.len == 0 || (digits.len < folder.len &&
                            (folder.ptr[digits.len] != '_' || digits.len + 1 == folder.len)))
        return false;
    *ret_version = digits;
    *ret_name = str_sub(folder, digits.len + 1, folder.len);
    return true;
}

/* Whether both have the same digits in front. */
static bool are_twins(Str a, Str b)
{
    Str version, other, name;
    return split_name(a, &version, &name) && split_name(b, &other, &name) && str_eq(version, other);
}

static Str folder_of(const Migration *migration)
{
    return path_base(path_folder(str_from(migration->up->path)));
}

/* Prisma takes a file for unchanged whose line ends were converted. */
static bool converted(Arena *arena, Str text, bool to_crlf, Str *ret_text)
{
    StrBuf out = strbuf(arena);
    for (size_t i = 0; i < text.len; i++) {
        bool is_pair = text.ptr[i] == '\r' && i + 1 < text.len && text.ptr[i + 1] == '\n';
        if (is_pair || text.ptr[i] == '\n') {
            strbuf_adds(&out, to_crlf ? "\r\n" : "\n");
            i += is_pair;
        } else {
            strbuf_add_char(&out, text.ptr[i]);
        }
    }
    return strbuf_finish(&out, ret_text);
}

static bool add_checksum_of(Arena *arena, Str text, StrVec *checksums, bool is_plain, Error *err)
{
    unsigned char digest[HASH_MAX_BYTES];
    StrBuf unpadded = strbuf(arena);
    Hash hash;
    Str old;
    hash_begin(&hash, HASH_SHA256);
    hash_add(&hash, text);
    size_t len = hash_end(&hash, digest);
    const char *hex = hex_encode(arena, digest, len);
    /* Early releases wrote bytes below 16 as one digit. */
    for (size_t i = 0; i < len; i++)
        strbuf_addf(&unpadded, "%x", digest[i]);
    return (hex && strbuf_finish(&unpadded, &old) &&
            (is_plain || vec_push(arena, checksums, str_from(hex))) &&
            vec_push(arena, checksums, old)) ||
           error_nomem(err);
}

static bool prepare(const void *ctx, Arena *arena, const Script *script, Str text,
                    const SqlSplitOptions *split, ScriptText *ret_text, Error *err)
{
    (void)ctx;
    (void)script;
    (void)split;
    ScriptText made = {.sql = text};
    Str lf, crlf;
    if (!converted(arena, text, false, &lf) || !converted(arena, text, true, &crlf))
        return error_nomem(err);
    if (!add_checksum_of(arena, text, &made.other_checksums, true, err) ||
        (!str_eq(lf, text) && !add_checksum_of(arena, lf, &made.other_checksums, false, err)) ||
        (!str_eq(crlf, text) && !add_checksum_of(arena, crlf, &made.other_checksums, false, err)))
        return false;
    *ret_text = made;
    return true;
}

static bool make_up(const ConventionContext *ctx, Arena *arena, const char *path,
                    Script **ret_script, Error *err)
{
    Script *script = script_new(arena, ctx->files, path);
    ScriptForm *form = arena_alloc(arena, sizeof *form);
    if (!script || !form)
        return error_nomem(err);
    *form = (ScriptForm){.prepare = prepare};
    script->form = form;
    *ret_script = script;
    return true;
}

static bool add_folder(const ConventionContext *ctx, Arena *arena, const char *path, bool is_twin,
                       MigrationSet *set, Error *err)
{
    FolderEntryVec entries = {0};
    Str folder = path_base(str_from(path)), version = folder, name = {0};
    const char *up = NULL, *down = NULL;
    Migration *migration;
    if (!folder_entries(ctx, arena, path, &entries, err))
        return false;
    for (size_t i = 0; i < entries.len; i++) {
        if (entries.items[i].kind != FILE_REGULAR)
            continue;
        const char **part = str_eq(entries.items[i].name, STR("migration.sql")) ? &up
                            : str_eq(entries.items[i].name, STR("down.sql"))    ? &down
                                                                                : NULL;
        if (part && !(*part = path_join(arena, path, entries.items[i].name)))
            return error_nomem(err);
    }
    if (!up)
        return peer_bad_file(path, "bad-file",
                             "would stop Prisma (P3015): it holds no migration.sql",
                             "Add a migration.sql, or move the folder out of the folder of "
                             "migrations.",
                             err);
    if (!is_twin && !split_name(folder, &version, &name)) {
        version = folder;
        name = (Str){0};
    }
    if (!peer_add(arena, set, version, name, &migration, err) ||
        !make_up(ctx, arena, up, &migration->up, err))
        return false;
    if (down && !(migration->down = script_new(arena, ctx->files, down)))
        return error_nomem(err);
    return true;
}

static bool provider_fits(Str provider, SqlDialect dialect)
{
    switch (dialect) {
    case SQL_POSTGRES:
        return str_eq(provider, STR("postgresql")) || str_eq(provider, STR("postgres")) ||
               str_eq(provider, STR("cockroachdb"));
    case SQL_MYSQL:
        return str_eq(provider, STR("mysql"));
    case SQL_SQLITE:
        return str_eq(provider, STR("sqlite"));
    }
    return false;
}

/* migration_lock.toml: whose SQL the files hold. */
static bool check_provider(const ConventionContext *ctx, Arena *arena, const char *folder,
                           Error *err)
{
    const char *path = path_join(arena, folder, STR("migration_lock.toml"));
    FileInfo info;
    Str text, provider = {0};
    TomlDoc doc;
    const TomlValue *value = NULL;
    if (!path)
        return error_nomem(err);
    if (!file_tree_info(ctx->files, path, &info, err))
        return false;
    if (info.kind != FILE_REGULAR)
        return true;
    if (!file_tree_read(ctx->files, arena, path, CONFIGURATION_BYTES, &text, err) ||
        !toml_parse(arena, path, text, &doc, err) ||
        !toml_get_string(&doc, doc.root, "provider", &provider, &value, err))
        return false;
    if (!value || !ctx->db || provider_fits(provider, ctx->dialect))
        return true;
    toml_error(&doc, value, err, ERROR_STATE, "these migrations are for %.*s, and this is %s",
               STR_ARG(provider), ctx->db->info.engine_title);
    error_code(err, "wrong-engine");
    return error_hint(err, "Name the database that they were written for (Prisma would stop with "
                           "P3019).");
}

static bool scan_folder(const ConventionContext *ctx, Arena *arena, const char *folder,
                        MigrationSet *set, Error *err)
{
    FolderEntryVec entries = {0}, kept = {0};
    if (!folder_entries(ctx, arena, folder, &entries, err))
        return error_hint(err, "Make the folder with `whimbrel new NAME`, or name another with "
                               "--migrations.");
    if (!check_provider(ctx, arena, folder, err))
        return false;
    for (size_t i = 0; i < entries.len; i++) {
        const FolderEntry *entry = &entries.items[i];
        const char *path = path_join(arena, folder, entry->name);
        if (!path)
            return error_nomem(err);
        if (entry->name.ptr[0] == '.' || str_eq(entry->name, STR("migration_lock.toml")))
            continue;
        if (entry->kind == FILE_FOLDER && !str_is_utf8(entry->name, NULL))
            return peer_bad_file(path, "bad-name", "has a name that is not UTF-8",
                                 "Rename the folder.", err);
        if (entry->kind == FILE_FOLDER ? !vec_push(arena, &kept, *entry)
                                       : !vec_push(arena, &set->ignored, str_from(path)))
            return error_nomem(err);
    }
    for (size_t i = 0; i < kept.len; i++) {
        const char *path = path_join(arena, folder, kept.items[i].name);
        bool is_twin = (i > 0 && are_twins(kept.items[i - 1].name, kept.items[i].name)) ||
                       (i + 1 < kept.len && are_twins(kept.items[i].name, kept.items[i + 1].name));
        if (!path)
            return error_nomem(err);
        if (!add_folder(ctx, arena, path, is_twin, set, err))
            return false;
    }
    return true;
}

static bool scan(const ConventionContext *ctx, Arena *arena, MigrationSet *ret_set, Error *err)
{
    MigrationSet set = {.script_options = peer_script_options(ctx),
                        .versions = {.kind = VERSIONS_TEXT}};
    for (size_t i = 0; i < ctx->folders.len; i++) {
        const char *folder = str_z(arena, ctx->folders.items[i]);
        if (!folder)
            return error_nomem(err);
        if (!scan_folder(ctx, arena, folder, &set, err))
            return false;
    }
    if (!migration_set_finish(&set, err))
        return false;
    *ret_set = set;
    return true;
}

/* ---- history -------------------------------------------------------------------------------------------- */

/* Rows as they are, but for those that were rolled back: they are as good as none. */
typedef struct Reader {
    const ConventionContext *ctx;
    Arena *arena;
    HistoryRowVec rows; /* version holds the folder's name until all are there */
} Reader;

enum {
    COL_NAME,
    COL_CHECKSUM,
    COL_STARTED,
    COL_FINISHED,
    COL_IS_FINISHED,
    COL_ROLLED_BACK,
    COL_LOGS,
    COL_COUNT
};

/* SQLite holds milliseconds since 1970 or text, by the release that wrote it; MySQL's column is in UTC. */
static Timestamp time_of(SqlDialect dialect, const DbValue *value)
{
    int64_t number = 0;
    Timestamp t;
    if (value->is_null)
        return TIMESTAMP_UNKNOWN;
    if (db_value_i64(value, &number))
        return dialect == SQL_SQLITE ? number * 1000 : number;
    return timestamp_parse(value->text, &t) ? t : TIMESTAMP_UNKNOWN;
}

static bool take_row(void *ctx, const DbValue *cols, bool *ret_is_good, const char **ret_what,
                     Error *err)
{
    Reader *reader = ctx;
    *ret_is_good =
        !cols[COL_NAME].is_null && cols[COL_NAME].text.len > 0 && !cols[COL_CHECKSUM].is_null;
    *ret_what = "a row has no name or no checksum";
    if (!*ret_is_good || str_eq(cols[COL_ROLLED_BACK].text, STR("1")))
        return true;
    Str folder, checksum;
    if (!str_copy(reader->arena, cols[COL_NAME].text, &folder) ||
        !str_copy(reader->arena, cols[COL_CHECKSUM].text, &checksum))
        return error_nomem(err);
    HistoryRow row = peer_row(folder, (Str){0}, (int64_t)reader->rows.len + 1);
    row.checksum = checksum;
    row.started_at = time_of(reader->ctx->dialect, &cols[COL_STARTED]);
    row.finished_at = time_of(reader->ctx->dialect, &cols[COL_FINISHED]);
    if (row.started_at != TIMESTAMP_UNKNOWN && row.finished_at >= row.started_at)
        row.duration_us = row.finished_at - row.started_at;
    if (!str_eq(cols[COL_IS_FINISHED].text, STR("1"))) {
        row.outcome = HISTORY_FAILED;
        if (!cols[COL_LOGS].is_null && cols[COL_LOGS].text.len > 0 &&
            !(row.failure = str_z(reader->arena, cols[COL_LOGS].text)))
            return error_nomem(err);
    }
    return vec_push(reader->arena, &reader->rows, row) || error_nomem(err);
}

static int by_folder_and_rank(const void *a, const void *b)
{
    const HistoryRow *one = a, *two = b;
    int order = str_cmp(one->version, two->version);
    return order != 0 ? order : one->rank < two->rank ? -1 : one->rank > two->rank;
}

static int by_rank(const void *a, const void *b)
{
    const HistoryRow *one = a, *two = b;
    return one->rank < two->rank ? -1 : one->rank > two->rank;
}

/* Version and name of a row, as the files have them, or would have. */
static void name_row(const ConventionContext *ctx, HistoryRow *row, bool is_twin)
{
    Str folder = row->version, version, name;
    if (is_twin || !split_name(folder, &version, &name))
        return;
    const Migration *same = ctx->set ? migration_set_find(ctx->set, version) : NULL;
    bool is_other = same && same->up && !str_eq(folder_of(same), folder);
    if (is_other || (ctx->set && migration_set_find(ctx->set, folder)))
        return;
    row->version = version;
    row->name = name;
}

/* One row a migration: unfinished, if any of its rows is, else the last. */
static bool gather(Reader *reader, History *history, Error *err)
{
    HistoryRowVec *rows = &reader->rows;
    size_t kept = 0;
    if (rows->len > 1)
        qsort(rows->items, rows->len, sizeof *rows->items, by_folder_and_rank);
    for (size_t i = 0; i < rows->len; i++) {
        HistoryRow *row = &rows->items[i];
        HistoryRow *before = kept > 0 ? &rows->items[kept - 1] : NULL;
        if (!before || !str_eq(before->version, row->version))
            rows->items[kept++] = *row;
        else if (before->outcome != HISTORY_FAILED)
            *before = *row;
    }
    rows->len = kept;
    bool *twins = arena_alloc(reader->arena, kept * sizeof *twins);
    if (!twins)
        return error_nomem(err);
    for (size_t i = 1; i < kept; i++) {
        if (are_twins(rows->items[i - 1].version, rows->items[i].version))
            twins[i - 1] = twins[i] = true;
    }
    for (size_t i = 0; i < kept; i++)
        name_row(reader->ctx, &rows->items[i], twins[i]);
    if (kept > 1)
        qsort(rows->items, kept, sizeof *rows->items, by_rank);
    history->rows = *rows;
    return true;
}

static const char *columns_of(SqlDialect dialect)
{
    switch (dialect) {
    case SQL_POSTGRES:
        return "migration_name, checksum, CAST(date_part('epoch', started_at) * 1000000 AS "
               "BIGINT), CAST(date_part('epoch', finished_at) * 1000000 AS BIGINT), CASE WHEN "
               "finished_at IS NULL THEN 0 ELSE 1 END, CASE WHEN rolled_back_at IS NULL THEN 0 "
               "ELSE 1 END, logs";
    case SQL_MYSQL:
    case SQL_SQLITE:
        return "migration_name, checksum, started_at, finished_at, CASE WHEN finished_at IS NULL "
               "THEN 0 ELSE 1 END, CASE WHEN rolled_back_at IS NULL THEN 0 ELSE 1 END, logs";
    }
    return "";
}

static bool history_read(const ConventionContext *ctx, Db *db, Arena *arena, History *ret_history,
                         Error *err)
{
    static const VersionOrder text_order = {.kind = VERSIONS_TEXT};
    History history = {.versions = &text_order};
    Reader reader = {.ctx = ctx, .arena = arena};
    PeerTable table = {.columns = columns_of(ctx->dialect),
                       .order = ctx->dialect == SQL_SQLITE
                                    ? "CASE WHEN typeof(started_at) = 'integer' THEN started_at "
                                      "ELSE (julianday(started_at) - 2440587.5) * 86400000 END, "
                                      "migration_name"
                                    : "started_at, migration_name",
                       .column_count = COL_COUNT,
                       .row = take_row,
                       .ctx = &reader};
    if (!table_name_read(ctx, arena, &table.name, err) ||
        !peer_table_read(ctx, db, arena, &table, &history.exists, err) ||
        !gather(&reader, &history, err) || !history_finish(arena, &history, err))
        return false;
    *ret_history = history;
    return true;
}

static const char *table_body(SqlDialect dialect)
{
    switch (dialect) {
    case SQL_POSTGRES:
        return " (\n    id                      VARCHAR(36) PRIMARY KEY NOT NULL,\n"
               "    checksum                VARCHAR(64) NOT NULL,\n"
               "    finished_at             TIMESTAMPTZ,\n"
               "    migration_name          VARCHAR(255) NOT NULL,\n"
               "    logs                    TEXT,\n"
               "    rolled_back_at          TIMESTAMPTZ,\n"
               "    started_at              TIMESTAMPTZ NOT NULL DEFAULT now(),\n"
               "    applied_steps_count     INTEGER NOT NULL DEFAULT 0\n)";
    case SQL_MYSQL:
        return " (\n    id                      VARCHAR(36) PRIMARY KEY NOT NULL,\n"
               "    checksum                VARCHAR(64) NOT NULL,\n"
               "    finished_at             DATETIME(3),\n"
               "    migration_name          VARCHAR(255) NOT NULL,\n"
               "    logs                    TEXT,\n"
               "    rolled_back_at          DATETIME(3),\n"
               "    started_at              DATETIME(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3),\n"
               "    applied_steps_count     INTEGER UNSIGNED NOT NULL DEFAULT 0\n"
               ") DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci";
    case SQL_SQLITE:
        return " (\n    \"id\"                    TEXT PRIMARY KEY NOT NULL,\n"
               "    \"checksum\"              TEXT NOT NULL,\n"
               "    \"finished_at\"           DATETIME,\n"
               "    \"migration_name\"        TEXT NOT NULL,\n"
               "    \"logs\"                  TEXT,\n"
               "    \"rolled_back_at\"        DATETIME,\n"
               "    \"started_at\"            DATETIME NOT NULL DEFAULT current_timestamp,\n"
               "    \"applied_steps_count\"   INTEGER UNSIGNED NOT NULL DEFAULT 0\n)";
    }
    return "";
}

static bool history_prepare(const ConventionContext *ctx, Db *db, Arena *arena,
                            const History *history, DbStatementVec *out, Error *err)
{
    (void)db;
    return peer_create_table(ctx, arena, history, table_body(ctx->dialect), out, err);
}

/* ---- writing -------------------------------------------------------------------------------------------- */

/* Prisma's engine writes milliseconds into SQLite, its adapters in JavaScript write text: as the first row has it. */
static void add_sqlite_time(StrBuf *sql, const TableName *table, Timestamp known)
{
    char buf[TIMESTAMP_TEXT];
    strbuf_adds(sql, "CASE WHEN (SELECT typeof(started_at) FROM ");
    table_name_add(sql, SQL_SQLITE, table, "");
    strbuf_adds(sql, " LIMIT 1) = 'text' THEN ");
    if (known != TIMESTAMP_UNKNOWN) {
        Str day, clock = str_cut(str_from(timestamp_sql(known, buf)), ' ', &day);
        strbuf_addf(sql, "'%.*sT%.12s+00:00' ELSE %lld END", STR_ARG(day), clock.ptr,
                    (long long)(known / 1000));
        return;
    }
    strbuf_adds(sql, "strftime('%Y-%m-%dT%H:%M:%f+00:00', 'now') ELSE CAST(ROUND((julianday('now') "
                     "- 2440587.5) * 86400000.0) AS INTEGER) END");
}

static void add_time(StrBuf *sql, SqlDialect dialect, const TableName *table, Timestamp known)
{
    char buf[TIMESTAMP_TEXT];
    bool is_known = known != TIMESTAMP_UNKNOWN;
    switch (dialect) {
    case SQL_POSTGRES:
        if (is_known)
            strbuf_addf(sql, "TIMESTAMPTZ '%s+00'", timestamp_sql(known, buf));
        else
            strbuf_adds(sql, "clock_timestamp()");
        return;
    case SQL_MYSQL:
        if (is_known)
            strbuf_addf(sql, "'%.23s'", timestamp_sql(known, buf));
        else
            strbuf_adds(sql, "UTC_TIMESTAMP(3)");
        return;
    case SQL_SQLITE:
        add_sqlite_time(sql, table, known);
        return;
    }
}

/* When it began. Within a transaction PostgreSQL knows that itself. */
static void add_start(StrBuf *sql, const ConventionContext *ctx, const TableName *table,
                      const HistoryWrite *write)
{
    if (ctx->dialect == SQL_POSTGRES && write->started_at == TIMESTAMP_UNKNOWN)
        strbuf_adds(sql, "CURRENT_TIMESTAMP");
    else
        add_time(sql, ctx->dialect, table, write->started_at);
}

static Timestamp end_of(const HistoryWrite *write)
{
    bool is_known = write->started_at != TIMESTAMP_UNKNOWN && write->duration_us >= 0;
    return is_known ? write->started_at + write->duration_us : TIMESTAMP_UNKNOWN;
}

/* The folder's name. */
static bool name_of(Arena *arena, const HistoryWrite *write, Str *ret_name, Error *err)
{
    const HistoryRow *row = write->row;
    const Migration *migration = write->migration;
    Str version = migration ? migration->version : row->version;
    Str name = migration ? migration->name : row->name;
    if (migration && migration->up && migration->up->path &&
        str_ends(str_from(migration->up->path), STR("/migration.sql"))) {
        *ret_name = folder_of(migration);
        return true;
    }
    const char *joined =
        str_format(arena, "%.*s%s%.*s", STR_ARG(version), name.len > 0 ? "_" : "", STR_ARG(name));
    *ret_name = str_from(joined);
    return joined || error_nomem(err);
}

static bool make_id(Arena *arena, const char **ret_id, Error *err)
{
    unsigned char b[16];
    if (!random_bytes(b, sizeof b, err))
        return false;
    b[6] = (unsigned char)((b[6] & 0x0f) | 0x40);
    b[8] = (unsigned char)((b[8] & 0x3f) | 0x80);
    *ret_id = str_format(
        arena, "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", b[0], b[1],
        b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12], b[13], b[14], b[15]);
    return *ret_id || error_nomem(err);
}

typedef struct Writer {
    const ConventionContext *ctx;
    Arena *arena;
    const HistoryWrite *write;
    TableName table;
    Str name;
    DbStatementVec *out;
} Writer;

static bool push_insert(const Writer *w, bool is_done, Error *err)
{
    const HistoryWrite *write = w->write;
    const Script *up = write->migration ? write->migration->up : NULL;
    StrBuf sql = strbuf(w->arena);
    const char *id;
    Str checksum = up && up->checksum.len > 0 ? up->checksum
                   : write->row               ? write->row->checksum
                                              : (Str){0};
    if (!make_id(w->arena, &id, err))
        return false;
    peer_begin(&sql, w->ctx, &w->table, "INSERT INTO ");
    strbuf_adds(&sql, " (id, checksum, migration_name, logs, started_at, finished_at, "
                      "applied_steps_count) VALUES (");
    sql_add_literal(&sql, w->ctx->dialect, str_from(id));
    strbuf_adds(&sql, ", ");
    sql_add_literal(&sql, w->ctx->dialect, checksum);
    strbuf_adds(&sql, ", ");
    sql_add_literal(&sql, w->ctx->dialect, w->name);
    strbuf_adds(&sql, write->is_said ? ", '', " : ", NULL, ");
    add_start(&sql, w->ctx, &w->table, write);
    strbuf_adds(&sql, ", ");
    if (is_done)
        add_time(&sql, w->ctx->dialect, &w->table, end_of(write));
    else
        strbuf_adds(&sql, "NULL");
    strbuf_adds(&sql, is_done && !write->is_said ? ", 1)" : ", 0)");
    return statement_push(w->arena, &sql, w->out, err);
}

/* UPDATE ... SET, and push_where() ends it. */
static StrBuf update(const Writer *w)
{
    StrBuf sql = strbuf(w->arena);
    peer_begin(&sql, w->ctx, &w->table, "UPDATE ");
    strbuf_adds(&sql, " SET ");
    return sql;
}

static bool push_where(const Writer *w, StrBuf *sql, bool is_unfinished, Error *err)
{
    strbuf_adds(sql, " WHERE migration_name = ");
    sql_add_literal(sql, w->ctx->dialect, w->name);
    strbuf_adds(sql, " AND rolled_back_at IS NULL");
    if (is_unfinished)
        strbuf_adds(sql, " AND finished_at IS NULL");
    return statement_push(w->arena, sql, w->out, err);
}

static bool push_delete(const Writer *w, bool is_unfinished, Error *err)
{
    StrBuf sql = strbuf(w->arena);
    peer_begin(&sql, w->ctx, &w->table, "DELETE FROM ");
    return push_where(w, &sql, is_unfinished, err);
}

/* What `prisma migrate resolve --rolled-back` does. */
static bool push_rolled_back(const Writer *w, Error *err)
{
    StrBuf sql = update(w);
    strbuf_adds(&sql, "rolled_back_at = ");
    add_time(&sql, w->ctx->dialect, &w->table, TIMESTAMP_UNKNOWN);
    return push_where(w, &sql, true, err);
}

static bool push_finished(const Writer *w, Error *err)
{
    StrBuf sql = update(w);
    strbuf_adds(&sql, "logs = NULL, applied_steps_count = 1, finished_at = ");
    add_time(&sql, w->ctx->dialect, &w->table, TIMESTAMP_UNKNOWN);
    return push_where(w, &sql, true, err);
}

static bool push_applied(const Writer *w, Error *err)
{
    const HistoryWrite *write = w->write;
    if (write->is_journaled)
        return push_finished(w, err);
    if (write->row && !(write->row->outcome == HISTORY_FAILED ? push_rolled_back(w, err)
                                                              : push_delete(w, false, err)))
        return false;
    return push_insert(w, true, err);
}

/* Where nothing was kept, nothing is said: Prisma would leave a failed row, for no reason. */
static bool push_failed(const Writer *w, Error *err)
{
    const HistoryWrite *write = w->write;
    bool is_nothing_kept = write->done == 0 && !write->is_fate_unknown;
    if (!write->is_journaled)
        return true;
    if (is_nothing_kept)
        return write->is_down ? push_finished(w, err) : push_delete(w, true, err);
    StrBuf sql = update(w);
    strbuf_adds(&sql, "logs = ");
    sql_add_literal(&sql, w->ctx->dialect, write->error);
    return push_where(w, &sql, true, err);
}

static bool push_begin(const Writer *w, Error *err)
{
    if (!w->write->is_down)
        return push_insert(w, false, err);
    StrBuf sql = update(w);
    strbuf_adds(&sql, "finished_at = NULL");
    return push_where(w, &sql, false, err);
}

static bool push_checksum(const Writer *w, Error *err)
{
    const Migration *migration = w->write->migration;
    StrBuf sql = update(w);
    if (!migration || !migration->up)
        return true;
    strbuf_adds(&sql, "checksum = ");
    sql_add_literal(&sql, w->ctx->dialect, migration->up->checksum);
    return push_where(w, &sql, false, err);
}

static bool history_write(const ConventionContext *ctx, const Db *db, Arena *arena,
                          const HistoryWrite *write, DbStatementVec *out, Error *err)
{
    (void)db;
    Writer w = {.ctx = ctx, .arena = arena, .write = write, .out = out};
    if (write->kind == WRITE_RUN_BEGIN || write->kind == WRITE_RUN_END || write->kind == WRITE_STEP)
        return true;
    if (!table_name_read(ctx, arena, &w.table, err) || !name_of(arena, write, &w.name, err))
        return false;
    switch (write->kind) {
    case WRITE_BEGIN:
        return push_begin(&w, err);
    case WRITE_APPLIED:
    case WRITE_BASELINE:
        return push_applied(&w, err);
    case WRITE_FAILED:
        return push_failed(&w, err);
    case WRITE_REMOVED:
        if (write->row && write->row->outcome == HISTORY_FAILED && !write->is_journaled)
            return push_rolled_back(&w, err);
        return push_delete(&w, false, err);
    case WRITE_DELETED:
        return push_delete(&w, false, err);
    case WRITE_CHECKSUM:
        return push_checksum(&w, err);
    case WRITE_STEP:
    case WRITE_SKIPPED:
    case WRITE_RUN_BEGIN:
    case WRITE_RUN_END:
        return true;
    }
    return true;
}

/* ---- lock ----------------------------------------------------------------------------------------------- */

static bool lock_key(const ConventionContext *ctx, const Db *db, Arena *arena, DbLockKey *ret_key,
                     Error *err)
{
    (void)ctx;
    (void)db;
    (void)arena;
    (void)err;
    *ret_key = (DbLockKey){.number = 72707369, .name = STR("prisma_migrate")};
    return true;
}

/* ---- recognition, new files ------------------------------------------------------------------------------ */

static bool takes(const ConventionContext *ctx, const PeerFile *file, Str text)
{
    (void)ctx;
    (void)text;
    size_t slash = str_find_char(file->relative, '/', 0);
    return slash != SIZE_MAX && slash > 0 &&
           str_eq(str_sub(file->relative, slash + 1, file->relative.len), STR("migration.sql"));
}

static bool look_at_lock_files(const ConventionContext *ctx, Arena *arena, ConventionGuess *guess,
                               Error *err)
{
    for (size_t i = 0; i < ctx->folders.len; i++) {
        const char *folder = str_z(arena, ctx->folders.items[i]);
        const char *path = folder ? path_join(arena, folder, STR("migration_lock.toml")) : NULL;
        FileInfo info;
        if (!path)
            return error_nomem(err);
        if (!file_tree_info(ctx->files, path, &info, err))
            return false;
        if (info.kind == FILE_REGULAR &&
            !guess_add(arena, guess, 2, str_format(arena, "%s is there", path), err))
            return false;
    }
    return true;
}

static bool recognise(const ConventionContext *given, Db *db, Arena *arena,
                      ConventionGuess *ret_guess, Error *err)
{
    static const PeerSigns signs = {.configurations = configurations,
                                    .columns = "id, checksum, finished_at, migration_name, logs, "
                                               "rolled_back_at, started_at, applied_steps_count",
                                    .depth = 1,
                                    .takes = takes};
    ConventionContext ctx = *given;
    /* The folder that the schema means need not be the default one; what else is wrong with it is told when it is meant. */
    Error local = {.arena = arena};
    if (!configure(&ctx, arena, &local)) {
        if (local.kind == ERROR_NOMEM)
            return error_nomem(err);
        ctx = *given;
    }
    return peer_recognise(&ctx, db, arena, &signs, ret_guess, err) &&
           look_at_lock_files(&ctx, arena, ret_guess, err);
}

static const char *provider_name(const ConventionContext *ctx, Arena *arena)
{
    const PrismaSettings *settings = ctx->own;
    if (settings && settings->provider.len > 0)
        return str_z(arena, settings->provider);
    switch (ctx->dialect) {
    case SQL_POSTGRES:
        return "postgresql";
    case SQL_MYSQL:
        return "mysql";
    case SQL_SQLITE:
        return "sqlite";
    }
    return NULL;
}

/* Prisma makes migration_lock.toml with the first migration. */
static bool has_lock_file(const ConventionContext *ctx, Arena *arena, bool *ret_has, Error *err)
{
    const char *folder = str_z(arena, ctx->folders.items[0]);
    const char *path = folder ? path_join(arena, folder, STR("migration_lock.toml")) : NULL;
    FileInfo info;
    if (!path)
        return error_nomem(err);
    if (!file_tree_info(ctx->files, path, &info, err))
        return false;
    *ret_has = info.kind != FILE_ABSENT;
    return true;
}

static bool new_paths(const ConventionContext *ctx, Arena *arena, const MigrationSet *set, Str name,
                      unsigned new_kind, bool is_numbered, Timestamp now, StrVec *ret_paths,
                      Error *err)
{
    Str slug;
    StrVec paths = {0};
    bool has_lock = false;
    if (new_kind == NEW_REPEATABLE)
        return peer_lacks(ctx->convention, "repeatable migrations", err);
    if (!peer_slug(arena, name, &slug, err) || !has_lock_file(ctx, arena, &has_lock, err))
        return false;
    if (slug.len > LONGEST_NAME) {
        error_set(err, ERROR_USAGE, "Prisma takes no name of more than %d bytes", LONGEST_NAME);
        return error_code(err, "bad-name");
    }
    const char *version = peer_next_version(arena, set, is_numbered, 14, now);
    const char *up =
        version ? str_format(arena, "%s_%.*s/migration.sql", version, STR_ARG(slug)) : NULL;
    const char *down =
        version ? str_format(arena, "%s_%.*s/down.sql", version, STR_ARG(slug)) : NULL;
    if (!up || !down || !vec_push(arena, &paths, str_from(up)) ||
        (new_kind == NEW_REVERSIBLE && !vec_push(arena, &paths, str_from(down))) ||
        (!has_lock && !vec_push(arena, &paths, STR("migration_lock.toml"))))
        return error_nomem(err);
    *ret_paths = paths;
    return true;
}

static bool lock_text(const ConventionContext *ctx, Arena *arena, Str *ret_text, Error *err)
{
    const char *provider = provider_name(ctx, arena);
    const char *made =
        provider ? str_format(arena,
                              "# Please do not edit this file manually\n# It should be added in "
                              "your version-control system (e.g., Git)\nprovider = \"%s\"\n",
                              provider)
                 : NULL;
    *ret_text = str_from(made);
    return made || error_nomem(err);
}

static bool new_text(const ConventionContext *ctx, Arena *arena, const StrVec *paths, size_t index,
                     Str text, Str *ret_text, Error *err)
{
    if (str_ends(paths->items[index], STR("migration_lock.toml")))
        return lock_text(ctx, arena, ret_text, err);
    *ret_text = text;
    return true;
}

static bool draft_files(const ConventionContext *ctx, Arena *arena, const DraftVec *drafts,
                        TreeFileVec *ret_files, Error *err)
{
    TreeFile lock = {.path = STR("migration_lock.toml")};
    for (size_t i = 0; i < drafts->len; i++) {
        const Draft *draft = &drafts->items[i];
        const char *folder = draft_id(arena, draft, "_");
        if (!folder)
            return error_nomem(err);
        if (!draft_plain(arena, ret_files, str_format(arena, "%s/migration.sql", folder), draft,
                         false, NULL, err) ||
            (draft->has_down &&
             !draft_plain(arena, ret_files, str_format(arena, "%s/down.sql", folder), draft, true,
                          NULL, err)))
            return false;
    }
    return lock_text(ctx, arena, &lock.bytes, err) &&
           (vec_push(arena, ret_files, lock) || error_nomem(err));
}

const Convention convention_prisma = {
    .version = 1,
    .name = "prisma",
    .title = "Prisma",
    .summary = "Prisma Migrate: 20240101000000_name/migration.sql, table _prisma_migrations",
    .default_table = "_prisma_migrations",
    .features =
        CONVENTION_DOWN | CONVENTION_DIRECTIVES | CONVENTION_OUT_OF_ORDER | CONVENTION_EMPTY,
    .checksum_hash = HASH_SHA256,
    .versions = VERSIONS_TEXT,
    .scan = scan,
    .history_read = history_read,
    .history_prepare = history_prepare,
    .history_write = history_write,
    .lock_key = lock_key,
    .recognise = recognise,
    .new_paths = new_paths,
    .draft_files = draft_files,
    .configure = configure,
    .new_text = new_text,
};

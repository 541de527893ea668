/* Laravel: database/migrations/2024_01_01_000000_name.php, a row a file in migrations, with the batch that it was run in.
 *
 * Migrations are PHP. Those that only hand literal SQL to DB::statement() and DB::unprepared() run here, the others are refused by line.
 * A database without history begins with database/schema/CONNECTION-schema.sql, where that is, as `artisan migrate` does. A batch is
 * a run: `rollback --last-run` takes back what `artisan migrate:rollback` would. SPDX-License-Identifier: Apache-2.0 */
#include "convention/host.h"
#include "convention/php.h"

#include <string.h>

/* ---- .env --------------------------------------------------------------------------------------------------- */

typedef struct LaravelOwn {
    Str connection; /* DB_CONNECTION; empty: not said */
} LaravelOwn;

typedef struct Reading {
    ConventionContext *ctx;
    Arena *arena;
    const char *path; /* of the .env file; NULL: there is none */
    Dotenv dotenv;
    const DotenvEntry *from; /* the first that was used */
    Error *err;
} Reading;

/* The environment stands above the file. What refers to other variables is not followed. */
static Str setting(Reading *reading, Str key)
{
    Str value;
    if (peer_variable(reading->ctx, key, &value))
        return value;
    const DotenvEntry *entry = reading->path ? dotenv_get(&reading->dotenv, key) : NULL;
    if (!entry || str_find(entry->value, STR("${"), 0) != SIZE_MAX)
        return (Str){0};
    if (!reading->from)
        reading->from = entry;
    return entry->value;
}

/* .env.NAME where that is there and an environment is named, else .env. */
static bool read_dotenv(Reading *reading)
{
    Str named = reading->ctx->environment, text;
    if (named.len == 0)
        (void)peer_variable(reading->ctx, STR("APP_ENV"), &named);
    if (named.len > 0) {
        const char *name = str_format(reading->arena, ".env.%.*s", STR_ARG(named));
        if (!name)
            return error_nomem(reading->err);
        if (!peer_configuration(reading->ctx, reading->arena, str_from(name), &reading->path, &text,
                                reading->err))
            return false;
    }
    if (!reading->path && !peer_configuration(reading->ctx, reading->arena, STR(".env"),
                                              &reading->path, &text, reading->err))
        return false;
    return !reading->path ||
           dotenv_parse(reading->arena, reading->path, text, &reading->dotenv, reading->err);
}

static const char *scheme_of(Str connection)
{
    return str_eq(connection, STR("pgsql"))                                         ? "postgres"
           : str_eq(connection, STR("mysql")) || str_eq(connection, STR("mariadb")) ? "mysql"
           : str_eq(connection, STR("sqlite"))                                      ? "sqlite"
                                                                                    : NULL;
}

/* DB_DATABASE is a path, database/database.sqlite without it. */
static bool sqlite_url(Reading *reading, Str database)
{
    if (database.len == 0)
        database = STR("database/database.sqlite");
    const char *path = peer_beside(reading->ctx, reading->arena, database);
    const char *url = path ? str_format(reading->arena, "sqlite:%s", path) : NULL;
    reading->ctx->url = str_from(url);
    return url || error_nomem(reading->err);
}

static bool take_connection(Reading *reading, Str connection)
{
    const char *scheme = scheme_of(connection);
    Str url = setting(reading, STR("DB_URL"));
    if (url.len == 0)
        url = setting(reading, STR("DATABASE_URL"));
    if (url.len > 0) {
        Str adapter, rest = str_cut(url, ':', &adapter);
        const char *made = scheme_of(adapter) ? str_format(reading->arena, "%s:%.*s",
                                                           scheme_of(adapter), STR_ARG(rest))
                                              : str_z(reading->arena, url);
        reading->ctx->url = str_from(made);
        return made || error_nomem(reading->err);
    }
    Str database = setting(reading, STR("DB_DATABASE"));
    if (scheme && strcmp(scheme, "sqlite") == 0)
        return sqlite_url(reading, database);
    if (!scheme || database.len == 0)
        return true;
    PeerServer server = {.scheme = scheme,
                         .user = setting(reading, STR("DB_USERNAME")),
                         .password = setting(reading, STR("DB_PASSWORD")),
                         .host = setting(reading, STR("DB_HOST")),
                         .port = setting(reading, STR("DB_PORT")),
                         .database = database,
                         .query = ""};
    Str socket = setting(reading, STR("DB_SOCKET"));
    if (server.host.len == 0)
        server.host = STR("127.0.0.1");
    if (socket.len > 0) {
        server.query = str_format(reading->arena, "socket=%.*s", STR_ARG(socket));
        if (!server.query)
            return error_nomem(reading->err);
    }
    return peer_server_url(reading->arena, &server, &reading->ctx->url, reading->err);
}

static const char *const usual_folders[] = {"database/migrations", NULL};

static bool configure(ConventionContext *ctx, Arena *arena, Error *err)
{
    Reading reading = {.ctx = ctx, .arena = arena, .err = err};
    LaravelOwn *own = arena_alloc(arena, sizeof *own);
    if (!own)
        return error_nomem(err);
    *own = (LaravelOwn){0};
    ctx->own = own;
    if (ctx->files)
        return true;
    if (!read_dotenv(&reading))
        return false;
    own->connection = setting(&reading, STR("DB_CONNECTION"));
    if (!take_connection(&reading, own->connection))
        return false;
    if (ctx->url.len > 0) {
        ctx->url_place =
            reading.from ? str_format(arena, "%s:%u", reading.path, (unsigned)reading.from->line)
                         : "DB_CONNECTION";
        if (!ctx->url_place)
            return error_nomem(err);
    }
    return peer_take_usual_folder(ctx, arena, usual_folders, err);
}

/* ---- files -------------------------------------------------------------------------------------------------- */

/* "2024_01_01_000000_create_users.php": everything before ".php" is what Laravel knows it by. */
static bool read_name(Str file, Str *ret_version)
{
    if (!str_ends(file, STR(".php")) || str_find_char(file, '_', 0) == SIZE_MAX)
        return false;
    *ret_version = str_sub(file, 0, file.len - 4);
    return ret_version->len > 0;
}

static bool read_file(const ConventionContext *ctx, Arena *arena, const char *path, Str text,
                      const void *own, HostFile *ret_file, Error *err)
{
    (void)path;
    (void)own;
    return php_migration(arena, ctx->dialect, text, ret_file, err);
}

static const HostTool tool = {
    .reader = read_file,
    .hint =
        "Whimbrel runs DB::statement() and DB::unprepared() with literal SQL only. Run this one "
        "with `php artisan migrate --path=FILE`; `whimbrel stamp` records it as applied.",
};

static bool add_file(const ConventionContext *ctx, Arena *arena, const PeerFile *file,
                     MigrationSet *set, Error *err)
{
    Str version;
    Migration *migration;
    if (!read_name(file->name, &version))
        return peer_ignore(arena, set, file->path, err);
    return peer_add(arena, set, version, (Str){0}, &migration, err) &&
           host_scripts(ctx, arena, file->path, &tool, NULL, &migration->up, &migration->down, err);
}

static const VersionOrder text_order = {.kind = VERSIONS_TEXT};

/* database/schema/mysql-schema.sql, or .dump, which older releases write and which Laravel prefers. */
static bool schema_path(const ConventionContext *ctx, Arena *arena, const char **ret_path,
                        Error *err)
{
    const LaravelOwn *own = ctx->own;
    const char *const by_dialect[][2] = {[SQL_SQLITE] = {"sqlite", NULL},
                                         [SQL_POSTGRES] = {"pgsql", NULL},
                                         [SQL_MYSQL] = {"mysql", "mariadb"}};
    static const char *const ends[] = {".dump", ".sql"};
    Str names[] = {own ? own->connection : (Str){0}, str_from(by_dialect[ctx->dialect][0]),
                   str_from(by_dialect[ctx->dialect][1])};
    const char *above = str_z(arena, path_folder(ctx->folders.items[0]));
    *ret_path = NULL;
    if (!above)
        return error_nomem(err);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        for (size_t k = 0; names[i].len > 0 && k < sizeof ends / sizeof *ends; k++) {
            FileInfo info;
            const char *file =
                str_format(arena, "schema/%.*s-schema%s", STR_ARG(names[i]), ends[k]);
            const char *path = file ? path_join(arena, above, str_from(file)) : NULL;
            if (!path)
                return error_nomem(err);
            if (!file_tree_info(ctx->files, path, &info, err))
                return false;
            if (info.kind == FILE_REGULAR) {
                *ret_path = path;
                return true;
            }
        }
    }
    return true;
}

static bool add_schema(const ConventionContext *ctx, Arena *arena, MigrationSet *set, Error *err)
{
    static const char *const tables[] = {"migrations", NULL};
    HostBaseline *baseline = arena_alloc(arena, sizeof *baseline);
    const char *path;
    if (!baseline)
        return error_nomem(err);
    if (!schema_path(ctx, arena, &path, err))
        return false;
    if (!path)
        return true;
    *baseline =
        (HostBaseline){.path = path, .name = STR("schema"), .tables = tables, .version_column = 1};
    return host_add_baseline(ctx, arena, baseline, &text_order, set, err);
}

static bool scan(const ConventionContext *ctx, Arena *arena, MigrationSet *ret_set, Error *err)
{
    if (!peer_add_files(ctx, arena, PEER_FLAT, add_file, ret_set, err))
        return false;
    ret_set->versions = text_order;
    return add_schema(ctx, arena, ret_set, err) && migration_set_finish(ret_set, err);
}

/* ---- history ------------------------------------------------------------------------------------------------ */

static bool take_row(void *ctx, const DbValue *cols, bool *ret_is_good, const char **ret_what,
                     Error *err)
{
    const PeerReader *reader = ctx;
    HistoryRow *row;
    int64_t batch = 0;
    *ret_is_good = !cols[0].is_null && cols[0].text.len > 0 && db_value_i64(&cols[1], &batch);
    *ret_what = "a row has no migration or no batch";
    if (!*ret_is_good)
        return true;
    if (!peer_push_row(reader, cols[0].text, (Str){0}, &row, err))
        return false;
    row->run = batch;
    if (reader->history->last_run < batch)
        reader->history->last_run = batch;
    return true;
}

/* Whether some package that is installed has this migration. */
static bool is_of_package(const ConventionContext *ctx, Arena *arena, Str version, bool *ret_is,
                          Error *err)
{
    FolderEntryVec vendors = {0};
    FileInfo info;
    const char *vendor = peer_beside(ctx, arena, STR("vendor"));
    *ret_is = false;
    if (!vendor)
        return error_nomem(err);
    if (ctx->files)
        return true;
    if (!file_info(vendor, &info, err))
        return false;
    if (info.kind != FILE_FOLDER)
        return true;
    if (!folder_list(arena, vendor, &vendors, err))
        return false;
    for (size_t i = 0; i < vendors.len && !*ret_is; i++) {
        FolderEntryVec packages = {0};
        const char *folder = path_join(arena, vendor, vendors.items[i].name);
        if (!folder)
            return error_nomem(err);
        if (vendors.items[i].kind != FILE_FOLDER)
            continue;
        if (!folder_list(arena, folder, &packages, err))
            return false;
        for (size_t k = 0; k < packages.len && !*ret_is; k++) {
            const char *path = str_format(arena, "%s/%.*s/database/migrations/%.*s.php", folder,
                                          STR_ARG(packages.items[k].name), STR_ARG(version));
            if (!path)
                return error_nomem(err);
            if (!file_info(path, &info, err))
                return false;
            *ret_is = info.kind == FILE_REGULAR;
        }
    }
    return true;
}

/* Rows without a file that are none to stop for: what was cleared away below the oldest file, and what a package brought. */
static bool tolerate(const ConventionContext *ctx, History *history, Error *err)
{
    scoped(Arena *, arena_freep) scratch = arena_new();
    const MigrationSet *set = ctx->set;
    if (!scratch)
        return error_nomem(err);
    for (size_t i = 0; set && i < history->rows.len; i++) {
        HistoryRow *row = &history->rows.items[i];
        if (migration_set_find(set, row->version))
            continue;
        if (set->migrations.len > 0 && str_cmp(row->version, set->migrations.items[0].version) < 0)
            row->is_tolerated = true;
        else if (!is_of_package(ctx, scratch, row->version, &row->is_tolerated, err))
            return false;
        arena_reset(scratch);
    }
    return true;
}

static bool history_read(const ConventionContext *ctx, Db *db, Arena *arena, History *ret_history,
                         Error *err)
{
    static const PeerTable table = {.columns = "migration, batch",
                                    .order = "batch, migration",
                                    .column_count = 2,
                                    .row = take_row};
    return peer_history_read(ctx, db, arena, &table, &text_order, ret_history, err) &&
           tolerate(ctx, ret_history, err);
}

static const char *columns_of(SqlDialect dialect)
{
    switch (dialect) {
    case SQL_POSTGRES:
        return "(id serial not null primary key, migration varchar(255) not null, batch integer "
               "not null)";
    case SQL_MYSQL:
        return "(id int unsigned not null auto_increment primary key, migration varchar(255) not "
               "null, batch int not null)";
    case SQL_SQLITE:
        break;
    }
    return "(\"id\" integer primary key autoincrement not null, \"migration\" varchar not null, "
           "\"batch\" integer not null)";
}

static bool history_prepare(const ConventionContext *ctx, Db *db, Arena *arena,
                            const History *history, DbStatementVec *out, Error *err)
{
    (void)db;
    return peer_create_table(ctx, arena, history, columns_of(ctx->dialect), out, err);
}

static bool write_row(const ConventionContext *ctx, Arena *arena, const HistoryWrite *write,
                      Str version, int64_t batch, DbStatementVec *out, Error *err)
{
    TableName name;
    StrBuf values = strbuf(arena);
    Str where, values_text;
    sql_add_literal(&values, ctx->dialect, version);
    strbuf_addf(&values, ", %lld", (long long)batch);
    if (!strbuf_finish(&values, &values_text))
        return error_nomem(err);
    return table_name_read(ctx, arena, &name, err) &&
           peer_where_text(ctx, arena, "migration", version, &where, err) &&
           peer_write_row(ctx, &name, arena, write, where, STR("migration, batch"), values_text,
                          out, err);
}

static bool history_write(const ConventionContext *ctx, const Db *db, Arena *arena,
                          const HistoryWrite *write, DbStatementVec *out, Error *err)
{
    (void)db;
    int64_t batch = ctx->run > 0 ? ctx->run : 1;
    if (write->kind == WRITE_RUN_BEGIN || write->kind == WRITE_RUN_END)
        return true;
    const HostBaseline *baseline =
        write->kind == WRITE_APPLIED ? host_baseline(write->migration) : NULL;
    if (!baseline)
        return write_row(ctx, arena, write, peer_version(write), batch, out, err);
    for (size_t i = 0; i < baseline->rows.len; i++) {
        const StrVec *row = &baseline->rows.items[i];
        if (row->len > 2 && !str_to_i64(row->items[2], &batch))
            batch = 1;
        if (row->len > 1 && !write_row(ctx, arena, write, row->items[1], batch, out, err))
            return false;
    }
    return true;
}

/* ---- recognition, new files --------------------------------------------------------------------------------- */

static bool takes(const ConventionContext *ctx, const PeerFile *file, Str text)
{
    (void)ctx;
    (void)text;
    Str version;
    return peer_digits(file->name).len > 0 && read_name(file->name, &version);
}

static bool recognise(const ConventionContext *given, Db *db, Arena *arena,
                      ConventionGuess *ret_guess, Error *err)
{
    static const char *const configurations[] = {"artisan", NULL};
    static const PeerSigns signs = {.configurations = configurations,
                                    .columns = "id, migration, batch",
                                    .has_only_these = true,
                                    .takes = takes};
    ConventionContext ctx = *given;
    /* Only the folder is of interest: an .env file that cannot be read is for the one to mend who uses Laravel. */
    return peer_take_usual_folder(&ctx, arena, usual_folders, err) &&
           peer_recognise(&ctx, db, arena, &signs, ret_guess, err);
}

static bool new_paths(const ConventionContext *ctx, Arena *arena, const MigrationSet *set, Str name,
                      unsigned new_kind, bool is_numbered, Timestamp now, StrVec *ret_paths,
                      Error *err)
{
    char buf[TIMESTAMP_TEXT];
    Str slug;
    StrVec paths = {0};
    (void)set;
    if (is_numbered)
        return peer_lacks(ctx->convention, "numbered migrations", err);
    if (new_kind == NEW_REPEATABLE || new_kind == NEW_FOLDER)
        return peer_lacks_kind(ctx->convention, new_kind, err);
    if (!peer_slug(arena, name, &slug, err))
        return false;
    const char *time = timestamp_compact(now, buf);
    const char *path = str_format(arena, "%.4s_%.2s_%.2s_%.6s_%.*s.php", time, time + 4, time + 6,
                                  time + 8, STR_ARG(slug));
    if (!path || !vec_push(arena, &paths, str_from(path)))
        return error_nomem(err);
    *ret_paths = paths;
    return true;
}

static void add_nowdoc(StrBuf *out, const char *method, Str text)
{
    Line line = {0};
    strbuf_addf(out, "    public function %s(): void\n    {\n        DB::unprepared(<<<'SQL'\n",
                method);
    while (line_next(text, &line)) {
        strbuf_adds(out, line.text.len > 0 ? "            " : "");
        strbuf_add(out, line.text);
        strbuf_add_char(out, '\n');
    }
    strbuf_adds(out, "            SQL);\n    }\n");
}

static bool new_text(const ConventionContext *ctx, Arena *arena, const StrVec *paths, size_t index,
                     Str text, Str *ret_text, Error *err)
{
    (void)ctx;
    (void)paths;
    (void)index;
    StrBuf out = strbuf(arena);
    strbuf_adds(&out, "<?php\n\nuse Illuminate\\Database\\Migrations\\Migration;\nuse "
                      "Illuminate\\Support\\Facades\\DB;\n\nreturn new class extends "
                      "Migration\n{\n");
    add_nowdoc(&out, "up", text);
    strbuf_add_char(&out, '\n');
    add_nowdoc(&out, "down", STR(""));
    strbuf_adds(&out, "};\n");
    return strbuf_finish(&out, ret_text) || error_nomem(err);
}

const Convention convention_laravel = {
    .version = 1,
    .name = "laravel",
    .title = "Laravel",
    .summary = "Laravel: database/migrations/2024_01_01_000000_name.php with literal "
               "DB::statement(), table migrations",
    .default_table = "migrations",
    .features =
        CONVENTION_DOWN | CONVENTION_DIRECTIVES | CONVENTION_OUT_OF_ORDER | CONVENTION_EMPTY,
    .checksum_hash = HASH_SHA256,
    .versions = VERSIONS_TEXT,
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

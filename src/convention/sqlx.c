/* SQLx (sqlx::migrate!, sqlx-cli): its folder, its table _sqlx_migrations, its SHA-384, its lock.
 *
 * What SQLx would stumble over is an error here too, and what it ignores is ignored: after whimbrel the peer must find a folder and a
 * history that it can go on with. SPDX-License-Identifier: Apache-2.0 */
#include "convention/draft.h"

#include <stdlib.h>

/* ---- sqlx.toml --------------------------------------------------------------------------------------- */

/* One of the words, or the setting is an error. */
static bool read_word(const TomlDoc *doc, const char *path, const char *const *words, Str *ret_word,
                      Error *err)
{
    const TomlValue *value = NULL;
    Str word = {0};
    if (!toml_get_string(doc, doc->root, path, &word, &value, err))
        return false;
    if (!value)
        return true;
    for (size_t i = 0; words[i]; i++) {
        if (str_eq(word, str_from(words[i]))) {
            *ret_word = word;
            return true;
        }
    }
    toml_error(doc, value, err, ERROR_USAGE, "%s is %.*s, which SQLx does not know", path,
               STR_ARG(word));
    return error_code(err, "bad-setting");
}

/* An array of single characters, put in a row. */
static bool read_ignored_chars(ConventionContext *ctx, Arena *arena, const TomlDoc *doc, Error *err)
{
    StrVec chars = {0};
    const TomlValue *value = NULL;
    StrBuf row = strbuf(arena);
    if (!toml_get_strings(doc, doc->root, "migrate.ignored-chars", arena, &chars, &value, err))
        return false;
    for (size_t i = 0; i < chars.len; i++) {
        Str c = chars.items[i];
        size_t others = 0; /* bytes that do not begin a character */
        for (size_t at = 1; at < c.len; at++)
            others += ((unsigned char)c.ptr[at] & 0xc0) == 0x80;
        if (c.len == 0 || others + 1 != c.len) {
            toml_error(doc, value, err, ERROR_USAGE,
                       "an entry of migrate.ignored-chars is not one character");
            return error_code(err, "bad-setting");
        }
        strbuf_add(&row, c);
    }
    return !value || strbuf_finish(&row, &ctx->ignored_chars) || error_nomem(err);
}

static bool read_migrate_table(ConventionContext *ctx, Arena *arena, const TomlDoc *doc, Error *err)
{
    static const char *const keys[] = {"table-name",    "create-schemas", "migrations-dir",
                                       "ignored-chars", "defaults",       NULL};
    static const char *const defaults[] = {"migration-type", "migration-versioning", NULL};
    static const char *const types[] = {"inferred", "simple", "reversible", NULL};
    static const char *const versionings[] = {"inferred", "timestamp", "sequential", NULL};
    const TomlValue *migrate = NULL, *inner = NULL, *place = NULL;
    Str table = {0}, dir = {0}, variable = {0};
    if (!toml_get_table(doc, doc->root, "migrate", &migrate, err) ||
        !toml_get_table(doc, doc->root, "migrate.defaults", &inner, err) ||
        (migrate && !toml_check_keys(doc, migrate, "migrate.", keys, err)) ||
        (inner && !toml_check_keys(doc, inner, "migrate.defaults.", defaults, err)) ||
        !toml_get_string(doc, doc->root, "migrate.table-name", &table, NULL, err) ||
        !toml_get_string(doc, doc->root, "migrate.migrations-dir", &dir, NULL, err) ||
        !toml_get_string(doc, doc->root, "common.database-url-var", &variable, &place, err) ||
        !toml_get_strings(doc, doc->root, "migrate.create-schemas", arena, &ctx->create_schemas,
                          NULL, err) ||
        !read_ignored_chars(ctx, arena, doc, err) ||
        !read_word(doc, "migrate.defaults.migration-type", types, &ctx->new_type, err) ||
        !read_word(doc, "migrate.defaults.migration-versioning", versionings, &ctx->new_versioning,
                   err))
        return false;
    if (ctx->table.len == 0)
        ctx->table = table;
    if (variable.len > 0 && peer_variable(ctx, variable, &ctx->url))
        ctx->url_place = str_format(arena, "%s:%u", doc->file, (unsigned)place->line);
    if (ctx->url.len > 0 && !ctx->url_place)
        return error_nomem(err);
    const char *folder = str_z(arena, path_folder(str_from(doc->file)));
    if (!folder)
        return error_nomem(err);
    return dir.len == 0 || peer_take_folder(ctx, arena, path_join(arena, folder, dir), err);
}

/* SQLx itself looks for sqlx.toml in the folder that it is started in, which is the project's. */
static bool configure(ConventionContext *ctx, Arena *arena, Error *err)
{
    const char *path;
    Str text;
    TomlDoc doc;
    if (!peer_configuration(ctx, arena, STR("sqlx.toml"), &path, &text, err))
        return false;
    return !path ||
           (toml_parse(arena, path, text, &doc, err) && read_migrate_table(ctx, arena, &doc, err));
}

/* ---- the session ------------------------------------------------------------------------------------- */

/* What SQLx's own connections say as soon as they are open. */
static bool session(const ConventionContext *ctx, const Db *db, Arena *arena, StrVec *out,
                    Error *err)
{
    Str sql = {0};
    (void)db;
    switch (ctx->dialect) {
    case SQL_POSTGRES:
        sql = STR("SELECT set_config('DateStyle', 'ISO, MDY', false), set_config('TimeZone', "
                  "'UTC', false), set_config('extra_float_digits', '2', false)");
        break;
    case SQL_MYSQL:
        sql = STR("SET sql_mode = (SELECT CONCAT(@@sql_mode, "
                  "',IGNORE_SPACE,PIPES_AS_CONCAT,NO_ENGINE_SUBSTITUTION')), time_zone = "
                  "'+00:00'"); /* the first by a flag of its handshake */
        break;
    case SQL_SQLITE:
        sql = STR("PRAGMA foreign_keys = ON");
        break;
    }
    return vec_push(arena, out, sql) || error_nomem(err);
}

/* ---- names ------------------------------------------------------------------------------------------------------- */

typedef enum SqlxForm { SQLX_IGNORED, SQLX_BAD, SQLX_SIMPLE, SQLX_UP, SQLX_DOWN } SqlxForm;

typedef struct SqlxName {
    SqlxForm form;
    int64_t version;
    Str rest; /* behind the first '_' */
    Str suffix;
} SqlxName;

/* Rust's i64: one sign, ASCII digits, in range. */
static bool to_version(Str prefix, int64_t *ret_version)
{
    bool has_sign = prefix.len > 0 && (prefix.ptr[0] == '-' || prefix.ptr[0] == '+');
    for (size_t i = has_sign; i < prefix.len; i++) {
        if (prefix.ptr[i] < '0' || prefix.ptr[i] > '9')
            return false;
    }
    return prefix.len > (size_t)has_sign && str_to_i64(prefix, ret_version);
}

static SqlxName sqlx_name(Str name)
{
    SqlxName found = {.form = SQLX_IGNORED};
    size_t cut = str_find_char(name, '_', 0);
    if (cut == SIZE_MAX || !str_ends(name, STR(".sql")))
        return found;
    found.rest = str_sub(name, cut + 1, name.len);
    if (!str_ends(found.rest, STR(".sql")))
        return found;
    if (!to_version(str_sub(name, 0, cut), &found.version)) {
        found.form = SQLX_BAD;
        return found;
    }
    found.form = SQLX_SIMPLE;
    found.suffix = STR(".sql");
    if (str_ends(found.rest, STR(".up.sql"))) {
        found.form = SQLX_UP;
        found.suffix = STR(".up.sql");
    } else if (str_ends(found.rest, STR(".down.sql"))) {
        found.form = SQLX_DOWN;
        found.suffix = STR(".down.sql");
    }
    return found;
}

/* What SQLx calls the migration: the suffix is taken off as often as it is there, then '_' becomes a blank. */
static bool description_of(Arena *arena, const SqlxName *name, Str *ret_description)
{
    Str rest = name->rest;
    while (str_ends(rest, name->suffix))
        rest.len -= name->suffix.len;
    char *text = str_z(arena, rest);
    for (size_t i = 0; text && i < rest.len; i++) {
        if (text[i] == '_')
            text[i] = ' ';
    }
    *ret_description = (Str){text, rest.len};
    return text != NULL;
}

/* ---- scanning ----------------------------------------------------------------------------------------------------- */

typedef struct SqlxFile {
    SqlxName name;
    Script *script;
} SqlxFile;
typedef Vec(SqlxFile) SqlxFileVec;

static int by_version(const void *a, const void *b)
{
    const SqlxFile *one = a, *two = b;
    if (one->name.version != two->name.version)
        return one->name.version < two->name.version ? -1 : 1;
    if (one->name.form != two->name.form)
        return one->name.form < two->name.form ? -1 : 1;
    return str_cmp(str_from(one->script->path), str_from(two->script->path));
}

static bool bad_name(const char *path, Str name, Error *err)
{
    return peer_bad_file(
        path, "bad-name", "would stop SQLx: its name must begin with a whole number",
        str_starts(name, STR("R__"))
            ? "SQLx has no repeatable migrations: move the file elsewhere, or convert the project "
              "with `whimbrel convert --to whimbrel`."
            : "Every file here that ends in .sql and has a '_' in its name must be called like "
              "0001_name.sql: rename it, or move it out of the folder.",
        err);
}

static bool scan_folder(const ConventionContext *ctx, Arena *arena, const char *folder,
                        SqlxFileVec *files, StrVec *ignored, Error *err)
{
    FolderEntryVec entries = {0};
    scoped(Arena *, arena_freep) scratch = arena_new();
    if (!scratch)
        return error_nomem(err);
    if (!folder_entries(ctx, scratch, folder, &entries, err))
        return error_hint(
            err, "Make the folder with `whimbrel new NAME`, or name another with --migrations.");
    for (size_t i = 0; i < entries.len; i++) {
        const FolderEntry *entry = &entries.items[i];
        const char *path = path_join(arena, folder, entry->name);
        if (!path)
            return error_nomem(err);
        if (entry->kind == FILE_ABSENT) {
            error_set(err, ERROR_IO, "%s is a symbolic link that leads nowhere", path);
            error_code(err, "bad-file");
            return error_hint(err, "SQLx stops at such a link: mend it or remove it.");
        }
        if (entry->kind != FILE_REGULAR)
            continue;
        SqlxFile file = {.name = sqlx_name(path_base(str_from(path)))};
        if (file.name.form == SQLX_BAD)
            return bad_name(path, entry->name, err);
        if (file.name.form == SQLX_IGNORED) {
            if (entry->name.ptr[0] != '.' && !vec_push(arena, ignored, str_from(path)))
                return error_nomem(err);
            continue;
        }
        if (!str_is_utf8(entry->name, NULL)) {
            error_set(err, ERROR_PARSE, "the name of %s is not UTF-8", path);
            error_code(err, "bad-name");
            return error_hint(err, "Rename the file.");
        }
        file.script = script_new(arena, ctx->files, path);
        if (!file.script || !vec_push(arena, files, file))
            return error_nomem(err);
    }
    return true;
}

static bool same_version(const SqlxFile *one, const SqlxFile *two, Error *err)
{
    error_set(err, ERROR_STATE, "two migrations have version %lld: %s and %s",
              (long long)two->name.version, one->script->path, two->script->path);
    error_code(err, "duplicate-version");
    error_at(err, str_from(two->script->path), 0, 0);
    return error_hint(err, "SQLx would fail at the second of them. Give the one that is not "
                           "applied anywhere yet a newer version.");
}

/* files is sorted: of one version the simple or up file comes before the down. */
static bool pair(Arena *arena, const SqlxFileVec *files, MigrationSet *set, Error *err)
{
    const SqlxFile *before = NULL;
    Migration *last = NULL;
    for (size_t i = 0; i < files->len; before = &files->items[i], i++) {
        const SqlxFile *file = &files->items[i];
        bool is_down = file->name.form == SQLX_DOWN;
        if (before && before->name.version == file->name.version) {
            if ((is_down ? last->down : last->up) != NULL)
                return same_version(before, file, err);
            last->down = file->script;
            continue;
        }
        Migration migration = {.kind = MIGRATION_VERSIONED};
        const char *version = str_format(arena, "%lld", (long long)file->name.version);
        if (!version || !description_of(arena, &file->name, &migration.name))
            return error_nomem(err);
        migration.version = str_from(version);
        if (is_down)
            migration.down = file->script;
        else
            migration.up = file->script;
        if (!vec_push(arena, &set->migrations, migration))
            return error_nomem(err);
        last = &set->migrations.items[set->migrations.len - 1];
    }
    return true;
}

static bool scan(const ConventionContext *ctx, Arena *arena, MigrationSet *ret_set, Error *err)
{
    MigrationSet set = {
        .script_options = {
            .split = {.dialect = ctx->dialect},
            .checksum_hash = HASH_SHA384,
            .reads_directives = true,
            .reads_sqlx_marker = ctx->dialect != SQL_MYSQL,
            .ignored_chars = ctx->ignored_chars,
            .history_table = ctx->table.len > 0 ? ctx->table : STR("_sqlx_migrations"),
        }};
    SqlxFileVec files = {0};
    for (size_t i = 0; i < ctx->folders.len; i++) {
        const char *folder = str_z(arena, ctx->folders.items[i]);
        if (!folder)
            return error_nomem(err);
        if (!scan_folder(ctx, arena, folder, &files, &set.ignored, err))
            return false;
    }
    if (files.len > 1)
        qsort(files.items, files.len, sizeof *files.items, by_version);
    if (!pair(arena, &files, &set, err) || !migration_set_finish(&set, err))
        return false;
    *ret_set = set;
    return true;
}

/* ---- history ------------------------------------------------------------------------------------------------------ */

enum {
    COL_VERSION,
    COL_DESCRIPTION,
    COL_INSTALLED,
    COL_SUCCESS,
    COL_CHECKSUM,
    COL_TIME,
    COL_COUNT
};

static bool take_row(void *ctx, const DbValue *cols, bool *ret_is_good, const char **ret_what,
                     Error *err)
{
    PeerReader *reader = ctx;
    int64_t version = 0, time_ns = -1;
    HistoryRow *row;
    *ret_is_good = db_value_i64(&cols[COL_VERSION], &version) && !cols[COL_CHECKSUM].is_null;
    *ret_what = "a row has no version or no checksum";
    if (!*ret_is_good)
        return true;
    const char *text = str_format(reader->arena, "%lld", (long long)version);
    const char *checksum =
        hex_encode(reader->arena, cols[COL_CHECKSUM].text.ptr, cols[COL_CHECKSUM].text.len);
    if (!text || !checksum)
        return error_nomem(err);
    if (!peer_push_row(reader, str_from(text), cols[COL_DESCRIPTION].text, &row, err))
        return false;
    if (!str_eq(cols[COL_SUCCESS].text, STR("1")))
        row->outcome = HISTORY_FAILED;
    if (!cols[COL_TIME].is_null && db_value_i64(&cols[COL_TIME], &time_ns) && time_ns >= 0)
        row->duration_us = time_ns / 1000;
    row->finished_at = peer_instant_of(reader->ctx->dialect, &cols[COL_INSTALLED]);
    row->checksum = str_from(checksum);
    return true;
}

static bool history_read(const ConventionContext *ctx, Db *db, Arena *arena, History *ret_history,
                         Error *err)
{
    PeerTable table = {.order = "version", .column_count = COL_COUNT, .row = take_row};
    const char *time = peer_instant(ctx->dialect, arena, "installed_on", false);
    table.columns = time ? str_format(arena,
                                      "version, description, %s, CASE WHEN success THEN 1 ELSE 0 "
                                      "END, checksum, execution_time",
                                      time)
                         : NULL;
    if (!table.columns)
        return error_nomem(err);
    return table_name_read(ctx, arena, &table.name, err) &&
           peer_history_read(ctx, db, arena, &table, NULL, ret_history, err);
}

static bool history_prepare(const ConventionContext *ctx, Db *db, Arena *arena,
                            const History *history, DbStatementVec *out, Error *err)
{
    TableName name;
    if (history->exists)
        return true;
    if (!table_name_read(ctx, arena, &name, err))
        return false;
    for (size_t i = 0; i < ctx->create_schemas.len; i++) {
        StrBuf sql = strbuf(arena);
        if (!db_has(db, DB_SCHEMAS) && ctx->dialect != SQL_MYSQL) {
            error_set(err, ERROR_UNSUPPORTED,
                      "cannot create the schema %.*s: a schema of SQLite is an attached file",
                      STR_ARG(ctx->create_schemas.items[i]));
            return error_hint(err, "Take create-schemas out of sqlx.toml.");
        }
        strbuf_adds(&sql, "CREATE SCHEMA IF NOT EXISTS ");
        sql_add_qualified(&sql, ctx->dialect, ctx->create_schemas.items[i]);
        if (!statement_push(arena, &sql, out, err))
            return false;
    }
    const char *instant = ctx->dialect == SQL_POSTGRES
                              ? "TIMESTAMPTZ NOT NULL DEFAULT now()"
                              : "TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP";
    StrBuf sql = strbuf(arena);
    strbuf_adds(&sql, "CREATE TABLE IF NOT EXISTS ");
    if (ctx->table.len == 0) /* as SQLx writes it, which SQLite keeps word for word */
        strbuf_adds(&sql, ctx->convention->default_table);
    else
        table_name_add(&sql, ctx->dialect, &name, "");
    strbuf_addf(&sql,
                " (\n    version BIGINT PRIMARY KEY,\n    description TEXT NOT NULL,\n    "
                "installed_on %s,\n"
                "    success BOOLEAN NOT NULL,\n    checksum %s NOT NULL,\n    execution_time "
                "BIGINT NOT NULL\n)",
                instant, ctx->dialect == SQL_POSTGRES ? "BYTEA" : "BLOB");
    return statement_push(arena, &sql, out, err);
}

/* ---- writing ------------------------------------------------------------------------------------------------------ */

static bool check_version(Str version, int64_t *ret_number, Error *err)
{
    if (to_version(version, ret_number))
        return true;
    error_set(err, ERROR_UNSUPPORTED,
              "SQLx cannot hold version %.*s: its versions are whole numbers of 64 bits",
              STR_ARG(version));
    error_code(err, "bad-version");
    return error_hint(err, "Rename the migration so that its version is a whole number.");
}

/* Nanoseconds; SQLx measures them outside of the transaction and writes them afterwards, here they go with the row. */
static void add_execution_time(StrBuf *sql, const ConventionContext *ctx, const HistoryWrite *write)
{
    char buf[TIMESTAMP_TEXT];
    bool is_started_known = write->started_at != TIMESTAMP_UNKNOWN && write->started_at != 0;
    if (write->kept && write->kept->duration_us < 0)
        strbuf_adds(sql, "-1");
    else if (write->duration_us >= 0)
        strbuf_addf(sql, "%lld",
                    (long long)(write->duration_us < INT64_MAX / 1000 ? write->duration_us * 1000
                                                                      : INT64_MAX));
    else if (ctx->dialect == SQL_POSTGRES)
        strbuf_adds(sql,
                    "CAST(EXTRACT(EPOCH FROM clock_timestamp() - now()) * 1000000000 AS BIGINT)");
    else if (ctx->dialect == SQL_SQLITE && is_started_known)
        strbuf_addf(sql,
                    "MAX(0, CAST(ROUND((julianday('now') - julianday('%s')) * 86400000.0) AS "
                    "INTEGER)) * 1000000",
                    timestamp_sql(write->started_at, buf));
    else
        strbuf_adds(sql, "-1");
}

static bool push_insert(const ConventionContext *ctx, const TableName *name, Arena *arena,
                        const HistoryWrite *write, bool is_success, bool has_time,
                        DbStatementVec *out, Error *err)
{
    StrBuf sql = strbuf(arena);
    int64_t version = 0;
    const Script *up = write->migration ? write->migration->up : NULL;
    Str checksum = {0}, hex = up ? up->checksum : write->row ? write->row->checksum : (Str){0};
    if (!check_version(peer_version(write), &version, err))
        return false;
    if (hex.len == 0)
        return error_set(err, ERROR_STATE, "migration %lld has no checksum to write down",
                         (long long)version);
    if (!hex_decode(arena, hex, &checksum))
        return error_nomem(err);
    strbuf_adds(&sql, "INSERT INTO ");
    table_name_add(&sql, ctx->dialect, name, "");
    bool has_instant = peer_finished_at(write) != TIMESTAMP_UNKNOWN;
    strbuf_addf(&sql, " (version, description, success, checksum, execution_time%s) VALUES (%lld, ",
                has_instant ? ", installed_on" : "", (long long)version);
    sql_add_literal(&sql, ctx->dialect, peer_name(write));
    strbuf_adds(&sql, is_success ? ", TRUE, " : ", FALSE, ");
    sql_add_blob(&sql, ctx->dialect, checksum);
    strbuf_adds(&sql, ", ");
    if (has_time)
        add_execution_time(&sql, ctx, write);
    else
        strbuf_adds(&sql, "-1");
    if (has_instant) {
        strbuf_adds(&sql, ", ");
        peer_add_time(&sql, ctx->dialect, peer_finished_at(write));
    }
    strbuf_adds(&sql, ")");
    return statement_push(arena, &sql, out, err);
}

static bool push_change(const HistoryWrite *write, StrBuf *sql, Arena *arena, DbStatementVec *out,
                        Error *err)
{
    int64_t version = 0;
    if (!check_version(peer_version(write), &version, err))
        return false;
    strbuf_addf(sql, " WHERE version = %lld", (long long)version);
    return statement_push(arena, sql, out, err);
}

static bool push_success(const ConventionContext *ctx, const TableName *name, Arena *arena,
                         const HistoryWrite *write, bool is_success, bool has_time,
                         DbStatementVec *out, Error *err)
{
    StrBuf sql = strbuf(arena);
    peer_begin(&sql, ctx, name, "UPDATE ");
    strbuf_adds(&sql, is_success ? " SET success = TRUE" : " SET success = FALSE");
    if (has_time) {
        strbuf_adds(&sql, ", execution_time = ");
        add_execution_time(&sql, ctx, write);
    }
    return push_change(write, &sql, arena, out, err);
}

static bool push_delete(const ConventionContext *ctx, const TableName *name, Arena *arena,
                        const HistoryWrite *write, DbStatementVec *out, Error *err)
{
    StrBuf sql = strbuf(arena);
    peer_begin(&sql, ctx, name, "DELETE FROM ");
    return push_change(write, &sql, arena, out, err);
}

static bool push_checksum(const ConventionContext *ctx, const TableName *name, Arena *arena,
                          const HistoryWrite *write, DbStatementVec *out, Error *err)
{
    StrBuf sql = strbuf(arena);
    Str checksum;
    if (!write->migration || !write->migration->up)
        return true;
    if (!hex_decode(arena, write->migration->up->checksum, &checksum))
        return error_nomem(err);
    peer_begin(&sql, ctx, name, "UPDATE ");
    strbuf_adds(&sql, " SET checksum = ");
    sql_add_blob(&sql, ctx->dialect, checksum);
    strbuf_adds(&sql, ", description = ");
    sql_add_literal(&sql, ctx->dialect, write->migration->name);
    return push_change(write, &sql, arena, out, err);
}

/* Only on MySQL does SQLx write something before the migration: a row that says "not successful", or that turned so for a revert. On the other
 * engines a row is there or not, with the migration's own transaction. */
static bool history_write(const ConventionContext *ctx, const Db *db, Arena *arena,
                          const HistoryWrite *write, DbStatementVec *out, Error *err)
{
    (void)db;
    TableName name;
    bool marks_begin = ctx->dialect == SQL_MYSQL;
    if (!table_name_read(ctx, arena, &name, err))
        return false;
    if (write->kind == WRITE_RUN_BEGIN || write->kind == WRITE_RUN_END)
        return true;
    if (!write->migration && !write->row)
        return error_set(err, ERROR_USAGE, "a history write names no migration");
    switch (write->kind) {
    case WRITE_BEGIN:
        if (!marks_begin)
            return true;
        if (write->is_down || write->row)
            return push_success(ctx, &name, arena, write, false, false, out, err);
        return push_insert(ctx, &name, arena, write, false, false, out, err);
    case WRITE_APPLIED:
        if (marks_begin && write->is_journaled)
            return push_success(ctx, &name, arena, write, true, true, out, err);
        if (write->row && !push_delete(ctx, &name, arena, write, out, err))
            return false;
        return push_insert(ctx, &name, arena, write, true, true, out, err);
    case WRITE_FAILED:
        /* What has changed nothing leaves nothing: the peer's transaction would have taken its row along. */
        if (!marks_begin || !write->is_journaled || write->done > 0 || write->is_fate_unknown)
            return true;
        if (write->is_down)
            return push_success(ctx, &name, arena, write, true, false, out, err);
        return write->row ? true : push_delete(ctx, &name, arena, write, out, err);
    case WRITE_BASELINE: /* as `sqlx migrate override skip` does: a row without a time */
        if (write->row && !push_delete(ctx, &name, arena, write, out, err))
            return false;
        return push_insert(ctx, &name, arena, write, true, false, out, err);
    case WRITE_REMOVED:
        return push_delete(ctx, &name, arena, write, out, err);
    case WRITE_CHECKSUM:
        return push_checksum(ctx, &name, arena, write, out, err);
    case WRITE_DELETED:
        /* A row without a file stops SQLx, so that what is gone for good loses its row. */
        return push_delete(ctx, &name, arena, write, out, err);
    case WRITE_STEP:
    case WRITE_SKIPPED:
    case WRITE_RUN_BEGIN:
    case WRITE_RUN_END:
        return true;
    }
    return true;
}

/* ---- lock ---------------------------------------------------------------------------------------------------------- */

static bool lock_key(const ConventionContext *ctx, const Db *db, Arena *arena, DbLockKey *ret_key,
                     Error *err)
{
    (void)ctx;
    const int64_t factor = 0x3d32ad9e; /* SQLx's; the product stays below 2^63 */
    DbLockKey key = {.number = factor * (int64_t)crc32_of(str_from(db->info.database))};
    const char *name = str_format(arena, "%llx", (unsigned long long)key.number);
    if (!name)
        return error_nomem(err);
    key.name = str_from(name);
    *ret_key = key;
    return true;
}

/* ---- recognition ------------------------------------------------------------------------------------------------------ */

static bool look_at_files(const ConventionContext *ctx, Arena *arena, ConventionGuess *guess,
                          Error *err)
{
    Str first = {0}, stumble = {0};
    for (size_t i = 0; i < ctx->folders.len; i++) {
        FolderList list;
        if (!folder_look(ctx, arena, ctx->folders.items[i], &list, err))
            return false;
        const FolderEntryVec entries = list.entries;
        for (size_t j = 0; j < entries.len; j++) {
            SqlxForm form = entries.items[j].kind == FILE_REGULAR
                                ? sqlx_name(entries.items[j].name).form
                                : SQLX_IGNORED;
            if (form == SQLX_BAD)
                stumble = entries.items[j].name;
            else if (form != SQLX_IGNORED && first.len == 0)
                first = entries.items[j].name;
        }
    }
    if (first.len == 0 || stumble.len > 0)
        return true;
    guess->has_files = true;
    return guess_add(arena, guess, 1,
                     str_format(arena, "%.*s is named as SQLx names migrations", STR_ARG(first)),
                     err);
}

/* A line of Cargo.toml that makes the crate a dependency: `sqlx = ...`, `sqlx.workspace`, `[dependencies.sqlx]`. */
static bool depends_on_sqlx(Str cargo)
{
    while (cargo.len > 0) {
        Str line;
        cargo = str_cut(cargo, '\n', &line);
        line = str_trim(line);
        if (str_starts(line, STR("[")) && str_ends(line, STR("dependencies.sqlx]")))
            return true;
        if (!str_starts(line, STR("sqlx")))
            continue;
        Str rest = str_trim(str_sub(line, 4, line.len));
        if (str_starts(rest, STR("=")) || str_starts(rest, STR(".")))
            return true;
    }
    return false;
}

enum { CARGO_LIMIT_BYTES = 1 << 20 };

static bool look_at_project(const ConventionContext *ctx, Arena *arena, ConventionGuess *guess,
                            Error *err)
{
    static const char *const names[] = {"sqlx.toml", "Cargo.toml", NULL};
    for (size_t i = 0; names[i]; i++) {
        const char *path = peer_beside(ctx, arena, str_from(names[i]));
        FileInfo info;
        Str text;
        if (!path)
            return error_nomem(err);
        if (!file_info(path, &info, err))
            return false;
        if (info.kind != FILE_REGULAR)
            continue;
        if (i == 0) {
            if (!guess_add(arena, guess, 2, str_format(arena, "%s is there", path), err))
                return false;
        } else if (guess->has_files && info.size_bytes < CARGO_LIMIT_BYTES) {
            /* SQLx without its files may serve queries alone; with them it will want to migrate. */
            if (!file_read(arena, path, CARGO_LIMIT_BYTES, &text, err))
                return false;
            if (depends_on_sqlx(text) &&
                !guess_add(arena, guess, 2, str_format(arena, "%s depends on sqlx", path), err))
                return false;
        }
    }
    return true;
}

static bool recognise(const ConventionContext *given, Db *db, Arena *arena,
                      ConventionGuess *ret_guess, Error *err)
{
    ConventionGuess guess = {.convention = &convention_sqlx};
    TableName name;
    ConventionContext own = *given;
    const ConventionContext *ctx = &own;
    if (!configure(&own, arena, err) || !look_at_files(ctx, arena, &guess, err) ||
        (!ctx->files && !look_at_project(given, arena, &guess, err)) ||
        (db &&
         (!table_name_read(ctx, arena, &name, err) ||
          !guess_table(ctx, db, arena, &name,
                       "version, description, installed_on, success, checksum, execution_time",
                       false, &guess, err))))
        return false;
    *ret_guess = guess;
    return true;
}

/* ---- new migrations ---------------------------------------------------------------------------------------------------- */

/* SQLx infers from the last two files, downs counted; a version with an up and a down is two. */
typedef struct LastEntries {
    size_t count; /* of all files, as far as it matters: 0, 1, 2 (or more) */
    int64_t last, before;
    bool is_reversible; /* the last one */
} LastEntries;

static bool is_simple(const Migration *migration)
{
    return migration->up && !str_ends(str_from(migration->up->path), STR(".up.sql"));
}

static LastEntries last_entries(const MigrationSet *set)
{
    LastEntries found = {0};
    for (size_t i = set->migrations.len; i > 0 && found.count < 2; i--) {
        const Migration *migration = &set->migrations.items[i - 1];
        int64_t version = 0;
        size_t files = (size_t)(migration->up != NULL) + (size_t)(migration->down != NULL);
        if (!to_version(migration->version, &version))
            continue;
        for (size_t j = 0; j < files && found.count < 2; j++) {
            if (found.count == 0) {
                found.last = version;
                found.is_reversible = migration->down || !is_simple(migration);
            } else {
                found.before = version;
            }
            found.count++;
        }
    }
    return found;
}

static bool is_sequential(const ConventionContext *ctx, const LastEntries *last, bool is_numbered)
{
    if (is_numbered || str_eq(ctx->new_versioning, STR("sequential")))
        return true;
    if (str_eq(ctx->new_versioning, STR("timestamp")))
        return false;
    if (last->count == 2)
        return last->before != INT64_MAX && last->last == last->before + 1;
    return last->count == 1 && (last->last == 0 || last->last == 1);
}

static bool new_paths(const ConventionContext *ctx, Arena *arena, const MigrationSet *set, Str name,
                      unsigned new_kind, bool is_numbered, Timestamp now, StrVec *ret_paths,
                      Error *err)
{
    LastEntries last = last_entries(set);
    Str slug;
    const char *version;
    if (new_kind == NEW_REPEATABLE || new_kind == NEW_FOLDER)
        return peer_lacks_kind(ctx->convention, new_kind, err);
    if (!peer_slug(arena, name, &slug, err))
        return false;
    if (is_sequential(ctx, &last, is_numbered)) {
        if (last.count > 0 && last.last == INT64_MAX)
            return error_set(err, ERROR_USAGE, "there is no number after version %lld",
                             (long long)last.last);
        version = str_format(arena, "%04lld", (long long)(last.count > 0 ? last.last + 1 : 1));
    } else {
        version = peer_next_version(arena, set, false, 0, now);
    }
    const char *stem = version ? str_format(arena, "%s_%.*s", version, STR_ARG(slug)) : NULL;
    if (!stem)
        return error_nomem(err);
    if (new_kind == NEW_DEFAULT && !str_eq(ctx->new_type, STR("simple")))
        new_kind = str_eq(ctx->new_type, STR("reversible")) || last.is_reversible ? NEW_REVERSIBLE
                                                                                  : NEW_SQL_ONLY;
    bool is_reversible = new_kind == NEW_REVERSIBLE;
    return peer_new_files(arena, str_from(stem), is_reversible ? ".up.sql" : ".sql",
                          is_reversible ? ".down.sql" : NULL, ret_paths, err);
}

static bool draft_files(const ConventionContext *ctx, Arena *arena, const DraftVec *drafts,
                        TreeFileVec *ret_files, Error *err)
{
    /* On MySQL and MariaDB SQLx passes its marker over. */
    const char *alone = ctx->dialect == SQL_MYSQL ? NULL : "-- no-transaction\n";
    return draft_pairs(arena, drafts, 1, ".sql", alone, ret_files, err);
}

static const char *const annotations[] = {"no-transaction", NULL};

const Convention convention_sqlx = {
    .version = 1,
    .name = "sqlx",
    .title = "SQLx",
    .summary = "SQLx of Rust: 0001_name.sql or .up.sql and .down.sql, table _sqlx_migrations",
    .default_table = "_sqlx_migrations",
    .features = CONVENTION_FOLDS_TABLE | CONVENTION_DOWN | CONVENTION_BASELINE |
                CONVENTION_OUT_OF_ORDER | CONVENTION_DIRECTIVES | CONVENTION_SKIPS_IRREVERSIBLE |
                CONVENTION_EMPTY,
    .checksum_hash = HASH_SHA384,
    .scan = scan,
    .history_read = history_read,
    .history_prepare = history_prepare,
    .history_write = history_write,
    .lock_key = lock_key,
    .recognise = recognise,
    .new_paths = new_paths,
    .draft_files = draft_files,
    .session = session,
    .configure = configure,
    .annotations = annotations,
};

/* Rails (Active Record): db/migrate/20240101000000_name.rb, a version a row in schema_migrations, Rails' advisory lock.
 *
 * Migrations are Ruby. Those that only `execute` literal SQL run here, the others are refused by line. A database without history begins
 * with db/structure.sql, where that is, as `db:schema:load` would. SPDX-License-Identifier: Apache-2.0 */
#include "convention/rails.h"
#include "convention/ruby.h"

#include <string.h>

/* ---- names of files --------------------------------------------------------------------------------------- */

typedef struct RailsName {
    Str version; /* without zeros in front, as Rails keeps it */
    Str name;    /* "create_users" */
} RailsName;

static bool is_name_char(char c)
{
    return c == '_' || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

/* 20240101000000_create_users.rb, or with the engine that it came from: 20240101000000_create_users.blog.rb */
static bool read_name(Str file, RailsName *ret_name)
{
    RailsName name = {.version = peer_digits(file)};
    if (name.version.len == 0 || !str_ends(file, STR(".rb")))
        return false;
    Str rest = str_sub(file, name.version.len, file.len - 3);
    if (!str_starts(rest, STR("_")))
        return false;
    rest = str_sub(rest, 1, rest.len);
    Str scope = str_cut(rest, '.', &name.name);
    for (size_t i = 0; i < name.name.len; i++)
        if (!is_name_char(name.name.ptr[i]))
            return false;
    for (size_t i = 0; i < scope.len; i++)
        if (!is_name_char(scope.ptr[i]))
            return false;
    while (name.version.len > 1 && name.version.ptr[0] == '0')
        name.version = str_sub(name.version, 1, name.version.len);
    *ret_name = name;
    return name.name.len > 0;
}

/* Whether a class of this name is what Rails looks for: words without '_', in any case, since a project may have acronyms. */
static bool is_class_of(Str class_name, Str name)
{
    size_t at = 0;
    for (size_t i = 0; i < name.len; i++) {
        if (name.ptr[i] == '_')
            continue;
        if (at >= class_name.len ||
            !str_eq_nocase(str_sub(class_name, at, at + 1), str_sub(name, i, i + 1)))
            return false;
        at++;
    }
    return at == class_name.len;
}

/* ---- files ------------------------------------------------------------------------------------------------ */

static bool read_file(const ConventionContext *ctx, Arena *arena, const char *path, Str text,
                      const void *own, HostFile *ret_file, Error *err)
{
    (void)ctx;
    (void)path;
    const Str *name = own;
    RubyMigration migration;
    if (!ruby_migration(arena, text, &migration, err))
        return false;
    if (!is_class_of(migration.class_name, *name) && !migration.file.up.refusal) {
        const char *what =
            migration.class_name.len == 0
                ? "defines no class"
                : str_format(arena, "defines the class %.*s, which does not fit its name",
                             STR_ARG(migration.class_name));
        if (!host_refuse(&migration.file, 1, what, err))
            return false;
    }
    *ret_file = migration.file;
    return true;
}

static const HostTool tool = {
    .reader = read_file,
    .hint = "Whimbrel runs `execute` with literal SQL only. Run this one with `bin/rails "
            "db:migrate:up VERSION=...`; `whimbrel stamp` records it as applied.",
};

static bool refuse_duplicate(const char *one, const char *two, Str name, Error *err)
{
    error_set(err, ERROR_STATE, "two migrations are called %.*s: %s and %s", STR_ARG(name), one,
              two);
    error_code(err, "duplicate-version");
    error_at(err, str_from(two), 0, 0);
    return error_hint(err, "Rails would not take both: their classes would be one. Rename one of "
                           "them, and its class.");
}

static bool add_file(const ConventionContext *ctx, Arena *arena, const PeerFile *file,
                     MigrationSet *set, Error *err)
{
    RailsName name;
    Migration *migration;
    Str *own = arena_alloc(arena, sizeof *own);
    if (!own)
        return error_nomem(err);
    bool is_candidate = peer_digits(file->name).len > 0 && str_ends(file->name, STR(".rb")) &&
                        str_find_char(file->name, '_', 0) != SIZE_MAX;
    if (!is_candidate)
        return peer_ignore(arena, set, file->path, err);
    if (!read_name(file->name, &name))
        return peer_bad_file(file->path, "bad-name",
                             "would stop Rails: only lower-case letters, digits and '_' may be in "
                             "its name",
                             "Rename it to something like 20240101000000_name.rb.", err);
    for (size_t i = 0; i < set->migrations.len; i++) {
        const Migration *other = &set->migrations.items[i];
        if (str_eq(other->version, name.version))
            return peer_twice("Rails", other->up->path, file->path, name.version, err);
        if (str_eq(other->name, name.name))
            return refuse_duplicate(other->up->path, file->path, name.name, err);
    }
    *own = name.name;
    return peer_add(arena, set, name.version, name.name, &migration, err) &&
           host_scripts(ctx, arena, file->path, &tool, own, &migration->up, &migration->down, err);
}

/* db/migrate has db/structure.sql, db/animals_migrate has db/animals_structure.sql. */
static bool add_structure(const ConventionContext *ctx, Arena *arena, MigrationSet *set, Error *err)
{
    static const char *const tables[] = {"schema_migrations", "ar_internal_metadata", NULL};
    static const VersionOrder numbered = {.kind = VERSIONS_NUMBERED};
    Str folder = ctx->folders.items[0], base = path_base(folder);
    if (!str_ends(base, STR("migrate")))
        return true;
    HostBaseline *baseline = arena_alloc(arena, sizeof *baseline);
    const char *above = str_z(arena, path_folder(folder));
    const char *file =
        str_format(arena, "%.*sstructure.sql", (int)(base.len - strlen("migrate")), base.ptr);
    const char *path = above && file ? path_join(arena, above, str_from(file)) : NULL;
    if (!baseline || !path)
        return error_nomem(err);
    *baseline = (HostBaseline){.path = path, .name = STR("structure"), .tables = tables};
    return host_add_baseline(ctx, arena, baseline, &numbered, set, err);
}

static bool scan(const ConventionContext *ctx, Arena *arena, MigrationSet *ret_set, Error *err)
{
    return peer_add_files(ctx, arena, PEER_DEEPEST, add_file, ret_set, err) &&
           add_structure(ctx, arena, ret_set, err) && migration_set_finish(ret_set, err);
}

/* ---- history ---------------------------------------------------------------------------------------------- */

/* Below the oldest file everything was cleared away; Rails lists such rows as "NO FILE" and goes on. */
static bool is_cleared_away(const ConventionContext *ctx, Str version)
{
    return ctx->set && ctx->set->migrations.len > 0 &&
           version_compare(version, ctx->set->migrations.items[0].version) < 0;
}

static bool take_row(void *ctx, const DbValue *cols, bool *ret_is_good, const char **ret_what,
                     Error *err)
{
    const PeerReader *reader = ctx;
    HistoryRow *row;
    *ret_is_good = !cols[0].is_null && cols[0].text.len > 0 &&
                   peer_digits(cols[0].text).len == cols[0].text.len;
    *ret_what = "a row's version is no number";
    if (!*ret_is_good)
        return true;
    if (!peer_push_row(reader, cols[0].text, (Str){0}, &row, err))
        return false;
    row->is_tolerated = is_cleared_away(reader->ctx, row->version);
    return true;
}

static bool history_read(const ConventionContext *ctx, Db *db, Arena *arena, History *ret_history,
                         Error *err)
{
    static const PeerTable table = {.columns = "version",
                                    .order = "length(version), version",
                                    .column_count = 1,
                                    .row = take_row};
    return peer_history_read(ctx, db, arena, &table, NULL, ret_history, err);
}

typedef struct Tables {
    const char *versions, *metadata, *key, *now;
} Tables;

static Tables tables_of(SqlDialect dialect)
{
    switch (dialect) {
    case SQL_POSTGRES:
        return (Tables){"(version character varying NOT NULL PRIMARY KEY)",
                        " (key character varying NOT NULL PRIMARY KEY, value character varying, "
                        "created_at timestamp(6) without time zone NOT NULL, updated_at "
                        "timestamp(6) without time zone NOT NULL)",
                        "key", "CURRENT_TIMESTAMP AT TIME ZONE 'UTC'"};
    case SQL_MYSQL:
        return (Tables){"(version varchar(255) NOT NULL PRIMARY KEY)",
                        " (`key` varchar(255) NOT NULL PRIMARY KEY, value varchar(255), "
                        "created_at datetime(6) NOT NULL, updated_at datetime(6) NOT NULL)",
                        "`key`", "UTC_TIMESTAMP(6)"};
    case SQL_SQLITE:
        break;
    }
    return (Tables){"(\"version\" varchar NOT NULL PRIMARY KEY)",
                    " (\"key\" varchar NOT NULL PRIMARY KEY, \"value\" varchar, \"created_at\" "
                    "datetime(6) NOT NULL, \"updated_at\" datetime(6) NOT NULL)",
                    "\"key\"", "CURRENT_TIMESTAMP"};
}

/* Rails keeps beside its versions what kind of database this is, and guards a production one by it. */
static bool push_metadata(const ConventionContext *ctx, Arena *arena, const Tables *tables,
                          DbStatementVec *out, Error *err)
{
    TableName name;
    StrBuf sql = strbuf(arena), row = strbuf(arena);
    if (!table_name_read(ctx, arena, &name, err))
        return false;
    name.table = STR("ar_internal_metadata");
    peer_begin(&sql, ctx, &name, "CREATE TABLE IF NOT EXISTS ");
    strbuf_adds(&sql, tables->metadata);
    if (!statement_push(arena, &sql, out, err))
        return false;
    peer_begin(&row, ctx, &name, "INSERT INTO ");
    strbuf_addf(&row, " (%s, value, created_at, updated_at) SELECT 'environment', ", tables->key);
    sql_add_literal(&row, ctx->dialect, rails_environment(ctx));
    strbuf_addf(&row, ", %s, %s FROM (SELECT 1 AS one) AS one WHERE NOT EXISTS (SELECT 1 FROM ",
                tables->now, tables->now);
    table_name_add(&row, ctx->dialect, &name, "");
    strbuf_addf(&row, " WHERE %s = 'environment')", tables->key);
    return statement_push(arena, &row, out, err);
}

static bool history_prepare(const ConventionContext *ctx, Db *db, Arena *arena,
                            const History *history, DbStatementVec *out, Error *err)
{
    (void)db;
    Tables tables = tables_of(ctx->dialect);
    return history->exists || (peer_create_table(ctx, arena, history, tables.versions, out, err) &&
                               push_metadata(ctx, arena, &tables, out, err));
}

static bool write_version(const ConventionContext *ctx, Arena *arena, const HistoryWrite *write,
                          Str version, DbStatementVec *out, Error *err)
{
    TableName name;
    StrBuf value = strbuf(arena);
    Str where, value_text;
    sql_add_literal(&value, ctx->dialect, version);
    if (!strbuf_finish(&value, &value_text))
        return error_nomem(err);
    return table_name_read(ctx, arena, &name, err) &&
           peer_where_text(ctx, arena, "version", version, &where, err) &&
           peer_write_row(ctx, &name, arena, write, where, STR("version"), value_text, out, err);
}

static bool history_write(const ConventionContext *ctx, const Db *db, Arena *arena,
                          const HistoryWrite *write, DbStatementVec *out, Error *err)
{
    (void)db;
    if (write->kind == WRITE_RUN_BEGIN || write->kind == WRITE_RUN_END)
        return true;
    const HostBaseline *baseline =
        write->kind == WRITE_APPLIED ? host_baseline(write->migration) : NULL;
    for (size_t i = 0; baseline && i < baseline->rows.len; i++)
        if (!write_version(ctx, arena, write, baseline->rows.items[i].items[0], out, err))
            return false;
    return baseline || write_version(ctx, arena, write, peer_version(write), out, err);
}

/* 2053462845 times the CRC-32 of the database's name. */
static bool lock_key(const ConventionContext *ctx, const Db *db, Arena *arena, DbLockKey *ret_key,
                     Error *err)
{
    enum { SALT = 2053462845 };
    (void)ctx;
    DbLockKey key = {.number = (int64_t)(SALT * (uint64_t)crc32_of(str_from(db->info.database)))};
    const char *decimal = str_format(arena, "%lld", (long long)key.number);
    if (!decimal)
        return error_nomem(err);
    key.name = str_from(decimal);
    *ret_key = key;
    return true;
}

/* ---- recognition, new files ------------------------------------------------------------------------------ */

static bool takes(const ConventionContext *ctx, const PeerFile *file, Str text)
{
    (void)ctx;
    (void)text;
    RailsName name;
    return read_name(file->name, &name);
}

/* Other tools have a table schema_migrations with a column version too: it counts where something else of Rails is there. */
static bool recognise(const ConventionContext *given, Db *db, Arena *arena,
                      ConventionGuess *ret_guess, Error *err)
{
    static const char *const configurations[] = {"config/application.rb", "db/schema.rb",
                                                 "db/structure.sql", NULL};
    static const PeerSigns signs = {.configurations = configurations,
                                    .columns = "version",
                                    .has_only_these = true,
                                    .depth = PEER_DEEPEST,
                                    .takes = takes};
    ConventionContext ctx = *given;
    ConventionGuess guess = {0};
    if (!peer_try_configuration(rails_configure, &ctx, arena, err) ||
        !peer_recognise(&ctx, NULL, arena, &signs, &guess, err))
        return false;
    bool counts = guess.weight > 0 || known_table(given, STR("ar_internal_metadata"));
    if (counts && db && !peer_recognise(&ctx, db, arena, &signs, &guess, err))
        return false;
    *ret_guess = guess;
    return true;
}

static bool new_paths(const ConventionContext *ctx, Arena *arena, const MigrationSet *set, Str name,
                      unsigned new_kind, bool is_numbered, Timestamp now, StrVec *ret_paths,
                      Error *err)
{
    Str stem, slug;
    char *lower = str_z(arena, name);
    if (!lower)
        return error_nomem(err);
    for (size_t i = 0; i < name.len; i++) {
        char c = lower[i];
        lower[i] = c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : is_name_char(c) ? c : '_';
    }
    slug = (Str){lower, name.len};
    return peer_new_stem(ctx, arena, set, slug, new_kind, is_numbered, 3, now, &stem, err) &&
           peer_new_files(arena, stem, ".rb", NULL, ret_paths, err);
}

/* "ActiveRecord::Migration[7.1]": as the newest migration has it, or the Gemfile.lock. */
static bool superclass(const ConventionContext *ctx, Arena *arena, Str *ret_class, Error *err)
{
    static const char gem[] = "\n    activerecord (";
    const MigrationSet *set = ctx->set;
    const char *path;
    Str text;
    RubyMigration migration;
    *ret_class = STR("ActiveRecord::Migration[6.1]");
    if (set && set->migrations.len > 0) {
        const Migration *last = &set->migrations.items[set->migrations.len - 1];
        if (last->up && !host_baseline(last)) {
            if (!peer_read(ctx, arena, last->up->path, &text, err) ||
                !ruby_migration(arena, text, &migration, err))
                return false;
            if (migration.superclass.len > 0)
                *ret_class = migration.superclass;
            return true;
        }
    }
    if (!peer_configuration(ctx, arena, STR("Gemfile.lock"), &path, &text, err))
        return false;
    size_t at = path ? str_find(text, str_from(gem), 0) : SIZE_MAX;
    if (at == SIZE_MAX)
        return true;
    Str minor, major, rest = str_cut(str_sub(text, at + strlen(gem), text.len), '.', &major);
    (void)str_cut(rest, '.', &minor);
    const char *made =
        str_format(arena, "ActiveRecord::Migration[%.*s.%.*s]", STR_ARG(major), STR_ARG(minor));
    *ret_class = str_from(made);
    return made || error_nomem(err);
}

static void add_camel(StrBuf *out, Str name)
{
    bool is_start = true;
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];
        if (c != '_')
            strbuf_add_char(out, is_start && c >= 'a' && c <= 'z' ? (char)(c - 'a' + 'A') : c);
        is_start = c == '_';
    }
}

static void add_heredoc(StrBuf *out, const char *method, Str text)
{
    Line line = {0};
    strbuf_addf(out, "  def %s\n    execute <<~'SQL'\n", method);
    while (line_next(text, &line)) {
        strbuf_adds(out, line.text.len > 0 ? "      " : "");
        strbuf_add(out, line.text);
        strbuf_add_char(out, '\n');
    }
    strbuf_adds(out, "    SQL\n  end\n");
}

static bool new_text(const ConventionContext *ctx, Arena *arena, const StrVec *paths, size_t index,
                     Str text, Str *ret_text, Error *err)
{
    RailsName name;
    Str class_name;
    StrBuf out = strbuf(arena);
    if (!read_name(path_base(paths->items[index]), &name) || name.name.ptr[0] == '_')
        return peer_bad_file(str_z(arena, paths->items[index]), "bad-name",
                             "would not do as the name of a class", "Begin with a letter.", err);
    if (!superclass(ctx, arena, &class_name, err))
        return false;
    strbuf_adds(&out, "class ");
    add_camel(&out, name.name);
    strbuf_addf(&out, " < %.*s\n", STR_ARG(class_name));
    add_heredoc(&out, "up", text);
    strbuf_add_char(&out, '\n');
    add_heredoc(&out, "down", STR(""));
    strbuf_adds(&out, "end\n");
    return strbuf_finish(&out, ret_text) || error_nomem(err);
}

static const char *const other_tables[] = {"ar_internal_metadata", NULL};

const Convention convention_rails = {
    .version = 1,
    .name = "rails",
    .title = "Rails",
    .summary = "Rails: db/migrate/20240101000000_name.rb with literal `execute`, table "
               "schema_migrations",
    .default_table = "schema_migrations",
    .other_tables = other_tables,
    .features =
        CONVENTION_DOWN | CONVENTION_DIRECTIVES | CONVENTION_OUT_OF_ORDER | CONVENTION_EMPTY,
    .checksum_hash = HASH_SHA256,
    .scan = scan,
    .history_read = history_read,
    .history_prepare = history_prepare,
    .history_write = history_write,
    .lock_key = lock_key,
    .recognise = recognise,
    .new_paths = new_paths,
    .new_text = new_text,
    .configure = rails_configure,
};

/* node-pg-migrate (PostgreSQL): SQL files with `-- Up Migration` and `-- Down Migration`, or a file for each direction; a row a name in
 * pgmigrations; a whole run in one transaction.
 *
 * A migration is known by its file's name without the extension. Files run in the order of their numbers, of which 17 digits are a date;
 * those in JavaScript and TypeScript have their place among them. SPDX-License-Identifier: Apache-2.0 */
#include "convention/draft.h"

#include <stdlib.h>
#include <string.h>

/* What ConventionContext.own points to. */
typedef struct Settings {
    Str schema;                              /* the first of them; empty: not said */
    Str own_schema, table;                   /* of the history; empty: not said */
    bool has_order;                          /* check-order was said */
    StrVec create_schemas;                   /* to be made before the table */
    bool numbers_new_files, dates_new_files; /* migration-filename-format */
} Settings;

/* ---- names ---------------------------------------------------------------------------------------------- */

typedef enum Form { FORM_OTHER, FORM_SQL, FORM_UP, FORM_DOWN, FORM_SCRIPT } Form;

/* Also what the file's migration is called. */
static Form form_of(Str name, Str *ret_id)
{
    static const char *const scripts[] = {".js", ".ts", ".cjs", ".mjs", ".cts", ".mts", NULL};
    static const struct {
        Str suffix;
        Form form;
    } sql[] = {{{".up.sql", 7}, FORM_UP}, {{".down.sql", 9}, FORM_DOWN}, {{".sql", 4}, FORM_SQL}};
    for (size_t i = 0; i < sizeof sql / sizeof *sql; i++) {
        if (!str_ends(name, sql[i].suffix))
            continue;
        *ret_id = str_sub(name, 0, name.len - sql[i].suffix.len);
        return sql[i].form;
    }
    for (size_t i = 0; scripts[i]; i++) {
        Str suffix = str_from(scripts[i]);
        if (!str_ends(name, suffix) || str_ends(name, STR(".d.ts")))
            continue;
        *ret_id = str_sub(name, 0, name.len - suffix.len);
        return FORM_SCRIPT;
    }
    return FORM_OTHER;
}

/* The number that orders; 17 digits are a date to the millisecond, which becomes the epoch's. */
static bool read_number(Str id, uint64_t *ret_number)
{
    Str digits = peer_digits(id);
    Timestamp time;
    char text[32];
    if (!str_to_u64(digits, ret_number))
        return false;
    if (digits.len != 17)
        return true;
    const char *d = digits.ptr;
    static const char form[] = "YYYY-MM-DD HH:MM:SS.sss";
    size_t at = 0;
    for (size_t i = 0; form[i]; i++)
        text[i] = strchr("- :.", form[i]) ? form[i] : d[at++];
    if (!timestamp_parse((Str){text, sizeof form - 1}, &time) || time < 0)
        return false;
    *ret_number = (uint64_t)(time / 1000);
    return true;
}

static bool is_punctuation(char c)
{
    return c != '\0' && strchr(" !\"#%&'()*,-./:;?@[\\]_{}", c) != NULL;
}

/* Letters without their case; '\0': the end. */
static char next_char(Str text, size_t *at)
{
    while (*at < text.len && is_punctuation(text.ptr[*at]))
        (*at)++;
    char c = *at < text.len ? text.ptr[*at] : '\0';
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* As JavaScript's localeCompare with numbers as numbers and without punctuation, of what is ASCII. */
static int compare_text(Str one, Str two)
{
    for (size_t i = 0, k = 0;; i++, k++) {
        char a = next_char(one, &i), b = next_char(two, &k);
        if (is_digit(a) && is_digit(b)) {
            Str x = peer_digits(str_sub(one, i, one.len)),
                y = peer_digits(str_sub(two, k, two.len));
            int order = version_compare(x, y);
            if (order)
                return order;
            i += x.len - 1;
            k += y.len - 1;
        } else if (a != b) {
            return (unsigned char)a < (unsigned char)b ? -1 : 1;
        } else if (a == '\0') {
            break;
        }
    }
    /* Small letters come first where nothing else differs. */
    return -str_cmp(one, two);
}

static int by_number(const void *a, const void *b)
{
    const Migration *one = a, *two = b;
    uint64_t x = 0, y = 0;
    if (read_number(one->version, &x) && read_number(two->version, &y) && x != y)
        return x < y ? -1 : 1;
    return compare_text(one->version, two->version);
}

/* ---- sections ------------------------------------------------------------------------------------------- */

/* ^\s*--[\s-]*up\s+migration, whatever the case. */
static bool is_marker(Str line, Str word)
{
    Str text = str_trim(line);
    if (!str_starts(text, STR("--")))
        return false;
    while (text.len > 0 && (text.ptr[0] == '-' || text.ptr[0] == ' ' || text.ptr[0] == '\t'))
        text = str_sub(text, 1, text.len);
    if (!str_starts_nocase(text, word))
        return false;
    Str rest = str_sub(text, word.len, text.len), trimmed = str_trim(rest);
    return trimmed.len < rest.len && str_starts_nocase(trimmed, STR("migration"));
}

static bool read_sections(const ConventionContext *ctx, Arena *arena, const char *path, Str text,
                          Sections *ret_sections, Error *err)
{
    (void)ctx;
    Line line = {0}, up = {0}, down = {0};
    Sections sections = {0};
    while (line_next(text, &line)) {
        if (up.number == 0 && is_marker(line.text, STR("up")))
            up = line;
        else if (down.number == 0 && is_marker(line.text, STR("down")))
            down = line;
    }
    sections.has_down = down.number > 0;
    if (up.number == 0 && sections.has_down)
        return peer_bad_line(path, down.number, "`-- Down Migration` without `-- Up Migration`",
                             "node-pg-migrate would run the whole file for an up, its down along: "
                             "write `-- Up Migration` before the first statement.",
                             err);
    SqlRange range = {up.from, down.from > up.from ? down.from : text.len};
    if (!vec_push(arena, &sections.up, range))
        return error_nomem(err);
    range = (SqlRange){down.from, up.from > down.from ? up.from : text.len};
    if (sections.has_down && !vec_push(arena, &sections.down, range))
        return error_nomem(err);
    *ret_sections = sections;
    return true;
}

/* ---- files ---------------------------------------------------------------------------------------------- */

static bool bad_pair(const char *one, const char *two, Str id, Error *err)
{
    error_set(err, ERROR_STATE, "two files are the migration %.*s: %s and %s", STR_ARG(id), one,
              two);
    error_code(err, "duplicate-version");
    error_at(err, str_from(two), 0, 0);
    return error_hint(err, "node-pg-migrate stops at this too. Keep one .sql, or .up.sql and "
                           ".down.sql.");
}

static bool fill(const ConventionContext *ctx, Arena *arena, const PeerFile *file, Form form,
                 Migration *migration, Error *err)
{
    Script **part = form == FORM_DOWN ? &migration->down : &migration->up;
    if (*part || (form != FORM_UP && form != FORM_DOWN && migration->down))
        return bad_pair((*part ? *part : migration->down)->path, file->path, migration->version,
                        err);
    if (form == FORM_SQL)
        return sections_scripts(ctx, arena, file->path, read_sections, &migration->up,
                                &migration->down, err);
    if (form == FORM_SCRIPT) {
        bool is_typed = str_ends(file->name, STR("ts"));
        if (!peer_script_refused(
                ctx, arena, file->path,
                is_typed ? "is a migration in TypeScript" : "is a migration in JavaScript",
                "Run it with node-pg-migrate; `whimbrel stamp` records it as applied.",
                &migration->up, err))
            return false;
        migration->down = migration->up;
        return true;
    }
    *part = script_new(arena, ctx->files, file->path);
    return *part || error_nomem(err);
}

static bool add_file(const ConventionContext *ctx, Arena *arena, const PeerFile *file,
                     MigrationSet *set, Error *err)
{
    Str id;
    uint64_t number;
    Form form = form_of(file->name, &id);
    Migration *migration = NULL;
    if (form == FORM_OTHER)
        return peer_ignore(arena, set, file->path, err);
    if (!read_number(id, &number))
        return peer_bad_file(
            file->path, "bad-name",
            "would stop node-pg-migrate: its name does not begin with a number",
            "Rename it to something like 1700000000000_name.sql, or move it out of "
            "the folder.",
            err);
    /* Files of one migration are neighbours among the sorted names, with nothing in between that does not begin so. */
    for (size_t i = set->migrations.len;
         i-- > 0 && !migration && str_starts(set->migrations.items[i].version, id);) {
        if (str_eq(set->migrations.items[i].version, id))
            migration = &set->migrations.items[i];
    }
    if (!migration && !peer_add(arena, set, id, (Str){0}, &migration, err))
        return false;
    return fill(ctx, arena, file, form, migration, err);
}

static bool scan(const ConventionContext *ctx, Arena *arena, MigrationSet *ret_set, Error *err)
{
    if (!peer_add_files(ctx, arena, PEER_FLAT, add_file, ret_set, err))
        return false;
    for (size_t i = 0; i < ret_set->migrations.len; i++) {
        const Migration *migration = &ret_set->migrations.items[i];
        if (!migration->up)
            return peer_bad_file(migration->down->path, "bad-file", "has no .up.sql beside it",
                                 "node-pg-migrate stops at this too.", err);
    }
    if (ret_set->migrations.len > 0)
        qsort(ret_set->migrations.items, ret_set->migrations.len, sizeof *ret_set->migrations.items,
              by_number);
    return peer_order_as_added(arena, ret_set, err) && migration_set_finish(ret_set, err);
}

/* ---- history -------------------------------------------------------------------------------------------- */

static bool take_row(void *ctx, const DbValue *cols, bool *ret_is_good, const char **ret_what,
                     Error *err)
{
    HistoryRow *row;
    return peer_push_timed_row(ctx, cols, "a row has no name", ret_is_good, ret_what, &row, err);
}

/* run_on has no zone: it is the session's, which is the server's unless the role or the database has another. */
static bool history_read(const ConventionContext *ctx, Db *db, Arena *arena, History *ret_history,
                         Error *err)
{
    static const VersionOrder text_order = {.kind = VERSIONS_TEXT};
    static const PeerTable table = {
        .columns = "name, CAST(date_part('epoch', CAST(run_on AS timestamp with time zone)) * "
                   "1000000 AS BIGINT)",
        .order = "run_on, id",
        .column_count = 2,
        .row = take_row};
    const Settings *settings = ctx->own;
    return peer_check_schema(ctx, db, settings ? settings->schema : (Str){0}, err) &&
           peer_history_read(ctx, db, arena, &table, ctx->set ? &ctx->set->versions : &text_order,
                             ret_history, err);
}

static bool history_prepare(const ConventionContext *ctx, Db *db, Arena *arena,
                            const History *history, DbStatementVec *out, Error *err)
{
    (void)db;
    const Settings *settings = ctx->own;
    for (size_t i = 0; settings && !history->exists && i < settings->create_schemas.len; i++) {
        StrBuf sql = strbuf(arena);
        strbuf_adds(&sql, "CREATE SCHEMA IF NOT EXISTS ");
        sql_add_ident(&sql, ctx->dialect, settings->create_schemas.items[i]);
        if (!statement_push(arena, &sql, out, err))
            return false;
    }
    return peer_create_table(ctx, arena, history,
                             "(id SERIAL PRIMARY KEY, name varchar(255) NOT NULL, run_on timestamp "
                             "NOT NULL)",
                             out, err);
}

static bool history_write(const ConventionContext *ctx, const Db *db, Arena *arena,
                          const HistoryWrite *write, DbStatementVec *out, Error *err)
{
    (void)db;
    TableName name;
    StrBuf values = strbuf(arena);
    Str where, values_text;
    char buf[TIMESTAMP_TEXT];
    if (write->kind == WRITE_RUN_BEGIN || write->kind == WRITE_RUN_END)
        return true;
    sql_add_literal(&values, ctx->dialect, peer_version(write));
    if (peer_finished_at(write) != TIMESTAMP_UNKNOWN)
        strbuf_addf(&values, ", CAST('%s+00' AS timestamp with time zone)",
                    timestamp_sql(peer_finished_at(write), buf));
    else
        strbuf_adds(&values, ", NOW()");
    if (!strbuf_finish(&values, &values_text))
        return error_nomem(err);
    return table_name_read(ctx, arena, &name, err) &&
           peer_where_text(ctx, arena, "name", peer_version(write), &where, err) &&
           peer_write_row(ctx, &name, arena, write, where, STR("name, run_on"), values_text, out,
                          err);
}

/* One key for all that it migrates in a database. */
static bool lock_key(const ConventionContext *ctx, const Db *db, Arena *arena, DbLockKey *ret_key,
                     Error *err)
{
    (void)ctx;
    (void)db;
    (void)arena;
    (void)err;
    *ret_key = (DbLockKey){.number = 7241865325823964, .name = STR("node-pg-migrate")};
    return true;
}

/* ---- configuration -------------------------------------------------------------------------------------- */

static bool take_url(ConventionContext *ctx, Arena *arena, const TomlDoc *doc, Str schema,
                     Error *err)
{
    PeerServer server = {.scheme = "postgres", .query = ""};
    const TomlValue *url_value = NULL, *host = NULL, *database = NULL, *port = NULL;
    Str url = {0}, name = {0};
    int64_t number = 0;
    if (!toml_get_string(doc, doc->root, "db.url", &url, &url_value, err) ||
        !toml_get_string(doc, doc->root, "db.host", &server.host, &host, err) ||
        !toml_get_string(doc, doc->root, "db.user", &server.user, NULL, err) ||
        !toml_get_string(doc, doc->root, "db.password", &server.password, NULL, err) ||
        !toml_get_string(doc, doc->root, "db.database", &server.database, &database, err) ||
        !toml_get_string(doc, doc->root, "db.name", &name, database ? NULL : &database, err))
        return false;
    const TomlValue *written = toml_find(doc->root, "db.port");
    if (written && written->kind == TOML_STRING)
        server.port = written->string;
    else if (!toml_get_integer(doc, doc->root, "db.port", 1, 65535, &number, &port, err))
        return false;
    if (port && !(server.port = str_from(str_format(arena, "%lld", (long long)number))).ptr)
        return error_nomem(err);
    if (name.len > 0)
        server.database = name;
    const TomlValue *place = url_value ? url_value : host ? host : database;
    if (!place)
        return true;
    ctx->url_place = str_format(arena, "%s:%u", doc->file, (unsigned)place->line);
    if (!ctx->url_place)
        return error_nomem(err);
    if (!url_value && !peer_server_url(arena, &server, &url, err))
        return false;
    StrBuf out = strbuf(arena);
    strbuf_add(&out, url);
    if (schema.len > 0 && str_find(url, STR("search_path="), 0) == SIZE_MAX) {
        strbuf_adds(&out,
                    str_find_char(url, '?', 0) == SIZE_MAX ? "?search_path=" : "&search_path=");
        peer_add_escaped(&out, schema);
    }
    return strbuf_finish(&out, &ctx->url) || error_nomem(err);
}

static bool tell_unheeded(ConventionContext *ctx, Arena *arena, const TomlDoc *doc, Error *err)
{
    static const char *const keys[] = {"use-glob", "ignore-pattern",     "decamelize",
                                       "ssl",      "template-file-name", NULL};
    const TomlValue *db = toml_child(doc->root, STR("db"));
    for (size_t i = 0; keys[i]; i++) {
        const TomlEntry *entry = toml_entry(db, str_from(keys[i]));
        bool is_off = entry && entry->value->kind == TOML_BOOLEAN && !entry->value->boolean;
        if (entry && !is_off &&
            !peer_note(ctx, arena,
                       str_format(arena, "%s:%u: %s is not followed", doc->file,
                                  (unsigned)entry->line, keys[i]),
                       err))
            return false;
    }
    return true;
}

/* What one file says in its section "db" and no file before it. */
static bool take_file(ConventionContext *ctx, Arena *arena, const TomlDoc *doc, Settings *settings,
                      Error *err)
{
    StrVec schemas = {0};
    Str own_schema = {0}, table = {0}, dir = {0}, format = {0};
    const TomlValue *order = NULL, *schema_value = NULL;
    bool checks_order = true, creates = false, creates_own = false;
    if (!toml_get_strings(doc, doc->root, "db.schema", arena, &schemas, &schema_value, err) ||
        !toml_get_string(doc, doc->root, "db.migrations-schema", &own_schema, NULL, err) ||
        !toml_get_string(doc, doc->root, "db.migrations-table", &table, NULL, err) ||
        !toml_get_string(doc, doc->root, "db.migrations-dir", &dir, NULL, err) ||
        !toml_get_string(doc, doc->root, "db.migration-filename-format", &format, NULL, err) ||
        !toml_get_boolean(doc, doc->root, "db.check-order", &checks_order, &order, err) ||
        !toml_get_boolean(doc, doc->root, "db.create-schema", &creates, NULL, err) ||
        !toml_get_boolean(doc, doc->root, "db.create-migrations-schema", &creates_own, NULL, err))
        return false;
    if (settings->schema.len == 0 && schemas.len > 0)
        settings->schema = schemas.items[0];
    for (size_t i = 0; creates && i < schemas.len; i++) {
        if (!vec_push(arena, &settings->create_schemas, schemas.items[i]))
            return error_nomem(err);
    }
    if (creates_own && own_schema.len > 0 &&
        !vec_push(arena, &settings->create_schemas, own_schema))
        return error_nomem(err);
    if (!settings->numbers_new_files && !settings->dates_new_files) {
        settings->numbers_new_files = str_eq(format, STR("index"));
        settings->dates_new_files = str_eq(format, STR("utc"));
    }
    if (settings->own_schema.len == 0)
        settings->own_schema = own_schema;
    if (settings->table.len == 0)
        settings->table = table;
    if (order && !settings->has_order)
        ctx->allows_out_of_order = !checks_order;
    settings->has_order = settings->has_order || order;
    return (ctx->url.len > 0 || take_url(ctx, arena, doc, settings->schema, err)) &&
           (dir.len == 0 || peer_take_folder(ctx, arena, str_z(arena, dir), err)) &&
           tell_unheeded(ctx, arena, doc, err);
}

/* It reads what the package node-config finds in config/: the local file stands above its deployment's, that above the default. */
static bool configure(ConventionContext *ctx, Arena *arena, Error *err)
{
    Settings *settings = arena_alloc(arena, sizeof *settings);
    Str deployment = {0};
    if (!settings)
        return error_nomem(err);
    *settings = (Settings){0};
    if (ctx->dialect != SQL_POSTGRES)
        return peer_only_postgres(ctx->convention, err);
    ctx->own = settings;
    if ((!peer_variable(ctx, STR("NODE_CONFIG_ENV"), &deployment) || deployment.len == 0) &&
        (!peer_variable(ctx, STR("NODE_ENV"), &deployment) || deployment.len == 0))
        deployment = STR("development");
    if (ctx->environment.len > 0)
        deployment = ctx->environment;
    const char *named = str_format(arena, "config/%.*s.json", STR_ARG(deployment));
    const char *const names[] = {"config/local.json", named, "config/default.json"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const char *path;
        Str text;
        TomlDoc doc;
        if (!names[i])
            return error_nomem(err);
        if (!peer_configuration(ctx, arena, str_from(names[i]), &path, &text, err))
            return false;
        if (!path)
            continue;
        if (!json5_parse(arena, path, text, &doc, err))
            return false;
        const TomlValue *db = toml_child(doc.root, STR("db"));
        if (!db)
            continue;
        if (db->kind != TOML_STRING) {
            if (!take_file(ctx, arena, &doc, settings, err))
                return false;
        } else if (ctx->url.len == 0) {
            ctx->url = db->string;
            ctx->url_place = str_format(arena, "%s:%u", path, (unsigned)db->line);
            if (!ctx->url_place)
                return error_nomem(err);
        }
    }
    return peer_take_table(ctx, arena,
                           settings->own_schema.len > 0 ? settings->own_schema : settings->schema,
                           settings->table, err);
}

/* ---- recognition, new files ------------------------------------------------------------------------------ */

static bool takes(const ConventionContext *ctx, const PeerFile *file, Str text)
{
    (void)ctx;
    Str id;
    Line line = {0};
    if (form_of(file->name, &id) != FORM_SQL || peer_digits(id).len == 0)
        return false;
    while (line_next(text, &line)) {
        if (is_marker(line.text, STR("up")))
            return true;
    }
    return false;
}

/* Where a dependency tells the tool. */
static bool takes_name(const ConventionContext *ctx, const PeerFile *file, Str text)
{
    (void)ctx;
    (void)text;
    Str id;
    return form_of(file->name, &id) != FORM_OTHER && peer_digits(id).len > 0;
}

static bool recognise(const ConventionContext *ctx, Db *db, Arena *arena,
                      ConventionGuess *ret_guess, Error *err)
{
    static const PeerSigns marked = {
        .columns = "id, name, run_on", .has_only_these = true, .takes = takes, .reads = true};
    static const PeerSigns named = {
        .columns = "id, name, run_on", .has_only_these = true, .takes = takes_name};
    const char *path;
    Str text;
    *ret_guess = (ConventionGuess){.convention = ctx->convention};
    if (ctx->dialect != SQL_POSTGRES)
        return true;
    if (!peer_recognise(ctx, db, arena, &marked, ret_guess, err) ||
        !peer_configuration(ctx, arena, STR("package.json"), &path, &text, err))
        return false;
    if (!path || str_find(text, STR("\"node-pg-migrate\""), 0) == SIZE_MAX)
        return true;
    return (ret_guess->has_files || peer_recognise(ctx, db, arena, &named, ret_guess, err)) &&
           guess_add(arena, ret_guess, 2, str_format(arena, "%s names node-pg-migrate", path), err);
}

/* The prefix is the time in milliseconds, unless the configuration wants another. */
static bool new_paths(const ConventionContext *ctx, Arena *arena, const MigrationSet *set, Str name,
                      unsigned new_kind, bool is_numbered, Timestamp now, StrVec *ret_paths,
                      Error *err)
{
    const Settings *settings = ctx->own;
    uint64_t number = 0, highest = 0;
    size_t width = 4;
    char buf[TIMESTAMP_TEXT];
    Str slug;
    if (new_kind == NEW_REPEATABLE || new_kind == NEW_FOLDER)
        return peer_lacks_kind(ctx->convention, new_kind, err);
    if (!peer_slug(arena, name, &slug, err))
        return false;
    char *dashed = str_z(arena, slug);
    if (!dashed)
        return error_nomem(err);
    for (size_t i = 0; i < slug.len; i++)
        dashed[i] = dashed[i] == '_' ? '-' : dashed[i];
    for (size_t i = 0; i < set->migrations.len; i++) {
        Str id = set->migrations.items[i].version;
        if (!read_number(id, &number))
            continue;
        highest = number > highest ? number : highest;
        width = i == 0 ? peer_digits(id).len : width;
    }
    uint64_t ms = now > 0 ? (uint64_t)now / 1000 : 0;
    ms = ms > highest ? ms : highest + 1;
    const char *stem;
    if (is_numbered || (settings && settings->numbers_new_files))
        stem = str_format(arena, "%0*llu_%s", (int)width, (unsigned long long)highest + 1, dashed);
    else if (settings && settings->dates_new_files)
        stem = str_format(arena, "%s%03llu_%s", timestamp_compact((Timestamp)ms * 1000, buf),
                          (unsigned long long)(ms % 1000), dashed);
    else
        stem = str_format(arena, "%llu_%s", (unsigned long long)ms, dashed);
    if (!stem)
        return error_nomem(err);
    return peer_new_files(arena, str_from(stem), ".sql", NULL, ret_paths, err);
}

static bool new_text(const ConventionContext *ctx, Arena *arena, const StrVec *paths, size_t index,
                     Str text, Str *ret_text, Error *err)
{
    (void)ctx;
    (void)paths;
    (void)index;
    return peer_new_sections(arena, "-- Up Migration\n", text, "\n-- Down Migration\n", ret_text,
                             err);
}

static bool draft_files(const ConventionContext *ctx, Arena *arena, const DraftVec *drafts,
                        TreeFileVec *ret_files, Error *err)
{
    static const DraftMarkers markers = {.up = "-- Up Migration", .down = "-- Down Migration"};
    for (size_t i = 0; i < drafts->len; i++) {
        const Draft *draft = &drafts->items[i];
        const char *id = draft_id(arena, draft, "_");
        const char *path = id ? str_format(arena, "%s.sql", id) : NULL;
        if (!draft_sections(ctx, arena, ret_files, path, draft, &markers, err))
            return false;
    }
    return true;
}

static const char *const annotations[] = {"up migration", "down migration", NULL};

const Convention convention_node_pg_migrate = {
    .version = 1,
    .name = "node-pg-migrate",
    .title = "node-pg-migrate",
    .summary = "node-pg-migrate: 1700000000000_name.sql with -- Up Migration and -- Down "
               "Migration, table pgmigrations (PostgreSQL)",
    .default_table = "pgmigrations",
    .features = CONVENTION_DOWN | CONVENTION_BASELINE | CONVENTION_DIRECTIVES | CONVENTION_EMPTY |
                CONVENTION_WHOLE_RUN,
    .checksum_hash = HASH_SHA256,
    .versions = VERSIONS_LISTED,
    .scan = scan,
    .history_read = history_read,
    .history_prepare = history_prepare,
    .history_write = history_write,
    .lock_key = lock_key,
    .recognise = recognise,
    .new_paths = new_paths,
    .draft_files = draft_files,
    .annotations = annotations,
    .new_text = new_text,
    .configure = configure,
};

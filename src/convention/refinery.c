/* refinery: V1__name.sql and U1__name.sql in any folder, checksums by SipHash, a row a version in refinery_schema_history.
 *
 * V and U share one row of numbers. A V that comes late is passed over by refinery, which calls it missing: here it is out of order. A U may
 * come late. Versions are 32 or 64 bits wide, as the program was built, which changes every checksum: the column's type tells, and SQL
 * itself looks at it where a row is written. SPDX-License-Identifier: Apache-2.0 */
#include "convention/draft.h"

#include <string.h>

/* ---- refinery.toml -------------------------------------------------------------------------------------- */

static bool server_url(const TomlDoc *doc, Arena *arena, const char *scheme, Str *ret_url,
                       Error *err)
{
    PeerServer server = {.scheme = scheme, .query = ""};
    bool is_tls = false;
    if (!toml_get_string(doc, doc->root, "main.db_host", &server.host, NULL, err) ||
        !toml_get_string(doc, doc->root, "main.db_port", &server.port, NULL, err) ||
        !toml_get_string(doc, doc->root, "main.db_user", &server.user, NULL, err) ||
        !toml_get_string(doc, doc->root, "main.db_pass", &server.password, NULL, err) ||
        !toml_get_string(doc, doc->root, "main.db_name", &server.database, NULL, err) ||
        !toml_get_boolean(doc, doc->root, "main.use_tls", &is_tls, NULL, err))
        return false;
    if (is_tls)
        server.query = "sslmode=require";
    return peer_server_url(arena, &server, ret_url, err);
}

/* The database, in parts. A file of SQLite is relative to this one. */
static bool configure(ConventionContext *ctx, Arena *arena, Error *err)
{
    Str text, type = {0}, file = {0};
    TomlDoc doc;
    const TomlValue *type_value = NULL;
    const char *path;
    if (!peer_configuration(ctx, arena, STR("refinery.toml"), &path, &text, err))
        return false;
    if (!path)
        return true;
    if (!toml_parse(arena, path, text, &doc, err) ||
        !toml_get_string(&doc, doc.root, "main.db_type", &type, &type_value, err) ||
        !toml_get_string(&doc, doc.root, "main.db_path", &file, NULL, err))
        return false;
    if (!type_value)
        return true;
    ctx->url_place = str_format(arena, "%s:%u", path, (unsigned)type_value->line);
    if (!ctx->url_place)
        return error_nomem(err);
    if (str_eq(type, STR("Postgres")))
        return server_url(&doc, arena, "postgres", &ctx->url, err);
    if (str_eq(type, STR("Mysql")))
        return server_url(&doc, arena, "mysql", &ctx->url, err);
    if (str_eq(type, STR("Sqlite"))) {
        const char *folder = str_z(arena, path_folder(str_from(path)));
        const char *place = folder ? path_join(arena, folder, file) : NULL;
        const char *url = place ? str_format(arena, "sqlite:%s", place) : NULL;
        ctx->url = str_from(url);
        return url || error_nomem(err);
    }
    toml_error(&doc, type_value, err, ERROR_USAGE,
               "main.db_type is %.*s: known are Postgres, Mysql and Sqlite", STR_ARG(type));
    return error_code(err, "bad-setting");
}

/* ---- names ---------------------------------------------------------------------------------------------- */

typedef enum RefineryForm {
    REFINERY_IGNORED,
    REFINERY_SQL,
    REFINERY_RUST,
    REFINERY_BAD
} RefineryForm;

typedef struct RefineryName {
    RefineryForm form;
    bool is_unversioned;
    uint64_t version;
    Str rest;
    const char *what; /* REFINERY_BAD */
} RefineryName;

/* What refinery's \w takes, of ASCII; beyond it letters of any script are meant. */
static bool is_word(Str text)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
              c == '_' || ((unsigned char)c & 0x80)))
            return false;
    }
    return text.len > 0;
}

/* ^([U|V])(\d+(?:\.\d+)?)__(\w+)\.(sql|rs)$ */
static RefineryName refinery_name(Str name)
{
    RefineryName found = {.form = REFINERY_IGNORED};
    bool is_sql = str_ends(name, STR(".sql"));
    if (name.len == 0 || !strchr("U|V", name.ptr[0]) || (!is_sql && !str_ends(name, STR(".rs"))))
        return found;
    Str stem = str_sub(name, 1, name.len - (is_sql ? 4 : 3));
    Str digits = peer_digits(stem), rest = str_sub(stem, digits.len, stem.len), fraction = {0};
    if (str_starts(rest, STR("."))) {
        fraction = peer_digits(str_sub(rest, 1, rest.len));
        if (fraction.len == 0)
            return found;
        rest = str_sub(rest, 1 + fraction.len, rest.len);
    }
    found.rest = str_sub(rest, 2, rest.len);
    if (digits.len == 0 || !str_starts(rest, STR("__")) || !is_word(found.rest))
        return found;
    found.form = is_sql ? REFINERY_SQL : REFINERY_RUST;
    found.is_unversioned = name.ptr[0] == 'U';
    found.what = name.ptr[0] == '|' ? "would stop refinery: its name begins with a bar"
                 : fraction.len > 0 ? "would stop refinery: its version is not a whole number"
                 : !str_to_u64(digits, &found.version) || found.version > INT64_MAX
                     ? "would stop refinery: its version is too large"
                     : NULL;
    if (found.what)
        found.form = REFINERY_BAD;
    return found;
}

/* ---- scripts -------------------------------------------------------------------------------------------- */

typedef struct RefineryOwn {
    Str name;
    uint64_t version;
} RefineryOwn;

/* Over what Rust feeds its hasher with: the name, the version of that width, the text. */
static const char *checksum_of(Arena *arena, const RefineryOwn *own, size_t width, Str text)
{
    static const char end[] = {(char)0xff};
    char version[8];
    for (size_t i = 0; i < sizeof version; i++)
        version[i] = (char)(unsigned char)(own->version >> (8 * i));
    const Str pieces[] = {own->name, {end, 1}, {version, width}, text, {end, 1}};
    return str_format(arena, "%llu",
                      (unsigned long long)siphash13_of(pieces, sizeof pieces / sizeof *pieces));
}

static bool prepare_sql(const void *ctx, Arena *arena, const Script *script, Str text,
                        const SqlSplitOptions *split, ScriptText *ret_text, Error *err)
{
    (void)ctx;
    (void)split;
    const RefineryOwn *own = script->form->own;
    ScriptText made = {.sql = text};
    const char *narrow = checksum_of(arena, own, 4, text), *wide = checksum_of(arena, own, 8, text);
    if (!narrow || !wide || !vec_push(arena, &made.other_checksums, str_from(wide)))
        return error_nomem(err);
    made.checksum = str_from(narrow);
    *ret_text = made;
    return true;
}

static bool add_file(const ConventionContext *ctx, Arena *arena, const PeerFile *file,
                     MigrationSet *set, Error *err)
{
    RefineryName name = refinery_name(file->name);
    Migration *migration;
    if (name.form == REFINERY_IGNORED)
        return peer_ignore(arena, set, file->path, err);
    if (name.form == REFINERY_BAD)
        return peer_bad_file(file->path, "bad-name", name.what,
                             "Rename it to something like V1__name.sql, or move it out of the "
                             "folder.",
                             err);
    const char *version = str_format(arena, "%llu", (unsigned long long)name.version);
    ScriptForm *form = arena_alloc(arena, sizeof *form);
    RefineryOwn *own = arena_alloc(arena, sizeof *own);
    if (!version || !form || !own)
        return error_nomem(err);
    if (!peer_add(arena, set, str_from(version), name.rest, &migration, err))
        return false;
    migration->may_come_late = name.is_unversioned;
    if (name.form == REFINERY_RUST)
        return peer_script_refused(ctx, arena, file->path, "is a migration in Rust",
                                   "Run it with the program that it is built into.", &migration->up,
                                   err);
    migration->up = script_new(arena, ctx->files, file->path);
    if (!migration->up)
        return error_nomem(err);
    *own = (RefineryOwn){name.rest, name.version};
    *form = (ScriptForm){.prepare = prepare_sql, .own = own};
    migration->up->form = form;
    return true;
}

static bool scan(const ConventionContext *ctx, Arena *arena, MigrationSet *ret_set, Error *err)
{
    return peer_add_files(ctx, arena, PEER_DEEPEST, add_file, ret_set, err) &&
           migration_set_finish(ret_set, err);
}

/* ---- history -------------------------------------------------------------------------------------------- */

static bool take_row(void *ctx, const DbValue *cols, bool *ret_is_good, const char **ret_what,
                     Error *err)
{
    PeerReader *reader = ctx;
    int64_t number = 0;
    uint64_t checksum;
    HistoryRow *row;
    *ret_is_good = db_value_i64(&cols[0], &number) && !cols[1].is_null && !cols[2].is_null &&
                   !cols[3].is_null && str_to_u64(cols[3].text, &checksum);
    *ret_what = "a row has no version, name, time or checksum that refinery could read";
    if (!*ret_is_good)
        return true;
    const char *version = str_format(reader->arena, "%lld", (long long)number);
    if (!version)
        return error_nomem(err);
    if (!peer_push_row(reader, str_from(version), cols[1].text, &row, err))
        return false;
    if (!timestamp_parse(cols[2].text, &row->finished_at))
        row->finished_at = TIMESTAMP_UNKNOWN;
    return str_copy(reader->arena, cols[3].text, &row->checksum) || error_nomem(err);
}

static bool history_read(const ConventionContext *ctx, Db *db, Arena *arena, History *ret_history,
                         Error *err)
{
    static const PeerTable table = {.columns = "version, name, applied_on, checksum",
                                    .order = "version",
                                    .column_count = 4,
                                    .row = take_row};
    return peer_history_read(ctx, db, arena, &table, NULL, ret_history, err);
}

/* Versions like timestamps need the wide form; refinery has the narrow one unless it is built otherwise. */
static bool needs_wide(const ConventionContext *ctx)
{
    uint64_t version;
    for (size_t i = 0; ctx->set && i < ctx->set->migrations.len; i++) {
        if (str_to_u64(ctx->set->migrations.items[i].version, &version) && version > INT32_MAX)
            return true;
    }
    return false;
}

static bool history_prepare(const ConventionContext *ctx, Db *db, Arena *arena,
                            const History *history, DbStatementVec *out, Error *err)
{
    (void)db;
    return peer_create_table(ctx, arena, history,
                             needs_wide(ctx)
                                 ? "(version int8 PRIMARY KEY, name VARCHAR(255), applied_on "
                                   "VARCHAR(255), checksum VARCHAR(255))"
                                 : "(version int4 PRIMARY KEY, name VARCHAR(255), applied_on "
                                   "VARCHAR(255), checksum VARCHAR(255))",
                             out, err);
}

static void add_name_literal(StrBuf *sql, const ConventionContext *ctx, Arena *arena,
                             const TableName *name)
{
    StrBuf quoted = strbuf(arena);
    Str text;
    table_name_add(&quoted, ctx->dialect, name, "");
    if (!strbuf_finish(&quoted, &text))
        sql->has_failed = true;
    else
        sql_add_literal(sql, ctx->dialect, text);
}

/* Which of the two checksums is meant, by the column's type. */
static void add_checksum(StrBuf *sql, const ConventionContext *ctx, Arena *arena,
                         const TableName *name, const Script *up)
{
    strbuf_adds(sql, "CASE WHEN ");
    switch (ctx->dialect) {
    case SQL_POSTGRES:
        strbuf_adds(sql, "(SELECT atttypid FROM pg_catalog.pg_attribute WHERE attrelid = CAST(");
        add_name_literal(sql, ctx, arena, name);
        strbuf_adds(sql, " AS regclass) AND attname = 'version') = 20");
        break;
    case SQL_MYSQL:
        strbuf_adds(sql, "(SELECT data_type FROM information_schema.columns WHERE table_schema = ");
        if (name->schema.len > 0)
            sql_add_literal(sql, ctx->dialect, name->schema);
        else
            strbuf_adds(sql, "DATABASE()");
        strbuf_adds(sql, " AND table_name = ");
        sql_add_literal(sql, ctx->dialect, name->table);
        strbuf_adds(sql, " AND column_name = 'version') = 'bigint'");
        break;
    case SQL_SQLITE:
        strbuf_adds(sql, "(SELECT lower(type) FROM pragma_table_info(");
        sql_add_literal(sql, ctx->dialect, name->table);
        if (name->schema.len > 0) {
            strbuf_adds(sql, ", ");
            sql_add_literal(sql, ctx->dialect, name->schema);
        }
        strbuf_adds(sql, ") WHERE name = 'version') IN ('int8', 'bigint')");
        break;
    }
    strbuf_adds(sql, " THEN ");
    sql_add_literal(sql, ctx->dialect, up->form->other_checksums.items[0]);
    strbuf_adds(sql, " ELSE ");
    sql_add_literal(sql, ctx->dialect, up->checksum);
    strbuf_adds(sql, " END");
}

/* RFC 3339, as refinery reads it back. */
static void add_time(StrBuf *sql, SqlDialect dialect, Timestamp known)
{
    char buf[TIMESTAMP_TEXT];
    if (known != TIMESTAMP_UNKNOWN) {
        Str day, clock = str_cut(str_from(timestamp_sql(known, buf)), ' ', &day);
        strbuf_addf(sql, "'%.*sT%.*sZ'", STR_ARG(day), STR_ARG(clock));
        return;
    }
    switch (dialect) {
    case SQL_POSTGRES:
        strbuf_adds(sql, "to_char(CURRENT_TIMESTAMP AT TIME ZONE 'UTC', "
                         "'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')");
        return;
    case SQL_MYSQL:
        strbuf_adds(sql, "DATE_FORMAT(UTC_TIMESTAMP(6), '%Y-%m-%dT%H:%i:%s.%fZ')");
        return;
    case SQL_SQLITE:
        strbuf_adds(sql, "strftime('%Y-%m-%dT%H:%M:%fZ', 'now')");
        return;
    }
}

static bool bad_version(Str version, Error *err)
{
    error_set(err, ERROR_UNSUPPORTED, "refinery cannot hold version %.*s", STR_ARG(version));
    error_code(err, "bad-version");
    return error_hint(err, "Its versions are whole numbers: rename the migration.");
}

/* Without a file of SQL there is nothing to compute a checksum from, and refinery reads no row without one. */
static bool lacks_checksum(const HistoryWrite *write, Error *err)
{
    error_set(err, ERROR_UNSUPPORTED, "there is no checksum for version %.*s",
              STR_ARG(peer_version(write)));
    error_code(err, "not-in-convention");
    return error_hint(err, "Only refinery itself can record a migration that is not a file of "
                           "SQL.");
}

static bool history_write(const ConventionContext *ctx, const Db *db, Arena *arena,
                          const HistoryWrite *write, DbStatementVec *out, Error *err)
{
    (void)db;
    TableName name;
    uint64_t number = 0;
    StrBuf values = strbuf(arena);
    Str values_text = {0};
    if (write->kind == WRITE_RUN_BEGIN || write->kind == WRITE_RUN_END)
        return true;
    bool adds = write->kind == WRITE_APPLIED || write->kind == WRITE_BASELINE;
    bool changes = write->kind == WRITE_CHECKSUM;
    if (!str_to_u64(peer_version(write), &number) || number > INT64_MAX)
        return bad_version(peer_version(write), err);
    if (!table_name_read(ctx, arena, &name, err))
        return false;
    const Script *up = write->migration ? write->migration->up : NULL;
    if ((adds || changes) && (!up || !up->form || up->form->other_checksums.len == 0))
        return lacks_checksum(write, err);
    const char *where = str_format(arena, "version = %llu", (unsigned long long)number);
    if (!where)
        return error_nomem(err);
    if (changes) {
        peer_begin(&values, ctx, &name, "UPDATE ");
        strbuf_adds(&values, " SET name = ");
        sql_add_literal(&values, ctx->dialect, write->migration->name);
        strbuf_adds(&values, ", checksum = ");
        add_checksum(&values, ctx, arena, &name, up);
        strbuf_addf(&values, " WHERE %s", where);
        return statement_push(arena, &values, out, err);
    }
    if (adds) {
        strbuf_addf(&values, "%llu, ", (unsigned long long)number);
        sql_add_literal(&values, ctx->dialect, write->migration->name);
        strbuf_adds(&values, ", ");
        add_time(&values, ctx->dialect,
                 peer_finished_at(write) != TIMESTAMP_UNKNOWN ? peer_finished_at(write)
                                                              : write->started_at);
        strbuf_adds(&values, ", ");
        add_checksum(&values, ctx, arena, &name, up);
        if (!strbuf_finish(&values, &values_text))
            return error_nomem(err);
    }
    return peer_write_row(ctx, &name, arena, write, str_from(where),
                          STR("version, name, applied_on, checksum"), values_text, out, err);
}

/* ---- recognition, new files ------------------------------------------------------------------------------ */

static bool takes(const ConventionContext *ctx, const PeerFile *file, Str text)
{
    (void)ctx;
    (void)text;
    /* U1__a.sql alone is elsewhere a down without its up. */
    return refinery_name(file->name).form == REFINERY_SQL && str_starts(file->name, STR("V"));
}

static bool recognise(const ConventionContext *ctx, Db *db, Arena *arena,
                      ConventionGuess *ret_guess, Error *err)
{
    static const char *const configurations[] = {"refinery.toml", NULL};
    static const PeerSigns signs = {.configurations = configurations,
                                    .columns = "version, name, applied_on, checksum",
                                    .depth = PEER_DEEPEST,
                                    .takes = takes};
    return peer_recognise(ctx, db, arena, &signs, ret_guess, err);
}

static bool new_paths(const ConventionContext *ctx, Arena *arena, const MigrationSet *set, Str name,
                      unsigned new_kind, bool is_numbered, Timestamp now, StrVec *ret_paths,
                      Error *err)
{
    Str slug, digits = {0};
    StrVec paths = {0};
    if (new_kind != NEW_DEFAULT && new_kind != NEW_SQL_ONLY)
        return peer_lacks_kind(ctx->convention, new_kind, err);
    if (!peer_slug(arena, name, &slug, err))
        return false;
    if (!is_word(slug)) {
        error_set(err, ERROR_USAGE, "refinery would not see a migration called \"%.*s\"",
                  STR_ARG(name));
        error_code(err, "bad-name");
        return error_hint(err, "Use letters, digits and '_' only.");
    }
    /* A time does not fit into the narrow form: it is used where the project has such versions. */
    if (set->migrations.len > 0) {
        const Migration *last = &set->migrations.items[set->migrations.len - 1];
        Str base = path_base(str_from(last->up->path));
        digits = peer_digits(str_sub(base, 1, base.len));
    }
    bool counts = is_numbered || digits.len != 14;
    const char *version =
        peer_next_version(arena, set, counts, digits.len < 20 ? (int)digits.len : 0, now);
    const char *path = version ? str_format(arena, "V%s__%.*s.sql", version, STR_ARG(slug)) : NULL;
    if (!path || !vec_push(arena, &paths, str_from(path)))
        return error_nomem(err);
    *ret_paths = paths;
    return true;
}

static bool draft_files(const ConventionContext *ctx, Arena *arena, const DraftVec *drafts,
                        TreeFileVec *ret_files, Error *err)
{
    (void)ctx;
    for (size_t i = 0; i < drafts->len; i++) {
        const Draft *draft = &drafts->items[i];
        char *path =
            str_format(arena, "V%.*s__%.*s.sql", STR_ARG(draft->version), STR_ARG(draft->name));
        if (!path)
            return error_nomem(err);
        for (char *c = path + draft->version.len + 3; c[4]; c++)
            *c = *c == '-' || *c == '.' ? '_' : *c; /* words only */
        if (!draft_plain(arena, ret_files, path, draft, false, NULL, err))
            return false;
    }
    return true;
}

const Convention convention_refinery = {
    .version = 1,
    .name = "refinery",
    .title = "refinery",
    .summary = "refinery of Rust: V1__name.sql and U1__name.sql, table refinery_schema_history",
    .default_table = "refinery_schema_history",
    .features = CONVENTION_BASELINE | CONVENTION_DIRECTIVES | CONVENTION_EMPTY,
    .checksum_hash = HASH_SHA256,
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

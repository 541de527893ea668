/* tern (jackc/tern of Go, PostgreSQL): 001_name.sql with both directions around a line between them, and one row that says how far the
 * database came.
 *
 * Its files are templates of Go. A value of the configuration's [data] is put in as tern does it; what else such a template can do (functions,
 * files of sub-folders, snapshots) only tern can, and such a migration is refused by line. SPDX-License-Identifier: Apache-2.0 */
#include "convention/draft.h"
#include "convention/ini.h"

#include <string.h>

#define SEPARATOR "---- create above / drop below ----"
#define ALONE "---- tern: disable-tx ----"

/* ---- templates ------------------------------------------------------------------------------------------ */

typedef struct Filling {
    const ConventionContext *ctx;
    bool is_configuration; /* there are no data yet, but the environment may be asked for */
    Str unknown;           /* the first action that only tern knows; empty: none */
    uint32_t line;         /* its line */
} Filling;

/* What is between the braces: .name, or env "NAME". */
static bool value_of(const Filling *filling, Str action, Str *ret_value)
{
    const IniEntryVec *settings = filling->ctx->own;
    action = str_trim(action);
    if (!filling->is_configuration && settings && str_starts(action, STR("."))) {
        const IniEntry *entry = ini_find(settings, STR("data"), str_sub(action, 1, action.len));
        if (entry)
            *ret_value = entry->value;
        return entry != NULL;
    }
    if (!str_starts(action, STR("env ")))
        return false;
    Str name = str_trim(str_sub(action, 4, action.len));
    if (name.len < 2 || name.ptr[0] != '"' || !str_ends(name, STR("\"")))
        return false;
    (void)peer_variable(filling->ctx, str_sub(name, 1, name.len - 1), ret_value);
    return true;
}

/* A comment is nothing; it may have many lines. */
static bool is_comment(Str action)
{
    return str_starts(action, STR("/*")) && str_ends(action, STR("*/"));
}

static void fill_in(Filling *filling, Str text, StrBuf *out)
{
    uint32_t line = 1;
    for (size_t i = 0; i < text.len;) {
        size_t end = str_starts(str_sub(text, i, text.len), STR("{{"))
                         ? str_find(text, STR("}}"), i)
                         : SIZE_MAX;
        Str value = {0}, action = {0};
        line += text.ptr[i] == '\n';
        if (!str_starts(str_sub(text, i, text.len), STR("{{"))) {
            strbuf_add_char(out, text.ptr[i++]);
            continue;
        }
        end = end == SIZE_MAX ? text.len : end;
        action = str_sub(text, i + 2, end);
        if (!is_comment(action) && !value_of(filling, action, &value) &&
            filling->unknown.len == 0) {
            filling->unknown = str_sub(text, i, end + 2 < text.len ? end + 2 : text.len);
            filling->line = line;
        }
        strbuf_add(out, value);
        for (; i < text.len && i < end + 2; i++)
            line += text.ptr[i] == '\n';
    }
}

/* ---- one file ------------------------------------------------------------------------------------------- */

/* tern wants the line to be exactly this, and without a carriage return. */
static bool says_alone(Str part)
{
    Line line = {0};
    while (line_next(part, &line))
        if (str_eq(str_sub(part, line.from, line.to), STR(ALONE "\n")) ||
            str_eq(str_sub(part, line.from, line.to), STR(ALONE)))
            return true;
    return false;
}

/* Whether tern would find anything to do: more than blank lines and lines of comment. */
static bool has_sql(Str part)
{
    Line line = {0};
    while (line_next(part, &line)) {
        Str trimmed = str_trim(line.text);
        if (trimmed.len > 0 && !str_starts(trimmed, STR("--")))
            return true;
    }
    return false;
}

static bool refuse(Arena *arena, const Filling *filling, Sections *sections, Error *err)
{
    Str first;
    (void)str_cut(filling->unknown, '\n', &first);
    sections->refusal =
        str_format(arena, "has a template that only tern can fill in: %.*s", STR_ARG(first));
    sections->refusal_hint =
        "Whimbrel puts in values of [data] in tern.conf, {{.name}}. Run it with tern; `whimbrel "
        "stamp` records it as applied.";
    sections->refusal_line = filling->line;
    return sections->refusal || error_nomem(err);
}

static bool read_sections(const ConventionContext *ctx, Arena *arena, const char *path, Str text,
                          Sections *ret_sections, Error *err)
{
    Filling filling = {.ctx = ctx};
    Sections sections = {0};
    (void)path;
    StrBuf out = strbuf(arena);
    size_t at = str_find(text, STR(SEPARATOR), 0), split = 0;
    Str above = at == SIZE_MAX ? text : str_sub(text, 0, at);
    /* The two are templates of their own: none reaches from one into the other. */
    fill_in(&filling, above, &out);
    split = out.len;
    if (at != SIZE_MAX) {
        Filling below = {.ctx = ctx};
        fill_in(&below, str_sub(text, at, text.len), &out);
        if (filling.unknown.len == 0 && below.unknown.len > 0) {
            filling.unknown = below.unknown;
            for (size_t i = 0; i < at; i++)
                below.line += text.ptr[i] == '\n';
            filling.line = below.line;
        }
    }
    if (!strbuf_finish(&out, &sections.text))
        return error_nomem(err);
    Str up = str_sub(sections.text, 0, split), down = {0};
    size_t from = split;
    if (at != SIZE_MAX) {
        from += strlen(SEPARATOR);
        down = str_sub(sections.text, from, sections.text.len);
    }
    sections.has_down = str_trim(down).len > 0;
    sections.no_transaction_up = says_alone(up);
    sections.no_transaction_down = says_alone(down);
    if (!vec_push(arena, &sections.up, (SqlRange){0, split}) ||
        !vec_push(arena, &sections.down, (SqlRange){from, sections.text.len}))
        return error_nomem(err);
    if (filling.unknown.len == 0 && !has_sql(up)) {
        sections.refusal = "has no SQL in its up: tern stops at such a file";
        sections.refusal_hint = "Write the up before the line `" SEPARATOR "`.";
        sections.refusal_line = 1;
    }
    *ret_sections = sections;
    return filling.unknown.len == 0 || refuse(arena, &filling, ret_sections, err);
}

/* ---- files ---------------------------------------------------------------------------------------------- */

/* \A(\d+)_.+\.sql\z */
static bool read_name(Str name, Str *ret_digits, Str *ret_rest)
{
    Str digits = peer_digits(name);
    if (digits.len == 0 || name.len < digits.len + 6 || name.ptr[digits.len] != '_' ||
        !str_ends(name, STR(".sql")))
        return false;
    *ret_digits = digits;
    *ret_rest = str_sub(name, digits.len + 1, name.len - 4);
    return true;
}

static bool add_file(const ConventionContext *ctx, Arena *arena, const PeerFile *file,
                     MigrationSet *set, Error *err)
{
    uint64_t number = 0;
    Str digits, rest;
    Migration *migration;
    if (!read_name(file->name, &digits, &rest))
        return peer_ignore(arena, set, file->path, err);
    if (!str_to_u64(digits, &number) || number == 0 || number > INT32_MAX)
        return peer_bad_file(file->path, "bad-name",
                             "would stop tern: its number is not one from 1 to 2147483647",
                             "Number the files 001, 002 and so on.", err);
    const char *version = str_format(arena, "%llu", (unsigned long long)number);
    if (!version)
        return error_nomem(err);
    return peer_add(arena, set, str_from(version), rest, &migration, err) &&
           sections_scripts(ctx, arena, file->path, read_sections, &migration->up, &migration->down,
                            err);
}

/* tern refuses a folder in which a number is left out. */
static bool check_numbers(const MigrationSet *set, Error *err)
{
    for (size_t i = 0; i < set->migrations.len; i++) {
        const Migration *migration = &set->migrations.items[i];
        uint64_t number = 0;
        if (str_to_u64(migration->version, &number) && number == i + 1)
            continue;
        error_set(err, ERROR_STATE, "%s would stop tern: there is no migration %zu before it",
                  migration->up->path, i + 1);
        error_code(err, "bad-name");
        error_at(err, str_from(migration->up->path), 0, 0);
        return error_hint(err, "tern numbers without a gap, from 1 on: rename the file.");
    }
    return true;
}

static bool scan(const ConventionContext *ctx, Arena *arena, MigrationSet *ret_set, Error *err)
{
    return peer_add_files(ctx, arena, PEER_FLAT, add_file, ret_set, err) &&
           migration_set_finish(ret_set, err) && check_numbers(ret_set, err);
}

/* ---- history -------------------------------------------------------------------------------------------- */

typedef struct Row {
    bool is_there;
    int64_t version;
} Row;

static bool take_row(void *ctx, const DbValue *cols, bool *ret_is_good, const char **ret_what,
                     Error *err)
{
    (void)err;
    Row *row = ctx;
    int64_t version = 0;
    bool is_number = db_value_i64(&cols[0], &version) && version >= 0;
    *ret_is_good = is_number && (!row->is_there || row->version == version);
    *ret_what = is_number ? "its rows say different versions" : "a row has no version";
    *row = (Row){true, version};
    return true;
}

static bool history_read(const ConventionContext *ctx, Db *db, Arena *arena, History *ret_history,
                         Error *err)
{
    History history = {0};
    Row row = {0};
    PeerTable table = {.columns = "version", .column_count = 1, .row = take_row, .ctx = &row};
    if (!table_name_read(ctx, arena, &table.name, err) ||
        !peer_table_read(ctx, db, arena, &table, &history.exists, err))
        return false;
    const char *version = str_format(arena, "%lld", (long long)row.version);
    if (!version)
        return error_nomem(err);
    if ((row.version > 0 &&
         !peer_push_up_to(ctx, arena, str_from(version), HISTORY_APPLIED, &history, err)) ||
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
    StrBuf first = strbuf(arena);
    if (!table_name_read(ctx, arena, &name, err) ||
        !peer_create_table(ctx, arena, history, "(version int4 not null)", out, err))
        return false;
    /* Without its row nothing could be written down: tern only ever changes that. */
    peer_begin(&first, ctx, &name, "INSERT INTO ");
    strbuf_adds(&first, " (version) SELECT 0");
    peer_begin(&first, ctx, &name, " WHERE NOT EXISTS (SELECT 1 FROM ");
    strbuf_adds(&first, ")");
    return history->rows.len > 0 || statement_push(arena, &first, out, err);
}

static bool bad_version(Str version, Error *err)
{
    error_set(err, ERROR_UNSUPPORTED, "tern cannot hold version %.*s", STR_ARG(version));
    error_code(err, "bad-version");
    return error_hint(err, "Its versions are whole numbers from 1 on: rename the migration.");
}

/* The row says this version; with only_above only if it says one of that or more, so that several may be taken away in any order. */
static bool push_state(const ConventionContext *ctx, Arena *arena, uint64_t version,
                       uint64_t only_above, DbStatementVec *out, Error *err)
{
    TableName name;
    StrBuf sql = strbuf(arena);
    if (!table_name_read(ctx, arena, &name, err))
        return false;
    peer_begin(&sql, ctx, &name, "UPDATE ");
    strbuf_addf(&sql, " SET version = %llu", (unsigned long long)version);
    if (only_above > 0)
        strbuf_addf(&sql, " WHERE version >= %llu", (unsigned long long)only_above);
    return statement_push(arena, &sql, out, err);
}

static bool history_write(const ConventionContext *ctx, const Db *db, Arena *arena,
                          const HistoryWrite *write, DbStatementVec *out, Error *err)
{
    (void)db;
    uint64_t version = 0;
    if (write->kind == WRITE_RUN_BEGIN || write->kind == WRITE_RUN_END)
        return true;
    if (!str_to_u64(peer_version(write), &version) || version == 0 || version > INT32_MAX)
        return bad_version(peer_version(write), err);
    switch (write->kind) {
    case WRITE_APPLIED:
    case WRITE_BASELINE:
    case WRITE_SKIPPED:
        return push_state(ctx, arena, version, 0, out, err);
    case WRITE_REMOVED:
    case WRITE_DELETED: /* a version without a file stops the tool */
        return push_state(ctx, arena, version - 1, version, out, err);
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

/* "arbitrary random number", for every database and table. */
static bool lock_key(const ConventionContext *ctx, const Db *db, Arena *arena, DbLockKey *ret_key,
                     Error *err)
{
    (void)ctx;
    (void)db;
    (void)arena;
    (void)err;
    *ret_key = (DbLockKey){.number = 9628173550095224, .name = STR("tern")};
    return true;
}

/* ---- tern.conf ------------------------------------------------------------------------------------------ */

static Str database_setting(const IniEntryVec *settings, const char *key)
{
    const IniEntry *entry = ini_find(settings, STR("database"), str_from(key));
    return entry ? entry->value : (Str){0};
}

static bool take_url(ConventionContext *ctx, Arena *arena, const char *path,
                     const IniEntryVec *settings, Error *err)
{
    const IniEntry *string = ini_find(settings, STR("database"), STR("conn_string"));
    const IniEntry *place = string ? string : ini_find(settings, STR("database"), STR("database"));
    StrBuf query = strbuf(arena);
    Str text;
    if (ctx->url.len > 0 || !place)
        return true;
    ctx->url_place = str_format(arena, "%s:%u", path, (unsigned)place->line);
    if (!ctx->url_place)
        return error_nomem(err);
    if (string) {
        if (str_find(string->value, STR("://"), 0) != SIZE_MAX)
            ctx->url = string->value;
        return ctx->url.len > 0 ||
               peer_note(ctx, arena,
                         str_format(arena, "%s: conn_string is no URL: give it with --database",
                                    ctx->url_place),
                         err);
    }
    static const char *const passed[] = {"sslmode", "sslrootcert", NULL};
    for (size_t i = 0; passed[i]; i++) {
        Str value = database_setting(settings, passed[i]);
        if (value.len == 0)
            continue;
        strbuf_addf(&query, "%s%s=", query.len > 0 ? "&" : "", passed[i]);
        peer_add_escaped(&query, value);
    }
    PeerServer server = {.scheme = "postgres",
                         .user = database_setting(settings, "user"),
                         .password = database_setting(settings, "password"),
                         .host = database_setting(settings, "host"),
                         .port = database_setting(settings, "port"),
                         .database = place->value};
    if (server.host.len == 0)
        server.host = database_setting(settings, "socket");
    if (str_starts(server.host, STR("/"))) { /* a folder of sockets */
        strbuf_adds(&query, query.len > 0 ? "&host=" : "host=");
        peer_add_escaped(&query, server.host);
        server.host = (Str){0};
    }
    if (!strbuf_finish(&query, &text) || !(server.query = str_z(arena, text)))
        return error_nomem(err);
    return peer_server_url(arena, &server, &ctx->url, err);
}

/* Beside the project, or where `tern init` puts it: among the migrations. */
static bool find_file(const ConventionContext *ctx, Arena *arena, const char **ret_path,
                      Str *ret_text, Error *err)
{
    Str said;
    if (peer_variable(ctx, STR("TERN_CONFIG"), &said) && said.len > 0 && !ctx->files) {
        *ret_path = str_z(arena, said);
        return *ret_path ? file_read(arena, *ret_path, 1 << 20, ret_text, err) : error_nomem(err);
    }
    if (!peer_configuration(ctx, arena, STR("tern.conf"), ret_path, ret_text, err))
        return false;
    for (size_t i = 0; !*ret_path && !ctx->files && i < ctx->folders.len; i++) {
        FileInfo info;
        const char *folder = str_z(arena, ctx->folders.items[i]);
        const char *path = folder ? path_join(arena, folder, STR("tern.conf")) : NULL;
        if (!path)
            return error_nomem(err);
        if (!file_info(path, &info, err))
            return false;
        if (info.kind != FILE_REGULAR)
            continue;
        if (!file_read(arena, path, 1 << 20, ret_text, err))
            return false;
        *ret_path = path;
    }
    return true;
}

static bool take_file(ConventionContext *ctx, Arena *arena, const char *path, Str text, Error *err)
{
    Filling filling = {.ctx = ctx, .is_configuration = true};
    StrBuf filled = strbuf(arena);
    IniEntryVec *settings = arena_alloc(arena, sizeof *settings);
    fill_in(&filling, text, &filled);
    if (!settings || !strbuf_finish(&filled, &text))
        return error_nomem(err);
    if (filling.unknown.len > 0) {
        error_set(err, ERROR_USAGE, "%s:%u: only tern can fill in %.*s", path,
                  (unsigned)filling.line, STR_ARG(filling.unknown));
        error_code(err, "bad-setting");
        return error_hint(err, "Whimbrel knows {{env \"NAME\"}}.");
    }
    if (!ini_read(arena, text, 0, settings, err))
        return false;
    ctx->own = settings;
    if (ctx->table.len == 0)
        ctx->table = database_setting(settings, "version_table");
    if (ini_find(settings, STR("ssh-tunnel"), STR("host")) &&
        !peer_note(ctx, arena,
                   str_format(arena, "%s: the tunnel of [ssh-tunnel] is not opened", path), err))
        return false;
    return take_url(ctx, arena, path, settings, err);
}

static bool configure(ConventionContext *ctx, Arena *arena, Error *err)
{
    static const char *const usual[] = {"migrations", NULL};
    const char *path = NULL;
    Str text = {0};
    if (ctx->dialect != SQL_POSTGRES)
        return peer_only_postgres(ctx->convention, err);
    if (!find_file(ctx, arena, &path, &text, err) ||
        !peer_take_variables(ctx, arena, STR("TERN_MIGRATIONS"), (Str){0}, err))
        return false;
    if (!path)
        return true;
    /* Without a word tern looks into the folder in which it is called. */
    return take_file(ctx, arena, path, text, err) &&
           peer_take_usual_folder(ctx, arena, usual, err) &&
           peer_take_folder(ctx, arena, str_z(arena, path_folder(str_from(path))), err);
}

/* ---- recognition, new files ------------------------------------------------------------------------------ */

static bool takes(const ConventionContext *ctx, const PeerFile *file, Str text)
{
    (void)ctx;
    (void)text;
    Str digits, rest;
    return read_name(file->name, &digits, &rest) && digits.len < 10;
}

static bool recognise(const ConventionContext *given, Db *db, Arena *arena,
                      ConventionGuess *ret_guess, Error *err)
{
    static const PeerSigns signs = {
        .columns = "version", .has_only_these = true, .takes = takes, .marker = SEPARATOR};
    ConventionContext ctx = *given;
    Error local = {.arena = err ? err->arena : arena};
    const char *path;
    Str text;
    *ret_guess = (ConventionGuess){.convention = given->convention};
    if (given->dialect != SQL_POSTGRES)
        return true;
    /* What is wrong with its configuration is told when it is meant. */
    if (!configure(&ctx, arena, &local)) {
        if (local.kind == ERROR_NOMEM)
            return error_nomem(err);
        ctx = *given;
    }
    if (!peer_recognise(&ctx, db, arena, &signs, ret_guess, err) ||
        !find_file(given, arena, &path, &text, err))
        return false;
    return !path || guess_add(arena, ret_guess, 2, str_format(arena, "%s is there", path), err);
}

/* `tern new` counts, with three digits. */
static bool new_paths(const ConventionContext *ctx, Arena *arena, const MigrationSet *set, Str name,
                      unsigned new_kind, bool is_numbered, Timestamp now, StrVec *ret_paths,
                      Error *err)
{
    (void)is_numbered;
    Str stem;
    return peer_new_stem(ctx, arena, set, name, new_kind, true, 3, now, &stem, err) &&
           peer_new_files(arena, stem, ".sql", NULL, ret_paths, err);
}

static bool new_text(const ConventionContext *ctx, Arena *arena, const StrVec *paths, size_t index,
                     Str text, Str *ret_text, Error *err)
{
    (void)ctx;
    (void)paths;
    (void)index;
    return peer_new_sections(arena, "", text, "\n" SEPARATOR "\n\n", ret_text, err);
}

static bool draft_files(const ConventionContext *ctx, Arena *arena, const DraftVec *drafts,
                        TreeFileVec *ret_files, Error *err)
{
    static const DraftMarkers markers = {.up = "", .down = SEPARATOR, .alone = "\n" ALONE};
    for (size_t i = 0; i < drafts->len; i++) {
        const Draft *draft = &drafts->items[i];
        const char *path =
            str_format(arena, "%s_%.*s.sql", draft_number(arena, draft, 3), STR_ARG(draft->name));
        if (!draft_sections(ctx, arena, ret_files, path, draft, &markers, err))
            return false;
    }
    return true;
}

static const char *const annotations[] = {"tern:", "create above", NULL};

const Convention convention_tern = {
    .version = 1,
    .name = "tern",
    .title = "tern",
    .summary = "tern of Go: 001_name.sql with ---- create above / drop below ----, table "
               "public.schema_version (PostgreSQL)",
    .default_table = "public.schema_version",
    .features = CONVENTION_FOLDS_TABLE | CONVENTION_DOWN | CONVENTION_BASELINE |
                CONVENTION_DIRECTIVES | CONVENTION_EMPTY,
    .checksum_hash = HASH_SHA256,
    .scan = scan,
    .history_read = history_read,
    .history_prepare = history_prepare,
    .history_write = history_write,
    .lock_key = lock_key,
    .recognise = recognise,
    .configure = configure,
    .new_paths = new_paths,
    .new_text = new_text,
    .draft_files = draft_files,
    .annotations = annotations,
};

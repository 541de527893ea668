/* dbmate: both directions in one file behind `-- migrate:up` and `-- migrate:down`, a version a row in schema_migrations.
 *
 * Versions are texts to dbmate: "0001" is not "1", and files run in the order of their names' bytes. Several blocks of one direction run
 * one behind the other, as one migration with one row. SPDX-License-Identifier: Apache-2.0 */
#include "convention/peer.h"

/* ---- files ---------------------------------------------------------------------------------------------- */

/* `--`, blanks, the word, and then the end of the line or blanks and options. */
static bool is_marker(Str line, Str word, Str *ret_options)
{
    if (!str_starts(line, STR("--")))
        return false;
    size_t at = 2;
    while (at < line.len && (line.ptr[at] == ' ' || line.ptr[at] == '\t'))
        at++;
    Str rest = str_sub(line, at, line.len);
    if (!str_starts(rest, word))
        return false;
    *ret_options = str_sub(rest, word.len, rest.len);
    return ret_options->len == 0 || ret_options->ptr[0] == ' ' || ret_options->ptr[0] == '\t';
}

static bool says_no_transaction(Str options)
{
    while (options.len > 0) {
        Str word;
        options = str_cut(str_trim(options), ' ', &word);
        if (str_eq(str_trim(word), STR("transaction:false")))
            return true;
    }
    return false;
}

static bool refuse(const char *path, uint32_t line, const char *what, const char *hint, Error *err)
{
    error_set(err, ERROR_PARSE, "%s: %s", path, what);
    error_code(err, "bad-annotation");
    error_at(err, str_from(path), line, 1);
    return error_hint(err, "%s", hint);
}

static bool read_sections(const ConventionContext *ctx, Arena *arena, const char *path, Str text,
                          Sections *ret_sections, Error *err)
{
    (void)ctx;
    Sections sections = {0};
    SqlRangeVec *open = NULL;
    Line line = {0};
    size_t from = 0;
    while (line_next(text, &line)) {
        Str options = {0};
        bool is_up = is_marker(line.text, STR("migrate:up"), &options);
        bool is_down = !is_up && is_marker(line.text, STR("migrate:down"), &options);
        if (!is_up && !is_down) {
            Str trimmed = str_trim(line.text);
            if (!open && trimmed.len > 0 && !str_starts(trimmed, STR("--")))
                return refuse(path, line.number, "text before `-- migrate:up`",
                              "dbmate runs nothing of what stands there: move it behind the "
                              "marker.",
                              err);
            continue;
        }
        if (open && !vec_push(arena, open, (SqlRange){from, line.from}))
            return error_nomem(err);
        if (is_down && !open)
            return refuse(path, line.number, "`-- migrate:down` before `-- migrate:up`",
                          "The up comes first.", err);
        open = is_up ? &sections.up : &sections.down;
        from = line.to;
        sections.has_down = sections.has_down || is_down;
        if (says_no_transaction(options))
            *(is_up ? &sections.no_transaction_up : &sections.no_transaction_down) = true;
    }
    if (!open)
        return refuse(path, 1, "there is no `-- migrate:up`",
                      "Write it before the first statement.", err);
    if (!vec_push(arena, open, (SqlRange){from, text.len}))
        return error_nomem(err);
    *ret_sections = sections;
    return true;
}

static bool scan(const ConventionContext *ctx, Arena *arena, MigrationSet *ret_set, Error *err)
{
    MigrationSet set = {.script_options = peer_script_options(ctx)};
    PeerFileVec files = {0};
    StrVec versions = {0};
    if (!peer_files(ctx, arena, PEER_FLAT, &files, err))
        return false;
    for (size_t i = 0; i < files.len; i++) {
        const PeerFile *file = &files.items[i];
        Str version = peer_digits(file->name);
        Migration *migration;
        if (version.len == 0 || !str_ends(file->name, STR(".sql"))) {
            if (!vec_push(arena, &set.ignored, str_from(file->path)))
                return error_nomem(err);
            continue;
        }
        Str rest = str_sub(file->name, version.len, file->name.len - 4);
        if (str_starts(rest, STR("_")))
            rest = str_sub(rest, 1, rest.len);
        if (!peer_add(arena, &set, version, rest, &migration, err) ||
            !sections_scripts(ctx, arena, file->path, read_sections, &migration->up,
                              &migration->down, err))
            return false;
        if (!vec_push(arena, &versions, version))
            return error_nomem(err);
    }
    if (!version_order_list(arena, &versions, &set.versions, err) ||
        !migration_set_finish(&set, err))
        return false;
    *ret_set = set;
    return true;
}

/* ---- history -------------------------------------------------------------------------------------------- */

typedef struct Reader {
    Arena *arena;
    History *history;
} Reader;

static bool take_row(void *ctx, const DbValue *cols, bool *ret_is_good, const char **ret_what,
                     Error *err)
{
    Reader *reader = ctx;
    Str version;
    *ret_is_good = !cols[0].is_null;
    *ret_what = "a row has no version";
    if (!*ret_is_good)
        return true;
    if (!str_copy(reader->arena, cols[0].text, &version))
        return error_nomem(err);
    HistoryRow row = peer_row(version, (Str){0}, (int64_t)reader->history->rows.len + 1);
    return vec_push(reader->arena, &reader->history->rows, row) || error_nomem(err);
}

static bool history_read(const ConventionContext *ctx, Db *db, Arena *arena, History *ret_history,
                         Error *err)
{
    static const VersionOrder text_order = {.kind = VERSIONS_TEXT};
    History history = {.versions = ctx->set ? &ctx->set->versions : &text_order};
    Reader reader = {arena, &history};
    PeerTable table = {.columns = "version",
                       .order = "version",
                       .column_count = 1,
                       .row = take_row,
                       .ctx = &reader};
    if (!table_name_read(ctx, arena, false, &table.name, err) ||
        !peer_table_read(ctx, db, arena, &table, &history.exists, err) ||
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
    if (!table_name_read(ctx, arena, false, &name, err))
        return false;
    peer_begin(&sql, ctx, &name, "CREATE TABLE IF NOT EXISTS ");
    strbuf_adds(&sql, ctx->dialect == SQL_POSTGRES ? " (version varchar primary key)"
                                                   : " (version varchar(128) primary key)");
    return statement_push(arena, &sql, out, err);
}

static bool history_write(const ConventionContext *ctx, const Db *db, Arena *arena,
                          const HistoryWrite *write, DbStatementVec *out, Error *err)
{
    (void)db;
    TableName name;
    StrBuf where = strbuf(arena), value = strbuf(arena);
    Str where_text, value_text;
    if (write->kind == WRITE_RUN_BEGIN || write->kind == WRITE_RUN_END)
        return true;
    sql_add_literal(&value, ctx->dialect, peer_version(write));
    strbuf_adds(&where, "version = ");
    sql_add_literal(&where, ctx->dialect, peer_version(write));
    if (!strbuf_finish(&where, &where_text) || !strbuf_finish(&value, &value_text))
        return error_nomem(err);
    return table_name_read(ctx, arena, false, &name, err) &&
           peer_write_row(ctx, &name, arena, write, where_text, STR("version"), value_text, out,
                          err);
}

/* ---- recognition, new files ------------------------------------------------------------------------------ */

static bool takes(const ConventionContext *ctx, const PeerFile *file, Str text)
{
    (void)ctx;
    Line line = {0};
    Str options;
    if (peer_digits(file->name).len == 0)
        return false;
    while (line_next(text, &line)) {
        if (is_marker(line.text, STR("migrate:up"), &options))
            return true;
    }
    return false;
}

static bool recognise(const ConventionContext *ctx, Db *db, Arena *arena,
                      ConventionGuess *ret_guess, Error *err)
{
    static const PeerSigns signs = {
        .columns = "version", .has_only_these = true, .takes = takes, .reads = true};
    return peer_recognise(ctx, db, arena, &signs, ret_guess, err);
}

static bool new_paths(const ConventionContext *ctx, Arena *arena, const MigrationSet *set, Str name,
                      unsigned new_kind, bool is_numbered, Timestamp now, StrVec *ret_paths,
                      Error *err)
{
    Str slug;
    StrVec paths = {0};
    if (new_kind == NEW_REPEATABLE || new_kind == NEW_FOLDER)
        return peer_lacks(
            ctx->convention,
            new_kind == NEW_FOLDER ? "migrations in folders" : "repeatable migrations", err);
    if (!peer_slug(arena, name, &slug, err))
        return false;
    const char *version = peer_next_version(arena, set, is_numbered, 4, now);
    const char *path = version ? str_format(arena, "%s_%.*s.sql", version, STR_ARG(slug)) : NULL;
    if (!path || !vec_push(arena, &paths, str_from(path)))
        return error_nomem(err);
    *ret_paths = paths;
    return true;
}

static bool new_text(const ConventionContext *ctx, Arena *arena, const StrVec *paths, size_t index,
                     Str text, Str *ret_text, Error *err)
{
    (void)ctx;
    (void)paths;
    (void)index;
    StrBuf out = strbuf(arena);
    strbuf_adds(&out, "-- migrate:up\n");
    strbuf_add(&out, text);
    strbuf_adds(&out, "\n-- migrate:down\n\n");
    return strbuf_finish(&out, ret_text) || error_nomem(err);
}

const Convention convention_dbmate = {
    .version = 1,
    .name = "dbmate",
    .title = "dbmate",
    .summary = "dbmate: 20240101000000_name.sql with -- migrate:up and down, table "
               "schema_migrations",
    .default_table = "schema_migrations",
    .features = CONVENTION_DOWN | CONVENTION_BASELINE | CONVENTION_DIRECTIVES |
                CONVENTION_OUT_OF_ORDER | CONVENTION_EMPTY,
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
};

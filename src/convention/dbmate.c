/* dbmate: both directions in one file behind `-- migrate:up` and `-- migrate:down`, a version a row in schema_migrations.
 *
 * Versions are texts to dbmate: "0001" is not "1", and files run in the order of their names' bytes. Several blocks of one direction run
 * one behind the other, as one migration with one row. SPDX-License-Identifier: Apache-2.0 */
#include "convention/draft.h"

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
                return peer_bad_line(path, line.number, "text before `-- migrate:up`",
                                     "dbmate runs nothing of what stands there: move it behind the "
                                     "marker.",
                                     err);
            continue;
        }
        if (open && !vec_push(arena, open, (SqlRange){from, line.from}))
            return error_nomem(err);
        if (is_down && !open)
            return peer_bad_line(path, line.number, "`-- migrate:down` before `-- migrate:up`",
                                 "The up comes first.", err);
        open = is_up ? &sections.up : &sections.down;
        from = line.to;
        sections.has_down = sections.has_down || is_down;
        if (says_no_transaction(options))
            *(is_up ? &sections.no_transaction_up : &sections.no_transaction_down) = true;
    }
    if (!open)
        return peer_bad_line(path, 1, "there is no `-- migrate:up`",
                             "Write it before the first statement.", err);
    if (!vec_push(arena, open, (SqlRange){from, text.len}))
        return error_nomem(err);
    *ret_sections = sections;
    return true;
}

static bool add_file(const ConventionContext *ctx, Arena *arena, const PeerFile *file,
                     MigrationSet *set, Error *err)
{
    Str version = peer_digits(file->name);
    Migration *migration;
    if (version.len == 0 || !str_ends(file->name, STR(".sql")))
        return peer_ignore(arena, set, file->path, err);
    Str rest = str_sub(file->name, version.len, file->name.len - 4);
    if (str_starts(rest, STR("_")))
        rest = str_sub(rest, 1, rest.len);
    return peer_add(arena, set, version, rest, &migration, err) &&
           sections_scripts(ctx, arena, file->path, read_sections, &migration->up, &migration->down,
                            err);
}

static bool scan(const ConventionContext *ctx, Arena *arena, MigrationSet *ret_set, Error *err)
{
    return peer_add_files(ctx, arena, PEER_FLAT, add_file, ret_set, err) &&
           peer_order_as_added(arena, ret_set, err) && migration_set_finish(ret_set, err);
}

/* ---- history -------------------------------------------------------------------------------------------- */

static bool take_row(void *ctx, const DbValue *cols, bool *ret_is_good, const char **ret_what,
                     Error *err)
{
    *ret_is_good = !cols[0].is_null;
    *ret_what = "a row has no version";
    return !*ret_is_good || peer_push_row(ctx, cols[0].text, (Str){0}, NULL, err);
}

static bool history_read(const ConventionContext *ctx, Db *db, Arena *arena, History *ret_history,
                         Error *err)
{
    static const VersionOrder text_order = {.kind = VERSIONS_TEXT};
    static const PeerTable table = {
        .columns = "version", .order = "version", .column_count = 1, .row = take_row};
    return peer_history_read(ctx, db, arena, &table, ctx->set ? &ctx->set->versions : &text_order,
                             ret_history, err);
}

static bool history_prepare(const ConventionContext *ctx, Db *db, Arena *arena,
                            const History *history, DbStatementVec *out, Error *err)
{
    (void)db;
    return peer_create_table(ctx, arena, history,
                             ctx->dialect == SQL_POSTGRES ? "(version varchar primary key)"
                                                          : "(version varchar(128) primary key)",
                             out, err);
}

static bool history_write(const ConventionContext *ctx, const Db *db, Arena *arena,
                          const HistoryWrite *write, DbStatementVec *out, Error *err)
{
    (void)db;
    TableName name;
    StrBuf value = strbuf(arena);
    Str where, value_text;
    if (write->kind == WRITE_RUN_BEGIN || write->kind == WRITE_RUN_END)
        return true;
    sql_add_literal(&value, ctx->dialect, peer_version(write));
    if (!strbuf_finish(&value, &value_text))
        return error_nomem(err);
    return table_name_read(ctx, arena, &name, err) &&
           peer_where_text(ctx, arena, "version", peer_version(write), &where, err) &&
           peer_write_row(ctx, &name, arena, write, where, STR("version"), value_text, out, err);
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

/* dbmate has no file for its settings: its variables, and db/migrations where they say nothing. */
static bool configure(ConventionContext *ctx, Arena *arena, Error *err)
{
    static const char *const usual[] = {"db/migrations", NULL};
    return peer_take_variables(ctx, arena, STR("DBMATE_MIGRATIONS_DIR"),
                               STR("DBMATE_MIGRATIONS_TABLE"), err) &&
           peer_take_usual_folder(ctx, arena, usual, err);
}

static bool recognise(const ConventionContext *given, Db *db, Arena *arena,
                      ConventionGuess *ret_guess, Error *err)
{
    static const PeerSigns signs = {
        .columns = "version", .has_only_these = true, .takes = takes, .reads = true};
    ConventionContext ctx = *given;
    return configure(&ctx, arena, err) && peer_recognise(&ctx, db, arena, &signs, ret_guess, err);
}

static bool new_paths(const ConventionContext *ctx, Arena *arena, const MigrationSet *set, Str name,
                      unsigned new_kind, bool is_numbered, Timestamp now, StrVec *ret_paths,
                      Error *err)
{
    Str stem;
    return peer_new_stem(ctx, arena, set, name, new_kind, is_numbered, 4, now, &stem, err) &&
           peer_new_files(arena, stem, ".sql", NULL, ret_paths, err);
}

static bool new_text(const ConventionContext *ctx, Arena *arena, const StrVec *paths, size_t index,
                     Str text, Str *ret_text, Error *err)
{
    (void)ctx;
    (void)paths;
    (void)index;
    return peer_new_sections(arena, "-- migrate:up\n", text, "\n-- migrate:down\n\n", ret_text,
                             err);
}

static bool draft_files(const ConventionContext *ctx, Arena *arena, const DraftVec *drafts,
                        TreeFileVec *ret_files, Error *err)
{
    static const DraftMarkers markers = {
        .up = "-- migrate:up", .down = "-- migrate:down", .alone = " transaction:false"};
    for (size_t i = 0; i < drafts->len; i++) {
        const Draft *draft = &drafts->items[i];
        const char *path =
            str_format(arena, "%.*s_%.*s.sql", STR_ARG(draft->version), STR_ARG(draft->name));
        if (!draft_sections(ctx, arena, ret_files, path, draft, &markers, err))
            return false;
    }
    return true;
}

static const char *const annotations[] = {"migrate:", NULL};

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
    .configure = configure,
    .draft_files = draft_files,
    .annotations = annotations,
};

/* sql-migrate (rubenv/sql-migrate): both directions in one file behind `-- +migrate Up` and `-- +migrate Down`, a row a file in
 * gorp_migrations.
 *
 * A migration is known by its whole file name. Names that begin with a number run first, by that number, the others behind them by their
 * bytes; what comes late runs all the same. Its configuration is sql_migrate_conf.c. SPDX-License-Identifier: Apache-2.0 */
#include "convention/sql_migrate.h"
#include "convention/draft.h"

#include <stdlib.h>
#include <string.h>

/* ---- sections ------------------------------------------------------------------------------------------- */

static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

/* What sql-migrate takes for the end of a statement: the last word before a comment ends in ';'. */
static bool ends_statement(Str line)
{
    Str last = {0};
    while (line.len > 0) {
        Str word;
        line = str_trim(line);
        size_t len = 0;
        while (len < line.len && !is_space(line.ptr[len]))
            len++;
        word = str_sub(line, 0, len);
        line = str_sub(line, len, line.len);
        if (str_starts(word, STR("--")))
            break;
        last = word;
    }
    return str_ends(last, STR(";"));
}

/* The command behind `-- +migrate `, and what follows it. False: the line is none. */
static bool read_command(Str line, Str *ret_command, Str *ret_options)
{
    static const Str prefix = {"-- +migrate ", 12};
    if (!str_starts(line, prefix))
        return false;
    Str rest = str_trim(str_sub(line, prefix.len, line.len));
    size_t len = 0;
    while (len < rest.len && rest.ptr[len] != ' ' && rest.ptr[len] != '\t')
        len++;
    *ret_command = str_sub(rest, 0, len);
    *ret_options = str_sub(rest, len, rest.len);
    return true;
}

static bool has_option(Str options, Str option)
{
    while (options.len > 0) {
        Str word;
        options = str_cut(str_trim(options), ' ', &word);
        if (str_eq(str_trim(word), option))
            return true;
    }
    return false;
}

typedef struct Reading {
    const char *path;
    Sections sections;
    SqlRangeVec *open; /* the direction that is being read; NULL: none yet */
    size_t from;       /* of its section */
    uint32_t unended;  /* line of a statement that has not ended yet; 0: none */
    bool is_in_block;
    size_t block_from;
    uint32_t block_line;
} Reading;

static bool unended(const Reading *reading, Error *err)
{
    return peer_bad_line(reading->path, reading->unended, "a statement without an end",
                         "sql-migrate wants a ';' at the end of a line, or `-- +migrate "
                         "StatementBegin` and `StatementEnd` around it.",
                         err);
}

static bool begin_section(Reading *reading, Arena *arena, const Line *line, bool is_up, Str options,
                          Error *err)
{
    Sections *sections = &reading->sections;
    if (reading->unended > 0)
        return unended(reading, err);
    if (reading->is_in_block)
        return peer_bad_line(reading->path, line->number, "a section within a statement",
                             "End the block before with `-- +migrate StatementEnd`.", err);
    if (reading->open && !vec_push(arena, reading->open, (SqlRange){reading->from, line->from}))
        return error_nomem(err);
    reading->open = is_up ? &sections->up : &sections->down;
    reading->from = line->to;
    sections->has_down = sections->has_down || !is_up;
    if (has_option(options, STR("notransaction")))
        *(is_up ? &sections->no_transaction_up : &sections->no_transaction_down) = true;
    return true;
}

static bool take_command(Reading *reading, Arena *arena, const Line *line, Str command, Str options,
                         Error *err)
{
    if (command.len == 0)
        return peer_bad_line(reading->path, line->number, "an annotation without a word",
                             "Known are Up, Down, StatementBegin and StatementEnd.", err);
    if (str_eq(command, STR("Up")) || str_eq(command, STR("Down")))
        return begin_section(reading, arena, line, str_eq(command, STR("Up")), options, err);
    if (str_eq(command, STR("StatementBegin")) && reading->open && !reading->is_in_block) {
        reading->is_in_block = true;
        reading->block_from = line->to;
        reading->block_line = line->number;
    }
    if (str_eq(command, STR("StatementEnd")) && reading->is_in_block) {
        reading->is_in_block = false;
        reading->unended = 0;
        if (!vec_push(arena, &reading->sections.whole, (SqlRange){reading->block_from, line->from}))
            return error_nomem(err);
    }
    return true;
}

/* The tool passes over lines that begin with "-- ", and over words behind `-- +migrate` that it does not know. */
static bool read_sections(const ConventionContext *ctx, Arena *arena, const char *path, Str text,
                          Sections *ret_sections, Error *err)
{
    (void)ctx;
    Reading reading = {.path = path};
    Line line = {0};
    /* The tool misses the annotation behind it, and records a migration of which nothing ran. */
    if (str_starts(text, STR("\xEF\xBB\xBF-- +migrate")))
        return peer_bad_line(path, 1, "a byte order mark before `-- +migrate`",
                             "Save the file without it: sql-migrate does not see the line.", err);
    while (line_next(text, &line)) {
        Str command, options;
        if (read_command(line.text, &command, &options)) {
            if (!take_command(&reading, arena, &line, command, options, err))
                return false;
        } else if (reading.open && !str_starts(line.text, STR("-- "))) {
            if (reading.unended == 0 && str_trim(line.text).len > 0)
                reading.unended = line.number;
            if (!reading.is_in_block && ends_statement(line.text))
                reading.unended = 0;
        }
    }
    if (reading.is_in_block)
        return peer_bad_line(path, reading.block_line, "StatementBegin without StatementEnd",
                             "End the block with `-- +migrate StatementEnd`.", err);
    if (!reading.open)
        return peer_bad_line(path, 1, "there is no `-- +migrate Up`",
                             "Write it before the first statement, at the beginning of a line.",
                             err);
    if (reading.unended > 0)
        return unended(&reading, err);
    if (!vec_push(arena, reading.open, (SqlRange){reading.from, text.len}))
        return error_nomem(err);
    *ret_sections = reading.sections;
    return true;
}

/* ---- files ---------------------------------------------------------------------------------------------- */

static bool add_file(const ConventionContext *ctx, Arena *arena, const PeerFile *file,
                     MigrationSet *set, Error *err)
{
    uint64_t number = 0;
    Str digits = peer_digits(file->name);
    Migration *migration;
    if (!str_ends(file->name, STR(".sql")))
        return peer_ignore(arena, set, file->path, err);
    if (digits.len > 0 && (!str_to_u64(digits, &number) || number > INT64_MAX))
        return peer_bad_file(file->path, "bad-name",
                             "would stop sql-migrate: its number is too large",
                             "Its numbers have 64 bits: rename the file.", err);
    return peer_add(arena, set, file->name, (Str){0}, &migration, err) &&
           sections_scripts(ctx, arena, file->path, read_sections, &migration->up, &migration->down,
                            err);
}

/* Names with a number come first, by that number; else by their bytes. */
static int compare_ids(Str one, Str two)
{
    uint64_t a = 0, b = 0;
    bool has_a = str_to_u64(peer_digits(one), &a), has_b = str_to_u64(peer_digits(two), &b);
    if (has_a && has_b && a != b)
        return a < b ? -1 : 1;
    return has_a != has_b ? (has_a ? -1 : 1) : str_cmp(one, two);
}

static int by_id(const void *a, const void *b)
{
    const Migration *one = a, *two = b;
    return compare_ids(one->version, two->version);
}

static bool scan(const ConventionContext *ctx, Arena *arena, MigrationSet *ret_set, Error *err)
{
    if (!peer_add_files(ctx, arena, PEER_FLAT, add_file, ret_set, err))
        return false;
    if (ret_set->migrations.len > 0)
        qsort(ret_set->migrations.items, ret_set->migrations.len, sizeof *ret_set->migrations.items,
              by_id);
    return peer_order_as_added(arena, ret_set, err) && migration_set_finish(ret_set, err);
}

/* ---- history -------------------------------------------------------------------------------------------- */

static bool take_row(void *ctx, const DbValue *cols, bool *ret_is_good, const char **ret_what,
                     Error *err)
{
    PeerReader *reader = ctx;
    const SqlMigrateSettings *settings = reader->ctx->own;
    HistoryRow *row;
    if (!peer_push_timed_row(reader, cols, "a row has no id", ret_is_good, ret_what, &row, err))
        return false;
    if (row)
        row->is_tolerated = settings && settings->ignores_unknown;
    return true;
}

static bool history_read(const ConventionContext *ctx, Db *db, Arena *arena, History *ret_history,
                         Error *err)
{
    static const VersionOrder text_order = {.kind = VERSIONS_TEXT};
    PeerTable table = {.order = "applied_at, id", .column_count = 2, .row = take_row};
    /* The Go driver of MySQL writes times in UTC. */
    const char *time = peer_instant(ctx->dialect, arena, "applied_at", true);
    table.columns = time ? str_format(arena, "id, %s", time) : NULL;
    if (!table.columns)
        return error_nomem(err);
    return peer_history_read(ctx, db, arena, &table, ctx->set ? &ctx->set->versions : &text_order,
                             ret_history, err);
}

static const char *table_columns(SqlDialect dialect)
{
    switch (dialect) {
    case SQL_POSTGRES:
        return "(id text not null primary key, applied_at timestamp with time zone)";
    case SQL_MYSQL:
        return "(id varchar(255) not null primary key, applied_at datetime) engine=InnoDB "
               "charset=UTF8";
    case SQL_SQLITE:
        break;
    }
    return "(id varchar(255) not null primary key, applied_at datetime)";
}

static bool history_prepare(const ConventionContext *ctx, Db *db, Arena *arena,
                            const History *history, DbStatementVec *out, Error *err)
{
    (void)db;
    return peer_create_table(ctx, arena, history, table_columns(ctx->dialect), out, err);
}

/* As sql-migrate's drivers write the time of their own clock. */
static const char *applied_at(SqlDialect dialect, Arena *arena, const HistoryWrite *write)
{
    char buf[TIMESTAMP_TEXT];
    if (peer_finished_at(write) != TIMESTAMP_UNKNOWN)
        return str_format(arena, dialect == SQL_MYSQL ? "'%s'" : "'%s+00:00'",
                          timestamp_sql(peer_finished_at(write), buf));
    switch (dialect) {
    case SQL_POSTGRES:
        return "now()";
    case SQL_MYSQL:
        return "UTC_TIMESTAMP()";
    case SQL_SQLITE:
        break;
    }
    return "strftime('%Y-%m-%d %H:%M:%f+00:00', 'now')";
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
    const char *time = applied_at(ctx->dialect, arena, write);
    if (!time)
        return error_nomem(err);
    sql_add_literal(&values, ctx->dialect, peer_version(write));
    strbuf_adds(&values, ", ");
    strbuf_adds(&values, time);
    if (!strbuf_finish(&values, &values_text))
        return error_nomem(err);
    return table_name_read(ctx, arena, &name, err) &&
           peer_where_text(ctx, arena, "id", peer_version(write), &where, err) &&
           peer_write_row(ctx, &name, arena, write, where, STR("id, applied_at"), values_text, out,
                          err);
}

/* ---- recognition, new files ------------------------------------------------------------------------------ */

static bool takes(const ConventionContext *ctx, const PeerFile *file, Str text)
{
    (void)ctx;
    (void)file;
    Line line = {0};
    Str command, options;
    while (line_next(text, &line)) {
        if (read_command(line.text, &command, &options) && str_eq(command, STR("Up")))
            return true;
    }
    return false;
}

static bool recognise(const ConventionContext *given, Db *db, Arena *arena,
                      ConventionGuess *ret_guess, Error *err)
{
    static const char *const configurations[] = {"dbconfig.yml", NULL};
    static const PeerSigns signs = {.configurations = configurations,
                                    .columns = "id, applied_at",
                                    .has_only_these = true,
                                    .takes = takes,
                                    .reads = true};
    ConventionContext ctx = *given;
    return sql_migrate_configure(&ctx, arena, err) &&
           peer_recognise(&ctx, db, arena, &signs, ret_guess, err);
}

/* `sql-migrate new` writes 20240101000000-name.sql. */
static bool new_paths(const ConventionContext *ctx, Arena *arena, const MigrationSet *set, Str name,
                      unsigned new_kind, bool is_numbered, Timestamp now, StrVec *ret_paths,
                      Error *err)
{
    char buf[TIMESTAMP_TEXT];
    uint64_t number = 0, highest = 0, time = 0;
    int width = 3;
    Str slug;
    if (new_kind == NEW_REPEATABLE || new_kind == NEW_FOLDER)
        return peer_lacks_kind(ctx->convention, new_kind, err);
    if (!peer_slug(arena, name, &slug, err))
        return false;
    for (size_t i = 0; i < set->migrations.len; i++) {
        Str digits = peer_digits(set->migrations.items[i].version);
        if (!str_to_u64(digits, &number) || number < highest)
            continue;
        highest = number;
        width = (int)digits.len;
    }
    if (!is_numbered) {
        /* Two files of one second need numbers that sort. */
        while (str_to_u64(str_from(timestamp_compact(now, buf)), &time) && time == highest)
            now += 1000000;
    }
    const char *stem =
        is_numbered ? str_format(arena, "%0*llu-%.*s", width, (unsigned long long)highest + 1,
                                 STR_ARG(slug))
                    : str_format(arena, "%s-%.*s", timestamp_compact(now, buf), STR_ARG(slug));
    if (!stem)
        return error_nomem(err);
    return peer_new_files(arena, str_from(stem), ".sql", NULL, ret_paths, err);
}

/* sql-migrate takes "--" for a comment only with a blank behind it; without one it would miss a ';'. */
static bool new_text(const ConventionContext *ctx, Arena *arena, const StrVec *paths, size_t index,
                     Str text, Str *ret_text, Error *err)
{
    (void)ctx;
    (void)paths;
    (void)index;
    StrBuf out = strbuf(arena);
    Line line = {0};
    Str commented;
    while (line_next(text, &line)) {
        bool is_bare = str_starts(line.text, STR("--")) && !str_starts(line.text, STR("-- "));
        strbuf_adds(&out, is_bare ? "-- " : "");
        strbuf_add(&out, str_sub(text, line.from + (is_bare ? 2 : 0), line.to));
    }
    if (!strbuf_finish(&out, &commented))
        return error_nomem(err);
    return peer_new_sections(arena, "-- +migrate Up\n", commented, "\n-- +migrate Down\n", ret_text,
                             err);
}

static bool draft_files(const ConventionContext *ctx, Arena *arena, const DraftVec *drafts,
                        TreeFileVec *ret_files, Error *err)
{
    static const DraftMarkers markers = {.up = "-- +migrate Up",
                                         .down = "-- +migrate Down",
                                         .alone = " notransaction",
                                         .block_begin = "-- +migrate StatementBegin",
                                         .block_end = "-- +migrate StatementEnd"};
    for (size_t i = 0; i < drafts->len; i++) {
        const Draft *draft = &drafts->items[i];
        const char *path =
            str_ends(draft->version, STR(".sql"))
                ? str_z(arena, draft->version)
                : str_format(arena, "%.*s-%.*s.sql", STR_ARG(draft->version), STR_ARG(draft->name));
        if (!draft_sections(ctx, arena, ret_files, path, draft, &markers, err))
            return false;
    }
    return true;
}

static const char *const annotations[] = {"+migrate", NULL};

const Convention convention_sql_migrate = {
    .version = 1,
    .name = "sql-migrate",
    .title = "sql-migrate",
    .summary = "sql-migrate of Go: 20240101000000-name.sql with -- +migrate Up and Down, table "
               "gorp_migrations",
    .default_table = "gorp_migrations",
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
    .draft_files = draft_files,
    .annotations = annotations,
    .configure = sql_migrate_configure,
};

/* goose (pressly/goose): both directions in one file between annotations, a row a version in goose_db_version.
 *
 * The annotations are read exactly as goose reads them. What stands outside of StatementBegin and StatementEnd is split by SQL's own
 * rules and not at the ends of lines: a body in dollar quotes, which goose would cut in two, is one statement here.
 * SPDX-License-Identifier: Apache-2.0 */
#include "convention/draft.h"

#include <string.h>

/* ---- ENVSUB --------------------------------------------------------------------------------------------- */

static bool is_name_char(char c, bool is_first)
{
    return c == '_' || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (!is_first && c >= '0' && c <= '9');
}

static bool bad_variable(const char *path, const Line *line, Str name, const char *what, Error *err)
{
    error_set(err, ERROR_PARSE, "%s: ${%.*s}: %s", path, STR_ARG(name), what);
    error_code(err, "bad-annotation");
    error_at(err, str_from(path), line->number, 1);
    return error_hint(err, "ENVSUB knows $NAME, ${NAME}, ${NAME:-default}, ${NAME-default} and "
                           "${NAME?message}.");
}

/* What stands between the braces: a name, and what to do without a value. */
static bool add_braced(const ConventionContext *ctx, const char *path, const Line *line, Str inner,
                       StrBuf *out, Error *err)
{
    size_t len = 0;
    while (len < inner.len && is_name_char(inner.ptr[len], len == 0))
        len++;
    Str name = str_sub(inner, 0, len), rest = str_sub(inner, len, inner.len), value = {0};
    bool has = peer_variable(ctx, name, &value);
    if (len == 0)
        return bad_variable(path, line, inner, "not a variable's name", err);
    if (rest.len == 0) {
        strbuf_add(out, value);
    } else if (str_starts(rest, STR(":-"))) {
        strbuf_add(out, has && value.len > 0 ? value : str_sub(rest, 2, rest.len));
    } else if (rest.ptr[0] == '-') {
        strbuf_add(out, has ? value : str_sub(rest, 1, rest.len));
    } else if (rest.ptr[0] == '?') {
        if (!has)
            return bad_variable(path, line, name, "it is not set", err);
        strbuf_add(out, value);
    } else {
        return bad_variable(path, line, inner, "not a form of a variable", err);
    }
    return true;
}

/* One line, as a shell would fill it in. */
static bool add_substituted(const ConventionContext *ctx, const char *path, const Line *line,
                            Str text, StrBuf *out, Error *err)
{
    for (size_t i = 0; i < text.len;) {
        size_t end = i + 1;
        if (text.ptr[i] != '$' || end >= text.len ||
            (text.ptr[end] != '{' && !is_name_char(text.ptr[end], true))) {
            strbuf_add_char(out, text.ptr[i++]);
            continue;
        }
        if (text.ptr[end] == '{') {
            size_t close = str_find_char(text, '}', end);
            if (close == SIZE_MAX)
                return bad_variable(path, line, str_sub(text, i, text.len), "no closing brace",
                                    err);
            if (!add_braced(ctx, path, line, str_sub(text, end + 1, close), out, err))
                return false;
            i = close + 1;
            continue;
        }
        Str value = {0};
        while (end < text.len && is_name_char(text.ptr[end], false))
            end++;
        (void)peer_variable(ctx, str_sub(text, i + 1, end), &value);
        strbuf_add(out, value);
        i = end;
    }
    return true;
}

/* ---- annotations ---------------------------------------------------------------------------------------- */

typedef enum Annotation {
    ANNOTATION_NONE,
    ANNOTATION_UP,
    ANNOTATION_DOWN,
    ANNOTATION_BEGIN,
    ANNOTATION_END,
    ANNOTATION_NO_TRANSACTION,
    ANNOTATION_ENVSUB_ON,
    ANNOTATION_ENVSUB_OFF,
    ANNOTATION_BAD,
} Annotation;

enum { LONGEST_ANNOTATION = 64 };

/* Trimmed, a line that begins with "--" and has "+goose". */
static Annotation annotation_of(Str line)
{
    static const struct {
        Str text;
        Annotation annotation;
    } known[] = {
        {{"Up", 2}, ANNOTATION_UP},
        {{"Down", 4}, ANNOTATION_DOWN},
        {{"StatementBegin", 14}, ANNOTATION_BEGIN},
        {{"StatementEnd", 12}, ANNOTATION_END},
        {{"NO TRANSACTION", 14}, ANNOTATION_NO_TRANSACTION},
        {{"ENVSUB ON", 9}, ANNOTATION_ENVSUB_ON},
        {{"ENVSUB OFF", 10}, ANNOTATION_ENVSUB_OFF},
    };
    Str trimmed = str_trim(line);
    size_t at = str_find(trimmed, STR("+goose"), 0);
    if (!str_starts(trimmed, STR("--")) || at == SIZE_MAX)
        return ANNOTATION_NONE;
    /* goose takes out every "--" and the first "+goose", and looks at what is left. */
    char rest[LONGEST_ANNOTATION];
    size_t len = 0;
    for (size_t i = 0; i < trimmed.len;) {
        if (i == at) {
            i += 6;
        } else if (i + 1 < trimmed.len && trimmed.ptr[i] == '-' && trimmed.ptr[i + 1] == '-') {
            i += 2;
        } else {
            if (len == sizeof rest)
                return ANNOTATION_BAD;
            rest[len++] = trimmed.ptr[i++];
        }
    }
    Str words = {rest, len};
    words = str_trim(words);
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (str_eq_nocase(words, known[i].text))
            return known[i].annotation;
    }
    return ANNOTATION_BAD;
}

typedef struct Reading {
    Sections *sections;
    bool has_up, has_down, is_in_block, substitutes;
    size_t block_from;
    size_t section_from;
} Reading;

static bool end_section(Reading *reading, Arena *arena, size_t to, Error *err)
{
    SqlRange range = {reading->section_from, to};
    if (!reading->has_up)
        return true;
    return vec_push(arena, reading->has_down ? &reading->sections->down : &reading->sections->up,
                    range) ||
           error_nomem(err);
}

static bool take_annotation(Reading *reading, Arena *arena, const char *path, const Line *line,
                            Annotation annotation, Error *err)
{
    switch (annotation) {
    case ANNOTATION_UP:
        if (reading->has_up)
            return peer_bad_line(path, line->number, "a second `-- +goose Up`",
                                 "A file has one Up, and behind it at most one Down.", err);
        reading->has_up = true;
        reading->section_from = line->to;
        return true;
    case ANNOTATION_DOWN:
        if (!reading->has_up || reading->has_down || reading->is_in_block)
            return peer_bad_line(path, line->number,
                                 !reading->has_up    ? "`-- +goose Down` before Up"
                                 : reading->has_down ? "a second `-- +goose Down`"
                                                     : "`-- +goose Down` within a statement",
                                 "A file has one Up, and behind it at most one Down.", err);
        if (!end_section(reading, arena, line->from, err))
            return false;
        reading->has_down = true;
        reading->section_from = line->to;
        return true;
    case ANNOTATION_BEGIN:
        if (!reading->has_up || reading->is_in_block)
            return peer_bad_line(path, line->number,
                                 reading->is_in_block ? "StatementBegin within StatementBegin"
                                                      : "StatementBegin before Up",
                                 "End the block before with `-- +goose StatementEnd`.", err);
        reading->is_in_block = true;
        reading->block_from = line->to;
        return true;
    case ANNOTATION_END:
        if (!reading->is_in_block)
            return peer_bad_line(path, line->number, "StatementEnd without StatementBegin",
                                 "Write `-- +goose StatementBegin` where the statement begins.",
                                 err);
        reading->is_in_block = false;
        return vec_push(arena, &reading->sections->whole,
                        (SqlRange){reading->block_from, line->from}) ||
               error_nomem(err);
    case ANNOTATION_NO_TRANSACTION:
        reading->sections->no_transaction_up = reading->sections->no_transaction_down = true;
        return true;
    case ANNOTATION_ENVSUB_ON:
        reading->substitutes = true;
        return true;
    case ANNOTATION_ENVSUB_OFF:
        reading->substitutes = false;
        return true;
    case ANNOTATION_NONE:
    case ANNOTATION_BAD:
        break;
    }
    return peer_bad_line(
        path, line->number, "an annotation that goose does not know",
        "Known are Up, Down, StatementBegin, StatementEnd, NO TRANSACTION, ENVSUB ON and "
        "ENVSUB OFF.",
        err);
}

/* Everything that is no blank and no comment before Up is a mistake: goose would refuse it. */
static bool check_before_up(const char *path, const Line *line, Error *err)
{
    Str trimmed = str_trim(line->text);
    if (trimmed.len == 0 || str_starts(trimmed, STR("--")))
        return true;
    return peer_bad_line(path, line->number, "text before `-- +goose Up`",
                         "Begin the file with `-- +goose Up`: what is before it would never run.",
                         err);
}

static bool read_sections(const ConventionContext *ctx, Arena *arena, const char *path, Str text,
                          Sections *ret_sections, Error *err)
{
    Sections sections = {0};
    Reading reading = {.sections = &sections};
    StrBuf out = strbuf(arena);
    Line line = {0};
    while (line_next(text, &line)) {
        /* Places are those in the text that comes out. */
        Line placed = line;
        placed.from = out.len;
        Annotation annotation = annotation_of(line.text);
        Str whole = str_sub(text, line.from, line.to);
        if (annotation == ANNOTATION_NONE && reading.substitutes) {
            if (!add_substituted(ctx, path, &line, whole, &out, err))
                return false;
        } else {
            strbuf_add(&out, whole);
        }
        placed.to = out.len;
        if (annotation == ANNOTATION_NONE) {
            if (!reading.has_up && !check_before_up(path, &line, err))
                return false;
        } else if (!take_annotation(&reading, arena, path, &placed, annotation, err)) {
            return false;
        }
    }
    if (!reading.has_up || reading.is_in_block) {
        line.number = line.number > 0 ? line.number : 1;
        return peer_bad_line(path, line.number,
                             reading.has_up ? "StatementBegin without StatementEnd"
                                            : "there is no `-- +goose Up`",
                             reading.has_up ? "End the block with `-- +goose StatementEnd`."
                                            : "Write it before the first statement.",
                             err);
    }
    if (!strbuf_finish(&out, &sections.text))
        return error_nomem(err);
    sections.has_down = reading.has_down;
    if (!end_section(&reading, arena, sections.text.len, err))
        return false;
    *ret_sections = sections;
    return true;
}

/* ---- files ---------------------------------------------------------------------------------------------- */

/* The number before the first '_', at least 1. */
static bool read_name(Str name, uint64_t *ret_version, Str *ret_rest)
{
    Str digits = peer_digits(name);
    if (digits.len == 0 || digits.len >= name.len || name.ptr[digits.len] != '_' ||
        !str_to_u64(digits, ret_version) || *ret_version == 0 || *ret_version > INT64_MAX)
        return false;
    *ret_rest = str_sub(name, digits.len + 1, name.len);
    return true;
}

static bool add_file(const ConventionContext *ctx, Arena *arena, const PeerFile *file,
                     MigrationSet *set, Error *err)
{
    uint64_t number = 0;
    Str rest = {0};
    Migration *migration;
    bool is_go = str_ends(file->name, STR(".go"));
    bool has_form = read_name(file->name, &number, &rest);
    if ((!is_go && !str_ends(file->name, STR(".sql"))) || str_ends(file->name, STR("_test.go")) ||
        (is_go && !has_form))
        return peer_ignore(arena, set, file->path, err);
    if (!has_form)
        return peer_bad_file(file->path, "bad-name",
                             "would stop goose: its name must begin with a number and '_'",
                             "Rename it to something like 00001_name.sql, or move it out of the "
                             "folder.",
                             err);
    const char *version = str_format(arena, "%llu", (unsigned long long)number);
    if (!version)
        return error_nomem(err);
    rest.len -= is_go ? 3 : 4;
    if (!peer_add(arena, set, str_from(version), rest, &migration, err))
        return false;
    if (!is_go)
        return sections_scripts(ctx, arena, file->path, read_sections, &migration->up,
                                &migration->down, err);
    /* Migrations in Go have versions and rows like others; what they do is in the program that they are linked into. */
    if (!peer_script_refused(ctx, arena, file->path, "is a migration in Go",
                             "Run it with the goose program that it is built into; `whimbrel "
                             "stamp` records it as applied.",
                             &migration->up, err))
        return false;
    migration->down = migration->up;
    return true;
}

static bool scan(const ConventionContext *ctx, Arena *arena, MigrationSet *ret_set, Error *err)
{
    return peer_add_files(ctx, arena, PEER_FLAT, add_file, ret_set, err) &&
           migration_set_finish(ret_set, err);
}

/* ---- history -------------------------------------------------------------------------------------------- */

/* Rows come in the order of their ids. The newest of a version is what holds: old releases wrote one that says false for a down. */
static bool take_row(void *ctx, const DbValue *cols, bool *ret_is_good, const char **ret_what,
                     Error *err)
{
    PeerReader *reader = ctx;
    History *history = reader->history;
    int64_t number = 0, *highest = reader->own; /* seen so far: above it there are no twins */
    HistoryRow *row;
    *ret_is_good = db_value_i64(&cols[1], &number);
    *ret_what = "a row has no version";
    if (!*ret_is_good || number == 0) /* the first row of every history says 0 */
        return true;
    const char *version = str_format(reader->arena, "%lld", (long long)number);
    if (!version)
        return error_nomem(err);
    bool may_have_twin = number <= *highest;
    if (!may_have_twin)
        *highest = number;
    for (size_t i = may_have_twin ? history->rows.len : 0; i-- > 0;) {
        if (!str_eq(history->rows.items[i].version, str_from(version)))
            continue;
        memmove(history->rows.items + i, history->rows.items + i + 1,
                (history->rows.len - i - 1) * sizeof *history->rows.items);
        history->rows.len--;
        break;
    }
    if (!str_eq(cols[2].text, STR("1")))
        return true;
    if (!peer_push_row(reader, str_from(version), (Str){0}, &row, err))
        return false;
    row->finished_at = peer_instant_of(reader->ctx->dialect, &cols[3]);
    return true;
}

static bool history_read(const ConventionContext *ctx, Db *db, Arena *arena, History *ret_history,
                         Error *err)
{
    int64_t highest = 0;
    PeerTable table = {.order = "id", .column_count = 4, .row = take_row, .ctx = &highest};
    const char *time = peer_instant(ctx->dialect, arena, "tstamp", false);
    table.columns =
        time ? str_format(arena, "id, version_id, CASE WHEN is_applied THEN 1 ELSE 0 END, %s", time)
             : NULL;
    if (!table.columns)
        return error_nomem(err);
    return peer_history_read(ctx, db, arena, &table, NULL, ret_history, err);
}

static const char *table_columns(SqlDialect dialect)
{
    switch (dialect) {
    case SQL_POSTGRES:
        return "(id integer PRIMARY KEY GENERATED BY DEFAULT AS IDENTITY, version_id bigint NOT "
               "NULL, is_applied boolean NOT NULL, tstamp timestamp NOT NULL DEFAULT now())";
    case SQL_MYSQL:
        return "(id bigint(20) unsigned NOT NULL AUTO_INCREMENT, version_id bigint NOT NULL, "
               "is_applied boolean NOT NULL, tstamp datetime NULL default CURRENT_TIMESTAMP, "
               "PRIMARY "
               "KEY(id))";
    case SQL_SQLITE:
        break;
    }
    return "(id INTEGER PRIMARY KEY AUTOINCREMENT, version_id INTEGER NOT NULL, is_applied INTEGER "
           "NOT NULL, tstamp TIMESTAMP DEFAULT (datetime('now')))";
}

static bool history_prepare(const ConventionContext *ctx, Db *db, Arena *arena,
                            const History *history, DbStatementVec *out, Error *err)
{
    (void)db;
    TableName name;
    StrBuf first = strbuf(arena);
    if (history->exists)
        return true;
    if (!peer_create_table(ctx, arena, history, table_columns(ctx->dialect), out, err) ||
        !table_name_read(ctx, arena, &name, err))
        return false;
    /* goose refuses a table without its row of version 0. */
    peer_begin(&first, ctx, &name, "INSERT INTO ");
    strbuf_adds(&first, " (version_id, is_applied) VALUES (0, TRUE)");
    return statement_push(arena, &first, out, err);
}

static bool history_write(const ConventionContext *ctx, const Db *db, Arena *arena,
                          const HistoryWrite *write, DbStatementVec *out, Error *err)
{
    (void)db;
    TableName name;
    uint64_t number = 0;
    if (write->kind == WRITE_RUN_BEGIN || write->kind == WRITE_RUN_END)
        return true;
    Str version = peer_version(write);
    if (!str_to_u64(version, &number) || number == 0 || number > INT64_MAX) {
        error_set(err, ERROR_UNSUPPORTED, "goose cannot hold version %.*s", STR_ARG(version));
        error_code(err, "bad-version");
        return error_hint(err, "Its versions are whole numbers from 1 on: rename the migration.");
    }
    const char *where = str_format(arena, "version_id = %llu", (unsigned long long)number);
    StrBuf values = strbuf(arena);
    Str row;
    bool has_time = peer_finished_at(write) != TIMESTAMP_UNKNOWN;
    strbuf_addf(&values, "%llu, TRUE", (unsigned long long)number);
    if (has_time) {
        strbuf_adds(&values, ", ");
        peer_add_time(&values, ctx->dialect, peer_finished_at(write));
    }
    if (!where || !strbuf_finish(&values, &row))
        return error_nomem(err);
    return table_name_read(ctx, arena, &name, err) &&
           peer_write_row(
               ctx, &name, arena, write, str_from(where),
               str_from(has_time ? "version_id, is_applied, tstamp" : "version_id, is_applied"),
               row, out, err);
}

/* The key of goose's session locker, which programs that embed it use; its command line takes no lock. */
static bool lock_key(const ConventionContext *ctx, const Db *db, Arena *arena, DbLockKey *ret_key,
                     Error *err)
{
    if (!peer_own_lock(ctx, db, arena, ret_key, err))
        return false;
    ret_key->number = (int64_t)crc32_of(STR("goose"));
    return true;
}

/* ---- recognition, new files ------------------------------------------------------------------------------ */

static bool takes(const ConventionContext *ctx, const PeerFile *file, Str text)
{
    (void)ctx;
    uint64_t version;
    Str rest;
    Line line = {0};
    if (!read_name(file->name, &version, &rest))
        return false;
    while (line_next(text, &line)) {
        if (annotation_of(line.text) == ANNOTATION_UP)
            return true;
    }
    return false;
}

/* goose has no file for its settings, only its variables. */
static bool configure(ConventionContext *ctx, Arena *arena, Error *err)
{
    return peer_take_variables(ctx, arena, STR("GOOSE_MIGRATION_DIR"), STR("GOOSE_TABLE"), err);
}

static bool recognise(const ConventionContext *given, Db *db, Arena *arena,
                      ConventionGuess *ret_guess, Error *err)
{
    static const PeerSigns signs = {
        .columns = "version_id, is_applied, tstamp", .takes = takes, .reads = true};
    ConventionContext ctx = *given;
    return configure(&ctx, arena, err) && peer_recognise(&ctx, db, arena, &signs, ret_guess, err);
}

static bool new_paths(const ConventionContext *ctx, Arena *arena, const MigrationSet *set, Str name,
                      unsigned new_kind, bool is_numbered, Timestamp now, StrVec *ret_paths,
                      Error *err)
{
    Str stem;
    return peer_new_stem(ctx, arena, set, name, new_kind, is_numbered, 5, now, &stem, err) &&
           peer_new_files(arena, stem, ".sql", NULL, ret_paths, err);
}

static bool new_text(const ConventionContext *ctx, Arena *arena, const StrVec *paths, size_t index,
                     Str text, Str *ret_text, Error *err)
{
    (void)ctx;
    (void)paths;
    (void)index;
    return peer_new_sections(arena, "-- +goose Up\n", text, "\n-- +goose Down\n", ret_text, err);
}

static bool draft_files(const ConventionContext *ctx, Arena *arena, const DraftVec *drafts,
                        TreeFileVec *ret_files, Error *err)
{
    static const DraftMarkers markers = {.first_alone = "-- +goose NO TRANSACTION",
                                         .up = "-- +goose Up",
                                         .down = "-- +goose Down",
                                         .block_begin = "-- +goose StatementBegin",
                                         .block_end = "-- +goose StatementEnd"};
    for (size_t i = 0; i < drafts->len; i++) {
        const Draft *draft = &drafts->items[i];
        const char *path =
            str_format(arena, "%s_%.*s.sql", draft_number(arena, draft, 5), STR_ARG(draft->name));
        if (!draft_sections(ctx, arena, ret_files, path, draft, &markers, err))
            return false;
    }
    return true;
}

static const char *const annotations[] = {"+goose", NULL};

const Convention convention_goose = {
    .version = 1,
    .name = "goose",
    .title = "goose",
    .summary = "goose: 00001_name.sql with -- +goose Up and Down, table goose_db_version",
    .default_table = "goose_db_version",
    .features = CONVENTION_DOWN | CONVENTION_BASELINE | CONVENTION_DIRECTIVES | CONVENTION_EMPTY,
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

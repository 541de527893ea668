/* golang-migrate (the `migrate` command and its Go library): N_name.up.sql and .down.sql, and one row (version, dirty).
 *
 * The row says how far the database came, and nothing else: every file up to it counts as applied. A version below it that arrives late
 * can never run, as with the tool itself. SPDX-License-Identifier: Apache-2.0 */
#include "convention/draft.h"

#include <stdlib.h>

/* ---- files ---------------------------------------------------------------------------------------------- */

typedef struct MigrateName {
    uint64_t version;
    Str title;
    bool is_down;
} MigrateName;

/* ^([0-9]+)_(.*)\.(down|up)\.(.*)$ of which the first .* takes as much as it can. */
static bool read_name(Str name, MigrateName *ret_name)
{
    Str digits = peer_digits(name);
    if (digits.len == 0 || digits.len >= name.len || name.ptr[digits.len] != '_' ||
        !str_to_u64(digits, &ret_name->version))
        return false;
    for (size_t at = name.len; at > digits.len + 1; at--) {
        Str rest = str_sub(name, at - 1, name.len);
        ret_name->is_down = str_starts(rest, STR(".down."));
        if (!ret_name->is_down && !str_starts(rest, STR(".up.")))
            continue;
        ret_name->title = str_sub(name, digits.len + 1, at - 1);
        return true;
    }
    return false;
}

typedef struct MigrateFile {
    MigrateName name;
    const char *path;
} MigrateFile;

static int by_version(const void *a, const void *b)
{
    const MigrateFile *one = a, *two = b;
    if (one->name.version != two->name.version)
        return one->name.version < two->name.version ? -1 : 1;
    return (int)one->name.is_down - (int)two->name.is_down;
}

/* A version that has only a down goes up without doing anything. */
static Script *empty_up(Arena *arena, const char *path)
{
    Script *script = arena_alloc(arena, sizeof *script);
    if (script)
        *script = (Script){.path = path, .head = directives_nothing()};
    return script;
}

static bool pair(const ConventionContext *ctx, Arena *arena, const MigrateFile *files, size_t count,
                 MigrationSet *set, Error *err)
{
    Migration *last = NULL;
    for (size_t i = 0; i < count; i++) {
        const MigrateFile *file = &files[i];
        bool is_second = i > 0 && files[i - 1].name.version == file->name.version;
        Script *script = script_new(arena, ctx->files, file->path);
        if (!script)
            return error_nomem(err);
        if (is_second && (!file->name.is_down || last->down))
            return peer_twice("golang-migrate", files[i - 1].path, file->path, last->version, err);
        if (!is_second) {
            const char *version = str_format(arena, "%llu", (unsigned long long)file->name.version);
            if (!version)
                return error_nomem(err);
            if (!peer_add(arena, set, str_from(version), file->name.title, &last, err))
                return false;
        }
        if (!file->name.is_down)
            last->up = script;
        else
            last->down = script;
        if (!last->up && !(last->up = empty_up(arena, file->path)))
            return error_nomem(err);
    }
    return true;
}

static bool scan(const ConventionContext *ctx, Arena *arena, MigrationSet *ret_set, Error *err)
{
    MigrationSet set = {.script_options = peer_script_options(ctx)};
    PeerFileVec files = {0};
    if (!peer_files(ctx, arena, PEER_FLAT, &files, err))
        return false;
    MigrateFile *found = arena_alloc(arena, (files.len + 1) * sizeof *found);
    size_t count = 0;
    if (!found)
        return error_nomem(err);
    for (size_t i = 0; i < files.len; i++) {
        found[count].path = files.items[i].path;
        if (read_name(files.items[i].name, &found[count].name))
            count++;
        else if (!vec_push(arena, &set.ignored, str_from(files.items[i].path)))
            return error_nomem(err);
    }
    qsort(found, count, sizeof *found, by_version);
    if (!pair(ctx, arena, found, count, &set, err) || !migration_set_finish(&set, err))
        return false;
    *ret_set = set;
    return true;
}

/* ---- history -------------------------------------------------------------------------------------------- */

typedef struct Row {
    Arena *arena;
    bool has_row, is_dirty, has_second;
    int64_t version, second;
} Row;

static bool take_row(void *ctx, const DbValue *cols, bool *ret_is_good, const char **ret_what,
                     Error *err)
{
    (void)err;
    Row *row = ctx;
    int64_t version = 0;
    *ret_is_good = db_value_i64(&cols[0], &version);
    *ret_what = "a row has no version";
    if (!*ret_is_good)
        return true;
    if (row->has_row) { /* the tool reads the first row only */
        row->second = row->has_second ? row->second : version;
        row->has_second = true;
        return true;
    }
    row->has_row = true;
    row->version = version;
    row->is_dirty = str_eq(cols[1].text, STR("1"));
    return true;
}

/* What the one row stands for, given the files. */
static bool spread_row(const ConventionContext *ctx, Arena *arena, const Row *row, History *history,
                       Error *err)
{
    const char *text = str_format(arena, "%lld", (long long)row->version);
    Str version = str_from(text);
    bool has_files = ctx->set && ctx->set->migrations.len > 0;
    if (!text)
        return error_nomem(err);
    if (row->version < 0 && has_files) /* the way down to nothing failed: at the first one */
        version = ctx->set->migrations.items[0].version;
    return peer_push_up_to(ctx, arena, version,
                           row->is_dirty || row->version < 0 ? HISTORY_FAILED : HISTORY_APPLIED,
                           history, err);
}

static bool history_read(const ConventionContext *ctx, Db *db, Arena *arena, History *ret_history,
                         Error *err)
{
    History history = {0};
    Row row = {.arena = arena};
    PeerTable table = {.columns = "version, CASE WHEN dirty THEN 1 ELSE 0 END",
                       .column_count = 2,
                       .row = take_row,
                       .ctx = &row};
    if (!table_name_read(ctx, arena, &table.name, err) ||
        !peer_table_read(ctx, db, arena, &table, &history.exists, err) ||
        (row.has_row && !spread_row(ctx, arena, &row, &history, err)) ||
        !history_finish(arena, &history, err))
        return false;
    if (row.has_second) {
        history.note = str_format(arena,
                                  "the history table of golang-migrate has a second row, of "
                                  "version %lld: as the tool does, only the first is read, of "
                                  "version %lld",
                                  (long long)row.second, (long long)row.version);
        if (!history.note)
            return error_nomem(err);
    }
    *ret_history = history;
    return true;
}

static bool history_prepare(const ConventionContext *ctx, Db *db, Arena *arena,
                            const History *history, DbStatementVec *out, Error *err)
{
    (void)db;
    TableName name;
    StrBuf index = strbuf(arena);
    if (ctx->dialect != SQL_SQLITE)
        return peer_create_table(ctx, arena, history,
                                 "(version bigint not null primary key, dirty boolean not null)",
                                 out, err);
    if (history->exists)
        return true;
    if (!peer_create_table(ctx, arena, history, "(version uint64, dirty bool)", out, err) ||
        !table_name_read(ctx, arena, &name, err))
        return false;
    peer_begin(&index, ctx, &name, "CREATE UNIQUE INDEX IF NOT EXISTS version_unique ON ");
    strbuf_adds(&index, " (version)");
    return statement_push(arena, &index, out, err);
}

/* ---- writing -------------------------------------------------------------------------------------------- */

static bool version_of(const HistoryWrite *write, int64_t *ret_version, Error *err)
{
    Str version = peer_version(write);
    if (str_to_i64(version, ret_version))
        return true;
    error_set(err, ERROR_UNSUPPORTED,
              "golang-migrate cannot hold version %.*s: its versions are whole numbers",
              STR_ARG(version));
    error_code(err, "bad-version");
    return error_hint(err, "Rename the migration so that its version is a whole number.");
}

/* The version before this one among the files; -1: there is none. */
static int64_t version_before(const ConventionContext *ctx, int64_t version)
{
    int64_t before = -1, number;
    for (size_t i = 0; ctx->set && i < ctx->set->migrations.len; i++) {
        if (!str_to_i64(ctx->set->migrations.items[i].version, &number) || number >= version)
            break;
        before = number;
    }
    return before;
}

/* The tool empties the table and writes its one row anew; without a version there is none, unless it is dirty. */
static bool push_state(const ConventionContext *ctx, const TableName *name, Arena *arena,
                       int64_t version, bool is_dirty, DbStatementVec *out, Error *err)
{
    StrBuf empty = strbuf(arena), sql = strbuf(arena);
    peer_begin(&empty, ctx, name, "DELETE FROM ");
    if (!statement_push(arena, &empty, out, err))
        return false;
    if (version < 0 && !is_dirty)
        return true;
    peer_begin(&sql, ctx, name, "INSERT INTO ");
    strbuf_addf(&sql, " (version, dirty) VALUES (%lld, %s)", (long long)version,
                is_dirty ? "TRUE" : "FALSE");
    return statement_push(arena, &sql, out, err);
}

/* Takes this version and all above it away, if the row says that they are there; else leaves it alone, so that several may be taken in
 * any order. */
static bool push_removal(const ConventionContext *ctx, const TableName *name, Arena *arena,
                         int64_t version, DbStatementVec *out, Error *err)
{
    StrBuf sql = strbuf(arena), below = strbuf(arena);
    int64_t before = version_before(ctx, version);
    if (before < 0) {
        peer_begin(&sql, ctx, name, "DELETE FROM ");
        strbuf_addf(&sql, " WHERE version >= %lld OR version < 0", (long long)version);
        return statement_push(arena, &sql, out, err);
    }
    peer_begin(&below, ctx, name, "UPDATE ");
    strbuf_addf(&below, " SET version = %lld, dirty = FALSE WHERE version >= %lld",
                (long long)before, (long long)version);
    return statement_push(arena, &below, out, err);
}

static bool history_write(const ConventionContext *ctx, const Db *db, Arena *arena,
                          const HistoryWrite *write, DbStatementVec *out, Error *err)
{
    (void)db;
    TableName name;
    int64_t version = 0;
    if (write->kind == WRITE_RUN_BEGIN || write->kind == WRITE_RUN_END || write->kind == WRITE_STEP)
        return true;
    if (!table_name_read(ctx, arena, &name, err) || !version_of(write, &version, err))
        return false;
    int64_t before = version_before(ctx, version);
    switch (write->kind) {
    case WRITE_BEGIN:
        return push_state(ctx, &name, arena, write->is_down ? before : version, true, out, err);
    case WRITE_FAILED:
        /* Where nothing was kept, the row goes back to what it was: the tool would leave it dirty, for no reason. */
        if (!write->is_journaled || write->done > 0 || write->is_fate_unknown)
            return true;
        return push_state(ctx, &name, arena, write->is_down ? version : before, false, out, err);
    case WRITE_APPLIED:
    case WRITE_BASELINE:
    case WRITE_SKIPPED:
        return push_state(ctx, &name, arena, version, false, out, err);
    case WRITE_REMOVED:
        return write->is_journaled ? push_state(ctx, &name, arena, before, false, out, err)
                                   : push_removal(ctx, &name, arena, version, out, err);
    case WRITE_DELETED: /* a version without a file stops the tool */
        return push_removal(ctx, &name, arena, version, out, err);
    case WRITE_CHECKSUM:
    case WRITE_STEP:
    case WRITE_RUN_BEGIN:
    case WRITE_RUN_END:
        return true;
    }
    return true;
}

/* ---- lock ----------------------------------------------------------------------------------------------- */

/* crc32 of the names joined by NUL, times a constant, in 32 bits. The command takes the database's name from its URL with the slash
 * before it, which is what most people run. */
static bool lock_key(const ConventionContext *ctx, const Db *db, Arena *arena, DbLockKey *ret_key,
                     Error *err)
{
    TableName name;
    StrBuf text = strbuf(arena);
    if (!table_name_read(ctx, arena, &name, err))
        return false;
    if (ctx->dialect == SQL_MYSQL) {
        strbuf_adds(&text, db->info.database);
        strbuf_add_char(&text, ':');
        strbuf_add(&text, name.table);
    } else {
        strbuf_add(&text, name.schema.len > 0 ? name.schema : STR("public"));
        strbuf_add_char(&text, '\0');
        strbuf_add(&text, name.table);
        strbuf_add_char(&text, '\0');
        strbuf_add_char(&text, '/');
        strbuf_adds(&text, db->info.database);
    }
    Str names;
    if (!strbuf_finish(&text, &names))
        return error_nomem(err);
    const uint32_t factor = 1486364155;
    DbLockKey key = {.number = (int64_t)(uint32_t)(crc32_of(names) * factor)};
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
    MigrateName name;
    return read_name(file->name, &name) && str_ends(file->name, STR(".sql"));
}

static bool recognise(const ConventionContext *ctx, Db *db, Arena *arena,
                      ConventionGuess *ret_guess, Error *err)
{
    static const PeerSigns signs = {
        .columns = "version, dirty", .has_only_these = true, .takes = takes};
    return peer_recognise(ctx, db, arena, &signs, ret_guess, err);
}

static bool new_paths(const ConventionContext *ctx, Arena *arena, const MigrationSet *set, Str name,
                      unsigned new_kind, bool is_numbered, Timestamp now, StrVec *ret_paths,
                      Error *err)
{
    Str stem;
    /* A folder of short numbers goes on with numbers. */
    size_t count = set->migrations.len;
    if (count > 0 && set->migrations.items[count - 1].version.len < 10)
        is_numbered = true;
    return peer_new_stem(ctx, arena, set, name, new_kind, is_numbered, 6, now, &stem, err) &&
           peer_new_files(arena, stem, ".up.sql", new_kind != NEW_SQL_ONLY ? ".down.sql" : NULL,
                          ret_paths, err);
}

static bool draft_files(const ConventionContext *ctx, Arena *arena, const DraftVec *drafts,
                        TreeFileVec *ret_files, Error *err)
{
    (void)ctx;
    return draft_pairs(arena, drafts, 6, ".up.sql", NULL, ret_files, err);
}

const Convention convention_golang_migrate = {
    .version = 1,
    .name = "golang-migrate",
    .title = "golang-migrate",
    .summary = "golang-migrate: 000001_name.up.sql and .down.sql, table schema_migrations",
    .default_table = "schema_migrations",
    .features = CONVENTION_DOWN | CONVENTION_BASELINE | CONVENTION_DIRECTIVES | CONVENTION_EMPTY,
    .checksum_hash = HASH_SHA256,
    .scan = scan,
    .history_read = history_read,
    .history_prepare = history_prepare,
    .history_write = history_write,
    .lock_key = lock_key,
    .recognise = recognise,
    .new_paths = new_paths,
    .draft_files = draft_files,
};

/* Atlas' folder: names, directives, atlas.sum. SPDX-License-Identifier: Apache-2.0
 *
 * Files are in the order of their names. A line of atlas.sum is a digest over all files up to that one, so that nothing can be added,
 * changed or taken away in front without its being seen. */
#include "convention/atlas.h"

#include <stdlib.h>
#include <string.h>

#define SUM_NAME "atlas.sum"
#define UP_END ".up.sql"
#define DOWN_END ".down.sql"

/* ---- directives ------------------------------------------------------------------------------------------- */

static bool is_name_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

/* "-- atlas:name argument", where the last atlas: of the line counts. */
static bool read_directive(Str line, Str *ret_name, Str *ret_argument)
{
    size_t printable = 0;
    while (printable < line.len && line.ptr[printable] >= ' ' && line.ptr[printable] <= '~')
        printable++;
    for (size_t i = line.len; i-- > 0;) {
        if (i > printable || !str_starts(str_sub(line, i, line.len), STR("atlas:")))
            continue;
        size_t from = i + 6, to = from;
        while (to < line.len && is_name_char(line.ptr[to]))
            to++;
        if (to == from)
            continue;
        *ret_name = str_sub(line, from, to);
        while (to < line.len && line.ptr[to] == ' ')
            to++;
        *ret_argument = to > from + ret_name->len ? str_sub(line, to, line.len) : (Str){0};
        return true;
    }
    return false;
}

typedef struct Directed {
    bool ignores_sum, is_checkpoint, is_txtar, no_transaction;
    const char *bad; /* what is wrong with them */
    uint32_t bad_line;
    Str delimiter;
} Directed;

static void take_mode(Directed *directed, Str mode, uint32_t line, bool *has_mode)
{
    const char *bad = *has_mode                  ? "says its transaction mode twice"
                      : str_eq(mode, STR("all")) ? "cannot have the transaction mode \"all\""
                      : str_eq(mode, STR("none")) || str_eq(mode, STR("file"))
                          ? NULL
                          : "has an unknown transaction mode";
    if (bad && !directed->bad) {
        directed->bad = bad;
        directed->bad_line = line;
    }
    *has_mode = true;
    directed->no_transaction = str_eq(mode, STR("none"));
}

/* Of the whole file: comments at its top, with an empty line behind them. The first line may say two things more. */
static Directed read_directives(Str text)
{
    Directed directed = {0};
    Line line = {0};
    Str name, argument, first = {0}, rest;
    bool has_mode = false;
    (void)str_cut(text, '\n', &first);
    if (read_directive(first, &name, &argument)) {
        directed.ignores_sum = str_eq(name, STR("sum")) && str_eq(argument, STR("ignore"));
        if (str_eq(name, STR("delimiter")) && str_starts(first, STR("-- atlas:")))
            directed.delimiter = argument;
        directed.is_txtar = str_eq(name, STR("txtar"));
    }
    size_t end = 0;
    while (line_next(text, &line) &&
           (str_starts(line.text, STR("--")) || str_starts(line.text, STR("#"))))
        end = line.to;
    rest = str_sub(text, end, text.len);
    while (rest.len > 0 && (rest.ptr[0] == ' ' || rest.ptr[0] == '\t'))
        rest = str_sub(rest, 1, rest.len);
    if (rest.len > 0 && rest.ptr[0] != '\n')
        return directed;
    line = (Line){0};
    while (line.to < end && line_next(text, &line)) {
        if (!read_directive(str_trim(line.text), &name, &argument))
            continue;
        if (str_eq(name, STR("checkpoint")))
            directed.is_checkpoint = true;
        else if (str_eq(name, STR("txmode")))
            take_mode(&directed, argument, line.number, &has_mode);
    }
    return directed;
}

/* ---- statements of files with a delimiter, and of files of several parts -------------------------------------- */

/* "\n" and the like, as they are written. */
static bool unescaped(Arena *arena, Str text, Str *ret_text)
{
    StrBuf out = strbuf(arena);
    for (size_t i = 0; i < text.len; i++) {
        char next = text.ptr[i] == '\\' && i + 1 < text.len ? text.ptr[i + 1] : '\0';
        char meant = next == 'n' ? '\n' : next == 'r' ? '\r' : next == 't' ? '\t' : '\0';
        strbuf_add_char(&out, meant ? meant : text.ptr[i]);
        i += meant != '\0';
    }
    return strbuf_finish(&out, ret_text);
}

static bool is_at(Str text, size_t at, const char *what)
{
    return str_starts(str_sub(text, at, text.len), str_from(what));
}

/* Behind the next end; the whole text where there is none. */
static size_t behind(Str text, size_t at, Str end)
{
    size_t found = str_find(text, end, at);
    return found == SIZE_MAX ? text.len : found + end.len;
}

/* Behind a comment that begins at `at`; at itself: there is none. */
static size_t behind_comment(Str text, size_t at, SqlDialect dialect)
{
    if (is_at(text, at, "--") || (dialect == SQL_MYSQL && is_at(text, at, "#")))
        return behind(text, at, STR("\n"));
    return is_at(text, at, "/*") ? behind(text, at + 2, STR("*/")) : at;
}

/* $tag$ at `at`; empty: none. */
static Str dollar_tag(Str text, size_t at)
{
    size_t to = at + 1;
    while (to < text.len && (is_name_char(text.ptr[to]) || (unsigned char)text.ptr[to] >= 0x80))
        to++;
    bool is_tag = text.ptr[at] == '$' && to < text.len && text.ptr[to] == '$' &&
                  (to == at + 1 || text.ptr[at + 1] < '0' || text.ptr[at + 1] > '9');
    return is_tag ? str_sub(text, at, to + 1) : (Str){0};
}

/* Where the statement that goes on at `at` ends: at the delimiter, outside of quotes, comments and parentheses. */
static size_t end_of_statement(Str text, size_t at, Str delimiter, SqlDialect dialect)
{
    size_t depth = 0;
    while (at < text.len) {
        char c = text.ptr[at];
        Str tag = dialect == SQL_POSTGRES && c == '$' ? dollar_tag(text, at) : (Str){0};
        if (c == '\'' || c == '"' || c == '`') {
            for (at++; at < text.len && text.ptr[at] != c; at++)
                at += text.ptr[at] == '\\' && dialect == SQL_MYSQL;
            at++;
        } else if (depth == 0 && str_starts(str_sub(text, at, text.len), delimiter)) {
            return at;
        } else if (tag.len > 0) {
            at = behind(text, at + tag.len, tag);
        } else if (behind_comment(text, at, dialect) > at) {
            at = behind_comment(text, at, dialect);
        } else {
            depth += c == '(';
            depth -= c == ')' && depth > 0;
            at++;
        }
    }
    return text.len;
}

static size_t behind_trivia(Str text, size_t at, size_t to, SqlDialect dialect)
{
    while (at < to) {
        char c = text.ptr[at];
        if (c == ' ' || c == '\t' || c == '\r' || c == '\n')
            at++;
        else if (behind_comment(text, at, dialect) > at)
            at = behind_comment(text, at, dialect);
        else
            break;
    }
    return at < to ? at : to;
}

/* What is between delimiters is one statement each; delimiters are left out. */
static bool cut_at_delimiters(const ConventionContext *ctx, Arena *arena, Str text, Str delimiter,
                              Sections *sections, Error *err)
{
    size_t at = 0;
    while (at < text.len) {
        size_t end = end_of_statement(text, at, delimiter, ctx->dialect);
        end = end < text.len ? end : text.len;
        size_t from = behind_trivia(text, at, end, ctx->dialect);
        if (!vec_push(arena, &sections->up, (SqlRange){at, end}) ||
            (from < end && !vec_push(arena, &sections->whole, (SqlRange){from, end})))
            return error_nomem(err);
        at = end + delimiter.len;
    }
    return true;
}

/* Parts of a file: "-- migration.sql --". */
static bool part_name(Str line, Str *ret_name)
{
    line = str_trim(line);
    if (line.len < 7 || !str_starts(line, STR("-- ")) || !str_ends(line, STR(" --")))
        return false;
    *ret_name = str_trim(str_sub(line, 3, line.len - 3));
    return ret_name->len > 0;
}

static bool has_checks(Str text)
{
    Line line = {0};
    Str name;
    while (line_next(text, &line)) {
        if (part_name(line.text, &name) && str_starts(name, STR("checks")))
            return true;
    }
    return false;
}

static bool cut_parts(Arena *arena, Str text, Sections *sections, Error *err)
{
    Line line = {0};
    Str name;
    SqlRangeVec *open = NULL;
    size_t from = 0;
    while (line_next(text, &line)) {
        if (!part_name(line.text, &name))
            continue;
        if (open && !vec_push(arena, open, (SqlRange){from, line.from}))
            return error_nomem(err);
        bool is_down = str_eq(name, STR("down.sql"));
        sections->has_down = sections->has_down || is_down;
        open = is_down                              ? &sections->down
               : str_eq(name, STR("migration.sql")) ? &sections->up
                                                    : NULL;
        from = line.to;
    }
    return !open || vec_push(arena, open, (SqlRange){from, text.len}) || error_nomem(err);
}

static bool read_sections(const ConventionContext *ctx, Arena *arena, const char *path, Str text,
                          Sections *ret_sections, Error *err)
{
    (void)path;
    Directed directed = read_directives(text);
    Sections sections = {.no_transaction_up = directed.no_transaction,
                         .no_transaction_down = directed.no_transaction};
    Str delimiter;
    if (directed.is_txtar) {
        if (!cut_parts(arena, text, &sections, err))
            return false;
    } else if (directed.delimiter.len > 0) {
        if (!unescaped(arena, directed.delimiter, &delimiter))
            return error_nomem(err);
        if (!cut_at_delimiters(ctx, arena, text, delimiter, &sections, err))
            return false;
    } else if (!vec_push(arena, &sections.up, (SqlRange){0, text.len})) {
        return error_nomem(err);
    }
    *ret_sections = sections;
    return true;
}

/* ---- atlas.sum ---------------------------------------------------------------------------------------------- */

typedef struct SumLine {
    Str name, digest; /* without "h1:" */
} SumLine;
typedef Vec(SumLine) SumLineVec;

static bool base64_of(Arena *arena, Hash hash, Str *ret_text, Error *err)
{
    unsigned char digest[HASH_MAX_BYTES];
    StrBuf out = strbuf(arena);
    size_t len = hash_end(&hash, digest);
    strbuf_add_base64(&out, (Str){(const char *)digest, len});
    return strbuf_finish(&out, ret_text) || error_nomem(err);
}

static bool total_of(Arena *arena, const SumLineVec *lines, Str *ret_total, Error *err)
{
    Hash hash;
    hash_begin(&hash, HASH_SHA256);
    for (size_t i = 0; i < lines->len; i++) {
        hash_add(&hash, lines->items[i].name);
        hash_add(&hash, lines->items[i].digest);
    }
    return base64_of(arena, hash, ret_total, err);
}

static bool bad_sum(const char *path, uint32_t line, const char *what, Str file, Error *err)
{
    error_set(err, ERROR_STATE, "%s does not fit the files: %.*s%s%s", path, STR_ARG(file),
              file.len > 0 ? " " : "", what);
    error_code(err, "sum-mismatch");
    error_at(err, str_from(path), line, 0);
    return error_hint(err, "Undo that, or accept the files as they are: whimbrel repair (or `atlas "
                           "migrate hash`).");
}

/* The lines of atlas.sum; the first one must fit the others, which a merge can break. */
static bool read_sum(const ConventionContext *ctx, Arena *arena, const char *path,
                     SumLineVec *ret_lines, Error *err)
{
    SumLineVec lines = {0};
    Line line = {0};
    Str text, said = {0}, total;
    if (!peer_read(ctx, arena, path, &text, err))
        return false;
    if (line_next(text, &line))
        said = str_starts(line.text, STR("h1:")) ? str_sub(line.text, 3, line.text.len) : line.text;
    while (line_next(text, &line)) {
        size_t at = str_find(line.text, STR("h1:"), 0);
        if (at == SIZE_MAX)
            return bad_sum(path, line.number, "this is no line of it", (Str){0}, err);
        SumLine sum = {str_trim(str_sub(line.text, 0, at)),
                       str_sub(line.text, at + 3, line.text.len)};
        if (!vec_push(arena, &lines, sum))
            return error_nomem(err);
    }
    if (!total_of(arena, &lines, &total, err))
        return false;
    if (!str_eq(said, total))
        return bad_sum(path, 1, "its first line is not the sum of the others", (Str){0}, err);
    *ret_lines = lines;
    return true;
}

/* Names the first file that is not as it was. */
static bool compare_sums(const char *path, const SumLineVec *said, const SumLineVec *found,
                         Error *err)
{
    size_t i = 0;
    while (i < said->len && i < found->len && str_eq(said->items[i].name, found->items[i].name) &&
           str_eq(said->items[i].digest, found->items[i].digest))
        i++;
    if (i == said->len && i == found->len)
        return true;
    uint32_t line = (uint32_t)i + 2;
    if (i == said->len)
        return bad_sum(path, line, "was added", found->items[i].name, err);
    Str name = said->items[i].name;
    for (size_t j = i; j < found->len; j++) {
        if (!str_eq(found->items[j].name, name))
            continue;
        return j == i ? bad_sum(path, line, "was edited", name, err)
                      : bad_sum(path, line, "was added", found->items[i].name, err);
    }
    return bad_sum(path, line, "was removed", name, err);
}

/* ---- one folder ------------------------------------------------------------------------------------------- */

typedef struct Folder {
    const ConventionContext *ctx;
    Arena *arena;
    const char *path, *sum_path;
    FolderEntryVec entries;
    bool is_golang_migrate, has_sum, has_rollback;
    StrVec names;    /* of the files that count, in order */
    SumLineVec sums; /* as they should be */
    Hash running;
} Folder;

static bool has_entry(const Folder *folder, Str name, FileKind kind)
{
    for (size_t i = 0; i < folder->entries.len; i++) {
        if (folder->entries.items[i].kind == kind && str_eq(folder->entries.items[i].name, name))
            return true;
    }
    return false;
}

/* Which files atlas.sum names. False: none. */
static bool sum_tells(const Folder *folder, bool *ret_is_golang_migrate)
{
    scoped(Arena *, arena_freep) scratch = arena_new();
    Error ignored = {.arena = scratch};
    Line line = {0};
    Str text;
    size_t names = 0, ups = 0;
    const char *path = scratch ? path_join(scratch, folder->path, STR(SUM_NAME)) : NULL;
    if (!path || !has_entry(folder, STR(SUM_NAME), FILE_REGULAR) ||
        !peer_read(folder->ctx, scratch, path, &text, &ignored))
        return false;
    while (line_next(text, &line)) {
        size_t at = str_find(line.text, STR(" h1:"), 0);
        if (at == SIZE_MAX)
            continue;
        names++;
        ups += str_ends(str_sub(line.text, 0, at), STR(UP_END));
    }
    *ret_is_golang_migrate = ups == names;
    return names > 0;
}

/* golang-migrate's form is what atlas.hcl says, what all have that atlas.sum names, or every single file. */
static bool looks_like_golang_migrate(const Folder *folder)
{
    const AtlasSettings *settings = folder->ctx->own;
    bool has_up = false, is_told = false;
    if (settings && settings->is_golang_migrate)
        return true;
    if (sum_tells(folder, &is_told))
        return is_told;
    for (size_t i = 0; i < folder->entries.len; i++) {
        Str name = folder->entries.items[i].name;
        has_up = has_up || str_ends(name, STR(UP_END));
        if (str_ends(name, STR(".sql")) && !str_ends(name, STR(UP_END)) &&
            !str_ends(name, STR(DOWN_END)))
            return false;
    }
    return has_up;
}

static bool open_folder(const ConventionContext *ctx, Arena *arena, Str path, Folder *ret_folder,
                        Error *err)
{
    Folder folder = {.ctx = ctx, .arena = arena, .path = str_z(arena, path)};
    folder.sum_path = folder.path ? path_join(arena, folder.path, STR(SUM_NAME)) : NULL;
    if (!folder.sum_path)
        return error_nomem(err);
    if (!folder_entries(ctx, arena, folder.path, &folder.entries, err))
        return error_hint(err, "Make the folder with `whimbrel new NAME`, or name another with "
                               "--migrations.");
    hash_begin(&folder.running, HASH_SHA256);
    folder.is_golang_migrate = looks_like_golang_migrate(&folder);
    folder.has_sum = has_entry(&folder, STR(SUM_NAME), FILE_REGULAR);
    folder.has_rollback = has_entry(&folder, STR("rollback"), FILE_FOLDER);
    for (size_t i = 0; i < folder.entries.len; i++) {
        const FolderEntry *entry = &folder.entries.items[i];
        bool counts = str_ends(entry->name, folder.is_golang_migrate ? STR(UP_END) : STR(".sql"));
        if (!counts || entry->kind == FILE_FOLDER)
            continue;
        if (entry->kind != FILE_REGULAR || !str_is_utf8(entry->name, NULL)) {
            const char *bad = path_join(arena, folder.path, entry->name);
            return bad ? peer_bad_file(bad, "bad-file",
                                       "would stop Atlas: it is no file, or its name is not UTF-8",
                                       "Mend it or take it out of the folder.", err)
                       : error_nomem(err);
        }
        if (!vec_push(arena, &folder.names, entry->name))
            return error_nomem(err);
    }
    *ret_folder = folder;
    return true;
}

/* The next file's part in the sums. */
static bool add_sum(Folder *folder, Str name, Str text, bool is_ignored, Str *ret_digest,
                    Error *err)
{
    SumLine line = {.name = name};
    *ret_digest = (Str){0};
    hash_add(&folder->running, name);
    if (is_ignored)
        return true;
    hash_add(&folder->running, text);
    if (!base64_of(folder->arena, folder->running, &line.digest, err))
        return false;
    *ret_digest = line.digest;
    return vec_push(folder->arena, &folder->sums, line) || error_nomem(err);
}

static bool check_sums(const Folder *folder, Error *err)
{
    SumLineVec said = {0};
    /* Of what is linked into the program nothing can have been changed. */
    if (folder->ctx->files || folder->ctx->mends_files)
        return true;
    if (!folder->has_sum && folder->names.len == 0)
        return true;
    if (!folder->has_sum) {
        error_set(err, ERROR_STATE, "there is no %s", folder->sum_path);
        error_code(err, "sum-mismatch");
        return error_hint(err, "Atlas wants it; make it: whimbrel repair (or `atlas migrate "
                               "hash`).");
    }
    return read_sum(folder->ctx, folder->arena, folder->sum_path, &said, err) &&
           compare_sums(folder->sum_path, &said, &folder->sums, err);
}

/* ---- migrations --------------------------------------------------------------------------------------------- */

static bool make_scripts(const Folder *folder, const char *path, const Directed *directed,
                         bool is_conditional, Migration *migration, Error *err)
{
    const ConventionContext *ctx = folder->ctx;
    if (directed->is_txtar || directed->delimiter.len > 0) {
        if (!sections_scripts(ctx, folder->arena, path, read_sections, &migration->up,
                              &migration->down, err))
            return false;
        if (migration->up)
            migration->up->form->is_conditional = is_conditional;
        return true;
    }
    return peer_script_alone(ctx, folder->arena, path, directed->no_transaction, &migration->up,
                             err);
}

/* golang-migrate's N_name.down.sql, else the same name in rollback/, where Atlas does not look. */
static bool find_down(const Folder *folder, Str name, Migration *migration, Error *err)
{
    Arena *arena = folder->arena;
    const char *down = NULL;
    FileInfo info;
    if (folder->is_golang_migrate) {
        down = str_format(arena, "%.*s" DOWN_END, (int)(name.len - strlen(UP_END)), name.ptr);
        if (!down)
            return error_nomem(err);
        if (!has_entry(folder, str_from(down), FILE_REGULAR))
            return true;
    } else if (!folder->has_rollback || migration->down) {
        return true;
    } else if (!(down = str_format(arena, "rollback/%.*s", STR_ARG(name)))) {
        return error_nomem(err);
    }
    const char *path = path_join(arena, folder->path, str_from(down));
    if (!path)
        return error_nomem(err);
    if (!file_tree_info(folder->ctx->files, path, &info, err))
        return false;
    if (info.kind != FILE_REGULAR)
        return true;
    migration->down = script_new(arena, folder->ctx->files, path);
    return migration->down || error_nomem(err);
}

static bool add_file(Folder *folder, Arena *scratch, Str name, MigrationSet *set, AtlasSet *own,
                     Error *err)
{
    Arena *arena = folder->arena;
    Str text, version, rest, stem;
    Migration *migration;
    AtlasFile file = {0};
    const char *path = path_join(arena, folder->path, name);
    if (!path)
        return error_nomem(err);
    name = path_base(str_from(path)); /* the listing does not live as long as the set */
    if (!peer_read(folder->ctx, scratch, path, &text, err))
        return false;
    Directed directed = read_directives(text);
    if (directed.bad)
        return peer_bad_line(path, directed.bad_line, directed.bad,
                             "Known are `-- atlas:txmode none` and `-- atlas:txmode file`.", err);
    stem = str_sub(name, 0, name.len - strlen(folder->is_golang_migrate ? UP_END : ".sql"));
    rest = str_cut(stem, '_', &version);
    if (version.len == 0)
        return peer_bad_file(path, "bad-name", "has no version in its name",
                             "Rename it to something like 20240101000000_name.sql.", err);
    file.path = str_from(path);
    if (!add_sum(folder, name, text, directed.ignores_sum, &file.digest, err) ||
        !peer_add(arena, set, version, rest, &migration, err) ||
        !make_scripts(folder, path, &directed, directed.is_txtar && has_checks(text), migration,
                      err) ||
        !find_down(folder, name, migration, err))
        return false;
    if (directed.is_checkpoint)
        migration->kind = MIGRATION_BASELINE;
    return vec_push(arena, &own->files, file) || error_nomem(err);
}

static bool note_others(const Folder *folder, MigrationSet *set, Error *err)
{
    for (size_t i = 0; i < folder->entries.len; i++) {
        const FolderEntry *entry = &folder->entries.items[i];
        if (entry->kind != FILE_REGULAR || str_ends(entry->name, STR(".sql")) ||
            str_eq(entry->name, STR(SUM_NAME)) || entry->name.ptr[0] == '.')
            continue;
        if (!peer_ignore(folder->arena, set, path_join(folder->arena, folder->path, entry->name),
                         err))
            return false;
    }
    return true;
}

static int by_path(const void *a, const void *b)
{
    const AtlasFile *one = a, *two = b;
    return str_cmp(one->path, two->path);
}

/* ---- checks ------------------------------------------------------------------------------------------------- */

/* Anything but false, 0 and nothing. */
static bool is_true(const DbValue *value)
{
    int64_t number = 0;
    if (value->is_null)
        return false;
    if (db_value_i64(value, &number))
        return number != 0;
    return str_eq_nocase(value->text, STR("t")) || str_eq_nocase(value->text, STR("true"));
}

static bool check_failed(const char *path, uint32_t line, Str part, const char *what, Error *err)
{
    error_set(err, ERROR_STATE, "%.*s of %s: %s", STR_ARG(part), path, what);
    error_code(err, "precondition-failed");
    error_at(err, str_from(path), line, 1);
    return error_hint(err,
                      "Put the database into the state that it asks for, or change the check.");
}

/* Each statement of a part has to give a true value; where it says `atlas:assert oneof`, one of them. */
static bool run_checks(const ConventionContext *ctx, Db *db, Arena *arena, const char *path,
                       Str text, SqlRange range, Str part, Error *err)
{
    bool needs_one = false, has_one = false, is_leading = true;
    Str sql = str_sub(text, range.from, range.to), name, argument;
    Line line = {0};
    uint32_t first_line = 1;
    for (size_t i = 0; i < range.from; i++)
        first_line += text.ptr[i] == '\n';
    while (is_leading && line_next(sql, &line)) {
        Str trimmed = str_trim(line.text);
        is_leading = trimmed.len == 0 || str_starts(trimmed, STR("--"));
        if (is_leading && read_directive(trimmed, &name, &argument))
            needs_one =
                needs_one || (str_eq(name, STR("assert")) && str_eq(argument, STR("oneof")));
    }
    uint32_t line_of = first_line;
    for (size_t at = 0, counted = 0; at < sql.len;) {
        size_t end = end_of_statement(sql, at, STR(";"), ctx->dialect);
        size_t from = behind_trivia(sql, at, end, ctx->dialect);
        for (; counted < from; counted++)
            line_of += sql.ptr[counted] == '\n';
        DbValue value = {.is_null = true};
        if (from < end && !db_query_value(db, arena, str_sub(sql, from, end), &value, err)) {
            error_at(err, str_from(path), line_of, 1);
            return error_wrap(err, "asking %.*s of %s", STR_ARG(part), path);
        }
        has_one = has_one || (from < end && is_true(&value));
        if (from < end && !needs_one && !is_true(&value))
            return check_failed(path, line_of, part, "its check does not hold", err);
        at = end + 1;
    }
    return !needs_one || has_one ||
           check_failed(path, first_line, part, "none of its checks holds", err);
}

bool atlas_check(const ConventionContext *ctx, Db *db, Arena *arena, const Migration *migration,
                 ConventionVerdict *ret_verdict, const char **ret_why, Error *err)
{
    const char *path = migration->up->path;
    Line line = {0};
    Str text, name, part = {0};
    size_t from = 0;
    *ret_verdict = VERDICT_RUN;
    *ret_why = NULL;
    if (!peer_read(ctx, arena, path, &text, err))
        return false;
    while (line_next(text, &line)) {
        if (!part_name(line.text, &name))
            continue;
        if (str_starts(part, STR("checks")) &&
            !run_checks(ctx, db, arena, path, text, (SqlRange){from, line.from}, part, err))
            return false;
        part = name;
        from = line.to;
    }
    return !str_starts(part, STR("checks")) ||
           run_checks(ctx, db, arena, path, text, (SqlRange){from, text.len}, part, err);
}

/* Names decide the order, and versions are compared as texts: these differ where versions are of several lengths. */
static bool is_in_order(const MigrationSet *set)
{
    for (size_t i = 1; i < set->migrations.len; i++) {
        if (str_cmp(set->migrations.items[i - 1].version, set->migrations.items[i].version) >= 0)
            return false;
    }
    return true;
}

bool atlas_scan(const ConventionContext *ctx, Arena *arena, MigrationSet *ret_set, Error *err)
{
    MigrationSet set = {.script_options = peer_script_options(ctx),
                        .versions = {.kind = VERSIONS_TEXT},
                        .has_optional_baselines = true};
    AtlasSet *own = arena_alloc(arena, sizeof *own);
    scoped(Arena *, arena_freep) scratch = arena_new();
    if (!own || !scratch)
        return error_nomem(err);
    own->arena = arena;
    for (size_t i = 0; i < ctx->folders.len; i++) {
        Folder folder;
        if (!open_folder(ctx, arena, ctx->folders.items[i], &folder, err))
            return false;
        for (size_t j = 0; j < folder.names.len; j++) {
            arena_reset(scratch);
            if (!add_file(&folder, scratch, folder.names.items[j], &set, own, err))
                return false;
        }
        if (!check_sums(&folder, err) || !note_others(&folder, &set, err))
            return false;
    }
    if (own->files.len > 1)
        qsort(own->files.items, own->files.len, sizeof *own->files.items, by_path);
    set.own = own;
    if ((ctx->folders.len == 1 && !is_in_order(&set) && !peer_order_as_added(arena, &set, err)) ||
        !migration_set_finish(&set, err))
        return false;
    *ret_set = set;
    return true;
}

/* ---- for others --------------------------------------------------------------------------------------------- */

bool atlas_is_golang_migrate(const ConventionContext *ctx, Arena *arena, bool *ret_is, Error *err)
{
    const AtlasSettings *settings = ctx->own;
    FolderList list;
    *ret_is = settings && settings->is_golang_migrate;
    if (!folder_look(ctx, arena, ctx->folders.items[0], &list, err))
        return false;
    if (list.is_there) {
        Folder folder = {
            .ctx = ctx, .path = str_z(arena, ctx->folders.items[0]), .entries = list.entries};
        if (!folder.path)
            return error_nomem(err);
        *ret_is = looks_like_golang_migrate(&folder);
    }
    return true;
}

static bool sum_text(const Folder *folder, Str *ret_text, Error *err)
{
    StrBuf out = strbuf(folder->arena);
    Str total;
    if (!total_of(folder->arena, &folder->sums, &total, err))
        return false;
    strbuf_addf(&out, "h1:%.*s\n", STR_ARG(total));
    for (size_t i = 0; i < folder->sums.len; i++)
        strbuf_addf(&out, "%.*s h1:%.*s\n", STR_ARG(folder->sums.items[i].name),
                    STR_ARG(folder->sums.items[i].digest));
    return strbuf_finish(&out, ret_text) || error_nomem(err);
}

static int by_tree_path(const void *a, const void *b)
{
    const TreeFile *one = a, *two = b;
    return str_cmp(one->path, two->path);
}

bool atlas_sum_of(Arena *arena, const TreeFileVec *files, Str *ret_text, Error *err)
{
    Folder folder = {.arena = arena};
    TreeFileVec sorted = {0};
    Str digest;
    for (size_t i = 0; i < files->len; i++) {
        bool counts = str_find_char(files->items[i].path, '/', 0) == SIZE_MAX;
        if (counts && !vec_push(arena, &sorted, files->items[i]))
            return error_nomem(err);
    }
    if (sorted.len > 1)
        qsort(sorted.items, sorted.len, sizeof *sorted.items, by_tree_path);
    hash_begin(&folder.running, HASH_SHA256);
    for (size_t i = 0; i < sorted.len; i++) {
        if (!add_sum(&folder, sorted.items[i].path, sorted.items[i].bytes, false, &digest, err))
            return false;
    }
    return sum_text(&folder, ret_text, err);
}

static bool settle_folder(const ConventionContext *ctx, Arena *arena, Str path, bool does,
                          StrBuf *sentence, Error *err)
{
    scoped(Arena *, arena_freep) scratch = arena_new();
    Folder folder;
    Str text, now = {0}, digest;
    if (!scratch)
        return error_nomem(err);
    if (!open_folder(ctx, arena, path, &folder, err))
        return false;
    for (size_t i = 0; i < folder.names.len; i++) {
        const char *file = path_join(arena, folder.path, folder.names.items[i]);
        if (!file)
            return error_nomem(err);
        arena_reset(scratch);
        if (!peer_read(ctx, scratch, file, &text, err) ||
            !add_sum(&folder, folder.names.items[i], text, read_directives(text).ignores_sum,
                     &digest, err))
            return false;
    }
    if (!sum_text(&folder, &text, err) ||
        (folder.has_sum && !peer_read(ctx, arena, folder.sum_path, &now, err)))
        return false;
    if ((folder.has_sum && str_eq(text, now)) || (!folder.has_sum && folder.names.len == 0))
        return true;
    strbuf_addf(sentence, "%s %s", sentence->len > 0 ? ", and" : "writes anew", folder.sum_path);
    return !does || file_write(arena, folder.sum_path, text, 0666, err);
}

bool atlas_settle_files(const ConventionContext *ctx, Arena *arena, bool does, Str *ret_sentence,
                        Error *err)
{
    StrBuf sentence = strbuf(arena);
    ConventionContext fresh = *ctx;
    fresh.lists = NULL;
    *ret_sentence = (Str){0};
    if (ctx->files)
        return true;
    for (size_t i = 0; i < ctx->folders.len; i++) {
        if (!settle_folder(&fresh, arena, ctx->folders.items[i], does, &sentence, err))
            return false;
    }
    return strbuf_finish(&sentence, ret_sentence) || error_nomem(err);
}

AtlasFile *atlas_file(const ConventionContext *ctx, const Migration *migration)
{
    const AtlasSet *own = ctx->set ? ctx->set->own : NULL;
    if (!own || own->files.len == 0 || !migration || !migration->up || !migration->up->path)
        return NULL;
    AtlasFile wanted = {.path = str_from(migration->up->path)};
    return bsearch(&wanted, own->files.items, own->files.len, sizeof *own->files.items, by_path);
}

/* As Atlas takes a statement: with its semicolon, but without any other delimiter. */
static Str text_of(const SqlStatement *statement, bool is_lasting)
{
    if (!is_lasting)
        return statement->text;
    Str whole = {statement->text.ptr, (size_t)(statement->end_offset - statement->offset)};
    whole = str_trim(whole);
    return str_ends(whole, STR(";")) ? whole : statement->text;
}

bool atlas_statements(const ConventionContext *ctx, const Migration *migration, AtlasFile *file,
                      Error *err)
{
    const AtlasSet *own = ctx->set->own;
    scoped(Arena *, arena_freep) scratch = arena_new();
    scoped(ScriptCursor, script_close) cursor = {0};
    SqlStatement statement;
    Hash hash;
    bool has = true;
    if (file->has_statements)
        return true;
    if (!scratch)
        return error_nomem(err);
    hash_begin(&hash, HASH_SHA256);
    file->texts.len = file->digests.len = 0;
    if (!script_open(scratch, migration->up, &ctx->set->script_options.split, &cursor, err))
        return false;
    while (has) {
        Str text, digest;
        if (!script_next(&cursor, &statement, &has, err))
            return false;
        if (!has)
            break;
        Str piece = {0};
        while (statement.has_copy_data) {
            if (!sql_splitter_copy_data(cursor.splitter, &piece, err))
                return false;
            if (piece.len == 0)
                break;
        }
        if (!str_copy(own->arena, text_of(&statement, cursor.is_lasting), &text))
            return error_nomem(err);
        hash_add(&hash, text);
        if (!cursor.is_lasting)
            hash_add(&hash, STR(";"));
        if (!base64_of(own->arena, hash, &digest, err))
            return false;
        if (!vec_push(own->arena, &file->texts, text) ||
            !vec_push(own->arena, &file->digests, digest))
            return error_nomem(err);
    }
    file->has_statements = true;
    return true;
}

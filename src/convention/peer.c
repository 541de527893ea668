/* What the conventions of other tools share. SPDX-License-Identifier: Apache-2.0 */
#include "convention/peer.h"

#include <stdlib.h>
#include <string.h>

/* ---- files ---------------------------------------------------------------------------------------------- */

typedef struct Walk {
    const ConventionContext *ctx;
    Arena *arena;
    PeerFileVec *files;
    Error *err;
} Walk;

static bool bad_file(const char *path, const char *what, Error *err)
{
    error_set(err, ERROR_IO, "%s %s", path, what);
    error_code(err, "bad-file");
    error_at(err, str_from(path), 0, 0);
    return error_hint(err, "Mend it or take it out of the folder.");
}

/* What is hidden, and what is neither file nor folder. */
static bool is_passed_over(const FolderEntry *entry)
{
    return entry->name.ptr[0] == '.' || entry->kind == FILE_OTHER;
}

static bool check_entry(const FolderEntry *entry, const char *folder, Arena *arena, Error *err)
{
    bool is_utf8 = str_is_utf8(entry->name, NULL);
    if (is_utf8 && entry->kind != FILE_ABSENT)
        return true;
    const char *path = path_join(arena, folder, entry->name);
    if (!path)
        return error_nomem(err);
    return bad_file(
        path, is_utf8 ? "is a symbolic link that leads nowhere" : "has a name that is not UTF-8",
        err);
}

static bool walk_folder(Walk *walk, const char *folder, Str below, unsigned depth)
{
    FolderEntryVec entries = {0};
    if (!folder_entries(walk->ctx, walk->arena, folder, &entries, walk->err))
        return error_hint(
            walk->err,
            "Make the folder with `whimbrel new NAME`, or name another with --migrations.");
    for (size_t i = 0; i < entries.len; i++) {
        const FolderEntry *entry = &entries.items[i];
        if (is_passed_over(entry))
            continue;
        if (!check_entry(entry, folder, walk->arena, walk->err))
            return false;
        const char *path = path_join(walk->arena, folder, entry->name);
        const char *relative = below.len > 0 ? str_format(walk->arena, "%.*s/%.*s", STR_ARG(below),
                                                          STR_ARG(entry->name))
                                             : str_z(walk->arena, entry->name);
        if (!path || !relative)
            return error_nomem(walk->err);
        if (entry->kind == FILE_FOLDER) {
            if (depth > 0 && !walk_folder(walk, path, str_from(relative), depth - 1))
                return false;
            continue;
        }
        PeerFile file = {.path = path, .relative = str_from(relative)};
        file.name = path_base(file.relative);
        if (!vec_push(walk->arena, walk->files, file))
            return error_nomem(walk->err);
    }
    return true;
}

static int by_relative(const void *a, const void *b)
{
    const PeerFile *one = a, *two = b;
    return str_cmp(one->relative, two->relative);
}

bool peer_files(const ConventionContext *ctx, Arena *arena, unsigned depth, PeerFileVec *ret_files,
                Error *err)
{
    PeerFileVec files = {0};
    Walk walk = {ctx, arena, &files, err};
    for (size_t i = 0; i < ctx->folders.len; i++) {
        const char *folder = str_z(arena, ctx->folders.items[i]);
        size_t from = files.len;
        if (!folder)
            return error_nomem(err);
        if (!walk_folder(&walk, folder, (Str){0}, depth))
            return false;
        if (files.len > from)
            qsort(files.items + from, files.len - from, sizeof *files.items, by_relative);
    }
    *ret_files = files;
    return true;
}

bool peer_read(const ConventionContext *ctx, Arena *arena, const char *path, Str *ret_text,
               Error *err)
{
    return file_tree_read(ctx->files, arena, path, PEER_FILE_BYTES, ret_text, err);
}

bool(peer_bad_line)(const char *path, uint32_t line, const char *what, const char *hint, Error *err)
{
    error_set(err, ERROR_PARSE, "%s: %s", path, what);
    error_code(err, "bad-annotation");
    error_at(err, str_from(path), line, 1);
    return error_hint(err, "%s", hint);
}

bool(peer_bad_file)(const char *path, const char *code, const char *what, const char *hint,
                    Error *err)
{
    error_set(err, ERROR_PARSE, "%s %s", path, what);
    error_code(err, code);
    error_at(err, str_from(path), 0, 0);
    return error_hint(err, "%s", hint);
}

bool peer_ignore(Arena *arena, MigrationSet *set, const char *path, Error *err)
{
    return vec_push(arena, &set->ignored, str_from(path)) || error_nomem(err);
}

bool peer_add_files(const ConventionContext *ctx, Arena *arena, unsigned depth, PeerFileAdder *add,
                    MigrationSet *ret_set, Error *err)
{
    MigrationSet set = {.script_options = peer_script_options(ctx)};
    PeerFileVec files = {0};
    if (!peer_files(ctx, arena, depth, &files, err))
        return false;
    for (size_t i = 0; i < files.len; i++) {
        if (!add(ctx, arena, &files.items[i], &set, err))
            return false;
    }
    *ret_set = set;
    return true;
}

bool peer_order_as_added(Arena *arena, MigrationSet *set, Error *err)
{
    StrVec versions = {0};
    for (size_t i = 0; i < set->migrations.len; i++) {
        if (!vec_push(arena, &versions, set->migrations.items[i].version))
            return error_nomem(err);
    }
    return version_order_list(arena, &versions, &set->versions, err);
}

Str peer_digits(Str name)
{
    size_t len = 0;
    while (len < name.len && name.ptr[len] >= '0' && name.ptr[len] <= '9')
        len++;
    return str_sub(name, 0, len);
}

bool peer_add(Arena *arena, MigrationSet *set, Str version, Str name, Migration **ret_migration,
              Error *err)
{
    Migration migration = {.version = version, .name = name, .kind = MIGRATION_VERSIONED};
    if (!vec_push(arena, &set->migrations, migration))
        return error_nomem(err);
    *ret_migration = &set->migrations.items[set->migrations.len - 1];
    return true;
}

bool(peer_twice)(const char *tool, const char *one, const char *two, Str version, Error *err)
{
    error_set(err, ERROR_STATE, "two migrations have version %.*s: %s and %s", STR_ARG(version),
              one, two);
    error_code(err, "duplicate-version");
    error_at(err, str_from(two), 0, 0);
    return error_hint(err,
                      "%s would not take both. Give the one that is not applied anywhere yet a "
                      "newer version.",
                      tool);
}

ScriptOptions peer_script_options(const ConventionContext *ctx)
{
    return (ScriptOptions){
        .split = {.dialect = ctx->dialect},
        .checksum_hash = ctx->convention->checksum_hash,
        .reads_directives = true,
        .history_table = ctx->table.len > 0 ? ctx->table : str_from(ctx->convention->default_table),
    };
}

const char *peer_next_version(Arena *arena, const MigrationSet *set, bool is_numbered, int width,
                              Timestamp now)
{
    char buf[TIMESTAMP_TEXT];
    if (is_numbered) {
        const Migration *last =
            set->migrations.len > 0 ? &set->migrations.items[set->migrations.len - 1] : NULL;
        /* The file has the zeros that a number may have lost. */
        Str digits = last && last->up ? peer_digits(path_base(str_from(last->up->path))) : (Str){0};
        uint64_t number = 0;
        if (last && (!str_to_u64(peer_digits(last->version), &number) || number == UINT64_MAX))
            number = 0;
        if (last && digits.len > 0 && digits.len < 20)
            width = (int)digits.len;
        return str_format(arena, "%0*llu", width, (unsigned long long)number + 1);
    }
    while (migration_set_find(set, str_from(timestamp_compact(now, buf))))
        now += 1000000;
    return str_z(arena, str_from(timestamp_compact(now, buf)));
}

bool peer_slug(Arena *arena, Str name, Str *ret_slug, Error *err)
{
    char *slug = str_z(arena, name);
    if (!slug)
        return error_nomem(err);
    for (size_t i = 0; i < name.len; i++) {
        if (slug[i] == ' ')
            slug[i] = '_';
    }
    if (name.len == 0 || memchr(slug, '/', name.len) || memchr(slug, '\0', name.len) ||
        !str_is_utf8(name, NULL)) {
        error_set(err, ERROR_USAGE, "a migration cannot be called \"%.*s\"", STR_ARG(name));
        error_code(err, "bad-name");
        return error_hint(err, "Say in a few words what it does: whimbrel new \"add users\".");
    }
    *ret_slug = (Str){slug, name.len};
    return true;
}

bool peer_new_stem(const ConventionContext *ctx, Arena *arena, const MigrationSet *set, Str name,
                   unsigned new_kind, bool is_numbered, int width, Timestamp now, Str *ret_stem,
                   Error *err)
{
    Str slug;
    if (new_kind == NEW_REPEATABLE || new_kind == NEW_FOLDER)
        return peer_lacks_kind(ctx->convention, new_kind, err);
    if (!peer_slug(arena, name, &slug, err))
        return false;
    const char *version = peer_next_version(arena, set, is_numbered, width, now);
    const char *stem = version ? str_format(arena, "%s_%.*s", version, STR_ARG(slug)) : NULL;
    *ret_stem = str_from(stem);
    return stem || error_nomem(err);
}

bool peer_new_files(Arena *arena, Str stem, const char *up, const char *down, StrVec *ret_paths,
                    Error *err)
{
    const char *const suffixes[] = {up, down};
    StrVec paths = {0};
    for (size_t i = 0; i < 2 && suffixes[i]; i++) {
        const char *path = str_format(arena, "%.*s%s", STR_ARG(stem), suffixes[i]);
        if (!path || !vec_push(arena, &paths, str_from(path)))
            return error_nomem(err);
    }
    *ret_paths = paths;
    return true;
}

bool peer_new_sections(Arena *arena, const char *up_marker, Str text, const char *down_marker,
                       Str *ret_text, Error *err)
{
    StrBuf out = strbuf(arena);
    strbuf_adds(&out, up_marker);
    strbuf_add(&out, text);
    strbuf_adds(&out, down_marker);
    return strbuf_finish(&out, ret_text) || error_nomem(err);
}

bool peer_lacks(const Convention *convention, const char *what, Error *err)
{
    error_set(err, ERROR_UNSUPPORTED, "%s has no %s", convention->title, what);
    error_code(err, "not-in-convention");
    return error_hint(
        err, "Leave the option out, or convert the project with `whimbrel convert --to whimbrel`.");
}

bool peer_lacks_kind(const Convention *convention, unsigned new_kind, Error *err)
{
    return peer_lacks(convention,
                      new_kind == NEW_FOLDER       ? "migrations in folders"
                      : new_kind == NEW_REPEATABLE ? "repeatable migrations"
                                                   : "downs",
                      err);
}

bool peer_only_postgres(const Convention *convention, Error *err)
{
    error_set(err, ERROR_UNSUPPORTED, "%s works on PostgreSQL only", convention->title);
    error_code(err, "not-in-convention");
    return error_hint(err, "Name a database of PostgreSQL with --database, or another convention "
                           "with --convention.");
}

bool peer_variable(const ConventionContext *ctx, Str name, Str *ret_value)
{
    *ret_value = (Str){0};
    for (size_t i = 0; ctx->variables && ctx->variables[i]; i++) {
        Str key, value = str_cut(str_from(ctx->variables[i]), '=', &key);
        if (!str_eq(key, name))
            continue;
        *ret_value = value;
        return true;
    }
    return false;
}

/* ---- files of several sections ---------------------------------------------------------------------------- */

bool line_next(Str text, Line *line)
{
    size_t from = line->to;
    if (from >= text.len)
        return false;
    size_t end = str_find_char(text, '\n', from);
    line->from = from;
    line->to = end == SIZE_MAX ? text.len : end + 1;
    size_t to = end == SIZE_MAX ? text.len : end;
    if (to > from && text.ptr[to - 1] == '\r')
        to--;
    line->text = str_sub(text, from, to);
    line->number++;
    return true;
}

bool line_joined(Arena *arena, Str text, Line *line, Str first, Str *ret_joined, Error *err)
{
    StrBuf whole = strbuf(arena);
    while (str_ends(first, STR("\\"))) {
        strbuf_add(&whole, str_sub(first, 0, first.len - 1));
        first = line_next(text, line) ? str_trim(line->text) : (Str){0};
    }
    strbuf_add(&whole, first);
    return strbuf_finish(&whole, ret_joined) || error_nomem(err);
}

typedef struct SectionOwn {
    const ConventionContext *ctx;
    SectionReader *reader;
    bool is_down;
} SectionOwn;

/* Everything but these ranges becomes blanks, so that places stay what they are in the file. */
static void keep_ranges(char *text, size_t len, const SqlRangeVec *kept)
{
    size_t at = 0;
    for (size_t i = 0; i <= kept->len; i++) {
        size_t to = i < kept->len ? kept->items[i].from : len;
        for (; at < to; at++) {
            if (text[at] != '\n' && text[at] != '\r')
                text[at] = ' ';
        }
        if (i < kept->len)
            at = kept->items[i].to;
    }
}

static bool section_prepare(const void *ctx, Arena *arena, const Script *script, Str text,
                            const SqlSplitOptions *split, ScriptText *ret_text, Error *err)
{
    (void)ctx;
    (void)split;
    const SectionOwn *own = script->form->own;
    Sections sections = {0};
    if (!own->reader(own->ctx, arena, script->path, text, &sections, err))
        return false;
    const SqlRangeVec *kept = own->is_down ? &sections.down : &sections.up;
    if (sections.text.len > 0)
        text = sections.text;
    char *sql = str_z(arena, text);
    ScriptText made = {.no_transaction =
                           own->is_down ? sections.no_transaction_down : sections.no_transaction_up,
                       .refusal = sections.refusal,
                       .refusal_hint = sections.refusal_hint,
                       .refusal_line = sections.refusal_line};
    if (!sql)
        return error_nomem(err);
    keep_ranges(sql, text.len, kept);
    made.sql = (Str){sql, text.len};
    for (size_t i = 0; i < sections.whole.len; i++) {
        SqlRange block = sections.whole.items[i];
        for (size_t k = 0; k < kept->len; k++) {
            if (block.from < kept->items[k].from || block.to > kept->items[k].to)
                continue;
            if (!vec_push(arena, &made.whole, block))
                return error_nomem(err);
            break;
        }
    }
    *ret_text = made;
    return true;
}

static bool section_script(const ConventionContext *ctx, Arena *arena, const char *path,
                           SectionReader *reader, bool is_down, Script **ret_script, Error *err)
{
    Script *script = script_new(arena, ctx->files, path);
    ScriptForm *form = arena_alloc(arena, sizeof *form);
    SectionOwn *own = arena_alloc(arena, sizeof *own);
    if (!script || !form || !own)
        return error_nomem(err);
    *own = (SectionOwn){ctx, reader, is_down};
    *form = (ScriptForm){.prepare = section_prepare, .own = own};
    script->form = form;
    *ret_script = script;
    return true;
}

bool sections_scripts(const ConventionContext *ctx, Arena *arena, const char *path,
                      SectionReader *reader, Script **ret_up, Script **ret_down, Error *err)
{
    scoped(Arena *, arena_freep) scratch = arena_new();
    Sections sections = {0};
    Str text;
    *ret_down = NULL;
    if (!scratch)
        return error_nomem(err);
    return peer_read(ctx, scratch, path, &text, err) &&
           reader(ctx, scratch, path, text, &sections, err) &&
           section_script(ctx, arena, path, reader, false, ret_up, err) &&
           (!sections.has_down || section_script(ctx, arena, path, reader, true, ret_down, err));
}

static bool alone_prepare(const void *ctx, Arena *arena, const Script *script, Str text,
                          const SqlSplitOptions *split, ScriptText *ret_text, Error *err)
{
    (void)ctx;
    (void)arena;
    (void)script;
    (void)split;
    (void)err;
    *ret_text = (ScriptText){.sql = text, .no_transaction = true};
    return true;
}

bool peer_script_alone(const ConventionContext *ctx, Arena *arena, const char *path,
                       bool no_transaction, Script **ret_script, Error *err)
{
    Script *script = script_new(arena, ctx->files, path);
    ScriptForm *form = no_transaction ? arena_alloc(arena, sizeof *form) : NULL;
    if (!script || (no_transaction && !form))
        return error_nomem(err);
    if (form)
        *form = (ScriptForm){.prepare = alone_prepare};
    script->form = form;
    *ret_script = script;
    return true;
}

typedef struct RefusedOwn {
    const char *refusal, *hint;
} RefusedOwn;

static bool refused_prepare(const void *ctx, Arena *arena, const Script *script, Str text,
                            const SqlSplitOptions *split, ScriptText *ret_text, Error *err)
{
    (void)ctx;
    (void)arena;
    (void)text;
    (void)split;
    (void)err;
    const RefusedOwn *own = script->form->own;
    *ret_text = (ScriptText){.sql = STR(" "),
                             .takes_any_checksum = true,
                             .refusal = own->refusal,
                             .refusal_hint = own->hint};
    return true;
}

bool peer_script_refused(const ConventionContext *ctx, Arena *arena, const char *path,
                         const char *refusal, const char *hint, Script **ret_script, Error *err)
{
    Script *script = script_new(arena, ctx->files, path);
    ScriptForm *form = arena_alloc(arena, sizeof *form);
    RefusedOwn *own = arena_alloc(arena, sizeof *own);
    if (!script || !form || !own)
        return error_nomem(err);
    *own = (RefusedOwn){refusal, hint};
    *form = (ScriptForm){.prepare = refused_prepare, .own = own};
    script->form = form;
    *ret_script = script;
    return true;
}

/* ---- JDBC's URLs ---------------------------------------------------------------------------------------------- */

static bool is_known_engine(Str url)
{
    return str_starts_nocase(url, STR("jdbc:postgresql:")) ||
           str_starts_nocase(url, STR("jdbc:mysql:")) ||
           str_starts_nocase(url, STR("jdbc:mariadb:")) ||
           str_starts_nocase(url, STR("jdbc:sqlite:"));
}

/* One parameter of the driver's: what only speaks of the driver itself is left out, what is known passes. */
static bool take_param(Arena *arena, Str key, Str value, Str *user, Str *password, StrBuf *params,
                       StrVec *unheeded, Error *err)
{
    static const char *const passed[] = {"sslmode", "sslrootcert",   "sslcert",
                                         "sslkey",  "currentSchema", NULL};
    if (str_eq(key, STR("user")) || str_eq(key, STR("password"))) {
        Str *into = str_eq(key, STR("user")) ? user : password;
        *into = into->len > 0 ? *into : value;
        return true;
    }
    for (size_t i = 0; passed[i]; i++) {
        if (!str_eq(key, str_from(passed[i])))
            continue;
        strbuf_adds(params, params->len > 0 ? "&" : "");
        strbuf_addf(params, "%.*s=%.*s", STR_ARG(key), STR_ARG(value));
        return true;
    }
    const char *name = str_format(arena, "url's %.*s", STR_ARG(key));
    return (name && vec_push(arena, unheeded, str_from(name))) || error_nomem(err);
}

/* jdbc:postgresql://host/db?user=u is ours once "jdbc:" is gone and the user stands before the host. */
bool peer_jdbc_url(Arena *arena, const char *place, Str url, Str user, Str password, Str schema,
                   StrVec *unheeded, Str *ret_url, Error *err)
{
    StrBuf out = strbuf(arena), params = strbuf(arena);
    if (!is_known_engine(url)) {
        /* The value may hold a password. */
        error_set(err, ERROR_USAGE, "%s: url is not of PostgreSQL, MySQL, MariaDB or SQLite",
                  place);
        error_code(err, "bad-setting");
        return error_hint(err, "whimbrel works on these four.");
    }
    Str plain = str_sub(url, 5, url.len), head, rest = str_cut(plain, '?', &head);
    Str scheme, behind = str_cut(head, ':', &scheme);
    if (str_eq_nocase(scheme, STR("sqlite"))) {
        strbuf_addf(&out, "sqlite:%.*s", STR_ARG(behind));
        return strbuf_finish(&out, ret_url) || error_nomem(err);
    }
    while (rest.len > 0) {
        Str part, key, value;
        rest = str_cut(rest, '&', &part);
        value = str_cut(part, '=', &key);
        if (!take_param(arena, key, value, &user, &password, &params, unheeded, err))
            return false;
    }
    if (schema.len > 0 && str_eq_nocase(scheme, STR("postgresql")) &&
        str_find(strbuf_str(&params), STR("currentSchema="), 0) == SIZE_MAX) {
        strbuf_adds(&params, params.len > 0 ? "&" : "");
        strbuf_adds(&params, "search_path=");
        peer_add_escaped(&params, schema);
        if (!str_eq(schema, STR("public")))
            strbuf_adds(&params, ",public");
    }
    bool has_slashes = str_starts(behind, STR("//"));
    strbuf_addf(&out, "%.*s://", STR_ARG(scheme));
    if (user.len > 0) {
        peer_add_escaped(&out, user);
        if (password.len > 0) {
            strbuf_adds(&out, ":");
            peer_add_escaped(&out, password);
        }
        strbuf_adds(&out, "@");
    }
    /* jdbc:postgresql:db is a database on this machine. */
    strbuf_adds(&out, has_slashes ? "" : "localhost/");
    strbuf_add(&out, has_slashes ? str_sub(behind, 2, behind.len) : behind);
    Str query = strbuf_str(&params);
    if (query.len > 0)
        strbuf_addf(&out, "?%.*s", STR_ARG(query));
    return strbuf_finish(&out, ret_url) || error_nomem(err);
}

/* ---- history ------------------------------------------------------------------------------------------------ */

bool peer_foreign(const ConventionContext *ctx, const TableName *name, Arena *arena,
                  const char *what, Error *err)
{
    const char *plain = table_name_plain(arena, name, "");
    if (!plain)
        return error_nomem(err);
    error_set(err, ERROR_STATE, "the table %s is not a history of %s: %s", plain,
              ctx->convention->title, what);
    error_code(err, "foreign-history");
    return error_hint(err, "Check --table and --convention.");
}

static bool read_rows(const ConventionContext *ctx, Db *db, Arena *arena, const PeerTable *table,
                      bool asks, bool *ret_has_table, Error *err)
{
    scoped(DbRows, db_rows_done) rows = {0};
    StrBuf sql = strbuf(arena);
    Str text;
    *ret_has_table = true;
    if (asks && !history_add_presence(db, arena, &table->name, &sql, err))
        return false;
    strbuf_addf(&sql, "SELECT %s FROM ", table->columns);
    table_name_add(&sql, ctx->dialect, &table->name, "");
    if (table->where)
        strbuf_addf(&sql, " WHERE %s", table->where);
    if (table->order)
        strbuf_addf(&sql, " ORDER BY %s", table->order);
    if (!strbuf_finish(&sql, &text))
        return error_nomem(err);
    if (!db_query(db, text, &rows, err))
        return false;
    if (asks && !history_take_presence(&rows, ret_has_table))
        return db_rows_finish(&rows, err);
    while (db_rows_next(&rows)) {
        const char *what = "its columns are others";
        bool is_good = rows.col_count == table->column_count;
        if (is_good && !table->row(table->ctx, rows.cols, &is_good, &what, err))
            return false;
        if (!is_good)
            return peer_foreign(ctx, &table->name, arena, what, err);
    }
    return db_rows_finish(&rows, err);
}

bool peer_table_read(const ConventionContext *ctx, Db *db, Arena *arena, const PeerTable *table,
                     bool *ret_exists, Error *err)
{
    /* A failing query ends a transaction on PostgreSQL: within one the table is asked for first. */
    bool tries_at_once = db_has(db, DB_BATCH) && !db->is_in_transaction;
    Error local = {.arena = err ? err->arena : arena};
    bool has_table = false, is_read = false;
    if (tries_at_once) {
        is_read = read_rows(ctx, db, arena, table, true, &has_table, &local);
        /* Absent it may be as the query says; else something of it is absent, or the engine was not asked. */
        if (is_read || (!has_table && error_means_absent(&local, ctx->dialect))) {
            *ret_exists = has_table;
            return true;
        }
    }
    if (!tries_at_once || error_means_absent(&local, ctx->dialect)) {
        const char *plain = table_name_plain(arena, &table->name, "");
        if (!plain)
            return error_nomem(err);
        if (!db->driver->has_table(db, str_from(plain), &has_table, err))
            return error_wrap(err, "reading the history");
        *ret_exists = has_table;
        if (!has_table)
            return true;
        if (tries_at_once)
            return peer_foreign(ctx, &table->name, arena, local.message, err);
        if (read_rows(ctx, db, arena, table, false, &has_table, &local))
            return true;
        if (error_means_absent(&local, ctx->dialect))
            return peer_foreign(ctx, &table->name, arena, local.message, err);
    }
    if (err)
        *err = local;
    return error_wrap(err, "reading the history");
}

bool peer_history_read(const ConventionContext *ctx, Db *db, Arena *arena, const PeerTable *table,
                       const VersionOrder *versions, History *ret_history, Error *err)
{
    History history = {.versions = versions};
    PeerReader reader = {ctx, arena, &history, table->ctx};
    PeerTable read = *table;
    read.ctx = &reader;
    if ((table->name.table.len == 0 && !table_name_read(ctx, arena, &read.name, err)) ||
        !peer_table_read(ctx, db, arena, &read, &history.exists, err) ||
        !history_finish(arena, &history, err))
        return false;
    *ret_history = history;
    return true;
}

bool peer_check_schema(const ConventionContext *ctx, const Db *db, Str schema, Error *err)
{
    const char *title = ctx->convention->title;
    Str first;
    if (schema.len == 0 || ctx->dialect == SQL_SQLITE)
        return true;
    if (ctx->dialect == SQL_MYSQL) {
        first = str_from(db->info.database);
    } else {
        (void)str_cut(str_from(db->info.search_path), ',', &first);
        first = str_trim(first);
        if (first.len > 1 && first.ptr[0] == '"')
            first = str_sub(first, 1, first.len - 1);
        if (str_eq(schema, str_from(db->info.schema)))
            return true;
    }
    if (str_eq(schema, first))
        return true;
    error_set(err, ERROR_USAGE,
              "the configuration of %s has the default schema %.*s, but the connection works in "
              "%.*s",
              title, STR_ARG(schema), STR_ARG(first));
    error_code(err, "bad-setting");
    if (ctx->dialect == SQL_MYSQL)
        return error_hint(err, "Name that database in the URL.");
    return error_hint(err,
                      "Add ?search_path=%.*s to the URL, or let the URL stand in the configuration "
                      "of %s.",
                      STR_ARG(schema), title);
}

bool peer_push_row(const PeerReader *reader, Str version, Str name, HistoryRow **ret_row,
                   Error *err)
{
    HistoryRowVec *rows = &reader->history->rows;
    Str kept, kept_name;
    if (!str_copy(reader->arena, version, &kept) || !str_copy(reader->arena, name, &kept_name))
        return error_nomem(err);
    HistoryRow row = peer_row(kept, kept_name, (int64_t)rows->len + 1);
    if (!vec_push(reader->arena, rows, row))
        return error_nomem(err);
    if (ret_row)
        *ret_row = &rows->items[rows->len - 1];
    return true;
}

bool peer_push_timed_row(const PeerReader *reader, const DbValue *cols, const char *lacks,
                         bool *ret_is_good, const char **ret_what, HistoryRow **ret_row, Error *err)
{
    *ret_row = NULL;
    *ret_is_good = !cols[0].is_null && cols[0].text.len > 0;
    *ret_what = lacks;
    if (!*ret_is_good)
        return true;
    if (!peer_push_row(reader, cols[0].text, (Str){0}, ret_row, err))
        return false;
    (*ret_row)->finished_at = peer_instant_of(reader->ctx->dialect, &cols[1]);
    return true;
}

const char *peer_instant(SqlDialect dialect, Arena *arena, const char *column, bool is_utc)
{
    switch (dialect) {
    case SQL_POSTGRES:
        return str_format(arena, "CAST(date_part('epoch', %s) * 1000000 AS BIGINT)", column);
    case SQL_MYSQL: /* neither depends on the session's time zone, each for its type */
        if (is_utc)
            return str_format(arena, "TIMESTAMPDIFF(MICROSECOND, '1970-01-01', %s)", column);
        return str_format(arena, "CAST(UNIX_TIMESTAMP(%s) * 1000000 AS SIGNED)", column);
    case SQL_SQLITE:
        break;
    }
    return column;
}

Timestamp peer_instant_of(SqlDialect dialect, const DbValue *value)
{
    Timestamp found = TIMESTAMP_UNKNOWN;
    bool is_known = !value->is_null && (dialect == SQL_SQLITE ? timestamp_parse(value->text, &found)
                                                              : db_value_i64(value, &found));
    return is_known ? found : TIMESTAMP_UNKNOWN;
}

bool peer_push_up_to(const ConventionContext *ctx, Arena *arena, Str version, HistoryOutcome last,
                     History *history, Error *err)
{
    const PeerReader reader = {ctx, arena, history, NULL};
    HistoryRow *row = NULL;
    int order = -1;
    for (size_t i = 0; ctx->set && i < ctx->set->migrations.len && order < 0; i++) {
        const Migration *migration = &ctx->set->migrations.items[i];
        order = version_compare(migration->version, version);
        if (order <= 0 && !peer_push_row(&reader, migration->version, migration->name, &row, err))
            return false;
    }
    if (order != 0 && !peer_push_row(&reader, version, (Str){0}, &row, err))
        return false;
    row->outcome = last;
    return true;
}

bool peer_create_table(const ConventionContext *ctx, Arena *arena, const History *history,
                       const char *columns, DbStatementVec *out, Error *err)
{
    TableName name;
    StrBuf sql = strbuf(arena);
    if (history->exists)
        return true;
    if (!table_name_read(ctx, arena, &name, err))
        return false;
    peer_begin(&sql, ctx, &name, "CREATE TABLE IF NOT EXISTS ");
    strbuf_add_char(&sql, ' ');
    strbuf_adds(&sql, columns);
    return statement_push(arena, &sql, out, err);
}

bool peer_where_text(const ConventionContext *ctx, Arena *arena, const char *column, Str value,
                     Str *ret_where, Error *err)
{
    StrBuf where = strbuf(arena);
    strbuf_addf(&where, "%s = ", column);
    sql_add_literal(&where, ctx->dialect, value);
    return strbuf_finish(&where, ret_where) || error_nomem(err);
}

void peer_begin(StrBuf *sql, const ConventionContext *ctx, const TableName *name, const char *verb)
{
    strbuf_adds(sql, verb);
    table_name_add(sql, ctx->dialect, name, "");
}

Timestamp peer_finished_at(const HistoryWrite *write)
{
    return write->kept ? write->kept->finished_at : TIMESTAMP_UNKNOWN;
}

void peer_add_time(StrBuf *sql, SqlDialect dialect, Timestamp time)
{
    char buf[TIMESTAMP_TEXT];
    switch (dialect) {
    case SQL_POSTGRES: /* a column without a zone passes over that of a bare literal */
        strbuf_addf(sql, "'%s+00'", timestamp_sql(time, buf));
        return;
    case SQL_MYSQL: /* as a TIMESTAMP is read: in the session's zone, whatever that is */
        strbuf_addf(sql, "FROM_UNIXTIME(%lld.%06lld)", (long long)(time / 1000000),
                    (long long)(time % 1000000));
        return;
    case SQL_SQLITE:
        strbuf_addf(sql, "'%.19s'", timestamp_sql(time, buf));
        return;
    }
}

Str peer_version(const HistoryWrite *write)
{
    return write->migration ? write->migration->version : write->row->version;
}

Str peer_name(const HistoryWrite *write)
{
    return write->migration ? write->migration->name : write->row->name;
}

HistoryRow peer_row(Str version, Str name, int64_t rank)
{
    return (HistoryRow){.version = version,
                        .name = name,
                        .kind = MIGRATION_VERSIONED,
                        .outcome = HISTORY_APPLIED,
                        .rank = rank,
                        .started_at = TIMESTAMP_UNKNOWN,
                        .finished_at = TIMESTAMP_UNKNOWN,
                        .duration_us = -1};
}

static bool push_delete(const ConventionContext *ctx, const TableName *name, Arena *arena,
                        Str where, DbStatementVec *out, Error *err)
{
    StrBuf sql = strbuf(arena);
    peer_begin(&sql, ctx, name, "DELETE FROM ");
    strbuf_adds(&sql, " WHERE ");
    strbuf_add(&sql, where);
    return statement_push(arena, &sql, out, err);
}

bool peer_write_row(const ConventionContext *ctx, const TableName *name, Arena *arena,
                    const HistoryWrite *write, Str where, Str columns, Str values,
                    DbStatementVec *out, Error *err)
{
    StrBuf sql = strbuf(arena);
    switch (write->kind) {
    case WRITE_APPLIED:
    case WRITE_BASELINE:
        if (write->row && !push_delete(ctx, name, arena, where, out, err))
            return false;
        peer_begin(&sql, ctx, name, "INSERT INTO ");
        strbuf_adds(&sql, " (");
        strbuf_add(&sql, columns);
        strbuf_adds(&sql, ") VALUES (");
        strbuf_add(&sql, values);
        strbuf_adds(&sql, ")");
        return statement_push(arena, &sql, out, err);
    case WRITE_REMOVED:
    case WRITE_DELETED: /* there is no other way to say that it is gone for good */
        return push_delete(ctx, name, arena, where, out, err);
    case WRITE_BEGIN:
    case WRITE_STEP:
    case WRITE_FAILED:
    case WRITE_CHECKSUM:
    case WRITE_SKIPPED:
    case WRITE_RUN_BEGIN:
    case WRITE_RUN_END:
        return true;
    }
    return true;
}

bool peer_own_lock(const ConventionContext *ctx, const Db *db, Arena *arena, DbLockKey *ret_key,
                   Error *err)
{
    return convention_whimbrel.lock_key(ctx, db, arena, ret_key, err);
}

/* ---- recognition ---------------------------------------------------------------------------------------------- */

const char *peer_beside(const ConventionContext *ctx, Arena *arena, Str name)
{
    const char *folder =
        ctx->project_folder
            ? ctx->project_folder
            : str_z(arena, ctx->folders.len > 0 ? path_folder(ctx->folders.items[0]) : STR("."));
    return folder ? path_join(arena, folder, name) : NULL;
}

bool peer_configuration(const ConventionContext *ctx, Arena *arena, Str name, const char **ret_path,
                        Str *ret_text, Error *err)
{
    enum { CONFIGURATION_BYTES = 1 << 20 };
    FileInfo info;
    *ret_path = NULL;
    if (ctx->files)
        return true;
    const char *path = peer_beside(ctx, arena, name);
    if (!path)
        return error_nomem(err);
    if (!file_info(path, &info, err))
        return false;
    if (info.kind != FILE_REGULAR)
        return true;
    if (!file_read(arena, path, CONFIGURATION_BYTES, ret_text, err))
        return false;
    *ret_path = path;
    return true;
}

bool peer_try_configuration(bool (*configure)(ConventionContext *, Arena *, Error *),
                            ConventionContext *ctx, Arena *arena, Error *err)
{
    const ConventionContext before = *ctx;
    Error ignored = {.arena = arena};
    if (configure(ctx, arena, &ignored))
        return true;
    *ctx = before;
    return ignored.kind != ERROR_NOMEM || error_nomem(err);
}

bool peer_take_table(ConventionContext *ctx, Arena *arena, Str schema, Str table, Error *err)
{
    StrBuf out = strbuf(arena);
    bool has_schema = schema.len > 0 && ctx->dialect != SQL_SQLITE;
    if (ctx->table.len > 0 || (table.len == 0 && !has_schema))
        return true;
    if (has_schema) {
        sql_add_ident(&out, SQL_POSTGRES, schema);
        strbuf_add_char(&out, '.');
    }
    sql_add_ident(&out, SQL_POSTGRES,
                  table.len > 0 ? table : str_from(ctx->convention->default_table));
    return strbuf_finish(&out, &ctx->table) || error_nomem(err);
}

bool peer_note(ConventionContext *ctx, Arena *arena, const char *sentence, Error *err)
{
    return (sentence && vec_push(arena, &ctx->notes, str_from(sentence))) || error_nomem(err);
}

bool peer_take_folder(ConventionContext *ctx, Arena *arena, const char *path, Error *err)
{
    StrVec folders = {0};
    if (!path || !vec_push(arena, &folders, str_from(path)))
        return error_nomem(err);
    if (!ctx->are_folders_default)
        return true;
    ctx->folders = folders;
    ctx->are_folders_default = false;
    return true;
}

bool peer_take_variables(ConventionContext *ctx, Arena *arena, Str folder_name, Str table_name,
                         Error *err)
{
    Str folder, table;
    if (peer_variable(ctx, folder_name, &folder) && folder.len > 0 && !ctx->files &&
        !peer_take_folder(ctx, arena, str_z(arena, folder), err))
        return false;
    if (peer_variable(ctx, table_name, &table) && ctx->table.len == 0)
        ctx->table = table;
    return true;
}

bool peer_take_usual_folder(ConventionContext *ctx, Arena *arena, const char *const *usual,
                            Error *err)
{
    for (size_t i = 0; ctx->are_folders_default && !ctx->files && usual[i]; i++) {
        Error why = {.arena = arena};
        FileInfo info;
        const char *path = peer_beside(ctx, arena, str_from(usual[i]));
        if (!path)
            return error_nomem(err);
        if (!file_info(path, &info, &why)) {
            if (!peer_note(ctx, arena,
                           str_format(arena, "%s is passed over: %s", path, why.message), err))
                return false;
        } else if (info.kind == FILE_FOLDER && !peer_take_folder(ctx, arena, path, err)) {
            return false;
        }
    }
    return true;
}

static void add_escaped(StrBuf *url, Str text, const char *others)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        bool is_plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                        (c >= '0' && c <= '9') || (c != '\0' && strchr(others, c));
        if (is_plain)
            strbuf_add_char(url, c);
        else
            strbuf_addf(url, "%%%02X", (unsigned char)c);
    }
}

void peer_add_escaped(StrBuf *url, Str text)
{
    add_escaped(url, text, "-._~");
}

void peer_add_escaped_path(StrBuf *url, Str text)
{
    add_escaped(url, text, "-._~/");
}

bool peer_server_url(Arena *arena, const PeerServer *server, Str *ret_url, Error *err)
{
    StrBuf url = strbuf(arena);
    strbuf_addf(&url, "%s://", server->scheme);
    peer_add_escaped(&url, server->user);
    if (server->password.len > 0) {
        strbuf_add_char(&url, ':');
        peer_add_escaped(&url, server->password);
    }
    if (server->user.len > 0 || server->password.len > 0)
        strbuf_add_char(&url, '@');
    strbuf_add(&url, server->host.len > 0 ? server->host : STR("localhost"));
    if (server->port.len > 0) {
        strbuf_add_char(&url, ':');
        strbuf_add(&url, server->port);
    }
    strbuf_add_char(&url, '/');
    peer_add_escaped(&url, server->database);
    if (server->query[0])
        strbuf_addf(&url, "?%s", server->query);
    return strbuf_finish(&url, ret_url) || error_nomem(err);
}

static bool look_at_configurations(const ConventionContext *ctx, Arena *arena,
                                   const PeerSigns *signs, ConventionGuess *guess, Error *err)
{
    if (ctx->files || !signs->configurations)
        return true;
    for (size_t i = 0; signs->configurations[i]; i++) {
        const char *path = peer_beside(ctx, arena, str_from(signs->configurations[i]));
        FileInfo info;
        if (!path)
            return error_nomem(err);
        /* "db" may be where a server keeps its data, open to nobody else. */
        if (!file_info(path, &info, NULL))
            continue;
        if (info.kind == FILE_REGULAR &&
            !guess_add(arena, guess, 2, str_format(arena, "%s is there", path), err))
            return false;
    }
    return true;
}

/* A tool's marks stand where a file begins, and one file may be as large as a dump. */
enum { FILES_LOOKED_INTO = 20, HEAD_BYTES = 256 * 1024 };

/* A look at all files for one that the tool would take. Folders may be long, and every tool looks at them: so nothing is kept of a
 * file that says nothing. */
typedef struct Look {
    const ConventionContext *ctx;
    const PeerSigns *signs;
    Str suffix; /* of what may be read */
    Arena *scratch;
    Arena *text;   /* of the file that is looked into */
    size_t looked; /* files that were read */
    Str found; /* the first that is taken, below its folder, rather one with a marker; empty: none yet */
    bool has_marker; /* found has */
    Error *err;
} Look;

static bool is_seen(const Look *look)
{
    return look->found.len > 0 && (!look->signs->marker || look->has_marker);
}

static bool read_head(Look *look, const char *path, Str *ret_text, Error *err)
{
    scoped(FileReader, file_reader_close) reader = {.fd = -1};
    size_t len = 0, count = 0;
    if (look->ctx->files)
        return peer_read(look->ctx, look->text, path, ret_text, err);
    if (!file_reader_open(&reader, look->text, path, err))
        return false;
    size_t cap = reader.size_bytes > 0 && reader.size_bytes < HEAD_BYTES ? (size_t)reader.size_bytes
                                                                         : HEAD_BYTES;
    char *head = arena_alloc_raw(look->text, cap);
    if (!head)
        return error_nomem(err);
    do {
        if (!file_reader_read(&reader, head + len, cap - len, &count, err))
            return false;
        len += count;
    } while (count > 0 && len < cap);
    *ret_text = (Str){head, len};
    return true;
}

/* What cannot be read is no sign, and empty. A BOM may stop the tool, but it makes the file nobody else's. */
static bool look_into(Look *look, const char *folder, PeerFile *file, Str *ret_text)
{
    arena_reset(look->text);
    Error local = {.arena = look->text};
    look->looked++;
    if (!(file->path = path_join(look->text, folder, file->name)) ||
        (!read_head(look, file->path, ret_text, &local) && local.kind == ERROR_NOMEM))
        return false;
    if (str_starts(*ret_text, STR("\xEF\xBB\xBF")))
        *ret_text = str_sub(*ret_text, 3, ret_text->len);
    return true;
}

static bool look_at_file(Look *look, const char *folder, Str relative, Str name)
{
    PeerFile file = {.relative = relative, .name = name};
    const PeerSigns *signs = look->signs;
    bool may_read = look->looked < FILES_LOOKED_INTO && str_ends(name, look->suffix);
    Str text = {0};
    if (signs->reads && !may_read)
        return true;
    if (signs->reads && !look_into(look, folder, &file, &text))
        return error_nomem(look->err);
    if (!signs->takes(look->ctx, &file, text))
        return true;
    if (signs->marker && may_read && !look_into(look, folder, &file, &text))
        return error_nomem(look->err);
    bool has_marker =
        signs->reads || (signs->marker && str_find(text, str_from(signs->marker), 0) != SIZE_MAX);
    if (look->found.len > 0 && !has_marker)
        return true;
    look->has_marker = has_marker;
    return str_copy(look->scratch, relative, &look->found) || error_nomem(look->err);
}

/* Nothing in the rest of a folder without folders can change what is found. */
static bool is_done(const Look *look)
{
    return is_seen(look) || (look->signs->reads && look->looked >= FILES_LOOKED_INTO);
}

static bool look_at_folder(Look *look, const char *folder, Str below, unsigned depth)
{
    FolderEntryVec entries = {0};
    const FolderList *known = folder_known(look->ctx, str_from(folder));
    bool is_sound = known && known->is_sound;
    bool has_only_files = is_sound && (depth == 0 || !known->has_folders);
    if (!folder_entries(look->ctx, look->scratch, folder, &entries, look->err))
        return false;
    for (size_t i = 0; i < entries.len && !(has_only_files && is_done(look)); i++) {
        const FolderEntry *entry = &entries.items[i];
        Str relative = entry->name;
        if (is_passed_over(entry))
            continue;
        if (!is_sound && !check_entry(entry, folder, look->scratch, look->err))
            return false;
        bool is_folder = entry->kind == FILE_FOLDER;
        if (is_folder ? depth == 0 : is_seen(look))
            continue;
        if (below.len > 0) {
            const char *text =
                str_format(look->scratch, "%.*s/%.*s", STR_ARG(below), STR_ARG(entry->name));
            if (!text)
                return error_nomem(look->err);
            relative = str_from(text);
        }
        if (!is_folder) {
            if (!look_at_file(look, folder, relative, entry->name))
                return false;
            continue;
        }
        const char *path = path_join(look->scratch, folder, entry->name);
        if (!path)
            return error_nomem(look->err);
        if (!look_at_folder(look, path, relative, depth - 1))
            return false;
    }
    return true;
}

static bool look_at_files(const ConventionContext *ctx, Arena *arena, const PeerSigns *signs,
                          ConventionGuess *guess, Error *err)
{
    scoped(Arena *, arena_freep) scratch = arena_new();
    scoped(Arena *, arena_freep) text = arena_new();
    if (!scratch || !text)
        return error_nomem(err);
    /* Others may take what this tool would stumble over: that is no error here, and no sign. */
    Error local = {.arena = scratch};
    Look look = {.ctx = ctx,
                 .signs = signs,
                 .suffix = str_from(signs->suffix ? signs->suffix : ".sql"),
                 .scratch = scratch,
                 .text = text,
                 .err = &local};
    for (size_t i = 0; i < ctx->folders.len; i++) {
        FolderList list;
        const char *folder = str_z(scratch, ctx->folders.items[i]);
        if (!folder)
            return error_nomem(err);
        if (!folder_look(ctx, scratch, ctx->folders.items[i], &list, err))
            return false;
        if (!list.is_there)
            continue;
        error_clear(&local);
        if (!look_at_folder(&look, folder, (Str){0}, signs->depth)) {
            if (local.kind == ERROR_NOMEM)
                return error_nomem(err);
            look.found = (Str){0};
            look.has_marker = false;
            continue;
        }
        if (look.found.len == 0)
            continue;
        guess->has_files = true;
        guess->has_markers = look.has_marker;
        return guess_add(arena, guess, look.has_marker ? 2 : 1,
                         str_format(arena, "%.*s %s %s %s", STR_ARG(look.found),
                                    look.has_marker ? "is written as" : "is named as",
                                    ctx->convention->title,
                                    look.has_marker ? "has it" : "names migrations"),
                         err);
    }
    return true;
}

bool peer_recognise(const ConventionContext *ctx, Db *db, Arena *arena, const PeerSigns *signs,
                    ConventionGuess *ret_guess, Error *err)
{
    ConventionGuess guess = {.convention = ctx->convention};
    TableName name;
    if (!look_at_configurations(ctx, arena, signs, &guess, err) ||
        !look_at_files(ctx, arena, signs, &guess, err))
        return false;
    if (db &&
        (!table_name_read(ctx, arena, &name, err) ||
         !guess_table(ctx, db, arena, &name, signs->columns, signs->has_only_these, &guess, err)))
        return false;
    *ret_guess = guess;
    return true;
}

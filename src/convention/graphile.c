/* graphile-migrate (PostgreSQL): committed/000001-name.sql, each with a digest in its head that goes over the one before, a row a file in
 * graphile_migrate.migrations. Only what is committed is looked at: current.sql is the tool's own. SPDX-License-Identifier: Apache-2.0 */
#include "convention/draft.h"

#include <string.h>

typedef struct Placeholder {
    Str name, value; /* ":NAME" */
} Placeholder;

/* What is run before or after all migrations: a file, or a command for a shell. */
typedef struct Action {
    HookPoint point;
    Str file;
    const char *place; /* ".gmrc" */
    uint32_t line;
    bool is_command;
} Action;

/* What ConventionContext.own points to. */
typedef struct Settings {
    Vec(Placeholder) placeholders;
    Str owner;                    /* :DATABASE_OWNER; empty: who is connected */
    Str search_path;              /* of pgSettings */
    Vec(Placeholder) pg_settings; /* the others */
    Vec(Action) actions;
    /* of current.sql, and what actions name files below; NULL: it is not known */
    const char *folder;
} Settings;

/* ---- files ---------------------------------------------------------------------------------------------- */

/* ^([0-9]+)(-[-_a-zA-Z0-9]*)?\.sql$ */
static bool read_name(Str name, Str *ret_digits, Str *ret_slug)
{
    Str digits = peer_digits(name);
    if (digits.len == 0 || !str_ends(name, STR(".sql")))
        return false;
    Str slug = str_sub(name, digits.len, name.len - 4);
    for (size_t i = 0; i < slug.len; i++) {
        char c = slug.ptr[i];
        if (!(c == '-' || c == '_' || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
              (c >= '0' && c <= '9')))
            return false;
    }
    if (slug.len > 0 && slug.ptr[0] != '-')
        return false;
    *ret_digits = digits;
    *ret_slug = str_sub(slug, slug.len > 0, slug.len);
    return true;
}

/* The head of a committed file: lines `--! Key: value`, then a blank one. */
typedef struct Head {
    Str previous, hash; /* previous: "-" for the first */
    bool allows_invalid;
    size_t body;
} Head;

static bool bad_head(const char *path, uint32_t line, const char *what, Error *err)
{
    return peer_bad_line(path, line, what,
                         "graphile-migrate stops at this too: `graphile-migrate commit` writes the "
                         "head, and nobody else should.",
                         err);
}

static bool read_head(const char *path, Str text, Head *ret_head, Error *err)
{
    Head head = {0};
    Line line = {0};
    bool has_end = false;
    while (line_next(text, &line)) {
        Str key, value;
        has_end = line.to - line.from == 1; /* not even a carriage return */
        if (!str_starts(line.text, STR("--! ")) || line.text.len < 5 || line.text.ptr[4] < 'A' ||
            line.text.ptr[4] > 'Z')
            break;
        value = str_trim(str_cut(str_sub(line.text, 4, line.text.len), ':', &key));
        Str *known = str_eq(key, STR("Previous")) ? &head.previous
                     : str_eq(key, STR("Hash"))   ? &head.hash
                                                  : NULL;
        if (known && known->len > 0)
            return bad_head(path, line.number, "a second line of this in the head", err);
        if (known)
            *known = value;
        head.allows_invalid = head.allows_invalid || str_eq(key, STR("AllowInvalidHash"));
        head.body = line.to;
    }
    if (head.previous.len == 0)
        return bad_head(path, 1, "there is no `--! Previous:`", err);
    if (head.hash.len == 0)
        return bad_head(path, 1, "there is no `--! Hash:`", err);
    if (!has_end)
        return bad_head(path, line.number, "there is no blank line behind the head", err);
    *ret_head = head;
    return true;
}

/* sha1: and the digest of the one before, a line's end, and the text between its first and its last letter. */
static const char *hash_of(Arena *arena, Str previous, Str body)
{
    unsigned char digest[HASH_MAX_BYTES];
    Hash hash;
    hash_begin(&hash, HASH_SHA1);
    body = str_trim(body);
    if (!str_eq(previous, STR("-"))) {
        hash_add(&hash, previous);
        hash_add(&hash, STR("\n"));
    }
    hash_add(&hash, body);
    hash_add(&hash, STR("\n"));
    const char *hex = hex_encode(arena, digest, hash_end(&hash, digest));
    return hex ? str_format(arena, "sha1:%s", hex) : NULL;
}

static bool is_word_char(char c)
{
    return c == '_' || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

/* Placeholders, which stand anywhere, in quotes and comments too, and end where a word ends. */
static void add_filled(StrBuf *out, const Settings *settings, Str text)
{
    for (size_t i = 0; i < text.len;) {
        const Placeholder *found = NULL;
        for (size_t k = 0; text.ptr[i] == ':' && k < settings->placeholders.len && !found; k++) {
            const Placeholder *one = &settings->placeholders.items[k];
            size_t end = i + one->name.len;
            if (str_starts(str_sub(text, i, text.len), one->name) &&
                (end >= text.len || !is_word_char(text.ptr[end])))
                found = one;
        }
        if (found) {
            strbuf_add(out, found->value);
            i += found->name.len;
        } else {
            strbuf_add_char(out, text.ptr[i++]);
        }
    }
}

/* `--! no-transaction` in the first line of the body. */
static bool says_no_transaction(Str body)
{
    Str first, rest;
    (void)str_cut(str_trim(body), '\n', &first);
    if (!str_starts(first, STR("--!")))
        return false;
    rest = str_trim(str_sub(first, 3, first.len));
    return str_starts(rest, STR("no-transaction")) &&
           (rest.len == 14 || !is_word_char(rest.ptr[14]));
}

static bool prepare(const void *ctx, Arena *arena, const Script *script, Str text,
                    const SqlSplitOptions *split, ScriptText *ret_text, Error *err)
{
    (void)ctx;
    (void)split;
    const Settings *settings = script->form->own;
    Head head;
    StrBuf out = strbuf(arena);
    ScriptText made = {0};
    if (!read_head(script->path, text, &head, err))
        return false;
    add_filled(&out, settings, text);
    made.checksum = head.hash;
    made.no_transaction = says_no_transaction(str_sub(text, head.body, text.len));
    *ret_text = made;
    return strbuf_finish(&out, &ret_text->sql) || error_nomem(err);
}

typedef struct Committed {
    Str previous; /* as the head says it; "-": none */
} Committed;

static bool add_file(const ConventionContext *ctx, Arena *arena, const PeerFile *file,
                     MigrationSet *set, Error *err)
{
    Str digits, slug, text;
    Head head;
    Migration *migration;
    /* Of a folder of migrations only what is committed counts. */
    bool is_below = str_find_char(file->relative, '/', 0) != SIZE_MAX;
    if ((is_below && !str_starts(file->relative, STR("committed/"))) ||
        !read_name(file->name, &digits, &slug))
        return peer_ignore(arena, set, file->path, err);
    if (!peer_read(ctx, arena, file->path, &text, err) || !read_head(file->path, text, &head, err))
        return false;
    const char *hash = hash_of(arena, head.previous, str_sub(text, head.body, text.len));
    if (!hash)
        return error_nomem(err);
    bool is_good = str_eq(str_from(hash), head.hash);
    if (!is_good && !head.allows_invalid)
        return bad_head(file->path, 2,
                        "its text is not the one that was committed: the hash differs", err);
    if (is_good && head.allows_invalid)
        return bad_head(file->path, 2, "AllowInvalidHash, and the hash is right", err);
    /* Each goes on from the one before. */
    const Committed *last = set->own;
    if (!str_eq(head.previous, last ? last->previous : STR("-")))
        return bad_head(file->path, 1, "its Previous is not the hash of the file before it", err);
    Committed *committed = arena_alloc(arena, sizeof *committed);
    ScriptForm *form = arena_alloc(arena, sizeof *form);
    if (!committed || !form || !peer_add(arena, set, digits, slug, &migration, err))
        return error_nomem(err);
    *committed = (Committed){head.hash};
    set->own = committed;
    migration->up = script_new(arena, ctx->files, file->path);
    if (!migration->up)
        return error_nomem(err);
    *form = (ScriptForm){.prepare = prepare, .own = ctx->own};
    migration->up->form = form;
    return true;
}

/* An action's file: nothing but its placeholders is the tool's. */
static bool prepare_action(const void *ctx, Arena *arena, const Script *script, Str text,
                           const SqlSplitOptions *split, ScriptText *ret_text, Error *err)
{
    StrBuf out = strbuf(arena);
    (void)ctx;
    (void)split;
    *ret_text = (ScriptText){0};
    add_filled(&out, script->form->own, text);
    return strbuf_finish(&out, &ret_text->sql) || error_nomem(err);
}

static bool add_action(const ConventionContext *ctx, Arena *arena, const Action *action,
                       MigrationSet *set, Error *err)
{
    const Settings *settings = ctx->own;
    Hook hook = {.point = action->point};
    ScriptForm *form = arena_alloc(arena, sizeof *form);
    const char *path = settings->folder ? path_join(arena, settings->folder, action->file) : NULL;
    if (!form)
        return error_nomem(err);
    if (action->is_command) {
        const char *refusal = str_format(arena, "line %u: the command \"%.*s\" would want a shell",
                                         (unsigned)action->line, STR_ARG(action->file));
        return (refusal || error_nomem(err)) &&
               peer_script_refused(ctx, arena, action->place, refusal,
                                   "graphile-migrate runs it: migrate with it, or take the "
                                   "command out of the actions.",
                                   &hook.script, err) &&
               (vec_push(arena, &set->hooks, hook) || error_nomem(err));
    }
    hook.script = path ? script_new(arena, ctx->files, path) : NULL;
    if (!hook.script || !vec_push(arena, &set->hooks, hook))
        return error_nomem(err);
    *form = (ScriptForm){.prepare = prepare_action, .own = settings};
    hook.script->form = form;
    return true;
}

/* What waits in current.sql, or in the files of current/, is nothing but a note here. */
static bool tell_of_current(const ConventionContext *ctx, Arena *arena, MigrationSet *set,
                            Error *err)
{
    const Settings *settings = ctx->own;
    const char *path =
        settings->folder ? path_join(arena, settings->folder, STR("current.sql")) : NULL;
    FileInfo info;
    Line line = {0};
    Str text;
    if (!settings->folder)
        return true;
    if (!path)
        return error_nomem(err);
    if (!file_tree_info(ctx->files, path, &info, err))
        return false;
    if (info.kind != FILE_REGULAR)
        return true;
    if (!peer_read(ctx, arena, path, &text, err))
        return false;
    while (line_next(text, &line)) {
        Str trimmed = str_trim(line.text);
        if (trimmed.len == 0 || str_starts(trimmed, STR("--")))
            continue;
        const char *note = str_format(arena,
                                      "%s is not committed and not run: `graphile-migrate commit` "
                                      "makes a migration of it",
                                      path);
        return (note && vec_push(arena, &set->notes, str_from(note))) || error_nomem(err);
    }
    return true;
}

static bool scan(const ConventionContext *ctx, Arena *arena, MigrationSet *ret_set, Error *err)
{
    const Settings *settings = ctx->own;
    if (!peer_add_files(ctx, arena, 1, add_file, ret_set, err))
        return false;
    for (size_t i = 0; i < settings->actions.len; i++)
        if (!add_action(ctx, arena, &settings->actions.items[i], ret_set, err))
            return false;
    return tell_of_current(ctx, arena, ret_set, err) && migration_set_finish(ret_set, err);
}

/* ---- history -------------------------------------------------------------------------------------------- */

static const TableName migrations_table = {{"graphile_migrate", 16}, {"migrations", 10}};

static bool take_row(void *ctx, const DbValue *cols, bool *ret_is_good, const char **ret_what,
                     Error *err)
{
    PeerReader *reader = ctx;
    HistoryRow *row;
    Str version = peer_digits(cols[0].text);
    *ret_is_good = version.len > 0 && !cols[1].is_null;
    *ret_what = "a row has no file name or no hash";
    if (!*ret_is_good)
        return true;
    if (!peer_push_row(reader, version, (Str){0}, &row, err))
        return false;
    row->finished_at = peer_instant_of(reader->ctx->dialect, &cols[2]);
    return str_copy(reader->arena, cols[1].text, &row->checksum) || error_nomem(err);
}

static bool history_read(const ConventionContext *ctx, Db *db, Arena *arena, History *ret_history,
                         Error *err)
{
    static const PeerTable table = {
        .name = {{"graphile_migrate", 16}, {"migrations", 10}},
        .columns = "filename, hash, CAST(date_part('epoch', date) * 1000000 AS BIGINT)",
        .order = "filename",
        .column_count = 3,
        .row = take_row};
    const Settings *settings = ctx->own;
    return peer_check_schema(ctx, db, settings->search_path, err) &&
           peer_history_read(ctx, db, arena, &table, NULL, ret_history, err);
}

static bool history_prepare(const ConventionContext *ctx, Db *db, Arena *arena,
                            const History *history, DbStatementVec *out, Error *err)
{
    static const char *const statements[] = {
        "CREATE SCHEMA IF NOT EXISTS graphile_migrate",
        "CREATE TABLE IF NOT EXISTS graphile_migrate.migrations (hash text primary key, "
        "previous_hash text references graphile_migrate.migrations, filename text not null, date "
        "timestamptz not null default now())",
        "CREATE TABLE IF NOT EXISTS graphile_migrate.current (filename text primary key default "
        "'current.sql', content text not null, date timestamptz not null default now())"};
    (void)ctx;
    (void)db;
    for (size_t i = 0; !history->exists && i < sizeof statements / sizeof *statements; i++) {
        StrBuf sql = strbuf(arena);
        strbuf_adds(&sql, statements[i]);
        if (!statement_push(arena, &sql, out, err))
            return false;
    }
    return true;
}

/* The hash of the file before, which the table wants too. */
static Str hash_before(const ConventionContext *ctx, const Migration *migration)
{
    Str before = {0};
    for (size_t i = 0; ctx->set && i < ctx->set->migrations.len; i++) {
        const Migration *one = &ctx->set->migrations.items[i];
        if (str_eq(one->version, migration->version))
            break;
        before = one->up ? one->up->checksum : before;
    }
    return before;
}

static void add_hash_or_null(StrBuf *sql, Str hash)
{
    if (hash.len > 0)
        sql_add_literal(sql, SQL_POSTGRES, hash);
    else
        strbuf_adds(sql, "NULL");
}

/* Rows refer to each other by their hashes: whoever refers to an old one has a new one himself, and is written next. */
static bool push_checksum(const ConventionContext *ctx, Arena *arena, const HistoryWrite *write,
                          Str where, DbStatementVec *out, Error *err)
{
    StrBuf loose = strbuf(arena), sql = strbuf(arena);
    if (!write->migration || !write->migration->up || !write->row)
        return true;
    peer_begin(&loose, ctx, &migrations_table, "UPDATE ");
    strbuf_adds(&loose, " SET previous_hash = NULL WHERE previous_hash = ");
    sql_add_literal(&loose, ctx->dialect, write->row->checksum);
    peer_begin(&sql, ctx, &migrations_table, "UPDATE ");
    strbuf_adds(&sql, " SET hash = ");
    sql_add_literal(&sql, ctx->dialect, write->migration->up->checksum);
    strbuf_adds(&sql, ", previous_hash = ");
    add_hash_or_null(&sql, hash_before(ctx, write->migration));
    strbuf_addf(&sql, " WHERE %.*s", STR_ARG(where));
    return statement_push(arena, &loose, out, err) && statement_push(arena, &sql, out, err);
}

static bool history_write(const ConventionContext *ctx, const Db *db, Arena *arena,
                          const HistoryWrite *write, DbStatementVec *out, Error *err)
{
    (void)db;
    StrBuf values = strbuf(arena);
    Str where, values_text = {0};
    if (write->kind == WRITE_RUN_BEGIN || write->kind == WRITE_RUN_END)
        return true;
    const char *file = str_format(arena, "%.*s.sql", STR_ARG(peer_version(write)));
    if (!file)
        return error_nomem(err);
    if (!peer_where_text(ctx, arena, "filename", str_from(file), &where, err))
        return false;
    if (write->kind == WRITE_CHECKSUM)
        return push_checksum(ctx, arena, write, where, out, err);
    if (write->kind == WRITE_APPLIED || write->kind == WRITE_BASELINE) {
        if (!write->migration || !write->migration->up || write->migration->up->checksum.len == 0) {
            error_set(err, ERROR_UNSUPPORTED, "there is no committed file %s", file);
            error_code(err, "bad-version");
            return error_hint(err, "Its row needs the hash that stands in the file's head.");
        }
        sql_add_literal(&values, ctx->dialect, write->migration->up->checksum);
        strbuf_adds(&values, ", ");
        add_hash_or_null(&values, hash_before(ctx, write->migration));
        strbuf_adds(&values, ", ");
        sql_add_literal(&values, ctx->dialect, str_from(file));
        strbuf_adds(&values, ", ");
        if (peer_finished_at(write) != TIMESTAMP_UNKNOWN) {
            char buf[TIMESTAMP_TEXT];
            strbuf_addf(&values, "'%s+00'", timestamp_sql(peer_finished_at(write), buf));
        } else {
            strbuf_adds(&values, "now()");
        }
        if (!strbuf_finish(&values, &values_text))
            return error_nomem(err);
    }
    return peer_write_row(ctx, &migrations_table, arena, write, where,
                          STR("hash, previous_hash, filename, date"), values_text, out, err);
}

static bool lock_key(const ConventionContext *ctx, const Db *db, Arena *arena, DbLockKey *ret_key,
                     Error *err)
{
    (void)ctx;
    (void)db;
    (void)arena;
    (void)err;
    *ret_key = (DbLockKey){.number = 4727445306447283, .name = STR("graphile-migrate")};
    return true;
}

/* ---- configuration -------------------------------------------------------------------------------------- */

static bool add_placeholder(Settings *settings, Arena *arena, Str name, Str value, Error *err)
{
    return vec_push(arena, &settings->placeholders, (Placeholder){name, value}) || error_nomem(err);
}

static bool take_placeholders(const ConventionContext *ctx, Arena *arena, const TomlDoc *doc,
                              Settings *settings, Error *err)
{
    const TomlValue *table = NULL;
    if (!toml_get_table(doc, doc->root, "placeholders", &table, err))
        return false;
    for (size_t i = 0; table && i < table->table.len; i++) {
        const TomlEntry *entry = &table->table.items[i];
        Str value = {0};
        if (entry->key.len < 2 || entry->key.ptr[0] != ':' || entry->value->kind != TOML_STRING) {
            toml_error(doc, entry->value, err, ERROR_USAGE,
                       "a placeholder is \":NAME\" and a string");
            return error_code(err, "bad-setting");
        }
        value = entry->value->string;
        if (str_eq(value, STR("!ENV")) &&
            !peer_variable(ctx, str_sub(entry->key, 1, entry->key.len), &value)) {
            toml_error(doc, entry->value, err, ERROR_USAGE, "the variable %.*s is not set",
                       STR_ARG(str_sub(entry->key, 1, entry->key.len)));
            return error_code(err, "bad-placeholder");
        }
        if (!add_placeholder(settings, arena, entry->key, value, err))
            return false;
    }
    return true;
}

static bool bad_action(const TomlDoc *doc, const TomlValue *value, const char *what, Error *err)
{
    toml_error(doc, value, err, ERROR_USAGE, "%s", what);
    return error_code(err, "bad-setting");
}

/* "file.sql", { _: "sql", file }, { _: "command", command }; those of the shadow database are left out. */
static bool take_action(Arena *arena, const TomlDoc *doc, const TomlValue *value, HookPoint point,
                        Settings *settings, Error *err)
{
    Action action = {.point = point, .place = doc->file, .line = (uint32_t)value->line};
    const TomlValue *kind = NULL, *file = value, *shadow = NULL;
    if (value->kind == TOML_TABLE) {
        kind = toml_child(value, STR("_"));
        shadow = toml_child(value, STR("shadow"));
        action.is_command = kind ? kind->kind == TOML_STRING && str_eq(kind->string, STR("command"))
                                 : toml_child(value, STR("command")) != NULL;
        if (kind && !action.is_command &&
            (kind->kind != TOML_STRING || !str_eq(kind->string, STR("sql"))))
            return bad_action(doc, value, "graphile-migrate has no action of this kind", err);
        file = toml_child(value, action.is_command ? STR("command") : STR("file"));
        const TomlValue *root = toml_child(value, STR("root"));
        if (root && root->kind == TOML_BOOLEAN && root->boolean && !action.is_command)
            return bad_action(doc, value, "this action may not be run as root", err);
    }
    if (!file || file->kind != TOML_STRING || file->string.len == 0)
        return bad_action(doc, value, "an action names a file or a command", err);
    if (str_starts(file->string, STR("!")) && value->kind == TOML_STRING)
        return bad_action(doc, value, "this action may not be run as root", err);
    action.file = file->string;
    bool is_for_shadow = shadow && shadow->kind == TOML_BOOLEAN && shadow->boolean;
    return is_for_shadow || vec_push(arena, &settings->actions, action) || error_nomem(err);
}

static bool take_actions(Arena *arena, const TomlDoc *doc, Settings *settings, Error *err)
{
    static const struct {
        Str key;
        HookPoint point;
    } keys[] = {{{"beforeAllMigrations", 19}, HOOK_BEFORE_MIGRATE},
                {{"afterAllMigrations", 18}, HOOK_AFTER_MIGRATE}};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        const TomlValue *value = toml_child(doc->root, keys[i].key);
        if (!value)
            continue;
        if (value->kind != TOML_ARRAY) {
            if (!take_action(arena, doc, value, keys[i].point, settings, err))
                return false;
            continue;
        }
        for (size_t k = 0; k < value->array.len; k++)
            if (!take_action(arena, doc, value->array.items[k], keys[i].point, settings, err))
                return false;
    }
    return true;
}

static bool take_pg_settings(Arena *arena, const TomlDoc *doc, Settings *settings, Error *err)
{
    const TomlValue *table = toml_child(doc->root, STR("pgSettings"));
    for (size_t i = 0; table && table->kind == TOML_TABLE && i < table->table.len; i++) {
        const TomlEntry *entry = &table->table.items[i];
        Placeholder one = {entry->key, entry->value->string};
        if (str_eq(entry->key, STR("search_path")))
            continue;
        if (entry->value->kind == TOML_INTEGER)
            one.value = str_from(str_format(arena, "%lld", (long long)entry->value->integer));
        else if (entry->value->kind != TOML_STRING)
            return bad_action(doc, entry->value, "a setting of pgSettings is a string", err);
        if (!one.value.ptr || !vec_push(arena, &settings->pg_settings, one))
            return error_nomem(err);
    }
    return true;
}

static bool session(const ConventionContext *ctx, const Db *db, Arena *arena, StrVec *out,
                    Error *err)
{
    const Settings *settings = ctx->own;
    StrBuf sql = strbuf(arena);
    Str text;
    (void)db;
    for (size_t i = 0; i < settings->pg_settings.len; i++) {
        strbuf_adds(&sql, i == 0 ? "SELECT pg_catalog.set_config(" : ", pg_catalog.set_config(");
        sql_add_literal(&sql, SQL_POSTGRES, settings->pg_settings.items[i].name);
        strbuf_adds(&sql, ", ");
        sql_add_literal(&sql, SQL_POSTGRES, settings->pg_settings.items[i].value);
        strbuf_adds(&sql, ", false)");
    }
    return settings->pg_settings.len == 0 ||
           (strbuf_finish(&sql, &text) && vec_push(arena, out, text)) || error_nomem(err);
}

static bool take_file(ConventionContext *ctx, Arena *arena, const char *path, const TomlDoc *doc,
                      Settings *settings, Str *ret_folder, Error *err)
{
    const TomlValue *url_value = NULL;
    Str url = {0}, schema;
    if (!toml_get_string(doc, doc->root, "migrationsFolder", ret_folder, NULL, err) ||
        !toml_get_string(doc, doc->root, "connectionString", &url, &url_value, err) ||
        !toml_get_string(doc, doc->root, "databaseOwner", &settings->owner, NULL, err) ||
        !toml_get_string(doc, doc->root, "pgSettings.search_path", &settings->search_path, NULL,
                         err) ||
        !take_placeholders(ctx, arena, doc, settings, err) ||
        !take_actions(arena, doc, settings, err) || !take_pg_settings(arena, doc, settings, err))
        return false;
    if (url.len > 0) {
        StrBuf out = strbuf(arena);
        ctx->url_place = str_format(arena, "%s:%u", path, (unsigned)url_value->line);
        strbuf_add(&out, url);
        if (settings->search_path.len > 0) {
            strbuf_adds(&out,
                        str_find_char(url, '?', 0) == SIZE_MAX ? "?search_path=" : "&search_path=");
            peer_add_escaped(&out, settings->search_path);
        }
        if (!ctx->url_place || !strbuf_finish(&out, &ctx->url))
            return error_nomem(err);
    }
    (void)str_cut(settings->search_path, ',', &schema);
    settings->search_path = str_trim(schema);
    return true;
}

/* What is committed lies below the folder of migrations, which may be named either way. */
static bool take_folders(ConventionContext *ctx, Arena *arena, const char *root, Str said,
                         Settings *settings, Error *err)
{
    FileInfo info;
    StrVec folders = {0};
    if (!peer_take_folder(ctx, arena,
                          path_join(arena, root, said.len > 0 ? said : STR("migrations")), err))
        return false;
    for (size_t i = 0; i < ctx->folders.len; i++) {
        const char *folder = str_z(arena, ctx->folders.items[i]);
        const char *below = folder ? path_join(arena, folder, STR("committed")) : NULL;
        if (!below)
            return error_nomem(err);
        if (!file_tree_info(ctx->files, below, &info, err))
            return false;
        if (str_ends(str_from(folder), STR("/committed")))
            folder = str_z(arena, path_folder(str_from(folder)));
        settings->folder = settings->folder ? settings->folder : folder;
        if (!vec_push(arena, &folders,
                      info.kind == FILE_FOLDER ? str_from(below) : ctx->folders.items[i]))
            return error_nomem(err);
    }
    ctx->folders = folders;
    return true;
}

static bool configure(ConventionContext *ctx, Arena *arena, Error *err)
{
    Settings *settings = arena_alloc(arena, sizeof *settings);
    const char *path;
    Str text, folder = {0};
    TomlDoc doc;
    if (!settings)
        return error_nomem(err);
    *settings = (Settings){0};
    if (ctx->dialect != SQL_POSTGRES)
        return peer_only_postgres(ctx->convention, err);
    ctx->own = settings;
    if (!peer_configuration(ctx, arena, STR(".gmrc"), &path, &text, err) ||
        (path && (!json5_parse(arena, path, text, &doc, err) ||
                  !take_file(ctx, arena, path, &doc, settings, &folder, err))))
        return false;
    const char *beside = path ? path : peer_beside(ctx, arena, STR(".gmrc"));
    const char *root = beside ? str_z(arena, path_folder(str_from(beside))) : NULL;
    if (!root)
        return error_nomem(err);
    if (ctx->db) {
        Str user = str_from(ctx->db->info.user);
        if (!add_placeholder(settings, arena, STR(":DATABASE_NAME"),
                             str_from(ctx->db->info.database), err) ||
            !add_placeholder(settings, arena, STR(":DATABASE_OWNER"),
                             settings->owner.len > 0 ? settings->owner : user, err))
            return false;
    }
    return take_folders(ctx, arena, root, folder, settings, err);
}

/* ---- recognition, new files ------------------------------------------------------------------------------ */

static bool takes(const ConventionContext *ctx, const PeerFile *file, Str text)
{
    (void)ctx;
    Str digits, slug;
    return read_name(file->name, &digits, &slug) && str_starts(text, STR("--! Previous:"));
}

static bool recognise(const ConventionContext *given, Db *db, Arena *arena,
                      ConventionGuess *ret_guess, Error *err)
{
    static const char *const configurations[] = {".gmrc", NULL};
    static const PeerSigns signs = {
        .configurations = configurations, .columns = "hash", .takes = takes, .reads = true};
    ConventionContext ctx = *given;
    Error local = {.arena = err ? err->arena : arena};
    *ret_guess = (ConventionGuess){.convention = given->convention};
    if (given->dialect != SQL_POSTGRES)
        return true;
    /* What is wrong with its configuration is told when it is meant. */
    if (!configure(&ctx, arena, &local)) {
        if (local.kind == ERROR_NOMEM)
            return error_nomem(err);
        ctx = *given;
    }
    if (!peer_recognise(&ctx, NULL, arena, &signs, ret_guess, err))
        return false;
    return !db || given->table.len > 0 ||
           guess_table(given, db, arena, &migrations_table, "hash, previous_hash, filename, date",
                       false, ret_guess, err);
}

static bool new_paths(const ConventionContext *ctx, Arena *arena, const MigrationSet *set, Str name,
                      unsigned new_kind, bool is_numbered, Timestamp now, StrVec *ret_paths,
                      Error *err)
{
    (void)arena;
    (void)set;
    (void)name;
    (void)new_kind;
    (void)is_numbered;
    (void)now;
    (void)ret_paths;
    error_set(err, ERROR_UNSUPPORTED, "%s commits migrations itself", ctx->convention->title);
    error_code(err, "not-in-convention");
    return error_hint(err, "Write it into current.sql, and run `graphile-migrate commit`.");
}

/* ---- another tool's migrations, committed ------------------------------------------------------------------ */

/* Files are sorted by their names, so that their numbers are of one length. */
static int width_of(const DraftVec *drafts)
{
    int width = 6;
    for (size_t i = 0; i < drafts->len; i++) {
        size_t len = peer_digits(drafts->items[i].version).len;
        width = len > (size_t)width && len < 32 ? (int)len : width;
    }
    return width;
}

static const char *slug_of(Arena *arena, Str name)
{
    char *slug = str_z(arena, name);
    for (size_t i = 0; slug && i < name.len; i++)
        if (!is_word_char(slug[i]))
            slug[i] = '-';
    return slug;
}

static bool draft_files(const ConventionContext *ctx, Arena *arena, const DraftVec *drafts,
                        TreeFileVec *ret_files, Error *err)
{
    const char *previous = "-";
    int width = width_of(drafts);
    (void)ctx;
    for (size_t i = 0; i < drafts->len; i++) {
        const Draft *draft = &drafts->items[i];
        StrBuf body = strbuf(arena), text = strbuf(arena);
        Str body_text;
        const char *slug = slug_of(arena, draft->name);
        if (draft->up.no_transaction)
            strbuf_adds(&body, "--! no-transaction\n");
        draft_add_head(&body, draft);
        strbuf_add(&body, draft->up.sql);
        if (!strbuf_finish(&body, &body_text) || !slug)
            return error_nomem(err);
        const char *hash = hash_of(arena, str_from(previous), body_text);
        const char *path =
            str_format(arena, "committed/%s-%s.sql", draft_number(arena, draft, width), slug);
        if (!hash)
            return error_nomem(err);
        strbuf_addf(&text, "--! Previous: %s\n--! Hash: %s\n--! Message: %.*s\n\n%.*s\n", previous,
                    hash, STR_ARG(draft->name), STR_ARG(str_trim(body_text)));
        if (!draft_file(arena, ret_files, path, &text, err))
            return false;
        previous = hash;
    }
    return true;
}

static const char *const annotations[] = {"!", NULL};

const Convention convention_graphile = {
    .version = 1,
    .name = "graphile",
    .title = "graphile-migrate",
    .summary = "graphile-migrate: committed/000001-name.sql with --! Hash, table "
               "graphile_migrate.migrations (PostgreSQL)",
    .default_table = "graphile_migrate.migrations",
    .features = CONVENTION_BASELINE | CONVENTION_DIRECTIVES | CONVENTION_EMPTY,
    .checksum_hash = HASH_SHA1,
    .scan = scan,
    .history_read = history_read,
    .history_prepare = history_prepare,
    .history_write = history_write,
    .lock_key = lock_key,
    .recognise = recognise,
    .new_paths = new_paths,
    .draft_files = draft_files,
    .annotations = annotations,
    .session = session,
    .configure = configure,
};

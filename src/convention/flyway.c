/* Flyway: V, U, R and B files in folders of any depth, callbacks, placeholders, flyway_schema_history, CRC-32 by line, its lock.
 *
 * Rows are what Flyway writes, but for two things. A migration that is rolled back loses its row, unless the paid edition is in use here:
 * the UNDO_SQL row that it appends stops every command of the open one. And a migration that cannot run in one transaction has a row
 * that says "failed" while it is under way, so that a crash leaves a trace. SPDX-License-Identifier: Apache-2.0 */
#include "convention/flyway.h"
#include "convention/draft.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* ---- names of files --------------------------------------------------------------------------------------- */

typedef enum FlywayForm {
    FLYWAY_NONE,
    FLYWAY_ODD, /* begins like one and is none */
    FLYWAY_VERSIONED,
    FLYWAY_UNDO,
    FLYWAY_REPEATABLE,
    FLYWAY_BASELINE,
} FlywayForm;

typedef struct FlywayName {
    FlywayForm form;
    Str version;     /* as written */
    Str description; /* likewise */
    bool is_foreign; /* in a host language, or a program: it counts and cannot be run here */
} FlywayName;

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Numbers with '.' or '_' between them, perhaps a sign in front. */
static bool is_version(Str version)
{
    size_t at = version.len > 0 && (version.ptr[0] == '-' || version.ptr[0] == '+') ? 1 : 0;
    bool was_digit = false;
    for (; at < version.len; at++) {
        bool is_mark = version.ptr[at] == '.' || version.ptr[at] == '_';
        if (!is_digit(version.ptr[at]) && !(is_mark && was_digit))
            return false;
        was_digit = !is_mark;
    }
    return was_digit;
}

static bool ends_nocase(Str text, Str end)
{
    return text.len > end.len && str_eq_nocase(str_sub(text, text.len - end.len, text.len), end);
}

/* The name without its suffix; false: it has none that counts. */
static bool cut_suffix(const FlywaySettings *settings, Str *name, bool *ret_is_foreign)
{
    static const char *const foreign[] = {".java", ".kt",  ".groovy", ".scala", ".sh", ".bash",
                                          ".ps1",  ".bat", ".cmd",    ".py",    NULL};
    for (size_t i = 0; i < settings->suffixes.len; i++)
        if (ends_nocase(*name, settings->suffixes.items[i])) {
            name->len -= settings->suffixes.items[i].len;
            return true;
        }
    if (settings->suffixes.len == 0 && ends_nocase(*name, STR(".sql"))) {
        name->len -= 4;
        return true;
    }
    for (size_t i = 0; foreign[i]; i++)
        if (str_ends(*name, str_from(foreign[i])) && name->len > strlen(foreign[i])) {
            name->len -= strlen(foreign[i]);
            *ret_is_foreign = true;
            return true;
        }
    return false;
}

static FlywayName read_name(const FlywaySettings *settings, Str name)
{
    const struct {
        Str prefix;
        FlywayForm form;
    } forms[] = {{settings->versioned_prefix, FLYWAY_VERSIONED},
                 {settings->undo_prefix, FLYWAY_UNDO},
                 {settings->repeatable_prefix, FLYWAY_REPEATABLE},
                 {settings->baseline_prefix, FLYWAY_BASELINE}};
    FlywayName found = {0};
    if (!cut_suffix(settings, &name, &found.is_foreign))
        return found;
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        if (!str_starts(name, forms[i].prefix) || name.len == forms[i].prefix.len)
            continue;
        Str rest = str_sub(name, forms[i].prefix.len, name.len);
        size_t cut = str_find(rest, settings->separator, 0);
        found.version = cut == SIZE_MAX ? rest : str_sub(rest, 0, cut);
        if (cut != SIZE_MAX)
            found.description = str_sub(rest, cut + settings->separator.len, rest.len);
        bool is_repeatable = forms[i].form == FLYWAY_REPEATABLE;
        bool is_good =
            is_repeatable ? cut == 0 && found.description.len > 0 : is_version(found.version);
        found.form = is_good ? forms[i].form : FLYWAY_ODD;
        return found;
    }
    return found;
}

/* '_' becomes '.'; what Flyway stores. */
static bool version_text(Arena *arena, Str version, Str *ret_version)
{
    char *text = str_z(arena, version);
    for (size_t i = 0; text && i < version.len; i++)
        if (text[i] == '_')
            text[i] = '.';
    *ret_version = (Str){text, version.len};
    return text != NULL;
}

enum { LONGEST_DESCRIPTION = 200, LONGEST_SCRIPT = 1000 };

static bool is_continuation(char c)
{
    return ((unsigned char)c & 0xc0) == 0x80;
}

/* '_' becomes a blank; of more than 200 characters 197 and "..." are left. */
static bool description_text(Arena *arena, Str description, Str *ret_description)
{
    char *text = str_z(arena, description);
    size_t characters = 0, cut = 0;
    if (!text)
        return false;
    for (size_t i = 0; i < description.len; i++) {
        if (text[i] == '_')
            text[i] = ' ';
        if (is_continuation(text[i]))
            continue;
        if (++characters == LONGEST_DESCRIPTION - 2)
            cut = i;
    }
    if (characters > LONGEST_DESCRIPTION) {
        text = str_format(arena, "%.*s...", (int)cut, text);
        *ret_description = str_from(text);
        return text != NULL;
    }
    *ret_description = (Str){text, description.len};
    return true;
}

/* ---- placeholders ------------------------------------------------------------------------------------------- */

/* Of one file; ScriptForm.own. */
typedef struct FlywayFile {
    const ConventionContext *ctx;
    Str script; /* as the history names it */
    const char *conf_path;
    bool is_repeatable, no_transaction, replaces_placeholders, is_off;
    bool is_foreign, is_java;
} FlywayFile;

static bool bad_placeholder(const char *path, Str text, size_t at, Str name, const char *what,
                            Error *err)
{
    uint32_t line = 1;
    for (size_t i = 0; i < at; i++)
        line += text.ptr[i] == '\n';
    error_set(err, ERROR_PARSE, "%s: no value for the placeholder %.*s: %s", path, STR_ARG(name),
              what);
    error_code(err, "bad-placeholder");
    error_at(err, str_from(path), line, 1);
    return error_hint(err, "Flyway replaces it in comments and strings too. Give it a value in "
                           "flyway.toml ([flyway.placeholders]) or flyway.conf, or turn "
                           "replacement off for this file: placeholderReplacement=false in a "
                           ".conf beside it.");
}

static bool schema_name(const ConventionContext *ctx, const Db *db, Arena *arena, Str *ret_schema,
                        Error *err)
{
    const FlywaySettings *settings = flyway_settings(ctx);
    TableName name;
    if (!table_name_read(ctx, arena, &name, err))
        return false;
    switch (ctx->dialect) {
    case SQL_POSTGRES:
        *ret_schema = name.schema.len > 0                ? name.schema
                      : settings->default_schema.len > 0 ? settings->default_schema
                      : db && db->info.schema[0]         ? str_from(db->info.schema)
                                                         : STR("public");
        return true;
    case SQL_MYSQL:
        *ret_schema = name.schema.len > 0 ? name.schema : str_from(db ? db->info.database : "");
        return true;
    case SQL_SQLITE:
        *ret_schema = STR("main");
        return true;
    }
    return true;
}

static bool built_in(const FlywayFile *file, Arena *arena, Str name, Str *ret_value, bool *ret_has,
                     Error *err)
{
    const ConventionContext *ctx = file->ctx;
    const FlywaySettings *settings = flyway_settings(ctx);
    TableName table;
    char buf[4096];
    struct tm parts;
    time_t now = (time_t)(settings->now / 1000000);
    bool wants_db = str_eq_nocase(name, STR("defaultSchema")) || str_eq_nocase(name, STR("user")) ||
                    str_eq_nocase(name, STR("database"));
    /* SQLite has no name for a database: Flyway fails there, too. */
    *ret_has = (!wants_db || ctx->db) &&
               !(ctx->dialect == SQL_SQLITE && str_eq_nocase(name, STR("database")));
    if (!*ret_has)
        return true;
    if (str_eq_nocase(name, STR("defaultSchema")))
        return schema_name(ctx, ctx->db, arena, ret_value, err);
    if (str_eq_nocase(name, STR("user"))) {
        *ret_value = str_from(ctx->db->info.user);
    } else if (str_eq_nocase(name, STR("database"))) {
        *ret_value = str_from(ctx->db->info.database);
    } else if (str_eq_nocase(name, STR("timestamp"))) {
        size_t len =
            localtime_r(&now, &parts) ? strftime(buf, sizeof buf, "%Y-%m-%d %H:%M:%S", &parts) : 0;
        return str_copy(arena, (Str){buf, len}, ret_value) || error_nomem(err);
    } else if (str_eq_nocase(name, STR("filename"))) {
        *ret_value = path_base(file->script);
    } else if (str_eq_nocase(name, STR("workingDirectory"))) {
        const char *folder = getcwd(buf, sizeof buf);
        return str_copy(arena, str_from(folder), ret_value) || error_nomem(err);
    } else if (str_eq_nocase(name, STR("table"))) {
        if (!table_name_read(ctx, arena, &table, err))
            return false;
        *ret_value = table.table;
    } else if (str_eq_nocase(name, STR("environment"))) {
        *ret_value = settings->environment;
    } else {
        *ret_has = false;
    }
    return true;
}

/* Everywhere, comments and strings included, as Flyway does it. */
static bool expand(const FlywayFile *file, Arena *arena, const char *path, Str text, Str *ret_text,
                   Error *err)
{
    const FlywaySettings *settings = flyway_settings(file->ctx);
    Str prefix = settings->placeholder_prefix, suffix = settings->placeholder_suffix;
    StrBuf out = strbuf(arena);
    size_t from = 0, at;
    *ret_text = text;
    while ((at = str_find(text, prefix, from)) != SIZE_MAX) {
        size_t end = str_find(text, suffix, at + prefix.len);
        if (end == SIZE_MAX)
            break;
        Str name = str_sub(text, at + prefix.len, end), value = {0}, kind, rest;
        bool has = false;
        for (size_t i = settings->placeholders.len; i-- > 0 && !has;) {
            has = str_eq_nocase(settings->placeholders.items[i].name, name);
            value = has ? settings->placeholders.items[i].value : value;
        }
        size_t mark = str_find(name, settings->placeholder_separator, 0);
        kind = mark == SIZE_MAX ? (Str){0} : str_sub(name, 0, mark);
        if (!has && str_eq_nocase(kind, STR("flyway"))) {
            rest = str_sub(name, mark + settings->placeholder_separator.len, name.len);
            if (!built_in(file, arena, rest, &value, &has, err))
                return false;
            if (!has)
                return bad_placeholder(path, text, at, str_sub(text, at, end + suffix.len),
                                       file->ctx->db ? "Flyway has none of this name"
                                                     : "it is known only with a database",
                                       err);
        }
        if (!has)
            return bad_placeholder(path, text, at, str_sub(text, at, end + suffix.len),
                                   "it is not configured", err);
        strbuf_add(&out, str_sub(text, from, at));
        strbuf_add(&out, value);
        from = end + suffix.len;
    }
    if (from == 0)
        return true;
    strbuf_add(&out, str_sub(text, from, text.len));
    return strbuf_finish(&out, ret_text) || error_nomem(err);
}

/* ---- checksums ------------------------------------------------------------------------------------------------- */

/* CRC-32 over the lines without their ends, a leading BOM dropped; signed, as Flyway keeps it. */
static bool checksum_of(Arena *arena, Str text, Str *ret_checksum)
{
    uint32_t crc = 0;
    if (str_starts(text, STR("\xef\xbb\xbf")))
        text = str_sub(text, 3, text.len);
    for (size_t from = 0, at = 0; at <= text.len; at++) {
        if (at < text.len && text.ptr[at] != '\n' && text.ptr[at] != '\r')
            continue;
        if (at > from)
            crc = crc32_add(crc, str_sub(text, from, at));
        from = at + 1;
    }
    const char *decimal = str_format(arena, "%ld", (long)(int32_t)crc);
    *ret_checksum = str_from(decimal);
    return decimal != NULL;
}

static bool prepare(const void *ctx, Arena *arena, const Script *script, Str text,
                    const SqlSplitOptions *split, ScriptText *ret_text, Error *err)
{
    (void)ctx;
    (void)split;
    const FlywayFile *file = script->form->own;
    const FlywaySettings *settings = flyway_settings(file->ctx);
    ScriptText made = {.sql = text, .no_transaction = file->no_transaction, .is_off = file->is_off};
    Str raw;
    if (!checksum_of(arena, text, &made.checksum))
        return error_nomem(err);
    if (file->is_foreign) {
        made.sql = STR(" ");
        made.takes_any_checksum = file->is_java;
        made.refusal = file->is_java ? "is a migration in a host language" : "is a program";
        made.refusal_hint = "Run it with Flyway; `whimbrel stamp` records it as applied.";
        *ret_text = made;
        return true;
    }
    raw = made.checksum;
    if (settings->replaces_placeholders && file->replaces_placeholders && !file->is_off) {
        if (!expand(file, arena, script->path, text, &made.sql, err))
            return false;
        /* A repeatable runs again when a value has changed; what older releases stored counts as well. */
        if (file->is_repeatable && (!checksum_of(arena, made.sql, &made.checksum) ||
                                    !vec_push(arena, &made.other_checksums, raw)))
            return error_nomem(err);
    }
    *ret_text = made;
    return true;
}

/* ---- <file>.conf -------------------------------------------------------------------------------------------------- */

static bool bad_conf(const char *path, const Line *line, Str key, const char *what, Error *err)
{
    error_set(err, ERROR_PARSE, "%s: %.*s %s", path, STR_ARG(key), what);
    error_code(err, "bad-setting");
    error_at(err, str_from(path), line->number, 1);
    return error_hint(err, "A script's configuration knows executeInTransaction, "
                           "placeholderReplacement, encoding and shouldExecute.");
}

/* true, false, or one comparison: a==b, a!=b. */
static bool read_condition(Str value, bool *ret_is_true)
{
    size_t is = str_find(value, STR("=="), 0), is_not = str_find(value, STR("!="), 0);
    size_t at = is < is_not ? is : is_not;
    if (at != SIZE_MAX) {
        bool is_same =
            str_eq(str_trim(str_sub(value, 0, at)), str_trim(str_sub(value, at + 2, value.len)));
        *ret_is_true = is_same == (is < is_not);
        return true;
    }
    *ret_is_true = str_eq_nocase(value, STR("true"));
    return *ret_is_true || str_eq_nocase(value, STR("false"));
}

static bool read_conf(FlywayFile *file, Arena *arena, Error *err)
{
    const ConventionContext *ctx = file->ctx;
    Line line = {0};
    Str text;
    if (!peer_read(ctx, arena, file->conf_path, &text, err))
        return false;
    while (line_next(text, &line)) {
        Str key, value = str_trim(str_cut(line.text, '=', &key)), expanded;
        bool is_true = false;
        key = str_trim(key);
        if (key.len == 0 || key.ptr[0] == '#')
            continue;
        if (!expand(file, arena, file->conf_path, value, &expanded, err))
            return false;
        bool is_condition = read_condition(expanded, &is_true);
        if (str_eq(key, STR("encoding"))) {
            if (!str_eq_nocase(value, STR("UTF-8")))
                return bad_conf(file->conf_path, &line, key, "must be UTF-8 for whimbrel", err);
            continue;
        }
        if (str_eq(key, STR("executeInTransaction")))
            file->no_transaction = !is_true;
        else if (str_eq(key, STR("placeholderReplacement")))
            file->replaces_placeholders = is_true;
        else if (str_eq(key, STR("shouldExecute")))
            file->is_off = !is_true;
        else
            return bad_conf(file->conf_path, &line, key, "is no setting of a script", err);
        if (!is_condition)
            return bad_conf(file->conf_path, &line, key,
                            "must be true, false or one comparison (a==b, a!=b)", err);
    }
    return true;
}

/* ---- scanning ----------------------------------------------------------------------------------------------------- */

static const struct {
    const char *event;
    HookPoint point; /* HOOK_COUNT: not run */
} callbacks[] = {
    {"beforeMigrate", HOOK_BEFORE_MIGRATE},
    {"afterMigrateApplied", HOOK_AFTER_MIGRATE}, /* in this order */
    {"afterMigrate", HOOK_AFTER_MIGRATE},
    {"beforeEachMigrate", HOOK_BEFORE_EACH},
    {"afterEachMigrate", HOOK_AFTER_EACH},
    {"afterMigrateError", HOOK_ON_ERROR},
    {"beforeUndo", HOOK_BEFORE_ROLLBACK},
    {"afterUndo", HOOK_AFTER_ROLLBACK},
    {"beforeClean", HOOK_COUNT},
    {"afterClean", HOOK_COUNT},
    {"afterCleanError", HOOK_COUNT},
    {"beforeEachMigrateStatement", HOOK_COUNT},
    {"afterEachMigrateStatement", HOOK_COUNT},
    {"afterEachMigrateStatementError", HOOK_COUNT},
    {"afterEachMigrateError", HOOK_COUNT},
    {"beforeRepeatables", HOOK_COUNT},
    {"afterVersioned", HOOK_COUNT},
    {"beforeEachUndo", HOOK_COUNT},
    {"beforeEachUndoStatement", HOOK_COUNT},
    {"afterEachUndoStatement", HOOK_COUNT},
    {"afterEachUndoStatementError", HOOK_COUNT},
    {"afterEachUndo", HOOK_COUNT},
    {"afterEachUndoError", HOOK_COUNT},
    {"afterUndoError", HOOK_COUNT},
    {"beforeValidate", HOOK_COUNT},
    {"afterValidate", HOOK_COUNT},
    {"afterValidateError", HOOK_COUNT},
    {"beforeBaseline", HOOK_COUNT},
    {"afterBaseline", HOOK_COUNT},
    {"afterBaselineError", HOOK_COUNT},
    {"beforeRepair", HOOK_COUNT},
    {"afterRepair", HOOK_COUNT},
    {"afterRepairError", HOOK_COUNT},
    {"beforeInfo", HOOK_COUNT},
    {"afterInfo", HOOK_COUNT},
    {"afterInfoError", HOOK_COUNT},
    {"afterMigrateOperationFinish", HOOK_COUNT},
    {"afterInfoOperationFinish", HOOK_COUNT},
    {"createSchema", HOOK_COUNT},
    {"beforeCreateSchema", HOOK_COUNT},
    {"beforeConnect", HOOK_COUNT},
    {"afterConnect", HOOK_COUNT},
};

typedef struct Callback {
    size_t event;
    Str description;
    Script *script;
} Callback;

typedef struct Down {
    Str version;
    Script *script;
} Down;

typedef struct Scan {
    const ConventionContext *ctx;
    const FlywaySettings *settings;
    Arena *arena;
    const PeerFileVec *files;
    MigrationSet set;
    Vec(Down) downs;
    Vec(Callback) callbacks;
    StrVec unheard; /* names of callbacks that are not run */
    Error *err;
} Scan;

static bool ignore(Scan *scan, const PeerFile *file)
{
    return vec_push(scan->arena, &scan->set.ignored, str_from(file->path)) ||
           error_nomem(scan->err);
}

/* The .conf of a file stands next to it in the sorted list, or nearly: upper and lower case do not matter. */
static const char *conf_of(const Scan *scan, const PeerFile *file)
{
    for (size_t i = 0; i < scan->files->len; i++) {
        const PeerFile *other = &scan->files->items[i];
        if (other->relative.len == file->relative.len + 5 &&
            ends_nocase(other->name, STR(".conf")) &&
            strlen(other->path) == strlen(file->path) + 5 &&
            str_starts_nocase(str_from(other->path), str_from(file->path)))
            return other->path;
    }
    return NULL;
}

static bool make_script(Scan *scan, const PeerFile *file, bool is_repeatable, bool is_foreign,
                        bool may_have_conf, Script **ret_script)
{
    Script *script = script_new(scan->arena, scan->ctx->files, file->path);
    ScriptForm *form = arena_alloc(scan->arena, sizeof *form);
    FlywayFile *own = arena_alloc(scan->arena, sizeof *own);
    if (!script || !form || !own)
        return error_nomem(scan->err);
    *own = (FlywayFile){.ctx = scan->ctx,
                        .script = file->relative,
                        .is_repeatable = is_repeatable,
                        .is_foreign = is_foreign,
                        .is_java = is_foreign && (str_ends(file->name, STR(".java")) ||
                                                  str_ends(file->name, STR(".kt")) ||
                                                  str_ends(file->name, STR(".groovy")) ||
                                                  str_ends(file->name, STR(".scala"))),
                        .no_transaction = !scan->settings->runs_in_transaction,
                        .replaces_placeholders = true,
                        .conf_path = may_have_conf ? conf_of(scan, file) : NULL};
    if (own->conf_path && !read_conf(own, scan->arena, scan->err))
        return false;
    *form = (ScriptForm){.prepare = prepare, .own = own};
    script->form = form;
    *ret_script = script;
    return true;
}

static bool odd_name(Scan *scan, const PeerFile *file)
{
    if (!scan->settings->refuses_odd_names)
        return ignore(scan, file);
    error_set(scan->err, ERROR_PARSE,
              "%s has no name that Flyway knows, and "
              "validateMigrationNaming asks for one",
              file->path);
    error_code(scan->err, "bad-name");
    error_at(scan->err, str_from(file->path), 0, 0);
    return error_hint(scan->err,
                      "Names are V1__what.sql, R__what.sql, U1__what.sql, B1__what.sql.");
}

/* Whether the file is in a folder called rollback: what has a version there is a down. */
static bool is_rollback(const PeerFile *file)
{
    Str folder = path_folder(file->relative);
    return str_eq(path_base(folder), STR("rollback"));
}

/* "V1__x", "U1__x", "1_x": whatever has a version. */
static bool rollback_version(const FlywaySettings *settings, Str name, Str *ret_version)
{
    FlywayName found = read_name(settings, name);
    if ((found.form == FLYWAY_VERSIONED || found.form == FLYWAY_UNDO) && !found.is_foreign) {
        *ret_version = found.version;
        return true;
    }
    *ret_version = peer_digits(name);
    return ret_version->len > 0 && ends_nocase(name, STR(".sql"));
}

static bool add_down(Scan *scan, const PeerFile *file, Str written)
{
    Down down;
    return (version_text(scan->arena, written, &down.version) || error_nomem(scan->err)) &&
           make_script(scan, file, false, false, true, &down.script) &&
           (vec_push(scan->arena, &scan->downs, down) || error_nomem(scan->err));
}

static bool take_callback(Scan *scan, const PeerFile *file, bool *ret_is)
{
    Str name = file->name, event, description = {0};
    bool is_foreign = false;
    *ret_is = false;
    if (!cut_suffix(scan->settings, &name, &is_foreign))
        return true;
    size_t cut = str_find(name, scan->settings->separator, 0);
    event = cut == SIZE_MAX ? name : str_sub(name, 0, cut);
    if (cut != SIZE_MAX)
        description = str_sub(name, cut + scan->settings->separator.len, name.len);
    for (size_t i = 0; i < sizeof callbacks / sizeof *callbacks; i++) {
        Callback found = {.event = i, .description = description};
        if (!str_eq(event, str_from(callbacks[i].event)))
            continue;
        *ret_is = true;
        if (callbacks[i].point == HOOK_COUNT || is_foreign)
            return vec_push(scan->arena, &scan->unheard, file->relative) || error_nomem(scan->err);
        return make_script(scan, file, false, false, true, &found.script) &&
               (vec_push(scan->arena, &scan->callbacks, found) || error_nomem(scan->err));
    }
    return true;
}

static bool add_file(Scan *scan, const PeerFile *file)
{
    FlywayName name = read_name(scan->settings, file->name);
    Migration migration = {0};
    bool is_callback = false;
    Str version;
    if (is_rollback(file) && rollback_version(scan->settings, file->name, &version))
        return add_down(scan, file, version);
    if (!take_callback(scan, file, &is_callback))
        return false;
    if (is_callback)
        return true;
    switch (name.form) {
    case FLYWAY_NONE:
        return ignore(scan, file);
    case FLYWAY_ODD:
        return odd_name(scan, file);
    case FLYWAY_UNDO:
        return name.is_foreign ? ignore(scan, file) : add_down(scan, file, name.version);
    case FLYWAY_VERSIONED:
        migration.kind = MIGRATION_VERSIONED;
        break;
    case FLYWAY_REPEATABLE:
        migration.kind = MIGRATION_REPEATABLE;
        break;
    case FLYWAY_BASELINE:
        migration.kind = MIGRATION_BASELINE;
        break;
    }
    bool is_repeatable = name.form == FLYWAY_REPEATABLE;
    if ((!is_repeatable && !version_text(scan->arena, name.version, &migration.version)) ||
        !description_text(scan->arena, name.description, &migration.name))
        return error_nomem(scan->err);
    return make_script(scan, file, is_repeatable, name.is_foreign, true, &migration.up) &&
           (vec_push(scan->arena, &scan->set.migrations, migration) || error_nomem(scan->err));
}

static int by_event(const void *a, const void *b)
{
    const Callback *one = a, *two = b;
    if (one->event != two->event)
        return one->event < two->event ? -1 : 1;
    return str_cmp(one->description, two->description);
}

static bool finish_callbacks(Scan *scan)
{
    StrBuf out = strbuf(scan->arena);
    Str sentence;
    Callback *all = scan->callbacks.items;
    size_t count = scan->callbacks.len;
    assert(all || count == 0);
    if (count > 1)
        qsort(all, count, sizeof *all, by_event);
    for (size_t i = 0; i < count; i++) {
        const Callback *one = &all[i], *before = i > 0 ? one - 1 : NULL;
        if (before && by_event(before, one) == 0) {
            error_set(scan->err, ERROR_STATE, "two callbacks have one name: %s and %s",
                      before->script->path, one->script->path);
            error_hint(scan->err, "Flyway takes one of each name: rename the other.");
            return error_code(scan->err, "duplicate-version");
        }
        Hook hook = {.point = callbacks[one->event].point, .script = one->script};
        if (!vec_push(scan->arena, &scan->set.hooks, hook))
            return error_nomem(scan->err);
    }
    if (scan->unheard.len == 0)
        return true;
    strbuf_adds(&out, "callbacks that whimbrel does not run: ");
    for (size_t i = 0; i < scan->unheard.len; i++) {
        strbuf_adds(&out, i > 0 ? ", " : "");
        strbuf_add(&out, scan->unheard.items[i]);
    }
    return (strbuf_finish(&out, &sentence) && vec_push(scan->arena, &scan->set.notes, sentence)) ||
           error_nomem(scan->err);
}

/* Where V3 and B3 are both here, Flyway takes B3 for an empty database; V1 to V3 lead to the same. */
static bool drop_doubled_baselines(Scan *scan)
{
    MigrationVec *all = &scan->set.migrations;
    size_t kept = 0;
    for (size_t i = 0; i < all->len; i++) {
        bool is_doubled = false;
        for (size_t j = 0; all->items[i].kind == MIGRATION_BASELINE && !is_doubled && j < all->len;
             j++)
            is_doubled = all->items[j].kind == MIGRATION_VERSIONED &&
                         version_compare(all->items[i].version, all->items[j].version) == 0;
        if (!is_doubled) {
            all->items[kept++] = all->items[i];
            continue;
        }
        const char *note = str_format(scan->arena,
                                      "%s is passed over: the versioned file of %.*s is here too, "
                                      "and new databases are built from the versioned ones",
                                      all->items[i].up->path, STR_ARG(all->items[i].version));
        if (!note || !vec_push(scan->arena, &scan->set.notes, str_from(note)))
            return error_nomem(scan->err);
    }
    all->len = kept;
    return true;
}

static bool pair_downs(Scan *scan)
{
    for (size_t i = 0; i < scan->downs.len; i++) {
        const Down *down = &scan->downs.items[i];
        Migration *found = NULL;
        const Migration *known = migration_set_find(&scan->set, down->version);
        if (known)
            found = &scan->set.migrations.items[known - scan->set.migrations.items];
        if (!found || found->kind != MIGRATION_VERSIONED) {
            if (!vec_push(scan->arena, &scan->set.ignored, str_from(down->script->path)))
                return error_nomem(scan->err);
            continue;
        }
        if (found->down)
            return peer_twice("Flyway", found->down->path, down->script->path, down->version,
                              scan->err);
        found->down = down->script;
    }
    return true;
}

static bool scan(const ConventionContext *ctx, Arena *arena, MigrationSet *ret_set, Error *err)
{
    PeerFileVec files = {0};
    Scan scan = {
        .ctx = ctx,
        .settings = flyway_settings(ctx),
        .arena = arena,
        .files = &files,
        .set = {.script_options = peer_script_options(ctx), .has_optional_baselines = true},
        .err = err};
    if (!peer_files(ctx, arena, PEER_DEEPEST, &files, err))
        return false;
    for (size_t i = 0; i < files.len; i++)
        if (!add_file(&scan, &files.items[i]))
            return false;
    if (!drop_doubled_baselines(&scan) || !migration_set_finish(&scan.set, err) ||
        !pair_downs(&scan) || !finish_callbacks(&scan))
        return false;
    *ret_set = scan.set;
    return true;
}

/* ---- reading the history --------------------------------------------------------------------------------------------- */

typedef enum RowKind {
    ROW_UNKNOWN,
    ROW_MIGRATION,
    ROW_BASELINE_FILE,
    ROW_BASELINE,
    ROW_SCHEMA,
    ROW_DELETE,
    ROW_UNDO
} RowKind;

static RowKind row_kind(Str type)
{
    static const struct {
        const char *type;
        RowKind kind;
    } known[] = {{"SQL", ROW_MIGRATION},
                 {"JDBC", ROW_MIGRATION},
                 {"SCRIPT", ROW_MIGRATION},
                 {"CUSTOM", ROW_MIGRATION},
                 {"SPRING_JDBC", ROW_MIGRATION},
                 {"SQL_BASELINE", ROW_BASELINE_FILE},
                 {"JDBC_BASELINE", ROW_BASELINE_FILE},
                 {"SCRIPT_BASELINE", ROW_BASELINE_FILE},
                 {"CUSTOM_BASELINE", ROW_BASELINE_FILE},
                 {"SQL_STATE_SCRIPT", ROW_BASELINE_FILE},
                 {"JDBC_STATE_SCRIPT", ROW_BASELINE_FILE},
                 {"BASELINE", ROW_BASELINE},
                 {"SCHEMA", ROW_SCHEMA},
                 {"DELETE", ROW_DELETE},
                 {"UNDO_SQL", ROW_UNDO},
                 {"UNDO_JDBC", ROW_UNDO},
                 {"UNDO_SCRIPT", ROW_UNDO},
                 {"UNDO_CUSTOM", ROW_UNDO}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (str_eq(type, str_from(known[i].type)))
            return known[i].kind;
    return ROW_UNKNOWN;
}

enum {
    COL_RANK,
    COL_VERSION,
    COL_DESCRIPTION,
    COL_TYPE,
    COL_CHECKSUM,
    COL_BY,
    COL_ON,
    COL_TIME,
    COL_SUCCESS,
    COL_COUNT
};

static const char *columns_of(SqlDialect dialect)
{
    switch (dialect) {
    case SQL_POSTGRES:
        return "installed_rank, version, description, type, checksum, installed_by, "
               "CAST(date_part('epoch', installed_on) * 1000000 AS BIGINT), execution_time, "
               "CASE WHEN success THEN 1 ELSE 0 END";
    case SQL_MYSQL:
        return "installed_rank, version, description, type, checksum, installed_by, "
               "CAST(UNIX_TIMESTAMP(installed_on) * 1000000 AS SIGNED), execution_time, "
               "CASE WHEN success THEN 1 ELSE 0 END";
    case SQL_SQLITE:
        break;
    }
    return "installed_rank, version, description, type, checksum, installed_by, installed_on, "
           "execution_time, CASE WHEN success THEN 1 ELSE 0 END";
}

typedef struct Reader {
    const ConventionContext *ctx;
    Arena *arena;
    History *history;
    Vec(size_t) repeatables; /* where their rows are */
    Str highest;             /* version so far: above it there are no twins to look for */
    Str unknown;             /* a type that nobody knows */
    bool has_undo;           /* the paid edition was here */
} Reader;

/* HistoryRow.own, where a rollback is to be told as the paid edition tells it: by a row of its own. */
static const bool undo_is_told = true;

static size_t find_row(const Reader *reader, const HistoryRow *row)
{
    const HistoryRowVec *rows = &reader->history->rows;
    bool is_repeatable = row->kind == MIGRATION_REPEATABLE;
    for (size_t i = 0; is_repeatable && i < reader->repeatables.len; i++)
        if (str_eq(rows->items[reader->repeatables.items[i]].name, row->name))
            return reader->repeatables.items[i];
    if (is_repeatable ||
        (reader->highest.len > 0 && version_compare(row->version, reader->highest) > 0))
        return SIZE_MAX;
    for (size_t i = rows->len; i-- > 0;)
        if (rows->items[i].kind != MIGRATION_REPEATABLE &&
            version_compare(rows->items[i].version, row->version) == 0)
            return i;
    return SIZE_MAX;
}

/* What it was is no more: a place in the list that all later steps pass over. */
static void forget(Reader *reader, size_t at)
{
    reader->history->rows.items[at].outcome = HISTORY_SKIPPED;
}

static bool has_file(const Reader *reader, const HistoryRow *row)
{
    const MigrationSet *set = reader->ctx->set;
    return set &&
           (row->kind == MIGRATION_REPEATABLE ? migration_set_find_repeatable(set, row->name)
                                              : migration_set_find(set, row->version)) != NULL;
}

/* What a row says of one that came before it. */
static bool keep_row(Reader *reader, RowKind kind, HistoryRow row, Error *err)
{
    HistoryRowVec *rows = &reader->history->rows;
    size_t before = find_row(reader, &row);
    reader->has_undo = reader->has_undo || kind == ROW_UNDO;
    if (kind == ROW_UNDO && row.outcome == HISTORY_APPLIED) {
        if (before != SIZE_MAX)
            forget(reader, before);
        return true;
    }
    if (kind == ROW_DELETE) {
        if (before != SIZE_MAX && has_file(reader, &row))
            forget(reader, before);
        else if (before != SIZE_MAX)
            rows->items[before].outcome = HISTORY_DELETED;
        return true;
    }
    if (before != SIZE_MAX) {
        rows->items[before] = row;
        return true;
    }
    if (row.kind == MIGRATION_REPEATABLE) {
        if (!vec_push(reader->arena, &reader->repeatables, rows->len))
            return error_nomem(err);
    } else if (reader->highest.len == 0 || version_compare(row.version, reader->highest) > 0) {
        reader->highest = row.version;
    }
    return vec_push(reader->arena, rows, row) || error_nomem(err);
}

static bool take_row(void *ctx, const DbValue *cols, bool *ret_is_good, const char **ret_what,
                     Error *err)
{
    Reader *reader = ctx;
    int64_t rank = 0, time_ms = -1;
    HistoryRow row = peer_row((Str){0}, (Str){0}, 0);
    RowKind kind = row_kind(cols[COL_TYPE].text);
    *ret_is_good = db_value_i64(&cols[COL_RANK], &rank);
    *ret_what = "a row has no rank";
    if (!*ret_is_good || rank < 0 || kind == ROW_SCHEMA)
        return true;
    row.rank = rank;
    if (kind == ROW_UNKNOWN) {
        if (reader->unknown.len == 0 &&
            !str_copy(reader->arena, cols[COL_TYPE].text, &reader->unknown))
            return error_nomem(err);
        return true;
    }
    if (!str_copy(reader->arena, cols[COL_VERSION].text, &row.version) ||
        !str_copy(reader->arena, cols[COL_DESCRIPTION].text, &row.name) ||
        !str_copy(reader->arena, cols[COL_CHECKSUM].text, &row.checksum) ||
        !str_copy(reader->arena, cols[COL_BY].text, &row.applied_by))
        return error_nomem(err);
    row.kind = cols[COL_VERSION].is_null                           ? MIGRATION_REPEATABLE
               : kind == ROW_BASELINE || kind == ROW_BASELINE_FILE ? MIGRATION_BASELINE
                                                                   : MIGRATION_VERSIONED;
    *ret_is_good = row.kind == MIGRATION_REPEATABLE || version_is_valid(row.version);
    *ret_what = "a row's version is none";
    if (!*ret_is_good)
        return true;
    row.outcome = !str_eq(cols[COL_SUCCESS].text, STR("1")) ? HISTORY_FAILED
                  : kind == ROW_BASELINE                    ? HISTORY_BASELINED
                                                            : HISTORY_APPLIED;
    if (db_value_i64(&cols[COL_TIME], &time_ms) && time_ms >= 0 && time_ms < INT64_MAX / 1000)
        row.duration_us = time_ms * 1000;
    if (!(reader->ctx->dialect == SQL_SQLITE ? timestamp_parse(cols[COL_ON].text, &row.finished_at)
                                             : db_value_i64(&cols[COL_ON], &row.finished_at)))
        row.finished_at = TIMESTAMP_UNKNOWN;
    /* The marker's text is no name of a migration: a file of that version keeps its own. */
    if (kind == ROW_BASELINE && has_file(reader, &row))
        row.name = (Str){0};
    return keep_row(reader, kind, row, err);
}

/* Rows without a file that Flyway lets be: above the newest file is "future", below it "missing". */
static void mark_tolerated(const ConventionContext *ctx, const FlywaySettings *settings,
                           History *history)
{
    const MigrationSet *set = ctx->set;
    Str newest = {0};
    for (size_t i = 0; set && i < set->migrations.len; i++)
        if (set->migrations.items[i].kind != MIGRATION_REPEATABLE)
            newest = set->migrations.items[i].version;
    for (size_t i = 0; i < history->rows.len; i++) {
        HistoryRow *row = &history->rows.items[i];
        bool is_future = row->kind != MIGRATION_REPEATABLE &&
                         (newest.len == 0 || version_compare(row->version, newest) > 0);
        row->is_tolerated = is_future ? settings->ignores_future : settings->ignores_missing;
    }
}

/* baselineOnMigrate: whether anything of the user's is in the schema. */
static bool is_empty_database(const ConventionContext *ctx, Db *db, Arena *arena, bool *ret_is,
                              Error *err)
{
    scoped(DbRows, db_rows_done) rows = {0};
    StrBuf sql = strbuf(arena);
    Str schema, text;
    if (!schema_name(ctx, db, arena, &schema, err))
        return false;
    switch (ctx->dialect) {
    case SQL_POSTGRES:
        strbuf_adds(&sql, "SELECT count(*) FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace "
                          "n ON n.oid = c.relnamespace WHERE c.relkind IN ('r', 'p', 'v', 'm', "
                          "'S', 'f') AND n.nspname = ");
        sql_add_literal(&sql, ctx->dialect, schema);
        break;
    case SQL_MYSQL:
        strbuf_adds(&sql, "SELECT count(*) FROM information_schema.tables WHERE table_schema = ");
        sql_add_literal(&sql, ctx->dialect, schema);
        break;
    case SQL_SQLITE:
        strbuf_adds(&sql, "SELECT count(*) FROM sqlite_master WHERE type IN ('table', 'view') AND "
                          "name NOT LIKE 'sqlite%'");
        break;
    }
    if (!strbuf_finish(&sql, &text))
        return error_nomem(err);
    if (!db_query(db, text, &rows, err))
        return false;
    *ret_is = db_rows_next(&rows) && str_eq(rows.cols[0].text, STR("0"));
    return db_rows_finish(&rows, err);
}

/* ---- the table of before version 5 ------------------------------------------------------------------------------------ */

/* schema_version, until flyway_schema_history came: with these columns Flyway works on it still, if it is told its name; Flyway 3 and
 * older had a rank more, without which they let no row in. tern has a table of that name, with one column. */
#define FLYWAY_COLUMNS                                                                             \
    "installed_rank, version, description, type, script, checksum, installed_by, installed_on, "   \
    "execution_time, success"
#define OLD_COLUMNS "version_rank, " FLYWAY_COLUMNS

static bool is_named_otherwise(const ConventionContext *ctx)
{
    return ctx->table.len > 0 && !str_eq(ctx->table, STR("flyway_schema_history"));
}

static bool look_at_old_table(const ConventionContext *ctx, Db *db, Arena *arena, bool *ret_has,
                              bool *ret_has_rank, Error *err)
{
    static const char *const names[] = {"schema_version", "public.schema_version"};
    ConventionContext asked = *ctx;
    bool has_rows;
    asked.table = (Str){0};
    *ret_has = *ret_has_rank = false;
    if (is_named_otherwise(ctx))
        return true;
    for (size_t i = 0; !*ret_has && i < 2; i++) {
        TableName name = {.table = STR("schema_version")};
        /* Among the tables that were looked at it may stand under tern's name. */
        if (i > 0 && (!ctx->known_tables || ctx->dialect != SQL_POSTGRES ||
                      !known_table(ctx, str_from(names[i]))))
            break;
        if (i > 0)
            name.schema = STR("public");
        if (!history_table_look(&asked, db, arena, &name, FLYWAY_COLUMNS, false, ret_has, &has_rows,
                                err) ||
            (*ret_has && !history_table_look(&asked, db, arena, &name, OLD_COLUMNS, false,
                                             ret_has_rank, &has_rows, err)))
            return false;
    }
    return true;
}

static bool refuse_old_table(bool has_rank, Error *err)
{
    error_set(err, ERROR_STATE,
              "the history of Flyway is in schema_version here, its table of before version 5%s",
              has_rank ? "" : ", and flyway_schema_history is not there");
    error_code(err, "foreign-history");
    if (has_rank)
        return error_hint(err, "Flyway 3 or older made it (it has the column version_rank): let "
                               "Flyway 4.2 run once, which brings it up to date, then write "
                               "convention = \"flyway\" and table = \"schema_version\" into "
                               "whimbrel.toml.");
    return error_hint(err, "Write convention = \"flyway\" and table = \"schema_version\" into "
                           "whimbrel.toml (Flyway itself needs flyway.table=schema_version).");
}

static bool history_read(const ConventionContext *ctx, Db *db, Arena *arena, History *ret_history,
                         Error *err)
{
    const FlywaySettings *settings = flyway_settings(ctx);
    History history = {0};
    Reader reader = {.ctx = ctx, .arena = arena, .history = &history};
    PeerTable table = {.columns = columns_of(ctx->dialect),
                       .order = "installed_rank",
                       .column_count = COL_COUNT,
                       .row = take_row,
                       .ctx = &reader};
    if (!peer_check_schema(ctx, db, settings->default_schema, err) ||
        !table_name_read(ctx, arena, &table.name, err) ||
        !peer_table_read(ctx, db, arena, &table, &history.exists, err))
        return false;
    if (!history.exists && !db->is_in_transaction) {
        bool has_old = false, has_rank = false;
        if (!look_at_old_table(ctx, db, arena, &has_old, &has_rank, err))
            return false;
        if (has_old)
            return refuse_old_table(has_rank, err);
    }
    if (history.exists && str_eq_nocase(ctx->table, STR("schema_version"))) {
        bool has_rank, has_rows;
        if (!history_table_look(ctx, db, arena, &table.name, OLD_COLUMNS, false, &has_rank,
                                &has_rows, err))
            return false;
        if (has_rank)
            return refuse_old_table(true, err);
    }
    if (reader.unknown.len > 0) {
        const char *plain = table_name_plain(arena, &table.name, "");
        if (!plain)
            return error_nomem(err);
        error_set(err, ERROR_STATE, "%s has a row of type %.*s, which whimbrel does not know",
                  plain, STR_ARG(reader.unknown));
        error_code(err, "newer-history");
        return error_hint(err, "A newer Flyway, or a plug-in of it, has written it.");
    }
    size_t kept = 0;
    bool tells_undo = reader.has_undo || settings->has_paid_edition;
    for (size_t i = 0; i < history.rows.len; i++) {
        HistoryRow *row = &history.rows.items[i];
        row->own = tells_undo ? &undo_is_told : NULL;
        if (row->outcome != HISTORY_SKIPPED)
            history.rows.items[kept++] = *row;
    }
    history.rows.len = kept;
    if (!history.exists && settings->baseline_on_migrate) {
        bool is_empty = true;
        HistoryRow row = peer_row(settings->baseline_version, settings->baseline_description, 1);
        row.kind = MIGRATION_BASELINE;
        row.outcome = HISTORY_BASELINED;
        if (has_file(&reader, &row))
            row.name = (Str){0};
        if (!is_empty_database(ctx, db, arena, &is_empty, err))
            return false;
        if (!is_empty && !vec_push(arena, &history.rows, row))
            return error_nomem(err);
    }
    mark_tolerated(ctx, settings, &history);
    if (!history_finish(arena, &history, err))
        return false;
    *ret_history = history;
    return true;
}

/* ---- writing it --------------------------------------------------------------------------------------------------------- */

static void add_name(StrBuf *sql, SqlDialect dialect, Str table, const char *suffix)
{
    TableName name = {.table = table};
    table_name_add(sql, dialect, &name, suffix);
}

static void add_columns(StrBuf *sql, const ConventionContext *ctx, const TableName *name,
                        const Db *db)
{
    switch (ctx->dialect) {
    case SQL_POSTGRES:
        strbuf_adds(sql, " (\n    \"installed_rank\" INT NOT NULL,\n    \"version\" VARCHAR(50),\n"
                         "    \"description\" VARCHAR(200) NOT NULL,\n"
                         "    \"type\" VARCHAR(20) NOT NULL,\n"
                         "    \"script\" VARCHAR(1000) NOT NULL,\n    \"checksum\" INTEGER,\n"
                         "    \"installed_by\" VARCHAR(100) NOT NULL,\n"
                         "    \"installed_on\" TIMESTAMP NOT NULL DEFAULT now(),\n"
                         "    \"execution_time\" INTEGER NOT NULL,\n"
                         "    \"success\" BOOLEAN NOT NULL\n)");
        break;
    case SQL_MYSQL:
        strbuf_adds(sql, " (\n    `installed_rank` INT NOT NULL,\n    `version` VARCHAR(50),\n"
                         "    `description` VARCHAR(200) NOT NULL,\n"
                         "    `type` VARCHAR(20) NOT NULL,\n"
                         "    `script` VARCHAR(1000) NOT NULL,\n    `checksum` INT,\n"
                         "    `installed_by` VARCHAR(100) NOT NULL,\n"
                         "    `installed_on` TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP,\n"
                         "    `execution_time` INT NOT NULL,\n    `success` BOOL NOT NULL,\n    ");
        if (!str_eq(str_from(db->info.engine), STR("mariadb"))) {
            strbuf_adds(sql, "CONSTRAINT ");
            add_name(sql, ctx->dialect, name->table, "_pk");
            strbuf_adds(sql, " ");
        }
        strbuf_adds(sql, "PRIMARY KEY (`installed_rank`)\n)");
        break;
    case SQL_SQLITE:
        strbuf_adds(sql, " (\n    \"installed_rank\" INT NOT NULL PRIMARY KEY,\n"
                         "    \"version\" VARCHAR(50),\n"
                         "    \"description\" VARCHAR(200) NOT NULL,\n"
                         "    \"type\" VARCHAR(20) NOT NULL,\n"
                         "    \"script\" VARCHAR(1000) NOT NULL,\n    \"checksum\" INT,\n"
                         "    \"installed_by\" VARCHAR(100) NOT NULL,\n    \"installed_on\" TEXT "
                         "NOT NULL DEFAULT (strftime('%Y-%m-%d %H:%M:%f','now')),\n"
                         "    \"execution_time\" INT NOT NULL,\n"
                         "    \"success\" BOOLEAN NOT NULL\n)");
        break;
    }
}

static void add_installed_by(StrBuf *sql, const ConventionContext *ctx, const HistoryWrite *write)
{
    const FlywaySettings *settings = flyway_settings(ctx);
    if (write && write->kept && write->kept->applied_by.len > 0)
        sql_add_literal(sql, ctx->dialect, write->kept->applied_by);
    else if (settings->installed_by.len > 0)
        sql_add_literal(sql, ctx->dialect, settings->installed_by);
    else
        strbuf_adds(sql, ctx->dialect == SQL_POSTGRES ? "current_user"
                         : ctx->dialect == SQL_MYSQL  ? "SUBSTRING_INDEX(USER(), '@', 1)"
                                                      : "''");
}

/* One row behind all others. */
typedef struct NewRow {
    Str version, description, script, checksum; /* version, checksum empty: NULL */
    const char *type;
    const HistoryWrite *timed; /* NULL: no time */
    bool is_success;
} NewRow;

static void add_text_or_null(StrBuf *sql, SqlDialect dialect, Str text)
{
    if (text.len > 0)
        sql_add_literal(sql, dialect, text);
    else
        strbuf_adds(sql, "NULL");
}

static void add_time(StrBuf *sql, const ConventionContext *ctx, const HistoryWrite *write)
{
    char buf[TIMESTAMP_TEXT];
    bool is_started_known =
        write && write->started_at != TIMESTAMP_UNKNOWN && write->started_at != 0;
    if (write && write->duration_us >= 0)
        strbuf_addf(sql, "%lld",
                    (long long)(write->duration_us / 1000 < INT32_MAX ? write->duration_us / 1000
                                                                      : INT32_MAX));
    else if (write && ctx->dialect == SQL_POSTGRES)
        strbuf_adds(sql, "CAST(EXTRACT(EPOCH FROM clock_timestamp() - now()) * 1000 AS INTEGER)");
    else if (ctx->dialect == SQL_SQLITE && is_started_known)
        strbuf_addf(sql,
                    "MAX(0, CAST(ROUND((julianday('now') - julianday('%s')) * 86400000.0) AS "
                    "INTEGER))",
                    timestamp_sql(write->started_at, buf));
    else
        strbuf_adds(sql, "0");
}

/* SQLite's default has milliseconds. */
static void add_instant(StrBuf *sql, const ConventionContext *ctx, Timestamp time)
{
    char buf[TIMESTAMP_TEXT];
    if (ctx->dialect == SQL_SQLITE)
        strbuf_addf(sql, "'%.23s'", timestamp_sql(time, buf));
    else
        peer_add_time(sql, ctx->dialect, time);
}

static bool push_row(const ConventionContext *ctx, const TableName *name, Arena *arena,
                     const NewRow *row, DbStatementVec *out, Error *err)
{
    StrBuf sql = strbuf(arena);
    peer_begin(&sql, ctx, name, "INSERT INTO ");
    bool has_instant = row->timed && peer_finished_at(row->timed) != TIMESTAMP_UNKNOWN;
    strbuf_addf(&sql,
                " (installed_rank, version, description, type, script, checksum, installed_by, "
                "execution_time, success%s) SELECT COALESCE(MAX(installed_rank), %d) + 1, ",
                has_instant ? ", installed_on" : "", strcmp(row->type, "SCHEMA") == 0 ? -1 : 0);
    add_text_or_null(&sql, ctx->dialect, row->version);
    strbuf_adds(&sql, ", ");
    sql_add_literal(&sql, ctx->dialect, row->description);
    strbuf_addf(&sql, ", '%s', ", row->type);
    sql_add_literal(&sql, ctx->dialect, row->script);
    int64_t checksum = 0;
    if (row->checksum.len > 0 && str_to_i64(row->checksum, &checksum))
        strbuf_addf(&sql, ", %lld, ", (long long)checksum);
    else
        strbuf_adds(&sql, ctx->dialect == SQL_POSTGRES ? ", CAST(NULL AS INTEGER), " : ", NULL, ");
    add_installed_by(&sql, ctx, row->timed);
    strbuf_adds(&sql, ", ");
    add_time(&sql, ctx, row->timed);
    strbuf_adds(&sql, row->is_success ? ", TRUE" : ", FALSE");
    if (has_instant) {
        strbuf_adds(&sql, ", ");
        add_instant(&sql, ctx, peer_finished_at(row->timed));
    }
    strbuf_adds(&sql, " FROM ");
    table_name_add(&sql, ctx->dialect, name, "");
    strbuf_adds(&sql, " WHERE installed_rank >= 0");
    return statement_push(arena, &sql, out, err);
}

/* Adds the schema to those that are missing, if it is. */
static bool look_for_schema(const ConventionContext *ctx, Db *db, Arena *arena, Str schema,
                            StrVec *missing, Error *err)
{
    scoped(DbRows, db_rows_done) rows = {0};
    StrBuf sql = strbuf(arena);
    Str text;
    if (schema.len == 0)
        return true;
    for (size_t i = 0; i < missing->len; i++)
        if (str_eq(missing->items[i], schema))
            return true;
    strbuf_adds(&sql, ctx->dialect == SQL_POSTGRES
                          ? "SELECT 1 FROM pg_catalog.pg_namespace WHERE nspname = "
                          : "SELECT 1 FROM information_schema.schemata WHERE schema_name = ");
    sql_add_literal(&sql, ctx->dialect, schema);
    if (!strbuf_finish(&sql, &text))
        return error_nomem(err);
    if (!db_query(db, text, &rows, err))
        return error_wrap(err, "looking for the schema %.*s", STR_ARG(schema));
    bool is_there = db_rows_next(&rows);
    if (!db_rows_finish(&rows, err))
        return false;
    return is_there || vec_push(arena, missing, schema) || error_nomem(err);
}

/* Those that the configuration names, as far as they are missing: statements that make them, and what the marker says of them. */
static bool push_schemas(const ConventionContext *ctx, Db *db, Arena *arena, StrBuf *made,
                         DbStatementVec *out, Error *err)
{
    const FlywaySettings *settings = flyway_settings(ctx);
    StrVec missing = {0};
    bool is_listed = false;
    if (ctx->dialect == SQL_SQLITE || !settings->creates_schemas)
        return true;
    for (size_t i = 0; i < settings->schemas.len; i++)
        is_listed = is_listed || str_eq(settings->schemas.items[i], settings->default_schema);
    if (!is_listed && !look_for_schema(ctx, db, arena, settings->default_schema, &missing, err))
        return false;
    for (size_t i = 0; i < settings->schemas.len; i++)
        if (!look_for_schema(ctx, db, arena, settings->schemas.items[i], &missing, err))
            return false;
    for (size_t i = 0; i < missing.len; i++) {
        StrBuf sql = strbuf(arena);
        strbuf_adds(&sql, "CREATE SCHEMA ");
        sql_add_ident(&sql, ctx->dialect, missing.items[i]);
        if (!statement_push(arena, &sql, out, err))
            return false;
        strbuf_adds(made, i > 0 ? "," : "");
        sql_add_ident(made, ctx->dialect, missing.items[i]);
    }
    return !made->has_failed || error_nomem(err);
}

/* The first row of a history that begins with them has rank 0. */
static bool push_schema_marker(const ConventionContext *ctx, const TableName *name, Arena *arena,
                               const StrBuf *made, DbStatementVec *out, Error *err)
{
    NewRow marker = {.description = STR("<< Flyway Schema Creation >>"),
                     .script = strbuf_str(made),
                     .type = "SCHEMA",
                     .is_success = true};
    return made->len == 0 || push_row(ctx, name, arena, &marker, out, err);
}

static bool history_prepare(const ConventionContext *ctx, Db *db, Arena *arena,
                            const History *history, DbStatementVec *out, Error *err)
{
    const FlywaySettings *settings = flyway_settings(ctx);
    TableName name;
    StrBuf sql = strbuf(arena), made = strbuf(arena);
    if (!table_name_read(ctx, arena, &name, err) || !push_schemas(ctx, db, arena, &made, out, err))
        return false;
    if (history->exists)
        return push_schema_marker(ctx, &name, arena, &made, out, err);
    peer_begin(&sql, ctx, &name, "CREATE TABLE ");
    add_columns(&sql, ctx, &name, db);
    if (!statement_push(arena, &sql, out, err))
        return false;
    if (ctx->dialect == SQL_POSTGRES) {
        sql = strbuf(arena);
        peer_begin(&sql, ctx, &name, "ALTER TABLE ");
        strbuf_adds(&sql, " ADD CONSTRAINT ");
        add_name(&sql, ctx->dialect, name.table, "_pk");
        strbuf_adds(&sql, " PRIMARY KEY (\"installed_rank\")");
        if (!statement_push(arena, &sql, out, err))
            return false;
    }
    sql = strbuf(arena);
    strbuf_adds(&sql, "CREATE INDEX ");
    add_name(&sql, ctx->dialect, name.table, "_s_idx");
    peer_begin(&sql, ctx, &name, " ON ");
    strbuf_adds(&sql, ctx->dialect == SQL_MYSQL ? " (`success`)" : " (\"success\")");
    if (!statement_push(arena, &sql, out, err) ||
        !push_schema_marker(ctx, &name, arena, &made, out, err))
        return false;
    if (history->rows.len == 0)
        return true;
    NewRow baseline = {.version = settings->baseline_version,
                       .description = settings->baseline_description,
                       .script = settings->baseline_description,
                       .type = "BASELINE",
                       .is_success = true};
    return push_row(ctx, &name, arena, &baseline, out, err);
}

/* The row or rows that a write is about. */
static void add_where(const ConventionContext *ctx, StrBuf *sql, const HistoryWrite *write)
{
    const HistoryRow *row = write->row;
    assert(write->migration || row);
    bool is_repeatable =
        (write->migration ? write->migration->kind : row->kind) == MIGRATION_REPEATABLE;
    strbuf_adds(sql, " WHERE ");
    if (is_repeatable) {
        strbuf_adds(sql, "version IS NULL AND type NOT IN ('SCHEMA', 'DELETE') AND description = ");
        sql_add_literal(sql, ctx->dialect, row ? row->name : write->migration->name);
        if (row && row->outcome == HISTORY_FAILED)
            strbuf_adds(sql, " AND NOT success");
        return;
    }
    strbuf_adds(sql, "version = ");
    sql_add_literal(sql, ctx->dialect, row ? row->version : write->migration->version);
    if (row)
        strbuf_addf(sql, " AND installed_rank = %lld", (long long)row->rank);
}

static bool push_change(const ConventionContext *ctx, Arena *arena, const HistoryWrite *write,
                        StrBuf *sql, const char *also, DbStatementVec *out, Error *err)
{
    add_where(ctx, sql, write);
    strbuf_adds(sql, also);
    return statement_push(arena, sql, out, err);
}

static const char *type_of(const Migration *migration)
{
    const FlywayFile *file = migration->up && migration->up->form ? migration->up->form->own : NULL;
    if (file && file->is_foreign)
        return file->is_java ? "JDBC" : "SCRIPT";
    return migration->kind == MIGRATION_BASELINE ? "SQL_BASELINE" : "SQL";
}

/* Of more than 1,000 characters the end is what is kept. */
static bool script_text_of(Arena *arena, const Script *of, Str name, Str *ret_script)
{
    const FlywayFile *file = of && of->form ? of->form->own : NULL;
    Str script = file ? file->script : name;
    if (script.len > LONGEST_SCRIPT) {
        size_t from = script.len - (LONGEST_SCRIPT - 3);
        while (from < script.len && is_continuation(script.ptr[from]))
            from++;
        const char *cut = str_format(arena, "...%.*s", STR_ARG(str_sub(script, from, script.len)));
        *ret_script = str_from(cut);
        return cut != NULL;
    }
    *ret_script = script;
    return true;
}

static bool push_applied(const ConventionContext *ctx, const TableName *name, Arena *arena,
                         const HistoryWrite *write, bool is_success, DbStatementVec *out,
                         Error *err)
{
    const Migration *migration = write->migration;
    NewRow row = {.timed = write, .is_success = is_success};
    if (!migration)
        return error_set(err, ERROR_USAGE, "a history write names no migration");
    row.version = migration->version;
    row.description = migration->name;
    row.type = type_of(migration);
    row.checksum = migration->up ? migration->up->checksum : (Str){0};
    if (!script_text_of(arena, migration->up, migration->name, &row.script))
        return error_nomem(err);
    return push_row(ctx, name, arena, &row, out, err);
}

/* Whether a rollback is told by a row of its own. What was applied only in part loses its row either way. */
static bool tells_undo(const HistoryWrite *write)
{
    const HistoryRow *row = write->row;
    return row && row->own && row->outcome == HISTORY_APPLIED && write->is_down &&
           !write->is_said && write->migration && write->migration->down &&
           write->migration->kind == MIGRATION_VERSIONED;
}

/* Of the undo's own file, as the paid edition has it. */
static bool push_undone(const ConventionContext *ctx, const TableName *name, Arena *arena,
                        const HistoryWrite *write, bool is_success, DbStatementVec *out, Error *err)
{
    const Script *down = write->migration->down;
    const FlywayFile *file = down->form->own;
    NewRow row = {.version = write->migration->version,
                  .type = "UNDO_SQL",
                  .checksum = down->checksum,
                  .timed = write,
                  .is_success = is_success};
    Str written = read_name(flyway_settings(ctx), path_base(file->script)).description;
    if (!description_text(arena, written.len > 0 ? written : write->migration->name,
                          &row.description) ||
        !script_text_of(arena, down, row.description, &row.script))
        return error_nomem(err);
    return push_row(ctx, name, arena, &row, out, err);
}

static bool push_update(const ConventionContext *ctx, const TableName *name, Arena *arena,
                        const HistoryWrite *write, const char *set, const char *also,
                        DbStatementVec *out, Error *err)
{
    StrBuf sql = strbuf(arena);
    peer_begin(&sql, ctx, name, "UPDATE ");
    strbuf_adds(&sql, set);
    return push_change(ctx, arena, write, &sql, also, out, err);
}

static bool push_delete(const ConventionContext *ctx, const TableName *name, Arena *arena,
                        const HistoryWrite *write, const char *also, DbStatementVec *out,
                        Error *err)
{
    StrBuf sql = strbuf(arena);
    peer_begin(&sql, ctx, name, "DELETE FROM ");
    return push_change(ctx, arena, write, &sql, also, out, err);
}

static const char undo_under_way[] = " AND type = 'UNDO_SQL' AND NOT success";

/* The row that says "failed" while the migration runs becomes the one that it is. Its rank is not known: there is one of it. */
static bool push_done(const ConventionContext *ctx, const TableName *name, Arena *arena,
                      const HistoryWrite *write, DbStatementVec *out, Error *err)
{
    StrBuf sql = strbuf(arena);
    HistoryWrite unranked = *write;
    unranked.row = NULL;
    peer_begin(&sql, ctx, name, "UPDATE ");
    strbuf_adds(&sql, " SET success = TRUE, execution_time = ");
    add_time(&sql, ctx, write);
    return push_change(ctx, arena, &unranked, &sql,
                       write->is_down ? undo_under_way : " AND NOT success", out, err);
}

static bool push_checksum(const ConventionContext *ctx, const TableName *name, Arena *arena,
                          const HistoryWrite *write, DbStatementVec *out, Error *err)
{
    StrBuf sql = strbuf(arena);
    int64_t checksum = 0;
    const Migration *migration = write->migration;
    if (!migration || !migration->up || (write->row && write->row->outcome == HISTORY_BASELINED))
        return true;
    peer_begin(&sql, ctx, name, "UPDATE ");
    strbuf_adds(&sql, " SET description = ");
    sql_add_literal(&sql, ctx->dialect, migration->name);
    strbuf_addf(&sql, ", type = '%s'", type_of(migration));
    if (str_to_i64(migration->up->checksum, &checksum))
        strbuf_addf(&sql, ", checksum = %lld", (long long)checksum);
    return push_change(ctx, arena, write, &sql, "", out, err);
}

/* As Flyway's repair: another row says that the migration is gone, with what the migration's own row says. */
static bool push_deleted(const ConventionContext *ctx, const TableName *name, Arena *arena,
                         const HistoryWrite *write, DbStatementVec *out, Error *err)
{
    StrBuf sql = strbuf(arena);
    peer_begin(&sql, ctx, name, "INSERT INTO ");
    strbuf_adds(&sql, " (installed_rank, version, description, type, script, checksum, "
                      "installed_by, execution_time, success) SELECT (SELECT MAX(installed_rank) "
                      "FROM ");
    table_name_add(&sql, ctx->dialect, name, "");
    strbuf_adds(&sql, ") + 1, version, description, 'DELETE', script, checksum, ");
    add_installed_by(&sql, ctx, NULL);
    strbuf_adds(&sql, ", 0, TRUE FROM ");
    table_name_add(&sql, ctx->dialect, name, "");
    const char *ranked = str_format(arena, " WHERE installed_rank = %lld",
                                    (long long)(write->row ? write->row->rank : -1));
    if (!ranked)
        return error_nomem(err);
    strbuf_adds(&sql, ranked);
    return statement_push(arena, &sql, out, err);
}

static bool push_baseline(const ConventionContext *ctx, const TableName *name, Arena *arena,
                          const HistoryWrite *write, DbStatementVec *out, Error *err)
{
    const FlywaySettings *settings = flyway_settings(ctx);
    NewRow row = {.type = "BASELINE", .is_success = true, .timed = write->kept ? write : NULL};
    bool is_named = write->migration && !write->migration->up &&
                    !str_eq(write->migration->name, STR("baseline"));
    row.version = peer_version(write);
    row.description = row.script =
        is_named ? write->migration->name : settings->baseline_description;
    return push_row(ctx, name, arena, &row, out, err);
}

static bool history_write(const ConventionContext *ctx, const Db *db, Arena *arena,
                          const HistoryWrite *write, DbStatementVec *out, Error *err)
{
    (void)db;
    TableName name;
    bool is_failed_row = write->row && write->row->outcome == HISTORY_FAILED;
    bool is_nothing_done = write->done == 0 && !write->is_fate_unknown;
    bool is_undo_told = tells_undo(write);
    if (write->kind == WRITE_RUN_BEGIN || write->kind == WRITE_RUN_END)
        return true;
    if (!write->migration && !write->row)
        return error_set(err, ERROR_USAGE, "a history write names no migration");
    if (!table_name_read(ctx, arena, &name, err))
        return false;
    switch (write->kind) {
    case WRITE_BEGIN:
        if (is_undo_told)
            return push_undone(ctx, &name, arena, write, false, out, err);
        if (write->is_down)
            return push_update(ctx, &name, arena, write, " SET success = FALSE", "", out, err);
        return push_applied(ctx, &name, arena, write, false, out, err);
    case WRITE_APPLIED:
        if (write->is_journaled)
            return push_done(ctx, &name, arena, write, out, err);
        if (is_failed_row && !push_delete(ctx, &name, arena, write, "", out, err))
            return false;
        return push_applied(ctx, &name, arena, write, true, out, err);
    case WRITE_FAILED:
        /* What has changed nothing leaves nothing. */
        if (!write->is_journaled || !is_nothing_done)
            return true;
        if (is_undo_told)
            return push_delete(ctx, &name, arena, &(HistoryWrite){.migration = write->migration},
                               undo_under_way, out, err);
        if (write->is_down)
            return push_update(ctx, &name, arena, write, " SET success = TRUE", "", out, err);
        return push_delete(ctx, &name, arena, &(HistoryWrite){.migration = write->migration},
                           " AND NOT success", out, err);
    case WRITE_BASELINE:
        return push_baseline(ctx, &name, arena, write, out, err);
    case WRITE_REMOVED:
        if (is_undo_told)
            return write->is_journaled ? push_done(ctx, &name, arena, write, out, err)
                                       : push_undone(ctx, &name, arena, write, true, out, err);
        return push_delete(ctx, &name, arena, write, "", out, err);
    case WRITE_CHECKSUM:
        return push_checksum(ctx, &name, arena, write, out, err);
    case WRITE_DELETED:
        return push_deleted(ctx, &name, arena, write, out, err);
    case WRITE_STEP:
    case WRITE_SKIPPED:
    case WRITE_RUN_BEGIN:
    case WRITE_RUN_END:
        return true;
    }
    return true;
}

/* ---- lock ------------------------------------------------------------------------------------------------------------------ */

/* One character of UTF-8, as far as the text is that. */
static uint32_t next_char(Str text, size_t *at)
{
    unsigned char lead = (unsigned char)text.ptr[(*at)++];
    uint32_t c = lead < 0x80    ? lead
                 : lead >= 0xf0 ? lead & 7
                 : lead >= 0xe0 ? lead & 15
                                : lead & 31;
    while (lead >= 0x80 && *at < text.len && is_continuation(text.ptr[*at]))
        c = c << 6 | ((unsigned char)text.ptr[(*at)++] & 63);
    return c;
}

/* Java's String.hashCode(). */
static int32_t java_hash(Str text)
{
    uint32_t hash = 0;
    for (size_t at = 0; at < text.len;) {
        uint32_t c = next_char(text, &at);
        if (c >= 0x10000) {
            hash = 31 * hash + (0xd800 + ((c - 0x10000) >> 10));
            c = 0xdc00 + ((c - 0x10000) & 0x3ff);
        }
        hash = 31 * hash + c;
    }
    return (int32_t)hash;
}

static bool lock_key(const ConventionContext *ctx, const Db *db, Arena *arena, DbLockKey *ret_key,
                     Error *err)
{
    const int64_t flyway = 0x466c79776179; /* "Flyway" */
    StrBuf quoted = strbuf(arena);
    TableName name;
    Str text;
    if (!table_name_read(ctx, arena, &name, err) || !schema_name(ctx, db, arena, &name.schema, err))
        return false;
    table_name_add(&quoted, ctx->dialect, &name, "");
    if (!strbuf_finish(&quoted, &text))
        return error_nomem(err);
    int32_t hash = java_hash(text);
    const char *named = str_format(arena, "Flyway-%ld", (long)hash);
    if (!named)
        return error_nomem(err);
    *ret_key = (DbLockKey){.number = flyway + hash, .name = str_from(named)};
    return true;
}

/* ---- recognition, configuration, new files ------------------------------------------------------------------------------------ */

static bool takes(const ConventionContext *ctx, const PeerFile *file, Str text)
{
    (void)text;
    FlywayName name = read_name(flyway_settings(ctx), file->name);
    /* Flyway takes V1__a.SQL too, and an undo without its migration; alone these are slips in a folder of whimbrel's own. */
    return name.form >= FLYWAY_VERSIONED && name.form != FLYWAY_UNDO && name.description.len > 0 &&
           !name.is_foreign && str_ends(file->name, STR(".sql"));
}

/* A build that names Flyway, beside files of its form. */
static bool look_at_build(const ConventionContext *ctx, Arena *arena, ConventionGuess *guess,
                          Error *err)
{
    static const char *const names[] = {"pom.xml", "build.gradle", "build.gradle.kts", NULL};
    enum { BUILD_BYTES = 1 << 20 };
    for (size_t i = 0; guess->has_files && !ctx->files && names[i]; i++) {
        const char *path = peer_beside(ctx, arena, str_from(names[i]));
        FileInfo info;
        Str text;
        if (!path)
            return error_nomem(err);
        if (!file_info(path, &info, err))
            return false;
        if (info.kind != FILE_REGULAR || info.size_bytes > BUILD_BYTES)
            continue;
        if (!file_read(arena, path, BUILD_BYTES, &text, err))
            return false;
        if (str_find(text, STR("flyway"), 0) != SIZE_MAX &&
            !guess_add(arena, guess, 2, str_format(arena, "%s names Flyway", path), err))
            return false;
    }
    return true;
}

static bool configure_by_files(ConventionContext *ctx, Arena *arena, Error *err)
{
    return flyway_configure(ctx, arena, false, err);
}

static bool recognise(const ConventionContext *given, Db *db, Arena *arena,
                      ConventionGuess *ret_guess, Error *err)
{
    static const char *const configurations[] = {"flyway.toml", "flyway.conf", "conf/flyway.conf",
                                                 NULL};
    static const PeerSigns signs = {.configurations = configurations,
                                    .columns = FLYWAY_COLUMNS,
                                    .depth = PEER_DEEPEST,
                                    .takes = takes};
    ConventionContext own = *given;
    bool has_old = false, has_rank = false;
    if (!peer_try_configuration(configure_by_files, &own, arena, err) ||
        !peer_recognise(&own, db, arena, &signs, ret_guess, err) ||
        !look_at_build(given, arena, ret_guess, err) ||
        (db && own.known_tables && !look_at_old_table(&own, db, arena, &has_old, &has_rank, err)))
        return false;
    return !has_old ||
           guess_add(arena, ret_guess, 2,
                     "the table schema_version is there, of Flyway before version 5", err);
}

static bool configure(ConventionContext *ctx, Arena *arena, Error *err)
{
    return flyway_configure(ctx, arena, true, err);
}

static bool new_paths(const ConventionContext *ctx, Arena *arena, const MigrationSet *set, Str name,
                      unsigned new_kind, bool is_numbered, Timestamp now, StrVec *ret_paths,
                      Error *err)
{
    const FlywaySettings *settings = flyway_settings(ctx);
    Str slug;
    StrVec paths = {0};
    if (new_kind == NEW_FOLDER)
        return peer_lacks(ctx->convention, "migrations in folders", err);
    if (!peer_slug(arena, name, &slug, err))
        return false;
    Str suffix = settings->suffixes.len > 0 ? settings->suffixes.items[0] : STR(".sql");
    const char *version =
        new_kind == NEW_REPEATABLE ? "" : peer_next_version(arena, set, is_numbered, 1, now);
    if (!version)
        return error_nomem(err);
    for (int i = 0; i < (new_kind == NEW_REVERSIBLE ? 2 : 1); i++) {
        Str prefix = new_kind == NEW_REPEATABLE ? settings->repeatable_prefix
                     : i == 1                   ? settings->undo_prefix
                                                : settings->versioned_prefix;
        const char *path = str_format(arena, "%.*s%s%.*s%.*s%.*s", STR_ARG(prefix), version,
                                      STR_ARG(settings->separator), STR_ARG(slug), STR_ARG(suffix));
        if (!path || !vec_push(arena, &paths, str_from(path)))
            return error_nomem(err);
    }
    *ret_paths = paths;
    return true;
}

static bool draft_files(const ConventionContext *ctx, Arena *arena, const DraftVec *drafts,
                        TreeFileVec *ret_files, Error *err)
{
    const FlywaySettings *settings = flyway_settings(ctx);
    Str suffix = settings->suffixes.len > 0 ? settings->suffixes.items[0] : STR(".sql");
    for (size_t i = 0; i < drafts->len; i++) {
        const Draft *draft = &drafts->items[i];
        for (int is_down = 0; is_down <= draft->has_down; is_down++) {
            const DraftScript *script = is_down ? &draft->down : &draft->up;
            Str prefix = is_down                               ? settings->undo_prefix
                         : draft->kind == MIGRATION_REPEATABLE ? settings->repeatable_prefix
                         : draft->kind == MIGRATION_BASELINE   ? settings->baseline_prefix
                                                               : settings->versioned_prefix;
            StrBuf configuration = strbuf(arena);
            const char *path =
                str_format(arena, "%.*s%.*s%.*s%.*s%.*s", STR_ARG(prefix), STR_ARG(draft->version),
                           STR_ARG(settings->separator), STR_ARG(draft->name), STR_ARG(suffix));
            if (!path)
                return error_nomem(err);
            if (!draft_plain(arena, ret_files, path, draft, is_down, "", err))
                return false;
            if (!script->no_transaction)
                continue;
            strbuf_adds(&configuration, "executeInTransaction=false\n");
            if (!draft_file(arena, ret_files, str_format(arena, "%s.conf", path), &configuration,
                            err))
                return false;
        }
    }
    return true;
}

static const char *const other_tables[] = {"schema_version", NULL};

const Convention convention_flyway = {
    .version = 1,
    .name = "flyway",
    .title = "Flyway",
    .summary = "Flyway: V1__name.sql, U1__, R__, B1__, callbacks, table flyway_schema_history",
    .default_table = "flyway_schema_history",
    .other_tables = other_tables,
    .features = CONVENTION_REPEATABLE | CONVENTION_DOWN | CONVENTION_BASELINE | CONVENTION_HOOKS |
                CONVENTION_DIRECTIVES | CONVENTION_DELETED | CONVENTION_EMPTY,
    .checksum_hash = HASH_SHA256,
    .scan = scan,
    .history_read = history_read,
    .history_prepare = history_prepare,
    .history_write = history_write,
    .lock_key = lock_key,
    .recognise = recognise,
    .new_paths = new_paths,
    .draft_files = draft_files,
    .configure = configure,
};

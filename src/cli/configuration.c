/* Works out the settings: command line, environment, .env, [env.NAME], the top of whimbrel.toml, defaults; the first that
 * says anything counts. SPDX-License-Identifier: Apache-2.0
 *
 * Each row of the settings' table is asked at each place in turn, and what is found is kept as text with its origin, for
 * `whimbrel config`; only then is it read as what the row's type says. The files' texts may hold passwords: they are gone when it is
 * over, and what is kept of them is copied. */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/cli.h"

enum { MOST_FOLDERS_UP = 64 };
static const uint64_t config_limit_bytes = 4 * 1024 * 1024;

typedef struct Loader {
    Arena *arena;
    Arena *secrets; /* for what may hold a password */
    Arena *scratch; /* for the files' texts, which may; gone when all is read */
    Configuration *configuration;
    TomlDoc doc;
    bool has_doc;
    Dotenv dotenv;
    const TomlValue *env_table; /* of the chosen environment; NULL: none */
    Error *err;
} Loader;

const char *origin_name(Origin origin)
{
    switch (origin) {
    case ORIGIN_DEFAULT:
        return "default";
    case ORIGIN_FILE:
        return "file";
    case ORIGIN_ENV_TABLE:
        return "env-table";
    case ORIGIN_DOTENV:
        return "dotenv";
    case ORIGIN_ENVIRONMENT:
        return "environment";
    case ORIGIN_COMMAND_LINE:
        return "command-line";
    }
    return "";
}

/* ---- values of the file -------------------------------------------------------------------------------------------- */

/* ${NAME} of the environment or of .env; "$${" is a literal "${". */
static bool expand(Loader *l, const TomlValue *value, Str text, Str *ret_text)
{
    if (str_find(text, STR("${"), 0) == SIZE_MAX) {
        *ret_text = text;
        return true;
    }
    StrBuf out = strbuf(l->scratch);
    size_t at = 0;
    for (;;) {
        size_t start = str_find(text, STR("${"), at);
        if (start == SIZE_MAX)
            break;
        if (start > at && text.ptr[start - 1] == '$') {
            strbuf_add(&out, str_sub(text, at, start - 1));
            strbuf_add(&out, STR("${"));
            at = start + 2;
            continue;
        }
        size_t end = str_find_char(text, '}', start);
        if (end == SIZE_MAX) {
            toml_error(&l->doc, value, l->err, ERROR_USAGE, "'${' without its '}'");
            return error_code(l->err, "bad-setting");
        }
        const char *name = str_z(l->scratch, str_sub(text, start + 2, end));
        if (!name)
            return error_nomem(l->err);
        const char *found = getenv(name);
        const DotenvEntry *entry = dotenv_get(&l->dotenv, str_from(name));
        if (!found && !entry) {
            toml_error(&l->doc, value, l->err, ERROR_USAGE,
                       "${%s} is set neither in the environment nor in .env", name);
            return error_code(l->err, "variable-unset");
        }
        strbuf_add(&out, str_sub(text, at, start));
        strbuf_add(&out, found ? str_from(found) : entry->value);
        at = end + 1;
    }
    strbuf_add(&out, str_sub(text, at, text.len));
    return strbuf_finish(&out, ret_text) || error_nomem(l->err);
}

static bool wrong_kind(Loader *l, const Option *row, const TomlValue *value, const char *wanted)
{
    toml_error(&l->doc, value, l->err, ERROR_USAGE, "%s takes %s, not %s", row->key, wanted,
               toml_kind_name(value->kind));
    return error_code(l->err, "bad-setting");
}

static bool push(Loader *l, SettingSource *source, Str text)
{
    return vec_push(l->arena, &source->texts, text) || error_nomem(l->err);
}

/* The same for a text that will not stay. */
static bool push_copy(Loader *l, const Option *row, SettingSource *source, Str text)
{
    Str copy;
    return str_copy(row->flags & OPTION_SECRET ? l->secrets : l->arena, text, &copy)
               ? push(l, source, copy)
               : error_nomem(l->err);
}

/* One string of the file: expanded, and a path put in relation to the file's folder. */
static bool push_string(Loader *l, const Option *row, SettingSource *source, const TomlValue *value)
{
    Str text;
    if (!expand(l, value, value->string, &text))
        return false;
    if (str_find_char(text, '\0', 0) != SIZE_MAX) {
        toml_error(&l->doc, value, l->err, ERROR_USAGE, "%s holds a NUL", row->key);
        return error_code(l->err, "bad-setting");
    }
    if (row->flags & OPTION_PATH) {
        const char *path = path_join(l->arena, l->configuration->project_folder, text);
        if (!path)
            return error_nomem(l->err);
        text = str_from(path);
    }
    return push_copy(l, row, source, text);
}

static bool is_list(const Option *row)
{
    return row->type == OPTION_STRINGS;
}

static bool take_value(Loader *l, const Option *row, const TomlValue *value, SettingSource *source)
{
    const char *number = NULL;
    switch (value->kind) {
    case TOML_STRING:
        if (row->type == OPTION_FLAG)
            return wrong_kind(l, row, value, "true or false");
        if (str_eq(str_from(row->key), STR("password_command"))) {
            wrong_kind(l, row, value, "an array, the program and its arguments");
            return error_hint(
                l->err,
                "It is run without a shell: password_command = [\"pass\", \"show\", \"db\"].");
        }
        return push_string(l, row, source, value);
    case TOML_INTEGER:
        if (row->type != OPTION_COUNT && row->type != OPTION_NUMBER &&
            row->type != OPTION_DURATION && row->type != OPTION_SIZE)
            return wrong_kind(l, row, value,
                              is_list(row) ? "a string or an array of strings" : "a string");
        number = str_format(l->arena, "%lld", (long long)value->integer);
        return number ? push(l, source, str_from(number)) : error_nomem(l->err);
    case TOML_BOOLEAN:
        if (row->type != OPTION_FLAG)
            return wrong_kind(l, row, value, "a string");
        return push(l, source, value->boolean ? STR("true") : STR("false"));
    case TOML_ARRAY:
        if (!is_list(row))
            return wrong_kind(l, row, value, "one value");
        for (size_t i = 0; i < value->array.len; i++) {
            if (value->array.items[i]->kind != TOML_STRING)
                return wrong_kind(l, row, value->array.items[i], "strings");
            if (!push_string(l, row, source, value->array.items[i]))
                return false;
        }
        return true;
    case TOML_FLOAT:
    case TOML_OFFSET_DATETIME:
    case TOML_LOCAL_DATETIME:
    case TOML_LOCAL_DATE:
    case TOML_LOCAL_TIME:
    case TOML_TABLE:
        return wrong_kind(l, row, value,
                          is_list(row) ? "a string or an array of strings" : "one value");
    }
    return false;
}

static bool take_from_table(Loader *l, const Option *row, const TomlValue *table, Origin origin,
                            SettingSource *source)
{
    const TomlEntry *entry = row->key && table ? toml_entry(table, str_from(row->key)) : NULL;
    if (!entry)
        return true;
    source->is_set = true;
    source->origin = origin;
    source->where = str_format(l->arena, "%s:%u", l->configuration->file, (unsigned)entry->line);
    if (!source->where)
        return error_nomem(l->err);
    if (!take_value(l, row, entry->value, source))
        return false;
    /* Read it here once, so that a wrong value is shown in its line. */
    Settings scratch = {0};
    Error wrong = {.arena = l->arena};
    for (size_t i = 0; i < source->texts.len; i++) {
        if (option_store(l->arena, row, &scratch, source->texts.items[i], row->key, &wrong))
            continue;
        toml_error(&l->doc, entry->value, l->err, ERROR_USAGE, "%s", wrong.message);
        return error_code(l->err, "bad-setting");
    }
    return true;
}

/* ---- the other places ---------------------------------------------------------------------------------------------- */

static bool take_variable(Loader *l, const Option *row, Str text, SettingSource *source)
{
    source->is_set = true;
    if (!(row->flags & OPTION_COLONS))
        return push_copy(l, row, source, text);
    while (text.len > 0) {
        Str piece;
        text = str_cut(text, ':', &piece);
        if (piece.len > 0 && !push_copy(l, row, source, piece))
            return false;
    }
    return true;
}

static bool take_from_environment(Loader *l, const Option *row, SettingSource *source)
{
    for (size_t i = 0; i < 3 && row->env[i]; i++) {
        const char *value = getenv(row->env[i]);
        if (!value || !value[0])
            continue;
        source->origin = ORIGIN_ENVIRONMENT;
        source->where = row->env[i];
        return take_variable(l, row, str_from(value), source);
    }
    for (size_t i = 0; i < 3 && row->env[i]; i++) {
        const DotenvEntry *entry = dotenv_get(&l->dotenv, str_from(row->env[i]));
        if (!entry || entry->value.len == 0)
            continue;
        source->origin = ORIGIN_DOTENV;
        source->where = str_format(l->arena, ".env:%u", (unsigned)entry->line);
        if (!source->where)
            return error_nomem(l->err);
        return take_variable(l, row, entry->value, source);
    }
    return true;
}

static bool take_given(Loader *l, const Option *row, const StrVec *given, SettingSource *source)
{
    if (given->len == 0)
        return true;
    source->is_set = true;
    source->origin = ORIGIN_COMMAND_LINE;
    source->where = str_format(l->arena, "--%s", row->name);
    if (!source->where)
        return error_nomem(l->err);
    bool keeps_all = row->type == OPTION_STRINGS || row->type == OPTION_PAIRS;
    for (size_t i = keeps_all ? 0 : given->len - 1; i < given->len; i++)
        if (!push(l, source, given->items[i]))
            return false;
    return true;
}

/* Everything but the file, which is not known yet when the first rows are asked. */
static bool find_outside(Loader *l, size_t index, const StrVec *given, SettingSource *ret_source)
{
    const Option *row = &settings_table[index];
    SettingSource source = {.where = ""};
    if (!take_given(l, row, given, &source) ||
        (!source.is_set && !take_from_environment(l, row, &source)))
        return false;
    *ret_source = source;
    return true;
}

static bool find_inside(Loader *l, size_t index, SettingSource *source)
{
    const Option *row = &settings_table[index];
    if (source->is_set || !l->has_doc)
        return true;
    if (!take_from_table(l, row, l->env_table, ORIGIN_ENV_TABLE, source))
        return false;
    return source->is_set || take_from_table(l, row, l->doc.root, ORIGIN_FILE, source);
}

static bool store(Loader *l, size_t index, SettingSource *source)
{
    const Option *row = &settings_table[index];
    if (!source->is_set && row->fallback) {
        Str text = str_from(row->fallback);
        /* The default folders stand beside whimbrel.toml. */
        if (row->flags & OPTION_PATH) {
            const char *path = path_join(l->arena, l->configuration->project_folder, text);
            if (!path)
                return error_nomem(l->err);
            text = str_from(path);
        }
        if (!push(l, source, text))
            return false;
    }
    for (size_t i = 0; i < source->texts.len; i++)
        if (!option_store(l->arena, row, &l->configuration->settings, source->texts.items[i],
                          source->is_set ? source->where : row->key, l->err))
            return false;
    l->configuration->sources[index] = *source;
    return true;
}

/* ---- the file ------------------------------------------------------------------------------------------------------ */

/* Whether a file that was come upon further up is one to obey: it may name a program to run. Ours, the system's, or of whose folder
 * we chose to stand in. Anybody may put one into a folder such as /tmp. */
static bool check_owner(Loader *l, const char *path)
{
    struct stat file, link, here;
    uid_t me = geteuid();
    if (stat(path, &file) != 0 || lstat(path, &link) != 0 || stat(".", &here) != 0)
        return error_errno(l->err, errno, "cannot look at %s", path);
    bool is_ours = file.st_uid == me || file.st_uid == 0 || file.st_uid == here.st_uid;
    if (is_ours && (link.st_uid == me || link.st_uid == 0 || link.st_uid == here.st_uid))
        return true;
    error_set(l->err, ERROR_USAGE, "%s belongs to another user", path);
    error_hint(l->err, "If it is the one that is meant, say so: -c %s", path);
    return error_code(l->err, "foreign-config");
}

static bool find_file(Loader *l, const SettingSource *named, const char **ret_path)
{
    *ret_path = NULL;
    if (named->is_set) {
        const char *path = str_z(l->arena, named->texts.items[0]);
        FileInfo info;
        if (!path)
            return error_nomem(l->err);
        if (!file_info(path, &info, l->err))
            return false;
        if (info.kind == FILE_ABSENT) {
            error_set(l->err, ERROR_USAGE, "there is no configuration file %s (%s)", path,
                      named->where);
            return error_code(l->err, "no-config");
        }
        *ret_path = path;
        return true;
    }
    StrBuf path = strbuf(l->arena);
    struct stat above, here;
    strbuf_adds(&path, "whimbrel.toml");
    for (int up = 0; up < MOST_FOLDERS_UP; up++) {
        FileInfo info;
        Str text;
        if (!strbuf_finish(&path, &text))
            return error_nomem(l->err);
        if (!file_info(text.ptr, &info, l->err))
            return false;
        if (info.kind == FILE_REGULAR) {
            if (up > 0 && !check_owner(l, text.ptr))
                return false;
            *ret_path = text.ptr;
            return true;
        }
        if (info.kind != FILE_ABSENT || info.is_link) {
            /* To pass over it would be to run with other settings than those that were meant. */
            error_set(l->err, ERROR_USAGE,
                      info.kind == FILE_ABSENT ? "%s is a symbolic link that leads nowhere"
                                               : "%s is not a regular file",
                      text.ptr);
            error_hint(l->err, "Put the configuration there, or take its name away.");
            return error_code(l->err, "no-config");
        }
        Str folder = path_folder(text);
        const char *folder_z = str_z(l->arena, folder),
                   *above_z = path_join(l->arena, folder_z, STR(".."));
        if (!folder_z || !above_z)
            return error_nomem(l->err);
        if (stat(folder_z, &here) != 0 || stat(above_z, &above) != 0 ||
            (here.st_dev == above.st_dev && here.st_ino == above.st_ino))
            return true;
        path = strbuf(l->arena);
        for (int i = 0; i <= up; i++)
            strbuf_adds(&path, "../");
        strbuf_adds(&path, "whimbrel.toml");
    }
    return true;
}

static bool check_keys(Loader *l)
{
    const char *known[MOST_SETTINGS + 4];
    size_t count = 0;
    for (size_t i = 0; settings_table[i].name || settings_table[i].key; i++)
        if (settings_table[i].key)
            known[count++] = settings_table[i].key;
    known[count++] = "placeholder";
    known[count] = "env";
    known[count + 1] = NULL;
    if (!toml_check_keys(&l->doc, l->doc.root, NULL, known, l->err))
        return false;
    const TomlValue *placeholder = toml_child(l->doc.root, STR("placeholder"));
    if (placeholder && placeholder->kind != TOML_TABLE) {
        toml_error(&l->doc, placeholder, l->err, ERROR_USAGE,
                   "placeholder takes a table, not %s (placeholders turns them on)",
                   toml_kind_name(placeholder->kind));
        return error_code(l->err, "bad-setting");
    }
    const TomlValue *env = toml_child(l->doc.root, STR("env"));
    if (!env)
        return true;
    known[count] = NULL; /* an environment has no environments */
    if (env->kind != TOML_TABLE) {
        toml_error(&l->doc, env, l->err, ERROR_USAGE, "env takes tables: [env.staging]");
        return error_code(l->err, "bad-setting");
    }
    for (size_t i = 0; i < env->table.len; i++) {
        const TomlEntry *entry = &env->table.items[i];
        if (entry->value->kind != TOML_TABLE) {
            toml_error(&l->doc, entry->value, l->err, ERROR_USAGE, "env.%.*s is not a table",
                       STR_ARG(entry->key));
            return error_code(l->err, "bad-setting");
        }
        const char *prefix = str_format(l->arena, "env.%.*s.", STR_ARG(entry->key));
        if (!prefix)
            return error_nomem(l->err);
        if (!toml_check_keys(&l->doc, entry->value, prefix, known, l->err))
            return false;
        const TomlEntry *inner = toml_entry(entry->value, STR("environment"));
        if (inner) {
            toml_error(&l->doc, inner->value, l->err, ERROR_USAGE,
                       "environment stands at the top of the file only");
            return error_code(l->err, "bad-setting");
        }
    }
    return true;
}

static bool load_file(Loader *l, const char *path)
{
    Str text;
    if (!file_read(l->scratch, path, config_limit_bytes, &text, l->err) ||
        !toml_parse(l->scratch, path, text, &l->doc, l->err)) {
        /* A configuration that cannot be read is a wrong call: nothing has been touched. */
        if (l->err->kind != ERROR_NOMEM)
            l->err->kind = ERROR_USAGE;
        return false;
    }
    l->has_doc = true;
    l->configuration->file = path;
    const char *folder = str_z(l->arena, path_folder(str_from(path)));
    if (!folder)
        return error_nomem(l->err);
    l->configuration->project_folder = folder;
    return check_keys(l);
}

static bool load_dotenv(Loader *l)
{
    FileInfo info;
    Str text;
    if (!file_info(".env", &info, l->err))
        return false;
    if (info.kind != FILE_REGULAR)
        return true;
    if (!file_read(l->scratch, ".env", config_limit_bytes, &text, l->err) ||
        !dotenv_parse(l->scratch, ".env", text, &l->dotenv, l->err)) {
        if (l->err->kind != ERROR_NOMEM)
            l->err->kind = ERROR_USAGE;
        return false;
    }
    return true;
}

/* The table of the chosen environment. Where the file has such tables, a name without one that is given from outside is a
 * slip. */
static bool choose_environment(Loader *l, const SettingSource *source)
{
    const TomlValue *env = l->has_doc ? toml_child(l->doc.root, STR("env")) : NULL;
    if (!source->is_set || source->texts.len == 0 || !env || env->table.len == 0)
        return true;
    Str name = source->texts.items[0];
    l->env_table = toml_child(env, name);
    if (l->env_table)
        return true;
    if (source->origin == ORIGIN_FILE)
        return true; /* the file's own default may well be what stands at its top */
    const char **names = arena_alloc(l->arena, (env->table.len + 1) * sizeof *names);
    if (!names)
        return error_nomem(l->err);
    for (size_t i = 0; i < env->table.len; i++)
        names[i] = env->table.items[i].key.ptr ? str_z(l->arena, env->table.items[i].key) : "";
    const char *nearest = suggest_nearest(name, names);
    if (nearest)
        error_set(l->err, ERROR_USAGE, "%s has no [env.%.*s]. Did you mean '%s'?",
                  l->configuration->file, STR_ARG(name), nearest);
    else
        error_set(l->err, ERROR_USAGE, "%s has no [env.%.*s] (%s)", l->configuration->file,
                  STR_ARG(name), source->where);
    error_hint(l->err, "An empty table will do where nothing differs.");
    return error_code(l->err, "unknown-environment");
}

/* ---- placeholders -------------------------------------------------------------------------------------------------- */

static bool put_placeholder(Loader *l, Str name, Str value, Origin origin, const char *where)
{
    PlaceholderSourceVec *all = &l->configuration->placeholders;
    PlaceholderSource put = {.origin = origin, .where = where};
    if (!where || !str_copy(l->arena, name, &put.name) || !str_copy(l->arena, value, &put.value))
        return error_nomem(l->err);
    for (size_t i = 0; i < all->len; i++) {
        if (!str_eq(all->items[i].name, name))
            continue;
        all->items[i] = put;
        return true;
    }
    return vec_push(l->arena, all, put) || error_nomem(l->err);
}

static bool take_placeholder_table(Loader *l, const TomlValue *parent, Origin origin)
{
    const TomlValue *table = parent ? toml_child(parent, STR("placeholder")) : NULL;
    if (!table)
        return true;
    if (table->kind != TOML_TABLE) {
        toml_error(&l->doc, table, l->err, ERROR_USAGE, "placeholder takes a table, not %s",
                   toml_kind_name(table->kind));
        return error_code(l->err, "bad-setting");
    }
    for (size_t i = 0; i < table->table.len; i++) {
        const TomlEntry *entry = &table->table.items[i];
        Str value = {0};
        const char *text = NULL;
        if (entry->value->kind == TOML_STRING) {
            if (!expand(l, entry->value, entry->value->string, &value))
                return false;
        } else if (entry->value->kind == TOML_INTEGER) {
            text = str_format(l->scratch, "%lld", (long long)entry->value->integer);
            if (!text)
                return error_nomem(l->err);
            value = str_from(text);
        } else if (entry->value->kind == TOML_BOOLEAN) {
            value = entry->value->boolean ? STR("true") : STR("false");
        } else {
            toml_error(&l->doc, entry->value, l->err, ERROR_USAGE,
                       "a placeholder takes a string, not %s", toml_kind_name(entry->value->kind));
            return error_code(l->err, "bad-setting");
        }
        const char *where =
            str_format(l->arena, "%s:%u", l->configuration->file, (unsigned)entry->line);
        if (!put_placeholder(l, entry->key, value, origin, where))
            return false;
    }
    return true;
}

static bool take_placeholders(Loader *l)
{
    if (l->has_doc && (!take_placeholder_table(l, l->doc.root, ORIGIN_FILE) ||
                       !take_placeholder_table(l, l->env_table, ORIGIN_ENV_TABLE)))
        return false;
    Settings *settings = &l->configuration->settings;
    for (size_t i = 0; i < settings->set.len; i++) {
        Str name, value = str_cut(settings->set.items[i], '=', &name);
        if (!put_placeholder(l, name, value, ORIGIN_COMMAND_LINE, "--set"))
            return false;
    }
    for (size_t i = 0; i < l->configuration->placeholders.len; i++) {
        const PlaceholderSource *source = &l->configuration->placeholders.items[i];
        const SqlPlaceholder placeholder = {.name = source->name, .value = source->value};
        if (!vec_push(l->arena, &settings->placeholders, placeholder))
            return error_nomem(l->err);
    }
    return true;
}

/* ---- all of it ------------------------------------------------------------------------------------------------------ */

/* The variable's text is the same for whoever looks into the process; what was in it we have. */
static void hide_variable(const SettingSource *source)
{
    char *value = source->origin == ORIGIN_ENVIRONMENT ? getenv(source->where) : NULL;
    if (value)
        hide_passwords(value);
}

bool configuration_load(Arena *arena, Arena *secrets, const StrVec *given, bool wants_file,
                        Configuration *ret_configuration, Error *err)
{
    scoped(Arena *, arena_freep) scratch = arena_new_secret();
    *ret_configuration = (Configuration){.project_folder = "."};
    Loader l = {.arena = arena,
                .secrets = secrets,
                .scratch = scratch,
                .configuration = ret_configuration,
                .err = err};
    if (!scratch)
        return error_nomem(err);
    if (wants_file && !load_dotenv(&l))
        return false;
    SettingSource sources[MOST_SETTINGS] = {0};
    size_t count = 0;
    for (; settings_table[count].name || settings_table[count].key; count++)
        if (!find_outside(&l, count, &given[count], &sources[count]))
            return false;

    const char *path = NULL;
    if (wants_file && !find_file(&l, &sources[setting_index("config")], &path))
        return false;
    if (path && !load_file(&l, path))
        return false;
    SettingSource *environment = &sources[setting_index("environment")];
    if (!find_inside(&l, setting_index("environment"), environment) ||
        !choose_environment(&l, environment))
        return false;
    for (size_t i = 0; i < count; i++)
        if (!find_inside(&l, i, &sources[i]) || !store(&l, i, &sources[i]))
            return false;
    hide_variable(&sources[setting_index("database")]);
    return take_placeholders(&l);
}

/* Flyway's configuration: flyway.toml, flyway.conf and FLYWAY_* variables come to one list of settings, of which those are taken
 * that mean something here. The others are told: none is dropped in silence. SPDX-License-Identifier: Apache-2.0 */
#include "convention/flyway.h"

#include <string.h>

enum { CONFIGURATION_BYTES = 1 << 20 };

#define TEXT(literal)                                                                              \
    {                                                                                              \
        literal, sizeof(literal) - 1                                                               \
    }

static const FlywaySettings defaults = {
    .baseline_version = TEXT("1"),
    .baseline_description = TEXT("<< Flyway Baseline >>"),
    .environment = TEXT("default"),
    .runs_in_transaction = true,
    .creates_schemas = true,
    .replaces_placeholders = true,
    .ignores_future = true,
    .placeholder_prefix = TEXT("${"),
    .placeholder_suffix = TEXT("}"),
    .placeholder_separator = TEXT(":"),
    .versioned_prefix = TEXT("V"),
    .undo_prefix = TEXT("U"),
    .repeatable_prefix = TEXT("R"),
    .baseline_prefix = TEXT("B"),
    .separator = TEXT("__"),
};

const FlywaySettings *flyway_settings(const ConventionContext *ctx)
{
    return ctx->own ? ctx->own : &defaults;
}

/* ---- the list ------------------------------------------------------------------------------------------- */

typedef struct Setting {
    Str key, value; /* lists: separated by ',' */
    const char *place;
} Setting;
typedef Vec(Setting) SettingVec;

typedef struct Reading {
    ConventionContext *ctx;
    Arena *arena;
    SettingVec settings; /* later ones stand above earlier ones */
    Str environment;     /* whose [environments.X] counts */
    StrVec unheeded;     /* keys */
    Error *err;
} Reading;

static bool add(Reading *reading, Str key, Str value, const char *place)
{
    return (place && vec_push(reading->arena, &reading->settings, (Setting){key, value, place})) ||
           error_nomem(reading->err);
}

static bool bad(Reading *reading, const Setting *setting, const char *what)
{
    error_set(reading->err, ERROR_USAGE, "%s: %.*s %s", setting->place, STR_ARG(setting->key),
              what);
    return error_code(reading->err, "bad-setting");
}

static bool variable(const ConventionContext *ctx, Str name, Str *ret_value)
{
    for (size_t i = 0; ctx->variables && ctx->variables[i]; i++) {
        Str key, value = str_cut(str_from(ctx->variables[i]), '=', &key);
        if (str_eq(key, name)) {
            *ret_value = value;
            return true;
        }
    }
    return false;
}

/* ${NAME} (flyway.conf) or ${env.NAME} (flyway.toml). What is no variable stays as it is; other resolvers are an error, for a
 * secret that is not looked up would be taken for a password. */
static bool expand(Reading *reading, Setting *setting, bool is_toml)
{
    StrBuf out = strbuf(reading->arena);
    Str text = setting->value;
    for (size_t at; (at = str_find(text, STR("${"), 0)) != SIZE_MAX;) {
        size_t end = str_find_char(text, '}', at);
        if (end == SIZE_MAX)
            break;
        Str name = str_sub(text, at + 2, end), value = {0};
        if (is_toml && str_starts(name, STR("env.")))
            name = str_sub(name, 4, name.len);
        else if (is_toml && str_find_char(name, '.', 0) != SIZE_MAX &&
                 !str_starts(setting->key, STR("placeholders.")))
            return bad(reading, setting,
                       "asks for a resolver that whimbrel does not have: put the value into the "
                       "environment and write ${env.NAME}");
        strbuf_add(&out, str_sub(text, 0, at));
        if (variable(reading->ctx, name, &value))
            strbuf_add(&out, value);
        else
            strbuf_add(&out, str_sub(text, at, end + 1));
        text = str_sub(text, end + 1, text.len);
    }
    strbuf_add(&out, text);
    return strbuf_finish(&out, &setting->value) || error_nomem(reading->err);
}

/* ---- flyway.conf ------------------------------------------------------------------------------------------ */

/* key=value in a line; "#" begins a comment line; a backslash at the end goes on with the next line. */
static bool read_conf(Reading *reading, const char *path, Str text)
{
    Line line = {0};
    while (line_next(text, &line)) {
        Str trimmed = str_trim(line.text);
        uint32_t number = line.number;
        Str key, value, joined;
        if (number == 1 && str_starts(trimmed, STR("\xef\xbb\xbf")))
            trimmed = str_sub(trimmed, 3, trimmed.len);
        if (trimmed.len == 0 || trimmed.ptr[0] == '#')
            continue;
        if (!line_joined(reading->arena, text, &line, trimmed, &joined, reading->err))
            return false;
        value = str_trim(str_cut(joined, '=', &key));
        key = str_trim(key);
        if (str_starts(key, STR("flyway.")))
            key = str_sub(key, 7, key.len);
        Setting setting = {key, value, str_format(reading->arena, "%s:%u", path, number)};
        if (!setting.place)
            return error_nomem(reading->err);
        if (!expand(reading, &setting, false) ||
            !add(reading, setting.key, setting.value, setting.place))
            return false;
    }
    return true;
}

/* ---- flyway.toml ------------------------------------------------------------------------------------------ */

static bool scalar_text(Reading *reading, const TomlValue *value, StrBuf *out)
{
    switch (value->kind) {
    case TOML_STRING:
        strbuf_add(out, value->string);
        return true;
    case TOML_INTEGER:
        strbuf_addf(out, "%lld", (long long)value->integer);
        return true;
    case TOML_BOOLEAN:
        strbuf_adds(out, value->boolean ? "true" : "false");
        return true;
    case TOML_FLOAT:
    case TOML_OFFSET_DATETIME:
    case TOML_LOCAL_DATETIME:
    case TOML_LOCAL_DATE:
    case TOML_LOCAL_TIME:
    case TOML_ARRAY:
    case TOML_TABLE:
        break;
    }
    (void)reading;
    return false;
}

static bool value_text(Reading *reading, const TomlDoc *doc, const TomlValue *value, Str *ret_text)
{
    StrBuf out = strbuf(reading->arena);
    bool is_good = true;
    if (value->kind == TOML_ARRAY) {
        for (size_t i = 0; i < value->array.len && is_good; i++) {
            strbuf_adds(&out, i > 0 ? "," : "");
            is_good = scalar_text(reading, value->array.items[i], &out);
        }
    } else {
        is_good = scalar_text(reading, value, &out);
    }
    if (!is_good) {
        toml_error(doc, value, reading->err, ERROR_USAGE, "%s is no value that Flyway has here",
                   toml_kind_name(value->kind));
        return error_code(reading->err, "bad-setting");
    }
    return strbuf_finish(&out, ret_text) || error_nomem(reading->err);
}

/* Every key of a table; tables in it with their name and a dot in front. */
static bool read_table(Reading *reading, const TomlDoc *doc, const TomlValue *table, Str prefix,
                       unsigned depth)
{
    for (size_t i = 0; i < table->table.len; i++) {
        const TomlEntry *entry = &table->table.items[i];
        const char *key =
            str_format(reading->arena, "%.*s%.*s", STR_ARG(prefix), STR_ARG(entry->key));
        if (!key)
            return error_nomem(reading->err);
        if (entry->value->kind == TOML_TABLE && depth > 0) {
            const char *below = str_format(reading->arena, "%s.", key);
            if (!below)
                return error_nomem(reading->err);
            if (!read_table(reading, doc, entry->value, str_from(below), depth - 1))
                return false;
            continue;
        }
        Setting setting = {.key = str_from(key),
                           .place = str_format(reading->arena, "%s:%u", doc->file, entry->line)};
        if (!setting.place)
            return error_nomem(reading->err);
        if (!value_text(reading, doc, entry->value, &setting.value) ||
            !expand(reading, &setting, true) ||
            !add(reading, setting.key, setting.value, setting.place))
            return false;
    }
    return true;
}

static bool read_toml(Reading *reading, const char *path, Str text)
{
    TomlDoc doc;
    const TomlValue *flyway = NULL, *environments = NULL;
    if (!toml_parse(reading->arena, path, text, &doc, reading->err) ||
        !toml_get_table(&doc, doc.root, "flyway", &flyway, reading->err) ||
        !toml_get_table(&doc, doc.root, "environments", &environments, reading->err))
        return false;
    if (flyway && !read_table(reading, &doc, flyway, (Str){0}, 2))
        return false;
    for (size_t i = 0; i < reading->settings.len && reading->ctx->environment.len == 0; i++)
        if (str_eq(reading->settings.items[i].key, STR("environment")))
            reading->environment = reading->settings.items[i].value;
    const TomlValue *chosen = environments ? toml_child(environments, reading->environment) : NULL;
    if (chosen && chosen->kind == TOML_TABLE)
        return read_table(reading, &doc, chosen, (Str){0}, 2);
    if (environments && !str_eq(reading->environment, STR("default"))) {
        error_set(reading->err, ERROR_USAGE, "%s has no environment %.*s", path,
                  STR_ARG(reading->environment));
        error_hint(reading->err, "Write [environments.%.*s], or name another with -e.",
                   STR_ARG(reading->environment));
        return error_code(reading->err, "bad-setting");
    }
    return true;
}

/* ---- FLYWAY_* --------------------------------------------------------------------------------------------- */

static const char *const known_keys[] = {"url",
                                         "user",
                                         "password",
                                         "schemas",
                                         "defaultSchema",
                                         "table",
                                         "locations",
                                         "connectRetries",
                                         "connectRetriesInterval",
                                         "cleanDisabled",
                                         "baselineOnMigrate",
                                         "baselineVersion",
                                         "baselineDescription",
                                         "validateOnMigrate",
                                         "outOfOrder",
                                         "environment",
                                         "encoding",
                                         "installedBy",
                                         "placeholderReplacement",
                                         "placeholderPrefix",
                                         "placeholderSuffix",
                                         "placeholderSeparator",
                                         "sqlMigrationPrefix",
                                         "undoSqlMigrationPrefix",
                                         "repeatableSqlMigrationPrefix",
                                         "baselineMigrationPrefix",
                                         "sqlMigrationSeparator",
                                         "sqlMigrationSuffixes",
                                         "validateMigrationNaming",
                                         "ignoreMigrationPatterns",
                                         "mixed",
                                         "group",
                                         "target",
                                         "executeInTransaction",
                                         "lockRetryCount",
                                         "createSchemas",
                                         "skipDefaultCallbacks",
                                         "skipDefaultResolvers",
                                         "skipExecutingMigrations",
                                         "cherryPick",
                                         "initSql",
                                         "driver",
                                         "callbacks",
                                         "resolvers",
                                         "jarDirs",
                                         "workingDirectory",
                                         "tablespace",
                                         "stream",
                                         "batch",
                                         "errorOverrides",
                                         "dryRunOutput",
                                         "callbackLocations",
                                         "detectEncoding",
                                         "failOnMissingTarget",
                                         "reportFilename",
                                         "licenseKey",
                                         "token",
                                         "email",
                                         "outputType",
                                         "configFiles",
                                         "configFileEncoding",
                                         "failOnMissingLocations",
                                         "powershellExecutable",
                                         "loggers",
                                         "jdbcProperties",
                                         "edition",
                                         NULL};

/* BASELINE_ON_MIGRATE is baselineOnMigrate. */
static bool is_variable_of(Str name, const char *key)
{
    size_t at = 0;
    for (; *key; key++) {
        bool is_upper = *key >= 'A' && *key <= 'Z';
        if (is_upper && (at >= name.len || name.ptr[at++] != '_'))
            return false;
        char upper = *key >= 'a' && *key <= 'z' ? (char)(*key - 'a' + 'A') : *key;
        if (at >= name.len || name.ptr[at++] != upper)
            return false;
    }
    return at == name.len;
}

static bool read_variables(Reading *reading)
{
    const char *const *variables = reading->ctx->variables;
    for (size_t i = 0; variables && variables[i]; i++) {
        Str name, value = str_cut(str_from(variables[i]), '=', &name), key;
        if (!str_starts(name, STR("FLYWAY_")))
            continue;
        const char *place = str_z(reading->arena, name);
        Str rest = str_sub(name, 7, name.len);
        if (str_starts(rest, STR("PLACEHOLDERS_"))) {
            char *lower = str_format(reading->arena, "placeholders.%.*s",
                                     STR_ARG(str_sub(rest, 13, rest.len)));
            for (size_t at = 13; lower && lower[at]; at++)
                if (lower[at] >= 'A' && lower[at] <= 'Z')
                    lower[at] = (char)(lower[at] - 'A' + 'a');
            key = str_from(lower);
        } else {
            const char *const *known = known_keys;
            while (*known && !is_variable_of(rest, *known))
                known++;
            if (!*known) /* Flyway passes over those of its surroundings that it does not know */
                continue;
            key = str_from(*known);
        }
        if (key.len == 0)
            return error_nomem(reading->err);
        if (!add(reading, key, value, place))
            return false;
    }
    return true;
}

/* ---- values ------------------------------------------------------------------------------------------------- */

static bool take_bool(Reading *reading, const Setting *setting, bool *ret)
{
    bool is_true = str_eq_nocase(setting->value, STR("true"));
    if (!is_true && !str_eq_nocase(setting->value, STR("false")))
        return bad(reading, setting, "must be true or false");
    *ret = is_true;
    return true;
}

static bool take_list(Reading *reading, const Setting *setting, StrVec *ret)
{
    Str rest = setting->value, part;
    *ret = (StrVec){0};
    while (rest.len > 0) {
        rest = str_cut(rest, ',', &part);
        part = str_trim(part);
        if (part.len > 0 && !vec_push(reading->arena, ret, part))
            return error_nomem(reading->err);
    }
    return true;
}

static bool unheeded(Reading *reading, const Setting *setting)
{
    for (size_t i = 0; i < reading->unheeded.len; i++)
        if (str_eq(reading->unheeded.items[i], setting->key))
            return true;
    return vec_push(reading->arena, &reading->unheeded, setting->key) || error_nomem(reading->err);
}

/* A word that stands in a list of "type:state" patterns, for all types. */
static bool take_patterns(Reading *reading, const Setting *setting, FlywaySettings *flyway)
{
    StrVec patterns;
    if (!take_list(reading, setting, &patterns))
        return false;
    flyway->ignores_future = flyway->ignores_missing = false;
    for (size_t i = 0; i < patterns.len; i++) {
        Str pattern = patterns.items[i];
        if (str_eq_nocase(pattern, STR("*:future")))
            flyway->ignores_future = true;
        else if (str_eq_nocase(pattern, STR("*:missing")))
            flyway->ignores_missing = true;
        else if (str_eq_nocase(pattern, STR("*:*")))
            flyway->ignores_future = flyway->ignores_missing = true;
        else if (!unheeded(reading, setting))
            return false;
    }
    return true;
}

/* ---- where things are --------------------------------------------------------------------------------------- */

static bool is_folder(const char *path)
{
    FileInfo info;
    return path && file_info(path, &info, NULL) && info.kind == FILE_FOLDER;
}

/* classpath:db/migration lies in the resources of a Java project, or where it is said to. */
static bool class_path(Reading *reading, Str below, const char **ret_path)
{
    static const char *const roots[] = {"src/main/resources", "src/main/java", "."};
    for (size_t i = 0; i < sizeof roots / sizeof *roots; i++) {
        const char *root = peer_beside(reading->ctx, reading->arena, str_from(roots[i]));
        const char *path = root ? path_join(reading->arena, root, below) : NULL;
        if (!path)
            return error_nomem(reading->err);
        *ret_path = path;
        if (is_folder(path))
            return true;
    }
    return true;
}

static bool is_below(Str path, Str other)
{
    return str_eq(path, other) ||
           (path.len > other.len && str_starts(path, other) && path.ptr[other.len] == '/');
}

static bool take_locations(Reading *reading, const Setting *setting)
{
    StrVec list, folders = {0};
    if (!take_list(reading, setting, &list))
        return false;
    for (size_t i = 0; i < list.len; i++) {
        Str location = list.items[i];
        const char *path = NULL;
        if (str_starts(location, STR("s3:")) || str_starts(location, STR("gcs:")))
            return bad(reading, setting,
                       "names a place that whimbrel cannot read: only filesystem: "
                       "and classpath: are known");
        if (str_find_char(location, '*', 0) != SIZE_MAX ||
            str_find_char(location, '?', 0) != SIZE_MAX)
            return bad(reading, setting, "holds wildcards: name the folders one by one");
        bool is_class_path = !str_starts(location, STR("filesystem:"));
        Str below = !is_class_path                            ? str_sub(location, 11, location.len)
                    : str_starts(location, STR("classpath:")) ? str_sub(location, 10, location.len)
                                                              : location;
        while (is_class_path && below.len > 0 && below.ptr[0] == '/')
            below = str_sub(below, 1, below.len);
        while (below.len > 1 && below.ptr[below.len - 1] == '/')
            below.len--;
        if (is_class_path && !class_path(reading, below, &path))
            return false;
        if (!is_class_path)
            path = path_is_absolute(below) ? str_z(reading->arena, below)
                                           : peer_beside(reading->ctx, reading->arena, below);
        if (!path || !vec_push(reading->arena, &folders, str_from(path)))
            return error_nomem(reading->err);
    }
    /* One that lies in another would give every file twice. */
    StrVec kept = {0};
    for (size_t i = 0; i < folders.len; i++) {
        bool is_inner = false;
        for (size_t j = 0; j < folders.len && !is_inner; j++)
            is_inner = j != i && is_below(folders.items[i], folders.items[j]) &&
                       (j < i || !str_eq(folders.items[i], folders.items[j]));
        if (!is_inner && !vec_push(reading->arena, &kept, folders.items[i]))
            return error_nomem(reading->err);
    }
    if (kept.len > 0 && reading->ctx->are_folders_default) {
        reading->ctx->folders = kept;
        reading->ctx->are_folders_default = false;
    }
    return true;
}

/* Where Flyway would look if it were told nothing, as far as one of these is there. */
static bool default_folders(Reading *reading)
{
    static const char *const usual[] = {"src/main/resources/db/migration", "db/migration", "sql",
                                        NULL};
    return peer_take_usual_folder(reading->ctx, reading->arena, usual, reading->err);
}

/* ---- the URL ------------------------------------------------------------------------------------------------- */

static bool take_url(Reading *reading, const Setting *url, Str user, Str password,
                     const FlywaySettings *flyway)
{
    StrVec strange = {0};
    if (!peer_jdbc_url(reading->arena, url->place, url->value, user, password,
                       flyway->default_schema, &strange, &reading->ctx->url, reading->err))
        return false;
    for (size_t i = 0; i < strange.len; i++) {
        Setting setting = {strange.items[i], (Str){0}, url->place};
        if (!unheeded(reading, &setting))
            return false;
    }
    return true;
}

/* ---- taking them ------------------------------------------------------------------------------------------------ */

typedef struct Connection {
    const Setting *url;
    Str user, password;
} Connection;

/* Settings that hold a text. NULL: none of them. */
static Str *text_of(FlywaySettings *flyway, Str key)
{
    const struct {
        Str key;
        Str *value;
    } texts[] = {
        {STR("defaultSchema"), &flyway->default_schema},
        {STR("table"), &flyway->table},
        {STR("installedBy"), &flyway->installed_by},
        {STR("baselineVersion"), &flyway->baseline_version},
        {STR("baselineDescription"), &flyway->baseline_description},
        {STR("environment"), &flyway->environment},
        {STR("placeholderPrefix"), &flyway->placeholder_prefix},
        {STR("placeholderSuffix"), &flyway->placeholder_suffix},
        {STR("placeholderSeparator"), &flyway->placeholder_separator},
        {STR("sqlMigrationPrefix"), &flyway->versioned_prefix},
        {STR("undoSqlMigrationPrefix"), &flyway->undo_prefix},
        {STR("repeatableSqlMigrationPrefix"), &flyway->repeatable_prefix},
        {STR("baselineMigrationPrefix"), &flyway->baseline_prefix},
        {STR("sqlMigrationSeparator"), &flyway->separator},
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (str_eq(key, texts[i].key))
            return texts[i].value;
    return NULL;
}

static bool *switch_of(FlywaySettings *flyway, ConventionContext *ctx, Str key)
{
    if (str_eq(key, STR("baselineOnMigrate")))
        return &flyway->baseline_on_migrate;
    if (str_eq(key, STR("executeInTransaction")))
        return &flyway->runs_in_transaction;
    if (str_eq(key, STR("placeholderReplacement")))
        return &flyway->replaces_placeholders;
    if (str_eq(key, STR("validateMigrationNaming")))
        return &flyway->refuses_odd_names;
    if (str_eq(key, STR("createSchemas")))
        return &flyway->creates_schemas;
    if (str_eq(key, STR("outOfOrder")))
        return &ctx->allows_out_of_order;
    return NULL;
}

/* What says the same as whimbrel does anyway, or concerns only how Flyway itself is run. */
static bool is_without_meaning(const Setting *setting)
{
    static const struct {
        const char *key, *value; /* value NULL: whatever it is */
    } idle[] = {{"validateOnMigrate", "true"},
                {"mixed", "false"},
                {"group", "false"},
                {"encoding", "UTF-8"},
                {"stream", NULL},
                {"batch", NULL},
                {"driver", NULL},
                {"jarDirs", NULL},
                {"email", NULL},
                {"loggers", NULL},
                {"outputType", NULL},
                {"reportFilename", NULL},
                {"detectEncoding", "false"},
                {"skipExecutingMigrations", NULL},
                {"cherryPick", NULL},
                {"dryRunOutput", NULL},
                {"skipDefaultCallbacks", "false"},
                {"skipDefaultResolvers", "false"},
                {"failOnMissingLocations", NULL},
                {"displayName", NULL},
                {"lockRetryCount", "50"},
                {"postgresql.transactional.lock", NULL},
                {"configFiles", NULL},
                {"configFileEncoding", "UTF-8"},
                {"failOnMissingTarget", NULL}};
    for (size_t i = 0; i < sizeof idle / sizeof *idle; i++)
        if (str_eq(setting->key, str_from(idle[i].key)) &&
            (!idle[i].value || str_eq_nocase(setting->value, str_from(idle[i].value))))
            return true;
    return false;
}

/* What would be run where the setting says that it, or part of it, is not to be: no note would do. */
static bool refuse_to_run(Reading *reading, const Setting *setting)
{
    static const struct {
        const char *key, *what;
    } kept_from[] = {
        {"skipExecutingMigrations",
         "would have whimbrel record migrations without running them: take it out, and say "
         "`whimbrel stamp`"},
        {"cherryPick", "would have whimbrel choose migrations: take it out, and say `whimbrel "
                       "migrate --to VERSION` or `whimbrel stamp`"},
        {"dryRunOutput", "would have whimbrel change nothing: take it out, and say `whimbrel plan` "
                         "or `whimbrel migrate --dry-run`"},
    };
    for (size_t i = 0; i < sizeof kept_from / sizeof *kept_from; i++)
        if (str_eq(setting->key, str_from(kept_from[i].key)) && setting->value.len > 0 &&
            !str_eq_nocase(setting->value, STR("false")))
            return bad(reading, setting, kept_from[i].what);
    return true;
}

/* Flyway's words for it, and "7?", which need not be there. */
static Str target_of(Str value)
{
    if (str_eq_nocase(value, STR("latest")))
        return (Str){0};
    if (str_eq_nocase(value, STR("current")))
        return STR("+0");
    if (str_eq_nocase(value, STR("next")))
        return STR("+1");
    return str_ends(value, STR("?")) ? str_sub(value, 0, value.len - 1) : value;
}

static bool is_paid_edition(Str edition)
{
    return str_eq_nocase(edition, STR("teams")) || str_eq_nocase(edition, STR("enterprise")) ||
           str_eq_nocase(edition, STR("pro"));
}

static bool take(Reading *reading, const Setting *setting, FlywaySettings *flyway,
                 Connection *connection)
{
    Str key = setting->key, value = setting->value;
    Str *text = text_of(flyway, key);
    bool *flag = switch_of(flyway, reading->ctx, key);
    if (!refuse_to_run(reading, setting))
        return false;
    if (text) {
        *text = value;
        return true;
    }
    if (flag)
        return take_bool(reading, setting, flag);
    if (str_eq(key, STR("url")))
        connection->url = value.len > 0 ? setting : NULL;
    else if (str_eq(key, STR("user")))
        connection->user = value;
    else if (str_eq(key, STR("password")))
        connection->password = value;
    else if (str_eq(key, STR("schemas")))
        return take_list(reading, setting, &flyway->schemas);
    else if (str_eq(key, STR("locations")))
        return take_locations(reading, setting);
    else if (str_eq(key, STR("sqlMigrationSuffixes")))
        return take_list(reading, setting, &flyway->suffixes);
    else if (str_eq(key, STR("ignoreMigrationPatterns")))
        return take_patterns(reading, setting, flyway);
    else if (str_starts(key, STR("placeholders.")))
        return vec_push(reading->arena, &flyway->placeholders,
                        (FlywayPlaceholder){str_sub(key, 13, key.len), value}) ||
               error_nomem(reading->err);
    else if (str_eq(key, STR("licenseKey")) || str_eq(key, STR("token")))
        flyway->has_paid_edition = flyway->has_paid_edition || value.len > 0;
    else if (str_eq(key, STR("target")))
        reading->ctx->target = target_of(value);
    else if (str_eq(key, STR("edition")))
        flyway->has_paid_edition = flyway->has_paid_edition || is_paid_edition(value);
    else if (str_eq(key, STR("encoding")) && !str_eq_nocase(value, STR("UTF-8")) &&
             !str_eq_nocase(value, STR("UTF8")) && !str_eq_nocase(value, STR("US-ASCII")))
        return bad(reading, setting, "must be UTF-8: whimbrel reads no other");
    else if (!is_without_meaning(setting))
        return unheeded(reading, setting);
    return true;
}

/* What is taken for the names of files must be there. */
static bool check_names(Reading *reading, const FlywaySettings *flyway)
{
    if (flyway->placeholder_prefix.len > 0 && flyway->placeholder_suffix.len > 0 &&
        flyway->versioned_prefix.len > 0 && flyway->repeatable_prefix.len > 0 &&
        flyway->undo_prefix.len > 0 && flyway->baseline_prefix.len > 0 && flyway->separator.len > 0)
        return true;
    error_set(reading->err, ERROR_USAGE,
              "Flyway's prefixes, suffixes and separator must not be empty");
    return error_code(reading->err, "bad-setting");
}

static bool tell_unheeded(Reading *reading, const char *path)
{
    StrBuf out = strbuf(reading->arena);
    Str sentence;
    if (reading->unheeded.len == 0)
        return true;
    strbuf_addf(&out, "%s says what whimbrel does not follow: ", path);
    for (size_t i = 0; i < reading->unheeded.len; i++) {
        strbuf_adds(&out, i > 0 ? ", " : "");
        strbuf_add(&out, reading->unheeded.items[i]);
    }
    return (strbuf_finish(&out, &sentence) &&
            vec_push(reading->arena, &reading->ctx->notes, sentence)) ||
           error_nomem(reading->err);
}

/* The first of these that is there is read; beside flyway.toml Flyway takes no flyway.conf. */
static bool read_files(Reading *reading, const char **ret_path)
{
    static const char *const names[] = {"flyway.toml", "flyway.conf", "conf/flyway.conf", NULL};
    *ret_path = NULL;
    for (size_t i = 0; names[i] && !*ret_path && !reading->ctx->files; i++) {
        const char *path = peer_beside(reading->ctx, reading->arena, str_from(names[i]));
        FileInfo info;
        Str text;
        if (!path)
            return error_nomem(reading->err);
        if (!file_info(path, &info, reading->err))
            return false;
        if (info.kind != FILE_REGULAR)
            continue;
        *ret_path = path;
        if (!file_read(reading->arena, path, CONFIGURATION_BYTES, &text, reading->err))
            return false;
        return i == 0 ? read_toml(reading, path, text) : read_conf(reading, path, text);
    }
    return true;
}

bool flyway_configure(ConventionContext *ctx, Arena *arena, bool reads_variables, Error *err)
{
    Reading reading = {.ctx = ctx, .arena = arena, .environment = STR("default"), .err = err};
    FlywaySettings *flyway = arena_alloc(arena, sizeof *flyway);
    Connection connection = {0};
    const char *path;
    if (!flyway)
        return error_nomem(err);
    *flyway = defaults;
    flyway->now = clock_now();
    if (ctx->environment.len > 0)
        reading.environment = flyway->environment = ctx->environment;
    else
        (void)variable(ctx, STR("FLYWAY_ENVIRONMENT"), &reading.environment);
    if (!read_files(&reading, &path) || (reads_variables && !read_variables(&reading)))
        return false;
    for (size_t i = 0; i < reading.settings.len; i++)
        if (!take(&reading, &reading.settings.items[i], flyway, &connection))
            return false;
    if (flyway->default_schema.len == 0 && flyway->schemas.len > 0)
        flyway->default_schema = flyway->schemas.items[0];
    if (ctx->environment.len > 0)
        flyway->environment = ctx->environment;
    if (connection.url) {
        if (!take_url(&reading, connection.url, connection.user, connection.password, flyway))
            return false;
        ctx->url_place = connection.url->place;
    }
    ctx->own = flyway;
    return check_names(&reading, flyway) && default_folders(&reading) &&
           peer_take_table(ctx, arena, flyway->default_schema, flyway->table, err) &&
           tell_unheeded(&reading, path ? path : "the environment (FLYWAY_*)");
}

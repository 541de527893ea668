/* What liquibase.properties and LIQUIBASE_* say. SPDX-License-Identifier: Apache-2.0 */
#include "convention/liquibase.h"

#include <string.h>
#include <unistd.h>

enum { CONFIGURATION_BYTES = 1 << 20, DEPLOYMENT_DIGITS = 10 };

static const Str here = {".", 1};
static const LbSettings defaults = {.search_path = &here,
                                    .search_path_len = 1,
                                    .deployment = {"0000000000", 10},
                                    .owner = {"whimbrel", 8}};

const LbSettings *liquibase_settings(const ConventionContext *ctx)
{
    return ctx->own ? ctx->own : &defaults;
}

typedef struct Reading {
    ConventionContext *ctx;
    Arena *arena;
    LbSettings *settings;
    Str url, user, password, default_schema, liquibase_schema, table;
    const char *url_place;
    const char *path; /* liquibase.properties */
    bool has_search_path;
    StrVec unheeded;
    Error *err;
} Reading;

/* changeLogFile, changelog-file, liquibase.command.changelogFile and LIQUIBASE_COMMAND_CHANGELOG_FILE are one setting. */
static bool is_key(Str key, const char *name)
{
    static const char *const prefixes[] = {"liquibase.command.", "liquibase.", "LIQUIBASE_COMMAND_",
                                           "LIQUIBASE_", NULL};
    size_t at = 0, end = key.len;
    for (size_t i = 0; prefixes[i]; i++) {
        if (!str_starts(key, str_from(prefixes[i])))
            continue;
        at = strlen(prefixes[i]);
        break;
    }
    for (; *name; name++) {
        while (at < end && (key.ptr[at] == '-' || key.ptr[at] == '_' || key.ptr[at] == '.'))
            at++;
        char c = at < end ? key.ptr[at++] : '\0';
        if ((c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c) != *name)
            return false;
    }
    return at == end;
}

static bool split_paths(Reading *reading, Str value)
{
    StrVec paths = {0};
    while (value.len > 0) {
        Str part;
        value = str_cut(value, ',', &part);
        part = str_trim(part);
        if (part.len == 0 || str_ends(part, STR(".jar")))
            continue;
        const char *path = path_is_absolute(part) ? str_z(reading->arena, part)
                                                  : peer_beside(reading->ctx, reading->arena, part);
        if (!path || !vec_push(reading->arena, &paths, str_from(path)))
            return error_nomem(reading->err);
    }
    if (paths.len == 0)
        return true;
    reading->settings->search_path = paths.items;
    reading->settings->search_path_len = paths.len;
    reading->has_search_path = true;
    return true;
}

/* Settings that concern only how Liquibase itself is run, or say what whimbrel does anyway. */
static bool is_without_meaning(Str key)
{
    static const char *const idle[] = {"driver",
                                       "loglevel",
                                       "logfile",
                                       "logformat",
                                       "classpath",
                                       "showbanner",
                                       "licensekey",
                                       "prolicensekey",
                                       "shouldrun",
                                       "hubmode",
                                       "hubapikey",
                                       "outputfile",
                                       "headless",
                                       "outputdefaultschema",
                                       "promptfornonlocaldatabase",
                                       "includeschema",
                                       "home",
                                       "launcherparentclassloader",
                                       "launcherdebug",
                                       "fileencoding",
                                       "monitorperformance",
                                       "analyticsenabled",
                                       "duplicatefilemode",
                                       "secureparsing",
                                       "strict",
                                       "showsummary",
                                       "showsummaryoutput",
                                       "reportspath",
                                       "reportsenabled",
                                       "referenceurl",
                                       "referenceusername",
                                       "referencepassword",
                                       "referencedriver",
                                       "promptonnonlocaldatabase",
                                       "updatesummary",
                                       "sqlloglevel",
                                       "changeloglockpollrate",
                                       "changeloglockwaittimeinminutes",
                                       NULL};
    for (size_t i = 0; idle[i]; i++)
        if (is_key(key, idle[i]))
            return true;
    return false;
}

static bool take(Reading *reading, Str key, Str value, const char *place)
{
    LbSettings *settings = reading->settings;
    Arena *arena = reading->arena;
    if (value.len == 0)
        return true;
    if (str_starts(key, STR("parameter."))) {
        LbParameter parameter = {.name = str_sub(key, 10, key.len), .value = value};
        return vec_push(arena, &settings->parameters, parameter) || error_nomem(reading->err);
    }
    if (is_key(key, "changelogfile")) {
        settings->root = value;
    } else if (is_key(key, "url")) {
        reading->url = value;
        reading->url_place = place;
    } else if (is_key(key, "username")) {
        reading->user = value;
    } else if (is_key(key, "password")) {
        reading->password = value;
    } else if (is_key(key, "searchpath")) {
        return split_paths(reading, value);
    } else if (is_key(key, "contexts") || is_key(key, "contextfilter")) {
        return liquibase_split_words(arena, value, &settings->contexts) ||
               error_nomem(reading->err);
    } else if (is_key(key, "labels") || is_key(key, "labelfilter")) {
        settings->label_filter = value;
    } else if (is_key(key, "defaultschemaname")) {
        reading->default_schema = value;
    } else if (is_key(key, "liquibaseschemaname")) {
        reading->liquibase_schema = value;
    } else if (is_key(key, "databasechangelogtablename")) {
        reading->table = value;
    } else if (is_key(key, "databasechangeloglocktablename")) {
        settings->lock_table = value;
    } else if (!is_without_meaning(key)) {
        return vec_push(arena, &reading->unheeded, key) || error_nomem(reading->err);
    }
    return true;
}

static bool take_property(void *ctx, Str key, Str value, uint32_t line)
{
    Reading *reading = ctx;
    const char *place = str_format(reading->arena, "%s:%u", reading->path, (unsigned)line);
    return place ? take(reading, key, value, place) : error_nomem(reading->err);
}

static bool read_variables(Reading *reading)
{
    const char *const *variables = reading->ctx->variables;
    for (size_t i = 0; variables && variables[i]; i++) {
        Str name, value = str_cut(str_from(variables[i]), '=', &name);
        size_t before = reading->unheeded.len;
        if (!str_starts(name, STR("LIQUIBASE_")))
            continue;
        const char *place = str_z(reading->arena, name);
        if (!place)
            return error_nomem(reading->err);
        if (!take(reading, name, value, place))
            return false;
        /* What else the surroundings hold under such names was not written for this project. */
        reading->unheeded.len = before;
    }
    return true;
}

static bool tell_unheeded(Reading *reading, const char *path)
{
    StrBuf out = strbuf(reading->arena);
    Str sentence;
    if (reading->unheeded.len == 0)
        return true;
    strbuf_addf(&out, "%s says what whimbrel does not follow: ", path ? path : "Liquibase's URL");
    for (size_t i = 0; i < reading->unheeded.len; i++) {
        strbuf_adds(&out, i > 0 ? ", " : "");
        strbuf_add(&out, reading->unheeded.items[i]);
    }
    return (strbuf_finish(&out, &sentence) &&
            vec_push(reading->arena, &reading->ctx->notes, sentence)) ||
           error_nomem(reading->err);
}

/* The history table, folded as the server does with a name that is not quoted. */
static bool name_table(Reading *reading)
{
    ConventionContext *ctx = reading->ctx;
    LbSettings *settings = reading->settings;
    StrBuf out = strbuf(reading->arena);
    settings->schema =
        reading->liquibase_schema.len > 0 ? reading->liquibase_schema : reading->default_schema;
    if (ctx->dialect == SQL_SQLITE)
        settings->schema = (Str){0};
    if (ctx->table.len > 0 || (reading->table.len == 0 && settings->schema.len == 0))
        return true;
    Str table = reading->table.len > 0 ? reading->table : STR("DATABASECHANGELOG");
    if (ctx->dialect == SQL_POSTGRES && !liquibase_lower(reading->arena, table, &table))
        return error_nomem(reading->err);
    if (settings->schema.len > 0) {
        sql_add_ident(&out, SQL_POSTGRES, settings->schema);
        strbuf_adds(&out, ".");
    }
    sql_add_ident(&out, SQL_POSTGRES, table);
    return strbuf_finish(&out, &ctx->table) || error_nomem(reading->err);
}

/* Where the changelog is, new files go too. */
static bool name_folders(Reading *reading)
{
    ConventionContext *ctx = reading->ctx;
    const char *path = NULL;
    StrVec folders = {0};
    Str name;
    if (!ctx->are_folders_default || reading->settings->root.len == 0 || ctx->files)
        return true;
    if (!liquibase_find_root(ctx, reading->arena, &path, &name, reading->err))
        return false;
    if (!vec_push(reading->arena, &folders, path_folder(str_from(path))))
        return error_nomem(reading->err);
    ctx->folders = folders;
    ctx->are_folders_default = false;
    return true;
}

/* What this run calls itself: its deployment, and its name in the lock. */
static bool name_run(Reading *reading)
{
    LbSettings *settings = reading->settings;
    uint32_t number = 0;
    (void)random_bytes(&number, sizeof number, NULL);
    long long ms = (long long)(clock_now() / 1000);
    const char *digits = str_format(reading->arena, "%010lld", ms % 10000000000LL);
    const char *owner = str_format(reading->arena, "%.*s (whimbrel, process %ld, %08x)",
                                   STR_ARG(reading->ctx->host), (long)getpid(), number);
    settings->deployment = str_from(digits);
    settings->owner = str_from(owner);
    return (digits && owner) || error_nomem(reading->err);
}

bool liquibase_configure(ConventionContext *ctx, Arena *arena, Error *err)
{
    LbSettings *settings = arena_alloc(arena, sizeof *settings);
    Reading reading = {.ctx = ctx, .arena = arena, .settings = settings, .err = err};
    const char *path = ctx->files ? NULL : peer_beside(ctx, arena, STR("liquibase.properties"));
    FileInfo info = {0};
    Str text;
    if (!settings || (!ctx->files && !path))
        return error_nomem(err);
    *settings = defaults;
    if (path && !file_info(path, &info, err))
        return false;
    reading.path = path;
    if (info.kind == FILE_REGULAR &&
        (!file_read(arena, path, CONFIGURATION_BYTES, &text, err) ||
         !liquibase_read_properties(arena, text, take_property, &reading, err)))
        return false;
    if (!read_variables(&reading))
        return false;
    if (ctx->environment.len > 0 &&
        !liquibase_split_words(arena, ctx->environment, &settings->contexts))
        return error_nomem(err);
    if (!reading.has_search_path && ctx->project_folder) {
        StrVec paths = {0};
        if (!vec_push(arena, &paths, str_from(ctx->project_folder)))
            return error_nomem(err);
        settings->search_path = paths.items;
        settings->search_path_len = paths.len;
    }
    if (reading.url.len > 0) {
        if (!peer_jdbc_url(arena, reading.url_place, reading.url, reading.user, reading.password,
                           reading.default_schema, &reading.unheeded, &ctx->url, err))
            return false;
        ctx->url_place = reading.url_place;
    }
    ctx->own = settings;
    return name_run(&reading) && name_table(&reading) && name_folders(&reading) &&
           tell_unheeded(&reading, info.kind == FILE_REGULAR ? path : NULL);
}

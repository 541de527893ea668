/* Sqitch's configuration: sqitch.conf of the project, which stands above the user's, both as Git writes its own. Of targets, engines and the
 * core it is the target that is asked first. SPDX-License-Identifier: Apache-2.0 */
#include "convention/sqitch.h"

#include <string.h>

typedef struct Entry {
    Str section, key, value; /* section: "core", "engine.pg", "target.name" */
    const char *path;
    uint32_t line;
} Entry;
typedef Vec(Entry) EntryVec;

typedef struct Conf {
    ConventionContext *ctx;
    Arena *arena;
    EntryVec entries; /* later ones stand above */
    Str target;       /* name; empty: it has none */
    Str engine;       /* "pg" */
    Error *err;
} Conf;

/* ---- the file ------------------------------------------------------------------------------------------- */

static bool bad_line(Conf *conf, const char *path, const Line *line)
{
    error_set(conf->err, ERROR_PARSE, "%s: this is no setting", path);
    error_code(conf->err, "bad-setting");
    error_at(conf->err, str_from(path), line->number, 1);
    return error_hint(conf->err, "Sqitch reads [sections] and key = value, as Git does.");
}

static bool lower(Conf *conf, Str text, StrBuf *out)
{
    (void)conf;
    for (size_t i = 0; i < text.len; i++)
        strbuf_add_char(
            out, (char)(text.ptr[i] >= 'A' && text.ptr[i] <= 'Z' ? text.ptr[i] | 32 : text.ptr[i]));
    return true;
}

/* [core], [engine "pg"] */
static bool read_section(Conf *conf, const char *path, const Line *line, Str text, Str *ret_section)
{
    StrBuf out = strbuf(conf->arena);
    size_t close = str_find_char(text, ']', 0);
    if (close == SIZE_MAX)
        return bad_line(conf, path, line);
    Str name, sub = str_trim(str_cut(str_trim(str_sub(text, 1, close)), ' ', &name));
    lower(conf, name, &out);
    if (sub.len > 1 && sub.ptr[0] == '"' && sub.ptr[sub.len - 1] == '"') {
        strbuf_add_char(&out, '.');
        strbuf_add(&out, str_sub(sub, 1, sub.len - 1));
    }
    return strbuf_finish(&out, ret_section) || error_nomem(conf->err);
}

/* Behind '=': quotes, escapes, and comments outside of quotes. */
static bool read_value(Conf *conf, const char *path, const Line *line, Str text, Str *ret_value)
{
    StrBuf out = strbuf(conf->arena);
    size_t kept = 0;
    bool is_quoted = false;
    text = str_trim(text);
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (c == '"') {
            is_quoted = !is_quoted;
            kept = out.len;
        } else if (c == '\\' && i + 1 < text.len) {
            c = text.ptr[++i];
            strbuf_add_char(&out, (char)(c == 'n' ? '\n' : c == 't' ? '\t' : c));
            kept = out.len;
        } else if (!is_quoted && (c == '#' || c == ';')) {
            break;
        } else {
            strbuf_add_char(&out, c);
            if (is_quoted || (c != ' ' && c != '\t'))
                kept = out.len;
        }
    }
    if (is_quoted)
        return bad_line(conf, path, line);
    if (!strbuf_finish(&out, ret_value))
        return error_nomem(conf->err);
    ret_value->len = kept;
    return true;
}

static bool read_file(Conf *conf, const char *path, Str text)
{
    Line line = {0};
    Str section = {0};
    while (line_next(text, &line)) {
        Str trimmed = str_trim(line.text), key;
        if (trimmed.len == 0 || trimmed.ptr[0] == '#' || trimmed.ptr[0] == ';')
            continue;
        if (trimmed.ptr[0] == '[') {
            if (!read_section(conf, path, &line, trimmed, &section))
                return false;
            continue;
        }
        Entry entry = {.section = section, .path = path, .line = line.number};
        StrBuf name = strbuf(conf->arena);
        bool has_value = str_find_char(trimmed, '=', 0) != SIZE_MAX;
        Str value = str_cut(trimmed, '=', &key);
        if (section.len == 0)
            return bad_line(conf, path, &line);
        lower(conf, str_trim(key), &name);
        if (!strbuf_finish(&name, &entry.key))
            return error_nomem(conf->err);
        entry.value = STR("true");
        if (has_value && !read_value(conf, path, &line, value, &entry.value))
            return false;
        if (!vec_push(conf->arena, &conf->entries, entry))
            return error_nomem(conf->err);
    }
    return true;
}

static const Entry *find(const Conf *conf, Str section, const char *key)
{
    for (size_t i = conf->entries.len; i-- > 0;) {
        const Entry *entry = &conf->entries.items[i];
        if (str_eq(entry->section, section) && str_eq(entry->key, str_from(key)))
            return entry;
    }
    return NULL;
}

/* Of the section KIND.NAME. */
static const Entry *find_in(const Conf *conf, const char *kind, Str name, const char *key)
{
    for (size_t i = conf->entries.len; i-- > 0 && name.len > 0;) {
        const Entry *entry = &conf->entries.items[i];
        Str word, rest = str_cut(entry->section, '.', &word);
        if (str_eq(word, str_from(kind)) && str_eq(rest, name) && str_eq(entry->key, str_from(key)))
            return entry;
    }
    return NULL;
}

/* The target's, else the engine's, else the core's. */
static Str fetch(const Conf *conf, const char *key)
{
    const Entry *entry = find_in(conf, "target", conf->target, key);
    if (!entry)
        entry = find_in(conf, "engine", conf->engine, key);
    if (!entry)
        entry = find(conf, STR("core"), key);
    return entry ? entry->value : (Str){0};
}

/* ---- the database --------------------------------------------------------------------------------------- */

static const struct {
    Str name, key;
    const char *scheme;
} engines[] = {
    {{"pg", 2}, {"pg", 2}, "postgres"},          {{"postgres", 8}, {"pg", 2}, "postgres"},
    {{"postgresql", 10}, {"pg", 2}, "postgres"}, {{"pgsql", 5}, {"pg", 2}, "postgres"},
    {{"mysql", 5}, {"mysql", 5}, "mysql"},       {{"mariadb", 7}, {"mysql", 5}, "mariadb"},
    {{"maria", 5}, {"mysql", 5}, "mariadb"},     {{"sqlite", 6}, {"sqlite", 6}, "sqlite"},
    {{"sqlite3", 7}, {"sqlite", 6}, "sqlite"},
};

static Str engine_of(SqlDialect dialect)
{
    switch (dialect) {
    case SQL_POSTGRES:
        return STR("pg");
    case SQL_MYSQL:
        return STR("mysql");
    case SQL_SQLITE:
        break;
    }
    return STR("sqlite");
}

/* db:pg://user@host/name, db:sqlite:file.db, with or without "db:". */
static bool take_uri(Conf *conf, Str uri, const Entry *place, const char *folder)
{
    ConventionContext *ctx = conf->ctx;
    Str rest = uri, scheme;
    size_t known = SIZE_MAX;
    if (str_starts(rest, STR("db:")))
        rest = str_sub(rest, 3, rest.len);
    rest = str_cut(rest, ':', &scheme);
    for (size_t i = 0; i < sizeof engines / sizeof *engines; i++) {
        if (str_eq_nocase(scheme, engines[i].name))
            known = i;
    }
    if (known == SIZE_MAX)
        return true; /* an engine that we have not; -d may name another database */
    conf->engine = engines[known].key;
    if (rest.len == 0)
        return true;
    ctx->url_place = place ? str_format(conf->arena, "%s:%u", place->path, (unsigned)place->line)
                           : "SQITCH_TARGET";
    const char *url;
    if (str_eq(conf->engine, STR("sqlite"))) {
        if (str_starts(rest, STR("//")))
            rest = str_sub(rest, str_starts(rest, STR("///")) ? 3 : 2, rest.len);
        const char *file = path_join(conf->arena, folder, rest);
        url = file ? str_format(conf->arena, "sqlite:%s", file) : NULL;
    } else {
        url = str_format(conf->arena, "%s:%s%.*s", engines[known].scheme,
                         str_starts(rest, STR("//")) ? "" : "///", STR_ARG(rest));
    }
    ctx->url = str_from(url);
    return (url && ctx->url_place) || error_nomem(conf->err);
}

/* Which target is meant: -e, SQITCH_TARGET, core.target, the engine's. */
static bool choose_target(Conf *conf, const char *folder)
{
    ConventionContext *ctx = conf->ctx;
    const Entry *place = NULL, *core = find(conf, STR("core"), "engine");
    Str name = ctx->environment;
    if (name.len == 0)
        (void)peer_variable(ctx, STR("SQITCH_TARGET"), &name);
    if (name.len == 0 && (place = find(conf, STR("core"), "target")))
        name = place->value;
    if (name.len == 0 && core) {
        conf->engine = core->value;
        if ((place = find_in(conf, "engine", conf->engine, "target")))
            name = place->value;
    }
    if (name.len > 0 && str_find_char(name, ':', 0) == SIZE_MAX) {
        conf->target = name;
        place = find_in(conf, "target", name, "uri");
        if (!place && ctx->environment.len > 0) {
            error_set(conf->err, ERROR_USAGE, "sqitch.conf has no target %.*s", STR_ARG(name));
            return error_code(conf->err, "bad-setting");
        }
        name = place ? place->value : (Str){0};
    }
    if (name.len > 0 && !take_uri(conf, name, place, folder))
        return false;
    if (conf->engine.len == 0)
        conf->engine = engine_of(ctx->dialect);
    return true;
}

static bool is_true(Str value)
{
    static const char *const words[] = {"true", "yes", "on", "1"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (str_eq_nocase(value, str_from(words[i])))
            return true;
    return false;
}

/* ---- all of it ------------------------------------------------------------------------------------------ */

static bool read_user_file(Conf *conf)
{
    Str path = {0}, home = {0}, text;
    FileInfo info;
    if (conf->ctx->files)
        return true;
    if (!peer_variable(conf->ctx, STR("SQITCH_USER_CONFIG"), &path) || path.len == 0) {
        if (!peer_variable(conf->ctx, STR("HOME"), &home) || home.len == 0)
            return true;
        path = str_from(str_format(conf->arena, "%.*s/.sqitch/sqitch.conf", STR_ARG(home)));
    }
    const char *file = path.ptr ? str_z(conf->arena, path) : NULL;
    if (!file)
        return error_nomem(conf->err);
    if (!file_info(file, &info, conf->err))
        return false;
    return info.kind != FILE_REGULAR ||
           (file_read(conf->arena, file, 1 << 20, &text, conf->err) && read_file(conf, file, text));
}

static bool take_user(Conf *conf, SqitchSettings *settings)
{
    const ConventionContext *ctx = conf->ctx;
    const Entry *user = find(conf, STR("user"), "name"), *email = find(conf, STR("user"), "email");
    if (!peer_variable(ctx, STR("SQITCH_FULLNAME"), &settings->user) || settings->user.len == 0)
        settings->user = user ? user->value : ctx->who;
    if (peer_variable(ctx, STR("SQITCH_EMAIL"), &settings->email) && settings->email.len > 0)
        return true;
    const char *made = str_format(conf->arena, "%.*s@%.*s", STR_ARG(ctx->who), STR_ARG(ctx->host));
    settings->email = email ? email->value : str_from(made);
    return made || error_nomem(conf->err);
}

static bool take_variables(Conf *conf, SqitchSettings *settings)
{
    for (size_t i = 0; i < conf->entries.len; i++) {
        const Entry *entry = &conf->entries.items[i];
        if (str_ends(entry->section, STR(".variables")) &&
            !vec_push(conf->arena, &settings->variables, entry->key))
            return error_nomem(conf->err);
    }
    return true;
}

/* A folder that is said, or the usual one below another. */
static const char *folder_of(const Conf *conf, const char *key, const char *top, const char *root,
                             const char *usual)
{
    Str said = key ? fetch(conf, key) : (Str){0};
    return said.len > 0 ? path_join(conf->arena, root, said)
                        : path_join(conf->arena, top, str_from(usual));
}

static bool take_folders(Conf *conf, SqitchSettings *settings, const char *root)
{
    ConventionContext *ctx = conf->ctx;
    Arena *arena = conf->arena;
    Str said = fetch(conf, "top_dir"), plan = fetch(conf, "plan_file");
    const char *top = said.len > 0 ? path_join(arena, root, said) : root;
    if (!top)
        return error_nomem(conf->err);
    if (!peer_take_folder(ctx, arena, top, conf->err))
        return false;
    if (plan.len == 0 || !str_eq(ctx->folders.items[0], str_from(top)))
        top = str_z(arena, ctx->folders.items[0]);
    if (!top)
        return error_nomem(conf->err);
    settings->plan_path = plan.len > 0 && str_eq(ctx->folders.items[0], str_from(top))
                              ? path_join(arena, root, plan)
                              : path_join(arena, top, STR("sqitch.plan"));
    const char *reworked = folder_of(conf, "reworked_dir", top, root, "");
    settings->deploy = folder_of(conf, "deploy_dir", top, root, "deploy");
    settings->revert = folder_of(conf, "revert_dir", top, root, "revert");
    settings->verify = folder_of(conf, "verify_dir", top, root, "verify");
    settings->top = top;
    if (!reworked || !settings->plan_path || !settings->deploy || !settings->revert ||
        !settings->verify)
        return error_nomem(conf->err);
    if (fetch(conf, "reworked_dir").len == 0)
        reworked = top;
    settings->reworked_deploy = fetch(conf, "reworked_dir").len > 0
                                    ? path_join(arena, reworked, STR("deploy"))
                                    : settings->deploy;
    settings->reworked_revert = fetch(conf, "reworked_dir").len > 0
                                    ? path_join(arena, reworked, STR("revert"))
                                    : settings->revert;
    settings->reworked_verify = fetch(conf, "reworked_dir").len > 0
                                    ? path_join(arena, reworked, STR("verify"))
                                    : settings->verify;
    return (settings->reworked_deploy && settings->reworked_revert && settings->reworked_verify) ||
           error_nomem(conf->err);
}

bool sqitch_configure(ConventionContext *ctx, Arena *arena, Error *err)
{
    Conf conf = {.ctx = ctx, .arena = arena, .err = err};
    SqitchSettings *settings = arena_alloc(arena, sizeof *settings);
    const char *path = NULL, *root;
    Str text;
    if (!settings)
        return error_nomem(err);
    *settings = (SqitchSettings){0};
    /* A folder that is named holds the project, or is below it. */
    if (!ctx->are_folders_default && ctx->folders.len > 0) {
        ConventionContext inner = *ctx;
        inner.project_folder = str_z(arena, ctx->folders.items[0]);
        if (!inner.project_folder)
            return error_nomem(err);
        if (!peer_configuration(&inner, arena, STR("sqitch.conf"), &path, &text, err))
            return false;
    }
    if (!path && !peer_configuration(ctx, arena, STR("sqitch.conf"), &path, &text, err))
        return false;
    if (!read_user_file(&conf) || (path && !read_file(&conf, path, text)))
        return false;
    const char *place = path ? path : peer_beside(ctx, arena, STR("sqitch.conf"));
    root = place ? str_z(arena, path_folder(str_from(place))) : NULL;
    if (!root)
        return error_nomem(err);
    if (!choose_target(&conf, root) || !take_folders(&conf, settings, root) ||
        !take_user(&conf, settings) || !take_variables(&conf, settings))
        return false;
    const Entry *verifies = find(&conf, STR("deploy"), "verify");
    ctx->verifies = verifies && is_true(verifies->value);
    const Entry *mode = find(&conf, STR("deploy"), "mode");
    if (mode && !str_eq(mode->value, STR("change")) &&
        !peer_note(ctx, arena,
                   str_format(arena,
                              "%s:%u: mode = %.*s is not followed: what is deployed before a "
                              "failure stays, as with mode = change",
                              mode->path, (unsigned)mode->line, STR_ARG(mode->value)),
                   err))
        return false;
    Str extension = fetch(&conf, "extension"), registry = fetch(&conf, "registry");
    settings->engine = conf.engine;
    settings->extension = extension.len > 0 ? extension : STR("sql");
    settings->registry = ctx->table.len > 0 ? ctx->table
                         : registry.len > 0 ? registry
                                            : STR("sqitch");
    ctx->own = settings;
    return true;
}

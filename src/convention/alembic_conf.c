/* Alembic's configuration: alembic.ini or pyproject.toml say where the revisions are, env.py what the history table is called. Of env.py
 * what is literal in the calls of context.configure() counts; what else it does, only Python knows. SPDX-License-Identifier: Apache-2.0 */
#include "convention/alembic.h"
#include "convention/ini.h"

static const AlembicSettings defaults = {.file_template = {"%(rev)s_%(slug)s", 16}};

const AlembicSettings *alembic_settings(const ConventionContext *ctx)
{
    return ctx->own ? ctx->own : &defaults;
}

enum { MOST_NESTED = 8 };

typedef struct Reading {
    ConventionContext *ctx;
    Arena *arena;
    const char *path; /* of the file that is read */
    Str here;         /* its folder */
    Str section;      /* that counts */
    IniEntryVec settings;
    AlembicSettings own;
    const char *script_folder; /* NULL: not said */
    Error *err;
} Reading;

static bool nomem(Reading *r)
{
    return error_nomem(r->err);
}

static const IniEntry *find(const Reading *r, const char *key)
{
    return ini_find(&r->settings, r->section, str_from(key));
}

/* ---- alembic.ini ----------------------------------------------------------------------------------------- */

static bool bad_value(Reading *r, const IniEntry *setting, const char *what)
{
    error_set(r->err, ERROR_USAGE, "%s:%u: %.*s %s", r->path, (unsigned)setting->line,
              STR_ARG(setting->key), what);
    return error_code(r->err, "bad-setting");
}

/* %(here)s is the folder of the file, %(key)s another value, %% a percent sign. */
static bool expand(Reading *r, const IniEntry *setting, Str value, unsigned depth, StrBuf *out)
{
    for (size_t i = 0; i < value.len; i++) {
        if (value.ptr[i] != '%' || i + 1 >= value.len) {
            strbuf_add_char(out, value.ptr[i]);
            continue;
        }
        size_t end = str_find(value, STR(")s"), i);
        if (value.ptr[i + 1] != '(' || end == SIZE_MAX) {
            strbuf_add_char(out, '%');
            i += value.ptr[i + 1] == '%';
            continue;
        }
        const char *name = str_z(r->arena, str_sub(value, i + 2, end));
        const IniEntry *other = name ? find(r, name) : NULL;
        if (!name)
            return nomem(r);
        if (str_eq(str_from(name), STR("here"))) {
            strbuf_add(out, r->here);
        } else if (!other || depth == MOST_NESTED) {
            const char *what = str_format(r->arena, "speaks of %%(%s)s, which is not there", name);
            return what ? bad_value(r, setting, what) : nomem(r);
        } else if (!expand(r, setting, other->value, depth + 1, out)) {
            return false;
        }
        i = end + 1;
    }
    return true;
}

/* The value of a key with what it speaks of put in; empty: it is not said. */
static bool value_of(Reading *r, const char *key, Str *ret_value)
{
    const IniEntry *setting = find(r, key);
    StrBuf out = strbuf(r->arena);
    *ret_value = (Str){0};
    if (!setting)
        return true;
    return expand(r, setting, setting->value, 0, &out) &&
           (strbuf_finish(&out, ret_value) || nomem(r));
}

/* ---- what it means --------------------------------------------------------------------------------------- */

/* "package:folder" is a folder in a package of Python's, which mostly lies in the project. */
static const char *place_of(Reading *r, Str location)
{
    size_t colon = str_find_char(location, ':', 0);
    if (colon != SIZE_MAX && colon > 1) {
        char *path = str_format(r->arena, "%.*s/%.*s", STR_ARG(str_sub(location, 0, colon)),
                                STR_ARG(str_sub(location, colon + 1, location.len)));
        for (size_t i = 0; path && i < colon; i++)
            if (path[i] == '.')
                path[i] = '/';
        if (!path)
            return NULL;
        location = str_from(path);
    }
    while (location.len > 1 && str_ends(location, STR("/")))
        location.len--;
    return path_is_absolute(location) || str_starts(location, r->here)
               ? str_z(r->arena, location)
               : peer_beside(r->ctx, r->arena, location);
}

static bool is_separator(Str separator, char c)
{
    if (str_eq(separator, STR("space")))
        return c == ' ';
    if (str_eq(separator, STR("newline")))
        return c == '\n';
    if (str_eq(separator, STR("os")))
        return c == ':';
    if (separator.len == 1)
        return c == separator.ptr[0];
    return c == ' ' || c == ',' || c == ':' || c == '\n'; /* as before there was the setting */
}

static bool take_locations(Reading *r, const StrVec *locations)
{
    StrVec folders = {0};
    for (size_t i = 0; i < locations->len; i++) {
        const char *path = place_of(r, locations->items[i]);
        if (!path || !vec_push(r->arena, &folders, str_from(path)))
            return nomem(r);
    }
    if (folders.len > 0 && r->ctx->are_folders_default) {
        r->ctx->folders = folders;
        r->ctx->are_folders_default = false;
    }
    return true;
}

static bool split_locations(Reading *r, Str text, StrVec *ret_locations)
{
    Str separator, old;
    StrVec locations = {0};
    size_t from = 0;
    if (!value_of(r, "path_separator", &separator) || !value_of(r, "version_path_separator", &old))
        return false;
    separator = separator.len > 0 ? separator : old;
    for (size_t i = 0; i <= text.len; i++) {
        if (i < text.len && !is_separator(separator, text.ptr[i]))
            continue;
        Str item = str_trim(str_sub(text, from, i));
        from = i + 1;
        if (item.len > 0 && !vec_push(r->arena, &locations, item))
            return nomem(r);
    }
    *ret_locations = locations;
    return true;
}

static bool take_script_location(Reading *r, Str location)
{
    if (location.len == 0)
        return true;
    r->script_folder = place_of(r, location);
    const char *versions =
        r->script_folder ? path_join(r->arena, r->script_folder, STR("versions")) : NULL;
    return versions ? peer_take_folder(r->ctx, r->arena, versions, r->err) : nomem(r);
}

/* SQLAlchemy's "sqlite:///x.db" is a file from the current folder, with four slashes one by its whole path. What its drivers are told
 * behind the '?' is mostly theirs. */
static bool take_url(Reading *r, Str url, const char *place)
{
    static const char *const kept[] = {"sslmode", "sslrootcert", "sslcert", "sslkey", NULL};
    Str scheme, query = str_cut(url, '?', &url);
    size_t end = str_find(url, STR("://"), 0);
    StrBuf out = strbuf(r->arena);
    if (r->ctx->url.len > 0 || end == SIZE_MAX)
        return true;
    (void)str_cut(str_sub(url, 0, end), '+', &scheme);
    if (str_eq(scheme, STR("driver"))) /* as `alembic init` writes it */
        return true;
    if (str_eq(scheme, STR("sqlite"))) {
        Str path = str_sub(url, end + 4, url.len);
        strbuf_addf(&out, "sqlite:%.*s", STR_ARG(path.len > 0 ? path : STR(":memory:")));
    } else if (str_starts(scheme, STR("postgres")) || str_eq(scheme, STR("mysql")) ||
               str_eq(scheme, STR("mariadb"))) {
        strbuf_addf(&out, "%.*s%.*s", STR_ARG(scheme), STR_ARG(str_sub(url, end, url.len)));
        bool has_any = false;
        while (query.len > 0) {
            Str param, key;
            query = str_cut(query, '&', &param);
            (void)str_cut(param, '=', &key);
            bool is_kept = false;
            for (size_t i = 0; kept[i]; i++)
                is_kept = is_kept || str_eq(key, str_from(kept[i]));
            if (is_kept)
                strbuf_addf(&out, "%c%.*s", has_any ? '&' : '?', STR_ARG(param));
            has_any = has_any || is_kept;
        }
    } else {
        return peer_note(
            r->ctx, r->arena,
            str_format(r->arena, "%s names a database that whimbrel does not know", place), r->err);
    }
    if (!strbuf_finish(&out, &r->ctx->url))
        return nomem(r);
    r->ctx->url_place = place;
    return true;
}

static bool take_ini(Reading *r)
{
    Str location, locations, url, recursive, template;
    StrVec list;
    const IniEntry *url_setting = find(r, "sqlalchemy.url");
    if (!value_of(r, "script_location", &location) || !take_script_location(r, location) ||
        !value_of(r, "version_locations", &locations) ||
        !value_of(r, "recursive_version_locations", &recursive) ||
        !value_of(r, "file_template", &template) || !value_of(r, "sqlalchemy.url", &url))
        return false;
    if (locations.len > 0) {
        /* They stand in the place of the folder "versions". */
        if (r->ctx->folders.len == 1 && r->script_folder &&
            str_starts(r->ctx->folders.items[0], str_from(r->script_folder)))
            r->ctx->are_folders_default = true;
        if (!split_locations(r, locations, &list) || !take_locations(r, &list))
            return false;
    }
    r->own.is_recursive = str_eq_nocase(recursive, STR("true"));
    if (template.len > 0)
        r->own.file_template = template;
    if (url.len == 0)
        return true;
    const char *place = str_format(r->arena, "%s:%u", r->path, (unsigned)url_setting->line);
    return place ? take_url(r, url, place) : nomem(r);
}

/* ---- pyproject.toml -------------------------------------------------------------------------------------- */

static bool with_here(Reading *r, Str text, Str *ret_text)
{
    IniEntry setting = {.key = STR("tool.alembic"), .value = text};
    StrBuf out = strbuf(r->arena);
    return expand(r, &setting, text, 0, &out) && (strbuf_finish(&out, ret_text) || nomem(r));
}

static bool read_pyproject(Reading *r, Str text)
{
    TomlDoc doc;
    const TomlValue *table = NULL;
    Str location = {0}, template = {0};
    StrVec locations = {0};
    if (!toml_parse(r->arena, r->path, text, &doc, r->err) ||
        !toml_get_table(&doc, doc.root, "tool.alembic", &table, r->err))
        return false;
    if (!table)
        return true;
    if (!toml_get_string(&doc, table, "script_location", &location, NULL, r->err) ||
        !toml_get_string(&doc, table, "file_template", &template, NULL, r->err) ||
        !toml_get_strings(&doc, table, "version_locations", r->arena, &locations, NULL, r->err) ||
        !toml_get_boolean(&doc, table, "recursive_version_locations", &r->own.is_recursive, NULL,
                          r->err) ||
        !with_here(r, location, &location))
        return false;
    if (r->script_folder) /* alembic.ini has spoken */
        return true;
    bool was_default = r->ctx->are_folders_default;
    if (!take_script_location(r, location))
        return false;
    for (size_t i = 0; i < locations.len; i++)
        if (!with_here(r, locations.items[i], &locations.items[i]))
            return false;
    if (locations.len > 0)
        r->ctx->are_folders_default = was_default;
    if (template.len > 0 && !with_here(r, template, &r->own.file_template))
        return false;
    return take_locations(r, &locations);
}

/* ---- env.py ---------------------------------------------------------------------------------------------- */

typedef struct EnvFindings {
    Str table, schema;
    bool has_unknown; /* a name of the table that only Python knows */
    bool is_each_alone;
    unsigned depth;
} EnvFindings;

static bool take_word(const PyModule *module, const PyNode *call, const char *name, Str *ret_text,
                      EnvFindings *found)
{
    const PyNode *node = python_argument(call, SIZE_MAX, name);
    if (node && node->kind == PY_NAME) {
        const PyStatement *top = python_find(&module->body, PY_ASSIGN, node->text);
        node = top ? top->value : node;
    }
    if (node && node->kind == PY_STRING)
        *ret_text = node->text;
    else if (node && node->kind != PY_NONE)
        found->has_unknown = true;
    return true;
}

/* Calls of context.configure() wherever they stand in functions and with blocks. */
static void look_for_configure(const PyModule *module, const PyStatementVec *body,
                               EnvFindings *found)
{
    if (found->depth++ < 100)
        for (size_t i = 0; i < body->len; i++) {
            const PyStatement *statement = &body->items[i];
            const PyNode *call = statement->value;
            look_for_configure(module, &statement->body, found);
            if (!call || call->kind != PY_CALL || call->base->kind != PY_ATTRIBUTE ||
                !str_eq(call->base->text, STR("configure")))
                continue;
            (void)take_word(module, call, "version_table", &found->table, found);
            (void)take_word(module, call, "version_table_schema", &found->schema, found);
            const PyNode *each = python_argument(call, SIZE_MAX, "transaction_per_migration");
            found->is_each_alone = found->is_each_alone || (each && each->kind == PY_TRUE);
        }
    found->depth--;
}

static bool read_env(Reading *r)
{
    const char *folder = r->script_folder;
    EnvFindings found = {0};
    PyModule module;
    FileInfo info;
    Str text;
    if (!folder && r->ctx->folders.len == 0)
        return true;
    if (!folder)
        folder = str_z(r->arena, path_folder(r->ctx->folders.items[0]));
    const char *path = folder ? path_join(r->arena, folder, STR("env.py")) : NULL;
    if (!path)
        return nomem(r);
    if (!file_info(path, &info, r->err))
        return false;
    if (info.kind != FILE_REGULAR)
        return true;
    if (!peer_read(r->ctx, r->arena, path, &text, r->err) ||
        !python_read(r->arena, text, &module, r->err))
        return false;
    look_for_configure(&module, &module.body, &found);
    r->ctx->runs_each_alone = r->ctx->runs_each_alone || found.is_each_alone;
    bool is_said = str_find(text, STR("version_table="), 0) != SIZE_MAX ||
                   str_find(text, STR("\"version_table\""), 0) != SIZE_MAX ||
                   str_find(text, STR("version_table_schema"), 0) != SIZE_MAX;
    if (found.has_unknown || (is_said && found.table.len == 0 && found.schema.len == 0))
        return r->ctx->table.len > 0 ||
               peer_note(r->ctx, r->arena,
                         str_format(r->arena,
                                    "%s makes up the name of the history table as only Python "
                                    "knows: say it with --table",
                                    path),
                         r->err);
    return peer_take_table(r->ctx, r->arena, found.schema, found.table, r->err);
}

/* ---- all of it ------------------------------------------------------------------------------------------- */

static void look_at(Reading *r, const char *path)
{
    r->path = path;
    r->here = path_folder(str_from(path));
}

/* Where `alembic init` puts them when it is called as its manual calls it. */
static bool default_folder(Reading *r)
{
    static const char *const usual[] = {"alembic", "migrations", NULL};
    for (size_t i = 0; r->ctx->are_folders_default && usual[i]; i++) {
        const char *folder = peer_beside(r->ctx, r->arena, str_from(usual[i]));
        const char *versions = folder ? path_join(r->arena, folder, STR("versions")) : NULL;
        FileInfo info;
        if (!versions)
            return nomem(r);
        if (!file_info(versions, &info, r->err))
            return false;
        if (info.kind != FILE_FOLDER)
            continue;
        r->script_folder = folder;
        return peer_take_folder(r->ctx, r->arena, versions, r->err);
    }
    return true;
}

bool alembic_configure(ConventionContext *ctx, Arena *arena, Error *err)
{
    Reading r = {.ctx = ctx, .arena = arena, .own = defaults, .err = err};
    r.section = ctx->environment.len > 0 ? ctx->environment : STR("alembic");
    const char *path;
    Str text;
    AlembicSettings *own = arena_alloc(arena, sizeof *own);
    if (!own)
        return error_nomem(err);
    /* Only where its dialect says that DDL is transactional does Alembic begin a transaction around them all. */
    ctx->runs_each_alone = ctx->dialect != SQL_POSTGRES;
    if (ctx->files)
        return true;
    if (!peer_configuration(ctx, arena, STR("alembic.ini"), &path, &text, err))
        return false;
    if (path) {
        look_at(&r, path);
        if (!ini_read(arena, text, INI_CONTINUED | INI_COLONS, &r.settings, err) || !take_ini(&r))
            return false;
    }
    if (!peer_configuration(ctx, arena, STR("pyproject.toml"), &path, &text, err))
        return false;
    if (path && str_find(text, STR("tool.alembic"), 0) != SIZE_MAX) {
        look_at(&r, path);
        if (!read_pyproject(&r, text))
            return false;
    }
    if (!default_folder(&r) || !read_env(&r))
        return false;
    *own = r.own;
    ctx->own = own;
    return true;
}

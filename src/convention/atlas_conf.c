/* atlas.hcl, as far as it says things literally: the environment's url, and of its migration block dir, format, revisions_schema,
 * exec_order and baseline. SPDX-License-Identifier: Apache-2.0 */
#include "convention/atlas.h"
#include "convention/literals.h"

enum { MOST_REFERENCES = 8 };

typedef struct Hcl {
    ConventionContext *ctx;
    Arena *arena;
    const char *path;
    LiteralVec literals;
    Str environment; /* its label; empty: the one that has none */
    AtlasSettings *settings;
} Hcl;

/* ---- values ----------------------------------------------------------------------------------------------- */

/* What a literal comes to: its text, a variable of the environment, var.NAME's default, local.NAME. False: nothing that could be known. */
static bool value_of(const Hcl *hcl, const Literal *literal, Str *ret_value, bool *ret_is_known,
                     Error *err)
{
    *ret_is_known = false;
    for (int i = 0; i < MOST_REFERENCES && literal; i++) {
        const char *path = NULL;
        Str name, word;
        switch (literal->kind) {
        case LITERAL_TEXT:
            *ret_value = literal->text;
            *ret_is_known = true;
            return true;
        case LITERAL_VARIABLE:
            *ret_is_known = peer_variable(hcl->ctx, literal->text, ret_value);
            return true;
        case LITERAL_WORD:
            name = str_cut(literal->text, '.', &word);
            if (name.len == 0) {
                *ret_value = literal->text;
                *ret_is_known = true;
                return true;
            }
            if (str_eq(word, STR("var")))
                path = str_format(hcl->arena, "variable/%.*s/default", STR_ARG(name));
            else if (str_eq(word, STR("local")))
                path = str_format(hcl->arena, "locals/%.*s", STR_ARG(name));
            else
                return true;
            if (!path)
                return error_nomem(err);
            literal = literals_find(&hcl->literals, str_from(path));
            break;
        case LITERAL_COMPUTED:
            return true;
        }
    }
    return true;
}

/* A key of the environment; ret_value is empty where it is not there, and where it is worked out, which is told. */
static bool setting(const Hcl *hcl, const char *key, Str *ret_value, uint32_t *ret_line, Error *err)
{
    bool is_known = false;
    const char *path = str_format(hcl->arena, "env/%.*s%s%s", STR_ARG(hcl->environment),
                                  hcl->environment.len > 0 ? "/" : "", key);
    *ret_value = (Str){0};
    if (!path)
        return error_nomem(err);
    const Literal *literal = literals_find(&hcl->literals, str_from(path));
    *ret_line = literal ? literal->line : 0;
    if (!literal)
        return true;
    if (!value_of(hcl, literal, ret_value, &is_known, err))
        return false;
    if (is_known)
        return true;
    *ret_value = (Str){0};
    return peer_note(hcl->ctx, hcl->arena,
                     str_format(hcl->arena,
                                "%s:%u works %s out, which is not done here: say it yourself",
                                hcl->path, (unsigned)literal->line, key),
                     err);
}

/* ---- environments ----------------------------------------------------------------------------------------- */

/* The environment that -e names, else the only one. */
static bool choose_environment(Hcl *hcl, bool *ret_has, Error *err)
{
    StrVec labels = {0};
    bool has_unlabelled = false;
    *ret_has = false;
    for (size_t i = 0; i < hcl->literals.len; i++) {
        Str rest = hcl->literals.items[i].path, word, label;
        rest = str_cut(rest, '/', &word);
        Str behind = str_cut(rest, '/', &label);
        if (!str_eq(word, STR("env")))
            continue;
        if (behind.len == 0 || str_eq(label, STR("migration"))) {
            has_unlabelled = true;
            continue;
        }
        bool is_known = labels.len > 0 && str_eq(labels.items[labels.len - 1], label);
        if (!is_known && !vec_push(hcl->arena, &labels, label))
            return error_nomem(err);
    }
    Str wanted = hcl->ctx->environment;
    for (size_t i = 0; i < labels.len; i++) {
        if (wanted.len > 0 ? str_eq(labels.items[i], wanted) : labels.len == 1) {
            hcl->environment = labels.items[i];
            *ret_has = true;
            return true;
        }
    }
    *ret_has = has_unlabelled;
    if (has_unlabelled || labels.len < 2 || wanted.len > 0)
        return true;
    return peer_note(
        hcl->ctx, hcl->arena,
        str_format(hcl->arena, "%s has several environments: choose one with -e", hcl->path), err);
}

/* ---- what is taken ---------------------------------------------------------------------------------------- */

static bool foreign_format(const Hcl *hcl, Str format, uint32_t line, Error *err)
{
    error_set(err, ERROR_UNSUPPORTED, "%s: files of the format %.*s in Atlas' history", hcl->path,
              STR_ARG(format));
    error_code(err, "not-in-convention");
    error_at(err, str_from(hcl->path), line, 0);
    return error_hint(err, "Read here are Atlas' own form and golang-migrate's. `atlas migrate "
                           "import` makes the first out of others.");
}

static bool take_format(const Hcl *hcl, Str format, uint32_t line, Error *err)
{
    if (str_eq(format, STR("golang-migrate")))
        hcl->settings->is_golang_migrate = true;
    else if (format.len > 0 && !str_eq(format, STR("atlas")))
        return foreign_format(hcl, format, line, err);
    return true;
}

/* file://migrations?format=golang-migrate, relative to the file. */
static bool take_dir(const Hcl *hcl, Str dir, uint32_t line, Error *err)
{
    Str path, query = {0}, format = {0};
    if (dir.len == 0)
        return true;
    if (!str_starts(dir, STR("file://")))
        return peer_note(hcl->ctx, hcl->arena,
                         str_format(hcl->arena,
                                    "%s:%u names migrations that are not in a folder here: name "
                                    "one with -m",
                                    hcl->path, (unsigned)line),
                         err);
    query = str_cut(str_sub(dir, 7, dir.len), '?', &path);
    while (query.len > 0) {
        Str param, key, value;
        query = str_cut(query, '&', &param);
        value = str_cut(param, '=', &key);
        if (str_eq(key, STR("format")))
            format = value;
    }
    if (!take_format(hcl, format, line, err))
        return false;
    if (!hcl->ctx->are_folders_default || path.len == 0)
        return true;
    const char *folder = str_z(hcl->arena, path_folder(str_from(hcl->path)));
    const char *joined = folder ? path_join(hcl->arena, folder, path) : NULL;
    return joined ? peer_take_folder(hcl->ctx, hcl->arena, joined, err) : error_nomem(err);
}

/* Atlas' URLs are ours, but for a few names. */
static bool take_url(const Hcl *hcl, Str url, uint32_t line, Error *err)
{
    ConventionContext *ctx = hcl->ctx;
    const char *made = NULL;
    Str rest;
    if (url.len == 0)
        return true;
    if (str_starts(url, STR("sqlite://"))) {
        Str path;
        (void)str_cut(str_sub(url, 9, url.len), '?', &path);
        if (str_starts(path, STR("file:")))
            path = str_sub(path, 5, path.len);
        const char *folder = str_z(hcl->arena, path_folder(str_from(hcl->path)));
        const char *joined = folder ? path_join(hcl->arena, folder, path) : NULL;
        made = joined ? str_format(hcl->arena, "sqlite:%s", joined) : NULL;
    } else if (str_starts(url, STR("maria://")) || str_starts(url, STR("mariadb://")) ||
               str_starts(url, STR("mysql://"))) {
        /* What stands behind '?' is for Go's driver. */
        (void)str_cut(url, '?', &url);
        rest = str_sub(url, str_find(url, STR("://"), 0), url.len);
        made = str_format(hcl->arena, "%s%.*s", str_starts(url, STR("mysql")) ? "mysql" : "mariadb",
                          STR_ARG(rest));
    } else if (str_starts(url, STR("postgres://")) || str_starts(url, STR("postgresql://"))) {
        made = str_z(hcl->arena, url);
    } else {
        return peer_note(hcl->ctx, hcl->arena,
                         str_format(hcl->arena,
                                    "%s:%u names a database of a kind that is not known here",
                                    hcl->path, (unsigned)line),
                         err);
    }
    ctx->url = str_from(made);
    ctx->url_place = str_format(hcl->arena, "%s:%u", hcl->path, (unsigned)line);
    return (made && ctx->url_place) || error_nomem(err);
}

static bool bad_order(const Hcl *hcl, Str order, uint32_t line, Error *err)
{
    error_set(err, ERROR_PARSE, "%s: there is no exec_order %.*s", hcl->path, STR_ARG(order));
    error_code(err, "bad-setting");
    error_at(err, str_from(hcl->path), line, 1);
    return error_hint(err, "It is LINEAR, LINEAR_SKIP or NON_LINEAR.");
}

static bool take_order(const Hcl *hcl, Str order, uint32_t line, Error *err)
{
    if (str_eq_nocase(order, STR("NON_LINEAR")))
        hcl->ctx->allows_out_of_order = true;
    else if (str_eq_nocase(order, STR("LINEAR_SKIP")))
        hcl->settings->skips_late = true;
    else if (order.len > 0 && !str_eq_nocase(order, STR("LINEAR")))
        return bad_order(hcl, order, line, err);
    return true;
}

static bool read_environment(Hcl *hcl, Error *err)
{
    Str url, dir, format, schema, order, baseline;
    uint32_t url_line, dir_line, format_line, schema_line, order_line, baseline_line;
    if (!setting(hcl, "url", &url, &url_line, err) ||
        !setting(hcl, "migration/dir", &dir, &dir_line, err) ||
        !setting(hcl, "migration/format", &format, &format_line, err) ||
        !setting(hcl, "migration/revisions_schema", &schema, &schema_line, err) ||
        !setting(hcl, "migration/exec_order", &order, &order_line, err) ||
        !setting(hcl, "migration/baseline", &baseline, &baseline_line, err) ||
        !take_format(hcl, format, format_line, err) || !take_dir(hcl, dir, dir_line, err) ||
        !take_url(hcl, url, url_line, err) || !take_order(hcl, order, order_line, err))
        return false;
    if (baseline.len > 0 &&
        !peer_note(hcl->ctx, hcl->arena,
                   str_format(hcl->arena,
                              "%s:%u: where nothing is recorded yet, say `whimbrel baseline %.*s`",
                              hcl->path, (unsigned)baseline_line, STR_ARG(baseline)),
                   err))
        return false;
    return schema.len == 0 || peer_take_table(hcl->ctx, hcl->arena, schema,
                                              str_from(hcl->ctx->convention->default_table), err);
}

bool atlas_configure(ConventionContext *ctx, Arena *arena, Error *err)
{
    Hcl hcl = {.ctx = ctx, .arena = arena, .settings = arena_alloc(arena, sizeof *hcl.settings)};
    Str text;
    bool has = false;
    if (!hcl.settings || !(hcl.settings->state = arena_alloc(arena, sizeof *hcl.settings->state)))
        return error_nomem(err);
    ctx->own = hcl.settings;
    if (ctx->files)
        return true;
    if (!peer_configuration(ctx, arena, STR("atlas.hcl"), &hcl.path, &text, err))
        return false;
    if (!hcl.path)
        return true;
    return literals_read(arena, text, LITERALS_HCL, &hcl.literals, err) &&
           choose_environment(&hcl, &has, err) && (!has || read_environment(&hcl, err));
}

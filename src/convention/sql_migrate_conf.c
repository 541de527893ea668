/* sql-migrate's dbconfig.yml: a mapping of environments, each a mapping of plain values. That much of YAML is read, and what cannot be
 * read of it is said; the database is given as the drivers of Go write it, and becomes a URL of ours. SPDX-License-Identifier: Apache-2.0 */
#include "convention/sql_migrate.h"

#include <string.h>

typedef struct Reading {
    ConventionContext *ctx;
    Arena *arena;
    const char *path;
    Error *err;
    Str dialect, datasource, dir, table, schema, ignores;
    uint32_t datasource_line;
    bool has_environment;
} Reading;

static bool bad_setting(const Reading *reading, uint32_t line, const char *what, const char *hint)
{
    error_set(reading->err, ERROR_USAGE, "%s: %s", reading->path, what);
    error_code(reading->err, "bad-setting");
    error_at(reading->err, str_from(reading->path), line, 1);
    return error_hint(reading->err, "%s", hint);
}

/* ---- the file ------------------------------------------------------------------------------------------- */

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* What is quoted with '"': the escapes that people write. */
static bool read_double(Reading *reading, Str text, uint32_t line, Str *ret_value)
{
    StrBuf out = strbuf(reading->arena);
    size_t i = 1;
    for (; i < text.len && text.ptr[i] != '"'; i++) {
        char c = text.ptr[i];
        if (c == '\\') {
            c = ++i < text.len ? text.ptr[i] : '\0';
            if (c == 'n')
                c = '\n';
            else if (c == 't')
                c = '\t';
            else if (c != '"' && c != '\\' && c != '/')
                return bad_setting(reading, line, "an escape that is not read here",
                                   "Write the value in single quotes.");
        }
        strbuf_add_char(&out, c);
    }
    if (i >= text.len)
        return bad_setting(reading, line, "a quote is not closed", "Close it on the same line.");
    return strbuf_finish(&out, ret_value) || error_nomem(reading->err);
}

static bool read_single(Reading *reading, Str text, uint32_t line, Str *ret_value)
{
    StrBuf out = strbuf(reading->arena);
    for (size_t i = 1; i < text.len; i++) {
        if (text.ptr[i] != '\'') {
            strbuf_add_char(&out, text.ptr[i]);
            continue;
        }
        if (i + 1 >= text.len || text.ptr[i + 1] != '\'')
            return strbuf_finish(&out, ret_value) || error_nomem(reading->err);
        strbuf_add_char(&out, text.ptr[i++]);
    }
    return bad_setting(reading, line, "a quote is not closed", "Close it on the same line.");
}

/* A value that stands on its line. */
static bool read_scalar(Reading *reading, Str text, uint32_t line, Str *ret_value)
{
    text = str_trim(text);
    if (text.len > 0 && text.ptr[0] == '"')
        return read_double(reading, text, line, ret_value);
    if (text.len > 0 && text.ptr[0] == '\'')
        return read_single(reading, text, line, ret_value);
    if (text.len > 0 && memchr("|>{[&*!%@`", text.ptr[0], 10))
        return bad_setting(reading, line, "a value in a form that is not read here",
                           "Write it as plain text on the line of its key.");
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == '#' && (i == 0 || is_blank(text.ptr[i - 1]))) {
            text = str_trim(str_sub(text, 0, i));
            break;
        }
    }
    *ret_value = str_eq(text, STR("~")) || str_eq(text, STR("null")) ? (Str){0} : text;
    return true;
}

/* "key: value", "key:". */
static bool cut_key(Str text, Str *ret_key, Str *ret_rest)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] != ':' || (i + 1 < text.len && !is_blank(text.ptr[i + 1])))
            continue;
        Str key = str_trim(str_sub(text, 0, i));
        bool is_quoted = key.len > 1 && (key.ptr[0] == '"' || key.ptr[0] == '\'') &&
                         key.ptr[key.len - 1] == key.ptr[0];
        *ret_key = is_quoted ? str_sub(key, 1, key.len - 1) : key;
        *ret_rest = str_trim(str_sub(text, i + 1, text.len));
        return true;
    }
    return false;
}

static bool not_followed(Reading *reading, const Line *line, const char *what)
{
    return peer_note(reading->ctx, reading->arena,
                     str_format(reading->arena, "%s:%u: %s is not followed", reading->path,
                                (unsigned)line->number, what),
                     reading->err);
}

/* A line within the environment that is meant. */
static bool take_line(Reading *reading, const Line *line)
{
    const struct {
        Str key;
        Str *value;
    } known[] = {
        {STR("dialect"), &reading->dialect}, {STR("datasource"), &reading->datasource},
        {STR("dir"), &reading->dir},         {STR("table"), &reading->table},
        {STR("schema"), &reading->schema},   {STR("ignoreunknown"), &reading->ignores},
    };
    Str key, rest;
    if (!cut_key(str_trim(line->text), &key, &rest))
        return bad_setting(reading, line->number, "not of the form \"key: value\"",
                           "Only plain keys and values are read of dbconfig.yml.");
    if (str_eq(key, STR("<<")))
        return not_followed(reading, line, "what is merged from elsewhere");
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (!str_eq(key, known[i].key))
            continue;
        if (known[i].value == &reading->datasource)
            reading->datasource_line = line->number;
        return read_scalar(reading, rest, line->number, known[i].value);
    }
    return true; /* sql-migrate passes over it too */
}

static bool read_file(Reading *reading, Str text, Str environment)
{
    Line line = {0};
    bool is_meant = false;
    if (str_starts(text, STR("\xef\xbb\xbf")))
        line.to = 3;
    while (line_next(text, &line)) {
        Str trimmed = str_trim(line.text), key, rest;
        if (trimmed.len == 0 || trimmed.ptr[0] == '#' || str_eq(trimmed, STR("---")))
            continue;
        if (is_blank(line.text.ptr[0])) {
            if (is_meant && !take_line(reading, &line))
                return false;
            continue;
        }
        if (!cut_key(trimmed, &key, &rest))
            return bad_setting(reading, line.number, "not of the form \"environment:\"",
                               "Only plain keys and values are read of dbconfig.yml.");
        is_meant = str_eq(key, environment);
        if (is_meant && rest.len > 0 && rest.ptr[0] != '#' && rest.ptr[0] != '&' &&
            !not_followed(reading, &line, "an environment in this form"))
            return false;
        reading->has_environment = reading->has_environment || is_meant;
    }
    return true;
}

/* ---- the database --------------------------------------------------------------------------------------- */

static bool is_name_char(char c)
{
    return c == '_' || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

/* $NAME and ${NAME}, as Go's os.ExpandEnv fills them in: with nothing where they are not set. */
static bool expand(Reading *reading, Str text, Str *ret_text)
{
    StrBuf out = strbuf(reading->arena);
    for (size_t i = 0; i < text.len;) {
        size_t from = i + 1, to;
        Str value;
        bool is_braced = from < text.len && text.ptr[from] == '{';
        if (text.ptr[i] != '$' || from >= text.len ||
            (!is_braced && !is_name_char(text.ptr[from]))) {
            strbuf_add_char(&out, text.ptr[i++]);
            continue;
        }
        if (is_braced) {
            to = str_find_char(text, '}', ++from);
            if (to == SIZE_MAX)
                return bad_setting(reading, reading->datasource_line, "a brace is not closed",
                                   "Write variables as ${NAME}.");
            i = to + 1;
        } else {
            for (to = from; to < text.len && is_name_char(text.ptr[to]); to++)
                ;
            i = to;
        }
        (void)peer_variable(reading->ctx, str_sub(text, from, to), &value);
        strbuf_add(&out, value);
    }
    return strbuf_finish(&out, ret_text) || error_nomem(reading->err);
}

static bool bad_datasource(Reading *reading, const char *what)
{
    return bad_setting(reading, reading->datasource_line, what,
                       "Name the database with -d, or in whimbrel.toml.");
}

/* One word of "host=... password='a b'": the value, unquoted. */
static bool read_word(Reading *reading, Str text, size_t *at, Str *ret_value)
{
    StrBuf out = strbuf(reading->arena);
    bool is_quoted = *at < text.len && text.ptr[*at] == '\'';
    size_t i = *at + is_quoted;
    for (; i < text.len && (is_quoted ? text.ptr[i] != '\'' : !is_blank(text.ptr[i])); i++) {
        if (text.ptr[i] == '\\' && i + 1 < text.len)
            i++;
        strbuf_add_char(&out, text.ptr[i]);
    }
    if (is_quoted && i >= text.len)
        return bad_datasource(reading, "a quote in the datasource is not closed");
    *at = i + is_quoted;
    return strbuf_finish(&out, ret_value) || error_nomem(reading->err);
}

static void add_param(StrBuf *query, const char *key, size_t key_len, Str value)
{
    if (query->len > 0)
        strbuf_add_char(query, '&');
    strbuf_addf(query, "%.*s=", (int)key_len, key);
    peer_add_escaped(query, value);
}

/* lib/pq wants TLS unless it is told otherwise. */
static bool postgres_url(Reading *reading, Str text, Str *ret_url)
{
    PeerServer server = {.scheme = "postgres"};
    StrBuf query = strbuf(reading->arena);
    Str query_text;
    bool has_mode = false;
    if (str_starts(text, STR("postgres://")) || str_starts(text, STR("postgresql://"))) {
        const char *mode = str_find(text, STR("sslmode="), 0) != SIZE_MAX ? ""
                           : str_find_char(text, '?', 0) != SIZE_MAX      ? "&sslmode=require"
                                                                          : "?sslmode=require";
        const char *url = str_format(reading->arena, "%.*s%s", STR_ARG(text), mode);
        *ret_url = str_from(url);
        return url || error_nomem(reading->err);
    }
    for (size_t i = 0; i < text.len;) {
        if (is_blank(text.ptr[i])) {
            i++;
            continue;
        }
        size_t equals = str_find_char(text, '=', i);
        if (equals == SIZE_MAX)
            return bad_datasource(reading, "the datasource is neither a URL nor key=value");
        Str key = str_trim(str_sub(text, i, equals)), value;
        for (i = equals + 1; i < text.len && is_blank(text.ptr[i]); i++)
            ;
        if (!read_word(reading, text, &i, &value))
            return false;
        Str *part = str_eq(key, STR("host"))       ? &server.host
                    : str_eq(key, STR("port"))     ? &server.port
                    : str_eq(key, STR("user"))     ? &server.user
                    : str_eq(key, STR("password")) ? &server.password
                    : str_eq(key, STR("dbname"))   ? &server.database
                                                   : NULL;
        if (part)
            *part = value;
        else
            add_param(&query, key.ptr, key.len, value);
        has_mode = has_mode || str_eq(key, STR("sslmode"));
    }
    if (!has_mode)
        add_param(&query, "sslmode", 7, STR("require"));
    if (!strbuf_finish(&query, &query_text))
        return error_nomem(reading->err);
    server.query = query_text.ptr;
    return peer_server_url(reading->arena, &server, ret_url, reading->err);
}

static bool mysql_params(Reading *reading, Str params, StrBuf *query)
{
    /* How its driver reads values and talks to the server is nothing to us. */
    static const char *const passed_over[] = {"parseTime",
                                              "loc",
                                              "charset",
                                              "collation",
                                              "multiStatements",
                                              "interpolateParams",
                                              "timeout",
                                              "readTimeout",
                                              "checkConnLiveness",
                                              "writeTimeout",
                                              "clientFoundRows",
                                              "maxAllowedPacket",
                                              "columnsWithAlias",
                                              "rejectReadOnly",
                                              "allowNativePasswords",
                                              NULL};
    while (params.len > 0) {
        Str pair, key, value;
        bool is_known = false;
        params = str_cut(params, '&', &pair);
        value = str_cut(pair, '=', &key);
        for (size_t i = 0; passed_over[i] && !is_known; i++)
            is_known = str_eq(key, str_from(passed_over[i]));
        if (str_eq(key, STR("tls"))) {
            is_known = true;
            Str mode = str_eq(value, STR("true"))          ? STR("VERIFY_IDENTITY")
                       : str_eq(value, STR("skip-verify")) ? STR("REQUIRED")
                       : str_eq(value, STR("preferred"))   ? STR("PREFERRED")
                       : str_eq(value, STR("false"))       ? STR("DISABLED")
                                                           : (Str){0};
            if (mode.len == 0)
                return bad_datasource(reading, "a tls setting that is made in Go code");
            add_param(query, "ssl-mode", 8, mode);
        }
        if (!is_known && key.len > 0 &&
            !peer_note(reading->ctx, reading->arena,
                       str_format(reading->arena, "%s:%u: %.*s in the datasource is not followed",
                                  reading->path, (unsigned)reading->datasource_line, STR_ARG(key)),
                       reading->err))
            return false;
    }
    return true;
}

/* [user[:password]@][net[(address)]]/name[?params] of go-sql-driver. */
static bool mysql_url(Reading *reading, Str text, Str *ret_url)
{
    PeerServer server = {.scheme = "mysql"};
    StrBuf query = strbuf(reading->arena);
    Str query_text, net, address = {0};
    size_t slash = text.len, at;
    while (slash > 0 && text.ptr[slash - 1] != '/')
        slash--;
    if (slash == 0)
        return bad_datasource(reading, "the datasource has no '/' before the database's name");
    Str place = str_sub(text, 0, slash - 1),
        params = str_cut(str_sub(text, slash, text.len), '?', &server.database);
    for (at = place.len; at > 0 && place.ptr[at - 1] != '@'; at--)
        ;
    if (at > 0)
        server.password = str_cut(str_sub(place, 0, at - 1), ':', &server.user);
    address = str_cut(str_sub(place, at, place.len), '(', &net);
    if (str_ends(address, STR(")")))
        address.len--;
    if (str_eq(net, STR("unix"))) {
        add_param(&query, "socket", 6, address);
    } else {
        size_t colon = address.len;
        while (colon > 0 && address.ptr[colon - 1] != ':' && address.ptr[colon - 1] != ']')
            colon--;
        bool has_port = colon > 0 && address.ptr[colon - 1] == ':';
        server.port = has_port ? str_sub(address, colon, address.len) : STR("3306");
        server.host = has_port ? str_sub(address, 0, colon - 1) : address;
        if (server.host.len == 0)
            server.host = STR("127.0.0.1");
    }
    if (!mysql_params(reading, params, &query))
        return false;
    if (!strbuf_finish(&query, &query_text))
        return error_nomem(reading->err);
    server.query = query_text.ptr;
    return peer_server_url(reading->arena, &server, ret_url, reading->err);
}

/* A path, relative to the file's folder, or "file:path?options". */
static bool sqlite_url(Reading *reading, const char *folder, Str text, Str *ret_url)
{
    Str path, options = {0};
    StrBuf url = strbuf(reading->arena);
    if (str_starts(text, STR("file:")))
        options = str_cut(str_sub(text, 5, text.len), '?', &path);
    else
        options = str_cut(text, '?', &path);
    if (options.len > 0 &&
        !peer_note(reading->ctx, reading->arena,
                   str_format(reading->arena,
                              "%s:%u: what follows '?' in the datasource is not followed",
                              reading->path, (unsigned)reading->datasource_line),
                   reading->err))
        return false;
    strbuf_adds(&url, "sqlite:");
    if (str_eq(path, STR(":memory:"))) {
        strbuf_add(&url, path);
    } else {
        const char *whole = path_join(reading->arena, folder, path);
        if (!whole)
            return error_nomem(reading->err);
        peer_add_escaped_path(&url, str_from(whole));
    }
    return strbuf_finish(&url, ret_url) || error_nomem(reading->err);
}

static bool take_datasource(Reading *reading, const char *folder)
{
    ConventionContext *ctx = reading->ctx;
    Str text;
    if (reading->datasource.len == 0)
        return true;
    if (!expand(reading, reading->datasource, &text))
        return false;
    ctx->url_place =
        str_format(reading->arena, "%s:%u", reading->path, (unsigned)reading->datasource_line);
    if (!ctx->url_place)
        return error_nomem(reading->err);
    if (str_eq(reading->dialect, STR("postgres")))
        return postgres_url(reading, text, &ctx->url);
    if (str_eq(reading->dialect, STR("mysql")))
        return mysql_url(reading, text, &ctx->url);
    if (str_eq(reading->dialect, STR("sqlite3")))
        return sqlite_url(reading, folder, text, &ctx->url);
    return peer_note(ctx, reading->arena,
                     str_format(reading->arena, "%s: there is no engine for the dialect \"%.*s\"",
                                reading->path, STR_ARG(reading->dialect)),
                     reading->err);
}

bool sql_migrate_configure(ConventionContext *ctx, Arena *arena, Error *err)
{
    Reading reading = {.ctx = ctx, .arena = arena, .err = err};
    SqlMigrateSettings *settings = arena_alloc(arena, sizeof *settings);
    Str text, environment = ctx->environment.len > 0 ? ctx->environment : STR("development");
    if (!settings)
        return error_nomem(err);
    if (!peer_configuration(ctx, arena, STR("dbconfig.yml"), &reading.path, &text, err))
        return false;
    if (!reading.path)
        return true;
    if (!read_file(&reading, text, environment))
        return false;
    if (!reading.has_environment) {
        if (ctx->environment.len == 0)
            return true;
        error_set(err, ERROR_USAGE, "%s has no environment %.*s", reading.path,
                  STR_ARG(environment));
        error_code(err, "bad-setting");
        return error_hint(err, "Name one of its environments with -e.");
    }
    *settings = (SqlMigrateSettings){.ignores_unknown = str_eq(reading.ignores, STR("true"))};
    ctx->own = settings;
    const char *folder = str_z(arena, path_folder(str_from(reading.path)));
    if (!folder)
        return error_nomem(err);
    return peer_take_folder(
               ctx, arena,
               path_join(arena, folder, reading.dir.len > 0 ? reading.dir : STR("migrations")),
               err) &&
           peer_take_table(ctx, arena, reading.schema, reading.table, err) &&
           take_datasource(&reading, folder);
}

/* Database URLs: cut into parts, checked by the driver that the scheme names, and put together again
 * for display. A part of a mistyped URL may be a piece of a password, so no error quotes anything but
 * the scheme and the names of parameters. What is written without escapes is a slice of the URL's text
 * and no copy, so that a password lies in one place. SPDX-License-Identifier: Apache-2.0 */
#include "db/driver.h"

#include <string.h>

static const char escape_hint[] =
    "Write '/', '?', '#', '@' and '%' in a user name or password as %2F, %3F, %23, %40 and %25.";

static bool bad_url(Error *err, const char *reason)
{
    error_set(err, ERROR_USAGE, "the database URL is not valid: %s", reason);
    return error_code(err, "bad-url");
}

static bool bad_url_escape(Error *err, const char *reason)
{
    bad_url(err, reason);
    return error_hint(err, "%s", escape_hint);
}

static bool write_url(Arena *arena, const DbUrl *url, bool is_masked, Str *ret_text,
                      size_t *ret_password_at);

/* ---- reading ------------------------------------------------------------------------------ */

static bool decode(Arena *arena, Str written, Str *ret_value, Error *err)
{
    if (str_find_char(written, '%', 0) == SIZE_MAX) {
        *ret_value = written; /* well-formed, as the whole is */
        return true;
    }
    char *out = arena_alloc(arena, written.len + 1);
    if (!out)
        return error_nomem(err);
    size_t len = 0;
    for (size_t i = 0; i < written.len; i++) {
        char c = written.ptr[i];
        if (c == '%') {
            int high = i + 1 < written.len ? hex_value(written.ptr[i + 1]) : -1;
            int low = i + 2 < written.len ? hex_value(written.ptr[i + 2]) : -1;
            if (high < 0 || low < 0)
                return bad_url_escape(err, "a '%' is not followed by two hexadecimal digits");
            c = (char)(high * 16 + low);
            if (c == '\0')
                return bad_url(err, "it holds %00");
            i += 2;
        }
        out[len++] = c;
    }
    *ret_value = (Str){out, len};
    if (!str_is_utf8(*ret_value, NULL))
        return bad_url(err, "it is not UTF-8");
    return true;
}

/* Whether the name written is the key: '-' and '_' alike, ASCII case ignored. */
static bool param_is(Str written, const char *key)
{
    size_t i = 0;
    for (; i < written.len && key[i]; i++) {
        char a = written.ptr[i], b = key[i];
        if (a >= 'A' && a <= 'Z')
            a = (char)(a - 'A' + 'a');
        if ((a == '_' ? '-' : a) != (b == '_' ? '-' : b))
            return false;
    }
    return i == written.len && !key[i];
}

const Str *db_url_param(const DbUrl *url, const char *key)
{
    for (size_t i = url->params.len; i > 0; i--)
        if (param_is(url->params.items[i - 1].key, key))
            return &url->params.items[i - 1].value;
    return NULL;
}

void db_url_remove_param(DbUrl *url, const char *key)
{
    size_t kept = 0;
    for (size_t i = 0; i < url->params.len; i++)
        if (!param_is(url->params.items[i].key, key))
            url->params.items[kept++] = url->params.items[i];
    url->params.len = kept;
}

bool db_url_check_params(const DbUrl *url, const char *engine, const char *const *known, Error *err)
{
    for (size_t i = 0; i < url->params.len; i++) {
        Str key = url->params.items[i].key;
        bool is_known = false;
        for (const char *const *name = known; *name && !is_known; name++)
            is_known = param_is(key, *name);
        if (is_known)
            continue;
        error_set(err, ERROR_USAGE, "the database URL has a parameter '%.*s' that %s does not know",
                  STR_ARG(key), engine);
        const char *nearest = suggest_nearest(key, known);
        if (nearest)
            error_hint(err, "Did you mean '%s'?", nearest);
        return error_code(err, "bad-url");
    }
    return true;
}

static bool read_params(Arena *arena, Str query, DbUrl *url, Error *err)
{
    while (query.len > 0) {
        Str pair;
        query = str_cut(query, '&', &pair);
        if (pair.len == 0)
            continue;
        size_t equals = str_find_char(pair, '=', 0);
        if (equals == SIZE_MAX || equals == 0)
            return bad_url(err, "a parameter behind '?' is not of the form name=value");
        DbParam param;
        if (!decode(arena, str_sub(pair, 0, equals), &param.key, err) ||
            !decode(arena, str_sub(pair, equals + 1, pair.len), &param.value, err))
            return false;
        if (!vec_push(arena, &url->params, param))
            return error_nomem(err);
    }
    return true;
}

static bool read_port(Str written, unsigned *ret_port)
{
    uint64_t port;
    if (written.len == 0) {
        *ret_port = 0;
        return true;
    }
    if (!str_to_u64(written, &port) || port < 1 || port > 65535)
        return false;
    *ret_port = (unsigned)port;
    return true;
}

/* One "host", "host:port", "[address]:port" or "/path:port"; the slice of its name is not decoded. */
static bool read_host(Str written, DbHost *ret_host, Error *err)
{
    Str host = written, port = {0};
    if (written.len > 0 && written.ptr[0] == '[') {
        size_t close = str_find_char(written, ']', 0);
        if (close == SIZE_MAX)
            return bad_url(err, "the '[' of an IPv6 address is not closed");
        host = str_sub(written, 1, close);
        Str rest = str_sub(written, close + 1, written.len);
        if (rest.len > 0 && rest.ptr[0] != ':')
            return bad_url(err, "there is something other than a port behind an IPv6 address");
        port = str_sub(rest, 1, rest.len);
    } else {
        size_t colon = SIZE_MAX;
        for (size_t i = written.len; i > 0 && colon == SIZE_MAX; i--)
            if (written.ptr[i - 1] == ':')
                colon = i - 1;
        if (colon != SIZE_MAX) {
            host = str_sub(written, 0, colon);
            port = str_sub(written, colon + 1, written.len);
            if (str_find_char(host, ':', 0) != SIZE_MAX && host.ptr[0] != '/')
                return bad_url_escape(err, "a host has more than one ':' (write an IPv6 address in "
                                           "square brackets)");
        }
    }
    unsigned number;
    if (!read_port(port, &number))
        return bad_url_escape(err, "a port is not a number from 1 to 65535");
    *ret_host = (DbHost){.host = host, .port = number};
    return true;
}

bool db_url_hosts(Arena *arena, Str hosts, DbHostVec *ret_hosts, Error *err)
{
    DbHostVec all = {0};
    while (hosts.len > 0) {
        Str written;
        DbHost host;
        hosts = str_cut(hosts, ',', &written);
        if (!read_host(written, &host, err))
            return false;
        if (!vec_push(arena, &all, host))
            return error_nomem(err);
    }
    *ret_hosts = all;
    return true;
}

/* Checks the hosts as written and decodes them; "a:1,b" stays one text. */
static bool read_hosts(Arena *arena, Str written, DbUrl *url, Error *err)
{
    DbHostVec hosts;
    if (!db_url_hosts(arena, written, &hosts, err))
        return false;
    for (size_t i = 0; i < hosts.len; i++) {
        Str host;
        if (!decode(arena, hosts.items[i].host, &host, err))
            return false;
        /* Decoded hosts are one text again, so what separates them there must not come from an
         * escape. An IPv6 address has its brackets. */
        bool is_address = str_find(written, STR("["), 0) != SIZE_MAX;
        for (size_t k = 0; k < host.len; k++)
            if (strchr(is_address ? " ?#@\\\"'<>," : " ?#@\\\"'<>,:", host.ptr[k]))
                return bad_url_escape(err, "a host name holds a character that none can have");
    }
    return decode(arena, written, &url->hosts, err);
}

static bool read_server_url(Arena *arena, Str rest, DbUrl *url, Error *err)
{
    if (!str_starts(rest, STR("//")))
        return bad_url(err, "'//' is missing behind the scheme");
    Str query, before;
    query = str_cut(str_sub(rest, 2, rest.len), '?', &before);
    Str authority = before, path = {0};
    size_t slash = str_find_char(before, '/', 0);
    if (slash != SIZE_MAX) {
        authority = str_sub(before, 0, slash);
        path = str_sub(before, slash + 1, before.len);
    }
    Str hosts = authority;
    size_t at = SIZE_MAX;
    for (size_t i = authority.len; i > 0 && at == SIZE_MAX; i--)
        if (authority.ptr[i - 1] == '@')
            at = i - 1;
    /* A raw '/' or '?' in a password moves the '@' out of the part where it belongs. */
    if (str_find_char(path, '@', 0) != SIZE_MAX)
        return bad_url_escape(err, "there is an '@' behind the host");
    if (at == SIZE_MAX && slash == SIZE_MAX && str_find_char(authority, ':', 0) != SIZE_MAX &&
        str_find_char(query, '@', 0) != SIZE_MAX)
        return bad_url_escape(err, "there is an '@' behind the '?'");
    if (at != SIZE_MAX) {
        Str user, password;
        hosts = str_sub(authority, at + 1, authority.len);
        password = str_cut(str_sub(authority, 0, at), ':', &user);
        if (!decode(arena, user, &url->user, err) || !decode(arena, password, &url->password, err))
            return false;
        url->has_password = password.len > 0;
    }
    return read_hosts(arena, hosts, url, err) && decode(arena, path, &url->database, err) &&
           read_params(arena, query, url, err);
}

/* sqlite:path, sqlite:/abs, sqlite:///abs, sqlite://rel (as SQLx has it), sqlite::memory: */
static bool read_file_url(Arena *arena, Str rest, DbUrl *url, Error *err)
{
    Str path, query = str_cut(rest, '?', &path);
    if (str_starts(path, STR("//")))
        path = str_sub(path, 2, path.len);
    return decode(arena, path, &url->database, err) && read_params(arena, query, url, err);
}

static bool unknown_scheme(Arena *arena, Str scheme, Error *err)
{
    Vec(const char *) all = {0};
    for (const DbDriver *const *driver = db_drivers(); *driver; driver++)
        for (const char *const *name = (*driver)->schemes; *name; name++)
            if (!vec_push(arena, &all, *name))
                return error_nomem(err);
    if (!vec_push(arena, &all, NULL))
        return error_nomem(err);
    const char *nearest = suggest_nearest(scheme, all.items);
    error_set(err, ERROR_USAGE, "the database URL names an unknown engine '%.*s'", STR_ARG(scheme));
    if (nearest)
        error_hint(err, "Did you mean '%s'?", nearest);
    else
        error_hint(err, "Write sqlite:PATH, postgres://USER@HOST/DATABASE or "
                        "mysql://USER@HOST/DATABASE.");
    return error_code(err, "bad-url");
}

static const DbDriver *driver_of(Str scheme)
{
    for (const DbDriver *const *driver = db_drivers(); *driver; driver++)
        for (const char *const *name = (*driver)->schemes; *name; name++)
            if (str_eq_nocase(scheme, str_from(*name)))
                return *driver;
    return NULL;
}

/* The scheme and what follows its colon. "jdbc:" in front and "+driver" behind, as other tools write
 * them, are let go. */
static bool read_scheme(Str text, Str *ret_scheme, Str *ret_rest, Error *err)
{
    if (str_starts_nocase(text, STR("jdbc:")))
        text = str_sub(text, 5, text.len);
    size_t colon = str_find_char(text, ':', 0);
    bool is_scheme = colon != SIZE_MAX && colon > 0 && colon <= 32;
    for (size_t i = 0; is_scheme && i < colon; i++) {
        char c = text.ptr[i];
        is_scheme = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                    (i > 0 && ((c >= '0' && c <= '9') || c == '+' || c == '-' || c == '.'));
    }
    if (!is_scheme) {
        bad_url(err, text.len == 0 ? "it is empty" : "it does not begin with an engine's name");
        return error_hint(err, "Write sqlite:PATH, postgres://USER@HOST/DATABASE or "
                               "mysql://USER@HOST/DATABASE.");
    }
    str_cut(str_sub(text, 0, colon), '+', ret_scheme);
    *ret_rest = str_sub(text, colon + 1, text.len);
    return true;
}

bool db_url_parse(Arena *arena, Str text, DbUrl *ret_url, Error *err)
{
    DbUrl url = {0};
    Str scheme, rest;
    if (!str_copy(arena, str_trim(text), &url.text))
        return error_nomem(err);
    for (size_t i = 0; i < url.text.len; i++)
        if ((unsigned char)url.text.ptr[i] < ' ' || url.text.ptr[i] == 0x7f)
            return bad_url(err, "it holds a control character");
    if (!str_is_utf8(url.text, NULL))
        return bad_url(err, "it is not UTF-8");
    if (!read_scheme(url.text, &scheme, &rest, err))
        return false;
    url.driver = driver_of(scheme);
    if (!url.driver)
        return unknown_scheme(arena, scheme, err);
    bool is_file = url.driver->features & DB_SINGLE_FILE;
    if (!(is_file ? read_file_url : read_server_url)(arena, rest, &url, err))
        return false;
    if (!url.driver->url_check(arena, &url, err))
        return false;
    if (!write_url(arena, &url, true, &url.display, NULL))
        return error_nomem(err);
    *ret_url = url;
    return true;
}

/* ---- writing ------------------------------------------------------------------------------ */

static void add_encoded(StrBuf *out, Str value, const char *kept)
{
    for (size_t i = 0; i < value.len; i++) {
        char c = value.ptr[i];
        bool is_plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                        (c >= '0' && c <= '9') || (unsigned char)c >= 0x80 || strchr("-._~", c) ||
                        strchr(kept, c);
        if (is_plain && c)
            strbuf_add_char(out, c);
        else
            strbuf_addf(out, "%%%02X", (unsigned char)c);
    }
}

static bool is_secret(const DbUrl *url, Str key)
{
    for (const char *const *name = url->driver->secret_params; name && *name; name++)
        if (param_is(key, *name))
            return true;
    return false;
}

static const char *scheme_of(const DbUrl *url)
{
    Str scheme, rest;
    if (read_scheme(url->text, &scheme, &rest, NULL))
        for (const char *const *name = url->driver->schemes; *name; name++)
            if (str_eq_nocase(scheme, str_from(*name)))
                return *name;
    return url->driver->schemes[0];
}

/* ret_password_at, if given: where the password stands in it. */
static bool write_url(Arena *arena, const DbUrl *url, bool is_masked, Str *ret_text,
                      size_t *ret_password_at)
{
    StrBuf out = strbuf(arena);
    strbuf_adds(&out, scheme_of(url));
    if (url->driver->features & DB_SINGLE_FILE) {
        strbuf_adds(&out, str_starts(url->database, STR("/")) ? "://" : ":");
        add_encoded(&out, url->database, "/:@!$&'()*+,;=");
    } else {
        strbuf_adds(&out, "://");
        add_encoded(&out, url->user, "!$&'()*+,;=");
        if (url->has_password) {
            strbuf_add_char(&out, ':');
            if (ret_password_at)
                *ret_password_at = out.len;
            if (is_masked)
                strbuf_adds(&out, "***");
            else
                add_encoded(&out, url->password, "");
        }
        if (url->user.len > 0 || url->has_password)
            strbuf_add_char(&out, '@');
        add_encoded(&out, url->hosts, ":,[]");
        if (url->database.len > 0 || (url->hosts.len == 0 && url->params.len == 0))
            strbuf_add_char(&out, '/');
        add_encoded(&out, url->database, "!$&'()*+,;=:");
    }
    for (size_t i = 0; i < url->params.len; i++) {
        const DbParam *param = &url->params.items[i];
        strbuf_add_char(&out, i == 0 ? '?' : '&');
        add_encoded(&out, param->key, "");
        strbuf_add_char(&out, '=');
        if (is_masked && is_secret(url, param->key))
            strbuf_adds(&out, "***");
        else
            add_encoded(&out, param->value, "/:,[]");
    }
    return strbuf_finish(&out, ret_text);
}

/* Makes text and display anew from the parts. What led there is overwritten, and the password is again a slice of the text where it
 * needs no escapes. */
static bool rebuild(Arena *arena, DbUrl *url, Error *err)
{
    scoped(Arena *, arena_freep) scratch = arena_new_secret();
    Str written, text, display;
    size_t at = 0;
    if (!scratch)
        return error_nomem(err);
    if (!write_url(scratch, url, false, &written, &at) || !str_copy(arena, written, &text) ||
        !write_url(arena, url, true, &display, NULL))
        return error_nomem(err);
    Str slice = str_sub(text, at, at + url->password.len);
    if (url->has_password && str_eq(slice, url->password))
        url->password = slice;
    else if (!str_copy(arena, url->password, &url->password))
        return error_nomem(err);
    url->text = text;
    url->display = display;
    return true;
}

bool db_url_set_password(Arena *arena, DbUrl *url, Str password, Error *err)
{
    DbUrl changed = *url;
    if (url->driver->features & DB_SINGLE_FILE)
        return error_set(err, ERROR_USAGE, "a database file has no password");
    if (str_find_char(password, '\0', 0) != SIZE_MAX)
        return error_set(err, ERROR_USAGE, "the password holds a NUL byte");
    changed.password = password;
    changed.has_password = password.len > 0;
    if (!rebuild(arena, &changed, err))
        return false;
    *url = changed;
    return true;
}

bool db_url_with_database(Arena *arena, const DbUrl *url, Str database, DbUrl *ret_url, Error *err)
{
    DbUrl changed = *url;
    if (str_find_char(database, '\0', 0) != SIZE_MAX)
        return error_set(err, ERROR_USAGE, "the database's name holds a NUL byte");
    if (!str_copy(arena, database, &changed.database))
        return error_nomem(err);
    if (!rebuild(arena, &changed, err))
        return false;
    *ret_url = changed;
    return true;
}

/* ---- copying ------------------------------------------------------------------------------ */

/* A part's copy: the same slice of the copied text where it is one. */
static bool carry(Arena *arena, Str from, Str to, Str *part)
{
    uintptr_t start = (uintptr_t)from.ptr, at = (uintptr_t)part->ptr;
    bool is_slice = to.len > 0 && at >= start && at + part->len <= start + from.len;
    if (!is_slice)
        return str_copy(arena, *part, part);
    *part = str_sub(to, at - start, at - start + part->len);
    return true;
}

bool db_url_copy(Arena *arena, const DbUrl *url, DbUrl *ret_url, Error *err)
{
    DbUrl copy = *url;
    copy.params = (DbParamVec){0};
    bool is_ok =
        str_copy(arena, url->text, &copy.text) && str_copy(arena, url->display, &copy.display);
    Str *const parts[] = {&copy.user, &copy.password, &copy.hosts, &copy.database};
    for (size_t i = 0; is_ok && i < sizeof parts / sizeof *parts; i++)
        is_ok = carry(arena, url->text, copy.text, parts[i]);
    for (size_t i = 0; is_ok && i < url->params.len; i++) {
        DbParam param = url->params.items[i];
        is_ok = carry(arena, url->text, copy.text, &param.key) &&
                carry(arena, url->text, copy.text, &param.value) &&
                vec_push(arena, &copy.params, param);
    }
    if (!is_ok)
        return error_nomem(err);
    *ret_url = copy;
    return true;
}

bool db_url_copy_without_password(Arena *arena, const DbUrl *url, DbUrl *ret_url, Error *err)
{
    DbUrl bare = *url;
    bare.text = bare.password = (Str){0};
    bare.has_password = false;
    return db_url_copy(arena, &bare, ret_url, err);
}

/* config/database.yml, read without Ruby: mappings, scalars, anchors and merges, which is what such files are made of. What ERB would
 * fill in is not there, and said. SPDX-License-Identifier: Apache-2.0
 *
 *     line = indent key ":" [ "&" anchor | scalar ] | indent "<<:" "*" anchor | indent "-" scalar */
#include "convention/rails.h"

#include <string.h>

/* ---- the file ------------------------------------------------------------------------------------------- */

typedef struct Node {
    size_t parent; /* in nodes; 0 is the root */
    size_t indent;
    Str key, value, anchor, alias; /* key empty: an item of a list */
    uint32_t line;
    bool is_erb; /* the value is for ERB to make */
} Node;
typedef Vec(Node) NodeVec;

typedef struct Document {
    NodeVec nodes;
    bool has_erb;
} Document;

/* The value without quotes and comment. */
static Str plain_value(Str text)
{
    text = str_trim(text);
    char quote = text.len > 0 ? text.ptr[0] : '\0';
    if (quote == '\'' || quote == '"') {
        size_t end = str_find_char(text, quote, 1);
        return end == SIZE_MAX ? text : str_sub(text, 1, end);
    }
    for (size_t i = 0; i < text.len; i++)
        if (text.ptr[i] == '#' && (i == 0 || text.ptr[i - 1] == ' ' || text.ptr[i - 1] == '\t'))
            return str_trim(str_sub(text, 0, i));
    return text;
}

static size_t indent_of(Str line)
{
    size_t width = 0;
    while (width < line.len && line.ptr[width] == ' ')
        width++;
    return width;
}

/* One line as a node; false: it holds none. */
static bool read_line(Str text, Node *ret_node)
{
    Node node = {.indent = indent_of(text)};
    Str rest = str_trim(text);
    if (rest.len == 0 || rest.ptr[0] == '#' || str_starts(rest, STR("---")))
        return false;
    if (str_starts(rest, STR("- "))) {
        node.value = plain_value(str_sub(rest, 2, rest.len));
        node.indent++; /* it belongs to the key above, be it indented or not */
    } else {
        size_t colon = str_find_char(rest, ':', 0);
        if (colon == SIZE_MAX || (colon + 1 < rest.len && rest.ptr[colon + 1] != ' '))
            return false;
        node.key = plain_value(str_sub(rest, 0, colon));
        node.value = plain_value(str_sub(rest, colon + 1, rest.len));
    }
    if (node.value.len > 1 && node.value.ptr[0] == '&') {
        node.anchor = str_sub(node.value, 1, node.value.len);
        node.value = (Str){0};
    } else if (node.value.len > 1 && node.value.ptr[0] == '*') {
        node.alias = str_sub(node.value, 1, node.value.len);
        node.value = (Str){0};
    }
    node.is_erb = str_find(text, STR("<%"), 0) != SIZE_MAX;
    *ret_node = node;
    return true;
}

static bool read_document(Arena *arena, Str text, Document *ret_document, Error *err)
{
    Document document = {0};
    Line line = {0};
    if (!vec_push(arena, &document.nodes, (Node){0}))
        return error_nomem(err);
    size_t above = 0;
    while (line_next(text, &line)) {
        Node node;
        if (str_starts(str_trim(line.text), STR("<%"))) {
            document.has_erb = true;
            continue;
        }
        if (!read_line(line.text, &node))
            continue;
        while (above > 0 && document.nodes.items[above].indent >= node.indent)
            above = document.nodes.items[above].parent;
        node.parent = above;
        node.line = line.number;
        above = document.nodes.len;
        if (!vec_push(arena, &document.nodes, node))
            return error_nomem(err);
    }
    *ret_document = document;
    return true;
}

enum { DEEPEST_MERGE = 8 };

/* The node of a key below another, its own before those that are merged into it; 0: there is none. */
static size_t find(const Document *document, size_t parent, Str key, unsigned depth)
{
    const NodeVec *nodes = &document->nodes;
    for (size_t i = 1; i < nodes->len; i++)
        if (nodes->items[i].parent == parent && str_eq(nodes->items[i].key, key))
            return i;
    for (size_t i = 1; depth < DEEPEST_MERGE && i < nodes->len; i++) {
        if (nodes->items[i].parent != parent || !str_eq(nodes->items[i].key, STR("<<")))
            continue;
        for (size_t k = 1; k < nodes->len; k++) {
            if (nodes->items[k].anchor.len == 0 ||
                !str_eq(nodes->items[k].anchor, nodes->items[i].alias))
                continue;
            size_t found = find(document, k, key, depth + 1);
            if (found)
                return found;
        }
    }
    return 0;
}

/* ---- what it says --------------------------------------------------------------------------------------- */

typedef struct Reading {
    ConventionContext *ctx;
    Arena *arena;
    const char *path;
    Document document;
    size_t node;  /* of the database */
    bool has_erb; /* something that matters is for ERB to make */
    Error *err;
} Reading;

Str rails_environment(const ConventionContext *ctx)
{
    Str named;
    if (ctx->environment.len > 0)
        return ctx->environment;
    if ((peer_variable(ctx, STR("RAILS_ENV"), &named) && named.len > 0) ||
        (peer_variable(ctx, STR("RACK_ENV"), &named) && named.len > 0))
        return named;
    return STR("development");
}

static Str value_of(Reading *reading, const char *key)
{
    size_t found = find(&reading->document, reading->node, str_from(key), 0);
    const Node *node = &reading->document.nodes.items[found];
    if (node->is_erb)
        reading->has_erb = true;
    return node->is_erb ? (Str){0} : node->value;
}

/* Whether the paths of a database's migrations name one of the folders that were asked for. Without any they are db/migrate. */
static bool has_folder(Reading *reading, size_t database)
{
    const NodeVec *nodes = &reading->document.nodes;
    size_t paths = find(&reading->document, database, STR("migrations_paths"), 0);
    for (size_t f = 0; f < reading->ctx->folders.len; f++) {
        Str folder = reading->ctx->folders.items[f];
        while (str_ends(folder, STR("/")))
            folder = str_sub(folder, 0, folder.len - 1);
        if (str_starts(folder, STR("./")))
            folder = str_sub(folder, 2, folder.len);
        for (size_t i = paths; paths && i < nodes->len; i++) {
            bool is_item = nodes->items[i].parent == paths && nodes->items[i].key.len == 0;
            Str path = nodes->items[i].value;
            if ((i == paths || is_item) && path.len > 0 &&
                (str_eq(folder, path) ||
                 (str_ends(folder, path) && folder.ptr[folder.len - path.len - 1] == '/')))
                return true;
        }
        if (!paths && (str_eq(folder, STR("db/migrate")) || str_ends(folder, STR("/db/migrate"))))
            return true;
    }
    return false;
}

static bool is_said(const Reading *reading, size_t database, const char *key, const char *value)
{
    size_t found = find(&reading->document, database, str_from(key), 0);
    return found && str_eq(reading->document.nodes.items[found].value, str_from(value));
}

/* Rails leaves copies, and what says so, alone. */
static bool is_left_alone(const Reading *reading, size_t database)
{
    return is_said(reading, database, "replica", "true") ||
           is_said(reading, database, "database_tasks", "false");
}

/* Below an environment stand the keys of one database, or the names of several with keys of their own: then the one of the folders that
 * were asked for, else "primary" or the first. */
static bool choose_database(Reading *reading, size_t environment)
{
    const NodeVec *nodes = &reading->document.nodes;
    StrBuf names = strbuf(reading->arena);
    size_t first = 0, count = 0, named = 0;
    bool asks = !reading->ctx->are_folders_default;
    reading->node = environment;
    if (find(&reading->document, environment, STR("adapter"), 0) ||
        find(&reading->document, environment, STR("url"), 0))
        return true;
    for (size_t i = 1; i < nodes->len; i++) {
        if (nodes->items[i].parent != environment || nodes->items[i].key.len == 0 ||
            str_eq(nodes->items[i].key, STR("<<")) || is_left_alone(reading, i))
            continue;
        if (!first || str_eq(nodes->items[i].key, STR("primary")))
            first = i;
        if (!named && asks && has_folder(reading, i))
            named = i;
        strbuf_addf(&names, "%s%.*s", count++ > 0 ? ", " : "", STR_ARG(nodes->items[i].key));
    }
    if (!first)
        return true;
    reading->node = named ? named : first;
    Str text;
    if (!strbuf_finish(&names, &text))
        return error_nomem(reading->err);
    return count < 2 || named ||
           peer_note(reading->ctx, reading->arena,
                     str_format(reading->arena,
                                "%s names several databases (%.*s): this is about %.*s; for "
                                "another give the folder of its migrations with -m",
                                reading->path, STR_ARG(text), STR_ARG(nodes->items[first].key)),
                     reading->err);
}

/* The scheme of ours for an adapter of Rails; NULL: there is none. */
static const char *scheme_of(Str adapter)
{
    static const char *const known[][2] = {{"postgresql", "postgres"}, {"postgis", "postgres"},
                                           {"postgres", "postgres"},   {"mysql2", "mysql"},
                                           {"trilogy", "mysql"},       {"mysql", "mysql"},
                                           {"sqlite3", "sqlite"},      {"sqlite", "sqlite"}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (str_eq(adapter, str_from(known[i][0])))
            return known[i][1];
    return NULL;
}

/* A file is sought from the project's folder. */
static bool sqlite_url(Reading *reading, Str database)
{
    const char *root = peer_beside(reading->ctx, reading->arena, database);
    if (!root)
        return error_nomem(reading->err);
    const char *url =
        str_format(reading->arena, "sqlite:%s",
                   path_is_absolute(database) ? str_z(reading->arena, database) : root);
    reading->ctx->url = str_from(url);
    return url || error_nomem(reading->err);
}

static bool take_url(Reading *reading, Str url)
{
    Str adapter, rest = str_cut(url, ':', &adapter);
    const char *scheme = scheme_of(adapter);
    if (!scheme)
        return true;
    if (strcmp(scheme, "sqlite") == 0) {
        while (str_starts(rest, STR("/")) && str_starts(str_sub(rest, 1, rest.len), STR("/")))
            rest = str_sub(rest, 1, rest.len);
        return sqlite_url(reading, rest);
    }
    const char *made = str_format(reading->arena, "%s:%.*s", scheme, STR_ARG(rest));
    reading->ctx->url = str_from(made);
    return made || error_nomem(reading->err);
}

static bool take_connection(Reading *reading)
{
    Str url = value_of(reading, "url"), adapter = value_of(reading, "adapter");
    Str database = value_of(reading, "database");
    const char *scheme = scheme_of(adapter);
    if (url.len > 0)
        return take_url(reading, url);
    if (!scheme || database.len == 0)
        return true;
    if (strcmp(scheme, "sqlite") == 0)
        return sqlite_url(reading, database);
    PeerServer server = {.scheme = scheme,
                         .user = value_of(reading, "username"),
                         .password = value_of(reading, "password"),
                         .host = value_of(reading, "host"),
                         .port = value_of(reading, "port"),
                         .database = database,
                         .query = ""};
    Str socket = value_of(reading, "socket");
    if (reading->has_erb)
        return true;
    if (socket.len > 0 && server.host.len == 0) {
        server.query = str_format(reading->arena, "socket=%.*s", STR_ARG(socket));
        if (!server.query)
            return error_nomem(reading->err);
    }
    return peer_server_url(reading->arena, &server, &reading->ctx->url, reading->err);
}

/* migrations_paths: a text or a list. */
static bool take_folders(Reading *reading)
{
    size_t found = find(&reading->document, reading->node, STR("migrations_paths"), 0);
    const NodeVec *nodes = &reading->document.nodes;
    StrVec folders = {0};
    if (!found || !reading->ctx->are_folders_default)
        return true;
    for (size_t i = found; i < nodes->len; i++) {
        bool is_item = nodes->items[i].parent == found && nodes->items[i].key.len == 0;
        if ((i != found && !is_item) || nodes->items[i].value.len == 0 || nodes->items[i].is_erb)
            continue;
        const char *path = peer_beside(reading->ctx, reading->arena, nodes->items[i].value);
        if (!path || !vec_push(reading->arena, &folders, str_from(path)))
            return error_nomem(reading->err);
    }
    if (folders.len > 0) {
        reading->ctx->folders = folders;
        reading->ctx->are_folders_default = false;
    }
    return true;
}

static bool default_folder(ConventionContext *ctx, Arena *arena, Error *err)
{
    static const char *const usual[] = {"db/migrate", NULL};
    return peer_take_usual_folder(ctx, arena, usual, err);
}

bool rails_configure(ConventionContext *ctx, Arena *arena, Error *err)
{
    Reading reading = {.ctx = ctx, .arena = arena, .err = err};
    Str text, environment = rails_environment(ctx);
    if (!peer_configuration(ctx, arena, STR("config/database.yml"), &reading.path, &text, err))
        return false;
    if (!reading.path)
        return default_folder(ctx, arena, err);
    if (!read_document(arena, text, &reading.document, err))
        return false;
    size_t found = find(&reading.document, 0, environment, 0);
    if (found && (!choose_database(&reading, found) || !take_folders(&reading) ||
                  !take_connection(&reading)))
        return false;
    if (ctx->url.len > 0) {
        ctx->url_place = str_format(arena, "%s:%u", reading.path,
                                    (unsigned)reading.document.nodes.items[reading.node].line);
        if (!ctx->url_place)
            return error_nomem(err);
    }
    bool lacks = ctx->url.len == 0 && (reading.has_erb || reading.document.has_erb);
    if (lacks && !peer_note(ctx, arena,
                            str_format(arena,
                                       "%s leaves the database of %.*s to ERB, which is not run: "
                                       "give it with -d or DATABASE_URL",
                                       reading.path, STR_ARG(environment)),
                            err))
        return false;
    return default_folder(ctx, arena, err);
}

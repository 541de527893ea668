/* YAML, and JSON as the part of it that it is, by libyaml. SPDX-License-Identifier: Apache-2.0
 *
 * The library is loaded when the first document is read: who has none never pays for it. Aliases are an error, so that no document
 * is larger than its text. */
#include <dlfcn.h>
#include <string.h>
#include <yaml.h>

#include "base/markup.h"

#define LIBYAML(X)                                                                                 \
    X(yaml_parser_initialize)                                                                      \
    X(yaml_parser_delete)                                                                          \
    X(yaml_parser_set_input_string)                                                                \
    X(yaml_parser_parse)                                                                           \
    X(yaml_event_delete)

/* Types come from yaml.h, so that the compiler still checks every call. */
typedef struct Libyaml {
#define X(name) typeof(name) *name;
    LIBYAML(X)
#undef X
} Libyaml;

typedef struct Reader {
    Libyaml yaml;
    Arena *arena;
    const char *file;
    yaml_parser_t parser;
    yaml_event_t event;
    bool has_event;
    Error *err;
} Reader;

static bool load(Libyaml *yaml, Error *err)
{
    static const char soname[] = "libyaml-0.so.2";
    void *handle = dlopen(soname, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    bool is_whole = handle != NULL;
#define X(name)                                                                                    \
    {                                                                                              \
        void *found = handle ? dlsym(handle, #name) : NULL;                                        \
        is_whole = is_whole && found;                                                              \
        memcpy(&yaml->name, &found, sizeof found);                                                 \
    }
    LIBYAML(X)
#undef X
    if (is_whole) {
        dlclose(handle); /* it stays all the same */
        return true;
    }
    const char *reason = handle ? "it lacks a function" : dlerror();
    error_set(err, ERROR_UNSUPPORTED, "the library %s, which reads YAML and JSON, cannot be loaded",
              soname);
    error_detail(err, "%s", reason ? reason : "no reason is known");
    if (handle)
        dlclose(handle);
    error_hint(err, "Install it (Debian, Ubuntu: apt install libyaml-0-2; Fedora: dnf install "
                    "libyaml; Alpine: apk add yaml).");
    return error_code(err, "library-missing");
}

static bool bad(Reader *r, const char *what, size_t line, size_t column)
{
    error_set(r->err, ERROR_PARSE, "%s: %s", r->file, what);
    error_code(r->err, "markup");
    return error_at(r->err, str_from(r->file), (uint32_t)line + 1, (uint32_t)column + 1);
}

static bool bad_event(Reader *r, const char *what)
{
    return bad(r, what, r->event.start_mark.line, r->event.start_mark.column);
}

static bool next(Reader *r)
{
    if (r->has_event)
        r->yaml.yaml_event_delete(&r->event);
    r->has_event = false;
    if (r->yaml.yaml_parser_parse(&r->parser, &r->event)) {
        r->has_event = true;
        return true;
    }
    if (r->parser.error == YAML_MEMORY_ERROR)
        return error_nomem(r->err);
    return bad(r, r->parser.problem ? r->parser.problem : "cannot be read",
               r->parser.problem_mark.line, r->parser.problem_mark.column);
}

static MarkupNode *new_node(Reader *r, Str name, const yaml_mark_t *mark)
{
    MarkupNode *node = arena_alloc(r->arena, sizeof *node);
    if (!node) {
        error_nomem(r->err);
        return NULL;
    }
    *node = (MarkupNode){.name = name, .line = (uint32_t)mark->line + 1};
    node->text_line = node->line;
    return node;
}

static bool is_null_word(Str text)
{
    return text.len == 0 || str_eq(text, STR("~")) || str_eq_nocase(text, STR("null"));
}

static Str scalar_of(const Reader *r)
{
    return (Str){(const char *)r->event.data.scalar.value, r->event.data.scalar.length};
}

static bool take_scalar(Reader *r, MarkupNode *node)
{
    yaml_scalar_style_t style = r->event.data.scalar.style;
    node->is_scalar = true;
    node->is_null = style == YAML_PLAIN_SCALAR_STYLE && is_null_word(scalar_of(r));
    if (style == YAML_LITERAL_SCALAR_STYLE || style == YAML_FOLDED_SCALAR_STYLE)
        node->text_line++;
    return node->is_null || str_copy(r->arena, scalar_of(r), &node->text) || error_nomem(r->err);
}

static bool read_value(Reader *r, MarkupNode *node, unsigned depth);

static bool read_mapping(Reader *r, MarkupNode *node, unsigned depth)
{
    for (;;) {
        if (!next(r))
            return false;
        if (r->event.type == YAML_MAPPING_END_EVENT)
            return true;
        if (r->event.type != YAML_SCALAR_EVENT)
            return bad_event(r, "a key is a plain text");
        Str key;
        if (!str_copy(r->arena, scalar_of(r), &key))
            return error_nomem(r->err);
        for (size_t i = 0; i < node->children.len; i++)
            if (str_eq(node->children.items[i]->name, key))
                return bad_event(r, "a key is there twice");
        MarkupNode *child = new_node(r, key, &r->event.start_mark);
        if (!child)
            return false;
        if (!next(r) || !read_value(r, child, depth + 1))
            return false;
        if (!vec_push(r->arena, &node->children, child))
            return error_nomem(r->err);
    }
}

static bool read_sequence(Reader *r, MarkupNode *node, unsigned depth)
{
    for (;;) {
        if (!next(r))
            return false;
        if (r->event.type == YAML_SEQUENCE_END_EVENT)
            return true;
        MarkupNode *item = new_node(r, (Str){0}, &r->event.start_mark);
        bool is_mapping = r->event.type == YAML_MAPPING_START_EVENT;
        if (!item || !read_value(r, item, depth + 1))
            return false;
        if (is_mapping && item->children.len == 1)
            item = item->children.items[0];
        if (!vec_push(r->arena, &node->children, item))
            return error_nomem(r->err);
    }
}

/* Of the event at hand. */
static bool read_value(Reader *r, MarkupNode *node, unsigned depth)
{
    if (depth > MARKUP_MOST_DEPTH)
        return bad_event(r, "parts lie too deep in one another");
    node->text_line = (uint32_t)r->event.start_mark.line + 1;
    switch (r->event.type) {
    case YAML_SCALAR_EVENT:
        return take_scalar(r, node);
    case YAML_MAPPING_START_EVENT:
        return read_mapping(r, node, depth);
    case YAML_SEQUENCE_START_EVENT:
        return read_sequence(r, node, depth);
    case YAML_ALIAS_EVENT:
        return bad_event(r, "aliases (*name) are not read: write out what they stand for");
    case YAML_NO_EVENT:
    case YAML_STREAM_START_EVENT:
    case YAML_STREAM_END_EVENT:
    case YAML_DOCUMENT_START_EVENT:
    case YAML_DOCUMENT_END_EVENT:
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT:
        break;
    }
    return bad_event(r, "a value is wanted here");
}

static bool read_document(Reader *r, MarkupNode *root)
{
    do {
        if (!next(r))
            return false;
        if (r->event.type == YAML_STREAM_END_EVENT)
            return true; /* there is none: an empty text */
    } while (r->event.type != YAML_DOCUMENT_START_EVENT);
    return next(r) && read_value(r, root, 1);
}

bool yaml_read(Arena *arena, const char *file, Str text, MarkupNode **ret_root, Error *err)
{
    Reader r = {.arena = arena, .file = file, .err = err};
    MarkupNode *root = arena_alloc(arena, sizeof *root);
    if (!root)
        return error_nomem(err);
    *root = (MarkupNode){.line = 1, .text_line = 1};
    if (!load(&r.yaml, err))
        return false;
    if (!r.yaml.yaml_parser_initialize(&r.parser))
        return error_nomem(err);
    r.yaml.yaml_parser_set_input_string(
        &r.parser, (const unsigned char *)(text.ptr ? text.ptr : ""), text.len);
    bool is_ok = read_document(&r, root);
    if (r.has_event)
        r.yaml.yaml_event_delete(&r.event);
    r.yaml.yaml_parser_delete(&r.parser);
    if (is_ok)
        *ret_root = root;
    return is_ok;
}

/* A strict reader of XML 1.0 in UTF-8, for configuration and changelogs. SPDX-License-Identifier: Apache-2.0 */
#include "base/markup.h"

typedef struct Reader {
    Arena *arena;
    const char *file;
    Str text;
    size_t at;
    size_t line_at; /* up to where lines are counted */
    uint32_t line;
    Error *err;
} Reader;

/* ---- places ------------------------------------------------------------------------------------------------- */

static uint32_t line_now(Reader *r)
{
    for (; r->line_at < r->at; r->line_at++)
        r->line += r->text.ptr[r->line_at] == '\n';
    return r->line;
}

static bool bad(Reader *r, const char *what)
{
    size_t start = r->at < r->text.len ? r->at : r->text.len;
    uint32_t line = line_now(r);
    while (start > 0 && r->text.ptr[start - 1] != '\n')
        start--;
    error_set(r->err, ERROR_PARSE, "%s: %s", r->file, what);
    error_code(r->err, "markup");
    (void)error_at(r->err, str_from(r->file), line, (uint32_t)(r->at - start) + 1);
    return false;
}

static Str rest(const Reader *r)
{
    return str_sub(r->text, r->at, r->text.len);
}

static bool skip_past(Reader *r, Str end, const char *what)
{
    size_t found = str_find(r->text, end, r->at);
    if (found == SIZE_MAX)
        return bad(r, what);
    r->at = found + end.len;
    return true;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static void skip_blanks(Reader *r)
{
    while (r->at < r->text.len && is_blank(r->text.ptr[r->at]))
        r->at++;
}

/* Comments, instructions and blanks around the root. */
static bool skip_misc(Reader *r)
{
    for (;;) {
        skip_blanks(r);
        if (str_starts(rest(r), STR("<!--"))) {
            if (!skip_past(r, STR("-->"), "a comment is not closed"))
                return false;
        } else if (str_starts(rest(r), STR("<?"))) {
            if (!skip_past(r, STR("?>"), "an instruction is not closed"))
                return false;
        } else if (str_starts(rest(r), STR("<!DOCTYPE"))) {
            return bad(r, "a document type is not read: take it out");
        } else {
            return true;
        }
    }
}

/* ---- names and text -------------------------------------------------------------------------------------------- */

static bool is_name_char(char c, bool is_first)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == ':' ||
           (unsigned char)c >= 0x80 ||
           (!is_first && ((c >= '0' && c <= '9') || c == '-' || c == '.'));
}

static bool read_name(Reader *r, Str *ret_name)
{
    size_t from = r->at;
    while (r->at < r->text.len && is_name_char(r->text.ptr[r->at], r->at == from))
        r->at++;
    if (r->at == from)
        return bad(r, "a name is wanted here");
    *ret_name = str_sub(r->text, from, r->at);
    return true;
}

static Str local_name(Str name)
{
    size_t colon = str_find_char(name, ':', 0);
    return colon == SIZE_MAX ? name : str_sub(name, colon + 1, name.len);
}

static void add_utf8(StrBuf *out, uint32_t c)
{
    if (c < 0x80) {
        strbuf_add_char(out, (char)c);
        return;
    }
    if (c < 0x800) {
        strbuf_add_char(out, (char)(0xc0 | c >> 6));
    } else {
        if (c < 0x10000) {
            strbuf_add_char(out, (char)(0xe0 | c >> 12));
        } else {
            strbuf_add_char(out, (char)(0xf0 | c >> 18));
            strbuf_add_char(out, (char)(0x80 | (c >> 12 & 63)));
        }
        strbuf_add_char(out, (char)(0x80 | (c >> 6 & 63)));
    }
    strbuf_add_char(out, (char)(0x80 | (c & 63)));
}

/* Behind '&'. */
static bool add_reference(Reader *r, StrBuf *out)
{
    static const struct {
        Str name;
        char c;
    } known[] = {{{"lt;", 3}, '<'},
                 {{"gt;", 3}, '>'},
                 {{"amp;", 4}, '&'},
                 {{"quot;", 5}, '"'},
                 {{"apos;", 5}, '\''}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (!str_starts(rest(r), known[i].name))
            continue;
        strbuf_add_char(out, known[i].c);
        r->at += known[i].name.len;
        return true;
    }
    if (!str_starts(rest(r), STR("#")))
        return bad(r, "an entity that is not known: &lt; &gt; &amp; &quot; &apos; are");
    bool is_hex = str_starts(rest(r), STR("#x"));
    uint32_t value = 0;
    size_t digits = 0;
    for (r->at += is_hex ? 2 : 1; r->at < r->text.len && r->text.ptr[r->at] != ';'; r->at++) {
        char c = r->text.ptr[r->at];
        int digit = c >= '0' && c <= '9'                           ? c - '0'
                    : is_hex && (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10
                                                                   : -1;
        if (digit < 0 || value > 0x10ffff)
            return bad(r, "a character's number is malformed");
        value = value * (is_hex ? 16 : 10) + (uint32_t)digit;
        digits++;
    }
    bool is_control = value < 32 && value != '\t' && value != '\n' && value != '\r';
    if (digits == 0 || r->at >= r->text.len || value > 0x10ffff || is_control ||
        (value >= 0xd800 && value < 0xe000))
        return bad(r, "a character's number is malformed");
    r->at++;
    add_utf8(out, value);
    return true;
}

/* Up to the character `end`. Lines end with a line feed, whatever the file has; in attributes blanks are blanks. */
static bool add_text(Reader *r, StrBuf *out, char end, bool is_attribute)
{
    while (r->at < r->text.len && r->text.ptr[r->at] != end) {
        char c = r->text.ptr[r->at++];
        if (c == '&') {
            if (!add_reference(r, out))
                return false;
        } else if (c == '<') {
            r->at--;
            return bad(r, "'<' stands here as &lt;");
        } else if (c == '\r') {
            if (r->at >= r->text.len || r->text.ptr[r->at] != '\n')
                strbuf_add_char(out, is_attribute ? ' ' : '\n');
        } else {
            strbuf_add_char(out, is_attribute && is_blank(c) ? ' ' : c);
        }
    }
    return true;
}

/* ---- elements ---------------------------------------------------------------------------------------------------- */

static MarkupNode *add_child(Reader *r, MarkupNode *parent, Str name)
{
    MarkupNode *node = arena_alloc(r->arena, sizeof *node);
    if (!node || (parent && !vec_push(r->arena, &parent->children, node))) {
        error_nomem(r->err);
        return NULL;
    }
    *node = (MarkupNode){.name = name, .line = line_now(r)};
    node->text_line = node->line;
    return node;
}

/* Up to ">" or "/>". */
static bool read_attributes(Reader *r, MarkupNode *node, bool *ret_is_empty)
{
    for (;;) {
        size_t before = r->at;
        skip_blanks(r);
        if (str_starts(rest(r), STR(">")) || str_starts(rest(r), STR("/>"))) {
            *ret_is_empty = r->text.ptr[r->at] == '/';
            r->at += *ret_is_empty ? 2 : 1;
            return true;
        }
        if (r->at == before)
            return bad(r, "a blank, '>' or '/>' is wanted here");
        Str name = {0};
        if (!read_name(r, &name))
            return false;
        /* Where schemas are, and what prefixes mean, says nothing to us. */
        bool is_kept = !str_starts(name, STR("xmlns")) && !str_starts(name, STR("xsi:"));
        MarkupNode scratch = {0};
        MarkupNode *attribute = add_child(r, is_kept ? node : &scratch, local_name(name));
        if (!attribute)
            return false;
        skip_blanks(r);
        if (!str_starts(rest(r), STR("=")))
            return bad(r, "an attribute has no value");
        r->at++;
        skip_blanks(r);
        char quote = r->at < r->text.len ? r->text.ptr[r->at] : '\0';
        if (quote != '"' && quote != '\'')
            return bad(r, "an attribute's value stands in quotes");
        r->at++;
        StrBuf value = strbuf(r->arena);
        if (!add_text(r, &value, quote, true))
            return false;
        if (r->at >= r->text.len)
            return bad(r, "an attribute's value is not closed");
        r->at++;
        attribute->is_scalar = true;
        if (!strbuf_finish(&value, &attribute->text))
            return error_nomem(r->err);
    }
}

static bool read_element(Reader *r, MarkupNode *parent, unsigned depth, MarkupNode **ret_node);

/* One piece of what stands between the tags. *ret_is_end: it was the closing tag. */
static bool read_piece(Reader *r, MarkupNode *node, StrBuf *text, unsigned depth, bool *ret_is_end)
{
    *ret_is_end = false;
    if (text->len == 0)
        node->text_line = line_now(r);
    if (r->text.ptr[r->at] != '<')
        return add_text(r, text, '<', false);
    if (str_starts(rest(r), STR("<!--")))
        return skip_past(r, STR("-->"), "a comment is not closed");
    if (str_starts(rest(r), STR("<![CDATA["))) {
        size_t from = r->at + 9;
        if (!skip_past(r, STR("]]>"), "a CDATA section is not closed"))
            return false;
        for (; from < r->at - 3; from++)
            if (r->text.ptr[from] != '\r' || r->text.ptr[from + 1] != '\n')
                strbuf_add_char(text, r->text.ptr[from] == '\r' ? '\n' : r->text.ptr[from]);
        return true;
    }
    if (str_starts(rest(r), STR("<?")))
        return skip_past(r, STR("?>"), "an instruction is not closed");
    *ret_is_end = str_starts(rest(r), STR("</"));
    MarkupNode *child;
    return *ret_is_end || read_element(r, node, depth + 1, &child);
}

static bool read_element(Reader *r, MarkupNode *parent, unsigned depth, MarkupNode **ret_node)
{
    Str name = {0}, closing;
    bool is_empty = false, is_end = false;
    StrBuf text = strbuf(r->arena);
    if (depth > MARKUP_MOST_DEPTH)
        return bad(r, "elements lie too deep in one another");
    r->at++; /* '<' */
    if (!read_name(r, &name))
        return false;
    MarkupNode *node = add_child(r, parent, local_name(name));
    if (!node || !read_attributes(r, node, &is_empty))
        return false;
    *ret_node = node;
    size_t attributes = node->children.len;
    while (!is_empty && !is_end) {
        if (r->at >= r->text.len)
            return bad(r, "an element is not closed");
        if (!read_piece(r, node, &text, depth, &is_end))
            return false;
    }
    if (!is_empty) {
        r->at += 2;
        if (!read_name(r, &closing))
            return false;
        if (!str_eq(closing, name))
            return bad(r, "another element is closed than was opened");
        skip_blanks(r);
        if (!str_starts(rest(r), STR(">")))
            return bad(r, "'>' is wanted here");
        r->at++;
    }
    node->is_scalar = node->children.len == attributes;
    return strbuf_finish(&text, &node->text) || error_nomem(r->err);
}

/* Another encoding than ours would be read as what it is not. */
static bool check_encoding(Reader *r)
{
    if (!str_starts(r->text, STR("<?xml")))
        return true;
    size_t end = str_find(r->text, STR("?>"), 0);
    Str head = str_sub(r->text, 0, end == SIZE_MAX ? r->text.len : end);
    size_t at = str_find(head, STR("encoding"), 0);
    if (at == SIZE_MAX)
        return true;
    Str value = str_sub(head, at + 8, head.len);
    while (value.len > 0 && (is_blank(value.ptr[0]) || value.ptr[0] == '='))
        value = str_sub(value, 1, value.len);
    value = str_sub(value, 1, value.len);
    return str_starts_nocase(value, STR("utf-8")) || str_starts_nocase(value, STR("utf8")) ||
           str_starts_nocase(value, STR("us-ascii")) ||
           bad(r, "is not in UTF-8: whimbrel reads no other encoding");
}

bool xml_read(Arena *arena, const char *file, Str text, MarkupNode **ret_root, Error *err)
{
    Reader r = {.arena = arena, .file = file, .line = 1, .err = err};
    if (str_starts(text, STR("\xef\xbb\xbf")))
        text = str_sub(text, 3, text.len);
    if (!str_copy(arena, text, &r.text))
        return error_nomem(err);
    if (!str_is_utf8(r.text, &r.at))
        return bad(&r, "is not in UTF-8");
    r.at = 0;
    if (!check_encoding(&r) || !skip_misc(&r))
        return false;
    if (!str_starts(rest(&r), STR("<")))
        return bad(&r, "an element is wanted here");
    if (!read_element(&r, NULL, 1, ret_root) || !skip_misc(&r))
        return false;
    return r.at == r.text.len || bad(&r, "something follows the document's element");
}

MarkupNode *markup_child(const MarkupNode *node, Str name)
{
    for (size_t i = 0; node && i < node->children.len; i++)
        if (str_eq(node->children.items[i]->name, name))
            return node->children.items[i];
    return NULL;
}

Str markup_text(const MarkupNode *node, Str name)
{
    const MarkupNode *child = markup_child(node, name);
    return child && child->is_scalar ? child->text : (Str){0};
}

/* Python read without Python: tokens with indentation, then statements and the plain part of the expressions.
 *
 * Whatever is not a literal, a name, an attribute or a call becomes "other" up to where the expression ends: brackets are counted, so
 * that the rest of the file keeps its form. SPDX-License-Identifier: Apache-2.0 */
#include "convention/python_literals.h"

#include <string.h>

/* ---- tokens ---------------------------------------------------------------------------------------------- */

typedef enum TokenKind {
    TOKEN_NAME,
    TOKEN_NUMBER,
    TOKEN_STRING,
    TOKEN_BYTES,
    TOKEN_FORMATTED, /* an f-string that has something to fill in; pieces: see read_placeholder() */
    TOKEN_OPERATOR,
    TOKEN_NEWLINE,
    TOKEN_INDENT,
    TOKEN_DEDENT,
    TOKEN_END,
} TokenKind;

typedef struct Token {
    TokenKind kind;
    uint32_t line, column;
    Str text; /* strings: the value */
    const StrVec *pieces;
} Token;

enum { MOST_INDENTS = 100, MOST_DEPTH = 200, TAB_COLUMNS = 8 };

typedef struct Scanner {
    Arena *arena;
    Str text;
    size_t at, line_start;
    uint32_t line;
    size_t indents[MOST_INDENTS];
    size_t indent_count;
    unsigned depth; /* open brackets: in them line ends are blanks */
    Vec(Token) tokens;
    const char *trouble;
    uint32_t trouble_line;
    bool has_failed; /* memory */
} Scanner;

static bool is_name_start(char c)
{
    return c == '_' || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (unsigned char)c >= 0x80;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static char peek(const Scanner *s, size_t ahead)
{
    return s->at + ahead < s->text.len ? s->text.ptr[s->at + ahead] : '\0';
}

static bool stop(Scanner *s, const char *trouble)
{
    if (!s->trouble) {
        s->trouble = trouble;
        s->trouble_line = s->line;
    }
    return false;
}

static bool add_token(Scanner *s, TokenKind kind, uint32_t line, uint32_t column, Str text)
{
    Token token = {.kind = kind, .line = line, .column = column, .text = text};
    if (!vec_push(s->arena, &s->tokens, token)) {
        s->has_failed = true;
        return false;
    }
    return true;
}

static bool add_here(Scanner *s, TokenKind kind, size_t len)
{
    bool is_ok = add_token(s, kind, s->line, (uint32_t)(s->at - s->line_start + 1),
                           str_sub(s->text, s->at, s->at + len));
    s->at += len;
    return is_ok;
}

static void pass_line_end(Scanner *s)
{
    if (peek(s, 0) == '\r' && peek(s, 1) == '\n')
        s->at++;
    s->at++;
    s->line++;
    s->line_start = s->at;
}

static void add_code_point(StrBuf *out, uint32_t c)
{
    if (c < 0x80) {
        strbuf_add_char(out, (char)c);
    } else if (c < 0x800) {
        strbuf_add_char(out, (char)(0xc0 | c >> 6));
        strbuf_add_char(out, (char)(0x80 | (c & 0x3f)));
    } else if (c < 0x10000) {
        strbuf_add_char(out, (char)(0xe0 | c >> 12));
        strbuf_add_char(out, (char)(0x80 | (c >> 6 & 0x3f)));
        strbuf_add_char(out, (char)(0x80 | (c & 0x3f)));
    } else {
        strbuf_add_char(out, (char)(0xf0 | c >> 18));
        strbuf_add_char(out, (char)(0x80 | (c >> 12 & 0x3f)));
        strbuf_add_char(out, (char)(0x80 | (c >> 6 & 0x3f)));
        strbuf_add_char(out, (char)(0x80 | (c & 0x3f)));
    }
}

/* Behind the backslash and the letter: so many digits of this base. */
static bool read_digits(Scanner *s, unsigned base, size_t least, size_t most, uint32_t *ret_value)
{
    uint32_t value = 0;
    size_t count = 0;
    for (; count < most; count++) {
        int digit = hex_value(peek(s, 0));
        if (digit < 0 || (unsigned)digit >= base)
            break;
        value = value * base + (uint32_t)digit;
        s->at++;
    }
    *ret_value = value;
    return count >= least;
}

static bool read_escape(Scanner *s, StrBuf *out, bool is_bytes)
{
    static const char letters[] = "\\'\"abfnrtv", values[] = "\\'\"\a\b\f\n\r\t\v";
    char c = peek(s, 1);
    const char *known = c ? strchr(letters, c) : NULL;
    uint32_t code = 0;
    s->at++; /* the backslash */
    if (known) {
        strbuf_add_char(out, values[known - letters]);
        s->at++;
        return true;
    }
    if (c == '\n' || c == '\r') {
        pass_line_end(s);
        return true;
    }
    if (c >= '0' && c <= '7') {
        (void)read_digits(s, 8, 1, 3, &code);
    } else if (c == 'x' || (!is_bytes && (c == 'u' || c == 'U'))) {
        size_t count = c == 'x' ? 2 : c == 'u' ? 4 : 8;
        s->at++;
        if (!read_digits(s, 16, count, count, &code))
            return stop(s, "a string has an escape that Python does not know");
    } else if (!is_bytes && c == 'N') {
        return stop(s, "a string names a character by \\N{...}");
    } else {
        strbuf_add_char(out, '\\'); /* what is no escape stays as it is */
        return true;
    }
    if (!is_bytes && (code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff)))
        return stop(s, "a string has an escape that is no character");
    if (is_bytes)
        strbuf_add_char(out, (char)code);
    else
        add_code_point(out, code);
    return true;
}

typedef struct StringForm {
    bool is_raw, is_bytes, is_formatted, is_long;
    char quote;
} StringForm;

/* At a quote, or at letters before one. False: this is no string. */
static bool string_begins(const Scanner *s, StringForm *ret_form, size_t *ret_len)
{
    StringForm form = {0};
    size_t len = 0;
    for (; len < 2; len++) {
        char c = (char)(peek(s, len) | 0x20);
        if (c == 'r')
            form.is_raw = true;
        else if (c == 'b')
            form.is_bytes = true;
        else if (c == 'f' || c == 't')
            form.is_formatted = true;
        else if (c != 'u')
            break;
    }
    form.quote = peek(s, len);
    if (form.quote != '"' && form.quote != '\'')
        return false;
    form.is_long = peek(s, len + 1) == form.quote && peek(s, len + 2) == form.quote;
    *ret_form = form;
    *ret_len = len + (form.is_long ? 3 : 1);
    return true;
}

static bool ends_here(const Scanner *s, const StringForm *form)
{
    return peek(s, 0) == form->quote &&
           (!form->is_long || (peek(s, 1) == form->quote && peek(s, 2) == form->quote));
}

/* "{name}" or "{a.b}" in an f-string: what was before it and the name become two pieces. Anything more in the braces is left to Python: the
 * pieces are given up then. */
static bool read_placeholder(Scanner *s, StrBuf *out, StrVec *pieces, bool *is_simple)
{
    size_t len = 1;
    Str before;
    while (is_name_start(peek(s, len)) || (len > 1 && is_digit(peek(s, len))) ||
           (len > 1 && peek(s, len) == '.' && is_name_start(peek(s, len + 1))))
        len++;
    *is_simple = *is_simple && len > 1 && peek(s, len) == '}';
    if (!*is_simple)
        return true;
    if (!strbuf_finish(out, &before) || !vec_push(s->arena, pieces, before) ||
        !vec_push(s->arena, pieces, str_sub(s->text, s->at + 1, s->at + len))) {
        s->has_failed = true;
        return false;
    }
    *out = strbuf(s->arena);
    s->at += len; /* at the closing brace, which is passed like any other */
    return true;
}

/* The last piece, and the whole of them with the token that was just added. */
static bool keep_pieces(Scanner *s, StrVec *pieces, Str last)
{
    StrVec *kept = arena_alloc(s->arena, sizeof *kept);
    if (!kept || !vec_push(s->arena, pieces, last)) {
        s->has_failed = true;
        return false;
    }
    *kept = *pieces;
    s->tokens.items[s->tokens.len - 1].pieces = kept;
    return true;
}

static bool read_string(Scanner *s, const StringForm *form, size_t prefix)
{
    StrBuf out = strbuf(s->arena);
    StrVec pieces = {0};
    bool is_simple = true;
    uint32_t line = s->line, column = (uint32_t)(s->at - s->line_start + 1);
    bool fills_in = false;
    Str value;
    s->at += prefix;
    while (!ends_here(s, form)) {
        char c = peek(s, 0);
        if (s->at >= s->text.len || (!form->is_long && (c == '\n' || c == '\r'))) {
            s->line = line;
            return stop(s, "a string does not end");
        }
        if (c == '\\' && !form->is_raw) {
            if (!read_escape(s, &out, form->is_bytes))
                return false;
            continue;
        }
        if (c == '\\' &&
            s->at + 1 < s->text.len) { /* raw: it keeps the quote behind it from ending */
            strbuf_add_char(&out, c);
            s->at++;
            c = peek(s, 0);
        }
        if (form->is_formatted && (c == '{' || c == '}')) {
            if (peek(s, 1) == c) {
                s->at++;
            } else {
                fills_in = true;
                is_simple = is_simple && c == '{';
                if (!read_placeholder(s, &out, &pieces, &is_simple))
                    return false;
                if (is_simple) {
                    s->at++;
                    continue;
                }
            }
        }
        if (c == '\n' || c == '\r') {
            strbuf_add_char(&out, '\n');
            pass_line_end(s);
            continue;
        }
        strbuf_add_char(&out, c);
        s->at++;
    }
    s->at += form->is_long ? 3 : 1;
    if (!strbuf_finish(&out, &value)) {
        s->has_failed = true;
        return false;
    }
    return add_token(s,
                     fills_in         ? TOKEN_FORMATTED
                     : form->is_bytes ? TOKEN_BYTES
                                      : TOKEN_STRING,
                     line, column, value) &&
           (!fills_in || !is_simple || keep_pieces(s, &pieces, value));
}

static size_t number_len(const Scanner *s)
{
    size_t len = 0;
    while (is_digit(peek(s, len)) || is_name_start(peek(s, len)) || peek(s, len) == '.' ||
           ((peek(s, len) == '+' || peek(s, len) == '-') && len > 0 &&
            (peek(s, len - 1) | 0x20) == 'e' && (peek(s, 1) | 0x20) != 'x'))
        len++;
    return len;
}

static size_t operator_len(const Scanner *s)
{
    static const char *const longer[] = {
        "**=", "//=", ">>=", "<<=", "...", "->", ":=", "==", "!=", "<=", ">=", "**", "//",
        "<<",  ">>",  "+=",  "-=",  "*=",  "/=", "%=", "&=", "|=", "^=", "@=", NULL};
    Str rest = str_sub(s->text, s->at, s->text.len);
    for (size_t i = 0; longer[i]; i++)
        if (str_starts(rest, str_from(longer[i])))
            return strlen(longer[i]);
    return 1;
}

/* The blanks that a line begins with. */
static bool read_indent(Scanner *s)
{
    size_t width = 0;
    for (;; s->at++) {
        char c = peek(s, 0);
        if (c == ' ')
            width++;
        else if (c == '\t')
            width = (width / TAB_COLUMNS + 1) * TAB_COLUMNS;
        else if (c == '\f')
            width = 0;
        else
            break;
    }
    char c = peek(s, 0);
    if (s->at >= s->text.len || c == '#' || c == '\n' || c == '\r')
        return true; /* an empty line says nothing */
    if (width > s->indents[s->indent_count - 1]) {
        if (s->indent_count == MOST_INDENTS)
            return stop(s, "blocks lie too deep in one another");
        s->indents[s->indent_count++] = width;
        return add_here(s, TOKEN_INDENT, 0);
    }
    while (width < s->indents[s->indent_count - 1]) {
        s->indent_count--;
        if (!add_here(s, TOKEN_DEDENT, 0))
            return false;
    }
    return width == s->indents[s->indent_count - 1] ||
           stop(s, "a line is indented like none before it");
}

static bool read_token(Scanner *s)
{
    StringForm form;
    size_t len;
    char c = peek(s, 0);
    if (string_begins(s, &form, &len))
        return read_string(s, &form, len);
    if (is_name_start(c)) {
        for (len = 1; is_name_start(peek(s, len)) || is_digit(peek(s, len)); len++)
            ;
        return add_here(s, TOKEN_NAME, len);
    }
    if (is_digit(c) || (c == '.' && is_digit(peek(s, 1))))
        return add_here(s, TOKEN_NUMBER, number_len(s));
    if (!strchr("()[]{}:,.;@=+-*/|&<>%^~!", c) || c == '\0')
        return stop(s, "a character that has no place in Python");
    if (c == '(' || c == '[' || c == '{')
        s->depth++;
    else if ((c == ')' || c == ']' || c == '}') && s->depth-- == 0) {
        s->depth = 0;
        return stop(s, "a bracket that was never opened");
    }
    return add_here(s, TOKEN_OPERATOR, operator_len(s));
}

static bool last_is(const Scanner *s, TokenKind kind)
{
    return s->tokens.len > 0 && s->tokens.items[s->tokens.len - 1].kind == kind;
}

/* All tokens, or those up to the trouble; closed by the ends that are still due. False: memory is out. */
static bool scan_tokens(Scanner *s)
{
    bool is_line_start = true;
    if (str_starts(s->text, STR("\xef\xbb\xbf")))
        s->at = s->line_start = 3;
    while (s->at < s->text.len && !s->trouble && !s->has_failed) {
        if (is_line_start && s->depth == 0 && !read_indent(s))
            break;
        is_line_start = false;
        char c = peek(s, 0);
        if (s->at >= s->text.len)
            break;
        if (c == ' ' || c == '\t' || c == '\f') {
            s->at++;
        } else if (c == '#') {
            while (s->at < s->text.len && peek(s, 0) != '\n' && peek(s, 0) != '\r')
                s->at++;
        } else if (c == '\\' && (peek(s, 1) == '\n' || peek(s, 1) == '\r')) {
            s->at++;
            pass_line_end(s);
        } else if (c == '\n' || c == '\r') {
            if (s->depth == 0 && s->tokens.len > 0 && !last_is(s, TOKEN_NEWLINE) &&
                !last_is(s, TOKEN_INDENT) && !last_is(s, TOKEN_DEDENT))
                (void)add_here(s, TOKEN_NEWLINE, 0);
            pass_line_end(s);
            is_line_start = true;
        } else if (!read_token(s)) {
            break;
        }
    }
    if (s->depth > 0)
        (void)stop(s, "a bracket does not close");
    if (!last_is(s, TOKEN_NEWLINE))
        (void)add_here(s, TOKEN_NEWLINE, 0);
    while (s->indent_count-- > 1)
        (void)add_here(s, TOKEN_DEDENT, 0);
    return add_here(s, TOKEN_END, 0) && !s->has_failed;
}

/* ---- expressions ----------------------------------------------------------------------------------------- */

typedef struct Parser {
    Arena *arena;
    const Token *tokens; /* the last is TOKEN_END */
    size_t at;
    unsigned depth;
    unsigned functions; /* that this stands in */
    PyModule *module;
    bool has_failed; /* memory */
} Parser;

static const Token *now(const Parser *p)
{
    return &p->tokens[p->at];
}

static void advance(Parser *p)
{
    if (now(p)->kind != TOKEN_END)
        p->at++;
}

static bool is_operator(const Parser *p, const char *text)
{
    return now(p)->kind == TOKEN_OPERATOR && str_eq(now(p)->text, str_from(text));
}

static bool is_word(const Parser *p, const char *text)
{
    return now(p)->kind == TOKEN_NAME && str_eq(now(p)->text, str_from(text));
}

static bool is_line_end(const Parser *p)
{
    TokenKind kind = now(p)->kind;
    return kind == TOKEN_NEWLINE || kind == TOKEN_INDENT || kind == TOKEN_DEDENT ||
           kind == TOKEN_END;
}

static PyNode *new_node(Parser *p, PyKind kind, const Token *token)
{
    PyNode *node = arena_alloc(p->arena, sizeof *node);
    if (!node) {
        p->has_failed = true;
        return NULL;
    }
    *node =
        (PyNode){.kind = kind, .line = token->line, .column = token->column, .text = token->text};
    return node;
}

static PyNode *other(Parser *p, const Token *token, const char *what)
{
    PyNode *node = new_node(p, PY_OTHER, token);
    if (node)
        node->text = str_from(what);
    return node;
}

static bool add_item(Parser *p, PyNode *node, Str name, const PyNode *key, const PyNode *value)
{
    PyItem item = {name, key, value};
    if (vec_push(p->arena, &node->items, item))
        return true;
    p->has_failed = true;
    return false;
}

/* Up to where an expression ends, or the bracket around it closes. */
static void skip_expression(Parser *p)
{
    unsigned depth = 0;
    for (; !is_line_end(p); advance(p)) {
        bool opens = is_operator(p, "(") || is_operator(p, "[") || is_operator(p, "{");
        bool closes = is_operator(p, ")") || is_operator(p, "]") || is_operator(p, "}");
        if (depth == 0 && (closes || is_operator(p, ",") || is_operator(p, ":") ||
                           is_operator(p, "=") || is_operator(p, ";") || is_word(p, "as")))
            return;
        depth += opens;
        depth -= closes && depth > 0;
    }
}

static const PyNode *parse_expression(Parser *p);

/* Items up to the closing bracket, which is passed. is_call: names may stand before values. */
static bool parse_items(Parser *p, PyNode *node, const char *close, bool is_call,
                        bool *ret_has_comma)
{
    advance(p);
    while (!is_operator(p, close)) {
        Str name = {0};
        if (now(p)->kind == TOKEN_END || is_line_end(p))
            return false;
        if (is_operator(p, "*") || is_operator(p, "**")) {
            name = now(p)->text;
            advance(p);
        } else if (is_call && now(p)->kind == TOKEN_NAME &&
                   p->tokens[p->at + 1].kind == TOKEN_OPERATOR &&
                   str_eq(p->tokens[p->at + 1].text, STR("="))) {
            name = now(p)->text;
            advance(p);
            advance(p);
        }
        const PyNode *value = parse_expression(p), *key = NULL;
        if (value && node->kind == PY_DICT && name.len == 0 && is_operator(p, ":")) {
            advance(p);
            key = value;
            value = parse_expression(p);
        }
        if (!value || !add_item(p, node, name, key, value))
            return false;
        if (is_operator(p, ",")) {
            *ret_has_comma = true;
            advance(p);
        } else if (!is_operator(p, close)) {
            return false;
        }
    }
    advance(p);
    return true;
}

static const PyNode *parse_bracket(Parser *p)
{
    const Token *token = now(p);
    bool has_comma = false;
    char open = token->text.ptr[0];
    PyNode *node = new_node(p, open == '(' ? PY_TUPLE : open == '[' ? PY_LIST : PY_DICT, token);
    if (!node || !parse_items(p, node,
                              open == '('   ? ")"
                              : open == '[' ? "]"
                                            : "}",
                              false, &has_comma))
        return NULL;
    if (node->kind == PY_TUPLE && !has_comma && node->items.len == 1 &&
        node->items.items[0].name.len == 0)
        return node->items.items[0].value;
    if (node->kind == PY_DICT && node->items.len > 0 && !node->items.items[0].key &&
        !str_eq(node->items.items[0].name, STR("**")))
        node->kind = PY_SET;
    return node;
}

/* "a.b.c" as the node that it would be. */
static const PyNode *dotted_node(Parser *p, const Token *token, Str path)
{
    PyNode *node = NULL;
    Str part;
    while (path.len > 0) {
        path = str_cut(path, '.', &part);
        PyNode *next = new_node(p, node ? PY_ATTRIBUTE : PY_NAME, token);
        if (!next)
            return NULL;
        next->text = part;
        next->base = node;
        node = next;
    }
    return node;
}

static bool add_piece(Parser *p, PyNode *node, const Token *token, Str text)
{
    PyNode *piece = text.len > 0 ? new_node(p, PY_STRING, token) : NULL;
    if (text.len == 0)
        return true;
    if (!piece)
        return false;
    piece->text = text;
    return add_item(p, node, (Str){0}, NULL, piece);
}

/* The pieces of one token of an f-string: text, name, text, name ... text. */
static bool add_pieces(Parser *p, PyNode *node, const Token *token)
{
    if (token->kind == TOKEN_STRING)
        return add_piece(p, node, token, token->text);
    for (size_t i = 0; i < token->pieces->len; i++) {
        Str text = token->pieces->items[i];
        if (i % 2 == 0 ? !add_piece(p, node, token, text)
                       : !add_item(p, node, (Str){0}, NULL, dotted_node(p, token, text)))
            return false;
    }
    return !p->has_failed;
}

/* Adjacent strings: a literal that is written in pieces. */
static const PyNode *parse_strings(Parser *p)
{
    const Token *first = now(p);
    bool is_formatted = false, is_mixed = false, is_known = true;
    StrBuf text = strbuf(p->arena);
    PyNode *pieces = new_node(p, PY_OPERATION, first);
    if (!pieces)
        return NULL;
    pieces->text = STR("f");
    for (;; advance(p)) {
        TokenKind kind = now(p)->kind;
        if (kind != TOKEN_STRING && kind != TOKEN_BYTES && kind != TOKEN_FORMATTED)
            break;
        is_formatted = is_formatted || kind == TOKEN_FORMATTED;
        is_mixed = is_mixed || (kind == TOKEN_BYTES) != (first->kind == TOKEN_BYTES);
        is_known = is_known && kind != TOKEN_BYTES && (kind == TOKEN_STRING || now(p)->pieces);
        if (is_known && !add_pieces(p, pieces, now(p)))
            return NULL;
        strbuf_add(&text, now(p)->text);
    }
    if (is_formatted && is_known)
        return pieces;
    if (is_formatted || is_mixed)
        return other(p, first, is_formatted ? "an f-string" : "strings and bytes in one");
    PyNode *node = new_node(p, first->kind == TOKEN_BYTES ? PY_BYTES : PY_STRING, first);
    if (node && !strbuf_finish(&text, &node->text)) {
        p->has_failed = true;
        return NULL;
    }
    return node;
}

static const PyNode *parse_word(Parser *p)
{
    static const char *const operators[] = {"not", "lambda", "await", "yield", "if", "else",
                                            "for", "and",    "or",    "in",    "is", NULL};
    const Token *token = now(p);
    PyKind kind = str_eq(token->text, STR("None"))    ? PY_NONE
                  : str_eq(token->text, STR("True"))  ? PY_TRUE
                  : str_eq(token->text, STR("False")) ? PY_FALSE
                                                      : PY_NAME;
    for (size_t i = 0; operators[i]; i++) {
        if (!is_word(p, operators[i]))
            continue;
        advance(p);
        if (i == 1) { /* lambda: its own colon comes first */
            skip_expression(p);
            while (is_operator(p, ",") || is_operator(p, "=")) {
                advance(p);
                skip_expression(p);
            }
            if (is_operator(p, ":"))
                advance(p);
        }
        skip_expression(p);
        return other(p, token, i == 1 ? "a lambda" : "an expression");
    }
    advance(p);
    return new_node(p, kind, token);
}

static const PyNode *parse_number(Parser *p, bool is_negative)
{
    PyNode *node = new_node(p, PY_NUMBER, now(p));
    if (!node)
        return NULL;
    if (is_negative) {
        const char *text = str_format(p->arena, "-%.*s", STR_ARG(node->text));
        if (!text) {
            p->has_failed = true;
            return NULL;
        }
        node->text = str_from(text);
    }
    advance(p);
    return node;
}

static const PyNode *parse_primary(Parser *p)
{
    const Token *token = now(p);
    switch (token->kind) {
    case TOKEN_NAME:
        return parse_word(p);
    case TOKEN_NUMBER:
        return parse_number(p, false);
    case TOKEN_STRING:
    case TOKEN_BYTES:
    case TOKEN_FORMATTED:
        return parse_strings(p);
    case TOKEN_OPERATOR:
        break;
    case TOKEN_NEWLINE:
    case TOKEN_INDENT:
    case TOKEN_DEDENT:
    case TOKEN_END:
        return NULL;
    }
    if (is_operator(p, "(") || is_operator(p, "[") || is_operator(p, "{"))
        return parse_bracket(p);
    if (is_operator(p, "...")) {
        advance(p);
        return other(p, token, "...");
    }
    if (is_operator(p, "-") && p->tokens[p->at + 1].kind == TOKEN_NUMBER) {
        advance(p);
        return parse_number(p, true);
    }
    if (is_operator(p, "-") || is_operator(p, "+") || is_operator(p, "~")) {
        advance(p);
        skip_expression(p);
        return other(p, token, "an expression");
    }
    return NULL;
}

static const PyNode *parse_postfix(Parser *p, const PyNode *base)
{
    while (base) {
        const Token *token = now(p);
        PyNode *node = NULL;
        bool has_comma;
        if (is_operator(p, ".")) {
            advance(p);
            if (now(p)->kind != TOKEN_NAME)
                return NULL;
            node = new_node(p, PY_ATTRIBUTE, now(p));
            advance(p);
        } else if (is_operator(p, "(")) {
            node = new_node(p, PY_CALL, token);
            if (node && !parse_items(p, node, ")", true, &has_comma))
                return NULL;
            if (node)
                node->end_line = p->tokens[p->at - 1].line;
        } else if (is_operator(p, "[")) {
            unsigned depth = 0;
            do {
                depth += is_operator(p, "[");
                depth -= is_operator(p, "]");
                advance(p);
            } while (depth > 0 && !is_line_end(p));
            node = other(p, token, "a subscript");
        } else {
            return base;
        }
        if (!node)
            return NULL;
        /* Where it begins is what people look for. */
        node->line = base->line;
        node->column = base->column;
        node->base = base;
        base = node;
    }
    return NULL;
}

/* Whether something follows that makes more of what was read. */
static bool goes_on(const Parser *p)
{
    static const char *const words[] = {"if", "and", "or", "in", "is", "not", "for", NULL};
    static const char *const ends[] = {")", "]", "}", ",", ":", "=", ";", NULL};
    if (now(p)->kind == TOKEN_OPERATOR) {
        for (size_t i = 0; ends[i]; i++)
            if (is_operator(p, ends[i]))
                return false;
        return true;
    }
    for (size_t i = 0; words[i]; i++)
        if (is_word(p, words[i]))
            return true;
    return false;
}

static PyNode *operation(Parser *p, const char *operator, const PyNode * one, const PyNode *two,
                         const PyNode *three)
{
    const PyNode *const operands[] = {one, two, three};
    const Token place = {.line = one->line, .column = one->column};
    PyNode *node = new_node(p, PY_OPERATION, &place);
    if (!node)
        return NULL;
    node->text = str_from(operator);
    for (size_t i = 0; i < 3 && operands[i]; i++)
        if (!add_item(p, node, (Str){0}, NULL, operands[i]))
            return NULL;
    return node;
}

/* Two literals are one. */
static const PyNode *joined(Parser *p, const PyNode *one, const PyNode *two)
{
    const Token place = {.line = one->line, .column = one->column};
    StrBuf text = strbuf(p->arena);
    PyNode *node = new_node(p, PY_STRING, &place);
    strbuf_add(&text, one->text);
    strbuf_add(&text, two->text);
    if (!node || !strbuf_finish(&text, &node->text)) {
        p->has_failed = true;
        return NULL;
    }
    return node;
}

/* Operators by how tightly they bind, from the loosest; at the end what stands between them. An operator that is not known ends it, and
 * parse_expression() makes "other" of the whole. */
enum { BIND_OR, BIND_AND, BIND_NOT, BIND_COMPARE, BIND_SUM, BIND_TERM, BIND_PRIMARY };

static const PyNode *parse_bound(Parser *p, unsigned bind);

static const char *operator_here(const Parser *p, unsigned bind)
{
    switch (bind) {
    case BIND_OR:
        return is_word(p, "or") ? "or" : NULL;
    case BIND_AND:
        return is_word(p, "and") ? "and" : NULL;
    case BIND_COMPARE:
        if (is_word(p, "not") && p->tokens[p->at + 1].kind == TOKEN_NAME &&
            str_eq(p->tokens[p->at + 1].text, STR("in")))
            return "not in";
        return is_word(p, "in")       ? "in"
               : is_operator(p, "==") ? "=="
               : is_operator(p, "!=") ? "!="
                                      : NULL;
    case BIND_SUM:
        return is_operator(p, "+") ? "+" : NULL;
    case BIND_TERM:
        return is_operator(p, "%") ? "%" : NULL;
    default:
        return NULL;
    }
}

static const PyNode *parse_negation(Parser *p)
{
    if (!is_word(p, "not"))
        return parse_bound(p, BIND_COMPARE);
    if (p->depth == MOST_DEPTH)
        return NULL;
    advance(p);
    p->depth++;
    const PyNode *node = parse_negation(p);
    p->depth--;
    return node ? operation(p, "not", node, NULL, NULL) : NULL;
}

static const PyNode *parse_bound(Parser *p, unsigned bind)
{
    const char *operator;
    if (bind == BIND_NOT)
        return parse_negation(p);
    if (bind == BIND_PRIMARY)
        return parse_postfix(p, parse_primary(p));
    const PyNode *node = parse_bound(p, bind + 1);
    PyNode *chain = NULL; /* a + b + c is one operation of three */
    while (node && (operator= operator_here(p, bind))) {
        bool is_pair = bind == BIND_COMPARE || bind == BIND_TERM;
        if (is_pair && chain)
            return node; /* a == b == c means another thing */
        advance(p);
        if (str_eq(str_from(operator), STR("not in")))
            advance(p);
        const PyNode *right = parse_bound(p, bind + 1);
        if (!right)
            return NULL;
        if (bind == BIND_SUM && !chain && node->kind == PY_STRING && right->kind == PY_STRING) {
            node = joined(p, node, right);
        } else if (chain) {
            if (!add_item(p, chain, (Str){0}, NULL, right))
                return NULL;
        } else {
            node = chain = operation(p, operator, node, right, NULL);
        }
    }
    return node;
}

static const PyNode *parse_choice(Parser *p)
{
    const Token *token = now(p);
    const PyNode *node = parse_bound(p, BIND_OR);
    if (!node || !is_word(p, "if"))
        return node;
    advance(p);
    const PyNode *condition = parse_bound(p, BIND_OR);
    if (!condition)
        return NULL;
    if (!is_word(p, "else")) {
        skip_expression(p);
        return other(p, token, "an expression");
    }
    advance(p);
    const PyNode *otherwise = parse_expression(p);
    return otherwise ? operation(p, "if", condition, node, otherwise) : NULL;
}

static const PyNode *parse_expression(Parser *p)
{
    const Token *token = now(p);
    if (p->depth == MOST_DEPTH)
        return NULL;
    p->depth++;
    const PyNode *node = parse_choice(p);
    p->depth--;
    if (!node || !goes_on(p))
        return node;
    bool is_assigned = now(p)->text.len > 1 && str_ends(now(p)->text, STR("=")) &&
                       !is_operator(p, "==") && !is_operator(p, "!=") && !is_operator(p, "<=") &&
                       !is_operator(p, ">=");
    if (is_assigned)
        return node; /* `a += 1`: the statement sees to it */
    skip_expression(p);
    return other(p, token, "an expression");
}

/* ---- statements ------------------------------------------------------------------------------------------ */

static bool parse_line(Parser *p, PyStatementVec *body);
static bool parse_block(Parser *p, PyStatementVec *body, bool is_top);

static void skip_line(Parser *p)
{
    while (!is_line_end(p))
        advance(p);
    if (now(p)->kind == TOKEN_NEWLINE)
        advance(p);
}

/* In what is not read: a name of the module that is perhaps assigned to. */
static void doubt(Parser *p)
{
    const Token *next = &p->tokens[p->at + 1];
    if (p->functions > 0 || now(p)->kind != TOKEN_NAME || next->kind != TOKEN_OPERATOR ||
        !(str_eq(next->text, STR(",")) || str_eq(next->text, STR(":")) ||
          str_eq(next->text, STR(".")) || str_ends(next->text, STR("="))))
        return;
    if (!vec_push(p->arena, &p->module->doubtful, now(p)->text))
        p->has_failed = true;
}

/* Past the ':' that opens a block; what stands before it is not looked at. */
static void skip_to_colon(Parser *p)
{
    unsigned depth = 0;
    for (; !is_line_end(p); advance(p)) {
        if (depth == 0 && is_operator(p, ":")) {
            advance(p);
            return;
        }
        depth += is_operator(p, "(") || is_operator(p, "[") || is_operator(p, "{");
        depth -= depth > 0 && (is_operator(p, ")") || is_operator(p, "]") || is_operator(p, "}"));
    }
}

static void skip_block(Parser *p)
{
    unsigned depth = 0;
    if (now(p)->kind != TOKEN_NEWLINE) {
        for (; !is_line_end(p); advance(p))
            doubt(p);
        skip_line(p);
        return;
    }
    advance(p);
    if (now(p)->kind != TOKEN_INDENT)
        return;
    do {
        depth += now(p)->kind == TOKEN_INDENT;
        depth -= now(p)->kind == TOKEN_DEDENT;
        doubt(p);
        advance(p);
    } while (depth > 0 && now(p)->kind != TOKEN_END);
}

/* Behind the ':'. */
static bool parse_body(Parser *p, PyStatementVec *body)
{
    if (p->depth == MOST_DEPTH)
        return false;
    p->depth++;
    bool is_ok = true;
    if (now(p)->kind != TOKEN_NEWLINE) {
        is_ok = parse_line(p, body);
    } else {
        advance(p);
        if (now(p)->kind == TOKEN_INDENT) {
            advance(p);
            is_ok = parse_block(p, body, false);
            if (now(p)->kind == TOKEN_DEDENT)
                advance(p);
        }
    }
    p->depth--;
    return is_ok;
}

static bool add_import(Parser *p, Str name, Str path)
{
    PyImport import = {name, path};
    if (vec_push(p->arena, &p->module->imports, import))
        return true;
    p->has_failed = true;
    return false;
}

/* "a.b.c", with the dots of a relative import before it. */
static bool parse_dotted(Parser *p, Str *ret_path)
{
    StrBuf path = strbuf(p->arena);
    while (is_operator(p, ".") || is_operator(p, "...") ||
           (now(p)->kind == TOKEN_NAME && !is_word(p, "import") && !is_word(p, "as"))) {
        strbuf_add(&path, now(p)->text);
        bool was_name = now(p)->kind == TOKEN_NAME;
        advance(p);
        if (was_name && !is_operator(p, "."))
            break;
    }
    p->has_failed = p->has_failed || !strbuf_finish(&path, ret_path);
    return !p->has_failed;
}

static bool parse_imported(Parser *p, Str from)
{
    Str path, name;
    if (!parse_dotted(p, &path))
        return false;
    size_t dot = str_find_char(path, '.', 0);
    /* `import a.b` makes only `a` known. */
    name = from.len == 0 && dot != SIZE_MAX ? str_sub(path, 0, dot) : path;
    bool is_renamed = is_word(p, "as");
    if (is_renamed) {
        advance(p);
        name = now(p)->text;
        if (!is_line_end(p))
            advance(p);
    } else if (from.len == 0) {
        path = name;
    }
    if (from.len > 0) {
        const char *whole = str_format(p->arena, "%.*s.%.*s", STR_ARG(from), STR_ARG(path));
        if (!whole) {
            p->has_failed = true;
            return false;
        }
        path = str_from(whole);
    }
    return name.len == 0 || add_import(p, name, path);
}

static bool parse_import(Parser *p)
{
    Str from = {0};
    if (is_word(p, "from")) {
        advance(p);
        if (!parse_dotted(p, &from))
            return false;
    }
    advance(p); /* import */
    if (is_operator(p, "("))
        advance(p);
    while (!is_line_end(p) && !is_operator(p, ";")) {
        size_t before = p->at;
        if (!parse_imported(p, from))
            return false;
        if (is_operator(p, ",") || is_operator(p, ")") || p->at == before)
            advance(p);
    }
    return true;
}

static bool parse_with(Parser *p, PyStatement *statement)
{
    advance(p);
    statement->value = parse_expression(p);
    if (is_word(p, "as")) {
        advance(p);
        if (now(p)->kind == TOKEN_NAME)
            statement->name = now(p)->text;
        advance(p);
    }
    if (!statement->value || !is_operator(p, ":")) { /* several at once: more than is read here */
        statement->kind = PY_BLOCK;
        statement->name = STR("with");
        skip_to_colon(p);
        skip_block(p);
        return true;
    }
    advance(p);
    return parse_body(p, &statement->body);
}

static bool parse_class(Parser *p, PyStatement *statement)
{
    const Token *token = now(p);
    bool has_comma;
    advance(p);
    statement->name = now(p)->text;
    advance(p);
    if (is_operator(p, "(")) {
        PyNode *bases = new_node(p, PY_CALL, token);
        if (!bases || !parse_items(p, bases, ")", true, &has_comma))
            return false;
        statement->value = bases;
    }
    skip_to_colon(p);
    return parse_body(p, &statement->body);
}

static bool parse_if(Parser *p, PyStatement *statement)
{
    const Token *token = now(p);
    statement->kind = PY_IF;
    statement->name = STR("if");
    advance(p);
    statement->value = parse_expression(p);
    if (p->has_failed)
        return false;
    if (!statement->value || !is_operator(p, ":")) {
        statement->value = other(p, token, "an expression");
        skip_to_colon(p);
    } else {
        advance(p);
    }
    if (!statement->value || !parse_body(p, &statement->body))
        return false;
    if (is_word(p, "elif")) {
        PyStatement next = {.line = now(p)->line, .column = now(p)->column};
        if (p->depth == MOST_DEPTH)
            return false;
        p->depth++;
        bool is_ok = parse_if(p, &next);
        p->depth--;
        if (is_ok && !vec_push(p->arena, &statement->otherwise, next))
            p->has_failed = true;
        return is_ok && !p->has_failed;
    }
    if (!is_word(p, "else"))
        return true;
    skip_to_colon(p);
    return parse_body(p, &statement->otherwise);
}

static bool parse_try(Parser *p, PyStatement *statement)
{
    skip_to_colon(p);
    if (!parse_body(p, &statement->body))
        return false;
    while (is_word(p, "except") || is_word(p, "else") || is_word(p, "finally")) {
        PyStatement part = {
            .kind = PY_BLOCK, .line = now(p)->line, .column = now(p)->column, .name = now(p)->text};
        skip_to_colon(p);
        if (!parse_body(p, &part.body))
            return false;
        if (!vec_push(p->arena, &statement->otherwise, part)) {
            p->has_failed = true;
            return false;
        }
    }
    return true;
}

/* for a in ...: or for a, b in ...: */
static bool parse_for(Parser *p, PyStatement *statement)
{
    size_t from = p->at;
    advance(p);
    while (now(p)->kind == TOKEN_NAME && !is_word(p, "in")) {
        PyItem item = {.name = now(p)->text};
        if (!vec_push(p->arena, &statement->items, item)) {
            p->has_failed = true;
            return false;
        }
        advance(p);
        if (!is_operator(p, ","))
            break;
        advance(p);
    }
    if (statement->items.len > 0 && is_word(p, "in")) {
        advance(p);
        statement->value = parse_expression(p);
    }
    if (p->has_failed)
        return false;
    if (!statement->value || !is_operator(p, ":")) {
        statement->kind = PY_BLOCK;
        p->at = from;
        skip_to_colon(p);
        skip_block(p);
        return !p->has_failed;
    }
    statement->kind = PY_FOR;
    advance(p);
    return parse_body(p, &statement->body);
}

/* (a, b: int = 1, *args): names and what they are if nothing is given. */
static bool parse_parameters(Parser *p, PyStatement *statement)
{
    if (!is_operator(p, "("))
        return true;
    advance(p);
    while (!is_operator(p, ")") && !is_line_end(p)) {
        PyItem item = {.name = now(p)->text};
        bool is_plain = now(p)->kind == TOKEN_NAME;
        size_t from = p->at;
        advance(p);
        if (is_plain && is_operator(p, ":")) {
            advance(p);
            is_plain = parse_expression(p) != NULL;
        }
        if (is_plain && is_operator(p, "=")) {
            advance(p);
            item.value = parse_expression(p);
            is_plain = item.value != NULL;
        }
        is_plain = is_plain && (is_operator(p, ",") || is_operator(p, ")"));
        if (!is_plain) {
            statement->has_more_parameters = true;
            p->at = from;
            return !p->has_failed;
        }
        if (!vec_push(p->arena, &statement->items, item)) {
            p->has_failed = true;
            return false;
        }
        if (is_operator(p, ","))
            advance(p);
    }
    if (is_operator(p, ")"))
        advance(p);
    return true;
}

/* Behind the first value: a tuple without brackets. */
static bool parse_tuple(Parser *p, PyStatement *statement)
{
    const Token place = {.line = statement->value->line, .column = statement->value->column};
    if (!is_operator(p, ","))
        return true;
    PyNode *tuple = new_node(p, PY_TUPLE, &place);
    if (!tuple || !add_item(p, tuple, (Str){0}, NULL, statement->value))
        return false;
    while (is_operator(p, ",")) {
        advance(p);
        if (is_line_end(p) || is_operator(p, ";"))
            break;
        const PyNode *next = parse_expression(p);
        if (!next || !add_item(p, tuple, (Str){0}, NULL, next))
            return false;
    }
    statement->value = tuple;
    return true;
}

/* A line that begins with an expression. */
static bool parse_plain(Parser *p, PyStatement *statement)
{
    const Token *first = now(p);
    bool is_name = first->kind == TOKEN_NAME;
    const PyNode *value = parse_expression(p);
    if (!value)
        return false;
    statement->kind = PY_EXPRESSION;
    statement->value = value;
    if (is_operator(p, ":")) { /* an annotation */
        advance(p);
        if (!parse_expression(p))
            return false;
        if (is_line_end(p) || is_operator(p, ";")) {
            statement->kind = PY_PASS; /* a type and no value: nothing happens */
            return true;
        }
    }
    if (is_operator(p, "=") && value->kind == PY_NAME) {
        advance(p);
        statement->kind = PY_ASSIGN;
        statement->name = value->text;
        statement->value = parse_expression(p);
        if (!statement->value)
            return false;
        if (!parse_tuple(p, statement))
            return false;
    }
    if (is_line_end(p) || is_operator(p, ";"))
        return true;
    statement->kind = PY_SIMPLE;
    statement->name = is_name ? first->text : STR("an assignment");
    while (!is_line_end(p) && !is_operator(p, ";"))
        advance(p);
    return true;
}

static bool is_compound(const Parser *p)
{
    static const char *const words[] = {"elif",   "else",    "while", "try",
                                        "except", "finally", "async", NULL};
    for (size_t i = 0; words[i]; i++)
        if (is_word(p, words[i]))
            return true;
    return false;
}

static bool is_other_simple(const Parser *p)
{
    static const char *const words[] = {"raise", "del",      "assert", "global", "nonlocal",
                                        "break", "continue", "yield",  "await",  NULL};
    for (size_t i = 0; words[i]; i++)
        if (is_word(p, words[i]))
            return true;
    return false;
}

static bool parse_statement(Parser *p, PyStatement *statement)
{
    const Token *token = now(p);
    *statement = (PyStatement){.kind = PY_SIMPLE, .line = token->line, .column = token->column};
    statement->name = token->text;
    if (is_word(p, "import") || is_word(p, "from")) {
        statement->kind = PY_IMPORT;
        return parse_import(p);
    }
    if (is_word(p, "def")) {
        advance(p);
        statement->kind = PY_DEF;
        statement->name = now(p)->text;
        advance(p);
        if (!parse_parameters(p, statement))
            return false;
        skip_to_colon(p);
        p->functions++;
        bool is_ok = parse_body(p, &statement->body);
        p->functions--;
        return is_ok;
    }
    if (is_word(p, "if"))
        return parse_if(p, statement);
    if (is_word(p, "for"))
        return parse_for(p, statement);
    if (is_word(p, "class")) {
        statement->kind = PY_CLASS;
        return parse_class(p, statement);
    }
    if (is_word(p, "with")) {
        statement->kind = PY_WITH;
        statement->name = (Str){0};
        return parse_with(p, statement);
    }
    if (is_word(p, "try") && p->functions > 0) {
        statement->kind = PY_TRY;
        return parse_try(p, statement);
    }
    if (is_compound(p)) {
        statement->kind = PY_BLOCK;
        skip_to_colon(p);
        skip_block(p);
        return true;
    }
    if (is_word(p, "pass")) {
        statement->kind = PY_PASS;
        advance(p);
        return true;
    }
    if (is_word(p, "return")) {
        statement->kind = PY_RETURN;
        advance(p);
        if (is_line_end(p) || is_operator(p, ";"))
            return true;
        return (statement->value = parse_expression(p)) != NULL && parse_tuple(p, statement);
    }
    if (is_other_simple(p) || is_operator(p, "@")) {
        while (!is_line_end(p) && !is_operator(p, ";"))
            advance(p);
        return true;
    }
    statement->name = (Str){0};
    return parse_plain(p, statement);
}

static bool is_decorator(const PyStatement *statement)
{
    return statement->kind == PY_SIMPLE && str_eq(statement->name, STR("@"));
}

/* One line, with what hangs on it. False: what stands here is no Python, or memory is out. */
static bool parse_line(Parser *p, PyStatementVec *body)
{
    while (now(p)->kind != TOKEN_NEWLINE) {
        PyStatement statement;
        const Token *first = now(p);
        if (!parse_statement(p, &statement)) {
            /* Within a block it is enough to know that here is something; who runs it stops there. */
            if (p->has_failed || p->depth == 0 || p->depth == MOST_DEPTH)
                return false;
            statement = (PyStatement){.kind = PY_SIMPLE,
                                      .line = first->line,
                                      .column = first->column,
                                      .name = first->text};
            while (!is_line_end(p))
                advance(p);
        }
        statement.is_decorated = body->len > 0 && is_decorator(&body->items[body->len - 1]);
        if (!vec_push(p->arena, body, statement)) {
            p->has_failed = true;
            return false;
        }
        if (statement.kind == PY_DEF || statement.kind == PY_CLASS || statement.kind == PY_WITH ||
            statement.kind == PY_BLOCK || statement.kind == PY_IF || statement.kind == PY_FOR ||
            statement.kind == PY_TRY)
            return true; /* its body took the end of the line along */
        if (is_operator(p, ";"))
            advance(p);
        else if (now(p)->kind != TOKEN_NEWLINE)
            return false;
    }
    advance(p);
    return true;
}

/* Up to the end of the block. */
static bool parse_block(Parser *p, PyStatementVec *body, bool is_top)
{
    while (now(p)->kind != TOKEN_END && (is_top || now(p)->kind != TOKEN_DEDENT)) {
        if (now(p)->kind == TOKEN_INDENT || now(p)->kind == TOKEN_DEDENT)
            advance(p);
        else if (!parse_line(p, body))
            return false;
    }
    return true;
}

bool python_read(Arena *arena, Str text, PyModule *ret_module, Error *err)
{
    Scanner s = {.arena = arena, .text = text, .line = 1, .indents = {0}, .indent_count = 1};
    PyModule module = {0};
    if (!scan_tokens(&s))
        return error_nomem(err);
    Parser p = {.arena = arena, .tokens = s.tokens.items, .module = &module};
    bool is_whole = parse_block(&p, &module.body, true);
    if (p.has_failed)
        return error_nomem(err);
    module.trouble = s.trouble;
    module.trouble_line = s.trouble_line;
    if (!is_whole && (!s.trouble || now(&p)->line < s.trouble_line)) {
        module.trouble = "something that is no statement of Python";
        module.trouble_line = now(&p)->line;
    }
    if (module.body.len > 0 && module.body.items[0].kind == PY_EXPRESSION &&
        module.body.items[0].value->kind == PY_STRING)
        module.doc = module.body.items[0].value->text;
    *ret_module = module;
    return true;
}

/* ---- looking at what was read ---------------------------------------------------------------------------- */

const PyStatement *python_find(const PyStatementVec *body, PyStatementKind kind, Str name)
{
    for (size_t i = body->len; i-- > 0;)
        if (body->items[i].kind == kind && str_eq(body->items[i].name, name))
            return &body->items[i];
    return NULL;
}

/* Whether one of the statements, or one within them, gives the name a value or may change it. */
static bool is_touched(const PyStatementVec *body, Str name, unsigned depth)
{
    for (size_t i = 0; i < body->len; i++) {
        const PyStatement *statement = &body->items[i];
        const PyNode *value = statement->value;
        if (statement->kind == PY_DEF || statement->kind == PY_CLASS)
            continue;
        bool is_named = str_eq(statement->name, name) &&
                        (statement->kind == PY_SIMPLE || statement->kind == PY_WITH ||
                         (depth > 0 && statement->kind == PY_ASSIGN));
        for (size_t k = 0; statement->kind == PY_FOR && k < statement->items.len; k++)
            is_named = is_named || str_eq(statement->items.items[k].name, name);
        /* name.append(...) */
        if (statement->kind == PY_EXPRESSION && value->kind == PY_CALL)
            for (value = value->base; value && value->base; value = value->base)
                is_named =
                    is_named || (value->base->kind == PY_NAME && str_eq(value->base->text, name));
        if (is_named || is_touched(&statement->body, name, depth + 1) ||
            is_touched(&statement->otherwise, name, depth + 1))
            return true;
    }
    return false;
}

const PyNode *python_constant(const PyModule *module, Str name)
{
    const PyStatement *found = python_find(&module->body, PY_ASSIGN, name);
    for (size_t i = 0; found && i < module->doubtful.len; i++)
        if (str_eq(module->doubtful.items[i], name))
            return NULL;
    return found && !is_touched(&module->body, name, 0) ? found->value : NULL;
}

static bool add_path(StrBuf *out, const PyModule *module, const PyNode *node)
{
    if (node->kind == PY_ATTRIBUTE) {
        if (!add_path(out, module, node->base))
            return false;
        strbuf_add_char(out, '.');
        strbuf_add(out, node->text);
        return true;
    }
    if (node->kind != PY_NAME)
        return false;
    for (size_t i = module->imports.len; i-- > 0;) {
        if (str_eq(module->imports.items[i].name, node->text)) {
            strbuf_add(out, module->imports.items[i].path);
            return true;
        }
    }
    strbuf_add(out, node->text);
    return true;
}

bool python_path(Arena *arena, const PyModule *module, const PyNode *node, Str *ret_path,
                 Error *err)
{
    StrBuf out = strbuf(arena);
    *ret_path = (Str){0};
    if (!node || !add_path(&out, module, node))
        return true;
    return strbuf_finish(&out, ret_path) || error_nomem(err);
}

const PyNode *python_argument(const PyNode *call, size_t place, const char *name)
{
    size_t at = 0;
    for (size_t i = 0; i < call->items.len; i++) {
        const PyItem *item = &call->items.items[i];
        if (item->name.len == 0 ? at++ == place : name && str_eq(item->name, str_from(name)))
            return item->value;
    }
    return NULL;
}

bool python_unpacks(const PyNode *call)
{
    for (size_t i = 0; i < call->items.len; i++)
        if (call->items.items[i].name.len > 0 && call->items.items[i].name.ptr[0] == '*')
            return true;
    return false;
}

static void add_written(StrBuf *out, const PyNode *node)
{
    if (node->kind == PY_ATTRIBUTE) {
        add_written(out, node->base);
        strbuf_add_char(out, '.');
        strbuf_add(out, node->text);
    } else if (node->kind == PY_NAME) {
        strbuf_add(out, node->text);
    } else {
        strbuf_adds(out, "(...)");
    }
}

const char *python_describe(Arena *arena, const PyNode *node)
{
    StrBuf out = strbuf(arena);
    Str text;
    switch (node->kind) {
    case PY_NONE:
        return "None";
    case PY_TRUE:
        return "True";
    case PY_FALSE:
        return "False";
    case PY_NUMBER:
        return "a number";
    case PY_STRING:
        return "a string";
    case PY_BYTES:
        return "bytes";
    case PY_LIST:
        return "a list";
    case PY_TUPLE:
        return "a tuple";
    case PY_SET:
        return "a set";
    case PY_DICT:
        return "a dict";
    case PY_NAME:
    case PY_ATTRIBUTE:
        add_written(&out, node);
        break;
    case PY_CALL:
        if (!node->base) /* what a class is made of */
            return "the bases of a class";
        add_written(&out, node->base);
        strbuf_adds(&out, "()");
        break;
    case PY_OPERATION:
        return str_eq(node->text, STR("f")) ? "an f-string" : "an expression";
    case PY_OTHER:
        strbuf_add(&out, node->text);
        break;
    }
    return strbuf_finish(&out, &text) ? text.ptr : NULL;
}

/* Literals out of configuration in other languages. SPDX-License-Identifier: Apache-2.0 */
#include "convention/literals.h"

#include <string.h>

/* ---- tokens ----------------------------------------------------------------------------------------------- */

typedef enum TokenKind { TOKEN_END, TOKEN_WORD, TOKEN_STRING, TOKEN_SIGN } TokenKind;

typedef struct Token {
    TokenKind kind;
    Str text; /* of a string: what it means */
    char sign;
    bool is_computed; /* a string with something to be filled in */
    bool begins_line;
    uint32_t line;
} Token;

typedef struct Reading {
    Arena *arena;
    Str text;
    size_t at;
    uint32_t line;
    LiteralSyntax syntax;
    bool is_out; /* of memory */
    Token token; /* the one in front */
} Reading;

static bool is_word_char(char c, LiteralSyntax syntax)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '$' || (unsigned char)c >= 0x80 || (c == '-' && syntax == LITERALS_HCL);
}

static bool is_ahead(const Reading *r, const char *what)
{
    return str_starts(str_sub(r->text, r->at, r->text.len), str_from(what));
}

static void skip_to(Reading *r, size_t to)
{
    for (; r->at < to && r->at < r->text.len; r->at++)
        r->line += r->text.ptr[r->at] == '\n';
}

/* Behind the next what; at the end where there is none. */
static void skip_behind(Reading *r, const char *what)
{
    size_t found = str_find(r->text, str_from(what), r->at);
    skip_to(r, found == SIZE_MAX ? r->text.len : found + strlen(what));
}

/* Blanks and comments. */
static void skip_trivia(Reading *r)
{
    while (r->at < r->text.len) {
        char c = r->text.ptr[r->at];
        if (c == ' ' || c == '\t' || c == '\r' || c == '\n')
            skip_to(r, r->at + 1);
        else if (is_ahead(r, "//") || (c == '#' && r->syntax == LITERALS_HCL))
            skip_behind(r, "\n");
        else if (is_ahead(r, "/*"))
            skip_behind(r, "*/");
        else
            return;
    }
}

/* From a quote on. Escapes other than the common ones make it something to be worked out. */
static void take_string(Reading *r, Token *token)
{
    StrBuf out = strbuf(r->arena);
    char quote = r->text.ptr[r->at++];
    while (r->at < r->text.len && r->text.ptr[r->at] != quote) {
        char c = r->text.ptr[r->at];
        bool fills_in = c == '$' && r->at + 1 < r->text.len && r->text.ptr[r->at + 1] == '{';
        if (fills_in && (quote == '`' || r->syntax == LITERALS_HCL))
            token->is_computed = true;
        if (c == '\n' && quote != '`')
            break; /* never closed: what follows is read as if it were */
        if (c == '\\' && r->at + 1 < r->text.len) {
            static const char from[] = "nrt\\\"'`/", to[] = "\n\r\t\\\"'`/";
            const char *known = strchr(from, r->text.ptr[++r->at]);
            if (known && *known)
                c = to[known - from];
            else
                token->is_computed = true;
        }
        strbuf_add_char(&out, c);
        skip_to(r, r->at + 1);
    }
    r->at += r->at < r->text.len && r->text.ptr[r->at] == quote;
    token->kind = TOKEN_STRING;
    r->is_out = !strbuf_finish(&out, &token->text) || r->is_out;
}

/* <<EOT, lines, EOT: nothing that is looked for here is written so. */
static bool take_heredoc(Reading *r, Token *token)
{
    Str rest = str_sub(r->text, r->at, r->text.len), first, line;
    if (r->syntax != LITERALS_HCL || !str_starts(rest, STR("<<")))
        return false;
    (void)str_cut(rest, '\n', &first);
    Str word = str_trim(str_sub(first, str_starts(first, STR("<<-")) ? 3 : 2, first.len));
    skip_to(r, r->at + first.len + 1);
    while (r->at < r->text.len) {
        (void)str_cut(str_sub(r->text, r->at, r->text.len), '\n', &line);
        /* What follows the last line begins another. */
        bool is_last = str_eq(str_trim(line), word);
        skip_to(r, r->at + line.len + !is_last);
        if (is_last)
            break;
    }
    token->kind = TOKEN_STRING;
    token->is_computed = true;
    return true;
}

static void next(Reading *r)
{
    uint32_t before = r->line;
    skip_trivia(r);
    Token token = {.line = r->line, .begins_line = r->line != before};
    if (r->at < r->text.len) {
        char c = r->text.ptr[r->at];
        if (c == '"' || (r->syntax == LITERALS_SCRIPT && (c == '\'' || c == '`'))) {
            take_string(r, &token);
        } else if (is_word_char(c, r->syntax)) {
            size_t from = r->at;
            while (r->at < r->text.len && is_word_char(r->text.ptr[r->at], r->syntax))
                r->at++;
            token.kind = TOKEN_WORD;
            token.text = str_sub(r->text, from, r->at);
        } else if (!take_heredoc(r, &token)) {
            token.kind = TOKEN_SIGN;
            token.sign = c;
            r->at++;
        }
    }
    r->token = token;
}

static bool is_sign(const Reading *r, char sign)
{
    return r->token.kind == TOKEN_SIGN && r->token.sign == sign;
}

/* Whether the value is over in front of this token. */
static bool is_at_end(const Reading *r)
{
    const Token *token = &r->token;
    if (token->kind == TOKEN_END ||
        (token->kind == TOKEN_SIGN && token->sign != '\0' && strchr("}),;]", token->sign)))
        return true;
    return token->begins_line && (r->syntax != LITERALS_SCRIPT || token->kind == TOKEN_WORD);
}

/* ---- values ----------------------------------------------------------------------------------------------- */

/* To the end of a value that is none of ours, with all that it opens. */
static void skip_value(Reading *r)
{
    size_t depth = 0;
    while (r->token.kind != TOKEN_END && (depth > 0 || !is_at_end(r))) {
        if (r->token.kind == TOKEN_SIGN && r->token.sign != '\0') {
            if (strchr("([{", r->token.sign))
                depth++;
            else if (strchr(")]}", r->token.sign))
                depth -= depth > 0;
        }
        next(r);
    }
}

/* ("NAME") or ['NAME'], behind a name. */
static bool take_quoted_name(Reading *r, char open, char close, Str *ret_name)
{
    if (!is_sign(r, open))
        return false;
    next(r);
    if (r->token.kind != TOKEN_STRING || r->token.is_computed)
        return false;
    *ret_name = r->token.text;
    next(r);
    if (!is_sign(r, close))
        return false;
    next(r);
    return true;
}

/* ?? "text" or || "text" */
static void take_fallback(Reading *r, Literal *literal)
{
    char sign = is_sign(r, '?') ? '?' : is_sign(r, '|') ? '|' : '\0';
    if (is_sign(r, '!'))
        next(r); /* TypeScript: it is surely set */
    if (sign == '\0')
        return;
    next(r);
    if (!is_sign(r, sign))
        return;
    next(r);
    if (r->token.kind == TOKEN_STRING && !r->token.is_computed) {
        literal->fallback = r->token.text;
        literal->has_fallback = true;
        next(r);
    }
}

/* a.b.c, a("x"), process.env.X */
static void take_words(Reading *r, Literal *literal)
{
    StrBuf chain = strbuf(r->arena);
    Str words, name = {0};
    strbuf_add(&chain, r->token.text);
    next(r);
    while (is_sign(r, '.')) {
        next(r);
        if (r->token.kind != TOKEN_WORD)
            return;
        strbuf_add_char(&chain, '.');
        strbuf_add(&chain, r->token.text);
        next(r);
    }
    if (!strbuf_finish(&chain, &words)) {
        r->is_out = true;
        return;
    }
    bool is_call = str_eq(words, STR("env")) || str_eq(words, STR("getenv"));
    bool is_process = r->syntax == LITERALS_SCRIPT && str_starts(words, STR("process.env"));
    literal->text = words;
    if (is_call && take_quoted_name(r, '(', ')', &name)) {
        literal->kind = LITERAL_VARIABLE;
        literal->text = name;
    } else if (is_process && words.len > 12) {
        literal->kind = LITERAL_VARIABLE;
        literal->text = str_sub(words, 12, words.len);
    } else if (is_process && take_quoted_name(r, '[', ']', &name)) {
        literal->kind = LITERAL_VARIABLE;
        literal->text = name;
    } else {
        literal->kind = LITERAL_WORD;
    }
    if (literal->kind == LITERAL_VARIABLE && r->syntax == LITERALS_SCRIPT)
        take_fallback(r, literal);
}

static void take_value(Reading *r, Literal *literal)
{
    literal->kind = LITERAL_COMPUTED;
    if (r->token.kind == TOKEN_STRING && !r->token.is_computed) {
        literal->kind = LITERAL_TEXT;
        literal->text = r->token.text;
        next(r);
    } else if (r->token.kind == TOKEN_WORD) {
        take_words(r, literal);
    }
    if (!is_at_end(r))
        literal->kind = LITERAL_COMPUTED;
    skip_value(r);
}

/* ---- blocks ----------------------------------------------------------------------------------------------- */

typedef struct Blocks {
    StrBuf path;
    Vec(size_t) lengths; /* of the path, outside of each block that is open */
    StrVec names;        /* words in a row: a block's labels, or a key */
} Blocks;

static bool open_block(Reading *r, Blocks *blocks)
{
    if (!vec_push(r->arena, &blocks->lengths, blocks->path.len))
        return false;
    for (size_t i = 0; i < blocks->names.len; i++) {
        strbuf_add(&blocks->path, blocks->names.items[i]);
        strbuf_add_char(&blocks->path, '/');
    }
    blocks->names.len = 0;
    return !blocks->path.has_failed;
}

static void close_block(Blocks *blocks)
{
    blocks->names.len = 0;
    if (blocks->lengths.len > 0)
        blocks->path.len = blocks->lengths.items[--blocks->lengths.len];
}

/* A key, and the sign behind it is in front. */
static bool take_entry(Reading *r, Blocks *blocks, uint32_t line, LiteralVec *literals)
{
    Literal literal = {.line = line};
    next(r);
    if (is_sign(r, '{')) {
        next(r);
        return open_block(r, blocks);
    }
    StrBuf path = strbuf(r->arena);
    strbuf_add(&path, strbuf_str(&blocks->path));
    strbuf_add(&path, blocks->names.items[blocks->names.len - 1]);
    blocks->names.len = 0;
    take_value(r, &literal);
    return strbuf_finish(&path, &literal.path) && vec_push(r->arena, literals, literal);
}

bool literals_read(Arena *arena, Str text, LiteralSyntax syntax, LiteralVec *ret_literals,
                   Error *err)
{
    Reading r = {.arena = arena, .text = text, .line = 1, .syntax = syntax};
    Blocks blocks = {.path = strbuf(arena)};
    LiteralVec literals = {0};
    bool is_good = true;
    uint32_t line = 0;
    char assigns = syntax == LITERALS_SCRIPT ? ':' : '=';
    next(&r);
    while (is_good && !r.is_out && r.token.kind != TOKEN_END) {
        if (r.token.kind != TOKEN_SIGN) {
            if (r.token.begins_line && syntax != LITERALS_SCRIPT)
                blocks.names.len = 0;
            line = r.token.line;
            is_good = vec_push(arena, &blocks.names, r.token.text);
            next(&r);
        } else if (r.token.sign == assigns && blocks.names.len > 0) {
            is_good = take_entry(&r, &blocks, line, &literals);
        } else {
            if (r.token.sign == '{')
                is_good = open_block(&r, &blocks);
            else if (r.token.sign == '}')
                close_block(&blocks);
            blocks.names.len = 0;
            next(&r);
        }
    }
    *ret_literals = literals;
    return (is_good && !r.is_out) || error_nomem(err);
}

const Literal *literals_find(const LiteralVec *literals, Str path)
{
    for (size_t i = literals->len; i-- > 0;) {
        if (str_eq(literals->items[i].path, path))
            return &literals->items[i];
    }
    return NULL;
}

/* Rails migrations, read without Ruby: a class with up and down, or change, whose bodies call `execute` with literal text. Anything else
 * refuses the way that it stands in. SPDX-License-Identifier: Apache-2.0
 *
 *     body      = { execute | say | nested | raise }
 *     execute   = [ receiver "." ] "execute" string        receiver: connection, self.connection, ActiveRecord::Base.connection
 *     nested    = ( "safety_assured" | "suppress_messages" | "say_with_time" string | "up_only" ) block
 *               | "reversible" "do" "|" dir "|" { dir "." ( "up" | "down" ) block } "end"
 *     block     = "do" body "end" | "{" body "}"
 *     string    = literal { [ "+" ] literal } { ".squish" | ".strip" | ".strip_heredoc" | ".freeze" | ".dup" } | constant
 *     literal   = '...' | "..." | %q() | %Q() | %() | <<ID | <<-ID | <<~ID, none with something that Ruby would fill in */
#include "convention/ruby.h"

#include <string.h>

/* ---- strings -------------------------------------------------------------------------------------------- */

/* What Ruby makes of a double-quoted text. *ret_fault: it cannot be known, or is not read. */
static bool unescape(Arena *arena, Str raw, Str *ret_value, const char **ret_fault, Error *err)
{
    StrBuf out = strbuf(arena);
    *ret_fault = NULL;
    for (size_t i = 0; i < raw.len; i++) {
        char c = raw.ptr[i], next = i + 1 < raw.len ? raw.ptr[i + 1] : '\0';
        if (c == '#' && (next == '{' || next == '@' || next == '$'))
            *ret_fault = "has text that Ruby fills in";
        if (c != '\\' || i + 1 >= raw.len) {
            strbuf_add_char(&out, c);
            continue;
        }
        i++;
        switch (next) {
        case 'n':
            strbuf_add_char(&out, '\n');
            break;
        case 't':
            strbuf_add_char(&out, '\t');
            break;
        case 'r':
            strbuf_add_char(&out, '\r');
            break;
        case 's':
            strbuf_add_char(&out, ' ');
            break;
        case '\n':
            break;
        case '\r':
            i += i + 1 < raw.len && raw.ptr[i + 1] == '\n';
            break;
        default:
            if (strchr("abcefvuxCM01234567", next))
                *ret_fault = "has an escape that is not read here";
            strbuf_add_char(&out, next);
            break;
        }
    }
    return strbuf_finish(&out, ret_value) || error_nomem(err);
}

/* Single quotes: only the quotes and the backslash itself are escaped. */
static bool unescape_single(Arena *arena, Str raw, char open, char close, Str *ret_value,
                            Error *err)
{
    StrBuf out = strbuf(arena);
    for (size_t i = 0; i < raw.len; i++) {
        char next = i + 1 < raw.len ? raw.ptr[i + 1] : '\0';
        if (raw.ptr[i] == '\\' && i + 1 < raw.len &&
            (next == '\\' || next == open || next == close))
            i++;
        strbuf_add_char(&out, raw.ptr[i]);
    }
    return strbuf_finish(&out, ret_value) || error_nomem(err);
}

/* Columns of white space in front; SIZE_MAX: there is nothing else. */
static size_t indentation_of(Str line)
{
    size_t width = 0;
    for (size_t i = 0; i < line.len; i++) {
        if (line.ptr[i] == '\t')
            width = (width / 8 + 1) * 8;
        else if (line.ptr[i] == ' ')
            width++;
        else
            return line.ptr[i] == '\r' ? SIZE_MAX : width;
    }
    return SIZE_MAX;
}

/* As <<~ does it: the least indentation of all lines that have text is taken off each. */
static bool dedent(Arena *arena, Str text, Str *ret_text, Error *err)
{
    StrBuf out = strbuf(arena);
    Line line = {0};
    size_t least = SIZE_MAX;
    while (line_next(text, &line)) {
        size_t width = indentation_of(line.text);
        if (width < least)
            least = width;
    }
    line = (Line){0};
    while (line_next(text, &line)) {
        size_t from = line.from, width = 0;
        for (; from < line.to && width < least; from++) {
            char c = text.ptr[from];
            size_t wider = c == '\t' ? (width / 8 + 1) * 8 : width + 1;
            if ((c != ' ' && c != '\t') || wider > least)
                break;
            width = wider;
        }
        strbuf_add(&out, str_sub(text, from, line.to));
    }
    return strbuf_finish(&out, ret_text) || error_nomem(err);
}

/* As Rails' squish: every run of white space is one blank, none at the ends. */
static bool squish(Arena *arena, Str text, Str *ret_text, Error *err)
{
    StrBuf out = strbuf(arena);
    text = str_trim(text);
    for (size_t i = 0; i < text.len; i++) {
        bool is_blank = memchr(" \t\r\n\f\v", text.ptr[i], 6) != NULL;
        bool was_blank = out.len > 0 && out.ptr[out.len - 1] == ' ';
        if (!is_blank)
            strbuf_add_char(&out, text.ptr[i]);
        else if (!was_blank)
            strbuf_add_char(&out, ' ');
    }
    return strbuf_finish(&out, ret_text) || error_nomem(err);
}

/* ---- tokens --------------------------------------------------------------------------------------------- */

/* A heredoc whose body has not been reached yet. */
typedef struct Pending {
    size_t token;
    Str id;
    bool may_be_indented, is_squiggly, is_raw;
} Pending;

typedef struct Lexer {
    HostText in;
    Arena *arena;
    HostTokenVec tokens;
    Vec(Pending) pending;
    bool had_space;
    Error *err;
} Lexer;

static bool push(Lexer *lexer, HostToken token)
{
    token.has_space_before = lexer->had_space;
    return vec_push(lexer->arena, &lexer->tokens, token) || error_nomem(lexer->err);
}

static char closing_of(char open)
{
    return open == '(' ? ')' : open == '[' ? ']' : open == '{' ? '}' : open == '<' ? '>' : open;
}

/* From behind the opening quote to behind the closing one. */
static bool lex_quoted(Lexer *lexer, char open, bool is_raw, HostToken token)
{
    HostText *in = &lexer->in;
    char close = closing_of(open);
    size_t from = in->at;
    int depth = 1, c;
    token.kind = HOST_STRING;
    token.line = in->line;
    token.column = host_column(in);
    while ((c = host_char(in, 0)) >= 0) {
        if (c == '\\') {
            host_skip(in, 2);
            continue;
        }
        if (c == close && --depth == 0)
            break;
        if (c == open && open != close)
            depth++;
        host_skip(in, 1);
    }
    Str raw = str_sub(in->text, from, in->at);
    token.text = raw;
    host_skip(in, 1);
    if (c < 0)
        token.fault = "has no end";
    else if (is_raw ? !unescape_single(lexer->arena, raw, open, close, &token.value, lexer->err)
                    : !unescape(lexer->arena, raw, &token.value, &token.fault, lexer->err))
        return false;
    return push(lexer, token);
}

/* <<ID, <<-ID, <<~ID, with or without quotes; false: it is none, and nothing was read. */
static bool heredoc_at(Lexer *lexer, bool *ret_is, HostToken token)
{
    HostText *in = &lexer->in;
    size_t at = 2;
    Pending pending = {.token = lexer->tokens.len};
    int c = host_char(in, at);
    *ret_is = false;
    if (c == '~' || c == '-') {
        pending.may_be_indented = true;
        pending.is_squiggly = c == '~';
        at++;
    }
    int quote = host_char(in, at);
    bool is_quoted = quote == '\'' || quote == '"';
    pending.is_raw = quote == '\'';
    at += is_quoted;
    size_t from = in->at + at;
    c = host_char(in, at);
    if (!is_quoted && !(c == '_' || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z')))
        return true;
    while ((c = host_char(in, at)) >= 0 &&
           (is_quoted ? c != quote && c != '\n' : host_is_word_char(c)))
        at++;
    pending.id = str_sub(in->text, from, in->at + at);
    if (is_quoted && c != quote)
        return true;
    host_skip(in, at + is_quoted);
    *ret_is = true;
    token.kind = HOST_STRING;
    token.text = pending.id;
    token.fault = "has no end";
    return (vec_push(lexer->arena, &lexer->pending, pending) || error_nomem(lexer->err)) &&
           push(lexer, token);
}

/* Behind the line that announced them. */
static bool lex_heredocs(Lexer *lexer)
{
    HostText *in = &lexer->in;
    for (size_t i = 0; i < lexer->pending.len; i++) {
        const Pending *pending = &lexer->pending.items[i];
        HostToken *token = &lexer->tokens.items[pending->token];
        size_t from = in->at;
        bool is_closed = false;
        Line line = {.to = in->at};
        token->line = in->line;
        token->column = 1;
        while (!is_closed && line_next(in->text, &line)) {
            Str text = line.text;
            while (pending->may_be_indented && text.len > 0 &&
                   (text.ptr[0] == ' ' || text.ptr[0] == '\t'))
                text = str_sub(text, 1, text.len);
            is_closed = str_eq(text, pending->id);
        }
        size_t to = is_closed ? line.from : in->text.len;
        Str raw = str_sub(in->text, from, to);
        host_skip(in, (is_closed ? line.to : in->text.len) - from);
        if (!is_closed)
            continue;
        token->fault = NULL;
        token->value = raw;
        if (pending->is_squiggly && !dedent(lexer->arena, raw, &token->value, lexer->err))
            return false;
        if (!pending->is_raw &&
            !unescape(lexer->arena, token->value, &token->value, &token->fault, lexer->err))
            return false;
    }
    lexer->pending.len = 0;
    return true;
}

/* A word with what makes it one name: "ActiveRecord::Base", "disable_ddl_transaction!", ":symbol" stays apart. */
static bool lex_word(Lexer *lexer, HostToken token)
{
    HostText *in = &lexer->in;
    size_t from = in->at;
    for (;;) {
        while (host_is_word_char(host_char(in, 0)))
            host_skip(in, 1);
        if (host_char(in, 0) != ':' || host_char(in, 1) != ':' ||
            !host_is_word_char(host_char(in, 2)))
            break;
        host_skip(in, 2);
    }
    int c = host_char(in, 0);
    if ((c == '!' || c == '?') && host_char(in, 1) != '=')
        host_skip(in, 1);
    token.kind = HOST_WORD;
    token.text = str_sub(in->text, from, in->at);
    return push(lexer, token);
}

static void skip_line(HostText *in)
{
    int c;
    while ((c = host_char(in, 0)) >= 0 && c != '\n')
        host_skip(in, 1);
}

/* =begin to =end, both at the beginning of a line. */
static void skip_block_comment(HostText *in)
{
    while (host_char(in, 0) >= 0 &&
           !str_starts(str_sub(in->text, in->at, in->text.len), STR("=end"))) {
        skip_line(in);
        host_skip(in, 1);
    }
    skip_line(in);
}

/* A string in one of the forms with %; false in *ret_is: it is something else. */
static bool lex_percent(Lexer *lexer, HostToken token, bool *ret_is)
{
    HostText *in = &lexer->in;
    int kind = host_char(in, 1);
    bool has_kind = kind == 'q' || kind == 'Q';
    int open = has_kind ? host_char(in, 2) : kind;
    *ret_is = open > 0 && strchr("([{<|!", open);
    if (!*ret_is)
        return true;
    host_skip(in, has_kind ? 3 : 2);
    return lex_quoted(lexer, (char)open, kind == 'q', token);
}

static bool lex_one(Lexer *lexer)
{
    HostText *in = &lexer->in;
    int c = host_char(in, 0);
    HostToken token = {.line = in->line, .column = host_column(in)};
    bool is = false;
    if (c == '\n') {
        host_skip(in, 1);
        token.kind = HOST_LINE;
        return push(lexer, token) && lex_heredocs(lexer);
    }
    if (c == '=' && host_column(in) == 1 &&
        str_starts(str_sub(in->text, in->at, in->text.len), STR("=begin"))) {
        skip_block_comment(in);
        return true;
    }
    if (c == ';') {
        host_skip(in, 1);
        token.kind = HOST_LINE;
        return push(lexer, token);
    }
    if (c == '"' || c == '\'') {
        host_skip(in, 1);
        return lex_quoted(lexer, (char)c, c == '\'', token);
    }
    if (c == '<' && host_char(in, 1) == '<') {
        if (!heredoc_at(lexer, &is, token) || is)
            return is;
    }
    if (c == '%') {
        if (!lex_percent(lexer, token, &is) || is)
            return is;
    }
    if (host_is_word_char(c))
        return lex_word(lexer, token);
    token.kind = HOST_SYMBOL;
    token.text = str_sub(in->text, in->at, in->at + 1);
    host_skip(in, 1);
    return push(lexer, token);
}

static bool lex(Arena *arena, Str text, HostTokenVec *ret_tokens, Error *err)
{
    Lexer lexer = {.in = {.text = text, .line = 1}, .arena = arena, .err = err};
    if (str_starts(text, STR("\xef\xbb\xbf")))
        lexer.in.at = 3;
    for (int c; (c = host_char(&lexer.in, 0)) >= 0;) {
        if (host_column(&lexer.in) == 1 &&
            str_starts(str_sub(text, lexer.in.at, text.len), STR("__END__")))
            break;
        bool is_blank = c == ' ' || c == '\t' || c == '\r';
        bool is_joined =
            c == '\\' && (host_char(&lexer.in, 1) == '\n' ||
                          (host_char(&lexer.in, 1) == '\r' && host_char(&lexer.in, 2) == '\n'));
        if (is_blank || is_joined) {
            host_skip(&lexer.in, !is_joined ? 1 : host_char(&lexer.in, 1) == '\r' ? 3 : 2);
            lexer.had_space = true;
            continue;
        }
        if (c == '#') {
            skip_line(&lexer.in);
            continue;
        }
        if (!lex_one(&lexer))
            return false;
        lexer.had_space = false;
    }
    HostToken end = {.kind = HOST_END, .line = lexer.in.line, .column = 1};
    if (!push(&lexer, end))
        return false;
    *ret_tokens = lexer.tokens;
    return true;
}

/* ---- grammar -------------------------------------------------------------------------------------------- */

typedef struct Constant {
    Str name;
    HostSql sql;
} Constant;

typedef struct Parser {
    HostCursor at;
    Arena *arena;
    RubyMigration made;
    Vec(Constant) constants;
    const char *fault; /* why what is read cannot be run; the place is that of the cursor, or: */
    uint32_t fault_line;
    Error *err;
} Parser;

/* What a body may do depends on what it is the body of. */
typedef enum BodyKind {
    BODY_UP,
    BODY_DOWN,
    BODY_CHANGE,
} BodyKind;

enum { DEEPEST_BODY = 32 };

/* Notes why; the first one counts. Always false. */
static bool fault_at(Parser *p, uint32_t line, const char *what)
{
    if (!p->fault) {
        p->fault = what;
        p->fault_line = line;
    }
    if (!what)
        error_nomem(p->err);
    return false;
}

static bool fault(Parser *p)
{
    return fault_at(p, host_peek(&p->at, 0)->line, host_describe(&p->at, p->arena));
}

static void skip_lines(Parser *p)
{
    while (host_peek(&p->at, 0)->kind == HOST_LINE)
        p->at.at++;
}

/* Behind a statement. */
static bool take_end(Parser *p)
{
    const HostToken *token = host_peek(&p->at, 0);
    return token->kind == HOST_LINE || host_is(&p->at, "end") || host_is(&p->at, "}") || fault(p);
}

static const Constant *find_constant(const Parser *p, Str name)
{
    for (size_t i = 0; i < p->constants.len; i++)
        if (str_eq(p->constants.items[i].name, name))
            return &p->constants.items[i];
    return NULL;
}

/* Methods of a string that change it in a known way. */
static bool take_methods(Parser *p, Str *value)
{
    while (host_is(&p->at, ".")) {
        p->at.at++;
        if (host_take(&p->at, "squish")) {
            if (!squish(p->arena, *value, value, p->err))
                return fault_at(p, 0, NULL);
        } else if (host_take(&p->at, "strip_heredoc")) {
            if (!dedent(p->arena, *value, value, p->err))
                return fault_at(p, 0, NULL);
        } else if (host_take(&p->at, "strip") || host_take(&p->at, "chomp")) {
            *value = str_trim(*value);
        } else if (!host_take(&p->at, "freeze") && !host_take(&p->at, "dup")) {
            return fault(p);
        }
    }
    return true;
}

static bool take_literal(Parser *p, HostSql *ret_sql)
{
    const HostToken *token = host_peek(&p->at, 0);
    const Constant *constant = token->kind == HOST_WORD ? find_constant(p, token->text) : NULL;
    if (constant) {
        *ret_sql = constant->sql;
    } else if (token->kind == HOST_STRING) {
        if (token->fault) {
            const char *what = str_format(p->arena, "holds a text that %s", token->fault);
            return fault_at(p, token->line, what);
        }
        *ret_sql = (HostSql){token->value, token->line, token->column};
    } else {
        return fault(p);
    }
    p->at.at++;
    return take_methods(p, &ret_sql->text);
}

static bool take_string(Parser *p, HostSql *ret_sql)
{
    HostSql next = {0};
    if (!take_literal(p, ret_sql))
        return false;
    while (host_is(&p->at, "+") || host_peek(&p->at, 0)->kind == HOST_STRING) {
        if (host_take(&p->at, "+"))
            skip_lines(p);
        if (!take_literal(p, &next))
            return false;
        const char *joined =
            str_format(p->arena, "%.*s%.*s", STR_ARG(ret_sql->text), STR_ARG(next.text));
        if (!joined)
            return fault_at(p, 0, NULL);
        ret_sql->text = str_from(joined);
    }
    return true;
}

/* The argument of a call, with or without parentheses. */
static bool take_argument(Parser *p, HostSql *ret_sql)
{
    bool has_paren = host_is(&p->at, "(");
    if (has_paren) {
        p->at.at++;
        skip_lines(p);
    }
    if (!take_string(p, ret_sql))
        return false;
    if (!has_paren)
        return true;
    skip_lines(p);
    return host_take(&p->at, ")") || fault(p);
}

/* connection.execute and the like: behind it stands `execute`. */
static void take_receiver(Parser *p)
{
    static const char *const receivers[][5] = {
        {"connection", ".", NULL},
        {"self", ".", "connection", ".", NULL},
        {"self", ".", NULL},
        {"ActiveRecord::Base", ".", "connection", ".", NULL},
    };
    for (size_t i = 0; i < sizeof receivers / sizeof *receivers; i++) {
        HostCursor at = p->at;
        size_t k = 0;
        while (receivers[i][k] && host_take(&at, receivers[i][k]))
            k++;
        if (!receivers[i][k] && host_is(&at, "execute")) {
            p->at = at;
            return;
        }
    }
}

static bool take_body(Parser *p, BodyKind kind, HostFile *file, unsigned depth);

/* "do" body "end" or "{" body "}". */
static bool take_block(Parser *p, BodyKind kind, HostFile *file, unsigned depth)
{
    bool is_do = host_take(&p->at, "do");
    if (!is_do && !host_take(&p->at, "{"))
        return fault(p);
    return take_body(p, kind, file, depth + 1) &&
           (host_take(&p->at, is_do ? "end" : "}") || fault(p));
}

/* One call put where it runs. In a change it runs up only, and the whole has then no way back. */
static bool add_call(Parser *p, BodyKind kind, HostFile *file, HostSql sql)
{
    HostWay *way = kind == BODY_DOWN ? &file->down : &file->up;
    if (kind == BODY_CHANGE)
        file->down.is_there = false;
    return vec_push(p->arena, &way->calls, sql) || fault_at(p, 0, NULL);
}

/* reversible do |dir| dir.up { } dir.down { } end. On the way back Rails runs the last block first. */
static bool take_reversible(Parser *p, HostFile *file, unsigned depth)
{
    HostFile inner = {.up.is_there = true, .down.is_there = true};
    bool is_do = host_take(&p->at, "do");
    if ((!is_do && !host_take(&p->at, "{")) || !host_take(&p->at, "|"))
        return fault(p);
    const HostToken *name = host_peek(&p->at, 0);
    p->at.at += name->kind == HOST_WORD;
    if (name->kind != HOST_WORD || !host_take(&p->at, "|"))
        return fault(p);
    for (skip_lines(p); !host_is(&p->at, is_do ? "end" : "}"); skip_lines(p)) {
        const HostToken *token = host_peek(&p->at, 0);
        if (token->kind != HOST_WORD || !str_eq(token->text, name->text))
            return fault(p);
        p->at.at++;
        if (!host_take(&p->at, "."))
            return fault(p);
        bool is_up = host_take(&p->at, "up");
        if ((!is_up && !host_take(&p->at, "down")) ||
            !take_block(p, is_up ? BODY_UP : BODY_DOWN, &inner, depth) || !take_end(p))
            return fault(p);
    }
    p->at.at++;
    for (size_t i = 0; i < inner.up.calls.len; i++)
        if (!vec_push(p->arena, &file->up.calls, inner.up.calls.items[i]))
            return fault_at(p, 0, NULL);
    for (size_t i = 0; i < file->down.calls.len; i++)
        if (!vec_push(p->arena, &inner.down.calls, file->down.calls.items[i]))
            return fault_at(p, 0, NULL);
    file->down.calls = inner.down.calls;
    file->down.is_there = file->down.is_there && inner.down.is_there;
    return true;
}

/* One statement of a body. */
static bool take_statement(Parser *p, BodyKind kind, HostFile *file, unsigned depth)
{
    HostSql sql;
    take_receiver(p);
    if (host_take(&p->at, "execute"))
        return take_argument(p, &sql) && add_call(p, kind, file, sql);
    if (host_is(&p->at, "say") || host_is(&p->at, "puts")) {
        p->at.at++;
        if (!take_argument(p, &sql))
            return false;
        return !host_take(&p->at, ",") || host_take(&p->at, "true") || fault(p);
    }
    if (host_take(&p->at, "say_with_time"))
        return take_argument(p, &sql) && take_block(p, kind, file, depth);
    if (host_take(&p->at, "safety_assured") || host_take(&p->at, "suppress_messages"))
        return take_block(p, kind, file, depth);
    if (kind == BODY_CHANGE && host_take(&p->at, "up_only"))
        return take_block(p, BODY_UP, file, depth);
    if (kind == BODY_CHANGE && host_take(&p->at, "reversible"))
        return take_reversible(p, file, depth);
    if (kind == BODY_DOWN && host_is(&p->at, "raise") &&
        str_eq(host_peek(&p->at, 1)->text, STR("ActiveRecord::IrreversibleMigration"))) {
        p->at.at += 2;
        file->down.is_there = false;
        if (host_take(&p->at, ","))
            return take_string(p, &sql);
        return true;
    }
    return fault(p);
}

static bool take_body(Parser *p, BodyKind kind, HostFile *file, unsigned depth)
{
    if (depth > DEEPEST_BODY)
        return fault_at(p, host_peek(&p->at, 0)->line, "has blocks in blocks without end");
    for (skip_lines(p); !host_is(&p->at, "end") && !host_is(&p->at, "}"); skip_lines(p))
        if (!take_statement(p, kind, file, depth) || !take_end(p))
            return fault(p);
    return true;
}

/* Where the reading of one method has failed it goes on with the next one. */
static void skip_to_next_method(Parser *p)
{
    while (host_peek(&p->at, 0)->kind != HOST_END) {
        bool is_line = host_peek(&p->at, 0)->kind == HOST_LINE;
        p->at.at++;
        if (is_line && host_is(&p->at, "def"))
            return;
    }
}

static bool refuse_fault(Parser *p, HostWay *way)
{
    const char *what = p->fault;
    p->fault = NULL;
    return host_refuse_way(way, p->fault_line, what, p->err);
}

static bool take_method(Parser *p)
{
    HostFile *file = &p->made.file;
    (void)(host_take(&p->at, "self") && host_take(&p->at, "."));
    bool is_change = host_is(&p->at, "change"), is_down = host_is(&p->at, "down");
    BodyKind kind = is_change ? BODY_CHANGE : is_down ? BODY_DOWN : BODY_UP;
    if (!is_change && !is_down && !host_is(&p->at, "up"))
        return fault_at(p, host_peek(&p->at, 0)->line, "has a method of its own");
    p->at.at++;
    if (host_take(&p->at, "(") && !host_take(&p->at, ")"))
        return fault(p);
    if (kind != BODY_DOWN)
        file->up.is_there = true;
    if (kind != BODY_UP)
        file->down.is_there = true;
    if (take_body(p, kind, file, 0) && host_take(&p->at, "end"))
        return true;
    (void)fault(p);
    /* Only this way cannot be run. */
    if (kind != BODY_DOWN && kind != BODY_UP) {
        const char *what = p->fault;
        uint32_t line = p->fault_line;
        p->fault = NULL;
        if (!host_refuse(file, line, what, p->err))
            return fault_at(p, 0, NULL);
    } else if (!refuse_fault(p, kind == BODY_DOWN ? &file->down : &file->up)) {
        return fault_at(p, 0, NULL);
    }
    skip_to_next_method(p);
    return true;
}

static bool is_constant(Str word)
{
    return word.len > 0 && word.ptr[0] >= 'A' && word.ptr[0] <= 'Z' &&
           str_find(word, STR("::"), 0) == SIZE_MAX;
}

static bool take_constant(Parser *p)
{
    Constant constant = {.name = host_peek(&p->at, 0)->text};
    p->at.at += 2;
    return take_string(p, &constant.sql) && take_end(p) &&
           (vec_push(p->arena, &p->constants, constant) || fault_at(p, 0, NULL));
}

/* class Name < ActiveRecord::Migration[7.1] */
static bool take_class(Parser *p)
{
    const HostToken *name = host_peek(&p->at, 1);
    p->at.at++;
    if (name->kind != HOST_WORD)
        return fault(p);
    p->made.class_name = name->text;
    p->at.at++;
    const HostToken *from = host_peek(&p->at, 1);
    if (!host_take(&p->at, "<"))
        return fault_at(p, name->line, "has a class that is no migration");
    if (!host_take(&p->at, "ActiveRecord::Migration"))
        return fault_at(p, name->line, "has a class that is not directly one of ActiveRecord");
    size_t len = from->text.len;
    if (host_take(&p->at, "[")) {
        while (host_peek(&p->at, 0)->kind != HOST_LINE && !host_is(&p->at, "]") &&
               host_peek(&p->at, 0)->kind != HOST_END)
            p->at.at++;
        const HostToken *close = host_peek(&p->at, 0);
        if (!host_take(&p->at, "]"))
            return fault(p);
        len = (size_t)(close->text.ptr + 1 - from->text.ptr);
    }
    p->made.superclass = (Str){from->text.ptr, len};
    return take_end(p);
}

static bool take_file(Parser *p)
{
    skip_lines(p);
    if (!host_is(&p->at, "class"))
        return fault(p);
    if (!take_class(p))
        return false;
    for (skip_lines(p); !host_is(&p->at, "end"); skip_lines(p)) {
        const HostToken *token = host_peek(&p->at, 0);
        if (host_take(&p->at, "disable_ddl_transaction!")) {
            p->made.file.up.no_transaction = p->made.file.down.no_transaction = true;
        } else if (host_take(&p->at, "def")) {
            if (!take_method(p))
                return false;
        } else if (token->kind == HOST_WORD && is_constant(token->text) &&
                   str_eq(host_peek(&p->at, 1)->text, STR("="))) {
            if (!take_constant(p))
                return false;
        } else {
            /* After a method that was not understood its rest may still be here. */
            return p->made.file.up.refusal || p->made.file.down.refusal || fault(p);
        }
    }
    p->at.at++;
    skip_lines(p);
    return host_peek(&p->at, 0)->kind == HOST_END || fault(p);
}

bool ruby_migration(Arena *arena, Str text, RubyMigration *ret_migration, Error *err)
{
    HostTokenVec tokens = {0};
    Error local = {.arena = arena};
    if (!lex(arena, text, &tokens, err))
        return false;
    Parser parser = {.at = {tokens.items, 0}, .arena = arena, .err = &local};
    bool is_read = take_file(&parser);
    if (local.kind == ERROR_NOMEM ||
        (!is_read && !host_refuse(&parser.made.file, parser.fault_line, parser.fault, &local)))
        return error_nomem(err);
    *ret_migration = parser.made;
    return true;
}

/* Laravel migrations, read without PHP: a class, with or without a name, whose up() and down() call DB::statement() and DB::unprepared()
 * with literal text. Anything else refuses the way that it stands in. SPDX-License-Identifier: Apache-2.0
 *
 *     body      = { [ "\" ] "DB" "::" ( "statement" | "unprepared" ) "(" string [ "," ] ")" ";" | "throw" "new" ... ";" }
 *     string    = literal { "." literal }
 *     literal   = '...' | "..." | <<<ID | <<<'ID', none with something that PHP would fill in */
#include "convention/php.h"

#include <string.h>

/* ---- strings -------------------------------------------------------------------------------------------- */

/* What PHP makes of a text in double quotes or of a heredoc (quote: '\0'). */
static bool unescape(Arena *arena, Str raw, char quote, Str *ret_value, const char **ret_fault,
                     Error *err)
{
    StrBuf out = strbuf(arena);
    *ret_fault = NULL;
    for (size_t i = 0; i < raw.len; i++) {
        char c = raw.ptr[i], next = i + 1 < raw.len ? raw.ptr[i + 1] : '\0';
        bool is_name = host_is_word_char((unsigned char)next) && !(next >= '0' && next <= '9');
        if ((c == '$' && (is_name || next == '{')) || (c == '{' && next == '$'))
            *ret_fault = "has text that PHP fills in";
        if (c != '\\' || i + 1 >= raw.len) {
            strbuf_add_char(&out, c);
            continue;
        }
        static const char from[] = "ntrvef\\$", to[] = "\n\t\r\v\033\f\\$";
        const char *known = next ? strchr(from, next) : NULL;
        if (known || (next == quote && quote)) {
            strbuf_add_char(&out, known ? to[known - from] : next);
            i++;
        } else {
            if (next == 'x' || next == 'u' || (next >= '0' && next <= '7'))
                *ret_fault = "has an escape that is not read here";
            strbuf_add_char(&out, c);
        }
    }
    return strbuf_finish(&out, ret_value) || error_nomem(err);
}

static bool unescape_single(Arena *arena, Str raw, Str *ret_value, Error *err)
{
    StrBuf out = strbuf(arena);
    for (size_t i = 0; i < raw.len; i++) {
        char next = i + 1 < raw.len ? raw.ptr[i + 1] : '\0';
        if (raw.ptr[i] == '\\' && (next == '\\' || next == '\''))
            i++;
        strbuf_add_char(&out, raw.ptr[i]);
    }
    return strbuf_finish(&out, ret_value) || error_nomem(err);
}

/* Takes so many blanks off every line: as many as stand before the closing word. */
static bool dedent(Arena *arena, Str text, size_t width, Str *ret_text, Error *err)
{
    StrBuf out = strbuf(arena);
    Line line = {0};
    while (line_next(text, &line)) {
        size_t from = line.from;
        while (from < line.to && from - line.from < width &&
               (text.ptr[from] == ' ' || text.ptr[from] == '\t'))
            from++;
        strbuf_add(&out, str_sub(text, from, line.to));
    }
    return strbuf_finish(&out, ret_text) || error_nomem(err);
}

/* ---- tokens --------------------------------------------------------------------------------------------- */

typedef struct Lexer {
    HostText in;
    Arena *arena;
    HostTokenVec tokens;
    Error *err;
} Lexer;

static bool push(Lexer *lexer, HostToken token)
{
    return vec_push(lexer->arena, &lexer->tokens, token) || error_nomem(lexer->err);
}

static bool lex_quoted(Lexer *lexer, char quote, HostToken token)
{
    HostText *in = &lexer->in;
    int c;
    host_skip(in, 1);
    size_t from = in->at;
    token.kind = HOST_STRING;
    token.line = in->line;
    token.column = host_column(in);
    while ((c = host_char(in, 0)) >= 0 && c != quote)
        host_skip(in, c == '\\' ? 2 : 1);
    Str raw = str_sub(in->text, from, in->at);
    token.text = raw;
    host_skip(in, 1);
    if (c < 0)
        token.fault = "has no end";
    else if (quote == '\''
                 ? !unescape_single(lexer->arena, raw, &token.value, lexer->err)
                 : !unescape(lexer->arena, raw, quote, &token.value, &token.fault, lexer->err))
        return false;
    return push(lexer, token);
}

/* <<<ID, <<<"ID" or <<<'ID' to a line that begins, perhaps behind blanks, with ID. */
static bool lex_heredoc(Lexer *lexer, HostToken token)
{
    HostText *in = &lexer->in;
    host_skip(in, 3);
    while (host_char(in, 0) == ' ' || host_char(in, 0) == '\t')
        host_skip(in, 1);
    int quote = host_char(in, 0);
    bool is_quoted = quote == '\'' || quote == '"';
    host_skip(in, is_quoted);
    size_t from = in->at;
    while (host_is_word_char(host_char(in, 0)))
        host_skip(in, 1);
    Str id = str_sub(in->text, from, in->at);
    Line line = {.to = in->at};
    token.kind = HOST_STRING;
    token.text = id;
    token.fault = "has no end";
    if (id.len == 0 || !line_next(in->text, &line)) /* the rest of the first line */
        return push(lexer, token);
    size_t body = line.to;
    token.line = in->line + 1;
    token.column = 1;
    while (line_next(in->text, &line)) {
        size_t width = 0;
        while (width < line.text.len &&
               (line.text.ptr[width] == ' ' || line.text.ptr[width] == '\t'))
            width++;
        Str rest = str_sub(line.text, width, line.text.len);
        if (!str_starts(rest, id) ||
            (rest.len > id.len && host_is_word_char((unsigned char)rest.ptr[id.len])))
            continue;
        /* The line end before the closing word does not count. */
        size_t to = line.from;
        if (to > body && in->text.ptr[to - 1] == '\n')
            to--;
        if (to > body && in->text.ptr[to - 1] == '\r')
            to--;
        token.fault = NULL;
        if (!dedent(lexer->arena, str_sub(in->text, body, to), width, &token.value, lexer->err) ||
            (quote != '\'' &&
             !unescape(lexer->arena, token.value, '\0', &token.value, &token.fault, lexer->err)))
            return false;
        host_skip(in, line.from + width + id.len - in->at);
        return push(lexer, token);
    }
    host_skip(in, in->text.len - in->at);
    return push(lexer, token);
}

/* Blanks and comments; true: something was passed. */
static bool skip_blank(HostText *in)
{
    int c = host_char(in, 0), next = host_char(in, 1);
    if (c == ' ' || c == '\t' || c == '\r' || c == '\n') {
        host_skip(in, 1);
        return true;
    }
    if (c == '/' && next == '*') {
        size_t end = str_find(in->text, STR("*/"), in->at + 2);
        host_skip(in, end == SIZE_MAX ? in->text.len - in->at : end + 2 - in->at);
        return true;
    }
    if ((c == '/' && next == '/') || (c == '#' && next != '[')) {
        while ((c = host_char(in, 0)) >= 0 && c != '\n')
            host_skip(in, 1);
        return true;
    }
    return false;
}

static bool lex_one(Lexer *lexer)
{
    HostText *in = &lexer->in;
    int c = host_char(in, 0);
    HostToken token = {.line = in->line, .column = host_column(in)};
    Str rest = str_sub(in->text, in->at, in->text.len);
    if (c == '\'' || c == '"')
        return lex_quoted(lexer, (char)c, token);
    if (str_starts(rest, STR("<<<")))
        return lex_heredoc(lexer, token);
    size_t from = in->at;
    if (host_is_word_char(c) || ((c == '$' || c == '\\') && host_is_word_char(host_char(in, 1)))) {
        host_skip(in, 1);
        while (host_is_word_char(host_char(in, 0)) ||
               (host_char(in, 0) == '\\' && host_is_word_char(host_char(in, 1))))
            host_skip(in, 1);
        token.kind = HOST_WORD;
    } else {
        bool is_two = str_starts(rest, STR("::")) || str_starts(rest, STR("->")) ||
                      str_starts(rest, STR("=>"));
        host_skip(in, is_two ? 2 : 1);
        token.kind = HOST_SYMBOL;
    }
    token.text = str_sub(in->text, from, in->at);
    return push(lexer, token);
}

static bool lex(Arena *arena, Str text, HostTokenVec *ret_tokens, Error *err)
{
    Lexer lexer = {.in = {.text = text, .line = 1}, .arena = arena, .err = err};
    while (host_char(&lexer.in, 0) >= 0)
        if (!skip_blank(&lexer.in) && !lex_one(&lexer))
            return false;
    HostToken end = {.kind = HOST_END, .line = lexer.in.line, .column = 1};
    if (!push(&lexer, end))
        return false;
    *ret_tokens = lexer.tokens;
    return true;
}

/* ---- grammar -------------------------------------------------------------------------------------------- */

typedef struct Parser {
    HostCursor at;
    Arena *arena;
    SqlDialect dialect;
    HostFile file;
    bool has_other_db; /* `DB` is something else than Laravel's */
    const char *fault;
    uint32_t fault_line;
    Error *err;
} Parser;

/* Notes why; the first one counts. Always false. */
static bool fault_at(Parser *p, uint32_t line, const char *what)
{
    if (!what)
        return error_nomem(p->err);
    if (!p->fault) {
        p->fault = what;
        p->fault_line = line;
    }
    return false;
}

static bool fault(Parser *p)
{
    return fault_at(p, host_peek(&p->at, 0)->line, host_describe(&p->at, p->arena));
}

/* Behind the next one at this depth of brackets; the cursor may stand on an opening one. */
static bool skip_past(Parser *p, const char *closing)
{
    for (int depth = 0;;) {
        const HostToken *token = host_peek(&p->at, 0);
        if (token->kind == HOST_END)
            return fault(p);
        bool is_symbol = token->kind == HOST_SYMBOL;
        bool opens = is_symbol && strchr("([{", token->text.ptr[0]);
        bool closes = is_symbol && strchr(")]}", token->text.ptr[0]);
        depth += opens - closes;
        bool is_closing = is_symbol && str_eq(token->text, str_from(closing));
        p->at.at++;
        if (depth <= 0 && is_closing)
            return true;
        if (depth < 0)
            return fault(p);
    }
}

static bool take_string(Parser *p, HostSql *ret_sql)
{
    StrBuf out = strbuf(p->arena);
    for (bool is_first = true;; is_first = false) {
        const HostToken *token = host_peek(&p->at, 0);
        if (token->kind != HOST_STRING)
            return fault(p);
        if (token->fault)
            return fault_at(p, token->line,
                            str_format(p->arena, "holds a text that %s", token->fault));
        if (is_first)
            *ret_sql = (HostSql){.line = token->line, .column = token->column};
        strbuf_add(&out, token->value);
        p->at.at++;
        if (host_take(&p->at, "."))
            continue;
        return strbuf_finish(&out, &ret_sql->text) || fault_at(p, 0, NULL);
    }
}

/* statement() is prepared: a `?` or `:name` would wait for a value. */
static bool check_values(Parser *p, const HostSql *sql)
{
    SqlSplitOptions options = {.dialect = p->dialect};
    SqlLexer lexer = sql_lexer(sql->text, &options);
    SqlToken token;
    while (sql_lexer_next(&lexer, &token)) {
        bool may_be = token.kind == SQL_TOKEN_PARAM || token.kind == SQL_TOKEN_SYMBOL;
        if (may_be && token.text.len > 0 &&
            (token.text.ptr[0] == '?' ||
             (token.kind == SQL_TOKEN_PARAM && token.text.ptr[0] == ':')))
            return fault_at(p, sql->line, "has a place for a value in DB::statement()");
    }
    return true;
}

static bool is_laravels_db(Str word)
{
    return str_eq(word, STR("\\DB")) || str_eq(word, STR("\\Illuminate\\Support\\Facades\\DB")) ||
           str_eq(word, STR("Illuminate\\Support\\Facades\\DB"));
}

/* One statement of up() or down(). */
static bool take_statement(Parser *p, HostWay *way, bool is_down)
{
    const HostToken *token = host_peek(&p->at, 0);
    HostSql sql;
    if (is_down && way->calls.len == 0 && host_is(&p->at, "throw")) {
        way->is_there = false;
        return skip_past(p, ";");
    }
    bool is_db = token->kind == HOST_WORD &&
                 (str_eq(token->text, STR("DB")) ? !p->has_other_db : is_laravels_db(token->text));
    if (!is_db || !str_eq(host_peek(&p->at, 1)->text, STR("::")))
        return fault(p);
    const HostToken *method = host_peek(&p->at, 2);
    bool is_prepared = str_eq(method->text, STR("statement"));
    if (!is_prepared && !str_eq(method->text, STR("unprepared"))) {
        const char *what = str_format(p->arena, "does more than run literal SQL: `DB::%.*s`",
                                      STR_ARG(method->text));
        return fault_at(p, token->line, what);
    }
    p->at.at += 3;
    if (!host_take(&p->at, "(") || !take_string(p, &sql))
        return fault(p);
    (void)host_take(&p->at, ",");
    if (!host_take(&p->at, ")") || !host_take(&p->at, ";"))
        return fault(p);
    if (is_prepared && !check_values(p, &sql))
        return false;
    return vec_push(p->arena, &way->calls, sql) || fault_at(p, 0, NULL);
}

/* function NAME ( ... ) [ : type ] { ... }, from behind its name. */
static bool take_method(Parser *p, const HostToken *name)
{
    bool is_up = str_eq_nocase(name->text, STR("up"));
    bool is_down = str_eq_nocase(name->text, STR("down"));
    HostWay *way = is_down ? &p->file.down : &p->file.up;
    if (str_eq_nocase(name->text, STR("shouldRun")) ||
        str_eq_nocase(name->text, STR("getConnection")) ||
        str_eq_nocase(name->text, STR("__construct")))
        return fault_at(p, name->line,
                        str_format(p->arena, "has a method that decides what runs: `%.*s`",
                                   STR_ARG(name->text)));
    while (!host_is(&p->at, "{")) {
        if (host_peek(&p->at, 0)->kind == HOST_END)
            return fault(p);
        p->at.at++;
    }
    HostCursor begin = p->at;
    if (is_up || is_down) {
        way->is_there = true;
        p->at.at++;
        bool is_read = true;
        while (is_read && !host_is(&p->at, "}"))
            is_read = take_statement(p, way, is_down);
        if (!is_read) {
            if (p->err->kind == ERROR_NOMEM ||
                !host_refuse_way(way, p->fault_line, p->fault, p->err))
                return false;
            p->fault = NULL;
        }
    }
    p->at = begin;
    return skip_past(p, "}");
}

/* public $withinTransaction = false; protected $connection = 'x'; */
static bool take_property(Parser *p)
{
    bool decides = host_is(&p->at, "$withinTransaction"), names = host_is(&p->at, "$connection");
    const HostToken *token = host_peek(&p->at, 0);
    if (!decides && !names)
        return skip_past(p, ";");
    p->at.at++;
    if (decides) {
        bool is = host_take(&p->at, "=") && (host_is(&p->at, "false") || host_is(&p->at, "true"));
        if (!is)
            return fault(p);
        if (host_is(&p->at, "false"))
            p->file.up.no_transaction = p->file.down.no_transaction = true;
        return skip_past(p, ";");
    }
    bool is_default =
        host_is(&p->at, ";") ||
        (host_is(&p->at, "=") && str_eq_nocase(host_peek(&p->at, 1)->text, STR("null")));
    if (!is_default)
        return fault_at(p, token->line, "runs on another connection: `$connection`");
    return skip_past(p, ";");
}

static bool take_class_body(Parser *p)
{
    static const char *const modifiers[] = {"public",   "protected", "private", "static", "final",
                                            "readonly", "var",       "bool",    "?",      "string"};
    while (!host_take(&p->at, "}")) {
        bool is_modifier = false;
        for (size_t i = 0; i < sizeof modifiers / sizeof *modifiers; i++)
            is_modifier = is_modifier || host_is(&p->at, modifiers[i]);
        const HostToken *token = host_peek(&p->at, 0);
        if (is_modifier) {
            p->at.at++;
        } else if (host_take(&p->at, "function")) {
            const HostToken *name = host_peek(&p->at, 0);
            p->at.at += name->kind == HOST_WORD;
            if (name->kind != HOST_WORD || !take_method(p, name))
                return fault(p);
        } else if (token->kind == HOST_WORD && token->text.ptr[0] == '$') {
            if (!take_property(p))
                return false;
        } else if (host_take(&p->at, "const")) {
            if (!skip_past(p, ";"))
                return false;
        } else {
            return fault(p);
        }
    }
    return true;
}

/* use A\B; use A\{B, C}; use A\B as C; */
static bool take_import(Parser *p)
{
    StrBuf path = strbuf(p->arena);
    Str text;
    size_t from = p->at.at;
    if (!skip_past(p, ";"))
        return false;
    for (size_t i = from; i < p->at.at; i++) {
        strbuf_add(&path, p->at.tokens[i].text);
        strbuf_add_char(&path, ' ');
    }
    if (!strbuf_finish(&path, &text))
        return fault_at(p, 0, NULL);
    /* Whoever imports something as DB means that by it. */
    bool is_laravels = str_eq(text, STR("DB ; ")) ||
                       str_eq(text, STR("Illuminate\\Support\\Facades\\DB ; ")) ||
                       str_eq(text, STR("\\Illuminate\\Support\\Facades\\DB ; ")) ||
                       str_starts(text, STR("Illuminate\\Support\\Facades \\ { "));
    const HostToken *last = &p->at.tokens[p->at.at - 2];
    if (!is_laravels && (str_eq(last->text, STR("DB")) || str_ends(last->text, STR("\\DB"))))
        p->has_other_db = true;
    return true;
}

static bool take_file(Parser *p)
{
    /* "<?php" comes as three tokens. */
    if (!host_take(&p->at, "<") || !host_take(&p->at, "?") || !host_take(&p->at, "php"))
        return fault_at(p, 1, "does not begin with `<?php`");
    for (;;) {
        if (host_take(&p->at, "declare")) {
            if (!skip_past(p, ";"))
                return false;
        } else if (host_take(&p->at, "use")) {
            if (!take_import(p))
                return false;
        } else if (host_take(&p->at, "return") && host_take(&p->at, "new")) {
            if (!host_take(&p->at, "class") || (host_take(&p->at, "(") && !host_take(&p->at, ")")))
                return fault(p);
            break;
        } else if (host_take(&p->at, "class")) {
            p->at.at++;
            break;
        } else if (!host_take(&p->at, "final")) {
            return fault(p);
        }
    }
    if (!host_take(&p->at, "extends"))
        return fault(p);
    if (!host_take(&p->at, "Migration") &&
        !host_take(&p->at, "\\Illuminate\\Database\\Migrations\\Migration"))
        return fault_at(p, host_peek(&p->at, 0)->line,
                        "has a class that is not Laravel's Migration");
    if (!host_take(&p->at, "{") || !take_class_body(p))
        return fault(p);
    while (host_take(&p->at, ";"))
        continue;
    return host_peek(&p->at, 0)->kind == HOST_END || fault(p);
}

bool php_migration(Arena *arena, SqlDialect dialect, Str text, HostFile *ret_file, Error *err)
{
    HostTokenVec tokens = {0};
    Error local = {.arena = arena};
    if (str_starts(text, STR("\xef\xbb\xbf")))
        text = str_sub(text, 3, text.len);
    if (!lex(arena, text, &tokens, err))
        return false;
    Parser parser = {.at = {tokens.items, 0}, .arena = arena, .dialect = dialect, .err = &local};
    bool is_read = take_file(&parser);
    if (local.kind == ERROR_NOMEM ||
        (!is_read && !host_refuse(&parser.file, parser.fault_line, parser.fault, &local)))
        return error_nomem(err);
    *ret_file = parser.file;
    return true;
}

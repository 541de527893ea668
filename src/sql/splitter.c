/* Cuts a script into statements, the way the vendor's own client would where that client is right (docs/splitting.md says
 * where it is not), in one pass, holding one statement and a read buffer.
 *
 * The idea: a Scan is a window on validated text. Whoever walks over a quote or comment asks for more when the window is
 * used up, so that every construct may be cut by the end of a buffer at any byte. In a stream the window is a buffer that
 * begins at (or a little before) the trivia of the current statement; in memory it is the text itself. Bytes that must not
 * be there (NUL, not UTF-8) stop the window, so what stands before them is still split as if they were not.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "sql/scan.h"

#include <stdio.h>
#include <string.h>

enum {
    READ_SIZE = 64 * 1024,
    /* Bytes kept before the current statement, so that an error can show the start of its line. */
    KEPT_BEFORE = 256,
    EXCERPT_BEFORE = 120,
    EXCERPT_LONGEST = 200,
    LONGEST_DELIMITER = 15, /* as in the mysql client */
    DEEPEST_BODY = 512,
    SAVED_MODES = 8,
    SAVED_NAME = 64,
    LOOK_AHEAD = 64, /* how far behind the end of a statement of the largest length may be looked */
};
#define LARGEST_STATEMENT ((uint64_t)1 << 30)
#define CLIENT_HINT "Take it out; what it does has to be said in SQL or on whimbrel's command line."

typedef enum Bad { BAD_NOTHING, BAD_NUL, BAD_UTF8 } Bad;

/* What the words of a statement are watched for: bodies whose semicolons do not end it, and COPY. */
typedef enum Watch {
    WATCH_NOTHING,
    WATCH_START,   /* no word yet */
    WATCH_CREATE,  /* CREATE, and words that may follow it */
    WATCH_COPY,    /* PostgreSQL: COPY, for FROM STDIN */
    WATCH_ROUTINE, /* PostgreSQL: CREATE FUNCTION, for BEGIN ATOMIC */
    WATCH_ATOMIC,  /* behind BEGIN ATOMIC */
    WATCH_TRIGGER, /* SQLite: CREATE TRIGGER, for BEGIN */
    WATCH_TRIGGER_BODY,
    WATCH_BEGIN, /* MySQL: BEGIN, for NOT ATOMIC */
    WATCH_BODY,  /* MySQL: a routine, from its name on */
} Watch;

/* The token before, as far as watching needs it. */
typedef enum Prev {
    PREV_OTHER, /* operators, commas, words that an operand follows */
    PREV_OPERAND,
    PREV_DOT,
    PREV_AS,
    PREV_FROM,
    PREV_SEMICOLON,
    PREV_BEGIN,
    PREV_STARTER, /* THEN, ELSE, DO ...: a statement may begin here */
    PREV_NOUN,    /* PROCEDURE, TRIGGER ...: a name or IF NOT EXISTS follows */
    PREV_IF,      /* an IF that begins a statement unless it turns out to be the function */
    PREV_REPEAT,
    PREV_END,
} Prev;

typedef struct Modes {
    bool no_backslash_escapes, ansi_quotes, nonconforming_strings;
} Modes;

typedef struct SavedModes {
    char name[SAVED_NAME];
    size_t name_len;
    Modes modes;
} SavedModes;

struct SqlSplitter {
    Scan scan; /* first, so that splitter_more() finds the rest */
    SqlSplitOptions options;
    unsigned char classes[256];
    Arena *arena;
    Error *err; /* of the call that is under way */
    bool has_failed;

    /* where bytes come from; indexes count from data[0], which is byte `base` of the source */
    SqlSource source;
    bool is_stream, is_end, has_begun;
    bool is_rest;  /* what stands behind a COPY on its line */
    Arena *buffer; /* holds the read buffer, and is replaced when that grows */
    char *writable;
    size_t len, cap;
    uint64_t base;
    Bad bad; /* what is wrong with the byte at scan.limit */

    /* a place whose line is known, at or before everything that is still to be told */
    size_t mark;
    uint32_t line;
    uint64_t line_start; /* offset in the source */

    Modes modes;
    SavedModes saved[SAVED_MODES];
    size_t saved_len;
    char delimiter[LONGEST_DELIMITER + 1];
    size_t delimiter_len;

    /* the statement under way */
    size_t trivia_at, text_at, text_end;
    bool has_text;
    uint32_t trivia_line;
    SqlTerminator terminator;
    size_t terminator_len;
    Watch watch;
    Prev prev;
    size_t parens;
    size_t body_at; /* where the outermost body opened */
    size_t depth;
    unsigned char
        kinds[DEEPEST_BODY]; /* of open MySQL blocks: 1 when END may follow an expression */
    bool has_definer, is_package, has_handler, has_open_if;
    size_t if_commas;
    bool is_copy;
    Vec(size_t) joins; /* the backslashes of \; and \: */
    Arena *scratch;    /* of a stream: holds joined texts until the next call */

    /* COPY data */
    bool is_data, is_data_line_start;
    SqlSplitter *rest;
    Arena *rest_arena;
};

typedef enum Step { STEP_ON, STEP_END, STEP_FAIL } Step;

/* ---- errors --------------------------------------------------------------------------------------------------- */

static void mark_to(SqlSplitter *s, size_t at)
{
    const char *data = s->scan.data;

    while (s->mark < at) {
        const char *end = memchr(data + s->mark, '\n', at - s->mark);
        if (!end) {
            s->mark = at;
            return;
        }
        s->mark = (size_t)(end - data) + 1;
        s->line++;
        s->line_start = s->base + s->mark;
    }
}

static bool splitter_read(SqlSplitter *s);

/* The line around `at`, or a window of it, with bytes that a terminal should not see replaced one by one. */
static void add_excerpt(SqlSplitter *s, size_t at)
{
    Error *err = s->err;
    size_t from = s->line_start > s->base ? (size_t)(s->line_start - s->base) : 0;
    size_t to;
    bool is_cut = at - from > EXCERPT_BEFORE;

    s->err = NULL; /* a failure on the way to an excerpt is no news */
    for (;;) {
        const char *end = at < s->len ? memchr(s->scan.data + at, '\n', s->len - at) : NULL;
        to = end ? (size_t)(end - s->scan.data) : s->len;
        s->has_failed = false;
        if (end || to - at > EXCERPT_LONGEST || !splitter_read(s))
            break;
    }
    s->err = err;
    s->has_failed = true;
    if (to > at && s->scan.data[to - 1] == '\r')
        to--;
    if (is_cut && to - from > EXCERPT_LONGEST) {
        from = at - EXCERPT_BEFORE;
        while (from < at && ((unsigned char)s->scan.data[from] & 0xc0) == 0x80)
            from++;
    }
    if (to - from > EXCERPT_LONGEST) {
        to = from + EXCERPT_LONGEST;
        while (to > at + 1 && ((unsigned char)s->scan.data[to] & 0xc0) == 0x80)
            to--;
    }
    char *text = str_z(err->arena, (Str){s->scan.data + from, to - from});
    if (!text)
        return;
    for (size_t i = 0, len = to - from; i < len;) {
        size_t bad;
        if (str_is_utf8((Str){text + i, len - i}, &bad))
            bad = len - i;
        for (size_t end = i + bad; i < end; i++) {
            if ((unsigned char)text[i] < ' ' || text[i] == 0x7f)
                text[i] = text[i] == '\t' ? '\t' : '?';
        }
        if (i < len)
            text[i++] = '?';
    }
    err->excerpt = text;
    err->excerpt_column = (uint32_t)(at - from) + 1;
}

static bool fail(SqlSplitter *s, size_t at, const char *code, const char *fmt, ...)
    PRINTF_LIKE(4, 5);

static bool fail(SqlSplitter *s, size_t at, const char *code, const char *fmt, ...)
{
    Error *err = s->err;

    s->has_failed = true;
    if (!err)
        return false;
    char text[256];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    error_set(err, ERROR_PARSE, "%s", text);
    error_code(err, code);
    mark_to(s, at);
    error_at(err, str_from(s->options.file), s->line, (uint32_t)(s->base + at - s->line_start) + 1);
    add_excerpt(s, at);
    return false;
}

static bool fail_nomem(SqlSplitter *s)
{
    s->has_failed = true;
    return error_nomem(s->err);
}

static Step fail_hint(SqlSplitter *s, const char *hint)
{
    error_hint(s->err, "%s", hint);
    return STEP_FAIL;
}

static Step fail_open(SqlSplitter *s, size_t at, const char *what)
{
    /* The window may have stopped for another reason, which is then the error. */
    if (!s->has_failed)
        fail(s, at, "unterminated", "unterminated %s", what);
    return STEP_FAIL;
}

/* ---- bytes ---------------------------------------------------------------------------------------------------- */

/* Walks over what is well-formed in data[at, len); is_last: nothing follows, so that a sequence that is cut off is bad. */
static size_t validate(const char *data, size_t at, size_t len, bool is_last, Bad *ret_bad)
{
    const unsigned char *bytes = (const unsigned char *)data;

    *ret_bad = BAD_NOTHING;
    while (at < len) {
        while (len - at >= 8) {
            uint64_t word;
            memcpy(&word, data + at, 8);
            /* no byte has its high bit, and none is 0 */
            if ((word & 0x8080808080808080u) ||
                ((word - 0x0101010101010101u) & ~word & 0x8080808080808080u))
                break;
            at += 8;
        }
        if (at == len)
            break;
        unsigned char c = bytes[at];
        if (c == 0) {
            *ret_bad = BAD_NUL;
            return at;
        }
        if (c < 0x80) {
            at++;
            continue;
        }
        size_t size = c >= 0xc2 && c < 0xe0   ? 2
                      : c >= 0xe0 && c < 0xf0 ? 3
                      : c >= 0xf0 && c < 0xf5 ? 4
                                              : 0;
        unsigned char low = c == 0xe0   ? 0xa0
                            : c == 0xf0 ? 0x90
                                        : 0x80,
                      high = c == 0xed   ? 0x9f
                             : c == 0xf4 ? 0x8f
                                         : 0xbf;
        size_t i = 1;
        while (i < size && at + i < len && bytes[at + i] >= low && bytes[at + i] <= high) {
            low = 0x80;
            high = 0xbf;
            i++;
        }
        if (size > 0 && i == size) {
            at += size;
            continue;
        }
        if (size > 0 && at + i == len && !is_last)
            return at; /* cut off here: the rest is to come */
        *ret_bad = BAD_UTF8;
        return at;
    }
    return at;
}

/* Appends to the buffer what the source gives next; false at its end and on failure. */
static bool splitter_read(SqlSplitter *s)
{
    if (s->is_end || s->has_failed)
        return false;
    if (s->len == s->cap) {
        size_t cap = s->cap ? s->cap * 2 : (size_t)READ_SIZE * 2;
        Arena *grown = arena_new();
        char *data = grown ? arena_alloc(grown, cap) : NULL;
        if (!data) {
            arena_free(grown);
            return fail_nomem(s);
        }
        if (s->len > 0)
            memcpy(data, s->writable, s->len);
        arena_free(s->buffer);
        s->buffer = grown;
        s->writable = data;
        s->scan.data = data;
        s->cap = cap;
    }
    size_t room = s->cap - s->len, got = 0;
    if (room > READ_SIZE)
        room = READ_SIZE;
    if (!s->source.read(s->source.ctx, s->writable + s->len, room, &got, s->err)) {
        s->has_failed = true;
        return false;
    }
    s->is_end = got == 0;
    s->len += got;
    return got > 0;
}

static uint64_t longest(const SqlSplitter *s)
{
    return s->options.max_statement_bytes ? s->options.max_statement_bytes : LARGEST_STATEMENT;
}

static bool fail_too_long(SqlSplitter *s)
{
    size_t at = s->trivia_at;

    while (at < s->scan.at && s->classes[(unsigned char)s->scan.data[at]] == SCAN_SPACE)
        at++;
    fail(s, at, "statement-too-long",
         "a statement of more than %llu bytes, with the comments before it",
         (unsigned long long)longest(s));
    return error_hint(s->err, "Is a quote, a parenthesis or the end of a body missing?");
}

static bool fail_bad(SqlSplitter *s)
{
    size_t at = s->scan.limit;

    if (s->bad == BAD_NUL) {
        fail(s, at, "nul-byte", "a NUL byte");
        return error_hint(s->err,
                          "SQL text cannot hold one. Is the file UTF-16? Save it as UTF-8.");
    }
    fail(s, at, "not-utf8", "byte 0x%02x is not UTF-8 here", (unsigned char)s->scan.data[at]);
    return error_hint(s->err, "Save the file as UTF-8.");
}

static bool splitter_more(Scan *scan, bool is_literal)
{
    SqlSplitter *s = (SqlSplitter *)(void *)scan;

    for (;;) {
        if (s->has_failed)
            return false;
        if (!s->is_data && scan->at - s->trivia_at > longest(s) + LOOK_AHEAD)
            return fail_too_long(s);
        if (s->bad != BAD_NOTHING) {
            /* Dumps hold bytes in MySQL's _binary '...' as they are. */
            if (s->bad != BAD_UTF8 || !is_literal || s->options.dialect != SQL_MYSQL)
                return fail_bad(s);
            s->bad = BAD_NOTHING;
            scan->limit++;
            return true;
        }
        if (scan->limit < s->len) {
            /* In steps, so that a text in memory is looked at while it is in the cache. */
            bool is_step = s->len - scan->limit > READ_SIZE;
            size_t to = is_step ? scan->limit + READ_SIZE : s->len;
            scan->limit = validate(scan->data, scan->limit, to, s->is_end && !is_step, &s->bad);
            if (scan->limit > scan->at)
                return true;
            if (s->bad != BAD_NOTHING)
                continue;
            if (s->is_end)
                continue; /* a sequence was cut off: now nothing follows */
        } else if (s->is_end) {
            return false;
        }
        if (!splitter_read(s) && s->has_failed)
            return false;
    }
}

/* Forgets what is behind, once that is at least as much as what would be moved. */
static void splitter_compact(SqlSplitter *s)
{
    size_t at = s->scan.at, keep = at < KEPT_BEFORE ? at : KEPT_BEFORE, gone = at - keep;

    if (!s->is_stream || gone < s->len - gone || gone == 0)
        return;
    memmove(s->writable, s->writable + gone, s->len - gone);
    s->len -= gone;
    s->scan.at -= gone;
    s->scan.limit -= gone;
    s->mark -= gone;
    s->base += gone;
}

/* ---- modes ---------------------------------------------------------------------------------------------------- */

static void set_delimiter(SqlSplitter *s, Str delimiter)
{
    memcpy(s->classes, scan_classes(s->options.dialect), sizeof s->classes);
    memcpy(s->delimiter, delimiter.ptr, delimiter.len);
    s->delimiter_len = delimiter.len;
    /* The delimiter counts at every byte, inside words too: words are cut where it may begin. */
    s->classes[';'] = SCAN_OTHER;
    s->classes[(unsigned char)delimiter.ptr[0]] = SCAN_SEMICOLON;
}

static bool has_plain_delimiter(const SqlSplitter *s)
{
    return s->delimiter_len == 1 && s->delimiter[0] == ';';
}

static Str unquoted(Str text)
{
    if (text.len >= 2 && (text.ptr[0] == '\'' || text.ptr[0] == '"'))
        return str_sub(text, 1, text.len - 1);
    return text;
}

static Modes initial_modes(const SqlSplitter *s)
{
    return (Modes){s->options.no_backslash_escapes, s->options.ansi_quotes,
                   s->options.nonconforming_strings};
}

/* "ANSI,NO_BACKSLASH_ESCAPES" */
static void set_sql_mode(SqlSplitter *s, Str list)
{
    static const char *const quoting[] = {"ANSI_QUOTES", "ANSI",  "ORACLE",    "MSSQL",
                                          "DB2",         "MAXDB", "POSTGRESQL"};

    s->modes.no_backslash_escapes = s->modes.ansi_quotes = false;
    while (list.len > 0) {
        Str mode;
        list = str_cut(list, ',', &mode);
        mode = str_trim(mode);
        if (str_eq_nocase(mode, STR("NO_BACKSLASH_ESCAPES")))
            s->modes.no_backslash_escapes = true;
        for (size_t i = 0; i < sizeof quoting / sizeof *quoting; i++)
            s->modes.ansi_quotes |= str_eq_nocase(mode, str_from(quoting[i]));
    }
}

static void assign_sql_mode(SqlSplitter *s, const SqlToken *value)
{
    uint64_t bits;

    if (value->kind == SQL_TOKEN_STRING || value->kind == SQL_TOKEN_IDENT) {
        set_sql_mode(s, unquoted(value->text));
    } else if (value->kind == SQL_TOKEN_NUMBER && str_to_u64(value->text, &bits)) {
        s->modes.ansi_quotes = (bits & 4) != 0;
        s->modes.no_backslash_escapes = (bits & (1u << 20)) != 0;
    } else if (sql_token_is(value, "DEFAULT")) {
        s->modes = initial_modes(s);
    } else if (value->kind == SQL_TOKEN_PARAM) {
        /* a variable that the mode was saved in: dumps do so */
        for (size_t i = 0; i < s->saved_len; i++) {
            if (str_eq_nocase(value->text, (Str){s->saved[i].name, s->saved[i].name_len}))
                s->modes = s->saved[i].modes;
        }
    }
}

static void save_sql_mode(SqlSplitter *s, Str variable)
{
    size_t i = 0;

    if (variable.len > SAVED_NAME)
        return;
    while (i < s->saved_len &&
           !str_eq_nocase(variable, (Str){s->saved[i].name, s->saved[i].name_len}))
        i++;
    if (i == SAVED_MODES)
        return;
    if (i == s->saved_len)
        s->saved_len++;
    memcpy(s->saved[i].name, variable.ptr, variable.len);
    s->saved[i].name_len = variable.len;
    s->saved[i].modes = s->modes;
}

static bool is_mode_variable(Str text)
{
    return str_eq_nocase(text, STR("sql_mode")) || str_eq_nocase(text, STR("@@sql_mode")) ||
           str_eq_nocase(text, STR("@@session.sql_mode")) ||
           str_eq_nocase(text, STR("@@local.sql_mode"));
}

/* SET sql_mode = ..., @saved = @@sql_mode, also inside a conditional comment. */
static void follow_mysql_set(SqlSplitter *s, Str text)
{
    if (text.len > 2 && text.ptr[0] == '/') {
        size_t from = text.ptr[2] == 'M' ? 4 : 3;
        while (from < text.len && text.ptr[from] >= '0' && text.ptr[from] <= '9')
            from++;
        text = str_sub(text, from, text.len);
    }
    SqlSplitOptions options = s->options;
    options.no_backslash_escapes = s->modes.no_backslash_escapes;
    options.ansi_quotes = s->modes.ansi_quotes;
    SqlLexer lexer = sql_lexer(text, &options);
    SqlToken name, token;

    if (!sql_lexer_next(&lexer, &token) || !sql_token_is(&token, "SET"))
        return;
    bool has = sql_lexer_next(&lexer, &name);
    while (has) {
        if (sql_token_is(&name, "GLOBAL") || sql_token_is(&name, "PERSIST") ||
            sql_token_is(&name, "PERSIST_ONLY") || sql_token_is(&name, "STATEMENT"))
            return;
        if ((sql_token_is(&name, "SESSION") || sql_token_is(&name, "LOCAL")) &&
            !sql_lexer_next(&lexer, &name))
            return;
        if (!sql_lexer_next(&lexer, &token))
            return;
        if (str_eq(token.text, STR(":")) && !sql_lexer_next(&lexer, &token))
            return;
        SqlToken value;
        if (!str_eq(token.text, STR("=")) || !sql_lexer_next(&lexer, &value))
            return;
        bool is_alone = !(has = sql_lexer_next(&lexer, &token)) || str_eq(token.text, STR(",")) ||
                        str_eq(token.text, STR("*")); /* the end of the conditional comment */
        if (is_alone && is_mode_variable(name.text))
            assign_sql_mode(s, &value);
        else if (is_alone && name.kind == SQL_TOKEN_PARAM && is_mode_variable(value.text))
            save_sql_mode(s, name.text);
        for (size_t depth = 0; has && (depth > 0 || !str_eq(token.text, STR(",")));) {
            if (str_eq(token.text, STR("(")))
                depth++;
            else if (str_eq(token.text, STR(")")) && depth > 0)
                depth--;
            has = sql_lexer_next(&lexer, &token);
        }
        has = has && sql_lexer_next(&lexer, &name);
    }
}

static void follow_postgres_set(SqlSplitter *s, Str text)
{
    SqlSplitOptions options = s->options;
    options.nonconforming_strings = s->modes.nonconforming_strings;
    SqlLexer lexer = sql_lexer(text, &options);
    SqlToken token;

    if (!sql_lexer_next(&lexer, &token))
        return;
    bool is_set = sql_token_is(&token, "SET"), is_reset = sql_token_is(&token, "RESET");
    bool is_discard = sql_token_is(&token, "DISCARD");
    if ((!is_set && !is_reset && !is_discard) || !sql_lexer_next(&lexer, &token))
        return;
    if ((is_reset || is_discard) && sql_token_is(&token, "ALL")) {
        s->modes = initial_modes(s);
        return;
    }
    if (is_set && (sql_token_is(&token, "SESSION") || sql_token_is(&token, "LOCAL")) &&
        !sql_lexer_next(&lexer, &token))
        return;
    Str name = token.kind == SQL_TOKEN_IDENT ? unquoted(token.text) : token.text;
    if (!str_eq_nocase(name, STR("standard_conforming_strings")))
        return;
    if (is_reset) {
        s->modes = initial_modes(s);
        return;
    }
    if (!sql_lexer_next(&lexer, &token) || !sql_lexer_next(&lexer, &token))
        return;
    Str value = unquoted(token.text);
    static const char *const off[] = {"off", "of", "false", "fals", "fal",
                                      "fa",  "f",  "no",    "n",    "0"};
    bool is_off = false;
    for (size_t i = 0; i < sizeof off / sizeof *off; i++)
        is_off |= str_eq_nocase(value, str_from(off[i]));
    if (str_eq_nocase(value, STR("default")))
        s->modes = initial_modes(s);
    else
        s->modes.nonconforming_strings = is_off;
}

/* Statements that change how the text behind them is to be read are looked for by their first letters only. */
static void follow_modes(SqlSplitter *s, Str text)
{
    switch (s->options.dialect) {
    case SQL_SQLITE:
        break;
    case SQL_POSTGRES:
        if (str_starts_nocase(text, STR("set")) || str_starts_nocase(text, STR("reset")) ||
            str_starts_nocase(text, STR("discard")))
            follow_postgres_set(s, text);
        break;
    case SQL_MYSQL:
        if (str_starts_nocase(text, STR("set")) || str_starts(text, STR("/*!")) ||
            str_starts(text, STR("/*M!")))
            follow_mysql_set(s, text);
        break;
    }
}

/* ---- bodies --------------------------------------------------------------------------------------------------- */

static bool push_block(SqlSplitter *s, size_t at, bool is_expression)
{
    if (s->depth == DEEPEST_BODY) {
        fail(s, at, "too-deep", "blocks nested more than %d deep", (int)DEEPEST_BODY);
        return false;
    }
    if (s->depth == 0)
        s->body_at = at;
    s->kinds[s->depth++] = is_expression;
    return true;
}

/* Called with each token that is not a word, while a MySQL body is watched. */
static Step body_symbol(SqlSplitter *s, char c, size_t at)
{
    if (s->prev == PREV_IF && c == '(') {
        s->has_open_if =
            true; /* the function has two commas in its parentheses, the statement hardly ever */
        s->if_commas = 0;
    } else if (s->prev == PREV_IF && !push_block(s, at, false)) {
        return STEP_FAIL;
    } else if (s->prev == PREV_REPEAT && c != '(' && !push_block(s, at, true)) {
        return STEP_FAIL;
    }
    s->prev = PREV_OTHER;
    if (c == '(') {
        s->parens++;
    } else if (c == ')') {
        if (s->parens > 0)
            s->parens--;
        s->prev = PREV_OPERAND;
        if (s->parens == 0 && s->has_open_if) {
            s->has_open_if = false;
            if (s->if_commas != 2 && !push_block(s, at, false))
                return STEP_FAIL;
        }
    } else if (c == ',') {
        if (s->parens == 1)
            s->if_commas++;
    } else if (c == '.') {
        s->prev = PREV_DOT;
    } else if (c == ':') {
        s->prev = PREV_STARTER;
    } else if (c == '\'' || c == '"' || c == '`' || c == '0') {
        s->prev = PREV_OPERAND;
    } else if (c == ';') {
        s->prev = PREV_SEMICOLON;
        s->parens = 0;
        s->has_handler = s->has_open_if = false;
    }
    return STEP_ON;
}

/* A word behind END, IF or REPEAT settles what they were; true when the word is used up by that. */
static bool body_settle(SqlSplitter *s, ScanKeyword keyword, size_t at, Step *ret_step)
{
    *ret_step = STEP_ON;
    if (s->prev == PREV_END) {
        s->prev = PREV_OPERAND;
        return keyword == KEYWORD_IF || keyword == KEYWORD_CASE || keyword == KEYWORD_LOOP ||
               keyword == KEYWORD_REPEAT || keyword == KEYWORD_WHILE || keyword == KEYWORD_FOR;
    }
    if (s->prev == PREV_IF || s->prev == PREV_REPEAT) {
        bool is_repeat = s->prev == PREV_REPEAT;
        if (!push_block(s, at, is_repeat))
            *ret_step = STEP_FAIL;
        s->prev = is_repeat ? PREV_STARTER : PREV_OTHER;
    }
    return *ret_step != STEP_ON;
}

static bool may_close(const SqlSplitter *s)
{
    if (s->depth == 0 || s->parens > 0)
        return false;
    /* END is no reserved word: a column may have that name. A block's END follows a semicolon; that of a CASE
     * expression or of UNTIL follows an operand. */
    if (s->prev == PREV_SEMICOLON || s->prev == PREV_BEGIN)
        return true;
    return s->kinds[s->depth - 1] && s->prev == PREV_OPERAND;
}

static Step body_word(SqlSplitter *s, ScanKeyword keyword, size_t at)
{
    Step step;

    if (body_settle(s, keyword, at, &step))
        return step;
    Prev prev = s->prev;
    bool starts = prev == PREV_SEMICOLON || prev == PREV_BEGIN || prev == PREV_STARTER;
    s->prev = PREV_OPERAND;
    if (prev == PREV_DOT || s->parens > 0)
        return STEP_ON; /* whatever is in parentheses is balanced */
    switch ((int)keyword) {
    case KEYWORD_BEGIN:
        if ((s->depth == 0 && prev != PREV_NOUN) || starts || s->has_handler) {
            s->prev = PREV_BEGIN;
            return push_block(s, at, false) ? STEP_ON : STEP_FAIL;
        }
        break;
    case KEYWORD_ATOMIC:
        if (s->depth == 1 && prev == PREV_OTHER)
            s->prev = PREV_BEGIN;
        break;
    case KEYWORD_CASE:
        s->prev = PREV_OTHER;
        return push_block(s, at, true) ? STEP_ON : STEP_FAIL;
    case KEYWORD_WHILE:
        s->prev = PREV_OTHER;
        return push_block(s, at, false) ? STEP_ON : STEP_FAIL;
    case KEYWORD_LOOP:
        s->prev = PREV_STARTER;
        return push_block(s, at, false) ? STEP_ON : STEP_FAIL;
    case KEYWORD_FOR:
        s->prev = PREV_OTHER;
        if (starts)
            return push_block(s, at, false) ? STEP_ON : STEP_FAIL;
        break;
    case KEYWORD_IF:
        s->prev = starts || (s->depth == 0 && prev != PREV_NOUN) ? PREV_IF : PREV_OPERAND;
        break;
    case KEYWORD_REPEAT:
        s->prev = starts || s->depth == 0 ? PREV_REPEAT : PREV_OPERAND;
        break;
    case KEYWORD_END:
        s->prev = prev;
        if (may_close(s)) {
            s->depth--;
            s->prev = PREV_END;
        } else {
            s->prev = PREV_OPERAND;
        }
        break;
    case KEYWORD_AS:
    case KEYWORD_IS:
        s->prev = PREV_OTHER;
        if (s->is_package && s->depth == 0) {
            s->prev = PREV_BEGIN;
            return push_block(s, at, false) ? STEP_ON : STEP_FAIL;
        }
        break;
    case KEYWORD_THEN:
    case KEYWORD_ELSE:
    case KEYWORD_DO:
    case KEYWORD_ROW:
        s->prev = PREV_STARTER;
        break;
    case KEYWORD_HANDLER:
        s->has_handler = true;
        break;
    case KEYWORD_BODY:
        s->prev = s->is_package && prev == PREV_NOUN ? PREV_NOUN : PREV_OPERAND;
        break;
    case KEYWORD_AND:
    case KEYWORD_OR:
    case KEYWORD_NOT:
    case KEYWORD_WHEN:
    case KEYWORD_WHERE:
    case KEYWORD_SELECT:
    case KEYWORD_BY:
    case KEYWORD_SET:
        s->prev = PREV_OTHER;
        break;
    }
    return STEP_ON;
}

static Step create_word(SqlSplitter *s, ScanKeyword keyword)
{
    SqlDialect dialect = s->options.dialect;

    switch ((int)keyword) {
    case KEYWORD_OR:
    case KEYWORD_REPLACE:
        return STEP_ON;
    case KEYWORD_TEMP:
    case KEYWORD_TEMPORARY:
        if (dialect == SQL_SQLITE)
            return STEP_ON;
        break;
    case KEYWORD_AGGREGATE:
        if (dialect == SQL_MYSQL)
            return STEP_ON;
        break;
    case KEYWORD_DEFINER:
        s->has_definer = dialect == SQL_MYSQL;
        break;
    case KEYWORD_VIEW:
        s->has_definer = false;
        break;
    case KEYWORD_FUNCTION:
    case KEYWORD_PROCEDURE:
        if (dialect == SQL_SQLITE)
            break;
        s->watch = dialect == SQL_POSTGRES ? WATCH_ROUTINE : WATCH_BODY;
        s->prev = PREV_NOUN;
        return STEP_ON;
    case KEYWORD_TRIGGER:
        if (dialect == SQL_POSTGRES)
            break;
        s->watch = dialect == SQL_SQLITE ? WATCH_TRIGGER : WATCH_BODY;
        s->prev = PREV_NOUN;
        return STEP_ON;
    case KEYWORD_EVENT:
    case KEYWORD_PACKAGE:
        if (dialect != SQL_MYSQL)
            break;
        s->is_package = keyword == KEYWORD_PACKAGE;
        s->watch = WATCH_BODY;
        s->prev = PREV_NOUN;
        return STEP_ON;
    }
    if (!s->has_definer)
        s->watch = WATCH_NOTHING;
    return STEP_ON;
}

static Step first_word(SqlSplitter *s, ScanKeyword keyword, size_t at)
{
    s->watch = WATCH_NOTHING;
    switch (s->options.dialect) {
    case SQL_POSTGRES:
        if (keyword == KEYWORD_CREATE)
            s->watch = WATCH_CREATE;
        else if (keyword == KEYWORD_COPY)
            s->watch = WATCH_COPY;
        break;
    case SQL_SQLITE:
        if (keyword == KEYWORD_CREATE)
            s->watch = WATCH_CREATE;
        else if (keyword == KEYWORD_EXPLAIN || keyword == KEYWORD_QUERY || keyword == KEYWORD_PLAN)
            s->watch = WATCH_START;
        break;
    case SQL_MYSQL:
        if (!has_plain_delimiter(s))
            break;
        if (keyword == KEYWORD_CREATE || keyword == KEYWORD_ALTER)
            s->watch = WATCH_CREATE;
        else if (keyword == KEYWORD_BEGIN) {
            s->watch = WATCH_BEGIN;
            s->body_at = at;
        } else if (keyword == KEYWORD_IF || keyword == KEYWORD_CASE || keyword == KEYWORD_LOOP ||
                   keyword == KEYWORD_WHILE || keyword == KEYWORD_REPEAT ||
                   keyword == KEYWORD_FOR) {
            s->watch = WATCH_BODY; /* MariaDB takes these outside of routines */
            s->prev = PREV_STARTER;
            return body_word(s, keyword, at);
        }
        break;
    }
    return STEP_ON;
}

/* A word while something is watched for. */
static Step watch_word(SqlSplitter *s, Str word, size_t at)
{
    ScanKeyword keyword = scan_keyword(word);
    Prev prev = s->prev;

    switch (s->watch) {
    case WATCH_NOTHING:
        break;
    case WATCH_START:
        return first_word(s, keyword, at);
    case WATCH_CREATE:
        return create_word(s, keyword);
    case WATCH_COPY:
        s->prev = keyword == KEYWORD_FROM && s->parens == 0 ? PREV_FROM : PREV_OTHER;
        if (keyword == KEYWORD_STDIN && prev == PREV_FROM) {
            s->is_copy = true;
            s->watch = WATCH_NOTHING;
        }
        break;
    case WATCH_ROUTINE:
        s->prev = PREV_OTHER;
        if (keyword == KEYWORD_BEGIN && s->parens == 0) {
            s->prev = PREV_BEGIN;
            s->body_at = at;
        } else if (keyword == KEYWORD_ATOMIC && prev == PREV_BEGIN) {
            s->depth = 1;
            s->watch = WATCH_ATOMIC;
        }
        break;
    case WATCH_ATOMIC:
        s->prev = keyword == KEYWORD_AS ? PREV_AS : PREV_OTHER;
        if (prev == PREV_AS || prev == PREV_DOT)
            break; /* a name, whatever the word */
        if (keyword == KEYWORD_CASE)
            s->depth++;
        else if (keyword == KEYWORD_END && --s->depth == 0)
            s->watch = WATCH_NOTHING;
        break;
    case WATCH_TRIGGER:
        if (keyword == KEYWORD_BEGIN) {
            s->watch = WATCH_TRIGGER_BODY;
            s->body_at = at;
            s->prev = PREV_OTHER;
        }
        break;
    case WATCH_TRIGGER_BODY:
        /* END is no reserved word here, but the one that ends the body, and no other, follows a semicolon. */
        s->prev = keyword == KEYWORD_END && prev == PREV_SEMICOLON ? PREV_END : PREV_OTHER;
        break;
    case WATCH_BEGIN:
        s->watch = WATCH_NOTHING;
        if (keyword == KEYWORD_NOT) {
            size_t begin = s->body_at;
            s->watch = WATCH_BODY;
            s->prev = PREV_OTHER;
            push_block(s, begin, false);
        }
        break;
    case WATCH_BODY:
        return body_word(s, keyword, at);
    }
    return STEP_ON;
}

/* Any other token while something is watched for; c stands for it: a quote, '0' for a number, or itself. */
static Step watch_symbol(SqlSplitter *s, char c, size_t at)
{
    switch (s->watch) {
    case WATCH_NOTHING:
        break;
    case WATCH_START:
    case WATCH_BEGIN:
        s->watch = WATCH_NOTHING;
        break;
    case WATCH_CREATE:
        if (!s->has_definer)
            s->watch = WATCH_NOTHING;
        break;
    case WATCH_TRIGGER:
        break;
    case WATCH_COPY:
    case WATCH_ROUTINE:
    case WATCH_ATOMIC:
    case WATCH_TRIGGER_BODY:
        s->prev = c == '.' ? PREV_DOT : PREV_OTHER;
        break;
    case WATCH_BODY:
        return body_symbol(s, c, at);
    }
    return STEP_ON;
}

/* ---- tokens --------------------------------------------------------------------------------------------------- */

static void add_token(SqlSplitter *s, size_t from)
{
    if (!s->has_text) {
        s->has_text = true;
        s->text_at = from;
    }
    s->text_end = s->scan.at;
}

static Step add_symbol(SqlSplitter *s, size_t from, char c)
{
    add_token(s, from);
    return s->watch ? watch_symbol(s, c, from) : STEP_ON;
}

/* Whether only blanks stand between the start of its line and `at`. */
static bool is_first_in_line(const SqlSplitter *s, size_t at)
{
    while (at > s->trivia_at) {
        char c = s->scan.data[at - 1];
        if (c == '\n')
            return true;
        if (c != ' ' && c != '\t' && c != '\r')
            return false;
        at--;
    }
    /* trivia begins behind a terminator, or at the start of the text */
    return s->base + at == 0 || s->base + at == s->line_start ||
           (at > 0 && s->scan.data[at - 1] == '\n');
}

/* Whether only blanks stand between `ahead` bytes on and the end of the line. */
static bool is_last_in_line(SqlSplitter *s, size_t ahead)
{
    for (;; ahead++) {
        int c = scan_peek(&s->scan, ahead);
        if (c < 0 || c == '\n')
            return true;
        if (c != ' ' && c != '\t' && c != '\r')
            return false;
    }
}

static Step take_quoted(SqlSplitter *s, size_t from, char quote, bool has_escapes)
{
    bool is_mysql = s->options.dialect == SQL_MYSQL;
    bool is_literal = quote == '\'' || (quote == '"' && is_mysql && !s->modes.ansi_quotes);

    s->scan.at++;
    if (!scan_quoted(&s->scan, quote, has_escapes, is_literal))
        return fail_open(s, from,
                         is_literal     ? "string"
                         : quote == '`' ? "identifier in backticks"
                                        : "quoted identifier");
    return STEP_ON;
}

static Step take_plain_quoted(SqlSplitter *s, size_t from, char quote)
{
    bool has_escapes = false;

    switch (s->options.dialect) {
    case SQL_SQLITE:
        break;
    case SQL_POSTGRES:
        has_escapes = quote == '\'' && s->modes.nonconforming_strings;
        break;
    case SQL_MYSQL:
        has_escapes = !s->modes.no_backslash_escapes &&
                      (quote == '\'' || (quote == '"' && !s->modes.ansi_quotes));
        break;
    }
    if (take_quoted(s, from, quote, has_escapes) != STEP_ON)
        return STEP_FAIL;
    return add_symbol(s, from, quote);
}

/* A PostgreSQL string whose prefix decides how it is read: at is behind a word of one letter. */
static Step take_prefixed(SqlSplitter *s, size_t from, bool *ret_is_string)
{
    char prefix = s->scan.data[from] | 0x20;
    int next = scan_peek(&s->scan, 0);

    *ret_is_string = false;
    if (prefix == 'u' && next == '&') {
        next = scan_peek(&s->scan, 1);
        if (next != '\'' && next != '"')
            return STEP_ON;
        s->scan.at++;
    } else if (next != '\'' || (prefix != 'e' && prefix != 'b' && prefix != 'x')) {
        return STEP_ON;
    }
    *ret_is_string = true;
    do {
        if (take_quoted(s, from, (char)next, prefix == 'e') != STEP_ON)
            return STEP_FAIL;
        add_token(s, from);
    } while (prefix == 'e' && scan_continuation(&s->scan));
    return s->watch ? watch_symbol(s, (char)next, from) : STEP_ON;
}

static void skip_blanks(Scan *scan)
{
    int c;

    while ((c = scan_peek(scan, 0)) == ' ' || c == '\t' || c == '\r')
        scan->at++;
}

static Step take_delimiter_command(SqlSplitter *s, size_t from)
{
    Scan *scan = &s->scan;

    if (!is_first_in_line(s, from)) {
        fail(s, from, "delimiter", "DELIMITER is not at the start of its line");
        return fail_hint(s, "The mysql client does not see it there. Put it on a line of its own.");
    }
    while (scan_peek(scan, 0) == ' ' || scan_peek(scan, 0) == '\t')
        scan->at++;
    size_t at = scan->at;
    int quote = scan_peek(scan, 0);
    bool is_quoted = quote == '\'' || quote == '"' || quote == '`';
    if (is_quoted)
        at = ++scan->at;
    int c;
    while ((c = scan_peek(scan, 0)) > ' ' && !(is_quoted && c == quote))
        scan->at++;
    Str delimiter = {scan->data + at, scan->at - at};
    if (s->has_failed)
        return STEP_FAIL;
    if (delimiter.len == 0 || delimiter.len > LONGEST_DELIMITER ||
        memchr(delimiter.ptr, '\\', delimiter.len)) {
        fail(s, from, "delimiter",
             "DELIMITER needs one word of at most %d bytes without a backslash",
             (int)LONGEST_DELIMITER);
        return fail_hint(s, "Write, for example, DELIMITER //");
    }
    set_delimiter(s, delimiter);
    if (is_quoted && c == quote)
        scan->at++;
    skip_blanks(scan);
    c = scan_peek(scan, 0);
    if (c == '#' || (c == '-' && scan_is_dash_comment(scan, SQL_MYSQL))) {
        scan_line_comment(scan, SQL_MYSQL);
        c = -1;
    }
    if (c >= 0 && c != '\n') {
        fail(s, scan->at, "delimiter", "text behind DELIMITER on its line");
        return fail_hint(s, "The mysql client drops it silently. Put it on the next line.");
    }
    return s->has_failed ? STEP_FAIL : STEP_ON;
}

/* "use db" on a line without a delimiter: the client takes the line. */
static Step take_use_line(SqlSplitter *s, size_t from)
{
    Scan *scan = &s->scan;
    size_t ahead = 0;
    int c;

    add_token(s, from);
    s->watch = WATCH_NOTHING;
    if (!is_first_in_line(s, from) || ((c = scan_peek(scan, 0)) != ' ' && c != '\t'))
        return STEP_ON;
    for (; (c = scan_peek(scan, ahead)) >= 0 && c != '\n'; ahead++) {
        if (c == s->delimiter[0] && scan_has(scan, ahead + s->delimiter_len) &&
            memcmp(scan->data + scan->at + ahead, s->delimiter, s->delimiter_len) == 0)
            return STEP_ON;
    }
    if (s->has_failed)
        return STEP_FAIL;
    while (scan_peek(scan, 0) == ' ' || scan_peek(scan, 0) == '\t')
        scan->at++;
    size_t name = scan->at;
    if (scan_peek(scan, 0) == '`') {
        if (take_quoted(s, name, '`', false) != STEP_ON)
            return STEP_FAIL;
    } else {
        scan_ident(scan, s->classes);
    }
    size_t end = scan->at;
    skip_blanks(scan);
    c = scan_peek(scan, 0);
    bool is_whole =
        c < 0 || c == '\n' || c == '#' || (c == '-' && scan_is_dash_comment(scan, SQL_MYSQL));
    scan->at = end;
    if (end > name)
        s->text_end = end;
    if (s->has_failed)
        return STEP_FAIL;
    if (end == name || !is_whole)
        return STEP_ON; /* the server will say what it thinks of it */
    s->terminator = SQL_END_CLIENT;
    s->terminator_len = 0;
    return STEP_END;
}

static Step fail_client(SqlSplitter *s, size_t from, const char *code, Str command,
                        const char *client, const char *hint)
{
    fail(s, from, code, "%.*s is a command of the %s client, not SQL", STR_ARG(command), client);
    return fail_hint(s, hint);
}

/* The first word of a MySQL statement may be the client's. */
static Step take_first_word(SqlSplitter *s, Str word, size_t from, bool *ret_is_taken)
{
    static const Str commands[] = {
        {"charset", 7}, {"clear", 5},     {"connect", 7},
        {"edit", 4},    {"ego", 3},       {"exit", 4},
        {"go", 2},      {"help", 4},      {"nopager", 7},
        {"notee", 5},   {"nowarning", 9}, {"pager", 5},
        {"print", 5},   {"prompt", 6},    {"query_attributes", 16},
        {"quit", 4},    {"rehash", 6},    {"resetconnection", 15},
        {"source", 6},  {"status", 6},    {"system", 6},
        {"tee", 3},     {"warnings", 8},
    };

    *ret_is_taken = true;
    if (str_eq_nocase(word, STR("delimiter")))
        return take_delimiter_command(s, from);
    if (str_eq_nocase(word, STR("use")))
        return take_use_line(s, from);
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
        if (word.len != commands[i].len || (word.ptr[0] | 0x20) != commands[i].ptr[0])
            continue;
        if (str_eq_nocase(word, commands[i]))
            return fail_client(s, from, "client-command", word, "mysql", CLIENT_HINT);
    }
    *ret_is_taken = false;
    return STEP_ON;
}

static Step take_word(SqlSplitter *s, size_t from)
{
    SqlDialect dialect = s->options.dialect;

    s->scan.at++;
    scan_ident(&s->scan, s->classes);
    size_t len = s->scan.at - from;
    Str word = {s->scan.data + from, len};
    if (dialect == SQL_POSTGRES && len == 1) {
        bool is_string;
        Step step = take_prefixed(s, from, &is_string);
        if (is_string || step != STEP_ON)
            return step;
        word.ptr = s->scan.data + from;
    } else if (dialect == SQL_MYSQL && s->watch == WATCH_START) {
        bool is_taken;
        Step step = take_first_word(s, word, from, &is_taken);
        if (is_taken || step != STEP_ON)
            return step;
    } else if (dialect == SQL_SQLITE && len == 2 && s->watch != WATCH_TRIGGER_BODY &&
               str_eq_nocase(word, STR("go")) && is_first_in_line(s, from) &&
               is_last_in_line(s, 0)) {
        return fail_client(s, from, "client-command", STR("go"), "sqlite3",
                           "End the statement with a semicolon instead.");
    }
    add_token(s, from);
    return s->watch ? watch_word(s, (Str){s->scan.data + from, len}, from) : STEP_ON;
}

static Step take_digits(SqlSplitter *s, size_t from)
{
    Scan *scan = &s->scan;

    scan->at++;
    if (s->options.dialect == SQL_POSTGRES) {
        /* 1$a$ is a number and a dollar quote; 1a$b$ is junk that belongs together */
        int c;
        while ((c = scan_peek(scan, 0)) >= '0' && c <= '9')
            scan->at++;
        if (c >= 0 && (s->classes[c] & SCAN_CLASS_MASK) == SCAN_WORD)
            scan_ident(scan, s->classes);
    } else {
        scan_ident(scan, s->classes);
    }
    return add_symbol(s, from, '0');
}

static Step take_dollar(SqlSplitter *s, size_t from)
{
    Scan *scan = &s->scan;
    size_t tag_len = scan_dollar_tag(scan);

    if (s->has_failed)
        return STEP_FAIL;
    if (tag_len == 0) {
        int c;
        scan->at++;
        while ((c = scan_peek(scan, 0)) >= '0' && c <= '9')
            scan->at++;
        return add_symbol(s, from, '0');
    }
    scan->at += tag_len;
    if (!scan_dollar_body(scan, from, tag_len)) {
        if (s->has_failed)
            return STEP_FAIL;
        size_t shown = tag_len < 40 ? tag_len : 40;
        fail(s, from, "unterminated", "unterminated dollar quote %.*s", (int)shown,
             s->scan.data + from);
        return STEP_FAIL;
    }
    return add_symbol(s, from, '\'');
}

/* Whether the delimiter stands at the scan. */
static bool at_delimiter(SqlSplitter *s)
{
    return scan_has(&s->scan, s->delimiter_len) &&
           memcmp(s->scan.data + s->scan.at, s->delimiter, s->delimiter_len) == 0;
}

static Step take_dash(SqlSplitter *s, size_t from)
{
    SqlDialect dialect = s->options.dialect;

    if (scan_is_dash_comment(&s->scan, dialect)) {
        scan_line_comment(&s->scan, dialect);
        return STEP_ON;
    }
    /* The mysql client drops a line that begins with two dashes, whatever follows, unless inside a statement. */
    if (dialect == SQL_MYSQL && !s->has_text && scan_peek(&s->scan, 1) == '-' &&
        is_first_in_line(s, from)) {
        scan_line_comment(&s->scan, dialect);
        return STEP_ON;
    }
    s->scan.at++;
    if (dialect == SQL_MYSQL && scan_peek(&s->scan, 0) == '-') {
        /* Right before the delimiter they are the end of what the server gets, and there a comment. */
        s->scan.at++;
        if (at_delimiter(s))
            return STEP_ON;
        s->scan.at--;
    }
    return add_symbol(s, from, '-');
}

/* Dumps begin with a line that forbids the client's commands; it is not for the server. */
static bool is_sandbox_mark(SqlSplitter *s, size_t from)
{
    static const Str marks[] = {{"/*!999999\\-", 11}, {"/*M!999999\\-", 12}};

    if (s->has_text || s->line != 1 || memchr(s->scan.data + s->mark, '\n', from - s->mark))
        return false;
    size_t at = s->scan.at;
    s->scan.at = from;
    bool is_mark = false;
    for (size_t i = 0; i < sizeof marks / sizeof *marks; i++)
        is_mark |= scan_has(&s->scan, marks[i].len) &&
                   memcmp(s->scan.data + from, marks[i].ptr, marks[i].len) == 0;
    s->scan.at = at;
    return is_mark;
}

static Step take_slash(SqlSplitter *s, size_t from)
{
    Scan *scan = &s->scan;
    SqlDialect dialect = s->options.dialect;

    if (scan_peek(scan, 1) != '*') {
        if (dialect == SQL_SQLITE && s->watch != WATCH_TRIGGER_BODY && is_first_in_line(s, from) &&
            is_last_in_line(s, 1))
            return fail_client(s, from, "client-command", STR("/"), "sqlite3",
                               "End the statement with a semicolon instead.");
        scan->at++;
        return add_symbol(s, from, '/');
    }
    bool is_code = false;
    if (dialect == SQL_MYSQL) {
        int c = scan_peek(scan, 2);
        is_code = c == '!' || (c == 'M' && scan_peek(scan, 3) == '!');
        if (is_code && is_sandbox_mark(s, from))
            is_code = false;
        else if (c == '+' && s->has_text)
            is_code = true; /* an optimizer hint */
    }
    scan->at += 2;
    if (!scan_block_comment(scan, dialect == SQL_POSTGRES)) {
        if (dialect == SQL_SQLITE && !s->has_failed)
            return STEP_ON; /* runs to the end of the text */
        return fail_open(s, from, "comment");
    }
    return is_code ? add_symbol(s, from, '*') : STEP_ON;
}

/* ---- the backslash of psql and mysql -------------------------------------------------------------------------- */

static Step take_psql_g(SqlSplitter *s, size_t from)
{
    if (!s->has_text) {
        fail(s, from, "psql-command", "\\g with no statement before it");
        return fail_hint(
            s, "psql would run the last statement again. Take it out, or write the statement.");
    }
    if (!is_last_in_line(s, 0)) {
        fail(s, from, "psql-command", "\\g with an argument");
        return fail_hint(
            s, "Its result cannot be sent elsewhere. End the statement with a semicolon.");
    }
    if (s->has_failed)
        return STEP_FAIL;
    s->terminator = SQL_END_CLIENT;
    s->terminator_len = s->scan.at - from;
    return STEP_END;
}

static Step take_psql_backslash(SqlSplitter *s, size_t from)
{
    Scan *scan = &s->scan;
    int c = scan_peek(scan, 1);

    if (s->has_failed)
        return STEP_FAIL;
    if (c == ';' || c == ':') {
        scan->at += 2;
        if (!s->has_text && c == ';')
            return STEP_ON;
        add_token(s, from);
        Arena *arena = s->is_stream ? s->scratch : s->arena;
        if (!vec_push(arena, &s->joins, from)) {
            fail_nomem(s);
            return STEP_FAIL;
        }
        if (c == ';' && s->watch != WATCH_ATOMIC)
            s->watch = WATCH_START;
        return STEP_ON;
    }
    scan->at++;
    size_t word_at = scan->at;
    scan_ident(scan, s->classes);
    if (scan->at == word_at && c > ' ')
        scan->at++;
    if (s->has_failed)
        return STEP_FAIL;
    Str command = {scan->data + from, scan->at - from};
    if (str_eq(command, STR("\\g")) || str_eq(command, STR("\\gx")))
        return take_psql_g(s, from);
    if (!s->has_text &&
        (str_eq(command, STR("\\restrict")) || str_eq(command, STR("\\unrestrict")))) {
        scan_line_comment(scan, SQL_MYSQL); /* to the line feed */
        return STEP_ON;
    }
    static const struct {
        const char *command, *hint;
    } hints[] = {
        {"\\i", "Put the file's text here, or make it a migration of its own."},
        {"\\ir", "Put the file's text here, or make it a migration of its own."},
        {"\\include", "Put the file's text here, or make it a migration of its own."},
        {"\\include_relative", "Put the file's text here, or make it a migration of its own."},
        {"\\copy", "Use COPY ... FROM STDIN with the data behind it, up to a line \\."},
        {"\\set", "Use placeholders: ${name}."},
        {"\\connect", "A migration runs on the connection of its run. Take the line out."},
        {"\\c", "A migration runs on the connection of its run. Take the line out."},
        {"\\gexec", "Use a DO block with EXECUTE."},
        {"\\gset", "Use a DO block with a variable."},
        {"\\.", "It ends the data of a COPY ... FROM STDIN, and there is none here."},
    };
    const char *hint = CLIENT_HINT;
    for (size_t i = 0; i < sizeof hints / sizeof *hints; i++) {
        if (str_eq(command, str_from(hints[i].command)))
            hint = hints[i].hint;
    }
    return fail_client(s, from, "psql-command", str_sub(command, 0, 40), "psql", hint);
}

static Step take_mysql_backslash(SqlSplitter *s, size_t from)
{
    Scan *scan = &s->scan;
    int c = scan_peek(scan, 1);

    if (s->has_failed)
        return STEP_FAIL;
    if (c == 'N') { /* NULL */
        scan->at += 2;
        return add_symbol(s, from, '0');
    }
    if (c == 'g' || c == 'G') {
        scan->at += 2;
        s->terminator = SQL_END_CLIENT;
        s->terminator_len = 2;
        return s->has_text ? STEP_END : STEP_ON;
    }
    Str command = {scan->data + from, c > ' ' && c < 0x7f ? 2 : 1};
    return fail_client(s, from, "client-command", command, "mysql", CLIENT_HINT);
}

/* ---- the end of a statement ----------------------------------------------------------------------------------- */

static Step take_delimiter(SqlSplitter *s, size_t from, bool *ret_is_delimiter)
{
    Scan *scan = &s->scan;

    *ret_is_delimiter = s->delimiter_len == 1 || at_delimiter(s);
    if (s->has_failed)
        return STEP_FAIL;
    if (!*ret_is_delimiter)
        return STEP_ON;
    if (has_plain_delimiter(s)) {
        bool is_inside = false;
        switch (s->watch) {
        case WATCH_ATOMIC:
            is_inside = true;
            break;
        case WATCH_TRIGGER_BODY:
            is_inside = s->prev != PREV_END;
            s->prev = PREV_SEMICOLON;
            break;
        case WATCH_BODY:
            if (body_symbol(s, ';', from) != STEP_ON)
                return STEP_FAIL;
            is_inside = s->depth > 0;
            break;
        case WATCH_NOTHING:
        case WATCH_START:
        case WATCH_CREATE:
        case WATCH_COPY:
        case WATCH_ROUTINE:
        case WATCH_TRIGGER:
        case WATCH_BEGIN:
            break;
        }
        if (s->options.dialect == SQL_POSTGRES && s->parens > 0)
            is_inside = true;
        if (is_inside) {
            scan->at++;
            add_token(s, from);
            return STEP_ON;
        }
    }
    scan->at += s->delimiter_len;
    s->terminator = SQL_END_SEMICOLON;
    s->terminator_len = s->delimiter_len;
    return s->has_text ? STEP_END : STEP_ON; /* empty statements are dropped */
}

static Step take_paren(SqlSplitter *s, size_t from, char c)
{
    s->scan.at++;
    if (s->options.dialect == SQL_POSTGRES) {
        if (c == '(')
            s->parens++;
        else if (s->parens > 0)
            s->parens--;
    }
    return add_symbol(s, from, c);
}

static Step take_other(SqlSplitter *s, size_t from, char c)
{
    if (s->options.dialect == SQL_SQLITE && c == '.' && !s->has_text && is_first_in_line(s, from)) {
        size_t end = 1;
        int next;
        while ((next = scan_peek(&s->scan, end)) > ' ' && end < 40)
            end++;
        return fail_client(s, from, "client-command", (Str){s->scan.data + from, end}, "sqlite3",
                           CLIENT_HINT);
    }
    s->scan.at++;
    return add_symbol(s, from, c);
}

static Step take_bracket(SqlSplitter *s, size_t from)
{
    s->scan.at++;
    if (!scan_until(&s->scan, ']'))
        return fail_open(s, from, "identifier in brackets");
    return add_symbol(s, from, '"');
}

static Step take(SqlSplitter *s, size_t from, unsigned char c)
{
    unsigned char class = s->classes[c] & SCAN_CLASS_MASK;

    if (class == SCAN_SEMICOLON) {
        bool is_delimiter;
        Step step = STEP_ON;
        /* DELIMITER is seen before the delimiter: "delimiter d" must not be for ever. */
        if (c != 'd' && c != 'D')
            step = take_delimiter(s, from, &is_delimiter);
        else if (s->watch == WATCH_START && scan_has(&s->scan, 10) &&
                 str_eq_nocase((Str){s->scan.data + from, 9}, STR("delimiter")) &&
                 (s->scan.data[from + 9] == ' ' || s->scan.data[from + 9] == '\t')) {
            s->scan.at += 9;
            return take_delimiter_command(s, from);
        } else
            step = take_delimiter(s, from, &is_delimiter);
        if (is_delimiter || step != STEP_ON)
            return step;
        class = scan_classes(s->options.dialect)[c] & SCAN_CLASS_MASK;
        if (class == SCAN_SEMICOLON)
            class = SCAN_OTHER;
    }
    switch ((ScanClass) class) {
    case SCAN_SPACE:
        s->scan.at++;
        scan_spaces(&s->scan, s->classes);
        return STEP_ON;
    case SCAN_WORD:
        return take_word(s, from);
    case SCAN_DIGIT:
        return take_digits(s, from);
    case SCAN_QUOTE:
        return take_plain_quoted(s, from, (char)c);
    case SCAN_BRACKET:
        return take_bracket(s, from);
    case SCAN_DOLLAR:
        return take_dollar(s, from);
    case SCAN_DASH:
        return take_dash(s, from);
    case SCAN_SLASH:
        return take_slash(s, from);
    case SCAN_HASH:
        scan_line_comment(&s->scan, SQL_MYSQL);
        return STEP_ON;
    case SCAN_BACKSLASH:
        return s->options.dialect == SQL_POSTGRES ? take_psql_backslash(s, from)
                                                  : take_mysql_backslash(s, from);
    case SCAN_OPEN:
    case SCAN_CLOSE:
        return take_paren(s, from, (char)c);
    case SCAN_SEMICOLON:
    case SCAN_OTHER:
        break;
    }
    return take_other(s, from, (char)c);
}

/* ---- statements ----------------------------------------------------------------------------------------------- */

static void begin_statement(SqlSplitter *s)
{
    mark_to(s, s->scan.at);
    splitter_compact(s);
    s->trivia_at = s->scan.at;
    s->trivia_line = s->line;
    s->has_text = false;
    s->watch = WATCH_START;
    s->prev = PREV_OTHER;
    s->parens = s->depth = 0;
    s->has_definer = s->is_package = s->has_handler = s->has_open_if = s->is_copy = false;
    s->joins.items = NULL;
    s->joins.len = s->joins.cap = 0;
    if (s->scratch)
        arena_reset(s->scratch);
}

/* A BOM at the very start is no text. */
static void skip_bom(SqlSplitter *s)
{
    s->has_begun = true;
    if (scan_peek(&s->scan, 0) == 0xef && scan_peek(&s->scan, 1) == 0xbb &&
        scan_peek(&s->scan, 2) == 0xbf) {
        s->scan.at = 3;
        s->mark = 3;
        s->line_start = 3;
        s->trivia_at = 3;
    }
}

static bool end_of_text(SqlSplitter *s)
{
    if (!s->has_text)
        return true;
    bool is_open = s->watch == WATCH_ATOMIC ||
                   (s->watch == WATCH_TRIGGER_BODY && s->prev != PREV_END) ||
                   (s->watch == WATCH_BODY && s->depth > 0);
    if (is_open) {
        fail(s, s->body_at, "unterminated", "unterminated body: its END is missing");
        if (s->options.dialect == SQL_MYSQL)
            error_hint(
                s->err,
                "If the END is there, put the statement between DELIMITER // and DELIMITER ;");
        return false;
    }
    if (s->is_rest) {
        fail(s, s->text_at, "copy-line",
             "a statement behind COPY on its line does not end on that line");
        return error_hint(
            s->err,
            "The data of the COPY begins on the next line. Put the statement behind the data.");
    }
    s->terminator = SQL_END_OF_TEXT;
    s->terminator_len = 0;
    return true;
}

/* The text with \; as ; and \: as : */
static bool join_text(SqlSplitter *s, Str *text)
{
    Arena *arena = s->is_stream ? s->scratch : s->arena;
    size_t len = text->len - s->joins.len, from = s->text_at, to = 0;
    char *joined = arena_alloc(arena, len + 1);

    if (!joined)
        return fail_nomem(s);
    for (size_t i = 0; i <= s->joins.len; i++) {
        size_t end = i < s->joins.len ? s->joins.items[i] : s->text_end;
        memcpy(joined + to, s->scan.data + from, end - from);
        to += end - from;
        from = end + 1;
    }
    *text = (Str){joined, len};
    return true;
}

/* Behind the terminator of a COPY: the rest of its line is for after the data, which begins on the next. */
static bool begin_data(SqlSplitter *s, SqlStatement *statement)
{
    if (s->is_rest)
        return true; /* the splitter of the whole text goes on with the data */
    size_t from = s->scan.at;
    bool is_blank = true;
    int c;
    s->is_data = true; /* from here on what is read does not count as part of the statement */
    while ((c = scan_peek(&s->scan, 0)) >= 0 && c != '\n') {
        is_blank &= c == ' ' || c == '\t' || c == '\r';
        s->scan.at++;
    }
    if (s->has_failed)
        return false;
    statement->end_offset = is_blank ? s->base + s->scan.at + (c == '\n') : statement->end_offset;
    Str text = {s->scan.data + from, s->scan.at - from};
    mark_to(s, from);
    if (!is_blank) {
        if (!s->rest_arena && !(s->rest_arena = arena_new()))
            return fail_nomem(s);
        arena_reset(s->rest_arena);
        if (s->is_stream && !str_copy(s->rest_arena, text, &text))
            return fail_nomem(s);
        SqlSplitter *rest;
        if (!sql_splitter_new_text(s->rest_arena, &s->options, text, &rest, s->err)) {
            s->has_failed = true;
            return false;
        }
        /* Joined texts of a text in memory must live as long as it does. */
        rest->arena = s->is_stream ? s->rest_arena : s->arena;
        rest->is_rest = rest->has_begun = true;
        rest->modes = s->modes;
        rest->base = s->base + from;
        rest->line = s->line;
        rest->line_start = s->line_start;
        s->rest = rest;
    }
    if (c == '\n')
        s->scan.at++;
    s->is_data_line_start = true;
    return true;
}

static bool finish_statement(SqlSplitter *s, SqlStatement *statement)
{
    size_t text_at = s->has_text ? s->text_at : s->scan.at,
           text_end = s->has_text ? s->text_end : s->scan.at;
    uint64_t longest_bytes = longest(s);

    if (s->scan.at - s->terminator_len - s->trivia_at > longest_bytes)
        return fail_too_long(s);
    mark_to(s, text_at);
    *statement = (SqlStatement){
        .text = {s->scan.data + text_at, text_end - text_at},
        .trivia = {s->scan.data + s->trivia_at, text_at - s->trivia_at},
        .offset = s->base + text_at,
        .end_offset = s->base + s->scan.at,
        .trivia_offset = s->base + s->trivia_at,
        .line = s->line,
        .column = (uint32_t)(s->base + text_at - s->line_start) + 1,
        .trivia_line = s->trivia_line,
        .terminator = s->terminator,
        .has_copy_data = s->is_copy,
    };
    if (!s->has_text)
        return true;
    if (s->joins.len > 0 && !join_text(s, &statement->text))
        return false;
    follow_modes(s, statement->text);
    if (!s->is_copy)
        return true;
    /* The buffer goes on to the data, and the statement must stay. */
    if (s->is_stream && (!str_copy(s->scratch, statement->text, &statement->text) ||
                         !str_copy(s->scratch, statement->trivia, &statement->trivia)))
        return fail_nomem(s);
    return begin_data(s, statement);
}

static bool next_of_rest(SqlSplitter *s, SqlStatement *ret_statement, bool *ret_has, Error *err)
{
    if (!sql_splitter_next(s->rest, ret_statement, ret_has, err)) {
        s->has_failed = true;
        return false;
    }
    s->modes = s->rest->modes;
    if (*ret_has && ret_statement->has_copy_data)
        s->is_data = s->is_data_line_start = true;
    if (!*ret_has)
        s->rest = NULL;
    return true;
}

bool sql_splitter_next(SqlSplitter *s, SqlStatement *ret_statement, bool *ret_has, Error *err)
{
    if (s->has_failed)
        return error_set(err, ERROR_PARSE, "the text could not be split");
    s->err = err;
    if (s->is_data) {
        Str piece;
        do {
            if (!sql_splitter_copy_data(s, &piece, err))
                return false;
        } while (piece.len > 0);
    }
    if (s->rest) {
        if (!next_of_rest(s, ret_statement, ret_has, err))
            return false;
        if (*ret_has)
            return true;
    }
    begin_statement(s);
    if (!s->has_begun)
        skip_bom(s);
    Step step = STEP_ON;
    uint64_t longest_bytes = longest(s);
    while (step == STEP_ON && scan_more(&s->scan, false)) {
        if (s->scan.at - s->trivia_at > longest_bytes)
            return fail_too_long(s);
        step = take(s, s->scan.at, (unsigned char)s->scan.data[s->scan.at]);
    }
    if (s->has_failed || step == STEP_FAIL)
        return false;
    if (step == STEP_ON && !end_of_text(s))
        return false;
    if (step == STEP_ON && !s->has_text) {
        s->terminator = SQL_END_OF_TEXT;
        s->terminator_len = 0;
    }
    SqlStatement statement;
    if (!finish_statement(s, &statement))
        return false;
    *ret_statement = statement;
    *ret_has = s->has_text;
    return true;
}

bool sql_splitter_copy_data(SqlSplitter *s, Str *ret_piece, Error *err)
{
    Scan *scan = &s->scan;

    *ret_piece = (Str){"", 0};
    if (s->has_failed)
        return error_set(err, ERROR_PARSE, "the text could not be split");
    if (!s->is_data)
        return true;
    s->err = err;
    mark_to(s, scan->at);
    splitter_compact(s);
    s->trivia_at = scan->at;
    size_t from = scan->at;
    bool is_over = false;
    while (!is_over) {
        if (s->is_data_line_start && scan_peek(scan, 0) == '\\' && scan_peek(scan, 1) == '.') {
            int c = scan_peek(scan, 2);
            is_over = c < 0 || c == '\n' ||
                      (c == '\r' && (scan_peek(scan, 3) == '\n' || scan_peek(scan, 3) < 0));
            if (is_over)
                break;
        }
        if (s->has_failed)
            return false;
        s->is_data_line_start = false;
        const char *line = scan->data + scan->at;
        const char *end = memchr(line, '\n', scan->limit - scan->at);
        scan->at = end ? (size_t)(end - scan->data) + 1 : scan->limit;
        s->is_data_line_start = end != NULL;
        /* What lies ready is given away before more is asked for. */
        if (scan->at == scan->limit && (scan->at > from || !scan_more(scan, false)))
            break;
    }
    if (s->has_failed)
        return false;
    *ret_piece = (Str){scan->data + from, scan->at - from};
    if (ret_piece->len > 0)
        return true;
    if (is_over) {
        scan_line_comment(scan, SQL_MYSQL);
        if (scan_peek(scan, 0) == '\n')
            scan->at++;
    }
    if (s->has_failed)
        return false;
    s->is_data = false;
    return true;
}

/* ---- making and freeing --------------------------------------------------------------------------------------- */

static SqlSplitter *splitter_new(Arena *arena, const SqlSplitOptions *options)
{
    SqlSplitter *s = arena_alloc(arena, sizeof *s);

    if (!s)
        return NULL;
    s->scan = (Scan){.data = "", .more = splitter_more};
    s->arena = arena;
    s->options = *options;
    s->modes = initial_modes(s);
    s->line = 1;
    set_delimiter(s, STR(";"));
    return s;
}

bool sql_splitter_new_text(Arena *arena, const SqlSplitOptions *options, Str text,
                           SqlSplitter **ret_splitter, Error *err)
{
    SqlSplitter *s = splitter_new(arena, options);

    if (!s)
        return error_nomem(err);
    s->scan.data = text.ptr ? text.ptr : "";
    s->len = text.len;
    s->is_end = true;
    *ret_splitter = s;
    return true;
}

bool sql_splitter_new(Arena *arena, const SqlSplitOptions *options, SqlSource source,
                      SqlSplitter **ret_splitter, Error *err)
{
    SqlSplitter *s = splitter_new(arena, options);

    if (!s || !(s->scratch = arena_new()))
        return error_nomem(err);
    s->source = source;
    s->is_stream = true;
    *ret_splitter = s;
    return true;
}

void sql_splitter_free(SqlSplitter *s)
{
    if (!s)
        return;
    arena_free(s->buffer);
    arena_free(s->scratch);
    arena_free(s->rest_arena);
    s->buffer = s->scratch = s->rest_arena = NULL;
    s->has_failed = true;
}

void sql_splitter_freep(SqlSplitter **splitter)
{
    sql_splitter_free(*splitter);
    *splitter = NULL;
}

bool sql_split(Arena *arena, const SqlSplitOptions *options, Str text,
               SqlStatementVec *ret_statements, Error *err)
{
    scoped(SqlSplitter *, sql_splitter_freep) s = NULL;
    SqlStatementVec statements = {0};
    SqlStatement statement;
    bool has;

    if (!sql_splitter_new_text(arena, options, text, &s, err))
        return false;
    for (;;) {
        if (!sql_splitter_next(s, &statement, &has, err))
            return false;
        if (!has)
            break;
        if (!vec_push(arena, &statements, statement))
            return error_nomem(err);
    }
    *ret_statements = statements;
    return true;
}

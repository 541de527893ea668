/* Cuts a script into statements, the way the vendor's own client would where that client is right (docs/splitting.md says
 * where it is not), in one pass, holding one statement and a read buffer.
 *
 * The idea: a Scan is a window on validated text. Whoever walks over a quote or comment asks for more when the window is
 * used up, so that every construct may be cut by the end of a buffer at any byte. In a stream the window is a buffer that
 * begins at (or a little before) the trivia of the current statement; in memory it is the text itself. Bytes that must not
 * be there (NUL, not UTF-8) stop the window, so what stands before them is still split as if they were not.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "sql/splitter.h"

#include <string.h>

#define CLIENT_HINT "Take it out; what it does has to be said in SQL or on whimbrel's command line."

static void set_delimiter(SqlSplitter *s, Str delimiter)
{
    memcpy(s->classes, scan_classes(s->options.dialect), sizeof s->classes);
    memcpy(s->delimiter, delimiter.ptr, delimiter.len);
    s->delimiter_len = delimiter.len;
    /* The delimiter counts at every byte, inside words too: words are cut where it may begin. */
    s->classes[';'] = SCAN_OTHER;
    s->classes[(unsigned char)delimiter.ptr[0]] = SCAN_SEMICOLON;
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
    return s->watch ? splitter_watch_symbol(s, c, from) : STEP_ON;
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
        return splitter_fail_open(s, from,
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
    return s->watch ? splitter_watch_symbol(s, (char)next, from) : STEP_ON;
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
        splitter_fail(s, from, "delimiter", "DELIMITER is not at the start of its line");
        return splitter_fail_hint(
            s, "The mysql client does not see it there. Put it on a line of its own.");
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
        splitter_fail(s, from, "delimiter",
                      "DELIMITER needs one word of at most %d bytes without a backslash",
                      (int)LONGEST_DELIMITER);
        return splitter_fail_hint(s, "Write, for example, DELIMITER //");
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
        splitter_fail(s, scan->at, "delimiter", "text behind DELIMITER on its line");
        return splitter_fail_hint(s,
                                  "The mysql client drops it silently. Put it on the next line.");
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
    splitter_fail(s, from, code, "%.*s is a command of the %s client, not SQL", STR_ARG(command),
                  client);
    return splitter_fail_hint(s, hint);
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
    } else if (dialect == SQL_MYSQL && !s->has_text) {
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
    return s->watch ? splitter_watch_word(s, (Str){s->scan.data + from, len}, from) : STEP_ON;
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
        splitter_fail(s, from, "unterminated", "unterminated dollar quote %.*s", (int)shown,
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
        return splitter_fail_open(s, from, "comment");
    }
    return is_code ? add_symbol(s, from, '*') : STEP_ON;
}

/* ---- the backslash of psql and mysql -------------------------------------------------------------------------- */

static Step take_psql_g(SqlSplitter *s, size_t from)
{
    if (!s->has_text) {
        splitter_fail(s, from, "psql-command", "\\g with no statement before it");
        return splitter_fail_hint(
            s, "psql would run the last statement again. Take it out, or write the statement.");
    }
    if (!is_last_in_line(s, 0)) {
        splitter_fail(s, from, "psql-command", "\\g with an argument");
        return splitter_fail_hint(
            s, "Its result cannot be sent elsewhere. End the statement with a semicolon.");
    }
    if (s->has_failed)
        return STEP_FAIL;
    s->terminator = SQL_END_CLIENT;
    s->terminator_len = s->scan.at - from;
    return STEP_END;
}

/* The backslash there is not for the server. */
static bool leave_out(SqlSplitter *s, size_t from)
{
    Arena *arena = s->is_stream ? s->scratch : s->arena;

    return vec_push(arena, &s->joins, from) || splitter_fail_nomem(s);
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
        if (!leave_out(s, from))
            return STEP_FAIL;
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
    /* The client drops it at the end of a line. */
    if (c < 0 || c == '\n' || (c == '\r' && scan_peek(scan, 2) == '\n')) {
        scan->at++;
        if (s->has_failed || (s->has_text && !leave_out(s, from)))
            return STEP_FAIL;
        return STEP_ON;
    }
    if (s->has_failed)
        return STEP_FAIL;
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
    if (splitter_has_plain_delimiter(s)) {
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
            if (splitter_watch_symbol(s, ';', from) != STEP_ON)
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
        while (scan_peek(&s->scan, end) > ' ' && end < 40)
            end++;
        return fail_client(s, from, "client-command", (Str){s->scan.data + from, end}, "sqlite3",
                           CLIENT_HINT);
    }
    s->scan.at++;
    /* END;// as many write it: the server drops a semicolon at the end, but not before what whimbrel says behind it. */
    if (c == ';' && s->options.dialect == SQL_MYSQL)
        return s->has_text && s->watch ? splitter_watch_symbol(s, c, from) : STEP_ON;
    return add_symbol(s, from, c);
}

static Step take_bracket(SqlSplitter *s, size_t from)
{
    s->scan.at++;
    if (!scan_until(&s->scan, ']'))
        return splitter_fail_open(s, from, "identifier in brackets");
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
    splitter_mark(s, s->scan.at);
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
        splitter_fail(s, s->body_at, "unterminated", "unterminated body: its END is missing");
        if (s->options.dialect == SQL_MYSQL)
            error_hint(
                s->err,
                "If the END is there, put the statement between DELIMITER // and DELIMITER ;");
        return false;
    }
    if (s->is_rest) {
        splitter_fail(s, s->text_at, "copy-line",
                      "a statement behind COPY on its line does not end on that line");
        return error_hint(
            s->err,
            "The data of the COPY begins on the next line. Put the statement behind the data.");
    }
    s->terminator = SQL_END_OF_TEXT;
    s->terminator_len = 0;
    return true;
}

/* The text without the backslashes that were the client's: \; as ; and \: as : and lines that go on. */
static bool join_text(SqlSplitter *s, Str *text)
{
    Arena *arena = s->is_stream ? s->scratch : s->arena;
    while (s->joins.len > 0 && s->joins.items[s->joins.len - 1] >= s->text_end)
        s->joins.len--;
    size_t len = text->len - s->joins.len, from = s->text_at, to = 0;
    char *joined = arena_alloc(arena, len + 1);

    if (!joined)
        return splitter_fail_nomem(s);
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
    splitter_mark(s, from);
    if (!is_blank) {
        if (!s->rest_arena && !(s->rest_arena = arena_new()))
            return splitter_fail_nomem(s);
        arena_reset(s->rest_arena);
        if (s->is_stream && !str_copy(s->rest_arena, text, &text))
            return splitter_fail_nomem(s);
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
    uint64_t longest_bytes = splitter_longest(s);

    if (s->scan.at - s->terminator_len - s->trivia_at > longest_bytes)
        return splitter_fail_too_long(s);
    splitter_mark(s, text_at);
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
    splitter_follow_modes(s, statement->text);
    if (!s->is_copy)
        return true;
    /* The buffer goes on to the data, and the statement must stay. */
    if (s->is_stream && (!str_copy(s->scratch, statement->text, &statement->text) ||
                         !str_copy(s->scratch, statement->trivia, &statement->trivia)))
        return splitter_fail_nomem(s);
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

/* Minds options.whole: a statement ends where such a range begins, and within it one is made of all that is there. */
static Step take_whole(SqlSplitter *s)
{
    size_t at = s->scan.at;
    while (s->whole_at < s->options.whole_count && s->options.whole[s->whole_at].to <= at)
        s->whole_at++;
    if (s->whole_at == s->options.whole_count || at < s->options.whole[s->whole_at].from)
        return STEP_ON;
    size_t end = s->options.whole[s->whole_at].to;
    unsigned char class = s->classes[(unsigned char)s->scan.data[at]] & SCAN_CLASS_MASK;
    /* Comments before the first word are trivia here too. */
    bool is_comment =
        class == SCAN_HASH ||
        (class == SCAN_SLASH && scan_peek(&s->scan, 1) == '*' && scan_peek(&s->scan, 2) != '!') ||
        (class == SCAN_DASH && scan_is_dash_comment(&s->scan, s->options.dialect));
    s->terminator = SQL_END_OF_TEXT;
    s->terminator_len = 0;
    if (s->has_text)
        return STEP_END;
    if (class == SCAN_SPACE || is_comment || s->scan.data[at] == ';')
        return STEP_ON;
    (void)scan_has(&s->scan, end - at); /* reads and checks the bytes */
    if (s->has_failed)
        return STEP_FAIL;
    if (end > s->scan.limit)
        end = s->scan.limit;
    s->scan.at = end;
    while (end > at + 1 && (s->scan.data[end - 1] == ';' || s->scan.data[end - 1] == ' ' ||
                            (s->scan.data[end - 1] >= '\t' && s->scan.data[end - 1] <= '\r')))
        end--;
    s->has_text = true;
    s->text_at = at;
    s->text_end = end;
    return STEP_END;
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
    uint64_t longest_bytes = splitter_longest(s);
    while (step == STEP_ON && scan_more(&s->scan, false)) {
        if (s->scan.at - s->trivia_at > longest_bytes)
            return splitter_fail_too_long(s);
        step = s->options.whole_count > 0 ? take_whole(s) : STEP_ON;
        if (step == STEP_ON)
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
    splitter_mark(s, scan->at);
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
    s->modes = splitter_initial_modes(s);
    s->line = options->first_line > 0 ? options->first_line : 1;
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

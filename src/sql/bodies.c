/* Which semicolons do not end a statement: bodies of functions, triggers and blocks; and which statement is a COPY that has
 * its data behind it. SPDX-License-Identifier: Apache-2.0
 *
 * Words are looked at only as long as the ones before leave it open: nearly always that is one word a statement. */
#include "sql/splitter.h"

static bool push_block(SqlSplitter *s, size_t at, bool is_expression)
{
    if (s->depth == DEEPEST_BODY) {
        splitter_fail(s, at, "too-deep", "blocks nested more than %d deep", (int)DEEPEST_BODY);
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
        if (!splitter_has_plain_delimiter(s))
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
Step splitter_watch_word(SqlSplitter *s, Str word, size_t at)
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
Step splitter_watch_symbol(SqlSplitter *s, char c, size_t at)
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

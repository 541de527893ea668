/* What the files of the splitter share. SPDX-License-Identifier: Apache-2.0
 *
 * splitter.c cuts; input.c provides the bytes and the errors; bodies.c knows which semicolons do not end a statement;
 * modes.c follows settings that change how text is read. */
#ifndef WHIMBREL_SQL_SPLITTER_H
#define WHIMBREL_SQL_SPLITTER_H

#include "sql/scan.h"

enum {
    LONGEST_DELIMITER = 15, /* as in the mysql client */
    DEEPEST_BODY = 512,
    SAVED_MODES = 8,
    SAVED_NAME = 64,
};

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
    /* of open MySQL blocks: 1 when END may follow an expression */
    unsigned char kinds[DEEPEST_BODY];
    bool has_definer, is_package, has_handler, has_open_if;
    size_t if_commas;
    bool is_copy;
    Vec(size_t) joins; /* the backslashes of \; and \: */
    Arena *scratch;    /* of a stream: holds joined texts until the next call */

    size_t whole_at; /* options.whole: the first that ends behind what was read */

    /* COPY data */
    bool is_data, is_data_line_start;
    SqlSplitter *rest;
    Arena *rest_arena;
};

typedef enum Step { STEP_ON, STEP_END, STEP_FAIL } Step;

/* ---- input.c ---- */

/* Scan.more of a splitter. */
bool splitter_more(Scan *scan, bool is_literal);
/* Forgets what is behind, once that is at least as much as what would be moved. */
void splitter_compact(SqlSplitter *s);
/* Brings the known line up to `at`. */
void splitter_mark(SqlSplitter *s, size_t at);
/* The largest statement, with the trivia before it. */
uint64_t splitter_longest(const SqlSplitter *s);

/* Each leaves the splitter failed. */
bool splitter_fail(SqlSplitter *s, size_t at, const char *code, const char *fmt, ...)
    PRINTF_LIKE(4, 5);
bool splitter_fail_nomem(SqlSplitter *s);
bool splitter_fail_too_long(SqlSplitter *s);
/* Adds a hint to the failure. */
Step splitter_fail_hint(SqlSplitter *s, const char *hint);
/* "unterminated ...", unless the text stopped for another reason, which is then the error. */
Step splitter_fail_open(SqlSplitter *s, size_t at, const char *what);

/* ---- bodies.c ---- */

/* A word, and any other token, of a statement that is watched. c stands for the token: its quote, '0' for a number, or
 * itself. */
Step splitter_watch_word(SqlSplitter *s, Str word, size_t at);
Step splitter_watch_symbol(SqlSplitter *s, char c, size_t at);

/* ---- modes.c ---- */

Modes splitter_initial_modes(const SqlSplitter *s);
/* Takes over what a statement sets. */
void splitter_follow_modes(SqlSplitter *s, Str text);

/* Whether statements end at a semicolon, so that bodies have to be known. */
static inline bool splitter_has_plain_delimiter(const SqlSplitter *s)
{
    return s->delimiter_len == 1 && s->delimiter[0] == ';';
}

#endif

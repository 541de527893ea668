/* The lexical core that the splitter and the lexer share: classes of bytes, and how to walk over quotes and comments.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef WHIMBREL_SQL_SCAN_H
#define WHIMBREL_SQL_SCAN_H

#include "sql/sql.h"

/* What a byte begins outside quotes and comments. A class that means nothing in a dialect does not occur in its table. */
typedef enum ScanClass {
    SCAN_OTHER, /* operators, commas, dots: nothing that hides or ends anything */
    SCAN_SPACE,
    SCAN_WORD,
    SCAN_DIGIT,
    SCAN_QUOTE,   /* ' " ` and MySQL's and SQLite's variants */
    SCAN_BRACKET, /* SQLite's [identifier] */
    SCAN_DOLLAR,  /* PostgreSQL's $tag$ and $1 */
    SCAN_DASH,
    SCAN_SLASH,
    SCAN_HASH,      /* MySQL's comment */
    SCAN_BACKSLASH, /* the client's commands of psql and mysql */
    SCAN_SEMICOLON,
    SCAN_OPEN,
    SCAN_CLOSE,
} ScanClass;

/* The low bits are a ScanClass; SCAN_IDENT says that the byte may stand inside an identifier. */
#define SCAN_IDENT 0x80
#define SCAN_CLASS_MASK 0x7f
const unsigned char *scan_classes(SqlDialect dialect);

/* A window on text: bytes [at, limit) of data may be looked at. When they are used up, scan_more() asks for more, which
 * may move data but never changes what an index means. */
typedef struct Scan Scan;
struct Scan {
    const char *data;
    size_t at, limit;
    /* Makes limit larger; false at the end of the text, and after a failure. is_literal: the scan is inside a string
     * literal. NULL: limit is the end. */
    bool (*more)(Scan *scan, bool is_literal);
};

bool scan_more(Scan *scan, bool is_literal);
/* Whether `count` bytes from at on can be looked at, asking for more if need be. */
bool scan_has(Scan *scan, size_t count);
/* The byte `ahead` of at, or -1 when the text ends before it. */
int scan_peek(Scan *scan, size_t ahead);

/* at is behind the opening quote; goes behind the closing one. A doubled quote stands for itself. False: the text ended. */
bool scan_quoted(Scan *scan, char quote, bool has_escapes, bool is_literal);
/* at is behind the opening of a comment; goes behind its end. */
bool scan_block_comment(Scan *scan, bool is_nested);
/* Goes to the end of the line (PostgreSQL's comments end at a lone CR too), which is left to be scanned. */
void scan_line_comment(Scan *scan, SqlDialect dialect);
/* Goes behind the next `end`. */
bool scan_until(Scan *scan, char end);
void scan_ident(Scan *scan, const unsigned char *classes);
/* Spaces only. */
void scan_spaces(Scan *scan, const unsigned char *classes);

/* at is on a '$': the length of the $tag$ that begins there, or 0. */
size_t scan_dollar_tag(Scan *scan);
/* at is behind the opening $tag$ that stands at `open`; goes behind the closing one. */
bool scan_dollar_body(Scan *scan, size_t open, size_t tag_len);

/* at is behind a PostgreSQL E'...' string: whether it goes on after white space with a line end in it, with a quote that
 * at then stands on. Otherwise at stands behind white space and line comments. */
bool scan_continuation(Scan *scan);

/* Whether the two dashes at `at` begin a comment. */
bool scan_is_dash_comment(Scan *scan, SqlDialect dialect);

/* The keywords that decide where statements end. */
typedef enum ScanKeyword {
    KEYWORD_NONE,
    KEYWORD_AGGREGATE,
    KEYWORD_ALTER,
    KEYWORD_AND,
    KEYWORD_AS,
    KEYWORD_ATOMIC,
    KEYWORD_BEGIN,
    KEYWORD_BODY,
    KEYWORD_BY,
    KEYWORD_CASE,
    KEYWORD_COPY,
    KEYWORD_CREATE,
    KEYWORD_DEFINER,
    KEYWORD_DELIMITER,
    KEYWORD_DO,
    KEYWORD_ELSE,
    KEYWORD_END,
    KEYWORD_EVENT,
    KEYWORD_EXPLAIN,
    KEYWORD_FOR,
    KEYWORD_FROM,
    KEYWORD_FUNCTION,
    KEYWORD_HANDLER,
    KEYWORD_IF,
    KEYWORD_IS,
    KEYWORD_LOOP,
    KEYWORD_NOT,
    KEYWORD_OR,
    KEYWORD_PACKAGE,
    KEYWORD_PLAN,
    KEYWORD_PROCEDURE,
    KEYWORD_QUERY,
    KEYWORD_REPEAT,
    KEYWORD_REPLACE,
    KEYWORD_ROW,
    KEYWORD_SELECT,
    KEYWORD_SET,
    KEYWORD_STDIN,
    KEYWORD_TEMP,
    KEYWORD_TEMPORARY,
    KEYWORD_THEN,
    KEYWORD_TRIGGER,
    KEYWORD_USE,
    KEYWORD_VIEW,
    KEYWORD_WHEN,
    KEYWORD_WHERE,
    KEYWORD_WHILE,
} ScanKeyword;
ScanKeyword scan_keyword(Str word);

#endif

/* Errors as data. SPDX-License-Identifier: Apache-2.0
 *
 * What can fail returns bool, takes `Error *err` last and fills it exactly when it returns false. Whoever notices says
 * what happened, callers add what they were doing, one place prints. */
#ifndef WHIMBREL_BASE_ERROR_H
#define WHIMBREL_BASE_ERROR_H

#include "base/str.h"

typedef enum ErrorKind {
    ERROR_NONE,
    ERROR_NOMEM,       /* memory is out */
    ERROR_USAGE,       /* wrong call: command line, configuration, a bad argument of the API */
    ERROR_IO,          /* a file or folder */
    ERROR_PARSE,       /* text that does not have its form: SQL, TOML, a file name, a directive */
    ERROR_CONNECT,     /* no connection to be had, or it broke */
    ERROR_SQL,         /* the server refused a statement */
    ERROR_TIMEOUT,     /* lock_timeout, statement_timeout */
    ERROR_LOCKED,      /* the migration lock is someone else's */
    ERROR_CANCELLED,   /* the caller asked to stop */
    ERROR_STATE,       /* files and history do not fit together; the plan refuses */
    ERROR_CHECK,       /* a check found something */
    ERROR_UNSUPPORTED, /* not possible on this engine, version or convention */
} ErrorKind;

typedef struct SourcePos {
    const char *file; /* as the user would write it; NULL: no place */
    uint32_t line;    /* from 1; 0: no line */
    uint32_t column;  /* from 1, in bytes; 0: no column */
} SourcePos;

typedef struct Error {
    Arena *arena; /* owns the texts; set by whoever declares the Error */
    ErrorKind kind;
    const char *code; /* stable, for `whimbrel explain`: "duplicate-version"; static text or NULL */
    SourcePos pos;
    const char *message;     /* short, factual, no full stop; wrapping puts "doing X: " before it */
    const char *detail;      /* may be NULL */
    const char *hint;        /* a full sentence, the next step; may be NULL */
    const char *server_hint; /* the server's own hint; may be NULL */
    const char *excerpt; /* the source line at pos, or a piece of it, for the caret; may be NULL */
    uint32_t excerpt_column; /* of pos in excerpt, from 1, where that is a piece; 0: pos.column */
    uint32_t excerpt_width;  /* bytes to underline from pos.column; 0: one */
    const char *statement;   /* the statement that failed, cut to a readable length; may be NULL */
    char sqlstate[6];        /* "" when no server spoke or it has none */
    int server_code;         /* MySQL error number or SQLite extended result code; 0 when none */
} Error;

/* These return false, so that `return error_set(...)` reads well. err may be NULL. When memory for the text is out, the
 * kind stays what was asked and the message becomes the bare format. */
bool error_set(Error *err, ErrorKind kind, const char *fmt, ...) PRINTF_LIKE(3, 4);
bool error_wrap(Error *err, const char *fmt, ...) PRINTF_LIKE(2, 3);
bool error_nomem(Error *err);
/* From errno: "cannot open FILE: No such file or directory". */
bool error_errno(Error *err, int errnum, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* Additions to an error that is set; each returns false too. code must be static text. */
bool error_code(Error *err, const char *code);
bool error_hint(Error *err, const char *fmt, ...) PRINTF_LIKE(2, 3);
bool error_detail(Error *err, const char *fmt, ...) PRINTF_LIKE(2, 3);
bool error_at(Error *err, Str file, uint32_t line, uint32_t column);

/* They cannot return anything but false. Said so that the compiler sees it, it knows that a function which returned true
 * has filled its ret_ arguments, and does not warn for nothing. */
static inline bool error_false(bool is_ok)
{
    (void)is_ok;
    return false;
}
#define error_set(...) error_false(error_set(__VA_ARGS__))
#define error_wrap(...) error_false(error_wrap(__VA_ARGS__))
#define error_nomem(...) error_false(error_nomem(__VA_ARGS__))
#define error_errno(...) error_false(error_errno(__VA_ARGS__))
#define error_code(...) error_false(error_code(__VA_ARGS__))
#define error_hint(...) error_false(error_hint(__VA_ARGS__))
#define error_detail(...) error_false(error_detail(__VA_ARGS__))
#define error_at(...) error_false(error_at(__VA_ARGS__))

/* Back to "no error", keeping the arena. */
void error_clear(Error *err);
/* "usage", "sql", "connect" ...: the word used in JSON. */
const char *error_kind_name(ErrorKind kind);

#endif

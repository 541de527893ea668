/* Reading .env files. SPDX-License-Identifier: Apache-2.0
 *
 * The grammar is what the common readers (of Ruby, JavaScript, Python, Go, Docker Compose) agree on:
 *
 *     file    = { line }                         lines end with LF or CRLF; a BOM at the start is dropped
 *     line    = blanks [ [ "export" blanks ] key blanks "=" blanks [ value ] ] blanks [ comment ]
 *     key     = ( letter | "_" ) { letter | digit | "_" | "." | "-" }
 *     value   = single | double | plain
 *     single  = "'" any bytes but "'" "'"        as they are, over several lines if need be
 *     double  = '"' any bytes but '"' '"'        over several lines if need be; \n \r \t \\ \" \' \$ \` are escapes, a
 *                                                backslash at the end of a line joins it with the next, and before any
 *                                                other byte a backslash is a backslash
 *     plain   = the rest of the line, without white space at its ends; " #" (white space before it) begins a comment;
 *               quotes and backslashes inside it are ordinary bytes
 *     comment = "#" to the end of the line
 *
 * Nothing is expanded: "$NAME" and "${NAME}" are five and seven bytes. A CRLF inside quotes is read as LF. NUL bytes are
 * refused, since no environment can hold them. */
#ifndef WHIMBREL_BASE_DOTENV_H
#define WHIMBREL_BASE_DOTENV_H

#include "base/error.h"
#include "base/vec.h"

typedef struct DotenvEntry {
    Str key, value;        /* NUL-terminated behind their ends */
    uint32_t line, column; /* of the key */
} DotenvEntry;
typedef Vec(DotenvEntry) Dotenv;

/* Reads text, which need not outlive the call; entries come in the order of the file, repeated keys included. Errors:
 * ERROR_PARSE (code "dotenv") with file (may be NULL), line and column, but never an excerpt: such files hold secrets. */
bool dotenv_parse(Arena *arena, const char *file, Str text, Dotenv *ret_dotenv, Error *err);

/* The entry of a key, the last one where it is repeated; or NULL. */
const DotenvEntry *dotenv_get(const Dotenv *dotenv, Str key);

#endif

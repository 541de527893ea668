/* What has to hold of every text, for the unit tests and the fuzzer. SPDX-License-Identifier: Apache-2.0 */
#ifndef WHIMBREL_TESTS_SPLIT_CHECK_H
#define WHIMBREL_TESTS_SPLIT_CHECK_H

#include "sql/sql.h"

/* A source that gives at most read_size bytes at a time. */
typedef struct PieceSource {
    Str text;
    size_t at, read_size;
    size_t reads;
} PieceSource;
bool piece_source_read(void *ctx, char *buf, size_t cap, size_t *ret_len, Error *err);

/* Splits text in memory and as a stream of read_size bytes at a time. NULL, or a sentence that says what does not hold:
 * trivia, statements and terminators make up the text, in order; lines and columns are right; both ways agree in
 * everything, errors too; the lexer sees the same tokens as the splitter. */
const char *split_check(const SqlSplitOptions *options, Str text, size_t read_size);

#endif

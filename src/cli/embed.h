/* Writes migrations as a C source, for `whimbrel embed`. SPDX-License-Identifier: Apache-2.0 */
#ifndef WHIMBREL_CLI_EMBED_H
#define WHIMBREL_CLI_EMBED_H

#include "base/base.h"

/* Of all names and bytes: two tables with one digest hold the same. False when memory is out. */
bool embed_digest(Arena *arena, const TreeFile *files, size_t count, const char **ret_digest);
/* The source that defines symbol (a name of C). False when memory is out. */
bool embed_source(Arena *arena, Str symbol, const TreeFile *files, size_t count, const char *digest,
                  Str *ret_source);

#endif

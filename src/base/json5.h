/* Reading JSON and JSON5: configuration files of other tools. SPDX-License-Identifier: Apache-2.0 */
#ifndef WHIMBREL_BASE_JSON5_H
#define WHIMBREL_BASE_JSON5_H

#include "base/toml.h"

/* The document as one of TOML, so that its look-ups serve here too: objects are tables, null is an absent key, of twins the last counts.
 * JSON5 takes all of JSON, and comments, trailing commas, bare keys and single quotes. Errors: ERROR_PARSE (code "json") with the
 * place, also where the whole is no object. */
bool json5_parse(Arena *arena, const char *file, Str text, TomlDoc *ret_doc, Error *err);

#endif

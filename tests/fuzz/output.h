/* What has to hold of all that is printed, whoever said what is in it. SPDX-License-Identifier: Apache-2.0 */
#ifndef WHIMBREL_TESTS_OUTPUT_H
#define WHIMBREL_TESTS_OUTPUT_H

#include "base/base.h"

/* Ends the program unless json is one document that ends with a line feed, no key twice. is_line: and has no other. */
void output_require_json(Str json, bool is_line);

/* Ends the program unless text is UTF-8 and has no control characters but line feeds and tabs, no characters that turn the
 * direction of writing and no escape sequences but ours: colours where has_color, and where is_live "\r" in front of a line
 * and "\x1b[K" behind it. */
void output_require_text(Str text, bool has_color, bool is_live);

#endif

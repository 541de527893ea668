/* The difference of two texts, line by line. SPDX-License-Identifier: Apache-2.0 */
#ifndef WHIMBREL_CLI_LINE_DIFF_H
#define WHIMBREL_CLI_LINE_DIFF_H

#include "report/report.h"

/* Adds it in the unified form: lines with "-" (only in before), "+" (only in after), three lines around. Nothing when they are
 * equal. Texts that differ in more than some thousand lines are shown as one block out, one block in. false: memory is out. */
bool line_diff(Arena *arena, Text *text, Str before, Str after);

#endif

/* Cases as text: an input and what comes of it, in files under tests/cases/. SPDX-License-Identifier: Apache-2.0
 *
 *     === a dollar quote hides semicolons [postgres]
 *     SELECT $x$ ; $x$; SELECT 1;
 *     ---
 *     1:1   ;  SELECT $x$ ; $x$
 *     1:20  ;  SELECT 1
 *
 * Between the brackets stand attributes. With `escaped`, the input's \n \r \t \\ and \xNN stand for bytes, and the line
 * ends of the file for nothing. The last line end of the input is not part of it. A line that would begin with "===" or
 * "---" needs `escaped`. */
#ifndef WHIMBREL_TESTS_CASES_H
#define WHIMBREL_TESTS_CASES_H

#include "base/base.h"

typedef struct Case {
    Str title, attributes, input, expected;
    uint32_t line; /* of the title */
} Case;

bool case_has(const Case *c, const char *attribute);
/* Adds text with bytes that do not print as escapes. */
void case_add_escaped(StrBuf *out, Str text);

/* What is to be done with the files of one folder. */
typedef struct CaseKind {
    const char *folder;
    /* Writes what came of the input, in whole lines; false only when memory is out. */
    bool (*run)(Arena *arena, const Case *c, StrBuf *out);
} CaseKind;

extern const CaseKind splitter_cases, inspect_cases, plan_cases, alembic_cases;

#endif

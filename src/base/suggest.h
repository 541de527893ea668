/* "Did you mean ...?" SPDX-License-Identifier: Apache-2.0 */
#ifndef WHIMBREL_BASE_SUGGEST_H
#define WHIMBREL_BASE_SUGGEST_H

#include "base/str.h"

/* The candidate nearest to word by Damerau-Levenshtein distance (one swap of neighbours counts one), if it is near
 * enough to be a slip of the fingers (at most a third of the letters, at least one); else NULL. candidates ends with
 * NULL. The pointer is one of the candidates'. */
const char *suggest_nearest(Str word, const char *const *candidates);

#endif

/* "Did you mean ...?" SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <string.h>

/* No command or option is longer, and a longer word is no slip of the fingers. */
enum { LONGEST_WORD = 64 };

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static unsigned least(unsigned a, unsigned b)
{
    return a < b ? a : b;
}

/* Optimal string alignment: three rows of the table are enough, since a swap looks back two. */
static unsigned distance(Str a, Str b)
{
    unsigned rows[3][LONGEST_WORD + 1];
    for (unsigned j = 0; j <= b.len; j++)
        rows[0][j] = j;
    for (unsigned i = 1; i <= a.len; i++) {
        unsigned *row = rows[i % 3];
        const unsigned *above = rows[(i + 2) % 3];
        const unsigned *above_that = rows[(i + 1) % 3];
        row[0] = i;
        for (unsigned j = 1; j <= b.len; j++) {
            char from = lower(a.ptr[i - 1]), to = lower(b.ptr[j - 1]);
            row[j] = least(above[j] + 1, row[j - 1] + 1);
            row[j] = least(row[j], above[j - 1] + (from == to ? 0 : 1));
            if (i > 1 && j > 1 && from == lower(b.ptr[j - 2]) && lower(a.ptr[i - 2]) == to)
                row[j] = least(row[j], above_that[j - 2] + 1);
        }
    }
    return rows[a.len % 3][b.len];
}

const char *suggest_nearest(Str word, const char *const *candidates)
{
    const char *nearest = NULL;
    unsigned nearest_distance = UINT32_MAX;
    if (word.len == 0 || word.len > LONGEST_WORD)
        return NULL;
    for (; *candidates; candidates++) {
        Str candidate = str_from(*candidates);
        if (candidate.len > LONGEST_WORD)
            continue;
        size_t letters = word.len > candidate.len ? word.len : candidate.len;
        unsigned limit = letters < 6 ? 1 : (unsigned)(letters / 3);
        unsigned found = distance(word, candidate);
        /* Nothing in common is never a slip, however short the words. */
        if (found <= limit && found < letters && found < nearest_distance) {
            nearest = *candidates;
            nearest_distance = found;
        }
    }
    return nearest;
}

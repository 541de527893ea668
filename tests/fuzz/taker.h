/* Makes numbers and texts of a fuzzer's bytes, from front to back; when they have run out, zero and nothing.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef WHIMBREL_TESTS_TAKER_H
#define WHIMBREL_TESTS_TAKER_H

#include "base/base.h"

typedef struct Taker {
    const uint8_t *at;
    size_t left;
} Taker;

static inline unsigned take_byte(Taker *t)
{
    if (t->left == 0)
        return 0;
    t->left--;
    return *t->at++;
}

static inline bool take_bool(Taker *t)
{
    return take_byte(t) & 1;
}

/* Below count. */
static inline unsigned take_below(Taker *t, unsigned count)
{
    return take_byte(t) % count;
}

/* Small ones, and now and then the ends of the range. */
static inline int64_t take_number(Taker *t)
{
    unsigned width = take_byte(t);
    if (width == 255)
        return INT64_MAX;
    if (width == 254)
        return INT64_MIN;
    uint64_t number = 0;
    for (unsigned i = 0; i < width % 9; i++)
        number = number << 8 | take_byte(t);
    return (int64_t)number;
}

/* Bytes of any kind, lent. */
static inline Str take_text(Taker *t)
{
    size_t len = take_byte(t) % 80;
    if (len > t->left)
        len = t->left;
    Str text = {(const char *)t->at, len};
    t->at += len;
    t->left -= len;
    return text;
}

/* The same as a C string, or NULL. */
static inline const char *take_z(Taker *t, Arena *arena)
{
    return take_byte(t) % 4 == 0 ? NULL : str_z(arena, take_text(t));
}

#endif

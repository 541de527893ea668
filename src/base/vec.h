/* Typed vectors in an arena. SPDX-License-Identifier: Apache-2.0 */
#ifndef WHIMBREL_BASE_VEC_H
#define WHIMBREL_BASE_VEC_H

#include "base/str.h"

#define Vec(T)                                                                                     \
    struct {                                                                                       \
        T *items;                                                                                  \
        size_t len, cap;                                                                           \
    }

bool vec_grow(Arena *arena, void **items, size_t *cap, size_t len, size_t item_size);

/* Makes room for one more item; false when memory is out. (Where there is room there are items: said for analysers.) */
#define vec_fit(arena, v)                                                                          \
    (((v)->len < (v)->cap && (v)->items) ||                                                        \
     vec_grow((arena), (void **)&(v)->items, &(v)->cap, (v)->len, sizeof *(v)->items))
/* Appends; false when memory is out. The item may be a compound literal in parentheses. */
#define vec_push(arena, v, ...)                                                                    \
    (vec_fit((arena), (v)) && ((v)->items[(v)->len++] = (__VA_ARGS__), true))

typedef Vec(Str) StrVec;

#endif

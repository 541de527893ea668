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

/* Room for exactly so many, where their number is known; doubling would leave about as much behind. */
bool vec_grow_to(Arena *arena, void **items, size_t *cap, size_t len, size_t want,
                 size_t item_size);
#define vec_reserve(arena, v, want)                                                                \
    ((want) <= (v)->cap ||                                                                         \
     vec_grow_to((arena), (void **)&(v)->items, &(v)->cap, (v)->len, (want), sizeof *(v)->items))

/* Makes room for one more item; false when memory is out. (Where there is room there are items: said for analysers.) */
#define vec_fit(arena, v)                                                                          \
    (((v)->len < (v)->cap && (v)->items) ||                                                        \
     vec_grow((arena), (void **)&(v)->items, &(v)->cap, (v)->len, sizeof *(v)->items))
/* Appends; false when memory is out. The item may be a compound literal in parentheses. */
#define vec_push(arena, v, ...)                                                                    \
    (vec_fit((arena), (v)) && ((v)->items[(v)->len++] = (__VA_ARGS__), true))

typedef Vec(Str) StrVec;

#endif

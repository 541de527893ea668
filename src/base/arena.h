/* Arenas: memory with a life span. SPDX-License-Identifier: Apache-2.0
 *
 * Three life spans are enough here: the process, one command or API call, one pass through a loop. Each is an arena
 * that is passed along, never a global, and is freed whole. */
#ifndef WHIMBREL_BASE_ARENA_H
#define WHIMBREL_BASE_ARENA_H

#include <stdbool.h>
#include <stddef.h>

/* Runs done(&variable) when the variable's scope ends, on every way out. */
#define scoped(type, done) __attribute__((cleanup(done))) type

/* typedef enum SMALL Name { ... } Name; takes a byte, where there are thousands. */
#define SMALL __attribute__((packed))

#define PRINTF_LIKE(format_index, first_argument)                                                  \
    __attribute__((format(printf, format_index, first_argument)))

typedef struct Arena Arena;

/* A new, empty arena, or NULL when memory is out. It belongs to the caller: arena_free(). */
Arena *arena_new(void);

/* One for passwords: what came from it is overwritten before its memory is given back. */
Arena *arena_new_secret(void);

/* Frees all that came from the arena. Takes NULL. */
void arena_free(Arena *arena);

/* Clean-up for `scoped(Arena *, arena_freep)`. */
void arena_freep(Arena **arena);

/* Forgets all that was allocated; keeps one block to allocate from again. */
void arena_reset(Arena *arena);

/* size zeroed bytes, aligned for any type, or NULL. They live until the arena is reset or freed. size 0 gives a valid
 * pointer that must not be read. */
void *arena_alloc(Arena *arena, size_t size);

/* The same for text and other bytes that are written at once: not zeroed, not aligned, without gaps in between. */
void *arena_alloc_raw(Arena *arena, size_t size);

/* A block of new_size bytes that begins with the old_size bytes of old (which may be NULL), or NULL; the tail is zeroed.
 * Grows in place when old was the arena's last allocation. old stays readable. */
void *arena_grow(Arena *arena, const void *old, size_t old_size, size_t new_size);

/* From now on child, with all that came from it, is freed when arena is reset or freed. Takes NULL. */
void arena_adopt(Arena *arena, Arena *child);

/* Gives back what lies behind the first size bytes of ptr, if it was the last allocation; else that stays unused. */
void arena_trim(Arena *arena, const void *ptr, size_t size);

/* Frees what came from the arena, or from one that it has adopted, and is large enough to have memory of its own; what is not stays
 * unused. */
void arena_give_back(Arena *arena, const void *ptr);

/* Bytes handed out so far, padding included; for tests that count. */
size_t arena_used(const Arena *arena);

#endif

/* Arenas, twice: blocks that grow for use, and one malloc an allocation where overruns are to be seen (AddressSanitizer
 * and fault builds). SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#if defined(__SANITIZE_ADDRESS__)
#define EACH_ALLOCATION_APART 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define EACH_ALLOCATION_APART 1
#endif
#endif
#if defined(WHIMBREL_FAULTS) && !defined(EACH_ALLOCATION_APART)
#define EACH_ALLOCATION_APART 1
#endif

#ifdef WHIMBREL_FAULTS
#define ALLOCATION_MUST_FAIL() fault_allocation()
#else
#define ALLOCATION_MUST_FAIL() (false)
#endif

/* Larger requests are mistakes of reckoning; refusing them keeps every sum below from wrapping. */
#define LARGEST_ALLOCATION ((size_t)PTRDIFF_MAX / 4)

void arena_freep(Arena **arena)
{
    arena_free(*arena);
    *arena = NULL;
}

static void children_free(Arena *arena);

#ifdef EACH_ALLOCATION_APART

/* The list of what was handed out stands apart from it, so that underruns show as well. */
typedef struct Item {
    void *ptr;
    size_t size;
} Item;

struct Arena {
    Item *items;
    size_t len, cap;
    size_t used;
    bool is_secret;
    Arena *children, *next;
};

Arena *arena_new(void)
{
    if (ALLOCATION_MUST_FAIL())
        return NULL;
    return calloc(1, sizeof(Arena));
}

void arena_reset(Arena *arena)
{
    children_free(arena);
    for (size_t i = 0; i < arena->len; i++) {
        if (arena->is_secret)
            explicit_bzero(arena->items[i].ptr, arena->items[i].size);
        free(arena->items[i].ptr);
    }
    arena->len = 0;
    arena->used = 0;
}

void arena_free(Arena *arena)
{
    if (!arena)
        return;
    arena_reset(arena);
    free(arena->items);
    free(arena);
}

void *arena_alloc(Arena *arena, size_t size)
{
    if (ALLOCATION_MUST_FAIL() || size > LARGEST_ALLOCATION)
        return NULL;
    if (arena->len == arena->cap) {
        size_t cap = arena->cap ? arena->cap * 2 : 64;
        Item *items = realloc(arena->items, cap * sizeof *items);
        if (!items)
            return NULL;
        arena->items = items;
        arena->cap = cap;
    }
    void *ptr = calloc(1, size ? size : 1);
    if (!ptr)
        return NULL;
    arena->items[arena->len++] = (Item){.ptr = ptr, .size = size};
    arena->used += size;
    return ptr;
}

void *arena_alloc_raw(Arena *arena, size_t size)
{
    return arena_alloc(arena, size);
}

void *arena_grow(Arena *arena, const void *old, size_t old_size, size_t new_size)
{
    void *ptr = arena_alloc(arena, new_size);
    if (!ptr)
        return NULL;
    size_t kept = old_size < new_size ? old_size : new_size;
    if (old && kept > 0)
        memcpy(ptr, old, kept);
    return ptr;
}

void arena_trim(Arena *arena, const void *ptr, size_t size)
{
    (void)arena;
    (void)ptr;
    (void)size;
}

static bool give_back(Arena *arena, const void *ptr)
{
    for (size_t i = arena->len; i-- > 0;) {
        Item *item = &arena->items[i];
        if (item->ptr != ptr)
            continue;
        if (arena->is_secret)
            explicit_bzero(item->ptr, item->size);
        arena->used -= item->size;
        free(item->ptr);
        *item = arena->items[--arena->len];
        return true;
    }
    return false;
}

#else

typedef struct Block {
    struct Block *next;
    size_t cap, used;
    bool is_apart; /* holds one item */
    max_align_t bytes[];
} Block;

/* The first block is small, since many commands need little; each further one doubles up to the largest. */
enum { FIRST_BLOCK = 4096, LARGEST_BLOCK = 1 << 20, LARGE = 1 << 18 };

struct Arena {
    Block *head; /* the block that is allocated from; the others are full or held one large item */
    char *last;  /* the last allocation that lies in head */
    size_t next_size; /* of the next block */
    size_t used;
    bool is_secret;
    Arena *children, *next;
};

static size_t aligned(size_t size)
{
    size_t unit = _Alignof(max_align_t);
    return (size + unit - 1) / unit * unit;
}

Arena *arena_new(void)
{
    Arena *arena = calloc(1, sizeof *arena);
    if (arena)
        arena->next_size = FIRST_BLOCK;
    return arena;
}

static void blocks_free(Block *block, bool is_secret)
{
    while (block) {
        Block *next = block->next;
        if (is_secret)
            explicit_bzero(block->bytes, block->used);
        free(block);
        block = next;
    }
}

void arena_free(Arena *arena)
{
    if (!arena)
        return;
    children_free(arena);
    blocks_free(arena->head, arena->is_secret);
    free(arena);
}

void arena_reset(Arena *arena)
{
    children_free(arena);
    /* The head is the block worth keeping: it is the youngest of those that are shared. */
    if (arena->head) {
        blocks_free(arena->head->next, arena->is_secret);
        if (arena->is_secret)
            explicit_bzero(arena->head->bytes, arena->head->used);
        arena->head->next = NULL;
        arena->head->used = 0;
    }
    arena->last = NULL;
    arena->used = 0;
}

/* Room of a block for size more bytes. */
static bool fits(const Block *block, size_t size)
{
    return block && block->cap - block->used >= size;
}

static Block *block_new(size_t cap)
{
    Block *block = malloc(sizeof *block + cap);
    if (!block)
        return NULL;
    *block = (Block){.cap = cap};
    return block;
}

/* room bytes from the head, or from a new block. */
static char *take(Arena *arena, size_t room)
{
    Block *block = arena->head;
    bool is_shared = true;

    if (!fits(block, room)) {
        is_shared = room <= arena->next_size / 2 || !arena->head;
        size_t cap = is_shared && room < arena->next_size ? arena->next_size : room;
        block = block_new(cap);
        if (!block)
            return NULL;
        if (arena->next_size < LARGEST_BLOCK)
            arena->next_size *= 2;
        /* A large item gets a block of its own behind the head, whose rest stays in use. */
        Block **place = is_shared ? &arena->head : &arena->head->next;
        block->next = *place;
        *place = block;
    }
    block->is_apart = !is_shared;
    char *ptr = (char *)block->bytes + block->used;
    block->used += room;
    arena->used += room;
    if (is_shared)
        arena->last = ptr;
    return ptr;
}

/* What is large gets a block of its own from the system, which hands it out zeroed and gives each page only when it is written to. */
static void *take_large(Arena *arena, size_t room)
{
    Block *block = calloc(1, sizeof *block + room);
    if (!block)
        return NULL;
    block->cap = block->used = room;
    block->is_apart = true;
    block->next = arena->head->next;
    arena->head->next = block;
    arena->used += room;
    return block->bytes;
}

void *arena_alloc(Arena *arena, size_t size)
{
    if (size > LARGEST_ALLOCATION)
        return NULL;
    if (size >= LARGE && arena->head)
        return take_large(arena, aligned(size));
    Block *head = arena->head;
    if (head) { /* behind raw bytes */
        size_t gap = aligned(head->used) - head->used;
        if (gap > head->cap - head->used)
            gap = head->cap - head->used;
        head->used += gap;
        arena->used += gap;
    }
    /* Even nothing gets an address of its own. */
    char *ptr = take(arena, aligned(size ? size : 1));
    if (ptr)
        memset(ptr, 0, size);
    return ptr;
}

void *arena_alloc_raw(Arena *arena, size_t size)
{
    if (size > LARGEST_ALLOCATION)
        return NULL;
    return take(arena, size ? size : 1);
}

void *arena_grow(Arena *arena, const void *old, size_t old_size, size_t new_size)
{
    if (new_size > LARGEST_ALLOCATION)
        return NULL;
    if (old && old == arena->last) {
        Block *head = arena->head;
        size_t start = (size_t)(arena->last - (char *)head->bytes);
        size_t room = aligned(new_size ? new_size : 1);
        if (head->cap - start >= room) {
            if (start + room > head->used) {
                arena->used += start + room - head->used;
                head->used = start + room;
            }
            if (new_size > old_size)
                memset(arena->last + old_size, 0, new_size - old_size);
            return arena->last;
        }
    }
    void *ptr = arena_alloc(arena, new_size);
    if (!ptr)
        return NULL;
    size_t kept = old_size < new_size ? old_size : new_size;
    if (old && kept > 0)
        memcpy(ptr, old, kept);
    return ptr;
}

void arena_trim(Arena *arena, const void *ptr, size_t size)
{
    if (!ptr || ptr != arena->last)
        return;
    Block *head = arena->head;
    size_t end = (size_t)(arena->last - (char *)head->bytes) + size;
    if (end < head->used) {
        if (arena->is_secret)
            explicit_bzero((char *)head->bytes + end, head->used - end);
        arena->used -= head->used - end;
        head->used = end;
    }
}

static bool give_back(Arena *arena, const void *ptr)
{
    for (Block **place = &arena->head; *place; place = &(*place)->next) {
        Block *block = *place;
        if (!block->is_apart || (const void *)block->bytes != ptr)
            continue;
        if (arena->is_secret)
            explicit_bzero(block->bytes, block->used);
        arena->used -= block->used;
        *place = block->next;
        free(block);
        return true;
    }
    return false;
}

#endif

void arena_give_back(Arena *arena, const void *ptr)
{
    if (!ptr || give_back(arena, ptr))
        return;
    for (Arena *child = arena->children; child; child = child->next)
        arena_give_back(child, ptr);
}

Arena *arena_new_secret(void)
{
    Arena *arena = arena_new();
    if (arena)
        arena->is_secret = true;
    return arena;
}

void arena_adopt(Arena *arena, Arena *child)
{
    if (!child)
        return;
    child->next = arena->children;
    arena->children = child;
    arena->used += child->used;
}

static void children_free(Arena *arena)
{
    while (arena->children) {
        Arena *child = arena->children;
        arena->children = child->next;
        arena_free(child);
    }
}

size_t arena_used(const Arena *arena)
{
    return arena->used;
}

/* Work that is done aside. SPDX-License-Identifier: Apache-2.0
 *
 * While a server is waited for there is time, and mostly a processor, for what will be needed next. */
#ifndef WHIMBREL_BASE_ASIDE_H
#define WHIMBREL_BASE_ASIDE_H

#include <pthread.h>
#include <stdbool.h>

/* pthread_create() for a thread of ours: signals are for the program's own. 0, or the number of the error. */
int thread_begin(pthread_t *thread, void *(*work)(void *ctx), void *ctx);

typedef struct Aside {
    void (*work)(void *ctx);
    void *ctx;
    pthread_t thread;
    bool is_under_way;
} Aside;

/* Has work(ctx) done by a thread of its own, or at once where there is none to be had. What it touches is its own until aside_end(). */
void aside_begin(Aside *aside, void (*work)(void *ctx), void *ctx);
/* Waits until the work is done; takes a zeroed one, and one that is over. */
void aside_end(Aside *aside);

#endif

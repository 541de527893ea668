/* Work that is done aside, by a thread that lives as long as it takes. SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <signal.h>

int thread_begin(pthread_t *thread, void *(*work)(void *ctx), void *ctx)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int code = pthread_create(thread, NULL, work, ctx);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return code;
}

static void *work_on(void *ctx)
{
    const Aside *aside = ctx;
    aside->work(aside->ctx);
    return NULL;
}

void aside_begin(Aside *aside, void (*work)(void *ctx), void *ctx)
{
    *aside = (Aside){.work = work, .ctx = ctx};
    aside->is_under_way = thread_begin(&aside->thread, work_on, aside) == 0;
    if (!aside->is_under_way)
        work(ctx);
}

void aside_end(Aside *aside)
{
    if (aside->is_under_way)
        (void)pthread_join(aside->thread, NULL);
    aside->is_under_way = false;
}

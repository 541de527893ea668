/* Work that is done aside, by a thread that lives as long as it takes. SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <signal.h>

static void *work_on(void *ctx)
{
    const Aside *aside = ctx;
    aside->work(aside->ctx);
    return NULL;
}

void aside_begin(Aside *aside, void (*work)(void *ctx), void *ctx)
{
    *aside = (Aside){.work = work, .ctx = ctx};
    sigset_t all, before;
    /* Signals are for the program's own threads. */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    aside->is_under_way = pthread_create(&aside->thread, NULL, work_on, aside) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (!aside->is_under_way)
        work(ctx);
}

void aside_end(Aside *aside)
{
    if (aside->is_under_way)
        (void)pthread_join(aside->thread, NULL);
    aside->is_under_way = false;
}

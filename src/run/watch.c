/* The second connection of a run, beside the first while that one waits. SPDX-License-Identifier: Apache-2.0
 *
 * The drivers call on_tick() from their wait loops, so nothing runs at the same time as anything else: while the second
 * connection asks, the first one's answer waits to be read. Its questions are therefore short, a server that does not
 * answer them is given up soon, and a wish to stop ends them as it ends the statement. */
#include <string.h>

#include "run/work.h"

enum {
    FIRST_LOOK_US = 500000,
    BUSY_LOOK_US =
        2000000, /* at a statement that is not silent: its data or rows are on their way */
    SOONEST_LOOK_US = 100000,
    LOOK_EVERY_US = 500000,
    TIMEOUT_MS = 2000,
    REFUSED_US = 30000000,
    MS = 1000,
};

static void close_second(Watch *watch)
{
    db_close(watch->db);
    watch->db = NULL;
}

/* A statement of ours that the server takes long for, say because its catalog is locked, is stopped by the server. */
static bool set_timeouts(Db *db, Arena *arena, Error *err)
{
    DbStatementVec statements = {0};
    DbTimeouts timeouts = {.lock_ms = TIMEOUT_MS / 2, .statement_ms = TIMEOUT_MS / 2};
    if (!db->driver->timeouts(db, arena, timeouts, false, &statements))
        return error_nomem(err);
    DbOutcome outcome = {0};
    return db_run(db, statements.items, statements.len, NULL, NULL, &outcome, err);
}

static void open_second(Run *run, Arena *scratch)
{
    Watch *watch = &run->watch;
    Error ignored = {.arena = scratch};
    /* A file has nobody who could be asked. Where the first connection's number is not known, nor is what to ask about. */
    if (!run->runner->url || db_has(run->db, DB_SINGLE_FILE) || run->db->info.session[0] == '\0')
        return;
    DbOptions options = run->db->options;
    options.may_create = false;
    options.connect_timeout_ms = options.answer_timeout_ms = TIMEOUT_MS;
    options.notice = NULL;
    options.tick = NULL;
    watch->refused_until_us = clock_monotonic_us() + REFUSED_US;
    if (!db_open(run->runner->url, &options, &watch->db, &ignored)) {
        watch->db = NULL;
        return;
    }
    /* Of several hosts in the URL it may have found another one. */
    if (strcmp(watch->db->info.place, run->db->info.place) != 0 || watch->db->info.is_pooled ||
        !set_timeouts(watch->db, scratch, &ignored))
        close_second(watch);
    else
        watch->refused_until_us = 0;
}

/* The first look comes while the lock is still waited for. */
static int64_t first_look_us(const Run *run)
{
    const Chunk *chunk = &run->chunk;
    int64_t lock_ms = run->runner->settings.timeouts.lock_ms;
    if (chunk->seen < chunk->tags.len)
        lock_ms = timeouts_of(run, &run->units.items[chunk->tags.items[chunk->seen].unit]).lock_ms;
    int64_t half_us = lock_ms > 0 ? lock_ms * MS / 2 : FIRST_LOOK_US;
    return half_us < SOONEST_LOOK_US ? SOONEST_LOOK_US
           : half_us < FIRST_LOOK_US ? half_us
                                     : FIRST_LOOK_US;
}

static void on_tick(void *ctx, int64_t silent_us)
{
    Run *run = ctx;
    Watch *watch = &run->watch;
    int64_t now_us = clock_monotonic_us();
    if (now_us - watch->looked_us < LOOK_EVERY_US ||
        (silent_us < first_look_us(run) && now_us - run->moved_us < BUSY_LOOK_US))
        return;
    if (!watch->db && now_us >= watch->refused_until_us && run->db->driver->waiting) {
        scoped(Arena *, arena_freep) scratch = arena_new();
        if (scratch)
            open_second(run, scratch);
    }
    if (!watch->db || !wait_look(run, watch->db))
        pace_look(run, watch->db);
    if (watch->db && watch->db->is_broken) {
        close_second(watch);
        watch->refused_until_us = clock_monotonic_us() + REFUSED_US;
    }
    watch->looked_us = clock_monotonic_us();
}

void watch_begin(Run *run)
{
    run->watch.looked_us = 0;
    run->db->options.tick = on_tick;
    run->db->options.tick_ctx = run;
}

void watch_end(Run *run)
{
    run->db->options.tick = NULL;
    close_second(&run->watch);
}

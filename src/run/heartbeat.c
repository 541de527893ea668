/* Keeps a lease alive from a connection of its own. SPDX-License-Identifier: Apache-2.0
 *
 * A thread, because whatever the run does may take longer than the lease: an hour of ALTER TABLE on the first
 * connection, a hook's program, a file that has to be read, a sink that blocks on a full pipe. A hook in the drivers'
 * wait loops would see only the first of these, and would need a second, asynchronous way through every driver. The thread
 * owns its connection and this struct, and shares no more than a time and two flags. It has all signals blocked: they are
 * the program's.
 *
 * It connects when it first has to renew, at a third of the lease: short runs never pay for a second connection. */
#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#include "run/lease.h"

enum { US = 1000000, LONGEST_STOP_S = 2, LONGEST_TRY_US = 10 * US, PAUSE_US = US };

struct Heartbeat {
    Arena *arena;
    DbUrl url;
    DbOptions options;
    DbCancel cancel;
    Str renewal;
    int64_t length_us;
    bool may_be_held_up;
    int64_t give_up_at_us; /* the thread's: when the try under way has taken too long */
    atomic_int_least64_t good_until_us; /* 0: lost */
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t wake;
    bool stops;       /* under the mutex */
    bool is_left;     /* under the mutex: nobody waits for the thread, it frees all */
    bool has_stopped; /* under the mutex */
};

static void heartbeat_free(Heartbeat *beat)
{
    pthread_cond_destroy(&beat->wake);
    pthread_mutex_destroy(&beat->mutex);
    arena_free(beat->arena); /* the struct itself lies in it */
}

/* A try is given up when it takes too long, and then made again on a new connection. That the run ends does not end a try:
 * it mostly takes a moment, and cancelling takes longer. */
static bool is_over(void *ctx)
{
    const Heartbeat *beat = ctx;
    return clock_monotonic_us() >= beat->give_up_at_us;
}

/* Whether the lease is ours for another length; is_lost when the server says that it is not. */
static bool renew(Heartbeat *beat, Db **db, bool *ret_is_lost)
{
    scoped(Arena *, arena_freep) scratch = arena_new();
    if (!scratch)
        return false;
    Error ignored = {.arena = scratch};
    DbOutcome outcome = {0};
    DbStatement statement = {.sql = beat->renewal};
    int64_t try_us = beat->length_us / 3 < LONGEST_TRY_US ? beat->length_us / 3 : LONGEST_TRY_US;
    beat->give_up_at_us = clock_monotonic_us() + try_us;
    beat->options.connect_timeout_ms = try_us / 1000 > 0 ? try_us / 1000 : 1;
    if (FAULT("run.heartbeat", &ignored))
        return false;
    if (!*db && !db_open(&beat->url, &beat->options, db, &ignored)) {
        *db = NULL;
        return false;
    }
    /* From before it is sent: the server counts from later on, so ours ends first. */
    int64_t sent_us = clock_boottime_us();
    if (!db_run(*db, &statement, 1, NULL, NULL, &outcome, &ignored)) {
        /* What a lock held up is tried again on the same connection, everything else on a new one. */
        if ((*db)->is_broken || ignored.kind != ERROR_TIMEOUT) {
            db_close(*db);
            *db = NULL;
        }
        return false;
    }
    *ret_is_lost = outcome.rows == 0 && !beat->may_be_held_up;
    if (outcome.rows != 1)
        return false;
    int64_t was_us = atomic_load(&beat->good_until_us);
    /* The run itself renews too; the later of the two holds. */
    while (was_us != 0 && was_us < sent_us + beat->length_us &&
           !atomic_compare_exchange_weak(&beat->good_until_us, &was_us, sent_us + beat->length_us))
        ;
    return true;
}

static void sleep_until(Heartbeat *beat, int64_t at_us)
{
    struct timespec at = {.tv_sec = at_us / US, .tv_nsec = at_us % US * 1000};
    while (!beat->stops && clock_monotonic_us() < at_us)
        (void)pthread_cond_timedwait(&beat->wake, &beat->mutex, &at);
}

static void *beat_on(void *arg)
{
    Heartbeat *beat = arg;
    Db *db = NULL;
    int64_t pause_us = beat->length_us / 3;
    pthread_mutex_lock(&beat->mutex);
    for (;;) {
        sleep_until(beat, clock_monotonic_us() + pause_us);
        if (beat->stops)
            break;
        pthread_mutex_unlock(&beat->mutex);
        bool is_lost = false;
        bool is_renewed = renew(beat, &db, &is_lost);
        /* Past its end no renewal can succeed any more: the server refuses it. */
        if (is_lost ||
            (!beat->may_be_held_up && clock_boottime_us() >= atomic_load(&beat->good_until_us)))
            atomic_store(&beat->good_until_us, 0);
        pause_us = is_renewed                        ? beat->length_us / 3
                   : beat->length_us / 20 < PAUSE_US ? beat->length_us / 20
                                                     : PAUSE_US;
        pthread_mutex_lock(&beat->mutex);
        if (atomic_load(&beat->good_until_us) == 0)
            break;
    }
    pthread_mutex_unlock(&beat->mutex);
    db_close(db);
    pthread_mutex_lock(&beat->mutex);
    beat->has_stopped = true;
    bool is_left = beat->is_left;
    pthread_mutex_unlock(&beat->mutex);
    if (is_left)
        heartbeat_free(beat);
    return NULL;
}

static bool copy_z(Arena *arena, const char *text, const char **ret_copy)
{
    *ret_copy = text ? str_z(arena, str_from(text)) : NULL;
    return !text || *ret_copy;
}

/* The thread may outlive what the caller has. */
static bool copy_options(Heartbeat *beat, const HeartbeatOptions *from, Error *err)
{
    Arena *arena = beat->arena;
    beat->options = from->db;
    beat->options.notice = NULL;
    beat->options.notice_ctx = NULL;
    beat->options.question = (Str){0};
    beat->options.may_create = false;
    beat->options.is_read_only = false;
    beat->options.cancel = &beat->cancel;
    if (!copy_z(arena, from->db.application_name, &beat->options.application_name) ||
        !copy_z(arena, from->db.client_path, &beat->options.client_path) ||
        !str_copy(arena, from->renewal, &beat->renewal))
        return error_nomem(err);
    return db_url_copy(arena, from->url, &beat->url, err);
}

static bool start_thread(Heartbeat *beat, Error *err)
{
    pthread_condattr_t attributes;
    int code = pthread_condattr_init(&attributes);
    if (code == 0) {
        code = pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
        if (code == 0)
            code = pthread_cond_init(&beat->wake, &attributes);
        pthread_condattr_destroy(&attributes);
    }
    if (code != 0)
        return error_errno(err, code, "making the thread that keeps the lease");
    code = pthread_mutex_init(&beat->mutex, NULL);
    if (code == 0) {
        code = thread_begin(&beat->thread, beat_on, beat);
        if (code != 0)
            pthread_mutex_destroy(&beat->mutex);
    }
    if (code == 0)
        return true;
    pthread_cond_destroy(&beat->wake);
    return error_errno(err, code, "making the thread that keeps the lease");
}

Heartbeat *heartbeat_start(const HeartbeatOptions *options, Error *err)
{
    Arena *arena = arena_new_secret();
    Heartbeat *beat = arena ? arena_alloc(arena, sizeof *beat) : NULL;
    if (!beat) {
        arena_free(arena);
        error_nomem(err);
        return NULL;
    }
    beat->arena = arena;
    beat->length_us = options->length_us;
    beat->may_be_held_up = options->may_be_held_up;
    beat->cancel = (DbCancel){.is_requested = is_over, .ctx = beat, .wake_fd = -1};
    atomic_init(&beat->good_until_us, options->good_until_us);
    if (copy_options(beat, options, err) && start_thread(beat, err))
        return beat;
    arena_free(arena);
    return NULL;
}

void heartbeat_stop(Heartbeat *beat)
{
    struct timespec until;
    pthread_mutex_lock(&beat->mutex);
    beat->stops = true;
    pthread_cond_signal(&beat->wake);
    pthread_mutex_unlock(&beat->mutex);
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += LONGEST_STOP_S;
    if (pthread_clockjoin_np(beat->thread, NULL, CLOCK_MONOTONIC, &until) == 0) {
        heartbeat_free(beat);
        return;
    }
    pthread_mutex_lock(&beat->mutex);
    bool has_stopped = beat->has_stopped;
    beat->is_left = true;
    pthread_t thread = beat->thread;
    pthread_mutex_unlock(&beat->mutex);
    if (!has_stopped) {
        pthread_detach(thread);
        return;
    }
    (void)pthread_join(thread, NULL);
    heartbeat_free(beat);
}

void heartbeat_extend(Heartbeat *beat, int64_t good_until_us)
{
    int64_t was_us = atomic_load(&beat->good_until_us);
    while (was_us != 0 && was_us < good_until_us &&
           !atomic_compare_exchange_weak(&beat->good_until_us, &was_us, good_until_us))
        ;
}

int64_t heartbeat_good_until(Heartbeat *beat)
{
    return atomic_load(&beat->good_until_us);
}

/* The migration lock: one runner at a time. SPDX-License-Identifier: Apache-2.0
 *
 * It is polled, never waited for inside the server: a session that waits in the server holds a snapshot, and an index
 * that the lock's holder builds concurrently would wait for that snapshot in turn. Where the write transaction itself is
 * the lock (DB_FILE_LOCK), that transaction is what is polled for. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include "run/work.h"

enum { FIRST_PAUSE_MS = 100, LONGEST_PAUSE_MS = 1000, SLICE_MS = 100, MS = 1000 };

bool cancel_requested(const Runner *runner)
{
    const DbCancel *cancel = runner->settings.cancel;
    return cancel && cancel->is_requested && cancel->is_requested(cancel->ctx);
}

bool pause_for(const Runner *runner, int64_t pause_ms, Error *err)
{
    int64_t until_us = clock_monotonic_us() + pause_ms * MS;
    int64_t slept_ms = 0; /* what was slept counts, too: a clock that stands still ends no wait */
    for (;;) {
        if (cancel_requested(runner))
            return error_set(err, ERROR_CANCELLED, "interrupted while waiting");
        int64_t left_ms = (until_us - clock_monotonic_us() + MS - 1) / MS;
        if (left_ms <= 0 || slept_ms >= pause_ms)
            return true;
        const DbCancel *cancel = runner->settings.cancel;
        struct pollfd wake = {.fd = cancel ? cancel->wake_fd : -1, .events = POLLIN};
        /* A wake_fd that stays readable would make this loop spin: it is asked only once per slice. */
        int slice = (int)(left_ms < SLICE_MS ? left_ms : SLICE_MS);
        int ready = poll(&wake, 1, slice);
        slept_ms += ready == 0 ? slice : 0;
        if (ready > 0 && !cancel_requested(runner))
            (void)poll(NULL, 0, slice);
        else if (ready < 0 && errno != EINTR)
            return error_errno(err, errno, "waiting");
    }
}

/* A little more or less than pause_ms, so that runners that failed together do not come back together. */
static int64_t jittered(int64_t pause_ms)
{
    uint32_t number = 0;
    if (pause_ms < 4 || !random_bytes(&number, sizeof number, NULL))
        return pause_ms;
    int64_t span = pause_ms / 2;
    return pause_ms - span / 2 + (int64_t)(number % (uint32_t)(span + 1));
}

static bool refuse_locked(Run *run, const DbSession *holder, bool has_holder, Error *err)
{
    error_set(err, ERROR_LOCKED, "another run holds the migration lock");
    error_code(err, "locked");
    if (has_holder)
        error_detail(err, "held by %.*s%s%.*s%s%.*s", STR_ARG(holder->id),
                     holder->application.len ? ", " : "", STR_ARG(holder->application),
                     holder->user.len ? ", user " : "", STR_ARG(holder->user));
    if (run->lock_key.name.len > 0 || run->lock == LOCK_NONE)
        error_hint(err, "Wait for it, or allow a longer wait with --lock-wait.");
    return false;
}

/* Who holds it makes a better message; not to know is no failure. */
typedef struct Attempt {
    bool is_ours, has_holder;
    DbSession holder;
} Attempt;
typedef bool TryLock(Run *run, Arena *arena, Attempt *ret_attempt, Error *err);

/* The lock that the tool itself heeds, where that is a row of a table. Ours alone is not enough: nothing gives a row back when
 * its holder is gone. A dry run only looks: it leaves nothing behind. */
static bool try_row(Run *run, Arena *arena, Attempt *attempt, Error *err)
{
    const Convention *convention = run->convention->convention;
    if (!convention->lock_try)
        return true;
    if (!run->runner->settings.is_dry_run) {
        if (!convention->lock_try(run->convention, run->db, arena, &attempt->is_ours,
                                  &attempt->holder, err))
            return false;
    } else {
        bool is_held = false;
        if (!convention->lock_holder(run->convention, run->db, arena, &attempt->holder, &is_held,
                                     err))
            return false;
        attempt->is_ours = !is_held;
    }
    attempt->has_holder = !attempt->is_ours;
    run->has_row = attempt->is_ours && !run->runner->settings.is_dry_run;
    return true;
}

static bool has_fence_of_tool(const Run *run)
{
    return run->has_row && run->convention->convention->lock_fence;
}

bool lock_has_fence(const Run *run)
{
    return run->lock == LOCK_LEASE || has_fence_of_tool(run);
}

bool lock_fence(Run *run, Error *err)
{
    const Convention *convention = run->convention->convention;
    Str sql = {0};
    if (!has_fence_of_tool(run))
        return true;
    if (!convention->lock_fence(run->convention, run->chunk.arena, &sql, err))
        return false;
    return sql.len == 0 || chunk_add(run, sql, (Tag){.kind = TAG_FENCE}, err);
}

bool lock_says_lost(const Run *run, const Tag *tag, const Error *err)
{
    return run->has_row && tag->kind == TAG_FENCE && err->kind == ERROR_SQL &&
           (strcmp(err->sqlstate, "22012") == 0 || err->server_code == 1690);
}

bool lock_lost(Run *run, Error *err)
{
    const char *title = run->convention->convention->title;
    run->is_row_lost = true;
    error_clear(err);
    error_set(err, ERROR_STATE, "%s's lock was taken from this run: somebody else holds it by now",
              title);
    error_code(err, "lock-lost");
    return error_hint(err,
                      "whimbrel lock list says who does. A %s that gave up waiting, or "
                      "somebody by hand, must have released it; see what holds with whimbrel "
                      "status, and run it again when the other is done.",
                      title);
}

static void drop_row(Run *run, Arena *arena)
{
    Error ignored = {.arena = arena};
    if (run->has_row && !run->db->is_broken)
        (void)run->convention->convention->lock_give(run->convention, run->db, arena, NULL,
                                                     &ignored);
    run->has_row = false;
}

static bool try_session(Run *run, Arena *arena, Attempt *ret_attempt, Error *err)
{
    Db *db = run->db;
    Error ignored = {.arena = arena};
    *ret_attempt = (Attempt){0};
    if (!db->driver->lock_try(db, run->lock_key, &ret_attempt->is_ours, err))
        return false;
    if (!ret_attempt->is_ours && db->driver->lock_holder &&
        !db->driver->lock_holder(db, arena, run->lock_key, &ret_attempt->holder,
                                 &ret_attempt->has_holder, &ignored))
        ret_attempt->has_holder = false;
    /* Runners behind a pooling proxy hold a lease; see lease_try(). */
    if (ret_attempt->is_ours) {
        if (!lease_is_held(run, arena, &ret_attempt->holder, &ret_attempt->has_holder, err))
            return false;
        ret_attempt->is_ours = !ret_attempt->has_holder;
        if (ret_attempt->is_ours && !try_row(run, arena, ret_attempt, err))
            return false;
        return ret_attempt->is_ours || db->driver->unlock(db, run->lock_key, err);
    }
    return true;
}

static bool try_lease(Run *run, Arena *arena, Attempt *ret_attempt, Error *err)
{
    *ret_attempt = (Attempt){0};
    if (!lease_try(run, arena, &ret_attempt->is_ours, &ret_attempt->holder,
                   &ret_attempt->has_holder, err))
        return false;
    if (!ret_attempt->is_ours)
        return true;
    if (!try_row(run, arena, ret_attempt, err))
        return false;
    if (!ret_attempt->is_ours)
        lease_drop(run);
    return true;
}

/* ---- a run that lets go of the database in between ---------------------------------------------------
 *
 * Where the write transaction is the lock, a statement that cannot run in a transaction makes the run let go of it, with a
 * migration half done. A lock on a byte of the database's file, one that SQLite never locks, then tells such a run from one
 * that was stopped. It is the file itself because that is what all see who share it, whatever the path, the mount or the
 * container that they see it through; and the kernel drops it with its holder.
 *
 * The lock is taken on the descriptor that SQLite has, and belongs to that (F_OFD_SETLK): to open and close another one
 * would drop all of the process's own locks on that file, SQLite's among them. */

enum { LIVING_BYTE = 0x40000000 + 0x1000, MOST_DESCRIPTORS = 1024 };

static struct flock living(short type)
{
    return (struct flock){.l_type = type, .l_whence = SEEK_SET, .l_start = LIVING_BYTE, .l_len = 1};
}

/* Calls `visit` with each descriptor of the database's file that is open for writing, until one says that it will do. */
static bool visit_descriptors(const Run *run, bool (*visit)(int fd), int *ret_fd, bool *ret_has,
                              Error *err)
{
    scoped(Arena *, arena_freep) scratch = arena_new();
    const DbInfo *info = &run->db->info;
    struct stat file, open_file;
    *ret_has = false;
    if (!scratch)
        return error_nomem(err);
    char *path = str_format(scratch, "%s/%s", info->place, info->database);
    if (!path)
        return error_nomem(err);
    if (stat(path, &file) != 0)
        return error_errno(err, errno, "cannot look at %s", path);
    /* Without /proc the low ones are gone through. */
    DIR *list = opendir("/proc/self/fd");
    struct dirent *entry = NULL;
    for (int i = 0; list ? (entry = readdir(list)) != NULL : i < MOST_DESCRIPTORS; i++) {
        int64_t number = i;
        if (list && !str_to_i64(str_from(entry->d_name), &number))
            continue;
        int fd = (int)number, flags = fcntl(fd, F_GETFL);
        if (flags < 0 || (flags & O_ACCMODE) != O_RDWR || fstat(fd, &open_file) != 0 ||
            open_file.st_dev != file.st_dev || open_file.st_ino != file.st_ino || !visit(fd))
            continue;
        *ret_has = true;
        *ret_fd = fd;
        break;
    }
    if (list)
        (void)closedir(list);
    return true;
}

static bool lock_living(int fd)
{
    struct flock lock = living(F_WRLCK);
    return fcntl(fd, F_OFD_SETLK, &lock) == 0;
}

/* Asked through each: to its own descriptor a lock is none, and two runs may be in one process. */
static bool sees_living(int fd)
{
    struct flock lock = living(F_WRLCK);
    return fcntl(fd, F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
}

bool lock_side(Run *run, Error *err)
{
    if (run->has_side || !db_has(run->db, DB_SINGLE_FILE | DB_FILE_LOCK))
        return true;
    if (!visit_descriptors(run, lock_living, &run->side_fd, &run->has_side, err))
        return false;
    return run->has_side || error_set(err, ERROR_IO, "cannot lock the file of the database %s",
                                      run->db->info.database);
}

/* Whether a run is under way that has let go of the database for a moment. */
static bool is_side_held(Run *run, bool *ret_is_held, Error *err)
{
    int fd;
    *ret_is_held = false;
    return run->has_side || !db_has(run->db, DB_SINGLE_FILE | DB_FILE_LOCK) ||
           visit_descriptors(run, sees_living, &fd, ret_is_held, err);
}

static void drop_side(Run *run)
{
    struct flock lock = living(F_UNLCK);
    if (run->has_side)
        (void)fcntl(run->side_fd, F_OFD_SETLK, &lock);
    run->has_side = false;
}

static bool try_file(Run *run, Arena *arena, Attempt *ret_attempt, Error *err)
{
    bool is_held = false;
    *ret_attempt = (Attempt){0};
    if (db_exec(run->db, str_from(run->db->driver->begin), err)) {
        if (!is_side_held(run, &is_held, err))
            return false;
        ret_attempt->is_ours = !is_held;
        if (!is_held && !try_row(run, arena, ret_attempt, err))
            return false;
        if (ret_attempt->is_ours)
            return true;
        return db_exec(run->db, STR("ROLLBACK"), err);
    }
    if (err->kind != ERROR_TIMEOUT && err->kind != ERROR_LOCKED)
        return false;
    error_clear(err);
    return true;
}

static void tell_wait(Run *run, const DbSession *holder, bool has_holder, uint32_t attempt,
                      int64_t began_us)
{
    Event event = {.kind = EVENT_LOCK_WAIT,
                   .attempt = attempt,
                   .elapsed_us = clock_monotonic_us() - began_us,
                   .sessions = holder,
                   .session_count = has_holder ? 1 : 0};
    event_emit(run->runner, &event);
}

static bool poll_lock(Run *run, TryLock *try_lock, Error *err)
{
    scoped(Arena *, arena_freep) scratch = arena_new();
    if (!scratch)
        return error_nomem(err);
    int64_t began_us = clock_monotonic_us();
    int64_t wait_ms = run->runner->settings.lock_wait_ms;
    int64_t pause_ms = FIRST_PAUSE_MS, paused_ms = 0;
    for (uint32_t attempt = 1;; attempt++) {
        if (FAULT("run.lock", err))
            return false;
        arena_reset(scratch);
        Attempt tried = {0};
        if (!try_lock(run, scratch, &tried, err))
            return error_wrap(err, "taking the migration lock");
        if (tried.is_ours)
            return true;
        tell_wait(run, &tried.holder, tried.has_holder, attempt, began_us);
        int64_t waited_ms = (clock_monotonic_us() - began_us) / MS;
        if (waited_ms < paused_ms)
            waited_ms = paused_ms;
        if (wait_ms >= 0 && waited_ms >= wait_ms)
            return refuse_locked(run, &tried.holder, tried.has_holder, err);
        int64_t pause = jittered(pause_ms);
        if (wait_ms >= 0 && pause > wait_ms - waited_ms)
            pause = wait_ms - waited_ms;
        if (!pause_for(run->runner, pause, err))
            return false;
        paused_ms += pause;
        pause_ms = pause_ms * 3 / 2 > LONGEST_PAUSE_MS ? LONGEST_PAUSE_MS : pause_ms * 3 / 2;
    }
}

/* The engine's own waiting inside each try would be longer than --lock-wait may be, and nothing would be told of it. An
 * application's connection keeps the way of waiting that it was given. */
static bool shorten_tries(Run *run, Error *err)
{
    DbStatementVec statements = {0};
    DbTimeouts timeouts = {.lock_ms = FIRST_PAUSE_MS, .statement_ms = -1};
    if (run->db->is_adopted)
        return true;
    if (!run->db->driver->timeouts(run->db, run->arena, timeouts, false, &statements))
        return error_nomem(err);
    for (size_t i = 0; i < statements.len; i++)
        if (!db_exec(run->db, statements.items[i].sql, err))
            return false;
    run->sent_timeouts = (Str){0}; /* what the migrations want is to be said anew */
    return true;
}

bool nest_open(Run *run, Error *err)
{
    if (run->has_outer)
        return true;
    if (!shorten_tries(run, err) || !poll_lock(run, try_file, err))
        return false;
    run->has_outer = true;
    run->has_savepoint = false;
    return true;
}

bool lock_take(Run *run, Error *err)
{
    Db *db = run->db;
    if (db_has(db, DB_FILE_LOCK)) {
        if (!nest_open(run, err))
            return false;
        run->lock = LOCK_FILE;
        return true;
    }
    bool is_lease = lease_is_due(run->runner);
    if (!run->convention->convention->lock_key(run->convention, db, run->arena, &run->lock_key,
                                               err))
        return false;
    if (is_lease && (!lease_begin(run, err) || !poll_lock(run, try_lease, err)))
        return false;
    if (!is_lease && !poll_lock(run, try_session, err))
        return false;
    run->lock = is_lease ? LOCK_LEASE : LOCK_SESSION;
    if (is_lease && !(run->convention->convention->features & CONVENTION_NAMESPACE))
        event_note(run->runner,
                   str_format(run->arena,
                              "%s's own lock cannot be held here: the lock is a lease in the table "
                              "whimbrel_lock, which only whimbrel heeds",
                              run->convention->convention->title));
    return true;
}

bool lock_lead(Run *run, Error *err)
{
    Db *db = run->db;
    Str question;
    if (!db_has(db, DB_SESSION_LOCK | DB_BATCH) || !db->driver->lock_question ||
        (run->convention->convention->lock_try &&
         !run->convention->convention->lock_is_for_files) ||
        db->info.is_read_only || lease_is_due(run->runner) || lease_may_be_held(run))
        return true;
    if (FAULT("run.lock", err))
        return false;
    if (!run->convention->convention->lock_key(run->convention, db, run->arena, &run->lock_key,
                                               err) ||
        !db->driver->lock_question(run->arena, run->lock_key, &question, err))
        return false;
    db_lead(db, question);
    return true;
}

bool lock_lead_had(Run *run, bool *ret_is_held)
{
    DbLead lead = db_lead_take(run->db);
    *ret_is_held = lead == DB_LEAD_NO;
    if (lead != DB_LEAD_YES)
        return false;
    run->lock = LOCK_SESSION;
    return true;
}

bool lock_add_release(Run *run, Error *err)
{
    DbStatement statement = {.joins = true};
    if (!run->releases_at_end || run->lock != LOCK_SESSION)
        return true;
    if (!run->db->driver->unlock_question(run->chunk.arena, run->lock_key, &statement.sql, err))
        return false;
    DbStatementVec statements = {0};
    if (!vec_push(run->chunk.arena, &statements, statement))
        return error_nomem(err);
    return chunk_add_all(run, &statements, (Tag){.kind = TAG_PLUMBING}, err);
}

void lock_note_release(Run *run)
{
    if (run->releases_at_end && run->lock == LOCK_SESSION)
        run->lock = LOCK_NONE;
}

void lock_drop(Run *run)
{
    Db *db = run->db;
    scoped(Arena *, arena_freep) scratch = arena_new();
    Error ignored = {.arena = scratch};
    /* The way out is not to be cancelled again. */
    const DbCancel *cancel = db->options.cancel;
    db->options.cancel = NULL;
    if (!db->is_broken) {
        if (run->has_outer && db->is_in_transaction)
            (void)db_exec(db, STR("ROLLBACK"), &ignored);
        if (scratch)
            drop_row(run, scratch);
        /* What cannot be unlocked is unlocked by the server when the session ends. */
        bool is_ending =
            run->has_nothing_to_do && !db->is_adopted && run->runner->settings.ends_session;
        if (run->lock == LOCK_SESSION && !is_ending)
            (void)db->driver->unlock(db, run->lock_key, &ignored);
    }
    lease_drop(run);
    db->options.cancel = cancel;
    drop_side(run);
    run->has_outer = false;
    run->lock = LOCK_NONE;
}

bool run_lock_is_lease(const Runner *runner, const char **ret_why)
{
    const DbInfo *info = &runner->db->info;
    *ret_why = runner->settings.lock_kind == LOCK_KIND_LEASE ? "the configuration asks for it"
               : info->is_pooled  ? "a proxy that pools transactions keeps no session's lock"
               : info->is_cluster ? "a session's lock holds on one node of the cluster only"
                                  : "the server keeps no session's lock";
    return lease_is_due(runner);
}

static bool session_holder(Runner *runner, Arena *arena, LockHolder *ret_holder, bool *ret_has,
                           Error *err)
{
    Db *db = runner->db;
    DbLockKey key = {0};
    *ret_holder = (LockHolder){0};
    *ret_has = false;
    if (db_has(db, DB_FILE_LOCK) || db->info.is_cluster || !db->driver->lock_holder)
        return true;
    return runner->convention->convention->lock_key(runner->convention, db, arena, &key, err) &&
           db->driver->lock_holder(db, arena, key, &ret_holder->session, ret_has, err);
}

/* Of either kind: runners may come with and without the proxy. */
bool run_lock_holder(Runner *runner, Arena *arena, LockHolder *ret_holder, bool *ret_has,
                     Error *err)
{
    if (!session_holder(runner, arena, ret_holder, ret_has, err))
        return false;
    if (!*ret_has && !db_has(runner->db, DB_FILE_LOCK) &&
        !lease_holder(runner, arena, ret_holder, ret_has, err))
        return false;
    const Convention *convention = runner->convention->convention;
    if (*ret_has || !convention->lock_holder)
        return true;
    ret_holder->is_row = true;
    return convention->lock_holder(runner->convention, runner->db, arena, &ret_holder->session,
                                   ret_has, err);
}

/* The run that is to end is closed in the run log first: a run whose session is ended from outside finds that out when it
 * comes back, and stays away. Without a run log it comes back all the same. */
static bool close_run(Runner *runner, Arena *arena, Error *err)
{
    Db *db = runner->db;
    const Convention *convention = runner->convention->convention;
    ConventionContext context = *runner->convention;
    RunRowVec runs = {0};
    DbStatementVec statements = {0};
    if (!convention->runs_read)
        return true;
    if (!convention->runs_read(&context, db, arena, 1, &runs, err))
        return false;
    if (runs.len == 0 || !str_eq(runs.items[0].outcome, STR("running")))
        return true;
    context.run = runs.items[0].run;
    const HistoryWrite write = {.kind = WRITE_RUN_END,
                                .outcome = STR("interrupted"),
                                .error = STR("its lock was released by another"),
                                .started_at = TIMESTAMP_UNKNOWN,
                                .duration_us = -1};
    if (!convention->history_write(&context, db, arena, &write, &statements, err))
        return false;
    for (size_t i = 0; i < statements.len; i++) {
        if (!db_exec(db, statements.items[i].sql, err))
            return false;
    }
    return true;
}

bool run_lock_release(Runner *runner, Arena *arena, const LockHolder *holder, Error *err)
{
    Db *db = runner->db;
    if (holder->is_row)
        return runner->convention->convention->lock_give(runner->convention, db, arena,
                                                         &holder->session, err);
    if (!holder->is_lease && !db->driver->kill_session)
        return error_set(err, ERROR_UNSUPPORTED, "%s has no sessions that could be ended",
                         db->info.engine_title);
    /* Between the question and the answer another may have taken the lock: only the one that was shown is ended. */
    LockHolder now = {0};
    bool has_holder = false;
    if (!run_lock_holder(runner, arena, &now, &has_holder, err))
        return false;
    if (!has_holder)
        return true;
    if (now.is_lease != holder->is_lease || now.token != holder->token ||
        !str_eq(now.session.id, holder->session.id)) {
        error_set(err, ERROR_STATE, "the migration lock is now held by %.*s",
                  STR_ARG(now.session.id));
        error_code(err, "lock-holder-changed");
        return error_hint(err, "Look again: whimbrel lock list");
    }
    if (holder->is_lease)
        return lease_take_over(runner, arena, holder->token, err);
    return close_run(runner, arena, err) && db->driver->kill_session(db, holder->session.id, err);
}

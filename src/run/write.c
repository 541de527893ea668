/* History writes and the transactions around them. SPDX-License-Identifier: Apache-2.0
 *
 * A migration is applied if and only if its history row says so: the row is written in the migration's own transaction,
 * or, where statements commit by themselves, before the first and after each of them. */
#include <string.h>

#include "run/work.h"

enum { COMMIT_PAUSE_MS = 50, MS = 1000 };

/* ---- history kept in memory --------------------------------------------------------------------- */

/* The history as it is when the steps are done: rows that were read, without those that are gone, and behind them what was added. */
typedef struct Outcome {
    Run *run;
    const HistoryRow *read;
    size_t read_count;
    unsigned char *is_gone; /* of those that were read */
    uint32_t *added;        /* steps */
    size_t added_count;
} Outcome;

static bool is_row_of(const Run *run, const PlanStep *step, MigrationKind kind, Str version,
                      Str name)
{
    bool is_repeatable = kind == MIGRATION_REPEATABLE;
    if (is_repeatable != (step->migration_kind == MIGRATION_REPEATABLE))
        return false;
    return is_repeatable ? str_eq(name, step_name(step))
                         : version_order_compare(&run->runner->set->versions, version,
                                                 step_version(step)) == 0;
}

/* From the end: a rollback takes the newest first. */
static void note_gone(Outcome *outcome, const PlanStep *step)
{
    const Run *run = outcome->run;
    const HistoryRow *read = outcome->read;
    if (step->row && step->row >= read && step->row < read + outcome->read_count &&
        !outcome->is_gone[step->row - read]) {
        outcome->is_gone[step->row - read] = 1;
        return;
    }
    if (!run->has_downs)
        return;
    for (size_t i = outcome->added_count; i-- > 0;) {
        const PlanStep *other = &run->plan.steps.items[outcome->added[i]];
        if (!is_row_of(run, step, other->migration_kind, step_version(other), step_name(other)))
            continue;
        memmove(outcome->added + i, outcome->added + i + 1,
                (outcome->added_count - i - 1) * sizeof *outcome->added);
        outcome->added_count--;
        return;
    }
    for (size_t i = outcome->read_count; !step->row && i-- > 0;) {
        if (outcome->is_gone[i] ||
            !is_row_of(run, step, read[i].kind, read[i].version, read[i].name))
            continue;
        outcome->is_gone[i] = 1;
        return;
    }
}

static HistoryRow row_of_step(Run *run, const PlanStep *step)
{
    const Script *script =
        step->migration && step->migration->up ? step->migration->up : step->script;
    return (HistoryRow){.version = step_version(step),
                        .name = step_name(step),
                        .kind = step->migration_kind,
                        .outcome = step->kind == STEP_SKIP && !step->is_marked ? HISTORY_SKIPPED
                                                                               : HISTORY_APPLIED,
                        .checksum = script ? script->checksum : (Str){0},
                        .tokens = script ? script->tokens : (Str){0},
                        .done = script ? script->statements : 0,
                        .total = script ? script->statements : 0,
                        .finished_at = clock_now(),
                        .started_at = TIMESTAMP_UNKNOWN,
                        .duration_us = -1,
                        .applied_by = run->convention->who,
                        .run = run->convention->run,
                        .rank = ++run->last_rank};
}

void history_note_gone(Run *run, size_t at)
{
    HistoryRowVec *rows = &run->history.rows;
    memmove(rows->items + at, rows->items + at + 1, (rows->len - at - 1) * sizeof *rows->items);
    rows->len--;
    run->history.order = NULL; /* made anew by result_finish() */
}

static bool find_outcome(Run *run, Arena *scratch, Outcome *outcome)
{
    size_t from = run->finished_noted, count = run->finished_kept - from;
    *outcome = (Outcome){.run = run,
                         .read = run->history.rows.items,
                         .read_count = run->history.rows.len,
                         .is_gone = arena_alloc(scratch, run->history.rows.len + 1),
                         .added = arena_alloc(scratch, count * sizeof *outcome->added)};
    if (!outcome->is_gone || !outcome->added)
        return false;
    for (size_t i = 0; i < count; i++) {
        uint32_t step = run->finished.items[from + i];
        note_gone(outcome, &run->plan.steps.items[step]);
        if (!step_is_down(&run->plan.steps.items[step]))
            outcome->added[outcome->added_count++] = step;
    }
    return true;
}

bool history_bring_up(Run *run, bool is_plan_done, Error *err)
{
    HistoryRowVec *rows = &run->history.rows, kept = *rows;
    if (run->finished_noted >= run->finished_kept)
        return true;
    scoped(Arena *, arena_freep) scratch = arena_new();
    Outcome outcome;
    if (!scratch || !find_outcome(run, scratch, &outcome))
        return error_nomem(err);
    size_t most = rows->len + outcome.added_count;
    if (!is_plan_done)
        kept = (HistoryRowVec){0};
    if (most > kept.cap && !vec_grow_to(run->arena, (void **)&kept.items, &kept.cap, kept.len, most,
                                        sizeof *kept.items))
        return error_nomem(err);
    kept.len = 0;
    for (size_t i = 0; i < outcome.read_count; i++)
        if (!outcome.is_gone[i] && !vec_push(run->arena, &kept, rows->items[i]))
            return error_nomem(err);
    for (size_t i = 0; i < outcome.added_count; i++)
        if (!vec_push(run->arena, &kept,
                      row_of_step(run, &run->plan.steps.items[outcome.added[i]])))
            return error_nomem(err);
    *rows = kept;
    run->history.exists = true;
    run->history.order = NULL; /* made anew by result_finish() */
    run->finished_noted = run->finished_kept;
    return true;
}

/* ---- one write ----------------------------------------------------------------------------------- */

/* A write is put together of many pieces: only what comes of it goes into the message. */
bool write_raw(Run *run, const HistoryWrite *write, Tag tag, Error *err)
{
    scoped(Arena *, arena_freep) scratch = arena_new();
    DbStatementVec out = {0};
    if (!scratch)
        return error_nomem(err);
    if (FAULT("run.history-write", err) || !run->convention->convention->history_write(
                                               run->convention, run->db, scratch, write, &out, err))
        return error_wrap(err, "writing the history");
    for (size_t i = 0; i < out.len; i++)
        if (!str_copy(run->chunk.arena, out.items[i].sql, &out.items[i].sql))
            return error_nomem(err);
    return chunk_add_all(run, &out, tag, err);
}

static bool keep_text(const Run *run, const Script *script)
{
    return script && (run->convention->convention->features & CONVENTION_STORES_TEXT) &&
           run->convention->store_limit_bytes > 0 &&
           script->size_bytes <= run->convention->store_limit_bytes;
}

/* Texts go with the migration, so that an older checkout can roll it back, and so that a stopped one can be told from a
 * changed one. */
bool write_texts(Run *run, Arena *arena, const Migration *migration, HistoryWrite *write,
                 Error *err)
{
    uint64_t limit = run->convention->store_limit_bytes;
    const Script *up = migration ? migration->up : NULL;
    const Script *down = migration ? migration->down : NULL;
    Script beside = {0};
    if (migration && migration->has_down_beside) {
        if (!migration_down_path(arena, migration, &beside.path))
            return error_nomem(err);
        beside.open_path = beside.path;
        down = &beside;
    }
    if (keep_text(run, up)) {
        /* What is run is read anyway. */
        if (!feed_held(run, up, &write->up_text) &&
            !script_text(arena, up, limit, &write->up_text, err))
            return false;
        write->has_up_text = true;
    }
    /* The size of a down that nobody has read yet is not known. */
    bool is_unread = down && !down->is_read && down->open_path;
    if (is_unread ? keep_text(run, &(Script){0}) : keep_text(run, down))
        return script_text_within(arena, down, limit, &write->down_text, &write->has_down_text,
                                  err);
    return true;
}

bool write_has_clock(const Run *run, const Unit *unit)
{
    if (!run->db->driver->note_began || unit->step == NO_STEP || unit->kind != UNIT_TRANSACTION ||
        unit->write != UNIT_WRITES_END ||
        !(run->convention->convention->features & CONVENTION_SERVER_CLOCK))
        return false;
    const PlanStep *step = &run->plan.steps.items[unit->step];
    return !step_is_down(step) && !step->is_journaled && !step->is_resumed;
}

/* Of thousands that are to run only the one that does has its tokens in memory. */
static bool find_tokens(Run *run, Arena *arena, HistoryWrite *write, Error *err)
{
    const Script *up = write->migration ? write->migration->up : NULL;
    Str text = write->up_text;
    if (!up || !up->is_read || up->tokens.len > 0 ||
        !(run->convention->convention->features & CONVENTION_STORES_TEXT))
        return true;
    return (write->has_up_text || feed_held(run, up, &text) ||
            script_text(arena, up, 0, &text, err)) &&
           script_tokens(arena, up, text, &run->runner->set->script_options, &write->tokens, err);
}

bool write_add(Run *run, const Unit *unit, HistoryWriteKind kind, uint32_t done, Tag tag,
               Error *err)
{
    const PlanStep *step = &run->plan.steps.items[unit->step];
    scoped(Arena *, arena_freep) scratch = arena_new();
    if (!scratch)
        return error_nomem(err);
    HistoryWrite write = {.kind = kind,
                          .migration = step->migration,
                          .row = step->row, /* the plan knows which rows are gone by then */
                          .is_down = step_is_down(step),
                          .is_marked = step->is_marked,
                          .is_journaled = step->is_journaled || step->is_resumed,
                          .done = done,
                          .total = step->script ? step->script->statements : 0,
                          .duration_us = -1,
                          /* The server knows when a transaction began, and by its own clock. */
                          .started_at = db_has(run->db, DB_TRANSACTIONAL_DDL) ? TIMESTAMP_UNKNOWN
                                                                              : clock_now()};
    if (write_has_clock(run, unit))
        write.began = run->db->driver->began;
    if (step->is_fake) {
        write.is_journaled = step->is_resumed;
        write.is_said = true;
    }
    bool is_end = kind == WRITE_APPLIED;
    write.is_begun = is_end && write.is_journaled && !step->is_fake;
    bool is_new = !write.is_down && !write.is_begun &&
                  (is_end || kind == WRITE_BEGIN || kind == WRITE_SKIPPED);
    /* Nobody else writes to the table while we hold the lock. */
    if (is_new && run->last_ordinal >= 0)
        write.ordinal = ++run->last_ordinal;
    if (run->is_nested) {
        write.duration_us =
            run->begun_step == unit->step ? clock_monotonic_us() - run->step_began_us : 0;
        write.started_at = clock_now() - write.duration_us;
    }
    /* It is read once for the history and for running it. */
    if (kind == WRITE_BEGIN && step->script && !feed_ready(run, step->script, err))
        return false;
    if (((is_end && !write.is_begun) || (kind == WRITE_BEGIN && !write.is_down)) &&
        !write_texts(run, scratch, step->migration, &write, err))
        return error_wrap(err, "keeping the text of %s", step_label(run->chunk.arena, step));
    if (is_new && !find_tokens(run, scratch, &write, err))
        return error_wrap(err, "reading %s", step_label(run->chunk.arena, step));
    tag.kind = TAG_WRITE;
    tag.statement = done;
    return write_raw(run, &write, tag, err);
}

/* ---- the run log ---------------------------------------------------------------------------------- */

static void add_label(StrBuf *out, const RunItem *item)
{
    if (out->len > 0)
        strbuf_adds(out, ", ");
    if (item->kind == MIGRATION_REPEATABLE) {
        strbuf_adds(out, "R ");
        strbuf_add(out, item->name);
    } else {
        strbuf_add(out, item->version);
    }
}

/* What will have been done when the message has arrived: what is done, and all that is still in the chunk. */
static bool labels(Run *run, bool is_down, bool with_pending, Str *ret_labels)
{
    StrBuf out = strbuf(run->chunk.arena);
    const RunItemVec *items = is_down ? &run->result->rolled_back : &run->result->applied;
    for (size_t i = 0; i < items->len; i++)
        add_label(&out, &items->items[i]);
    for (size_t i = run->chunk.seen; with_pending && i < run->chunk.tags.len; i++) {
        const Tag *tag = &run->chunk.tags.items[i];
        if (!tag->finishes)
            continue;
        const PlanStep *step = &run->plan.steps.items[run->units.items[tag->unit].step];
        RunItem item = {
            .version = step_version(step), .name = step_name(step), .kind = step->migration_kind};
        if (step_is_down(step) == is_down && step->kind != STEP_SKIP)
            add_label(&out, &item);
    }
    return strbuf_finish(&out, ret_labels);
}

bool write_run_log(Run *run, HistoryWriteKind kind, const char *outcome, const Error *failure,
                   Error *err)
{
    HistoryWrite write = {
        .kind = kind,
        .command = run->runner->settings.command,
        .outcome = str_from(outcome),
        .started_at = run->began_at,
        /* This is sent before what comes ahead of it has run: the database knows how long it took. */
        .duration_us = -1};
    if (failure)
        write.error = str_from(failure->message);
    if (kind == WRITE_RUN_END && (!labels(run, false, !failure, &write.applied) ||
                                  !labels(run, true, !failure, &write.rolled_back)))
        return error_nomem(err);
    return write_raw(run, &write, (Tag){.kind = TAG_PLUMBING}, err);
}

static bool add_tables(Run *run, const Unit *unit, bool is_apart, bool *ret_has_any, Error *err)
{
    DbStatementVec out = {0};
    if (!run->convention->convention->history_prepare(run->convention, run->db, run->chunk.arena,
                                                      &run->history, &out, err))
        return error_wrap(err, "making the history table");
    *ret_has_any = out.len > 0;
    if (is_apart && *ret_has_any &&
        (!timeouts_add(run, timeouts_of(run, unit), false, err) || !lock_fence(run, err) ||
         !lease_fence(run, 0, err)))
        return false;
    return chunk_add_all(run, &out, (Tag){.kind = TAG_PLUMBING}, err);
}

/* ---- transactions ----------------------------------------------------------------------------------- */

DbTimeouts timeouts_of(const Run *run, const Unit *unit)
{
    DbTimeouts timeouts = run->runner->settings.timeouts;
    /* A transaction holds the lease with it: it must not outlast us by much. */
    if (run->lock == LOCK_LEASE)
        timeouts.abandoned_ms = run->lease->length_us / MS;
    /* A segment without statements was never given directives. */
    if (unit->segment->count == 0)
        return timeouts;
    if (unit->segment->directives->lock_timeout_ms >= 0)
        timeouts.lock_ms = unit->segment->directives->lock_timeout_ms;
    if (unit->segment->directives->statement_timeout_ms >= 0)
        timeouts.statement_ms = unit->segment->directives->statement_timeout_ms;
    return timeouts;
}

static Str joined(Arena *arena, const DbStatementVec *statements)
{
    StrBuf text = strbuf(arena);
    Str out = {0};
    for (size_t i = 0; i < statements->len; i++) {
        strbuf_add(&text, statements->items[i].sql);
        strbuf_add_char(&text, ';');
    }
    return strbuf_finish(&text, &out) ? out : (Str){0};
}

static bool same_timeouts(const SaidTimeouts *said, DbTimeouts timeouts)
{
    return said->is_known && said->timeouts.lock_ms == timeouts.lock_ms &&
           said->timeouts.statement_ms == timeouts.statement_ms &&
           said->timeouts.abandoned_ms == timeouts.abandoned_ms;
}

/* Most migrations have those of the one before, in the same words. */
static bool put_timeouts(Run *run, DbTimeouts timeouts, SaidTimeouts *ret_said)
{
    Arena *arena = run->chunk.arena;
    SaidTimeouts said = {.is_known = true, .timeouts = timeouts};
    const DbDriver *driver = run->db->driver;
    if (!driver->timeouts(run->db, arena, timeouts, true, &said.local) ||
        !driver->timeouts(run->db, arena, timeouts, false, &said.session))
        return false;
    said.session_text = joined(arena, &said.session);
    said.has_local = !str_eq(joined(arena, &said.local), said.session_text);
    *ret_said = said;
    return true;
}

/* Where the engine has settings of a transaction, they are said in each; where it has only those of the session, they
 * are said when they change. */
bool timeouts_add(Run *run, DbTimeouts timeouts, bool is_local, Error *err)
{
    SaidTimeouts *said = &run->chunk.said;
    if (!same_timeouts(said, timeouts) && !put_timeouts(run, timeouts, said))
        return error_nomem(err);
    if (is_local && said->has_local)
        return chunk_add_all(run, &said->local, (Tag){.kind = TAG_PLUMBING}, err);
    if (str_eq(said->session_text, run->sent_timeouts))
        return true;
    arena_reset(run->timeouts_arena);
    if (!str_copy(run->timeouts_arena, said->session_text, &run->sent_timeouts))
        return error_nomem(err);
    return chunk_add_all(run, &said->session, (Tag){.kind = TAG_PLUMBING}, err);
}

static bool add_settings(Run *run, const Unit *unit, bool with_lazy_commit, Error *err)
{
    if (with_lazy_commit &&
        !chunk_add(run, str_from(run->db->driver->lazy_commit), (Tag){.kind = TAG_PLUMBING}, err))
        return false;
    return timeouts_add(run, timeouts_of(run, unit), true, err);
}

/* Each transaction carries one, at the end that suits the engine. */
static bool add_fence(Run *run, bool is_begin, Error *err)
{
    if (is_begin && !lock_fence(run, err))
        return false;
    return lease_fences_first(run) != is_begin || lease_fence(run, 0, err);
}

/* Whether this unit's commit leaves it to a later one to wait for the disk. */
static bool is_lazy(const Run *run, const Unit *unit)
{
    return run->db->driver->lazy_commit && !run->is_nested && !run->is_whole &&
           (unit->kind == UNIT_TRANSACTION || unit->kind == UNIT_OPENING) &&
           run->at != run->last_commit && !run->has_programs && run->last_commit != NO_STEP;
}

bool transaction_begin(Run *run, const Unit *unit, Error *err)
{
    Tag tag = {.kind = TAG_PLUMBING};
    if (run->is_nested) {
        if (!run->has_outer && (!chunk_flush(run, err) || !nest_open(run, err)))
            return false;
        tag.opens = true;
        return chunk_add(run, STR("SAVEPOINT whimbrel_step"), tag, err);
    }
    if (run->is_whole) {
        if (run->has_outer)
            return timeouts_add(run, timeouts_of(run, unit), true, err);
        run->has_outer = true;
        return chunk_add(run, str_from(run->db->driver->begin), tag, err) &&
               add_fence(run, true, err) && add_settings(run, unit, false, err);
    }
    return chunk_add(run, str_from(run->db->driver->begin), tag, err) &&
           add_fence(run, true, err) && add_settings(run, unit, is_lazy(run, unit), err);
}

/* Where making a table commits, it is done before the transaction and not in its midst. A Galera node (MariaDB 10.11) passes a CREATE
 * over, without an error, when another node's change has aborted the transaction that it would have to commit. */
bool transaction_begin_prepared(Run *run, const Unit *unit, bool *ret_has_tables, Error *err)
{
    bool is_apart = !db_has(run->db, DB_TRANSACTIONAL_DDL);
    *ret_has_tables = false;
    return (!is_apart || add_tables(run, unit, true, ret_has_tables, err)) &&
           transaction_begin(run, unit, err) &&
           (is_apart || add_tables(run, unit, false, ret_has_tables, err));
}

bool transaction_end(Run *run, const Unit *unit, bool finishes, Error *err)
{
    Tag tag = {.kind = TAG_COMMIT,
               .finishes = finishes,
               .commits = !run->is_nested && !run->is_whole,
               .is_lazy = is_lazy(run, unit)};
    if (run->is_nested) {
        tag.kind = TAG_PLUMBING;
        tag.closes = true;
        return chunk_add(run, STR("RELEASE whimbrel_step"), tag, err);
    }
    if (!run->is_whole)
        return add_fence(run, false, err) && chunk_add(run, STR("COMMIT"), tag, err);
    if (!finishes)
        return true;
    /* Without a statement of its own that could be confirmed, the step ends with what was added last. */
    Chunk *chunk = &run->chunk;
    if (chunk->tags.len > run->unit_start) {
        chunk->tags.items[chunk->tags.len - 1].finishes = true;
        return true;
    }
    return chunk_add(run, STR("SELECT 1"), (Tag){.kind = TAG_PLUMBING, .finishes = true}, err);
}

bool reset_add(Run *run, Error *err)
{
    DbStatementVec statements = {0};
    if (!db_reset_session(run->db, run->chunk.arena, &statements))
        return error_nomem(err);
    run->sent_timeouts = (Str){0};
    return chunk_add_all(run, &statements, (Tag){.kind = TAG_PLUMBING}, err);
}

bool session_note(Run *run, uint32_t step, uint32_t statement, Str sql, Error *err)
{
    if (run->session_step != step) {
        arena_reset(run->session_arena);
        run->session.items = NULL;
        run->session.len = run->session.cap = 0;
        run->session_step = step;
    }
    /* Produced again after a lock timeout, it is remembered already. */
    size_t len = run->session.len;
    if (len > 0 && run->session.items[len - 1].statement >= statement)
        return true;
    /* Dumps say the same few settings around every table: said once, at their last place, they come to the same. */
    for (size_t i = 0; i < len; i++) {
        if (!str_eq(run->session.items[i].sql, sql))
            continue;
        SessionSetting again = run->session.items[i];
        again.statement = statement;
        memmove(run->session.items + i, run->session.items + i + 1,
                (len - i - 1) * sizeof *run->session.items);
        run->session.items[len - 1] = again;
        return true;
    }
    SessionSetting setting = {.statement = statement};
    return (str_copy(run->session_arena, sql, &setting.sql) &&
            vec_push(run->session_arena, &run->session, setting)) ||
           error_nomem(err);
}

bool session_restore(Run *run, Error *err)
{
    for (size_t i = 0; i < run->session.len; i++) {
        Str sql;
        /* The message outlives the memory of this step's settings. */
        if (!str_copy(run->chunk.arena, run->session.items[i].sql, &sql))
            return error_nomem(err);
        if (!chunk_add(run, sql, (Tag){.kind = TAG_PLUMBING}, err))
            return false;
    }
    return true;
}

bool nest_close(Run *run, Error *err)
{
    if (!run->has_outer)
        return chunk_flush(run, err);
    /* Without a network between, the message before is sent by itself, so that the commit can be tried again alone. */
    if ((run->is_nested && !chunk_flush(run, err)) || FAULT("run.before-commit", err))
        return false;
    int64_t began_us = clock_monotonic_us();
    int64_t wait_ms = run->runner->settings.lock_wait_ms;
    for (;;) {
        if (!add_fence(run, false, err) ||
            !chunk_add(run, STR("COMMIT"), (Tag){.kind = TAG_COMMIT, .commits = true}, err) ||
            !lock_add_release(run, err))
            return false;
        if (chunk_flush(run, err))
            break;
        /* A reader keeps a rollback-journal database from being written; the transaction stays open meanwhile. */
        bool is_waiting = run->is_nested && err->kind == ERROR_TIMEOUT &&
                          run->db->is_in_transaction &&
                          (wait_ms < 0 || (clock_monotonic_us() - began_us) / MS < wait_ms);
        if (!is_waiting)
            return false;
        chunk_drop(run);
        error_clear(err);
        if (!pause_for(run->runner, COMMIT_PAUSE_MS, err))
            return false;
    }
    lock_note_release(run);
    run->has_outer = run->has_savepoint = false;
    run->kept_unit = run->at;
    return true;
}

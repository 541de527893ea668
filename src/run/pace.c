/* How far the running statement has come, and how long it will take. SPDX-License-Identifier: Apache-2.0
 *
 * An estimate is of the phase that runs, for that alone has a total, and is given only once the phase has shown its pace. It
 * is kept as a point in time, which new measurements draw towards themselves: so it counts down evenly, and a moment's
 * rush or pause does not make it jump. */
#include "run/work.h"

#include <string.h>

enum {
    S = 1000000,
    FIRST_TELL_US = 1 * S,
    TELL_AGAIN_US = 10 * S, /* when nothing has changed */
    LEARN_US = 3 * S,       /* a phase is watched for so long before it is believed */
    STALLED_US = 15 * S,
    SUMMARY_BYTES = 120,
    PERMILLE = 1000,
};

/* ---- the estimate ------------------------------------------------------------------------------- */

void pace_note(Pace *pace, int64_t now_us, Str phase, int64_t done, int64_t total)
{
    char name[sizeof pace->phase] = {0};
    memcpy(name, phase.ptr ? phase.ptr : "", phase.len < sizeof name ? phase.len : sizeof name - 1);
    if (memcmp(name, pace->phase, sizeof name) != 0 || total != pace->total || done < pace->done ||
        pace->began_us == 0) {
        *pace = (Pace){
            .total = total, .done = done, .first = done, .began_us = now_us, .moved_us = now_us};
        memcpy(pace->phase, name, sizeof name);
        return;
    }
    int64_t moved = done - pace->first, took_us = now_us - pace->began_us;
    if (done > pace->done)
        pace->moved_us = now_us;
    pace->done = done;
    if (total <= 0 || done > total || moved <= 0 || took_us < LEARN_US ||
        now_us - pace->moved_us > STALLED_US) {
        pace->end_us = 0;
        return;
    }
    double left_us = (double)(total - done) * (double)took_us / (double)moved;
    /* More than a year is no estimate. */
    if (left_us > 365.0 * 24 * 3600 * S) {
        pace->end_us = 0;
        return;
    }
    int64_t end_us = now_us + (int64_t)left_us;
    pace->end_us = pace->end_us == 0 ? end_us : pace->end_us + (end_us - pace->end_us) / 4;
}

int64_t pace_left_us(const Pace *pace, int64_t now_us)
{
    return pace->end_us > now_us ? pace->end_us - now_us : -1;
}

/* ---- telling -------------------------------------------------------------------------------------- */

static bool ask(Run *run, Db *second, Arena *arena, Str sql, DbWork *ret_work)
{
    Error ignored = {.arena = arena};
    bool is_file = db_has(run->db, DB_SINGLE_FILE);
    Db *db = is_file ? run->db : second;
    if (!db || !db->driver->work)
        return false;
    Str session = is_file ? (Str){0} : str_from(run->db->info.session);
    return db->driver->work(db, arena, session, wait_table(run, arena, sql), ret_work, &ignored);
}

static int64_t permille(const DbWork *work)
{
    return work->total > 0 ? (int64_t)((double)work->done / (double)work->total * PERMILLE) : -1;
}

void pace_look(Run *run, Db *second)
{
    const Chunk *chunk = &run->chunk;
    Look *look = &run->look;
    int64_t now_us = clock_monotonic_us(), elapsed_us = now_us - run->moved_us;
    if (!run->runner->sink.emit || chunk->seen >= chunk->tags.len || elapsed_us < FIRST_TELL_US)
        return;
    scoped(Arena *, arena_freep) scratch = arena_new();
    if (!scratch)
        return;
    const Tag *tag = &chunk->tags.items[chunk->seen];
    Str sql = chunk->statements.items[chunk->seen].sql, summary = {0};
    DbWork work = {.unit = "", .table_bytes = -1};
    if (look->began_us != run->moved_us)
        *look = (Look){.began_us = run->moved_us};
    if (ask(run, second, scratch, sql, &work))
        pace_note(&look->pace, clock_monotonic_us(), work.phase, work.done, work.total);
    now_us = clock_monotonic_us();
    bool is_same = look->told_us > 0 && look->permille == permille(&work) &&
                   strcmp(look->pace.phase, look->phase) == 0;
    if (is_same && now_us - look->told_us < TELL_AGAIN_US)
        return;
    look->told_us = now_us;
    look->permille = permille(&work);
    memcpy(look->phase, look->pace.phase, sizeof look->phase);
    const Unit *unit = &run->units.items[tag->unit];
    Event event = event_of_step(run, EVENT_PROGRESS, unit->step);
    if (sql_summary(scratch, sql, &run->split, SUMMARY_BYTES, &summary))
        event.text = summary;
    event.statements = 0;
    if (tag->kind == TAG_STATEMENT && unit->script) {
        event.statement = (size_t)tag->statement + 1;
        event.statements = unit->script->statements;
    }
    event.elapsed_us = now_us - run->moved_us;
    event.phase = work.phase;
    event.work_done = work.done;
    event.work_total = work.total;
    event.work_unit = work.unit;
    event.table_bytes = work.table_bytes;
    event.left_us = work.total > 0 ? pace_left_us(&look->pace, now_us) : -1;
    event_emit(run->runner, &event);
}

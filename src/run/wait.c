/* Waiting for locks that others hold: who they are, who queues behind us, and what is said of it.
 * SPDX-License-Identifier: Apache-2.0
 *
 * Who blocks is best seen while one is blocked: the server then tells exactly. What was seen is kept, for by the time a
 * timeout has struck and been rolled back, the one to blame may have gone. */
#include "run/work.h"

enum { TELL_EVERY_US = 10000000, ASK_EVERY_MS = 500, SHOWN_BLOCKERS = 3, MS = 1000 };

Str wait_table(const Run *run, Arena *arena, Str sql)
{
    SqlInfo info = sql_inspect(sql, &run->split);
    Str table = info.table, schema = info.table_schema, name, schema_name;
    if (table.len == 0 && (info.object == SQL_OBJECT_TABLE || info.object == SQL_OBJECT_VIEW ||
                           info.object == SQL_OBJECT_MATERIALIZED_VIEW)) {
        table = info.name;
        schema = info.schema;
    }
    SqlDialect dialect = run->db->driver->dialect;
    if (table.len == 0 || !sql_ident_value(arena, dialect, table, &name))
        return (Str){0};
    if (schema.len == 0 || !sql_ident_value(arena, dialect, schema, &schema_name))
        return name;
    char *text = str_format(arena, "%.*s.%.*s", STR_ARG(schema_name), STR_ARG(name));
    return text ? str_from(text) : name;
}

static uint32_t attempt_of(const Run *run, uint32_t unit)
{
    return run->attempt_unit == unit ? run->attempt + 1 : 1;
}

/* A server may confirm statements only at the end of their message: which of them waits, the table tells. */
static uint32_t waiting_unit(const Run *run, Arena *scratch, Str table, Str *ret_table)
{
    const Chunk *chunk = &run->chunk;
    size_t at = chunk->seen < chunk->tags.len ? chunk->seen : chunk->tags.len - 1;
    Str own = wait_table(run, scratch, chunk->statements.items[at].sql);
    *ret_table = own;
    for (size_t i = at; table.len > 0 && i < chunk->tags.len; i++) {
        Str it = wait_table(run, scratch, chunk->statements.items[i].sql);
        if (it.len > 0 && (str_ends(table, it) || str_ends(it, table))) {
            *ret_table = table;
            return chunk->tags.items[i].unit;
        }
    }
    if (table.len > 0)
        *ret_table = table;
    return chunk->tags.items[at].unit;
}

static bool same_sessions(const DbSessionVec *a, const DbSessionVec *b)
{
    if (a->len != b->len)
        return false;
    for (size_t i = 0; i < a->len; i++)
        if (!str_eq(a->items[i].id, b->items[i].id))
            return false;
    return true;
}

static void fill_event(const Run *run, Event *event, uint32_t unit)
{
    const LockWait *wait = &run->wait;
    event->text = wait->seen.table;
    event->lock = wait->seen.lock;
    event->sessions = wait->seen.blockers.items;
    event->session_count = wait->seen.blockers.len;
    event->is_inferred = wait->seen.is_inferred;
    event->queued = wait->seen.queued;
    event->queued_us = wait->seen.queued_us;
    event->unseen = wait->seen.unseen;
    event->attempt = attempt_of(run, unit);
    if (wait->unit == unit)
        event->elapsed_us = clock_monotonic_us() - wait->began_us;
}

/* The server's own limit is one for each lock. A transaction that has some and waits for others in turn keeps those behind it
 * waiting for all of these times together: it too is to give way after one. */
static void give_way(Run *run, Db *second, uint32_t unit)
{
    LockWait *wait = &run->wait;
    Error ignored = {0};
    int64_t lock_ms = timeouts_of(run, &run->units.items[unit]).lock_ms;
    if (lock_ms <= 0 || wait->seen.queued_us <= lock_ms * MS || wait->has_given_way ||
        run->units.items[unit].kind != UNIT_TRANSACTION || !db_has(run->db, DB_TRANSACTIONAL_DDL) ||
        !second->driver->cancel_session)
        return;
    wait->has_given_way =
        second->driver->cancel_session(second, str_from(run->db->info.session), &ignored);
}

void wait_take_as_timeout(Run *run, Error *err)
{
    bool was_stopped = run->wait.has_given_way && err->code &&
                       str_eq(str_from(err->code), STR("cancelled-by-server"));
    run->wait.has_given_way = false;
    if (!was_stopped)
        return;
    error_set(err, ERROR_TIMEOUT,
              "others had waited behind this transaction for longer than lock_timeout");
    error_code(err, "lock-timeout");
}

bool wait_look(Run *run, Db *second)
{
    LockWait *wait = &run->wait;
    Arena *arena = arena_new();
    Error ignored = {.arena = arena};
    DbWaiting seen = {0};
    if (!arena || run->chunk.tags.len == 0)
        goto nothing;
    const Chunk *chunk = &run->chunk;
    size_t at = chunk->seen < chunk->tags.len ? chunk->seen : chunk->tags.len - 1;
    Str table = wait_table(run, arena, chunk->statements.items[at].sql);
    if (!second->driver->waiting(second, arena, str_from(run->db->info.session), table, &seen,
                                 &ignored) ||
        !seen.is_waiting)
        goto nothing;
    uint32_t unit = waiting_unit(run, arena, seen.table, &seen.table);
    uint32_t attempt = attempt_of(run, unit);
    int64_t now_us = clock_monotonic_us();
    bool is_new = wait->unit != unit || wait->attempt != attempt || wait->arena == NULL ||
                  !same_sessions(&wait->seen.blockers, &seen.blockers);
    if (wait->unit != unit || attempt == 1)
        wait->began_us = run->sent_us;
    arena_free(wait->arena);
    wait->arena = arena;
    wait->seen = seen;
    wait->unit = unit;
    wait->attempt = attempt;
    give_way(run, second, unit);
    if (!is_new && now_us - wait->told_us < TELL_EVERY_US)
        return true;
    wait->told_us = now_us;
    Event event = event_of_step(run, EVENT_TABLE_WAIT, run->units.items[unit].step);
    fill_event(run, &event, unit);
    event_emit(run->runner, &event);
    return true;
nothing:
    arena_free(arena);
    return false;
}

/* What was not seen while it was waited for is asked for now: whoever holds locks on the table may be the one. */
static void ask_first(Run *run, uint32_t unit, Str sql)
{
    LockWait *wait = &run->wait;
    Arena *arena = arena_new();
    Error ignored = {.arena = arena};
    DbWaiting seen = {.is_inferred = true, .queued = -1, .queued_us = -1};
    Db *db = run->db;
    if (!arena)
        return;
    Str table = wait_table(run, arena, sql);
    if (!str_copy(arena, table, &seen.table) || table.len == 0 || !db->driver->blockers ||
        db->is_broken || !db->driver->blockers(db, arena, seen.table, &seen.blockers, &ignored))
        seen.blockers = (DbSessionVec){0};
    if (wait->unit != unit)
        wait->began_us = run->sent_us;
    arena_free(wait->arena);
    wait->arena = arena;
    wait->seen = seen;
    wait->unit = unit;
    wait->attempt = run->attempt_unit == unit ? run->attempt : 0;
}

/* Whether one of those who were in the way still holds something on the table. */
static bool is_still_held(Run *run)
{
    scoped(Arena *, arena_freep) scratch = arena_new();
    const LockWait *wait = &run->wait;
    Error ignored = {.arena = scratch};
    DbSessionVec now = {0};
    if (!scratch || !run->db->driver->blockers(run->db, scratch, wait->seen.table, &now, &ignored))
        return true;
    for (size_t i = 0; i < wait->seen.blockers.len; i++)
        for (size_t k = 0; k < now.len; k++)
            if (str_eq(wait->seen.blockers.items[i].id, now.items[k].id) &&
                now.items[k].age_us >= wait->seen.blockers.items[i].age_us)
                return true;
    return false;
}

bool wait_pause(Run *run, uint32_t unit, Str sql, int64_t pause_ms, const Error *cause, Error *err)
{
    LockWait *wait = &run->wait;
    bool is_seen =
        wait->unit == unit && wait->attempt == run->attempt && wait->seen.blockers.len > 0;
    if (!is_seen)
        ask_first(run, unit, sql);
    Event event = event_of_step(run, EVENT_TABLE_WAIT, run->units.items[unit].step);
    fill_event(run, &event, unit);
    event.attempt = run->attempt;
    event.is_rolled_back = true;
    event.is_repeated = is_seen;
    event.next_attempt_us = pause_ms * MS;
    if (!str_eq(str_from(cause->code), STR("lock-timeout")))
        event.message = str_from(cause->message);
    event_emit(run->runner, &event);
    bool can_ask = wait->seen.blockers.len > 0 && wait->seen.table.len > 0 &&
                   run->db->driver->blockers && !run->is_nested;
    while (pause_ms > 0) {
        int64_t slice_ms = can_ask && pause_ms > ASK_EVERY_MS ? ASK_EVERY_MS : pause_ms;
        if (!pause_for(run->runner, slice_ms, err))
            return false;
        pause_ms -= slice_ms;
        if (pause_ms > 0 && !is_still_held(run))
            return true;
    }
    return true;
}

static void add_blocker(StrBuf *out, const DbSession *session)
{
    char took[DURATION_TEXT];
    strbuf_add(out, session->id);
    const Str who[] = {session->application, session->user, session->host};
    bool has_who = false;
    for (size_t i = 0; i < 3; i++) {
        if (who[i].len == 0)
            continue;
        strbuf_adds(out, has_who ? ", " : " (");
        strbuf_add(out, who[i]);
        has_who = true;
    }
    if (has_who)
        strbuf_add_char(out, ')');
    if (session->state.len > 0) {
        strbuf_adds(out, ", ");
        strbuf_add(out, session->state);
    }
    if (session->age_us >= 0)
        strbuf_addf(out, " for %s", duration_human(session->age_us, took));
    if (session->query.len > 0) {
        strbuf_adds(out, ": ");
        strbuf_add(out, session->query);
    }
}

void wait_explain(Run *run, Error *err)
{
    LockWait *wait = &run->wait;
    char took[DURATION_TEXT];
    if (err->kind != ERROR_TIMEOUT || !err->arena || !run->failure.has_tag ||
        str_eq(str_from(err->code), STR("statement-timeout")))
        return;
    uint32_t unit = run->failure.unit, tries = attempt_of(run, unit);
    if (wait->unit != unit || wait->attempt != tries || wait->seen.blockers.len == 0) {
        ask_first(run, unit, run->failure.sql);
        if (wait->unit != unit)
            return;
    }
    StrBuf out = strbuf(err->arena);
    const DbSessionVec *blockers = &wait->seen.blockers;
    Str table = wait->seen.table.len > 0 ? wait->seen.table : STR("what it needs");
    for (size_t i = 0; i < blockers->len && i < SHOWN_BLOCKERS; i++) {
        strbuf_add(&out, table);
        strbuf_adds(&out, wait->seen.is_inferred ? " is probably held by " : " is held by ");
        add_blocker(&out, &blockers->items[i]);
        strbuf_add_char(&out, '\n');
    }
    if (blockers->len > SHOWN_BLOCKERS)
        strbuf_addf(&out, "and by %zu more\n", blockers->len - SHOWN_BLOCKERS);
    if (wait->seen.unseen.len > 0) {
        strbuf_add(&out, wait->seen.unseen);
        strbuf_add_char(&out, '\n');
    }
    strbuf_addf(&out, "tried %u time%s, for %s in all", (unsigned)tries, tries == 1 ? "" : "s",
                duration_human(clock_monotonic_us() - wait->began_us, took));
    if (err->detail)
        strbuf_addf(&out, "\n%s", err->detail);
    Str detail;
    if (strbuf_finish(&out, &detail))
        error_detail(err, "%.*s", STR_ARG(detail));
    if (err->hint)
        return;
    Str advice = blockers->len > 0 ? blockers->items[0].advice : (Str){0};
    if (advice.len > 0)
        error_hint(err, "Of %.*s: %.*s.", STR_ARG(blockers->items[0].id), STR_ARG(advice));
    else if (blockers->len > 0)
        error_hint(err, "Let it end, or allow more tries with --lock-retries.");
}

void wait_done(Run *run)
{
    arena_free(run->wait.arena);
    run->wait.arena = NULL;
}

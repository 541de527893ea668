/* The message being put together, and the script it is filled from. SPDX-License-Identifier: Apache-2.0
 *
 * Every statement has a tag. As the server confirms statements, their tags say what has come to pass: a statement has
 * run, a migration is done, a transaction is durable. */
#include "run/work.h"

enum {
    DEFAULT_CHUNK_BYTES = 5 << 19,  /* a thousand small migrations, with what is said around them */
    DEFAULT_SCRIPT_BYTES = 1 << 19, /* of one unit, so that long scripts take little memory */
    LONG_RUN_STEPS = 2000, /* from here on the plan takes so much room that a message gets less */
    LONG_RUN_CHUNK_BYTES = 1 << 18,
    STATEMENT_COST =
        sizeof(DbStatement) + 2 * sizeof(Tag), /* what a statement takes beside its text */
    CHATTY_STATEMENTS =
        1000, /* scripts with more tell of their statements from time to time only */
    TELL_EVERY_US = 50000,
    SUMMARY_BYTES = 120,
};

/* ---- adding ------------------------------------------------------------------------------------ */

size_t chunk_limit(const Run *run)
{
    size_t limit = run->runner->settings.chunk_bytes;
    if (limit > 0)
        return limit;
    return run->plan.steps.len >= LONG_RUN_STEPS ? LONG_RUN_CHUNK_BYTES : DEFAULT_CHUNK_BYTES;
}

/* Within a unit. */
static bool is_full(const Run *run)
{
    size_t limit = run->runner->settings.chunk_bytes, bytes = run->chunk.bytes;
    return bytes >= chunk_limit(run) ||
           bytes - run->unit_bytes >= (limit ? limit : DEFAULT_SCRIPT_BYTES);
}

/* Long lists are made at once: room that is not used takes no memory, and growing would leave as much behind. */
static bool make_lists(Run *run)
{
    enum { LONG_RUN = 200 };
    Chunk *chunk = &run->chunk;
    size_t most = chunk_limit(run) / STATEMENT_COST;
    return chunk->tags.cap > 0 || run->units.len < LONG_RUN ||
           (vec_reserve(chunk->arena, &chunk->tags, most) &&
            vec_reserve(chunk->arena, &chunk->statements, most));
}

static bool push(Run *run, DbStatement statement, Tag tag, Error *err)
{
    Chunk *chunk = &run->chunk;
    if (!make_lists(run))
        return error_nomem(err);
    tag.unit = run->at;
    statement.is_brief = tag.kind != TAG_STATEMENT && tag.kind != TAG_HOOK;
    if (!vec_push(chunk->arena, &chunk->tags, tag))
        return error_nomem(err);
    if (!vec_push(chunk->arena, &chunk->statements, statement)) {
        chunk->tags.len--;
        return error_nomem(err);
    }
    chunk->bytes += statement.sql.len + STATEMENT_COST;
    return true;
}

bool chunk_add(Run *run, Str sql, Tag tag, Error *err)
{
    return push(run, (DbStatement){.sql = sql}, tag, err);
}

bool chunk_add_all(Run *run, const DbStatementVec *statements, Tag tag, Error *err)
{
    for (size_t i = 0; i < statements->len; i++) {
        Tag one = tag;
        if (i + 1 < statements->len)
            one.finishes = one.commits = false;
        if (!push(run, statements->items[i], one, err))
            return false;
    }
    return true;
}

static bool copy_piece(void *ctx, Str *ret_piece, Error *err)
{
    Feed *feed = ctx;
    return sql_splitter_copy_data(feed->cursor.splitter, ret_piece, err);
}

/* A statement whose SQL is only known now: all before it has to be done. */
static bool settle_late(Run *run, Str statement, Str *ret_sql, Error *err)
{
    const Script *script = run->feed.script;
    const ScriptForm *form = script ? script->form : NULL;
    *ret_sql = statement;
    if (!form || !form->late_mark || str_find(statement, str_from(form->late_mark), 0) == SIZE_MAX)
        return true;
    return chunk_flush(run, err) &&
           form->late(form->ctx, run->chunk.arena, run->db, script, statement, ret_sql, err);
}

/* The statement's text is copied: the script's buffer moves on, and a message outlives it. */
bool chunk_add_statement(Run *run, const SqlStatement *statement, Tag tag, Error *err)
{
    Arena *arena = run->chunk.arena;
    DbStatement out = {0};
    Str sql;
    if (!settle_late(run, statement->text, &sql, err))
        return false;
    if (!str_copy(arena, sql, &out.sql))
        return error_nomem(err);
    if (run->runner->settings.has_placeholders) {
        Str source = out.sql;
        if (!sql_expand(arena, source, &run->placeholders, tag.path, statement->line, &out.sql,
                        err))
            return false;
        tag.source = source;
    }
    tag.line = statement->line;
    tag.column = statement->column;
    if (statement->has_copy_data) {
        out.copy_data = copy_piece;
        out.copy_ctx = &run->feed;
    }
    if (!push(run, out, tag, err))
        return false;
    /* The data of a COPY is read from the script while the message is sent: nothing may be read before that. */
    if (statement->has_copy_data || is_full(run))
        return chunk_flush(run, err);
    return true;
}

/* ---- what confirmations mean -------------------------------------------------------------------- */

static void step_begin(Run *run, uint32_t step)
{
    if (step == NO_STEP || run->begun_step == step)
        return;
    run->begun_step = step;
    run->step_began_us = clock_monotonic_us();
    run->statements_done = run->statements_kept = run->plan.steps.items[step].resume_at;
    Event event = event_of_step(run, EVENT_STEP_BEGIN, step);
    event_emit(run->runner, &event);
}

static void step_finish(Run *run, uint32_t step)
{
    const PlanStep *plan_step = &run->plan.steps.items[step];
    int64_t duration_us = clock_monotonic_us() - run->step_began_us;
    run->begun_step = NO_STEP;
    /* Room was made before the message was sent: a confirmation must not fail. */
    run->finished.items[run->finished.len++] = step;
    if (plan_step->kind != STEP_SKIP) {
        RunItem item = {.version = step_version(plan_step),
                        .name = step_name(plan_step),
                        .kind = plan_step->migration_kind,
                        .duration_us = duration_us,
                        .is_fake = plan_step->is_fake};
        if (step_is_down(plan_step))
            run->result->rolled_back.items[run->result->rolled_back.len++] = item;
        else
            run->result->applied.items[run->result->applied.len++] = item;
    }
    Event event = event_of_step(run, EVENT_STEP_END, step);
    event.duration_us = duration_us;
    event_emit(run->runner, &event);
}

static void keep_all(Run *run)
{
    run->applied_kept = run->result->applied.len;
    run->rolled_kept = run->result->rolled_back.len;
    run->finished_kept = run->finished.len;
}

/* The disk has all that is kept until now. */
void chunk_note_flushed(Run *run)
{
    run->applied_flushed = run->applied_kept;
    run->rolled_flushed = run->rolled_kept;
    run->finished_flushed = run->finished_kept;
}

static void tell_statement(Run *run, const Tag *tag, const Tag *next, Str next_sql)
{
    const Unit *unit = &run->units.items[tag->unit];
    size_t total = unit->script ? unit->script->statements : 0;
    int64_t now_us = clock_monotonic_us();
    if (!run->runner->sink.emit ||
        (total > CHATTY_STATEMENTS && now_us - run->last_told_us < TELL_EVERY_US))
        return;
    run->last_told_us = now_us;
    scoped(Arena *, arena_freep) scratch = arena_new();
    Event event = event_of_step(run, EVENT_STATEMENT, unit->step);
    event.statement = (size_t)tag->statement + 1;
    event.statements = total;
    Str summary = {0};
    if (scratch && next && next->kind == TAG_STATEMENT && next->unit == tag->unit &&
        sql_summary(scratch, next_sql, &run->split, SUMMARY_BYTES, &summary))
        event.text = summary;
    event_emit(run->runner, &event);
}

static void confirmed(Run *run, size_t i)
{
    const Chunk *chunk = &run->chunk;
    const Tag *tag = &chunk->tags.items[i];
    const Unit *unit = &run->units.items[tag->unit];
    const Tag *next = i + 1 < chunk->tags.len ? &chunk->tags.items[i + 1] : NULL;
    if (tag->kind == TAG_STATEMENT) {
        if (unit->kind == UNIT_LONE)
            run->statements_done = tag->statement + 1;
        tell_statement(run, tag, next, next ? chunk->statements.items[i + 1].sql : (Str){0});
    }
    run->has_savepoint = tag->opens || (run->has_savepoint && !tag->closes);
    if (unit->kind == UNIT_TRANSACTION && unit->segment->count > 0 &&
        (tag->closes || tag->kind == TAG_COMMIT))
        run->statements_done = unit->segment->first + unit->segment->count;
    if (tag->finishes)
        step_finish(run, unit->step);
    if (tag->commits) {
        run->statements_kept = run->statements_done;
        keep_all(run);
        if (!run->db->driver->lazy_commit || (tag->kind == TAG_COMMIT && !tag->is_lazy))
            chunk_note_flushed(run);
    }
    if (next)
        step_begin(run, run->units.items[next->unit].step);
}

static void on_progress(void *ctx, size_t completed)
{
    Run *run = ctx;
    run->moved_us = clock_monotonic_us();
    for (; run->chunk.seen < completed && run->chunk.seen < run->chunk.tags.len; run->chunk.seen++)
        confirmed(run, run->chunk.seen);
}

/* ---- sending ------------------------------------------------------------------------------------ */

static void chunk_reset(Run *run)
{
    Chunk *chunk = &run->chunk;
    Arena *arena = chunk->arena;
    arena_reset(arena);
    *chunk = (Chunk){.arena = arena};
    run->unit_start = run->unit_bytes = 0;
}

void chunk_drop(Run *run)
{
    run->sent_timeouts = (Str){0}; /* they may stand in it, behind what failed */
    chunk_reset(run);
}

/* Makes room for what step_finish() records, so that a confirmation cannot fail. */
static bool make_room(Run *run, Error *err)
{
    size_t ups = 0, downs = 0;
    for (size_t i = 0; i < run->chunk.tags.len; i++) {
        const Tag *tag = &run->chunk.tags.items[i];
        if (!tag->finishes)
            continue;
        uint32_t step = run->units.items[tag->unit].step;
        if (step != NO_STEP && step_is_down(&run->plan.steps.items[step]))
            downs++;
        else
            ups++;
    }
    size_t finishing = ups + downs;
    while (run->finished.cap - run->finished.len < finishing)
        if (!vec_grow(run->arena, (void **)&run->finished.items, &run->finished.cap,
                      run->finished.cap, sizeof *run->finished.items))
            return error_nomem(err);
    RunResult *result = run->result;
    while (result->applied.cap - result->applied.len < ups)
        if (!vec_grow(run->arena, (void **)&result->applied.items, &result->applied.cap,
                      result->applied.cap, sizeof *result->applied.items))
            return error_nomem(err);
    while (result->rolled_back.cap - result->rolled_back.len < downs)
        if (!vec_grow(run->arena, (void **)&result->rolled_back.items, &result->rolled_back.cap,
                      result->rolled_back.cap, sizeof *result->rolled_back.items))
            return error_nomem(err);
    return true;
}

static bool has_commit(const Chunk *chunk, size_t from)
{
    for (size_t i = from; i < chunk->tags.len; i++)
        if (chunk->tags.items[i].kind == TAG_COMMIT || chunk->tags.items[i].commits)
            return true;
    return false;
}

static void note_failure(Run *run, const DbOutcome *outcome)
{
    Failure *failure = &run->failure;
    const Chunk *chunk = &run->chunk;
    size_t i = outcome->completed < chunk->tags.len ? outcome->completed : chunk->tags.len - 1;
    *failure = (Failure){
        .has_tag = true, .has_unit = true, .tag = chunk->tags.items[i], .outcome = *outcome};
    failure->unit = failure->tag.unit;
    /* The chunk stays until the failure is dealt with, so the text may be lent. */
    failure->sql = chunk->statements.items[i].sql;
    /* The server may have gone on by itself with what followed in the message. */
    failure->is_committing = outcome->is_fate_unknown && has_commit(chunk, i);
}

bool chunk_flush(Run *run, Error *err)
{
    Chunk *chunk = &run->chunk;
    if (chunk->statements.len == 0)
        return true;
    if (!make_room(run, err))
        return false;
    step_begin(run, run->units.items[chunk->tags.items[0].unit].step);
    DbOutcome outcome = {.error_offset = -1};
    if (!lease_check(run, err))
        return false;
    if (FAULT("run.before-chunk", err)) {
        note_failure(run, &outcome);
        return false;
    }
    run->has_sent_part = true;
    run->sent_us = run->moved_us = clock_monotonic_us();
    watch_begin(run);
    bool is_ok = db_run(run->db, chunk->statements.items, chunk->statements.len, on_progress, run,
                        &outcome, err);
    watch_end(run);
    if (!is_ok)
        wait_take_as_timeout(run, err);
    run->wait.has_given_way = false;
    on_progress(run, is_ok ? chunk->statements.len : outcome.completed);
    if (!is_ok) {
        note_failure(run, &outcome);
        if (lock_says_lost(run, &run->failure.tag, err))
            return lock_lost(run, err);
        return lease_says_lost(run, &run->failure.tag, err) && lease_lost(run, err);
    }
    chunk_reset(run);
    if (FAULT("run.after-chunk", err)) {
        run->failure = (Failure){0};
        return false;
    }
    return true;
}

bool chunk_keep_whole_units(Run *run, Error *err)
{
    Chunk *chunk = &run->chunk;
    if (run->unit_start < chunk->statements.len) {
        chunk->statements.len = chunk->tags.len = run->unit_start;
        chunk->bytes = run->unit_bytes;
    }
    return chunk_flush(run, err);
}

/* ---- reading ------------------------------------------------------------------------------------ */

void feed_close(Run *run)
{
    Feed *feed = &run->feed;
    if (feed->script)
        script_close(&feed->cursor);
    feed->script = NULL;
    feed->cursor = (ScriptCursor){0};
    if (feed->arena)
        arena_reset(feed->arena);
}

static bool feed_open(Run *run, const Script *script, Error *err)
{
    Feed *feed = &run->feed;
    feed_close(run);
    SqlSplitOptions split = run->split;
    split.file = script->path;
    if (!script_open(feed->arena, script, &split, &feed->cursor, err))
        return false;
    feed->script = script;
    return true;
}

/* The statement with this index; indices are asked for in rising order, else the script is read again. */
bool feed_next(Run *run, const Script *script, uint32_t index, SqlStatement *ret_statement,
               Error *err)
{
    Feed *feed = &run->feed;
    if ((feed->script != script || feed->cursor.next > index) && !feed_open(run, script, err))
        return false;
    for (;;) {
        bool has = false;
        bool is_it = feed->cursor.next == index;
        if (!script_next(&feed->cursor, ret_statement, &has, err))
            return false;
        if (!has) {
            error_set(err, ERROR_STATE, "%s has changed since it was read", script->path);
            error_code(err, "file-changed");
            return error_hint(err,
                              "Leave the files alone while a run is under way, then run it again.");
        }
        if (is_it)
            return true;
        Str piece = {0};
        while (ret_statement->has_copy_data) {
            if (!sql_splitter_copy_data(feed->cursor.splitter, &piece, err))
                return false;
            if (piece.len == 0)
                break;
        }
    }
}

bool feed_ready(Run *run, const Script *script, Error *err)
{
    bool is_at_begin = run->feed.script == script && run->feed.cursor.next == 0;
    return is_at_begin || feed_open(run, script, err);
}

bool feed_held(const Run *run, const Script *script, Str *ret_text)
{
    return run->feed.script == script && script_held(&run->feed.cursor, ret_text);
}

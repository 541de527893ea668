/* Carries units out: produces each into the message, sends what has gathered, and tries again what a lock held up.
 * SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "run/work.h"

enum { LONGEST_PAUSE_MS = 30000 };

/* ---- statements --------------------------------------------------------------------------------- */

static void set_version(Run *run, const Unit *unit)
{
    if (run->version_placeholder < run->placeholders.len)
        run->placeholders.items[run->version_placeholder].value =
            unit->step == NO_STEP ? (Str){0} : step_version(&run->plan.steps.items[unit->step]);
}

/* Between the parts of a journaled migration the history is written, in a session as it was at first; then the migration
 * finds its own settings again. */
static bool remember(Run *run, const Unit *unit, uint32_t index, Str sql, Error *err)
{
    if (run->is_nested || unit->step == NO_STEP || unit->hook)
        return true;
    /* A user variable stays as it is; its value said again could be another one by now. */
    unsigned flags = sql_inspect(sql, &run->split).flags;
    if (!(flags & SQL_SESSION_STATE) || flags & SQL_SESSION_KEPT)
        return true;
    if (run->runner->settings.has_placeholders &&
        !sql_expand(run->chunk.arena, sql, &run->placeholders, unit->script->path, 1, &sql, err))
        return false;
    return session_note(run, unit->step, index, sql, err);
}

static bool has_session(const Run *run, const Unit *unit)
{
    return !run->is_nested && unit->step != NO_STEP && run->session_step == unit->step &&
           run->session.len > 0;
}

static bool add_segment(Run *run, const Unit *unit, Error *err)
{
    TagKind kind = unit->hook ? TAG_HOOK : TAG_STATEMENT;
    for (uint32_t i = 0; i < unit->segment->count; i++) {
        SqlStatement statement = {0};
        uint32_t index = unit->segment->first + i;
        Tag tag = {.kind = kind, .statement = index, .path = unit->script->path};
        if (!feed_next(run, unit->script, index, &statement, err) ||
            (unit->segment->sets_session && !remember(run, unit, index, statement.text, err)) ||
            !chunk_add_statement(run, &statement, tag, err))
            return false;
    }
    return true;
}

/* The SQL hooks around a migration, within its transaction. Transaction control written in them is left out, as in a
 * migration. */
static bool add_each_hooks(Run *run, HookPoint point, Error *err)
{
    for (size_t i = 0; i < run->hooks[point].len; i++) {
        const HookUse *use = &run->hooks[point].items[i];
        for (size_t s = 0; s < use->segments.len; s++) {
            Unit part = {.kind = UNIT_TRANSACTION,
                         .step = NO_STEP,
                         .hook = use->hook,
                         .script = use->hook->script,
                         .segment = &use->segments.items[s]};
            if (!add_segment(run, &part, err))
                return error_wrap(err, "the hook %s", hook_point_name(point));
        }
    }
    return true;
}

static HistoryWriteKind end_kind(const PlanStep *step)
{
    if (step->kind == STEP_SKIP)
        return WRITE_SKIPPED;
    return step_is_down(step) ? WRITE_REMOVED : WRITE_APPLIED;
}

static bool add_write(Run *run, const Unit *unit, uint32_t done, Tag tag, Error *err)
{
    switch (unit->write) {
    case UNIT_WRITES_NOTHING:
        return true;
    case UNIT_WRITES_BEGIN:
        return write_add(run, unit, WRITE_BEGIN, done, tag, err);
    case UNIT_WRITES_STEP:
        return write_add(run, unit, WRITE_STEP, done, tag, err);
    case UNIT_WRITES_END:
        return write_add(run, unit, end_kind(&run->plan.steps.items[unit->step]), done, tag, err);
    }
    return true;
}

/* ---- units --------------------------------------------------------------------------------------- */

static bool produce_opening(Run *run, const Unit *unit, Error *err)
{
    size_t before = run->chunk.statements.len;
    bool has_log = run->convention->convention->features & CONVENTION_RUN_LOG, has_tables;
    run->has_opened = true;
    if (!transaction_begin_prepared(run, unit, &has_tables, err) ||
        (has_log && !write_run_log(run, WRITE_RUN_BEGIN, "running", NULL, err)))
        return false;
    if (!has_tables && !has_log && !run->is_nested && !run->is_whole) {
        /* There was nothing to say: no empty transaction for it. Its timeouts are to be said by the next. */
        run->chunk.statements.len = run->chunk.tags.len = before;
        run->sent_timeouts = (Str){0};
        return true;
    }
    return transaction_end(run, unit, false, err);
}

static bool produce_preparing(Run *run, Error *err)
{
    ConventionContext *context = run->convention;
    DbStatementVec out = {0};
    context->has_prepared = false;
    if (run->cannot_prepare)
        return true;
    if (!context->convention->write_prepare(context, run->db, run->chunk.arena, &out, err))
        return error_wrap(err, "preparing the writes of the history");
    context->has_prepared = out.len > 0;
    return chunk_add_all(run, &out, (Tag){.kind = TAG_PLUMBING}, err);
}

/* A write that is one statement needs no words around it where every statement is a transaction of its own. *ret_is_added: it was one;
 * else nothing was added. */
static bool add_write_alone(Run *run, const Unit *unit, uint32_t done, Tag tag, bool *ret_is_added,
                            Error *err)
{
    Chunk *chunk = &run->chunk;
    size_t before = chunk->statements.len;
    int64_t last_ordinal = run->last_ordinal;
    tag.commits = true;
    if (!add_write(run, unit, done, tag, err))
        return false;
    size_t count = chunk->statements.len - before;
    *ret_is_added = count == 1 || (count == 0 && !tag.finishes);
    if (*ret_is_added)
        return true;
    chunk->statements.len = chunk->tags.len = before;
    run->last_ordinal = last_ordinal;
    return true;
}

static bool produce_record(Run *run, const Unit *unit, Error *err)
{
    if (FAULT("run.before-journal", err))
        return false;
    const PlanStep *step = &run->plan.steps.items[unit->step];
    uint32_t done = unit->write == UNIT_WRITES_END && step->script ? step->script->statements
                                                                   : unit->segment->first;
    bool is_added = false;
    if (!db_has(run->db, DB_TRANSACTIONAL_DDL) && !run->is_whole && !lock_has_fence(run) &&
        !add_write_alone(run, unit, done, (Tag){.finishes = unit->is_last_of_step}, &is_added, err))
        return false;
    if (is_added)
        return true;
    return transaction_begin(run, unit, err) && add_write(run, unit, done, (Tag){0}, err) &&
           transaction_end(run, unit, unit->is_last_of_step, err);
}

/* Where only the session itself can say when its transaction began. */
static bool note_began(Run *run, const Unit *unit, Error *err)
{
    return !write_has_clock(run, unit) ||
           chunk_add(run, str_from(run->db->driver->note_began), (Tag){.kind = TAG_PLUMBING}, err);
}

static bool produce_transaction(Run *run, const Unit *unit, Error *err)
{
    if (!transaction_begin(run, unit, err) || !note_began(run, unit, err))
        return false;
    if (unit->has_before_each && !add_each_hooks(run, HOOK_BEFORE_EACH, err))
        return false;
    if (unit->script && !add_segment(run, unit, err))
        return false;
    if (unit->has_after_each && !add_each_hooks(run, HOOK_AFTER_EACH, err))
        return false;
    /* The history row must hit the history table, whatever the script has done to search_path or role. */
    bool is_between = unit->write == UNIT_WRITES_STEP && has_session(run, unit);
    /* Behind a pool what is left of it would be left to others. */
    bool is_lent = run->db->info.is_pooled && unit->segment->sets_session;
    if (((unit->resets && !run->is_nested) || is_between || is_lent) && !reset_add(run, err))
        return false;
    /* There is no network to save here, and the row can say how long it took. */
    if (run->is_nested && unit->write == UNIT_WRITES_END && !chunk_flush(run, err))
        return false;
    if (FAULT("run.before-history", err))
        return false;
    uint32_t done = unit->segment->first + unit->segment->count;
    return add_write(run, unit, done, (Tag){0}, err) &&
           (!is_between || session_restore(run, err)) &&
           transaction_end(run, unit, unit->is_last_of_step, err);
}

/* An index that an earlier, failed build has left behind is invalid, and IF NOT EXISTS would take it for done. */
static bool drop_invalid_index(Run *run, const Unit *unit, const SqlInfo *info, Error *err)
{
    Db *db = run->db;
    if (!(info->flags & SQL_CONCURRENTLY) || info->verb != SQL_VERB_CREATE ||
        info->object != SQL_OBJECT_INDEX || info->name.len == 0 || !db_has(db, DB_INVALID_INDEX) ||
        !db->driver->index_state)
        return true;
    scoped(Arena *, arena_freep) scratch = arena_new();
    Str name = {0}, schema = {0};
    DbObjectState state = {0};
    SqlDialect dialect = db->driver->dialect;
    if (!scratch || !sql_ident_value(scratch, dialect, info->name, &name) ||
        (info->table_schema.len > 0 &&
         !sql_ident_value(scratch, dialect, info->table_schema, &schema)))
        return error_nomem(err);
    if (!db->driver->index_state(db, schema, name, &state, err))
        return error_wrap(err, "looking for the index %.*s", STR_ARG(name));
    if (!state.exists || state.is_valid)
        return true;
    StrBuf sql = strbuf(scratch);
    strbuf_adds(&sql, "DROP INDEX CONCURRENTLY IF EXISTS ");
    if (schema.len > 0) {
        sql_add_ident(&sql, dialect, schema);
        strbuf_add_char(&sql, '.');
    }
    sql_add_ident(&sql, dialect, name);
    Str text;
    if (!strbuf_finish(&sql, &text))
        return error_nomem(err);
    if (!db_exec(db, text, err))
        return error_wrap(err, "dropping the invalid index %.*s", STR_ARG(name));
    Event event = event_of_step(run, EVENT_INDEX_REBUILT, unit->step);
    event.text = name;
    event_emit(run->runner, &event);
    return true;
}

/* A statement that a stopped run had begun may have left something that stands in its own way. */
static bool clear_left(Run *run, Arena *arena, const Unit *unit, const SqlInfo *info,
                       uint32_t index, SqlStatement *statement, Error *err)
{
    DbStatementVec first = {0};
    Str instead = {0};
    const PlanStep *step = unit->step == NO_STEP ? NULL : &run->plan.steps.items[unit->step];
    if (!step || !step->is_resumed || index != step->resume_at || !run->db->driver->left_behind)
        return true;
    if (!run->db->driver->left_behind(run->db, arena, statement->text, info, &first, &instead, err))
        return error_wrap(err, "looking for what the stopped statement has left");
    for (size_t i = 0; i < first.len; i++)
        if (!db_exec(run->db, first.items[i].sql, err))
            return error_wrap(err, "removing what the stopped statement has left");
    if (instead.len > 0)
        statement->text = instead;
    return true;
}

/* Alone in its message: what stands beside it would be a transaction with it. */
static bool send_alone(Run *run, const Unit *unit, SqlStatement *statement, Tag tag, Error *err)
{
    scoped(Arena *, arena_freep) scratch = arena_new();
    if (!scratch)
        return error_nomem(err);
    SqlInfo info = sql_inspect(statement->text, &run->split);
    /* In a nested run, what came before is made durable first, with the journal's row among it. */
    if (run->is_nested ? !nest_close(run, err) : !chunk_flush(run, err))
        return false;
    run->statements_done = run->statements_kept = tag.statement;
    DbTimeouts timeouts = timeouts_of(run, unit);
    /* A concurrent build holds nothing up while it waits, and a timeout would leave an invalid index behind. */
    if (info.flags & SQL_CONCURRENTLY)
        timeouts.lock_ms = 0;
    /* Of a session that is lent for a transaction nothing can be set for a statement that stands alone. */
    if ((!run->db->info.is_pooled && !timeouts_add(run, timeouts, false, err)) ||
        !chunk_flush(run, err) || !lease_renew(run, err) ||
        !drop_invalid_index(run, unit, &info, err) ||
        !clear_left(run, scratch, unit, &info, tag.statement, statement, err))
        return false;
    if (FAULT("run.before-lone", err))
        return false;
    /* Alone in its message it cannot carry a fence. What remains is the time between the server's answer and the sending:
     * chunk_flush() looks at the clock once more. */
    if (!lease_renew(run, err))
        return false;
    size_t before = run->chunk.statements.len;
    if (!chunk_add_statement(run, statement, tag, err))
        return false;
    if (run->chunk.statements.len > before && !chunk_flush(run, err))
        return false;
    return !FAULT("run.after-lone", err);
}

/* The journal's word on one lone statement. */
static bool add_lone_write(Run *run, const Unit *unit, uint32_t done, bool is_last, Error *err)
{
    Unit writer = *unit;
    if (unit->write == UNIT_WRITES_NOTHING)
        return true;
    writer.write = is_last ? unit->write : UNIT_WRITES_STEP;
    Segment none = *unit->segment; /* its timeouts are not the statements' */
    none.count = 0;
    writer.segment = &none;
    bool finishes = is_last && unit->is_last_of_step;
    bool is_between = writer.write == UNIT_WRITES_STEP && has_session(run, unit);
    bool resets = (finishes && unit->resets && !run->is_nested) || is_between;
    if (FAULT("run.before-journal", err))
        return false;
    if (unit->segment->is_implicit_commit && !run->is_nested && run->lock != LOCK_LEASE) {
        size_t before = run->chunk.statements.len;
        bool is_added = false;
        if ((resets && !reset_add(run, err)) ||
            !add_write_alone(run, &writer, done, (Tag){.finishes = finishes}, &is_added, err))
            return false;
        if (is_added)
            return !is_between || session_restore(run, err);
        run->chunk.statements.len = run->chunk.tags.len = before;
    }
    return transaction_begin(run, &writer, err) && (!resets || reset_add(run, err)) &&
           add_write(run, &writer, done, (Tag){0}, err) &&
           (!is_between || session_restore(run, err)) &&
           transaction_end(run, &writer, finishes, err);
}

static bool produce_lone(Run *run, const Unit *unit, Error *err)
{
    uint32_t first = unit->segment->first, end = first + unit->segment->count;
    TagKind kind = unit->hook ? TAG_HOOK : TAG_STATEMENT;
    bool is_batch =
        unit->segment->is_implicit_commit && db_has(run->db, DB_BATCH) && !run->is_nested;
    if (run->owes_lone_write) {
        run->owes_lone_write = false;
        if (!add_lone_write(run, unit, run->lone_at, run->lone_at == end, err))
            return false;
    }
    for (uint32_t i = run->lone_at > first ? run->lone_at : first; i < end; i++) {
        SqlStatement statement = {0};
        Tag tag = {.kind = kind, .statement = i, .path = unit->script->path, .commits = true};
        if (!feed_next(run, unit->script, i, &statement, err) ||
            (unit->segment->sets_session && !remember(run, unit, i, statement.text, err)))
            return false;
        if (is_batch) {
            if (!timeouts_add(run, timeouts_of(run, unit), false, err) ||
                !lease_fence(run, i, err) || !chunk_add_statement(run, &statement, tag, err) ||
                !lease_after_ddl(run, i, err))
                return false;
        } else if (!send_alone(run, unit, &statement, tag, err)) {
            return false;
        }
        if (!add_lone_write(run, unit, i + 1, i + 1 == end, err))
            return false;
    }
    return true;
}

/* A stopped run's session is gone, and its settings (foreign keys off, a search path, a schema in use) with it. What the
 * rest of the migration was written to rely on is said again. */
static bool produce_replay(Run *run, const Unit *unit, Error *err)
{
    const PlanStep *step = &run->plan.steps.items[unit->step];
    for (uint32_t i = 0; i < step->resume_at; i++) {
        SqlStatement statement = {0};
        Tag tag = {.kind = TAG_PLUMBING, .statement = i, .path = unit->script->path};
        if (!feed_next(run, unit->script, i, &statement, err))
            return false;
        if (!(sql_inspect(statement.text, &run->split).flags & SQL_SESSION_STATE))
            continue;
        if (run->db->info.is_pooled) {
            error_set(
                err, ERROR_UNSUPPORTED,
                "%s goes on after a setting of its session, which the pooling proxy in between "
                "does not keep",
                step_label(run->chunk.arena, step));
            error_code(err, "pooled-session");
            error_at(err, str_from(unit->script->path), statement.line, statement.column);
            return error_hint(err, "Give the server's own address for this run.");
        }
        if (run->is_nested && !nest_close(run, err))
            return false;
        if (!remember(run, unit, i, statement.text, err) ||
            !chunk_add_statement(run, &statement, tag, err))
            return false;
    }
    return chunk_flush(run, err);
}

static bool produce_reset(Run *run, Error *err)
{
    if (run->db->info.is_pooled)
        return true; /* each transaction has done it itself */
    if (run->is_nested) {
        if (run->is_whole)
            return true; /* done when the whole has ended */
        if (!nest_close(run, err))
            return false;
    }
    return reset_add(run, err) && (!run->is_nested || chunk_flush(run, err));
}

static bool produce_program(Run *run, const Unit *unit, Error *err)
{
    /* The program may look at the database, and must find there what was done before it. */
    if (run->has_outer ? !nest_close(run, err) : !chunk_flush(run, err))
        return false;
    return hook_run_program(run, unit, NULL, err);
}

/* The units of a step from this one on are left out. */
static void leave_out(Run *run, uint32_t step, size_t from)
{
    UnitVec *units = &run->units;
    size_t to = from;
    while (to < units->len && units->items[to].step == step)
        to++;
    memmove(units->items + from, units->items + to, (units->len - to) * sizeof *units->items);
    units->len -= to - from;
    compile_last_commit(run);
}

static void tell_of_step(Run *run, uint32_t step, const char *what, const char *why)
{
    scoped(Arena *, arena_freep) scratch = arena_new();
    const char *label = scratch ? step_label(scratch, &run->plan.steps.items[step]) : "";
    char *note = scratch ? str_format(scratch, "%s %s: %s", label, what, why) : NULL;
    event_note(run->runner, note ? note : why);
}

/* Asked on the run's own connection, so that what went before counts, committed or not. */
static bool produce_check(Run *run, const Unit *unit, Error *err)
{
    uint32_t at = unit->step;
    PlanStep *step = &run->plan.steps.items[at];
    ConventionVerdict verdict = VERDICT_RUN;
    const char *why = NULL;
    if (!chunk_flush(run, err))
        return false;
    scoped(Arena *, arena_freep) scratch = arena_new();
    if (!scratch)
        return error_nomem(err);
    if (!run->convention->convention->check(run->convention, run->db, scratch, step->migration,
                                            &verdict, &why, err))
        return err->kind == ERROR_STATE && error_wrap(err, "%s", step_label(run->arena, step));
    switch (verdict) {
    case VERDICT_RUN:
        if (why)
            tell_of_step(run, at, "runs all the same", why);
        return true;
    case VERDICT_SKIP:
        tell_of_step(run, at, "is passed over", why);
        leave_out(run, at, (size_t)run->at + 1);
        return true;
    case VERDICT_MARK:
        tell_of_step(run, at, "is marked as run", why);
        step->kind = STEP_SKIP;
        step->is_marked = true;
        run->units.items[run->at + 1] = (Unit){.kind = UNIT_RECORD,
                                               .write = UNIT_WRITES_END,
                                               .step = at,
                                               .is_last_of_step = true,
                                               .segment = &segment_of_none};
        leave_out(run, at, (size_t)run->at + 2);
        return true;
    }
    return true;
}

static bool produce_closing(Run *run, const Unit *unit, Error *err)
{
    return transaction_begin(run, unit, err) &&
           write_run_log(run, WRITE_RUN_END, "ok", NULL, err) &&
           transaction_end(run, unit, false, err);
}

static void tell_unit(Run *run, const Unit *unit)
{
    if (unit->hook) {
        Event event = event_of_step(run, EVENT_HOOK, unit->step);
        event.text = str_from(unit->hook->program ? unit->hook->program : unit->hook->script->path);
        event_emit(run->runner, &event);
    }
    if (unit->seed) {
        Event event = event_of_step(run, EVENT_SEED, NO_STEP);
        event.text = str_from(unit->seed->script->path);
        event_emit(run->runner, &event);
    }
}

static bool produce(Run *run, const Unit *unit, Error *err)
{
    set_version(run, unit);
    tell_unit(run, unit);
    switch (unit->kind) {
    case UNIT_OPENING:
        return produce_opening(run, unit, err);
    case UNIT_PREPARING:
        return produce_preparing(run, err);
    case UNIT_RECORD:
        return produce_record(run, unit, err);
    case UNIT_CHECK:
        return produce_check(run, unit, err);
    case UNIT_TRANSACTION:
        return produce_transaction(run, unit, err);
    case UNIT_LONE:
        return produce_lone(run, unit, err);
    case UNIT_REPLAY:
        return produce_replay(run, unit, err);
    case UNIT_RESET:
        return produce_reset(run, err);
    case UNIT_PROGRAM:
        return produce_program(run, unit, err);
    case UNIT_CLOSING:
        return produce_closing(run, unit, err);
    }
    return true;
}

/* ---- all of them ------------------------------------------------------------------------------------ */

/* The surrounding transaction, where there is one, ends here. */
static bool finish_outer(Run *run, Error *err)
{
    if (!run->has_outer) {
        if (!lock_add_release(run, err) || !chunk_flush(run, err))
            return false;
        lock_note_release(run);
        return true;
    }
    if (FAULT("run.before-commit", err))
        return false;
    if (!run->runner->settings.is_dry_run)
        return nest_close(run, err);
    /* In one message with what comes before: nothing is kept open for longer than it has to be. */
    if (!chunk_add(run, STR("ROLLBACK"), (Tag){.kind = TAG_PLUMBING}, err) ||
        !chunk_flush(run, err))
        return false;
    run->has_outer = false;
    return true;
}

static bool produce_all(Run *run, Error *err)
{
    for (; run->at < run->units.len; run->at++) {
        run->unit_start = run->chunk.statements.len;
        run->unit_bytes = run->chunk.bytes;
        run->has_sent_part = false;
        if (cancel_requested(run->runner))
            return error_set(err, ERROR_CANCELLED, "interrupted");
        if (!produce(run, &run->units.items[run->at], err))
            return false;
        run->lone_at = 0;
        if (run->chunk.bytes >= chunk_limit(run) && !chunk_flush(run, err))
            return false;
        if (run->commits_each && run->units.items[run->at].is_last_of_step && !nest_close(run, err))
            return false;
    }
    /* What is added from here on belongs to the last unit. */
    if (run->at > 0)
        run->at--;
    bool is_ok = finish_outer(run, err);
    run->at++;
    return is_ok;
}

/* ---- trying again ----------------------------------------------------------------------------------- */

/* A statement that had committed by itself before the journal's word on it was refused: only that word is to be said again. A
 * cluster refuses it when another node has changed the lease's row at the same time. */
static bool has_lone_done(const Run *run, uint32_t *ret_statement)
{
    const Failure *failure = &run->failure;
    const Unit *unit = &run->units.items[failure->unit];
    const Chunk *chunk = &run->chunk;
    if (!unit->segment->is_implicit_commit || unit->hook || run->is_nested)
        return false;
    for (size_t i = failure->outcome.completed; i-- > 0;) {
        if (i >= chunk->tags.len || chunk->tags.items[i].unit != failure->unit ||
            chunk->tags.items[i].kind != TAG_STATEMENT)
            continue;
        *ret_statement = chunk->tags.items[i].statement;
        return true;
    }
    return false;
}

static bool is_statements_own(const Failure *failure)
{
    return failure->tag.kind == TAG_STATEMENT || failure->tag.kind == TAG_FENCE;
}

static bool may_retry(const Run *run, const Error *err)
{
    uint32_t ignored;
    const Failure *failure = &run->failure;
    if (err->kind != ERROR_TIMEOUT || !failure->has_tag || failure->outcome.is_fate_unknown ||
        run->db->is_broken)
        return false;
    Str code = str_from(err->code);
    if (!str_eq(code, STR("lock-timeout")) && !str_eq(code, STR("deadlock")) &&
        !str_eq(code, STR("serialization")))
        return false;
    const Unit *unit = &run->units.items[failure->unit];
    if (unit->kind == UNIT_LONE &&
        ((!is_statements_own(failure) && !has_lone_done(run, &ignored)) ||
         (sql_inspect(failure->sql, &run->split).flags & SQL_CONCURRENTLY)))
        return false;
    uint32_t retries = run->runner->settings.lock_retries;
    if (unit->segment->count > 0 && unit->segment->directives->lock_retries >= 0)
        retries = (uint32_t)unit->segment->directives->lock_retries;
    uint32_t attempt = run->attempt_unit == failure->unit ? run->attempt : 0;
    return attempt < retries;
}

static bool roll_back_unit(Run *run, Error *err)
{
    Db *db = run->db;
    if (run->is_nested && !run->is_whole) {
        if (db->is_in_transaction && run->has_savepoint &&
            (!db_exec(db, STR("ROLLBACK TO whimbrel_step"), err) ||
             !db_exec(db, STR("RELEASE whimbrel_step"), err)))
            return false;
        run->has_outer = db->is_in_transaction;
        return true;
    }
    if (db->is_in_transaction && !db_exec(db, STR("ROLLBACK"), err))
        return false;
    run->has_outer = false;
    return true;
}

static bool wait_and_rewind(Run *run, Error *err)
{
    scoped(Arena *, arena_freep) scratch = arena_new();
    if (!scratch)
        return error_nomem(err);
    const RunSettings *settings = &run->runner->settings;
    uint32_t unit_at = run->failure.unit;
    const Unit *unit = &run->units.items[unit_at];
    run->attempt = run->attempt_unit == unit_at ? run->attempt + 1 : 1;
    run->attempt_unit = unit_at;

    Error ignored = {.arena = scratch}, cause = *err;
    if (!roll_back_unit(run, &ignored))
        return false;

    uint32_t done;
    run->lone_at = unit->kind == UNIT_LONE ? run->failure.tag.statement : 0;
    run->owes_lone_write = unit->kind == UNIT_LONE && run->failure.tag.kind != TAG_STATEMENT &&
                           has_lone_done(run, &done) && done >= run->lone_at;
    if (run->owes_lone_write)
        run->lone_at = done + 1;
    run->at = run->is_whole ? 0 : unit_at;
    if (run->is_whole) {
        run->result->applied.len = run->applied_kept;
        run->result->rolled_back.len = run->rolled_kept;
        run->finished.len = run->finished_kept;
        run->begun_step = NO_STEP;
    }
    int64_t pause_ms = settings->retry_pause_ms > 0 ? settings->retry_pause_ms : 500;
    for (uint32_t i = 1; i < run->attempt && pause_ms < LONGEST_PAUSE_MS; i++)
        pause_ms *= 2;
    if (pause_ms > LONGEST_PAUSE_MS)
        pause_ms = LONGEST_PAUSE_MS;
    uint32_t number = 0;
    if (random_bytes(&number, sizeof number, NULL))
        pause_ms = pause_ms / 2 + (int64_t)(number % (uint32_t)(pause_ms / 2 + 1));
    error_clear(err);
    /* The failure points into the message: an interrupted pause is told with its place. */
    if (!wait_pause(run, unit_at, run->failure.sql, pause_ms, &cause, err))
        return false;
    chunk_drop(run);
    return true;
}

/* Constraints that are checked at the end of a transaction speak up at the end of the whole run, and cannot say which
 * migration broke them. So what is not durable yet is done again, with a transaction each. */
static bool may_go_one_by_one(const Run *run, const Error *err)
{
    return run->is_nested && !run->is_whole && !run->commits_each && run->failure.has_tag &&
           run->failure.tag.kind == TAG_COMMIT && err->kind == ERROR_SQL &&
           run->finished.len - run->finished_kept > 1;
}

static bool go_one_by_one(Run *run, Error *err)
{
    Db *db = run->db;
    Error ignored = {.arena = err->arena};
    if (db->is_in_transaction && !db_exec(db, STR("ROLLBACK"), &ignored))
        return false;
    event_note(run->runner, "the end of the transaction was refused: each migration is now run in "
                            "one of its own, to find which");
    run->has_outer = run->has_savepoint = false;
    run->commits_each = true;
    run->result->applied.len = run->applied_kept;
    run->result->rolled_back.len = run->rolled_kept;
    run->finished.len = run->finished_kept;
    run->begun_step = NO_STEP;
    run->lone_at = 0;
    run->at = run->kept_unit;
    chunk_drop(run);
    error_clear(err);
    return true;
}

/* A migration that says of itself that it may fail: what it did is undone, as far as the engine can, and the run goes on. */
static bool may_pass_over(const Run *run, const Error *err)
{
    const Failure *failure = &run->failure;
    if (err->kind != ERROR_SQL || !failure->has_tag || failure->tag.kind != TAG_STATEMENT ||
        failure->outcome.is_fate_unknown || run->db->is_broken || run->is_whole)
        return false;
    const Unit *unit = &run->units.items[failure->unit];
    const Script *script = unit->script;
    return unit->step != NO_STEP && !unit->hook && script && script->form && script->form->may_fail;
}

static bool pass_over(Run *run, Error *err)
{
    uint32_t step = run->units.items[run->failure.unit].step;
    size_t first = run->failure.unit;
    Error ignored = {.arena = err->arena};
    if (!roll_back_unit(run, &ignored))
        return false;
    tell_of_step(run, step, "has failed, as it may, and is passed over", err->message);
    while (first > 0 && run->units.items[first - 1].step == step)
        first--;
    leave_out(run, step, first);
    feed_close(run);
    run->begun_step = NO_STEP;
    run->lone_at = run->attempt = 0;
    run->owes_lone_write = false;
    run->at = (uint32_t)first;
    chunk_drop(run);
    error_clear(err);
    return true;
}

/* The server may allow no more prepared statements: then all goes as it does without. */
static bool may_go_unprepared(const Run *run, const Error *err)
{
    const Failure *failure = &run->failure;
    return err->kind == ERROR_SQL && failure->has_tag && !failure->outcome.is_fate_unknown &&
           !run->db->is_broken && run->units.items[failure->unit].kind == UNIT_PREPARING;
}

static void go_unprepared(Run *run, Error *err)
{
    run->cannot_prepare = true;
    run->last_ordinal = run->history.last_ordinal; /* nothing was written yet */
    run->at = run->failure.unit;
    chunk_drop(run);
    error_clear(err);
}

bool work_run(Run *run, Error *err)
{
    Event begin = event_of_step(run, EVENT_RUN_BEGIN, NO_STEP);
    event_emit(run->runner, &begin);
    bool is_ok = false;
    for (;;) {
        run->failure = (Failure){0};
        /* Where the last migrations were left out, no commit may have waited for the disk. */
        is_ok =
            session_set_up(run, err) && produce_all(run, err) && failure_flush(run, run->db, err);
        if (is_ok)
            break;
        if (!run->failure.has_unit) {
            run->failure.unit = run->at < run->units.len ? run->at : (uint32_t)run->units.len - 1;
            run->failure.has_unit = run->units.len > 0;
            Failure ours = run->failure;
            Error sending = {.arena = err->arena};
            /* The units before the one that could not be produced are sound, and may still be unsent. */
            if (err->kind != ERROR_CANCELLED && !run->db->is_broken && !run->is_whole &&
                !run->has_sent_part && !chunk_keep_whole_units(run, &sending)) {
                *err = sending;
            } else {
                run->failure = ours;
            }
        }
        if (may_go_one_by_one(run, err)) {
            if (go_one_by_one(run, err))
                continue;
            break;
        }
        if (may_go_unprepared(run, err)) {
            go_unprepared(run, err);
            continue;
        }
        if (may_pass_over(run, err)) {
            if (pass_over(run, err))
                continue;
            break;
        }
        if (!may_retry(run, err))
            break;
        if (!wait_and_rewind(run, err)) {
            if (err->kind == ERROR_NONE)
                error_set(err, ERROR_CONNECT, "the transaction could not be rolled back");
            break;
        }
    }
    if (!is_ok && reconnect(run, err)) {
        error_clear(err);
        if (run->reconnects->goes_on)
            return false;
        is_ok = true;
    }
    if (!is_ok)
        failure_settle(run, err);
    Event end = event_of_step(run, EVENT_RUN_END, NO_STEP);
    end.duration_us = clock_monotonic_us() - run->began_us;
    end.error = is_ok ? NULL : err;
    event_emit(run->runner, &end);
    return is_ok;
}

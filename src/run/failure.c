/* What a failure means: where in the file it is, what holds now, what to do next; and the cleaning up.
 * SPDX-License-Identifier: Apache-2.0
 *
 * Nothing is claimed that is not known. Where the connection broke while a commit was under way, a second connection
 * asks the history, once the first one's lock is free and it can therefore do nothing more. */
#include <string.h>

#include "run/work.h"

enum {
    EXCERPT_BYTES = 1000,
    STATEMENT_BYTES = 200,
    MS = 1000,
    SETTLE_WAIT_MS = 10000,
    HURRIED_MS = 2000
};

/* ---- the place in the file ------------------------------------------------------------------------ */

/* From an offset in the text that was sent to the one in the file: ${name} stands there for its value. */
static size_t source_offset(const Run *run, Str source, size_t sent_offset)
{
    size_t from = 0, to = 0;
    while (from < source.len) {
        if (str_starts(str_sub(source, from, source.len), STR("$${"))) {
            from++; /* one dollar sign less was sent */
            if (to + 2 > sent_offset)
                return from;
            from += 2;
            to += 2;
            continue;
        }
        if (source.ptr[from] == '$' && from + 1 < source.len && source.ptr[from + 1] == '{') {
            size_t end = str_find_char(source, '}', from);
            Str name = end == SIZE_MAX ? (Str){0} : str_sub(source, from + 2, end);
            for (size_t i = 0; end != SIZE_MAX && i < run->placeholders.len; i++) {
                if (!str_eq(run->placeholders.items[i].name, name))
                    continue;
                size_t len = run->placeholders.items[i].value.len;
                if (to + len > sent_offset)
                    return from;
                to += len;
                from = end + 1;
                name = (Str){0};
                break;
            }
            if (end != SIZE_MAX && name.len == 0)
                continue;
        }
        if (to >= sent_offset)
            return from;
        from++;
        to++;
    }
    return source.len;
}

static uint32_t count_lines(Str text, size_t *ret_line_start)
{
    uint32_t lines = 0;
    *ret_line_start = 0;
    for (size_t i = str_find_char(text, '\n', 0); i != SIZE_MAX;
         i = str_find_char(text, '\n', i + 1)) {
        lines++;
        *ret_line_start = i + 1;
    }
    return lines;
}

/* Offset of the first byte of the nth line (from 1) that is no blank. */
static size_t offset_of_line(Str text, int line)
{
    size_t at = 0;
    for (int i = 1; i < line; i++) {
        size_t end = str_find_char(text, '\n', at);
        if (end == SIZE_MAX)
            break;
        at = end + 1;
    }
    while (at < text.len && (text.ptr[at] == ' ' || text.ptr[at] == '\t'))
        at++;
    return at;
}

/* One line of the script, read again: only the place of an error needs it. */
static bool source_line(Arena *arena, const Script *script, uint32_t line, Str *ret_line)
{
    StrBuf out = strbuf(arena);
    uint32_t at = 1;
    if (!script->open_path) {
        size_t from = 0;
        at = script->first_line > 0 ? script->first_line : 1;
        if (line < at)
            return false;
        for (; at < line; at++) {
            size_t end = str_find_char(script->text, '\n', from);
            if (end == SIZE_MAX)
                return false;
            from = end + 1;
        }
        size_t end = str_find_char(script->text, '\n', from);
        strbuf_add(&out, str_sub(script->text, from, end == SIZE_MAX ? script->text.len : end));
    } else {
        FileReader reader = {.fd = -1};
        Error ignored = {.arena = arena};
        static const size_t cap = 64 << 10;
        char *buf = arena_alloc(arena, cap);
        size_t len = 0;
        if (!buf || !file_reader_open(&reader, arena, script->open_path, &ignored))
            return false;
        while (at <= line && out.len < EXCERPT_BYTES &&
               file_reader_read(&reader, buf, cap, &len, &ignored) && len > 0) {
            Str rest = {buf, len};
            while (at <= line && rest.len > 0) {
                size_t end = str_find_char(rest, '\n', 0);
                if (at == line)
                    strbuf_add(&out, str_sub(rest, 0, end == SIZE_MAX ? rest.len : end));
                if (end == SIZE_MAX)
                    break;
                rest = str_sub(rest, end + 1, rest.len);
                at++;
            }
        }
        file_reader_close(&reader);
        if (at < line)
            return false;
    }
    if (!strbuf_finish(&out, ret_line))
        return false;
    if (ret_line->len > EXCERPT_BYTES)
        ret_line->len = EXCERPT_BYTES;
    while (ret_line->len > 0 && ret_line->ptr[ret_line->len - 1] == '\r')
        ret_line->len--;
    /* A BOM is no part of what people see. */
    if (line == 1 && str_starts(*ret_line, STR("\xef\xbb\xbf")))
        *ret_line = str_sub(*ret_line, 3, ret_line->len);
    return true;
}

static const Script *script_of(const Run *run, const Tag *tag, const Unit *unit)
{
    if (unit->script && unit->script->path == tag->path)
        return unit->script;
    for (int point = 0; point < HOOK_COUNT; point++)
        for (size_t i = 0; i < run->hooks[point].len; i++) {
            const Script *script = run->hooks[point].items[i].hook->script;
            if (script && script->path == tag->path)
                return script;
        }
    return NULL;
}

/* How much of the line to underline: the token at that place. */
static uint32_t token_width(const Run *run, Str source, size_t offset)
{
    SqlLexer lexer = sql_lexer(source, &run->split);
    SqlToken token;
    while (sql_lexer_next(&lexer, &token)) {
        if (token.offset + token.text.len <= offset)
            continue;
        if (token.offset > offset)
            return 1;
        size_t end = str_find_char(token.text, '\n', offset - token.offset);
        size_t len = end == SIZE_MAX ? token.text.len : end;
        return (uint32_t)(len - (offset - token.offset));
    }
    return 1;
}

static void place_statement(Run *run, const Tag *tag, Error *err)
{
    const DbOutcome *outcome = &run->failure.outcome;
    Str source = tag->source.len > 0 ? tag->source : run->failure.sql;
    bool is_expanded = tag->source.len > 0;
    size_t offset = 0;
    bool has_offset = outcome->error_offset >= 0;
    if (has_offset)
        offset = is_expanded ? source_offset(run, source, (size_t)outcome->error_offset)
                             : (size_t)outcome->error_offset;
    else if (outcome->error_line > 1)
        offset = offset_of_line(source, outcome->error_line);
    if (offset > source.len)
        offset = source.len;
    size_t line_start = 0;
    uint32_t lines = count_lines(str_sub(source, 0, offset), &line_start);
    uint32_t line = tag->line + lines;
    uint32_t column = (uint32_t)(lines > 0 ? offset - line_start + 1 : tag->column + offset);
    error_at(err, str_from(tag->path), line, column);

    const Unit *unit = &run->units.items[run->failure.unit];
    const Script *script = script_of(run, tag, unit);
    Str text = {0}, summary = {0};
    if (err->arena && script && source_line(err->arena, script, line, &text)) {
        err->excerpt = str_z(err->arena, text);
        size_t end = str_find_char(source, '\n', offset);
        size_t rest = (end == SIZE_MAX ? source.len : end) - offset;
        err->excerpt_width = has_offset ? token_width(run, source, offset) : (uint32_t)rest;
    }
    if (err->arena &&
        sql_summary(err->arena, run->failure.sql, &run->split, STATEMENT_BYTES, &summary))
        err->statement = str_z(err->arena, summary);
}

void failure_place(Run *run, Error *err)
{
    const Failure *failure = &run->failure;
    if (!failure->has_tag || err->kind == ERROR_NOMEM)
        return;
    const Unit *unit = &run->units.items[failure->unit];
    switch (failure->tag.kind) {
    case TAG_STATEMENT:
    case TAG_HOOK:
        place_statement(run, &failure->tag, err);
        return;
    case TAG_COMMIT:
        /* A constraint that is checked at the end. */
        if (unit->script)
            error_at(err, str_from(unit->script->path), 0, 0);
        error_wrap(err, "committing");
        return;
    case TAG_WRITE:
        error_wrap(err, "writing the history");
        return;
    case TAG_FENCE:
        if (!run->is_lease_lost && !run->is_row_lost)
            error_wrap(err, "checking the migration lock");
        return;
    case TAG_PLUMBING:
        if (failure->tag.path)
            place_statement(run, &failure->tag, err);
        return;
    }
}

/* ---- what holds ------------------------------------------------------------------------------------- */

static void say(Run *run, StrVec *sentences, const char *fmt, ...) PRINTF_LIKE(3, 4);
static void say(Run *run, StrVec *sentences, const char *fmt, ...)
{
    va_list args;
    StrBuf out = strbuf(run->arena);
    Str text;
    va_start(args, fmt);
    strbuf_addv(&out, fmt, args);
    va_end(args);
    /* Without memory for a sentence the error itself is still told. */
    if (strbuf_finish(&out, &text))
        (void)vec_push(run->arena, sentences, text);
}

static void next(Run *run, const char *command, const char *what)
{
    if (!command)
        return;
    if (vec_push(run->arena, &run->result->next, str_from(command)))
        (void)vec_push(run->arena, &run->result->next, str_from(what ? what : ""));
}

static const char *verb_command(Run *run)
{
    const PlanRequest *request = &run->plan.request;
    switch (request->verb) {
    case PLAN_MIGRATE:
        return "whimbrel migrate";
    case PLAN_ROLLBACK:
        return "whimbrel rollback";
    case PLAN_GOTO:
        return str_format(run->arena, "whimbrel goto %.*s", STR_ARG(request->to));
    case PLAN_REDO:
        return run->applied_kept + run->rolled_kept > 0 ? "whimbrel migrate" : "whimbrel redo";
    case PLAN_SYNC:
        return "whimbrel sync";
    case PLAN_RESUME:
        return "whimbrel resume";
    }
    return "whimbrel migrate";
}

static void say_others(Run *run)
{
    RunResult *result = run->result;
    size_t applied = result->applied.len, rolled = result->rolled_back.len;
    StrBuf out = strbuf(run->arena);
    if (applied > 0)
        strbuf_addf(&out,
                    applied == 1 ? "%zu migration before it is applied"
                                 : "%zu migrations before it are applied",
                    applied);
    if (rolled > 0)
        strbuf_addf(&out, "%s%zu %s rolled back", applied > 0 ? ", " : "", rolled,
                    rolled == 1 ? "is" : "are");
    if (applied + rolled > 0)
        strbuf_adds(&out, "; the database is ");
    else
        strbuf_adds(&out, "The database is ");
    if (result->current.len > 0) {
        strbuf_adds(&out, "at ");
        strbuf_add(&out, result->current);
    } else {
        strbuf_adds(&out, "at base");
    }
    strbuf_add_char(&out, '.');
    Str text;
    if (strbuf_finish(&out, &text))
        say(run, &result->holds, "%.*s", STR_ARG(text));
}

static void add_range(StrBuf *out, uint32_t from, uint32_t to)
{
    if (from == to)
        strbuf_addf(out, "%u", from);
    else
        strbuf_addf(out, to == from + 1 ? "%u and %u" : "%u to %u", from, to);
}

static void say_partial(Run *run, uint32_t kept, uint32_t failed, uint32_t total, bool has_failed)
{
    StrBuf out = strbuf(run->arena);
    if (kept > 0) {
        strbuf_adds(&out, kept == 1 ? "Statement " : "Statements ");
        add_range(&out, 1, kept);
        strbuf_addf(&out, " of %u ran and cannot be rolled back", total);
        if (!db_has(run->db, DB_TRANSACTIONAL_DDL))
            strbuf_addf(&out, " on %s", run->db->info.engine_title);
        strbuf_adds(&out, "; ");
    }
    if (kept > 0 && failed > kept + 1) {
        add_range(&out, kept + 1, failed - 1);
        strbuf_addf(&out, " %s rolled back; ", failed == kept + 2 ? "was" : "were");
    }
    if (has_failed)
        strbuf_addf(&out, kept > 0 ? "statement %u failed" : "Statement %u failed", failed);
    else
        strbuf_addf(&out,
                    kept > 0 ? "statement %u did not run to its end"
                             : "Statement %u did not run to its end",
                    failed);
    if (failed < total) {
        strbuf_adds(&out, "; ");
        add_range(&out, failed + 1, total);
        strbuf_adds(&out, " did not run");
    }
    strbuf_add_char(&out, '.');
    Str text;
    if (strbuf_finish(&out, &text))
        say(run, &run->result->holds, "%.*s", STR_ARG(text));
}

static bool has_down(const PlanStep *step)
{
    return (step->migration && migration_has_down(step->migration)) ||
           (step->row && step->row->has_down_text);
}

/* What has to happen before the same command can do better. */
static const char *when_to_go_on(const Run *run, const PlanStep *step, const Error *err)
{
    bool is_write = run->failure.has_tag && run->failure.tag.kind == TAG_WRITE;
    if (err->code && strcmp(err->code, "disk-full") == 0)
        return "once there is room";
    if (err->code && strcmp(err->code, "no-privilege") == 0)
        return "once the privilege is granted";
    if (err->kind != ERROR_SQL && err->kind != ERROR_PARSE)
        return "tries again";
    if (is_write) /* somebody else has been at the table */
        return "once the history is right: whimbrel status";
    return step->is_stored_down ? "once its files are back, with a down that works"
                                : "once the file is mended";
}

static void say_step(Run *run, const PlanStep *step, uint32_t kept, const Error *err)
{
    RunResult *result = run->result;
    const char *label = step->migration_kind == MIGRATION_REPEATABLE
                            ? str_z(run->arena, step_name(step))
                            : str_z(run->arena, step_version(step));
    const Unit *unit = &run->units.items[run->failure.unit];
    bool is_journaled = step->is_journaled || step->is_resumed;
    uint32_t total = step->script ? step->script->statements : 0;
    if (!label)
        label = "it";
    if (result->is_fate_unknown) {
        say(run, &result->holds,
            "Whether %s%s was %s is not known: the connection broke while it was under way.", label,
            step < run->plan.steps.items + run->plan.steps.len - 1 ? ", and what follows it," : "",
            step_is_down(step) ? "rolled back" : "applied");
        next(run, "whimbrel status", "says what holds, once the server answers");
        return;
    }
    if (run->is_whole && !run->runner->settings.is_dry_run) {
        say(run, &result->holds, "Nothing of this run was kept: it is one transaction.");
    } else if (run->runner->settings.is_dry_run) {
        say(run, &result->holds, "Nothing was kept: it was a dry run.");
    } else if (is_journaled && (unit->kind == UNIT_LONE || kept > 0)) {
        uint32_t failed = result->failed_statement > 0 ? result->failed_statement : kept + 1;
        bool is_failed = err->kind == ERROR_SQL || err->kind == ERROR_TIMEOUT;
        if (kept < total)
            say_partial(run, kept, failed, total, is_failed);
        else
            say(run, &result->holds,
                "All %u statements of %s ran; its history row could not be written.", total, label);
        say_others(run);
        const char *command = verb_command(run);
        char *from = str_format(run->arena, "goes on at statement %u", kept + 1);
        next(run, command, from);
        if (!step_is_down(step) && has_down(step))
            next(run, "whimbrel rollback", "runs the down");
        return;
    } else {
        say(run, &result->holds, "Nothing of %s was kept.", label);
    }
    say_others(run);
    next(run, verb_command(run), when_to_go_on(run, step, err));
}

/* ---- cleaning up ------------------------------------------------------------------------------------- */

/* How many statements of the failed step have run and stay. */
static uint32_t kept_statements(const Run *run, const PlanStep *step, bool has_lost_outer)
{
    const Failure *failure = &run->failure;
    const Unit *unit = &run->units.items[failure->unit];
    if ((!step->is_journaled && !step->is_resumed) || run->is_whole)
        return 0;
    if (run->begun_step != unit->step)
        return step->resume_at;
    if (has_lost_outer)
        return run->statements_kept;
    uint32_t known = run->statements_done;
    switch (unit->kind) {
    case UNIT_LONE:
        if (failure->has_tag &&
            (failure->tag.kind == TAG_STATEMENT || failure->tag.kind == TAG_WRITE))
            return failure->tag.statement > known ? failure->tag.statement : known;
        return known;
    case UNIT_TRANSACTION:
        return unit->segment->first > known ? unit->segment->first : known;
    case UNIT_OPENING:
    case UNIT_PREPARING:
    case UNIT_CHECK:
    case UNIT_RECORD:
    case UNIT_REPLAY:
    case UNIT_RESET:
    case UNIT_PROGRAM:
    case UNIT_CLOSING:
        return known;
    }
    return known;
}

static bool roll_back(Run *run, bool *ret_has_lost_outer, Error *err)
{
    Db *db = run->db;
    *ret_has_lost_outer = false;
    if (FAULT("run.rollback", err))
        return false;
    if (run->is_nested && !run->is_whole) {
        /* Some errors (a full disk, no memory) make the engine roll back everything by itself; and a commit that was
         * refused leaves nothing to be kept. */
        bool is_commit = run->failure.has_tag && run->failure.tag.kind == TAG_COMMIT;
        *ret_has_lost_outer = run->has_outer && (!db->is_in_transaction || is_commit);
        if (db->is_in_transaction && is_commit && !db_exec(db, STR("ROLLBACK"), err))
            return false;
        if (db->is_in_transaction && run->has_savepoint &&
            (!db_exec(db, STR("ROLLBACK TO whimbrel_step"), err) ||
             !db_exec(db, STR("RELEASE whimbrel_step"), err)))
            return false;
        run->has_savepoint = false;
        run->has_outer = db->is_in_transaction;
        return true;
    }
    if (db->is_in_transaction && !db_exec(db, STR("ROLLBACK"), err))
        return false;
    run->has_outer = run->has_savepoint = false;
    return true;
}

/* The journal's last word on the step, and the run log's, in one message. */
static void write_down(Run *run, const PlanStep *step, uint32_t kept, const Error *failure)
{
    Arena *scratch = arena_new();
    Error ignored = {.arena = scratch};
    const Unit *unit = run->failure.has_unit ? &run->units.items[run->failure.unit] : NULL;
    bool has_journal =
        step && (step->is_journaled || step->is_resumed) && unit->kind != UNIT_RECORD;
    bool has_log = run->has_opened && !run->is_record_only &&
                   (run->convention->convention->features & CONVENTION_RUN_LOG);
    Unit writer = {
        .kind = UNIT_CLOSING, .step = unit ? unit->step : NO_STEP, .segment = &segment_of_none};
    chunk_drop(run);
    run->failure.sql = run->failure.tag.source = (Str){0};
    /* Without the lease nothing may be written any more. */
    if (!scratch || run->is_lease_lost || run->is_row_lost ||
        (!has_journal && !has_log && !run->has_outer) || FAULT("run.before-failed", &ignored)) {
        arena_free(scratch);
        return;
    }
    /* If the tables were made in what has just been rolled back, there is nothing to write into. Those that hold what this run has done
     * are not made anew: the next run would take an empty history for the beginning. */
    if (run->finished_kept > 0) {
        run->history.exists = true;
        run->history.is_older_format = false;
    }
    bool has_tables, writes = has_journal || has_log;
    bool is_ok = !writes || transaction_begin_prepared(run, &writer, &has_tables, &ignored);
    if (is_ok && has_journal) {
        HistoryWrite write = {.kind = WRITE_FAILED,
                              .migration = step->migration,
                              .row = step->row,
                              .is_down = step_is_down(step),
                              .is_journaled = true,
                              .is_fate_unknown = run->failure.outcome.is_fate_unknown,
                              .done = kept,
                              .total = step->script ? step->script->statements : 0,
                              .duration_us = -1,
                              .started_at = clock_now(),
                              .error = str_from(failure->message)};
        is_ok = write_raw(run, &write, (Tag){.kind = TAG_PLUMBING}, &ignored);
    }
    if (is_ok && has_log)
        is_ok = write_run_log(run, WRITE_RUN_END,
                              failure->kind == ERROR_CANCELLED ? "interrupted" : "failed", failure,
                              &ignored);
    if (is_ok && writes)
        is_ok = transaction_end(run, &writer, false, &ignored);
    /* The run log is worth less than the migrations: without it, what came before is committed all the same. */
    if (!is_ok) {
        chunk_drop(run);
        if (run->has_savepoint && run->db->is_in_transaction)
            (void)db_exec(run->db, STR("ROLLBACK TO whimbrel_step"), &ignored);
    }
    if (is_ok && !chunk_flush(run, &ignored)) {
        chunk_drop(run);
        if (run->is_nested && run->db->is_in_transaction && run->has_savepoint)
            (void)db_exec(run->db, STR("ROLLBACK TO whimbrel_step"), &ignored);
        else if (!run->is_nested && run->db->is_in_transaction)
            (void)db_exec(run->db, STR("ROLLBACK"), &ignored);
    }
    if (run->has_outer && !run->is_whole)
        (void)nest_close(run, &ignored);
    chunk_drop(run);
    arena_free(scratch);
}

static bool add_statement(Arena *arena, DbStatementVec *statements, Str sql, Error *err)
{
    DbStatement statement = {0};
    return (str_copy(arena, sql, &statement.sql) && vec_push(arena, statements, statement)) ||
           error_nomem(err);
}

static void on_error_hooks(Run *run, const Error *failure)
{
    const HookUseVec *hooks = &run->hooks[HOOK_ON_ERROR];
    for (size_t i = 0; i < hooks->len && !run->runner->settings.is_dry_run; i++) {
        const Hook *hook = hooks->items[i].hook;
        scoped(Arena *, arena_freep) scratch = arena_new();
        Error own = {.arena = scratch};
        SegmentVec segments = {0};
        Event event = event_of_step(run, EVENT_HOOK, NO_STEP);
        event.text = str_from(hook->program ? hook->program : hook->script->path);
        event_emit(run->runner, &event);
        bool is_ok = true;
        if (hook->program) {
            Unit unit = {.kind = UNIT_PROGRAM,
                         .step = run->failure.has_unit ? run->units.items[run->failure.unit].step
                                                       : NO_STEP,
                         .segment = &segment_of_none,
                         .hook = hook};
            is_ok = hook_run_program(run, &unit, failure, &own);
        } else if (!run->db->is_broken) {
            /* All at once: the transaction is not to stay open while the file is read. The fence is its first statement here on
             * every engine: nothing renews while a hook mends. */
            DbStatementVec statements = {0};
            DbOutcome outcome = {0};
            Str fence = {0};
            bool is_leased = run->lock == LOCK_LEASE;
            is_ok = !run->is_lease_lost && !run->is_row_lost &&
                    compile_script(run, hook->script, &segments, &own) &&
                    (!is_leased || lease_fence_sql(run, scratch, &fence, &own)) &&
                    add_statement(scratch, &statements, str_from(run->db->driver->begin), &own) &&
                    (!is_leased || add_statement(scratch, &statements, fence, &own));
            for (size_t s = 0; is_ok && s < segments.len; s++) {
                /* See transaction_begin_prepared(). */
                if (segments.items[s].is_implicit_commit)
                    is_ok = add_statement(scratch, &statements, STR("COMMIT"), &own);
                for (uint32_t k = 0; is_ok && k < segments.items[s].count; k++) {
                    SqlStatement statement = {0};
                    is_ok = feed_next(run, hook->script, segments.items[s].first + k, &statement,
                                      &own) &&
                            add_statement(scratch, &statements, statement.text, &own);
                }
            }
            is_ok = is_ok && add_statement(scratch, &statements, STR("COMMIT"), &own) &&
                    db_run(run->db, statements.items, statements.len, NULL, NULL, &outcome, &own);
            if (run->db->is_in_transaction)
                (void)db_exec(run->db, STR("ROLLBACK"), NULL);
        }
        /* The first error is the one that counts. */
        if (!is_ok)
            event_note(run->runner, scratch ? str_format(scratch, "the hook on-error failed: %s",
                                                         own.message ? own.message : "")
                                            : NULL);
    }
}

/* ---- a lost connection --------------------------------------------------------------------------------- */

static bool is_done(const Run *run, const History *history, const PlanStep *step)
{
    const HistoryRow *row = step->migration_kind == MIGRATION_REPEATABLE
                                ? history_find_repeatable(history, step_name(step))
                                : history_find(history, step_version(step));
    /* What this very run applied again, it had rolled back before. */
    if (step_is_down(step))
        return !row || (row->outcome == HISTORY_APPLIED && row->run == run->convention->run);
    if (!row)
        return false;
    if (step->migration_kind == MIGRATION_REPEATABLE && step->row)
        return row->outcome == HISTORY_APPLIED && row->rank != step->row->rank;
    return row->outcome == HISTORY_APPLIED || row->outcome == HISTORY_SKIPPED;
}

/* Only when the lost session's lock is free is it certain that the server has ended it. A lease is retired instead: what
 * the session has not committed by then it never will. */
static bool wait_for_end(Run *run, Db *db, Error *err)
{
    enum { PAUSE_MS = 200 };
    int64_t began_us = clock_monotonic_us(), slept_ms = 0;
    while (run->lock == LOCK_LEASE && run->lease) {
        bool is_retired = false;
        if (!lease_retire(run, db, &is_retired, err))
            return false;
        if (is_retired)
            return true;
        if ((clock_monotonic_us() - began_us) / MS > SETTLE_WAIT_MS || slept_ms > SETTLE_WAIT_MS ||
            !pause_for(run->runner, PAUSE_MS, err))
            return false;
        slept_ms += PAUSE_MS;
    }
    while (run->lock == LOCK_SESSION) {
        bool is_ours = false;
        if (!db->driver->lock_try(db, run->lock_key, &is_ours, err))
            return false;
        if (is_ours)
            return db->driver->unlock(db, run->lock_key, err);
        if ((clock_monotonic_us() - began_us) / MS > SETTLE_WAIT_MS || slept_ms > SETTLE_WAIT_MS ||
            !pause_for(run->runner, PAUSE_MS, err))
            return false;
        slept_ms += PAUSE_MS;
    }
    return true;
}

bool failure_flush(const Run *run, Db *db, Error *err)
{
    return run->finished_flushed == run->finished_kept || !db->driver->flush_commits ||
           db_exec(db, str_from(db->driver->flush_commits), err);
}

/* Steps come one after the other: the first that is not done ends the row of those that are. Where the server has
 * crashed, that may be one that it had confirmed. */
static bool take_over(Run *run, const History *now, Error *err)
{
    RunResult *result = run->result;
    size_t confirmed = run->finished_kept;
    result->applied.len = run->applied_flushed;
    result->rolled_back.len = run->rolled_flushed;
    size_t i = run->finished_flushed;
    for (; i < run->plan.steps.len; i++) {
        const PlanStep *step = &run->plan.steps.items[i];
        RunItemVec *items = step_is_down(step) ? &result->rolled_back : &result->applied;
        if (!is_done(run, now, step))
            break;
        if (step->kind == STEP_SKIP)
            continue;
        RunItem item = {.version = step_version(step),
                        .name = step_name(step),
                        .kind = step->migration_kind,
                        .is_fake = step->is_fake};
        if (i < confirmed)
            items->len++; /* it stands there still */
        else if (!vec_push(run->arena, items, item))
            return error_nomem(err);
    }
    run->finished_kept = run->finished.len = i < confirmed ? i : confirmed;
    run->applied_kept = result->applied.len;
    run->rolled_kept = result->rolled_back.len;
    run->history = *now;
    run->finished_noted = run->finished_kept;
    return true;
}

bool failure_find_out(Run *run, Db *db, size_t *ret_done, Error *err)
{
    History now = {0};
    if (!wait_for_end(run, db, err) ||
        !run->convention->convention->history_read(run->convention, db, run->arena, &now, err) ||
        !failure_flush(run, db, err) || !take_over(run, &now, err))
        return false;
    size_t done = 0;
    while (done < run->plan.steps.len && is_done(run, &now, &run->plan.steps.items[done]))
        done++;
    *ret_done = done;
    return true;
}

/* is_hurried: somebody waits for the end, and the server has not answered even a wish to stop. */
static bool find_out(Run *run, bool is_hurried, size_t *ret_done)
{
    scoped(Arena *, arena_freep) scratch = arena_new();
    scoped(Db *, db_closep) db = NULL;
    Error ignored = {.arena = scratch};
    if (!scratch || !run->runner->url || FAULT("run.reconnect", &ignored))
        return false;
    DbOptions options = run->db->options;
    options.may_create = false;
    options.cancel = NULL;
    static const int64_t pauses_ms[] = {0, 500, 1500};
    size_t tries = is_hurried ? 1 : sizeof pauses_ms / sizeof *pauses_ms;
    if (is_hurried)
        options.connect_timeout_ms = options.answer_timeout_ms = HURRIED_MS;
    for (size_t i = 0; !db && i < tries; i++) {
        if (!pause_for(run->runner, pauses_ms[i], &ignored))
            return false;
        if (!db_open(run->runner->url, &options, &db, &ignored))
            db = NULL;
    }
    return db && failure_find_out(run, db, ret_done, &ignored);
}

/* After a lost connection: which step stands in the way now, and how far it came. */
static void settle_lost(Run *run, bool is_hurried, const PlanStep **step, uint32_t *kept)
{
    RunResult *result = run->result;
    bool is_flushed = run->finished_flushed == run->finished_kept;
    if (!run->failure.outcome.is_fate_unknown && !run->failure.is_committing && is_flushed)
        return;
    size_t done = 0;
    if (!find_out(run, is_hurried, &done)) {
        result->is_fate_unknown = run->failure.is_committing || !is_flushed;
        result->applied.len = run->applied_flushed;
        result->rolled_back.len = run->rolled_flushed;
        /* The message may have held more migrations than the one whose statement was under way. */
        if (run->finished_flushed < run->plan.steps.len)
            *step = &run->plan.steps.items[run->finished_flushed];
        return;
    }
    result->applied.len = run->applied_kept;
    result->rolled_back.len = run->rolled_kept;
    if (done == run->plan.steps.len) {
        say(run, &result->holds, "All migrations of this run are done: the history says so.");
        *step = NULL;
        return;
    }
    *step = &run->plan.steps.items[done];
    const HistoryRow *row = history_find(&run->history, step_version(*step));
    *kept = row && row->has_journal &&
                    (row->outcome == HISTORY_RUNNING_UP || row->outcome == HISTORY_RUNNING_DOWN)
                ? row->done
                : 0;
}

/* A build that was stopped leaves its index behind, which costs every write and serves no read. */
static void say_invalid_index(Run *run)
{
    Db *db = run->db;
    Str name = {0}, schema = {0};
    DbObjectState state = {0};
    Error ignored = {.arena = run->arena};
    if (!run->failure.has_tag || run->failure.tag.kind != TAG_STATEMENT || db->is_broken ||
        !db_has(db, DB_INVALID_INDEX) || !db->driver->index_state)
        return;
    SqlInfo info = sql_inspect(run->failure.sql, &run->split);
    SqlDialect dialect = db->driver->dialect;
    if (!(info.flags & SQL_CONCURRENTLY) || info.verb != SQL_VERB_CREATE ||
        info.object != SQL_OBJECT_INDEX || info.name.len == 0 ||
        !sql_ident_value(run->arena, dialect, info.name, &name) ||
        (info.table_schema.len > 0 &&
         !sql_ident_value(run->arena, dialect, info.table_schema, &schema)) ||
        !db->driver->index_state(db, schema, name, &state, &ignored) || !state.exists ||
        state.is_valid)
        return;
    say(run, &run->result->holds,
        "The index %.*s is left behind, invalid; the next run drops it and builds it again.",
        STR_ARG(name));
}

void failure_settle(Run *run, Error *err)
{
    RunResult *result = run->result;
    Error ignored = {.arena = err->arena};
    const DbCancel *cancel = run->runner->settings.cancel, *db_cancel = run->db->options.cancel;
    const Unit *unit = run->failure.has_unit ? &run->units.items[run->failure.unit] : NULL;
    const PlanStep *step =
        unit && unit->step != NO_STEP ? &run->plan.steps.items[unit->step] : NULL;
    bool has_lost_outer = false;
    if (step && run->finished_kept > 0 && run->finished.items[run->finished_kept - 1] == unit->step)
        step = NULL; /* it was done before anything failed */
    /* Cleaning up is not to be interrupted by what interrupted the run. */
    run->runner->settings.cancel = NULL;
    run->db->options.cancel = NULL;
    feed_close(run);
    if (unit)
        run->at = run->failure.unit;

    bool is_lost = run->db->is_broken || !roll_back(run, &has_lost_outer, &ignored);
    /* Only now, for the file may be long, and an open transaction keeps its locks. */
    failure_place(run, err);
    result->applied.len =
        is_lost || has_lost_outer || run->is_whole ? run->applied_kept : result->applied.len;
    result->rolled_back.len =
        is_lost || has_lost_outer || run->is_whole ? run->rolled_kept : result->rolled_back.len;
    if (is_lost || has_lost_outer || run->is_whole)
        run->finished.len = run->finished_kept;
    uint32_t kept = step ? kept_statements(run, step, has_lost_outer) : 0;
    if (step && run->failure.has_tag && run->failure.tag.kind == TAG_STATEMENT)
        result->failed_statement = run->failure.tag.statement + 1;
    if (is_lost) {
        settle_lost(run, err->kind == ERROR_CANCELLED, &step, &kept);
    } else {
        wait_explain(run, err);
        say_invalid_index(run);
        write_down(run, step, kept, err);
        if (!failure_flush(run, run->db, &ignored))
            say(run, &result->holds,
                "The server could not be made to write all of it to its disk yet.");
        if (!run->is_whole)
            run->finished_kept = has_lost_outer ? run->finished_kept : run->finished.len;
        if (result->applied.len > run->applied_kept && run->is_nested &&
            run->db->is_in_transaction) {
            /* What came before could not be committed either. */
            result->applied.len = run->applied_kept;
            result->rolled_back.len = run->rolled_kept;
        }
    }
    if (run->is_record_only)
        say(run, &result->holds,
            run->is_whole || run->failure.unit == 0
                ? "Nothing of the seeds was kept."
                : "The seeds before the failed statement are kept.");
    else
        (void)result_finish(run, false, &ignored);
    if (result->is_fate_unknown && run->finished_flushed < run->finished_kept)
        result->current = (Str){0};
    if (step) {
        result->failed_version = step_version(step);
        result->failed_name = step_name(step);
        result->failed_path = step->script ? step->script->path : NULL;
        result->failed_done = kept;
        result->failed_total = step->script ? step->script->statements : 0;
        /* The row of the failure is in the database, and not in the history that was read. */
        if (kept > 0 || (step->is_journaled && run->failure.has_unit && !run->is_whole))
            result->state = OVERALL_FAILED;
        Event event =
            event_of_step(run, EVENT_STEP_FAILED, (uint32_t)(step - run->plan.steps.items));
        event.error = err;
        event_emit(run->runner, &event);
        if (run->failure.has_unit)
            say_step(run, step, kept, err);
    } else if (!run->is_record_only && run->failure.has_unit) {
        say_others(run);
    }
    on_error_hooks(run, err);
    if (!run->db->is_broken && run->units.len > 0 && run->has_opened) {
        chunk_drop(run);
        if (!reset_add(run, &ignored) || !chunk_flush(run, &ignored))
            chunk_drop(run);
    }
    feed_close(run);
    run->runner->settings.cancel = cancel;
    run->db->options.cancel = db_cancel;
}

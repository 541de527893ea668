/* A migration that stopped half-way: is what ran still what the file begins with, and what became of the statement that
 * was under way? SPDX-License-Identifier: Apache-2.0
 *
 * The catalog is asked about DDL. What can be said twice without harm (settings, ANALYZE, IF NOT EXISTS) is said again.
 * Of data outside a transaction nobody can tell, and then nobody guesses. */
#include <string.h>

#include "run/work.h"

enum { SUMMARY_BYTES = 100, TEXT_LIMIT_BYTES = 1 << 30 };

bool settle_is_due(const PlanStep *step)
{
    if (!step->is_resumed || step->begins_again || step->is_fake || !step->row)
        return false;
    /* A down that undoes a half-done up begins at its first statement. */
    return step->row->outcome ==
           (step->kind == STEP_DOWN ? HISTORY_RUNNING_DOWN : HISTORY_RUNNING_UP);
}

/* The script that ran, as it was stored with the journal; NULL: not kept. */
static bool stored_script(Run *run, const PlanStep *step, Script **ret_script, Error *err)
{
    const Convention *convention = run->convention->convention;
    const HistoryRow *row = step->row;
    bool is_down = step_is_down(step);
    bool has_up = false, has_down = false;
    Str up = {0}, down = {0};
    *ret_script = NULL;
    if (!convention->history_text || !(is_down ? row->has_down_text : row->has_up_text))
        return true;
    if (!convention->history_text(run->convention, run->db, run->arena, row, &up, &has_up, &down,
                                  &has_down, err))
        return false;
    if (!(is_down ? has_down : has_up))
        return true;
    Script *script = arena_alloc(run->arena, sizeof *script);
    if (!script)
        return error_nomem(err);
    *script = (Script){.path = step->script ? step->script->path : "the stored script",
                       .text = is_down ? down : up};
    script->size_bytes = script->text.len;
    if (!script_read_parts(run->arena, script, &run->runner->set->script_options, err))
        return false;
    *ret_script = script;
    return true;
}

typedef struct Reader {
    Arena *arena;
    ScriptCursor cursor;
} Reader;

static void reader_close(Reader *reader)
{
    script_close(&reader->cursor);
    arena_free(reader->arena);
}

static bool reader_open(Run *run, const Script *script, Reader *reader, Error *err)
{
    SqlSplitOptions split = run->split;
    split.file = script->path;
    reader->arena = arena_new();
    if (!reader->arena)
        return error_nomem(err);
    return script_open(reader->arena, script, &split, &reader->cursor, err);
}

static bool reader_next(Reader *reader, SqlStatement *ret_statement, bool *ret_has, Error *err)
{
    if (!script_next(&reader->cursor, ret_statement, ret_has, err))
        return false;
    return true;
}

/* COPY data counts as part of the statement. */
static bool hash_statement(Run *run, Reader *reader, const SqlStatement *statement, Hash *hash,
                           Error *err)
{
    Str piece = {0};
    sql_hash_tokens(hash, statement->text, &run->split);
    while (statement->has_copy_data) {
        if (!sql_splitter_copy_data(reader->cursor.splitter, &piece, err))
            return false;
        if (piece.len == 0)
            break;
        hash_add(hash, piece);
    }
    return true;
}

static Str label_of(const PlanStep *step)
{
    Str version = step_version(step);
    return version.len > 0 ? version : step_name(step);
}

static bool refuse_prefix(const PlanStep *step, uint32_t at, uint32_t line, Error *err)
{
    error_set(err, ERROR_STATE, "statement %u of %.*s has run, and is no longer what the file says",
              at + 1, STR_ARG(label_of(step)));
    error_code(err, "resumed-prefix-changed");
    error_at(err, str_from(step->script->path), line, line > 0 ? 1 : 0);
    error_detail(err, "%u of %u statements had run when it stopped", step->row->done,
                 step->row->total);
    return error_hint(err, "Bring back what has run and change only what follows; or go back: "
                           "whimbrel rollback; or say where to go on: "
                           "whimbrel resume --from N");
}

static bool check_prefix(Run *run, const PlanStep *step, const Script *ran, Error *err)
{
    scoped(Reader, reader_close) before = {0};
    scoped(Reader, reader_close) now = {0};
    if (!step->script || ran == step->script || !reader_open(run, ran, &before, err) ||
        !reader_open(run, step->script, &now, err))
        return !step->script || ran == step->script;
    for (uint32_t i = 0; i < step->row->done; i++) {
        SqlStatement old = {0}, new = {0};
        bool has_old = false, has_new = false;
        Hash hashes[2];
        unsigned char digests[2][HASH_MAX_BYTES] = {{0}};
        if (!reader_next(&before, &old, &has_old, err) || !reader_next(&now, &new, &has_new, err))
            return false;
        if (!has_old)
            return true; /* the stored text is shorter than the journal says: nothing to compare with */
        if (!has_new)
            return refuse_prefix(step, i, 0, err);
        hash_begin(&hashes[0], HASH_SHA256);
        hash_begin(&hashes[1], HASH_SHA256);
        uint32_t line = new.line;
        if (!hash_statement(run, &before, &old, &hashes[0], err) ||
            !hash_statement(run, &now, &new, &hashes[1], err))
            return false;
        hash_end(&hashes[0], digests[0]);
        hash_end(&hashes[1], digests[1]);
        if (memcmp(digests[0], digests[1], sizeof digests[0]) != 0)
            return refuse_prefix(step, i, line, err);
    }
    return true;
}

typedef enum Fate { FATE_NOT_RUN, FATE_RUN, FATE_AGAIN, FATE_IN_DOUBT } Fate;

/* What can be said twice and comes to the same. */
static bool is_repeatable(const SqlInfo *info)
{
    switch (info->verb) {
    case SQL_VERB_SET:
    case SQL_VERB_RESET:
    case SQL_VERB_PRAGMA:
    case SQL_VERB_USE:
    case SQL_VERB_ANALYZE:
    case SQL_VERB_VACUUM:
    case SQL_VERB_REINDEX:
    case SQL_VERB_CLUSTER:
    case SQL_VERB_REFRESH:
    case SQL_VERB_GRANT:
    case SQL_VERB_REVOKE:
    case SQL_VERB_COMMENT:
    case SQL_VERB_LOCK:
    case SQL_VERB_UNLOCK:
    case SQL_VERB_EXPLAIN:
    case SQL_VERB_SAVEPOINT:
    case SQL_VERB_RELEASE:
        return true;
    case SQL_VERB_CREATE:
    case SQL_VERB_DROP:
    case SQL_VERB_ALTER:
    case SQL_VERB_RENAME:
        return (info->flags & SQL_IF_EXISTS) != 0 && info->verb != SQL_VERB_ALTER;
    case SQL_VERB_OTHER:
    case SQL_VERB_TRUNCATE:
    case SQL_VERB_INSERT:
    case SQL_VERB_UPDATE:
    case SQL_VERB_DELETE:
    case SQL_VERB_MERGE:
    case SQL_VERB_SELECT:
    case SQL_VERB_COPY:
    case SQL_VERB_CALL:
    case SQL_VERB_DO:
    case SQL_VERB_BEGIN:
    case SQL_VERB_COMMIT:
    case SQL_VERB_ROLLBACK:
    case SQL_VERB_ATTACH:
        return false;
    }
    return false;
}

static bool ask_catalog(Run *run, Str text, const SqlInfo *info, Fate *ret_fate, Error *err)
{
    Db *db = run->db;
    bool is_known = false, has_run = false;
    *ret_fate = FATE_IN_DOUBT;
    if ((info->flags & SQL_CONCURRENTLY) && info->verb == SQL_VERB_CREATE &&
        db->driver->index_state && info->name.len > 0) {
        DbObjectState state = {0};
        Str name = {0}, schema = {0};
        if (!sql_ident_value(run->arena, db->driver->dialect, info->name, &name) ||
            (info->table_schema.len > 0 &&
             !sql_ident_value(run->arena, db->driver->dialect, info->table_schema, &schema)))
            return error_nomem(err);
        if (!db->driver->index_state(db, schema, name, &state, err))
            return false;
        /* An invalid one is what the stopped build left: it is dropped and built anew. */
        *ret_fate = state.exists && state.is_valid ? FATE_RUN : FATE_NOT_RUN;
        return true;
    }
    if (db->driver->has_effect && !db->driver->has_effect(db, text, info, &is_known, &has_run, err))
        return error_wrap(err, "asking the catalog");
    if (is_known)
        *ret_fate = has_run ? FATE_RUN : FATE_NOT_RUN;
    else if (is_repeatable(info))
        *ret_fate = FATE_AGAIN;
    return true;
}

/* A statement within a transaction cannot have been kept: its journal write would have been, too. */
static bool is_transactional(Run *run, const Script *script, uint32_t statement, bool *ret_is,
                             Error *err)
{
    SegmentVec segments = {0};
    *ret_is = true;
    if (!compile_script(run, script, &segments, err))
        return false;
    for (size_t i = 0; i < segments.len; i++) {
        const Segment *segment = &segments.items[i];
        if (statement >= segment->first && statement < segment->first + segment->count)
            *ret_is = segment->kind == SEGMENT_TRANSACTION;
    }
    return true;
}

static bool refuse_doubt(Run *run, const PlanStep *step, const Script *ran,
                         const SqlStatement *statement, Error *err)
{
    Str summary = {0};
    (void)sql_summary(run->arena, statement->text, &run->split, SUMMARY_BYTES, &summary);
    error_set(err, ERROR_STATE,
              "whether statement %u of %.*s ran before the last run stopped cannot be told",
              step->row->done + 1, STR_ARG(label_of(step)));
    error_code(err, "statement-in-doubt");
    error_at(err, str_from(ran->path), statement->line, statement->column);
    if (err->arena)
        err->statement = str_z(err->arena, summary);
    return error_hint(
        err,
        "Look whether it did. If not: whimbrel resume --from %u. If so: whimbrel resume --skip",
        step->row->done + 1);
}

static void tell(Run *run, const PlanStep *step, const SqlStatement *statement, Fate fate)
{
    Str summary = {0};
    (void)sql_summary(run->arena, statement->text, &run->split, SUMMARY_BYTES, &summary);
    const char *what = fate == FATE_RUN       ? "had run"
                       : fate == FATE_NOT_RUN ? "had not run"
                                              : "is run again, which does no harm";
    char *message = str_format(run->arena, "statement %u %s: %.*s", step->row->done + 1, what,
                               STR_ARG(summary));
    Event event = {.kind = EVENT_SETTLED,
                   .version = step_version(step),
                   .name = step_name(step),
                   .migration_kind = step->migration_kind,
                   .is_down = step_is_down(step),
                   .statement = (size_t)step->row->done + 1,
                   .statements = step->row->total,
                   .text = summary,
                   .message = str_from(message)};
    event_emit(run->runner, &event);
}

/* Names mean what they meant to the statement: the settings of those before it are said again for as long as the catalog
 * is asked. Where the session is inside a transaction, most would do nothing, and the names do not depend on them. */
static bool replay_settings(Run *run, const Script *ran, uint32_t until, Error *err)
{
    scoped(Reader, reader_close) reader = {0};
    if (run->is_nested)
        return true;
    /* Behind a pool they last for a transaction, and are not to last longer. */
    if (run->db->info.is_pooled && !db_exec(run->db, str_from(run->db->driver->begin), err))
        return false;
    if (!reader_open(run, ran, &reader, err))
        return false;
    for (uint32_t i = 0; i < until; i++) {
        SqlStatement statement = {0};
        Hash ignored;
        bool has = false;
        hash_begin(&ignored, HASH_MD5);
        if (!reader_next(&reader, &statement, &has, err) || !has)
            return !has;
        if ((sql_inspect(statement.text, &run->split).flags & SQL_SESSION_STATE) &&
            !db_exec(run->db, statement.text, err))
            return error_wrap(err, "saying the settings of the stopped migration again");
        if (!hash_statement(run, &reader, &statement, &ignored, err))
            return false;
    }
    return true;
}

static bool reset_settings(Run *run, Error *err)
{
    DbStatementVec reset = {0};
    DbOutcome outcome = {0};
    if (run->is_nested)
        return true;
    if (run->db->info.is_pooled)
        return db_exec(run->db, STR("ROLLBACK"), err);
    if (!db_reset_session(run->db, run->arena, &reset))
        return error_nomem(err);
    return reset.len == 0 || db_run(run->db, reset.items, reset.len, NULL, NULL, &outcome, err);
}

static bool settle_statement(Run *run, const PlanStep *step, const Script *ran,
                             uint32_t *ret_resume_from, Error *err)
{
    scoped(Reader, reader_close) reader = {0};
    SqlStatement statement = {0};
    uint32_t at = step->row->done;
    bool has = false, is_safe = true;
    Fate fate = FATE_NOT_RUN;
    *ret_resume_from = at;
    if (at >= ran->statements)
        return true;
    if (!is_transactional(run, ran, at, &is_safe, err) || !reader_open(run, ran, &reader, err))
        return false;
    for (uint32_t i = 0; i <= at; i++) {
        Hash ignored;
        hash_begin(&ignored, HASH_MD5);
        if (!reader_next(&reader, &statement, &has, err) || !has ||
            (i < at && !hash_statement(run, &reader, &statement, &ignored, err)))
            return has ? false
                       : error_set(err, ERROR_STATE, "%s is shorter than the journal says",
                                   ran->path);
    }
    if (is_safe)
        return true;
    SqlInfo info = sql_inspect(statement.text, &run->split);
    if (!replay_settings(run, ran, at, err) ||
        !ask_catalog(run, statement.text, &info, &fate, err)) {
        Error ignored = {.arena = run->arena};
        if (run->db->is_in_transaction && !run->is_nested)
            (void)db_exec(run->db, STR("ROLLBACK"), &ignored);
        return false;
    }
    if (!reset_settings(run, err))
        return false;
    if (fate == FATE_IN_DOUBT)
        return refuse_doubt(run, step, ran, &statement, err);
    tell(run, step, &statement, fate);
    *ret_resume_from = fate == FATE_RUN ? at + 1 : at;
    return true;
}

bool settle_step(Run *run, const PlanStep *step, uint32_t *ret_resume_from, Error *err)
{
    Script *stored = NULL;
    *ret_resume_from = step->row->done;
    if (!stored_script(run, step, &stored, err))
        return error_wrap(err, "reading what was stored of the migration that stopped");
    const Script *ran = stored ? stored : step->script;
    if (!ran)
        return true;
    if (!check_prefix(run, step, ran, err))
        return false;
    return !step->row->is_fate_unknown || settle_statement(run, step, ran, ret_resume_from, err);
}

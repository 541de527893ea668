/* The tests that a tool keeps beside its migrations: each is run in a transaction that is rolled back, whatever came of it.
 * SPDX-License-Identifier: Apache-2.0 */
#include "run/work.h"

/* What would end the transaction, and with it what the test has tried, cannot be undone. */
static bool check_parts(Runner *runner, const Script *script, Error *err)
{
    for (size_t i = 0; i < script->parts.len; i++) {
        const ScriptPart *part = &script->parts.items[i];
        const char *what = NULL;
        switch (part->class) {
        case PART_ORDINARY:
        case PART_BEGIN:
        case PART_COMMIT:
        case PART_ROLLBACK:
            break;
        case PART_LONE_BEFORE:
            if (runner->db->info.version_number >= part->since)
                break;
            what = "cannot run in a transaction";
            break;
        case PART_LONE:
            what = "cannot run in a transaction";
            break;
        case PART_IMPLICIT_COMMIT:
        case PART_AUTOCOMMIT:
        case PART_TABLE_LOCK:
            what = "ends the transaction on this server";
            break;
        }
        if (part->has_copy)
            what = "brings data along";
        if (!what)
            continue;
        error_set(err, ERROR_UNSUPPORTED, "%s: this statement %s, and so could not be undone",
                  script->path, what);
        error_code(err, "bad-verify");
        error_at(err, str_from(script->path), part->line, part->column);
        return error_hint(err, "A test must leave nothing behind: write it without this.");
    }
    return true;
}

static bool is_control(const Script *script, uint32_t index)
{
    for (size_t i = 0; i < script->parts.len; i++) {
        const ScriptPart *part = &script->parts.items[i];
        if (index >= part->first && index < part->first + part->count)
            return part->class == PART_BEGIN || part->class == PART_COMMIT ||
                   part->class == PART_ROLLBACK;
    }
    return false;
}

static bool sets_session(const Script *script)
{
    for (size_t i = 0; i < script->parts.len; i++)
        if (script->parts.items[i].sets_session)
            return true;
    return false;
}

/* Its own BEGIN and ROLLBACK are ours. */
static bool try_statements(Runner *runner, Arena *arena, const Script *script, Error *err)
{
    scoped(ScriptCursor, script_close) cursor = {0};
    SqlStatement statement = {0};
    bool has = false;
    if (!script_open(arena, script, &runner->set->script_options.split, &cursor, err))
        return false;
    for (uint32_t index = 0;; index++) {
        if (!script_next(&cursor, &statement, &has, err))
            return false;
        if (!has)
            return true;
        if (is_control(script, index))
            continue;
        uint32_t line = statement.line, column = statement.column;
        if (db_exec(runner->db, statement.text, err))
            continue;
        error_at(err, str_from(script->path), line, column);
        return false;
    }
}

static bool put_back(Runner *runner, Arena *arena, const Script *script, Error *err)
{
    DbStatementVec reset = {0};
    DbOutcome outcome = {0};
    if (runner->db->is_broken)
        return true;
    if (runner->db->is_in_transaction && !db_exec(runner->db, STR("ROLLBACK"), err))
        return false;
    if (!sets_session(script))
        return true;
    if (!db_reset_session(runner->db, arena, &reset))
        return error_nomem(err);
    return reset.len == 0 || db_run(runner->db, reset.items, reset.len, NULL, NULL, &outcome, err);
}

bool run_verify(Runner *runner, const Migration *migration, bool *ret_has, Error *err)
{
    const Convention *convention = runner->convention->convention;
    scoped(Arena *, arena_freep) arena = arena_new();
    Script *script = NULL;
    *ret_has = false;
    if (!arena)
        return error_nomem(err);
    if (!convention->verify_script)
        return true;
    if (!convention->verify_script(runner->convention, arena, migration, &script, err))
        return false;
    if (!script)
        return true;
    *ret_has = true;
    if (!script_read_parts(arena, script, &runner->set->script_options, err) ||
        !compile_refuses_script(script, ERROR_UNSUPPORTED, "bad-verify", err))
        return false;
    if (!check_parts(runner, script, err) ||
        !db_exec(runner->db, str_from(runner->db->driver->begin), err))
        return false;
    Error ignored = {.arena = arena};
    bool is_ok = try_statements(runner, arena, script, err);
    return put_back(runner, arena, script, is_ok ? err : &ignored) && is_ok;
}

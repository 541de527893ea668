/* A down may take away what a repeatable has made: a view goes with the column that it reads. Its row would go on saying that
 * it is applied, and the next migrate would leave the view away for good. So after a rollback the catalog is asked for what the
 * repeatables make, and those of which something is gone lose their rows. SPDX-License-Identifier: Apache-2.0 */
#include "run/work.h"

/* Is what this statement makes gone? Only a CREATE of something that the catalog lists can tell. */
static bool is_gone(Run *run, Str statement, bool *ret_is_gone, Error *err)
{
    SqlInfo info = sql_inspect(statement, &run->split);
    bool is_known = false, has_run = false;
    *ret_is_gone = false;
    if (info.verb != SQL_VERB_CREATE || info.name.len == 0 || (info.flags & SQL_TEMPORARY))
        return true;
    info.flags &= ~(
        unsigned)SQL_IF_EXISTS; /* whether it may be said again is not the question: is it there? */
    if (!run->db->driver->has_effect(run->db, statement, &info, &is_known, &has_run, err))
        return false;
    *ret_is_gone = is_known && !has_run;
    return true;
}

static bool has_lost_something(Run *run, Arena *scratch, const Script *script, Str *ret_what,
                               bool *ret_has, Error *err)
{
    scoped(ScriptCursor, script_close) cursor = {0};
    SqlSplitOptions split = run->split;
    split.file = script->path;
    *ret_has = false;
    if (!script_open(scratch, script, &split, &cursor, err))
        return false;
    for (;;) {
        SqlStatement statement = {0};
        bool has = false;
        if (!script_next(&cursor, &statement, &has, err))
            return false;
        if (!has || statement.has_copy_data)
            return true;
        if (!is_gone(run, statement.text, ret_has, err))
            return false;
        if (*ret_has)
            return sql_summary(scratch, statement.text, &run->split, 60, ret_what) ||
                   error_nomem(err);
    }
}

static bool strike(Run *run, Arena *scratch, const Migration *migration, const HistoryRow *row,
                   Error *err)
{
    const DbDriver *driver = run->db->driver;
    DbStatementVec statements = {0};
    HistoryWrite write = {.kind = WRITE_REMOVED,
                          .migration = migration,
                          .row = row,
                          .is_down = true,
                          .duration_us = -1};
    DbOutcome outcome;
    if (!vec_push(scratch, &statements, ((DbStatement){.sql = str_from(driver->begin)})))
        return error_nomem(err);
    if (!run->convention->convention->history_write(run->convention, run->db, scratch, &write,
                                                    &statements, err))
        return false;
    if (!vec_push(scratch, &statements, ((DbStatement){.sql = STR("COMMIT")})))
        return error_nomem(err);
    if (db_run(run->db, statements.items, statements.len, NULL, NULL, &outcome, err))
        return true;
    Error ignored = {.arena = scratch};
    if (outcome.completed > 0 && !run->db->is_broken)
        (void)db_exec(run->db, STR("ROLLBACK"), &ignored);
    return false;
}

static bool strike_lost(Run *run, Arena *scratch, Error *err)
{
    HistoryRowVec *rows = &run->history.rows;
    for (size_t i = rows->len; i-- > 0;) {
        const HistoryRow *row = &rows->items[i];
        if (row->kind != MIGRATION_REPEATABLE || row->outcome != HISTORY_APPLIED)
            continue;
        const Migration *migration = migration_set_find_repeatable(run->runner->set, row->name);
        Str what = {0};
        bool has = false;
        if (!migration || !migration->up)
            continue;
        if (!has_lost_something(run, scratch, migration->up, &what, &has, err))
            return false;
        if (!has)
            continue;
        if (!strike(run, scratch, migration, row, err))
            return false;
        const char *note = str_format(
            scratch, "R %.*s runs again with the next migrate: what it makes is gone (%.*s)",
            STR_ARG(row->name), STR_ARG(what));
        if (note)
            event_note(run->runner, note);
        history_note_gone(run, i);
    }
    return true;
}

void repeatables_check(Run *run, bool is_plan_done)
{
    const RunSettings *settings = &run->runner->settings;
    bool has_downs = false;
    for (size_t i = 0; i < run->result->rolled_back.len; i++)
        has_downs = has_downs || !run->result->rolled_back.items[i].is_fake;
    /* With placeholders the names in the file are not those in the catalog. */
    if (!has_downs || settings->is_dry_run || settings->has_placeholders || run->db->is_broken)
        return;
    scoped(Arena *, arena_freep) scratch = arena_new();
    const DbCancel *cancel = run->db->options.cancel;
    run->db->options.cancel = NULL; /* the way out is not to be cancelled */
    Error err = {.arena = scratch};
    if (!scratch || !history_bring_up(run, is_plan_done, &err) ||
        !strike_lost(run, scratch, &err)) {
        const char *note =
            scratch
                ? str_format(scratch, "whether repeatables lost what they made is not known: %s",
                             err.message ? err.message : "out of memory")
                : NULL;
        event_note(run->runner, note ? note : "out of memory");
    }
    run->db->options.cancel = cancel;
}

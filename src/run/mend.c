/* Says and mends what the history says, without running a migration: baseline, stamp, repair; the applied text beside the
 * file's; and the emptying of a database. SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "run/work.h"

enum { SUMMARY_BYTES = 200 };

/* ---- what they share ----------------------------------------------------------------------------------- */

bool mend_begin(Run *run, Runner *runner, Arena *arena, RunResult *result, Error *err)
{
    bool is_ok = work_begin(run, runner, arena, result, err);
    run->is_record_only = true;
    run->is_whole = true;
    if (!is_ok)
        return false;
    if (runner->db->info.is_read_only) {
        error_set(err, ERROR_STATE, "%s is read-only", runner->db->info.database);
        return error_code(err, "read-only");
    }
    /* Tags lead to a unit; this is it. */
    if (!vec_push(arena, &run->units,
                  (Unit){.kind = UNIT_CLOSING, .step = NO_STEP, .segment = &segment_of_none}))
        return error_nomem(err);
    run->last_commit = 0;
    return true;
}

/* Takes the lock and reads under it: on the way there where nobody holds it, else anew once it was waited for. */
static bool mend_read(Run *run, Overview *ret_overview, Error *err)
{
    if (!lock_lead(run, err))
        return false;
    if (run->db->lead.len > 0) {
        bool is_read = run_overview(run->runner, run->arena, &run->history, ret_overview, err);
        bool is_held;
        if (lock_lead_had(run, &is_held) || !is_read)
            return is_read;
        run->history = (History){0};
        *ret_overview = (Overview){0};
        if (!migration_set_forget(run->runner->set, run->arena, err))
            return false;
    }
    return lock_take(run, err) &&
           run_overview(run->runner, run->arena, &run->history, ret_overview, err);
}

static bool send(Run *run, const HistoryWriteVec *writes, bool (*check)(Run *run, Error *err),
                 Error *err)
{
    const Unit *unit = &run->units.items[0];
    bool has_log = run->convention->convention->features & CONVENTION_RUN_LOG;
    bool has_tables;
    if (!transaction_begin_prepared(run, unit, &has_tables, err))
        return false;
    if (has_log && !write_run_log(run, WRITE_RUN_BEGIN, "running", NULL, err))
        return false;
    for (size_t i = 0; i < writes->len; i++)
        if (!write_raw(run, &writes->items[i], (Tag){.kind = TAG_WRITE}, err))
            return false;
    if (has_log && !write_run_log(run, WRITE_RUN_END, "ok", NULL, err))
        return false;
    if (check && (!chunk_flush(run, err) || !check(run, err)))
        return false;
    return transaction_end(run, unit, false, err) && nest_close(run, err);
}

bool mend_write(Run *run, const HistoryWriteVec *writes, bool (*check)(Run *run, Error *err),
                Error *err)
{
    int64_t run_before = run->convention->run;
    if (writes->len == 0)
        return true;
    run->convention->run = run->history.last_run + 1;
    bool is_ok = send(run, writes, check, err);
    if (is_ok)
        run->result->run = run->convention->run;
    run->convention->run = run_before;
    if (is_ok)
        return true;
    failure_place(run, err);
    chunk_drop(run);
    const DbCancel *cancel = run->db->options.cancel;
    run->db->options.cancel = NULL;
    Error ignored = {.arena = err->arena};
    if (!run->db->is_broken && run->db->is_in_transaction)
        (void)db_exec(run->db, STR("ROLLBACK"), &ignored);
    run->db->options.cancel = cancel;
    run->result->applied.len = run->result->rolled_back.len = 0;
    return false;
}

static bool mend_end(Run *run, bool is_ok, Error *err)
{
    Overview overview = {0};
    if (is_ok && run->result->run != 0) {
        /* What now holds is read back: that is what mending is for. */
        History now = {0};
        is_ok = run_overview(run->runner, run->arena, &now, &overview, err);
    } else if (is_ok) {
        is_ok = plan_overview(run->arena, run->runner->set, &run->history, &run->runner->policy,
                              &overview, err);
    }
    if (is_ok) {
        run->result->state = overview.state;
        run->result->current = overview.current;
    }
    run->result->duration_us = clock_monotonic_us() - run->began_us;
    run->has_nothing_to_do = is_ok;
    lock_drop(run);
    work_done(run);
    return is_ok;
}

bool mend_add_item(Run *run, RunItemVec *items, Str version, Str name, MigrationKind kind,
                   Error *err)
{
    RunItem item = {.version = version, .name = name, .kind = kind, .is_fake = true};
    return vec_push(run->arena, items, item) || error_nomem(err);
}

static bool push_write(Run *run, HistoryWriteVec *writes, HistoryWrite write, bool with_texts,
                       Error *err)
{
    write.duration_us = 0;
    write.started_at = clock_now();
    write.total = write.done =
        write.migration && write.migration->up ? write.migration->up->statements : 0;
    if (with_texts && write.migration &&
        !write_texts(run, run->chunk.arena, write.migration, &write, err))
        return false;
    return vec_push(run->arena, writes, write) || error_nomem(err);
}

/* ---- baseline ------------------------------------------------------------------------------------------- */

static bool check_fresh(const History *history, Error *err)
{
    for (size_t i = 0; i < history->rows.len; i++) {
        const HistoryRow *row = &history->rows.items[i];
        if (row->outcome == HISTORY_SKIPPED || row->outcome == HISTORY_DELETED)
            continue;
        error_set(err, ERROR_STATE,
                  "the history has entries already, such as %.*s: a baseline comes first",
                  STR_ARG(row->version.len ? row->version : row->name));
        error_code(err, "baseline-late");
        return error_hint(err, "To correct what the history says: whimbrel stamp V");
    }
    return true;
}

static bool baseline(Run *run, Str version, Str name, Error *err)
{
    Overview overview = {0};
    HistoryWriteVec writes = {0};
    if (!(run->convention->convention->features & CONVENTION_BASELINE)) {
        error_set(err, ERROR_UNSUPPORTED, "the history of %s knows no baselines",
                  run->convention->convention->title);
        return error_hint(err, "Record what is there instead: whimbrel stamp V");
    }
    if (!version_order_takes(&run->runner->set->versions, version)) {
        error_set(err, ERROR_USAGE, "'%.*s' is no version", STR_ARG(version));
        return error_code(err, "unknown-version");
    }
    if (!mend_read(run, &overview, err) || !check_fresh(&run->history, err))
        return false;
    const Migration *known = migration_set_find(run->runner->set, version);
    Migration *migration = arena_alloc(run->arena, sizeof *migration);
    if (!migration)
        return error_nomem(err);
    *migration = (Migration){.version = known ? known->version : version,
                             .name = known      ? known->name
                                     : name.len ? name
                                                : STR("baseline"),
                             .kind = MIGRATION_BASELINE,
                             .up = known ? known->up : NULL};
    HistoryWrite write = {.kind = WRITE_BASELINE,
                          .migration = migration,
                          .row = history_find(&run->history, version)};
    return push_write(run, &writes, write, false, err) &&
           mend_add_item(run, &run->result->applied, migration->version, migration->name,
                         MIGRATION_BASELINE, err) &&
           mend_write(run, &writes, NULL, err);
}

bool run_baseline(Runner *runner, Arena *arena, Str version, Str name, RunResult *ret_result,
                  Error *err)
{
    Run run;
    *ret_result = (RunResult){0};
    bool is_ok =
        mend_begin(&run, runner, arena, ret_result, err) && baseline(&run, version, name, err);
    return mend_end(&run, is_ok, err);
}

/* ---- stamp ------------------------------------------------------------------------------------------------ */

static bool is_whole(const HistoryRow *row)
{
    return row && (row->outcome == HISTORY_APPLIED || row->outcome == HISTORY_BASELINED);
}

/* takes_skipped: what stands before a baseline that is not stamped itself. */
static bool stamp_row(Run *run, const StateRow *row, bool is_wanted, bool takes_skipped,
                      HistoryWriteVec *writes, Error *err)
{
    if (is_wanted) {
        bool is_skipped = row->state == STATE_SKIPPED && (row->row || !takes_skipped);
        if (!row->migration || !row->migration->up || is_whole(row->row) || is_skipped ||
            row->state == STATE_BASELINED)
            return true;
        HistoryWrite write = {
            .kind = WRITE_APPLIED, .migration = row->migration, .row = row->row, .is_said = true};
        return push_write(run, writes, write, true, err) &&
               mend_add_item(run, &run->result->applied, row->version, row->name, row->kind, err);
    }
    if (!row->row || row->row->outcome == HISTORY_SKIPPED || row->row->outcome == HISTORY_DELETED)
        return true;
    HistoryWrite write = {.kind = WRITE_REMOVED,
                          .migration = row->migration,
                          .row = row->row,
                          .is_down = true,
                          .is_said = true};
    return push_write(run, writes, write, false, err) &&
           mend_add_item(run, &run->result->rolled_back, row->version, row->name, row->kind, err);
}

static bool stamp(Run *run, Str to, Error *err)
{
    Overview overview = {0};
    HistoryWriteVec writes = {0};
    PlanTarget target = {0};
    unsigned char *lineage = NULL;
    if (!mend_read(run, &overview, err))
        return false;
    bool is_all = overview.set->parents && str_eq(to, STR("heads"));
    if (!is_all && !plan_resolve(run->arena, &overview, to, AMONG_FILES, &target, err))
        return false;
    if (!is_all && !target.is_base && target.version.len == 0) {
        error_set(err, ERROR_USAGE, "the base of a single line cannot be stamped");
        error_code(err, "bad-target");
        return error_hint(err, "Stamp the revision that the line branches off from.");
    }
    target.line = SIZE_MAX; /* whatever follows the version is no longer there */
    target.with_needing = true;
    if (!is_all && !plan_lineage(run->arena, &overview, &target, &lineage, err))
        return false;
    bool is_base = target.is_base;
    /* The dump of a schema that an empty database would begin with stands for what is before it, unless one stops short of it. */
    bool takes_skipped = overview.set->has_optional_baselines && !is_all && !is_base;
    for (size_t i = 0; i < overview.rows.len; i++)
        takes_skipped = takes_skipped && !(overview.rows.items[i].kind == MIGRATION_BASELINE &&
                                           lineage[i] == LINEAGE_BEFORE);
    for (size_t i = 0; i < overview.rows.len; i++) {
        const StateRow *row = &overview.rows.items[i];
        if (row->kind == MIGRATION_REPEATABLE)
            continue;
        bool is_wanted = is_all || (!is_base && lineage[i] == LINEAGE_BEFORE);
        bool is_aside = !is_all && !is_base && !lineage[i];
        if (is_aside) /* a branch of its own */
            continue;
        if (!stamp_row(run, row, is_wanted, takes_skipped, &writes, err))
            return false;
    }
    return mend_write(run, &writes, NULL, err);
}

bool run_stamp(Runner *runner, Arena *arena, Str to, RunResult *ret_result, Error *err)
{
    Run run;
    *ret_result = (RunResult){0};
    bool is_ok = mend_begin(&run, runner, arena, ret_result, err) && stamp(&run, to, err);
    return mend_end(&run, is_ok, err);
}

/* ---- tag --------------------------------------------------------------------------------------------------- */

static bool tag_last(Run *run, Str tag, Error *err)
{
    Overview overview = {0};
    DbStatementVec statements = {0};
    DbOutcome outcome;
    const HistoryRow *last = NULL;
    if (!mend_read(run, &overview, err))
        return false;
    for (size_t i = 0; i < run->history.rows.len; i++) {
        const HistoryRow *row = &run->history.rows.items[i];
        if (row->outcome == HISTORY_APPLIED && (!last || row->rank > last->rank))
            last = row;
    }
    if (!last) {
        error_set(err, ERROR_STATE, "nothing is applied that could be tagged");
        error_code(err, "nothing-applied");
        return error_hint(err, "Apply something first: whimbrel migrate");
    }
    if (!run->convention->convention->tag(run->convention, run->arena, last, tag, &statements, err))
        return false;
    if (!db_run(run->db, statements.items, statements.len, NULL, NULL, &outcome, err))
        return error_wrap(err, "tagging %.*s", STR_ARG(last->version));
    /* Where the lock is a transaction, this was in it. */
    if (run->has_outer && !db_exec(run->db, STR("COMMIT"), err))
        return false;
    run->has_outer = false;
    return mend_add_item(run, &run->result->applied, last->version, last->name, last->kind, err);
}

bool run_tag(Runner *runner, Arena *arena, Str tag, RunResult *ret_result, Error *err)
{
    Run run;
    const Convention *convention = runner->convention->convention;
    *ret_result = (RunResult){0};
    if (!convention->tag) {
        error_set(err, ERROR_UNSUPPORTED, "no tag can be put into %s's history", convention->title);
        error_code(err, "not-in-convention");
        return error_hint(err, "A version or a name says where to go as well: whimbrel goto V");
    }
    bool is_ok = mend_begin(&run, runner, arena, ret_result, err) && tag_last(&run, tag, err);
    return mend_end(&run, is_ok, err);
}

/* ---- repair ------------------------------------------------------------------------------------------------ */

static bool push_action(Arena *arena, RepairKind kind, const StateRow *row, const char *fmt,
                        RepairActionVec *actions, Error *err)
{
    const char *label = migration_label(arena, row->version, row->name, row->kind);
    StrBuf text = strbuf(arena);
    Str sentence;
    if (!label)
        return error_nomem(err);
    /* The sentence holds one %s at most. */
    Str rest = str_cut(str_from(fmt), '%', &sentence);
    strbuf_add(&text, sentence);
    strbuf_adds(&text, label);
    strbuf_add(&text, str_sub(rest, 1, rest.len));
    if (!strbuf_finish(&text, &sentence))
        return error_nomem(err);
    RepairAction action = {.kind = kind, .row = row, .sentence = sentence.ptr};
    return vec_push(arena, actions, action) || error_nomem(err);
}

/* An entry that says "failed" and of which nothing was kept, or of which nothing is known. */
static bool is_removable(const StateRow *row)
{
    return row->state == STATE_FAILED ||
           (row->state == STATE_PARTIAL && row->row && !row->row->has_journal);
}

static bool list_actions(Run *run, Runner *runner, Arena *arena, const Overview *overview,
                         RepairActionVec *ret_actions, Error *err)
{
    (void)run;
    bool can_mark = runner->convention->convention->features & CONVENTION_DELETED;
    RepairActionVec actions = {0};
    for (size_t i = 0; i < overview->rows.len; i++) {
        const StateRow *row = &overview->rows.items[i];
        bool is_ok = true;
        if (is_removable(row))
            is_ok = push_action(arena, REPAIR_REMOVE_FAILED, row, "removes the failed entry of %s",
                                &actions, err);
        else if (row->state == STATE_CHANGED)
            is_ok = push_action(arena, REPAIR_ACCEPT_CHECKSUM, row,
                                "accepts the file of %s as it is now", &actions, err);
        else if (row->state == STATE_MISSING && can_mark && !row->row->is_tolerated)
            is_ok = push_action(arena, REPAIR_MARK_DELETED, row,
                                "marks %s, which has no file any more, as deleted", &actions, err);
        else if (row->has_new_name && row->migration)
            is_ok = push_action(arena, REPAIR_NEW_NAME, row, "records the new name of %s", &actions,
                                err);
        else if (row->has_new_bytes && row->migration)
            is_ok = push_action(arena, REPAIR_ACCEPT_CHECKSUM, row,
                                "records the new comments and spacing of %s", &actions, err);
        if (!is_ok)
            return false;
    }
    *ret_actions = actions;
    return true;
}

bool run_repair_plan(Runner *runner, Arena *arena, RepairActionVec *ret_actions, Error *err)
{
    History *history = arena_alloc(arena, sizeof *history);
    Overview *overview = arena_alloc(arena, sizeof *overview);
    if (!history || !overview)
        return error_nomem(err);
    return run_overview(runner, arena, history, overview, err) &&
           list_actions(NULL, runner, arena, overview, ret_actions, err);
}

static bool is_same_list(const RepairActionVec *a, const RepairActionVec *b)
{
    if (a->len != b->len)
        return false;
    for (size_t i = 0; i < a->len; i++) {
        const RepairAction *one = &a->items[i], *other = &b->items[i];
        if (one->kind != other->kind || !str_eq(one->row->version, other->row->version) ||
            !str_eq(one->row->name, other->row->name))
            return false;
    }
    return true;
}

static bool repair(Run *run, const RepairActionVec *actions, Error *err)
{
    Overview overview = {0};
    RepairActionVec now = {0};
    HistoryWriteVec writes = {0};
    if (!mend_read(run, &overview, err) ||
        !list_actions(run, run->runner, run->arena, &overview, &now, err))
        return false;
    if (!is_same_list(actions, &now)) {
        error_set(err, ERROR_STATE, "what there is to repair has changed meanwhile");
        error_code(err, "repair-outdated");
        return error_hint(err, "Look again: whimbrel repair");
    }
    for (size_t i = 0; i < now.len; i++) {
        const StateRow *row = now.items[i].row;
        HistoryWrite write = {.migration = row->migration, .row = row->row};
        bool with_texts = false;
        switch (now.items[i].kind) {
        case REPAIR_REMOVE_FAILED:
            write.kind = WRITE_REMOVED;
            break;
        case REPAIR_ACCEPT_CHECKSUM:
        case REPAIR_NEW_NAME:
            write.kind = WRITE_CHECKSUM;
            with_texts = true;
            break;
        case REPAIR_MARK_DELETED:
            write.kind = WRITE_DELETED;
            break;
        }
        if (!push_write(run, &writes, write, with_texts, err))
            return false;
    }
    return mend_write(run, &writes, NULL, err);
}

bool run_repair(Runner *runner, Arena *arena, const RepairActionVec *actions, Error *err)
{
    Run run;
    RunResult result = {0};
    bool is_ok = mend_begin(&run, runner, arena, &result, err) && repair(&run, actions, err);
    return mend_end(&run, is_ok, err);
}

/* ---- texts -------------------------------------------------------------------------------------------------- */

bool run_text_diff(Runner *runner, Arena *arena, const StateRow *row, Str *ret_applied,
                   Str *ret_file, bool *ret_has, Error *err)
{
    const Convention *convention = runner->convention->convention;
    Str down = {0}, applied = {0}, file = {0};
    bool has_up = false, has_down = false;
    *ret_has = false;
    if (!row->row || !row->row->has_up_text || !convention->history_text)
        return true;
    if (!convention->history_text(runner->convention, runner->db, arena, row->row, &applied,
                                  &has_up, &down, &has_down, err))
        return false;
    if (has_up && row->migration && row->migration->up &&
        !script_text(arena, row->migration->up, 0, &file, err))
        return false;
    *ret_applied = applied;
    *ret_file = file;
    *ret_has = has_up;
    return true;
}

/* ---- emptying ------------------------------------------------------------------------------------------------- */

static bool is_pragma(const Run *run, const DbStatement *statement)
{
    return sql_inspect(statement->sql, &run->split).verb == SQL_VERB_PRAGMA;
}

/* Settings that do nothing within a transaction are made outside of it: those in front of the list when is_before, those
 * behind it otherwise. */
static bool set_around(Run *run, const DbStatementVec *statements, bool is_before, Error *err)
{
    bool is_leading = true;
    for (size_t i = 0; i < statements->len; i++) {
        bool is_setting = is_pragma(run, &statements->items[i]);
        is_leading = is_leading && is_setting;
        if (is_setting && is_leading == is_before &&
            !db_exec(run->db, statements->items[i].sql, err))
            return false;
    }
    return true;
}

static bool list_all(Run *run, const StrVec *schemas, DbStatementVec *ret_statements, Error *err)
{
    return run->db->driver->drop_all(run->db, run->arena, schemas, ret_statements, err) ||
           error_wrap(err, "listing what there is");
}

static bool drop_listed(Run *run, const DbStatementVec *statements, uint32_t *ret_dropped,
                        Error *err)
{
    Db *db = run->db;
    DbOutcome outcome = {.error_offset = -1};
    bool is_one = db_has(db, DB_TRANSACTIONAL_DDL);
    /* With the table of the lease everything goes that a fence could look at: it is looked at before. */
    if (!lease_renew(run, err))
        return false;
    if (is_one && !run->has_outer && !db_exec(db, str_from(db->driver->begin), err))
        return false;
    bool is_ok = statements->len == 0 ||
                 db_run(db, statements->items, statements->len, NULL, NULL, &outcome, err);
    if (is_ok && is_one)
        is_ok = db_exec(db, STR("COMMIT"), err);
    if (is_ok) {
        run->has_outer = false;
        for (size_t i = 0; i < statements->len; i++)
            *ret_dropped +=
                sql_inspect(statements->items[i].sql, &run->split).verb == SQL_VERB_DROP;
        return true;
    }
    if (outcome.completed < statements->len) {
        Str summary = {0};
        if (err->arena && sql_summary(err->arena, statements->items[outcome.completed].sql,
                                      &run->split, SUMMARY_BYTES, &summary))
            err->statement = str_z(err->arena, summary);
    }
    Error ignored = {.arena = err->arena};
    if (!db->is_broken && db->is_in_transaction)
        (void)db_exec(db, STR("ROLLBACK"), &ignored);
    return false;
}

static bool drop_all(Run *run, const StrVec *schemas, uint32_t *ret_dropped, Error *err)
{
    Db *db = run->db;
    DbStatementVec statements = {0}, again = {0};
    if (!db->driver->drop_all)
        return error_set(err, ERROR_UNSUPPORTED, "emptying a database is not possible on %s",
                         db->info.engine_title);
    if (!list_all(run, schemas, &statements, err))
        return false;
    if (!run->has_outer || statements.len == 0 || !is_pragma(run, &statements.items[0]))
        return drop_listed(run, &statements, ret_dropped, err);
    run->has_outer = false;
    if (!db_exec(db, STR("ROLLBACK"), err) || !set_around(run, &statements, true, err))
        return false;
    Error ignored = {.arena = err->arena};
    bool is_ok = nest_open(run, err) && list_all(run, schemas, &again, err) &&
                 drop_listed(run, &again, ret_dropped, err);
    return set_around(run, &statements, false, is_ok ? err : &ignored) && is_ok;
}

bool run_drop_all(Runner *runner, Arena *arena, const StrVec *schemas, uint32_t *ret_dropped,
                  Error *err)
{
    Run run;
    RunResult result = {0};
    *ret_dropped = 0;
    bool is_ok = mend_begin(&run, runner, arena, &result, err) && lock_take(&run, err) &&
                 drop_all(&run, schemas, ret_dropped, err);
    lock_drop(&run);
    work_done(&run);
    return is_ok;
}

/* One convention's history written into another's: under both locks, in one transaction, read back before it is kept.
 * SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "run/work.h"

/* ---- what is written ------------------------------------------------------------------------------------ */

static HistoryWriteKind kind_of(const HistoryRow *row)
{
    return row->outcome == HISTORY_BASELINED ? WRITE_BASELINE
           : row->outcome == HISTORY_SKIPPED ? WRITE_SKIPPED
                                             : WRITE_APPLIED;
}

/* A history that does not look at `kept` takes the times as it takes those of a run. */
static HistoryWrite write_of(const ConvertEntry *entry)
{
    const HistoryRow *row = entry->row;
    HistoryWrite write = {.kind = kind_of(row),
                          .migration = entry->to,
                          .kept = row,
                          .started_at = TIMESTAMP_UNKNOWN,
                          .duration_us = -1};
    if (row->finished_at != TIMESTAMP_UNKNOWN) {
        write.duration_us = row->duration_us >= 0 ? row->duration_us : 0;
        write.started_at = row->finished_at - write.duration_us;
    } else if (row->duration_us >= 0) {
        write.duration_us = row->duration_us;
    }
    write.done = write.total = entry->to->up ? entry->to->up->statements : 0;
    return write;
}

/* ---- what would be lost ------------------------------------------------------------------------------------ */

/* What the convention would send, in a row. */
static bool sql_of(Runner *to, Arena *arena, const HistoryWrite *write, Str *ret_sql, Error *err)
{
    DbStatementVec statements = {0};
    StrBuf text = strbuf(arena);
    if (!to->convention->convention->history_write(to->convention, to->db, arena, write,
                                                   &statements, err))
        return false;
    for (size_t i = 0; i < statements.len; i++) {
        strbuf_add(&text, statements.items[i].sql);
        strbuf_adds(&text, ";");
    }
    return strbuf_finish(&text, ret_sql) || error_nomem(err);
}

typedef enum Trait { TRAIT_TIME, TRAIT_DURATION, TRAIT_WHO, TRAIT_BASELINE, TRAIT_COUNT } Trait;

static const char *const trait_words[TRAIT_COUNT] = {"when each was applied", "how long each took",
                                                     "who applied each",
                                                     "that the first ones are a baseline"};

static bool has_trait(const HistoryRow *row, Trait trait)
{
    switch (trait) {
    case TRAIT_TIME:
        return row->finished_at != TIMESTAMP_UNKNOWN;
    case TRAIT_DURATION:
        return row->duration_us > 0;
    case TRAIT_WHO:
        return row->applied_by.len > 0;
    case TRAIT_BASELINE:
        return row->outcome == HISTORY_BASELINED;
    case TRAIT_COUNT:
        break;
    }
    return false;
}

/* The row with another value there, which no history would mistake for the first. */
static HistoryRow changed_row(const HistoryRow *row, Trait trait)
{
    enum { DAY_US_MS = 86400000 };
    HistoryRow other = *row;
    switch (trait) {
    case TRAIT_TIME:
        other.finished_at -= (int64_t)DAY_US_MS * 1000;
        break;
    case TRAIT_DURATION:
        other.duration_us += (int64_t)DAY_US_MS * 1000;
        break;
    case TRAIT_WHO:
        other.applied_by = STR("somebody.else <else@example.com>");
        break;
    case TRAIT_BASELINE:
        other.outcome = HISTORY_APPLIED;
        break;
    case TRAIT_COUNT:
        break;
    }
    return other;
}

/* What is another each time that it is written (an id that is drawn by lot) becomes blank in both. */
static bool blank_varying(Runner *to, Arena *arena, const HistoryWrite *write, char *one, char *two,
                          Error *err)
{
    enum { SAMPLES = 12 }; /* a hexadecimal digit that comes 12 times the same is one in 10^14 */
    size_t len = strlen(one);
    char *drawn = str_z(arena, (Str){one, len});
    if (!drawn)
        return error_nomem(err);
    for (size_t i = 0; i < SAMPLES; i++) {
        Str again;
        if (!sql_of(to, arena, write, &again, err))
            return false;
        for (size_t at = 0; at < len && at < again.len; at++)
            if (again.ptr[at] != one[at])
                drawn[at] = '\0';
        if (i == 0 && str_eq(again, (Str){one, len}))
            return true;
    }
    for (size_t at = 0; at < len && two[at] != '\0'; at++)
        if (drawn[at] == '\0')
            one[at] = two[at] = ' ';
    return true;
}

/* Whether the new history can hold it is asked of what writes it: if that comes out the same with another value, it cannot. */
static bool keeps_trait(Runner *to, Arena *arena, const ConvertEntry *entry, Trait trait,
                        bool *ret_keeps, Error *err)
{
    HistoryRow other = changed_row(entry->row, trait);
    ConvertEntry changed = {.row = &other, .to = entry->to};
    HistoryWrite one = write_of(entry), two = write_of(&changed);
    Str before, after;
    if (trait == TRAIT_DURATION) {
        /* Its end alone may be what is kept of it. */
        two.started_at = one.started_at == TIMESTAMP_UNKNOWN
                             ? TIMESTAMP_UNKNOWN
                             : other.finished_at - other.duration_us;
    }
    if (!sql_of(to, arena, &one, &before, err) || !sql_of(to, arena, &two, &after, err))
        return false;
    char *left = str_z(arena, before), *right = str_z(arena, after);
    if (!left || !right)
        return error_nomem(err);
    if (!str_eq(before, after) && before.len == after.len &&
        !blank_varying(to, arena, &one, left, right, err))
        return false;
    *ret_keeps = !str_eq(str_from(left), str_from(right));
    return true;
}

bool run_convert_losses(Runner *to, Arena *arena, const ConvertEntryVec *entries,
                        StrVec *ret_losses, Error *err)
{
    const char *title = to->convention->convention->title;
    for (Trait trait = TRAIT_TIME; trait < TRAIT_COUNT; trait++) {
        const ConvertEntry *entry = NULL;
        bool keeps = true;
        for (size_t i = 0; i < entries->len && !entry; i++)
            if (has_trait(entries->items[i].row, trait))
                entry = &entries->items[i];
        if (entry && !keeps_trait(to, arena, entry, trait, &keeps, err))
            return error_wrap(err, "in the history of %s", title);
        if (keeps)
            continue;
        const char *sentence =
            str_format(arena, "the history of %s does not say %s", title, trait_words[trait]);
        if (!sentence || !vec_push(arena, ret_losses, str_from(sentence)))
            return error_nomem(err);
    }
    return true;
}

/* ---- the locks ------------------------------------------------------------------------------------------------- */

/* Both, the old one first, so that nobody adds to what is read. Where the file is the lock there is one. */
static bool take_locks(Run *from, Run *to, Error *err)
{
    if (!db_has(to->db, DB_FILE_LOCK) && !lock_take(from, err))
        return error_wrap(err, "of %s", from->convention->convention->title);
    return lock_take(to, err) || error_wrap(err, "of %s", to->convention->convention->title);
}

/* ---- is it still so? -------------------------------------------------------------------------------------------- */

static bool is_same_row(const HistoryRow *a, const HistoryRow *b)
{
    return str_eq(a->version, b->version) && str_eq(a->name, b->name) && a->kind == b->kind &&
           a->outcome == b->outcome && a->finished_at == b->finished_at &&
           str_eq(a->checksum, b->checksum);
}

static bool check_unchanged(Run *from, const History *seen, Error *err)
{
    History now = {0};
    const Convention *convention = from->convention->convention;
    if (!convention->history_read(from->convention, from->db, from->arena, &now, err))
        return false;
    bool is_same = now.rows.len == seen->rows.len;
    for (size_t i = 0; is_same && i < now.rows.len; i++)
        is_same = is_same_row(&now.rows.items[i], &seen->rows.items[i]);
    if (is_same)
        return true;
    error_set(err, ERROR_STATE, "the history of %s has changed meanwhile", convention->title);
    error_code(err, "convert-outdated");
    return error_hint(err, "Look again: whimbrel convert");
}

static const HistoryRow *row_of(const History *history, const Migration *migration)
{
    return migration->kind == MIGRATION_REPEATABLE
               ? history_find_repeatable(history, migration->name)
               : history_find(history, migration->version);
}

static bool is_there(const HistoryRow *row)
{
    return row && (row->outcome == HISTORY_APPLIED || row->outcome == HISTORY_BASELINED ||
                   row->outcome == HISTORY_SKIPPED);
}

/* Whether the new history says of every migration what the old one does, and of no others anything. */
static bool holds(const History *history, const ConvertEntryVec *entries, const Migration **ret_odd)
{
    size_t found = 0;
    *ret_odd = NULL;
    for (size_t i = 0; i < entries->len; i++) {
        const ConvertEntry *entry = &entries->items[i];
        const HistoryRow *row = row_of(history, entry->to);
        if (is_there(row)) {
            found++;
        } else if (entry->row->outcome != HISTORY_SKIPPED) {
            *ret_odd = entry->to;
            return false;
        }
    }
    return found == history->rows.len;
}

/* ---- the run ----------------------------------------------------------------------------------------------------- */

typedef struct Convert {
    Run run; /* of the new history, so that its check finds the rest */
    const ConvertEntryVec *entries;
} Convert;

static bool cannot_say(Run *run, const char *what, Error *err)
{
    error_set(err, ERROR_UNSUPPORTED, "the history of %s cannot say what is applied: %s",
              run->convention->convention->title, what);
    error_code(err, "not-convertible");
    return error_hint(err, "Apply what is pending, or roll back what is newer, so that no gap is "
                           "left; then convert. Nothing was written.");
}

static bool read_back(Run *run, Error *err)
{
    const Convert *convert = (const Convert *)(const void *)run;
    const Convention *convention = run->convention->convention;
    History now = {0};
    const Migration *odd = NULL;
    if (!convention->history_read(run->convention, run->db, run->arena, &now, err))
        return error_wrap(err, "reading the new history back");
    if (holds(&now, convert->entries, &odd))
        return true;
    const char *label =
        odd ? migration_label(run->arena, odd->version, odd->name, odd->kind) : NULL;
    const char *what = label ? str_format(run->arena, "%s would not be there", label)
                             : "it would say more than is true";
    return cannot_say(run, what ? what : "out of memory", err);
}

static bool not_empty(Run *run, Error *err)
{
    error_set(err, ERROR_STATE, "the history of %s in this database has entries already",
              run->convention->convention->title);
    error_code(err, "target-not-empty");
    return error_hint(err, "Give the new history another table with --to-table NAME, or empty the "
                           "old one if nobody needs it.");
}

static bool convert(Convert *convert, Run *from, const History *seen, Error *err)
{
    Run *run = &convert->run;
    const Convention *convention = run->convention->convention;
    const ConvertEntryVec *entries = convert->entries;
    HistoryWriteVec writes = {0};
    const Migration *odd;
    if (!take_locks(from, run, err) || !check_unchanged(from, seen, err) ||
        !convention->history_read(run->convention, run->db, run->arena, &run->history, err))
        return false;
    if (run->history.rows.len > 0)
        return holds(&run->history, entries, &odd) || not_empty(run, err);
    for (size_t i = 0; i < entries->len; i++) {
        const ConvertEntry *entry = &entries->items[i];
        HistoryWrite write = write_of(entry);
        if (!write_texts(run, run->chunk.arena, entry->to, &write, err))
            return false;
        if (!vec_push(run->arena, &writes, write))
            return error_nomem(err);
        if (!mend_add_item(run, &run->result->applied, entry->to->version, entry->to->name,
                           entry->to->kind, err))
            return false;
    }
    return mend_write(run, &writes, read_back, err);
}

bool run_convert(Runner *from, Runner *to, Arena *arena, const History *seen,
                 const ConvertEntryVec *entries, RunResult *ret_result, Error *err)
{
    Run old = {0};
    RunResult ignored = {0};
    Convert new = {.entries = entries};
    *ret_result = (RunResult){0};
    /* All of both, so that the way out finds them whole. */
    bool is_begun = mend_begin(&old, from, arena, &ignored, err);
    bool is_ok = mend_begin(&new.run, to, arena, ret_result, is_begun ? err : NULL) && is_begun &&
                 convert(&new, &old, seen, err);
    ret_result->duration_us = clock_monotonic_us() - new.run.began_us;
    new.run.has_nothing_to_do = old.has_nothing_to_do = is_ok;
    lock_drop(&new.run);
    lock_drop(&old);
    work_done(&new.run);
    work_done(&old);
    return is_ok;
}

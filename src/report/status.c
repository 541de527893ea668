/* The table of migrations and their states. SPDX-License-Identifier: Apache-2.0 */
#include "report/report.h"

void report_place(Text *text, const ReportPlace *place)
{
    text_styled(text, STYLE_BOLD, str_from(place->database));
    text_dot(text);
    text_adds(text, place->engine_title);
    text_addf(text, " %s", place->version);
    if (place->place && place->place[0])
        text_addf(text, "%s%s", place->place[0] == '/' || place->place[0] == '.' ? " in " : " at ",
                  place->place);
    if (place->convention) {
        text_dot(text);
        text_addf(text, "convention %s", place->convention);
    }
    if (place->environment && place->environment[0]) {
        text_dot(text);
        text_addf(text, "environment %s", place->environment);
    }
    text_add(text, STR("\n"));
}

void report_place_json(JsonWriter *w, const ReportPlace *place)
{
    json_key_text(w, "whimbrel", WHIMBREL_VERSION);
    json_key(w, "database");
    json_begin_object(w);
    json_key_text(w, "engine", place->engine);
    json_key_text(w, "version", place->version);
    json_key_text(w, "name", place->database);
    json_end_object(w);
    json_key_text(w, "convention", place->convention);
    json_key_text(w, "environment",
                  place->environment && place->environment[0] ? place->environment : NULL);
}

/* Something is to be done about it: --pending shows these. */
static bool row_is_open(const StateRow *row)
{
    switch (row->state) {
    case STATE_PENDING:
    case STATE_FAILED:
    case STATE_PARTIAL:
    case STATE_OUT_OF_ORDER:
    case STATE_OUTDATED:
        return true;
    case STATE_APPLIED:
    case STATE_CHANGED:
    case STATE_MISSING:
    case STATE_SKIPPED:
    case STATE_BASELINED:
        return false;
    }
    return false;
}

static TextStyle state_style(MigrationState state)
{
    switch (state) {
    case STATE_APPLIED:
    case STATE_BASELINED:
        return STYLE_GREEN;
    case STATE_PENDING:
    case STATE_OUTDATED:
        return STYLE_YELLOW;
    case STATE_FAILED:
    case STATE_PARTIAL:
    case STATE_CHANGED:
    case STATE_MISSING:
    case STATE_OUT_OF_ORDER:
        return STYLE_RED;
    case STATE_SKIPPED:
        return STYLE_DIM;
    }
    return STYLE_PLAIN;
}

/* What the history has, and where nothing is applied, what the files say. */
static const char *tag_of(const StateRow *row)
{
    if (row->row && row->row->tag)
        return row->row->tag;
    return row->migration ? row->migration->tag : NULL;
}

/* What stands behind the state in words: how far a partial one came, and the notes. False: no memory. */
static bool state_remark(Arena *arena, const StateRow *row, Str *ret_remark)
{
    const char *remark = "";
    const HistoryRow *history = row->row;
    if (row->state == STATE_PARTIAL && history && history->has_journal)
        remark = str_format(arena, "(%u of %u statements%s)", (unsigned)history->done,
                            (unsigned)history->total,
                            history->outcome == HISTORY_RUNNING_DOWN ? " of its down" : "");
    else if (row->state == STATE_SKIPPED && history && history->outcome == HISTORY_DELETED)
        remark = "(marked as deleted)";
    else if (row->has_new_name && history)
        remark = str_format(arena, "(applied as %.*s)", STR_ARG(history->name));
    else if (row->has_new_bytes && row->state == STATE_APPLIED)
        remark = "(comments or spacing differ)";
    else if (row->is_no_transaction && row_is_open(row))
        remark = "(no transaction)";
    const char *tag = tag_of(row);
    if (tag && remark)
        remark = remark[0] ? str_format(arena, "%s %s", tag, remark) : tag;
    *ret_remark = str_from(remark);
    return remark != NULL;
}

/* The time and the duration of a row that merely says how far something came are not those of an application. */
static bool is_applied(const HistoryRow *history)
{
    return history &&
           (history->outcome == HISTORY_APPLIED || history->outcome == HISTORY_BASELINED);
}

/* arena: of the cells' texts. */
static void add_row(Table *table, Arena *arena, const StateRow *row)
{
    const HistoryRow *history = row->row;
    char buf[TIMESTAMP_TEXT > DURATION_TEXT ? TIMESTAMP_TEXT : DURATION_TEXT];
    Str when = {0}, took = {0}, who = {0}, remark = {0};
    bool has_memory = state_remark(arena, row, &remark);
    if (is_applied(history) && history->finished_at != TIMESTAMP_UNKNOWN)
        has_memory &= str_copy(arena, str_from(timestamp_human(history->finished_at, buf)), &when);
    if (history && history->duration_us >= 0 && history->outcome == HISTORY_APPLIED)
        has_memory &= str_copy(arena, str_from(duration_human(history->duration_us, buf)), &took);
    table->has_failed = table->has_failed || !has_memory;
    if (history)
        who = history->applied_by;
    bool is_repeatable = row->kind == MIGRATION_REPEATABLE;
    table_add(table, is_repeatable ? STR("R") : row->version, STYLE_PLAIN);
    table_add(table, row->name, STYLE_PLAIN);
    table_add(table, str_from(migration_state_name(row->state)), state_style(row->state));
    /* A remark stands where the time would, so that the table stays narrow. */
    if (when.len == 0) {
        table_add(table, remark, STYLE_DIM);
        remark = (Str){0};
    } else {
        table_add(table, when, STYLE_PLAIN);
    }
    table_add(table, took, STYLE_PLAIN);
    table_add(table, who, STYLE_PLAIN);
    table_add(table, remark, STYLE_DIM);
}

static void add_count(Text *text, bool *is_first, size_t count, const char *what)
{
    if (count == 0)
        return;
    text_addf(text, "%s%zu %s", *is_first ? "" : ", ", count, what);
    *is_first = false;
}

static void add_summary(Text *text, const Overview *overview)
{
    size_t counts[STATE_BASELINED + 1] = {0};
    bool is_in_doubt = false, is_unknown = false;
    for (size_t i = 0; i < overview->rows.len; i++) {
        const StateRow *row = &overview->rows.items[i];
        counts[row->state]++;
        is_in_doubt = is_in_doubt || (row->state == STATE_PARTIAL && row->row->is_fate_unknown);
        is_unknown = is_unknown || ((row->state == STATE_PARTIAL || row->state == STATE_FAILED) &&
                                    !row->row->has_journal);
    }
    bool is_first = true;
    add_count(text, &is_first, counts[STATE_APPLIED], "applied");
    add_count(text, &is_first, counts[STATE_BASELINED], "baselined");
    add_count(text, &is_first, counts[STATE_PENDING], "pending");
    add_count(text, &is_first, counts[STATE_OUTDATED],
              counts[STATE_OUTDATED] == 1 ? "repeatable changed" : "repeatables changed");
    add_count(text, &is_first, counts[STATE_FAILED], "failed");
    add_count(text, &is_first, counts[STATE_PARTIAL], "partial");
    add_count(text, &is_first, counts[STATE_CHANGED], "changed");
    add_count(text, &is_first, counts[STATE_MISSING], "missing");
    add_count(text, &is_first, counts[STATE_OUT_OF_ORDER], "out of order");
    add_count(text, &is_first, counts[STATE_SKIPPED], "skipped");
    const char *next = NULL;
    if (is_in_doubt)
        next = "whimbrel resume, whimbrel rollback";
    else if (is_unknown)
        next = "whimbrel repair";
    else if (counts[STATE_PARTIAL] > 0)
        next = "whimbrel migrate (goes on), whimbrel rollback";
    else if (counts[STATE_FAILED] > 0)
        next = "whimbrel migrate";
    else if (counts[STATE_CHANGED] > 0)
        next = "whimbrel validate --diff";
    else if (counts[STATE_MISSING] > 0)
        next = "whimbrel sync, whimbrel repair";
    else if (counts[STATE_OUT_OF_ORDER] > 0)
        next = "whimbrel rebase, whimbrel migrate --out-of-order";
    else if (overview->state == OVERALL_PENDING)
        next = "whimbrel plan, whimbrel migrate";
    if (is_first)
        text_adds(text, "No migrations");
    text_add(text, STR("."));
    if (next)
        text_addf(text, "    next: %s", next);
    else if (overview->state == OVERALL_UP_TO_DATE && !is_first)
        text_adds(text, " Up to date.");
    text_add(text, STR("\n"));
}

/* The rows, measured or printed one by one: there may be many. Returns how many there are. */
static size_t go_through(Text *text, Table *table, const Overview *overview, bool only_pending)
{
    scoped(Arena *, arena_freep) scratch = arena_new();
    size_t shown = 0;
    table->has_failed = table->has_failed || !scratch;
    for (size_t i = 0; scratch && i < overview->rows.len; i++) {
        if (only_pending && !row_is_open(&overview->rows.items[i]))
            continue;
        arena_reset(scratch);
        add_row(table, scratch, &overview->rows.items[i]);
        if (text) {
            table_print(text, table, 2);
            text_give(text);
        } else {
            table_measure(table);
        }
        shown++;
    }
    return shown;
}

void report_status(Text *text, const ReportPlace *place, const Overview *overview,
                   bool only_pending)
{
    static const char *const heads[] = {"version", "name", "state", "applied", "took", "by", ""};
    report_place(text, place);
    Table table = table_new(text->buf.arena, 7);
    size_t shown = go_through(NULL, &table, overview, only_pending);
    text_add(text, STR("\n"));
    if (shown > 0) {
        for (size_t i = 0; i < 7; i++)
            table_add(&table, str_from(heads[i]), STYLE_DIM);
        table_print(text, &table, 2);
        go_through(text, &table, overview, only_pending);
        text_add(text, STR("\n"));
    }
    text->buf.has_failed = text->buf.has_failed || table.has_failed;
    add_summary(text, overview);
}

static void row_json(JsonWriter *w, const StateRow *row)
{
    const HistoryRow *history = row->row;
    const Script *up = row->migration ? row->migration->up : NULL;
    const Script *any = up ? up : row->migration ? row->migration->down : NULL;
    char buf[TIMESTAMP_TEXT];
    json_begin_object(w);
    json_key(w, "version");
    if (row->kind == MIGRATION_REPEATABLE)
        json_null_value(w);
    else
        json_str(w, row->version);
    json_key_str(w, "name", row->name);
    json_key_text(w, "kind", migration_kind_name(row->kind));
    json_key_text(w, "state", migration_state_name(row->state));
    json_key_text(w, "path", any ? any->path : NULL);
    json_key(w, "checksum");
    if (up && up->checksum.len > 0)
        json_str(w, up->checksum);
    else if (history && history->checksum.len > 0)
        json_str(w, history->checksum);
    else
        json_null_value(w);
    if (tag_of(row))
        json_key_text(w, "tag", tag_of(row));
    json_key_bool(w, "reversible", row->is_reversible);
    json_key_bool(w, "transaction", !row->is_no_transaction);
    bool has_time = is_applied(history) && history->finished_at != TIMESTAMP_UNKNOWN;
    json_key_text(w, "applied_at", has_time ? timestamp_iso(history->finished_at, buf) : NULL);
    json_key(w, "duration_ms");
    if (is_applied(history) && history->duration_us >= 0)
        json_double(w, (double)history->duration_us / 1000.0);
    else
        json_null_value(w);
    json_key(w, "applied_by");
    if (history && history->applied_by.len > 0)
        json_str(w, history->applied_by);
    else
        json_null_value(w);
    json_key(w, "run");
    if (history && history->run > 0)
        json_int(w, history->run);
    else
        json_null_value(w);
    if (history && history->has_journal && row->state == STATE_PARTIAL) {
        json_key_int(w, "statements_done", history->done);
        json_key_int(w, "statements", history->total);
        json_key_text(w, "failure", history->failure);
    }
    if (row->has_new_name)
        json_key_str(w, "applied_name", history ? history->name : (Str){0});
    if (row->has_new_bytes)
        json_key_bool(w, "spacing_differs", true);
    json_end_object(w);
}

void report_status_json(JsonWriter *w, const ReportPlace *place, const Overview *overview,
                        bool only_pending)
{
    json_begin_object(w);
    report_place_json(w, place);
    json_key_text(w, "state", overall_state_name(overview->state));
    json_key(w, "current");
    if (overview->current.len > 0)
        json_str(w, overview->current);
    else
        json_null_value(w);
    json_key(w, "head");
    if (overview->head.len > 0)
        json_str(w, overview->head);
    else
        json_null_value(w);
    json_key(w, "migrations");
    json_begin_array(w);
    for (size_t i = 0; i < overview->rows.len; i++)
        if (!only_pending || row_is_open(&overview->rows.items[i]))
            row_json(w, &overview->rows.items[i]);
    json_end_array(w);
    json_key_null(w, "error");
    json_end_object(w);
}

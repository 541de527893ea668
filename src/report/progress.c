/* Events of a run as they come: lines, one live line, or JSON. SPDX-License-Identifier: Apache-2.0
 *
 * The live line stands last on the terminal and is drawn over with CR and "erase to the end"; whatever else is to be
 * written clears it first. It is cut to the terminal's width, because a line that wraps cannot be drawn over. */
#include "report/report.h"

#include <stdio.h>
#include <string.h>

enum { LABEL_COLUMNS = 36, REDRAW_US = 100000, S = 1000000 };
enum { SHORTEST_US = 50 }; /* below, a time says nothing */
enum { BAR_COLUMNS = 16, NARROW = 60, LEAST_TEXT = 12, USUAL_COLUMNS = 80 };

/* On a pipe a statement that takes long is told of again at these times, and then every five minutes: rarely enough for a
 * log, often enough for what takes a silent job for a dead one. */
static const int64_t line_times_us[] = {10LL * S, 30LL * S, 60LL * S, 120LL * S, 300LL * S};
enum { LINE_TIMES = sizeof line_times_us / sizeof *line_times_us };

bool progress_init(Progress *progress, ProgressMode mode, TextLook look,
                   void (*write)(void *ctx, Str text), void *ctx)
{
    *progress = (Progress){.mode = mode, .look = look, .write = write, .ctx = ctx};
    progress->arena = arena_new();
    progress->scratch = arena_new();
    return progress->arena && progress->scratch;
}

void progress_done(Progress *progress)
{
    arena_free(progress->arena);
    arena_free(progress->scratch);
    progress->arena = progress->scratch = NULL;
}

void progress_clear(Progress *progress)
{
    if (!progress->is_live)
        return;
    progress->is_live = false;
    progress->write(progress->ctx, STR("\r\x1b[K"));
}

static void say(Progress *progress, Text *text)
{
    Str line;
    if (!strbuf_finish(&text->buf, &line))
        return; /* memory is out: a line is lost, the run is not */
    progress_clear(progress);
    progress->write(progress->ctx, line);
}

static Text begin(Progress *progress)
{
    arena_reset(progress->scratch);
    return text_new(progress->scratch, progress->look);
}

static void add_label(Text *text, Str label)
{
    size_t width = text_width(label);
    text_add_line(text, label);
    text_pad(text, width < LABEL_COLUMNS ? LABEL_COLUMNS - width : 0);
    text_add(text, STR("  "));
}

/* ---- a statement under way ------------------------------------------------------------------------------------- */

/* "1,234" up to ten thousand, then "12 thousand", "3.4 million". */
static void add_count(Text *text, int64_t count)
{
    static const char *const names[] = {"thousand", "million", "billion", "trillion"};
    if (count < 10000) {
        text_addf(text, "%lld", (long long)count);
        return;
    }
    size_t at = 0;
    double rest = (double)count / 1000;
    for (; rest >= 1000 && at < 3; at++)
        rest /= 1000;
    text_addf(text, rest < 10 ? "%.1f %s" : "%.0f %s", rest, names[at]);
}

/* Rounded, the more the longer: an estimate is no promise. */
static void add_left(Text *text, int64_t left_us)
{
    long long seconds = left_us / S;
    if (seconds < 10)
        text_adds(text, "a few seconds left");
    else if (seconds < 60)
        text_addf(text, "about %lld s left", (seconds + 2) / 5 * 5);
    else if (seconds < 600)
        text_addf(text, "about %lldm%02llds left", seconds / 60, seconds % 60 / 10 * 10);
    else if (seconds < 7200)
        text_addf(text, "about %lld min left", (seconds + 30) / 60);
    else if (seconds < 172800)
        text_addf(text, "about %lld h left", (seconds + 1800) / 3600);
    else
        text_addf(text, "about %lld days left", (seconds + 43200) / 86400);
}

/* ": building index, 62 %, 1m12s, about 45 s left", as far as there is anything of it. */
static void add_work(Text *text, const Event *work, Str phase, int64_t elapsed_us, int64_t left_us)
{
    char buf[DURATION_TEXT > SIZE_TEXT ? DURATION_TEXT : SIZE_TEXT];
    const char *comma = "";
    if (phase.len > 0) {
        text_add_line(text, phase);
        comma = ", ";
    }
    bool is_share = work && work->work_total > 0 && work->work_done <= work->work_total;
    if (is_share && strcmp(work->work_unit, "sessions") == 0) {
        text_addf(text, "%s%lld of %lld sessions", comma, (long long)work->work_done,
                  (long long)work->work_total);
        comma = ", ";
    } else if (is_share) {
        text_addf(text, "%s%lld %%", comma,
                  (long long)((double)work->work_done / (double)work->work_total * 100));
        comma = ", ";
    } else if (work && work->work_done > 0 && work->work_unit[0]) {
        text_adds(text, comma);
        add_count(text, work->work_done);
        text_addf(text, " %s", work->work_unit);
        comma = ", ";
    } else if (work && phase.len == 0 && work->table_bytes > 0) {
        text_addf(text, "%stable of %s", comma, size_human((uint64_t)work->table_bytes, buf));
        comma = ", ";
    }
    if (elapsed_us >= S) {
        text_addf(text, "%s%s", comma, duration_human(elapsed_us / S * S, buf));
        comma = ", ";
    }
    if (left_us > 0) {
        text_adds(text, comma);
        add_left(text, left_us);
    }
}

static void forget_statement(Progress *progress, int64_t now_us)
{
    progress->statement_us = now_us;
    progress->work.kind = EVENT_STATEMENT;
    progress->phase = progress->doing = (Str){0};
    progress->next_line_us = line_times_us[0];
}

/* ---- the live line ---------------------------------------------------------------------------------------------- */

/* s, which holds nothing that moves the cursor, within so many columns, at a character's edge. */
static void add_fitting(Text *text, Str s, size_t columns)
{
    if (str_width(s) <= columns) {
        text_add_line(text, s);
        return;
    }
    Str dots = str_from(text_ellipsis(text));
    size_t room = columns > str_width(dots) ? columns - str_width(dots) : 0;
    while (s.len > 0 && str_width(s) > room)
        do
            s.len--;
        while (s.len > 0 && ((unsigned char)s.ptr[s.len] & 0xc0) == 0x80);
    text_add_line(text, s);
    if (room > 0)
        text_add(text, dots);
}

static Str visible(Progress *progress, Str s)
{
    Text text = text_new(progress->scratch, progress->look);
    text_add_line(&text, s);
    return text_str(&text);
}

/* How many of the steps are done. */
static void add_bar(Text *text, size_t done, size_t total)
{
    size_t filled = total > 0 ? done * BAR_COLUMNS / total : 0;
    bool is_fine = text->look.is_unicode;
    if (!is_fine)
        text_adds(text, "[");
    text_style(text, STYLE_GREEN);
    for (size_t i = 0; i < filled && i < BAR_COLUMNS; i++)
        text_adds(text, is_fine ? "\xe2\x94\x81" : "#");
    text_style(text, STYLE_PLAIN);
    text_style(text, STYLE_DIM);
    for (size_t i = filled; i < BAR_COLUMNS; i++)
        text_adds(text, is_fine ? "\xe2\x94\x80" : "-");
    text_style(text, STYLE_PLAIN);
    if (!is_fine)
        text_adds(text, "]");
    text_adds(text, " ");
}

static Str tail_of(Progress *progress, int64_t now_us)
{
    Text text = text_new(progress->scratch, progress->look);
    const Event *work = progress->work.kind == EVENT_PROGRESS ? &progress->work : NULL;
    int64_t left_us =
        work && work->left_us >= 0 ? work->left_us - (now_us - progress->work_us) : -1;
    int64_t elapsed_us = progress->statement_us > 0 ? now_us - progress->statement_us : 0;
    add_work(&text, work, progress->phase, elapsed_us, left_us);
    return text_str(&text);
}

/* What there is no room for is left out from the least important on: first the statement is cut, then the bar goes, then
 * the label is cut. */
static void draw(Progress *progress)
{
    int64_t now_us = clock_monotonic_us();
    progress->drawn_us = now_us;
    Text head = begin(progress);
    head.look.has_color = false;
    unsigned measured =
        progress->measure ? progress->measure(progress->ctx) : progress->look.columns;
    size_t columns = (measured > 0 ? measured : USUAL_COLUMNS) - 1;
    Str label = visible(progress, progress->label), tail = tail_of(progress, now_us);
    Text middle = text_new(progress->scratch, progress->look);
    if (progress->statements > 1)
        text_addf(&middle, "%zu of %zu%s", progress->statement, progress->statements,
                  progress->doing.len > 0 ? ", " : "");
    text_add_line(&middle, progress->doing);
    Str doing = text_str(&middle);
    bool has_bar = progress->total > 1 && columns >= NARROW;
    if (has_bar)
        add_bar(&head, progress->step, progress->total);
    char counted[48] = "";
    if (progress->total > 1)
        snprintf(counted, sizeof counted, "%zu/%zu  ", progress->step, progress->total);
    else
        snprintf(counted, sizeof counted, "..   ");
    size_t used = str_width(text_str(&head)) + strlen(counted);
    size_t rest = columns > used ? columns - used : 0;
    Text line = text_new(progress->scratch, progress->look);
    if (has_bar)
        add_bar(&line, progress->step, progress->total);
    add_fitting(&line, str_from(counted), columns);
    add_fitting(&line, label, rest);
    size_t label_width = str_width(label) < rest ? str_width(label) : rest;
    rest -= label_width;
    size_t tail_width = str_width(tail);
    if (rest > 2 && doing.len + tail.len > 0) {
        text_adds(&line, "  ");
        rest -= 2;
        size_t for_tail = tail_width > 0 ? tail_width + 2 : 0;
        if (doing.len > 0 && rest >= for_tail + LEAST_TEXT) {
            add_fitting(&line, doing, rest - for_tail);
            if (for_tail > 0)
                text_adds(&line, ": ");
            add_fitting(&line, tail, rest);
        } else {
            add_fitting(&line, tail_width > 0 ? tail : doing, rest);
        }
    }
    StrBuf out = strbuf(progress->scratch);
    strbuf_add(&out, STR("\r"));
    strbuf_add(&out, text_str(&line));
    strbuf_add(&out, STR("\x1b[K"));
    Str drawn;
    if (line.buf.has_failed || !strbuf_finish(&out, &drawn))
        return;
    progress->is_live = true;
    progress->write(progress->ctx, drawn);
}

void progress_tick(Progress *progress)
{
    if (progress->mode != PROGRESS_BAR || progress->label.len == 0)
        return;
    if (clock_monotonic_us() - progress->drawn_us >= REDRAW_US)
        draw(progress);
}

/* What a session said, as one line: clients send their statements with their line breaks. */
static void add_query(Text *text, Str query)
{
    enum { MOST_BYTES = 120 };
    char folded[MOST_BYTES];
    size_t len = 0, at = 0;
    query = str_trim(query);
    for (; at < query.len && len < MOST_BYTES; at++) {
        bool is_space = query.ptr[at] == ' ' || (query.ptr[at] >= '\t' && query.ptr[at] <= '\r');
        if (!is_space)
            folded[len++] = query.ptr[at];
        else if (len > 0 && folded[len - 1] != ' ')
            folded[len++] = ' ';
    }
    /* Not within a character. */
    while (at < query.len && len > 0 && ((unsigned char)query.ptr[at] & 0xc0) == 0x80) {
        at--;
        len--;
    }
    text_add_line(text, (Str){folded, len});
    if (at < query.len)
        text_adds(text, text_ellipsis(text));
}

static void add_sessions(Text *text, const Event *event)
{
    char took[DURATION_TEXT];
    for (size_t i = 0; i < event->session_count; i++) {
        const DbSession *session = &event->sessions[i];
        text_adds(text, event->is_inferred ? "     probably held by " : "     held by ");
        text_add_line(text, session->id);
        text_add(text, STR(" ("));
        bool has_before = false;
        const Str parts[] = {session->application, session->user, session->host};
        for (size_t p = 0; p < 3; p++) {
            if (parts[p].len == 0)
                continue;
            if (has_before)
                text_add(text, STR(", "));
            text_add_line(text, parts[p]);
            has_before = true;
        }
        text_add(text, STR(")"));
        if (session->state.len > 0) {
            text_add(text, STR(": "));
            text_add_line(text, session->state);
        }
        if (session->age_us >= 0)
            text_addf(text, " for %s", duration_human(session->age_us, took));
        if (session->query.len > 0) {
            text_adds(text, " after ");
            add_query(text, session->query);
        }
        text_add(text, STR("\n"));
    }
}

static void table_wait(Progress *progress, const Event *event)
{
    char took[DURATION_TEXT];
    Text text = begin(progress);
    text_add(&text, STR("..   "));
    add_label(&text, str_from(migration_label(progress->scratch, event->version, event->name,
                                              event->migration_kind)));
    if (event->is_rolled_back && event->message.len > 0) {
        text_add_line(&text, event->message);
    } else {
        text_adds(&text, event->is_rolled_back ? "could not have " : "waiting for ");
        if (event->lock.len > 0)
            text_add_line(&text, event->lock);
        else
            text_adds(&text, "a lock");
        if (event->text.len > 0) {
            text_adds(&text, " on ");
            text_add_line(&text, event->text);
        }
    }
    text_addf(&text, ", try %u", (unsigned)event->attempt);
    if (event->is_rolled_back)
        text_addf(&text, ": rolled back, traffic goes on; try %u in %s",
                  (unsigned)event->attempt + 1, duration_human(event->next_attempt_us, took));
    text_add(&text, STR("\n"));
    if (!event->is_repeated)
        add_sessions(&text, event);
    if (event->queued > 0) {
        text_addf(&text, "     %lld %s behind it", (long long)event->queued,
                  event->queued == 1 ? "session queues" : "sessions queue");
        if (event->queued_us >= 0)
            text_addf(&text, ", the first for %s", duration_human(event->queued_us, took));
        text_add(&text, STR("\n"));
    }
    if (event->unseen.len > 0 && !event->is_repeated) {
        text_adds(&text, "     ");
        text_add_line(&text, event->unseen);
        text_add(&text, STR("\n"));
    }
    say(progress, &text);
}

static void set_label(Progress *progress, const Event *event)
{
    const char *label =
        migration_label(progress->arena, event->version, event->name, event->migration_kind);
    progress->label = str_from(label);
}

static void step_end(Progress *progress, const Event *event, bool is_ok)
{
    char took[DURATION_TEXT];
    Text text = begin(progress);
    const char *label =
        migration_label(progress->scratch, event->version, event->name, event->migration_kind);
    if (is_ok)
        text_styled(&text, STYLE_GREEN, STR("ok"));
    else
        text_styled(&text, STYLE_RED, STR("no"));
    text_add(&text, STR("   "));
    /* Of migrations that travel in one message only their end is seen from here, one on the heels of the other; how long each
     * took is in the history. */
    bool has_time = is_ok && event->duration_us >= SHORTEST_US;
    const char *end = !is_ok ? "failed" : has_time ? duration_human(event->duration_us, took) : "";
    if (event->is_down || *end)
        add_label(&text, str_from(label));
    else
        text_add(&text, str_from(label));
    text_addf(&text, "%s%s%s\n", event->is_down ? "down" : "", event->is_down && *end ? " " : "",
              end);
    say(progress, &text);
    progress->label = (Str){0};
}

/* The running statement, as told a moment ago. */
static void keep_work(Progress *progress, const Event *event)
{
    int64_t now_us = clock_monotonic_us();
    arena_reset(progress->arena);
    set_label(progress, event);
    if (!str_copy(progress->arena, event->text, &progress->doing))
        progress->doing = (Str){0};
    if (!str_copy(progress->arena, event->phase, &progress->phase))
        progress->phase = (Str){0};
    progress->work = (Event){.kind = EVENT_PROGRESS,
                             .work_done = event->work_done,
                             .work_total = event->work_total,
                             .work_unit = event->work_unit,
                             .left_us = event->left_us,
                             .table_bytes = event->table_bytes};
    progress->work_us = now_us;
    progress->statement_us = now_us - event->elapsed_us;
    progress->statement = event->statement;
    progress->statements = event->statements;
}

/* When something that has lasted for so long is told of the next time. */
static int64_t next_line_after(int64_t elapsed_us)
{
    int64_t last_us = line_times_us[LINE_TIMES - 1];
    for (size_t i = 0; i < LINE_TIMES; i++)
        if (line_times_us[i] > elapsed_us)
            return line_times_us[i];
    return elapsed_us > INT64_MAX - last_us ? INT64_MAX : (elapsed_us / last_us + 1) * last_us;
}

static void statement_progress(Progress *progress, const Event *event)
{
    if (progress->mode == PROGRESS_BAR) {
        keep_work(progress, event);
        draw(progress);
        return;
    }
    if (progress->next_line_us == 0)
        progress->next_line_us = line_times_us[0];
    if (event->elapsed_us < progress->next_line_us)
        return;
    progress->next_line_us = next_line_after(event->elapsed_us);
    Text text = begin(progress);
    text_add(&text, STR("..   "));
    add_label(&text, str_from(migration_label(progress->scratch, event->version, event->name,
                                              event->migration_kind)));
    if (event->statements > 1)
        text_addf(&text, "%zu of %zu, ", event->statement, event->statements);
    text_add_line(&text, event->text);
    if (event->text.len > 0)
        text_adds(&text, ": ");
    add_work(&text, event, event->phase, event->elapsed_us, event->left_us);
    text_add(&text, STR("\n"));
    say(progress, &text);
}

/* The lock is asked for several times a second: that it is waited for is said at once, with each new holder, and then as seldom as
 * of a statement. */
static void lock_wait(Progress *progress, const Event *event)
{
    char took[DURATION_TEXT];
    Str holder = event->session_count > 0 ? event->sessions[0].id : (Str){0};
    Str told = str_from(progress->told_holder);
    bool is_new = event->elapsed_us < progress->waited_us || progress->next_wait_us == 0;
    progress->waited_us = event->elapsed_us;
    if (!is_new && event->elapsed_us < progress->next_wait_us &&
        str_eq(str_sub(holder, 0, sizeof progress->told_holder - 1), told))
        return;
    progress->next_wait_us = next_line_after(event->elapsed_us);
    (void)snprintf(progress->told_holder, sizeof progress->told_holder, "%.*s", (int)holder.len,
                   holder.len > 0 ? holder.ptr : "");
    Text text = begin(progress);
    text_adds(&text, "..   waiting for the migration lock");
    if (event->elapsed_us > 0)
        text_addf(&text, ", %s", duration_human(event->elapsed_us, took));
    text_add(&text, STR("\n"));
    add_sessions(&text, event);
    say(progress, &text);
}

static void line_event(Progress *progress, const Event *event)
{
    Text text;
    switch (event->kind) {
    case EVENT_RUN_BEGIN:
    case EVENT_RUN_END:
        progress->label = (Str){0};
        progress_clear(progress);
        return;
    case EVENT_STEP_BEGIN:
        arena_reset(progress->arena);
        set_label(progress, event);
        progress->begun_us = clock_monotonic_us();
        progress->step = event->step > 0 ? event->step - 1 : 0;
        progress->total = event->total;
        progress->statement = progress->statements = 0;
        forget_statement(progress, progress->begun_us);
        if (progress->mode == PROGRESS_BAR && !progress->is_live)
            draw(progress);
        progress_tick(progress);
        return;
    case EVENT_STATEMENT:
        /* It is done; the one that runs now is the next. */
        progress->statement = event->statement + (event->statement < event->statements);
        progress->statements = event->statements;
        arena_reset(progress->arena);
        set_label(progress, event);
        forget_statement(progress, clock_monotonic_us());
        if (progress->mode == PROGRESS_BAR && event->text.len > 0 &&
            !str_copy(progress->arena, event->text, &progress->doing))
            progress->doing = (Str){0};
        progress_tick(progress);
        if (progress->is_verbose && progress->mode == PROGRESS_PLAIN) {
            text = begin(progress);
            text_addf(&text, "     %zu of %zu", event->statement, event->statements);
            if (event->text.len > 0) {
                text_add(&text, STR("  "));
                text_add_line(&text, event->text);
            }
            text_add(&text, STR("\n"));
            say(progress, &text);
        }
        return;
    case EVENT_PROGRESS:
        statement_progress(progress, event);
        return;
    case EVENT_STEP_END:
        step_end(progress, event, true);
        return;
    case EVENT_STEP_FAILED:
        step_end(progress, event, false);
        return;
    case EVENT_LOCK_WAIT:
        lock_wait(progress, event);
        return;
    case EVENT_TABLE_WAIT:
        table_wait(progress, event);
        return;
    case EVENT_SETTLED:
    case EVENT_NOTE:
    case EVENT_INDEX_REBUILT:
        text = begin(progress);
        text_adds(&text, "note: ");
        if (event->kind == EVENT_INDEX_REBUILT && event->message.len == 0) {
            text_adds(&text, "the invalid index ");
            text_add_line(&text, event->text);
            text_adds(&text, " was dropped and is built again");
        }
        text_add_line(&text, event->message);
        text_add(&text, STR("\n"));
        say(progress, &text);
        return;
    case EVENT_HOOK:
    case EVENT_SEED:
        text = begin(progress);
        text_adds(&text, event->kind == EVENT_HOOK ? "hook " : "seed ");
        text_add_line(&text, event->text);
        text_add(&text, STR("\n"));
        say(progress, &text);
        return;
    case EVENT_NOTICE:
        if (!progress->is_verbose && (str_eq_nocase(event->severity, STR("NOTICE")) ||
                                      str_eq_nocase(event->severity, STR("INFO")) ||
                                      str_eq_nocase(event->severity, STR("LOG")) ||
                                      str_eq_nocase(event->severity, STR("DEBUG")) ||
                                      str_eq_nocase(event->severity, STR("NOTE"))))
            return;
        text = begin(progress);
        text_add_line(&text, event->severity);
        text_add(&text, STR(": "));
        text_add_line(&text, event->message);
        text_add(&text, STR("\n"));
        say(progress, &text);
        return;
    }
}

static void key_if(JsonWriter *w, const char *key, Str value)
{
    if (value.len > 0)
        json_key_str(w, key, value);
}

static void json_session(JsonWriter *w, const DbSession *session)
{
    key_if(w, "user", session->user);
    key_if(w, "application", session->application);
    key_if(w, "host", session->host);
    key_if(w, "state", session->state);
    key_if(w, "query", session->query);
    if (session->age_us >= 0)
        json_key_double(w, "age_ms", (double)session->age_us / 1000.0);
    key_if(w, "advice", session->advice);
}

static void json_blockers(JsonWriter *w, const Event *event)
{
    key_if(w, "lock", event->lock);
    json_key(w, "blockers");
    json_begin_array(w);
    for (size_t i = 0; i < event->session_count; i++) {
        const DbSession *session = &event->sessions[i];
        int64_t pid;
        json_begin_object(w);
        /* A prepared transaction has none. */
        if (str_to_i64(session->id, &pid))
            json_key_int(w, "pid", pid);
        else
            json_key_str(w, "id", session->id);
        json_session(w, session);
        json_end_object(w);
    }
    json_end_array(w);
    json_key_bool(w, "inferred", event->is_inferred);
    key_if(w, "unseen", event->unseen);
    if (event->queued >= 0)
        json_key_int(w, "queued", event->queued);
    if (event->queued_us >= 0)
        json_key_double(w, "queued_ms", (double)event->queued_us / 1000.0);
    json_key_bool(w, "rolled_back", event->is_rolled_back);
    if (event->is_rolled_back)
        json_key_double(w, "next_attempt_in_ms", (double)event->next_attempt_us / 1000.0);
}

static void json_work(JsonWriter *w, const Event *event)
{
    key_if(w, "phase", event->phase);
    if (event->work_done > 0 || event->work_total > 0) {
        json_key_int(w, "done", event->work_done);
        if (event->work_total > 0)
            json_key_int(w, "of", event->work_total);
        key_if(w, "unit", str_from(event->work_unit));
    }
    if (event->left_us >= 0)
        json_key_double(w, "left_ms", (double)event->left_us / 1000.0);
    if (event->table_bytes >= 0)
        json_key_int(w, "table_bytes", event->table_bytes);
}

static void json_event(Progress *progress, const Event *event)
{
    arena_reset(progress->scratch);
    StrBuf out = strbuf(progress->scratch);
    JsonWriter w = {.out = &out};
    char now[TIMESTAMP_TEXT];
    json_begin_object(&w);
    json_key_text(&w, "event", event_kind_name(event->kind));
    json_key_text(&w, "time", timestamp_iso(clock_now(), now));
    key_if(&w, "version", event->version);
    key_if(&w, "name", event->name);
    if (event->version.len > 0 || event->name.len > 0) {
        json_key_text(&w, "kind", migration_kind_name(event->migration_kind));
        json_key_text(&w, "direction", event->is_down ? "down" : "up");
    }
    if (event->total > 0) {
        json_key_int(&w, "step", (int64_t)event->step);
        json_key_int(&w, "total", (int64_t)event->total);
    }
    if (event->statements > 0) {
        json_key_int(&w, "statement", (int64_t)event->statement);
        json_key_int(&w, "statements", (int64_t)event->statements);
    }
    key_if(&w, "text", event->text);
    key_if(&w, "severity", event->severity);
    key_if(&w, "message", event->message);
    if (event->attempt > 0)
        json_key_int(&w, "attempt", event->attempt);
    if (event->kind == EVENT_STEP_END || event->kind == EVENT_RUN_END || event->duration_us > 0)
        json_key_double(&w, "duration_ms", (double)event->duration_us / 1000.0);
    if (event->elapsed_us > 0)
        json_key_double(&w, "elapsed_ms", (double)event->elapsed_us / 1000.0);
    if (event->kind == EVENT_TABLE_WAIT) {
        json_blockers(&w, event);
    } else if (event->session_count > 0) {
        json_key(&w, "sessions");
        json_begin_array(&w);
        for (size_t i = 0; i < event->session_count; i++) {
            json_begin_object(&w);
            json_key_str(&w, "id", event->sessions[i].id);
            json_session(&w, &event->sessions[i]);
            json_end_object(&w);
        }
        json_end_array(&w);
    }
    if (event->kind == EVENT_PROGRESS)
        json_work(&w, event);
    if (event->error) {
        json_key(&w, "error");
        report_error_json(&w, event->error, NULL);
    }
    json_end_object(&w);
    if (json_finish(&w, NULL))
        progress->write(progress->ctx, strbuf_str(&out));
}

static void emit(void *ctx, const Event *event)
{
    Progress *progress = ctx;
    switch (progress->mode) {
    case PROGRESS_NONE:
        /* Warnings and waits are heard all the same; --quiet is what silences them. */
        if (!progress->is_quiet &&
            (event->kind == EVENT_NOTICE || event->kind == EVENT_NOTE ||
             event->kind == EVENT_SETTLED || event->kind == EVENT_TABLE_WAIT ||
             event->kind == EVENT_LOCK_WAIT))
            line_event(progress, event);
        return;
    case PROGRESS_PLAIN:
    case PROGRESS_BAR:
        line_event(progress, event);
        return;
    case PROGRESS_JSON:
        json_event(progress, event);
        return;
    }
}

EventSink progress_sink(Progress *progress)
{
    return (EventSink){.emit = emit, .ctx = progress};
}

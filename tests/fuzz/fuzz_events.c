/* Fuzzes what a run says on its way, with any bytes in its events: as JSON a line each, as lines, and as the line that is
 * drawn over. SPDX-License-Identifier: Apache-2.0 */
#include "report/report.h"

#include "fuzz.h"
#include "output.h"
#include "taker.h"

typedef struct Judge {
    ProgressMode mode;
    TextLook look;
} Judge;

/* In columns; a style ("\x1b[32m") takes none. */
static size_t shown_width(Str line)
{
    size_t width = 0;
    while (line.len > 0) {
        size_t style = str_find_char(line, '\x1b', 0);
        width += str_width(str_sub(line, 0, style == SIZE_MAX ? line.len : style));
        size_t end = style == SIZE_MAX ? SIZE_MAX : str_find_char(line, 'm', style);
        line = end == SIZE_MAX ? (Str){0} : str_sub(line, end + 1, line.len);
    }
    return width;
}

static void judge(void *ctx, Str text)
{
    const Judge *j = ctx;
    if (j->mode == PROGRESS_JSON) {
        output_require_json(text, true);
        return;
    }
    output_require_text(text, j->look.has_color, j->mode == PROGRESS_BAR);
    /* The line that is drawn over must not reach the next one, or it could not be. */
    if (str_starts(text, STR("\r")) && j->look.columns > 20) {
        Str line = str_sub(text, 1, text.len - 3);
        FUZZ_REQUIRE(str_find_char(line, '\n', 0) == SIZE_MAX);
        FUZZ_REQUIRE(shown_width(line) < j->look.columns);
    }
}

static Event take_event(Taker *t, DbSession *sessions, size_t session_count, const Error *error)
{
    Event event = {
        .kind = (EventKind)take_below(t, EVENT_RUN_END + 1),
        .version = take_text(t),
        .name = take_text(t),
        .migration_kind = (MigrationKind)take_below(t, MIGRATION_BASELINE + 1),
        .is_down = take_bool(t),
        .step = take_byte(t),
        .total = take_byte(t),
        .statement = take_byte(t),
        .statements = take_byte(t),
        .text = take_text(t),
        .message = take_text(t),
        .severity = take_text(t),
        .attempt = take_byte(t),
        .duration_us = take_number(t),
        .elapsed_us = take_number(t) & INT64_MAX, /* of a clock that never goes back */
        .sessions = sessions,
    };
    event.session_count = take_below(t, (unsigned)session_count + 1);
    for (size_t i = 0; i < event.session_count; i++)
        sessions[i] = (DbSession){.id = take_text(t),
                                  .user = take_text(t),
                                  .application = take_text(t),
                                  .host = take_text(t),
                                  .state = take_text(t),
                                  .query = take_text(t),
                                  .age_us = take_number(t)};
    if (take_bool(t))
        event.error = error;
    return event;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    scoped(Arena *, arena_freep) arena = arena_new();
    FUZZ_REQUIRE(arena);
    Taker taker = {data, size}, *t = &taker;
    Judge j = {
        .mode = (ProgressMode)take_below(t, PROGRESS_JSON + 1),
        .look = {.has_color = take_bool(t), .is_unicode = take_bool(t), .columns = take_byte(t)}};
    Error error = {.arena = arena, .kind = ERROR_SQL};
    error.message = take_z(t, arena);
    error.detail = take_z(t, arena);
    Progress progress;
    FUZZ_REQUIRE(progress_init(&progress, j.mode, j.look, judge, &j));
    progress.is_verbose = take_bool(t);
    progress.is_quiet = take_bool(t);
    EventSink sink = progress_sink(&progress);
    for (unsigned i = 0; i < 20 && t->left > 0; i++) {
        DbSession sessions[3];
        Event event = take_event(t, sessions, 3, &error);
        sink.emit(sink.ctx, &event);
        progress_tick(&progress);
    }
    progress_clear(&progress);
    progress_done(&progress);
    return 0;
}

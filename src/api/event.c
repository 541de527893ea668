/* Events of run/, handed to the program's callback. SPDX-License-Identifier: Apache-2.0 */
#include "api/handle.h"

static WhimbrelEventKind event_kind_of(EventKind kind)
{
    switch (kind) {
    case EVENT_RUN_BEGIN:
        return WHIMBREL_EVENT_RUN_BEGIN;
    case EVENT_LOCK_WAIT:
        return WHIMBREL_EVENT_LOCK_WAIT;
    case EVENT_STEP_BEGIN:
        return WHIMBREL_EVENT_STEP_BEGIN;
    case EVENT_STATEMENT:
        return WHIMBREL_EVENT_STATEMENT;
    case EVENT_PROGRESS:
        return WHIMBREL_EVENT_PROGRESS;
    case EVENT_TABLE_WAIT:
        return WHIMBREL_EVENT_TABLE_WAIT;
    case EVENT_STEP_END:
        return WHIMBREL_EVENT_STEP_END;
    case EVENT_STEP_FAILED:
        return WHIMBREL_EVENT_STEP_FAILED;
    case EVENT_SETTLED:
        return WHIMBREL_EVENT_SETTLED;
    case EVENT_INDEX_REBUILT:
        return WHIMBREL_EVENT_INDEX_REBUILT;
    case EVENT_HOOK:
        return WHIMBREL_EVENT_HOOK;
    case EVENT_SEED:
        return WHIMBREL_EVENT_SEED;
    case EVENT_NOTICE:
        return WHIMBREL_EVENT_NOTICE;
    case EVENT_NOTE:
        return WHIMBREL_EVENT_NOTE;
    case EVENT_RUN_END:
        return WHIMBREL_EVENT_RUN_END;
    }
    return WHIMBREL_EVENT_NOTE;
}

const char *whimbrel_event_kind_name(WhimbrelEventKind kind)
{
    for (int own = EVENT_RUN_BEGIN; own <= EVENT_RUN_END; own++)
        if (event_kind_of((EventKind)own) == kind)
            return event_kind_name((EventKind)own);
    return "unknown";
}

void deliver_event(void *ctx, const Event *event)
{
    Whimbrel *whimbrel = ctx;
    if (!whimbrel->options.event)
        return;
    /* A text for which there is no memory is left out: the run is worth more than its telling. */
    Arena *arena = whimbrel->event_arena;
    bool has_failed = false, is_of_migration = event->version.len > 0 || event->name.len > 0;
    WhimbrelError error;
    WhimbrelEvent out = {
        .size = sizeof out,
        .kind = event_kind_of(event->kind),
        .version = is_of_migration ? z(arena, event->version, &has_failed) : NULL,
        .name = is_of_migration ? z(arena, event->name, &has_failed) : NULL,
        .migration_kind = migration_kind_of(event->migration_kind),
        .is_down = event->is_down,
        .step = event->step,
        .total = event->total,
        .statement = event->statement,
        .statements = event->statements,
        .text = z_or_null(arena, event->text, &has_failed),
        .message = z_or_null(arena, event->message, &has_failed),
        .severity = z_or_null(arena, event->severity, &has_failed),
        .attempt = event->attempt,
        .duration_ms = (double)event->duration_us / 1000,
        .elapsed_ms = (double)event->elapsed_us / 1000,
    };
    if (event->kind == EVENT_PROGRESS) {
        out.phase = z_or_null(arena, event->phase, &has_failed);
        out.work_unit = event->work_unit;
        out.work_done = event->work_done;
        out.work_total = event->work_total;
        out.left_ms = event->left_us < 0 ? -1 : (double)event->left_us / 1000;
    }
    if (event->error) {
        error_fill(event->error, out.version, &error);
        out.error = &error;
    }
    if (event->session_count > 0) {
        const DbSession *holder = &event->sessions[0];
        out.holder_id = z_or_null(arena, holder->id, &has_failed);
        out.holder_user = z_or_null(arena, holder->user, &has_failed);
        out.holder_application = z_or_null(arena, holder->application, &has_failed);
        out.holder_query = z_or_null(arena, holder->query, &has_failed);
    }
    whimbrel->options.event(whimbrel->options.context, &out);
    arena_reset(arena);
}

void deliver_notice(void *ctx, Str severity, Str message)
{
    const Event event = {.kind = EVENT_NOTICE, .severity = severity, .message = message};
    deliver_event(ctx, &event);
}

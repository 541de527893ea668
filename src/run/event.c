/* Events: what a run says on its way. SPDX-License-Identifier: Apache-2.0 */
#include "run/work.h"

const char *event_kind_name(EventKind kind)
{
    switch (kind) {
    case EVENT_RUN_BEGIN:
        return "run-begin";
    case EVENT_LOCK_WAIT:
        return "lock-wait";
    case EVENT_STEP_BEGIN:
        return "step-begin";
    case EVENT_STATEMENT:
        return "statement";
    case EVENT_PROGRESS:
        return "progress";
    case EVENT_TABLE_WAIT:
        return "table-wait";
    case EVENT_STEP_END:
        return "step-end";
    case EVENT_STEP_FAILED:
        return "step-failed";
    case EVENT_SETTLED:
        return "settled";
    case EVENT_INDEX_REBUILT:
        return "index-rebuilt";
    case EVENT_HOOK:
        return "hook";
    case EVENT_SEED:
        return "seed";
    case EVENT_NOTICE:
        return "notice";
    case EVENT_NOTE:
        return "note";
    case EVENT_RUN_END:
        return "run-end";
    }
    return "event";
}

void event_emit(const Runner *runner, const Event *event)
{
    if (runner->sink.emit)
        runner->sink.emit(runner->sink.ctx, event);
}

void event_note(const Runner *runner, const char *message)
{
    if (!message)
        return;
    Event event = {.kind = EVENT_NOTE, .message = str_from(message)};
    event_emit(runner, &event);
}

Event event_of_step(const Run *run, EventKind kind, uint32_t step)
{
    Event event = {.kind = kind,
                   .total = run->plan.steps.len,
                   .queued = -1,
                   .queued_us = -1,
                   .work_unit = "",
                   .left_us = -1,
                   .table_bytes = -1};
    if (step == NO_STEP || step >= run->plan.steps.len)
        return event;
    const PlanStep *plan_step = &run->plan.steps.items[step];
    event.version = step_version(plan_step);
    event.name = step_name(plan_step);
    event.migration_kind = plan_step->migration_kind;
    event.is_down = step_is_down(plan_step);
    event.step = (size_t)step + 1;
    event.statements = plan_step->script ? plan_step->script->statements : 0;
    return event;
}

bool step_is_down(const PlanStep *step)
{
    return step->kind == STEP_DOWN;
}

const char *step_label(Arena *arena, const PlanStep *step)
{
    const char *label =
        migration_label(arena, step_version(step), step_name(step), step->migration_kind);
    return label ? label : "the migration";
}

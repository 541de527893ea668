/* A plan, for people and as JSON. SPDX-License-Identifier: Apache-2.0 */
#include "report/report.h"

static void add_count(Text *text, bool *is_first, size_t count, const char *one, const char *many)
{
    if (count == 0)
        return;
    text_addf(text, "%s%zu %s", *is_first ? "" : ", ", count, count == 1 ? one : many);
    *is_first = false;
}

static void add_head(Text *text, const ReportPlace *place, const Plan *plan)
{
    size_t up = 0, down = 0, repeatable = 0, skip = 0;
    for (size_t i = 0; i < plan->steps.len; i++) {
        switch (plan->steps.items[i].kind) {
        case STEP_UP:
            up++;
            break;
        case STEP_DOWN:
            down++;
            break;
        case STEP_REPEATABLE:
            repeatable++;
            break;
        case STEP_SKIP:
            skip++;
            break;
        }
    }
    bool is_first = true;
    add_count(text, &is_first, down, "migration to roll back", "migrations to roll back");
    add_count(text, &is_first, up, "migration", "migrations");
    add_count(text, &is_first, repeatable, "repeatable", "repeatables");
    add_count(text, &is_first, skip, "to skip on this engine", "to skip on this engine");
    if (plan->transactions + plan->lone_statements > 0) {
        text_adds(text, ", in ");
        is_first = true;
        add_count(text, &is_first, plan->transactions, "transaction", "transactions");
        if (plan->lone_statements > 0)
            text_addf(text, "%s%u lone statement%s", is_first ? "" : " and ",
                      (unsigned)plan->lone_statements, plan->lone_statements == 1 ? "" : "s");
    }
    text_adds(text, ", on ");
    text_add_line(text, str_from(place->database));
    text_addf(text, " (%s %s)\n", place->engine_title, place->version);
}

static const char *step_word(const PlanStep *step)
{
    switch (step->kind) {
    case STEP_UP:
        return step->is_fake ? "record as applied" : step->resume_at > 0 ? "go on" : "up";
    case STEP_DOWN:
        return step->is_fake ? "record as not applied" : "down";
    case STEP_REPEATABLE:
        return step->is_fake ? "record as applied" : step->row ? "run again" : "repeatable";
    case STEP_SKIP:
        return "skip: not for this engine";
    }
    return "";
}

static void add_segment(Text *text, const Segment *segment, const ReportStatementVec *statements,
                        size_t limit)
{
    text_pad(text, 4);
    if (segment->kind == SEGMENT_TRANSACTION)
        text_adds(text, "in one transaction");
    else if (segment->is_implicit_commit)
        text_adds(text, "one by one (each commits by itself)");
    else
        text_adds(text, segment->count == 1 ? "alone" : "one by one, outside a transaction");
    char took[DURATION_TEXT];
    if (segment->directives->lock_timeout_ms >= 0)
        text_addf(text, ", lock timeout %s",
                  duration_human(segment->directives->lock_timeout_ms * 1000, took));
    if (segment->directives->statement_timeout_ms >= 0)
        text_addf(text, ", statement timeout %s",
                  duration_human(segment->directives->statement_timeout_ms * 1000, took));
    text_add(text, STR("\n"));
    size_t shown = 0;
    for (size_t i = 0; statements && i < statements->len; i++) {
        const ReportStatement *statement = &statements->items[i];
        uint32_t index = statement->index - 1;
        if (index < segment->first || index >= segment->first + segment->count)
            continue;
        if (limit > 0 && shown == limit) {
            text_addf(text, "           %s and %u more (-v shows all)\n", text_ellipsis(text),
                      (unsigned)(segment->count - (uint32_t)shown));
            return;
        }
        text_style(text, STYLE_DIM);
        text_addf(text, "    %5u  ", (unsigned)statement->line);
        text_style(text, STYLE_PLAIN);
        text_add_line(text, statement->summary);
        text_add(text, STR("\n"));
        shown++;
    }
}

void report_plan(Text *text, const ReportPlace *place, const Plan *plan, const ReportSteps *steps)
{
    for (size_t i = 0; i < plan->problems.len; i++)
        report_problem(text, &plan->problems.items[i],
                       plan->problems.items[i].stops ? "problem" : "note");
    if (plan->stops)
        return;
    if (plan->steps.len == 0) {
        text_adds(text, "Nothing to do: the database is ");
        if (plan->overview.current.len > 0)
            text_addf(text, "at %.*s", STR_ARG(plan->overview.current));
        else
            text_adds(text, "before the first migration");
        text_addf(text, "%s.\n", plan->overview.state == OVERALL_UP_TO_DATE ? ", up to date" : "");
        return;
    }
    add_head(text, place, plan);
    for (size_t i = 0; i < plan->steps.len; i++) {
        const PlanStep *step = &plan->steps.items[i];
        const char *label = migration_label(text->buf.arena, step_version(step), step_name(step),
                                            step->migration_kind);
        if (!label) {
            text->buf.has_failed = true;
            return;
        }
        text_add(text, STR("\n"));
        text_pad(text, 2);
        size_t width = text_width(str_from(label));
        text_styled(text, STYLE_BOLD, str_from(label));
        text_pad(text, width < 60 ? 60 - width : 0);
        text_addf(text, "  %s", step_word(step));
        if (step->kind == STEP_DOWN && step->is_stored_down)
            text_adds(text, ", by the down kept in history");
        else if (step->kind == STEP_UP && step->migration && migration_has_down(step->migration))
            text_adds(text, ", reversible");
        if (step->resume_at > 0)
            text_addf(text, " at statement %u", (unsigned)step->resume_at + 1);
        text_add(text, STR("\n"));
        if (step->is_fake || step->kind == STEP_SKIP)
            continue;
        for (size_t s = 0; s < step->segments.len; s++)
            add_segment(text, &step->segments.items[s], steps ? &steps->items[i] : NULL,
                        steps ? steps->limit : 0);
    }
    text_add(text, STR("\n"));
    text_adds(text, "Afterwards the database is ");
    if (plan->target.len > 0)
        text_addf(text, "at %.*s.\n", STR_ARG(plan->target));
    else
        text_adds(text, "before the first migration.\n");
}

static const char *step_kind_name(StepKind kind)
{
    switch (kind) {
    case STEP_UP:
        return "up";
    case STEP_DOWN:
        return "down";
    case STEP_REPEATABLE:
        return "repeatable";
    case STEP_SKIP:
        return "skip";
    }
    return NULL;
}

static void step_json(JsonWriter *w, const PlanStep *step, const ReportStatementVec *statements)
{
    json_begin_object(w);
    json_key(w, "version");
    if (step->migration_kind == MIGRATION_REPEATABLE)
        json_null_value(w);
    else
        json_str(w, step_version(step));
    json_key_str(w, "name", step_name(step));
    json_key_text(w, "kind", migration_kind_name(step->migration_kind));
    json_key_text(w, "direction", step_kind_name(step->kind));
    json_key_text(w, "path", step->script ? step->script->path : NULL);
    json_key_bool(w, "stored_down", step->is_stored_down);
    json_key_bool(w, "fake", step->is_fake);
    json_key_bool(w, "journaled", step->is_journaled);
    json_key_int(w, "resume_at", step->resume_at > 0 ? (int64_t)step->resume_at + 1 : 0);
    json_key(w, "segments");
    json_begin_array(w);
    for (size_t s = 0; s < step->segments.len; s++) {
        const Segment *segment = &step->segments.items[s];
        json_begin_object(w);
        json_key_text(w, "kind", segment->kind == SEGMENT_TRANSACTION ? "transaction" : "lone");
        json_key_bool(w, "implicit_commit", segment->is_implicit_commit);
        json_key_int(w, "line", segment->line);
        json_key_int(w, "count", segment->count);
        json_key(w, "statements");
        json_begin_array(w);
        for (size_t i = 0; statements && i < statements->len; i++) {
            const ReportStatement *statement = &statements->items[i];
            if (statement->index - 1 < segment->first ||
                statement->index - 1 >= segment->first + segment->count)
                continue;
            json_begin_object(w);
            json_key_int(w, "index", statement->index);
            json_key_int(w, "line", statement->line);
            json_key_str(w, "text", statement->summary);
            json_end_object(w);
        }
        json_end_array(w);
        json_end_object(w);
    }
    json_end_array(w);
    json_end_object(w);
}

void report_plan_json(JsonWriter *w, const ReportPlace *place, const Plan *plan,
                      const ReportSteps *steps, const char *digest)
{
    json_begin_object(w);
    report_place_json(w, place);
    json_key_text(w, "state", overall_state_name(plan->overview.state));
    json_key(w, "current");
    if (plan->overview.current.len > 0)
        json_str(w, plan->overview.current);
    else
        json_null_value(w);
    json_key(w, "target");
    if (plan->target.len > 0)
        json_str(w, plan->target);
    else
        json_null_value(w);
    json_key_text(w, "digest", digest);
    json_key_int(w, "transactions", plan->transactions);
    json_key_int(w, "lone_statements", plan->lone_statements);
    json_key(w, "steps");
    json_begin_array(w);
    for (size_t i = 0; i < plan->steps.len; i++)
        step_json(w, &plan->steps.items[i], steps ? &steps->items[i] : NULL);
    json_end_array(w);
    json_key(w, "problems");
    json_begin_array(w);
    for (size_t i = 0; i < plan->problems.len; i++)
        report_problem_json(w, &plan->problems.items[i]);
    json_end_array(w);
    json_key_null(w, "error");
    json_end_object(w);
}

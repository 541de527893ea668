/* Fuzzes what is printed: errors, status, plans and results whose every text is any bytes. SPDX-License-Identifier: Apache-2.0
 *
 * JSON is always JSON, and text for people holds nothing that a terminal would obey but our own colours. */
#include "report/report.h"

#include "fuzz.h"
#include "output.h"
#include "taker.h"

enum { MOST = 6 };

static Error take_error(Taker *t, Arena *arena)
{
    Error err = {.arena = arena, .kind = (ErrorKind)(1 + take_below(t, ERROR_UNSUPPORTED))};
    err.code = take_bool(t) ? "a-code" : NULL;
    err.pos = (SourcePos){.file = take_z(t, arena),
                          .line = (uint32_t)take_number(t),
                          .column = (uint32_t)take_number(t)};
    err.message = take_z(t, arena);
    err.detail = take_z(t, arena);
    err.hint = take_z(t, arena);
    err.server_hint = take_z(t, arena);
    err.excerpt = take_z(t, arena);
    err.excerpt_column = take_byte(t);
    err.excerpt_width = take_byte(t);
    err.statement = take_z(t, arena);
    Str state = take_text(t);
    for (size_t i = 0; i < state.len && i < sizeof err.sqlstate - 1; i++)
        err.sqlstate[i] = state.ptr[i];
    err.server_code = (int)take_number(t);
    return err;
}

static Problem take_problem(Taker *t, Arena *arena)
{
    return (Problem){
        .code = "a-code",
        .version = take_text(t),
        .name = take_text(t),
        .pos = {.file = take_z(t, arena), .line = (uint32_t)take_number(t)},
        .message = take_z(t, arena),
        .detail = take_z(t, arena),
        .hint = take_z(t, arena),
        .stops = take_bool(t),
    };
}

static HistoryRow *take_history_row(Taker *t, Arena *arena)
{
    HistoryRow *row = arena_alloc(arena, sizeof *row);
    FUZZ_REQUIRE(row);
    *row = (HistoryRow){
        .version = take_text(t),
        .name = take_text(t),
        .kind = (MigrationKind)take_below(t, MIGRATION_BASELINE + 1),
        .outcome = (HistoryOutcome)take_below(t, HISTORY_DELETED + 1),
        .checksum = take_text(t),
        .done = (uint32_t)take_number(t),
        .total = (uint32_t)take_number(t),
        .has_journal = take_bool(t),
        .is_fate_unknown = take_bool(t),
        .finished_at = (Timestamp)take_number(t),
        .duration_us = take_number(t),
        .applied_by = take_text(t),
        .run = take_number(t),
        .failure = take_z(t, arena),
    };
    return row;
}

static Script *take_script(Taker *t, Arena *arena)
{
    Script *script = arena_alloc(arena, sizeof *script);
    const char *path = take_z(t, arena);
    FUZZ_REQUIRE(script);
    *script = (Script){.path = path ? path : "x.sql", .checksum = take_text(t)};
    return script;
}

static Migration *take_migration(Taker *t, Arena *arena)
{
    Migration *migration = arena_alloc(arena, sizeof *migration);
    FUZZ_REQUIRE(migration);
    *migration = (Migration){.version = take_text(t),
                             .name = take_text(t),
                             .up = take_script(t, arena),
                             .down = take_bool(t) ? take_script(t, arena) : NULL};
    return migration;
}

static StateRow take_state_row(Taker *t, Arena *arena)
{
    StateRow row = {
        .version = take_text(t),
        .name = take_text(t),
        .kind = (MigrationKind)take_below(t, MIGRATION_BASELINE + 1),
        .state = (MigrationState)take_below(t, STATE_BASELINED + 1),
        .has_new_name = take_bool(t),
        .has_new_bytes = take_bool(t),
    };
    if (take_bool(t))
        row.migration = take_migration(t, arena);
    bool wants_row = row.state == STATE_FAILED || row.state == STATE_PARTIAL;
    if (wants_row || take_bool(t))
        row.row = take_history_row(t, arena);
    return row;
}

static Overview take_overview(Taker *t, Arena *arena)
{
    Overview overview = {.state = (OverallState)take_below(t, OVERALL_DIVERGED + 1),
                         .current = take_text(t),
                         .head = take_text(t)};
    for (unsigned count = take_below(t, MOST); count > 0; count--) {
        StateRow row = take_state_row(t, arena);
        FUZZ_REQUIRE(vec_push(arena, &overview.rows, row));
    }
    return overview;
}

static PlanStep take_step(Taker *t, Arena *arena, ReportStatementVec *statements)
{
    Migration *migration = arena_alloc(arena, sizeof *migration);
    FUZZ_REQUIRE(migration);
    *migration = (Migration){.version = take_text(t), .name = take_text(t)};
    PlanStep step = {
        .kind = (StepKind)take_below(t, STEP_SKIP + 1),
        .migration = migration,
        .migration_kind = (MigrationKind)take_below(t, MIGRATION_BASELINE + 1),
        .is_stored_down = take_bool(t),
        .is_fake = take_bool(t),
        .resume_at = take_byte(t),
        .script = take_script(t, arena),
    };
    Segment segment = {.kind = (SegmentKind)take_below(t, SEGMENT_LONE + 1),
                       .first = take_below(t, 3),
                       .count = 1 + take_below(t, 5),
                       .directives = directives_nothing()};
    SegmentVec segments = {0};
    FUZZ_REQUIRE(vec_push(arena, &segments, segment));
    step.segments = (SegmentList){segments.items, (uint32_t)segments.len};
    for (uint32_t i = 0; i < segment.count; i++) {
        ReportStatement statement = {.index = segment.first + i + 1,
                                     .line = (uint32_t)take_number(t),
                                     .summary = take_text(t)};
        FUZZ_REQUIRE(vec_push(arena, statements, statement));
    }
    return step;
}

static RunResult take_result(Taker *t, Arena *arena)
{
    RunResult result = {.run = take_number(t),
                        .duration_us = take_number(t),
                        .state = (OverallState)take_below(t, OVERALL_DIVERGED + 1),
                        .current = take_text(t),
                        .is_dry_run = take_bool(t),
                        .failed_version = take_text(t),
                        .failed_name = take_text(t),
                        .failed_path = take_z(t, arena)};
    for (unsigned count = take_below(t, MOST); count > 0; count--) {
        RunItem item = {.version = take_text(t), .name = take_text(t)};
        RunItemVec *items = take_bool(t) ? &result.applied : &result.rolled_back;
        StrVec *sentences = take_bool(t) ? &result.holds : &result.next;
        Str sentence = take_text(t);
        FUZZ_REQUIRE(vec_push(arena, items, item) && vec_push(arena, sentences, sentence));
    }
    return result;
}

static Str json_of(JsonWriter *w, StrBuf *out)
{
    Str json;
    FUZZ_REQUIRE(json_finish(w, NULL) && strbuf_finish(out, &json));
    return json;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    scoped(Arena *, arena_freep) arena = arena_new();
    FUZZ_REQUIRE(arena);
    Taker taker = {data, size}, *t = &taker;
    TextLook look = {
        .has_color = take_bool(t), .is_unicode = take_bool(t), .columns = take_byte(t)};
    unsigned what = take_below(t, 4), indent = take_below(t, 2) * 2;
    StrBuf out = strbuf(arena);
    JsonWriter w = {.out = &out, .indent = indent};
    Text text = text_new(arena, look);
    const char *database = take_z(t, arena), *user = take_z(t, arena);
    ReportPlace place = {.engine = "postgres",
                         .engine_title = "PostgreSQL",
                         .version = "15.1",
                         .database = database ? database : "",
                         .place = user ? user : "",
                         .convention = "whimbrel"};
    Error err = take_error(t, arena);
    RunResult result = take_result(t, arena);
    switch (what) {
    case 0:
        report_error(&text, &err, take_bool(t) ? &result : NULL);
        report_result_json(&w, &result, take_bool(t) ? &err : NULL);
        break;
    case 1: {
        Overview overview = take_overview(t, arena);
        bool only_pending = take_bool(t);
        report_status(&text, &place, &overview, only_pending);
        report_status_json(&w, &place, &overview, only_pending);
        break;
    }
    case 2: {
        Plan plan = {.overview = take_overview(t, arena), .target = take_text(t)};
        ReportStatementVec statements[MOST] = {0};
        for (unsigned i = 0, count = take_below(t, MOST); i < count; i++) {
            PlanStep step = take_step(t, arena, &statements[i]);
            FUZZ_REQUIRE(vec_push(arena, &plan.steps, step));
        }
        for (unsigned count = take_below(t, MOST); count > 0; count--) {
            Problem problem = take_problem(t, arena);
            FUZZ_REQUIRE(vec_push(arena, &plan.problems, problem));
        }
        ReportSteps steps = {.items = statements, .limit = take_below(t, 4)};
        report_plan(&text, &place, &plan, &steps);
        report_plan_json(&w, &place, &plan, &steps, take_z(t, arena));
        break;
    }
    default:
        report_result(&text, &result, take_bool(t));
        report_result_json(&w, &result, NULL);
    }
    output_require_json(json_of(&w, &out), indent == 0);
    FUZZ_REQUIRE(!text.buf.has_failed);
    output_require_text(text_str(&text), look.has_color, false);
    return 0;
}

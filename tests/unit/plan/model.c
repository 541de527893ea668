/* Random histories. SPDX-License-Identifier: Apache-2.0
 *
 * The model keeps two books. `fact` is what is truly in the database: which statements of a version's up or down have run.
 * The rows are what the history says, written as run/ writes them. Plans see the rows alone, and every step is held against
 * the facts: nothing runs twice, nothing is undone that is not there, nothing below a baseline moves. */
#include "model.h"

#include <stdio.h>
#include <stdlib.h>

#include "world.h"

enum { VERSIONS = 9, REPEATABLES = 2, SLOTS = VERSIONS + REPEATABLES };

typedef enum Fact { ABSENT, WHOLE, PART_UP, PART_DOWN } Fact;

typedef struct Slot {
    bool has_up, has_down, is_baseline;
    unsigned revision, spacing; /* tokens and bytes of the up */
    const char *up, *down;      /* statements, in the letters of world.c */
    Phase phase;
    bool is_excluded;
    unsigned required; /* a version from 1; 0: none */
    Fact fact;
    uint32_t fact_done;
    /* made for the plan */
    Script *up_script, *down_script;
} Slot;

typedef struct Row {
    unsigned slot;
    MigrationKind kind;
    HistoryOutcome outcome;
    unsigned revision, spacing;
    const char *stored_down; /* NULL: none */
    uint32_t done, total;
    bool has_journal, is_fate_unknown;
    int64_t run, rank;
} Row;

typedef struct Model {
    Arena *arena;
    Chooser *chooser;
    StrBuf *trace;
    const char *broken; /* NULL: all is well */
    PlanPolicy policy;
    bool is_mysql, stores_down;
    Slot slots[SLOTS];
    Row rows[SLOTS];
    size_t row_count;
    int64_t run, rank;
    MigrationSet set;
    History history;
} Model;

/* ---- decisions --------------------------------------------------------------------------------- */

static unsigned choose(Chooser *c, unsigned count)
{
    if (c->is_bytes)
        return c->at < c->len ? c->bytes[c->at++] % count : 0;
    /* xorshift64*: any decent generator will do, this one needs no library */
    c->state ^= c->state >> 12;
    c->state ^= c->state << 25;
    c->state ^= c->state >> 27;
    return (unsigned)((c->state * 0x2545F4914F6CDD1DULL) >> 33) % count;
}

static bool chance(Model *m, unsigned one_in)
{
    return choose(m->chooser, one_in) == one_in - 1;
}

static void broken(Model *m, const char *fmt, ...) PRINTF_LIKE(2, 3);
static void broken(Model *m, const char *fmt, ...)
{
    if (m->broken)
        return;
    StrBuf text = strbuf(m->arena);
    Str whole;
    va_list args;
    va_start(args, fmt);
    strbuf_addv(&text, fmt, args);
    va_end(args);
    m->broken = strbuf_finish(&text, &whole) ? whole.ptr : "out of memory";
}

static void tell(Model *m, const char *fmt, ...) PRINTF_LIKE(2, 3);
static void tell(Model *m, const char *fmt, ...)
{
    va_list args;
    if (!m->trace)
        return;
    va_start(args, fmt);
    strbuf_addv(m->trace, fmt, args);
    va_end(args);
}

/* ---- the plan's view --------------------------------------------------------------------------- */

static bool is_repeatable(unsigned slot)
{
    return slot >= VERSIONS;
}

static Str slot_version(const Model *m, unsigned slot)
{
    if (is_repeatable(slot))
        return (Str){0};
    return str_from(str_format(m->arena, "%u", slot + 1));
}

static Str slot_name(const Model *m, unsigned slot)
{
    return str_from(str_format(m->arena, "%c", 'a' + (int)slot));
}

static unsigned slot_of(Str version, Str name)
{
    uint64_t number;
    if (version.len > 0 && str_to_u64(version, &number))
        return (unsigned)number - 1;
    return (unsigned)(name.ptr[0] - 'a');
}

static Str digest(const Model *m, unsigned revision, unsigned spacing)
{
    return str_from(str_format(m->arena, "r%us%u", revision, spacing));
}

static void add_file(Model *m, unsigned i)
{
    Slot *slot = &m->slots[i];
    Migration migration = {.version = slot_version(m, i), .name = slot_name(m, i)};
    if (!slot->has_up && !slot->has_down)
        return;
    migration.kind = is_repeatable(i)                    ? MIGRATION_REPEATABLE
                     : slot->is_baseline && slot->has_up ? MIGRATION_BASELINE
                                                         : MIGRATION_VERSIONED;
    slot->up_script = slot->down_script = NULL;
    if (slot->has_up) {
        Script *up =
            world_script(m->arena, "up.sql", str_from(slot->up), digest(m, slot->revision, 0));
        up->checksum = digest(m, slot->revision, slot->spacing);
        Directives head = directives_none();
        head.phase = slot->phase;
        if (slot->is_excluded && !vec_push(m->arena, &head.engines, STR("oracle")))
            broken(m, "out of memory");
        if (slot->required > 0 &&
            !vec_push(m->arena, &head.required, slot_version(m, slot->required - 1)))
            broken(m, "out of memory");
        up->head = world_directives(m->arena, &head);
        migration.up = slot->up_script = up;
    }
    if (slot->has_down)
        migration.down = slot->down_script =
            world_script(m->arena, "down.sql", str_from(slot->down), STR("d"));
    if (!vec_push(m->arena, &m->set.migrations, migration))
        broken(m, "out of memory");
}

/* What a plan is made from, as of now. */
static void look(Model *m)
{
    Error err = {.arena = m->arena};
    m->set = (MigrationSet){0};
    m->history = (History){.exists = true, .last_run = m->run};
    for (unsigned i = 0; i < SLOTS; i++)
        add_file(m, i);
    if (!migration_set_finish(&m->set, &err))
        broken(m, "%s", err.message);
    for (size_t i = 0; i < m->row_count; i++) {
        const Row *row = &m->rows[i];
        HistoryRow out = {.version = slot_version(m, row->slot),
                          .name = slot_name(m, row->slot),
                          .kind = row->kind,
                          .outcome = row->outcome,
                          .tokens = digest(m, row->revision, 0),
                          .checksum = digest(m, row->revision, row->spacing),
                          .done = row->done,
                          .total = row->total,
                          .has_journal = row->has_journal,
                          .is_fate_unknown = row->is_fate_unknown,
                          .started_at = TIMESTAMP_UNKNOWN,
                          .finished_at = TIMESTAMP_UNKNOWN,
                          .run = row->run,
                          .rank = row->rank,
                          .has_down_text = row->stored_down != NULL};
        if (!vec_push(m->arena, &m->history.rows, out))
            broken(m, "out of memory");
    }
}

static Row *find_row(Model *m, unsigned slot)
{
    for (size_t i = 0; i < m->row_count; i++) {
        if (m->rows[i].slot == slot)
            return &m->rows[i];
    }
    return NULL;
}

static void remove_row(Model *m, unsigned slot)
{
    Row *row = find_row(m, slot);
    if (!row)
        return;
    size_t at = (size_t)(row - m->rows);
    memmove(row, row + 1, (m->row_count - at - 1) * sizeof *row);
    m->row_count--;
}

/* The row of a slot, new at the end if there is none. */
static Row *make_row(Model *m, unsigned slot)
{
    Row *row = find_row(m, slot);
    if (!row) {
        row = &m->rows[m->row_count++];
        *row = (Row){.slot = slot, .rank = ++m->rank};
    }
    return row;
}

static void row_is_of_file(Model *m, Row *row)
{
    const Slot *slot = &m->slots[row->slot];
    row->revision = slot->revision;
    row->spacing = slot->spacing;
    row->kind = is_repeatable(row->slot) ? MIGRATION_REPEATABLE
                : slot->is_baseline      ? MIGRATION_BASELINE
                                         : MIGRATION_VERSIONED;
    row->stored_down = m->stores_down && slot->has_down ? slot->down : NULL;
    row->run = m->run;
}

/* ---- carrying out ------------------------------------------------------------------------------ */

/* When this run dies: after so many statements more; UINT_MAX: never. */
typedef struct Doom {
    unsigned countdown;
    /* 0: the server refuses a statement; 1: killed before it took effect; 2: after */
    unsigned manner;
} Doom;

static bool is_control(const Script *script, uint32_t statement)
{
    for (size_t i = 0; i < script->parts.len; i++) {
        const ScriptPart *part = &script->parts.items[i];
        if (statement < part->first || statement >= part->first + part->count)
            continue;
        return part->class == PART_BEGIN || part->class == PART_COMMIT ||
               part->class == PART_ROLLBACK || part->class == PART_AUTOCOMMIT ||
               part->class == PART_TABLE_LOCK;
    }
    return true;
}

/* Every statement from resume_at on once and in order. */
static void check_cover(Model *m, const Script *script, const SegmentList *segments,
                        uint32_t resume_at)
{
    uint32_t next = resume_at;
    for (size_t i = 0; i < segments->len; i++) {
        const Segment *segment = &segments->items[i];
        for (uint32_t k = 0; k < segment->count; k++, next++) {
            while (next < script->statements && is_control(script, next))
                next++;
            if (segment->first + k != next)
                broken(m, "segments miss or repeat statement %u", next);
        }
    }
    while (next < script->statements && is_control(script, next))
        next++;
    if (next != script->statements)
        broken(m, "segments end before statement %u of %u", next, script->statements);
}

/* False: the run died in it. row NULL: not journaled. */
static bool run_segments(Model *m, Slot *slot, Row *row, const SegmentList *segments,
                         uint32_t statements, Doom *doom)
{
    for (size_t i = 0; i < segments->len; i++) {
        const Segment *segment = &segments->items[i];
        if (segment->kind == SEGMENT_TRANSACTION) {
            if (doom->countdown < segment->count)
                return false;
            doom->countdown -= segment->count;
            slot->fact_done = segment->first + segment->count;
            if (row)
                row->done = slot->fact_done;
            continue;
        }
        for (uint32_t k = 0; k < segment->count; k++) {
            if (doom->countdown == 0) {
                slot->fact_done = segment->first + k + (doom->manner == 2);
                if (row) {
                    row->done = segment->first + k;
                    row->is_fate_unknown = doom->manner > 0;
                } else {
                    broken(m, "a lone statement without a journal");
                }
                return false;
            }
            doom->countdown--;
            slot->fact_done = segment->first + k + 1;
            if (row)
                row->done = slot->fact_done;
        }
    }
    slot->fact_done = statements;
    return true;
}

static void check_up(Model *m, const PlanStep *step, unsigned i)
{
    const Slot *slot = &m->slots[i];
    if ((step->row != NULL) != (find_row(m, i) != NULL))
        broken(m, "the plan is wrong about whether %u has a row by then", i + 1);
    if (is_repeatable(i))
        return;
    if (step->is_resumed && !step->is_fake) {
        if (slot->fact != PART_UP || slot->fact_done != step->resume_at)
            broken(m, "%u goes on at %u, but %u have run", i + 1, step->resume_at, slot->fact_done);
    } else if (!step->is_resumed && slot->fact != ABSENT) {
        broken(m, "%u is applied a second time", i + 1);
    }
    if (slot->is_excluded)
        broken(m, "%u is not for this engine", i + 1);
    const Slot *required = slot->required > 0 ? &m->slots[slot->required - 1] : NULL;
    if (required && !slot->is_baseline && !step->is_resumed && required->fact != WHOLE &&
        !required->is_excluded && !required->is_baseline)
        broken(m, "%u runs before %u, which it requires", i + 1, slot->required);
    for (size_t k = 0; k < m->row_count; k++) {
        const Row *row = &m->rows[k];
        bool is_baseline = row->outcome == HISTORY_BASELINED || row->kind == MIGRATION_BASELINE;
        if (is_baseline && row->slot > i && !is_repeatable(row->slot))
            broken(m, "%u runs below the baseline %u", i + 1, row->slot + 1);
    }
}

static bool run_up(Model *m, const PlanStep *step, unsigned i, Doom *doom)
{
    Slot *slot = &m->slots[i];
    Row *row = NULL;
    check_up(m, step, i);
    if (!step->is_fake) {
        check_cover(m, step->script, &step->segments, step->resume_at);
        if (step->is_journaled) {
            row = make_row(m, i);
            if (!step->is_resumed || is_repeatable(i) || row->done != step->resume_at)
                row->done = step->resume_at;
            row_is_of_file(m, row);
            row->outcome = HISTORY_RUNNING_UP;
            row->has_journal = true;
            row->is_fate_unknown = false;
            row->total = step->script->statements;
            slot->fact = PART_UP;
            slot->fact_done = step->resume_at;
        }
        Slot before = *slot;
        if (!run_segments(m, slot, row, &step->segments, step->script->statements, doom)) {
            if (!row)
                *slot = before; /* one transaction: nothing of it is kept */
            return false;
        }
    }
    row = make_row(m, i);
    row_is_of_file(m, row);
    row->outcome = HISTORY_APPLIED;
    row->has_journal = row->is_fate_unknown = false;
    if (is_repeatable(i))
        row->rank = ++m->rank;
    slot->fact = WHOLE;
    for (unsigned k = 0; k < i && row->kind == MIGRATION_BASELINE; k++)
        m->slots[k].fact = WHOLE;
    return true;
}

static bool run_down(Model *m, const PlanStep *step, unsigned i, Doom *doom)
{
    Slot *slot = &m->slots[i];
    Row *row = find_row(m, i);
    SegmentVec cut = {0};
    SegmentList segments = step->segments;
    const Script *script = step->script;
    bool is_journaled = step->is_journaled;
    Error err = {.arena = m->arena};

    if (!row) {
        broken(m, "%u is rolled back, but has no row", i + 1);
        return true;
    }
    if (row->outcome == HISTORY_BASELINED || (row->kind == MIGRATION_BASELINE && !step->is_fake))
        broken(m, "the baseline %u is rolled back", i + 1);
    for (size_t k = 0; k < m->row_count; k++) {
        if (m->rows[k].outcome == HISTORY_BASELINED && m->rows[k].slot > i &&
            !is_repeatable(m->rows[k].slot))
            broken(m, "%u is rolled back below the baseline %u", i + 1, m->rows[k].slot + 1);
    }
    if (slot->fact == ABSENT)
        broken(m, "%u is rolled back, but is not there", i + 1);
    if (step->is_fake) {
        slot->fact = ABSENT;
        remove_row(m, i);
        return true;
    }
    if (slot->fact == PART_DOWN && step->resume_at != slot->fact_done)
        broken(m, "the down of %u goes on at %u, but %u have run", i + 1, step->resume_at,
               slot->fact_done);
    if (step->is_stored_down) {
        ProblemVec problems = {0};
        if (!row->stored_down) {
            broken(m, "%u has no stored down", i + 1);
            return true;
        }
        script = world_script(m->arena, "stored", str_from(row->stored_down), STR("d"));
        if (!plan_cut(m->arena, script, &m->policy, step->resume_at, &cut, &problems, &err))
            broken(m, "%s", err.message);
        segments = (SegmentList){cut.items, (uint32_t)cut.len};
        is_journaled = step->is_resumed || segments.len > 1 ||
                       (segments.len == 1 && segments.items[0].kind == SEGMENT_LONE);
    }
    check_cover(m, script, &segments, step->resume_at);
    Slot before = *slot;
    if (is_journaled) {
        slot->fact = PART_DOWN;
        slot->fact_done = step->resume_at;
        row->outcome = HISTORY_RUNNING_DOWN;
        row->has_journal = true;
        row->is_fate_unknown = false;
        row->done = step->resume_at;
        row->total = script->statements;
    }
    if (!run_segments(m, slot, is_journaled ? row : NULL, &segments, script->statements, doom)) {
        if (!is_journaled)
            *slot = before;
        return false;
    }
    slot->fact = ABSENT;
    remove_row(m, i);
    return true;
}

/* False: the run died. */
static bool carry_out(Model *m, const Plan *plan, Doom *doom)
{
    if (plan->steps.len > 0)
        m->run++;
    for (size_t k = 0; k < plan->steps.len && !m->broken; k++) {
        const PlanStep *step = &plan->steps.items[k];
        unsigned i = slot_of(step_version(step), step_name(step));
        bool is_through = true;
        switch (step->kind) {
        case STEP_UP:
        case STEP_REPEATABLE:
            is_through = run_up(m, step, i, doom);
            break;
        case STEP_DOWN:
            is_through = run_down(m, step, i, doom);
            break;
        case STEP_SKIP: {
            Row *row = make_row(m, i);
            row_is_of_file(m, row);
            row->outcome = HISTORY_SKIPPED;
            break;
        }
        }
        if (!is_through) {
            tell(m, "  the run dies in %u\n", i + 1);
            return false;
        }
    }
    return true;
}

/* ---- what must hold ------------------------------------------------------------------------------ */

static void check_overview(Model *m, const Overview *overview)
{
    size_t files = 0, rows = 0, sum = 0;
    for (size_t i = 0; i < overview->rows.len; i++) {
        const StateRow *row = &overview->rows.items[i];
        files += row->migration != NULL;
        rows += row->row != NULL;
        sum += row->state != STATE_SKIPPED;
        if (i > 0 && row->kind != MIGRATION_REPEATABLE &&
            version_compare(overview->rows.items[i - 1].version, row->version) >= 0)
            broken(m, "the overview is not sorted");
    }
    /* A baseline file in the place of an applied migration has no row of its own. */
    if (files > m->set.migrations.len || rows != m->history.rows.len)
        broken(m, "the overview has %zu files and %zu rows", files, rows);
    if (overview->applied + overview->pending + overview->outdated + overview->wrong != sum)
        broken(m, "the states do not add up");
}

static void check_journal(Model *m, const PlanStep *step)
{
    bool needs = step->segments.len > 1 || step->is_resumed;
    for (size_t i = 0; i < step->segments.len; i++)
        needs = needs || step->segments.items[i].kind == SEGMENT_LONE;
    if (needs != step->is_journaled && !step->is_stored_down)
        broken(m, "%.*s is %sjournaled", STR_ARG(step_version(step)), needs ? "not " : "");
}

static void check_steps(Model *m, const Plan *plan)
{
    const PlanRequest *request = &plan->request;
    uint64_t count = 0;
    int64_t last_rank = INT64_MAX;
    if (plan->stops && plan->steps.len > 0)
        broken(m, "a plan that stops has steps");
    for (size_t k = 0; k < plan->steps.len; k++) {
        const PlanStep *step = &plan->steps.items[k];
        const Slot *slot = &m->slots[slot_of(step_version(step), step_name(step))];
        count += step->kind != STEP_SKIP;
        check_journal(m, step);
        if (step->kind == STEP_DOWN && !step->is_resumed) {
            if (step->row->rank > last_rank)
                broken(m, "%.*s goes after what was applied before it",
                       STR_ARG(step_version(step)));
            last_rank = step->row->rank;
        }
        if (step->kind == STEP_DOWN && (request->verb == PLAN_MIGRATE))
            broken(m, "migrate goes down");
        if (step->kind == STEP_UP && request->verb == PLAN_ROLLBACK)
            broken(m, "rollback goes up");
        if (request->verb != PLAN_MIGRATE || step->kind != STEP_UP)
            continue;
        if (m->policy.phase == PHASE_EXPAND && !slot->is_baseline && slot->phase == PHASE_CONTRACT)
            broken(m, "expand contracts");
        if (m->policy.phase == PHASE_CONTRACT && !slot->is_baseline &&
            slot->phase != PHASE_CONTRACT)
            broken(m, "contract expands");
        if (!step->is_resumed && slot->phase != PHASE_CONTRACT && !m->policy.allows_out_of_order &&
            plan->overview.current.len > 0 &&
            version_compare(step_version(step), plan->overview.current) < 0)
            broken(m, "%.*s is applied out of order", STR_ARG(step_version(step)));
    }
    if (request->verb == PLAN_MIGRATE && request->steps > 0 && count > request->steps)
        broken(m, "more steps than asked for");
}

static bool same_plan(Model *m, const Plan *a, const Plan *b)
{
    StrBuf one = strbuf(m->arena), two = strbuf(m->arena);
    show_plan(&one, a);
    show_plan(&two, b);
    if (m->trace)
        strbuf_add(m->trace, strbuf_str(&one));
    return str_eq(strbuf_str(&one), strbuf_str(&two));
}

static bool overview_now(Model *m, Overview *ret)
{
    Error err = {.arena = m->arena};
    look(m);
    if (m->broken)
        return false;
    if (!plan_overview(m->arena, &m->set, &m->history, &m->policy, ret, &err)) {
        broken(m, "%s", err.message);
        return false;
    }
    check_overview(m, ret);
    return !m->broken;
}

/* After a plan was carried out to its end. */
static void check_end(Model *m, const Plan *plan)
{
    Overview now;
    if (!overview_now(m, &now))
        return;
    if (!str_eq(now.current, plan->target) && plan->steps.len > 0)
        broken(m, "the plan promised %.*s, and the database is at %.*s", STR_ARG(plan->target),
               STR_ARG(now.current));
    bool is_whole =
        plan->request.to.len == 0 && plan->request.steps == 0 && m->policy.phase == PHASE_NONE;
    if (plan->request.verb == PLAN_MIGRATE && is_whole && now.state != OVERALL_UP_TO_DATE)
        broken(m, "migrate without a problem leaves the database %s",
               overall_state_name(now.state));
    for (size_t i = 0; i < now.rows.len && plan->request.verb == PLAN_SYNC; i++) {
        const StateRow *row = &now.rows.items[i];
        if (row->state == STATE_MISSING && row->kind == MIGRATION_VERSIONED &&
            !m->policy.allows_missing)
            broken(m, "sync leaves %.*s, which is missing", STR_ARG(row->version));
    }
}

static bool has_note(const Plan *plan, const char *code)
{
    for (size_t i = 0; i < plan->problems.len; i++) {
        if (str_eq(str_from(plan->problems.items[i].code), str_from(code)))
            return true;
    }
    return false;
}

static void check_goto(Model *m, const Plan *plan, Str version, bool is_base)
{
    if (is_base ? plan->target.len > 0 && !has_note(plan, "below-baseline") &&
                      !has_note(plan, "missing-down")
                : version_compare(plan->target, version) != 0)
        broken(m, "goto %.*s ends at %.*s", STR_ARG(plan->request.to), STR_ARG(plan->target));
}

/* ---- events -------------------------------------------------------------------------------------- */

static const char *pattern(Model *m, bool is_down)
{
    static const char *const transactional[] = {"o",
                                                "oo",
                                                "ooo",
                                                "(oo)",
                                                "ooLo",
                                                "LL",
                                                "o(o)L",
                                                "oL",
                                                "(o)(oo)",
                                                "v",
                                                "{no-transaction}oo"};
    static const char *const autocommit[] = {"d",    "dd", "oo",    "odo",  "ddoodd", "(oo)",
                                             "aoo)", "od", "(odo)", "dddd", "do"};
    static const char *const wrong[] = {"-", "x", "(o", "o)", "()"};
    if (!is_down && chance(m, 40))
        return wrong[choose(m->chooser, 5)];
    return m->is_mysql ? autocommit[choose(m->chooser, 11)] : transactional[choose(m->chooser, 11)];
}

static void write_file(Model *m, unsigned i)
{
    Slot *slot = &m->slots[i];
    slot->has_up = true;
    slot->has_down = !is_repeatable(i) && !chance(m, 4);
    slot->up = pattern(m, false);
    slot->down = pattern(m, true);
    slot->is_baseline = !is_repeatable(i) && chance(m, 24);
    slot->phase = chance(m, 6) ? PHASE_CONTRACT : PHASE_NONE;
    slot->is_excluded = chance(m, 10);
    slot->required = !is_repeatable(i) && i > 0 && chance(m, 6) ? choose(m->chooser, i) + 1 : 0;
    if (slot->is_baseline)
        slot->has_down = false;
    tell(m, "file %u: up=%s down=%s%s%s%s requires=%u\n", i + 1, slot->up,
         slot->has_down ? slot->down : "(none)", slot->is_baseline ? " baseline" : "",
         slot->phase == PHASE_CONTRACT ? " contract" : "", slot->is_excluded ? " excluded" : "",
         slot->required);
}

/* Somebody works on the folder. Who has run half of a script does not shorten it. */
static void edit_files(Model *m)
{
    unsigned i = choose(m->chooser, SLOTS);
    Slot *slot = &m->slots[i];
    bool is_half = slot->fact == PART_UP || slot->fact == PART_DOWN;
    if (!slot->up) {
        write_file(m, i);
    } else if (slot->has_up || slot->has_down) {
        switch (choose(m->chooser, 5)) {
        case 0:
            slot->has_up = slot->has_down = false;
            tell(m, "file %u goes\n", i + 1);
            break;
        case 1:
            if (!is_half)
                slot->up = pattern(m, false);
            slot->revision++;
            tell(m, "file %u changes: up=%s\n", i + 1, slot->up);
            break;
        case 2:
            slot->spacing++;
            break;
        case 3:
            if (!is_repeatable(i) && !slot->is_baseline)
                slot->has_down = !slot->has_down;
            break;
        default:
            if (!is_repeatable(i) && !is_half && slot->has_down)
                slot->has_up = !slot->has_up;
            break;
        }
    } else {
        slot->has_up = true;
        tell(m, "file %u comes back\n", i + 1);
    }
}

/* `whimbrel baseline`, or another tool at work, or repair. */
static void touch_history(Model *m)
{
    if (m->row_count == 0 && chance(m, 2)) {
        unsigned i = choose(m->chooser, VERSIONS);
        for (unsigned k = 0; k <= i; k++)
            m->slots[k].fact = WHOLE;
        Row *row = make_row(m, i);
        row->outcome = HISTORY_BASELINED;
        tell(m, "baseline %u\n", i + 1);
        return;
    }
    if (chance(m, 4)) {
        unsigned i = choose(m->chooser, VERSIONS);
        if (m->slots[i].fact != ABSENT || find_row(m, i))
            return;
        Row *row = make_row(m, i);
        row->outcome = HISTORY_FAILED;
        tell(m, "%u fails in another tool\n", i + 1);
        return;
    }
    tell(m, "repair\n");
    for (size_t k = m->row_count; k-- > 0;) {
        Row *row = &m->rows[k];
        const Slot *slot = &m->slots[row->slot];
        if (row->outcome == HISTORY_FAILED)
            remove_row(m, row->slot);
        else if (row->outcome == HISTORY_APPLIED && !slot->has_up && !slot->has_down)
            row->outcome = HISTORY_DELETED;
        else if (row->outcome == HISTORY_APPLIED && slot->has_up && !is_repeatable(row->slot))
            row->revision = slot->revision;
    }
}

static PlanRequest invent(Model *m)
{
    static const PlanVerb verbs[] = {PLAN_MIGRATE, PLAN_MIGRATE,  PLAN_MIGRATE,
                                     PLAN_MIGRATE, PLAN_ROLLBACK, PLAN_GOTO,
                                     PLAN_REDO,    PLAN_SYNC,     PLAN_RESUME};
    Chooser *c = m->chooser;
    PlanRequest request = {.verb = verbs[choose(c, 9)], .resume_from = -1};
    bool has_target =
        request.verb == PLAN_GOTO ||
        ((request.verb == PLAN_MIGRATE || request.verb == PLAN_ROLLBACK) && chance(m, 3));
    if (has_target) {
        unsigned n = choose(c, VERSIONS) + 1;
        switch (choose(c, 6)) {
        case 0:
            request.to = STR("head");
            break;
        case 1:
            request.to = STR("base");
            break;
        case 2:
            request.to = str_from(str_format(m->arena, "%s%u", chance(m, 2) ? "+" : "-", n % 4));
            break;
        case 3:
            request.to = slot_name(m, n - 1);
            break;
        default:
            request.to = str_from(str_format(m->arena, "%u", n));
            break;
        }
    } else if (request.verb != PLAN_RESUME && chance(m, 3)) {
        request.steps = choose(c, 3) + 1;
    }
    if (request.verb == PLAN_ROLLBACK && request.to.len == 0 && chance(m, 4)) {
        request.is_all = chance(m, 2);
        request.is_last_run = !request.is_all;
    }
    request.is_fake = request.verb != PLAN_RESUME && chance(m, 12);
    return request;
}

/* As run/ asks the catalog; or the user says it of the first that the plan comes to, when there is but one. */
static void settle(Model *m, PlanRequest *request)
{
    unsigned half = 0, unknown = 0;
    size_t last = 0;
    for (size_t k = 0; k < m->row_count; k++) {
        half += m->rows[k].has_journal;
        unknown += m->rows[k].is_fate_unknown;
        if (m->rows[k].is_fate_unknown)
            last = k;
    }
    if (half == 1 && unknown == 1 && chance(m, 2)) {
        request->settles = true;
        request->resume_from = m->slots[m->rows[last].slot].fact_done;
        return;
    }
    for (size_t k = 0; k < m->row_count; k++) {
        Settled answer = {.row = &m->history.rows.items[k],
                          .resume_from = m->slots[m->rows[k].slot].fact_done};
        if (m->rows[k].is_fate_unknown && !vec_push(m->arena, &request->settled, answer))
            broken(m, "out of memory");
    }
}

/* Applied ones that require what is not there, as far as their files tell. */
static unsigned unmet(const Model *m)
{
    unsigned count = 0;
    for (size_t k = 0; k < m->row_count; k++) {
        const Row *row = &m->rows[k];
        const Slot *slot = &m->slots[row->slot];
        if (row->outcome != HISTORY_APPLIED || is_repeatable(row->slot) || !slot->has_up ||
            slot->required == 0)
            continue;
        const Slot *required = &m->slots[slot->required - 1];
        count += required->fact == ABSENT && !required->is_excluded && !required->is_baseline;
    }
    return count;
}

static void applied_set(const Model *m, bool set[SLOTS])
{
    for (unsigned i = 0; i < SLOTS; i++)
        set[i] = false;
    for (size_t k = 0; k < m->row_count; k++)
        set[m->rows[k].slot] = m->rows[k].outcome == HISTORY_APPLIED;
}

/* Was everything applied, and nothing wrong, then rolling back and migrating leads to where one was. */
static void check_round_trip(Model *m, const bool before[SLOTS])
{
    PlanRequest request = {.verb = PLAN_MIGRATE, .resume_from = -1};
    Plan plan;
    Error err = {.arena = m->arena};
    Doom never = {.countdown = UINT32_MAX};
    bool after[SLOTS];
    look(m);
    if (m->broken)
        return;
    if (!plan_make(m->arena, &m->set, &m->history, &request, &m->policy, &plan, &err)) {
        broken(m, "%s", err.message);
        return;
    }
    if (plan.stops)
        return; /* what was applied out of order, for one, is not applied so again without being told */
    carry_out(m, &plan, &never);
    applied_set(m, after);
    unsigned covered = 0; /* by a baseline file that came since */
    for (size_t k = 0; k < m->row_count; k++) {
        if (m->rows[k].kind == MIGRATION_BASELINE && m->rows[k].slot > covered)
            covered = m->rows[k].slot;
    }
    for (unsigned i = covered; i < SLOTS && !m->broken; i++) {
        if (before[i] && !after[i] && m->slots[i].has_up)
            broken(m, "%u is lost by a rollback and a migrate", i + 1);
    }
}

static void make_plan(Model *m)
{
    PlanRequest request = invent(m);
    Plan plan, again;
    Error err = {.arena = m->arena}, err_again = {.arena = m->arena};
    Doom doom = {.countdown = UINT32_MAX};
    bool before[SLOTS], was_up_to_date;

    m->policy.phase = request.verb == PLAN_MIGRATE && chance(m, 6)
                          ? (chance(m, 2) ? PHASE_EXPAND : PHASE_CONTRACT)
                          : PHASE_NONE;
    look(m);
    settle(m, &request);
    tell(m, "verb %d to=%.*s steps=%u%s%s%s phase=%d\n", request.verb, STR_ARG(request.to),
         request.steps, request.is_all ? " all" : "", request.is_last_run ? " last-run" : "",
         request.is_fake ? " fake" : "", m->policy.phase);
    if (m->broken)
        return;
    if (!plan_make(m->arena, &m->set, &m->history, &request, &m->policy, &plan, &err)) {
        if (err.kind != ERROR_USAGE && err.kind != ERROR_UNSUPPORTED)
            broken(m, "planning fails: %s", err.message);
        tell(m, "  %s\n", err.message);
        return;
    }
    if (!plan_make(m->arena, &m->set, &m->history, &request, &m->policy, &again, &err_again) ||
        !same_plan(m, &plan, &again))
        broken(m, "planned twice, it is another plan");
    check_overview(m, &plan.overview);
    check_steps(m, &plan);
    if (plan.stops || m->broken) {
        if (!m->broken && (plan_error(&plan, &err) || err.kind != ERROR_STATE || !err.code))
            broken(m, "a plan that stops gives no error");
        return;
    }
    if (request.verb == PLAN_GOTO) {
        PlanTarget target;
        if (!plan_resolve(m->arena, &plan.overview, request.to, AMONG_FILES, &target, &err))
            broken(m, "%s", err.message);
        else
            check_goto(m, &plan, target.version, target.is_base);
    }
    was_up_to_date = plan.overview.state == OVERALL_UP_TO_DATE && !m->policy.allows_missing;
    applied_set(m, before);
    if (chance(m, 5)) {
        doom.countdown = choose(m->chooser, 8);
        doom.manner = choose(m->chooser, 3);
    }
    unsigned unmet_before = unmet(m);
    if (!carry_out(m, &plan, &doom) || m->broken)
        return;
    if (request.verb != PLAN_MIGRATE && unmet(m) > unmet_before)
        broken(m, "something stays that requires what has gone");
    check_end(m, &plan);
    if (request.verb == PLAN_ROLLBACK && was_up_to_date && !request.is_fake && chance(m, 2))
        check_round_trip(m, before);
}

const char *model_live(Arena *arena, Chooser *chooser, unsigned events, StrBuf *trace)
{
    Model *m = arena_alloc(arena, sizeof *m);
    if (!m)
        return "out of memory";
    *m = (Model){.arena = arena, .chooser = chooser, .trace = trace};
    m->is_mysql = chance(m, 2);
    m->stores_down = chance(m, 2);
    m->policy = (PlanPolicy){.engine = m->is_mysql ? "mariadb" : "postgres",
                             .server_version = 110000,
                             .has_journal = true,
                             .allows_out_of_order = chance(m, 4),
                             .allows_missing = chance(m, 6),
                             .skips_irreversible = chance(m, 6)};
    for (unsigned i = 0; i < events && !m->broken; i++) {
        unsigned what = choose(chooser, 12);
        if (what < 4)
            edit_files(m);
        else if (what == 4)
            touch_history(m);
        else
            make_plan(m);
    }
    return m->broken;
}

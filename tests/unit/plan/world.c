/* The little language of plan cases. SPDX-License-Identifier: Apache-2.0
 *
 * The policy stands between the brackets of the title:
 *
 *     === title [postgres 150000 journal out-of-order missing changed single irreversible phase=expand]
 *
 * Then one line each:
 *
 *     file 1 create_users up=oo down=o requires=1,2 engine=mysql phase=contract tokens=x bytes=y no-transaction
 *     file R views            "~" in a name is a blank; R is a repeatable, B5 a baseline
 *     down 1 create_users     a file that is only a down
 *     applied 1 create_users run=1 rank=2 stored tokens=x bytes=y 3/6 unknown why=text
 *                             also: baselined failed running-up running-down skipped deleted, and R and B as above
 *     request migrate to=3 steps=1 all last-run fake settles=3 settled=2:1
 *     resolve 2025            in place of a request
 *     cut 2                   the script of the last file, from statement 2 on, in place of a request
 *
 * up= and down= hold one letter a statement: o ordinary, d commits by itself, L lone, v lone before version 120000, s sets
 * session state, ( BEGIN, ) COMMIT, x ROLLBACK, a SET autocommit; {lock=2000,stmt=5,retries=3,no-transaction} before a letter
 * is a directive of that statement. "-" is an empty script. Statement n is in line n + 1. Tokens and checksum of a script are
 * by default those of its version, so that a row of that version fits. */
#include "world.h"

#include <stdio.h>
#include <stdlib.h>

/* The language is for tests alone: whoever mistypes it is told, and that is the end. */
static _Noreturn void give_up(const char *fmt, ...) PRINTF_LIKE(1, 2);
static _Noreturn void give_up(const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    vfprintf(stderr, fmt, args);
    va_end(args);
    fputc('\n', stderr);
    abort();
}

static void must(bool ok)
{
    if (!ok)
        give_up("out of memory");
}

void world_open(World *world)
{
    *world = (World){.arena = arena_new()};
    must(world->arena != NULL);
    world_policy(world, STR("postgres 150000 journal"));
    world->history.exists = true;
}

void world_done(World *world)
{
    arena_free(world->arena);
    world->arena = NULL;
}

static void fail_line(Str line)
{
    give_up("not understood: %.*s", STR_ARG(line));
}

static Str copy(Arena *arena, Str text)
{
    Str own;
    must(str_copy(arena, text, &own));
    return own;
}

static void read_list(Arena *arena, Str text, StrVec *ret)
{
    while (text.len > 0) {
        Str item;
        text = str_cut(text, ',', &item);
        must(vec_push(arena, ret, copy(arena, item)));
    }
}

static int64_t number(Str text)
{
    int64_t value;
    if (!str_to_i64(text, &value))
        give_up("not a number: %.*s", STR_ARG(text));
    return value;
}

static void read_directives(Str text, Directives *directives)
{
    while (text.len > 0) {
        Str item, value;
        text = str_cut(text, ',', &item);
        value = str_cut(item, '=', &item);
        if (str_eq(item, STR("lock")))
            directives->lock_timeout_ms = number(value);
        else if (str_eq(item, STR("stmt")))
            directives->statement_timeout_ms = number(value);
        else if (str_eq(item, STR("retries")))
            directives->lock_retries = number(value);
        else if (str_eq(item, STR("no-transaction")))
            directives->no_transaction = true;
        else
            fail_line(item);
    }
}

static PartClass part_class(char letter)
{
    switch (letter) {
    case 'o':
    case 's':
        return PART_ORDINARY;
    case 'd':
        return PART_IMPLICIT_COMMIT;
    case 'L':
        return PART_LONE;
    case 'v':
        return PART_LONE_BEFORE;
    case '(':
        return PART_BEGIN;
    case ')':
        return PART_COMMIT;
    case 'x':
        return PART_ROLLBACK;
    case 'a':
        return PART_AUTOCOMMIT;
    default:
        give_up("no such statement: %c", letter);
    }
    return PART_ORDINARY;
}

static bool is_joined(PartClass class)
{
    return class == PART_ORDINARY || class == PART_IMPLICIT_COMMIT || class == PART_LONE ||
           class == PART_LONE_BEFORE;
}

const Directives *world_directives(Arena *arena, const Directives *directives)
{
    Directives *kept = arena_alloc(arena, sizeof *kept);
    must(kept != NULL);
    *kept = *directives;
    return kept;
}

Script *world_script(Arena *arena, const char *path, Str parts, Str tokens)
{
    Script *script = arena_alloc(arena, sizeof *script);
    must(script != NULL);
    *script = (Script){.path = path, .is_read = true, .has_parts = true};
    script->tokens = copy(arena, tokens);
    script->checksum = copy(arena, tokens);
    script->head = directives_nothing();
    Directives directives = directives_none();
    Vec(ScriptPart) made = {0};
    bool begins = false;
    for (size_t i = 0; i < parts.len && !str_eq(parts, STR("-")); i++) {
        if (parts.ptr[i] == '{') {
            size_t end = str_find_char(parts, '}', i);
            read_directives(str_sub(parts, i + 1, end), &directives);
            begins = true;
            i = end;
            continue;
        }
        PartClass class = part_class(parts.ptr[i]);
        ScriptPart *last = made.len > 0 ? &made.items[made.len - 1] : NULL;
        uint32_t statement = script->statements++;
        if (last && !begins && last->class == class && is_joined(class) &&
            last->directives->lock_timeout_ms < 0 && !last->directives->no_transaction &&
            last->directives->statement_timeout_ms < 0 && last->directives->lock_retries < 0) {
            last->count++;
            last->sets_session |= parts.ptr[i] == 's';
            continue;
        }
        must(vec_push(arena, &made,
                      ((ScriptPart){.class = class,
                                    .first = statement,
                                    .count = 1,
                                    .line = statement + 1,
                                    .column = 1,
                                    .since = class == PART_LONE_BEFORE ? 120000 : 0,
                                    .sets_session = parts.ptr[i] == 's',
                                    .directives = world_directives(arena, &directives)})));
        directives = directives_none();
        begins = false;
    }
    script->parts = (ScriptPartList){made.items, (uint32_t)made.len};
    return script;
}

/* "R views", "B5 name", "5 name": taken off the front of *line. */
static void read_identity(Arena *arena, Str *line, MigrationKind *ret_kind, Str *ret_version,
                          Str *ret_name)
{
    Str word;
    *line = str_cut(*line, ' ', &word);
    *ret_kind = MIGRATION_VERSIONED;
    *ret_version = (Str){0};
    if (str_eq(word, STR("R"))) {
        *ret_kind = MIGRATION_REPEATABLE;
    } else {
        if (str_starts(word, STR("B"))) {
            *ret_kind = MIGRATION_BASELINE;
            word = str_sub(word, 1, word.len);
        }
        *ret_version = copy(arena, word);
    }
    *line = str_cut(*line, ' ', &word);
    char *name = str_z(arena, word);
    must(name != NULL);
    for (char *at = name; *at; at++)
        *at = *at == '~' ? ' ' : *at;
    *ret_name = str_from(name);
}

static Str standard_tokens(Arena *arena, Str version, Str name)
{
    return str_from(str_format(arena, "t%.*s", STR_ARG(version.len > 0 ? version : name)));
}

static void read_file(World *world, Str line, bool is_down_only)
{
    Arena *arena = world->arena;
    Migration m = {0};
    read_identity(arena, &line, &m.kind, &m.version, &m.name);
    Str up = STR("o"), down = {0}, tokens = standard_tokens(arena, m.version, m.name),
        bytes = tokens;
    Directives head = directives_none();
    while (line.len > 0) {
        Str item, value;
        line = str_cut(line, ' ', &item);
        value = str_cut(item, '=', &item);
        if (str_eq(item, STR("up")))
            up = value;
        else if (str_eq(item, STR("down")))
            down = value;
        else if (str_eq(item, STR("tokens")))
            tokens = bytes = value;
        else if (str_eq(item, STR("bytes")))
            bytes = value;
        else if (str_eq(item, STR("requires")))
            read_list(arena, value, &head.required);
        else if (str_eq(item, STR("engine")))
            read_list(arena, value, &head.engines);
        else if (str_eq(item, STR("phase")))
            head.phase = str_eq(value, STR("contract")) ? PHASE_CONTRACT : PHASE_EXPAND;
        else if (str_eq(item, STR("lock")))
            head.lock_timeout_ms = number(value);
        else if (str_eq(item, STR("no-transaction")))
            head.no_transaction = true;
        else
            fail_line(item);
    }
    const char *stem =
        m.kind == MIGRATION_REPEATABLE
            ? str_format(arena, "migrations/R__%.*s", STR_ARG(m.name))
            : str_format(arena, "migrations/%.*s_%.*s", STR_ARG(m.version), STR_ARG(m.name));
    if (!is_down_only) {
        m.up = world_script(arena, str_format(arena, "%s.up.sql", stem), up, tokens);
        m.up->checksum = copy(arena, bytes);
        m.up->head = world_directives(arena, &head);
    }
    if (down.len > 0 || is_down_only)
        m.down = world_script(arena, str_format(arena, "%s.down.sql", stem),
                              down.len > 0 ? down : STR("o"), STR("down"));
    must(vec_push(arena, &world->set.migrations, m));
}

static void read_row(World *world, HistoryOutcome outcome, Str line)
{
    Arena *arena = world->arena;
    HistoryRow row = {.outcome = outcome,
                      .started_at = TIMESTAMP_UNKNOWN,
                      .finished_at = TIMESTAMP_UNKNOWN,
                      .duration_us = -1};
    read_identity(arena, &line, &row.kind, &row.version, &row.name);
    row.tokens = row.checksum = standard_tokens(arena, row.version, row.name);
    row.rank = (int64_t)world->history.rows.len + 1;
    row.has_journal = outcome == HISTORY_RUNNING_UP || outcome == HISTORY_RUNNING_DOWN;
    while (line.len > 0) {
        Str item, value, total;
        line = str_cut(line, ' ', &item);
        value = str_cut(item, '=', &item);
        total = str_cut(item, '/', &item);
        if (total.len > 0) {
            row.done = (uint32_t)number(item);
            row.total = (uint32_t)number(total);
        } else if (str_eq(item, STR("run"))) {
            row.run = number(value);
        } else if (str_eq(item, STR("rank"))) {
            row.rank = number(value);
        } else if (str_eq(item, STR("at"))) {
            row.finished_at = number(value) * 1000000;
        } else if (str_eq(item, STR("tokens"))) {
            row.tokens = row.checksum = copy(arena, value);
        } else if (str_eq(item, STR("bytes"))) {
            row.checksum = copy(arena, value);
        } else if (str_eq(item, STR("only-bytes"))) {
            row.tokens = (Str){0};
            row.checksum = copy(arena, value);
        } else if (str_eq(item, STR("stored"))) {
            row.has_down_text = row.has_up_text = true;
        } else if (str_eq(item, STR("unknown"))) {
            row.is_fate_unknown = true;
        } else if (str_eq(item, STR("no-journal"))) {
            row.has_journal = false;
        } else if (str_eq(item, STR("why"))) {
            row.failure = str_z(arena, value);
        } else {
            fail_line(item);
        }
    }
    must(vec_push(arena, &world->history.rows, row));
}

void world_policy(World *world, Str line)
{
    PlanPolicy *policy = &world->policy;
    Str word;
    line = str_cut(line, ' ', &word);
    *policy = (PlanPolicy){.engine = str_z(world->arena, word)};
    while (line.len > 0) {
        uint64_t version;
        line = str_cut(line, ' ', &word);
        if (str_to_u64(word, &version))
            policy->server_version = (int)version;
        else if (str_eq(word, STR("journal")))
            policy->has_journal = true;
        else if (str_eq(word, STR("out-of-order")))
            policy->allows_out_of_order = true;
        else if (str_eq(word, STR("missing")))
            policy->allows_missing = true;
        else if (str_eq(word, STR("single")))
            policy->is_single_transaction = true;
        else if (str_eq(word, STR("irreversible")))
            policy->skips_irreversible = true;
        else if (str_eq(word, STR("phase=expand")))
            policy->phase = PHASE_EXPAND;
        else if (str_eq(word, STR("phase=contract")))
            policy->phase = PHASE_CONTRACT;
        else
            fail_line(word);
    }
}

/* "2:1" or "views:1": the row of that version or name goes on at that statement. */
static void read_settled(World *world, Str text)
{
    Str key, at = str_cut(text, ':', &key);
    const HistoryRow *row = history_find(&world->history, key);
    if (!row)
        row = history_find_repeatable(&world->history, key);
    must(row != NULL);
    Settled answer = {.row = row, .resume_from = (uint32_t)number(at)};
    must(vec_push(world->arena, &world->request.settled, answer));
}

static void read_request(World *world, Str line)
{
    static const struct {
        Str word;
        PlanVerb verb;
    } verbs[] = {{STR("migrate"), PLAN_MIGRATE}, {STR("rollback"), PLAN_ROLLBACK},
                 {STR("goto"), PLAN_GOTO},       {STR("redo"), PLAN_REDO},
                 {STR("sync"), PLAN_SYNC},       {STR("resume"), PLAN_RESUME}};
    PlanRequest *request = &world->request;
    Str word;
    line = str_cut(line, ' ', &word);
    *request = (PlanRequest){.resume_from = -1};
    size_t v = 0;
    while (v < sizeof verbs / sizeof *verbs && !str_eq(word, verbs[v].word))
        v++;
    if (v == sizeof verbs / sizeof *verbs)
        fail_line(word);
    request->verb = verbs[v].verb;
    while (line.len > 0) {
        Str value;
        line = str_cut(line, ' ', &word);
        value = str_cut(word, '=', &word);
        if (str_eq(word, STR("to"))) {
            request->to = copy(world->arena, value);
        } else if (str_eq(word, STR("steps"))) {
            request->steps = (uint32_t)number(value);
        } else if (str_eq(word, STR("all"))) {
            request->is_all = true;
        } else if (str_eq(word, STR("last-run"))) {
            request->is_last_run = true;
        } else if (str_eq(word, STR("fake"))) {
            request->is_fake = true;
        } else if (str_eq(word, STR("settles"))) {
            request->settles = true;
            request->resume_from = number(value);
        } else if (str_eq(word, STR("settled"))) {
            read_settled(world, value);
        } else {
            fail_line(word);
        }
    }
}

bool world_line(World *world, Str line)
{
    static const struct {
        Str word;
        HistoryOutcome outcome;
    } outcomes[] = {{STR("applied"), HISTORY_APPLIED},
                    {STR("baselined"), HISTORY_BASELINED},
                    {STR("failed"), HISTORY_FAILED},
                    {STR("running-up"), HISTORY_RUNNING_UP},
                    {STR("running-down"), HISTORY_RUNNING_DOWN},
                    {STR("skipped"), HISTORY_SKIPPED},
                    {STR("deleted"), HISTORY_DELETED}};
    Str word, rest = str_cut(line, ' ', &word);
    if (str_eq(word, STR("request"))) {
        read_request(world, rest);
        return true;
    }
    if (str_eq(word, STR("file")) || str_eq(word, STR("down"))) {
        read_file(world, rest, str_eq(word, STR("down")));
        return true;
    }
    for (size_t i = 0; i < sizeof outcomes / sizeof *outcomes; i++) {
        if (!str_eq(word, outcomes[i].word))
            continue;
        read_row(world, outcomes[i].outcome, rest);
        return true;
    }
    return false;
}

void world_finish(World *world)
{
    Error err = {.arena = world->arena};
    if (!migration_set_finish(&world->set, &err))
        give_up("%s", err.message);
}

/* ---- as text ----------------------------------------------------------------------------------- */

static void add_label(StrBuf *out, Str version, Str name, MigrationKind kind)
{
    if (kind == MIGRATION_REPEATABLE)
        strbuf_adds(out, "R");
    else if (kind == MIGRATION_BASELINE)
        strbuf_addf(out, "B%.*s", STR_ARG(version));
    else
        strbuf_add(out, version);
    if (name.len > 0)
        strbuf_addf(out, " %.*s", STR_ARG(name));
}

void show_overview(StrBuf *out, const Overview *overview)
{
    strbuf_addf(out, "%s", overall_state_name(overview->state));
    if (overview->current.len > 0)
        strbuf_addf(out, ", at %.*s", STR_ARG(overview->current));
    if (overview->head.len > 0)
        strbuf_addf(out, ", head %.*s", STR_ARG(overview->head));
    strbuf_addf(out, ": %u applied, %u pending, %u outdated, %u wrong\n", overview->applied,
                overview->pending, overview->outdated, overview->wrong);
    for (size_t i = 0; i < overview->rows.len; i++) {
        const StateRow *row = &overview->rows.items[i];
        strbuf_adds(out, "  ");
        add_label(out, row->version, row->name, row->kind);
        strbuf_addf(out, " %s%s%s%s%s\n", migration_state_name(row->state),
                    row->is_reversible ? " reversible" : "", row->has_new_name ? " new-name" : "",
                    row->has_new_bytes ? " new-bytes" : "",
                    row->is_no_transaction ? " no-transaction" : "");
    }
}

static void add_setting(StrBuf *out, const char *name, int64_t value)
{
    if (value >= 0)
        strbuf_addf(out, " %s=%lld", name, (long long)value);
}

void show_segments(StrBuf *out, const SegmentList *segments)
{
    for (size_t i = 0; i < segments->len; i++) {
        const Segment *segment = &segments->items[i];
        strbuf_adds(out, segment->kind == SEGMENT_TRANSACTION ? " [" : " <");
        strbuf_addf(out, "%u", segment->first);
        if (segment->count > 1)
            strbuf_addf(out, "-%u", segment->first + segment->count - 1);
        if (segment->line != segment->first + 1)
            strbuf_addf(out, " line=%u", segment->line);
        if (segment->is_implicit_commit)
            strbuf_adds(out, " commits");
        if (segment->sets_session)
            strbuf_adds(out, " session");
        add_setting(out, "lock", segment->directives->lock_timeout_ms);
        add_setting(out, "stmt", segment->directives->statement_timeout_ms);
        add_setting(out, "retries", segment->directives->lock_retries);
        strbuf_adds(out, segment->kind == SEGMENT_TRANSACTION ? "]" : ">");
    }
}

static const char *kind_word(StepKind kind)
{
    switch (kind) {
    case STEP_UP:
        return "up";
    case STEP_DOWN:
        return "down";
    case STEP_REPEATABLE:
        return "repeat";
    case STEP_SKIP:
        return "skip";
    }
    return "?";
}

static void show_problems(StrBuf *out, const ProblemVec *problems)
{
    for (size_t i = 0; i < problems->len; i++) {
        const Problem *problem = &problems->items[i];
        strbuf_addf(out, "%s %s", problem->stops ? "STOP" : "note", problem->code);
        if (problem->pos.file)
            strbuf_addf(out, " %s", problem->pos.file);
        if (problem->pos.line > 0)
            strbuf_addf(out, ":%u:%u", problem->pos.line, problem->pos.column);
        strbuf_addf(out, ": %s\n", problem->message);
        if (problem->detail)
            strbuf_addf(out, "  (%s)\n", problem->detail);
        if (problem->hint)
            strbuf_addf(out, "  = %s\n", problem->hint);
    }
}

/* Goes up after it was rolled back in the same plan, so that there is no row any more. */
static bool is_anew(const Plan *plan, const PlanStep *step)
{
    for (size_t i = 0; i < plan->overview.rows.len && step->kind == STEP_UP && !step->row; i++) {
        const StateRow *row = &plan->overview.rows.items[i];
        if (row->row && row->migration == step->migration)
            return true;
    }
    return false;
}

void show_plan(StrBuf *out, const Plan *plan)
{
    show_problems(out, &plan->problems);
    for (size_t i = 0; i < plan->steps.len; i++) {
        const PlanStep *step = &plan->steps.items[i];
        strbuf_addf(out, "%s ", kind_word(step->kind));
        add_label(out, step_version(step), step_name(step), step->migration_kind);
        strbuf_addf(out, "%s%s%s%s", step->is_fake ? " fake" : "",
                    step->is_stored_down ? " stored" : "", step->is_journaled ? " journaled" : "",
                    is_anew(plan, step) ? " anew" : "");
        if (step->is_resumed)
            strbuf_addf(out, " resumed@%u", step->resume_at);
        show_segments(out, &step->segments);
        strbuf_adds(out, "\n");
    }
    if (plan->stops)
        return;
    if (plan->steps.len == 0)
        strbuf_adds(out, "nothing to do\n");
    else
        strbuf_addf(out, "-> %.*s, %u transactions, %u lone\n",
                    STR_ARG(plan->target.len > 0 ? plan->target : STR("base")), plan->transactions,
                    plan->lone_statements);
}

void show_error(StrBuf *out, const Error *err)
{
    strbuf_addf(out, "error %s %s: %s\n", error_kind_name(err->kind), err->code ? err->code : "-",
                err->message);
    if (err->detail)
        strbuf_addf(out, "  (%s)\n", err->detail);
    if (err->hint)
        strbuf_addf(out, "  = %s\n", err->hint);
}

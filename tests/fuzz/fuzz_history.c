/* Fuzzes the reading of history: tables of the right names and columns, with whatever someone has written into them.
 * SPDX-License-Identifier: Apache-2.0
 *
 * Either it is refused with a reason, or what is read can be looked up, planned with and printed: a history is data of others. */
#include "report/report.h"

#include <string.h>

#include "fuzz.h"
#include "output.h"
#include "taker.h"

enum { MOST_ROWS = 6, MOST_COLUMNS = 24 };

typedef struct Shape {
    const char *convention, *table;
    const char *columns[MOST_COLUMNS];
} Shape;

static const Shape shapes[] = {
    {"whimbrel",
     "whimbrel_history",
     {"id",         "ordinal",  "version",   "name",       "kind",        "outcome",
      "run",        "checksum", "tokens",    "done",       "total",       "fate_unknown",
      "failure",    "up_text",  "down_text", "started_at", "finished_at", "duration_us",
      "applied_by", "host",     "program"}},
    {"whimbrel",
     "whimbrel_run",
     {"run", "command", "started_at", "finished_at", "duration_us", "who", "host", "program",
      "outcome", "applied", "rolled_back", "error"}},
    {"whimbrel", "whimbrel_meta", {"format"}},
    {"sqlx",
     "_sqlx_migrations",
     {"version", "description", "installed_on", "success", "checksum", "execution_time"}},
};

/* What a column means, so that not every row is refused at its first value. */
static void add_good(StrBuf *sql, const char *column, unsigned row)
{
    if (strcmp(column, "kind") == 0)
        strbuf_adds(sql, "'versioned'");
    else if (strcmp(column, "outcome") == 0)
        strbuf_adds(sql, "'applied'");
    else if (strcmp(column, "checksum") == 0 || strcmp(column, "tokens") == 0)
        strbuf_adds(sql, "'00ff'");
    else if (strcmp(column, "id") == 0)
        strbuf_addf(sql, "'V %u'", row + 1);
    else if (strcmp(column, "format") == 0 || strcmp(column, "success") == 0)
        strbuf_adds(sql, "1");
    else if (strcmp(column, "installed_on") == 0)
        strbuf_adds(sql, "'2025-01-01 00:00:00'");
    else
        strbuf_addf(sql, "%u", row + 1);
}

static void add_value(StrBuf *sql, Taker *t, const char *column, unsigned row)
{
    static const char *const words[] = {"repeatable", "baseline",     "baselined", "running-up",
                                        "failed",     "running-down", "deleted",   "skipped"};
    StrBuf text = strbuf(sql->arena);
    switch (take_below(t, 9)) {
    case 0:
        strbuf_adds(sql, "NULL");
        return;
    case 1:
        strbuf_addf(sql, "%lld", (long long)take_number(t));
        return;
    case 2:
        sql_add_blob(sql, SQL_SQLITE, take_text(t));
        return;
    case 3: /* bytes that are called text, as SQLite allows */
        strbuf_adds(sql, "CAST(");
        sql_add_blob(sql, SQL_SQLITE, take_text(t));
        strbuf_adds(sql, " AS TEXT)");
        return;
    case 4:
        strbuf_adds(sql, "1e999");
        return;
    case 5:
        strbuf_adds(&text, words[take_below(t, sizeof words / sizeof *words)]);
        sql_add_literal(sql, SQL_SQLITE, strbuf_str(&text));
        return;
    default:
        add_good(sql, column, row);
    }
}

static void run(Db *db, Arena *arena, StrBuf *sql)
{
    Error err = {.arena = arena};
    Str text;
    FUZZ_REQUIRE(strbuf_finish(sql, &text));
    if (!db_exec(db, text, &err))
        fprintf(stderr, "%s: %.*s\n", err.message, STR_ARG(text));
    FUZZ_REQUIRE(err.kind == ERROR_NONE);
}

static void fill(Db *db, Arena *arena, Taker *t, const Shape *shape)
{
    StrBuf create = strbuf(arena);
    strbuf_addf(&create, "CREATE TABLE %s (namespace DEFAULT ''", shape->table);
    for (size_t i = 0; i < MOST_COLUMNS && shape->columns[i]; i++)
        strbuf_addf(&create, ", %s", shape->columns[i]);
    strbuf_adds(&create, ")");
    run(db, arena, &create);
    for (unsigned row = 0, count = take_below(t, MOST_ROWS); row < count; row++) {
        StrBuf insert = strbuf(arena);
        strbuf_addf(&insert, "INSERT INTO %s VALUES (''", shape->table);
        for (size_t i = 0; i < MOST_COLUMNS && shape->columns[i]; i++) {
            strbuf_adds(&insert, ", ");
            add_value(&insert, t, shape->columns[i], row);
        }
        strbuf_adds(&insert, ")");
        run(db, arena, &insert);
    }
}

static void print(Arena *arena, const Overview *overview, const Plan *plan)
{
    ReportPlace place = {.engine = "sqlite",
                         .engine_title = "SQLite",
                         .version = "3",
                         .database = "x",
                         .place = "",
                         .convention = "whimbrel"};
    Text text = text_new(arena, (TextLook){.is_unicode = true});
    StrBuf out = strbuf(arena);
    JsonWriter w = {.out = &out};
    report_status(&text, &place, overview, false);
    report_status_json(&w, &place, overview, false);
    FUZZ_REQUIRE(json_finish(&w, NULL));
    output_require_json(strbuf_str(&out), true);
    if (plan) {
        strbuf_clear(&out);
        w = (JsonWriter){.out = &out};
        report_plan(&text, &place, plan, NULL);
        report_plan_json(&w, &place, plan, NULL, NULL);
        FUZZ_REQUIRE(json_finish(&w, NULL));
        output_require_json(strbuf_str(&out), true);
    }
    output_require_text(text_str(&text), false, false);
}

static void plan_with(Arena *arena, Taker *t, MigrationSet *set, const History *history)
{
    Error err = {.arena = arena};
    PlanPolicy policy = {.engine = "sqlite",
                         .server_version = 3040001,
                         .has_journal = true,
                         .allows_out_of_order = take_bool(t),
                         .allows_missing = take_bool(t)};
    PlanRequest request = {.verb = (PlanVerb)take_below(t, PLAN_RESUME + 1), .resume_from = -1};
    Overview overview;
    Plan plan;
    for (size_t i = 0; i < set->migrations.len; i++) {
        Migration *m = &set->migrations.items[i];
        FUZZ_REQUIRE(!m->up || script_read_parts(arena, m->up, &set->script_options, &err));
        Script *down;
        FUZZ_REQUIRE(migration_down(set, m, &down));
        FUZZ_REQUIRE(!down || script_read_parts(arena, down, &set->script_options, &err));
    }
    FUZZ_REQUIRE(plan_overview(arena, set, history, &policy, &overview, &err));
    if (!plan_make(arena, set, history, &request, &policy, &plan, &err)) {
        FUZZ_REQUIRE(err.kind == ERROR_USAGE && err.code && err.message);
        print(arena, &overview, NULL);
        return;
    }
    for (size_t i = 0; i < plan.problems.len; i++)
        FUZZ_REQUIRE(plan.problems.items[i].code && plan.problems.items[i].message);
    FUZZ_REQUIRE(!plan.stops || plan.steps.len == 0);
    print(arena, &overview, &plan);
}

static void check_rows(const ConventionContext *ctx, Db *db, Arena *arena, const History *history)
{
    for (size_t i = 0; i < history->rows.len; i++) {
        const HistoryRow *row = &history->rows.items[i];
        Error err = {.arena = arena};
        Str up, down;
        bool has_up, has_down;
        FUZZ_REQUIRE(row->duration_us >= -1 && row->run >= 0);
        if (row->kind == MIGRATION_REPEATABLE)
            FUZZ_REQUIRE(history_find_repeatable(history, row->name));
        else
            FUZZ_REQUIRE(history_find(history, row->version));
        if (ctx->convention->history_text &&
            !ctx->convention->history_text(ctx, db, arena, row, &up, &has_up, &down, &has_down,
                                           &err))
            FUZZ_REQUIRE(err.kind != ERROR_NONE && err.message);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const TreeFile files[] = {
        {STR("001_a.up.sql"), STR("CREATE TABLE a (id int);")},
        {STR("001_a.down.sql"), STR("DROP TABLE a;")},
        {STR("002_b.up.sql"), STR("CREATE TABLE b (id int);")},
        {STR("002_b.down.sql"), STR("DROP TABLE b;")},
    };
    scoped(Arena *, arena_freep) arena = arena_new();
    scoped(Db *, db_closep) db = NULL;
    FUZZ_REQUIRE(arena);
    Taker taker = {data, size}, *t = &taker;
    Error err = {.arena = arena};
    DbUrl url;
    FUZZ_REQUIRE(db_url_parse(arena, STR("sqlite::memory:"), &url, &err));
    DbOptions options = {.may_create = true};
    FUZZ_REQUIRE(db_open(&url, &options, &db, &err));
    const char *name = take_bool(t) ? "sqlx" : "whimbrel";
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        if (strcmp(shapes[i].convention, name) == 0 && take_below(t, 8) != 7)
            fill(db, arena, t, &shapes[i]);

    FileTree tree;
    Str folder = STR(".");
    FUZZ_REQUIRE(file_tree_make(arena, files, sizeof files / sizeof *files, &tree, &err));
    ConventionContext ctx = {.convention = convention_find(str_from(name)),
                             .dialect = SQL_SQLITE,
                             .files = &tree,
                             .folders = {&folder, 1, 1}};
    MigrationSet set;
    History history;
    RunRowVec runs;
    FUZZ_REQUIRE(ctx.convention->scan(&ctx, arena, &set, &err));
    if (!ctx.convention->history_read(&ctx, db, arena, &history, &err)) {
        FUZZ_REQUIRE(err.kind != ERROR_NONE && err.message);
        return 0;
    }
    check_rows(&ctx, db, arena, &history);
    if (ctx.convention->runs_read && !ctx.convention->runs_read(&ctx, db, arena, 0, &runs, &err))
        FUZZ_REQUIRE(err.kind != ERROR_NONE && err.message);
    migration_set_expect(&set, &history);
    error_clear(&err);
    FUZZ_REQUIRE(migration_set_read(arena, &set, true, &err));
    plan_with(arena, t, &set, &history);
    return 0;
}

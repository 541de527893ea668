/* whimbrel's history on every engine at hand: what is written is read back. SPDX-License-Identifier: Apache-2.0 */
#include "fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static History read_history(Fixture *f)
{
    History history = {0};
    OK(f, f->ctx.convention->history_read(&f->ctx, f->db, f->arena, &history, &f->err));
    return history;
}

static void run_all(Fixture *f, const DbStatementVec *statements)
{
    DbOutcome outcome;
    if (statements->len > 0 &&
        !db_run(f->db, statements->items, statements->len, NULL, NULL, &outcome, &f->err))
        fail_msg("%.*s: %s", STR_ARG(statements->items[outcome.completed].sql), f->err.message);
}

static size_t prepare(Fixture *f)
{
    History history = read_history(f);
    DbStatementVec out = {0};
    OK(f, f->ctx.convention->history_prepare(&f->ctx, f->db, f->arena, &history, &out, &f->err));
    run_all(f, &out);
    return out.len;
}

/* In a transaction, as a migration's own write is. */
static void put(Fixture *f, HistoryWrite write)
{
    DbStatementVec out = {0};
    assert_true(vec_push(f->arena, &out, (DbStatement){.sql = str_from(f->db->driver->begin)}));
    OK(f, f->ctx.convention->history_write(&f->ctx, f->db, f->arena, &write, &out, &f->err));
    assert_true(vec_push(f->arena, &out, (DbStatement){.sql = STR("COMMIT")}));
    run_all(f, &out);
}

static Script *script(Fixture *f, const char *checksum, const char *tokens)
{
    Script *made = arena_alloc(f->arena, sizeof *made);
    *made = (Script){
        .path = "x", .checksum = str_from(checksum), .tokens = str_from(tokens), .is_read = true};
    return made;
}

static Migration migration(Fixture *f, const char *version, const char *name, MigrationKind kind)
{
    return (Migration){.version = str_from(version),
                       .name = str_from(name),
                       .kind = kind,
                       .up = script(f, "aa11", "bb22")};
}

static void assert_str(Str actual, const char *expected)
{
    if (!str_eq(actual, str_from(expected)))
        fail_msg("\"%.*s\" instead of \"%s\"", STR_ARG(actual), expected);
}

#define FOR_EACH_ENGINE(f) for ((f)->engine = 0; fixture_engine(f); (f)->engine++)

static void nothing_is_there_before_it_is_prepared(void **state)
{
    Fixture *f = *state;
    FOR_EACH_ENGINE(f)
    {
        History history = read_history(f);
        assert_false(history.exists);
        assert_int_equal(history.rows.len, 0);
        assert_int_equal(history.last_run, 0);
        assert_true(prepare(f) > 0);
        history = read_history(f);
        assert_true(history.exists);
        assert_false(history.is_older_format);
        assert_int_equal(history.rows.len, 0);
        assert_int_equal(prepare(f), 0); /* nothing to do the second time */
        assert_string_equal(fixture_value(f, "SELECT format FROM whimbrel_meta"), "1");
        DbStatementVec again = {0};
        History blank = {0};
        OK(f,
           f->ctx.convention->history_prepare(&f->ctx, f->db, f->arena, &blank, &again, &f->err));
        run_all(f, &again); /* and harmless if done */
        assert_string_equal(fixture_value(f, "SELECT COUNT(*) FROM whimbrel_meta"), "1");
    }
}

static void an_applied_migration_is_read_back(void **state)
{
    Fixture *f = *state;
    FOR_EACH_ENGINE(f)
    {
        prepare(f);
        f->ctx.run = 7;
        Migration m = migration(f, "20250405120000", "create_users", MIGRATION_VERSIONED);
        Timestamp before = clock_now();
        put(f, (HistoryWrite){.kind = WRITE_APPLIED,
                              .migration = &m,
                              .total = 3,
                              .duration_us = 3200,
                              .up_text = STR("CREATE TABLE users (id int);"),
                              .has_up_text = true});
        Timestamp after = clock_now();
        History history = read_history(f);
        assert_int_equal(history.rows.len, 1);
        const HistoryRow *row = &history.rows.items[0];
        assert_str(row->version, "20250405120000");
        assert_str(row->name, "create_users");
        assert_int_equal(row->kind, MIGRATION_VERSIONED);
        assert_int_equal(row->outcome, HISTORY_APPLIED);
        assert_str(row->checksum, "aa11");
        assert_str(row->tokens, "bb22");
        assert_str(row->applied_by, "app@box");
        assert_str(row->program, "whimbrel 0.1.0");
        assert_int_equal(row->run, 7);
        assert_int_equal(row->rank, 1);
        assert_int_equal(row->done, 3);
        assert_int_equal(row->total, 3);
        assert_int_equal(row->duration_us, 3200);
        assert_true(row->has_journal);
        assert_true(row->has_up_text);
        assert_false(row->has_down_text);
        assert_false(row->is_fate_unknown);
        assert_null(row->failure);
        assert_true(row->finished_at >= before - 2000 && row->finished_at <= after + 2000);
        assert_true(row->started_at >= before - 2000 && row->started_at <= row->finished_at);
        assert_int_equal(history.last_run, 7);
        /* A second application fails on the key and leaves the row alone. */
        HistoryWrite again = {.kind = WRITE_APPLIED, .migration = &m, .duration_us = 1};
        DbStatementVec out = {0};
        DbOutcome outcome;
        OK(f, f->ctx.convention->history_write(&f->ctx, f->db, f->arena, &again, &out, &f->err));
        assert_int_equal(out.len, 1);
        assert_false(db_run(f->db, out.items, out.len, NULL, NULL, &outcome, &f->err));
        assert_int_equal(f->err.kind, ERROR_SQL);
        error_clear(&f->err);
    }
}

static void texts_of_any_length_come_back_as_they_were(void **state)
{
    Fixture *f = *state;
    FOR_EACH_ENGINE(f)
    {
        prepare(f);
        StrBuf buf = strbuf(f->arena);
        Str big;
        for (int i = 0; i < 5000; i++)
            strbuf_addf(&buf, "INSERT INTO t VALUES ('%d \\ '' \" é ☃ \r\n');\n", i);
        assert_true(strbuf_finish(&buf, &big));
        const Str texts[] = {STR(""), STR("SELECT 'a\\';"), STR("x"),
                             big,     str_sub(big, 0, 511), str_sub(big, 0, 512)};
        for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
            Migration m =
                migration(f, str_format(f->arena, "%zu", i + 1), "m", MIGRATION_VERSIONED);
            put(f, (HistoryWrite){.kind = WRITE_APPLIED,
                                  .migration = &m,
                                  .duration_us = 1,
                                  .up_text = texts[i],
                                  .has_up_text = true,
                                  .down_text = texts[5 - i],
                                  .has_down_text = i > 0});
        }
        History history = read_history(f);
        for (size_t i = 0; i < history.rows.len; i++) {
            Str up, down;
            bool has_up, has_down;
            OK(f, f->ctx.convention->history_text(&f->ctx, f->db, f->arena, &history.rows.items[i],
                                                  &up, &has_up, &down, &has_down, &f->err));
            assert_true(has_up && history.rows.items[i].has_up_text);
            assert_true(str_eq(up, texts[i]));
            assert_int_equal(has_down, i > 0);
            assert_int_equal(history.rows.items[i].has_down_text, i > 0);
            if (has_down)
                assert_true(str_eq(down, texts[5 - i]));
        }
        /* Longer than the limit: not kept. */
        f->ctx.store_limit_bytes = 10;
        Migration m = migration(f, "99", "m", MIGRATION_VERSIONED);
        put(f, (HistoryWrite){.kind = WRITE_APPLIED,
                              .migration = &m,
                              .up_text = STR("longer than that"),
                              .has_up_text = true,
                              .down_text = STR("shorter"),
                              .has_down_text = true});
        f->ctx.store_limit_bytes = 1 << 20;
        history = read_history(f);
        assert_false(history_find(&history, STR("99"))->has_up_text);
        assert_true(history_find(&history, STR("99"))->has_down_text);
    }
}

static void a_journal_says_how_far_a_migration_came(void **state)
{
    Fixture *f = *state;
    FOR_EACH_ENGINE(f)
    {
        prepare(f);
        Migration m = migration(f, "1", "a", MIGRATION_VERSIONED);
        put(f, (HistoryWrite){.kind = WRITE_BEGIN,
                              .migration = &m,
                              .total = 3,
                              .down_text = STR("DROP"),
                              .has_down_text = true});
        History history = read_history(f);
        const HistoryRow *row = &history.rows.items[0];
        assert_int_equal(row->outcome, HISTORY_RUNNING_UP);
        assert_int_equal(row->done, 0);
        assert_int_equal(row->total, 3);
        assert_true(
            row->is_fate_unknown); /* if nobody is at it, the first statement may have run */
        assert_int_equal(row->finished_at, TIMESTAMP_UNKNOWN);
        assert_int_equal(row->duration_us, -1);
        put(f, (HistoryWrite){.kind = WRITE_STEP,
                              .migration = &m,
                              .row = row,
                              .is_journaled = true,
                              .done = 2,
                              .total = 3});
        history = read_history(f);
        row = &history.rows.items[0];
        assert_int_equal(row->done, 2);
        assert_true(row->is_fate_unknown);
        put(f, (HistoryWrite){.kind = WRITE_FAILED,
                              .migration = &m,
                              .is_journaled = true,
                              .done = 2,
                              .total = 3,
                              .duration_us = 10,
                              .error = (Str){"no such \xff table\0 'x'", 20}});
        history = read_history(f);
        row = &history.rows.items[0];
        assert_int_equal(row->outcome, HISTORY_RUNNING_UP);
        assert_false(row->is_fate_unknown);
        assert_string_equal(row->failure, "no such ? table? 'x'");
        assert_int_equal(row->duration_us, 10);
        put(f, (HistoryWrite){.kind = WRITE_STEP,
                              .migration = &m,
                              .row = row,
                              .is_journaled = true,
                              .done = 3,
                              .total = 3});
        history = read_history(f);
        assert_false(history.rows.items[0].is_fate_unknown); /* all have run: none is in doubt */
        put(f, (HistoryWrite){.kind = WRITE_APPLIED,
                              .migration = &m,
                              .row = &history.rows.items[0],
                              .is_journaled = true,
                              .total = 3,
                              .duration_us = -1});
        history = read_history(f);
        row = &history.rows.items[0];
        assert_int_equal(history.rows.len, 1);
        assert_int_equal(row->outcome, HISTORY_APPLIED);
        assert_null(row->failure);
        assert_true(row->duration_us >= 0 && row->duration_us < 60000000);
        assert_true(row->has_down_text);
        /* down */
        put(f, (HistoryWrite){
                   .kind = WRITE_BEGIN, .migration = &m, .row = row, .is_down = true, .total = 2});
        history = read_history(f);
        row = &history.rows.items[0];
        assert_int_equal(row->outcome, HISTORY_RUNNING_DOWN);
        assert_int_equal(row->total, 2);
        assert_true(row->is_fate_unknown);
        put(f, (HistoryWrite){.kind = WRITE_FAILED,
                              .migration = &m,
                              .row = row,
                              .is_down = true,
                              .is_journaled = true,
                              .is_fate_unknown = true,
                              .done = 1,
                              .error = STR("gone")});
        history = read_history(f);
        row = &history.rows.items[0];
        assert_int_equal(row->outcome, HISTORY_RUNNING_DOWN);
        assert_true(row->is_fate_unknown);
        assert_int_equal(row->done, 1);
        put(f, (HistoryWrite){
                   .kind = WRITE_REMOVED, .row = row, .is_down = true, .is_journaled = true});
        history = read_history(f);
        assert_int_equal(history.rows.len, 0);
        /* Without a journal a failure leaves nothing, and says nothing. */
        HistoryWrite failed = {.kind = WRITE_FAILED, .migration = &m, .error = STR("x")};
        DbStatementVec out = {0};
        OK(f, f->ctx.convention->history_write(&f->ctx, f->db, f->arena, &failed, &out, &f->err));
        assert_int_equal(out.len, 0);
    }
}

static void a_repeatable_keeps_one_row_and_moves_to_the_end(void **state)
{
    Fixture *f = *state;
    FOR_EACH_ENGINE(f)
    {
        prepare(f);
        Migration views = migration(f, "", "views", MIGRATION_REPEATABLE),
                  one = migration(f, "1", "a", MIGRATION_VERSIONED);
        put(f, (HistoryWrite){.kind = WRITE_APPLIED,
                              .migration = &views,
                              .duration_us = 1,
                              .up_text = STR("old"),
                              .has_up_text = true});
        put(f, (HistoryWrite){.kind = WRITE_APPLIED, .migration = &one, .duration_us = 1});
        History history = read_history(f);
        assert_int_equal(history.rows.items[0].kind, MIGRATION_REPEATABLE);
        views.up = script(f, "cc33", "dd44");
        put(f, (HistoryWrite){.kind = WRITE_APPLIED,
                              .migration = &views,
                              .row = history_find_repeatable(&history, STR("views")),
                              .duration_us = 2});
        history = read_history(f);
        assert_int_equal(history.rows.len, 2);
        const HistoryRow *row = &history.rows.items[1];
        assert_str(row->name, "views");
        assert_str(row->checksum, "cc33");
        assert_int_equal(row->rank, 3);
        assert_int_equal(row->duration_us, 2);
        assert_false(row->has_up_text);
        /* The journaled way changes the row too. */
        put(f, (HistoryWrite){.kind = WRITE_BEGIN,
                              .migration = &one,
                              .row = history_find(&history, STR("1")),
                              .total = 1});
        history = read_history(f);
        assert_int_equal(history.rows.len, 2);
        assert_int_equal(history_find(&history, STR("1"))->outcome, HISTORY_RUNNING_UP);
        assert_int_equal(history_find(&history, STR("1"))->rank, 4);
    }
}

static void baselines_skips_and_repairs_are_kept(void **state)
{
    Fixture *f = *state;
    FOR_EACH_ENGINE(f)
    {
        prepare(f);
        Migration base = migration(f, "5", "base", MIGRATION_BASELINE),
                  skip = migration(f, "6", "skip", MIGRATION_VERSIONED);
        put(f, (HistoryWrite){.kind = WRITE_BASELINE, .migration = &base, .duration_us = 0});
        put(f, (HistoryWrite){.kind = WRITE_SKIPPED, .migration = &skip, .duration_us = 0});
        History history = read_history(f);
        assert_int_equal(history_find(&history, STR("5"))->outcome, HISTORY_BASELINED);
        assert_int_equal(history_find(&history, STR("5"))->kind, MIGRATION_BASELINE);
        assert_int_equal(history_find(&history, STR("6"))->outcome, HISTORY_SKIPPED);
        Migration renamed = migration(f, "006", "new_name", MIGRATION_VERSIONED);
        renamed.up = script(f, "ee55", "ff66");
        put(f, (HistoryWrite){.kind = WRITE_CHECKSUM,
                              .migration = &renamed,
                              .row = history_find(&history, STR("6")),
                              .up_text = STR("new"),
                              .has_up_text = true});
        history = read_history(f);
        const HistoryRow *row = history_find(&history, STR("6"));
        assert_str(row->version, "6");
        assert_str(row->name, "new_name");
        assert_str(row->checksum, "ee55");
        assert_str(row->tokens, "ff66");
        assert_true(row->has_up_text);
        put(f, (HistoryWrite){.kind = WRITE_DELETED, .row = row});
        history = read_history(f);
        assert_int_equal(history_find(&history, STR("6"))->outcome, HISTORY_DELETED);
        HistoryWrite nobody = {.kind = WRITE_REMOVED};
        DbStatementVec out = {0};
        assert_false(
            f->ctx.convention->history_write(&f->ctx, f->db, f->arena, &nobody, &out, &f->err));
        assert_int_equal(f->err.kind, ERROR_USAGE);
        error_clear(&f->err);
    }
}

static void times_that_are_given_are_kept(void **state)
{
    Fixture *f = *state;
    FOR_EACH_ENGINE(f)
    {
        prepare(f);
        Migration m = migration(f, "1", "a", MIGRATION_VERSIONED);
        Timestamp start;
        assert_true(timestamp_parse(STR("2020-02-29 23:59:59.123456"), &start));
        put(f, (HistoryWrite){.kind = WRITE_APPLIED,
                              .migration = &m,
                              .started_at = start,
                              .duration_us = 1500000});
        History history = read_history(f);
        assert_int_equal(history.rows.items[0].started_at, start);
        assert_int_equal(history.rows.items[0].finished_at, start + 1500000);
        assert_int_equal(history.rows.items[0].duration_us, 1500000);
    }
}

static void a_duration_can_be_left_to_the_server(void **state)
{
    Fixture *f = *state;
    FOR_EACH_ENGINE(f)
    {
        prepare(f);
        Migration m = migration(f, "1", "a", MIGRATION_VERSIONED),
                  n = migration(f, "2", "b", MIGRATION_VERSIONED);
        put(f, (HistoryWrite){.kind = WRITE_APPLIED,
                              .migration = &m,
                              .started_at = clock_now() - 5000000,
                              .duration_us = -1});
        put(f, (HistoryWrite){.kind = WRITE_APPLIED,
                              .migration = &n,
                              .started_at = TIMESTAMP_UNKNOWN,
                              .duration_us = -1});
        History history = read_history(f);
        int64_t known = history.rows.items[0].duration_us,
                unknown = history.rows.items[1].duration_us;
        if (fixture_is(f, "postgres")) { /* from the start of the transaction */
            assert_true(known >= 0 && known < 1000000);
            assert_true(unknown >= 0 && unknown < 1000000);
        } else {
            assert_true(known > 4900000 && known < 8000000);
            assert_int_equal(unknown, -1);
        }
    }
}

static void runs_are_logged(void **state)
{
    Fixture *f = *state;
    FOR_EACH_ENGINE(f)
    {
        RunRowVec runs = {0};
        OK(f, f->ctx.convention->runs_read(&f->ctx, f->db, f->arena, 0, &runs, &f->err));
        assert_int_equal(runs.len, 0);
        prepare(f);
        for (f->ctx.run = 1; f->ctx.run <= 3; f->ctx.run++) {
            put(f, (HistoryWrite){.kind = WRITE_RUN_BEGIN, .command = STR("migrate")});
            if (f->ctx.run < 3)
                put(f, (HistoryWrite){.kind = WRITE_RUN_END,
                                      .command = STR("migrate"),
                                      .outcome = STR("ok"),
                                      .applied = STR("1 a, 2 b"),
                                      .rolled_back = STR("3 'c'"),
                                      .error = STR(""),
                                      .duration_us = f->ctx.run == 1 ? 41700 : -1});
        }
        OK(f, f->ctx.convention->runs_read(&f->ctx, f->db, f->arena, 2, &runs, &f->err));
        assert_int_equal(runs.len, 2);
        assert_int_equal(runs.items[0].run, 3);
        assert_str(runs.items[0].outcome, "running");
        assert_int_equal(runs.items[0].finished_at, TIMESTAMP_UNKNOWN);
        OK(f, f->ctx.convention->runs_read(&f->ctx, f->db, f->arena, 0, &runs, &f->err));
        assert_int_equal(runs.len, 3);
        const RunRow *first = &runs.items[2];
        assert_int_equal(first->run, 1);
        assert_str(first->command, "migrate");
        assert_str(first->outcome, "ok");
        assert_str(first->applied, "1 a, 2 b");
        assert_str(first->rolled_back, "3 'c'");
        assert_str(first->who, "app");
        assert_str(first->host, "box");
        assert_str(first->program, "whimbrel 0.1.0");
        assert_int_equal(first->duration_us, 41700);
        assert_true(first->finished_at >= first->started_at);
        assert_true(runs.items[1].duration_us >= 0);
        History history = read_history(f);
        assert_int_equal(history.last_run, 3);
    }
}

static void namespaces_keep_apart(void **state)
{
    Fixture *f = *state;
    FOR_EACH_ENGINE(f)
    {
        prepare(f);
        Migration m = migration(f, "1", "a", MIGRATION_VERSIONED);
        f->ctx.run = 4;
        put(f, (HistoryWrite){.kind = WRITE_RUN_BEGIN, .command = STR("migrate")});
        put(f, (HistoryWrite){.kind = WRITE_APPLIED, .migration = &m, .duration_us = 1});
        f->ctx.name_space = STR("billing's");
        History history = read_history(f);
        assert_int_equal(history.rows.len, 0);
        assert_int_equal(history.last_run, 4); /* runs are numbered across them */
        put(f, (HistoryWrite){.kind = WRITE_APPLIED, .migration = &m, .duration_us = 1});
        history = read_history(f);
        assert_int_equal(history.rows.len, 1);
        put(f, (HistoryWrite){.kind = WRITE_REMOVED, .row = &history.rows.items[0]});
        assert_int_equal(read_history(f).rows.len, 0);
        f->ctx.name_space = (Str){0};
        assert_int_equal(read_history(f).rows.len, 1);
    }
}

static void names_from_outside_cannot_break_the_sql(void **state)
{
    Fixture *f = *state;
    FOR_EACH_ENGINE(f)
    {
        prepare(f);
        const char *name = "x'; DROP TABLE whimbrel_history; -- \\' \" ` é";
        Migration m = migration(f, "1", name, MIGRATION_VERSIONED),
                  r = migration(f, "", name, MIGRATION_REPEATABLE);
        f->ctx.who = str_from(name);
        put(f, (HistoryWrite){.kind = WRITE_APPLIED, .migration = &m, .duration_us = 1});
        put(f, (HistoryWrite){.kind = WRITE_APPLIED, .migration = &r, .duration_us = 1});
        f->ctx.who = STR("app");
        History history = read_history(f);
        assert_str(history.rows.items[0].name, name);
        assert_non_null(history_find_repeatable(&history, str_from(name)));
        put(f, (HistoryWrite){.kind = WRITE_REMOVED, .row = &history.rows.items[1]});
        assert_int_equal(read_history(f).rows.len, 1);
    }
}

static void another_table_takes_its_companions_along(void **state)
{
    Fixture *f = *state;
    FOR_EACH_ENGINE(f)
    {
        bool is_postgres = fixture_is(f, "postgres");
        const char *table = is_postgres               ? "\"Odd schema\".my_history"
                            : fixture_is(f, "sqlite") ? "main.my_history"
                                                      : "my_history";
        if (is_postgres)
            fixture_exec(f, "DROP SCHEMA IF EXISTS \"Odd schema\" CASCADE");
        else
            for (int i = 0; i < 3; i++)
                fixture_exec(f, str_format(f->arena, "DROP TABLE IF EXISTS my_history%s",
                                           i == 0   ? ""
                                           : i == 1 ? "_run"
                                                    : "_meta"));
        f->ctx.table = str_from(table);
        Migration m = migration(f, "1", "a", MIGRATION_VERSIONED);
        assert_true(prepare(f) > 0);
        assert_int_equal(prepare(f), 0);
        put(f, (HistoryWrite){.kind = WRITE_APPLIED, .migration = &m, .duration_us = 1});
        assert_int_equal(read_history(f).rows.len, 1);
        const char *prefix = is_postgres ? "\"Odd schema\"." : "";
        assert_string_equal(
            fixture_value(f, str_format(f->arena, "SELECT COUNT(*) FROM %smy_history_run", prefix)),
            "0");
        assert_string_equal(
            fixture_value(f, str_format(f->arena, "SELECT format FROM %smy_history_meta", prefix)),
            "1");
        f->ctx.table = (Str){0};
        assert_false(read_history(f).exists);
        if (is_postgres)
            fixture_exec(f, "DROP SCHEMA \"Odd schema\" CASCADE");
    }
}

static void bad_table_names_are_refused(void **state)
{
    Fixture *f = *state;
    static const char *const bad[] = {
        "a.b.c", ".",
        "a.",    ".a",
        "\"a",   "\"a\"b",
        "a\xff", "a_name_that_is_longer_than_what_postgresql_keeps_of_a_name_is_refused",
        NULL};
    assert_true(fixture_engine(f));
    for (size_t i = 0; bad[i]; i++) {
        History history;
        f->ctx.table = str_from(bad[i]);
        fixture_refused(
            f, f->ctx.convention->history_read(&f->ctx, f->db, f->arena, &history, &f->err),
            "bad-table", NULL, "schema.table");
    }
}

static void a_newer_format_is_refused(void **state)
{
    Fixture *f = *state;
    FOR_EACH_ENGINE(f)
    {
        History history;
        prepare(f);
        fixture_exec(f, "UPDATE whimbrel_meta SET format = 2");
        fixture_refused(
            f, f->ctx.convention->history_read(&f->ctx, f->db, f->arena, &history, &f->err),
            "newer-history", "whimbrel_history has format 2", "upgrade");
        fixture_exec(
            f,
            "ALTER TABLE whimbrel_history RENAME COLUMN tokens TO digests"); /* even when it could not be read */
        fixture_refused(
            f, f->ctx.convention->history_read(&f->ctx, f->db, f->arena, &history, &f->err),
            "newer-history", NULL, NULL);
    }
}

static void an_older_format_is_brought_up_to_date(void **state)
{
    Fixture *f = *state;
    FOR_EACH_ENGINE(f)
    {
        Migration m = migration(f, "1", "a", MIGRATION_VERSIONED);
        prepare(f);
        put(f, (HistoryWrite){.kind = WRITE_APPLIED, .migration = &m, .duration_us = 1});
        static const char *const wounds[] = {
            "UPDATE whimbrel_meta SET format = 0", "DELETE FROM whimbrel_meta",
            "DROP TABLE whimbrel_meta", "DROP TABLE whimbrel_run", NULL};
        for (size_t i = 0; wounds[i]; i++) {
            fixture_exec(f, wounds[i]);
            History history = read_history(f);
            assert_true(history.exists);
            assert_true(history.is_older_format);
            assert_int_equal(history.rows.len, 1);
            assert_true(prepare(f) > 0);
            history = read_history(f);
            assert_false(history.is_older_format);
            assert_int_equal(history.rows.len, 1);
            assert_string_equal(fixture_value(f, "SELECT format FROM whimbrel_meta"), "1");
            assert_string_equal(fixture_value(f, "SELECT COUNT(*) FROM whimbrel_run"), "0");
        }
    }
}

static void a_history_that_is_gone_is_not_begun_anew(void **state)
{
    Fixture *f = *state;
    FOR_EACH_ENGINE(f)
    {
        History history;
        prepare(f);
        fixture_exec(f, "DROP TABLE whimbrel_history");
        fixture_refused(
            f, f->ctx.convention->history_read(&f->ctx, f->db, f->arena, &history, &f->err),
            "lost-history", "whimbrel_history is gone", "whimbrel_run and whimbrel_meta");
        fixture_exec(f, "DROP TABLE whimbrel_run");
        fixture_exec(f, "DROP TABLE whimbrel_meta");
        assert_false(read_history(f).exists);
    }
}

static void a_foreign_table_is_refused(void **state)
{
    Fixture *f = *state;
    FOR_EACH_ENGINE(f)
    {
        History history;
        fixture_exec(f, "CREATE TABLE whimbrel_history (version int, name int)");
        fixture_refused(
            f, f->ctx.convention->history_read(&f->ctx, f->db, f->arena, &history, &f->err),
            "foreign-history", "whimbrel_history", "--table");
        fixture_exec(f, "DROP TABLE whimbrel_history");
        prepare(f);
        Migration m = migration(f, "1", "a", MIGRATION_VERSIONED);
        put(f, (HistoryWrite){.kind = WRITE_APPLIED, .migration = &m, .duration_us = 1});
        fixture_exec(f, "UPDATE whimbrel_history SET outcome = 'sideways'");
        fixture_refused(
            f, f->ctx.convention->history_read(&f->ctx, f->db, f->arena, &history, &f->err),
            "foreign-history", "values", NULL);
        /* A run that none could follow. */
        fixture_exec(f,
                     "UPDATE whimbrel_history SET outcome = 'applied', run = 9223372036854775807");
        fixture_refused(
            f, f->ctx.convention->history_read(&f->ctx, f->db, f->arena, &history, &f->err),
            "foreign-history", "values", NULL);
        /* Times that cannot be are not known. */
        fixture_exec(f, "UPDATE whimbrel_history SET run = 1, duration_us = -5");
        assert_int_equal(read_history(f).rows.items[0].duration_us, -1);
        fixture_exec(f, "UPDATE whimbrel_history SET duration_us = 9223372036854775807");
        assert_int_equal(read_history(f).rows.items[0].duration_us, -1);
    }
}

static void reading_takes_one_round_trip(void **state)
{
    Fixture *f = *state;
    FOR_EACH_ENGINE(f)
    {
        uint64_t before = f->db->round_trips;
        read_history(f);
        /* no table yet */
        assert_true(f->db->round_trips - before <= 2 || fixture_is(f, "sqlite"));
        prepare(f);
        before = f->db->round_trips;
        read_history(f);
        assert_true(f->db->round_trips - before <= 1 || fixture_is(f, "sqlite"));
    }
}

static void reading_inside_a_transaction_does_not_end_it(void **state)
{
    Fixture *f = *state;
    FOR_EACH_ENGINE(f)
    {
        fixture_exec(f, f->db->driver->begin);
        assert_false(read_history(f).exists);
        assert_string_equal(fixture_value(f, "SELECT 1"), "1");
        fixture_exec(f, "COMMIT");
        prepare(f);
        fixture_exec(f, f->db->driver->begin);
        assert_true(read_history(f).exists);
        fixture_exec(f, "ROLLBACK");
    }
}

static void ten_thousand_rows_are_read(void **state)
{
    Fixture *f = *state;
    FOR_EACH_ENGINE(f)
    {
        DbStatementVec out = {0};
        DbOutcome outcome;
        prepare(f);
        assert_true(vec_push(f->arena, &out, (DbStatement){.sql = str_from(f->db->driver->begin)}));
        for (int i = 0; i < 10000; i++) {
            Migration m = migration(f, str_format(f->arena, "2025%010d", i), "some_migration_name",
                                    MIGRATION_VERSIONED);
            m.up = script(f, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
                          "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
            HistoryWrite write = {.kind = WRITE_APPLIED,
                                  .migration = &m,
                                  .duration_us = 1,
                                  .up_text = STR("SELECT 1;"),
                                  .has_up_text = true};
            OK(f,
               f->ctx.convention->history_write(&f->ctx, f->db, f->arena, &write, &out, &f->err));
        }
        assert_true(vec_push(f->arena, &out, (DbStatement){.sql = STR("COMMIT")}));
        int64_t start = clock_monotonic_us();
        OK(f, db_run(f->db, out.items, out.len, NULL, NULL, &outcome, &f->err));
        int64_t written = clock_monotonic_us();
        scoped(Arena *, arena_freep) arena = arena_new();
        History history = {0};
        OK(f, f->ctx.convention->history_read(&f->ctx, f->db, arena, &history, &f->err));
        int64_t read = clock_monotonic_us();
        assert_int_equal(history.rows.len, 10000);
        print_message("# %s: 10,000 rows written in %lld us, read in %lld us, %zu bytes\n",
                      f->db->info.engine, (long long)(written - start), (long long)(read - written),
                      arena_used(arena));
        assert_true(arena_used(arena) < 9000000);
    }
}

static void the_lock_is_per_database_and_table(void **state)
{
    Fixture *f = *state;
    DbLockKey one, two, other;
    assert_true(fixture_engine(f));
    f->db->info.database = "app";
    OK(f, f->ctx.convention->lock_key(&f->ctx, f->db, f->arena, &one, &f->err));
    assert_true(one.number > 0);
    assert_str(one.name, "whimbrel:app");
    f->ctx.name_space = STR("billing"); /* namespaces share tables, and so the lock */
    OK(f, f->ctx.convention->lock_key(&f->ctx, f->db, f->arena, &two, &f->err));
    assert_true(one.number == two.number && str_eq(one.name, two.name));
    f->ctx.table = STR("s.t");
    OK(f, f->ctx.convention->lock_key(&f->ctx, f->db, f->arena, &other, &f->err));
    assert_true(one.number != other.number && !str_eq(one.name, other.name));
    f->db->info.database =
        "a_database_with_a_name_so_long_that_it_does_not_fit_into_sixty_four_bytes";
    OK(f, f->ctx.convention->lock_key(&f->ctx, f->db, f->arena, &other, &f->err));
    assert_true(other.name.len <= 64);
    f->db->info.database = "";
}

#ifdef WHIMBREL_FAULTS
static void any_lost_allocation_is_an_error(void **state)
{
    Fixture *f = *state;
    assert_true(fixture_engine(f));
    prepare(f);
    f->ctx.run = 1;
    Migration m = migration(f, "1", "a", MIGRATION_VERSIONED),
              r = migration(f, "", "r", MIGRATION_REPEATABLE);
    char *big = str_format(f->arena, "%0800d", 7);
    put(f, (HistoryWrite){.kind = WRITE_APPLIED,
                          .migration = &m,
                          .duration_us = 1,
                          .up_text = str_from(big),
                          .has_up_text = true});
    put(f, (HistoryWrite){.kind = WRITE_RUN_BEGIN, .command = STR("migrate")});
    for (unsigned nth = 1;; nth++) {
        scoped(Arena *, arena_freep) arena = arena_new();
        Error err = {.arena = f->arena};
        History history = {0}, none = {0};
        DbStatementVec out = {0};
        RunRowVec runs;
        Str up, down;
        bool has_up, has_down;
        const Convention *c = f->ctx.convention;
        HistoryRow row = {.version = STR("1"), .kind = MIGRATION_VERSIONED};
        HistoryWrite writes[] = {
            {.kind = WRITE_APPLIED,
             .migration = &r,
             .duration_us = -1,
             .up_text = str_from(big),
             .has_up_text = true},
            {.kind = WRITE_STEP, .row = &row, .done = 1},
            {.kind = WRITE_FAILED, .row = &row, .is_journaled = true, .error = STR("x")},
            {.kind = WRITE_REMOVED, .row = &row},
            {.kind = WRITE_RUN_BEGIN},
            {.kind = WRITE_RUN_END},
        };
        fault_fail_allocation(nth);
        bool ok =
            c->history_read(&f->ctx, f->db, arena, &history, &err) &&
            c->history_prepare(&f->ctx, f->db, arena, &none, &out, &err) &&
            c->history_text(&f->ctx, f->db, arena, &row, &up, &has_up, &down, &has_down, &err) &&
            c->runs_read(&f->ctx, f->db, arena, 0, &runs, &err);
        for (size_t i = 0; ok && i < sizeof writes / sizeof *writes; i++)
            ok = c->history_write(&f->ctx, f->db, arena, &writes[i], &out, &err);
        bool fired = fault_fired();
        fault_fail_allocation(0);
        if (!fired) {
            assert_true(ok);
            assert_true(nth > 30);
            return;
        }
        assert_false(ok);
        assert_int_equal(err.kind, ERROR_NOMEM);
    }
}
#endif

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
UNIT_TESTS(history) = {
    TEST(nothing_is_there_before_it_is_prepared),
    TEST(an_applied_migration_is_read_back),
    TEST(texts_of_any_length_come_back_as_they_were),
    TEST(a_journal_says_how_far_a_migration_came),
    TEST(a_repeatable_keeps_one_row_and_moves_to_the_end),
    TEST(baselines_skips_and_repairs_are_kept),
    TEST(times_that_are_given_are_kept),
    TEST(a_duration_can_be_left_to_the_server),
    TEST(runs_are_logged),
    TEST(namespaces_keep_apart),
    TEST(names_from_outside_cannot_break_the_sql),
    TEST(another_table_takes_its_companions_along),
    TEST(bad_table_names_are_refused),
    TEST(a_newer_format_is_refused),
    TEST(an_older_format_is_brought_up_to_date),
    TEST(a_history_that_is_gone_is_not_begun_anew),
    TEST(a_foreign_table_is_refused),
    TEST(reading_takes_one_round_trip),
    TEST(reading_inside_a_transaction_does_not_end_it),
    TEST(ten_thousand_rows_are_read),
    TEST(the_lock_is_per_database_and_table),
#ifdef WHIMBREL_FAULTS
    TEST(any_lost_allocation_is_an_error),
#endif
};
UNIT_TESTS_END(history)

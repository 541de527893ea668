/* Running on SQLite: the whole of it, with real files. SPDX-License-Identifier: Apache-2.0 */
#include "project.h"

#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

static int setup(void **state)
{
    static Project project;
    project_init(&project, "sqlite");
    *state = &project;
    return 0;
}

static int teardown(void **state)
{
    project_done(*state);
    return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

static void migrate_applies_what_is_pending_and_then_nothing(void **state)
{
    Project *p = *state;
    project_write(p, "1_one.sql", "CREATE TABLE one (id int);\nINSERT INTO one VALUES (1);\n");
    project_write(p, "2_two.up.sql", "CREATE TABLE two (id int);");
    project_write(p, "2_two.down.sql", "DROP TABLE two;");
    assert_int_equal(migrate(p), 2);
    assert_string_equal(project_query(p, "SELECT count(*) FROM one"), "1");
    assert_string_equal(
        project_query(p, "SELECT version, outcome FROM whimbrel_history ORDER BY version"),
        "1|applied\n2|applied");
    assert_int_equal(migrate(p), 0);
    assert_int_equal(rollback(p, 1), 1);
    assert_string_equal(project_query(p, "SELECT count(*) FROM sqlite_master WHERE name = 'two'"),
                        "0");
    assert_int_equal(migrate(p), 1);
}

static void nothing_is_made_when_nothing_is_pending(void **state)
{
    Project *p = *state;
    project_write(p, "readme.txt", "nothing");
    assert_int_equal(migrate(p), 0);
    assert_string_equal(project_query(p, "SELECT count(*) FROM sqlite_master"), "0");
}

/* Where a run commits only at its end, the rows of all its migrations are noted at once. */
static void many_migrations_are_noted_at_one_commit(void **state)
{
    Project *p = *state;
    project_write(p, "R__view.sql", "DROP VIEW IF EXISTS v; CREATE VIEW v AS SELECT 1;");
    for (unsigned round = 0; round < 3; round++) {
        for (unsigned i = 1; i <= 40; i++) {
            char name[32], text[64];
            snprintf(name, sizeof name, "%u_t.up.sql", round * 100 + i);
            snprintf(text, sizeof text, "CREATE TABLE t%u_%u (id int);", round, i);
            project_write(p, name, text);
            snprintf(name, sizeof name, "%u_t.down.sql", round * 100 + i);
            snprintf(text, sizeof text, "DROP TABLE t%u_%u;", round, i);
            project_write(p, name, text);
        }
        assert_int_equal(migrate(p), round == 0 ? 41 : 40);
    }
    Session s;
    assert_true(session_open(&s, p));
    assert_true(
        session_run(&s, (PlanRequest){.verb = PLAN_GOTO, .to = STR("120"), .resume_from = -1}));
    assert_true(
        session_run(&s, (PlanRequest){.verb = PLAN_GOTO, .to = STR("head"), .resume_from = -1}));
    assert_true(str_eq(s.result.current, STR("240")));
    assert_string_equal(project_query(p, "SELECT count(*) FROM whimbrel_history"), "121");
    session_close(&s);
}

static void a_failure_keeps_what_came_before_and_nothing_of_its_own(void **state)
{
    Project *p = *state;
    project_write(p, "1_one.sql", "CREATE TABLE one (id int);");
    project_write(p, "2_two.sql", "CREATE TABLE two (id int);");
    project_write(p, "3_three.sql",
                  "CREATE TABLE three (id int);\n\nUPDATE two\nSET missing = 1;\nCREATE TABLE four "
                  "(id int);");
    const char *said = migrate_fails(p);
    assert_has(said, "no such column: missing");
    assert_has(said, "--> 3_three.sql:");
    assert_has(said,
               "Nothing of 3 was kept.\n2 migrations before it are applied; the database is at 2.");
    assert_has(said, "> whimbrel migrate: once the file is mended");
    assert_string_equal(project_query(p, "SELECT name FROM sqlite_master WHERE type = 'table' AND "
                                         "name IN ('one','two','three','four') ORDER BY 1"),
                        "one\ntwo");
    assert_string_equal(
        project_query(p, "SELECT version, outcome FROM whimbrel_history ORDER BY version"),
        "1|applied\n2|applied");
    assert_string_equal(project_query(p, "SELECT outcome, applied FROM whimbrel_run"),
                        "failed|1, 2");
    project_write(p, "3_three.sql", "CREATE TABLE three (id int);");
    assert_int_equal(migrate(p), 1);
}

static void an_error_shows_its_place(void **state)
{
    Project *p = *state;
    if (sqlite3_libversion_number() < 3038000)
        skip(); /* older ones do not say where an error is */
    project_write(
        p, "1_one.sql",
        "-- a comment\nCREATE TABLE t (a int);\n  INSERT INTO t\n  VALUES (1, nonsense);\n");
    const char *said = migrate_fails(p);
    assert_has(said, "--> 1_one.sql:4:14");
    assert_has(said, "|   VALUES (1, nonsense); (8)");
}

static void events_come_in_order(void **state)
{
    Project *p = *state;
    Session s;
    project_write(p, "1_one.sql", "CREATE TABLE one (id int);\nINSERT INTO one VALUES (1);");
    project_write(p, "R__views.sql", "DROP VIEW IF EXISTS v;\nCREATE VIEW v AS SELECT * FROM one;");
    assert_true(session_open(&s, p));
    assert_true(session_migrate(&s));
    assert_string_equal(strbuf_str(&s.log).ptr,
                        "run-begin\nstep-begin 1\nstatement 1 1/2\nstatement 1 2/2\nstep-end 1\n"
                        "step-begin R views\nstatement R views 1/2\nstatement R views "
                        "2/2\nstep-end R views\nrun-end\n");
    assert_int_equal(s.result.run, 1);
    assert_int_equal(s.result.state, OVERALL_UP_TO_DATE);
    assert_true(str_eq(s.result.current, STR("1")));
    session_close(&s);
    assert_int_equal(migrate(p), 0);
    project_write(p, "R__views.sql",
                  "DROP VIEW IF EXISTS v;\nCREATE VIEW v AS SELECT id FROM one;");
    assert_int_equal(migrate(p), 1);
    assert_string_equal(project_query(p, "SELECT count(*) FROM whimbrel_history"), "2");
}

static void lone_statements_are_journaled(void **state)
{
    Project *p = *state;
    project_write(p, "1_one.sql",
                  "CREATE TABLE one (id int);\nVACUUM;\nINSERT INTO one VALUES "
                  "(1);\nVACUUM;\nINSERT INTO one VALUES (nope);\n");
    const char *said = migrate_fails(p);
    assert_has(said, "--> 1_one.sql:5:");
    assert_has(said, "Statements 1 to 4 of 5 ran and cannot be rolled back; statement 5 failed.");
    assert_has(said, "> whimbrel migrate: goes on at statement 5");
    assert_string_equal(
        project_query(p, "SELECT outcome, done, total, fate_unknown FROM whimbrel_history"),
        "running-up|4|5|0");
    assert_string_equal(project_query(p, "SELECT count(*) FROM one"), "1");
    project_write(p, "1_one.sql",
                  "CREATE TABLE one (id int);\nVACUUM;\nINSERT INTO one VALUES "
                  "(1);\nVACUUM;\nINSERT INTO one VALUES (2);\n");
    assert_int_equal(migrate(p), 1);
    assert_string_equal(project_query(p, "SELECT count(*) FROM one"), "2");
    assert_string_equal(project_query(p, "SELECT outcome, done, total FROM whimbrel_history"),
                        "applied|5|5");
}

static void what_has_run_must_still_be_what_the_file_says(void **state)
{
    Project *p = *state;
    project_write(p, "1_one.sql",
                  "CREATE TABLE one (id int);\nVACUUM;\nINSERT INTO one VALUES (nope);\n");
    migrate_fails(p);
    project_write(p, "1_one.sql",
                  "CREATE TABLE uno (id int);\nVACUUM;\nINSERT INTO one VALUES (1);\n");
    assert_has(migrate_fails(p), "{resumed-prefix-changed}\n--> 1_one.sql:1:1");
    project_write(
        p, "1_one.sql",
        "CREATE TABLE one /* only a comment */ (id int);\nVACUUM;\nINSERT INTO one VALUES (1);\n");
    assert_int_equal(migrate(p), 1);
}

static void settings_of_the_session_end_with_the_migration(void **state)
{
    Project *p = *state;
    project_write(p, "1_one.sql",
                  "PRAGMA foreign_keys = ON;\nCREATE TABLE a (id int PRIMARY KEY);\n"
                  "CREATE TABLE b (a int REFERENCES a (id));\n");
    project_write(p, "2_two.sql", "INSERT INTO b VALUES (7);\n");
    assert_int_equal(migrate(p), 2);
    assert_string_equal(project_query(p, "SELECT a FROM b"), "7");
}

static void settings_are_said_again_after_a_stop(void **state)
{
    Project *p = *state;
    project_write(
        p, "1_one.sql",
        "PRAGMA foreign_keys = ON;\nCREATE TABLE a (id int PRIMARY KEY);\n"
        "CREATE TABLE b (a int REFERENCES a (id));\nVACUUM;\nINSERT INTO b VALUES (nope);\n");
    migrate_fails(p);
    project_write(
        p, "1_one.sql",
        "PRAGMA foreign_keys = ON;\nCREATE TABLE a (id int PRIMARY KEY);\n"
        "CREATE TABLE b (a int REFERENCES a (id));\nVACUUM;\nINSERT INTO b VALUES (7);\n");
    assert_has(migrate_fails(p), "FOREIGN KEY constraint failed");
}

static void a_constraint_checked_at_the_end_blames_its_own_migration(void **state)
{
    Project *p = *state;
    project_write(p, "1_one.sql",
                  "CREATE TABLE a (id int PRIMARY KEY); CREATE TABLE b (a int REFERENCES a (id) "
                  "DEFERRABLE INITIALLY DEFERRED);");
    project_write(p, "2_two.sql", "INSERT INTO a VALUES (1);");
    project_write(p, "3_three.sql", "INSERT INTO b VALUES (7);");
    project_write(p, "4_four.sql", "INSERT INTO a VALUES (2);");
    Session s;
    assert_true(session_open(&s, p));
    assert_true(db_exec(s.db, STR("PRAGMA foreign_keys = ON"), &s.err));
    assert_false(session_migrate(&s));
    const char *said = explain(p->arena, &s);
    session_close(&s);
    assert_has(said, "FOREIGN KEY constraint failed");
    assert_has(said,
               "Nothing of 3 was kept.\n2 migrations before it are applied; the database is at 2.");
    assert_string_equal(project_query(p, "SELECT version FROM whimbrel_history ORDER BY version"),
                        "1\n2");
}

static void a_dry_run_leaves_nothing(void **state)
{
    Project *p = *state;
    Session s;
    project_write(p, "1_one.sql", "CREATE TABLE one (id int);");
    assert_true(session_open(&s, p));
    s.runner.settings.is_dry_run = true;
    assert_true(session_migrate(&s));
    assert_int_equal(s.result.applied.len, 1);
    assert_int_equal(s.result.state, OVERALL_PENDING);
    session_close(&s);
    assert_string_equal(project_query(p, "SELECT count(*) FROM sqlite_master"), "0");
    project_write(p, "2_two.sql", "VACUUM;");
    assert_true(session_open(&s, p));
    s.runner.settings.is_dry_run = true;
    assert_false(session_migrate(&s));
    assert_int_equal(s.err.kind, ERROR_UNSUPPORTED);
    session_close(&s);
}

static void a_single_transaction_is_all_or_nothing(void **state)
{
    Project *p = *state;
    Session s;
    project_write(p, "1_one.sql", "CREATE TABLE one (id int);");
    project_write(p, "2_two.sql", "CREATE TABLE one (id int);");
    assert_true(session_open(&s, p));
    s.runner.policy.is_single_transaction = true;
    assert_false(session_migrate(&s));
    assert_int_equal(s.result.applied.len, 0);
    assert_has(explain(p->arena, &s), "Nothing of this run was kept: it is one transaction.");
    session_close(&s);
    assert_string_equal(project_query(p, "SELECT count(*) FROM sqlite_master"), "0");
    project_write(p, "2_two.sql", "CREATE TABLE two (id int);");
    assert_true(session_open(&s, p));
    s.runner.policy.is_single_transaction = true;
    assert_true(session_migrate(&s));
    session_close(&s);
    assert_string_equal(project_query(p, "SELECT count(*) FROM whimbrel_history"), "2");
}

static void a_cancel_keeps_what_came_before(void **state)
{
    Project *p = *state;
    Session s;
    project_write(p, "1_one.sql", "CREATE TABLE one (id int);");
    project_write(
        p, "2_two.sql",
        "CREATE TABLE two (id int);\nCREATE TABLE three (id int);\nCREATE TABLE four (id int);");
    assert_true(session_open(&s, p));
    s.cancel_after = 2;
    assert_false(session_migrate(&s));
    assert_int_equal(s.err.kind, ERROR_CANCELLED);
    assert_has(explain(p->arena, &s),
               "Nothing of 2 was kept.\n1 migration before it is applied; the database is at 1.");
    session_close(&s);
    assert_string_equal(project_query(p, "SELECT version FROM whimbrel_history"), "1");
    assert_string_equal(project_query(p, "SELECT outcome FROM whimbrel_run"), "interrupted");
    assert_int_equal(migrate(p), 1);
}

static void another_writer_is_waited_for_and_named(void **state)
{
    Project *p = *state;
    Session holder, s;
    project_write(p, "1_one.sql", "CREATE TABLE one (id int);");
    assert_true(session_open(&holder, p));
    assert_true(db_exec(holder.db, STR("BEGIN IMMEDIATE"), &holder.err));
    assert_true(session_open(&s, p));
    s.runner.settings.lock_wait_ms = 200;
    assert_false(session_migrate(&s));
    assert_int_equal(s.err.kind, ERROR_LOCKED);
    assert_has(strbuf_str(&s.log).ptr, "lock-wait\n");
    session_close(&s);
    session_close(&holder);
    assert_int_equal(migrate(p), 1);
}

static void migrate_beside(Session *s, const Event *event)
{
    if (event->kind != EVENT_HOOK || !s->user)
        return;
    s->user = NULL;
    /* The first run waits for its hook, with a migration half done and no lock on the database. */
    Session other;
    assert_true(session_open(&other, s->project));
    other.runner.settings.lock_wait_ms = 100;
    assert_false(session_migrate(&other));
    assert_int_equal(other.err.kind, ERROR_LOCKED);
    session_close(&other);
}

static void a_run_that_lets_go_of_the_database_still_keeps_others_out(void **state)
{
    Project *p = *state;
    Session s;
    project_write(p, "hooks/after-each", "#!/bin/sh\nexit 0\n");
    project_chmod(p, "hooks/after-each", 0700);
    project_write(p, "1_one.sql", "CREATE TABLE one (id int);\nVACUUM;\n");
    project_write(p, "2_two.sql", "CREATE TABLE two (id int);\n");
    assert_true(session_open(&s, p));
    s.on_event = migrate_beside;
    s.user = p;
    if (!session_migrate(&s))
        fail_msg("%s", explain(p->arena, &s));
    assert_null(s.user);
    session_close(&s);
}

static void emptying_takes_all(void **state)
{
    Project *p = *state;
    Session s;
    uint32_t dropped = 0;
    project_write(
        p, "1_one.sql",
        "CREATE TABLE a (id int PRIMARY KEY);\nCREATE TABLE b (a int REFERENCES a (id) ON DELETE "
        "RESTRICT);\n"
        "INSERT INTO a VALUES (1);\nINSERT INTO b VALUES (1);\nCREATE VIEW v AS SELECT * FROM b;");
    migrate(p);
    assert_true(session_open(&s, p));
    assert_true(db_exec(s.db, STR("PRAGMA foreign_keys = ON"), &s.err));
    if (!run_drop_all(&s.runner, s.arena, &(StrVec){0}, &dropped, &s.err))
        fail_msg("%s", explain(p->arena, &s));
    DbValue keys = {0};
    assert_true(db_query_value(s.db, s.arena, STR("PRAGMA foreign_keys"), &keys, &s.err));
    assert_true(str_eq(keys.text, STR("1")));
    session_close(&s);
    assert_int_equal(dropped, 6);
    assert_string_equal(project_query(p, "SELECT count(*) FROM sqlite_master"), "0");
}

static void hooks_run_around_migrations(void **state)
{
    Project *p = *state;
    Session s;
    project_write(
        p, "hooks/before-migrate.sql",
        "CREATE TABLE IF NOT EXISTS log (what text);\nINSERT INTO log VALUES ('before');");
    project_write(p, "hooks/after-migrate.sql", "INSERT INTO log VALUES ('after');\nVACUUM;");
    project_write(p, "hooks/before-each.sql", "INSERT INTO log VALUES ('before each');");
    project_write(p, "hooks/after-each.sql", "INSERT INTO log VALUES ('after each');");
    project_write(p, "hooks/on-error.sql", "INSERT INTO log VALUES ('error');");
    project_write(p, "1_one.sql", "INSERT INTO log VALUES ('one');");
    project_write(p, "2_two.sql", "INSERT INTO log VALUES ('two');\nVACUUM;\n");
    assert_int_equal(migrate(p), 2);
    assert_string_equal(
        project_query(p, "SELECT what FROM log"),
        "before\nbefore each\none\nafter each\nbefore each\ntwo\nafter each\nafter");
    project_exec(p, "DELETE FROM log");
    project_write(p, "3_three.sql", "INSERT INTO nowhere VALUES (1);");
    assert_true(session_open(&s, p));
    assert_false(session_migrate(&s));
    session_close(&s);
    assert_string_equal(project_query(p, "SELECT what FROM log"), "before\nerror");
}

static void a_program_is_a_hook_too(void **state)
{
    Project *p = *state;
    Session s;
    project_write(p, "hooks/before-each",
                  "#!/bin/sh\necho \"$WHIMBREL_HOOK $WHIMBREL_VERSION $WHIMBREL_NAME "
                  "$WHIMBREL_DIRECTION $WHIMBREL_ENV $SECRET.\"\n"
                  "echo second >&2\nexit ${FAIL:-0}\n");
    project_chmod(p, "hooks/before-each", 0700);
    project_write(p, "1_one.sql", "CREATE TABLE one (id int);");
    project_write(p, "2_two.sql", "CREATE TABLE two (id int);");
    const char *const environment[] = {"PATH=/usr/bin:/bin", "FAIL=0", NULL};
    setenv("SECRET", "leaked", 1);
    assert_true(session_open(&s, p));
    s.runner.settings.hook_environment = environment;
    if (!session_migrate(&s))
        fail_msg("%s", explain(p->arena, &s));
    assert_has(strbuf_str(&s.log).ptr, "(before-each 1 one up test .)\n");
    assert_has(strbuf_str(&s.log).ptr, "(second)\n");
    assert_has(strbuf_str(&s.log).ptr, "(before-each 2 two up test .)\n");
    session_close(&s);
    project_write(p, "3_three.sql", "CREATE TABLE three (id int);");
    const char *const failing[] = {"FAIL=3", NULL};
    assert_true(session_open(&s, p));
    s.runner.settings.hook_environment = failing;
    assert_false(session_migrate(&s));
    assert_has(explain(p->arena, &s), "exited with status 3 {hook-failed}");
    session_close(&s);
    assert_string_equal(project_query(p, "SELECT count(*) FROM whimbrel_history"), "2");
}

static void cancel_on_hook(Session *session, const Event *event)
{
    if (event->kind == EVENT_HOOK)
        session->is_cancelled = true;
}

static void a_cancel_ends_the_hook(void **state)
{
    Project *p = *state;
    Session s;
    project_write(p, "hooks/before-migrate", "#!/bin/sh\nsleep 30\n");
    project_chmod(p, "hooks/before-migrate", 0700);
    project_write(p, "1_one.sql", "CREATE TABLE one (id int);");
    assert_true(session_open(&s, p));
    int64_t began = clock_monotonic_us();
    s.on_event = cancel_on_hook;
    assert_false(session_migrate(&s));
    assert_int_equal(s.err.kind, ERROR_CANCELLED);
    assert_true(clock_monotonic_us() - began < 10000000);
    session_close(&s);
}

static void placeholders_keep_places_right(void **state)
{
    Project *p = *state;
    Session s;
    if (sqlite3_libversion_number() < 3038000)
        skip(); /* older ones do not say where an error is */
    project_write(p, "1_one.sql",
                  "CREATE TABLE ${prefix}_t (v text);\nINSERT INTO ${prefix}_t VALUES ('${version} "
                  "${env} $${x}');");
    project_write(p, "2_two.sql", "SELECT ${prefix}_x, '${env}', nope FROM x_t;");
    assert_true(session_open(&s, p));
    s.runner.settings.has_placeholders = true;
    assert_true(vec_push(s.arena, &s.runner.settings.placeholders,
                         (SqlPlaceholder){STR("prefix"), STR("x")}));
    assert_false(session_migrate(&s));
    const char *said = explain(p->arena, &s);
    session_close(&s);
    assert_string_equal(project_query(p, "SELECT v FROM x_t"), "1 test ${x}");
    assert_has(said, "--> 2_two.sql:1:8");
}

static void an_unset_placeholder_keeps_what_came_before(void **state)
{
    Project *p = *state;
    Session s;
    project_write(p, "1_one.sql", "CREATE TABLE one (id int);");
    project_write(p, "2_two.sql", "CREATE TABLE two (id int);\nCREATE TABLE ${nope} (id int);");
    assert_true(session_open(&s, p));
    s.runner.settings.has_placeholders = true;
    assert_false(session_migrate(&s));
    assert_has(explain(p->arena, &s), "Nothing of 2 was kept.\n1 migration before it is applied");
    session_close(&s);
    assert_string_equal(
        project_query(p, "SELECT name FROM sqlite_master WHERE name IN ('one', 'two')"), "one");
}

static void a_down_from_history_runs_without_the_file(void **state)
{
    Project *p = *state;
    project_write(p, "1_one.up.sql", "CREATE TABLE one (id int);");
    project_write(p, "1_one.down.sql", "DROP TABLE one;");
    migrate(p);
    project_remove(p, "1_one.up.sql");
    project_remove(p, "1_one.down.sql");
    assert_int_equal(rollback(p, 1), 1);
    assert_string_equal(project_query(p, "SELECT count(*) FROM sqlite_master WHERE name = 'one'"),
                        "0");
    assert_string_equal(project_query(p, "SELECT count(*) FROM whimbrel_history"), "0");
}

static void redo_goes_down_and_up(void **state)
{
    Project *p = *state;
    Session s;
    project_write(p, "1_one.up.sql", "CREATE TABLE one (id int);");
    project_write(p, "1_one.down.sql", "DROP TABLE one;");
    migrate(p);
    assert_true(session_open(&s, p));
    if (!session_run(&s, (PlanRequest){.verb = PLAN_REDO}))
        fail_msg("%s", explain(p->arena, &s));
    assert_int_equal(s.result.applied.len, 1);
    assert_int_equal(s.result.rolled_back.len, 1);
    assert_int_equal(s.result.state, OVERALL_UP_TO_DATE);
    session_close(&s);
    assert_string_equal(project_query(p, "SELECT outcome, run FROM whimbrel_history"), "applied|2");
}

/* The down of 2 takes one view with it; whoever migrates again finds it there. The other is left alone. */
static void a_repeatable_runs_again_when_a_down_took_what_it_made(void **state)
{
    Project *p = *state;
    project_write(p, "1_a.up.sql", "CREATE TABLE a (x int);");
    project_write(p, "1_a.down.sql", "DROP TABLE a;");
    project_write(p, "2_b.up.sql", "ALTER TABLE a ADD COLUMN y int;");
    project_write(p, "2_b.down.sql", "DROP VIEW v; ALTER TABLE a DROP COLUMN y;");
    project_write(p, "R__v.sql", "DROP VIEW IF EXISTS v; CREATE VIEW v AS SELECT y FROM a;");
    project_write(p, "R__w.sql", "CREATE VIEW w AS SELECT x FROM a;");
    assert_int_equal(migrate(p), 4);
    Session s;
    assert_true(session_open(&s, p));
    assert_true(session_run(&s, (PlanRequest){.verb = PLAN_ROLLBACK, .resume_from = -1}));
    assert_int_equal(s.result.state, OVERALL_PENDING);
    assert_has(s.log.ptr, "R v runs again with the next migrate");
    session_close(&s);
    assert_string_equal(project_query(p, "SELECT name FROM whimbrel_history ORDER BY name"),
                        "a\nw");
    assert_int_equal(migrate(p), 2);
    assert_string_equal(project_query(p, "SELECT count(*) FROM v"), "0");
    assert_int_equal(migrate(p), 0);
}

static void seeds_are_one_transaction(void **state)
{
    Project *p = *state;
    Session s;
    project_write(p, "1_one.sql", "CREATE TABLE one (id int PRIMARY KEY);");
    project_write(p, "seeds/dev/a.sql", "INSERT INTO one VALUES (1);");
    project_write(p, "seeds/dev/b.sql", "INSERT INTO one VALUES (1);");
    migrate(p);
    assert_true(session_open(&s, p));
    assert_false(run_seed(&s.runner, s.arena, STR("dev"), &s.result, &s.err));
    assert_has(explain(p->arena, &s), "Nothing of the seeds was kept.");
    assert_has(explain(p->arena, &s), "--> b.sql:1:1");
    session_close(&s);
    assert_string_equal(project_query(p, "SELECT count(*) FROM one"), "0");
    project_write(p, "seeds/dev/b.sql", "INSERT INTO one VALUES (2);");
    assert_true(session_open(&s, p));
    if (!run_seed(&s.runner, s.arena, STR("dev"), &s.result, &s.err))
        fail_msg("%s", explain(p->arena, &s));
    assert_true(!run_seed(&s.runner, s.arena, STR("prod"), &s.result, &s.err));
    session_close(&s);
    assert_string_equal(project_query(p, "SELECT count(*) FROM one"), "2");
}

static void baseline_and_stamp_write_history_only(void **state)
{
    Project *p = *state;
    Session s;
    project_write(p, "1_one.sql", "CREATE TABLE one (id int);");
    project_write(p, "2_two.sql", "CREATE TABLE two (id int);");
    project_write(p, "3_three.sql", "CREATE TABLE three (id int);");
    assert_true(session_open(&s, p));
    if (!run_baseline(&s.runner, s.arena, STR("2"), (Str){0}, &s.result, &s.err))
        fail_msg("%s", explain(p->arena, &s));
    assert_true(str_eq(s.result.current, STR("2")));
    session_close(&s);
    assert_int_equal(migrate(p), 1);
    assert_true(session_open(&s, p));
    assert_false(run_baseline(&s.runner, s.arena, STR("3"), (Str){0}, &s.result, &s.err));
    session_close(&s);
    assert_true(session_open(&s, p));
    if (!run_stamp(&s.runner, s.arena, STR("base"), &s.result, &s.err))
        fail_msg("%s", explain(p->arena, &s));
    session_close(&s);
    assert_string_equal(project_query(p, "SELECT count(*) FROM whimbrel_history"), "0");
    assert_true(session_open(&s, p));
    if (!run_stamp(&s.runner, s.arena, STR("3"), &s.result, &s.err))
        fail_msg("%s", explain(p->arena, &s));
    assert_int_equal(s.result.state, OVERALL_UP_TO_DATE);
    session_close(&s);
    assert_string_equal(
        project_query(
            p, "SELECT group_concat(name) FROM sqlite_master WHERE name IN ('one','two','three')"),
        "three");
}

static void repair_accepts_and_marks(void **state)
{
    Project *p = *state;
    Session s;
    RepairActionVec actions = {0};
    project_write(p, "1_one.sql", "CREATE TABLE one (id int);");
    project_write(p, "2_two.sql", "CREATE TABLE two (id int);");
    migrate(p);
    project_write(p, "1_one.sql", "CREATE TABLE one (id bigint);");
    project_remove(p, "2_two.sql");
    assert_has(migrate_fails(p), "{");
    assert_true(session_open(&s, p));
    assert_true(run_repair_plan(&s.runner, s.arena, &actions, &s.err));
    assert_int_equal(actions.len, 2);
    assert_string_equal(actions.items[0].sentence, "accepts the file of 1 one as it is now");
    assert_string_equal(actions.items[1].sentence,
                        "marks 2 two, which has no file any more, as deleted");
    bool has = false;
    Str applied, file;
    assert_true(
        run_text_diff(&s.runner, s.arena, actions.items[0].row, &applied, &file, &has, &s.err));
    assert_true(has && str_eq(applied, STR("CREATE TABLE one (id int);")) &&
                str_eq(file, STR("CREATE TABLE one (id bigint);")));
    if (!run_repair(&s.runner, s.arena, &actions, &s.err))
        fail_msg("%s", explain(p->arena, &s));
    session_close(&s);
    assert_int_equal(migrate(p), 0);
}

static void a_saved_plan_is_refused_when_something_changed(void **state)
{
    Project *p = *state;
    Session s;
    PlanRequest request = {.verb = PLAN_MIGRATE, .resume_from = -1};
    History history = {0};
    Plan plan = {0};
    project_write(p, "1_one.sql", "CREATE TABLE one (id int);");
    assert_true(session_open(&s, p));
    assert_true(run_plan(&s.runner, s.arena, &request, &history, &plan, &s.err));
    const char *digest = str_z(p->arena, str_from(run_plan_digest(s.arena, &plan, &history)));
    session_close(&s);
    project_write(p, "1_one.sql", "CREATE TABLE one (id bigint);");
    assert_true(session_open(&s, p));
    assert_false(run_execute(&s.runner, s.arena, &request, digest, &s.result, &s.err));
    assert_string_equal(s.err.code, "plan-outdated");
    session_close(&s);
    project_write(p, "1_one.sql", "CREATE TABLE one (id int);");
    assert_true(session_open(&s, p));
    assert_true(run_execute(&s.runner, s.arena, &request, digest, &s.result, &s.err));
    session_close(&s);
}

/* ---- killed at any instant --------------------------------------------------------------------------------- */

#ifdef WHIMBREL_FAULTS

static void write_hard_project(Project *p)
{
    project_write(p, "1_one.sql",
                  "CREATE TABLE one (id integer PRIMARY KEY);\nINSERT INTO one VALUES (1);");
    project_write(p, "2_two.sql",
                  "CREATE TABLE two (id int);\nVACUUM;\nINSERT INTO two VALUES "
                  "(1);\nVACUUM;\nINSERT INTO two VALUES (2);");
    project_write(p, "3_three.sql",
                  "PRAGMA foreign_keys = OFF;\nCREATE TABLE three (id int);\nINSERT INTO three "
                  "VALUES (3);\nPRAGMA foreign_keys = ON;");
    project_write(p, "4_four.sql", "INSERT INTO one VALUES (4);");
    project_write(p, "R__v.sql", "DROP VIEW IF EXISTS v;\nCREATE VIEW v AS SELECT * FROM one;");
}

static const char *data_picture(Project *p)
{
    return str_format(p->arena, "%s\n%s\n%s\n%s", project_picture(p),
                      project_query(p, "SELECT * FROM one ORDER BY 1"),
                      project_query(p, "SELECT * FROM two ORDER BY 1"),
                      project_query(p, "SELECT * FROM three ORDER BY 1"));
}

static void a_stop_at_any_point_ends_like_an_undisturbed_run(void **state)
{
    Project *undisturbed = *state;
    static const char *const points[] = {
        "run.lock",          "run.before-chunk", "run.after-chunk",    "run.before-journal",
        "run.before-lone",   "run.after-lone",   "run.before-history", "run.history-write",
        "run.before-commit", "run.rollback"};
    static const char *const actions[] = {"kill", "fail"};
    write_hard_project(undisturbed);
    migrate(undisturbed);
    const char *expected = data_picture(undisturbed);
    size_t stops = 0;
    for (size_t a = 0; a < 2; a++)
        for (size_t i = 0; i < sizeof points / sizeof *points; i++)
            for (unsigned nth = 1;; nth++) {
                Project p;
                project_init(&p, "sqlite");
                write_hard_project(&p);
                bool is_stopped = stopped_at(&p, 0, points[i], nth, actions[a]);
                Session s;
                if (!session_open(&s, &p) || !session_migrate(&s))
                    fail_msg("after %s:%u:%s:\n%s\n%s", points[i], nth, actions[a],
                             explain(p.arena, &s), strbuf_str(&s.log).ptr);
                session_close(&s);
                if (strcmp(data_picture(&p), expected) != 0)
                    fail_msg("after %s:%u:%s:\n%s\ninstead of\n%s", points[i], nth, actions[a],
                             data_picture(&p), expected);
                project_done(&p);
                if (!is_stopped)
                    break;
                stops++;
            }
    assert_true(stops > 40);
}

static void the_loss_of_any_allocation_is_an_error_and_nothing_else(void **state)
{
    Project *undisturbed = *state;
    write_hard_project(undisturbed);
    migrate(undisturbed);
    const char *expected = data_picture(undisturbed);
    for (unsigned nth = 1;; nth += nth < 400 ? 1 : 7) {
        Project p;
        Session s;
        project_init(&p, "sqlite");
        write_hard_project(&p);
        assert_true(session_open(&s, &p));
        s.runner.sink.emit = NULL;
        fault_fail_allocation(nth);
        bool is_ok = session_migrate(&s);
        bool has_fired = fault_fired();
        fault_fail_allocation(0);
        /* Where a convention expects an error and knows it by its text, the lost text makes it another error. */
        if (!is_ok && !s.err.message)
            fail_msg("allocation %u: a failure without an error", nth);
        if (!is_ok && s.err.kind != ERROR_NOMEM && !strstr(s.err.message, "reading the history"))
            fail_msg("allocation %u: %s: %s", nth, error_kind_name(s.err.kind),
                     explain(p.arena, &s));
        assert_true(is_ok || has_fired);
        session_close(&s);
        migrate(&p);
        if (strcmp(data_picture(&p), expected) != 0)
            fail_msg("after allocation %u:\n%s\ninstead of\n%s", nth, data_picture(&p), expected);
        project_done(&p);
        if (!has_fired)
            return;
    }
}

#endif

static void a_failure_at_every_statement_is_told_and_mended(void **state)
{
    (void)state;
    enum { COUNT = 6 };
    for (unsigned broken = 0; broken < COUNT; broken++) {
        Project p;
        project_init(&p, "sqlite");
        for (unsigned round = 0; round < 2; round++) {
            for (unsigned m = 0; m < 2; m++) {
                StrBuf text = strbuf(p.arena);
                for (unsigned i = 0; i < 3; i++) {
                    bool is_broken = round == 0 && m * 3 + i == broken;
                    strbuf_addf(&text,
                                is_broken ? "CREATE TABLE t%u%u (broken;\n"
                                          : "CREATE TABLE t%u%u (id int);\n",
                                m, i);
                }
                project_write(&p, str_format(p.arena, "%u_m.sql", m + 1), strbuf_str(&text).ptr);
            }
            if (round == 0) {
                const char *said = migrate_fails(&p);
                assert_has(said,
                           str_format(p.arena, "--> %u_m.sql:%u:", broken / 3 + 1, broken % 3 + 1));
                assert_has(said, str_format(p.arena, "Nothing of %u was kept.", broken / 3 + 1));
            } else {
                assert_int_equal(migrate(&p), broken < 3 ? 2 : 1);
            }
        }
        assert_string_equal(
            project_query(&p, "SELECT count(*) FROM sqlite_master WHERE name LIKE 't__'"), "6");
        project_done(&p);
    }
}

UNIT_TESTS(run_sqlite) = {
    TEST(migrate_applies_what_is_pending_and_then_nothing),
    TEST(nothing_is_made_when_nothing_is_pending),
    TEST(many_migrations_are_noted_at_one_commit),
    TEST(a_failure_keeps_what_came_before_and_nothing_of_its_own),
    TEST(an_error_shows_its_place),
    TEST(events_come_in_order),
    TEST(lone_statements_are_journaled),
    TEST(what_has_run_must_still_be_what_the_file_says),
    TEST(settings_of_the_session_end_with_the_migration),
    TEST(settings_are_said_again_after_a_stop),
    TEST(a_constraint_checked_at_the_end_blames_its_own_migration),
    TEST(a_dry_run_leaves_nothing),
    TEST(a_single_transaction_is_all_or_nothing),
    TEST(a_cancel_keeps_what_came_before),
    TEST(another_writer_is_waited_for_and_named),
    TEST(a_run_that_lets_go_of_the_database_still_keeps_others_out),
    TEST(emptying_takes_all),
    TEST(hooks_run_around_migrations),
    TEST(a_program_is_a_hook_too),
    TEST(a_cancel_ends_the_hook),
    TEST(placeholders_keep_places_right),
    TEST(an_unset_placeholder_keeps_what_came_before),
    TEST(a_down_from_history_runs_without_the_file),
    TEST(redo_goes_down_and_up),
    TEST(a_repeatable_runs_again_when_a_down_took_what_it_made),
    TEST(seeds_are_one_transaction),
    TEST(baseline_and_stamp_write_history_only),
    TEST(repair_accepts_and_marks),
    TEST(a_saved_plan_is_refused_when_something_changed),
    TEST(a_failure_at_every_statement_is_told_and_mended),
#ifdef WHIMBREL_FAULTS
    TEST(a_stop_at_any_point_ends_like_an_undisturbed_run),
    TEST(the_loss_of_any_allocation_is_an_error_and_nothing_else),
#endif
};
UNIT_TESTS_END(run_sqlite)

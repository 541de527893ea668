/* Running on MariaDB, where DDL commits by itself. Needs WHIMBREL_TEST_MARIADB, a URL of a server on which databases may be
 * made. SPDX-License-Identifier: Apache-2.0 */
#include "project.h"

#include <string.h>

static int setup(void **state)
{
    static Project project;
    project_init(&project, "mariadb");
    *state = &project;
    return 0;
}

static int teardown(void **state)
{
    project_done(*state);
    return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

static void migrate_and_rollback(void **state)
{
    Project *p = project_of(state);
    project_write(p, "1_one.up.sql",
                  "CREATE TABLE one (id int);\nINSERT INTO one VALUES (1);\nINSERT INTO one VALUES "
                  "(2);\nALTER TABLE one ADD b int;\n");
    project_write(p, "1_one.down.sql", "DROP TABLE one;");
    project_write(p, "2_two.up.sql", "INSERT INTO one VALUES (3, 3);");
    project_write(p, "2_two.down.sql", "DELETE FROM one WHERE id = 3;");
    assert_int_equal(migrate(p), 2);
    assert_int_equal(migrate(p), 0);
    assert_string_equal(
        project_query(
            p, "SELECT version, outcome, done, total FROM whimbrel_history ORDER BY version"),
        "1|applied|4|4\n2|applied|1|1");
    assert_string_equal(project_query(p, "SELECT outcome, applied FROM whimbrel_run"), "ok|1, 2");
    assert_int_equal(rollback(p, 2), 2);
    assert_string_equal(project_query(p, "SELECT count(*) FROM whimbrel_history"), "0");
}

static void a_failure_says_what_cannot_be_undone_and_goes_on_there(void **state)
{
    Project *p = project_of(state);
    project_write(
        p, "1_one.up.sql",
        "CREATE TABLE one (id int);\nINSERT INTO one VALUES (1);\nALTER TABLE one ADD b int;\n"
        "ALTER TABLE one\n  ADD b int;\nCREATE TABLE three (id int);\nCREATE TABLE four (id int);");
    project_write(p, "1_one.down.sql", "DROP TABLE one;");
    const char *said = migrate_fails(p);
    assert_has(said, "Duplicate column name 'b'");
    assert_has(said, "--> 1_one.up.sql:4:");
    assert_has(said, "Statements 1 to 3 of 6 ran and cannot be rolled back on MariaDB; statement 4 "
                     "failed; 5 and 6 did not run.");
    assert_has(said, "> whimbrel migrate: goes on at statement 4");
    assert_has(said, "> whimbrel rollback: runs the down");
    assert_string_equal(
        project_query(p, "SELECT outcome, done, total, fate_unknown FROM whimbrel_history"),
        "running-up|3|6|0");
    project_write(
        p, "1_one.up.sql",
        "CREATE TABLE one (id int);\nINSERT INTO one VALUES (1);\nALTER TABLE one ADD b int;\n"
        "ALTER TABLE one\n  ADD c int;\nCREATE TABLE three (id int);\nCREATE TABLE four (id int);");
    assert_int_equal(migrate(p), 1);
    assert_string_equal(project_query(p, "SELECT outcome, done, total FROM whimbrel_history"),
                        "applied|6|6");
}

static void a_half_done_one_is_rolled_back(void **state)
{
    Project *p = project_of(state);
    project_write(p, "1_one.up.sql", "CREATE TABLE one (id int);\nCREATE TABLE one (id int);");
    project_write(p, "1_one.down.sql", "DROP TABLE IF EXISTS one;");
    migrate_fails(p);
    assert_int_equal(rollback(p, 1), 1);
    assert_string_equal(project_query(p, "SHOW TABLES LIKE 'one'"), "");
    assert_string_equal(project_query(p, "SELECT count(*) FROM whimbrel_history"), "0");
}

static void data_that_fails_is_rolled_back_to_the_last_ddl(void **state)
{
    Project *p = project_of(state);
    project_write(p, "1_one.sql",
                  "CREATE TABLE one (id int PRIMARY KEY);\nINSERT INTO one VALUES (1);\nINSERT "
                  "INTO one VALUES (1);\nDROP TABLE one;");
    const char *said = migrate_fails(p);
    assert_has(said, "--> 1_one.sql:3:");
    assert_has(said,
               "Statement 1 of 4 ran and cannot be rolled back on MariaDB; statement 3 failed");
    assert_string_equal(project_query(p, "SELECT count(*) FROM one"), "0");
    assert_string_equal(project_query(p, "SELECT done, fate_unknown FROM whimbrel_history"), "1|0");
}

static uint64_t trips_of(Project *p, unsigned count)
{
    Session s;
    for (unsigned i = 1; i <= count; i++)
        project_write(p, str_format(p->arena, "%u_m.sql", i),
                      str_format(p->arena, "CREATE TABLE t%u (id int);", i));
    assert_true(session_open(&s, p));
    s.runner.settings.chunk_bytes = 16 << 20;
    uint64_t before = s.db->round_trips;
    if (!session_migrate(&s))
        fail_msg("%s", explain(p->arena, &s));
    uint64_t trips = s.db->round_trips - before;
    assert_int_equal(s.result.applied.len, count);
    session_close(&s);
    return trips;
}

static void the_number_of_migrations_does_not_change_the_number_of_messages(void **state)
{
    Project *p = project_of(state);
    Project other;
    uint64_t few = trips_of(p, 3);
    project_init(&other, "mariadb");
    uint64_t many = trips_of(&other, 100);
    project_done(&other);
    print_message("# %d round trips for 3 migrations, %d for 100\n", (int)few, (int)many);
    assert_int_equal(few, many);
    assert_true(few <= 12);
}

static void a_setting_lasts_for_its_migration_and_no_longer(void **state)
{
    Project *p = project_of(state);
    project_write(
        p, "1_one.sql",
        "SET FOREIGN_KEY_CHECKS = 0;\nCREATE TABLE a (id int PRIMARY KEY) ENGINE=InnoDB;\n"
        "CREATE TABLE b (a int, FOREIGN KEY (a) REFERENCES a (id)) ENGINE=InnoDB;\nINSERT INTO b "
        "VALUES (7);\n");
    project_write(p, "2_two.sql", "INSERT INTO b VALUES (8);");
    const char *said = migrate_fails(p);
    assert_has(said, "foreign key constraint fails");
    assert_has(said,
               "Nothing of 2 was kept.\n1 migration before it is applied; the database is at 1.");
    assert_string_equal(project_query(p, "SELECT a FROM b"), "7");
}

static void another_database_in_use_does_not_lead_the_history_astray(void **state)
{
    Project *p = project_of(state);
    const char *other = str_format(p->arena, "%s_b", p->database);
    project_exec(p, str_format(p->arena, "CREATE DATABASE %s", other));
    project_write(p, "1_one.sql",
                  str_format(p->arena,
                             "USE %s;\nCREATE TABLE one (id int);\nCREATE TABLE two (id "
                             "int);\nINSERT INTO two VALUES (1);",
                             other));
    project_write(p, "2_two.sql", "CREATE TABLE three (id int);");
    Session s;
    assert_true(session_open(&s, p));
    bool is_ok = session_migrate(&s);
    const char *said = explain(p->arena, &s);
    session_close(&s);
    const char *where = project_query(p, "SELECT count(*) FROM information_schema.tables WHERE "
                                         "table_schema = DATABASE() AND table_name = 'three'");
    const char *rows =
        is_ok ? project_query(p, str_format(p->arena, "SELECT id FROM %s.two", other)) : "";
    project_exec(p, str_format(p->arena, "DROP DATABASE %s", other));
    if (!is_ok)
        fail_msg("%s", said);
    assert_string_equal(where, "1");
    assert_string_equal(rows, "1");
    assert_string_equal(
        project_query(p, "SELECT version, outcome FROM whimbrel_history ORDER BY 1"),
        "1|applied\n2|applied");
}

static void let_go(Session *s, const Event *event)
{
    Session *holder = s->user;
    if (event->kind != EVENT_TABLE_WAIT || !holder)
        return;
    assert_int_equal(event->session_count, 1);
    assert_true(db_exec(holder->db, STR("COMMIT"), &holder->err));
    s->user = NULL;
}

static void a_table_in_use_is_waited_for_without_holding_it_up(void **state)
{
    Project *p = project_of(state);
    Session holder, s;
    project_exec(p, "CREATE TABLE busy (id int)");
    project_write(p, "1_one.sql", "CREATE TABLE one (id int);\nALTER TABLE busy ADD b int;");
    assert_true(session_open(&holder, p));
    assert_true(db_exec(holder.db, STR("START TRANSACTION"), &holder.err));
    assert_true(db_exec(holder.db, STR("INSERT INTO busy VALUES (1)"), &holder.err));
    assert_true(session_open(&s, p));
    s.runner.settings.timeouts.lock_ms = 1000;
    s.on_event = let_go;
    s.user = &holder;
    if (!session_migrate(&s))
        fail_msg("%s", explain(p->arena, &s));
    assert_has(strbuf_str(&s.log).ptr, "table-wait 1 [busy]");
    session_close(&s);
    session_close(&holder);
    assert_string_equal(project_query(p, "SELECT outcome, done FROM whimbrel_history"),
                        "applied|2");
}

static void patience_ends_and_names_who_is_in_the_way(void **state)
{
    Project *p = project_of(state);
    Session holder, s;
    project_exec(p, "CREATE TABLE busy (id int)");
    project_write(p, "1_one.sql", "ALTER TABLE busy ADD b int;");
    assert_true(session_open(&holder, p));
    assert_true(db_exec(holder.db, STR("START TRANSACTION"), &holder.err));
    assert_true(db_exec(holder.db, STR("INSERT INTO busy VALUES (1)"), &holder.err));
    assert_true(session_open(&s, p));
    s.runner.settings.timeouts.lock_ms = 1000;
    s.runner.settings.lock_retries = 1;
    assert_false(session_migrate(&s));
    assert_int_equal(s.err.kind, ERROR_TIMEOUT);
    assert_has(explain(p->arena, &s), "= busy is probably held by ");
    session_close(&s);
    session_close(&holder);
}

static void one_runner_at_a_time(void **state)
{
    Project *p = project_of(state);
    Session holder, s;
    DbLockKey key = {0};
    bool is_ours = false;
    project_write(p, "1_one.sql", "CREATE TABLE one (id int);");
    assert_true(session_open(&holder, p));
    assert_true(
        holder.ctx.convention->lock_key(&holder.ctx, holder.db, holder.arena, &key, &holder.err));
    assert_true(holder.db->driver->lock_try(holder.db, key, &is_ours, &holder.err) && is_ours);
    assert_true(session_open(&s, p));
    s.runner.settings.lock_wait_ms = 300;
    assert_false(session_migrate(&s));
    assert_int_equal(s.err.kind, ERROR_LOCKED);
    assert_has(s.err.detail, "held by ");
    LockHolder who = {0};
    bool has = false;
    assert_true(run_lock_holder(&s.runner, s.arena, &who, &has, &s.err) && has);
    assert_true(run_lock_release(&s.runner, s.arena, &who, &s.err));
    session_close(&holder);
    s.err = (Error){.arena = p->arena};
    s.runner.settings.lock_wait_ms = 5000;
    if (!session_migrate(&s))
        fail_msg("%s", explain(p->arena, &s));
    session_close(&s);
}

static void kill_me(Session *s, const Event *event)
{
    if (event->kind != EVENT_STATEMENT || event->statement != 2)
        return;
    s->on_event = NULL;
    const char *list = project_query(s->project, "SELECT id FROM information_schema.processlist "
                                                 "WHERE db = DATABASE() AND id <> CONNECTION_ID()");
    project_exec(s->project, str_format(s->arena, "KILL %s", list));
}

static void a_lost_connection_is_looked_into(void **state)
{
    Project *p = project_of(state);
    Session s;
    project_write(p, "1_one.sql",
                  "CREATE TABLE one (id int);\nCREATE TABLE two (id int);\nSELECT "
                  "SLEEP(1);\nCREATE TABLE three (id int);");
    assert_true(session_open(&s, p));
    s.on_event = kill_me;
    assert_false(session_migrate(&s));
    assert_int_equal(s.err.kind, ERROR_CONNECT);
    const char *said = explain(p->arena, &s);
    assert_false(s.result.is_fate_unknown);
    session_close(&s);
    assert_has(said, "Statements 1 and 2 of 4 ran and cannot be rolled back on MariaDB");
    assert_int_equal(migrate(p), 1);
}

static void a_statement_in_doubt_is_named(void **state)
{
    Project *p = project_of(state);
    Session s;
    project_write(p, "1_one.sql",
                  "-- whimbrel: no-transaction\nCREATE TABLE one (id int);\nINSERT INTO one VALUES "
                  "(1);\nINSERT INTO one VALUES (2);");
    migrate(p);
    project_exec(
        p, "UPDATE whimbrel_history SET outcome = 'running-up', done = 2, fate_unknown = TRUE");
    const char *said = migrate_fails(p);
    assert_has(said, "{statement-in-doubt}\n--> 1_one.sql:4:1");
    assert_true(session_open(&s, p));
    if (!run_resume(&s.runner, s.arena, 0, true, &s.result, &s.err))
        fail_msg("%s", explain(p->arena, &s));
    session_close(&s);
    assert_string_equal(project_query(p, "SELECT count(*) FROM one"), "2");
    project_exec(
        p, "UPDATE whimbrel_history SET outcome = 'running-up', done = 2, fate_unknown = TRUE");
    assert_true(session_open(&s, p));
    if (!run_resume(&s.runner, s.arena, 3, false, &s.result, &s.err))
        fail_msg("%s", explain(p->arena, &s));
    session_close(&s);
    assert_string_equal(project_query(p, "SELECT count(*) FROM one"), "3");
    assert_string_equal(project_query(p, "SELECT outcome, done FROM whimbrel_history"),
                        "applied|3");
}

static void a_dry_run_is_refused(void **state)
{
    Project *p = project_of(state);
    Session s;
    project_write(p, "1_one.sql", "CREATE TABLE one (id int);");
    assert_true(session_open(&s, p));
    s.runner.settings.is_dry_run = true;
    assert_false(session_migrate(&s));
    assert_int_equal(s.err.kind, ERROR_UNSUPPORTED);
    session_close(&s);
    assert_string_equal(project_query(p, "SHOW TABLES"), "");
}

static void emptying_takes_all(void **state)
{
    Project *p = project_of(state);
    Session s;
    uint32_t dropped = 0;
    project_write(p, "1_one.sql",
                  "CREATE TABLE a (id int PRIMARY KEY);\nCREATE TABLE b (a int, FOREIGN KEY (a) "
                  "REFERENCES a (id));\nCREATE VIEW v AS SELECT 1;");
    migrate(p);
    assert_true(session_open(&s, p));
    if (!run_drop_all(&s.runner, s.arena, &(StrVec){0}, &dropped, &s.err))
        fail_msg("%s", explain(p->arena, &s));
    session_close(&s);
    assert_string_equal(project_query(p, "SHOW TABLES"), "");
    assert_true(dropped >= 6);
}

#ifdef WHIMBREL_FAULTS

static void write_hard_project(Project *p)
{
    project_write(p, "1_one.sql",
                  "CREATE TABLE one (id int PRIMARY KEY);\nINSERT INTO one VALUES (1);\nINSERT "
                  "INTO one VALUES (2);\nALTER TABLE one ADD b int;");
    project_write(p, "2_two.sql",
                  "SET FOREIGN_KEY_CHECKS = 0;\nCREATE TABLE two (id int REFERENCES one "
                  "(id));\nINSERT INTO two VALUES (77);\n"
                  "CREATE INDEX two_ix ON two (id);\nSET FOREIGN_KEY_CHECKS = 1;");
    project_write(p, "3_three.sql",
                  "INSERT INTO one VALUES (3, 3);\nINSERT INTO one VALUES (4, 4);");
    project_write(p, "4_four.sql",
                  "ALTER TABLE one DROP b;\nDROP TABLE two;\nCREATE TABLE three (id int);");
}

static const char *data_picture(Project *p)
{
    return str_format(p->arena, "%s\n%s", project_picture(p),
                      project_query(p, "SELECT * FROM one ORDER BY 1"));
}

static void a_stop_at_any_point_ends_like_an_undisturbed_run(void **state)
{
    Project *undisturbed = project_of(state);
    static const char *const points[] = {"run.before-chunk", "run.after-chunk",
                                         "run.before-journal"};
    static const char *const actions[] = {"kill", "fail"};
    write_hard_project(undisturbed);
    migrate(undisturbed);
    const char *expected = data_picture(undisturbed);
    size_t stops = 0;
    for (size_t a = 0; a < 2; a++)
        for (size_t i = 0; i < sizeof points / sizeof *points; i++)
            for (unsigned nth = 1;; nth++) {
                Project p;
                Session s;
                project_init(&p, "mariadb");
                write_hard_project(&p);
                /* Every statement is a message of its own, so that every place between two is tried. */
                bool is_stopped = stopped_at(&p, 1, points[i], nth, actions[a]);
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
    print_message("# stopped at %zu places\n", stops);
    assert_true(stops > 60);
}

#endif

UNIT_TESTS(run_mariadb) = {
    TEST(migrate_and_rollback),
    TEST(a_failure_says_what_cannot_be_undone_and_goes_on_there),
    TEST(a_half_done_one_is_rolled_back),
    TEST(data_that_fails_is_rolled_back_to_the_last_ddl),
    TEST(the_number_of_migrations_does_not_change_the_number_of_messages),
    TEST(a_setting_lasts_for_its_migration_and_no_longer),
    TEST(another_database_in_use_does_not_lead_the_history_astray),
    TEST(a_table_in_use_is_waited_for_without_holding_it_up),
    TEST(patience_ends_and_names_who_is_in_the_way),
    TEST(one_runner_at_a_time),
    TEST(a_lost_connection_is_looked_into),
    TEST(a_statement_in_doubt_is_named),
    TEST(a_dry_run_is_refused),
    TEST(emptying_takes_all),
#ifdef WHIMBREL_FAULTS
    TEST(a_stop_at_any_point_ends_like_an_undisturbed_run),
#endif
};
UNIT_TESTS_END(run_mariadb)

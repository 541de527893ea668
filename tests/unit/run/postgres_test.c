/* Running on PostgreSQL. Needs WHIMBREL_TEST_POSTGRES, a URL of a server on which databases may be made.
 * SPDX-License-Identifier: Apache-2.0 */
#include "project.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static int setup(void **state)
{
    static Project project;
    project_init(&project, "postgres");
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
    project_write(p, "1_one.up.sql", "CREATE TABLE one (id int);\nINSERT INTO one VALUES (1);");
    project_write(p, "1_one.down.sql", "DROP TABLE one;");
    project_write(p, "2_two.up.sql", "ALTER TABLE one ADD b int;");
    project_write(p, "2_two.down.sql", "ALTER TABLE one DROP b;");
    assert_int_equal(migrate(p), 2);
    assert_int_equal(migrate(p), 0);
    assert_string_equal(
        project_query(
            p, "SELECT version, outcome, duration_us >= 0 FROM whimbrel_history ORDER BY version"),
        "1|applied|t\n2|applied|t");
    assert_string_equal(project_query(p, "SELECT outcome, applied FROM whimbrel_run"), "ok|1, 2");
    assert_int_equal(rollback(p, 2), 2);
    assert_string_equal(project_query(p, "SELECT count(*) FROM whimbrel_history"), "0");
    assert_string_equal(project_query(p, "SELECT to_regclass('one') IS NULL"), "t");
}

static void a_failure_is_mapped_back_from_the_middle_of_a_message(void **state)
{
    Project *p = project_of(state);
    for (unsigned i = 1; i <= 20; i++)
        project_write(p, str_format(p->arena, "%u_m.sql", i),
                      str_format(p->arena, "CREATE TABLE t%u (id int);", i));
    project_write(p, "12_m.sql",
                  "CREATE TABLE t12 (id int);\n-- a comment; with a semicolon\nUPDATE t1\n   SET "
                  "statsu = 'open' WHERE id = 1;\n");
    const char *said = migrate_fails(p);
    assert_has(said, "column \"statsu\" of relation \"t1\" does not exist");
    assert_has(said, "--> 12_m.sql:4:8");
    assert_has(said, "|    SET statsu = 'open' WHERE id = 1; (6)");
    assert_has(
        said,
        "Nothing of 12 was kept.\n11 migrations before it are applied; the database is at 11.");
    assert_string_equal(project_query(p, "SELECT count(*) FROM whimbrel_history"), "11");
    assert_string_equal(project_query(p, "SELECT to_regclass('t11') IS NOT NULL, "
                                         "to_regclass('t12') IS NULL, to_regclass('t13') IS NULL"),
                        "t|t|t");
    assert_string_equal(project_query(p, "SELECT outcome, applied FROM whimbrel_run"),
                        "failed|1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11");
}

static void a_syntax_error_keeps_what_came_before(void **state)
{
    Project *p = project_of(state);
    project_write(p, "1_one.sql", "CREATE TABLE one (id int);");
    project_write(p, "2_two.sql", "CREATE TABLE two (id int);\nCREATE TABEL three (id int);");
    const char *said = migrate_fails(p);
    assert_has(said, "--> 2_two.sql:2:8");
    assert_has(said,
               "Nothing of 2 was kept.\n1 migration before it is applied; the database is at 1.");
    assert_string_equal(
        project_query(p, "SELECT to_regclass('one') IS NOT NULL, to_regclass('two') IS NULL"),
        "t|t");
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
    uint64_t few = trips_of(p, 10);
    project_init(&other, "postgres");
    uint64_t many = trips_of(&other, 1000);
    project_done(&other);
    print_message("# %d round trips for 10 migrations, %d for 1000\n", (int)few, (int)many);
    assert_int_equal(few, many);
    assert_true(few <= 12);
}

static void a_search_path_lost_in_the_script_does_not_lead_the_history_astray(void **state)
{
    Project *p = project_of(state);
    project_write(p, "1_one.sql",
                  "SELECT pg_catalog.set_config('search_path', '', false);\nCREATE TABLE "
                  "public.one (id int);\n");
    project_write(p, "2_two.sql", "CREATE TABLE two (id int);");
    project_write(
        p, "3_three.sql",
        "CREATE SCHEMA other;\nSET search_path = other;\nCREATE TABLE three (id int);\n"
        "CREATE INDEX CONCURRENTLY three_ix ON three (id);\nCREATE TABLE four (id int);\n");
    project_write(p, "4_four.sql", "SET ROLE pg_read_all_data;\nSELECT 1;");
    project_write(p, "5_five.sql", "CREATE TABLE five (id int);");
    assert_int_equal(migrate(p), 5);
    assert_string_equal(
        project_query(p, "SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid "
                         "= c.relnamespace WHERE relname IN "
                         "('one', 'two', 'three', 'four', 'five', 'three_ix') ORDER BY 2"),
        "public|five\nother|four\npublic|one\nother|three\nother|three_ix\npublic|two");
    assert_string_equal(
        project_query(p, "SELECT count(*) FROM whimbrel_history WHERE outcome = 'applied'"), "5");
}

static void lone_statements_run_alone_and_are_journaled(void **state)
{
    Project *p = project_of(state);
    project_write(p, "1_one.sql",
                  "CREATE TABLE one (id int);\nINSERT INTO one VALUES (1), (1);\nCREATE INDEX "
                  "CONCURRENTLY a ON one (id);\n"
                  "CREATE UNIQUE INDEX CONCURRENTLY b ON one (id);\nCREATE TABLE two (id int);\n");
    const char *said = migrate_fails(p);
    assert_has(said, "could not create unique index");
    assert_has(said, "--> 1_one.sql:4:1");
    assert_has(
        said,
        "Statements 1 to 3 of 5 ran and cannot be rolled back; statement 4 failed; 5 did not run.");
    assert_string_equal(
        project_query(p, "SELECT outcome, done, total, fate_unknown FROM whimbrel_history"),
        "running-up|3|5|f");
    assert_string_equal(
        project_query(p, "SELECT indisvalid FROM pg_index WHERE indexrelid = 'b'::regclass"), "f");
    project_exec(p, "DELETE FROM one WHERE ctid = (SELECT min(ctid) FROM one)");
    Session s;
    assert_true(session_open(&s, p));
    if (!session_migrate(&s))
        fail_msg("%s", explain(p->arena, &s));
    assert_has(strbuf_str(&s.log).ptr, "index-rebuilt 1 [b]");
    session_close(&s);
    assert_string_equal(
        project_query(p, "SELECT indisvalid FROM pg_index WHERE indexrelid = 'b'::regclass"), "t");
    assert_string_equal(project_query(p, "SELECT to_regclass('two') IS NOT NULL"), "t");
}

static void if_not_exists_is_not_taken_in_by_an_invalid_index(void **state)
{
    Project *p = project_of(state);
    project_write(p, "1_one.sql",
                  "CREATE TABLE one (id int);\nINSERT INTO one VALUES (1), (1);\nCREATE UNIQUE "
                  "INDEX CONCURRENTLY IF NOT EXISTS b ON one (id);\n");
    migrate_fails(p);
    project_exec(p, "DELETE FROM one");
    assert_int_equal(migrate(p), 1);
    assert_string_equal(
        project_query(p, "SELECT indisvalid FROM pg_index WHERE indexrelid = 'b'::regclass"), "t");
}

static void copy_data_is_carried(void **state)
{
    Project *p = project_of(state);
    project_write(p, "1_one.sql",
                  "CREATE TABLE one (id int, v text);\nCOPY one FROM "
                  "stdin;\n1\ta;b\n2\t\\N\n\\.\nINSERT INTO one VALUES (3, 'c');\n");
    project_write(p, "2_two.sql", "COPY one (id) FROM stdin;\n7\nx\n\\.\n");
    const char *said = migrate_fails(p);
    assert_has(said, "invalid input syntax for type integer");
    assert_has(said, "--> 2_two.sql:1:1");
    assert_string_equal(project_query(p, "SELECT * FROM one ORDER BY 1"), "1|a;b\n2|NULL\n3|c");
}

static void a_dry_run_leaves_nothing(void **state)
{
    Project *p = project_of(state);
    Session s;
    project_write(p, "1_one.sql", "CREATE TABLE one (id int);");
    project_write(p, "2_two.sql", "INSERT INTO one VALUES (1);");
    assert_true(session_open(&s, p));
    s.runner.settings.is_dry_run = true;
    if (!session_migrate(&s))
        fail_msg("%s", explain(p->arena, &s));
    assert_int_equal(s.result.applied.len, 2);
    session_close(&s);
    assert_string_equal(
        project_query(p,
                      "SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace"),
        "0");
    project_write(p, "3_three.sql", "CREATE INDEX CONCURRENTLY i ON one (id);");
    assert_true(session_open(&s, p));
    s.runner.settings.is_dry_run = true;
    assert_false(session_migrate(&s));
    assert_has(explain(p->arena, &s), "3 three holds a statement that cannot run in a transaction");
    session_close(&s);
}

static void a_single_transaction_is_all_or_nothing(void **state)
{
    Project *p = project_of(state);
    Session s;
    project_write(p, "1_one.sql", "CREATE TABLE one (id int);");
    project_write(p, "2_two.sql", "CREATE TABLE one (id int);");
    assert_true(session_open(&s, p));
    s.runner.policy.is_single_transaction = true;
    assert_false(session_migrate(&s));
    assert_has(explain(p->arena, &s), "Nothing of this run was kept: it is one transaction.");
    assert_int_equal(s.result.applied.len, 0);
    session_close(&s);
    assert_string_equal(project_query(p, "SELECT to_regclass('one') IS NULL"), "t");
    project_write(p, "2_two.sql", "CREATE TABLE two (id int);");
    assert_true(session_open(&s, p));
    s.runner.policy.is_single_transaction = true;
    if (!session_migrate(&s))
        fail_msg("%s", explain(p->arena, &s));
    assert_int_equal(s.result.state, OVERALL_UP_TO_DATE);
    session_close(&s);
    assert_string_equal(project_query(p, "SELECT count(DISTINCT xmin::text) FROM whimbrel_history"),
                        "1");
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
    project_write(p, "1_one.sql", "CREATE TABLE one (id int);");
    project_write(p, "2_two.sql", "CREATE TABLE two (id int);\nALTER TABLE busy ADD b int;");
    project_write(p, "3_three.sql", "CREATE TABLE three (id int);");
    assert_true(session_open(&holder, p));
    assert_true(db_exec(holder.db, STR("BEGIN"), &holder.err));
    assert_true(db_exec(holder.db, STR("SELECT * FROM busy"), &holder.err));
    assert_true(session_open(&s, p));
    s.runner.settings.timeouts.lock_ms = 200;
    s.on_event = let_go;
    s.user = &holder;
    if (!session_migrate(&s))
        fail_msg("%s", explain(p->arena, &s));
    assert_has(strbuf_str(&s.log).ptr, "table-wait 2 [busy]");
    assert_int_equal(s.result.applied.len, 3);
    session_close(&s);
    session_close(&holder);
    assert_string_equal(project_query(p, "SELECT count(*) FROM whimbrel_history"), "3");
}

static void patience_ends_and_names_who_is_in_the_way(void **state)
{
    Project *p = project_of(state);
    Session holder, s;
    project_exec(p, "CREATE TABLE busy (id int)");
    project_write(p, "1_one.sql",
                  "-- whimbrel: lock-timeout=100ms lock-retries=1\nALTER TABLE busy ADD b int;");
    assert_true(session_open(&holder, p));
    assert_true(db_exec(holder.db, STR("BEGIN"), &holder.err));
    assert_true(db_exec(holder.db, STR("SELECT * FROM busy"), &holder.err));
    assert_true(session_open(&s, p));
    int64_t began = clock_monotonic_us();
    assert_false(session_migrate(&s));
    assert_true(clock_monotonic_us() - began < 2500000);
    assert_int_equal(s.err.kind, ERROR_TIMEOUT);
    assert_has(explain(p->arena, &s), "= busy is probably held by ");
    assert_has(explain(p->arena, &s), "--> 1_one.sql:2:1");
    assert_has(explain(p->arena, &s), "> whimbrel migrate: tries again");
    session_close(&s);
    session_close(&holder);
}

static void a_concurrent_build_waits_for_as_long_as_it_takes(void **state)
{
    Project *p = project_of(state);
    Session holder, s;
    project_exec(p, "CREATE TABLE busy (id int)");
    project_write(p, "1_one.sql", "CREATE INDEX CONCURRENTLY busy_ix ON busy (id);");
    assert_true(session_open(&holder, p));
    assert_true(
        db_exec(holder.db, STR("SET idle_in_transaction_session_timeout = 1500"), &holder.err));
    assert_true(db_exec(holder.db, STR("BEGIN"), &holder.err));
    assert_true(db_exec(holder.db, STR("INSERT INTO busy VALUES (1)"), &holder.err));
    assert_true(session_open(&s, p));
    s.runner.settings.timeouts.lock_ms = 200;
    if (!session_migrate(&s))
        fail_msg("%s", explain(p->arena, &s));
    session_close(&s);
    session_close(&holder);
    assert_string_equal(
        project_query(p, "SELECT indisvalid FROM pg_index WHERE indexrelid = 'busy_ix'::regclass"),
        "t");
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
    session_close(&s);
    /* Nothing to do needs no lock. */
    project_remove(p, "1_one.sql");
    assert_int_equal(migrate(p), 0);
    session_close(&holder);
}

static void a_cancel_rolls_back_what_is_under_way(void **state)
{
    Project *p = project_of(state);
    Session s;
    project_write(p, "1_one.sql", "CREATE TABLE one (id int);");
    project_write(p, "2_two.sql", "CREATE TABLE two (id int);\nSELECT pg_sleep(30);");
    assert_true(session_open(&s, p));
    int64_t began = clock_monotonic_us();
    s.cancel_at_us = began + 500000;
    assert_false(session_migrate(&s));
    assert_int_equal(s.err.kind, ERROR_CANCELLED);
    assert_true(clock_monotonic_us() - began < 10000000);
    assert_has(explain(p->arena, &s),
               "Nothing of 2 was kept.\n1 migration before it is applied; the database is at 1.");
    session_close(&s);
    assert_string_equal(project_query(p, "SELECT outcome FROM whimbrel_run"), "interrupted");
}

static void kill_others_later(Project *p)
{
    project_query_later(p,
                        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = "
                        "current_database() AND pid <> pg_backend_pid()",
                        500);
}

static void a_lost_connection_is_looked_into(void **state)
{
    Project *p = project_of(state);
    Session s;
    project_write(p, "1_one.sql", "CREATE TABLE one (id int);");
    project_write(p, "2_two.sql",
                  "CREATE TABLE two (id int);\nSELECT pg_sleep(3);\nCREATE TABLE three (id int);");
    project_write(p, "3_three.sql", "CREATE TABLE four (id int);");
    assert_true(session_open(&s, p));
    kill_others_later(p);
    assert_false(session_migrate(&s));
    assert_int_equal(s.err.kind, ERROR_CONNECT);
    assert_false(s.result.is_fate_unknown);
    assert_int_equal(s.result.applied.len, 1);
    assert_has(explain(p->arena, &s),
               "Nothing of 2 was kept.\n1 migration before it is applied; the database is at 1.");
    session_close(&s);
    assert_int_equal(migrate(p), 2);
}

/* ---- a network that breaks ----------------------------------------------------------------------------- */

typedef enum CutWhen { CUT_BEFORE, CUT_AFTER, CUT_AFTER_FOR_GOOD } CutWhen;

static int unix_socket(const char *folder, const char *port, bool listens)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%s/.s.PGSQL.%s", folder, port);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    int code = listens ? bind(fd, (struct sockaddr *)&address, sizeof address)
                       : connect(fd, (struct sockaddr *)&address, sizeof address);
    if (fd < 0 || code != 0 || (listens && listen(fd, 8) != 0))
        return -1;
    return fd;
}

static bool pass_on(int to, const char *bytes, size_t len)
{
    while (len > 0) {
        ssize_t count = write(to, bytes, len);
        if (count <= 0)
            return false;
        bytes += count;
        len -= (size_t)count;
    }
    return true;
}

/* One connection. When the client says the needle, the message is kept back, or it is passed on and the answer kept back:
 * either way both ends find the connection broken. Whether that happened. */
static bool carry(int client, int server, const char *needle, CutWhen when)
{
    static char bytes[1 << 16];
    for (bool is_cut = false;;) {
        struct pollfd fds[2] = {{.fd = client, .events = POLLIN}, {.fd = server, .events = POLLIN}};
        if (poll(fds, 2, 20000) <= 0)
            return false;
        if (fds[0].revents) {
            ssize_t len = read(client, bytes, sizeof bytes);
            if (len <= 0)
                return false;
            bool has = memmem(bytes, (size_t)len, needle, strlen(needle)) != NULL;
            if (has && when == CUT_BEFORE)
                return true;
            is_cut = is_cut || has;
            if (!pass_on(server, bytes, (size_t)len))
                return false;
        }
        if (fds[1].revents) {
            ssize_t len = read(server, bytes, sizeof bytes);
            if (len <= 0)
                return false;
            if (is_cut)
                return true;
            if (!pass_on(client, bytes, (size_t)len))
                return false;
        }
    }
}

/* Where the server listens, from WHIMBREL_TEST_POSTGRES. */
static bool server_place(Arena *arena, const char **ret_folder, const char **ret_port)
{
    DbUrl url;
    Error err = {.arena = arena};
    *ret_folder = NULL;
    *ret_port = "5432";
    if (!db_url_parse(arena, str_from(getenv("WHIMBREL_TEST_POSTGRES")), &url, &err))
        return false;
    for (size_t i = 0; i < url.params.len; i++) {
        if (str_eq(url.params.items[i].key, STR("host")))
            *ret_folder = str_z(arena, url.params.items[i].value);
        if (str_eq(url.params.items[i].key, STR("port")))
            *ret_port = str_z(arena, url.params.items[i].value);
    }
    return *ret_folder && **ret_folder == '/';
}

static pid_t proxy_start(Project *p, const char *needle, CutWhen when)
{
    const char *folder, *port;
    if (!server_place(p->arena, &folder, &port))
        return 0;
    int listener = unix_socket(p->folder, "5432", true);
    assert_true(listener >= 0);
    fflush(stdout);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        signal(SIGPIPE, SIG_IGN);
        for (bool was_cut = false; !was_cut || when != CUT_AFTER_FOR_GOOD;) {
            int client = accept(listener, NULL, NULL), server = unix_socket(folder, port, false);
            if (client < 0 || server < 0)
                break;
            was_cut = carry(client, server, was_cut ? "no such words" : needle, when) || was_cut;
            close(client);
            close(server);
        }
        _exit(0);
    }
    close(listener);
    return pid;
}

static void cut(Project *p, CutWhen when, const char *expected, size_t applied,
                bool is_fate_unknown)
{
    Session s;
    project_write(p, "1_one.sql", "CREATE TABLE one (id int);");
    project_write(p, "2_two.sql", "CREATE TABLE two (id int);");
    project_write(p, "3_three.sql", "CREATE TABLE three (id int);");
    pid_t pid = proxy_start(p, "CREATE TABLE three", when);
    if (pid == 0)
        skip(); /* the server does not listen on a local socket */
    Project through = *p;
    through.url = str_format(p->arena, "postgres://postgres@/%s?host=%s&port=5432&sslmode=disable",
                             p->database, p->folder);
    assert_true(session_open(&s, &through));
    assert_false(session_migrate(&s));
    assert_int_equal(s.err.kind, ERROR_CONNECT);
    const char *said = explain(p->arena, &s);
    assert_has(said, expected);
    assert_int_equal(s.result.applied.len, applied);
    assert_int_equal(s.result.is_fate_unknown, is_fate_unknown);
    session_close(&s);
    kill(pid, SIGKILL);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    /* Whatever was said: the next run ends where an undisturbed one would have. */
    migrate(p);
    assert_string_equal(
        project_query(p, "SELECT version, outcome FROM whimbrel_history ORDER BY version"),
        "1|applied\n2|applied\n3|applied");
}

static void a_commit_whose_answer_is_lost_is_found_in_the_history(void **state)
{
    cut(project_of(state), CUT_AFTER, "All migrations of this run are done: the history says so.",
        3, false);
}

static void a_message_that_is_lost_is_known_not_to_have_arrived(void **state)
{
    cut(project_of(state), CUT_BEFORE, "Nothing of 1 was kept.", 0, false);
}

static void what_nobody_can_tell_is_not_claimed(void **state)
{
    cut(project_of(state), CUT_AFTER_FOR_GOOD,
        "Whether 1, and what follows it, was applied is not known: the connection broke while it "
        "was under way.",
        0, true);
}

static void commits_before_the_last_do_not_wait_for_the_disk(void **state)
{
    Project *p = project_of(state);
    project_exec(p, "CREATE TABLE seen (version text, setting text)");
    for (unsigned i = 1; i <= 3; i++)
        project_write(
            p, str_format(p->arena, "%u_m.sql", i),
            str_format(p->arena,
                       "INSERT INTO seen VALUES ('%u', current_setting('synchronous_commit'));",
                       i));
    migrate(p);
    assert_string_equal(project_query(p, "SELECT setting FROM seen ORDER BY version"),
                        "off\noff\noff");
    /* The run log's own end is what waits. A program beside the migrations makes all of them wait. */
    project_write(p, "hooks/after-each", "#!/bin/sh\nexit 0\n");
    project_chmod(p, "hooks/after-each", 0700);
    project_write(p, "4_m.sql",
                  "INSERT INTO seen VALUES ('4', current_setting('synchronous_commit'));");
    project_write(p, "5_m.sql",
                  "INSERT INTO seen VALUES ('5', current_setting('synchronous_commit'));");
    migrate(p);
    assert_string_equal(
        project_query(p, "SELECT setting FROM seen WHERE version > '3' ORDER BY version"),
        "on\non");
}

static void hooks_run_in_the_migrations_transaction(void **state)
{
    Project *p = project_of(state);
    project_exec(p, "CREATE TABLE log (what text, tx text DEFAULT txid_current()::text)");
    project_write(p, "hooks/before-each.sql", "INSERT INTO log VALUES ('before');");
    project_write(p, "hooks/after-each.sql", "INSERT INTO log VALUES ('after');");
    project_write(p, "hooks/after-migrate.sql", "VACUUM log;");
    project_write(p, "1_one.sql", "INSERT INTO log VALUES ('one');");
    project_write(p, "2_two.sql", "INSERT INTO log VALUES ('two');");
    assert_int_equal(migrate(p), 2);
    assert_string_equal(
        project_query(
            p,
            "SELECT string_agg(what, ' ' ORDER BY ctid) FROM log GROUP BY tx ORDER BY tx::bigint"),
        "before one after\nbefore two after");
}

static void emptying_takes_all(void **state)
{
    Project *p = project_of(state);
    Session s;
    uint32_t dropped = 0;
    project_write(p, "1_one.sql",
                  "CREATE TABLE a (id int PRIMARY KEY);\nCREATE TABLE b (a int REFERENCES a "
                  "(id));\nCREATE VIEW v AS SELECT * FROM b;\n"
                  "CREATE TYPE mood AS ENUM ('x');");
    migrate(p);
    assert_true(session_open(&s, p));
    if (!run_drop_all(&s.runner, s.arena, &(StrVec){0}, &dropped, &s.err))
        fail_msg("%s", explain(p->arena, &s));
    session_close(&s);
    assert_string_equal(
        project_query(p,
                      "SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace"),
        "0");
    assert_int_equal(migrate(p), 1);
}

#ifdef WHIMBREL_FAULTS

static void a_large_file_is_streamed(void **state)
{
    Project *p = project_of(state);
    enum { MIB = 64 };
    char *path = str_format(p->arena, "%s/migrations/1_big.sql", p->folder);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs("CREATE TABLE big (id int, v text);\n", file);
    long rows = 0;
    while (ftell(file) < MIB * 1024L * 1024L) {
        fprintf(file, "INSERT INTO big VALUES (%ld, '%0500ld');\n", rows, rows);
        rows++;
    }
    fputs("COPY big FROM stdin;\n", file);
    for (long i = 0; i < 100000; i++, rows++)
        fprintf(file, "%ld\t%0500ld\n", rows, rows);
    fputs("\\.\n", file);
    assert_int_equal(fclose(file), 0);
    assert_false(stopped_at(p, 0, "none", 1, "fail"));
    long grown = project_peak_kib(p);
    print_message("# %ld MiB of statements took %ld KiB\n", (long)MIB, grown);
    assert_string_equal(project_query(p, "SELECT count(*) FROM big"),
                        str_format(p->arena, "%ld", rows));
#if !defined(__SANITIZE_ADDRESS__)
    assert_true(grown < 16 * 1024);
#endif
}

static void write_hard_project(Project *p)
{
    project_write(p, "1_one.sql",
                  "CREATE TABLE one (id int PRIMARY KEY);\nINSERT INTO one VALUES (1);");
    project_write(p, "2_two.sql",
                  "CREATE SCHEMA s;\nSET search_path = s, public;\nCREATE TABLE two (id "
                  "int);\nINSERT INTO two VALUES (77);\n"
                  "CREATE INDEX CONCURRENTLY two_ix ON two (id);\nCREATE INDEX CONCURRENTLY "
                  "two_ix_b ON two (id);\nCREATE TABLE three (id int);");
    project_write(p, "3_three.sql", "INSERT INTO one VALUES (3);\nINSERT INTO one VALUES (4);");
    project_write(p, "4_four.sql",
                  "VACUUM one;\nDROP INDEX CONCURRENTLY s.two_ix_b;\nCREATE TYPE mood AS ENUM "
                  "('a');\nALTER TYPE mood ADD VALUE 'b';");
}

static const char *data_picture(Project *p)
{
    return str_format(
        p->arena, "%s\n%s\n%s", project_picture(p),
        project_query(p, "SELECT * FROM one ORDER BY 1"),
        project_query(
            p,
            "SELECT n.nspname, c.relname, i.indisvalid FROM pg_class c JOIN pg_namespace n ON "
            "n.oid = c.relnamespace LEFT JOIN "
            "pg_index i ON i.indexrelid = c.oid WHERE n.nspname IN ('public', 's') ORDER BY 1, 2"));
}

/* A database takes a second to make; a schema does not. */
static void empty(Project *p)
{
    project_query(p, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = "
                     "current_database() AND pid <> "
                     "pg_backend_pid()");
    project_exec(p, "DROP SCHEMA IF EXISTS s CASCADE");
    project_exec(p, "DROP SCHEMA public CASCADE");
    project_exec(p, "CREATE SCHEMA public");
}

static void a_stop_at_any_point_ends_like_an_undisturbed_run(void **state)
{
    Project *undisturbed = project_of(state);
    static const char *const points[] = {"run.before-chunk", "run.after-chunk",
                                         "run.before-journal", "run.before-lone", "run.after-lone"};
    static const char *const actions[] = {"kill", "fail"};
    static const size_t chunks[] = {0, 1};
    write_hard_project(undisturbed);
    migrate(undisturbed);
    const char *expected = data_picture(undisturbed);
    size_t stops = 0;
    for (size_t c = 0; c < 2; c++)
        for (size_t a = 0; a < 2; a++)
            for (size_t i = 0; i < sizeof points / sizeof *points; i++)
                for (unsigned nth = 1;; nth++) {
                    Project p;
                    Session s;
                    p = *undisturbed;
                    empty(&p);
                    /* With the smallest chunks, every statement is a message of its own. */
                    bool is_stopped = stopped_at(&p, chunks[c], points[i], nth, actions[a]);
                    if (!session_open(&s, &p) || !session_migrate(&s))
                        fail_msg("after %s:%u:%s:\n%s\n%s", points[i], nth, actions[a],
                                 explain(p.arena, &s), strbuf_str(&s.log).ptr);
                    session_close(&s);
                    if (strcmp(data_picture(&p), expected) != 0)
                        fail_msg("after %s:%u:%s:\n%s\ninstead of\n%s", points[i], nth, actions[a],
                                 data_picture(&p), expected);
                    if (!is_stopped)
                        break;
                    stops++;
                }
    print_message("# stopped at %zu places\n", stops);
    assert_true(stops > 100);
}

static void the_loss_of_an_allocation_is_an_error_and_nothing_else(void **state)
{
    Project *p = project_of(state);
    write_hard_project(p);
    migrate(p);
    const char *expected = data_picture(p);
    /* Every one would take minutes; the stride is prime, and so meets every loop at another place. */
    for (unsigned nth = 1;; nth += 17) {
        Session s;
        empty(p);
        assert_true(session_open(&s, p));
        fault_fail_allocation(nth);
        bool is_ok = session_migrate(&s);
        bool has_fired = fault_fired();
        fault_fail_allocation(0);
        bool is_told =
            is_ok || s.err.kind == ERROR_NOMEM || strstr(s.err.message, "reading the history");
        if (!is_told)
            fail_msg("allocation %u: %s: %s", nth, error_kind_name(s.err.kind),
                     explain(p->arena, &s));
        session_close(&s);
        migrate(p);
        if (strcmp(data_picture(p), expected) != 0)
            fail_msg("after allocation %u:\n%s\ninstead of\n%s", nth, data_picture(p), expected);
        if (!has_fired)
            return;
    }
}

#endif

UNIT_TESTS(run_postgres) = {
    TEST(migrate_and_rollback),
    TEST(a_failure_is_mapped_back_from_the_middle_of_a_message),
    TEST(a_syntax_error_keeps_what_came_before),
    TEST(the_number_of_migrations_does_not_change_the_number_of_messages),
    TEST(a_search_path_lost_in_the_script_does_not_lead_the_history_astray),
    TEST(lone_statements_run_alone_and_are_journaled),
    TEST(if_not_exists_is_not_taken_in_by_an_invalid_index),
    TEST(copy_data_is_carried),
    TEST(a_dry_run_leaves_nothing),
    TEST(a_single_transaction_is_all_or_nothing),
    TEST(a_table_in_use_is_waited_for_without_holding_it_up),
    TEST(patience_ends_and_names_who_is_in_the_way),
    TEST(a_concurrent_build_waits_for_as_long_as_it_takes),
    TEST(one_runner_at_a_time),
    TEST(a_cancel_rolls_back_what_is_under_way),
    TEST(a_lost_connection_is_looked_into),
    TEST(a_commit_whose_answer_is_lost_is_found_in_the_history),
    TEST(a_message_that_is_lost_is_known_not_to_have_arrived),
    TEST(what_nobody_can_tell_is_not_claimed),
    TEST(commits_before_the_last_do_not_wait_for_the_disk),
    TEST(hooks_run_in_the_migrations_transaction),
    TEST(emptying_takes_all),
#ifdef WHIMBREL_FAULTS
    TEST(a_large_file_is_streamed),
    TEST(a_stop_at_any_point_ends_like_an_undisturbed_run),
    TEST(the_loss_of_an_allocation_is_an_error_and_nothing_else),
#endif
};
UNIT_TESTS_END(run_postgres)

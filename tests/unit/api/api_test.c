/* The library, called as a program calls it, on SQLite. SPDX-License-Identifier: Apache-2.0 */
#include <pthread.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/base.h"
#include "whimbrel/sqlite.h"

#include "unit.h"

#define FILE_OF(path, text)                                                                        \
    {                                                                                              \
        path, text, sizeof(text) - 1                                                               \
    }
#define TABLE_OF(files)                                                                            \
    {                                                                                              \
        sizeof(WhimbrelEmbedded), files, sizeof(files) / sizeof *(files), NULL                     \
    }

static const WhimbrelFile shop_files[] = {
    FILE_OF("R__names.sql",
            "DROP VIEW IF EXISTS names;\nCREATE VIEW names AS SELECT name FROM users;\n"),
    FILE_OF("1_users.up.sql", "CREATE TABLE users (id integer PRIMARY KEY, name text);\n"),
    FILE_OF("1_users.down.sql", "DROP VIEW IF EXISTS names;\nDROP TABLE users;\n"),
    FILE_OF("2_orders.up.sql",
            "CREATE TABLE orders (id integer PRIMARY KEY);\nINSERT INTO orders VALUES (1);\n"),
    FILE_OF("2_orders.down.sql", "DROP TABLE orders;\n"),
};
static const WhimbrelEmbedded shop = TABLE_OF(shop_files);

static const WhimbrelFile older_files[] = {
    FILE_OF("1_users.up.sql", "CREATE TABLE users (id integer PRIMARY KEY, name text);\n"),
};
static const WhimbrelEmbedded older = TABLE_OF(older_files);

static const WhimbrelFile other_files[] = {
    FILE_OF("1_users.up.sql",
            "CREATE TABLE users (id integer PRIMARY KEY, name text, mail text);\n"),
};
static const WhimbrelEmbedded other = TABLE_OF(other_files);

static const WhimbrelFile broken_files[] = {
    FILE_OF("1_users.up.sql", "CREATE TABLE users (id integer PRIMARY KEY, name text);\n"),
    FILE_OF("2_broken.up.sql", "CREATE TABLE t (x integer);\n\n  INSERT INTO absent VALUES (1);\n"),
};
static const WhimbrelEmbedded broken = TABLE_OF(broken_files);

static void must(WhimbrelStatus status, WhimbrelError **ret_error)
{
    WhimbrelError *error = *ret_error;
    if (status != WHIMBREL_OK)
        fail_msg("%s: %s (%s) %s", error->kind, error->message, error->code ? error->code : "",
                 error->detail ? error->detail : "");
    assert_null(error);
}

static Whimbrel *open_on(const char *url, const WhimbrelEmbedded *table)
{
    WhimbrelOptions options;
    Whimbrel *whimbrel = NULL;
    WhimbrelError *error = NULL;
    whimbrel_options_init(&options);
    options.embedded = table;
    must(whimbrel_open(url, &options, &whimbrel, &error), &error);
    assert_non_null(whimbrel);
    return whimbrel;
}

/* A database file of this test's own, absent yet. */
static char *fresh_file(void)
{
    char folder[] = "/tmp/whimbrel-api-XXXXXX";
    char *url = malloc(64);
    assert_non_null(mkdtemp(folder));
    assert_non_null(url);
    snprintf(url, 64, "sqlite:%s/app.db", folder);
    return url;
}

static void remove_file(char *url)
{
    char *path = url + strlen("sqlite:");
    unlink(path);
    *strrchr(path, '/') = '\0';
    assert_int_equal(rmdir(path), 0);
    free(url);
}

/* ---- opening --------------------------------------------------------------------------------------------- */

static void refused(const char *url, const WhimbrelOptions *options, WhimbrelStatus status,
                    const char *code)
{
    Whimbrel *whimbrel = (Whimbrel *)(uintptr_t)1;
    WhimbrelError *error = NULL;
    assert_int_equal(whimbrel_open(url, options, &whimbrel, &error), status);
    assert_null(whimbrel);
    assert_non_null(error);
    assert_int_equal(error->size, sizeof *error);
    assert_int_equal(error->status, status);
    assert_non_null(error->message);
    assert_non_null(error->sqlstate);
    assert_non_null(error->code);
    assert_string_equal(error->code, code);
    assert_null(strstr(error->message, "hunter2"));
    whimbrel_error_free(error);
    assert_int_equal(whimbrel_open(url, options, &whimbrel, NULL), status);
}

static void wrong_arguments_are_refused_as_data(void **state)
{
    (void)state;
    static const char *const folders[] = {"migrations", NULL}, *const none[] = {NULL};
    static const char *const placeholders[] = {"novalue", NULL};
    struct {
        WhimbrelOptions options;
        char newer[8];
    } grown;
    WhimbrelOptions options;
    WhimbrelError *error = NULL;

    refused("nosuch://app:hunter2@db/x", NULL, WHIMBREL_USAGE, "bad-url");
    refused(NULL, NULL, WHIMBREL_USAGE, "bad-argument");
    memset(&options, 0, sizeof options);
    refused("sqlite::memory:", &options, WHIMBREL_USAGE, "bad-argument");
    whimbrel_options_init(&options);
    options.flags = 1u << 31;
    refused("sqlite::memory:", &options, WHIMBREL_USAGE, "bad-argument");
    whimbrel_options_init(&options);
    options.embedded = &shop;
    options.folders = folders;
    refused("sqlite::memory:", &options, WHIMBREL_USAGE, "bad-argument");
    whimbrel_options_init(&options);
    options.folders = none;
    refused("sqlite::memory:", &options, WHIMBREL_USAGE, "bad-argument");
    whimbrel_options_init(&options);
    options.convention = "nosuch";
    refused("sqlite::memory:", &options, WHIMBREL_USAGE, "unknown-convention");
    whimbrel_options_init(&options);
    options.placeholders = placeholders;
    refused("sqlite::memory:", &options, WHIMBREL_USAGE, "bad-argument");
    whimbrel_options_init(&options);
    options.lock_wait_ms = -7;
    refused("sqlite::memory:", &options, WHIMBREL_USAGE, "bad-argument");

    memset(&grown, 0, sizeof grown);
    grown.options.size = sizeof grown;
    grown.newer[3] = 1;
    refused("sqlite::memory:", &grown.options, WHIMBREL_USAGE, "bad-argument");
    grown.newer[3] = 0;
    Whimbrel *whimbrel = NULL;
    must(whimbrel_open("sqlite::memory:", &grown.options, &whimbrel, &error), &error);
    whimbrel_close(whimbrel);

    assert_int_equal(whimbrel_open("sqlite::memory:", NULL, NULL, NULL), WHIMBREL_USAGE);
    assert_int_equal(whimbrel_adopt((WhimbrelEngine)77, &options, NULL, &whimbrel, NULL),
                     WHIMBREL_USAGE);
    assert_int_equal(whimbrel_adopt(WHIMBREL_SQLITE, NULL, NULL, &whimbrel, NULL), WHIMBREL_USAGE);
    assert_int_equal(whimbrel_migrate(NULL, NULL, NULL), WHIMBREL_USAGE);
    whimbrel_close(NULL);
    whimbrel_cancel(NULL);
    whimbrel_error_free(NULL);
    whimbrel_result_free(NULL);
    whimbrel_plan_free(NULL);
    whimbrel_overview_free(NULL);
}

static void options_of_an_older_program_are_understood(void **state)
{
    (void)state;
    /* A program whose header ended before the callbacks. */
    WhimbrelOptions options;
    Whimbrel *whimbrel = NULL;
    WhimbrelError *error = NULL;
    memset(&options, 0xff, sizeof options);
    memset(&options, 0, offsetof(WhimbrelOptions, event));
    options.size = offsetof(WhimbrelOptions, event);
    options.embedded = &shop;
    must(whimbrel_open("sqlite::memory:", &options, &whimbrel, &error), &error);
    must(whimbrel_migrate(whimbrel, NULL, &error), &error);
    whimbrel_close(whimbrel);
}

static void a_table_of_bad_paths_is_refused(void **state)
{
    (void)state;
    static const WhimbrelFile files[] = {FILE_OF("../1_users.sql", "")};
    static const WhimbrelEmbedded table = TABLE_OF(files);
    WhimbrelOptions options;
    whimbrel_options_init(&options);
    options.embedded = &table;
    refused("sqlite::memory:", &options, WHIMBREL_USAGE, "bad-embedded");
}

static void absent_databases_and_folders_are_errors(void **state)
{
    (void)state;
    static const char *const folders[] = {"/nonexistent/migrations", NULL};
    WhimbrelOptions options;
    Whimbrel *whimbrel;
    WhimbrelError *error;
    whimbrel_options_init(&options);
    options.flags = WHIMBREL_MUST_EXIST;
    assert_int_equal(whimbrel_open("sqlite:/nonexistent/x.db", &options, &whimbrel, NULL),
                     WHIMBREL_CONNECT);
    options.flags = 0;
    options.folders = folders;
    must(whimbrel_open("sqlite::memory:", &options, &whimbrel, &error), &error);
    assert_int_equal(whimbrel_migrate(whimbrel, NULL, &error), WHIMBREL_IO);
    assert_non_null(strstr(error->message, "/nonexistent/migrations"));
    whimbrel_error_free(error);
    whimbrel_close(whimbrel);
}

/* ---- to and fro -------------------------------------------------------------------------------------------- */

static void a_database_is_brought_up_and_back(void **state)
{
    (void)state;
    Whimbrel *whimbrel = open_on("sqlite::memory:", &shop);
    WhimbrelError *error = NULL;
    WhimbrelOverview *overview = NULL;
    WhimbrelResult *result = NULL;

    must(whimbrel_status(whimbrel, &overview, &error), &error);
    assert_int_equal(overview->state, WHIMBREL_HAS_PENDING);
    assert_string_equal(overview->engine, "sqlite");
    assert_string_equal(overview->convention, "whimbrel");
    assert_null(overview->current);
    assert_string_equal(overview->head, "2");
    assert_int_equal(overview->migration_count, 3);
    assert_string_equal(overview->migrations[0]->version, "1");
    assert_string_equal(overview->migrations[0]->name, "users");
    assert_string_equal(overview->migrations[0]->path, "1_users.up.sql");
    assert_int_equal(overview->migrations[0]->state, WHIMBREL_PENDING);
    assert_true(overview->migrations[0]->is_reversible);
    assert_null(overview->migrations[0]->applied_at);
    assert_int_equal(overview->migrations[2]->kind, WHIMBREL_REPEATABLE);
    assert_string_equal(overview->migrations[2]->version, "");
    whimbrel_overview_free(overview);

    must(whimbrel_migrate(whimbrel, &result, &error), &error);
    assert_int_equal(result->size, sizeof *result);
    assert_int_equal(result->applied_count, 3);
    assert_string_equal(result->applied[0]->version, "1");
    assert_string_equal(result->applied[1]->name, "orders");
    assert_int_equal(result->applied[2]->kind, WHIMBREL_REPEATABLE);
    assert_int_equal(result->rolled_back_count, 0);
    assert_string_equal(result->current, "2");
    assert_int_equal(result->state, WHIMBREL_UP_TO_DATE);
    assert_null(result->failed_version);
    whimbrel_result_free(result);

    must(whimbrel_require(whimbrel, &error), &error);
    must(whimbrel_validate(whimbrel, NULL, &error), &error);
    must(whimbrel_status(whimbrel, &overview, &error), &error);
    assert_int_equal(overview->state, WHIMBREL_UP_TO_DATE);
    assert_int_equal(overview->migrations[1]->state, WHIMBREL_APPLIED);
    assert_non_null(overview->migrations[1]->applied_at);
    assert_non_null(overview->migrations[1]->checksum);
    assert_int_equal(overview->applied, 3);
    whimbrel_overview_free(overview);

    must(whimbrel_migrate(whimbrel, &result, &error), &error);
    assert_int_equal(result->applied_count, 0);
    whimbrel_result_free(result);

    must(whimbrel_rollback(whimbrel, &result, &error), &error);
    assert_int_equal(result->rolled_back_count, 1);
    assert_string_equal(result->rolled_back[0]->version, "2");
    assert_string_equal(result->current, "1");
    whimbrel_result_free(result);

    must(whimbrel_goto(whimbrel, "base", &result, &error), &error);
    assert_null(result->current);
    whimbrel_result_free(result);
    must(whimbrel_goto(whimbrel, "orders", NULL, &error), &error);
    assert_int_equal(whimbrel_goto(whimbrel, "7", NULL, &error), WHIMBREL_USAGE);
    assert_string_equal(error->code, "unknown-version");
    whimbrel_error_free(error);
    assert_int_equal(whimbrel_goto(whimbrel, NULL, NULL, NULL), WHIMBREL_USAGE);
    whimbrel_close(whimbrel);
}

static void a_plan_shows_what_would_be_done(void **state)
{
    (void)state;
    Whimbrel *whimbrel = open_on("sqlite::memory:", &shop);
    WhimbrelError *error = NULL;
    WhimbrelPlan *plan = NULL;
    WhimbrelRequest request;
    WhimbrelResult *result = NULL;

    whimbrel_request_init(&request);
    request.to = "2";
    must(whimbrel_plan(whimbrel, WHIMBREL_MIGRATE, &request, &plan, &error), &error);
    assert_false(plan->stops);
    assert_int_equal(plan->step_count, 3);
    assert_string_equal(plan->target, "2");
    assert_string_equal(plan->steps[1]->path, "2_orders.up.sql");
    assert_int_equal(plan->steps[1]->statements, 2);
    assert_true(plan->steps[1]->is_transactional);
    assert_false(plan->steps[1]->is_down);
    whimbrel_plan_free(plan);

    request.flags = WHIMBREL_DRY_RUN;
    must(whimbrel_execute(whimbrel, WHIMBREL_MIGRATE, &request, &result, &error), &error);
    assert_true(result->is_dry_run);
    whimbrel_result_free(result);
    assert_int_equal(whimbrel_require(whimbrel, NULL), WHIMBREL_CHECK);

    must(whimbrel_migrate(whimbrel, NULL, &error), &error);
    whimbrel_request_init(&request);
    request.flags = WHIMBREL_ALL;
    must(whimbrel_plan(whimbrel, WHIMBREL_ROLLBACK, &request, &plan, &error), &error);
    assert_int_equal(plan->step_count, 2);
    assert_true(plan->steps[0]->is_down);
    assert_string_equal(plan->steps[0]->version, "2");
    assert_null(plan->target);
    whimbrel_plan_free(plan);

    assert_int_equal(whimbrel_plan(whimbrel, WHIMBREL_MIGRATE, &request, &plan, NULL),
                     WHIMBREL_USAGE);
    assert_null(plan);
    request.flags = WHIMBREL_EXPAND | WHIMBREL_CONTRACT;
    assert_int_equal(whimbrel_plan(whimbrel, WHIMBREL_MIGRATE, &request, &plan, NULL),
                     WHIMBREL_USAGE);
    request.size = 0;
    assert_int_equal(whimbrel_plan(whimbrel, WHIMBREL_MIGRATE, &request, &plan, NULL),
                     WHIMBREL_USAGE);
    assert_int_equal(whimbrel_plan(whimbrel, (WhimbrelVerb)99, NULL, &plan, NULL), WHIMBREL_USAGE);
    whimbrel_close(whimbrel);
}

/* ---- require and validate ------------------------------------------------------------------------------------ */

static void requires_differently(const char *url, const WhimbrelEmbedded *table, const char *code,
                                 const char *message, const char *detail)
{
    Whimbrel *whimbrel = open_on(url, table);
    WhimbrelError *error = NULL;
    assert_int_equal(whimbrel_require(whimbrel, &error), WHIMBREL_CHECK);
    assert_string_equal(error->code, code);
    assert_string_equal(error->message, message);
    assert_string_equal(error->detail, detail);
    assert_non_null(error->hint);
    whimbrel_error_free(error);
    whimbrel_close(whimbrel);
}

static void require_tells_what_differs(void **state)
{
    (void)state;
    char *url = fresh_file();
    WhimbrelError *error = NULL;
    WhimbrelPlan *plan = NULL;

    requires_differently(url, &shop, "pending", "3 migrations are pending",
                         "1 users, 2 orders, R names");
    Whimbrel *whimbrel = open_on(url, &shop);
    must(whimbrel_migrate(whimbrel, NULL, &error), &error);
    whimbrel_close(whimbrel);
    requires_differently(url, &older, "ahead", "2 applied migrations are unknown to this program",
                         "2 orders, R names");
    requires_differently(url, &other, "changed",
                         "1 applied migration has another content in this program", "1 users");

    whimbrel = open_on(url, &other);
    assert_int_equal(whimbrel_validate(whimbrel, &plan, &error), WHIMBREL_CHECK);
    assert_true(plan->stops);
    assert_true(plan->problem_count >= 1);
    assert_string_equal(plan->problems[0]->version, "1");
    assert_non_null(plan->problems[0]->message);
    assert_string_equal(error->code, plan->problems[0]->code);
    whimbrel_plan_free(plan);
    whimbrel_error_free(error);
    assert_int_equal(whimbrel_migrate(whimbrel, NULL, NULL), WHIMBREL_STATE);
    whimbrel_close(whimbrel);
    remove_file(url);
}

static void a_read_only_handle_looks_and_does_not_touch(void **state)
{
    (void)state;
    char *url = fresh_file();
    WhimbrelOptions options;
    WhimbrelError *error = NULL;
    Whimbrel *whimbrel = open_on(url, &older);
    must(whimbrel_migrate(whimbrel, NULL, &error), &error);
    whimbrel_close(whimbrel);
    whimbrel_options_init(&options);
    options.embedded = &shop;
    options.flags = WHIMBREL_READ_ONLY;
    must(whimbrel_open(url, &options, &whimbrel, &error), &error);
    assert_int_equal(whimbrel_require(whimbrel, &error), WHIMBREL_CHECK);
    assert_string_equal(error->message, "2 migrations are pending");
    whimbrel_error_free(error);
    assert_int_not_equal(whimbrel_migrate(whimbrel, NULL, &error), WHIMBREL_OK);
    whimbrel_error_free(error);
    whimbrel_close(whimbrel);
    remove_file(url);
}

/* ---- failures --------------------------------------------------------------------------------------------------- */

static void a_failed_migration_is_told_with_its_place(void **state)
{
    (void)state;
    Whimbrel *whimbrel = open_on("sqlite::memory:", &broken);
    WhimbrelError *error = NULL;
    WhimbrelResult *result = NULL;
    assert_int_equal(whimbrel_migrate(whimbrel, &result, &error), WHIMBREL_SQL);
    /* Both outlive the handle. */
    whimbrel_close(whimbrel);
    assert_string_equal(error->kind, "sql");
    assert_string_equal(error->file, "2_broken.up.sql");
    assert_int_equal(error->line, 3);
    assert_string_equal(error->migration, "2");
    assert_non_null(strstr(error->message, "absent"));
    assert_non_null(strstr(error->statement, "INSERT INTO absent"));
    assert_int_not_equal(error->server_code, 0);
    assert_int_equal(result->applied_count, 1);
    assert_string_equal(result->current, "1");
    assert_string_equal(result->failed_version, "2");
    assert_string_equal(result->failed_name, "broken");
    assert_int_equal(result->failed_statement, 2);
    assert_int_equal(result->failed_done, 0);
    assert_non_null(result->holds[0]);
    whimbrel_error_free(error);
    whimbrel_result_free(result);
}

/* ---- a connection of the program's own ------------------------------------------------------------------------------ */

static int count_rows(sqlite3 *database, const char *sql)
{
    sqlite3_stmt *statement;
    int count = -1;
    if (sqlite3_prepare_v2(database, sql, -1, &statement, NULL) == SQLITE_OK &&
        sqlite3_step(statement) == SQLITE_ROW)
        count = sqlite3_column_int(statement, 0);
    sqlite3_finalize(statement);
    return count;
}

static void an_adopted_connection_stays_the_programs(void **state)
{
    (void)state;
    sqlite3 *database;
    WhimbrelOptions options;
    Whimbrel *whimbrel;
    WhimbrelError *error = NULL;
    whimbrel_options_init(&options);
    options.embedded = &shop;
    assert_int_equal(sqlite3_open(":memory:", &database), SQLITE_OK);
    sqlite3_exec(database, "PRAGMA foreign_keys = ON; BEGIN", NULL, NULL, NULL);
    assert_int_equal(whimbrel_adopt_sqlite(database, &options, &whimbrel, &error), WHIMBREL_USAGE);
    whimbrel_error_free(error);
    sqlite3_exec(database, "ROLLBACK", NULL, NULL, NULL);

    must(whimbrel_adopt_sqlite(database, &options, &whimbrel, &error), &error);
    must(whimbrel_migrate(whimbrel, NULL, &error), &error);
    whimbrel_close(whimbrel);
    assert_int_equal(count_rows(database, "SELECT count(*) FROM orders"), 1);
    assert_int_equal(count_rows(database, "PRAGMA foreign_keys"), 1);
    assert_int_equal(sqlite3_get_autocommit(database), 1);
    assert_int_equal(sqlite3_close(database), SQLITE_OK);
}

/* ---- events and cancelling -------------------------------------------------------------------------------------------- */

typedef struct Heard {
    char text[2048];
    int cancel_after; /* statements; -1: never */
    Whimbrel *whimbrel;
} Heard;

static void hear(void *context, const WhimbrelEvent *event)
{
    Heard *heard = context;
    size_t len = strlen(heard->text);
    assert_int_equal(event->size, sizeof *event);
    snprintf(heard->text + len, sizeof heard->text - len, "%s%s%s ",
             whimbrel_event_kind_name(event->kind), event->version ? ":" : "",
             event->version ? event->version : "");
    if (heard->cancel_after >= 0 && event->kind == WHIMBREL_EVENT_STEP_END &&
        heard->cancel_after-- == 0)
        whimbrel_cancel(heard->whimbrel);
}

static void events_tell_what_happens(void **state)
{
    (void)state;
    Heard heard = {.cancel_after = -1};
    WhimbrelOptions options;
    Whimbrel *whimbrel;
    WhimbrelError *error = NULL;
    whimbrel_options_init(&options);
    options.embedded = &shop;
    options.event = hear;
    options.context = &heard;
    must(whimbrel_open("sqlite::memory:", &options, &whimbrel, &error), &error);
    must(whimbrel_migrate(whimbrel, NULL, &error), &error);
    whimbrel_close(whimbrel);
    const char *at = heard.text;
    static const char *const order[] = {"run-begin",  "step-begin:1", "step-end:1", "step-begin:2",
                                        "step-end:2", "step-begin:",  "step-end:",  "run-end"};
    for (size_t i = 0; i < sizeof order / sizeof *order; i++) {
        at = strstr(at, order[i]);
        if (!at) {
            fail_msg("no %s in: %s", order[i], heard.text);
            return;
        }
        at += strlen(order[i]);
    }
}

static bool say_yes(void *context)
{
    (void)context;
    return true;
}

static void a_cancelled_call_says_so_and_the_next_one_runs(void **state)
{
    (void)state;
    WhimbrelOptions options;
    Whimbrel *whimbrel = open_on("sqlite::memory:", &shop);
    WhimbrelError *error = NULL;
    whimbrel_cancel(whimbrel);
    assert_int_equal(whimbrel_migrate(whimbrel, NULL, &error), WHIMBREL_CANCELLED);
    assert_int_equal(error->status, WHIMBREL_CANCELLED);
    whimbrel_error_free(error);
    must(whimbrel_migrate(whimbrel, NULL, &error), &error);
    whimbrel_cancel(whimbrel);
    whimbrel_cancel_clear(whimbrel);
    must(whimbrel_rollback(whimbrel, NULL, &error), &error);
    whimbrel_close(whimbrel);

    whimbrel_options_init(&options);
    options.embedded = &shop;
    options.is_cancelled = say_yes;
    if (whimbrel_open("sqlite::memory:", &options, &whimbrel, &error) == WHIMBREL_OK) {
        assert_int_equal(whimbrel_migrate(whimbrel, NULL, &error), WHIMBREL_CANCELLED);
        whimbrel_close(whimbrel);
    }
    assert_int_equal(error->status, WHIMBREL_CANCELLED);
    whimbrel_error_free(error);
}

/* A migration that would take very long, stopped from another thread. */
static void *cancel_soon(void *whimbrel)
{
    usleep(200 * 1000);
    whimbrel_cancel(whimbrel);
    return NULL;
}

static void a_long_statement_is_stopped_from_another_thread(void **state)
{
    (void)state;
    static const WhimbrelFile files[] = {
        FILE_OF("1_long.sql", "CREATE TABLE t AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT "
                              "i + 1 FROM n WHERE i < "
                              "1000000000) SELECT max(i) AS top FROM n;\n"),
    };
    static const WhimbrelEmbedded table = TABLE_OF(files);
    char *url = fresh_file();
    Whimbrel *whimbrel = open_on(url, &table);
    WhimbrelError *error = NULL;
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, cancel_soon, whimbrel), 0);
    assert_int_equal(whimbrel_migrate(whimbrel, NULL, &error), WHIMBREL_CANCELLED);
    pthread_join(thread, NULL);
    whimbrel_error_free(error);
    assert_int_equal(whimbrel_require(whimbrel, &error), WHIMBREL_CHECK);
    assert_string_equal(error->code, "pending");
    whimbrel_error_free(error);
    whimbrel_close(whimbrel);
    remove_file(url);
}

/* ---- the rest --------------------------------------------------------------------------------------------------------- */

static void a_baseline_says_what_is_there(void **state)
{
    (void)state;
    Whimbrel *whimbrel = open_on("sqlite::memory:", &shop);
    WhimbrelError *error = NULL;
    WhimbrelOverview *overview;
    assert_int_equal(whimbrel_baseline(whimbrel, "not a version", NULL, NULL, NULL),
                     WHIMBREL_USAGE);
    assert_int_equal(whimbrel_baseline(whimbrel, NULL, NULL, NULL, NULL), WHIMBREL_USAGE);
    must(whimbrel_baseline(whimbrel, "1", NULL, NULL, &error), &error);
    must(whimbrel_status(whimbrel, &overview, &error), &error);
    assert_string_equal(overview->current, "1");
    assert_int_equal(overview->migrations[0]->state, WHIMBREL_BASELINED);
    whimbrel_overview_free(overview);
    assert_int_not_equal(whimbrel_baseline(whimbrel, "2", NULL, NULL, NULL), WHIMBREL_OK);
    must(whimbrel_resume(whimbrel, 0, false, NULL, &error),
         &error); /* there is nothing to resume */
    whimbrel_close(whimbrel);
}

static void placeholders_and_tables_are_the_programs(void **state)
{
    (void)state;
    static const WhimbrelFile files[] = {
        FILE_OF("1_x.sql", "CREATE TABLE ${table}_${env} (x integer);\n")};
    static const WhimbrelEmbedded table = TABLE_OF(files);
    static const char *const pairs[] = {"table=things", NULL};
    sqlite3 *database;
    WhimbrelOptions options;
    Whimbrel *whimbrel;
    WhimbrelError *error = NULL;
    whimbrel_options_init(&options);
    options.embedded = &table;
    options.placeholders = pairs;
    options.environment = "test";
    options.table = "my_history";
    options.applied_by = "tester";
    assert_int_equal(sqlite3_open(":memory:", &database), SQLITE_OK);
    must(whimbrel_adopt_sqlite(database, &options, &whimbrel, &error), &error);
    must(whimbrel_migrate(whimbrel, NULL, &error), &error);
    whimbrel_close(whimbrel);
    assert_int_equal(count_rows(database, "SELECT count(*) FROM things_test"), 0);
    assert_true(count_rows(database, "SELECT count(*) FROM my_history") >= 1);
    sqlite3_close(database);
}

static void many_long_migrations_travel_in_several_messages(void **state)
{
    (void)state;
    enum { COUNT = 100, LENGTH = 50000 };
    WhimbrelFile files[COUNT];
    char paths[COUNT][32], *texts[COUNT];
    WhimbrelError *error = NULL;
    WhimbrelResult *result;
    for (int i = 0; i < COUNT; i++) {
        texts[i] = malloc(LENGTH + 1);
        assert_non_null(texts[i]);
        memset(texts[i], ' ', LENGTH);
        int len = snprintf(texts[i], LENGTH, "CREATE TABLE t%d (x text DEFAULT '", i);
        texts[i][len] = ' ';
        memcpy(texts[i] + LENGTH - 4, "');\n", 4);
        snprintf(paths[i], sizeof paths[i], "%d_t.sql", i + 1);
        files[i] = (WhimbrelFile){paths[i], texts[i], LENGTH};
    }
    const WhimbrelEmbedded table = {sizeof table, files, COUNT, NULL};
    Whimbrel *whimbrel = open_on("sqlite::memory:", &table);
    must(whimbrel_migrate(whimbrel, &result, &error), &error);
    assert_int_equal(result->applied_count, COUNT);
    assert_string_equal(result->current, "100");
    whimbrel_result_free(result);
    must(whimbrel_require(whimbrel, &error), &error);
    whimbrel_close(whimbrel);
    for (int i = 0; i < COUNT; i++)
        free(texts[i]);
}

static void names_are_those_of_the_command_line(void **state)
{
    (void)state;
    assert_string_equal(whimbrel_version(), WHIMBREL_VERSION);
    assert_string_equal(whimbrel_status_name(WHIMBREL_OK), "ok");
    assert_string_equal(whimbrel_status_name(WHIMBREL_LOCKED), "locked");
    assert_string_equal(whimbrel_status_name((WhimbrelStatus)4711), "unknown");
    assert_string_equal(whimbrel_migration_state_name(WHIMBREL_LATE), "out-of-order");
    assert_string_equal(whimbrel_migration_state_name((WhimbrelMigrationState)99), "unknown");
    assert_string_equal(whimbrel_database_state_name(WHIMBREL_HAS_PENDING), "pending");
    assert_string_equal(whimbrel_database_state_name((WhimbrelDatabaseState)99), "unknown");
    assert_string_equal(whimbrel_event_kind_name(WHIMBREL_EVENT_RUN_END), "run-end");
    assert_string_equal(whimbrel_event_kind_name((WhimbrelEventKind)99), "unknown");
}

enum { THREADS = 8 };

static void *migrate_in_a_thread(void *argument)
{
    char *url = argument;
    WhimbrelOptions options;
    Whimbrel *whimbrel;
    whimbrel_options_init(&options);
    options.embedded = &shop;
    for (int round = 0; round < 5; round++) {
        WhimbrelError *error = NULL;
        if (whimbrel_open(url, &options, &whimbrel, &error) != WHIMBREL_OK ||
            whimbrel_migrate(whimbrel, NULL, &error) != WHIMBREL_OK ||
            whimbrel_require(whimbrel, &error) != WHIMBREL_OK ||
            whimbrel_goto(whimbrel, "base", NULL, &error) != WHIMBREL_OK) {
            fprintf(stderr, "%s\n", error->message);
            whimbrel_error_free(error);
            whimbrel_close(whimbrel);
            return NULL;
        }
        whimbrel_close(whimbrel);
    }
    return argument;
}

static void handles_in_several_threads_know_nothing_of_each_other(void **state)
{
    (void)state;
    pthread_t threads[THREADS];
    char *urls[THREADS];
    for (int i = 0; i < THREADS; i++) {
        urls[i] = fresh_file();
        assert_int_equal(pthread_create(&threads[i], NULL, migrate_in_a_thread, urls[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        void *returned;
        pthread_join(threads[i], &returned);
        assert_ptr_equal(returned, urls[i]);
        remove_file(urls[i]);
    }
}

static void *migrate_the_same(void *argument)
{
    WhimbrelOptions options;
    Whimbrel *whimbrel = NULL;
    WhimbrelError *error = NULL;
    whimbrel_options_init(&options);
    options.embedded = &shop;
    void *returned = argument;
    if (whimbrel_open(argument, &options, &whimbrel, &error) != WHIMBREL_OK ||
        whimbrel_migrate(whimbrel, NULL, &error) != WHIMBREL_OK ||
        whimbrel_require(whimbrel, &error) != WHIMBREL_OK) {
        fprintf(stderr, "%s\n", error->message);
        whimbrel_error_free(error);
        returned = NULL;
    }
    whimbrel_close(whimbrel);
    return returned;
}

static void several_threads_migrate_one_database_once(void **state)
{
    (void)state;
    pthread_t threads[THREADS];
    char *url = fresh_file();
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, migrate_the_same, url), 0);
    for (int i = 0; i < THREADS; i++) {
        void *returned;
        pthread_join(threads[i], &returned);
        assert_ptr_equal(returned, url);
    }
    sqlite3 *database;
    assert_int_equal(sqlite3_open(url + strlen("sqlite:"), &database), SQLITE_OK);
    assert_int_equal(count_rows(database, "SELECT count(*) FROM orders"), 1);
    sqlite3_close(database);
    remove_file(url);
}

#ifdef WHIMBREL_FAULTS
/* One life of a handle. */
static WhimbrelStatus live(void)
{
    WhimbrelOptions options;
    Whimbrel *whimbrel = NULL;
    WhimbrelOverview *overview = NULL;
    WhimbrelPlan *plan = NULL;
    WhimbrelResult *result = NULL;
    WhimbrelError *error = NULL;
    whimbrel_options_init(&options);
    options.embedded = &shop;
    options.program = "faulty";
    WhimbrelStatus status = whimbrel_open("sqlite::memory:", &options, &whimbrel, &error);
    if (status == WHIMBREL_OK)
        status = whimbrel_plan(whimbrel, WHIMBREL_MIGRATE, NULL, &plan, &error);
    if (status == WHIMBREL_OK)
        status = whimbrel_migrate(whimbrel, &result, &error);
    if (status == WHIMBREL_OK)
        status = whimbrel_status(whimbrel, &overview, &error);
    if (status == WHIMBREL_OK)
        status = whimbrel_require(whimbrel, &error);
    assert_int_equal(status != WHIMBREL_OK, error != NULL);
    if (error)
        assert_int_equal(error->status, status);
    whimbrel_error_free(error);
    whimbrel_plan_free(plan);
    whimbrel_result_free(result);
    whimbrel_overview_free(overview);
    whimbrel_close(whimbrel);
    return status;
}

static void a_life_survives_the_loss_of_any_allocation(void **state)
{
    (void)state;
    for (unsigned nth = 1;; nth++) {
        fault_fail_allocation(nth);
        WhimbrelStatus status = live();
        bool has_fired = fault_fired();
        fault_fail_allocation(0);
        if (!has_fired) {
            assert_int_equal(status, WHIMBREL_OK);
            assert_true(nth > 100);
            return;
        }
        /* The server's refusal of a table that is not there stays one when there is no memory for its text. */
        if (status != WHIMBREL_OK && status != WHIMBREL_NOMEM && status != WHIMBREL_SQL)
            fail_msg("allocation %u: %s", nth, whimbrel_status_name(status));
    }
}
#endif

UNIT_TESTS(api) = {
    cmocka_unit_test(wrong_arguments_are_refused_as_data),
    cmocka_unit_test(options_of_an_older_program_are_understood),
    cmocka_unit_test(a_table_of_bad_paths_is_refused),
    cmocka_unit_test(absent_databases_and_folders_are_errors),
    cmocka_unit_test(a_database_is_brought_up_and_back),
    cmocka_unit_test(a_plan_shows_what_would_be_done),
    cmocka_unit_test(require_tells_what_differs),
    cmocka_unit_test(a_read_only_handle_looks_and_does_not_touch),
    cmocka_unit_test(a_failed_migration_is_told_with_its_place),
    cmocka_unit_test(an_adopted_connection_stays_the_programs),
    cmocka_unit_test(events_tell_what_happens),
    cmocka_unit_test(a_cancelled_call_says_so_and_the_next_one_runs),
    cmocka_unit_test(a_long_statement_is_stopped_from_another_thread),
    cmocka_unit_test(a_baseline_says_what_is_there),
    cmocka_unit_test(placeholders_and_tables_are_the_programs),
    cmocka_unit_test(many_long_migrations_travel_in_several_messages),
    cmocka_unit_test(names_are_those_of_the_command_line),
    cmocka_unit_test(handles_in_several_threads_know_nothing_of_each_other),
    cmocka_unit_test(several_threads_migrate_one_database_once),
#ifdef WHIMBREL_FAULTS
    cmocka_unit_test(a_life_survives_the_loss_of_any_allocation),
#endif
};
UNIT_TESTS_END(api)

/* A project in a temporary folder with a database of its own, for the tests of run/. SPDX-License-Identifier: Apache-2.0 */
#ifndef WHIMBREL_TESTS_RUN_PROJECT_H
#define WHIMBREL_TESTS_RUN_PROJECT_H

#include "run/run.h"

#include "unit.h"

typedef struct Project {
    Arena *arena;
    const char *folder; /* holds migrations/ and, for SQLite, app.db */
    const char *url;
    const char *engine; /* "sqlite", "postgres", "mariadb" */
    const char *server; /* the URL from the environment; NULL for SQLite */
    const char *database;
} Project;

/* A new, empty project. Without a URL in the environment (WHIMBREL_TEST_POSTGRES, WHIMBREL_TEST_MARIADB) there is none. */
void project_init(Project *p, const char *engine);
/* The project that a test's setup has made; without its server the test is skipped. */
Project *project_of(void **state);
void project_done(Project *p);
void project_write(Project *p, const char *name, const char *text);
void project_remove(Project *p, const char *name);
void project_chmod(Project *p, const char *name, unsigned mode);
/* The values of a query, columns separated by '|', rows by '\n'; fails the test when it cannot be run. */
const char *project_query(Project *p, const char *sql);
void project_exec(Project *p, const char *sql);

/* One command: a connection, a scan, a run. */
typedef struct Session {
    Project *project;
    Arena *arena;
    DbUrl url;
    Db *db;
    ConventionContext ctx;
    MigrationSet set;
    Runner runner;
    RunResult result;
    Error err;
    StrBuf log; /* events, a line each */
    DbCancel cancel;
    int cancel_after; /* events of statements until a cancel is asked for; 0: never */
    bool is_cancelled;
    int64_t cancel_at_us; /* by the monotonic clock; 0: never */
    void (*on_event)(struct Session *s, const Event *event);
    void *user;
} Session;

/* false: see err. */
bool session_open(Session *s, Project *p);
void session_close(Session *s);
bool session_run(Session *s, PlanRequest request);
bool session_migrate(Session *s);

/* Opens, runs, closes; asserts that it went well and returns how many were applied or rolled back. */
size_t migrate(Project *p);
size_t rollback(Project *p, unsigned steps);
/* The same, expecting failure: the error's message, hint, place and what holds, as text. */
const char *migrate_fails(Project *p);
const char *explain(Arena *arena, const Session *s);
const char *request_fails(Project *p, PlanRequest request);

/* Runs a query from another process, so long from now. */
void project_query_later(Project *p, const char *sql, unsigned pause_ms);
/* Migrates in a child process in which the nth call of a fault point fails or kills; whether the child stopped by that.
 * Needs a build with faults. chunk_bytes: as in RunSettings. */
bool stopped_at(Project *p, size_t chunk_bytes, const char *point, unsigned nth,
                const char *action);
/* The most memory that the last such process had, where it came to its end. */
long project_peak_kib(Project *p);

#define assert_has(text, part)                                                                     \
    do {                                                                                           \
        if (!strstr((text), (part)))                                                               \
            fail_msg("'%s' is not in:\n%s", (part), (text));                                       \
    } while (0)

/* Every object and row that the tests care about, for comparing two databases. */
const char *project_picture(Project *p);

#endif

/* What the tests against real servers share. SPDX-License-Identifier: Apache-2.0
 *
 * They run against throwaway servers that tests/cli/test_drivers.py starts and names in WHIMBREL_TEST_POSTGRES and
 * WHIMBREL_TEST_MARIADB (..._SOCKET: the same by its socket); each is an empty database. */
#ifndef WHIMBREL_TESTS_DB_SERVER_H
#define WHIMBREL_TESTS_DB_SERVER_H

#include "db/db.h"

#include <pthread.h>
#include <stdatomic.h>

#include "unit.h"

typedef struct Fixture {
    Arena *arena;
    Error err;
    DbUrl url;
    Db *db;
} Fixture;

/* A connection to the server of that variable; the test is skipped where there is none. */
int fixture_open(void **state, const char *variable);
int fixture_close(void **state);

DbUrl fixture_url(Fixture *f, const char *text);
/* With "?name=value" or "&name=value" added to the fixture's URL. */
DbUrl fixture_url_with(Fixture *f, const char *param);
Db *fixture_connect(Fixture *f);
void must(Fixture *f, Db *db, const char *sql);
/* The first column of the first row; "NULL". */
const char *value_of(Fixture *f, Db *db, const char *sql);
/* Fails unless sql fails, with this SQLSTATE or code in f->err. */
void must_fail(Fixture *f, Db *db, const char *sql);
/* From a list that ends with NULL. */
DbStatementVec statements_of(Fixture *f, const char *const *sql);
void run_all(Fixture *f, Db *db, const DbStatementVec *statements);

/* Asks to stop after a time, from another thread. */
typedef struct Stopper {
    atomic_bool is_stopped;
    int after_ms;
    int wake[2];
    pthread_t thread;
    DbCancel cancel;
} Stopper;
void stopper_begin(Stopper *stopper, int after_ms);
void stopper_end(Stopper *stopper);

/* Runs sql on a connection of its own in another thread after a while. */
typedef struct Later {
    Fixture *f;
    DbUrl url;
    const char *sql;
    int after_ms;
    pthread_t thread;
} Later;
void later_begin(Later *later, Fixture *f, const char *sql, int after_ms);
void later_end(Later *later);

#ifdef WHIMBREL_FAULTS
/* Opens, runs, asks and closes again and again, losing one more allocation each time, until all went well. */
void survive_lost_allocations(Fixture *f, const char *table_sql);
#endif

/* A port of this machine that takes connections and never says a word. */
int silent_server(int *ret_fd, unsigned *ret_port);
void silent_server_end(int fd);

#endif

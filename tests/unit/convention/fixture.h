/* A temporary folder, an error that stops the test, and every engine that is at hand. SPDX-License-Identifier: Apache-2.0
 *
 * SQLite always is. PostgreSQL and MariaDB are when WHIMBREL_TEST_POSTGRES and WHIMBREL_TEST_MARIADB hold URLs of databases in which tests
 * may do as they like. */
#ifndef WHIMBREL_TESTS_CONVENTION_FIXTURE_H
#define WHIMBREL_TESTS_CONVENTION_FIXTURE_H

#include "convention/convention.h"

#include "unit.h"

typedef struct Fixture {
    Arena *arena;
    Error err;
    char folder[64];
    ConventionContext ctx; /* of whimbrel's own convention, with the folder "m" in folder */
    Db *db;
    size_t engine;
} Fixture;

int fixture_setup(void **state);
int fixture_teardown(void **state);

/* Makes a file in the fixture's folder, and the folders above it. */
void fixture_file(Fixture *f, const char *path, const char *text);
const char *fixture_path(Fixture *f, const char *path);
void fixture_folders(Fixture *f, const char *first,
                     const char *second); /* what ctx.folders holds; second may be NULL */
void fixture_convention(Fixture *f, const char *name);

/* for (f->engine = 0; fixture_engine(f); f->engine++): opens the next engine that is at hand, without tables. */
bool fixture_engine(Fixture *f);
void fixture_exec(Fixture *f, const char *sql);
const char *fixture_value(Fixture *f, const char *sql); /* "NULL" for NULL, "" for no row */
bool fixture_is(const Fixture *f, const char *engine);  /* "sqlite", "postgres", "mariadb" */

#define OK(f, call)                                                                                \
    do {                                                                                           \
        if (!(call))                                                                               \
            fail_msg("%s: %s (%s)", #call, (f)->err.message, (f)->err.hint ? (f)->err.hint : "");  \
    } while (0)
/* Fails with this code; the message and the hint hold these parts (NULL: not looked at). */
void fixture_refused(Fixture *f, bool ok, const char *code, const char *message_part,
                     const char *hint_part);

#endif

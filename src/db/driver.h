/* What the drivers share and other rooms do not see: waiting, buffered rows, parameters of a URL.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef WHIMBREL_DB_DRIVER_H
#define WHIMBREL_DB_DRIVER_H

#include "db/db.h"

extern const DbDriver db_driver_sqlite;
extern const DbDriver db_driver_postgres;
extern const DbDriver db_driver_mysql;

/* ---- waiting ----------------------------------------------------------------------------- */

typedef enum DbWait {
    DB_WAIT_READY,    /* the descriptor has something to tell */
    DB_WAIT_TICK,     /* nothing yet */
    DB_WAIT_CANCEL,   /* the caller wants to stop */
    DB_WAIT_DEADLINE, /* the time is over */
} DbWait;

bool db_cancel_requested(const DbCancel *cancel);
/* Waits for events (POLLIN, POLLOUT) on fd (-1: none), for at most 100 ms and never beyond the deadline. cancel may be
 * NULL. */
DbWait db_wait(const DbCancel *cancel, int fd, short events, DbDeadline *deadline);
/* That many microseconds from now; DB_NO_DEADLINE: never. */
#define DB_NO_DEADLINE INT64_MAX
DbDeadline db_deadline(int64_t us);
/* Sleeps up to the given time; false when the caller wants to stop. */
bool db_sleep(const DbCancel *cancel, int64_t us);

/* The query has been sent: does what the caller has to do meanwhile. */
void db_do_meanwhile(Db *db);
/* Before a message is sent, and whenever the server has said something: from now on it is silent. */
void db_silence_begin(Db *db);
/* While it is silent: calls the caller's tick when it is time. */
void db_silence_tick(Db *db);

/* ---- rows --------------------------------------------------------------------------------- */

/* All results of one query, read to their end before the caller sees the first row: the connection
 * is free for other statements while rows are looked at, on every engine.
 *
 * Values lie packed one behind the other, since a long history has many rows of many short ones, and one that is as in the row
 * before is only marked as such; each piece of memory is given back once its rows have been looked at. */
typedef struct DbResultRows {
    size_t col_count, row_count;
} DbResultRows;
typedef struct DbPiece DbPiece;
typedef struct DbAbove {  /* the value of the row before */
    const DbPiece *piece; /* NULL: there is none that could be pointed at */
    size_t at, len;
} DbAbove;
typedef struct DbBuffer {
    Arena *arena;
    Vec(DbResultRows) results;
    DbPiece *first, *last; /* what was looked at is gone */
    size_t at_result, at_row;
    DbValue *cols; /* of the row that is looked at */
    DbAbove *above;
    size_t cols_cap;
    size_t at_col; /* of the row that is added to */
    Error error;   /* what came after the last result; its arena is the buffer's */
} DbBuffer;

DbBuffer *db_buffer_new(void); /* NULL when memory is out */
void db_buffer_freep(DbBuffer **buffer);
/* These return false when memory is out. */
bool db_buffer_begin(DbBuffer *buffer, size_t col_count);
/* The next value of the last result, copied. */
bool db_buffer_add(DbBuffer *buffer, Str text, bool is_null);
void db_buffer_row(DbBuffer *buffer); /* all values of a row were added */
/* The buffer becomes the rows' own. When it holds an error and no result before it, the error is
 * handed to err, and false returned. */
bool db_buffer_finish(DbBuffer **buffer, Db *db, DbRows *ret_rows, Error *err);

/* The drivers' rows_next, rows_next_result and rows_done. */
bool db_buffer_next(DbRows *rows);
bool db_buffer_next_result(DbRows *rows);
void db_buffer_done(DbRows *rows);

/* ---- errors ------------------------------------------------------------------------------- */

/* Copies the texts too, for the two may have different arenas. Returns false. */
bool db_error_copy(Error *to, const Error *from);
/* What every driver says when the caller's token asked to stop. Returns false. */
bool db_error_cancelled(Error *err);
/* ... and the server could not be told, so that the connection was given up. Returns false. */
bool db_error_given_up(Error *err);
/* A text from outside, copied to where the error's other texts live; NULL when memory is out. */
const char *db_error_text(Error *err, Str text);

/* ---- statements ---------------------------------------------------------------------------- */

/* Appends one; false when memory is out, also when that is why sql is NULL. The text is borrowed. */
bool db_push_statement(Arena *arena, DbStatementVec *out, const char *sql);

/* ---- URLs --------------------------------------------------------------------------------- */

/* The value of the last parameter of that name, '-' and '_' alike; NULL when there is none. */
const Str *db_url_param(const DbUrl *url, const char *key);
void db_url_remove_param(DbUrl *url, const char *key);
/* ERROR_USAGE "bad-url" for a parameter that is none of the known ones, naming the nearest. */
bool db_url_check_params(const DbUrl *url, const char *engine, const char *const *known,
                         Error *err);

typedef struct DbHost {
    Str host;      /* a name, an address without brackets, or the path of a socket or its folder */
    unsigned port; /* 0: none given */
} DbHost;
typedef Vec(DbHost) DbHostVec;
bool db_url_hosts(Arena *arena, Str hosts, DbHostVec *ret_hosts, Error *err);

/* ---- settling a crash ---------------------------------------------------------------------- */

typedef enum DbThing {
    DB_THING_TABLE, /* a table or whatever stands in its name space: a view, a sequence */
    DB_THING_VIEW,
    DB_THING_MATERIALIZED_VIEW,
    DB_THING_SEQUENCE,
    DB_THING_INDEX,      /* parent: its table, where known */
    DB_THING_COLUMN,     /* parent: its table */
    DB_THING_CONSTRAINT, /* parent: its table; "" for the primary key */
    DB_THING_TYPE,
    DB_THING_ENUM_VALUE, /* parent: its type */
    DB_THING_SCHEMA,
    DB_THING_DATABASE,
    DB_THING_FUNCTION,
    DB_THING_PROCEDURE,
    DB_THING_TRIGGER, /* parent: its table, where known */
    DB_THING_EVENT,
    DB_THING_EXTENSION,
    DB_THING_ROLE,
    DB_THING_RULE,
    DB_THING_POLICY,
    DB_THING_PUBLICATION,
    DB_THING_SUBSCRIPTION,
    DB_THING_TABLESPACE,
    DB_THING_PARTITION, /* parent: the table that it is attached to */
} DbThing;

/* Looks one thing up in the catalog; all names are unquoted values, schema may be empty. */
typedef bool DbProbe(Db *db, DbThing thing, Str schema, Str parent, Str name,
                     DbObjectState *ret_state, Error *err);

/* DbDriver.has_effect, in terms of the driver's probe. */
bool db_effect(Db *db, Str statement, const SqlInfo *info, DbProbe *probe, bool *ret_is_known,
               bool *ret_has_run, Error *err);

#endif

/* The migration lock where a session cannot hold one: a row in a table, ours until a time that the server's clock says.
 * SPDX-License-Identifier: Apache-2.0
 *
 * Invariants, which docs/locks.md argues for:
 *  - Only the server's clock decides whether a lease has run out. Ours (CLOCK_BOOTTIME, which goes on while the machine
 *    sleeps) only makes us stop earlier: it counts from before the renewal was sent.
 *  - Each taking raises the row's token. A token is never given twice, even if the row is deleted: it is at least the
 *    server's time in microseconds.
 *  - A lease that has run out is never renewed, also when nobody else has taken it. Who was away that long plans anew.
 *  - What is committed while the lease is held carries a fence in its own transaction: a statement that fails when the
 *    token is not ours or the time is over, and that holds the row from then on, so that nobody takes the lease between
 *    the fence and the commit.
 *  - Taking never waits in the server: a session that waits there holds a snapshot, and a concurrent index build of the
 *    lease's holder would wait for that snapshot. */
#ifndef WHIMBREL_RUN_LEASE_H
#define WHIMBREL_RUN_LEASE_H

#include "run/run.h"

typedef struct Heartbeat Heartbeat;

typedef struct Lease {
    Arena *arena;
    Str table;  /* schema and name, quoted */
    Str name;   /* of the row: the history table's */
    Str holder; /* of this taking, random */
    int64_t token;
    int64_t length_us;
    bool has_ordered_ddl; /* Galera: DDL keeps every commit waiting, on all nodes, renewals too */
    Heartbeat *heartbeat; /* NULL: not held */
} Lease;

/* What keeps a lease alive; see heartbeat.c. */
typedef struct HeartbeatOptions {
    const DbUrl *url;
    DbOptions db;
    Str renewal; /* one statement that changes one row, or none when the lease is lost */
    int64_t length_us;
    int64_t good_until_us; /* of clock_boottime_us() */
    /* what the run does holds renewals up: it is the run that asks whether it is lost */
    bool may_be_held_up;
} HeartbeatOptions;
/* All is copied. */
Heartbeat *heartbeat_start(const HeartbeatOptions *options, Error *err);
/* Waits for the thread, but not for ever: one that hangs in the network is left behind, and cleans up when it can. */
void heartbeat_stop(Heartbeat *heartbeat);
/* Another renewal than the thread's own has succeeded. */
void heartbeat_extend(Heartbeat *heartbeat, int64_t good_until_us);
/* Until when the lease is ours for certain, by clock_boottime_us(); 0: it is lost. */
int64_t heartbeat_good_until(Heartbeat *heartbeat);

#endif

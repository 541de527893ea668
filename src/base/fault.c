/* Faults on demand, in test builds only. SPDX-License-Identifier: Apache-2.0
 *
 * The one place below cli/ that reads the environment and may end the process: it stands in for a full disk or a
 * killed machine. */
#include "base/base.h"

#ifdef WHIMBREL_FAULTS

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

typedef enum FaultAction {
    FAULT_FAIL,
    FAULT_DROP,
    FAULT_KILL,
    FAULT_STOP,
    FAULT_ERRNO
} FaultAction;

typedef struct FaultPoint {
    char name[64];
    uint64_t nth; /* 0: every time */
    FaultAction action;
    int errnum;
    atomic_uint_fast64_t calls;
} FaultPoint;

enum { MOST_POINTS = 16 };

static FaultPoint points[MOST_POINTS];
static size_t point_count;
static pthread_once_t points_read = PTHREAD_ONCE_INIT;

static _Thread_local unsigned allocations_left; /* 0: off */
static _Thread_local bool has_allocation_failed;

/* A fault that is misspelt would make a test pass for nothing. */
static _Noreturn void refuse(const char *text)
{
    fprintf(stderr, "WHIMBREL_FAULT: cannot read '%s'; expected point:nth:action\n", text);
    abort();
}

static bool read_point(Str text, FaultPoint *point)
{
    Str name, nth;
    Str action = str_cut(str_cut(text, ':', &name), ':', &nth);
    if (name.len == 0 || name.len >= sizeof point->name || !str_to_u64(nth, &point->nth))
        return false;
    memcpy(point->name, name.ptr, name.len);
    if (str_eq(action, STR("fail")))
        point->action = FAULT_FAIL;
    else if (str_eq(action, STR("drop")))
        point->action = FAULT_DROP;
    else if (str_eq(action, STR("kill")))
        point->action = FAULT_KILL;
    else if (str_eq(action, STR("stop")))
        point->action = FAULT_STOP;
    else if (str_eq(action, STR("ENOSPC")))
        point->errnum = ENOSPC;
    else if (str_eq(action, STR("EIO")))
        point->errnum = EIO;
    else
        return false;
    if (point->errnum != 0)
        point->action = FAULT_ERRNO;
    return true;
}

static void read_points(void)
{
    const char *text = getenv("WHIMBREL_FAULT");
    Str rest = str_from(text);
    while (rest.len > 0) {
        Str one;
        rest = str_cut(rest, ',', &one);
        if (point_count == MOST_POINTS || !read_point(one, &points[point_count]))
            refuse(text);
        point_count++;
    }
}

static bool act(const FaultPoint *point, Error *err)
{
    switch (point->action) {
    case FAULT_FAIL:
        error_set(err, ERROR_IO, "fault at %s", point->name);
        return true;
    case FAULT_DROP:
        error_set(err, ERROR_CONNECT, "fault at %s: the connection is gone", point->name);
        return true;
    case FAULT_ERRNO:
        error_errno(err, point->errnum, "fault at %s", point->name);
        return true;
    case FAULT_KILL:
        kill(getpid(), SIGKILL);
        return true;
    case FAULT_STOP:
        kill(getpid(), SIGSTOP);
        return false; /* went on after SIGCONT */
    }
    return false;
}

bool fault_hit(const char *point, Error *err)
{
    pthread_once(&points_read, read_points);
    Str name = str_from(point);
    bool is_hit = false;
    for (size_t i = 0; i < point_count; i++) {
        if (!str_eq(name, str_from(points[i].name)))
            continue;
        uint64_t call = atomic_fetch_add(&points[i].calls, 1) + 1;
        /* All are counted, also behind one that hits. */
        if (!is_hit && (points[i].nth == 0 || points[i].nth == call))
            is_hit = act(&points[i], err);
    }
    return is_hit;
}

void fault_fail_allocation(unsigned nth)
{
    allocations_left = nth;
    has_allocation_failed = false;
}

bool fault_fired(void)
{
    return has_allocation_failed;
}

bool fault_allocation(void)
{
    if (allocations_left == 0 || --allocations_left > 0)
        return false;
    has_allocation_failed = true;
    return true;
}

#else

/* ISO C wants a declaration in every file. */
typedef int NoFaults;

#endif

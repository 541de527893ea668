/* SIGINT, SIGTERM and SIGHUP: the first asks for an orderly end, a later one ends at once. SPDX-License-Identifier: Apache-2.0
 *
 * The handler only sets a flag and writes a byte to a pipe, which wakes whatever waits in poll(). The byte is never read,
 * so that every later wait sees it too. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include "cli/cli.h"

/* The last comes when the terminal is closed, or the connection to it lost. */
static const int asking[] = {SIGINT, SIGTERM, SIGHUP};
enum { ASKING = sizeof asking / sizeof *asking };

/* A signal handler has no other way to hand anything on. */
static volatile sig_atomic_t received, echoes;
/* Written before `received` is set, and by nobody afterwards. */
static int64_t received_us;
static bool is_taken[ASKING];
static int wake_pipe[2] = {-1, -1};

/* A terminal gives its Ctrl-C to every process in front of it, and what started us may hand on its own a moment later: that is the
 * same one again. Not more often than that, should the clock stand still. */
static bool is_echo(void)
{
    enum { ECHO_US = 200000, MOST_ECHOES = 3 };
    return echoes++ < MOST_ECHOES && clock_monotonic_us() - received_us < ECHO_US;
}

static void on_signal(int number)
{
    if (received) {
        if (!is_echo())
            _exit(128 + number);
        return;
    }
    received_us = clock_monotonic_us();
    received = number;
    int saved = errno;
    if (write(wake_pipe[1], "", 1) < 0) {
        /* the pipe is full: it is readable, and that is all that is wanted */
    }
    errno = saved;
}

bool signals_begin(Error *err)
{
    if (pipe2(wake_pipe, O_CLOEXEC | O_NONBLOCK) != 0)
        return error_errno(err, errno, "cannot make a pipe");
    struct sigaction action = {.sa_handler = on_signal};
    /* One at a time. */
    sigemptyset(&action.sa_mask);
    for (size_t i = 0; i < ASKING; i++)
        sigaddset(&action.sa_mask, asking[i]);
    /* No SA_RESTART: a blocked read is to notice. */
    for (size_t i = 0; i < ASKING; i++) {
        struct sigaction before;
        /* Ignored before us (nohup, a background job of sh): leave it so. */
        if (asking[i] != SIGTERM && sigaction(asking[i], NULL, &before) == 0 &&
            before.sa_handler == SIG_IGN)
            continue;
        if (sigaction(asking[i], &action, NULL) != 0)
            return error_errno(err, errno, "cannot watch for signals");
        is_taken[i] = true;
    }
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    sigemptyset(&ignore.sa_mask);
    /* A limit of file sizes is a full disk like others: the write that meets it fails, and is told. */
    if (sigaction(SIGPIPE, &ignore, NULL) != 0 || sigaction(SIGXFSZ, &ignore, NULL) != 0)
        return error_errno(err, errno, "cannot watch for signals");
    return true;
}

int signals_received(void)
{
    return (int)received;
}

int signals_wake_fd(void)
{
    return wake_pipe[0];
}

bool signals_sleep_ms(int64_t ms)
{
    int64_t until = clock_monotonic_us() + ms * 1000;
    int64_t slept_ms = 0; /* counts, too: a clock that stands still ends no sleep */
    while (!received) {
        int64_t left_ms = (until - clock_monotonic_us() + 999) / 1000;
        if (left_ms <= 0 || slept_ms >= ms)
            return true;
        struct pollfd wait = {.fd = wake_pipe[0], .events = POLLIN};
        int slice_ms = left_ms > 60000 ? 60000 : (int)left_ms;
        slept_ms += poll(&wait, 1, slice_ms) == 0 ? slice_ms : 0;
    }
    return false;
}

bool signals_wait(int fd)
{
    struct pollfd wait[2] = {{.fd = fd, .events = POLLIN}, {.fd = wake_pipe[0], .events = POLLIN}};
    while (!received) {
        if (poll(wait, 2, -1) > 0 && wait[0].revents)
            return true;
    }
    return false;
}

void signals_restore(void)
{
    struct sigaction standard = {.sa_handler = SIG_DFL};
    sigemptyset(&standard.sa_mask);
    for (size_t i = 0; i < ASKING; i++)
        if (is_taken[i])
            (void)sigaction(asking[i], &standard, NULL);
    (void)sigaction(SIGPIPE, &standard, NULL);
    (void)sigaction(SIGXFSZ, &standard, NULL);
}

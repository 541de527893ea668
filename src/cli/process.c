/* Other programs: run without a shell, so that nothing in their arguments is taken for syntax.
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/cli.h"

/* The child says through a pipe that closes on exec why it could not start. */
static _Noreturn void become(const char *const *argv, char **environment, int report_fd)
{
    signals_restore();
    if (environment)
        environ = environment;
    /* execvp() promises not to change them; its type is older than const. */
    execvp(argv[0], (char *const *)(uintptr_t)argv);
    int failed = errno;
    if (write(report_fd, &failed, sizeof failed) < 0)
        _exit(126);
    _exit(127);
}

static bool read_start(int fd, const char *name, Error *err)
{
    int failed = 0;
    ssize_t len;
    do {
        len = read(fd, &failed, sizeof failed);
    } while (len < 0 && errno == EINTR);
    close(fd);
    if (len == (ssize_t)sizeof failed)
        return error_errno(err, failed, "cannot run %s", name);
    return true;
}

static int wait_for(pid_t pid)
{
    int status = 0;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

/* What is not wanted any more is asked to end, and made to if it does not within a moment. */
static void stop(pid_t pid)
{
    enum { GRACE_MS = 1000, SLICE_MS = 10 };
    kill(pid, SIGTERM);
    for (int waited_ms = 0; waited_ms < GRACE_MS; waited_ms += SLICE_MS) {
        if (waitpid(pid, NULL, WNOHANG) != 0)
            return;
        (void)poll(NULL, 0, SLICE_MS);
    }
    kill(pid, SIGKILL);
    (void)wait_for(pid);
}

static bool gather_into(int fd, char *buf, size_t cap, size_t limit, StrBuf *out, Error *err)
{
    for (;;) {
        if (!signals_wait(fd))
            return error_set(err, ERROR_CANCELLED, "interrupted");
        ssize_t len = read(fd, buf, cap);
        if (len < 0 && errno == EINTR)
            continue;
        if (len < 0)
            return error_errno(err, errno, "cannot read its output");
        if (len == 0)
            return true;
        if (out->len + (size_t)len > limit)
            return error_set(err, ERROR_IO, "its output is longer than %zu bytes", limit);
        strbuf_add(out, (Str){buf, (size_t)len});
    }
}

/* What it says may be a password. */
static bool gather(int fd, size_t limit, StrBuf *out, Error *err)
{
    char buf[4096];
    bool is_ok = gather_into(fd, buf, sizeof buf, limit, out, err);
    explicit_bzero(buf, sizeof buf);
    return is_ok;
}

bool process_read(Arena *arena, const char *const *argv, bool is_quiet, size_t limit, Str *ret_text,
                  Error *err)
{
    int report[2], output[2];
    if (pipe2(report, O_CLOEXEC) != 0)
        return error_errno(err, errno, "cannot make a pipe");
    if (pipe2(output, O_CLOEXEC) != 0) {
        close(report[0]);
        close(report[1]);
        return error_errno(err, errno, "cannot make a pipe");
    }
    pid_t pid = fork();
    if (pid == 0) {
        int nothing = open("/dev/null", O_RDWR | O_CLOEXEC);
        if (nothing >= 0)
            dup2(nothing, STDIN_FILENO);
        if (is_quiet && nothing >= 0)
            dup2(nothing, STDERR_FILENO);
        dup2(output[1], STDOUT_FILENO);
        become(argv, NULL, report[1]);
    }
    int fork_errno = errno;
    close(report[1]);
    close(output[1]);
    if (pid < 0) {
        close(report[0]);
        close(output[0]);
        return error_errno(err, fork_errno, "cannot run %s", argv[0]);
    }
    bool is_ok = read_start(report[0], argv[0], err);
    StrBuf out = strbuf(arena);
    if (is_ok) {
        is_ok = gather(output[0], limit, &out, err);
        if (!is_ok)
            error_wrap(err, "%s", argv[0]);
    }
    close(output[0]);
    if (!is_ok) {
        stop(pid);
        return false;
    }
    int code = wait_for(pid);
    if (code != 0)
        return error_set(err, ERROR_IO, "%s ended with exit code %d", argv[0], code);
    return strbuf_finish(&out, ret_text) || error_nomem(err);
}

/* Our environment with some variables set anew. */
static char **make_environment(Arena *arena, const char *const *extra)
{
    size_t count = 0, added = 0, at = 0;
    while (environ[count])
        count++;
    while (extra[added])
        added++;
    char **made = arena_alloc(arena, (count + added + 1) * sizeof *made);
    if (!made)
        return NULL;
    for (size_t i = 0; i < count; i++) {
        bool is_replaced = false;
        for (size_t e = 0; e < added; e++) {
            size_t name_len = strcspn(extra[e], "=") + 1;
            is_replaced = is_replaced || strncmp(environ[i], extra[e], name_len) == 0;
        }
        if (!is_replaced)
            made[at++] = environ[i];
    }
    for (size_t e = 0; e < added; e++)
        made[at++] = (char *)(uintptr_t)extra[e];
    return made;
}

bool process_run(Arena *arena, const char *const *argv, const char *const *extra, int *ret_code,
                 Error *err)
{
    char **environment = make_environment(arena, extra);
    int report[2];
    if (!environment)
        return error_nomem(err);
    if (pipe2(report, O_CLOEXEC) != 0)
        return error_errno(err, errno, "cannot make a pipe");
    pid_t pid = fork();
    if (pid == 0)
        become(argv, environment, report[1]);
    int fork_errno = errno;
    close(report[1]);
    if (pid < 0) {
        close(report[0]);
        return error_errno(err, fork_errno, "cannot run %s", argv[0]);
    }
    bool is_ok = read_start(report[0], argv[0], err);
    /* Ctrl-C reaches the child by itself; SIGTERM reaches only us, and is handed on. */
    int status = 0;
    bool is_told = false;
    for (;;) {
        pid_t ended = waitpid(pid, &status, 0);
        if (ended == pid || (ended < 0 && errno != EINTR))
            break;
        if (!is_told && signals_received() == SIGTERM) {
            kill(pid, SIGTERM);
            is_told = true;
        }
    }
    if (!is_ok)
        return false;
    *ret_code = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
    return true;
}

Str os_user(Arena *arena)
{
    static const char *const names[] = {"USER", "LOGNAME"};
    for (size_t i = 0; i < 2; i++) {
        const char *name = getenv(names[i]);
        if (name && name[0])
            return str_from(name);
    }
    struct passwd entry, *found = NULL;
    char *buf = arena_alloc(arena, 4096);
    if (buf && getpwuid_r(geteuid(), &entry, buf, 4096, &found) == 0 && found && found->pw_name[0])
        return str_from(found->pw_name);
    const char *number = str_format(arena, "uid%u", (unsigned)geteuid());
    return number ? str_from(number) : STR("unknown");
}

Str os_host(Arena *arena)
{
    char *buf = arena_alloc(arena, 256);
    if (!buf || gethostname(buf, 255) != 0 || !buf[0])
        return STR("localhost");
    return str_from(buf);
}

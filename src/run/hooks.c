/* A hook's executable: started without a shell, with an environment made for it, heard line by line.
 * SPDX-License-Identifier: Apache-2.0
 *
 * It gets PATH, HOME, LANG, what the caller lets through, the database's URL, and WHIMBREL_* that says what is going on; nothing
 * else. The URL is put there only while it runs, since it may hold a password. It runs in a process group of its own: when the run is cancelled, it and all that
 * it has started are ended. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "run/work.h"

enum { LINE_BYTES = 4096, SLICE_MS = 100, GRACE_MS = 5000, MS = 1000 };

typedef struct Program {
    const Runner *runner;
    const char *path;
    pid_t pid;
    int fd; /* what it says; -1: closed */
    bool is_over;
    int status;
    char line[LINE_BYTES];
    size_t len;
} Program;

static void say_line(Program *program)
{
    if (program->len == 0)
        return;
    Event event = {.kind = EVENT_NOTE,
                   .text = str_from(program->path),
                   .message = {program->line, program->len}};
    event_emit(program->runner, &event);
    program->len = 0;
}

static void hear(Program *program, const char *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (bytes[i] == '\n') {
            say_line(program);
            continue;
        }
        if (program->len == sizeof program->line)
            say_line(program);
        program->line[program->len++] = bytes[i];
    }
}

/* ---- environment ------------------------------------------------------------------------------------- */

typedef Vec(char *) Environment;

static bool add_variable(Arena *arena, Environment *environment, const char *name, Str value)
{
    char *text = str_format(arena, "%s=%.*s", name, STR_ARG(value));
    return text && vec_push(arena, environment, text);
}

static bool fill_environment(const Run *run, const Unit *unit, const Error *failure, Arena *arena,
                             Environment *ret_environment)
{
    Environment environment = {0};
    const char *const *given = run->runner->settings.hook_environment;
    const PlanStep *step = unit->step == NO_STEP ? NULL : &run->plan.steps.items[unit->step];
    for (size_t i = 0; given && given[i]; i++)
        if (!vec_push(arena, &environment, str_z(arena, str_from(given[i]))) ||
            !environment.items[i])
            return false;
    const DbUrl *url = run->runner->url;
    if (url && !add_variable(arena, &environment, "WHIMBREL_DATABASE_URL", url->text))
        return false;
    return add_variable(arena, &environment, "WHIMBREL_HOOK",
                        str_from(hook_point_name(unit->hook->point))) &&
           add_variable(arena, &environment, "WHIMBREL_ENV", run->runner->settings.environment) &&
           add_variable(arena, &environment, "WHIMBREL_VERSION",
                        step ? step_version(step) : (Str){0}) &&
           add_variable(arena, &environment, "WHIMBREL_NAME", step ? step_name(step) : (Str){0}) &&
           add_variable(arena, &environment, "WHIMBREL_DIRECTION",
                        !step                ? (Str){0}
                        : step_is_down(step) ? STR("down")
                                             : STR("up")) &&
           add_variable(arena, &environment, "WHIMBREL_ERROR",
                        str_from(failure ? failure->message : NULL)) &&
           vec_push(arena, &environment, NULL) && (*ret_environment = environment, true);
}

/* ---- starting ------------------------------------------------------------------------------------------ */

static int prepare_spawn(posix_spawn_file_actions_t *actions, posix_spawnattr_t *attributes,
                         int out_fd)
{
    sigset_t none, usual;
    sigemptyset(&none);
    sigemptyset(&usual);
    sigaddset(&usual, SIGINT);
    sigaddset(&usual, SIGTERM);
    sigaddset(&usual, SIGHUP);
    sigaddset(&usual, SIGPIPE);
    sigaddset(&usual, SIGCHLD);
    sigaddset(&usual, SIGXFSZ);
    int code = posix_spawn_file_actions_addopen(actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    if (code == 0)
        code = posix_spawn_file_actions_adddup2(actions, out_fd, STDOUT_FILENO);
    if (code == 0)
        code = posix_spawn_file_actions_adddup2(actions, out_fd, STDERR_FILENO);
#if defined(__GLIBC__) && __GLIBC_PREREQ(2, 34)
    /* Not every client library marks its socket as one that is not passed on. */
    if (code == 0)
        code = posix_spawn_file_actions_addclosefrom_np(actions, STDERR_FILENO + 1);
#endif
    if (code == 0)
        code = posix_spawnattr_setpgroup(attributes, 0);
    if (code == 0)
        code = posix_spawnattr_setsigmask(attributes, &none);
    if (code == 0)
        code = posix_spawnattr_setsigdefault(attributes, &usual);
    if (code == 0)
        code = posix_spawnattr_setflags(attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK |
                                                        POSIX_SPAWN_SETSIGDEF);
    return code;
}

static bool start(Program *program, char *const *environment, Error *err)
{
    int ends[2];
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    if (pipe2(ends, O_CLOEXEC) != 0)
        return error_errno(err, errno, "starting %s", program->path);
    (void)fcntl(ends[0], F_SETFL, O_NONBLOCK);
    int code = posix_spawn_file_actions_init(&actions);
    if (code == 0 && (code = posix_spawnattr_init(&attributes)) != 0)
        posix_spawn_file_actions_destroy(&actions);
    if (code == 0) {
        code = prepare_spawn(&actions, &attributes, ends[1]);
        union {
            const char *text;
            char *argument;
        } path = {.text = program->path}; /* execve() does not write into it */
        char *arguments[] = {path.argument, NULL};
        if (code == 0)
            code = posix_spawn(&program->pid, program->path, &actions, &attributes, arguments,
                               environment);
        posix_spawn_file_actions_destroy(&actions);
        posix_spawnattr_destroy(&attributes);
    }
    close(ends[1]);
    if (code == 0) {
        program->fd = ends[0];
        return true;
    }
    close(ends[0]);
    error_errno(err, code, "cannot start %s", program->path);
    if (code == ENOEXEC)
        error_hint(err, "A script begins with a line such as #!/bin/sh.");
    if (code == EACCES)
        error_hint(err, "Make it executable: chmod +x %s", program->path);
    return error_code(err, "hook-failed");
}

/* ---- waiting --------------------------------------------------------------------------------------------- */

static void drain(Program *program)
{
    char bytes[LINE_BYTES];
    while (program->fd >= 0) {
        ssize_t len = read(program->fd, bytes, sizeof bytes);
        if (len > 0) {
            hear(program, bytes, (size_t)len);
        } else if (len < 0 && errno == EINTR) {
            continue;
        } else {
            if (len == 0) {
                close(program->fd);
                program->fd = -1;
            }
            return;
        }
    }
}

static void reap(Program *program, int flags)
{
    int status = 0;
    pid_t pid;
    while ((pid = waitpid(program->pid, &status, flags)) < 0 && errno == EINTR)
        continue;
    if (pid == program->pid || (pid < 0 && errno == ECHILD)) {
        program->is_over = true;
        program->status = pid < 0 ? 0 : status; /* the host program has taken the status itself */
    }
}

static void stop(Program *program)
{
    kill(-program->pid, SIGTERM);
    int64_t until_us = clock_monotonic_us() + (int64_t)GRACE_MS * MS;
    while (!program->is_over && clock_monotonic_us() < until_us) {
        (void)poll(NULL, 0, SLICE_MS / 4);
        drain(program);
        reap(program, WNOHANG);
    }
    kill(-program->pid, SIGKILL);
    if (!program->is_over)
        reap(program, 0);
}

/* Until the program has ended; what it has started and left behind may hold its output open for longer. */
static bool wait_for(Program *program, bool may_cancel, Error *err)
{
    while (!program->is_over) {
        const DbCancel *cancel = program->runner->settings.cancel;
        struct pollfd fds[2] = {
            {.fd = program->fd, .events = POLLIN},
            {.fd = may_cancel && cancel ? cancel->wake_fd : -1, .events = POLLIN}};
        int ready = poll(fds, 2, program->fd >= 0 ? SLICE_MS : SLICE_MS / 10);
        if (may_cancel && cancel_requested(program->runner)) {
            stop(program);
            return error_set(err, ERROR_CANCELLED, "interrupted while %s was running",
                             program->path);
        }
        if (ready > 0 && !(fds[0].revents & (POLLIN | POLLHUP)))
            (void)poll(NULL, 0,
                       SLICE_MS / 10); /* a wake_fd that stays readable must not make this spin */
        drain(program);
        reap(program, WNOHANG);
    }
    drain(program);
    return true;
}

bool hook_run_program(Run *run, const Unit *unit, const Error *failure, Error *err)
{
    scoped(Arena *, arena_freep) scratch = arena_new_secret();
    Program *program = scratch ? arena_alloc(scratch, sizeof *program) : NULL;
    Environment environment = {0};
    if (!program || !fill_environment(run, unit, failure, scratch, &environment))
        return error_nomem(err);
    program->runner = run->runner;
    program->fd = -1;
    /* Without a folder in its name it would be looked for nowhere. */
    program->path = strchr(unit->hook->program, '/')
                        ? unit->hook->program
                        : str_format(scratch, "./%s", unit->hook->program);
    if (!program->path)
        return error_nomem(err);
    if (!start(program, environment.items, err))
        return false;
    bool is_ok = wait_for(program, !failure, err);
    say_line(program);
    if (program->fd >= 0)
        close(program->fd);
    if (!is_ok)
        return false;
    if (WIFEXITED(program->status) && WEXITSTATUS(program->status) == 0)
        return true;
    if (WIFSIGNALED(program->status))
        error_set(err, ERROR_CHECK, "%s was ended by signal %d", unit->hook->program,
                  WTERMSIG(program->status));
    else
        error_set(err, ERROR_CHECK, "%s exited with status %d", unit->hook->program,
                  WEXITSTATUS(program->status));
    error_code(err, "hook-failed");
    error_at(err, str_from(unit->hook->program), 0, 0);
    return error_hint(err, "What it said stands above; when it exits with 0, run this again.");
}

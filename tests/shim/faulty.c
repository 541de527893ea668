/* A system that fails: preloaded into the program under test, it makes chosen calls of the C library fail, come short or
 * be interrupted, and clocks jump. For tests only. SPDX-License-Identifier: Apache-2.0
 *
 * FAULTY=call:which:what. call: open read write pread pwrite sync close rename mkdir stat readdir poll connect socket
 * send recv fork spawn pipe waitpid thread unlink truncate lock random malloc, or clock. which: N, the Nth; N+, that and
 * all behind it; %N, every Nth; 0, none, which only counts. what: the name of an errno; short, for one byte instead of
 * many; kill, for an end of the program right before the call; for the clock the seconds by which it jumps, or stall. The call
 * "change" stands for all of them that leave something in the file system. FAULTY_COUNT=FILE gets the number of calls, and after it,
 * with FAULTY_STACKS=1, a line for each that is alike for calls from the same place. */
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <pthread.h>
#include <pwd.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define SHOWN __attribute__((visibility("default")))

static char chosen[32];
static unsigned long nth, every;
static bool goes_on, is_short, is_stalled, is_killed;
static int failure;
static long jump_s;
static atomic_ulong calls;
static char count_path[512];
static pid_t self;

/* Who called: innermost callers, far enough out to tell apart what the same helper is called for. */
enum { STACK_DEPTH = 10, MOST_STACKS = 1 << 20 };
static bool has_stacks;
static unsigned stacks[MOST_STACKS];
static __thread bool is_looking __attribute__((tls_model("initial-exec")));
static __thread bool is_naming __attribute__((tls_model("initial-exec")));

static const struct {
    const char *name;
    int number;
} failures[] = {
    {"EIO", EIO},       {"ENOSPC", ENOSPC},         {"EMFILE", EMFILE},
    {"EINTR", EINTR},   {"EACCES", EACCES},         {"EAGAIN", EAGAIN},
    {"ENOMEM", ENOMEM}, {"ECONNRESET", ECONNRESET}, {"EPIPE", EPIPE},
};

static void refuse(const char *text)
{
    fprintf(stderr, "FAULTY: cannot read '%s'\n", text);
    _exit(98);
}

__attribute__((constructor)) static void begin(void)
{
    const char *text = getenv("FAULTY"), *path = getenv("FAULTY_COUNT");
    char which[32], what[32];
    unsetenv("LD_PRELOAD"); /* the programs that it starts are not under test */
    if (!text)
        return;
    if (sscanf(text, "%31[^:]:%31[^:]:%31s", chosen, which, what) != 3)
        refuse(text);
    char *end;
    nth = strtoul(which[0] == '%' ? which + 1 : which, &end, 10);
    if (which[0] == '%') {
        every = nth;
        nth = 0;
    }
    goes_on = *end == '+';
    is_short = strcmp(what, "short") == 0;
    is_stalled = strcmp(what, "stall") == 0;
    is_killed = strcmp(what, "kill") == 0;
    for (size_t i = 0; i < sizeof failures / sizeof *failures; i++)
        if (strcmp(what, failures[i].name) == 0)
            failure = failures[i].number;
    jump_s = strcmp(chosen, "clock") == 0 ? strtol(what, NULL, 10) : 0;
    if (!failure && !is_short && !is_stalled && !is_killed && strcmp(chosen, "clock") != 0)
        refuse(text);
    self = getpid();
    has_stacks = getenv("FAULTY_STACKS") != NULL;
    if (has_stacks) { /* the first call loads a library */
        void *frame[1];
        backtrace(frame, 1);
    }
    if (path && strlen(path) < sizeof count_path)
        memcpy(count_path, path, strlen(path) + 1);
    atomic_store(&calls, 0);
}

__attribute__((destructor)) static void end(void)
{
    if (!count_path[0] || getpid() != self)
        return;
    char text[32];
    unsigned long total = atomic_load(&calls);
    int len = snprintf(text, sizeof text, "%lu\n", total);
    long fd = syscall(SYS_openat, AT_FDCWD, count_path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (fd < 0)
        return;
    (void)syscall(SYS_write, fd, text, (size_t)len);
    for (unsigned long i = 0; has_stacks && i < total && i < MOST_STACKS; i++) {
        len = snprintf(text, sizeof text, "%x\n", stacks[i]);
        (void)syscall(SYS_write, fd, text, (size_t)len);
    }
}

/* Addresses differ from one run to the next; what is compared comes of one run. */
static void note_stack(unsigned long n)
{
    void *frames[STACK_DEPTH];
    if (n > MOST_STACKS || is_looking)
        return;
    is_looking = true;
    int count = backtrace(frames, STACK_DEPTH);
    is_looking = false;
    unsigned sign = 2166136261u;
    for (int i = 0; i < count; i++)
        for (size_t byte = 0; byte < sizeof frames[i]; byte++)
            sign = (sign ^ ((size_t)frames[i] >> 8 * byte & 0xff)) * 16777619u;
    stacks[n - 1] = sign;
}

static bool is_change(const char *call)
{
    static const char *const changes[] = {"write", "pwrite",   "sync",  "rename",
                                          "mkdir", "truncate", "unlink"};
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++)
        if (strcmp(call, changes[i]) == 0)
            return true;
    return false;
}

/* Whether this call is one that fails. */
static bool is_hit(const char *call)
{
    bool is_any = strcmp(chosen, "change") == 0;
    if (is_any ? !is_change(call) : chosen[0] != call[0] || strcmp(chosen, call) != 0)
        return false;
    if (is_naming && strcmp(call, "malloc") == 0)
        return false;
    unsigned long n = atomic_fetch_add(&calls, 1) + 1;
    if (has_stacks)
        note_stack(n);
    bool is_it = every > 0 ? n % every == 0 : nth > 0 && (goes_on ? n >= nth : n == nth);
    if (is_it && is_killed)
        (void)syscall(SYS_kill, getpid(), SIGKILL);
    return is_it;
}

static bool fails(const char *call)
{
    if (!is_hit(call) || is_short)
        return false;
    errno = failure;
    return true;
}

/* Who is told of a reset has no connection from then on. */
static void reset(int fd)
{
    if (failure == ECONNRESET)
        (void)syscall(SYS_shutdown, fd, SHUT_RDWR);
    errno = failure;
}

#define REAL(name)                                                                                 \
    static typeof(name) *real;                                                                     \
    if (!real)                                                                                     \
    real = (typeof(name) *)dlsym(RTLD_NEXT, #name)

/* ---- files ------------------------------------------------------------------------------------ */

#define OPEN(name)                                                                                 \
    SHOWN int name(const char *path, int flags, ...)                                               \
    {                                                                                              \
        REAL(name);                                                                                \
        va_list args;                                                                              \
        va_start(args, flags);                                                                     \
        mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(args, mode_t) : 0;                    \
        va_end(args);                                                                              \
        return fails("open") ? -1 : real(path, flags, mode);                                       \
    }
OPEN(open)
OPEN(open64)

/* The descriptor is gone even when closing it fails. */
SHOWN int close(int fd)
{
    REAL(close);
    int code = real(fd);
    return fails("close") ? -1 : code;
}

/* One that is given count bytes, of which some may go. */
#define PIECE(name, call, type, ...)                                                               \
    {                                                                                              \
        REAL(name);                                                                                \
        if (is_hit(call)) {                                                                        \
            if (is_short && count > 1)                                                             \
                count = 1;                                                                         \
            else if (!is_short) {                                                                  \
                reset(fd);                                                                         \
                return -1;                                                                         \
            }                                                                                      \
        }                                                                                          \
        return real(__VA_ARGS__);                                                                  \
    }
/* clang-format off */
SHOWN ssize_t read(int fd, void *buf, size_t count)
PIECE(read, "read", ssize_t, fd, buf, count)
SHOWN ssize_t write(int fd, const void *buf, size_t count)
PIECE(write, "write", ssize_t, fd, buf, count)
SHOWN ssize_t pread(int fd, void *buf, size_t count, off_t at)
PIECE(pread, "pread", ssize_t, fd, buf, count, at)
SHOWN ssize_t pread64(int fd, void *buf, size_t count, off64_t at)
PIECE(pread64, "pread", ssize_t, fd, buf, count, at)
SHOWN ssize_t pwrite(int fd, const void *buf, size_t count, off_t at)
PIECE(pwrite, "pwrite", ssize_t, fd, buf, count, at)
SHOWN ssize_t pwrite64(int fd, const void *buf, size_t count, off64_t at)
PIECE(pwrite64, "pwrite", ssize_t, fd, buf, count, at)
SHOWN ssize_t send(int fd, const void *buf, size_t count, int flags)
PIECE(send, "send", ssize_t, fd, buf, count, flags)
SHOWN ssize_t recv(int fd, void *buf, size_t count, int flags)
PIECE(recv, "recv", ssize_t, fd, buf, count, flags)
/* clang-format on */

#define CALL(result, name, call, bad, parameters, ...)                                             \
    SHOWN result name parameters                                                                   \
    {                                                                                              \
        REAL(name);                                                                                \
        return fails(call) ? bad : real(__VA_ARGS__);                                              \
    }

    /* clang-format off */
CALL(ssize_t, sendmsg, "send", (reset(fd), -1),
     (int fd, const struct msghdr *message, int flags), fd, message, flags)
CALL(ssize_t, recvmsg, "recv", (reset(fd), -1),
     (int fd, struct msghdr *message, int flags), fd, message, flags)
CALL(int, fsync, "sync", -1, (int fd), fd)
CALL(int, fdatasync, "sync", -1, (int fd), fd)
CALL(int, rename, "rename", -1, (const char *from, const char *to), from, to)
CALL(int, link, "rename", -1, (const char *from, const char *to), from, to)
CALL(int, mkdir, "mkdir", -1, (const char *path, mode_t mode), path, mode)
CALL(int, stat, "stat", -1, (const char *path, struct stat *info), path, info)
CALL(int, lstat, "stat", -1, (const char *path, struct stat *info), path, info)
CALL(int, fstat, "stat", -1, (int fd, struct stat *info), fd, info)
CALL(int, fstatat, "stat", -1,
     (int fd, const char *path, struct stat *info, int flags), fd, path, info, flags)
CALL(int, stat64, "stat", -1, (const char *path, struct stat64 *info), path, info)
CALL(int, lstat64, "stat", -1, (const char *path, struct stat64 *info), path, info)
CALL(int, fstat64, "stat", -1, (int fd, struct stat64 *info), fd, info)
CALL(DIR *, opendir, "readdir", NULL, (const char *path), path)
CALL(struct dirent *, readdir, "readdir", NULL, (DIR *folder), folder)
CALL(struct dirent64 *, readdir64, "readdir", NULL, (DIR *folder), folder)
CALL(int, unlink, "unlink", -1, (const char *path), path)
CALL(int, ftruncate, "truncate", -1, (int fd, off_t size), fd, size)
CALL(int, ftruncate64, "truncate", -1, (int fd, off64_t size), fd, size)
CALL(int, flock, "lock", -1, (int fd, int operation), fd, operation)
CALL(ssize_t, getrandom, "random", -1, (void *buf, size_t size, unsigned flags), buf, size, flags)

/* ---- network and programs --------------------------------------------------------------------- */

CALL(int, poll, "poll", -1, (struct pollfd *fds, nfds_t count, int timeout), fds, count, timeout)
CALL(int, socket, "socket", -1, (int domain, int type, int protocol), domain, type, protocol)
CALL(int, connect, "connect", -1,
     (int fd, const struct sockaddr *address, socklen_t size), fd, address, size)
CALL(pid_t, fork, "fork", -1, (void), )
CALL(int, pipe2, "pipe", -1, (int fds[2], int flags), fds, flags)
CALL(pid_t, waitpid, "waitpid", -1, (pid_t pid, int *status, int options), pid, status, options)
    /* clang-format on */

    /* ---- what gives its error as its result -------------------------------------------------------- */

    SHOWN
    int posix_spawn(pid_t *pid, const char *path, const posix_spawn_file_actions_t *actions,
                    const posix_spawnattr_t *attributes, char *const argv[], char *const envp[])
{
    REAL(posix_spawn);
    return fails("spawn") ? failure : real(pid, path, actions, attributes, argv, envp);
}

SHOWN int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*work)(void *),
                         void *argument)
{
    REAL(pthread_create);
    return fails("thread") ? failure : real(thread, attributes, work, argument);
}

/* ---- locks on files ----------------------------------------------------------------------------- */

/* Every command takes a number, a pointer or nothing: a word in any case. */
#define FCNTL(name)                                                                                \
    SHOWN int name(int fd, int command, ...)                                                       \
    {                                                                                              \
        REAL(name);                                                                                \
        va_list args;                                                                              \
        va_start(args, command);                                                                   \
        void *argument = va_arg(args, void *);                                                     \
        va_end(args);                                                                              \
        bool is_lock = command == F_SETLK || command == F_GETLK || command == F_OFD_SETLK ||       \
                       command == F_OFD_GETLK;                                                     \
        return is_lock && fails("lock") ? -1 : real(fd, command, argument);                        \
    }
FCNTL(fcntl)
FCNTL(fcntl64)

/* ---- clocks ----------------------------------------------------------------------------------- */

/* The wall clock jumps to and fro at the chosen readings; what stalls gives one answer for all of them. */
SHOWN int clock_gettime(clockid_t id, struct timespec *now)
{
    static struct timespec stalled;
    int code = (int)syscall(SYS_clock_gettime, id, now);
    if (code != 0 || !(is_stalled ? id == CLOCK_MONOTONIC : id == CLOCK_REALTIME))
        return code;
    if (!is_hit("clock"))
        return code;
    if (!is_stalled) {
        now->tv_sec += jump_s;
        return code;
    }
    if (stalled.tv_sec == 0)
        stalled = *now;
    *now = stalled;
    return code;
}

/* ---- memory ----------------------------------------------------------------------------------- */

/* The client libraries ask for the user's name and a service's port, and glibc cannot look one up without memory: it goes through
 * NULL (nss_database.c, nss_database_check_reload_and_get) or ends the process by an assertion (nss_database_reload_1). Nobody who
 * calls it could mend that, so the memory that is asked for in there is had. */
#define NAMING(result, name, parameters, ...)                                                      \
    SHOWN result name parameters                                                                   \
    {                                                                                              \
        REAL(name);                                                                                \
        is_naming = true;                                                                          \
        result found = real(__VA_ARGS__);                                                          \
        is_naming = false;                                                                         \
        return found;                                                                              \
    }
NAMING(int, getpwuid_r,
       (uid_t uid, struct passwd *entry, char *buf, size_t size, struct passwd **out), uid, entry,
       buf, size, out)
NAMING(struct passwd *, getpwuid, (uid_t uid), uid)
NAMING(struct servent *, getservbyname, (const char *name, const char *protocol), name, protocol)

#ifndef WITHOUT_MALLOC
extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *old, size_t size);

SHOWN void *malloc(size_t size)
{
    return fails("malloc") ? NULL : __libc_malloc(size);
}

SHOWN void *calloc(size_t count, size_t size)
{
    return fails("malloc") ? NULL : __libc_calloc(count, size);
}

SHOWN void *realloc(void *old, size_t size)
{
    return fails("malloc") ? NULL : __libc_realloc(old, size);
}
#endif

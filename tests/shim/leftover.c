/* What is given back and still holds a secret: preloaded into the program under test, it searches each block of memory that
 * goes back to the C library. For tests only. SPDX-License-Identifier: Apache-2.0
 *
 * LEFTOVER=HEX is the secret, each byte turned by 0x5a so that the variable is none itself. LEFTOVER_FILE gets a line for each
 * block that holds it: the file of the program or library that gave it back, and where in there and in its callers. It is then overwritten, so
 * that what a later search of the memory finds is in use, or was given back by other ways than these. When main() has ended,
 * the process stops itself and waits to be looked at. */
#include <dlfcn.h>
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SHOWN __attribute__((visibility("default")))

enum { TURN = 0x5a, LONGEST = 64, STACK_DEPTH = 12 };

static unsigned char turned[LONGEST];
static size_t length;
static int file = -1;
static pid_t self;
static __thread bool is_looking __attribute__((tls_model("initial-exec")));

extern void __libc_free(void *block);
extern void *__libc_malloc(size_t size);
extern void *__libc_realloc(void *block, size_t size);

__attribute__((constructor)) static void begin(void)
{
    const char *hex = getenv("LEFTOVER"), *path = getenv("LEFTOVER_FILE");
    unsigned value;
    if (!hex || !path)
        return;
    void *frame[1];
    backtrace(frame, 1); /* the first call loads a library */
    file = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    self = getpid();
    unsetenv("LD_PRELOAD"); /* the programs that it starts are not under test */
    size_t count = 0;
    for (; count < LONGEST && sscanf(hex + 2 * count, "%2x", &value) == 1; count++)
        turned[count] = (unsigned char)value;
    length = count;
}

static unsigned char *find(unsigned char *bytes, size_t size)
{
    for (size_t at = 0; length > 0 && at + length <= size; at++) {
        size_t same = 0;
        while (same < length && (bytes[at + same] ^ TURN) == turned[same])
            same++;
        if (same == length)
            return bytes + at;
    }
    return NULL;
}

static void look(void *block, const void *caller)
{
    char line[1024];
    Dl_info info = {0};
    if (!block || length == 0 || is_looking)
        return;
    size_t size = malloc_usable_size(block);
    unsigned char *at = find(block, size);
    if (!at)
        return;
    is_looking = true;
    int saved = errno;
    dladdr(caller, &info);
    int len = snprintf(line, sizeof line, "%s", info.dli_fname ? info.dli_fname : "?");
    void *frames[STACK_DEPTH];
    int depth = backtrace(frames, STACK_DEPTH);
    for (int i = 2; i < depth; i++) /* behind look() and who called it */
        len += snprintf(line + len, sizeof line - (size_t)len, " 0x%zx",
                        (size_t)((uintptr_t)frames[i] - (uintptr_t)info.dli_fbase));
    line[len++] = '\n';
    ssize_t written = write(file, line, (size_t)len);
    (void)written;
    for (; at; at = find(block, size))
        explicit_bzero(at, length);
    errno = saved;
    is_looking = false;
}

SHOWN void free(void *block)
{
    look(block, __builtin_return_address(0));
    __libc_free(block);
}

SHOWN void *realloc(void *block, size_t size)
{
    if (!block || size == 0 || length == 0 || !find(block, malloc_usable_size(block)))
        return __libc_realloc(block, size);
    /* Whether it would have moved is chance. */
    void *moved = __libc_malloc(size);
    if (!moved)
        return NULL;
    size_t old = malloc_usable_size(block);
    memcpy(moved, block, old < size ? old : size);
    look(block, __builtin_return_address(0));
    __libc_free(block);
    return moved;
}

__attribute__((destructor)) static void end(void)
{
    if (length > 0 && getpid() == self)
        raise(SIGSTOP);
}

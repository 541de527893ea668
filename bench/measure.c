/* Runs one program and says what it took: wall time, processor time and peak memory, as one line of JSON.
 * The kernel counts the memory of whoever starts a program into that program's peak; that is why this is small
 * and stands between the benchmark, which is Python, and what it measures.
 * SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double seconds_of(struct timeval time)
{
    return (double)time.tv_sec + (double)time.tv_usec / 1e6;
}

int main(int argc, char **argv)
{
    if (argc < 3) {
        fprintf(stderr, "usage: measure RESULT PROGRAM [ARGUMENT ...]\n");
        return 2;
    }
    FILE *result = fopen(argv[1], "we");
    if (!result) {
        fprintf(stderr, "measure: %s: %s\n", argv[1], strerror(errno));
        return 2;
    }
    struct timespec begin, end;
    clock_gettime(CLOCK_MONOTONIC, &begin);
    pid_t child = vfork();
    if (child == 0) {
        execvp(argv[2], argv + 2);
        _exit(127);
    }
    if (child < 0) {
        fprintf(stderr, "measure: %s\n", strerror(errno));
        return 2;
    }
    struct rusage usage;
    int status;
    while (wait4(child, &status, 0, &usage) < 0) {
        if (errno != EINTR) {
            fprintf(stderr, "measure: %s\n", strerror(errno));
            return 2;
        }
    }
    clock_gettime(CLOCK_MONOTONIC, &end);
    double wall_s =
        (double)(end.tv_sec - begin.tv_sec) + (double)(end.tv_nsec - begin.tv_nsec) / 1e9;
    int code = WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
    fprintf(result,
            "{\"code\": %d, \"wall_s\": %.9f, \"user_s\": %.6f, \"system_s\": %.6f, \"peak_kb\": "
            "%ld}\n",
            code, wall_s, seconds_of(usage.ru_utime), seconds_of(usage.ru_stime), usage.ru_maxrss);
    return fclose(result) == 0 ? 0 : 2;
}

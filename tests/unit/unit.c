/* The main program of every room's unit tests: gathers the files' tests into one TAP stream.
 * SPDX-License-Identifier: Apache-2.0
 *
 * An argument restricts the run to tests whose name contains it ('*' and '?' as in file names). */
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MOST_TESTS = 4096 };

static struct CMUnitTest all[MOST_TESTS];
static size_t all_count;

const char *unit_program;

void unit_register(const char *file, const struct CMUnitTest *tests, size_t count)
{
    if (count > MOST_TESTS - all_count) {
        fprintf(stderr, "unit: too many tests in %s\n", file);
        abort();
    }
    memcpy(all + all_count, tests, count * sizeof *tests);
    all_count += count;
}

/* cmocka 1.1 reports a skipped test as "not ok ... # SKIP", which readers of TAP take for a failure. A process of its own
 * mends that, so that nothing is lost when a test crashes. */
static pid_t mend_skips(void)
{
    int ends[2];
    if (pipe(ends) != 0)
        return -1;
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        dup2(ends[0], 0);
        close(ends[0]);
        close(ends[1]);
        execlp("sed", "sed", "-u", "s/^not ok \\([0-9]*\\) # SKIP/ok \\1 # SKIP/", (char *)NULL);
        _exit(127);
    }
    close(ends[0]);
    if (child > 0)
        dup2(ends[1], 1);
    close(ends[1]);
    return child;
}

int main(int argc, char **argv)
{
    if (argc > 2) {
        fprintf(stderr, "usage: %s [PATTERN]\n", argv[0]);
        return 2;
    }
    unit_program = argv[0];
    if (argc == 2)
        cmocka_set_test_filter(argv[1]);
    if (!getenv("CMOCKA_MESSAGE_OUTPUT"))
        cmocka_set_message_output(CM_OUTPUT_TAP);
    pid_t mender = mend_skips();
    int failed = _cmocka_run_group_tests("unit", all, all_count, NULL, NULL);
    fflush(stdout);
    close(1);
    if (mender > 0)
        waitpid(mender, NULL, 0);
    return failed == 0 ? 0 : 1;
}

/* The main program of every room's unit tests: gathers the files' tests into one TAP stream.
 * SPDX-License-Identifier: Apache-2.0
 *
 * An argument restricts the run to tests whose name contains it ('*' and '?' as in file names). */
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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
    int failed = _cmocka_run_group_tests("unit", all, all_count, NULL, NULL);
    return failed == 0 ? 0 : 1;
}

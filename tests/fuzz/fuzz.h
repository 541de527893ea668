/* What every fuzz target begins with: the one function that libFuzzer calls, again and again, with bytes of its own
 * making. SPDX-License-Identifier: Apache-2.0 */
#ifndef WHIMBREL_TESTS_FUZZ_H
#define WHIMBREL_TESTS_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

/* Unlike assert(), also there when NDEBUG is. */
#define FUZZ_REQUIRE(condition)                                                                    \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #condition);         \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif

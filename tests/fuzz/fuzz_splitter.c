/* Fuzzes the splitter. The first byte chooses dialect and modes, the second how much a read gives.
 * SPDX-License-Identifier: Apache-2.0 */
#include "../unit/sql/split_check.h"

#include <stdio.h>

#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    SqlSplitOptions options = {
        .dialect = (SqlDialect)(data[0] % 3),
        .file = "fuzz.sql",
        .no_backslash_escapes = (data[0] & 0x40) != 0,
        .ansi_quotes = (data[0] & 0x20) != 0,
        .nonconforming_strings = (data[0] & 0x10) != 0,
    };
    /* A copy whose end is the end of an allocation, so that reading past it is seen. */
    char *text = malloc(size > 2 ? size - 2 : 1);
    FUZZ_REQUIRE(text);
    for (size_t i = 2; i < size; i++)
        text[i - 2] = (char)data[i];
    const char *wrong = split_check(&options, (Str){text, size - 2}, data[1]);
    free(text);
    if (wrong) {
        fprintf(stderr, "does not hold: %s\n", wrong);
        abort();
    }
    return 0;
}

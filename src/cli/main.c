/* The program's entry. SPDX-License-Identifier: Apache-2.0 */
#include "cli/cli.h"

#ifdef __GLIBC__
#include <malloc.h>
#endif

int main(int argc, char **argv)
{
#ifdef __GLIBC__
    /* What is large is the system's own to take back as soon as it is freed. Else the first block that is freed makes all others of
     * its size come from where they can only go in the order in which they came. */
    enum { LARGE_BYTES = 128 * 1024 };
    (void)mallopt(M_MMAP_THRESHOLD, LARGE_BYTES);
    /* The threads beside the first have little to do: no room of their own is made for them. */
    (void)mallopt(M_ARENA_MAX, 1);
#endif
    return cli_main(argc, argv);
}

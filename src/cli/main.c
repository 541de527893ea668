/* The program's entry. SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "--version") == 0) {
        puts("whimbrel " WHIMBREL_VERSION);
        return fflush(stdout) == 0 ? 0 : 1;
    }
    fputs("usage: whimbrel --version\n", stderr);
    return 2;
}

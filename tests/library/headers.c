/* The public headers alone, under -std=c99 -pedantic and as C++: they compile, and mean the same. SPDX-License-Identifier: Apache-2.0 */
#include <whimbrel/whimbrel.h>

#include <whimbrel/whimbrel.h> /* twice */

#ifdef WITH_ENGINES
#include <whimbrel/mysql.h>
#include <whimbrel/postgres.h>
#include <whimbrel/sqlite.h>
#endif

#include <stdio.h>

int main(void)
{
    WhimbrelOptions options;
    Whimbrel *whimbrel = NULL;
    WhimbrelError *error = NULL;
    whimbrel_options_init(&options);
    if (whimbrel_open("nosuch:thing", &options, &whimbrel, &error) != WHIMBREL_USAGE ||
        whimbrel != NULL || error == NULL || error->status != WHIMBREL_USAGE)
        return 1;
    printf("%s %d.%d.%d %s\n", whimbrel_version(), WHIMBREL_VERSION_MAJOR, WHIMBREL_VERSION_MINOR,
           WHIMBREL_VERSION_PATCH, whimbrel_status_name(error->status));
    whimbrel_error_free(error);
    return 0;
}

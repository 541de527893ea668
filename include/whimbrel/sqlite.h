/* libwhimbrel on a sqlite3 * that the program has. SPDX-License-Identifier: Apache-2.0 */
#ifndef WHIMBREL_SQLITE_H
#define WHIMBREL_SQLITE_H

#include <sqlite3.h>

#include <whimbrel/whimbrel.h>

/* whimbrel_adopt() with the right type. */
static inline WhimbrelStatus whimbrel_adopt_sqlite(sqlite3 *connection,
                                                   const WhimbrelOptions *options,
                                                   Whimbrel **ret_whimbrel,
                                                   WhimbrelError **ret_error)
{
    return whimbrel_adopt(WHIMBREL_SQLITE, connection, options, ret_whimbrel, ret_error);
}

#endif

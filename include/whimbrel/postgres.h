/* libwhimbrel on a PGconn * that the program has. SPDX-License-Identifier: Apache-2.0 */
#ifndef WHIMBREL_POSTGRES_H
#define WHIMBREL_POSTGRES_H

#include <libpq-fe.h>

#include <whimbrel/whimbrel.h>

/* whimbrel_adopt() with the right type. */
static inline WhimbrelStatus whimbrel_adopt_postgres(PGconn *connection,
                                                     const WhimbrelOptions *options,
                                                     Whimbrel **ret_whimbrel,
                                                     WhimbrelError **ret_error)
{
    return whimbrel_adopt(WHIMBREL_POSTGRES, connection, options, ret_whimbrel, ret_error);
}

#endif

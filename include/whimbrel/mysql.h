/* libwhimbrel on a MYSQL * that the program has, of MariaDB's client or MySQL's. SPDX-License-Identifier: Apache-2.0 */
#ifndef WHIMBREL_MYSQL_H
#define WHIMBREL_MYSQL_H

#include <mysql.h>

#include <whimbrel/whimbrel.h>

/* whimbrel_adopt() with the right type. */
static inline WhimbrelStatus whimbrel_adopt_mysql(MYSQL *connection, const WhimbrelOptions *options,
                                                  Whimbrel **ret_whimbrel,
                                                  WhimbrelError **ret_error)
{
    return whimbrel_adopt(WHIMBREL_MYSQL, connection, options, ret_whimbrel, ret_error);
}

#endif

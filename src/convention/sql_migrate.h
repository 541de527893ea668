/* Between the files of the sql-migrate convention. SPDX-License-Identifier: Apache-2.0 */
#ifndef WHIMBREL_CONVENTION_SQL_MIGRATE_H
#define WHIMBREL_CONVENTION_SQL_MIGRATE_H

#include "convention/peer.h"

/* In ConventionContext.own, where there is a dbconfig.yml. */
typedef struct SqlMigrateSettings {
    bool ignores_unknown; /* rows without a file are nothing to stop for */
} SqlMigrateSettings;

bool sql_migrate_configure(ConventionContext *ctx, Arena *arena, Error *err);

#endif

/* Laravel migrations, read without PHP. SPDX-License-Identifier: Apache-2.0 */
#ifndef WHIMBREL_CONVENTION_PHP_H
#define WHIMBREL_CONVENTION_PHP_H

#include "convention/host.h"

/* What is more than literal SQL in DB::statement() and DB::unprepared() is refused in *ret_file. Fails only when memory is out. */
bool php_migration(Arena *arena, SqlDialect dialect, Str text, HostFile *ret_file, Error *err);

#endif

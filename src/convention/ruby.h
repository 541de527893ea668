/* Rails migrations, read without Ruby. SPDX-License-Identifier: Apache-2.0 */
#ifndef WHIMBREL_CONVENTION_RUBY_H
#define WHIMBREL_CONVENTION_RUBY_H

#include "convention/host.h"

typedef struct RubyMigration {
    Str class_name; /* empty: there is none */
    Str superclass; /* "ActiveRecord::Migration[7.1]", as written */
    HostFile file;
} RubyMigration;

/* What is more than literal SQL in `execute` is refused in *ret_migration. Fails only when memory is out. */
bool ruby_migration(Arena *arena, Str text, RubyMigration *ret_migration, Error *err);

#endif

/* What Flyway's configuration says, between its two files. SPDX-License-Identifier: Apache-2.0 */
#ifndef WHIMBREL_CONVENTION_FLYWAY_H
#define WHIMBREL_CONVENTION_FLYWAY_H

#include "convention/peer.h"

typedef struct FlywayPlaceholder {
    Str name, value;
} FlywayPlaceholder;

/* ConventionContext.own. */
typedef struct FlywaySettings {
    Str default_schema; /* empty: the connection's */
    StrVec schemas;     /* to be made where they are missing */
    Str table, installed_by, baseline_version, baseline_description, environment;
    bool baseline_on_migrate, runs_in_transaction, replaces_placeholders, refuses_odd_names,
        ignores_future, ignores_missing;
    bool creates_schemas;
    bool has_paid_edition; /* a licence is named: the edition that can undo */
    Str placeholder_prefix, placeholder_suffix, placeholder_separator;
    Vec(FlywayPlaceholder) placeholders;
    Str versioned_prefix, undo_prefix, repeatable_prefix, baseline_prefix, separator;
    StrVec suffixes; /* empty: .sql */
    Timestamp now;   /* ${flyway:timestamp}: the same for every file */
} FlywaySettings;

/* What configure() found; Flyway's defaults where it was not called. */
const FlywaySettings *flyway_settings(const ConventionContext *ctx);
/* Reads flyway.toml or flyway.conf beside the project and, if asked for, FLYWAY_* of ctx->variables. */
bool flyway_configure(ConventionContext *ctx, Arena *arena, bool reads_variables, Error *err);

#endif

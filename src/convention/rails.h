/* What the files of the Rails convention share. SPDX-License-Identifier: Apache-2.0 */
#ifndef WHIMBREL_CONVENTION_RAILS_H
#define WHIMBREL_CONVENTION_RAILS_H

#include "convention/host.h"

/* The environment that is meant: -e, RAILS_ENV, RACK_ENV, "development". */
Str rails_environment(const ConventionContext *ctx);
/* Reads config/database.yml as far as it is literal: url, url_place and, if nobody named any, the folders. */
bool rails_configure(ConventionContext *ctx, Arena *arena, Error *err);

#endif

/* Files and history made in memory, as plan/ is given them, and plans as text. SPDX-License-Identifier: Apache-2.0 */
#ifndef WHIMBREL_TESTS_PLAN_WORLD_H
#define WHIMBREL_TESTS_PLAN_WORLD_H

#include "plan/plan.h"

typedef struct World {
    Arena *arena;
    MigrationSet set;
    History history;
    PlanPolicy policy;
    PlanRequest request;
} World;

void world_open(World *world);
void world_done(World *world);

/* A script of statements, one letter each (world.c has the letters); tokens "": taken from the path. */
/* Directives as scripts hold them. */
const Directives *world_directives(Arena *arena, const Directives *directives);
Script *world_script(Arena *arena, const char *path, Str parts, Str tokens);
/* "mariadb 100600 journal out-of-order": replaces the policy. */
void world_policy(World *world, Str line);
/* Reads one line of the little language; false: it is none of its lines. */
bool world_line(World *world, Str line);
/* Sorts the set. */
void world_finish(World *world);

void show_overview(StrBuf *out, const Overview *overview);
void show_segments(StrBuf *out, const SegmentList *segments);
void show_plan(StrBuf *out, const Plan *plan);
void show_error(StrBuf *out, const Error *err);

#endif

/* Cases of plan/: files, history and a request, then the states or the plan that must come of them.
 * SPDX-License-Identifier: Apache-2.0
 *
 * The language is described in tests/unit/plan/world.c. */
#include "cases.h"

#include "../unit/plan/world.h"

#include <stdio.h>
#include <stdlib.h>

static void must(bool ok)
{
    if (!ok) {
        fputs("a plan case is not understood\n", stderr);
        abort();
    }
}

static void answer_resolve(World *world, Str to, StrBuf *out)
{
    Overview overview;
    Error err = {.arena = world->arena};
    PlanTarget target;
    must(
        plan_overview(world->arena, &world->set, &world->history, &world->policy, &overview, &err));
    if (!plan_resolve(world->arena, &overview, to, AMONG_FILES, &target, &err))
        show_error(out, &err);
    else
        strbuf_addf(out, "%.*s\n", STR_ARG(target.is_base ? STR("(base)") : target.version));
}

static void answer_cut(World *world, Str from, StrBuf *out)
{
    Plan plan = {.stops = true};
    SegmentVec segments = {0};
    Error err = {.arena = world->arena};
    uint64_t resume_at = 0;
    must(from.len == 0 || str_to_u64(from, &resume_at));
    const Migration *m = &world->set.migrations.items[world->set.migrations.len - 1];
    must(plan_cut(world->arena, m->up, &world->policy, (uint32_t)resume_at, &segments,
                  &plan.problems, &err));
    show_plan(out, &plan);
    strbuf_adds(out, "cut");
    show_segments(out, &(SegmentList){segments.items, (uint32_t)segments.len});
    strbuf_adds(out, "\n");
}

static void answer_overview(World *world, StrBuf *out)
{
    Overview overview;
    Error err = {.arena = world->arena};
    must(
        plan_overview(world->arena, &world->set, &world->history, &world->policy, &overview, &err));
    show_overview(out, &overview);
}

static void answer_request(World *world, StrBuf *out)
{
    Plan plan;
    Error err = {.arena = world->arena};
    if (!plan_make(world->arena, &world->set, &world->history, &world->request, &world->policy,
                   &plan, &err))
        show_error(out, &err);
    else
        show_plan(out, &plan);
}

static bool run_plan(Arena *arena, const Case *c, StrBuf *out)
{
    World world;
    Str body = c->input;
    bool has_request = false;

    (void)arena;
    world_open(&world);
    world_policy(&world, c->attributes);
    while (body.len > 0) {
        Str line, word, rest;
        body = str_cut(body, '\n', &line);
        rest = str_cut(line, ' ', &word);
        if (str_eq(word, STR("resolve"))) {
            world_finish(&world);
            answer_resolve(&world, rest, out);
        } else if (str_eq(word, STR("cut"))) {
            answer_cut(&world, rest, out);
        } else {
            must(world_line(&world, line));
            has_request = has_request || str_eq(word, STR("request"));
        }
    }
    world_finish(&world);
    if (out->len == 0 && has_request)
        answer_request(&world, out);
    else if (out->len == 0)
        answer_overview(&world, out);
    world_done(&world);
    return true;
}

const CaseKind plan_cases = {"plan", run_plan};

/* What cases cannot tell: memory, size, errors of the caller. SPDX-License-Identifier: Apache-2.0 */
#include "world.h"

#include <stdio.h>

#include "unit.h"

#ifdef WHIMBREL_FAULTS
/* Something of everything, so that each allocation of planning is made. */
static void furnish(World *world)
{
    static const char *const lines[] = {
        "file 1 a down=o",
        "file 2 b tokens=new down=o",
        "file 4 d up=ooLo requires=1",
        "file 5 e up=(o(L",
        "file 6 f requires=9 phase=contract",
        "file 7 g up=-",
        "file 8 h engine=mysql",
        "file R views",
        "applied 1 a run=1 stored",
        "applied 3 c run=2",
        "applied 2 b run=2 tokens=old at=1763457120",
        "running-up 4 d 1/4 unknown why=refused",
        "deleted 0.5 gone",
        "file 0.5 gone",
        "applied R old",
    };
    world_open(world);
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
        assert_true(world_line(world, str_from(lines[i])));
    world_finish(world);
}

static void planning_survives_the_loss_of_any_allocation(void **state)
{
    static const char *const requests[] = {
        "request migrate",           "request migrate to=6",   "request migrate to=xyz",
        "request rollback all",      "request goto to=3",      "request goto to=b",
        "request redo steps=2",      "request sync",           "request resume",
        "request rollback last-run", "request rollback to=-2", "request migrate fake",
    };
    (void)state;
    for (size_t r = 0; r < sizeof requests / sizeof *requests; r++) {
        for (unsigned nth = 1;; nth++) {
            World world;
            Plan plan = {.stops = true};
            furnish(&world);
            assert_true(world_line(&world, str_from(requests[r])));
            scoped(Arena *, arena_freep) arena = arena_new();
            scoped(Arena *, arena_freep) texts = arena_new();
            assert_non_null(arena);
            assert_non_null(texts);
            Error err = {.arena = texts};
            fault_fail_allocation(nth);
            bool ok = plan_make(arena, &world.set, &world.history, &world.request, &world.policy,
                                &plan, &err);
            bool fired = fault_fired();
            fault_fail_allocation(0);
            if (fired) {
                /* A text that could not be written leaves the error what it was. */
                assert_false(ok);
                assert_true(err.kind == ERROR_NOMEM || err.kind == ERROR_USAGE);
                assert_true(plan.stops && plan.steps.len == 0); /* untouched */
            }
            world_done(&world);
            if (!fired)
                break;
        }
    }
}
#endif

/* A folder of many migrations, of which the first so many are applied. */
static void many(World *world, unsigned count, unsigned applied)
{
    Script *script;
    world_open(world);
    script = world_script(world->arena, "up.sql", STR("o"), STR("t"));
    for (unsigned i = 0; i < count; i++) {
        Str version = str_from(str_format(world->arena, "%u", 100000 + i));
        Migration m = {.version = version, .name = STR("name"), .up = script, .down = script};
        assert_true(vec_push(world->arena, &world->set.migrations, m));
        if (i >= applied)
            continue;
        HistoryRow row = {.version = version,
                          .name = STR("name"),
                          .tokens = STR("t"),
                          .checksum = STR("t"),
                          .rank = (int64_t)i + 1,
                          .run = 1};
        assert_true(vec_push(world->arena, &world->history.rows, row));
    }
}

static void ten_thousand_migrations_take_little_memory(void **state)
{
    (void)state;
    static const struct {
        const char *request;
        unsigned applied, bytes_each;
    } tries[] = {
        {"request migrate", 10000, 96}, /* nothing to do: a row of the overview, and the sort */
        {"request migrate", 0, 512},    /* a step and its segment each */
        {"request rollback all", 10000, 512},
    };
    for (size_t i = 0; i < sizeof tries / sizeof *tries; i++) {
        World world;
        Plan plan;
        many(&world, 10000, tries[i].applied);
        assert_true(world_line(&world, str_from(tries[i].request)));
        scoped(Arena *, arena_freep) arena = arena_new();
        assert_non_null(arena);
        Error err = {.arena = arena};
        size_t before = arena_used(arena);
        assert_true(plan_make(arena, &world.set, &world.history, &world.request, &world.policy,
                              &plan, &err));
        size_t each = (arena_used(arena) - before) / 10000;
        if (each > tries[i].bytes_each)
            fail_msg("%s: %zu bytes a migration", tries[i].request, each);
        world_done(&world);
    }
}

/* No clock: anything quadratic would not come to an end here. */
static void half_a_million_migrations_are_no_matter(void **state)
{
    (void)state;
    static const char *const requests[] = {"request migrate", "request rollback all",
                                           "request goto to=base", "request sync",
                                           "request redo steps=250000"};
    World world;
    many(&world, 500000, 250000);
    for (size_t i = 0; i < sizeof requests / sizeof *requests; i++) {
        scoped(Arena *, arena_freep) arena = arena_new();
        assert_non_null(arena);
        Error err = {.arena = arena};
        Plan plan;
        assert_true(world_line(&world, str_from(requests[i])));
        assert_true(plan_make(arena, &world.set, &world.history, &world.request, &world.policy,
                              &plan, &err));
        assert_int_equal(plan.steps.len, world.request.verb == PLAN_REDO ? 500000 : 250000);
    }
    world_done(&world);
}

static void a_script_without_parts_cannot_be_cut(void **state)
{
    (void)state;
    World world;
    SegmentVec segments = {0};
    ProblemVec problems = {0};
    world_open(&world);
    Error err = {.arena = world.arena};
    Script *script = world_script(world.arena, "a.sql", STR("o"), STR("t"));
    script->has_parts = false;
    assert_false(plan_cut(world.arena, script, &world.policy, 0, &segments, &problems, &err));
    assert_int_equal(err.kind, ERROR_STATE);
    world_done(&world);
}

static void a_set_that_was_not_read_cannot_be_looked_at(void **state)
{
    (void)state;
    World world;
    Overview overview;
    world_open(&world);
    assert_true(world_line(&world, STR("file 1 a")));
    world.set.migrations.items[0].up->is_read = false;
    Error err = {.arena = world.arena};
    assert_false(
        plan_overview(world.arena, &world.set, &world.history, &world.policy, &overview, &err));
    assert_int_equal(err.kind, ERROR_STATE);
    world_done(&world);
}

static void the_error_of_a_plan_is_its_first_problem(void **state)
{
    (void)state;
    World world;
    Plan plan;
    world_open(&world);
    assert_true(world_line(&world, STR("file 1 a tokens=new")));
    assert_true(world_line(&world, STR("file 2 b up=oo)")));
    assert_true(world_line(&world, STR("applied 1 a tokens=old")));
    assert_true(world_line(&world, STR("request migrate")));
    Error err = {.arena = world.arena};
    assert_true(plan_make(world.arena, &world.set, &world.history, &world.request, &world.policy,
                          &plan, &err));
    assert_true(plan.stops);
    assert_false(plan_error(&plan, &err));
    assert_int_equal(err.kind, ERROR_STATE);
    assert_string_equal(err.code, "checksum-changed");
    assert_string_equal(err.pos.file, "migrations/1_a.up.sql");
    assert_string_equal(err.detail, "1 more problem stands in the way");
    assert_non_null(err.hint);
    world_done(&world);
}

UNIT_TESTS(plan) = {
#ifdef WHIMBREL_FAULTS
    cmocka_unit_test(planning_survives_the_loss_of_any_allocation),
#endif
    cmocka_unit_test(ten_thousand_migrations_take_little_memory),
    cmocka_unit_test(half_a_million_migrations_are_no_matter),
    cmocka_unit_test(a_script_without_parts_cannot_be_cut),
    cmocka_unit_test(a_set_that_was_not_read_cannot_be_looked_at),
    cmocka_unit_test(the_error_of_a_plan_is_its_first_problem),
};
UNIT_TESTS_END(plan)

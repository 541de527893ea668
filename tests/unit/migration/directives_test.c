/* Directives. SPDX-License-Identifier: Apache-2.0 */
#include "migration/migration.h"

#include "unit.h"

#include <string.h>

static bool read_head(Arena *arena, const char *trivia, Directives *directives, Error *err)
{
    *directives = directives_none();
    return directives_read(arena, str_from(trivia), "m/1_x.sql", 1, true, directives, err);
}

static void every_directive_is_read(void **state)
{
    (void)state;
    scoped(Arena *, arena_freep) arena = arena_new();
    Error err = {.arena = arena};
    Directives d;
    assert_true(
        read_head(
            arena,
            "-- made by app\n-- whimbrel: no-transaction\n"
            "-- whimbrel: lock-timeout=2s statement-timeout=10min lock-retries=30\n"
            "--whimbrel: phase=contract\n/* whimbrel: requires=20250405120000,1.2 */\n"
            "-- whimbrel: allow=drop-column,rename-column reason=\"nobody reads it since 4.2\"\n"
            "# whimbrel: engine=postgres, \n-- whimbrel: engine=mariadb\n",
            &d, &err) == false); /* "postgres," ends in an empty entry */
    assert_string_equal(err.code, "bad-directive");
    assert_int_equal(err.pos.line, 7);
    error_clear(&err);
    assert_true(read_head(
        arena,
        "-- made by app\n-- whimbrel: no-transaction\n"
        "-- whimbrel: lock-timeout=2s statement-timeout=10min lock-retries=30\n"
        "--whimbrel: phase=contract\n/* whimbrel: requires=20250405120000,1.2 */\n"
        "-- whimbrel: allow=drop-column,rename-column reason=\"nobody reads it since 4.2\"\n"
        "# whimbrel: engine=postgres\n-- whimbrel: engine=mariadb\n",
        &d, &err));
    assert_true(d.no_transaction);
    assert_int_equal(d.lock_timeout_ms, 2000);
    assert_int_equal(d.statement_timeout_ms, 600000);
    assert_int_equal(d.lock_retries, 30);
    assert_int_equal(d.phase, PHASE_CONTRACT);
    assert_int_equal(d.required.len, 2);
    assert_true(str_eq(d.required.items[1], STR("1.2")));
    assert_int_equal(d.engines.len, 2);
    assert_true(str_eq(d.engines.items[0], STR("postgres")));
    assert_true(str_eq(d.engines.items[1], STR("mariadb")));
    assert_int_equal(d.allowed.len, 2);
    assert_true(str_eq(d.allowed.items[1], STR("rename-column")));
    assert_true(str_eq(d.reason, STR("nobody reads it since 4.2")));
}

static void block_comments_may_span_lines_and_have_stars(void **state)
{
    (void)state;
    scoped(Arena *, arena_freep) arena = arena_new();
    Error err = {.arena = arena};
    Directives d;
    assert_true(read_head(arena, "/**\n * whimbrel: lock-timeout=500ms\n *   phase=expand\r\n */\n",
                          &d, &err));
    assert_int_equal(d.lock_timeout_ms, 500);
    assert_int_equal(d.phase, PHASE_EXPAND);
}

static void other_comments_say_nothing(void **state)
{
    (void)state;
    scoped(Arena *, arena_freep) arena = arena_new();
    Error err = {.arena = arena};
    Directives d, none = directives_none();
    assert_true(read_head(
        arena,
        "-- see whimbrel: no-transaction\n-- note: x\n/* a: b */\n-- whimbrel no-transaction\n\n",
        &d, &err));
    assert_memory_equal(&d, &none, sizeof d);
}

typedef struct Refusal {
    const char *trivia;
    bool is_head;
    ErrorKind kind;
    const char *code;
    uint32_t line, column;
    const char *message_part, *hint_part;
} Refusal;

static void what_is_wrong_is_said_with_its_place(void **state)
{
    (void)state;
    static const Refusal refusals[] = {
        {"-- a\n--  whimbrel: no-transactoin\n", true, ERROR_PARSE, "unknown-directive", 2, 15,
         "no-transactoin", "no-transaction"},
        {"-- whimbrel: frobnicate\n", true, ERROR_PARSE, "unknown-directive", 1, 14, "frobnicate",
         "Known ones"},
        {"-- whimbrel:\n", true, ERROR_PARSE, "bad-directive", 1, 12, "empty", "take it out"},
        {"-- whimbrel: lock-timeout=2\n", true, ERROR_PARSE, "bad-directive", 1, 14, "2",
         "lock-timeout=2s"},
        {"-- whimbrel: lock-timeout=fast\n", true, ERROR_PARSE, "bad-directive", 1, 14, "fast",
         "unit"},
        {"-- whimbrel: lock-timeout\n", true, ERROR_PARSE, "bad-directive", 1, 14, "needs a value",
         "key=value"},
        {"-- whimbrel: lock-timeout = 2s\n", true, ERROR_PARSE, "bad-directive", 1, 14,
         "needs a value", "key=value"},
        {"-- whimbrel: lock-retries=-1\n", true, ERROR_PARSE, "bad-directive", 1, 14, "-1",
         "lock-retries=30"},
        {"-- whimbrel: phase=contrakt\n", true, ERROR_PARSE, "bad-directive", 1, 14, "contrakt",
         "contract"},
        {"-- whimbrel: engine=postgress\n", true, ERROR_PARSE, "bad-directive", 1, 14, "postgress",
         "postgres"},
        {"-- whimbrel: requires=abc\n", true, ERROR_PARSE, "bad-directive", 1, 14, "abc",
         "requires="},
        {"-- whimbrel: no-transaction=yes\n", true, ERROR_PARSE, "bad-directive", 1, 14, "no value",
         "alone"},
        {"-- whimbrel: reason=\"open\n", true, ERROR_PARSE, "bad-directive", 1, 14, "not closed",
         "quote"},
        {"-- whimbrel: reason=\"a\"b\n", true, ERROR_PARSE, "bad-directive", 1, 14, "closing quote",
         "blanks"},
        {"-- whimbrel: =2s\n", true, ERROR_PARSE, "bad-directive", 1, 14, "without a name",
         "key=value"},
        {" -- x\n-- whimbrel: phase=expand\n", false, ERROR_PARSE, "bad-directive", 2, 14,
         "whole migration", "head"},
        {" -- x\n-- whimbrel: requires=1\n", false, ERROR_PARSE, "bad-directive", 2, 14,
         "whole migration", "head"},
        {" -- whimbrel: engine=sqlite\n", false, ERROR_PARSE, "bad-directive", 1, 0,
         "whole migration", "head"},
        {"\n-- whimbrel: batch key=id size=10000 pause=50ms\n", false, ERROR_UNSUPPORTED,
         "unsupported-directive", 2, 14, "batched", "Take"},
    };
    for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++) {
        const Refusal *r = &refusals[i];
        scoped(Arena *, arena_freep) arena = arena_new();
        Error err = {.arena = arena};
        Directives d = directives_none();
        assert_false(
            directives_read(arena, str_from(r->trivia), "m/1_x.sql", 1, r->is_head, &d, &err));
        if (err.kind != r->kind || strcmp(err.code, r->code) != 0 || err.pos.line != r->line ||
            err.pos.column != r->column || !strstr(err.message, r->message_part) ||
            !strstr(err.hint, r->hint_part))
            fail_msg("%s -> %s at %u:%u: %s (%s)", r->trivia, err.code, err.pos.line,
                     err.pos.column, err.message, err.hint);
        assert_string_equal(err.pos.file, "m/1_x.sql");
        if (r->column > 0)
            assert_non_null(err.excerpt);
    }
}

static void zero_means_no_timeout_and_fractions_round_up(void **state)
{
    (void)state;
    scoped(Arena *, arena_freep) arena = arena_new();
    Error err = {.arena = arena};
    Directives d = directives_none();
    assert_true(directives_read(arena, STR("\n-- whimbrel: lock-timeout=0 statement-timeout=0s\n"),
                                "f", 9, false, &d, &err));
    assert_int_equal(d.lock_timeout_ms, 0);
    assert_int_equal(d.statement_timeout_ms, 0);
}

#ifdef WHIMBREL_FAULTS
static void any_lost_allocation_is_an_error(void **state)
{
    (void)state;
    for (unsigned nth = 1;; nth++) {
        scoped(Arena *, arena_freep) arena = arena_new();
        Error err = {.arena = arena};
        Directives d = directives_none();
        fault_fail_allocation(nth);
        bool ok = directives_read(
            arena, STR("-- whimbrel: allow=a,b,c reason='why' requires=1,2,3 engine=mysql\n"), "f",
            1, true, &d, &err);
        bool fired = fault_fired();
        fault_fail_allocation(0);
        if (!fired) {
            assert_true(ok);
            assert_true(nth > 3);
            return;
        }
        assert_false(ok);
        assert_int_equal(err.kind, ERROR_NOMEM);
    }
}
#endif

UNIT_TESTS(directives) = {
    cmocka_unit_test(every_directive_is_read),
    cmocka_unit_test(block_comments_may_span_lines_and_have_stars),
    cmocka_unit_test(other_comments_say_nothing),
    cmocka_unit_test(what_is_wrong_is_said_with_its_place),
    cmocka_unit_test(zero_means_no_timeout_and_fractions_round_up),
#ifdef WHIMBREL_FAULTS
    cmocka_unit_test(any_lost_allocation_is_an_error),
#endif
};
UNIT_TESTS_END(directives)

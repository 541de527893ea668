/* Errors. SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <errno.h>

#include "unit.h"

static void callers_put_what_they_were_doing_before_it(void **state)
{
    (void)state;
    scoped(Arena *, arena_freep) arena = arena_new();
    Error err = {.arena = arena};
    assert_false(error_set(&err, ERROR_SQL, "relation \"%s\" already exists", "users"));
    assert_false(error_wrap(&err, "running %s", "V1"));
    assert_false(error_wrap(&err, "migrating"));
    assert_int_equal(err.kind, ERROR_SQL);
    assert_string_equal(err.message, "migrating: running V1: relation \"users\" already exists");
}

static void setting_forgets_what_was_there_before(void **state)
{
    (void)state;
    scoped(Arena *, arena_freep) arena = arena_new();
    Error err = {.arena = arena};
    error_set(&err, ERROR_SQL, "first");
    error_code(&err, "some-code");
    error_hint(&err, "Do %d things.", 2);
    error_detail(&err, "detail %s", "here");
    error_at(&err, STR("a.sql"), 3, 7);
    memcpy(err.sqlstate, "42P07", 6);
    assert_string_equal(err.code, "some-code");
    assert_string_equal(err.hint, "Do 2 things.");
    assert_string_equal(err.detail, "detail here");
    assert_string_equal(err.pos.file, "a.sql");
    assert_int_equal(err.pos.line, 3);
    assert_int_equal(err.pos.column, 7);
    /* A text of the error itself may go into the next one. */
    error_set(&err, ERROR_STATE, "after %s %s", err.message, err.sqlstate);
    assert_string_equal(err.message, "after first 42P07");
    assert_null(err.code);
    assert_null(err.hint);
    assert_null(err.detail);
    assert_null(err.pos.file);
    assert_int_equal(err.pos.line, 0);
    assert_string_equal(err.sqlstate, "");
    error_clear(&err);
    assert_int_equal(err.kind, ERROR_NONE);
    assert_null(err.message);
    assert_ptr_equal(err.arena, arena);
}

static void nobody_has_to_want_an_error(void **state)
{
    (void)state;
    assert_false(error_set(NULL, ERROR_IO, "x"));
    assert_false(error_wrap(NULL, "x"));
    assert_false(error_nomem(NULL));
    assert_false(error_errno(NULL, ENOENT, "x"));
    assert_false(error_hint(NULL, "x"));
    assert_false(error_detail(NULL, "x"));
    assert_false(error_code(NULL, "x"));
    assert_false(error_at(NULL, STR("x"), 1, 1));
    error_clear(NULL);
}

static void without_memory_the_kind_stays_and_the_format_is_the_message(void **state)
{
    (void)state;
    Error err = {.arena = NULL};
    assert_false(error_set(&err, ERROR_LOCKED, "held by %s", "x"));
    assert_int_equal(err.kind, ERROR_LOCKED);
    assert_string_equal(err.message, "held by %s");
    error_wrap(&err, "wrapping");
    assert_string_equal(err.message, "held by %s");
    error_set(&err, ERROR_LOCKED, "%s", "x");
    assert_non_null(strstr(err.message, "memory"));
    error_errno(&err, ENOENT, "cannot open %s", "x");
    assert_int_equal(err.kind, ERROR_IO);
    assert_string_equal(err.message, "No such file or directory");
    error_nomem(&err);
    assert_int_equal(err.kind, ERROR_NOMEM);
    assert_string_equal(err.message, "out of memory");
}

static void errno_is_put_behind_what_failed(void **state)
{
    (void)state;
    scoped(Arena *, arena_freep) arena = arena_new();
    Error err = {.arena = arena};
    error_errno(&err, ENOENT, "cannot open %s", "a%sb");
    assert_string_equal(err.message, "cannot open a%sb: No such file or directory");
    assert_int_equal(err.kind, ERROR_IO);
    error_errno(&err, ENOMEM, "cannot open x");
    assert_int_equal(err.kind, ERROR_NOMEM);
    error_errno(&err, 99999, "x");
    assert_string_equal(err.message, "x: unknown error");
}

static void every_kind_has_a_word_of_its_own(void **state)
{
    (void)state;
    for (int i = ERROR_NONE; i <= ERROR_UNSUPPORTED; i++) {
        assert_string_not_equal(error_kind_name((ErrorKind)i), "unknown");
        for (int j = ERROR_NONE; j < i; j++)
            assert_string_not_equal(error_kind_name((ErrorKind)i), error_kind_name((ErrorKind)j));
    }
}

UNIT_TESTS(error) = {
    cmocka_unit_test(callers_put_what_they_were_doing_before_it),
    cmocka_unit_test(setting_forgets_what_was_there_before),
    cmocka_unit_test(nobody_has_to_want_an_error),
    cmocka_unit_test(without_memory_the_kind_stays_and_the_format_is_the_message),
    cmocka_unit_test(errno_is_put_behind_what_failed),
    cmocka_unit_test(every_kind_has_a_word_of_its_own),
};
UNIT_TESTS_END(error)

/* Faults, and what base/ does when memory is out. Only built with -Dfaults=true. SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "unit.h"

/* The environment is read once, so every case is a process of its own: this program again, with one test chosen. Its
 * exit code has a bit for each of four calls that were hit. */
#define CHILD "UNIT_FAULT_CHILD"

static void child_of_the_fault_tests(void **state)
{
    (void)state;
    if (!getenv(CHILD))
        return;
    int hits = 0;
    for (int i = 0; i < 4; i++) {
        scoped(Arena *, arena_freep) arena = arena_new();
        Error err = {.arena = arena};
        if (FAULT("child.point", &err)) {
            hits |= 1 << i;
            if (!str_starts(str_from(err.message), STR("fault at child.point")))
                _exit(100);
            if (strcmp(getenv(CHILD), error_kind_name(err.kind)) != 0)
                _exit(101);
        } else if (err.kind != ERROR_NONE) {
            _exit(102);
        }
        if (FAULT("child.other", &err))
            _exit(103);
    }
    _exit(hits);
}

/* The wait status of a child with this WHIMBREL_FAULT. */
static int run_child(const char *faults, const char *kind)
{
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        setenv("WHIMBREL_FAULT", faults, 1);
        setenv(CHILD, kind, 1);
        /* What it says is not for the reader of the tests. */
        if (!freopen("/dev/null", "w", stdout) || !freopen("/dev/null", "w", stderr))
            _exit(104);
        execl(unit_program, "unit", "child_of_the_fault_tests", (char *)NULL);
        _exit(105);
    }
    int status;
    assert_int_equal(waitpid(child, &status, WUNTRACED), child);
    if (WIFSTOPPED(status)) {
        kill(child, SIGCONT);
        int end;
        assert_int_equal(waitpid(child, &end, 0), child);
        assert_true(WIFEXITED(end));
        assert_int_equal(WEXITSTATUS(end), 0);
    }
    return status;
}

static void a_point_fails_at_its_nth_call(void **state)
{
    (void)state;
    static const struct {
        const char *faults, *kind;
        int hits;
    } cases[] = {
        {"", "none", 0},
        {"child.point:1:fail", "io", 1},
        {"child.point:3:fail", "io", 4},
        {"child.point:9:fail", "io", 0},
        {"child.point:0:fail", "io", 15},
        {"child.point:2:ENOSPC", "io", 2},
        {"child.point:2:EIO", "io", 2},
        {"child.point:4:drop", "connect", 8},
        {"child.point:1:fail,child.point:4:EIO", "io", 9},
        {"child:1:fail", "io", 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int status = run_child(cases[i].faults, cases[i].kind);
        if (!WIFEXITED(status) || WEXITSTATUS(status) != cases[i].hits)
            fail_msg("%s: status %x", cases[i].faults, (unsigned)status);
    }
}

static void a_point_kills_or_stops(void **state)
{
    (void)state;
    int status = run_child("child.point:2:kill", "none");
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGKILL);
    status = run_child("child.point:2:stop", "none");
    assert_true(WIFSTOPPED(status));
}

static void a_misspelt_fault_is_not_passed_over(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "child.point",           "child.point:1", "child.point:x:fail",
        "child.point:1:explode", ":1:fail",       "child.point:1:fail,,"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        int status = run_child(wrong[i], "none");
        if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGABRT)
            fail_msg("%s: status %x", wrong[i], (unsigned)status);
    }
}

/* ---- running out of memory ---- */

typedef bool (*Work)(Arena *arena, const char *folder, Error *err);

static bool build_strings(Arena *arena, const char *folder, Error *err)
{
    StrBuf buf = strbuf(arena);
    Str text, copy;
    for (int i = 0; i < 100; i++)
        strbuf_addf(&buf, "%s %d;", folder, i);
    char *formatted = str_format(arena, "%s", folder);
    if (!strbuf_finish(&buf, &text) || !str_copy(arena, text, &copy) || !formatted ||
        !path_join(arena, "a", copy))
        return error_nomem(err);
    return copy.len == text.len;
}

static bool fill_vector(Arena *arena, const char *folder, Error *err)
{
    (void)folder;
    StrVec strs = {0};
    for (int i = 0; i < 100; i++)
        if (!vec_push(arena, &strs, STR("x")))
            return error_nomem(err);
    return strs.len == 100;
}

static bool write_and_read(Arena *arena, const char *folder, Error *err)
{
    Str text;
    char *path = path_join(arena, folder, STR("a/b/f"));
    char *below = path_join(arena, folder, STR("a/b"));
    FolderEntryVec entries;
    if (!path || !below)
        return error_nomem(err);
    return folder_make(arena, below, 0755, err) &&
           file_write(arena, path, STR("text"), 0644, err) &&
           file_read(arena, path, 0, &text, err) && folder_list(arena, below, &entries, err) &&
           text.len == 4 && entries.len == 1;
}

static bool read_by_pieces(Arena *arena, const char *folder, Error *err)
{
    FileReader reader;
    char buf[64];
    size_t len;
    (void)folder;
    bool is_ok = file_reader_open(&reader, arena, "/proc/self/status", err) &&
                 file_reader_read(&reader, buf, sizeof buf, &len, err);
    file_reader_close(&reader);
    return is_ok;
}

static bool compress_and_expand(Arena *arena, const char *folder, Error *err)
{
    (void)folder;
    Str compressed, back;
    return bytes_compress(arena, STR("some text, some text, some text"), &compressed, err) &&
           bytes_expand(arena, compressed, 100000, &back, err) && back.len == 31;
}

static bool hexadecimal(Arena *arena, const char *folder, Error *err)
{
    Str back;
    char *hex = hex_encode(arena, folder, strlen(folder));
    if (!hex || !hex_decode(arena, str_from(hex), &back))
        return error_nomem(err);
    return true;
}

static bool swallow(void *ctx, Str text, Error *err)
{
    (void)err;
    *(size_t *)ctx += text.len;
    return true;
}

static bool write_json(Arena *arena, const char *folder, Error *err)
{
    StrBuf out = strbuf(arena);
    size_t total = 0;
    JsonWriter w = {.out = &out, .flush = swallow, .ctx = &total, .indent = 2};
    json_begin_array(&w);
    for (int i = 0; i < 2000; i++)
        json_str(&w, str_from(folder));
    json_end_array(&w);
    return json_finish(&w, err);
}

static void any_allocation_may_fail(Work work)
{
    char folder[] = "/tmp/whimbrel-unit-XXXXXX";
    assert_non_null(mkdtemp(folder));
    unsigned nth = 1;
    for (bool is_done = false; !is_done; nth++) {
        scoped(Arena *, arena_freep) errors = arena_new();
        scoped(Arena *, arena_freep) arena = arena_new();
        Error err = {.arena = errors};
        fault_fail_allocation(nth);
        bool ok = work(arena, folder, &err);
        bool has_fired = fault_fired();
        fault_fail_allocation(0);
        is_done = !has_fired;
        if (has_fired && ok)
            fail_msg("allocation %u failed and nobody noticed", nth);
        if (has_fired && err.kind != ERROR_NOMEM)
            fail_msg("allocation %u: %s", nth, err.message);
        if (!has_fired && !ok)
            fail_msg("failed undisturbed: %s", err.message);
        assert_true(nth < 10000);
    }
    /* The first round must have met at least one allocation. */
    assert_true(nth > 2);
    scoped(Arena *, arena_freep) arena = arena_new();
    file_remove(path_join(arena, folder, STR("a/b/f")), NULL);
    rmdir(path_join(arena, folder, STR("a/b")));
    rmdir(path_join(arena, folder, STR("a")));
    assert_int_equal(rmdir(folder), 0); /* empty: no temporary file was left */
}

static void strings_survive_the_loss_of_any_allocation(void **state)
{
    (void)state;
    any_allocation_may_fail(build_strings);
    any_allocation_may_fail(fill_vector);
    any_allocation_may_fail(hexadecimal);
}

static void files_survive_the_loss_of_any_allocation(void **state)
{
    (void)state;
    any_allocation_may_fail(write_and_read);
    any_allocation_may_fail(read_by_pieces);
}

static void compression_survives_the_loss_of_any_allocation(void **state)
{
    (void)state;
    any_allocation_may_fail(compress_and_expand);
}

static void json_survives_the_loss_of_any_allocation(void **state)
{
    (void)state;
    any_allocation_may_fail(write_json);
}

static void an_error_keeps_its_kind_when_its_text_finds_no_memory(void **state)
{
    (void)state;
    for (unsigned nth = 1;; nth++) {
        scoped(Arena *, arena_freep) arena = arena_new();
        Error err = {.arena = arena};
        fault_fail_allocation(nth);
        error_set(&err, ERROR_SQL, "relation %s exists",
                  "a rather long name that does not fit the first buffer");
        error_wrap(&err, "running %s", "V1");
        error_hint(&err, "Do %s.", "this");
        error_at(&err, STR("a.sql"), 3, 4);
        bool has_fired = fault_fired();
        fault_fail_allocation(0);
        assert_int_equal(err.kind, ERROR_SQL);
        assert_non_null(err.message);
        assert_non_null(strstr(err.message, "relation"));
        assert_int_equal(err.pos.line, 3);
        if (!has_fired)
            break;
    }
}

static void an_arena_may_not_come_into_being(void **state)
{
    (void)state;
    fault_fail_allocation(1);
    Arena *arena = arena_new();
    assert_true(fault_fired());
    assert_null(arena);
    fault_fail_allocation(0);
    assert_false(fault_fired());
}

UNIT_TESTS(fault) = {
    cmocka_unit_test(child_of_the_fault_tests),
    cmocka_unit_test(a_point_fails_at_its_nth_call),
    cmocka_unit_test(a_point_kills_or_stops),
    cmocka_unit_test(a_misspelt_fault_is_not_passed_over),
    cmocka_unit_test(strings_survive_the_loss_of_any_allocation),
    cmocka_unit_test(files_survive_the_loss_of_any_allocation),
    cmocka_unit_test(compression_survives_the_loss_of_any_allocation),
    cmocka_unit_test(json_survives_the_loss_of_any_allocation),
    cmocka_unit_test(an_error_keeps_its_kind_when_its_text_finds_no_memory),
    cmocka_unit_test(an_arena_may_not_come_into_being),
};
UNIT_TESTS_END(fault)

/* The cache of checksums: what it spares, and that nothing which changed goes by unseen. SPDX-License-Identifier: Apache-2.0 */
#include "migration/migration.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "unit.h"

enum {
    COUNT = 12,
    AT_ONCE = -1000000000
}; /* a rest of less than nothing: also what was written just now is kept */

typedef struct World {
    char folder[40];
    Arena *arena;
    Error err;
    const char *cache;
    const char *paths[COUNT];
    HistoryRow rows[COUNT];
    History history;
} World;

static const char *checksum_of(World *w, const char *text)
{
    Hash hash;
    unsigned char digest[HASH_MAX_BYTES];
    hash_begin(&hash, HASH_SHA256);
    hash_add(&hash, str_from(text));
    return hex_encode(w->arena, digest, hash_end(&hash, digest));
}

static void put(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

/* COUNT migrations that were applied as they are. */
static World *world_new(void)
{
    Arena *arena = arena_new();
    World *w = arena_alloc(arena, sizeof *w);
    w->arena = w->err.arena = arena;
    strncpy(w->folder, "/tmp/whimbrel-unit-XXXXXX", sizeof w->folder - 1);
    assert_non_null(mkdtemp(w->folder));
    w->cache = str_format(arena, "%s/cache/whimbrel/set", w->folder);
    for (int i = 0; i < COUNT; i++) {
        char *text = str_format(arena, "SELECT %02d;\n", i);
        w->paths[i] = str_format(arena, "%s/%02d_m.sql", w->folder, i);
        put(w->paths[i], text);
        w->rows[i] = (HistoryRow){.version = str_from(str_format(arena, "%02d", i)),
                                  .name = STR("m"),
                                  .outcome = HISTORY_APPLIED,
                                  .checksum = str_from(checksum_of(w, text)),
                                  .tokens = STR("as applied")};
    }
    w->history = (History){.rows = {.items = w->rows, .len = COUNT, .cap = COUNT}};
    assert_true(history_finish(arena, &w->history, &w->err));
    return w;
}

static void world_free(World *w)
{
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", w->folder);
    assert_int_equal(system(command), 0);
    arena_free(w->arena);
}

/* Reads them as a run does. Returns how many files were opened; *ret_changed: how many are not as history knows them. */
static size_t read_all(World *w, const char *cache, int64_t rest_us, size_t *ret_changed)
{
    MigrationSet set = {
        .script_options = {.split = {.dialect = SQL_SQLITE}, .checksum_hash = HASH_SHA256},
        .cache = {.path = cache, .fewest = COUNT, .rest_us = rest_us}};
    for (int i = 0; i < COUNT; i++) {
        Migration migration = {.version = w->rows[i].version,
                               .name = STR("m"),
                               .up = script_new(w->arena, NULL, w->paths[i])};
        assert_true(vec_push(w->arena, &set.migrations, migration));
    }
    assert_true(migration_set_finish(&set, &w->err));
    migration_set_expect(&set, &w->history);
    assert_true(migration_set_read(w->arena, &set, false, &w->err));
    *ret_changed = 0;
    for (int i = 0; i < COUNT; i++)
        *ret_changed += !str_eq(set.migrations.items[i].up->checksum, w->rows[i].checksum);
    return set.opened;
}

static void unchanged_files_are_not_opened_again(void **state)
{
    (void)state;
    World *w = world_new();
    size_t changed;
    struct stat info;
    assert_int_equal(read_all(w, w->cache, AT_ONCE, &changed), COUNT);
    assert_int_equal(changed, 0);
    assert_int_equal(read_all(w, w->cache, AT_ONCE, &changed), 0);
    assert_int_equal(changed, 0);
    assert_int_equal(stat(w->cache, &info), 0);
    assert_int_equal(info.st_mode & 07777, 0600);
    assert_int_equal(stat(str_format(w->arena, "%s/cache/whimbrel", w->folder), &info), 0);
    assert_int_equal(info.st_mode & 07777, 0700);
    /* Without a place, and for fewer than it is worth, nothing is kept. */
    assert_int_equal(read_all(w, NULL, AT_ONCE, &changed), COUNT);
    world_free(w);
}

static void a_change_is_seen_though_size_and_time_are_put_back(void **state)
{
    (void)state;
    World *w = world_new();
    size_t changed;
    struct stat info;
    read_all(w, w->cache, AT_ONCE, &changed);
    assert_int_equal(stat(w->paths[3], &info), 0);
    put(w->paths[3], "SELECT 77;\n");
    struct timespec times[2] = {info.st_atim, info.st_mtim};
    assert_int_equal(utimensat(AT_FDCWD, w->paths[3], times, 0), 0);
    assert_true(read_all(w, w->cache, AT_ONCE, &changed) >= 1);
    assert_int_equal(changed, 1);
    /* The same by way of another file that takes its name. */
    const char *other = str_format(w->arena, "%s/other", w->folder);
    put(other, "SELECT 88;\n");
    assert_int_equal(utimensat(AT_FDCWD, other, times, 0), 0);
    assert_int_equal(rename(other, w->paths[4]), 0);
    read_all(w, w->cache, AT_ONCE, &changed);
    assert_int_equal(changed, 2);
    /* What changed was read once more to learn its tokens; now the rest is not opened. */
    put(w->paths[3], "SELECT 03;\n");
    put(w->paths[4], "SELECT 04;\n");
    read_all(w, w->cache, AT_ONCE, &changed);
    assert_int_equal(changed, 0);
    assert_int_equal(read_all(w, w->cache, AT_ONCE, &changed), 0);
    world_free(w);
}

static void what_was_written_just_now_is_not_trusted(void **state)
{
    (void)state;
    World *w = world_new();
    size_t changed;
    int64_t hour_us = 3600000000;
    assert_int_equal(read_all(w, w->cache, hour_us, &changed), COUNT);
    assert_int_equal(access(w->cache, F_OK), -1);
    assert_int_equal(read_all(w, w->cache, hour_us, &changed), COUNT);
    /* A time in the future is as good as now. */
    read_all(w, w->cache, AT_ONCE, &changed);
    struct timespec times[2] = {{.tv_sec = 4102444800}, {.tv_sec = 4102444800}};
    assert_int_equal(utimensat(AT_FDCWD, w->paths[0], times, 0), 0);
    assert_int_equal(read_all(w, w->cache, 0, &changed), 1);
    assert_int_equal(read_all(w, w->cache, 0, &changed), 1);
    world_free(w);
}

static void a_broken_or_foreign_cache_is_none(void **state)
{
    (void)state;
    World *w = world_new();
    size_t changed;
    Str whole;
    read_all(w, w->cache, AT_ONCE, &changed);
    assert_true(file_read(w->arena, w->cache, 0, &whole, &w->err));
    /* Each byte in turn is turned over; and it is cut off at each length. */
    for (size_t i = 0; i < whole.len * 2; i += 7) {
        Str text;
        assert_true(str_copy(w->arena, whole, &text));
        if (i < whole.len)
            ((char *)(uintptr_t)text.ptr)[i] ^= 0x41;
        else
            text.len = i - whole.len;
        assert_true(file_write(w->arena, w->cache, text, 0600, &w->err));
        size_t opened = read_all(w, w->cache, AT_ONCE, &changed);
        assert_int_equal(changed, 0);
        /* Only four bytes of the head mean nothing. */
        bool is_padding = i < whole.len && i >= 44 && i < 48;
        assert_int_equal(opened, is_padding ? 0 : COUNT);
        assert_int_equal(read_all(w, w->cache, AT_ONCE, &changed), 0);
    }
    world_free(w);
}

static void a_cache_that_others_can_write_to_is_none(void **state)
{
    (void)state;
    World *w = world_new();
    size_t changed;
    const char *folder = str_format(w->arena, "%s/cache/whimbrel", w->folder);
    read_all(w, w->cache, AT_ONCE, &changed);
    assert_int_equal(chmod(w->cache, 0666), 0);
    assert_int_equal(read_all(w, w->cache, AT_ONCE, &changed), COUNT);
    assert_int_equal(read_all(w, w->cache, AT_ONCE, &changed), 0);
    /* A link in its place could lead anywhere. */
    const char *aside = str_format(w->arena, "%s/aside", w->folder);
    assert_int_equal(rename(w->cache, aside), 0);
    assert_int_equal(symlink(aside, w->cache), 0);
    assert_int_equal(read_all(w, w->cache, AT_ONCE, &changed), COUNT);
    unlink(w->cache);
    assert_int_equal(chmod(folder, 0777), 0);
    assert_int_equal(read_all(w, w->cache, AT_ONCE, &changed), COUNT);
    assert_int_equal(access(w->cache, F_OK), -1);
    world_free(w);
}

static void where_nothing_can_be_written_nothing_is_kept(void **state)
{
    (void)state;
    World *w = world_new();
    size_t changed;
    /* The home is not there, and is not made; a file is in the folder's place; there is a folder in the file's place. */
    const char *none = str_format(w->arena, "%s/no/home/.cache/whimbrel/set", w->folder);
    assert_int_equal(read_all(w, none, AT_ONCE, &changed), COUNT);
    assert_int_equal(access(str_format(w->arena, "%s/no", w->folder), F_OK), -1);
    const char *file = str_format(w->arena, "%s/file", w->folder);
    put(file, "");
    assert_int_equal(read_all(w, str_format(w->arena, "%s/whimbrel/set", file), AT_ONCE, &changed),
                     COUNT);
    const char *taken = str_format(w->arena, "%s/taken/whimbrel/set", w->folder);
    assert_true(folder_make(w->arena, taken, 0700, &w->err));
    assert_int_equal(read_all(w, taken, AT_ONCE, &changed), COUNT);
    assert_int_equal(changed, 0);
    FolderEntryVec left;
    assert_true(folder_list(w->arena, str_format(w->arena, "%s/taken/whimbrel", w->folder), &left,
                            &w->err));
    assert_int_equal(left.len, 1); /* no half-written file beside it */
    world_free(w);
}

static void two_sets_of_options_do_not_mix(void **state)
{
    (void)state;
    World *w = world_new();
    size_t changed;
    read_all(w, w->cache, AT_ONCE, &changed);
    MigrationSet set = {.script_options = {.split = {.dialect = SQL_SQLITE},
                                           .checksum_hash = HASH_SHA256,
                                           .ignored_chars = STR("\n")},
                        .cache = {.path = w->cache, .fewest = 1, .rest_us = AT_ONCE}};
    Migration migration = {
        .version = STR("00"), .name = STR("m"), .up = script_new(w->arena, NULL, w->paths[0])};
    assert_true(vec_push(w->arena, &set.migrations, migration));
    migration_set_expect(&set, &w->history);
    assert_true(migration_set_read(w->arena, &set, false, &w->err));
    assert_string_equal(set.migrations.items[0].up->checksum.ptr, checksum_of(w, "SELECT 00;"));
    world_free(w);
}

static void many_write_at_once(void **state)
{
    (void)state;
    World *w = world_new();
    size_t changed;
    for (int child = 0; child < 4; child++) {
        pid_t pid = fork();
        assert_true(pid >= 0);
        if (pid > 0)
            continue;
        bool is_good = true;
        for (int round = 0; round < 20; round++) {
            unlink(w->cache);
            read_all(w, w->cache, AT_ONCE, &changed);
            is_good = is_good && changed == 0;
        }
        _exit(is_good ? 0 : 1);
    }
    for (int child = 0; child < 4; child++) {
        int status;
        assert_true(wait(&status) > 0);
        assert_int_equal(status, 0);
    }
    read_all(w, w->cache, AT_ONCE, &changed);
    assert_int_equal(changed, 0);
    assert_int_equal(read_all(w, w->cache, AT_ONCE, &changed), 0);
    world_free(w);
}

/* One whose bytes hold the word, also where it lies across two pieces of a long file, must be read before something that it may
 * require goes. */
static void what_may_require_something_is_told_without_opening(void **state)
{
    (void)state;
    World *w = world_new();
    enum { FIRST = 3, LONG = 20, PIECE = 64 * 1024 };
    for (int i = FIRST; i < COUNT; i++) {
        size_t at = i == FIRST ? 20 : PIECE - (size_t)(i - FIRST);
        StrBuf text = strbuf(w->arena);
        Str made;
        while (text.len < at)
            strbuf_add_char(&text, ' ');
        strbuf_adds(&text, i == COUNT - 1 ? "require this" : "requires=1");
        while (i > FIRST && text.len < PIECE + LONG)
            strbuf_add_char(&text, ' ');
        assert_true(strbuf_finish(&text, &made));
        put(w->paths[i], str_z(w->arena, made));
        w->rows[i].checksum = str_from(checksum_of(w, str_z(w->arena, made)));
    }
    for (int round = 0; round < 2; round++) {
        MigrationSet set = {.script_options = {.split = {.dialect = SQL_SQLITE},
                                               .checksum_hash = HASH_SHA256,
                                               .reads_directives = true},
                            .cache = {.path = w->cache, .fewest = 1, .rest_us = AT_ONCE}};
        ScriptVec all = {0};
        for (int i = 0; i < COUNT; i++) {
            Migration migration = {.version = w->rows[i].version,
                                   .name = STR("m"),
                                   .up = script_new(w->arena, NULL, w->paths[i])};
            assert_true(vec_push(w->arena, &set.migrations, migration));
            assert_true(vec_push(w->arena, &all, migration.up));
        }
        migration_set_expect(&set, &w->history);
        assert_true(migration_set_read(w->arena, &set, false, &w->err));
        assert_int_equal(set.opened, round == 0 ? COUNT : 0);
        for (int i = 0; i < COUNT; i++)
            assert_int_equal(all.items[i]->is_undemanding, i < FIRST || i == COUNT - 1);
        /* Those that are wanted, and each of them once. */
        all.len = FIRST;
        set.opened = 0;
        for (int again = 0; again < 2; again++)
            assert_true(migration_set_read_these(w->arena, &set, &all, &w->err));
        assert_int_equal(set.opened, FIRST);
        assert_true(all.items[0]->has_parts);
        assert_string_equal(all.items[0]->checksum.ptr, w->rows[0].checksum.ptr);
    }
    world_free(w);
}

UNIT_TESTS(digest_cache) = {
    cmocka_unit_test(unchanged_files_are_not_opened_again),
    cmocka_unit_test(a_change_is_seen_though_size_and_time_are_put_back),
    cmocka_unit_test(what_was_written_just_now_is_not_trusted),
    cmocka_unit_test(a_broken_or_foreign_cache_is_none),
    cmocka_unit_test(a_cache_that_others_can_write_to_is_none),
    cmocka_unit_test(where_nothing_can_be_written_nothing_is_kept),
    cmocka_unit_test(two_sets_of_options_do_not_mix),
    cmocka_unit_test(many_write_at_once),
    cmocka_unit_test(what_may_require_something_is_told_without_opening),
};
UNIT_TESTS_END(digest_cache)

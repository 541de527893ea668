/* whimbrel's folders, and names for new files. SPDX-License-Identifier: Apache-2.0 */
#include "fixture.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool scan(Fixture *f, MigrationSet *ret_set)
{
    return f->ctx.convention->scan(&f->ctx, f->arena, ret_set, &f->err);
}

static MigrationSet must_scan(Fixture *f)
{
    MigrationSet set = {0};
    OK(f, scan(f, &set));
    return set;
}

/* "version name up down" of every migration, paths without the fixture's folder. */
static const char *listing(Fixture *f, const MigrationSet *set)
{
    StrBuf out = strbuf(f->arena);
    size_t cut = strlen(f->folder) + 1;
    Str text;
    for (size_t i = 0; i < set->migrations.len; i++) {
        const Migration *m = &set->migrations.items[i];
        const char *down;
        Script *script;
        assert_true(migration_down_path(f->arena, m, &down));
        assert_int_equal(down != NULL, migration_has_down(m));
        assert_true(migration_down(set, m, &script));
        assert_int_equal(script != NULL, down != NULL);
        if (script && down)
            assert_string_equal(script->path, down);
        strbuf_addf(&out, "%.*s %.*s %s %s\n",
                    STR_ARG(m->kind == MIGRATION_REPEATABLE ? STR("R") : m->version),
                    STR_ARG(m->name), m->up ? m->up->path + cut : "-", down ? down + cut : "-");
    }
    assert_true(strbuf_finish(&out, &text));
    return out.ptr;
}

static void every_form_of_the_table_is_read(void **state)
{
    Fixture *f = *state;
    static const char *const files[] = {
        "m/20250405120000_create_users.sql",
        "m/20250405120001_create_posts.up.sql",
        "m/20250405120001_create_posts.down.sql",
        "m/20250405120002_create_tags/up.sql",
        "m/20250405120002_create_tags/down.sql",
        "m/20250405120003_only_up/up.sql",
        "m/V001__first.sql",
        "m/rollback/V001__rollback.sql",
        "m/V2__second.sql",
        "m/U2__second.sql",
        "m/V2_1__two_one.sql",
        "m/V3__third.sql",
        "m/V3__third.down.sql",
        "m/V4__fourth.up.sql",
        "m/V4__fourth.down.sql",
        "m/2.10_two_ten.sql",
        "m/R__views.sql",
        "m/2024/20240101000000_in_a_sub_folder.sql",
        "m/2024/deeper/20240101000001_deeper.sql",
        "m/7__two_underscores.sql",
        "m/8_with.dots.sql",
        NULL,
    };
    for (size_t i = 0; files[i]; i++)
        fixture_file(f, files[i], "");
    MigrationSet set = must_scan(f);
    assert_string_equal(
        listing(f, &set),
        "001 first m/V001__first.sql m/rollback/V001__rollback.sql\n"
        "2 second m/V2__second.sql m/U2__second.sql\n"
        "2.1 two_one m/V2_1__two_one.sql -\n"
        "2.10 two_ten m/2.10_two_ten.sql -\n"
        "3 third m/V3__third.sql m/V3__third.down.sql\n"
        "4 fourth m/V4__fourth.up.sql m/V4__fourth.down.sql\n"
        "7 two_underscores m/7__two_underscores.sql -\n"
        "8 with.dots m/8_with.dots.sql -\n"
        "20240101000000 in_a_sub_folder m/2024/20240101000000_in_a_sub_folder.sql -\n"
        "20240101000001 deeper m/2024/deeper/20240101000001_deeper.sql -\n"
        "20250405120000 create_users m/20250405120000_create_users.sql -\n"
        "20250405120001 create_posts m/20250405120001_create_posts.up.sql "
        "m/20250405120001_create_posts.down.sql\n"
        "20250405120002 create_tags m/20250405120002_create_tags/up.sql "
        "m/20250405120002_create_tags/down.sql\n"
        "20250405120003 only_up m/20250405120003_only_up/up.sql -\n"
        "R views m/R__views.sql -\n");
    assert_int_equal(set.ignored.len, 0);
    assert_int_equal(set.script_options.checksum_hash, HASH_SHA256);
    assert_true(set.script_options.reads_directives);
    OK(f, migration_set_read(f->arena, &set, true, &f->err));
}

static void other_files_are_named_but_common_ones_are_not(void **state)
{
    Fixture *f = *state;
    static const char *const files[] = {
        "m/README.md",         "m/readme",       "m/.gitkeep",      "m/.1_hidden.sql",
        "m/1_x.sql~",          "m/.git/1_x.sql", "m/notes.txt",     "m/schema.sql",
        "m/Views.sql",         "m/users.sql",    "m/up.sql",        "m/tests/1_t.sql",
        "m/templates/1_t.sql", "m/1_x.sql.bak",  "m/2_y/notes.sql", NULL};
    for (size_t i = 0; files[i]; i++)
        fixture_file(f, files[i], "");
    MigrationSet set = must_scan(f);
    assert_int_equal(set.migrations.len, 0);
    static const char *const named[] = {"m/1_x.sql.bak", "m/2_y/notes.sql", "m/Views.sql",
                                        "m/notes.txt",   "m/schema.sql",    "m/up.sql",
                                        "m/users.sql"};
    assert_int_equal(set.ignored.len, sizeof named / sizeof *named);
    for (size_t i = 0; i < set.ignored.len; i++)
        assert_true(str_eq(set.ignored.items[i], str_from(fixture_path(f, named[i]))));
}

static void bad_names_are_errors_with_the_right_form(void **state)
{
    Fixture *f = *state;
    static const struct {
        const char *name, *right;
    } cases[] = {
        {"20250405120000.sql", "20250405120000_name.sql"},
        {"20250405120000-create-users.sql", "20250405120000_create_users.sql"},
        {"2025-04-05-create.sql", "20250405_create.sql"},
        {"1_.sql", "1_name.sql"},
        {"1_.up.sql", "1_name.up.sql"},
        {"1_x.SQL", "1_x.sql"},
        {"1..2_x.sql", "12_x.sql"},
        {"12abc.sql", "12_abc.sql"},
        {"V1_x.sql", "V1__x.sql"},
        {"V1__.sql", "V1__name.sql"},
        {"v1__x.sql", "V1__x.sql"},
        {"v1__x.up.sql", "V1__x.up.sql"},
        {"V1.sql", "V1__name.sql"},
        {"V__x.sql", "V1__x.sql"},
        {"u3__x.sql", "U3__x.sql"},
        {"R_views.sql", "R__views.sql"},
        {"r__views.sql", "R__views.sql"},
        {"R__.sql", "R__name.sql"},
        {"R__views.up.sql", "R__views.sql"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        MigrationSet set;
        const char *path = str_format(f->arena, "m%zu/%s", i, cases[i].name);
        fixture_file(f, path, "");
        fixture_folders(f, str_format(f->arena, "m%zu", i), NULL);
        fixture_refused(f, scan(f, &set), "bad-name", cases[i].name,
                        str_format(f->arena, "Rename it to %s,", cases[i].right));
        /* The name that is proposed is one that is read. */
        fixture_file(f, str_format(f->arena, "good%zu/%s", i, cases[i].right), "");
        fixture_folders(f, str_format(f->arena, "good%zu", i), NULL);
        if (cases[i].right[0] != 'U')
            assert_int_equal(must_scan(f).migrations.len, 1);
    }
}

static void a_name_that_is_not_utf8_is_refused(void **state)
{
    Fixture *f = *state;
    MigrationSet set;
    fixture_file(f, "m/1_\xff.sql", "");
    fixture_refused(f, scan(f, &set), "bad-name", "not UTF-8", NULL);
}

static void what_stands_in_a_files_place_is_refused(void **state)
{
    Fixture *f = *state;
    MigrationSet set;
    assert_int_equal(mkdir(fixture_path(f, "a"), 0755), 0);
    assert_int_equal(mkdir(fixture_path(f, "a/1_x.sql"), 0755), 0);
    fixture_folders(f, "a", NULL);
    fixture_refused(f, scan(f, &set), "bad-name", "a/1_x.sql is a folder", "up.sql");
    assert_int_equal(mkdir(fixture_path(f, "b"), 0755), 0);
    assert_int_equal(symlink("nowhere", fixture_path(f, "b/1_x.sql")), 0);
    fixture_folders(f, "b", NULL);
    fixture_refused(f, scan(f, &set), "bad-file", "b/1_x.sql is a symbolic link that leads nowhere",
                    NULL);
    assert_int_equal(mkdir(fixture_path(f, "c"), 0755), 0);
    assert_int_equal(mkfifo(fixture_path(f, "c/1_x.sql"), 0644), 0);
    fixture_folders(f, "c", NULL);
    fixture_refused(f, scan(f, &set), "bad-file", "c/1_x.sql is not a regular file", NULL);
    fixture_folders(f, "absent", NULL);
    assert_false(scan(f, &set));
    assert_int_equal(f->err.kind, ERROR_IO);
    assert_non_null(strstr(f->err.message, "absent"));
}

static void an_unreadable_file_is_named_when_read(void **state)
{
    Fixture *f = *state;
    fixture_file(f, "m/1_x.sql", "SELECT 1;");
    MigrationSet set = must_scan(f);
    assert_int_equal(unlink(fixture_path(f, "m/1_x.sql")), 0);
    assert_false(migration_set_read(f->arena, &set, true, &f->err));
    assert_int_equal(f->err.kind, ERROR_IO);
    assert_non_null(strstr(f->err.message, "m/1_x.sql"));
}

static void links_are_followed_but_not_in_circles(void **state)
{
    Fixture *f = *state;
    fixture_file(f, "m/1_a.sql", "");
    fixture_file(f, "m/sub/2_b.sql", "");
    fixture_file(f, "elsewhere/3_c.sql", "");
    fixture_file(f, "elsewhere/deep/4_d.sql", "");
    fixture_file(f, "file.sql", "");
    assert_int_equal(symlink("../file.sql", fixture_path(f, "m/5_e.sql")), 0);
    assert_int_equal(symlink("..", fixture_path(f, "m/sub/up_again")), 0);
    assert_int_equal(symlink(".", fixture_path(f, "m/self")), 0);
    assert_int_equal(symlink("sub", fixture_path(f, "m/sub_again")), 0);
    assert_int_equal(symlink("../elsewhere", fixture_path(f, "m/more")), 0);
    assert_int_equal(symlink("../elsewhere/deep", fixture_path(f, "m/more2")), 0);
    assert_int_equal(symlink("..", fixture_path(f, "m/whole")),
                     0); /* holds m itself, and elsewhere again */
    MigrationSet set = must_scan(f);
    assert_int_equal(set.migrations.len, 5);
    for (size_t i = 0; i < 5; i++)
        assert_int_equal(set.migrations.items[i].version.ptr[0], '1' + (int)i);
}

static void a_link_into_a_hidden_folder_is_followed(void **state)
{
    Fixture *f = *state;
    fixture_file(f, "m/..2024_11/1_a.sql", "");
    assert_int_equal(symlink("..2024_11", fixture_path(f, "m/current")), 0);
    assert_int_equal(symlink("..2024_11/1_a.sql", fixture_path(f, "m/.data")), 0);
    MigrationSet set = must_scan(f);
    assert_int_equal(set.migrations.len, 1);
}

static void several_folders_make_one_set(void **state)
{
    Fixture *f = *state;
    MigrationSet set;
    fixture_file(f, "a/2_two.sql", "");
    fixture_file(f, "b/1_one.sql", "");
    fixture_file(f, "b/seeds/dev.sql", "");
    fixture_folders(f, "a", "b");
    set = must_scan(f);
    assert_int_equal(set.migrations.len, 2);
    assert_true(str_eq(set.migrations.items[0].name, STR("one")));
    assert_int_equal(set.seeds.len, 1);
    /* One within the other, and one twice. */
    fixture_file(f, "a/in/3_three.sql", "");
    fixture_file(f, "a/in/seeds/dev.sql", "");
    fixture_folders(f, "a", "a/in");
    set = must_scan(f);
    assert_int_equal(set.migrations.len, 2);
    assert_int_equal(set.seeds.len, 1);
    fixture_folders(f, "a/in", "a/../a/in");
    set = must_scan(f);
    assert_int_equal(set.migrations.len, 1);
    fixture_file(f, "b/2_other.sql", "");
    fixture_folders(f, "a", "b");
    fixture_refused(f, scan(f, &set), "duplicate-version", "a/2_two.sql", NULL);
}

static void duplicates_name_both_files(void **state)
{
    Fixture *f = *state;
    MigrationSet set;
    fixture_file(f, "a/1_x.sql", "");
    fixture_file(f, "a/V001__y.sql", "");
    fixture_folders(f, "a", NULL);
    fixture_refused(f, scan(f, &set), "duplicate-version", "a/1_x.sql and ", NULL);
    fixture_file(f, "b/1_x.sql", "");
    fixture_file(f, "b/U1__x.sql", "");
    fixture_file(f, "b/1_x.down.sql", "");
    fixture_folders(f, "b", NULL);
    fixture_refused(f, scan(f, &set), "duplicate-version", "b/1_x.down.sql and ", NULL);
    fixture_file(f, "c/R__v.sql", "");
    fixture_file(f, "c/sub/R__v.sql", "");
    fixture_folders(f, "c", NULL);
    fixture_refused(f, scan(f, &set), "duplicate-version", "c/sub/R__v.sql", NULL);
}

static void a_down_needs_its_up(void **state)
{
    Fixture *f = *state;
    static const char *const downs[] = {"m/2_x.down.sql", "m/U2__x.sql",
                                        "m/rollback/V2__rollback.sql", "m/2_x/down.sql"};
    MigrationSet set;
    for (size_t i = 0; i < 4; i++) {
        const char *folder = str_format(f->arena, "f%zu", i);
        fixture_file(f, str_format(f->arena, "%s/1_a.sql", folder), "");
        fixture_file(f, str_format(f->arena, "%s/3_a.sql", folder), "");
        fixture_file(f, str_format(f->arena, "%s%s", folder, downs[i] + 1), "");
        fixture_folders(f, folder, NULL);
        fixture_refused(f, scan(f, &set), "down-without-up", downs[i] + 1, "Add the up");
    }
}

static void seeds_come_in_the_order_in_which_they_run(void **state)
{
    Fixture *f = *state;
    static const char *const files[] = {"m/seeds/dev/2_more.sql", "m/seeds/dev/1_first.sql",
                                        "m/seeds/dev.sql",        "m/seeds/prod.sql",
                                        "m/seeds/dev/notes.txt",  NULL};
    for (size_t i = 0; files[i]; i++)
        fixture_file(f, files[i], "");
    MigrationSet set = must_scan(f);
    static const struct {
        const char *environment, *path;
    } expected[] = {{"dev", "m/seeds/dev.sql"},
                    {"prod", "m/seeds/prod.sql"},
                    {"dev", "m/seeds/dev/1_first.sql"},
                    {"dev", "m/seeds/dev/2_more.sql"}};
    assert_int_equal(set.seeds.len, 4);
    for (size_t i = 0; i < 4; i++) {
        assert_true(str_eq(set.seeds.items[i].environment, str_from(expected[i].environment)));
        assert_string_equal(set.seeds.items[i].script->path, fixture_path(f, expected[i].path));
    }
    assert_int_equal(set.migrations.len, 0);
    assert_int_equal(set.ignored.len, 1);
}

static void hooks_are_sql_or_programs(void **state)
{
    Fixture *f = *state;
    MigrationSet set;
    fixture_file(f, "m/hooks/before-migrate.sql", "SELECT 1;");
    fixture_file(f, "m/hooks/after-migrate", "#!/bin/sh\n");
    fixture_file(f, "m/hooks/helper.sh", "");
    fixture_refused(f, scan(f, &set), "bad-file", "hooks/after-migrate", "chmod +x");
    assert_int_equal(chmod(fixture_path(f, "m/hooks/after-migrate"), 0755), 0);
    set = must_scan(f);
    assert_int_equal(set.hooks.len, 2);
    assert_int_equal(set.hooks.items[0].point, HOOK_AFTER_MIGRATE);
    assert_string_equal(set.hooks.items[0].program, fixture_path(f, "m/hooks/after-migrate"));
    assert_null(set.hooks.items[0].script);
    assert_int_equal(set.hooks.items[1].point, HOOK_BEFORE_MIGRATE);
    assert_non_null(set.hooks.items[1].script);
    assert_null(set.hooks.items[1].program);
    assert_int_equal(set.ignored.len, 1);
    fixture_file(f, "m/hooks/before-migrat.sql", "");
    fixture_refused(f, scan(f, &set), "bad-name", "before-migrat.sql", "before-migrate.sql");
}

static void embedded_files_scan_like_those_on_disk(void **state)
{
    Fixture *f = *state;
    static const TreeFile files[] = {
        {STR("1_a.sql"), STR("SELECT 1;")},
        {STR("1_a.down.sql"), STR("SELECT 2;")},
        {STR("more/2_b/up.sql"), STR("SELECT 3;")},
        {STR("seeds/dev.sql"), STR("SELECT 4;")},
    };
    FileTree tree;
    OK(f, file_tree_make(f->arena, files, 4, &tree, &f->err));
    f->ctx.files = &tree;
    f->ctx.folders = (StrVec){0};
    assert_true(vec_push(f->arena, &f->ctx.folders, STR(".")));
    MigrationSet set = must_scan(f);
    assert_int_equal(set.migrations.len, 2);
    assert_true(str_eq(set.migrations.items[0].down->text, STR("SELECT 2;")));
    assert_string_equal(set.migrations.items[1].up->path, "more/2_b/up.sql");
    assert_int_equal(set.seeds.len, 1);
    OK(f, migration_set_read(f->arena, &set, true, &f->err));
}

static const char *new_paths(Fixture *f, const char *name, unsigned kind, bool is_numbered)
{
    MigrationSet set = must_scan(f);
    Timestamp now;
    StrVec paths = {0};
    assert_true(timestamp_parse(STR("2026-11-20 18:00:00"), &now));
    OK(f, f->ctx.convention->new_paths(&f->ctx, f->arena, &set, str_from(name), kind, is_numbered,
                                       now, &paths, &f->err));
    StrBuf out = strbuf(f->arena);
    Str text;
    for (size_t i = 0; i < paths.len; i++) {
        strbuf_adds(&out, i > 0 ? " " : "");
        strbuf_add(&out, paths.items[i]);
    }
    assert_true(strbuf_finish(&out, &text));
    return out.ptr;
}

static void new_files_follow_the_project(void **state)
{
    Fixture *f = *state;
    fixture_file(f, "a/.keep", "");
    fixture_folders(f, "a", NULL);
    assert_string_equal(new_paths(f, "Add users", NEW_DEFAULT, false),
                        "20261120180000_add_users.up.sql 20261120180000_add_users.down.sql");
    assert_string_equal(new_paths(f, "AddUsers2the HTTPLog", NEW_SQL_ONLY, false),
                        "20261120180000_add_users2the_http_log.sql");
    assert_string_equal(new_paths(f, "--über  maß!", NEW_SQL_ONLY, false),
                        "20261120180000_über_maß.sql");
    assert_string_equal(new_paths(f, "views", NEW_REPEATABLE, false), "R__views.sql");
    assert_string_equal(new_paths(f, "x", NEW_FOLDER, false),
                        "20261120180000_x/up.sql 20261120180000_x/down.sql");
    assert_string_equal(new_paths(f, "x", NEW_REVERSIBLE, true), "0001_x.up.sql 0001_x.down.sql");
    fixture_file(f, "b/20261120180000_a.sql", "");
    fixture_folders(f, "b", NULL);
    assert_string_equal(new_paths(f, "x", NEW_DEFAULT, false), "20261120180001_x.sql");
    fixture_file(f, "c/009_a/up.sql", "");
    fixture_file(f, "c/009_a/down.sql", "");
    fixture_folders(f, "c", NULL);
    assert_string_equal(new_paths(f, "x", NEW_DEFAULT, true), "010_x/up.sql 010_x/down.sql");
    fixture_file(f, "d/V007__a.sql", "");
    fixture_file(f, "d/rollback/V007__rollback.sql", "");
    fixture_folders(f, "d", NULL);
    assert_string_equal(new_paths(f, "x", NEW_DEFAULT, false),
                        "V008__x.sql rollback/V008__rollback.sql");
    fixture_file(f, "e/V7__a.sql", "");
    fixture_file(f, "e/U7__a.sql", "");
    fixture_folders(f, "e", NULL);
    assert_string_equal(new_paths(f, "x", NEW_DEFAULT, false), "V8__x.sql U8__x.sql");
    assert_string_equal(new_paths(f, "x", NEW_SQL_ONLY, false), "V8__x.sql");
}

static void a_migration_needs_a_name(void **state)
{
    Fixture *f = *state;
    fixture_file(f, "m/1_a.sql", "");
    MigrationSet set = must_scan(f);
    StrVec paths;
    static const char *const bad[] = {"", "--", "  ", "\xff"};
    for (size_t i = 0; i < 4; i++)
        fixture_refused(f,
                        f->ctx.convention->new_paths(&f->ctx, f->arena, &set, str_from(bad[i]),
                                                     NEW_DEFAULT, false, 0, &paths, &f->err),
                        "bad-name", NULL, NULL);
}

static void ten_thousand_files_are_scanned_and_read(void **state)
{
    Fixture *f = *state;
    for (int i = 0; i < 10000; i++) {
        char path[64];
        snprintf(path, sizeof path, "m/%05d_m.sql", i);
        if (i == 0) {
            fixture_file(f, path, "SELECT 1;");
            continue;
        }
        assert_int_equal(link(fixture_path(f, "m/00000_m.sql"), fixture_path(f, path)), 0);
    }
    scoped(Arena *, arena_freep) arena = arena_new();
    MigrationSet set;
    int64_t start = clock_monotonic_us();
    OK(f, f->ctx.convention->scan(&f->ctx, arena, &set, &f->err));
    int64_t scanned = clock_monotonic_us();
    OK(f, migration_set_read(arena, &set, false, &f->err));
    int64_t read = clock_monotonic_us();
    assert_int_equal(set.migrations.len, 10000);
    print_message("# scanned in %lld us, read in %lld us, %zu bytes\n",
                  (long long)(scanned - start), (long long)(read - scanned), arena_used(arena));
    assert_true(arena_used(arena) < 12000000);
}

#ifdef WHIMBREL_FAULTS
static void any_lost_allocation_is_an_error(void **state)
{
    Fixture *f = *state;
    static const char *const files[] = {"m/1_a.up.sql",      "m/1_a.down.sql",
                                        "m/V1_2__b.sql",     "m/R__v.sql",
                                        "m/seeds/dev/1.sql", "m/hooks/on-error.sql",
                                        "m/sub/3_c/up.sql",  "m/rollback/V1_2__rollback.sql",
                                        "m/other.txt",       NULL};
    for (size_t i = 0; files[i]; i++)
        fixture_file(f, files[i], "SELECT 1;");
    assert_int_equal(symlink("../m/sub", fixture_path(f, "m/zz")), 0);
    for (unsigned nth = 1;; nth++) {
        scoped(Arena *, arena_freep) arena = arena_new();
        Error err = {.arena = f->arena};
        MigrationSet set;
        StrVec paths = {0};
        fault_fail_allocation(nth);
        bool ok = f->ctx.convention->scan(&f->ctx, arena, &set, &err) &&
                  migration_set_read(arena, &set, true, &err) &&
                  f->ctx.convention->new_paths(&f->ctx, arena, &set, STR("x y"), NEW_DEFAULT, false,
                                               0, &paths, &err);
        bool fired = fault_fired();
        fault_fail_allocation(0);
        if (!fired) {
            assert_true(ok);
            assert_true(nth > 30);
            return;
        }
        assert_false(ok);
        assert_int_equal(err.kind, ERROR_NOMEM);
    }
}
#endif

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
UNIT_TESTS(whimbrel_files) = {
    TEST(every_form_of_the_table_is_read),
    TEST(other_files_are_named_but_common_ones_are_not),
    TEST(bad_names_are_errors_with_the_right_form),
    TEST(a_name_that_is_not_utf8_is_refused),
    TEST(what_stands_in_a_files_place_is_refused),
    TEST(an_unreadable_file_is_named_when_read),
    TEST(links_are_followed_but_not_in_circles),
    TEST(a_link_into_a_hidden_folder_is_followed),
    TEST(several_folders_make_one_set),
    TEST(duplicates_name_both_files),
    TEST(a_down_needs_its_up),
    TEST(seeds_come_in_the_order_in_which_they_run),
    TEST(hooks_are_sql_or_programs),
    TEST(embedded_files_scan_like_those_on_disk),
    TEST(new_files_follow_the_project),
    TEST(a_migration_needs_a_name),
    TEST(ten_thousand_files_are_scanned_and_read),
#ifdef WHIMBREL_FAULTS
    TEST(any_lost_allocation_is_an_error),
#endif
};
UNIT_TESTS_END(whimbrel_files)

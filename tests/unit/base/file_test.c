/* Files and folders, in a temporary folder a test. SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "unit.h"

typedef struct Place {
    char folder[32];
    Arena *arena;
    Error err;
} Place;

static Place place_new(void)
{
    Place place = {.folder = "/tmp/whimbrel-unit-XXXXXX", .arena = arena_new()};
    assert_non_null(mkdtemp(place.folder));
    place.err.arena = place.arena;
    return place;
}

static void remove_all(Arena *arena, const char *folder)
{
    FolderEntryVec entries;
    chmod(folder, 0700);
    if (folder_list(arena, folder, &entries, NULL)) {
        for (size_t i = 0; i < entries.len; i++) {
            char *path = path_join(arena, folder, entries.items[i].name);
            if (entries.items[i].kind == FILE_FOLDER && !entries.items[i].is_link)
                remove_all(arena, path);
            else
                unlink(path);
        }
    }
    rmdir(folder);
}

static void place_done(Place *place)
{
    remove_all(place->arena, place->folder);
    arena_free(place->arena);
}

static const char *in(Place *place, const char *name)
{
    return path_join(place->arena, place->folder, str_from(name));
}

static size_t entry_count(Place *place)
{
    FolderEntryVec entries;
    assert_true(folder_list(place->arena, place->folder, &entries, &place->err));
    return entries.len;
}

#define assert_holds(place, name, expected)                                                        \
    do {                                                                                           \
        Str text_;                                                                                 \
        assert_true(file_read((place)->arena, in((place), (name)), 0, &text_, &(place)->err));     \
        assert_int_equal(text_.len, strlen(expected));                                             \
        assert_string_equal(text_.ptr, expected);                                                  \
    } while (0)

static void what_is_written_is_read(void **state)
{
    (void)state;
    scoped(Place, place_done) place = place_new();
    static const size_t sizes[] = {0, 1, 4095, 4096, 4097, 3000000};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        char *bytes = arena_alloc(place.arena, sizes[i] + 1);
        for (size_t j = 0; j < sizes[i]; j++)
            bytes[j] = (char)(j * 31 + i);
        Str text = {bytes, sizes[i]}, back;
        assert_true(file_write(place.arena, in(&place, "f"), text, 0644, &place.err));
        assert_true(file_read(place.arena, in(&place, "f"), 0, &back, &place.err));
        assert_true(str_eq(text, back));
        assert_int_equal(back.ptr[back.len], '\0');
    }
    assert_int_equal(entry_count(&place), 1);
}

static void an_absent_file_is_named_with_the_reason(void **state)
{
    (void)state;
    scoped(Place, place_done) place = place_new();
    Str text = STR("untouched");
    const char *path = in(&place, "absent");
    assert_false(file_read(place.arena, path, 0, &text, &place.err));
    assert_int_equal(place.err.kind, ERROR_IO);
    assert_non_null(strstr(place.err.message, path));
    assert_non_null(strstr(place.err.message, "No such file"));
    assert_true(str_eq(text, STR("untouched")));
    assert_false(file_write(place.arena, in(&place, "no/such/folder"), text, 0644, &place.err));
    assert_non_null(strstr(place.err.message, "No such file"));
    assert_false(file_remove(path, &place.err));
    assert_non_null(strstr(place.err.message, path));
}

static void folders_and_devices_are_not_read(void **state)
{
    (void)state;
    scoped(Place, place_done) place = place_new();
    Str text;
    assert_false(file_read(place.arena, place.folder, 0, &text, &place.err));
    assert_non_null(strstr(place.err.message, "it is a folder"));
    assert_false(file_read(place.arena, "/dev/zero", 0, &text, &place.err));
    assert_non_null(strstr(place.err.message, "not a regular file"));
    assert_false(file_write(place.arena, place.folder, STR("x"), 0644, &place.err));
    assert_non_null(strstr(place.err.message, "it is a folder"));
}

static void a_pipe_is_read_to_its_end(void **state)
{
    (void)state;
    scoped(Place, place_done) place = place_new();
    const char *path = in(&place, "pipe");
    assert_int_equal(mkfifo(path, 0600), 0);
    pid_t child = fork();
    if (child == 0) {
        FILE *pipe = fopen(path, "w");
        for (int i = 0; i < 20000; i++)
            fputs("line\n", pipe);
        fclose(pipe);
        _exit(0);
    }
    Str text;
    assert_true(file_read(place.arena, path, 0, &text, &place.err));
    assert_int_equal(text.len, 100000);
    assert_int_equal(waitpid(child, NULL, 0), child);
}

static void the_limit_is_kept(void **state)
{
    (void)state;
    scoped(Place, place_done) place = place_new();
    Str text;
    assert_true(file_write(place.arena, in(&place, "f"), STR("12345678"), 0644, &place.err));
    assert_true(file_read(place.arena, in(&place, "f"), 8, &text, &place.err));
    assert_false(file_read(place.arena, in(&place, "f"), 7, &text, &place.err));
    assert_int_equal(place.err.kind, ERROR_IO);
    assert_non_null(strstr(place.err.message, "larger than 7 bytes"));
    /* A file whose size is not known beforehand. */
    assert_false(file_read(place.arena, "/proc/self/maps", 10, &text, &place.err));
    assert_non_null(strstr(place.err.message, "larger than 10 bytes"));
}

static void a_file_without_permission_is_named(void **state)
{
    (void)state;
    scoped(Place, place_done) place = place_new();
    assert_true(file_write(place.arena, in(&place, "f"), STR("x"), 0644, &place.err));
    assert_int_equal(chmod(in(&place, "f"), 0), 0);
    bool is_root = geteuid() == 0;
    /* Root may read everything: for a moment this is somebody else. */
    assert_int_equal(chmod(place.folder, 0755), 0);
    if (is_root)
        assert_int_equal(seteuid(65534), 0);
    Str text;
    bool is_read = file_read(place.arena, in(&place, "f"), 0, &text, &place.err);
    const char *reading = place.err.message;
    if (!is_root)
        chmod(place.folder, 0555);
    bool is_written = file_write(place.arena, in(&place, "new"), STR("x"), 0644, &place.err);
    const char *writing = place.err.message;
    if (is_root)
        assert_int_equal(seteuid(0), 0);
    assert_false(is_read);
    assert_non_null(strstr(reading, "Permission denied"));
    assert_false(is_written);
    assert_non_null(strstr(writing, "Permission denied"));
}

static void a_full_disk_is_an_error(void **state)
{
    (void)state;
    scoped(Place, place_done) place = place_new();
    assert_false(file_write(place.arena, "/dev/full", STR("x"), 0644, &place.err));
    assert_int_equal(place.err.kind, ERROR_IO);
    assert_non_null(strstr(place.err.message, "No space left on device"));
}

static void a_write_that_fails_half_way_leaves_the_old_text_and_no_litter(void **state)
{
    (void)state;
    scoped(Place, place_done) place = place_new();
    assert_true(file_write(place.arena, in(&place, "f"), STR("old"), 0644, &place.err));
    Str large = {arena_alloc(place.arena, 100000), 100000};
    struct rlimit before, small;
    getrlimit(RLIMIT_FSIZE, &before);
    small = before;
    small.rlim_cur = 50000;
    void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &small);
    bool is_written = file_write(place.arena, in(&place, "f"), large, 0644, &place.err);
    const char *message = place.err.message;
    bool is_created = file_create_new(in(&place, "new"), large, 0644, &place.err);
    setrlimit(RLIMIT_FSIZE, &before);
    signal(SIGXFSZ, handler);
    assert_false(is_written);
    assert_non_null(strstr(message, "File too large"));
    assert_false(is_created);
    assert_holds(&place, "f", "old");
    assert_int_equal(entry_count(&place), 1);
}

static void writing_keeps_links_and_permissions(void **state)
{
    (void)state;
    scoped(Place, place_done) place = place_new();
    struct stat info;
    mode_t mask = umask(022);
    assert_true(file_write(place.arena, in(&place, "f"), STR("one"), 0666, &place.err));
    umask(mask);
    assert_int_equal(stat(in(&place, "f"), &info), 0);
    assert_int_equal(info.st_mode & 07777, 0644);
    assert_int_equal(chmod(in(&place, "f"), 0600), 0);
    assert_int_equal(symlink("f", in(&place, "link")), 0);
    assert_true(file_write(place.arena, in(&place, "link"), STR("two"), 0644, &place.err));
    assert_int_equal(lstat(in(&place, "link"), &info), 0);
    assert_true(S_ISLNK(info.st_mode));
    assert_int_equal(stat(in(&place, "f"), &info), 0);
    assert_int_equal(info.st_mode & 07777, 0600);
    assert_holds(&place, "f", "two");
    assert_int_equal(entry_count(&place), 2);
}

static void a_new_file_never_overwrites(void **state)
{
    (void)state;
    scoped(Place, place_done) place = place_new();
    assert_true(file_create_new(in(&place, "f"), STR("first"), 0644, &place.err));
    assert_false(file_create_new(in(&place, "f"), STR("second"), 0644, &place.err));
    assert_non_null(strstr(place.err.message, "File exists"));
    assert_holds(&place, "f", "first");
    assert_int_equal(symlink("nowhere", in(&place, "dangling")), 0);
    assert_false(file_create_new(in(&place, "dangling"), STR("x"), 0644, &place.err));
}

static void looking_tells_what_is_there(void **state)
{
    (void)state;
    scoped(Place, place_done) place = place_new();
    FileInfo info;
    assert_true(file_write(place.arena, in(&place, "f"), STR("12345"), 0755, &place.err));
    assert_true(file_info(in(&place, "f"), &info, &place.err));
    assert_int_equal(info.kind, FILE_REGULAR);
    assert_int_equal(info.size_bytes, 5);
    assert_true(info.is_executable);
    assert_false(info.is_link);
    assert_true(file_info(place.folder, &info, &place.err));
    assert_int_equal(info.kind, FILE_FOLDER);
    assert_false(info.is_executable);
    assert_true(file_info("/dev/null", &info, &place.err));
    assert_int_equal(info.kind, FILE_OTHER);
    assert_true(file_info(in(&place, "absent"), &info, &place.err));
    assert_int_equal(info.kind, FILE_ABSENT);
    assert_true(file_info(in(&place, "f/below"), &info, &place.err));
    assert_int_equal(info.kind, FILE_ABSENT);
    assert_int_equal(symlink("f", in(&place, "link")), 0);
    assert_true(file_info(in(&place, "link"), &info, &place.err));
    assert_int_equal(info.kind, FILE_REGULAR);
    assert_true(info.is_link);
    assert_int_equal(symlink("loop", in(&place, "loop")), 0);
    assert_true(file_info(in(&place, "loop"), &info, &place.err));
    assert_int_equal(info.kind, FILE_ABSENT);
    assert_true(info.is_link);
    char long_name[5000];
    memset(long_name, 'a', sizeof long_name);
    long_name[sizeof long_name - 1] = '\0';
    assert_false(file_info(long_name, &info, &place.err));
    assert_non_null(strstr(place.err.message, "File name too long"));
}

static void a_folder_is_listed_in_order_of_bytes(void **state)
{
    (void)state;
    scoped(Place, place_done) place = place_new();
    static const char *const names[] = {"b", "a10", "a2", "Z", "\xc3\xa4", ".hidden", "a"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        assert_true(file_create_new(in(&place, names[i]), STR(""), 0644, &place.err));
    assert_true(folder_make(place.arena, in(&place, "dir"), 0755, &place.err));
    assert_int_equal(symlink("dir", in(&place, "link")), 0);
    assert_int_equal(symlink("nowhere", in(&place, "loose")), 0);
    static const char *const expected[] = {".hidden", "Z",   "a",    "a10",   "a2",
                                           "b",       "dir", "link", "loose", "\xc3\xa4"};
    FolderEntryVec entries;
    assert_true(folder_list(place.arena, place.folder, &entries, &place.err));
    assert_int_equal(entries.len, sizeof expected / sizeof *expected);
    for (size_t i = 0; i < entries.len; i++)
        assert_string_equal(entries.items[i].name.ptr, expected[i]);
    assert_int_equal(entries.items[6].kind, FILE_FOLDER);
    assert_false(entries.items[6].is_link);
    assert_int_equal(entries.items[7].kind, FILE_FOLDER);
    assert_true(entries.items[7].is_link);
    assert_int_equal(entries.items[8].kind, FILE_ABSENT);
    assert_true(entries.items[8].is_link);
    assert_int_equal(entries.items[0].kind, FILE_REGULAR);
    assert_false(folder_list(place.arena, in(&place, "absent"), &entries, &place.err));
    assert_non_null(strstr(place.err.message, "No such file"));
    assert_false(folder_list(place.arena, in(&place, "b"), &entries, &place.err));
    assert_non_null(strstr(place.err.message, "Not a directory"));
}

/* Names that differ late, early, in their ends alone, and by bytes above 127. */
static void a_long_folder_is_listed_in_order_of_bytes(void **state)
{
    (void)state;
    scoped(Place, place_done) place = place_new();
    static const char *const others[] = {"README.md",
                                         "Z",
                                         "2024",
                                         "20240101000",
                                         "\xff\xfe",
                                         "20240101000\x01",
                                         "2024010100012_step.sq"};
    static const char *const ends[] = {"", ".up.sql", ".down.sql", "_\xc3\xa4", "_a"};
    enum { NUMBERS = 90 };
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        assert_true(file_create_new(in(&place, others[i]), STR(""), 0644, &place.err));
    for (unsigned i = 0; i < NUMBERS; i++)
        for (size_t k = 0; k < sizeof ends / sizeof *ends; k++)
            assert_true(
                file_create_new(in(&place, str_format(place.arena, "2024010100%04u_step_%u%s",
                                                      i * 37 % 1000, i % 3, ends[k])),
                                STR(""), 0644, &place.err));
    FolderEntryVec entries;
    assert_true(folder_list(place.arena, place.folder, &entries, &place.err));
    assert_int_equal(entries.len,
                     sizeof others / sizeof *others + NUMBERS * (sizeof ends / sizeof *ends));
    for (size_t i = 1; i < entries.len; i++)
        assert_true(strcmp(entries.items[i - 1].name.ptr, entries.items[i].name.ptr) < 0);
}

static void folders_are_made_with_those_above(void **state)
{
    (void)state;
    scoped(Place, place_done) place = place_new();
    FileInfo info;
    assert_true(folder_make(place.arena, in(&place, "a/b//c/"), 0755, &place.err));
    assert_true(folder_make(place.arena, in(&place, "a/b/c"), 0755, &place.err));
    assert_true(file_info(in(&place, "a/b/c"), &info, &place.err));
    assert_int_equal(info.kind, FILE_FOLDER);
    assert_true(folder_make(place.arena, "/", 0755, &place.err));
    assert_true(file_create_new(in(&place, "f"), STR(""), 0644, &place.err));
    assert_false(folder_make(place.arena, in(&place, "f/x"), 0755, &place.err));
    assert_non_null(strstr(place.err.message, "File exists"));
}

static void files_move_and_go(void **state)
{
    (void)state;
    scoped(Place, place_done) place = place_new();
    assert_true(file_create_new(in(&place, "a"), STR("x"), 0644, &place.err));
    assert_true(file_rename(in(&place, "a"), in(&place, "b"), &place.err));
    assert_false(file_rename(in(&place, "a"), in(&place, "c"), &place.err));
    assert_non_null(strstr(place.err.message, in(&place, "c")));
    assert_true(file_remove(in(&place, "b"), &place.err));
    assert_int_equal(entry_count(&place), 0);
}

static void a_reader_goes_piece_by_piece(void **state)
{
    (void)state;
    scoped(Place, place_done) place = place_new();
    assert_true(file_write(place.arena, in(&place, "f"), STR("0123456789"), 0644, &place.err));
    FileReader reader;
    assert_true(file_reader_open(&reader, place.arena, in(&place, "f"), &place.err));
    char buf[4], all[16];
    size_t len = 1, total = 0;
    while (len > 0) {
        assert_true(file_reader_read(&reader, buf, sizeof buf, &len, &place.err));
        memcpy(all + total, buf, len);
        total += len;
    }
    assert_int_equal(total, 10);
    assert_memory_equal(all, "0123456789", 10);
    file_reader_close(&reader);
    assert_int_equal(reader.fd, -1);
    file_reader_close(&reader);
    assert_false(file_reader_open(&reader, place.arena, in(&place, "absent"), &place.err));
    assert_int_equal(reader.fd, -1);
    assert_false(file_reader_open(&reader, place.arena, place.folder, &place.err));
    file_reader_close(&reader);
}

static void paths_join_and_part(void **state)
{
    (void)state;
    scoped(Arena *, arena_freep) arena = arena_new();
    assert_string_equal(path_join(arena, "a", STR("b")), "a/b");
    assert_string_equal(path_join(arena, "a/", STR("b")), "a/b");
    assert_string_equal(path_join(arena, ".", STR("b")), "b");
    assert_string_equal(path_join(arena, "", STR("b")), "b");
    assert_string_equal(path_join(arena, "a", STR("/b")), "/b");
    assert_string_equal(path_join(arena, "/", STR("b")), "/b");
    static const char *const parts[][3] = {
        {"a/b", "b", "a"}, {"b", "b", "."}, {"/b", "b", "/"}, {"a/b/c.sql", "c.sql", "a/b"},
        {"", "", "."},
    };
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        assert_true(str_eq(path_base(str_from(parts[i][0])), str_from(parts[i][1])));
        assert_true(str_eq(path_folder(str_from(parts[i][0])), str_from(parts[i][2])));
    }
    assert_true(path_is_absolute(STR("/a")));
    assert_false(path_is_absolute(STR("a/")));
    assert_false(path_is_absolute((Str){0}));
}

static void a_listed_file_is_opened_and_nothing_else_in_its_place(void **state)
{
    (void)state;
    scoped(Place, place_done) place = place_new();
    FileReader reader = {.fd = -1};
    char buf[8];
    size_t len;
    assert_true(file_create_new(in(&place, "a"), STR("abc"), 0644, &place.err));
    assert_true(file_reader_open_listed(&reader, in(&place, "a"), &place.err));
    assert_int_equal(reader.size_bytes, 3);
    assert_true(file_reader_read(&reader, buf, sizeof buf, &len, &place.err));
    assert_int_equal(len, 3);
    file_reader_close(&reader);
    /* A pipe without a writer must not hold us up. */
    assert_int_equal(mkfifo(in(&place, "pipe"), 0600), 0);
    static const char *const others[] = {".", "pipe", "absent", NULL};
    for (size_t i = 0; others[i]; i++) {
        assert_false(file_reader_open_listed(&reader, in(&place, others[i]), &place.err));
        assert_int_equal(place.err.kind, ERROR_IO);
        assert_non_null(strstr(place.err.message, in(&place, others[i])));
        assert_int_equal(reader.fd, -1);
        error_clear(&place.err);
    }
}

UNIT_TESTS(file) = {
    cmocka_unit_test(what_is_written_is_read),
    cmocka_unit_test(an_absent_file_is_named_with_the_reason),
    cmocka_unit_test(folders_and_devices_are_not_read),
    cmocka_unit_test(a_pipe_is_read_to_its_end),
    cmocka_unit_test(the_limit_is_kept),
    cmocka_unit_test(a_file_without_permission_is_named),
    cmocka_unit_test(a_full_disk_is_an_error),
    cmocka_unit_test(a_write_that_fails_half_way_leaves_the_old_text_and_no_litter),
    cmocka_unit_test(writing_keeps_links_and_permissions),
    cmocka_unit_test(a_new_file_never_overwrites),
    cmocka_unit_test(looking_tells_what_is_there),
    cmocka_unit_test(a_folder_is_listed_in_order_of_bytes),
    cmocka_unit_test(a_long_folder_is_listed_in_order_of_bytes),
    cmocka_unit_test(folders_are_made_with_those_above),
    cmocka_unit_test(files_move_and_go),
    cmocka_unit_test(a_reader_goes_piece_by_piece),
    cmocka_unit_test(a_listed_file_is_opened_and_nothing_else_in_its_place),
    cmocka_unit_test(paths_join_and_part),
};
UNIT_TESTS_END(file)

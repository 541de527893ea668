/* What is drawn and written while a run is under way. SPDX-License-Identifier: Apache-2.0 */
#include "report/report.h"

#include <stdio.h>
#include <string.h>

#include "unit.h"

typedef struct Screen {
    Arena *arena;
    Progress progress;
    StrBuf out;
    unsigned columns;
} Screen;

static void keep(void *ctx, Str text)
{
    Screen *screen = ctx;
    strbuf_clear(&screen->out);
    strbuf_add(&screen->out, text);
}

static unsigned measure(void *ctx)
{
    return ((Screen *)ctx)->columns;
}

static void begin(Screen *screen, ProgressMode mode, TextLook look)
{
    *screen = (Screen){.arena = arena_new(), .columns = look.columns};
    screen->out = strbuf(screen->arena);
    assert_true(progress_init(&screen->progress, mode, look, keep, screen));
    screen->progress.measure = measure;
}

static void end(Screen *screen)
{
    progress_done(&screen->progress);
    arena_free(screen->arena);
}

static void tell(Screen *screen, const Event *event)
{
    EventSink sink = progress_sink(&screen->progress);
    sink.emit(sink.ctx, event);
}

static const char *seen(Screen *screen)
{
    return screen->out.len > 0 ? screen->out.ptr : "";
}

/* An index that is being built: the sixth of twelve migrations, its second statement of four. */
static Event building(int64_t elapsed_s)
{
    return (Event){.kind = EVENT_PROGRESS,
                   .version = STR("20250411100000"),
                   .name = STR("orders_user_index"),
                   .step = 6,
                   .total = 12,
                   .statement = 2,
                   .statements = 4,
                   .text = STR("CREATE INDEX CONCURRENTLY orders_user_ix ON orders (user_id)"),
                   .phase = STR("building index: scanning table"),
                   .work_done = 620,
                   .work_total = 1000,
                   .work_unit = "blocks",
                   .elapsed_us = elapsed_s * 1000000,
                   .left_us = 46000000,
                   .table_bytes = -1};
}

static void open_step(Screen *screen)
{
    Event step = {.kind = EVENT_STEP_BEGIN,
                  .version = STR("20250411100000"),
                  .name = STR("orders_user_index"),
                  .step = 6,
                  .total = 12};
    tell(screen, &step);
}

/* Columns that a drawn line takes; fails on anything that would move the cursor elsewhere. */
static size_t drawn_columns(Screen *screen)
{
    Str line = strbuf_str(&screen->out);
    StrBuf plain = strbuf(screen->arena);
    assert_true(str_starts(line, STR("\r")) && str_ends(line, STR("\x1b[K")));
    line = str_sub(line, 1, line.len - 3);
    for (size_t i = 0; i < line.len; i++) {
        if (line.ptr[i] == '\x1b') {
            while (line.ptr[i] != 'm')
                assert_true(++i < line.len);
            continue;
        }
        assert_true((unsigned char)line.ptr[i] >= 0x20);
        strbuf_add_char(&plain, line.ptr[i]);
    }
    Str rest = strbuf_str(&plain);
    assert_true(str_is_utf8(rest, NULL)); /* nothing is cut within a character */
    return str_width(rest);
}

static void the_live_line_says_who_what_how_far_and_how_long(void **state)
{
    (void)state;
    Screen screen;
    begin(&screen, PROGRESS_BAR, (TextLook){.columns = 160});
    open_step(&screen);
    Event work = building(72);
    tell(&screen, &work);
    assert_non_null(strstr(seen(&screen), "[######----------]"));
    assert_non_null(strstr(seen(&screen), "5/12"));
    assert_non_null(strstr(seen(&screen), "20250411100000 orders_user_index"));
    assert_non_null(strstr(seen(&screen), "2 of 4, CREATE INDEX CONCURRENTLY"));
    assert_non_null(strstr(seen(&screen), "building index: scanning table, 62 %, 1m12s"));
    assert_non_null(strstr(seen(&screen), "about 45 s left"));
    end(&screen);
}

static void no_width_and_no_name_makes_the_live_line_wrap(void **state)
{
    (void)state;
    static const char *const names[] = {
        "orders",
        "\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e\xe3\x81\xae\xe5\x90\x8d\xe5\x89\x8d",
        "gr\xc3\xb6\xc3\x9f"
        "e_e\xcc\x81",
        "\xf0\x9f\x90\xa6\xf0\x9f\x90\xa6\xf0\x9f\x90\xa6",
        "a\x1b[2Jb\tc\nd",
        "\xff\xfe"};
    for (int look = 0; look < 4; look++) {
        Screen screen;
        begin(&screen, PROGRESS_BAR,
              (TextLook){.columns = 80, .has_color = look & 1, .is_unicode = look & 2});
        for (unsigned columns = 0; columns <= 200; columns++) {
            screen.columns = columns;
            for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
                Event work = building(100);
                work.name = work.text = work.phase = str_from(names[i]);
                open_step(&screen);
                tell(&screen, &work);
                /* One column stays free, where terminals differ on what a character does. */
                assert_true(drawn_columns(&screen) < (columns > 0 ? columns : 80));
            }
        }
        end(&screen);
    }
}

static void what_is_not_known_is_not_made_up(void **state)
{
    (void)state;
    Screen screen;
    begin(&screen, PROGRESS_BAR, (TextLook){.columns = 160});
    Event work = building(72);
    work.phase = work.text = (Str){0};
    work.work_done = work.work_total = 0;
    work.left_us = -1;
    tell(&screen, &work);
    assert_null(strchr(seen(&screen), '%'));
    assert_null(strstr(seen(&screen), "left"));
    assert_non_null(strstr(seen(&screen), "1m12s"));
    work.table_bytes = 1200000000;
    tell(&screen, &work);
    assert_non_null(strstr(seen(&screen), "table of 1.2 GB, 1m12s"));
    work.work_done = 540000000;
    work.work_unit = "steps";
    tell(&screen, &work);
    assert_non_null(strstr(seen(&screen), "540 million steps, 1m12s"));
    work.work_done = 2000; /* more than there is */
    work.work_total = 1000;
    tell(&screen, &work);
    assert_null(strchr(seen(&screen), '%'));
    end(&screen);
}

static void estimates_are_rounded(void **state)
{
    (void)state;
    static const struct {
        int64_t left_s;
        const char *text;
    } cases[] = {{2, "a few seconds left"},    {12, "about 10 s left"},
                 {58, "about 60 s left"},      {115, "about 1m50s left"},
                 {1799, "about 30 min left"},  {10800, "about 3 h left"},
                 {700000, "about 8 days left"}};
    Screen screen;
    begin(&screen, PROGRESS_PLAIN, (TextLook){0});
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        Event work = building(10 + (int64_t)i * 1000);
        work.left_us = cases[i].left_s * 1000000;
        tell(&screen, &work);
        if (!strstr(seen(&screen), cases[i].text))
            fail_msg("%s is not in %s", cases[i].text, seen(&screen));
    }
    end(&screen);
}

static void on_a_pipe_a_long_statement_is_told_of_ever_more_seldom(void **state)
{
    (void)state;
    Screen screen;
    char told[200] = "";
    begin(&screen, PROGRESS_PLAIN, (TextLook){0});
    open_step(&screen);
    for (int64_t s = 1; s <= 1300; s++) {
        strbuf_clear(&screen.out);
        Event work = building(s);
        tell(&screen, &work);
        if (screen.out.len > 0) {
            assert_null(strchr(seen(&screen), '\x1b'));
            assert_int_equal(screen.out.ptr[screen.out.len - 1], '\n');
            snprintf(told + strlen(told), sizeof told - strlen(told), "%lld ", (long long)s);
        }
    }
    assert_string_equal(told, "10 30 60 120 300 600 900 1200 ");
    /* The next statement begins anew. */
    Event done = {.kind = EVENT_STATEMENT, .version = STR("1"), .statement = 2, .statements = 4};
    tell(&screen, &done);
    strbuf_clear(&screen.out);
    Event work = building(11);
    tell(&screen, &work);
    assert_true(screen.out.len > 0);
    end(&screen);
}

static void json_has_the_numbers_as_they_are(void **state)
{
    (void)state;
    Screen screen;
    begin(&screen, PROGRESS_JSON, (TextLook){0});
    Event work = building(72);
    tell(&screen, &work);
    assert_non_null(strstr(seen(&screen), "\"event\":\"progress\""));
    assert_non_null(strstr(seen(&screen), "\"phase\":\"building index: scanning table\""));
    assert_non_null(strstr(seen(&screen), "\"done\":620,\"of\":1000,\"unit\":\"blocks\""));
    assert_non_null(strstr(seen(&screen), "\"left_ms\":46000"));
    work.left_us = -1;
    work.work_total = 0;
    tell(&screen, &work);
    assert_null(strstr(seen(&screen), "left_ms"));
    assert_null(strstr(seen(&screen), "\"of\""));
    end(&screen);
}

/* The lock is asked for several times a second. */
static void a_wait_for_the_lock_is_told_of_seldom(void **state)
{
    (void)state;
    Screen screen;
    begin(&screen, PROGRESS_PLAIN, (TextLook){.columns = 80});
    DbSession holder = {.id = STR("4123"),
                        .query = STR("\n SELECT *\r\n\t FROM orders\n;\n"),
                        .state = STR("active"),
                        .age_us = -1};
    Event event = {.kind = EVENT_LOCK_WAIT, .sessions = &holder, .session_count = 1};
    event.elapsed_us = 100000;
    tell(&screen, &event);
    assert_string_equal(seen(&screen),
                        "..   waiting for the migration lock, 100 ms\n"
                        "     held by 4123 (): active after SELECT * FROM orders ;\n");
    /* Again after ten seconds, when somebody else has it, and when it is waited for anew. */
    static const struct {
        const char *id;
        int64_t elapsed_ms;
        bool is_told;
    } cases[] = {{"4123", 900, false},  {"4123", 10100, true},  {"4123", 10900, false},
                 {"4124", 11500, true}, {"4124", 29000, false}, {"4124", 100, true}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        strbuf_clear(&screen.out);
        holder.id = str_from(cases[i].id);
        event.elapsed_us = cases[i].elapsed_ms * 1000;
        tell(&screen, &event);
        assert_int_equal(screen.out.len > 0, cases[i].is_told);
    }
    end(&screen);
}

UNIT_TESTS(progress) = {
    cmocka_unit_test(a_wait_for_the_lock_is_told_of_seldom),
    cmocka_unit_test(the_live_line_says_who_what_how_far_and_how_long),
    cmocka_unit_test(no_width_and_no_name_makes_the_live_line_wrap),
    cmocka_unit_test(what_is_not_known_is_not_made_up),
    cmocka_unit_test(estimates_are_rounded),
    cmocka_unit_test(on_a_pipe_a_long_statement_is_told_of_ever_more_seldom),
    cmocka_unit_test(json_has_the_numbers_as_they_are),
};
UNIT_TESTS_END(progress)

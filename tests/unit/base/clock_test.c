/* Time. SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <time.h>

#include "unit.h"

static void the_calendar_agrees_with_libc_over_centuries(void **state)
{
    (void)state;
    char ours[TIMESTAMP_TEXT], theirs[TIMESTAMP_TEXT];
    /* From 1583 to 2500, by steps that meet every hour and day. */
    for (int64_t second = -12212553600; second < 16725225600; second += 86400 * 3 + 4001) {
        time_t t = (time_t)second;
        struct tm tm;
        gmtime_r(&t, &tm);
        strftime(theirs, sizeof theirs, "%Y-%m-%dT%H:%M:%SZ", &tm);
        assert_string_equal(timestamp_iso(second * 1000000, ours), theirs);
        strftime(theirs, sizeof theirs, "%Y-%m-%d %H:%M UTC", &tm);
        assert_string_equal(timestamp_human(second * 1000000, ours), theirs);
        strftime(theirs, sizeof theirs, "%Y%m%d%H%M%S", &tm);
        assert_string_equal(timestamp_compact(second * 1000000, ours), theirs);
    }
}

static void what_is_written_is_read_back(void **state)
{
    (void)state;
    char text[TIMESTAMP_TEXT];
    for (int64_t t = -62135596800000000; t < INT64_C(253402300799999999);
         t += 7919 * INT64_C(10000000007)) {
        Timestamp back = 0;
        assert_true(timestamp_parse(str_from(timestamp_sql(t, text)), &back));
        if (back != t)
            fail_msg("%s is not read back", text);
    }
}

static void every_day_around_a_leap_year_is_read_back(void **state)
{
    (void)state;
    static const int64_t starts[] = {-2208988800 /* 1900 */, 946684800 /* 2000 */,
                                     1709164800 /* 2024-02-29 */, 4107542400 /* 2100-03 */};
    char text[TIMESTAMP_TEXT];
    for (size_t i = 0; i < sizeof starts / sizeof *starts; i++) {
        for (int64_t day = -400; day < 800; day++) {
            Timestamp t = (starts[i] + day * 86400) * 1000000 + 1, back;
            assert_true(timestamp_parse(str_from(timestamp_sql(t, text)), &back));
            assert_true(back == t);
        }
    }
}

static void the_ends_of_time_do_no_harm(void **state)
{
    (void)state;
    char text[TIMESTAMP_TEXT];
    assert_string_equal(timestamp_sql(INT64_MAX, text), "294247-01-10 04:00:54.775807");
    assert_string_equal(timestamp_iso(INT64_MIN + 1, text), "-290308-12-21T19:59:05Z");
    assert_string_equal(timestamp_iso(TIMESTAMP_UNKNOWN, text), "unknown");
    assert_string_equal(timestamp_human(TIMESTAMP_UNKNOWN, text), "unknown");
    assert_string_equal(timestamp_sql(-1, text), "1969-12-31 23:59:59.999999");
    assert_string_equal(timestamp_sql(0, text), "1970-01-01 00:00:00.000000");
}

static void zones_and_fractions_are_understood(void **state)
{
    (void)state;
    static const char *const same[] = {
        "2026-11-20T18:00:00Z",      "2026-11-20 18:00:00",          "2026-11-20 18:00:00.000000",
        "2026-11-20 19:00:00+01",    "2026-11-20 12:30:00-05:30",    "2026-11-20T23:30:00.000+0530",
        "2026-11-21 08:00:00+14:00", "2026-11-20 18:00:00.0000009Z",
    };
    Timestamp expected = INT64_C(1795197600000000);
    for (size_t i = 0; i < sizeof same / sizeof *same; i++) {
        Timestamp t = 0;
        if (!timestamp_parse(str_from(same[i]), &t) || t != expected)
            fail_msg("%s gives %lld", same[i], (long long)t);
    }
    Timestamp t;
    assert_true(timestamp_parse(STR("1970-01-01 00:00:00.5"), &t));
    assert_int_equal(t, 500000);
    assert_true(timestamp_parse(STR("1970-01-01 00:00:00.000012"), &t));
    assert_int_equal(t, 12);
}

static void what_is_no_timestamp_is_refused(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "",
        "2026",
        "2026-11-20",
        "2026-11-20 18:00",
        "2026-13-01 00:00:00",
        "2026-00-01 00:00:00",
        "2026-02-29 00:00:00",
        "1900-02-29 00:00:00",
        "2026-04-31 00:00:00",
        "2026-01-00 00:00:00",
        "2026-11-20 24:00:00",
        "2026-11-20 18:60:00",
        "2026-11-20 18:00:60",
        "2026-11-20 18:00:00.",
        "2026-11-20 18:00:00 ",
        "2026-11-20 18:00:00Zx",
        "2026-11-20 18:00:00+1",
        "2026-11-20 18:00:00+01:",
        "2026-11-20 18:00:00+99",
        "2026-11-20_18:00:00",
        "20261120T180000Z",
        " 2026-11-20 18:00:00",
        "-026-11-20 18:00:00",
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        Timestamp t = 42;
        if (timestamp_parse(str_from(wrong[i]), &t))
            fail_msg("'%s' is taken", wrong[i]);
        assert_int_equal(t, 42);
    }
    Timestamp t;
    assert_true(timestamp_parse(STR("2000-02-29 00:00:00"), &t));
}

static void clocks_go_forward(void **state)
{
    (void)state;
    int64_t before = clock_monotonic_us();
    assert_true(clock_monotonic_us() >= before);
    /* Later than this test was written, earlier than the year 2200. */
    assert_in_range(clock_now() / 1000000, 1700000000, 7258118400);
}

static void durations_are_what_people_read(void **state)
{
    (void)state;
    static const struct {
        int64_t us;
        const char *text;
    } cases[] = {
        {0, "0 ms"},
        {49, "0 ms"},
        {50, "0.1 ms"},
        {400, "0.4 ms"},
        {949, "0.9 ms"},
        {950, "1 ms"},
        {3200, "3 ms"},
        {12000, "12 ms"},
        {999499, "999 ms"},
        {999500, "1 s"},
        {1000000, "1 s"},
        {1440000, "1.4 s"},
        {9949999, "9.9 s"},
        {9950000, "10 s"},
        {45400000, "45 s"},
        {59499999, "59 s"},
        {59500000, "1m00s"},
        {117000000, "1m57s"},
        {3599499999, "59m59s"},
        {3599500000, "1h00m"},
        {7500000000, "2h05m"},
        {INT64_C(86369999999), "23h59m"},
        {INT64_C(86370000000), "1d00h"},
        {INT64_C(266400000000), "3d02h"},
        {-1500000, "-1.5 s"},
        {-20, "0 ms"},
        {INT64_MAX, "106751991d04h"},
        {INT64_MIN, "-106751991d04h"},
    };
    char text[DURATION_TEXT];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_string_equal(duration_human(cases[i].us, text), cases[i].text);
}

static void durations_are_read_with_their_units(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t us;
    } cases[] = {
        {"500us", 500},      {"500ms", 500000},
        {"2s", 2000000},     {"10min", 600000000},
        {"10m", 600000000},  {"1h", 3600000000},
        {"1d", 86400000000}, {"0s", 0},
        {"1.5s", 1500000},   {"0.25h", 900000000},
        {"2 s", 2000000},    {"1.0000009s", 1000000},
        {"3", 3000},         {"106751991d", 9223372022400000000},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int64_t us = -1;
        if (!duration_parse(str_from(cases[i].text), 1000, &us) || us != cases[i].us)
            fail_msg("'%s' gives %lld", cases[i].text, (long long)us);
    }
    static const char *const wrong[] = {
        "",    "s",  "-1s",  "1x",   "1 week", "1.2.3s",     "1.s",
        ".5s", "1S", "1s ,", "1e3s", "+1s",    "106751992d", "99999999999999999999s",
        "1.5", "s1", "1ss"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        int64_t us = 42;
        if (duration_parse(str_from(wrong[i]), 0, &us))
            fail_msg("'%s' is taken", wrong[i]);
        assert_int_equal(us, 42);
    }
    int64_t us;
    assert_false(duration_parse(STR("3"), 0, &us));
}

static void sizes_are_rounded_with_their_unit(void **state)
{
    (void)state;
    static const struct {
        uint64_t bytes;
        const char *text;
    } cases[] = {
        {0, "0 bytes"},         {1, "1 byte"},         {820, "820 bytes"},
        {999, "999 bytes"},     {1000, "1 kB"},        {1049, "1 kB"},
        {1050, "1.1 kB"},       {9949, "9.9 kB"},      {9950, "10 kB"},
        {16000000, "16 MB"},    {999499, "999 kB"},    {999500, "1 MB"},
        {1200000000, "1.2 GB"}, {UINT64_MAX, "18 EB"}, {1500000000000, "1.5 TB"},
    };
    char text[SIZE_TEXT];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_string_equal(size_human(cases[i].bytes, text), cases[i].text);
}

UNIT_TESTS(clock) = {
    cmocka_unit_test(the_calendar_agrees_with_libc_over_centuries),
    cmocka_unit_test(what_is_written_is_read_back),
    cmocka_unit_test(every_day_around_a_leap_year_is_read_back),
    cmocka_unit_test(the_ends_of_time_do_no_harm),
    cmocka_unit_test(zones_and_fractions_are_understood),
    cmocka_unit_test(what_is_no_timestamp_is_refused),
    cmocka_unit_test(clocks_go_forward),
    cmocka_unit_test(durations_are_what_people_read),
    cmocka_unit_test(durations_are_read_with_their_units),
    cmocka_unit_test(sizes_are_rounded_with_their_unit),
};
UNIT_TESTS_END(clock)

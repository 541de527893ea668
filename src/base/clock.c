/* Time: the calendar by arithmetic, with no zone database and no static buffers. SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <inttypes.h>
#include <stdio.h>
#include <time.h>

#define US_PER_SECOND INT64_C(1000000)
#define US_PER_DAY (INT64_C(86400) * US_PER_SECOND)

static int64_t read_clock(clockid_t id)
{
    struct timespec now = {0};
    clock_gettime(id, &now); /* cannot fail for the two clocks asked here */
    return (int64_t)now.tv_sec * US_PER_SECOND + now.tv_nsec / 1000;
}

Timestamp clock_now(void)
{
    return read_clock(CLOCK_REALTIME);
}

int64_t clock_monotonic_us(void)
{
    return read_clock(CLOCK_MONOTONIC);
}

int64_t clock_boottime_us(void)
{
    return read_clock(CLOCK_BOOTTIME);
}

typedef struct Civil {
    int64_t year;
    unsigned month, day, hour, minute, second, us;
} Civil;

static int64_t floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

/* Days since 1970-01-01. The year is made to begin in March, so that the leap day is its last; 400 years, an era, have
 * 146,097 days. */
static int64_t days_from_civil(int64_t year, unsigned month, unsigned day)
{
    int64_t y = year - (month <= 2);
    int64_t era = floor_div(y, 400);
    int64_t year_of_era = y - era * 400;
    int64_t day_of_year =
        (153 * ((int64_t)month + (month > 2 ? -3 : 9)) + 2) / 5 + (int64_t)day - 1;
    int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return era * 146097 + day_of_era - 719468;
}

static Civil civil_from_timestamp(Timestamp t)
{
    int64_t days = floor_div(t, US_PER_DAY);
    int64_t us = t % US_PER_DAY; /* days * US_PER_DAY may lie below the least integer */
    if (us < 0)
        us += US_PER_DAY;
    days += 719468;
    int64_t era = floor_div(days, 146097);
    int64_t day_of_era = days - era * 146097;
    int64_t year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t month = (5 * day_of_year + 2) / 153; /* 0 is March */
    Civil c = {.day = (unsigned)(day_of_year - (153 * month + 2) / 5 + 1),
               .month = (unsigned)(month < 10 ? month + 3 : month - 9),
               .us = (unsigned)(us % US_PER_SECOND)};
    int64_t seconds = us / US_PER_SECOND;
    c.year = year_of_era + era * 400 + (c.month <= 2);
    c.hour = (unsigned)(seconds / 3600);
    c.minute = (unsigned)(seconds / 60 % 60);
    c.second = (unsigned)(seconds % 60);
    return c;
}

static const char *unknown(char *buf)
{
    memcpy(buf, "unknown", sizeof "unknown");
    return buf;
}

const char *timestamp_iso(Timestamp t, char *buf)
{
    if (t == TIMESTAMP_UNKNOWN)
        return unknown(buf);
    Civil c = civil_from_timestamp(t);
    snprintf(buf, TIMESTAMP_TEXT, "%04" PRId64 "-%02u-%02uT%02u:%02u:%02uZ", c.year, c.month, c.day,
             c.hour, c.minute, c.second);
    return buf;
}

const char *timestamp_human(Timestamp t, char *buf)
{
    if (t == TIMESTAMP_UNKNOWN)
        return unknown(buf);
    Civil c = civil_from_timestamp(t);
    snprintf(buf, TIMESTAMP_TEXT, "%04" PRId64 "-%02u-%02u %02u:%02u UTC", c.year, c.month, c.day,
             c.hour, c.minute);
    return buf;
}

const char *timestamp_sql(Timestamp t, char *buf)
{
    if (t == TIMESTAMP_UNKNOWN)
        return unknown(buf);
    Civil c = civil_from_timestamp(t);
    snprintf(buf, TIMESTAMP_TEXT, "%04" PRId64 "-%02u-%02u %02u:%02u:%02u.%06u", c.year, c.month,
             c.day, c.hour, c.minute, c.second, c.us);
    return buf;
}

const char *timestamp_compact(Timestamp t, char *buf)
{
    if (t == TIMESTAMP_UNKNOWN)
        return unknown(buf);
    Civil c = civil_from_timestamp(t);
    snprintf(buf, TIMESTAMP_TEXT, "%04" PRId64 "%02u%02u%02u%02u%02u", c.year, c.month, c.day,
             c.hour, c.minute, c.second);
    return buf;
}

/* Takes exactly count digits off the front of rest. */
static bool take_digits(Str *rest, size_t count, unsigned *ret_value)
{
    unsigned value = 0;
    if (rest->len < count)
        return false;
    for (size_t i = 0; i < count; i++) {
        char c = rest->ptr[i];
        if (c < '0' || c > '9')
            return false;
        value = value * 10 + (unsigned)(c - '0');
    }
    *rest = str_sub(*rest, count, rest->len);
    *ret_value = value;
    return true;
}

static bool take_char(Str *rest, char c)
{
    if (rest->len == 0 || rest->ptr[0] != c)
        return false;
    *rest = str_sub(*rest, 1, rest->len);
    return true;
}

static unsigned days_in_month(unsigned year, unsigned month)
{
    static const unsigned char days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool is_leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return month == 2 && is_leap ? 29 : days[month - 1];
}

/* ".ffffff": digits beyond the sixth are cut. */
static bool take_fraction(Str *rest, unsigned *ret_us)
{
    unsigned us = 0, digits = 0;
    while (rest->len > 0 && rest->ptr[0] >= '0' && rest->ptr[0] <= '9') {
        if (digits < 6)
            us = us * 10 + (unsigned)(rest->ptr[0] - '0');
        digits++;
        *rest = str_sub(*rest, 1, rest->len);
    }
    for (unsigned i = digits; i < 6; i++)
        us *= 10;
    *ret_us = us;
    return digits > 0;
}

/* "Z", "+hh", "+hh:mm", "+hhmm" or nothing; in minutes east of Greenwich. */
static bool take_zone(Str *rest, int *ret_minutes)
{
    *ret_minutes = 0;
    if (rest->len == 0 || take_char(rest, 'Z'))
        return true;
    bool is_west = rest->ptr[0] == '-';
    unsigned hours, minutes = 0;
    if (!is_west && rest->ptr[0] != '+')
        return false;
    *rest = str_sub(*rest, 1, rest->len);
    if (!take_digits(rest, 2, &hours))
        return false;
    if (take_char(rest, ':') || rest->len > 0) {
        if (!take_digits(rest, 2, &minutes))
            return false;
    }
    if (hours > 15 || minutes > 59)
        return false;
    *ret_minutes = (int)(hours * 60 + minutes) * (is_west ? -1 : 1);
    return true;
}

bool timestamp_parse(Str text, Timestamp *ret_t)
{
    unsigned year, month, day, hour, minute, second, us = 0;
    int zone;
    if (!take_digits(&text, 4, &year) || !take_char(&text, '-') || !take_digits(&text, 2, &month) ||
        !take_char(&text, '-') || !take_digits(&text, 2, &day))
        return false;
    if (!take_char(&text, 'T') && !take_char(&text, ' '))
        return false;
    if (!take_digits(&text, 2, &hour) || !take_char(&text, ':') ||
        !take_digits(&text, 2, &minute) || !take_char(&text, ':') ||
        !take_digits(&text, 2, &second))
        return false;
    if (take_char(&text, '.') && !take_fraction(&text, &us))
        return false;
    if (!take_zone(&text, &zone) || text.len > 0)
        return false;
    if (month < 1 || month > 12 || day < 1 || day > days_in_month(year, month) || hour > 23 ||
        minute > 59 || second > 59)
        return false;
    int64_t seconds = days_from_civil(year, month, day) * 86400 + (int64_t)hour * 3600 +
                      ((int64_t)minute - zone) * 60 + second;
    *ret_t = seconds * US_PER_SECOND + us;
    return true;
}

const char *duration_human(int64_t duration_us, char *buf)
{
    const char *sign = duration_us < 0 ? "-" : "";
    uint64_t us = duration_us < 0 ? -(uint64_t)duration_us : (uint64_t)duration_us;
    uint64_t tenth_ms = (us + 50) / 100, ms = (us + 500) / 1000, tenth_s = (us + 50000) / 100000,
             s = (us + 500000) / 1000000, min = (us + 30000000) / 60000000,
             h = (us + 1800000000) / 3600000000;
    /* Each limit is put to the rounded figure, so that 999.9 ms are 1 s and not 1000 ms. */
    if (tenth_ms == 0)
        snprintf(buf, DURATION_TEXT, "0 ms");
    else if (tenth_ms < 10)
        snprintf(buf, DURATION_TEXT, "%s0.%" PRIu64 " ms", sign, tenth_ms);
    else if (ms < 1000)
        snprintf(buf, DURATION_TEXT, "%s%" PRIu64 " ms", sign, ms);
    else if (tenth_s < 100 && tenth_s % 10 != 0)
        snprintf(buf, DURATION_TEXT, "%s%" PRIu64 ".%" PRIu64 " s", sign, tenth_s / 10,
                 tenth_s % 10);
    else if (tenth_s < 100)
        snprintf(buf, DURATION_TEXT, "%s%" PRIu64 " s", sign, tenth_s / 10);
    else if (s < 60)
        snprintf(buf, DURATION_TEXT, "%s%" PRIu64 " s", sign, s);
    else if (s < 3600)
        snprintf(buf, DURATION_TEXT, "%s%" PRIu64 "m%02us", sign, s / 60, (unsigned)(s % 60));
    else if (min < 1440)
        snprintf(buf, DURATION_TEXT, "%s%" PRIu64 "h%02um", sign, min / 60, (unsigned)(min % 60));
    else
        snprintf(buf, DURATION_TEXT, "%s%" PRIu64 "d%02uh", sign, h / 24, (unsigned)(h % 24));
    return buf;
}

bool duration_parse(Str text, int64_t unit_us, int64_t *ret_us)
{
    static const struct {
        const char *name;
        int64_t us;
    } units[] = {{"us", 1},
                 {"ms", 1000},
                 {"s", 1000000},
                 {"min", 60000000},
                 {"m", 60000000},
                 {"h", 3600000000},
                 {"d", INT64_C(86400000000)}};
    size_t end = 0;
    while (end < text.len &&
           ((text.ptr[end] >= '0' && text.ptr[end] <= '9') || text.ptr[end] == '.'))
        end++;
    Str digits = str_sub(text, 0, end), fraction;
    Str unit = str_trim(str_sub(text, end, text.len));
    bool has_point = str_find_char(digits, '.', 0) != SIZE_MAX;
    fraction = str_cut(digits, '.', &digits);
    int64_t whole, factor = 0;
    if (!str_to_i64(digits, &whole) || (has_point && fraction.len == 0))
        return false;
    if (end == text.len)
        factor = unit_us;
    for (size_t i = 0; i < sizeof units / sizeof *units; i++)
        if (str_eq(unit, str_from(units[i].name)))
            factor = units[i].us;
    int64_t us;
    if (factor <= 0 || __builtin_mul_overflow(whole, factor, &us))
        return false;
    int64_t part = factor;
    for (size_t i = 0; i < fraction.len; i++) {
        if (fraction.ptr[i] == '.')
            return false;
        part /= 10;
        if (__builtin_add_overflow(us, part * (fraction.ptr[i] - '0'), &us))
            return false;
    }
    *ret_us = us;
    return true;
}

const char *size_human(uint64_t bytes, char *buf)
{
    static const char *const units[] = {"kB", "MB", "GB", "TB", "PB", "EB"};
    if (bytes < 1000) {
        snprintf(buf, SIZE_TEXT, "%u byte%s", (unsigned)bytes, bytes == 1 ? "" : "s");
        return buf;
    }
    uint64_t unit = 1000;
    size_t i = 0;
    /* The next unit as soon as rounding would show 1000 of this one. */
    while (i + 1 < sizeof units / sizeof *units &&
           bytes / unit + (bytes % unit >= unit / 2) >= 1000) {
        unit *= 1000;
        i++;
    }
    uint64_t tenths = bytes / unit * 10 + (bytes % unit / (unit / 10)) +
                      (bytes % unit % (unit / 10) >= unit / 20);
    if (tenths < 100 && tenths % 10 != 0)
        snprintf(buf, SIZE_TEXT, "%u.%u %s", (unsigned)(tenths / 10), (unsigned)(tenths % 10),
                 units[i]);
    else
        snprintf(buf, SIZE_TEXT, "%u %s", (unsigned)(bytes / unit + (bytes % unit >= unit / 2)),
                 units[i]);
    return buf;
}

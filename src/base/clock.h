/* Time: UTC stamps for history, a monotonic clock for durations. SPDX-License-Identifier: Apache-2.0 */
#ifndef WHIMBREL_BASE_CLOCK_H
#define WHIMBREL_BASE_CLOCK_H

#include "base/str.h"

/* Microseconds since 1970-01-01T00:00:00Z. INT64_MIN stands for "unknown". */
typedef int64_t Timestamp;
#define TIMESTAMP_UNKNOWN INT64_MIN

Timestamp clock_now(void);
int64_t clock_monotonic_us(void); /* never goes back */
int64_t clock_boottime_us(void);  /* the same, and goes on while the machine sleeps */

/* "2026-11-20T18:00:00Z" (JSON), "2026-11-18 09:12 UTC" (people), "2026-11-18 09:12:33.123456" (SQL), "20250405120000"
 * (versions). The buffer holds at least TIMESTAMP_TEXT bytes and is returned. Proleptic Gregorian calendar. */
#define TIMESTAMP_TEXT 40
const char *timestamp_iso(Timestamp t, char *buf);
const char *timestamp_human(Timestamp t, char *buf);
const char *timestamp_sql(Timestamp t, char *buf);
const char *timestamp_compact(Timestamp t, char *buf);
/* Reads "YYYY-MM-DD[ T]HH:MM:SS[.ffffff][Z|+hh[:mm]]" (no zone: UTC). */
bool timestamp_parse(Str text, Timestamp *ret_t);

/* "12 ms", "1.4 s", "1m57s", "2h05m": what people read. */
#define DURATION_TEXT 32
const char *duration_human(int64_t duration_us, char *buf);
/* "500ms", "2s", "10min", "1h", "1d"; a bare number counts unit_us microseconds (0: refused). */
bool duration_parse(Str text, int64_t unit_us, int64_t *ret_us);

/* "1.2 GB", "16 MB", "820 bytes" (powers of 1,000). */
#define SIZE_TEXT 32
const char *size_human(uint64_t bytes, char *buf);

#endif

/* Makes the calls that have no place here errors. SPDX-License-Identifier: Apache-2.0
 *
 * Forced in before every source of ours by the build, never included by hand. The headers that declare the functions
 * come first, so that only uses are hit. */
#ifndef WHIMBREL_BASE_BANNED_H
#define WHIMBREL_BASE_BANNED_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* No bound on what they write. */
#undef strcpy
#define strcpy(...) strcpy_is_banned_use_str_copy
#undef strcat
#define strcat(...) strcat_is_banned_use_strbuf_add
#undef sprintf
#define sprintf(...) sprintf_is_banned_use_str_format
#undef vsprintf
#define vsprintf(...) vsprintf_is_banned_use_strbuf_addv

/* Keeps its place in a global. */
#undef strtok
#define strtok(...) strtok_is_banned_use_str_cut

/* Cannot say that it failed. */
#undef atoi
#define atoi(...) atoi_is_banned_use_str_to_i64

/* One static result for the whole process. */
#undef localtime
#define localtime(...) localtime_is_banned_times_are_utc
#undef gmtime
#define gmtime(...) gmtime_is_banned_use_timestamp_functions

#endif

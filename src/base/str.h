/* Strings: borrowed slices, and a growing buffer whose failure is sticky. SPDX-License-Identifier: Apache-2.0 */
#ifndef WHIMBREL_BASE_STR_H
#define WHIMBREL_BASE_STR_H

#include <stdarg.h>
#include <stdint.h>

#include "base/arena.h"

/* Borrowed bytes; may hold NUL, is not NUL-terminated. The zero value is the empty string. */
typedef struct Str {
    const char *ptr;
    size_t len;
} Str;

#define STR(literal) ((Str){(literal), sizeof(literal) - 1})
/* For printf's "%.*s". */
#define STR_ARG(s) ((int)(s).len), ((s).ptr ? (s).ptr : "")

Str str_from(const char *text);             /* NULL gives the empty string */
Str str_sub(Str s, size_t from, size_t to); /* clamped to the string */
bool str_eq(Str a, Str b);
bool str_eq_nocase(Str a, Str b); /* ASCII letters only */
int str_cmp(Str a, Str b);        /* by bytes, like memcmp, shorter first */
bool str_starts(Str s, Str prefix);
bool str_ends(Str s, Str suffix);
bool str_starts_nocase(Str s, Str prefix);
Str str_trim(Str s); /* ASCII white space at both ends */
/* Index of the first occurrence at or after from, or SIZE_MAX. */
size_t str_find_char(Str s, char c, size_t from);
size_t str_find(Str s, Str needle, size_t from);
/* Cuts at the first c: ret_before and the return value (what follows; empty if c is absent). */
Str str_cut(Str s, char c, Str *ret_before);
/* Decimal digits only, the whole string, in range; else false. */
bool str_to_u64(Str s, uint64_t *ret_value);
bool str_to_i64(Str s, int64_t *ret_value); /* one leading sign allowed */
/* Whether the bytes are well-formed UTF-8 (RFC 3629); ret_bad, if given, is the offset of the first bad byte. */
bool str_is_utf8(Str s, size_t *ret_bad);
/* Columns on a terminal (wcwidth of a UTF-8 locale is not relied upon: East Asian wide counts two, combining none). */
size_t str_width(Str s);

/* Overwrites the bytes, which are the caller's own and held a password. */
void str_wipe(Str s);
/* Copies into the arena, NUL-terminated behind its end; false when memory is out. */
bool str_copy(Arena *arena, Str s, Str *ret_copy);
/* The same as a C string, or NULL when memory is out. */
char *str_z(Arena *arena, Str s);
/* printf into the arena; NULL when memory is out. */
char *str_format(Arena *arena, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* A growing string. Ten appends need one check: a failed allocation sticks until strbuf_finish(). Always NUL-terminated. */
typedef struct StrBuf {
    Arena *arena;
    char *ptr;
    size_t len, cap;
    bool has_failed;
} StrBuf;

StrBuf strbuf(Arena *arena);
void strbuf_add(StrBuf *buf, Str s);
void strbuf_adds(StrBuf *buf, const char *text);
void strbuf_add_char(StrBuf *buf, char c);
void strbuf_add_repeat(StrBuf *buf, char c, size_t count);
void strbuf_addf(StrBuf *buf, const char *fmt, ...) PRINTF_LIKE(2, 3);
void strbuf_addv(StrBuf *buf, const char *fmt, va_list args) PRINTF_LIKE(2, 0);
void strbuf_clear(StrBuf *buf);    /* length 0, memory kept, failure forgotten */
Str strbuf_str(const StrBuf *buf); /* what is there so far, lent */
/* The finished string, valid as long as the arena; false if any append failed. */
bool strbuf_finish(StrBuf *buf, Str *ret_s);

#endif

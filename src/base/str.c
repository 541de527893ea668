/* Borrowed slices and growing buffers. SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <stdio.h>
#include <string.h>

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

Str str_from(const char *text)
{
    return text ? (Str){text, strlen(text)} : (Str){0};
}

Str str_sub(Str s, size_t from, size_t to)
{
    if (to > s.len)
        to = s.len;
    if (from > to)
        from = to;
    return s.ptr ? (Str){s.ptr + from, to - from} : (Str){0};
}

bool str_eq(Str a, Str b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

bool str_eq_nocase(Str a, Str b)
{
    if (a.len != b.len)
        return false;
    if (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0)
        return true;
    for (size_t i = 0; i < a.len; i++)
        if (lower(a.ptr[i]) != lower(b.ptr[i]))
            return false;
    return true;
}

int str_cmp(Str a, Str b)
{
    size_t common = a.len < b.len ? a.len : b.len;
    int order = common > 0 ? memcmp(a.ptr, b.ptr, common) : 0;
    if (order != 0)
        return order;
    return (a.len > b.len) - (a.len < b.len);
}

bool str_starts(Str s, Str prefix)
{
    return s.len >= prefix.len && (prefix.len == 0 || memcmp(s.ptr, prefix.ptr, prefix.len) == 0);
}

bool str_ends(Str s, Str suffix)
{
    return s.len >= suffix.len &&
           (suffix.len == 0 || memcmp(s.ptr + s.len - suffix.len, suffix.ptr, suffix.len) == 0);
}

bool str_starts_nocase(Str s, Str prefix)
{
    return s.len >= prefix.len && str_eq_nocase(str_sub(s, 0, prefix.len), prefix);
}

Str str_trim(Str s)
{
    while (s.len > 0 && is_space(s.ptr[0]))
        s = (Str){s.ptr + 1, s.len - 1};
    while (s.len > 0 && is_space(s.ptr[s.len - 1]))
        s.len--;
    return s;
}

size_t str_find_char(Str s, char c, size_t from)
{
    if (from >= s.len)
        return SIZE_MAX;
    const char *found = memchr(s.ptr + from, c, s.len - from);
    return found ? (size_t)(found - s.ptr) : SIZE_MAX;
}

size_t str_find(Str s, Str needle, size_t from)
{
    if (from > s.len)
        return SIZE_MAX;
    if (needle.len == 0)
        return from;
    if (needle.len > s.len - from)
        return SIZE_MAX;
    const char *found = memmem(s.ptr + from, s.len - from, needle.ptr, needle.len);
    return found ? (size_t)(found - s.ptr) : SIZE_MAX;
}

Str str_cut(Str s, char c, Str *ret_before)
{
    size_t at = str_find_char(s, c, 0);
    if (at == SIZE_MAX) {
        *ret_before = s;
        return str_sub(s, s.len, s.len);
    }
    *ret_before = str_sub(s, 0, at);
    return str_sub(s, at + 1, s.len);
}

bool str_to_u64(Str s, uint64_t *ret_value)
{
    uint64_t value = 0;
    if (s.len == 0)
        return false;
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] < '0' || s.ptr[i] > '9')
            return false;
        if (__builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, (uint64_t)(s.ptr[i] - '0'), &value))
            return false;
    }
    *ret_value = value;
    return true;
}

bool str_to_i64(Str s, int64_t *ret_value)
{
    uint64_t value;
    bool is_negative = s.len > 0 && s.ptr[0] == '-';
    if (s.len > 0 && (s.ptr[0] == '-' || s.ptr[0] == '+'))
        s = str_sub(s, 1, s.len);
    if (!str_to_u64(s, &value))
        return false;
    if (value > (uint64_t)INT64_MAX + (is_negative ? 1 : 0))
        return false;
    if (is_negative)
        *ret_value = value == (uint64_t)INT64_MAX + 1 ? INT64_MIN : -(int64_t)value;
    else
        *ret_value = (int64_t)value;
    return true;
}

/* The length of the well-formed sequence at the front of s (which is not empty), or 0; its code point goes to ret_code. */
static size_t utf8_decode(Str s, uint32_t *ret_code)
{
    unsigned char first = (unsigned char)s.ptr[0];
    size_t len;
    uint32_t code, smallest;
    if (first < 0x80) {
        *ret_code = first;
        return 1;
    }
    if (first >= 0xc2 && first < 0xe0)
        len = 2, code = first & 0x1f, smallest = 0x80;
    else if (first >= 0xe0 && first < 0xf0)
        len = 3, code = first & 0x0f, smallest = 0x800;
    else if (first >= 0xf0 && first < 0xf5)
        len = 4, code = first & 0x07, smallest = 0x10000;
    else
        return 0;
    if (s.len < len)
        return 0;
    for (size_t i = 1; i < len; i++) {
        unsigned char byte = (unsigned char)s.ptr[i];
        if ((byte & 0xc0) != 0x80)
            return 0;
        code = code << 6 | (byte & 0x3f);
    }
    /* Overlong forms, surrogates and what lies beyond Unicode. */
    if (code < smallest || (code >= 0xd800 && code <= 0xdfff) || code > 0x10ffff)
        return 0;
    *ret_code = code;
    return len;
}

bool str_is_utf8(Str s, size_t *ret_bad)
{
    size_t at = 0;
    while (at < s.len) {
        uint32_t code;
        uint64_t eight;
        /* Names and SQL are ASCII, or nearly. */
        if (s.len - at >= sizeof eight) {
            memcpy(&eight, s.ptr + at, sizeof eight);
            if ((eight & UINT64_C(0x8080808080808080)) == 0) {
                at += sizeof eight;
                continue;
            }
        }
        size_t len = utf8_decode((Str){s.ptr + at, s.len - at}, &code);
        if (len == 0) {
            if (ret_bad)
                *ret_bad = at;
            return false;
        }
        at += len;
    }
    return true;
}

typedef struct WidthRange {
    uint32_t first, last;
} WidthRange;

/* From the Unicode Character Database: marks that are not spacing, format characters, the joining vowels and finals of
 * Hangul; and what is East Asian wide or fullwidth. Ranges run across what is unassigned. */
static const WidthRange zero_width[] = {
    {0x300, 0x36f},     {0x483, 0x489},     {0x591, 0x5bd},     {0x5bf, 0x5bf},
    {0x5c1, 0x5c2},     {0x5c4, 0x5c5},     {0x5c7, 0x5c7},     {0x600, 0x605},
    {0x610, 0x61a},     {0x61c, 0x61c},     {0x64b, 0x65f},     {0x670, 0x670},
    {0x6d6, 0x6dd},     {0x6df, 0x6e4},     {0x6e7, 0x6e8},     {0x6ea, 0x6ed},
    {0x70f, 0x70f},     {0x711, 0x711},     {0x730, 0x74a},     {0x7a6, 0x7b0},
    {0x7eb, 0x7f3},     {0x7fd, 0x7fd},     {0x816, 0x819},     {0x81b, 0x823},
    {0x825, 0x827},     {0x829, 0x82d},     {0x859, 0x85b},     {0x890, 0x89f},
    {0x8ca, 0x902},     {0x93a, 0x93a},     {0x93c, 0x93c},     {0x941, 0x948},
    {0x94d, 0x94d},     {0x951, 0x957},     {0x962, 0x963},     {0x981, 0x981},
    {0x9bc, 0x9bc},     {0x9c1, 0x9c4},     {0x9cd, 0x9cd},     {0x9e2, 0x9e3},
    {0x9fe, 0xa02},     {0xa3c, 0xa3c},     {0xa41, 0xa51},     {0xa70, 0xa71},
    {0xa75, 0xa75},     {0xa81, 0xa82},     {0xabc, 0xabc},     {0xac1, 0xac8},
    {0xacd, 0xacd},     {0xae2, 0xae3},     {0xafa, 0xb01},     {0xb3c, 0xb3c},
    {0xb3f, 0xb3f},     {0xb41, 0xb44},     {0xb4d, 0xb56},     {0xb62, 0xb63},
    {0xb82, 0xb82},     {0xbc0, 0xbc0},     {0xbcd, 0xbcd},     {0xc00, 0xc00},
    {0xc04, 0xc04},     {0xc3c, 0xc3c},     {0xc3e, 0xc40},     {0xc46, 0xc56},
    {0xc62, 0xc63},     {0xc81, 0xc81},     {0xcbc, 0xcbc},     {0xcbf, 0xcbf},
    {0xcc6, 0xcc6},     {0xccc, 0xccd},     {0xce2, 0xce3},     {0xd00, 0xd01},
    {0xd3b, 0xd3c},     {0xd41, 0xd44},     {0xd4d, 0xd4d},     {0xd62, 0xd63},
    {0xd81, 0xd81},     {0xdca, 0xdca},     {0xdd2, 0xdd6},     {0xe31, 0xe31},
    {0xe34, 0xe3a},     {0xe47, 0xe4e},     {0xeb1, 0xeb1},     {0xeb4, 0xebc},
    {0xec8, 0xecd},     {0xf18, 0xf19},     {0xf35, 0xf35},     {0xf37, 0xf37},
    {0xf39, 0xf39},     {0xf71, 0xf7e},     {0xf80, 0xf84},     {0xf86, 0xf87},
    {0xf8d, 0xfbc},     {0xfc6, 0xfc6},     {0x102d, 0x1030},   {0x1032, 0x1037},
    {0x1039, 0x103a},   {0x103d, 0x103e},   {0x1058, 0x1059},   {0x105e, 0x1060},
    {0x1071, 0x1074},   {0x1082, 0x1082},   {0x1085, 0x1086},   {0x108d, 0x108d},
    {0x109d, 0x109d},   {0x1160, 0x11ff},   {0x135d, 0x135f},   {0x1712, 0x1714},
    {0x1732, 0x1733},   {0x1752, 0x1753},   {0x1772, 0x1773},   {0x17b4, 0x17b5},
    {0x17b7, 0x17bd},   {0x17c6, 0x17c6},   {0x17c9, 0x17d3},   {0x17dd, 0x17dd},
    {0x180b, 0x180f},   {0x1885, 0x1886},   {0x18a9, 0x18a9},   {0x1920, 0x1922},
    {0x1927, 0x1928},   {0x1932, 0x1932},   {0x1939, 0x193b},   {0x1a17, 0x1a18},
    {0x1a1b, 0x1a1b},   {0x1a56, 0x1a56},   {0x1a58, 0x1a60},   {0x1a62, 0x1a62},
    {0x1a65, 0x1a6c},   {0x1a73, 0x1a7f},   {0x1ab0, 0x1b03},   {0x1b34, 0x1b34},
    {0x1b36, 0x1b3a},   {0x1b3c, 0x1b3c},   {0x1b42, 0x1b42},   {0x1b6b, 0x1b73},
    {0x1b80, 0x1b81},   {0x1ba2, 0x1ba5},   {0x1ba8, 0x1ba9},   {0x1bab, 0x1bad},
    {0x1be6, 0x1be6},   {0x1be8, 0x1be9},   {0x1bed, 0x1bed},   {0x1bef, 0x1bf1},
    {0x1c2c, 0x1c33},   {0x1c36, 0x1c37},   {0x1cd0, 0x1cd2},   {0x1cd4, 0x1ce0},
    {0x1ce2, 0x1ce8},   {0x1ced, 0x1ced},   {0x1cf4, 0x1cf4},   {0x1cf8, 0x1cf9},
    {0x1dc0, 0x1dff},   {0x200b, 0x200f},   {0x202a, 0x202e},   {0x2060, 0x206f},
    {0x20d0, 0x20f0},   {0x2cef, 0x2cf1},   {0x2d7f, 0x2d7f},   {0x2de0, 0x2dff},
    {0x302a, 0x302d},   {0x3099, 0x309a},   {0xa66f, 0xa672},   {0xa674, 0xa67d},
    {0xa69e, 0xa69f},   {0xa6f0, 0xa6f1},   {0xa802, 0xa802},   {0xa806, 0xa806},
    {0xa80b, 0xa80b},   {0xa825, 0xa826},   {0xa82c, 0xa82c},   {0xa8c4, 0xa8c5},
    {0xa8e0, 0xa8f1},   {0xa8ff, 0xa8ff},   {0xa926, 0xa92d},   {0xa947, 0xa951},
    {0xa980, 0xa982},   {0xa9b3, 0xa9b3},   {0xa9b6, 0xa9b9},   {0xa9bc, 0xa9bd},
    {0xa9e5, 0xa9e5},   {0xaa29, 0xaa2e},   {0xaa31, 0xaa32},   {0xaa35, 0xaa36},
    {0xaa43, 0xaa43},   {0xaa4c, 0xaa4c},   {0xaa7c, 0xaa7c},   {0xaab0, 0xaab0},
    {0xaab2, 0xaab4},   {0xaab7, 0xaab8},   {0xaabe, 0xaabf},   {0xaac1, 0xaac1},
    {0xaaec, 0xaaed},   {0xaaf6, 0xaaf6},   {0xabe5, 0xabe5},   {0xabe8, 0xabe8},
    {0xabed, 0xabed},   {0xfb1e, 0xfb1e},   {0xfe00, 0xfe0f},   {0xfe20, 0xfe2f},
    {0xfeff, 0xfeff},   {0xfff9, 0xfffb},   {0x101fd, 0x101fd}, {0x102e0, 0x102e0},
    {0x10376, 0x1037a}, {0x10a01, 0x10a0f}, {0x10a38, 0x10a3f}, {0x10ae5, 0x10ae6},
    {0x10d24, 0x10d27}, {0x10eab, 0x10eac}, {0x10f46, 0x10f50}, {0x10f82, 0x10f85},
    {0x11001, 0x11001}, {0x11038, 0x11046}, {0x11070, 0x11070}, {0x11073, 0x11074},
    {0x1107f, 0x11081}, {0x110b3, 0x110b6}, {0x110b9, 0x110ba}, {0x110bd, 0x110bd},
    {0x110c2, 0x110cd}, {0x11100, 0x11102}, {0x11127, 0x1112b}, {0x1112d, 0x11134},
    {0x11173, 0x11173}, {0x11180, 0x11181}, {0x111b6, 0x111be}, {0x111c9, 0x111cc},
    {0x111cf, 0x111cf}, {0x1122f, 0x11231}, {0x11234, 0x11234}, {0x11236, 0x11237},
    {0x1123e, 0x1123e}, {0x112df, 0x112df}, {0x112e3, 0x112ea}, {0x11300, 0x11301},
    {0x1133b, 0x1133c}, {0x11340, 0x11340}, {0x11366, 0x11374}, {0x11438, 0x1143f},
    {0x11442, 0x11444}, {0x11446, 0x11446}, {0x1145e, 0x1145e}, {0x114b3, 0x114b8},
    {0x114ba, 0x114ba}, {0x114bf, 0x114c0}, {0x114c2, 0x114c3}, {0x115b2, 0x115b5},
    {0x115bc, 0x115bd}, {0x115bf, 0x115c0}, {0x115dc, 0x115dd}, {0x11633, 0x1163a},
    {0x1163d, 0x1163d}, {0x1163f, 0x11640}, {0x116ab, 0x116ab}, {0x116ad, 0x116ad},
    {0x116b0, 0x116b5}, {0x116b7, 0x116b7}, {0x1171d, 0x1171f}, {0x11722, 0x11725},
    {0x11727, 0x1172b}, {0x1182f, 0x11837}, {0x11839, 0x1183a}, {0x1193b, 0x1193c},
    {0x1193e, 0x1193e}, {0x11943, 0x11943}, {0x119d4, 0x119db}, {0x119e0, 0x119e0},
    {0x11a01, 0x11a0a}, {0x11a33, 0x11a38}, {0x11a3b, 0x11a3e}, {0x11a47, 0x11a47},
    {0x11a51, 0x11a56}, {0x11a59, 0x11a5b}, {0x11a8a, 0x11a96}, {0x11a98, 0x11a99},
    {0x11c30, 0x11c3d}, {0x11c3f, 0x11c3f}, {0x11c92, 0x11ca7}, {0x11caa, 0x11cb0},
    {0x11cb2, 0x11cb3}, {0x11cb5, 0x11cb6}, {0x11d31, 0x11d45}, {0x11d47, 0x11d47},
    {0x11d90, 0x11d91}, {0x11d95, 0x11d95}, {0x11d97, 0x11d97}, {0x11ef3, 0x11ef4},
    {0x13430, 0x13438}, {0x16af0, 0x16af4}, {0x16b30, 0x16b36}, {0x16f4f, 0x16f4f},
    {0x16f8f, 0x16f92}, {0x16fe4, 0x16fe4}, {0x1bc9d, 0x1bc9e}, {0x1bca0, 0x1cf46},
    {0x1d167, 0x1d169}, {0x1d173, 0x1d182}, {0x1d185, 0x1d18b}, {0x1d1aa, 0x1d1ad},
    {0x1d242, 0x1d244}, {0x1da00, 0x1da36}, {0x1da3b, 0x1da6c}, {0x1da75, 0x1da75},
    {0x1da84, 0x1da84}, {0x1da9b, 0x1daaf}, {0x1e000, 0x1e02a}, {0x1e130, 0x1e136},
    {0x1e2ae, 0x1e2ae}, {0x1e2ec, 0x1e2ef}, {0x1e8d0, 0x1e8d6}, {0x1e944, 0x1e94a},
    {0xe0000, 0xe0fff},
};

static const WidthRange double_width[] = {
    {0x1100, 0x115f},   {0x231a, 0x231b},   {0x2329, 0x232a},   {0x23e9, 0x23ec},
    {0x23f0, 0x23f0},   {0x23f3, 0x23f3},   {0x25fd, 0x25fe},   {0x2614, 0x2615},
    {0x2648, 0x2653},   {0x267f, 0x267f},   {0x2693, 0x2693},   {0x26a1, 0x26a1},
    {0x26aa, 0x26ab},   {0x26bd, 0x26be},   {0x26c4, 0x26c5},   {0x26ce, 0x26ce},
    {0x26d4, 0x26d4},   {0x26ea, 0x26ea},   {0x26f2, 0x26f3},   {0x26f5, 0x26f5},
    {0x26fa, 0x26fa},   {0x26fd, 0x26fd},   {0x2705, 0x2705},   {0x270a, 0x270b},
    {0x2728, 0x2728},   {0x274c, 0x274c},   {0x274e, 0x274e},   {0x2753, 0x2755},
    {0x2757, 0x2757},   {0x2795, 0x2797},   {0x27b0, 0x27b0},   {0x27bf, 0x27bf},
    {0x2b1b, 0x2b1c},   {0x2b50, 0x2b50},   {0x2b55, 0x2b55},   {0x2e80, 0x3029},
    {0x302e, 0x303e},   {0x3041, 0x3096},   {0x309b, 0x3247},   {0x3250, 0x4dbf},
    {0x4e00, 0xa4c6},   {0xa960, 0xa97c},   {0xac00, 0xd7a3},   {0xf900, 0xfad9},
    {0xfe10, 0xfe19},   {0xfe30, 0xfe6b},   {0xff01, 0xff60},   {0xffe0, 0xffe6},
    {0x16fe0, 0x16fe3}, {0x16ff0, 0x1b2fb}, {0x1f004, 0x1f004}, {0x1f0cf, 0x1f0cf},
    {0x1f18e, 0x1f18e}, {0x1f191, 0x1f19a}, {0x1f200, 0x1f320}, {0x1f32d, 0x1f335},
    {0x1f337, 0x1f37c}, {0x1f37e, 0x1f393}, {0x1f3a0, 0x1f3ca}, {0x1f3cf, 0x1f3d3},
    {0x1f3e0, 0x1f3f0}, {0x1f3f4, 0x1f3f4}, {0x1f3f8, 0x1f43e}, {0x1f440, 0x1f440},
    {0x1f442, 0x1f4fc}, {0x1f4ff, 0x1f53d}, {0x1f54b, 0x1f54e}, {0x1f550, 0x1f567},
    {0x1f57a, 0x1f57a}, {0x1f595, 0x1f596}, {0x1f5a4, 0x1f5a4}, {0x1f5fb, 0x1f64f},
    {0x1f680, 0x1f6c5}, {0x1f6cc, 0x1f6cc}, {0x1f6d0, 0x1f6d2}, {0x1f6d5, 0x1f6df},
    {0x1f6eb, 0x1f6ec}, {0x1f6f4, 0x1f6fc}, {0x1f7e0, 0x1f7f0}, {0x1f90c, 0x1f93a},
    {0x1f93c, 0x1f945}, {0x1f947, 0x1f9ff}, {0x1fa70, 0x1faf6}, {0x20000, 0x3fffd},
};

static bool in_ranges(uint32_t code, const WidthRange *ranges, size_t count)
{
    size_t low = 0, high = count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (code > ranges[middle].last)
            low = middle + 1;
        else
            high = middle;
    }
    return low < count && code >= ranges[low].first;
}

#define COUNT_OF(array) (sizeof(array) / sizeof *(array))

size_t str_width(Str s)
{
    size_t width = 0, at = 0;
    while (at < s.len) {
        uint32_t code;
        size_t len = utf8_decode((Str){s.ptr + at, s.len - at}, &code);
        if (len == 0) {
            /* A terminal shows one replacement character for it. */
            width++;
            at++;
            continue;
        }
        at += len;
        if (code < 0x20 || (code >= 0x7f && code < 0xa0) ||
            in_ranges(code, zero_width, COUNT_OF(zero_width)))
            continue;
        width += in_ranges(code, double_width, COUNT_OF(double_width)) ? 2 : 1;
    }
    return width;
}

char *str_z(Arena *arena, Str s)
{
    if (s.len == SIZE_MAX)
        return NULL;
    char *copy = arena_alloc_raw(arena, s.len + 1);
    if (!copy)
        return NULL;
    if (s.len > 0)
        memcpy(copy, s.ptr, s.len);
    copy[s.len] = '\0';
    return copy;
}

bool str_copy(Arena *arena, Str s, Str *ret_copy)
{
    char *copy = str_z(arena, s);
    if (!copy)
        return false;
    *ret_copy = (Str){copy, s.len};
    return true;
}

void str_wipe(Str s)
{
    if (s.len > 0)
        explicit_bzero((char *)(uintptr_t)s.ptr, s.len);
}

char *str_format(Arena *arena, const char *fmt, ...)
{
    StrBuf buf = strbuf(arena);
    va_list args;
    va_start(args, fmt);
    strbuf_addv(&buf, fmt, args);
    va_end(args);
    Str text;
    return strbuf_finish(&buf, &text) ? buf.ptr : NULL;
}

StrBuf strbuf(Arena *arena)
{
    return (StrBuf){.arena = arena};
}

/* Makes room for count more bytes and the final NUL. */
static bool strbuf_fit(StrBuf *buf, size_t count)
{
    if (buf->has_failed)
        return false;
    if (count < buf->cap - buf->len)
        return true;
    size_t need, cap = buf->cap ? buf->cap : 32;
    if (!__builtin_add_overflow(buf->len, count, &need) && need < PTRDIFF_MAX / 2) {
        while (cap <= need)
            cap *= 2;
        char *grown = arena_grow(buf->arena, buf->ptr, buf->len, cap);
        if (grown) {
            buf->ptr = grown;
            buf->cap = cap;
            return true;
        }
    }
    buf->has_failed = true;
    return false;
}

void strbuf_add(StrBuf *buf, Str s)
{
    if (s.len == 0 || !strbuf_fit(buf, s.len))
        return;
    memcpy(buf->ptr + buf->len, s.ptr, s.len);
    buf->len += s.len;
    buf->ptr[buf->len] = '\0';
}

void strbuf_adds(StrBuf *buf, const char *text)
{
    strbuf_add(buf, str_from(text));
}

void strbuf_add_char(StrBuf *buf, char c)
{
    strbuf_add(buf, (Str){&c, 1});
}

void strbuf_add_repeat(StrBuf *buf, char c, size_t count)
{
    if (count == 0 || !strbuf_fit(buf, count))
        return;
    memset(buf->ptr + buf->len, c, count);
    buf->len += count;
    buf->ptr[buf->len] = '\0';
}

void strbuf_addf(StrBuf *buf, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    strbuf_addv(buf, fmt, args);
    va_end(args);
}

void strbuf_addv(StrBuf *buf, const char *fmt, va_list args)
{
    if (!strbuf_fit(buf, 0))
        return;
    va_list again;
    va_copy(again, args);
    int len = vsnprintf(buf->ptr + buf->len, buf->cap - buf->len, fmt, args);
    if (len < 0) {
        buf->has_failed = true;
    } else if ((size_t)len < buf->cap - buf->len) {
        buf->len += (size_t)len;
    } else if (strbuf_fit(buf, (size_t)len)) {
        vsnprintf(buf->ptr + buf->len, buf->cap - buf->len, fmt, again);
        buf->len += (size_t)len;
    }
    va_end(again);
}

void strbuf_clear(StrBuf *buf)
{
    buf->len = 0;
    buf->has_failed = false;
    if (buf->ptr)
        buf->ptr[0] = '\0';
}

Str strbuf_str(const StrBuf *buf)
{
    return (Str){buf->ptr, buf->len};
}

bool strbuf_finish(StrBuf *buf, Str *ret_s)
{
    /* An empty string has its NUL too. */
    if (!buf->ptr)
        strbuf_fit(buf, 0);
    if (buf->has_failed)
        return false;
    arena_trim(buf->arena, buf->ptr, buf->len + 1);
    buf->cap = buf->len + 1;
    *ret_s = (Str){buf->ptr, buf->len};
    return true;
}

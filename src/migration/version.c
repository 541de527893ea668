/* Versions: validity and order. A version is a number of any length, so it is compared as text:
 * never converted, never too large. SPDX-License-Identifier: Apache-2.0 */
#include "migration/migration.h"

#include <stdlib.h>
#include <string.h>

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_sign(char c)
{
    return c == '-' || c == '+';
}

bool version_is_valid(Str version)
{
    size_t i = version.len > 0 && is_sign(version.ptr[0]) ? 1 : 0;
    bool was_digit = false;
    for (; i < version.len; i++) {
        if (is_digit(version.ptr[i]))
            was_digit = true;
        else if (version.ptr[i] == '.' && was_digit)
            was_digit = false;
        else
            return false;
    }
    return was_digit;
}

/* The next dotted part from *at on, without its leading zeros; empty for 0 and past the end. */
static Str next_part(Str version, size_t *at)
{
    size_t from = *at;
    while (from < version.len && version.ptr[from] == '0')
        from++;
    size_t to = from;
    while (to < version.len && version.ptr[to] != '.')
        to++;
    *at = to < version.len ? to + 1 : to;
    return str_sub(version, from, to);
}

static bool is_zero(Str digits)
{
    for (size_t i = 0; i < digits.len; i++) {
        if (digits.ptr[i] != '0' && digits.ptr[i] != '.')
            return false;
    }
    return true;
}

static int compare_parts(Str a, Str b)
{
    size_t at_a = 0, at_b = 0;
    while (at_a < a.len || at_b < b.len) {
        Str part_a = next_part(a, &at_a), part_b = next_part(b, &at_b);
        if (part_a.len != part_b.len)
            return part_a.len < part_b.len ? -1 : 1;
        int order = str_cmp(part_a, part_b);
        if (order != 0)
            return order < 0 ? -1 : 1;
    }
    return 0;
}

static bool are_eight_digits(const char *text)
{
    uint64_t eight;
    memcpy(&eight, text, sizeof eight);
    uint64_t high = UINT64_C(0xf0f0f0f0f0f0f0f0), threes = UINT64_C(0x3030303030303030);
    return (eight & high) == threes &&
           ((eight + UINT64_C(0x0606060606060606)) & high) == threes; /* none is ':' to '?' */
}

static bool are_digits(Str text)
{
    size_t i = 0;
    for (; text.len - i >= 8; i += 8)
        if (!are_eight_digits(text.ptr + i))
            return false;
    if (text.len >= 8) /* the rest, with some of what was looked at */
        return are_eight_digits(text.ptr + text.len - 8);
    for (; i < text.len; i++)
        if (!is_digit(text.ptr[i]))
            return false;
    return true;
}

/* Two numbers of as many digits: timestamps are, and are compared most. */
static bool compare_alike(Str a, Str b, int *ret_order)
{
    if (a.len != b.len || !are_digits(a) || !are_digits(b))
        return false;
    int order = memcmp(a.ptr, b.ptr, a.len);
    *ret_order = order < 0 ? -1 : order > 0;
    return true;
}

int version_compare(Str a, Str b)
{
    int alike;
    if (a.len == b.len && (a.ptr == b.ptr || str_eq(a, b)))
        return 0;
    if (compare_alike(a, b, &alike))
        return alike;
    bool is_valid_a = version_is_valid(a), is_valid_b = version_is_valid(b);
    if (!is_valid_a || !is_valid_b) {
        /* What no folder can hold may still stand in a damaged history: it has a place in the order too. */
        if (is_valid_a != is_valid_b)
            return is_valid_a ? -1 : 1;
        int order = str_cmp(a, b);
        return order < 0 ? -1 : order > 0;
    }
    bool is_negative_a = a.ptr[0] == '-', is_negative_b = b.ptr[0] == '-';
    Str digits_a = str_sub(a, is_sign(a.ptr[0]) ? 1 : 0, a.len);
    Str digits_b = str_sub(b, is_sign(b.ptr[0]) ? 1 : 0, b.len);
    is_negative_a = is_negative_a && !is_zero(digits_a);
    is_negative_b = is_negative_b && !is_zero(digits_b);
    if (is_negative_a != is_negative_b)
        return is_negative_a ? -1 : 1;
    int order = compare_parts(digits_a, digits_b);
    return is_negative_a ? -order : order;
}

/* ---- orders ------------------------------------------------------------------------------------- */

static int by_text(const void *a, const void *b)
{
    const ListedVersion *one = a, *two = b;
    int order = str_cmp(one->version, two->version);
    return order ? order : (one->position > two->position) - (one->position < two->position);
}

bool version_order_list(Arena *arena, const StrVec *versions, VersionOrder *ret_order, Error *err)
{
    ListedVersion *listed = arena_alloc(arena, (versions->len + 1) * sizeof *listed);
    if (!listed)
        return error_nomem(err);
    for (size_t i = 0; i < versions->len; i++)
        listed[i] = (ListedVersion){versions->items[i], (uint32_t)i};
    qsort(listed, versions->len, sizeof *listed, by_text);
    *ret_order = (VersionOrder){VERSIONS_LISTED, listed, versions->len};
    return true;
}

/* Of twins the one that stands first; UINT32_MAX: it is not listed. */
static uint32_t position_of(const VersionOrder *order, Str version)
{
    size_t low = 0, high = order->listed_count;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (str_cmp(order->listed[mid].version, version) < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return low < order->listed_count && str_eq(order->listed[low].version, version)
               ? order->listed[low].position
               : UINT32_MAX;
}

int version_order_compare(const VersionOrder *order, Str a, Str b)
{
    switch (order ? order->kind : VERSIONS_NUMBERED) {
    case VERSIONS_NUMBERED:
        return version_compare(a, b);
    case VERSIONS_TEXT:
        return str_cmp(a, b);
    case VERSIONS_LISTED:
        break;
    }
    uint32_t position_a = position_of(order, a), position_b = position_of(order, b);
    if (position_a == UINT32_MAX && position_b == UINT32_MAX)
        return str_cmp(a, b);
    return (position_a > position_b) - (position_a < position_b);
}

bool version_order_takes(const VersionOrder *order, Str version)
{
    return order && order->kind != VERSIONS_NUMBERED ? version.len > 0 : version_is_valid(version);
}

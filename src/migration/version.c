/* Versions: validity and order. A version is a number of any length, so it is compared as text:
 * never converted, never too large. SPDX-License-Identifier: Apache-2.0 */
#include "migration/migration.h"

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

/* Two numbers of as many digits, in one pass: timestamps are, and are compared most. */
static bool compare_alike(Str a, Str b, int *ret_order)
{
    int order = 0;
    if (a.len != b.len)
        return false;
    for (size_t i = 0; i < a.len; i++) {
        if (!is_digit(a.ptr[i]) || !is_digit(b.ptr[i]))
            return false;
        if (order == 0)
            order = a.ptr[i] - b.ptr[i];
    }
    *ret_order = order < 0 ? -1 : order > 0;
    return true;
}

int version_compare(Str a, Str b)
{
    int alike;
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

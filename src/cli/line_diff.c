/* Line difference: common head and tail first, then the longest common subsequence of what is between.
 * SPDX-License-Identifier: Apache-2.0 */
#include "cli/line_diff.h"

enum { AROUND = 3, MOST_CELLS = 4 * 1024 * 1024 };

typedef struct Lines {
    Str *items;
    size_t len;
} Lines;

static bool split_lines(Arena *arena, Str text, Lines *ret_lines)
{
    StrVec lines = {0};
    while (text.len > 0) {
        Str line;
        text = str_cut(text, '\n', &line);
        if (line.len > 0 && line.ptr[line.len - 1] == '\r')
            line.len--;
        if (!vec_push(arena, &lines, line))
            return false;
    }
    *ret_lines = (Lines){lines.items, lines.len};
    return true;
}

typedef struct Edit {
    char sign; /* ' ', '-', '+' */
    Str line;
    size_t before, after; /* line numbers from 1 */
} Edit;
typedef Vec(Edit) EditVec;

/* lengths[i * (b.len + 1) + j]: of the common subsequence of a from i and b from j. */
static bool compare_middle(Arena *arena, Lines a, Lines b, size_t offset, EditVec *edits)
{
    bool is_small = (a.len + 1) <= MOST_CELLS / (b.len + 1);
    uint32_t *lengths =
        is_small ? arena_alloc(arena, (a.len + 1) * (b.len + 1) * sizeof *lengths) : NULL;
    size_t width = b.len + 1, i = 0, j = 0;
    if (is_small && !lengths)
        return false;
    if (is_small) {
        for (size_t x = a.len; x-- > 0;)
            for (size_t y = b.len; y-- > 0;) {
                uint32_t down = lengths[(x + 1) * width + y], right = lengths[x * width + y + 1];
                lengths[x * width + y] = str_eq(a.items[x], b.items[y])
                                             ? lengths[(x + 1) * width + y + 1] + 1
                                         : down > right ? down
                                                        : right;
            }
    }
    while (i < a.len || j < b.len) {
        Edit edit = {.before = offset + i + 1, .after = offset + j + 1};
        if (is_small && i < a.len && j < b.len && str_eq(a.items[i], b.items[j])) {
            edit.sign = ' ';
            edit.line = a.items[i];
            i++, j++;
        } else if (i < a.len && (!is_small || j == b.len ||
                                 lengths[(i + 1) * width + j] >= lengths[i * width + j + 1])) {
            edit.sign = '-';
            edit.line = a.items[i++];
        } else {
            edit.sign = '+';
            edit.line = b.items[j++];
        }
        if (!vec_push(arena, edits, edit))
            return false;
    }
    return true;
}

static bool make_edits(Arena *arena, Lines a, Lines b, EditVec *edits)
{
    size_t head = 0, tail = 0;
    while (head < a.len && head < b.len && str_eq(a.items[head], b.items[head]))
        head++;
    while (tail < a.len - head && tail < b.len - head &&
           str_eq(a.items[a.len - 1 - tail], b.items[b.len - 1 - tail]))
        tail++;
    for (size_t i = 0; i < head; i++)
        if (!vec_push(arena, edits, (Edit){' ', a.items[i], i + 1, i + 1}))
            return false;
    const Lines middle_a = {a.items + head, a.len - head - tail},
                middle_b = {b.items + head, b.len - head - tail};
    if (!compare_middle(arena, middle_a, middle_b, head, edits))
        return false;
    for (size_t i = 0; i < tail; i++)
        if (!vec_push(
                arena, edits,
                (Edit){' ', a.items[a.len - tail + i], a.len - tail + i + 1, b.len - tail + i + 1}))
            return false;
    return true;
}

static bool is_near_change(const EditVec *edits, size_t at)
{
    size_t from = at > AROUND ? at - AROUND : 0;
    for (size_t i = from; i < edits->len && i <= at + AROUND; i++)
        if (edits->items[i].sign != ' ')
            return true;
    return false;
}

bool line_diff(Arena *arena, Text *text, Str before, Str after)
{
    Lines a, b;
    EditVec edits = {0};
    if (!split_lines(arena, before, &a) || !split_lines(arena, after, &b) ||
        !make_edits(arena, a, b, &edits))
        return false;
    bool is_inside = false;
    for (size_t i = 0; i < edits.len; i++) {
        const Edit *edit = &edits.items[i];
        if (!is_near_change(&edits, i)) {
            is_inside = false;
            continue;
        }
        if (!is_inside) {
            text_style(text, STYLE_CYAN);
            text_addf(text, "       @@ applied %zu, file %zu @@\n", edit->before, edit->after);
            text_style(text, STYLE_PLAIN);
            is_inside = true;
        }
        TextStyle style = edit->sign == '-'   ? STYLE_RED
                          : edit->sign == '+' ? STYLE_GREEN
                                              : STYLE_PLAIN;
        text_add(text, STR("       "));
        text_styled(text, style, (Str){&edit->sign, 1});
        text_styled(text, style, edit->line);
        text_add(text, STR("\n"));
    }
    return true;
}

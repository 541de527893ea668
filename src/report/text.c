/* Text for people: styles, signs, tables, and the one gate through which foreign text passes.
 * SPDX-License-Identifier: Apache-2.0
 *
 * A server's message or a file's name may hold escape sequences that repaint a terminal or retitle its window. So only
 * text_style() writes escapes, and everything else is made harmless on its way into the buffer. */
#include "report/report.h"

Text text_new(Arena *arena, TextLook look)
{
    return (Text){.buf = strbuf(arena), .look = look};
}

/* Length of the well-formed UTF-8 sequence at s, and its code point; 0 when there is none. */
static size_t utf8_decode(const unsigned char *s, size_t len, uint32_t *ret_code)
{
    if (s[0] < 0x80) {
        *ret_code = s[0];
        return 1;
    }
    size_t need = s[0] >= 0xf0 ? 4 : s[0] >= 0xe0 ? 3 : 2;
    if (s[0] < 0xc2 || s[0] > 0xf4 || need > len)
        return 0;
    uint32_t code = s[0] & (0xffu >> (need + 1));
    for (size_t i = 1; i < need; i++) {
        if ((s[i] & 0xc0) != 0x80)
            return 0;
        code = code << 6 | (s[i] & 0x3fu);
    }
    if ((need == 3 && (code < 0x800 || (code >= 0xd800 && code <= 0xdfff))) ||
        (need == 4 && (code < 0x10000 || code > 0x10ffff)))
        return 0;
    *ret_code = code;
    return need;
}

/* Controls of both sets, and what turns or hides the writing: LRE..RLO, LRI..PDI, LRM, RLM, ALM, line and paragraph
 * separators, zero-width characters that join nothing, the byte order mark. */
static bool is_hidden(uint32_t code)
{
    return code < 0x20 || (code >= 0x7f && code < 0xa0) || (code >= 0x202a && code <= 0x202e) ||
           (code >= 0x2066 && code <= 0x2069) || code == 0x200e || code == 0x200f ||
           code == 0x61c || code == 0x2028 || code == 0x2029 || code == 0x200b || code == 0xfeff;
}

static void add_visible(StrBuf *buf, Str s, bool keeps_lines)
{
    const unsigned char *bytes = (const unsigned char *)s.ptr;
    size_t from = 0, at = 0;
    while (at < s.len) {
        uint32_t code = 0;
        size_t len = utf8_decode(bytes + at, s.len - at, &code);
        bool is_kept =
            len > 0 && (!is_hidden(code) || (keeps_lines && (code == '\n' || code == '\t')));
        if (is_kept) {
            at += len;
            continue;
        }
        strbuf_add(buf, str_sub(s, from, at));
        if (len == 0)
            strbuf_addf(buf, "\\x%02x", bytes[at]);
        else if (code == '\n')
            strbuf_add(buf, STR("\\n"));
        else if (code == '\t')
            strbuf_add(buf, STR("\\t"));
        else if (code == '\r')
            strbuf_add(buf, STR("\\r"));
        else
            strbuf_addf(buf, code < 0x100 ? "\\x%02x" : "\\u%04x", code);
        at += len > 0 ? len : 1;
        from = at;
    }
    strbuf_add(buf, str_sub(s, from, at));
}

void text_add(Text *text, Str s)
{
    add_visible(&text->buf, s, true);
}

void text_add_line(Text *text, Str s)
{
    add_visible(&text->buf, s, false);
}

void text_adds(Text *text, const char *s)
{
    add_visible(&text->buf, str_from(s), true);
}

void text_addf(Text *text, const char *fmt, ...)
{
    scoped(Arena *, arena_freep) scratch = arena_new();
    if (!scratch) {
        text->buf.has_failed = true;
        return;
    }
    StrBuf plain = strbuf(scratch);
    va_list args;
    va_start(args, fmt);
    strbuf_addv(&plain, fmt, args);
    va_end(args);
    Str s;
    if (!strbuf_finish(&plain, &s)) {
        text->buf.has_failed = true;
        return;
    }
    add_visible(&text->buf, s, true);
}

void text_pad(Text *text, size_t columns)
{
    strbuf_add_repeat(&text->buf, ' ', columns);
}

void text_style(Text *text, TextStyle style)
{
    if (!text->look.has_color)
        return;
    const char *code = "0";
    switch (style) {
    case STYLE_PLAIN:
        break;
    case STYLE_BOLD:
        code = "1";
        break;
    case STYLE_DIM:
        code = "2";
        break;
    case STYLE_RED:
        code = "1;31";
        break;
    case STYLE_GREEN:
        code = "32";
        break;
    case STYLE_YELLOW:
        code = "33";
        break;
    case STYLE_CYAN:
        code = "36";
        break;
    }
    strbuf_addf(&text->buf, "\x1b[%sm", code);
}

void text_styled(Text *text, TextStyle style, Str s)
{
    if (style != STYLE_PLAIN)
        text_style(text, style);
    text_add_line(text, s);
    if (style != STYLE_PLAIN)
        text_style(text, STYLE_PLAIN);
}

void text_dot(Text *text)
{
    strbuf_adds(&text->buf, text->look.is_unicode ? " \xc2\xb7 " : " - ");
}

const char *text_ellipsis(const Text *text)
{
    return text->look.is_unicode ? "\xe2\x80\xa6" : "...";
}

void text_give(Text *text)
{
    enum { WORTH_IT = 32 * 1024 };
    if (!text->write || text->buf.has_failed || text->buf.len < WORTH_IT)
        return;
    text->write(text->write_ctx, strbuf_str(&text->buf));
    text->buf.len = 0;
}

Str text_str(const Text *text)
{
    return strbuf_str(&text->buf);
}

size_t text_width(Str s)
{
    bool is_plain = true;
    for (size_t i = 0; i < s.len && is_plain; i++)
        is_plain = s.ptr[i] >= 0x20 && s.ptr[i] < 0x7f;
    if (is_plain)
        return s.len;
    scoped(Arena *, arena_freep) scratch = arena_new();
    if (!scratch)
        return s.len; /* only the alignment suffers */
    StrBuf visible = strbuf(scratch);
    add_visible(&visible, s, false);
    return str_width(strbuf_str(&visible));
}

/* ---- tables ----------------------------------------------------------------------------------------------------- */

Table table_new(Arena *arena, size_t columns)
{
    return (Table){.arena = arena, .columns = columns};
}

static void table_add_cell(Table *table, TableCell cell)
{
    if (!vec_push(table->arena, &table->cells, cell))
        table->has_failed = true;
}

void table_add(Table *table, Str text, TextStyle style)
{
    table_add_cell(table, (TableCell){.text = text, .style = style});
}

void table_add_right(Table *table, Str text, TextStyle style)
{
    table_add_cell(table, (TableCell){.text = text, .style = style, .is_right = true});
}

void table_measure(Table *table)
{
    if (!table->widths)
        table->widths = arena_alloc(table->arena, table->columns * sizeof *table->widths);
    if (!table->widths) {
        table->has_failed = true;
        return;
    }
    for (size_t i = 0; i < table->cells.len; i++) {
        size_t width = text_width(table->cells.items[i].text);
        if (width > table->widths[i % table->columns])
            table->widths[i % table->columns] = width;
    }
    table->cells.len = 0;
}

void table_print(Text *text, Table *table, size_t indent)
{
    size_t count = table->cells.len;
    table_measure(table);
    if (table->has_failed) {
        text->buf.has_failed = true;
        return;
    }
    const size_t *widths = table->widths;
    for (size_t row = 0; row + table->columns <= count; row += table->columns) {
        const TableCell *cells = table->cells.items + row;
        size_t pending =
            indent; /* spaces are written only before something, so that no line ends in any */
        for (size_t i = 0; i < table->columns; i++) {
            size_t width = text_width(cells[i].text);
            size_t rest = widths[i] - width;
            if (cells[i].is_right && width > 0) {
                pending += rest;
                rest = 0;
            }
            if (width > 0) {
                text_pad(text, pending);
                pending = 0;
                text_styled(text, cells[i].style, cells[i].text);
            }
            pending += rest + (widths[i] > 0 ? 2 : 0);
        }
        text_add(text, STR("\n"));
    }
}

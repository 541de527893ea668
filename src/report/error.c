/* Errors and problems, for people and as JSON. SPDX-License-Identifier: Apache-2.0 */
#include "report/report.h"

/* ---- the excerpt ------------------------------------------------------------------------------------------------- */

enum { TAB_STOP = 4, LEAST_EXCERPT = 40 };

/* s as it will stand on the terminal when it begins at column start: tabs as spaces. */
static void expand_tabs(StrBuf *out, Str s, size_t start)
{
    size_t from = 0, column = start;
    for (size_t i = 0; i <= s.len; i++) {
        if (i < s.len && s.ptr[i] != '\t')
            continue;
        Str piece = str_sub(s, from, i);
        strbuf_add(out, piece);
        column += text_width(piece);
        if (i < s.len) {
            size_t spaces = TAB_STOP - column % TAB_STOP;
            strbuf_add_repeat(out, ' ', spaces);
            column += spaces;
        }
        from = i + 1;
    }
}

static bool is_continuation(char c)
{
    return ((unsigned char)c & 0xc0) == 0x80;
}

/* The part of line that is shown: around [from, to), at most columns wide; never inside a character. */
static Str cut_line(Str line, size_t from, size_t to, size_t columns, bool *ret_cut_left,
                    bool *ret_cut_right)
{
    *ret_cut_left = *ret_cut_right = false;
    if (line.len <= columns || text_width(line) <= columns)
        return line;
    size_t marked = to - from < columns / 2 ? to - from : columns / 2;
    size_t before = (columns - marked) * 2 / 3;
    size_t start = from > before ? from - before : 0;
    size_t end = start + columns < line.len ? start + columns : line.len;
    while (start > 0 && is_continuation(line.ptr[start]))
        start--;
    while (end < line.len && is_continuation(line.ptr[end]))
        end++;
    *ret_cut_left = start > 0;
    *ret_cut_right = end < line.len;
    return str_sub(line, start, end);
}

static void print_excerpt(Text *text, Arena *scratch, Str line, uint32_t line_number, size_t gutter,
                          uint32_t column, uint32_t width)
{
    while (line.len > 0 && (line.ptr[line.len - 1] == '\n' || line.ptr[line.len - 1] == '\r'))
        line.len--;
    size_t from = column > 0 ? column - 1 : 0;
    if (from > line.len)
        from = line.len;
    while (from > 0 && from < line.len && is_continuation(line.ptr[from]))
        from--;
    size_t to = from + (width > 0 ? width : 1);
    if (to > line.len)
        to = line.len;
    while (to < line.len && is_continuation(line.ptr[to]))
        to++;

    size_t columns =
        text->look.columns > gutter + LEAST_EXCERPT ? text->look.columns - gutter - 5 : 0;
    bool is_cut_left = false, is_cut_right = false;
    Str shown =
        columns == 0 ? line : cut_line(line, from, to, columns, &is_cut_left, &is_cut_right);
    size_t shift = (size_t)(shown.ptr - line.ptr);
    from = from > shift ? from - shift : 0;
    to = to > shift ? to - shift : 0;
    if (to > shown.len)
        to = shown.len;

    StrBuf before = strbuf(scratch), marked = strbuf(scratch), after = strbuf(scratch);
    expand_tabs(&before, str_sub(shown, 0, from), 0);
    size_t before_width = text_width(strbuf_str(&before));
    expand_tabs(&marked, str_sub(shown, from, to), before_width);
    size_t marked_width = text_width(strbuf_str(&marked));
    expand_tabs(&after, str_sub(shown, to, shown.len), before_width + marked_width);
    if (before.has_failed || marked.has_failed || after.has_failed)
        text->buf.has_failed = true;
    if (marked_width == 0)
        marked_width = 1;

    text_style(text, STYLE_CYAN);
    text_addf(text, "%*u |", (int)gutter - 1, (unsigned)line_number);
    text_style(text, STYLE_PLAIN);
    text_add(text, STR(" "));
    if (is_cut_left)
        text_adds(text, text_ellipsis(text));
    text_add_line(text, strbuf_str(&before));
    text_styled(text, STYLE_BOLD, strbuf_str(&marked));
    text_add_line(text, strbuf_str(&after));
    if (is_cut_right)
        text_adds(text, text_ellipsis(text));
    text_add(text, STR("\n"));
    if (column == 0)
        return;
    text_pad(text, gutter);
    text_styled(text, STYLE_CYAN, STR("|"));
    text_pad(text, 1 + before_width + (is_cut_left ? str_width(str_from(text_ellipsis(text))) : 0));
    text_style(text, STYLE_RED);
    strbuf_add_repeat(&text->buf, '^', marked_width);
    text_style(text, STYLE_PLAIN);
    text_add(text, STR("\n"));
}

static size_t gutter_of(uint32_t line_number)
{
    size_t digits = 1;
    for (uint32_t n = line_number; n >= 10; n /= 10)
        digits++;
    return digits < 2 ? 3 : digits + 1;
}

void report_excerpt(Text *text, Str line, uint32_t line_number, uint32_t column, uint32_t width)
{
    scoped(Arena *, arena_freep) scratch = arena_new();
    if (!scratch) {
        text->buf.has_failed = true;
        return;
    }
    print_excerpt(text, scratch, line, line_number, gutter_of(line_number), column, width);
}

/* ---- errors ------------------------------------------------------------------------------------------------------ */

/* " = text", further lines indented under the first. */
static void add_note(Text *text, size_t gutter, const char *before, const char *note)
{
    Str rest = str_from(note);
    bool is_first = true;
    while (rest.len > 0) {
        Str line;
        rest = str_cut(rest, '\n', &line);
        text_pad(text, gutter);
        text_styled(text, STYLE_CYAN, is_first ? STR("=") : STR(" "));
        text_add(text, STR(" "));
        if (is_first)
            text_adds(text, before);
        text_add_line(text, line);
        text_add(text, STR("\n"));
        is_first = false;
    }
}

static void add_next(Text *text, const StrVec *next)
{
    size_t widest = 0;
    for (size_t i = 0; i + 1 < next->len; i += 2)
        if (text_width(next->items[i]) > widest)
            widest = text_width(next->items[i]);
    for (size_t i = 0; i < next->len; i += 2) {
        text_adds(text, i == 0 ? "Next: " : "   or ");
        text_styled(text, STYLE_BOLD, next->items[i]);
        if (i + 1 < next->len && next->items[i + 1].len > 0) {
            text_pad(text, widest - text_width(next->items[i]) + 5);
            text_add(text, STR("("));
            text_add_line(text, next->items[i + 1]);
            text_add(text, STR(")"));
        }
        text_add(text, STR("\n"));
    }
}

static void add_place(Text *text, const SourcePos *pos)
{
    text_styled(text, STYLE_CYAN, STR("-->"));
    text_add(text, STR(" "));
    text_add_line(text, str_from(pos->file));
    if (pos->line > 0)
        text_addf(text, ":%u", (unsigned)pos->line);
    if (pos->line > 0 && pos->column > 0)
        text_addf(text, ":%u", (unsigned)pos->column);
    text_add(text, STR("\n"));
}

void report_error(Text *text, const Error *err, const RunResult *result)
{
    scoped(Arena *, arena_freep) scratch = arena_new();
    text_styled(text, STYLE_RED, STR("error:"));
    text_add(text, STR(" "));
    text_adds(text, err->message ? err->message : "out of memory");
    /* SQLite's small result codes tell people nothing; the message says it all. */
    if (err->server_code >= 1000)
        text_addf(text, " (%d)", err->server_code);
    else if (err->sqlstate[0])
        text_addf(text, " (%s)", err->sqlstate);
    text_add(text, STR("\n"));

    size_t gutter = gutter_of(err->pos.line);
    bool has_place = err->pos.file != NULL;
    if (has_place) {
        text_pad(text, gutter - 1);
        add_place(text, &err->pos);
        if (err->excerpt && err->pos.line > 0 && scratch) {
            text_pad(text, gutter);
            text_styled(text, STYLE_CYAN, STR("|"));
            text_add(text, STR("\n"));
            uint32_t column = err->excerpt_column ? err->excerpt_column : err->pos.column;
            print_excerpt(text, scratch, str_from(err->excerpt), err->pos.line, gutter, column,
                          err->excerpt_width);
        }
    }
    if (err->statement && !err->excerpt)
        add_note(text, gutter, "in: ", err->statement);
    if (err->detail)
        add_note(text, gutter, "", err->detail);
    if (err->server_hint)
        add_note(text, gutter, "the server's hint: ", err->server_hint);
    if (err->hint)
        add_note(text, gutter, "", err->hint);
    /* A mistyped word needs no page. */
    if (err->code && err->kind != ERROR_USAGE) {
        text_pad(text, gutter);
        text_styled(text, STYLE_CYAN, STR("="));
        text_add(text, STR(" "));
        text_style(text, STYLE_DIM);
        text_addf(text, "more: whimbrel explain %s", err->code);
        text_style(text, STYLE_PLAIN);
        text_add(text, STR("\n"));
    }
    if (result) {
        for (size_t i = 0; i < result->holds.len; i++) {
            text_add(text, result->holds.items[i]);
            text_add(text, STR("\n"));
        }
        add_next(text, &result->next);
    }
}

void report_error_json(JsonWriter *w, const Error *err, const RunResult *result)
{
    if (!err || err->kind == ERROR_NONE) {
        json_null_value(w);
        return;
    }
    Str migration = {0};
    const char *path = err->pos.file;
    if (result && result->failed_version.len > 0)
        migration = result->failed_version;
    else if (result)
        migration = result->failed_name;
    if (!path && result)
        path = result->failed_path;
    json_begin_object(w);
    json_key_text(w, "kind", error_kind_name(err->kind));
    json_key_text(w, "code", err->code);
    json_key_text(w, "message", err->message ? err->message : "out of memory");
    json_key(w, "migration");
    if (migration.len > 0)
        json_str(w, migration);
    else
        json_null_value(w);
    json_key_text(w, "path", path);
    json_key(w, "line");
    if (err->pos.line > 0)
        json_int(w, err->pos.line);
    else
        json_null_value(w);
    json_key(w, "column");
    if (err->pos.line > 0 && err->pos.column > 0)
        json_int(w, err->pos.column);
    else
        json_null_value(w);
    json_key_text(w, "statement", err->statement);
    json_key_text(w, "sqlstate", err->sqlstate[0] ? err->sqlstate : NULL);
    json_key(w, "server_code");
    if (err->server_code != 0)
        json_int(w, err->server_code);
    else
        json_null_value(w);
    json_key_text(w, "detail", err->detail);
    json_key_text(w, "server_hint", err->server_hint);
    json_key_text(w, "hint", err->hint ? err->hint : err->server_hint);
    json_end_object(w);
}

/* ---- problems of a plan -------------------------------------------------------------------------------------------- */

void report_problem(Text *text, const Problem *problem, const char *word)
{
    text_styled(text, problem->stops ? STYLE_RED : STYLE_YELLOW, str_from(word));
    text_add(text, STR(": "));
    text_adds(text, problem->message);
    text_add(text, STR("\n"));
    size_t gutter = gutter_of(problem->pos.line);
    if (problem->pos.file) {
        text_pad(text, gutter - 1);
        add_place(text, &problem->pos);
    }
    if (problem->detail)
        add_note(text, gutter, "", problem->detail);
    if (problem->hint)
        add_note(text, gutter, "", problem->hint);
}

void report_problem_json(JsonWriter *w, const Problem *problem)
{
    json_begin_object(w);
    json_key_text(w, "code", problem->code);
    json_key_text(w, "message", problem->message);
    json_key(w, "version");
    if (problem->version.len > 0)
        json_str(w, problem->version);
    else
        json_null_value(w);
    json_key_str(w, "name", problem->name);
    json_key_text(w, "path", problem->pos.file);
    json_key(w, "line");
    if (problem->pos.line > 0)
        json_int(w, problem->pos.line);
    else
        json_null_value(w);
    json_key_text(w, "detail", problem->detail);
    json_key_text(w, "hint", problem->hint);
    json_key_bool(w, "stops", problem->stops);
    json_end_object(w);
}

/* Runs the cases under tests/cases/: `cases [--update] ROOT`. SPDX-License-Identifier: Apache-2.0
 *
 * TAP on standard output, a line a case. --update writes what came of each input into the files; the change is then
 * looked at like code. */
#include "cases.h"

#include <stdio.h>
#include <string.h>

static const CaseKind *const kinds[] = {&splitter_cases, &inspect_cases, &plan_cases,
                                        &alembic_cases};

typedef Vec(Case) CaseVec;

typedef struct Tally {
    unsigned run, failed;
} Tally;

bool case_has(const Case *c, const char *attribute)
{
    Str rest = c->attributes, word;

    while (rest.len > 0) {
        rest = str_cut(rest, ' ', &word);
        if (str_eq(word, str_from(attribute)))
            return true;
    }
    return false;
}

void case_add_escaped(StrBuf *out, Str text)
{
    size_t bad = 0; /* the next byte that is not UTF-8, once i is there */

    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        if (i >= bad) {
            size_t len = 0;
            bad = str_is_utf8(str_sub(text, i, text.len), &len) ? text.len : i + len;
        }
        if (i == bad)
            strbuf_addf(out, "\\x%02x", c);
        else if (c == '\n')
            strbuf_add(out, STR("\\n"));
        else if (c == '\r')
            strbuf_add(out, STR("\\r"));
        else if (c == '\t')
            strbuf_add(out, STR("\\t"));
        else if (c == '\\')
            strbuf_add(out, STR("\\\\"));
        else if (c < ' ' || c == 0x7f)
            strbuf_addf(out, "\\x%02x", c);
        else
            strbuf_add_char(out, (char)c);
    }
}

static bool unescape(Arena *arena, Str text, Str *ret_bytes)
{
    StrBuf out = strbuf(arena);

    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (c == '\n')
            continue;
        if (c != '\\' || i + 1 == text.len) {
            strbuf_add_char(&out, c);
            continue;
        }
        c = text.ptr[++i];
        if (c == 'x' && i + 2 < text.len && hex_value(text.ptr[i + 1]) >= 0 &&
            hex_value(text.ptr[i + 2]) >= 0) {
            strbuf_add_char(&out,
                            (char)(hex_value(text.ptr[i + 1]) * 16 + hex_value(text.ptr[i + 2])));
            i += 2;
        } else {
            strbuf_add_char(&out, c == 'n' ? '\n' : c == 'r' ? '\r' : c == 't' ? '\t' : c);
        }
    }
    return strbuf_finish(&out, ret_bytes);
}

static Str take_line(Str *rest)
{
    Str line;
    *rest = str_cut(*rest, '\n', &line);
    return line;
}

/* False with a message when the file does not have the form. */
static bool parse(Arena *arena, const char *path, Str text, CaseVec *cases)
{
    uint32_t number = 0;
    Case c = {0};
    enum { BEFORE, INPUT, EXPECTED } part = BEFORE;
    const char *from = text.ptr;

    for (Str rest = text; rest.len > 0;) {
        Str line = take_line(&rest);
        number++;
        bool is_title = str_starts(line, STR("=== ")), is_cut = str_eq(line, STR("---"));
        if (is_title || is_cut) {
            Str body = {from, (size_t)(line.ptr - from)};
            if (is_title != (part != INPUT)) {
                fprintf(stderr, "%s:%u: a case is '=== title [attributes]', input, '---', output\n",
                        path, number);
                return false;
            }
            if (part == EXPECTED) {
                c.expected = str_trim(body);
                if (!vec_push(arena, cases, c))
                    return false;
            }
            if (is_cut)
                c.input = body.len > 0 ? str_sub(body, 0, body.len - 1) : body;
            from = rest.len > 0 ? rest.ptr : text.ptr + text.len;
            part = is_title ? INPUT : EXPECTED;
        }
        if (is_title) {
            size_t open = str_find(line, STR(" ["), 0);
            if (open == SIZE_MAX || line.ptr[line.len - 1] != ']') {
                fprintf(stderr, "%s:%u: no [attributes]\n", path, number);
                return false;
            }
            c = (Case){.title = str_sub(line, 4, open),
                       .attributes = str_sub(line, open + 2, line.len - 1),
                       .line = number};
        }
    }
    c.expected = str_trim((Str){from, (size_t)(text.ptr + text.len - from)});
    return part == BEFORE || (part == EXPECTED && vec_push(arena, cases, c));
}

static bool run_file(Arena *arena, const CaseKind *kind, const char *path, const char *name,
                     bool is_update, Tally *tally)
{
    Error err = {.arena = arena};
    Str text;
    CaseVec cases = {0};
    StrBuf updated = strbuf(arena);

    if (!file_read(arena, path, 0, &text, &err)) {
        fprintf(stderr, "%s\n", err.message);
        return false;
    }
    if (!parse(arena, path, text, &cases))
        return false;
    for (size_t i = 0; i < cases.len; i++) {
        Case c = cases.items[i];
        Str raw = c.input, got;
        StrBuf out = strbuf(arena);
        if (case_has(&c, "escaped") && !unescape(arena, raw, &c.input))
            return false;
        if (!kind->run(arena, &c, &out) || !strbuf_finish(&out, &got))
            return false;
        got = str_trim(got);
        bool is_same = str_eq(got, c.expected);
        printf("%s %u - %s/%s: %.*s\n", is_same || is_update ? "ok" : "not ok", ++tally->run,
               kind->folder, name, STR_ARG(c.title));
        if (!is_same && !is_update) {
            tally->failed++;
            fprintf(stderr, "%s:%u: %.*s\n--- expected\n%.*s\n--- got\n%.*s\n", path, c.line,
                    STR_ARG(c.title), STR_ARG(c.expected), STR_ARG(got));
        }
        strbuf_addf(&updated, "%s=== %.*s [%.*s]\n%.*s\n---\n", i > 0 ? "\n" : "", STR_ARG(c.title),
                    STR_ARG(c.attributes), STR_ARG(raw));
        if (got.len > 0) {
            strbuf_add(&updated, got);
            strbuf_add_char(&updated, '\n');
        }
    }
    Str whole;
    if (!strbuf_finish(&updated, &whole))
        return false;
    if (is_update && !str_eq(whole, text) && !file_write(arena, path, whole, 0644, &err)) {
        fprintf(stderr, "%s\n", err.message);
        return false;
    }
    return true;
}

int main(int argc, char **argv)
{
    bool is_update = argc == 3 && strcmp(argv[1], "--update") == 0;
    Tally tally = {0};

    if (argc != 2 + is_update) {
        fprintf(stderr, "usage: %s [--update] ROOT\n", argv[0]);
        return 2;
    }
    const char *root = argv[1 + is_update];
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        scoped(Arena *, arena_freep) arena = arena_new();
        Error err = {.arena = arena};
        FolderEntryVec entries;
        char *folder = arena ? path_join(arena, root, str_from(kinds[i]->folder)) : NULL;
        if (!folder || !folder_list(arena, folder, &entries, &err)) {
            fprintf(stderr, "%s\n", folder ? err.message : "out of memory");
            return 2;
        }
        for (size_t k = 0; k < entries.len; k++) {
            if (!str_ends(entries.items[k].name, STR(".case")))
                continue;
            char *name = str_z(arena, entries.items[k].name),
                 *path = path_join(arena, folder, entries.items[k].name);
            if (!name || !path || !run_file(arena, kinds[i], path, name, is_update, &tally))
                return 2;
        }
    }
    printf("1..%u\n", tally.run);
    return tally.failed ? 1 : 0;
}

/* Directives: `-- whimbrel: word key=value ...` in the comments before a statement. Whatever looks like a directive and is
 * not one is an error: a directive that is passed over in silence is worse than none. SPDX-License-Identifier: Apache-2.0 */
#include "migration/migration.h"

static const char *const known_words[] = {"no-transaction",
                                          "lock-timeout",
                                          "statement-timeout",
                                          "lock-retries",
                                          "phase",
                                          "requires",
                                          "allow",
                                          "reason",
                                          "engine",
                                          "batch",
                                          NULL};
static const char *const known_phases[] = {"expand", "contract", NULL};
static const char *const known_engines[] = {"postgres", "mysql", "mariadb", "sqlite", NULL};

typedef struct Reader {
    Arena *arena;
    Str trivia;
    const char *file;
    uint32_t first_line;
    bool is_head;
    Directives *directives;
    Error *err;
} Reader;

Directives directives_none(void)
{
    return (Directives){.lock_timeout_ms = -1, .statement_timeout_ms = -1, .lock_retries = -1};
}

const Directives *directives_nothing(void)
{
    static const Directives nothing = {
        .lock_timeout_ms = -1, .statement_timeout_ms = -1, .lock_retries = -1};
    return &nothing;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == '\f' || c == '\v';
}

static bool starts_at(Str text, size_t at, const char *prefix)
{
    return str_starts(str_sub(text, at, text.len), str_from(prefix));
}

/* An error about trivia[from, to), with its place and its line as the excerpt. */
static bool refuse(Reader *r, size_t from, size_t to, ErrorKind kind, const char *code,
                   const char *message)
{
    uint32_t line = r->first_line;
    size_t line_start = 0;
    for (size_t i = 0; i < from; i++) {
        if (r->trivia.ptr[i] == '\n') {
            line++;
            line_start = i + 1;
        }
    }
    size_t line_end = str_find_char(r->trivia, '\n', from);
    Str whole = str_sub(r->trivia, line_start, line_end);
    /* The trivia of a later statement begins in the middle of a line, and that column is not known here. */
    bool has_column = line_start > 0 || r->is_head;
    error_set(r->err, kind, "%s", message);
    error_code(r->err, code);
    error_at(r->err, str_from(r->file), line, has_column ? (uint32_t)(from - line_start) + 1 : 0);
    if (r->err && has_column) {
        if (whole.len > 0 && whole.ptr[whole.len - 1] == '\r')
            whole.len--;
        r->err->excerpt = r->err->arena ? str_z(r->err->arena, whole) : NULL;
        r->err->excerpt_width = (uint32_t)(to - from);
    }
    return false;
}

static bool bad_value(Reader *r, size_t from, size_t to, const char *message, const char *hint)
{
    refuse(r, from, to, ERROR_PARSE, "bad-directive", message);
    return error_hint(r->err, "%s", hint);
}

/* str_format() for messages: never NULL. */
static const char *word_message(Reader *r, const char *format_before, Str word, const char *after)
{
    const char *message = str_format(r->arena, "%s\"%.*s\"%s", format_before, STR_ARG(word), after);
    return message ? message : "bad directive";
}

static bool read_duration(Reader *r, size_t from, size_t to, Str key, Str value, int64_t *ret_ms)
{
    int64_t us = 0;
    if (!str_eq(value, STR("0")) && !duration_parse(value, 0, &us)) {
        const char *hint = str_format(
            r->arena,
            "Write a number with its unit, such as %.*s=2s (ms, s, min, h, d), or 0 for none.",
            STR_ARG(key));
        return bad_value(r, from, to, word_message(r, "not a duration: ", value, ""),
                         hint ? hint : "Write a number with its unit, such as 2s.");
    }
    *ret_ms = us / 1000 + (us % 1000 != 0);
    return true;
}

/* Splits at commas; each part is checked and appended. */
static bool read_list(Reader *r, size_t from, size_t to, Str key, Str value, StrVec *list)
{
    Str rest = value;
    do {
        Str part;
        bool has_comma = str_find_char(rest, ',', 0) != SIZE_MAX;
        rest = str_cut(rest, ',', &part);
        part = str_trim(part);
        if (part.len == 0)
            return bad_value(r, from, to, word_message(r, "", key, " has an empty entry"),
                             "Separate entries with one comma each.");
        if (str_eq(key, STR("requires")) && !version_is_valid(part))
            return bad_value(r, from, to, word_message(r, "not a version: ", part, ""),
                             "Write requires=20250405120000.");
        if (str_eq(key, STR("engine"))) {
            bool is_known = false;
            for (size_t i = 0; known_engines[i]; i++)
                is_known = is_known || str_eq(part, str_from(known_engines[i]));
            if (!is_known) {
                const char *nearest = suggest_nearest(part, known_engines);
                refuse(r, from, to, ERROR_PARSE, "bad-directive",
                       word_message(r, "unknown engine ", part, ""));
                return nearest
                           ? error_hint(r->err, "Did you mean \"%s\"?", nearest)
                           : error_hint(r->err, "Engines are postgres, mysql, mariadb and sqlite.");
            }
        }
        Str copy;
        if (!str_copy(r->arena, part, &copy) || !vec_push(r->arena, list, copy))
            return error_nomem(r->err);
        if (!has_comma)
            return true;
    } while (true);
}

static bool read_phase(Reader *r, size_t from, size_t to, Str value)
{
    if (str_eq(value, STR("expand"))) {
        r->directives->phase = PHASE_EXPAND;
    } else if (str_eq(value, STR("contract"))) {
        r->directives->phase = PHASE_CONTRACT;
    } else {
        const char *nearest = suggest_nearest(value, known_phases);
        refuse(r, from, to, ERROR_PARSE, "bad-directive",
               word_message(r, "unknown phase ", value, ""));
        return nearest ? error_hint(r->err, "Did you mean \"%s\"?", nearest)
                       : error_hint(r->err, "Phases are expand and contract.");
    }
    return true;
}

/* One word or key=value; from and to are its place in the trivia. */
static bool read_word(Reader *r, size_t from, size_t to, Str key, Str value, bool has_value)
{
    Directives *d = r->directives;
    bool is_known = false;
    for (size_t i = 0; known_words[i]; i++)
        is_known = is_known || str_eq(key, str_from(known_words[i]));
    if (!is_known) {
        const char *nearest = suggest_nearest(key, known_words);
        refuse(r, from, to, ERROR_PARSE, "unknown-directive",
               word_message(r, "unknown directive ", key, ""));
        return nearest ? error_hint(r->err, "Did you mean \"%s\"?", nearest)
                       : error_hint(r->err, "Known ones are no-transaction, lock-timeout, "
                                            "statement-timeout, lock-retries, phase, "
                                            "requires, allow, reason, engine and batch.");
    }
    if (str_eq(key, STR("batch"))) {
        refuse(r, from, to, ERROR_UNSUPPORTED, "unsupported-directive",
               "batched statements are not supported in this version");
        return error_hint(r->err, "Take the directive out to run the statement as one, or split it "
                                  "into several by hand.");
    }
    if (str_eq(key, STR("no-transaction"))) {
        if (has_value)
            return bad_value(r, from, to, "no-transaction takes no value",
                             "Write it alone: -- whimbrel: no-transaction.");
        d->no_transaction = true;
        return true;
    }
    if (!has_value || value.len == 0)
        return bad_value(r, from, to, word_message(r, "", key, " needs a value"),
                         "Write it as key=value, without blanks around the sign.");
    if (!r->is_head &&
        (str_eq(key, STR("phase")) || str_eq(key, STR("requires")) || str_eq(key, STR("engine"))))
        return bad_value(r, from, to,
                         word_message(r, "", key, " governs a whole migration, not one statement"),
                         "Move it to the head of the file, before the first statement.");
    if (str_eq(key, STR("lock-timeout")))
        return read_duration(r, from, to, key, value, &d->lock_timeout_ms);
    if (str_eq(key, STR("statement-timeout")))
        return read_duration(r, from, to, key, value, &d->statement_timeout_ms);
    if (str_eq(key, STR("lock-retries"))) {
        uint64_t count = 0;
        if (!str_to_u64(value, &count) || count > INT32_MAX)
            return bad_value(r, from, to, word_message(r, "not a count: ", value, ""),
                             "Write lock-retries=30.");
        d->lock_retries = (int64_t)count;
        return true;
    }
    if (str_eq(key, STR("phase")))
        return read_phase(r, from, to, value);
    if (str_eq(key, STR("requires")))
        return read_list(r, from, to, key, value, &d->required);
    if (str_eq(key, STR("engine")))
        return read_list(r, from, to, key, value, &d->engines);
    if (str_eq(key, STR("allow")))
        return read_list(r, from, to, key, value, &d->allowed);
    /* reason */
    return str_copy(r->arena, value, &d->reason) || error_nomem(r->err);
}

/* trivia[at, end) is what stands behind "whimbrel:" in one comment. */
static bool read_directive(Reader *r, size_t at, size_t end)
{
    const char *text = r->trivia.ptr;
    bool has_any = false;
    size_t begin = at;
    while (at < end) {
        if (is_blank(text[at]) || (text[at] == '*' && (at + 1 == end || is_blank(text[at + 1])))) {
            at++; /* the stars down the left side of a block comment are decoration */
            continue;
        }
        size_t from = at;
        while (at < end && !is_blank(text[at]) && text[at] != '=')
            at++;
        Str key = {text + from, at - from}, value = {0};
        bool has_value = at < end && text[at] == '=';
        if (has_value && ++at < end && (text[at] == '"' || text[at] == '\'')) {
            size_t close = str_find_char(str_sub(r->trivia, 0, end), text[at], at + 1);
            if (close == SIZE_MAX)
                return bad_value(r, from, end, "a quoted value is not closed",
                                 "End it with the quote it began with.");
            value = str_sub(r->trivia, at + 1, close);
            at = close + 1;
            if (at < end && !is_blank(text[at]))
                return bad_value(r, from, at + 1, "something follows the closing quote",
                                 "Separate directives with blanks.");
        } else if (has_value) {
            size_t value_from = at;
            while (at < end && !is_blank(text[at]))
                at++;
            value = str_sub(r->trivia, value_from, at);
        }
        if (key.len == 0)
            return bad_value(r, from, at, "a value without a name",
                             "Write key=value, without blanks around the sign.");
        if (!read_word(r, from, at, key, value, has_value))
            return false;
        has_any = true;
    }
    return has_any || bad_value(r, begin > 0 ? begin - 1 : 0, begin, "an empty directive",
                                "Say what it is to do, or take it out.");
}

bool directives_read(Arena *arena, Str trivia, const char *file, uint32_t first_line, bool is_head,
                     Directives *directives, Error *err)
{
    Reader reader = {.arena = arena,
                     .trivia = trivia,
                     .file = file,
                     .first_line = first_line,
                     .is_head = is_head,
                     .directives = directives,
                     .err = err};
    size_t at = 0;
    /* Nearly all trivia holds none: one search tells. */
    if (str_find_char(trivia, ':', 0) == SIZE_MAX)
        return true;
    while (at < trivia.len) {
        size_t begin, end, next;
        if (starts_at(trivia, at, "/*")) {
            begin = at + 2;
            size_t close = str_find(trivia, STR("*/"), begin);
            end = close == SIZE_MAX ? trivia.len : close;
            next = close == SIZE_MAX ? trivia.len : close + 2;
        } else if (starts_at(trivia, at, "--") || trivia.ptr[at] == '#') {
            begin = at + (trivia.ptr[at] == '#' ? 1 : 2);
            size_t close = str_find_char(trivia, '\n', begin);
            end = next = close == SIZE_MAX ? trivia.len : close;
        } else {
            at++;
            continue;
        }
        while (begin < end && (is_blank(trivia.ptr[begin]) || trivia.ptr[begin] == '*'))
            begin++;
        if (str_starts_nocase(str_sub(trivia, begin, end), STR("whimbrel:")) &&
            !read_directive(&reader, begin + sizeof "whimbrel:" - 1, end))
            return false;
        at = next;
    }
    return true;
}

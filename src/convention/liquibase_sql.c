/* Formatted SQL: changesets between `--changeset author:id` lines, read line by line as Liquibase's patterns do. What stands within
 * a changeset and is no directive is its SQL. SPDX-License-Identifier: Apache-2.0 */
#include "convention/liquibase.h"

#include <string.h>

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* "--", blanks, the word; what follows it. may_indent: blanks may stand in front. */
static bool directive(Str line, Str word, bool may_indent, Str *ret_rest)
{
    size_t at = 0;
    while (may_indent && at < line.len && is_blank(line.ptr[at]))
        at++;
    if (!str_starts(str_sub(line, at, line.len), STR("--")))
        return false;
    at += 2;
    while (at < line.len && is_blank(line.ptr[at]))
        at++;
    if (!str_starts_nocase(str_sub(line, at, line.len), word))
        return false;
    *ret_rest = str_sub(line, at + word.len, line.len);
    return true;
}

static bool is_first_line(Str line, Str *ret_rest)
{
    Str rest;
    if (str_starts(line, STR("\xef\xbb\xbf")))
        line = str_sub(line, 3, line.len);
    if (!directive(line, STR("liquibase"), true, &rest))
        return false;
    while (rest.len > 0 && is_blank(rest.ptr[0]))
        rest = str_sub(rest, 1, rest.len);
    *ret_rest = rest;
    return str_starts_nocase(rest, STR("formatted"));
}

bool liquibase_is_formatted(Str text)
{
    Line line = {0};
    Str rest;
    while (line_next(text, &line))
        if (str_trim(line.text).len > 0)
            return is_first_line(line.text, &rest);
    return false;
}

/* ---- attributes --------------------------------------------------------------------------------------------- */

static size_t find_last_nocase(Str text, Str word, size_t before)
{
    for (size_t at = before; at-- > 0;)
        if (str_starts_nocase(str_sub(text, at, text.len), word))
            return at;
    return SIZE_MAX;
}

static bool is_word_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

/* The value behind the last "name:" of the line, as the tool's patterns find it: the name may be the end of another. whole_word: it may
 * not. Quoted: in double quotes it may hold blanks, which are taken off. */
static bool attribute(Str line, Str name, bool whole_word, bool may_quote, Str *ret_value)
{
    size_t at = line.len;
    while ((at = find_last_nocase(line, name, at)) != SIZE_MAX) {
        if (whole_word && at > 0 && is_word_char(line.ptr[at - 1]))
            continue;
        Str rest = str_sub(line, at + name.len, line.len);
        size_t len = 0;
        if (may_quote && str_starts(rest, STR("\"")) && str_find_char(rest, '"', 1) != SIZE_MAX) {
            *ret_value = str_sub(rest, 1, str_find_char(rest, '"', 1));
            return true;
        }
        while (len < rest.len && !is_blank(rest.ptr[len]) && rest.ptr[len] != '\n')
            len++;
        *ret_value = str_sub(rest, 0, len);
        return true;
    }
    return false;
}

static bool flag(Str line, Str name, bool otherwise)
{
    Str value;
    if (!attribute(line, name, false, false, &value))
        return otherwise;
    return str_starts_nocase(value, STR("true")) || str_eq_nocase(value, STR("yes")) ||
           str_eq(value, STR("1"));
}

/* ---- one changeset under way ------------------------------------------------------------------------------------ */

typedef struct Formatted {
    LbReading *r;
    LbFile file; /* with its own logical path */
    LbChangeSet *set;
    Str line; /* of the changeset */
    StrBuf sql, rollback;
    uint32_t sql_line, rollback_line;
    bool has_rollback;
    LbPreconditions *pending; /* of the changeset */
} Formatted;

static bool bad(const Formatted *f, uint32_t line, const char *what, const char *hint)
{
    return liquibase_bad(f->r->err, f->file.path, line, what, hint);
}

/* "changesetId:1 changesetAuthor:a changesetPath:p": the SQL of another changeset runs. */
static bool rollback_of_other(Formatted *f, Str text)
{
    Str id = {0}, author = {0}, path = {0};
    (void)attribute(text, STR("changesetId:"), false, false, &id);
    (void)attribute(text, STR("changesetAuthor:"), false, false, &author);
    if (!attribute(text, STR("changesetPath:"), false, false, &path))
        path = f->set->path;
    else if (!liquibase_path(f->r->arena, path, &path))
        return error_nomem(f->r->err);
    const LbChangeSet *other = liquibase_find_set(f->r, id, author, path);
    if (other) {
        f->set->down = other->up;
        f->set->has_down = true;
        return true;
    }
    return bad(
        f, f->rollback_line, "`--rollback` names a changeset that is not defined before it",
        "Write changesetId:, changesetAuthor: and, of another file, changesetPath: as they are "
        "there.");
}

static bool take_rollback(Formatted *f)
{
    Str text, trimmed, expanded, ignored, delimiter = {0};
    if (!strbuf_finish(&f->rollback, &text))
        return error_nomem(f->r->err);
    trimmed = str_trim(text);
    if (!f->has_rollback || trimmed.len == 0)
        return true;
    f->set->has_down = true;
    if (str_starts_nocase(trimmed, STR("not required")) || str_eq_nocase(trimmed, STR("empty"))) {
        f->set->down = (LbSql){.path = f->file.path, .line = f->rollback_line};
        return true;
    }
    if (attribute(text, STR("changesetId:"), false, false, &ignored))
        return rollback_of_other(f, text);
    if (!liquibase_expand(f->r, &f->file, text, &expanded))
        return false;
    (void)attribute(f->line, STR("rollbackEndDelimiter:"), true, false, &delimiter);
    f->set->down.path = f->file.path;
    return liquibase_add_sql(f->r, &f->set->down, expanded, f->rollback_line,
                             flag(f->line, STR("rollbackSplitStatements:"), true), delimiter);
}

/* The changeset is over. */
static bool finish_set(Formatted *f)
{
    LbReading *r = f->r;
    LbChangeSet *set = f->set;
    Str text, expanded, delimiter = {0};
    LbSums sums = {0};
    if (!set)
        return true;
    if (!strbuf_finish(&f->sql, &text))
        return error_nomem(r->err);
    if (str_trim(text).len == 0)
        return bad(f, set->line, "a changeset holds no SQL",
                   "Write its SQL, or take it out; Liquibase refuses it too.");
    if (!liquibase_expand(r, &f->file, text, &expanded))
        return false;
    (void)attribute(f->line, STR("endDelimiter:"), true, false, &delimiter);
    LbCutting cutting = {delimiter, flag(f->line, STR("splitStatements:"), true),
                         flag(f->line, STR("stripComments:"), true)};
    if (!liquibase_add_sums(r->arena, expanded, cutting, &sums) ||
        !liquibase_set_sums(r->arena, &sums, set))
        return error_nomem(r->err);
    set->up.path = f->file.path;
    set->preconditions = f->pending;
    bool is_ok = liquibase_add_sql(r, &set->up, expanded, f->sql_line, cutting.splits, delimiter) &&
                 take_rollback(f) && liquibase_add_set(r, &f->file, set);
    f->set = NULL;
    f->pending = NULL;
    return is_ok;
}

/* Up to the first of the line's `end`, or in quotes, which are taken off. */
static Str take_name(Str *rest, bool is_id)
{
    Str name;
    if (str_starts(*rest, STR("\"")) && str_find_char(*rest, '"', 1) != SIZE_MAX) {
        size_t end = str_find_char(*rest, '"', 1);
        name = str_sub(*rest, 1, end);
        *rest = str_sub(*rest, end + 1, rest->len);
        return name;
    }
    size_t len = 0;
    while (len < rest->len && (is_id ? !is_blank(rest->ptr[len]) : rest->ptr[len] != ':'))
        len++;
    name = str_sub(*rest, 0, len);
    *rest = str_sub(*rest, len, rest->len);
    return name;
}

static bool expanded_attribute(Formatted *f, Str name, bool may_quote, Str *ret_value)
{
    *ret_value = (Str){0};
    return !attribute(f->line, name, false, may_quote, ret_value) ||
           liquibase_expand(f->r, &f->file, *ret_value, ret_value);
}

static bool take_attributes(Formatted *f, LbChangeSet *set)
{
    Str context, logical, run_with, ignored;
    Arena *arena = f->r->arena;
    if (!expanded_attribute(f, STR("contextFilter:"), true, &context) ||
        (context.len == 0 && !expanded_attribute(f, STR("context:"), true, &context)) ||
        !expanded_attribute(f, STR("labels:"), true, &set->labels) ||
        !expanded_attribute(f, STR("dbms:"), false, &set->dbms) ||
        !expanded_attribute(f, STR("logicalFilePath:"), false, &logical) ||
        !expanded_attribute(f, STR("runWith:"), false, &run_with) ||
        !expanded_attribute(f, STR("ignore:"), false, &ignored))
        return false;
    if (context.len > 0 && !vec_push(arena, &set->contexts, context))
        return error_nomem(f->r->err);
    if (logical.len > 0 && !liquibase_path(arena, logical, &set->path))
        return error_nomem(f->r->err);
    set->is_ignored = set->is_ignored || str_eq_nocase(ignored, STR("true"));
    set->no_transaction = !flag(f->line, STR("runInTransaction:"), true);
    set->runs_on_change = flag(f->line, STR("runOnChange:"), false);
    set->runs_always = flag(f->line, STR("runAlways:"), false);
    set->may_fail = !flag(f->line, STR("failOnError:"), true);
    if (run_with.len > 0 && !str_eq_nocase(run_with, STR("jdbc"))) {
        set->refusal = str_format(arena, "is to be run by %.*s (runWith)", STR_ARG(run_with));
        set->refusal_line = set->line;
        return set->refusal || error_nomem(f->r->err);
    }
    return true;
}

static bool begin_set(Formatted *f, const Line *line, Str rest)
{
    LbReading *r = f->r;
    static const char form[] =
        "Write it as `--changeset AUTHOR:ID`, without a blank behind the colon.";
    bool has_blank = rest.len > 0 && is_blank(rest.ptr[0]);
    rest = str_trim(rest);
    Str author = take_name(&rest, false);
    if (!has_blank || author.len == 0 || !str_starts(rest, STR(":")))
        return bad(f, line->number, "a changeset without author and id", form);
    rest = str_sub(rest, 1, rest.len);
    Str id = take_name(&rest, true);
    if (str_trim(id).len == 0 || str_eq(id, STR(":")))
        return bad(f, line->number, "a changeset without an id", form);
    f->line = line->text;
    f->set = liquibase_new_set(r, &f->file, line->number);
    if (!f->set)
        return false;
    strbuf_clear(&f->sql);
    f->sql = strbuf(r->arena);
    f->rollback = strbuf(r->arena);
    f->sql_line = line->number + 1;
    f->has_rollback = false;
    f->set->description = STR("sql");
    return liquibase_expand(r, &f->file, id, &f->set->id) &&
           liquibase_expand(r, &f->file, author, &f->set->author) && take_attributes(f, f->set);
}

/* ---- preconditions ------------------------------------------------------------------------------------------------ */

static bool begin_preconditions(Formatted *f, const Line *line, Str rest)
{
    Str word;
    LbPreconditions *made = arena_alloc(f->r->arena, sizeof *made);
    LbCheck *check = arena_alloc(f->r->arena, sizeof *check);
    if (!made || !check)
        return error_nomem(f->r->err);
    *check = (LbCheck){.test = LB_AND, .line = line->number};
    *made = (LbPreconditions){.check = check, .file = f->file.path, .line = line->number};
    if ((attribute(rest, STR("onFail:"), false, false, &word) &&
         !liquibase_verdict(word, &made->on_fail)) ||
        (attribute(rest, STR("onError:"), false, false, &word) &&
         !liquibase_verdict(word, &made->on_error)))
        return bad(f, line->number, "onFail and onError know HALT, CONTINUE, MARK_RAN and WARN",
                   "Write one of them, as in `--preconditions onFail:MARK_RAN`.");
    (void)attribute(rest, STR("onFailMessage:"), false, true, &made->fail_message);
    (void)attribute(rest, STR("onErrorMessage:"), false, true, &made->error_message);
    if (f->pending)
        made->check = f->pending->check; /* what was there before counts on */
    f->pending = made;
    return true;
}

/* "expectedResult:X SELECT", X a word or in quotes; the name may be left out. */
static bool take_sql_check(Formatted *f, LbCheck *check, Str rest)
{
    rest = str_trim(rest);
    if (str_starts_nocase(rest, STR("expectedResult:")))
        rest = str_sub(rest, 15, rest.len);
    char quote = rest.len > 0 && (rest.ptr[0] == '"' || rest.ptr[0] == '\'') ? rest.ptr[0] : '\0';
    size_t end = quote ? str_find_char(rest, quote, 1) : str_find_char(rest, ' ', 0);
    if (end == SIZE_MAX)
        return bad(f, check->line, "a check without the result that is expected, or without SQL",
                   "Write `--precondition-sql-check expectedResult:0 SELECT count(*) FROM t`.");
    check->test = LB_SQL;
    check->expected = quote ? str_sub(rest, 1, end) : str_sub(rest, 0, end);
    check->text = str_trim(str_sub(rest, end + 1, rest.len));
    return liquibase_expand(f->r, &f->file, check->text, &check->text);
}

static bool add_check(Formatted *f, const Line *line, Str rest)
{
    LbCheck *check = arena_alloc(f->r->arena, sizeof *check);
    size_t blank = 0;
    while (blank < rest.len && !is_blank(rest.ptr[blank]))
        blank++;
    Str kind = str_sub(rest, 0, blank);
    rest = str_trim(str_sub(rest, blank, rest.len));
    if (!check)
        return error_nomem(f->r->err);
    *check = (LbCheck){.line = line->number};
    if (!f->pending && !begin_preconditions(f, line, (Str){0}))
        return false;
    if (str_eq_nocase(kind, STR("sql-check"))) {
        if (!take_sql_check(f, check, rest))
            return false;
    } else if (str_eq_nocase(kind, STR("table-exists")) ||
               str_eq_nocase(kind, STR("view-exists"))) {
        bool is_table = str_starts_nocase(kind, STR("table"));
        check->test = is_table ? LB_TABLE : LB_VIEW;
        (void)attribute(rest, STR("schema:"), true, false, &check->schema);
        if (!attribute(rest, is_table ? STR("table:") : STR("view:"), true, false, &check->table) ||
            !liquibase_expand(f->r, &f->file, check->table, &check->table))
            return bad(
                f, line->number, "a check without a name",
                "Write `--precondition-table-exists table:NAME`, or view-exists and view:NAME.");
    } else {
        return bad(f, line->number, "a precondition that Liquibase does not know here",
                   "Formatted SQL has sql-check, table-exists and view-exists.");
    }
    return vec_push(f->r->arena, &f->pending->check->parts, check) || error_nomem(f->r->err);
}

/* ---- lines --------------------------------------------------------------------------------------------------------- */

/* "name:N value:V", in which the value ends at a blank. */
static bool take_property(Formatted *f, const Line *line, Str rest)
{
    Str name, value, context = {0}, labels = {0}, dbms = {0}, global = {0};
    if (!attribute(rest, STR("name:"), true, false, &name) ||
        !attribute(rest, STR("value:"), true, false, &value))
        return bad(f, line->number, "a property without name or value",
                   "Write `--property name:NAME value:VALUE`.");
    if (!attribute(rest, STR("contextFilter:"), true, true, &context))
        (void)attribute(rest, STR("context:"), true, true, &context);
    (void)attribute(rest, STR("labels:"), true, true, &labels);
    (void)attribute(rest, STR("dbms:"), true, false, &dbms);
    bool is_global = !attribute(rest, STR("global:"), true, false, &global) ||
                     str_eq_nocase(global, STR("true"));
    return liquibase_add_property(f->r, &f->file, name, value, context, labels, dbms, is_global);
}

static bool ignore_lines(Formatted *f, Str text, Line *line, Str rest)
{
    uint64_t count;
    uint32_t from = line->number;
    rest = str_trim(rest);
    if (str_eq(rest, STR("start"))) {
        while (line_next(text, line))
            if (directive(line->text, STR("ignoreLines:"), false, &rest) &&
                str_eq(str_trim(rest), STR("end")))
                return true;
        return true;
    }
    if (!str_to_u64(rest, &count))
        return bad(f, from, "ignoreLines without a number or start",
                   "Write `--ignoreLines:start` and `--ignoreLines:end`, or `--ignoreLines:3`.");
    while (count-- > 0 && line_next(text, line))
        ;
    return true;
}

static bool is_block_rollback(Str line)
{
    Str rest = str_trim(line);
    if (!str_starts(rest, STR("/*")))
        return false;
    rest = str_trim(str_sub(rest, 2, rest.len));
    if (!str_starts_nocase(rest, STR("liquibase")))
        return false;
    return str_eq_nocase(str_trim(str_sub(rest, 9, rest.len)), STR("rollback"));
}

static void add_rollback(Formatted *f, const Line *line, Str text)
{
    if (!f->has_rollback)
        f->rollback_line = line->number;
    f->has_rollback = true;
    strbuf_add(&f->rollback, text);
    strbuf_add_char(&f->rollback, '\n');
}

/* One line within a changeset. What is no SQL leaves an empty line, so that places stay. */
static bool take_line(Formatted *f, Str text, Line *line)
{
    Str rest, trimmed = str_trim(line->text);
    strbuf_add_char(&f->sql, '\n');
    if (is_block_rollback(line->text)) {
        while (line_next(text, line)) {
            strbuf_add_char(&f->sql, '\n');
            Str inner = str_trim(line->text);
            bool is_end = str_ends(inner, STR("*/"));
            add_rollback(f, line, is_end ? str_sub(inner, 0, inner.len - 2) : line->text);
            if (is_end)
                return true;
        }
        return bad(f, line->number, "`/* liquibase rollback` is not closed",
                   "End it with a line that ends with */.");
    }
    if (directive(line->text, STR("rollback"), true, &rest) &&
        (rest.len == 0 || is_blank(rest.ptr[0]))) {
        add_rollback(f, line, rest);
        return true;
    }
    if (directive(line->text, STR("comment"), false, &rest) && !str_starts(rest, STR("s"))) {
        if (str_starts(rest, STR(":")))
            rest = str_sub(rest, 1, rest.len);
        if (rest.len == 0 || !is_blank(rest.ptr[0]))
            goto sql;
        f->set->comment = str_sub(rest, 1, rest.len);
        return true;
    }
    if (directive(line->text, STR("validCheckSum"), false, &rest)) {
        if (str_starts(rest, STR(":")))
            rest = str_sub(rest, 1, rest.len);
        rest = str_trim(rest);
        return liquibase_add_valid_sum(f->r, f->set, rest);
    }
    if (directive(line->text, STR("preconditions"), true, &rest))
        return begin_preconditions(f, line, rest);
    if (directive(line->text, STR("precondition-"), true, &rest))
        return add_check(f, line, rest);
    if (str_starts_nocase(trimmed, STR("-rollback")) ||
        str_starts_nocase(trimmed, STR("-precondition")) ||
        str_starts_nocase(trimmed, STR("-comment")) ||
        str_starts_nocase(trimmed, STR("-validCheckSum")))
        return bad(f, line->number, "a directive with one dash",
                   "Directives begin with two: Liquibase refuses this line too.");
sql:
    f->sql.len--; /* the line's own end is in the text */
    f->sql.ptr[f->sql.len] = '\0';
    strbuf_add(&f->sql, line->text);
    strbuf_add_char(&f->sql, '\n');
    return true;
}

bool liquibase_read_sql(LbReading *r, const LbFile *file, Str text)
{
    Formatted f = {.r = r, .file = *file, .sql = strbuf(r->arena)};
    Line line = {0};
    Str rest, logical;
    if (str_starts(text, STR("\xef\xbb\xbf")))
        text = str_sub(text, 3, text.len);
    while (line_next(text, &line)) {
        uint32_t before = line.number;
        if (directive(line.text, STR("property"), true, &rest) && rest.len > 0 &&
            is_blank(rest.ptr[0])) {
            if (!take_property(&f, &line, rest))
                return false;
        } else if (directive(line.text, STR("ignoreLines:"), false, &rest)) {
            if (!ignore_lines(&f, text, &line, rest))
                return false;
        } else if (directive(line.text, STR("changeset"), true, &rest)) {
            if (!finish_set(&f) || !begin_set(&f, &line, rest))
                return false;
            continue;
        } else if (str_starts_nocase(str_trim(line.text), STR("-changeset "))) {
            return bad(&f, line.number, "`-changeset` with one dash",
                       "Write `--changeset AUTHOR:ID`.");
        } else if (is_first_line(line.text, &rest)) {
            if (attribute(rest, STR("logicalFilePath:"), false, false, &logical) &&
                !liquibase_path(r->arena, logical, &f.file.logical))
                return error_nomem(r->err);
        } else if (f.set) {
            if (!take_line(&f, text, &line))
                return false;
            continue;
        } else {
            continue;
        }
        /* Lines that are left out keep their place. */
        for (; f.set && before <= line.number; before++)
            strbuf_add_char(&f.sql, '\n');
    }
    return finish_set(&f);
}

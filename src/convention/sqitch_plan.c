/* Sqitch's plan: pragmas, changes with what they require and what they conflict with, tags. Ids are digests of what the plan says, each
 * with its parent's in it. Its scripts are read as its clients would read them, as far as they are SQL. SPDX-License-Identifier: Apache-2.0 */
#include "convention/sqitch.h"

#include <string.h>

/* ---- names ---------------------------------------------------------------------------------------------- */

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static bool is_punctuation(char c)
{
    return c != '\0' && strchr("-!\"#$%&'()*+,./:;<=>?@[\\]^`{|}~", c) != NULL;
}

bool sqitch_is_name(Str name)
{
    if (name.len == 0 || is_punctuation(name.ptr[0]) || is_punctuation(name.ptr[name.len - 1]))
        return false;
    for (size_t i = 0; i < name.len; i++) {
        if (is_blank(name.ptr[i]) || strchr(":@#\\", name.ptr[i]))
            return false;
        /* "~1" at the end would be taken for an offset. */
        if (strchr("~/=%^", name.ptr[i]) && i + 1 < name.len &&
            peer_digits(str_sub(name, i + 1, name.len)).len == name.len - i - 1)
            return false;
    }
    return true;
}

static bool is_id(Str text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (hex_value(text.ptr[i]) < 0 || (text.ptr[i] >= 'A' && text.ptr[i] <= 'F'))
            return false;
    }
    return text.len == 40;
}

/* ---- ids ------------------------------------------------------------------------------------------------ */

/* "change 123\0..." under SHA-1, as Git has it. */
static bool make_id(Arena *arena, const char *kind, StrBuf *info, Str *ret_id, Error *err)
{
    unsigned char digest[HASH_MAX_BYTES];
    Hash hash;
    Str text;
    if (!strbuf_finish(info, &text))
        return error_nomem(err);
    const char *head = str_format(arena, "%s %zu", kind, text.len);
    if (!head)
        return error_nomem(err);
    hash_begin(&hash, HASH_SHA1);
    hash_add(&hash, (Str){head, strlen(head) + 1});
    hash_add(&hash, text);
    const char *id = hex_encode(arena, digest, hash_end(&hash, digest));
    *ret_id = str_from(id);
    return id || error_nomem(err);
}

static void add_line(StrBuf *info, const char *word, Str value)
{
    strbuf_addf(info, "%s%s %.*s", info->len > 0 ? "\n" : "", word, STR_ARG(value));
}

static void add_planner(StrBuf *info, const SqitchMark *mark)
{
    strbuf_addf(info, "\nplanner %.*s <%.*s>\ndate %.*s", STR_ARG(mark->planner),
                STR_ARG(mark->email), STR_ARG(mark->date));
}

static void add_note(StrBuf *info, const SqitchMark *mark)
{
    if (mark->note.len > 0)
        strbuf_addf(info, "\n\n%.*s", STR_ARG(mark->note));
}

static void add_deps(StrBuf *info, const SqitchChange *change, bool conflicts, const char *head)
{
    bool has = false;
    for (size_t i = 0; i < change->deps.len; i++) {
        const SqitchDep *dep = &change->deps.items[i];
        if (dep->is_conflict != conflicts)
            continue;
        strbuf_addf(info, "%s\n  %c %.*s", has ? "" : head, conflicts ? '-' : '+',
                    STR_ARG(dep->text));
        has = true;
    }
}

static bool id_of_change(Arena *arena, const SqitchPlan *plan, SqitchChange *change,
                         const SqitchChange *parent, Error *err)
{
    StrBuf info = strbuf(arena);
    add_line(&info, "project", plan->project);
    if (plan->uri.len > 0)
        add_line(&info, "uri", plan->uri);
    add_line(&info, "change", change->mark.name);
    if (parent)
        add_line(&info, "parent", parent->mark.id);
    add_planner(&info, &change->mark);
    add_deps(&info, change, false, "\nrequires");
    add_deps(&info, change, true, "\nconflicts");
    add_note(&info, &change->mark);
    return make_id(arena, "change", &info, &change->mark.id, err);
}

static bool id_of_tag(Arena *arena, const SqitchPlan *plan, SqitchMark *tag,
                      const SqitchChange *change, Error *err)
{
    StrBuf info = strbuf(arena);
    add_line(&info, "project", plan->project);
    if (plan->uri.len > 0)
        add_line(&info, "uri", plan->uri);
    strbuf_addf(&info, "\ntag @%.*s", STR_ARG(tag->name));
    add_line(&info, "change", change->mark.id);
    add_planner(&info, tag);
    add_note(&info, tag);
    return make_id(arena, "tag", &info, &tag->id, err);
}

/* As Perl's URI has it: scheme and host in small letters, without a default port, "/" for no path. */
static bool canonical_uri(Arena *arena, Str uri, Str *ret_uri, Error *err)
{
    static const struct {
        Str scheme, port;
    } defaults[] = {{{"http", 4}, {":80", 3}}, {{"https", 5}, {":443", 4}}};
    StrBuf out = strbuf(arena);
    Str scheme, rest = str_cut(uri, ':', &scheme);
    if (!str_starts(rest, STR("//"))) {
        *ret_uri = uri;
        return true;
    }
    size_t path = str_find_char(rest, '/', 2);
    Str host = str_sub(rest, 2, path),
        behind = path == SIZE_MAX ? (Str){0} : str_sub(rest, path, rest.len);
    for (size_t i = 0; i < scheme.len; i++)
        strbuf_add_char(&out,
                        (char)(scheme.ptr[i] >= 'A' && scheme.ptr[i] <= 'Z' ? scheme.ptr[i] | 32
                                                                            : scheme.ptr[i]));
    bool has_default = false;
    for (size_t i = 0; i < sizeof defaults / sizeof *defaults; i++) {
        if (!str_eq_nocase(scheme, defaults[i].scheme))
            continue;
        has_default = true;
        if (str_ends(host, defaults[i].port))
            host.len -= defaults[i].port.len;
    }
    strbuf_adds(&out, "://");
    for (size_t i = 0; i < host.len; i++)
        strbuf_add_char(&out, (char)(host.ptr[i] >= 'A' && host.ptr[i] <= 'Z' ? host.ptr[i] | 32
                                                                              : host.ptr[i]));
    if (behind.len == 0 && has_default)
        strbuf_add_char(&out, '/');
    strbuf_add(&out, behind);
    return strbuf_finish(&out, ret_uri) || error_nomem(err);
}

/* ---- the plan ------------------------------------------------------------------------------------------- */

typedef struct Reading {
    const ConventionContext *ctx;
    Arena *arena;
    const char *path;
    SqitchPlan *plan;
    Line line;
    size_t section; /* index of the first change behind the last tag */
    Error *err;
} Reading;

static bool refuse(const Reading *reading, const char *what)
{
    error_set(reading->err, ERROR_PARSE, "%s: %s", reading->path, what);
    error_code(reading->err, "bad-plan");
    error_at(reading->err, str_from(reading->path), reading->line.number, 1);
    return error_hint(reading->err, "Sqitch stops at this too: `sqitch plan` shows what it reads.");
}

/* Takes the note off the line. */
static bool take_note(Reading *reading, Str *line, Str *ret_note)
{
    StrBuf out = strbuf(reading->arena);
    size_t at = str_find_char(*line, '#', 0);
    Str note = at == SIZE_MAX ? (Str){0} : str_trim(str_sub(*line, at + 1, line->len));
    *line = str_sub(*line, 0, at);
    while (line->len > 0 && is_blank(line->ptr[line->len - 1]))
        line->len--;
    for (size_t i = 0; i < note.len; i++) {
        char next = i + 1 < note.len ? note.ptr[i + 1] : '\0';
        if (note.ptr[i] == '\\' && (next == 'n' || next == 'r' || next == '\\')) {
            strbuf_add_char(&out, next == 'n' ? '\n' : next == 'r' ? '\r' : '\\');
            i++;
        } else {
            strbuf_add_char(&out, note.ptr[i]);
        }
    }
    return strbuf_finish(&out, ret_note) || error_nomem(reading->err);
}

static bool read_pragma(Reading *reading, Str line)
{
    Str note, name, value;
    if (!take_note(reading, &line, &note))
        return false;
    line = str_trim(line);
    if (!str_starts(line, STR("%")))
        return refuse(reading, "a blank line must come between pragmas and changes");
    value = str_trim(str_cut(str_sub(line, 1, line.len), '=', &name));
    name = str_trim(name);
    if (str_eq(name, STR("project"))) {
        if (!sqitch_is_name(value))
            return refuse(reading, "this cannot be the name of a project");
        reading->plan->project = value;
    } else if (str_eq(name, STR("uri"))) {
        return canonical_uri(reading->arena, value, &reading->plan->uri, reading->err);
    }
    return true;
}

/* "2026-01-01T00:00:00Z Name <email>" */
static bool read_planner(Reading *reading, Str text, SqitchMark *mark)
{
    static const char form[] = "dddd-dd-ddTdd:dd:ddZ";
    Timestamp time;
    size_t len = sizeof form - 1;
    for (size_t i = 0; i < len; i++) {
        bool is_good = i < text.len && (form[i] == 'd' ? text.ptr[i] >= '0' && text.ptr[i] <= '9'
                                                       : text.ptr[i] == form[i]);
        if (!is_good)
            return refuse(reading, "there is no timestamp");
    }
    mark->date = str_sub(text, 0, len);
    if (!timestamp_parse(mark->date, &time))
        return refuse(reading, "this is no time");
    text = str_trim(str_sub(text, len, text.len));
    size_t open = str_find_char(text, '<', 0);
    if (open == SIZE_MAX || open < 2 || !is_blank(text.ptr[open - 1]) ||
        !str_ends(text, STR(">")) || str_find_char(text, '>', 0) != text.len - 1 ||
        text.len < open + 3)
        return refuse(reading, "there is no planner with name and email");
    mark->planner = str_sub(text, 0, open - 1);
    mark->email = str_sub(text, open + 1, text.len - 1);
    return true;
}

static bool read_dep(const Reading *reading, Str text, SqitchDep *ret_dep)
{
    SqitchDep dep = {0};
    Str own, project = reading->plan->project;
    dep.is_conflict = str_starts(text, STR("!"));
    text = str_sub(text, dep.is_conflict, text.len);
    if (str_find_char(text, ':', 0) != SIZE_MAX)
        text = str_cut(text, ':', &dep.project);
    own = text;
    dep.tag = str_cut(text, '@', &dep.change);
    if (is_id(text)) {
        dep.id = text;
        dep.change = (Str){0};
    } else if ((dep.change.len == 0 && dep.tag.len == 0) ||
               (dep.change.len > 0 && !sqitch_is_name(dep.change)) ||
               (str_find_char(text, '@', 0) != SIZE_MAX && !sqitch_is_name(dep.tag)) ||
               (dep.project.len > 0 && !sqitch_is_name(dep.project))) {
        return refuse(reading, "this is not a dependency");
    }
    if (str_eq(dep.project, project))
        dep.project = (Str){0};
    const char *qualified = dep.project.len > 0 ? str_format(reading->arena, "%.*s:%.*s",
                                                             STR_ARG(dep.project), STR_ARG(own))
                                                : str_z(reading->arena, own);
    dep.text = str_from(qualified);
    *ret_dep = dep;
    return qualified || error_nomem(reading->err);
}

const SqitchChange *sqitch_find(const SqitchPlan *plan, const SqitchDep *dep)
{
    size_t end = plan->changes.len;
    bool has_tag = dep->tag.len == 0;
    if (dep->project.len > 0)
        return NULL;
    for (size_t i = 0; dep->tag.len > 0 && i < plan->changes.len; i++) {
        const SqitchChange *change = &plan->changes.items[i];
        for (size_t k = 0; k < change->tags.len; k++) {
            if (!str_eq(change->tags.items[k].name, dep->tag))
                continue;
            if (dep->change.len == 0)
                return change;
            end = i + 1;
            has_tag = true;
        }
    }
    if (!has_tag)
        return NULL;
    const SqitchChange *found = NULL;
    for (size_t i = 0; i < end && (!found || dep->tag.len > 0); i++) {
        const SqitchChange *change = &plan->changes.items[i];
        if (dep->id.len > 0 ? str_eq(change->mark.id, dep->id)
                            : str_eq(change->mark.name, dep->change))
            found = change;
    }
    return found;
}

static bool read_deps(Reading *reading, Str text, SqitchChange *change)
{
    while (text.len > 0) {
        Str word;
        SqitchDep dep;
        text = str_trim(text);
        size_t len = 0;
        while (len < text.len && !is_blank(text.ptr[len]))
            len++;
        word = str_sub(text, 0, len);
        text = str_sub(text, len, text.len);
        if (word.len == 0)
            break;
        if (!read_dep(reading, word, &dep))
            return false;
        for (size_t i = 0; i < change->deps.len; i++)
            if (change->deps.items[i].is_conflict == dep.is_conflict &&
                str_eq(change->deps.items[i].text, dep.text))
                return refuse(reading, "the same dependency a second time");
        if (!vec_push(reading->arena, &change->deps, dep))
            return error_nomem(reading->err);
        if (dep.project.len > 0 || dep.id.len > 0 || dep.is_conflict ||
            sqitch_find(reading->plan, &dep))
            continue;
        error_set(reading->err, ERROR_PARSE,
                  "%s: %.*s requires %.*s, which does not stand before it", reading->path,
                  STR_ARG(change->mark.name), STR_ARG(dep.text));
        error_code(reading->err, "bad-plan");
        error_at(reading->err, str_from(reading->path), reading->line.number, 1);
        return error_hint(reading->err, "Move the change behind what it requires.");
    }
    return true;
}

static bool is_reserved(Reading *reading, Str name)
{
    if (!sqitch_is_name(name))
        return !refuse(reading, "this cannot be a name");
    if (str_eq(name, STR("ROOT")) || str_eq(name, STR("HEAD")) || is_id(str_sub(name, 0, 40)))
        return !refuse(reading, "this name is reserved");
    return false;
}

static bool read_tag(Reading *reading, Str line, SqitchMark *mark)
{
    SqitchPlan *plan = reading->plan;
    size_t len = 0;
    while (len < line.len && !is_blank(line.ptr[len]))
        len++;
    mark->name = str_sub(line, 0, len);
    if (is_reserved(reading, mark->name))
        return false;
    if (plan->changes.len == 0)
        return refuse(reading, "a tag without a change before it");
    if (str_find_char(mark->name, '/', 0) != SIZE_MAX)
        return refuse(reading, "'/' in the name of a tag");
    for (size_t i = 0; i < plan->changes.len; i++) {
        for (size_t k = 0; k < plan->changes.items[i].tags.len; k++) {
            if (str_eq(plan->changes.items[i].tags.items[k].name, mark->name))
                return refuse(reading, "a second tag of this name");
        }
    }
    SqitchChange *change = &plan->changes.items[plan->changes.len - 1];
    if (!read_planner(reading, str_trim(str_sub(line, len, line.len)), mark) ||
        !id_of_tag(reading->arena, plan, mark, change, reading->err))
        return false;
    reading->section = plan->changes.len;
    return vec_push(reading->arena, &change->tags, *mark) || error_nomem(reading->err);
}

static bool read_change(Reading *reading, Str line, SqitchMark *mark)
{
    SqitchPlan *plan = reading->plan;
    SqitchChange change = {.line = reading->line.number};
    size_t len = 0;
    if (str_starts(line, STR("-")))
        return refuse(reading, "reverts are not planned");
    if (str_starts(line, STR("+")))
        line = str_trim(str_sub(line, 1, line.len));
    while (len < line.len && !is_blank(line.ptr[len]))
        len++;
    mark->name = str_sub(line, 0, len);
    change.mark = *mark;
    if (is_reserved(reading, mark->name))
        return false;
    for (size_t i = reading->section; i < plan->changes.len; i++) {
        if (str_eq(plan->changes.items[i].mark.name, mark->name))
            return refuse(reading, "a second change of this name, with no tag in between");
    }
    line = str_trim(str_sub(line, len, line.len));
    if (str_starts(line, STR("["))) {
        size_t close = str_find_char(line, ']', 0);
        if (close == SIZE_MAX)
            return refuse(reading, "a bracket is not closed");
        if (!read_deps(reading, str_sub(line, 1, close), &change))
            return false;
        line = str_trim(str_sub(line, close + 1, line.len));
    }
    const SqitchChange *parent =
        plan->changes.len > 0 ? &plan->changes.items[plan->changes.len - 1] : NULL;
    return read_planner(reading, line, &change.mark) &&
           id_of_change(reading->arena, plan, &change, parent, reading->err) &&
           (vec_push(reading->arena, &plan->changes, change) || error_nomem(reading->err));
}

static bool read_entry(Reading *reading, Str line)
{
    SqitchMark mark = {0};
    if (!take_note(reading, &line, &mark.note))
        return false;
    line = str_trim(line);
    if (str_starts(line, STR("@")))
        return read_tag(reading, str_sub(line, 1, line.len), &mark);
    return read_change(reading, line, &mark);
}

bool sqitch_plan_read(const ConventionContext *ctx, Arena *arena, const char *path, Str text,
                      SqitchPlan *ret_plan, Error *err)
{
    SqitchPlan plan = {0};
    Reading reading = {.ctx = ctx, .arena = arena, .path = path, .plan = &plan, .err = err};
    bool is_head = true;
    if (!str_is_utf8(text, NULL))
        return refuse(&reading, "it is not UTF-8");
    while (line_next(text, &reading.line)) {
        Str trimmed = str_trim(reading.line.text);
        if (trimmed.len == 0) {
            is_head = false;
            continue;
        }
        if (trimmed.ptr[0] == '#')
            continue;
        if (!is_head && plan.project.len == 0)
            break;
        if (!(is_head ? read_pragma(&reading, trimmed) : read_entry(&reading, reading.line.text)))
            return false;
    }
    if (plan.project.len == 0)
        return refuse(&reading, "there is no %project");
    *ret_plan = plan;
    return true;
}

/* ---- scripts -------------------------------------------------------------------------------------------- */

typedef struct ScriptOwn {
    const SqitchSettings *settings;
    const char *refusal, *hint; /* the change cannot be deployed at all; NULL: it can */
} ScriptOwn;

/* The first word of a line. */
static Str word_of(Str line)
{
    size_t len = 0;
    while (len < line.len && !is_blank(line.ptr[len]))
        len++;
    return str_sub(line, 0, len);
}

static bool is_one_of(Str word, const char *const *words)
{
    for (size_t i = 0; words[i]; i++) {
        if (str_eq(word, str_from(words[i])))
            return true;
    }
    return false;
}

/* What is for the eyes, or sets what holds here anyway. */
static bool is_harmless(SqlDialect dialect, Str line)
{
    static const char *const psql[] = {"\\echo", "\\qecho", "\\warn", "\\pset", "\\timing", "\\x",
                                       "\\a",    "\\t",     "\\H",    "\\f",    "\\C",      NULL};
    static const char *const psql_set[] = {"ECHO",         "ECHO_HIDDEN", "QUIET", "VERBOSITY",
                                           "SHOW_CONTEXT", "FETCH_COUNT", NULL};
    static const char *const sqlite[] = {".echo",  ".headers", ".header",    ".mode",
                                         ".print", ".width",   ".nullvalue", ".separator",
                                         ".timer", ".changes", NULL};
    Str word = word_of(line), rest = str_trim(str_sub(line, word.len, line.len));
    Str name = word_of(rest), value = str_trim(str_sub(rest, name.len, rest.len));
    bool is_on = str_eq_nocase(value, STR("on")) || str_eq(value, STR("1")) ||
                 str_eq_nocase(value, STR("true"));
    switch (dialect) {
    case SQL_POSTGRES:
        if (str_eq(word, STR("\\set")))
            return is_one_of(name, psql_set) || (str_eq(name, STR("ON_ERROR_STOP")) && is_on) ||
                   (str_eq(name, STR("AUTOCOMMIT")) && is_on);
        if (str_eq(word, STR("\\encoding")))
            return str_eq_nocase(name, STR("utf8")) || str_eq_nocase(name, STR("utf-8"));
        return is_one_of(word, psql);
    case SQL_SQLITE:
        if (str_eq(word, STR(".bail")))
            return str_eq_nocase(name, STR("on"));
        return is_one_of(word, sqlite);
    case SQL_MYSQL:
        break;
    }
    return false;
}

/* Whether the client takes this line for itself. begins: a statement would begin here. */
static bool is_command(SqlDialect dialect, Str line, bool begins)
{
    static const char *const mysql[] = {"source", "system", "tee", "notee", "pager", "nopager",
                                        "edit",   "ego",    "go",  "quit",  "exit",  NULL};
    switch (dialect) {
    case SQL_POSTGRES:
        return line.ptr[0] == '\\';
    case SQL_SQLITE:
        return begins && line.ptr[0] == '.' && line.len > 1;
    case SQL_MYSQL:
        return begins && (line.ptr[0] == '\\' || is_one_of(word_of(line), mysql));
    }
    return false;
}

/* Commands of psql that may stand behind SQL. */
static bool ends_in_command(SqlDialect dialect, Str line)
{
    static const Str commands[] = {{"\\gexec", 6}, {"\\gset", 5},  {"\\gx", 3},
                                   {"\\gdesc", 6}, {"\\watch", 6}, {"\\crosstabview", 13},
                                   {"\\g", 2}};
    for (size_t i = 0; dialect == SQL_POSTGRES && i < sizeof commands / sizeof *commands; i++) {
        size_t at = str_find(line, commands[i], 0);
        size_t behind = at == SIZE_MAX ? 0 : at + commands[i].len;
        if (at != SIZE_MAX && (behind == line.len || is_blank(line.ptr[behind])) &&
            !str_starts(line, STR("--")))
            return true;
    }
    return false;
}

/* A variable that the client would fill in: nothing is put there instead. */
static bool has_variable(SqlDialect dialect, const SqitchSettings *settings, Str line,
                         Str *ret_name)
{
    static const char *const before[] = {":", ":'", ":\""};
    for (size_t i = 0; i <= settings->variables.len; i++) {
        Str name = i < settings->variables.len ? settings->variables.items[i] : STR("registry");
        const char *const *marks = before;
        static const char *const mysql[] = {"@", "@`", "@\""};
        if (dialect == SQL_MYSQL)
            marks = mysql;
        if (dialect == SQL_SQLITE || (dialect == SQL_MYSQL && i == settings->variables.len))
            continue;
        for (size_t k = 0; k < 3; k++) {
            Str mark = str_from(marks[k]);
            for (size_t at = str_find(line, name, 0); at != SIZE_MAX;
                 at = str_find(line, name, at + 1)) {
                char next = at + name.len < line.len ? line.ptr[at + name.len] : '\0';
                bool is_word = next == '_' || (next >= 'a' && next <= 'z') ||
                               (next >= 'A' && next <= 'Z') || (next >= '0' && next <= '9');
                bool is_cast = at > mark.len && line.ptr[at - mark.len - 1] == ':';
                if (at < mark.len || is_word || is_cast ||
                    !str_eq(str_sub(line, at - mark.len, at), mark))
                    continue;
                *ret_name = name;
                return true;
            }
        }
    }
    return false;
}

static bool starts_copy(Str line)
{
    return str_starts_nocase(line, STR("copy ")) && (str_find(line, STR("STDIN"), 0) != SIZE_MAX ||
                                                     str_find(line, STR("stdin"), 0) != SIZE_MAX);
}

static bool cannot_run(ScriptText *made, uint32_t line, const char *refusal, const char *hint,
                       Error *err)
{
    made->sql = STR(" "); /* else it would be looked into, and is no SQL */
    made->refusal = refusal;
    made->refusal_hint = hint;
    made->refusal_line = line;
    return refusal || error_nomem(err);
}

/* A script that is one transaction from its first statement to its last is one here anyway: BEGIN; and COMMIT; are the tool's, not the
 * migration's. What has other words of that kind in between is left as it is. */
static void blank_transaction(Str text, char *sql)
{
    Line line = {0}, first = {0}, last = {0};
    size_t words = 0;
    while (line_next(text, &line)) {
        Str trimmed = str_trim(line.text);
        if (trimmed.len == 0 || str_starts(trimmed, STR("--")))
            continue;
        first = first.number == 0 ? line : first;
        last = line;
        words += str_starts_nocase(trimmed, STR("begin")) ||
                 str_starts_nocase(trimmed, STR("start transaction")) ||
                 str_starts_nocase(trimmed, STR("commit")) ||
                 str_starts_nocase(trimmed, STR("rollback")) ||
                 str_starts_nocase(trimmed, STR("end;"));
    }
    if (words != 2 || !str_eq_nocase(str_trim(first.text), STR("begin;")) ||
        !str_eq_nocase(str_trim(last.text), STR("commit;")))
        return;
    memset(sql + first.from, ' ', first.text.len);
    memset(sql + last.from, ' ', last.text.len);
}

static bool prepare(const void *ctx, Arena *arena, const Script *script, Str text,
                    const SqlSplitOptions *split, ScriptText *ret_text, Error *err)
{
    (void)ctx;
    const ScriptOwn *own = script->form->own;
    ScriptText made = {0};
    char *sql = str_z(arena, text);
    bool begins = true, is_copying = false;
    Line line = {0};
    if (!sql)
        return error_nomem(err);
    made.sql = (Str){sql, text.len};
    blank_transaction(text, sql);
    if (own->refusal && !cannot_run(&made, 0, own->refusal, own->hint, err))
        return false;
    while (!made.refusal && line_next(text, &line)) {
        Str trimmed = str_trim(line.text), name;
        if (is_copying) {
            is_copying = !str_eq(line.text, STR("\\."));
            continue;
        }
        if (trimmed.len == 0)
            continue;
        if (is_command(split->dialect, trimmed, begins)) {
            if (is_harmless(split->dialect, trimmed)) {
                memset(sql + line.from, ' ', line.text.len);
                continue;
            }
            Str word = word_of(trimmed);
            if (!cannot_run(&made, line.number,
                            str_format(arena, "uses %.*s, which is no SQL", STR_ARG(word)),
                            "Only Sqitch's client understands it: write the script without it, or "
                            "deploy this change with Sqitch.",
                            err))
                return false;
        } else if (ends_in_command(split->dialect, trimmed)) {
            if (!cannot_run(&made, line.number, "uses a command of psql behind SQL",
                            "Write the script without it, or deploy this change with Sqitch.", err))
                return false;
        } else if (has_variable(split->dialect, own->settings, trimmed, &name)) {
            if (!cannot_run(
                    &made, line.number,
                    str_format(arena, "uses the variable %.*s of Sqitch's client", STR_ARG(name)),
                    "Write its value into the script, or deploy this change with Sqitch.", err))
                return false;
        }
        if (!str_starts(trimmed, STR("--")))
            begins = str_ends(trimmed, STR(";"));
        is_copying = split->dialect == SQL_POSTGRES && starts_copy(trimmed);
    }
    *ret_text = made;
    return true;
}

/* ---- places ---------------------------------------------------------------------------------------------- */

/* An id, "@tag", "name@tag", "name@HEAD"; a tag may also be said without its sign. */
static bool place(const MigrationSet *set, Str text, Str *ret_version)
{
    const SqitchPlan *plan = set->own;
    SqitchDep dep = {0};
    const SqitchChange *found = NULL;
    dep.tag = str_cut(text, '@', &dep.change);
    bool is_last = str_eq(dep.tag, STR("HEAD")), is_first = str_eq(dep.tag, STR("ROOT"));
    if (is_id(text)) {
        dep = (SqitchDep){.id = text};
    } else if (dep.tag.len == 0) {
        dep = (SqitchDep){.tag = text};
    } else if (is_last || is_first) {
        for (size_t i = 0; i < plan->changes.len && (is_last || !found); i++)
            if (str_eq(plan->changes.items[i].mark.name, dep.change))
                found = &plan->changes.items[i];
    }
    if (!found)
        found = sqitch_find(plan, &dep);
    if (found)
        *ret_version = found->version;
    return found != NULL;
}

/* For the eyes: "@v1 @v1b". */
static bool tags_of(Arena *arena, const SqitchChange *change, const char **ret_tags, Error *err)
{
    StrBuf out = strbuf(arena);
    Str text;
    *ret_tags = NULL;
    if (change->tags.len == 0)
        return true;
    for (size_t i = 0; i < change->tags.len; i++)
        strbuf_addf(&out, "%s@%.*s", i > 0 ? " " : "", STR_ARG(change->tags.items[i].name));
    if (!strbuf_finish(&out, &text))
        return error_nomem(err);
    *ret_tags = text.ptr;
    return true;
}

/* ---- the set -------------------------------------------------------------------------------------------- */

static const char *script_path(Arena *arena, const char *folder, Str file, Str extension)
{
    const char *name = str_format(arena, "%.*s.%.*s", STR_ARG(file), STR_ARG(extension));
    return name ? path_join(arena, folder, str_from(name)) : NULL;
}

static bool is_there(const ConventionContext *ctx, const char *path, bool *ret_is, Error *err)
{
    FileInfo info;
    if (!path)
        return error_nomem(err);
    if (!file_tree_info(ctx->files, path, &info, err))
        return false;
    *ret_is = info.kind == FILE_REGULAR;
    return true;
}

/* A change whose name comes again is in files with a tag: the newest of those between the two for which there is a script, else the
 * newest. */
static bool name_reworked(const ConventionContext *ctx, Arena *arena,
                          const SqitchSettings *settings, SqitchPlan *plan, size_t index,
                          size_t next, Error *err)
{
    SqitchChange *change = &plan->changes.items[index];
    Str first = {0};
    change->is_reworked = true;
    for (size_t i = next; i-- > index;) {
        for (size_t k = 0; k < plan->changes.items[i].tags.len; k++) {
            bool has = false;
            const char *file = str_format(arena, "%.*s@%.*s", STR_ARG(change->mark.name),
                                          STR_ARG(plan->changes.items[i].tags.items[k].name));
            if (!file)
                return error_nomem(err);
            first = first.len > 0 ? first : str_from(file);
            if (!is_there(ctx,
                          script_path(arena, settings->reworked_deploy, str_from(file),
                                      settings->extension),
                          &has, err))
                return false;
            if (has) {
                change->file = change->version = str_from(file);
                return true;
            }
        }
    }
    change->file = change->version = first;
    return true;
}

static bool name_changes(const ConventionContext *ctx, Arena *arena, const SqitchSettings *settings,
                         SqitchPlan *plan, Error *err)
{
    for (size_t i = 0; i < plan->changes.len; i++) {
        SqitchChange *change = &plan->changes.items[i];
        size_t next = i + 1;
        change->file = change->version = change->mark.name;
        while (next < plan->changes.len &&
               !str_eq(plan->changes.items[next].mark.name, change->mark.name))
            next++;
        if (next < plan->changes.len && !name_reworked(ctx, arena, settings, plan, i, next, err))
            return false;
    }
    return true;
}

static bool make_script(const ConventionContext *ctx, Arena *arena, const char *path,
                        const ScriptOwn *own, Script **ret_script, Error *err)
{
    ScriptForm *form = arena_alloc(arena, sizeof *form);
    *ret_script = script_new(arena, ctx->files, path);
    if (!form || !*ret_script)
        return error_nomem(err);
    *form = (ScriptForm){.prepare = prepare, .own = own};
    (*ret_script)->form = form;
    return true;
}

/* A plan that deploys what a later change conflicts with: that one can never come. */
static bool find_conflict(Arena *arena, const SqitchPlan *plan, const SqitchChange *change,
                          ScriptOwn *own, Error *err)
{
    for (size_t i = 0; i < change->deps.len; i++) {
        const SqitchDep *dep = &change->deps.items[i];
        const SqitchChange *other = dep->is_conflict ? sqitch_find(plan, dep) : NULL;
        if (!other || other >= change)
            continue;
        own->refusal = str_format(arena, "conflicts with %.*s, which is deployed before it",
                                  STR_ARG(dep->text));
        own->hint = "Sqitch refuses it too: revert that one, or take the conflict out of the plan.";
        if (!own->refusal)
            return error_nomem(err);
    }
    return true;
}

/* Whether it depends on what only the registry knows: see Convention.check. */
static bool has_foreign(const SqitchPlan *plan, const SqitchChange *change)
{
    for (size_t i = 0; i < change->deps.len; i++)
        if (!sqitch_find(plan, &change->deps.items[i]))
            return true;
    return false;
}

static bool add_change(const ConventionContext *ctx, Arena *arena, const SqitchSettings *settings,
                       const SqitchPlan *plan, const SqitchChange *change, MigrationSet *set,
                       Error *err)
{
    bool has_up = false, has_down = false;
    Migration *migration;
    const char *up =
        script_path(arena, change->is_reworked ? settings->reworked_deploy : settings->deploy,
                    change->file, settings->extension);
    const char *down =
        script_path(arena, change->is_reworked ? settings->reworked_revert : settings->revert,
                    change->file, settings->extension);
    ScriptOwn *own = arena_alloc(arena, sizeof *own), *back = arena_alloc(arena, sizeof *back);
    if (!own || !back)
        return error_nomem(err);
    *own = *back = (ScriptOwn){.settings = settings};
    if (!is_there(ctx, up, &has_up, err) || !is_there(ctx, down, &has_down, err))
        return false;
    if (!has_up)
        return peer_bad_file(up, "bad-file", "is in the plan, and not there",
                             "Write the script, or take the change out of the plan.", err);
    if (!find_conflict(arena, plan, change, own, err) ||
        !peer_add(arena, set, change->version, (Str){0}, &migration, err) ||
        !tags_of(arena, change, &migration->tag, err) ||
        !make_script(ctx, arena, up, own, &migration->up, err))
        return false;
    migration->up->form->is_conditional = has_foreign(plan, change);
    return !has_down || make_script(ctx, arena, down, back, &migration->down, err);
}

/* Those of changes that were reworked later are not run: the database is as the later one wants it. */
bool sqitch_verify_script(const ConventionContext *ctx, Arena *arena, const Migration *migration,
                          Script **ret_script, Error *err)
{
    const SqitchSettings *settings = ctx->own;
    const SqitchPlan *plan = ctx->set ? ctx->set->own : NULL;
    const SqitchChange *change = NULL;
    bool has = false;
    *ret_script = NULL;
    for (size_t i = 0; plan && i < plan->changes.len; i++)
        if (str_eq(plan->changes.items[i].version, migration->version))
            change = &plan->changes.items[i];
    if (!change || change->is_reworked)
        return true;
    const char *path = script_path(arena, settings->verify, change->file, settings->extension);
    ScriptOwn *own = arena_alloc(arena, sizeof *own);
    if (!own)
        return error_nomem(err);
    *own = (ScriptOwn){.settings = settings};
    return is_there(ctx, path, &has, err) &&
           (!has || make_script(ctx, arena, path, own, ret_script, err));
}

bool sqitch_scan(const ConventionContext *ctx, Arena *arena, MigrationSet *ret_set, Error *err)
{
    const SqitchSettings *settings = ctx->own;
    MigrationSet set = {.script_options = peer_script_options(ctx)};
    SqitchPlan *plan = arena_alloc(arena, sizeof *plan);
    Str text;
    if (!plan)
        return error_nomem(err);
    if (!peer_read(ctx, arena, settings->plan_path, &text, err)) {
        error_code(err, "no-migrations");
        return error_hint(err, "`sqitch init NAME` makes a plan; sqitch.conf says where it is "
                               "(plan_file, top_dir).");
    }
    if (!sqitch_plan_read(ctx, arena, settings->plan_path, text, plan, err) ||
        !name_changes(ctx, arena, settings, plan, err))
        return false;
    for (size_t i = 0; i < plan->changes.len; i++) {
        if (!add_change(ctx, arena, settings, plan, &plan->changes.items[i], &set, err))
            return false;
    }
    set.own = plan;
    set.place = place;
    if (!peer_order_as_added(arena, &set, err) || !migration_set_finish(&set, err))
        return false;
    *ret_set = set;
    return true;
}

/* Liquibase's rules on texts: expressions of contexts and labels, lists of databases, parameters, checksums, paths, and where
 * one statement ends. SPDX-License-Identifier: Apache-2.0 */
#include "convention/liquibase.h"

#include <string.h>

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

bool liquibase_lower(Arena *arena, Str text, Str *ret_lower)
{
    char *copy = str_z(arena, text);
    for (size_t i = 0; copy && i < text.len; i++)
        copy[i] = lower(copy[i]);
    *ret_lower = (Str){copy, text.len};
    return copy != NULL;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

bool liquibase_split_words(Arena *arena, Str text, StrVec *ret_words)
{
    StrVec words = {0};
    while (text.len > 0) {
        Str word;
        text = str_cut(text, ',', &word);
        word = str_trim(word);
        if (word.len > 0 && !vec_push(arena, &words, word))
            return false;
    }
    *ret_words = words;
    return true;
}

/* ---- expressions ---------------------------------------------------------------------------------------------- */

typedef struct Expression {
    Str text;
    size_t at;
    const StrVec *words;
    unsigned depth;
} Expression;

enum { DEEPEST_EXPRESSION = 100 };

static bool has_word(const StrVec *words, Str word)
{
    for (size_t i = 0; i < words->len; i++)
        if (str_eq_nocase(words->items[i], word))
            return true;
    return false;
}

static Str peek_word(Expression *e)
{
    while (e->at < e->text.len && is_blank(e->text.ptr[e->at]))
        e->at++;
    size_t to = e->at;
    while (to < e->text.len && !is_blank(e->text.ptr[to]) && !memchr("(),!", e->text.ptr[to], 4))
        to++;
    return str_sub(e->text, e->at, to);
}

static bool take_char(Expression *e, char c)
{
    (void)peek_word(e);
    if (e->at >= e->text.len || e->text.ptr[e->at] != c)
        return false;
    e->at++;
    return true;
}

static bool take_word(Expression *e, Str word)
{
    Str next = peek_word(e);
    if (!str_eq_nocase(next, word))
        return false;
    e->at += next.len;
    return true;
}

static bool either(Expression *e);

static bool single(Expression *e)
{
    if (e->depth >= DEEPEST_EXPRESSION)
        return false;
    if (take_char(e, '!') || take_word(e, STR("not"))) {
        e->depth++;
        bool is = !single(e);
        e->depth--;
        return is;
    }
    if (take_char(e, '(')) {
        e->depth++;
        bool is = either(e);
        e->depth--;
        (void)take_char(e, ')');
        return is;
    }
    Str word = peek_word(e);
    e->at += word.len;
    /* "@name" says that the changeset wants contexts to be named. */
    if (str_starts(word, STR("@")))
        word = str_sub(word, 1, word.len);
    return has_word(e->words, word);
}

static bool both(Expression *e)
{
    bool is = single(e);
    while (take_word(e, STR("and")))
        is = single(e) && is;
    return is;
}

static bool either(Expression *e)
{
    bool is = both(e);
    while (take_word(e, STR("or")) || take_char(e, ','))
        is = both(e) || is;
    return is;
}

bool liquibase_matches(Str expression, const StrVec *words)
{
    Expression e = {.text = expression, .words = words};
    return str_trim(expression).len == 0 || either(&e);
}

/* ---- databases ------------------------------------------------------------------------------------------------- */

const char *liquibase_dbms(const ConventionContext *ctx)
{
    switch (ctx->dialect) {
    case SQL_POSTGRES:
        return "postgresql";
    case SQL_SQLITE:
        return "sqlite";
    case SQL_MYSQL:
        break;
    }
    return ctx->db && strcmp(ctx->db->info.engine, "mariadb") != 0 ? "mysql" : "mariadb";
}

bool liquibase_is_for(const ConventionContext *ctx, Str dbms)
{
    Str own = str_from(liquibase_dbms(ctx));
    bool is_listed = false, has_wanted = false;
    while (dbms.len > 0) {
        Str word;
        dbms = str_cut(dbms, ',', &word);
        word = str_trim(word);
        if (word.len == 0)
            continue;
        if (str_eq_nocase(word, STR("none")))
            return false;
        if (word.ptr[0] == '!') {
            if (str_eq_nocase(str_trim(str_sub(word, 1, word.len)), own))
                return false;
            continue;
        }
        has_wanted = true;
        is_listed = is_listed || str_eq_nocase(word, STR("all")) || str_eq_nocase(word, own);
    }
    return is_listed || !has_wanted;
}

/* ---- parameters -------------------------------------------------------------------------------------------------- */

static bool own_parameter(const LbReading *r, Str name, Str *ret_value)
{
    const ConventionContext *ctx = r->ctx;
    if (str_eq_nocase(name, STR("database.typeName"))) {
        *ret_value = str_from(liquibase_dbms(ctx));
        return true;
    }
    if (str_eq_nocase(name, STR("database.databaseChangeLogTableName"))) {
        *ret_value = ctx->table.len > 0 ? ctx->table : STR("DATABASECHANGELOG");
        return true;
    }
    if (str_eq_nocase(name, STR("database.databaseChangeLogLockTableName"))) {
        *ret_value = r->settings->lock_table.len > 0 ? r->settings->lock_table
                                                     : STR("DATABASECHANGELOGLOCK");
        return true;
    }
    bool is_schema = str_eq_nocase(name, STR("database.defaultSchemaName")) ||
                     str_eq_nocase(name, STR("database.liquibaseSchemaName"));
    *ret_value = r->settings->schema.len > 0 ? r->settings->schema
                 : !ctx->db                  ? (Str){0}
                 : ctx->db->info.schema[0]   ? str_from(ctx->db->info.schema)
                                             : str_from(ctx->db->info.database);
    return is_schema && ret_value->len > 0;
}

/* What the user says stands above the environment, and that above what changelogs say. */
bool liquibase_parameter(const LbReading *r, const LbFile *file, Str name, Str *ret_value)
{
    const LbSettings *settings = r->settings;
    for (size_t i = settings->parameters.len; i-- > 0;) {
        if (!str_eq_nocase(settings->parameters.items[i].name, name))
            continue;
        *ret_value = settings->parameters.items[i].value;
        return true;
    }
    if (peer_variable(r->ctx, name, ret_value))
        return true;
    for (size_t i = 0; i < r->parameters.len; i++) {
        const LbParameter *one = &r->parameters.items[i];
        if (!str_eq_nocase(one->name, name) || (one->file && (!file || one->file != file->path)))
            continue;
        *ret_value = one->value;
        return true;
    }
    return own_parameter(r, name, ret_value);
}

bool liquibase_expand(LbReading *r, const LbFile *file, Str text, Str *ret_text)
{
    StrBuf out = strbuf(r->arena);
    size_t from = 0, at = 0;
    *ret_text = text;
    while ((at = str_find(text, STR("${"), at)) != SIZE_MAX) {
        size_t end = str_find_char(text, '}', at);
        if (end == SIZE_MAX)
            break;
        Str name = str_trim(str_sub(text, at + 2, end)), value = {0};
        bool is_literal = str_starts(name, STR(":"));
        if (!is_literal && !liquibase_parameter(r, file, name, &value)) {
            at += 2;
            continue;
        }
        strbuf_add(&out, str_sub(text, from, at));
        if (is_literal) {
            strbuf_adds(&out, "${");
            strbuf_add(&out, str_sub(name, 1, name.len));
            strbuf_adds(&out, "}");
        } else {
            strbuf_add(&out, value);
        }
        from = at = end + 1;
    }
    if (from == 0)
        return true;
    strbuf_add(&out, str_sub(text, from, text.len));
    return strbuf_finish(&out, ret_text) || error_nomem(r->err);
}

/* ---- checksums ------------------------------------------------------------------------------------------------------ */

static bool finish_sum(Arena *arena, Hash *hash, int version, StrVec *sums)
{
    unsigned char digest[HASH_MAX_BYTES];
    const char *hex = hex_encode(arena, digest, hash_end(hash, digest));
    const char *sum = hex ? str_format(arena, "%d:%s", version, hex) : NULL;
    return sum && vec_push(arena, sums, str_from(sum));
}

/* Blanks do not count, wherever they stand. */
static bool add_sum(Arena *arena, Str sql, StrVec *sums)
{
    Hash hash;
    hash_begin(&hash, HASH_MD5);
    for (size_t from = 0, at = 0; at <= sql.len; at++) {
        if (at < sql.len && !is_blank(sql.ptr[at]))
            continue;
        if (at > from)
            hash_add(&hash, str_sub(sql, from, at));
        from = at + 1;
    }
    return finish_sum(arena, &hash, 9, sums);
}

/* How the text is cut stands in front, and blanks in a row are one. */
static bool add_older_sum(Arena *arena, Str sql, LbCutting cutting, StrVec *sums)
{
    static const Str space = {" ", 1};
    const char *head = str_format(
        arena, "%.*s:%s:%s:", STR_ARG(cutting.delimiter.len > 0 ? cutting.delimiter : STR("null")),
        cutting.splits ? "true" : "false", cutting.strips ? "true" : "false");
    Hash hash;
    if (!head)
        return false;
    hash_begin(&hash, HASH_MD5);
    hash_add(&hash, str_from(head));
    bool is_first = true;
    for (size_t from = 0, at = 0; at <= sql.len; at++) {
        if (at < sql.len && !is_blank(sql.ptr[at]))
            continue;
        if (at > from) {
            if (!is_first)
                hash_add(&hash, space);
            hash_add(&hash, str_sub(sql, from, at));
            is_first = false;
        }
        from = at + 1;
    }
    return finish_sum(arena, &hash, 8, sums);
}

bool liquibase_add_sums(Arena *arena, Str sql, LbCutting cutting, LbSums *sums)
{
    return add_sum(arena, sql, &sums->now) && add_older_sum(arena, sql, cutting, &sums->older);
}

bool liquibase_add_text_sums(Arena *arena, Str text, LbSums *sums)
{
    Hash now, older;
    hash_begin(&now, HASH_MD5);
    hash_add(&now, text);
    older = now;
    return finish_sum(arena, &now, 9, &sums->now) && finish_sum(arena, &older, 8, &sums->older);
}

static bool set_sum(Arena *arena, const StrVec *sums, int version, Str *ret_sum)
{
    Hash hash;
    StrVec whole = {0};
    hash_begin(&hash, HASH_MD5);
    for (size_t i = 0; i < sums->len; i++) {
        hash_add(&hash, sums->items[i]);
        hash_add(&hash, STR(":"));
    }
    if (!finish_sum(arena, &hash, version, &whole))
        return false;
    *ret_sum = whole.items[0];
    return true;
}

bool liquibase_set_sums(Arena *arena, const LbSums *sums, LbChangeSet *set)
{
    return set_sum(arena, &sums->now, 9, &set->checksum) &&
           set_sum(arena, &sums->older, 8, &set->older_sum);
}

/* ---- properties ------------------------------------------------------------------------------------------------------ */

bool liquibase_read_properties(Arena *arena, Str text, LbTakeProperty *take, void *ctx, Error *err)
{
    Line line = {0};
    while (line_next(text, &line)) {
        Str trimmed = str_trim(line.text), joined;
        uint32_t number = line.number;
        if (trimmed.len == 0 || trimmed.ptr[0] == '#' || trimmed.ptr[0] == '!')
            continue;
        if (!line_joined(arena, text, &line, trimmed, &joined, err))
            return false;
        size_t mark = 0;
        while (mark < joined.len && !memchr("=: \t", joined.ptr[mark], 4))
            mark++;
        Str key = str_sub(joined, 0, mark), value = str_trim(str_sub(joined, mark, joined.len));
        if (value.len > 0 && (value.ptr[0] == '=' || value.ptr[0] == ':'))
            value = str_trim(str_sub(value, 1, value.len));
        if (!take(ctx, key, value, number))
            return false;
    }
    return true;
}

/* ---- paths ----------------------------------------------------------------------------------------------------------- */

bool liquibase_path(Arena *arena, Str path, Str *ret_path)
{
    StrBuf out = strbuf(arena);
    if (str_starts(path, STR("classpath*:")))
        path = str_sub(path, 11, path.len);
    else if (str_starts(path, STR("classpath:")))
        path = str_sub(path, 10, path.len);
    if (path.len > 1 && path.ptr[1] == ':')
        path = str_sub(path, 2, path.len);
    for (size_t at = 0; at <= path.len;) {
        size_t to = at;
        while (to < path.len && path.ptr[to] != '/' && path.ptr[to] != '\\')
            to++;
        Str part = str_sub(path, at, to);
        at = to + 1;
        if (part.len == 0 || str_eq(part, STR(".")))
            continue;
        if (str_eq(part, STR(".."))) {
            Str made = strbuf_str(&out);
            size_t cut = made.len;
            while (cut > 0 && made.ptr[cut - 1] != '/')
                cut--;
            if (made.len > 0 && !str_ends(made, STR(".."))) {
                out.len = cut > 0 ? cut - 1 : 0;
                continue;
            }
        }
        if (out.len > 0)
            strbuf_add_char(&out, '/');
        strbuf_add(&out, part);
    }
    return strbuf_finish(&out, ret_path);
}

/* ---- where statements end ---------------------------------------------------------------------------------------------- */

/* Past a quoted text or a comment at `at`; else `at` itself. */
static size_t skip_quoted(SqlDialect dialect, Str text, size_t at)
{
    char c = text.ptr[at], next = at + 1 < text.len ? text.ptr[at + 1] : '\0';
    if (c == '-' && next == '-') {
        size_t end = str_find_char(text, '\n', at);
        return end == SIZE_MAX ? text.len : end;
    }
    if (c == '/' && next == '*') {
        size_t end = str_find(text, STR("*/"), at + 2);
        return end == SIZE_MAX ? text.len : end + 2;
    }
    if (c != '\'' && c != '"' && c != '`')
        return at;
    for (size_t i = at + 1; i < text.len; i++) {
        if (text.ptr[i] == '\\' && dialect == SQL_MYSQL)
            i++;
        else if (text.ptr[i] == c)
            return i + 1;
    }
    return text.len;
}

/* A line that holds nothing but this word. */
static bool is_line_of(Str text, size_t at, Str word)
{
    size_t end = str_find_char(text, '\n', at);
    Str line = str_trim(str_sub(text, at, end == SIZE_MAX ? text.len : end));
    return str_eq_nocase(line, word);
}

/* What a delimiter means: a word alone on its line, or a text wherever it stands. */
typedef struct Delimiter {
    Str word;
    bool is_line;
} Delimiter;

/* "\n/", "\n/$", "/" and "go" stand alone on their lines. */
static bool read_delimiter(Arena *arena, Str text, Delimiter *ret)
{
    StrBuf out = strbuf(arena);
    Str word = text;
    bool is_line = str_starts(word, STR("\\n"));
    if (is_line)
        word = str_sub(word, 2, word.len);
    if (is_line && str_ends(word, STR("$")))
        word.len--;
    for (size_t i = 0; i < word.len; i++)
        if (word.ptr[i] != '\\' || i + 1 == word.len)
            strbuf_add_char(&out, word.ptr[i]);
    if (!strbuf_finish(&out, &ret->word))
        return false;
    ret->word = str_trim(ret->word);
    ret->is_line = is_line || str_eq(ret->word, STR("/")) || str_eq_nocase(ret->word, STR("go"));
    return true;
}

/* Where the next delimiter begins, behind what is quoted; text.len: nowhere. */
static size_t find_delimiter(SqlDialect dialect, Str text, size_t at, const Delimiter *delimiter,
                             size_t *ret_end)
{
    bool is_line_start = at == 0 || text.ptr[at - 1] == '\n';
    while (at < text.len) {
        if (delimiter->is_line && is_line_start && is_line_of(text, at, delimiter->word)) {
            size_t end = str_find_char(text, '\n', at);
            *ret_end = end == SIZE_MAX ? text.len : end;
            return at;
        }
        if (!delimiter->is_line && str_starts(str_sub(text, at, text.len), delimiter->word)) {
            *ret_end = at + delimiter->word.len;
            return at;
        }
        size_t past = skip_quoted(dialect, text, at);
        is_line_start = past == at && text.ptr[at] == '\n';
        at = past > at ? past : at + 1;
    }
    *ret_end = text.len;
    return text.len;
}

/* With a delimiter of their own the pieces are statements, whatever they hold. Only MySQL and MariaDB need to be told: elsewhere
 * bodies are known by themselves, and a semicolon ends the piece. */
static bool add_pieces(LbReading *r, StrBuf *out, LbSql *sql, Str text, const Delimiter *delimiter)
{
    SqlDialect dialect = r->ctx->dialect;
    bool is_whole = dialect == SQL_MYSQL;
    for (size_t at = 0; at < text.len;) {
        size_t end, to = find_delimiter(dialect, text, at, delimiter, &end);
        SqlRange range = {out->len, out->len + (to - at)};
        strbuf_add(out, str_sub(text, at, to));
        if (is_whole && str_trim(str_sub(text, at, to)).len > 0 &&
            !vec_push(r->arena, &sql->whole, range))
            return error_nomem(r->err);
        if (to < text.len)
            strbuf_adds(out, is_whole ? " " : ";");
        at = end;
    }
    return true;
}

bool liquibase_add_sql(LbReading *r, LbSql *out, Str sql, uint32_t line, bool splits, Str delimiter)
{
    StrBuf text = strbuf(r->arena);
    Delimiter known = {0};
    if (out->sql.len == 0) {
        out->line = line;
    } else {
        uint32_t at = out->line;
        strbuf_add(&text, out->sql);
        for (size_t i = 0; i < out->sql.len; i++)
            at += out->sql.ptr[i] == '\n';
        strbuf_adds(&text, r->ctx->dialect == SQL_MYSQL && out->whole.len > 0 ? "\n" : "\n;");
        /* Places stay right as long as the next piece stands further down. */
        for (at++; at < line; at++)
            strbuf_add_char(&text, '\n');
    }
    if (!splits) {
        SqlRange whole = {text.len, text.len + sql.len};
        strbuf_add(&text, sql);
        if (r->ctx->dialect == SQL_MYSQL && str_trim(sql).len > 0 &&
            !vec_push(r->arena, &out->whole, whole))
            return error_nomem(r->err);
    } else if (delimiter.len > 0 && !str_eq(delimiter, STR(";"))) {
        if (!read_delimiter(r->arena, delimiter, &known))
            return error_nomem(r->err);
        if (known.word.len == 0)
            strbuf_add(&text, sql);
        else if (!add_pieces(r, &text, out, sql, &known))
            return false;
    } else {
        /* A line of "go" or "/" ends a statement too. */
        for (size_t at = 0; at < sql.len;) {
            size_t end_go, end_slash;
            size_t go =
                find_delimiter(r->ctx->dialect, sql, at, &(Delimiter){STR("go"), true}, &end_go);
            size_t slash =
                find_delimiter(r->ctx->dialect, sql, at, &(Delimiter){STR("/"), true}, &end_slash);
            size_t to = go < slash ? go : slash;
            strbuf_add(&text, str_sub(sql, at, to));
            if (to < sql.len)
                strbuf_add_char(&text, ';');
            at = go < slash ? end_go : end_slash;
        }
    }
    return strbuf_finish(&text, &out->sql) || error_nomem(r->err);
}

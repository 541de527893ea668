/* Settings inside a script that change how the text behind them is to be read. SPDX-License-Identifier: Apache-2.0
 *
 * Only assignments that can be read off the text are followed; expressions and functions are the server's business. */
#include "sql/splitter.h"

#include <string.h>

static Str unquoted(Str text)
{
    if (text.len >= 2 && (text.ptr[0] == '\'' || text.ptr[0] == '"'))
        return str_sub(text, 1, text.len - 1);
    return text;
}

Modes splitter_initial_modes(const SqlSplitter *s)
{
    return (Modes){s->options.no_backslash_escapes, s->options.ansi_quotes,
                   s->options.nonconforming_strings};
}

/* "ANSI,NO_BACKSLASH_ESCAPES" */
static void set_sql_mode(SqlSplitter *s, Str list)
{
    static const char *const quoting[] = {"ANSI_QUOTES", "ANSI",  "ORACLE",    "MSSQL",
                                          "DB2",         "MAXDB", "POSTGRESQL"};

    s->modes.no_backslash_escapes = s->modes.ansi_quotes = false;
    while (list.len > 0) {
        Str mode;
        list = str_cut(list, ',', &mode);
        mode = str_trim(mode);
        if (str_eq_nocase(mode, STR("NO_BACKSLASH_ESCAPES")))
            s->modes.no_backslash_escapes = true;
        for (size_t i = 0; i < sizeof quoting / sizeof *quoting; i++)
            s->modes.ansi_quotes |= str_eq_nocase(mode, str_from(quoting[i]));
    }
}

static void assign_sql_mode(SqlSplitter *s, const SqlToken *value)
{
    uint64_t bits;

    if (value->kind == SQL_TOKEN_STRING || value->kind == SQL_TOKEN_IDENT) {
        set_sql_mode(s, unquoted(value->text));
    } else if (value->kind == SQL_TOKEN_NUMBER && str_to_u64(value->text, &bits)) {
        s->modes.ansi_quotes = (bits & 4) != 0;
        s->modes.no_backslash_escapes = (bits & (1u << 20)) != 0;
    } else if (sql_token_is(value, "DEFAULT")) {
        s->modes = splitter_initial_modes(s);
    } else if (value->kind == SQL_TOKEN_PARAM) {
        /* a variable that the mode was saved in: dumps do so */
        for (size_t i = 0; i < s->saved_len; i++) {
            if (str_eq_nocase(value->text, (Str){s->saved[i].name, s->saved[i].name_len}))
                s->modes = s->saved[i].modes;
        }
    }
}

static void save_sql_mode(SqlSplitter *s, Str variable)
{
    size_t i = 0;

    if (variable.len > SAVED_NAME)
        return;
    while (i < s->saved_len &&
           !str_eq_nocase(variable, (Str){s->saved[i].name, s->saved[i].name_len}))
        i++;
    if (i == SAVED_MODES)
        return;
    if (i == s->saved_len)
        s->saved_len++;
    memcpy(s->saved[i].name, variable.ptr, variable.len);
    s->saved[i].name_len = variable.len;
    s->saved[i].modes = s->modes;
}

static bool is_mode_variable(Str text)
{
    return str_eq_nocase(text, STR("sql_mode")) || str_eq_nocase(text, STR("@@sql_mode")) ||
           str_eq_nocase(text, STR("@@session.sql_mode")) ||
           str_eq_nocase(text, STR("@@local.sql_mode"));
}

/* SET sql_mode = ..., @saved = @@sql_mode, also inside a conditional comment. */
static void follow_mysql_set(SqlSplitter *s, Str text)
{
    if (text.len > 2 && text.ptr[0] == '/') {
        size_t from = text.ptr[2] == 'M' ? 4 : 3;
        while (from < text.len && text.ptr[from] >= '0' && text.ptr[from] <= '9')
            from++;
        text = str_sub(text, from, text.len);
    }
    SqlSplitOptions options = s->options;
    options.no_backslash_escapes = s->modes.no_backslash_escapes;
    options.ansi_quotes = s->modes.ansi_quotes;
    SqlLexer lexer = sql_lexer(text, &options);
    SqlToken name, token;

    if (!sql_lexer_next(&lexer, &token) || !sql_token_is(&token, "SET"))
        return;
    bool has = sql_lexer_next(&lexer, &name);
    while (has) {
        if (sql_token_is(&name, "GLOBAL") || sql_token_is(&name, "PERSIST") ||
            sql_token_is(&name, "PERSIST_ONLY") || sql_token_is(&name, "STATEMENT"))
            return;
        if ((sql_token_is(&name, "SESSION") || sql_token_is(&name, "LOCAL")) &&
            !sql_lexer_next(&lexer, &name))
            return;
        if (!sql_lexer_next(&lexer, &token))
            return;
        if (str_eq(token.text, STR(":")) && !sql_lexer_next(&lexer, &token))
            return;
        SqlToken value;
        if (!str_eq(token.text, STR("=")) || !sql_lexer_next(&lexer, &value))
            return;
        bool is_alone = !(has = sql_lexer_next(&lexer, &token)) || str_eq(token.text, STR(",")) ||
                        str_eq(token.text, STR("*")); /* the end of the conditional comment */
        if (is_alone && is_mode_variable(name.text))
            assign_sql_mode(s, &value);
        else if (is_alone && name.kind == SQL_TOKEN_PARAM && is_mode_variable(value.text))
            save_sql_mode(s, name.text);
        for (size_t depth = 0; has && (depth > 0 || !str_eq(token.text, STR(",")));) {
            if (str_eq(token.text, STR("(")))
                depth++;
            else if (str_eq(token.text, STR(")")) && depth > 0)
                depth--;
            has = sql_lexer_next(&lexer, &token);
        }
        has = has && sql_lexer_next(&lexer, &name);
    }
}

static void follow_postgres_set(SqlSplitter *s, Str text)
{
    SqlSplitOptions options = s->options;
    options.nonconforming_strings = s->modes.nonconforming_strings;
    SqlLexer lexer = sql_lexer(text, &options);
    SqlToken token;

    if (!sql_lexer_next(&lexer, &token))
        return;
    bool is_set = sql_token_is(&token, "SET"), is_reset = sql_token_is(&token, "RESET");
    bool is_discard = sql_token_is(&token, "DISCARD");
    if ((!is_set && !is_reset && !is_discard) || !sql_lexer_next(&lexer, &token))
        return;
    if ((is_reset || is_discard) && sql_token_is(&token, "ALL")) {
        s->modes = splitter_initial_modes(s);
        return;
    }
    if (is_set && (sql_token_is(&token, "SESSION") || sql_token_is(&token, "LOCAL")) &&
        !sql_lexer_next(&lexer, &token))
        return;
    Str name = token.kind == SQL_TOKEN_IDENT ? unquoted(token.text) : token.text;
    if (!str_eq_nocase(name, STR("standard_conforming_strings")))
        return;
    if (is_reset) {
        s->modes = splitter_initial_modes(s);
        return;
    }
    for (int i = 0; i < 2; i++)
        if (!sql_lexer_next(&lexer, &token))
            return;
    Str value = unquoted(token.text);
    static const char *const off[] = {"off", "of", "false", "fals", "fal",
                                      "fa",  "f",  "no",    "n",    "0"};
    bool is_off = false;
    for (size_t i = 0; i < sizeof off / sizeof *off; i++)
        is_off |= str_eq_nocase(value, str_from(off[i]));
    if (str_eq_nocase(value, STR("default")))
        s->modes = splitter_initial_modes(s);
    else
        s->modes.nonconforming_strings = is_off;
}

/* Statements that change how the text behind them is to be read are looked for by their first letters only. */
void splitter_follow_modes(SqlSplitter *s, Str text)
{
    switch (s->options.dialect) {
    case SQL_SQLITE:
        break;
    case SQL_POSTGRES:
        if (str_starts_nocase(text, STR("set")) || str_starts_nocase(text, STR("reset")) ||
            str_starts_nocase(text, STR("discard")))
            follow_postgres_set(s, text);
        break;
    case SQL_MYSQL:
        if (str_starts_nocase(text, STR("set")) || str_starts(text, STR("/*!")) ||
            str_starts(text, STR("/*M!")))
            follow_mysql_set(s, text);
        break;
    }
}

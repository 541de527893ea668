/* The door of sql/: the text of SQL. Dialects, tokens, splitting into statements, what kind of statement this is,
 * placeholders, quoting. Knows no connection. SPDX-License-Identifier: Apache-2.0 */
#ifndef WHIMBREL_SQL_SQL_H
#define WHIMBREL_SQL_SQL_H

#include "base/base.h"

typedef enum SqlDialect { SQL_SQLITE, SQL_POSTGRES, SQL_MYSQL } SqlDialect;

/* ---- where text comes from ------------------------------------------------------------------------------------- */

/* A source of bytes, read front to back. ret_len 0 is the end. */
typedef struct SqlSource {
    bool (*read)(void *ctx, char *buf, size_t cap, size_t *ret_len, Error *err);
    void *ctx;
} SqlSource;

/* ---- splitting -------------------------------------------------------------------------------------------------- */

/* Bytes [from, to) of a text. */
typedef struct SqlRange {
    size_t from, to;
} SqlRange;
typedef Vec(SqlRange) SqlRangeVec;

typedef struct SqlSplitOptions {
    SqlDialect dialect;
    const char *file;             /* for errors; borrowed for the splitter's life; may be NULL */
    bool no_backslash_escapes;    /* MySQL: sql_mode at the start */
    bool ansi_quotes;             /* MySQL: sql_mode at the start */
    bool nonconforming_strings;   /* PostgreSQL: standard_conforming_strings=off at the start */
    uint32_t first_line;          /* of a piece of a file: the line it begins in; 0: 1 */
    uint64_t max_statement_bytes; /* longer is ERROR_PARSE; 0: 1 GiB */
    /* Of a text in memory: what stands in one of these is one statement, whatever it holds, less blanks and semicolons at its
     * end. In order, apart from each other; borrowed. Some tools' files mark such blocks. */
    const SqlRange *whole;
    size_t whole_count;
} SqlSplitOptions;

typedef enum SqlTerminator {
    SQL_END_SEMICOLON, /* ; or the current delimiter */
    SQL_END_CLIENT,    /* \g, \G and the like */
    SQL_END_OF_TEXT,
} SqlTerminator;

/* One statement. The slices live until the next call of sql_splitter_next() when the text is streamed, and as long as
 * the text itself when it came through sql_split() or sql_splitter_new_text(). */
typedef struct SqlStatement {
    Str text; /* from its first to its last byte that is not trivia; without the terminator */
    Str trivia; /* comments and blanks between the end of the statement before and text: directives live here */
    uint64_t offset;     /* of text, in bytes from the start of the source (a BOM counts three) */
    uint64_t end_offset; /* behind the terminator */
    uint64_t trivia_offset;
    uint32_t line, column; /* of text, from 1; columns count bytes */
    uint32_t trivia_line;
    SqlTerminator terminator;
    /* PostgreSQL COPY ... FROM STDIN: sql_splitter_copy_data() must be read to its end next */
    bool has_copy_data;
} SqlStatement;
typedef Vec(SqlStatement) SqlStatementVec;

typedef struct SqlSplitter SqlSplitter;

/* A splitter over text in memory; nothing is copied. */
bool sql_splitter_new_text(Arena *arena, const SqlSplitOptions *options, Str text,
                           SqlSplitter **ret_splitter, Error *err);
/* A splitter over a source; holds one statement (plus a read buffer of 64 KiB) in memory, whatever the size of the file. */
bool sql_splitter_new(Arena *arena, const SqlSplitOptions *options, SqlSource source,
                      SqlSplitter **ret_splitter, Error *err);
void sql_splitter_free(SqlSplitter *splitter);
void sql_splitter_freep(SqlSplitter **splitter);

/* The next statement; *ret_has false at the end (and trivia behind the last statement is then in ret_statement->trivia).
 *
 * Splits as the vendor's own client would, where that client is right; see docs/splitting.md for where it is not. Errors
 * (ERROR_PARSE, pos set, excerpt set): an unterminated quote, comment, dollar quote or body at the place where it *opened*; NUL
 * bytes; text that is not UTF-8 where the client encoding is UTF-8; psql meta-commands other than \. (ends COPY data), \restrict and
 * \unrestrict (skipped), \g, \gx, \; and \: ; the mysql client's source, system, tee, ...; sqlite3's dot-commands, `/` and `go`; a
 * DELIMITER that is not alone on its line. Empty statements are dropped. Codes: "unterminated", "nul-byte", "not-utf8", "psql-command",
 * "client-command", "delimiter", "copy-line", "too-deep", "statement-too-long".
 *
 * What is no statement is trivia of the next one: DELIMITER and \restrict lines and the terminators of empty statements too. A text with
 * \; in it is a copy in which that is ;, so that offsets behind it are one byte less for each. After an error there is no more.
 *
 * Lexical rules: PostgreSQL manual 4.1 and psql; MariaDB "Comment Syntax" and its client's DELIMITER; SQLite "The Tokenizer". */
bool sql_splitter_next(SqlSplitter *splitter, SqlStatement *ret_statement, bool *ret_has,
                       Error *err);

/* The data of the COPY just returned, piece by piece; an empty piece is the end. Neither the "\." line nor what follows
 * is part of it. A piece lives until the next call. */
bool sql_splitter_copy_data(SqlSplitter *splitter, Str *ret_piece, Error *err);

/* All statements of a text at once (COPY data is skipped over). */
bool sql_split(Arena *arena, const SqlSplitOptions *options, Str text,
               SqlStatementVec *ret_statements, Error *err);

/* ---- tokens ----------------------------------------------------------------------------------------------------- */

typedef enum SqlTokenKind {
    SQL_TOKEN_WORD,   /* keyword or unquoted identifier */
    SQL_TOKEN_IDENT,  /* quoted identifier, quotes included */
    SQL_TOKEN_STRING, /* string literal, with its prefix and quotes; dollar quotes too */
    SQL_TOKEN_NUMBER,
    SQL_TOKEN_PARAM,        /* $1, ?, :name, @var */
    SQL_TOKEN_SYMBOL,       /* one operator or punctuation character */
    SQL_TOKEN_CODE_COMMENT, /* MySQL's conditional comments and hints, whole */
} SqlTokenKind;
typedef struct SqlToken {
    SqlTokenKind kind;
    Str text;
    size_t offset; /* in the statement */
} SqlToken;

/* Walks the tokens of one statement; comments and white space are skipped. Never fails: an unterminated token runs to the end. */
typedef struct SqlLexer {
    Str text;
    size_t at;
    SqlSplitOptions options;
    bool is_continued; /* private: an E'...' string goes on in the next line */
} SqlLexer;
SqlLexer sql_lexer(Str statement, const SqlSplitOptions *options);
bool sql_lexer_next(SqlLexer *lexer, SqlToken *ret_token);
/* Whether the token is this keyword (ASCII case ignored, quoted identifiers never). */
bool sql_token_is(const SqlToken *token, const char *keyword);
/* Adds the tokens of a statement to a digest, each with its length, so that comments, white space and line ends outside
 * literals do not count. Keywords keep their case: whether it matters is not ours to know. */
void sql_hash_tokens(Hash *hash, Str statement, const SqlSplitOptions *options);

/* ---- what kind of statement --------------------------------------------------------------------------------------- */

typedef enum SqlVerb {
    SQL_VERB_OTHER,
    SQL_VERB_CREATE,
    SQL_VERB_ALTER,
    SQL_VERB_DROP,
    SQL_VERB_RENAME,
    SQL_VERB_TRUNCATE,
    SQL_VERB_INSERT,
    SQL_VERB_UPDATE,
    SQL_VERB_DELETE,
    SQL_VERB_MERGE,
    SQL_VERB_SELECT,
    SQL_VERB_COPY,
    SQL_VERB_CALL,
    SQL_VERB_DO,
    SQL_VERB_SET,
    SQL_VERB_RESET,
    SQL_VERB_PRAGMA,
    SQL_VERB_USE,
    SQL_VERB_BEGIN,
    SQL_VERB_COMMIT,
    SQL_VERB_ROLLBACK,
    SQL_VERB_SAVEPOINT,
    SQL_VERB_RELEASE,
    SQL_VERB_GRANT,
    SQL_VERB_REVOKE,
    SQL_VERB_COMMENT,
    SQL_VERB_ANALYZE,
    SQL_VERB_VACUUM,
    SQL_VERB_REINDEX,
    SQL_VERB_CLUSTER,
    SQL_VERB_REFRESH,
    SQL_VERB_LOCK,
    SQL_VERB_UNLOCK,
    SQL_VERB_ATTACH,
    SQL_VERB_EXPLAIN,
} SqlVerb;

typedef enum SqlObject {
    SQL_OBJECT_NONE,
    SQL_OBJECT_TABLE,
    SQL_OBJECT_INDEX,
    SQL_OBJECT_VIEW,
    SQL_OBJECT_MATERIALIZED_VIEW,
    SQL_OBJECT_SEQUENCE,
    SQL_OBJECT_TYPE,
    SQL_OBJECT_DOMAIN,
    SQL_OBJECT_SCHEMA,
    SQL_OBJECT_DATABASE,
    SQL_OBJECT_FUNCTION,
    SQL_OBJECT_PROCEDURE,
    SQL_OBJECT_TRIGGER,
    SQL_OBJECT_EVENT,
    SQL_OBJECT_EXTENSION,
    SQL_OBJECT_ROLE,
    SQL_OBJECT_RULE,
    SQL_OBJECT_POLICY,
    SQL_OBJECT_TABLESPACE,
    SQL_OBJECT_SUBSCRIPTION,
    SQL_OBJECT_PUBLICATION,
    SQL_OBJECT_SYSTEM,
    SQL_OBJECT_OTHER,
} SqlObject;

enum {
    SQL_NO_TRANSACTION =
        1
        << 0, /* the server refuses it, or ignores it, inside a transaction block (whatever the version) */
    SQL_NO_TRANSACTION_OLD =
        1
        << 1, /* refused on servers before SqlInfo.transaction_since (ALTER TYPE ... ADD VALUE before PostgreSQL 12) */
    SQL_IMPLICIT_COMMIT = 1 << 2, /* MySQL/MariaDB: commits before and after itself */
    SQL_TRANSACTION_CONTROL =
        1
        << 3, /* BEGIN, COMMIT, ROLLBACK, START TRANSACTION, END; SET autocommit. Not savepoints */
    SQL_SESSION_STATE =
        1 << 4, /* SET without LOCAL, USE, PRAGMA that sticks: would leak into the next migration */
    SQL_IS_DDL = 1 << 5,
    SQL_IS_DML = 1 << 6, /* INSERT, UPDATE, DELETE, MERGE, COPY FROM, SELECT INTO ..., CALL, DO */
    SQL_CONCURRENTLY =
        1 << 7, /* CREATE/DROP INDEX CONCURRENTLY, REINDEX CONCURRENTLY, DETACH ... CONCURRENTLY */
    SQL_IF_EXISTS = 1 << 8, /* IF [NOT] EXISTS or OR REPLACE */
    SQL_TEMPORARY = 1 << 9,
    SQL_COPY_FROM_STDIN = 1 << 10,
    SQL_USES_NEW_ENUM =
        1 << 11, /* ALTER TYPE ... ADD VALUE: its value cannot be used before commit */
    SQL_SESSION_KEPT =
        1
        << 12, /* with SQL_SESSION_STATE: only user variables or prepared statements of MySQL, which a session that
                                       is put back keeps, and which may not be said again: SET @n = (SELECT ...) */
};

/* What a statement is, as far as running it safely needs to know: read off its leading tokens, never guessed. */
typedef struct SqlInfo {
    SqlVerb verb;
    SqlObject object;
    unsigned flags;
    Str schema,
        name; /* of the object (index name for CREATE INDEX), as written, quotes included; empty if none is found */
    Str table_schema,
        table; /* the table an index, trigger, rule or policy belongs to, or that an ALTER TABLE, INSERT ... names */
    Str sub_name; /* ALTER TABLE t ADD/DROP [COLUMN|CONSTRAINT|INDEX] name, RENAME ... TO name (the new one), ATTACH/DETACH
                                PARTITION name, when it is the only action */
    /* CREATE for ADD, DROP, RENAME, ALTER for other single actions; OTHER when several or unknown */
    SqlVerb sub_verb;
    /* OBJECT_OTHER: a constraint; OBJECT_NONE with a sub_name: a column; OBJECT_INDEX, OBJECT_TABLE (rename) */
    SqlObject sub_object;
    /* of ALTER TABLE: top-level commas + 1; MySQL's ALGORITHM= and LOCK= do not count */
    unsigned action_count;
    int transaction_since; /* server version number (120000) from which it may run in a transaction; with SQL_NO_TRANSACTION_OLD */
} SqlInfo;
SqlInfo sql_inspect(Str statement, const SqlSplitOptions *options);
/* "CREATE INDEX CONCURRENTLY orders_user_ix": at most max_bytes (cut with "..."), white space folded, comments left out. */
bool sql_summary(Arena *arena, Str statement, const SqlSplitOptions *options, size_t max_bytes,
                 Str *ret_summary);

/* ---- quoting: the only functions that put names and values into SQL ------------------------------------------------- */

void sql_add_ident(StrBuf *out, SqlDialect dialect, Str name); /* always quoted */
/* "schema.table" or a plain name, each part quoted; parts already quoted in the dialect are kept. */
void sql_add_qualified(StrBuf *out, SqlDialect dialect, Str name);
/* A string literal that means these bytes whatever standard_conforming_strings or NO_BACKSLASH_ESCAPES say. text must not
 * hold NUL: then the buffer fails. */
void sql_add_literal(StrBuf *out, SqlDialect dialect, Str text);
void sql_add_blob(StrBuf *out, SqlDialect dialect, Str bytes);
/* The name without its quotes, folded as the server folds unquoted names (PostgreSQL: ASCII lower case). */
bool sql_ident_value(Arena *arena, SqlDialect dialect, Str written, Str *ret_value);

/* ---- placeholders --------------------------------------------------------------------------------------------------- */

typedef struct SqlPlaceholder {
    Str name, value;
} SqlPlaceholder;
typedef Vec(SqlPlaceholder) SqlPlaceholderVec;
/* Replaces ${name}; "$${" is a literal "${". An unset one is ERROR_USAGE (code "placeholder-unset") with its place, relative to
 * start_line/start_column, and the nearest known name. Values are put in as they are: quoting is the author's business. */
bool sql_expand(Arena *arena, Str text, const SqlPlaceholderVec *placeholders, const char *file,
                uint32_t start_line, Str *ret_text, Error *err);

#endif

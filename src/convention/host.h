/* Migrations written in a host language: those that do nothing but hand literal SQL to the database run here, the others are refused by
 * line. What the conventions of such tools share: tokens, the scripts that come of a file, and dumps of a schema that stand for many
 * migrations. SPDX-License-Identifier: Apache-2.0 */
#ifndef WHIMBREL_CONVENTION_HOST_H
#define WHIMBREL_CONVENTION_HOST_H

#include "convention/peer.h"

/* ---- files ---------------------------------------------------------------------------------------------- */

/* One literal that is handed to the database. */
typedef struct HostSql {
    Str text;
    uint32_t line, column; /* of its first byte, in the file */
} HostSql;
typedef Vec(HostSql) HostSqlVec;

/* One direction. */
typedef struct HostWay {
    bool is_there;       /* the tool has something to run this way */
    bool no_transaction; /* not in a transaction, says the file */
    HostSqlVec calls;    /* in the order in which they run */
    /* Why it cannot be run here ("calls `create_table`": behind the file's name), or NULL. */
    const char *refusal;
    uint32_t refusal_line;
} HostWay;
typedef struct HostFile {
    HostWay up, down;
} HostFile;

/* One tool's reading of its files. own: of this file. A file that cannot be understood is refused, and is no error. */
typedef bool HostReader(const ConventionContext *ctx, Arena *arena, const char *path, Str text,
                        const void *own, HostFile *ret_file, Error *err);
/* Both scripts of a file; no down where the tool has none. The file is read now, and again when a script is. hint: what to do with a
 * refused one. reader, own and ctx are kept. */
typedef struct HostTool {
    HostReader *reader;
    const char *hint;
} HostTool;
bool host_scripts(const ConventionContext *ctx, Arena *arena, const char *path,
                  const HostTool *tool, const void *own, Script **ret_up, Script **ret_down,
                  Error *err);
/* The SQL that the tool itself has written beside a file: "0002_x.postgresql.up.sql", else "0002_x.up.sql", beside "0002_x.py"; NULL:
 * neither is there. suffix: ".up.sql" or ".down.sql". */
bool host_beside(const ConventionContext *ctx, Arena *arena, const char *path, const char *suffix,
                 const char **ret_path, Error *err);
/* Both ways are refused, unless they are already. False: what was NULL. */
bool host_refuse(HostFile *file, uint32_t line, const char *what, Error *err);
/* The same for one way. */
bool host_refuse_way(HostWay *way, uint32_t line, const char *what, Error *err);

/* ---- tokens ------------------------------------------------------------------------------------------------ */

typedef enum HostTokenKind {
    HOST_END,
    HOST_LINE, /* the end of a line, where that counts, or a semicolon that stands for it */
    HOST_WORD, /* a name, with what belongs to it: "up", "DB", "$connection", "ActiveRecord::Base" */
    HOST_STRING, /* value is what it stands for, unless there is a fault */
    HOST_NUMBER,
    HOST_SYMBOL, /* one character, or "::", "->", "=>" */
} HostTokenKind;
typedef struct HostToken {
    HostTokenKind kind;
    Str text;              /* as written */
    Str value;             /* of a string */
    const char *fault;     /* of a string: why its value is not known here; NULL: it is */
    uint32_t line, column; /* of the token; of a string: of its first byte */
    bool has_space_before;
} HostToken;
typedef Vec(HostToken) HostTokenVec;

typedef struct HostCursor {
    const HostToken *tokens; /* the last one is HOST_END */
    size_t at;
} HostCursor;
const HostToken *host_peek(const HostCursor *cursor, size_t ahead);
/* Whether the next token is this word or symbol. */
bool host_is(const HostCursor *cursor, const char *text);
/* The same, and goes behind it. */
bool host_take(HostCursor *cursor, const char *text);
/* "calls `create_table`", of the token under the cursor. */
const char *host_describe(const HostCursor *cursor, Arena *arena);

/* A text that is read byte by byte. */
typedef struct HostText {
    Str text;
    size_t at;
    uint32_t line;
    size_t line_from;
} HostText;
int host_char(const HostText *text, size_t ahead); /* -1: the end */
void host_skip(HostText *text, size_t count);
uint32_t host_column(const HostText *text);
bool host_is_word_char(int c);

/* ---- dumps of a schema ------------------------------------------------------------------------------------- */

/* What a dump says of the history that it was taken with. */
typedef struct HostDump {
    Str sql; /* without what makes and fills the tables of the history, of the same length */
    /* Of the rows of the history the strings and numbers, row by row as they are written. */
    Vec(StrVec) rows;
} HostDump;
/* tables: the history's, first the one whose rows are wanted; NULL-terminated. */
bool host_dump_read(Arena *arena, const SqlSplitOptions *split, Str text, const char *const *tables,
                    HostDump *ret_dump, Error *err);

/* A dump as the baseline that an empty database begins with. */
typedef struct HostBaseline {
    const char *path;
    Str name;                  /* of the migration */
    const char *const *tables; /* as above */
    Vec(StrVec) rows;          /* out: see HostDump */
    size_t version_column;     /* of a row */
} HostBaseline;
/* Puts it into the set, in the place of the file whose version is the newest in the dump. Only into one that is read for a database
 * without history, and if the file is there; order: of the versions. baseline is kept. */
bool host_add_baseline(const ConventionContext *ctx, Arena *arena, HostBaseline *baseline,
                       const VersionOrder *order, MigrationSet *set, Error *err);
/* What the migration is a dump of; NULL: it is another migration. */
const HostBaseline *host_baseline(const Migration *migration);

#endif

/* What the conventions of other tools share: listing files, files of several sections, reading a history table of a known shape, and the
 * signs by which a tool is recognised. SPDX-License-Identifier: Apache-2.0 */
#ifndef WHIMBREL_CONVENTION_PEER_H
#define WHIMBREL_CONVENTION_PEER_H

#include "convention/conventions.h"

/* ---- files ---------------------------------------------------------------------------------------------- */

typedef struct PeerFile {
    const char *path; /* as people see it */
    Str relative;     /* below its folder of migrations */
    Str name;         /* without any folder */
} PeerFile;
typedef Vec(PeerFile) PeerFileVec;

enum { PEER_FLAT = 0, PEER_DEEPEST = 64 };
/* All files below the folders, at most `depth` folders down, those of one folder after the other, each sorted by the bytes of its relative
 * path. What is hidden (".x") is passed over; links are followed. A link that leads nowhere and a name that is not UTF-8 are errors
 * that name the file. */
bool peer_files(const ConventionContext *ctx, Arena *arena, unsigned depth, PeerFileVec *ret_files,
                Error *err);
/* A whole file, of at most PEER_FILE_BYTES. */
enum { PEER_FILE_BYTES = 256 * 1024 * 1024 };
bool peer_read(const ConventionContext *ctx, Arena *arena, const char *path, Str *ret_text,
               Error *err);
/* The leading decimal digits of a name; empty: none. */
Str peer_digits(Str name);
/* ERROR_PARSE, code "bad-annotation": "FILE: WHAT", at the line. */
bool peer_bad_line(const char *path, uint32_t line, const char *what, const char *hint, Error *err);
/* ERROR_PARSE with this code: "FILE WHAT". */
bool peer_bad_file(const char *path, const char *code, const char *what, const char *hint,
                   Error *err);
/* Puts the migrations of one file into the set, or the file among those that are ignored (peer_ignore()). */
typedef bool PeerFileAdder(const ConventionContext *ctx, Arena *arena, const PeerFile *file,
                           MigrationSet *set, Error *err);
bool peer_ignore(Arena *arena, MigrationSet *set, const char *path, Error *err);
/* peer_files(), each given to add. The set is not finished yet. */
bool peer_add_files(const ConventionContext *ctx, Arena *arena, unsigned depth, PeerFileAdder *add,
                    MigrationSet *ret_set, Error *err);
/* The order of the set's versions becomes the one in which its migrations stand. */
bool peer_order_as_added(Arena *arena, MigrationSet *set, Error *err);
/* A migration without either script yet, appended. */
bool peer_add(Arena *arena, MigrationSet *set, Str version, Str name, Migration **ret_migration,
              Error *err);
/* ERROR_STATE, code "duplicate-version": two files for one direction of one version. */
bool peer_twice(const char *tool, const char *one, const char *two, Str version, Error *err);
/* They refuse: as those of an error they return nothing but false. */
#define peer_bad_line(...) error_false(peer_bad_line(__VA_ARGS__))
#define peer_bad_file(...) error_false(peer_bad_file(__VA_ARGS__))
#define peer_twice(...) error_false(peer_twice(__VA_ARGS__))
/* Options of scripts that hold plain SQL and whimbrel's directives. */
ScriptOptions peer_script_options(const ConventionContext *ctx);

/* The next version of a new file: now, or the next number with as many digits as the last one has (at least width). */
const char *peer_next_version(Arena *arena, const MigrationSet *set, bool is_numbered, int width,
                              Timestamp now);
/* "0001_name" or "20240101000000_name" for `new`; ERROR_UNSUPPORTED for kinds that hardly a tool has: repeatables, folders. */
bool peer_new_stem(const ConventionContext *ctx, Arena *arena, const MigrationSet *set, Str name,
                   unsigned new_kind, bool is_numbered, int width, Timestamp now, Str *ret_stem,
                   Error *err);
/* The stem with each of the suffixes. down: NULL: there is one file only. */
bool peer_new_files(Arena *arena, Str stem, const char *up, const char *down, StrVec *ret_paths,
                    Error *err);
/* Convention.new_text of a tool with both directions in one file: the text between its two markers, line ends included. */
bool peer_new_sections(Arena *arena, const char *up_marker, Str text, const char *down_marker,
                       Str *ret_text, Error *err);
/* A name as it goes into a file name: blanks become '_'; ERROR_USAGE, code "bad-name", for what cannot be one. */
bool peer_slug(Arena *arena, Str name, Str *ret_slug, Error *err);
/* ERROR_UNSUPPORTED, code "not-in-convention". what: "repeatable migrations". */
bool peer_lacks(const Convention *convention, const char *what, Error *err);
bool peer_lacks_kind(const Convention *convention, unsigned new_kind, Error *err);
/* The same code: the tool works on PostgreSQL only. */
bool peer_only_postgres(const Convention *convention, Error *err);

/* One of ctx->variables. False: it is not set, and *ret_value is empty. */
bool peer_variable(const ConventionContext *ctx, Str name, Str *ret_value);

/* A JDBC URL as ours. What the tool's configuration says of user and password stands above the URL's own; schema is where tables
 * without one go, on PostgreSQL (empty: the server's default). Parameters that are not followed are added to unheeded. ERROR_USAGE, code
 * "bad-setting"; place: "flyway.conf:3". */
bool peer_jdbc_url(Arena *arena, const char *place, Str url, Str user, Str password, Str schema,
                   StrVec *unheeded, Str *ret_url, Error *err);

/* ---- files of several sections ---------------------------------------------------------------------------- */

/* What stands where in one file. */
typedef struct Sections {
    SqlRangeVec up, down; /* bytes that run for each direction, in order */
    SqlRangeVec whole;    /* blocks that are one statement, of both directions, in order */
    bool has_down;
    bool no_transaction_up, no_transaction_down;
    Str text; /* with variables replaced, where the tool does that: the ranges are of this text then. Empty: the file's */
    /* What only the tool itself can run: see ScriptText. The file keeps its place. */
    const char *refusal, *refusal_hint;
    uint32_t refusal_line;
} Sections;
/* One tool's reading of its markers. Errors: ERROR_PARSE with the place. */
typedef bool SectionReader(const ConventionContext *ctx, Arena *arena, const char *path, Str text,
                           Sections *ret_sections, Error *err);
/* Scripts for up and, where the file has it, down, over one file. The file is read now, to know whether there is a down, and again when a
 * script is. reader and ctx are kept. */
bool sections_scripts(const ConventionContext *ctx, Arena *arena, const char *path,
                      SectionReader *reader, Script **ret_up, Script **ret_down, Error *err);

/* A script that is its file, and whose tool says elsewhere that it runs outside of a transaction. */
bool peer_script_alone(const ConventionContext *ctx, Arena *arena, const char *path,
                       bool no_transaction, Script **ret_script, Error *err);

/* A script that has its place and its history, but that we cannot run: see ScriptText.refusal. */
bool peer_script_refused(const ConventionContext *ctx, Arena *arena, const char *path,
                         const char *refusal, const char *hint, Script **ret_script, Error *err);

/* Lines of a text, ends included. */
typedef struct Line {
    Str text;        /* without its end */
    size_t from, to; /* with its end */
    uint32_t number; /* from 1 */
} Line;
bool line_next(Str text, Line *line); /* begin with a zeroed one; false: no more */
/* A line of a properties file: first (of line, trimmed), and the trimmed lines behind it as long as a backslash ends one; line is then
 * the last of them. *ret_joined lies in arena. ERROR_NOMEM. */
bool line_joined(Arena *arena, Str text, Line *line, Str first, Str *ret_joined, Error *err);

/* ---- history ------------------------------------------------------------------------------------------------ */

/* A table that is read row by row. */
typedef struct PeerTable {
    TableName name;
    const char *columns; /* what is selected; a table without these is not this tool's */
    const char *where;   /* "project = 'a'", or NULL */
    const char *order;   /* "version", or NULL */
    size_t column_count;
    /* *ret_is_good false: the row cannot be this tool's (what says why) */
    bool (*row)(void *ctx, const DbValue *cols, bool *ret_is_good, const char **ret_what,
                Error *err);
    void *ctx;
} PeerTable;
/* In one round trip where the server takes several statements in one. ret_exists false: there is no such table, and nothing failed. A
 * table of another shape is ERROR_STATE, code "foreign-history". */
bool peer_table_read(const ConventionContext *ctx, Db *db, Arena *arena, const PeerTable *table,
                     bool *ret_exists, Error *err);
/* What PeerTable.row gets from peer_history_read(). */
typedef struct PeerReader {
    const ConventionContext *ctx;
    Arena *arena;
    History *history; /* the rows so far */
    void *own;        /* the table's ctx */
} PeerReader;
/* The whole of Convention.history_read() for a tool with one table and a row a migration. table->name: empty: the context's. versions as
 * History has it. */
bool peer_history_read(const ConventionContext *ctx, Db *db, Arena *arena, const PeerTable *table,
                       const VersionOrder *versions, History *ret_history, Error *err);
/* Whether what the scripts name without a schema goes where the tool's configuration would put it: ERROR_USAGE, code "bad-setting". schema:
 * empty: it names none. */
bool peer_check_schema(const ConventionContext *ctx, const Db *db, Str schema, Error *err);
/* The row at the end of the history, its version copied. ret_row (may be NULL) is valid until the next. */
bool peer_push_row(const PeerReader *reader, Str version, Str name, HistoryRow **ret_row,
                   Error *err);
/* The same for a row of a text and an instant: cols[0] is the version, cols[1] what peer_instant() has selected. A row without a version is
 * not good, and lacks says so ("a row has no name"); *ret_row is then NULL. */
bool peer_push_timed_row(const PeerReader *reader, const DbValue *cols, const char *lacks,
                         bool *ret_is_good, const char **ret_what, HistoryRow **ret_row,
                         Error *err);
/* What selects an instant, or with is_utc a time without zone that is UTC, such that peer_instant_of() understands the value; NULL when memory is out. */
const char *peer_instant(SqlDialect dialect, Arena *arena, const char *column, bool is_utc);
Timestamp peer_instant_of(SqlDialect dialect, const DbValue *value);
/* The whole of Convention.history_prepare() for such a tool: CREATE TABLE IF NOT EXISTS with this behind the name. */
bool peer_create_table(const ConventionContext *ctx, Arena *arena, const History *history,
                       const char *columns, DbStatementVec *out, Error *err);
/* For a table that says how far a database came and nothing else: a row for each migration of ctx->set up to that version, the last one with
 * this outcome; also where there is no such file. */
bool peer_push_up_to(const ConventionContext *ctx, Arena *arena, Str version, HistoryOutcome last,
                     History *history, Error *err);
/* "column = 'value'" for peer_write_row(). */
bool peer_where_text(const ConventionContext *ctx, Arena *arena, const char *column, Str value,
                     Str *ret_where, Error *err);
bool peer_foreign(const ConventionContext *ctx, const TableName *name, Arena *arena,
                  const char *what, Error *err);
/* "verb table", as in "DELETE FROM " or "UPDATE ". */
void peer_begin(StrBuf *sql, const ConventionContext *ctx, const TableName *name, const char *verb);
/* The writes of a tool whose history is a row for each migration that is applied, and nothing else: where tells the row ("version = 7"),
 * columns and values make it. Kinds of writes that such a table cannot hold are left out. */
bool peer_write_row(const ConventionContext *ctx, const TableName *name, Arena *arena,
                    const HistoryWrite *write, Str where, Str columns, Str values,
                    DbStatementVec *out, Error *err);
/* When a write's migration was done, as far as that is known before it is written: TIMESTAMP_UNKNOWN lets the table's default say it. */
Timestamp peer_finished_at(const HistoryWrite *write);
/* A time of UTC for a column of the engine's own kind of time; on SQLite with seconds. */
void peer_add_time(StrBuf *sql, SqlDialect dialect, Timestamp time);
/* The version that a write is about. */
Str peer_version(const HistoryWrite *write);
/* And its name. */
Str peer_name(const HistoryWrite *write);
/* A row of the history with nothing known but this. */
HistoryRow peer_row(Str version, Str name, int64_t rank);
/* whimbrel's own lock, for tools that have none: of the table's name. */
bool peer_own_lock(const ConventionContext *ctx, const Db *db, Arena *arena, DbLockKey *ret_key,
                   Error *err);

/* ---- recognition ---------------------------------------------------------------------------------------------- */

typedef struct PeerSigns {
    const char *const
        *configurations; /* files in the project's folder, NULL-terminated; may be NULL */
    const char *columns; /* that the history table must have, separated by ", " */
    bool has_only_these; /* columns: no others */
    unsigned depth;      /* of the files */
    /* Whether the tool would take this file for a migration. Without reads there is neither a text nor a path. */
    bool (*takes)(const ConventionContext *ctx, const PeerFile *file, Str text);
    /* takes() wants the text (of the first files only), and what it takes is written for this tool alone */
    bool reads;
    /* without reads: what a file has that is written for this tool alone; NULL: nothing tells */
    const char *marker;
    const char *suffix; /* of the files that it wants; NULL: ".sql" */
} PeerSigns;
/* Fills a guess as ConventionGuess says. */
bool peer_recognise(const ConventionContext *ctx, Db *db, Arena *arena, const PeerSigns *signs,
                    ConventionGuess *ret_guess, Error *err);
/* The tool's own configuration file, if it is there: its path and its text. ret_path NULL: it is not. */
bool peer_configuration(const ConventionContext *ctx, Arena *arena, Str name, const char **ret_path,
                        Str *ret_text, Error *err);
/* The history table by a schema (may be empty; SQLite has none) and a name (empty: the convention's own) that the tool takes letter by
 * letter, unless the user named one. */
bool peer_take_table(ConventionContext *ctx, Arena *arena, Str schema, Str table, Error *err);
/* A sentence among ctx->notes. NULL: there was no memory for it. */
bool peer_note(ConventionContext *ctx, Arena *arena, const char *sentence, Error *err);
/* One folder of migrations, unless the user named some. */
bool peer_take_folder(ConventionContext *ctx, Arena *arena, const char *path, Error *err);
/* Folder and table as the tool's variables of these names have them, where nobody else names them. */
bool peer_take_variables(ConventionContext *ctx, Arena *arena, Str folder_name, Str table_name,
                         Error *err);
/* For recognition: what the configuration says of folders and table, as far as it can be read. What is amiss in it is told once the tool is
 * known to be this one: "config/database.yml" may be anybody's. */
bool peer_try_configuration(bool (*configure)(ConventionContext *, Arena *, Error *),
                            ConventionContext *ctx, Arena *arena, Error *err);
/* The first of these that is there, beside the project: where the tool looks if it is told nothing. NULL-terminated. One that cannot be looked
 * at ("db", where a server keeps its data) is passed over with a note: it may have nothing to do with migrations. */
bool peer_take_usual_folder(ConventionContext *ctx, Arena *arena, const char *const *usual,
                            Error *err);
/* What other tools say of a database in parts; what is empty is left out. */
typedef struct PeerServer {
    const char *scheme;
    Str user, password, host, port, database;
    const char *query; /* as a URL of ours has it, without '?'; "": none */
} PeerServer;
/* As a part of a URL; with '/' as it is, as its path. */
void peer_add_escaped(StrBuf *url, Str text);
void peer_add_escaped_path(StrBuf *url, Str text);
bool peer_server_url(Arena *arena, const PeerServer *server, Str *ret_url, Error *err);
/* Path of a file in the project's folder, or beside the first folder of migrations; NULL when memory is out. */
const char *peer_beside(const ConventionContext *ctx, Arena *arena, Str name);

#endif

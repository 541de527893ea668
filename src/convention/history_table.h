/* What conventions share about history tables: their names, and whether they are there. SPDX-License-Identifier: Apache-2.0 */
#ifndef WHIMBREL_CONVENTION_HISTORY_TABLE_H
#define WHIMBREL_CONVENTION_HISTORY_TABLE_H

#include "convention/convention.h"

/* Values, without quotes. */
typedef struct TableName {
    Str schema; /* empty: the connection's default */
    Str table;
} TableName;

/* The name in ctx->table, or the convention's own. Parts may be quoted; see CONVENTION_FOLDS_TABLE for those that are not.
 * ERROR_USAGE, code "bad-table". */
bool table_name_read(const ConventionContext *ctx, Arena *arena, TableName *ret_name, Error *err);
/* Quoted for SQL, with the suffix (which may be "") at the table's end. */
void table_name_add(StrBuf *out, SqlDialect dialect, const TableName *name, const char *suffix);
/* "schema.table", for has_table() and for messages; NULL when memory is out. */
const char *table_name_plain(Arena *arena, const TableName *name, const char *suffix);

/* Whether the error says that a table, a schema or a column is not there. */
bool error_means_absent(const Error *err, SqlDialect dialect);
/* Whether the convention's table is there, and whether it has rows: by ctx->known_tables, or by asking. Only a table that has these columns
 * (separated by ", ") counts, and with is_exact no others. */
bool history_table_look(const ConventionContext *ctx, Db *db, Arena *arena, const TableName *name,
                        const char *columns, bool is_exact, bool *ret_has_table, bool *ret_has_rows,
                        Error *err);
/* The same as evidence of a guess. */
bool guess_table(const ConventionContext *ctx, Db *db, Arena *arena, const TableName *name,
                 const char *columns, bool is_exact, ConventionGuess *guess, Error *err);
/* NULL: it is not there, or was not asked for. */
const KnownTable *known_table(const ConventionContext *ctx, Str name);

/* In front of queries that fail where the table is not there: the question whether it is, so that the failure is understood without
 * asking again. Where asking again costs nothing it is left out, and taken for there. */
bool history_add_presence(const Db *db, Arena *arena, const TableName *name, StrBuf *sql,
                          Error *err);
/* Its answer, from the first result; rows then stand at the next. False when there is none. */
bool history_take_presence(DbRows *rows, bool *ret_has);

/* Appends "sql" built in buf as one statement. */
bool statement_push(Arena *arena, StrBuf *buf, DbStatementVec *out, Error *err);

#endif

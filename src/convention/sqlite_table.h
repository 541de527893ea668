/* A table of SQLite as its CREATE TABLE says it, for those who make it anew. SPDX-License-Identifier: Apache-2.0 */
#ifndef WHIMBREL_CONVENTION_SQLITE_TABLE_H
#define WHIMBREL_CONVENTION_SQLITE_TABLE_H

#include "db/db.h"
#include "sql/sql.h"

typedef enum SqliteConstraintKind {
    SQLITE_PRIMARY_KEY,
    SQLITE_UNIQUE,
    SQLITE_CHECK,
    SQLITE_FOREIGN_KEY,
} SqliteConstraintKind;
typedef struct SqliteConstraint {
    SqliteConstraintKind kind;
    Str name; /* empty: it has none, or has it within a column, where only a CHECK and a primary key keep it */
    StrVec columns;
    Str condition; /* of a CHECK */
    Str referent;
    StrVec remote; /* empty: the referent's primary key */
    Str rules;     /* " ON DELETE CASCADE DEFERRABLE" */
} SqliteConstraint;
typedef struct SqliteColumn {
    Str name, type;
    Str default_value; /* an expression, without brackets around it */
    bool has_default, is_not_null;
} SqliteColumn;
typedef struct SqliteIndex {
    Str name;
    StrVec columns;
    Str condition; /* behind WHERE; empty: it has none */
    bool is_unique;
} SqliteIndex;
typedef struct SqliteTable {
    Vec(SqliteColumn) columns;
    Vec(SqliteConstraint) constraints;
    Vec(SqliteIndex) indexes;
    /* What it has that is not read, as "a trigger"; the rest cannot be relied on then. NULL: all is read */
    const char *trouble;
} SqliteTable;

/* Out of its SQL: "CREATE TABLE ...". False: memory is out. */
bool sqlite_table_parse(Arena *arena, Str sql, SqliteTable *ret_table, Error *err);
/* Adds what "CREATE INDEX ..." says. */
bool sqlite_index_parse(Arena *arena, Str sql, SqliteTable *table, Error *err);
/* From the database, with its indexes. ret_exists false: there is no such table. */
bool sqlite_table_read(Db *db, Arena *arena, Str name, SqliteTable *ret_table, bool *ret_exists,
                       Error *err);

#endif

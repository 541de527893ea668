/* What alembic_operations.c and alembic_schema.c share: arguments of calls, and the pieces of CREATE TABLE.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef WHIMBREL_CONVENTION_ALEMBIC_SCHEMA_H
#define WHIMBREL_CONVENTION_ALEMBIC_SCHEMA_H

#include "convention/alembic.h"

/* ---- alembic_operations.c ----------------------------------------------------------------------------------- */

/* Refuses arguments by other names than these (NULL-terminated), unless they are options of another engine. */
bool alembic_check(Renderer *r, const PyNode *call, const char *const *known);
/* True or False; *ret_flag is `otherwise` where it is not given. */
bool alembic_flag(Renderer *r, const PyNode *call, const char *name, int otherwise, int *ret_flag);
/* A string; empty: not given. need: it has to be. */
bool alembic_word(Renderer *r, const PyNode *call, size_t place, const char *name, Str *ret_text);
bool alembic_need(Renderer *r, const PyNode *call, size_t place, const char *name, Str *ret_text);
bool alembic_schema(Renderer *r, const PyNode *call, const char *name, Str *ret_schema);
bool alembic_strings(Renderer *r, const PyNode *node, const char *what, StrVec *ret_strings);
/* sa.Index("name", "column", ...), as a statement at this place. */
bool alembic_table_index(Renderer *r, const PyNode *at, const PyNode *call, Str schema, Str table);
/* One statement, in the line of the call. */
bool alembic_statement(Renderer *r, const PyNode *node, StrBuf *sql);
void alembic_begin(Renderer *r, const PyNode *node);
bool alembic_end(Renderer *r, Str sql, bool is_whole);

/* ---- alembic_schema.c --------------------------------------------------------------------------------------- */

bool alembic_create_table(Renderer *r, const PyNode *call, bool is_batch);
bool alembic_add_column(Renderer *r, const PyNode *call, bool is_batch);
/* sa.text("..."), sa.func.now(), sa.true(), sa.literal_column("..."). ret_is: it is one. */
bool alembic_expression(Renderer *r, const PyNode *node, bool *ret_is, Str *ret_sql);
/* A server default. in_column: as it stands in a column's definition, where some engines want brackets. */
bool alembic_default(Renderer *r, const PyNode *node, bool in_column, StrBuf *sql);
/* "(a, b)" */
bool alembic_add_columns(Renderer *r, const StrVec *columns, StrBuf *sql);
/* "FOREIGN KEY(a) REFERENCES t (b) ON DELETE CASCADE"; the rules are arguments of the call. */
bool alembic_foreign_key(Renderer *r, const PyNode *call, const StrVec *local, Str schema,
                         Str table, const StrVec *remote, StrBuf *sql);
bool alembic_deferrable(Renderer *r, const PyNode *call, StrBuf *sql);
/* "CHECK (...)" */
bool alembic_condition(Renderer *r, const PyNode *call, const PyNode *node, StrBuf *sql);

#endif

/* What alembic_operations.c and alembic_schema.c share: arguments of calls, and the pieces of CREATE TABLE.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef WHIMBREL_CONVENTION_ALEMBIC_SCHEMA_H
#define WHIMBREL_CONVENTION_ALEMBIC_SCHEMA_H

#include "convention/alembic.h"

/* Where an operation finds its table: within a batch it is the batch's, and the arguments move up. */
typedef struct Place {
    bool is_batch;
    size_t next; /* of the argument behind the table */
    Str table, schema;
} Place;

/* alter_column() */
typedef struct Alteration {
    const PyNode *call;
    Place place;
    Str column, new_name, comment, using;
    int nullable, existing_nullable; /* -1: not said */
    int autoincrement, existing_autoincrement;
    const PyNode *type, *existing_type;
    const PyNode *default_value, *existing_default; /* as given: None is one too; NULL: not said */
    bool has_comment;                               /* said, if only to be taken away */
    Str existing_comment;
} Alteration;

typedef struct IndexCall {
    const PyNode *at;   /* where its statement stands */
    const PyNode *call; /* its options */
    const PyNode *columns;
    Str name, schema, table;
} IndexCall;

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
bool alembic_read_alteration(Renderer *r, const PyNode *call, bool is_batch, Alteration *a);
bool alembic_read_index(Renderer *r, const PyNode *call, bool is_batch, IndexCall *ret_index);
bool alembic_write_index(Renderer *r, const IndexCall *index);
/* sa.Index("name", "column", ...), as a statement at this place. */
bool alembic_table_index(Renderer *r, const PyNode *at, const PyNode *call, Str schema, Str table);
/* One statement, in the line of the call. */
bool alembic_statement(Renderer *r, const PyNode *node, StrBuf *sql);
void alembic_begin(Renderer *r, const PyNode *node);
bool alembic_end(Renderer *r, Str sql, bool is_whole);
/* " WITH (fillfactor = 50)" of {"fillfactor": 50} */
bool alembic_storage(Renderer *r, const PyNode *options, StrBuf *sql);

/* ---- alembic_batch.c: a table of SQLite made anew ------------------------------------------------------------ */

typedef struct AlembicBatch {
    const PyNode *call; /* batch_alter_table() */
    Str table;
    const PyNode *const *calls; /* of the operations */
    size_t count;
} AlembicBatch;
/* Whether Alembic makes the table anew for these, where nobody says. */
bool alembic_batch_rebuilds(Renderer *r, const AlembicBatch *batch, bool *ret_rebuilds);
/* A statement that stands for it; where its turn has come, the SQL. */
bool alembic_rebuild(Renderer *r, const AlembicBatch *batch);

/* ---- alembic_schema.c --------------------------------------------------------------------------------------- */

bool alembic_create_table(Renderer *r, const PyNode *call, bool is_batch);
bool alembic_add_column(Renderer *r, const PyNode *call, bool is_batch);
/* A column that stands alone, for SQLite, without what takes statements of its own. */
bool alembic_lone_column(Renderer *r, const PyNode *node, Str *ret_name, Str *ret_sql);
/* sa.text("..."), sa.func.now(), sa.true(), sa.literal_column("..."). ret_is: it is one. */
bool alembic_expression(Renderer *r, const PyNode *node, bool *ret_is, Str *ret_sql);
/* A server default. in_column: as it stands in a column's definition, where some engines want brackets. */
bool alembic_default(Renderer *r, const PyNode *node, bool in_column, StrBuf *sql);
/* "(a, b)" */
bool alembic_add_columns(Renderer *r, const StrVec *columns, StrBuf *sql);
/* "FOREIGN KEY(a) REFERENCES t (b) ON DELETE CASCADE"; the rules are arguments of the call. */
bool alembic_foreign_key(Renderer *r, const PyNode *call, const StrVec *local, Str schema,
                         Str table, const StrVec *remote, StrBuf *sql);
/* " ON DELETE CASCADE" and what else stands behind it. */
bool alembic_foreign_rules(Renderer *r, const PyNode *call, StrBuf *sql);
bool alembic_deferrable(Renderer *r, const PyNode *call, StrBuf *sql);
/* "EXCLUDE USING gist (a WITH &&) WHERE (...)"; the elements begin at this place among the arguments. */
bool alembic_exclude(Renderer *r, const PyNode *call, size_t place, StrBuf *sql);
/* "CONSTRAINT a CHECK (b IN (0, 1))" of a type with one. */
void alembic_type_check(Renderer *r, Str column, const EnumType *type, StrBuf *sql);
/* "CHECK (...)" */
bool alembic_condition(Renderer *r, const PyNode *call, const PyNode *node, StrBuf *sql);

#endif

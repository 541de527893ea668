/* What the files of Alembic's convention share: what one migration's Python comes to in SQL. SPDX-License-Identifier: Apache-2.0 */
#ifndef WHIMBREL_CONVENTION_ALEMBIC_H
#define WHIMBREL_CONVENTION_ALEMBIC_H

#include "convention/peer.h"
#include "convention/python_literals.h"

/* ---- alembic_conf.c: alembic.ini, pyproject.toml, env.py ---------------------------------------------------- */

typedef struct AlembicSettings {
    bool is_recursive; /* recursive_version_locations */
    Str file_template; /* "%(rev)s_%(slug)s" */
} AlembicSettings;
/* Of ctx->own, or what Alembic takes without any. */
const AlembicSettings *alembic_settings(const ConventionContext *ctx);
bool alembic_configure(ConventionContext *ctx, Arena *arena, Error *err);

/* ---- alembic_graph.c: the revisions and what comes before what ---------------------------------------------- */

typedef struct Revision {
    Str id, message;
    StrVec down, depends, labels; /* as written; after alembic_graph_finish() ids */
    const char *path;
    bool has_upgrade, has_downgrade;
    Vec(size_t) parents;      /* down, then what it depends on besides; indexes */
    unsigned char *ancestors; /* a bit for each revision, itself among them */
} Revision;
typedef struct AlembicGraph {
    Vec(Revision) revisions; /* as the files are listed */
    Vec(size_t) order;       /* as Alembic would run them all */
} AlembicGraph;
/* The head of one file. A file without a revision, and one whose head only Python knows, are errors that name it. */
bool alembic_read_head(Arena *arena, const char *path, Str text, Revision *ret_revision,
                       Error *err);
/* Finds the parents and the order. ERROR_STATE, naming the files: two revisions with one id, one that is not there, a circle. */
bool alembic_graph_finish(Arena *arena, AlembicGraph *graph, Error *err);
/* SIZE_MAX: there is none. */
size_t alembic_find(const AlembicGraph *graph, Str id);
bool alembic_is_ancestor(const AlembicGraph *graph, size_t older, size_t newer); /* or itself */
/* Those that are the parent of no other among `among` (a byte for each revision; NULL: all). */
bool alembic_heads(Arena *arena, const AlembicGraph *graph, const unsigned char *among,
                   StrVec *ret_heads, Error *err);

/* ---- alembic_operations.c: upgrade() or downgrade() as SQL ------------------------------------------------- */

/* The server that the SQL is for. */
typedef struct AlembicTarget {
    SqlDialect dialect;
    bool is_mariadb;
    int version; /* number of the server's version; 0: not known */
} AlembicTarget;

/* The function's SQL as Alembic's offline mode would write it, or the refusal that names what cannot be read. Statements stand in the
 * lines of the calls that they come from, as far as they fit. False: memory is out. */
bool alembic_render(Arena *arena, const AlembicTarget *target, const PyModule *module, Str function,
                    ScriptText *ret_text, Error *err);

/* On SQLite Alembic makes a table anew for what ALTER TABLE cannot do there, out of what it is then. Until a rebuild's turn has come, a
 * statement stands for it that no engine takes and that has this in it, then a number. */
#define ALEMBIC_REBUILD " REBUILD FROM WHAT IT IS THEN, ALEMBIC BATCH "
typedef struct LateRebuild {
    uint64_t number; /* of the rebuild in its function, from 1 */
    const struct SqliteTable *table;
} LateRebuild;
/* The SQL of this one. */
bool alembic_render_late(Arena *arena, const AlembicTarget *target, const PyModule *module,
                         Str function, const LateRebuild *late, ScriptText *ret_text, Error *err);

/* ---- shared by alembic_operations.c and alembic_types.c ------------------------------------------------------ */

typedef struct PyName {
    Str name;
    const PyNode *value;
} PyName;

typedef struct Renderer {
    Arena *arena;
    const AlembicTarget *target;
    const PyModule *module;
    StrBuf out;
    uint32_t line;     /* in out, from 1 */
    SqlRangeVec whole; /* see ScriptText */
    Vec(PyName)
        locals; /* of the function, as far as it has come, and before them those of its callers */
    size_t locals_from;
    unsigned depth;     /* of functions that call each other */
    bool is_autocommit; /* within autocommit_block() */
    /* within batch_alter_table(): the operations' object, the table */
    Str batch_name, batch_table, batch_schema;
    Vec(const PyNode *) batch; /* its operations, which run at its end */
    uint64_t rebuilds;         /* so far */
    const LateRebuild *late;   /* NULL: no rebuild's turn has come */
    size_t late_from, late_to; /* of out: its SQL */
    /* the first thing that cannot be read */
    const char *refusal, *hint;
    uint32_t refusal_line;
    Error *err;
    bool has_failed; /* memory is out: err is set */
} Renderer;

/* Both return false. */
bool alembic_refuse(Renderer *r, const PyNode *node, const char *hint, const char *fmt, ...)
    PRINTF_LIKE(4, 5);
bool alembic_nomem(Renderer *r);
/* As those of an error. */
#define alembic_refuse(...) error_false(alembic_refuse(__VA_ARGS__))
#define alembic_nomem(r) error_false(alembic_nomem(r))
/* The node, or what the name that it is stands for, and of operations with known values what comes of them. alembic_values.c */
const PyNode *alembic_resolve(Renderer *r, const PyNode *node);
/* The same with whatever is in it: what a name stands for now, whatever it does later. NULL: memory is out. */
const PyNode *alembic_freeze(Renderer *r, const PyNode *node);
/* Whether all that a list, tuple, set or dict holds stands in it. */
bool alembic_is_whole(const PyNode *list);
/* As a condition: 1, 0, or -1 where only Python knows. */
int alembic_truth(Renderer *r, const PyNode *node);
/* op.get_bind(), op.get_context() and what is reached from there. */
bool alembic_is_bind(Renderer *r, const PyNode *node);
/* The dotted name of what is called, or of the node itself. */
bool alembic_path(Renderer *r, const PyNode *node, Str *ret_path);
/* The call with what `*list` and `**dict` bring, as far as that stands in the file; else as it is. NULL: memory is out. */
const PyNode *alembic_expand(Renderer *r, const PyNode *call);
/* What may stand behind `=` although it is not run. alembic_operations.c */
bool alembic_is_harmless(Renderer *r, const PyNode *node, bool *ret_is_harmless);
/* The parameters of a function of the file as names; *ret_fits false: it is not called as it is written. */
bool alembic_bind_parameters(Renderer *r, const PyStatement *function, const PyNode *call,
                             bool *ret_fits);
/* A string, also within op.f(). what: "the table's name". */
bool alembic_string(Renderer *r, const PyNode *node, const char *what, Str *ret_text);
/* An argument, resolved; NULL: it is not given, or is None. */
const PyNode *alembic_argument(Renderer *r, const PyNode *call, size_t place, const char *name);
/* SQL out of sa.text("..."): without the backslashes before colons. Refuses what has parameters. */
bool alembic_sql_text(Renderer *r, const PyNode *node, Str text, Str *ret_sql);

/* Families of types that matter beyond their names. */
typedef enum TypeFamily {
    TYPE_OTHER,
    TYPE_INTEGER,
    TYPE_SMALL_INTEGER,
    TYPE_BIG_INTEGER,
    TYPE_DATETIME,
    TYPE_TIMESTAMP, /* a DATETIME by affinity, with a NULL of its own on MySQL */
} TypeFamily;
/* An enumeration that PostgreSQL wants to be made before it is used. */
typedef struct EnumType {
    Str name, schema;
    const PyNode *call; /* its labels are the strings among the arguments */
    bool is_native, may_create;
    /* create_constraint=True: what stands behind the column's name in its CHECK, and that one's name, where the engine has no such type.
     * Of a Boolean only these two are set. */
    Str check, check_name;
} EnumType;
/* The type's SQL; ret_enum: what it is if it is an enumeration with a name of its own, else call NULL; NULL: it stands where no
 * CHECK can be made for it. */
bool alembic_type(Renderer *r, const PyNode *node, StrBuf *out, TypeFamily *ret_family,
                  EnumType *ret_enum);
/* sa.Enum(...) or postgresql.ENUM(...), not as a column's type but by itself; false and no refusal: it is none. */
bool alembic_enum(Renderer *r, const PyNode *node, EnumType *ret_enum);
bool alembic_enum_labels(Renderer *r, const EnumType *type, StrBuf *out);
void alembic_add_name(Renderer *r, StrBuf *out, Str schema, Str name);

#endif

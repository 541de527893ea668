/* What the files of Liquibase's convention share. SPDX-License-Identifier: Apache-2.0
 *
 * A changelog is a tree of files that comes to a list of changesets. Each is a migration: its version is author:id, its name the path
 * under which the history keeps it. liquibase_changelog.c walks the tree, liquibase_sql.c reads formatted SQL, liquibase_text.c holds
 * the rules on texts (expressions, parameters, splitting, checksums), liquibase_check.c preconditions, liquibase_conf.c settings. */
#ifndef WHIMBREL_CONVENTION_LIQUIBASE_H
#define WHIMBREL_CONVENTION_LIQUIBASE_H

#include "convention/peer.h"

/* ---- settings ---------------------------------------------------------------------------------------------- */

typedef struct LbParameter {
    Str name, value;
    const char *file; /* holds in this changelog only; NULL: in all */
} LbParameter;

/* ConventionContext.own. */
typedef struct LbSettings {
    Str root;               /* changeLogFile; empty: found in the folders */
    const Str *search_path; /* folders below which changelogs are; at least one */
    size_t search_path_len;
    StrVec contexts; /* of the run; none: all changesets run */
    Str label_filter;
    Str schema;     /* liquibaseSchemaName, else defaultSchemaName; empty: the connection's */
    Str lock_table; /* empty: DATABASECHANGELOGLOCK */
    Vec(LbParameter) parameters;
    Str deployment; /* of this run: ten digits of the time */
    Str owner;      /* what the lock says of us */
} LbSettings;
const LbSettings *liquibase_settings(const ConventionContext *ctx);
bool liquibase_configure(ConventionContext *ctx, Arena *arena, Error *err);

/* ---- changesets -------------------------------------------------------------------------------------------- */

typedef enum LbVerdict { LB_HALT, LB_CONTINUE, LB_MARK_RAN, LB_WARN } LbVerdict;

typedef enum LbTest {
    LB_AND,
    LB_OR,
    LB_NOT,
    LB_SQL,
    LB_TABLE,
    LB_VIEW,
    LB_COLUMN,
    LB_TABLE_EMPTY,
    LB_ROW_COUNT,
    LB_DBMS,
    LB_RUNNING_AS,
    LB_RAN,
    LB_INDEX,
    LB_FOREIGN_KEY,
    LB_PRIMARY_KEY,
    LB_UNIQUE,
    LB_SEQUENCE,
    LB_PROPERTY,
} LbTest;

typedef struct LbCheck LbCheck;
typedef Vec(LbCheck *) LbCheckVec;
struct LbCheck {
    LbTest test;
    Str schema, table, column; /* of LB_RAN: path, id, author */
    Str name;                  /* of an index, a constraint, a property */
    bool holds;                /* of LB_PROPERTY: what it comes to */
    Str text;                  /* SQL, a list of databases, a user */
    Str expected;
    LbCheckVec parts;
    uint32_t line;
};

typedef struct LbPreconditions {
    LbCheck *check; /* LB_AND */
    LbVerdict on_fail, on_error;
    Str fail_message, error_message;
    const char *file;
    uint32_t line;
    const char *refusal; /* it holds a test that is not known here; NULL: none such */
    uint32_t refusal_line;
} LbPreconditions;

/* SQL of one direction. */
typedef struct LbSql {
    Str sql; /* expanded, ready to be split */
    SqlRangeVec whole;
    const char *path; /* of the file it stands in */
    uint32_t line;    /* of its first byte */
} LbSql;

typedef struct LbChangeSet {
    Str id, author, path, version;
    Str comment, labels, dbms, description;
    StrVec contexts; /* expressions, all of which must hold */
    Str context;     /* the same as the history keeps it */
    const char *file;
    uint32_t line;
    bool no_transaction, runs_on_change, runs_always, may_fail, is_ignored;
    LbSql up, down;
    bool has_down, has_rollback, has_sql; /* has_rollback: its file says how to go back */
    Str checksum;                         /* "9:..."; empty: not known */
    Str older_sum;   /* "8:...", as releases before 4.22 wrote it; empty: not known */
    const char *tag; /* of tagDatabase; NULL: none */
    StrVec valid_checksums;
    bool takes_any_checksum;
    LbPreconditions *preconditions; /* NULL: none */
    const LbPreconditions *outer;   /* of the file that it stands in; NULL: none */
    bool is_off;
    const char *refusal; /* NULL: it can be run */
    uint32_t refusal_line;
} LbChangeSet;
typedef Vec(LbChangeSet *) LbChangeSetVec;

/* MigrationSet.own. */
typedef struct LbIdentity {
    Str path, id, author; /* lower case */
    const LbChangeSet *set;
} LbIdentity;
typedef struct LbChangeLog {
    LbChangeSetVec sets;    /* in order */
    LbIdentity *identities; /* sorted */
} LbChangeLog;

/* ScriptForm.own. */
typedef struct LbScript {
    const ConventionContext *ctx;
    const LbChangeSet *set;
    bool is_down;
} LbScript;

/* ---- reading ------------------------------------------------------------------------------------------------- */

/* One changelog's surroundings, while the tree is walked. */
typedef struct LbReading {
    const ConventionContext *ctx;
    const LbSettings *settings;
    Arena *arena;
    LbChangeLog *log;
    Vec(LbParameter)
        parameters; /* of the changelogs, in the order in which they are defined: the first counts */
    LbPreconditions *checking;  /* those that are being read */
    LbCheckVec property_checks; /* settled once all properties are known */
    Error *err;
    unsigned depth;
} LbReading;

typedef struct LbFile {
    const char *path;       /* where it is */
    Str name;               /* as the history keeps it, unless logical */
    Str logical;            /* logicalFilePath; empty: none */
    const StrVec *contexts; /* of the includes that led here */
    Str labels;
    bool is_ignored;
    const LbPreconditions *preconditions; /* of the files that led here */
} LbFile;

/* Errors: ERROR_PARSE, code "bad-changelog", with the place. False. */
bool liquibase_bad(Error *err, const char *path, uint32_t line, const char *what, const char *hint);
#define liquibase_bad(...) error_false(liquibase_bad(__VA_ARGS__))
/* A changelog in formatted SQL. */
bool liquibase_read_sql(LbReading *r, const LbFile *file, Str text);
/* Whether the text begins as formatted SQL does. */
bool liquibase_is_formatted(Str text);
/* From the root on. */
bool liquibase_read(const ConventionContext *ctx, Arena *arena, LbChangeLog **ret_log, Error *err);
/* Where the root is; *ret_path NULL: the folders' files are all there is. */
bool liquibase_find_root(const ConventionContext *ctx, Arena *arena, const char **ret_path,
                         Str *ret_name, Error *err);
/* A changeset with what its file says of all of them. */
LbChangeSet *liquibase_new_set(LbReading *r, const LbFile *file, uint32_t line);
/* The changes of a set, each with its sum. */
typedef struct LbSums {
    StrVec now, older;
} LbSums;
/* How a change of SQL is cut; older sums hold it too. */
typedef struct LbCutting {
    Str delimiter; /* empty: the usual one */
    bool splits, strips;
} LbCutting;
/* One sum more that counts as the changeset's own; "any" and its like take all. */
bool liquibase_add_valid_sum(LbReading *r, LbChangeSet *set, Str sum);
/* The changeset that a rollback names, defined before; NULL: there is none. path: empty: any */
const LbChangeSet *liquibase_find_set(const LbReading *r, Str id, Str author, Str path);
/* Its path, its filters; and into the list. */
bool liquibase_add_set(LbReading *r, const LbFile *file, LbChangeSet *set);
/* Properties that hold for this run. */
bool liquibase_add_property(LbReading *r, const LbFile *file, Str name, Str value, Str context,
                            Str labels, Str dbms, bool is_global);

/* ---- texts ----------------------------------------------------------------------------------------------------- */

/* ${name} replaced, as far as it is known. */
bool liquibase_expand(LbReading *r, const LbFile *file, Str text, Str *ret_text);
/* What a parameter comes to; false: it is not known. */
bool liquibase_parameter(const LbReading *r, const LbFile *file, Str name, Str *ret_value);
/* "a and !(b or c), d" over a list of words. */
bool liquibase_matches(Str expression, const StrVec *words);
bool liquibase_split_words(Arena *arena, Str text, StrVec *ret_words);
/* "postgresql, !mysql" */
bool liquibase_is_for(const ConventionContext *ctx, Str dbms);
const char *liquibase_dbms(const ConventionContext *ctx);
/* The sums of one change: of SQL, or of the text into which the tool puts any other; and of a changeset of such. */
bool liquibase_add_sums(Arena *arena, Str sql, LbCutting cutting, LbSums *sums);
bool liquibase_add_text_sums(Arena *arena, Str text, LbSums *sums);
bool liquibase_set_sums(Arena *arena, const LbSums *sums, LbChangeSet *set);
/* Java's properties: "key=value", "key: value", "#" and "!" begin comments, a backslash at the end goes on with the next line. */
typedef bool LbTakeProperty(void *ctx, Str key, Str value, uint32_t line);
bool liquibase_read_properties(Arena *arena, Str text, LbTakeProperty *take, void *ctx, Error *err);
/* As the history keeps it. */
bool liquibase_path(Arena *arena, Str path, Str *ret_path);
/* Appends a piece of SQL to what is there, cut as the tool cuts it. */
bool liquibase_add_sql(LbReading *r, LbSql *out, Str sql, uint32_t line, bool splits,
                       Str delimiter);
bool liquibase_lower(Arena *arena, Str text, Str *ret_lower);

/* ---- preconditions ------------------------------------------------------------------------------------------------ */

bool liquibase_verdict(Str word, LbVerdict *ret_verdict);
/* What the tests of a changeset come to: see Convention.check. */
bool liquibase_check(const ConventionContext *ctx, Db *db, Arena *arena, const Migration *migration,
                     ConventionVerdict *ret_verdict, const char **ret_why, Error *err);
/* The quoted name of a history table, whose case is the engine's. */
bool liquibase_table(const ConventionContext *ctx, Arena *arena, bool is_lock, TableName *ret_name,
                     Error *err);

#endif

/* The door of convention/: one file a tool. How it names files, what its history table is, its checksum, its lock.
 * A convention turns folders into a migration set and history into statements; it never runs a migration.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef WHIMBREL_CONVENTION_CONVENTION_H
#define WHIMBREL_CONVENTION_CONVENTION_H

#include "base/base.h"
#include "db/db.h"
#include "migration/migration.h"
#include "sql/sql.h"

typedef struct Convention Convention;
typedef struct ConventionGuess ConventionGuess;

/* Listings of folders, to be kept no longer than they are true: folder_lists_done() as soon as the scan is over. */
typedef struct FolderLists {
    Arena *arena; /* NULL: there are none */
    const struct FolderList *items;
    size_t count;
    struct ListsAhead *ahead; /* under way, aside; NULL: nothing is */
} FolderLists;
void folder_lists_done(FolderLists *lists); /* takes a zeroed one */
/* Begins to read these folders, which are kept for the lists' life, aside, since the recognition will want them. What cannot be read now is
 * read again then, and the error told. When all are read then(ctx) is called there, if it is not NULL; the entries last as long as the lists. */
typedef void FoldersRead(void *ctx, const FolderLists *read);
void folder_lists_begin(FolderLists *lists, const StrVec *folders, FoldersRead *then, void *ctx);
void folder_lists_settle(FolderLists *lists); /* waits for that; takes a zeroed one */

enum {
    CONVENTION_REPEATABLE = 1 << 0,  /* has repeatables */
    CONVENTION_DOWN = 1 << 1,        /* has downs */
    CONVENTION_STORES_TEXT = 1 << 2, /* keeps the up and down texts in its history */
    CONVENTION_JOURNAL = 1 << 3,     /* keeps how many statements of a migration have run */
    CONVENTION_RUN_LOG = 1 << 4,     /* keeps a row a run */
    CONVENTION_BASELINE = 1 << 5,
    CONVENTION_OUT_OF_ORDER =
        1 << 6, /* applies versions older than the newest applied without being told to */
    CONVENTION_NAMESPACE = 1 << 7, /* several sets may share a database */
    CONVENTION_HOOKS = 1 << 8,
    CONVENTION_SEEDS = 1 << 9,
    CONVENTION_DIRECTIVES = 1 << 10,
    CONVENTION_PLACEHOLDERS = 1 << 11,
    CONVENTION_DELETED = 1 << 12, /* a row can be marked as deleted */
    CONVENTION_SKIPS_IRREVERSIBLE =
        1 << 13, /* its rollback passes over migrations without a down instead of refusing (SQLx) */
    CONVENTION_EMPTY =
        1
        << 14, /* a file without statements is a migration like others (SQLx); elsewhere it is a slip */
    CONVENTION_WHOLE_RUN =
        1 << 15, /* a run is one transaction unless it is told otherwise (node-pg-migrate) */
    CONVENTION_OWN_SCHEMA =
        1 << 16, /* on PostgreSQL its table may be in a schema of the table's own name (Atlas) */
    CONVENTION_FOLDS_TABLE =
        1
        << 17, /* it pastes the table's name into SQL as it is: PostgreSQL makes what has no quotes lower case */
    CONVENTION_SERVER_CLOCK = 1 << 18, /* minds HistoryWrite.began */
};

/* A table under one of the conventions' names. is_filled: it surely holds something; of the others PostgreSQL's are empty, elsewhere one
 * has to ask. */
typedef struct KnownTable {
    Str name, columns; /* name: as the convention has it; columns: separated by ',' */
    bool is_filled;
} KnownTable;
typedef Vec(KnownTable) KnownTableVec;

/* What a reader of the history can do without, so that a long one costs less: a hint. */
enum {
    HISTORY_WITHOUT_TOKENS = 1 << 0,
    HISTORY_WITHOUT_TELLING = 1 << 1, /* when it was, how long it took, who did it with what */
};

/* What `new` and `tag` say to a tool that lists its migrations in a file. */
typedef enum ListingKind {
    LISTING_NEW,
    LISTING_REWORK, /* one that is there, in a new form */
    LISTING_TAG,    /* a name for the point behind one */
} ListingKind;
typedef struct NewListing {
    ListingKind kind;
    Str name, note;
    Str at; /* LISTING_TAG: behind this one, as a target; empty: the last */
    StrVec requires, conflicts;
    Timestamp now;
} NewListing;

/* What the functions of a convention work on; all of it belongs to the caller. */
typedef struct ConventionContext {
    const Convention *convention;
    SqlDialect dialect;
    Str table; /* --table or the configuration; empty: the convention's own name. May be "schema.table" */
    Str name_space; /* "" unless configured */
    /* where the folders are: NULL: on disk; else linked into the program, folders then being { "." } */
    const FileTree *files;
    bool are_folders_default; /* nobody named them: a tool's own configuration may */
    StrVec folders; /* -m; at least one; as given, so that paths read as people wrote them */
    /* where whimbrel.toml or the tool's own configuration is; NULL: none */
    const char *project_folder;
    Str who, host,
        program; /* for history: operating system user or configured name, host name, "whimbrel 0.1.0" */
    /* texts longer than this are not kept in history; 0: none is kept */
    uint64_t store_limit_bytes;
    /* of sqlx.toml, by configure(); unused by whimbrel's own */
    Str ignored_chars;     /* migrate.ignored-chars, the characters in a row */
    StrVec create_schemas; /* migrate.create-schemas */
    Str new_type; /* migrate.defaults.migration-type: "inferred" or empty, "simple", "reversible" */
    Str new_versioning; /* migrate.defaults.migration-versioning: "inferred" or empty, "timestamp", "sequential" */
    /* The tool's own environment variables may be asked for, and stand in its files: NULL-terminated NAME=VALUE. NULL: none */
    const char *const *variables;
    Str environment; /* -e: which of the tool's own environments is meant, where it has such */
    /* What the folders hold, once scan() has read them; NULL before. Histories that keep only how far a database came need it. */
    const MigrationSet *set;
    /* What the tool's own configuration says, by configure(); what the user says stands above all of it. */
    Str url;               /* the database, as a URL of ours; empty: not said */
    const char *url_place; /* "flyway.conf:3" */
    bool allows_out_of_order;
    Str target; /* migrate goes no further unless it is told where to: as its --to; empty: all */
    bool runs_each_alone; /* a run is not one transaction, although CONVENTION_WHOLE_RUN says so */
    /* what is amiss between the tool's files is put right afterwards: see settle_files() */
    bool mends_files;
    const void *own; /* the convention's, by configure() */
    StrVec notes;    /* sentences: what of it is not followed; by configure() */
    const Db *db;    /* that the files are read for; NULL: none is open */
    /* Set by convention_recognise() for the conventions that it asks: which of their default tables exist. NULL: ask the database */
    const KnownTableVec *known_tables;
    const Convention *except; /* not to be recognised; NULL: any may be */
    /* What convention_recognise() has read of the folders is left here for the scan that follows; NULL: it is not kept. */
    struct FolderLists *lists;
    int64_t run;               /* number of the run under way, set by run/ */
    bool has_prepared;         /* the session knows what write_prepare() said, set by run/ */
    unsigned without;          /* HISTORY_WITHOUT_...: of what is read now; set by run/ */
    const NewListing *listing; /* during `new`; else NULL */
    /* the tool's configuration wants verify_script() after each migration; by configure() */
    bool verifies;
} ConventionContext;

/* One thing to write into history, as SQL that travels with the migration itself. */
typedef enum HistoryWriteKind {
    WRITE_RUN_BEGIN, /* run log: a run starts (run number in context) */
    WRITE_RUN_END,   /* run log: it ended: command, outcome, applied, rolled_back, error */
    WRITE_BEGIN,     /* journal: the first statement is about to run; is_down says which way */
    WRITE_STEP,      /* journal: done statements have run */
    WRITE_APPLIED,   /* the up is done. is_journaled: WRITE_BEGIN was written before */
    WRITE_REMOVED,   /* the down is done, or a stamp takes it away */
    WRITE_BASELINE,  /* said to be there */
    WRITE_FAILED,    /* journal: stopped at statement [done] with error; is_fate_unknown */
    WRITE_CHECKSUM,  /* repair: accept the file's checksum, tokens, name and text */
    WRITE_DELETED,   /* repair: mark as gone */
    WRITE_SKIPPED,   /* not for this engine */
} HistoryWriteKind;

/* Where started_at and duration_us are both known they are written as they are (`convert` keeps what another history said); else the
 * server's clock says when it ended, and started_at is what is given or, on PostgreSQL, the start of the message or the end of the
 * migration before, whichever is later.
 * A write of a migration that has a row (row is set) changes that row; without one a second application fails on the key. */
typedef struct HistoryWrite {
    HistoryWriteKind kind;
    const Migration *migration; /* NULL when only the history knows it */
    const HistoryRow *row;      /* what history has; NULL when nothing */
    /* `convert`: what another history said of it, to be kept as far as this one can hold it: when, how long, by whom. Where its time is
     * known started_at and duration_us say it too. NULL: nothing */
    const HistoryRow *kept;
    bool is_down, is_journaled, is_fate_unknown;
    bool is_said;   /* nothing was run: somebody says so (stamp, --fake) */
    bool is_marked; /* WRITE_SKIPPED: it counts as if it had run */
    bool is_begun;  /* WRITE_APPLIED: this run's WRITE_BEGIN has written all but how it ended */
    uint32_t done, total;
    int64_t ordinal; /* of a row that becomes the last one; 0: the database is to find it */
    /* -1: let the server compute it from the start of the transaction, where it can */
    int64_t duration_us;
    Timestamp started_at;
    /* SQL for when the migration's transaction began, by the server's clock; NULL: started_at says it. For conventions that have
     * CONVENTION_SERVER_CLOCK */
    const char *began;
    Str up_text,
        down_text; /* to be stored; empty: none. The convention compresses them and minds the limit */
    bool has_up_text, has_down_text;
    Str tokens; /* of the migration's up, where it was read without them */
    /* runs */
    Str command, outcome, applied, rolled_back, error;
} HistoryWrite;

/* ---- migrations free of any tool's form, for `convert` ---- */

/* One direction. */
typedef struct DraftScript {
    Str sql; /* without the tool's markers; ends with a line's end unless it is empty, and its last statement with a semicolon */
    SqlRangeVec whole; /* of sql: blocks that are one statement each */
    bool no_transaction;
} DraftScript;
typedef struct Draft {
    Str version; /* as the new form is to have it; empty for a repeatable */
    Str name;    /* of letters, digits, '_', '-' and '.'; never empty */
    MigrationKind kind;
    bool has_down;
    DraftScript up, down;
    /* Where the version is another than it was: the tool and what it called the migration. It stands at the head of the up, so that the way
     * back leads to it. Empty: it is what it was */
    Str origin_tool, origin_version, origin_name;
    const Migration *source; /* what it is made of */
    const Migration *made;   /* what the new form's reader finds */
} Draft;
typedef Vec(Draft) DraftVec;
typedef Vec(TreeFile) TreeFileVec;

/* What becomes of a migration that has tests of its own, when its turn comes. */
typedef enum ConventionVerdict {
    VERDICT_RUN,
    VERDICT_SKIP, /* not this time */
    VERDICT_MARK, /* it is recorded as if it had run (HistoryWrite.is_marked) */
} ConventionVerdict;

struct Convention {
    unsigned version;    /* of this struct: 1 */
    const char *name;    /* "whimbrel", "sqlx" */
    const char *title;   /* "SQLx" */
    const char *summary; /* one line for `whimbrel conventions` */
    /* with its schema ("public.x"), where the tool names that itself: on PostgreSQL alone */
    const char *default_table;
    const char *const
        *other_tables; /* more by which it is told, likewise; NULL-terminated; may be NULL */
    unsigned features;
    HashKind checksum_hash;
    VersionOrderKind versions;
    /* MUST. Reads the folders; scripts are named, not read, unless the tool keeps several migrations in a file or an order in one. Errors name the file. */
    bool (*scan)(const ConventionContext *ctx, Arena *arena, MigrationSet *ret_set, Error *err);
    /* MUST. The history in as few round trips as can be; exists=false when there is no table. A table of another shape is ERROR_STATE
     * (code "foreign-history"), a newer format ERROR_STATE (code "newer-history"), each naming the table and what is amiss. */
    bool (*history_read)(const ConventionContext *ctx, Db *db, Arena *arena, History *ret_history,
                         Error *err);
    /* MUST. Statements that make the tables, or bring an older format up to date; harmless when they stand. Run before the first write. */
    bool (*history_prepare)(const ConventionContext *ctx, Db *db, Arena *arena,
                            const History *history, DbStatementVec *out, Error *err);
    /* MUST. Statements for one write, appended to out; none if this convention keeps no such thing. */
    bool (*history_write)(const ConventionContext *ctx, const Db *db, Arena *arena,
                          const HistoryWrite *write, DbStatementVec *out, Error *err);
    /* MAY. Statements that make the history writes of a long run cheaper for as long as its session lasts: PREPARE. None where the
     * server has no use for them. That they are refused is no harm. */
    bool (*write_prepare)(const ConventionContext *ctx, const Db *db, Arena *arena,
                          DbStatementVec *out, Error *err);
    /* MUST. The key of the migration lock. */
    bool (*lock_key)(const ConventionContext *ctx, const Db *db, Arena *arena, DbLockKey *ret_key,
                     Error *err);
    /* MUST. Is this project or database this tool's? See ConventionGuess. db may be NULL. */
    bool (*recognise)(const ConventionContext *ctx, Db *db, Arena *arena,
                      ConventionGuess *ret_guess, Error *err);
    /* MUST. Paths (relative to the folder) of the files of a new migration. kind: see NewKind. is_numbered: next number instead of the time. */
    bool (*new_paths)(const ConventionContext *ctx, Arena *arena, const MigrationSet *set, Str name,
                      unsigned new_kind, bool is_numbered, Timestamp now, StrVec *ret_paths,
                      Error *err);
    /* MAY. Reads the tool's own configuration file beside the project into what ctx leaves open: the table, folders that are a mere
     * default, and what is the tool's alone. ERROR_PARSE and ERROR_USAGE name file and place. */
    bool (*configure)(ConventionContext *ctx, Arena *arena, Error *err);
    /* MAY. What a new file holds, where the tool wants markers in it: text is what the template of
     * paths[index] gives, and goes into it. NULL: the template alone. */
    bool (*new_text)(const ConventionContext *ctx, Arena *arena, const StrVec *paths, size_t index,
                     Str text, Str *ret_text, Error *err);
    /* MAY. The files of these migrations in this tool's form, paths below the folder, with what there must be beside them (a plan, a file of
     * checksums). They are read back and compared before anything is written, so that nothing need be checked here: what the form
     * cannot say is left out. NULL: `convert` cannot lead to this convention. */
    bool (*draft_files)(const ConventionContext *ctx, Arena *arena, const DraftVec *drafts,
                        TreeFileVec *ret_files, Error *err);
    /* MAY. Comments that begin with one of these, whatever the case, are the tool's own annotations ("+goose"): in a draft there are none
     * of them. NULL-terminated. */
    const char *const *annotations;
    /* MAY. What the files of this set say and no draft holds, as sentences: for `convert` away from here. */
    bool (*draft_losses)(const ConventionContext *ctx, const MigrationSet *set, Arena *arena,
                         StrVec *losses, Error *err);
    /* MAY. What `init --from` says of the project beside what every tool's configuration says: sentences. */
    bool (*init_notes)(const ConventionContext *ctx, Arena *arena, StrVec *ret_notes, Error *err);
    /* MAY. For scripts whose form says is_conditional, under the lock, right before the migration runs. *ret_why: a clause ("its
     * precondition does not hold"), where it does not run or only with a warning; else NULL. Errors stop the run. */
    bool (*check)(const ConventionContext *ctx, Db *db, Arena *arena, const Migration *migration,
                  ConventionVerdict *ret_verdict, const char **ret_why, Error *err);
    /* MAY, with new_listed. What becomes of the files of a migration that is reworked, but for that list; paths as people see them, those
     * that are not there yet in front. */
    bool (*rework_files)(const ConventionContext *ctx, Arena *arena, const MigrationSet *set,
                         TreeFileVec *ret_files, Error *err);
    /* MAY. The file in which the tool lists its migrations, with ctx->listing in it: `new` writes it behind the new files. */
    bool (*new_listed)(const ConventionContext *ctx, Arena *arena, const MigrationSet *set,
                       const char **ret_path, Str *ret_text, Error *err);
    /* MAY. The script that tests whether a migration has done its work, to be undone whatever comes of it. NULL: it has none. */
    bool (*verify_script)(const ConventionContext *ctx, Arena *arena, const Migration *migration,
                          Script **ret_script, Error *err);
    /* MAY. Statements by which the tool sets up its session when it connects: a migration may mean something else without them. */
    bool (*session)(const ConventionContext *ctx, const Db *db, Arena *arena, StrVec *out,
                    Error *err);
    /* MAY, the next three together: a lock that the tool keeps in a table, and that ends with no session. It is taken by whoever
     * holds the lock of lock_key() and given back at the end; one that another whimbrel has left behind is taken over. */
    bool (*lock_try)(const ConventionContext *ctx, Db *db, Arena *arena, bool *ret_is_ours,
                     DbSession *ret_holder, Error *err);
    /* holder NULL: our own; else what lock_holder() has told, by force. Nothing happens when it is another's by now. */
    bool (*lock_give)(const ConventionContext *ctx, Db *db, Arena *arena, const DbSession *holder,
                      Error *err);
    bool (*lock_holder)(const ConventionContext *ctx, Db *db, Arena *arena, DbSession *ret_holder,
                        bool *ret_has, Error *err);
    /* MAY, with them. A statement that a transaction begins with: it takes the lock again where somebody has released it, and fails with
     * a division by zero or (MySQL) a number out of range where it is another's. Empty: none is needed on this engine. */
    bool (*lock_fence)(const ConventionContext *ctx, Arena *arena, Str *ret_sql, Error *err);
    bool lock_is_for_files; /* these three have to do with databases that are files alone */
    /* MAY. Brings up to date what the tool keeps about its files beside them (a file of sums), with does; else only says in
     * *ret_sentence what it would do ("rewrites migrations/atlas.sum"). Empty: nothing is to be done. */
    bool (*settle_files)(const ConventionContext *ctx, Arena *arena, bool does, Str *ret_sentence,
                         Error *err);
    /* MAY. Marks the point at which the history is with a name of the user's: row is the last one applied. */
    bool (*tag)(const ConventionContext *ctx, Arena *arena, const HistoryRow *row, Str tag,
                DbStatementVec *out, Error *err);
    /* MAY. The stored texts of one migration (CONVENTION_STORES_TEXT); ret_has_... false when not kept. */
    bool (*history_text)(const ConventionContext *ctx, Db *db, Arena *arena, const HistoryRow *row,
                         Str *ret_up, bool *ret_has_up, Str *ret_down, bool *ret_has_down,
                         Error *err);
    /* MAY. The run log, newest first, at most limit rows (0: all). */
    bool (*runs_read)(const ConventionContext *ctx, Db *db, Arena *arena, size_t limit,
                      RunRowVec *ret_runs, Error *err);
};

enum { NEW_DEFAULT, NEW_SQL_ONLY, NEW_REVERSIBLE, NEW_REPEATABLE, NEW_FOLDER };

/* Where a lease is kept that stands for the migration lock, should that be needed: in the schema of the history (empty: the
 * connection's default), under the name of the history table. */
bool convention_lease_place(const ConventionContext *ctx, Arena *arena, Str *ret_schema,
                            Str *ret_name, Error *err);

/* NULL-terminated: whimbrel's own first. */
const Convention *const *conventions(void);
const Convention *convention_find(Str name); /* NULL: unknown */
/* To be called once ctx->convention is settled, before its other functions: configure(), if it has one. */
bool convention_configure(ConventionContext *ctx, Arena *arena, Error *err);

/* The migrations of one project in another convention's form. Nothing is written. */
typedef struct Conversion {
    DraftVec drafts;    /* what is carried over, in order */
    TreeFileVec files;  /* paths below the new folder */
    FileTree tree;      /* of files */
    MigrationSet set;   /* as the new form's reader finds them, out of the tree */
    bool is_renumbered; /* versions are others than before */
    StrVec losses;      /* sentences: what the new form cannot hold */
    StrVec notes;       /* sentences: what is worth knowing and no loss */
} Conversion;
/* set: as from->convention's scan() left it; its scripts are read. to: configured, with the folder into which the files will go; its files and
 * set are put to those of the conversion. Errors: ERROR_UNSUPPORTED, code "not-convertible", for what can by no means be carried over. */
bool conversion_make(const ConventionContext *from, MigrationSet *set, ConventionContext *to,
                     Arena *arena, Conversion *ret_conversion, Error *err);

/* What speaks for one convention. Weight 0: no sign; 1: files look like it, or whimbrel.toml is there, which serves every
 * convention; 2: its own configuration file, or an empty history table of its; 3: its history table has rows. */
struct ConventionGuess {
    const Convention *convention;
    int weight;
    /* the folders hold at least one migration that it can read, and nothing that it stumbles over */
    bool has_files;
    bool has_markers; /* they are written for it: another tool would take for SQL what is not */
    Str stray; /* a table of its columns, named as its history in other letters: another one to the database; empty: none */
    StrVec evidence; /* sentences: "the table _sqlx_migrations is there" */
};
typedef Vec(ConventionGuess) ConventionGuessVec;
/* One more piece of evidence. The heaviest gives the weight. sentence: NULL when there was no memory for it, which is then the error. */
bool guess_add(Arena *arena, ConventionGuess *guess, int weight, const char *sentence, Error *err);
/* Fills in ctx->known_tables. */
bool convention_look_at_tables(ConventionContext *ctx, Db *db, Arena *arena, Error *err);
/* What convention_recognise() asks a database first, for DbOptions.question: then the answer is there already. */
bool convention_question(SqlDialect dialect, Arena *arena, Str *ret_sql, Error *err);
/* For a convention that somebody has chosen: where its own history is empty or not there, and another tool's has rows, a sentence that
 * names that table; else NULL. Where the two are called the same: ERROR_STATE, code "foreign-history". No round trip more than convention_look_at_tables() needs, unless there is a table of another tool. */
bool convention_name_other(const ConventionContext *ctx, Db *db, Arena *arena,
                           const char **ret_note, Error *err);
/* `auto`: the one convention with the strongest evidence; whimbrel's own when there is none. File names alone are a weak sign, since
 * several tools name theirs alike (a timestamp with .up.sql is whimbrel's own form and SQLx's): between those, without a history and
 * without a configuration file of another tool, whimbrel's own is meant. Any other tie, and a history of one tool with files that only
 * another can read, is ERROR_STATE, code "ambiguous-convention", listing candidates and the option to choose. db may be NULL.
 * ret_guesses (may be NULL) gets all with evidence. One round trip (none where the Db was opened with the question), and where the catalog
 * does not tell whether a table is empty, one more for each history table that is there. */
bool convention_recognise(const ConventionContext *ctx, Db *db, Arena *arena,
                          const Convention **ret_convention, ConventionGuessVec *ret_guesses,
                          Error *err);

#endif

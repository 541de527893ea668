/* The door of migration/: the model. A migration, its scripts, a set of them, directives, history rows: plain data,
 * and the reading of one script. SPDX-License-Identifier: Apache-2.0 */
#ifndef WHIMBREL_MIGRATION_MIGRATION_H
#define WHIMBREL_MIGRATION_MIGRATION_H

#include "base/base.h"
#include "sql/sql.h"

/* ---- versions ---------------------------------------------------------------------------------------------------------- */

/* Versions are decimal numbers with dots, of any length; they compare part by part as numbers, missing parts count as 0, so
 * that "001" equals "1" and "1.0" equals "1". An optional leading sign (SQLx) sorts as a number. */
bool version_is_valid(Str version);
int version_compare(Str a, Str b);

/* How the versions of one tool's migrations are told apart and ordered. */
typedef enum VersionOrderKind {
    VERSIONS_NUMBERED, /* as above */
    VERSIONS_TEXT,     /* any text, byte by byte: folder names, file names */
    VERSIONS_LISTED, /* any text, in an order that the tool keeps elsewhere: a plan, a changelog, a graph of revisions */
} VersionOrderKind;
typedef struct ListedVersion {
    Str version;
    uint32_t position;
} ListedVersion;
typedef struct VersionOrder {
    VersionOrderKind kind;
    const ListedVersion *listed; /* VERSIONS_LISTED: sorted by version, for the look-up */
    size_t listed_count;
} VersionOrder;
/* An order of VERSIONS_LISTED out of versions as they follow each other; the slices are kept. Of twins the first counts. */
bool version_order_list(Arena *arena, const StrVec *versions, VersionOrder *ret_order, Error *err);
/* <0, 0, >0. order NULL: numbered. Versions that are not listed come behind those that are, in the order of their bytes. */
int version_order_compare(const VersionOrder *order, Str a, Str b);
/* Whether a version may look so at all. */
bool version_order_takes(const VersionOrder *order, Str version);

/* ---- directives: `-- whimbrel: ...` -------------------------------------------------------------------------------------- */

typedef enum Phase { PHASE_NONE, PHASE_EXPAND, PHASE_CONTRACT } Phase;

typedef struct Directives {
    bool no_transaction;
    int64_t lock_timeout_ms;      /* -1: not said */
    int64_t statement_timeout_ms; /* -1: not said */
    int64_t lock_retries;         /* -1: not said */
    Phase phase;                  /* of a migration only */
    StrVec required;              /* versions that must be applied first; of a migration only */
    StrVec engines; /* "postgres", "mysql", "mariadb", "sqlite"; empty: all; of a migration only */
    StrVec allowed; /* lint rules; kept for the linter */
    Str reason;
} Directives;
Directives directives_none(void);
const Directives *directives_nothing(void); /* the same, for all that have none to point at */

/* Reads the directives in a statement's trivia into *directives (which holds what was said before). Both comment forms count.
 * is_head: the migration's head, where phase, requires and engine are allowed too. ERROR_PARSE (code "unknown-directive",
 * "bad-directive") with place and the nearest known word. `batch` is ERROR_UNSUPPORTED for now. */
bool directives_read(Arena *arena, Str trivia, const char *file, uint32_t first_line, bool is_head,
                     Directives *directives, Error *err);

/* ---- scripts -------------------------------------------------------------------------------------------------------------- */

/* Consecutive statements of one class, so that a script of a million INSERTs is one part. */
typedef enum SMALL PartClass {
    PART_ORDINARY,        /* may run in a transaction */
    PART_IMPLICIT_COMMIT, /* MySQL/MariaDB: each commits by itself */
    PART_LONE, /* cannot run in a transaction on any version, or must commit before what follows (new enum values) */
    PART_LONE_BEFORE, /* cannot run in a transaction on servers older than since */
    PART_BEGIN,
    PART_COMMIT,
    PART_ROLLBACK,   /* transaction control written in the file, one statement each */
    PART_AUTOCOMMIT, /* SET autocommit, likewise */
    PART_TABLE_LOCK, /* MySQL/MariaDB: LOCK TABLES, UNLOCK TABLES, likewise */
} PartClass;

typedef struct ScriptPart {
    PartClass class;
    bool sets_session; /* some statement changes session state */
    bool has_copy;
    uint32_t first, count; /* statements, counted from 0 in the script */
    uint32_t line;         /* of its first statement */
    uint32_t column;
    int since; /* with PART_LONE_BEFORE: server version number */
    /* of its statements (lock-timeout and so on); a statement with its own begins a new part. Never NULL */
    const Directives *directives;
} ScriptPart;
/* Scripts whose parts are alike may share them. */
typedef struct ScriptPartList {
    const ScriptPart *items;
    uint32_t len;
} ScriptPartList;

/* What a tool's file comes to, where it holds more than SQL for one direction: markers, sections, variables. */
typedef struct ScriptText {
    /* What runs. Where nothing is replaced it has the file's length and line ends, with blanks for what does not run, so that
     * places in it are places in the file. */
    Str sql;
    SqlRangeVec whole;   /* of sql: blocks that are one statement each (see SqlSplitOptions) */
    bool no_transaction; /* the file says so in its tool's way */
    bool is_off;         /* it is not to run, as if it were for another engine */
    Str checksum; /* as the tool computes it; empty: the convention's digest of the file's bytes */
    StrVec other_checksums; /* that the tool takes for the same */
    bool takes_any_checksum;
    /* It cannot be run by us: written in a host language, say. A sentence that begins behind the file's name ("is a migration in Go"),
     * what to do instead, and the line (0: none). NULL: it can. */
    const char *refusal, *refusal_hint;
    uint32_t refusal_line;
} ScriptText;

struct Script;
struct Db;
/* How one script is made out of its file. */
typedef struct ScriptForm {
    /* text: the whole file, with the BOM it may have. Errors: ERROR_PARSE with the place in the file. */
    bool (*prepare)(const void *ctx, Arena *arena, const struct Script *script, Str text,
                    const SqlSplitOptions *split, ScriptText *ret_text, Error *err);
    const void *ctx; /* the convention's, for all scripts */
    const void *own; /* the convention's, for this one: say, which section of the file it is */
    /* Statements that hold this mark stand for SQL that depends on the database as it is when their turn comes: late() makes it then,
     * several statements perhaps. NULL: there are none such. */
    const char *late_mark;
    bool (*late)(const void *ctx, Arena *arena, struct Db *db, const struct Script *script,
                 Str statement, Str *ret_sql, Error *err);
    /* what script_read() finds: see ScriptText */
    StrVec other_checksums;
    bool takes_any_checksum;
    const char *refusal, *refusal_hint;
    uint32_t refusal_line;
    bool is_conditional; /* it has tests of its own: Convention.check */
    /* a statement that the server refuses undoes this migration and stops no other */
    bool may_fail;
} ScriptForm;

typedef struct Script {
    /* as people see it, from the current folder; for a stored or embedded one what it is called */
    const char *path;
    const char *open_path; /* what to open; NULL when the text is held */
    Str text;              /* the whole text when it is held (embedded, or stored in history) */
    uint64_t size_bytes;
    ScriptForm *form; /* NULL: the file is the SQL */
    /* What history says was applied (migration_set_expect()); NULL: nothing. When the bytes still have its checksum, the tokens
     * are its tokens too and the text is not looked into. */
    const struct HistoryRow *known;
    /* what script_read() finds, most of it */
    Str checksum; /* of its bytes, lower-case hexadecimal, by the convention's digest */
    Str tokens; /* SHA-256 of its tokens, hexadecimal: comments, white space and line ends do not count; empty for downs of a set */
    ScriptPartList parts;
    const Directives *head; /* never NULL */
    /* Small ones together: there may be ten thousand of these. */
    uint32_t first_line; /* of a text that is held, in the file; 0: 1 */
    /* without transaction control that is taken over? no: all, as the splitter counts */
    uint32_t statements;
    /* of its bytes; with has_parts. By it script_next() notices a file that changes under way */
    uint32_t crc;
    /* checksum and tokens are there; without the latter where the set leaves them out */
    bool is_read;
    bool is_new;         /* history knows nothing of it (migration_set_expect()) */
    bool is_undemanding; /* its bytes cannot hold a directive that requires another version */
    /* statements, parts and head are there too: not with only_hash, nor when the bytes are the known ones */
    bool has_parts;
} Script;

typedef struct ScriptOptions {
    SqlSplitOptions split;
    HashKind checksum_hash; /* of the convention */
    bool reads_directives;  /* whimbrel's own comments count */
    bool reads_sqlx_marker; /* "-- no-transaction" as the very first bytes */
    Str ignored_chars; /* SQLx's ignored-chars as UTF-8 characters in a row; removed before hashing the checksum */
    Str history_table; /* as the convention names it: no script may drop, empty or rename it; empty: none is kept */
    bool only_hash; /* parts and directives are not wanted: only the digests */
} ScriptOptions;

/* A script at path, not read yet: of a file on disk (files NULL), or of one that is linked into the program, whose text is then held.
 * NULL when memory is out or files has no such path. The path is borrowed for the script's life. */
Script *script_new(Arena *arena, const FileTree *files, const char *path);
/* Streams the script once and fills in what it finds; bounded memory. Errors: ERROR_IO, ERROR_PARSE with place (an empty script is legal
 * here, the plan judges it). Calling it again is free, unless parts are wanted and were not read: see script_read_parts().
 *
 * The token digest does not depend on how a connection happens to lex (no_backslash_escapes and so on): `status` without a server and
 * `migrate` with one find the same. */
bool script_read(Arena *arena, Script *script, const ScriptOptions *options, Error *err);
/* The same, and parts and head are there afterwards, whatever is known from history and whatever only_hash says: for what is to run. */
bool script_read_parts(Arena *arena, Script *script, const ScriptOptions *options, Error *err);
/* The whole text (held or read from the file, UTF-8 BOM kept); limit_bytes as in file_read(). */
/* The same if it is no longer than that; *ret_has says so. */
bool script_text_within(Arena *arena, const Script *script, uint64_t limit_bytes, Str *ret_text,
                        bool *ret_has, Error *err);
bool script_text(Arena *arena, const Script *script, uint64_t limit_bytes, Str *ret_text,
                 Error *err);
/* The tokens of a script that was read without them: from its text, which the caller holds. */
bool script_tokens(Arena *arena, const Script *script, Str text, const ScriptOptions *options,
                   Str *ret_tokens, Error *err);
/* A splitter over the script, from its beginning; text in memory or streamed. The source's state is in the arena; script_close() ends it. */
typedef struct ScriptSource ScriptSource;
typedef struct ScriptCursor {
    SqlSplitter *splitter; /* for sql_splitter_copy_data() */
    ScriptSource *source;
    uint32_t next; /* index of the statement that script_next() returns next */
    /* statements' slices live as long as the arena (short scripts, texts that are held); else until the next call */
    bool is_lasting;
} ScriptCursor;
/* Files of up to SCRIPT_HELD_BYTES are held whole, longer ones streamed. A file whose bytes are not those that script_read_parts() saw is
 * ERROR_STATE, code "file-changed": at once when it is short, at its end when it is streamed. */
#define SCRIPT_HELD_BYTES ((size_t)256 * 1024)
bool script_open(Arena *arena, const Script *script, const SqlSplitOptions *split,
                 ScriptCursor *ret_cursor, Error *err);
bool script_next(ScriptCursor *cursor, SqlStatement *ret_statement, bool *ret_has, Error *err);
/* The file's bytes, where it is held whole; they live as long as the cursor's arena. */
bool script_held(const ScriptCursor *cursor, Str *ret_text);
void script_close(ScriptCursor *cursor); /* takes a zeroed one */

/* ---- migrations ------------------------------------------------------------------------------------------------------------ */

typedef enum SMALL MigrationKind {
    MIGRATION_VERSIONED,
    MIGRATION_REPEATABLE,
    MIGRATION_BASELINE
} MigrationKind;
const char *migration_kind_name(MigrationKind kind); /* "versioned", ... */

/* Some tools run a migration again, at its place among the others. */
typedef enum Reruns { RERUNS_NEVER, RERUNS_ON_CHANGE, RERUNS_ALWAYS } Reruns;

typedef struct Migration {
    Str version; /* as written; empty for a repeatable */
    Str name;    /* "create_users" */
    MigrationKind kind;
    uint8_t reruns;     /* Reruns */
    bool may_come_late; /* its tool applies it though newer ones are applied already */
    bool is_mere_tag;   /* it does nothing but set its tag */
    /* x.down.sql lies beside x.up.sql or x.sql, and is no script as long as nobody asks for it */
    bool has_down_beside;
    /* that marks this point, where the tool has such; several with blanks in between; NULL: none */
    const char *tag;
    Script *up; /* NULL: only a down is here */
    /* NULL: there is none, or has_down_beside; who only reads asks migration_down() */
    Script *down;
} Migration;
typedef Vec(Migration) MigrationVec;

typedef enum HookPoint {
    HOOK_BEFORE_MIGRATE,
    HOOK_AFTER_MIGRATE,
    HOOK_BEFORE_EACH,
    HOOK_AFTER_EACH,
    HOOK_ON_ERROR,
    HOOK_BEFORE_ROLLBACK,
    HOOK_AFTER_ROLLBACK,
    HOOK_COUNT
} HookPoint;
const char *hook_point_name(HookPoint point); /* "before-migrate", ... */
typedef struct Hook {
    HookPoint point;
    Script *script;      /* SQL; NULL when it is a program */
    const char *program; /* an executable's path; NULL when it is SQL */
} Hook;
typedef Vec(Hook) HookVec;

typedef struct Seed {
    Str environment; /* "development" */
    Script *script;
} Seed;
typedef Vec(Seed) SeedVec;

/* Whether it can be rolled back. */
bool migration_has_down(const Migration *migration);
/* Whether down is where that of up is looked for: has_down_beside says so then. */
bool migration_lies_beside(const char *up, const char *down);
/* Where the down's file is, NULL without one: in the arena where it is no script yet. False when memory is out. */
bool migration_down_path(Arena *arena, const Migration *migration, const char **ret_path);

/* Where the checksums of unchanged files are kept from one run to the next. */
typedef struct DigestCachePlace {
    const char *path; /* of the file; NULL: nothing is kept */
    size_t fewest;    /* scripts, for which it is worth it */
    int64_t rest_us;  /* how long a file must have been left alone before it is kept */
} DigestCachePlace;
#define DIGEST_CACHE_DEFAULTS                                                                      \
    {                                                                                              \
        .fewest = 200, .rest_us = 2000000                                                          \
    }

/* In a graph: the versions that come right before one. The first `followed` of them it follows in its line; the others only have to be
 * there before it. */
typedef struct VersionParents {
    StrVec versions;
    size_t followed;
} VersionParents;

/* A name that the tool has for a version: the label of a branch. */
typedef struct VersionLabel {
    Str label, version;
} VersionLabel;

/* What the folders hold. migrations is sorted: versioned by version, then repeatables by name. */
typedef struct MigrationSet {
    MigrationVec migrations;
    HookVec hooks;
    SeedVec seeds;  /* in the order in which they run */
    StrVec ignored; /* paths of files that are none of ours; for -v */
    StrVec notes;   /* sentences: files that mean something to the tool and are not followed here */
    bool has_optional_baselines; /* a baseline file is for empty databases, and nothing to others */
    ScriptOptions script_options;
    VersionOrder versions;
    /* In a graph, for each migration the versions that come right before it: a version then stands for what leads to it, not for all
     * that is listed before it. NULL: they are a line. */
    const VersionParents *parents;
    /* a target "+N" goes N up the one line that the database is in, not N in the order of all */
    bool counts_in_lines;
    Vec(VersionLabel) labels; /* a target may be one of these */
    /* The version that the tool's own way of naming a place means ("t1@v2"); false: none. Where it is there, "@HEAD" and "@ROOT" are places
     * too, and behind any of them "^", "^^", "^3" lead back and "~", "~~", "~3" ahead. NULL: the tool has no such way */
    bool (*place)(const struct MigrationSet *set, Str text, Str *ret_version);
    /* of what is made later: downs that lie beside their ups; NULL where there are none such */
    Arena *arena;
    const void *own;        /* the convention's */
    DigestCachePlace cache; /* zeroed: none */
    size_t opened;          /* files that migration_set_read() has opened so far; for tests */
    /* Short scripts of which history knows nothing get no tokens: there is nothing to compare them with, and of thousands they take
     * room. Who writes of one into the history asks script_tokens(). */
    bool leaves_tokens;
    struct SetLook *look; /* NULL: nothing was looked at ahead */
} MigrationSet;

/* Sorts, and refuses two with one version or two repeatables with one name: ERROR_STATE, code "duplicate-version", naming both files. */
bool migration_set_finish(MigrationSet *set, Error *err);
const Migration *migration_set_find(const MigrationSet *set,
                                    Str version); /* by version_compare; NULL: absent */
const Migration *migration_set_find_repeatable(const MigrationSet *set, Str name);
/* In a graph: what comes right before it; NULL: there is no graph. */
const VersionParents *migration_parents(const MigrationSet *set, const Migration *migration);
/* Versioned migrations with an up that no other follows: in a graph there may be several, else it is the newest. */
typedef Vec(const Migration *) MigrationRefVec;
bool migration_set_heads(Arena *arena, const MigrationSet *set, MigrationRefVec *ret_heads,
                         Error *err);
/* The down of one of the set's migrations, NULL: it has none. Most are never asked for: so thousands take no memory. False when memory is
 * out. */
bool migration_down(const MigrationSet *set, const Migration *migration, Script **ret_down);
/* Tells the ups what history says was applied, so that those whose bytes are unchanged need no look inside when they are read:
 * with history at hand, call it between scan and migration_set_read(). They then have digests but no parts; what is to run
 * calls script_read_parts(). Rows of history are pointed at and their slices kept, until migration_set_forget(). */
typedef struct History History;
void migration_set_expect(MigrationSet *set, const History *history);
/* After migration_set_read(): the parts of ups that are not applied and of downs that were under way; with_all: of all. */
bool migration_set_read_due(Arena *arena, MigrationSet *set, const History *history, bool with_all,
                            Error *err);
/* The parts of these, which are scripts of the set. */
typedef Vec(Script *) ScriptVec;
bool migration_set_read_these(Arena *arena, MigrationSet *set, const ScriptVec *scripts,
                              Error *err);
/* Lets go of that history, so that it can be freed before another is read; what was found in files is kept. */
bool migration_set_forget(MigrationSet *set, Arena *arena, Error *err);
/* script_read() of all ups (and downs if with_downs). Files that are as the cache knows them are not opened. */
bool migration_set_read(Arena *arena, MigrationSet *set, bool with_downs, Error *err);
/* A look at the files ahead of migration_set_read(), in time that there is to spare: which of them the cache knows as they are. The next
 * migration_set_read() makes use of it; free it behind that. NULL when memory is out, which only costs time. */
typedef struct SetLook SetLook;
SetLook *set_look_new(MigrationSet *set); /* the set's own, if it has one already */
void set_look_freep(SetLook **look);      /* takes NULL */
void set_look_at(SetLook *look);          /* aside, where it is worth it; returns at once */
/* Whether the bytes of something that is applied are others than the history says: then its tokens matter. */
bool migration_set_has_changed(const MigrationSet *set, const History *history);
/* "20250405120000 create_users", "R views" */
const char *migration_label(Arena *arena, Str version, Str name, MigrationKind kind);

/* ---- history --------------------------------------------------------------------------------------------------------------- */

typedef enum SMALL HistoryOutcome {
    HISTORY_APPLIED,
    HISTORY_BASELINED, /* said to be there already, or covered by a baseline */
    HISTORY_RUNNING_UP, /* journal: some statements of the up have run; partial when nobody is at it */
    HISTORY_RUNNING_DOWN, /* journal: some statements of the down have run */
    HISTORY_FAILED,       /* a peer's failed row, where nothing is known of statements */
    HISTORY_SKIPPED,      /* not for this engine; a peer's "ignored" */
    HISTORY_DELETED,      /* repair has marked it: gone from the files for good */
} HistoryOutcome;

typedef struct HistoryRow {
    Str version; /* empty for a repeatable */
    Str name;
    MigrationKind kind;
    HistoryOutcome outcome;
    bool has_journal;
    /* the statement [done] was under way when the run stopped: settle it before going on */
    bool is_fate_unknown;
    bool has_up_text, has_down_text; /* stored with it: convention's history_text() brings them */
    bool is_tolerated;               /* that it has no file here is nothing to stop for */
    Str checksum, tokens;            /* hexadecimal; empty: the convention keeps none */
    uint32_t done,
        total; /* journal: statements known to have run; of how many. With has_journal false unknown */
    Timestamp started_at, finished_at; /* TIMESTAMP_UNKNOWN where not kept */
    int64_t duration_us;               /* -1 unknown */
    Str applied_by;                    /* "app@host"; may be empty */
    Str program;                       /* version of what applied it; may be empty */
    int64_t run;                       /* 0 unknown */
    int64_t rank;                      /* order of application; for repeatables of the last */
    const char *failure; /* journal: what the server said when it stopped; may be NULL */
    const char *tag;     /* that marks this point, where the tool has such; NULL: none */
    const void *own;     /* the convention's */
} HistoryRow;
typedef Vec(HistoryRow) HistoryRowVec;

typedef struct RunRow {
    int64_t run;
    Str command; /* "migrate", "rollback", "baseline" ... */
    Timestamp started_at, finished_at;
    int64_t duration_us;
    Str who, host, program, outcome; /* outcome: "ok", "failed", "interrupted", "running" */
    Str applied, rolled_back;        /* labels, separated by ", " */
    Str error;                       /* message; empty if none */
} RunRow;
typedef Vec(RunRow) RunRowVec;

/* What a convention read from the database, in order of application (rank). */
struct History {
    bool exists; /* the history table is there */
    /* that a row of the table has, of any namespace; -1: the convention does not say */
    int64_t last_ordinal;
    /* it is there and can be read, but history_prepare() has something to bring up to date */
    bool is_older_format;
    bool is_short; /* something was left out of the rows that the reader said it could do without */
    /* a sentence for the user: something in it is odd, and passed over; NULL: nothing is */
    const char *note;
    HistoryRowVec rows;
    int64_t last_run;
    const VersionOrder *versions; /* NULL: numbered. Set before history_finish() */
    /* rows sorted by identity, made by history_finish(); NULL: look-ups go through all rows */
    uint32_t *order;
};
/* Sorts an index of the rows for the look-ups below; every convention calls it when all rows are there. */
bool history_finish(Arena *arena, History *history, Error *err);
const HistoryRow *history_find(const History *history,
                               Str version); /* versioned and baseline rows */
const HistoryRow *history_find_repeatable(const History *history, Str name);

#endif

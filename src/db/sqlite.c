/* SQLite behind the driver interface. There is no server: waiting for another process's lock happens in
 * our busy handler, and stopping a statement in the progress handler, both with an ear for the caller.
 * SPDX-License-Identifier: Apache-2.0 */
#include "db/driver.h"

#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <sqlite3.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

/* Settings that a migration may change, that last for the session, and that can be put back even where a
 * transaction is open (there some of them silently do nothing, but none fails). */
static const char *const session_pragmas[] = {
    "foreign_keys",
    "recursive_triggers",
    "legacy_alter_table",
    "ignore_check_constraints",
    "query_only",
    "writable_schema",
    "reverse_unordered_selects",
    "trusted_schema",
    "cell_size_check",
};
enum { SESSION_PRAGMAS = sizeof session_pragmas / sizeof *session_pragmas };

enum {
    DEFAULT_BUSY_MS = 5000,
    OPS_PER_PROGRESS = 20000, /* of the virtual machine; well under a millisecond */
};

#define SQLITE(X)                                                                                  \
    X(sqlite3_bind_parameter_count)                                                                \
    X(sqlite3_bind_text64)                                                                         \
    X(sqlite3_busy_handler)                                                                        \
    X(sqlite3_busy_timeout)                                                                        \
    X(sqlite3_changes)                                                                             \
    X(sqlite3_close_v2)                                                                            \
    X(sqlite3_column_blob)                                                                         \
    X(sqlite3_column_bytes)                                                                        \
    X(sqlite3_column_count)                                                                        \
    X(sqlite3_column_int64)                                                                        \
    X(sqlite3_column_text)                                                                         \
    X(sqlite3_column_type)                                                                         \
    X(sqlite3_db_filename)                                                                         \
    X(sqlite3_db_readonly)                                                                         \
    X(sqlite3_db_release_memory)                                                                   \
    X(sqlite3_errmsg)                                                                              \
    X(sqlite3_errstr)                                                                              \
    X(sqlite3_exec)                                                                                \
    X(sqlite3_extended_errcode)                                                                    \
    X(sqlite3_finalize)                                                                            \
    X(sqlite3_free)                                                                                \
    X(sqlite3_get_autocommit)                                                                      \
    X(sqlite3_libversion)                                                                          \
    X(sqlite3_libversion_number)                                                                   \
    X(sqlite3_mprintf)                                                                             \
    X(sqlite3_open_v2)                                                                             \
    X(sqlite3_prepare_v2)                                                                          \
    X(sqlite3_progress_handler)                                                                    \
    X(sqlite3_reset)                                                                               \
    X(sqlite3_step)                                                                                \
    X(sqlite3_stmt_readonly)                                                                       \
    X(sqlite3_system_errno)                                                                        \
    X(sqlite3_total_changes)

/* Opened when a URL names a file, so that nobody else pays for it. Who links SQLite anyway is served by that very copy: its
 * connections know no other. */
#define X(name) extern typeof(name) name __attribute__((weak));
SQLITE(X)
#undef X

typedef struct Sqlite {
#define X(name) typeof(name) *name;
    SQLITE(X)
#undef X
    int (*error_offset)(sqlite3 *handle); /* since 3.38; may be NULL */
} Sqlite;

typedef struct SqliteDb {
    Db db;
    Sqlite lib;
    sqlite3 *handle;
    const char *path; /* ":memory:" or as in the URL */
    int64_t busy_ms;
    int64_t busy_since_us, busy_slept_us;
    bool was_cancelled; /* a handler stopped the running statement for the caller */
    bool has_busy_handler;
    bool has_progress_handler;
    int64_t calls; /* of the progress handler, in the running statement */
    int adopted_busy_ms;
    int64_t session[SESSION_PRAGMAS]; /* -1: this SQLite does not know it */
} SqliteDb;

/* ---- the library --------------------------------------------------------------------------- */

static bool is_linked(Sqlite *lib)
{
    bool has_all = true;
#define X(name)                                                                                    \
    lib->name = name;                                                                              \
    has_all = has_all && lib->name;
    SQLITE(X)
#undef X
    return has_all;
}

static const char *find_functions(Sqlite *lib, void *library)
{
#define X(symbol)                                                                                  \
    {                                                                                              \
        void *found = dlsym(library, #symbol);                                                     \
        if (!found)                                                                                \
            return #symbol;                                                                        \
        memcpy(&lib->symbol, &found, sizeof found);                                                \
    }
    SQLITE(X)
#undef X
    return NULL;
}

static bool load_library(Sqlite *lib, Error *err)
{
    static const char soname[] = "libsqlite3.so.0";
    const char *missing = NULL;
    void *library = NULL;
    if (!is_linked(lib)) {
        library = dlopen(soname, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
        missing = library ? find_functions(lib, library) : soname;
    }
    if (missing) {
        const char *reason = library ? NULL : dlerror();
        error_set(err, ERROR_CONNECT, "the SQLite library %s cannot be loaded", soname);
        if (reason)
            error_detail(err, "%s", reason);
        else
            error_detail(err, "it lacks the function %s", missing);
        error_hint(err, "Install it (Debian, Ubuntu: apt install libsqlite3-0; Fedora: dnf install "
                        "sqlite-libs; Alpine: apk add sqlite-libs).");
        return error_code(err, "client-missing");
    }
    void *found = dlsym(library ? library : RTLD_DEFAULT, "sqlite3_error_offset");
    memcpy(&lib->error_offset, &found, sizeof found);
    return true;
}

/* ---- errors ------------------------------------------------------------------------------- */

static bool is_disk_full(SqliteDb *s, int code)
{
    if ((code & 0xff) == SQLITE_FULL)
        return true;
    /* A quota or a limit on the size of files is no ENOSPC to SQLite, but is to the user. After the
     * latter SQLite has often lost the errno, for its own clean-up came in between. */
    int errnum = s->handle ? s->lib.sqlite3_system_errno(s->handle) : 0;
    if ((code & 0xff) == SQLITE_IOERR && (errnum == ENOSPC || errnum == EDQUOT || errnum == EFBIG))
        return true;
    struct rlimit limit;
    return code == SQLITE_IOERR_WRITE && getrlimit(RLIMIT_FSIZE, &limit) == 0 &&
           limit.rlim_cur != RLIM_INFINITY;
}

/* Fills err from the handle's last error. */
static bool fail(SqliteDb *s, ErrorKind kind, Error *err)
{
    int code = s->handle ? s->lib.sqlite3_extended_errcode(s->handle) : SQLITE_NOMEM;
    int primary = code & 0xff;
    const char *message = s->handle ? s->lib.sqlite3_errmsg(s->handle) : "out of memory";
    if (s->was_cancelled || primary == SQLITE_INTERRUPT) {
        s->was_cancelled = false;
        return db_error_cancelled(err);
    }
    if (primary == SQLITE_NOMEM)
        return error_nomem(err);
    if (is_disk_full(s, code)) {
        error_set(err, kind, "%s: the disk is full, or a limit of its size is reached", s->path);
        error_detail(err, "%s", message);
        error_hint(err, "Make room where the database file lies, then run the command again.");
        error_code(err, "disk-full");
    } else if (primary == SQLITE_BUSY || code == SQLITE_LOCKED_SHAREDCACHE) {
        bool is_stale = code == SQLITE_BUSY_SNAPSHOT;
        error_set(err, ERROR_TIMEOUT, "%s", message);
        if (is_stale)
            error_hint(err, "Another process wrote to the database since this transaction began to "
                            "read; run the command again.");
        else
            error_hint(err,
                       "Another process or connection holds a lock on %s; wait for it to end, or "
                       "give busy_timeout=30s in the database URL.",
                       s->path);
        error_code(err, is_stale ? "serialization" : "lock-timeout");
    } else if (primary == SQLITE_NOTADB) {
        error_set(err, kind, "%s is not an SQLite database", s->path);
        error_hint(err,
                   "Check the path in the database URL; an encrypted database cannot be read.");
        error_code(err, "not-a-database");
    } else if (primary == SQLITE_READONLY) {
        error_set(err, kind, "%s", message);
        error_hint(err,
                   "Check the permissions of %s and of its folder, and mode= in the database URL.",
                   s->path);
        error_code(err, "read-only");
    } else if (primary == SQLITE_CORRUPT) {
        error_set(err, kind, "%s", message);
        error_hint(err, "Run PRAGMA integrity_check on %s, and restore a backup if it is damaged.",
                   s->path);
        error_code(err, "corrupt");
    } else {
        error_set(err, kind, "%s", message);
        if (primary == SQLITE_IOERR)
            error_detail(err, "%s: %s", s->path, s->lib.sqlite3_errstr(code));
        if (primary == SQLITE_PERM || primary == SQLITE_CANTOPEN)
            error_hint(err, "Check that %s and its folder exist and may be written to.", s->path);
    }
    if (err)
        err->server_code = code;
    return false;
}

/* ---- handlers ----------------------------------------------------------------------------- */

/* Whether to try once more for a lock that someone else holds, after a pause. */
static bool may_retry(SqliteDb *s, int tries)
{
    static const int64_t pauses_ms[] = {1, 2, 5, 10, 15, 20, 25, 25, 25, 50, 50, 100};
    enum { PAUSES = sizeof pauses_ms / sizeof *pauses_ms };
    int64_t now = clock_monotonic_us();
    if (tries == 0) {
        s->busy_since_us = now;
        s->busy_slept_us = 0;
    }
    int64_t passed_us = now - s->busy_since_us;
    if (passed_us < s->busy_slept_us) /* the clock stands still */
        passed_us = s->busy_slept_us;
    int64_t left_us = s->busy_ms * 1000 - passed_us;
    if (left_us <= 0)
        return false;
    int64_t pause_us = pauses_ms[tries < PAUSES ? tries : PAUSES - 1] * 1000;
    if (pause_us > left_us)
        pause_us = left_us;
    s->busy_slept_us += pause_us;
    if (!db_sleep(s->db.options.cancel, pause_us)) {
        s->was_cancelled = true;
        return false;
    }
    db_silence_tick(&s->db);
    return true;
}

static int on_busy(void *ctx, int tries)
{
    return may_retry(ctx, tries);
}

static int on_progress(void *ctx)
{
    SqliteDb *s = ctx;
    s->calls++;
    if (!db_cancel_requested(s->db.options.cancel)) {
        db_silence_tick(&s->db);
        return 0;
    }
    s->was_cancelled = true;
    return 1;
}

/* SQLite counts the steps of its virtual machine, and does not know how many there will be. */
static bool sqlite_work(Db *db, Arena *arena, Str session, Str table, DbWork *ret_work, Error *err)
{
    const SqliteDb *s = (const SqliteDb *)db;
    (void)arena;
    (void)session;
    (void)table;
    (void)err;
    *ret_work = (DbWork){.done = s->calls * OPS_PER_PROGRESS, .unit = "steps", .table_bytes = -1};
    return true;
}

/* ---- running ------------------------------------------------------------------------------ */

static int64_t total_changes(const SqliteDb *s)
{
    return s->lib.sqlite3_total_changes(s->handle);
}

static int64_t error_offset(const SqliteDb *s)
{
    return s->lib.error_offset ? s->lib.error_offset(s->handle) : -1;
}

static int64_t pragma_number(SqliteDb *s, const char *name, int64_t fallback)
{
    char sql[64];
    sqlite3_stmt *stmt = NULL;
    int64_t value = fallback;
    snprintf(sql, sizeof sql, "PRAGMA %s", name);
    if (s->lib.sqlite3_prepare_v2(s->handle, sql, -1, &stmt, NULL) == SQLITE_OK &&
        s->lib.sqlite3_step(stmt) == SQLITE_ROW)
        value = s->lib.sqlite3_column_int64(stmt, 0);
    s->lib.sqlite3_finalize(stmt);
    return value;
}

/* PRAGMA busy_timeout=N puts SQLite's own handler in place of ours, which would be deaf to the
 * caller: the time is taken over and the handler put back. */
static void keep_busy_handler(SqliteDb *s, Str sql)
{
    if (!s->has_busy_handler || sql.len > 200 || !str_starts_nocase(sql, STR("PRAGMA")))
        return;
    static const Str name = {"busy_timeout", 12};
    for (size_t i = 6; i + name.len <= sql.len; i++) {
        if (!str_eq_nocase(str_sub(sql, i, i + name.len), name))
            continue;
        Str rest = str_trim(str_sub(sql, i + name.len, sql.len));
        if (rest.len == 0 || (rest.ptr[0] != '=' && rest.ptr[0] != '('))
            return; /* a question, not a setting */
        s->busy_ms = pragma_number(s, "busy_timeout", s->busy_ms);
        s->lib.sqlite3_busy_handler(s->handle, on_busy, s);
        return;
    }
}

/* The end of a transaction that is there for good, although the file's lock could not be given back afterwards (network file
 * systems): SQLite tells of it as of a failure, and nothing is to be done again. */
static bool has_ended_anyway(const SqliteDb *s, sqlite3_stmt *stmt)
{
    int code = s->lib.sqlite3_extended_errcode(s->handle);
    bool is_unlocking = code == SQLITE_IOERR_UNLOCK || code == SQLITE_IOERR_RDLOCK;
    return is_unlocking && s->db.is_in_transaction && s->lib.sqlite3_get_autocommit(s->handle) &&
           s->lib.sqlite3_stmt_readonly(stmt) && s->lib.sqlite3_column_count(stmt) == 0;
}

/* Steps to the end of one prepared statement; rows go to the buffer, if there is one. */
static bool step_through(SqliteDb *s, sqlite3_stmt *stmt, DbBuffer *buffer, Error *err)
{
    size_t cols = (size_t)s->lib.sqlite3_column_count(stmt);
    bool has_rows = false;
    if (buffer && !db_buffer_begin(buffer, cols))
        return error_nomem(err);
    for (int tries = 0;;) {
        int code = s->lib.sqlite3_step(stmt);
        if (code == SQLITE_DONE)
            return true;
        if ((code & 0xff) == SQLITE_BUSY && !s->has_busy_handler && !has_rows &&
            may_retry(s, tries++)) {
            s->lib.sqlite3_reset(stmt);
            continue;
        }
        if (code != SQLITE_ROW)
            return has_ended_anyway(s, stmt) || fail(s, ERROR_SQL, err);
        has_rows = true;
        if (!buffer)
            continue;
        for (size_t i = 0; i < cols; i++) {
            int col = (int)i, type = s->lib.sqlite3_column_type(stmt, col);
            const void *bytes = type == SQLITE_BLOB
                                    ? s->lib.sqlite3_column_blob(stmt, col)
                                    : (const void *)s->lib.sqlite3_column_text(stmt, col);
            size_t len = (size_t)s->lib.sqlite3_column_bytes(stmt, col);
            if (!bytes && len > 0)
                return error_nomem(err);
            if (type != SQLITE_NULL && !bytes && type != SQLITE_BLOB)
                return error_nomem(err);
            if (!db_buffer_add(buffer, (Str){bytes, bytes ? len : 0}, type == SQLITE_NULL))
                return error_nomem(err);
        }
        db_buffer_row(buffer);
    }
}

/* A statement, and who ends it. */
typedef struct Prepared {
    const Sqlite *lib;
    sqlite3_stmt *stmt;
} Prepared;

static void prepared_done(Prepared *prepared)
{
    prepared->lib->sqlite3_finalize(prepared->stmt);
    prepared->stmt = NULL;
}

/* Runs all statements of a text. ret_offset, ret_rows: may be NULL. */
static bool run_text(SqliteDb *s, Str sql, DbBuffer *buffer, int64_t *ret_offset, int64_t *ret_rows,
                     Error *err)
{
    if (str_find_char(sql, '\0', 0) != SIZE_MAX)
        return error_set(err, ERROR_PARSE, "the statement holds a NUL byte");
    if (sql.len >= INT_MAX)
        return error_set(err, ERROR_UNSUPPORTED,
                         "a statement of 2 GB or more is too long for SQLite");
    if (db_cancel_requested(s->db.options.cancel))
        return db_error_cancelled(err);
    scoped(Arena *, arena_freep) scratch = NULL;
    Str rest = sql;
    size_t done = 0; /* bytes of sql in front of rest */
    while (rest.len > 0) {
        scoped(Prepared, prepared_done) prepared = {.lib = &s->lib};
        const char *tail = NULL;
        s->was_cancelled = false;
        s->db.round_trips++;
        s->calls = 0;
        db_silence_begin(&s->db);
        /* A length that includes a terminating NUL spares SQLite a copy of all that follows. */
        int len = (int)rest.len + (scratch != NULL);
        int code = s->lib.sqlite3_prepare_v2(s->handle, rest.ptr, len, &prepared.stmt, &tail);
        for (int tries = 0;
             (code & 0xff) == SQLITE_BUSY && !s->has_busy_handler && may_retry(s, tries); tries++)
            code = s->lib.sqlite3_prepare_v2(s->handle, rest.ptr, len, &prepared.stmt, &tail);
        if (code != SQLITE_OK) {
            int64_t offset = error_offset(s);
            if (ret_offset && offset >= 0)
                *ret_offset = (int64_t)done + offset;
            return fail(s, ERROR_SQL, err);
        }
        size_t used = (size_t)(tail - rest.ptr);
        sqlite3_stmt *stmt = prepared.stmt;
        if (stmt) {
            int64_t before = total_changes(s);
            size_t results = buffer ? buffer->results.len : 0;
            bool is_reading =
                s->lib.sqlite3_stmt_readonly(stmt) && s->lib.sqlite3_column_count(stmt) > 0;
            bool is_good = step_through(s, stmt, buffer, err);
            if (is_good && ret_rows)
                *ret_rows = is_reading                   ? -1
                            : total_changes(s) == before ? 0
                                                         : s->lib.sqlite3_changes(s->handle);
            prepared_done(&prepared);
            s->db.is_in_transaction = !s->lib.sqlite3_get_autocommit(s->handle);
            if (!is_good && buffer)
                buffer->results.len = results; /* what the failing one had begun is no result */
            if (!is_good)
                return false;
            keep_busy_handler(s, str_trim(str_sub(rest, 0, used)));
        }
        done += used;
        rest = str_sub(rest, used, rest.len);
        if (rest.len > 0 && !scratch) {
            scratch = arena_new();
            if (!scratch || !str_copy(scratch, rest, &rest))
                return error_nomem(err);
        }
    }
    return true;
}

static bool sqlite_run(Db *db, const DbStatement *statements, size_t count,
                       void (*progress)(void *ctx, size_t completed), void *ctx,
                       DbOutcome *ret_outcome, Error *err)
{
    SqliteDb *s = (SqliteDb *)db;
    for (size_t i = 0; i < count; i++) {
        if (!run_text(s, statements[i].sql, NULL, &ret_outcome->error_offset, &ret_outcome->rows,
                      err))
            return false;
        ret_outcome->completed = i + 1;
        if (progress)
            progress(ctx, i + 1);
    }
    return true;
}

enum { MANY_ROWS = 1000 };

static bool sqlite_query(Db *db, Str sql, DbRows *ret_rows, Error *err)
{
    SqliteDb *s = (SqliteDb *)db;
    scoped(DbBuffer *, db_buffer_freep) buffer = db_buffer_new();
    if (!buffer)
        return error_nomem(err);
    run_text(s, sql, buffer, NULL, NULL, &buffer->error);
    /* A long result has gone through all of the page cache; what is kept now is the rows. */
    if (buffer->results.len > 0 &&
        buffer->results.items[buffer->results.len - 1].row_count >= MANY_ROWS)
        s->lib.sqlite3_db_release_memory(s->handle);
    return db_buffer_finish(&buffer, db, ret_rows, err);
}

/* ---- opening ------------------------------------------------------------------------------ */

typedef enum PragmaKind { PRAGMA_BOOL, PRAGMA_NUMBER, PRAGMA_WORD, PRAGMA_DURATION } PragmaKind;

/* Parameters of the URL that are pragmas, in the order in which they must be set: what shapes a new
 * file before what creates it. */
static const struct {
    const char *name;
    PragmaKind kind;
    const char *words; /* PRAGMA_WORD: what is allowed, SQLite itself would not complain */
} url_pragmas[] = {
    {"busy_timeout", PRAGMA_DURATION, NULL},
    {"encoding", PRAGMA_WORD, "UTF-8 UTF-16 UTF-16le UTF-16be"},
    {"page_size", PRAGMA_NUMBER, NULL},
    {"auto_vacuum", PRAGMA_WORD, "none full incremental 0 1 2"},
    {"locking_mode", PRAGMA_WORD, "normal exclusive"},
    {"journal_mode", PRAGMA_WORD, "delete truncate persist memory wal off"},
    {"synchronous", PRAGMA_WORD, "off normal full extra 0 1 2 3"},
    {"foreign_keys", PRAGMA_BOOL, NULL},
    {"recursive_triggers", PRAGMA_BOOL, NULL},
    {"legacy_alter_table", PRAGMA_BOOL, NULL},
    {"ignore_check_constraints", PRAGMA_BOOL, NULL},
    {"case_sensitive_like", PRAGMA_BOOL, NULL},
    {"trusted_schema", PRAGMA_BOOL, NULL},
    {"automatic_index", PRAGMA_BOOL, NULL},
    {"cell_size_check", PRAGMA_BOOL, NULL},
    {"secure_delete", PRAGMA_WORD, "on off fast true false yes no 0 1"},
    {"fullfsync", PRAGMA_BOOL, NULL},
    {"checkpoint_fullfsync", PRAGMA_BOOL, NULL},
    {"temp_store", PRAGMA_WORD, "default file memory 0 1 2"},
    {"cache_size", PRAGMA_NUMBER, NULL},
    {"mmap_size", PRAGMA_NUMBER, NULL},
    {"max_page_count", PRAGMA_NUMBER, NULL},
    {"journal_size_limit", PRAGMA_NUMBER, NULL},
    {"wal_autocheckpoint", PRAGMA_NUMBER, NULL},
    {"analysis_limit", PRAGMA_NUMBER, NULL},
    {"soft_heap_limit", PRAGMA_NUMBER, NULL},
    {"hard_heap_limit", PRAGMA_NUMBER, NULL},
    {"query_only", PRAGMA_BOOL, NULL},
};
enum { URL_PRAGMAS = sizeof url_pragmas / sizeof *url_pragmas };

static bool is_one_of(Str value, const char *words)
{
    Str rest = str_from(words), word;
    while (rest.len > 0) {
        rest = str_cut(rest, ' ', &word);
        if (str_eq_nocase(value, word))
            return true;
    }
    return false;
}

static bool check_pragma(size_t i, Str value, Error *err)
{
    int64_t number;
    const char *allowed = NULL;
    switch (url_pragmas[i].kind) {
    case PRAGMA_BOOL:
        allowed = "on off true false yes no 1 0";
        break;
    case PRAGMA_WORD:
        allowed = url_pragmas[i].words;
        break;
    case PRAGMA_NUMBER:
        if (str_to_i64(value, &number))
            return true;
        error_set(err, ERROR_USAGE, "%s in the database URL is not a whole number",
                  url_pragmas[i].name);
        return error_code(err, "bad-url");
    case PRAGMA_DURATION:
        if (duration_parse(value, 1000, &number) && number >= 0)
            return true;
        error_set(err, ERROR_USAGE, "%s in the database URL is not a time", url_pragmas[i].name);
        error_hint(err, "Write a time like 500ms or 5s.");
        return error_code(err, "bad-url");
    }
    if (is_one_of(value, allowed))
        return true;
    error_set(err, ERROR_USAGE, "%s in the database URL cannot be '%.*s'", url_pragmas[i].name,
              STR_ARG(value));
    error_hint(err, "It may be one of: %s.", allowed);
    return error_code(err, "bad-url");
}

static bool sqlite_url_check(Arena *arena, DbUrl *url, Error *err)
{
    (void)arena;
    const char *known[URL_PRAGMAS + 2] = {"mode"};
    for (size_t i = 0; i < URL_PRAGMAS; i++)
        known[i + 1] = url_pragmas[i].name;
    if (!db_url_check_params(url, "SQLite", known, err))
        return false;
    const Str *mode = db_url_param(url, "mode");
    if (mode && !is_one_of(*mode, "ro rw rwc memory")) {
        error_set(err, ERROR_USAGE, "mode in the database URL cannot be '%.*s'", STR_ARG(*mode));
        error_hint(err,
                   "It may be ro (read only), rw (read and write), rwc (create the file when it "
                   "is absent) or memory.");
        return error_code(err, "bad-url");
    }
    if (url->database.len == 0 && !(mode && str_eq(*mode, STR("memory")))) {
        error_set(err, ERROR_USAGE, "the database URL names no file");
        error_hint(err, "Write sqlite:path.db or sqlite::memory:.");
        return error_code(err, "bad-url");
    }
    for (size_t i = 0; i < URL_PRAGMAS; i++) {
        const Str *value = db_url_param(url, url_pragmas[i].name);
        if (value && !check_pragma(i, *value, err))
            return false;
    }
    return true;
}

static bool set_pragmas(SqliteDb *s, const DbUrl *url, Error *err)
{
    scoped(Arena *, arena_freep) scratch = arena_new();
    if (!scratch)
        return error_nomem(err);
    for (size_t i = 0; i < URL_PRAGMAS; i++) {
        const Str *value = db_url_param(url, url_pragmas[i].name);
        if (!value)
            continue;
        if (url_pragmas[i].kind == PRAGMA_DURATION) {
            int64_t us;
            if (!check_pragma(i, *value, err) || !duration_parse(*value, 1000, &us))
                return false;
            s->busy_ms = us / 1000;
            continue;
        }
        StrBuf sql = strbuf(scratch);
        Str text;
        DbRows rows = {0};
        strbuf_addf(&sql, "PRAGMA %s=", url_pragmas[i].name);
        sql_add_literal(&sql, SQL_SQLITE, *value);
        if (!strbuf_finish(&sql, &text))
            return error_nomem(err);
        if (!sqlite_query(&s->db, text, &rows, err))
            return error_wrap(err, "setting %s", url_pragmas[i].name);
        Str now = db_buffer_next(&rows) && rows.col_count > 0 ? rows.cols[0].text : *value;
        bool is_set = strcmp(url_pragmas[i].name, "journal_mode") != 0 ||
                      str_eq_nocase(now, *value) || strcmp(s->path, ":memory:") == 0 ||
                      s->db.info.is_read_only;
        if (!is_set)
            error_set(err, ERROR_CONNECT, "the journal mode of %s stays %.*s", s->path,
                      STR_ARG(now));
        bool is_good = db_rows_finish(&rows, is_set ? err : NULL);
        if (!is_set || !is_good)
            return false;
    }
    return true;
}

static bool absent(const char *path, Error *err)
{
    Str folder = path_folder(str_from(path));
    error_set(err, ERROR_CONNECT, "there is no database file %s", path);
    error_hint(err, "Create it: whimbrel migrate, or whimbrel database create. Its folder is %.*s.",
               STR_ARG(folder));
    return error_code(err, "database-absent");
}

/* What the file system has to say when SQLite could not open the file. */
static bool cannot_open(SqliteDb *s, Error *err)
{
    FileInfo info, folder_info;
    Str folder = path_folder(str_from(s->path));
    char *folder_path = str_z(s->db.arena, folder);
    if (!folder_path)
        return error_nomem(err);
    if (!file_info(s->path, &info, err) || !file_info(folder_path, &folder_info, err))
        return error_wrap(err, "opening the database");
    if (info.kind == FILE_FOLDER)
        error_set(err, ERROR_CONNECT, "%s is a folder, not a database file", s->path);
    else if (folder_info.kind != FILE_FOLDER)
        error_set(err, ERROR_CONNECT, "cannot create %s: there is no folder %s", s->path,
                  folder_path);
    else if (info.kind == FILE_ABSENT && s->db.options.may_create &&
             access(folder_path, W_OK) != 0) {
        /* It was to be made, and the folder is what stands in the way. */
        error_set(err, ERROR_CONNECT, "cannot create %s: the folder %s may not be written to",
                  s->path, folder_path);
        error_hint(err, "Check the folder's permissions, and who runs this.");
        return error_code(err, "read-only");
    } else if (info.kind == FILE_ABSENT)
        return absent(s->path, err);
    else
        return fail(s, ERROR_CONNECT, err);
    error_hint(err, "Check the path in the database URL.");
    return error_code(err, "database-absent");
}

static void read_session(SqliteDb *s)
{
    for (size_t i = 0; i < SESSION_PRAGMAS; i++)
        s->session[i] = pragma_number(s, session_pragmas[i], -1);
}

static bool describe(SqliteDb *s, Error *err)
{
    DbInfo *info = &s->db.info;
    Str path = str_from(s->path);
    bool is_memory = strcmp(s->path, ":memory:") == 0;
    Str folder = is_memory ? STR("memory") : path_folder(path);
    info->engine = "sqlite";
    info->engine_title = "SQLite";
    info->version = s->lib.sqlite3_libversion();
    info->version_number = s->lib.sqlite3_libversion_number();
    info->database = str_z(s->db.arena, is_memory ? path : path_base(path));
    info->user = info->session = info->schema = info->search_path = "";
    info->place = str_z(s->db.arena, folder);
    info->is_read_only = info->is_read_only || s->lib.sqlite3_db_readonly(s->handle, "main") == 1;
    if (is_memory)
        s->db.features &= ~(unsigned)(DB_SINGLE_FILE | DB_CREATE_DATABASE);
    return (info->database && info->place) || error_nomem(err);
}

static SqliteDb *new_db(const DbOptions *options)
{
    Arena *arena = arena_new();
    SqliteDb *s = arena ? arena_alloc(arena, sizeof *s) : NULL;
    if (!s) {
        arena_free(arena);
        return NULL;
    }
    s->db.driver = &db_driver_sqlite;
    s->db.arena = arena;
    s->db.features = db_driver_sqlite.features;
    s->db.options = *options;
    s->busy_ms = DEFAULT_BUSY_MS;
    return s;
}

static void sqlite_close(Db *db);

static bool is_memory_url(const DbUrl *url)
{
    const Str *mode = db_url_param(url, "mode");
    return str_eq(url->database, STR(":memory:")) || (mode && str_eq(*mode, STR("memory")));
}

static bool open_file(SqliteDb *s, const DbUrl *url, Error *err)
{
    const Str *mode = db_url_param(url, "mode");
    bool is_memory = is_memory_url(url);
    bool is_reading = s->db.options.is_read_only || (mode && str_eq(*mode, STR("ro")));
    bool may_create = mode ? str_eq(*mode, STR("rwc")) : s->db.options.may_create;
    int flags = is_memory    ? SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_MEMORY
                : is_reading ? SQLITE_OPEN_READONLY
                : may_create ? SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE
                             : SQLITE_OPEN_READWRITE;
    s->path = is_memory ? ":memory:" : str_z(s->db.arena, url->database);
    if (!s->path)
        return error_nomem(err);
    /* Where SQLite was built to take file names for URIs, "./" keeps it from doing so. */
    char *name =
        str_format(s->db.arena, "%s%s", strncmp(s->path, "file:", 5) == 0 ? "./" : "", s->path);
    if (!name)
        return error_nomem(err);
    s->db.info.is_read_only = is_reading;
    int code = s->lib.sqlite3_open_v2(name, &s->handle, flags | SQLITE_OPEN_FULLMUTEX, NULL);
    if (!s->handle || (code & 0xff) == SQLITE_NOMEM)
        return error_nomem(err);
    if (code != SQLITE_OK)
        return is_memory ? fail(s, ERROR_CONNECT, err) : cannot_open(s, err);
    return true;
}

static bool sqlite_open(const DbUrl *url, const DbOptions *options, Db **ret_db, Error *err)
{
    SqliteDb *s = new_db(options);
    if (!s)
        return error_nomem(err);
    bool is_open = load_library(&s->lib, err) && open_file(s, url, err);
    if (is_open) {
        s->lib.sqlite3_busy_handler(s->handle, on_busy, s);
        s->lib.sqlite3_progress_handler(s->handle, OPS_PER_PROGRESS, on_progress, s);
        s->has_busy_handler = s->has_progress_handler = true;
        is_open = set_pragmas(s, url, err);
    }
    if (is_open) {
        /* The first read tells whether it is a database at all. When another process holds it whole
         * right now, that is for the caller's own waiting to settle, not for opening. */
        int64_t busy_ms = s->busy_ms;
        s->busy_ms = 0;
        sqlite3_stmt *stmt = NULL;
        int code = s->lib.sqlite3_prepare_v2(s->handle, "SELECT 1 FROM sqlite_master LIMIT 1", -1,
                                             &stmt, NULL);
        if (code == SQLITE_OK)
            code = s->lib.sqlite3_step(stmt);
        if (code != SQLITE_ROW && code != SQLITE_DONE && (code & 0xff) != SQLITE_BUSY)
            is_open = fail(s, ERROR_CONNECT, err);
        s->lib.sqlite3_finalize(stmt);
        s->busy_ms = busy_ms;
    }
    if (is_open)
        read_session(s);
    if (!is_open || !describe(s, err)) {
        sqlite_close(&s->db);
        return false;
    }
    s->db.round_trips = 0;
    *ret_db = &s->db;
    return true;
}

static bool sqlite_adopt(void *native, const DbOptions *options, Db **ret_db, Error *err)
{
    sqlite3 *handle = native;
    SqliteDb *s = new_db(options);
    if (!s)
        return error_nomem(err);
    if (!load_library(&s->lib, err)) {
        sqlite_close(&s->db);
        return false;
    }
    if (!s->lib.sqlite3_get_autocommit(handle)) {
        sqlite_close(&s->db); /* knows nothing of the connection yet */
        error_set(err, ERROR_USAGE, "the connection has a transaction open");
        error_hint(err, "Commit it or roll it back before migrating on this connection.");
        return error_code(err, "open-transaction");
    }
    const char *path = s->lib.sqlite3_db_filename(handle, "main");
    s->path = path && *path ? str_z(s->db.arena, str_from(path)) : ":memory:";
    s->handle = handle;
    s->db.is_adopted = true;
    /* A handler of the application's cannot be asked for, so it could not be put back: ours comes in
     * only in place of SQLite's own. Elsewhere statements are tried again from outside. */
    s->adopted_busy_ms = (int)pragma_number(s, "busy_timeout", 0);
    if (s->adopted_busy_ms > 0) {
        s->busy_ms = s->adopted_busy_ms;
        s->lib.sqlite3_busy_handler(handle, on_busy, s);
        s->has_busy_handler = true;
    }
    if (options->cancel) {
        s->lib.sqlite3_progress_handler(handle, OPS_PER_PROGRESS, on_progress, s);
        s->has_progress_handler = true;
    }
    if (s->path)
        read_session(s);
    if (!s->path || !describe(s, err)) {
        sqlite_close(&s->db);
        return error_nomem(err);
    }
    *ret_db = &s->db;
    return true;
}

static void restore_session(SqliteDb *s)
{
    for (size_t i = 0; i < SESSION_PRAGMAS; i++) {
        char sql[80];
        if (s->session[i] < 0 || pragma_number(s, session_pragmas[i], -1) == s->session[i])
            continue;
        snprintf(sql, sizeof sql, "PRAGMA %s=%d", session_pragmas[i], (int)s->session[i]);
        s->lib.sqlite3_exec(s->handle, sql, NULL, NULL, NULL);
    }
}

static void sqlite_close(Db *db)
{
    SqliteDb *s = (SqliteDb *)db;
    /* NOLINTBEGIN(clang-analyzer-core.CallAndMessage): there is no handle without a library */
    if (s->handle && s->db.is_adopted) {
        s->db.options.cancel = NULL;
        if (!s->lib.sqlite3_get_autocommit(s->handle))
            s->lib.sqlite3_exec(s->handle, "ROLLBACK", NULL, NULL, NULL);
        restore_session(s);
        if (s->has_busy_handler)
            s->lib.sqlite3_busy_timeout(s->handle, s->adopted_busy_ms);
        if (s->has_progress_handler)
            s->lib.sqlite3_progress_handler(s->handle, 0, NULL, NULL);
    } else if (s->handle) {
        s->lib.sqlite3_close_v2(s->handle);
    }
    /* NOLINTEND(clang-analyzer-core.CallAndMessage) */
    arena_free(s->db.arena);
}

/* ---- settings ----------------------------------------------------------------------------- */

/* There is no limit on the time of a statement that SQL could set. */
static bool sqlite_timeouts(Db *db, Arena *arena, DbTimeouts timeouts, bool is_local,
                            DbStatementVec *out)
{
    (void)db;
    (void)is_local;
    if (timeouts.lock_ms < 0)
        return true;
    int64_t ms = timeouts.lock_ms == 0 || timeouts.lock_ms > INT_MAX ? INT_MAX : timeouts.lock_ms;
    return db_push_statement(arena, out,
                             str_format(arena, "PRAGMA busy_timeout=%lld", (long long)ms));
}

static bool sqlite_reset_session(Db *db, Arena *arena, DbStatementVec *out)
{
    SqliteDb *s = (SqliteDb *)db;
    for (size_t i = 0; i < SESSION_PRAGMAS; i++)
        if (s->session[i] >= 0 &&
            !db_push_statement(
                arena, out,
                str_format(arena, "PRAGMA %s=%lld", session_pragmas[i], (long long)s->session[i])))
            return false;
    return true;
}

/* ---- the catalog -------------------------------------------------------------------------- */

static Str split_name(Str *name)
{
    Str schema = {0};
    if (str_find_char(*name, '.', 0) != SIZE_MAX)
        *name = str_cut(*name, '.', &schema);
    return schema;
}

/* How often the question, with ?1 to ?3 bound, finds something: its first column. */
static bool count_of(SqliteDb *s, const char *sql, Str first, Str second, Str third,
                     int64_t *ret_count, Error *err)
{
    scoped(Prepared, prepared_done) prepared = {.lib = &s->lib};
    s->was_cancelled = false;
    s->db.round_trips++;
    if (s->lib.sqlite3_prepare_v2(s->handle, sql, -1, &prepared.stmt, NULL) != SQLITE_OK)
        return fail(s, ERROR_SQL, err);
    sqlite3_stmt *stmt = prepared.stmt;
    Str values[] = {first, second, third};
    for (int i = 0; i < 3; i++)
        if (i < s->lib.sqlite3_bind_parameter_count(stmt) &&
            s->lib.sqlite3_bind_text64(stmt, i + 1, values[i].ptr ? values[i].ptr : "",
                                       values[i].len, SQLITE_STATIC, SQLITE_UTF8) != SQLITE_OK)
            return fail(s, ERROR_SQL, err);
    int code = s->lib.sqlite3_step(stmt);
    if (code != SQLITE_ROW && code != SQLITE_DONE)
        return fail(s, ERROR_SQL, err);
    *ret_count = code == SQLITE_ROW ? s->lib.sqlite3_column_int64(stmt, 0) : 0;
    return true;
}

/* Is there such a schema (main, temp, attached)? Its name is put into SQL only when it is. */
static bool has_schema(SqliteDb *s, Str schema, bool *ret_has, Error *err)
{
    int64_t count = 0;
    if (!count_of(s, "SELECT count(*) FROM pragma_database_list WHERE name = ?1 COLLATE NOCASE",
                  schema, (Str){0}, (Str){0}, &count, err))
        return false;
    *ret_has = count > 0;
    return true;
}

static bool sqlite_has_table(Db *db, Str name, bool *ret_has, Error *err)
{
    SqliteDb *s = (SqliteDb *)db;
    Str schema = split_name(&name);
    if (schema.len > 0) {
        bool has;
        if (!has_schema(s, schema, &has, err))
            return false;
        if (!has) {
            *ret_has = false;
            return true;
        }
    }
    /* %w doubles the quotes of an identifier. */
    char *sql =
        schema.len > 0
            ? s->lib.sqlite3_mprintf("SELECT count(*) FROM \"%.*w\".sqlite_master WHERE type "
                                     "IN ('table', 'view') AND name = ?1 COLLATE NOCASE",
                                     (int)schema.len, schema.ptr)
            : s->lib.sqlite3_mprintf("SELECT count(*) FROM sqlite_master WHERE type IN "
                                     "('table', 'view') AND name = ?1 COLLATE NOCASE");
    if (!sql)
        return error_nomem(err);
    int64_t count;
    bool is_good = count_of(s, sql, name, (Str){0}, (Str){0}, &count, err);
    s->lib.sqlite3_free(sql);
    if (!is_good)
        return false;
    *ret_has = count > 0;
    return true;
}

/* A schema that is none finds nothing; an empty one means main and temp. */
static bool probe(Db *db, DbThing thing, Str schema, Str parent, Str name, DbObjectState *ret_state,
                  Error *err)
{
    SqliteDb *s = (SqliteDb *)db;
    const char *types = NULL;
    bool has = true;
    switch ((int)thing) {
    case DB_THING_TABLE:
        types = "type IN ('table', 'view')";
        break;
    case DB_THING_VIEW:
        types = "type = 'view'";
        break;
    case DB_THING_INDEX:
        types = "type = 'index'";
        break;
    case DB_THING_TRIGGER:
        types = "type = 'trigger'";
        break;
    case DB_THING_COLUMN:
        break;
    default:
        return error_set(err, ERROR_UNSUPPORTED, "SQLite's catalog lists no such things");
    }
    if (schema.len > 0 && !has_schema(s, schema, &has, err))
        return false;
    *ret_state = (DbObjectState){0};
    if (!has)
        return true;
    int64_t count;
    bool is_good;
    if (thing == DB_THING_COLUMN) {
        is_good = count_of(
            s,
            schema.len > 0
                ? "SELECT count(*) FROM pragma_table_xinfo(?2, ?3) WHERE name = ?1 COLLATE NOCASE"
                : "SELECT count(*) FROM pragma_table_xinfo(?2) WHERE name = ?1 COLLATE NOCASE",
            name, parent, schema, &count, err);
    } else {
        char *sql =
            schema.len > 0
                ? s->lib.sqlite3_mprintf(
                      "SELECT count(*) FROM \"%.*w\".sqlite_master WHERE %s AND name = "
                      "?1 COLLATE NOCASE",
                      (int)schema.len, schema.ptr, types)
                : s->lib.sqlite3_mprintf(
                      "SELECT count(*) FROM (SELECT * FROM sqlite_master UNION ALL SELECT * FROM "
                      "sqlite_temp_master) WHERE %s AND name = ?1 COLLATE NOCASE",
                      types);
        if (!sql)
            return error_nomem(err);
        is_good = count_of(s, sql, name, (Str){0}, (Str){0}, &count, err);
        s->lib.sqlite3_free(sql);
    }
    if (!is_good)
        return false;
    ret_state->exists = ret_state->is_valid = count > 0;
    return true;
}

static bool sqlite_has_effect(Db *db, Str statement, const SqlInfo *info, bool *ret_is_known,
                              bool *ret_has_run, Error *err)
{
    return db_effect(db, statement, info, probe, ret_is_known, ret_has_run, err);
}

/* Triggers before what they hang on, views before tables, virtual tables before the plain ones that belong to them and go with
 * them ("shadow" tables; SQLite tells them apart from 3.37 on, before that they are known by their names). */
static bool list_drops(SqliteDb *s, Arena *arena, Str schema, DbStatementVec *out, Error *err)
{
    bool has_table_list = s->lib.sqlite3_libversion_number() >= 3037000;
    StrBuf sql = strbuf(arena), master = strbuf(arena);
    Str text, source;
    sql_add_ident(&master, SQL_SQLITE, schema);
    strbuf_adds(&master, ".sqlite_master");
    if (!strbuf_finish(&master, &source))
        return error_nomem(err);
    strbuf_addf(&sql,
                "SELECT upper(m.type), m.name FROM %.*s m WHERE m.type IN ('table', 'view', "
                "'trigger') AND m.name NOT LIKE "
                "'sqlite\\_%%' ESCAPE '\\' AND NOT EXISTS (",
                STR_ARG(source));
    if (has_table_list) {
        strbuf_adds(&sql, "SELECT 1 FROM pragma_table_list l WHERE l.schema = ");
        sql_add_literal(&sql, SQL_SQLITE, schema);
        strbuf_adds(&sql, " COLLATE NOCASE AND l.name = m.name AND l.type = 'shadow'");
    } else {
        strbuf_addf(&sql,
                    "SELECT 1 FROM %.*s v WHERE v.type = 'table' AND v.sql LIKE 'CREATE VIRTUAL%%' "
                    "AND substr(m.name, 1, "
                    "length(v.name) + 1) = v.name || '_'",
                    STR_ARG(source));
    }
    strbuf_adds(&sql, ") ORDER BY CASE m.type WHEN 'trigger' THEN 1 WHEN 'view' THEN 2 ELSE CASE "
                      "WHEN m.sql LIKE 'CREATE "
                      "VIRTUAL%' THEN 3 ELSE 4 END END, m.rowid DESC");
    scoped(DbRows, db_rows_done) rows = {0};
    if (!strbuf_finish(&sql, &text))
        return error_nomem(err);
    if (!db_query(&s->db, text, &rows, err))
        return error_wrap(err, "listing what is to be dropped");
    while (db_rows_next(&rows)) {
        StrBuf drop = strbuf(arena);
        Str whole;
        strbuf_addf(&drop, "DROP %.*s IF EXISTS ", STR_ARG(rows.cols[0].text));
        sql_add_ident(&drop, SQL_SQLITE, schema);
        strbuf_add_char(&drop, '.');
        sql_add_ident(&drop, SQL_SQLITE, rows.cols[1].text);
        if (!strbuf_finish(&drop, &whole) || !vec_push(arena, out, ((DbStatement){.sql = whole})))
            return error_nomem(err);
    }
    return db_rows_finish(&rows, err);
}

static bool sqlite_drop_all(Db *db, Arena *arena, const StrVec *schemas,
                            DbStatementVec *ret_statements, Error *err)
{
    SqliteDb *s = (SqliteDb *)db;
    static const Str main_schema = {"main", 4};
    DbStatementVec statements = {0};
    /* Foreign keys would make every DROP TABLE look for orphans. Within a transaction the pragma does nothing. */
    bool has_keys = pragma_number(s, "foreign_keys", 0) != 0;
    if (has_keys && !db_push_statement(arena, &statements, "PRAGMA foreign_keys=0"))
        return error_nomem(err);
    for (size_t i = 0; i < (schemas->len > 0 ? schemas->len : 1); i++) {
        Str schema = schemas->len > 0 ? schemas->items[i] : main_schema;
        bool has;
        if (!has_schema(s, schema, &has, err) ||
            (has && !list_drops(s, arena, schema, &statements, err)))
            return false;
    }
    if (has_keys && !db_push_statement(arena, &statements, "PRAGMA foreign_keys=1"))
        return error_nomem(err);
    *ret_statements = statements;
    return true;
}

/* ---- the file as a whole ------------------------------------------------------------------- */

static bool sqlite_database_exists(const DbUrl *url, const DbOptions *options, bool *ret_exists,
                                   Error *err)
{
    (void)options;
    if (is_memory_url(url)) {
        *ret_exists = true;
        return true;
    }
    scoped(Arena *, arena_freep) scratch = arena_new();
    char *path = scratch ? str_z(scratch, url->database) : NULL;
    FileInfo info;
    if (!path)
        return error_nomem(err);
    if (!file_info(path, &info, err))
        return false;
    *ret_exists = info.kind != FILE_ABSENT;
    return true;
}

static bool refuse_memory(const DbUrl *url, Error *err)
{
    if (!is_memory_url(url))
        return true;
    return error_set(
        err, ERROR_UNSUPPORTED,
        "a database in memory lives as long as its connection, and cannot be created or "
        "dropped");
}

static bool sqlite_database_create(const DbUrl *url, const DbOptions *options, Error *err)
{
    bool exists;
    if (!refuse_memory(url, err) || !sqlite_database_exists(url, options, &exists, err))
        return false;
    if (exists) {
        error_set(err, ERROR_STATE, "the database file %.*s exists already",
                  STR_ARG(url->database));
        return error_code(err, "database-exists");
    }
    DbOptions creating = *options;
    creating.may_create = true;
    creating.is_read_only = false;
    scoped(Db *, db_closep) db = NULL;
    return sqlite_open(url, &creating, &db, err);
}

static bool remove_file(const char *path, Error *err)
{
    FileInfo info;
    if (!file_info(path, &info, err))
        return false;
    return info.kind == FILE_ABSENT || file_remove(path, err);
}

static bool sqlite_database_drop(const DbUrl *url, const DbOptions *options, Error *err)
{
    scoped(Arena *, arena_freep) scratch = arena_new();
    if (!scratch)
        return error_nomem(err);
    if (!refuse_memory(url, err))
        return false;
    DbOptions writing = *options;
    writing.may_create = false;
    writing.is_read_only = false;
    Db *db = NULL;
    /* Only what is a database is removed, and only when nobody else is at work in it. */
    if (!sqlite_open(url, &writing, &db, err))
        return false;
    bool is_ours = db_exec(db, STR("BEGIN EXCLUSIVE"), err) && db_exec(db, STR("COMMIT"), err);
    db_close(db);
    if (!is_ours)
        return error_wrap(err, "dropping the database");
    /* The file itself goes last: a journal that outlived it would spoil the next file of its name. */
    static const char *const suffixes[] = {"-journal", "-shm", "-wal", ""};
    for (size_t i = 0; i < sizeof suffixes / sizeof *suffixes; i++) {
        char *path = str_format(scratch, "%.*s%s", STR_ARG(url->database), suffixes[i]);
        if (!path)
            return error_nomem(err);
        if (!remove_file(path, err))
            return error_wrap(err, "dropping the database");
    }
    return true;
}

const DbDriver db_driver_sqlite = {
    .version = 1,
    .name = "sqlite",
    .schemes = (const char *const[]){"sqlite", "sqlite3", NULL},
    .dialect = SQL_SQLITE,
    .features = DB_TRANSACTIONAL_DDL | DB_NEST_RUN | DB_FILE_LOCK | DB_BATCH | DB_CREATE_DATABASE |
                DB_LOCK_TIMEOUT | DB_SINGLE_FILE,
    .begin = "BEGIN IMMEDIATE",
    .secret_params = (const char *const[]){NULL},
    .url_check = sqlite_url_check,
    .open = sqlite_open,
    .adopt = sqlite_adopt,
    .close = sqlite_close,
    .run = sqlite_run,
    .query = sqlite_query,
    .rows_next = db_buffer_next,
    .rows_next_result = db_buffer_next_result,
    .rows_done = db_buffer_done,
    .timeouts = sqlite_timeouts,
    .reset_session = sqlite_reset_session,
    .has_table = sqlite_has_table,
    .work = sqlite_work,
    .has_effect = sqlite_has_effect,
    .database_exists = sqlite_database_exists,
    .database_create = sqlite_database_create,
    .database_drop = sqlite_database_drop,
    .drop_all = sqlite_drop_all,
};

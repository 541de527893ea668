/* PostgreSQL behind the driver interface, over libpq in its non-blocking mode.
 *
 * Many statements travel in one simple-query message. The server parses the whole message before it runs any of it, treats
 * what stands outside BEGIN ... COMMIT as one transaction, and skips the rest after an error. db_run() promises more: that
 * all is as if each statement had come alone. So messages are cut where joining would be noticed, see message_end(), and a
 * message that does not parse is sent again up to the statement to blame. SPDX-License-Identifier: Apache-2.0 */
#include "db/driver.h"
#include "db/postgres_catalog.h"

#include <dlfcn.h>
#include <libpq-fe.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#define LIBPQ(X)                                                                                   \
    X(PQconnectStartParams)                                                                        \
    X(PQconnectPoll)                                                                               \
    X(PQconndefaults)                                                                              \
    X(PQconninfoFree)                                                                              \
    X(PQfinish)                                                                                    \
    X(PQstatus)                                                                                    \
    X(PQsocket)                                                                                    \
    X(PQerrorMessage)                                                                              \
    X(PQconnectionNeedsPassword)                                                                   \
    X(PQtransactionStatus)                                                                         \
    X(PQbackendPID)                                                                                \
    X(PQhost)                                                                                      \
    X(PQport)                                                                                      \
    X(PQsetErrorVerbosity)                                                                         \
    X(PQsetNoticeReceiver)                                                                         \
    X(PQsetnonblocking)                                                                            \
    X(PQisnonblocking)                                                                             \
    X(PQsendQuery)                                                                                 \
    X(PQsetSingleRowMode)                                                                          \
    X(PQflush)                                                                                     \
    X(PQconsumeInput)                                                                              \
    X(PQisBusy)                                                                                    \
    X(PQgetResult)                                                                                 \
    X(PQclear)                                                                                     \
    X(PQresultStatus)                                                                              \
    X(PQresultErrorField)                                                                          \
    X(PQresultErrorMessage)                                                                        \
    X(PQcmdStatus)                                                                                 \
    X(PQcmdTuples)                                                                                 \
    X(PQntuples)                                                                                   \
    X(PQnfields)                                                                                   \
    X(PQftype)                                                                                     \
    X(PQgetvalue)                                                                                  \
    X(PQgetlength)                                                                                 \
    X(PQgetisnull)                                                                                 \
    X(PQputCopyData)                                                                               \
    X(PQputCopyEnd)                                                                                \
    X(PQgetCopyData)                                                                               \
    X(PQgetCancel)                                                                                 \
    X(PQcancel)                                                                                    \
    X(PQfreeCancel)                                                                                \
    X(PQfreemem)                                                                                   \
    X(PQunescapeBytea)

/* Types come from libpq-fe.h, so that the compiler still checks every call. */
typedef struct Libpq {
    void *handle;
#define X(name) typeof(name) *name;
    LIBPQ(X)
#undef X
} Libpq;

enum {
    OID_BYTEA = 17,
    DEFAULT_CONNECT_MS = 10000,
    CANCEL_AGAIN_US = 1000000,
    LONGEST_CHECK_MS = 5000,
    GIVE_UP_US = 5000000, /* when the server cannot be told to stop */
};

/* PQcancel() connects to the server and waits for it to hang up, which a network that has gone silent makes a matter of
 * minutes. So it is called in a thread; whoever is the last to need this frees it. */
typedef enum CancelState { CANCEL_PENDING, CANCEL_REACHED, CANCEL_FAILED } CancelState;
typedef struct CancelRequest {
    Arena *arena; /* its own */
    PGcancel *cancel;
    typeof(PQcancel) *call;
    typeof(PQfreeCancel) *free;
    atomic_int state;
    atomic_int users;
} CancelRequest;

typedef struct PgDb {
    Db db;
    Libpq pq;
    PGconn *conn;
    bool is_cancelling;                     /* the server was told to stop the running message */
    bool is_silent;                         /* it did not answer in time */
    bool is_given_up;                       /* ... after it was told to stop */
    int64_t cancelled_at_us, reached_at_us; /* told last; could be told last */
    CancelRequest *request;                 /* under way; NULL: none */
    DbStatementVec session;                 /* after RESET ALL these make the session what it was */
    Str local;          /* the same for one transaction: behind a pool each is told anew */
    size_t local_count; /* statements in it */
    bool was_nonblocking;
    size_t prompts; /* notices of our own that the running message is still to raise, see prompt */
    bool pools_sessions; /* the URL says that a proxy that is there leaves us our session */
    bool is_lively;      /* session says so, too */
    bool notices_gone;   /* the server can look for its client while a statement runs */
} PgDb;

/* ---- the client library ------------------------------------------------------------------- */

static bool find_functions(Libpq *pq, void *library)
{
#define X(name)                                                                                    \
    {                                                                                              \
        void *found = dlsym(library, #name);                                                       \
        if (!found)                                                                                \
            return false;                                                                          \
        memcpy(&pq->name, &found, sizeof found);                                                   \
    }
    LIBPQ(X)
#undef X
    return true;
}

static bool load(Arena *arena, Libpq *pq, const char *client_path, bool is_adopting, Error *err)
{
    static const char soname[] = "libpq.so.5";
    /* A connection that the application made must go on with the very library that made it. */
    if (is_adopting && find_functions(pq, RTLD_DEFAULT))
        return true;
    const char *path = soname;
    if (client_path) {
        FileInfo info;
        if (!file_info(client_path, &info, err))
            return false;
        path = info.kind == FILE_FOLDER ? path_join(arena, client_path, STR(soname)) : client_path;
        if (!path)
            return error_nomem(err);
    }
    /* Never unloaded: the libraries that it brings along register functions for the end of the process. */
    pq->handle = dlopen(path, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    if (pq->handle && find_functions(pq, pq->handle))
        return true;
    const char *reason = dlerror();
    error_set(err, ERROR_CONNECT, "the PostgreSQL client library %s cannot be loaded", path);
    error_detail(err, "%s", reason ? reason : "it lacks a function");
    error_hint(err, "Install it (Debian, Ubuntu: apt install libpq5; Fedora: dnf install libpq; "
                    "Alpine: apk add libpq).");
    return error_code(err, "client-missing");
}

/* ---- errors ------------------------------------------------------------------------------- */

/* What is known about a SQLSTATE beyond what the server says. */
static const struct {
    const char *sqlstate;
    ErrorKind kind; /* ERROR_NONE: as the caller says */
    const char *code, *hint;
} known_states[] = {
    {"55P03", ERROR_TIMEOUT, "lock-timeout", NULL},
    {"40P01", ERROR_TIMEOUT, "deadlock", NULL},
    {"40001", ERROR_TIMEOUT, "serialization", NULL},
    {"42501", ERROR_NONE, "no-privilege",
     "Run whimbrel as the object's owner, or have the privilege granted to this user."},
    {"25006", ERROR_NONE, "read-only",
     "Connect to the primary server, with a user whose sessions may write."},
    {"53100", ERROR_NONE, "disk-full",
     "Make room on the server's disk, then run the command again."},
    {"53300", ERROR_CONNECT, "too-many-connections",
     "Close other connections, or raise max_connections on the server."},
    {"28P01", ERROR_CONNECT, "wrong-password",
     "Check the user and the password in the database URL, in PGPASSWORD or in ~/.pgpass."},
    {"28000", ERROR_CONNECT, "access-refused",
     "Check the user in the database URL, and what the server's pg_hba.conf asks of it."},
    {"3D000", ERROR_NONE, "database-absent", "Create it: whimbrel database create."},
    {"57P03", ERROR_CONNECT, "connect-refused",
     "The server is starting up or shutting down; try again in a moment."},
};

static void explain_state(Error *err, bool is_connecting)
{
    for (size_t i = 0; i < sizeof known_states / sizeof *known_states; i++) {
        if (strcmp(err->sqlstate, known_states[i].sqlstate) != 0)
            continue;
        if (known_states[i].kind != ERROR_NONE)
            err->kind = known_states[i].kind;
        if (known_states[i].hint && !err->hint)
            error_hint(err, "%s", known_states[i].hint);
        error_code(err, known_states[i].code);
    }
    if (!is_connecting && strcmp(err->sqlstate, "57014") == 0) {
        /* Only the text tells statement_timeout from pg_cancel_backend(). */
        bool is_asked = err->message && strstr(err->message, "user request");
        err->kind = is_asked ? ERROR_SQL : ERROR_TIMEOUT;
        error_code(err, is_asked ? "cancelled-by-server" : "statement-timeout");
    }
}

static bool fill_from_result(PgDb *s, const PGresult *result, ErrorKind kind, Error *err)
{
    const char *state = s->pq.PQresultErrorField(result, PG_DIAG_SQLSTATE);
    const char *message = s->pq.PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
    const char *detail = s->pq.PQresultErrorField(result, PG_DIAG_MESSAGE_DETAIL);
    const char *hint = s->pq.PQresultErrorField(result, PG_DIAG_MESSAGE_HINT);
    const char *context = s->pq.PQresultErrorField(result, PG_DIAG_CONTEXT);
    Str text = str_trim(str_from(message ? message : s->pq.PQresultErrorMessage(result)));
    error_set(err, kind, "%.*s",
              STR_ARG(text.len > 0 ? text : STR("the server reported an error")));
    if (!err)
        return false;
    if (detail && context)
        error_detail(err, "%s\n%s", detail, context);
    else if (detail || context)
        error_detail(err, "%s", detail ? detail : context);
    err->server_hint = db_error_text(err, str_from(hint));
    if (state && strlen(state) == 5)
        memcpy(err->sqlstate, state, 6);
    explain_state(err, false);
    return false;
}

/* The connection broke: err may hold what the server said last. */
static bool connection_lost(PgDb *s, Error *err)
{
    s->db.is_broken = true;
    s->db.is_in_transaction = false;
    if (err && err->kind == ERROR_NONE) {
        Str text = s->is_silent ? STR("it did not answer in time")
                                : str_trim(str_from(s->pq.PQerrorMessage(s->conn)));
        Str first;
        str_cut(text, '\n', &first);
        error_set(err, ERROR_CONNECT, "the connection to the database was lost: %.*s",
                  STR_ARG(first.len > 0 ? first : STR("the server closed it")));
    } else if (err) {
        const Error said = *err;
        error_set(err, ERROR_CONNECT, "the connection to the database was lost: %s", said.message);
        err->detail = said.detail;
        memcpy(err->sqlstate, said.sqlstate, sizeof said.sqlstate);
    }
    error_hint(err, "See that the server runs and can be reached, then run whimbrel status.");
    return error_code(err, "connection-lost");
}

/* ---- messages ------------------------------------------------------------------------------ */

static void request_drop(CancelRequest *request)
{
    if (!request || atomic_fetch_sub(&request->users, 1) > 1)
        return;
    request->free(request->cancel);
    arena_free(request->arena);
}

static void *request_send(void *ctx)
{
    CancelRequest *request = ctx;
    char reason[256];
    int is_sent = request->call(request->cancel, reason, sizeof reason);
    atomic_store(&request->state, is_sent ? CANCEL_REACHED : CANCEL_FAILED);
    request_drop(request);
    return NULL;
}

/* NULL: there was no memory or no thread for it. */
static CancelRequest *request_new(PgDb *s)
{
    Arena *arena = arena_new();
    CancelRequest *request = arena ? arena_alloc(arena, sizeof *request) : NULL;
    PGcancel *cancel = request ? s->pq.PQgetCancel(s->conn) : NULL;
    if (!cancel) {
        arena_free(arena);
        return NULL;
    }
    request->arena = arena;
    request->cancel = cancel;
    request->call = s->pq.PQcancel;
    request->free = s->pq.PQfreeCancel;
    atomic_init(&request->state, CANCEL_PENDING);
    atomic_init(&request->users, 2);
    pthread_t thread;
    if (thread_begin(&thread, request_send, request) != 0) {
        atomic_store(&request->users, 1);
        request_drop(request);
        return NULL;
    }
    pthread_detach(thread);
    return request;
}

/* Tells the server to stop the running message, again every second: a request may come between two statements, when none
 * runs, and is lost then. As long as it can be told, its answer is waited for; false: it cannot be reached any more. */
static bool ask_to_cancel(PgDb *s)
{
    int64_t now = clock_monotonic_us();
    if (!s->is_cancelling) {
        s->is_cancelling = true;
        s->reached_at_us = now;
        s->cancelled_at_us = now - CANCEL_AGAIN_US;
    }
    int state = s->request ? atomic_load(&s->request->state) : CANCEL_FAILED;
    if (state == CANCEL_REACHED)
        s->reached_at_us = now;
    if (now - s->reached_at_us > GIVE_UP_US) {
        s->is_silent = s->is_given_up = true;
        return false;
    }
    if (state == CANCEL_PENDING || now - s->cancelled_at_us < CANCEL_AGAIN_US)
        return true;
    request_drop(s->request);
    s->cancelled_at_us = now;
    s->request = request_new(s);
    return true;
}

/* The message is over. A request that is still on its way would hit what is sent next, so its end is waited for, if not for
 * long. Returns whether there was a wish to stop. */
static bool end_cancel(PgDb *s)
{
    enum { SLICE_MS = 2, SLICES = 500 };
    bool was_asked = s->is_cancelling;
    s->is_cancelling = false;
    for (int i = 0; i < SLICES && s->request && !s->is_silent &&
                    atomic_load(&s->request->state) == CANCEL_PENDING;
         i++)
        (void)poll(NULL, 0, SLICE_MS);
    request_drop(s->request);
    s->request = NULL;
    return was_asked;
}

/* Waits until the socket has something; looks after the caller's wish to stop. False: the server's time is over. */
static bool wait_for_server(PgDb *s, short events)
{
    const DbCancel *cancel = s->is_cancelling ? NULL : s->db.options.cancel;
    switch (db_wait(cancel, s->pq.PQsocket(s->conn), events, &s->db.silence)) {
    case DB_WAIT_READY:
        db_silence_begin(&s->db);
        break;
    case DB_WAIT_TICK:
        if (!s->is_cancelling)
            db_silence_tick(&s->db);
        break;
    case DB_WAIT_CANCEL:
        return ask_to_cancel(s);
    case DB_WAIT_DEADLINE:
        s->is_silent = true;
        return false;
    }
    return !s->is_cancelling || ask_to_cancel(s);
}

/* Sends what is left to send, reading meanwhile; false when the connection is gone. */
static bool flush(PgDb *s)
{
    for (;;) {
        int left = s->pq.PQflush(s->conn);
        if (left == 0)
            return true;
        if (left < 0)
            return false;
        if (!wait_for_server(s, POLLIN | POLLOUT) || !s->pq.PQconsumeInput(s->conn))
            return false;
    }
}

static bool is_connected(PgDb *s)
{
    return !s->is_silent && s->pq.PQstatus(s->conn) == CONNECTION_OK;
}

/* The next result, or NULL at the end of the message. A lost connection shows as an error result, or, where the server has
 * fallen silent, as none. */
static PGresult *next_result(PgDb *s)
{
    if (flush(s))
        while (s->pq.PQisBusy(s->conn))
            if (!wait_for_server(s, POLLIN) || !s->pq.PQconsumeInput(s->conn))
                break;
    return s->is_silent ? NULL : s->pq.PQgetResult(s->conn);
}

static bool send_text(PgDb *s, Str text, Error *err)
{
    s->is_cancelling = false;
    if (db_cancel_requested(s->db.options.cancel))
        return db_error_cancelled(err);
    s->db.round_trips++;
    db_silence_begin(&s->db);
    if (s->pq.PQsendQuery(s->conn, text.ptr))
        return true;
    if (s->pq.PQstatus(s->conn) != CONNECTION_OK)
        return connection_lost(s, err);
    Str reason = str_trim(str_from(s->pq.PQerrorMessage(s->conn)));
    return error_set(err, ERROR_SQL, "the statement could not be sent: %.*s", STR_ARG(reason));
}

static void note_transaction(PgDb *s)
{
    PGTransactionStatusType status = s->pq.PQtransactionStatus(s->conn);
    s->db.is_in_transaction = status == PQTRANS_INTRANS || status == PQTRANS_INERROR;
}

/* Bytes in front of the nth character (from 1) of a UTF-8 text; -1 when there are fewer. */
static int64_t byte_offset(Str text, int64_t nth)
{
    size_t at = 0;
    for (int64_t i = 1; i < nth; i++) {
        if (at >= text.len)
            return -1;
        at++;
        while (at < text.len && ((unsigned char)text.ptr[at] & 0xC0) == 0x80)
            at++;
    }
    return (int64_t)at;
}

static int64_t error_position(PgDb *s, const PGresult *result, Str text)
{
    const char *position = s->pq.PQresultErrorField(result, PG_DIAG_STATEMENT_POSITION);
    int64_t nth;
    if (!position || !str_to_i64(str_from(position), &nth) || nth < 1)
        return -1;
    return byte_offset(text, nth);
}

/* Data for COPY FROM STDIN. An error of the source is told to the server, which then fails the statement. */
static void feed_copy(PgDb *s, const DbStatement *statement, Error *source_err)
{
    const char *refusal = "no data was given for COPY FROM STDIN";
    bool is_good = statement && statement->copy_data != NULL;
    while (is_good) {
        Str piece = {0};
        if (s->is_cancelling || db_cancel_requested(s->db.options.cancel)) {
            /* The refusal ends the statement; only if that is of no avail is the server told by another way. */
            if (!s->is_cancelling)
                s->cancelled_at_us = s->reached_at_us = clock_monotonic_us();
            s->is_cancelling = true;
            refusal = "cancelled";
            is_good = false;
            break;
        }
        if (!statement->copy_data(statement->copy_ctx, &piece, source_err)) {
            refusal = "the source of the data failed";
            is_good = false;
            break;
        }
        if (piece.len == 0)
            break;
        for (size_t at = 0; at < piece.len;) {
            size_t len = piece.len - at < INT_MAX ? piece.len - at : INT_MAX;
            int sent = s->pq.PQputCopyData(s->conn, piece.ptr + at, (int)len);
            if (sent < 0)
                return; /* the result that follows tells why */
            if (sent > 0)
                at += len;
            if (!flush(s))
                return;
        }
    }
    while (s->pq.PQputCopyEnd(s->conn, is_good ? NULL : refusal) == 0)
        if (!flush(s))
            return;
}

static void drop_copy(PgDb *s)
{
    char *row;
    for (;;) {
        int len = s->pq.PQgetCopyData(s->conn, &row, 1);
        if (len < 0)
            return;
        if (len > 0) {
            s->pq.PQfreemem(row);
            continue;
        }
        if (!wait_for_server(s, POLLIN) || !s->pq.PQconsumeInput(s->conn))
            return;
    }
}

/* ---- running ------------------------------------------------------------------------------ */

/* What a statement means for where a message may end. */
typedef enum Role {
    ROLE_OTHER,
    ROLE_BEGIN, /* opens a transaction block */
    ROLE_END,   /* closes it */
    ROLE_CHAIN, /* closes it and opens the next */
    ROLE_SET,   /* a setting of the session, or a statement that joins */
    ROLE_MANY,  /* none, or several statements in one text */
} Role;

typedef struct Part {
    Role role;
    bool may_last;    /* long enough to be watched */
    bool is_prompted; /* prompt stands in front of it in the message */
    size_t pieces;    /* statements that the server will see in it */
} Part;

/* The server keeps its answers until the message is over, or until 8 kB have come together; only a notice takes along what
 * has gathered. So this one is raised, and kept to ourselves, in front of whatever may last: nobody would otherwise learn
 * before its end what has run and what is running. It needs no table, and is done within microseconds; as a call, not as a literal of
 * that type, which server and client would look for in the message to say where it stands. */
static const char prompt[] = "SELECT pg_catalog.tsqueryin('')";
enum { LAST_PROMPT_BYTES = 128 * 1024 };
static const char prompt_function[] = "parse_tsquery";

static Role role_of(Db *db, Str sql)
{
    static const char *const openers[] = {"BEGIN", "START"};
    static const char *const settings[] = {"SET", "RESET"};
    SqlSplitOptions options = db_split_options(db, NULL);
    SqlLexer lexer = sql_lexer(sql, &options);
    SqlToken token;
    if (!sql_lexer_next(&lexer, &token))
        return ROLE_MANY;
    for (size_t i = 0; i < 2; i++) {
        if (sql_token_is(&token, openers[i]))
            return ROLE_BEGIN;
        if (sql_token_is(&token, settings[i]))
            return ROLE_SET;
    }
    bool is_prepare = sql_token_is(&token, "PREPARE");
    if (is_prepare)
        return sql_lexer_next(&lexer, &token) && sql_token_is(&token, "TRANSACTION") ? ROLE_END
                                                                                     : ROLE_OTHER;
    if (!sql_token_is(&token, "COMMIT") && !sql_token_is(&token, "END") &&
        !sql_token_is(&token, "ROLLBACK") && !sql_token_is(&token, "ABORT"))
        return ROLE_OTHER;
    bool is_no = false;
    while (sql_lexer_next(&lexer, &token)) {
        if (sql_token_is(&token, "TO") || sql_token_is(&token, "PREPARED"))
            return ROLE_OTHER; /* ROLLBACK TO SAVEPOINT stays in the block; COMMIT PREPARED must stand alone */
        if (sql_token_is(&token, "NO"))
            is_no = true;
        if (sql_token_is(&token, "CHAIN") && !is_no)
            return ROLE_CHAIN;
    }
    return ROLE_END;
}

/* Work on rows that are there already, or code of the user's. LOCK is none: in front of it no snapshot may be taken. */
static bool may_last(Db *db, Str sql)
{
    static const char *const working[] = {"ALTER",   "UPDATE",   "DELETE",   "SELECT",  "WITH",
                                          "DO",      "CALL",     "REFRESH",  "CLUSTER", "REINDEX",
                                          "VACUUM",  "ANALYZE",  "TRUNCATE", "DROP",    "MERGE",
                                          "EXECUTE", "VALIDATE", "COPY",     "IMPORT"};
    enum { FAR_ENOUGH = 256 };
    SqlSplitOptions options = db_split_options(db, NULL);
    SqlLexer lexer = sql_lexer(sql, &options);
    SqlToken token;
    if (!sql_lexer_next(&lexer, &token))
        return false;
    for (size_t i = 0; i < sizeof working / sizeof *working; i++)
        if (sql_token_is(&token, working[i]))
            return true;
    bool is_create = sql_token_is(&token, "CREATE");
    if (!is_create && !sql_token_is(&token, "INSERT"))
        return false;
    for (int i = 0; i < FAR_ENOUGH && sql_lexer_next(&lexer, &token); i++) {
        if (is_create && i < 2 &&
            (sql_token_is(&token, "INDEX") || sql_token_is(&token, "MATERIALIZED")))
            return true;
        if (i == 0 && is_create && !sql_token_is(&token, "TABLE") &&
            !sql_token_is(&token, "UNIQUE") && !sql_token_is(&token, "UNLOGGED") &&
            !sql_token_is(&token, "TEMP") && !sql_token_is(&token, "TEMPORARY"))
            return false;
        if (sql_token_is(&token, "SELECT"))
            return true;
        if (!is_create && sql_token_is(&token, "VALUES"))
            return false;
    }
    return false;
}

/* Behind a pool of transactions the next one may be in another session, which knows nothing of the URL's settings, and
 * what is set for the session is left to others. */
static bool tells_each(const PgDb *s)
{
    return s->db.info.is_pooled && s->local_count > 0;
}

static bool look_at(Db *db, Arena *scratch, const DbStatement *statement, Part *ret_part)
{
    Str sql = statement->sql;
    *ret_part = (Part){.role = ROLE_SET, .pieces = 1};
    if (statement->joins)
        return true;
    ret_part->role = role_of(db, sql);
    ret_part->may_last = !statement->is_brief && may_last(db, sql);
    ret_part->pieces = ret_part->role == ROLE_MANY ? 0 : 1;
    if (ret_part->role == ROLE_BEGIN && tells_each((PgDb *)db))
        ret_part->pieces += ((PgDb *)db)->local_count;
    if (str_find_char(sql, ';', 0) == SIZE_MAX)
        return true;
    Error ignored = {.arena = scratch};
    SqlStatementVec statements = {0};
    SqlSplitOptions options = db_split_options(db, NULL);
    /* What cannot be split the server will not take either. */
    if (sql_split(scratch, &options, sql, &statements, &ignored)) {
        ret_part->pieces = statements.len;
        if (statements.len != 1)
            ret_part->role = ROLE_MANY;
    }
    return ignored.kind != ERROR_NOMEM;
}

/* Where the message that begins with statement from ends. Within a transaction block everything joins. Outside, joined
 * statements would become one transaction: only settings, and what closes or opens a block, stand together without anybody
 * noticing (a setting is then undone if the very first block behind it fails, as it would be inside it). Where the message
 * begins inside a block, it ends with the block: a syntax error behind it would otherwise keep it from being closed. */
static size_t message_end(const Part *parts, size_t from, size_t count, bool is_in_block)
{
    bool began_inside = is_in_block;
    for (size_t i = from; i < count; i++) {
        Role role = parts[i].role;
        if (role == ROLE_MANY)
            return i == from ? i + 1 : i;
        bool was_in_block = is_in_block;
        if (role == ROLE_BEGIN || role == ROLE_CHAIN)
            is_in_block = role == ROLE_BEGIN || is_in_block;
        else if (role == ROLE_END)
            is_in_block = false;
        if (i + 1 == count)
            break;
        if (began_inside && was_in_block && (role == ROLE_END || role == ROLE_CHAIN))
            return i + 1;
        if (is_in_block)
            continue;
        Role next = parts[i + 1].role;
        bool is_quiet = role == ROLE_END || role == ROLE_SET;
        bool is_next_quiet = next == ROLE_BEGIN || next == ROLE_SET;
        if (!is_quiet || !is_next_quiet)
            return i + 1;
    }
    return count;
}

typedef struct Run {
    const DbStatement *statements;
    Part *parts;
    size_t *starts; /* where each statement begins in the message */
    size_t at;      /* the statement under way */
    size_t pieces;  /* of it that are done */
    size_t tags;    /* results of this message */
    void (*progress)(void *ctx, size_t completed);
    void *ctx;
    DbOutcome *outcome;
} Run;

static void complete_one(Run *run)
{
    run->at++;
    run->pieces = 0;
    run->outcome->completed = run->at;
    if (run->progress)
        run->progress(run->ctx, run->at);
}

static void count_tag(PgDb *s, Run *run, PGresult *result, size_t to)
{
    int64_t rows;
    run->tags++;
    run->pieces++;
    run->outcome->rows = str_to_i64(str_from(s->pq.PQcmdTuples(result)), &rows) ? rows : -1;
    while (run->at < to &&
           run->pieces >= run->parts[run->at].pieces + run->parts[run->at].is_prompted)
        complete_one(run);
}

/* Others that speak PostgreSQL's protocol answer as they go, or do not know that type. */
static bool answers_late(const PgDb *s)
{
    const char *title = s->db.info.engine_title;
    return title && (strcmp(title, "PostgreSQL") == 0 || strcmp(title, "EDB Postgres") == 0);
}

static size_t statement_at(const Run *run, size_t from, size_t to, int64_t offset)
{
    size_t k = from;
    while (k + 1 < to && run->starts[k + 1] <= (size_t)offset)
        k++;
    return k;
}

static char *append(char *at, Str text)
{
    if (text.len > 0)
        memcpy(at, text.ptr, text.len);
    return at + text.len;
}

/* With the prompts in front of those that may last; in memory of just the right size, for a message may be long. */
static bool join_statements(PgDb *s, Run *run, Arena *scratch, size_t from, size_t to,
                            Str *ret_text)
{
    static const char separator[] = "\n;\n"; /* the first line feed ends a comment */
    bool may_prompt = run->progress && answers_late(s);
    size_t size = 1;
    for (size_t i = from; i < to; i++) {
        /* Each costs as much as a small statement, and a notice: the many of a long message would be felt. */
        run->parts[i].is_prompted =
            may_prompt && i > from && run->parts[i].may_last && size < LAST_PROMPT_BYTES;
        size += run->statements[i].sql.len + sizeof separator;
        size += run->parts[i].is_prompted ? sizeof prompt + sizeof separator : 0;
        size +=
            run->parts[i].role == ROLE_BEGIN && tells_each(s) ? s->local.len + sizeof separator : 0;
    }
    char *text = arena_alloc_raw(scratch, size), *at = text;
    if (!text)
        return false;
    s->prompts = 0;
    for (size_t i = from; i < to; i++) {
        if (i > from)
            at = append(at, str_from(separator));
        if (run->parts[i].is_prompted) {
            at = append(append(at, str_from(prompt)), str_from(separator));
            s->prompts++;
        }
        run->starts[i] = (size_t)(at - text);
        at = append(at, run->statements[i].sql);
        if (run->parts[i].role == ROLE_BEGIN && tells_each(s))
            at = append(append(at, str_from(separator)), s->local);
    }
    *at = '\0';
    *ret_text = (Str){text, (size_t)(at - text)};
    return true;
}

/* libpq has a copy of the message: ours goes, which may be long, before the answer is waited for. */
static bool send_statements(PgDb *s, Run *run, size_t from, size_t to, Error *err)
{
    scoped(Arena *, arena_freep) own = arena_new();
    Str text;
    if (!own || !join_statements(s, run, own, from, to, &text))
        return error_nomem(err);
    return send_text(s, text, err);
}

/* Finds the statement to which the server's position leads, or SIZE_MAX, and where in it. */
static size_t blame(PgDb *s, Run *run, const PGresult *result, size_t from, size_t to)
{
    scoped(Arena *, arena_freep) own = arena_new();
    size_t prompts = s->prompts; /* those that are still to come */
    Str text;
    bool is_joined = own && join_statements(s, run, own, from, to, &text);
    s->prompts = prompts;
    int64_t position = is_joined ? error_position(s, result, text) : -1;
    if (position < 0)
        return SIZE_MAX;
    size_t blamed = statement_at(run, from, to, position);
    run->outcome->error_offset = position - (int64_t)run->starts[blamed];
    return blamed;
}

/* One message, statements [from, to). ret_blamed: the statement to which the server's position leads, or SIZE_MAX. */
static bool run_message(PgDb *s, Run *run, Arena *scratch, size_t from, size_t to,
                        size_t *ret_blamed, Error *err)
{
    run->at = from;
    run->pieces = run->tags = 0;
    run->outcome->completed = from;
    *ret_blamed = SIZE_MAX;
    if (!send_statements(s, run, from, to, err))
        return false;
    s->pq.PQsetSingleRowMode(
        s->conn); /* rows are thrown away one by one instead of being gathered */

    Error source_err = {.arena = scratch};
    Error failure = {.arena = err ? err->arena : scratch};
    PGresult *result;
    while (!s->db.is_broken && (result = next_result(s)) != NULL) {
        /* As a number: newer libraries know results that older headers do not name, all of modes not in use here. */
        switch ((int)s->pq.PQresultStatus(result)) {
        case PGRES_COMMAND_OK:
        case PGRES_TUPLES_OK:
            /* A rule's additional SELECT gives a result without a tag: it is no statement of ours. */
            if (s->pq.PQcmdStatus(result)[0])
                count_tag(s, run, result, to);
            break;
        case PGRES_EMPTY_QUERY:
        case PGRES_SINGLE_TUPLE:
            break;
        case PGRES_COPY_IN:
            feed_copy(s, run->at < to ? &run->statements[run->at] : NULL, &source_err);
            break;
        case PGRES_COPY_OUT:
            drop_copy(s);
            break;
        default: /* errors */
            if (failure.kind != ERROR_NONE)
                break;
            fill_from_result(s, result, ERROR_SQL, &failure);
            *ret_blamed = blame(s, run, result, from, to);
            break;
        }
        s->pq.PQclear(result);
        if (!is_connected(s))
            break;
    }
    bool was_asked = end_cancel(s);
    if (!is_connected(s)) {
        run->outcome->is_fate_unknown = true;
        if (err)
            *err = failure;
        connection_lost(s, err);
        return s->is_given_up ? db_error_given_up(err) : false;
    }
    note_transaction(s);
    if (failure.kind == ERROR_NONE) {
        while (run->at < to) /* whatever the count says: there was no error */
            complete_one(run);
        return true;
    }
    if (source_err.kind != ERROR_NONE)
        return db_error_copy(err, &source_err);
    if (was_asked && (strcmp(failure.sqlstate, "57014") == 0))
        return db_error_cancelled(err);
    if (err)
        *err = failure;
    return false;
}

/* Errors that the server may raise while it parses the whole message, without a position. */
static bool is_from_parsing(const Error *err)
{
    static const char *const states[] = {"42601", "22021", "22025", "22P05", "54001", "53200"};
    for (size_t i = 0; err && i < sizeof states / sizeof *states; i++)
        if (strcmp(err->sqlstate, states[i]) == 0)
            return true;
    return false;
}

/* The statement for which the server refuses the message's encoding: it gives no position. */
static size_t not_utf8(const DbStatement *statements, size_t from, size_t to)
{
    for (size_t i = from; i < to; i++)
        if (!str_is_utf8(statements[i].sql, NULL))
            return i;
    return SIZE_MAX;
}

static bool pg_run(Db *db, const DbStatement *statements, size_t count,
                   void (*progress)(void *ctx, size_t completed), void *ctx, DbOutcome *ret_outcome,
                   Error *err)
{
    PgDb *s = (PgDb *)db;
    scoped(Arena *, arena_freep) arena = arena_new();
    scoped(Arena *, arena_freep) scratch = arena_new();
    if (!arena || !scratch)
        return error_nomem(err);
    Run run = {
        .statements = statements,
        .parts = arena_alloc(arena, count * sizeof(Part)),
        .starts = arena_alloc(arena, count * sizeof(size_t)),
        .progress = progress,
        .ctx = ctx,
        .outcome = ret_outcome,
    };
    if (!run.parts || !run.starts)
        return error_nomem(err);
    for (size_t i = 0; i < count; i++) {
        if (str_find_char(statements[i].sql, '\0', 0) != SIZE_MAX) {
            ret_outcome->completed = 0;
            return error_set(err, ERROR_PARSE, "statement %zu holds a NUL byte", i + 1);
        }
        if (!look_at(db, scratch, &statements[i], &run.parts[i]))
            return error_nomem(err);
        arena_reset(scratch);
    }

    size_t alone_until = 0; /* statements in front of this one are sent one by one */
    size_t stop = count;    /* a message ends here at the latest */
    Error local = {.arena = arena};
    Error *failure =
        err ? err : &local; /* the SQLSTATE is needed even if the caller does not want it */
    for (size_t from = 0; from < count;) {
        bool was_in_block = db->is_in_transaction;
        size_t to =
            from < alone_until ? from + 1 : message_end(run.parts, from, count, was_in_block);
        if (from < stop && to > stop)
            to = stop;
        size_t blamed = SIZE_MAX;
        arena_reset(scratch);
        if (run_message(s, &run, scratch, from, to, &blamed, failure)) {
            from = to;
            continue;
        }
        if (db->is_broken || failure->kind == ERROR_CANCELLED || run.tags > 0 || to == from + 1 ||
            failure->sqlstate[0] == '\0')
            return false;
        if (blamed == SIZE_MAX)
            blamed = not_utf8(statements, from, to);
        if (blamed != SIZE_MAX && blamed > from) {
            /* It does not parse, so nothing of it ran: the statements in front of the one to blame are sent first, then it alone,
             * so that the session ends up as after any other failure of it. */
            if (was_in_block) {
                /* The error has undone the block already. To the caller it is all the same. */
                ret_outcome->completed = blamed;
                return false;
            }
            stop = blamed;
            alone_until = from;
        } else if (blamed == SIZE_MAX && !was_in_block && is_from_parsing(failure)) {
            alone_until = to;
        } else {
            return false;
        }
        error_clear(failure);
        ret_outcome->error_offset = -1;
        ret_outcome->completed = from;
    }
    return true;
}

/* ---- rows --------------------------------------------------------------------------------- */

static bool copy_bytea(PgDb *s, DbBuffer *buffer, const char *written, size_t len)
{
    if (len >= 2 && written[0] == '\\' && written[1] == 'x') {
        scoped(Arena *, arena_freep) scratch = arena_new();
        Str decoded;
        return scratch && hex_decode(scratch, (Str){written + 2, len - 2}, &decoded) &&
               db_buffer_add(buffer, decoded, false);
    }
    size_t bytes_len = 0;
    unsigned char *bytes = s->pq.PQunescapeBytea((const unsigned char *)written, &bytes_len);
    bool is_good = bytes && db_buffer_add(buffer, (Str){(const char *)bytes, bytes_len}, false);
    s->pq.PQfreemem(bytes);
    return is_good;
}

/* Adds the result's rows to the last result of the buffer. */
static bool copy_rows(PgDb *s, const PGresult *result, DbBuffer *buffer)
{
    int rows = s->pq.PQntuples(result), cols = s->pq.PQnfields(result);
    for (int row = 0; row < rows; row++) {
        for (int col = 0; col < cols; col++) {
            const char *text = s->pq.PQgetvalue(result, row, col);
            size_t len = (size_t)s->pq.PQgetlength(result, row, col);
            bool is_null = s->pq.PQgetisnull(result, row, col);
            if (!(!is_null && s->pq.PQftype(result, col) == OID_BYTEA
                      ? copy_bytea(s, buffer, text, len)
                      : db_buffer_add(buffer, (Str){text, len}, is_null)))
                return false;
        }
        db_buffer_row(buffer);
    }
    return true;
}

/* What stands for a character in COPY's text, behind a backslash. */
static char unescaped(char c)
{
    static const char from[] = "bfnrtv", to[] = "\b\f\n\r\t\v";
    const char *found = c ? strchr(from, c) : NULL;
    return found ? to[found - from] : c;
}

/* One line of COPY's text: values between tabs, \N for NULL. Undone in place. */
static bool copy_line(DbBuffer *buffer, char *line, size_t len, size_t cols)
{
    char *at = line, *end = line + len;
    if (end > line && end[-1] == '\n')
        end--;
    for (size_t col = 0; col < cols; col++) {
        char *value = at;
        bool is_null =
            end - at >= 2 && at[0] == '\\' && at[1] == 'N' && (end - at == 2 || at[2] == '\t');
        while (at < end && *at != '\t' && *at != '\\')
            at++;
        char *to = at;
        while (at < end && *at != '\t') {
            if (*at == '\\' && at + 1 < end)
                *to++ = unescaped(*++at);
            else
                *to++ = *at;
            at++;
        }
        if (!db_buffer_add(buffer, is_null ? (Str){0} : (Str){value, (size_t)(to - value)},
                           is_null))
            return false;
        at += at < end;
    }
    db_buffer_row(buffer);
    return true;
}

/* What libpq hands out one by one: rows, then the end of their statement, which has a result even without rows. */
typedef struct Gathering {
    DbBuffer *buffer;
    bool is_open;   /* the buffer's last result is still to be completed */
    size_t results; /* those that are complete */
} Gathering;

static bool gather(PgDb *s, Gathering *g, PGresult *result)
{
    bool is_row = s->pq.PQresultStatus(result) == PGRES_SINGLE_TUPLE;
    if (!is_row && !g->is_open && !s->pq.PQcmdStatus(result)[0])
        return true;
    if (!g->is_open && !db_buffer_begin(g->buffer, (size_t)s->pq.PQnfields(result)))
        return false;
    g->is_open = is_row;
    if (!is_row)
        g->results = g->buffer->results.len;
    return copy_rows(s, result, g->buffer);
}

/* The rows of a COPY TO STDOUT. False when memory is out; all is taken from the connection in any case. */
static bool gather_copy(PgDb *s, Gathering *g, const PGresult *result, bool is_wanted)
{
    size_t cols = (size_t)s->pq.PQnfields(result);
    bool is_good = !is_wanted || db_buffer_begin(g->buffer, cols);
    g->is_open = is_wanted && is_good;
    for (;;) {
        char *line;
        int len = s->pq.PQgetCopyData(s->conn, &line, 1);
        if (len < 0)
            return is_good;
        if (len > 0) {
            is_good = is_good && (!is_wanted || copy_line(g->buffer, line, (size_t)len, cols));
            s->pq.PQfreemem(line);
            continue;
        }
        if (!wait_for_server(s, POLLIN) || !s->pq.PQconsumeInput(s->conn))
            return is_good;
    }
}

static bool pg_query(Db *db, Str sql, DbRows *ret_rows, Error *err)
{
    PgDb *s = (PgDb *)db;
    scoped(DbBuffer *, db_buffer_freep) buffer = db_buffer_new();
    scoped(Arena *, arena_freep) scratch = arena_new();
    if (!buffer || !scratch)
        return error_nomem(err);
    if (str_find_char(sql, '\0', 0) != SIZE_MAX)
        return error_set(err, ERROR_PARSE, "the statement holds a NUL byte");
    StrBuf whole = strbuf(scratch);
    Str text;
    size_t own = 0; /* results that are not the caller's */
    if (tells_each(s) && !db->is_in_transaction) {
        strbuf_add(&whole, s->local);
        strbuf_adds(&whole, ";\n");
        own = s->local_count;
    }
    strbuf_add(&whole, sql);
    if (!strbuf_finish(&whole, &text))
        return error_nomem(err);
    if (!send_text(s, text, err))
        return false;
    /* Else libpq would hold all rows a second time before it hands out the first. */
    (void)s->pq.PQsetSingleRowMode(s->conn);
    if (db->meanwhile && flush(s))
        db_do_meanwhile(db);
    Error *failure = &buffer->error;
    Gathering gathering = {.buffer = buffer};
    PGresult *result;
    while ((result = next_result(s)) != NULL) {
        ExecStatusType status = s->pq.PQresultStatus(result);
        bool is_rows =
            status == PGRES_TUPLES_OK || status == PGRES_SINGLE_TUPLE || status == PGRES_COMMAND_OK;
        if (own > 0 && status == PGRES_COMMAND_OK)
            own--;
        else if (is_rows && failure->kind == ERROR_NONE && !gather(s, &gathering, result))
            error_nomem(failure);
        if (status == PGRES_COPY_IN)
            feed_copy(s, NULL, NULL);
        if (status == PGRES_COPY_OUT &&
            !gather_copy(s, &gathering, result, failure->kind == ERROR_NONE))
            error_nomem(failure);
        if ((status == PGRES_FATAL_ERROR || status == PGRES_BAD_RESPONSE) &&
            failure->kind == ERROR_NONE)
            fill_from_result(s, result, ERROR_SQL, failure);
        s->pq.PQclear(result);
        if (!is_connected(s))
            break;
    }
    /* The rows before an error are no result. */
    buffer->results.len = gathering.results;
    bool was_asked = end_cancel(s);
    if (!is_connected(s)) {
        connection_lost(s, failure);
        return s->is_given_up ? db_error_given_up(err) : db_error_copy(err, failure);
    }
    note_transaction(s);
    if (was_asked && strcmp(failure->sqlstate, "57014") == 0)
        return db_error_cancelled(err);
    return db_buffer_finish(&buffer, db, ret_rows, err);
}

/* ---- connecting ---------------------------------------------------------------------------- */

/* Parameters that other tools read from the same URL and that libpq does not know. Those about a pool of connections, and
 * golang-migrate's own (x-...), mean nothing for a single connection; the others are heeded here. */
static const char *const foreign_params[] = {
    "search_path",
    "schema",
    "currentSchema",
    "pgbouncer",
    "connection_limit",
    "pool_timeout",
    "pool_max_conns",
    "pool_min_conns",
    "statement_cache_size",
    "ssl",
    NULL,
};

static bool is_foreign(Str key)
{
    for (const char *const *name = foreign_params; *name; name++)
        if (str_eq(key, str_from(*name)))
            return true;
    return str_starts(key, STR("x-"));
}

static bool pg_url_check(Arena *arena, DbUrl *url, Error *err)
{
    (void)arena;
    (void)err;
    static const char *const moved[] = {"user", "password", "dbname"};
    Str *const targets[] = {&url->user, &url->password, &url->database};
    /* As in libpq, a parameter wins over its place in front of the '?'. */
    for (size_t i = 0; i < 3; i++) {
        const Str *value = db_url_param(url, moved[i]);
        if (!value)
            continue;
        *targets[i] = *value;
        if (targets[i] == &url->password)
            url->has_password = value->len > 0;
        db_url_remove_param(url, moved[i]);
    }
    return true;
}

typedef struct Params {
    Arena *arena;
    Vec(const char *) keys;
    Vec(const char *) values;
} Params;

static bool add_param(Params *params, const char *key, Str value)
{
    char *text = str_z(params->arena, value);
    return text && vec_push(params->arena, &params->keys, key) &&
           vec_push(params->arena, &params->values, text);
}

/* "a,b" and "5432," from [a:5432, b], as libpq wants them. */
static bool add_hosts(Params *params, const DbHostVec *hosts)
{
    StrBuf names = strbuf(params->arena), ports = strbuf(params->arena);
    bool has_port = false;
    for (size_t i = 0; i < hosts->len; i++) {
        if (i > 0) {
            strbuf_add_char(&names, ',');
            strbuf_add_char(&ports, ',');
        }
        strbuf_add(&names, hosts->items[i].host);
        if (hosts->items[i].port > 0) {
            strbuf_addf(&ports, "%u", hosts->items[i].port);
            has_port = true;
        }
    }
    Str name_list, port_list;
    if (!strbuf_finish(&names, &name_list) || !strbuf_finish(&ports, &port_list))
        return false;
    return (name_list.len == 0 || add_param(params, "host", name_list)) &&
           (!has_port || add_param(params, "port", port_list));
}

static bool make_params(PgDb *s, Arena *arena, const DbUrl *url, const DbHostVec *hosts,
                        Params *ret_params, Error *err)
{
    Params params = {.arena = arena};
    const char *name = s->db.options.application_name;
    bool is_good =
        add_hosts(&params, hosts) &&
        (url->user.len == 0 || add_param(&params, "user", url->user)) &&
        (!url->has_password || add_param(&params, "password", url->password)) &&
        (url->database.len == 0 || add_param(&params, "dbname", url->database)) &&
        add_param(&params, "fallback_application_name", str_from(name ? name : "whimbrel"));
    const Str *ssl = db_url_param(url, "ssl");
    if (ssl && str_eq_nocase(*ssl, STR("true")))
        is_good = is_good && add_param(&params, "sslmode",
                                       STR("require")); /* as libpq does itself with a URL */
    for (size_t i = 0; i < url->params.len && is_good; i++) {
        const DbParam *param = &url->params.items[i];
        char *key = str_z(arena, param->key);
        is_good = key && (is_foreign(param->key) || add_param(&params, key, param->value));
    }
    is_good = is_good && add_param(&params, "client_encoding", STR("UTF8")) &&
              vec_push(arena, &params.keys, NULL) && vec_push(arena, &params.values, NULL);
    *ret_params = params;
    return is_good || error_nomem(err);
}

/* libpq would name an unknown parameter too, but not the nearest. */
static bool check_params(PgDb *s, Arena *arena, const DbUrl *url, Error *err)
{
    Vec(const char *) known = {0};
    PQconninfoOption *options = s->pq.PQconndefaults();
    bool is_good = options != NULL;
    for (PQconninfoOption *option = options; is_good && option->keyword; option++) {
        char *name = str_z(arena, str_from(option->keyword));
        is_good = name && vec_push(arena, &known, name);
    }
    s->pq.PQconninfoFree(options);
    for (const char *const *name = foreign_params; is_good && *name; name++)
        is_good = vec_push(arena, &known, *name);
    for (size_t i = 0; is_good && i < url->params.len; i++)
        if (str_starts(url->params.items[i].key, STR("x-"))) {
            char *name = str_z(arena, url->params.items[i].key);
            is_good = name && vec_push(arena, &known, name);
        }
    if (!is_good || !vec_push(arena, &known, NULL))
        return error_nomem(err);
    return db_url_check_params(url, "PostgreSQL", known.items, err);
}

/* "FATAL:  28P01: password authentication failed ...": severity (in any language), code and text of the last such line. */
static bool find_state(Str message, char sqlstate[6], Str *ret_text)
{
    bool has_found = false;
    for (size_t at = 0; (at = str_find(message, STR(":  "), at)) != SIZE_MAX; at += 3) {
        Str rest = str_sub(message, at + 3, message.len);
        if (rest.len < 7 || rest.ptr[5] != ':' || rest.ptr[6] != ' ')
            continue;
        bool is_state = true;
        for (size_t i = 0; i < 5; i++)
            is_state = is_state && ((rest.ptr[i] >= '0' && rest.ptr[i] <= '9') ||
                                    (rest.ptr[i] >= 'A' && rest.ptr[i] <= 'Z'));
        if (!is_state)
            continue;
        memcpy(sqlstate, rest.ptr, 5);
        sqlstate[5] = '\0';
        str_cut(str_sub(rest, 7, rest.len), '\n', ret_text);
        has_found = true;
    }
    return has_found;
}

/* What libpq says when no connection comes about, which is text only. */
static bool cannot_connect(PgDb *s, const DbUrl *url, Error *err)
{
    Str all = str_trim(str_from(s->pq.PQerrorMessage(s->conn)));
    Str first, rest = str_trim(str_cut(all, '\n', &first));
    char state[6] = "";
    Str said;
    if (find_state(all, state, &said)) {
        error_set(err, ERROR_CONNECT, "%.*s", STR_ARG(said));
        if (err) {
            memcpy(err->sqlstate, state, sizeof state);
            explain_state(err, true);
            err->kind = ERROR_CONNECT;
        }
        return false;
    }
    error_set(err, ERROR_CONNECT, "%.*s",
              STR_ARG(first.len > 0 ? first : STR("no connection to the database")));
    if (rest.len > 0)
        error_detail(err, "%.*s", STR_ARG(rest));
    if (s->pq.PQconnectionNeedsPassword(s->conn) ||
        str_find(all, STR("no password supplied"), 0) != SIZE_MAX) {
        error_hint(err, "Give a password in the database URL, in PGPASSWORD or in ~/.pgpass.");
        return error_code(err, "wrong-password");
    }
    if (str_find(all, STR("SSL"), 0) != SIZE_MAX ||
        str_find(all, STR("certificate"), 0) != SIZE_MAX) {
        error_hint(err, "Check sslmode and the certificates named in the database URL against what "
                        "the server offers.");
        return error_code(err, "tls");
    }
    error_hint(err, "See that the server runs, and check host and port in the database URL (%.*s).",
               STR_ARG(url->display));
    return error_code(err, "connect-refused");
}

static void on_notice(void *ctx, const PGresult *result)
{
    PgDb *s = ctx;
    const char *severity = s->pq.PQresultErrorField(result, PG_DIAG_SEVERITY_NONLOCALIZED);
    const char *message = s->pq.PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
    const char *function = s->pq.PQresultErrorField(result, PG_DIAG_SOURCE_FUNCTION);
    if (s->prompts > 0 && function && strcmp(function, prompt_function) == 0) {
        s->prompts--;
        return;
    }
    if (s->db.options.notice && message)
        s->db.options.notice(s->db.options.notice_ctx, str_from(severity ? severity : "NOTICE"),
                             str_from(message));
}

static int64_t connect_timeout_us(PgDb *s, const DbUrl *url)
{
    const Str *seconds = db_url_param(url, "connect_timeout");
    int64_t number;
    if (seconds && str_to_i64(*seconds, &number) && number > 0 && number < 1000000)
        return (number < 2 ? 2 : number) * 1000000; /* libpq too takes less than 2 for 2 */
    int64_t ms = s->db.options.connect_timeout_ms;
    return (ms > 0 ? ms : DEFAULT_CONNECT_MS) * 1000;
}

/* Drives one attempt to its end. DB_WAIT_READY: connected or refused; DB_WAIT_DEADLINE: a host did not answer. */
static DbWait drive_connection(PgDb *s, int64_t timeout_us)
{
    PostgresPollingStatusType status = PGRES_POLLING_WRITING;
    DbDeadline deadline = db_deadline(timeout_us);
    const char *host = s->pq.PQhost(s->conn);
    for (;;) {
        short events = status == PGRES_POLLING_READING ? POLLIN : POLLOUT;
        switch (db_wait(s->db.options.cancel, s->pq.PQsocket(s->conn), events, &deadline)) {
        case DB_WAIT_CANCEL:
            return DB_WAIT_CANCEL;
        case DB_WAIT_DEADLINE:
            return DB_WAIT_DEADLINE;
        case DB_WAIT_TICK:
            continue;
        case DB_WAIT_READY:
            break;
        }
        status = s->pq.PQconnectPoll(s->conn);
        if (status == PGRES_POLLING_OK || status == PGRES_POLLING_FAILED)
            return DB_WAIT_READY;
        if (s->pq.PQhost(s->conn) != host) { /* the next of several: it has its own time */
            host = s->pq.PQhost(s->conn);
            deadline = db_deadline(timeout_us);
        }
    }
}

/* libpq copies what it is given. */
static bool start_connection(PgDb *s, const DbUrl *url, const DbHostVec *hosts, Error *err)
{
    scoped(Arena *, arena_freep) scratch = arena_new_secret();
    Params params;
    if (!scratch)
        return error_nomem(err);
    if (!make_params(s, scratch, url, hosts, &params, err))
        return false;
    s->conn = s->pq.PQconnectStartParams(params.keys.items, params.values.items, 0);
    return s->conn || error_nomem(err);
}

static bool connect_server(PgDb *s, const DbUrl *url, Error *err)
{
    Arena *arena = s->db.arena;
    DbHostVec hosts = {0};
    int64_t timeout_us = connect_timeout_us(s, url);
    if (!check_params(s, arena, url, err))
        return false;
    if (!db_url_param(url, "host") && !db_url_param(url, "hostaddr") &&
        !db_url_hosts(arena, url->hosts, &hosts, err))
        return false;
    for (;;) {
        if (!start_connection(s, url, &hosts, err))
            return false;
        s->pq.PQsetNoticeReceiver(s->conn, on_notice, s); /* libpq's own prints to standard error */
        s->pq.PQsetErrorVerbosity(s->conn,
                                  PQERRORS_VERBOSE); /* for the SQLSTATE, see find_state() */
        if (s->pq.PQstatus(s->conn) == CONNECTION_BAD)
            return cannot_connect(s, url, err);
        DbWait wait = drive_connection(s, timeout_us);
        if (wait == DB_WAIT_CANCEL)
            return db_error_cancelled(err);
        if (wait != DB_WAIT_DEADLINE) {
            if (s->pq.PQstatus(s->conn) != CONNECTION_OK)
                return cannot_connect(s, url, err);
            s->pq.PQsetErrorVerbosity(s->conn, PQERRORS_DEFAULT);
            return true;
        }
        /* libpq goes on to the next host only when one refuses: one that is silent is taken out of the list for it. */
        const char *host = s->pq.PQhost(s->conn), *port = s->pq.PQport(s->conn);
        size_t kept = 0;
        for (size_t i = 0; i < hosts.len; i++) {
            char number[16] = "5432";
            if (hosts.items[i].port > 0)
                snprintf(number, sizeof number, "%u", hosts.items[i].port);
            if (!str_eq(hosts.items[i].host, str_from(host)) ||
                strcmp(number, port ? port : "") != 0)
                hosts.items[kept++] = hosts.items[i];
        }
        if (kept == 0 || kept == hosts.len) {
            error_set(err, ERROR_CONNECT, "%s port %s did not answer within %lld s",
                      host ? host : "the server", port ? port : "5432",
                      (long long)(timeout_us / 1000000));
            error_hint(err, "Check host and port in the database URL, and the network in between; "
                            "connect_timeout=30 in "
                            "the URL waits longer.");
            return error_code(err, "connect-refused");
        }
        hosts.len = kept;
        s->pq.PQfinish(s->conn);
        s->conn = NULL;
    }
}

/* "7.3", "15.20 (Debian ...)", "v23.1.11": the number alone. */
static const char *short_version(Arena *arena, Str text)
{
    size_t from = text.len > 0 && text.ptr[0] == 'v' ? 1 : 0, to = from;
    while (to < text.len && ((text.ptr[to] >= '0' && text.ptr[to] <= '9') || text.ptr[to] == '.'))
        to++;
    return str_z(arena, str_sub(text, from, to > from ? to : text.len));
}

static int cockroach_number(const char *version)
{
    int64_t number = 0;
    Str rest = str_from(version), part;
    for (int i = 0; i < 3; i++) {
        int64_t value = 0;
        rest = str_cut(rest, '.', &part);
        if (!str_to_i64(part, &value) || value > 99)
            value = 0;
        number = number * 100 + value;
    }
    return (int)number;
}

/* What speaks PostgreSQL's protocol and is something else. */
static bool recognise(PgDb *s, Str version)
{
    DbInfo *info = &s->db.info;
    size_t at = str_find(version, STR("CockroachDB"), 0);
    if (at != SIZE_MAX) {
        size_t v = str_find(version, STR(" v"), at);
        info->engine_title = "CockroachDB";
        if (v != SIZE_MAX)
            info->version = short_version(s->db.arena, str_sub(version, v + 1, version.len));
        info->version_number = info->version ? cockroach_number(info->version) : 0;
        info->is_cluster = true;
        /* pg_try_advisory_lock() always says yes there, and schema changes finish after their COMMIT. */
        s->db.features &=
            ~(unsigned)(DB_SESSION_LOCK | DB_TRANSACTIONAL_DDL | DB_INVALID_INDEX | DB_COPY_OUT);
    } else if (str_find(version, STR("-YB-"), 0) != SIZE_MAX) {
        info->engine_title = "YugabyteDB";
        info->is_cluster = true;
        /* No advisory locks, and each DDL statement is a transaction of its own. */
        s->db.features &= ~(unsigned)(DB_SESSION_LOCK | DB_TRANSACTIONAL_DDL);
    } else if (str_find(version, STR("Greenplum"), 0) != SIZE_MAX) {
        info->engine_title = "Greenplum";
    } else if (str_find(version, STR("EnterpriseDB"), 0) != SIZE_MAX) {
        info->engine_title = "EDB Postgres";
    }
    s->notices_gone = !info->is_cluster && info->version_number >= 140000 &&
                      str_find(version, STR("linux"), 0) != SIZE_MAX;
    return info->version != NULL;
}

static bool push(Arena *arena, DbStatementVec *out, const char *sql)
{
    return sql && vec_push(arena, out, ((DbStatement){.sql = str_from(sql)}));
}

/* What LIVELINESS has set, to be said again after RESET ALL. */
static bool remember_liveliness(PgDb *s, Str version)
{
    static const struct {
        int since;
        const char *sql;
    } settings[] = {{0, "SET tcp_keepalives_idle = 10"},
                    {0, "SET tcp_keepalives_interval = 5"},
                    {0, "SET tcp_keepalives_count = 3"},
                    {120000, "SET tcp_user_timeout = 25000"},
                    {140000, "SET client_connection_check_interval = 5000"}};
    const DbInfo *info = &s->db.info;
    if (s->is_lively || info->is_pooled || !str_starts(version, STR("PostgreSQL ")) ||
        str_find(version, STR("linux"), 0) == SIZE_MAX)
        return true;
    for (size_t i = 0; i < sizeof settings / sizeof *settings; i++)
        if (info->version_number >= settings[i].since &&
            !push(s->db.arena, &s->session, settings[i].sql))
            return false;
    s->is_lively = true;
    return true;
}

static bool describe_with(PgDb *s, const char *before, Str also, Error *err)
{
    static const char question[] =
        "SELECT current_setting('server_version'), current_setting('server_version_num'), "
        "current_database(), "
        "current_user, pg_is_in_recovery(), current_setting('transaction_read_only'), "
        "current_setting('standard_conforming_strings'), pg_backend_pid(), version(), "
        "current_schema(), current_setting('search_path')";
    enum { ANSWERS = 11 };
    scoped(DbRows, db_rows_done) rows = {0};
    Arena *arena = s->db.arena;
    DbInfo *info = &s->db.info;
    char *sql =
        str_format(arena, "%s%s%s%.*s", before, question, also.len > 0 ? "; " : "", STR_ARG(also));
    if (!sql)
        return error_nomem(err);
    if (!db_query(&s->db, str_from(sql), &rows, err))
        return error_wrap(err, "asking the server what it is");
    while (rows.col_count != ANSWERS) {
        /* What session_settings() asks along. */
        if (rows.col_count == 2 && db_rows_next(&rows))
            info->has_leases = str_eq(rows.cols[1].text, STR("t"));
        if (!db_rows_next_result(&rows))
            break;
    }
    if (!db_rows_next(&rows) || rows.col_count != ANSWERS) {
        if (!db_rows_finish(&rows, err))
            return error_wrap(err, "asking the server what it is");
        return error_set(err, ERROR_CONNECT, "the server does not say what it is");
    }
    const DbValue *cols = rows.cols;
    int64_t number = 0, pid = 0;
    char *database = str_z(arena, cols[2].text), *user = str_z(arena, cols[3].text);
    const char *host = s->pq.PQhost(s->conn), *port = s->pq.PQport(s->conn);
    info->engine = "postgres";
    info->engine_title = "PostgreSQL";
    info->version = short_version(arena, cols[0].text);
    info->version_number = db_value_i64(&cols[1], &number) ? (int)number : 0;
    info->database = database;
    info->user = user;
    info->place = host && host[0] == '/'
                      ? str_format(arena, "%s/.s.PGSQL.%s", host, port ? port : "5432")
                      : str_format(arena, "%s:%s", host ? host : "", port ? port : "5432");
    info->is_in_recovery = str_eq(cols[4].text, STR("t"));
    info->is_read_only =
        info->is_in_recovery || s->db.options.is_read_only || str_eq(cols[5].text, STR("on"));
    info->nonconforming_strings = str_eq(cols[6].text, STR("off"));
    info->schema = str_z(arena, cols[9].text);
    info->search_path = str_z(arena, cols[10].text);
    if (!database || !user || !info->place || !info->schema || !info->search_path ||
        !recognise(s, cols[8].text))
        return error_nomem(err);
    /* A proxy that pools makes up the number that cancels: it is then not that of the process that answers. Whether it pools
     * sessions or transactions cannot be seen from here, so the worse is taken for true. */
    int said = s->pq.PQbackendPID(s->conn);
    bool is_server = strcmp(info->engine_title, "CockroachDB") != 0;
    if (is_server && !s->pools_sessions && said != 0 && db_value_i64(&cols[7], &pid) && pid != said)
        info->is_pooled = true;
    info->session = info->is_pooled ? "" : str_z(arena, cols[7].text);
    if (!info->session)
        return error_nomem(err);
    if (info->is_pooled)
        s->db.features &= ~(unsigned)DB_SESSION_LOCK;
    info->has_transient_settings = tells_each(s);
    if (!s->db.is_adopted && !remember_liveliness(s, cols[8].text))
        return error_nomem(err);
    if (also.len > 0 && db_rows_next_result(&rows)) {
        s->db.answer = rows;
        rows = (DbRows){0};
        return true;
    }
    return db_rows_finish(&rows, err);
}

static bool describe(PgDb *s, const char *before, Error *err)
{
    Error ignored = {.arena = s->db.arena};
    if (s->db.options.question.len > 0) {
        if (describe_with(s, before, s->db.options.question, &ignored))
            return true;
        if (s->db.is_broken || ignored.kind == ERROR_CANCELLED || ignored.kind == ERROR_NOMEM)
            return db_error_copy(err, &ignored);
    }
    /* What failed was perhaps the question, and the settings in front of it are undone with it. */
    return describe_with(s, before, (Str){0}, err);
}

/* The schemas that the URL asks for, as SET and as set_config() want them; empty: none. */
static bool wanted_path(Arena *arena, const DbUrl *url, Str *ret_list, Str *ret_value)
{
    static const char *const names[] = {"search_path", "schema", "currentSchema"};
    const Str *path = NULL;
    StrBuf list = strbuf(arena), value = strbuf(arena);
    for (size_t i = 0; !path && i < 3; i++)
        path = db_url_param(url, names[i]);
    Str rest = path ? *path : (Str){0}, part;
    for (bool is_first = true; rest.len > 0; is_first = false) {
        rest = str_cut(rest, ',', &part);
        part = str_trim(part);
        if (part.len >= 2 && part.ptr[0] == '"' && part.ptr[part.len - 1] == '"')
            part = str_sub(part, 1, part.len - 1);
        strbuf_adds(&list, is_first ? "" : ", ");
        strbuf_adds(&value, is_first ? "" : ", ");
        sql_add_literal(&list, SQL_POSTGRES, part);
        sql_add_ident(&value, SQL_POSTGRES, part);
    }
    return strbuf_finish(&list, ret_list) && strbuf_finish(&value, ret_value);
}

/* What the server does about a client that is gone: a host that vanished without a word is found out in some 25 s, a
 * closed connection in 5 s even while a statement runs. Else a session, and the locks with it, outlives its client by
 * hours. Only ours to set where the session is. */
#define LIVELINESS                                                                                 \
    "set_config('tcp_keepalives_idle', '10', false) || "                                           \
    "set_config('tcp_keepalives_interval', '5', false) || "                                        \
    "set_config('tcp_keepalives_count', '3', false) || "                                           \
    "CASE WHEN current_setting('server_version_num')::int >= 120000 "                              \
    "THEN set_config('tcp_user_timeout', '25000', false) ELSE '' END || "                          \
    "CASE WHEN current_setting('server_version_num')::int >= 140000 "                              \
    "THEN set_config('client_connection_check_interval', '5000', false) ELSE '' END"

/* search_path from the URL, a read-only session, keepalives. All go with the first question, when it is not known yet
 * whether a pool stands between: so the server decides whether they are for the session or for that message only. */
static bool session_settings(PgDb *s, const DbUrl *url, const char **ret_before, Error *err)
{
    Arena *arena = s->db.arena;
    const Str *pooled = db_url_param(url, "pgbouncer");
    Str list, path, text;
    StrBuf before = strbuf(arena), session = strbuf(arena), local = strbuf(arena);
    s->db.info.is_pooled = pooled && str_eq_nocase(*pooled, STR("true"));
    s->pools_sessions = pooled && str_eq_nocase(*pooled, STR("false"));
    if (!wanted_path(arena, url, &list, &path))
        return error_nomem(err);
    int said = s->pq.PQbackendPID(s->conn);
    const char *is_pooled =
        s->db.info.is_pooled ? "true"
        : s->pools_sessions || said == 0
            ? "false"
            : str_format(arena, "(pg_backend_pid() <> %d AND version() NOT LIKE '%%CockroachDB%%')",
                         said);
    if (!is_pooled)
        return error_nomem(err);
    if (path.len > 0) {
        strbuf_adds(&before, "SELECT set_config('search_path', ");
        sql_add_literal(&before, SQL_POSTGRES, path);
        strbuf_addf(&before, ", %s); ", is_pooled);
        strbuf_addf(&session, "SET search_path TO %.*s", STR_ARG(list));
        strbuf_addf(&local, "SET LOCAL search_path TO %.*s", STR_ARG(list));
        s->local_count++;
        if (!strbuf_finish(&session, &text) || !push(arena, &s->session, text.ptr))
            return error_nomem(err);
    }
    if (s->db.options.is_read_only) {
        strbuf_addf(&before, "SELECT set_config('default_transaction_read_only', 'on', %s); ",
                    is_pooled);
        strbuf_adds(&local, s->local_count > 0 ? "; " : "");
        strbuf_adds(&local, "SET LOCAL transaction_read_only = on");
        s->local_count++;
        if (!push(arena, &s->session, "SET default_transaction_read_only = on"))
            return error_nomem(err);
    }
    static const char enlivens[] =
        "SELECT CASE WHEN version() LIKE 'PostgreSQL %%linux%%' AND NOT %s THEN " LIVELINESS
        " END, to_regclass('whimbrel_lock') IS NOT NULL";
    char *liveliness = str_format(arena, enlivens, is_pooled);
    if (!liveliness)
        return error_nomem(err);
    strbuf_adds(&before, liveliness);
    strbuf_adds(&before, "; ");
    if (!strbuf_finish(&before, &text) || !strbuf_finish(&local, &s->local))
        return error_nomem(err);
    *ret_before = text.ptr;
    return true;
}

static PgDb *new_db(const DbOptions *options)
{
    Arena *arena = arena_new_secret();
    PgDb *s = arena ? arena_alloc(arena, sizeof *s) : NULL;
    if (!s) {
        arena_free(arena);
        return NULL;
    }
    s->db.driver = &db_driver_postgres;
    s->db.arena = arena;
    s->db.features = db_driver_postgres.features;
    s->db.options = *options;
    return s;
}

static void pg_close(Db *db);

static bool open_session(PgDb *s, const DbUrl *url, Error *err)
{
    if (!load(s->db.arena, &s->pq, s->db.options.client_path, false, err) ||
        !connect_server(s, url, err))
        return false;
    if (s->pq.PQsetnonblocking(s->conn, 1) != 0)
        return error_nomem(err);
    const char *before;
    return session_settings(s, url, &before, err) && describe(s, before, err);
}

static bool pg_open(const DbUrl *url, const DbOptions *options, Db **ret_db, Error *err)
{
    PgDb *s = new_db(options);
    if (!s)
        return error_nomem(err);
    if (!open_session(s, url, err)) {
        pg_close(&s->db);
        return false;
    }
    *ret_db = &s->db;
    return true;
}

static void pg_replace(Db *db, Db *fresh)
{
    PgDb *s = (PgDb *)db, *other = (PgDb *)fresh;
    Arena *arena = s->db.arena;
    s->pq.PQfinish(s->conn);
    dlclose(s->pq.handle);
    *s = *other;
    s->db.arena = arena; /* this struct lies in it, and others hold what the old connection said */
    arena_adopt(arena, other->db.arena);
    s->pq.PQsetNoticeReceiver(s->conn, on_notice, s);
}

/* What a session may have set and get back; the transaction's own settings and the user are another matter. */
#define SESSION_SETTINGS                                                                           \
    "FROM pg_settings WHERE source = 'session' AND context IN ('user', 'superuser') "              \
    "AND name NOT IN ('role', 'session_authorization', 'transaction_isolation', "                  \
    "'transaction_read_only', 'transaction_deferrable') "

/* What the application had set for its session, to be set again when we are done. */
static bool remember_session(PgDb *s, Error *err)
{
    scoped(DbRows, db_rows_done) rows = {0};
    Arena *arena = s->db.arena;
    if (!db_query(&s->db,
                  STR("SELECT name, setting " SESSION_SETTINGS
                      "UNION ALL SELECT 'role', current_setting('role') WHERE "
                      "current_setting('role') <> 'none' "
                      "UNION ALL SELECT 'client_encoding', current_setting('client_encoding') "
                      "ORDER BY 1"),
                  &rows, err))
        return error_wrap(err, "reading the settings of the session");
    while (db_rows_next(&rows)) {
        StrBuf sql = strbuf(arena);
        Str whole;
        strbuf_adds(&sql, "SELECT set_config(");
        sql_add_literal(&sql, SQL_POSTGRES, rows.cols[0].text);
        strbuf_adds(&sql, ", ");
        sql_add_literal(&sql, SQL_POSTGRES, rows.cols[1].text);
        strbuf_adds(&sql, ", false)");
        if (!strbuf_finish(&sql, &whole) || !push(arena, &s->session, whole.ptr))
            return error_nomem(err);
    }
    return db_rows_finish(&rows, err);
}

static bool pg_adopt(void *native, const DbOptions *options, Db **ret_db, Error *err)
{
    PgDb *s = new_db(options);
    if (!s)
        return error_nomem(err);
    s->db.is_adopted = true;
    bool is_good = load(s->db.arena, &s->pq, options->client_path, true, err);
    if (is_good && s->pq.PQstatus(native) != CONNECTION_OK)
        is_good = error_set(err, ERROR_USAGE, "the connection to take over is not open");
    if (is_good && s->pq.PQtransactionStatus(native) != PQTRANS_IDLE) {
        is_good = error_set(err, ERROR_USAGE, "the connection has a transaction or a command open");
        error_hint(err, "Commit it or roll it back before migrating on this connection.");
        error_code(err, "open-transaction");
    }
    if (is_good) {
        s->conn = native;
        s->was_nonblocking = s->pq.PQisnonblocking(native);
        is_good = s->pq.PQsetnonblocking(native, 1) == 0 || error_nomem(err);
    }
    is_good = is_good && remember_session(s, err) &&
              db_exec(&s->db, STR("SET client_encoding = 'UTF8'"), err) && describe(s, "", err);
    if (!is_good) {
        pg_close(&s->db);
        return false;
    }
    *ret_db = &s->db;
    return true;
}

static bool pg_reset_session(Db *db, Arena *arena, DbStatementVec *out);

static void give_back(PgDb *s)
{
    DbStatementVec reset = {0};
    s->db.options.cancel = NULL;
    if (s->pq.PQstatus(s->conn) == CONNECTION_OK) {
        if (s->db.is_in_transaction)
            db_exec(&s->db, STR("ROLLBACK"), NULL);
        if (pg_reset_session(&s->db, s->db.arena, &reset))
            db_run(&s->db, reset.items, reset.len, NULL, NULL, NULL, NULL);
    }
    s->pq.PQsetnonblocking(s->conn, s->was_nonblocking);
}

static void pg_close(Db *db)
{
    PgDb *s = (PgDb *)db;
    db_rows_done(&s->db.answer);
    request_drop(s->request);
    if (s->conn && s->db.is_adopted)
        give_back(s);
    else if (s->conn)
        s->pq.PQfinish(s->conn);
    if (s->pq.handle)
        dlclose(s->pq.handle);
    arena_free(s->db.arena);
}

/* ---- settings ----------------------------------------------------------------------------- */

static bool pg_timeouts(Db *db, Arena *arena, DbTimeouts timeouts, bool is_local,
                        DbStatementVec *out)
{
    const PgDb *s = (PgDb *)db;
    const char *word = is_local ? "SET LOCAL" : "SET";
    int64_t lock_ms = timeouts.lock_ms > INT_MAX ? INT_MAX : timeouts.lock_ms;
    int64_t statement_ms = timeouts.statement_ms > INT_MAX ? INT_MAX : timeouts.statement_ms;
    if (lock_ms >= 0 &&
        !push(arena, out, str_format(arena, "%s lock_timeout = %lld", word, (long long)lock_ms)))
        return false;
    if (statement_ms >= 0 &&
        !push(arena, out,
              str_format(arena, "%s statement_timeout = %lld", word, (long long)statement_ms)))
        return false;
    if (!is_local || timeouts.abandoned_ms <= 0)
        return true;
    int64_t idle_ms = timeouts.abandoned_ms > INT_MAX ? INT_MAX : timeouts.abandoned_ms;
    if (!push(arena, out,
              str_format(arena, "SET LOCAL idle_in_transaction_session_timeout = %lld",
                         (long long)idle_ms)))
        return false;
    int64_t check_ms = idle_ms / 3 > LONGEST_CHECK_MS ? LONGEST_CHECK_MS : idle_ms / 3 + 1;
    return !s->notices_gone ||
           push(arena, out,
                str_format(arena, "SET LOCAL client_connection_check_interval = %lld",
                           (long long)check_ms));
}

static bool pg_reset_session(Db *db, Arena *arena, DbStatementVec *out)
{
    PgDb *s = (PgDb *)db;
    /* RESET ALL leaves the role and the session's user alone. It would take from an application's session settings of names
     * of its own ("app.user"), which no catalog lists, so that they could not be given back. */
    const char *reset_all = db->is_adopted
                                ? "SELECT set_config(name, reset_val, false) " SESSION_SETTINGS
                                : "RESET ALL";
    if (!push(arena, out, "RESET SESSION AUTHORIZATION") || !push(arena, out, "RESET ROLE") ||
        !push(arena, out, reset_all))
        return false;
    if (db->info.is_pooled)
        return (s->local_count == 0 || vec_push(arena, out, ((DbStatement){.sql = s->local}))) &&
               push(arena, out, "DISCARD TEMP") &&
               push(arena, out, "SELECT pg_advisory_unlock_all()");
    for (size_t i = 0; i < s->session.len; i++)
        if (!vec_push(arena, out, s->session.items[i]))
            return false;
    return true;
}

/* ---- the database as a whole ---------------------------------------------------------------- */

/* A connection to a database that is there on every server. */
static bool open_maintenance(Arena *arena, const DbUrl *url, const DbOptions *options, Db **ret_db,
                             Error *err)
{
    static const char *const names[] = {"postgres", "template1"};
    for (size_t i = 0; i < 2; i++) {
        DbUrl there;
        if (!db_url_with_database(arena, url, str_from(names[i]), &there, err))
            return false;
        if (pg_open(&there, options, ret_db, err))
            return true;
        if (!err || strcmp(err->sqlstate, "3D000") != 0)
            return false;
    }
    return false;
}

static bool needs_name(const DbUrl *url, Error *err)
{
    if (url->database.len > 0)
        return true;
    error_set(err, ERROR_USAGE, "the database URL names no database");
    return error_code(err, "bad-url");
}

static bool pg_database_exists(const DbUrl *url, const DbOptions *options, bool *ret_exists,
                               Error *err)
{
    scoped(Arena *, arena_freep) scratch = arena_new_secret();
    scoped(Db *, db_closep) db = NULL;
    if (!scratch)
        return error_nomem(err);
    return needs_name(url, err) && open_maintenance(scratch, url, options, &db, err) &&
           postgres_has_database(db, url->database, ret_exists, err);
}

static bool change_databases(const DbUrl *url, const DbOptions *options, const char *what,
                             Error *err)
{
    scoped(Arena *, arena_freep) scratch = arena_new_secret();
    scoped(Db *, db_closep) db = NULL;
    if (!scratch)
        return error_nomem(err);
    if (!needs_name(url, err) || !open_maintenance(scratch, url, options, &db, err))
        return false;
    StrBuf sql = strbuf(scratch);
    Str text;
    strbuf_adds(&sql, what);
    sql_add_ident(&sql, SQL_POSTGRES, url->database);
    if (!strbuf_finish(&sql, &text))
        return error_nomem(err);
    if (db_exec(db, text, err))
        return true;
    if (err && strcmp(err->sqlstate, "42P04") == 0)
        error_code(err, "database-exists");
    if (err && strcmp(err->sqlstate, "55006") == 0) {
        error_hint(err, "Close the connections to it first (pg_stat_activity lists them).");
        error_code(err, "database-in-use");
    }
    return false;
}

static bool pg_database_create(const DbUrl *url, const DbOptions *options, Error *err)
{
    return change_databases(url, options, "CREATE DATABASE ", err);
}

static bool pg_database_drop(const DbUrl *url, const DbOptions *options, Error *err)
{
    return change_databases(url, options, "DROP DATABASE ", err);
}

const DbDriver db_driver_postgres = {
    .version = 1,
    .name = "postgres",
    .schemes = (const char *const[]){"postgres", "postgresql", NULL},
    .dialect = SQL_POSTGRES,
    .features = DB_TRANSACTIONAL_DDL | DB_SESSION_LOCK | DB_BATCH | DB_SCHEMAS | DB_COPY |
                DB_CREATE_DATABASE | DB_LOCK_TIMEOUT | DB_INVALID_INDEX | DB_COPY_OUT,
    .begin = "BEGIN",
    .lazy_commit = "SET LOCAL synchronous_commit = off",
    /* What is smallest and still waits for the log: a message in it that no table sees. */
    .flush_commits = "SELECT pg_catalog.pg_logical_emit_message(true, 'whimbrel', '')",
    .secret_params = (const char *const[]){"password", "sslpassword", "oauth_client_secret", NULL},
    .url_check = pg_url_check,
    .open = pg_open,
    .adopt = pg_adopt,
    .close = pg_close,
    .run = pg_run,
    .query = pg_query,
    .rows_next = db_buffer_next,
    .rows_next_result = db_buffer_next_result,
    .rows_done = db_buffer_done,
    .timeouts = pg_timeouts,
    .reset_session = pg_reset_session,
    .has_table = postgres_has_table,
    .has_table_question = postgres_has_table_question,
    .has_effect = postgres_has_effect,
    .replace = pg_replace,
    .lock_try = postgres_lock_try,
    .unlock = postgres_unlock,
    .lock_question = postgres_lock_question,
    .unlock_question = postgres_unlock_question,
    .lock_holder = postgres_lock_holder,
    .kill_session = postgres_kill_session,
    .cancel_session = postgres_cancel_session,
    .blockers = postgres_blockers,
    .waiting = postgres_waiting,
    .long_transactions = postgres_long_transactions,
    .work = postgres_work,
    .index_state = postgres_index_state,
    .left_behind = postgres_left_behind,
    .database_exists = pg_database_exists,
    .database_create = pg_database_create,
    .database_drop = pg_database_drop,
    .drop_all = postgres_drop_all,
};

/* MySQL and MariaDB behind the driver interface, through libmariadb, which is opened when first used. Its
 * non-blocking calls let us wait with an ear for the caller; a statement is stopped by KILL QUERY from a second
 * connection. Many statements travel in one message and their results are counted.
 * SPDX-License-Identifier: Apache-2.0 */
#include "db/driver.h"
#include "db/mysql_catalog.h"

#include <dlfcn.h>
#include <errmsg.h>
#include <mysql.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

/* Server error numbers that are told apart here; MariaDB's and MySQL's agree in these. */
enum {
    ERROR_DB_ACCESS_DENIED = 1044,
    ERROR_ACCESS_DENIED = 1045,
    ERROR_BAD_DB = 1049,
    ERROR_TABLE_ACCESS_DENIED = 1142,
    ERROR_COLUMN_ACCESS_DENIED = 1143,
    ERROR_LOCK_WAIT_TIMEOUT = 1205,
    ERROR_DEADLOCK = 1213,
    ERROR_SPECIFIC_ACCESS_DENIED = 1227,
    ERROR_OPTION_PREVENTS = 1290,
    ERROR_QUERY_INTERRUPTED = 1317,
    ERROR_PROC_ACCESS_DENIED = 1370,
    ERROR_ACCESS_DENIED_NO_PASSWORD = 1698,
    ERROR_CONNECTION_KILLED = 1927,
    ERROR_STATEMENT_TIMEOUT = 1969,   /* MariaDB */
    ERROR_QUERY_TIMEOUT_MYSQL = 3024, /* MySQL */
    ERROR_DB_EXISTS = 1007,
    ERROR_DB_DROP_ABSENT = 1008,
    ERROR_DISK_FULL = 1021,
    ERROR_TOO_MANY_CONNECTIONS = 1040,
    ERROR_UNKNOWN_COMMAND = 1047, /* Galera: the node is not in its cluster */
    ERROR_TOO_MANY_OF_USER = 1203,
    ERROR_SERVER_SHUTDOWN = 1053,
    ERROR_TABLE_FULL = 1114,
    ERROR_PACKET_TOO_LARGE = 1153,
    ERROR_IN_READ_ONLY_TRANSACTION = 1792,
    ERROR_READ_ONLY_MODE = 1836,
    ERROR_SESSION_KILLED_MYSQL = 3169,
    ERROR_CLIENT_TIMEOUT_MYSQL = 4031,
};

/* clang-format off: one a line */
#define MYSQL_CALLS(X)                                                                             \
    X(mysql_init)                                                                                  \
    X(mysql_close)                                                                                 \
    X(mysql_options)                                                                               \
    X(mysql_errno)                                                                                 \
    X(mysql_error)                                                                                 \
    X(mysql_sqlstate)                                                                              \
    X(mysql_field_count)                                                                           \
    X(mysql_num_fields)                                                                            \
    X(mysql_fetch_lengths)                                                                         \
    X(mysql_free_result)                                                                           \
    X(mysql_affected_rows)                                                                         \
    X(mysql_thread_id)                                                                             \
    X(mysql_get_ssl_cipher)                                                                        \
    X(mysql_get_socket)                                                                            \
    X(mysql_set_server_option)                                                                     \
    X(mysql_set_character_set)                                                                     \
    X(mysql_character_set_name)                                                                    \
    X(mysql_get_optionv)                                                                           \
    X(mysql_real_connect_start)                                                                    \
    X(mysql_real_connect_cont)                                                                     \
    X(mysql_real_query_start)                                                                      \
    X(mysql_real_query_cont)                                                                       \
    X(mysql_use_result)                                                                            \
    X(mysql_warning_count)                                                                         \
    X(mysql_fetch_row_start)                                                                       \
    X(mysql_fetch_row_cont)                                                                        \
    X(mysql_next_result_start)                                                                     \
    X(mysql_next_result_cont)                                                                      \
    X(mysql_get_timeout_value_ms)
/* clang-format on */

typedef struct Libmariadb {
#define X(name) typeof(name) *name;
    MYSQL_CALLS(X)
#undef X
} Libmariadb;

typedef struct MysqlDb {
    Db db;
    Libmariadb lib;
    MYSQL *handle;
    const DbUrl *url; /* a copy in the connection's arena; NULL when adopted */
    uint64_t max_packet_bytes;
    bool is_stopping;             /* the statement under way is to be stopped */
    bool was_killed;              /* ... and KILL QUERY went out for it */
    bool is_given_up;             /* ... and the server could not be told */
    int64_t asked_us, reached_us; /* tried last; could be told, or was there, last */
    bool was_multi;               /* adopted: several statements a message were allowed before */
    bool tries_tls;               /* asks for TLS where the server has it */
    bool is_galera;
    int low_water;                   /* bytes that have to be there before we are woken */
    const char *reset, *reset_names; /* SET ... that put the session back */
    bool had_autocommit;             /* this and the rest: of an adopted connection */
    my_bool did_reconnect;
    const char *charset;
} MysqlDb;

/* ---- the client library -------------------------------------------------------------------- */

static const char *find_functions(Libmariadb *lib, void *library)
{
#define X(symbol)                                                                                  \
    {                                                                                              \
        void *found = dlsym(library, #symbol);                                                     \
        if (!found)                                                                                \
            return #symbol;                                                                        \
        memcpy(&lib->symbol, &found, sizeof found);                                                \
    }
    MYSQL_CALLS(X)
#undef X
    return NULL;
}

static bool load_library(Arena *arena, const char *client_path, bool is_adopting, Libmariadb *lib,
                         Error *err)
{
    static const char soname[] = "libmariadb.so.3";
    /* A connection that the application made must go on with the very library that made it. */
    if (is_adopting && !find_functions(lib, RTLD_DEFAULT))
        return true;
    const char *name = soname;
    if (client_path) {
        FileInfo info;
        if (!file_info(client_path, &info, err))
            return false;
        name = info.kind == FILE_FOLDER ? path_join(arena, client_path, STR(soname)) : client_path;
        if (!name)
            return error_nomem(err);
    }
    /* Never closed: the library registers clean-up that must find its code. */
    void *handle = dlopen(name, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    const char *missing = handle ? find_functions(lib, handle) : NULL;
    if (handle && !missing) {
        dlclose(handle);
        return true;
    }
    const char *reason = handle ? NULL : dlerror();
    error_set(err, ERROR_CONNECT, "the MariaDB and MySQL client library %s cannot be loaded", name);
    if (handle)
        error_detail(err, "it lacks the function %s; MariaDB Connector/C 3.1 or later is needed",
                     missing);
    else
        error_detail(err, "%s", reason ? reason : "no reason is known");
    error_hint(err, "Install it (Debian, Ubuntu: apt install libmariadb3; Fedora: dnf install "
                    "mariadb-connector-c; Alpine: apk "
                    "add mariadb-connector-c).");
    if (handle)
        dlclose(handle);
    return error_code(err, "client-missing");
}

/* The library sets itself up at the first call of all, and not for several threads at once. */
static MYSQL *new_handle(const Libmariadb *lib)
{
    static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    pthread_mutex_lock(&mutex);
    MYSQL *handle = lib->mysql_init(NULL);
    pthread_mutex_unlock(&mutex);
    return handle;
}

/* ---- errors --------------------------------------------------------------------------------- */

static bool is_lost(unsigned code)
{
    return code == CR_SERVER_GONE_ERROR || code == CR_SERVER_LOST ||
           code == ERROR_CONNECTION_KILLED || code == CR_COMMANDS_OUT_OF_SYNC ||
           code == CR_SERVER_LOST_EXTENDED || code == ERROR_SERVER_SHUTDOWN ||
           code == ERROR_SESSION_KILLED_MYSQL || code == ERROR_CLIENT_TIMEOUT_MYSQL;
}

static bool is_privilege(unsigned code)
{
    return code == ERROR_DB_ACCESS_DENIED || code == ERROR_TABLE_ACCESS_DENIED ||
           code == ERROR_COLUMN_ACCESS_DENIED || code == ERROR_SPECIFIC_ACCESS_DENIED ||
           code == ERROR_PROC_ACCESS_DENIED;
}

/* A node that is cut off from most of its cluster, or being given its data, answers nothing else. */
static bool is_outside(unsigned code, const char *message)
{
    return code == ERROR_UNKNOWN_COMMAND && strstr(message, "WSREP");
}

static bool fail_outside(const char *message, Error *err)
{
    error_set(err, ERROR_CONNECT, "the node is not part of its Galera cluster now: %s", message);
    error_hint(err, "Wait until it is (wsrep_ready), or name further nodes in the database URL: "
                    "mysql://host1,host2,host3/db.");
    return error_code(err, "node-not-ready");
}

/* Fills err from the connection's last error, which a statement had. */
static bool fail(MysqlDb *m, Error *err)
{
    unsigned code = m->lib.mysql_errno(m->handle);
    const char *message = m->lib.mysql_error(m->handle);
    if (code == CR_OUT_OF_MEMORY)
        return error_nomem(err);
    if (m->is_stopping && code == ERROR_QUERY_INTERRUPTED)
        return db_error_cancelled(err);
    if (is_lost(code)) {
        m->db.is_broken = true;
        if (m->is_given_up)
            return db_error_given_up(err);
        error_set(err, ERROR_CONNECT, "the connection to the database was lost: %s", message);
        error_hint(err, "See that the server runs and can be reached, then run whimbrel status.");
        error_code(err, "connection-lost");
    } else if (is_outside(code, message)) {
        m->db.is_broken = true; /* another may be part of it */
        fail_outside(message, err);
    } else if (code == ERROR_LOCK_WAIT_TIMEOUT) {
        error_set(err, ERROR_TIMEOUT, "%s", message);
        error_code(err, "lock-timeout");
    } else if (code == ERROR_DEADLOCK) {
        error_set(err, ERROR_TIMEOUT, "%s", message);
        error_code(err, "deadlock");
    } else if (code == ERROR_STATEMENT_TIMEOUT || code == ERROR_QUERY_TIMEOUT_MYSQL) {
        error_set(err, ERROR_TIMEOUT, "%s", message);
        error_hint(err, "Give it more time with --statement-timeout, or with the directive "
                        "statement-timeout in the file.");
        error_code(err, "statement-timeout");
    } else {
        error_set(err, ERROR_SQL, "%s", message);
        if (is_privilege(code)) {
            error_hint(err, "Grant the privilege, or run as a user who has it.");
            error_code(err, "no-privilege");
        } else if (code == ERROR_IN_READ_ONLY_TRANSACTION || code == ERROR_READ_ONLY_MODE ||
                   (code == ERROR_OPTION_PREVENTS && strstr(message, "read"))) {
            error_hint(err, "Connect to the primary server, with a session that may write.");
            error_code(err, "read-only");
        } else if (code == ERROR_DISK_FULL || code == ERROR_TABLE_FULL) {
            error_hint(err, "Make room on the server's disk, then run the command again.");
            error_code(err, "disk-full");
        } else if (code == ERROR_PACKET_TOO_LARGE) {
            error_hint(
                err, "Raise max_allowed_packet on the server, or cut the statement into several.");
            error_code(err, "packet-too-large");
        } else if (code == ERROR_DB_EXISTS) {
            error_code(err, "database-exists");
        } else if (code == ERROR_BAD_DB || code == ERROR_DB_DROP_ABSENT) {
            error_hint(err, "Create it: whimbrel database create.");
            error_code(err, "database-absent");
        } else if (code == ERROR_QUERY_INTERRUPTED) {
            error_code(err, "cancelled-by-server");
        }
    }
    if (err) {
        err->server_code = (int)code;
        const char *state = m->lib.mysql_sqlstate(m->handle);
        if (state && strlen(state) == 5 && strcmp(state, "HY000") != 0 && !is_lost(code))
            memcpy(err->sqlstate, state, 6);
    }
    return false;
}

/* Whether what the server quotes begins at this place: it may be cut short, and it may run on into the statements behind this
 * one, which travelled in the same message. ret_own: how much of it is this statement's. */
static bool is_quoted_at(Str near, Str sql, size_t at, size_t *ret_own)
{
    static const Str separators[] = {{"\n;\n", 3}, {";\n", 2}};
    Str tail = str_sub(sql, at, sql.len);
    if (near.len <= tail.len) {
        *ret_own = near.len;
        return str_starts(tail, near);
    }
    *ret_own = tail.len;
    Str rest = str_sub(near, tail.len, near.len);
    for (size_t i = 0; i < 2; i++)
        if (str_starts(near, tail) &&
            (str_starts(rest, separators[i]) || str_starts(separators[i], rest)))
            return true;
    return false;
}

/* Where the server points: "... near 'TEXT' at line N" quotes up to 80 bytes from the place on. */
static void locate(const char *message, Str sql, DbOutcome *outcome, Error *err)
{
    Str text = str_from(message);
    size_t at = SIZE_MAX, near_at = str_find(text, STR("near '"), 0);
    for (size_t i = str_find(text, STR("' at line "), 0); i != SIZE_MAX;
         i = str_find(text, STR("' at line "), i + 1))
        at = i;
    if (at == SIZE_MAX)
        return;
    Str number = str_sub(text, at + 10, text.len);
    size_t digits = 0;
    while (digits < number.len && number.ptr[digits] >= '0' && number.ptr[digits] <= '9')
        digits++;
    uint64_t line, lines = 1;
    if (!str_to_u64(str_sub(number, 0, digits), &line) || line == 0 || line > INT32_MAX)
        return;
    size_t line_start = 0;
    for (size_t i = 0; i < sql.len; i++)
        if (sql.ptr[i] == '\n' && ++lines == line)
            line_start = i + 1;
    if (line > lines) /* at the separator behind it */
        line_start = sql.len;
    outcome->error_line = (int)(line > lines ? lines : line);
    if (near_at == SIZE_MAX || near_at + 6 > at)
        return;
    Str near = str_sub(text, near_at + 6, at);
    if (near.len == 0) {
        outcome->error_offset = (int64_t)sql.len; /* near '': at the end */
        return;
    }
    for (size_t from = line_start; from <= sql.len; from++) {
        size_t own;
        if (!is_quoted_at(near, sql, from, &own))
            continue;
        outcome->error_offset = (int64_t)from;
        if (own < near.len && err && err->arena) {
            const char *shorter =
                str_format(err->arena, "%.*s%.*s' at line %d", (int)near_at + 6, message,
                           STR_ARG(str_sub(near, 0, own)), outcome->error_line);
            err->message = shorter ? shorter : err->message;
        }
        return;
    }
}

/* ---- waiting --------------------------------------------------------------------------------- */

static bool apply_options(MysqlDb *m, MYSQL *handle, const DbUrl *url, Error *err);
static bool copy_tls(MysqlDb *m, MYSQL *handle);

/* Drives a call on the second connection to its end; once the time is over by hanging up, for in its midst a connection cannot be
 * closed. */
static bool drive_second(MysqlDb *m, MYSQL *second, int status, DbDeadline *deadline,
                         int (*go_on)(MysqlDb *m, MYSQL *second, int status))
{
    bool is_late = false;
    while (status != 0) {
        short events = (short)((status & MYSQL_WAIT_READ ? POLLIN : 0) |
                               (status & MYSQL_WAIT_WRITE ? POLLOUT : 0));
        int fd = m->lib.mysql_get_socket(second);
        DbWait wait = is_late ? DB_WAIT_READY : db_wait(NULL, fd, events, deadline);
        if (wait == DB_WAIT_DEADLINE) {
            is_late = true;
            (void)shutdown(fd, SHUT_RDWR);
        }
        if (is_late || wait == DB_WAIT_READY)
            status = go_on(m, second, is_late ? MYSQL_WAIT_TIMEOUT : status & ~MYSQL_WAIT_TIMEOUT);
    }
    return !is_late;
}

static int go_on_connecting(MysqlDb *m, MYSQL *second, int status)
{
    MYSQL *connected;
    return m->lib.mysql_real_connect_cont(&connected, second, status);
}

static int go_on_asking(MysqlDb *m, MYSQL *second, int status)
{
    int failed;
    return m->lib.mysql_real_query_cont(&failed, second, status);
}

/* Stops the running statement from a second connection, or, when it was told before, only sees whether the server is still
 * there: to tell it twice might hit another statement. */
static bool reach_server(MysqlDb *m)
{
    enum { PATIENCE_US = 2000000 };
    MYSQL *own = m->handle, *second = new_handle(&m->lib), *connected = NULL;
    if (!second)
        return false;
    unsigned seconds = PATIENCE_US / 1000000;
    m->lib.mysql_options(second, MYSQL_OPT_NONBLOCK, NULL);
    bool is_good = m->url ? apply_options(m, second, m->url, NULL) : copy_tls(m, second);
    DbDeadline deadline = db_deadline(PATIENCE_US);
    if (is_good) {
        m->lib.mysql_options(second, MYSQL_OPT_CONNECT_TIMEOUT, &seconds);
        int status =
            m->lib.mysql_real_connect_start(&connected, second, own->host, own->user, own->passwd,
                                            NULL, own->port, own->unix_socket, 0);
        is_good = drive_second(m, second, status, &deadline, go_on_connecting) &&
                  m->lib.mysql_errno(second) == 0;
    }
    if (is_good && !m->was_killed) {
        char sql[64];
        int len = snprintf(sql, sizeof sql, "KILL QUERY %lu", m->lib.mysql_thread_id(own)), failed;
        int status = m->lib.mysql_real_query_start(&failed, second, sql, (unsigned long)len);
        is_good = drive_second(m, second, status, &deadline, go_on_asking) &&
                  m->lib.mysql_errno(second) == 0;
        m->was_killed = is_good;
    }
    m->lib.mysql_close(second);
    return is_good;
}

/* Tells the server to stop, again every second until it could be told. What it undoes may take its time, and is waited for as
 * long as it answers at all; when it has not done so for a while, we hang up. */
static void ask_to_stop(MysqlDb *m)
{
    enum { AGAIN_US = 1000000, PROBE_US = 5000000, GIVE_UP_US = 5000000 };
    int64_t now_us = clock_monotonic_us();
    if (!m->is_stopping) {
        m->is_stopping = true;
        m->reached_us = now_us;
        m->asked_us = now_us - AGAIN_US;
    }
    if (m->is_given_up || now_us - m->asked_us < (m->was_killed ? PROBE_US : AGAIN_US))
        return;
    bool is_reached = reach_server(m);
    m->asked_us = clock_monotonic_us();
    if (is_reached) {
        m->reached_us = m->asked_us;
    } else if (m->asked_us - m->reached_us > GIVE_UP_US) {
        m->is_given_up = true;
        (void)shutdown(m->lib.mysql_get_socket(m->handle), SHUT_RDWR);
    }
}

/* The server sends each statement's result by itself. While many are to come, being woken for each would cost more than
 * reading them: then only for what is surely on its way, or after a moment, so that what is told of each is not far from true. */
static void set_low_water(MysqlDb *m, int bytes)
{
    if (bytes == m->low_water)
        return;
    m->low_water = bytes;
    (void)setsockopt(m->lib.mysql_get_socket(m->handle), SOL_SOCKET, SO_RCVLOWAT, &bytes,
                     sizeof bytes);
}

static void await_results(MysqlDb *m, size_t results)
{
    enum { LEAST_BYTES = 11, MOST_BYTES = 1024 }; /* of an OK packet; for one awakening */
    size_t others = results > 1 ? results - 1 : 0;
    set_low_water(m, others * LEAST_BYTES > MOST_BYTES ? MOST_BYTES
                     : others > 0                      ? (int)others * LEAST_BYTES
                                                       : 1);
}

/* Waits for what the library wants next; the status to go on with. */
static int wait_for(MysqlDb *m, int status)
{
    enum { A_MOMENT_US = 10000 };
    DbDeadline *deadline = &m->db.silence, wanted;
    if (status & MYSQL_WAIT_TIMEOUT) {
        wanted = db_deadline((int64_t)m->lib.mysql_get_timeout_value_ms(m->handle) * 1000);
        deadline = wanted.at_us < deadline->at_us ? &wanted : deadline;
    }
    short events = (short)((status & MYSQL_WAIT_READ ? POLLIN : 0) |
                           (status & MYSQL_WAIT_WRITE ? POLLOUT : 0) |
                           (status & MYSQL_WAIT_EXCEPT ? POLLPRI : 0));
    for (;;) {
        const DbCancel *cancel = m->is_stopping ? NULL : m->db.options.cancel;
        DbDeadline moment = db_deadline(m->low_water > 1 ? A_MOMENT_US : DB_NO_DEADLINE);
        DbDeadline *first = moment.at_us < deadline->at_us ? &moment : deadline;
        switch (db_wait(cancel, m->lib.mysql_get_socket(m->handle), events, first)) {
        case DB_WAIT_READY:
            db_silence_begin(&m->db);
            return status & (MYSQL_WAIT_READ | MYSQL_WAIT_WRITE | MYSQL_WAIT_EXCEPT);
        case DB_WAIT_DEADLINE:
            if (first == deadline)
                return MYSQL_WAIT_TIMEOUT;
            set_low_water(m, 1);
            break;
        case DB_WAIT_CANCEL:
            ask_to_stop(m);
            break;
        case DB_WAIT_TICK:
            set_low_water(m, 1);
            if (m->is_stopping)
                ask_to_stop(m);
            else
                db_silence_tick(&m->db);
            break;
        }
    }
}

static bool send_query(MysqlDb *m, Str sql)
{
    int failed;
    m->db.round_trips++;
    db_silence_begin(&m->db);
    int status = m->lib.mysql_real_query_start(&failed, m->handle, sql.ptr, (unsigned long)sql.len);
    if (status & MYSQL_WAIT_READ)
        db_do_meanwhile(&m->db);
    while (status != 0)
        status = m->lib.mysql_real_query_cont(&failed, m->handle, wait_for(m, status));
    return failed == 0;
}

/* The next row of a result that comes row by row, since libmariadb would hold all of them a second time; NULL: there are no more, or
 * an error. */
static MYSQL_ROW next_row(MysqlDb *m, MYSQL_RES *result)
{
    MYSQL_ROW row = NULL;
    int status = m->lib.mysql_fetch_row_start(&row, result);
    while (status != 0)
        status = m->lib.mysql_fetch_row_cont(&row, result, wait_for(m, status));
    return row;
}

/* Reads the rows of a result one by one, keeping none. */
static bool drop_rows(MysqlDb *m)
{
    MYSQL_RES *result = m->lib.mysql_use_result(m->handle);
    if (!result)
        return false;
    while (next_row(m, result))
        ;
    bool is_good = m->lib.mysql_errno(m->handle) == 0;
    m->lib.mysql_free_result(result); /* all is read: this does not wait */
    return is_good;
}

/* 0: there is one, -1: no more, above 0: it was an error. */
static int next_result(MysqlDb *m)
{
    int outcome;
    int status = m->lib.mysql_next_result_start(&outcome, m->handle);
    while (status != 0)
        status = m->lib.mysql_next_result_cont(&outcome, m->handle, wait_for(m, status));
    /* The library says -1, too, when the connection breaks while the columns of the result are read. */
    return outcome < 0 && m->lib.mysql_errno(m->handle) != 0 ? 1 : outcome;
}

static void note_status(MysqlDb *m)
{
    m->db.is_in_transaction = (m->handle->server_status & SERVER_STATUS_IN_TRANS) != 0;
}

/* ---- running ---------------------------------------------------------------------------------- */

/* How a text may travel. */
typedef enum Shape {
    SHAPE_ONE, /* one statement, one result */
    SHAPE_MANY, /* may answer with any number of results: sent alone, so that the others can be counted */
    SHAPE_EMPTY, /* nothing but comments: the server would take it for an error */
} Shape;

/* Under another delimiter, more may stand behind a routine. */
static Shape shape_of_routine(Str sql, const SqlSplitOptions *options)
{
    scoped(Arena *, arena_freep) scratch = arena_new();
    SqlStatementVec statements = {0};
    Error ignored = {0};
    return scratch && sql_split(scratch, options, sql, &statements, &ignored) &&
                   statements.len == 1 && statements.items[0].text.len == sql.len
               ? SHAPE_ONE
               : SHAPE_MANY;
}

static Shape shape_of(const DbStatement *statement, const SqlSplitOptions *options)
{
    Str sql = statement->sql;
    if (statement->is_single)
        return SHAPE_ONE;
    static const char *const callers[] = {"CALL", "EXECUTE", "BEGIN"};
    SqlLexer lexer = sql_lexer(sql, options);
    SqlToken token, next;
    if (!sql_lexer_next(&lexer, &token))
        return SHAPE_EMPTY;
    for (size_t i = 0; i < sizeof callers / sizeof *callers; i++)
        if (sql_token_is(
                &token,
                callers[i])) /* BEGIN alone opens a transaction; BEGIN NOT ATOMIC is a block */
            return i < 2 || (sql_lexer_next(&lexer, &next) && sql_token_is(&next, "NOT"))
                       ? SHAPE_MANY
                       : SHAPE_ONE;
    /* SET STATEMENT ... FOR CALL, ANALYZE ... */
    bool may_call = sql_token_is(&token, "SET");
    bool has_semicolon = str_find_char(sql, ';', 0) != SIZE_MAX;
    if (!may_call && !has_semicolon)
        return SHAPE_ONE;
    SqlInfo info = sql_inspect(sql, options);
    if (info.object == SQL_OBJECT_PROCEDURE || info.object == SQL_OBJECT_FUNCTION ||
        info.object == SQL_OBJECT_TRIGGER || info.object == SQL_OBJECT_EVENT)
        return shape_of_routine(sql, options);
    do {
        if (may_call && sql_token_is(&token, "CALL"))
            return SHAPE_MANY;
        if ((token.kind == SQL_TOKEN_SYMBOL && token.text.ptr[0] == ';') ||
            (token.kind == SQL_TOKEN_CODE_COMMENT && str_find_char(token.text, ';', 0) != SIZE_MAX))
            return SHAPE_MANY;
    } while (sql_lexer_next(&lexer, &token));
    return SHAPE_ONE;
}

/* Reads all results of the message just sent. Each is one statement's, unless is_one. */
static bool read_results(MysqlDb *m, bool is_sent, bool is_one, size_t count,
                         void (*progress)(void *, size_t), void *ctx, DbOutcome *outcome,
                         Error *err)
{
    size_t first = outcome->completed;
    for (int next = is_sent ? 0 : 1;; next = next_result(m)) {
        if (next < 0)
            break;
        if (!is_one)
            await_results(m, first + count - outcome->completed - 1);
        bool has_rows = next == 0 && m->lib.mysql_field_count(m->handle) > 0;
        if (next > 0 || (has_rows && !drop_rows(m))) {
            fail(m, err);
            outcome->is_fate_unknown = m->db.is_broken;
            return false;
        }
        outcome->rows = has_rows ? -1 : (int64_t)m->lib.mysql_affected_rows(m->handle);
        note_status(m);
        /* A statement may end well in spite of KILL QUERY, and the next of the message begins. */
        if (m->is_stopping && m->was_killed) {
            m->was_killed = false;
            m->asked_us = 0;
        }
        if (!is_one && outcome->completed < first + count) {
            outcome->completed++;
            if (progress)
                progress(ctx, outcome->completed);
        }
    }
    if (is_one) {
        outcome->completed++;
        if (progress)
            progress(ctx, outcome->completed);
    }
    return true;
}

/* KILL QUERY may have come when the statement was over already; whatever comes next would be hit by it. */
static void absorb_kill(MysqlDb *m)
{
    if (!m->is_stopping || m->db.is_broken)
        return;
    if (send_query(m, STR("DO 0")))
        while (next_result(m) == 0)
            ;
    m->was_killed = m->is_stopping = false;
}

/* The warnings of the last statement of a message; those of the ones before it are gone by then. "Note" is what IF EXISTS says
 * all the time. */
static void tell_warnings(MysqlDb *m)
{
    scoped(DbRows, db_rows_done) rows = {0};
    if (!m->db.options.notice || m->lib.mysql_warning_count(m->handle) == 0 ||
        !db_query(&m->db, STR("SHOW WARNINGS"), &rows, NULL))
        return;
    while (db_rows_next(&rows))
        if (rows.col_count >= 3 && !str_eq_nocase(rows.cols[0].text, STR("Note")))
            m->db.options.notice(m->db.options.notice_ctx,
                                 str_eq_nocase(rows.cols[0].text, STR("Error")) ? STR("ERROR")
                                                                                : STR("WARNING"),
                                 rows.cols[2].text);
}

static bool too_long(const MysqlDb *m, Str sql, Error *err)
{
    error_set(
        err, ERROR_SQL,
        "a statement of %llu bytes is longer than the server takes (max_allowed_packet is %llu)",
        (unsigned long long)sql.len, (unsigned long long)m->max_packet_bytes);
    error_hint(err, "Raise max_allowed_packet on the server, or cut the statement into several.");
    return error_code(err, "packet-too-large");
}

static bool mysql_run(Db *db, const DbStatement *statements, size_t count,
                      void (*progress)(void *ctx, size_t completed), void *ctx,
                      DbOutcome *ret_outcome, Error *err)
{
    MysqlDb *m = (MysqlDb *)db;
    scoped(Arena *, arena_freep) scratch = arena_new();
    if (!scratch)
        return error_nomem(err);
    SqlSplitOptions options = db_split_options(db, NULL);
    uint64_t limit = m->max_packet_bytes / 2;
    for (size_t i = 0; i < count;) {
        if (db_cancel_requested(db->options.cancel))
            return db_error_cancelled(err);
        if (statements[i].copy_data)
            return error_set(err, ERROR_UNSUPPORTED, "COPY ... FROM STDIN is PostgreSQL's");
        if (statements[i].sql.len + 16 > m->max_packet_bytes)
            return too_long(m, statements[i].sql, err);
        Shape shape = shape_of(&statements[i], &options);
        if (shape == SHAPE_EMPTY) {
            ret_outcome->completed = ++i;
            if (progress)
                progress(ctx, i);
            continue;
        }
        size_t end = i + 1;
        bool is_one = shape == SHAPE_MANY;
        Str message = statements[i].sql;
        if (!is_one && end < count) {
            arena_reset(scratch);
            StrBuf text = strbuf(scratch);
            strbuf_add(&text, statements[i].sql);
            while (end < count && text.len + statements[end].sql.len + 3 <= limit &&
                   !statements[end].copy_data &&
                   shape_of(&statements[end], &options) == SHAPE_ONE) {
                strbuf_adds(&text, "\n;\n"); /* the first line feed ends a comment */
                strbuf_add(&text, statements[end++].sql);
            }
            if (!strbuf_finish(&text, &message))
                return error_nomem(err);
        }
        m->was_killed = m->is_stopping = false;
        bool is_ok = read_results(m, send_query(m, message), is_one, end - i, progress, ctx,
                                  ret_outcome, err);
        set_low_water(m, 1);
        if (!is_ok) {
            if (ret_outcome->completed < count && !db->is_broken)
                locate(m->lib.mysql_error(m->handle), statements[ret_outcome->completed].sql,
                       ret_outcome, err);
            note_status(m);
            return false;
        }
        absorb_kill(m);
        tell_warnings(m);
        i = end;
    }
    return true;
}

/* All rows are taken from the connection, whether there is memory for them or not. */
static bool buffer_result(DbBuffer *buffer, MysqlDb *m, MYSQL_RES *result)
{
    size_t cols = m->lib.mysql_num_fields(result);
    bool is_good = db_buffer_begin(buffer, cols);
    MYSQL_ROW row;
    while ((row = next_row(m, result))) {
        const unsigned long *lengths = m->lib.mysql_fetch_lengths(result);
        for (size_t i = 0; i < cols && is_good; i++)
            is_good = db_buffer_add(buffer, (Str){row[i], row[i] ? lengths[i] : 0}, !row[i]);
        if (is_good)
            db_buffer_row(buffer);
    }
    return is_good;
}

static bool mysql_query_rows(Db *db, Str sql, DbRows *ret_rows, Error *err)
{
    MysqlDb *m = (MysqlDb *)db;
    if (db_cancel_requested(db->options.cancel))
        return db_error_cancelled(err);
    scoped(DbBuffer *, db_buffer_freep) buffer = db_buffer_new();
    if (!buffer)
        return error_nomem(err);
    bool is_short = false;
    if (sql.len + 16 > m->max_packet_bytes)
        return too_long(m, sql, err);
    m->was_killed = m->is_stopping = false;
    for (int next = send_query(m, sql) ? 0 : 1; next >= 0; next = next_result(m)) {
        MYSQL_RES *result = next == 0 ? m->lib.mysql_use_result(m->handle) : NULL;
        size_t before = buffer->results.len;
        bool has_failed = next > 0 || (!result && m->lib.mysql_field_count(m->handle) > 0);
        if (!has_failed && !result)
            is_short = is_short || !db_buffer_begin(buffer, 0);
        else if (!has_failed)
            is_short = !buffer_result(buffer, m, result) || is_short;
        /* A connection that breaks among the rows takes the number of columns with it: only the error tells that from a
         * statement without rows. */
        has_failed = has_failed || m->lib.mysql_errno(m->handle) != 0;
        if (has_failed)
            fail(m, &buffer->error);
        else
            note_status(m);
        m->lib.mysql_free_result(result);
        if (has_failed) {
            buffer->results.len = before; /* the rows before an error are no result */
            break;
        }
    }
    if (buffer->error.kind == ERROR_NONE)
        absorb_kill(m);
    if (is_short) /* only now, when the connection is free again */
        return error_nomem(err);
    return db_buffer_finish(&buffer, db, ret_rows, err);
}

/* ---- URLs -------------------------------------------------------------------------------------- */

static const char *const known_params[] = {
    "socket", "ssl-mode", "ssl-ca", "ssl-capath", "ssl-cert", "ssl-key", "ssl-cipher",
    "tls-version", "charset", "connect-timeout",
    /* Prisma's, about its pool of connections: they mean nothing for one */
    "connection_limit", "pool_timeout", NULL};
static const char *const ssl_modes[] = {"DISABLED",  "PREFERRED",       "REQUIRED",
                                        "VERIFY_CA", "VERIFY_IDENTITY", NULL};

/* "VERIFY_CA", "verify-ca" */
static bool mode_is(const Str *mode, const char *name)
{
    Str wanted = str_from(name);
    if (!mode || mode->len != wanted.len)
        return false;
    for (size_t i = 0; i < wanted.len; i++)
        if (!str_eq_nocase(str_sub(*mode, i, i + 1), str_sub(wanted, i, i + 1)) &&
            !(wanted.ptr[i] == '_' && mode->ptr[i] == '-'))
            return false;
    return true;
}

static bool mysql_url_check(Arena *arena, DbUrl *url, Error *err)
{
    if (!db_url_check_params(url, "MySQL", known_params, err))
        return false;
    const Str *mode = db_url_param(url, "ssl-mode");
    bool is_known = !mode;
    for (size_t i = 0; ssl_modes[i] && !is_known; i++)
        is_known = mode_is(mode, ssl_modes[i]);
    if (!is_known) {
        error_set(err, ERROR_USAGE, "the database URL's ssl-mode is none that MySQL knows");
        error_hint(err, "Use one of DISABLED, PREFERRED, REQUIRED, VERIFY_CA, VERIFY_IDENTITY.");
        return error_code(err, "bad-url");
    }
    const Str *charset = db_url_param(url, "charset");
    if (charset && !str_eq_nocase(*charset, STR("utf8mb4")) &&
        !str_eq_nocase(*charset, STR("utf8mb3")) && !str_eq_nocase(*charset, STR("utf8"))) {
        error_set(err, ERROR_USAGE, "the database URL's charset cannot be '%.*s'",
                  STR_ARG(*charset));
        error_hint(err, "Migrations are UTF-8: leave it out, or write utf8mb4.");
        return error_code(err, "bad-url");
    }
    const Str *timeout = db_url_param(url, "connect-timeout");
    int64_t us;
    if (timeout && !duration_parse(*timeout, 1000000, &us)) {
        error_set(err, ERROR_USAGE, "the database URL's connect-timeout is no duration");
        error_hint(err, "Write seconds, or a number with a unit: connect-timeout=5s.");
        return error_code(err, "bad-url");
    }
    DbHostVec hosts = {0};
    return db_url_hosts(arena, url->hosts, &hosts, err);
}

/* Without ssl-mode: as MySQL's own client has it, encrypted where the server can, but not on this machine. */
static bool prefers_tls(const DbUrl *url, const DbHost *host)
{
    const Str *mode = db_url_param(url, "ssl-mode");
    if (mode)
        return mode_is(mode, "PREFERRED");
    static const char *const here[] = {"", "localhost", "127.0.0.1", "::1"};
    bool is_here = !host || db_url_param(url, "socket") || str_starts(host->host, STR("/"));
    for (size_t i = 0; i < 4 && !is_here; i++)
        is_here = str_eq_nocase(host->host, str_from(here[i]));
    return !is_here;
}

static bool must_verify(const Str *mode)
{
    return mode_is(mode, "VERIFY_CA") || mode_is(mode, "VERIFY_IDENTITY");
}

static bool must_encrypt(const Str *mode)
{
    return mode_is(mode, "REQUIRED") || must_verify(mode);
}

static const struct {
    const char *key;
    enum mysql_option option;
} tls_texts[] = {{"ssl-ca", MYSQL_OPT_SSL_CA},         {"ssl-capath", MYSQL_OPT_SSL_CAPATH},
                 {"ssl-cert", MYSQL_OPT_SSL_CERT},     {"ssl-key", MYSQL_OPT_SSL_KEY},
                 {"ssl-cipher", MYSQL_OPT_SSL_CIPHER}, {"tls-version", MARIADB_OPT_TLS_VERSION}};
enum { TLS_TEXTS = sizeof tls_texts / sizeof *tls_texts };

/* TLS, character set and option files: all that must hold for the second connection too. A TLS option that the library does not
 * take is an error: the connection would be less than asked. */
static bool apply_options(MysqlDb *m, MYSQL *handle, const DbUrl *url, Error *err)
{
    const Str *mode = db_url_param(url, "ssl-mode"), *charset = db_url_param(url, "charset");
    my_bool on = 1, off = 0;
    char *charset_z = str_z(m->db.arena, charset ? *charset : STR("utf8mb4"));
    if (!charset_z)
        return error_nomem(err);
    m->lib.mysql_options(handle, MYSQL_READ_DEFAULT_GROUP, "client");
    m->lib.mysql_options(handle, MYSQL_SET_CHARSET_NAME, charset_z);
    if (mode_is(mode, "DISABLED"))
        return true;
    bool is_good = true;
    for (size_t i = 0; i < TLS_TEXTS; i++) {
        const Str *value = db_url_param(url, tls_texts[i].key);
        char *text = value ? str_z(m->db.arena, *value) : NULL;
        if (value && !text)
            return error_nomem(err);
        is_good =
            is_good && (!text || m->lib.mysql_options(handle, tls_texts[i].option, text) == 0);
    }
    if (must_encrypt(mode) || m->tries_tls)
        is_good = is_good && m->lib.mysql_options(handle, MYSQL_OPT_SSL_ENFORCE, &on) == 0;
    /* The library checks the chain and the name together; VERIFY_CA is thus stricter than asked, never less. */
    if (must_verify(mode))
        is_good =
            is_good && m->lib.mysql_options(handle, MYSQL_OPT_SSL_VERIFY_SERVER_CERT, &on) == 0;
    else
        m->lib.mysql_options(handle, MYSQL_OPT_SSL_VERIFY_SERVER_CERT, &off);
    if (is_good)
        return true;
    error_set(err, ERROR_CONNECT,
              "the client library cannot do the TLS that the database URL asks for");
    return error_code(err, "tls");
}

/* An option file is read while connecting and may have put its own settings in place of the URL's. */
static bool kept_tls(MysqlDb *m, const DbUrl *url)
{
    const Str *mode = db_url_param(url, "ssl-mode");
    my_bool verifies = 0;
    if (!must_verify(mode))
        return true;
    if (m->lib.mysql_get_optionv(m->handle, MYSQL_OPT_SSL_VERIFY_SERVER_CERT, &verifies) != 0 ||
        !verifies)
        return false;
    for (size_t i = 0; i < 2; i++) { /* whom to trust */
        const Str *value = db_url_param(url, tls_texts[i].key);
        const char *used = NULL;
        if (value && (m->lib.mysql_get_optionv(m->handle, tls_texts[i].option, &used) != 0 ||
                      !str_eq(*value, str_from(used))))
            return false;
    }
    return true;
}

/* For the second connection beside one that the application made. */
static bool copy_tls(MysqlDb *m, MYSQL *handle)
{
    my_bool on = 1, verifies = 0;
    if (!m->lib.mysql_get_ssl_cipher(m->handle))
        return true;
    for (size_t i = 0; i < TLS_TEXTS; i++) {
        const char *value = NULL;
        if (m->lib.mysql_get_optionv(m->handle, tls_texts[i].option, &value) == 0 && value &&
            m->lib.mysql_options(handle, tls_texts[i].option, value) != 0)
            return false;
    }
    m->lib.mysql_get_optionv(m->handle, MYSQL_OPT_SSL_VERIFY_SERVER_CERT, &verifies);
    return m->lib.mysql_options(handle, MYSQL_OPT_SSL_ENFORCE, &on) == 0 &&
           m->lib.mysql_options(handle, MYSQL_OPT_SSL_VERIFY_SERVER_CERT, &verifies) == 0;
}

/* ---- connecting ---------------------------------------------------------------------------------- */

static bool cannot_connect(MysqlDb *m, const char *place, Error *err)
{
    unsigned code = m->lib.mysql_errno(m->handle);
    const char *message = m->lib.mysql_error(m->handle);
    if (code == CR_OUT_OF_MEMORY)
        return error_nomem(err);
    if (code == ERROR_ACCESS_DENIED || code == ERROR_ACCESS_DENIED_NO_PASSWORD) {
        error_set(err, ERROR_CONNECT, "%s", message);
        error_hint(err, "Check user and password; a password may come from MYSQL_PWD, ~/.my.cnf or "
                        "--password-file.");
        error_code(err, "wrong-password");
    } else if (code == ERROR_BAD_DB || code == ERROR_DB_ACCESS_DENIED) {
        error_set(err, ERROR_CONNECT, "%s", message);
        error_hint(
            err,
            code == ERROR_BAD_DB
                ? "Create it: whimbrel database create."
                : "Grant the user access to the database, or create it: whimbrel database create.");
        error_code(err, "database-absent");
    } else if (code == CR_SSL_CONNECTION_ERROR) {
        error_set(err, ERROR_CONNECT, "no encrypted connection to %s: %s", place, message);
        error_hint(err, "Check ssl-mode and the certificates named in the database URL against "
                        "what the server offers.");
        error_code(err, "tls");
    } else if (is_outside(code, message)) {
        fail_outside(message, err);
    } else if (code < CR_MIN_ERROR) { /* the server itself says no */
        error_set(err, ERROR_CONNECT, "%s", message);
        bool is_full = code == ERROR_TOO_MANY_CONNECTIONS || code == ERROR_TOO_MANY_OF_USER;
        error_code(err, is_full ? "too-many-connections" : "access-refused");
        if (is_full)
            error_hint(err, "Close other connections, or raise max_connections on the server.");
    } else {
        error_set(err, ERROR_CONNECT, "no connection to %s", place);
        error_detail(err, "%s", message);
        error_hint(
            err,
            "See that the server runs there, and check host, port or socket in the database URL.");
        error_code(err, "connect-refused");
    }
    const char *state = m->lib.mysql_sqlstate(m->handle);
    if (err)
        err->server_code = (int)code;
    if (err && code < CR_MIN_ERROR && state && strlen(state) == 5 && strcmp(state, "HY000") != 0)
        memcpy(err->sqlstate, state, 6);
    return false;
}

typedef struct Target {
    const char *host, *socket, *user, *password, *database;
    unsigned port;
} Target;

static bool copy_text(Arena *arena, Str text, const char **ret_text)
{
    *ret_text = str_z(arena, text);
    return *ret_text != NULL;
}

/* Nothing may be left out for want of memory: without its host the library goes to this machine. */
static bool make_target(Arena *arena, const DbUrl *url, const DbHost *host, bool has_database,
                        Target *ret_target, Error *err)
{
    Target target = {.port = host ? host->port : 0};
    const Str *socket = db_url_param(url, "socket");
    bool is_path = host && str_starts(host->host, STR("/"));
    bool is_good = (!socket || copy_text(arena, *socket, &target.socket)) &&
                   (!is_path || copy_text(arena, host->host, &target.socket)) &&
                   (url->user.len == 0 || copy_text(arena, url->user, &target.user)) &&
                   (!url->has_password || copy_text(arena, url->password, &target.password)) &&
                   (!has_database || url->database.len == 0 ||
                    copy_text(arena, url->database, &target.database));
    if (is_good && target.socket)
        target.host = "localhost";
    else if (is_good && host && host->host.len > 0)
        is_good = copy_text(arena, host->host, &target.host);
    *ret_target = target;
    return is_good || error_nomem(err);
}

/* Drives the connecting to its end, in time. */
static bool drive_connection(MysqlDb *m, const Target *target, int64_t timeout_ms,
                             MYSQL **ret_connected, Error *err)
{
    DbDeadline deadline = db_deadline(timeout_ms * 1000);
    int status = m->lib.mysql_real_connect_start(
        ret_connected, m->handle, target->host, target->user, target->password, target->database,
        target->port, target->socket,
        CLIENT_MULTI_STATEMENTS | CLIENT_MULTI_RESULTS | CLIENT_REMEMBER_OPTIONS);
    while (status != 0) {
        short events = (short)((status & MYSQL_WAIT_READ ? POLLIN : 0) |
                               (status & MYSQL_WAIT_WRITE ? POLLOUT : 0) |
                               (status & MYSQL_WAIT_EXCEPT ? POLLPRI : 0));
        switch (
            db_wait(m->db.options.cancel, m->lib.mysql_get_socket(m->handle), events, &deadline)) {
        case DB_WAIT_READY:
            status = m->lib.mysql_real_connect_cont(ret_connected, m->handle,
                                                    status & ~MYSQL_WAIT_TIMEOUT);
            break;
        case DB_WAIT_TICK:
            break;
        case DB_WAIT_CANCEL:
        case DB_WAIT_DEADLINE: {
            bool is_cancelled = db_cancel_requested(m->db.options.cancel);
            /* The call is ended by what it takes for its own time-out, so that it cleans up after itself. */
            while (status != 0)
                status =
                    m->lib.mysql_real_connect_cont(ret_connected, m->handle, MYSQL_WAIT_TIMEOUT);
            *ret_connected = NULL;
            if (is_cancelled)
                return db_error_cancelled(err);
            error_set(err, ERROR_CONNECT, "%s did not answer within %.1f s", m->db.info.place,
                      (double)timeout_ms / 1000);
            error_hint(err, "Check host and port in the database URL, and the network in between; "
                            "connect-timeout=30s in the "
                            "URL waits longer.");
            return error_code(err, "connect-refused");
        }
        }
    }
    return true;
}

/* One try at one host. */
static bool connect_to(MysqlDb *m, const DbUrl *url, const DbHost *host, int64_t timeout_ms,
                       bool has_database, Error *err)
{
    Target target;
    scoped(Arena *, arena_freep) scratch = arena_new_secret();
    if (!scratch)
        return error_nomem(err);
    if (!make_target(scratch, url, host, has_database, &target, err))
        return false;
    const char *place =
        target.socket ? str_z(m->db.arena, str_from(target.socket))
                      : str_format(m->db.arena, "%s:%u", target.host ? target.host : "localhost",
                                   target.port ? target.port : 3306);
    m->handle = new_handle(&m->lib);
    if (!m->handle || !place)
        return error_nomem(err);
    m->db.info.place = place;
    unsigned seconds = (unsigned)((timeout_ms + 999) / 1000) + 1; /* ours ends first */
    m->lib.mysql_options(m->handle, MYSQL_OPT_NONBLOCK, NULL);
    m->lib.mysql_options(m->handle, MYSQL_OPT_CONNECT_TIMEOUT, &seconds);
    if (!apply_options(m, m->handle, url, err))
        return false;
    if (target.port > 0 && !target.socket) {
        /* "localhost" means the socket to the library; who writes a port means TCP. */
        enum mysql_protocol_type protocol = MYSQL_PROTOCOL_TCP;
        m->lib.mysql_options(m->handle, MYSQL_OPT_PROTOCOL, &protocol);
    }
    MYSQL *connected = NULL;
    if (!drive_connection(m, &target, timeout_ms, &connected, err))
        return false;
    if (!connected)
        return cannot_connect(m, m->db.info.place, err);
    const Str *mode = db_url_param(url, "ssl-mode");
    if (must_encrypt(mode) && !m->lib.mysql_get_ssl_cipher(m->handle)) {
        error_set(err, ERROR_CONNECT,
                  "the connection to %s is not encrypted, and ssl-mode asks for it",
                  m->db.info.place);
        error_hint(err, "Switch TLS on at the server, or connect by TCP instead of a socket.");
        return error_code(err, "tls");
    }
    if (!kept_tls(m, url)) {
        error_set(
            err, ERROR_CONNECT,
            "an option file of the client (my.cnf) overrides the TLS settings of the database URL");
        error_hint(err, "Take the ssl-... lines out of [client] in my.cnf, or make them the same.");
        return error_code(err, "tls");
    }
    return true;
}

static void drop_handle(MysqlDb *m)
{
    if (m->handle)
        m->lib.mysql_close(m->handle);
    m->handle = NULL;
}

/* Another host helps when this one is out of reach or full, not when it knows us and says no. */
static bool helps_elsewhere(const Error *err)
{
    static const char *const codes[] = {"connect-refused", "too-many-connections", "access-refused",
                                        "node-not-ready", "connection-lost"};
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++)
        if (err->kind == ERROR_CONNECT && err->code && strcmp(err->code, codes[i]) == 0)
            return true;
    return false;
}

static bool describe(MysqlDb *m, Error *err);

/* Also that it is fit to be used shows only when it is asked what it is. */
static bool describe_this(MysqlDb *m, const DbUrl *url, Error *err)
{
    m->url = url;
    m->db.is_broken = m->is_galera = false;
    m->db.info.is_cluster = m->db.info.is_read_only = false;
    if (describe(m, err))
        return true;
    /* Nothing here waits for locks: the node does not hear from the others. */
    if (err->server_code == ERROR_LOCK_WAIT_TIMEOUT) {
        error_clear(err);
        return fail_outside("it hears nothing from the others", err);
    }
    return false;
}

static bool connect_any(MysqlDb *m, const DbUrl *url, bool has_database, Error *err)
{
    DbHostVec hosts = {0};
    if (!db_url_hosts(m->db.arena, url->hosts, &hosts, err))
        return false;
    int64_t timeout_ms =
        m->db.options.connect_timeout_ms > 0 ? m->db.options.connect_timeout_ms : 10000;
    const Str *written = db_url_param(url, "connect-timeout");
    int64_t us;
    if (written && duration_parse(*written, 1000000, &us) && us > 0)
        timeout_ms = us / 1000 > 0 ? us / 1000 : 1;
    Error local = {.arena = m->db.arena}, *why = err ? err : &local;
    size_t tries = hosts.len > 0 ? hosts.len : 1;
    for (size_t i = 0; i < tries; i++) {
        error_clear(why);
        const DbHost *host = hosts.len > 0 ? &hosts.items[i] : NULL;
        m->tries_tls = prefers_tls(url, host);
        bool is_there = connect_to(m, url, host, timeout_ms, has_database, why);
        bool is_tls =
            !is_there && m->handle && m->lib.mysql_errno(m->handle) == CR_SSL_CONNECTION_ERROR;
        if (is_tls && m->tries_tls) {
            drop_handle(m);
            error_clear(why);
            m->tries_tls = false;
            is_there = connect_to(m, url, host, timeout_ms, has_database, why);
        }
        if (is_there && describe_this(m, url, why))
            return true;
        drop_handle(m);
        if (!helps_elsewhere(why))
            break;
    }
    return false;
}

/* ---- what the server is ----------------------------------------------------------------------------- */

static const char *copy_z(MysqlDb *m, const DbValue *value)
{
    return value->is_null ? "" : str_z(m->db.arena, value->text);
}

/* "10.11.6-MariaDB-0+deb12u1" -> 101106, "8.0.36" -> 80036. ret_len: the digits and dots. */
static int version_number(Str version, size_t *ret_len)
{
    int parts[3] = {0}, part = 0;
    size_t i = 0;
    for (; i < version.len && part < 3; i++) {
        char c = version.ptr[i];
        if (c == '.')
            part++;
        else if (c >= '0' && c <= '9' && parts[part] < 10000)
            parts[part] = parts[part] * 10 + (c - '0');
        else
            break;
    }
    *ret_len = i;
    return parts[0] * 10000 + parts[1] * 100 + parts[2];
}

static bool has_word(Str text, const char *word)
{
    Str wanted = str_from(word);
    for (size_t i = 0; i + wanted.len <= text.len; i++)
        if (str_eq_nocase(str_sub(text, i, i + wanted.len), wanted))
            return true;
    return false;
}

static bool describe_server(MysqlDb *m, const DbValue *cols, Error *err)
{
    Str version = cols[0].text, comment = cols[1].text;
    /* A MariaDB of old replication habits says "5.5.5-10.11.6-MariaDB". */
    if (str_starts(version, STR("5.5.5-")))
        version = str_sub(version, 6, version.len);
    size_t len;
    m->db.info.version_number = version_number(version, &len);
    bool is_mariadb = has_word(version, "mariadb") || has_word(comment, "mariadb");
    bool is_tidb = has_word(version, "tidb") || has_word(comment, "tidb");
    m->db.info.engine = is_mariadb ? "mariadb" : "mysql";
    m->db.info.engine_title = is_tidb ? "TiDB" : is_mariadb ? "MariaDB" : "MySQL";
    size_t tidb = str_find(version, STR("-TiDB-v"), 0), tidb_len = 0;
    if (is_tidb && tidb != SIZE_MAX) { /* "8.0.11-TiDB-v7.5.0": what it imitates, and what it is */
        version = str_sub(version, tidb + 7, version.len);
        (void)version_number(version, &tidb_len);
        len = tidb_len;
    }
    m->db.info.version = str_z(m->db.arena, str_sub(version, 0, len));
    m->db.info.database = copy_z(m, &cols[2]);
    Str user = {0};
    str_cut(cols[3].text, '@', &user);
    m->db.info.user = str_z(m->db.arena, user);
    m->db.info.schema = m->db.info.search_path = "";
    m->db.info.session = str_format(m->db.arena, "%lu", m->lib.mysql_thread_id(m->handle));
    if (!m->db.info.version || !m->db.info.database || !m->db.info.user || !m->db.info.session)
        return error_nomem(err);
    if (is_tidb)
        m->db.info.is_cluster = true; /* its GET_LOCK is young, and its DDL is queued elsewhere */
    return true;
}

typedef struct Session {
    Str sql_mode, collation, foreign_key_checks, unique_checks, safe_updates, time_zone,
        max_statement_time, lock_wait_timeout, innodb_lock_wait_timeout, autocommit, sync_wait,
        select_limit;
} Session;

static bool read_variable(MysqlDb *m, Session *session, Str name, Str value)
{
    struct {
        const char *name;
        Str *to;
    } kept[] = {{"sql_mode", &session->sql_mode},
                {"collation_connection", &session->collation},
                {"foreign_key_checks", &session->foreign_key_checks},
                {"unique_checks", &session->unique_checks},
                {"sql_safe_updates", &session->safe_updates},
                {"time_zone", &session->time_zone},
                {"max_statement_time", &session->max_statement_time},
                {"lock_wait_timeout", &session->lock_wait_timeout},
                {"innodb_lock_wait_timeout", &session->innodb_lock_wait_timeout},
                {"autocommit", &session->autocommit},
                {"sql_select_limit", &session->select_limit},
                {"wsrep_sync_wait", &session->sync_wait}};
    for (size_t i = 0; i < sizeof kept / sizeof *kept; i++)
        if (str_eq_nocase(name, str_from(kept[i].name)))
            return str_copy(m->db.arena, value, kept[i].to);
    bool is_on = str_eq_nocase(value, STR("ON")) || str_eq(value, STR("1"));
    if (str_eq_nocase(name, STR("max_allowed_packet")))
        (void)str_to_u64(value, &m->max_packet_bytes);
    if (str_eq_nocase(name, STR("wsrep_on")) && is_on)
        m->db.info.is_cluster = m->is_galera = true;
    if ((str_eq_nocase(name, STR("read_only")) && is_on) ||
        (str_eq_nocase(name, STR("super_read_only")) && is_on) ||
        (str_eq_nocase(name, STR("innodb_read_only")) && is_on))
        m->db.info.is_read_only = true;
    return true;
}

/* The statements that put back what a migration may have set. Not autocommit: setting it would end a transaction. */
static bool make_reset(MysqlDb *m, const Session *s)
{
    StrBuf sql = strbuf(m->db.arena);
    strbuf_adds(&sql, "SET SESSION sql_mode = ");
    sql_add_literal(&sql, SQL_MYSQL, s->sql_mode);
    const struct {
        const char *name;
        Str value;
    } words[] = {{"foreign_key_checks", s->foreign_key_checks},
                 {"unique_checks", s->unique_checks},
                 {"sql_safe_updates", s->safe_updates},
                 {"max_statement_time", s->max_statement_time},
                 {"sql_select_limit", s->select_limit},
                 {"lock_wait_timeout", s->lock_wait_timeout},
                 {"innodb_lock_wait_timeout", s->innodb_lock_wait_timeout},
                 {"wsrep_sync_wait", m->is_galera ? s->sync_wait : (Str){0}}};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (words[i].value.len > 0)
            strbuf_addf(&sql, ", %s = %.*s", words[i].name, STR_ARG(words[i].value));
    if (s->time_zone.len > 0) {
        strbuf_adds(&sql, ", time_zone = ");
        sql_add_literal(&sql, SQL_MYSQL, s->time_zone);
    }
    Str text;
    if (!strbuf_finish(&sql, &text))
        return false;
    m->reset = text.ptr;
    /* Without COLLATE it would be the server's own collation of the character set, and the session may have another. */
    size_t charset = str_find_char(s->collation, '_', 0);
    m->reset_names = str_format(
        m->db.arena, "SET NAMES %.*s COLLATE %.*s",
        STR_ARG(str_sub(s->collation, 0, charset == SIZE_MAX ? s->collation.len : charset)),
        STR_ARG(s->collation));
    return m->reset_names != NULL;
}

/* A user with these may write to a read-only server; they are asked for only when it is one. */
static bool may_write_anyway(MysqlDb *m)
{
    scoped(DbRows, db_rows_done) rows = {0};
    Error ignored = {0};
    bool may = false;
    if (!db_query(&m->db, STR("SHOW GRANTS"), &rows, &ignored))
        return false;
    while (db_rows_next(&rows)) {
        Str grant = rows.cols[0].text;
        may = may || (has_word(grant, " ON *.*") &&
                      (has_word(grant, "ALL PRIVILEGES") || has_word(grant, "SUPER") ||
                       has_word(grant, "READ_ONLY ADMIN") || has_word(grant, "READ ONLY ADMIN")));
    }
    return may;
}

/* Our own session: UTC, no transaction that nobody opened, and all rows of what is asked for: a server may be set to cut them off. The collation is the server's own of the character set, and not the one
 * that the library happens to greet with: views, routines and literals keep it. */
#define OUR_SETTINGS                                                                               \
    "SET SESSION time_zone = '+00:00', autocommit = 1, sql_select_limit = 18446744073709551615"
/* A client that vanished without a word is found out by its silence; only on a connection of our own. */
#define OUR_LIVELINESS ", wait_timeout = 3600"

/* A node may be behind the others: a statement is to see all that was committed on any of them before it, and a node that is
 * outside says so here. */
#define CAUSAL "15"

static bool join_cluster(MysqlDb *m, Session *session, Error *err)
{
    scoped(DbRows, db_rows_done) rows = {0};
    if (!db_query(&m->db,
                  STR("SHOW STATUS LIKE 'wsrep_ready'; SET SESSION wsrep_sync_wait = " CAUSAL),
                  &rows, err))
        return false;
    bool is_ready =
        !db_rows_next(&rows) || !str_eq_nocase(rows.cols[rows.col_count - 1].text, STR("OFF"));
    if (!db_rows_finish(&rows, err))
        return false;
    if (!is_ready)
        return fail_outside("wsrep_ready is OFF", err);
    if (!m->db.is_adopted)
        session->sync_wait = STR(CAUSAL);
    return true;
}

static bool describe(MysqlDb *m, Error *err)
{
    scoped(DbRows, db_rows_done) rows = {0};
    Str also = m->db.is_adopted ? (Str){0} : m->db.options.question;
    Session session = {0};
    Error unheard = {.arena = err->arena};
    const char *read_only = m->db.options.is_read_only ? "; SET SESSION TRANSACTION READ ONLY" : "";
    static const char question[] =
        "SELECT VERSION(), @@version_comment, DATABASE(), CURRENT_USER(); SHOW SESSION VARIABLES "
        "WHERE Variable_name IN "
        "('sql_mode', 'collation_connection', 'foreign_key_checks', 'unique_checks', "
        "'sql_safe_updates', 'time_zone', "
        "'max_statement_time', 'lock_wait_timeout', 'innodb_lock_wait_timeout', 'autocommit', "
        "'max_allowed_packet', 'sql_select_limit', "
        "'wsrep_on', 'wsrep_sync_wait', 'read_only', 'super_read_only', 'innodb_read_only')";
    /* What an application has set is read before it is changed. */
    char *sql =
        m->db.is_adopted
            ? str_format(m->db.arena, "%s", question)
            : str_format(m->db.arena, "SET NAMES %s; " OUR_SETTINGS OUR_LIVELINESS "%s; %s%s%.*s",
                         m->lib.mysql_character_set_name(m->handle), read_only, question,
                         also.len > 0 ? "; " : "", STR_ARG(also));
    if (!sql)
        return error_nomem(err);
    if (!db_query(&m->db, str_from(sql), &rows, err))
        return error_wrap(err, "asking the server what it is");
    while (rows.col_count != 4 && db_rows_next_result(&rows))
        ;
    if (!db_rows_next(&rows))
        return db_rows_finish(&rows, err) &&
               error_set(err, ERROR_CONNECT, "the server does not say its version");
    if (!describe_server(m, rows.cols, err))
        return false;
    if (db_rows_next_result(&rows))
        while (db_rows_next(&rows))
            if (!read_variable(m, &session, rows.cols[0].text, rows.cols[1].text))
                return error_nomem(err);
    /* Whoever asked the question asks it again where it had no answer, and is told why. */
    if (also.len > 0 && !m->is_galera && db_rows_next_result(&rows)) {
        m->db.answer = rows;
        rows = (DbRows){0};
    } else if (!db_rows_finish(&rows, &unheard) && (also.len == 0 || m->db.is_broken)) {
        *err = unheard;
        return error_wrap(err, "asking the server what it is");
    }
    /* What a node that was behind may have answered is asked for once more. */
    db_rows_done(&rows);
    rows = (DbRows){0};
    if (m->is_galera && !join_cluster(m, &session, err))
        return error_wrap(err, "asking the server what it is");
    m->db.info.no_backslash_escapes = has_word(session.sql_mode, "NO_BACKSLASH_ESCAPES");
    m->db.info.ansi_quotes = has_word(session.sql_mode, "ANSI_QUOTES");
    if (m->max_packet_bytes < 1024)
        m->max_packet_bytes = 1024 * 1024;
    m->had_autocommit = !str_eq_nocase(session.autocommit, STR("OFF"));
    if (!make_reset(m, &session))
        return error_nomem(err);
    if (m->db.info.is_read_only && may_write_anyway(m))
        m->db.info.is_read_only = false;
    m->db.info.is_read_only = m->db.info.is_read_only || m->db.options.is_read_only;
    return !m->db.is_adopted || db_exec(&m->db, STR(OUR_SETTINGS), err);
}

static bool mysql_reset_session(Db *db, Arena *arena, DbStatementVec *out);

static void give_back(MysqlDb *m)
{
    DbStatementVec reset = {0};
    m->db.options.cancel = NULL;
    if (m->db.is_in_transaction)
        db_exec(&m->db, STR("ROLLBACK"), NULL);
    if (m->reset && mysql_reset_session(&m->db, m->db.arena, &reset))
        db_run(&m->db, reset.items, reset.len, NULL, NULL, NULL, NULL);
    if (m->reset && !m->had_autocommit)
        db_exec(&m->db, STR("SET SESSION autocommit = 0"), NULL);
    if (m->charset)
        m->lib.mysql_set_character_set(m->handle, m->charset);
    if (!m->was_multi)
        m->lib.mysql_set_server_option(m->handle, MYSQL_OPTION_MULTI_STATEMENTS_OFF);
    m->lib.mysql_options(m->handle, MYSQL_OPT_RECONNECT, &m->did_reconnect);
}

static void mysql_close_db(Db *db)
{
    MysqlDb *m = (MysqlDb *)db;
    db_rows_done(&m->db.answer);
    if (m->handle && m->db.is_adopted && !m->db.is_broken)
        give_back(m);
    else if (!m->db.is_adopted)
        drop_handle(m);
    arena_free(m->db.arena);
}

static MysqlDb *new_db(const DbOptions *options)
{
    Arena *arena = arena_new_secret();
    MysqlDb *m = arena ? arena_alloc(arena, sizeof *m) : NULL;
    if (!m) {
        arena_free(arena);
        return NULL;
    }
    m->db.driver = &db_driver_mysql;
    m->db.arena = arena;
    m->db.options = *options;
    m->db.info = (DbInfo){.engine = "mysql",
                          .engine_title = "MySQL",
                          .version = "",
                          .database = "",
                          .user = "",
                          .place = "",
                          .session = ""};
    m->db.features = db_driver_mysql.features;
    m->max_packet_bytes = 1024 * 1024;
    m->low_water = 1;
    return m;
}

static bool open_with(const DbUrl *url, const DbOptions *options, bool has_database, Db **ret_db,
                      Error *err)
{
    MysqlDb *m = new_db(options);
    DbUrl *copy = m ? arena_alloc(m->db.arena, sizeof *copy) : NULL;
    if (!copy) {
        if (m)
            arena_free(m->db.arena);
        return error_nomem(err);
    }
    if (!db_url_copy_without_password(m->db.arena, url, copy, err) ||
        !load_library(m->db.arena, options->client_path, false, &m->lib, err) ||
        !connect_any(m, url, has_database, err)) {
        mysql_close_db(&m->db);
        return false;
    }
    m->url = copy; /* what a second connection needs; the password is the library's by now */
    *ret_db = &m->db;
    return true;
}

static bool mysql_open(const DbUrl *url, const DbOptions *options, Db **ret_db, Error *err)
{
    return open_with(url, options, true, ret_db, err);
}

static void mysql_replace(Db *db, Db *fresh)
{
    MysqlDb *m = (MysqlDb *)db, *other = (MysqlDb *)fresh;
    Arena *arena = m->db.arena;
    drop_handle(m);
    *m = *other;
    m->db.arena = arena; /* this struct lies in it, and others hold what the old connection said */
    arena_adopt(arena, other->db.arena);
}

static bool take_over(MysqlDb *m, MYSQL *handle, Error *err)
{
    Arena *arena = m->db.arena;
    my_bool off = 0;
    const char *place =
        handle->unix_socket
            ? str_z(arena, str_from(handle->unix_socket))
            : str_format(arena, "%s:%u", handle->host ? handle->host : "localhost", handle->port);
    const char *charset = str_z(arena, str_from(m->lib.mysql_character_set_name(handle)));
    if (!place || !charset)
        return error_nomem(err);
    m->db.info.place = place;
    m->was_multi = (handle->client_flag & CLIENT_MULTI_STATEMENTS) != 0;
    /* A connection that comes back by itself would come back without the migration lock. */
    m->lib.mysql_get_optionv(handle, MYSQL_OPT_RECONNECT, &m->did_reconnect);
    m->handle = handle; /* from here on there is something to give back */
    m->lib.mysql_options(handle, MYSQL_OPT_RECONNECT, &off);
    if (m->lib.mysql_options(handle, MYSQL_OPT_NONBLOCK, NULL) != 0)
        return error_nomem(err);
    if (!m->was_multi &&
        m->lib.mysql_set_server_option(handle, MYSQL_OPTION_MULTI_STATEMENTS_ON) != 0)
        return fail(m, err);
    if (m->lib.mysql_set_character_set(handle, "utf8mb4") != 0)
        return fail(m, err);
    m->charset = charset;
    return describe(m, err);
}

static bool mysql_adopt(void *native, const DbOptions *options, Db **ret_db, Error *err)
{
    MYSQL *handle = native;
    if (handle->server_status & SERVER_STATUS_IN_TRANS) {
        error_set(err, ERROR_USAGE, "the connection has a transaction open");
        error_hint(err, "Commit it or roll it back before migrating on this connection.");
        return error_code(err, "open-transaction");
    }
    MysqlDb *m = new_db(options);
    if (!m)
        return error_nomem(err);
    m->db.is_adopted = true;
    if (!load_library(m->db.arena, options->client_path, true, &m->lib, err) ||
        !take_over(m, handle, err)) {
        mysql_close_db(&m->db);
        return false;
    }
    *ret_db = &m->db;
    return true;
}

/* ---- settings ----------------------------------------------------------------------------------------- */

/* Whole seconds, at least one (MySQL knows no shorter wait); 0 is no limit, which is a year here. */
static long long lock_seconds(int64_t ms)
{
    const int64_t year_s = 31536000;
    int64_t s = ms / 1000 + (ms % 1000 != 0);
    return ms == 0 || s > year_s ? (long long)year_s : (long long)(s > 0 ? s : 1);
}

/* All last for the session: the engine knows no others. MySQL has no limit for statements other than SELECT, so a statement
 * timeout is MariaDB's alone. */
static bool mysql_timeouts(Db *db, Arena *arena, DbTimeouts timeouts, bool is_local,
                           DbStatementVec *out)
{
    (void)is_local;
    if (timeouts.lock_ms >= 0) {
        long long s = lock_seconds(timeouts.lock_ms);
        if (!db_push_statement(
                arena, out,
                str_format(arena,
                           "SET SESSION lock_wait_timeout = %lld, innodb_lock_wait_timeout = %lld",
                           s, s)))
            return false;
    }
    bool is_mariadb = str_eq(str_from(db->info.engine), STR("mariadb"));
    if (timeouts.statement_ms < 0 || !is_mariadb)
        return true;
    return db_push_statement(arena, out,
                             str_format(arena, "SET SESSION max_statement_time = %lld.%03lld",
                                        (long long)(timeouts.statement_ms / 1000),
                                        (long long)(timeouts.statement_ms % 1000)));
}

static bool mysql_reset_session(Db *db, Arena *arena, DbStatementVec *out)
{
    MysqlDb *m = (MysqlDb *)db;
    if (!db_push_statement(arena, out, m->reset) || !db_push_statement(arena, out, m->reset_names))
        return false;
    if (m->db.info.database[0] == '\0')
        return true;
    StrBuf sql = strbuf(arena);
    strbuf_adds(&sql, "USE ");
    sql_add_ident(&sql, SQL_MYSQL, str_from(m->db.info.database));
    Str text;
    return strbuf_finish(&sql, &text) && vec_push(arena, out, ((DbStatement){.sql = text}));
}

/* ---- the database as a whole ------------------------------------------------------------------------------ */

static bool need_name(const DbUrl *url, Error *err)
{
    if (url->database.len > 0)
        return true;
    error_set(err, ERROR_USAGE, "the database URL names no database");
    return error_code(err, "bad-url");
}

static bool mysql_database_exists(const DbUrl *url, const DbOptions *options, bool *ret_exists,
                                  Error *err)
{
    scoped(Db *, db_closep) db = NULL;
    if (!need_name(url, err) || !open_with(url, options, false, &db, err))
        return false;
    StrBuf sql = strbuf(db->arena);
    strbuf_adds(&sql, "SELECT COUNT(*) FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = ");
    sql_add_literal(&sql, SQL_MYSQL, url->database);
    Str text;
    DbValue value;
    int64_t count = 0;
    if (!strbuf_finish(&sql, &text))
        return error_nomem(err);
    if (!db_query_value(db, db->arena, text, &value, err))
        return false;
    db_value_i64(&value, &count);
    *ret_exists = count > 0;
    return true;
}

static bool run_on_server(const DbUrl *url, const DbOptions *options, const char *words,
                          const char *doing, Error *err)
{
    scoped(Db *, db_closep) db = NULL;
    if (!need_name(url, err) || !open_with(url, options, false, &db, err))
        return false;
    StrBuf sql = strbuf(db->arena);
    strbuf_adds(&sql, words);
    sql_add_ident(&sql, SQL_MYSQL, url->database);
    Str text;
    if (!strbuf_finish(&sql, &text))
        return error_nomem(err);
    return db_exec(db, text, err) ||
           error_wrap(err, "%s the database %.*s", doing, STR_ARG(url->database));
}

static bool mysql_database_create(const DbUrl *url, const DbOptions *options, Error *err)
{
    return run_on_server(url, options, "CREATE DATABASE ", "creating", err);
}

static bool mysql_database_drop(const DbUrl *url, const DbOptions *options, Error *err)
{
    return run_on_server(url, options, "DROP DATABASE ", "dropping", err);
}

const DbDriver db_driver_mysql = {
    .version = 1,
    .name = "mysql",
    .schemes = (const char *const[]){"mysql", "mariadb", NULL},
    .dialect = SQL_MYSQL,
    .features = DB_SESSION_LOCK | DB_BATCH | DB_CREATE_DATABASE | DB_LOCK_TIMEOUT,
    .begin = "START TRANSACTION",
    .note_began = "SET @whimbrel_began = UTC_TIMESTAMP(6)",
    .began = "@whimbrel_began",
    .secret_params = (const char *const[]){NULL},
    .url_check = mysql_url_check,
    .open = mysql_open,
    .adopt = mysql_adopt,
    .close = mysql_close_db,
    .run = mysql_run,
    .query = mysql_query_rows,
    .rows_next = db_buffer_next,
    .rows_next_result = db_buffer_next_result,
    .rows_done = db_buffer_done,
    .timeouts = mysql_timeouts,
    .reset_session = mysql_reset_session,
    .has_table = mysql_has_table,
    .has_table_question = mysql_has_table_question,
    .has_effect = mysql_has_effect,
    .replace = mysql_replace,
    .lock_try = mysql_lock_try,
    .unlock = mysql_unlock,
    .lock_question = mysql_lock_question,
    .unlock_question = mysql_unlock_question,
    .lock_holder = mysql_lock_holder,
    .kill_session = mysql_kill_session,
    .blockers = mysql_blockers,
    .work = mysql_work,
    .waiting = mysql_waiting,
    .long_transactions = mysql_long_transactions,
    .database_exists = mysql_database_exists,
    .database_create = mysql_database_create,
    .database_drop = mysql_database_drop,
    .drop_all = mysql_drop_all,
};

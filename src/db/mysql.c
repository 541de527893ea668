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
#include <stdio.h>
#include <string.h>

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
};

#define MYSQL_CALLS(X)                                                                             \
    X(mysql_init)                                                                                  \
    X(mysql_close)                                                                                 \
    X(mysql_options)                                                                               \
    X(mysql_optionsv) X(mysql_errno) X(mysql_error) X(mysql_sqlstate) X(mysql_field_count)         \
        X(mysql_num_fields) X(mysql_num_rows) X(mysql_fetch_row) X(mysql_fetch_lengths)            \
            X(mysql_free_result) X(mysql_affected_rows) X(mysql_more_results) X(mysql_thread_id)   \
                X(mysql_get_ssl_cipher) X(mysql_get_socket) X(mysql_set_server_option)             \
                    X(mysql_real_connect_start) X(mysql_real_connect_cont)                         \
                        X(mysql_real_query_start) X(mysql_real_query_cont)                         \
                            X(mysql_store_result_start) X(mysql_store_result_cont)                 \
                                X(mysql_next_result_start) X(mysql_next_result_cont)               \
                                    X(mysql_get_timeout_value_ms) X(mysql_warning_count)           \
                                        X(mysql_get_option) X(mysql_set_character_set)

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
    bool was_killed;   /* KILL QUERY went out for the statement under way */
    bool was_multi;    /* adopted: several statements a message were allowed before */
    bool is_loose;     /* PREFERRED: TLS if it can be had */
    const char *reset; /* SET ... that puts the session back */
} MysqlDb;

/* ---- the client library -------------------------------------------------------------------- */

static bool load_library(const char *path, Libmariadb *lib, Error *err)
{
    const char *name = path ? path : "libmariadb.so.3";
    /* Never closed: the library registers clean-up that must find its code. */
    void *handle = dlopen(name, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    if (!handle) {
        error_set(err, ERROR_CONNECT, "the client library of MariaDB and MySQL cannot be loaded");
        error_detail(err, "%s", dlerror());
        error_hint(err, "Install it: apt install libmariadb3 (Debian, Ubuntu), or the package "
                        "mariadb-connector-c of your system.");
        return error_code(err, "client-missing");
    }
#define X(symbol)                                                                                  \
    *(void **)&lib->symbol = dlsym(handle, #symbol);                                               \
    if (!lib->symbol) {                                                                            \
        error_set(err, ERROR_CONNECT, "%s lacks the function %s", name, #symbol);                  \
        error_hint(err, "Install MariaDB Connector/C 3.1 or later.");                              \
        return error_code(err, "client-missing");                                                  \
    }
    MYSQL_CALLS(X)
#undef X
    return true;
}

/* ---- errors --------------------------------------------------------------------------------- */

static bool is_lost(unsigned code)
{
    return code == CR_SERVER_GONE_ERROR || code == CR_SERVER_LOST ||
           code == ERROR_CONNECTION_KILLED || code == CR_COMMANDS_OUT_OF_SYNC ||
           code == CR_SERVER_LOST_EXTENDED;
}

static bool is_privilege(unsigned code)
{
    return code == ERROR_DB_ACCESS_DENIED || code == ERROR_TABLE_ACCESS_DENIED ||
           code == ERROR_COLUMN_ACCESS_DENIED || code == ERROR_SPECIFIC_ACCESS_DENIED ||
           code == ERROR_PROC_ACCESS_DENIED;
}

/* Fills err from the connection's last error, which a statement had. */
static bool fail(MysqlDb *m, Error *err)
{
    unsigned code = m->lib.mysql_errno(m->handle);
    const char *message = m->lib.mysql_error(m->handle);
    if (code == CR_OUT_OF_MEMORY)
        return error_nomem(err);
    if (m->was_killed && code == ERROR_QUERY_INTERRUPTED)
        return db_error_cancelled(err);
    if (is_lost(code)) {
        m->db.is_broken = true;
        error_set(err, ERROR_CONNECT, "the connection to the server was lost");
        error_detail(err, "%s", message);
        error_code(err, "connection-lost");
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
        } else if (code == ERROR_OPTION_PREVENTS && strstr(message, "read")) {
            error_hint(err, "The server is read-only: connect to the primary.");
            error_code(err, "read-only");
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

/* Where the server points: "... near 'TEXT' at line N" quotes up to 80 bytes from the place on. */
static void locate(const char *message, Str sql, DbOutcome *outcome, Error *err)
{
    Str text = str_from(message);
    size_t at = SIZE_MAX;
    for (size_t i = str_find(text, STR("' at line "), 0); i != SIZE_MAX;
         i = str_find(text, STR("' at line "), i + 1))
        at = i;
    if (at == SIZE_MAX)
        return;
    Str number = str_sub(text, at + 10, text.len);
    size_t digits = 0;
    while (digits < number.len && number.ptr[digits] >= '0' && number.ptr[digits] <= '9')
        digits++;
    uint64_t line;
    if (!str_to_u64(str_sub(number, 0, digits), &line) || line == 0 || line > INT32_MAX)
        return;
    outcome->error_line = (int)line;
    size_t near_at = str_find(text, STR("near '"), 0);
    size_t line_start = 0;
    for (uint64_t l = 1; l < line && line_start != SIZE_MAX; l++) {
        size_t feed = str_find_char(sql, '\n', line_start);
        line_start = feed == SIZE_MAX ? SIZE_MAX : feed + 1;
    }
    if (near_at == SIZE_MAX || near_at + 6 > at || line_start == SIZE_MAX)
        return;
    Str near = str_sub(text, near_at + 6, at);
    if (near.len == 0) {
        outcome->error_offset = (int64_t)sql.len; /* near '': at the end */
        return;
    }
    /* The quotation may run on into the statements behind this one, which travelled in the same message. */
    Str rest = str_sub(near, 0, str_find(near, STR(";\n"), 0));
    for (size_t from = str_find(sql, rest, line_start); from != SIZE_MAX;
         from = str_find(sql, rest, from + 1)) {
        bool is_cut = rest.len < near.len;
        if (is_cut && from + rest.len != sql.len)
            continue;
        outcome->error_offset = (int64_t)from;
        if (is_cut && err && err->arena) {
            const char *shorter = str_format(err->arena, "%.*s%.*s", (int)(near_at + 6 + rest.len),
                                             message, STR_ARG(str_sub(text, at, text.len)));
            err->message = shorter ? shorter : err->message;
        }
        return;
    }
}

/* ---- waiting --------------------------------------------------------------------------------- */

static void apply_options(MysqlDb *m, MYSQL *handle, const DbUrl *url);

/* Stops the running statement from a second connection. Best effort: when it cannot be made, the statement runs on, and
 * we go on waiting for it. */
static void kill_query(MysqlDb *m)
{
    MYSQL *own = m->handle;
    MYSQL *second = m->lib.mysql_init(NULL), *connected = NULL;
    if (!second)
        return;
    unsigned seconds = 5;
    m->lib.mysql_options(second, MYSQL_OPT_NONBLOCK, NULL);
    if (m->url)
        apply_options(m, second, m->url);
    m->lib.mysql_options(second, MYSQL_OPT_CONNECT_TIMEOUT, &seconds);
    int64_t deadline = clock_monotonic_us() + 5000000;
    int status = m->lib.mysql_real_connect_start(&connected, second, own->host, own->user,
                                                 own->passwd, NULL, own->port, own->unix_socket, 0);
    while (status != 0 && clock_monotonic_us() < deadline) {
        short events = (short)((status & MYSQL_WAIT_READ ? POLLIN : 0) |
                               (status & MYSQL_WAIT_WRITE ? POLLOUT : 0));
        DbWait wait = db_wait(NULL, m->lib.mysql_get_socket(second), events, deadline);
        if (wait == DB_WAIT_READY)
            status =
                m->lib.mysql_real_connect_cont(&connected, second, status & ~MYSQL_WAIT_TIMEOUT);
    }
    if (status == 0 && connected) {
        char sql[64];
        int len = snprintf(sql, sizeof sql, "KILL QUERY %lu", m->lib.mysql_thread_id(own)), failed;
        status = m->lib.mysql_real_query_start(&failed, second, sql, (unsigned long)len);
        while (status != 0 && clock_monotonic_us() < deadline)
            if (db_wait(NULL, m->lib.mysql_get_socket(second), POLLIN, deadline) == DB_WAIT_READY)
                status = m->lib.mysql_real_query_cont(&failed, second, MYSQL_WAIT_READ);
        m->was_killed = status == 0 && failed == 0;
    }
    if (status == 0)
        m->lib.mysql_close(
            second); /* in the middle of a call it may not be closed; then it is lost, with its 5 s over */
}

/* Waits for what the library wants next; the status to go on with. */
static int wait_for(MysqlDb *m, int status, bool may_kill)
{
    int64_t deadline = INT64_MAX;
    if (status & MYSQL_WAIT_TIMEOUT)
        deadline =
            clock_monotonic_us() + (int64_t)m->lib.mysql_get_timeout_value_ms(m->handle) * 1000;
    short events = (short)((status & MYSQL_WAIT_READ ? POLLIN : 0) |
                           (status & MYSQL_WAIT_WRITE ? POLLOUT : 0) |
                           (status & MYSQL_WAIT_EXCEPT ? POLLPRI : 0));
    for (;;) {
        const DbCancel *cancel = m->was_killed || !may_kill ? NULL : m->db.options.cancel;
        switch (db_wait(cancel, m->lib.mysql_get_socket(m->handle), events, deadline)) {
        case DB_WAIT_READY:
            return status & (MYSQL_WAIT_READ | MYSQL_WAIT_WRITE | MYSQL_WAIT_EXCEPT);
        case DB_WAIT_DEADLINE:
            return MYSQL_WAIT_TIMEOUT;
        case DB_WAIT_CANCEL:
            kill_query(m);
            if (!m->was_killed)
                may_kill = false;
            break;
        case DB_WAIT_TICK:
            break;
        }
    }
}

static bool send_query(MysqlDb *m, Str sql)
{
    int failed;
    m->db.round_trips++;
    int status = m->lib.mysql_real_query_start(&failed, m->handle, sql.ptr, (unsigned long)sql.len);
    while (status != 0)
        status = m->lib.mysql_real_query_cont(&failed, m->handle, wait_for(m, status, true));
    return failed == 0;
}

static MYSQL_RES *store_result(MysqlDb *m)
{
    MYSQL_RES *result;
    int status = m->lib.mysql_store_result_start(&result, m->handle);
    while (status != 0)
        status = m->lib.mysql_store_result_cont(&result, m->handle, wait_for(m, status, true));
    return result;
}

/* 0: there is one, -1: no more, above 0: it was an error. */
static int next_result(MysqlDb *m)
{
    int outcome;
    int status = m->lib.mysql_next_result_start(&outcome, m->handle);
    while (status != 0)
        status = m->lib.mysql_next_result_cont(&outcome, m->handle, wait_for(m, status, true));
    return outcome;
}

static void note_status(MysqlDb *m)
{
    m->db.is_in_transaction = (m->handle->server_status & SERVER_STATUS_IN_TRANS) != 0;
}

/* ---- running ---------------------------------------------------------------------------------- */

/* A text that may answer with any number of results is sent alone, so that the others can be counted. */
static bool has_many_results(Str sql, const SqlSplitOptions *options)
{
    Str head = str_trim(str_sub(sql, 0, 64));
    if (str_starts_nocase(head, STR("CALL")) || str_starts_nocase(head, STR("EXECUTE")) ||
        str_starts_nocase(head, STR("BEGIN NOT")))
        return true;
    if (str_find_char(sql, ';', 0) == SIZE_MAX)
        return false;
    SqlInfo info = sql_inspect(sql, options);
    if (info.object == SQL_OBJECT_PROCEDURE || info.object == SQL_OBJECT_FUNCTION ||
        info.object == SQL_OBJECT_TRIGGER || info.object == SQL_OBJECT_EVENT)
        return false;
    SqlLexer lexer = sql_lexer(sql, options);
    SqlToken token;
    while (sql_lexer_next(&lexer, &token))
        if ((token.kind == SQL_TOKEN_SYMBOL && token.text.ptr[0] == ';') ||
            (token.kind == SQL_TOKEN_CODE_COMMENT && str_find_char(token.text, ';', 0) != SIZE_MAX))
            return true;
    return false;
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
        MYSQL_RES *result = next == 0 ? store_result(m) : NULL;
        if (next > 0 || (!result && m->lib.mysql_field_count(m->handle) > 0)) {
            fail(m, err);
            outcome->is_fate_unknown = m->db.is_broken;
            return false;
        }
        outcome->rows = result ? -1 : (int64_t)m->lib.mysql_affected_rows(m->handle);
        m->lib.mysql_free_result(result);
        note_status(m);
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
        size_t end = i + 1;
        bool is_one = has_many_results(statements[i].sql, &options);
        Str message = statements[i].sql;
        if (!is_one && end < count) {
            arena_reset(scratch);
            StrBuf text = strbuf(scratch);
            strbuf_add(&text, statements[i].sql);
            while (end < count && text.len + statements[end].sql.len + 2 <= limit &&
                   !statements[end].copy_data && !has_many_results(statements[end].sql, &options)) {
                strbuf_adds(&text, ";\n");
                strbuf_add(&text, statements[end++].sql);
            }
            if (!strbuf_finish(&text, &message))
                return error_nomem(err);
        }
        m->was_killed = false;
        if (!read_results(m, send_query(m, message), is_one, end - i, progress, ctx, ret_outcome,
                          err)) {
            if (ret_outcome->completed < count && !db->is_broken)
                locate(m->lib.mysql_error(m->handle), statements[ret_outcome->completed].sql,
                       ret_outcome, err);
            note_status(m);
            return false;
        }
        i = end;
    }
    return true;
}

static bool buffer_result(DbBuffer *buffer, MysqlDb *m, MYSQL_RES *result)
{
    size_t cols = m->lib.mysql_num_fields(result);
    if (!db_buffer_begin(buffer, cols))
        return false;
    MYSQL_ROW row;
    while ((row = m->lib.mysql_fetch_row(result))) {
        const unsigned long *lengths = m->lib.mysql_fetch_lengths(result);
        DbValue *values;
        if (!db_buffer_row(buffer, &values))
            return false;
        for (size_t i = 0; i < cols; i++) {
            values[i].is_null = row[i] == NULL;
            if (row[i] && !str_copy(buffer->arena, (Str){row[i], lengths[i]}, &values[i].text))
                return false;
        }
    }
    return true;
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
    m->was_killed = false;
    for (int next = send_query(m, sql) ? 0 : 1; next >= 0; next = next_result(m)) {
        MYSQL_RES *result = next == 0 ? store_result(m) : NULL;
        if (next > 0 || (!result && m->lib.mysql_field_count(m->handle) > 0)) {
            fail(m, &buffer->error);
            break;
        }
        note_status(m);
        if (!result)
            is_short = is_short || !db_buffer_begin(buffer, 0);
        else
            is_short = is_short || !buffer_result(buffer, m, result);
        m->lib.mysql_free_result(result);
    }
    if (is_short) /* only now, when the connection is free again */
        return error_nomem(err);
    return db_buffer_finish(&buffer, db, ret_rows, err);
}

/* ---- URLs -------------------------------------------------------------------------------------- */

static const char *const known_params[] = {
    "socket",     "ssl-mode",    "ssl-ca",  "ssl-capath",      "ssl-cert", "ssl-key",
    "ssl-cipher", "tls-version", "charset", "connect-timeout", NULL};
static const char *const ssl_modes[] = {"DISABLED",  "PREFERRED",       "REQUIRED",
                                        "VERIFY_CA", "VERIFY_IDENTITY", NULL};

static bool mode_is(const Str *mode, const char *name)
{
    return mode && str_eq_nocase(*mode, str_from(name));
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

/* A C string of a URL's parameter, or NULL; out of memory is found later, as a connection without it would be
 * less than asked: so the arena's failure is told apart by ret_is_short. */
static const char *param_z(MysqlDb *m, const DbUrl *url, const char *key)
{
    const Str *value = db_url_param(url, key);
    return value ? str_z(m->db.arena, *value) : NULL;
}

/* TLS, character set and option files: all that must hold for the second connection too. */
static void apply_options(MysqlDb *m, MYSQL *handle, const DbUrl *url)
{
    const Str *mode = db_url_param(url, "ssl-mode");
    my_bool on = 1;
    m->lib.mysql_options(handle, MYSQL_READ_DEFAULT_GROUP, "client");
    const char *charset = param_z(m, url, "charset");
    m->lib.mysql_options(handle, MYSQL_SET_CHARSET_NAME, charset ? charset : "utf8mb4");
    static const struct {
        const char *key;
        enum mysql_option option;
    } files[] = {{"ssl-ca", MYSQL_OPT_SSL_CA},         {"ssl-capath", MYSQL_OPT_SSL_CAPATH},
                 {"ssl-cert", MYSQL_OPT_SSL_CERT},     {"ssl-key", MYSQL_OPT_SSL_KEY},
                 {"ssl-cipher", MYSQL_OPT_SSL_CIPHER}, {"tls-version", MARIADB_OPT_TLS_VERSION}};
    if (mode_is(mode, "DISABLED"))
        return;
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        const char *value = param_z(m, url, files[i].key);
        if (value)
            m->lib.mysql_options(handle, files[i].option, value);
    }
    if (mode && !m->is_loose)
        m->lib.mysql_options(handle, MYSQL_OPT_SSL_ENFORCE, &on);
    /* The library checks the chain and the name together; VERIFY_CA is thus stricter than asked, never less. */
    if (mode_is(mode, "VERIFY_CA") || mode_is(mode, "VERIFY_IDENTITY"))
        m->lib.mysql_options(handle, MYSQL_OPT_SSL_VERIFY_SERVER_CERT, &on);
    my_bool off = 0;
    if (mode_is(mode, "PREFERRED") || mode_is(mode, "REQUIRED"))
        m->lib.mysql_options(handle, MYSQL_OPT_SSL_VERIFY_SERVER_CERT, &off);
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
    } else {
        error_set(err, ERROR_CONNECT, "no connection to %s", place);
        error_detail(err, "%s", message);
        error_hint(err, "Check that the server runs there and that host, port or socket of the "
                        "database URL are right.");
        error_code(err, code == CR_SSL_CONNECTION_ERROR ? "tls" : "connect-refused");
    }
    if (err)
        err->server_code = (int)code;
    return false;
}

/* One try at one host. */
static bool connect_to(MysqlDb *m, const DbUrl *url, const DbHost *host, int64_t timeout_ms,
                       bool has_database, Error *err)
{
    m->handle = m->lib.mysql_init(NULL);
    if (!m->handle)
        return error_nomem(err);
    unsigned seconds = (unsigned)((timeout_ms + 999) / 1000);
    m->lib.mysql_options(m->handle, MYSQL_OPT_NONBLOCK, NULL);
    m->lib.mysql_options(m->handle, MYSQL_OPT_CONNECT_TIMEOUT, &seconds);
    apply_options(m, m->handle, url);
    const char *socket = param_z(m, url, "socket");
    bool is_path = host && host->host.len > 0 && host->host.ptr[0] == '/';
    const char *name =
        !host || is_path || host->host.len == 0 ? NULL : str_z(m->db.arena, host->host);
    if (is_path)
        socket = str_z(m->db.arena, host->host);
    if (host && host->port > 0 && !socket) {
        /* "localhost" means the socket to the library; who writes a port means TCP. */
        enum mysql_protocol_type protocol = MYSQL_PROTOCOL_TCP;
        m->lib.mysql_options(m->handle, MYSQL_OPT_PROTOCOL, &protocol);
    }
    const char *user = url->user.len > 0 ? str_z(m->db.arena, url->user) : NULL;
    const char *password = url->has_password ? str_z(m->db.arena, url->password) : NULL;
    const char *database =
        has_database && url->database.len > 0 ? str_z(m->db.arena, url->database) : NULL;
    MYSQL *connected = NULL;
    int64_t deadline = clock_monotonic_us() + timeout_ms * 1000;
    int status = m->lib.mysql_real_connect_start(
        &connected, m->handle, socket && !name ? "localhost" : name, user, password, database,
        host ? host->port : 0, socket,
        CLIENT_MULTI_STATEMENTS | CLIENT_MULTI_RESULTS | CLIENT_REMEMBER_OPTIONS);
    while (status != 0) {
        if (db_cancel_requested(m->db.options.cancel))
            return db_error_cancelled(err);
        if (clock_monotonic_us() >= deadline) {
            error_set(err, ERROR_CONNECT, "no connection within %lld s",
                      (long long)(timeout_ms + 999) / 1000);
            error_hint(
                err,
                "Check host and port of the database URL, and firewalls between here and there.");
            return error_code(err, "connect-refused");
        }
        short events = (short)((status & MYSQL_WAIT_READ ? POLLIN : 0) |
                               (status & MYSQL_WAIT_WRITE ? POLLOUT : 0) |
                               (status & MYSQL_WAIT_EXCEPT ? POLLPRI : 0));
        if (db_wait(m->db.options.cancel, m->lib.mysql_get_socket(m->handle), events, deadline) ==
            DB_WAIT_READY)
            status =
                m->lib.mysql_real_connect_cont(&connected, m->handle, status & ~MYSQL_WAIT_TIMEOUT);
    }
    const char *place = socket ? socket
                               : str_format(m->db.arena, "%s:%u", name ? name : "localhost",
                                            host && host->port ? host->port : 3306);
    m->db.info.place = place ? place : "";
    if (!connected)
        return cannot_connect(m, m->db.info.place, err);
    const Str *mode = db_url_param(url, "ssl-mode");
    bool must_encrypt = mode && !mode_is(mode, "DISABLED") && !mode_is(mode, "PREFERRED");
    if (must_encrypt && !m->lib.mysql_get_ssl_cipher(m->handle)) {
        error_set(err, ERROR_CONNECT,
                  "the connection to %s is not encrypted, and ssl-mode asks for it",
                  m->db.info.place);
        error_hint(err, "Switch TLS on at the server, or connect by TCP instead of a socket.");
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
    size_t tries = hosts.len > 0 ? hosts.len : 1;
    for (size_t i = 0; i < tries; i++) {
        error_clear(err);
        const DbHost *host = hosts.len > 0 ? &hosts.items[i] : NULL;
        m->is_loose = false;
        if (connect_to(m, url, host, timeout_ms, has_database, err))
            return true;
        bool is_tls = m->handle && m->lib.mysql_errno(m->handle) == CR_SSL_CONNECTION_ERROR;
        drop_handle(m);
        if (is_tls && mode_is(db_url_param(url, "ssl-mode"), "PREFERRED")) {
            error_clear(err);
            m->is_loose = true;
            if (connect_to(m, url, host, timeout_ms, has_database, err))
                return true;
            drop_handle(m);
        }
        /* Another host helps when this one is out of reach, not when it knows us and says no. */
        bool is_refused = err && err->code && strcmp(err->code, "connect-refused") == 0;
        if (err && (err->kind != ERROR_CONNECT || !is_refused))
            return false;
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
    m->db.info.version = str_z(m->db.arena, str_sub(version, 0, len));
    m->db.info.database = copy_z(m, &cols[2]);
    Str user = {0};
    str_cut(cols[3].text, '@', &user);
    m->db.info.user = str_z(m->db.arena, user);
    if (!m->db.info.version || !m->db.info.database || !m->db.info.user)
        return error_nomem(err);
    if (is_tidb)
        m->db.info.is_cluster = true; /* its GET_LOCK is young, and its DDL is queued elsewhere */
    return true;
}

typedef struct Session {
    Str sql_mode, collation, foreign_key_checks, unique_checks, safe_updates, time_zone,
        max_statement_time, lock_wait_timeout, innodb_lock_wait_timeout;
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
                {"innodb_lock_wait_timeout", &session->innodb_lock_wait_timeout}};
    for (size_t i = 0; i < sizeof kept / sizeof *kept; i++)
        if (str_eq_nocase(name, str_from(kept[i].name)))
            return str_copy(m->db.arena, value, kept[i].to);
    bool is_on = str_eq_nocase(value, STR("ON")) || str_eq(value, STR("1"));
    if (str_eq_nocase(name, STR("max_allowed_packet")))
        return str_to_u64(value, &m->max_packet_bytes) || true;
    if (str_eq_nocase(name, STR("wsrep_on")) && is_on)
        m->db.info.is_cluster = true;
    if ((str_eq_nocase(name, STR("read_only")) && is_on) ||
        (str_eq_nocase(name, STR("super_read_only")) && is_on) ||
        (str_eq_nocase(name, STR("innodb_read_only")) && is_on))
        m->db.info.is_read_only = true;
    return true;
}

/* The statement that puts back what a migration may have set. Not autocommit: setting it would end a transaction. */
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
                 {"lock_wait_timeout", s->lock_wait_timeout},
                 {"innodb_lock_wait_timeout", s->innodb_lock_wait_timeout}};
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
    return true;
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

static bool describe(MysqlDb *m, Error *err)
{
    scoped(DbRows, db_rows_done) rows = {0};
    Session session = {0};
    Str question = STR("SELECT VERSION(), @@version_comment, DATABASE(), CURRENT_USER(); "
                       "SHOW SESSION VARIABLES WHERE Variable_name IN ('sql_mode', "
                       "'collation_connection', 'foreign_key_checks', "
                       "'unique_checks', 'sql_safe_updates', 'time_zone', 'max_statement_time', "
                       "'lock_wait_timeout', "
                       "'innodb_lock_wait_timeout', 'max_allowed_packet', 'wsrep_on', 'read_only', "
                       "'super_read_only', 'innodb_read_only')");
    if (!m->db.is_adopted && !db_exec(&m->db, STR("SET time_zone = '+00:00'"), err))
        return false;
    if (!db_query(&m->db, question, &rows, err))
        return false;
    if (!db_rows_next(&rows) || !describe_server(m, rows.cols, err))
        return db_rows_finish(&rows, err) &&
               error_set(err, ERROR_CONNECT, "the server does not say its version");
    if (db_rows_next_result(&rows))
        while (db_rows_next(&rows))
            if (!read_variable(m, &session, rows.cols[0].text, rows.cols[1].text))
                return error_nomem(err);
    if (!db_rows_finish(&rows, err))
        return false;
    m->db.info.no_backslash_escapes = has_word(session.sql_mode, "NO_BACKSLASH_ESCAPES");
    m->db.info.ansi_quotes = has_word(session.sql_mode, "ANSI_QUOTES");
    if (m->max_packet_bytes < 1024)
        m->max_packet_bytes = 1024 * 1024;
    if (!make_reset(m, &session))
        return error_nomem(err);
    if (m->db.info.is_read_only && may_write_anyway(m))
        m->db.info.is_read_only = false;
    m->db.features = m->db.driver->features;
    return true;
}

static void mysql_close_db(Db *db)
{
    MysqlDb *m = (MysqlDb *)db;
    if (m->handle && m->db.is_adopted && !m->db.is_broken) {
        m->db.options.cancel = NULL;
        Error ignored = {0};
        if (m->db.is_in_transaction)
            db_exec(db, STR("ROLLBACK"), &ignored);
        if (m->reset)
            db_exec(db, str_from(m->reset), &ignored);
        if (!m->was_multi)
            m->lib.mysql_set_server_option(m->handle, MYSQL_OPTION_MULTI_STATEMENTS_OFF);
    } else if (!m->db.is_adopted) {
        drop_handle(m);
    }
    arena_free(m->db.arena);
}

static MysqlDb *new_db(const DbOptions *options)
{
    Arena *arena = arena_new();
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
                          .place = ""};
    m->max_packet_bytes = 1024 * 1024;
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
    *copy = *url;
    if (!db_url_parse(m->db.arena, url->text, copy, err) ||
        !load_library(options->client_path, &m->lib, err) ||
        !connect_any(m, copy, has_database, err)) {
        mysql_close_db(&m->db);
        return false;
    }
    m->url = copy;
    bool is_good = describe(m, err);
    if (is_good && options->is_read_only)
        is_good = db_exec(&m->db, STR("SET SESSION TRANSACTION READ ONLY"), err);
    if (!is_good) {
        mysql_close_db(&m->db);
        return false;
    }
    m->db.round_trips = 0;
    *ret_db = &m->db;
    return true;
}

static bool mysql_open(const DbUrl *url, const DbOptions *options, Db **ret_db, Error *err)
{
    return open_with(url, options, true, ret_db, err);
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
    if (!load_library(options->client_path, &m->lib, err)) {
        mysql_close_db(&m->db);
        return false;
    }
    m->handle = handle;
    m->was_multi = (handle->client_flag & CLIENT_MULTI_STATEMENTS) != 0;
    m->lib.mysql_options(handle, MYSQL_OPT_NONBLOCK, NULL);
    if (!m->was_multi &&
        m->lib.mysql_set_server_option(handle, MYSQL_OPTION_MULTI_STATEMENTS_ON) != 0) {
        fail(m, err);
        m->handle = NULL;
        mysql_close_db(&m->db);
        return false;
    }
    const char *place = handle->unix_socket
                            ? handle->unix_socket
                            : str_format(m->db.arena, "%s:%u",
                                         handle->host ? handle->host : "localhost", handle->port);
    if (place)
        m->db.info.place = str_z(m->db.arena, str_from(place));
    if (!m->db.info.place || !describe(m, err)) {
        mysql_close_db(&m->db);
        return place ? false : error_nomem(err);
    }
    *ret_db = &m->db;
    return true;
}

/* ---- settings ----------------------------------------------------------------------------------------- */

static bool push_format(Arena *arena, DbStatementVec *out, const char *sql)
{
    return sql && vec_push(arena, out, ((DbStatement){.sql = str_from(sql)}));
}

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
        if (!push_format(
                arena, out,
                str_format(arena,
                           "SET SESSION lock_wait_timeout = %lld, innodb_lock_wait_timeout = %lld",
                           s, s)))
            return false;
    }
    bool is_mariadb = str_eq(str_from(db->info.engine), STR("mariadb"));
    if (timeouts.statement_ms < 0 || !is_mariadb)
        return true;
    return push_format(arena, out,
                       str_format(arena, "SET SESSION max_statement_time = %lld.%03lld",
                                  (long long)(timeouts.statement_ms / 1000),
                                  (long long)(timeouts.statement_ms % 1000)));
}

static bool mysql_reset_session(Db *db, Arena *arena, DbStatementVec *out)
{
    MysqlDb *m = (MysqlDb *)db;
    if (!push_format(arena, out, m->reset) || !push_format(arena, out, "SET NAMES utf8mb4"))
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
    .has_effect = mysql_has_effect,
    .lock_try = mysql_lock_try,
    .unlock = mysql_unlock,
    .lock_holder = mysql_lock_holder,
    .kill_session = mysql_kill_session,
    .blockers = mysql_blockers,
    .long_transactions = mysql_long_transactions,
    .database_exists = mysql_database_exists,
    .database_create = mysql_database_create,
    .database_drop = mysql_database_drop,
    .drop_all = mysql_drop_all,
};

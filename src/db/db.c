/* Dispatch to the drivers, and what all of them share: waiting with an ear for the caller's wish to
 * stop, rows that are buffered whole, errors carried from one arena to another.
 * SPDX-License-Identifier: Apache-2.0 */
#include "db/driver.h"

#include <errno.h>
#include <poll.h>
#include <string.h>

/* ---- waiting ----------------------------------------------------------------------------- */

enum { TICK_MS = 100 };

bool db_cancel_requested(const DbCancel *cancel)
{
    return cancel && cancel->is_requested && cancel->is_requested(cancel->ctx);
}

DbDeadline db_deadline(int64_t us)
{
    if (us == DB_NO_DEADLINE)
        return (DbDeadline){.at_us = INT64_MAX, .left_us = INT64_MAX};
    return (DbDeadline){.at_us = clock_monotonic_us() + us, .left_us = us};
}

DbWait db_wait(const DbCancel *cancel, int fd, short events, DbDeadline *deadline)
{
    if (db_cancel_requested(cancel))
        return DB_WAIT_CANCEL;
    int timeout_ms = TICK_MS;
    if (deadline->at_us != INT64_MAX) {
        int64_t left_us = deadline->at_us - clock_monotonic_us();
        if (left_us <= 0 || deadline->left_us <= 0)
            return DB_WAIT_DEADLINE;
        if (left_us < TICK_MS * 1000)
            timeout_ms = (int)((left_us + 999) / 1000);
    }
    /* Negative descriptors are ignored by poll(). */
    struct pollfd fds[2] = {
        {.fd = fd, .events = events},
        {.fd = cancel ? cancel->wake_fd : -1, .events = POLLIN},
    };
    int ready = poll(fds, 2, timeout_ms);
    if (db_cancel_requested(cancel))
        return DB_WAIT_CANCEL;
    if (ready > 0 && fds[0].revents)
        return DB_WAIT_READY;
    if (ready == 0 && deadline->at_us != INT64_MAX)
        deadline->left_us -= timeout_ms * 1000;
    if (ready > 0 && fds[1].revents) {
        /* The descriptor stays readable although nobody asks to stop: do not spin on it. */
        (void)poll(fds, 1, 1);
        return fds[0].revents ? DB_WAIT_READY : DB_WAIT_TICK;
    }
    return DB_WAIT_TICK;
}

bool db_sleep(const DbCancel *cancel, int64_t us)
{
    DbDeadline until = db_deadline(us);
    for (;;) {
        switch (db_wait(cancel, -1, 0, &until)) {
        case DB_WAIT_CANCEL:
            return false;
        case DB_WAIT_DEADLINE:
            return true;
        case DB_WAIT_READY:
        case DB_WAIT_TICK:
            break;
        }
    }
}

void db_silence_begin(Db *db)
{
    int64_t timeout_ms = db->options.answer_timeout_ms;
    db->silence = db_deadline(timeout_ms > 0 ? timeout_ms * 1000 : DB_NO_DEADLINE);
    db->silent_since_us = db->ticked_us = clock_monotonic_us();
}

void db_silence_tick(Db *db)
{
    if (!db->options.tick)
        return;
    int64_t now_us = clock_monotonic_us();
    if (now_us - db->ticked_us < TICK_MS * 1000 / 2)
        return;
    db->options.tick(db->options.tick_ctx, now_us - db->silent_since_us);
    db->ticked_us = clock_monotonic_us(); /* the tick took its time too */
}

/* ---- rows --------------------------------------------------------------------------------- */

struct DbPiece {
    DbPiece *next;
    Arena *arena; /* of the piece itself */
    char *bytes;
    size_t cap, len;
    size_t at; /* what lies before it has been looked at */
};

/* The first piece is small, since most queries have one row. The largest are such that the system gets them back. */
enum { FIRST_PIECE = 2048, LARGEST_PIECE = 256 * 1024, LONGEST_HEAD = 10 };

DbBuffer *db_buffer_new(void)
{
    Arena *arena = arena_new();
    if (!arena)
        return NULL;
    DbBuffer *buffer = arena_alloc(arena, sizeof *buffer);
    if (!buffer) {
        arena_free(arena);
        return NULL;
    }
    buffer->arena = arena;
    buffer->error.arena = arena;
    return buffer;
}

static void drop_first_piece(DbBuffer *buffer)
{
    DbPiece *next = buffer->first->next;
    arena_free(buffer->first->arena); /* the piece itself lies in it */
    buffer->first = next;
    if (!next)
        buffer->last = NULL;
}

static void db_buffer_free(DbBuffer *buffer)
{
    if (!buffer)
        return;
    while (buffer->first)
        drop_first_piece(buffer);
    arena_free(buffer->arena); /* the buffer itself lies in it */
}

void db_buffer_freep(DbBuffer **buffer)
{
    db_buffer_free(*buffer);
    *buffer = NULL;
}

bool db_buffer_begin(DbBuffer *buffer, size_t col_count)
{
    if (buffer->cols_cap < col_count || !buffer->cols) {
        DbValue *cols = arena_alloc(buffer->arena, col_count * sizeof *cols);
        DbAbove *above = arena_alloc(buffer->arena, col_count * sizeof *above);
        if (!cols || !above)
            return false; /* the rows of the results before this one are still to be read */
        buffer->cols = cols;
        buffer->above = above;
        buffer->cols_cap = col_count;
    }
    for (size_t i = 0; i < col_count; i++)
        buffer->above[i].piece = NULL;
    buffer->at_col = 0;
    return vec_push(buffer->arena, &buffer->results, ((DbResultRows){.col_count = col_count}));
}

/* A value never lies in two pieces. */
static bool add_piece(DbBuffer *buffer, size_t size)
{
    size_t cap = buffer->last ? buffer->last->cap * 2 : FIRST_PIECE;
    if (cap > LARGEST_PIECE)
        cap = LARGEST_PIECE;
    if (cap < size)
        cap = size;
    Arena *arena = arena_new();
    DbPiece *piece = arena ? arena_alloc(arena, sizeof *piece) : NULL;
    char *bytes = piece ? arena_alloc_raw(arena, cap) : NULL;
    if (!bytes) {
        arena_free(arena);
        return false;
    }
    *piece = (DbPiece){.arena = arena, .bytes = bytes, .cap = cap};
    if (buffer->last)
        buffer->last->next = piece;
    else
        buffer->first = piece;
    buffer->last = piece;
    return true;
}

enum { HEAD_NULL, HEAD_AS_ABOVE, HEAD_LEN };

/* A value is its length and two (0: NULL, 1: as in the row before), seven bits a byte, its bytes, and a NUL. */
bool db_buffer_add(DbBuffer *buffer, Str text, bool is_null)
{
    DbAbove *above = &buffer->above[buffer->at_col];
    bool is_as_above =
        !is_null && above->piece && above->piece == buffer->last && above->len == text.len &&
        buffer->last->len < buffer->last->cap &&
        (text.len == 0 || memcmp(buffer->last->bytes + above->at, text.ptr, text.len) == 0);
    bool has_bytes = !is_null && !is_as_above;
    size_t head = is_null ? HEAD_NULL : is_as_above ? HEAD_AS_ABOVE : text.len + HEAD_LEN;
    size_t most = has_bytes ? LONGEST_HEAD + text.len + 1 : 1;
    if ((!buffer->last || buffer->last->cap - buffer->last->len < most) && !add_piece(buffer, most))
        return false;
    DbPiece *piece = buffer->last;
    while (head >= 0x80) {
        piece->bytes[piece->len++] = (char)(head | 0x80);
        head >>= 7;
    }
    piece->bytes[piece->len++] = (char)head;
    buffer->at_col++;
    if (is_as_above)
        return true;
    *above = (DbAbove){.piece = is_null ? NULL : piece, .at = piece->len, .len = text.len};
    if (is_null)
        return true;
    if (text.len > 0)
        memcpy(piece->bytes + piece->len, text.ptr, text.len);
    piece->len += text.len;
    piece->bytes[piece->len++] = '\0';
    return true;
}

void db_buffer_row(DbBuffer *buffer)
{
    buffer->results.items[buffer->results.len - 1].row_count++;
    buffer->at_col = 0;
}

/* *value holds that of the row before, which lies in this piece if this one is the same. */
static void take_value(DbPiece **piece, DbValue *value)
{
    /* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): no more is read than was written */
    if ((*piece)->at == (*piece)->len)
        *piece = (*piece)->next;
    DbPiece *from = *piece;
    size_t head = 0;
    for (unsigned shift = 0;; shift += 7) {
        unsigned char byte = (unsigned char)from->bytes[from->at++];
        head |= (size_t)(byte & 0x7f) << shift;
        if (!(byte & 0x80))
            break;
    }
    if (head == HEAD_AS_ABOVE)
        return;
    *value = (DbValue){.is_null = head == HEAD_NULL};
    if (head == HEAD_NULL)
        return;
    value->text = (Str){from->bytes + from->at, head - HEAD_LEN};
    from->at += head - HEAD_LEN + 1;
}

/* The next row of the result; what lies before it is given back. */
static void take_row(DbBuffer *buffer, size_t col_count)
{
    while (buffer->first && buffer->first->at == buffer->first->len && buffer->first->next)
        drop_first_piece(buffer);
    DbPiece *piece = buffer->first;
    for (size_t i = 0; i < col_count; i++)
        take_value(&piece, &buffer->cols[i]);
    buffer->at_row++;
}

bool db_buffer_finish(DbBuffer **buffer, Db *db, DbRows *ret_rows, Error *err)
{
    DbBuffer *whole = *buffer;
    if (whole->error.kind != ERROR_NONE && whole->results.len == 0)
        return db_error_copy(err, &whole->error);
    *ret_rows = (DbRows){
        .db = db,
        .impl = whole,
        .col_count = whole->results.len > 0 ? whole->results.items[0].col_count : 0,
        .err = &whole->error,
    };
    *buffer = NULL;
    return true;
}

bool db_buffer_next(DbRows *rows)
{
    DbBuffer *buffer = rows->impl;
    rows->cols = NULL;
    if (!buffer || buffer->at_result >= buffer->results.len)
        return false;
    const DbResultRows *result = &buffer->results.items[buffer->at_result];
    if (buffer->at_row >= result->row_count)
        return false;
    take_row(buffer, result->col_count);
    rows->cols = buffer->cols;
    return true;
}

bool db_buffer_next_result(DbRows *rows)
{
    DbBuffer *buffer = rows->impl;
    rows->cols = NULL;
    if (!buffer || buffer->at_result + 1 >= buffer->results.len)
        return false;
    while (db_buffer_next(rows)) /* rows that nobody wanted lie before the result's own */
        ;
    buffer->at_result++;
    buffer->at_row = 0;
    rows->col_count = buffer->results.items[buffer->at_result].col_count;
    return true;
}

void db_buffer_done(DbRows *rows)
{
    db_buffer_free(rows->impl);
    *rows = (DbRows){0};
}

/* ---- errors ------------------------------------------------------------------------------- */

const char *db_error_text(Error *err, Str text)
{
    return err && err->arena && text.len > 0 ? str_z(err->arena, text) : NULL;
}

static const char *copied(Error *to, const char *text)
{
    return text && to->arena ? str_z(to->arena, str_from(text)) : NULL;
}

bool db_error_copy(Error *to, const Error *from)
{
    if (!to || to == from)
        return false;
    if (from->kind == ERROR_NOMEM)
        return error_nomem(to);
    Arena *arena = to->arena;
    *to = *from;
    to->arena = arena;
    const char *message = copied(to, from->message);
    to->message = message ? message : "the database reported an error";
    to->detail = copied(to, from->detail);
    to->hint = copied(to, from->hint);
    to->server_hint = copied(to, from->server_hint);
    to->excerpt = copied(to, from->excerpt);
    to->statement = copied(to, from->statement);
    to->pos.file = copied(to, from->pos.file);
    return false;
}

/* Puts the beginning of sql into err->statement, if none is there. Returns false. */
static bool db_error_statement(Error *err, Str sql)
{
    enum { LONGEST = 200 };
    if (!err || !err->arena || err->statement)
        return false;
    StrBuf text = strbuf(err->arena);
    bool is_blank = false;
    sql = str_trim(sql);
    size_t i = 0;
    for (; i < sql.len && text.len < LONGEST; i++) {
        char c = sql.ptr[i];
        if (c == ' ' || (c >= '\t' && c <= '\r')) {
            is_blank = true;
            continue;
        }
        if (is_blank)
            strbuf_add_char(&text, ' ');
        is_blank = false;
        strbuf_add_char(&text, c);
    }
    if (i < sql.len) {
        while (i < sql.len && text.len > 0 && ((unsigned char)sql.ptr[i] & 0xC0) == 0x80) {
            /* The cut fell into a character: take the rest of it along. */
            strbuf_add_char(&text, sql.ptr[i++]);
        }
        if (i < sql.len)
            strbuf_adds(&text, "...");
    }
    Str whole;
    if (strbuf_finish(&text, &whole) && whole.len > 0)
        err->statement = text.ptr;
    return false;
}

bool db_error_cancelled(Error *err)
{
    error_set(err, ERROR_CANCELLED, "cancelled");
    return error_code(err, "cancelled");
}

bool db_error_given_up(Error *err)
{
    error_set(err, ERROR_CANCELLED,
              "cancelled, and the server, which could not be told, was left alone with it");
    error_hint(err, "See that the server can be reached; whimbrel status then says what holds.");
    return error_code(err, "cancelled");
}

bool db_push_statement(Arena *arena, DbStatementVec *out, const char *sql)
{
    return sql && vec_push(arena, out, ((DbStatement){.sql = str_from(sql)}));
}

/* ---- dispatch ----------------------------------------------------------------------------- */

const DbDriver *const *db_drivers(void)
{
    static const DbDriver *const drivers[] = {
        &db_driver_sqlite,
        &db_driver_postgres,
        &db_driver_mysql,
        NULL,
    };
    return drivers;
}

/* The server is there, and says that a moment later it may be ready. */
static bool may_answer_soon(const Error *err)
{
    if (err->kind != ERROR_CONNECT)
        return false;
    return strcmp(err->sqlstate, "57P03") == 0 ||
           (err->code && strcmp(err->code, "too-many-connections") == 0);
}

bool db_open(const DbUrl *url, const DbOptions *options, Db **ret_db, Error *err)
{
    static const DbOptions none = {0};
    enum { PAUSE_US = 250000 };
    const DbOptions *chosen = options ? options : &none;
    Error own = {0}, *why = err ? err : &own;
    int64_t timeout_ms = chosen->connect_timeout_ms > 0 ? chosen->connect_timeout_ms : 10000;
    int64_t until_us = clock_monotonic_us() + timeout_ms * 1000, slept_us = 0;
    bool is_told = false;
    *ret_db = NULL;
    for (;;) {
        if (url->driver->open(url, chosen, ret_db, why))
            return true;
        if (!may_answer_soon(why) || clock_monotonic_us() + PAUSE_US >= until_us ||
            slept_us + PAUSE_US >= timeout_ms * 1000)
            return false;
        if (!is_told && chosen->notice)
            chosen->notice(chosen->notice_ctx, STR("WARNING"),
                           STR("the server takes no connection yet; asking again"));
        is_told = true;
        error_clear(why);
        if (!db_sleep(chosen->cancel, PAUSE_US))
            return db_error_cancelled(why);
        slept_us += PAUSE_US;
    }
}

bool db_reopen(Db *db, const DbUrl *url, Error *err)
{
    Db *fresh = NULL;
    if (db->is_adopted || !db->driver->replace)
        return error_set(err, ERROR_UNSUPPORTED, "this connection cannot be opened again");
    if (!db_open(url, &db->options, &fresh, err))
        return false;
    StrVec defaults = db->defaults;
    for (size_t i = 0; i < defaults.len; i++) {
        if (!db_exec(fresh, defaults.items[i], err)) {
            db_close(fresh);
            return false;
        }
    }
    uint64_t round_trips = db->round_trips;
    db_rows_done(&db->answer); /* the question of the beginning is not asked again */
    db_rows_done(&fresh->answer);
    db->driver->replace(db, fresh);
    db->round_trips += round_trips;
    db->defaults = defaults;
    return true;
}

bool db_set_defaults(Db *db, const StrVec *statements, bool *ret_is_set, Error *err)
{
    *ret_is_set = !db->info.is_pooled;
    if (db->info.is_pooled || db->defaults.len > 0)
        return true;
    for (size_t i = 0; i < statements->len; i++) {
        Str sql;
        if (!db_exec(db, statements->items[i], err))
            return false;
        if (!str_copy(db->arena, statements->items[i], &sql) ||
            !vec_push(db->arena, &db->defaults, sql))
            return error_nomem(err);
    }
    return true;
}

bool db_reset_session(Db *db, Arena *arena, DbStatementVec *out)
{
    if (!db->driver->reset_session(db, arena, out))
        return false;
    for (size_t i = 0; i < db->defaults.len; i++)
        if (!vec_push(arena, out, ((DbStatement){.sql = db->defaults.items[i]})))
            return false;
    return true;
}

bool db_adopt(const DbDriver *driver, void *native, const DbOptions *options, Db **ret_db,
              Error *err)
{
    static const DbOptions none = {0};
    *ret_db = NULL;
    if (!native)
        return error_set(err, ERROR_USAGE, "the connection to take over is NULL");
    return driver->adopt(native, options ? options : &none, ret_db, err);
}

void db_close(Db *db)
{
    if (db)
        db->driver->close(db);
}

void db_closep(Db **db)
{
    db_close(*db);
    *db = NULL;
}

static bool is_usable(const Db *db, Error *err)
{
    if (!db->is_broken)
        return true;
    error_set(err, ERROR_CONNECT, "the connection to the database was lost");
    return error_code(err, "connection-lost");
}

bool db_run(Db *db, const DbStatement *statements, size_t count,
            void (*progress)(void *ctx, size_t completed), void *ctx, DbOutcome *ret_outcome,
            Error *err)
{
    DbOutcome outcome = {.error_offset = -1, .rows = -1};
    bool is_done =
        is_usable(db, err) && db->driver->run(db, statements, count, progress, ctx, &outcome, err);
    if (!is_done && outcome.completed < count)
        db_error_statement(err, statements[outcome.completed].sql);
    if (ret_outcome)
        *ret_outcome = outcome;
    return is_done;
}

bool db_exec(Db *db, Str sql, Error *err)
{
    DbStatement statement = {.sql = sql};
    return db_run(db, &statement, 1, NULL, NULL, NULL, err);
}

/* To the caller it is as if its own query had been sent alone. */
static bool query_behind_lead(Db *db, Str sql, DbRows *ret_rows, Error *err)
{
    scoped(Arena *, arena_freep) scratch = arena_new();
    if (!scratch)
        return error_nomem(err);
    StrBuf whole = strbuf(scratch);
    Str text;
    strbuf_add(&whole, db->lead);
    strbuf_adds(&whole, "; ");
    strbuf_add(&whole, sql);
    db->lead = (Str){0};
    if (!strbuf_finish(&whole, &text))
        return error_nomem(err);
    if (!db->driver->query(db, text, ret_rows, err))
        return false;
    while (ret_rows->col_count == 0 && db_rows_next_result(ret_rows))
        ;
    if (db_rows_next(ret_rows) && ret_rows->col_count == 1) {
        Str value = ret_rows->cols[0].text;
        bool is_yes = str_eq(value, STR("t")) || str_eq(value, STR("1"));
        db->lead_answer = is_yes && !ret_rows->cols[0].is_null ? DB_LEAD_YES : DB_LEAD_NO;
    }
    if (db_rows_next_result(ret_rows))
        return true;
    return db_rows_finish(ret_rows, err) &&
           error_set(err, ERROR_SQL, "the server gave fewer answers than it was asked for");
}

bool db_query(Db *db, Str sql, DbRows *ret_rows, Error *err)
{
    *ret_rows = (DbRows){0};
    if (db->lead.len > 0 && is_usable(db, NULL))
        return query_behind_lead(db, sql, ret_rows, err) || db_error_statement(err, sql);
    if (is_usable(db, err) && db->driver->query(db, sql, ret_rows, err))
        return true;
    return db_error_statement(err, sql);
}

bool db_rows_next(DbRows *rows)
{
    return rows->db && rows->db->driver->rows_next(rows);
}

bool db_rows_next_result(DbRows *rows)
{
    return rows->db && rows->db->driver->rows_next_result(rows);
}

bool db_rows_finish(DbRows *rows, Error *err)
{
    bool is_good = !rows->err || rows->err->kind == ERROR_NONE;
    if (!is_good)
        db_error_copy(err, rows->err);
    db_rows_done(rows);
    return is_good;
}

void db_rows_done(DbRows *rows)
{
    if (rows->db)
        rows->db->driver->rows_done(rows);
    *rows = (DbRows){0};
}

bool db_query_value(Db *db, Arena *arena, Str sql, DbValue *ret_value, Error *err)
{
    scoped(DbRows, db_rows_done) rows = {0};
    DbValue value = {.is_null = true};
    if (!db_query(db, sql, &rows, err))
        return false;
    if (db_rows_next(&rows) && rows.col_count > 0 && !rows.cols[0].is_null) {
        value.is_null = false;
        if (!str_copy(arena, rows.cols[0].text, &value.text))
            return error_nomem(err);
    }
    if (!db_rows_finish(&rows, err))
        return db_error_statement(err, sql);
    *ret_value = value;
    return true;
}

bool db_answer(Db *db, Str question, DbRows *ret_rows)
{
    if (!db->answer.db || !str_eq(question, db->options.question))
        return false;
    *ret_rows = db->answer;
    db->answer = (DbRows){0};
    return true;
}

void db_lead(Db *db, Str sql)
{
    db->lead = sql;
    db->lead_answer = DB_LEAD_UNASKED;
}

void db_meanwhile(Db *db, void (*work)(void *ctx), void *ctx)
{
    db->meanwhile = work;
    db->meanwhile_ctx = ctx;
}

void db_do_meanwhile(Db *db)
{
    void (*work)(void *ctx) = db->meanwhile;
    if (!work)
        return;
    db->meanwhile = NULL;
    work(db->meanwhile_ctx);
    db_silence_begin(db); /* the server was not listened to */
}

DbLead db_lead_take(Db *db)
{
    DbLead answer = db->lead_answer;
    db_lead(db, (Str){0});
    return answer;
}

bool db_value_i64(const DbValue *value, int64_t *ret_number)
{
    return !value->is_null && str_to_i64(value->text, ret_number);
}

bool db_has(const Db *db, unsigned features)
{
    return (db->features & features) == features;
}

SqlSplitOptions db_split_options(const Db *db, const char *file)
{
    return (SqlSplitOptions){
        .dialect = db->driver->dialect,
        .file = file,
        .no_backslash_escapes = db->info.no_backslash_escapes,
        .ansi_quotes = db->info.ansi_quotes,
        .nonconforming_strings = db->info.nonconforming_strings,
    };
}

/* Liquibase: changelogs in formatted SQL, and in YAML, JSON and XML as far as they hold SQL; DATABASECHANGELOG and its lock.
 *
 * A changeset is known by id, author and path; its version is author:id. It runs with its history row in one transaction, where
 * Liquibase has two. Its lock is a row that nothing gives back when its holder is gone: whimbrel takes it together with a lock of its own,
 * which ends with the session, and so knows a row that another whimbrel has left behind. SPDX-License-Identifier: Apache-2.0 */
#include "convention/liquibase.h"
#include "convention/draft.h"

#include <stdlib.h>
#include <string.h>

/* ---- files ---------------------------------------------------------------------------------------------- */

static bool prepare(const void *ctx, Arena *arena, const Script *script, Str text,
                    const SqlSplitOptions *split, ScriptText *ret_text, Error *err)
{
    (void)ctx;
    (void)split;
    const LbScript *own = script->form->own;
    const LbChangeSet *set = own->set;
    ScriptText made = {.sql = text,
                       .whole = own->is_down ? set->down.whole : set->up.whole,
                       .no_transaction = set->no_transaction,
                       .is_off = set->is_off && !own->is_down,
                       .checksum = set->checksum,
                       .takes_any_checksum =
                           set->takes_any_checksum || set->is_off || set->checksum.len == 0};
    for (size_t i = 0; i < set->valid_checksums.len; i++)
        if (!vec_push(arena, &made.other_checksums, set->valid_checksums.items[i]))
            return error_nomem(err);
    if (set->refusal && !own->is_down) {
        made.sql = STR(" ");
        made.refusal = set->refusal;
        made.refusal_line = set->refusal_line;
        made.refusal_hint =
            "Run it with Liquibase, or write the changeset as SQL; `whimbrel stamp` "
            "records it as applied.";
    }
    *ret_text = made;
    return true;
}

static bool make_script(const ConventionContext *ctx, Arena *arena, const LbChangeSet *set,
                        bool is_down, Script **ret_script, Error *err)
{
    const LbSql *sql = is_down ? &set->down : &set->up;
    Script *script = arena_alloc(arena, sizeof *script);
    ScriptForm *form = arena_alloc(arena, sizeof *form);
    LbScript *own = arena_alloc(arena, sizeof *own);
    if (!script || !form || !own)
        return error_nomem(err);
    *own = (LbScript){ctx, set, is_down};
    *form = (ScriptForm){.prepare = prepare,
                         .own = own,
                         .is_conditional = !is_down && (set->preconditions || set->outer),
                         .may_fail = !is_down && set->may_fail};
    *script = (Script){.path = set->refusal && !is_down ? set->file : sql->path,
                       .text = sql->sql.len > 0 ? sql->sql : STR(" "),
                       .first_line = sql->line,
                       .form = form,
                       .head = directives_nothing()};
    script->size_bytes = script->text.len;
    *ret_script = script;
    return true;
}

static bool scan(const ConventionContext *ctx, Arena *arena, MigrationSet *ret_set, Error *err)
{
    MigrationSet set = {.script_options = peer_script_options(ctx)};
    LbChangeLog *log;
    StrVec versions = {0};
    if (!liquibase_read(ctx, arena, &log, err))
        return false;
    if (ctx->table.len == 0)
        set.script_options.history_table = STR("databasechangelog");
    for (size_t i = 0; i < log->sets.len; i++) {
        const LbChangeSet *one = log->sets.items[i];
        Migration *migration;
        if (!peer_add(arena, &set, one->version, one->path, &migration, err) ||
            !make_script(ctx, arena, one, false, &migration->up, err) ||
            (one->has_down && !make_script(ctx, arena, one, true, &migration->down, err)))
            return false;
        migration->tag = one->tag;
        migration->is_mere_tag = str_eq(one->description, STR("tagDatabase"));
        migration->may_come_late = true; /* its place is where it stands in the changelog */
        /* What is not for this run has no turn. */
        migration->reruns = one->is_off           ? RERUNS_NEVER
                            : one->runs_always    ? RERUNS_ALWAYS
                            : one->runs_on_change ? RERUNS_ON_CHANGE
                                                  : RERUNS_NEVER;
        if (!vec_push(arena, &versions, one->version))
            return error_nomem(err);
    }
    set.own = log;
    if (!version_order_list(arena, &versions, &set.versions, err) ||
        !migration_set_finish(&set, err))
        return false;
    *ret_set = set;
    return true;
}

/* ---- history -------------------------------------------------------------------------------------------- */

bool liquibase_table(const ConventionContext *ctx, Arena *arena, bool is_lock, TableName *ret_name,
                     Error *err)
{
    const LbSettings *settings = liquibase_settings(ctx);
    bool folds = ctx->dialect == SQL_POSTGRES;
    if (!table_name_read(ctx, arena, ret_name, err))
        return false;
    if (!is_lock)
        return true;
    ret_name->table =
        settings->lock_table.len > 0 ? settings->lock_table : STR("DATABASECHANGELOGLOCK");
    return !folds || liquibase_lower(arena, ret_name->table, &ret_name->table) || error_nomem(err);
}

/* HistoryRow.own: the identity as the row has it. */
typedef struct RowOwn {
    Str id, author, path;
} RowOwn;

typedef struct Reader {
    const ConventionContext *ctx;
    Arena *arena;
    History *history;
} Reader;

static const LbChangeSet *find_set(const ConventionContext *ctx, Arena *arena, const RowOwn *own)
{
    const LbChangeLog *log = ctx->set ? ctx->set->own : NULL;
    LbIdentity wanted;
    size_t low = 0, high = log ? log->sets.len : 0;
    Str path;
    if (!log || !liquibase_path(arena, own->path, &path) ||
        !liquibase_lower(arena, path, &wanted.path) ||
        !liquibase_lower(arena, own->id, &wanted.id) ||
        !liquibase_lower(arena, own->author, &wanted.author))
        return NULL;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        const LbIdentity *one = &log->identities[mid];
        int order = str_cmp(one->path, wanted.path);
        order = order ? order : str_cmp(one->id, wanted.id);
        order = order ? order : str_cmp(one->author, wanted.author);
        if (order == 0)
            return one->set;
        if (order < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return NULL;
}

/* What no changelog here has is called author:id, unless another has that name. */
static bool version_of(const Reader *reader, const RowOwn *own, const LbChangeSet *set,
                       Str *ret_version, Error *err)
{
    const ConventionContext *ctx = reader->ctx;
    if (set) {
        *ret_version = set->version;
        return true;
    }
    const char *version =
        str_format(reader->arena, "%.*s:%.*s", STR_ARG(own->author), STR_ARG(own->id));
    bool is_taken = version && ctx->set && migration_set_find(ctx->set, str_from(version));
    for (size_t i = 0; version && i < reader->history->rows.len && !is_taken; i++)
        is_taken = str_eq(reader->history->rows.items[i].version, str_from(version));
    if (is_taken)
        version = str_format(reader->arena, "%.*s::%.*s::%.*s", STR_ARG(own->path),
                             STR_ARG(own->id), STR_ARG(own->author));
    *ret_version = str_from(version);
    return version || error_nomem(err);
}

/* Releases before 4.22 wrote sums of version 8. One that fits stands for today's; one that does not says that what runs on a change
 * has changed. Else it is taken as it is, as are those of still older releases. False: it is not compared, and *sum is empty. */
static bool sum_of_row(const LbChangeSet *set, Str *sum)
{
    if (sum->len == 0 || str_starts(*sum, STR("9:")))
        return true;
    bool is_known = set && set->older_sum.len > 0 && str_starts(*sum, STR("8:"));
    bool fits = is_known && str_eq(*sum, set->older_sum);
    if (fits)
        *sum = set->checksum;
    else if (!is_known || !set->runs_on_change)
        *sum = (Str){0};
    return sum->len > 0;
}

enum { COL_ID, COL_AUTHOR, COL_PATH, COL_AT, COL_TYPE, COL_SUM, COL_PROGRAM, COL_TAG, COL_COUNT };

static bool take_row(void *ctx, const DbValue *cols, bool *ret_is_good, const char **ret_what,
                     Error *err)
{
    Reader *reader = ctx;
    Arena *arena = reader->arena;
    RowOwn *own = arena_alloc(arena, sizeof *own);
    Str version, name, sum = cols[COL_SUM].text;
    *ret_is_good = !cols[COL_ID].is_null && !cols[COL_AUTHOR].is_null && !cols[COL_PATH].is_null;
    *ret_what = "a row has no id, author or path";
    if (!*ret_is_good)
        return true;
    if (!own || !str_copy(arena, cols[COL_ID].text, &own->id) ||
        !str_copy(arena, cols[COL_AUTHOR].text, &own->author) ||
        !str_copy(arena, cols[COL_PATH].text, &own->path))
        return error_nomem(err);
    name = own->path;
    const LbChangeSet *set = find_set(reader->ctx, arena, own);
    if (!version_of(reader, own, set, &version, err))
        return false;
    HistoryRow row = peer_row(version, name, (int64_t)reader->history->rows.len + 1);
    row.own = own;
    bool is_marked = str_eq_nocase(cols[COL_TYPE].text, STR("MARK_RAN"));
    bool is_compared = sum_of_row(set, &sum);
    const char *program = str_format(
        arena, "Liquibase %.*s%s%s%s%.*s", STR_ARG(cols[COL_PROGRAM].text),
        is_marked ? ", marked as run" : "", is_compared ? "" : ", with a checksum of an older form",
        cols[COL_TAG].text.len > 0 ? ", tagged " : "", STR_ARG(cols[COL_TAG].text));
    bool is_ours = str_starts(cols[COL_PROGRAM].text, STR("whimbrel"));
    row.program = is_ours && program ? str_from(program + strlen("Liquibase ")) : str_from(program);
    if (!program || !str_copy(arena, sum, &row.checksum))
        return error_nomem(err);
    if (cols[COL_TAG].text.len > 0 && !(row.tag = str_z(arena, cols[COL_TAG].text)))
        return error_nomem(err);
    if (reader->ctx->dialect == SQL_SQLITE ? !timestamp_parse(cols[COL_AT].text, &row.finished_at)
                                           : !db_value_i64(&cols[COL_AT], &row.finished_at))
        row.finished_at = TIMESTAMP_UNKNOWN;
    return vec_push(arena, &reader->history->rows, row) || error_nomem(err);
}

static const char *columns_of(SqlDialect dialect)
{
    switch (dialect) {
    case SQL_POSTGRES:
        return "ID, AUTHOR, FILENAME, CAST(date_part('epoch', DATEEXECUTED) * 1000000 AS BIGINT), "
               "EXECTYPE, MD5SUM, LIQUIBASE, TAG";
    case SQL_MYSQL:
        return "ID, AUTHOR, FILENAME, CAST(UNIX_TIMESTAMP(DATEEXECUTED) * 1000000 AS SIGNED), "
               "EXECTYPE, MD5SUM, LIQUIBASE, TAG";
    case SQL_SQLITE:
        break;
    }
    return "ID, AUTHOR, FILENAME, DATEEXECUTED, EXECTYPE, MD5SUM, LIQUIBASE, TAG";
}

static bool history_read(const ConventionContext *ctx, Db *db, Arena *arena, History *ret_history,
                         Error *err)
{
    static const VersionOrder text_order = {.kind = VERSIONS_TEXT};
    History history = {.versions = ctx->set ? &ctx->set->versions : &text_order};
    Reader reader = {ctx, arena, &history};
    PeerTable table = {.columns = columns_of(ctx->dialect),
                       .order = "DATEEXECUTED, ORDEREXECUTED",
                       .column_count = COL_COUNT,
                       .row = take_row,
                       .ctx = &reader};
    if (!liquibase_table(ctx, arena, false, &table.name, err) ||
        !peer_table_read(ctx, db, arena, &table, &history.exists, err) ||
        !history_finish(arena, &history, err))
        return false;
    *ret_history = history;
    return true;
}

static const char *time_type(SqlDialect dialect)
{
    switch (dialect) {
    case SQL_POSTGRES:
        return "TIMESTAMP WITHOUT TIME ZONE";
    case SQL_MYSQL:
        return "datetime";
    case SQL_SQLITE:
        break;
    }
    return "TEXT";
}

static bool history_prepare(const ConventionContext *ctx, Db *db, Arena *arena,
                            const History *history, DbStatementVec *out, Error *err)
{
    (void)db;
    TableName name;
    StrBuf sql = strbuf(arena);
    if (history->exists)
        return true;
    if (!liquibase_table(ctx, arena, false, &name, err))
        return false;
    peer_begin(&sql, ctx, &name, "CREATE TABLE IF NOT EXISTS ");
    strbuf_addf(&sql,
                " (ID VARCHAR(255) NOT NULL, AUTHOR VARCHAR(255) NOT NULL, FILENAME VARCHAR(255) "
                "NOT NULL, DATEEXECUTED %s NOT NULL, ORDEREXECUTED INTEGER NOT NULL, EXECTYPE "
                "VARCHAR(10) NOT NULL, MD5SUM VARCHAR(35), DESCRIPTION VARCHAR(255), COMMENTS "
                "VARCHAR(255), TAG VARCHAR(255), LIQUIBASE VARCHAR(20), CONTEXTS VARCHAR(255), "
                "LABELS VARCHAR(255), DEPLOYMENT_ID VARCHAR(10))",
                time_type(ctx->dialect));
    return statement_push(arena, &sql, out, err);
}

/* ---- writes ------------------------------------------------------------------------------------------------ */

static const LbChangeSet *set_of(const HistoryWrite *write)
{
    const Migration *m = write->migration;
    const Script *script = !m ? NULL : m->up ? m->up : m->down;
    const LbScript *own = script && script->form ? script->form->own : NULL;
    return own ? own->set : NULL;
}

/* At most so many characters, and a null for none. */
static void add_text(StrBuf *sql, const ConventionContext *ctx, Str text, size_t most)
{
    size_t characters = 0, to = 0;
    for (; to < text.len; to++) {
        if (((unsigned char)text.ptr[to] & 0xc0) == 0x80)
            continue;
        if (characters++ == most)
            break;
    }
    sql_add_literal(sql, ctx->dialect, str_sub(text, 0, to));
}

static void add_or_null(StrBuf *sql, const ConventionContext *ctx, Str text, size_t most)
{
    if (text.len > 0)
        add_text(sql, ctx, text, most);
    else
        strbuf_adds(sql, "NULL");
}

static void add_now(StrBuf *sql, const ConventionContext *ctx)
{
    strbuf_adds(sql, ctx->dialect == SQL_SQLITE ? "CURRENT_TIMESTAMP" : "NOW()");
}

/* The row that the write is about, by what the row itself says if there is one. */
static bool add_where(StrBuf *sql, const ConventionContext *ctx, const HistoryWrite *write)
{
    const RowOwn *own = write->row ? write->row->own : NULL;
    const LbChangeSet *set = set_of(write);
    if (!own && !set)
        return false;
    strbuf_adds(sql, " WHERE ID = ");
    sql_add_literal(sql, ctx->dialect, own ? own->id : set->id);
    strbuf_adds(sql, " AND AUTHOR = ");
    sql_add_literal(sql, ctx->dialect, own ? own->author : set->author);
    strbuf_adds(sql, " AND FILENAME = ");
    sql_add_literal(sql, ctx->dialect, own ? own->path : set->path);
    return true;
}

enum { LONGEST_TEXT = 250, LONGEST_PROGRAM = 20 };

static void add_insert(StrBuf *sql, const ConventionContext *ctx, const TableName *name,
                       const LbChangeSet *set, const char *type, Timestamp when)
{
    const LbSettings *settings = liquibase_settings(ctx);
    peer_begin(sql, ctx, name, "INSERT INTO ");
    strbuf_adds(sql,
                " (ID, AUTHOR, FILENAME, DATEEXECUTED, ORDEREXECUTED, MD5SUM, DESCRIPTION, "
                "COMMENTS, EXECTYPE, CONTEXTS, LABELS, LIQUIBASE, TAG, DEPLOYMENT_ID) SELECT ");
    sql_add_literal(sql, ctx->dialect, set->id);
    strbuf_adds(sql, ", ");
    sql_add_literal(sql, ctx->dialect, set->author);
    strbuf_adds(sql, ", ");
    sql_add_literal(sql, ctx->dialect, set->path);
    strbuf_adds(sql, ", ");
    if (when != TIMESTAMP_UNKNOWN)
        peer_add_time(sql, ctx->dialect, when);
    else
        add_now(sql, ctx);
    strbuf_adds(sql, ", COALESCE(MAX(ORDEREXECUTED), 0) + 1, ");
    add_or_null(sql, ctx, set->checksum, LONGEST_TEXT);
    strbuf_adds(sql, ", ");
    add_text(sql, ctx, set->description, LONGEST_TEXT);
    strbuf_adds(sql, ", ");
    add_text(sql, ctx, set->comment, LONGEST_TEXT);
    strbuf_adds(sql, ", ");
    sql_add_literal(sql, ctx->dialect, str_from(type));
    strbuf_adds(sql, ", ");
    add_or_null(sql, ctx, set->context, LONGEST_TEXT);
    strbuf_adds(sql, ", ");
    add_or_null(sql, ctx, set->labels, LONGEST_TEXT);
    strbuf_adds(sql, ", ");
    add_text(sql, ctx, ctx->program, LONGEST_PROGRAM);
    strbuf_adds(sql, ", ");
    add_or_null(sql, ctx, str_from(set->tag), LONGEST_TEXT);
    strbuf_adds(sql, ", ");
    sql_add_literal(sql, ctx->dialect, settings->deployment);
    peer_begin(sql, ctx, name, " FROM ");
}

/* What runs again is the last one now. */
static void add_rerun(StrBuf *sql, const ConventionContext *ctx, const TableName *name,
                      const LbChangeSet *set)
{
    peer_begin(sql, ctx, name, "UPDATE ");
    strbuf_adds(sql, " SET DATEEXECUTED = ");
    add_now(sql, ctx);
    strbuf_adds(sql, ", ORDEREXECUTED = (SELECT next FROM (SELECT MAX(ORDEREXECUTED) + 1 AS next");
    peer_begin(sql, ctx, name, " FROM ");
    strbuf_adds(sql, ") newest), EXECTYPE = 'RERAN', MD5SUM = ");
    add_or_null(sql, ctx, set->checksum, LONGEST_TEXT);
    strbuf_adds(sql, ", DESCRIPTION = ");
    add_text(sql, ctx, set->description, LONGEST_TEXT);
    strbuf_adds(sql, ", COMMENTS = ");
    add_text(sql, ctx, set->comment, LONGEST_TEXT);
    strbuf_adds(sql, ", CONTEXTS = ");
    add_or_null(sql, ctx, set->context, LONGEST_TEXT);
    strbuf_adds(sql, ", LABELS = ");
    add_or_null(sql, ctx, set->labels, LONGEST_TEXT);
    strbuf_adds(sql, ", LIQUIBASE = ");
    add_text(sql, ctx, ctx->program, LONGEST_PROGRAM);
    if (set->tag) {
        strbuf_adds(sql, ", TAG = ");
        add_text(sql, ctx, str_from(set->tag), LONGEST_TEXT);
    }
    strbuf_adds(sql, ", DEPLOYMENT_ID = ");
    sql_add_literal(sql, ctx->dialect, liquibase_settings(ctx)->deployment);
}

static bool history_write(const ConventionContext *ctx, const Db *db, Arena *arena,
                          const HistoryWrite *write, DbStatementVec *out, Error *err)
{
    (void)db;
    TableName name;
    StrBuf sql = strbuf(arena);
    const LbChangeSet *set = set_of(write);
    bool has_where = true;
    if (!liquibase_table(ctx, arena, false, &name, err))
        return false;
    switch (write->kind) {
    case WRITE_APPLIED:
    case WRITE_BASELINE:
        if (!set) {
            error_set(err, ERROR_UNSUPPORTED,
                      "Liquibase's history takes only what a changelog holds");
            error_code(err, "not-in-convention");
            return error_hint(err, "Write the changeset first; `whimbrel stamp` records it then.");
        }
        if (write->row) {
            add_rerun(&sql, ctx, &name, set);
            has_where = add_where(&sql, ctx, write);
        } else {
            add_insert(&sql, ctx, &name, set, "EXECUTED", peer_finished_at(write));
        }
        break;
    case WRITE_SKIPPED:
        /* Only what a precondition says is to count as run has a row. */
        if (!write->is_marked || !set || write->row)
            return true;
        add_insert(&sql, ctx, &name, set, "MARK_RAN", peer_finished_at(write));
        break;
    case WRITE_REMOVED:
    case WRITE_DELETED: /* there is no other way to say that it is gone for good */
        peer_begin(&sql, ctx, &name, "DELETE FROM ");
        has_where = add_where(&sql, ctx, write);
        break;
    case WRITE_CHECKSUM:
        if (!set || set->checksum.len == 0)
            return true;
        peer_begin(&sql, ctx, &name, "UPDATE ");
        strbuf_adds(&sql, " SET MD5SUM = ");
        sql_add_literal(&sql, ctx->dialect, set->checksum);
        has_where = add_where(&sql, ctx, write);
        break;
    case WRITE_BEGIN:
    case WRITE_STEP:
    case WRITE_FAILED:
    case WRITE_RUN_BEGIN:
    case WRITE_RUN_END:
        return true;
    }
    if (!has_where)
        return error_set(err, ERROR_STATE, "a row of the history without an identity");
    return statement_push(arena, &sql, out, err);
}

static bool tag(const ConventionContext *ctx, Arena *arena, const HistoryRow *row, Str tag,
                DbStatementVec *out, Error *err)
{
    TableName name;
    StrBuf sql = strbuf(arena);
    if (!liquibase_table(ctx, arena, false, &name, err))
        return false;
    peer_begin(&sql, ctx, &name, "UPDATE ");
    strbuf_adds(&sql, " SET TAG = ");
    add_text(&sql, ctx, tag, LONGEST_TEXT);
    return add_where(&sql, ctx, &(HistoryWrite){.row = row}) ? statement_push(arena, &sql, out, err)
                                                             : error_nomem(err);
}

/* ---- the lock in the table ------------------------------------------------------------------------------------ */

typedef struct LockRow {
    bool is_there, is_locked;
    Str owner;
    int64_t age_us; /* -1: not known */
} LockRow;

static const char *age_of(SqlDialect dialect)
{
    switch (dialect) {
    case SQL_POSTGRES:
        return "CAST(date_part('epoch', LOCALTIMESTAMP - LOCKGRANTED) * 1000000 AS BIGINT)";
    case SQL_MYSQL:
        return "TIMESTAMPDIFF(MICROSECOND, LOCKGRANTED, NOW())";
    case SQL_SQLITE:
        break;
    }
    return "CAST((julianday('now') - julianday(LOCKGRANTED)) * 86400000000 AS INTEGER)";
}

static bool lock_find(const ConventionContext *ctx, Db *db, Arena *arena, TableName *ret_name,
                      bool *ret_has_table, Error *err)
{
    if (!liquibase_table(ctx, arena, true, ret_name, err))
        return false;
    const char *plain = table_name_plain(arena, ret_name, "");
    return plain ? db->driver->has_table(db, str_from(plain), ret_has_table, err)
                 : error_nomem(err);
}

static bool lock_read(const ConventionContext *ctx, Db *db, Arena *arena, const TableName *name,
                      LockRow *ret_row, Error *err)
{
    scoped(DbRows, db_rows_done) rows = {0};
    StrBuf sql = strbuf(arena);
    Str text;
    *ret_row = (LockRow){.age_us = -1};
    strbuf_addf(&sql, "SELECT CASE WHEN LOCKED THEN 1 ELSE 0 END, LOCKEDBY, %s",
                age_of(ctx->dialect));
    peer_begin(&sql, ctx, name, " FROM ");
    strbuf_adds(&sql, " WHERE ID = 1");
    if (!strbuf_finish(&sql, &text))
        return error_nomem(err);
    if (!db_query(db, text, &rows, err))
        return false;
    while (db_rows_next(&rows)) {
        ret_row->is_there = true;
        ret_row->is_locked = str_eq(rows.cols[0].text, STR("1"));
        if (!str_copy(arena, rows.cols[1].text, &ret_row->owner))
            return error_nomem(err);
        if (!db_value_i64(&rows.cols[2], &ret_row->age_us) || ret_row->age_us < 0)
            ret_row->age_us = -1;
    }
    return db_rows_finish(&rows, err);
}

static bool exec(Db *db, StrBuf *sql, Error *err)
{
    Str text;
    return strbuf_finish(sql, &text) ? db_exec(db, text, err) : error_nomem(err);
}

/* The table and its row, as Liquibase makes them. */
static bool lock_make(const ConventionContext *ctx, Db *db, Arena *arena, const TableName *name,
                      Error *err)
{
    StrBuf table = strbuf(arena), row = strbuf(arena);
    peer_begin(&table, ctx, name, "CREATE TABLE IF NOT EXISTS ");
    strbuf_addf(&table,
                " (ID INTEGER NOT NULL, LOCKED %s NOT NULL, LOCKGRANTED %s, LOCKEDBY "
                "VARCHAR(255), CONSTRAINT ",
                ctx->dialect == SQL_MYSQL ? "TINYINT" : "BOOLEAN", time_type(ctx->dialect));
    table_name_add(&table, ctx->dialect, &(TableName){.table = name->table},
                   ctx->dialect == SQL_POSTGRES ? "_pkey" : "_PK");
    strbuf_adds(&table, " PRIMARY KEY (ID))");
    peer_begin(&row, ctx, name, "INSERT INTO ");
    strbuf_adds(&row, " (ID, LOCKED) SELECT 1, FALSE WHERE NOT EXISTS (SELECT 1");
    peer_begin(&row, ctx, name, " FROM ");
    strbuf_adds(&row, " WHERE ID = 1)");
    return exec(db, &table, err) && exec(db, &row, err);
}

static bool lock_update(const ConventionContext *ctx, Db *db, Arena *arena, const TableName *name,
                        Str stale_owner, Error *err)
{
    StrBuf sql = strbuf(arena);
    peer_begin(&sql, ctx, name, "UPDATE ");
    strbuf_adds(&sql, " SET LOCKED = TRUE, LOCKEDBY = ");
    sql_add_literal(&sql, ctx->dialect, liquibase_settings(ctx)->owner);
    strbuf_adds(&sql, ", LOCKGRANTED = ");
    add_now(&sql, ctx);
    strbuf_adds(&sql, " WHERE ID = 1 AND ");
    if (stale_owner.len > 0) {
        strbuf_adds(&sql, "LOCKEDBY = ");
        sql_add_literal(&sql, ctx->dialect, stale_owner);
    } else {
        strbuf_adds(&sql, "LOCKED = FALSE");
    }
    return exec(db, &sql, err);
}

static void fill_holder(const LockRow *row, DbSession *ret_holder)
{
    *ret_holder = (DbSession){
        .id = row->owner.len > 0 ? row->owner : STR("(nobody is named)"),
        .application = str_find(row->owner, STR("(whimbrel, "), 0) == SIZE_MAX ? STR("Liquibase")
                                                                               : STR("whimbrel"),
        .age_us = row->age_us,
        .is_alive = true,
        .advice = STR("Nothing gives it back when its holder is gone: whimbrel lock release does, "
                      "as liquibase release-locks would.")};
}

/* Whoever asks holds whimbrel's own lock, so that a row which another whimbrel has written is of one that is gone. */
static bool lock_try(const ConventionContext *ctx, Db *db, Arena *arena, bool *ret_is_ours,
                     DbSession *ret_holder, Error *err)
{
    TableName name;
    LockRow row = {0};
    Error absent = {.arena = arena};
    bool has_table = false;
    *ret_is_ours = false;
    if (!lock_find(ctx, db, arena, &name, &has_table, err))
        return false;
    /* A Liquibase may make it at the same moment: then it is there, and that is what matters. */
    if (!has_table && !lock_make(ctx, db, arena, &name, &absent) && absent.kind != ERROR_SQL) {
        *err = absent;
        return false;
    }
    if (!lock_read(ctx, db, arena, &name, &row, err) ||
        (!row.is_there && (!lock_make(ctx, db, arena, &name, err))))
        return false;
    bool is_left = row.is_locked && str_find(row.owner, STR("(whimbrel, "), 0) != SIZE_MAX &&
                   !str_eq(row.owner, liquibase_settings(ctx)->owner);
    if ((!row.is_locked || is_left) &&
        (!lock_update(ctx, db, arena, &name, is_left ? row.owner : (Str){0}, err) ||
         !lock_read(ctx, db, arena, &name, &row, err)))
        return false;
    *ret_is_ours = row.is_locked && str_eq(row.owner, liquibase_settings(ctx)->owner);
    fill_holder(&row, ret_holder);
    return true;
}

/* A Liquibase before 5.0.4 that gives up waiting releases the lock of whoever holds it. */
static bool lock_fence(const ConventionContext *ctx, Arena *arena, Str *ret_sql, Error *err)
{
    TableName name;
    StrBuf sql = strbuf(arena), owner = strbuf(arena);
    *ret_sql = (Str){0};
    if (!liquibase_table(ctx, arena, true, &name, err))
        return false;
    sql_add_literal(&owner, ctx->dialect, liquibase_settings(ctx)->owner);
    if (owner.has_failed)
        return error_nomem(err);
    Str ours = strbuf_str(&owner);
    switch (ctx->dialect) {
    case SQL_POSTGRES:
        peer_begin(&sql, ctx, &name, "WITH kept AS (UPDATE ");
        strbuf_addf(&sql,
                    " SET LOCKED = TRUE, LOCKEDBY = %.*s, LOCKGRANTED = COALESCE(LOCKGRANTED, "
                    "NOW()) WHERE ID = 1 AND (NOT LOCKED OR LOCKEDBY = %.*s) RETURNING 1) SELECT 1 "
                    "/ count(*) FROM kept",
                    STR_ARG(ours), STR_ARG(ours));
        break;
    case SQL_MYSQL:
        peer_begin(&sql, ctx, &name, "UPDATE ");
        strbuf_addf(&sql,
                    " SET LOCKED = IF(LOCKED AND COALESCE(LOCKEDBY, '') <> %.*s, "
                    "9223372036854775807 + ID, 1), LOCKEDBY = %.*s, LOCKGRANTED = "
                    "COALESCE(LOCKGRANTED, NOW()) WHERE ID = 1",
                    STR_ARG(ours), STR_ARG(ours));
        break;
    case SQL_SQLITE: /* nobody else can write there meanwhile */
        return true;
    }
    return strbuf_finish(&sql, ret_sql) || error_nomem(err);
}

static bool lock_give(const ConventionContext *ctx, Db *db, Arena *arena, const DbSession *holder,
                      Error *err)
{
    TableName name;
    StrBuf sql = strbuf(arena);
    if (!liquibase_table(ctx, arena, true, &name, err))
        return false;
    peer_begin(&sql, ctx, &name, "UPDATE ");
    strbuf_adds(&sql, " SET LOCKED = FALSE, LOCKEDBY = NULL, LOCKGRANTED = NULL WHERE ID = 1");
    Str owner = holder ? holder->id : liquibase_settings(ctx)->owner;
    if (!str_starts(owner, STR("(nobody"))) {
        strbuf_adds(&sql, " AND LOCKEDBY = ");
        sql_add_literal(&sql, ctx->dialect, owner);
    }
    return exec(db, &sql, err);
}

static bool lock_holder(const ConventionContext *ctx, Db *db, Arena *arena, DbSession *ret_holder,
                        bool *ret_has, Error *err)
{
    TableName name;
    LockRow row = {0};
    bool has_table = false;
    *ret_has = false;
    if (!lock_find(ctx, db, arena, &name, &has_table, err))
        return false;
    if (has_table && !lock_read(ctx, db, arena, &name, &row, err))
        return false;
    *ret_has = row.is_locked;
    if (row.is_locked)
        fill_holder(&row, ret_holder);
    return true;
}

/* ---- recognition, new files ------------------------------------------------------------------------------ */

static bool takes(const ConventionContext *ctx, const PeerFile *file, Str text)
{
    (void)ctx;
    (void)file;
    return liquibase_is_formatted(text);
}

/* A root in another form than SQL. */
static bool look_at_root(const ConventionContext *ctx, Arena *arena, ConventionGuess *guess,
                         Error *err)
{
    const char *path = NULL;
    Str name, text;
    Error local = {.arena = arena};
    if (guess->has_files)
        return true;
    if (!liquibase_find_root(ctx, arena, &path, &name, &local))
        return local.kind != ERROR_NOMEM || error_nomem(err);
    if (!path)
        return true;
    if (!peer_read(ctx, arena, path, &text, err))
        return false;
    if (str_find(text, STR("databaseChangeLog"), 0) == SIZE_MAX && !liquibase_is_formatted(text))
        return true;
    guess->has_files = guess->has_markers = true;
    return guess_add(arena, guess, 2, str_format(arena, "%s is a changelog", path), err);
}

static bool recognise(const ConventionContext *given, Db *db, Arena *arena,
                      ConventionGuess *ret_guess, Error *err)
{
    static const char *const configurations[] = {"liquibase.properties", NULL};
    static const PeerSigns signs = {
        .configurations = configurations,
        .columns = "ID, AUTHOR, FILENAME, DATEEXECUTED, ORDEREXECUTED, EXECTYPE, MD5SUM",
        .depth = PEER_DEEPEST,
        .takes = takes,
        .reads = true};
    ConventionContext own = *given;
    /* What its configuration gets wrong is told to whoever uses it. */
    Error local = {.arena = arena};
    if (!liquibase_configure(&own, arena, &local)) {
        if (local.kind == ERROR_NOMEM)
            return error_nomem(err);
        own = *given;
    }
    return peer_recognise(&own, db, arena, &signs, ret_guess, err) &&
           look_at_root(&own, arena, ret_guess, err);
}

static bool new_paths(const ConventionContext *ctx, Arena *arena, const MigrationSet *set, Str name,
                      unsigned new_kind, bool is_numbered, Timestamp now, StrVec *ret_paths,
                      Error *err)
{
    Str slug;
    StrVec paths = {0};
    if (new_kind == NEW_FOLDER)
        return peer_lacks(ctx->convention, "migrations in folders", err);
    if (!peer_slug(arena, name, &slug, err))
        return false;
    const char *version =
        new_kind == NEW_REPEATABLE ? "" : peer_next_version(arena, set, is_numbered, 3, now);
    const char *path =
        version ? str_format(arena, "%s%s%.*s.sql", version, version[0] ? "_" : "", STR_ARG(slug))
                : NULL;
    if (!path || !vec_push(arena, &paths, str_from(path)))
        return error_nomem(err);
    *ret_paths = paths;
    return true;
}

/* The id is the number in front of the file's name; one without is run whenever it changes. */
static bool new_text(const ConventionContext *ctx, Arena *arena, const StrVec *paths, size_t index,
                     Str text, Str *ret_text, Error *err)
{
    StrBuf out = strbuf(arena);
    Str name = path_base(paths->items[index]), digits = peer_digits(name);
    Str id = digits.len > 0 ? digits : str_sub(name, 0, name.len - 4);
    Str author = str_find_char(ctx->who, ':', 0) == SIZE_MAX && ctx->who.len > 0 ? ctx->who
                                                                                 : STR("whimbrel");
    strbuf_adds(&out, "--liquibase formatted sql\n\n");
    strbuf_addf(&out, "--changeset %.*s:%.*s%s\n", STR_ARG(author), STR_ARG(id),
                digits.len > 0 ? "" : " runOnChange:true");
    strbuf_add(&out, text);
    strbuf_adds(&out, "\n--rollback \n");
    return strbuf_finish(&out, ret_text) || error_nomem(err);
}

static const char *const other_tables[] = {"databasechangelog", NULL};

/* "author:id" of a version that once was one; else whimbrel is the author. */
static void add_changeset(StrBuf *out, const Draft *draft)
{
    bool is_one = str_find_char(draft->version, ':', 0) != SIZE_MAX;
    strbuf_adds(out, "\n--changeset ");
    strbuf_adds(out, is_one ? "" : "whimbrel:");
    strbuf_add(out, draft->version);
    strbuf_adds(out, draft->up.no_transaction ? " runInTransaction:false\n" : "\n");
}

/* A file a changeset, numbered so that they are read in order. What came from Liquibase keeps the path by which that knows it. */
static bool draft_files(const ConventionContext *ctx, Arena *arena, const DraftVec *drafts,
                        TreeFileVec *ret_files, Error *err)
{
    (void)ctx;
    for (size_t i = 0; i < drafts->len; i++) {
        const Draft *draft = &drafts->items[i];
        StrBuf text = strbuf(arena);
        Line line = {0};
        strbuf_adds(&text, "--liquibase formatted sql");
        if (str_eq(draft->origin_tool, STR("liquibase")) && draft->origin_name.len > 0) {
            strbuf_adds(&text, " logicalFilePath:");
            strbuf_add(&text, draft->origin_name);
        }
        strbuf_adds(&text, "\n");
        add_changeset(&text, draft);
        draft_add_head(&text, draft);
        strbuf_add(&text, draft->up.sql);
        while (draft->has_down && line_next(draft->down.sql, &line)) {
            strbuf_adds(&text, "--rollback ");
            strbuf_add(&text, line.text);
            strbuf_adds(&text, "\n");
        }
        const char *path = str_format(arena, "%04zu_%.*s.sql", i + 1, STR_ARG(draft->name));
        if (!draft_file(arena, ret_files, path, &text, err))
            return false;
    }
    return true;
}

static bool draft_losses(const ConventionContext *ctx, const MigrationSet *set, Arena *arena,
                         StrVec *losses, Error *err)
{
    enum { COMMENT, LABELS, CONTEXTS, ENGINE, PRECONDITIONS, KINDS };
    static const char *const words[KINDS] = {"comments", "labels", "contexts", "a dbms",
                                             "preconditions"};
    const LbChangeLog *log = set->own;
    size_t counts[KINDS] = {0};
    (void)ctx;
    for (size_t i = 0; log && i < log->sets.len; i++) {
        const LbChangeSet *one = log->sets.items[i];
        counts[COMMENT] += one->comment.len > 0;
        counts[LABELS] += one->labels.len > 0;
        counts[CONTEXTS] += one->contexts.len > 0;
        counts[ENGINE] += one->dbms.len > 0;
        counts[PRECONDITIONS] += one->preconditions || one->outer;
    }
    for (size_t k = 0; k < KINDS; k++) {
        const char *sentence = counts[k] == 0
                                   ? ""
                                   : str_format(arena, "%s of %zu changeset%s stay behind",
                                                words[k], counts[k], counts[k] == 1 ? "" : "s");
        if (!sentence || (counts[k] > 0 && !vec_push(arena, losses, str_from(sentence))))
            return error_nomem(err);
    }
    return true;
}

const Convention convention_liquibase = {
    .version = 1,
    .name = "liquibase",
    .title = "Liquibase",
    .summary = "Liquibase: changelogs of SQL with --changeset author:id, table DATABASECHANGELOG",
    .default_table = "DATABASECHANGELOG",
    .other_tables = other_tables,
    .features = CONVENTION_FOLDS_TABLE | CONVENTION_REPEATABLE | CONVENTION_DOWN |
                CONVENTION_DIRECTIVES | CONVENTION_OUT_OF_ORDER | CONVENTION_EMPTY,
    .checksum_hash = HASH_MD5,
    .versions = VERSIONS_LISTED,
    .scan = scan,
    .history_read = history_read,
    .history_prepare = history_prepare,
    .history_write = history_write,
    .lock_key = peer_own_lock,
    .recognise = recognise,
    .new_paths = new_paths,
    .draft_files = draft_files,
    .draft_losses = draft_losses,
    .new_text = new_text,
    .configure = liquibase_configure,
    .check = liquibase_check,
    .tag = tag,
    .lock_try = lock_try,
    .lock_give = lock_give,
    .lock_holder = lock_holder,
    .lock_fence = lock_fence,
};

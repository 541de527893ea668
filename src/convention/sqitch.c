/* Sqitch (sqitch.plan; deploy/, revert/): changes in the order of a plan, known by ids that follow from it, and a registry of their own in a
 * schema (PostgreSQL), a database (MySQL, MariaDB) or a file (SQLite).
 *
 * What Sqitch runs with its engine's own client, statement by statement, runs here in one transaction with what is written down.
 * SPDX-License-Identifier: Apache-2.0 */
#include "convention/sqitch.h"

#include <string.h>

/* ---- the registry's place ------------------------------------------------------------------------------- */

/* What stands for the registry in SQL. */
static Str registry_of(const ConventionContext *ctx)
{
    const SqitchSettings *settings = ctx->own;
    return ctx->dialect == SQL_SQLITE ? STR("sqitch") : settings->registry;
}

static TableName table_of(const ConventionContext *ctx, const char *table)
{
    return (TableName){.schema = registry_of(ctx), .table = str_from(table)};
}

static void add_table(StrBuf *sql, const ConventionContext *ctx, const char *table)
{
    TableName name = table_of(ctx, table);
    table_name_add(sql, ctx->dialect, &name, "");
}

/* x.db has its registry in sqitch.db beside it. */
static const char *registry_file(const ConventionContext *ctx, Arena *arena, Str database)
{
    const SqitchSettings *settings = ctx->own;
    Str base = path_base(database), stem, extension = str_cut(base, '.', &stem);
    const char *folder = str_z(arena, path_folder(database));
    bool has_extension = stem.len < base.len;
    if (!folder)
        return NULL;
    if (!has_extension || str_find_char(settings->registry, '.', 0) != SIZE_MAX)
        return path_join(arena, folder, settings->registry);
    const char *name =
        str_format(arena, "%.*s.%.*s", STR_ARG(settings->registry), STR_ARG(extension));
    return name ? path_join(arena, folder, str_from(name)) : NULL;
}

/* SQLite: the registry's file beside the database's, so that both are written in one transaction. ret_is: it is there. */
static bool attach(const ConventionContext *ctx, Db *db, Arena *arena, bool makes, bool *ret_is,
                   Error *err)
{
    scoped(DbRows, db_rows_done) rows = {0};
    Str file = {0};
    *ret_is = true;
    if (ctx->dialect != SQL_SQLITE)
        return true;
    bool is_attached = false;
    if (!db_query(db, STR("PRAGMA database_list"), &rows, err))
        return false;
    while (db_rows_next(&rows)) {
        if (str_eq(rows.cols[1].text, STR("sqitch")))
            is_attached = true;
        if (str_eq(rows.cols[1].text, STR("main")) && !str_copy(arena, rows.cols[2].text, &file))
            return error_nomem(err);
    }
    if (!db_rows_finish(&rows, err) || is_attached)
        return is_attached;
    const char *place = file.len > 0 ? registry_file(ctx, arena, file) : ":memory:";
    FileInfo info = {.kind = FILE_ABSENT};
    if (!place)
        return error_nomem(err);
    if (file.len > 0 && !file_info(place, &info, err))
        return false;
    *ret_is = makes || info.kind == FILE_REGULAR;
    if (!*ret_is)
        return true;
    /* A connection that may not make its own file may not make this one either; an empty file is an empty database. */
    if (file.len > 0 && info.kind == FILE_ABSENT && !file_create_new(place, (Str){0}, 0666, err))
        return false;
    StrBuf sql = strbuf(arena);
    Str text;
    strbuf_adds(&sql, "ATTACH DATABASE ");
    sql_add_literal(&sql, SQL_SQLITE, str_from(place));
    strbuf_adds(&sql, " AS sqitch");
    return strbuf_finish(&sql, &text) ? db_exec(db, text, err) : error_nomem(err);
}

/* ---- reading -------------------------------------------------------------------------------------------- */

enum { COL_ID, COL_NAME, COL_HASH, COL_TIME, COL_USER, COL_EMAIL, COL_RELEASE, COL_COUNT };

static const SqitchPlan *plan_of(const ConventionContext *ctx)
{
    return ctx->set ? ctx->set->own : NULL;
}

static const SqitchChange *change_by_id(const SqitchPlan *plan, Str id)
{
    for (size_t i = 0; plan && i < plan->changes.len; i++) {
        if (str_eq(plan->changes.items[i].mark.id, id))
            return &plan->changes.items[i];
    }
    return NULL;
}

static const SqitchChange *change_by_version(const SqitchPlan *plan, Str version)
{
    for (size_t i = 0; plan && i < plan->changes.len; i++) {
        if (str_eq(plan->changes.items[i].version, version))
            return &plan->changes.items[i];
    }
    return NULL;
}

static bool take_row(void *ctx, const DbValue *cols, bool *ret_is_good, const char **ret_what,
                     Error *err)
{
    PeerReader *reader = ctx;
    HistoryRow *row;
    Str version;
    *ret_is_good = cols[COL_ID].text.len == 40;
    *ret_what = "a change has no id";
    if (!*ret_is_good)
        return true;
    if (!cols[COL_RELEASE].is_null && !str_starts(cols[COL_RELEASE].text, STR("1"))) {
        error_set(err, ERROR_STATE,
                  "Sqitch's registry has the release %.*s, which is not known here",
                  STR_ARG(cols[COL_RELEASE].text));
        error_code(err, "newer-history");
        return error_hint(err, "Known are releases 1.0 and 1.1.");
    }
    const SqitchChange *change = change_by_id(plan_of(reader->ctx), cols[COL_ID].text);
    /* What is not in the plan as it is now keeps its id in its version. */
    const char *unknown = change
                              ? ""
                              : str_format(reader->arena, "%.*s@%.*s", STR_ARG(cols[COL_NAME].text),
                                           STR_ARG(cols[COL_ID].text));
    const char *by = str_format(reader->arena, "%.*s <%.*s>", STR_ARG(cols[COL_USER].text),
                                STR_ARG(cols[COL_EMAIL].text));
    if (!unknown || !by)
        return error_nomem(err);
    version = change ? change->version : str_from(unknown);
    if (!peer_push_row(reader, version, (Str){0}, &row, err))
        return false;
    row->applied_by = str_from(by);
    row->finished_at = peer_instant_of(reader->ctx->dialect, &cols[COL_TIME]);
    return str_copy(reader->arena, cols[COL_HASH].text, &row->checksum) || error_nomem(err);
}

static bool history_read(const ConventionContext *ctx, Db *db, Arena *arena, History *ret_history,
                         Error *err)
{
    static const VersionOrder text_order = {.kind = VERSIONS_TEXT};
    const SqitchPlan *plan = plan_of(ctx);
    const VersionOrder *order = ctx->set ? &ctx->set->versions : &text_order;
    PeerTable table = {.name = table_of(ctx, "changes"),
                       .order = "committed_at",
                       .column_count = COL_COUNT,
                       .row = take_row};
    StrBuf columns = strbuf(arena), where = strbuf(arena);
    Str columns_text, where_text;
    bool is_there = false;
    if (!attach(ctx, db, arena, false, &is_there, err))
        return error_wrap(err, "looking for Sqitch's registry");
    const char *time = peer_instant(ctx->dialect, arena, "committed_at", true);
    if (!time)
        return error_nomem(err);
    if (!is_there) {
        *ret_history = (History){.versions = order};
        return history_finish(arena, ret_history, err);
    }
    strbuf_adds(&columns, "change_id, ");
    sql_add_ident(&columns, ctx->dialect, STR("change"));
    strbuf_addf(&columns,
                ", script_hash, %s, committer_name, committer_email, (SELECT MAX(version) FROM ",
                time);
    add_table(&columns, ctx, "releases");
    strbuf_adds(&columns, ")");
    strbuf_adds(&where, "project = ");
    sql_add_literal(&where, ctx->dialect, plan ? plan->project : (Str){0});
    if (!strbuf_finish(&columns, &columns_text) || !strbuf_finish(&where, &where_text))
        return error_nomem(err);
    table.columns = columns_text.ptr;
    table.where = where_text.ptr;
    return peer_history_read(ctx, db, arena, &table, order, ret_history, err);
}

/* ---- the tables ----------------------------------------------------------------------------------------- */

/* A table's columns; $ stands for the engine's text (short), % for its time with its default, ^ for a time without one, ~ for a longer
 * text, # for a list. */
typedef struct RegistryTable {
    const char *name, *columns;
} RegistryTable;

static const RegistryTable registry_tables[] = {
    {"releases", "version ! PRIMARY KEY, installed_at % NOT NULL*, installer_name $ NOT NULL, "
                 "installer_email $ NOT NULL"},
    {"projects", "project $ PRIMARY KEY, uri $ NULL UNIQUE, created_at % NOT NULL*, creator_name $ "
                 "NOT NULL, creator_email $ NOT NULL"},
    {"changes",
     "change_id & PRIMARY KEY, script_hash & NULL, | $ NOT NULL, project $ NOT NULL REFERENCES "
     "@projects(project) ON UPDATE CASCADE, note ~ NOT NULL?, committed_at % NOT NULL*, "
     "committer_name $ NOT NULL, committer_email $ NOT NULL, planned_at % NOT NULL, planner_name $ "
     "NOT NULL, planner_email $ NOT NULL, UNIQUE(project, script_hash)"},
    {"tags",
     "tag_id & PRIMARY KEY, tag $ NOT NULL, project $ NOT NULL REFERENCES @projects(project) ON "
     "UPDATE CASCADE, change_id & NOT NULL REFERENCES @changes(change_id) ON UPDATE CASCADE, note "
     "$ "
     "NOT NULL?, committed_at % NOT NULL*, committer_name $ NOT NULL, committer_email $ NOT NULL, "
     "planned_at % NOT NULL, planner_name $ NOT NULL, planner_email $ NOT NULL, UNIQUE(project, "
     "tag)"},
    {"dependencies",
     "change_id & NOT NULL REFERENCES @changes(change_id) ON UPDATE CASCADE ON DELETE CASCADE, "
     "type "
     "$ NOT NULL, dependency $ NOT NULL, dependency_id & NULL REFERENCES @changes(change_id) ON "
     "UPDATE CASCADE^, PRIMARY KEY (change_id, dependency)"},
    {"events",
     "event = NOT NULL, change_id & NOT NULL, | $ NOT NULL, project $ NOT NULL REFERENCES "
     "@projects(project) ON UPDATE CASCADE, note ~ NOT NULL?, requires # NOT NULL+, conflicts # "
     "NOT "
     "NULL+, tags # NOT NULL+, committed_at % NOT NULL*, committer_name $ NOT NULL, "
     "committer_email "
     "$ NOT NULL, planned_at % NOT NULL, planner_name $ NOT NULL, planner_email $ NOT NULL, "
     "PRIMARY "
     "KEY (change_id, committed_at)"},
};

/* What each mark of registry_tables becomes. */
static const struct {
    char mark;
    const char *postgres, *mysql, *sqlite;
} marks[] = {
    {'!', "REAL", "FLOAT(4, 1)", "FLOAT"},
    {'$', "TEXT", "VARCHAR(255)", "TEXT"},
    {'&', "TEXT", "VARCHAR(40)", "TEXT"},
    {'~', "TEXT", "TEXT", "TEXT"},
    {'#', "TEXT[]", "TEXT", "TEXT"},
    {'%', "TIMESTAMPTZ", "DATETIME(6)", "DATETIME"},
    {'*', " DEFAULT clock_timestamp()", "", " DEFAULT CURRENT_TIMESTAMP"},
    {'?', " DEFAULT ''", "", " DEFAULT ''"},
    {'+', " DEFAULT '{}'", "", " DEFAULT ''"},
    {'|', "change", "`change`", "change"},
    {'=', "TEXT", "ENUM ('deploy', 'fail', 'merge', 'revert')", "TEXT"},
    {'^',
     " CONSTRAINT dependencies_check CHECK ((type = 'require' AND dependency_id IS NOT NULL) OR "
     "(type = 'conflict' AND dependency_id IS NULL))",
     "",
     " CONSTRAINT dependencies_check CHECK ((type = 'require' AND dependency_id IS NOT NULL) OR "
     "(type = 'conflict' AND dependency_id IS NULL))"},
};

static void add_columns(StrBuf *sql, const ConventionContext *ctx, const char *columns)
{
    for (const char *c = columns; *c; c++) {
        const char *text = NULL;
        for (size_t i = 0; i < sizeof marks / sizeof *marks && !text; i++) {
            if (marks[i].mark == *c)
                text = ctx->dialect == SQL_POSTGRES ? marks[i].postgres
                       : ctx->dialect == SQL_MYSQL  ? marks[i].mysql
                                                    : marks[i].sqlite;
        }
        if (text) {
            strbuf_adds(sql, text);
        } else if (*c != '@') {
            strbuf_add_char(sql, *c);
        } else if (ctx->dialect != SQL_SQLITE) { /* there a table refers to its own file's */
            sql_add_ident(sql, ctx->dialect, registry_of(ctx));
            strbuf_add_char(sql, '.');
        }
    }
}

static const char *now_of(const ConventionContext *ctx)
{
    switch (ctx->dialect) {
    case SQL_POSTGRES:
        return "clock_timestamp()";
    case SQL_MYSQL:
        return "UTC_TIMESTAMP(6)";
    case SQL_SQLITE:
        break;
    }
    return "strftime('%Y-%m-%d %H:%M:%f', 'now')";
}

/* A time that another history has. The registry tells by them what came after what, so that each is later than those before it. */
static void add_kept_time(StrBuf *sql, const ConventionContext *ctx, Timestamp time)
{
    char buf[TIMESTAMP_TEXT];
    Str text = str_from(timestamp_sql(time, buf));
    switch (ctx->dialect) {
    case SQL_POSTGRES:
        strbuf_adds(sql, "GREATEST(CAST(");
        sql_add_literal(sql, ctx->dialect, text);
        strbuf_adds(sql, " AS timestamp) AT TIME ZONE 'UTC', (SELECT MAX(committed_at) + "
                         "INTERVAL '1 microsecond' FROM ");
        add_table(sql, ctx, "changes");
        strbuf_adds(sql, "))");
        return;
    case SQL_MYSQL:
        strbuf_adds(sql, "GREATEST(CAST(");
        sql_add_literal(sql, ctx->dialect, text);
        strbuf_adds(sql, " AS DATETIME(6)), COALESCE((SELECT MAX(committed_at) + "
                         "INTERVAL 1 MICROSECOND FROM (SELECT committed_at FROM ");
        add_table(sql, ctx, "changes");
        strbuf_adds(sql, ") earlier), CAST(");
        sql_add_literal(sql, ctx->dialect, text);
        strbuf_adds(sql, " AS DATETIME(6))))");
        return;
    case SQL_SQLITE:
        strbuf_adds(sql, "MAX(");
        sql_add_literal(sql, ctx->dialect, text);
        strbuf_adds(sql, ", COALESCE((SELECT strftime('%Y-%m-%d %H:%M:%f', "
                         "MAX(committed_at), '+0.001 seconds') FROM sqitch.changes), ''))");
        return;
    }
}

/* Its clock has milliseconds there, and the registry's order is by time: what follows within one comes after. */
static void add_now(StrBuf *sql, const ConventionContext *ctx, const HistoryWrite *write)
{
    if (write && peer_finished_at(write) != TIMESTAMP_UNKNOWN) {
        add_kept_time(sql, ctx, peer_finished_at(write));
        return;
    }
    if (ctx->dialect != SQL_SQLITE) {
        strbuf_adds(sql, now_of(ctx));
        return;
    }
    strbuf_adds(sql,
                "(SELECT CASE WHEN MAX(at) >= strftime('%Y-%m-%d %H:%M:%f', 'now') THEN "
                "strftime('%Y-%m-%d %H:%M:%f', MAX(at), '+0.001 seconds') ELSE "
                "strftime('%Y-%m-%d %H:%M:%f', 'now') END FROM (SELECT MAX(committed_at) AS at "
                "FROM sqitch.events UNION ALL SELECT MAX(committed_at) FROM sqitch.changes))");
}

static void add_text(StrBuf *sql, const ConventionContext *ctx, Str text)
{
    sql_add_literal(sql, ctx->dialect, text);
}

/* Sqitch's own stand-ins for checks, which verify scripts may use too. */
static bool push_checks(const ConventionContext *ctx, Arena *arena, DbStatementVec *out, Error *err)
{
    static const char *const events[] = {"INSERT", "UPDATE"};
    StrBuf function = strbuf(arena);
    strbuf_adds(&function, "CREATE FUNCTION ");
    add_table(&function, ctx, "checkit");
    strbuf_adds(&function,
                "(doit INTEGER, message VARCHAR(256)) RETURNS INTEGER DETERMINISTIC BEGIN IF doit "
                "IS NULL OR doit = 0 THEN SIGNAL SQLSTATE 'ERR0R' SET MESSAGE_TEXT = message; END "
                "IF; RETURN doit; END");
    if (!statement_push(arena, &function, out, err))
        return false;
    for (size_t i = 0; i < 2; i++) {
        StrBuf trigger = strbuf(arena);
        const char *name = i == 0 ? "ck_insert_dependency" : "ck_update_dependency";
        strbuf_adds(&trigger, "CREATE TRIGGER ");
        add_table(&trigger, ctx, name);
        strbuf_addf(&trigger, " BEFORE %s ON ", events[i]);
        add_table(&trigger, ctx, "dependencies");
        strbuf_adds(&trigger, " FOR EACH ROW BEGIN SET @dummy := ");
        add_table(&trigger, ctx, "checkit");
        strbuf_adds(&trigger,
                    "((NEW.type = 'require' AND NEW.dependency_id IS NOT NULL) OR (NEW.type = "
                    "'conflict' AND NEW.dependency_id IS NULL), 'Type must be \"require\" with "
                    "dependency_id set or \"conflict\" with dependency_id not set'); END");
        if (!statement_push(arena, &trigger, out, err))
            return false;
    }
    return true;
}

static bool push_registry(const ConventionContext *ctx, Arena *arena, DbStatementVec *out,
                          Error *err)
{
    const SqitchSettings *settings = ctx->own;
    StrBuf place = strbuf(arena), release = strbuf(arena);
    if (ctx->dialect != SQL_SQLITE) {
        strbuf_adds(&place, ctx->dialect == SQL_POSTGRES ? "CREATE SCHEMA IF NOT EXISTS "
                                                         : "CREATE DATABASE IF NOT EXISTS ");
        sql_add_ident(&place, ctx->dialect, settings->registry);
        if (!statement_push(arena, &place, out, err))
            return false;
    }
    for (size_t i = 0; i < sizeof registry_tables / sizeof *registry_tables; i++) {
        StrBuf sql = strbuf(arena);
        strbuf_adds(&sql, "CREATE TABLE ");
        add_table(&sql, ctx, registry_tables[i].name);
        strbuf_adds(&sql, " (");
        add_columns(&sql, ctx, registry_tables[i].columns);
        bool has_check = i == 5 && ctx->dialect != SQL_MYSQL;
        strbuf_adds(&sql, has_check ? ", CONSTRAINT events_event_check CHECK (event IN ('deploy', "
                                      "'revert', 'fail', 'merge')))"
                                    : ")");
        if (ctx->dialect == SQL_MYSQL)
            strbuf_adds(&sql, " ENGINE InnoDB, CHARACTER SET 'utf8'");
        if (!statement_push(arena, &sql, out, err))
            return false;
    }
    strbuf_adds(&release, "INSERT INTO ");
    add_table(&release, ctx, "releases");
    strbuf_addf(&release,
                " (version, installed_at, installer_name, installer_email) VALUES (1.1, %s, ",
                now_of(ctx));
    add_text(&release, ctx, settings->user);
    strbuf_adds(&release, ", ");
    add_text(&release, ctx, settings->email);
    strbuf_adds(&release, ")");
    return statement_push(arena, &release, out, err) &&
           (ctx->dialect != SQL_MYSQL || push_checks(ctx, arena, out, err));
}

/* ---- writing -------------------------------------------------------------------------------------------- */

/* The plan's time as the engine takes it. */
static void add_date(StrBuf *sql, const ConventionContext *ctx, Str date)
{
    if (ctx->dialect == SQL_POSTGRES)
        strbuf_addf(sql, "'%.*s'", STR_ARG(date));
    else
        strbuf_addf(sql, "'%.*s %.*s'", STR_ARG(str_sub(date, 0, 10)),
                    STR_ARG(str_sub(date, 11, date.len - 1)));
}

/* Who is at it, or whom another history names: "Name <email>", or whatever it has. */
static void add_committer(StrBuf *sql, const ConventionContext *ctx, const HistoryWrite *write)
{
    const SqitchSettings *settings = ctx->own;
    Str user = settings->user, email = settings->email;
    if (write && write->kept && write->kept->applied_by.len > 0) {
        user = email = write->kept->applied_by;
        size_t open = str_find(user, STR(" <"), 0);
        if (open != SIZE_MAX && str_ends(user, STR(">"))) {
            email = str_sub(user, open + 2, user.len - 1);
            user = str_sub(user, 0, open);
        }
    }
    add_text(sql, ctx, user);
    strbuf_adds(sql, ", ");
    add_text(sql, ctx, email);
}

static void add_planned(StrBuf *sql, const ConventionContext *ctx, const SqitchMark *mark)
{
    strbuf_adds(sql, ctx->dialect == SQL_POSTGRES ? "CAST(" : "");
    add_date(sql, ctx, mark->date);
    strbuf_adds(sql, ctx->dialect == SQL_POSTGRES ? " AS timestamptz), " : ", ");
    add_text(sql, ctx, mark->planner);
    strbuf_adds(sql, ", ");
    add_text(sql, ctx, mark->email);
}

typedef enum List { LIST_REQUIRES, LIST_CONFLICTS, LIST_TAGS } List;

/* An array, or a text with the parts of it: tags with blanks in between, the others with commas. */
static void add_list(StrBuf *sql, Arena *arena, const ConventionContext *ctx,
                     const SqitchChange *change, List list)
{
    bool is_array = ctx->dialect == SQL_POSTGRES;
    size_t count = list == LIST_TAGS ? change->tags.len : change->deps.len;
    StrBuf joined = strbuf(arena);
    bool has = false;
    if (is_array)
        strbuf_adds(sql, "ARRAY[");
    for (size_t i = 0; i < count; i++) {
        if (list != LIST_TAGS && change->deps.items[i].is_conflict != (list == LIST_CONFLICTS))
            continue;
        StrBuf one = strbuf(arena);
        if (list == LIST_TAGS)
            strbuf_addf(&one, "@%.*s", STR_ARG(change->tags.items[i].name));
        else
            strbuf_add(&one, change->deps.items[i].text);
        if (is_array) {
            strbuf_adds(sql, has ? ", " : "");
            add_text(sql, ctx, strbuf_str(&one));
        } else {
            strbuf_adds(&joined, !has ? "" : list == LIST_TAGS ? " " : ",");
            strbuf_add(&joined, strbuf_str(&one));
        }
        has = true;
        sql->has_failed = sql->has_failed || one.has_failed || joined.has_failed;
    }
    if (is_array)
        strbuf_adds(sql, "]::text[]");
    else
        add_text(sql, ctx, strbuf_str(&joined));
}

static bool push_event(const ConventionContext *ctx, Arena *arena, const SqitchChange *change,
                       const SqitchPlan *plan, const char *event, const HistoryWrite *write,
                       DbStatementVec *out, Error *err)
{
    StrBuf sql = strbuf(arena);
    strbuf_adds(&sql, "INSERT INTO ");
    add_table(&sql, ctx, "events");
    strbuf_adds(&sql, " (event, change_id, ");
    sql_add_ident(&sql, ctx->dialect, STR("change"));
    strbuf_adds(&sql, ", project, note, requires, conflicts, tags, committed_at, committer_name, "
                      "committer_email, planned_at, planner_name, planner_email) SELECT ");
    add_text(&sql, ctx, str_from(event));
    strbuf_adds(&sql, ", ");
    add_text(&sql, ctx, change->mark.id);
    strbuf_adds(&sql, ", ");
    add_text(&sql, ctx, change->mark.name);
    strbuf_adds(&sql, ", ");
    add_text(&sql, ctx, plan->project);
    strbuf_adds(&sql, ", ");
    add_text(&sql, ctx, change->mark.note);
    for (List list = LIST_REQUIRES; list <= LIST_TAGS; list++) {
        strbuf_adds(&sql, ", ");
        add_list(&sql, arena, ctx, change, list);
    }
    strbuf_adds(&sql, ", ");
    add_now(&sql, ctx, write);
    strbuf_adds(&sql, ", ");
    add_committer(&sql, ctx, write);
    strbuf_adds(&sql, ", ");
    add_planned(&sql, ctx, &change->mark);
    return statement_push(arena, &sql, out, err);
}

static bool push_change(const ConventionContext *ctx, Arena *arena, const SqitchChange *change,
                        const SqitchPlan *plan, const HistoryWrite *write, DbStatementVec *out,
                        Error *err)
{
    StrBuf sql = strbuf(arena);
    const Script *up = write->migration->up;
    strbuf_adds(&sql, "INSERT INTO ");
    add_table(&sql, ctx, "changes");
    strbuf_adds(&sql, " (change_id, script_hash, ");
    sql_add_ident(&sql, ctx->dialect, STR("change"));
    strbuf_adds(&sql, ", project, note, committed_at, committer_name, committer_email, planned_at, "
                      "planner_name, planner_email) VALUES (");
    add_text(&sql, ctx, change->mark.id);
    strbuf_adds(&sql, ", ");
    if (up && up->checksum.len > 0)
        add_text(&sql, ctx, up->checksum);
    else
        strbuf_adds(&sql, "NULL");
    strbuf_adds(&sql, ", ");
    add_text(&sql, ctx, change->mark.name);
    strbuf_adds(&sql, ", ");
    add_text(&sql, ctx, plan->project);
    strbuf_adds(&sql, ", ");
    add_text(&sql, ctx, change->mark.note);
    strbuf_adds(&sql, ", ");
    add_now(&sql, ctx, write);
    strbuf_adds(&sql, ", ");
    add_committer(&sql, ctx, write);
    strbuf_adds(&sql, ", ");
    add_planned(&sql, ctx, &change->mark);
    strbuf_adds(&sql, ")");
    return statement_push(arena, &sql, out, err);
}

/* The id of a change of another project, as far as it is deployed: the registry refuses a requirement without. */
static void add_foreign_id(StrBuf *sql, const ConventionContext *ctx, const SqitchDep *dep)
{
    if (dep->id.len > 0) {
        add_text(sql, ctx, dep->id);
        return;
    }
    strbuf_adds(sql, "(SELECT c.change_id FROM ");
    add_table(sql, ctx, "changes");
    strbuf_adds(sql, " c");
    if (dep->tag.len > 0) {
        strbuf_adds(sql, " JOIN ");
        add_table(sql, ctx, "tags");
        strbuf_adds(sql,
                    " t ON c.committed_at <= t.committed_at AND c.project = t.project AND t.tag "
                    "= ");
        StrBuf tag = strbuf(sql->arena);
        strbuf_addf(&tag, "@%.*s", STR_ARG(dep->tag));
        add_text(sql, ctx, strbuf_str(&tag));
        sql->has_failed = sql->has_failed || tag.has_failed;
    }
    strbuf_adds(sql, " WHERE c.project = ");
    add_text(sql, ctx, dep->project);
    if (dep->change.len > 0) {
        strbuf_adds(sql, " AND c.");
        sql_add_ident(sql, ctx->dialect, STR("change"));
        strbuf_adds(sql, " = ");
        add_text(sql, ctx, dep->change);
    }
    strbuf_adds(sql, " ORDER BY c.committed_at DESC LIMIT 1)");
}

static bool push_deps(const ConventionContext *ctx, Arena *arena, const SqitchChange *change,
                      const SqitchPlan *plan, DbStatementVec *out, Error *err)
{
    for (size_t i = 0; i < change->deps.len; i++) {
        const SqitchDep *dep = &change->deps.items[i];
        const SqitchChange *other = sqitch_find(plan, dep);
        StrBuf sql = strbuf(arena);
        strbuf_adds(&sql, "INSERT INTO ");
        add_table(&sql, ctx, "dependencies");
        strbuf_adds(&sql, " (change_id, type, dependency, dependency_id) VALUES (");
        add_text(&sql, ctx, change->mark.id);
        strbuf_adds(&sql, dep->is_conflict ? ", 'conflict', " : ", 'require', ");
        add_text(&sql, ctx, dep->text);
        strbuf_adds(&sql, ", ");
        if (dep->is_conflict)
            strbuf_adds(&sql, "NULL");
        else if (other)
            add_text(&sql, ctx, other->mark.id);
        else
            add_foreign_id(&sql, ctx, dep);
        strbuf_adds(&sql, ")");
        if (!statement_push(arena, &sql, out, err))
            return false;
    }
    return true;
}

/* Those that the registry has already are left alone. */
static bool push_tags(const ConventionContext *ctx, Arena *arena, const SqitchChange *change,
                      const SqitchPlan *plan, const HistoryWrite *write, DbStatementVec *out,
                      Error *err)
{
    bool is_mysql = ctx->dialect == SQL_MYSQL;
    for (size_t i = 0; i < change->tags.len; i++) {
        const SqitchMark *tag = &change->tags.items[i];
        StrBuf sql = strbuf(arena), name = strbuf(arena);
        strbuf_addf(&name, "@%.*s", STR_ARG(tag->name));
        strbuf_adds(&sql, "INSERT INTO ");
        add_table(&sql, ctx, "tags");
        strbuf_adds(&sql, " (tag_id, tag, project, change_id, note, committed_at, committer_name, "
                          "committer_email, planned_at, planner_name, planner_email) SELECT ");
        add_text(&sql, ctx, tag->id);
        strbuf_adds(&sql, ", ");
        add_text(&sql, ctx, strbuf_str(&name));
        strbuf_adds(&sql, ", ");
        add_text(&sql, ctx, plan->project);
        strbuf_adds(&sql, ", ");
        add_text(&sql, ctx, change->mark.id);
        strbuf_adds(&sql, ", ");
        add_text(&sql, ctx, tag->note);
        strbuf_adds(&sql, ", ");
        add_now(&sql, ctx, write);
        strbuf_adds(&sql, ", ");
        add_committer(&sql, ctx, write);
        strbuf_adds(&sql, ", ");
        add_planned(&sql, ctx, tag);
        strbuf_adds(&sql, is_mysql ? " FROM DUAL WHERE NOT EXISTS (SELECT 1 FROM "
                                   : " WHERE NOT EXISTS (SELECT 1 FROM ");
        add_table(&sql, ctx, "tags");
        strbuf_adds(&sql, " WHERE project = ");
        add_text(&sql, ctx, plan->project);
        strbuf_adds(&sql, " AND tag = ");
        add_text(&sql, ctx, strbuf_str(&name));
        strbuf_adds(&sql, ")");
        sql.has_failed = sql.has_failed || name.has_failed;
        if (!statement_push(arena, &sql, out, err))
            return false;
    }
    return true;
}

/* What was deployed last may have been tagged since. */
static bool push_late_tags(const ConventionContext *ctx, Arena *arena, const History *history,
                           const SqitchPlan *plan, DbStatementVec *out, Error *err)
{
    const SqitchChange *change =
        change_by_version(plan, history->rows.items[history->rows.len - 1].version);
    return !change || push_tags(ctx, arena, change, plan, NULL, out, err);
}

/* Several projects may share a registry. */
static bool history_prepare(const ConventionContext *ctx, Db *db, Arena *arena,
                            const History *history, DbStatementVec *out, Error *err)
{
    const SqitchSettings *settings = ctx->own;
    const SqitchPlan *plan = plan_of(ctx);
    StrBuf sql = strbuf(arena);
    bool is_there;
    if (!attach(ctx, db, arena, true, &is_there, err) ||
        (!history->exists && !push_registry(ctx, arena, out, err)))
        return false;
    if (plan && history->rows.len > 0)
        return push_late_tags(ctx, arena, history, plan, out, err);
    if (!plan)
        return true;
    strbuf_adds(&sql, "INSERT INTO ");
    add_table(&sql, ctx, "projects");
    strbuf_adds(&sql, " (project, uri, created_at, creator_name, creator_email) SELECT ");
    add_text(&sql, ctx, plan->project);
    strbuf_adds(&sql, ", ");
    if (plan->uri.len > 0)
        add_text(&sql, ctx, plan->uri);
    else
        strbuf_adds(&sql, "NULL");
    strbuf_addf(&sql, ", %s, ", now_of(ctx));
    add_text(&sql, ctx, settings->user);
    strbuf_adds(&sql, ", ");
    add_text(&sql, ctx, settings->email);
    strbuf_adds(&sql, ctx->dialect == SQL_MYSQL ? " FROM DUAL WHERE NOT EXISTS (SELECT 1 FROM "
                                                : " WHERE NOT EXISTS (SELECT 1 FROM ");
    add_table(&sql, ctx, "projects");
    strbuf_adds(&sql, " WHERE project = ");
    add_text(&sql, ctx, plan->project);
    strbuf_adds(&sql, ")");
    return statement_push(arena, &sql, out, err);
}

/* The id behind a row's version, of the plan or of what is in it no longer. */
static Str id_of(const ConventionContext *ctx, Str version)
{
    const SqitchChange *change = change_by_version(plan_of(ctx), version);
    return change             ? change->mark.id
           : version.len > 40 ? str_sub(version, version.len - 40, version.len)
                              : (Str){0};
}

/* The event out of what the registry itself has of the change, then the change away. */
static bool push_revert(const ConventionContext *ctx, Arena *arena, Str id, bool has_event,
                        DbStatementVec *out, Error *err)
{
    static const char *const tables[] = {"tags", "dependencies", "changes"};
    static const struct {
        const char *column, *table, *where;
    } lists[] = {{"dependency", "dependencies", " AND x.type = 'require'"},
                 {"dependency", "dependencies", " AND x.type = 'conflict'"},
                 {"tag", "tags", ""}};
    StrBuf sql = strbuf(arena);
    strbuf_adds(&sql, "INSERT INTO ");
    add_table(&sql, ctx, "events");
    strbuf_adds(&sql, " (event, change_id, ");
    sql_add_ident(&sql, ctx->dialect, STR("change"));
    strbuf_adds(&sql, ", project, note, requires, conflicts, tags, committed_at, committer_name, "
                      "committer_email, planned_at, planner_name, planner_email) SELECT 'revert', "
                      "c.change_id, c.");
    sql_add_ident(&sql, ctx->dialect, STR("change"));
    strbuf_adds(&sql, ", c.project, c.note");
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
        bool is_array = ctx->dialect == SQL_POSTGRES;
        strbuf_addf(&sql, ", COALESCE((SELECT %s(x.%s) FROM ",
                    is_array ? "array_agg" : "group_concat", lists[i].column);
        add_table(&sql, ctx, lists[i].table);
        strbuf_addf(&sql, " x WHERE x.change_id = c.change_id%s), %s)", lists[i].where,
                    is_array ? "'{}'::text[]" : "''");
    }
    strbuf_adds(&sql, ", ");
    add_now(&sql, ctx, NULL);
    strbuf_adds(&sql, ", ");
    add_committer(&sql, ctx, NULL);
    strbuf_adds(&sql, ", c.planned_at, c.planner_name, c.planner_email FROM ");
    add_table(&sql, ctx, "changes");
    strbuf_adds(&sql, " c WHERE c.change_id = ");
    add_text(&sql, ctx, id);
    if (has_event && !statement_push(arena, &sql, out, err))
        return false;
    for (size_t i = 0; i < 3; i++) {
        StrBuf gone = strbuf(arena);
        strbuf_adds(&gone, "DELETE FROM ");
        add_table(&gone, ctx, tables[i]);
        strbuf_adds(&gone, " WHERE change_id = ");
        add_text(&gone, ctx, id);
        if (!statement_push(arena, &gone, out, err))
            return false;
    }
    return true;
}

static bool push_hash(const ConventionContext *ctx, Arena *arena, const HistoryWrite *write, Str id,
                      DbStatementVec *out, Error *err)
{
    StrBuf sql = strbuf(arena);
    if (!write->migration || !write->migration->up)
        return true;
    strbuf_adds(&sql, "UPDATE ");
    add_table(&sql, ctx, "changes");
    strbuf_adds(&sql, " SET script_hash = ");
    add_text(&sql, ctx, write->migration->up->checksum);
    strbuf_adds(&sql, " WHERE change_id = ");
    add_text(&sql, ctx, id);
    return statement_push(arena, &sql, out, err);
}

static bool not_planned(Str version, Error *err)
{
    error_set(err, ERROR_UNSUPPORTED, "%.*s is not in Sqitch's plan", STR_ARG(version));
    error_code(err, "bad-version");
    return error_hint(err, "Only what is planned can be written down: `sqitch add` plans it.");
}

static bool history_write(const ConventionContext *ctx, const Db *db, Arena *arena,
                          const HistoryWrite *write, DbStatementVec *out, Error *err)
{
    (void)db;
    if (write->kind == WRITE_RUN_BEGIN || write->kind == WRITE_RUN_END)
        return true;
    const SqitchPlan *plan = plan_of(ctx);
    Str version = peer_version(write), id = id_of(ctx, version);
    const SqitchChange *change = change_by_version(plan, version);
    switch (write->kind) {
    case WRITE_APPLIED:
    case WRITE_BASELINE:
        if (!change || !write->migration)
            return not_planned(version, err);
        return (!write->row || push_revert(ctx, arena, id, false, out, err)) &&
               push_change(ctx, arena, change, plan, write, out, err) &&
               push_deps(ctx, arena, change, plan, out, err) &&
               push_tags(ctx, arena, change, plan, write, out, err) &&
               push_event(ctx, arena, change, plan, "deploy", write, out, err);
    case WRITE_REMOVED:
    case WRITE_DELETED:
        return id.len > 0 ? push_revert(ctx, arena, id, true, out, err) : not_planned(version, err);
    case WRITE_FAILED:
        return !change || write->is_down ||
               push_event(ctx, arena, change, plan, "fail", NULL, out, err);
    case WRITE_CHECKSUM:
        return push_hash(ctx, arena, write, id, out, err);
    case WRITE_BEGIN:
    case WRITE_STEP:
    case WRITE_SKIPPED:
    case WRITE_RUN_BEGIN:
    case WRITE_RUN_END:
        return true;
    }
    return true;
}

/* The registry knows whether changes of other projects, and those that are no longer in the plan, are deployed. */
static bool is_deployed(const ConventionContext *ctx, Db *db, Arena *arena, const SqitchDep *dep,
                        bool *ret_is, Error *err)
{
    scoped(DbRows, db_rows_done) rows = {0};
    StrBuf sql = strbuf(arena);
    Str text;
    strbuf_adds(&sql, "SELECT change_id FROM ");
    add_table(&sql, ctx, "changes");
    strbuf_adds(&sql, " WHERE change_id = ");
    add_foreign_id(&sql, ctx, dep);
    if (!strbuf_finish(&sql, &text))
        return error_nomem(err);
    if (!db_query(db, text, &rows, err))
        return error_wrap(err, "asking Sqitch's registry");
    *ret_is = db_rows_next(&rows);
    return db_rows_finish(&rows, err);
}

static bool check(const ConventionContext *ctx, Db *db, Arena *arena, const Migration *migration,
                  ConventionVerdict *ret_verdict, const char **ret_why, Error *err)
{
    const SqitchPlan *plan = plan_of(ctx);
    const SqitchChange *change = change_by_version(plan, migration->version);
    *ret_verdict = VERDICT_RUN;
    *ret_why = NULL;
    for (size_t i = 0; change && i < change->deps.len; i++) {
        const SqitchDep *dep = &change->deps.items[i];
        bool is = false;
        if (sqitch_find(plan, dep))
            continue;
        if (!is_deployed(ctx, db, arena, dep, &is, err))
            return false;
        if (is != dep->is_conflict)
            continue;
        error_set(err, ERROR_STATE, "%.*s %s %.*s, which is %sdeployed",
                  STR_ARG(migration->version), is ? "conflicts with" : "requires",
                  STR_ARG(dep->text), is ? "" : "not ");
        error_code(err, "unmet-dependency");
        error_at(err, str_from(((const SqitchSettings *)ctx->own)->plan_path), change->line, 1);
        return error_hint(err, is ? "Revert that one first." : "Deploy that one first.");
    }
    return true;
}

/* Sqitch's own: a number on PostgreSQL, the database's name on MySQL. On SQLite it has none. */
static bool lock_key(const ConventionContext *ctx, const Db *db, Arena *arena, DbLockKey *ret_key,
                     Error *err)
{
    (void)ctx;
    const char *name = str_format(arena, "sqitch working on %s", db->info.database);
    if (!name)
        return error_nomem(err);
    *ret_key = (DbLockKey){.number = 75474063, .name = str_sub(str_from(name), 0, 64)};
    return true;
}

/* ---- recognition, new files ------------------------------------------------------------------------------ */

static bool recognise(const ConventionContext *given, Db *db, Arena *arena,
                      ConventionGuess *ret_guess, Error *err)
{
    ConventionContext ctx = *given;
    ConventionGuess guess = {.convention = given->convention};
    FileInfo info = {0};
    Error local = {.arena = err ? err->arena : arena};
    bool is_there = false, is_seen = false;
    const char *beside = peer_beside(given, arena, STR("sqitch.conf"));
    if (!beside)
        return error_nomem(err);
    /* On PostgreSQL the usual registry is seen without any of its files. */
    if (db && given->known_tables && given->dialect == SQL_POSTGRES) {
        const TableName usual = {STR("sqitch"), STR("changes")};
        if (!guess_table(given, db, arena, &usual, "change_id, script_hash", false, &guess, err))
            return false;
        is_seen = guess.weight > 0;
    }
    *ret_guess = guess;
    if (!sqitch_configure(&ctx, arena, &local)) {
        /* What is wrong with it is told when Sqitch is meant. */
        if (local.kind == ERROR_NOMEM || ctx.files)
            return local.kind != ERROR_NOMEM || error_nomem(err);
        return file_info(beside, &info, err) &&
               (info.kind != FILE_REGULAR ||
                guess_add(arena, ret_guess, 2, str_format(arena, "%s is there", beside), err));
    }
    const SqitchSettings *settings = ctx.own;
    if (!file_tree_info(ctx.files, settings->plan_path, &info, err))
        return false;
    if (info.kind != FILE_REGULAR)
        return true;
    guess.has_files = true;
    if (!guess_add(arena, &guess, 2, str_format(arena, "%s is there", settings->plan_path), err))
        return false;
    is_seen = is_seen && str_eq(settings->registry, STR("sqitch"));
    if (db && given->table.len == 0 && !is_seen) {
        const TableName name = table_of(&ctx, "changes");
        if (!attach(&ctx, db, arena, false, &is_there, err) ||
            (is_there &&
             !guess_table(
                 &(ConventionContext){.convention = given->convention, .dialect = given->dialect},
                 db, arena, &name, "change_id, script_hash", false, &guess, err)))
            return false;
    }
    *ret_guess = guess;
    return true;
}

const Convention convention_sqitch = {
    .version = 1,
    .name = "sqitch",
    .title = "Sqitch",
    .summary = "Sqitch: sqitch.plan, deploy/ and revert/, registry in the schema, database or file "
               "sqitch",
    .default_table = "sqitch.changes",
    .features = CONVENTION_DOWN | CONVENTION_BASELINE | CONVENTION_DIRECTIVES | CONVENTION_EMPTY,
    .checksum_hash = HASH_SHA1,
    .versions = VERSIONS_LISTED,
    .scan = sqitch_scan,
    .history_read = history_read,
    .history_prepare = history_prepare,
    .history_write = history_write,
    .check = check,
    .lock_key = lock_key,
    .recognise = recognise,
    .new_paths = sqitch_new_paths,
    .draft_files = sqitch_draft_files,
    .draft_losses = sqitch_draft_losses,
    .new_text = sqitch_new_text,
    .new_listed = sqitch_new_listed,
    .rework_files = sqitch_rework_files,
    .verify_script = sqitch_verify_script,
    .configure = sqitch_configure,
};

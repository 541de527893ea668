/* Preconditions: what a changeset, or the file that it stands in, wants to find in the database before it runs.
 * SPDX-License-Identifier: Apache-2.0 */
#include "convention/liquibase.h"

bool liquibase_verdict(Str word, LbVerdict *ret_verdict)
{
    static const struct {
        const char *name;
        LbVerdict verdict;
    } known[] = {
        {"HALT", LB_HALT}, {"CONTINUE", LB_CONTINUE}, {"MARK_RAN", LB_MARK_RAN}, {"WARN", LB_WARN}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (!str_eq_nocase(word, str_from(known[i].name)))
            continue;
        *ret_verdict = known[i].verdict;
        return true;
    }
    return false;
}

typedef struct Checking {
    const ConventionContext *ctx;
    Db *db;
    Arena *arena;
    Error *err;
} Checking;

static bool ask(Checking *c, StrBuf *sql, DbValue *ret_value)
{
    Str text;
    *ret_value = (DbValue){.is_null = true};
    return strbuf_finish(sql, &text) ? db_query_value(c->db, c->arena, text, ret_value, c->err)
                                     : error_nomem(c->err);
}

static bool is_positive(const DbValue *value)
{
    int64_t number = 0;
    return !value->is_null && db_value_i64(value, &number) && number > 0;
}

/* Names are compared without their case, as Liquibase does: the catalog may keep another than the changelog writes. */
static void add_name(StrBuf *sql, const Checking *c, const char *column, Str name)
{
    strbuf_addf(sql, "LOWER(%s) = LOWER(", column);
    sql_add_literal(sql, c->ctx->dialect, name);
    strbuf_adds(sql, ")");
}

static void add_schema(StrBuf *sql, const Checking *c, const LbCheck *check, const char *column)
{
    Str schema = check->schema.len > 0 ? check->schema : liquibase_settings(c->ctx)->schema;
    strbuf_adds(sql, " AND ");
    if (schema.len > 0)
        add_name(sql, c, column, schema);
    else
        strbuf_addf(sql, "%s = %s", column,
                    c->ctx->dialect == SQL_POSTGRES ? "current_schema()" : "DATABASE()");
}

static bool has_object(Checking *c, const LbCheck *check, bool *ret_is)
{
    StrBuf sql = strbuf(c->arena);
    DbValue value;
    bool is_view = check->test == LB_VIEW;
    if (c->ctx->dialect == SQL_SQLITE) {
        if (check->test == LB_COLUMN) {
            strbuf_adds(&sql, "SELECT count(*) FROM pragma_table_info(");
            sql_add_literal(&sql, c->ctx->dialect, check->table);
            strbuf_adds(&sql, ") WHERE ");
            add_name(&sql, c, "name", check->column);
        } else {
            strbuf_adds(&sql, is_view
                                  ? "SELECT count(*) FROM sqlite_master WHERE type = 'view' AND "
                                  : "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND ");
            add_name(&sql, c, "name", check->table);
        }
    } else {
        strbuf_addf(&sql, "SELECT count(*) FROM information_schema.%s WHERE ",
                    check->test == LB_COLUMN ? "columns"
                    : is_view                ? "views"
                                             : "tables");
        add_name(&sql, c, "table_name", check->table);
        if (check->test == LB_COLUMN) {
            strbuf_adds(&sql, " AND ");
            add_name(&sql, c, "column_name", check->column);
        } else if (check->test == LB_TABLE) {
            strbuf_adds(&sql, " AND table_type = 'BASE TABLE'");
        }
        add_schema(&sql, c, check, "table_schema");
    }
    if (!ask(c, &sql, &value))
        return false;
    *ret_is = is_positive(&value);
    return true;
}

/* The name, the table, whichever is given. */
static void add_names(StrBuf *sql, const Checking *c, const LbCheck *check, const char *name,
                      const char *table)
{
    strbuf_adds(sql, "1 = 1");
    if (check->name.len > 0) {
        strbuf_adds(sql, " AND ");
        add_name(sql, c, name, check->name);
    }
    if (check->table.len > 0) {
        strbuf_adds(sql, " AND ");
        add_name(sql, c, table, check->table);
    }
}

static bool has_index(Checking *c, const LbCheck *check, bool *ret_is)
{
    StrBuf sql = strbuf(c->arena);
    DbValue value;
    switch (c->ctx->dialect) {
    case SQL_POSTGRES:
        strbuf_adds(&sql, "SELECT count(*) FROM pg_catalog.pg_indexes WHERE ");
        add_names(&sql, c, check, "indexname", "tablename");
        add_schema(&sql, c, check, "schemaname");
        break;
    case SQL_MYSQL:
        strbuf_adds(&sql, "SELECT count(*) FROM information_schema.statistics WHERE ");
        add_names(&sql, c, check, "index_name", "table_name");
        add_schema(&sql, c, check, "table_schema");
        break;
    case SQL_SQLITE:
        strbuf_adds(&sql, "SELECT count(*) FROM sqlite_master WHERE type = 'index' AND ");
        add_names(&sql, c, check, "name", "tbl_name");
        break;
    }
    if (!ask(c, &sql, &value))
        return false;
    *ret_is = is_positive(&value);
    return true;
}

static bool has_constraint(Checking *c, const LbCheck *check, bool *ret_is)
{
    StrBuf sql = strbuf(c->arena);
    DbValue value;
    if (c->ctx->dialect == SQL_SQLITE) { /* a primary key of a table: all that is asked there */
        strbuf_adds(&sql, "SELECT count(*) FROM pragma_table_info(");
        sql_add_literal(&sql, c->ctx->dialect, check->table);
        strbuf_adds(&sql, ") WHERE pk > 0");
    } else {
        bool is_unnamed = c->ctx->dialect == SQL_MYSQL && check->test == LB_PRIMARY_KEY;
        LbCheck wanted = *check;
        if (is_unnamed &&
            wanted.table.len > 0) /* it is called PRIMARY there, whatever it is given */
            wanted.name = (Str){0};
        strbuf_adds(&sql, "SELECT count(*) FROM information_schema.table_constraints WHERE "
                          "constraint_type = ");
        sql_add_literal(&sql, c->ctx->dialect,
                        check->test == LB_FOREIGN_KEY   ? STR("FOREIGN KEY")
                        : check->test == LB_PRIMARY_KEY ? STR("PRIMARY KEY")
                                                        : STR("UNIQUE"));
        strbuf_adds(&sql, " AND ");
        add_names(&sql, c, &wanted, "constraint_name", "table_name");
        add_schema(&sql, c, check, "table_schema");
    }
    if (!ask(c, &sql, &value))
        return false;
    *ret_is = is_positive(&value);
    return true;
}

static bool has_sequence(Checking *c, const LbCheck *check, bool *ret_is)
{
    StrBuf sql = strbuf(c->arena);
    DbValue value;
    *ret_is = false;
    if (c->ctx->dialect == SQL_SQLITE)
        return true;
    bool is_postgres = c->ctx->dialect == SQL_POSTGRES;
    strbuf_adds(&sql, is_postgres ? "SELECT count(*) FROM information_schema.sequences WHERE "
                                  : "SELECT count(*) FROM information_schema.tables WHERE "
                                    "table_type = 'SEQUENCE' AND ");
    add_name(&sql, c, is_postgres ? "sequence_name" : "table_name", check->name);
    add_schema(&sql, c, check, is_postgres ? "sequence_schema" : "table_schema");
    if (!ask(c, &sql, &value))
        return false;
    *ret_is = is_positive(&value);
    return true;
}

static bool count_rows(Checking *c, const LbCheck *check, bool *ret_is)
{
    StrBuf sql = strbuf(c->arena);
    DbValue value;
    strbuf_adds(&sql, "SELECT count(*) FROM ");
    if (check->schema.len > 0) {
        sql_add_ident(&sql, c->ctx->dialect, check->schema);
        strbuf_adds(&sql, ".");
    }
    sql_add_ident(&sql, c->ctx->dialect, check->table);
    if (!ask(c, &sql, &value))
        return false;
    *ret_is =
        str_eq(value.text, check->test == LB_TABLE_EMPTY ? STR("0") : str_trim(check->expected));
    return true;
}

static bool has_run(Checking *c, const LbCheck *check, bool *ret_is)
{
    StrBuf sql = strbuf(c->arena);
    TableName table;
    DbValue value;
    if (!liquibase_table(c->ctx, c->arena, false, &table, c->err))
        return false;
    strbuf_adds(&sql, "SELECT count(*) FROM ");
    table_name_add(&sql, c->ctx->dialect, &table, "");
    strbuf_adds(&sql, " WHERE ");
    add_name(&sql, c, "ID", check->table);
    strbuf_adds(&sql, " AND ");
    add_name(&sql, c, "AUTHOR", check->column);
    strbuf_adds(&sql, " AND ");
    add_name(&sql, c, "FILENAME", check->schema);
    if (!ask(c, &sql, &value))
        return false;
    *ret_is = is_positive(&value);
    return true;
}

static bool sql_gives(Checking *c, const LbCheck *check, bool *ret_is)
{
    StrBuf sql = strbuf(c->arena);
    DbValue value;
    Str text = str_trim(check->text);
    while (text.len > 0 && text.ptr[text.len - 1] == ';')
        text = str_trim(str_sub(text, 0, text.len - 1));
    strbuf_add(&sql, text);
    if (!ask(c, &sql, &value))
        return false;
    *ret_is = !value.is_null && str_eq(value.text, str_trim(check->expected));
    return true;
}

static bool holds(Checking *c, const LbCheck *check, bool *ret_is)
{
    bool is = false;
    switch (check->test) {
    case LB_AND:
    case LB_NOT: /* of none */
        *ret_is = true;
        for (size_t i = 0; i < check->parts.len; i++) {
            if (!holds(c, check->parts.items[i], &is))
                return false;
            *ret_is = *ret_is && is == (check->test == LB_AND);
        }
        return true;
    case LB_OR:
        *ret_is = false;
        for (size_t i = 0; i < check->parts.len && !*ret_is; i++)
            if (!holds(c, check->parts.items[i], ret_is))
                return false;
        return true;
    case LB_SQL:
        return sql_gives(c, check, ret_is);
    case LB_TABLE:
    case LB_VIEW:
    case LB_COLUMN:
        return has_object(c, check, ret_is);
    case LB_TABLE_EMPTY:
    case LB_ROW_COUNT:
        return count_rows(c, check, ret_is);
    case LB_DBMS:
        *ret_is = liquibase_is_for(c->ctx, check->text);
        return true;
    case LB_RUNNING_AS: {
        Str user = str_from(c->db->info.user);
        *ret_is = str_eq_nocase(user, check->text);
        return true;
    }
    case LB_RAN:
        return has_run(c, check, ret_is);
    case LB_INDEX:
        return has_index(c, check, ret_is);
    case LB_FOREIGN_KEY:
    case LB_PRIMARY_KEY:
    case LB_UNIQUE:
        return has_constraint(c, check, ret_is);
    case LB_SEQUENCE:
        return has_sequence(c, check, ret_is);
    case LB_PROPERTY:
        *ret_is = check->holds;
        return true;
    }
    return true;
}

static bool halt(const LbPreconditions *p, Str message, const Error *cause, Error *err)
{
    const char *what =
        cause ? "its precondition could not be checked" : "its precondition does not hold";
    error_set(err, ERROR_STATE, "%s%s%.*s", what, message.len > 0 ? ": " : "", STR_ARG(message));
    error_code(err, "precondition-failed");
    if (cause && cause->message)
        error_detail(err, "%s", cause->message);
    error_at(err, str_from(p->file), p->line, 1);
    return error_hint(err, "Put the database into the state that it asks for; onFail: and onError: "
                           "MARK_RAN or CONTINUE would pass over the changeset.");
}

static bool judge(Checking *c, const LbPreconditions *p, ConventionVerdict *ret_verdict,
                  const char **ret_why)
{
    bool is = false;
    Error cause = {.arena = c->arena};
    Error *given = c->err;
    /* PostgreSQL's transactions, where the run is in one, do not outlive an error. */
    bool is_nested = c->db->is_in_transaction && c->ctx->dialect == SQL_POSTGRES;
    if (is_nested && !db_exec(c->db, STR("SAVEPOINT whimbrel_check"), given))
        return false;
    c->err = &cause;
    bool is_checked = holds(c, p->check, &is);
    c->err = given;
    if (is_nested &&
        !db_exec(c->db,
                 is_checked ? STR("RELEASE whimbrel_check") : STR("ROLLBACK TO whimbrel_check"),
                 given))
        return false;
    if (is_checked && is)
        return true;
    if (!is_checked && cause.kind != ERROR_SQL) {
        if (given)
            *given = cause;
        return false;
    }
    Str message = is_checked ? p->fail_message : p->error_message;
    *ret_why =
        is_checked ? "its precondition does not hold" : "its precondition could not be checked";
    if (message.len > 0 &&
        !(*ret_why = str_format(c->arena, "%s: %.*s", *ret_why, STR_ARG(message))))
        return error_nomem(given);
    switch (is_checked ? p->on_fail : p->on_error) {
    case LB_HALT:
        return halt(p, message, is_checked ? NULL : &cause, given);
    case LB_CONTINUE:
        *ret_verdict = VERDICT_SKIP;
        return true;
    case LB_MARK_RAN:
        *ret_verdict = VERDICT_MARK;
        return true;
    case LB_WARN:
        return true;
    }
    return true;
}

bool liquibase_check(const ConventionContext *ctx, Db *db, Arena *arena, const Migration *migration,
                     ConventionVerdict *ret_verdict, const char **ret_why, Error *err)
{
    Checking c = {ctx, db, arena, err};
    const LbScript *own = migration->up && migration->up->form ? migration->up->form->own : NULL;
    *ret_verdict = VERDICT_RUN;
    *ret_why = NULL;
    if (!own)
        return true;
    if (own->set->outer && !judge(&c, own->set->outer, ret_verdict, ret_why))
        return false;
    return *ret_verdict != VERDICT_RUN || !own->set->preconditions ||
           judge(&c, own->set->preconditions, ret_verdict, ret_why);
}

/* Alembic's batch mode on SQLite: a table is made anew, its rows are copied, and it takes the old one's place.
 *
 * The operations are read at once, so that what cannot be read is refused by line before anything runs. What they lead to depends on
 * the table as it is when their turn comes; until then one statement stands for all of it. What the new table would lose of the old
 * one without anybody having said so (a trigger, a CHECK without a name, AUTOINCREMENT) stops it, where Alembic goes on.
 * SPDX-License-Identifier: Apache-2.0 */
#include "convention/alembic_schema.h"
#include "convention/sqlite_table.h"

/* One operation, as far as it can be read without the table. */
typedef enum StepKind {
    STEP_ADD_COLUMN,
    STEP_DROP_COLUMN,
    STEP_ALTER_COLUMN,
    STEP_ADD_CONSTRAINT,
    STEP_DROP_CONSTRAINT,
    STEP_CREATE_INDEX,
    STEP_DROP_INDEX,
    STEP_COMMENT, /* nothing on SQLite */
} StepKind;
typedef struct Step {
    StepKind kind;
    const PyNode *call;
    Str name;  /* of the column, constraint or index */
    Str sql;   /* the new column; the type that it gets */
    Str bound; /* a CHECK that belongs to the column's type and goes with it */
    Str value; /* of the default */
    Alteration alteration;
    SqliteConstraint constraint;
    IndexCall index;
    StrVec columns; /* of the index */
} Step;
typedef Vec(Step) StepVec;

/* ---- reading ------------------------------------------------------------------------------------------------- */

static bool finish(Renderer *r, StrBuf *out, Str *ret_text)
{
    return strbuf_finish(out, ret_text) || alembic_nomem(r);
}

/* sa.Enum(..., name="x"), sa.Boolean(name="x"): the CHECK that SQLAlchemy may have made for it has its name. */
static bool read_bound(Renderer *r, const PyNode *call, Step *step)
{
    const PyNode *type = alembic_argument(r, call, SIZE_MAX, "existing_type");
    if (!type || type->kind != PY_CALL)
        return !r->refusal && !r->has_failed;
    return alembic_word(r, type, SIZE_MAX, "name", &step->bound);
}

static bool read_alteration_step(Renderer *r, const PyNode *call, Step *step)
{
    Alteration *a = &step->alteration;
    StrBuf type = strbuf(r->arena), value = strbuf(r->arena);
    if (!alembic_read_alteration(r, call, true, a) || !read_bound(r, call, step))
        return false;
    step->name = a->column;
    if (a->type && (!alembic_type(r, a->type, &type, NULL, NULL) || !finish(r, &type, &step->sql)))
        return false;
    if (a->new_name.len == 0 || str_eq(a->new_name, a->column))
        step->bound = (Str){0};
    if (!a->default_value || a->default_value->kind == PY_NONE)
        return true;
    return alembic_default(r, a->default_value, true, &value) && finish(r, &value, &step->value);
}

/* Alembic wants a name for each constraint that it adds. */
static bool read_constraint_step(Renderer *r, const PyNode *call, SqliteConstraintKind kind,
                                 Step *step)
{
    static const char *const known[] = {
        "constraint_name", "columns",  "condition",  "referent_table", "local_cols", "remote_cols",
        "onupdate",        "ondelete", "deferrable", "initially",      "match",      NULL};
    SqliteConstraint *c = &step->constraint;
    StrBuf text = strbuf(r->arena);
    c->kind = kind;
    if (!alembic_check(r, call, known) || !alembic_need(r, call, 0, "constraint_name", &c->name))
        return false;
    step->name = c->name;
    if (kind == SQLITE_CHECK)
        return alembic_condition(r, call, python_argument(call, 1, "condition"), &text) &&
               alembic_deferrable(r, call, &text) && finish(r, &text, &c->condition);
    if (kind != SQLITE_FOREIGN_KEY)
        return alembic_strings(r, python_argument(call, 1, "columns"), "columns", &c->columns) &&
               alembic_deferrable(r, call, &text) && finish(r, &text, &c->rules);
    return alembic_need(r, call, 1, "referent_table", &c->referent) &&
           alembic_strings(r, python_argument(call, 2, "local_cols"), "local_cols", &c->columns) &&
           alembic_strings(r, python_argument(call, 3, "remote_cols"), "remote_cols", &c->remote) &&
           alembic_foreign_rules(r, call, &text) && finish(r, &text, &c->rules);
}

static bool read_column_step(Renderer *r, const PyNode *call, Step *step)
{
    static const char *const known[] = {"column", "if_not_exists", NULL};
    int asks;
    if (!alembic_check(r, call, known) || !alembic_flag(r, call, "if_not_exists", 0, &asks))
        return false;
    if (asks)
        return alembic_refuse(r, call, NULL, "adds a column to a rebuilt table if it is not there");
    return alembic_lone_column(r, python_argument(call, 0, "column"), &step->name, &step->sql);
}

static bool read_drop(Renderer *r, const PyNode *call, const char *argument, Step *step)
{
    static const char *const known[] = {"column_name",   "constraint_name", "index_name", "type_",
                                        "existing_type", "table_name",      NULL};
    return alembic_check(r, call, known) && alembic_need(r, call, 0, argument, &step->name) &&
           read_bound(r, call, step);
}

static bool read_index_step(Renderer *r, const PyNode *call, Step *step)
{
    if (!alembic_read_index(r, call, true, &step->index))
        return false;
    step->name = step->index.name;
    return alembic_strings(r, step->index.columns, "columns", &step->columns);
}

static bool read_step(Renderer *r, const PyNode *call, Step *step)
{
    static const struct {
        const char *name;
        SqliteConstraintKind kind;
    } constraints[] = {{"create_primary_key", SQLITE_PRIMARY_KEY},
                       {"create_unique_constraint", SQLITE_UNIQUE},
                       {"create_check_constraint", SQLITE_CHECK},
                       {"create_foreign_key", SQLITE_FOREIGN_KEY}};
    Str name = call->base->text;
    *step = (Step){.call = call};
    for (size_t i = 0; i < sizeof constraints / sizeof *constraints; i++) {
        if (!str_eq(name, str_from(constraints[i].name)))
            continue;
        step->kind = STEP_ADD_CONSTRAINT;
        return read_constraint_step(r, call, constraints[i].kind, step);
    }
    if (str_eq(name, STR("add_column"))) {
        step->kind = STEP_ADD_COLUMN;
        return read_column_step(r, call, step);
    }
    if (str_eq(name, STR("alter_column"))) {
        step->kind = STEP_ALTER_COLUMN;
        return read_alteration_step(r, call, step);
    }
    if (str_eq(name, STR("drop_column"))) {
        step->kind = STEP_DROP_COLUMN;
        return read_drop(r, call, "column_name", step);
    }
    if (str_eq(name, STR("drop_constraint"))) {
        step->kind = STEP_DROP_CONSTRAINT;
        return read_drop(r, call, "constraint_name", step);
    }
    if (str_eq(name, STR("create_index"))) {
        step->kind = STEP_CREATE_INDEX;
        return read_index_step(r, call, step);
    }
    if (str_eq(name, STR("drop_index"))) {
        step->kind = STEP_DROP_INDEX;
        return read_drop(r, call, "index_name", step);
    }
    step->kind = STEP_COMMENT;
    return str_eq(name, STR("create_table_comment")) || str_eq(name, STR("drop_table_comment")) ||
           alembic_refuse(r, call, NULL, "rebuilds a table with %s",
                          python_describe(r->arena, call));
}

/* A default that is an expression: ALTER TABLE ADD COLUMN takes constants only. */
static bool has_expression(Renderer *r, const PyNode *call, bool *ret_has)
{
    const PyNode *column = alembic_argument(r, call, 0, "column");
    const PyNode *value = column && column->kind == PY_CALL
                              ? alembic_argument(r, column, SIZE_MAX, "server_default")
                              : NULL;
    Str sql;
    *ret_has = false;
    return !r->refusal && !r->has_failed && (!value || alembic_expression(r, value, ret_has, &sql));
}

bool alembic_batch_rebuilds(Renderer *r, const AlembicBatch *batch, bool *ret_rebuilds)
{
    *ret_rebuilds = false;
    for (size_t i = 0; i < batch->count && !*ret_rebuilds; i++) {
        Str name = batch->calls[i]->base->text;
        if (str_eq(name, STR("add_column"))) {
            if (!has_expression(r, batch->calls[i], ret_rebuilds))
                return false;
        } else {
            *ret_rebuilds = !str_eq(name, STR("create_index")) && !str_eq(name, STR("drop_index"));
        }
    }
    return true;
}

/* ---- the new table ------------------------------------------------------------------------------------------- */

/* A column on its way. Constraints and indexes know it by its key, whatever its name becomes. */
typedef struct NewColumn {
    Str key, name;
    Str sql;  /* of one that is added: all of it */
    Str type; /* of one that was there: its SQL */
    Str value;
    bool is_not_null, has_default, is_dropped;
    Str cast; /* its values are cast to this; empty: they are copied */
} NewColumn;
typedef struct NewConstraint {
    SqliteConstraint constraint;
    bool is_dropped;
} NewConstraint;
typedef struct NewIndex {
    SqliteIndex index;
    const Step *step; /* that creates it; NULL: it was there */
    bool is_dropped;
} NewIndex;
typedef struct NewTable {
    Renderer *r;
    const AlembicBatch *batch;
    Vec(NewColumn) columns;
    Vec(NewConstraint) constraints;
    Vec(NewIndex) indexes;
} NewTable;

static bool refuse(NewTable *t, const PyNode *call, const char *what, Str name)
{
    return alembic_refuse(t->r, call, NULL, "%s %.*s, which the table %.*s has not", what,
                          STR_ARG(name), STR_ARG(t->batch->table));
}

/* As SQLAlchemy reads a type of SQLite and writes it again. *ret_sql empty: it cannot be written. */
static bool type_again(NewTable *t, Str type, Str *ret_sql)
{
    static const struct {
        const char *name, *sql;
        unsigned numbers; /* that stay with it */
    } types[] = {
        {"BIGINT", "BIGINT", 0},
        {"BLOB", "BLOB", 0},
        {"BOOL", "BOOLEAN", 0},
        {"BOOLEAN", "BOOLEAN", 0},
        {"CHAR", "CHAR", 1},
        {"DATE", "DATE", 0},
        {"DATE_CHAR", "DATE", 0},
        {"DATETIME", "DATETIME", 0},
        {"DATETIME_CHAR", "DATETIME", 0},
        {"DOUBLE", "DOUBLE", 0},
        {"DECIMAL", "DECIMAL", 2},
        {"FLOAT", "FLOAT", 0},
        {"INT", "INTEGER", 0},
        {"INTEGER", "INTEGER", 0},
        {"JSON", "JSON", 0},
        {"JSONB", "JSONB", 0},
        {"NUMERIC", "NUMERIC", 2},
        {"REAL", "REAL", 0},
        {"SMALLINT", "SMALLINT", 0},
        {"TEXT", "TEXT", 1},
        {"TIME", "TIME", 0},
        {"TIME_CHAR", "TIME", 0},
        {"TIMESTAMP", "TIMESTAMP", 0},
        {"VARCHAR", "VARCHAR", 1},
        {"NVARCHAR", "NVARCHAR", 1},
        {"NCHAR", "NCHAR", 1},
    };
    static const struct {
        const char *part, *sql;
        unsigned numbers;
    } families[] = {{"INT", "INTEGER", 0}, {"CHAR", "TEXT", 1}, {"CLOB", "TEXT", 1},
                    {"TEXT", "TEXT", 1},   {"BLOB", NULL, 0},   {"REAL", "REAL", 0},
                    {"FLOA", "REAL", 0},   {"DOUB", "REAL", 0}};
    size_t open = str_find_char(type, '(', 0);
    StrBuf upper = strbuf(t->r->arena), out = strbuf(t->r->arena);
    Str name = str_trim(open == SIZE_MAX ? type : str_sub(type, 0, open)), word;
    const char *sql = NULL;
    unsigned numbers = 0, count = 0;
    bool is_known = false;
    *ret_sql = (Str){0};
    for (size_t i = 0; i < name.len; i++)
        strbuf_add_char(&upper, name.ptr[i] >= 'a' && name.ptr[i] <= 'z'
                                    ? (char)(name.ptr[i] - 'a' + 'A')
                                    : name.ptr[i]);
    if (!finish(t->r, &upper, &word))
        return false;
    for (size_t i = 0; i < sizeof types / sizeof *types && !is_known; i++) {
        is_known = str_eq(word, str_from(types[i].name));
        sql = types[i].sql;
        numbers = types[i].numbers;
    }
    for (size_t i = 0; i < sizeof families / sizeof *families && !is_known; i++) {
        is_known = str_find(word, str_from(families[i].part), 0) != SIZE_MAX;
        sql = families[i].sql;
        numbers = families[i].numbers;
    }
    if (word.len == 0 || (is_known && !sql))
        return true;
    strbuf_adds(&out, is_known ? sql : "NUMERIC");
    numbers = is_known ? numbers : 2;
    for (size_t i = open; open != SIZE_MAX && i < type.len && count < numbers;) {
        size_t from = i;
        while (i < type.len && type.ptr[i] >= '0' && type.ptr[i] <= '9')
            i++;
        if (i > from)
            strbuf_addf(&out, "%s%.*s", count++ == 0 ? "(" : ", ", STR_ARG(str_sub(type, from, i)));
        else
            i++;
    }
    strbuf_adds(&out, count > 0 ? ")" : "");
    return finish(t->r, &out, ret_sql);
}

/* Whether this is one literal, or one pair of brackets around all of it. */
static bool is_one(Str value)
{
    char first = value.ptr[0];
    size_t depth = 0, last = value.len - 1;
    if (value.len < 3 || str_find_char(value, '\n', 0) != SIZE_MAX)
        return false;
    for (size_t i = 0; i < last; i++) {
        char c = value.ptr[i];
        if (first == '\'' && i > 0 && c == '\'') {
            if (i + 1 == last || value.ptr[++i] != '\'')
                return false;
        } else if (first == '(') {
            depth += c == '(';
            depth -= c == ')';
            if (depth == 0)
                return false;
        }
    }
    return (first == '\'' && value.ptr[last] == '\'') || (first == '(' && value.ptr[last] == ')');
}

/* A default that SQLite told without its brackets, with them where Alembic puts them. */
static bool default_again(NewTable *t, Str value, Str *ret_sql)
{
    StrBuf out = strbuf(t->r->arena);
    bool is_digit = value.len == 1 && value.ptr[0] >= '0' && value.ptr[0] <= '9';
    if (value.len == 0 || is_digit || is_one(value))
        strbuf_add(&out, value);
    else
        strbuf_addf(&out, "(%.*s)", STR_ARG(value));
    return finish(t->r, &out, ret_sql);
}

static bool take_table(NewTable *t, const SqliteTable *table)
{
    Arena *arena = t->r->arena;
    for (size_t i = 0; i < table->columns.len; i++) {
        const SqliteColumn *old = &table->columns.items[i];
        NewColumn column = {.key = old->name,
                            .name = old->name,
                            .is_not_null = old->is_not_null,
                            .has_default = old->has_default};
        if (!type_again(t, old->type, &column.type) ||
            !default_again(t, old->default_value, &column.value))
            return false;
        if (!vec_push(arena, &t->columns, column))
            return alembic_nomem(t->r);
    }
    for (size_t i = 0; i < table->constraints.len; i++) {
        NewConstraint constraint = {.constraint = table->constraints.items[i]};
        if (constraint.constraint.kind == SQLITE_CHECK && constraint.constraint.name.len == 0)
            return alembic_refuse(t->r, t->batch->call, NULL,
                                  "rebuilds the table %.*s, which has a CHECK without a name: "
                                  "Alembic would leave it out",
                                  STR_ARG(t->batch->table));
        if (!vec_push(arena, &t->constraints, constraint))
            return alembic_nomem(t->r);
    }
    for (size_t i = 0; i < table->indexes.len; i++) {
        NewIndex index = {.index = table->indexes.items[i]};
        if (!vec_push(arena, &t->indexes, index))
            return alembic_nomem(t->r);
    }
    return true;
}

static NewColumn *find_column(NewTable *t, Str key)
{
    for (size_t i = 0; i < t->columns.len; i++)
        if (str_eq(t->columns.items[i].key, key) && !t->columns.items[i].is_dropped)
            return &t->columns.items[i];
    return NULL;
}

static NewConstraint *find_constraint(NewTable *t, Str name)
{
    for (size_t i = 0; i < t->constraints.len; i++)
        if (name.len > 0 && str_eq(t->constraints.items[i].constraint.name, name) &&
            !t->constraints.items[i].is_dropped)
            return &t->constraints.items[i];
    return NULL;
}

static NewIndex *find_index(NewTable *t, Str name)
{
    for (size_t i = 0; i < t->indexes.len; i++)
        if (str_eq(t->indexes.items[i].index.name, name) && !t->indexes.items[i].is_dropped)
            return &t->indexes.items[i];
    return NULL;
}

/* ---- applying ------------------------------------------------------------------------------------------------ */

/* What SQLAlchemy takes for one kind of value: only between two of them it casts. */
static const char *family_of(Str type)
{
    static const char *const families[][8] = {
        {"text", "VARCHAR", "CHAR", "TEXT", "NVARCHAR", "NCHAR", NULL},
        {"integer", "INTEGER", "BIGINT", "SMALLINT", NULL},
        {"number", "NUMERIC", "DECIMAL", NULL},
        {"real", "FLOAT", "REAL", "DOUBLE", NULL},
        {"moment", "DATETIME", "TIMESTAMP", NULL},
    };
    size_t open = str_find_char(type, '(', 0);
    Str name = open == SIZE_MAX ? type : str_sub(type, 0, open);
    for (size_t i = 0; i < sizeof families / sizeof *families; i++)
        for (size_t k = 1; families[i][k]; k++)
            if (str_eq(name, str_from(families[i][k])))
                return families[i][0];
    return NULL;
}

static bool is_same_family(Str one, Str two)
{
    const char *first = family_of(one), *second = family_of(two);
    return first || second ? first == second : str_eq(one, two);
}

static bool is_date(Str type)
{
    return str_eq(type, STR("DATETIME")) || str_eq(type, STR("TIMESTAMP")) ||
           str_eq(type, STR("DATE")) || str_eq(type, STR("TIME"));
}

static bool alter_column(NewTable *t, const Step *step)
{
    const Alteration *a = &step->alteration;
    NewColumn *column = find_column(t, step->name);
    if (!column)
        return refuse(t, step->call, "alters the column", step->name);
    if (column->sql.len > 0)
        return alembic_refuse(t->r, step->call, NULL, "alters a column that the same batch adds");
    if (a->new_name.len > 0)
        column->name = a->new_name;
    if (step->bound.len > 0) {
        NewConstraint *bound = find_constraint(t, step->bound);
        if (bound)
            bound->is_dropped = true;
    }
    if (step->sql.len > 0 && !is_same_family(column->type, step->sql) &&
        !str_eq(step->sql, STR("JSON"))) {
        if (is_date(step->sql))
            return alembic_refuse(t->r, step->call,
                                  "Copy the values in a statement of its own, or run it with "
                                  "alembic.",
                                  "makes a %.*s of a column of the type %.*s: Alembic's CAST "
                                  "would leave numbers of its values",
                                  STR_ARG(step->sql), STR_ARG(column->type));
        column->cast = step->sql;
    }
    if (step->sql.len > 0)
        column->type = step->sql;
    if (a->nullable >= 0)
        column->is_not_null = !a->nullable;
    if (a->default_value) {
        column->has_default = a->default_value->kind != PY_NONE;
        column->value = step->value;
    }
    return true;
}

static bool drop_column(NewTable *t, const Step *step)
{
    NewColumn *column = find_column(t, step->name);
    if (!column)
        return refuse(t, step->call, "drops the column", step->name);
    column->is_dropped = true;
    NewConstraint *bound = find_constraint(t, step->bound);
    if (bound)
        bound->is_dropped = true;
    /* What is left of the primary key stays one. */
    for (size_t i = 0; i < t->constraints.len; i++) {
        SqliteConstraint *key = &t->constraints.items[i].constraint;
        StrVec rest = {0};
        for (size_t k = 0; k < key->columns.len && key->kind == SQLITE_PRIMARY_KEY; k++)
            if (!str_eq(key->columns.items[k], step->name) &&
                !vec_push(t->r->arena, &rest, key->columns.items[k]))
                return alembic_nomem(t->r);
        if (key->kind == SQLITE_PRIMARY_KEY)
            key->columns = rest;
    }
    return true;
}

static bool add_column(NewTable *t, const Step *step)
{
    NewColumn column = {.key = step->name, .name = step->name, .sql = step->sql};
    if (find_column(t, step->name))
        return alembic_refuse(t->r, step->call, NULL, "adds the column %.*s, which is there",
                              STR_ARG(step->name));
    return vec_push(t->r->arena, &t->columns, column) || alembic_nomem(t->r);
}

static bool has_columns(NewTable *t, const StrVec *columns)
{
    for (size_t i = 0; i < columns->len; i++)
        if (!find_column(t, columns->items[i]))
            return false;
    return true;
}

static bool add_constraint(NewTable *t, const Step *step)
{
    NewConstraint added = {.constraint = step->constraint};
    NewConstraint *twin = find_constraint(t, step->name);
    if (twin)
        twin->is_dropped = true;
    if (!has_columns(t, &step->constraint.columns))
        return alembic_refuse(
            t->r, step->call, "A column that the batch renames has its old name here.",
            "names a column that the table %.*s has not", STR_ARG(t->batch->table));
    for (size_t i = 0; i < t->constraints.len && step->constraint.kind == SQLITE_PRIMARY_KEY; i++) {
        NewConstraint *old = &t->constraints.items[i];
        if (old->is_dropped || old->constraint.kind != SQLITE_PRIMARY_KEY)
            continue;
        if (old->constraint.name.len > 0)
            return alembic_refuse(t->r, step->call, "Drop it first.",
                                  "creates a second primary key beside %.*s",
                                  STR_ARG(old->constraint.name));
        old->is_dropped = true;
    }
    return vec_push(t->r->arena, &t->constraints, added) || alembic_nomem(t->r);
}

static bool apply(NewTable *t, const Step *step)
{
    NewConstraint *constraint;
    NewIndex *index, added = {.step = step};
    switch (step->kind) {
    case STEP_ADD_COLUMN:
        return add_column(t, step);
    case STEP_DROP_COLUMN:
        return drop_column(t, step);
    case STEP_ALTER_COLUMN:
        return alter_column(t, step);
    case STEP_ADD_CONSTRAINT:
        return add_constraint(t, step);
    case STEP_DROP_CONSTRAINT:
        constraint = find_constraint(t, step->name);
        if (!constraint)
            return refuse(t, step->call, "drops the constraint", step->name);
        constraint->is_dropped = true;
        return true;
    case STEP_CREATE_INDEX:
        added.index.name = step->name;
        added.index.columns = step->columns;
        return vec_push(t->r->arena, &t->indexes, added) || alembic_nomem(t->r);
    case STEP_DROP_INDEX:
        index = find_index(t, step->name);
        if (!index)
            return refuse(t, step->call, "drops the index", step->name);
        index->is_dropped = true;
        return true;
    case STEP_COMMENT:
        break;
    }
    return true;
}

/* ---- writing ------------------------------------------------------------------------------------------------- */

static bool names_of(NewTable *t, const StrVec *keys, StrVec *ret_names)
{
    StrVec names = {0};
    for (size_t i = 0; i < keys->len; i++) {
        const NewColumn *column = find_column(t, keys->items[i]);
        if (!vec_push(t->r->arena, &names, column ? column->name : keys->items[i]))
            return alembic_nomem(t->r);
    }
    *ret_names = names;
    return true;
}

static bool add_column_sql(NewTable *t, const NewColumn *column, StrBuf *sql)
{
    if (column->sql.len > 0) {
        strbuf_add(sql, column->sql);
        return true;
    }
    if (column->type.len == 0)
        return alembic_refuse(t->r, t->batch->call, NULL,
                              "rebuilds the table %.*s, whose column %.*s has a type that "
                              "SQLAlchemy does not know",
                              STR_ARG(t->batch->table), STR_ARG(column->key));
    sql_add_ident(sql, SQL_SQLITE, column->name);
    strbuf_addf(sql, " %.*s", STR_ARG(column->type));
    if (column->has_default)
        strbuf_addf(sql, " DEFAULT %.*s", STR_ARG(column->value));
    strbuf_adds(sql, column->is_not_null ? " NOT NULL" : "");
    return true;
}

static bool add_constraint_sql(NewTable *t, const SqliteConstraint *c, StrBuf *sql)
{
    StrVec names;
    if (!names_of(t, &c->columns, &names))
        return false;
    strbuf_adds(sql, ", ");
    if (c->name.len > 0) {
        strbuf_adds(sql, "CONSTRAINT ");
        sql_add_ident(sql, SQL_SQLITE, c->name);
        strbuf_adds(sql, " ");
    }
    switch (c->kind) {
    case SQLITE_CHECK:
        if (str_starts(c->condition, STR("CHECK (")))
            strbuf_add(sql, c->condition);
        else
            strbuf_addf(sql, "CHECK (%.*s)", STR_ARG(c->condition));
        return true;
    case SQLITE_PRIMARY_KEY:
    case SQLITE_UNIQUE:
        strbuf_adds(sql, c->kind == SQLITE_UNIQUE ? "UNIQUE " : "PRIMARY KEY ");
        (void)alembic_add_columns(t->r, &names, sql);
        break;
    case SQLITE_FOREIGN_KEY:
        strbuf_adds(sql, "FOREIGN KEY");
        (void)alembic_add_columns(t->r, &names, sql);
        strbuf_adds(sql, " REFERENCES ");
        sql_add_ident(sql, SQL_SQLITE, c->referent);
        strbuf_adds(sql, " ");
        if (c->remote.len > 0)
            (void)alembic_add_columns(t->r, &c->remote, sql);
        break;
    }
    strbuf_add(sql, c->rules);
    return true;
}

/* The primary key first. A constraint goes with a column that goes. */
static bool add_constraints_sql(NewTable *t, StrBuf *sql)
{
    for (int is_key = 1; is_key >= 0; is_key--) {
        for (size_t i = 0; i < t->constraints.len; i++) {
            const NewConstraint *constraint = &t->constraints.items[i];
            const SqliteConstraint *c = &constraint->constraint;
            bool is_wanted = !constraint->is_dropped && has_columns(t, &c->columns) &&
                             (c->kind == SQLITE_PRIMARY_KEY) == is_key &&
                             (!is_key || c->columns.len > 0);
            if (is_wanted && !add_constraint_sql(t, c, sql))
                return false;
        }
    }
    return true;
}

/* A table that refers to itself by a column that gets another name would refer to none. */
static bool check_self(NewTable *t)
{
    for (size_t i = 0; i < t->constraints.len; i++) {
        const SqliteConstraint *c = &t->constraints.items[i].constraint;
        if (t->constraints.items[i].is_dropped || c->kind != SQLITE_FOREIGN_KEY ||
            !str_eq(c->referent, t->batch->table))
            continue;
        for (size_t k = 0; k < c->remote.len; k++) {
            const NewColumn *column = find_column(t, c->remote.items[k]);
            if (!column || !str_eq(column->name, column->key))
                return alembic_refuse(t->r, t->batch->call, NULL,
                                      "takes the column %.*s from a table that refers to it itself",
                                      STR_ARG(c->remote.items[k]));
        }
    }
    return true;
}

static bool write_create(NewTable *t, Str temporary)
{
    StrBuf sql = strbuf(t->r->arena);
    bool has_any = false;
    strbuf_adds(&sql, "CREATE TABLE ");
    sql_add_ident(&sql, SQL_SQLITE, temporary);
    strbuf_adds(&sql, " (");
    for (size_t i = 0; i < t->columns.len; i++) {
        if (t->columns.items[i].is_dropped)
            continue;
        strbuf_adds(&sql, has_any ? ", " : "");
        has_any = true;
        if (!add_column_sql(t, &t->columns.items[i], &sql))
            return false;
    }
    if (!add_constraints_sql(t, &sql))
        return false;
    strbuf_adds(&sql, ")");
    return alembic_statement(t->r, t->batch->call, &sql);
}

static bool write_copy(NewTable *t, Str temporary)
{
    StrBuf sql = strbuf(t->r->arena), from = strbuf(t->r->arena);
    bool has_any = false;
    strbuf_adds(&sql, "INSERT INTO ");
    sql_add_ident(&sql, SQL_SQLITE, temporary);
    strbuf_adds(&sql, " (");
    for (size_t i = 0; i < t->columns.len; i++) {
        const NewColumn *column = &t->columns.items[i];
        if (column->is_dropped || column->sql.len > 0)
            continue;
        strbuf_adds(&sql, has_any ? ", " : "");
        strbuf_adds(&from, has_any ? ", " : "");
        has_any = true;
        sql_add_ident(&sql, SQL_SQLITE, column->name);
        strbuf_adds(&from, column->cast.len > 0 ? "CAST(" : "");
        sql_add_ident(&from, SQL_SQLITE, column->key);
        if (column->cast.len > 0)
            strbuf_addf(&from, " AS %.*s)", STR_ARG(column->cast));
    }
    if (!has_any)
        return alembic_refuse(t->r, t->batch->call, NULL, "leaves no column of the table %.*s",
                              STR_ARG(t->batch->table));
    strbuf_addf(&sql, ") SELECT %.*s FROM ", STR_ARG(strbuf_str(&from)));
    sql_add_ident(&sql, SQL_SQLITE, t->batch->table);
    return !from.has_failed ? alembic_statement(t->r, t->batch->call, &sql) : alembic_nomem(t->r);
}

static bool write_exchange(NewTable *t, Str temporary)
{
    StrBuf drop = strbuf(t->r->arena), rename = strbuf(t->r->arena);
    strbuf_adds(&drop, "DROP TABLE ");
    sql_add_ident(&drop, SQL_SQLITE, t->batch->table);
    strbuf_adds(&rename, "ALTER TABLE ");
    sql_add_ident(&rename, SQL_SQLITE, temporary);
    strbuf_adds(&rename, " RENAME TO ");
    sql_add_ident(&rename, SQL_SQLITE, t->batch->table);
    return alembic_statement(t->r, t->batch->call, &drop) &&
           alembic_statement(t->r, t->batch->call, &rename);
}

static bool write_index(NewTable *t, const NewIndex *index)
{
    StrBuf sql = strbuf(t->r->arena);
    PyNode list = {.kind = PY_LIST, .line = t->batch->call->line};
    StrVec names;
    if (!has_columns(t, &index->index.columns))
        return alembic_refuse(t->r, index->step ? index->step->call : t->batch->call,
                              "Drop the index in the batch, too.",
                              "leaves the index %.*s without one of its columns",
                              STR_ARG(index->index.name));
    if (!names_of(t, &index->index.columns, &names))
        return false;
    if (!index->step) {
        strbuf_adds(&sql, index->index.is_unique ? "CREATE UNIQUE INDEX " : "CREATE INDEX ");
        sql_add_ident(&sql, SQL_SQLITE, index->index.name);
        strbuf_adds(&sql, " ON ");
        sql_add_ident(&sql, SQL_SQLITE, t->batch->table);
        strbuf_adds(&sql, " ");
        (void)alembic_add_columns(t->r, &names, &sql);
        if (index->index.condition.len > 0)
            strbuf_addf(&sql, " WHERE %.*s", STR_ARG(index->index.condition));
        return alembic_statement(t->r, t->batch->call, &sql);
    }
    IndexCall call = index->step->index;
    for (size_t i = 0; i < names.len; i++) {
        PyNode *node = arena_alloc(t->r->arena, sizeof *node);
        PyItem item = {.value = node};
        if (!node || !vec_push(t->r->arena, &list.items, item))
            return alembic_nomem(t->r);
        *node = (PyNode){.kind = PY_STRING, .line = list.line, .text = names.items[i]};
    }
    call.columns = &list;
    return alembic_write_index(t->r, &call);
}

enum { LONGEST_NAME = 50 };

static bool write_table(NewTable *t)
{
    const char *name = str_format(t->r->arena, "_alembic_tmp_%.*s", STR_ARG(t->batch->table));
    if (!name)
        return alembic_nomem(t->r);
    Str temporary = str_from(name);
    /* Characters, of which a name may have several bytes each */
    size_t end = 0;
    for (size_t count = 0; end < temporary.len; end++)
        if (((unsigned char)temporary.ptr[end] & 0xc0) != 0x80 && count++ == LONGEST_NAME)
            break;
    temporary.len = end;
    if (!check_self(t) || !write_create(t, temporary) || !write_copy(t, temporary) ||
        !write_exchange(t, temporary))
        return false;
    for (size_t i = 0; i < t->indexes.len; i++)
        if (!t->indexes.items[i].is_dropped && !write_index(t, &t->indexes.items[i]))
            return false;
    return true;
}

/* ---- both ---------------------------------------------------------------------------------------------------- */

static bool write_placeholder(Renderer *r, const AlembicBatch *batch)
{
    StrBuf sql = strbuf(r->arena);
    strbuf_adds(&sql, "ALTER TABLE ");
    sql_add_ident(&sql, SQL_SQLITE, batch->table);
    strbuf_addf(&sql, ALEMBIC_REBUILD "%llu", (unsigned long long)r->rebuilds);
    return alembic_statement(r, batch->call, &sql);
}

bool alembic_rebuild(Renderer *r, const AlembicBatch *batch)
{
    NewTable table = {.r = r, .batch = batch};
    StepVec steps = {0};
    r->rebuilds++;
    for (size_t i = 0; i < batch->count; i++) {
        Step step;
        if (!read_step(r, batch->calls[i], &step))
            return false;
        if (!vec_push(r->arena, &steps, step))
            return alembic_nomem(r);
    }
    if (!r->late || r->late->number != r->rebuilds)
        return write_placeholder(r, batch);
    if (!r->late->table)
        return alembic_refuse(r, batch->call, NULL, "rebuilds the table %.*s, which is not there",
                              STR_ARG(batch->table));
    if (r->late->table->trouble)
        return alembic_refuse(r, batch->call, NULL,
                              "rebuilds the table %.*s, which has %s: it would be lost",
                              STR_ARG(batch->table), r->late->table->trouble);
    r->late_from = r->out.len;
    if (!take_table(&table, r->late->table))
        return false;
    for (size_t i = 0; i < steps.len; i++)
        if (!apply(&table, &steps.items[i]))
            return false;
    if (!write_table(&table))
        return false;
    r->late_to = r->out.len;
    return true;
}

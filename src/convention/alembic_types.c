/* SQLAlchemy's types as each engine's SQL, as SQLAlchemy itself writes them. SPDX-License-Identifier: Apache-2.0 */
#include "convention/alembic.h"

typedef struct TypeReading {
    Renderer *r;
    const PyNode *call; /* NULL: the type stands without arguments */
    const PyNode *node; /* for messages */
    Str family;         /* "postgresql", "mysql", "sqlite"; empty: of sqlalchemy itself */
    Str name;
    StrBuf *out;
} TypeReading;

static bool is_name(const TypeReading *t, const char *name)
{
    return str_eq(t->name, str_from(name));
}

static const PyNode *given(const TypeReading *t, size_t place, const char *name)
{
    return t->call ? alembic_argument(t->r, t->call, place, name) : NULL;
}

/* A whole number; *ret_has false: it is not given. */
static bool number(const TypeReading *t, size_t place, const char *name, Str *ret_digits,
                   bool *ret_has)
{
    const PyNode *node = given(t, place, name);
    uint64_t value;
    *ret_has = node != NULL;
    *ret_digits = (Str){0};
    if (!node)
        return true;
    if (node->kind != PY_NUMBER || !str_to_u64(node->text, &value))
        return alembic_refuse(t->r, node, NULL, "gives %s as %s, not as a number", name,
                              python_describe(t->r->arena, node));
    *ret_digits = node->text;
    return true;
}

static bool flag(const TypeReading *t, size_t place, const char *name, bool otherwise,
                 bool *ret_flag)
{
    const PyNode *node = given(t, place, name);
    *ret_flag = otherwise;
    if (!node)
        return true;
    if (node->kind != PY_TRUE && node->kind != PY_FALSE)
        return alembic_refuse(t->r, node, NULL, "gives %s as %s", name,
                              python_describe(t->r->arena, node));
    *ret_flag = node->kind == PY_TRUE;
    return true;
}

/* "NAME" or "NAME(length)". */
static bool with_number(const TypeReading *t, const char *sql, size_t place, const char *name)
{
    Str digits;
    bool has;
    if (!number(t, place, name, &digits, &has))
        return false;
    strbuf_adds(t->out, sql);
    if (has)
        strbuf_addf(t->out, "(%.*s)", STR_ARG(digits));
    return true;
}

/* "NUMERIC", "NUMERIC(10)", "NUMERIC(10, 2)". */
static bool with_scale(const TypeReading *t, const char *sql)
{
    Str precision, scale;
    bool has_precision, has_scale;
    if (!number(t, 0, "precision", &precision, &has_precision) ||
        !number(t, 1, "scale", &scale, &has_scale))
        return false;
    strbuf_adds(t->out, sql);
    if (has_precision && has_scale)
        strbuf_addf(t->out, "(%.*s, %.*s)", STR_ARG(precision), STR_ARG(scale));
    else if (has_precision)
        strbuf_addf(t->out, "(%.*s)", STR_ARG(precision));
    return true;
}

static bool word(const TypeReading *t, size_t place, const char *name, Str *ret_text)
{
    const PyNode *node = given(t, place, name);
    *ret_text = (Str){0};
    return !node || alembic_string(t->r, node, name, ret_text);
}

static bool string_type(const TypeReading *t, const char *sql, bool needs_length)
{
    SqlDialect dialect = t->r->target->dialect;
    Str charset, collation, digits;
    bool has_length, is_mysql = str_eq(t->family, STR("mysql"));
    /* mysql.VARCHAR(50, charset=...): all but the length are named */
    if (!number(t, 0, "length", &digits, &has_length) ||
        !word(t, is_mysql ? SIZE_MAX : 1, "collation", &collation) ||
        !word(t, SIZE_MAX, "charset", &charset))
        return false;
    if (needs_length && !has_length && dialect == SQL_MYSQL)
        return alembic_refuse(t->r, t->node, "Give the length.", "has a VARCHAR without a length");
    strbuf_adds(t->out, sql);
    if (has_length)
        strbuf_addf(t->out, "(%.*s)", STR_ARG(digits));
    if (charset.len > 0)
        strbuf_addf(t->out, " CHARACTER SET %.*s", STR_ARG(charset));
    if (collation.len > 0) {
        strbuf_adds(t->out, " COLLATE ");
        if (dialect == SQL_MYSQL)
            strbuf_add(t->out, collation);
        else
            sql_add_ident(t->out, dialect, collation);
    }
    return true;
}

/* mysql.INTEGER(display_width=11, unsigned=True) */
static bool mysql_integer(const TypeReading *t, const char *sql)
{
    bool is_unsigned, is_filled;
    if (!with_number(t, sql, 0, "display_width") ||
        !flag(t, SIZE_MAX, "unsigned", false, &is_unsigned) ||
        !flag(t, SIZE_MAX, "zerofill", false, &is_filled))
        return false;
    strbuf_adds(t->out, is_unsigned ? " UNSIGNED" : "");
    strbuf_adds(t->out, is_filled ? " ZEROFILL" : "");
    return true;
}

static bool mysql_unsigned(const TypeReading *t)
{
    bool is_unsigned = false;
    if (str_eq(t->family, STR("mysql")) && !flag(t, SIZE_MAX, "unsigned", false, &is_unsigned))
        return false;
    strbuf_adds(t->out, is_unsigned ? " UNSIGNED" : "");
    return true;
}

/* TIMESTAMP and TIME of PostgreSQL say which of both they are. */
static bool zoned(const TypeReading *t, const char *sql)
{
    bool has_zone;
    if (!flag(t, 0, "timezone", false, &has_zone) ||
        !with_number(t, sql, str_eq(t->family, STR("postgresql")) ? 1 : SIZE_MAX, "precision"))
        return false;
    strbuf_adds(t->out, has_zone ? " WITH TIME ZONE" : " WITHOUT TIME ZONE");
    return true;
}

static bool moment(const TypeReading *t, const char *sql)
{
    if (t->r->target->dialect == SQL_POSTGRES)
        return zoned(t, str_eq(str_from(sql), STR("DATETIME")) ? "TIMESTAMP" : sql);
    if (str_eq(t->family, STR("mysql")))
        return with_number(t, sql, 1, "fsp");
    strbuf_adds(t->out, sql);
    return true;
}

/* ---- enumerations ------------------------------------------------------------------------------------------ */

static size_t characters(Str text)
{
    size_t count = 0;
    for (size_t i = 0; i < text.len; i++)
        count += ((unsigned char)text.ptr[i] & 0xc0) != 0x80;
    return count;
}

/* The labels, and how long the longest is. */
static bool read_labels(Renderer *r, const PyNode *call, StrVec *ret_labels, size_t *ret_longest)
{
    StrVec labels = {0};
    *ret_longest = 0;
    if (!(call = alembic_expand(r, call)))
        return false;
    for (size_t i = 0; i < call->items.len; i++) {
        const PyItem *item = &call->items.items[i];
        Str label;
        if (item->name.len > 0)
            continue;
        const PyNode *value = alembic_resolve(r, item->value);
        if (!value || value->kind != PY_STRING)
            return alembic_refuse(r, item->value, "Name the labels as strings.",
                                  "has an enumeration whose labels only Python knows");
        label = value->text;
        if (characters(label) > *ret_longest)
            *ret_longest = characters(label);
        if (!vec_push(r->arena, &labels, label))
            return alembic_nomem(r);
    }
    *ret_labels = labels;
    return true;
}

static bool add_labels(Renderer *r, const StrVec *labels, const char *between, StrBuf *out)
{
    strbuf_adds(out, "(");
    for (size_t i = 0; i < labels->len; i++) {
        strbuf_adds(out, i > 0 ? between : "");
        sql_add_literal(out, r->target->dialect, labels->items[i]);
    }
    strbuf_adds(out, ")");
    return true;
}

bool alembic_enum_labels(Renderer *r, const EnumType *type, StrBuf *out)
{
    StrVec labels;
    size_t longest;
    return read_labels(r, type->call, &labels, &longest) && add_labels(r, &labels, ", ", out);
}

static bool read_enum(const TypeReading *t, EnumType *ret_enum)
{
    bool is_native, may_create;
    EnumType type = {.call = t->call};
    if (!t->call)
        return alembic_refuse(t->r, t->node, NULL, "has an enumeration without labels");
    if (!flag(t, SIZE_MAX, "native_enum", true, &is_native) ||
        !flag(t, SIZE_MAX, "create_type", true, &may_create) ||
        !word(t, SIZE_MAX, "name", &type.name) || !word(t, SIZE_MAX, "schema", &type.schema))
        return false;
    type.is_native = is_native || str_eq(t->family, STR("postgresql"));
    type.may_create = may_create;
    *ret_enum = type;
    return true;
}

/* The check of a type that the engine has not. */
static bool set_check(const TypeReading *t, Str check, Str name, EnumType *ret_enum)
{
    bool has_check;
    if (!flag(t, is_name(t, "Boolean") || is_name(t, "BOOLEAN") ? 0 : SIZE_MAX, "create_constraint",
              false, &has_check))
        return false;
    if (has_check && !ret_enum)
        return alembic_refuse(t->r, t->node, "Write the CHECK as a sa.CheckConstraint.",
                              "has a type with create_constraint=True where no table is made");
    if (has_check) {
        ret_enum->check = check;
        ret_enum->check_name = name;
    }
    return true;
}

static bool enum_type(const TypeReading *t, EnumType *ret_enum)
{
    Renderer *r = t->r;
    StrBuf check = strbuf(r->arena);
    Str text;
    EnumType type;
    StrVec labels;
    size_t longest;
    if (!read_enum(t, &type) || !read_labels(r, t->call, &labels, &longest))
        return false;
    if (type.is_native && r->target->dialect == SQL_POSTGRES) {
        if (type.name.len == 0)
            return alembic_refuse(r, t->node, "Give it a name.",
                                  "has an enumeration without a name");
        alembic_add_name(r, t->out, type.schema, type.name);
        if (ret_enum)
            *ret_enum = type;
        return true;
    }
    if (type.is_native && r->target->dialect == SQL_MYSQL) {
        strbuf_adds(t->out, "ENUM");
        return add_labels(r, &labels, ",", t->out);
    }
    const PyNode *length = given(t, SIZE_MAX, "length");
    uint64_t wanted;
    if (length && length->kind == PY_NUMBER && str_to_u64(length->text, &wanted) &&
        wanted > longest)
        longest = (size_t)wanted;
    if (longest == 0 && r->target->dialect == SQL_MYSQL)
        return alembic_refuse(r, t->node, NULL, "has an enumeration without labels");
    strbuf_adds(t->out, "VARCHAR");
    if (longest > 0)
        strbuf_addf(t->out, "(%zu)", longest);
    strbuf_adds(&check, " IN ");
    return add_labels(r, &labels, ", ", &check) &&
           (strbuf_finish(&check, &text) || alembic_nomem(r)) &&
           set_check(t, text, type.name, ret_enum);
}

/* ---- the names --------------------------------------------------------------------------------------------- */

static bool array_type(const TypeReading *t, EnumType *ret_enum)
{
    Str dimensions;
    bool has;
    uint64_t count = 1;
    const PyNode *item = given(t, 0, "item_type");
    if (t->r->target->dialect != SQL_POSTGRES)
        return alembic_refuse(t->r, t->node, NULL, "has an ARRAY, which only PostgreSQL knows");
    if (!item)
        return alembic_refuse(t->r, t->node, NULL, "has an ARRAY of nothing");
    if (!number(t, SIZE_MAX, "dimensions", &dimensions, &has) ||
        !alembic_type(t->r, item, t->out, NULL, ret_enum))
        return false;
    if (has && (!str_to_u64(dimensions, &count) || count > 6))
        return alembic_refuse(t->r, t->node, NULL, "has an ARRAY of too many dimensions");
    for (uint64_t i = 0; i < count; i++)
        strbuf_adds(t->out, "[]");
    return true;
}

static bool interval_type(const TypeReading *t)
{
    Str fields, precision;
    bool has;
    if (t->r->target->dialect != SQL_POSTGRES) {
        strbuf_adds(t->out, "DATETIME");
        return true;
    }
    if (!number(t, SIZE_MAX,
                str_eq(t->family, STR("postgresql")) ? "precision" : "second_precision", &precision,
                &has) ||
        !word(t, SIZE_MAX, "fields", &fields))
        return false;
    strbuf_adds(t->out, "INTERVAL");
    if (fields.len > 0)
        strbuf_addf(t->out, " %.*s", STR_ARG(fields));
    if (has)
        strbuf_addf(t->out, " (%.*s)", STR_ARG(precision));
    return true;
}

/* sa.Uuid is the engine's own where it has one, else 32 digits; sa.UUID is always UUID. */
static bool uuid_type(const TypeReading *t)
{
    const AlembicTarget *target = t->r->target;
    bool is_native;
    if (!flag(t, SIZE_MAX, "native_uuid", true, &is_native))
        return false;
    bool has_one = target->dialect == SQL_POSTGRES ||
                   (target->is_mariadb && (target->version == 0 || target->version >= 100700));
    strbuf_adds(t->out, is_name(t, "UUID") || (is_native && has_one) ? "UUID" : "CHAR(32)");
    return true;
}

static bool float_type(const TypeReading *t, const char *sql)
{
    if (t->r->target->dialect == SQL_SQLITE) {
        strbuf_adds(t->out, sql);
        return true;
    }
    if (str_eq(t->family, STR("mysql")))
        return with_scale(t, sql) && mysql_unsigned(t);
    return with_number(t, sql, 0, "precision");
}

static bool double_type(const TypeReading *t)
{
    if (str_eq(t->family, STR("mysql")))
        return with_scale(t, "DOUBLE") && mysql_unsigned(t);
    strbuf_adds(t->out, t->r->target->dialect == SQL_POSTGRES || is_name(t, "DOUBLE_PRECISION")
                            ? "DOUBLE PRECISION"
                            : "DOUBLE");
    return true;
}

static bool bytes_type(const TypeReading *t)
{
    if (t->r->target->dialect == SQL_POSTGRES) {
        strbuf_adds(t->out, "BYTEA");
        return true;
    }
    if (t->r->target->dialect == SQL_SQLITE) {
        strbuf_adds(t->out, "BLOB");
        return true;
    }
    return with_number(t, "BLOB", 0, "length");
}

/* Names that stand for themselves, on the engines that have them. */
static const struct {
    const char *name, *sql;
    const char *family; /* only this one's; "": any */
} plain[] = {
    {"Date", "DATE", ""},
    {"DATE", "DATE", ""},
    {"JSON", "JSON", ""},
    {"JSONB", "JSONB", "postgresql"},
    {"BYTEA", "BYTEA", "postgresql"},
    {"INET", "INET", "postgresql"},
    {"CIDR", "CIDR", "postgresql"},
    {"CITEXT", "CITEXT", "postgresql"},
    {"MACADDR", "MACADDR", "postgresql"},
    {"MACADDR8", "MACADDR8", "postgresql"},
    {"MONEY", "MONEY", "postgresql"},
    {"OID", "OID", "postgresql"},
    {"REGCLASS", "REGCLASS", "postgresql"},
    {"REGCONFIG", "REGCONFIG", "postgresql"},
    {"HSTORE", "HSTORE", "postgresql"},
    {"TSVECTOR", "TSVECTOR", "postgresql"},
    {"TSQUERY", "TSQUERY", "postgresql"},
    {"JSONPATH", "JSONPATH", "postgresql"},
    {"INT4RANGE", "INT4RANGE", "postgresql"},
    {"INT8RANGE", "INT8RANGE", "postgresql"},
    {"NUMRANGE", "NUMRANGE", "postgresql"},
    {"DATERANGE", "DATERANGE", "postgresql"},
    {"TSRANGE", "TSRANGE", "postgresql"},
    {"TSTZRANGE", "TSTZRANGE", "postgresql"},
    {"TINYTEXT", "TINYTEXT", "mysql"},
    {"TINYBLOB", "TINYBLOB", "mysql"},
    {"MEDIUMBLOB", "MEDIUMBLOB", "mysql"},
    {"LONGBLOB", "LONGBLOB", "mysql"},
};

static bool plain_type(const TypeReading *t, bool *ret_found)
{
    for (size_t i = 0; i < sizeof plain / sizeof *plain; i++) {
        if (!is_name(t, plain[i].name) ||
            (plain[i].family[0] && !str_eq(t->family, str_from(plain[i].family))))
            continue;
        *ret_found = true;
        strbuf_adds(t->out, plain[i].sql);
        return true;
    }
    *ret_found = false;
    return true;
}

static bool integer_type(const TypeReading *t, TypeFamily *ret_family, bool *ret_found)
{
    static const struct {
        const char *name, *other_name, *sql;
        TypeFamily family;
    } integers[] = {
        {"Integer", "INTEGER", "INTEGER", TYPE_INTEGER},
        {"INT", "INT", "INTEGER", TYPE_INTEGER},
        {"BigInteger", "BIGINT", "BIGINT", TYPE_BIG_INTEGER},
        {"SmallInteger", "SMALLINT", "SMALLINT", TYPE_SMALL_INTEGER},
        {"TINYINT", "TINYINT", "TINYINT", TYPE_INTEGER},
        {"MEDIUMINT", "MEDIUMINT", "MEDIUMINT", TYPE_INTEGER},
    };
    bool is_mysql = str_eq(t->family, STR("mysql"));
    *ret_found = false;
    for (size_t i = 0; i < sizeof integers / sizeof *integers; i++) {
        if ((!is_name(t, integers[i].name) && !is_name(t, integers[i].other_name)) ||
            (i >= 4 && !is_mysql))
            continue;
        *ret_found = true;
        *ret_family = integers[i].family;
        if (is_mysql)
            return mysql_integer(t, integers[i].sql);
        strbuf_adds(t->out, integers[i].sql);
        return true;
    }
    return true;
}

static bool text_type(const TypeReading *t, bool *ret_found)
{
    bool is_mysql = str_eq(t->family, STR("mysql"));
    *ret_found = true;
    if (is_name(t, "String") || is_name(t, "VARCHAR") || is_name(t, "Unicode"))
        return string_type(t, "VARCHAR", true);
    if (is_name(t, "CHAR"))
        return string_type(t, "CHAR", false);
    if (is_name(t, "Text") || is_name(t, "TEXT") || is_name(t, "UnicodeText"))
        return string_type(t, "TEXT", false);
    if (is_mysql && is_name(t, "LONGTEXT"))
        return string_type(t, "LONGTEXT", false);
    if (is_mysql && is_name(t, "MEDIUMTEXT"))
        return string_type(t, "MEDIUMTEXT", false);
    *ret_found = false;
    return true;
}

static bool named_type(const TypeReading *t, TypeFamily *ret_family, EnumType *ret_enum,
                       bool *ret_found)
{
    if (!integer_type(t, ret_family, ret_found) || *ret_found || !text_type(t, ret_found) ||
        *ret_found || !plain_type(t, ret_found) || *ret_found)
        return !t->r->refusal && !t->r->has_failed;
    *ret_found = true;
    if (is_name(t, "Boolean") || is_name(t, "BOOLEAN")) {
        Str check_name;
        strbuf_adds(t->out, t->r->target->dialect == SQL_MYSQL ? "BOOL" : "BOOLEAN");
        return t->r->target->dialect == SQL_POSTGRES ||
               (word(t, 1, "name", &check_name) &&
                set_check(t, STR(" IN (0, 1)"), check_name, ret_enum));
    }
    if (is_name(t, "DateTime") || is_name(t, "DATETIME")) {
        *ret_family = TYPE_DATETIME;
        /* The name in capitals stands for itself, also where the engine has no such type. */
        if (is_name(t, "DATETIME") && t->r->target->dialect == SQL_POSTGRES) {
            strbuf_adds(t->out, "DATETIME");
            return true;
        }
        return moment(t, "DATETIME");
    }
    if (is_name(t, "TIMESTAMP")) {
        *ret_family = TYPE_TIMESTAMP;
        return moment(t, "TIMESTAMP");
    }
    if (is_name(t, "Time") || is_name(t, "TIME"))
        return moment(t, "TIME");
    if (is_name(t, "Float") || is_name(t, "FLOAT"))
        return float_type(t, "FLOAT");
    if (is_name(t, "REAL"))
        return float_type(t, "REAL");
    if (is_name(t, "Double") || is_name(t, "DOUBLE") || is_name(t, "DOUBLE_PRECISION"))
        return double_type(t);
    if (is_name(t, "Numeric") || is_name(t, "NUMERIC"))
        return with_scale(t, "NUMERIC") && mysql_unsigned(t);
    if (is_name(t, "DECIMAL"))
        return with_scale(t, "DECIMAL") && mysql_unsigned(t);
    if (is_name(t, "LargeBinary"))
        return bytes_type(t);
    if (is_name(t, "PickleType")) {
        strbuf_adds(t->out, t->r->target->dialect == SQL_POSTGRES ? "BYTEA" : "BLOB");
        return true;
    }
    if (is_name(t, "BLOB") && t->r->target->dialect != SQL_POSTGRES)
        return bytes_type(t);
    if (is_name(t, "BINARY"))
        return with_number(t, "BINARY", 0, "length");
    if (is_name(t, "VARBINARY"))
        return with_number(t, "VARBINARY", 0, "length");
    if (is_name(t, "Uuid") || is_name(t, "UUID"))
        return uuid_type(t);
    if (is_name(t, "Interval") || is_name(t, "INTERVAL"))
        return interval_type(t);
    if (is_name(t, "Enum") || is_name(t, "ENUM"))
        return enum_type(t, ret_enum);
    if (is_name(t, "ARRAY"))
        return array_type(t, ret_enum);
    if (str_eq(t->family, STR("mysql")) && is_name(t, "YEAR"))
        return with_number(t, "YEAR", 0, "display_width");
    if (str_eq(t->family, STR("mysql")) && is_name(t, "BIT"))
        return with_number(t, "BIT", 0, "length");
    *ret_found = false;
    return true;
}

/* "sqlalchemy.dialects.postgresql.json.JSONB" is of postgresql and called JSONB. */
static bool split_path(Str path, Str *ret_family, Str *ret_name)
{
    static const char *const families[] = {"postgresql", "mysql", "sqlite", NULL};
    size_t dot = SIZE_MAX;
    for (size_t i = 0; i < path.len; i++)
        if (path.ptr[i] == '.')
            dot = i;
    *ret_family = (Str){0};
    *ret_name = dot == SIZE_MAX ? path : str_sub(path, dot + 1, path.len);
    if (!str_starts(path, STR("sqlalchemy.")))
        return false;
    if (!str_starts(path, STR("sqlalchemy.dialects.")))
        return true;
    Str rest = str_sub(path, 20, path.len);
    for (size_t i = 0; families[i]; i++)
        if (str_starts(rest, str_from(families[i])))
            *ret_family = str_from(families[i]);
    return ret_family->len > 0;
}

static const char *family_of(SqlDialect dialect)
{
    switch (dialect) {
    case SQL_POSTGRES:
        return "postgresql";
    case SQL_MYSQL:
        return "mysql";
    case SQL_SQLITE:
        break;
    }
    return "sqlite";
}

/* sa.JSON().with_variant(postgresql.JSONB(), "postgresql") */
static bool choose_variant(Renderer *r, const PyNode *call, const PyNode **ret_type)
{
    const PyNode *type = alembic_argument(r, call, 0, "type_");
    *ret_type = alembic_resolve(r, call->base->base);
    if (!type || python_unpacks(call))
        return alembic_refuse(r, call, NULL, "has a variant that only Python knows");
    for (size_t place = 1; place < call->items.len; place++) {
        const PyNode *dialect = alembic_argument(r, call, place, NULL);
        if (!dialect || dialect->kind != PY_STRING)
            return alembic_refuse(r, call, NULL, "has a variant that only Python knows");
        bool is_ours = str_eq(dialect->text, str_from(family_of(r->target->dialect)));
        if (str_eq(dialect->text, STR("mariadb")))
            return alembic_refuse(r, call, NULL, "has a variant for MariaDB alone");
        if (is_ours)
            *ret_type = type;
    }
    return true;
}

static bool is_variant(const PyNode *node)
{
    return node && node->kind == PY_CALL && node->base->kind == PY_ATTRIBUTE &&
           str_eq(node->base->text, STR("with_variant"));
}

/* What SQLModel writes for a str. */
static bool auto_string(TypeReading *t)
{
    Str digits;
    bool has;
    if (!number(t, 0, "length", &digits, &has))
        return false;
    strbuf_adds(t->out, "VARCHAR");
    if (has)
        strbuf_addf(t->out, "(%.*s)", STR_ARG(digits));
    else if (t->r->target->dialect == SQL_MYSQL)
        strbuf_adds(t->out, "(255)");
    return true;
}

bool alembic_type(Renderer *r, const PyNode *node, StrBuf *out, TypeFamily *ret_family,
                  EnumType *ret_enum)
{
    TypeFamily ignored = TYPE_OTHER;
    TypeReading t = {.r = r, .node = node, .out = out};
    Str path;
    bool found = false;
    ret_family = ret_family ? ret_family : &ignored;
    *ret_family = TYPE_OTHER;
    if (ret_enum)
        *ret_enum = (EnumType){0};
    node = alembic_resolve(r, node);
    for (unsigned i = 0; is_variant(node); i++)
        if (i > 8 || !choose_variant(r, node, &node))
            return false;
    if (!node)
        return alembic_refuse(r, t.node, NULL, "has a column without a type");
    t.node = node;
    t.call = node->kind == PY_CALL ? node : NULL;
    if (t.call && python_unpacks(t.call))
        return alembic_refuse(r, node, NULL, "has a type whose arguments only Python knows");
    if (!alembic_path(r, node, &path))
        return false;
    bool is_known = split_path(path, &t.family, &t.name);
    if (str_eq(path, STR("sqlmodel.sql.sqltypes.AutoString")) ||
        str_eq(path, STR("sqlmodel.AutoString")))
        return auto_string(&t);
    if (is_known && t.family.len > 0 && !str_eq(t.family, str_from(family_of(r->target->dialect))))
        return alembic_refuse(r, node,
                              "Give the type that this engine has: "
                              "sa.JSON().with_variant(postgresql.JSONB(), \"postgresql\"), say.",
                              "has a column of the type %s, which is not for this engine",
                              python_describe(r->arena, node));
    if (is_known && !named_type(&t, ret_family, ret_enum, &found))
        return false;
    return found || alembic_refuse(r, node, NULL, "has a column of the type %s",
                                   python_describe(r->arena, node));
}

bool alembic_enum(Renderer *r, const PyNode *node, EnumType *ret_enum)
{
    TypeReading t = {.r = r};
    Str path;
    node = alembic_resolve(r, node);
    if (!node || node->kind != PY_CALL)
        return false;
    if (!alembic_path(r, node, &path) || !split_path(path, &t.family, &t.name) ||
        (!is_name(&t, "Enum") && !is_name(&t, "ENUM")))
        return false;
    t.call = t.node = node;
    return read_enum(&t, ret_enum);
}

/* What the expressions of a migration come to, as far as it stands in the file: names, strings that are put together, conditions on the
 * engine. Whatever else they may be stays as it is, and whoever needs its value refuses it. SPDX-License-Identifier: Apache-2.0 */
#include "convention/alembic.h"

enum { MOST_STEPS = 10, MOST_DEPTH = 30, MOST_CALLS = 10, MOST_BYTES = 1024 * 1024 };

/* Within op.get_bind().dialect.name on MySQL's protocol: whether that is "mysql" or "mariadb" is up to the URL that Alembic is given. */
static const PyNode mysql_name = {.kind = PY_NAME, .line = 1};

typedef struct Evaluation {
    Renderer *r;
    unsigned depth;
} Evaluation;

static const PyNode *evaluate(Evaluation *e, const PyNode *node);

static PyNode *new_value(Evaluation *e, PyKind kind, const PyNode *at, Str text)
{
    PyNode *node = arena_alloc(e->r->arena, sizeof *node);
    if (!node) {
        (void)alembic_nomem(e->r);
        return NULL;
    }
    *node = (PyNode){.kind = kind,
                     .line = at->line,
                     .column = at->column,
                     .end_line = at->end_line,
                     .text = text};
    return node;
}

static const PyNode *truth(Evaluation *e, const PyNode *at, bool is_true)
{
    return new_value(e, is_true ? PY_TRUE : PY_FALSE, at, is_true ? STR("True") : STR("False"));
}

/* ---- names --------------------------------------------------------------------------------------------------- */

static const PyNode *lookup(Renderer *r, Str name)
{
    for (size_t k = r->locals.len; k-- > r->locals_from;)
        if (str_eq(r->locals.items[k].name, name))
            return r->locals.items[k].value;
    return python_constant(r->module, name);
}

/* The last name of a path, and what it is taken from. */
static bool is_attribute(const PyNode *node, const char *name)
{
    return node && node->kind == PY_ATTRIBUTE && str_eq(node->text, str_from(name));
}

static const PyNode *followed(Renderer *r, const PyNode *node)
{
    for (unsigned i = 0; node && node->kind == PY_NAME && i < MOST_STEPS; i++) {
        const PyNode *value = lookup(r, node->text);
        if (!value)
            break;
        node = value;
    }
    return node;
}

bool alembic_is_bind(Renderer *r, const PyNode *node)
{
    static const char *const calls[] = {"alembic.op.get_bind", "alembic.op.get_context",
                                        "alembic.context.get_bind", "alembic.context.get_context",
                                        NULL};
    Str path;
    node = followed(r, node);
    for (unsigned i = 0;
         i < MOST_STEPS && (is_attribute(node, "engine") || is_attribute(node, "bind") ||
                            is_attribute(node, "connection"));
         i++)
        node = followed(r, node->base);
    if (!node || node->kind != PY_CALL || node->items.len > 0 || !node->base ||
        !alembic_path(r, node, &path))
        return false;
    for (size_t i = 0; calls[i]; i++)
        if (str_eq(path, str_from(calls[i])))
            return true;
    return r->batch_name.len > 0 && node->base->kind == PY_ATTRIBUTE &&
           node->base->base->kind == PY_NAME && str_eq(node->base->base->text, r->batch_name) &&
           (is_attribute(node->base, "get_bind") || is_attribute(node->base, "get_context"));
}

static Str dialect_name(SqlDialect dialect)
{
    switch (dialect) {
    case SQL_POSTGRES:
        return STR("postgresql");
    case SQL_MYSQL:
        return STR("mysql");
    case SQL_SQLITE:
        break;
    }
    return STR("sqlite");
}

/* bind.dialect.name, bind.engine.name; whether SQL is only written down, which it is not here. */
static const PyNode *attribute(Evaluation *e, const PyNode *node)
{
    Renderer *r = e->r;
    bool is_name = is_attribute(node, "name");
    const PyNode *base = is_name ? followed(r, node->base) : NULL;
    const PyNode *bind = base && is_attribute(base, "dialect") ? base->base
                         : is_attribute(base, "engine")        ? base
                                                               : NULL;
    if (bind && alembic_is_bind(r, bind)) {
        PyNode *value = new_value(e, PY_STRING, node, dialect_name(r->target->dialect));
        if (value && r->target->dialect == SQL_MYSQL)
            value->base = &mysql_name;
        return value;
    }
    if (is_attribute(node, "as_sql") && alembic_is_bind(r, node->base))
        return truth(e, node, false);
    return node;
}

/* ---- text ---------------------------------------------------------------------------------------------------- */

/* What str() makes of it. False: that is not known. */
static bool add_text(const PyNode *value, StrBuf *out)
{
    if (!value || value->base || (value->kind != PY_STRING && value->kind != PY_NUMBER))
        return false;
    for (size_t i = 0; value->kind == PY_NUMBER && i < value->text.len; i++) {
        char c = value->text.ptr[i];
        bool is_plain = (c >= '0' && c <= '9') || (i == 0 && c == '-' && value->text.len > 1);
        bool leads =
            c == '0' && i + 1 < value->text.len && (i == 0 || value->text.ptr[i - 1] == '-');
        if (!is_plain || leads)
            return false;
    }
    strbuf_add(out, value->text);
    return out->len < MOST_BYTES;
}

static const PyNode *finish(Evaluation *e, const PyNode *at, StrBuf *out)
{
    Str text;
    if (strbuf_finish(out, &text))
        return new_value(e, PY_STRING, at, text);
    (void)alembic_nomem(e->r);
    return NULL;
}

/* The pieces of an f-string; of a sum only texts, as numbers would be added. */
static const PyNode *join(Evaluation *e, const PyNode *node, bool is_sum)
{
    StrBuf out = strbuf(e->r->arena);
    for (size_t i = 0; i < node->items.len; i++) {
        const PyNode *value = evaluate(e, node->items.items[i].value);
        if ((is_sum && value && value->kind != PY_STRING) || !add_text(value, &out))
            return node;
    }
    return finish(e, node, &out);
}

/* "%s and %(name)s" */
static const PyNode *fill(Evaluation *e, const PyNode *node)
{
    const PyNode *form = evaluate(e, node->items.items[0].value);
    const PyNode *given = evaluate(e, node->items.items[1].value);
    StrBuf out = strbuf(e->r->arena);
    size_t next = 0;
    if (!form || !given || form->kind != PY_STRING || form->base)
        return node;
    bool is_tuple = given->kind == PY_TUPLE;
    for (size_t i = 0; i < form->text.len; i++) {
        Str rest = str_sub(form->text, i + 1, form->text.len);
        const PyNode *value = NULL;
        size_t len = 1, close;
        if (form->text.ptr[i] != '%') {
            strbuf_add_char(&out, form->text.ptr[i]);
            continue;
        }
        if (str_starts(rest, STR("%"))) {
            strbuf_add_char(&out, '%');
            i++;
            continue;
        }
        if (str_starts(rest, STR("s")) && given->kind != PY_DICT) {
            if (is_tuple ? next < given->items.len : next == 0)
                value = is_tuple ? given->items.items[next].value : given;
            next++;
        } else if (str_starts(rest, STR("(")) && given->kind == PY_DICT &&
                   (close = str_find(rest, STR(")s"), 0)) != SIZE_MAX) {
            for (size_t k = 0; k < given->items.len; k++) {
                const PyNode *key = evaluate(e, given->items.items[k].key);
                if (key && key->kind == PY_STRING && str_eq(key->text, str_sub(rest, 1, close)))
                    value = given->items.items[k].value;
            }
            len = close + 2;
        }
        if (!value || !add_text(evaluate(e, value), &out))
            return node;
        i += len;
    }
    if (given->kind != PY_DICT && next != (is_tuple ? given->items.len : 1))
        return node;
    return finish(e, node, &out);
}

/* "{} and {name}".format(...) */
static const PyNode *format(Evaluation *e, const PyNode *call)
{
    const PyNode *form = evaluate(e, call->base->base);
    StrBuf out = strbuf(e->r->arena);
    size_t next = 0;
    if (!form || form->kind != PY_STRING || form->base || python_unpacks(call))
        return call;
    for (size_t i = 0; i < form->text.len; i++) {
        char c = form->text.ptr[i];
        bool is_twice = i + 1 < form->text.len && form->text.ptr[i + 1] == c;
        if (c != '{' && c != '}') {
            strbuf_add_char(&out, c);
            continue;
        }
        if (is_twice) {
            strbuf_add_char(&out, c);
            i++;
            continue;
        }
        size_t close = str_find_char(form->text, '}', i);
        if (c == '}' || close == SIZE_MAX)
            return call;
        Str name = str_sub(form->text, i + 1, close);
        uint64_t place = next;
        const char *word = str_z(e->r->arena, name);
        bool is_place = name.len == 0 || str_to_u64(name, &place);
        if (!word) {
            (void)alembic_nomem(e->r);
            return NULL;
        }
        next += name.len == 0;
        const PyNode *value =
            python_argument(call, is_place ? (size_t)place : SIZE_MAX, is_place ? NULL : word);
        if (!value || !add_text(evaluate(e, value), &out))
            return call;
        i = close;
    }
    return finish(e, call, &out);
}

bool alembic_is_whole(const PyNode *list)
{
    if (python_unpacks(list))
        return false;
    for (size_t i = 0; i < list->items.len; i++)
        if (list->items.items[i].value->kind == PY_OTHER) /* perhaps a comprehension */
            return false;
    return true;
}

/* ---- lists ---------------------------------------------------------------------------------------------------- */

static const PyNode *pair(Evaluation *e, const PyNode *at, const PyNode *one, const PyNode *two)
{
    PyNode *tuple = new_value(e, PY_TUPLE, at, (Str){0});
    PyItem items[2] = {{.value = one}, {.value = two}};
    if (tuple && (!vec_push(e->r->arena, &tuple->items, items[0]) ||
                  !vec_push(e->r->arena, &tuple->items, items[1]))) {
        (void)alembic_nomem(e->r);
        return NULL;
    }
    return tuple;
}

static const PyNode *number_of(Evaluation *e, const PyNode *at, size_t number)
{
    const char *digits = str_format(e->r->arena, "%zu", number);
    if (digits)
        return new_value(e, PY_NUMBER, at, str_from(digits));
    (void)alembic_nomem(e->r);
    return NULL;
}

/* A list or tuple of which all is known, NULL: it is none. */
static const PyNode *known_list(Evaluation *e, const PyNode *node)
{
    const PyNode *list = evaluate(e, node);
    return list && (list->kind == PY_LIST || list->kind == PY_TUPLE) && alembic_is_whole(list)
               ? list
               : NULL;
}

/* list(x), tuple(x), reversed(x), enumerate(x), zip(x, y) and the views of a dict. */
static const PyNode *list_call(Evaluation *e, const PyNode *call)
{
    bool is_method = call->base->kind == PY_ATTRIBUTE;
    Str name = call->base->text;
    const PyNode *of = is_method             ? evaluate(e, call->base->base)
                       : call->items.len > 0 ? known_list(e, call->items.items[0].value)
                                             : NULL;
    const PyNode *other = NULL;
    bool is_zip = str_eq(name, STR("zip")), is_reversed = str_eq(name, STR("reversed"));
    bool is_plain = str_eq(name, STR("list")) || str_eq(name, STR("tuple"));
    bool counts = str_eq(name, STR("enumerate")), is_keys = str_eq(name, STR("keys"));
    bool is_values = str_eq(name, STR("values"));
    if (!of || call->items.len != (is_method ? 0 : is_zip ? 2 : 1) || python_unpacks(call))
        return call;
    if (is_method && (of->kind != PY_DICT || !alembic_is_whole(of) ||
                      (!is_keys && !is_values && !str_eq(name, STR("items")))))
        return call;
    if (!is_method && !is_zip && !is_reversed && !is_plain && !counts)
        return call;
    if (is_zip && !(other = known_list(e, call->items.items[1].value)))
        return call;
    PyNode *list = new_value(e, PY_LIST, call, (Str){0});
    for (size_t i = 0; list && i < of->items.len && (!is_zip || i < other->items.len); i++) {
        const PyItem *given = &of->items.items[is_reversed ? of->items.len - 1 - i : i];
        PyItem item = {.value = given->value};
        if (is_zip)
            item.value = pair(e, call, given->value, other->items.items[i].value);
        else if (counts)
            item.value = pair(e, call, number_of(e, call, i), given->value);
        else if (is_keys)
            item.value = given->key;
        else if (is_method && !is_values)
            item.value = pair(e, call, given->key, given->value);
        if (!item.value || !vec_push(e->r->arena, &list->items, item)) {
            (void)alembic_nomem(e->r);
            return NULL;
        }
    }
    return list;
}

const PyNode *alembic_expand(Renderer *r, const PyNode *call)
{
    Evaluation e = {.r = r};
    PyNode *copy;
    if (!call || !python_unpacks(call) || !(copy = new_value(&e, call->kind, call, call->text)))
        return call;
    copy->base = call->base;
    for (size_t i = 0; i < call->items.len; i++) {
        const PyItem *item = &call->items.items[i];
        bool is_list = str_eq(item->name, STR("*")), is_dict = str_eq(item->name, STR("**"));
        const PyNode *value = is_list   ? known_list(&e, item->value)
                              : is_dict ? evaluate(&e, item->value)
                                        : NULL;
        if ((is_list && !value) || (is_dict && (!value || value->kind != PY_DICT)))
            return call;
        if (!value && !vec_push(r->arena, &copy->items, *item)) {
            (void)alembic_nomem(r);
            return NULL;
        }
        for (size_t k = 0; value && k < value->items.len; k++) {
            PyItem one = {.value = value->items.items[k].value};
            const PyNode *key = is_dict ? evaluate(&e, value->items.items[k].key) : NULL;
            if (is_dict && (!key || key->kind != PY_STRING))
                return call;
            one.name = is_dict ? key->text : (Str){0};
            if (!vec_push(r->arena, &copy->items, one)) {
                (void)alembic_nomem(r);
                return NULL;
            }
        }
    }
    return copy;
}

/* ---- functions of the file that only give a value ------------------------------------------------------------ */

/* What its lines come to; NULL: they do more than that, or nobody knows. */
static const PyNode *value_of_body(Evaluation *e, const PyStatementVec *body)
{
    Renderer *r = e->r;
    for (size_t i = 0; i < body->len; i++) {
        const PyStatement *statement = &body->items[i];
        PyName name = {statement->name, NULL};
        const PyNode *value;
        bool is_harmless = true;
        int condition;
        switch (statement->kind) {
        case PY_PASS:
        case PY_IMPORT:
            continue;
        case PY_EXPRESSION:
            if (statement->value->kind != PY_STRING)
                return NULL;
            continue;
        case PY_ASSIGN:
            if (!alembic_is_harmless(r, statement->value, &is_harmless) || !is_harmless)
                return NULL;
            name.value = alembic_freeze(r, statement->value);
            if (!name.value || !vec_push(r->arena, &r->locals, name)) {
                (void)alembic_nomem(r);
                return NULL;
            }
            continue;
        case PY_IF:
            condition = alembic_truth(r, statement->value);
            if (condition < 0)
                return NULL;
            value = value_of_body(e, condition ? &statement->body : &statement->otherwise);
            if (value || (condition ? statement->body.len : statement->otherwise.len) > 0)
                return value;
            continue;
        case PY_RETURN:
            if (!statement->value || !alembic_is_harmless(r, statement->value, &is_harmless) ||
                !is_harmless)
                return NULL;
            return alembic_freeze(r, statement->value);
        case PY_DEF:
        case PY_CLASS:
        case PY_WITH:
        case PY_FOR:
        case PY_TRY:
        case PY_BLOCK:
        case PY_SIMPLE:
            break;
        }
        return NULL;
    }
    return NULL;
}

static const PyNode *function_value(Evaluation *e, const PyNode *call)
{
    Renderer *r = e->r;
    const PyStatement *function = python_find(&r->module->body, PY_DEF, call->base->text);
    size_t locals = r->locals.len, from = r->locals_from;
    const PyNode *value = NULL;
    bool fits;
    if (!function || r->depth == MOST_CALLS)
        return call;
    if (alembic_bind_parameters(r, function, call, &fits) && fits) {
        r->depth++;
        r->locals_from = locals;
        value = value_of_body(e, &function->body);
        r->locals_from = from;
        r->depth--;
    }
    r->locals.len = locals;
    return value ? value : call;
}

/* ---- conditions ---------------------------------------------------------------------------------------------- */

/* -1: not known */
static int equals(const PyNode *one, const PyNode *two)
{
    if (!one || !two || one->kind != PY_STRING || two->kind != PY_STRING)
        return -1;
    if ((one->base || two->base) && str_eq(one->base ? two->text : one->text, STR("mariadb")))
        return -1;
    return str_eq(one->text, two->text);
}

static int contains(Evaluation *e, const PyNode *among, const PyNode *value)
{
    int found = 0;
    if (!among || (among->kind != PY_LIST && among->kind != PY_TUPLE && among->kind != PY_SET) ||
        !alembic_is_whole(among))
        return -1;
    for (size_t i = 0; i < among->items.len; i++) {
        int is_it = equals(evaluate(e, among->items.items[i].value), value);
        if (is_it == 1)
            return 1;
        if (is_it < 0)
            found = -1;
    }
    return found;
}

static int is_true(const PyNode *value)
{
    if (!value)
        return -1;
    switch (value->kind) {
    case PY_TRUE:
        return 1;
    case PY_FALSE:
    case PY_NONE:
        return 0;
    case PY_STRING:
        return value->text.len > 0;
    case PY_LIST:
    case PY_TUPLE:
    case PY_SET:
    case PY_DICT:
        return alembic_is_whole(value) ? value->items.len > 0 : -1;
    case PY_NUMBER:
    case PY_BYTES:
    case PY_NAME:
    case PY_ATTRIBUTE:
    case PY_CALL:
    case PY_OPERATION:
    case PY_OTHER:
        break;
    }
    return -1;
}

static int truth_of(Evaluation *e, const PyNode *node)
{
    int value = is_true(evaluate(e, node));
    return value < 0 && alembic_is_bind(e->r, node) ? 1 : value;
}

/* isinstance(bind.dialect, MySQLDialect). -1: not known. */
static int is_instance(Evaluation *e, const PyNode *call)
{
    static const struct {
        const char *prefix;
        int dialect;
    } families[] = {{"sqlalchemy.dialects.postgresql.", SQL_POSTGRES},
                    {"sqlalchemy.dialects.mysql.", SQL_MYSQL},
                    {"sqlalchemy.dialects.sqlite.", SQL_SQLITE},
                    {"sqlalchemy.dialects.mssql.", -1},
                    {"sqlalchemy.dialects.oracle.", -1}};
    const Str drivers =
        STR(".dialect"); /* the driver's that is the default: perhaps another is in use */
    const PyNode *one, *among;
    Str path;
    int found = 0;
    if (call->items.len != 2 || python_unpacks(call))
        return -1;
    one = followed(e->r, call->items.items[0].value);
    among = followed(e->r, call->items.items[1].value);
    if (!is_attribute(one, "dialect") || !alembic_is_bind(e->r, one->base))
        return -1;
    bool is_tuple = among->kind == PY_TUPLE;
    for (size_t i = 0; i < (is_tuple ? among->items.len : 1); i++) {
        bool is_known = false;
        if (!alembic_path(e->r, is_tuple ? among->items.items[i].value : among, &path))
            return -1;
        for (size_t k = 0; k < sizeof families / sizeof *families; k++) {
            if (!str_starts(path, str_from(families[k].prefix)))
                continue;
            bool is_ours = families[k].dialect == (int)e->r->target->dialect;
            is_known = !is_ours || !str_ends(path, drivers);
            if (is_ours && is_known)
                return 1;
        }
        found = is_known ? found : -1;
    }
    return found;
}

/* "name".startswith("n") and the like; the call itself: it is none, or nobody knows. */
static const PyNode *text_call(Evaluation *e, const PyNode *call)
{
    const PyNode *of = evaluate(e, call->base->base);
    const PyNode *given = call->items.len == 1 ? evaluate(e, call->items.items[0].value) : NULL;
    bool is_start = is_attribute(call->base, "startswith");
    bool is_upper = is_attribute(call->base, "upper");
    if (!of || of->kind != PY_STRING || python_unpacks(call))
        return call;
    if (is_start || is_attribute(call->base, "endswith")) {
        if (!given || given->kind != PY_STRING || given->base ||
            (of->base && (!is_start || str_starts(STR("mariadb"), given->text))))
            return call;
        return truth(e, call,
                     is_start ? str_starts(of->text, given->text)
                              : str_ends(of->text, given->text));
    }
    if (call->items.len > 0 || of->base || (!is_upper && !is_attribute(call->base, "lower")))
        return call;
    StrBuf out = strbuf(e->r->arena);
    for (size_t i = 0; i < of->text.len; i++) {
        char c = of->text.ptr[i];
        if ((unsigned char)c >= 0x80)
            return call;
        bool turns = is_upper ? c >= 'a' && c <= 'z' : c >= 'A' && c <= 'Z';
        strbuf_add_char(&out, turns ? (char)(c ^ 0x20) : c);
    }
    return finish(e, call, &out);
}

static int condition(Evaluation *e, const PyNode *node)
{
    const PyItem *items = node->items.items;
    if (str_eq(node->text, STR("not"))) {
        int value = truth_of(e, items[0].value);
        return value < 0 ? -1 : !value;
    }
    bool is_and = str_eq(node->text, STR("and"));
    if (is_and || str_eq(node->text, STR("or"))) {
        for (size_t i = 0; i < node->items.len; i++) {
            int value = truth_of(e, items[i].value);
            if (value < 0 || value == !is_and)
                return value;
        }
        return is_and;
    }
    const PyNode *one = evaluate(e, items[0].value), *two = evaluate(e, items[1].value);
    bool is_in = str_ends(node->text, STR("in"));
    int value = is_in ? contains(e, two, one) : equals(one, two);
    bool is_negated = str_starts(node->text, STR("not")) || str_starts(node->text, STR("!"));
    return value < 0 ? -1 : value != is_negated;
}

static const PyNode *operate(Evaluation *e, const PyNode *node)
{
    const PyItem *items = node->items.items;
    if (str_eq(node->text, STR("f")))
        return join(e, node, false);
    if (str_eq(node->text, STR("+")))
        return join(e, node, true);
    if (str_eq(node->text, STR("%")))
        return fill(e, node);
    if (str_eq(node->text, STR("if"))) {
        int value = truth_of(e, items[0].value);
        return value < 0 ? node : evaluate(e, items[value ? 1 : 2].value);
    }
    int value = condition(e, node);
    return value < 0 ? node : truth(e, node, value);
}

/* The value of a call, or the call itself. */
static const PyNode *call_value(Evaluation *e, const PyNode *call)
{
    Renderer *r = e->r;
    Str path;
    if (python_unpacks(call))
        return alembic_expand(r, call);
    if (is_attribute(call->base, "format"))
        return format(e, call);
    if (call->items.len == 0 && is_attribute(call->base, "is_offline_mode") &&
        alembic_path(r, call, &path) && str_eq(path, STR("alembic.context.is_offline_mode")))
        return truth(e, call, false);
    if (call->base->kind == PY_NAME && str_eq(call->base->text, STR("isinstance"))) {
        int value = is_instance(e, call);
        return value < 0 ? call : truth(e, call, value);
    }
    if (call->base->kind == PY_NAME && python_find(&r->module->body, PY_DEF, call->base->text))
        return function_value(e, call);
    if (call->base->kind != PY_NAME && call->base->kind != PY_ATTRIBUTE)
        return call;
    const PyNode *list = list_call(e, call);
    return list == call && call->base->kind == PY_ATTRIBUTE ? text_call(e, call) : list;
}

static const PyNode *evaluate(Evaluation *e, const PyNode *node)
{
    Renderer *r = e->r;
    const PyNode *value;
    node = followed(r, node);
    if (!node || r->refusal || r->has_failed || e->depth == MOST_DEPTH)
        return node;
    e->depth++;
    value = node;
    if (node->kind == PY_OPERATION) {
        value = operate(e, node);
    } else if (node->kind == PY_ATTRIBUTE) {
        value = attribute(e, node);
    } else if (node->kind == PY_CALL && node->base) {
        value = call_value(e, node);
    }
    e->depth--;
    return value ? value : node;
}

const PyNode *alembic_resolve(Renderer *r, const PyNode *node)
{
    Evaluation e = {.r = r};
    node = evaluate(&e, node);
    if (node && node->kind == PY_STRING && str_find_char(node->text, '\0', 0) != SIZE_MAX)
        (void)alembic_refuse(r, node, NULL, "has a NUL in a string");
    return node;
}

int alembic_truth(Renderer *r, const PyNode *node)
{
    int value = is_true(alembic_resolve(r, node));
    return value < 0 && alembic_is_bind(r, node) ? 1 : value;
}

/* ---- freezing ------------------------------------------------------------------------------------------------ */

static const PyNode *freeze(Evaluation *e, const PyNode *node)
{
    const PyNode *value = evaluate(e, node);
    bool has_base = value && (value->kind == PY_CALL || value->kind == PY_ATTRIBUTE) && value->base;
    if (!value || (value->items.len == 0 && !has_base) || e->depth == MOST_DEPTH)
        return value;
    PyNode *copy = new_value(e, value->kind, value, value->text);
    if (!copy)
        return NULL;
    e->depth++;
    copy->base = has_base ? freeze(e, value->base) : value->base;
    for (size_t i = 0; i < value->items.len; i++) {
        PyItem item = value->items.items[i];
        item.value = freeze(e, item.value);
        item.key = item.key ? freeze(e, item.key) : NULL;
        if (!item.value || !vec_push(e->r->arena, &copy->items, item)) {
            (void)alembic_nomem(e->r);
            return NULL;
        }
    }
    e->depth--;
    return has_base && !copy->base ? NULL : copy;
}

const PyNode *alembic_freeze(Renderer *r, const PyNode *node)
{
    Evaluation e = {.r = r};
    return freeze(&e, node);
}

/* The tree of a changelog: its root in YAML, JSON, XML or SQL, what it includes, and the changesets of type sql and sqlFile that stand
 * in it. Any other change keeps its changeset's place and says which it is. SPDX-License-Identifier: Apache-2.0 */
#include "convention/liquibase.h"

#include <stdlib.h>

enum { DEEPEST_INCLUDE = 50 };

bool(liquibase_bad)(Error *err, const char *path, uint32_t line, const char *what, const char *hint)
{
    error_set(err, ERROR_PARSE, "%s: %s", path, what);
    error_code(err, "bad-changelog");
    error_at(err, str_from(path), line, line > 0 ? 1 : 0);
    return error_hint(err, "%s", hint);
}

/* ---- changesets ---------------------------------------------------------------------------------------------- */

LbChangeSet *liquibase_new_set(LbReading *r, const LbFile *file, uint32_t line)
{
    LbChangeSet *set = arena_alloc(r->arena, sizeof *set);
    if (!set) {
        error_nomem(r->err);
        return NULL;
    }
    *set = (LbChangeSet){.file = file->path,
                         .line = line,
                         .path = file->logical.len > 0 ? file->logical : file->name,
                         .is_ignored = file->is_ignored,
                         .outer = file->preconditions};
    set->up.path = set->down.path = file->path;
    set->up.line = set->down.line = line;
    return set;
}

/* "(a or b)", several with "AND" between them, as the history keeps them. */
static bool write_contexts(LbReading *r, LbChangeSet *set)
{
    StrBuf out = strbuf(r->arena);
    for (size_t i = 0; i < set->contexts.len; i++) {
        Str one = str_trim(set->contexts.items[i]);
        bool is_compound =
            str_find_char(one, ' ', 0) != SIZE_MAX || str_find_char(one, ',', 0) != SIZE_MAX;
        strbuf_adds(&out, i > 0 ? " AND " : "");
        strbuf_adds(&out, is_compound ? "(" : "");
        strbuf_add(&out, one);
        strbuf_adds(&out, is_compound ? ")" : "");
    }
    return strbuf_finish(&out, &set->context) || error_nomem(r->err);
}

static bool is_in_contexts(const LbReading *r, const LbChangeSet *set)
{
    const StrVec *wanted = &r->settings->contexts;
    for (size_t i = 0; i < set->contexts.len; i++) {
        Str expression = set->contexts.items[i];
        bool asks = str_find_char(expression, '@', 0) != SIZE_MAX;
        if ((wanted->len > 0 || asks) && !liquibase_matches(expression, wanted))
            return false;
    }
    return true;
}

bool liquibase_add_valid_sum(LbReading *r, LbChangeSet *set, Str sum)
{
    sum = str_trim(sum);
    set->takes_any_checksum = set->takes_any_checksum || str_eq_nocase(sum, STR("any")) ||
                              str_eq_nocase(sum, STR("all")) || str_ends(sum, STR("*")) ||
                              str_ends(sum, STR(":any"));
    return vec_push(r->arena, &set->valid_checksums, sum) || error_nomem(r->err);
}

const LbChangeSet *liquibase_find_set(const LbReading *r, Str id, Str author, Str path)
{
    for (size_t i = r->log->sets.len; i-- > 0;) {
        const LbChangeSet *other = r->log->sets.items[i];
        if (str_eq_nocase(other->id, id) && str_eq_nocase(other->author, author) &&
            (path.len == 0 || str_eq_nocase(other->path, path)))
            return other;
    }
    return NULL;
}

bool liquibase_add_set(LbReading *r, const LbFile *file, LbChangeSet *set)
{
    StrVec contexts = {0}, labels = {0};
    for (size_t i = 0; file->contexts && i < file->contexts->len; i++)
        if (!vec_push(r->arena, &contexts, file->contexts->items[i]))
            return error_nomem(r->err);
    for (size_t i = 0; i < set->contexts.len; i++)
        if (!vec_push(r->arena, &contexts, set->contexts.items[i]))
            return error_nomem(r->err);
    set->contexts = contexts;
    if (file->labels.len > 0) {
        const char *both =
            set->labels.len > 0
                ? str_format(r->arena, "%.*s,%.*s", STR_ARG(set->labels), STR_ARG(file->labels))
                : str_z(r->arena, file->labels);
        if (!both)
            return error_nomem(r->err);
        set->labels = str_from(both);
    }
    StrBuf list = strbuf(r->arena);
    if (!liquibase_split_words(r->arena, set->labels, &labels))
        return error_nomem(r->err);
    for (size_t i = 0; i < labels.len; i++) {
        strbuf_adds(&list, i > 0 ? "," : "");
        strbuf_add(&list, labels.items[i]);
    }
    if (!strbuf_finish(&list, &set->labels))
        return error_nomem(r->err);
    const LbPreconditions *wanted[] = {set->preconditions, set->outer};
    for (size_t i = 0; i < 2; i++) {
        if (set->refusal || !wanted[i] || !wanted[i]->refusal)
            continue;
        set->refusal = wanted[i]->refusal;
        set->refusal_line = wanted[i]->refusal_line;
    }
    bool has_label = labels.len == 0 || liquibase_matches(r->settings->label_filter, &labels);
    set->is_off = set->is_ignored || !liquibase_is_for(r->ctx, set->dbms) ||
                  !is_in_contexts(r, set) || !has_label;
    return write_contexts(r, set) &&
           (vec_push(r->arena, &r->log->sets, set) || error_nomem(r->err));
}

bool liquibase_add_property(LbReading *r, const LbFile *file, Str name, Str value, Str context,
                            Str labels, Str dbms, bool is_global)
{
    StrVec words = {0};
    if (!liquibase_split_words(r->arena, labels, &words))
        return error_nomem(r->err);
    bool holds =
        liquibase_is_for(r->ctx, dbms) &&
        (r->settings->contexts.len == 0 || liquibase_matches(context, &r->settings->contexts)) &&
        (words.len == 0 || liquibase_matches(r->settings->label_filter, &words));
    LbParameter one = {.name = name, .file = is_global ? NULL : file->path};
    if (!holds)
        return true;
    return liquibase_expand(r, file, value, &one.value) &&
           (vec_push(r->arena, &r->parameters, one) || error_nomem(r->err));
}

/* ---- files ------------------------------------------------------------------------------------------------------- */

static bool read_file(LbReading *r, const LbFile *file);

static bool is_there(const LbReading *r, const char *path, FileKind kind)
{
    FileInfo info;
    return path && file_tree_info(r->ctx->files, path, &info, NULL) && info.kind == kind;
}

/* Below which of the search path's folders it is. *ret_path NULL: below none. */
static bool locate(LbReading *r, Str name, FileKind kind, const char **ret_path)
{
    *ret_path = NULL;
    for (size_t i = 0; i < r->settings->search_path_len && !*ret_path; i++) {
        const char *folder = str_z(r->arena, r->settings->search_path[i]);
        const char *path = folder ? path_join(r->arena, folder, name) : NULL;
        if (!path)
            return error_nomem(r->err);
        if (is_there(r, path, kind))
            *ret_path = path;
    }
    return true;
}

/* What a changelog names: beside itself where it says so. */
static bool resolve(LbReading *r, const LbFile *from, const MarkupNode *node, Str name,
                    FileKind kind, Str *ret_name, const char **ret_path)
{
    bool is_relative =
        str_eq_nocase(markup_text(node, STR("relativeToChangelogFile")), STR("true"));
    Str expanded;
    if (!liquibase_expand(r, from, name, &expanded))
        return false;
    if (is_relative) {
        const char *beside =
            path_join(r->arena, str_z(r->arena, path_folder(from->name)), expanded);
        if (!beside)
            return error_nomem(r->err);
        expanded = str_from(beside);
    }
    if (!liquibase_path(r->arena, expanded, ret_name))
        return error_nomem(r->err);
    if (!locate(r, *ret_name, kind, ret_path))
        return false;
    if (!*ret_path && path_is_absolute(expanded)) {
        const char *path = str_z(r->arena, expanded);
        if (!path)
            return error_nomem(r->err);
        if (is_there(r, path, kind))
            *ret_path = path;
    }
    return true;
}

static bool is_false(Str word)
{
    return str_eq_nocase(word, STR("false"));
}

/* What an include says of all that it includes. */
static bool include_context(LbReading *r, const LbFile *from, const MarkupNode *node, LbFile *to)
{
    Str context = markup_text(node, STR("contextFilter"));
    Str labels = markup_text(node, STR("labels"));
    if (context.len == 0)
        context = markup_text(node, STR("context"));
    *to = (LbFile){.contexts = from->contexts,
                   .labels = from->labels,
                   .preconditions = from->preconditions,
                   .is_ignored = from->is_ignored ||
                                 str_eq_nocase(markup_text(node, STR("ignore")), STR("true"))};
    if (context.len > 0) {
        StrVec *contexts = arena_alloc(r->arena, sizeof *contexts);
        if (!contexts)
            return error_nomem(r->err);
        *contexts = (StrVec){0};
        for (size_t i = 0; from->contexts && i < from->contexts->len; i++)
            if (!vec_push(r->arena, contexts, from->contexts->items[i]))
                return error_nomem(r->err);
        if (!vec_push(r->arena, contexts, context))
            return error_nomem(r->err);
        to->contexts = contexts;
    }
    if (labels.len > 0) {
        const char *both = from->labels.len > 0 ? str_format(r->arena, "%.*s,%.*s",
                                                             STR_ARG(from->labels), STR_ARG(labels))
                                                : str_z(r->arena, labels);
        if (!both)
            return error_nomem(r->err);
        to->labels = str_from(both);
    }
    Str logical = markup_text(node, STR("logicalFilePath"));
    return logical.len == 0 || liquibase_path(r->arena, logical, &to->logical) ||
           error_nomem(r->err);
}

static bool include(LbReading *r, const LbFile *from, const MarkupNode *node)
{
    LbFile to;
    Str name = markup_text(node, STR("file"));
    if (node->is_scalar && name.len == 0)
        name = node->text;
    if (name.len == 0)
        return liquibase_bad(r->err, from->path, node->line, "include names no file",
                             "Write file: and the path of a changelog.");
    if (!include_context(r, from, node, &to) ||
        !resolve(r, from, node, name, FILE_REGULAR, &to.name, &to.path))
        return false;
    if (to.path)
        return read_file(r, &to);
    if (is_false(markup_text(node, STR("errorIfMissing"))))
        return true;
    const char *what =
        str_format(r->arena, "the included file %.*s is not there", STR_ARG(to.name));
    return what
               ? liquibase_bad(r->err, from->path, node->line, what,
                               "Paths are looked for below the search path (liquibase.properties: "
                               "searchPath), which is the project's folder unless it says another.")
               : error_nomem(r->err);
}

/* ---- all files of a folder ------------------------------------------------------------------------------------------ */

static bool is_changelog(Str name)
{
    static const char *const ends[] = {".sql", ".xml", ".yaml", ".yml", ".json", NULL};
    for (size_t i = 0; ends[i]; i++)
        if (str_ends(name, str_from(ends[i])))
            return true;
    return false;
}

typedef struct Found {
    Str name;
    const char *path;
} Found;
typedef Vec(Found) FoundVec;

static bool gather(LbReading *r, const char *folder, Str name, uint64_t depth, FoundVec *found)
{
    FolderEntryVec entries = {0};
    if (!file_tree_list(r->ctx->files, r->arena, folder, &entries, r->err))
        return false;
    for (size_t i = 0; i < entries.len; i++) {
        const FolderEntry *entry = &entries.items[i];
        Found one = {.path = path_join(r->arena, folder, entry->name)};
        const char *below =
            name.len > 0 ? str_format(r->arena, "%.*s/%.*s", STR_ARG(name), STR_ARG(entry->name))
                         : str_z(r->arena, entry->name);
        if (!one.path || !below)
            return error_nomem(r->err);
        one.name = str_from(below);
        if (entry->name.ptr[0] == '.')
            continue;
        if (entry->kind == FILE_FOLDER) {
            if (depth > 0 && !gather(r, one.path, one.name, depth - 1, found))
                return false;
        } else if (entry->kind == FILE_REGULAR && !vec_push(r->arena, found, one)) {
            return error_nomem(r->err);
        }
    }
    return true;
}

static int by_name(const void *a, const void *b)
{
    const Found *one = a, *two = b;
    return str_cmp(one->name, two->name);
}

/* SQL that is not formatted is one changeset of its own. */
static bool add_raw(LbReading *r, const LbFile *file, Str text)
{
    LbChangeSet *set = liquibase_new_set(r, file, 1);
    LbSums sums = {0};
    if (!set)
        return false;
    set->id = STR("raw");
    set->author = STR("includeAll");
    set->description = STR("sql");
    return ((liquibase_add_sums(r->arena, text, (LbCutting){0}, &sums) &&
             liquibase_set_sums(r->arena, &sums, set)) ||
            error_nomem(r->err)) &&
           liquibase_add_sql(r, &set->up, text, 1, true, (Str){0}) &&
           liquibase_add_set(r, file, set);
}

static bool read_all(LbReading *r, const LbFile *like, FoundVec *found, Str end)
{
    if (found->len > 1)
        qsort(found->items, found->len, sizeof *found->items, by_name);
    for (size_t i = 0; i < found->len; i++) {
        LbFile file = *like;
        file.name = found->items[i].name;
        file.path = found->items[i].path;
        if (!is_changelog(file.name) || (end.len > 0 && !str_ends(file.name, end)))
            continue;
        if (!read_file(r, &file))
            return false;
    }
    return true;
}

static bool include_all(LbReading *r, const LbFile *from, const MarkupNode *node)
{
    static const char *const strange[] = {"filter", "resourceFilter", "resourceComparator", NULL};
    LbFile to;
    Str name = markup_text(node, STR("path")), depth_text = markup_text(node, STR("maxDepth"));
    const char *folder;
    uint64_t depth = MARKUP_MOST_DEPTH;
    FoundVec found = {0};
    for (size_t i = 0; strange[i]; i++)
        if (markup_text(node, str_from(strange[i])).len > 0)
            return liquibase_bad(r->err, from->path, node->line,
                                 "includeAll with a class of Java's (filter, resourceComparator)",
                                 "Name the files one by one with include.");
    if (name.len == 0)
        return liquibase_bad(r->err, from->path, node->line, "includeAll names no folder",
                             "Write path: and a folder.");
    if (!include_context(r, from, node, &to) ||
        !resolve(r, from, node, name, FILE_FOLDER, &to.name, &folder))
        return false;
    if (!folder) {
        if (is_false(markup_text(node, STR("errorIfMissingOrEmpty"))))
            return true;
        return liquibase_bad(r->err, from->path, node->line,
                             "the folder of includeAll is not there",
                             "Paths are looked for below the search path (liquibase.properties: "
                             "searchPath).");
    }
    if (depth_text.len > 0 && (!str_to_u64(depth_text, &depth) || depth == 0))
        return liquibase_bad(r->err, from->path, node->line, "maxDepth is a number from 1 on",
                             "Leave it out for all folders below.");
    return gather(r, folder, to.name, depth_text.len > 0 ? depth - 1 : depth, &found) &&
           read_all(r, &to, &found, markup_text(node, STR("endsWithFilter")));
}

/* ---- preconditions of a tree ------------------------------------------------------------------------------------------ */

static bool read_check(LbReading *r, const LbFile *file, const MarkupNode *node, LbCheckVec *out);

static bool read_checks(LbReading *r, const LbFile *file, const MarkupNode *node, LbCheckVec *out)
{
    for (size_t i = 0; i < node->children.len; i++) {
        const MarkupNode *child = node->children.items[i];
        static const char *const own[] = {"onFail",         "onError",     "onFailMessage",
                                          "onErrorMessage", "onSqlOutput", "onUpdateSQL",
                                          "onUpdateSql",    NULL};
        bool is_own = false;
        for (size_t k = 0; own[k] && !is_own; k++)
            is_own = str_eq(child->name, str_from(own[k]));
        if (is_own)
            continue;
        /* A list of several keys in one item, or a list in a list: what is in it counts. */
        if (child->name.len == 0 ? !read_checks(r, file, child, out)
                                 : !read_check(r, file, child, out))
            return false;
    }
    return true;
}

/* What cannot be looked at stops only who comes to run the changeset. */
static bool refuse_check(LbReading *r, const MarkupNode *node, const char *why)
{
    if (r->checking->refusal)
        return true;
    r->checking->refusal =
        str_format(r->arena, "has the precondition %.*s, %s", STR_ARG(node->name), why);
    r->checking->refusal_line = node->line;
    return r->checking->refusal || error_nomem(r->err);
}

/* Those that are looked for by a name, and with it or without it on a table. */
static bool read_named_check(LbReading *r, const MarkupNode *node, LbCheck *check)
{
    bool is_sqlite = r->ctx->dialect == SQL_SQLITE;
    bool has_columns_only = false;
    if (check->test == LB_INDEX) {
        check->name = markup_text(node, STR("indexName"));
    } else if (check->test == LB_FOREIGN_KEY) {
        check->name = markup_text(node, STR("foreignKeyName"));
        check->table = markup_text(node, STR("foreignKeyTableName"));
        if (check->schema.len == 0)
            check->schema = markup_text(node, STR("foreignKeyTableSchemaName"));
    } else if (check->test == LB_PRIMARY_KEY) {
        check->name = markup_text(node, STR("primaryKeyName"));
    } else {
        check->name = markup_text(node, STR("constraintName"));
    }
    has_columns_only = check->name.len == 0 && check->test != LB_PRIMARY_KEY;
    if (has_columns_only || (check->name.len == 0 && check->table.len == 0))
        return refuse_check(r, node, "which is known here only by a name");
    /* SQLite keeps no names of constraints where they could be asked for. */
    bool is_nameless = check->test == LB_FOREIGN_KEY || check->test == LB_UNIQUE ||
                       (check->test == LB_PRIMARY_KEY && check->table.len == 0);
    return !is_sqlite || !is_nameless ||
           refuse_check(r, node, "which SQLite's catalog has no answer to");
}

static bool read_check(LbReading *r, const LbFile *file, const MarkupNode *node, LbCheckVec *out)
{
    static const struct {
        const char *name;
        LbTest test;
    } known[] = {
        {"and", LB_AND},
        {"or", LB_OR},
        {"not", LB_NOT},
        {"sqlCheck", LB_SQL},
        {"tableExists", LB_TABLE},
        {"viewExists", LB_VIEW},
        {"dbms", LB_DBMS},
        {"columnExists", LB_COLUMN},
        {"rowCount", LB_ROW_COUNT},
        {"tableIsEmpty", LB_TABLE_EMPTY},
        {"runningAs", LB_RUNNING_AS},
        {"changeSetExecuted", LB_RAN},
        {"indexExists", LB_INDEX},
        {"foreignKeyConstraintExists", LB_FOREIGN_KEY},
        {"primaryKeyExists", LB_PRIMARY_KEY},
        {"uniqueConstraintExists", LB_UNIQUE},
        {"sequenceExists", LB_SEQUENCE},
        {"changeLogPropertyDefined", LB_PROPERTY},
    };
    LbCheck *check = arena_alloc(r->arena, sizeof *check);
    size_t found = 0, count = sizeof known / sizeof *known;
    while (found < count && !str_eq(node->name, str_from(known[found].name)))
        found++;
    if (!check)
        return error_nomem(r->err);
    if (found == count)
        return refuse_check(r, node, "which is not known here");
    *check = (LbCheck){.test = known[found].test,
                       .line = node->line,
                       .schema = markup_text(node, STR("schemaName")),
                       .table = markup_text(node, STR("tableName")),
                       .column = markup_text(node, STR("columnName")),
                       .expected = markup_text(node, STR("expectedResult"))};
    switch (check->test) {
    case LB_AND:
    case LB_OR:
    case LB_NOT:
        if (!read_checks(r, file, node, &check->parts))
            return false;
        break;
    case LB_SQL:
        check->text = markup_text(node, STR("sql"));
        if (check->text.len == 0)
            check->text = node->text;
        if (!liquibase_expand(r, file, check->text, &check->text))
            return false;
        break;
    case LB_VIEW:
        check->table = markup_text(node, STR("viewName"));
        break;
    case LB_DBMS:
        check->text = markup_text(node, STR("type"));
        break;
    case LB_RUNNING_AS:
        check->text = markup_text(node, STR("username"));
        break;
    case LB_ROW_COUNT:
        check->expected = markup_text(node, STR("expectedRows"));
        break;
    case LB_RAN:
        check->table = markup_text(node, STR("id"));
        check->column = markup_text(node, STR("author"));
        if (!liquibase_path(r->arena, markup_text(node, STR("changeLogFile")), &check->schema))
            return error_nomem(r->err);
        if (check->schema.len == 0)
            check->schema = file->logical.len > 0 ? file->logical : file->name;
        break;
    case LB_INDEX:
    case LB_FOREIGN_KEY:
    case LB_PRIMARY_KEY:
    case LB_UNIQUE:
        if (!read_named_check(r, node, check))
            return false;
        break;
    case LB_SEQUENCE:
        check->name = markup_text(node, STR("sequenceName"));
        break;
    case LB_PROPERTY:
        check->name = markup_text(node, STR("property"));
        check->expected = markup_text(node, STR("value"));
        if (!vec_push(r->arena, &r->property_checks, check))
            return error_nomem(r->err);
        break;
    case LB_TABLE:
    case LB_COLUMN:
    case LB_TABLE_EMPTY:
        break;
    }
    return vec_push(r->arena, out, check) || error_nomem(r->err);
}

/* An attribute of the element, or in YAML an item of the list. */
static Str setting_of(const MarkupNode *node, Str name)
{
    Str found = markup_text(node, name);
    for (size_t i = 0; found.len == 0 && i < node->children.len; i++)
        if (node->children.items[i]->name.len == 0)
            found = markup_text(node->children.items[i], name);
    return found;
}

static bool read_preconditions(LbReading *r, const LbFile *file, const MarkupNode *node,
                               LbPreconditions **ret)
{
    LbPreconditions *made = arena_alloc(r->arena, sizeof *made);
    LbCheck *all = arena_alloc(r->arena, sizeof *all);
    Str on_fail = setting_of(node, STR("onFail")), on_error = setting_of(node, STR("onError"));
    if (!made || !all)
        return error_nomem(r->err);
    *all = (LbCheck){.test = LB_AND, .line = node->line};
    *made = (LbPreconditions){.check = all,
                              .file = file->path,
                              .line = node->line,
                              .fail_message = setting_of(node, STR("onFailMessage")),
                              .error_message = setting_of(node, STR("onErrorMessage"))};
    if ((on_fail.len > 0 && !liquibase_verdict(on_fail, &made->on_fail)) ||
        (on_error.len > 0 && !liquibase_verdict(on_error, &made->on_error)))
        return liquibase_bad(r->err, file->path, node->line,
                             "onFail and onError know HALT, CONTINUE, MARK_RAN and WARN",
                             "Write one of them.");
    *ret = r->checking = made;
    return read_checks(r, file, node, &all->parts);
}

/* ---- changesets of a tree ----------------------------------------------------------------------------------------------- */

static bool flag(const MarkupNode *node, Str name, bool otherwise)
{
    Str text = markup_text(node, name);
    return text.len == 0 ? otherwise : str_eq_nocase(text, STR("true"));
}

static bool refuse(LbReading *r, LbChangeSet *set, const MarkupNode *change)
{
    if (set->refusal)
        return true;
    set->refusal = str_format(r->arena, "holds the change %.*s, which whimbrel does not carry out",
                              STR_ARG(change->name));
    set->refusal_line = change->line;
    return set->refusal || error_nomem(r->err);
}

/* One sql or sqlFile, for the up or for the down. */
static bool add_change(LbReading *r, const LbFile *file, const MarkupNode *change, LbSql *out,
                       LbSums *sums)
{
    bool is_file = str_eq(change->name, STR("sqlFile"));
    Str sql = change->text, name, dbms = markup_text(change, STR("dbms"));
    const MarkupNode *inner = markup_child(change, STR("sql"));
    uint32_t line = change->text_line;
    if (is_file) {
        const char *path;
        if (!resolve(r, file, change, markup_text(change, STR("path")), FILE_REGULAR, &name, &path))
            return false;
        if (!path)
            return liquibase_bad(r->err, file->path, change->line,
                                 "the file of sqlFile is not there",
                                 "Its path: is looked for below the search path, or beside the "
                                 "changelog with relativeToChangelogFile.");
        if (!peer_read(r->ctx, r->arena, path, &sql, r->err))
            return false;
        if (str_starts(sql, STR("\xef\xbb\xbf")))
            sql = str_sub(sql, 3, sql.len);
        line = 1;
        if (out->sql.len == 0)
            out->path = path;
    } else if (inner && inner->is_scalar) {
        sql = inner->text;
        line = inner->text_line;
    }
    if (!liquibase_is_for(r->ctx, dbms))
        return true;
    if (!liquibase_expand(r, file, sql, &sql))
        return false;
    LbCutting cutting = {markup_text(change, STR("endDelimiter")),
                         flag(change, STR("splitStatements"), true),
                         flag(change, STR("stripComments"), false)};
    if (sums && !liquibase_add_sums(r->arena, sql, cutting, sums))
        return error_nomem(r->err);
    return liquibase_add_sql(r, out, sql, line, cutting.splits, cutting.delimiter);
}

static bool is_sql(const MarkupNode *node)
{
    return str_eq(node->name, STR("sql")) || str_eq(node->name, STR("sqlFile"));
}

/* SQL as text, a list of changes, or another changeset's. */
static bool read_rollback(LbReading *r, const LbFile *file, const MarkupNode *node,
                          LbChangeSet *set)
{
    Str text = node->text, id = markup_text(node, STR("changeSetId"));
    set->has_down = set->has_rollback = true;
    set->down.path = file->path;
    if (id.len > 0) {
        Str author = markup_text(node, STR("changeSetAuthor")),
            path = markup_text(node, STR("changeSetPath"));
        const LbChangeSet *other = liquibase_find_set(r, id, author, path);
        if (other) {
            set->down = other->up;
            return true;
        }
        return liquibase_bad(
            r->err, file->path, node->line,
            "rollback names a changeset that is not defined before it",
            "Write changeSetId, changeSetAuthor and changeSetPath as they are there.");
    }
    for (size_t i = 0; i < node->children.len; i++) {
        const MarkupNode *child = node->children.items[i];
        if (is_sql(child)) {
            if (!add_change(r, file, child, &set->down, NULL))
                return false;
        } else if (!str_eq(child->name, STR("empty")) && !str_eq(child->name, STR("comment"))) {
            /* Only who rolls back is stopped by it; what cannot be told apart has no down. */
            set->has_down = false;
            return true;
        }
    }
    if (str_trim(text).len == 0)
        return true;
    return liquibase_expand(r, file, text, &text) &&
           liquibase_add_sql(r, &set->down, text, node->text_line, true, (Str){0});
}

/* "sql; sqlFile path=a.sql" */
static bool describe(LbReading *r, LbChangeSet *set, const MarkupNode *change)
{
    Str path = markup_text(change, STR("path"));
    const char *name = str_format(r->arena, "%.*s%s%.*s%s%.*s", STR_ARG(set->description),
                                  set->description.len > 0 ? "; " : "", STR_ARG(change->name),
                                  path.len > 0 ? " path=" : "", STR_ARG(path));
    set->description = str_from(name);
    return name || error_nomem(r->err);
}

/* The row of the changeset has the tag; nothing else comes of it. */
static bool add_tag(LbReading *r, const LbFile *file, const MarkupNode *change, LbChangeSet *set,
                    LbSums *sums)
{
    Str tag;
    if (!liquibase_expand(r, file, markup_text(change, STR("tag")), &tag))
        return false;
    if (tag.len == 0)
        return liquibase_bad(r->err, file->path, change->line, "tagDatabase names no tag",
                             "Write tag: and its name.");
    const char *text = str_format(r->arena, "tagDatabase:[\n    tag=\"%.*s\"\n]", STR_ARG(tag));
    set->tag = str_z(r->arena, tag);
    return (text && set->tag && liquibase_add_text_sums(r->arena, str_from(text), sums)) ||
           error_nomem(r->err);
}

static bool read_part(LbReading *r, const LbFile *file, const MarkupNode *part, LbChangeSet *set,
                      LbSums *sums)
{
    if (part->name.len == 0 || str_eq(part->name, STR("changes"))) {
        for (size_t i = 0; i < part->children.len; i++)
            if (!read_part(r, file, part->children.items[i], set, sums))
                return false;
        return true;
    }
    if (is_sql(part)) {
        set->has_sql = true;
        return describe(r, set, part) && add_change(r, file, part, &set->up, sums);
    }
    if (str_eq(part->name, STR("tagDatabase")))
        return describe(r, set, part) && add_tag(r, file, part, set, sums);
    if (str_eq(part->name, STR("empty")))
        return describe(r, set, part) &&
               (liquibase_add_text_sums(r->arena, STR("empty:[]"), sums) || error_nomem(r->err));
    if (str_eq(part->name, STR("rollback")))
        return read_rollback(r, file, part, set);
    if (str_eq(part->name, STR("preConditions")))
        return read_preconditions(r, file, part, &set->preconditions);
    if (str_eq(part->name, STR("comment"))) {
        set->comment = part->text;
        return true;
    }
    if (str_eq(part->name, STR("validCheckSum"))) {
        Str sum = str_trim(part->text);
        for (size_t i = 0; i < part->children.len; i++)
            if (part->children.items[i]->name.len == 0 &&
                !read_part(r, file,
                           &(MarkupNode){.name = part->name, .text = part->children.items[i]->text},
                           set, sums))
                return false;
        return sum.len == 0 || liquibase_add_valid_sum(r, set, sum);
    }
    return refuse(r, set, part);
}

static bool is_attribute(Str name)
{
    static const char *const known[] = {"id",
                                        "author",
                                        "context",
                                        "contextFilter",
                                        "labels",
                                        "dbms",
                                        "runAlways",
                                        "runOnChange",
                                        "failOnError",
                                        "ignore",
                                        "runInTransaction",
                                        "logicalFilePath",
                                        "created",
                                        "objectQuotingStrategy",
                                        "runOrder",
                                        "runWith",
                                        "runWithSpoolFile",
                                        "onValidationFail",
                                        "alwaysRun",
                                        NULL};
    for (size_t i = 0; known[i]; i++)
        if (str_eq(name, str_from(known[i])))
            return true;
    return false;
}

/* How names are quoted in the SQL that Liquibase itself makes of a change. Here there is none such: SQL goes to the server as it is
 * written, and history and preconditions do not depend on it either. What Liquibase would not take is refused all the same. */
static bool check_quoting(const LbReading *r, const LbFile *file, Str strategy, uint32_t line)
{
    static const char *const known[] = {"LEGACY", "QUOTE_ALL_OBJECTS", "QUOTE_ONLY_RESERVED_WORDS",
                                        NULL};
    bool is_known = strategy.len == 0;
    for (size_t i = 0; known[i] && !is_known; i++)
        is_known = str_eq_nocase(strategy, str_from(known[i]));
    return is_known ||
           liquibase_bad(r->err, file->path, line, "an unknown objectQuotingStrategy",
                         "It is LEGACY, QUOTE_ALL_OBJECTS or QUOTE_ONLY_RESERVED_WORDS.");
}

static bool read_set(LbReading *r, const LbFile *file, const MarkupNode *node)
{
    LbChangeSet *set = liquibase_new_set(r, file, node->line);
    LbSums sums = {0};
    Str context = markup_text(node, STR("contextFilter"));
    Str logical = markup_text(node, STR("logicalFilePath"));
    Str run_with = markup_text(node, STR("runWith"));
    if (!set)
        return false;
    set->id = markup_text(node, STR("id"));
    set->author = markup_text(node, STR("author"));
    if (set->id.len == 0 || set->author.len == 0)
        return liquibase_bad(r->err, file->path, node->line, "a changeset without id or author",
                             "Both are needed: together with the path they are its identity.");
    if (context.len == 0)
        context = markup_text(node, STR("context"));
    if (context.len > 0 && !vec_push(r->arena, &set->contexts, context))
        return error_nomem(r->err);
    if (logical.len > 0 && !liquibase_path(r->arena, logical, &set->path))
        return error_nomem(r->err);
    set->labels = markup_text(node, STR("labels"));
    set->dbms = markup_text(node, STR("dbms"));
    set->is_ignored = set->is_ignored || flag(node, STR("ignore"), false);
    set->no_transaction = !flag(node, STR("runInTransaction"), true);
    set->runs_on_change = flag(node, STR("runOnChange"), false);
    set->runs_always = flag(node, STR("runAlways"), false) || flag(node, STR("alwaysRun"), false);
    set->may_fail = !flag(node, STR("failOnError"), true);
    for (size_t i = 0; i < node->children.len; i++)
        if (!is_attribute(node->children.items[i]->name) &&
            !read_part(r, file, node->children.items[i], set, &sums))
            return false;
    if (run_with.len > 0 && !str_eq_nocase(run_with, STR("jdbc")) && !set->refusal) {
        set->refusal = str_format(r->arena, "is to be run by %.*s (runWith)", STR_ARG(run_with));
        set->refusal_line = node->line;
        if (!set->refusal)
            return error_nomem(r->err);
    }
    if (!set->refusal && !liquibase_set_sums(r->arena, &sums, set))
        return error_nomem(r->err);
    /* Where nothing was done there is nothing to undo. */
    set->has_down = set->has_down || (!set->has_rollback && !set->has_sql && !set->refusal);
    return check_quoting(r, file, markup_text(node, STR("objectQuotingStrategy")), node->line) &&
           liquibase_add_set(r, file, set);
}

/* ---- one changelog --------------------------------------------------------------------------------------------------------- */

typedef struct PropertyFile {
    LbReading *r;
    const LbFile *file;
    const MarkupNode *node;
} PropertyFile;

static bool add_property(void *ctx, Str key, Str value, uint32_t line)
{
    const PropertyFile *of = ctx;
    Str context = markup_text(of->node, STR("contextFilter"));
    (void)line;
    return liquibase_add_property(of->r, of->file, key, value,
                                  context.len > 0 ? context : markup_text(of->node, STR("context")),
                                  markup_text(of->node, STR("labels")),
                                  markup_text(of->node, STR("dbms")),
                                  flag(of->node, STR("global"), true));
}

static bool read_property(LbReading *r, const LbFile *file, const MarkupNode *node)
{
    PropertyFile of = {r, file, node};
    Str name = markup_text(node, STR("file")), text;
    const char *path;
    if (name.len == 0)
        return add_property(&of, markup_text(node, STR("name")), markup_text(node, STR("value")),
                            node->line);
    if (!resolve(r, file, node, name, FILE_REGULAR, &name, &path))
        return false;
    if (path)
        return peer_read(r->ctx, r->arena, path, &text, r->err) &&
               liquibase_read_properties(r->arena, text, add_property, &of, r->err);
    return is_false(markup_text(node, STR("errorIfMissing"))) ||
           liquibase_bad(r->err, file->path, node->line, "the file of a property is not there",
                         "Its file: is looked for below the search path, or beside the changelog "
                         "with relativeToChangelogFile.");
}

static bool read_entry(LbReading *r, LbFile *file, const MarkupNode *node)
{
    Str name = node->name;
    if (str_eq(name, STR("changeSet")))
        return read_set(r, file, node);
    if (str_eq(name, STR("include")))
        return include(r, file, node);
    if (str_eq(name, STR("includeAll")))
        return include_all(r, file, node);
    if (str_eq(name, STR("property")))
        return read_property(r, file, node);
    if (str_eq(name, STR("preConditions"))) {
        LbPreconditions *made = NULL;
        if (!read_preconditions(r, file, node, &made))
            return false;
        file->preconditions = made;
        return true;
    }
    if (str_eq(name, STR("logicalFilePath")))
        return liquibase_path(r->arena, node->text, &file->logical) || error_nomem(r->err);
    if (str_eq(name, STR("objectQuotingStrategy")))
        return check_quoting(r, file, node->text, node->line);
    if (str_eq(name, STR("changeLogId")) || str_eq(name, STR("context")) ||
        str_eq(name, STR("contextFilter")))
        return true;
    if (name.len == 0) { /* an item of several keys */
        for (size_t i = 0; i < node->children.len; i++)
            if (!read_entry(r, file, node->children.items[i]))
                return false;
        return true;
    }
    const char *what = str_format(r->arena, "%.*s is not known here", STR_ARG(name));
    return what ? liquibase_bad(r->err, file->path, node->line, what,
                                "A changelog holds changeSet, include, includeAll, property and "
                                "preConditions.")
                : error_nomem(r->err);
}

static bool read_tree(LbReading *r, const LbFile *given, const MarkupNode *root)
{
    LbFile file = *given;
    bool is_named = str_eq(root->name, STR("databaseChangeLog"));
    const MarkupNode *log = is_named ? root : markup_child(root, STR("databaseChangeLog"));
    if (!log)
        return liquibase_bad(r->err, file.path, root->line, "there is no databaseChangeLog",
                             "A changelog begins with databaseChangeLog.");
    for (size_t i = 0; i < log->children.len; i++)
        if (!read_entry(r, &file, log->children.items[i]))
            return false;
    return true;
}

static bool read_markup(LbReading *r, const LbFile *file, Str text)
{
    MarkupNode *root = NULL;
    bool is_xml = str_ends(file->name, STR(".xml"));
    if (is_xml ? xml_read(r->arena, file->path, text, &root, r->err)
               : yaml_read(r->arena, file->path, text, &root, r->err))
        return read_tree(r, file, root);
    if (!r->err->hint)
        error_hint(r->err,
                   "Mend it there. What is no changelog belongs elsewhere: whatever ends with "
                   ".xml, .yaml, .yml or .json is read as one here.");
    return false;
}

static bool read_file(LbReading *r, const LbFile *file)
{
    Str text;
    if (r->depth >= DEEPEST_INCLUDE)
        return liquibase_bad(r->err, file->path, 0, "changelogs include one another without end",
                             "Take out the include that leads back.");
    if (!peer_read(r->ctx, r->arena, file->path, &text, r->err))
        return false;
    r->depth++;
    bool is_ok;
    if (str_ends(file->name, STR(".sql"))) {
        is_ok = liquibase_is_formatted(text) ? liquibase_read_sql(r, file, text)
                : str_trim(text).len > 0     ? add_raw(r, file, text)
                                             : true;
    } else if (is_changelog(file->name)) {
        is_ok = read_markup(r, file, text);
    } else {
        is_ok = liquibase_bad(r->err, file->path, 0, "is no changelog by its name",
                              "Changelogs end with .sql, .xml, .yaml, .yml or .json.");
    }
    r->depth--;
    return is_ok;
}

/* ---- from the root on -------------------------------------------------------------------------------------------------------- */

/* As a path below the search path. */
static bool name_below(const ConventionContext *ctx, Arena *arena, const char *path, Str *ret_name)
{
    const LbSettings *settings = liquibase_settings(ctx);
    Str whole = str_from(path), resources = STR("src/main/resources/");
    size_t at = str_find(whole, resources, 0);
    for (size_t i = 0; i < settings->search_path_len; i++) {
        Str folder = settings->search_path[i];
        if (str_eq(folder, STR(".")) || !str_starts(whole, folder) || whole.len <= folder.len ||
            whole.ptr[folder.len] != '/')
            continue;
        return liquibase_path(arena, str_sub(whole, folder.len + 1, whole.len), ret_name);
    }
    if (at != SIZE_MAX)
        whole = str_sub(whole, at + resources.len, whole.len);
    else if (ctx->project_folder && str_starts(whole, str_from(ctx->project_folder)) &&
             str_starts(str_sub(whole, str_from(ctx->project_folder).len, whole.len), STR("/")))
        whole = str_sub(whole, str_from(ctx->project_folder).len, whole.len);
    return liquibase_path(arena, whole, ret_name);
}

bool liquibase_find_root(const ConventionContext *ctx, Arena *arena, const char **ret_path,
                         Str *ret_name, Error *err)
{
    static const char *const stems[] = {"db.changelog-master",
                                        "changelog-master",
                                        "db.changelog-root",
                                        "changelog-root",
                                        "root-changelog",
                                        "db.changelog",
                                        "dbchangelog",
                                        "changelog",
                                        "master",
                                        "root",
                                        NULL};
    static const char *const ends[] = {".yaml", ".yml", ".xml", ".json", ".sql", NULL};
    const LbSettings *settings = liquibase_settings(ctx);
    LbReading r = {.ctx = ctx, .settings = settings, .arena = arena, .err = err};
    *ret_path = NULL;
    if (settings->root.len > 0) {
        if (!liquibase_path(arena, settings->root, ret_name))
            return error_nomem(err);
        if (!locate(&r, *ret_name, FILE_REGULAR, ret_path))
            return false;
        if (!*ret_path && path_is_absolute(settings->root)) {
            const char *path = str_z(arena, settings->root);
            *ret_path = is_there(&r, path, FILE_REGULAR) ? path : NULL;
        }
        if (*ret_path)
            return true;
        error_set(err, ERROR_USAGE, "the changelog %.*s is not there", STR_ARG(settings->root));
        error_hint(err, "changeLogFile (liquibase.properties) is looked for below searchPath.");
        return error_code(err, "no-migrations");
    }
    for (size_t i = 0; i < ctx->folders.len; i++)
        for (size_t s = 0; stems[s]; s++)
            for (size_t e = 0; ends[e]; e++) {
                const char *folder = str_z(arena, ctx->folders.items[i]);
                const char *name = str_format(arena, "%s%s", stems[s], ends[e]);
                const char *path = folder && name ? path_join(arena, folder, str_from(name)) : NULL;
                if (!path)
                    return error_nomem(err);
                if (!is_there(&r, path, FILE_REGULAR))
                    continue;
                *ret_path = path;
                return name_below(ctx, arena, path, ret_name) || error_nomem(err);
            }
    return true;
}

static int by_identity(const void *a, const void *b)
{
    const LbIdentity *one = a, *two = b;
    int order = str_cmp(one->path, two->path);
    order = order ? order : str_cmp(one->id, two->id);
    return order ? order : str_cmp(one->author, two->author);
}

static int by_short_name(const void *a, const void *b)
{
    const LbChangeSet *const *one = a, *const *two = b;
    int order = str_cmp((*one)->version, (*two)->version);
    return order ? order : ((*one)->line > (*two)->line) - ((*one)->line < (*two)->line);
}

/* author:id names a changeset where no other has both; else all of it does, as Liquibase writes it. */
static bool name_sets(LbReading *r)
{
    LbChangeSetVec *sets = &r->log->sets;
    LbChangeSet **sorted = arena_alloc(r->arena, (sets->len + 1) * sizeof *sorted);
    LbIdentity *identities = arena_alloc(r->arena, (sets->len + 1) * sizeof *identities);
    if (!sorted || !identities)
        return error_nomem(r->err);
    for (size_t i = 0; i < sets->len; i++) {
        LbChangeSet *set = sets->items[i];
        const char *version =
            str_format(r->arena, "%.*s:%.*s", STR_ARG(set->author), STR_ARG(set->id));
        identities[i].set = sorted[i] = set;
        set->version = str_from(version);
        if (!version || !liquibase_lower(r->arena, set->path, &identities[i].path) ||
            !liquibase_lower(r->arena, set->id, &identities[i].id) ||
            !liquibase_lower(r->arena, set->author, &identities[i].author))
            return error_nomem(r->err);
    }
    qsort(sorted, sets->len, sizeof *sorted, by_short_name);
    for (size_t i = 0, to; i < sets->len; i = to) {
        Str shared = sorted[i]->version;
        for (to = i + 1; to < sets->len && str_eq(sorted[to]->version, shared); to++)
            ;
        for (size_t k = i; to - i > 1 && k < to; k++) {
            LbChangeSet *set = sorted[k];
            const char *version = str_format(r->arena, "%.*s::%.*s::%.*s", STR_ARG(set->path),
                                             STR_ARG(set->id), STR_ARG(set->author));
            set->version = str_from(version);
            if (!version)
                return error_nomem(r->err);
        }
    }
    qsort(identities, sets->len, sizeof *identities, by_identity);
    r->log->identities = identities;
    for (size_t i = 1; i < sets->len; i++) {
        const LbChangeSet *one = identities[i - 1].set, *two = identities[i].set;
        if (by_identity(&identities[i - 1], &identities[i]) != 0)
            continue;
        const char *place =
            str_format(r->arena, "%s:%u and %s:%u", one->file, one->line, two->file, two->line);
        if (!place)
            return error_nomem(r->err);
        error_set(r->err, ERROR_STATE, "two changesets are %.*s of %.*s: %s", STR_ARG(one->author),
                  STR_ARG(one->path), place);
        error_code(r->err, "duplicate-version");
        error_at(r->err, str_from(two->file), two->line, 1);
        return error_hint(r->err, "Give one of them another id; Liquibase refuses both.");
    }
    return true;
}

bool liquibase_read(const ConventionContext *ctx, Arena *arena, LbChangeLog **ret_log, Error *err)
{
    LbChangeLog *log = arena_alloc(arena, sizeof *log);
    LbReading r = {
        .ctx = ctx, .settings = liquibase_settings(ctx), .arena = arena, .log = log, .err = err};
    LbFile root = {0};
    if (!log)
        return error_nomem(err);
    *log = (LbChangeLog){0};
    if (!liquibase_find_root(ctx, arena, &root.path, &root.name, err))
        return false;
    if (root.path) {
        if (!read_file(&r, &root))
            return false;
    } else {
        FoundVec found = {0};
        for (size_t i = 0; i < ctx->folders.len; i++) {
            const char *folder = str_z(arena, ctx->folders.items[i]);
            Str name;
            if (!folder || !name_below(ctx, arena, folder, &name))
                return error_nomem(err);
            if (!gather(&r, folder, name, MARKUP_MOST_DEPTH, &found))
                return false;
        }
        if (!read_all(&r, &root, &found, (Str){0}))
            return false;
    }
    for (size_t i = 0; i < r.property_checks.len; i++) {
        LbCheck *check = r.property_checks.items[i];
        Str value;
        check->holds = liquibase_parameter(&r, NULL, check->name, &value) &&
                       (check->expected.len == 0 || str_eq(value, check->expected));
    }
    *ret_log = log;
    return name_sets(&r);
}

/* whimbrel's own folders: which file is what, and what a new one is called.
 *
 * Folders are walked once, one listing each; ups and downs are gathered apart and paired by version at the end, since a down may stand
 * anywhere: beside its up, as U001__x.sql, or in rollback/. SPDX-License-Identifier: Apache-2.0 */
#include "convention/whimbrel.h"

#include <errno.h>
#include <stdlib.h>

/* ---- names ----------------------------------------------------------------------------------------------------- */

typedef enum NameForm {
    NAME_NONE, /* not a migration, nor meant to be one */
    NAME_BAD,  /* meant to be one, but not of the form */
    NAME_UP,   /* 20250405120000_x.sql, .up.sql, V001__x.sql */
    NAME_DOWN, /* .down.sql, U001__x.sql */
    NAME_REPEATABLE,
} NameForm;

typedef struct FileName {
    NameForm form;
    Str version; /* as written; of V1_2__x: "1_2" */
    Str name;
    bool is_prefixed; /* V, U */
} FileName;

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Digits with single dots (or what else separates) between them. */
static size_t version_len(Str text, const char *separators)
{
    size_t len = 0;
    for (size_t i = 0; i < text.len; i++) {
        if (is_digit(text.ptr[i])) {
            len = i + 1;
            continue;
        }
        bool is_separator = false;
        for (const char *s = separators; *s; s++)
            is_separator = is_separator || text.ptr[i] == *s;
        if (!is_separator || i != len || len == 0)
            break;
    }
    return len;
}

static Str without_suffix(Str text, Str suffix)
{
    return str_ends(text, suffix) ? str_sub(text, 0, text.len - suffix.len) : text;
}

/* What is meant to be a migration: begins like one and ends like SQL. */
static bool looks_meant(Str name)
{
    if (name.len < 5 || !str_eq_nocase(str_sub(name, name.len - 4, name.len), STR(".sql")))
        return false;
    char first = name.ptr[0], second = name.ptr[1];
    if (is_digit(first))
        return true;
    if (first == 'V' || first == 'v' || first == 'U' || first == 'u')
        return is_digit(second) || (second == '_' && (is_digit(name.ptr[2]) || name.ptr[2] == '_'));
    return (first == 'R' || first == 'r') && second == '_';
}

static FileName file_name(Str name)
{
    FileName bad = {.form = looks_meant(name) ? NAME_BAD : NAME_NONE};
    FileName found = {0};
    if (bad.form == NAME_NONE || !str_ends(name, STR(".sql")))
        return bad;
    Str stem = without_suffix(name, STR(".sql"));
    if (str_starts(name, STR("R__"))) {
        found = (FileName){.form = NAME_REPEATABLE, .name = str_sub(stem, 3, stem.len)};
        if (str_ends(stem, STR(".up")) || str_ends(stem, STR(".down")))
            return bad;
    } else if (name.ptr[0] == 'V' || name.ptr[0] == 'U') {
        bool is_down = name.ptr[0] == 'U' || str_ends(stem, STR(".down"));
        stem = without_suffix(without_suffix(stem, STR(".down")), STR(".up"));
        Str rest = str_sub(stem, 1, stem.len);
        size_t len = version_len(rest, "._");
        if (len == 0 || !str_starts(str_sub(rest, len, rest.len), STR("__")))
            return bad;
        found = (FileName){.form = is_down ? NAME_DOWN : NAME_UP,
                           .version = str_sub(rest, 0, len),
                           .name = str_sub(rest, len + 2, rest.len),
                           .is_prefixed = true};
    } else {
        found.form = str_ends(stem, STR(".down")) ? NAME_DOWN : NAME_UP;
        stem = without_suffix(without_suffix(stem, STR(".down")), STR(".up"));
        size_t len = version_len(stem, "."), name_at = len;
        while (name_at < stem.len && stem.ptr[name_at] == '_')
            name_at++;
        if (len == 0 || name_at == len)
            return bad;
        found.version = str_sub(stem, 0, len);
        found.name = str_sub(stem, name_at, stem.len);
    }
    return found.name.len > 0 && str_is_utf8(name, NULL) ? found : bad;
}

bool whimbrel_reads_name(Str name)
{
    NameForm form = file_name(name).form;
    return form == NAME_UP || form == NAME_REPEATABLE;
}

/* "20240105_add_users" of a folder that may hold up.sql and down.sql. */
static bool folder_name(Str name, FileName *ret_name)
{
    size_t len = version_len(name, "."), name_at = len;
    while (name_at < name.len && name.ptr[name_at] == '_')
        name_at++;
    if (len == 0 || name_at == len || name_at == name.len || !str_is_utf8(name, NULL))
        return false;
    *ret_name = (FileName){.form = NAME_UP,
                           .version = str_sub(name, 0, len),
                           .name = str_sub(name, name_at, name.len)};
    return true;
}

bool whimbrel_reads_folder(Str name)
{
    FileName ignored;
    return folder_name(name, &ignored);
}

static bool is_word_char(char c)
{
    return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           ((unsigned char)c & 0x80);
}

/* "AddUsers to  the-table" -> "add_users_to_the_table"; letters outside ASCII stay. */
static void add_snake_case(StrBuf *out, Str name)
{
    bool has_any = false, wants_gap = false;
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];
        bool is_upper = c >= 'A' && c <= 'Z';
        if (!is_word_char(c)) {
            wants_gap = has_any;
            continue;
        }
        if (is_upper && has_any) {
            char before = name.ptr[i - 1], after = i + 1 < name.len ? name.ptr[i + 1] : '\0';
            bool was_lower = (before >= 'a' && before <= 'z') || is_digit(before);
            bool ends_acronym = before >= 'A' && before <= 'Z' && after >= 'a' && after <= 'z';
            wants_gap = wants_gap || was_lower || ends_acronym;
        }
        if (wants_gap)
            strbuf_add_char(out, '_');
        strbuf_add_char(out, is_upper ? (char)(c - 'A' + 'a') : c);
        has_any = true;
        wants_gap = false;
    }
}

/* The nearest right name for a bad one. */
static const char *right_name(Arena *arena, Str name)
{
    StrBuf out = strbuf(arena);
    Str text;
    Str stem = str_sub(name, 0, name.len - 4);
    char first = name.ptr[0];
    if (first == 'R' || first == 'r') {
        strbuf_adds(&out, "R__");
        stem = without_suffix(without_suffix(str_sub(stem, 1, stem.len), STR(".up")), STR(".down"));
        size_t before = out.len;
        add_snake_case(&out, stem);
        strbuf_adds(&out, out.len == before ? "name.sql" : ".sql");
        return strbuf_finish(&out, &text) ? out.ptr : NULL;
    }
    const char *suffix = str_ends(stem, STR(".up"))     ? ".up.sql"
                         : str_ends(stem, STR(".down")) ? ".down.sql"
                                                        : ".sql";
    stem = without_suffix(without_suffix(stem, STR(".up")), STR(".down"));
    bool is_prefixed = !is_digit(first);
    if (is_prefixed) {
        strbuf_add_char(&out, first == 'v' || first == 'V' ? 'V' : 'U');
        stem = str_sub(stem, 1, stem.len);
    }
    /* Dots keep parts apart, everything else between digits (as in a date) is dropped. */
    size_t at = 0, before = out.len;
    for (; at < stem.len && !(is_word_char(stem.ptr[at]) && !is_digit(stem.ptr[at])); at++) {
        bool is_inner_dot = stem.ptr[at] == '.' && at > 0 && at + 1 < stem.len &&
                            is_digit(stem.ptr[at - 1]) && is_digit(stem.ptr[at + 1]);
        if (is_digit(stem.ptr[at]) || is_inner_dot)
            strbuf_add_char(&out, stem.ptr[at]);
    }
    if (out.len == before)
        strbuf_adds(&out, "1");
    strbuf_adds(&out, is_prefixed ? "__" : "_");
    before = out.len;
    add_snake_case(&out, str_sub(stem, at, stem.len));
    if (out.len == before)
        strbuf_adds(&out, "name");
    strbuf_adds(&out, suffix);
    return strbuf_finish(&out, &text) ? out.ptr : NULL;
}

static bool bad_name(Arena *arena, const char *path, Str name, Error *err)
{
    if (!str_is_utf8(name, NULL)) {
        error_set(err, ERROR_PARSE, "the name of %s is not UTF-8", path);
        error_code(err, "bad-name");
        return error_hint(err, "Rename the file.");
    }
    const char *right = right_name(arena, name);
    if (!right)
        return error_nomem(err);
    error_set(err, ERROR_PARSE, "%s looks like a migration, but its name has not the form of one",
              path);
    error_code(err, "bad-name");
    error_at(err, str_from(path), 0, 0);
    return error_hint(
        err, "Rename it to %s, or, if it is no migration, to a name that begins otherwise.", right);
}

/* ---- walking ------------------------------------------------------------------------------------------------------ */

typedef struct Down {
    Str version;
    /* both in the scratch memory: most downs lie beside their ups, where their paths need not be kept */
    const char *path;
} Down;

typedef struct Walk {
    const ConventionContext *ctx;
    const FileTree *files; /* NULL: on disk */
    Arena *arena;
    Arena *scratch;
    MigrationSet set;
    Vec(Down) downs;
    StrVec trees; /* real paths of the roots, and of the folders that links led to */
    Error *err;
} Walk;

/* V1_2__x is 1.2 */
static bool plain_version(Arena *arena, const FileName *name, Str *ret_version)
{
    *ret_version = name->version;
    if (!name->is_prefixed || str_find_char(name->version, '_', 0) == SIZE_MAX)
        return true;
    char *version = str_z(arena, name->version);
    for (size_t i = 0; version && version[i]; i++) {
        if (version[i] == '_')
            version[i] = '.';
    }
    *ret_version = str_from(version);
    return version != NULL;
}

static bool add_down(Walk *walk, const FileName *name, const char *path)
{
    Down down = {.path = path};
    return (plain_version(walk->scratch, name, &down.version) &&
            vec_push(walk->scratch, &walk->downs, down)) ||
           error_nomem(walk->err);
}

/* Mostly a folder has a down right before its up, since that is the order of their names: then it need not be remembered. */
static bool take_down_beside(Walk *walk, const char *up)
{
    if (walk->files || walk->downs.len == 0)
        return false;
    const char *down = walk->downs.items[walk->downs.len - 1].path;
    if (!migration_lies_beside(up, down))
        return false;
    walk->downs.len--;
    arena_trim(walk->scratch, down, 0);
    return true;
}

/* name is cut from path, so that both are kept once. */
static bool add_migration(Walk *walk, const FileName *name, const char *path)
{
    Migration migration = {.name = name->name,
                           .kind = name->form == NAME_REPEATABLE ? MIGRATION_REPEATABLE
                                                                 : MIGRATION_VERSIONED,
                           .has_down_beside = take_down_beside(walk, path),
                           .up = script_new(walk->arena, walk->files, path)};
    if (!migration.up || !plain_version(walk->arena, name, &migration.version))
        return error_nomem(walk->err);
    return vec_push(walk->arena, &walk->set.migrations, migration) || error_nomem(walk->err);
}

/* What people and programs leave in such folders, and nobody wants to hear of. */
static bool is_common(Str name)
{
    return name.ptr[0] == '.' || str_starts_nocase(name, STR("readme")) ||
           str_ends(name, STR("~")) || str_ends(name, STR(".md"));
}

static bool ignore(Walk *walk, const char *path, Str name)
{
    Str kept;
    return is_common(name) ||
           (str_copy(walk->arena, str_from(path), &kept) &&
            vec_push(walk->arena, &walk->set.ignored, kept)) ||
           error_nomem(walk->err);
}

/* Something whose name says migration must be a file that can be read. */
static bool check_kind(Walk *walk, const FolderEntry *entry, const char *path)
{
    if (entry->kind == FILE_REGULAR)
        return true;
    if (entry->kind == FILE_ABSENT)
        error_set(walk->err, ERROR_IO, "%s is a symbolic link that leads nowhere", path);
    else
        error_set(walk->err, ERROR_IO, "%s is not a regular file", path);
    error_code(walk->err, "bad-file");
    error_at(walk->err, str_from(path), 0, 0);
    return error_hint(walk->err, "Put the file there, or take its name away.");
}

/* The real path of what path is, or leads to. */
static bool real_path(Walk *walk, const char *path, Str *ret_real)
{
    if (walk->files) {
        *ret_real = str_from(path);
        return true;
    }
    char *real = realpath(path, NULL);
    if (!real)
        return error_errno(walk->err, errno, "cannot read the folder %s", path);
    bool ok = str_copy(walk->scratch, str_from(real), ret_real);
    free(real);
    return ok || error_nomem(walk->err);
}

static bool is_tree(const Walk *walk, Str real)
{
    for (size_t i = 0; i < walk->trees.len; i++) {
        if (str_eq(walk->trees.items[i], real))
            return true;
    }
    return false;
}

/* Whether the walk comes by this folder anyway: it lies in a tree, and not below a hidden folder of it. */
static bool is_in_tree(const Walk *walk, Str real)
{
    for (size_t i = 0; i < walk->trees.len; i++) {
        Str tree = walk->trees.items[i], rest = str_sub(real, tree.len, real.len);
        if (str_starts(real, tree) && (rest.len == 0 || rest.ptr[0] == '/') &&
            str_find(rest, STR("/."), 0) == SIZE_MAX)
            return true;
    }
    return false;
}

static bool list(Walk *walk, const char *path, FolderEntryVec *ret_entries)
{
    return folder_entries(walk->ctx, walk->scratch, path, ret_entries, walk->err);
}

/* A folder of downs: whatever has a version is the down of that version. */
static bool walk_rollbacks(Walk *walk, const char *folder)
{
    FolderEntryVec entries = {0};
    if (!list(walk, folder, &entries))
        return false;
    for (size_t i = 0; i < entries.len; i++) {
        const FolderEntry *entry = &entries.items[i];
        const char *path = path_join(walk->scratch, folder, entry->name);
        if (!path)
            return error_nomem(walk->err);
        FileName name = file_name(path_base(str_from(path)));
        bool is_meant = !is_common(entry->name) && (name.form == NAME_UP || name.form == NAME_DOWN);
        if (name.form == NAME_BAD && !is_common(entry->name))
            return bad_name(walk->scratch, path, entry->name, walk->err);
        if (!is_meant) {
            if (!ignore(walk, path, entry->name))
                return false;
            continue;
        }
        if (!check_kind(walk, entry, path) || !add_down(walk, &name, path))
            return false;
    }
    return true;
}

static bool add_seed(Walk *walk, Str environment, const FolderEntry *entry, const char *path)
{
    Seed seed = {0};
    if (!check_kind(walk, entry, path))
        return false;
    seed.script = script_new(walk->arena, walk->files, path);
    return (seed.script && str_copy(walk->arena, environment, &seed.environment) &&
            vec_push(walk->arena, &walk->set.seeds, seed)) ||
           error_nomem(walk->err);
}

static bool is_sql(Str name)
{
    return str_ends(name, STR(".sql")) && name.len > 4 && name.ptr[0] != '.';
}

/* environment empty: the folder seeds/ itself. */
static bool walk_seeds(Walk *walk, const char *folder, Str environment)
{
    FolderEntryVec entries = {0};
    if (!list(walk, folder, &entries))
        return false;
    /* seeds/NAME.sql runs before seeds/NAME/...: all files first, then the folders. */
    for (int pass = 0; pass < 2; pass++) {
        for (size_t i = 0; i < entries.len; i++) {
            const FolderEntry *entry = &entries.items[i];
            bool is_folder = entry->kind == FILE_FOLDER;
            if (is_folder != (pass == 1))
                continue;
            const char *path = path_join(walk->arena, folder, entry->name);
            if (!path)
                return error_nomem(walk->err);
            bool ok;
            if (is_folder && environment.len == 0 && entry->name.ptr[0] != '.')
                ok = walk_seeds(walk, path, entry->name);
            else if (!is_folder && is_sql(entry->name))
                ok = add_seed(walk,
                              environment.len > 0 ? environment
                                                  : without_suffix(entry->name, STR(".sql")),
                              entry, path);
            else
                ok = ignore(walk, path, entry->name);
            if (!ok)
                return false;
        }
    }
    return true;
}

static bool walk_hooks(Walk *walk, const char *folder)
{
    const char *points[HOOK_COUNT + 1] = {NULL};
    FolderEntryVec entries = {0};
    for (int i = 0; i < HOOK_COUNT; i++)
        points[i] = hook_point_name((HookPoint)i);
    if (!list(walk, folder, &entries))
        return false;
    for (size_t i = 0; i < entries.len; i++) {
        const FolderEntry *entry = &entries.items[i];
        const char *path = path_join(walk->arena, folder, entry->name);
        Str stem = without_suffix(entry->name, STR(".sql"));
        Hook hook = {.point = HOOK_COUNT};
        if (!path)
            return error_nomem(walk->err);
        for (int p = 0; p < HOOK_COUNT; p++) {
            if (str_eq(stem, str_from(points[p])))
                hook.point = (HookPoint)p;
        }
        if (hook.point == HOOK_COUNT) {
            const char *nearest = is_common(entry->name) ? NULL : suggest_nearest(stem, points);
            if (!nearest) {
                if (!ignore(walk, path, entry->name))
                    return false;
                continue;
            }
            error_set(walk->err, ERROR_PARSE, "%s is called almost like a hook", path);
            error_code(walk->err, "bad-name");
            return error_hint(walk->err,
                              "Rename it to %s%s, or, if it is no hook, to something else.",
                              nearest, is_sql(entry->name) ? ".sql" : "");
        }
        if (!check_kind(walk, entry, path))
            return false;
        if (is_sql(entry->name)) {
            hook.script = script_new(walk->arena, walk->files, path);
        } else {
            FileInfo info;
            if (!file_tree_info(walk->files, path, &info, walk->err))
                return false;
            if (!info.is_executable) {
                error_set(walk->err, ERROR_IO, "the hook %s is not executable", path);
                error_code(walk->err, "bad-file");
                return error_hint(walk->err,
                                  "Run `chmod +x %s`, or give it the ending .sql if it holds SQL.",
                                  path);
            }
            hook.program = path;
        }
        if ((!hook.script && !hook.program) || !vec_push(walk->arena, &walk->set.hooks, hook))
            return error_nomem(walk->err);
    }
    return true;
}

static bool walk_folder(Walk *walk, const char *folder, Str real, bool is_root);

/* parent: the real path of the folder that entry is in. A folder is walked once, however many links lead to it. */
static bool walk_sub_folder(Walk *walk, const FolderEntry *entry, const char *path, Str parent,
                            bool is_root)
{
    Str name = entry->name;
    if (name.ptr[0] == '.')
        return true;
    if (looks_meant(name)) {
        error_set(walk->err, ERROR_IO, "%s is a folder, and its name is that of a file", path);
        error_code(walk->err, "bad-name");
        error_at(walk->err, str_from(path), 0, 0);
        return error_hint(walk->err, "A migration in a folder is called like %.*s/up.sql.",
                          STR_ARG(without_suffix(name, STR(".sql"))));
    }
    Str real;
    if (entry->is_link) {
        if (!real_path(walk, path, &real))
            return false;
        if (is_in_tree(walk, real))
            return true;
        if (!vec_push(walk->scratch, &walk->trees, real))
            return error_nomem(walk->err);
    } else {
        const char *above = str_z(walk->scratch, parent);
        const char *joined = above ? path_join(walk->scratch, above, name) : NULL;
        if (!joined)
            return error_nomem(walk->err);
        real = str_from(joined);
        if (is_tree(walk, real))
            return true;
    }
    if (str_eq(name, STR("rollback")))
        return walk_rollbacks(walk, path);
    if (is_root && str_eq(name, STR("seeds")))
        return walk_seeds(walk, path, (Str){0});
    if (is_root && str_eq(name, STR("hooks")))
        return walk_hooks(walk, path);
    if (is_root && (str_eq(name, STR("templates")) || str_eq(name, STR("tests"))))
        return true;
    return walk_folder(walk, path, real, false);
}

static bool walk_file(Walk *walk, const FolderEntry *entry, const char *path, bool is_root)
{
    FileName name = file_name(path_base(str_from(path)));
    bool is_up = str_eq(entry->name, STR("up.sql"));
    if (!is_root && (is_up || str_eq(entry->name, STR("down.sql"))) &&
        folder_name(path_base(path_folder(str_from(path))), &name))
        name.form = is_up ? NAME_UP : NAME_DOWN;
    if (is_common(entry->name) || name.form == NAME_NONE)
        return ignore(walk, path, entry->name);
    if (name.form == NAME_BAD)
        return bad_name(walk->scratch, path, entry->name, walk->err);
    return check_kind(walk, entry, path) &&
           (name.form == NAME_DOWN ? add_down(walk, &name, path)
                                   : add_migration(walk, &name, path));
}

/* file_name() takes nothing that is so named for an up: an up's path is kept. */
static bool is_named_down(Str name)
{
    return str_ends(name, STR(".down.sql")) || str_eq(name, STR("down.sql"));
}

static bool walk_folder(Walk *walk, const char *folder, Str real, bool is_root)
{
    FolderEntryVec entries = {0};
    MigrationVec *all = &walk->set.migrations;
    if (!list(walk, folder, &entries))
        return false;
    size_t ups = 0; /* how many at most, so that a long list is made at once */
    for (size_t i = 0; i < entries.len; i++)
        ups += entries.items[i].kind != FILE_FOLDER && !is_named_down(entries.items[i].name);
    if (ups > 0 && !vec_reserve(walk->arena, all, all->len + ups))
        return error_nomem(walk->err);
    for (size_t i = 0; i < entries.len; i++) {
        const FolderEntry *entry = &entries.items[i];
        bool is_kept = entry->kind == FILE_FOLDER || !is_named_down(entry->name);
        const char *path = path_join(is_kept ? walk->arena : walk->scratch, folder, entry->name);
        if (!path)
            return error_nomem(walk->err);
        if (!(entry->kind == FILE_FOLDER ? walk_sub_folder(walk, entry, path, real, is_root)
                                         : walk_file(walk, entry, path, is_root)))
            return false;
    }
    return true;
}

/* ---- pairing ------------------------------------------------------------------------------------------------------- */

static int by_version(const void *a, const void *b)
{
    const Down *one = a, *two = b;
    int order = version_compare(one->version, two->version);
    return order != 0 ? order : str_cmp(str_from(one->path), str_from(two->path));
}

static bool two_downs(Walk *walk, Str version, const char *one, const char *two)
{
    bool is_one_first = str_cmp(str_from(one), str_from(two)) < 0;
    error_set(walk->err, ERROR_STATE, "two downs have version %.*s: %s and %s", STR_ARG(version),
              is_one_first ? one : two, is_one_first ? two : one);
    error_code(walk->err, "duplicate-version");
    error_at(walk->err, str_from(is_one_first ? two : one), 0, 0);
    return error_hint(walk->err, "Keep the one that undoes the migration, and remove the other.");
}

static bool give_down(Walk *walk, Migration *migration, const Down *down)
{
    const char *other;
    if (migration->has_down_beside)
        return migration_down_path(walk->scratch, migration, &other)
                   ? two_downs(walk, down->version, other, down->path)
                   : error_nomem(walk->err);
    if (!walk->files && migration->up && migration_lies_beside(migration->up->path, down->path)) {
        migration->has_down_beside = true;
        return true;
    }
    char *path = str_z(walk->arena, str_from(down->path));
    migration->down = path ? script_new(walk->arena, walk->files, path) : NULL;
    return migration->down || error_nomem(walk->err);
}

/* Gives each down to its up; the set is sorted. */
static bool pair_downs(Walk *walk)
{
    bool is_settled = true; /* as folders are listed, if versions have one length */
    for (size_t i = 1; i < walk->downs.len && is_settled; i++)
        is_settled =
            version_compare(walk->downs.items[i - 1].version, walk->downs.items[i].version) < 0;
    if (!is_settled)
        qsort(walk->downs.items, walk->downs.len, sizeof *walk->downs.items, by_version);
    size_t at = 0;
    for (size_t i = 0; i < walk->downs.len; i++) {
        const Down *down = &walk->downs.items[i];
        if (!is_settled && i > 0 &&
            version_compare(walk->downs.items[i - 1].version, down->version) == 0)
            return two_downs(walk, down->version, walk->downs.items[i - 1].path, down->path);
        int order = 1;
        while (at < walk->set.migrations.len &&
               walk->set.migrations.items[at].kind == MIGRATION_VERSIONED &&
               (order = version_compare(walk->set.migrations.items[at].version, down->version)) < 0)
            at++;
        if (order != 0) {
            error_set(walk->err, ERROR_STATE, "%s is a down, and no up has version %.*s",
                      down->path, STR_ARG(down->version));
            error_code(walk->err, "down-without-up");
            error_at(walk->err, str_from(down->path), 0, 0);
            return error_hint(walk->err, "Add the up, or correct the version in the down's name.");
        }
        if (!give_down(walk, &walk->set.migrations.items[at], down))
            return false;
    }
    return true;
}

bool whimbrel_scan(const ConventionContext *ctx, Arena *arena, MigrationSet *ret_set, Error *err)
{
    scoped(Arena *, arena_freep) scratch = arena_new();
    if (!scratch)
        return error_nomem(err);
    Walk walk = {.ctx = ctx, .files = ctx->files, .arena = arena, .scratch = scratch, .err = err};
    walk.set.script_options = (ScriptOptions){
        .split = {.dialect = ctx->dialect},
        .checksum_hash = HASH_SHA256,
        .reads_directives = true,
        .history_table = ctx->table.len > 0 ? ctx->table
                         : ctx->convention  ? str_from(ctx->convention->default_table)
                                            : (Str){0},
    };
    /* All roots are known before the first is walked, so that one inside another is walked as the root that it is. */
    StrVec roots = {0};
    for (size_t i = 0; i < ctx->folders.len; i++) {
        const char *folder = str_z(arena, ctx->folders.items[i]);
        Str real;
        if (!folder)
            return error_nomem(err);
        if (!real_path(&walk, folder, &real))
            return error_hint(
                err,
                "Make the folder with `whimbrel new NAME`, or name another with --migrations.");
        if (is_tree(&walk, real))
            continue;
        if (!vec_push(scratch, &walk.trees, real) || !vec_push(scratch, &roots, str_from(folder)))
            return error_nomem(err);
    }
    for (size_t i = 0; i < roots.len; i++) {
        /* Links may add trees behind those of the roots. */
        if (!walk_folder(&walk, roots.items[i].ptr, walk.trees.items[i], true))
            return false;
    }
    walk.set.arena = arena;
    if (!migration_set_finish(&walk.set, err) || !pair_downs(&walk))
        return false;
    *ret_set = walk.set;
    return true;
}

/* ---- new migrations ------------------------------------------------------------------------------------------------- */

/* The newest versioned migration; NULL: none. */
static const Migration *newest(const MigrationSet *set)
{
    for (size_t i = set->migrations.len; i > 0; i--) {
        if (set->migrations.items[i - 1].kind != MIGRATION_REPEATABLE)
            return &set->migrations.items[i - 1];
    }
    return NULL;
}

/* The version after the newest one's first part: "0007" -> "0008", with as many digits. */
static bool next_number(Arena *arena, const Migration *last, int width, const char **ret_version,
                        Error *err)
{
    uint64_t number = 0;
    if (last) {
        Str part;
        str_cut(last->version, '.', &part);
        if (!str_to_u64(part, &number) || number == UINT64_MAX) {
            error_set(err, ERROR_USAGE, "there is no number after version %.*s",
                      STR_ARG(last->version));
            return error_hint(
                err, "Leave --numbered out, so that the new migration is named after the time.");
        }
        width = (int)(part.len < 20 ? part.len : 20);
    }
    *ret_version = str_format(arena, "%0*llu", width, (unsigned long long)number + 1);
    return *ret_version || error_nomem(err);
}

/* Now, or the first second after it that no migration has. */
static const char *next_timestamp(Arena *arena, const MigrationSet *set, Timestamp now)
{
    char buf[TIMESTAMP_TEXT];
    for (;; now += 1000000) {
        Str version = str_from(timestamp_compact(now, buf));
        if (!migration_set_find(set, version))
            return str_z(arena, version);
    }
}

bool whimbrel_new_paths(const ConventionContext *ctx, Arena *arena, const MigrationSet *set,
                        Str name, unsigned new_kind, bool is_numbered, Timestamp now,
                        StrVec *ret_paths, Error *err)
{
    (void)ctx;
    StrBuf snake = strbuf(arena);
    Str slug;
    StrVec paths = {0};
    add_snake_case(&snake, name);
    if (!strbuf_finish(&snake, &slug))
        return error_nomem(err);
    if (slug.len == 0 || !str_is_utf8(name, NULL)) {
        error_set(err, ERROR_USAGE, "a migration cannot be called \"%.*s\"", STR_ARG(name));
        error_code(err, "bad-name");
        return error_hint(err, "Say in a few words what it does: whimbrel new \"add users\".");
    }
    const Migration *last = newest(set);
    Str last_base = last && last->up ? path_base(str_from(last->up->path)) : (Str){0};
    bool is_prefixed = last_base.len > 0 && last_base.ptr[0] == 'V';
    /* V007 goes on with V008; a timestamp in that spelling goes on with a timestamp. */
    if (is_prefixed && last->version.len < 12)
        is_numbered = true;
    const char *version = NULL;
    if (is_numbered && !next_number(arena, last, is_prefixed ? 3 : 4, &version, err))
        return false;
    if (!is_numbered && !(version = next_timestamp(arena, set, now)))
        return error_nomem(err);
    if (new_kind == NEW_DEFAULT)
        new_kind = last && !migration_has_down(last)  ? NEW_SQL_ONLY
                   : str_eq(last_base, STR("up.sql")) ? NEW_FOLDER
                                                      : NEW_REVERSIBLE;
    const char *up = NULL, *down = NULL;
    bool is_down_wanted = new_kind == NEW_REVERSIBLE || new_kind == NEW_FOLDER;
    if (new_kind == NEW_REPEATABLE) {
        up = str_format(arena, "R__%.*s.sql", STR_ARG(slug));
    } else if (new_kind == NEW_FOLDER) {
        up = str_format(arena, "%s_%.*s/up.sql", version, STR_ARG(slug));
        down = str_format(arena, "%s_%.*s/down.sql", version, STR_ARG(slug));
    } else if (is_prefixed) {
        const char *down_path = NULL;
        if (!migration_down_path(arena, last, &down_path))
            return error_nomem(err);
        Str down_base = down_path ? path_base(path_folder(str_from(down_path))) : (Str){0};
        up = str_format(arena, "V%s__%.*s.sql", version, STR_ARG(slug));
        if (is_down_wanted)
            down = str_eq(down_base, STR("rollback"))
                       ? str_format(arena, "rollback/V%s__rollback.sql", version)
                       : str_format(arena, "U%s__%.*s.sql", version, STR_ARG(slug));
    } else {
        up = str_format(arena, "%s_%.*s%s", version, STR_ARG(slug),
                        is_down_wanted ? ".up.sql" : ".sql");
        if (is_down_wanted)
            down = str_format(arena, "%s_%.*s.down.sql", version, STR_ARG(slug));
    }
    if (!up || (is_down_wanted && !down) || !vec_push(arena, &paths, str_from(up)) ||
        (down && !vec_push(arena, &paths, str_from(down))))
        return error_nomem(err);
    *ret_paths = paths;
    return true;
}

/* Sets of migrations: order, duplicates, look-ups; and the words that the model's values have in reports.
 * SPDX-License-Identifier: Apache-2.0 */
#include "migration/script.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

const char *migration_kind_name(MigrationKind kind)
{
    switch (kind) {
    case MIGRATION_VERSIONED:
        return "versioned";
    case MIGRATION_REPEATABLE:
        return "repeatable";
    case MIGRATION_BASELINE:
        return "baseline";
    }
    return "unknown";
}

const char *hook_point_name(HookPoint point)
{
    switch (point) {
    case HOOK_BEFORE_MIGRATE:
        return "before-migrate";
    case HOOK_AFTER_MIGRATE:
        return "after-migrate";
    case HOOK_BEFORE_EACH:
        return "before-each";
    case HOOK_AFTER_EACH:
        return "after-each";
    case HOOK_ON_ERROR:
        return "on-error";
    case HOOK_BEFORE_ROLLBACK:
        return "before-rollback";
    case HOOK_AFTER_ROLLBACK:
        return "after-rollback";
    case HOOK_COUNT:
        break;
    }
    return "unknown";
}

const char *migration_label(Arena *arena, Str version, Str name, MigrationKind kind)
{
    if (kind == MIGRATION_REPEATABLE)
        return str_format(arena, "R %.*s", STR_ARG(name));
    return str_format(arena, "%.*s%s%.*s", STR_ARG(version), name.len > 0 ? " " : "",
                      STR_ARG(name));
}

/* Versioned before repeatable, then by what each is known by. */
static int compare_identity(const VersionOrder *versions, MigrationKind kind_a, Str version_a,
                            Str name_a, MigrationKind kind_b, Str version_b, Str name_b)
{
    bool is_repeatable_a = kind_a == MIGRATION_REPEATABLE,
         is_repeatable_b = kind_b == MIGRATION_REPEATABLE;
    if (is_repeatable_a != is_repeatable_b)
        return is_repeatable_a ? 1 : -1;
    return is_repeatable_a ? str_cmp(name_a, name_b)
                           : version_order_compare(versions, version_a, version_b);
}

static const Script *any_script(const Migration *migration)
{
    return migration->up ? migration->up : migration->down;
}

bool migration_has_down(const Migration *migration)
{
    return migration->down || migration->has_down_beside;
}

/* x.up.sql and x.sql have x.down.sql beside them, x/up.sql has x/down.sql. */
static Str beside(Str up, Str *ret_end)
{
    bool is_in_folder = str_eq(path_base(up), STR("up.sql"));
    Str end = is_in_folder                   ? STR("up.sql")
              : str_ends(up, STR(".up.sql")) ? STR(".up.sql")
                                             : STR(".sql");
    *ret_end = is_in_folder ? STR("down.sql") : STR(".down.sql");
    return str_ends(up, end) ? str_sub(up, 0, up.len - end.len) : up;
}

bool migration_lies_beside(const char *up, const char *down)
{
    Str end, stem = beside(str_from(up), &end), path = str_from(down);
    return path.len == stem.len + end.len && str_starts(path, stem) && str_ends(path, end);
}

bool migration_down_path(Arena *arena, const Migration *migration, const char **ret_path)
{
    *ret_path = migration->down ? migration->down->path : NULL;
    if (!migration->has_down_beside || !migration->up)
        return true;
    Str end, stem = beside(str_from(migration->up->path), &end);
    *ret_path = str_format(arena, "%.*s%.*s", STR_ARG(stem), STR_ARG(end));
    return *ret_path != NULL;
}

bool migration_down(const MigrationSet *set, const Migration *migration, Script **ret_down)
{
    const char *path;
    *ret_down = migration->down;
    if (!migration->has_down_beside)
        return true;
    /* The set's migrations are its own, and so is what is made of them. */
    Migration *own = (Migration *)(uintptr_t)migration;
    if (!migration_down_path(set->arena, migration, &path) ||
        !(*ret_down = script_new(set->arena, NULL, path)))
        return false;
    own->down = *ret_down;
    own->has_down_beside = false;
    return true;
}

static Str path_of(const Migration *migration)
{
    const Script *script = any_script(migration);
    return str_from(script ? script->path : "");
}

static int by_identity(const void *a, const void *b, void *versions)
{
    const Migration *one = a, *two = b;
    int order = compare_identity(versions, one->kind, one->version, one->name, two->kind,
                                 two->version, two->name);
    return order != 0 ? order : str_cmp(path_of(one), path_of(two));
}

bool migration_set_finish(MigrationSet *set, Error *err)
{
    MigrationVec *all = &set->migrations;
    bool is_settled = true; /* as folders are listed, if versions have one length */
    for (size_t i = 1; i < all->len && is_settled; i++) {
        const Migration *one = &all->items[i - 1], *two = &all->items[i];
        is_settled = compare_identity(&set->versions, one->kind, one->version, one->name, two->kind,
                                      two->version, two->name) < 0;
    }
    if (is_settled)
        return true;
    qsort_r(all->items, all->len, sizeof *all->items, by_identity, &set->versions);
    for (size_t i = 1; i < all->len; i++) {
        const Migration *one = &all->items[i - 1], *two = &all->items[i];
        if (compare_identity(&set->versions, one->kind, one->version, one->name, two->kind,
                             two->version, two->name) != 0)
            continue;
        if (two->kind == MIGRATION_REPEATABLE)
            error_set(err, ERROR_STATE, "two repeatable migrations are called %.*s: %.*s and %.*s",
                      STR_ARG(two->name), STR_ARG(path_of(one)), STR_ARG(path_of(two)));
        else
            error_set(err, ERROR_STATE, "two migrations have version %.*s: %.*s and %.*s",
                      STR_ARG(two->version), STR_ARG(path_of(one)), STR_ARG(path_of(two)));
        error_code(err, "duplicate-version");
        error_at(err, path_of(two), 0, 0);
        return two->kind == MIGRATION_REPEATABLE
                   ? error_hint(err, "Rename one of the two files.")
                   : error_hint(err, "Give the one that is not applied anywhere yet a newer "
                                     "version: rename its file, or run `whimbrel rebase`.");
    }
    return true;
}

/* Versioned ones come first, so that one bisection serves both kinds. */
static const Migration *find(const MigrationSet *set, MigrationKind kind, Str version, Str name)
{
    size_t low = 0, high = set->migrations.len;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        const Migration *migration = &set->migrations.items[mid];
        int order = compare_identity(&set->versions, migration->kind, migration->version,
                                     migration->name, kind, version, name);
        if (order == 0)
            return migration;
        if (order < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return NULL;
}

const Migration *migration_set_find(const MigrationSet *set, Str version)
{
    return find(set, MIGRATION_VERSIONED, version, (Str){0});
}

const Migration *migration_set_find_repeatable(const MigrationSet *set, Str name)
{
    return find(set, MIGRATION_REPEATABLE, (Str){0}, name);
}

const VersionParents *migration_parents(const MigrationSet *set, const Migration *migration)
{
    return set->parents ? &set->parents[migration - set->migrations.items] : NULL;
}

bool migration_set_heads(Arena *arena, const MigrationSet *set, MigrationRefVec *ret_heads,
                         Error *err)
{
    MigrationRefVec heads = {0};
    unsigned char *is_followed = arena_alloc(arena, set->migrations.len + 1);
    if (!is_followed)
        return error_nomem(err);
    memset(is_followed, 0, set->migrations.len + 1);
    for (size_t i = 0; i < set->migrations.len; i++) {
        const Migration *migration = &set->migrations.items[i];
        const VersionParents *parents = migration_parents(set, migration);
        for (size_t k = 0; parents && k < parents->versions.len; k++) {
            const Migration *parent = migration_set_find(set, parents->versions.items[k]);
            if (parent)
                is_followed[parent - set->migrations.items] = 1;
        }
    }
    for (size_t i = 0; i < set->migrations.len; i++) {
        const Migration *migration = &set->migrations.items[i];
        if (migration->kind == MIGRATION_REPEATABLE || !migration->up || is_followed[i])
            continue;
        if (!set->parents)
            heads.len = 0;
        if (!vec_push(arena, &heads, migration))
            return error_nomem(err);
    }
    *ret_heads = heads;
    return true;
}

/* In the order of the look-ups, if there is one. */
static const HistoryRow *row_at(const History *history, size_t place)
{
    return &history->rows.items[history->order ? history->order[place] : place];
}

static size_t find_place(const History *history, MigrationKind kind, Str version, Str name);

/* Goes through the rows as a set goes through its migrations: mostly both are in one order, and a look-up is a step. */
typedef struct Walk {
    const History *history;
    size_t next;
} Walk;

static const HistoryRow *row_of(Walk *walk, const Migration *migration)
{
    const History *history = walk->history;
    if (walk->next < history->rows.len) {
        const HistoryRow *row = row_at(history, walk->next);
        if (compare_identity(history->versions, row->kind, row->version, row->name, migration->kind,
                             migration->version, migration->name) == 0) {
            walk->next++;
            return row;
        }
    }
    size_t place = find_place(history, migration->kind, migration->version, migration->name);
    if (place == SIZE_MAX)
        return NULL;
    walk->next = place + 1;
    return row_at(history, place);
}

void migration_set_expect(MigrationSet *set, const History *history)
{
    Walk walk = {.history = history};
    for (size_t i = 0; i < set->migrations.len; i++) {
        Migration *migration = &set->migrations.items[i];
        if (!migration->up)
            continue;
        const HistoryRow *row = row_of(&walk, migration);
        bool is_known = row && row->outcome == HISTORY_APPLIED && row->checksum.len > 0;
        Script *up = migration->up;
        up->is_new = !row;
        bool has_all = up->tokens.len > 0 || (up->is_new && set->leaves_tokens);
        if (up->is_read && !up->known && has_all)
            continue; /* what was found in it is its own */
        up->known = is_known ? row : NULL;
        /* Its bytes were read with an earlier history, which lent the digests: this one lends them if it says the same. */
        up->is_read = is_known && str_eq(row->checksum, up->checksum);
        if (up->is_read)
            up->tokens = row->tokens;
    }
}

bool migration_set_forget(MigrationSet *set, Arena *arena, Error *err)
{
    for (size_t i = 0; i < set->migrations.len; i++) {
        Script *up = set->migrations.items[i].up;
        if (!up || !up->known)
            continue;
        if (up->is_read && !str_copy(arena, up->checksum, &up->checksum))
            return error_nomem(err);
        if (!up->is_read)
            up->checksum = (Str){0};
        up->tokens = (Str){0};
        up->known = NULL;
        up->is_read = false;
    }
    return true;
}

static bool read_script(MigrationSet *set, ReadingRoom *room, Arena *arena, Script *script,
                        bool is_down, bool wants_parts, Error *err)
{
    room->opened = 0;
    room->skips_tokens = is_down; /* nothing is ever compared with a down */
    room->leaves_tokens = set->leaves_tokens;
    bool is_ok = script_read_in(room, arena, script, &set->script_options, wants_parts, err);
    set->opened += room->opened;
    return is_ok;
}

struct SetLook {
    MigrationSet *set;
    Arena *arena;
    bool has_begun;
    atomic_bool is_unwanted; /* what is not looked at yet may be left */
    atomic_bool is_awaited;  /* and will be made use of at once */
    Aside aside;             /* looking; all that follows is its own until it is waited for */
    DigestCache cache;
    /* for each migration's up: where the cache has its digest, from 1; 0: nowhere. NULL: nobody has looked */
    uint32_t *entries;
    /* of all of them, when the cache has told all there is to know and is closed; else NULL */
    unsigned char *digests;
    uint32_t *sizes;
    size_t each; /* bytes of digests */
};

static bool may_be_kept(const Script *script)
{
    return script && script->open_path && !script->form;
}

SetLook *set_look_new(MigrationSet *set)
{
    if (set->look)
        return set->look;
    Arena *arena = arena_new();
    SetLook *look = arena ? arena_alloc(arena, sizeof *look) : NULL;
    if (!look) {
        arena_free(arena);
        return NULL;
    }
    *look = (SetLook){.set = set, .arena = arena};
    set->look = look;
    return look;
}

void set_look_freep(SetLook **look)
{
    SetLook *over = *look;
    *look = NULL;
    if (!over)
        return;
    atomic_store(&over->is_unwanted, true);
    aside_end(&over->aside);
    over->set->look = NULL; /* which may be where look points to */
    digest_cache_close(&over->cache);
    arena_free(over->arena);
}

/* Nothing is left to be learnt: the cache goes, which has more than digests, and the history has room instead. */
static void keep_digests(SetLook *look)
{
    size_t count = look->set->migrations.len, each = look->cache.digest_len + 1;
    unsigned char *digests = arena_alloc(look->arena, count * each);
    uint32_t *sizes = arena_alloc(look->arena, count * sizeof *sizes);
    if (!digests || !sizes)
        return;
    for (size_t i = 0; i < count; i++) {
        uint64_t size_bytes;
        const unsigned char *digest =
            digest_cache_entry(&look->cache, look->entries[i], &size_bytes);
        if (size_bytes > UINT32_MAX)
            return;
        memcpy(digests + i * each, digest, each);
        sizes[i] = (uint32_t)size_bytes;
    }
    look->digests = digests;
    look->sizes = sizes;
    look->each = each;
    digest_cache_close(&look->cache);
}

/* What was found out of a migration's up; NULL: nothing. */
static const unsigned char *looked_up(const SetLook *look, size_t i, uint64_t *ret_size_bytes)
{
    if (!look->entries || look->entries[i] == 0)
        return NULL;
    if (!look->digests)
        return digest_cache_entry(&look->cache, look->entries[i], ret_size_bytes);
    *ret_size_bytes = look->sizes[i];
    return look->digests + i * look->each;
}

static void look_at_all(void *given)
{
    SetLook *look = given;
    const MigrationSet *set = look->set;
    look->entries = arena_alloc(look->arena, set->migrations.len * sizeof *look->entries);
    if (!look->entries)
        return;
    digest_cache_open(&look->cache, &set->cache, set->migrations.len, &set->script_options);
    bool has_all = look->cache.place;
    for (size_t i = 0; i < set->migrations.len && !atomic_load(&look->is_unwanted); i++) {
        if (may_be_kept(set->migrations.items[i].up))
            look->entries[i] =
                digest_cache_look(&look->cache, set->migrations.items[i].up->open_path);
        has_all = has_all && look->entries[i] > 0;
    }
    if (has_all && !atomic_load(&look->is_unwanted) && !atomic_load(&look->is_awaited))
        keep_digests(look);
}

void set_look_at(SetLook *look)
{
    const MigrationSet *set = look->set;
    if (set->cache.path && set->migrations.len >= set->cache.fewest && !look->has_begun)
        aside_begin(&look->aside, look_at_all, look);
    look->has_begun = true;
}

bool migration_set_has_changed(const MigrationSet *set, const History *history)
{
    Walk walk = {.history = history};
    for (size_t i = 0; i < set->migrations.len; i++) {
        const Migration *migration = &set->migrations.items[i];
        const HistoryRow *row = migration->up ? row_of(&walk, migration) : NULL;
        if (row && row->outcome == HISTORY_APPLIED && row->checksum.len > 0 &&
            migration->up->known != row)
            return true;
    }
    return false;
}

bool migration_set_read(Arena *arena, MigrationSet *set, bool with_downs, Error *err)
{
    scoped(ReadingRoom, reading_room_close) room = {0};
    scoped(SetLook *, set_look_freep) own = set->look ? NULL : set_look_new(set);
    SetLook *look = set->look;
    if (!look)
        return error_nomem(err);
    atomic_store(&look->is_awaited, true);
    aside_end(&look->aside);
    if (!reading_room_open(&room, err))
        return false;
    if (!look->cache.place && !look->digests)
        digest_cache_open(&look->cache, &set->cache, set->migrations.len, &set->script_options);
    room.cache = &look->cache;
    for (size_t i = 0; i < set->migrations.len; i++) {
        Migration *migration = &set->migrations.items[i];
        room.known = looked_up(look, i, &room.known_bytes);
        room.known_len = look->digests ? look->each - 1 : look->cache.digest_len;
        if (migration->up && !read_script(set, &room, arena, migration->up, false, false, err))
            return false;
        room.known = NULL;
        Script *down = NULL;
        if (with_downs && !migration_down(set, migration, &down))
            return error_nomem(err);
        if (down && !read_script(set, &room, arena, down, true, false, err))
            return false;
    }
    return true;
}

bool migration_set_read_due(Arena *arena, MigrationSet *set, const History *history, bool with_all,
                            Error *err)
{
    scoped(ReadingRoom, reading_room_close) room = {0};
    Walk walk = {.history = history};
    if (!reading_room_open(&room, err))
        return false;
    for (size_t i = 0; i < set->migrations.len; i++) {
        const Migration *migration = &set->migrations.items[i];
        const HistoryRow *row = row_of(&walk, migration);
        bool is_applied =
            row && (row->outcome == HISTORY_APPLIED || row->outcome == HISTORY_BASELINED);
        bool is_up_due = with_all || !is_applied;
        bool is_down_due = with_all || (row && row->outcome == HISTORY_RUNNING_DOWN);
        if (migration->up && is_up_due && !migration->up->has_parts &&
            !read_script(set, &room, arena, migration->up, false, true, err))
            return false;
        Script *down = NULL;
        if (is_down_due && !migration_down(set, migration, &down))
            return error_nomem(err);
        if (down && !down->has_parts && !read_script(set, &room, arena, down, true, true, err))
            return false;
    }
    return true;
}

bool migration_set_read_these(Arena *arena, MigrationSet *set, const ScriptVec *scripts, Error *err)
{
    scoped(ReadingRoom, reading_room_close) room = {0};
    if (!reading_room_open(&room, err))
        return false;
    /* All ups are read by now, if not their parts: what is not is a down. */
    for (size_t i = 0; i < scripts->len; i++) {
        Script *script = scripts->items[i];
        if (!script->has_parts &&
            !read_script(set, &room, arena, script, !script->is_read, true, err))
            return false;
    }
    return true;
}

/* ---- history ---------------------------------------------------------------------------------------------- */

static int by_row_identity(const void *a, const void *b, void *ctx)
{
    const History *history = ctx;
    const HistoryRow *all = history->rows.items;
    const HistoryRow *one = &all[*(const uint32_t *)a], *two = &all[*(const uint32_t *)b];
    return compare_identity(history->versions, one->kind, one->version, one->name, two->kind,
                            two->version, two->name);
}

bool history_finish(Arena *arena, History *history, Error *err)
{
    uint32_t *order = arena_alloc(arena, history->rows.len * sizeof *order);
    if (!order)
        return error_nomem(err);
    bool is_sorted = true; /* as it is where nothing was ever applied out of order */
    for (size_t i = 0; i < history->rows.len; i++) {
        order[i] = (uint32_t)i;
        is_sorted =
            is_sorted && (i == 0 || by_row_identity(&order[i - 1], &order[i], history) <= 0);
    }
    if (!is_sorted)
        qsort_r(order, history->rows.len, sizeof *order, by_row_identity, history);
    history->order = order;
    return true;
}

/* Where in the order of the look-ups a row is; SIZE_MAX: nowhere. */
static size_t find_place(const History *history, MigrationKind kind, Str version, Str name)
{
    size_t low = 0, high = history->rows.len;
    while (low < high) {
        size_t mid = history->order ? low + (high - low) / 2 : low;
        const HistoryRow *row = row_at(history, mid);
        int order = compare_identity(history->versions, row->kind, row->version, row->name, kind,
                                     version, name);
        if (order == 0)
            return mid;
        if (order < 0 || !history->order)
            low = mid + 1;
        else
            high = mid;
    }
    return SIZE_MAX;
}

static const HistoryRow *find_row(const History *history, MigrationKind kind, Str version, Str name)
{
    size_t place = find_place(history, kind, version, name);
    return place == SIZE_MAX ? NULL : row_at(history, place);
}

const HistoryRow *history_find(const History *history, Str version)
{
    return find_row(history, MIGRATION_VERSIONED, version, (Str){0});
}

const HistoryRow *history_find_repeatable(const History *history, Str name)
{
    return find_row(history, MIGRATION_REPEATABLE, (Str){0}, name);
}

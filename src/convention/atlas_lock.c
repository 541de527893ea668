/* Atlas' lock on SQLite: a file in the folder for temporary ones that holds when it ends, in nanoseconds since 1970. It is one for all
 * databases. Runs of whimbrel do not wait for one another by it: they have the database's own lock, which holds beside it, so that a
 * file which cannot be made stops nobody either. SPDX-License-Identifier: Apache-2.0 */
#include "convention/atlas.h"

#include <string.h>

/* MARK: the last three digits of ours, which to Atlas are some nanoseconds. */
enum { LONGEST_LOCK = 64, LASTS_S = 10, MARK = 615 };

static const char *lock_path(const ConventionContext *ctx, Arena *arena)
{
    Str folder = {0};
    if (!peer_variable(ctx, STR("TMPDIR"), &folder) || folder.len == 0)
        folder = STR("/tmp");
    const char *path = str_z(arena, folder);
    return path ? path_join(arena, path, STR(ATLAS_LOCK ".lock")) : NULL;
}

static bool is_ours_to_take(const ConventionContext *ctx, const Db *db)
{
    return ctx->dialect == SQL_SQLITE && !str_eq(str_from(db->info.database), STR(":memory:"));
}

/* What stands in it; empty: it is not there, or is no lock of Atlas'. *ret_ends_us: when it ends. */
static bool read_lock(Arena *arena, const char *path, Str *ret_text, Timestamp *ret_ends_us)
{
    Error ignored = {.arena = arena};
    FileInfo info;
    uint64_t ns = 0;
    Str text;
    *ret_text = (Str){0};
    *ret_ends_us = 0;
    if (!file_info(path, &info, &ignored) || info.kind != FILE_REGULAR || info.is_link ||
        !file_read(arena, path, LONGEST_LOCK, &text, &ignored) || !str_to_u64(text, &ns))
        return ignored.kind != ERROR_NOMEM;
    *ret_text = text;
    *ret_ends_us = (Timestamp)(ns / 1000);
    return true;
}

static bool is_of_whimbrel(Str text)
{
    uint64_t ns = 0;
    return str_to_u64(text, &ns) && ns % 1000 == MARK;
}

static void fill_holder(const char *path, DbSession *ret_holder)
{
    *ret_holder =
        (DbSession){.id = str_from(path),
                    .application = STR("Atlas"),
                    .age_us = -1,
                    .is_alive = true,
                    .advice = STR("The file ends by itself in a while; whimbrel lock release takes "
                                  "it away.")};
}

bool atlas_lock_try(const ConventionContext *ctx, Db *db, Arena *arena, bool *ret_is_ours,
                    DbSession *ret_holder, Error *err)
{
    const AtlasSettings *settings = ctx->own;
    AtlasState *state = settings ? settings->state : NULL;
    const char *path = lock_path(ctx, arena);
    Error ignored = {.arena = arena};
    Timestamp ends_us;
    Str text;
    *ret_is_ours = true;
    if (!path)
        return error_nomem(err);
    if (!state || !is_ours_to_take(ctx, db))
        return true;
    if (!read_lock(arena, path, &text, &ends_us))
        return error_nomem(err);
    if (ends_us > clock_now()) {
        *ret_is_ours = is_of_whimbrel(text);
        fill_holder(path, ret_holder);
        return true;
    }
    if (text.len > 0)
        (void)file_remove(path, &ignored);
    snprintf(state->lock, sizeof state->lock, "%lld%03d",
             (long long)(clock_now() + (Timestamp)LASTS_S * 1000000), MARK);
    state->has_lock = file_create_new(path, str_from(state->lock), 0644, &ignored);
    if (state->has_lock)
        return true;
    /* Somebody was faster, or files cannot be made there. */
    if (!read_lock(arena, path, &text, &ends_us))
        return error_nomem(err);
    *ret_is_ours = ends_us <= clock_now() || is_of_whimbrel(text);
    fill_holder(path, ret_holder);
    return true;
}

bool atlas_lock_give(const ConventionContext *ctx, Db *db, Arena *arena, const DbSession *holder,
                     Error *err)
{
    const AtlasSettings *settings = ctx->own;
    AtlasState *state = settings ? settings->state : NULL;
    const char *path = lock_path(ctx, arena);
    Timestamp ends_us;
    Str text;
    if (!path)
        return error_nomem(err);
    if (!is_ours_to_take(ctx, db) || (!holder && (!state || !state->has_lock)))
        return true;
    if (!read_lock(arena, path, &text, &ends_us))
        return error_nomem(err);
    bool is_meant = text.len > 0 && (holder || str_eq(text, str_from(state->lock)));
    if (state && !holder)
        state->has_lock = false;
    return !is_meant || file_remove(path, err);
}

bool atlas_lock_holder(const ConventionContext *ctx, Db *db, Arena *arena, DbSession *ret_holder,
                       bool *ret_has, Error *err)
{
    const char *path = lock_path(ctx, arena);
    Timestamp ends_us;
    Str text;
    *ret_has = false;
    if (!path)
        return error_nomem(err);
    if (!is_ours_to_take(ctx, db))
        return true;
    if (!read_lock(arena, path, &text, &ends_us))
        return error_nomem(err);
    *ret_has = ends_us > clock_now() && !is_of_whimbrel(text);
    if (*ret_has)
        fill_holder(path, ret_holder);
    return true;
}

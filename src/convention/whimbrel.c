/* whimbrel's own convention, put together. SPDX-License-Identifier: Apache-2.0 */
#include "convention/whimbrel.h"
#include "convention/draft.h"

static const char table[] = "whimbrel_history";

/* One lock for all namespaces of one history, since they share tables. The name is readable where it fits. */
static bool lock_key(const ConventionContext *ctx, const Db *db, Arena *arena, DbLockKey *ret_key,
                     Error *err)
{
    TableName name;
    if (!table_name_read(ctx, arena, &name, err))
        return false;
    const char *plain = table_name_plain(arena, &name, "");
    if (!plain)
        return error_nomem(err);
    Hash hash;
    unsigned char digest[HASH_MAX_BYTES];
    DbLockKey key = {0};
    hash_begin(&hash, HASH_SHA256);
    hash_add(&hash, STR("whimbrel "));
    hash_add(&hash, str_from(plain));
    hash_end(&hash, digest);
    for (int i = 0; i < 8; i++)
        key.number = (int64_t)((uint64_t)key.number << 8 | digest[i]);
    key.number &= INT64_MAX; /* reads better in pg_locks */
    bool is_default = ctx->table.len == 0;
    const char *text =
        str_format(arena, "whimbrel:%s%s%s", db->info.database ? db->info.database : "",
                   is_default ? "" : ":", is_default ? "" : plain);
    if (!text)
        return error_nomem(err);
    key.name = str_from(text);
    if (key.name.len > 64) {
        hash_begin(&hash, HASH_SHA256);
        hash_add(&hash, key.name);
        hash_end(&hash, digest);
        const char *hex = hex_encode(arena, digest, 24);
        text = hex ? str_format(arena, "whimbrel:%s", hex) : NULL;
        if (!text)
            return error_nomem(err);
        key.name = str_from(text);
    }
    *ret_key = key;
    return true;
}

/* Looks at names only, in the roots and one folder below. */
static bool look_at_files(const ConventionContext *ctx, Arena *arena, ConventionGuess *guess,
                          Error *err)
{
    for (size_t i = 0; i < ctx->folders.len; i++) {
        const char *folder = str_z(arena, ctx->folders.items[i]);
        FileInfo info;
        FolderList list;
        if (!folder)
            return error_nomem(err);
        if (!folder_look(ctx, arena, ctx->folders.items[i], &list, err))
            return false;
        const FolderEntryVec entries = list.entries;
        for (size_t j = 0; j < entries.len; j++) {
            const FolderEntry *entry = &entries.items[j];
            bool is_one = entry->kind == FILE_REGULAR && whimbrel_reads_name(entry->name);
            if (entry->kind == FILE_FOLDER && whimbrel_reads_folder(entry->name)) {
                const char *up = str_format(arena, "%s/%.*s/up.sql", folder, STR_ARG(entry->name));
                if (!up)
                    return error_nomem(err);
                if (!file_tree_info(ctx->files, up, &info, err))
                    return false;
                is_one = info.kind == FILE_REGULAR;
            }
            if (!is_one)
                continue;
            guess->has_files = true;
            return guess_add(arena, guess, 1,
                             str_format(arena, "%s/%.*s is named as whimbrel names migrations",
                                        folder, STR_ARG(entry->name)),
                             err);
        }
    }
    return true;
}

static bool recognise(const ConventionContext *ctx, Db *db, Arena *arena,
                      ConventionGuess *ret_guess, Error *err)
{
    ConventionGuess guess = {.convention = &convention_whimbrel};
    TableName name;
    if (ctx->project_folder) {
        FileInfo info;
        const char *path = path_join(arena, ctx->project_folder, STR("whimbrel.toml"));
        if (!path)
            return error_nomem(err);
        if (!file_info(path, &info, err))
            return false;
        if (info.kind == FILE_REGULAR &&
            !guess_add(arena, &guess, 1, str_format(arena, "%s is there", path), err))
            return false;
    }
    if (!look_at_files(ctx, arena, &guess, err))
        return false;
    if (db && (!table_name_read(ctx, arena, &name, err) ||
               !guess_table(ctx, db, arena, &name, "namespace, id, ordinal, outcome", false, &guess,
                            err)))
        return false;
    *ret_guess = guess;
    return true;
}

static bool draft_files(const ConventionContext *ctx, Arena *arena, const DraftVec *drafts,
                        TreeFileVec *ret_files, Error *err)
{
    (void)ctx;
    for (size_t i = 0; i < drafts->len; i++) {
        const Draft *draft = &drafts->items[i];
        if (draft->kind != MIGRATION_REPEATABLE)
            continue;
        const char *path = str_format(arena, "R__%.*s.sql", STR_ARG(draft->name));
        if (!draft_plain(arena, ret_files, path, draft, false, NULL, err))
            return false;
    }
    return draft_pairs(arena, drafts, 1, ".sql", NULL, ret_files, err);
}

const Convention convention_whimbrel = {
    .version = 1,
    .name = "whimbrel",
    .title = "whimbrel",
    .summary =
        "whimbrel's own: timestamps or V001__name.sql, downs, repeatables, seeds, hooks, journal",
    .default_table = table,
    .features = CONVENTION_REPEATABLE | CONVENTION_DOWN | CONVENTION_STORES_TEXT |
                CONVENTION_JOURNAL | CONVENTION_RUN_LOG | CONVENTION_BASELINE |
                CONVENTION_NAMESPACE | CONVENTION_HOOKS | CONVENTION_SEEDS | CONVENTION_DIRECTIVES |
                CONVENTION_PLACEHOLDERS | CONVENTION_DELETED | CONVENTION_SERVER_CLOCK,
    .checksum_hash = HASH_SHA256,
    .scan = whimbrel_scan,
    .history_read = whimbrel_history_read,
    .history_prepare = whimbrel_history_prepare,
    .history_write = whimbrel_history_write,
    .write_prepare = whimbrel_write_prepare,
    .lock_key = lock_key,
    .recognise = recognise,
    .new_paths = whimbrel_new_paths,
    .draft_files = draft_files,
    .history_text = whimbrel_history_text,
    .runs_read = whimbrel_runs_read,
};

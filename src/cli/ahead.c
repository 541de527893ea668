/* Files read ahead: while a server is connected to, a thread lists the folders, makes the set that whimbrel's own convention makes of them, and
 * begins to look at the files. SPDX-License-Identifier: Apache-2.0
 *
 * Whose files they are is known only when the database has been asked. Mostly they are whimbrel's own, and then all is there; else,
 * and where anything could not be read, this is thrown away, all but the lists, and done in its turn. So it says nothing, and
 * its errors come again. */
#include "cli/cli.h"

struct Ahead {
    Arena *arena; /* this struct's too */
    ConventionContext context;
    FolderLists lists; /* borrowed */
    MigrationSet *set;
    DigestCachePlace cache;
    Aside scanning;
    bool is_scanned;
};

static void scan(void *given)
{
    Ahead *ahead = given;
    MigrationSet *set = ahead->set;
    ahead->is_scanned = ahead->context.convention->scan(&ahead->context, ahead->arena, set, NULL);
    if (!ahead->is_scanned)
        return;
    set->cache = ahead->cache;
    SetLook *look = set_look_new(set);
    if (look)
        set_look_at(look);
}

static void begin_scan(void *given, const FolderLists *lists)
{
    Ahead *ahead = given;
    ahead->lists = *lists;
    ahead->context.lists = &ahead->lists;
    aside_begin(&ahead->scanning, scan, ahead);
}

void ahead_begin(Cli *cli, const DbUrl *url, unsigned needs)
{
    const Settings *settings = cli->settings;
    const Convention *own = convention_find(STR("whimbrel"));
    bool may_be_own = str_eq(settings->convention, STR("auto")) ||
                      str_eq(settings->convention, str_from(own->name));
    Arena *arena = (needs & NEEDS_MIGRATIONS) && may_be_own ? arena_new() : NULL;
    Ahead *ahead = arena ? arena_alloc(arena, sizeof *ahead) : NULL;
    if (!ahead) {
        arena_free(arena);
        folder_lists_begin(&cli->lists, &settings->migrations, NULL, NULL);
        return;
    }
    *ahead = (Ahead){.arena = arena,
                     .context = {.convention = own,
                                 .dialect = url->driver->dialect,
                                 .table = settings->table,
                                 .folders = settings->migrations},
                     .set = &cli->set};
    if (!(cli->command->needs & READS_FILES))
        ahead->cache = cli_cache(cli, &settings->migrations);
    cli->ahead = ahead;
    folder_lists_begin(&cli->lists, &settings->migrations, begin_scan, ahead);
}

void ahead_end(Cli *cli)
{
    Ahead *ahead = cli->ahead;
    if (!ahead)
        return;
    folder_lists_settle(&cli->lists); /* after that it is known whether it is being scanned */
    aside_end(&ahead->scanning);
    set_look_freep(&cli->set.look);
    cli->set = (MigrationSet){0};
    cli->ahead = NULL;
    arena_free(ahead->arena);
}

static bool are_same(const StrVec *a, const StrVec *b)
{
    bool are = a->len == b->len;
    for (size_t i = 0; i < a->len && are; i++)
        are = str_eq(a->items[i], b->items[i]);
    return are;
}

bool ahead_take(Cli *cli)
{
    Ahead *ahead = cli->ahead;
    if (!ahead)
        return false;
    folder_lists_settle(&cli->lists);
    aside_end(&ahead->scanning);
    const ConventionContext *guessed = &ahead->context, *known = &cli->context;
    bool is_right = ahead->is_scanned && guessed->convention == known->convention &&
                    guessed->dialect == known->dialect && !known->files &&
                    str_eq(guessed->table, known->table) &&
                    are_same(&guessed->folders, &known->folders);
    if (!is_right) {
        ahead_end(cli);
        return false;
    }
    arena_adopt(cli->arena, ahead->arena);
    cli->ahead = NULL;
    return true;
}

/* The register of conventions, and telling which one a project has. SPDX-License-Identifier: Apache-2.0 */
#include "convention/conventions.h"

#define CONVENTION_ADDRESS(name) &convention_##name,
static const Convention *const all[] = {EACH_CONVENTION(CONVENTION_ADDRESS) NULL};
#undef CONVENTION_ADDRESS

const Convention *const *conventions(void)
{
    return all;
}

const Convention *convention_find(Str name)
{
    for (size_t i = 0; all[i]; i++) {
        if (str_eq(name, str_from(all[i]->name)))
            return all[i];
    }
    return NULL;
}

bool convention_configure(ConventionContext *ctx, Arena *arena, Error *err)
{
    return !ctx->convention->configure || ctx->convention->configure(ctx, arena, err);
}

/* Which of a convention's names: those in whatever schema the connection works in, those that name their schema (PostgreSQL), and of
 * these the table's part alone; and the first in capitals, under which PostgreSQL has another table. */
typedef enum NameKind { NAMES_PLAIN, NAMES_QUALIFIED, NAMES_TABLE_PART, NAMES_CAPITALS } NameKind;

static void add_name(StrBuf *sql, SqlDialect dialect, NameKind kind, const char *name, bool *has)
{
    Str whole = str_from(name);
    size_t dot = str_find_char(whole, '.', 0);
    bool is_plain = kind == NAMES_PLAIN || kind == NAMES_CAPITALS;
    char capitals[64];
    if ((dot == SIZE_MAX) != is_plain || (kind == NAMES_CAPITALS && whole.len > sizeof capitals))
        return;
    if (kind == NAMES_CAPITALS) {
        for (size_t i = 0; i < whole.len; i++) {
            char c = whole.ptr[i];
            capitals[i] = c >= 'a' && c <= 'z' ? (char)(c - 'a' + 'A') : c;
        }
        whole.ptr = capitals;
    }
    strbuf_adds(sql, *has ? ", " : "");
    *has = true;
    sql_add_literal(sql, dialect,
                    kind == NAMES_TABLE_PART ? str_sub(whole, dot + 1, whole.len) : whole);
}

static void add_names(StrBuf *sql, SqlDialect dialect, NameKind kind, bool *has)
{
    for (size_t i = 0; all[i]; i++) {
        add_name(sql, dialect, kind, all[i]->default_table, has);
        for (size_t j = 0; all[i]->other_tables && all[i]->other_tables[j]; j++)
            add_name(sql, dialect, kind, all[i]->other_tables[j], has);
    }
}

/* Tables that may be in a schema of their own name. */
static void add_own_schemas(StrBuf *sql, SqlDialect dialect)
{
    for (size_t i = 0; all[i]; i++) {
        if (!(all[i]->features & CONVENTION_OWN_SCHEMA))
            continue;
        strbuf_adds(sql, " OR (c.relname = ");
        sql_add_literal(sql, dialect, str_from(all[i]->default_table));
        strbuf_adds(sql, " AND n.nspname = c.relname)");
    }
}

static void add_is_qualified(StrBuf *sql)
{
    bool has = false;
    strbuf_adds(sql, "(n.nspname || '.' || c.relname) IN (");
    add_names(sql, SQL_POSTGRES, NAMES_QUALIFIED, &has);
    strbuf_adds(sql, ")");
}

static void add_postgres_question(StrBuf *sql)
{
    bool has = false, has_plain = false;
    strbuf_adds(sql, "SELECT CASE WHEN ");
    add_is_qualified(sql);
    strbuf_adds(sql,
                " THEN n.nspname || '.' || c.relname ELSE c.relname END, CASE WHEN c.relkind <> "
                "'r' THEN 1 WHEN pg_catalog.pg_relation_size(c.oid) > 0 THEN 1 ELSE 0 END, (SELECT "
                "pg_catalog.string_agg(a.attname, ',') FROM pg_catalog.pg_attribute a WHERE "
                "a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped) FROM "
                "pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace "
                "WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND c.relname IN (");
    add_names(sql, SQL_POSTGRES, NAMES_PLAIN, &has);
    add_names(sql, SQL_POSTGRES, NAMES_TABLE_PART, &has);
    add_names(sql, SQL_POSTGRES, NAMES_CAPITALS, &has);
    strbuf_adds(sql, ") AND ((pg_catalog.pg_table_is_visible(c.oid) AND c.relname IN (");
    add_names(sql, SQL_POSTGRES, NAMES_PLAIN, &has_plain);
    add_names(sql, SQL_POSTGRES, NAMES_CAPITALS, &has_plain);
    strbuf_adds(sql, ")) OR ");
    add_is_qualified(sql);
    add_own_schemas(sql, SQL_POSTGRES);
    strbuf_adds(sql, ")");
}

/* Which of the conventions' own tables (and views of their names) are there, which of those surely hold something, and their columns, since some tools' tables
 * have one name. PostgreSQL says that a table holds something of one that has a page: one that was emptied may still have it, which is
 * evidence too. MySQL and MariaDB know how many rows there are, though 0 may be out of date. */
bool convention_question(SqlDialect dialect, Arena *arena, Str *ret_sql, Error *err)
{
    StrBuf sql = strbuf(arena), names = strbuf(arena);
    Str list;
    bool has = false;
    add_names(&names, dialect, NAMES_PLAIN, &has);
    if (!strbuf_finish(&names, &list))
        return error_nomem(err);
    switch (dialect) {
    case SQL_POSTGRES:
        add_postgres_question(&sql);
        break;
    case SQL_MYSQL:
        /* Not one query within the other: MariaDB would open every table of the database for each that it finds. */
        strbuf_adds(&sql, "SELECT t.table_name, CASE WHEN t.table_rows > 0 THEN 1 ELSE 0 END, "
                          "c.names FROM information_schema.tables t JOIN (SELECT table_name, "
                          "GROUP_CONCAT(column_name) AS names FROM information_schema.columns "
                          "WHERE table_schema = DATABASE() AND table_name IN (");
        strbuf_add(&sql, list);
        strbuf_adds(&sql, ") GROUP BY table_name) c ON c.table_name = t.table_name WHERE "
                          "t.table_schema = DATABASE() AND t.table_name IN (");
        strbuf_add(&sql, list);
        strbuf_adds(&sql, ")");
        break;
    case SQL_SQLITE:
        strbuf_adds(&sql, "SELECT m.name, 0, (SELECT group_concat(c.name) FROM "
                          "pragma_table_info(m.name) c) FROM sqlite_master m WHERE m.type IN "
                          "('table', 'view') AND m.name COLLATE NOCASE IN (");
        strbuf_add(&sql, list);
        strbuf_adds(&sql, ")");
        break;
    }
    return strbuf_finish(&sql, ret_sql) || error_nomem(err);
}

bool convention_look_at_tables(ConventionContext *ctx, Db *db, Arena *arena, Error *err)
{
    scoped(DbRows, db_rows_done) rows = {0};
    KnownTableVec *tables = arena_alloc(arena, sizeof *tables);
    Str text;
    if (!tables)
        return error_nomem(err);
    *tables = (KnownTableVec){0};
    if (!convention_question(ctx->dialect, arena, &text, err) ||
        (!db_answer(db, text, &rows) && !db_query(db, text, &rows, err)))
        return false;
    while (db_rows_next(&rows)) {
        KnownTable table = {.is_filled = rows.col_count > 1 && str_eq(rows.cols[1].text, STR("1"))};
        if (rows.col_count != 3 || !str_copy(arena, rows.cols[0].text, &table.name) ||
            !str_copy(arena, rows.cols[2].text, &table.columns) || !vec_push(arena, tables, table))
            return error_nomem(err);
    }
    if (!db_rows_finish(&rows, err))
        return false;
    ctx->known_tables = tables;
    return true;
}

static bool list_folder(const ConventionContext *ctx, Arena *arena, Str folder,
                        FolderList *ret_list, Error *err)
{
    FolderList list = {.folder = folder};
    FileInfo info;
    const char *path = str_z(arena, folder);
    if (!path)
        return error_nomem(err);
    if (!file_tree_info(ctx->files, path, &info, err))
        return false;
    list.is_there = info.kind == FILE_FOLDER;
    if (list.is_there && !file_tree_list(ctx->files, arena, path, &list.entries, err))
        return false;
    list.is_sound = true;
    for (size_t i = 0; i < list.entries.len; i++) {
        const FolderEntry *entry = &list.entries.items[i];
        list.has_folders = list.has_folders || entry->kind == FILE_FOLDER;
        list.is_sound =
            list.is_sound && entry->kind != FILE_ABSENT && str_is_utf8(entry->name, NULL);
    }
    *ret_list = list;
    return true;
}

struct ListsAhead {
    Aside aside;
    ConventionContext ctx;
    Arena *arena; /* of the lists */
    FolderList *items;
    bool is_read;
    FoldersRead *then; /* NULL: nothing */
    void *then_ctx;
};

static void list_aside(void *given)
{
    struct ListsAhead *ahead = given;
    const StrVec *folders = &ahead->ctx.folders;
    ahead->is_read = true;
    for (size_t i = 0; i < folders->len && ahead->is_read; i++)
        ahead->is_read =
            list_folder(&ahead->ctx, ahead->arena, folders->items[i], &ahead->items[i], NULL);
    const FolderLists read = {.items = ahead->items, .count = folders->len};
    if (ahead->is_read && ahead->then)
        ahead->then(ahead->then_ctx, &read);
}

void folder_lists_begin(FolderLists *lists, const StrVec *folders, FoldersRead *then, void *ctx)
{
    folder_lists_done(lists);
    Arena *arena = arena_new();
    struct ListsAhead *ahead = arena ? arena_alloc(arena, sizeof *ahead) : NULL;
    FolderList *items = ahead ? arena_alloc(arena, folders->len * sizeof *items) : NULL;
    if (!items) {
        arena_free(arena);
        return;
    }
    *ahead = (struct ListsAhead){.ctx = {.folders = *folders},
                                 .arena = arena,
                                 .items = items,
                                 .then = then,
                                 .then_ctx = ctx};
    lists->arena = arena;
    lists->ahead = ahead;
    aside_begin(&ahead->aside, list_aside, ahead);
}

void folder_lists_settle(FolderLists *lists)
{
    struct ListsAhead *ahead = lists->ahead;
    if (!ahead)
        return;
    aside_end(&ahead->aside);
    lists->ahead = NULL;
    lists->items = ahead->items;
    lists->count = ahead->is_read ? ahead->ctx.folders.len : 0;
}

const FolderList *folder_known(const ConventionContext *ctx, Str folder)
{
    if (ctx->lists)
        folder_lists_settle(ctx->lists);
    for (size_t i = 0; ctx->lists && i < ctx->lists->count; i++)
        if (str_eq(ctx->lists->items[i].folder, folder))
            return &ctx->lists->items[i];
    return NULL;
}

bool folder_look(const ConventionContext *ctx, Arena *arena, Str folder, FolderList *ret_list,
                 Error *err)
{
    const FolderList *known = folder_known(ctx, folder);
    if (known)
        *ret_list = *known;
    return known || list_folder(ctx, arena, folder, ret_list, err);
}

bool folder_entries(const ConventionContext *ctx, Arena *arena, const char *folder,
                    FolderEntryVec *ret_entries, Error *err)
{
    const FolderList *known = folder_known(ctx, str_from(folder));
    if (!known || !known->is_there)
        return file_tree_list(ctx->files, arena, folder, ret_entries, err);
    *ret_entries = known->entries;
    return true;
}

void folder_lists_done(FolderLists *lists)
{
    folder_lists_settle(lists);
    arena_free(lists->arena);
    *lists = (FolderLists){0};
}

static bool has_lists_of(FolderLists *lists, const StrVec *folders)
{
    bool was_ahead = lists->ahead != NULL;
    folder_lists_settle(lists);
    if (!was_ahead || lists->count != folders->len)
        return false;
    for (size_t i = 0; i < folders->len; i++)
        if (!str_eq(lists->items[i].folder, folders->items[i]))
            return false;
    return true;
}

/* Folders may be long: their lists are read once for all that is to be found out. */
static bool list_folders(const ConventionContext *ctx, FolderLists *ret_lists, Error *err)
{
    if (!ctx->files && has_lists_of(ret_lists, &ctx->folders))
        return true;
    folder_lists_done(ret_lists);
    Arena *arena = ret_lists->arena = arena_new();
    FolderList *lists = arena ? arena_alloc(arena, ctx->folders.len * sizeof *lists) : NULL;
    if (!lists)
        return error_nomem(err);
    for (size_t i = 0; i < ctx->folders.len; i++)
        if (!list_folder(ctx, arena, ctx->folders.items[i], &lists[i], err))
            return false;
    ret_lists->items = lists;
    ret_lists->count = ctx->folders.len;
    return true;
}

static bool ambiguous(Arena *arena, const ConventionGuessVec *guesses, const char *why, Error *err)
{
    StrBuf list = strbuf(arena);
    Str text;
    for (size_t i = 0; i < guesses->len; i++) {
        const ConventionGuess *guess = &guesses->items[i];
        if (guess->weight == 0)
            continue;
        strbuf_addf(&list, "%s%s (", list.len > 0 ? "; " : "", guess->convention->name);
        for (size_t j = 0; j < guess->evidence.len; j++) {
            strbuf_adds(&list, j > 0 ? ", " : "");
            strbuf_add(&list, guess->evidence.items[j]);
        }
        strbuf_adds(&list, ")");
    }
    if (!strbuf_finish(&list, &text))
        return error_nomem(err);
    error_set(err, ERROR_STATE, "%s", why);
    error_code(err, "ambiguous-convention");
    error_detail(err, "Candidates: %.*s", STR_ARG(text));
    return error_hint(
        err,
        "Choose one with --convention NAME, or write convention = \"NAME\" into whimbrel.toml.");
}

static bool choose(Arena *arena, const ConventionGuessVec *guesses,
                   const Convention **ret_convention, Error *err)
{
    const ConventionGuess *best = NULL, *rival = NULL;
    for (size_t i = 0; i < guesses->len; i++) {
        const ConventionGuess *guess = &guesses->items[i];
        if (guess->weight == 0)
            continue;
        if (!best || guess->weight > best->weight) {
            best = guess;
            rival = NULL;
        } else if (guess->weight == best->weight) {
            /* One table, which several tools have under one name: it is that one's whose files are here. */
            bool is_one_table =
                strcmp(guess->convention->default_table, best->convention->default_table) == 0;
            if (is_one_table && guess->has_files != best->has_files)
                best = guess->has_files ? guess : best;
            else
                rival = guess;
        }
    }
    if (!best) {
        *ret_convention = all[0];
        return true;
    }
    /* Names alone: whimbrel's own stands first among the guesses, and if it can read the files it is meant. */
    if (best->weight == 1 && best->convention == all[0] && best->has_files)
        rival = NULL;
    /* whimbrel.toml without a file of its own form says nothing against another tool. */
    if (best->weight == 1 && best->convention == all[0] && !best->has_files && rival) {
        best = rival;
        rival = NULL;
    }
    /* Markers are written for one tool, and others would run what they keep apart. */
    for (size_t i = 0; !best->has_markers && i < guesses->len; i++) {
        if (guesses->items[i].has_markers)
            return ambiguous(arena, guesses,
                             "the project or its history belongs to one migration tool, and the "
                             "files are written for another",
                             err);
    }
    if (rival)
        return ambiguous(arena, guesses,
                         "this project could belong to more than one migration tool", err);
    if (best->weight >= 2 && !best->has_files) {
        for (size_t i = 0; i < guesses->len; i++) {
            if (guesses->items[i].has_files)
                return ambiguous(arena, guesses,
                                 "the project or its history belongs to one migration tool, and "
                                 "the files to another",
                                 err);
        }
    }
    *ret_convention = best->convention;
    return true;
}

/* A table under the tool's name that has another shape than it is known to have is no proof of the tool; but where the files could be its, it
 * is surely no database for a first run of anybody else. The tool itself then says what is amiss with the table. */
static bool look_at_shape(const ConventionContext *ctx, Arena *arena, ConventionGuess *guess,
                          Error *err)
{
    const char *name = guess->convention->default_table;
    const KnownTable *known = known_table(ctx, str_from(name));
    if (!known || guess->convention == all[0] || !guess->has_files || guess->weight >= 2)
        return true;
    return guess_add(arena, guess, 2,
                     str_format(arena, "the table %s is there, though not as %s makes it", name,
                                guess->convention->title),
                     err);
}

/* A history under its tool's name in other letters is one that the tool itself, and we, would not find: without a filled one of the
 * chosen convention's own nothing may start from the first migration beside it. */
static bool check_strays(const ConventionGuessVec *guesses, const Convention *chosen, Error *err)
{
    const ConventionGuess *stray = NULL;
    for (size_t i = 0; i < guesses->len; i++) {
        const ConventionGuess *guess = &guesses->items[i];
        if (guess->convention == chosen && guess->weight >= 3)
            return true;
        if (guess->stray.len > 0 && (!stray || (guess->has_files && !stray->has_files)))
            stray = guess;
    }
    if (!stray)
        return true;
    const char *name = stray->convention->name;
    error_set(err, ERROR_STATE,
              "the table %.*s has the columns of the history of %s, which is named %s",
              STR_ARG(stray->stray), stray->convention->title, stray->convention->default_table);
    error_code(err, "ambiguous-convention");
    return error_hint(err,
                      "If it is the history, write convention = \"%s\" and table = "
                      "'\"%.*s\"' into whimbrel.toml; if not, choose with --convention NAME.",
                      name, STR_ARG(stray->stray));
}

bool convention_recognise(const ConventionContext *ctx, Db *db, Arena *arena,
                          const Convention **ret_convention, ConventionGuessVec *ret_guesses,
                          Error *err)
{
    ConventionGuessVec guesses = {0}, with_evidence = {0};
    ConventionContext asked = *ctx;
    if (db && ctx->table.len == 0 && !convention_look_at_tables(&asked, db, arena, err))
        return error_wrap(err, "looking for history tables");
    scoped(FolderLists, folder_lists_done) unkept = {0};
    if (!asked.lists)
        asked.lists = &unkept;
    if (!list_folders(ctx, asked.lists, err))
        return false;
    for (size_t i = 0; all[i]; i++) {
        ConventionGuess guess = {0};
        if (all[i] == ctx->except)
            continue;
        asked.convention = all[i];
        if (!all[i]->recognise(&asked, db, arena, &guess, err))
            return false;
        guess.convention = all[i];
        if (!look_at_shape(&asked, arena, &guess, err))
            return false;
        if (!vec_push(arena, &guesses, guess) ||
            (guess.weight > 0 && !vec_push(arena, &with_evidence, guess)))
            return error_nomem(err);
    }
    const Convention *chosen = NULL;
    bool ok = choose(arena, &guesses, &chosen, err) && check_strays(&guesses, chosen, err);
    if (ok)
        *ret_convention = chosen;
    if (ret_guesses)
        *ret_guesses = with_evidence;
    return ok;
}

/* What a convention finds in the database alone. What is amiss with its configuration is told when it is meant. */
static bool guess_by_tables(const ConventionContext *ctx, const Convention *convention, Db *db,
                            Arena *arena, ConventionGuess *ret_guess, Error *err)
{
    ConventionContext asked = *ctx;
    Error local = {.arena = err ? err->arena : arena};
    asked.convention = convention;
    asked.notes = (StrVec){0};
    if (convention->recognise(&asked, db, arena, ret_guess, &local))
        return true;
    *ret_guess = (ConventionGuess){0};
    return local.kind != ERROR_NOMEM || error_nomem(err);
}

bool convention_name_other(const ConventionContext *ctx, Db *db, Arena *arena,
                           const char **ret_note, Error *err)
{
    ConventionContext asked = *ctx;
    ConventionGuess own = {0};
    TableName name;
    bool is_own_known = false;
    *ret_note = NULL;
    if (!table_name_read(ctx, arena, &name, err) ||
        !convention_look_at_tables(&asked, db, arena, err))
        return false;
    const char *plain = table_name_plain(arena, &name, "");
    if (!plain)
        return error_nomem(err);
    for (size_t i = 0; all[i]; i++) {
        ConventionGuess guess = {0};
        const char *table = all[i]->default_table;
        bool is_same = strcmp(table, plain) == 0;
        if (all[i] == ctx->convention || (is_same && ctx->table.len > 0) ||
            !known_table(&asked, str_from(table)))
            continue;
        if (!is_own_known && !guess_by_tables(&asked, ctx->convention, db, arena, &own, err))
            return false;
        is_own_known = true;
        if (own.weight >= 3)
            return true;
        ConventionContext other = asked;
        other.table = (Str){0};
        if (!guess_by_tables(&other, all[i], db, arena, &guess, err))
            return false;
        if (guess.weight < 3)
            continue;
        if (is_same) {
            error_set(err, ERROR_STATE, "the table %s holds a history of %s, not one of %s", table,
                      all[i]->title, ctx->convention->title);
            error_code(err, "foreign-history");
            return error_hint(err,
                              "--convention %s goes on with it; --table gives another history its "
                              "own table.",
                              all[i]->name);
        }
        *ret_note =
            str_format(arena,
                       "the table %s holds a history of %s, and that of %s (%s) is empty or not "
                       "there: the convention is %s because it was told so",
                       table, all[i]->title, ctx->convention->title, plain, ctx->convention->name);
        return *ret_note || error_nomem(err);
    }
    return true;
}

bool guess_add(Arena *arena, ConventionGuess *guess, int weight, const char *sentence, Error *err)
{
    if (guess->weight < weight)
        guess->weight = weight;
    return (sentence && vec_push(arena, &guess->evidence, str_from(sentence))) || error_nomem(err);
}

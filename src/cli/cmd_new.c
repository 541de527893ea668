/* whimbrel new. SPDX-License-Identifier: Apache-2.0
 *
 * The convention says how the files are called; the text comes from the project's templates, or from ours. A file that
 * exists is never written over. */
#include "cli/cli.h"
#include "cli/commands.h"

#include <string.h>

enum { TEMPLATE_LIMIT = 1024 * 1024, MOST_TRIES = 100, AUTHOR_LIMIT = 4096 };

typedef struct NewArgs {
    Str name, note;
    StrVec requires, conflicts;
    bool sql_only, reversible, repeatable, dir, numbered, rework;
} NewArgs;

typedef enum TemplateKind {
    TEMPLATE_UP,
    TEMPLATE_DOWN,
    TEMPLATE_PLAIN,
    TEMPLATE_REPEATABLE
} TemplateKind;

/* "CreateUsers", "create users", "Create-Users" become "create_users". */
static bool snake_case(Arena *arena, Str name, Str *ret_snake)
{
    StrBuf out = strbuf(arena);
    bool was_lower = false;
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];
        bool is_upper = c >= 'A' && c <= 'Z';
        bool is_word = is_upper || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
                       (unsigned char)c >= 0x80;
        bool next_is_lower = i + 1 < name.len && name.ptr[i + 1] >= 'a' && name.ptr[i + 1] <= 'z';
        bool was_upper = i > 0 && name.ptr[i - 1] >= 'A' && name.ptr[i - 1] <= 'Z';
        bool breaks = !is_word || (is_upper && (was_lower || (was_upper && next_is_lower)));
        if (breaks && out.len > 0 && out.ptr[out.len - 1] != '_')
            strbuf_add_char(&out, '_');
        if (is_word)
            strbuf_add_char(&out, is_upper ? (char)(c - 'A' + 'a') : c);
        was_lower = is_word && !is_upper;
    }
    while (out.len > 0 && out.ptr[out.len - 1] == '_')
        out.ptr[--out.len] = '\0';
    return strbuf_finish(&out, ret_snake);
}

static Str git_user(Cli *cli)
{
    static const char *const command[] = {"git", "config", "user.name", NULL};
    Error ignored = {.arena = cli->arena};
    Str name;
    /* Without git, or without a name in it, whoever is logged in is the author. */
    if (process_read(cli->arena, command, true, AUTHOR_LIMIT, &name, &ignored)) {
        name = str_trim(name);
        if (name.len > 0 && str_find_char(name, '\n', 0) == SIZE_MAX)
            return name;
    }
    return os_user(cli->arena);
}

static TemplateKind template_of(Str path, const NewArgs *options)
{
    Str base = path_base(path);
    if (options->repeatable)
        return TEMPLATE_REPEATABLE;
    if (str_ends(base, STR(".down.sql")) || str_eq(base, STR("down.sql")) ||
        str_ends(base, STR("__rollback.sql")) ||
        (base.len > 1 && base.ptr[0] == 'U' && base.ptr[1] >= '0' && base.ptr[1] <= '9'))
        return TEMPLATE_DOWN;
    if (str_ends(base, STR(".up.sql")) || str_eq(base, STR("up.sql")))
        return TEMPLATE_UP;
    return TEMPLATE_PLAIN;
}

static const char *const template_files[] = {"migration.up.sql", "migration.down.sql",
                                             "migration.sql", "repeatable.sql"};

static const char *const template_texts[] = {
    "-- ${title}\n--\n-- Author: ${author}\n-- Date: ${date}\n-- Description: ${title}\n\n",
    "-- ${title}: the way back\n--\n-- Author: ${author}\n-- Date: ${date}\n-- Description: undoes "
    "${name}\n\n",
    "-- ${title}\n--\n-- Author: ${author}\n-- Date: ${date}\n-- Description: ${title}\n\n",
    "-- ${title}: runs again whenever this file changes\n--\n-- Author: ${author}\n-- Date: "
    "${date}\n"
    "-- Description: ${title}\n\n",
};

static bool read_template(Cli *cli, TemplateKind kind, Str *ret_text, Error *err)
{
    const char *folder = str_z(cli->arena, cli->settings->templates);
    const char *path =
        folder ? path_join(cli->arena, folder, str_from(template_files[kind])) : NULL;
    FileInfo info;
    if (!path)
        return error_nomem(err);
    if (!file_info(path, &info, err))
        return false;
    if (info.kind == FILE_ABSENT) {
        *ret_text = str_from(template_texts[kind]);
        return true;
    }
    return file_read(cli->arena, path, TEMPLATE_LIMIT, ret_text, err);
}

typedef struct Variable {
    const char *name;
    Str value;
} Variable;

/* Only the names that are ours: a template may hold ${placeholders} of the migration itself. */
static void fill_in(StrBuf *out, Str text, const Variable *variables, size_t count)
{
    size_t at = 0;
    for (;;) {
        size_t start = str_find(text, STR("${"), at);
        size_t end = start == SIZE_MAX ? SIZE_MAX : str_find_char(text, '}', start);
        if (end == SIZE_MAX)
            break;
        Str name = str_sub(text, start + 2, end);
        strbuf_add(out, str_sub(text, at, start));
        at = end + 1;
        size_t i = 0;
        while (i < count && !str_eq(name, str_from(variables[i].name)))
            i++;
        if (i < count)
            strbuf_add(out, variables[i].value);
        else
            strbuf_add(out, str_sub(text, start, end + 1));
    }
    strbuf_add(out, str_sub(text, at, text.len));
}

/* The version as it stands at the front of the file's or its folder's name. */
static Str version_of(Str path)
{
    Str base = path_base(path);
    if (str_eq(base, STR("up.sql")) || str_eq(base, STR("down.sql")) ||
        str_eq(base, STR("migration.sql")))
        base = path_base(path_folder(path));
    size_t start = 0;
    while (start < base.len && !(base.ptr[start] >= '0' && base.ptr[start] <= '9'))
        start++;
    size_t end = start;
    while (end < base.len &&
           ((base.ptr[end] >= '0' && base.ptr[end] <= '9') || base.ptr[end] == '.'))
        end++;
    return start <= 1 ? str_trim(str_sub(base, start, end)) : (Str){0};
}

static bool make_text(Cli *cli, const NewArgs *options, Str path, Str name, Str author,
                      Timestamp now, Str *ret_text, Error *err)
{
    Str template, title;
    char iso[TIMESTAMP_TEXT];
    if (!read_template(cli, template_of(path, options), &template, err))
        return false;
    if (!str_copy(cli->arena, name, &title))
        return error_nomem(err);
    for (size_t i = 0; i < title.len; i++)
        if (title.ptr[i] == '_')
            ((char *)(uintptr_t)title.ptr)[i] = ' ';
    timestamp_iso(now, iso);
    const Variable variables[] = {
        {"name", name},
        {"title", title},
        {"author", author},
        {"date", str_sub(str_from(iso), 0, 10)},
        {"version", version_of(path)},
    };
    StrBuf out = strbuf(cli->arena);
    fill_in(&out, template, variables, sizeof variables / sizeof *variables);
    return strbuf_finish(&out, ret_text) || error_nomem(err);
}

static bool is_taken(Cli *cli, const StrVec *paths, bool *ret_taken, Error *err)
{
    *ret_taken = false;
    for (size_t i = 0; i < paths->len && !*ret_taken; i++) {
        const char *path = str_z(cli->arena, paths->items[i]);
        FileInfo info;
        if (!path)
            return error_nomem(err);
        if (!file_info(path, &info, err))
            return false;
        /* A folder of this name is another migration only when it holds something; the file in it decides. */
        *ret_taken = info.kind != FILE_ABSENT;
    }
    return true;
}

/* Names that are free: the next second's, if this one's is taken. */
static bool choose_paths(Cli *cli, const NewArgs *options, Str name, Timestamp *now,
                         StrVec *ret_paths, Error *err)
{
    const Convention *convention = cli->context.convention;
    unsigned kind = options->sql_only     ? NEW_SQL_ONLY
                    : options->reversible ? NEW_REVERSIBLE
                    : options->repeatable ? NEW_REPEATABLE
                    : options->dir        ? NEW_FOLDER
                                          : NEW_DEFAULT;
    const char *folder = str_z(cli->arena, cli->context.folders.items[0]);
    if (!folder)
        return error_nomem(err);
    for (int tries = 0; tries < MOST_TRIES; tries++) {
        StrVec relative = {0}, paths = {0};
        bool is_there = false;
        if (!convention->new_paths(&cli->context, cli->arena, &cli->set, name, kind,
                                   options->numbered, *now, &relative, err))
            return false;
        for (size_t i = 0; i < relative.len; i++) {
            const char *path = path_join(cli->arena, folder, relative.items[i]);
            if (!path || !vec_push(cli->arena, &paths, str_from(path)))
                return error_nomem(err);
        }
        if (!is_taken(cli, &paths, &is_there, err))
            return false;
        if (!is_there) {
            *ret_paths = paths;
            return true;
        }
        if (options->repeatable && paths.len > 0)
            return error_set(err, ERROR_IO, "%.*s is there already", STR_ARG(paths.items[0]));
        *now += 1000000;
    }
    return error_set(err, ERROR_IO, "no free name for a migration '%.*s' was found in %s",
                     STR_ARG(name), folder);
}

static bool write_files(Cli *cli, const StrVec *paths, const StrVec *texts, Error *err)
{
    for (size_t i = 0; i < paths->len; i++) {
        const char *path = str_z(cli->arena, paths->items[i]);
        const char *folder = str_z(cli->arena, path_folder(paths->items[i]));
        if (!path || !folder)
            return error_nomem(err);
        if (folder_make(cli->arena, folder, 0777, err) &&
            file_create_new(path, texts->items[i], 0666, err))
            continue;
        /* Half a pair would be a migration without its down. */
        for (size_t done = 0; done < i; done++) {
            const char *made = str_z(cli->arena, paths->items[done]);
            if (made)
                (void)file_remove(made, NULL);
        }
        return false;
    }
    return true;
}

static bool new_check(const void *args, Error *err)
{
    const NewArgs *options = args;
    if (options->sql_only + options->reversible + options->repeatable + options->dir +
            options->rework >
        1) {
        error_set(err, ERROR_USAGE,
                  "new: --sql-only, --reversible, --repeatable, --dir and --rework exclude each "
                  "other");
        return error_code(err, "bad-option");
    }
    return true;
}

/* The file in which the tool lists its migrations; without it the new scripts would be nobody's. */
static bool write_listed(Cli *cli, StrVec *paths, Error *err)
{
    const Convention *convention = cli->context.convention;
    const char *path = NULL;
    Str text;
    if (!convention->new_listed)
        return true;
    if (convention->new_listed(&cli->context, cli->arena, &cli->set, &path, &text, err) &&
        file_write(cli->arena, path, text, 0666, err))
        return vec_push(cli->arena, paths, str_from(path)) || error_nomem(err);
    for (size_t i = 0; i < paths->len; i++) {
        const char *made = str_z(cli->arena, paths->items[i]);
        if (made)
            (void)file_remove(made, NULL);
    }
    return false;
}

static bool check_listing(Cli *cli, const NewArgs *options, Error *err)
{
    const char *name = options->rework              ? "rework"
                       : options->note.len > 0      ? "note"
                       : options->requires.len > 0  ? "requires"
                       : options->conflicts.len > 0 ? "conflicts"
                                                    : NULL;
    if (!name || cli->context.convention->new_listed)
        return true;
    error_set(err, ERROR_USAGE,
              "new: --%s is for tools that list their migrations in a file (Sqitch), and "
              "%s does not",
              name, cli->context.convention->title);
    return error_code(err, "bad-option");
}

/* A tool whose migrations are their names has them as they are, where they can be. */
static bool name_of(const Cli *cli, const NewArgs *options, Str *ret_name, Error *err)
{
    Str given = options->name;
    bool has_blank = str_find_char(given, ' ', 0) != SIZE_MAX;
    if (options->rework || (cli->context.convention->new_listed && !has_blank)) {
        *ret_name = given;
        return true;
    }
    if (!snake_case(cli->arena, given, ret_name))
        return error_nomem(err);
    if (ret_name->len > 0)
        return true;
    error_set(err, ERROR_USAGE, "new: '%.*s' has neither a letter nor a digit to make a name of",
              STR_ARG(given));
    return error_code(err, "bad-option");
}

/* What was made by a call before this one that was interrupted is as good. */
static bool write_kept(Cli *cli, const char *path, Str bytes, Error *err)
{
    const char *folder = str_z(cli->arena, path_folder(str_from(path)));
    FileInfo info;
    Str there;
    if (!folder)
        return error_nomem(err);
    if (!file_info(path, &info, err))
        return false;
    if (info.kind == FILE_ABSENT)
        return folder_make(cli->arena, folder, 0777, err) &&
               file_create_new(path, bytes, 0666, err);
    if (!file_read(cli->arena, path, 0, &there, err))
        return false;
    if (str_eq(there, bytes))
        return true;
    error_set(err, ERROR_STATE, "%s is there already, and holds something else", path);
    error_code(err, "folder-not-empty");
    return error_hint(err, "It would have to hold what its migration has been until now. Nothing "
                           "was planned.");
}

/* First what was is put aside, then it is planned, then the files get their new form. */
static bool write_reworked(Cli *cli, StrVec *paths, Error *err)
{
    const Convention *convention = cli->context.convention;
    TreeFileVec files = {0};
    const char *listed = NULL;
    Str text;
    if (!convention->rework_files(&cli->context, cli->arena, &cli->set, &files, err) ||
        !convention->new_listed(&cli->context, cli->arena, &cli->set, &listed, &text, err))
        return false;
    for (size_t i = 0; i < files.len; i++) {
        const TreeFile *file = &files.items[i];
        const char *path = str_z(cli->arena, file->path);
        bool is_last = i + 1 == files.len;
        if (!path || !vec_push(cli->arena, paths, file->path))
            return error_nomem(err);
        if (!is_last && !write_kept(cli, path, file->bytes, err))
            return false;
        if (is_last && (!file_write(cli->arena, listed, text, 0666, err) ||
                        !file_write(cli->arena, path, file->bytes, 0666, err)))
            return false;
    }
    return vec_push(cli->arena, paths, str_from(listed)) || error_nomem(err);
}

static bool write_new(Cli *cli, const NewArgs *options, Str name, Timestamp *now, StrVec *ret_paths,
                      Error *err)
{
    const Convention *convention = cli->context.convention;
    StrVec texts = {0};
    if (options->rework)
        return write_reworked(cli, ret_paths, err);
    if (!choose_paths(cli, options, name, now, ret_paths, err))
        return false;
    Str author = git_user(cli);
    for (size_t i = 0; i < ret_paths->len; i++) {
        Str text;
        if (!make_text(cli, options, ret_paths->items[i], name, author, *now, &text, err) ||
            (convention->new_text &&
             !convention->new_text(&cli->context, cli->arena, ret_paths, i, text, &text, err)))
            return false;
        if (!vec_push(cli->arena, &texts, text))
            return error_nomem(err);
    }
    return write_files(cli, ret_paths, &texts, err) && write_listed(cli, ret_paths, err);
}

static bool new_run(Cli *cli, const void *args, Error *err)
{
    const NewArgs *options = args;
    Str name, settled;
    StrVec paths = {0};
    Timestamp now = clock_now();
    if (!name_of(cli, options, &name, err))
        return false;
    FileInfo folder;
    const char *first = str_z(cli->arena, cli->context.folders.items[0]);
    if (!first)
        return error_nomem(err);
    if (!file_info(first, &folder, err) || (folder.kind != FILE_ABSENT && !cli_scan(cli, err)) ||
        !check_listing(cli, options, err))
        return false;
    NewListing listing = {.kind = options->rework ? LISTING_REWORK : LISTING_NEW,
                          .name = name,
                          .note = options->note,
                          .requires = options->requires,
                          .conflicts = options->conflicts,
                          .now = now};
    if (listing.note.len == 0 && !str_copy(cli->arena, name, &listing.note))
        return error_nomem(err);
    for (size_t i = 0; options->note.len == 0 && i < name.len; i++)
        if (name.ptr[i] == '_')
            ((char *)(uintptr_t)listing.note.ptr)[i] = ' ';
    cli->context.listing = &listing;
    if (!write_new(cli, options, name, &now, &paths, err) ||
        !cli_settle_files(cli, true, &settled, err))
        return false;
    cli->context.listing = NULL;
    if (cli->is_json) {
        CliJson json;
        Str version = cli->context.convention->new_listed ? name
                      : paths.len > 0                     ? version_of(paths.items[0])
                                                          : (Str){0};
        cli_json_begin(cli, &json);
        json_begin_object(&json.w);
        json_key_text(&json.w, "whimbrel", WHIMBREL_VERSION);
        json_key(&json.w, "version");
        if (version.len > 0 && !options->repeatable)
            json_str(&json.w, version);
        else
            json_null_value(&json.w);
        json_key_str(&json.w, "name", name);
        json_key(&json.w, "paths");
        json_begin_array(&json.w);
        for (size_t i = 0; i < paths.len; i++)
            json_str(&json.w, paths.items[i]);
        json_end_array(&json.w);
        json_end_object(&json.w);
        return cli_json_end(cli, &json, err);
    }
    Text text = cli_text(cli);
    for (size_t i = 0; i < paths.len; i++) {
        text_add_line(&text, paths.items[i]);
        text_add(&text, STR("\n"));
    }
    return cli_print(cli, &text, err);
}

static const Option new_options[] = {
    {.name = "sql-only",
     .type = OPTION_FLAG,
     .offset = offsetof(NewArgs, sql_only),
     .help = "one file, no way back"},
    {.name = "reversible",
     .type = OPTION_FLAG,
     .offset = offsetof(NewArgs, reversible),
     .help = "two files, NAME.up.sql and NAME.down.sql"},
    {.name = "repeatable",
     .type = OPTION_FLAG,
     .offset = offsetof(NewArgs, repeatable),
     .help = "R__NAME.sql, which runs again whenever it changes"},
    {.name = "dir",
     .type = OPTION_FLAG,
     .offset = offsetof(NewArgs, dir),
     .help = "a folder with up.sql and down.sql"},
    {.name = "numbered",
     .type = OPTION_FLAG,
     .offset = offsetof(NewArgs, numbered),
     .help = "the next number instead of the time"},
    {.name = "rework",
     .type = OPTION_FLAG,
     .offset = offsetof(NewArgs, rework),
     .help = "another form of a migration that is there, behind a tag (Sqitch)"},
    {.name = "note",
     .type = OPTION_STRING,
     .value = "TEXT",
     .offset = offsetof(NewArgs, note),
     .help = "what the tool's plan says of it (Sqitch)"},
    {.name = "requires",
     .type = OPTION_STRINGS,
     .value = "CHANGE",
     .offset = offsetof(NewArgs, requires),
     .help = "must be there before it (Sqitch); also several times"},
    {.name = "conflicts",
     .type = OPTION_STRINGS,
     .value = "CHANGE",
     .offset = offsetof(NewArgs, conflicts),
     .help = "must not be there (Sqitch); also several times"},
    {0},
};

static const Argument new_arguments[] = {
    {.name = "NAME",
     .type = OPTION_STRING,
     .offset = offsetof(NewArgs, name),
     .help = "what it does, in a few words; becomes snake_case"},
    {0},
};

static const Example new_examples[] = {
    {"whimbrel new create_users", "makes the files of a new migration and prints their paths"},
    {"whimbrel new \"Add order status\" --sql-only", "one file, add_order_status"},
    {"whimbrel new views --repeatable", "migrations/R__views.sql"},
    {0},
};

const Command cmd_new = {
    .name = "new",
    .summary = "make the files of a new migration",
    .about =
        "Named for the present time (UTC), or with --numbered for the next number; never over a "
        "file that exists. Each "
        "begins with a header: author (from git), date, description.\n\n"
        "A project's own templates are migration.up.sql, migration.down.sql, migration.sql and "
        "repeatable.sql in the "
        "folder 'templates'; ${name}, ${title}, ${author}, ${date} and ${version} are filled in.",
    .group = GROUP_EVERY_DAY,
    .options = new_options,
    .arguments = new_arguments,
    .examples = new_examples,
    .args_size = sizeof(NewArgs),
    .needs = NEEDS_SETTINGS | NEEDS_CONVENTION,
    .check = new_check,
    .run = new_run,
};

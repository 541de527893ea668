/* whimbrel rebase. SPDX-License-Identifier: Apache-2.0
 *
 * Local migrations that nobody has applied get new versions behind all others. Only names change; what the files say
 * stays. */
#include "cli/cli.h"
#include "cli/commands.h"

enum { TIMESTAMP_DIGITS = 14 };

typedef struct NoArgs {
    char nothing;
} NoArgs;

typedef struct Renaming {
    const Migration *migration;
    Str version; /* the new one */
    StrVec from, to;
} Renaming;
typedef Vec(Renaming) RenamingVec;

/* The version behind this one, as long as it: for a time one second later, or the earliest that is wanted; for a number
 * one more. */
static bool next_version(Arena *arena, Str version, Timestamp earliest, Str *ret_next)
{
    char text[TIMESTAMP_TEXT];
    if (version.len == TIMESTAMP_DIGITS && str_find_char(version, '.', 0) == SIZE_MAX) {
        Timestamp newest;
        const char *spread =
            str_format(arena, "%.4s-%.2s-%.2s %.2s:%.2s:%.2s", version.ptr, version.ptr + 4,
                       version.ptr + 6, version.ptr + 8, version.ptr + 10, version.ptr + 12);
        if (!spread)
            return false;
        if (timestamp_parse(str_from(spread), &newest)) {
            newest += 1000000;
            return str_copy(
                arena, str_from(timestamp_compact(newest > earliest ? newest : earliest, text)),
                ret_next);
        }
    }
    /* The last dotted part, or all of it, plus one; leading zeros stay as long as there is room. */
    size_t start = version.len;
    while (start > 0 && version.ptr[start - 1] >= '0' && version.ptr[start - 1] <= '9')
        start--;
    Str digits;
    if (!str_copy(arena, str_sub(version, start, version.len), &digits))
        return false;
    char *ptr = (char *)(uintptr_t)digits.ptr;
    size_t i = digits.len;
    while (i > 0 && ptr[i - 1] == '9')
        ptr[--i] = '0';
    const char *carry = "";
    if (i > 0)
        ptr[i - 1]++;
    else
        carry = "1";
    const char *next = str_format(arena, "%.*s%s%.*s", STR_ARG(str_sub(version, 0, start)), carry,
                                  STR_ARG(digits));
    *ret_next = str_from(next);
    return next != NULL;
}

/* The path with the version in it replaced: in the file's name, or in that of its folder ("VERSION_name/up.sql"). */
static bool renamed(Arena *arena, Str path, Str old_version, Str new_version, Str *ret_from,
                    Str *ret_to, Error *err)
{
    Str base = path_base(path), folder = path_folder(path), at = path;
    size_t found = str_find(base, old_version, 0);
    if (found == SIZE_MAX || found > 1) {
        at = folder;
        base = path_base(folder);
        found = str_find(base, old_version, 0);
    }
    if (found == SIZE_MAX || found > 1) {
        error_set(err, ERROR_STATE, "the version %.*s is not at the front of the name %.*s",
                  STR_ARG(old_version), STR_ARG(path));
        return error_code(err, "cannot-rename");
    }
    size_t base_at = at.len - base.len;
    const char *to = str_format(arena, "%.*s%.*s%.*s", STR_ARG(str_sub(at, 0, base_at + found)),
                                STR_ARG(new_version),
                                STR_ARG(str_sub(at, base_at + found + old_version.len, at.len)));
    if (!to)
        return error_nomem(err);
    *ret_from = at;
    *ret_to = str_from(to);
    return true;
}

static bool add_path(Arena *arena, Renaming *renaming, const Script *script, Error *err)
{
    Str from, to;
    if (!script)
        return true;
    if (!renamed(arena, str_from(script->path), renaming->migration->version, renaming->version,
                 &from, &to, err))
        return false;
    for (size_t i = 0; i < renaming->from.len; i++)
        if (str_eq(renaming->from.items[i], from))
            return true; /* the folder that holds both */
    return (vec_push(arena, &renaming->from, from) && vec_push(arena, &renaming->to, to)) ||
           error_nomem(err);
}

/* They come behind what is applied, and stay before what is pending there, which may build upon them; where no number is
 * left in between, they come behind everything. */
static bool make_renamings(Cli *cli, const Overview *overview, RenamingVec *ret_renamings,
                           Error *err)
{
    RenamingVec renamings = {0};
    Str newest = overview->current, ceiling = {0}, last = {0};
    for (size_t i = 0; i < overview->rows.len; i++) {
        const StateRow *row = &overview->rows.items[i];
        if (row->kind == MIGRATION_REPEATABLE)
            continue;
        last = row->version;
        if (ceiling.len == 0 && row->state == STATE_PENDING &&
            version_order_compare(overview->versions, row->version, newest) > 0)
            ceiling = row->version;
    }
    for (size_t i = 0; i < overview->rows.len; i++) {
        const StateRow *row = &overview->rows.items[i];
        if (row->state != STATE_OUT_OF_ORDER || !row->migration)
            continue;
        Renaming renaming = {.migration = row->migration};
        if (!next_version(cli->arena, newest, ceiling.len > 0 ? INT64_MIN : clock_now(),
                          &renaming.version))
            return error_nomem(err);
        if (ceiling.len > 0 &&
            version_order_compare(overview->versions, renaming.version, ceiling) >= 0) {
            ceiling = (Str){0};
            if (!next_version(cli->arena, last, clock_now(), &renaming.version))
                return error_nomem(err);
        }
        newest = renaming.version;
        Script *down;
        if (!migration_down(&cli->set, row->migration, &down))
            return error_nomem(err);
        if (!add_path(cli->arena, &renaming, row->migration->up, err) ||
            !add_path(cli->arena, &renaming, down, err))
            return false;
        if (!vec_push(cli->arena, &renamings, renaming))
            return error_nomem(err);
    }
    *ret_renamings = renamings;
    return true;
}

static bool rename_one(Cli *cli, Str from, Str to, Error *err)
{
    const char *from_z = str_z(cli->arena, from), *to_z = str_z(cli->arena, to);
    FileInfo info;
    if (!from_z || !to_z)
        return error_nomem(err);
    if (!file_info(to_z, &info, err))
        return false;
    if (info.kind != FILE_ABSENT)
        return error_set(err, ERROR_IO, "%s is there already", to_z);
    return file_rename(from_z, to_z, err);
}

/* All of them, or, when one cannot be renamed, none. */
static bool rename_all(Cli *cli, const RenamingVec *renamings, Error *err)
{
    for (size_t i = 0; i < renamings->len; i++) {
        const Renaming *renaming = &renamings->items[i];
        for (size_t f = 0; f < renaming->from.len; f++) {
            if (rename_one(cli, renaming->from.items[f], renaming->to.items[f], err))
                continue;
            Error ignored = {.arena = cli->arena};
            while (f-- > 0)
                (void)rename_one(cli, renaming->to.items[f], renaming->from.items[f], &ignored);
            while (i-- > 0)
                for (size_t b = 0; b < renamings->items[i].from.len; b++)
                    (void)rename_one(cli, renamings->items[i].to.items[b],
                                     renamings->items[i].from.items[b], &ignored);
            return false;
        }
    }
    return true;
}

static bool rebase_json(Cli *cli, const RenamingVec *renamings, bool is_done, Error *err)
{
    CliJson json;
    cli_json_begin(cli, &json);
    json_begin_object(&json.w);
    json_key_text(&json.w, "whimbrel", WHIMBREL_VERSION);
    json_key_bool(&json.w, "done", is_done);
    json_key(&json.w, "renamed");
    json_begin_array(&json.w);
    for (size_t i = 0; i < renamings->len; i++) {
        const Renaming *renaming = &renamings->items[i];
        json_begin_object(&json.w);
        json_key_str(&json.w, "version", renaming->migration->version);
        json_key_str(&json.w, "new_version", renaming->version);
        json_key_str(&json.w, "name", renaming->migration->name);
        json_key(&json.w, "paths");
        json_begin_array(&json.w);
        for (size_t f = 0; f < renaming->from.len; f++) {
            json_begin_object(&json.w);
            json_key_str(&json.w, "from", renaming->from.items[f]);
            json_key_str(&json.w, "to", renaming->to.items[f]);
            json_end_object(&json.w);
        }
        json_end_array(&json.w);
        json_end_object(&json.w);
    }
    json_end_array(&json.w);
    json_key_null(&json.w, "error");
    json_end_object(&json.w);
    return cli_json_end(cli, &json, err);
}

static bool rebase_run(Cli *cli, const void *args, Error *err)
{
    (void)args;
    History history;
    Overview overview;
    RenamingVec renamings;
    Str settled;
    bool is_yes = false;
    /* Out of order is what is looked for here, whatever else allows it. */
    cli->runner.policy.allows_out_of_order = false;
    if (!run_overview(&cli->runner, cli->arena, &history, &overview, err) ||
        !make_renamings(cli, &overview, &renamings, err))
        return false;
    if (renamings.len == 0) {
        if (cli->is_json)
            return rebase_json(cli, &renamings, true, err);
        Text nothing = cli_text(cli);
        text_adds(&nothing,
                  "Nothing to renumber: what is pending here comes after what is applied.\n");
        return cli_print(cli, &nothing, err);
    }
    Text list = cli_err_text(cli);
    Table table = table_new(cli->arena, 3);
    for (size_t i = 0; i < renamings.len; i++) {
        for (size_t f = 0; f < renamings.items[i].from.len; f++) {
            table_add(&table, renamings.items[i].from.items[f], STYLE_PLAIN);
            table_add(&table, STR("->"), STYLE_DIM);
            table_add(&table, renamings.items[i].to.items[f], STYLE_BOLD);
        }
    }
    table_print(&list, &table, 2);
    const char *question = "Rename? Only if no other database has them applied";
    if (!cli_show(cli, &list, err) || !cli_confirm(cli, question, &is_yes, err) ||
        (is_yes &&
         (!rename_all(cli, &renamings, err) || !cli_settle_files(cli, true, &settled, err))))
        return false;
    if (cli->is_json)
        return rebase_json(cli, &renamings, is_yes, err);
    Text text = cli_text(cli);
    if (is_yes)
        text_addf(&text, "%zu renumbered. Next: whimbrel plan, whimbrel migrate\n", renamings.len);
    else
        text_adds(&text, "Nothing was changed.\n");
    return cli_print(cli, &text, err);
}

static const Example rebase_examples[] = {
    {"git pull && whimbrel migrate && whimbrel rebase",
     "migrations of a branch come after those that arrived meanwhile"},
    {0},
};

const Command cmd_rebase = {
    .name = "rebase",
    .summary = "renumber local migrations to come after the others",
    .about = "Finds migrations that are not applied here but older than the newest applied one, "
             "and renames their files to "
             "versions behind all others, in their order. Shows what it would do and asks first. "
             "Only the names change.",
    .group = GROUP_MENDING,
    .examples = rebase_examples,
    .args_size = sizeof(NoArgs),
    .needs = NEEDS_SETTINGS | NEEDS_MIGRATIONS | NEEDS_DATABASE | READS_ONLY,
    .run = rebase_run,
};

/* whimbrel convert. SPDX-License-Identifier: Apache-2.0
 *
 * The order is chosen so that a crash anywhere leaves what the same command can go on with: new files beside the old ones, then the
 * history in one transaction, then whimbrel.toml, which is what makes the new ones hold. */
#include "cli/commands.h"
#include "cli/project.h"

#include <string.h>

typedef struct ConvertArgs {
    Str to, into, to_table;
    bool files_only, lossy, dry_run;
} ConvertArgs;

typedef struct Job {
    Cli *cli;
    const ConvertArgs *options;
    const Convention *from, *to;
    ConventionContext target;
    Conversion made;
    Runner runner; /* of the target */
    History history;
    ConvertEntryVec entries;
    StrVec losses, notes;
    const char *old_folder, *folder;
    size_t new_files; /* that are not there already */
    StrVec leftovers; /* paths of what an interrupted conversion was about to write */
    Str old_table, new_table;
    bool is_done;
} Job;

static bool add_sentence(Job *job, StrVec *list, const char *sentence, Error *err)
{
    return (sentence && vec_push(job->cli->arena, list, str_from(sentence))) || error_nomem(err);
}

/* ---- what there is ------------------------------------------------------------------------------------------ */

static bool not_settled(const StateRow *row, const char *label, const char *what, const char *hint,
                        Error *err)
{
    error_set(err, ERROR_STATE, "%s %s: what is not settled is not converted", label, what);
    if (row->migration && row->migration->up)
        error_at(err, str_from(row->migration->up->path), 0, 0);
    error_code(err, "not-settled");
    return error_hint(err, "%s", hint);
}

static bool check_row(Job *job, const StateRow *row, Error *err)
{
    static const char repair[] = "whimbrel validate shows what differs, whimbrel repair puts it "
                                 "right; then convert. Nothing was written.";
    const char *label = migration_label(job->cli->arena, row->version, row->name, row->kind);
    if (!label)
        return error_nomem(err);
    switch (row->state) {
    case STATE_FAILED:
        return not_settled(row, label, "has failed", repair, err);
    case STATE_PARTIAL:
        return not_settled(row, label, "has stopped half-way",
                           "whimbrel resume goes on with it, whimbrel rollback takes it back; then "
                           "convert. Nothing was written.",
                           err);
    case STATE_CHANGED:
        return not_settled(row, label, "differs from what was applied", repair, err);
    case STATE_MISSING:
        if (row->row && row->row->is_tolerated)
            break;
        return not_settled(row, label, "is applied, and has no file here",
                           "Bring the file back, or let whimbrel repair mark it as gone; then "
                           "convert. Nothing was written.",
                           err);
    case STATE_OUTDATED:
        return add_sentence(job, &job->notes,
                            str_format(job->cli->arena,
                                       "%s has changed since it ran: it runs again with the next "
                                       "migrate, as it would have",
                                       label),
                            err);
    case STATE_APPLIED:
    case STATE_PENDING:
    case STATE_OUT_OF_ORDER:
    case STATE_SKIPPED:
    case STATE_BASELINED:
        break;
    }
    return true;
}

static const Draft *draft_of(const Job *job, const StateRow *row)
{
    for (size_t i = 0; i < job->made.drafts.len; i++)
        if (job->made.drafts.items[i].source == row->migration)
            return &job->made.drafts.items[i];
    return NULL;
}

/* A marker of a baseline whose version no file has: it is its own migration. */
static bool bare_baseline(Job *job, const HistoryRow *row, const Migration **ret_to, Error *err)
{
    Migration *made = arena_alloc(job->cli->arena, sizeof *made);
    *ret_to = NULL;
    if (row->outcome != HISTORY_BASELINED || !(job->to->features & CONVENTION_BASELINE) ||
        job->made.is_renumbered)
        return true;
    if (!made)
        return error_nomem(err);
    *made = (Migration){.version = row->version,
                        .name = row->name.len > 0 ? row->name : STR("baseline"),
                        .kind = MIGRATION_BASELINE};
    *ret_to = made;
    return true;
}

static bool add_entry(Job *job, const HistoryRow *row, const Overview *overview, Error *err)
{
    const StateRow *state = NULL;
    const Migration *to = NULL;
    for (size_t i = 0; i < overview->rows.len && !state; i++)
        if (overview->rows.items[i].row == row)
            state = &overview->rows.items[i];
    if (!state || state->state == STATE_OUTDATED || row->outcome == HISTORY_SKIPPED)
        return true;
    const Draft *draft = state->migration ? draft_of(job, state) : NULL;
    if (draft)
        to = draft->made;
    else if (!bare_baseline(job, row, &to, err))
        return false;
    if (to && row->outcome != HISTORY_DELETED) {
        ConvertEntry entry = {.row = row, .to = to};
        return vec_push(job->cli->arena, &job->entries, entry) || error_nomem(err);
    }
    const char *label = migration_label(job->cli->arena, row->version, row->name, row->kind);
    return add_sentence(job, &job->losses,
                        label ? str_format(job->cli->arena,
                                           "the entry of %s stays behind: it has no file any more",
                                           label)
                              : NULL,
                        err);
}

static bool read_history(Job *job, Error *err)
{
    Cli *cli = job->cli;
    Overview overview = {0};
    if (!run_overview(&cli->runner, cli->arena, &job->history, &overview, err))
        return false;
    for (size_t i = 0; i < overview.rows.len; i++)
        if (!check_row(job, &overview.rows.items[i], err))
            return false;
    if (!conversion_make(&cli->context, &cli->set, &job->target, cli->arena, &job->made, err))
        return false;
    for (size_t i = 0; i < job->history.rows.len; i++)
        if (!add_entry(job, &job->history.rows.items[i], &overview, err))
            return false;
    return true;
}

/* ---- where it goes -------------------------------------------------------------------------------------------- */

static bool choose_folder(Job *job, Error *err)
{
    Cli *cli = job->cli;
    Arena *arena = cli->arena;
    if (cli->context.folders.len == 0)
        return error_set(err, ERROR_USAGE, "convert: there is no folder of migrations");
    Str old = cli->context.folders.items[0];
    while (old.len > 1 && old.ptr[old.len - 1] == '/')
        old.len--;
    job->old_folder = str_z(arena, old);
    Str stem = old;
    const char *suffix = str_format(arena, "-%s", job->from->name);
    if (!suffix || !job->old_folder)
        return error_nomem(err);
    if (str_ends(stem, str_from(suffix)))
        stem.len -= strlen(suffix);
    job->folder = job->options->into.len > 0
                      ? str_z(arena, job->options->into)
                      : str_format(arena, "%.*s-%s", STR_ARG(stem), job->to->name);
    return job->folder || error_nomem(err);
}

static const TreeFile *made_file(const Job *job, Str path)
{
    for (size_t i = 0; i < job->made.files.len; i++)
        if (str_eq(job->made.files.items[i].path, path))
            return &job->made.files.items[i];
    return NULL;
}

static bool in_the_way(const char *folder, Str name, const char *what, Error *err)
{
    error_set(err, ERROR_STATE, "%s/%.*s is there already%s", folder, STR_ARG(name), what);
    error_code(err, "folder-not-empty");
    return error_hint(err, "Name another folder with --into DIR, or empty this one. Nothing was "
                           "written.");
}

/* Nothing may be in the folder but what an interrupted conversion has put there. */
static bool check_folder(Job *job, const char *folder, Str below, unsigned depth, size_t *found,
                         Error *err)
{
    Arena *arena = job->cli->arena;
    FolderEntryVec entries = {0};
    FileInfo info;
    if (!file_info(folder, &info, err))
        return false;
    if (info.kind == FILE_ABSENT)
        return true;
    if (info.kind != FILE_FOLDER)
        return error_set(err, ERROR_USAGE, "convert: %s is not a folder", folder);
    if (!folder_list(arena, folder, &entries, err))
        return false;
    for (size_t i = 0; i < entries.len; i++) {
        const FolderEntry *entry = &entries.items[i];
        const char *path = path_join(arena, folder, entry->name);
        const char *relative =
            below.len > 0 ? str_format(arena, "%.*s/%.*s", STR_ARG(below), STR_ARG(entry->name))
                          : str_z(arena, entry->name);
        Str text;
        if (!path || !relative)
            return error_nomem(err);
        if (entry->kind == FILE_FOLDER && depth > 0) {
            if (!check_folder(job, path, str_from(relative), depth - 1, found, err))
                return false;
            continue;
        }
        const TreeFile *file = made_file(job, str_from(relative));
        Str of;
        if (!file && file_is_leftover(str_from(relative), &of) && made_file(job, of)) {
            if (!vec_push(arena, &job->leftovers, str_from(path)))
                return error_nomem(err);
            continue;
        }
        if (!file)
            return in_the_way(job->folder, str_from(relative), "", err);
        if (!file_read(arena, path, 0, &text, err))
            return false;
        if (!str_eq(text, file->bytes))
            return in_the_way(job->folder, str_from(relative), ", and holds something else", err);
        (*found)++;
    }
    return true;
}

static Str table_of(const ConventionContext *context)
{
    return context->table.len > 0 ? context->table : str_from(context->convention->default_table);
}

/* ---- telling ---------------------------------------------------------------------------------------------------- */

static void add_list(JsonWriter *w, const char *key, const StrVec *list)
{
    json_key(w, key);
    json_begin_array(w);
    for (size_t i = 0; i < list->len; i++)
        json_str(w, list->items[i]);
    json_end_array(w);
}

static bool tell_json(Job *job, Error *err)
{
    CliJson json;
    cli_json_begin(job->cli, &json);
    json_begin_object(&json.w);
    json_key_text(&json.w, "whimbrel", WHIMBREL_VERSION);
    json_key_bool(&json.w, "done", job->is_done);
    json_key_text(&json.w, "from", job->from->name);
    json_key_text(&json.w, "to", job->to->name);
    json_key_text(&json.w, "folder", job->folder);
    json_key(&json.w, "table");
    if (job->options->files_only)
        json_null_value(&json.w);
    else
        json_str(&json.w, job->new_table);
    json_key(&json.w, "files");
    json_begin_array(&json.w);
    for (size_t i = 0; i < job->made.files.len; i++)
        json_str(&json.w, job->made.files.items[i].path);
    json_end_array(&json.w);
    json_key(&json.w, "migrations");
    json_begin_array(&json.w);
    for (size_t i = 0; i < job->made.drafts.len; i++) {
        const Draft *draft = &job->made.drafts.items[i];
        json_begin_object(&json.w);
        json_key_str(&json.w, "from", draft->source->version);
        json_key_str(&json.w, "to", draft->made->version);
        json_key_str(&json.w, "name", draft->made->name);
        json_end_object(&json.w);
    }
    json_end_array(&json.w);
    json_key_int(&json.w, "entries", (int64_t)job->entries.len);
    json_key_bool(&json.w, "renumbered", job->made.is_renumbered);
    add_list(&json.w, "losses", &job->losses);
    add_list(&json.w, "notes", &job->notes);
    json_key_null(&json.w, "error");
    json_end_object(&json.w);
    return cli_json_end(job->cli, &json, err);
}

static void add_sentences(Text *text, const char *title, const StrVec *list)
{
    if (list->len > 0)
        text_addf(text, "\n%s\n", title);
    for (size_t i = 0; i < list->len; i++) {
        text_adds(text, "  ");
        text_add(text, list->items[i]);
        text_adds(text, "\n");
    }
}

static const char *plural(size_t count, const char *one, const char *many)
{
    return count == 1 ? one : many;
}

static void tell_plan(Job *job, Text *text)
{
    size_t migrations = job->made.drafts.len, files = job->made.files.len;
    text_addf(text, "%s to %s: %zu %s", job->from->title, job->to->title, migrations,
              plural(migrations, "migration", "migrations"));
    if (!job->options->files_only)
        text_addf(text, ", %zu %s of history", job->entries.len,
                  plural(job->entries.len, "entry", "entries"));
    text_addf(text, "\n\n  files    %s -> %s (%zu %s%s)\n", job->old_folder, job->folder, files,
              plural(files, "file", "files"),
              job->new_files < files
                  ? job->new_files == 0 ? ", all there already" : ", some there already"
                  : "");
    if (!job->options->files_only)
        text_addf(text, "  history  %.*s -> %.*s\n", STR_ARG(job->old_table),
                  STR_ARG(job->new_table));
    if (job->made.is_renumbered) {
        text_adds(text, "\n");
        for (size_t i = 0; i < migrations; i++) {
            const Draft *draft = &job->made.drafts.items[i];
            text_addf(text, "  %.*s -> %.*s\n", STR_ARG(draft->source->version),
                      STR_ARG(draft->made->version));
        }
    }
    add_sentences(text, "What is lost:", &job->losses);
    add_sentences(text, "Worth knowing:", &job->notes);
    text_adds(text, "\n");
}

static bool tell_result(Job *job, const char *file, Error *err)
{
    if (job->cli->is_json)
        return tell_json(job, err);
    Text text = cli_text(job->cli);
    text_addf(&text, "%s/ holds the migrations now", job->folder);
    if (!job->options->files_only)
        text_addf(&text, ", %.*s the history", STR_ARG(job->new_table));
    text_addf(&text, "; %s says so.\n%s/ ", file, job->old_folder);
    if (!job->options->files_only)
        text_addf(&text, "and %.*s are as they were", STR_ARG(job->old_table));
    else
        text_adds(&text, "is as it was");
    text_adds(&text, ": once all of you have moved, they can go.");
    if (job->from != conventions()[0])
        text_addf(&text, " %s would know nothing of what comes now.", job->from->title);
    text_adds(&text, "\n");
    text_adds(&text, "Next: whimbrel status\n");
    return cli_print(job->cli, &text, err);
}

/* ---- doing it ------------------------------------------------------------------------------------------------------ */

static bool write_files(Job *job, Error *err)
{
    Arena *arena = job->cli->arena;
    if (!folder_make(arena, job->folder, 0777, err))
        return false;
    for (size_t i = 0; i < job->leftovers.len; i++)
        if (!file_remove(job->leftovers.items[i].ptr, err))
            return false;
    for (size_t i = 0; i < job->made.files.len; i++) {
        const TreeFile *file = &job->made.files.items[i];
        const char *path = path_join(arena, job->folder, file->path);
        const char *folder = path ? str_z(arena, path_folder(str_from(path))) : NULL;
        FileInfo info;
        if (!folder)
            return error_nomem(err);
        if (!file_info(path, &info, err))
            return false;
        if (info.kind == FILE_ABSENT && (!folder_make(arena, folder, 0777, err) ||
                                         !file_write(arena, path, file->bytes, 0666, err)))
            return false;
    }
    return true;
}

/* The folder as whimbrel.toml has it: from there. */
static Str folder_from_project(const Job *job)
{
    const char *project = job->cli->configuration.project_folder;
    Str folder = str_from(job->folder), above = str_from(project);
    if (project && !str_eq(above, STR(".")) && str_starts(folder, above) &&
        folder.len > above.len && folder.ptr[above.len] == '/')
        return str_sub(folder, above.len + 1, folder.len);
    return folder;
}

static bool write_configuration(Job *job, const char **ret_file, Error *err)
{
    Cli *cli = job->cli;
    const char *path = cli->configuration.file;
    StrVec folders = {0};
    Str text = {0};
    if (!vec_push(cli->arena, &folders, folder_from_project(job)))
        return error_nomem(err);
    ProjectFile file = {
        .convention = job->to, .folders = &folders, .table = job->options->to_table};
    *ret_file = path ? path : "whimbrel.toml";
    if (!path)
        return project_file_text(cli, &file, &text, err) &&
               file_write(cli->arena, "whimbrel.toml", text, 0666, err);
    Str changed;
    return file_read(cli->arena, path, 0, &text, err) &&
           project_file_change(cli->arena, text, &file, &changed, err) &&
           (str_eq(text, changed) || file_write(cli->arena, path, changed, 0666, err));
}

/* What was given otherwise than by the file goes on to hold above it. */
static bool tell_of_other_origins(Job *job, Error *err)
{
    static const char *const names[] = {"convention", "migrations", "table"};
    for (size_t i = 0; i < 3; i++) {
        const SettingSource *source = &job->cli->configuration.sources[setting_index(names[i])];
        if ((source->origin == ORIGIN_ENVIRONMENT || source->origin == ORIGIN_DOTENV ||
             source->origin == ORIGIN_ENV_TABLE) &&
            !add_sentence(job, &job->notes,
                          str_format(job->cli->arena,
                                     "%s is set in %s, which stands above what is written: change "
                                     "it there, too",
                                     names[i], source->where),
                          err))
            return false;
    }
    return true;
}

static bool prepare(Job *job, Error *err)
{
    Cli *cli = job->cli;
    const ConvertArgs *options = job->options;
    job->target = cli->context;
    job->target.convention = job->to;
    job->target.table = options->to_table;
    job->target.own = NULL;
    job->target.set = NULL;
    job->target.notes = (StrVec){0};
    job->target.known_tables = NULL;
    if (!(job->to->features & CONVENTION_NAMESPACE))
        job->target.name_space = (Str){0};
    if (!choose_folder(job, err))
        return false;
    job->target.are_folders_default = false;
    job->target.folders = (StrVec){0};
    if (!vec_push(cli->arena, &job->target.folders, str_from(job->folder)))
        return error_nomem(err);
    if (!convention_configure(&job->target, cli->arena, err))
        return false;
    job->old_table = table_of(&cli->context);
    job->new_table = table_of(&job->target);
    if (options->files_only
            ? !conversion_make(&cli->context, &cli->set, &job->target, cli->arena, &job->made, err)
            : !read_history(job, err))
        return false;
    for (size_t i = 0; i < job->made.losses.len; i++)
        if (!vec_push(cli->arena, &job->losses, job->made.losses.items[i]))
            return error_nomem(err);
    for (size_t i = 0; i < job->made.notes.len; i++)
        if (!vec_push(cli->arena, &job->notes, job->made.notes.items[i]))
            return error_nomem(err);
    if (!options->files_only) {
        job->runner = cli->runner;
        job->runner.convention = &job->target;
        job->runner.set = &job->made.set;
        job->runner.policy = run_policy(cli->db, &job->target);
        if (!run_convert_losses(&job->runner, cli->arena, &job->entries, &job->losses, err))
            return false;
        const Convention *from = job->from;
        if ((from->features & CONVENTION_RUN_LOG) && !(job->to->features & CONVENTION_RUN_LOG) &&
            job->history.rows.len > 0 &&
            !add_sentence(job, &job->losses,
                          str_format(cli->arena, "the history of %s keeps no runs and no texts",
                                     job->to->title),
                          err))
            return false;
    }
    size_t found = 0;
    if (!check_folder(job, job->folder, (Str){0}, 16, &found, err))
        return false;
    job->new_files = job->made.files.len - found;
    return tell_of_other_origins(job, err);
}

static bool carry_out(Job *job, const char **ret_file, Error *err)
{
    RunResult result = {0};
    if (!write_files(job, err))
        return error_hint(err, "%s/ may be incomplete; the same command goes on.", job->folder);
    if (!job->options->files_only && !run_convert(&job->cli->runner, &job->runner, job->cli->arena,
                                                  &job->history, &job->entries, &result, err))
        return false;
    return write_configuration(job, ret_file, err);
}

/* Nothing is done but with the user's word: on a terminal it is asked for, elsewhere --yes is it, and without it this is refused. */
static bool may_go_on(Job *job, bool *ret_yes, Error *err)
{
    Cli *cli = job->cli;
    *ret_yes = false;
    if (job->options->dry_run)
        return true;
    if (job->losses.len > 0 && !job->options->lossy && cli->settings->yes) {
        error_set(err, ERROR_STATE, "%s cannot hold %zu %s of what is here", job->to->title,
                  job->losses.len, plural(job->losses.len, "thing", "things"));
        error_code(err, "conversion-loses");
        return error_hint(err, "They are listed above; --lossy accepts it. Nothing was written.");
    }
    if (cli_confirm(cli, job->losses.len > 0 ? "Convert, and lose what is listed?" : "Convert?",
                    ret_yes, err))
        return true;
    return err->kind == ERROR_USAGE &&
           error_hint(
               err,
               "Nothing was written. --yes%s does what is shown above, --dry-run shows it and "
               "nothing else.",
               job->losses.len > 0 && !job->options->lossy ? " --lossy" : "");
}

static bool convert_run(Cli *cli, const void *args, Error *err)
{
    const ConvertArgs *options = args;
    Job job = {.cli = cli, .options = options};
    const char *file = NULL;
    bool is_yes = false;
    if (!project_convention(options->to, "convert", &job.to, err))
        return false;
    cli->except = job.to;
    bool is_open =
        cli_open(cli, NEEDS_MIGRATIONS | (options->files_only ? 0 : NEEDS_DATABASE), err);
    job.from = cli->context.convention;
    if (job.from == job.to && (is_open || err->kind == ERROR_PARSE || err->kind == ERROR_IO ||
                               err->kind == ERROR_STATE)) {
        /* The old folder's name, said again, is no folder of the new convention's. */
        error_clear(err);
        error_set(err, ERROR_USAGE, "convert: this project has the convention %s already",
                  job.to->name);
        error_hint(err, "'whimbrel conventions' says why; --convention NAME names another.");
        return error_code(err, "same-convention");
    }
    if (!is_open)
        return false;
    if (!prepare(&job, err))
        return false;
    Text plan = cli->is_json ? cli_err_text(cli) : cli_text(cli);
    tell_plan(&job, &plan);
    if (!(cli->is_json ? cli_show(cli, &plan, err) : cli_print(cli, &plan, err)) ||
        !may_go_on(&job, &is_yes, err))
        return false;
    if (is_yes) {
        if (!carry_out(&job, &file, err))
            return false;
        job.is_done = true;
        return tell_result(&job, file, err);
    }
    if (cli->is_json)
        return tell_json(&job, err);
    Text text = cli_text(cli);
    text_addf(&text, "Nothing was written. To do it: whimbrel convert --to %s --yes%s\n",
              job.to->name, job.losses.len > 0 && !options->lossy ? " --lossy" : "");
    return cli_print(cli, &text, err);
}

static bool convert_check(const void *args, Error *err)
{
    const ConvertArgs *options = args;
    if (options->to.len == 0) {
        error_set(err, ERROR_USAGE, "convert needs --to CONVENTION");
        error_hint(err, "'whimbrel conventions' lists them.");
        return error_code(err, "missing-argument");
    }
    if (options->files_only && options->to_table.len > 0) {
        error_set(err, ERROR_USAGE, "convert: --files-only and --to-table exclude each other");
        return error_code(err, "bad-option");
    }
    return true;
}

static const Option convert_options[] = {
    {.name = "to",
     .type = OPTION_STRING,
     .value = "CONVENTION",
     .offset = offsetof(ConvertArgs, to),
     .complete = COMPLETE_CONVENTION,
     .help = "the convention that is wanted"},
    {.name = "into",
     .type = OPTION_STRING,
     .value = "DIR",
     .offset = offsetof(ConvertArgs, into),
     .complete = COMPLETE_FOLDER,
     .help = "where the new files go; default: beside the folder there is, as FOLDER-CONVENTION"},
    {.name = "to-table",
     .type = OPTION_STRING,
     .value = "NAME",
     .offset = offsetof(ConvertArgs, to_table),
     .help = "the new history's table, where the convention's own name is taken"},
    {.name = "files-only",
     .type = OPTION_FLAG,
     .offset = offsetof(ConvertArgs, files_only),
     .help = "no database: its history stays in the old convention"},
    {.name = "lossy",
     .type = OPTION_FLAG,
     .offset = offsetof(ConvertArgs, lossy),
     .help = "with --yes: accept that what is listed as lost is lost"},
    {.name = "dry-run",
     .type = OPTION_FLAG,
     .offset = offsetof(ConvertArgs, dry_run),
     .help = "show what would be done and do nothing"},
    {0},
};

static const Example convert_examples[] = {
    {"whimbrel convert --to whimbrel --dry-run", "shows what would become of files and history"},
    {"whimbrel convert --to whimbrel --yes", "does it"},
    {"whimbrel convert --to goose --into db/goose --yes --lossy",
     "the way to another tool, or back"},
    {0},
};

static const ExitNote convert_exits[] = {
    {4, "a migration lock could not be had within --lock-wait"},
    {0},
};

const Command cmd_convert = {
    .name = "convert",
    .summary = "move files and history to another convention",
    .about =
        "Writes the migrations in the form of another tool, into a folder beside the one there is, "
        "and what the history says into that tool's table: who applied what, when and how long it "
        "took, with the checksums that it would have computed. The new files are read back and "
        "compared statement by statement before anything is written; what the new form cannot hold "
        "is listed.\n\n"
        "The history is written in one transaction, under the locks of both conventions. Then "
        "whimbrel.toml names the new folder and convention. The old files and the old table are "
        "left as they are. Interrupted anywhere, the same command goes on.\n\n"
        "Nothing is written but with --yes, or a yes on the terminal; where neither can be had, it "
        "shows "
        "what it would do and refuses.",
    .group = GROUP_MENDING,
    .options = convert_options,
    .examples = convert_examples,
    .exits = convert_exits,
    .args_size = sizeof(ConvertArgs),
    .needs = NEEDS_SETTINGS,
    .check = convert_check,
    .run = convert_run,
};

/* whimbrel baseline, stamp, tag, resume: what sets the history right without, or half-way through, a migration.
 * SPDX-License-Identifier: Apache-2.0 */
#include "cli/cli.h"
#include "cli/commands.h"

static const ExitNote lock_exits[] = {
    {4, "the migration lock could not be had within --lock-wait"},
    {0},
};

typedef struct VersionArgs {
    Str version, name;
} VersionArgs;

/* ---- baseline ---------------------------------------------------------------------------------------------------------- */

static bool baseline_run(Cli *cli, const void *args, Error *err)
{
    const VersionArgs *options = args;
    Str version = options->version, name = options->name;
    if (!version_order_takes(&cli->set.versions, version) ||
        cli->set.versions.kind != VERSIONS_NUMBERED) {
        /* A name or a prefix of what is on disk will do too. */
        History history;
        Overview overview;
        PlanTarget target;
        if (!run_overview(&cli->runner, cli->arena, &history, &overview, err) ||
            !plan_resolve(cli->arena, &overview, options->version, AMONG_FILES, &target, err))
            return false;
        if (target.version.len == 0) {
            error_set(err, ERROR_USAGE, "baseline takes a version, not base");
            return error_code(err, "bad-option");
        }
        version = target.version;
    }
    const Migration *migration = migration_set_find(&cli->set, version);
    if (name.len == 0)
        name = migration ? migration->name : STR("baseline");
    bool is_ok = run_baseline(&cli->runner, cli->arena, version, name, &cli->result, err);
    cli->has_result = true;
    if (!is_ok)
        return false;
    if (cli->is_json)
        return cli_finish_run(cli, true, true, err);
    Text text = cli_text(cli);
    text_adds(&text, "The history says now that the database is at ");
    text_add_line(&text, version);
    text_adds(&text, ". What is at or below it counts as there.\n");
    return cli_print(cli, &text, err);
}

static const Option baseline_options[] = {
    {.name = "name",
     .type = OPTION_STRING,
     .value = "TEXT",
     .offset = offsetof(VersionArgs, name),
     .help = "what it is called in the history; default: the migration's name, or 'baseline'"},
    {0},
};

static const Argument baseline_arguments[] = {
    {.name = "V",
     .type = OPTION_STRING,
     .offset = offsetof(VersionArgs, version),
     .complete = COMPLETE_VERSION,
     .help = "the version at which the database is"},
    {0},
};

static const Example baseline_examples[] = {
    {"whimbrel baseline 20250405120000", "takes over a database that was made by other means"},
    {0},
};

const Command cmd_baseline = {
    .name = "baseline",
    .summary = "say that the database already is at a version",
    .about = "For a database that exists already: migrations up to V are taken as there and will "
             "not run. Refused where "
             "the history holds something already.",
    .group = GROUP_MENDING,
    .options = baseline_options,
    .arguments = baseline_arguments,
    .examples = baseline_examples,
    .exits = lock_exits,
    .args_size = sizeof(VersionArgs),
    .needs = NEEDS_SETTINGS | NEEDS_MIGRATIONS | NEEDS_DATABASE | PRINTS_RESULT,
    .run = baseline_run,
};

/* ---- stamp ------------------------------------------------------------------------------------------------------------- */

static bool stamp_run(Cli *cli, const void *args, Error *err)
{
    const VersionArgs *options = args;
    bool is_ok = run_stamp(&cli->runner, cli->arena, options->version, &cli->result, err);
    return cli_finish_run(cli, is_ok, true, err);
}

static const Argument stamp_arguments[] = {
    {.name = "V",
     .type = OPTION_STRING,
     .offset = offsetof(VersionArgs, version),
     .complete = COMPLETE_VERSION,
     .help = "a version, a unique prefix, a name, head, base, +N or -N"},
    {0},
};

static const Example stamp_examples[] = {
    {"whimbrel stamp head", "records everything on disk as applied"},
    {"whimbrel stamp base", "records everything as not applied"},
    {0},
};

const Command cmd_stamp = {
    .name = "stamp",
    .summary = "record as applied, or not, without running",
    .about = "Adds rows to the history and removes others, until it says that the database is at "
             "V. No migration runs.",
    .group = GROUP_MENDING,
    .arguments = stamp_arguments,
    .examples = stamp_examples,
    .exits = lock_exits,
    .args_size = sizeof(VersionArgs),
    .needs = NEEDS_SETTINGS | NEEDS_MIGRATIONS | NEEDS_DATABASE | PRINTS_RESULT,
    .run = stamp_run,
};

/* ---- tag --------------------------------------------------------------------------------------------------------------- */

typedef struct TagArgs {
    Str name, note, at;
} TagArgs;

static bool tag_check(const void *args, Error *err)
{
    const TagArgs *options = args;
    if (str_trim(options->name).len > 0)
        return true;
    error_set(err, ERROR_USAGE, "tag: a tag has to have a name");
    return error_code(err, "bad-option");
}

static bool tag_told(Cli *cli, const char *line, Error *err)
{
    if (!line)
        return error_nomem(err);
    Text text = cli_text(cli);
    text_add_line(&text, str_from(line));
    text_adds(&text, "\n");
    return cli_print(cli, &text, err);
}

/* A tool that lists its migrations in a file has its tags there, and needs no database for it. */
static bool tag_list(Cli *cli, const TagArgs *options, Error *err)
{
    const Convention *convention = cli->context.convention;
    const NewListing listing = {.kind = LISTING_TAG,
                                .name = options->name,
                                .note = options->note,
                                .at = options->at,
                                .now = clock_now()};
    const char *path = NULL;
    Str text;
    if (!cli_scan(cli, err))
        return false;
    cli->context.listing = &listing;
    bool is_ok = convention->new_listed(&cli->context, cli->arena, &cli->set, &path, &text, err) &&
                 file_write(cli->arena, path, text, 0666, err);
    cli->context.listing = NULL;
    if (!is_ok)
        return false;
    if (!cli->is_json)
        return tag_told(
            cli, str_format(cli->arena, "%s has the tag %.*s.", path, STR_ARG(options->name)), err);
    CliJson json;
    cli_json_begin(cli, &json);
    json_begin_object(&json.w);
    json_key_text(&json.w, "whimbrel", WHIMBREL_VERSION);
    json_key_str(&json.w, "tag", options->name);
    json_key_text(&json.w, "path", path);
    json_key_null(&json.w, "error");
    json_end_object(&json.w);
    return cli_json_end(cli, &json, err);
}

static bool tag_run(Cli *cli, const void *args, Error *err)
{
    const TagArgs *options = args;
    if (cli->context.convention && cli->context.convention->new_listed)
        return tag_list(cli, options, err);
    if (options->at.len > 0 || options->note.len > 0) {
        error_set(err, ERROR_USAGE,
                  "tag: --%s is for tools that list their migrations in a file (Sqitch)",
                  options->at.len > 0 ? "at" : "note");
        return error_code(err, "bad-option");
    }
    if (!cli_open(cli, NEEDS_SETTINGS | NEEDS_MIGRATIONS | NEEDS_DATABASE, err))
        return false;
    cli->has_result = true;
    if (!run_tag(&cli->runner, cli->arena, options->name, &cli->result, err))
        return false;
    const RunItem *item = &cli->result.applied.items[0];
    const char *label = migration_label(cli->arena, item->version, item->name, item->kind);
    if (!label)
        return error_nomem(err);
    cli->result.applied.len = 0; /* nothing was */
    if (cli->is_json)
        return cli_finish_run(cli, true, true, err);
    return tag_told(
        cli, str_format(cli->arena, "%s is tagged %.*s.", label, STR_ARG(options->name)), err);
}

static const Option tag_options[] = {
    {.name = "note",
     .type = OPTION_STRING,
     .value = "TEXT",
     .offset = offsetof(TagArgs, note),
     .help = "what the tool's plan says of it (Sqitch)"},
    {.name = "at",
     .type = OPTION_STRING,
     .value = "V",
     .offset = offsetof(TagArgs, at),
     .help = "the migration that it marks (Sqitch); default: the last"},
    {0},
};

static const Argument tag_arguments[] = {
    {.name = "NAME",
     .type = OPTION_STRING,
     .offset = offsetof(TagArgs, name),
     .help = "what to call this point"},
    {0},
};

static const Example tag_examples[] = {
    {"whimbrel tag v1.2", "whimbrel rollback --to v1.2 leads back to here"},
    {0},
};

const Command cmd_tag = {
    .name = "tag",
    .summary = "give the point where the database is a name to go back to",
    .about = "Names what was applied last, in the history of a tool that has tags (Liquibase), or "
             "what is planned last, in its plan (Sqitch). Wherever a version is asked for, the tag "
             "will do.",
    .group = GROUP_MENDING,
    .options = tag_options,
    .arguments = tag_arguments,
    .examples = tag_examples,
    .exits = lock_exits,
    .args_size = sizeof(TagArgs),
    .needs = NEEDS_SETTINGS | NEEDS_CONVENTION | PRINTS_RESULT,
    .check = tag_check,
    .run = tag_run,
};

/* ---- resume ------------------------------------------------------------------------------------------------------------ */

typedef struct ResumeArgs {
    uint32_t from;
    bool skip;
} ResumeArgs;

static bool resume_check(const void *args, Error *err)
{
    const ResumeArgs *options = args;
    if (options->from > 0 && options->skip) {
        error_set(err, ERROR_USAGE, "resume: --from and --skip exclude each other");
        return error_code(err, "bad-option");
    }
    return true;
}

static bool resume_run(Cli *cli, const void *args, Error *err)
{
    const ResumeArgs *options = args;
    bool is_ok =
        run_resume(&cli->runner, cli->arena, options->from, options->skip, &cli->result, err);
    return cli_finish_run(cli, is_ok, false, err);
}

static const Option resume_options[] = {
    {.name = "from",
     .type = OPTION_COUNT,
     .value = "N",
     .offset = offsetof(ResumeArgs, from),
     .help = "go on at statement N of the file, counted from 1"},
    {.name = "skip",
     .type = OPTION_FLAG,
     .offset = offsetof(ResumeArgs, skip),
     .help = "the statement in doubt has run: go on behind it"},
    {0},
};

static const Example resume_examples[] = {
    {"whimbrel resume", "goes on after the last statement that is known to have run"},
    {"whimbrel resume --from 4", "you have looked, and statement 4 is the next to run"},
    {0},
};

const Command cmd_resume = {
    .name = "resume",
    .summary = "go on with a migration that stopped half-way",
    .about = "Where an engine has no transactional DDL, a migration can stop in its middle. The "
             "history says how many "
             "statements ran; of the one that was under way the catalog is asked. Only where that "
             "cannot be answered must "
             "--from or --skip say so.",
    .group = GROUP_MENDING,
    .options = resume_options,
    .examples = resume_examples,
    .exits = lock_exits,
    .args_size = sizeof(ResumeArgs),
    .needs = NEEDS_SETTINGS | NEEDS_MIGRATIONS | NEEDS_DATABASE | PRINTS_RESULT | HAS_EVENTS,
    .check = resume_check,
    .run = resume_run,
};

/* whimbrel validate. SPDX-License-Identifier: Apache-2.0 */
#include "cli/cli.h"
#include "cli/commands.h"
#include "cli/line_diff.h"

typedef struct ValidateArgs {
    bool diff, verify, ignore_missing;
} ValidateArgs;

/* A finding, or NULL when the row is as it should be. */
static const char *finding_of(const Cli *cli, const StateRow *row)
{
    bool may_miss = cli->runner.policy.allows_missing || (row->row && row->row->is_tolerated);
    switch (row->state) {
    case STATE_CHANGED:
        return "the file differs from what was applied";
    case STATE_MISSING:
        return may_miss ? NULL : "applied, but its file is not here";
    case STATE_OUT_OF_ORDER:
        return "not applied, but older than the newest applied one";
    case STATE_FAILED:
        return "failed";
    case STATE_PARTIAL:
        return "stopped half-way";
    case STATE_APPLIED:
    case STATE_PENDING:
    case STATE_OUTDATED:
    case STATE_SKIPPED:
    case STATE_BASELINED:
        return NULL;
    }
    return NULL;
}

static const char *note_of(Cli *cli, const StateRow *row)
{
    if (row->has_new_name && row->row)
        return str_format(cli->arena, "was applied as %.*s", STR_ARG(row->row->name));
    if (row->has_new_bytes && row->state == STATE_APPLIED)
        return "comments or spacing differ from what was applied";
    return NULL;
}

/* Where several are a line's end, "head" means none of them. NULL: there is one at most. */
static const char *heads_note(Cli *cli, const Overview *overview)
{
    StrBuf names = strbuf(cli->arena);
    Str list;
    if (overview->heads.len < 2)
        return NULL;
    for (size_t i = 0; i < overview->heads.len; i++)
        strbuf_addf(&names, "%s%.*s", i > 0 ? ", " : "", STR_ARG(overview->heads.items[i]));
    return strbuf_finish(&names, &list)
               ? str_format(cli->arena,
                            "%zu heads: %.*s; 'head' names none of them until a revision merges "
                            "them",
                            overview->heads.len, STR_ARG(list))
               : NULL;
}

/* What came of the tests that the tool keeps beside its migrations. */
typedef struct Verified {
    const StateRow *row;
    const char *path; /* of the test */
    const char *message;
} Verified;
typedef struct VerifiedVec {
    Vec(Verified) failed;
    size_t run;
} VerifiedVec;

/* A failure of the connection, and not of what is tested. */
static bool is_ours(const Error *err)
{
    return err->kind == ERROR_NOMEM || err->kind == ERROR_CONNECT || err->kind == ERROR_CANCELLED ||
           err->kind == ERROR_IO;
}

/* Why nothing was verified although that was asked for, or NULL. */
static const char *verify_note(const Cli *cli, const VerifiedVec *verified)
{
    if (verified->run > 0 || verified->failed.len > 0)
        return NULL;
    return cli->context.convention->verify_script ? "nothing that is applied has a verify script"
                                                  : "this convention has no verify scripts";
}

static bool verify_all(Cli *cli, const Overview *overview, VerifiedVec *ret_verified, Error *err)
{
    for (size_t i = 0; i < overview->rows.len; i++) {
        const StateRow *row = &overview->rows.items[i];
        Error why = {.arena = cli->arena};
        bool has = false;
        if (!row->migration || !row->row ||
            (row->state != STATE_APPLIED && row->state != STATE_CHANGED &&
             row->state != STATE_BASELINED))
            continue;
        if (!run_verify(&cli->runner, row->migration, &has, &why)) {
            if (is_ours(&why)) {
                *err = why;
                return false;
            }
            const char *place =
                why.pos.file && why.pos.line > 0
                    ? str_format(cli->arena, "%s:%u", why.pos.file, (unsigned)why.pos.line)
                    : str_z(cli->arena, str_from(why.pos.file));
            Verified failed = {.row = row, .path = place, .message = why.message};
            if (!place || !vec_push(cli->arena, &ret_verified->failed, failed))
                return error_nomem(err);
        }
        ret_verified->run += has;
    }
    return true;
}

static Str path_of(const StateRow *row)
{
    const Script *script =
        row->migration ? row->migration->up ? row->migration->up : row->migration->down : NULL;
    return script ? str_from(script->path) : (Str){0};
}

static bool add_diff(Cli *cli, Text *text, const StateRow *row, Error *err)
{
    Str applied, file;
    bool has = false;
    if (!run_text_diff(&cli->runner, cli->arena, row, &applied, &file, &has, err))
        return false;
    if (!has) {
        text_adds(text, "       the applied text was not kept\n");
        return true;
    }
    return line_diff(cli->arena, text, applied, file) || error_nomem(err);
}

static void add_note_json(JsonWriter *w, const char *state, const char *message)
{
    json_begin_object(w);
    json_key_text(w, "severity", "note");
    json_key_text(w, "state", state);
    json_key_null(w, "version");
    json_key_null(w, "name");
    json_key_null(w, "path");
    json_key_text(w, "message", message);
    json_end_object(w);
}

static void add_failed_json(JsonWriter *w, const VerifiedVec *verified)
{
    for (size_t i = 0; i < verified->failed.len; i++) {
        const Verified *failed = &verified->failed.items[i];
        json_begin_object(w);
        json_key_text(w, "severity", "error");
        json_key_text(w, "state", "unverified");
        json_key_str(w, "version", failed->row->version);
        json_key_str(w, "name", failed->row->name);
        json_key_text(w, "path", failed->path);
        json_key_text(w, "message", failed->message);
        json_end_object(w);
    }
}

static bool validate_json(Cli *cli, const Overview *overview, const VerifiedVec *verified,
                          const ValidateArgs *options, Error *err)
{
    CliJson json;
    ReportPlace place = cli_place(cli);
    cli_json_begin(cli, &json);
    json_begin_object(&json.w);
    report_place_json(&json.w, &place);
    json_key_bool(&json.w, "valid", overview->wrong == 0 && verified->failed.len == 0);
    json_key(&json.w, "findings");
    json_begin_array(&json.w);
    for (size_t i = 0; i < overview->rows.len; i++) {
        const StateRow *row = &overview->rows.items[i];
        const char *finding = finding_of(cli, row), *note = note_of(cli, row);
        if (!finding && !note)
            continue;
        json_begin_object(&json.w);
        json_key_text(&json.w, "severity", finding ? "error" : "note");
        json_key_text(&json.w, "state", migration_state_name(row->state));
        json_key(&json.w, "version");
        if (row->version.len > 0)
            json_str(&json.w, row->version);
        else
            json_null_value(&json.w);
        json_key_str(&json.w, "name", row->name);
        json_key(&json.w, "path");
        if (path_of(row).len > 0)
            json_str(&json.w, path_of(row));
        else
            json_null_value(&json.w);
        json_key_text(&json.w, "message", finding ? finding : note);
        if (options->diff && (row->state == STATE_CHANGED || row->has_new_bytes)) {
            Str applied, file;
            bool has = false;
            if (!run_text_diff(&cli->runner, cli->arena, row, &applied, &file, &has, err))
                return false;
            json_key(&json.w, "applied_text");
            if (has)
                json_str(&json.w, applied);
            else
                json_null_value(&json.w);
            json_key(&json.w, "file_text");
            if (has)
                json_str(&json.w, file);
            else
                json_null_value(&json.w);
        }
        json_end_object(&json.w);
    }
    const char *heads = heads_note(cli, overview);
    if (heads)
        add_note_json(&json.w, "several-heads", heads);
    const char *unverified = options->verify ? verify_note(cli, verified) : NULL;
    if (unverified)
        add_note_json(&json.w, "nothing-to-verify", unverified);
    add_failed_json(&json.w, verified);
    json_end_array(&json.w);
    json_key_null(&json.w, "error");
    json_end_object(&json.w);
    return cli_json_end(cli, &json, err);
}

static bool validate_text(Cli *cli, const Overview *overview, const VerifiedVec *verified,
                          const ValidateArgs *options, Error *err)
{
    Text text = cli_text(cli);
    size_t findings = 0;
    for (size_t i = 0; i < overview->rows.len; i++) {
        const StateRow *row = &overview->rows.items[i];
        const char *finding = finding_of(cli, row), *note = note_of(cli, row);
        if (!finding && !note)
            continue;
        findings += finding != NULL;
        text_styled(&text, finding ? STYLE_RED : STYLE_YELLOW,
                    finding ? STR("wrong  ") : STR("note   "));
        text_add_line(&text,
                      str_from(migration_label(cli->arena, row->version, row->name, row->kind)));
        text_add(&text, STR(": "));
        text_adds(&text, finding ? finding : note);
        if (row->state == STATE_PARTIAL && row->row && row->row->has_journal)
            text_addf(&text, " after %u of %u statements", (unsigned)row->row->done,
                      (unsigned)row->row->total);
        text_add(&text, STR("\n"));
        if (path_of(row).len > 0) {
            text_add(&text, STR("       "));
            text_add_line(&text, path_of(row));
            text_add(&text, STR("\n"));
        }
        if (options->diff && (row->state == STATE_CHANGED || row->has_new_bytes) &&
            !add_diff(cli, &text, row, err))
            return false;
    }
    for (size_t i = 0; i < verified->failed.len; i++) {
        const Verified *failed = &verified->failed.items[i];
        text_styled(&text, STYLE_RED, STR("wrong  "));
        text_add_line(&text, str_from(migration_label(cli->arena, failed->row->version,
                                                      failed->row->name, failed->row->kind)));
        text_adds(&text, ": its verify script fails: ");
        text_add_line(&text, str_from(failed->message));
        text_addf(&text, "\n       %s\n", failed->path);
    }
    const char *heads = heads_note(cli, overview);
    if (heads) {
        text_styled(&text, STYLE_YELLOW, STR("note   "));
        text_addf(&text, "%s\n", heads);
    }
    const char *unverified = options->verify ? verify_note(cli, verified) : NULL;
    if (unverified) {
        text_styled(&text, STYLE_YELLOW, STR("note   "));
        text_addf(&text, "%s\n", unverified);
    }
    if (verified->failed.len > 0)
        text_addf(&text, "%zu of %zu verify scripts %s.\n", verified->failed.len, verified->run,
                  verified->failed.len == 1 ? "fails" : "fail");
    else if (verified->run > 0)
        text_addf(&text, "%zu verify %s succeeded.\n", verified->run,
                  verified->run == 1 ? "script" : "scripts");
    if (findings == 0)
        text_addf(&text, "Files and history agree: %u applied, %u pending.\n",
                  (unsigned)overview->applied, (unsigned)overview->pending);
    else
        text_addf(&text, "%zu %s. %s\n", findings, findings == 1 ? "finding" : "findings",
                  options->diff
                      ? "'whimbrel repair' shows what can be set right in the history."
                      : "'whimbrel validate --diff' shows texts, 'whimbrel repair' sets the "
                        "history right.");
    return cli_print(cli, &text, err);
}

static bool validate_run(Cli *cli, const void *args, Error *err)
{
    const ValidateArgs *options = args;
    History history;
    Overview overview;
    VerifiedVec verified = {0};
    cli->runner.policy.allows_missing |= options->ignore_missing;
    if (!cli_scan(cli, err) || !run_overview(&cli->runner, cli->arena, &history, &overview, err)) {
        /* Duplicate versions, a file that cannot be read as SQL: that is what this command looks for. */
        if (err->kind == ERROR_PARSE || err->kind == ERROR_STATE)
            err->kind = ERROR_CHECK;
        return false;
    }
    if (options->verify && !verify_all(cli, &overview, &verified, err))
        return false;
    if (overview.wrong > 0 || verified.failed.len > 0)
        cli->exit_code = EXIT_CHECK;
    return cli->is_json ? validate_json(cli, &overview, &verified, options, err)
                        : validate_text(cli, &overview, &verified, options, err);
}

static const Option validate_options[] = {
    {.name = "diff",
     .type = OPTION_FLAG,
     .offset = offsetof(ValidateArgs, diff),
     .help = "show the applied text beside the file's"},
    {.name = "verify",
     .type = OPTION_FLAG,
     .offset = offsetof(ValidateArgs, verify),
     .help = "run the verify scripts of what is applied (Sqitch), and undo what they did"},
    {.name = "ignore-missing",
     .type = OPTION_FLAG,
     .offset = offsetof(ValidateArgs, ignore_missing),
     .help = "an applied one without a file is no finding"},
    {0},
};

static const Example validate_examples[] = {
    {"whimbrel validate",
     "exits with 3 if a file that was applied has changed, is missing, or came too late"},
    {"whimbrel validate --diff", "with what was changed, line by line"},
    {0},
};

static const ExitNote validate_exits[] = {
    {3, "changed, missing, out of order, duplicate, failed, or not verified"},
    {0},
};

const Command cmd_validate = {
    .name = "validate",
    .summary = "files against history: changed, missing, out of order",
    .about = "Pending migrations are no finding; 'whimbrel status --check' minds those too. "
             "Comments, white space and line "
             "ends do not count as a change: that they differ is a note.",
    .group = GROUP_MENDING,
    .options = validate_options,
    .examples = validate_examples,
    .exits = validate_exits,
    .args_size = sizeof(ValidateArgs),
    .needs = NEEDS_SETTINGS | NEEDS_DATABASE | READS_ONLY | READS_FILES,
    .run = validate_run,
};

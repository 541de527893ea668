/* whimbrel repair. SPDX-License-Identifier: Apache-2.0 */
#include "cli/cli.h"
#include "cli/commands.h"

typedef struct NoArgs {
    char nothing;
} NoArgs;

static const char *repair_kind_name(RepairKind kind)
{
    switch (kind) {
    case REPAIR_REMOVE_FAILED:
        return "remove-failed";
    case REPAIR_ACCEPT_CHECKSUM:
        return "accept-checksum";
    case REPAIR_MARK_DELETED:
        return "mark-deleted";
    case REPAIR_NEW_NAME:
        return "new-name";
    }
    return "";
}

static bool repair_json(Cli *cli, const RepairActionVec *actions, Str files, bool is_done,
                        Error *err)
{
    CliJson json;
    cli_json_begin(cli, &json);
    json_begin_object(&json.w);
    json_key_text(&json.w, "whimbrel", WHIMBREL_VERSION);
    json_key_bool(&json.w, "done", is_done);
    json_key(&json.w, "actions");
    json_begin_array(&json.w);
    if (files.len > 0) {
        json_begin_object(&json.w);
        json_key_text(&json.w, "action", "settle-files");
        json_key_null(&json.w, "version");
        json_key_text(&json.w, "name", "");
        json_key_str(&json.w, "sentence", files);
        json_end_object(&json.w);
    }
    for (size_t i = 0; i < actions->len; i++) {
        const RepairAction *action = &actions->items[i];
        json_begin_object(&json.w);
        json_key_text(&json.w, "action", repair_kind_name(action->kind));
        json_key(&json.w, "version");
        if (action->row->version.len > 0)
            json_str(&json.w, action->row->version);
        else
            json_null_value(&json.w);
        json_key_str(&json.w, "name", action->row->name);
        json_key_text(&json.w, "sentence", action->sentence);
        json_end_object(&json.w);
    }
    json_end_array(&json.w);
    json_key_null(&json.w, "error");
    json_end_object(&json.w);
    return cli_json_end(cli, &json, err);
}

static bool repair_run(Cli *cli, const void *args, Error *err)
{
    (void)args;
    RepairActionVec actions = {0};
    bool is_yes = false;
    Str files;
    if (!cli_settle_files(cli, false, &files, err) ||
        !run_repair_plan(&cli->runner, cli->arena, &actions, err))
        return false;
    size_t count = actions.len + (files.len > 0);
    if (count == 0) {
        if (cli->is_json)
            return repair_json(cli, &actions, files, true, err);
        Text nothing = cli_text(cli);
        text_adds(&nothing, "Nothing to repair.\n");
        return cli_print(cli, &nothing, err);
    }
    Text list = cli_err_text(cli);
    if (files.len > 0) {
        text_add(&list, STR("  "));
        text_add_line(&list, files);
        text_add(&list, STR("\n"));
    }
    for (size_t i = 0; i < actions.len; i++) {
        text_add(&list, STR("  "));
        text_adds(&list, actions.items[i].sentence);
        text_add(&list, STR("\n"));
    }
    const char *question =
        actions.len == 0 ? "Write the file?"
        : count == 1     ? "Make this change to the history?"
        : files.len > 0  ? str_format(cli->arena, "Make these %zu changes?", count)
                         : str_format(cli->arena, "Make these %zu changes to the history?", count);
    if (!question)
        return error_nomem(err);
    if (!cli_show(cli, &list, err) || !cli_confirm(cli, question, &is_yes, err))
        return false;
    if (is_yes && ((files.len > 0 && !cli_settle_files(cli, true, &files, err)) ||
                   (actions.len > 0 && !run_repair(&cli->runner, cli->arena, &actions, err))))
        return false;
    if (cli->is_json)
        return repair_json(cli, &actions, files, is_yes, err);
    Text text = cli_text(cli);
    if (is_yes)
        text_addf(&text, "%zu %s made.\n", count, count == 1 ? "change" : "changes");
    else
        text_adds(&text, "Nothing was changed.\n");
    return cli_print(cli, &text, err);
}

static const Example repair_examples[] = {
    {"whimbrel repair", "shows what it would change in the history, and asks"},
    {"whimbrel repair --yes", "the same without asking, for scripts"},
    {0},
};

static const ExitNote repair_exits[] = {
    {4, "the migration lock could not be had within --lock-wait"},
    {0},
};

const Command cmd_repair = {
    .name = "repair",
    .summary = "put the history right: failed, changed, missing",
    .about =
        "Removes entries of migrations that failed, accepts the checksums of files that were "
        "changed, and marks as "
        "deleted what is applied but no longer here. Only the history is touched, and the file of "
        "sums that Atlas keeps beside its migrations. Every change is shown first.",
    .group = GROUP_MENDING,
    .examples = repair_examples,
    .exits = repair_exits,
    .args_size = sizeof(NoArgs),
    .needs = NEEDS_SETTINGS | NEEDS_MIGRATIONS | NEEDS_DATABASE | MENDS_FILES,
    .run = repair_run,
};

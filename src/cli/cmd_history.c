/* whimbrel history. SPDX-License-Identifier: Apache-2.0 */
#include "cli/cli.h"
#include "cli/commands.h"

enum { LATEST_RUNS = 20 };

typedef struct HistoryArgs {
    bool all;
} HistoryArgs;

static void json_labels(JsonWriter *w, const char *key, Str labels)
{
    json_key(w, key);
    json_begin_array(w);
    while (labels.len > 0) {
        size_t end = str_find(labels, STR(", "), 0);
        json_str(w, str_sub(labels, 0, end));
        labels = end == SIZE_MAX ? (Str){0} : str_sub(labels, end + 2, labels.len);
    }
    json_end_array(w);
}

static void json_time(JsonWriter *w, const char *key, Timestamp t)
{
    char buf[TIMESTAMP_TEXT];
    json_key_text(w, key, t == TIMESTAMP_UNKNOWN ? NULL : timestamp_iso(t, buf));
}

static void json_some(JsonWriter *w, const char *key, Str s)
{
    json_key(w, key);
    if (s.len > 0)
        json_str(w, s);
    else
        json_null_value(w);
}

static bool runs_json(Cli *cli, const RunRowVec *runs, Error *err)
{
    CliJson json;
    ReportPlace place = cli_place(cli);
    cli_json_begin(cli, &json);
    json_begin_object(&json.w);
    report_place_json(&json.w, &place);
    json_key(&json.w, "runs");
    json_begin_array(&json.w);
    for (size_t i = 0; i < runs->len; i++) {
        const RunRow *run = &runs->items[i];
        json_begin_object(&json.w);
        json_key(&json.w, "run");
        if (run->run > 0)
            json_int(&json.w, run->run);
        else
            json_null_value(&json.w);
        json_key_str(&json.w, "command", run->command);
        json_key_str(&json.w, "outcome", run->outcome);
        json_time(&json.w, "started_at", run->started_at);
        json_time(&json.w, "finished_at", run->finished_at);
        json_key(&json.w, "duration_ms");
        if (run->duration_us >= 0)
            json_double(&json.w, (double)run->duration_us / 1000.0);
        else
            json_null_value(&json.w);
        json_some(&json.w, "who", run->who);
        json_some(&json.w, "host", run->host);
        json_some(&json.w, "program", run->program);
        json_labels(&json.w, "applied", run->applied);
        json_labels(&json.w, "rolled_back", run->rolled_back);
        json_some(&json.w, "error", run->error);
        json_end_object(&json.w);
    }
    json_end_array(&json.w);
    json_end_object(&json.w);
    return cli_json_end(cli, &json, err);
}

static void add_run(Text *text, const RunRow *run)
{
    char when[TIMESTAMP_TEXT], took[DURATION_TEXT];
    bool is_ok = str_eq(run->outcome, STR("ok"));
    if (run->run > 0)
        text_addf(text, "%5lld  ", (long long)run->run);
    else
        text_pad(text, 7);
    if (run->started_at != TIMESTAMP_UNKNOWN)
        text_addf(text, "%s  ", timestamp_human(run->started_at, when));
    text_add_line(text, run->command);
    text_add(text, STR(" "));
    text_styled(text, is_ok ? STYLE_GREEN : STYLE_RED, run->outcome);
    if (run->duration_us >= 0)
        text_addf(text, " in %s", duration_human(run->duration_us, took));
    if (run->who.len > 0)
        text_add(text, STR("  "));
    text_add_line(text, run->who);
    if (run->host.len > 0) {
        text_add(text, STR("@"));
        text_add_line(text, run->host);
    }
    if (run->program.len > 0) {
        text_add(text, STR("  "));
        text_add_line(text, run->program);
    }
    text_add(text, STR("\n"));
    const struct {
        const char *what;
        Str labels;
    } parts[] = {
        {"applied", run->applied}, {"rolled back", run->rolled_back}, {"error", run->error}};
    for (size_t i = 0; i < 3; i++) {
        if (parts[i].labels.len == 0)
            continue;
        text_addf(text, "       %s: ", parts[i].what);
        text_add_line(text, parts[i].labels);
        text_add(text, STR("\n"));
    }
}

/* A history without a run log still says what was applied, and when. */
static bool rows_as_runs(Cli *cli, size_t limit, RunRowVec *ret_runs, Error *err)
{
    History history;
    RunRowVec runs = {0};
    if (!cli->context.convention->history_read(&cli->context, cli->db, cli->arena, &history, err))
        return false;
    for (size_t i = history.rows.len; i-- > 0 && (limit == 0 || runs.len < limit);) {
        const HistoryRow *row = &history.rows.items[i];
        const char *label = migration_label(cli->arena, row->version, row->name, row->kind);
        const RunRow run = {
            .run = row->run,
            .command = row->outcome == HISTORY_BASELINED ? STR("baseline") : STR("migrate"),
            .started_at = row->started_at != TIMESTAMP_UNKNOWN ? row->started_at : row->finished_at,
            .finished_at = row->finished_at,
            .duration_us = row->duration_us,
            .who = row->applied_by,
            .program = row->program,
            .outcome = row->outcome == HISTORY_FAILED || row->outcome == HISTORY_RUNNING_UP ||
                               row->outcome == HISTORY_RUNNING_DOWN
                           ? STR("failed")
                           : STR("ok"),
            .applied = str_from(label),
        };
        if (!label || !vec_push(cli->arena, &runs, run))
            return error_nomem(err);
    }
    *ret_runs = runs;
    return true;
}

static bool history_run(Cli *cli, const void *args, Error *err)
{
    const HistoryArgs *options = args;
    const Convention *convention = cli->context.convention;
    size_t limit = options->all ? 0 : LATEST_RUNS;
    RunRowVec runs = {0};
    if ((convention->features & CONVENTION_RUN_LOG) && convention->runs_read) {
        if (!convention->runs_read(&cli->context, cli->db, cli->arena, limit, &runs, err))
            return false;
    } else if (!rows_as_runs(cli, limit, &runs, err)) {
        return false;
    }
    if (cli->is_json)
        return runs_json(cli, &runs, err);
    Text text = cli_text(cli);
    ReportPlace place = cli_place(cli);
    report_place(&text, &place);
    text_add(&text, STR("\n"));
    for (size_t i = 0; i < runs.len; i++)
        add_run(&text, &runs.items[i]);
    if (runs.len == 0)
        text_adds(&text, "Nothing has run here yet.\n");
    else if (limit > 0 && runs.len == limit)
        text_addf(&text, "\nThe latest %zu; --all shows every run.\n", runs.len);
    return cli_print(cli, &text, err);
}

static const Option history_options[] = {
    {.name = "all",
     .type = OPTION_FLAG,
     .offset = offsetof(HistoryArgs, all),
     .help = "every run, not only the latest 20"},
    {0},
};

static const Example history_examples[] = {
    {"whimbrel history", "the latest runs: who, from where, when, how long, what"},
    {0},
};

const Command cmd_history = {
    .name = "history",
    .summary = "every run: who, from where, when, how long, what",
    .about = "Newest first. Where the convention keeps no log of runs, what its history table "
             "holds is shown instead.",
    .group = GROUP_MENDING,
    .options = history_options,
    .examples = history_examples,
    .args_size = sizeof(HistoryArgs),
    .needs = NEEDS_SETTINGS | NEEDS_DATABASE | READS_ONLY,
    .run = history_run,
};

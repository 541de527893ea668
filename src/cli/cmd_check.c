/* whimbrel check. SPDX-License-Identifier: Apache-2.0 */
#include "cli/cli.h"
#include "cli/commands.h"

enum { POLL_MS = 500 };

typedef struct CheckArgs {
    int64_t wait_ms;
} CheckArgs;

/* One look, with everything made anew in an arena that the next look resets: a file may have appeared meanwhile, a history
 * changed, a server been replaced. The connection stays open until the answer is given. */
static bool look(Cli *cli, Arena *arena, Overview *ret_overview, Error *err)
{
    History history;
    Arena *kept = cli->arena;
    cli_close(cli);
    arena_reset(arena);
    cli->arena = arena;
    bool is_ok = cli_open(cli, NEEDS_DATABASE | NEEDS_MIGRATIONS | READS_ONLY, err) &&
                 run_overview(&cli->runner, arena, &history, ret_overview, err);
    cli->arena = kept;
    return is_ok;
}

static bool may_pass(const Error *err)
{
    return err->kind == ERROR_CONNECT || err->kind == ERROR_TIMEOUT || err->kind == ERROR_SQL ||
           err->kind == ERROR_LOCKED;
}

static bool is_at_head(const Overview *overview)
{
    return overview->state == OVERALL_UP_TO_DATE && overview->wrong == 0;
}

static bool check_answer(Cli *cli, const Overview *overview, Error *err)
{
    bool is_there = is_at_head(overview);
    if (!is_there)
        cli->exit_code = EXIT_CHECK;
    if (cli->is_json) {
        CliJson json;
        ReportPlace place = cli_place(cli);
        cli_json_begin(cli, &json);
        json_begin_object(&json.w);
        report_place_json(&json.w, &place);
        json_key_bool(&json.w, "ready", is_there);
        json_key_text(&json.w, "state", overall_state_name(overview->state));
        json_key(&json.w, "current");
        if (overview->current.len > 0)
            json_str(&json.w, overview->current);
        else
            json_null_value(&json.w);
        json_key(&json.w, "head");
        if (overview->head.len > 0)
            json_str(&json.w, overview->head);
        else
            json_null_value(&json.w);
        json_key_int(&json.w, "pending", overview->pending);
        json_key_null(&json.w, "error");
        json_end_object(&json.w);
        return cli_json_end(cli, &json, err);
    }
    Text text = cli_text(cli);
    text_adds(&text, is_there ? "Ready: the database is " : "Not ready: the database is ");
    if (overview->current.len > 0) {
        text_adds(&text, "at ");
        text_add_line(&text, overview->current);
    } else {
        text_adds(&text, "before the first migration");
    }
    if (is_there)
        text_adds(&text, ", up to date");
    if (!is_there && overview->pending > 0)
        text_addf(&text, ", %u pending", (unsigned)overview->pending);
    if (!is_there && overview->outdated > 0)
        text_addf(&text, ", %u repeatable changed", (unsigned)overview->outdated);
    if (!is_there && overview->wrong > 0)
        text_addf(&text, ", %u wrong", (unsigned)overview->wrong);
    text_adds(&text, ".\n");
    return cli_print(cli, &text, err);
}

static bool check_run(Cli *cli, const void *args, Error *err)
{
    const CheckArgs *options = args;
    scoped(Arena *, arena_freep) scratch = arena_new();
    int64_t until_us = clock_monotonic_us() + options->wait_ms * 1000;
    int64_t slept_ms = 0; /* counts, too: a clock that stands still ends no wait */
    if (!scratch)
        return error_nomem(err);
    for (;;) {
        Overview overview;
        bool is_ok = look(cli, scratch, &overview, err);
        bool is_late = clock_monotonic_us() >= until_us || slept_ms >= options->wait_ms;
        if (!is_ok && (is_late || !may_pass(err)))
            return false;
        if (is_ok && (is_late || is_at_head(&overview)))
            return check_answer(cli, &overview, err);
        if (!is_ok) {
            if (cli->settings->verbose)
                cli_note(cli, "not yet: %s", err->message);
            error_clear(err);
        }
        if (!signals_sleep_ms(POLL_MS))
            return error_set(err, ERROR_CANCELLED, "interrupted while waiting");
        slept_ms += POLL_MS;
    }
}

static const Option check_options[] = {
    {.name = "wait",
     .type = OPTION_DURATION,
     .flags = OPTION_ZERO_OK,
     .value = "DURATION",
     .offset = offsetof(CheckArgs, wait_ms),
     .help = "look again until the database is there, for so long: 30s, 5min"},
    {0},
};

static const Example check_examples[] = {
    {"whimbrel check && exec ./server",
     "an application that starts only on the schema it was written for"},
    {"whimbrel check --wait 5min", "an init container that waits for the migrations of a rollout"},
    {0},
};

static const ExitNote check_exits[] = {
    {1, "the database could not be asked"},
    {3, "the database is not exactly at this checkout's head"},
    {0},
};

const Command cmd_check = {
    .name = "check",
    .summary = "is the database exactly at this checkout's head",
    .about = "For applications and init containers: exits with 0 when everything here is applied "
             "and nothing is wrong. Takes "
             "no lock and changes nothing.",
    .group = GROUP_CHECKS,
    .options = check_options,
    .examples = check_examples,
    .exits = check_exits,
    .args_size = sizeof(CheckArgs),
    .needs = NEEDS_SETTINGS,
    .run = check_run,
};

/* whimbrel lock. SPDX-License-Identifier: Apache-2.0 */
#include "cli/cli.h"
#include "cli/commands.h"

typedef struct LockArgs {
    Str action;
} LockArgs;

static bool lock_json(Cli *cli, const LockHolder *lock, bool has, bool is_released, Error *err)
{
    CliJson json;
    const DbSession *holder = &lock->session;
    cli_json_begin(cli, &json);
    json_begin_object(&json.w);
    json_key_text(&json.w, "whimbrel", WHIMBREL_VERSION);
    json_key(&json.w, "locks");
    json_begin_array(&json.w);
    if (has) {
        json_begin_object(&json.w);
        json_key_text(&json.w, "kind", lock->is_row ? "row" : lock->is_lease ? "lease" : "session");
        json_key_str(&json.w, "id", holder->id);
        json_key_str(&json.w, "user", holder->user);
        json_key_str(&json.w, "host", holder->host);
        json_key_str(&json.w, "application", holder->application);
        json_key_str(&json.w, "state", holder->state);
        json_key_str(&json.w, "query", holder->query);
        json_key(&json.w, "age_ms");
        if (holder->age_us >= 0)
            json_double(&json.w, (double)holder->age_us / 1000.0);
        else
            json_null_value(&json.w);
        json_key_bool(&json.w, "alive", holder->is_alive);
        json_key(&json.w, "expires_in_ms");
        if (lock->is_lease)
            json_double(&json.w, (double)lock->left_us / 1000.0);
        else
            json_null_value(&json.w);
        json_end_object(&json.w);
    }
    json_end_array(&json.w);
    json_key_bool(&json.w, "released", is_released);
    json_key_null(&json.w, "error");
    json_end_object(&json.w);
    return cli_json_end(cli, &json, err);
}

static void add_holder(Text *text, const LockHolder *lock)
{
    char took[DURATION_TEXT];
    const DbSession *holder = &lock->session;
    text_adds(text, lock->is_row     ? "The migration lock is a row of a table, held by "
                    : lock->is_lease ? "The migration lock is a lease, held by process "
                                     : "The migration lock is held by session ");
    text_add_line(text, holder->id);
    const Str parts[] = {holder->application, holder->user, holder->host};
    bool is_open = false;
    for (size_t i = 0; i < 3; i++) {
        if (parts[i].len == 0)
            continue;
        text_adds(text, is_open ? ", " : " (");
        text_add_line(text, parts[i]);
        is_open = true;
    }
    if (is_open)
        text_add(text, STR(")"));
    if (holder->age_us >= 0)
        text_addf(text, ", since %s", duration_human(holder->age_us, took));
    if (holder->state.len > 0) {
        text_add(text, STR(": "));
        text_add_line(text, holder->state);
    }
    text_add(text, STR(".\n"));
    if (lock->is_lease)
        text_addf(text, "  Unless it is renewed, the lease ends in %s.\n",
                  duration_human(lock->left_us, took));
    if (holder->query.len > 0) {
        text_adds(text, "  last statement: ");
        text_add_line(text, str_sub(holder->query, 0, 200));
        text_add(text, STR("\n"));
    }
    if (holder->advice.len > 0) {
        text_adds(text, "  ");
        text_add_line(text, holder->advice);
        text_add(text, STR("\n"));
    }
    if (!holder->is_alive)
        text_adds(text, "  It is gone; only its lock is left.\n");
}

static bool lock_release(Cli *cli, const LockHolder *holder, Error *err)
{
    bool is_yes = !holder->session.is_alive;
    if (!is_yes) {
        Text text = cli_err_text(cli);
        add_holder(&text, holder);
        const char *question = str_format(
            cli->arena,
            holder->is_row ? "Give the lock of %.*s back, which nothing else does once it is gone?"
            : holder->is_lease ? "Take the lease from process %.*s, which can then commit no more?"
                               : "End session %.*s, and with it whatever it is doing?",
            STR_ARG(holder->session.id));
        if (!question)
            return error_nomem(err);
        if (!cli_show(cli, &text, err) || !cli_confirm(cli, question, &is_yes, err))
            return false;
    }
    if (is_yes && !run_lock_release(&cli->runner, cli->arena, holder, err))
        return false;
    if (cli->is_json)
        return lock_json(cli, holder, true, is_yes, err);
    Text text = cli_text(cli);
    text_adds(&text, is_yes ? "The migration lock is free.\n" : "Nothing was changed.\n");
    return cli_print(cli, &text, err);
}

static bool lock_run(Cli *cli, const void *args, Error *err)
{
    const LockArgs *options = args;
    LockHolder holder = {0};
    bool has = false;
    if (!run_lock_holder(&cli->runner, cli->arena, &holder, &has, err))
        return false;
    if (has && str_eq(options->action, STR("release")))
        return lock_release(cli, &holder, err);
    if (cli->is_json)
        return lock_json(cli, &holder, has, false, err);
    Text text = cli_text(cli);
    if (has)
        add_holder(&text, &holder);
    else
        text_adds(&text, "Nobody holds the migration lock.\n");
    return cli_print(cli, &text, err);
}

static const char *const lock_actions[] = {"list", "release", NULL};

static const Argument lock_arguments[] = {
    {.name = "list|release",
     .type = OPTION_CHOICE,
     .offset = offsetof(LockArgs, action),
     .choices = lock_actions,
     .complete = COMPLETE_CHOICE,
     .help = "who holds it, or end the session that does"},
    {0},
};

static const Example lock_examples[] = {
    {"whimbrel lock list", "who holds the migration lock, since when, from where"},
    {"whimbrel lock release", "ends that session; asks first unless it is gone for sure"},
    {0},
};

const Command cmd_lock = {
    .name = "lock",
    .summary = "who holds the migration lock; take it away",
    .about = "One runner migrates at a time. The lock belongs to a connection, so it ends with it: "
             "'release' ends the "
             "session that holds it, and the transaction that it may be in is rolled back by the "
             "server. Behind a proxy that pools transactions and on a cluster it is a lease in the "
             "table whimbrel_lock: it runs out by itself when its holder is gone, and 'release' "
             "takes it from a holder that lives, which can then commit nothing more.",
    .group = GROUP_MENDING,
    .arguments = lock_arguments,
    .examples = lock_examples,
    .args_size = sizeof(LockArgs),
    .needs = NEEDS_SETTINGS | NEEDS_DATABASE,
    .run = lock_run,
};

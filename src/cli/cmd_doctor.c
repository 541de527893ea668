/* whimbrel doctor. SPDX-License-Identifier: Apache-2.0 */
#include "cli/cli.h"
#include "cli/commands.h"

#include <unistd.h>

enum { LONG_TRANSACTION_MS = 60000 };

typedef struct NoArgs {
    char nothing;
} NoArgs;

typedef enum Verdict { VERDICT_OK, VERDICT_NOTE, VERDICT_BAD } Verdict;

typedef struct Check {
    const char *name;
    Verdict verdict;
    const char *message;
} Check;
typedef struct Doctor {
    Cli *cli;
    Vec(Check) checks;
} Doctor;

static bool add(Doctor *d, const char *name, Verdict verdict, const char *message, Error *err)
{
    const Check check = {name, verdict, message};
    return (message && vec_push(d->cli->arena, &d->checks, check)) || error_nomem(err);
}

static bool add_error(Doctor *d, const char *name, const Error *why, Error *err)
{
    if (why->kind == ERROR_NOMEM)
        return error_nomem(err);
    const char *message = why->hint ? str_format(d->cli->arena, "%s. %s", why->message, why->hint)
                                    : str_format(d->cli->arena, "%s", why->message);
    return add(d, name, VERDICT_BAD, message, err);
}

/* The oldest releases that the tests of this project run against, or that their makers still support. */
static bool check_version(Doctor *d, Error *err)
{
    static const struct {
        const char *engine;
        int least;
        const char *least_text;
    } rows[] = {{"sqlite", 3035000, "3.35"},
                {"postgres", 120000, "12"},
                {"mariadb", 100400, "10.4"},
                {"mysql", 80000, "8.0"}};
    const DbInfo *info = &d->cli->db->info;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (!str_eq(str_from(rows[i].engine), str_from(info->engine)) ||
            info->version_number >= rows[i].least)
            continue;
        return add(d, "version", VERDICT_NOTE,
                   str_format(d->cli->arena, "%s %s is older than %s, the oldest that is supported",
                              info->engine_title, info->version, rows[i].least_text),
                   err);
    }
    return add(d, "version", VERDICT_OK,
               str_format(d->cli->arena, "%s %s", info->engine_title, info->version), err);
}

static bool check_server(Doctor *d, Error *err)
{
    const DbInfo *info = &d->cli->db->info;
    if (info->is_in_recovery &&
        !add(d, "server", VERDICT_BAD,
             "this is a standby in recovery: migrations run on the primary", err))
        return false;
    if (info->is_read_only && !info->is_in_recovery &&
        !add(d, "server", VERDICT_BAD, "the database is read-only", err))
        return false;
    if (info->is_pooled &&
        !add(d, "server", VERDICT_NOTE,
             "a pooling proxy stands between; what a migration sets for its session does not last",
             err))
        return false;
    if (info->is_cluster && !add(d, "server", VERDICT_NOTE, "this is one node of a cluster", err))
        return false;
    if (!info->is_in_recovery && !info->is_read_only && !info->is_pooled && !info->is_cluster)
        return add(d, "server", VERDICT_OK, "takes writes, and is talked to directly", err);
    return true;
}

/* Whether a table can be made here is found out by making one: privileges come along too many ways to be read off. */
static bool check_privileges(Doctor *d, Error *err)
{
    Cli *cli = d->cli;
    Error why = {.arena = cli->arena};
    const char *name = str_format(cli->arena, "whimbrel_doctor_%ld", (long)getpid());
    if (!name)
        return error_nomem(err);
    if (cli->db->info.is_read_only)
        return true; /* said already */
    StrBuf create = strbuf(cli->arena), drop = strbuf(cli->arena);
    strbuf_adds(&create, "CREATE TABLE ");
    sql_add_ident(&create, cli->db->driver->dialect, str_from(name));
    strbuf_adds(&create, " (id integer)");
    strbuf_adds(&drop, "DROP TABLE ");
    sql_add_ident(&drop, cli->db->driver->dialect, str_from(name));
    if (create.has_failed || drop.has_failed)
        return error_nomem(err);
    bool undoes = db_has(cli->db, DB_TRANSACTIONAL_DDL), is_ok = true;
    if (undoes)
        is_ok = db_exec(cli->db, str_from(cli->db->driver->begin), &why);
    is_ok = is_ok && db_exec(cli->db, strbuf_str(&create), &why);
    Error ignored = {.arena = cli->arena};
    if (undoes)
        (void)db_exec(cli->db, STR("ROLLBACK"), is_ok ? &why : &ignored);
    else if (is_ok)
        is_ok = db_exec(cli->db, strbuf_str(&drop), &why);
    if (!is_ok)
        return add_error(d, "privileges", &why, err);
    return add(d, "privileges", VERDICT_OK, "tables can be made here", err);
}

static bool check_lock(Doctor *d, Error *err)
{
    Cli *cli = d->cli;
    Error why = {.arena = cli->arena};
    LockHolder lock = {0};
    const DbSession *holder = &lock.session;
    const char *reason;
    bool has = false;
    if (run_lock_is_lease(&cli->runner, &reason) &&
        !add(d, "lock", VERDICT_OK,
             str_format(cli->arena, "the migration lock is a lease of %lld s in whimbrel_lock: %s",
                        (long long)(cli->settings->lease_ms / 1000), reason),
             err))
        return false;
    if (!run_lock_holder(&cli->runner, cli->arena, &lock, &has, &why))
        return add_error(d, "lock", &why, err);
    if (!has)
        return add(d, "lock", VERDICT_OK, "nobody holds the migration lock", err);
    char took[DURATION_TEXT];
    return add(d, "lock", VERDICT_NOTE,
               str_format(cli->arena, "the migration lock is held by %s %.*s (%.*s)%s%s",
                          lock.is_lease ? "process" : "session", STR_ARG(holder->id),
                          STR_ARG(holder->user), holder->age_us >= 0 ? ", since " : "",
                          holder->age_us >= 0 ? duration_human(holder->age_us, took) : ""),
               err);
}

static bool check_history(Doctor *d, Error *err)
{
    Cli *cli = d->cli;
    Error why = {.arena = cli->arena};
    History history;
    Overview overview;
    if (!cli_convention(cli, cli->db, &why))
        return add_error(d, "convention", &why, err);
    cli_runner(cli);
    if (!add(d, "convention", VERDICT_OK, cli->context.convention->name, err))
        return false;
    if (!cli_scan(cli, &why))
        return add_error(d, "migrations", &why, err);
    if (!run_overview(&cli->runner, cli->arena, &history, &overview, &why))
        return add_error(d, "history", &why, err);
    if (!history.exists)
        return add(d, "history", VERDICT_OK, "there is none yet", err);
    if (overview.wrong > 0)
        return add(d, "history", VERDICT_BAD,
                   str_format(cli->arena,
                              "%u of %zu migrations are not as they should be: whimbrel validate",
                              (unsigned)overview.wrong, overview.rows.len),
                   err);
    return add(d, "history", VERDICT_OK,
               str_format(cli->arena, "%u applied, %u pending, nothing wrong",
                          (unsigned)overview.applied, (unsigned)overview.pending),
               err);
}

static bool check_transactions(Doctor *d, Error *err)
{
    Cli *cli = d->cli;
    Error why = {.arena = cli->arena};
    DbSessionVec sessions = {0};
    if (!cli->db->driver->long_transactions)
        return true;
    if (!cli->db->driver->long_transactions(cli->db, cli->arena, LONG_TRANSACTION_MS, &sessions,
                                            &why))
        return why.kind == ERROR_NOMEM ? error_nomem(err)
                                       : add(d, "transactions", VERDICT_NOTE, why.message, err);
    if (sessions.len == 0)
        return add(d, "transactions", VERDICT_OK, "none is older than a minute", err);
    for (size_t i = 0; i < sessions.len; i++) {
        const DbSession *session = &sessions.items[i];
        char took[DURATION_TEXT];
        const char *message = str_format(
            cli->arena,
            "session %.*s (%.*s) has one open for %s, and would hold a migration up%s%.*s",
            STR_ARG(session->id), STR_ARG(session->user),
            duration_human(session->age_us < 0 ? 0 : session->age_us, took),
            session->query.len > 0 ? ": " : "", STR_ARG(str_sub(session->query, 0, 80)));
        if (!add(d, "transactions", VERDICT_NOTE, message, err))
            return false;
    }
    return true;
}

static const char *verdict_name(Verdict verdict)
{
    switch (verdict) {
    case VERDICT_OK:
        return "ok";
    case VERDICT_NOTE:
        return "note";
    case VERDICT_BAD:
        return "bad";
    }
    return "";
}

static bool doctor_print(Doctor *d, Error *err)
{
    Cli *cli = d->cli;
    bool is_healthy = true;
    for (size_t i = 0; i < d->checks.len; i++)
        is_healthy = is_healthy && d->checks.items[i].verdict != VERDICT_BAD;
    if (!is_healthy)
        cli->exit_code = EXIT_CHECK;
    if (cli->is_json) {
        CliJson json;
        cli_json_begin(cli, &json);
        json_begin_object(&json.w);
        json_key_text(&json.w, "whimbrel", WHIMBREL_VERSION);
        json_key_bool(&json.w, "healthy", is_healthy);
        json_key(&json.w, "checks");
        json_begin_array(&json.w);
        for (size_t i = 0; i < d->checks.len; i++) {
            json_begin_object(&json.w);
            json_key_text(&json.w, "name", d->checks.items[i].name);
            json_key_text(&json.w, "verdict", verdict_name(d->checks.items[i].verdict));
            json_key_text(&json.w, "message", d->checks.items[i].message);
            json_end_object(&json.w);
        }
        json_end_array(&json.w);
        json_key_null(&json.w, "error");
        json_end_object(&json.w);
        return cli_json_end(cli, &json, err);
    }
    static const TextStyle styles[] = {STYLE_GREEN, STYLE_YELLOW, STYLE_RED};
    Text text = cli_text(cli);
    Table table = table_new(cli->arena, 3);
    for (size_t i = 0; i < d->checks.len; i++) {
        const Check *check = &d->checks.items[i];
        table_add(&table, str_from(verdict_name(check->verdict)), styles[check->verdict]);
        table_add(&table, str_from(check->name), STYLE_PLAIN);
        table_add(&table, str_from(check->message), STYLE_PLAIN);
    }
    table_print(&text, &table, 0);
    return cli_print(cli, &text, err);
}

static bool doctor_run(Cli *cli, const void *args, Error *err)
{
    (void)args;
    Doctor doctor = {.cli = cli};
    Error why = {.arena = cli->arena};
    int64_t began_us = clock_monotonic_us();
    char took[DURATION_TEXT];
    if (!cli_url(cli, &cli->url, err))
        return false;
    const DbOptions options = cli_db_options(cli, 0);
    if (!db_open(&cli->url, &options, &cli->db, &why)) {
        if (!add_error(&doctor, "connection", &why, err))
            return false;
        return doctor_print(&doctor, err);
    }
    cli->database_name = cli->db->info.database;
    if (!add(&doctor, "connection", VERDICT_OK,
             str_format(cli->arena, "%.*s, in %s", STR_ARG(cli->url.display),
                        duration_human(clock_monotonic_us() - began_us, took)),
             err))
        return false;
    if (!check_version(&doctor, err) || !check_server(&doctor, err) ||
        !check_history(&doctor, err) || !check_privileges(&doctor, err) ||
        (cli->runner.db && !check_lock(&doctor, err)) || !check_transactions(&doctor, err))
        return false;
    return doctor_print(&doctor, err);
}

static const Example doctor_examples[] = {
    {"whimbrel doctor", "before the first migration on a new server, or when something is odd"},
    {0},
};

static const ExitNote doctor_exits[] = {
    {3, "something is bad"},
    {0},
};

const Command cmd_doctor = {
    .name = "doctor",
    .summary = "connection, privileges, lock, history, long transactions",
    .about = "Looks for what would keep migrations from running. To see whether tables can be made "
             "it makes one, inside a "
             "transaction that is rolled back; where the engine has no such thing, it drops the "
             "table again.",
    .group = GROUP_CHECKS,
    .examples = doctor_examples,
    .exits = doctor_exits,
    .args_size = sizeof(NoArgs),
    .needs = NEEDS_SETTINGS,
    .run = doctor_run,
};

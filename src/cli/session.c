/* Opens what a command needs: URL and password, connection, convention, migrations, runner.
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/cli.h"

enum { PASSWORD_LIMIT = 64 * 1024, ASIDE_TIMEOUT_MS = 2000, FRESH_US = 1000000 };

/* ---- the URL -------------------------------------------------------------------------------------------------------- */

static Str first_line(Str text)
{
    Str line;
    (void)str_cut(text, '\n', &line);
    if (line.len > 0 && line.ptr[line.len - 1] == '\r')
        line.len--;
    return line;
}

static bool password_from_file(Cli *cli, Arena *scratch, Str *ret_password, Error *err)
{
    const char *path = str_z(cli->arena, cli->settings->password_file);
    Str text;
    struct stat info;
    if (!path)
        return error_nomem(err);
    if (!file_read(scratch, path, PASSWORD_LIMIT, &text, err)) {
        error_wrap(err, "reading the password file");
        if (err->kind != ERROR_NOMEM)
            err->kind = ERROR_USAGE;
        return false;
    }
    if (stat(path, &info) == 0 && (info.st_mode & (S_IRWXG | S_IRWXO)) != 0)
        cli_note(cli, "%s may be read by others: chmod 600 %s", path, path);
    *ret_password = first_line(text);
    return true;
}

static bool password_from_command(Cli *cli, Arena *scratch, Str *ret_password, Error *err)
{
    const StrVec *command = &cli->settings->password_command;
    const char **argv = arena_alloc(cli->arena, (command->len + 1) * sizeof *argv);
    Str text;
    if (!argv)
        return error_nomem(err);
    for (size_t i = 0; i < command->len; i++) {
        argv[i] = str_z(cli->arena, command->items[i]);
        if (!argv[i])
            return error_nomem(err);
    }
    if (!process_read(scratch, argv, false, PASSWORD_LIMIT, &text, err)) {
        error_wrap(err, "password_command");
        if (err->kind != ERROR_NOMEM && err->kind != ERROR_CANCELLED)
            err->kind = ERROR_USAGE;
        return false;
    }
    *ret_password = first_line(text);
    return true;
}

/* A password file is the clearest wish; then the URL's own password; then the command, then MYSQL_PWD. What libpq looks for by itself
 * (PGPASSWORD, .pgpass) is left to it. */
static bool fill_password(Cli *cli, Arena *scratch, DbUrl *url, Error *err)
{
    Str password = {0};
    const char *mysql_pwd = getenv("MYSQL_PWD");
    if (url->driver->features & DB_SINGLE_FILE)
        return true;
    if (cli->settings->password_file.len > 0) {
        if (!password_from_file(cli, scratch, &password, err))
            return false;
    } else if (url->has_password) {
        return true;
    } else if (cli->settings->password_command.len > 0) {
        if (!password_from_command(cli, scratch, &password, err))
            return false;
    } else if (url->driver->dialect == SQL_MYSQL && mysql_pwd && mysql_pwd[0]) {
        password = str_from(mysql_pwd);
    } else {
        return true;
    }
    return db_url_set_password(scratch, url, password, err);
}

static bool url_of_tool(Cli *cli, Str *ret_text, const char **ret_place, Error *err);

/* From now on there is one copy of the password, the URL's: the settings say what may be shown. */
static void keep_url(Cli *cli, const DbUrl *url)
{
    Settings *settings = cli->settings;
    SettingSource *source = &cli->configuration.sources[setting_index("database")];
    bool has_secret =
        !str_eq(url->display, url->text) && str_find(url->display, STR("***"), 0) != SIZE_MAX;
    cli->known_url = *url;
    if (!has_secret)
        return;
    str_wipe(settings->database);
    settings->database = url->display;
    source->texts.items[source->texts.len - 1] = url->display;
}

static bool find_url(Cli *cli, Arena *scratch, DbUrl *ret_url, bool *ret_is_of_tool, Error *err)
{
    const SettingSource *source = &cli->configuration.sources[setting_index("database")];
    Str text = cli->settings->database;
    const char *place = source->where;
    DbUrl url;
    Str theirs = {0};
    /* Prisma's form of a file's name is not ours: what it is relative to, Prisma's own configuration says. */
    bool is_of_tool = text.len == 0 || str_starts(text, STR("file:"));
    if (is_of_tool && !url_of_tool(cli, &theirs, &place, err))
        return false;
    is_of_tool = theirs.len > 0;
    if (is_of_tool)
        text = theirs;
    if (text.len == 0) {
        error_set(err, ERROR_USAGE, "no database is named");
        error_hint(err, "Say -d URL, set WHIMBREL_DATABASE_URL or DATABASE_URL, or write database "
                        "= \"...\" into "
                        "whimbrel.toml.");
        return error_code(err, "no-database");
    }
    if (!db_url_parse(scratch, text, &url, err)) {
        if (err->kind != ERROR_NOMEM)
            error_wrap(err, "%s", place);
        return false;
    }
    /* A tool's own configuration was found where it is, and what it says is relative to that already. */
    bool is_of_file = source->origin == ORIGIN_FILE || source->origin == ORIGIN_ENV_TABLE;
    if (is_of_file && !is_of_tool && (url.driver->features & DB_SINGLE_FILE) &&
        !str_eq(url.database, STR(":memory:")) && !path_is_absolute(url.database)) {
        const char *path = path_join(cli->arena, cli->configuration.project_folder, url.database);
        DbUrl moved;
        if (!path)
            return error_nomem(err);
        if (!db_url_with_database(scratch, &url, str_from(path), &moved, err))
            return false;
        url = moved;
    }
    if (!fill_password(cli, scratch, &url, err) || !db_url_copy(cli->secrets, &url, ret_url, err))
        return false;
    *ret_is_of_tool = is_of_tool;
    return true;
}

/* Returned functions leave on the stack what they had in registers, and copying a text is done in those. */
__attribute__((noinline)) static void wipe_stack(void)
{
    char dead[32 * 1024];
    explicit_bzero(dead, sizeof dead);
}

bool cli_url(Cli *cli, DbUrl *ret_url, Error *err)
{
    scoped(Arena *, arena_freep) scratch = arena_new_secret();
    bool is_of_tool = false;
    if (cli->known_url.driver) {
        *ret_url = cli->known_url;
        return true;
    }
    if (!scratch)
        return error_nomem(err);
    if (!find_url(cli, scratch, ret_url, &is_of_tool, err))
        return false;
    /* Which tool's configuration holds may be another matter the next time. */
    if (!is_of_tool)
        keep_url(cli, ret_url);
    return true;
}

/* ---- the connection -------------------------------------------------------------------------------------------------- */

static void on_notice(void *ctx, Str severity, Str message)
{
    Cli *cli = ctx;
    const Event event = {.kind = EVENT_NOTICE, .severity = severity, .message = message};
    EventSink sink = progress_sink(&cli->progress);
    if (cli->progress.write)
        sink.emit(sink.ctx, &event);
}

static bool is_cancelled(void *ctx)
{
    Cli *cli = ctx;
    /* Drivers ask while they wait: the moment to move the live line's clock. */
    if (cli->progress.write)
        progress_tick(&cli->progress);
    return signals_received() != 0;
}

DbOptions cli_db_options(Cli *cli, unsigned needs)
{
    cli->cancel =
        (DbCancel){.is_requested = is_cancelled, .ctx = cli, .wake_fd = signals_wake_fd()};
    return (DbOptions){
        .cancel = &cli->cancel,
        .connect_timeout_ms = cli->settings->connect_timeout_ms,
        .may_create = (needs & MAY_CREATE) != 0,
        .notice = on_notice,
        .notice_ctx = cli,
    };
}

static bool says_busy_timeout(const DbUrl *url)
{
    for (size_t i = 0; i < url->params.len; i++)
        if (str_eq(url->params.items[i].key, STR("busy_timeout")))
            return true;
    return false;
}

/* Where the file is locked as a whole, to read it is to wait for the migration lock: as long as --lock-wait says, unless the
 * URL has its own busy_timeout. */
static bool wait_for_file(Cli *cli, const DbUrl *url, Error *err)
{
    DbStatementVec statements = {0};
    int64_t wait_ms = cli->settings->lock_wait_ms;
    if (!db_has(cli->db, DB_FILE_LOCK) || says_busy_timeout(url))
        return true;
    /* To the driver 0 is "as long as it takes", here it is "not at all". */
    DbTimeouts timeouts = {.lock_ms = wait_ms < 0    ? 0
                                      : wait_ms == 0 ? 1
                                                     : wait_ms,
                           .statement_ms = -1};
    if (!cli->db->driver->timeouts(cli->db, cli->arena, timeouts, false, &statements))
        return error_nomem(err);
    for (size_t i = 0; i < statements.len; i++)
        if (!db_exec(cli->db, statements.items[i].sql, err))
            return false;
    return true;
}

/* libpq brings LDAP along, and that GnuTLS, which makes itself ready when it is loaded, though nobody may ever want it: libldap does that
 * itself when it does. It can be told so only by a variable, which is gone again before anything else is begun. */
static bool open_lightly(Cli *cli, const DbUrl *url, const DbOptions *options, Error *err)
{
    static const char variable[] = "GNUTLS_NO_IMPLICIT_INIT";
    bool is_ours =
        url->driver->dialect == SQL_POSTGRES && !getenv(variable) && setenv(variable, "1", 0) == 0;
    bool is_open = db_open(url, options, &cli->db, err);
    if (is_ours)
        (void)unsetenv(variable);
    return is_open;
}

static bool open_database(Cli *cli, unsigned needs, Error *err)
{
    if (!cli_url(cli, &cli->url, err))
        return false;
    DbUrl url = cli->url;
    bool is_file = (url.driver->features & DB_SINGLE_FILE) != 0;
    if (is_file && (needs & READS_ONLY) && !str_eq(url.database, STR(":memory:"))) {
        /* A file that migrate would make is looked at as the empty database that it would be, and is not made. */
        const char *path = str_z(cli->arena, url.database);
        FileInfo info;
        if (!path)
            return error_nomem(err);
        if (!file_info(path, &info, err))
            return false;
        if (info.kind == FILE_ABSENT) {
            if (!db_url_with_database(cli->secrets, &cli->url, STR(":memory:"), &url, err))
                return false;
            cli->database_name = str_z(cli->arena, path_base(cli->url.database));
            cli->is_imagined = true;
        }
    }
    wipe_stack();
    DbOptions options = cli_db_options(cli, needs);
    bool recognises =
        (!str_eq(cli->settings->convention, STR("auto")) || cli->settings->table.len == 0) &&
        (needs & (NEEDS_MIGRATIONS | NEEDS_CONVENTION));
    if (recognises && !is_file &&
        !convention_question(url.driver->dialect, cli->arena, &options.question, err))
        return false;
    /* A server takes its time, in which the files can be read: again, if it took long. */
    int64_t begun_us = clock_monotonic_us();
    if (!is_file && (needs & (NEEDS_MIGRATIONS | NEEDS_CONVENTION)))
        ahead_begin(cli, &url, needs);
    if (!open_lightly(cli, &url, &options, err) || !wait_for_file(cli, &url, err))
        return false;
    if (clock_monotonic_us() - begun_us > FRESH_US) {
        ahead_end(cli);
        folder_lists_done(&cli->lists);
    }
    if (!is_file && url.driver->dialect == SQL_MYSQL && cli->db->info.database[0] == '\0') {
        error_set(err, ERROR_USAGE, "the database URL names no database");
        error_hint(err, "Write mysql://USER@HOST/DATABASE.");
        return error_code(err, "bad-url");
    }
    if (!cli->database_name)
        cli->database_name = cli->db->info.database;
    return true;
}

/* ---- the convention -------------------------------------------------------------------------------------------------- */

/* Without a connection the URL, if there is one, says whose SQL the files hold. */
static SqlDialect dialect_of_url(Cli *cli)
{
    DbUrl url;
    Error ignored = {.arena = cli->arena};
    if (cli->settings->database.len > 0 &&
        db_url_parse(cli->secrets, cli->settings->database, &url, &ignored))
        return url.driver->dialect;
    return SQL_POSTGRES;
}

ConventionContext cli_context(Cli *cli, Db *db)
{
    const Settings *settings = cli->settings;
    return (ConventionContext){
        .dialect = db ? db->driver->dialect : dialect_of_url(cli),
        .table = settings->table,
        .name_space = settings->name_space,
        .folders = settings->migrations,
        .are_folders_default =
            cli->configuration.sources[setting_index("migrations")].origin == ORIGIN_DEFAULT,
        .project_folder = cli->configuration.project_folder,
        .who = os_user(cli->arena),
        .host = os_host(cli->arena),
        .program = STR("whimbrel " WHIMBREL_VERSION),
        .store_limit_bytes = settings->store_limit_bytes,
        .variables = (const char *const *)environ,
        .environment = settings->environment,
        .except = cli->except,
        .mends_files = (cli->command->needs & MENDS_FILES) != 0,
        .db = db,
    };
}

/* Finds out which convention holds, and what its tool's own configuration says. db may be NULL. */
static bool fill_context(Cli *cli, Db *db, ConventionContext *context, Error *err)
{
    const Settings *settings = cli->settings;
    *context = cli_context(cli, db);
    context->lists = context == &cli->context ? &cli->lists : NULL;
    if (settings->migrations.len == 0) {
        error_set(err, ERROR_USAGE, "no folder of migrations is named (%s)",
                  cli->configuration.sources[setting_index("migrations")].where);
        return error_code(err, "no-migrations");
    }
    if (!str_eq(settings->convention, STR("auto"))) {
        context->convention = convention_find(settings->convention);
        if (!context->convention) {
            const Convention *const *all = conventions();
            const char *names[64];
            size_t count = 0;
            for (; count < 62 && all[count]; count++)
                names[count] = all[count]->name;
            names[count++] = "auto";
            names[count] = NULL;
            const char *nearest = suggest_nearest(settings->convention, names);
            if (nearest)
                error_set(err, ERROR_USAGE, "there is no convention '%.*s'. Did you mean '%s'?",
                          STR_ARG(settings->convention), nearest);
            else
                error_set(err, ERROR_USAGE, "there is no convention '%.*s'",
                          STR_ARG(settings->convention));
            error_hint(err, "'whimbrel conventions' lists them.");
            return error_code(err, "unknown-convention");
        }
    } else if (!convention_recognise(context, db, cli->arena, &context->convention, NULL, err)) {
        return false;
    }
    if (!convention_configure(context, cli->secrets, err))
        return false;
    if (db && !cli->except && !str_eq(settings->convention, STR("auto"))) {
        const char *note = NULL;
        if (!convention_name_other(context, db, cli->arena, &note, err))
            return err->kind == ERROR_STATE ? false : error_wrap(err, "looking for history tables");
        if (note && !vec_push(cli->arena, &context->notes, str_from(note)))
            return error_nomem(err);
    }
    if (settings->name_space.len > 0 && !(context->convention->features & CONVENTION_NAMESPACE)) {
        error_set(err, ERROR_USAGE, "the convention %s has no namespaces",
                  context->convention->name);
        return error_code(err, "bad-setting");
    }
    return true;
}

bool cli_convention(Cli *cli, Db *db, Error *err)
{
    return fill_context(cli, db, &cli->context, err);
}

/* Nobody named a database: the tool whose files these are may have it in its own configuration. */
static bool url_of_tool(Cli *cli, Str *ret_text, const char **ret_place, Error *err)
{
    ConventionContext context;
    Error local = {.arena = cli->arena};
    if (!fill_context(cli, NULL, &context, &local)) {
        /* Which tool it is may well be unclear without its database; that none is named is what matters then. */
        bool is_unclear = local.code && strcmp(local.code, "ambiguous-convention") == 0;
        if (!is_unclear && err)
            *err = local;
        return is_unclear;
    }
    if (context.url.len > 0) {
        *ret_text = context.url;
        *ret_place = context.url_place;
    }
    return true;
}

static bool check_folders(Cli *cli, const StrVec *folders, Error *err)
{
    for (size_t i = 0; i < folders->len; i++) {
        const char *path = str_z(cli->arena, folders->items[i]);
        FileInfo info;
        if (!path)
            return error_nomem(err);
        if (!file_info(path, &info, err))
            return false;
        if (info.kind == FILE_FOLDER)
            continue;
        if (info.kind == FILE_ABSENT) {
            error_set(err, ERROR_USAGE, "there is no folder %s", path);
            error_hint(err, "'whimbrel init' makes one, 'whimbrel new NAME' the first migration; "
                            "-m DIR names another.");
        } else {
            error_set(err, ERROR_USAGE, "%s is not a folder", path);
            error_hint(err, "Name the folder that holds the migrations: -m DIR, or migrations = "
                            "[\"DIR\"] in whimbrel.toml.");
        }
        return error_code(err, "no-migrations");
    }
    return true;
}

/* Says nothing yet. */
static bool scan_files(Cli *cli, Error *err)
{
    if (!check_folders(cli, &cli->context.folders, err))
        return false;
    bool is_scanned = ahead_take(cli);
    if (!is_scanned) {
        set_look_freep(&cli->set.look); /* of an earlier scan */
        is_scanned = cli->context.convention->scan(&cli->context, cli->arena, &cli->set, err);
    }
    folder_lists_done(&cli->lists);
    cli->context.set = is_scanned ? &cli->set : NULL;
    return is_scanned;
}

bool cli_scan(Cli *cli, Error *err)
{
    if (!scan_files(cli, err))
        return false;
    for (size_t i = 0; i < cli->context.notes.len; i++)
        cli_note(cli, "%.*s", STR_ARG(cli->context.notes.items[i]));
    for (size_t i = 0; i < cli->set.notes.len; i++)
        cli_note(cli, "%.*s", STR_ARG(cli->set.notes.items[i]));
    if (!(cli->command->needs & READS_FILES) && !cli->set.cache.path)
        cli->set.cache = cli_cache(cli, &cli->context.folders);
    for (size_t i = 0; cli->settings->verbose && i < cli->set.ignored.len; i++)
        cli_note(cli, "%.*s is not a migration and is passed over",
                 STR_ARG(cli->set.ignored.items[i]));
    return true;
}

bool cli_settle_files(Cli *cli, bool does, Str *ret_sentence, Error *err)
{
    const Convention *convention = cli->context.convention;
    *ret_sentence = (Str){0};
    return !convention->settle_files ||
           convention->settle_files(&cli->context, cli->arena, does, ret_sentence, err);
}

/* PATH, HOME, the language and what is ours: besides the database's URL an executable hook gets nothing else. */
static const char *const *hook_environment(Cli *cli)
{
    static const char *const passed[] = {"PATH=", "HOME=", "LANG=", "LC_ALL=", "TZ=", "WHIMBREL_"};
    size_t count = 0, at = 0;
    while (environ[count])
        count++;
    const char **made = arena_alloc(cli->arena, (count + 1) * sizeof *made);
    for (size_t i = 0; made && i < count; i++) {
        Str variable = str_from(environ[i]);
        if (str_starts(variable, STR("WHIMBREL_DATABASE_URL=")))
            continue;
        for (size_t p = 0; p < sizeof passed / sizeof *passed; p++) {
            if (str_starts(variable, str_from(passed[p]))) {
                made[at++] = environ[i];
                break;
            }
        }
    }
    return made;
}

static LockKind lock_kind(Str word)
{
    return str_eq(word, STR("lease"))     ? LOCK_KIND_LEASE
           : str_eq(word, STR("session")) ? LOCK_KIND_SESSION
                                          : LOCK_KIND_AUTO;
}

void cli_runner(Cli *cli)
{
    const Settings *settings = cli->settings;
    cli->runner = (Runner){
        .db = cli->db,
        .url = &cli->url,
        .convention = &cli->context,
        .set = &cli->set,
        .policy = run_policy(cli->db, &cli->context),
        .settings =
            {
                .lock_wait_ms = settings->lock_wait_ms,
                .lock_kind = lock_kind(settings->lock),
                .lease_ms = settings->lease_ms,
                .timeouts = {.lock_ms = settings->lock_timeout_ms,
                             .statement_ms = settings->statement_timeout_ms},
                .lock_retries = settings->lock_retries,
                .retry_pause_ms = 500,
                .reconnect_ms = settings->reconnect_ms,
                .has_placeholders = settings->has_placeholders,
                .placeholders = settings->placeholders,
                .environment = settings->environment,
                .cancel = &cli->cancel,
                .hook_environment = hook_environment(cli),
                .command = str_from(cli->command->name),
                .ends_session = true,
            },
        .sink = progress_sink(&cli->progress),
    };
    if (settings->set.len > 0 && !settings->has_placeholders)
        cli_note(cli, "--set has no effect: placeholders = true in whimbrel.toml turns them on");
    if (settings->out_of_order)
        cli->runner.policy.allows_out_of_order = true;
}

/* Whose files these are, for commands that need no database: one that is there and can be asked soon still tells best. */
static bool convention_of_files(Cli *cli, Error *err)
{
    Error ignored = {.arena = cli->arena};
    DbOptions options = cli_db_options(cli, 0);
    scoped(Db *, db_closep) db = NULL;
    DbUrl url;
    if (options.connect_timeout_ms > ASIDE_TIMEOUT_MS)
        options.connect_timeout_ms = ASIDE_TIMEOUT_MS;
    if (str_eq(cli->settings->convention, STR("auto")) && cli->settings->database.len > 0 &&
        cli_url(cli, &url, &ignored))
        (void)db_open(&url, &options, &db, &ignored);
    return cli_convention(cli, db, err);
}

/* Whether opening the database would make its file. */
static bool would_create(Cli *cli, unsigned needs, bool *ret_would, Error *err)
{
    DbUrl url;
    FileInfo info;
    *ret_would = false;
    if (!(needs & MAY_CREATE) || !(needs & NEEDS_MIGRATIONS))
        return true;
    if (!cli_url(cli, &url, err))
        return false;
    if (!(url.driver->features & DB_SINGLE_FILE) || str_eq(url.database, STR(":memory:")))
        return true;
    const char *path = str_z(cli->arena, url.database);
    if (!path)
        return error_nomem(err);
    if (!file_info(path, &info, err))
        return false;
    *ret_would = info.kind == FILE_ABSENT;
    return true;
}

/* Before anything is opened. Where nobody named a folder, a tool's own configuration may. */
static bool check_folders_early(Cli *cli, Error *err)
{
    bool is_named =
        cli->configuration.sources[setting_index("migrations")].origin != ORIGIN_DEFAULT;
    ConventionContext context;
    Error local = {.arena = cli->arena};
    if (check_folders(cli, &cli->settings->migrations, &local))
        return true;
    if (!is_named && local.kind == ERROR_USAGE) {
        Error why = {.arena = cli->arena};
        bool is_clear = fill_context(cli, NULL, &context, &why);
        if (is_clear && !context.are_folders_default)
            return check_folders(cli, &context.folders, err);
        /* A tool's configuration in which the folder cannot be read is what has to be mended; which tool it is may be unclear. */
        if (!is_clear && !(why.code && str_eq(str_from(why.code), STR("ambiguous-convention"))))
            local = why;
    }
    *err = local;
    return false;
}

bool cli_open(Cli *cli, unsigned needs, Error *err)
{
    bool would = false;
    if (!(needs & NEEDS_DATABASE)) {
        if ((needs & (NEEDS_MIGRATIONS | NEEDS_CONVENTION)) && !convention_of_files(cli, err))
            return false;
        return !(needs & NEEDS_MIGRATIONS) || cli_scan(cli, err);
    }
    if (((needs & NEEDS_MIGRATIONS) && !check_folders_early(cli, err)) ||
        !would_create(cli, needs, &would, err))
        return false;
    /* Files in disorder are no reason to leave an empty database behind. */
    if (would && (!cli_convention(cli, NULL, err) || !scan_files(cli, err)))
        return false;
    if (!open_database(cli, needs, err) || !cli_convention(cli, cli->db, err))
        return false;
    if ((needs & NEEDS_MIGRATIONS) && !cli_scan(cli, err))
        return false;
    cli_runner(cli);
    return true;
}

void cli_close(Cli *cli)
{
    ahead_end(cli);
    set_look_freep(&cli->set.look);
    folder_lists_done(&cli->lists);
    db_close(cli->db);
    wipe_stack();
    cli->db = NULL;
    cli->database_name = NULL;
    cli->is_imagined = false;
}

ReportPlace cli_place(Cli *cli)
{
    const char *environment = str_z(cli->arena, cli->settings->environment);
    return (ReportPlace){
        .engine = cli->db->info.engine,
        .engine_title = cli->db->info.engine_title,
        .version = cli->db->info.version,
        .database = cli->database_name,
        .place = cli->is_imagined ? "" : cli->db->info.place,
        .convention = cli->context.convention ? cli->context.convention->name : NULL,
        .environment = environment,
    };
}

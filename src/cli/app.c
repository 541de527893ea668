/* One call of the program, from the command line to the exit code. SPDX-License-Identifier: Apache-2.0
 *
 * Errors travel up to here and are printed here, once: as text or as an event on standard error, and with --output json
 * as a document on standard output too. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"

/* ---- output ---------------------------------------------------------------------------------------------------------- */

Text cli_text(Cli *cli)
{
    return text_new(cli->arena, cli->out.look);
}

static void give_text(void *ctx, Str text)
{
    Cli *cli = ctx;
    if (cli->progress.write)
        progress_clear(&cli->progress);
    stream_write(&cli->out, text);
}

Text cli_long_text(Cli *cli)
{
    Text text = cli_text(cli);
    text.write = give_text;
    text.write_ctx = cli;
    return text;
}

Text cli_err_text(Cli *cli)
{
    return text_new(cli->arena, cli->err.look);
}

bool cli_print(Cli *cli, Text *text, Error *err)
{
    Str s;
    if (!strbuf_finish(&text->buf, &s))
        return error_nomem(err);
    if (cli->progress.write)
        progress_clear(&cli->progress);
    stream_write(&cli->out, s);
    return true;
}

bool cli_say(Cli *cli, Text *text, Error *err)
{
    Str s;
    if (!strbuf_finish(&text->buf, &s))
        return error_nomem(err);
    if (cli->settings && cli->settings->quiet)
        return true;
    if (cli->progress.write)
        progress_clear(&cli->progress);
    stream_write(&cli->err, s);
    return true;
}

bool cli_note(Cli *cli, const char *fmt, ...)
{
    StrBuf buf = strbuf(cli->arena);
    va_list args;
    va_start(args, fmt);
    strbuf_addv(&buf, fmt, args);
    va_end(args);
    Str message;
    if (!strbuf_finish(&buf, &message))
        return false;
    if (cli->is_log_json && cli->progress.write) {
        const Event event = {.kind = EVENT_NOTE, .message = message};
        EventSink sink = progress_sink(&cli->progress);
        sink.emit(sink.ctx, &event);
        return true;
    }
    Text text = cli_err_text(cli);
    text_styled(&text, STYLE_YELLOW, STR("note:"));
    text_add(&text, STR(" "));
    text_add(&text, message);
    text_add(&text, STR("\n"));
    return cli_say(cli, &text, NULL);
}

bool cli_show(Cli *cli, Text *text, Error *err)
{
    Str s;
    if (!strbuf_finish(&text->buf, &s))
        return error_nomem(err);
    if (cli->settings->quiet && cli->settings->yes)
        return true;
    if (cli->progress.write)
        progress_clear(&cli->progress);
    stream_write(&cli->err, s);
    return true;
}

static bool flush_json(void *ctx, Str text, Error *err)
{
    (void)err;
    Cli *cli = ctx;
    stream_write(&cli->out, text);
    return true; /* a failure sticks in the stream, and is told at the end */
}

void cli_json_begin(Cli *cli, CliJson *json)
{
    json->buf = strbuf(cli->arena);
    json->w = (JsonWriter){
        .out = &json->buf, .flush = flush_json, .ctx = cli, .indent = cli->out.is_terminal ? 2 : 0};
    if (cli->progress.write)
        progress_clear(&cli->progress);
    cli->has_document = true;
}

bool cli_json_end(Cli *cli, CliJson *json, Error *err)
{
    (void)cli;
    return json_finish(&json->w, err);
}

static void write_progress(void *ctx, Str text)
{
    stream_write(&((Cli *)ctx)->err, text);
}

static unsigned measure_progress(void *ctx)
{
    Stream *stream = &((Cli *)ctx)->err;
    stream_measure(stream);
    return stream->look.columns;
}

/* ---- questions -------------------------------------------------------------------------------------------------------- */

static bool ask(Cli *cli, const char *question, const char *choices, Str *ret_answer, Error *err)
{
    if (!isatty(STDIN_FILENO) || !cli->err.is_terminal) {
        error_set(err, ERROR_USAGE, "nobody can be asked here, since this is no terminal: %s",
                  question);
        error_hint(err, "Say -y to answer yes.");
        return error_code(err, "needs-yes");
    }
    Text text = cli_err_text(cli);
    text_styled(&text, STYLE_BOLD, str_from(question));
    text_addf(&text, " %s ", choices);
    if (text.buf.has_failed)
        return error_nomem(err);
    if (cli->progress.write)
        progress_clear(&cli->progress);
    stream_write(&cli->err, text_str(&text));
    StrBuf answer = strbuf(cli->arena);
    for (;;) {
        char c;
        bool has_answer = signals_wait(STDIN_FILENO);
        ssize_t len = has_answer ? read(STDIN_FILENO, &c, 1) : 0;
        if (!has_answer)
            return error_set(err, ERROR_CANCELLED, "interrupted; nothing was done");
        if (len < 0 && errno == EINTR)
            continue;
        if (len <= 0 || c == '\n')
            break;
        strbuf_add_char(&answer, c);
    }
    Str said;
    if (!strbuf_finish(&answer, &said))
        return error_nomem(err);
    *ret_answer = str_trim(said);
    return true;
}

bool cli_confirm(Cli *cli, const char *question, bool *ret_yes, Error *err)
{
    Str answer;
    if (cli->settings->yes) {
        *ret_yes = true;
        return true;
    }
    if (!ask(cli, question, "[y/N]", &answer, err))
        return false;
    *ret_yes = str_eq_nocase(answer, STR("y")) || str_eq_nocase(answer, STR("yes"));
    return true;
}

bool cli_confirm_word(Cli *cli, const char *question, Str word, bool *ret_same, Error *err)
{
    Str answer;
    if (cli->settings->yes) {
        *ret_same = true;
        return true;
    }
    if (!ask(cli, question, ":", &answer, err))
        return false;
    *ret_same = str_eq(answer, word);
    return true;
}

/* ---- results ----------------------------------------------------------------------------------------------------------- */

bool cli_finish_run(Cli *cli, bool is_ok, bool is_fake, Error *err)
{
    cli->has_result = true;
    if (!is_ok)
        return false;
    if (cli->is_json) {
        CliJson json;
        cli_json_begin(cli, &json);
        report_result_json(&json.w, &cli->result, NULL);
        return cli_json_end(cli, &json, err);
    }
    Text text = cli_text(cli);
    report_result(&text, &cli->result, is_fake);
    return cli_print(cli, &text, err);
}

static void print_document_of_failure(Cli *cli, const Error *err)
{
    CliJson json;
    cli_json_begin(cli, &json);
    if (cli->command && (cli->command->needs & PRINTS_RESULT)) {
        report_result_json(&json.w, cli->has_result ? &cli->result : NULL, err);
    } else {
        json_begin_object(&json.w);
        json_key_text(&json.w, "whimbrel", WHIMBREL_VERSION);
        json_key(&json.w, "error");
        report_error_json(&json.w, err, NULL);
        json_end_object(&json.w);
    }
    (void)cli_json_end(cli, &json, NULL);
}

static void print_error(Cli *cli, const Error *err)
{
    if (cli->progress.write)
        progress_clear(&cli->progress);
    if (cli->is_json && !cli->has_document)
        print_document_of_failure(cli, err);
    /* Where the log cannot be written, people are told by the other stream; a document there stays one. */
    bool is_err_lost = cli->err.failed_errno != 0 && cli->err.failed_errno != EPIPE;
    if (is_err_lost && cli->is_json)
        return;
    if (cli->is_log_json && !is_err_lost) {
        StrBuf buf = strbuf(cli->arena);
        JsonWriter w = {.out = &buf};
        char now[TIMESTAMP_TEXT];
        json_begin_object(&w);
        json_key_text(&w, "event", "error");
        json_key_text(&w, "time", timestamp_iso(clock_now(), now));
        json_key(&w, "error");
        report_error_json(&w, err, cli->has_result ? &cli->result : NULL);
        json_end_object(&w);
        if (json_finish(&w, NULL))
            stream_write(&cli->err, strbuf_str(&buf));
        return;
    }
    Stream *stream = is_err_lost ? &cli->out : &cli->err;
    Text text = text_new(cli->arena, stream->look);
    report_error(&text, err, cli->has_result ? &cli->result : NULL);
    if (text.buf.has_failed)
        stream_write(stream, STR("error: out of memory\n"));
    else
        stream_write(stream, text_str(&text));
}

static int exit_code_of(const Error *err)
{
    switch (err->kind) {
    case ERROR_NONE:
        return EXIT_OK;
    case ERROR_USAGE:
        return EXIT_USAGE;
    case ERROR_CHECK:
        return EXIT_CHECK;
    case ERROR_LOCKED:
        return EXIT_LOCKED;
    case ERROR_NOMEM:
    case ERROR_IO:
    case ERROR_PARSE:
    case ERROR_CONNECT:
    case ERROR_SQL:
    case ERROR_TIMEOUT:
    case ERROR_CANCELLED:
    case ERROR_STATE:
    case ERROR_UNSUPPORTED:
        return EXIT_FAILED;
    }
    return EXIT_FAILED;
}

/* ---- the call ----------------------------------------------------------------------------------------------------------- */

/* --output, --log and --color decide how even a wrong command line is answered. */
static void look_ahead(Cli *cli, int argc, char *const *argv)
{
    static const struct {
        const char *name, *value;
    } rows[] = {{"--output", "json"}, {"--log", "json"}};
    for (int i = 0; i < argc && strcmp(argv[i], "--") != 0; i++) {
        for (size_t r = 0; r < 2; r++) {
            Str name, word = str_from(argv[i]);
            Str value = str_cut(word, '=', &name);
            if (!str_eq(name, str_from(rows[r].name)))
                continue;
            if (name.len == word.len && i + 1 < argc)
                value = str_from(argv[i + 1]);
            *(r == 0 ? &cli->is_json : &cli->is_log_json) = str_eq(value, str_from(rows[r].value));
        }
        if (strcmp(argv[i], "--color=always") == 0 || strcmp(argv[i], "--color=never") == 0) {
            Str color = str_from(argv[i] + strlen("--color="));
            stream_set_color(&cli->out, color);
            stream_set_color(&cli->err, color);
        }
    }
}

static bool begin_progress(Cli *cli, Error *err)
{
    const Settings *settings = cli->settings;
    const char *term = getenv("TERM");
    ProgressMode mode =
        cli->err.is_terminal && cli->err.look.columns > 0 ? PROGRESS_BAR : PROGRESS_PLAIN;
    if (str_eq(settings->progress, STR("bar")))
        mode = PROGRESS_BAR;
    else if (str_eq(settings->progress, STR("plain")))
        mode = PROGRESS_PLAIN;
    else if (str_eq(settings->progress, STR("none")))
        mode = PROGRESS_NONE;
    else if (mode == PROGRESS_BAR && term && strcmp(term, "dumb") == 0)
        mode = PROGRESS_PLAIN;
    if (settings->quiet)
        mode = PROGRESS_NONE;
    if (cli->is_log_json)
        mode = PROGRESS_JSON;
    if (!progress_init(&cli->progress, mode, cli->err.look, write_progress, cli))
        return error_nomem(err);
    cli->progress.measure = measure_progress;
    cli->progress.is_verbose = settings->verbose;
    cli->progress.is_quiet = settings->quiet;
    return true;
}

static bool print_help(Cli *cli, bool is_short, Error *err)
{
    Text text = cli_text(cli);
    if (cli->command)
        help_command(&text, cli->command);
    else if (is_short)
        help_short(&text, cli->commands);
    else
        help_full(&text, cli->commands);
    return cli_print(cli, &text, err);
}

static bool run(Cli *cli, int argc, char *const *argv, Error *err)
{
    look_ahead(cli, argc, argv);
    bool is_parsed =
        command_line_parse(cli->arena, cli->commands, settings_table, argc, argv, &cli->line, err);
    cli->command = cli->line.command;
    if (!is_parsed)
        return false;
    if (cli->line.wants_version && !cli->line.wants_help) {
        Text text = cli_text(cli);
        text_adds(&text, "whimbrel " WHIMBREL_VERSION "\n");
        return cli_print(cli, &text, err);
    }
    if (cli->line.wants_help || !cli->command)
        return print_help(cli, !cli->line.wants_help, err);
    if (cli->command->check && !cli->command->check(cli->line.args, err))
        return false;
    bool wants_file = (cli->command->needs & (NEEDS_SETTINGS | NEEDS_DATABASE | NEEDS_MIGRATIONS |
                                              NEEDS_CONVENTION)) != 0;
    if (!configuration_load(cli->arena, cli->secrets, cli->line.given, wants_file,
                            &cli->configuration, err))
        return false;
    cli->settings = &cli->configuration.settings;
    cli->is_json = str_eq(cli->settings->output, STR("json"));
    cli->is_log_json = str_eq(cli->settings->log, STR("json"));
    stream_set_color(&cli->out, cli->settings->color);
    stream_set_color(&cli->err, cli->settings->color);
    if (!begin_progress(cli, err))
        return false;
    if (cli->line.note)
        cli_note(cli, "%s", cli->line.note);
    return cli_open(cli, cli->command->needs, err) && cli->command->run(cli, cli->line.args, err);
}

/* A closed standard stream would give its number to the next file or socket that is opened, and we would write into that. */
static void hold_standard_streams(void)
{
    for (int fd = 0; fd <= 2; fd++)
        if (fcntl(fd, F_GETFD) < 0 && errno == EBADF &&
            open("/dev/null", fd == 0 ? O_RDONLY : O_WRONLY) < 0)
            return;
}

void hide_passwords(char *argument)
{
    char *authority = strstr(argument, "://");
    if (!authority)
        return;
    authority += 3;
    char *at = strrchr(authority, '@'),
         *colon = at ? memchr(authority, ':', (size_t)(at - authority)) : NULL;
    if (colon)
        memset(colon + 1, '*', (size_t)(at - colon - 1));
    for (char *value = authority; (value = strstr(value, "password="));) {
        value += strlen("password=");
        memset(value, '*', strcspn(value, "&"));
    }
}

/* The arguments, as copies; NULL when memory is out. Every user of the machine can read the command line of every process: once we
 * have ours, its passwords are painted over. */
static char **take_arguments(Cli *cli, int argc, char **argv)
{
    char **taken = arena_alloc(cli->arena, ((size_t)argc + 1) * sizeof *taken);
    for (int i = 0; taken && i < argc; i++) {
        taken[i] = str_z(strstr(argv[i], "://") ? cli->secrets : cli->arena, str_from(argv[i]));
        if (!taken[i])
            return NULL;
        hide_passwords(argv[i]);
    }
    return taken;
}

/* Configuration and environment are the caller's, and they name files, libraries and programs: with another's rights they would be
 * that other's. */
static bool refuse_borrowed_rights(Error *err)
{
    if (geteuid() == getuid() && getegid() == getgid())
        return true;
    error_set(err, ERROR_USAGE, "whimbrel does not run with rights that its caller does not have");
    error_hint(err, "Take the setuid and setgid bits from the program.");
    return error_code(err, "setuid");
}

int cli_main(int argc, char **argv)
{
    hold_standard_streams();
    scoped(Arena *, arena_freep) arena = arena_new();
    scoped(Arena *, arena_freep) secrets = arena_new_secret();
    if (!arena || !secrets) {
        Stream stream = {.fd = STDERR_FILENO};
        stream_write(&stream, STR("error: out of memory\n"));
        return EXIT_FAILED;
    }
    Cli cli = {.arena = arena, .secrets = secrets, .commands = command_table};
    Error err = {.arena = arena};
    stream_init(&cli.out, STDOUT_FILENO);
    stream_init(&cli.err, STDERR_FILENO);
    char **arguments = take_arguments(&cli, argc, argv);
    bool is_ok = arguments ? refuse_borrowed_rights(&err) : error_nomem(&err);
    is_ok = is_ok && signals_begin(&err) && run(&cli, argc > 0 ? argc - 1 : 0, arguments + 1, &err);
    /* On an engine that locks the file, whoever keeps it from being looked at has the migration lock. */
    if (!is_ok && err.kind == ERROR_TIMEOUT && cli.db && db_has(cli.db, DB_FILE_LOCK) &&
        cli.result.run == 0) {
        err.kind = ERROR_LOCKED;
        err.code = "locked";
        error_hint(
            &err, "Another process holds %s; wait for it, or allow a longer wait with --lock-wait.",
            cli.database_name ? cli.database_name : "the file");
    }
    cli_close(&cli);
    if (is_ok && cli.out.failed_errno != 0 && cli.out.failed_errno != EPIPE)
        is_ok = error_errno(&err, cli.out.failed_errno, "cannot write standard output");
    if (!is_ok && cli.has_result && cli.result.failed_version.len == 0 &&
        cli.out.failed_errno != 0 && err.kind == ERROR_IO)
        error_hint(&err, "The migrations are done all the same: whimbrel status shows it.");
    int code = cli.exit_code;
    if (!is_ok) {
        code = exit_code_of(&err);
        if (signals_received())
            code = 128 + signals_received();
        print_error(&cli, &err);
    } else if (cli.err.failed_errno != 0 && cli.err.failed_errno != EPIPE && !cli.is_json) {
        /* What was to be done is done: a log that is lost is worth a word, and no failure. */
        char text[160];
        int len = snprintf(text, sizeof text, "note: the log could not be written to the end: %s\n",
                           strerror(cli.err.failed_errno));
        stream_write(&cli.out, (Str){text, len > 0 ? (size_t)len : 0});
    }
    if (cli.progress.write)
        progress_clear(&cli.progress);
    progress_done(&cli.progress);
    return code;
}

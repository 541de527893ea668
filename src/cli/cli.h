/* The door of cli/: what commands share. One file a command, two tables (commands and settings), configuration,
 * streams, signals. Commands wire the rooms below and hold no rules of their own. SPDX-License-Identifier: Apache-2.0 */
#ifndef WHIMBREL_CLI_CLI_H
#define WHIMBREL_CLI_CLI_H

#include "base/base.h"
#include "cli/option.h"
#include "convention/convention.h"
#include "db/db.h"
#include "migration/migration.h"
#include "plan/plan.h"
#include "report/report.h"
#include "run/run.h"
#include "sql/sql.h"

/* ---- exit codes: cli.md ------------------------------------------------------------------------------------------- */
enum {
    EXIT_OK = 0,
    EXIT_FAILED = 1,
    EXIT_USAGE = 2,
    EXIT_CHECK = 3,
    EXIT_LOCKED = 4,
    EXIT_HUNG_UP = 129,
    EXIT_INTERRUPTED = 130,
    EXIT_TERMINATED = 143,
};

/* ---- settings ------------------------------------------------------------------------------------------------------ */

typedef struct Settings {
    Str database;
    StrVec migrations;
    Str environment, config, convention, table, name_space;
    bool has_placeholders;
    StrVec set; /* "KEY=VALUE" of --set */
    Str lock;
    int64_t lock_wait_ms, lease_ms, lock_timeout_ms, statement_timeout_ms, connect_timeout_ms;
    int64_t reconnect_ms;
    uint32_t lock_retries;
    uint64_t store_limit_bytes;
    bool allow_reset, out_of_order, cache;
    StrVec schemas;
    Str password_file;
    StrVec password_command;
    Str templates;
    Str output, log, color, progress;
    bool yes, quiet, verbose;
    SqlPlaceholderVec placeholders; /* [placeholder], the environment's, --set: merged */
} Settings;

/* The table of settings, a zeroed row at its end. */
extern const Option settings_table[];

typedef enum Origin {
    ORIGIN_DEFAULT,
    ORIGIN_FILE,
    ORIGIN_ENV_TABLE,
    ORIGIN_DOTENV,
    ORIGIN_ENVIRONMENT,
    ORIGIN_COMMAND_LINE,
} Origin;
const char *origin_name(
    Origin origin); /* "default", "file", "env-table", "dotenv", "environment", "command-line" */

/* Where a setting came from, and its texts as they stand after ${VAR} and relative paths were worked out. */
typedef struct SettingSource {
    Origin origin;
    /* "--database", "WHIMBREL_ENV", ".env:3", "whimbrel.toml:7"; "" for the default */
    const char *where;
    StrVec texts;
    bool is_set;
} SettingSource;
typedef struct PlaceholderSource {
    Str name, value;
    Origin origin;
    const char *where;
} PlaceholderSource;
typedef Vec(PlaceholderSource) PlaceholderSourceVec;

typedef struct Configuration {
    Settings settings;
    SettingSource sources[MOST_SETTINGS];
    PlaceholderSourceVec placeholders;
    const char *file;           /* whimbrel.toml as one would write its path; NULL: there is none */
    const char *project_folder; /* where it is; "." without one */
} Configuration;

/* Works out every setting: command line, environment, .env, [env.NAME], the file, defaults. given: as in CommandLine. wants_file false: neither
 * whimbrel.toml nor .env is looked at. What may hold a password lies in secrets, all else in arena. Errors: ERROR_USAGE with the place. */
bool configuration_load(Arena *arena, Arena *secrets, const StrVec *given, bool wants_file,
                        Configuration *ret_configuration, Error *err);
/* Index of the row whose key or option has this name. */
size_t setting_index(const char *name);

/* ---- streams -------------------------------------------------------------------------------------------------------- */

typedef struct Stream {
    int fd;
    bool is_terminal;
    TextLook look;
    int failed_errno; /* the first failure of writing; EPIPE: the reader has gone, which is no error */
} Stream;
void stream_init(Stream *stream, int fd);
/* Its width now: a terminal's may change at any time. */
void stream_measure(Stream *stream);
/* color: "auto", "always" or "never" */
void stream_set_color(Stream *stream, Str color);
void stream_write(Stream *stream, Str text);

/* ---- signals ---------------------------------------------------------------------------------------------------------- */

/* SIGINT, SIGTERM and SIGHUP set a flag and wake poll(); the second one ends the process at once. SIGPIPE is ignored. */
bool signals_begin(Error *err);
int signals_received(void); /* SIGINT, SIGTERM, SIGHUP or 0 */
int signals_wake_fd(void);
/* Sleeps; false when a signal came. */
bool signals_sleep_ms(int64_t ms);
/* Waits until fd can be read; false when a signal came first. */
bool signals_wait(int fd);
/* For children: the signals as they were. */
void signals_restore(void);

/* ---- one call of the program --------------------------------------------------------------------------------------------- */

struct Cli {
    Arena *arena;
    Arena *secrets; /* what may hold a password; overwritten at the end */
    const Command *command;
    const Command *const *commands;
    CommandLine line;
    Configuration configuration;
    Settings *settings; /* of the configuration */
    Stream out, err;
    bool is_json, is_log_json;
    bool has_document; /* the JSON document has been written */
    int exit_code;     /* what to leave with when run() returns true */
    DbCancel cancel;
    Progress progress;
    /* driver NULL until cli_url() has found it; holds the one copy of the password that is kept */
    DbUrl known_url;
    /* after cli_open() */
    DbUrl url;
    Db *db;
    const char *database_name;
    bool is_imagined;         /* an absent file, looked at as the empty database that it would be */
    const Convention *except; /* not to be recognised: where a conversion leads */
    ConventionContext context;
    FolderLists lists;   /* for the scan */
    struct Ahead *ahead; /* has the set, as long as it is there; NULL: nothing is read ahead */
    MigrationSet set;
    Runner runner;
    RunResult result; /* of the run, for what is said when it fails */
    bool has_result;
};

/* Paints asterisks over what is a password in a URL. */
void hide_passwords(char *argument);

/* The whole program: parses, loads, runs, prints the error. argv as main() gets it. Returns the exit code. */
int cli_main(int argc, char **argv);

/* Opens what the command needs (flags of Command.needs). Commands that set NEEDS_DATABASE find it open. */
bool cli_open(Cli *cli, unsigned needs, Error *err);
/* Parts of cli_open(), for commands that go their own way. */
/* With the password from wherever it comes; afterwards the settings have the URL without it. */
bool cli_url(Cli *cli, DbUrl *ret_url, Error *err);
DbOptions cli_db_options(Cli *cli, unsigned needs);
/* What every convention works on, before one is chosen. db may be NULL. */
ConventionContext cli_context(Cli *cli, Db *db);
bool cli_convention(Cli *cli, Db *db, Error *err); /* fills cli->context */
void cli_runner(Cli *cli);
bool cli_scan(Cli *cli, Error *err); /* fills cli->set */
/* What the tool keeps about its files, brought up to date: see Convention.settle_files. Nothing, where it keeps none. */
bool cli_settle_files(Cli *cli, bool does, Str *ret_sentence, Error *err);
/* Where checksums of these folders are kept; nowhere if the environment names no place or the user wants none. */
DigestCachePlace cli_cache(Cli *cli, const StrVec *folders);
/* Begins to read the files aside, for which it does not matter what the database says; nothing where that cannot be. */
typedef struct Ahead Ahead;
void ahead_begin(Cli *cli, const DbUrl *url, unsigned needs);
bool ahead_take(
    /* whether cli->set is what a scan of cli->context makes, looks at its files included */
    Cli *cli);
void ahead_end(Cli *cli);
void cli_close(Cli *cli);
/* Where a report comes from; the environment's name included. */
ReportPlace cli_place(Cli *cli);

/* Text for standard output and standard error. */
Text cli_text(Cli *cli);
Text cli_long_text(Cli *cli); /* the same, written out as it comes together; see text_give() */
Text cli_err_text(Cli *cli);
bool cli_print(Cli *cli, Text *text, Error *err); /* standard output */
bool cli_say(Cli *cli, Text *text,
             Error *err); /* standard error, after the live line; not with --quiet */
/* What a question is about: on standard error, even with --quiet, unless --yes has answered already. */
bool cli_show(Cli *cli, Text *text, Error *err);
bool cli_note(Cli *cli, const char *fmt, ...)
    PRINTF_LIKE(2, 3); /* "note: ..." on standard error, or an event with --log json */
/* The JSON document of the command, on standard output. */
typedef struct CliJson {
    StrBuf buf;
    JsonWriter w;
} CliJson;
void cli_json_begin(Cli *cli, CliJson *json);
bool cli_json_end(Cli *cli, CliJson *json, Error *err);

/* Asks on the terminal. With --yes the answer is yes; where nobody can be asked it is ERROR_USAGE (code "needs-yes"). */
bool cli_confirm(Cli *cli, const char *question, bool *ret_yes, Error *err);
/* Asks for a word to be typed; true in ret_same when it was. */
bool cli_confirm_word(Cli *cli, const char *question, Str word, bool *ret_same, Error *err);

/* After run_...(): prints the result or its document. */
bool cli_finish_run(Cli *cli, bool is_ok, bool is_fake, Error *err);

/* ---- help, manual, completion ---------------------------------------------------------------------------------------------- */

extern const Command *const command_table[];
const char *command_group_title(CommandGroup group);
void help_short(Text *text, const Command *const *commands);
void help_full(Text *text, const Command *const *commands);
void help_command(Text *text, const Command *command);
/* Writes whimbrel.1 and whimbrel-COMMAND.1 into the folder. */
bool manual_write(Arena *arena, const char *folder, Error *err);
bool manual_write_completions(Arena *arena, const char *folder, Error *err);
/* The completion script of "bash", "zsh" or "fish". */
bool completion_script(Str shell, StrBuf *out);

/* ---- explanations ------------------------------------------------------------------------------------------------------------- */

typedef struct Explanation {
    const char *code, *title, *text;
} Explanation;
extern const Explanation explanations[]; /* sorted by code; a zeroed one at the end */

/* ---- other programs ------------------------------------------------------------------------------------------------------------- */

/* Runs argv (NULL-terminated) without a shell, and gathers what it writes to standard output (at most limit bytes). ERROR_IO when
 * it cannot be started or ends otherwise than with 0. is_quiet: its standard error goes nowhere. */
bool process_read(Arena *arena, const char *const *argv, bool is_quiet, size_t limit, Str *ret_text,
                  Error *err);
/* Runs argv with our streams and the environment plus extra ("NAME=VALUE", NULL-terminated); ret_code is its exit code, or 128 + signal. */
bool process_run(Arena *arena, const char *const *argv, const char *const *extra, int *ret_code,
                 Error *err);

/* The name of whoever calls us, and of this machine; never empty. */
Str os_user(Arena *arena);
Str os_host(Arena *arena);

#endif

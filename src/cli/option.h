/* Commands and options as data, and the one parser over their tables. SPDX-License-Identifier: Apache-2.0
 *
 * From a row come parsing, --help, completion, the manual page and, for settings, the key in whimbrel.toml and the
 * environment variable. Abbreviations are not accepted: a script must not break when an option is added. */
#ifndef WHIMBREL_CLI_OPTION_H
#define WHIMBREL_CLI_OPTION_H

#include "base/base.h"

typedef enum OptionType {
    OPTION_FLAG,    /* bool */
    OPTION_STRING,  /* Str; the last one counts */
    OPTION_STRINGS, /* StrVec; may be repeated */
    OPTION_COUNT,   /* uint32_t, at least 1 */
    OPTION_NUMBER,  /* uint32_t, 0 is allowed */
    OPTION_DURATION, /* int64_t, milliseconds; a bare number counts seconds; OPTION_FOREVER allows "forever": -1 */
    OPTION_SIZE,   /* uint64_t, bytes: "1MB", "64kB", "100" */
    OPTION_CHOICE, /* Str, one of .choices */
    OPTION_PAIRS,  /* StrVec of "KEY=VALUE"; may be repeated */
} OptionType;

/* What a shell completes the value with. */
typedef enum Completion {
    COMPLETE_NOTHING,
    COMPLETE_FILE,
    COMPLETE_FOLDER,
    COMPLETE_VERSION, /* of a migration on disk */
    COMPLETE_COMMAND,
    COMPLETE_CODE, /* of `explain` */
    COMPLETE_CHOICE,
    COMPLETE_CONVENTION,
} Completion;

enum {
    OPTION_SECRET = 1 << 0,  /* never shown whole */
    OPTION_PATH = 1 << 1,    /* in a configuration file relative to that file */
    OPTION_HIDDEN = 1 << 2,  /* not listed in help */
    OPTION_ZERO_OK = 1 << 3, /* OPTION_DURATION: 0 is sensible */
    OPTION_FOREVER = 1 << 4, /* OPTION_DURATION: "forever" is -1 */
    OPTION_COLONS = 1 << 5,  /* OPTION_STRINGS: in the environment separated by ':' */
};

typedef struct Option {
    const char *name; /* "dry-run"; NULL: a setting that is no option */
    char letter;      /* 'n'; 0: none */
    OptionType type;
    unsigned flags;
    const char *value;          /* "V": what stands for the value in help */
    const char *const *choices; /* NULL-terminated */
    size_t offset;              /* in the command's arguments, or in Settings */
    const char *help;           /* begins small, no full stop */
    Completion complete;
    /* settings only */
    const char *key;      /* in whimbrel.toml; NULL: none */
    const char *env[3];   /* the first that is set counts */
    const char *fallback; /* the default, as one would write it; NULL: none */
} Option;

typedef struct Argument {
    const char *name; /* "NAME" */
    OptionType type;  /* OPTION_STRING, OPTION_STRINGS or OPTION_CHOICE */
    size_t offset;
    bool is_optional;
    /* what follows the first of these is not looked at: another program's command line */
    bool ends_options;
    const char *const *choices;
    const char *help;
    Completion complete;
} Argument;

typedef struct Example {
    const char *command, *what;
} Example;
typedef struct ExitNote {
    int code;
    const char *what;
} ExitNote;

typedef enum CommandGroup {
    GROUP_EVERY_DAY,
    GROUP_MENDING,
    GROUP_CHECKS,
    GROUP_DEVELOPING,
    GROUP_DANGER,
    GROUP_HIDDEN,
} CommandGroup;

enum {
    NEEDS_SETTINGS = 1 << 0,   /* the configuration is read */
    NEEDS_MIGRATIONS = 1 << 1, /* the folders are read */
    NEEDS_DATABASE = 1 << 2,   /* the connection is opened before run() */
    MAY_CREATE = 1 << 3,       /* an absent SQLite file is made */
    READS_ONLY = 1 << 4,       /* an absent SQLite file counts as an empty database */
    PRINTS_RESULT = 1 << 5,    /* its JSON document is that of migrate */
    HAS_EVENTS = 1 << 6,       /* progress is shown */
    NEEDS_CONVENTION = 1 << 7, /* whose files these are is found out */
    READS_FILES = 1 << 8,      /* all of them, whatever the cache of checksums says */
    MENDS_FILES = 1 << 9, /* what is amiss between a tool's files does not keep it from being run */
};

typedef struct Cli Cli;

typedef struct Command {
    const char *name;    /* alias.h has other words for it */
    const char *summary; /* one line, begins small, no full stop */
    const char *about;   /* paragraphs, separated by an empty line; lines are filled when printed */
    CommandGroup group;
    const Option *options;     /* ends with a zeroed one; NULL: none */
    const Argument *arguments; /* ends with a zeroed one; NULL: none */
    const Example *examples;   /* likewise */
    const ExitNote *exits;     /* besides 0, 1 and 2; likewise */
    size_t args_size;
    unsigned needs;
    /* May be NULL. Options that do not go together: looked at before anything is opened. */
    bool (*check)(const void *args, Error *err);
    bool (*run)(Cli *cli, const void *args, Error *err);
} Command;

enum { MOST_SETTINGS = 48 };

/* A command line, taken apart. */
typedef struct CommandLine {
    const Command *command;      /* NULL: none was given */
    void *args;                  /* of the command */
    StrVec given[MOST_SETTINGS]; /* texts of the settings that were given as options, by row */
    bool wants_help, wants_version;
    const char *note; /* what is to be said of the words that led to the command; NULL: nothing */
} CommandLine;

/* commands is NULL-terminated, settings ends with a zeroed row. argv without the program's name. Errors: ERROR_USAGE (codes
 * "unknown-command", "unknown-option", "bad-option", "missing-argument"). With --help further errors are passed over. */
bool command_line_parse(Arena *arena, const Command *const *commands, const Option *settings,
                        int argc, char *const *argv, CommandLine *ret_line, Error *err);

/* Puts one text into its place below base. subject names the option in errors: "--steps", "lock_wait". */
bool option_store(Arena *arena, const Option *option, void *base, Str text, const char *subject,
                  Error *err);

/* The command of that name, or to which that one word leads; NULL. */
const Command *command_find(const Command *const *commands, Str name);
bool option_takes_value(const Option *option);

#endif

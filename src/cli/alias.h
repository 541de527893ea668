/* What people have in their fingers from other tools: words for commands, and options. SPDX-License-Identifier: Apache-2.0
 *
 * One table of each; parsing, --help, completion and the manual read them. An alias says the same thing as the command
 * that it leads to, or what is safe and a note that it is not quite the same. */
#ifndef WHIMBREL_CLI_ALIAS_H
#define WHIMBREL_CLI_ALIAS_H

#include "cli/option.h"

/* How a further word is taken. */
typedef enum AliasWord {
    WORD_OWN,   /* as the command's own argument */
    WORD_STEPS, /* a number: --steps */
    WORD_TO,    /* a version: --to */
    WORD_UP,    /* head: all; +N: --steps; else --to */
    WORD_DOWN,  /* base: --all; -N: --steps; else --to */
    WORD_FORCE, /* a version; -1 is base */
    WORD_NEW,   /* a name; "sql" behind it is the only kind of file there is */
} AliasWord;

typedef struct Alias {
    const char *words; /* "migrate down": separated by one blank each */
    const char *command;
    AliasWord word;
    const char *shown;  /* of a further word, for help: "[N]" */
    const char *preset; /* "--all", "head": as if it was typed behind; NULL: nothing */
    const char *note;   /* said when it is used */
} Alias;
extern const Alias alias_table[]; /* a zeroed one at the end */

/* The row with these words; NULL. */
const Alias *alias_find(Str words);
/* Words that may stand before any command, and change nothing. */
bool alias_is_prefix(Str word);

typedef enum FlagKind {
    FLAG_SAME,        /* the value as it is */
    FLAG_FOLDER,      /* without file:// or filesystem: in front; several separated by commas */
    FLAG_URL,         /* without jdbc: in front */
    FLAG_ARGUMENT,    /* the value is the command's argument */
    FLAG_TO_REPAIR,   /* the value names what failed: that is repair's business */
    FLAG_DESTINATION, /* tern's: a version, or so many from here, up or down */
    FLAG_ON_OFF,      /* "true" sets the flag, "false" does not */
} FlagKind;
typedef struct FlagAlias {
    const char *name; /* without hyphens */
    /* an option of ours; NULL with FLAG_ARGUMENT, FLAG_TO_REPAIR and FLAG_DESTINATION */
    const char *means;
    FlagKind kind;
    const char *command; /* with this one only; NULL: any that has the option */
} FlagAlias;
extern const FlagAlias flag_alias_table[]; /* a zeroed one at the end */
/* Long options of ours that tools of Go and Java write with one hyphen; NULL-terminated. */
extern const char *const single_hyphen[];

/* "up [N], run": what else leads to the command; false: nothing. */
bool alias_add_words(StrBuf *out, const Command *command);
/* ", also --url, -path": what else an option is called, nothing where it has no other name. */
void flag_alias_add_words(StrBuf *out, const Option *option, const char *before);

#endif

/* whimbrel.toml as commands write it, and the conventions as people name them. SPDX-License-Identifier: Apache-2.0 */
#ifndef WHIMBREL_CLI_PROJECT_H
#define WHIMBREL_CLI_PROJECT_H

#include "cli/cli.h"

/* The convention that is meant by its name or its title. Errors: ERROR_USAGE, code "unknown-convention", beginning with who. */
bool project_convention(Str name, const char *who, const Convention **ret_convention, Error *err);

/* What a project's file is to say. */
typedef struct ProjectFile {
    const Convention *convention; /* NULL: whatever is recognised */
    const StrVec *folders;
    Str table; /* empty: the convention's own */
    Str database; /* as it may stand there: a URL without a password, or with ${NAME}; empty: examples */
    const char *note; /* a comment, without '#'; may be NULL */
} ProjectFile;
bool project_file_text(Cli *cli, const ProjectFile *file, Str *ret_text, Error *err);
/* The text of a file with convention, migrations and table put to these, everything else as it was. */
bool project_file_change(Arena *arena, Str text, const ProjectFile *file, Str *ret_text,
                         Error *err);

#endif

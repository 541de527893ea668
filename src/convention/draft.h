/* What conventions share that write migrations down in their form: see Convention.draft_files. SPDX-License-Identifier: Apache-2.0 */
#ifndef WHIMBREL_CONVENTION_DRAFT_H
#define WHIMBREL_CONVENTION_DRAFT_H

#include "convention/peer.h"

/* One more file. path NULL: there was no memory for it, which is then the error. */
bool draft_file(Arena *arena, TreeFileVec *files, const char *path, StrBuf *text, Error *err);
/* Where the migration comes from, if it had another version there: at the head of its up, behind what must be first. */
void draft_add_head(StrBuf *out, const Draft *draft);
/* whimbrel's directive, for forms that have no marker of their own. */
void draft_add_alone(StrBuf *out, const DraftScript *script);
/* A file that is one script. head: its first line or lines; NULL: whimbrel's directive, where it runs outside of a transaction. */
bool draft_plain(Arena *arena, TreeFileVec *files, const char *path, const Draft *draft,
                 bool is_down, const char *head, Error *err);
/* The version, with zeros in front of a number of fewer digits, for tools that do not mind them. Never NULL. */
const char *draft_number(Arena *arena, const Draft *draft, int width);
/* What a tool calls a migration that knows it by its name: the version where that is more than a number, else VERSION, between and the
 * name. NULL when memory is out. */
const char *draft_id(Arena *arena, const Draft *draft, const char *between);
/* VERSION_name.up.sql and .down.sql: the widespread form. lone: the ending of what has no down (".sql"). alone: the first line of a file
 * that runs outside of a transaction; NULL: whimbrel's directive. */
bool draft_pairs(Arena *arena, const DraftVec *drafts, int width, const char *lone,
                 const char *alone, TreeFileVec *files, Error *err);
/* The markers of a form that has both directions in one file. */
typedef struct DraftMarkers {
    /* the first line of a file of which a direction runs outside of a transaction; NULL: none */
    const char *first_alone;
    const char *up, *down; /* up: empty: what stands before down */
    /* behind up or down, when that runs outside of a transaction; NULL: nothing */
    const char *alone;
    /* Lines around each statement that the tool itself would cut in two; NULL: it has none. */
    const char *block_begin, *block_end;
} DraftMarkers;
bool draft_sections(const ConventionContext *ctx, Arena *arena, TreeFileVec *files,
                    const char *path, const Draft *draft, const DraftMarkers *markers, Error *err);

#endif

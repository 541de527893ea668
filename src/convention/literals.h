/* What configuration in other languages says literally: HCL (atlas.hcl), Prisma's schema language, JavaScript and JSON.
 * SPDX-License-Identifier: Apache-2.0
 *
 * Nothing is run and nothing is guessed: a key is found with the blocks around it, and its value is a text, a bare word, an environment
 * variable, or something that only the tool could work out, which is then said to be so. */
#ifndef WHIMBREL_CONVENTION_LITERALS_H
#define WHIMBREL_CONVENTION_LITERALS_H

#include "base/base.h"

typedef enum LiteralSyntax {
    LITERALS_HCL,    /* env "local" { url = "..." } */
    LITERALS_PRISMA, /* datasource db { url = env("URL") } */
    LITERALS_SCRIPT, /* defineConfig({ migrations: { path: "..." } }); JSON too */
} LiteralSyntax;

typedef enum LiteralKind {
    LITERAL_TEXT,     /* a string without anything to be filled in */
    LITERAL_WORD,     /* var.url, true, NON_LINEAR, 10 */
    LITERAL_VARIABLE, /* env("NAME"), getenv("NAME"), process.env.NAME: text is NAME */
    LITERAL_COMPUTED,
} LiteralKind;

typedef struct Literal {
    Str path; /* of blocks with their labels, and the key, joined by '/': "env/local/migration/dir" */
    LiteralKind kind;
    Str text;
    Str fallback; /* of a variable that is not set: process.env.NAME ?? "..." */
    bool has_fallback;
    uint32_t line; /* of the key */
} Literal;
typedef Vec(Literal) LiteralVec;

/* Never fails for what the text says: what cannot be made out is left out. Values are slices of text or in the arena. */
bool literals_read(Arena *arena, Str text, LiteralSyntax syntax, LiteralVec *ret_literals,
                   Error *err);
/* The last one at this path; NULL: none. */
const Literal *literals_find(const LiteralVec *literals, Str path);

#endif

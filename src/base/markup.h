/* Documents of named parts, XML and YAML (and with it JSON), read into one form with the place of every part.
 * SPDX-License-Identifier: Apache-2.0
 *
 * The reader of XML is our own and strict: no document types, so no entities but the five and no way to read another file. YAML
 * is libyaml's business, which is loaded when the first such document is met. */
#ifndef WHIMBREL_BASE_MARKUP_H
#define WHIMBREL_BASE_MARKUP_H

#include "base/error.h"
#include "base/vec.h"

/* How deep parts may lie in one another, so that no walk over a document can overflow the stack. */
enum { MARKUP_MOST_DEPTH = 100 };

typedef struct MarkupNode MarkupNode;
typedef Vec(MarkupNode *) MarkupNodeVec;

/* An element, an attribute, or what stands behind a key; items of a sequence have no name, but for those that are a mapping of one
 * key, which stand for what is behind that key ("- changeSet: ..."). */
struct MarkupNode {
    Str name; /* without a prefix of a name space */
    Str text; /* of a scalar, an attribute; of an element all the text in it. UTF-8 */
    bool is_scalar;
    bool is_null;           /* YAML: nothing, ~ or null */
    uint32_t line;          /* from 1 */
    uint32_t text_line;     /* where the text begins */
    MarkupNodeVec children; /* in the order of the document, attributes first */
};

/* file is what errors name. ERROR_PARSE, code "markup", with the place. */
bool xml_read(Arena *arena, const char *file, Str text, MarkupNode **ret_root, Error *err);
/* The first document; its root has no name. ERROR_UNSUPPORTED, code "library-missing", where libyaml is not installed. */
bool yaml_read(Arena *arena, const char *file, Str text, MarkupNode **ret_root, Error *err);

/* The first child of this name; NULL: there is none. */
MarkupNode *markup_child(const MarkupNode *node, Str name);
/* Its text; empty when it is not there or is no scalar. */
Str markup_text(const MarkupNode *node, Str name);

#endif

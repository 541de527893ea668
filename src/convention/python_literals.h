/* Python read without Python: the statements of a file, and of its expressions those that are literals, names and calls. Nothing is
 * ever run; what is more than that is there as "other", with its place. SPDX-License-Identifier: Apache-2.0 */
#ifndef WHIMBREL_CONVENTION_PYTHON_LITERALS_H
#define WHIMBREL_CONVENTION_PYTHON_LITERALS_H

#include "base/base.h"

typedef enum PyKind {
    PY_NONE,
    PY_TRUE,
    PY_FALSE,
    PY_NUMBER,    /* text: as written, a sign before it */
    PY_STRING,    /* text: its value, as UTF-8; adjacent ones and those joined by + are one */
    PY_BYTES,     /* text: its value */
    PY_NAME,      /* text: the name */
    PY_ATTRIBUTE, /* base.text */
    PY_CALL,      /* base(items) */
    PY_LIST,
    PY_TUPLE,
    PY_SET,
    PY_DICT,
    PY_OPERATION, /* text: the operator: "+", "%", "==", "!=", "in", "not in", "not", "and", "or"; "if" of (a if b else c), in the order
                     b, a, c; "f" of an f-string, whose pieces are strings and names */
    PY_OTHER,     /* only Python knows; text says what: "an expression", "a lambda" */
} PyKind;

typedef struct PyNode PyNode;
typedef struct PyItem {
    Str name; /* of an argument given by name; "*" and "**" for those that unpack; else empty */
    const PyNode *key; /* of a dict; NULL with "**" */
    const PyNode *value;
} PyItem;
typedef Vec(PyItem) PyItemVec;

struct PyNode {
    PyKind kind;
    uint32_t line, column;
    uint32_t end_line; /* of a call: where its bracket closes */
    Str text;
    const PyNode *base;
    PyItemVec items;
};

typedef enum PyStatementKind {
    PY_EXPRESSION, /* value */
    PY_ASSIGN,     /* name = value; an annotation is passed over */
    PY_PASS,       /* and `...` */
    PY_RETURN,     /* value, or NULL */
    PY_DEF,        /* name, items: its parameters with their defaults; body */
    PY_CLASS,      /* name, value: a call of nothing, whose items are its bases; body */
    PY_WITH,       /* value, name: behind `as`, may be empty; body */
    PY_IMPORT,     /* see PyModule.imports */
    PY_IF,         /* value, body, otherwise: an elif is an if in there */
    PY_FOR,        /* items: the names that take a value each time; value, body */
    PY_TRY, /* within a function; body, otherwise: its except, else and finally as blocks with that name and a body */
    PY_BLOCK,  /* while, try, else of a loop ...: name is that word. Its body is not read */
    PY_SIMPLE, /* any other line; name is its first word */
} PyStatementKind;

typedef struct PyStatement PyStatement;
typedef Vec(PyStatement) PyStatementVec;
struct PyStatement {
    PyStatementKind kind;
    uint32_t line, column;
    Str name;
    const PyNode *value;
    PyItemVec items;
    bool is_decorated, has_more_parameters; /* of a function: *args and the like */
    PyStatementVec body, otherwise;
};

typedef struct PyImport {
    Str name; /* as the file calls it */
    Str path; /* "sqlalchemy.dialects.postgresql" */
} PyImport;
typedef Vec(PyImport) PyImportVec;

typedef struct PyModule {
    PyStatementVec body;
    PyImportVec imports; /* of the whole file */
    StrVec doubtful;     /* names that a block which is not read may give another value */
    Str doc;             /* its docstring */
    /* Where reading had to stop; what is above it is there. NULL: it was read to its end. */
    const char *trouble;
    uint32_t trouble_line;
} PyModule;

/* Fails only when memory is out. */
bool python_read(Arena *arena, Str text, PyModule *ret_module, Error *err);

/* The statement that defines or assigns the name last at the top of the file (or of a body); NULL: none. */
const PyStatement *python_find(const PyStatementVec *body, PyStatementKind kind, Str name);
/* What a name at the top stands for once the file was run through; NULL: that is not known, or more than one line has a say in it. */
const PyNode *python_constant(const PyModule *module, Str name);
/* "sqlalchemy.Column" for sa.Column, by the imports; empty when the node is no dotted name. A name that is not imported stands for
 * itself. Memory out: false. */
bool python_path(Arena *arena, const PyModule *module, const PyNode *node, Str *ret_path,
                 Error *err);
/* An argument by its place (from 0; SIZE_MAX: only by name) or its name; NULL: it is not given. */
const PyNode *python_argument(const PyNode *call, size_t place, const char *name);
/* Whether there is an argument that unpacks, so that what is given cannot be known. */
bool python_unpacks(const PyNode *call);
/* "a list", "a call of sa.Column": for messages; NULL when memory is out. */
const char *python_describe(Arena *arena, const PyNode *node);

#endif

/* Reading TOML 1.0, with the place of every key and value. SPDX-License-Identifier: Apache-2.0
 *
 * The whole of the specification v1.0.0, strictly: what the specification forbids is an error. Time and memory are
 * linear in the text. Tables and arrays are kept in the order of the file. */
#ifndef WHIMBREL_BASE_TOML_H
#define WHIMBREL_BASE_TOML_H

#include "base/error.h"
#include "base/vec.h"

/* How deep tables and arrays may lie in one another, so that no walk over a document can overflow the stack. */
enum { TOML_MOST_DEPTH = 128 };

typedef enum TomlKind {
    TOML_STRING,
    TOML_INTEGER,
    TOML_FLOAT,
    TOML_BOOLEAN,
    TOML_OFFSET_DATETIME, /* 1979-05-27T07:32:00-08:00 */
    TOML_LOCAL_DATETIME,  /* 1979-05-27T07:32:00 */
    TOML_LOCAL_DATE,      /* 1979-05-27 */
    TOML_LOCAL_TIME,      /* 07:32:00 */
    TOML_ARRAY,
    TOML_TABLE,
} TomlKind;

/* The fields that the kind has; the others are 0. second 60 is a leap second. */
typedef struct TomlDatetime {
    int year, month, day, hour, minute, second;
    int nanosecond;     /* digits beyond the ninth are cut off */
    int offset_minutes; /* east of UTC is positive */
} TomlDatetime;

typedef struct TomlValue TomlValue;
typedef struct TomlIndex TomlIndex; /* private */

typedef struct TomlEntry {
    Str key;
    uint32_t line, column; /* where the key stands: line from 1, column from 1 in bytes */
    uint32_t width;        /* bytes it takes there, quotes included */
    TomlValue *value;
} TomlEntry;

struct TomlValue {
    TomlKind kind;
    uint32_t line,
        column;     /* where the value begins; a table: its [header], or the key that made it */
    uint32_t width; /* bytes it takes in its first line, for underlining */
    union {
        Str string; /* UTF-8; may hold NUL (written as \u0000) */
        int64_t integer;
        double number;
        bool boolean;
        TomlDatetime datetime;
        Vec(TomlValue *) array;
        struct {
            TomlEntry *items;
            size_t len, cap;
            TomlIndex *index; /* private */
        } table;
    };
    /* private: what the rules on redefinition need to know */
    uint8_t origin;
    uint8_t depth;
};

/* A document belongs to the arena it was read into; so does everything in it. */
typedef struct TomlDoc {
    const char *file; /* for errors, as given; may be NULL */
    Str text;         /* a copy */
    TomlValue *root;  /* a table */
} TomlDoc;

/* Reads text, which need not outlive the call. file (a copy is kept; may be NULL) is what errors name. Errors: ERROR_PARSE
 * (code "toml") with file, line, column and the line as excerpt (in any excerpt the password of a URL is masked, and a line
 * that sets something named like a password, secret or token is left out); ERROR_NOMEM. */
bool toml_parse(Arena *arena, const char *file, Str text, TomlDoc *ret_doc, Error *err);

/* The value of one key of a table, or NULL. */
TomlValue *toml_child(const TomlValue *table, Str key);
/* The entry of one key, for its place; or NULL. */
const TomlEntry *toml_entry(const TomlValue *table, Str key);
/* The value at a dotted path of keys ("env.staging.database") below table, or NULL when any part is absent or is reached
 * through something that is no table. A key that holds a dot itself is not reached this way: toml_child(). */
TomlValue *toml_find(const TomlValue *table, const char *path);

/* Typed look-up by dotted path. An absent key is no error: the result is then left as it was, so that it may hold the
 * default. A value of another kind, here or on the way, is ERROR_USAGE (code "bad-setting") naming file, line, column,
 * path, what is wanted and what is there. ret_value (may be NULL) gets the value itself, or NULL when absent. */
bool toml_get_string(const TomlDoc *doc, const TomlValue *table, const char *path, Str *ret_string,
                     const TomlValue **ret_value, Error *err);
bool toml_get_integer(const TomlDoc *doc, const TomlValue *table, const char *path, int64_t least,
                      int64_t most, int64_t *ret_integer, const TomlValue **ret_value, Error *err);
bool toml_get_boolean(const TomlDoc *doc, const TomlValue *table, const char *path,
                      bool *ret_boolean, const TomlValue **ret_value, Error *err);
/* An array of strings, or one string, which stands for an array of one. The strings replace those of ret_strings. */
bool toml_get_strings(const TomlDoc *doc, const TomlValue *table, const char *path, Arena *arena,
                      StrVec *ret_strings, const TomlValue **ret_value, Error *err);
/* ret_table is NULL when absent. */
bool toml_get_table(const TomlDoc *doc, const TomlValue *table, const char *path,
                    const TomlValue **ret_table, Error *err);

/* Refuses keys of table that are not in known (which ends with NULL), with the nearest that is: ERROR_USAGE (code
 * "unknown-setting"). prefix is put before the key in the message ("env.staging."); may be NULL. */
bool toml_check_keys(const TomlDoc *doc, const TomlValue *table, const char *prefix,
                     const char *const *known, Error *err);

/* An error at a value's place, with its line as excerpt; returns false. For what only the caller knows to be wrong. */
bool toml_error(const TomlDoc *doc, const TomlValue *value, Error *err, ErrorKind kind,
                const char *fmt, ...) PRINTF_LIKE(5, 6);
/* Moves an error that is set to a key's place. */
bool toml_error_at_key(const TomlDoc *doc, const TomlEntry *entry, Error *err);

/* "a string", "an integer", "a date" ...: for messages. */
const char *toml_kind_name(TomlKind kind);

#endif

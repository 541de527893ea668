/* Writing JSON as a stream. Reading is jansson's business, in the .c files that need it. SPDX-License-Identifier: Apache-2.0 */
#ifndef WHIMBREL_BASE_JSON_H
#define WHIMBREL_BASE_JSON_H

#include "base/error.h"

/* A writer over a StrBuf. When flush is set, it is called with what has gathered whenever that passes 32 KiB and at the
 * end, so that a document of any length takes bounded memory. Objects and arrays are closed in order by the caller;
 * depth at most 32. indent 0: everything in one line. Bytes that are not UTF-8 become U+FFFD, so the output is always
 * valid. */
typedef struct JsonWriter {
    StrBuf *out;
    bool (*flush)(void *ctx, Str text, Error *err);
    void *ctx;
    unsigned indent;
    /* private */
    unsigned depth;
    uint32_t has_items, is_object;
    bool after_key;
    bool has_flush_failed;
    Error *err; /* why flushing failed, until json_finish() says it */
} JsonWriter;

void json_begin_object(JsonWriter *w);
void json_end_object(JsonWriter *w);
void json_begin_array(JsonWriter *w);
void json_end_array(JsonWriter *w);
void json_key(JsonWriter *w, const char *key);
void json_str(JsonWriter *w, Str value);
void json_text(JsonWriter *w, const char *value); /* NULL becomes null */
void json_int(JsonWriter *w, int64_t value);
/* The shortest form that keeps three decimals; not finite: null. */
void json_double(JsonWriter *w, double value);
void json_bool(JsonWriter *w, bool value);
void json_null_value(JsonWriter *w); /* json_null() is jansson's */
/* key and value in one */
void json_key_str(JsonWriter *w, const char *key, Str value);
void json_key_text(JsonWriter *w, const char *key, const char *value);
void json_key_int(JsonWriter *w, const char *key, int64_t value);
void json_key_bool(JsonWriter *w, const char *key, bool value);
void json_key_double(JsonWriter *w, const char *key, double value);
void json_key_null(JsonWriter *w, const char *key);
/* Ends the document with a line feed and flushes; false when memory ran out or flushing failed. */
bool json_finish(JsonWriter *w, Error *err);

#endif

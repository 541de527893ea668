/* Fuzzes base/'s readers of text: UTF-8, numbers, durations, timestamps, hexadecimal, compressed bytes; and the JSON
 * writer, whose output has to be JSON whatever goes in. SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <jansson.h>

#include "fuzz.h"

static void free_json(json_t **json)
{
    json_decref(*json);
}

static void read_times(Str text)
{
    char buf[TIMESTAMP_TEXT];
    Timestamp t, again;
    int64_t us;
    if (timestamp_parse(text, &t)) {
        timestamp_sql(t, buf);
        /* A zone may carry the first and the last day out of the years of four digits. */
        if (timestamp_parse(str_from(buf), &again))
            FUZZ_REQUIRE(again == t);
    }
    if (duration_parse(text, 1, &us)) {
        FUZZ_REQUIRE(us >= 0);
        duration_human(us, buf);
    }
}

static void write_json(Arena *arena, Str text)
{
    StrBuf out = strbuf(arena);
    JsonWriter w = {.out = &out};
    json_begin_object(&w);
    json_key_str(&w, "text", text);
    json_end_object(&w);
    FUZZ_REQUIRE(json_finish(&w, NULL));
    scoped(json_t *, free_json) back = json_loadb(out.ptr, out.len, JSON_ALLOW_NUL, NULL);
    FUZZ_REQUIRE(back);
    json_t *value = json_object_get(back, "text");
    if (str_is_utf8(text, NULL))
        FUZZ_REQUIRE(str_eq(text, (Str){json_string_value(value), json_string_length(value)}));
}

static void expand(Arena *arena, Str text)
{
    Error err = {.arena = arena};
    Str bytes, compressed, back;
    if (!bytes_expand(arena, text, 100000, &bytes, &err)) {
        FUZZ_REQUIRE(err.kind == ERROR_PARSE && err.message);
    } else {
        FUZZ_REQUIRE(bytes_compress(arena, bytes, &compressed, &err));
        FUZZ_REQUIRE(bytes_expand(arena, compressed, bytes.len, &back, &err));
        FUZZ_REQUIRE(str_eq(bytes, back));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const words[] = {"migrate", "rollback", "status", "--dry-run", NULL};
    scoped(Arena *, arena_freep) arena = arena_new();
    if (!arena)
        return 0;
    Str text = {(const char *)data, size}, bytes;
    size_t bad = 0;
    int64_t number;

    FUZZ_REQUIRE(str_is_utf8(text, &bad) || bad < text.len);
    FUZZ_REQUIRE(str_width(text) <= 2 * text.len);
    FUZZ_REQUIRE(str_trim(text).len <= text.len);
    str_to_i64(text, &number);
    suggest_nearest(text, words);
    read_times(text);
    write_json(arena, text);
    expand(arena, text);
    if (hex_decode(arena, text, &bytes)) {
        char *hex = hex_encode(arena, bytes.ptr, bytes.len);
        FUZZ_REQUIRE(hex && str_eq_nocase(str_from(hex), text));
    }
    return 0;
}

/* Judges output. Written without a look at how the program makes it harmless. SPDX-License-Identifier: Apache-2.0 */
#include "output.h"

#include <jansson.h>
#include <string.h>

#include "fuzz.h"

void output_require_json(Str json, bool is_line)
{
    json_error_t why;
    FUZZ_REQUIRE(json.len > 0 && json.ptr[json.len - 1] == '\n');
    if (is_line)
        FUZZ_REQUIRE(str_find_char(json, '\n', 0) == json.len - 1);
    json_t *document =
        json_loadb(json.ptr, json.len, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &why);
    if (!document)
        fprintf(stderr, "%s in\n%.*s\n", why.text, STR_ARG(json));
    FUZZ_REQUIRE(document);
    json_decref(document);
}

static bool is_colour(Str rest, size_t *ret_len)
{
    static const char *const ours[] = {"\x1b[0m",  "\x1b[1m",  "\x1b[2m", "\x1b[1;31m",
                                       "\x1b[32m", "\x1b[33m", "\x1b[36m"};
    for (size_t i = 0; i < sizeof ours / sizeof *ours; i++) {
        *ret_len = strlen(ours[i]);
        if (str_starts(rest, str_from(ours[i])))
            return true;
    }
    return false;
}

void output_require_text(Str text, bool has_color, bool is_live)
{
    /* As UTF-8 has them: C1 controls, LRM RLM ALM, LRE..RLO, LRI..PDI, line and paragraph separators, zero-width space, BOM. */
    static const char *const hidden[] = {
        "\xe2\x80\x8b", "\xe2\x80\x8e", "\xe2\x80\x8f", "\xe2\x80\xa8",
        "\xe2\x80\xa9", "\xe2\x80\xaa", "\xe2\x80\xab", "\xe2\x80\xac",
        "\xe2\x80\xad", "\xe2\x80\xae", "\xe2\x81\xa6", "\xe2\x81\xa7",
        "\xe2\x81\xa8", "\xe2\x81\xa9", "\xd8\x9c",     "\xef\xbb\xbf",
    };
    FUZZ_REQUIRE(str_is_utf8(text, NULL));
    for (size_t i = 0; i < sizeof hidden / sizeof *hidden; i++)
        FUZZ_REQUIRE(str_find(text, str_from(hidden[i]), 0) == SIZE_MAX);
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        Str rest = str_sub(text, i, text.len);
        size_t len;
        if (c == 0xc2 && i + 1 < text.len)
            FUZZ_REQUIRE((unsigned char)text.ptr[i + 1] >= 0xa0);
        if (c == 0x1b && has_color && is_colour(rest, &len)) {
            i += len - 1;
            continue;
        }
        if (is_live && ((c == '\r' && i == 0) || str_eq(rest, STR("\x1b[K"))))
            return;
        FUZZ_REQUIRE((c >= 0x20 && c != 0x7f) || c == '\n' || c == '\t');
    }
}

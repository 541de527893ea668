/* Any bytes as a .env file. SPDX-License-Identifier: Apache-2.0
 *
 * What is read is found again, and written in double quotes it is read as the same; an error has a place and shows nothing of
 * the text, which may be a secret. */
#include "base/base.h"

#include <string.h>

#include "fuzz.h"

static Str write_quoted(Arena *arena, const Dotenv *env)
{
    static const char plain[] = "\n\r\t\\\"'$`", letters[] = "nrt\\\"'$`";
    StrBuf out = strbuf(arena);
    Str text;
    for (size_t i = 0; i < env->len; i++) {
        Str value = env->items[i].value;
        strbuf_add(&out, env->items[i].key);
        strbuf_adds(&out, i % 2 ? "=\"" : " = \"");
        for (size_t k = 0; k < value.len; k++) {
            const char *special = strchr(plain, value.ptr[k]);
            if (special)
                strbuf_add_char(&out, '\\');
            strbuf_add_char(&out, special ? letters[special - plain] : value.ptr[k]);
        }
        strbuf_adds(&out, "\" # so\r\n");
    }
    FUZZ_REQUIRE(strbuf_finish(&out, &text));
    return text;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    scoped(Arena *, arena_freep) arena = arena_new();
    FUZZ_REQUIRE(arena);
    Error err = {.arena = arena};
    Dotenv env = {0}, again = {0};
    if (!dotenv_parse(arena, ".env", (Str){(const char *)data, size}, &env, &err)) {
        FUZZ_REQUIRE(err.kind == ERROR_PARSE && err.code);
        FUZZ_REQUIRE(err.pos.line > 0 && err.pos.column > 0 && !err.excerpt);
        return 0;
    }
    for (size_t i = 0; i < env.len; i++) {
        const DotenvEntry *entry = &env.items[i], *found = dotenv_get(&env, entry->key);
        FUZZ_REQUIRE(strlen(entry->value.ptr) == entry->value.len);
        FUZZ_REQUIRE(found && found >= entry && str_eq(found->key, entry->key));
        FUZZ_REQUIRE(i == 0 || entry[-1].line < entry->line);
    }
    FUZZ_REQUIRE(dotenv_parse(arena, ".env", write_quoted(arena, &env), &again, &err));
    FUZZ_REQUIRE(again.len == env.len);
    for (size_t i = 0; i < env.len; i++)
        FUZZ_REQUIRE(str_eq(again.items[i].key, env.items[i].key) &&
                     str_eq(again.items[i].value, env.items[i].value));
    return 0;
}

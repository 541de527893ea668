/* Fuzzes the directives in comments, by themselves and within a script. SPDX-License-Identifier: Apache-2.0
 *
 * Whatever the bytes are, an error has a code and a line, and what is read is read the same again; a script that can be
 * read in memory has digests of the right length. */
#include "migration/migration.h"

#include "fuzz.h"

static void read_alone(Str text, bool is_head)
{
    scoped(Arena *, arena_freep) arena = arena_new();
    if (!arena)
        return;
    Error err = {.arena = arena};
    Directives one = directives_none(), two = directives_none();
    bool ok = directives_read(arena, text, "x.sql", 1, is_head, &one, &err);
    if (!ok) {
        FUZZ_REQUIRE(err.kind == ERROR_PARSE || err.kind == ERROR_UNSUPPORTED);
        FUZZ_REQUIRE(err.code && err.message && err.hint && err.pos.line >= 1);
        return;
    }
    FUZZ_REQUIRE(directives_read(arena, text, "x.sql", 1, is_head, &two, &err));
    FUZZ_REQUIRE(one.lock_timeout_ms == two.lock_timeout_ms &&
                 one.required.len == two.required.len);
    FUZZ_REQUIRE(one.lock_timeout_ms >= -1 && one.statement_timeout_ms >= -1 &&
                 one.lock_retries >= -1);
    FUZZ_REQUIRE(is_head ||
                 (one.phase == PHASE_NONE && one.required.len == 0 && one.engines.len == 0));
    for (size_t i = 0; i < one.required.len; i++)
        FUZZ_REQUIRE(version_is_valid(one.required.items[i]));
}

static void read_script(Str text, SqlDialect dialect)
{
    scoped(Arena *, arena_freep) arena = arena_new();
    if (!arena)
        return;
    Error err = {.arena = arena};
    Script script = {.path = "x.sql", .text = text};
    ScriptOptions options = {
        .split = {.dialect = dialect}, .checksum_hash = HASH_SHA256, .reads_directives = true};
    if (!script_read(arena, &script, &options, &err)) {
        FUZZ_REQUIRE(err.kind == ERROR_PARSE || err.kind == ERROR_UNSUPPORTED);
        return;
    }
    FUZZ_REQUIRE(script.checksum.len == 64 && script.tokens.len == 64);
    uint32_t next = 0;
    for (size_t i = 0; i < script.parts.len; i++) {
        FUZZ_REQUIRE(script.parts.items[i].first == next && script.parts.items[i].count > 0);
        next += script.parts.items[i].count;
    }
    FUZZ_REQUIRE(next == script.statements);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    Str text = {(const char *)data, size};
    read_alone(text, true);
    read_alone(text, false);
    read_script(text, SQL_SQLITE);
    read_script(text, SQL_POSTGRES);
    read_script(text, SQL_MYSQL);
    return 0;
}

/* Fuzzes database URLs. SPDX-License-Identifier: Apache-2.0
 *
 * Whatever the bytes are: an error says what it is; what is read can be shown, read again from its display and written with
 * another password, which never shows. */
#include "db/db.h"

#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const Str password = {"pW4:/?@%s&#", 11}, mark = {"pW4", 3};
    scoped(Arena *, arena_freep) arena = arena_new();
    if (!arena)
        return 0;
    Error err = {.arena = arena};
    DbUrl url, again, other;
    if (!db_url_parse(arena, (Str){(const char *)data, size}, &url, &err)) {
        FUZZ_REQUIRE(err.kind == ERROR_USAGE && err.message && err.code);
        return 0;
    }
    FUZZ_REQUIRE(url.driver && str_is_utf8(url.display, NULL));
    FUZZ_REQUIRE(db_url_parse(arena, url.display, &again, &err));
    FUZZ_REQUIRE(again.driver == url.driver && str_eq(again.display, url.display));
    FUZZ_REQUIRE(str_eq(again.database, url.database) && str_eq(again.hosts, url.hosts));
    FUZZ_REQUIRE(db_url_with_database(arena, &url, STR("a/b?c"), &other, &err));
    FUZZ_REQUIRE(db_url_parse(arena, other.text, &again, &err) &&
                 str_eq(again.database, STR("a/b?c")));
    if (str_find(url.text, mark, 0) != SIZE_MAX ||
        !db_url_set_password(arena, &url, password, &err))
        return 0;
    FUZZ_REQUIRE(url.has_password && str_find(url.display, mark, 0) == SIZE_MAX);
    FUZZ_REQUIRE(db_url_parse(arena, url.text, &again, &err) && str_eq(again.password, password));
    FUZZ_REQUIRE(str_eq(again.display, url.display));
    return 0;
}

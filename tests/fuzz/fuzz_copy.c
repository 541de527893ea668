/* Fuzzes the data behind COPY ... FROM STDIN: the bytes are the data and what follows them, the first says how much a read
 * gives. SPDX-License-Identifier: Apache-2.0
 *
 * Whatever the data is, it comes out as it was up to the line "\.", and the statement behind it is found; read piece by piece
 * or whole. */
#include "../unit/sql/split_check.h"

#include <string.h>

#include "fuzz.h"

/* Where the data ends, and where the line "\." does; by lines, as psql takes them. */
static bool find_end(Str text, size_t *ret_end, size_t *ret_next)
{
    for (size_t at = 0; at < text.len;) {
        size_t feed = str_find_char(text, '\n', at);
        Str line = str_sub(text, at, feed == SIZE_MAX ? text.len : feed);
        if (line.len > 0 && line.ptr[line.len - 1] == '\r')
            line.len--;
        if (str_eq(line, STR("\\."))) {
            *ret_end = at;
            *ret_next = feed == SIZE_MAX ? text.len : feed + 1;
            return true;
        }
        if (feed == SIZE_MAX)
            break;
        at = feed + 1;
    }
    return false;
}

/* All the data of the COPY that was just returned. */
static bool gather(Arena *arena, SqlSplitter *splitter, Str *ret_data, Error *err)
{
    StrBuf data = strbuf(arena);
    Str piece;
    do {
        if (!sql_splitter_copy_data(splitter, &piece, err))
            return false;
        strbuf_add(&data, piece);
    } while (piece.len > 0);
    return strbuf_finish(&data, ret_data);
}

static bool all_text(Str data)
{
    return str_is_utf8(data, NULL) && str_find_char(data, '\0', 0) == SIZE_MAX;
}

static void check(Arena *arena, Str text, size_t begin, size_t read_size)
{
    SqlSplitOptions options = {.dialect = SQL_POSTGRES, .file = "x.sql"};
    PieceSource source = {.text = text, .read_size = read_size};
    scoped(SqlSplitter *, sql_splitter_freep) splitter = NULL;
    Error err = {.arena = arena};
    SqlStatement statement;
    Str data = {0}, behind = str_sub(text, begin, text.len);
    bool has = false;
    size_t end = behind.len, next = behind.len;
    FUZZ_REQUIRE(sql_splitter_new(arena, &options, (SqlSource){piece_source_read, &source},
                                  &splitter, &err));
    FUZZ_REQUIRE(sql_splitter_next(splitter, &statement, &has, &err) && has);
    FUZZ_REQUIRE(statement.has_copy_data && str_eq(statement.text, STR("COPY t FROM STDIN")));
    bool ends = find_end(behind, &end, &next);
    if (!gather(arena, splitter, &data, &err)) {
        FUZZ_REQUIRE(err.kind == ERROR_PARSE && err.code && err.pos.line > 0);
        FUZZ_REQUIRE(!ends || !all_text(str_sub(behind, 0, next)));
        return;
    }
    FUZZ_REQUIRE(str_eq(data, str_sub(behind, 0, end)));
    /* What follows is the first statement of a text of its own, and nothing of the data. */
    if (sql_splitter_next(splitter, &statement, &has, &err) && has)
        FUZZ_REQUIRE(statement.offset >= begin + next);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char head[] = "COPY t FROM STDIN;\n";
    scoped(Arena *, arena_freep) arena = arena_new();
    FUZZ_REQUIRE(arena);
    if (size < 1)
        return 0;
    size_t len = sizeof head - 1 + size - 1;
    /* Of the very length, so that reading past it is seen. */
    char *text = malloc(len);
    FUZZ_REQUIRE(text);
    memcpy(text, head, sizeof head - 1);
    memcpy(text + sizeof head - 1, data + 1, size - 1);
    check(arena, (Str){text, len}, sizeof head - 1, data[0]);
    check(arena, (Str){text, len}, sizeof head - 1, 0);
    free(text);
    return 0;
}

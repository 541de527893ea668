/* Splits a text twice and compares. SPDX-License-Identifier: Apache-2.0 */
#include "split_check.h"

#include <string.h>

typedef struct Piece {
    SqlStatement statement;
    Str data;
} Piece;

typedef struct Pieces {
    Vec(Piece) list;
    Piece end; /* the trivia behind the last statement */
    bool has_failed;
    Error err;
} Pieces;

#define REQUIRE(condition)                                                                         \
    do {                                                                                           \
        if (!(condition))                                                                          \
            return #condition;                                                                     \
    } while (0)

bool piece_source_read(void *ctx, char *buf, size_t cap, size_t *ret_len, Error *err)
{
    PieceSource *source = ctx;
    size_t len = source->text.len - source->at;

    (void)err;
    if (len > cap)
        len = cap;
    if (source->read_size > 0 && len > source->read_size)
        len = source->read_size;
    if (len > 0)
        memcpy(buf, source->text.ptr + source->at, len);
    source->at += len;
    source->reads++;
    *ret_len = len;
    return true;
}

/* False when memory is out, which is not what is checked here. */
static bool gather(Arena *arena, SqlSplitter *splitter, Pieces *pieces, bool is_stream)
{
    bool has;

    pieces->err = (Error){.arena = arena};
    for (;;) {
        Piece piece = {0};
        if (!sql_splitter_next(splitter, &piece.statement, &has, &pieces->err)) {
            pieces->has_failed = true;
            return true;
        }
        /* What a stream lends is gone with the next call. */
        SqlStatement lent = piece.statement;
        if (is_stream && (!str_copy(arena, lent.trivia, &piece.statement.trivia) ||
                          !str_copy(arena, lent.text, &piece.statement.text)))
            return false;
        if (!has) {
            pieces->end = piece;
            return true;
        }
        if (piece.statement.has_copy_data) {
            StrBuf data = strbuf(arena);
            Str part;
            do {
                if (!sql_splitter_copy_data(splitter, &part, &pieces->err)) {
                    pieces->has_failed = true;
                    return true;
                }
                strbuf_add(&data, part);
            } while (part.len > 0);
            if (!strbuf_finish(&data, &piece.data))
                return false;
            /* The statement outlives its data. */
            if (!str_eq(lent.text, piece.statement.text) ||
                !str_eq(lent.trivia, piece.statement.trivia))
                piece.statement.line = 0;
        }
        if (!vec_push(arena, &pieces->list, piece))
            return false;
    }
}

static const char *compare_pieces(const Piece *a, const Piece *b)
{
    const SqlStatement *s = &a->statement, *t = &b->statement;

    REQUIRE(str_eq(s->text, t->text));
    REQUIRE(str_eq(s->trivia, t->trivia));
    REQUIRE(str_eq(a->data, b->data));
    REQUIRE(s->offset == t->offset && s->end_offset == t->end_offset &&
            s->trivia_offset == t->trivia_offset);
    REQUIRE(s->line == t->line && s->column == t->column && s->trivia_line == t->trivia_line);
    REQUIRE(s->terminator == t->terminator && s->has_copy_data == t->has_copy_data);
    return NULL;
}

static bool same_text(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

static const char *compare(const Pieces *a, const Pieces *b)
{
    const char *wrong;

    for (size_t i = 0; i < a->list.len && i < b->list.len; i++) {
        if ((wrong = compare_pieces(&a->list.items[i], &b->list.items[i])))
            return wrong;
    }
    REQUIRE(a->list.len == b->list.len);
    REQUIRE(a->has_failed == b->has_failed);
    if (!a->has_failed)
        return compare_pieces(&a->end, &b->end);
    REQUIRE(a->err.kind == ERROR_PARSE && b->err.kind == ERROR_PARSE);
    REQUIRE(a->err.code && a->err.code == b->err.code);
    REQUIRE(a->err.pos.line > 0 && a->err.pos.column > 0);
    REQUIRE(a->err.pos.line == b->err.pos.line && a->err.pos.column == b->err.pos.column);
    REQUIRE(same_text(a->err.message, b->err.message) && same_text(a->err.hint, b->err.hint));
    REQUIRE(a->err.excerpt && same_text(a->err.excerpt, b->err.excerpt));
    REQUIRE(a->err.excerpt_column == b->err.excerpt_column && a->err.excerpt_column > 0);
    REQUIRE(strlen(a->err.excerpt) <= 200 && a->err.excerpt_column <= strlen(a->err.excerpt) + 1);
    REQUIRE(str_is_utf8(str_from(a->err.excerpt), NULL));
    return NULL;
}

static bool has_nocase(Str text, const char *word)
{
    Str needle = str_from(word);

    for (size_t i = 0; i + needle.len <= text.len; i++) {
        if (str_starts_nocase(str_sub(text, i, text.len), needle))
            return true;
    }
    return false;
}

/* Where statement->text ends in source, \; standing for ; there. SIZE_MAX: it is not there. */
static size_t source_end(Str source, const SqlStatement *statement)
{
    size_t at = (size_t)statement->offset;

    for (size_t i = 0; i < statement->text.len; i++, at++) {
        if (at >= source.len)
            return SIZE_MAX;
        if (source.ptr[at] == '\\' && statement->text.ptr[i] != '\\' && at + 1 < source.len)
            at++;
        if (source.ptr[at] != statement->text.ptr[i])
            return SIZE_MAX;
    }
    return at;
}

typedef struct Place {
    size_t at;
    uint32_t line;
    size_t line_start;
} Place;

static void go_to(Place *place, Str text, size_t to)
{
    for (; place->at < to; place->at++) {
        if (text.ptr[place->at] == '\n') {
            place->line++;
            place->line_start = place->at + 1;
        }
    }
}

/* The lexer's tokens begin and end where the splitter's text does. */
static const char *check_tokens(const SqlSplitOptions *options, const SqlStatement *statement)
{
    SqlLexer lexer = sql_lexer(statement->text, options);
    SqlToken token = {0};
    size_t end = 0;
    bool is_first = true;

    while (sql_lexer_next(&lexer, &token)) {
        REQUIRE(!is_first || token.offset == 0);
        REQUIRE(token.offset >= end && token.text.len > 0);
        is_first = false;
        end = token.offset + token.text.len;
    }
    /* Two dashes of MySQL are a comment where nothing follows; in the whole text something did. */
    if (options->dialect == SQL_MYSQL && str_ends(statement->text, STR("--")))
        return NULL;
    REQUIRE(end == statement->text.len);
    if (options->dialect == SQL_MYSQL)
        return NULL;
    if (str_find_char(statement->trivia, '\\', 0) != SIZE_MAX)
        return NULL;
    lexer = sql_lexer(statement->trivia, options);
    while (sql_lexer_next(&lexer, &token))
        REQUIRE(str_eq(token.text, STR(";")));
    return NULL;
}

static const char *check_whole(const SqlSplitOptions *options, Str text, const Pieces *pieces)
{
    bool has_bom = str_starts(text, STR("\xef\xbb\xbf"));
    size_t at = has_bom ? 3 : 0, data_len = 0;
    Place place = {.at = at, .line = 1, .line_start = at}, trivia_place = place;
    bool has_modes = has_nocase(text, "sql_mode") ||
                     has_nocase(text, "standard_conforming_strings") ||
                     (options->dialect == SQL_MYSQL && has_nocase(text, "delimiter"));
    bool has_copy = false;
    const char *wrong;

    for (size_t i = 0; i <= pieces->list.len; i++) {
        bool is_end = i == pieces->list.len;
        if (is_end && pieces->has_failed)
            break;
        const Piece *piece = is_end ? &pieces->end : &pieces->list.items[i];
        const SqlStatement *s = &piece->statement;
        /* Between the pieces there is nothing but data and what ends it. */
        REQUIRE(s->trivia_offset == at ||
                (has_copy && s->trivia_offset > at && s->trivia_offset - at >= data_len));
        if (s->trivia_offset != at) {
            has_copy = false;
            data_len = 0;
        }
        REQUIRE(s->offset == s->trivia_offset + s->trivia.len);
        REQUIRE(s->trivia.ptr == text.ptr + s->trivia_offset);
        go_to(&place, text, (size_t)s->offset);
        go_to(&trivia_place, text, (size_t)s->trivia_offset);
        REQUIRE(s->line == place.line && s->column == s->offset - place.line_start + 1);
        REQUIRE(s->trivia_line == trivia_place.line);
        at = (size_t)s->end_offset;
        if (is_end) {
            REQUIRE(s->text.len == 0 && s->end_offset == s->offset && s->end_offset == text.len);
            break;
        }
        REQUIRE(s->text.len > 0);
        size_t end = source_end(text, s);
        REQUIRE(end <= s->end_offset && s->end_offset <= text.len);
        bool is_joined = s->text.ptr != text.ptr + s->offset;
        REQUIRE(!is_joined || options->dialect != SQL_SQLITE);
        if (!has_modes && !is_joined && (wrong = check_tokens(options, s)))
            return wrong;
        has_copy |= s->has_copy_data;
        data_len += piece->data.len;
    }
    return NULL;
}

static const char *check_in(Arena *arena, const SqlSplitOptions *options, Str text,
                            size_t read_size)
{
    PieceSource source = {.text = text, .read_size = read_size};
    scoped(SqlSplitter *, sql_splitter_freep) whole = NULL;
    scoped(SqlSplitter *, sql_splitter_freep) stream = NULL;
    Pieces a = {0}, b = {0};
    Error err = {.arena = arena};

    REQUIRE(sql_splitter_new_text(arena, options, text, &whole, &err));
    REQUIRE(
        sql_splitter_new(arena, options, (SqlSource){piece_source_read, &source}, &stream, &err));
    REQUIRE(gather(arena, whole, &a, false));
    REQUIRE(gather(arena, stream, &b, true));
    const char *wrong = compare(&a, &b);
    return wrong ? wrong : check_whole(options, text, &a);
}

const char *split_check(const SqlSplitOptions *options, Str text, size_t read_size)
{
    scoped(Arena *, arena_freep) arena = arena_new();
    REQUIRE(arena);
    return check_in(arena, options, text, read_size);
}

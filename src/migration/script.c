/* Reading one script: its digests, its parts, its directives; and walking its statements when it runs.
 *
 * One pass does all of it. A short file is read whole into a buffer that the next one reuses, a long one is streamed
 * through the splitter, so that memory is bounded by the longest statement. SPDX-License-Identifier: Apache-2.0 */
#include "migration/script.h"

#include <string.h>

enum { PIECE_BYTES = 64 * 1024 };

/* ---- the digest of the bytes --------------------------------------------------------------------- */

typedef struct ByteDigest {
    Hash hash;
    uint32_t crc;
    uint64_t size_bytes;
    bool has_crc;  /* wanted */
    Str ignored;   /* characters that are left out, in a row */
    char carry[4]; /* the beginning of a character whose end is in the next piece */
    size_t carry_len;
    bool demands;    /* the word of the directive has been seen */
    char tail[7];    /* the end of the last piece: the word may lie across */
    size_t tail_len; /* one byte less than the word has */
} ByteDigest;

static const char demanding[] = "requires";

static void byte_digest_begin(ByteDigest *digest, const ScriptOptions *options)
{
    *digest = (ByteDigest){.ignored = options->ignored_chars};
    hash_begin(&digest->hash, options->checksum_hash);
}

/* Bytes in the UTF-8 character that begins with lead; 1 for what cannot begin one. */
static size_t char_len(char lead)
{
    unsigned char c = (unsigned char)lead;
    return c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : c >= 0xc0 ? 2 : 1;
}

static bool is_ignored(Str ignored, Str character)
{
    for (size_t at = 0; at < ignored.len; at += char_len(ignored.ptr[at])) {
        if (str_eq(str_sub(ignored, at, at + char_len(ignored.ptr[at])), character))
            return true;
    }
    return false;
}

static void add_without_ignored(ByteDigest *digest, Str piece)
{
    size_t at = 0;
    if (digest->carry_len > 0) {
        size_t want = char_len(digest->carry[0]);
        while (digest->carry_len < want && at < piece.len)
            digest->carry[digest->carry_len++] = piece.ptr[at++];
        if (digest->carry_len < want)
            return;
        if (!is_ignored(digest->ignored, (Str){digest->carry, want}))
            hash_add(&digest->hash, (Str){digest->carry, want});
        digest->carry_len = 0;
    }
    size_t kept_from = at;
    while (at < piece.len) {
        size_t len = char_len(piece.ptr[at]);
        if (at + len > piece.len)
            break;
        if (is_ignored(digest->ignored, str_sub(piece, at, at + len))) {
            hash_add(&digest->hash, str_sub(piece, kept_from, at));
            kept_from = at + len;
        }
        at += len;
    }
    hash_add(&digest->hash, str_sub(piece, kept_from, at));
    digest->carry_len = piece.len - at;
    if (digest->carry_len > 0)
        memcpy(digest->carry, piece.ptr + at, digest->carry_len);
}

static void byte_digest_add(ByteDigest *digest, Str piece)
{
    if (digest->has_crc)
        digest->crc = crc32_add(digest->crc, piece);
    digest->size_bytes += piece.len;
    if (digest->ignored.len == 0)
        hash_add(&digest->hash, piece);
    else
        add_without_ignored(digest, piece);
}

/* Whether a directive that requires something may be in the bytes. A search, which is far cheaper than to look for comments. */
static void look_for_demands(ByteDigest *digest, Str piece)
{
    enum { WORD = sizeof demanding - 1, TAIL = WORD - 1 };
    char seam[2 * TAIL];
    _Static_assert(sizeof digest->tail == TAIL, "the tail is the word without its last byte");
    if (digest->demands || piece.len == 0)
        return;
    size_t head = piece.len < TAIL ? piece.len : TAIL;
    memcpy(seam, digest->tail, digest->tail_len);
    memcpy(seam + digest->tail_len, piece.ptr, head);
    size_t len = digest->tail_len + head;
    digest->demands =
        memmem(seam, len, demanding, WORD) || memmem(piece.ptr, piece.len, demanding, WORD);
    /* Of a piece that is shorter than the tail, the seam holds all; else its own end is what counts. */
    const char *end = piece.len < TAIL ? seam + len : piece.ptr + piece.len;
    digest->tail_len = piece.len < TAIL && len < TAIL ? len : TAIL;
    memcpy(digest->tail, end - digest->tail_len, digest->tail_len);
}

static void byte_digest_flush(ByteDigest *digest)
{
    hash_add(&digest->hash, (Str){digest->carry, digest->carry_len});
    digest->carry_len = 0;
}

static bool hex_digest(Arena *arena, Hash *hash, Str *ret_hex, Error *err)
{
    unsigned char digest[HASH_MAX_BYTES];
    const char *hex = hex_encode(arena, digest, hash_end(hash, digest));
    if (!hex)
        return error_nomem(err);
    *ret_hex = str_from(hex);
    return true;
}

/* ---- where the text comes from -------------------------------------------------------------------- */

/* The bytes of a script, from its beginning: first what was read to find out whether it is short, then the rest. */
struct ScriptSource {
    const Script *script;
    FileReader reader;  /* closed when the text is held */
    Str head;           /* bytes read already, not yet handed out */
    bool is_at_end;     /* nothing follows head */
    ByteDigest *digest; /* may be NULL */
    uint32_t crc;       /* of what was handed out, for cursors */
    Str raw; /* the file's bytes, where a form has made head out of them; else head itself */
    ScriptText text; /* what the form has found */
    uint64_t size_bytes;
};

static void source_done(ScriptSource *source)
{
    file_reader_close(&source->reader);
}

/* The whole file, and what its tool's form makes of it. */
static bool source_prepare(ScriptSource *source, Arena *arena, const SqlSplitOptions *split,
                           Error *err)
{
    const Script *script = source->script;
    source->is_at_end = true;
    if (!script_text(arena, script, 0, &source->raw, err) ||
        !script->form->prepare(script->form->ctx, arena, script, source->raw, split, &source->text,
                               err))
        return false;
    source->head = source->text.sql;
    return true;
}

/* Opens the script and reads up to cap bytes of it into buf. With a form it is read whole, into the arena. */
static bool source_open(ScriptSource *source, Arena *arena, const Script *script,
                        const SqlSplitOptions *split, char *buf, size_t cap, Error *err)
{
    *source = (ScriptSource){.script = script, .reader = {.fd = -1}};
    if (script->form)
        return !FAULT("script.open", err) && source_prepare(source, arena, split, err);
    if (!script->open_path) {
        source->head = source->raw = script->text;
        source->is_at_end = true;
        return true;
    }
    if (FAULT("script.open", err) ||
        !file_reader_open_listed(&source->reader, script->open_path, err))
        return false;
    size_t len = 0;
    while (len < cap && !source->is_at_end) {
        size_t count = 0;
        if (!file_reader_read(&source->reader, buf + len, cap - len, &count, err)) {
            file_reader_close(&source->reader);
            return false;
        }
        len += count;
        /* All that was there when it was opened: asking again would only say so. */
        source->is_at_end =
            count == 0 || (source->reader.size_bytes > 0 && len == source->reader.size_bytes);
    }
    source->head = source->raw = (Str){buf, len};
    return true;
}

/* SqlSource's read. */
static bool source_read(void *ctx, char *buf, size_t cap, size_t *ret_len, Error *err)
{
    ScriptSource *source = ctx;
    size_t len = source->head.len < cap ? source->head.len : cap;
    if (len > 0) {
        memcpy(buf, source->head.ptr, len);
        source->head = str_sub(source->head, len, source->head.len);
    } else if (!source->is_at_end) {
        if (!file_reader_read(&source->reader, buf, cap, &len, err))
            return false;
        source->is_at_end = len == 0;
    }
    if (source->digest)
        byte_digest_add(source->digest, (Str){buf, len});
    else
        source->crc = crc32_add(source->crc, (Str){buf, len});
    source->size_bytes += len;
    *ret_len = len;
    return true;
}

/* ---- one pass --------------------------------------------------------------------------------------- */

typedef struct Pass {
    Arena *arena;
    ReadingRoom *room;
    Script *script;
    const ScriptOptions *options;
    SqlSplitOptions split;
    SqlSplitOptions plain; /* the dialect alone: how tokens are hashed */
    bool wants_parts, hashes_tokens;
    Hash tokens;
    /* what was found */
    uint32_t statements;
    Vec(ScriptPart) parts;
    bool has_own_directives; /* the last part has directives of its own */
    Directives head;
} Pass;

static PartClass part_class(const SqlInfo *info, SqlDialect dialect)
{
    if (dialect == SQL_MYSQL && (info->verb == SQL_VERB_LOCK || info->verb == SQL_VERB_UNLOCK))
        return PART_TABLE_LOCK;
    if (info->flags & SQL_TRANSACTION_CONTROL) {
        if (info->verb == SQL_VERB_BEGIN)
            return PART_BEGIN;
        if (info->verb == SQL_VERB_COMMIT)
            return PART_COMMIT;
        if (info->verb == SQL_VERB_ROLLBACK)
            return PART_ROLLBACK;
        return PART_AUTOCOMMIT;
    }
    /* A new enum value may not be used in the transaction that added it, on any version. */
    if (info->flags & (SQL_NO_TRANSACTION | SQL_USES_NEW_ENUM))
        return PART_LONE;
    if (info->flags & SQL_NO_TRANSACTION_OLD)
        return PART_LONE_BEFORE;
    if (info->flags & SQL_IMPLICIT_COMMIT)
        return PART_IMPLICIT_COMMIT;
    return PART_ORDINARY;
}

static bool may_merge(PartClass class)
{
    return class == PART_ORDINARY || class == PART_IMPLICIT_COMMIT || class == PART_LONE ||
           class == PART_LONE_BEFORE;
}

static bool directives_say_nothing(const Directives *d)
{
    return !d->no_transaction && d->lock_timeout_ms < 0 && d->statement_timeout_ms < 0 &&
           d->lock_retries < 0 && d->phase == PHASE_NONE && d->required.len == 0 &&
           d->engines.len == 0 && d->allowed.len == 0 && d->reason.len == 0;
}

static bool is_name_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '$' || (unsigned char)c >= 0x80;
}

/* Whether the text has the name as a word of its own. Whatever is dropped beside it does not matter. */
static bool has_word(Str text, Str name)
{
    for (size_t at = 0; name.len > 0 && at + name.len <= text.len; at++) {
        if (!str_eq_nocase(str_sub(text, at, at + name.len), name) ||
            (at > 0 && is_name_char(text.ptr[at - 1])) ||
            (at + name.len < text.len && is_name_char(text.ptr[at + name.len])))
            continue;
        return true;
    }
    return false;
}

/* Without its history a database no longer knows what has run: on engines that cannot undo DDL nobody could tell any more. */
static bool spares_history(Pass *pass, const SqlStatement *statement, const SqlInfo *info,
                           Error *err)
{
    Str table = pass->options->history_table;
    bool is_renaming = info->verb == SQL_VERB_RENAME ||
                       (info->verb == SQL_VERB_ALTER && info->sub_verb == SQL_VERB_RENAME &&
                        info->sub_object == SQL_OBJECT_TABLE);
    bool is_due = info->verb == SQL_VERB_TRUNCATE || is_renaming ||
                  (info->verb == SQL_VERB_DROP && info->object == SQL_OBJECT_TABLE);
    for (size_t at = table.len; at > 0; at--) {
        if (table.ptr[at - 1] != '.')
            continue;
        table = str_sub(table, at, table.len); /* of "schema.table" */
        break;
    }
    if (!is_due || !has_word(statement->text, table))
        return true;
    error_set(err, ERROR_PARSE, "%.*s is the table in which the history is kept", STR_ARG(table));
    error_code(err, "history-table");
    error_at(err, str_from(pass->script->path), statement->line, statement->column);
    return error_hint(err, "Take the statement out: without the table nothing would tell which "
                           "migrations have run.");
}

/* What a script keeps of directives: most have none, and share that. */
static bool keep_directives(Arena *arena, const Directives *directives, const Directives **ret_kept,
                            Error *err)
{
    Directives *kept = NULL;
    if (directives_say_nothing(directives)) {
        *ret_kept = directives_nothing();
        return true;
    }
    if (!(kept = arena_alloc(arena, sizeof *kept)))
        return error_nomem(err);
    *kept = *directives;
    *ret_kept = kept;
    return true;
}

static bool add_statement(Pass *pass, const SqlStatement *statement, Error *err)
{
    SqlInfo info = sql_inspect(statement->text, &pass->split);
    Directives own = directives_none();
    ScriptPart part = {
        .class = part_class(&info, pass->split.dialect),
        .first = pass->statements,
        .count = 1,
        .line = statement->line,
        .column = statement->column,
        .sets_session = (info.flags & SQL_SESSION_STATE) != 0,
        .has_copy = statement->has_copy_data || (info.flags & SQL_COPY_FROM_STDIN) != 0,
    };
    if (!spares_history(pass, statement, &info, err))
        return false;
    if (part.class == PART_LONE_BEFORE)
        part.since = info.transaction_since;
    bool is_first = pass->statements == 0;
    if (pass->options->reads_directives &&
        !directives_read(pass->arena, statement->trivia, pass->script->path, statement->trivia_line,
                         is_first, is_first ? &pass->head : &own, err))
        return false;
    if (own.no_transaction && (part.class == PART_ORDINARY || part.class == PART_LONE_BEFORE))
        part.class = PART_LONE;
    bool has_own = !directives_say_nothing(&own);
    ScriptPart *last = pass->parts.len > 0 ? &pass->parts.items[pass->parts.len - 1] : NULL;
    if (last && !has_own && !pass->has_own_directives && last->class == part.class &&
        last->since == part.since && may_merge(part.class)) {
        last->count++;
        last->sets_session = last->sets_session || part.sets_session;
        last->has_copy = last->has_copy || part.has_copy;
        return true;
    }
    pass->has_own_directives = has_own;
    return keep_directives(pass->arena, &own, &part.directives, err) &&
           (vec_push(pass->room->scratch, &pass->parts, part) || error_nomem(err));
}

/* Behind the last statement a directive governs nothing; in a script without statements it is the head. */
static bool read_last_trivia(Pass *pass, const SqlStatement *end, Error *err)
{
    if (!pass->options->reads_directives)
        return true;
    if (pass->statements == 0)
        return directives_read(pass->arena, end->trivia, pass->script->path, end->trivia_line, true,
                               &pass->head, err);
    Directives stray = directives_none();
    if (!directives_read(pass->room->scratch, end->trivia, pass->script->path, end->trivia_line,
                         false, &stray, err))
        return false;
    if (directives_say_nothing(&stray))
        return true;
    error_set(err, ERROR_PARSE, "a directive behind the last statement governs nothing");
    error_code(err, "bad-directive");
    error_at(err, str_from(pass->script->path), end->trivia_line, 0);
    return error_hint(err,
                      "Move it before the statement it is meant for, or to the head of the file.");
}

/* Goes through all statements that the splitter finds. */
static bool walk(Pass *pass, SqlSplitter *splitter, Error *err)
{
    for (;;) {
        SqlStatement statement = {0};
        bool has = false;
        if (!sql_splitter_next(splitter, &statement, &has, err))
            return false;
        if (!has)
            return !pass->wants_parts || read_last_trivia(pass, &statement, err);
        if (pass->hashes_tokens) {
            /* The mark keeps "a; b" apart from "a b": tokens carry their own lengths. */
            sql_hash_tokens(&pass->tokens, statement.text, &pass->plain);
            hash_add(&pass->tokens, STR("\n;"));
        }
        if (pass->wants_parts && !add_statement(pass, &statement, err))
            return false;
        if (pass->statements == UINT32_MAX)
            return error_set(err, ERROR_PARSE, "%s: too many statements", pass->script->path);
        pass->statements++;
        if (statement.has_copy_data) {
            Str piece;
            do {
                if (!sql_splitter_copy_data(splitter, &piece, err))
                    return false;
                if (pass->hashes_tokens)
                    hash_add(&pass->tokens, piece);
            } while (piece.len > 0);
        }
    }
}

static SqlSplitOptions split_of(const SqlSplitOptions *given, const ScriptSource *source)
{
    SqlSplitOptions split = *given;
    split.whole = source->text.whole.items;
    split.whole_count = source->text.whole.len;
    split.first_line = source->script->first_line;
    return split;
}

static bool walk_source(Pass *pass, ScriptSource *source, Error *err)
{
    scoped(SqlSplitter *, sql_splitter_freep) splitter = NULL;
    bool ok;
    if (source->is_at_end) {
        if (source->digest)
            byte_digest_add(source->digest, source->raw);
        SqlSplitOptions split = split_of(&pass->split, source);
        ok = sql_splitter_new_text(pass->room->scratch, &split, source->head, &splitter, err);
    } else {
        ok = sql_splitter_new(pass->room->scratch, &pass->split, (SqlSource){source_read, source},
                              &splitter, err);
    }
    return ok && walk(pass, splitter, err);
}

static bool has_modes(const SqlSplitOptions *split)
{
    return split->no_backslash_escapes || split->ansi_quotes || split->nonconforming_strings;
}

/* The token digest where the connection lexes in its own way: a second pass that does not. Text that cannot be split without that mode
 * is hashed as it is, which is as independent of the connection. */
static bool hash_plain_tokens(Pass *pass, Str checksum, Error *err)
{
    Pass plain = *pass;
    scoped(ScriptSource, source_done) source = {.reader = {.fd = -1}};
    Error split_error = {.arena = pass->room->scratch};
    plain.split = pass->plain;
    plain.wants_parts = false;
    plain.hashes_tokens = true;
    plain.statements = 0;
    hash_begin(&plain.tokens, HASH_SHA256);
    if (!source_open(&source, pass->room->scratch, pass->script, &plain.split, pass->room->buf,
                     PIECE_BYTES, err))
        return false;
    if (!walk_source(&plain, &source, &split_error)) {
        if (split_error.kind == ERROR_NOMEM)
            return error_nomem(err);
        if (split_error.kind != ERROR_PARSE)
            return error_set(err, split_error.kind, "%s", split_error.message);
        hash_begin(&plain.tokens, HASH_SHA256);
        hash_add(&plain.tokens, STR("bytes "));
        hash_add(&plain.tokens, checksum);
    }
    pass->tokens = plain.tokens;
    return true;
}

static bool is_hex_of(Str hex, const unsigned char *digest, size_t len)
{
    static const char digits[] = "0123456789abcdef";
    if (hex.len != len * 2)
        return false;
    for (size_t i = 0; i < len; i++)
        if (hex.ptr[2 * i] != digits[digest[i] >> 4] ||
            hex.ptr[2 * i + 1] != digits[digest[i] & 15])
            return false;
    return true;
}

/* Whether the bytes still are those that history knows; the text is not looked into, nor the file opened while it is as it
 * was when that was last found out. */
static bool is_as_known(ReadingRoom *room, const Script *script, const ScriptOptions *options,
                        bool *ret_is, bool *ret_demands, uint64_t *ret_size, Error *err)
{
    Str known = script->known->checksum;
    bool may_keep = room->cache && script->open_path && !script->form;
    DigestLook look = {0};
    const unsigned char *kept = room->known;
    size_t kept_len = kept ? room->known_len : room->cache ? room->cache->digest_len : 0;
    if (kept) {
        look.stamp.size_bytes = room->known_bytes;
        room->known = NULL;
    }
    if (kept || (may_keep && digest_cache_find(room->cache, script->open_path, &look, &kept))) {
        *ret_is = is_hex_of(known, kept, kept_len);
        *ret_demands = kept[kept_len] & KEPT_DEMANDS;
        *ret_size = look.stamp.size_bytes;
        return true;
    }
    scoped(ScriptSource, source_done) source = {.reader = {.fd = -1}};
    ByteDigest digest;
    byte_digest_begin(&digest, options);
    room->opened += script->open_path != NULL;
    if (!source_open(&source, room->scratch, script, &options->split, room->buf, PIECE_BYTES, err))
        return false;
    byte_digest_add(&digest, source.raw);
    look_for_demands(&digest, source.raw);
    while (!source.is_at_end) {
        size_t len = 0;
        if (!file_reader_read(&source.reader, room->buf, PIECE_BYTES, &len, err))
            return false;
        source.is_at_end = len == 0;
        byte_digest_add(&digest, (Str){room->buf, len});
        look_for_demands(&digest, (Str){room->buf, len});
    }
    byte_digest_flush(&digest);
    *ret_demands = digest.demands;
    *ret_size = digest.size_bytes;
    if (source.text.checksum.len > 0) {
        *ret_is = str_eq(source.text.checksum, known);
        return true;
    }
    unsigned char bytes[HASH_MAX_BYTES + 1];
    size_t len = hash_end(&digest.hash, bytes);
    FileStamp after;
    bytes[len] = digest.demands ? KEPT_DEMANDS : 0;
    if (may_keep && look.has_stamp && file_reader_stamp(&source.reader, &after) &&
        after.size_bytes == digest.size_bytes)
        digest_cache_add(room->cache, &look, &after, bytes);
    *ret_is = is_hex_of(known, bytes, len);
    return true;
}

static bool is_no_transaction_marker(Str head)
{
    return str_starts(head, STR("-- no-transaction"));
}

static bool keep_findings(Arena *arena, const ScriptText *text, ScriptForm *form, Error *err)
{
    StrVec kept = {0};
    if (!form)
        return true;
    for (size_t i = 0; i < text->other_checksums.len; i++) {
        Str copy;
        if (!str_copy(arena, text->other_checksums.items[i], &copy) ||
            !vec_push(arena, &kept, copy))
            return error_nomem(err);
    }
    form->other_checksums = kept;
    form->takes_any_checksum = text->takes_any_checksum;
    form->refusal_line = text->refusal_line;
    form->refusal = form->refusal_hint = NULL;
    if (text->refusal && !(form->refusal = str_z(arena, str_from(text->refusal))))
        return error_nomem(err);
    return !text->refusal_hint ||
           (form->refusal_hint = str_z(arena, str_from(text->refusal_hint))) || error_nomem(err);
}

bool reading_room_open(ReadingRoom *room, Error *err)
{
    *room = (ReadingRoom){.arena = arena_new(), .scratch = arena_new()};
    if (room->arena && room->scratch && (room->buf = arena_alloc(room->arena, PIECE_BYTES)))
        return true;
    reading_room_close(room);
    return error_nomem(err);
}

void reading_room_close(ReadingRoom *room)
{
    arena_freep(&room->arena);
    arena_freep(&room->scratch);
}

/* Its text can be had again at little cost. */
static bool is_short(const ScriptSource *source)
{
    return source->is_at_end ||
           (source->reader.size_bytes > 0 && source->reader.size_bytes <= SCRIPT_HELD_BYTES);
}

static bool is_same_part(const ScriptPart *a, const ScriptPart *b)
{
    return a->class == b->class && a->sets_session == b->sets_session &&
           a->has_copy == b->has_copy && a->first == b->first && a->count == b->count &&
           a->line == b->line && a->column == b->column && a->since == b->since &&
           a->directives == b->directives;
}

/* At their exact size. Most of thousands are a few plain statements: parts that are alike are kept once. */
static const ScriptPart *kept_parts(ReadingRoom *room, Arena *arena, const ScriptPart *parts,
                                    size_t count)
{
    const ScriptPart **place = count == 1 ? &room->alike[parts->count % ALIKE_PARTS] : NULL;
    if (place && *place && room->alike_in == arena && is_same_part(*place, parts))
        return *place;
    ScriptPart *kept = arena_alloc(arena, count * sizeof *kept);
    if (!kept)
        return NULL;
    memcpy(kept, parts, count * sizeof *kept);
    if (room->alike_in != arena)
        memset(room->alike, 0, sizeof room->alike);
    room->alike_in = arena;
    if (place)
        *place = kept;
    return kept;
}

bool script_read_in(ReadingRoom *room, Arena *arena, Script *script, const ScriptOptions *options,
                    bool wants_parts, Error *err)
{
    if (script->is_read && (script->has_parts || !wants_parts))
        return true;
    arena_reset(room->scratch);
    if (!wants_parts && script->known) {
        bool is_known = false, demands = true;
        uint64_t size_bytes = 0;
        if (!is_as_known(room, script, options, &is_known, &demands, &size_bytes, err))
            return false;
        script->is_undemanding = is_known && (!demands || !options->reads_directives);
        if (is_known) {
            script->checksum = script->known->checksum;
            script->tokens = script->known->tokens;
            script->size_bytes = size_bytes;
            script->is_read = true;
            return true;
        }
    }
    wants_parts = wants_parts || !options->only_hash;
    room->opened += script->open_path != NULL;
    /* The digests may be there from an earlier look, and lent by the history: then they stay, if the bytes are still the same. */
    bool keeps = script->is_read && (script->tokens.len > 0 || room->skips_tokens);
    Pass pass = {
        .arena = arena,
        .room = room,
        .script = script,
        .options = options,
        .split = options->split,
        .plain = {.dialect = options->split.dialect, .file = script->path},
        .wants_parts = wants_parts,
        .head = directives_none(),
    };
    pass.split.file = script->path;
    scoped(ScriptSource, source_done) source = {.reader = {.fd = -1}};
    ByteDigest digest;
    Str checksum, tokens = {0};
    byte_digest_begin(&digest, options);
    hash_begin(&pass.tokens, HASH_SHA256);
    if (!source_open(&source, room->scratch, script, &options->split, room->buf, PIECE_BYTES, err))
        return false;
    pass.head.no_transaction =
        source.text.no_transaction ||
        (options->reads_sqlx_marker && is_no_transaction_marker(source.head));
    bool finds_tokens = !keeps && !room->skips_tokens &&
                        !(room->leaves_tokens && script->is_new && is_short(&source));
    pass.hashes_tokens = finds_tokens && !has_modes(&options->split);
    digest.has_crc = true;
    source.digest = &digest;
    if (!walk_source(&pass, &source, err))
        return false;
    if (source.text.is_off) {
        pass.head.engines = (StrVec){0};
        if (!vec_push(arena, &pass.head.engines, STR("none")))
            return error_nomem(err);
    }
    byte_digest_flush(&digest);
    if (source.text.checksum.len > 0)
        checksum = source.text.checksum;
    else if (!hex_digest(room->scratch, &digest.hash, &checksum, err))
        return false;
    if (keeps && !str_eq(checksum, script->checksum)) {
        script->is_read = script->has_parts = script->is_undemanding = false;
        script->known = NULL;
        return script_read_in(room, arena, script, options, wants_parts, err);
    }
    if (!keep_findings(arena, &source.text, script->form, err))
        return false;
    if (!keeps) {
        if ((finds_tokens && !pass.hashes_tokens && !hash_plain_tokens(&pass, checksum, err)) ||
            (finds_tokens && !hex_digest(room->scratch, &pass.tokens, &tokens, err)))
            return false;
        if (!str_copy(arena, checksum, &checksum) || !str_copy(arena, tokens, &tokens))
            return error_nomem(err);
    }
    /* Grown in the scratch arena, kept at their exact size: most scripts have one part. */
    const Directives *head = directives_nothing();
    if (wants_parts && !keep_directives(arena, &pass.head, &head, err))
        return false;
    ScriptPartList parts = {.len = (uint32_t)pass.parts.len};
    if (parts.len > 0 && !(parts.items = kept_parts(room, arena, pass.parts.items, parts.len)))
        return error_nomem(err);
    if (!keeps) {
        script->known = NULL; /* what was found is the script's own now */
        script->checksum = checksum;
        script->tokens = tokens;
    }
    script->size_bytes = digest.size_bytes;
    script->is_read = true;
    if (wants_parts) {
        script->has_parts = true;
        script->crc = digest.crc;
        script->statements = pass.statements;
        script->parts = parts;
        script->head = head;
    }
    return true;
}

bool script_tokens(Arena *arena, const Script *script, Str text, const ScriptOptions *options,
                   Str *ret_tokens, Error *err)
{
    scoped(Arena *, arena_freep) scratch = arena_new();
    ReadingRoom room = {.arena = arena, .scratch = scratch}; /* no file, no buffer */
    ScriptForm form = script->form ? *script->form : (ScriptForm){0};
    Script held = {.path = script->path,
                   .text = text,
                   .size_bytes = text.len,
                   .form = script->form ? &form : NULL,
                   .first_line = script->first_line,
                   .head = directives_nothing()};
    ScriptOptions digests = *options;
    digests.only_hash = true;
    if (!scratch)
        return error_nomem(err);
    if (!script_read_in(&room, arena, &held, &digests, false, err))
        return false;
    *ret_tokens = held.tokens;
    return true;
}

static bool read_alone(Arena *arena, Script *script, const ScriptOptions *options, bool wants_parts,
                       Error *err)
{
    if (script->is_read && (script->has_parts || !wants_parts))
        return true;
    scoped(ReadingRoom, reading_room_close) room = {0};
    return reading_room_open(&room, err) &&
           script_read_in(&room, arena, script, options, wants_parts, err);
}

Script *script_new(Arena *arena, const FileTree *files, const char *path)
{
    Script *script = arena_alloc(arena, sizeof *script);
    if (!script)
        return NULL;
    *script = (Script){.path = path, .head = directives_nothing()};
    if (!files) {
        script->open_path = path;
    } else {
        if (!file_tree_read(files, arena, path, 0, &script->text, NULL))
            return NULL;
        script->size_bytes = script->text.len;
    }
    return script;
}

bool script_read(Arena *arena, Script *script, const ScriptOptions *options, Error *err)
{
    return read_alone(arena, script, options, false, err);
}

bool script_read_parts(Arena *arena, Script *script, const ScriptOptions *options, Error *err)
{
    return read_alone(arena, script, options, true, err);
}

bool script_text(Arena *arena, const Script *script, uint64_t limit_bytes, Str *ret_text,
                 Error *err)
{
    if (script->open_path)
        return file_read(arena, script->open_path, limit_bytes, ret_text, err);
    if (limit_bytes > 0 && script->text.len > limit_bytes)
        return error_set(err, ERROR_IO, "%s is longer than %llu bytes", script->path,
                         (unsigned long long)limit_bytes);
    *ret_text = script->text;
    return true;
}

bool script_text_within(Arena *arena, const Script *script, uint64_t limit_bytes, Str *ret_text,
                        bool *ret_has, Error *err)
{
    scoped(FileReader, file_reader_close) reader = {.fd = -1};
    *ret_has = false;
    if (!script->open_path) {
        *ret_has = script->text.len <= limit_bytes;
        *ret_text = *ret_has ? script->text : (Str){0};
        return true;
    }
    if (!file_reader_open_listed(&reader, script->open_path, err))
        return false;
    if (reader.size_bytes > limit_bytes)
        return true;
    /* Room for one byte more shows a file that grows, or whose size says nothing. */
    size_t cap = (size_t)reader.size_bytes + 1, len = 0, count = 0;
    char *buf = arena_alloc_raw(arena, cap);
    if (!buf)
        return error_nomem(err);
    do {
        if (!file_reader_read(&reader, buf + len, cap - len, &count, err))
            return false;
        len += count;
    } while (count > 0 && len < cap && len != reader.size_bytes);
    if (len == cap || reader.size_bytes == 0)
        return script_text(arena, script, limit_bytes, ret_text, err) && (*ret_has = true);
    *ret_text = (Str){buf, len};
    return *ret_has = true;
}

/* ---- cursors ------------------------------------------------------------------------------------------ */

static bool file_changed(const Script *script, Error *err)
{
    error_set(err, ERROR_STATE, "%s has changed since it was read", script->path);
    error_code(err, "file-changed");
    return error_hint(err, "Somebody is editing it, or it is being deployed. Run the command again "
                           "once it is settled.");
}

static bool is_as_read(const Script *script, uint32_t crc, uint64_t size_bytes)
{
    return !script->has_parts || (script->crc == crc && script->size_bytes == size_bytes);
}

bool script_open(Arena *arena, const Script *script, const SqlSplitOptions *split,
                 ScriptCursor *ret_cursor, Error *err)
{
    ScriptCursor cursor = {0};
    SqlSplitOptions options = *split;
    options.file = script->path;
    /* A file that was read is known to be short or long; another is tried as short. */
    size_t cap = script->is_read && script->size_bytes < SCRIPT_HELD_BYTES
                     ? (size_t)script->size_bytes + 1
                     : SCRIPT_HELD_BYTES + 1;
    bool is_buffered = script->open_path && !script->form;
    char *buf = is_buffered ? arena_alloc(arena, cap) : NULL;
    cursor.source = arena_alloc(arena, sizeof *cursor.source);
    if (!cursor.source || (is_buffered && !buf))
        return error_nomem(err);
    if (!source_open(cursor.source, arena, script, split, buf, cap, err))
        return false;
    bool is_held = cursor.source->is_at_end;
    bool ok;
    if (is_held) {
        Str text = cursor.source->head, raw = cursor.source->raw;
        file_reader_close(&cursor.source->reader);
        cursor.is_lasting = true;
        options = split_of(&options, cursor.source);
        ok = is_as_read(script, crc32_of(raw), raw.len)
                 ? sql_splitter_new_text(arena, &options, text, &cursor.splitter, err)
                 : file_changed(script, err);
    } else {
        ok = sql_splitter_new(arena, &options, (SqlSource){source_read, cursor.source},
                              &cursor.splitter, err);
    }
    if (!ok) {
        script_close(&cursor);
        return false;
    }
    *ret_cursor = cursor;
    return true;
}

bool script_next(ScriptCursor *cursor, SqlStatement *ret_statement, bool *ret_has, Error *err)
{
    if (!sql_splitter_next(cursor->splitter, ret_statement, ret_has, err))
        return false;
    if (*ret_has) {
        cursor->next++;
        return true;
    }
    ScriptSource *source = cursor->source;
    return cursor->is_lasting || is_as_read(source->script, source->crc, source->size_bytes) ||
           file_changed(source->script, err);
}

bool script_held(const ScriptCursor *cursor, Str *ret_text)
{
    if (!cursor->source || !cursor->is_lasting)
        return false;
    *ret_text = cursor->source->raw;
    return true;
}

void script_close(ScriptCursor *cursor)
{
    sql_splitter_freep(&cursor->splitter);
    if (cursor->source)
        source_done(cursor->source);
    cursor->source = NULL;
}

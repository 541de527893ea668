/* Reading scripts. SPDX-License-Identifier: Apache-2.0 */
#include "migration/migration.h"

#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct Fixture {
    Arena *arena;
    Error err;
    char folder[64];
    char file[96];
} Fixture;

static int setup(void **state)
{
    Fixture *f = calloc(1, sizeof *f);
    f->arena = arena_new();
    f->err.arena = f->arena;
    snprintf(f->folder, sizeof f->folder, "/tmp/whimbrel-script-XXXXXX");
    if (!mkdtemp(f->folder))
        return -1;
    snprintf(f->file, sizeof f->file, "%s/1_x.sql", f->folder);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    Fixture *f = *state;
    unlink(f->file);
    rmdir(f->folder);
    arena_free(f->arena);
    free(f);
    return 0;
}

static Script held(Str text)
{
    return (Script){.path = "1_x.sql", .text = text};
}

static ScriptOptions options_for(SqlDialect dialect)
{
    return (ScriptOptions){
        .split = {.dialect = dialect}, .checksum_hash = HASH_SHA256, .reads_directives = true};
}

static Script read_text(Fixture *f, SqlDialect dialect, const char *text)
{
    Script script = held(str_from(text));
    ScriptOptions options = options_for(dialect);
    if (!script_read(f->arena, &script, &options, &f->err))
        fail_msg("%s", f->err.message);
    return script;
}

static void write_file(Fixture *f, Str text)
{
    if (!file_write(f->arena, f->file, text, 0644, &f->err))
        fail_msg("%s", f->err.message);
}

static void a_checksum_is_of_the_bytes_and_tokens_are_not(void **state)
{
    Fixture *f = *state;
    Script plain = read_text(f, SQL_SQLITE, "CREATE TABLE t (a int);\nINSERT INTO t VALUES (1);\n");
    Script spaced =
        read_text(f, SQL_SQLITE,
                  "-- a note\r\nCREATE  TABLE t(a int) /* x */ ;\r\n\r\nINSERT INTO t VALUES (1)");
    Script bom = read_text(f, SQL_SQLITE,
                           "\xef\xbb\xbf"
                           "CREATE TABLE t (a int);\nINSERT INTO t VALUES (1);\n");
    Script other = read_text(f, SQL_SQLITE, "CREATE TABLE t (a int);\nINSERT INTO t VALUES (2);\n");
    Script literal =
        read_text(f, SQL_SQLITE, "CREATE TABLE t (a int);\nINSERT INTO t VALUES ('1  2');\n");
    Script literal2 =
        read_text(f, SQL_SQLITE, "CREATE TABLE t (a int);\nINSERT INTO t VALUES ('1 2');\n");
    Script joined = read_text(f, SQL_SQLITE, "CREATE TABLE t (a int) INSERT INTO t VALUES (1);\n");
    assert_int_equal(plain.checksum.len, 64);
    assert_int_equal(plain.tokens.len, 64);
    assert_false(str_eq(plain.checksum, spaced.checksum));
    assert_true(str_eq(plain.tokens, spaced.tokens));
    assert_false(str_eq(plain.checksum, bom.checksum));
    assert_true(str_eq(plain.tokens, bom.tokens));
    assert_false(str_eq(plain.tokens, other.tokens));
    assert_false(str_eq(literal.tokens, literal2.tokens));
    assert_false(str_eq(plain.tokens, joined.tokens));
    assert_int_equal(plain.statements, 2);
}

static void the_empty_script_has_its_digest(void **state)
{
    Fixture *f = *state;
    Script script = read_text(f, SQL_POSTGRES, "");
    assert_true(str_eq(script.checksum,
                       STR("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")));
    assert_int_equal(script.statements, 0);
    assert_int_equal(script.parts.len, 0);
    assert_true(script.is_read && script.has_parts);
}

static void a_file_and_held_text_read_alike_however_long(void **state)
{
    Fixture *f = *state;
    size_t counts[] = {1, 100, 30000};
    for (size_t n = 0; n < 3; n++) {
        StrBuf buf = strbuf(f->arena);
        Str text;
        for (size_t i = 0; i < counts[n]; i++)
            strbuf_addf(&buf, "INSERT INTO t VALUES (%zu, 'é €');\n", i);
        assert_true(strbuf_finish(&buf, &text));
        write_file(f, text);
        Script in_memory = held(text), on_disk = {.path = "shown", .open_path = f->file};
        ScriptOptions options = options_for(SQL_SQLITE);
        assert_true(script_read(f->arena, &in_memory, &options, &f->err));
        assert_true(script_read(f->arena, &on_disk, &options, &f->err));
        assert_true(str_eq(in_memory.checksum, on_disk.checksum));
        assert_true(str_eq(in_memory.tokens, on_disk.tokens));
        assert_int_equal(on_disk.statements, counts[n]);
        assert_int_equal(on_disk.parts.len, 1);
        assert_int_equal(on_disk.parts.items[0].count, counts[n]);
        assert_int_equal(on_disk.size_bytes, text.len);
        assert_int_equal(in_memory.crc, on_disk.crc);
    }
}

static void parts_follow_the_class_of_their_statements(void **state)
{
    Fixture *f = *state;
    Script script = read_text(f, SQL_POSTGRES,
                              "CREATE TABLE a (x int);\nINSERT INTO a VALUES (1);\n"
                              "CREATE INDEX CONCURRENTLY i ON a (x);\nVACUUM a;\n"
                              "SET search_path = x;\nSELECT 1;\n"
                              "BEGIN;\nSELECT 2;\nCOMMIT;\n");
    static const struct {
        PartClass class;
        uint32_t first, count, line;
        bool sets_session;
    } expected[] = {
        {PART_ORDINARY, 0, 2, 1, false}, {PART_LONE, 2, 2, 3, false},
        {PART_ORDINARY, 4, 2, 5, true},  {PART_BEGIN, 6, 1, 7, false},
        {PART_ORDINARY, 7, 1, 8, false}, {PART_COMMIT, 8, 1, 9, false},
    };
    assert_int_equal(script.parts.len, 6);
    for (size_t i = 0; i < 6; i++) {
        const ScriptPart *part = &script.parts.items[i];
        assert_int_equal(part->class, expected[i].class);
        assert_int_equal(part->first, expected[i].first);
        assert_int_equal(part->count, expected[i].count);
        assert_int_equal(part->line, expected[i].line);
        assert_int_equal(part->sets_session, expected[i].sets_session);
        assert_int_equal(part->column, 1);
    }
    Script mysql = read_text(
        f, SQL_MYSQL,
        "CREATE TABLE a (x int); ALTER TABLE a ADD y int;\nINSERT INTO a VALUES (1,2);\n");
    assert_int_equal(mysql.parts.len, 2);
    assert_int_equal(mysql.parts.items[0].class, PART_IMPLICIT_COMMIT);
    assert_int_equal(mysql.parts.items[0].count, 2);
    assert_int_equal(mysql.parts.items[1].class, PART_ORDINARY);
    Script value = read_text(f, SQL_POSTGRES, "ALTER TYPE mood ADD VALUE 'so-so';\nSELECT 1;\n");
    assert_int_equal(value.parts.len, 2);
    assert_int_equal(value.parts.items[0].class, PART_LONE);
}

static void directives_go_to_the_migration_or_to_their_statement(void **state)
{
    Fixture *f = *state;
    Script script =
        read_text(f, SQL_POSTGRES,
                  "-- whimbrel: lock-timeout=2s\n-- whimbrel: phase=expand\nSELECT 1;\nSELECT 2;\n"
                  "-- whimbrel: lock-timeout=9s\nSELECT 3;\nSELECT 4;\n-- whimbrel: "
                  "no-transaction\nSELECT 5;\n");
    assert_int_equal(script.head->lock_timeout_ms, 2000);
    assert_int_equal(script.head->phase, PHASE_EXPAND);
    assert_int_equal(script.parts.len, 4);
    assert_int_equal(script.parts.items[0].count, 2);
    assert_int_equal(script.parts.items[0].directives->lock_timeout_ms, -1);
    assert_int_equal(script.parts.items[1].first, 2);
    assert_int_equal(script.parts.items[1].count, 1);
    assert_int_equal(script.parts.items[1].directives->lock_timeout_ms, 9000);
    assert_int_equal(script.parts.items[2].directives->lock_timeout_ms, -1);
    assert_int_equal(script.parts.items[3].class, PART_LONE);
    assert_true(script.parts.items[3].directives->no_transaction);
}

static void directives_are_only_read_where_they_count(void **state)
{
    Fixture *f = *state;
    Script script = held(STR("-- whimbrel: nonsense\nSELECT 1;\n"));
    ScriptOptions options = options_for(SQL_POSTGRES);
    options.reads_directives = false;
    assert_true(script_read(f->arena, &script, &options, &f->err));
    options.reads_directives = true;
    Script again = held(STR("\nSELECT 1;\n-- whimbrel: nonsense\nSELECT 2;\n"));
    assert_false(script_read(f->arena, &again, &options, &f->err));
    assert_string_equal(f->err.code, "unknown-directive");
    assert_int_equal(f->err.pos.line, 3);
    assert_string_equal(f->err.pos.file, "1_x.sql");
    assert_false(again.is_read);
    error_clear(&f->err);
    Script behind = held(STR("SELECT 1;\n-- whimbrel: no-transaction\n"));
    assert_false(script_read(f->arena, &behind, &options, &f->err));
    assert_string_equal(f->err.code, "bad-directive");
    error_clear(&f->err);
    Script alone = held(STR("-- whimbrel: engine=sqlite\n"));
    assert_true(script_read(f->arena, &alone, &options, &f->err));
    assert_int_equal(alone.head->engines.len, 1);
}

static void the_marker_of_sqlx_is_the_very_first_bytes(void **state)
{
    Fixture *f = *state;
    static const struct {
        const char *text;
        bool counts;
    } cases[] = {
        {"-- no-transaction\nSELECT 1;", true},
        {"-- no-transactions are fine\nSELECT 1;", true},
        {"\n-- no-transaction\nSELECT 1;", false},
        {" -- no-transaction\nSELECT 1;", false},
        {"--no-transaction\nSELECT 1;", false},
        {"-- NO-TRANSACTION\nSELECT 1;", false},
        {"\xef\xbb\xbf-- no-transaction\nSELECT 1;", false},
        {"-- x\n-- no-transaction\nSELECT 1;", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        Script script = held(str_from(cases[i].text));
        ScriptOptions options = options_for(SQL_POSTGRES);
        options.reads_sqlx_marker = true;
        assert_true(script_read(f->arena, &script, &options, &f->err));
        if (script.head->no_transaction != cases[i].counts)
            fail_msg("%s", cases[i].text);
        Script ours = held(str_from(cases[i].text));
        options.reads_sqlx_marker = false;
        assert_true(script_read(f->arena, &ours, &options, &f->err));
        assert_false(ours.head->no_transaction);
    }
}

static void only_hash_leaves_parts_for_later(void **state)
{
    Fixture *f = *state;
    Script script = held(STR("-- whimbrel: nonsense\nSELECT 1;\n"));
    Script full = held(STR("SELECT 1;\n"));
    ScriptOptions options = options_for(SQL_POSTGRES);
    options.only_hash = true;
    assert_true(script_read(f->arena, &script, &options, &f->err));
    assert_true(script.is_read);
    assert_false(script.has_parts);
    assert_false(script_read_parts(f->arena, &script, &options, &f->err));
    assert_string_equal(f->err.code, "unknown-directive");
    assert_true(script_read_parts(f->arena, &full, &options, &f->err));
    assert_true(str_eq(script.tokens, full.tokens));
    assert_int_equal(full.parts.len, 1);
}

static void what_history_knows_is_not_looked_into(void **state)
{
    Fixture *f = *state;
    Str text = STR("SELECT 'unterminated\n");
    Script script = held(text);
    ScriptOptions options = options_for(SQL_POSTGRES);
    Hash hash;
    unsigned char digest[HASH_MAX_BYTES];
    hash_begin(&hash, HASH_SHA256);
    hash_add(&hash, text);
    size_t len = hash_end(&hash, digest);
    const HistoryRow known = {.checksum = str_from(hex_encode(f->arena, digest, len)),
                              .tokens = STR("as applied")};
    script.known = &known;
    assert_true(script_read(f->arena, &script, &options, &f->err));
    assert_true(str_eq(script.tokens, STR("as applied")));
    assert_false(script.has_parts);
    assert_int_equal(script.size_bytes, text.len);
    assert_false(script_read_parts(f->arena, &script, &options, &f->err));
    assert_int_equal(f->err.kind, ERROR_PARSE);
    error_clear(&f->err);
    Script changed = held(STR("SELECT 2;"));
    changed.known = &known;
    assert_true(script_read(f->arena, &changed, &options, &f->err));
    assert_false(str_eq(changed.tokens, STR("as applied")));
    assert_true(changed.has_parts);

    /* Its parts can still be read: the digests that history lends stay, unless the text is another by now. */
    Str good = STR("SELECT 1;");
    hash_begin(&hash, HASH_SHA256);
    hash_add(&hash, good);
    len = hash_end(&hash, digest);
    const HistoryRow row = {.checksum = str_from(hex_encode(f->arena, digest, len)),
                            .tokens = STR("as applied")};
    for (int is_edited = 0; is_edited < 2; is_edited++) {
        Script read = held(good);
        read.known = &row;
        assert_true(script_read(f->arena, &read, &options, &f->err));
        if (is_edited)
            read.text = STR("SELECT 1; SELECT 2;");
        assert_true(script_read_parts(f->arena, &read, &options, &f->err));
        assert_int_equal(read.statements, 1 + is_edited);
        assert_true(str_eq(read.tokens, STR("as applied")) == !is_edited);
        assert_true(str_eq(read.checksum, row.checksum) == !is_edited);
        assert_true((read.known == NULL) == (is_edited == 1));
        assert_int_equal(read.tokens.len, is_edited ? 64 : strlen("as applied"));
    }
}

static void errors_name_the_file_and_the_place(void **state)
{
    Fixture *f = *state;
    ScriptOptions options = options_for(SQL_POSTGRES);
    static const struct {
        const char *text;
        size_t len;
        uint32_t line;
    } cases[] = {
        {"SELECT 1;\nSELECT 'open;\n", 23, 2},
        {"SELECT 1;\nSELECT \0;\n", 20, 2},
        {"SELECT 1;\nSELECT '\xff';\n", 22, 2},
        {"SELECT 1;\n/* open\n", 18, 2},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        Script script = held((Str){cases[i].text, cases[i].len});
        assert_false(script_read(f->arena, &script, &options, &f->err));
        assert_int_equal(f->err.kind, ERROR_PARSE);
        assert_string_equal(f->err.pos.file, "1_x.sql");
        assert_int_equal(f->err.pos.line, cases[i].line);
        error_clear(&f->err);
    }
    Script absent = {.path = "shown.sql", .open_path = f->file};
    assert_false(script_read(f->arena, &absent, &options, &f->err));
    assert_int_equal(f->err.kind, ERROR_IO);
    assert_non_null(strstr(f->err.message, f->file));
}

static void tokens_do_not_depend_on_the_connection(void **state)
{
    Fixture *f = *state;
    /* A backslash ends the string or does not; statements are cut alike either way here. */
    const char *texts[] = {"INSERT INTO t VALUES ('a\\\\b');\nSELECT 2;\n", "SELECT \"a\";\n",
                           "SELECT 'x';\n"};
    for (size_t i = 0; i < 3; i++) {
        Script usual = held(str_from(texts[i])), strict = held(str_from(texts[i])),
               ansi = held(str_from(texts[i]));
        ScriptOptions options = options_for(SQL_MYSQL);
        assert_true(script_read(f->arena, &usual, &options, &f->err));
        options.split.no_backslash_escapes = true;
        assert_true(script_read(f->arena, &strict, &options, &f->err));
        options.split.ansi_quotes = true;
        assert_true(script_read(f->arena, &ansi, &options, &f->err));
        assert_true(str_eq(usual.tokens, strict.tokens));
        assert_true(str_eq(usual.tokens, ansi.tokens));
    }
    /* This can be split in one mode only; its digest is still one that notices changes. */
    Script one = held(STR("SELECT 'a\\';\n")), same = held(STR("SELECT 'a\\';\n")),
           two = held(STR("SELECT 'b\\';\n"));
    ScriptOptions options = options_for(SQL_MYSQL);
    assert_false(script_read(f->arena, &one, &options, &f->err));
    error_clear(&f->err);
    options.split.no_backslash_escapes = true;
    assert_true(script_read(f->arena, &one, &options, &f->err));
    assert_true(script_read(f->arena, &same, &options, &f->err));
    assert_true(script_read(f->arena, &two, &options, &f->err));
    assert_true(str_eq(one.tokens, same.tokens));
    assert_false(str_eq(one.tokens, two.tokens));
}

static void copy_data_counts_byte_by_byte(void **state)
{
    Fixture *f = *state;
    Script one = read_text(f, SQL_POSTGRES, "COPY t FROM STDIN;\n1\t2\n\\.\nSELECT 1;\n");
    Script spaced = read_text(f, SQL_POSTGRES, "COPY t FROM STDIN;\n1\t 2\n\\.\nSELECT 1;\n");
    assert_int_equal(one.statements, 2);
    assert_true(one.parts.items[0].has_copy);
    assert_false(str_eq(one.tokens, spaced.tokens));
}

static Str digest_without(Fixture *f, Str text, Str ignored, bool is_file)
{
    Script script = is_file ? (Script){.path = "x", .open_path = f->file} : held(text);
    ScriptOptions options = {
        .split = {.dialect = SQL_SQLITE}, .checksum_hash = HASH_SHA384, .ignored_chars = ignored};
    if (is_file)
        write_file(f, text);
    if (!script_read(f->arena, &script, &options, &f->err))
        fail_msg("%s", f->err.message);
    return script.checksum;
}

static void ignored_characters_are_left_out_of_the_checksum(void **state)
{
    Fixture *f = *state;
    Str a = STR("CREATE TABLE t (id INT);\nINSERT INTO t VALUES (1);\n");
    Str b = STR("CREATE TABLE t (id INT);\r\nINSERT INTO t VALUES (1);\r\n");
    Str c = STR("\xef\xbb\xbf"
                "CREATE TABLE t (id INT);\nINSERT INTO t VALUES (1);\n");
    Str all = STR(" \t\r\n\xef\xbb\xbf"), cr = STR("\r");
    Str stripped = STR("b92132713e38672aaa52b1728e5226f44f98eaa8da3e7dc6b5334071f4576c4a732cab66a37"
                       "29c883f92ba5b053a665a");
    Str of_a = STR("965dce94838e4642715cdfb5bd5e0e2e23c383acdb88931c5c0bfc5938523db58955cda193e198d"
                   "3676d54055fa61692");
    assert_true(str_eq(digest_without(f, a, (Str){0}, false), of_a));
    assert_true(str_eq(digest_without(f, a, all, false), stripped));
    assert_true(str_eq(digest_without(f, b, all, false), stripped));
    assert_true(str_eq(digest_without(f, c, all, false), stripped));
    assert_true(str_eq(digest_without(f, b, cr, false), of_a));
    /* Characters of three bytes that straddle the pieces in which a file is read. */
    StrBuf long_text = strbuf(f->arena), rest = strbuf(f->arena);
    Str with, without;
    strbuf_adds(&long_text, "--");
    strbuf_adds(&rest, "--");
    for (int i = 0; i < 100000; i++) {
        strbuf_adds(&long_text, "€x\xef\xbb\xbf");
        strbuf_adds(&rest, "x\xef\xbb\xbf");
    }
    strbuf_adds(&long_text, "\nSELECT 1;");
    strbuf_adds(&rest, "\nSELECT 1;");
    assert_true(strbuf_finish(&long_text, &with));
    assert_true(strbuf_finish(&rest, &without));
    assert_true(str_eq(digest_without(f, with, STR("€"), true),
                       digest_without(f, without, (Str){0}, true)));
}

static void a_cursor_walks_short_and_long_scripts(void **state)
{
    Fixture *f = *state;
    size_t counts[] = {3, 20000};
    for (size_t n = 0; n < 2; n++) {
        StrBuf buf = strbuf(f->arena);
        Str text;
        strbuf_adds(&buf, "\xef\xbb\xbf");
        for (size_t i = 0; i < counts[n]; i++)
            strbuf_addf(&buf, "INSERT INTO t VALUES (%zu);\n", i);
        assert_true(strbuf_finish(&buf, &text));
        write_file(f, text);
        Script script = {.path = "x", .open_path = f->file};
        ScriptOptions options = options_for(SQL_SQLITE);
        assert_true(script_read(f->arena, &script, &options, &f->err));
        scoped(ScriptCursor, script_close) cursor = {0};
        assert_true(script_open(f->arena, &script, &options.split, &cursor, &f->err));
        assert_int_equal(cursor.is_lasting, n == 0);
        for (size_t i = 0; i <= counts[n]; i++) {
            SqlStatement statement;
            bool has;
            char expected[64];
            assert_int_equal(cursor.next, i);
            if (!script_next(&cursor, &statement, &has, &f->err))
                fail_msg("%s", f->err.message);
            assert_int_equal(has, i < counts[n]);
            snprintf(expected, sizeof expected, "INSERT INTO t VALUES (%zu)", i);
            if (has)
                assert_true(str_eq(statement.text, str_from(expected)));
        }
        Str whole;
        assert_true(script_text(f->arena, &script, 0, &whole, &f->err));
        assert_true(str_eq(whole, text));
        assert_false(script_text(f->arena, &script, 10, &whole, &f->err));
        error_clear(&f->err);
    }
}

static void a_file_that_changes_under_way_is_noticed(void **state)
{
    Fixture *f = *state;
    size_t counts[] = {3, 20000};
    for (size_t n = 0; n < 2; n++) {
        StrBuf buf = strbuf(f->arena);
        Str text;
        for (size_t i = 0; i < counts[n]; i++)
            strbuf_addf(&buf, "INSERT INTO t VALUES (%zu);\n", i);
        assert_true(strbuf_finish(&buf, &text));
        write_file(f, text);
        Script script = {.path = "x", .open_path = f->file};
        ScriptOptions options = options_for(SQL_SQLITE);
        assert_true(script_read(f->arena, &script, &options, &f->err));
        buf.ptr[text.len - 4] ^= 1; /* the last number */
        write_file(f, text);
        scoped(ScriptCursor, script_close) cursor = {0};
        bool ok = script_open(f->arena, &script, &options.split, &cursor, &f->err);
        assert_int_equal(ok, n == 1);
        while (ok) {
            SqlStatement statement;
            bool has = false;
            ok = script_next(&cursor, &statement, &has, &f->err);
            assert_true(!ok || has);
        }
        assert_string_equal(f->err.code, "file-changed");
        error_clear(&f->err);
    }
}

/* Blanks out everything up to "-- up", and makes one statement of what stands between "<" and ">". */
static bool prepare_sections(const void *ctx, Arena *arena, const Script *script, Str text,
                             const SqlSplitOptions *split, ScriptText *ret_text, Error *err)
{
    (void)ctx;
    assert_int_equal(split->dialect, SQL_SQLITE);
    char *sql = str_z(arena, text);
    size_t from = str_find(text, STR("-- up"), 0);
    SqlRange range = {0};
    if (!sql)
        return error_nomem(err);
    if (from == SIZE_MAX) {
        error_set(err, ERROR_PARSE, "no section");
        return error_at(err, str_from(script->path), 1, 1);
    }
    for (size_t i = 0; i < text.len; i++) {
        if (i < from && sql[i] != '\n')
            sql[i] = ' ';
        if (sql[i] == '<')
            range.from = i + 1;
        if (sql[i] == '>')
            range.to = i;
        if (sql[i] == '<' || sql[i] == '>')
            sql[i] = ' ';
    }
    *ret_text = (ScriptText){.sql = {sql, text.len}, .no_transaction = true, .checksum = STR("ab")};
    if (!vec_push(arena, &ret_text->whole, range) ||
        !vec_push(arena, &ret_text->other_checksums, STR("cd")))
        return error_nomem(err);
    return true;
}

static void a_form_makes_the_script_out_of_its_file(void **state)
{
    Fixture *f = *state;
    ScriptForm form = {.prepare = prepare_sections};
    scoped(ScriptCursor, script_close) cursor = {0};
    SqlStatement statement;
    bool has = false;
    ScriptOptions options = options_for(SQL_SQLITE);
    write_file(
        f, STR("this is; no sql\n-- up\nSELECT 1;\n<\nSELECT 2; -- x\nSELECT 3;;\n>\nSELECT 4\n"));
    Script script = {.path = "x", .open_path = f->file, .form = &form};
    assert_true(script_read(f->arena, &script, &options, &f->err));
    assert_int_equal(script.statements, 3);
    assert_true(script.head->no_transaction);
    assert_true(str_eq(script.checksum, STR("ab")));
    assert_int_equal(form.other_checksums.len, 1);
    assert_true(script_open(f->arena, &script, &options.split, &cursor, &f->err));
    static const char *const texts[] = {"SELECT 1", "SELECT 2; -- x\nSELECT 3", "SELECT 4"};
    static const uint32_t lines[] = {3, 5, 8};
    for (size_t i = 0; i < 3; i++) {
        assert_true(script_next(&cursor, &statement, &has, &f->err) && has);
        if (!str_eq(statement.text, str_from(texts[i])))
            fail_msg("\"%.*s\"", STR_ARG(statement.text));
        assert_int_equal(statement.line, lines[i]);
    }
    assert_true(script_next(&cursor, &statement, &has, &f->err) && !has);
}

static void a_form_that_refuses_its_file_is_the_error(void **state)
{
    Fixture *f = *state;
    ScriptForm form = {.prepare = prepare_sections};
    ScriptOptions options = options_for(SQL_SQLITE);
    Script script = held(STR("SELECT 1;"));
    script.form = &form;
    assert_false(script_read(f->arena, &script, &options, &f->err));
    assert_int_equal(f->err.kind, ERROR_PARSE);
    assert_string_equal(f->err.message, "no section");
}

#ifdef WHIMBREL_FAULTS
static void any_lost_allocation_is_an_error(void **state)
{
    Fixture *f = *state;
    Str text = STR("-- whimbrel: allow=a,b\nCREATE TABLE a (x int);\nVACUUM;\n-- whimbrel: "
                   "lock-timeout=1s\nSELECT 1;\n");
    write_file(f, text);
    for (unsigned nth = 1;; nth++) {
        scoped(Arena *, arena_freep) arena = arena_new();
        scoped(ScriptCursor, script_close) cursor = {0};
        Error err = {.arena = f->arena};
        Script script = {.path = "x", .open_path = f->file};
        ScriptOptions options = options_for(SQL_POSTGRES);
        options.split.nonconforming_strings = true;
        fault_fail_allocation(nth);
        bool ok = script_read(arena, &script, &options, &err) &&
                  script_open(arena, &script, &options.split, &cursor, &err);
        bool fired = fault_fired();
        fault_fail_allocation(0);
        if (!fired) {
            assert_true(ok);
            assert_true(nth > 10);
            return;
        }
        assert_false(ok);
        assert_int_equal(err.kind, ERROR_NOMEM);
    }
}
#endif

UNIT_TESTS(script) = {
    cmocka_unit_test_setup_teardown(a_form_makes_the_script_out_of_its_file, setup, teardown),
    cmocka_unit_test_setup_teardown(a_form_that_refuses_its_file_is_the_error, setup, teardown),
    cmocka_unit_test_setup_teardown(a_checksum_is_of_the_bytes_and_tokens_are_not, setup, teardown),
    cmocka_unit_test_setup_teardown(the_empty_script_has_its_digest, setup, teardown),
    cmocka_unit_test_setup_teardown(a_file_and_held_text_read_alike_however_long, setup, teardown),
    cmocka_unit_test_setup_teardown(parts_follow_the_class_of_their_statements, setup, teardown),
    cmocka_unit_test_setup_teardown(directives_go_to_the_migration_or_to_their_statement, setup,
                                    teardown),
    cmocka_unit_test_setup_teardown(directives_are_only_read_where_they_count, setup, teardown),
    cmocka_unit_test_setup_teardown(the_marker_of_sqlx_is_the_very_first_bytes, setup, teardown),
    cmocka_unit_test_setup_teardown(only_hash_leaves_parts_for_later, setup, teardown),
    cmocka_unit_test_setup_teardown(what_history_knows_is_not_looked_into, setup, teardown),
    cmocka_unit_test_setup_teardown(errors_name_the_file_and_the_place, setup, teardown),
    cmocka_unit_test_setup_teardown(tokens_do_not_depend_on_the_connection, setup, teardown),
    cmocka_unit_test_setup_teardown(copy_data_counts_byte_by_byte, setup, teardown),
    cmocka_unit_test_setup_teardown(ignored_characters_are_left_out_of_the_checksum, setup,
                                    teardown),
    cmocka_unit_test_setup_teardown(a_cursor_walks_short_and_long_scripts, setup, teardown),
    cmocka_unit_test_setup_teardown(a_file_that_changes_under_way_is_noticed, setup, teardown),
#ifdef WHIMBREL_FAULTS
    cmocka_unit_test_setup_teardown(any_lost_allocation_is_an_error, setup, teardown),
#endif
};
UNIT_TESTS_END(script)

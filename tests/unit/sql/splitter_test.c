/* The splitter: what cases cannot say. SPDX-License-Identifier: Apache-2.0 */
#include "sql/sql.h"

#include "split_check.h"
#include "unit.h"

#include <stdlib.h>
#include <string.h>

static SqlSplitOptions options_of(SqlDialect dialect)
{
    return (SqlSplitOptions){.dialect = dialect, .file = "x.sql"};
}

/* Texts in which every construct of a dialect occurs. */
static const char postgres_text[] =
    "\xef\xbb\xbf-- caf\xc3\xa9\r\nSELECT 'a;''b', E'it\\'s;'\n  '\\';', $x$ ; $y$ $x$, "
    "\"q;\"\"\", U&'\\';\n"
    "/* a /* b; */ ; */ CREATE FUNCTION f() BEGIN ATOMIC SELECT 1; SELECT CASE WHEN a THEN 1 END "
    "AS end; END;\n"
    "CREATE RULE r AS ON INSERT TO t DO (SELECT 1; SELECT 2);;\n"
    "COPY t FROM stdin; SELECT 5; -- rest\n1\tx;'\n\\.x\n\\.\nSELECT 1\\; SELECT 2;\n"
    "COPY t FROM stdin;\r\n1\r\n\\.\r\nSELECT 1 \\g\n\\restrict abc\nSELECT $1$a$ ; $a$::int, a$b$ "
    "\xf0\x9f\x90\xa6;\n"
    "SET standard_conforming_strings = off; SELECT 'a\\';b', B'\\'; RESET ALL; SELECT 'a\\'; -- "
    "end";
static const char mysql_text[] =
    "/*!999999\\- enable the sandbox mode */ \n-- c\n--c\n# it's\nSELECT 'a\\';', \"b\\\";\", "
    "`c;``d`, 5--1, \\N;\n"
    "/*!40101 SET @s=@@sql_mode, sql_mode='ANSI_QUOTES,NO_BACKSLASH_ESCAPES' */;\nSELECT \"a\\\", "
    "'b\\';\n"
    "SET sql_mode=@s;\nSELECT 'a\\';';\nuse db -- why\nDELIMITER $$\nCREATE PROCEDURE p() BEGIN "
    "SELECT 1; END$$\n"
    "SELECT 'a$$b' /* $$ */ $$\ndelimiter ;\nCREATE DEFINER=`a`@`b` TRIGGER t BEFORE INSERT ON x "
    "FOR EACH ROW BEGIN\n"
    "  DECLARE EXIT HANDLER FOR NOT FOUND BEGIN END;\n  IF (NEW.a > 1) THEN SET NEW.a = IF(1, 2, "
    "3); END IF;\n"
    "  l: LOOP LEAVE l; END LOOP; CASE a WHEN 1 THEN SET b = CASE 1 WHEN 1 THEN 2 END; END CASE;\n"
    "  REPEAT SET c = REPEAT('a', 2); UNTIL x END REPEAT; SELECT begin, end FROM t WHERE end > 1; "
    "END;\n"
    "SELECT _binary '\xff\xfe;'\\G\nSELECT 1\\g SELECT 2";
static const char sqlite_text[] = "CREATE TABLE [a;b] (\"c;\", `d;`, 'e;');\nCREATE TEMP TRIGGER g "
                                  "AFTER INSERT ON t WHEN CASE WHEN 1 THEN 1 END BEGIN\n"
                                  "  UPDATE t SET a = CASE 1 WHEN 1 THEN 2 END; SELECT new.end, 1 "
                                  "AS end; -- x;\nEND;\nSELECT 'a\\'; BEGIN; END; /* open; ";

static void a_stream_gives_what_the_text_gives(void **state)
{
    (void)state;
    static const struct {
        SqlDialect dialect;
        Str text;
    } texts[] = {
        {SQL_POSTGRES, {postgres_text, sizeof postgres_text - 1}},
        {SQL_MYSQL, {mysql_text, sizeof mysql_text - 1}},
        {SQL_SQLITE, {sqlite_text, sizeof sqlite_text - 1}},
    };
    static const size_t sizes[] = {1, 2, 3, 7, 64, 0};

    for (size_t t = 0; t < sizeof texts / sizeof *texts; t++) {
        SqlSplitOptions options = options_of(texts[t].dialect);
        SqlStatementVec statements;
        scoped(Arena *, arena_freep) arena = arena_new();
        Error err = {.arena = arena};
        if (!sql_split(arena, &options, texts[t].text, &statements, &err))
            fail_msg("%u:%u: %s", err.pos.line, err.pos.column, err.message);
        assert_true(statements.len >= 5);
        /* every text cut off at every byte, too: errors have to agree as well */
        for (size_t len = 0; len <= texts[t].text.len; len++) {
            for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
                const char *wrong = split_check(&options, str_sub(texts[t].text, 0, len), sizes[i]);
                if (wrong)
                    fail_msg("text %zu, %zu bytes, read by %zu: %s", t, len, sizes[i], wrong);
            }
        }
    }
}

/* What is split through buffers of any size must not depend on where they end. */
static void quotes_may_lie_across_any_buffer(void **state)
{
    (void)state;
    scoped(Arena *, arena_freep) arena = arena_new();
    static const size_t lengths[] = {65530, 65536, 131070, 131072, 131080, 400000};

    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        StrBuf text = strbuf(arena);
        strbuf_add(&text, STR("SELECT 1; SELECT $tag$"));
        strbuf_add_repeat(&text, '$', lengths[i]);
        strbuf_add(&text, STR("tag$; /* "));
        strbuf_add_repeat(&text, '*', lengths[i]);
        strbuf_add(&text, STR("/ SELECT '"));
        strbuf_add_repeat(&text, '\'', lengths[i] / 2 * 2);
        strbuf_add(&text, STR("\xf0\x9f\x90\xa6'; COPY t FROM stdin;\n"));
        strbuf_add_repeat(&text, 'x', lengths[i]);
        strbuf_add(&text, STR("\n\\.\nSELECT 2;"));
        Str whole;
        assert_true(strbuf_finish(&text, &whole));
        SqlSplitOptions options = options_of(SQL_POSTGRES);
        const char *wrong = split_check(&options, whole, 0);
        if (!wrong)
            wrong = split_check(&options, whole, 4099);
        if (wrong)
            fail_msg("%zu: %s", lengths[i], wrong);
    }
}

/* Splits a stream and counts; the error, if any, is in err. */
static size_t count_streamed(Arena *arena, SqlSplitter *splitter, size_t *ret_largest, Error *err)
{
    SqlStatement statement;
    size_t count = 0;
    bool has;

    (void)arena;
    *ret_largest = 0;
    while (sql_splitter_next(splitter, &statement, &has, err) && has) {
        count++;
        if (statement.text.len > *ret_largest)
            *ret_largest = statement.text.len;
    }
    return count;
}

static void memory_holds_one_statement_whatever_the_length_of_the_text(void **state)
{
    (void)state;
    scoped(Arena *, arena_freep) arena = arena_new();
    StrBuf text = strbuf(arena);
    for (size_t i = 0; i < 200000; i++)
        strbuf_addf(&text, "INSERT INTO t VALUES (%zu, 'some text');\n", i);
    Str whole;
    assert_true(strbuf_finish(&text, &whole));
    PieceSource source = {.text = whole};
    SqlSplitOptions options = options_of(SQL_POSTGRES);
    Error err = {.arena = arena};
    scoped(SqlSplitter *, sql_splitter_freep) splitter = NULL;
    size_t before = arena_used(arena), largest;
    assert_true(sql_splitter_new(arena, &options, (SqlSource){piece_source_read, &source},
                                 &splitter, &err));
    assert_int_equal(count_streamed(arena, splitter, &largest, &err), 200000);
    assert_int_equal(err.kind, ERROR_NONE);
    /* Its own buffers are not in this arena; that they do not grow shows in what a read can give. */
    assert_true(arena_used(arena) - before < 16384);
    assert_true(source.reads <= whole.len / 65536 + 3);
}

/* Twice the text, about twice the reads, whatever is in it: nothing is gone over again. */
static void the_number_of_reads_grows_with_the_bytes(void **state)
{
    (void)state;
    static const char *const units[] = {"SELECT 1; ", "'",      "/* ",       "$a$ $b$ ", "((((",
                                        "\n\n",       "-- x\n", "$aaaaaaaa", "\\; "};
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        size_t reads[2];
        for (size_t k = 0; k < 2; k++) {
            scoped(Arena *, arena_freep) arena = arena_new();
            StrBuf text = strbuf(arena);
            for (size_t n = 0; n < 200000u << k; n++)
                strbuf_adds(&text, units[i]);
            Str whole;
            assert_true(strbuf_finish(&text, &whole));
            PieceSource source = {.text = whole};
            SqlSplitOptions options = options_of(SQL_POSTGRES);
            Error err = {.arena = arena};
            size_t largest;
            scoped(SqlSplitter *, sql_splitter_freep) splitter = NULL;
            assert_true(sql_splitter_new(arena, &options, (SqlSource){piece_source_read, &source},
                                         &splitter, &err));
            count_streamed(arena, splitter, &largest, &err);
            reads[k] = source.reads;
        }
        assert_true(reads[1] <= 2 * reads[0] + 2);
    }
}

static void a_statement_that_is_too_long_is_told_at_its_start(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "SELECT 1;\n  SELECT "
        "'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
        "SELECT 1;\n  SELECT a, a, a, a, a, a, a, a, a, a, a, a, a, a, a, a, a, a, a, a, a, a, a, "
        "a, a, a, a, a;",
    };
    for (size_t i = 0; i < 2; i++) {
        for (size_t read_size = 0; read_size < 9; read_size += 4) {
            scoped(Arena *, arena_freep) arena = arena_new();
            PieceSource source = {.text = str_from(texts[i]), .read_size = read_size};
            SqlSplitOptions options = options_of(SQL_POSTGRES);
            options.max_statement_bytes = 20;
            Error err = {.arena = arena};
            size_t largest;
            scoped(SqlSplitter *, sql_splitter_freep) splitter = NULL;
            assert_true(sql_splitter_new(arena, &options, (SqlSource){piece_source_read, &source},
                                         &splitter, &err));
            assert_int_equal(count_streamed(arena, splitter, &largest, &err), 1);
            assert_int_equal(err.kind, ERROR_PARSE);
            assert_string_equal(err.code, "statement-too-long");
            assert_int_equal(err.pos.line, 2);
            assert_int_equal(err.pos.column, 3);
        }
    }
}

static void after_an_error_there_is_no_more(void **state)
{
    (void)state;
    scoped(Arena *, arena_freep) arena = arena_new();
    SqlSplitOptions options = options_of(SQL_SQLITE);
    Error err = {.arena = arena};
    SqlStatement statement;
    bool has;
    scoped(SqlSplitter *, sql_splitter_freep) splitter = NULL;
    assert_true(sql_splitter_new_text(arena, &options, STR("SELECT 'a"), &splitter, &err));
    assert_false(sql_splitter_next(splitter, &statement, &has, &err));
    assert_string_equal(err.code, "unterminated");
    error_clear(&err);
    assert_false(sql_splitter_next(splitter, &statement, &has, &err));
    assert_int_equal(err.kind, ERROR_PARSE);
    /* nobody has to want the error */
    scoped(SqlSplitter *, sql_splitter_freep) other = NULL;
    assert_true(sql_splitter_new_text(arena, &options, STR("SELECT 'a"), &other, NULL));
    assert_false(sql_splitter_next(other, &statement, &has, NULL));
}

static bool fail_to_read(void *ctx, char *buf, size_t cap, size_t *ret_len, Error *err)
{
    size_t *calls = ctx;
    if ((*calls)++ > 0)
        return error_set(err, ERROR_IO, "the disk is gone");
    const char *text = "SELECT 1; SELECT 'a";
    size_t len = strlen(text);
    assert_true(cap >= len);
    memcpy(buf, text, len);
    *ret_len = len;
    return true;
}

static void a_failing_source_is_the_error(void **state)
{
    (void)state;
    scoped(Arena *, arena_freep) arena = arena_new();
    SqlSplitOptions options = options_of(SQL_POSTGRES);
    Error err = {.arena = arena};
    size_t calls = 0, largest;
    scoped(SqlSplitter *, sql_splitter_freep) splitter = NULL;
    assert_true(
        sql_splitter_new(arena, &options, (SqlSource){fail_to_read, &calls}, &splitter, &err));
    assert_int_equal(count_streamed(arena, splitter, &largest, &err), 1);
    assert_int_equal(err.kind, ERROR_IO);
    assert_string_equal(err.message, "the disk is gone");
}

/* Statements of random fragments: whatever comes, the pieces make up the text. */
static void random_texts_are_never_lost(void **state)
{
    (void)state;
    static const char *const fragments[] = {
        "SELECT ",
        "1",
        ";",
        ";\n",
        "'",
        "\"",
        "`",
        "[",
        "]",
        "$$",
        "$a$",
        "/*",
        "*/",
        "--",
        "-- ",
        "#",
        "\n",
        "\r\n",
        " ",
        "\t",
        "\\",
        "\\;",
        "\\g",
        "(",
        ")",
        "CREATE ",
        "FUNCTION ",
        "TRIGGER ",
        "PROCEDURE ",
        "BEGIN ",
        "ATOMIC ",
        "END",
        "END ",
        "CASE ",
        "IF ",
        "IF(",
        ",",
        "LOOP ",
        "WHILE ",
        "REPEAT ",
        "FOR ",
        "THEN ",
        "DELIMITER //\n",
        "//",
        "DELIMITER ;\n",
        "COPY t FROM stdin;",
        "\\.\n",
        "E'",
        "\xc3\xa9",
        "\xff",
        "/*!",
        "/*+",
        "SET sql_mode='ANSI';",
        "SET standard_conforming_strings=off;",
        "use x\n",
        "go\n",
        "/\n",
        ".",
        ":",
        "AS ",
        "DEFINER=",
        "@",
    };
    uint64_t seed = 42;
    for (size_t round = 0; round < 20000; round++) {
        char text[256];
        size_t len = 0;
        for (size_t n = 0; n < 24; n++) {
            seed = seed * 6364136223846793005u + 1442695040888963407u;
            const char *fragment = fragments[(seed >> 33) % (sizeof fragments / sizeof *fragments)];
            size_t add = strlen(fragment);
            if (len + add > sizeof text)
                break;
            memcpy(text + len, fragment, add);
            len += add;
        }
        SqlSplitOptions options = options_of((SqlDialect)(round % 3));
        const char *wrong = split_check(&options, (Str){text, len}, 1 + round % 5);
        if (wrong)
            fail_msg("%.*s: %s", (int)len, text, wrong);
    }
}

#ifdef WHIMBREL_FAULTS
static void split_both_ways(Str text, SqlDialect dialect, unsigned nth, bool *ret_fired)
{
    scoped(Arena *, arena_freep) errors = arena_new();
    Error err = {.arena = errors};
    SqlSplitOptions options = options_of(dialect);
    SqlStatementVec statements;
    for (int is_stream = 0; is_stream < 2; is_stream++) {
        PieceSource source = {.text = text, .read_size = 1000};
        fault_fail_allocation(nth);
        scoped(Arena *, arena_freep) arena = arena_new();
        scoped(SqlSplitter *, sql_splitter_freep) splitter = NULL;
        bool ok = arena != NULL;
        if (!ok)
            error_nomem(&err);
        else if (!is_stream)
            ok = sql_split(arena, &options, text, &statements, &err);
        else
            ok = sql_splitter_new(arena, &options, (SqlSource){piece_source_read, &source},
                                  &splitter, &err);
        bool has = ok && is_stream;
        while (ok && has) {
            SqlStatement statement;
            ok = sql_splitter_next(splitter, &statement, &has, &err);
        }
        *ret_fired |= fault_fired();
        assert_int_equal(ok, !fault_fired());
        if (!ok)
            assert_int_equal(err.kind, ERROR_NOMEM);
        fault_fail_allocation(0);
        error_clear(&err);
    }
}

static void splitting_survives_the_loss_of_any_allocation(void **state)
{
    (void)state;
    scoped(Arena *, arena_freep) arena = arena_new();
    StrBuf large = strbuf(arena);
    strbuf_add(&large, (Str){postgres_text, sizeof postgres_text - 1});
    strbuf_add(&large, STR("\nSELECT '"));
    strbuf_add_repeat(&large, 'x', 300000);
    strbuf_add(&large, STR("';"));
    for (unsigned nth = 1;; nth++) {
        bool has_fired = false;
        split_both_ways(strbuf_str(&large), SQL_POSTGRES, nth, &has_fired);
        if (!has_fired)
            return;
        assert_true(nth < 1000);
    }
}

/* An error that cannot be told in full is still that error. */
static void errors_survive_the_loss_of_any_allocation(void **state)
{
    (void)state;
    for (unsigned nth = 1;; nth++) {
        scoped(Arena *, arena_freep) arena = arena_new();
        SqlSplitOptions options = options_of(SQL_POSTGRES);
        Error err = {.arena = arena};
        SqlStatementVec statements;
        fault_fail_allocation(nth);
        assert_false(sql_split(arena, &options, STR("SELECT 1; \\gexec"), &statements, &err));
        bool has_fired = fault_fired();
        fault_fail_allocation(0);
        assert_true(err.message);
        if (!has_fired) {
            assert_int_equal(err.kind, ERROR_PARSE);
            return;
        }
        assert_true(err.kind == ERROR_NOMEM || err.kind == ERROR_PARSE);
    }
}
#endif

UNIT_TESTS(splitter) = {
    cmocka_unit_test(a_stream_gives_what_the_text_gives),
    cmocka_unit_test(quotes_may_lie_across_any_buffer),
    cmocka_unit_test(memory_holds_one_statement_whatever_the_length_of_the_text),
    cmocka_unit_test(the_number_of_reads_grows_with_the_bytes),
    cmocka_unit_test(a_statement_that_is_too_long_is_told_at_its_start),
    cmocka_unit_test(after_an_error_there_is_no_more),
    cmocka_unit_test(a_failing_source_is_the_error),
    cmocka_unit_test(random_texts_are_never_lost),
#ifdef WHIMBREL_FAULTS
    cmocka_unit_test(splitting_survives_the_loss_of_any_allocation),
    cmocka_unit_test(errors_survive_the_loss_of_any_allocation),
#endif
};
UNIT_TESTS_END(splitter)

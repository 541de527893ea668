/* Migrations in Ruby and PHP, and dumps of a schema, read without running anything. SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include <string.h>

#include "convention/php.h"
#include "convention/ruby.h"

enum { MOST_CALLS = 4 };

/* A file, and what comes of it. up, down: NULL-terminated; NULL as the first: there is no such way. "!": refused at the line. */
typedef struct Case {
    const char *text;
    const char *up[MOST_CALLS], *down[MOST_CALLS];
    uint32_t up_line, down_line;
    bool no_transaction;
} Case;

static void check_way(const Case *c, const HostWay *way, const char *const *expected, uint32_t line)
{
    bool is_refused = expected[0] && strcmp(expected[0], "!") == 0;
    if ((way->refusal != NULL) != is_refused || way->is_there != (expected[0] != NULL))
        fail_msg("%s\nis there: %d, refusal: %s", c->text, way->is_there,
                 way->refusal ? way->refusal : "none");
    assert_int_equal(way->no_transaction, c->no_transaction);
    if (is_refused) {
        if (way->refusal_line != line)
            fail_msg("%s\nrefused at line %u: %s", c->text, way->refusal_line, way->refusal);
        return;
    }
    size_t count = 0;
    while (expected[0] && count < MOST_CALLS && expected[count])
        count++;
    if (expected[0] && strcmp(expected[0], "") == 0)
        count = 0;
    assert_int_equal(way->calls.len, count);
    for (size_t i = 0; i < count; i++)
        if (!str_eq(way->calls.items[i].text, str_from(expected[i])))
            fail_msg("%s\ngives: %.*s", c->text, STR_ARG(way->calls.items[i].text));
}

static void check(const Case *cases, size_t count, bool is_ruby)
{
    for (size_t i = 0; i < count; i++) {
        scoped(Arena *, arena_freep) arena = arena_new();
        Error err = {.arena = arena};
        RubyMigration ruby = {0};
        HostFile file = {0};
        Str text = str_from(cases[i].text);
        assert_true(is_ruby ? ruby_migration(arena, text, &ruby, &err)
                            : php_migration(arena, SQL_POSTGRES, text, &file, &err));
        if (is_ruby)
            file = ruby.file;
        check_way(&cases[i], &file.up, cases[i].up, cases[i].up_line);
        check_way(&cases[i], &file.down, cases[i].down, cases[i].down_line);
    }
}

#define CLASS "class A < ActiveRecord::Migration[7.1]\n"

static void ruby_that_only_executes_literal_sql_runs(void **state)
{
    (void)state;
    static const Case cases[] = {
        {CLASS "def up\nexecute 'A'\nexecute(\"B\\n\")\nend\ndef down\nend\nend\n",
         {"A", "B\n"},
         {""}},
        {"\xef\xbb\xbf# frozen_string_literal: true\n=begin\ndef x\n=end\n" CLASS
         "disable_ddl_transaction!\ndef self.up; execute %q(A (b)); end\nend\n__END__\nx",
         {"A (b)"},
         {NULL},
         .no_transaction = true},
        {CLASS
         "  def up\n    execute <<~SQL\n      A\n        b\\n\n\n      c\n    SQL\n  end\nend\n",
         {"A\n  b\n\n\nc\n"},
         {NULL}},
        {CLASS "def up\nexecute(<<-'SQL'.squish)\n A\n\t\\n #{b}\n SQL\nexecute <<SQL + "
               "'B'\nx\nSQL\nend\nend",
         {"A \\n #{b}", "x\nB"},
         {NULL}},
        {CLASS "def change\nexecute 'A' \\\n 'B'\nend\nend\n", {"AB"}, {NULL}},
        {CLASS
         "def change\nreversible do |d|\nd.up { execute 'A' }\nd.down do\nexecute 'B'\nend\nend\n"
         "reversible do |d|\nd.down { execute 'C' }\nend\nup_only { execute 'D' }\nend\nend\n",
         {"A", "D"},
         {"C", "B"}},
        {CLASS "SQL = <<~SQL.freeze\n A\nSQL\ndef up\nconnection.execute SQL\n"
               "ActiveRecord::Base.connection.execute('B'); say 'x', true\n"
               "say_with_time('y') { safety_assured { execute 'C' } }\nend\n"
               "def down\nraise ActiveRecord::IrreversibleMigration, 'no'\nend\nend\n",
         {"A\n", "B", "C"},
         {NULL}},
    };
    check(cases, sizeof cases / sizeof *cases, true);
}

static void ruby_that_does_more_is_refused_by_line(void **state)
{
    (void)state;
    static const Case cases[] = {
        {CLASS "def change\ncreate_table :a do |t|\nt.string :b\nend\nend\nend\n",
         {"!"},
         {"!"},
         .up_line = 3,
         .down_line = 3},
        {CLASS "def up\nexecute \"A #{b}\"\nend\ndef down\nexecute 'B'\nend\nend\n",
         {"!"},
         {"B"},
         .up_line = 3},
        {CLASS "def up\nexecute 'A' if b\nend\ndef down\nexecute 'B'\ndrop_table :b\nend\nend\n",
         {"!"},
         {"!"},
         .up_line = 3,
         .down_line = 7},
        {CLASS "def up\nexecute 'A'\nend\ndef execute(sql)\nend\nend\n",
         {"!"},
         {"!"},
         .up_line = 5,
         .down_line = 5},
        {CLASS "include Foo\ndef up\nexecute 'A'\nend\nend\n",
         {"!"},
         {"!"},
         .up_line = 2,
         .down_line = 2},
        {"class A < Base\ndef up\nend\nend\n", {"!"}, {"!"}, .up_line = 1, .down_line = 1},
        {CLASS "def up\nexecute <<~SQL\n  A\nend\nend\n", {"!"}, {NULL}, .up_line = 4},
        {CLASS "def up\nexecute 'A', 'B'\nend\nend\n", {"!"}, {NULL}, .up_line = 3},
        {CLASS "def up\n[1].each { execute 'A' }\nend\nend\n", {"!"}, {NULL}, .up_line = 3},
        {CLASS "def up\nexecute \"\\u0041\"\nend\nend\n", {"!"}, {NULL}, .up_line = 3},
        {"x = 1\n" CLASS "def up\nend\nend\n", {"!"}, {"!"}, .up_line = 1, .down_line = 1},
        {"", {"!"}, {"!"}, .up_line = 1, .down_line = 1},
    };
    check(cases, sizeof cases / sizeof *cases, true);
}

#define PHP "<?php\nuse Illuminate\\Support\\Facades\\DB;\nreturn new class extends Migration {\n"

static void php_that_only_hands_over_literal_sql_runs(void **state)
{
    (void)state;
    static const Case cases[] = {
        {PHP "public function up(): void { DB::statement('A\\'\\n' . \"B\\n\"); "
             "\\DB::unprepared('C?',); }\n"
             "public function down() { }\n};\n",
         {"A'\\nB\n", "C?"},
         {""}},
        {PHP "public bool $withinTransaction = false;\npublic function up() "
             "{\nDB::unprepared(<<<'SQL'\n"
             "    A;\n      $b;\n    SQL);\nDB::statement(<<<X\nC \\$d\nX);\n}\n};\n",
         {"A;\n  $b;", "C $d"},
         {NULL},
         .no_transaction = true},
        {"<?php\n// x\n# y\n/* z */\ndeclare(strict_types=1);\n\nclass A extends "
         "\\Illuminate\\Database\\Migrations\\Migration\n{\n/** doc */\nprotected $connection = "
         "null;\n"
         "private const X = ['a' => \"}\"];\nprivate function helper() { return \"}\"; }\n"
         "public function up()\n{\nIlluminate\\Support\\Facades\\DB::statement('A');\n}\n"
         "public function down()\n{\nthrow new \\Exception('no');\n}\n}\n",
         {"A"},
         {NULL}},
    };
    check(cases, sizeof cases / sizeof *cases, false);
}

static void php_that_does_more_is_refused_by_line(void **state)
{
    (void)state;
    static const Case cases[] = {
        {PHP "public function up()\n{\nSchema::create('a', function ($t) { $t->id(); });\n}\n"
             "public function down() { DB::statement('A'); }\n};\n",
         {"!"},
         {"A"},
         .up_line = 6},
        {PHP "public function up() { DB::statement(\"A $b\"); }\n};\n",
         {"!"},
         {NULL},
         .up_line = 4},
        {PHP "public function up() { DB::statement('A ?', [1]); }\n};\n",
         {"!"},
         {NULL},
         .up_line = 4},
        {PHP "public function up() { DB::statement('A ?'); }\n};\n", {"!"}, {NULL}, .up_line = 4},
        {PHP "public function up() { if (true) { DB::statement('A'); } }\n};\n",
         {"!"},
         {NULL},
         .up_line = 4},
        {PHP "public function up() { DB::table('a')->insert([]); }\n};\n",
         {"!"},
         {NULL},
         .up_line = 4},
        {PHP "protected $connection = 'b';\npublic function up() { DB::statement('A'); }\n};\n",
         {"!"},
         {"!"},
         .up_line = 4,
         .down_line = 4},
        {PHP "public function shouldRun(): bool { return false; }\npublic function up() { }\n};\n",
         {"!"},
         {"!"},
         .up_line = 4,
         .down_line = 4},
        {"<?php\nuse App\\DB;\nreturn new class extends Migration {\n"
         "public function up() { DB::statement('A'); }\n};\n",
         {"!"},
         {NULL},
         .up_line = 4},
        {"<?php\necho 1;\n", {"!"}, {"!"}, .up_line = 2, .down_line = 2},
    };
    check(cases, sizeof cases / sizeof *cases, false);
}

static void dumps_lose_their_history_and_tell_its_rows(void **state)
{
    (void)state;
    static const char *const tables[] = {"migrations", "extra", NULL};
    static const char text[] =
        "SET search_path = x;\n"
        "CREATE TABLE public.migrations (id int);\n"
        "CREATE SEQUENCE public.migrations_id_seq;\n"
        "ALTER TABLE ONLY public.migrations ADD CONSTRAINT migrations_pkey PRIMARY KEY (id);\n"
        "CREATE UNIQUE INDEX i ON public.extra USING btree (v);\n"
        "CREATE TABLE migrations_of_birds (id int);\n"
        "COPY public.migrations (id, migration, batch) FROM stdin;\n"
        "1\ta\t2\n2\tb\t3\n\\.\n"
        "SELECT pg_catalog.setval('public.migrations_id_seq', 2, true);\n"
        "INSERT INTO migrations VALUES (3, 'c', 4), (4, 'd', 4);\n"
        "INSERT INTO kept VALUES (1);\n";
    scoped(Arena *, arena_freep) arena = arena_new();
    Error err = {.arena = arena};
    SqlSplitOptions split = {.dialect = SQL_POSTGRES};
    SqlStatementVec left = {0};
    HostDump dump;
    assert_true(host_dump_read(arena, &split, str_from(text), tables, &dump, &err));
    assert_int_equal(dump.sql.len, strlen(text));
    assert_true(sql_split(arena, &split, dump.sql, &left, &err));
    assert_int_equal(left.len, 2);
    assert_true(str_eq(left.items[0].text, STR("CREATE TABLE migrations_of_birds (id int)")));
    assert_int_equal(left.items[0].line, 6);
    assert_true(str_eq(left.items[1].text, STR("INSERT INTO kept VALUES (1)")));
    static const char *const names[] = {"a", "b", "c", "d"};
    assert_int_equal(dump.rows.len, 4);
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(dump.rows.items[i].len, 3);
        assert_true(str_eq(dump.rows.items[i].items[1], str_from(names[i])));
    }
}

UNIT_TESTS(host) = {
    cmocka_unit_test(ruby_that_only_executes_literal_sql_runs),
    cmocka_unit_test(ruby_that_does_more_is_refused_by_line),
    cmocka_unit_test(php_that_only_hands_over_literal_sql_runs),
    cmocka_unit_test(php_that_does_more_is_refused_by_line),
    cmocka_unit_test(dumps_lose_their_history_and_tell_its_rows),
};
UNIT_TESTS_END(host)

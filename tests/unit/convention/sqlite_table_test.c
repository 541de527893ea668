/* Tables of SQLite out of their SQL. SPDX-License-Identifier: Apache-2.0 */
#include "convention/sqlite_table.h"

#include "fixture.h"

static const char whole[] = "CREATE TABLE IF NOT EXISTS \"a b\" (\n"
                            "  id INTEGER NOT NULL, -- (a comment\n"
                            "  [name] varchar (20) DEFAULT 'it''s' UNIQUE,\n"
                            "  `size` unsigned big int DEFAULT -1 CONSTRAINT nn NOT NULL,\n"
                            "  made DATETIME DEFAULT (datetime('now', '(')) CHECK (made <> ')'),\n"
                            "  free, other INT CONSTRAINT fk REFERENCES o(id),\n"
                            "  CONSTRAINT pk PRIMARY KEY (id, \"name\"),\n"
                            "  UNIQUE (made, size), CONSTRAINT ck CHECK (size > (1 + 2)),\n"
                            "  CONSTRAINT fk2 FOREIGN KEY (other, size) REFERENCES \"o o\" (x, y) "
                            "ON UPDATE NO ACTION ON DELETE set null\n"
                            "    NOT DEFERRABLE INITIALLY IMMEDIATE)";

static SqliteTable parse(Fixture *f, const char *sql)
{
    SqliteTable table;
    assert_true(sqlite_table_parse(f->arena, str_from(sql), &table, &f->err));
    return table;
}

static void assert_text(Str actual, const char *expected)
{
    if (!str_eq(actual, str_from(expected)))
        fail_msg("\"%.*s\" instead of \"%s\"", STR_ARG(actual), expected);
}

static void tables_are_read(void **state)
{
    SqliteTable table = parse(*state, whole);
    const SqliteColumn *columns = table.columns.items;
    const SqliteConstraint *all = table.constraints.items;
    assert_null(table.trouble);
    assert_int_equal(table.columns.len, 6);
    assert_text(columns[0].type, "INTEGER");
    assert_true(columns[0].is_not_null && !columns[0].has_default);
    assert_text(columns[1].name, "name");
    assert_text(columns[1].type, "varchar (20)");
    assert_text(columns[1].default_value, "'it''s'");
    assert_text(columns[2].type, "unsigned big int");
    assert_text(columns[2].default_value, "-1");
    assert_true(columns[2].is_not_null);
    assert_text(columns[3].default_value, "datetime('now', '(')");
    assert_text(columns[4].type, "");
    assert_int_equal(table.constraints.len, 7);
    assert_true(all[0].kind == SQLITE_UNIQUE && all[1].kind == SQLITE_CHECK);
    assert_text(all[1].condition, "made <> ')'");
    assert_true(all[2].kind == SQLITE_FOREIGN_KEY && all[2].name.len == 0);
    assert_text(all[3].name, "pk");
    assert_text(all[3].columns.items[1], "name");
    assert_text(all[5].condition, "size > (1 + 2)");
    assert_text(all[6].referent, "o o");
    assert_text(all[6].remote.items[1], "y");
    assert_text(all[6].rules, " ON DELETE SET NULL NOT DEFERRABLE INITIALLY IMMEDIATE");
}

static void what_would_be_lost_is_trouble(void **state)
{
    static const char *const cases[] = {
        "CREATE TABLE t (id INTEGER PRIMARY KEY AUTOINCREMENT)",
        "CREATE TABLE t (id INTEGER PRIMARY KEY DESC)",
        "CREATE TABLE t (a TEXT COLLATE NOCASE)",
        "CREATE TABLE t (a INT, b INT AS (a + 1))",
        "CREATE TABLE t (a INT, b INT GENERATED ALWAYS AS (a) STORED)",
        "CREATE TABLE t (a INT NOT NULL ON CONFLICT IGNORE)",
        "CREATE TABLE t (a INT, UNIQUE (a) ON CONFLICT REPLACE)",
        "CREATE TABLE t (a INT, UNIQUE (a COLLATE NOCASE))",
        "CREATE TABLE t (a INT REFERENCES u(id) ON DELETE CASCADE)",
        "CREATE TABLE t (a INT, FOREIGN KEY (a) REFERENCES u(id) MATCH FULL)",
        "CREATE TABLE t (a INT PRIMARY KEY) WITHOUT ROWID",
        "CREATE TABLE t (a INT) STRICT",
        "CREATE VIRTUAL TABLE t USING fts5(a)",
        "CREATE TABLE t AS SELECT 1",
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        if (!parse(*state, cases[i]).trouble)
            fail_msg("%s is taken", cases[i]);
}

static void indexes_are_read(void **state)
{
    Fixture *f = *state;
    SqliteTable table = {0};
    assert_true(sqlite_index_parse(
        f->arena, STR("CREATE UNIQUE INDEX \"i\" ON t(a, [b c]) WHERE a > 1"), &table, &f->err));
    assert_null(table.trouble);
    assert_true(table.indexes.items[0].is_unique);
    assert_text(table.indexes.items[0].columns.items[1], "b c");
    assert_text(table.indexes.items[0].condition, "a > 1");
    static const char *const lost[] = {"CREATE INDEX i ON t(a DESC)", "CREATE INDEX i ON t(a + 1)",
                                       "CREATE INDEX i ON t(lower(a))"};
    for (size_t i = 0; i < sizeof lost / sizeof *lost; i++) {
        SqliteTable other = {0};
        assert_true(sqlite_index_parse(f->arena, str_from(lost[i]), &other, &f->err));
        assert_non_null(other.trouble);
    }
}

static void pieces_are_trouble(void **state)
{
    Fixture *f = *state;
    for (size_t len = 0; len + 1 < sizeof whole - 1; len++) {
        SqliteTable table;
        assert_true(sqlite_table_parse(f->arena, (Str){whole, len}, &table, &f->err));
        assert_non_null(table.trouble);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
UNIT_TESTS(sqlite_table) = {
    TEST(tables_are_read),
    TEST(what_would_be_lost_is_trouble),
    TEST(indexes_are_read),
    TEST(pieces_are_trouble),
};
UNIT_TESTS_END(sqlite_table)

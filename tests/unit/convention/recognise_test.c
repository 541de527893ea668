/* Telling which convention a project has. SPDX-License-Identifier: Apache-2.0 */
#include "fixture.h"

#include <string.h>

static const char *chosen(Fixture *f, Db *db)
{
    const Convention *convention = NULL;
    ConventionGuessVec guesses = {0};
    OK(f, convention_recognise(&f->ctx, db, f->arena, &convention, &guesses, &f->err));
    return convention->name;
}

static void refused(Fixture *f, Db *db, const char *detail_part)
{
    const Convention *convention = NULL;
    ConventionGuessVec guesses = {0};
    bool ok = convention_recognise(&f->ctx, db, f->arena, &convention, &guesses, &f->err);
    if (!ok && !strstr(f->err.detail, detail_part))
        fail_msg("%s", f->err.detail);
    assert_true(guesses.len > 0);
    fixture_refused(f, ok, "ambiguous-convention", NULL, "--convention");
}

static void sqlx_table(Fixture *f, bool has_row)
{
    fixture_exec(f, "DROP TABLE IF EXISTS _sqlx_migrations");
    fixture_exec(f, str_format(f->arena,
                               "CREATE TABLE _sqlx_migrations (version BIGINT PRIMARY KEY, "
                               "description TEXT NOT NULL, installed_on TIMESTAMP NOT NULL DEFAULT "
                               "CURRENT_TIMESTAMP, success BOOLEAN NOT NULL, checksum %s NOT NULL, "
                               "execution_time BIGINT NOT NULL)",
                               fixture_is(f, "postgres") ? "BYTEA" : "BLOB"));
    if (has_row)
        fixture_exec(f, "INSERT INTO _sqlx_migrations (version, description, success, checksum, "
                        "execution_time) VALUES (1, 'a', TRUE, 'x', 1)");
}

static void own_table(Fixture *f, bool has_row)
{
    History none = {0};
    DbStatementVec out = {0};
    DbOutcome outcome;
    Migration m = {.version = STR("1"), .name = STR("a")};
    HistoryWrite write = {.kind = WRITE_APPLIED, .migration = &m};
    f->ctx.convention = convention_find(STR("whimbrel"));
    OK(f, f->ctx.convention->history_prepare(&f->ctx, f->db, f->arena, &none, &out, &f->err));
    if (has_row)
        OK(f, f->ctx.convention->history_write(&f->ctx, f->db, f->arena, &write, &out, &f->err));
    OK(f, db_run(f->db, out.items, out.len, NULL, NULL, &outcome, &f->err));
}

static void conventions_are_found_by_name(void **state)
{
    (void)state;
    assert_string_equal(conventions()[0]->name, "whimbrel");
    assert_string_equal(convention_find(STR("sqlx"))->title, "SQLx");
    assert_null(convention_find(STR("SQLX")));
    for (const Convention *const *c = conventions(); *c; c++) {
        assert_int_equal((*c)->version, 1);
        assert_non_null((*c)->scan);
        assert_non_null((*c)->history_read);
        assert_non_null((*c)->history_prepare);
        assert_non_null((*c)->history_write);
        assert_non_null((*c)->lock_key);
        assert_non_null((*c)->recognise);
        assert_non_null((*c)->new_paths);
        assert_int_equal((*c)->history_text != NULL,
                         ((*c)->features & CONVENTION_STORES_TEXT) != 0);
        assert_int_equal((*c)->runs_read != NULL, ((*c)->features & CONVENTION_RUN_LOG) != 0);
    }
}

static void nothing_at_all_is_whimbrels_own(void **state)
{
    Fixture *f = *state;
    ConventionGuessVec guesses = {0};
    const Convention *convention;
    assert_string_equal(chosen(f, NULL), "whimbrel");
    assert_true(fixture_engine(f));
    OK(f, convention_recognise(&f->ctx, f->db, f->arena, &convention, &guesses, &f->err));
    assert_string_equal(convention->name, "whimbrel");
    assert_int_equal(guesses.len, 0);
}

static void names_alone_mean_whimbrels_own_if_it_can_read_them(void **state)
{
    Fixture *f = *state;
    fixture_file(f, "m/20240101000000_a.up.sql", "");
    assert_string_equal(chosen(f, NULL), "whimbrel");
    fixture_file(f, "o/V001__x.sql", "");
    fixture_folders(f, "o", NULL);
    assert_string_equal(chosen(f, NULL), "whimbrel");
    /* -1_x.sql is a name of SQLx's alone. */
    fixture_file(f, "s/-1_x.sql", "");
    fixture_folders(f, "s", NULL);
    assert_string_equal(chosen(f, NULL), "sqlx");
    fixture_file(f, "p/whimbrel.toml", "");
    f->ctx.project_folder = fixture_path(f, "p");
    assert_string_equal(chosen(f, NULL), "sqlx"); /* which any convention may have */
}

static void a_configuration_file_weighs_more(void **state)
{
    Fixture *f = *state;
    fixture_file(f, "p/migrations/20240101000000_a.up.sql", "");
    fixture_folders(f, "p/migrations", NULL);
    fixture_file(
        f, "p/Cargo.toml",
        "[package]\nname = \"sqlx-like\"\n[dependencies]\n# sqlx = 1\nsqlx-other = \"1\"\n");
    assert_string_equal(chosen(f, NULL), "whimbrel");
    static const char *const depends[] = {"[dependencies]\nsqlx = { version = \"0.8\" }\n",
                                          "[dependencies]\nsqlx.workspace = true\n",
                                          "[dependencies.sqlx]\nversion = \"0.8\"\n",
                                          "[workspace.dependencies.sqlx]\r\nversion = \"0.8\"\r\n"};
    for (size_t i = 0; i < 4; i++) {
        fixture_file(f, "p/Cargo.toml", depends[i]);
        assert_string_equal(chosen(f, NULL), "sqlx");
    }
    fixture_file(f, "p/Cargo.toml", "[dependencies]\n");
    fixture_file(f, "p/sqlx.toml", "");
    fixture_file(f, "p/whimbrel.toml", "");
    f->ctx.project_folder = fixture_path(f, "p");
    assert_string_equal(chosen(f, NULL), "sqlx");
}

static void the_history_weighs_most(void **state)
{
    Fixture *f = *state;
    fixture_file(f, "m/20240101000000_a.sql", "");
    fixture_file(f, "p/sqlx.toml", "");
    f->ctx.project_folder = fixture_path(f, "p");
    for (f->engine = 0; fixture_engine(f); f->engine++) {
        assert_string_equal(chosen(f, f->db), "sqlx");
        own_table(f, true);
        assert_string_equal(chosen(f, f->db), "whimbrel");
        sqlx_table(f, false);
        assert_string_equal(chosen(f, f->db), "whimbrel");
        sqlx_table(f, true);
        refused(f, f->db, "_sqlx_migrations");
        fixture_exec(f, "DROP TABLE whimbrel_history");
        f->ctx.project_folder = NULL;
        assert_string_equal(chosen(f, f->db), "sqlx");
        uint64_t before = f->db->round_trips;
        chosen(f, f->db);
        assert_true(f->db->round_trips - before <= (fixture_is(f, "postgres") ? 1 : 2) ||
                    fixture_is(f, "sqlite"));
        f->ctx.project_folder = fixture_path(f, "p");
    }
}

static void a_history_with_files_of_another_tool_is_refused(void **state)
{
    Fixture *f = *state;
    fixture_file(f, "m/V001__a.sql", "");
    for (f->engine = 0; fixture_engine(f); f->engine++) {
        sqlx_table(f, false);
        refused(f, f->db, "V001__a.sql");
        sqlx_table(f, true);
        refused(f, f->db, "V001__a.sql");
        fixture_folders(f, "nothing", NULL); /* no files yet: the history decides */
        assert_string_equal(chosen(f, f->db), "sqlx");
        fixture_folders(f, "m", NULL);
    }
}

static void a_table_of_another_name_counts_by_its_columns(void **state)
{
    Fixture *f = *state;
    for (f->engine = 0; fixture_engine(f); f->engine++) {
        fixture_exec(f, "DROP TABLE IF EXISTS my_migrations");
        f->ctx.table = STR("my_migrations");
        assert_string_equal(chosen(f, f->db), "whimbrel");
        sqlx_table(f, true);
        fixture_exec(f, "ALTER TABLE _sqlx_migrations RENAME TO my_migrations");
        assert_string_equal(chosen(f, f->db), "sqlx");
        fixture_exec(f, "DROP TABLE my_migrations");
        own_table(f, true);
        assert_string_equal(chosen(f, f->db), "whimbrel");
        fixture_exec(f, "DROP TABLE my_migrations");
        fixture_exec(f, "DROP TABLE my_migrations_run");
        fixture_exec(f, "DROP TABLE my_migrations_meta");
    }
}

#ifdef WHIMBREL_FAULTS
static void any_lost_allocation_is_an_error(void **state)
{
    Fixture *f = *state;
    fixture_file(f, "p/migrations/20240101000000_a.sql", "");
    fixture_file(f, "p/migrations/2_b/up.sql", "");
    fixture_file(f, "p/sqlx.toml", "");
    fixture_file(f, "p/whimbrel.toml", "");
    fixture_file(f, "p/Cargo.toml", "[dependencies]\nsqlx = 1\n");
    fixture_folders(f, "p/migrations", NULL);
    f->ctx.project_folder = fixture_path(f, "p");
    assert_true(fixture_engine(f));
    sqlx_table(f, true);
    for (unsigned nth = 1;; nth++) {
        scoped(Arena *, arena_freep) arena = arena_new();
        Error err = {.arena = f->arena};
        const Convention *convention;
        ConventionGuessVec guesses = {0};
        fault_fail_allocation(nth);
        bool ok = convention_recognise(&f->ctx, f->db, arena, &convention, &guesses, &err);
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

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
UNIT_TESTS(recognise) = {
    cmocka_unit_test(conventions_are_found_by_name),
    TEST(nothing_at_all_is_whimbrels_own),
    TEST(names_alone_mean_whimbrels_own_if_it_can_read_them),
    TEST(a_configuration_file_weighs_more),
    TEST(the_history_weighs_most),
    TEST(a_history_with_files_of_another_tool_is_refused),
    TEST(a_table_of_another_name_counts_by_its_columns),
#ifdef WHIMBREL_FAULTS
    TEST(any_lost_allocation_is_an_error),
#endif
};
UNIT_TESTS_END(recognise)

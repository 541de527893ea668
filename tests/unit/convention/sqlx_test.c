/* SQLx: names, digests, table, lock, as its fact sheet tells them. SPDX-License-Identifier: Apache-2.0 */
#include "fixture.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int setup(void **state)
{
    int status = fixture_setup(state);
    if (status == 0)
        fixture_convention(*state, "sqlx");
    return status;
}

static bool scan(Fixture *f, MigrationSet *ret_set)
{
    return f->ctx.convention->scan(&f->ctx, f->arena, ret_set, &f->err);
}

static MigrationSet must_scan(Fixture *f)
{
    MigrationSet set = {0};
    OK(f, scan(f, &set));
    return set;
}

static void assert_str(Str actual, const char *expected)
{
    if (!str_eq(actual, str_from(expected)))
        fail_msg("\"%.*s\" instead of \"%s\"", STR_ARG(actual), expected);
}

static void names_are_read_as_sqlx_reads_them(void **state)
{
    Fixture *f = *state;
    static const struct {
        const char *file, *version, *description; /* description NULL: ignored */
        char form;                                /* s, u, d */
    } cases[] = {
        {"0001_foo.sql", "1", "foo", 's'},
        {"007_a.sql", "7", "a", 's'},
        {"0_setup.sql", "0", "setup", 's'},
        {"-5_before.sql", "-5", "before", 's'},
        {"+6_plus.sql", "6", "plus", 's'},
        {"9223372036854775807_last.sql", "9223372036854775807", "last", 's'},
        {"-9223372036854775808_first.sql", "-9223372036854775808", "first", 's'},
        {"1_foo.sql.sql", "1", "foo", 's'},
        {"1_x.down.sql.sql", "1", "x.down", 's'},
        {"1_.sql", "1", "", 's'},
        {"1_up.sql", "1", "up", 's'},
        {"1_.up.sql", "1", "", 'u'},
        {"1_a__b.sql", "1", "a  b", 's'},
        {"20220721115250_add_test_table.up.sql", "20220721115250", "add test table", 'u'},
        {"2_x.down.sql", "2", "x", 'd'},
        {"2_x.up.sql.up.sql", "2", "x", 'u'},
        {"README.md", NULL, NULL, 0},
        {"1.sql", NULL, NULL, 0},
        {"1-x.sql", NULL, NULL, 0},
        {"1_x.SQL", NULL, NULL, 0},
        {"1_x.sql.bak", NULL, NULL, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        fixture_file(f, str_format(f->arena, "m%zu/%s", i, cases[i].file), "");
        fixture_folders(f, str_format(f->arena, "m%zu", i), NULL);
        MigrationSet set = must_scan(f);
        assert_int_equal(set.migrations.len, cases[i].version != NULL);
        assert_int_equal(set.ignored.len, cases[i].version == NULL);
        if (!cases[i].version)
            continue;
        const Migration *m = &set.migrations.items[0];
        assert_str(m->version, cases[i].version);
        assert_str(m->name, cases[i].description);
        assert_int_equal(m->up != NULL, cases[i].form != 'd');
        assert_int_equal(m->down != NULL, cases[i].form == 'd');
    }
}

static void what_stops_sqlx_stops_us(void **state)
{
    Fixture *f = *state;
    static const char *const bad[] = {"_x.sql",
                                      "v1_x.sql",
                                      "abc_x.sql",
                                      "1.1_x.sql",
                                      "2024-01-01_x.sql",
                                      "R__views.sql",
                                      "V001__x.sql",
                                      ".1_x.sql",
                                      " 1_x.sql",
                                      "1 _x.sql",
                                      "--1_x.sql",
                                      "-_x.sql",
                                      "9223372036854775808_x.sql",
                                      "lock_file.sql",
                                      NULL};
    MigrationSet set;
    for (size_t i = 0; bad[i]; i++) {
        fixture_file(f, str_format(f->arena, "m%zu/%s", i, bad[i]), "");
        fixture_folders(f, str_format(f->arena, "m%zu", i), NULL);
        fixture_refused(f, scan(f, &set), "bad-name", bad[i],
                        bad[i][0] == 'R' ? "no repeatable" : "rename it");
    }
    assert_int_equal(mkdir(fixture_path(f, "link"), 0755), 0);
    assert_int_equal(symlink("nowhere", fixture_path(f, "link/1_x.sql")), 0);
    fixture_folders(f, "link", NULL);
    fixture_refused(f, scan(f, &set), "bad-file", "1_x.sql", NULL);
    fixture_file(f, "latin/1_x.sql", "SELECT '\xe9';");
    fixture_folders(f, "latin", NULL);
    set = must_scan(f);
    assert_false(migration_set_read(f->arena, &set, true, &f->err));
    assert_int_equal(f->err.kind, ERROR_PARSE);
}

static void folders_are_not_descended_into(void **state)
{
    Fixture *f = *state;
    fixture_file(f, "m/1_a.sql", "");
    fixture_file(f, "m/sub/R__x.sql", "");
    assert_int_equal(mkdir(fixture_path(f, "m/2_x.sql"), 0755), 0);
    fixture_file(f, "target.sql", "SELECT 1;");
    assert_int_equal(symlink("../target.sql", fixture_path(f, "m/3_c.sql")), 0);
    MigrationSet set = must_scan(f);
    assert_int_equal(set.migrations.len, 2);
    assert_str(set.migrations.items[1].version, "3");
}

static void order_is_numeric_and_pairs_meet(void **state)
{
    Fixture *f = *state;
    static const char *const files[] = {
        "m/10_c.up.sql",          "m/10_c.down.sql",    "m/9_b.sql", "m/-1_a.sql",
        "m/20240101000000_d.sql", "m/11_lone.down.sql", NULL};
    for (size_t i = 0; files[i]; i++)
        fixture_file(f, files[i], "");
    MigrationSet set = must_scan(f);
    static const char *const order[] = {"-1", "9", "10", "11", "20240101000000"};
    assert_int_equal(set.migrations.len, 5);
    for (size_t i = 0; i < 5; i++)
        assert_str(set.migrations.items[i].version, order[i]);
    assert_non_null(set.migrations.items[2].up);
    assert_non_null(set.migrations.items[2].down);
    assert_null(set.migrations.items[3].up);
    assert_int_equal(migration_set_find(&set, STR("0010"))->down != NULL, true);
    fixture_file(f, "m/010_again.sql", "");
    fixture_refused(f, scan(f, &set), "duplicate-version", "10_", NULL);
}

static void digests_are_those_of_sqlx(void **state)
{
    Fixture *f = *state;
    static const struct {
        const char *text, *digest;
    } cases[] = {
        {"CREATE TABLE t (id INT);\nINSERT INTO t VALUES (1);\n",
         "965dce94838e4642715cdfb5bd5e0e2e23c383acdb88931c5c0bfc5938523db58955cda193e198d3676d54055"
         "fa61692"},
        {"CREATE TABLE t (id INT);\r\nINSERT INTO t VALUES (1);\r\n",
         "6afa3fa650f4e4a252eee18dadca9d0e17dd7f4a2ffaa56242963704e3392e11a079aff12824a96c39407e806"
         "7f76a18"},
        {"\xef\xbb\xbf"
         "CREATE TABLE t (id INT);\nINSERT INTO t VALUES (1);\n",
         "0a006fc19f2641721d0af883fbcd8d8c4d04459e09547818ca53ac882544d82637967714a8e57f1b611a5e091"
         "e7cb5ec"},
        {"CREATE TABLE t (id INT);\nINSERT INTO t VALUES (1);",
         "4a9c93e6a61108be0f141f3141eede59b0782edac3741dd7af61210cb87ecb820913760aa4c01099399e82c22"
         "331128a"},
        {"", "38b060a751ac96384cd9327eb1b1e36a21fdb71114be07434c0cc7bf63f6e1da274edebfe76f65fbd51ad"
             "2f14898b95b"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        fixture_file(f, str_format(f->arena, "m/%zu_x.sql", i), cases[i].text);
    MigrationSet set = must_scan(f);
    OK(f, migration_set_read(f->arena, &set, true, &f->err));
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_str(set.migrations.items[i].up->checksum, cases[i].digest);
    f->ctx.ignored_chars = STR(" \t\r\n\xef\xbb\xbf");
    set = must_scan(f);
    OK(f, migration_set_read(f->arena, &set, true, &f->err));
    for (size_t i = 0; i < 4; i++)
        assert_str(set.migrations.items[i].up->checksum,
                   "b92132713e38672aaa52b1728e5226f44f98eaa8da3e7dc6b5334071f4576c4a732cab66a3729c8"
                   "83f92ba5b053a665a");
}

static void the_marker_counts_but_on_mysql(void **state)
{
    Fixture *f = *state;
    fixture_file(f, "m/1_x.up.sql", "-- no-transaction\nSELECT 1;\n");
    fixture_file(f, "m/1_x.down.sql", "-- no-transaction\nSELECT 1;\n");
    static const SqlDialect dialects[] = {SQL_SQLITE, SQL_POSTGRES, SQL_MYSQL};
    for (size_t i = 0; i < 3; i++) {
        f->ctx.dialect = dialects[i];
        MigrationSet set = must_scan(f);
        OK(f, migration_set_read(f->arena, &set, true, &f->err));
        assert_int_equal(set.migrations.items[0].up->head->no_transaction, i < 2);
        assert_int_equal(set.migrations.items[0].down->head->no_transaction, i < 2);
    }
}

/* ---- history ------------------------------------------------------------------------------------- */

#define FOR_EACH_ENGINE(f) for ((f)->engine = 0; fixture_engine(f); (f)->engine++)

static const char checksum[] = "965dce94838e4642715cdfb5bd5e0e2e23c383acdb88931c5c0bfc5938523db5895"
                               "5cda193e198d3676d54055fa61692";

static History read_history(Fixture *f)
{
    History history = {0};
    OK(f, f->ctx.convention->history_read(&f->ctx, f->db, f->arena, &history, &f->err));
    return history;
}

static void run_all(Fixture *f, const DbStatementVec *statements)
{
    DbOutcome outcome;
    if (statements->len > 0 &&
        !db_run(f->db, statements->items, statements->len, NULL, NULL, &outcome, &f->err))
        fail_msg("%.*s: %s", STR_ARG(statements->items[outcome.completed].sql), f->err.message);
}

static void prepare(Fixture *f)
{
    History history = read_history(f);
    DbStatementVec out = {0};
    OK(f, f->ctx.convention->history_prepare(&f->ctx, f->db, f->arena, &history, &out, &f->err));
    run_all(f, &out);
}

static size_t put(Fixture *f, HistoryWrite write)
{
    DbStatementVec out = {0};
    assert_true(vec_push(f->arena, &out, (DbStatement){.sql = str_from(f->db->driver->begin)}));
    OK(f, f->ctx.convention->history_write(&f->ctx, f->db, f->arena, &write, &out, &f->err));
    assert_true(vec_push(f->arena, &out, (DbStatement){.sql = STR("COMMIT")}));
    run_all(f, &out);
    return out.len - 2;
}

static Migration migration(Fixture *f, const char *version, const char *name)
{
    Script *up = arena_alloc(f->arena, sizeof *up);
    *up = (Script){.path = "x", .checksum = STR(checksum), .is_read = true};
    return (Migration){.version = str_from(version), .name = str_from(name), .up = up};
}

static void the_table_is_the_one_that_sqlx_makes(void **state)
{
    Fixture *f = *state;
    FOR_EACH_ENGINE(f)
    {
        assert_false(read_history(f).exists);
        prepare(f);
        assert_true(read_history(f).exists);
        if (fixture_is(f, "sqlite")) {
            assert_string_equal(
                fixture_value(f, "SELECT sql FROM sqlite_master WHERE name = '_sqlx_migrations'"),
                "CREATE TABLE _sqlx_migrations (\n    version BIGINT PRIMARY KEY,\n    description "
                "TEXT NOT NULL,\n"
                "    installed_on TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP,\n    success "
                "BOOLEAN NOT NULL,\n"
                "    checksum BLOB NOT NULL,\n    execution_time BIGINT NOT NULL\n)");
        } else if (fixture_is(f, "postgres")) {
            assert_string_equal(
                fixture_value(f, "SELECT string_agg(attname || ' ' || format_type(atttypid, "
                                 "atttypmod) || CASE WHEN attnotnull THEN ' !' ELSE '' END,"
                                 " ', ' ORDER BY attnum) FROM pg_attribute WHERE attrelid = "
                                 "'_sqlx_migrations'::regclass AND attnum > 0"),
                "version bigint !, description text !, installed_on timestamp with time zone !, "
                "success boolean !, checksum bytea !, "
                "execution_time bigint !");
        } else {
            assert_string_equal(
                fixture_value(f, "SELECT GROUP_CONCAT(CONCAT(column_name, ' ', column_type, ' ', "
                                 "is_nullable) ORDER BY ordinal_position SEPARATOR ', ')"
                                 " FROM information_schema.columns WHERE table_schema = DATABASE() "
                                 "AND table_name = '_sqlx_migrations'"),
                "version bigint(20) NO, description text NO, installed_on timestamp NO, success "
                "tinyint(1) NO, checksum blob NO, "
                "execution_time bigint(20) NO");
        }
    }
}

static void a_row_is_what_sqlx_would_have_written(void **state)
{
    Fixture *f = *state;
    FOR_EACH_ENGINE(f)
    {
        prepare(f);
        Migration m = migration(f, "20240101000000", "create users's");
        Timestamp before = clock_now();
        put(f, (HistoryWrite){.kind = WRITE_APPLIED, .migration = &m, .duration_us = 2218});
        const char *hex = fixture_is(f, "postgres")
                              ? "SELECT encode(checksum, 'hex') FROM _sqlx_migrations"
                              : "SELECT LOWER(HEX(checksum)) FROM _sqlx_migrations";
        assert_string_equal(fixture_value(f, hex), checksum);
        assert_string_equal(fixture_value(f, "SELECT description FROM _sqlx_migrations"),
                            "create users's");
        assert_string_equal(
            fixture_value(f, "SELECT version FROM _sqlx_migrations WHERE success = TRUE"),
            "20240101000000");
        assert_string_equal(fixture_value(f, "SELECT execution_time FROM _sqlx_migrations"),
                            "2218000");
        History history = read_history(f);
        const HistoryRow *row = &history.rows.items[0];
        assert_int_equal(row->outcome, HISTORY_APPLIED);
        assert_str(row->checksum, checksum);
        assert_int_equal(row->tokens.len, 0);
        assert_int_equal(row->duration_us, 2218);
        assert_false(row->has_journal);
        assert_int_equal(row->rank, 1);
        /* installed_on is the column's default, in whole seconds on some engines. */
        assert_true(row->finished_at >= before - 1000000 &&
                    row->finished_at <= clock_now() + 1000000);
        put(f, (HistoryWrite){.kind = WRITE_REMOVED, .migration = &m, .row = row});
        assert_int_equal(read_history(f).rows.len, 0);
        put(f, (HistoryWrite){.kind = WRITE_BASELINE, .migration = &m});
        history = read_history(f);
        assert_int_equal(history.rows.items[0].duration_us, -1);
        assert_string_equal(fixture_value(f, "SELECT execution_time FROM _sqlx_migrations"), "-1");
        m.up->checksum = STR("38b060a751ac96384cd9327eb1b1e36a21fdb71114be07434c0cc7bf63f6e1da274ed"
                             "ebfe76f65fbd51ad2f14898b95b");
        m.name = STR("renamed");
        put(f,
            (HistoryWrite){.kind = WRITE_CHECKSUM, .migration = &m, .row = &history.rows.items[0]});
        history = read_history(f);
        assert_str(history.rows.items[0].checksum,
                   "38b060a751ac96384cd9327eb1b1e36a21fdb71114be07434c0cc7bf63f6e1da274edebfe76f65f"
                   "bd51ad2f14898b95b");
        assert_str(history.rows.items[0].name, "renamed");
        put(f, (HistoryWrite){.kind = WRITE_DELETED, .row = &history.rows.items[0]});
        assert_int_equal(read_history(f).rows.len, 0);
    }
}

static void only_mysql_marks_the_beginning(void **state)
{
    Fixture *f = *state;
    FOR_EACH_ENGINE(f)
    {
        bool marks = f->ctx.dialect == SQL_MYSQL;
        prepare(f);
        Migration m = migration(f, "3", "x");
        assert_int_equal(put(f, (HistoryWrite){.kind = WRITE_BEGIN, .migration = &m, .total = 2}),
                         marks);
        History history = read_history(f);
        assert_int_equal(history.rows.len, marks);
        if (marks)
            assert_int_equal(history.rows.items[0].outcome, HISTORY_FAILED);
        assert_int_equal(put(f, (HistoryWrite){.kind = WRITE_STEP,
                                               .migration = &m,
                                               .is_journaled = true,
                                               .done = 1}),
                         0);
        put(f, (HistoryWrite){
                   .kind = WRITE_APPLIED, .migration = &m, .is_journaled = true, .duration_us = 5});
        history = read_history(f);
        assert_int_equal(history.rows.len, 1);
        assert_int_equal(history.rows.items[0].outcome, HISTORY_APPLIED);
        assert_int_equal(history.rows.items[0].duration_us, 5);
        put(f, (HistoryWrite){.kind = WRITE_BEGIN,
                              .migration = &m,
                              .row = &history.rows.items[0],
                              .is_down = true,
                              .total = 1});
        history = read_history(f);
        assert_int_equal(history.rows.items[0].outcome, marks ? HISTORY_FAILED : HISTORY_APPLIED);
        /* The down's first statement failed: nothing has changed, so the row says what it said. */
        put(f, (HistoryWrite){.kind = WRITE_FAILED,
                              .migration = &m,
                              .row = &history.rows.items[0],
                              .is_down = true,
                              .is_journaled = true});
        history = read_history(f);
        assert_int_equal(history.rows.items[0].outcome, HISTORY_APPLIED);
        put(f, (HistoryWrite){.kind = WRITE_REMOVED, .row = &history.rows.items[0]});
        /* The up's first statement failed: no row is left. Its second: the row stays, as after an implicit commit. */
        put(f, (HistoryWrite){.kind = WRITE_BEGIN, .migration = &m, .total = 2});
        put(f, (HistoryWrite){.kind = WRITE_FAILED, .migration = &m, .is_journaled = true});
        assert_int_equal(read_history(f).rows.len, 0);
        put(f, (HistoryWrite){.kind = WRITE_BEGIN, .migration = &m, .total = 2});
        put(f,
            (HistoryWrite){.kind = WRITE_FAILED, .migration = &m, .is_journaled = true, .done = 1});
        assert_int_equal(read_history(f).rows.len, marks);
    }
}

static void rows_of_sqlx_itself_are_read(void **state)
{
    Fixture *f = *state;
    FOR_EACH_ENGINE(f)
    {
        const char *blob = fixture_is(f, "postgres") ? "'\\x00ff27'::bytea" : "x'00ff27'";
        prepare(f);
        fixture_exec(f, str_format(f->arena,
                                   "INSERT INTO _sqlx_migrations (version, description, success, "
                                   "checksum, execution_time) VALUES (10, 'b', TRUE, %s, -1), "
                                   "(-2, 'a', FALSE, %s, 1500)",
                                   blob, blob));
        History history = read_history(f);
        assert_int_equal(history.rows.len, 2);
        assert_str(history.rows.items[0].version, "-2");
        assert_int_equal(history.rows.items[0].outcome, HISTORY_FAILED);
        assert_int_equal(history.rows.items[0].duration_us, 1);
        assert_str(history.rows.items[1].version, "10");
        assert_str(history.rows.items[1].checksum, "00ff27");
        assert_int_equal(history.rows.items[1].duration_us, -1);
        assert_int_equal(history_find(&history, STR("010"))->rank, 2);
    }
}

static void the_server_measures_where_it_can(void **state)
{
    Fixture *f = *state;
    FOR_EACH_ENGINE(f)
    {
        prepare(f);
        Migration m = migration(f, "3", "x"), n = migration(f, "4", "y");
        put(f, (HistoryWrite){.kind = WRITE_APPLIED,
                              .migration = &m,
                              .duration_us = -1,
                              .started_at = TIMESTAMP_UNKNOWN});
        put(f, (HistoryWrite){.kind = WRITE_APPLIED,
                              .migration = &n,
                              .duration_us = -1,
                              .started_at = clock_now() - 2000000});
        History history = read_history(f);
        int64_t unknown = history.rows.items[0].duration_us,
                known = history.rows.items[1].duration_us;
        if (fixture_is(f, "postgres"))
            assert_true(unknown >= 0 && unknown < 1000000);
        else
            assert_int_equal(unknown, -1);
        if (fixture_is(f, "sqlite"))
            assert_true(known > 1900000 && known < 5000000);
    }
}

static void other_names_and_schemas_are_those_of_sqlx_toml(void **state)
{
    Fixture *f = *state;
    FOR_EACH_ENGINE(f)
    {
        bool is_postgres = fixture_is(f, "postgres");
        f->ctx.create_schemas = (StrVec){0};
        if (is_postgres) {
            fixture_exec(f, "DROP SCHEMA IF EXISTS foo CASCADE");
            assert_true(vec_push(f->arena, &f->ctx.create_schemas, STR("foo")));
            f->ctx.table = STR("Foo._SQLx"); /* pasted into SQL as it is: folded */
        } else {
            fixture_exec(f, "DROP TABLE IF EXISTS other_migrations");
            f->ctx.table = STR("other_migrations");
        }
        prepare(f);
        Migration m = migration(f, "3", "x");
        put(f, (HistoryWrite){.kind = WRITE_APPLIED, .migration = &m, .duration_us = 1});
        assert_string_equal(fixture_value(f, is_postgres ? "SELECT COUNT(*) FROM foo._sqlx"
                                                         : "SELECT COUNT(*) FROM other_migrations"),
                            "1");
        assert_int_equal(read_history(f).rows.len, 1);
        if (is_postgres)
            fixture_exec(f, "DROP SCHEMA foo CASCADE");
    }
}

static void what_cannot_be_in_sqlxs_history_is_refused(void **state)
{
    Fixture *f = *state;
    FOR_EACH_ENGINE(f)
    {
        Migration dotted = migration(f, "1.2", "x");
        HistoryWrite write = {.kind = WRITE_APPLIED, .migration = &dotted};
        DbStatementVec out = {0};
        History history;
        prepare(f);
        fixture_refused(
            f, f->ctx.convention->history_write(&f->ctx, f->db, f->arena, &write, &out, &f->err),
            "bad-version", "1.2", NULL);
        fixture_exec(f, "DROP TABLE _sqlx_migrations");
        fixture_exec(f, "CREATE TABLE _sqlx_migrations (version int, name int)");
        fixture_refused(
            f, f->ctx.convention->history_read(&f->ctx, f->db, f->arena, &history, &f->err),
            "foreign-history", "_sqlx_migrations", NULL);
    }
}

static void the_lock_is_that_of_sqlx(void **state)
{
    Fixture *f = *state;
    static const struct {
        const char *database;
        int64_t number;
        const char *name;
    } vectors[] = {
        {"postgres", 368907709894077238, "51e9f9b8b23ab36"},
        {"mydb", 293176876009260204, "41192d0bee404ac"},
        {"app_dev", 1085303609685986748, "f0fc5e200c84dbc"},
        {"test", 3729328775749822312, "33c13cc34135e768"},
        {"sqlx", 2659960926882687016, "24ea145eb342e828"},
        {"naïve", 3670116330669853428, "32eedf5b8defcaf4"},
    };
    assert_true(fixture_engine(f));
    for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++) {
        DbLockKey key;
        f->db->info.database = vectors[i].database;
        OK(f, f->ctx.convention->lock_key(&f->ctx, f->db, f->arena, &key, &f->err));
        assert_true(key.number == vectors[i].number);
        assert_str(key.name, vectors[i].name);
    }
    f->db->info.database = "";
}

static void its_features_are_what_it_can_do(void **state)
{
    Fixture *f = *state;
    unsigned features = f->ctx.convention->features;
    assert_true(features & CONVENTION_OUT_OF_ORDER);
    assert_true(features & CONVENTION_DOWN);
    assert_true(features & CONVENTION_SKIPS_IRREVERSIBLE);
    assert_false(features & (CONVENTION_REPEATABLE | CONVENTION_JOURNAL | CONVENTION_RUN_LOG |
                             CONVENTION_STORES_TEXT | CONVENTION_DELETED | CONVENTION_SEEDS));
    assert_int_equal(f->ctx.convention->checksum_hash, HASH_SHA384);
}

/* ---- new files -------------------------------------------------------------------------------------- */

static const char *new_paths(Fixture *f, const char *name, unsigned kind, bool is_numbered)
{
    MigrationSet set = must_scan(f);
    Timestamp now;
    StrVec paths = {0};
    assert_true(timestamp_parse(STR("2026-11-20 18:00:00"), &now));
    OK(f, f->ctx.convention->new_paths(&f->ctx, f->arena, &set, str_from(name), kind, is_numbered,
                                       now, &paths, &f->err));
    StrBuf out = strbuf(f->arena);
    Str text;
    for (size_t i = 0; i < paths.len; i++) {
        strbuf_adds(&out, i > 0 ? " " : "");
        strbuf_add(&out, paths.items[i]);
    }
    assert_true(strbuf_finish(&out, &text));
    return out.ptr;
}

static void new_files_are_inferred_as_sqlx_infers(void **state)
{
    Fixture *f = *state;
    static const struct {
        const char *files[5], *expected;
    } cases[] = {
        {{".keep"}, "20261120180000_x.sql"},
        {{"1_a.sql"}, "0002_x.sql"},
        {{"0_a.sql"}, "0001_x.sql"},
        {{"2_a.sql"}, "20261120180000_x.sql"},
        {{"1_a.sql", "2_b.sql"}, "0003_x.sql"},
        {{"1_a.sql", "3_b.sql"}, "20261120180000_x.sql"},
        {{"20240101000000_a.sql", "20240101000001_b.sql"},
         "20240101000002_x.sql"}, /* differ by one: sequential */
        {{"9998_a.sql", "9999_b.sql"}, "10000_x.sql"},
        {{"20240101000000_a.sql", "20240201000000_b.sql"}, "20261120180000_x.sql"},
        {{"1_a.up.sql"}, "0002_x.up.sql 0002_x.down.sql"},
        /* up and down of one version are two entries that differ by none: a timestamp, as 0.9 does */
        {{"1_a.up.sql", "1_a.down.sql", "2_b.up.sql", "2_b.down.sql"},
         "20261120180000_x.up.sql 20261120180000_x.down.sql"},
        {{"1_a.up.sql", "1_a.down.sql", "2_b.sql"}, "0003_x.sql"},
        {{"20261120180000_a.sql"}, "20261120180001_x.sql"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        for (size_t j = 0; j < 5 && cases[i].files[j]; j++)
            fixture_file(f, str_format(f->arena, "m%zu/%s", i, cases[i].files[j]), "");
        fixture_folders(f, str_format(f->arena, "m%zu", i), NULL);
        const char *paths = new_paths(f, "x", NEW_DEFAULT, false);
        if (strcmp(paths, cases[i].expected) != 0)
            fail_msg("case %zu: %s instead of %s", i, paths, cases[i].expected);
    }
    fixture_folders(f, "m3", NULL);
    assert_string_equal(new_paths(f, "Add Users  now", NEW_SQL_ONLY, true),
                        "0003_Add_Users__now.sql");
    assert_string_equal(new_paths(f, "x", NEW_REVERSIBLE, false),
                        "20261120180000_x.up.sql 20261120180000_x.down.sql");
    f->ctx.new_type = STR("reversible");
    f->ctx.new_versioning = STR("sequential");
    assert_string_equal(new_paths(f, "x", NEW_DEFAULT, false), "0003_x.up.sql 0003_x.down.sql");
    assert_string_equal(new_paths(f, "x", NEW_SQL_ONLY, false), "0003_x.sql");
    f->ctx.new_type = STR("simple");
    f->ctx.new_versioning = STR("timestamp");
    fixture_folders(f, "m9", NULL);
    assert_string_equal(new_paths(f, "x", NEW_DEFAULT, false), "20261120180000_x.sql");
    MigrationSet set = must_scan(f);
    StrVec paths;
    fixture_refused(f,
                    f->ctx.convention->new_paths(&f->ctx, f->arena, &set, STR("x"), NEW_REPEATABLE,
                                                 false, 0, &paths, &f->err),
                    "not-in-convention", NULL, "convert");
    fixture_refused(f,
                    f->ctx.convention->new_paths(&f->ctx, f->arena, &set, STR("x"), NEW_FOLDER,
                                                 false, 0, &paths, &f->err),
                    "not-in-convention", NULL, NULL);
    fixture_refused(f,
                    f->ctx.convention->new_paths(&f->ctx, f->arena, &set, STR("../x"), NEW_DEFAULT,
                                                 false, 0, &paths, &f->err),
                    "bad-name", NULL, NULL);
}

/* ---- sqlx.toml ----------------------------------------------------------------------------------------- */

static void sqlx_toml_fills_in_what_is_left_open(void **state)
{
    Fixture *f = *state;
    fixture_file(f, "p/sqlx.toml",
                 "[common]\ndatabase-url-var = \"X\"\n[migrate]\ntable-name = "
                 "\"foo._mine\"\ncreate-schemas = [\"foo\"]\n"
                 "migrations-dir = \"db/steps\"\nignored-chars = [\"\\r\", \"\\uFEFF\", \"é\"]\n"
                 "[migrate.defaults]\nmigration-type = \"reversible\"\nmigration-versioning = "
                 "\"sequential\"\n");
    f->ctx.project_folder = fixture_path(f, "p");
    ConventionContext ctx = f->ctx;
    ctx.are_folders_default = true;
    OK(f, convention_configure(&ctx, f->arena, &f->err));
    assert_str(ctx.table, "foo._mine");
    assert_int_equal(ctx.create_schemas.len, 1);
    assert_str(ctx.create_schemas.items[0], "foo");
    assert_int_equal(ctx.folders.len, 1);
    assert_str(ctx.folders.items[0], fixture_path(f, "p/db/steps"));
    assert_str(ctx.ignored_chars, "\r\xef\xbb\xbf\xc3\xa9");
    assert_str(ctx.new_type, "reversible");
    assert_str(ctx.new_versioning, "sequential");
    /* What people named stays. */
    ctx = f->ctx;
    ctx.table = STR("other");
    OK(f, convention_configure(&ctx, f->arena, &f->err));
    assert_str(ctx.table, "other");
    assert_str(ctx.folders.items[0], fixture_path(f, "m"));
    /* Without the file, and for whimbrel's own, nothing changes. */
    ConventionContext before = f->ctx;
    before.project_folder = fixture_path(f, "elsewhere");
    ctx = before;
    OK(f, convention_configure(&ctx, f->arena, &f->err));
    assert_memory_equal(&ctx, &before, sizeof ctx);
    fixture_convention(f, "whimbrel");
    ctx = before = f->ctx;
    OK(f, convention_configure(&ctx, f->arena, &f->err));
    assert_memory_equal(&ctx, &before, sizeof ctx);
}

static void a_table_that_sqlx_toml_names_is_recognised(void **state)
{
    Fixture *f = *state;
    const Convention *convention;
    fixture_file(f, "p/sqlx.toml",
                 "[migrate]\ntable-name = \"mine\"\nmigrations-dir = \"steps\"\n");
    fixture_file(f, "p/steps/-1_a.sql", "");
    f->ctx.project_folder = fixture_path(f, "p");
    f->ctx.are_folders_default = true;
    assert_true(fixture_engine(f));
    ConventionContext ctx = f->ctx;
    ConventionGuess guess = {0};
    OK(f, convention_configure(&ctx, f->arena, &f->err));
    History none = {0};
    DbStatementVec out = {0};
    OK(f, ctx.convention->history_prepare(&ctx, f->db, f->arena, &none, &out, &f->err));
    run_all(f, &out);
    Migration m = migration(f, "-1", "a");
    HistoryWrite write = {.kind = WRITE_APPLIED, .migration = &m};
    out = (DbStatementVec){0};
    OK(f, ctx.convention->history_write(&ctx, f->db, f->arena, &write, &out, &f->err));
    run_all(f, &out);
    OK(f, f->ctx.convention->recognise(&f->ctx, f->db, f->arena, &guess, &f->err));
    assert_int_equal(guess.weight, 3);
    assert_true(guess.has_files);
    OK(f, convention_recognise(&f->ctx, f->db, f->arena, &convention, NULL, &f->err));
    assert_string_equal(convention->name, "sqlx");
}

static void a_wrong_sqlx_toml_is_said_with_its_place(void **state)
{
    Fixture *f = *state;
    static const struct {
        const char *text, *code;
        uint32_t line;
    } cases[] = {
        {"[migrate\n", "toml", 1},
        {"[migrate]\ntabel-name = \"x\"\n", "unknown-setting", 2},
        {"[migrate]\ntable-name = 1\n", "bad-setting", 2},
        {"[migrate]\nignored-chars = [\"ab\"]\n", "bad-setting", 2},
        {"[migrate]\nignored-chars = [\"\"]\n", "bad-setting", 2},
        {"[migrate.defaults]\nmigration-type = \"simpel\"\n", "bad-setting", 2},
        {"[migrate.defaults]\nmigration-kind = \"simple\"\n", "unknown-setting", 2},
        {"migrate = 1\n", "bad-setting", 1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ConventionContext ctx = f->ctx;
        fixture_file(f, "p/sqlx.toml", cases[i].text);
        ctx.project_folder = fixture_path(f, "p");
        bool ok = convention_configure(&ctx, f->arena, &f->err);
        if (!ok && f->err.pos.line != cases[i].line)
            fail_msg("%s: line %u", cases[i].text, f->err.pos.line);
        if (!ok)
            assert_string_equal(f->err.pos.file, fixture_path(f, "p/sqlx.toml"));
        fixture_refused(f, ok, cases[i].code, NULL, NULL);
    }
}

#ifdef WHIMBREL_FAULTS
static void any_lost_allocation_is_an_error(void **state)
{
    Fixture *f = *state;
    static const char *const files[] = {"m/1_a.up.sql", "m/1_a.down.sql", "m/2_b_c.sql",
                                        "m/other.txt", NULL};
    for (size_t i = 0; files[i]; i++)
        fixture_file(f, files[i], "SELECT 1;");
    fixture_file(f, "sqlx.toml", "[migrate]\nignored-chars = [\"\\r\"]\ncreate-schemas = []\n");
    assert_true(fixture_engine(f));
    prepare(f);
    Migration m = migration(f, "1", "a");
    put(f, (HistoryWrite){.kind = WRITE_APPLIED, .migration = &m, .duration_us = 1});
    for (unsigned nth = 1;; nth++) {
        scoped(Arena *, arena_freep) arena = arena_new();
        Error err = {.arena = f->arena};
        const Convention *c = f->ctx.convention;
        MigrationSet set;
        History history, none = {0};
        DbStatementVec out = {0};
        DbLockKey key;
        StrVec paths;
        HistoryWrite applied = {
            .kind = WRITE_APPLIED, .migration = &m, .row = &(HistoryRow){.version = STR("1")}};
        HistoryWrite checked = {.kind = WRITE_CHECKSUM, .migration = &m};
        fault_fail_allocation(nth);
        bool ok =
            c->scan(&f->ctx, arena, &set, &err) && migration_set_read(arena, &set, true, &err) &&
            c->history_read(&f->ctx, f->db, arena, &history, &err) &&
            c->history_prepare(&f->ctx, f->db, arena, &none, &out, &err) &&
            c->history_write(&f->ctx, f->db, arena, &applied, &out, &err) &&
            c->history_write(&f->ctx, f->db, arena, &checked, &out, &err) &&
            c->lock_key(&f->ctx, f->db, arena, &key, &err) &&
            c->new_paths(&f->ctx, arena, &set, STR("x y"), NEW_REVERSIBLE, true, 0, &paths, &err);
        bool fired = fault_fired();
        fault_fail_allocation(0);
        if (!fired) {
            assert_true(ok);
            assert_true(nth > 30);
            return;
        }
        assert_false(ok);
        assert_int_equal(err.kind, ERROR_NOMEM);
    }
}
#endif

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, fixture_teardown)
UNIT_TESTS(sqlx) = {
    TEST(names_are_read_as_sqlx_reads_them),
    TEST(what_stops_sqlx_stops_us),
    TEST(folders_are_not_descended_into),
    TEST(order_is_numeric_and_pairs_meet),
    TEST(digests_are_those_of_sqlx),
    TEST(the_marker_counts_but_on_mysql),
    TEST(the_table_is_the_one_that_sqlx_makes),
    TEST(a_row_is_what_sqlx_would_have_written),
    TEST(only_mysql_marks_the_beginning),
    TEST(rows_of_sqlx_itself_are_read),
    TEST(the_server_measures_where_it_can),
    TEST(other_names_and_schemas_are_those_of_sqlx_toml),
    TEST(what_cannot_be_in_sqlxs_history_is_refused),
    TEST(the_lock_is_that_of_sqlx),
    TEST(its_features_are_what_it_can_do),
    TEST(new_files_are_inferred_as_sqlx_infers),
    TEST(sqlx_toml_fills_in_what_is_left_open),
    TEST(a_table_that_sqlx_toml_names_is_recognised),
    TEST(a_wrong_sqlx_toml_is_said_with_its_place),
#ifdef WHIMBREL_FAULTS
    TEST(any_lost_allocation_is_an_error),
#endif
};
UNIT_TESTS_END(sqlx)

/* What the tests of conventions stand on. SPDX-License-Identifier: Apache-2.0 */
#include "fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int fixture_setup(void **state)
{
    Fixture *f = calloc(1, sizeof *f);
    if (!f)
        return -1;
    f->arena = arena_new();
    f->err.arena = f->arena;
    snprintf(f->folder, sizeof f->folder, "/tmp/whimbrel-convention-XXXXXX");
    if (!f->arena || !mkdtemp(f->folder))
        return -1;
    f->ctx = (ConventionContext){
        .convention = convention_find(STR("whimbrel")),
        .dialect = SQL_SQLITE,
        .who = STR("app"),
        .host = STR("box"),
        .program = STR("whimbrel 0.1.0"),
        .store_limit_bytes = 1 << 20,
    };
    fixture_folders(f, "m", NULL);
    *state = f;
    return 0;
}

int fixture_teardown(void **state)
{
    Fixture *f = *state;
    char command[96];
    db_close(f->db);
    snprintf(command, sizeof command, "rm -rf %s", f->folder);
    int status = system(command);
    arena_free(f->arena);
    free(f);
    return status;
}

const char *fixture_path(Fixture *f, const char *path)
{
    char *whole = str_format(f->arena, "%s/%s", f->folder, path);
    assert_non_null(whole);
    return whole;
}

void fixture_file(Fixture *f, const char *path, const char *text)
{
    const char *whole = fixture_path(f, path);
    char *folder = str_z(f->arena, path_folder(str_from(whole)));
    OK(f, folder_make(f->arena, folder, 0755, &f->err));
    FILE *file = fopen(whole, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

void fixture_folders(Fixture *f, const char *first, const char *second)
{
    f->ctx.folders = (StrVec){0};
    assert_true(vec_push(f->arena, &f->ctx.folders, str_from(fixture_path(f, first))));
    if (second)
        assert_true(vec_push(f->arena, &f->ctx.folders, str_from(fixture_path(f, second))));
}

void fixture_convention(Fixture *f, const char *name)
{
    f->ctx.convention = convention_find(str_from(name));
    assert_non_null(f->ctx.convention);
}

void fixture_exec(Fixture *f, const char *sql)
{
    if (!db_exec(f->db, str_from(sql), &f->err))
        fail_msg("%s: %s", sql, f->err.message);
}

const char *fixture_value(Fixture *f, const char *sql)
{
    DbValue value = {0};
    scoped(DbRows, db_rows_done) rows = {0};
    OK(f, db_query(f->db, str_from(sql), &rows, &f->err));
    const char *text = "";
    if (db_rows_next(&rows)) {
        value = rows.cols[0];
        text = value.is_null ? "NULL" : str_z(f->arena, value.text);
        while (db_rows_next(&rows))
            ;
    }
    OK(f, db_rows_finish(&rows, &f->err));
    return text;
}

bool fixture_is(const Fixture *f, const char *engine)
{
    return strcmp(f->db->info.engine, engine) == 0;
}

bool fixture_engine(Fixture *f)
{
    static const char *const tables[] = {"whimbrel_history", "whimbrel_run", "whimbrel_meta",
                                         "_sqlx_migrations", NULL};
    db_close(f->db);
    f->db = NULL;
    for (; f->engine < 3; f->engine++) {
        static const char *const variables[] = {NULL, "WHIMBREL_TEST_POSTGRES",
                                                "WHIMBREL_TEST_MARIADB"};
        const char *text = variables[f->engine] ? getenv(variables[f->engine]) : "sqlite::memory:";
        DbUrl url;
        DbOptions options = {.may_create = true};
        if (!text || !*text)
            continue;
        OK(f, db_url_parse(f->arena, str_from(text), &url, &f->err));
        OK(f, db_open(&url, &options, &f->db, &f->err));
        f->ctx.dialect = url.driver->dialect;
        f->ctx.run = 0;
        f->ctx.table = (Str){0};
        f->ctx.name_space = (Str){0};
        for (size_t i = 0; tables[i]; i++)
            fixture_exec(f, str_format(f->arena, "DROP TABLE IF EXISTS %s", tables[i]));
        return true;
    }
    return false;
}

void fixture_refused(Fixture *f, bool ok, const char *code, const char *message_part,
                     const char *hint_part)
{
    if (ok)
        fail_msg("it was expected to fail with %s", code);
    const char *hint = f->err.hint ? f->err.hint : "";
    if (!f->err.code || strcmp(f->err.code, code) != 0 ||
        (message_part && !strstr(f->err.message, message_part)) ||
        (hint_part && !strstr(hint, hint_part)))
        fail_msg("expected %s, %s, %s; got %s: %s (%s)", code, message_part ? message_part : "",
                 hint_part ? hint_part : "", f->err.code ? f->err.code : "no code", f->err.message,
                 hint);
    error_clear(&f->err);
}

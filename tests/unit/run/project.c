/* Projects for the tests of run/. SPDX-License-Identifier: Apache-2.0 */
#include "project.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static unsigned project_count;

static Error *fresh_error(Error *err, Arena *arena)
{
    *err = (Error){.arena = arena};
    return err;
}

static const char *server_of(const char *engine)
{
    if (strcmp(engine, "postgres") == 0)
        return getenv("WHIMBREL_TEST_POSTGRES");
    if (strcmp(engine, "mariadb") == 0)
        return getenv("WHIMBREL_TEST_MARIADB");
    return "sqlite:";
}

void project_init(Project *p, const char *engine)
{
    const char *tmp = getenv("TMPDIR");
    *p = (Project){.arena = arena_new(), .engine = engine};
    assert_non_null(p->arena);
    const char *server = server_of(engine);
    if (!server || !*server) {
        arena_free(p->arena);
        p->arena = NULL;
        return;
    }
    char *folder = str_format(p->arena, "%s/whimbrel-run-XXXXXX", tmp && *tmp ? tmp : "/tmp");
    assert_non_null(folder);
    assert_non_null(mkdtemp(folder));
    p->folder = folder;
    Error err;
    assert_true(folder_make(p->arena, path_join(p->arena, folder, STR("migrations")), 0700,
                            fresh_error(&err, p->arena)));
    if (strcmp(engine, "sqlite") == 0) {
        p->url = str_format(p->arena, "sqlite://%s/app.db?mode=rwc", folder);
        return;
    }
    DbUrl base = {0}, mine = {0};
    p->server = server;
    p->database = str_format(p->arena, "wr_%d_%u", (int)getpid(), ++project_count);
    if (!db_url_parse(p->arena, str_from(server), &base, fresh_error(&err, p->arena)) ||
        !db_url_with_database(p->arena, &base, str_from(p->database), &mine, &err) ||
        !base.driver->database_create(&mine, &(DbOptions){0}, &err))
        fail_msg("cannot make a database: %s", err.message);
    p->url = str_z(p->arena, mine.text);
}

Project *project_of(void **state)
{
    Project *p = *state;
    if (!p->arena) {
        print_message("# there is no URL of a %s server in the environment\n", p->engine);
        skip();
    }
    return p;
}

static void remove_folder(Arena *arena, const char *folder)
{
    FolderEntryVec entries = {0};
    Error err = {.arena = arena};
    if (!folder_list(arena, folder, &entries, &err))
        return;
    for (size_t i = 0; i < entries.len; i++) {
        char *path = path_join(arena, folder, entries.items[i].name);
        if (entries.items[i].kind == FILE_FOLDER)
            remove_folder(arena, path);
        else
            unlink(path);
    }
    rmdir(folder);
}

void project_done(Project *p)
{
    if (!p->arena)
        return;
    if (p->server) {
        DbUrl url;
        Error err = {.arena = p->arena};
        if (!db_url_parse(p->arena, str_from(p->url), &url, &err) ||
            !url.driver->database_drop(&url, &(DbOptions){0}, &err))
            print_message("the database %s stays: %s\n", p->database, err.message);
    }
    remove_folder(p->arena, p->folder);
    arena_free(p->arena);
}

void project_write(Project *p, const char *name, const char *text)
{
    char *path = str_format(p->arena, "%s/migrations/%s", p->folder, name);
    Error err = {.arena = p->arena};
    char *folder = str_z(p->arena, path_folder(str_from(path)));
    assert_true(folder_make(p->arena, folder, 0700, &err));
    assert_true(file_write(p->arena, path, str_from(text), 0600, &err));
}

void project_chmod(Project *p, const char *name, unsigned mode)
{
    assert_int_equal(chmod(str_format(p->arena, "%s/migrations/%s", p->folder, name), mode), 0);
}

void project_remove(Project *p, const char *name)
{
    assert_int_equal(unlink(str_format(p->arena, "%s/migrations/%s", p->folder, name)), 0);
}

static Db *connect(Project *p)
{
    DbUrl url;
    Db *db = NULL;
    Error err = {.arena = p->arena};
    if (!db_url_parse(p->arena, str_from(p->url), &url, &err) ||
        !db_open(&url, &(DbOptions){.may_create = true}, &db, &err))
        fail_msg("cannot connect: %s", err.message);
    return db;
}

const char *project_query(Project *p, const char *sql)
{
    scoped(Db *, db_closep) db = connect(p);
    scoped(DbRows, db_rows_done) rows = {0};
    Error err = {.arena = p->arena};
    StrBuf out = strbuf(p->arena);
    if (!db_query(db, str_from(sql), &rows, &err))
        fail_msg("%s: %s", sql, err.message);
    while (db_rows_next(&rows)) {
        if (out.len > 0)
            strbuf_add_char(&out, '\n');
        for (size_t i = 0; i < rows.col_count; i++) {
            if (i > 0)
                strbuf_add_char(&out, '|');
            strbuf_add(&out, rows.cols[i].is_null ? STR("NULL") : rows.cols[i].text);
        }
    }
    if (!db_rows_finish(&rows, &err))
        fail_msg("%s: %s", sql, err.message);
    Str text;
    assert_true(strbuf_finish(&out, &text));
    return text.ptr ? text.ptr : "";
}

void project_exec(Project *p, const char *sql)
{
    scoped(Db *, db_closep) db = connect(p);
    Error err = {.arena = p->arena};
    if (!db_exec(db, str_from(sql), &err))
        fail_msg("%s: %s", sql, err.message);
}

/* ---- sessions -------------------------------------------------------------------------------------- */

static void on_event(void *ctx, const Event *event)
{
    Session *s = ctx;
    strbuf_addf(&s->log, "%s", event_kind_name(event->kind));
    if (event->version.len > 0)
        strbuf_addf(&s->log, " %.*s", STR_ARG(event->version));
    else if (event->name.len > 0)
        strbuf_addf(&s->log, " R %.*s", STR_ARG(event->name));
    if (event->kind == EVENT_STATEMENT)
        strbuf_addf(&s->log, " %zu/%zu", event->statement, event->statements);
    if (event->text.len > 0 && event->kind != EVENT_STATEMENT)
        strbuf_addf(&s->log, " [%.*s]", STR_ARG(event->text));
    if (event->message.len > 0)
        strbuf_addf(&s->log, " (%.*s)", STR_ARG(event->message));
    strbuf_add_char(&s->log, '\n');
    if (event->kind == EVENT_STATEMENT && s->cancel_after > 0 && --s->cancel_after == 0)
        s->is_cancelled = true;
    if (s->on_event)
        s->on_event(s, event);
}

static bool is_cancelled(void *ctx)
{
    Session *s = ctx;
    return s->is_cancelled || (s->cancel_at_us > 0 && clock_monotonic_us() >= s->cancel_at_us);
}

bool session_open(Session *s, Project *p)
{
    *s = (Session){.project = p, .arena = arena_new()};
    if (!s->arena)
        return false;
    s->err = (Error){.arena = p->arena};
    s->log = strbuf(p->arena);
    s->cancel = (DbCancel){.is_requested = is_cancelled, .ctx = s, .wake_fd = -1};
    DbOptions options = {.may_create = true, .cancel = &s->cancel};
    if (!db_url_parse(s->arena, str_from(p->url), &s->url, &s->err) ||
        !db_open(&s->url, &options, &s->db, &s->err))
        return false;
    s->ctx = (ConventionContext){.convention = convention_find(STR("whimbrel")),
                                 .dialect = s->url.driver->dialect,
                                 .who = STR("tester"),
                                 .host = STR("here"),
                                 .program = STR("whimbrel test"),
                                 .store_limit_bytes = 1 << 20};
    char *folder = str_format(s->arena, "%s/migrations", p->folder);
    if (!folder || !vec_push(s->arena, &s->ctx.folders, str_from(folder)))
        return error_nomem(&s->err);
    if (!s->ctx.convention->scan(&s->ctx, s->arena, &s->set, &s->err))
        return false;
    s->runner = (Runner){.db = s->db, .url = &s->url, .convention = &s->ctx, .set = &s->set};
    s->runner.policy = run_policy(s->db, &s->ctx);
    s->runner.settings = (RunSettings){.lock_wait_ms = 10000,
                                       .timeouts = {.lock_ms = 3000, .statement_ms = 0},
                                       .lock_retries = 3,
                                       .retry_pause_ms = 50,
                                       .environment = STR("test"),
                                       .cancel = &s->cancel,
                                       .command = STR("migrate")};
    s->runner.sink = (EventSink){.emit = on_event, .ctx = s};
    return true;
}

void session_close(Session *s)
{
    db_close(s->db);
    arena_free(s->arena);
    s->db = NULL;
    s->arena = NULL;
}

bool session_run(Session *s, PlanRequest request)
{
    if (request.resume_from == 0 && !request.settles)
        request.resume_from = -1;
    return run_execute(&s->runner, s->arena, &request, NULL, &s->result, &s->err);
}

bool session_migrate(Session *s)
{
    return session_run(s, (PlanRequest){.verb = PLAN_MIGRATE});
}

static size_t must(Project *p, PlanRequest request)
{
    Session s;
    if (!session_open(&s, p) || !session_run(&s, request))
        fail_msg("%s\n%s", explain(p->arena, &s), strbuf_str(&s.log).ptr);
    size_t count = s.result.applied.len + s.result.rolled_back.len;
    session_close(&s);
    return count;
}

size_t migrate(Project *p)
{
    return must(p, (PlanRequest){.verb = PLAN_MIGRATE});
}

size_t rollback(Project *p, unsigned steps)
{
    return must(p, (PlanRequest){.verb = PLAN_ROLLBACK, .steps = steps});
}

const char *explain(Arena *arena, const Session *s)
{
    StrBuf out = strbuf(arena);
    const Error *err = &s->err;
    strbuf_addf(&out, "%s", err->message ? err->message : "no error");
    if (err->code)
        strbuf_addf(&out, " {%s}", err->code);
    if (err->pos.file)
        strbuf_addf(&out, "\n--> %.*s:%u:%u", STR_ARG(path_base(str_from(err->pos.file))),
                    err->pos.line, err->pos.column);
    if (err->excerpt)
        strbuf_addf(&out, "\n| %s (%u)", err->excerpt, err->excerpt_width);
    if (err->detail)
        strbuf_addf(&out, "\n= %s", err->detail);
    for (size_t i = 0; i < s->result.holds.len; i++)
        strbuf_addf(&out, "\n%.*s", STR_ARG(s->result.holds.items[i]));
    for (size_t i = 0; i + 1 < s->result.next.len; i += 2)
        strbuf_addf(&out, "\n> %.*s: %.*s", STR_ARG(s->result.next.items[i]),
                    STR_ARG(s->result.next.items[i + 1]));
    Str text;
    return strbuf_finish(&out, &text) ? text.ptr : "";
}

const char *request_fails(Project *p, PlanRequest request)
{
    Session s;
    assert_true(session_open(&s, p));
    if (session_run(&s, request))
        fail_msg("this was to fail");
    const char *text = explain(p->arena, &s);
    session_close(&s);
    return text;
}

const char *migrate_fails(Project *p)
{
    return request_fails(p, (PlanRequest){.verb = PLAN_MIGRATE});
}

const char *project_picture(Project *p)
{
    if (strcmp(p->engine, "sqlite") == 0) {
        const char *schema = project_query(p, "SELECT type, name, sql FROM sqlite_master WHERE "
                                              "name NOT LIKE 'sqlite_%' ORDER BY 1, 2");
        const char *rows = project_query(p, "SELECT version, name, outcome, done, total, "
                                            "fate_unknown FROM whimbrel_history ORDER BY id");
        return str_format(p->arena, "%s\n%s", schema, rows);
    }
    const char *here = strcmp(p->engine, "postgres") == 0 ? "'public'" : "DATABASE()";
    char *sql = str_format(p->arena,
                           "SELECT table_name, column_name, data_type FROM "
                           "information_schema.columns WHERE table_schema = %s ORDER BY 1, 2",
                           here);
    const char *schema = project_query(p, sql);
    const char *rows = project_query(p, "SELECT version, name, outcome, done, total, fate_unknown "
                                        "FROM whimbrel_history ORDER BY id");
    return str_format(p->arena, "%s\n%s", schema, rows);
}

/* ---- a process of its own ------------------------------------------------------------------------------ */

/* What the child of stopped_at() does; in the list of tests it does nothing. */
static void a_child_migrates(void **state)
{
    (void)state;
    const char *folder = getenv("WHIMBREL_TEST_FOLDER"), *chunk = getenv("WHIMBREL_TEST_CHUNK");
    uint64_t chunk_bytes = 0;
    if (!folder)
        return;
    Session s;
    Project p = {.arena = arena_new(),
                 .folder = folder,
                 .url = getenv("WHIMBREL_TEST_URL"),
                 .engine = getenv("WHIMBREL_TEST_ENGINE")};
    bool is_ok = session_open(&s, &p) && str_to_u64(str_from(chunk), &chunk_bytes);
    if (is_ok) {
        s.runner.settings.chunk_bytes = chunk_bytes;
        is_ok = session_migrate(&s);
    }
    session_close(&s);
    Str status = {0};
    Error err = {.arena = p.arena};
    if (file_read(p.arena, "/proc/self/status", 0, &status, &err)) {
        size_t at = str_find(status, STR("VmHWM:"), 0);
        file_write(p.arena, str_format(p.arena, "%s/peak", folder), str_sub(status, at, at + 60),
                   0600, &err);
    }
    arena_free(p.arena);
    assert_true(is_ok);
}

bool stopped_at(Project *p, size_t chunk_bytes, const char *point, unsigned nth, const char *action)
{
    fflush(stdout);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        /* Faults are read once a process, so it is a program of its own. */
        setenv("WHIMBREL_FAULT", str_format(p->arena, "%s:%u:%s", point, nth, action), 1);
        setenv("WHIMBREL_TEST_FOLDER", p->folder, 1);
        setenv("WHIMBREL_TEST_URL", p->url, 1);
        setenv("WHIMBREL_TEST_ENGINE", p->engine, 1);
        setenv("WHIMBREL_TEST_CHUNK", str_format(p->arena, "%zu", chunk_bytes), 1);
        if (freopen("/dev/null", "w", stdout) && freopen("/dev/null", "w", stderr))
            execl("/proc/self/exe", "unit_run", "a_child_migrates", (char *)NULL);
        _exit(127);
    }
    int status = 0;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_false(WIFEXITED(status) && WEXITSTATUS(status) == 127);
    return !(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

long project_peak_kib(Project *p)
{
    Str text;
    Error err = {.arena = p->arena};
    assert_true(file_read(p->arena, str_format(p->arena, "%s/peak", p->folder), 0, &text, &err));
    return strtol(text.ptr + strlen("VmHWM:"), NULL, 10);
}

void project_query_later(Project *p, const char *sql, unsigned pause_ms)
{
    fflush(stdout);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid > 0)
        return;
    Arena *arena = arena_new();
    Error err = {.arena = arena};
    DbUrl url;
    Db *db = NULL;
    usleep(pause_ms * 1000);
    if (db_url_parse(arena, str_from(p->url), &url, &err) &&
        db_open(&url, &(DbOptions){0}, &db, &err))
        db_exec(db, str_from(sql), &err);
    db_close(db);
    arena_free(arena);
    _exit(0);
}

UNIT_TESTS(run_project) = {
    cmocka_unit_test(a_child_migrates),
};
UNIT_TESTS_END(run_project)

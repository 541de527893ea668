/* notes FILE.db TEXT [TAG ...]: a program that brings its own database along. SPDX-License-Identifier: Apache-2.0
 *
 * The migrations are part of the program (migrations.c, written by `whimbrel embed`); at its start the program brings the
 * database to where it needs it, on its own connection. */
#include <stdio.h>

#include <whimbrel/sqlite.h>

extern const WhimbrelEmbedded notes_migrations;

static void on_event(void *context, const WhimbrelEvent *event)
{
    (void)context;
    if (event->kind == WHIMBREL_EVENT_STEP_END)
        fprintf(stderr, "notes: %s %s in %.0f ms\n", event->version[0] ? event->version : "R",
                event->name, event->duration_ms);
}

static int say(WhimbrelError *error)
{
    fprintf(stderr, "notes: %s\n", error->message);
    if (error->file)
        fprintf(stderr, "notes: in %s, line %u\n", error->file, (unsigned)error->line);
    if (error->hint)
        fprintf(stderr, "notes: %s\n", error->hint);
    whimbrel_error_free(error);
    return 1;
}

static int bring_up_to_date(sqlite3 *database)
{
    WhimbrelOptions options;
    Whimbrel *whimbrel;
    WhimbrelError *error;
    WhimbrelStatus status;

    whimbrel_options_init(&options);
    options.embedded = &notes_migrations;
    options.program = "notes 1.0";
    options.event = on_event;
    if (whimbrel_adopt_sqlite(database, &options, &whimbrel, &error) != WHIMBREL_OK)
        return say(error);
    status = whimbrel_require(whimbrel, &error);
    if (status == WHIMBREL_CHECK && error->code && strcmp(error->code, "pending") == 0) {
        whimbrel_error_free(error);
        status = whimbrel_migrate(whimbrel, NULL, &error);
    }
    whimbrel_close(whimbrel);
    return status == WHIMBREL_OK ? 0 : say(error);
}

static int insert(sqlite3 *database, const char *sql, sqlite3_int64 id, const char *text)
{
    sqlite3_stmt *statement;
    int code;
    if (sqlite3_prepare_v2(database, sql, -1, &statement, NULL) != SQLITE_OK)
        return 1;
    sqlite3_bind_text(statement, 1, text, -1, SQLITE_STATIC);
    if (sqlite3_bind_parameter_count(statement) > 1)
        sqlite3_bind_int64(statement, 2, id);
    code = sqlite3_step(statement);
    sqlite3_finalize(statement);
    return code != SQLITE_DONE;
}

static int add_note(sqlite3 *database, char **words)
{
    int code = insert(database, "INSERT INTO notes (text) VALUES (?1)", 0, words[0]);
    sqlite3_int64 id = sqlite3_last_insert_rowid(database);
    for (words++; *words && code == 0; words++)
        code = insert(database, "INSERT OR IGNORE INTO tags (tag, note_id) VALUES (?1, ?2)", id,
                      *words);
    return code;
}

static int print_row(void *context, int count, char **values, char **names)
{
    (void)context;
    (void)count;
    (void)names;
    printf("%s: %s\n", values[0], values[1]);
    return 0;
}

int main(int argc, char **argv)
{
    sqlite3 *database;
    int code;
    if (argc < 3) {
        fprintf(stderr, "usage: notes FILE.db TEXT [TAG ...]\n");
        return 2;
    }
    if (sqlite3_open(argv[1], &database) != SQLITE_OK) {
        fprintf(stderr, "notes: %s\n", sqlite3_errmsg(database));
        sqlite3_close(database);
        return 1;
    }
    code = bring_up_to_date(database);
    if (code == 0 && (add_note(database, argv + 2) != 0 ||
                      sqlite3_exec(database, "SELECT tag, notes FROM tag_counts ORDER BY tag",
                                   print_row, NULL, NULL) != SQLITE_OK)) {
        fprintf(stderr, "notes: %s\n", sqlite3_errmsg(database));
        code = 1;
    }
    sqlite3_close(database);
    return code;
}

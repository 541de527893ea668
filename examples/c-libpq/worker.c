/* worker CONNECTION: a worker of which many are started at once. SPDX-License-Identifier: Apache-2.0
 *
 * Each migrates on its own PGconn before it works; one of them does it, the others wait for that one. Ctrl-C stops a
 * migration: the statement is cancelled on the server. */
#include <signal.h>
#include <stdio.h>

#include <whimbrel/postgres.h>

static Whimbrel *migrating;

static void on_signal(int number)
{
    (void)number;
    whimbrel_cancel(migrating);
}

static void on_event(void *context, const WhimbrelEvent *event)
{
    (void)context;
    switch (event->kind) {
    case WHIMBREL_EVENT_LOCK_WAIT:
        fprintf(stderr, "worker: someone else is migrating\n");
        break;
    case WHIMBREL_EVENT_STEP_BEGIN:
        fprintf(stderr, "worker: %s %s\n", event->version, event->name);
        break;
    default:
        break;
    }
}

static int migrate(PGconn *connection)
{
    static const char *const folders[] = {"migrations", NULL};
    WhimbrelOptions options;
    WhimbrelError *error = NULL;
    WhimbrelResult *result = NULL;
    WhimbrelStatus status;

    whimbrel_options_init(&options);
    options.folders = folders;
    options.program = "worker 1.0";
    options.lock_wait_ms = 30 * 1000;
    options.event = on_event;
    status = whimbrel_adopt_postgres(connection, &options, &migrating, &error);
    if (status == WHIMBREL_OK) {
        signal(SIGINT, on_signal);
        status = whimbrel_migrate(migrating, &result, &error);
        signal(SIGINT, SIG_DFL);
    }
    if (status == WHIMBREL_OK) {
        fprintf(stderr, "worker: the database is at %s, %u applied here\n", result->current,
                (unsigned)result->applied_count);
    } else {
        fprintf(stderr, "worker: %s%s%s%s\n", error->message, error->sqlstate[0] ? " (" : "",
                error->sqlstate, error->sqlstate[0] ? ")" : "");
        if (error->hint)
            fprintf(stderr, "worker: %s\n", error->hint);
    }
    whimbrel_result_free(result);
    whimbrel_error_free(error);
    whimbrel_close(migrating);
    migrating = NULL;
    return status == WHIMBREL_OK ? 0 : 1;
}

int main(int argc, char **argv)
{
    PGconn *connection;
    PGresult *result;
    int code;
    if (argc != 2) {
        fprintf(stderr, "usage: worker CONNECTION\n");
        return 2;
    }
    connection = PQconnectdb(argv[1]);
    if (PQstatus(connection) != CONNECTION_OK) {
        fprintf(stderr, "worker: %s", PQerrorMessage(connection));
        PQfinish(connection);
        return 1;
    }
    code = migrate(connection);
    if (code == 0) {
        /* The connection is the program's own, before and after. */
        result = PQexec(connection, "INSERT INTO jobs (payload) VALUES ('hello') RETURNING id");
        if (PQresultStatus(result) == PGRES_TUPLES_OK)
            printf("job %s\n", PQgetvalue(result, 0, 0));
        else
            code = 1;
        PQclear(result);
    }
    PQfinish(connection);
    return code;
}

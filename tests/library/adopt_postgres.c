/* adopt_postgres CONNECTION FOLDER: what the program's own session had, it has afterwards. SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include <whimbrel/postgres.h>

static int failures;

static void expect(PGconn *connection, const char *sql, const char *expected)
{
    PGresult *result = PQexec(connection, sql);
    ExecStatusType status = PQresultStatus(result);
    const char *value = status == PGRES_TUPLES_OK && PQntuples(result) > 0
                            ? PQgetvalue(result, 0, 0)
                        : status == PGRES_COMMAND_OK ? ""
                                                     : PQerrorMessage(connection);
    if (strcmp(value, expected) != 0) {
        printf("%s: expected '%s', found '%s'\n", sql, expected, value);
        failures++;
    }
    PQclear(result);
}

int main(int argc, char **argv)
{
    static const char *const mine[][2] = {
        {"SHOW application_name", "mine"},
        {"SHOW lock_timeout", "1234ms"},
        {"SHOW statement_timeout", "1min"},
        {"SHOW search_path", "pg_temp, public"},
        {"SHOW synchronous_commit", "local"},
        {"SELECT current_setting('my.setting')", "kept"},
        {"SELECT x FROM kept_temp", "7"},
        {"EXECUTE kept_statement", "8"},
        {"SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = 4711 AND pid = "
         "pg_backend_pid()",
         "1"},
        {"SELECT count(*) FROM pg_listening_channels()", "1"},
    };
    const char *folders[2] = {NULL, NULL};
    WhimbrelOptions options;
    Whimbrel *whimbrel = NULL;
    WhimbrelError *error = NULL;
    WhimbrelStatus status;
    PGconn *connection;
    size_t i;

    if (argc != 3)
        return 2;
    folders[0] = argv[2];
    whimbrel_options_init(&options);
    options.folders = folders;
    connection = PQconnectdb(argv[1]);
    expect(connection, "SET application_name = 'mine'", "");
    expect(connection, "SET lock_timeout = '1234ms'", "");
    expect(connection, "SET statement_timeout = '1min'", "");
    expect(connection, "SET search_path = pg_temp, public", "");
    expect(connection, "SET synchronous_commit = local", "");
    expect(connection, "SET my.setting = 'kept'", "");
    expect(connection, "CREATE TEMP TABLE kept_temp AS SELECT 7 AS x", "");
    expect(connection, "PREPARE kept_statement AS SELECT 8", "");
    expect(connection, "SELECT pg_advisory_lock(4711)", "");
    expect(connection, "LISTEN kept_channel", "");

    expect(connection, "BEGIN", "");
    if (whimbrel_adopt_postgres(connection, &options, &whimbrel, &error) != WHIMBREL_USAGE) {
        printf("a connection in a transaction was taken\n");
        failures++;
    }
    whimbrel_error_free(error);
    expect(connection, "ROLLBACK", "");

    status = whimbrel_adopt_postgres(connection, &options, &whimbrel, &error);
    if (status == WHIMBREL_OK)
        status = whimbrel_migrate(whimbrel, NULL, &error);
    if (status == WHIMBREL_OK)
        status = whimbrel_require(whimbrel, &error);
    if (status != WHIMBREL_OK) {
        printf("%s: %s\n", error->kind, error->message);
        whimbrel_error_free(error);
        failures++;
    }
    whimbrel_close(whimbrel);
    if (PQtransactionStatus(connection) != PQTRANS_IDLE) {
        printf("the connection is not idle\n");
        failures++;
    }
    for (i = 0; i < sizeof mine / sizeof *mine; i++)
        expect(connection, mine[i][0], mine[i][1]);
    expect(connection, "SELECT count(*) FROM public.migrated", "1");
    PQfinish(connection);
    return failures > 0;
}

/* adopt_mysql SOCKET USER DATABASE FOLDER: what the program's own session had, it has afterwards. SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include <whimbrel/mysql.h>

static int failures;

static void expect(MYSQL *connection, const char *sql, const char *expected)
{
    const char *value = "";
    MYSQL_RES *result = NULL;
    MYSQL_ROW row;
    if (mysql_query(connection, sql) != 0) {
        value = mysql_error(connection);
    } else {
        result = mysql_store_result(connection);
        row = result ? mysql_fetch_row(result) : NULL;
        if (row)
            value = row[0] ? row[0] : "NULL";
    }
    if (strcmp(value, expected) != 0) {
        printf("%s: expected '%s', found '%s'\n", sql, expected, value);
        failures++;
    }
    if (result)
        mysql_free_result(result);
}

int main(int argc, char **argv)
{
    static const char *const mine[][2] = {
        {"SELECT @kept", "7"},
        {"SELECT x FROM kept_temp", "8"},
        {"SELECT @@session.sql_mode", "ANSI_QUOTES"},
        {"SELECT @@session.lock_wait_timeout", "1234"},
        {"SELECT @@session.foreign_key_checks", "0"},
        {"SELECT @@session.time_zone", "+05:30"},
        {"SELECT @@autocommit", "1"},
        {"SELECT IS_USED_LOCK('kept_lock') = CONNECTION_ID()", "1"},
        {"EXECUTE kept_statement", "9"},
        {"DEALLOCATE PREPARE whimbrel_insert", /* nothing of ours stays with it */
         "Unknown prepared statement handler (whimbrel_insert) given to DEALLOCATE PREPARE"},
    };
    const char *folders[2] = {NULL, NULL};
    WhimbrelOptions options;
    Whimbrel *whimbrel = NULL;
    WhimbrelError *error = NULL;
    WhimbrelStatus status;
    MYSQL *connection = mysql_init(NULL);
    size_t i;

    if (argc != 5 || !mysql_real_connect(connection, NULL, argv[2], NULL, argv[3], 0, argv[1], 0)) {
        printf("%s\n", mysql_error(connection));
        return 2;
    }
    folders[0] = argv[4];
    whimbrel_options_init(&options);
    options.folders = folders;
    expect(connection, "SET @kept = 7", "");
    expect(connection, "CREATE TEMPORARY TABLE kept_temp AS SELECT 8 AS x", "");
    expect(connection,
           "SET SESSION sql_mode = 'ANSI_QUOTES', lock_wait_timeout = 1234, foreign_key_checks = 0",
           "");
    expect(connection, "SET SESSION time_zone = '+05:30'", "");
    expect(connection, "SELECT GET_LOCK('kept_lock', 0)", "1");
    expect(connection, "PREPARE kept_statement FROM 'SELECT 9'", "");

    expect(connection, "START TRANSACTION", "");
    expect(connection, "SELECT 1", "1");
    if (whimbrel_adopt_mysql(connection, &options, &whimbrel, &error) != WHIMBREL_USAGE) {
        printf("a connection in a transaction was taken\n");
        failures++;
    }
    whimbrel_error_free(error);
    expect(connection, "ROLLBACK", "");

    status = whimbrel_adopt_mysql(connection, &options, &whimbrel, &error);
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
    for (i = 0; i < sizeof mine / sizeof *mine; i++)
        expect(connection, mine[i][0], mine[i][1]);
    expect(connection, "SELECT count(*) FROM migrated", "1");
    mysql_close(connection);
    return failures > 0;
}

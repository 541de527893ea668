/* reconnect URL FOLDER WAIT: migrates with reconnect_ms = WAIT, and prints how many migrations ran and the notes on the
 * way, or the error. SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>

#include <whimbrel/whimbrel.h>

static void print_note(void *context, const WhimbrelEvent *event)
{
    (void)context;
    if (event->kind == WHIMBREL_EVENT_NOTE)
        printf("%s\n", event->message);
}

int main(int argc, char **argv)
{
    const char *folders[2] = {NULL, NULL};
    WhimbrelOptions options;
    Whimbrel *whimbrel = NULL;
    WhimbrelResult *result = NULL;
    WhimbrelError *error = NULL;
    WhimbrelStatus status;

    if (argc != 4)
        return 2;
    folders[0] = argv[2];
    whimbrel_options_init(&options);
    options.folders = folders;
    options.event = print_note;
    options.reconnect_ms = strtol(argv[3], NULL, 10);
    status = whimbrel_open(argv[1], &options, &whimbrel, &error);
    if (status == WHIMBREL_OK)
        status = whimbrel_migrate(whimbrel, &result, &error);
    if (status == WHIMBREL_OK)
        printf("%d applied\n", (int)result->applied_count);
    else
        printf("%s: %s\n", error->code ? error->code : "", error->message);
    whimbrel_error_free(error);
    whimbrel_result_free(result);
    whimbrel_close(whimbrel);
    return status == WHIMBREL_OK ? 0 : 1;
}

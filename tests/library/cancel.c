/* cancel URL FOLDER: a migration that would take very long is cancelled from another thread; the handle goes on to be of
 * use. Prints how many seconds the call took. SPDX-License-Identifier: Apache-2.0 */
#include <pthread.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include <whimbrel/whimbrel.h>

static void *cancel_soon(void *whimbrel)
{
    sleep(1);
    whimbrel_cancel(whimbrel);
    return NULL;
}

int main(int argc, char **argv)
{
    const char *folders[2] = {NULL, NULL};
    WhimbrelOptions options;
    Whimbrel *whimbrel = NULL;
    WhimbrelOverview *overview = NULL;
    WhimbrelError *error = NULL;
    struct timespec before, after;
    pthread_t thread;
    int code = 1;

    if (argc != 3)
        return 2;
    folders[0] = argv[2];
    whimbrel_options_init(&options);
    options.folders = folders;
    if (whimbrel_open(argv[1], &options, &whimbrel, &error) != WHIMBREL_OK) {
        printf("%s\n", error->message);
        whimbrel_error_free(error);
        return 1;
    }
    clock_gettime(CLOCK_MONOTONIC, &before);
    pthread_create(&thread, NULL, cancel_soon, whimbrel);
    if (whimbrel_migrate(whimbrel, NULL, &error) == WHIMBREL_CANCELLED) {
        clock_gettime(CLOCK_MONOTONIC, &after);
        printf("%d\n", (int)(after.tv_sec - before.tv_sec));
        code = 0;
    } else {
        printf("not cancelled: %s\n", error ? error->message : "done");
    }
    whimbrel_error_free(error);
    pthread_join(thread, NULL);
    if (whimbrel_status(whimbrel, &overview, &error) != WHIMBREL_OK) {
        printf("afterwards: %s\n", error->message);
        whimbrel_error_free(error);
        code = 1;
    } else {
        printf("%s\n", whimbrel_migration_state_name(overview->migrations[1]->state));
    }
    whimbrel_overview_free(overview);
    whimbrel_close(whimbrel);
    return code;
}

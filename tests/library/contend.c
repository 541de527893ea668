/* contend URL COUNT FOLDER: COUNT handles, each in a thread of its own, migrate one database at once.
 * SPDX-License-Identifier: Apache-2.0
 *
 * Prints "applied N waits M": what was applied in all, and how often someone was waited for. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include <whimbrel/whimbrel.h>

typedef struct Worker {
    pthread_t thread;
    const char *url;
    const char *folders[2];
    size_t applied;
    int waits;
    int has_failed;
} Worker;

static void on_event(void *context, const WhimbrelEvent *event)
{
    Worker *worker = context;
    if (event->kind == WHIMBREL_EVENT_LOCK_WAIT)
        worker->waits++;
}

static void *work(void *argument)
{
    Worker *worker = argument;
    WhimbrelOptions options;
    Whimbrel *whimbrel = NULL;
    WhimbrelResult *result = NULL;
    WhimbrelError *error = NULL;
    WhimbrelStatus status;
    whimbrel_options_init(&options);
    options.folders = worker->folders;
    options.event = on_event;
    options.context = worker;
    status = whimbrel_open(worker->url, &options, &whimbrel, &error);
    if (status == WHIMBREL_OK)
        status = whimbrel_migrate(whimbrel, &result, &error);
    if (status == WHIMBREL_OK) {
        worker->applied = result->applied_count;
        status = whimbrel_require(whimbrel, &error);
    }
    if (status != WHIMBREL_OK) {
        fprintf(stderr, "%s: %s\n", error->kind, error->message);
        worker->has_failed = 1;
    }
    whimbrel_result_free(result);
    whimbrel_error_free(error);
    whimbrel_close(whimbrel);
    return NULL;
}

int main(int argc, char **argv)
{
    int count = argc == 4 ? atoi(argv[2]) : 0, i, waits = 0, code = 0;
    size_t applied = 0;
    Worker *workers = calloc(count > 0 ? (size_t)count : 1, sizeof *workers);
    if (count < 1 || !workers)
        return 2;
    for (i = 0; i < count; i++) {
        workers[i].url = argv[1];
        workers[i].folders[0] = argv[3];
        if (pthread_create(&workers[i].thread, NULL, work, &workers[i]) != 0)
            return 2;
    }
    for (i = 0; i < count; i++) {
        pthread_join(workers[i].thread, NULL);
        applied += workers[i].applied;
        waits += workers[i].waits;
        code |= workers[i].has_failed;
    }
    printf("applied %u waits %d\n", (unsigned)applied, waits);
    free(workers);
    return code;
}

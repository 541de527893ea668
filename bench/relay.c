/* A far network: passes bytes on between a local port and a server's, each way a given time later.
 * It looks into nothing and counts nothing (tests/cli/proxy.py does), so that what it adds is the delay alone.
 * SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { PIECE_BYTES = 1 << 16, HIGH_WATER_BYTES = 32 << 20 };

/* What was read at one time, and when it may go on. A size of 0 is the end of the stream. */
typedef struct Piece Piece;
struct Piece {
    Piece *next;
    int64_t due_ns;
    size_t size, at;
    char bytes[];
};

typedef struct {
    int from, to;
    Piece *first, **end;
    size_t held_bytes;
    bool is_read, is_done;
} Way;

static int64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static void give_up(const char *doing)
{
    fprintf(stderr, "relay: %s: %s\n", doing, strerror(errno));
    exit(1);
}

/* Reads once; false when the connection is broken. */
static bool take(Way *way, int64_t delay_ns)
{
    static char buffer[PIECE_BYTES];
    ssize_t size = recv(way->from, buffer, sizeof buffer, MSG_DONTWAIT);
    if (size < 0) {
        return errno == EAGAIN || errno == EINTR;
    }
    Piece *piece = malloc(sizeof *piece + (size_t)size);
    if (!piece) {
        give_up("memory");
    }
    *piece = (Piece){.due_ns = now_ns() + delay_ns, .size = (size_t)size};
    memcpy(piece->bytes, buffer, (size_t)size);
    *way->end = piece;
    way->end = &piece->next;
    way->held_bytes += (size_t)size;
    way->is_read = size == 0;
    return true;
}

/* Writes what is due, as far as it goes; false when the connection is broken. */
static bool give(Way *way, int64_t now)
{
    while (way->first && way->first->due_ns <= now) {
        Piece *piece = way->first;
        if (piece->size == 0) {
            shutdown(way->to, SHUT_WR);
            way->is_done = true;
        } else {
            ssize_t size = send(way->to, piece->bytes + piece->at, piece->size - piece->at,
                                MSG_DONTWAIT | MSG_NOSIGNAL);
            if (size < 0) {
                return errno == EAGAIN || errno == EINTR;
            }
            piece->at += (size_t)size;
            if (piece->at < piece->size) {
                return true;
            }
        }
        way->held_bytes -= piece->size;
        way->first = piece->next;
        if (!way->first) {
            way->end = &way->first;
        }
        free(piece);
    }
    return true;
}

static void serve(int client, int server, int64_t delay_ns)
{
    Way ways[2] = {{.from = client, .to = server}, {.from = server, .to = client}};
    ways[0].end = &ways[0].first;
    ways[1].end = &ways[1].first;
    while (!ways[0].is_done || !ways[1].is_done) {
        struct pollfd polled[4];
        int64_t now = now_ns(), due = INT64_MAX;
        for (int i = 0; i < 2; i++) {
            Way *way = &ways[i];
            bool may_read = !way->is_read && way->held_bytes < HIGH_WATER_BYTES;
            bool may_write = way->first && way->first->due_ns <= now;
            polled[2 * i] = (struct pollfd){.fd = may_read ? way->from : -1, .events = POLLIN};
            polled[2 * i + 1] = (struct pollfd){.fd = may_write ? way->to : -1, .events = POLLOUT};
            if (way->first && !may_write && way->first->due_ns < due) {
                due = way->first->due_ns;
            }
        }
        struct timespec wait = {0};
        if (due != INT64_MAX) {
            wait.tv_sec = (due - now) / 1000000000;
            wait.tv_nsec = (due - now) % 1000000000;
        }
        if (ppoll(polled, 4, due == INT64_MAX ? NULL : &wait, NULL) < 0 && errno != EINTR) {
            give_up("poll");
        }
        now = now_ns();
        for (int i = 0; i < 2; i++) {
            if (polled[2 * i].fd >= 0 && polled[2 * i].revents && !take(&ways[i], delay_ns)) {
                return;
            }
            if (!give(&ways[i], now)) {
                return;
            }
        }
    }
}

static int dial(uint16_t port)
{
    int server = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in place = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (server < 0 || connect(server, (struct sockaddr *)&place, sizeof place) < 0) {
        return -1;
    }
    return server;
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        fprintf(stderr, "usage: relay PORT MICROSECONDS\n");
        return 2;
    }
    uint16_t target = (uint16_t)strtoul(argv[1], NULL, 10);
    int64_t delay_ns = strtoll(argv[2], NULL, 10) * 1000;
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    prctl(PR_SET_TIMERSLACK, 1UL);
    signal(SIGCHLD, SIG_IGN);
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in place = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof place;
    if (listener < 0 || bind(listener, (struct sockaddr *)&place, size) < 0 ||
        listen(listener, 64) < 0 || getsockname(listener, (struct sockaddr *)&place, &size) < 0) {
        give_up("listen");
    }
    printf("%d\n", ntohs(place.sin_port));
    fflush(stdout);
    for (;;) {
        int client = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        if (client < 0) {
            continue;
        }
        if (fork() == 0) {
            prctl(PR_SET_PDEATHSIG, SIGTERM);
            prctl(PR_SET_TIMERSLACK, 1UL);
            int server = dial(target), yes = 1;
            if (server >= 0) {
                setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
                setsockopt(server, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
                serve(client, server, delay_ns);
            }
            _exit(0);
        }
        close(client);
    }
}

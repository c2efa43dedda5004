// Browsers that listen: many connections to an event stream over HTTP/1.1, and when an event has reached each of them.
//
//   cc -O2 -o /tmp/events Benchmarks/events.c && /tmp/events PORT COUNT PATH HEADERS-FILE EVENT
//
// Connection n sends line n modulo the lines of HEADERS-FILE as a header. It prints "ready" once the server greeted all of them. For each
// line of standard input it waits until EVENT has reached all, and prints when it reached the first, the median and the last, in nanoseconds
// of CLOCK_MONOTONIC. Events are counted by their line "event: EVENT"; one that is split between two reads is found too.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

enum { TAIL = 256, LINES_MAX = 1024, AT_ONCE = 64 };

struct client {
    int socket;
    int greeted;
    char tail[TAIL];
    size_t tail_bytes;
};

static struct client *clients;
static long *reached;
static int count, poll_set;
static char *headers[LINES_MAX], wanted[128];

static void fail(const char *what) {
    perror(what);
    exit(1);
}

static long now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000L + t.tv_nsec;
}

static void open_client(int index, int port, const char *path, int lines) {
    // Each loopback address has its own ports to connect from.
    struct sockaddr_in from = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(0x7F000001u + (unsigned)(index / 8192))};
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(0x7F000001u)};
    struct client *c = &clients[index];
    c->socket = socket(AF_INET, SOCK_STREAM, 0);
    if (c->socket < 0) fail("socket: raise `ulimit -n`");
    if (bind(c->socket, (struct sockaddr *)&from, sizeof from)) fail("bind");
    if (connect(c->socket, (struct sockaddr *)&to, sizeof to)) fail("connect");
    char request[2048];
    int bytes = snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nAccept: text/event-stream\r\n%s\r\n\r\n", path, port, headers[index % lines]);
    if (send(c->socket, request, (size_t)bytes, 0) != bytes) fail("send");
    struct epoll_event event = {.events = EPOLLIN, .data.u32 = (unsigned)index};
    if (epoll_ctl(poll_set, EPOLL_CTL_ADD, c->socket, &event)) fail("epoll_ctl");
}

// Reads what came. Returns whether `text` is in it.
static int take(struct client *c, const char *text) {
    static char buffer[TAIL + (1 << 16)];
    memcpy(buffer, c->tail, c->tail_bytes);
    ssize_t n = recv(c->socket, buffer + c->tail_bytes, 1 << 16, MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return 0;
    if (n <= 0) {
        fprintf(stderr, "a stream ended: %.*s\n", (int)c->tail_bytes, c->tail);
        exit(1);
    }
    size_t bytes = c->tail_bytes + (size_t)n;
    char *found = memmem(buffer, bytes, text, strlen(text));
    size_t from = found ? (size_t)(found - buffer) + strlen(text) : 0;
    size_t kept = bytes - from < TAIL ? bytes - from : TAIL;
    memcpy(c->tail, buffer + bytes - kept, kept);
    c->tail_bytes = kept;
    return found != NULL;
}

// Waits until `text` has come on so many of the streams as `missing` says, each once.
static void wait_for(const char *text, int missing, int seconds, int is_greeting) {
    static struct epoll_event events[1024];
    long end = now() + seconds * 1000000000L;
    while (missing > 0) {
        int n = epoll_wait(poll_set, events, 1024, 1000);
        for (int i = 0; i < n; i++) {
            unsigned index = events[i].data.u32;
            if (!take(&clients[index], text) || (is_greeting ? clients[index].greeted : reached[index] != 0)) continue;
            if (is_greeting) clients[index].greeted = 1;
            else reached[index] = now();
            missing--;
        }
        if (now() > end) {
            fprintf(stderr, "%d of %d streams had no “%s” within %d s\n", missing, count, text, seconds);
            exit(1);
        }
    }
}

static int by_time(const void *a, const void *b) { return *(const long *)a < *(const long *)b ? -1 : *(const long *)a > *(const long *)b; }

int main(int argc, char **argv) {
    if (argc != 6) {
        fprintf(stderr, "usage: %s PORT COUNT PATH HEADERS-FILE EVENT\n", argv[0]);
        return 2;
    }
    count = atoi(argv[2]);
    clients = calloc((size_t)count, sizeof *clients);
    reached = calloc((size_t)count, sizeof *reached);
    FILE *file = fopen(argv[4], "r");
    if (!file) fail(argv[4]);
    int lines = 0;
    char line[1024];
    while (lines < LINES_MAX && fgets(line, sizeof line, file)) {
        line[strcspn(line, "\n")] = 0;
        headers[lines++] = strdup(line);
    }
    snprintf(wanted, sizeof wanted, "event: %s\n", argv[5]);
    poll_set = epoll_create1(0);
    // Some at a time: the server's queue of new connections is short.
    for (int begun = 0; begun < count;) {
        int some = count - begun < AT_ONCE ? count - begun : AT_ONCE;
        for (int i = 0; i < some; i++) open_client(begun++, atoi(argv[1]), argv[3], lines);
        wait_for("event: hello", some, 60, 1);
    }
    puts("ready");
    fflush(stdout);
    while (fgets(line, sizeof line, stdin)) {
        memset(reached, 0, (size_t)count * sizeof *reached);
        wait_for(wanted, count, 10, 0);
        qsort(reached, (size_t)count, sizeof *reached, by_time);
        printf("%ld %ld %ld\n", reached[0], reached[count / 2], reached[count - 1]);
        fflush(stdout);
    }
    return 0;
}

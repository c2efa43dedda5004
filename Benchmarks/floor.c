// The least that a confirmed publish can cost on this machine: a round trip over loopback, without and with one append and
// fdatasync of the message to a preallocated file. One connection, one message at a time, no protocol.
//
//   cc -O2 -o /tmp/floor Benchmarks/floor.c && /tmp/floor [bytes] [count] [directory]
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static size_t message_bytes = 1024;
static int count = 20000, file = -1, listener;
static off_t file_bytes = 64 << 20;

static void fail(const char *what) {
    perror(what);
    exit(1);
}

static void receive(int socket, void *buffer, size_t bytes) {
    for (size_t done = 0; done < bytes;) {
        ssize_t n = recv(socket, (char *)buffer + done, bytes - done, 0);
        if (n <= 0) exit(n == 0 ? 0 : 1);
        done += (size_t)n;
    }
}

static void *serve(void *unused) {
    (void)unused;
    char *buffer = malloc(message_bytes);
    int one = 1, peer = accept(listener, NULL, NULL);
    setsockopt(peer, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    off_t offset = 0;
    for (;;) {
        receive(peer, buffer, message_bytes);
        if (file >= 0) {
            if (offset + (off_t)message_bytes > file_bytes) offset = 0;
            if (pwrite(file, buffer, message_bytes, offset) != (ssize_t)message_bytes || fdatasync(file) != 0) fail("write");
            offset += (off_t)message_bytes;
        }
        if (send(peer, buffer, 32, 0) != 32) fail("send");
    }
    return NULL;
}

static int compare(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double now_us(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static void measure(const char *name) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    listener = socket(AF_INET, SOCK_STREAM, 0);
    if (bind(listener, (struct sockaddr *)&address, sizeof address) || listen(listener, 1)) fail("listen");
    getsockname(listener, (struct sockaddr *)&address, &length);
    pthread_t server;
    pthread_create(&server, NULL, serve, NULL);
    int one = 1, client = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(client, (struct sockaddr *)&address, sizeof address)) fail("connect");
    setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    char *message = calloc(1, message_bytes), reply[32];
    double *times = malloc(sizeof(double) * (size_t)count);
    for (int i = 0; i < count; i++) {
        double start = now_us();
        if (send(client, message, message_bytes, 0) != (ssize_t)message_bytes) fail("send");
        receive(client, reply, sizeof reply);
        times[i] = now_us() - start;
    }
    qsort(times, (size_t)count, sizeof(double), compare);
    printf("%-28s p50 %6.1f us   p99 %6.1f us\n", name, times[count / 2], times[count * 99 / 100]);
    close(listener); // the client stays open: its server ends with the process
}

int main(int argc, char **argv) {
    if (argc > 1) message_bytes = (size_t)atol(argv[1]);
    if (argc > 2) count = atoi(argv[2]);
    const char *directory = argc > 3 ? argv[3] : ".";
    if (message_bytes < 1 || message_bytes > 1 << 20 || count < 100) {
        fprintf(stderr, "usage: floor [bytes 1…1048576] [count, at least 100] [directory]\n");
        return 2;
    }
    measure("round trip");
    char path[4096];
    snprintf(path, sizeof path, "%s/floor.bin", directory);
    file = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
    if (file < 0) fail(path);
    char zeros[1 << 16] = {0};
    for (off_t at = 0; at < file_bytes; at += sizeof zeros)
        if (pwrite(file, zeros, sizeof zeros, at) != sizeof zeros) fail("pwrite");
    fsync(file);
    measure("with append and fdatasync");
    unlink(path);
    return 0;
}

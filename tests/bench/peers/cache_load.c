/* A load client for caches: each connection asks one request after another, and every byte of every answer is checked.
 *
 *   cache_load memcached|redis PORT CONNECTIONS SECONDS OPERATION KEYS
 *
 * OPERATION: get, set, mget (50 keys in one get) of random keys for so many seconds, or fill (50 sets at a time) and read
 * (50 keys at a time) of all keys once. One thread for all connections: it takes one core at most. Key and value follow from
 * a number below KEYS. SIGTERM ends it early. Prints one line: answers seconds p50_us p99_us slowest_us. A wrong answer ends
 * it with exit code 1.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { TOGETHER = 50, VALUE = 100, ROOM = TOGETHER * 256 };

struct connection { int fd; double asked; char expected[ROOM]; size_t length, got; };

static int is_redis, walks, sets, together;
static volatile sig_atomic_t is_over;
static uint32_t keys, next_key, seed = 2463534242u;

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1e6 + t.tv_nsec / 1e3;
}

static uint32_t some_key(void) {
    if (walks) return next_key++ % keys;
    seed ^= seed << 13; seed ^= seed >> 17; seed ^= seed << 5;
    return seed % keys;
}

static char *put(char *at, const char *text, size_t length) { memcpy(at, text, length); return at + length; }

#define PUT(at, text) put(at, text, sizeof text - 1)

static char *put_number(char *at, uint32_t number) {
    for (int i = 7; i >= 0; i--, number /= 10) at[i] = '0' + number % 10;
    return at + 8;
}

static char *put_key(char *at, uint32_t number) { return put_number(PUT(at, "key"), number); }

static char *put_value(char *at, uint32_t number) {
    put_number(at, number);
    for (int i = 8; i < VALUE; i++) at[i] = at[i - 8];
    return PUT(at + VALUE, "\r\n");
}

/* Write the request to *request* and what must be answered to the connection; return the request's length. */
static size_t make(struct connection *c, char *request) {
    char *out = request, *in = c->expected;
    if (!sets && !is_redis) out = PUT(out, "get");
    for (int i = 0; i < together; i++) {
        uint32_t number = some_key();
        if (is_redis) {
            out = put_key(PUT(out, "*3\r\n$3\r\nSET\r\n$11\r\n"), number);
            out = put_value(PUT(out, "\r\n$100\r\n"), number);
            in = PUT(in, "+OK\r\n");
        } else if (sets) {
            out = put_value(PUT(put_key(PUT(out, "set "), number), " 0 0 100\r\n"), number);
            in = PUT(in, "STORED\r\n");
        } else {
            out = put_key(PUT(out, " "), number);
            in = put_value(PUT(put_key(PUT(in, "VALUE "), number), " 0 100\r\n"), number);
        }
    }
    if (!sets) { out = PUT(out, "\r\n"); in = PUT(in, "END\r\n"); }
    c->length = in - c->expected;
    c->got = 0;
    return out - request;
}

static void ask(struct connection *c) {
    char request[ROOM];
    size_t length = make(c, request);
    c->asked = now();
    if (send(c->fd, request, length, MSG_NOSIGNAL) != (ssize_t)length) { perror("send"); exit(1); }
}

/* Read what is there; whether the answer is whole. */
static int answered(struct connection *c) {
    char answer[ROOM];
    ssize_t n = recv(c->fd, answer, sizeof answer, 0);
    if (n <= 0) { fprintf(stderr, "the server closed a connection\n"); exit(1); }
    if (n > (ssize_t)(c->length - c->got) || memcmp(answer, c->expected + c->got, n)) {
        fprintf(stderr, "a wrong answer: %.*s\n", (int)(n < 200 ? n : 200), answer);
        exit(1);
    }
    c->got += n;
    return c->got == c->length;
}

static void stop(int number) { is_over = number; }

static int by_value(const void *a, const void *b) {
    float d = *(const float *)a - *(const float *)b;
    return (d > 0) - (d < 0);
}

int main(int argc, char **argv) {
    if (argc != 7) return 2;
    is_redis = !strcmp(argv[1], "redis");
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(atoi(argv[2])), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    size_t count = strtoul(argv[3], NULL, 10), total = 0, room = 0, open = count;
    double lasts = atof(argv[4]) * 1e6;
    const char *operation = argv[5];
    keys = strtoul(argv[6], NULL, 10);
    sets = !strcmp(operation, "set") || !strcmp(operation, "fill");
    walks = !strcmp(operation, "fill") || !strcmp(operation, "read");
    together = !strcmp(operation, "get") || !strcmp(operation, "set") ? 1 : TOGETHER;
    struct connection *all = calloc(count, sizeof *all);
    float *took = NULL;
    int epoll = epoll_create1(EPOLL_CLOEXEC), one = 1;
    for (size_t i = 0; i < count; i++) {
        struct epoll_event event = {EPOLLIN, {.ptr = &all[i]}};
        all[i].fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        setsockopt(all[i].fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        if (connect(all[i].fd, (struct sockaddr *)&address, sizeof address)) { perror("connect"); return 1; }
        epoll_ctl(epoll, EPOLL_CTL_ADD, all[i].fd, &event);
    }
    signal(SIGTERM, stop);
    double started = now();
    for (size_t i = 0; i < count; i++) ask(&all[i]);
    while (open) {
        struct epoll_event events[64];
        int ready = epoll_wait(epoll, events, 64, -1);
        for (int i = 0; i < ready; i++) {
            struct connection *c = events[i].data.ptr;
            if (!answered(c)) continue;
            double t = now();
            if (total == room) took = realloc(took, (room = room * 2 + 4096) * sizeof *took);
            took[total++] = t - c->asked;
            if (!is_over && (walks ? next_key < keys : t - started < lasts)) ask(c); else open--;
        }
    }
    double seconds = (now() - started) / 1e6;
    qsort(took, total, sizeof *took, by_value);
    printf("%zu %.6f %.1f %.1f %.1f\n", total, seconds, took[total / 2], took[total * 99 / 100], took[total - 1]);
    return 0;
}

/* A load client whose requests arrive when they are due (Poisson), whether or not earlier ones were answered.
 *
 *   arrivals PORT RATE SEED TARGETS FROM TO [FROM TO ...]
 *
 * RATE requests a second over HTTP/1.1 on loopback, a new connection each, from second 0 to the last TO. TARGETS has lines
 * "path?query TAB body"; an empty body takes any answer of status 200. Latency is the time from the moment that a request is
 * due until the server has answered and closed, so that a request that this client sends late counts as late. One without an
 * answer after PATIENCE is a failure. Prints a line for each window, of the requests due in it:
 * requests failures p50_us p99_us p999_us slept, the last being those that took more than SLEPT.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define PATIENCE 70e6
#define SLEPT 0.9e6
#define ROOM 8192

struct target { char *body, *request; size_t length; };
struct request { double due, took; const struct target *target; char *answer; size_t got; int fd, good; };

static struct target *targets;
static size_t target_count;
static struct sockaddr_in address;
static int poller;

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1e6 + t.tv_nsec / 1e3;
}

/* Exponential gaps: the arrivals of callers who do not know of each other. */
static double gap(double rate) {
    return -log(1 - drand48()) / rate * 1e6;
}

static void end(struct request *r) {
    r->took = now() - r->due;
    if (r->fd >= 0) close(r->fd);
    r->fd = -1;
    r->good = r->got > 12 && !memcmp(r->answer + 9, "200", 3)
        && memmem(r->answer, r->got, r->target->body, strlen(r->target->body));
    free(r->answer);
    r->answer = NULL;
}

static int begin(struct request *r) {
    struct epoll_event event = {EPOLLIN | EPOLLRDHUP, {.ptr = r}};
    r->answer = malloc(ROOM);
    r->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (r->fd >= 0 && !connect(r->fd, (struct sockaddr *)&address, sizeof address)
        && send(r->fd, r->target->request, r->target->length, MSG_NOSIGNAL) == (ssize_t)r->target->length
        && !epoll_ctl(poller, EPOLL_CTL_ADD, r->fd, &event)) return 1;
    end(r);
    return 0;
}

/* Returns whether the answer has ended. */
static int receive(struct request *r) {
    ssize_t n = recv(r->fd, r->answer + r->got, ROOM - r->got, MSG_DONTWAIT);
    if (n < 0 && errno == EAGAIN) return 0;
    if (n > 0 && (r->got += n) < ROOM) return 0;
    end(r);
    return 1;
}

static void read_targets(const char *path) {
    FILE *file = fopen(path, "r");
    char *line = NULL;
    size_t room = 0, capacity = 0;
    while (file && getline(&line, &room, file) > 0) {
        if (target_count == capacity) targets = realloc(targets, (capacity = capacity * 2 + 64) * sizeof *targets);
        struct target *t = &targets[target_count++];
        line[strcspn(line, "\n")] = 0;
        char *tab = strchr(line, '\t');
        t->body = strdup(tab ? tab + 1 : "");
        if (tab) *tab = 0;
        t->length = asprintf(&t->request,
            "GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: Second-Life-LSL/2026-10-01.123456\r\n"
            "Accept: text/*, application/xml\r\nX-SecondLife-Shard: Production\r\nConnection: close\r\n\r\n", line);
    }
}

static int by_value(const void *a, const void *b) {
    double d = *(const double *)a - *(const double *)b;
    return (d > 0) - (d < 0);
}

static void print_window(const struct request *all, size_t count, double from, double to) {
    double *took = calloc(count + 1, sizeof *took);
    size_t n = 0, failures = 0, slept = 0;
    for (size_t i = 0; i < count; i++) {
        if (all[i].due < from || all[i].due >= to) continue;
        took[n++] = all[i].took;
        failures += !all[i].good;
        slept += all[i].took > SLEPT;
    }
    qsort(took, n, sizeof *took, by_value);
    printf("%zu %zu %.1f %.1f %.1f %zu\n", n, failures, took[n / 2], took[n * 99 / 100], took[n * 999 / 1000], slept);
    free(took);
}

int main(int argc, char **argv) {
    if (argc < 7 || argc % 2 == 0) return 2;
    double rate = atof(argv[2]), seconds = atof(argv[argc - 1]);
    address.sin_family = AF_INET;
    address.sin_port = htons(strtoul(argv[1], NULL, 10));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    srand48(strtol(argv[3], NULL, 10));
    read_targets(argv[4]);
    if (!target_count || !(rate > 0)) return 2;

    size_t count = 0, capacity = rate * seconds * 2 + 1000;
    struct request *all = calloc(capacity, sizeof *all);
    double started = now() + 1000;
    for (double due = gap(rate); due < seconds * 1e6 && count < capacity; due += gap(rate))
        all[count++] = (struct request){.due = started + due, .target = &targets[lrand48() % target_count], .fd = -1};

    int timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    struct epoll_event event = {EPOLLIN, {.ptr = NULL}}, ready[64];
    poller = epoll_create1(EPOLL_CLOEXEC);
    epoll_ctl(poller, EPOLL_CTL_ADD, timer, &event);
    size_t next = 0, open = 0;
    while (next < count || open) {
        while (next < count && all[next].due <= now()) open += begin(&all[next++]);
        double wake = next < count ? all[next].due : all[count - 1].due + PATIENCE;
        if (next == count && now() >= wake) break;
        struct itimerspec at = {.it_value = {(time_t)(wake / 1e6), (long)(fmod(wake, 1e6) * 1e3) + 1}};
        timerfd_settime(timer, TFD_TIMER_ABSTIME, &at, NULL);
        int n = epoll_wait(poller, ready, 64, -1);
        for (int i = 0; i < n; i++)
            if (ready[i].data.ptr) open -= receive(ready[i].data.ptr);
    }
    for (size_t i = 0; i < count; i++) if (all[i].fd >= 0) { all[i].got = 0; end(&all[i]); }
    for (int i = 5; i + 1 < argc; i += 2)
        print_window(all, count, started + atof(argv[i]) * 1e6, started + atof(argv[i + 1]) * 1e6);
    return 0;
}

/* A load client: callers ask one request after another and check every answer.
 *
 *   load fcgi SOCKET CALLERS REQUESTS TARGETS    a new unix connection a request, as mod_fcgid makes them
 *   load http PORT   CALLERS REQUESTS TARGETS    HTTP/1.1 on loopback, one kept connection a caller
 *
 * TARGETS has lines "path?query TAB body"; an empty body takes any answer of status 200. Prints one line:
 * requests failures seconds p50_us p99_us.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

struct target { char *path, *body; unsigned char *fcgi; size_t fcgi_len; char *http; size_t http_len; };

static struct target *targets;
static size_t target_count, per_caller, callers;
static int is_http;
static struct sockaddr_un unix_address;
static struct sockaddr_in tcp_address;

struct caller { pthread_t thread; size_t number, failures; double *took; };

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1e6 + t.tv_nsec / 1e3;
}

static void pair(unsigned char *out, size_t *at, const char *name, const char *value) {
    size_t lengths[2] = {strlen(name), strlen(value)};
    for (int i = 0; i < 2; i++) {
        size_t n = lengths[i];
        if (n < 128) out[(*at)++] = n;
        else {
            out[(*at)++] = 0x80 | (n >> 24); out[(*at)++] = n >> 16; out[(*at)++] = n >> 8; out[(*at)++] = n;
        }
    }
    memcpy(out + *at, name, lengths[0]); *at += lengths[0];
    memcpy(out + *at, value, lengths[1]); *at += lengths[1];
}

static void header(unsigned char *out, size_t *at, int type, size_t length) {
    unsigned char h[8] = {1, type, 0, 1, length >> 8, length & 255, 0, 0};
    memcpy(out + *at, h, 8); *at += 8;
}

/* The variables that Apache 2.4 with mod_fcgid sends for a script's request. */
static void make_fcgi(struct target *t) {
    const char *query = strchr(t->path, '?');
    query = query ? query + 1 : "";
    static const char *fixed[][2] = {
        {"HTTP_AUTHORIZATION", ""}, {"HTTP_HOST", "example.com"}, {"HTTP_USER_AGENT", "Second-Life-LSL/2026-10-01.123456"},
        {"HTTP_ACCEPT", "text/*, application/xhtml+xml, application/atom+xml, application/json, application/xml"},
        {"HTTP_ACCEPT_CHARSET", "utf-8;q=1.0, *;q=0.5"}, {"HTTP_ACCEPT_ENCODING", "deflate, gzip"},
        {"HTTP_CACHE_CONTROL", "max-age=259200"}, {"HTTP_X_SECONDLIFE_SHARD", "Production"},
        {"HTTP_X_SECONDLIFE_OBJECT_NAME", "Visitor counter"},
        {"HTTP_X_SECONDLIFE_OBJECT_KEY", "9b1f3c52-1e94-4a1d-8a52-6a1c05b8a7c1"},
        {"HTTP_X_SECONDLIFE_REGION", "Ahern (256000, 257024)"},
        {"HTTP_X_SECONDLIFE_LOCAL_POSITION", "(128.000000, 128.000000, 22.500000)"},
        {"HTTP_X_SECONDLIFE_LOCAL_ROTATION", "(0.000000, 0.000000, 0.000000, 1.000000)"},
        {"HTTP_X_SECONDLIFE_LOCAL_VELOCITY", "(0.000000, 0.000000, 0.000000)"},
        {"HTTP_X_SECONDLIFE_OWNER_NAME", "Governor Linden"},
        {"HTTP_X_SECONDLIFE_OWNER_KEY", "3d6181b0-6a4b-97ef-18d8-722652995cf1"},
        {"PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}, {"SERVER_SIGNATURE", ""},
        {"SERVER_SOFTWARE", "Apache"}, {"SERVER_NAME", "example.com"}, {"SERVER_ADDR", "127.0.0.1"}, {"SERVER_PORT", "80"},
        {"REMOTE_ADDR", "127.0.0.1"}, {"DOCUMENT_ROOT", "/home/you/example.com"}, {"REQUEST_SCHEME", "http"},
        {"CONTEXT_PREFIX", ""}, {"CONTEXT_DOCUMENT_ROOT", "/home/you/example.com"}, {"SERVER_ADMIN", "[no address given]"},
        {"SCRIPT_FILENAME", "/home/you/example.com/dispatch.fcgi"}, {"REMOTE_PORT", "51234"},
        {"GATEWAY_INTERFACE", "CGI/1.1"}, {"SERVER_PROTOCOL", "HTTP/1.1"}, {"REQUEST_METHOD", "GET"},
        {"SCRIPT_NAME", "/dispatch.fcgi"}};
    unsigned char params[8192];
    size_t length = 0, at = 0;
    for (size_t i = 0; i < sizeof fixed / sizeof *fixed; i++) pair(params, &length, fixed[i][0], fixed[i][1]);
    pair(params, &length, "QUERY_STRING", query);
    pair(params, &length, "REQUEST_URI", t->path);
    t->fcgi = malloc(length + 64);
    static const unsigned char begin[8] = {0, 1};
    header(t->fcgi, &at, 1, 8);
    memcpy(t->fcgi + at, begin, 8); at += 8;
    header(t->fcgi, &at, 4, length);
    memcpy(t->fcgi + at, params, length); at += length;
    header(t->fcgi, &at, 4, 0);
    header(t->fcgi, &at, 5, 0);
    t->fcgi_len = at;
}

static void make_http(struct target *t) {
    t->http_len = asprintf(&t->http,
        "GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: Second-Life-LSL/2026-10-01.123456\r\n"
        "Accept: text/*, application/xml\r\nX-SecondLife-Shard: Production\r\n\r\n", t->path);
}

static int is_right(const char *answer, size_t length, const struct target *t) {
    if (*t->body) return memmem(answer, length, t->body, strlen(t->body)) != NULL;
    return memmem(answer, length, "Status: ", 8) == NULL ? length > 0 : memmem(answer, length, "Status: 200", 11) != NULL;
}

static int ask_fcgi(const struct target *t) {
    char answer[8192];
    size_t got = 0;
    ssize_t n;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connect(fd, (struct sockaddr *)&unix_address, sizeof unix_address) ||
        write(fd, t->fcgi, t->fcgi_len) != (ssize_t)t->fcgi_len) { close(fd); return 0; }
    while (got < sizeof answer && (n = read(fd, answer + got, sizeof answer - got)) > 0) got += n;
    close(fd);
    return is_right(answer, got, t);
}

static int ask_http(int *fd, const struct target *t) {
    char answer[16384];
    size_t got = 0;
    if (*fd < 0) {
        int one = 1;
        *fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        setsockopt(*fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        if (connect(*fd, (struct sockaddr *)&tcp_address, sizeof tcp_address)) { close(*fd); *fd = -1; return 0; }
    }
    if (write(*fd, t->http, t->http_len) != (ssize_t)t->http_len) { close(*fd); *fd = -1; return 0; }
    for (;;) {
        ssize_t n = read(*fd, answer + got, sizeof answer - 1 - got);
        if (n <= 0) { close(*fd); *fd = -1; return 0; }
        got += n;
        answer[got] = 0;
        char *end = strstr(answer, "\r\n\r\n");
        char *length = strcasestr(answer, "content-length:"), *chunked = strcasestr(answer, "transfer-encoding: chunked");
        if (end && chunked && chunked < end && strstr(end, "\r\n0\r\n\r\n")) break;
        if (end && length && length < end && got >= (size_t)(end + 4 - answer) + strtoul(length + 15, NULL, 10)) break;
    }
    int good = strncmp(answer + 9, "200", 3) == 0 && is_right(answer, got, t);
    if (strcasestr(answer, "connection: close")) { close(*fd); *fd = -1; }
    return good;
}

static void *call(void *argument) {
    struct caller *me = argument;
    int fd = -1;
    for (size_t i = 0; i < per_caller; i++) {
        const struct target *t = &targets[(me->number * per_caller + i) % target_count];
        double started = now();
        int good = is_http ? ask_http(&fd, t) : ask_fcgi(t);
        me->took[i] = now() - started;
        if (!good) me->failures++;
    }
    if (fd >= 0) close(fd);
    return NULL;
}

static int by_value(const void *a, const void *b) {
    double d = *(const double *)a - *(const double *)b;
    return (d > 0) - (d < 0);
}

int main(int argc, char **argv) {
    if (argc != 6) return 2;
    is_http = !strcmp(argv[1], "http");
    callers = strtoul(argv[3], NULL, 10);
    per_caller = strtoul(argv[4], NULL, 10) / callers;
    unix_address.sun_family = AF_UNIX;
    strncpy(unix_address.sun_path, argv[2], sizeof unix_address.sun_path - 1);
    tcp_address.sin_family = AF_INET;
    tcp_address.sin_port = htons(strtoul(argv[2], NULL, 10));
    tcp_address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    FILE *file = fopen(argv[5], "r");
    char *line = NULL;
    size_t room = 0, capacity = 0;
    while (file && getline(&line, &room, file) > 0) {
        if (target_count == capacity) targets = realloc(targets, (capacity = capacity * 2 + 64) * sizeof *targets);
        struct target *t = &targets[target_count++];
        line[strcspn(line, "\n")] = 0;
        char *tab = strchr(line, '\t');
        t->body = strdup(tab ? tab + 1 : "");
        if (tab) *tab = 0;
        t->path = strdup(line);
        if (is_http) make_http(t); else make_fcgi(t);
    }
    if (!target_count || !per_caller) return 2;
    struct caller *all = calloc(callers, sizeof *all);
    double *took = calloc(callers * per_caller, sizeof *took), started = now();
    for (size_t i = 0; i < callers; i++) {
        all[i].number = i;
        all[i].took = took + i * per_caller;
        pthread_create(&all[i].thread, NULL, call, &all[i]);
    }
    size_t failures = 0, total = callers * per_caller;
    for (size_t i = 0; i < callers; i++) { pthread_join(all[i].thread, NULL); failures += all[i].failures; }
    double seconds = (now() - started) / 1e6;
    qsort(took, total, sizeof *took, by_value);
    printf("%zu %zu %.6f %.1f %.1f\n", total, failures, seconds, took[total / 2], took[total * 99 / 100]);
    return 0;
}

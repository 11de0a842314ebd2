/* nodes/feed_server.c: one poll loop over the listener, the feeders and an eventfd.
 *
 * After every turn each connection is pumped: with at most 64 of them that is cheaper than knowing which one a receipt
 * belongs to. */
#include "nodes/feed_server.h"

#include "nodes/deadline.h"
#include "nodes/unix_socket.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    RETRY_MS = 20,        /* a blocked publish is tried again, also when nothing was written meanwhile */
    ACCEPT_PAUSE_MS = 200 /* when descriptors run out */
};

typedef struct slot {
    feed_connection *connection; /* NULL: free */
    char name[32];
} slot;

struct feed_server {
    feed_server_opts opts;
    char *path;
    int listener; /* -1: none */
    int wake;
    atomic_bool stop;
    bool standard_input_open;
    int64_t accept_again_ms;
    uint64_t accepted;
    feed_context context;
    slot slots[FEED_CONNECTIONS_MAX];
};

static void on_claim(const char *feed, const feed_connection *by, void *user)
{
    feed_server *s = user;
    for (size_t i = 0; i < FEED_CONNECTIONS_MAX; i++) {
        feed_connection *other = s->slots[i].connection;
        if (other == NULL || other == by || feed_connection_is_done(other) || feed_connection_feed(other) == NULL ||
            strcmp(feed_connection_feed(other), feed) != 0)
            continue;
        feed_connection_abandon(other);
        if (s->opts.on_taken_over != NULL)
            s->opts.on_taken_over(feed, s->opts.user);
    }
}

static void on_refused(const char *feeder, uint64_t line, const char *error, void *user)
{
    const feed_server *s = user;
    if (s->opts.on_refused != NULL)
        s->opts.on_refused(feeder, line, error, s->opts.user);
}

/* Takes the descriptors over, whatever happens. */
static bool connection_add(feed_server *s, int input, int output, const char *name)
{
    size_t i = 0;
    while (i < FEED_CONNECTIONS_MAX && s->slots[i].connection != NULL)
        i++;
    if (i < FEED_CONNECTIONS_MAX) {
        (void)snprintf(s->slots[i].name, sizeof s->slots[i].name, "%s", name);
        s->slots[i].connection = feed_connection_create(&s->context, input, output, s->slots[i].name);
    }
    if (i < FEED_CONNECTIONS_MAX && s->slots[i].connection != NULL)
        return true;
    (void)close(input);
    return false;
}

static bool is_full(const feed_server *s)
{
    for (size_t i = 0; i < FEED_CONNECTIONS_MAX; i++)
        if (s->slots[i].connection == NULL)
            return false;
    return true;
}

/* ---- create and destroy ---- */

static weft_status listen_at(feed_server *s, const char *path, char *reason, size_t reason_bytes)
{
    s->path = strdup(path);
    if (s->path == NULL) {
        (void)snprintf(reason, reason_bytes, "out of memory");
        return WEFT_NO_MEMORY;
    }
    weft_status st = unix_socket_listen(path, &s->listener);
    if (st == WEFT_EXISTS)
        (void)snprintf(reason, reason_bytes,
                       "the socket %s is occupied: another process takes lines there, or it is no socket; end that "
                       "process, or choose another path with --socket",
                       path);
    else if (st == WEFT_INVALID)
        (void)snprintf(reason, reason_bytes,
                       "the socket's path %s is too long (107 bytes); choose a shorter one with --socket", path);
    else if (st != WEFT_OK)
        (void)snprintf(reason, reason_bytes, "cannot listen at %s: %s", path, strerror(errno));
    return st;
}

static weft_status standard_input_add(feed_server *s, char *reason, size_t reason_bytes)
{
    int fd = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3);
    s->standard_input_open = fd >= 0 && connection_add(s, fd, -1, "standard input");
    if (s->standard_input_open)
        return WEFT_OK;
    (void)snprintf(reason, reason_bytes, "cannot read standard input: %s", strerror(errno));
    return WEFT_IO;
}

weft_status feed_server_create(const feed_server_opts *opts, feed_server **ret, char *reason, size_t reason_bytes)
{
    feed_server *s = calloc(1, sizeof *s);
    if (s == NULL) {
        (void)snprintf(reason, reason_bytes, "out of memory");
        return WEFT_NO_MEMORY;
    }
    s->opts = *opts;
    s->listener = -1;
    s->context = (feed_context){
        .ops = opts->ops, .ops_user = opts->ops_user, .on_refused = on_refused, .on_claim = on_claim, .user = s};
    s->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    weft_status st = s->wake >= 0 ? WEFT_OK : WEFT_IO;
    if (st != WEFT_OK)
        (void)snprintf(reason, reason_bytes, "cannot make an eventfd: %s", strerror(errno));
    if (st == WEFT_OK && opts->path != NULL)
        st = listen_at(s, opts->path, reason, reason_bytes);
    if (st == WEFT_OK && opts->standard_input)
        st = standard_input_add(s, reason, reason_bytes);
    if (st != WEFT_OK) {
        feed_server_destroy(s);
        return st;
    }
    *ret = s;
    return WEFT_OK;
}

static void listener_close(feed_server *s)
{
    if (s->listener < 0)
        return;
    (void)unlink(s->path);
    (void)close(s->listener);
    s->listener = -1;
}

void feed_server_destroy(feed_server *s)
{
    if (s == NULL)
        return;
    listener_close(s);
    for (size_t i = 0; i < FEED_CONNECTIONS_MAX; i++)
        feed_connection_destroy(s->slots[i].connection);
    if (s->wake >= 0)
        (void)close(s->wake);
    free(s->path);
    free(s);
}

/* ---- the loop ---- */

typedef struct poll_set {
    struct pollfd fds[2 + 2 * FEED_CONNECTIONS_MAX];
    nfds_t count;
    size_t inputs[FEED_CONNECTIONS_MAX]; /* index of a slot's input in fds; 0: not polled */
    size_t listener;
} poll_set;

static size_t poll_set_add(poll_set *set, int fd, short events)
{
    if (fd < 0 || events == 0)
        return 0;
    set->fds[set->count] = (struct pollfd){.fd = fd, .events = events};
    return set->count++;
}

/* The eventfd is always fds[0], so that 0 means none everywhere else. */
static void poll_set_init(poll_set *set, feed_server *s)
{
    *set = (poll_set){0};
    (void)poll_set_add(set, s->wake, POLLIN);
    bool accepting = !is_full(s) && deadline_now_ms() >= s->accept_again_ms;
    set->listener = accepting ? poll_set_add(set, s->listener, POLLIN) : 0;
    for (size_t i = 0; i < FEED_CONNECTIONS_MAX; i++) {
        feed_connection *c = s->slots[i].connection;
        if (c == NULL)
            continue;
        set->inputs[i] = poll_set_add(set, feed_connection_input(c), feed_connection_input_events(c));
        (void)poll_set_add(set, feed_connection_output(c), feed_connection_output_events(c));
    }
}

static void accept_one(feed_server *s)
{
    int fd = accept4(s->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd >= 0) {
        char name[sizeof s->slots[0].name];
        (void)snprintf(name, sizeof name, "feeder %llu", (unsigned long long)++s->accepted);
        (void)connection_add(s, fd, fd, name);
    } else if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED) {
        s->accept_again_ms = deadline_in_ms(ACCEPT_PAUSE_MS);
    }
}

static void connection_remove(feed_server *s, slot *from)
{
    if (feed_connection_output(from->connection) < 0)
        s->standard_input_open = false;
    feed_connection_destroy(from->connection);
    from->connection = NULL;
}

static void connections_pump(feed_server *s)
{
    for (size_t i = 0; i < FEED_CONNECTIONS_MAX; i++)
        if (s->slots[i].connection != NULL)
            feed_connection_pump(s->slots[i].connection);
    for (size_t i = 0; i < FEED_CONNECTIONS_MAX; i++)
        if (s->slots[i].connection != NULL && feed_connection_is_done(s->slots[i].connection))
            connection_remove(s, &s->slots[i]);
}

static int turn_timeout_ms(const feed_server *s, int wait_ms)
{
    if (deadline_now_ms() < s->accept_again_ms && (wait_ms < 0 || wait_ms > ACCEPT_PAUSE_MS))
        wait_ms = ACCEPT_PAUSE_MS;
    for (size_t i = 0; i < FEED_CONNECTIONS_MAX; i++)
        if (s->slots[i].connection != NULL && feed_connection_is_blocked(s->slots[i].connection))
            return wait_ms < 0 || wait_ms > RETRY_MS ? RETRY_MS : wait_ms;
    return wait_ms;
}

static void turn(feed_server *s, int wait_ms)
{
    poll_set set;
    poll_set_init(&set, s);
    if (poll(set.fds, set.count, turn_timeout_ms(s, wait_ms)) > 0) {
        uint64_t ignored;
        if (set.fds[0].revents != 0)
            (void)!read(s->wake, &ignored, sizeof ignored);
        for (size_t i = 0; i < FEED_CONNECTIONS_MAX; i++)
            if (set.inputs[i] != 0 && set.fds[set.inputs[i]].revents != 0)
                feed_connection_read(s->slots[i].connection);
        if (set.listener != 0 && set.fds[set.listener].revents != 0)
            accept_one(s);
    }
    connections_pump(s);
}

weft_status feed_server_run(feed_server *s)
{
    while (!atomic_load(&s->stop) && !s->context.stopped && s->standard_input_open == s->opts.standard_input)
        turn(s, -1);
    return s->context.stopped ? WEFT_STOPPED : WEFT_OK;
}

static bool is_idle(const feed_server *s)
{
    for (size_t i = 0; i < FEED_CONNECTIONS_MAX; i++)
        if (s->slots[i].connection != NULL)
            return false;
    return true;
}

weft_status feed_server_finish(feed_server *s, uint32_t timeout_ms)
{
    int64_t deadline = deadline_in_ms(timeout_ms);
    listener_close(s);
    for (size_t i = 0; i < FEED_CONNECTIONS_MAX; i++)
        if (s->slots[i].connection != NULL)
            feed_connection_stop(s->slots[i].connection);
    connections_pump(s);
    while (!is_idle(s) && deadline_left_ms(deadline, 1000) > 0)
        turn(s, deadline_left_ms(deadline, 1000));
    return is_idle(s) ? WEFT_OK : WEFT_TIMEOUT;
}

void feed_server_wake(feed_server *s)
{
    static const uint64_t one = 1;
    int saved = errno;
    (void)!write(s->wake, &one, sizeof one);
    errno = saved;
}

void feed_server_stop(feed_server *s)
{
    atomic_store(&s->stop, true);
    feed_server_wake(s);
}

void feed_server_get_stats(const feed_server *s, feed_server_stats *ret)
{
    *ret = (feed_server_stats){.counts = s->context.counts};
    for (size_t i = 0; i < FEED_CONNECTIONS_MAX; i++)
        ret->connections += s->slots[i].connection != NULL;
}

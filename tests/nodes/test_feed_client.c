/* tests/nodes/test_feed_client.c: the client against a node of twenty lines that remembers, refuses and dies on demand.
 */
#include "nodes/feed_client.h"

#include "nodes/line_buffer.h"
#include "nodes/unix_socket.h"
#include "support/suite.h"

#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

enum { STORE_MAX = 4096 };

/* All fields but stop and listener: the node's thread, until it is joined. */
typedef struct fake_node {
    char directory[64];
    char path[96];
    int listener;
    pthread_t thread;
    atomic_bool stop;
    atomic_bool answering; /* false: reads, and says nothing */
    const char *state;     /* sent with the greeting */
    uint64_t known;        /* last line stored */
    uint64_t next;         /* number of the next line */
    size_t die_after;      /* lines stored before the connection is dropped without an answer; 0: never */
    size_t stored;
    char *lines[STORE_MAX];
    unsigned connections;
    const char *raw_answer; /* instead of every answer */
} fake_node;

static void say(int fd, const char *text)
{
    CU_ASSERT_EQUAL(write(fd, text, strlen(text)), (ssize_t)strlen(text));
}

static void greet(fake_node *n, int fd, const char *line)
{
    char answer[256];
    unsigned long long number = n->known + 1;
    const char *given = strstr(line, "\"line\":");
    if (given != NULL)
        number = strtoull(given + 7, NULL, 10);
    n->next = number;
    snprintf(answer, sizeof answer, "{\"feed\": \"f\", \"line\": %llu%s%s%s}\n", (unsigned long long)n->known,
             n->state != NULL ? ", \"state\": \"" : "", n->state != NULL ? n->state : "", n->state != NULL ? "\"" : "");
    say(fd, answer);
}

/* Returns false when the connection is to be dropped. */
static bool take_line(fake_node *n, int fd, const char *line)
{
    char answer[256];
    uint64_t number = n->next++;
    bool bad = strstr(line, "bad") != NULL;
    if (number > n->known && !bad && n->stored < STORE_MAX) {
        n->lines[n->stored++] = strdup(line);
        n->known = number;
        if (n->stored == n->die_after)
            return false;
    }
    snprintf(answer, sizeof answer, bad ? "{\"error\": \"no good\", \"line\": %llu}\n" : "{\"ok\": %llu}\n",
             (unsigned long long)number);
    if (n->raw_answer != NULL)
        say(fd, n->raw_answer);
    else
        say(fd, answer);
    return true;
}

static void serve(fake_node *n, int fd)
{
    line_buffer in;
    CU_ASSERT_TRUE_FATAL(line_buffer_init(&in, FEED_LINE_MAX_BYTES));
    n->next = 1;
    n->connections++;
    bool alive = true;
    while (alive && !n->stop) {
        struct pollfd poller = {.fd = fd, .events = POLLIN};
        if (!n->answering || poll(&poller, 1, 5) <= 0)
            continue;
        if (line_buffer_read(&in, fd) <= 0)
            break;
        char *line;
        size_t length;
        while (alive && line_buffer_next(&in, &line, &length) == LINE_TEXT) {
            if (strncmp(line, "{\"feed\"", 7) == 0)
                greet(n, fd, line);
            else
                alive = take_line(n, fd, line);
        }
    }
    line_buffer_fini(&in);
    close(fd);
}

static void *node_run(void *user)
{
    fake_node *n = user;
    while (!n->stop) {
        struct pollfd poller = {.fd = n->listener, .events = POLLIN};
        if (poll(&poller, 1, 5) > 0) {
            int fd = accept(n->listener, NULL, NULL);
            if (fd >= 0)
                serve(n, fd);
        }
    }
    return NULL;
}

static void node_prepare(fake_node *n)
{
    *n = (fake_node){.directory = "/tmp/weft-test-XXXXXX", .answering = true};
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(n->directory));
    snprintf(n->path, sizeof n->path, "%s/sub/n.sock", n->directory);
}

static void node_start(fake_node *n)
{
    CU_ASSERT_EQUAL_FATAL(unix_socket_listen(n->path, &n->listener), WEFT_OK);
    CU_ASSERT_EQUAL_FATAL(pthread_create(&n->thread, NULL, node_run, n), 0);
}

static void node_stop(fake_node *n)
{
    n->stop = true;
    CU_ASSERT_EQUAL(pthread_join(n->thread, NULL), 0);
    close(n->listener);
    for (size_t i = 0; i < n->stored; i++)
        free(n->lines[i]);
    unlink(n->path);
    char sub[96];
    snprintf(sub, sizeof sub, "%s/sub", n->directory);
    rmdir(sub);
    rmdir(n->directory);
}

static feed_client *client_connected(const feed_client_opts *opts)
{
    feed_client *c = NULL;
    CU_ASSERT_EQUAL_FATAL(feed_client_create(opts, &c), WEFT_OK);
    CU_ASSERT_EQUAL_FATAL(feed_client_connect(c), WEFT_OK);
    return c;
}

static void send_numbered(feed_client *c, unsigned from, unsigned to)
{
    for (unsigned i = from; i <= to; i++) {
        char line[32];
        int length = snprintf(line, sizeof line, "line %u", i);
        CU_ASSERT_EQUAL(feed_client_send(c, line, (size_t)length, NULL), WEFT_OK);
    }
}

static void expect_stored_numbered(const fake_node *n, unsigned from, unsigned to)
{
    CU_ASSERT_EQUAL_FATAL(n->stored, to - from + 1);
    for (unsigned i = from; i <= to; i++) {
        char line[32];
        snprintf(line, sizeof line, "line %u", i);
        CU_ASSERT_STRING_EQUAL(n->lines[i - from], line);
    }
}

static void flush_waits_for_all_answers(void)
{
    fake_node n;
    node_prepare(&n);
    node_start(&n);
    feed_client *c = client_connected(&(feed_client_opts){.path = n.path});
    send_numbered(c, 1, 500);
    CU_ASSERT_EQUAL(feed_client_flush(c, 10000), WEFT_OK);
    feed_client_stats stats;
    feed_client_get_stats(c, &stats);
    CU_ASSERT_EQUAL(stats.answered, 500);
    CU_ASSERT_EQUAL(stats.unanswered, 0);
    CU_ASSERT_EQUAL(stats.next_line, 501);
    feed_client_destroy(c);
    expect_stored_numbered(&n, 1, 500);
    node_stop(&n);
}

static void window_bounds_what_is_unanswered(void)
{
    fake_node n;
    node_prepare(&n);
    n.answering = false;
    node_start(&n);
    static volatile sig_atomic_t stop;
    stop = 0;
    feed_client *c = client_connected(&(feed_client_opts){.path = n.path, .window = 3, .stop = &stop});
    send_numbered(c, 1, 3);
    CU_ASSERT_EQUAL(feed_client_flush(c, 20), WEFT_TIMEOUT);
    stop = 1;
    CU_ASSERT_EQUAL(feed_client_send(c, "line 4", 6, NULL), WEFT_STOPPED);
    stop = 0;
    n.answering = true;
    CU_ASSERT_EQUAL(feed_client_send(c, "line 4", 6, NULL), WEFT_OK);
    CU_ASSERT_EQUAL(feed_client_flush(c, 10000), WEFT_OK);
    feed_client_destroy(c);
    node_stop(&n);
    CU_ASSERT_EQUAL(n.stored, 4);
}

static void a_send_without_room_may_give_up(void)
{
    fake_node n;
    node_prepare(&n);
    n.answering = false;
    node_start(&n);
    feed_client *c = client_connected(&(feed_client_opts){.path = n.path, .window = 3, .room_ms = 20});
    send_numbered(c, 1, 3);
    CU_ASSERT_EQUAL(feed_client_send(c, "line 4", 6, NULL), WEFT_TIMEOUT);
    CU_ASSERT_PTR_NOT_NULL(strstr(feed_client_error(c), "3 line(s)"));
    feed_client_destroy(c);
    node_stop(&n);
}

typedef struct refusals {
    unsigned count;
    uint64_t line;
    char text[64];
} refusals;

static void on_refused(uint64_t line, const char *text, void *user)
{
    refusals *r = user;
    r->count++;
    r->line = line;
    snprintf(r->text, sizeof r->text, "%s", text);
}

static void tells_which_line_was_refused(void)
{
    fake_node n;
    node_prepare(&n);
    node_start(&n);
    refusals r = {0};
    feed_client *c = client_connected(&(feed_client_opts){.path = n.path, .on_refused = on_refused, .user = &r});
    uint64_t number = 0;
    CU_ASSERT_EQUAL(feed_client_send(c, "good", 4, NULL), WEFT_OK);
    CU_ASSERT_EQUAL(feed_client_send(c, "bad", 3, &number), WEFT_OK);
    CU_ASSERT_EQUAL(feed_client_send(c, "good", 4, NULL), WEFT_OK);
    CU_ASSERT_EQUAL(feed_client_flush(c, 10000), WEFT_OK);
    CU_ASSERT_EQUAL(number, 2);
    CU_ASSERT_EQUAL(r.count, 1);
    CU_ASSERT_EQUAL(r.line, 2);
    CU_ASSERT_STRING_EQUAL(r.text, "no good");
    feed_client_destroy(c);
    node_stop(&n);
    CU_ASSERT_EQUAL(n.stored, 2);
}

static void named_feed_repeats_what_a_lost_node_did_not_answer(void)
{
    fake_node n;
    node_prepare(&n);
    n.die_after = 37;
    node_start(&n);
    feed_client *c = client_connected(&(feed_client_opts){.path = n.path, .feed = "f", .window = 16});
    send_numbered(c, 1, 100);
    CU_ASSERT_EQUAL(feed_client_flush(c, 10000), WEFT_OK);
    feed_client_stats stats;
    feed_client_get_stats(c, &stats);
    CU_ASSERT_EQUAL(stats.reconnects, 1);
    CU_ASSERT_TRUE(stats.resent >= 1 && stats.resent <= 16);
    CU_ASSERT_EQUAL(stats.answered, 100);
    feed_client_destroy(c);
    expect_stored_numbered(&n, 1, 100);
    node_stop(&n);
    CU_ASSERT_EQUAL(n.connections, 2);
}

static void unnamed_feed_ends_with_the_connection(void)
{
    fake_node n;
    node_prepare(&n);
    n.die_after = 2;
    node_start(&n);
    feed_client *c = client_connected(&(feed_client_opts){.path = n.path});
    weft_status st = WEFT_OK;
    for (unsigned i = 0; i < 10 && st == WEFT_OK; i++)
        st = feed_client_send(c, "x", 1, NULL);
    if (st == WEFT_OK)
        st = feed_client_flush(c, 10000);
    CU_ASSERT_EQUAL(st, WEFT_UNREACHABLE);
    CU_ASSERT_PTR_NOT_NULL(strstr(feed_client_error(c), n.path));
    feed_client_destroy(c);
    node_stop(&n);
    CU_ASSERT_EQUAL(n.connections, 1);
}

static void greeting_tells_position_and_state(void)
{
    fake_node n;
    node_prepare(&n);
    n.known = 41;
    n.state = "at 7";
    node_start(&n);
    feed_client *c = client_connected(&(feed_client_opts){.path = n.path, .feed = "f"});
    const char *state = NULL;
    uint64_t number = 0;
    CU_ASSERT_EQUAL(feed_client_position(c, &state), 41);
    CU_ASSERT_PTR_NOT_NULL_FATAL(state);
    CU_ASSERT_STRING_EQUAL(state, "at 7");
    CU_ASSERT_EQUAL(feed_client_send(c, "line 42", 7, &number), WEFT_OK);
    CU_ASSERT_EQUAL(number, 42);
    CU_ASSERT_EQUAL(feed_client_flush(c, 10000), WEFT_OK);
    feed_client_destroy(c);
    expect_stored_numbered(&n, 42, 42);
    node_stop(&n);
}

static void names_the_path_when_nobody_listens(void)
{
    fake_node n;
    node_prepare(&n);
    feed_client *c = NULL;
    CU_ASSERT_EQUAL_FATAL(feed_client_create(&(feed_client_opts){.path = n.path}, &c), WEFT_OK);
    CU_ASSERT_EQUAL(feed_client_connect(c), WEFT_UNREACHABLE);
    CU_ASSERT_PTR_NOT_NULL(strstr(feed_client_error(c), n.path));
    feed_client_destroy(c);
    rmdir(n.directory);
}

static void refuses_a_peer_that_is_no_node(void)
{
    static const char *const answers[] = {"HTTP/1.1 400 Bad Request\n", "{\"ok\": 7}\n", "{\"ok\": \"1\"}\n", "[]\n"};
    for (size_t i = 0; i < sizeof answers / sizeof *answers; i++) {
        fake_node n;
        node_prepare(&n);
        n.raw_answer = answers[i];
        node_start(&n);
        feed_client *c = client_connected(&(feed_client_opts){.path = n.path});
        weft_status st = feed_client_send(c, "x", 1, NULL);
        if (st == WEFT_OK)
            st = feed_client_flush(c, 10000);
        CU_ASSERT_EQUAL(st, WEFT_MALFORMED);
        feed_client_destroy(c);
        node_stop(&n);
    }
}

static void refuses_a_line_over_the_bound(void)
{
    fake_node n;
    node_prepare(&n);
    node_start(&n);
    feed_client *c = client_connected(&(feed_client_opts){.path = n.path});
    char *line = calloc(1, FEED_LINE_MAX_BYTES + 1);
    CU_ASSERT_PTR_NOT_NULL_FATAL(line);
    memset(line, ' ', FEED_LINE_MAX_BYTES + 1);
    CU_ASSERT_EQUAL(feed_client_send(c, line, FEED_LINE_MAX_BYTES + 1, NULL), WEFT_TOO_LARGE);
    CU_ASSERT_EQUAL(feed_client_send(c, line, FEED_LINE_MAX_BYTES, NULL), WEFT_OK);
    CU_ASSERT_EQUAL(feed_client_flush(c, 10000), WEFT_OK);
    free(line);
    feed_client_destroy(c);
    node_stop(&n);
    CU_ASSERT_EQUAL(n.stored, 1);
}

static void listening_replaces_only_what_is_stale(void)
{
    fake_node n;
    node_prepare(&n);
    int fd = -1, second = -1;
    CU_ASSERT_EQUAL_FATAL(unix_socket_listen(n.path, &fd), WEFT_OK);
    struct stat info;
    CU_ASSERT_EQUAL(stat(n.path, &info), 0);
    CU_ASSERT_EQUAL(info.st_mode & 0777, 0600);
    CU_ASSERT_EQUAL(unix_socket_listen(n.path, &second), WEFT_EXISTS);
    close(fd);
    CU_ASSERT_EQUAL(unix_socket_listen(n.path, &second), WEFT_OK);
    close(second);
    unlink(n.path);
    FILE *file = fopen(n.path, "w");
    CU_ASSERT_PTR_NOT_NULL_FATAL(file);
    fclose(file);
    CU_ASSERT_EQUAL(unix_socket_listen(n.path, &second), WEFT_EXISTS);
    unlink(n.path);
    char sub[96];
    snprintf(sub, sizeof sub, "%s/sub", n.directory);
    rmdir(sub);
    rmdir(n.directory);
}

SUITE(nodes_feed_client, CASE(flush_waits_for_all_answers), CASE(window_bounds_what_is_unanswered),
      CASE(a_send_without_room_may_give_up), CASE(tells_which_line_was_refused),
      CASE(named_feed_repeats_what_a_lost_node_did_not_answer), CASE(unnamed_feed_ends_with_the_connection),
      CASE(greeting_tells_position_and_state), CASE(names_the_path_when_nobody_listens),
      CASE(refuses_a_peer_that_is_no_node), CASE(refuses_a_line_over_the_bound),
      CASE(listening_replaces_only_what_is_stale))

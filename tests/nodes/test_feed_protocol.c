/* tests/nodes/test_feed_protocol.c: the node's socket as a feeder sees it, over a journal that commits on demand. */
#include "nodes/feed_server.h"

#include "nodes/fake_journal.h"
#include "nodes/feed_client.h"
#include "nodes/line_buffer.h"
#include "nodes/unix_socket.h"
#include "support/suite.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { WAIT_MS = 10000 };

typedef struct bench {
    char directory[64];
    char path[96];
    fake_journal journal;
    feed_server *server;
    pthread_t thread;
    weft_status result;
    bool standard_input;
    atomic_uint taken_over;
    atomic_uint refused;
} bench;

static void on_refused(const char *feeder, uint64_t line, const char *error, void *user)
{
    (void)feeder, (void)line, (void)error;
    bench *b = user;
    b->refused++;
}

static void on_taken_over(const char *feed, void *user)
{
    (void)feed;
    bench *b = user;
    b->taken_over++;
}

static void *bench_run(void *user)
{
    bench *b = user;
    b->result = feed_server_run(b->server);
    return NULL;
}

static void server_start(bench *b)
{
    char reason[512] = "";
    feed_server_opts opts = {.path = b->path,
                             .standard_input = b->standard_input,
                             .ops = &fake_ops,
                             .ops_user = &b->journal,
                             .on_refused = on_refused,
                             .on_taken_over = on_taken_over,
                             .user = b};
    if (feed_server_create(&opts, &b->server, reason, sizeof reason) != WEFT_OK)
        CU_FAIL_FATAL(reason);
    b->journal.server = b->server;
    CU_ASSERT_EQUAL_FATAL(pthread_create(&b->thread, NULL, bench_run, b), 0);
}

static void bench_start(bench *b)
{
    *b = (bench){.directory = "/tmp/weft-test-XXXXXX"};
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(b->directory));
    snprintf(b->path, sizeof b->path, "%s/n.sock", b->directory);
    fake_journal_init(&b->journal);
    server_start(b);
}

static void server_stop(bench *b)
{
    feed_server_stop(b->server);
    CU_ASSERT_EQUAL(pthread_join(b->thread, NULL), 0);
}

static void bench_end(bench *b)
{
    server_stop(b);
    feed_server_destroy(b->server);
    fake_journal_fini(&b->journal);
    CU_ASSERT_EQUAL(access(b->path, F_OK), -1);
    CU_ASSERT_EQUAL(rmdir(b->directory), 0);
}

/* ---- a feeder with bare hands ---- */

typedef struct feeder {
    int fd;
    line_buffer in;
} feeder;

static feeder feeder_open(const bench *b)
{
    feeder f;
    CU_ASSERT_EQUAL_FATAL(unix_socket_connect(b->path, &f.fd), WEFT_OK);
    CU_ASSERT_TRUE_FATAL(line_buffer_init(&f.in, FEED_LINE_MAX_BYTES));
    return f;
}

static void feeder_close(feeder *f)
{
    close(f->fd);
    line_buffer_fini(&f->in);
}

static void say(feeder *f, const char *text)
{
    CU_ASSERT_EQUAL(send(f->fd, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
}

static bool answer_next(feeder *f, int wait_ms, char **text)
{
    size_t length;
    while (line_buffer_next(&f->in, text, &length) == LINE_NONE) {
        struct pollfd poller = {.fd = f->fd, .events = POLLIN};
        if (poll(&poller, 1, wait_ms) <= 0 || line_buffer_read(&f->in, f->fd) <= 0)
            return false;
    }
    return true;
}

static void expect(feeder *f, const char *answer)
{
    char *text = NULL;
    CU_ASSERT_TRUE_FATAL(answer_next(f, WAIT_MS, &text));
    CU_ASSERT_STRING_EQUAL(text, answer);
}

/* The whole answer, by its parts that are promised: an error, and for which line. */
static void expect_error(feeder *f, const char *part, unsigned line)
{
    char *text = NULL, tail[32];
    snprintf(tail, sizeof tail, "\"line\": %u}", line);
    CU_ASSERT_TRUE_FATAL(answer_next(f, WAIT_MS, &text));
    CU_ASSERT_EQUAL(strncmp(text, "{\"error\": \"", 11), 0);
    CU_ASSERT_PTR_NOT_NULL(strstr(text, part));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, tail));
}

static void expect_closed(feeder *f)
{
    char *text = NULL;
    CU_ASSERT_FALSE(answer_next(f, WAIT_MS, &text));
    struct pollfd poller = {.fd = f->fd, .events = POLLIN};
    CU_ASSERT_EQUAL(poll(&poller, 1, 0), 1);
}

static void expect_silence(feeder *f)
{
    char *text = NULL;
    CU_ASSERT_FALSE(answer_next(f, 30, &text));
}

#define EVENT(session) "{\"type\":\"session_start\",\"sessionId\":\"" session "\"}"
#define LINE(session)  EVENT(session) "\n"

static void expect_published(bench *b, size_t count, const char *const *sessions)
{
    CU_ASSERT_EQUAL_FATAL(fake_journal_events(&b->journal), count);
    for (size_t i = 0; i < count; i++)
        CU_ASSERT_STRING_EQUAL(b->journal.sessions[i], sessions[i]);
}

/* ---- cases ---- */

static void answers_ok_once_the_journal_has_it(void)
{
    bench b;
    bench_start(&b);
    fake_journal_set(&b.journal, false, WEFT_OK);
    feeder f = feeder_open(&b);
    say(&f, LINE("s1"));
    expect_silence(&f);
    CU_ASSERT_EQUAL(fake_journal_events(&b.journal), 1);
    fake_journal_commit(&b.journal);
    expect(&f, "{\"ok\": 1}");
    feeder_close(&f);
    bench_end(&b);
}

static void answers_each_line_in_order(void)
{
    bench b;
    bench_start(&b);
    feeder f = feeder_open(&b);
    say(&f, LINE("s1") "\n" LINE("s2") "no json\n" LINE("s3") "{\"type\":\"nonsense\"}\n" LINE("s4"));
    expect(&f, "{\"ok\": 1}");
    expect(&f, "{\"ok\": 2}");
    expect(&f, "{\"ok\": 3}");
    expect_error(&f, "", 4);
    expect(&f, "{\"ok\": 5}");
    expect_error(&f, "type", 6);
    expect(&f, "{\"ok\": 7}");
    expect_published(&b, 4, (const char *const[]){"s1", "s2", "s3", "s4"});
    CU_ASSERT_EQUAL(b.refused, 2);
    feeder_close(&f);
    bench_end(&b);
}

static void an_event_that_publishing_refuses_takes_only_its_line_along(void)
{
    bench b;
    bench_start(&b);
    fake_journal_set(&b.journal, true, WEFT_FULL);
    feeder f = feeder_open(&b);
    say(&f, LINE("s1") LINE("bad") LINE("s2") "{\"events\": [" EVENT("s3") "," EVENT("bad") "]}\n" LINE("s4"));
    expect_silence(&f); /* so that the lines stand in one group */
    fake_journal_set(&b.journal, true, WEFT_OK);
    expect(&f, "{\"ok\": 1}");
    expect_error(&f, "larger", 2);
    expect(&f, "{\"ok\": 3}");
    expect_error(&f, "larger", 4);
    expect(&f, "{\"ok\": 5}");
    expect_published(&b, 3, (const char *const[]){"s1", "s2", "s4"});
    feeder_close(&f);
    bench_end(&b);
}

static void a_group_is_one_transaction_with_its_state(void)
{
    bench b;
    bench_start(&b);
    feeder f = feeder_open(&b);
    say(&f, "{\"feed\": \"f\"}\n{\"events\": [" EVENT("s1") ", " EVENT("s2") "], \"state\": \"at \\\"9\\\"\"}\n");
    expect(&f, "{\"feed\": \"f\", \"line\": 0}");
    expect(&f, "{\"ok\": 1}");
    CU_ASSERT_EQUAL(b.journal.groups, 1);
    say(&f, "{\"events\": [], \"state\": \"done\"}\n");
    expect(&f, "{\"ok\": 2}");
    feeder_close(&f);
    f = feeder_open(&b);
    say(&f, "{\"feed\": \"f\"}\n");
    expect(&f, "{\"feed\": \"f\", \"line\": 2, \"state\": \"done\"}");
    feeder_close(&f);
    bench_end(&b);
}

static void refuses_malformed_groups_and_greetings(void)
{
    static const char *const lines[] = {
        "{\"events\": 5}",
        "{\"events\": [" EVENT("s") "",
        "{\"events\": [" EVENT("s") ",]}",
        "{\"events\": [" EVENT("s") "]} x",
        "{\"events\": [{\"type\": 7}]}",
        "{\"events\": [], \"states\": \"x\"}",
        "{\"events\": [], \"events\": []}",
        "{\"events\": [], \"state\": 5}",
        "{\"events\": [], \"state\": \"a\\u0000b\"}",
        "{\"events\": [], \"state\": \"without a feed\"}",
        "{\"feed\": \"\"}",
        "{\"feed\": 5}",
        "{\"feed\": \"f\", \"line\": 0}",
        "{\"feed\": \"f\", \"line\": 1.5}",
        "{\"feed\": \"f\", \"lines\": 1}",
        "[" EVENT("s") "]",
        "\"text\"",
    };
    bench b;
    bench_start(&b);
    feeder f = feeder_open(&b);
    unsigned number = 0;
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        say(&f, lines[i]);
        say(&f, "\n" LINE("good"));
        expect_error(&f, "", ++number);
        char ok[32];
        snprintf(ok, sizeof ok, "{\"ok\": %u}", ++number);
        expect(&f, ok);
    }
    CU_ASSERT_EQUAL(fake_journal_events(&b.journal), sizeof lines / sizeof *lines);
    feeder_close(&f);
    bench_end(&b);
}

static void a_line_over_the_bound_is_refused_and_the_next_taken(void)
{
    bench b;
    bench_start(&b);
    feeder f = feeder_open(&b);
    static char block[64 * 1024];
    memset(block, 'x', sizeof block);
    for (int left = 10 * 1024 * 1024; left > 0;) {
        ssize_t put = send(f.fd, block, sizeof block, MSG_NOSIGNAL);
        struct pollfd poller = {.fd = f.fd, .events = POLLOUT};
        if (put > 0)
            left -= (int)put;
        else
            CU_ASSERT_EQUAL_FATAL(poll(&poller, 1, WAIT_MS), 1);
    }
    struct pollfd poller = {.fd = f.fd, .events = POLLOUT};
    CU_ASSERT_EQUAL(poll(&poller, 1, WAIT_MS), 1);
    say(&f, "\n" LINE("after"));
    expect_error(&f, "1 MiB", 1);
    expect(&f, "{\"ok\": 2}");
    expect_published(&b, 1, (const char *const[]){"after"});
    feeder_close(&f);
    bench_end(&b);
}

static void a_full_node_makes_the_feeder_wait_and_drops_nothing(void)
{
    bench b;
    bench_start(&b);
    fake_journal_set(&b.journal, true, WEFT_FULL);
    feeder f = feeder_open(&b);
    char line[256];
    size_t sent = 0, length = 0;
    /* The socket's own buffers fill up, because nobody reads. */
    for (ssize_t put = 0; put >= 0 && sent<FAKE_EVENTS_MAX; sent += put> 0) {
        length = (size_t)snprintf(line, sizeof line, "{\"type\":\"session_start\",\"sessionId\":\"s%zu\"}%*s\n", sent,
                                  150, "");
        put = send(f.fd, line, length, MSG_NOSIGNAL);
        struct pollfd poller = {.fd = f.fd, .events = POLLOUT};
        if (put < 0 && errno == EAGAIN && poll(&poller, 1, 100) == 1)
            put = 0;
    }
    CU_ASSERT_TRUE(sent > 100 && sent < FAKE_EVENTS_MAX);
    CU_ASSERT_EQUAL(fake_journal_events(&b.journal), 0);
    fake_journal_set(&b.journal, true, WEFT_OK);
    for (size_t i = 1; i <= sent; i++) {
        char ok[32];
        snprintf(ok, sizeof ok, "{\"ok\": %zu}", i);
        expect(&f, ok);
    }
    CU_ASSERT_EQUAL(fake_journal_events(&b.journal), sent);
    feeder_close(&f);
    bench_end(&b);
}

static void a_feed_that_repeats_lines_publishes_none_twice(void)
{
    bench b;
    bench_start(&b);
    feeder f = feeder_open(&b);
    say(&f, "{\"feed\": \"f\"}\n" LINE("s1") LINE("s2"));
    expect(&f, "{\"feed\": \"f\", \"line\": 0}");
    expect(&f, "{\"ok\": 1}");
    expect(&f, "{\"ok\": 2}");
    feeder_close(&f);
    f = feeder_open(&b);
    say(&f, "{\"feed\": \"f\", \"line\": 1}\n" LINE("s1") LINE("s2") LINE("s3"));
    expect(&f, "{\"feed\": \"f\", \"line\": 2}");
    expect(&f, "{\"ok\": 1}");
    expect(&f, "{\"ok\": 2}");
    expect(&f, "{\"ok\": 3}");
    expect_published(&b, 3, (const char *const[]){"s1", "s2", "s3"});
    feeder_close(&f);
    bench_end(&b);
}

static void a_second_feeder_of_a_feed_takes_over_what_is_on_its_way(void)
{
    bench b;
    bench_start(&b);
    feeder first = feeder_open(&b);
    say(&first, "{\"feed\": \"f\"}\n");
    expect(&first, "{\"feed\": \"f\", \"line\": 0}");
    fake_journal_set(&b.journal, false, WEFT_OK);
    say(&first, LINE("s1"));
    expect_silence(&first);
    feeder second = feeder_open(&b);
    say(&second, "{\"feed\": \"f\", \"line\": 1}\n" LINE("s1") LINE("s2"));
    expect_closed(&first);
    expect_silence(&second); /* the position is not known before s1 is written */
    fake_journal_commit(&b.journal);
    expect(&second, "{\"feed\": \"f\", \"line\": 1}");
    expect(&second, "{\"ok\": 1}");
    fake_journal_set(&b.journal, true, WEFT_OK);
    expect_silence(&second);
    fake_journal_commit(&b.journal);
    expect(&second, "{\"ok\": 2}");
    expect_published(&b, 2, (const char *const[]){"s1", "s2"});
    CU_ASSERT_EQUAL(b.taken_over, 1);
    feeder_close(&first);
    feeder_close(&second);
    bench_end(&b);
}

static void what_a_crashed_node_forgot_comes_again(void)
{
    bench b;
    bench_start(&b);
    feed_client *c = NULL;
    CU_ASSERT_EQUAL_FATAL(feed_client_create(&(feed_client_opts){.path = b.path, .feed = "f"}, &c), WEFT_OK);
    CU_ASSERT_EQUAL_FATAL(feed_client_connect(c), WEFT_OK);
    for (int i = 0; i < 300; i++) {
        char line[96];
        int length = snprintf(line, sizeof line, EVENT("s%d"), i);
        CU_ASSERT_EQUAL(feed_client_send(c, line, (size_t)length, NULL), WEFT_OK);
        if (i == 100)
            CU_ASSERT_EQUAL(feed_client_flush(c, WAIT_MS), WEFT_OK);
        if (i == 100)
            fake_journal_set(&b.journal, false, WEFT_OK);
        if (i == 200) {
            server_stop(&b);
            feed_server_destroy(b.server);
            fake_journal_crash(&b.journal);
            fake_journal_set(&b.journal, true, WEFT_OK);
            server_start(&b);
        }
    }
    CU_ASSERT_EQUAL(feed_client_flush(c, WAIT_MS), WEFT_OK);
    feed_client_stats stats;
    feed_client_get_stats(c, &stats);
    CU_ASSERT_EQUAL(stats.reconnects, 1);
    CU_ASSERT_EQUAL(stats.answered, 300);
    CU_ASSERT_EQUAL_FATAL(fake_journal_events(&b.journal), 300);
    for (int i = 0; i < 300; i++) {
        char session[16];
        snprintf(session, sizeof session, "s%d", i);
        CU_ASSERT_STRING_EQUAL(b.journal.sessions[i], session);
    }
    feed_client_destroy(c);
    bench_end(&b);
}

static bool two_events(void *user)
{
    return fake_journal_events(user) == 2;
}

static void lines_of_a_feeder_that_went_away_count(void)
{
    bench b;
    bench_start(&b);
    feeder f = feeder_open(&b);
    say(&f, LINE("s1") EVENT("s2")); /* without a newline, without reading answers */
    feeder_close(&f);
    CU_ASSERT_TRUE(suite_wait(two_events, &b.journal, WAIT_MS));
    bench_end(&b);
}

static void an_unfinished_line_of_a_named_feed_waits_for_its_repetition(void)
{
    bench b;
    bench_start(&b);
    feeder f = feeder_open(&b);
    say(&f, "{\"feed\": \"f\"}\n" LINE("s1") EVENT("s2"));
    shutdown(f.fd, SHUT_WR);
    expect(&f, "{\"feed\": \"f\", \"line\": 0}");
    expect(&f, "{\"ok\": 1}");
    expect_closed(&f);
    CU_ASSERT_EQUAL(fake_journal_events(&b.journal), 1);
    feeder_close(&f);
    bench_end(&b);
}

static void stopping_answers_what_is_published(void)
{
    bench b;
    bench_start(&b);
    fake_journal_set(&b.journal, false, WEFT_OK);
    feeder f = feeder_open(&b);
    say(&f, LINE("s1"));
    expect_silence(&f);
    server_stop(&b);
    CU_ASSERT_EQUAL(feed_server_finish(b.server, 0), WEFT_TIMEOUT);
    fake_journal_commit(&b.journal);
    CU_ASSERT_EQUAL(feed_server_finish(b.server, WAIT_MS), WEFT_OK);
    expect(&f, "{\"ok\": 1}");
    expect_closed(&f);
    feeder_close(&f);
    CU_ASSERT_EQUAL(pthread_create(&b.thread, NULL, bench_run, &b), 0);
    bench_end(&b);
}

static void ends_when_publishing_has_stopped_for_good(void)
{
    bench b;
    bench_start(&b);
    fake_journal_set(&b.journal, true, WEFT_STOPPED);
    feeder f = feeder_open(&b);
    say(&f, LINE("s1"));
    expect_closed(&f);
    feeder_close(&f);
    bench_end(&b);
    CU_ASSERT_EQUAL(b.result, WEFT_STOPPED);
}

static void ends_with_standard_input(void)
{
    int fds[2], saved = dup(STDIN_FILENO);
    CU_ASSERT_EQUAL_FATAL(pipe(fds), 0);
    dup2(fds[0], STDIN_FILENO);
    close(fds[0]);
    bench b = {.directory = "/tmp/weft-test-XXXXXX", .standard_input = true};
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(b.directory));
    snprintf(b.path, sizeof b.path, "%s/n.sock", b.directory);
    fake_journal_init(&b.journal);
    server_start(&b);
    CU_ASSERT_EQUAL(write(fds[1], LINE("s1") "bad\n" LINE("s2"), strlen(LINE("s1") "bad\n" LINE("s2"))),
                    (ssize_t)strlen(LINE("s1") "bad\n" LINE("s2")));
    close(fds[1]);
    CU_ASSERT_EQUAL(pthread_join(b.thread, NULL), 0);
    CU_ASSERT_EQUAL(b.result, WEFT_OK);
    expect_published(&b, 2, (const char *const[]){"s1", "s2"});
    CU_ASSERT_EQUAL(b.refused, 1);
    dup2(saved, STDIN_FILENO);
    close(saved);
    CU_ASSERT_EQUAL(pthread_create(&b.thread, NULL, bench_run, &b), 0);
    bench_end(&b);
}

static void an_occupied_socket_is_refused_by_name(void)
{
    bench b;
    bench_start(&b);
    feed_server *second = NULL;
    char reason[512] = "";
    feed_server_opts opts = {.path = b.path, .ops = &fake_ops, .ops_user = &b.journal};
    CU_ASSERT_EQUAL(feed_server_create(&opts, &second, reason, sizeof reason), WEFT_EXISTS);
    CU_ASSERT_PTR_NOT_NULL(strstr(reason, b.path));
    CU_ASSERT_PTR_NULL(second);
    feeder f = feeder_open(&b);
    say(&f, LINE("s1"));
    expect(&f, "{\"ok\": 1}");
    feeder_close(&f);
    bench_end(&b);
}

static void more_feeders_than_places_wait_for_one(void)
{
    bench b;
    bench_start(&b);
    feeder feeders[FEED_CONNECTIONS_MAX + 1];
    for (size_t i = 0; i <= FEED_CONNECTIONS_MAX; i++) {
        feeders[i] = feeder_open(&b);
        say(&feeders[i], LINE("s"));
        if (i < FEED_CONNECTIONS_MAX)
            expect(&feeders[i], "{\"ok\": 1}");
    }
    expect_silence(&feeders[FEED_CONNECTIONS_MAX]);
    feeder_close(&feeders[0]);
    expect(&feeders[FEED_CONNECTIONS_MAX], "{\"ok\": 1}");
    for (size_t i = 1; i <= FEED_CONNECTIONS_MAX; i++)
        feeder_close(&feeders[i]);
    bench_end(&b);
}

SUITE(nodes_feed_protocol, CASE(answers_ok_once_the_journal_has_it), CASE(answers_each_line_in_order),
      CASE(an_event_that_publishing_refuses_takes_only_its_line_along), CASE(a_group_is_one_transaction_with_its_state),
      CASE(refuses_malformed_groups_and_greetings), CASE(a_line_over_the_bound_is_refused_and_the_next_taken),
      CASE(a_full_node_makes_the_feeder_wait_and_drops_nothing), CASE(a_feed_that_repeats_lines_publishes_none_twice),
      CASE(a_second_feeder_of_a_feed_takes_over_what_is_on_its_way), CASE(what_a_crashed_node_forgot_comes_again),
      CASE(lines_of_a_feeder_that_went_away_count), CASE(an_unfinished_line_of_a_named_feed_waits_for_its_repetition),
      CASE(stopping_answers_what_is_published), CASE(ends_when_publishing_has_stopped_for_good),
      CASE(ends_with_standard_input), CASE(an_occupied_socket_is_refused_by_name),
      CASE(more_feeders_than_places_wait_for_one))

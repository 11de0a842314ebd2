/* Ingestion against the real server of a node, whose journal is in memory and dies on demand. What arrives must be what
 * the engine alone makes of the same files, however often either side is killed. */
#include "nodes/ingest.h"

#include <CUnit/CUnit.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "event_text.h"
#include "nodes/feed_server.h"
#include "nodes/line_reader.h"
#include "nodes/simulate.h"
#include "nodes/transcript.h"
#include "support/suite.h"
#include "temp_file.h"

/* Set by a signal to the ingesting thread, as a user's SIGTERM does it. */
static volatile sig_atomic_t stop;

static void on_signal(int number)
{
    (void)number;
    stop = 1;
}

/* A node. Fields without a note: [lock]. */
typedef struct node {
    pthread_mutex_t lock;
    pthread_t thread;                  /* const after start */
    char socket_path[TEMP_PATH_BYTES]; /* const after start */
    feed_server *server;
    event_list events;
    uint64_t line;
    char *state;
    uint64_t groups;
    uint64_t die_at;  /* this group is lost, with the process; 0: never */
    uint64_t stop_at; /* at this group the feeder is told to stop; 0: never */
    pthread_t feeder;
    bool refuse;
    atomic_bool ended;
} node;

static void node_store(node *n, const weft_event *const *events, size_t count, const weft_feed_mark *mark)
{
    for (size_t i = 0; i < count; i++)
        event_list_add(&n->events, events[i]);
    if (mark == NULL)
        return;
    n->line = mark->line;
    if (mark->state != NULL) {
        free(n->state);
        n->state = strndup(mark->state, mark->state_bytes);
    }
}

static weft_status node_publish_group(void *user, const weft_event *const *events, size_t count,
                                      const weft_feed_mark *mark, uint64_t *ret_receipt, size_t *ret_index)
{
    node *n = user;
    pthread_mutex_lock(&n->lock);
    weft_status status = n->refuse ? WEFT_TOO_LARGE : WEFT_OK;
    *ret_index = 0;
    n->groups++;
    *ret_receipt = n->groups;
    if (n->groups == n->die_at)
        feed_server_stop(n->server);
    else if (status == WEFT_OK)
        node_store(n, events, count, mark);
    if (n->groups == n->stop_at)
        pthread_kill(n->feeder, SIGUSR1);
    pthread_mutex_unlock(&n->lock);
    return status;
}

/* What died is never written: the server must not answer it. */
static uint64_t node_written(void *user)
{
    node *n = user;
    pthread_mutex_lock(&n->lock);
    uint64_t written = n->groups == n->die_at ? n->groups - 1 : n->groups;
    pthread_mutex_unlock(&n->lock);
    return written;
}

static weft_status node_feed(void *user, const char *feed, uint64_t *ret_line, char **ret_state, size_t *ret_bytes)
{
    node *n = user;
    (void)feed;
    pthread_mutex_lock(&n->lock);
    *ret_line = n->line;
    *ret_state = n->state != NULL ? strdup(n->state) : NULL;
    *ret_bytes = n->state != NULL ? strlen(n->state) : 0;
    pthread_mutex_unlock(&n->lock);
    return *ret_line > 0 ? WEFT_OK : WEFT_NOT_FOUND;
}

static const feed_ops node_ops = {node_publish_group, node_written, node_feed};

/* One life of the server after the other, until the test ends it. */
static void *node_run(void *user)
{
    node *n = user;
    char reason[256];
    feed_server_opts opts = {.path = n->socket_path, .ops = &node_ops, .ops_user = n};
    while (!atomic_load(&n->ended)) {
        feed_server *server = NULL;
        if (feed_server_create(&opts, &server, reason, sizeof reason) != WEFT_OK)
            abort();
        pthread_mutex_lock(&n->lock);
        n->server = server;
        pthread_mutex_unlock(&n->lock);
        (void)feed_server_run(server);
        pthread_mutex_lock(&n->lock);
        n->server = NULL;
        n->die_at = 0;
        pthread_mutex_unlock(&n->lock);
        feed_server_destroy(server);
    }
    return NULL;
}

static bool node_serves(void *user)
{
    node *n = user;
    pthread_mutex_lock(&n->lock);
    bool serves = n->server != NULL;
    pthread_mutex_unlock(&n->lock);
    return serves;
}

/* ---- one test ---- */

typedef struct bench {
    char dir[TEMP_PATH_BYTES];
    node node;
    prices *prices;
    event_list messages; /* of the ingesting thread, until it is joined */
    const char *files[16];
    size_t file_count;
    char paths[16][TEMP_PATH_BYTES];
    const char *feed;
    bool follow;
    ingest_counts counts;
} bench;

static void bench_begin(bench *b)
{
    *b = (bench){.feed = "f"};
    temp_dir_make(b->dir);
    CU_ASSERT_EQUAL_FATAL(prices_create(&b->prices), WEFT_OK);
    pthread_mutex_init(&b->node.lock, NULL);
    stop = 0;
    (void)signal(SIGUSR1, on_signal);
    temp_path(b->node.socket_path, b->dir, "node.sock");
    CU_ASSERT_EQUAL_FATAL(pthread_create(&b->node.thread, NULL, node_run, &b->node), 0);
    CU_ASSERT_FATAL(suite_wait(node_serves, &b->node, 10000));
}

static void bench_end(bench *b)
{
    CU_ASSERT_FATAL(suite_wait(node_serves, &b->node, 10000));
    pthread_mutex_lock(&b->node.lock);
    atomic_store(&b->node.ended, true);
    feed_server_stop(b->node.server);
    pthread_mutex_unlock(&b->node.lock);
    pthread_join(b->node.thread, NULL);
    pthread_mutex_destroy(&b->node.lock);
    event_list_clear(&b->node.events);
    event_list_clear(&b->messages);
    free(b->node.state);
    prices_destroy(b->prices);
    temp_dir_remove(b->dir);
}

static const char *bench_file(bench *b, const char *name)
{
    temp_path(b->paths[b->file_count], b->dir, name);
    b->files[b->file_count] = b->paths[b->file_count];
    return b->files[b->file_count++];
}

static void on_message(const char *text, void *user)
{
    bench *b = user;
    event_list_append(&b->messages, text);
    event_list_append(&b->messages, "\n");
}

static weft_status ingest(bench *b)
{
    pthread_mutex_lock(&b->node.lock);
    b->node.feeder = pthread_self();
    pthread_mutex_unlock(&b->node.lock);
    ingest_opts opts = {.socket_path = b->node.socket_path,
                        .feed = b->feed,
                        .files = b->files,
                        .file_count = b->file_count,
                        .follow = b->follow,
                        .prices = b->prices,
                        .connect_ms = 10000,
                        .stop = &stop,
                        .on_message = on_message,
                        .user = b};
    return ingest_run(&opts, &b->counts);
}

static const char *messages(const bench *b)
{
    return b->messages.text != NULL ? b->messages.text : "";
}

static void on_event(const weft_event *event, void *user)
{
    event_list_add(user, event);
}

/* What the engine alone makes of the files. */
static event_list expected_events(const bench *b)
{
    event_list list = {0};
    transcript *t;
    char error[512];
    const char *text;
    size_t length;
    transcript_opts opts = {.prices = b->prices, .on_event = on_event, .user = &list};
    CU_ASSERT_EQUAL_FATAL(transcript_create(&opts, &t), WEFT_OK);
    for (size_t i = 0; i < b->file_count; i++) {
        line_reader *reader;
        CU_ASSERT_EQUAL_FATAL(line_reader_open(b->files[i], NULL, 0, &reader, error, sizeof error), WEFT_OK);
        while (line_reader_next(reader, true, &text, &length) == LINE_READER_LINE)
            (void)transcript_feed(t, b->files[i], 0, text, length, 0);
        line_reader_close(reader);
    }
    CU_ASSERT_EQUAL(transcript_end(t), WEFT_OK);
    transcript_destroy(t);
    return list;
}

static void expect_all_events(const bench *b)
{
    event_list expected = expected_events(b);
    CU_ASSERT(expected.count > 0);
    CU_ASSERT_EQUAL(b->node.events.count, expected.count);
    CU_ASSERT_STRING_EQUAL(b->node.events.text, expected.text);
    event_list_clear(&expected);
}

static void on_file(const char *path, void *user)
{
    bench *b = user;
    const char *name = strrchr(path, '/') + 1;
    (void)bench_file(b, name);
}

/* A few thousand events in several files. */
static void bench_simulate(bench *b, uint32_t sessions)
{
    totals known = {0};
    char error[512];
    simulate_opts opts = {.seed = 5, .operators = 3, .sessions = sessions, .dir = b->dir};
    CU_ASSERT_EQUAL_FATAL(simulate_write(&opts, b->prices, &known, NULL, on_file, b, error, sizeof error), WEFT_OK);
    totals_fini(&known);
}

#define ANSWER(session, id)                                                                                            \
    "{\"type\":\"assistant\",\"sessionId\":\"" session "\",\"timestamp\":\"2026-01-05T12:00:00.000Z\",\"message\":{"   \
    "\"id\":\"" id "\",\"model\":\"o3\",\"usage\":{\"output_tokens\":3},\"content\":[]}}"

static size_t events_with(const bench *b, const char *start)
{
    size_t count = 0;
    for (const char *line = b->node.events.text; line != NULL && *line != '\0'; line = strchr(line, '\n') + 1)
        count += strncmp(line, start, strlen(start)) == 0;
    return count;
}

/* ---- cases ---- */

static void sends_what_the_engine_makes_of_the_files(void)
{
    bench b;
    bench_begin(&b);
    bench_simulate(&b, 12);
    CU_ASSERT_EQUAL(ingest(&b), WEFT_OK);
    CU_ASSERT_STRING_EQUAL(messages(&b), "");
    CU_ASSERT_EQUAL(b.counts.events, b.node.events.count);
    CU_ASSERT(b.node.groups > 3);
    expect_all_events(&b);
    bench_end(&b);
}

static void sends_nothing_twice_when_run_again(void)
{
    bench b;
    bench_begin(&b);
    bench_simulate(&b, 3);
    CU_ASSERT_EQUAL(ingest(&b), WEFT_OK);
    CU_ASSERT_EQUAL(ingest(&b), WEFT_OK);
    CU_ASSERT_EQUAL(b.counts.lines, 0);
    CU_ASSERT_EQUAL(b.counts.events, 0);
    expect_all_events(&b);
    bench_end(&b);
}

static void resumes_exactly_when_the_node_dies_at_any_batch(void)
{
    uint64_t batches = 2;
    for (uint64_t die_at = 1; die_at <= batches; die_at++) {
        bench b;
        bench_begin(&b);
        bench_simulate(&b, 16);
        b.node.die_at = die_at;
        CU_ASSERT_EQUAL(ingest(&b), WEFT_OK);
        batches = b.node.groups - 1;
        expect_all_events(&b);
        bench_end(&b);
    }
    CU_ASSERT(batches >= 3);
}

static void resumes_exactly_when_it_is_stopped_at_any_batch(void)
{
    bool cut = true;
    uint64_t stop_at = 1;
    for (; cut; stop_at++) {
        bench b;
        bench_begin(&b);
        bench_simulate(&b, 16);
        b.node.stop_at = stop_at;
        cut = ingest(&b) == WEFT_STOPPED;
        stop = 0;
        pthread_mutex_lock(&b.node.lock);
        b.node.stop_at = 0;
        pthread_mutex_unlock(&b.node.lock);
        CU_ASSERT_EQUAL(ingest(&b), WEFT_OK);
        expect_all_events(&b);
        bench_end(&b);
    }
    CU_ASSERT(stop_at > 3);
}

static void continues_files_that_have_grown(void)
{
    bench b;
    bench_begin(&b);
    const char *one = bench_file(&b, "one.jsonl");
    const char *two = bench_file(&b, "two.jsonl");
    temp_write(one, "w", ANSWER("s1", "m1") "\n");
    temp_write(two, "w", ANSWER("s2", "m2") "\n");
    CU_ASSERT_EQUAL(ingest(&b), WEFT_OK);
    temp_write(one, "a", ANSWER("s1", "m1") "\n" ANSWER("s1", "m3") "\n");
    CU_ASSERT_EQUAL(ingest(&b), WEFT_OK);
    CU_ASSERT_EQUAL(b.counts.lines, 2);
    CU_ASSERT_EQUAL(events_with(&b, "llm_response_end"), 3);
    CU_ASSERT_EQUAL(events_with(&b, "llm_response_end s1"), 2);
    bench_end(&b);
}

static void counts_an_id_once_over_copies_of_a_transcript(void)
{
    bench b;
    bench_begin(&b);
    temp_write(bench_file(&b, "one.jsonl"), "w", ANSWER("s1", "m1") "\n");
    CU_ASSERT_EQUAL(ingest(&b), WEFT_OK);
    b.file_count = 0;
    temp_write(bench_file(&b, "copy.jsonl"), "w", ANSWER("s2", "m1") "\n" ANSWER("s2", "m2") "\n");
    CU_ASSERT_EQUAL(ingest(&b), WEFT_OK);
    CU_ASSERT_EQUAL(events_with(&b, "llm_response_end"), 2);
    CU_ASSERT_EQUAL(events_with(&b, "llm_response_end s2"), 1);
    bench_end(&b);
}

static void names_bad_lines_and_missing_files_and_sends_the_rest(void)
{
    bench b;
    bench_begin(&b);
    temp_write(bench_file(&b, "one.jsonl"), "w", ANSWER("s1", "m1") "\nno JSON\n" ANSWER("s1", "m2") "\n");
    (void)bench_file(&b, "missing.jsonl");
    temp_write(bench_file(&b, "two.jsonl"), "w", "{\"type\":\"user\",\"sessionId\":5}\n" ANSWER("s2", "m3") "\n");
    CU_ASSERT_EQUAL(ingest(&b), WEFT_OK);
    CU_ASSERT_PTR_NOT_NULL(strstr(messages(&b), "one.jsonl:2: no JSON"));
    CU_ASSERT_PTR_NOT_NULL(strstr(messages(&b), "missing.jsonl: No such file"));
    CU_ASSERT_PTR_NOT_NULL(strstr(messages(&b), "two.jsonl:1: sessionId: expected a string"));
    CU_ASSERT_EQUAL(b.counts.lines_skipped, 2);
    CU_ASSERT_EQUAL(b.counts.files_failed, 1);
    CU_ASSERT_EQUAL(events_with(&b, "llm_response_end"), 3);
    bench_end(&b);
}

static void reads_a_half_written_last_line_again_when_it_is_whole(void)
{
    bench b;
    bench_begin(&b);
    const char *path = bench_file(&b, "one.jsonl");
    temp_write(path, "w", ANSWER("s1", "m1") "\n{\"type\":\"assis");
    CU_ASSERT_EQUAL(ingest(&b), WEFT_OK);
    CU_ASSERT_EQUAL(b.counts.lines_skipped, 1);
    temp_write(path, "w", ANSWER("s1", "m1") "\n" ANSWER("s1", "m2"));
    CU_ASSERT_EQUAL(ingest(&b), WEFT_OK);
    CU_ASSERT_EQUAL(b.counts.lines_skipped, 0);
    CU_ASSERT_EQUAL(events_with(&b, "llm_response_end"), 2);
    temp_write(path, "a", "\n" ANSWER("s1", "m3") "\n");
    CU_ASSERT_EQUAL(ingest(&b), WEFT_OK);
    CU_ASSERT_EQUAL(b.counts.lines, 1);
    CU_ASSERT_EQUAL(events_with(&b, "llm_response_end"), 3);
    bench_end(&b);
}

static void reads_a_file_that_was_written_anew_from_its_start(void)
{
    bench b;
    bench_begin(&b);
    const char *path = bench_file(&b, "one.jsonl");
    temp_write(path, "w", ANSWER("s1", "m1") "\n" ANSWER("s1", "m2") "\n");
    CU_ASSERT_EQUAL(ingest(&b), WEFT_OK);
    temp_write(path, "w", ANSWER("s1", "m3") "\n");
    CU_ASSERT_EQUAL(ingest(&b), WEFT_OK);
    CU_ASSERT_PTR_NOT_NULL(strstr(messages(&b), "one.jsonl: shorter than what was read of it before"));
    CU_ASSERT_EQUAL(events_with(&b, "llm_response_end"), 3);
    bench_end(&b);
}

static void remembers_nothing_without_a_feed(void)
{
    bench b;
    bench_begin(&b);
    b.feed = NULL;
    temp_write(bench_file(&b, "one.jsonl"), "w", ANSWER("s1", "m1") "\n");
    CU_ASSERT_EQUAL(ingest(&b), WEFT_OK);
    CU_ASSERT_EQUAL(ingest(&b), WEFT_OK);
    CU_ASSERT_EQUAL(events_with(&b, "llm_response_end"), 2);
    CU_ASSERT_PTR_NULL(b.node.state);
    bench_end(&b);
}

static void stops_when_the_node_refuses_a_batch(void)
{
    bench b;
    bench_begin(&b);
    b.node.refuse = true;
    temp_write(bench_file(&b, "one.jsonl"), "w", ANSWER("s1", "m1") "\n");
    CU_ASSERT_EQUAL(ingest(&b), WEFT_REFUSED);
    CU_ASSERT_PTR_NOT_NULL(strstr(messages(&b), "the node refused batch 1"));
    bench_end(&b);
}

static void leaves_a_feed_alone_that_somebody_else_writes(void)
{
    bench b;
    bench_begin(&b);
    b.node.line = 7;
    b.node.state = strdup("{\"mine\":1}");
    temp_write(bench_file(&b, "one.jsonl"), "w", ANSWER("s1", "m1") "\n");
    CU_ASSERT_EQUAL(ingest(&b), WEFT_REFUSED);
    CU_ASSERT_PTR_NOT_NULL(strstr(messages(&b), "choose another with --feed"));
    CU_ASSERT_EQUAL(b.node.events.count, 0);
    bench_end(&b);
}

static void says_when_there_is_no_node(void)
{
    bench b;
    ingest_counts counts;
    bench_begin(&b);
    ingest_opts opts = {.socket_path = "/nowhere/node.sock", .feed = "f", .on_message = on_message, .user = &b};
    CU_ASSERT_EQUAL(ingest_run(&opts, &counts), WEFT_UNREACHABLE);
    CU_ASSERT_PTR_NOT_NULL(strstr(messages(&b), "/nowhere/node.sock"));
    bench_end(&b);
}

/* ---- following ---- */

static void *follow_run(void *user)
{
    CU_ASSERT_EQUAL(ingest(user), WEFT_STOPPED);
    return NULL;
}

static const char *wanted;

static bool node_has_wanted(void *user)
{
    node *n = user;
    pthread_mutex_lock(&n->lock);
    bool has = n->events.text != NULL && strstr(n->events.text, wanted) != NULL;
    pthread_mutex_unlock(&n->lock);
    return has;
}

static void expect_soon(bench *b, const char *text)
{
    wanted = text;
    CU_ASSERT(suite_wait(node_has_wanted, &b->node, 20000));
}

static void follows_what_is_added_and_ends_nothing_by_itself(void)
{
    bench b;
    pthread_t thread;
    bench_begin(&b);
    b.follow = true;
    const char *path = bench_file(&b, "one.jsonl");
    const char *other = bench_file(&b, "two.jsonl");
    temp_write(path, "w", ANSWER("s1", "m1") "\n");
    temp_write(other, "w", "");
    CU_ASSERT_EQUAL_FATAL(pthread_create(&thread, NULL, follow_run, &b), 0);
    expect_soon(&b, "llm_request_start s1 @1767614400000 model=o3 request_id=m1");
    temp_write(path, "a", ANSWER("s1", "m2") "\n{\"type\":\"assis");
    temp_write(other, "a", ANSWER("s2", "m3") "\n");
    expect_soon(&b, "llm_response_end s1 @1767614400000 model=o3 request_id=m1");
    expect_soon(&b, "llm_request_start s2 @1767614400000 model=o3 request_id=m3");
    pthread_kill(thread, SIGUSR1);
    pthread_join(thread, NULL);
    CU_ASSERT_STRING_EQUAL(messages(&b), "");
    CU_ASSERT_EQUAL(events_with(&b, "session_end"), 0);
    CU_ASSERT_EQUAL(events_with(&b, "llm_response_end"), 1);
    /* a run without follow ends what was left open */
    stop = 0;
    b.follow = false;
    temp_write(path, "a", "tant\",\"message\":{}}\n");
    CU_ASSERT_EQUAL(ingest(&b), WEFT_OK);
    CU_ASSERT_EQUAL(b.counts.lines, 1);
    CU_ASSERT_EQUAL(events_with(&b, "session_end"), 2);
    CU_ASSERT_EQUAL(events_with(&b, "llm_response_end"), 3);
    bench_end(&b);
}

SUITE(nodes_ingest, CASE(sends_what_the_engine_makes_of_the_files), CASE(sends_nothing_twice_when_run_again),
      CASE(resumes_exactly_when_the_node_dies_at_any_batch), CASE(resumes_exactly_when_it_is_stopped_at_any_batch),
      CASE(continues_files_that_have_grown), CASE(counts_an_id_once_over_copies_of_a_transcript),
      CASE(names_bad_lines_and_missing_files_and_sends_the_rest),
      CASE(reads_a_half_written_last_line_again_when_it_is_whole),
      CASE(reads_a_file_that_was_written_anew_from_its_start), CASE(remembers_nothing_without_a_feed),
      CASE(stops_when_the_node_refuses_a_batch), CASE(leaves_a_feed_alone_that_somebody_else_writes),
      CASE(says_when_there_is_no_node), CASE(follows_what_is_added_and_ends_nothing_by_itself))

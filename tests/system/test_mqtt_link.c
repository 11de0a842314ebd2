#include "bridge/link.h"
#include "support/broker.h"
#include "support/suite.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { WAIT_MS = 30000, TOKENS = 65536 };

static const weft__link_ops *const ops = &weft__mqtt_link;

/* ---- what a link told ---- */

typedef struct ear {
    pthread_mutex_t lock;
    unsigned messages;
    unsigned acked;
    unsigned refused;
    unsigned strange; /* acknowledged twice, or torn payloads */
    unsigned downs;
    unsigned late; /* callbacks after on_down */
    bool down;
    bool last_retained;
    char last_topic[128];
    char last_payload[128];
    char ack_of[TOKENS];
} ear;

static void hear_message(void *user, const char *topic, const uint8_t *payload, size_t length, bool retained)
{
    ear *e = user;
    pthread_mutex_lock(&e->lock);
    e->messages++;
    e->late += e->down;
    e->last_retained = retained;
    for (size_t i = 1; i < length && length > sizeof e->last_payload; i++)
        if (payload[i] != payload[0]) {
            e->strange++;
            break;
        }
    (void)snprintf(e->last_topic, sizeof e->last_topic, "%s", topic);
    (void)snprintf(e->last_payload, sizeof e->last_payload, "%.*s", (int)(length < 100 ? length : 100), payload);
    pthread_mutex_unlock(&e->lock);
}

static void hear_ack(void *user, int token, weft_status status)
{
    ear *e = user;
    pthread_mutex_lock(&e->lock);
    e->late += e->down;
    e->acked += status == WEFT_OK;
    e->refused += status != WEFT_OK;
    e->strange += token < 1 || token >= TOKENS;
    if (token >= 1 && token < TOKENS)
        e->ack_of[token]++;
    pthread_mutex_unlock(&e->lock);
}

static void hear_down(void *user)
{
    ear *e = user;
    pthread_mutex_lock(&e->lock);
    e->downs++;
    e->down = true;
    pthread_mutex_unlock(&e->lock);
}

/* Reads one counter under the lock. */
static unsigned heard(ear *e, const unsigned *counter)
{
    pthread_mutex_lock(&e->lock);
    unsigned value = *counter;
    pthread_mutex_unlock(&e->lock);
    return value;
}

typedef struct goal {
    ear *e;
    const unsigned *counter;
    unsigned value;
} goal;

static bool goal_met(void *user)
{
    const goal *g = user;
    return heard(g->e, g->counter) >= g->value;
}

#define HEARS(e, counter, value) suite_wait(goal_met, &(goal){(e), &(e)->counter, (value)}, WAIT_MS)

/* ---- a link under test ---- */

typedef struct end {
    ear ear;
    weft__link *link;
    weft__link_limits limits;
    const char *reason;
} end;

static const char will_text[] = "gone";

static weft__link_opts options(const char *url, const char *id)
{
    return (weft__link_opts){.url = url,
                             .client_id = id,
                             .will_topic = "live/a",
                             .will = (const uint8_t *)will_text,
                             .will_bytes = sizeof will_text - 1,
                             .keep_alive_s = 10,
                             .connect_timeout_s = 10,
                             .session_expiry_s = 300};
}

static end *end_create(const weft__link_opts *opts)
{
    end *n = calloc(1, sizeof *n);
    weft__link_callbacks callbacks = {hear_message, hear_ack, hear_down, &n->ear};
    pthread_mutex_init(&n->ear.lock, NULL);
    CU_ASSERT_EQUAL_FATAL(ops->create(opts, &callbacks, &n->link), WEFT_OK);
    return n;
}

static weft_status end_connect(end *n, bool clean)
{
    pthread_mutex_lock(&n->ear.lock);
    n->ear.down = false;
    pthread_mutex_unlock(&n->ear.lock);
    return ops->connect(n->link, clean, &n->limits, &n->reason);
}

static end *end_open(const char *url, const char *id)
{
    weft__link_opts opts = options(url, id);
    end *n = end_create(&opts);
    CU_ASSERT_EQUAL_FATAL(end_connect(n, true), WEFT_OK);
    return n;
}

static void end_close(end *n)
{
    ops->disconnect(n->link);
    ops->destroy(n->link);
    CU_ASSERT_EQUAL(n->ear.strange, 0);
    CU_ASSERT_EQUAL(n->ear.late, 0);
    pthread_mutex_destroy(&n->ear.lock);
    free(n);
}

static weft_status say(end *n, const char *topic, const char *text, bool retain)
{
    int token = 0;
    return ops->publish(n->link, topic, (const uint8_t *)text, strlen(text), 1, retain, &token);
}

static broker *broker_run(const char *lines)
{
    broker *b = broker_create();
    CU_ASSERT_PTR_NOT_NULL_FATAL(b);
    if (lines != NULL)
        broker_configure(b, lines);
    CU_ASSERT_TRUE_FATAL(broker_start(b));
    return b;
}

/* ---- cases ---- */

static void delivers_and_acknowledges(void)
{
    broker *b = broker_run(NULL);
    end *a = end_open(broker_url(b), "a"), *c = end_open(broker_url(b), "c");
    CU_ASSERT_EQUAL(ops->subscribe(c->link, "evt/+/a", 1), WEFT_OK);
    int first = 0, second = 0, none = 7;
    CU_ASSERT_EQUAL(ops->publish(a->link, "evt/tool/a", (const uint8_t *)"one", 3, 1, false, &first), WEFT_OK);
    CU_ASSERT_EQUAL(ops->publish(a->link, "evt/tool/a", (const uint8_t *)"two", 3, 1, false, &second), WEFT_OK);
    CU_ASSERT_EQUAL(ops->publish(a->link, "evt/tool/a", (const uint8_t *)"zero", 4, 0, false, &none), WEFT_OK);
    CU_ASSERT_EQUAL(none, 0);
    CU_ASSERT_TRUE(HEARS(&c->ear, messages, 3));
    CU_ASSERT_TRUE(HEARS(&a->ear, acked, 2));
    CU_ASSERT_STRING_EQUAL(c->ear.last_topic, "evt/tool/a");
    CU_ASSERT_STRING_EQUAL(c->ear.last_payload, "zero");
    CU_ASSERT_NOT_EQUAL(first, second);
    CU_ASSERT_EQUAL(a->ear.ack_of[first] + a->ear.ack_of[second], 2);
    end_close(a);
    end_close(c);
    broker_destroy(b);
}

static void stops_delivery_at_unsubscribe(void)
{
    broker *b = broker_run(NULL);
    end *a = end_open(broker_url(b), "a");
    CU_ASSERT_EQUAL(ops->subscribe(a->link, "one", 1), WEFT_OK);
    CU_ASSERT_EQUAL(ops->subscribe(a->link, "two", 1), WEFT_OK);
    CU_ASSERT_EQUAL(ops->unsubscribe(a->link, "one"), WEFT_OK);
    CU_ASSERT_EQUAL(say(a, "one", "unheard", false), WEFT_OK);
    CU_ASSERT_EQUAL(say(a, "two", "heard", false), WEFT_OK);
    CU_ASSERT_TRUE(HEARS(&a->ear, messages, 1));
    CU_ASSERT_STRING_EQUAL(a->ear.last_payload, "heard");
    end_close(a);
    broker_destroy(b);
}

static void reports_what_the_broker_allows(void)
{
    broker *b = broker_run(NULL);
    end *a = end_open(broker_url(b), "a");
    CU_ASSERT_EQUAL(a->limits.receive_maximum, 128);
    CU_ASSERT_EQUAL(a->limits.max_packet_bytes, 262144);
    end_close(a);
    broker_destroy(b);
}

static void refuses_a_message_over_the_limit(void)
{
    broker *b = broker_run(NULL);
    end *a = end_open(broker_url(b), "a");
    uint8_t *large = calloc(1, 262144);
    int token = 0;
    CU_ASSERT_EQUAL(ops->publish(a->link, "t", large, 262144, 1, false, &token), WEFT_TOO_LARGE);
    CU_ASSERT_EQUAL(ops->publish(a->link, "t", large, 262144 - 12, 1, false, &token), WEFT_OK);
    CU_ASSERT_TRUE(HEARS(&a->ear, acked, 1));
    CU_ASSERT_EQUAL(a->ear.downs, 0);
    free(large);
    end_close(a);
    broker_destroy(b);
}

static void names_the_cause_of_a_failed_connect(void)
{
    char url[64];
    (void)snprintf(url, sizeof url, "mqtt://127.0.0.1:%u", broker_free_port());
    weft__link_opts closed = options(url, "a"), lost = options("mqtt://no-such-host.invalid", "a");
    end *a = end_create(&closed), *c = end_create(&lost);
    CU_ASSERT_EQUAL(end_connect(a, true), WEFT_UNREACHABLE);
    CU_ASSERT_PTR_NOT_NULL(strstr(a->reason, "nothing listens there"));
    CU_ASSERT_EQUAL(end_connect(c, true), WEFT_UNREACHABLE);
    CU_ASSERT_PTR_NOT_NULL(strstr(c->reason, "cannot find no-such-host.invalid"));
    CU_ASSERT_EQUAL(a->ear.downs, 0);
    end_close(a);
    end_close(c);
}

static void refuses_what_is_no_url(void)
{
    weft__link *link = NULL;
    weft__link_callbacks callbacks = {hear_message, hear_ack, hear_down, NULL};
    weft__link_opts opts = options("http://localhost", "a");
    CU_ASSERT_EQUAL(ops->create(&opts, &callbacks, &link), WEFT_INVALID);
    CU_ASSERT_PTR_NULL(link);
}

static void tells_bad_credentials_from_a_broken_way(void)
{
    broker *b = broker_run("allow_anonymous false");
    weft__link_opts opts = options(broker_url(b), "a");
    opts.username = "nobody";
    opts.password = "wrong";
    end *a = end_create(&opts);
    uint8_t *bytes = NULL;
    size_t length = 0;
    CU_ASSERT_EQUAL(end_connect(a, true), WEFT_REFUSED);
    CU_ASSERT_PTR_NOT_NULL(strstr(a->reason, "password"));
    CU_ASSERT_EQUAL(ops->peek(a->link, "t", &bytes, &length), WEFT_REFUSED);
    end_close(a);
    broker_destroy(b);
}

static void reports_a_publish_that_the_acl_denies(void)
{
    broker *b = broker_create();
    char path[160], line[200];
    (void)snprintf(path, sizeof path, "%s/acl", broker_dir(b));
    FILE *acl = fopen(path, "w");
    CU_ASSERT_PTR_NOT_NULL_FATAL(acl);
    (void)fputs("topic readwrite own/#\n", acl);
    (void)fclose(acl);
    (void)snprintf(line, sizeof line, "acl_file %s", path);
    broker_configure(b, line);
    CU_ASSERT_TRUE_FATAL(broker_start(b));
    end *a = end_open(broker_url(b), "a");
    CU_ASSERT_EQUAL(say(a, "foreign/x", "denied", false), WEFT_OK);
    CU_ASSERT_EQUAL(say(a, "own/x", "allowed", false), WEFT_OK);
    CU_ASSERT_TRUE(HEARS(&a->ear, acked, 1));
    CU_ASSERT_TRUE(HEARS(&a->ear, refused, 1));
    end_close(a);
    broker_destroy(b);
}

static void says_full_when_the_window_is(void)
{
    broker *b = broker_run(NULL);
    end *a = end_open(broker_url(b), "a");
    broker_freeze(b);
    for (unsigned i = 0; i < 128; i++)
        CU_ASSERT_EQUAL(say(a, "t", "x", false), WEFT_OK);
    CU_ASSERT_EQUAL(say(a, "t", "x", false), WEFT_FULL);
    broker_thaw(b);
    CU_ASSERT_TRUE(HEARS(&a->ear, acked, 128));
    CU_ASSERT_EQUAL(say(a, "t", "x", false), WEFT_OK);
    CU_ASSERT_TRUE(HEARS(&a->ear, acked, 129));
    end_close(a);
    broker_destroy(b);
}

/* Returns how many were published before the link said that it is gone. */
static unsigned pour(end *n, size_t bytes, unsigned count)
{
    uint8_t *payload = malloc(bytes);
    unsigned done = 0;
    weft_status status = WEFT_OK;
    while (done < count && (status == WEFT_OK || status == WEFT_FULL)) {
        int token = 0;
        memset(payload, 'a' + (int)(done % 26), bytes);
        status = ops->publish(n->link, "flood", payload, bytes, 1, false, &token);
        done += status == WEFT_OK;
        if (status == WEFT_FULL)
            (void)nanosleep(&(struct timespec){.tv_nsec = 200000}, NULL);
    }
    free(payload);
    return done;
}

static void acknowledges_each_of_many_large_messages_once(void)
{
    enum { COUNT = 600 };
    broker *b = broker_run(NULL);
    end *a = end_open(broker_url(b), "a"), *c = end_open(broker_url(b), "c");
    CU_ASSERT_EQUAL(ops->subscribe(c->link, "flood", 1), WEFT_OK);
    broker_freeze(b);
    CU_ASSERT_EQUAL(say(a, "flood", "x", false), WEFT_OK);
    broker_thaw(b);
    CU_ASSERT_EQUAL(pour(a, 200000, COUNT), COUNT);
    CU_ASSERT_TRUE(HEARS(&a->ear, acked, COUNT + 1));
    CU_ASSERT_TRUE(HEARS(&c->ear, messages, COUNT + 1));
    for (int token = 1; token <= COUNT + 1; token++)
        CU_ASSERT_EQUAL(a->ear.ack_of[token], 1);
    end_close(a);
    end_close(c);
    broker_destroy(b);
}

static void counts_packet_ids_past_their_end(void)
{
    enum { COUNT = 66000 };
    broker *b = broker_run(NULL);
    end *a = end_open(broker_url(b), "a");
    CU_ASSERT_EQUAL(pour(a, 8, COUNT), COUNT);
    CU_ASSERT_TRUE(HEARS(&a->ear, acked, COUNT));
    CU_ASSERT_EQUAL(a->ear.downs, 0);
    CU_ASSERT_EQUAL(a->ear.ack_of[1], 2);
    CU_ASSERT_EQUAL(a->ear.ack_of[65535], 1);
    end_close(a);
    broker_destroy(b);
}

static void expect_retained(end *n, const char *topic, const char *text)
{
    uint8_t *bytes = NULL;
    size_t length = 0;
    CU_ASSERT_EQUAL(ops->peek(n->link, topic, &bytes, &length), WEFT_OK);
    if (text == NULL) {
        CU_ASSERT_PTR_NULL(bytes);
    } else {
        CU_ASSERT_PTR_NOT_NULL_FATAL(bytes);
        CU_ASSERT_EQUAL(length, strlen(text));
        CU_ASSERT_EQUAL(memcmp(bytes, text, length), 0);
    }
    free(bytes);
}

static void peeks_at_a_retained_message(void)
{
    broker *b = broker_run(NULL);
    end *a = end_open(broker_url(b), "a");
    CU_ASSERT_EQUAL(say(a, "live/a", "here", true), WEFT_OK);
    CU_ASSERT_TRUE(HEARS(&a->ear, acked, 1));
    expect_retained(a, "live/a", "here");
    expect_retained(a, "live/b", NULL);
    expect_retained(a, "live/a", "here");
    CU_ASSERT_EQUAL(a->ear.messages, 0);
    CU_ASSERT_EQUAL(a->ear.downs, 0);
    end_close(a);
    broker_destroy(b);
}

static void tells_retained_messages_from_live_ones(void)
{
    broker *b = broker_run(NULL);
    end *a = end_open(broker_url(b), "a");
    CU_ASSERT_EQUAL(say(a, "state/a", "old", true), WEFT_OK);
    CU_ASSERT_TRUE(HEARS(&a->ear, acked, 1));
    CU_ASSERT_EQUAL(ops->subscribe(a->link, "state/+", 1), WEFT_OK);
    CU_ASSERT_TRUE(HEARS(&a->ear, messages, 1));
    CU_ASSERT_TRUE(a->ear.last_retained);
    CU_ASSERT_EQUAL(say(a, "state/a", "new", true), WEFT_OK);
    CU_ASSERT_TRUE(HEARS(&a->ear, messages, 2));
    CU_ASSERT_FALSE(a->ear.last_retained);
    end_close(a);
    broker_destroy(b);
}

static void leaves_its_will_when_it_ends_without_goodbye(void)
{
    broker *b = broker_run(NULL);
    end *watcher = end_open(broker_url(b), "watcher"), *a = end_open(broker_url(b), "a");
    CU_ASSERT_EQUAL(ops->subscribe(watcher->link, "live/+", 1), WEFT_OK);
    ops->destroy(a->link);
    free(a);
    CU_ASSERT_TRUE(HEARS(&watcher->ear, messages, 1));
    CU_ASSERT_STRING_EQUAL(watcher->ear.last_payload, "gone");
    expect_retained(watcher, "live/a", "gone");
    end_close(watcher);
    broker_destroy(b);
}

static void carries_the_newest_will(void)
{
    broker *b = broker_run(NULL);
    weft__link_opts opts = options(broker_url(b), "a");
    end *watcher = end_open(broker_url(b), "watcher"), *a = end_create(&opts);
    CU_ASSERT_EQUAL(ops->set_will(a->link, (const uint8_t *)"epoch 2", 7), WEFT_OK);
    CU_ASSERT_EQUAL(end_connect(a, true), WEFT_OK);
    CU_ASSERT_EQUAL(ops->subscribe(watcher->link, "live/+", 1), WEFT_OK);
    ops->destroy(a->link);
    free(a);
    CU_ASSERT_TRUE(HEARS(&watcher->ear, messages, 1));
    CU_ASSERT_STRING_EQUAL(watcher->ear.last_payload, "epoch 2");
    end_close(watcher);
    broker_destroy(b);
}

static void leaves_no_will_when_it_disconnects(void)
{
    broker *b = broker_run(NULL);
    end *a = end_open(broker_url(b), "a"), *watcher = end_open(broker_url(b), "watcher");
    CU_ASSERT_EQUAL(say(a, "live/a", "goodbye", true), WEFT_OK);
    end_close(a);
    expect_retained(watcher, "live/a", "goodbye");
    end_close(watcher);
    broker_destroy(b);
}

static void receives_only_when_asked_to(void)
{
    broker *b = broker_run(NULL);
    weft__link_opts opts = options(broker_url(b), "a");
    opts.receive_only = true;
    end *a = end_create(&opts), *c = end_open(broker_url(b), "c");
    CU_ASSERT_EQUAL(end_connect(a, true), WEFT_OK);
    CU_ASSERT_EQUAL(say(a, "t", "x", false), WEFT_UNREACHABLE);
    CU_ASSERT_EQUAL(ops->subscribe(a->link, "t", 1), WEFT_OK);
    CU_ASSERT_EQUAL(say(c, "t", "x", false), WEFT_OK);
    CU_ASSERT_TRUE(HEARS(&a->ear, messages, 1));
    end_close(a);
    end_close(c);
    broker_destroy(b);
}

static void finds_queued_messages_when_it_comes_back(void)
{
    broker *b = broker_run(NULL);
    end *a = end_open(broker_url(b), "a"), *c = end_open(broker_url(b), "c");
    CU_ASSERT_EQUAL(ops->subscribe(a->link, "t", 1), WEFT_OK);
    ops->disconnect(a->link);
    CU_ASSERT_EQUAL(say(c, "t", "kept", false), WEFT_OK);
    CU_ASSERT_TRUE(HEARS(&c->ear, acked, 1));
    CU_ASSERT_EQUAL(end_connect(a, false), WEFT_OK);
    CU_ASSERT_TRUE(HEARS(&a->ear, messages, 1));
    ops->disconnect(a->link);
    CU_ASSERT_EQUAL(say(c, "t", "forgotten", false), WEFT_OK);
    CU_ASSERT_TRUE(HEARS(&c->ear, acked, 2));
    CU_ASSERT_EQUAL(end_connect(a, true), WEFT_OK);
    CU_ASSERT_EQUAL(ops->subscribe(a->link, "t", 1), WEFT_OK);
    CU_ASSERT_EQUAL(say(c, "t", "next", false), WEFT_OK);
    CU_ASSERT_TRUE(HEARS(&a->ear, messages, 2));
    CU_ASSERT_STRING_EQUAL(a->ear.last_payload, "next");
    end_close(a);
    end_close(c);
    broker_destroy(b);
}

static void returns_after_each_kill_of_the_broker(void)
{
    broker *b = broker_run(NULL);
    end *a = end_open(broker_url(b), "a");
    for (unsigned round = 1; round <= 8; round++) {
        CU_ASSERT_EQUAL(ops->subscribe(a->link, "t", 1), WEFT_OK);
        CU_ASSERT_EQUAL(say(a, "t", "x", false), WEFT_OK);
        CU_ASSERT_TRUE(HEARS(&a->ear, messages, round));
        if (round % 2 == 0) { /* unread bytes turn the end into a reset */
            broker_freeze(b);
            (void)pour(a, 20000, 20);
        }
        broker_kill(b);
        CU_ASSERT_TRUE(HEARS(&a->ear, downs, round));
        CU_ASSERT_EQUAL(say(a, "t", "x", false), WEFT_UNREACHABLE);
        CU_ASSERT_EQUAL(end_connect(a, false), WEFT_UNREACHABLE);
        CU_ASSERT_TRUE_FATAL(broker_start(b));
        CU_ASSERT_EQUAL_FATAL(end_connect(a, false), WEFT_OK);
    }
    CU_ASSERT_EQUAL(a->ear.downs, 8);
    end_close(a);
    broker_destroy(b);
}

static void notices_a_frozen_broker(void)
{
    broker *b = broker_run(NULL);
    weft__link_opts opts = options(broker_url(b), "a");
    opts.keep_alive_s = 1;
    opts.connect_timeout_s = 1;
    end *a = end_create(&opts);
    CU_ASSERT_EQUAL_FATAL(end_connect(a, true), WEFT_OK);
    broker_freeze(b);
    CU_ASSERT(pour(a, 200000, 1000) < 1000);
    CU_ASSERT_TRUE(HEARS(&a->ear, downs, 1));
    CU_ASSERT_EQUAL(end_connect(a, true), WEFT_TIMEOUT);
    CU_ASSERT_PTR_NOT_NULL(strstr(a->reason, "does not answer"));
    broker_thaw(b);
    CU_ASSERT_EQUAL(end_connect(a, true), WEFT_OK);
    end_close(a);
    broker_destroy(b);
}

/* ---- many links in one process ---- */

typedef struct runner {
    const char *url;
    char id[16];
    atomic_uint good;
} runner;

static void *runner_run(void *user)
{
    runner *r = user;
    for (unsigned i = 0; i < 4; i++) {
        weft__link_opts opts = options(r->url, r->id);
        end *n = end_create(&opts);
        if (end_connect(n, true) == WEFT_OK && ops->subscribe(n->link, r->id, 1) == WEFT_OK &&
            say(n, r->id, "x", false) == WEFT_OK && HEARS(&n->ear, messages, 1))
            atomic_fetch_add(&r->good, 1);
        end_close(n);
    }
    return NULL;
}

static void keeps_links_of_one_process_apart(void)
{
    broker *b = broker_run(NULL);
    runner runners[4] = {{0}};
    pthread_t threads[4];
    for (unsigned i = 0; i < 4; i++) {
        runners[i].url = broker_url(b);
        (void)snprintf(runners[i].id, sizeof runners[i].id, "runner-%u", i);
        CU_ASSERT_EQUAL_FATAL(pthread_create(&threads[i], NULL, runner_run, &runners[i]), 0);
    }
    for (unsigned i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
        CU_ASSERT_EQUAL(atomic_load(&runners[i].good), 4);
    }
    broker_destroy(b);
}

static int run_if_installed(int argc, char **argv, const suite_case *cases, size_t count)
{
    if (!broker_available()) {
        (void)puts("skipped: mosquitto is not installed");
        return 77;
    }
    return suite_run("system_mqtt_link", cases, count, argc, argv);
}

int main(int argc, char **argv)
{
    static const suite_case cases[] = {CASE(delivers_and_acknowledges),
                                       CASE(stops_delivery_at_unsubscribe),
                                       CASE(reports_what_the_broker_allows),
                                       CASE(refuses_a_message_over_the_limit),
                                       CASE(names_the_cause_of_a_failed_connect),
                                       CASE(refuses_what_is_no_url),
                                       CASE(tells_bad_credentials_from_a_broken_way),
                                       CASE(reports_a_publish_that_the_acl_denies),
                                       CASE(says_full_when_the_window_is),
                                       CASE(acknowledges_each_of_many_large_messages_once),
                                       CASE(counts_packet_ids_past_their_end),
                                       CASE(peeks_at_a_retained_message),
                                       CASE(tells_retained_messages_from_live_ones),
                                       CASE(leaves_its_will_when_it_ends_without_goodbye),
                                       CASE(carries_the_newest_will),
                                       CASE(leaves_no_will_when_it_disconnects),
                                       CASE(receives_only_when_asked_to),
                                       CASE(finds_queued_messages_when_it_comes_back),
                                       CASE(returns_after_each_kill_of_the_broker),
                                       CASE(notices_a_frozen_broker),
                                       CASE(keeps_links_of_one_process_apart)};
    return run_if_installed(argc, argv, cases, sizeof cases / sizeof *cases);
}

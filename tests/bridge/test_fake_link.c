#include "support/bridge/fake_link.h"
#include "support/suite.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WAIT_MS = 10000 };

/* What a link told, as one line: "topic=payload " per message (":r" if retained), "ack3 ", "no3 ", "down ". */
typedef struct end {
    pthread_mutex_t lock;
    char told[4096];
    weft__link *link;
    weft__link_limits limits;
} end;

static void tell(end *n, const char *text)
{
    pthread_mutex_lock(&n->lock);
    (void)snprintf(n->told + strlen(n->told), sizeof n->told - strlen(n->told), "%s ", text);
    pthread_mutex_unlock(&n->lock);
}

static void hear_message(void *user, const char *topic, const uint8_t *payload, size_t length, bool retained)
{
    char text[256];
    (void)snprintf(text, sizeof text, "%s=%.*s%s", topic, (int)length, (const char *)payload, retained ? ":r" : "");
    tell(user, text);
}

static void hear_ack(void *user, int token, weft_status status)
{
    char text[32];
    (void)snprintf(text, sizeof text, "%s%d", status == WEFT_OK ? "ack" : "no", token);
    tell(user, text);
}

static void hear_down(void *user)
{
    tell(user, "down");
}

static end *end_create(fake_broker *b, const char *id)
{
    end *n = calloc(1, sizeof *n);
    char will_topic[64];
    (void)snprintf(will_topic, sizeof will_topic, "live/%s", id);
    weft__link_opts opts = {.url = fake_broker_url(b),
                            .client_id = id,
                            .will_topic = will_topic,
                            .will = (const uint8_t *)"gone",
                            .will_bytes = 4,
                            .session_expiry_s = 300};
    weft__link_callbacks callbacks = {hear_message, hear_ack, hear_down, n};
    pthread_mutex_init(&n->lock, NULL);
    CU_ASSERT_EQUAL_FATAL(fake_link.create(&opts, &callbacks, &n->link), WEFT_OK);
    return n;
}

static weft_status end_connect(end *n, bool clean)
{
    return fake_link.connect(n->link, clean, &n->limits, NULL);
}

static end *end_open(fake_broker *b, const char *id)
{
    end *n = end_create(b, id);
    CU_ASSERT_EQUAL_FATAL(end_connect(n, true), WEFT_OK);
    return n;
}

static void end_close(end *n)
{
    fake_link.disconnect(n->link);
    fake_link.destroy(n->link);
    pthread_mutex_destroy(&n->lock);
    free(n);
}

static weft_status say(end *n, const char *topic, const char *text)
{
    int token = 0;
    return fake_link.publish(n->link, topic, (const uint8_t *)text, strlen(text), 1, false, &token);
}

/* Runs what is due and compares what the link told since the last time. */
static void expect(fake_broker *b, end *n, const char *told)
{
    (void)fake_broker_pump(b);
    CU_ASSERT_STRING_EQUAL(n->told, told);
    n->told[0] = '\0';
}

static void matches_filters_as_mqtt_does(void)
{
    CU_ASSERT_TRUE(fake_topic_matches("a/b", "a/b"));
    CU_ASSERT_TRUE(fake_topic_matches("a/+/c", "a/b/c"));
    CU_ASSERT_TRUE(fake_topic_matches("a/#", "a"));
    CU_ASSERT_TRUE(fake_topic_matches("a/#", "a/b/c"));
    CU_ASSERT_TRUE(fake_topic_matches("#", "a/b"));
    CU_ASSERT_TRUE(fake_topic_matches("+/+", "/b"));
    CU_ASSERT_FALSE(fake_topic_matches("a/+", "a"));
    CU_ASSERT_FALSE(fake_topic_matches("a/+", "a/b/c"));
    CU_ASSERT_FALSE(fake_topic_matches("a/b", "a/bc"));
    CU_ASSERT_FALSE(fake_topic_matches("a/b/c", "a/b"));
    CU_ASSERT_FALSE(fake_topic_matches("#", "$SYS/x"));
}

static void delivers_to_every_subscriber_and_to_the_sender(void)
{
    fake_broker *b = fake_broker_create(FAKE_PUMPED);
    end *a = end_open(b, "a"), *c = end_open(b, "c");
    CU_ASSERT_EQUAL(fake_link.subscribe(a->link, "t/+", 1), WEFT_OK);
    CU_ASSERT_EQUAL(fake_link.subscribe(c->link, "t/#", 1), WEFT_OK);
    CU_ASSERT_EQUAL(say(a, "t/x", "1"), WEFT_OK);
    expect(b, a, "t/x=1 ack1 ");
    expect(b, c, "t/x=1 ");
    CU_ASSERT_EQUAL(fake_link.unsubscribe(c->link, "t/#"), WEFT_OK);
    CU_ASSERT_EQUAL(say(a, "t/x", "2"), WEFT_OK);
    expect(b, c, "");
    CU_ASSERT_EQUAL(fake_broker_count(b, "t/#"), 2);
    end_close(a);
    end_close(c);
    fake_broker_destroy(b);
}

static void holds_the_window_until_acknowledged(void)
{
    fake_broker *b = fake_broker_create(FAKE_PUMPED);
    fake_broker_set_limits(b, 2, 100);
    fake_broker_hold_acks(b, true);
    end *a = end_open(b, "a");
    char large[100] = {0};
    memset(large, 'x', 99);
    CU_ASSERT_EQUAL(a->limits.receive_maximum, 2);
    CU_ASSERT_EQUAL(say(a, "t", large), WEFT_TOO_LARGE);
    CU_ASSERT_EQUAL(say(a, "t", "1"), WEFT_OK);
    CU_ASSERT_EQUAL(say(a, "t", "2"), WEFT_OK);
    CU_ASSERT_EQUAL(say(a, "t", "3"), WEFT_FULL);
    expect(b, a, "");
    CU_ASSERT_EQUAL(fake_broker_held_acks(b), 2);
    CU_ASSERT_EQUAL(fake_broker_release_acks(b, 1), 1);
    expect(b, a, "ack1 ");
    CU_ASSERT_EQUAL(say(a, "t", "3"), WEFT_OK);
    end_close(a);
    fake_broker_destroy(b);
}

static void acknowledges_before_publish_returns(void)
{
    fake_broker *b = fake_broker_create(FAKE_PUMPED);
    fake_broker_ack_early(b, true);
    end *a = end_open(b, "a");
    CU_ASSERT_EQUAL(say(a, "t", "1"), WEFT_OK);
    CU_ASSERT_STRING_EQUAL(a->told, "ack1 ");
    end_close(a);
    fake_broker_destroy(b);
}

static void refuses_denied_topics(void)
{
    fake_broker *b = fake_broker_create(FAKE_PUMPED);
    fake_broker_deny(b, "secret/#");
    end *a = end_open(b, "a");
    CU_ASSERT_EQUAL(fake_link.subscribe(a->link, "#", 1), WEFT_OK);
    CU_ASSERT_EQUAL(say(a, "secret/x", "1"), WEFT_OK);
    CU_ASSERT_EQUAL(say(a, "open/x", "2"), WEFT_OK);
    expect(b, a, "no1 open/x=2 ack2 ");
    end_close(a);
    fake_broker_destroy(b);
}

static void retains_and_peeks(void)
{
    fake_broker *b = fake_broker_create(FAKE_PUMPED);
    end *a = end_open(b, "a");
    uint8_t *bytes = NULL;
    size_t length = 0;
    fake_broker_publish(b, "state/a", "old", 3, 1, true);
    fake_broker_publish(b, "state/a", "new", 3, 1, true);
    CU_ASSERT_EQUAL(fake_link.subscribe(a->link, "state/+", 1), WEFT_OK);
    expect(b, a, "state/a=new:r ");
    CU_ASSERT_EQUAL(fake_link.peek(a->link, "state/a", &bytes, &length, NULL), WEFT_OK);
    CU_ASSERT_PTR_NOT_NULL_FATAL(bytes);
    CU_ASSERT_EQUAL(memcmp(bytes, "new", length), 0);
    free(bytes);
    fake_broker_publish(b, "state/a", "", 0, 1, true);
    CU_ASSERT_EQUAL(fake_link.peek(a->link, "state/a", &bytes, &length, NULL), WEFT_OK);
    CU_ASSERT_PTR_NULL(bytes);
    end_close(a);
    fake_broker_destroy(b);
}

static void publishes_the_will_of_who_is_cut_off(void)
{
    fake_broker *b = fake_broker_create(FAKE_PUMPED);
    end *a = end_open(b, "weft:dev:a"), *c = end_open(b, "weft:dev:c");
    CU_ASSERT_EQUAL(fake_link.subscribe(c->link, "live/+", 1), WEFT_OK);
    CU_ASSERT_EQUAL(fake_broker_cut(b, "a"), 1);
    CU_ASSERT_FALSE(fake_broker_connected(b, "a"));
    CU_ASSERT_EQUAL(say(a, "t", "1"), WEFT_UNREACHABLE);
    expect(b, a, "down ");
    expect(b, c, "live/weft:dev:a=gone ");
    CU_ASSERT_EQUAL(end_connect(a, false), WEFT_OK);
    fake_link.disconnect(a->link);
    expect(b, c, "");
    end_close(a);
    end_close(c);
    fake_broker_destroy(b);
}

static void hands_a_client_id_to_the_newest(void)
{
    fake_broker *b = fake_broker_create(FAKE_PUMPED);
    end *old = end_open(b, "a"), *new = end_open(b, "a");
    expect(b, old, "down ");
    CU_ASSERT_EQUAL(say(new, "t", "1"), WEFT_OK);
    expect(b, new, "ack1 ");
    size_t length = 0;
    uint8_t *will = fake_broker_retained(b, "live/a", &length);
    CU_ASSERT_PTR_NOT_NULL(will);
    free(will);
    end_close(old);
    end_close(new);
    fake_broker_destroy(b);
}

static void keeps_sessions_for_the_absent(void)
{
    fake_broker *b = fake_broker_create(FAKE_PUMPED);
    fake_broker_set_queue_max(b, 2);
    end *a = end_open(b, "a");
    CU_ASSERT_EQUAL(fake_link.subscribe(a->link, "t", 1), WEFT_OK);
    fake_broker_publish(b, "t", "1", 1, 1, false); /* under way when the connection breaks */
    (void)fake_broker_cut(b, "a");
    for (const char *text = "23"; *text != '\0'; text++)
        fake_broker_publish(b, "t", text, 1, 1, false);
    expect(b, a, "down ");
    CU_ASSERT_EQUAL(fake_broker_dropped(b), 1);
    CU_ASSERT_EQUAL(end_connect(a, false), WEFT_OK);
    expect(b, a, "t=1 t=2 ");
    fake_link.disconnect(a->link);
    fake_broker_publish(b, "t", "4", 1, 1, false);
    CU_ASSERT_EQUAL(end_connect(a, true), WEFT_OK);
    expect(b, a, "");
    CU_ASSERT_FALSE(fake_broker_subscribed(b, "a", "t"));
    end_close(a);
    fake_broker_destroy(b);
}

static void stops_starts_and_forgets(void)
{
    fake_broker *b = fake_broker_create(FAKE_PUMPED);
    end *a = end_open(b, "a");
    CU_ASSERT_EQUAL(fake_link.subscribe(a->link, "t", 1), WEFT_OK);
    fake_broker_publish(b, "kept", "1", 1, 1, true);
    fake_broker_stop(b);
    expect(b, a, "down ");
    CU_ASSERT_EQUAL(end_connect(a, false), WEFT_UNREACHABLE);
    fake_broker_start(b);
    CU_ASSERT_EQUAL(end_connect(a, false), WEFT_OK);
    CU_ASSERT_TRUE(fake_broker_subscribed(b, "a", "t"));
    size_t length = 0;
    uint8_t *kept = fake_broker_retained(b, "kept", &length);
    CU_ASSERT_PTR_NOT_NULL(kept);
    free(kept);
    fake_broker_forget(b);
    CU_ASSERT_FALSE(fake_broker_subscribed(b, "a", "t"));
    CU_ASSERT_PTR_NULL(fake_broker_retained(b, "kept", &length));
    end_close(a);
    fake_broker_destroy(b);
}

static void freezes_and_thaws(void)
{
    fake_broker *b = fake_broker_create(FAKE_PUMPED);
    end *a = end_open(b, "a"), *c = end_create(b, "c");
    CU_ASSERT_EQUAL(fake_link.subscribe(a->link, "t", 1), WEFT_OK);
    fake_broker_freeze(b);
    CU_ASSERT_EQUAL(say(a, "t", "1"), WEFT_OK);
    CU_ASSERT_EQUAL(end_connect(c, true), WEFT_TIMEOUT);
    expect(b, a, "");
    fake_broker_thaw(b);
    expect(b, a, "t=1 ack1 ");
    end_close(a);
    end_close(c);
    fake_broker_destroy(b);
}

static void refuses_connects_on_demand(void)
{
    fake_broker *b = fake_broker_create(FAKE_PUMPED);
    end *a = end_create(b, "a");
    fake_broker_refuse(b, WEFT_REFUSED);
    CU_ASSERT_EQUAL(end_connect(a, true), WEFT_REFUSED);
    fake_broker_refuse(b, WEFT_OK);
    CU_ASSERT_EQUAL(end_connect(a, true), WEFT_OK);
    end_close(a);
    fake_broker_destroy(b);
}

static void does_each_fault_once(void)
{
    fake_broker *b = fake_broker_create(FAKE_PUMPED);
    end *a = end_open(b, "a"), *c = end_open(b, "c");
    CU_ASSERT_EQUAL(fake_link.subscribe(c->link, "t", 1), WEFT_OK);
    fake_broker_add_fault(b, &(fake_fault){.action = FAKE_LOSE, .client = "a"});
    fake_broker_add_fault(b, &(fake_fault){.action = FAKE_DROP, .filter = "t"});
    fake_broker_add_fault(b, &(fake_fault){.action = FAKE_DUPLICATE, .client = "c"});
    fake_broker_add_fault(b, &(fake_fault){.action = FAKE_SWAP, .skip = 1});
    fake_broker_add_fault(b, &(fake_fault){.action = FAKE_CORRUPT, .skip = 4});
    fake_broker_add_fault(b, &(fake_fault){.action = FAKE_HOLD, .skip = 4});
    for (const char *text = "12345678"; *text != '\0'; text++)
        CU_ASSERT_EQUAL(say(a, "t", (char[]){*text, '\0'}), WEFT_OK);
    /* 1 lost, 2 dropped, 3 twice, 4 behind 5, 6 corrupt, 7 held */
    expect(b, c, "t=3 t=3 t=5 t=4 t=c t=8 ");
    expect(b, a, "ack2 ack3 ack4 ack5 ack6 ack7 ack8 ");
    CU_ASSERT_EQUAL(fake_broker_release_held(b), 1);
    expect(b, c, "t=7 ");
    end_close(a);
    end_close(c);
    fake_broker_destroy(b);
}

static void cuts_the_publisher_around_a_publish(void)
{
    fake_broker *b = fake_broker_create(FAKE_PUMPED);
    end *a = end_open(b, "a"), *c = end_open(b, "c");
    CU_ASSERT_EQUAL(fake_link.subscribe(c->link, "t", 1), WEFT_OK);
    fake_broker_add_fault(b, &(fake_fault){.action = FAKE_CUT_BEFORE, .client = "a"});
    CU_ASSERT_EQUAL(say(a, "t", "1"), WEFT_OK);
    expect(b, a, "down ");
    CU_ASSERT_EQUAL(end_connect(a, true), WEFT_OK);
    fake_broker_add_fault(b, &(fake_fault){.action = FAKE_CUT_AFTER, .client = "a"});
    CU_ASSERT_EQUAL(say(a, "t", "2"), WEFT_OK);
    expect(b, a, "down ");
    expect(b, c, "t=2 ");
    end_close(a);
    end_close(c);
    fake_broker_destroy(b);
}

static void says_nothing_after_down(void)
{
    fake_broker *b = fake_broker_create(FAKE_PUMPED);
    end *a = end_open(b, "a");
    CU_ASSERT_EQUAL(fake_link.subscribe(a->link, "t", 1), WEFT_OK);
    CU_ASSERT_EQUAL(say(a, "t", "1"), WEFT_OK);
    (void)fake_broker_cut(b, "a");
    expect(b, a, "down ");
    CU_ASSERT_EQUAL(end_connect(a, false), WEFT_OK);
    expect(b, a, "t=1 ");
    (void)fake_broker_cut(b, "a");
    CU_ASSERT_EQUAL(end_connect(a, true), WEFT_OK);
    expect(b, a, "");
    end_close(a);
    fake_broker_destroy(b);
}

static void draws_the_same_faults_from_the_same_seed(void)
{
    char told[2][4096];
    for (int i = 0; i < 2; i++) {
        fake_broker *b = fake_broker_create(FAKE_PUMPED);
        end *a = end_open(b, "a");
        CU_ASSERT_EQUAL(fake_link.subscribe(a->link, "t", 1), WEFT_OK);
        fake_broker_set_chaos(b, &(fake_chaos){.seed = 42, .drop_permille = 200, .swap_permille = 200});
        for (char text[] = "a"; text[0] <= 'z'; text[0]++) {
            CU_ASSERT_EQUAL(say(a, "t", text), WEFT_OK);
            (void)fake_broker_pump(b);
        }
        (void)snprintf(told[i], sizeof told[i], "%s", a->told);
        end_close(a);
        fake_broker_destroy(b);
    }
    CU_ASSERT_STRING_EQUAL(told[0], told[1]);
    unsigned delivered = 0;
    for (const char *at = told[0]; (at = strstr(at, "t=")) != NULL; at++)
        delivered++;
    CU_ASSERT(delivered > 0 && delivered < 26);
}

static void runs_the_callbacks_of_one_client(void)
{
    fake_broker *b = fake_broker_create(FAKE_PUMPED);
    end *a = end_open(b, "a"), *c = end_open(b, "c");
    CU_ASSERT_EQUAL(fake_link.subscribe(a->link, "t", 1), WEFT_OK);
    CU_ASSERT_EQUAL(fake_link.subscribe(c->link, "t", 1), WEFT_OK);
    CU_ASSERT_EQUAL(say(a, "t", "1"), WEFT_OK);
    CU_ASSERT_EQUAL(say(a, "t", "2"), WEFT_OK);
    CU_ASSERT_EQUAL(fake_broker_due(b, "c"), 2);
    CU_ASSERT_EQUAL(fake_broker_pump_client(b, "c", 1), 1);
    CU_ASSERT_STRING_EQUAL(c->told, "t=1 ");
    CU_ASSERT_STRING_EQUAL(a->told, "");
    CU_ASSERT_EQUAL(fake_broker_pump_client(b, "c", 9), 1);
    expect(b, a, "t=1 ack1 t=2 ack2 ");
    expect(b, c, "t=1 t=2 ");
    end_close(a);
    end_close(c);
    fake_broker_destroy(b);
}

static void keeps_apart_one_way_and_joins_again(void)
{
    fake_broker *b = fake_broker_create(FAKE_PUMPED);
    end *a = end_open(b, "a"), *c = end_open(b, "c");
    CU_ASSERT_EQUAL(fake_link.subscribe(c->link, "t", 1), WEFT_OK);
    fake_broker_part(b, "a", FAKE_NO_OUT);
    CU_ASSERT_EQUAL(say(a, "t", "1"), WEFT_OK);
    expect(b, c, "");
    fake_broker_part(b, "a", FAKE_JOINED);
    expect(b, c, "t=1 ");
    expect(b, a, "ack1 ");
    fake_broker_part(b, "c", FAKE_NO_IN);
    CU_ASSERT_EQUAL(say(a, "t", "2"), WEFT_OK);
    expect(b, a, "ack2 ");
    expect(b, c, "");
    CU_ASSERT_EQUAL(fake_broker_due(b, "c"), 0);
    fake_broker_part(b, "c", FAKE_JOINED);
    expect(b, c, "t=2 ");
    end_close(a);
    end_close(c);
    fake_broker_destroy(b);
}

static void loses_what_was_on_the_wire_with_the_connection(void)
{
    fake_broker *b = fake_broker_create(FAKE_PUMPED);
    end *a = end_open(b, "a"), *c = end_open(b, "c");
    CU_ASSERT_EQUAL(fake_link.subscribe(c->link, "t", 1), WEFT_OK);
    fake_broker_part(b, "a", FAKE_APART);
    CU_ASSERT_EQUAL(say(a, "t", "1"), WEFT_OK);
    CU_ASSERT_EQUAL(end_connect(c, true), WEFT_OK);
    CU_ASSERT_EQUAL(fake_broker_cut(b, "a"), 1);
    expect(b, a, "down ");
    CU_ASSERT_EQUAL(end_connect(a, true), WEFT_TIMEOUT);
    fake_broker_part(b, "a", FAKE_JOINED);
    CU_ASSERT_EQUAL(end_connect(a, true), WEFT_OK);
    expect(b, a, "");
    expect(b, c, "");
    end_close(a);
    end_close(c);
    fake_broker_destroy(b);
}

static bool told_count(void *user)
{
    end *n = user;
    unsigned words = 0;
    pthread_mutex_lock(&n->lock);
    for (const char *at = n->told; *at != '\0'; at++)
        words += *at == ' ';
    pthread_mutex_unlock(&n->lock);
    return words >= 400;
}

static void calls_back_from_its_own_thread(void)
{
    fake_broker *b = fake_broker_create(FAKE_THREADED);
    fake_broker_set_limits(b, 1000, UINT32_MAX);
    end *a = end_open(b, "a");
    CU_ASSERT_EQUAL(fake_link.subscribe(a->link, "t", 1), WEFT_OK);
    for (int i = 0; i < 200; i++)
        CU_ASSERT_EQUAL(say(a, "t", "x"), WEFT_OK);
    CU_ASSERT_TRUE(suite_wait(told_count, a, WAIT_MS));
    end_close(a);
    CU_ASSERT_TRUE(fake_broker_idle(b));
    fake_broker_destroy(b);
}

SUITE(bridge_fake_link, CASE(matches_filters_as_mqtt_does), CASE(delivers_to_every_subscriber_and_to_the_sender),
      CASE(holds_the_window_until_acknowledged), CASE(acknowledges_before_publish_returns), CASE(refuses_denied_topics),
      CASE(retains_and_peeks), CASE(publishes_the_will_of_who_is_cut_off), CASE(hands_a_client_id_to_the_newest),
      CASE(keeps_sessions_for_the_absent), CASE(stops_starts_and_forgets), CASE(freezes_and_thaws),
      CASE(refuses_connects_on_demand), CASE(does_each_fault_once), CASE(cuts_the_publisher_around_a_publish),
      CASE(says_nothing_after_down), CASE(draws_the_same_faults_from_the_same_seed),
      CASE(runs_the_callbacks_of_one_client), CASE(keeps_apart_one_way_and_joins_again),
      CASE(loses_what_was_on_the_wire_with_the_connection), CASE(calls_back_from_its_own_thread))

#include "support/server_program.h"
#include "support/system/link_end.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const weft__link_ops *const ops = &weft__mqtt_link;

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
    CU_ASSERT_EQUAL(end_say(a, "one", "unheard", false), WEFT_OK);
    CU_ASSERT_EQUAL(end_say(a, "two", "heard", false), WEFT_OK);
    CU_ASSERT_TRUE(HEARS(&a->ear, messages, 1));
    CU_ASSERT_STRING_EQUAL(a->ear.last_payload, "heard");
    end_close(a);
    broker_destroy(b);
}

static void subscribes_to_many_at_once(void)
{
    broker *b = broker_run(NULL);
    end *a = end_open(broker_url(b), "a");
    weft__link_filter filters[] = {{"one", 1, WEFT_INVALID}, {"two/+", 0, WEFT_INVALID}, {"three", 1, WEFT_INVALID}};
    weft__link_filter single = {"four", 1, WEFT_INVALID};
    CU_ASSERT_EQUAL(ops->subscribe_many(a->link, filters, 3), WEFT_OK);
    CU_ASSERT_EQUAL(ops->subscribe_many(a->link, &single, 1), WEFT_OK);
    CU_ASSERT_EQUAL(filters[0].status, WEFT_OK);
    CU_ASSERT_EQUAL(filters[1].status, WEFT_OK);
    CU_ASSERT_EQUAL(filters[2].status, WEFT_OK);
    CU_ASSERT_EQUAL(single.status, WEFT_OK);
    const char *topics[] = {"one", "two/x", "three", "four"};
    for (unsigned i = 0; i < 4; i++) {
        CU_ASSERT_EQUAL(end_say(a, topics[i], "x", false), WEFT_OK);
        CU_ASSERT_TRUE(HEARS(&a->ear, messages, i + 1));
        CU_ASSERT_STRING_EQUAL(a->ear.last_topic, topics[i]);
    }
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

static void is_not_sent_what_would_exhaust_it(void)
{
    broker *b = broker_run("max_packet_size 4000000");
    end *a = end_open(broker_url(b), "a");
    uint8_t *large = calloc(1, 2000000);
    int token = 0;
    CU_ASSERT_EQUAL(ops->subscribe(a->link, "t", 1), WEFT_OK);
    CU_ASSERT_EQUAL(ops->publish(a->link, "t", large, 2000000, 1, false, &token), WEFT_OK);
    CU_ASSERT_EQUAL(end_say(a, "t", "small", false), WEFT_OK);
    CU_ASSERT_TRUE(HEARS(&a->ear, acked, 2));
    CU_ASSERT_TRUE(HEARS(&a->ear, messages, 1));
    CU_ASSERT_STRING_EQUAL(a->ear.last_payload, "small");
    CU_ASSERT_EQUAL(a->ear.messages, 1);
    CU_ASSERT_EQUAL(a->ear.downs, 0);
    free(large);
    end_close(a);
    broker_destroy(b);
}

static void names_the_cause_of_a_failed_connect(void)
{
    char url[64];
    (void)snprintf(url, sizeof url, "mqtt://127.0.0.1:%u", server_free_port());
    weft__link_opts closed = end_options(url, "a"), lost = end_options("mqtt://no-such-host.invalid", "a");
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
    weft__link_callbacks callbacks = {0};
    weft__link_opts opts = end_options("http://localhost", "a");
    CU_ASSERT_EQUAL(ops->create(&opts, &callbacks, &link), WEFT_INVALID);
    CU_ASSERT_PTR_NULL(link);
}

static void tells_bad_credentials_from_a_broken_way(void)
{
    broker *b = broker_run("allow_anonymous false");
    weft__link_opts opts = end_options(broker_url(b), "a");
    opts.username = "nobody";
    opts.password = "wrong";
    end *a = end_create(&opts);
    uint8_t *bytes = NULL;
    size_t length = 0;
    CU_ASSERT_EQUAL(end_connect(a, true), WEFT_REFUSED);
    CU_ASSERT_PTR_NOT_NULL(strstr(a->reason, "password"));
    CU_ASSERT_EQUAL(ops->peek(a->link, "t", &bytes, &length, &a->reason), WEFT_REFUSED);
    CU_ASSERT_PTR_NOT_NULL(strstr(a->reason, "password"));
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
    CU_ASSERT_EQUAL(end_say(a, "foreign/x", "denied", false), WEFT_OK);
    CU_ASSERT_EQUAL(end_say(a, "own/x", "allowed", false), WEFT_OK);
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
        CU_ASSERT_EQUAL(end_say(a, "t", "x", false), WEFT_OK);
    CU_ASSERT_EQUAL(end_say(a, "t", "x", false), WEFT_FULL);
    broker_thaw(b);
    CU_ASSERT_TRUE(HEARS(&a->ear, acked, 128));
    CU_ASSERT_EQUAL(end_say(a, "t", "x", false), WEFT_OK);
    CU_ASSERT_TRUE(HEARS(&a->ear, acked, 129));
    end_close(a);
    broker_destroy(b);
}

static void acknowledges_each_of_many_large_messages_once(void)
{
    enum { COUNT = 600 };
    broker *b = broker_run(NULL);
    end *a = end_open(broker_url(b), "a"), *c = end_open(broker_url(b), "c");
    CU_ASSERT_EQUAL(ops->subscribe(c->link, "flood", 1), WEFT_OK);
    broker_freeze(b);
    CU_ASSERT_EQUAL(end_say(a, "flood", "x", false), WEFT_OK);
    broker_thaw(b);
    CU_ASSERT_EQUAL(end_pour(a, 200000, COUNT), COUNT);
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
    CU_ASSERT_EQUAL(end_pour(a, 8, COUNT), COUNT);
    CU_ASSERT_TRUE(HEARS(&a->ear, acked, COUNT));
    CU_ASSERT_EQUAL(a->ear.downs, 0);
    CU_ASSERT_EQUAL(a->ear.ack_of[1], 2);
    CU_ASSERT_EQUAL(a->ear.ack_of[65535], 1);
    end_close(a);
    broker_destroy(b);
}

static void peeks_at_a_retained_message(void)
{
    broker *b = broker_run(NULL);
    end *a = end_open(broker_url(b), "a");
    CU_ASSERT_EQUAL(end_say(a, "live/a", "here", true), WEFT_OK);
    CU_ASSERT_TRUE(HEARS(&a->ear, acked, 1));
    end_expect_retained(a, "live/a", "here");
    end_expect_retained(a, "live/b", NULL);
    end_expect_retained(a, "live/a", "here");
    CU_ASSERT_EQUAL(a->ear.messages, 0);
    CU_ASSERT_EQUAL(a->ear.downs, 0);
    end_close(a);
    broker_destroy(b);
}

static void tells_retained_messages_from_live_ones(void)
{
    broker *b = broker_run(NULL);
    end *a = end_open(broker_url(b), "a");
    CU_ASSERT_EQUAL(end_say(a, "state/a", "old", true), WEFT_OK);
    CU_ASSERT_TRUE(HEARS(&a->ear, acked, 1));
    CU_ASSERT_EQUAL(ops->subscribe(a->link, "state/+", 1), WEFT_OK);
    CU_ASSERT_TRUE(HEARS(&a->ear, messages, 1));
    CU_ASSERT_TRUE(a->ear.last_retained);
    CU_ASSERT_EQUAL(end_say(a, "state/a", "new", true), WEFT_OK);
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
    end_crash(a);
    CU_ASSERT_TRUE(HEARS(&watcher->ear, messages, 1));
    CU_ASSERT_STRING_EQUAL(watcher->ear.last_payload, "gone");
    end_expect_retained(watcher, "live/a", "gone");
    end_close(watcher);
    broker_destroy(b);
}

static void carries_the_newest_will(void)
{
    broker *b = broker_run(NULL);
    weft__link_opts opts = end_options(broker_url(b), "a");
    end *watcher = end_open(broker_url(b), "watcher"), *a = end_create(&opts);
    CU_ASSERT_EQUAL(ops->set_will(a->link, (const uint8_t *)"epoch 2", 7), WEFT_OK);
    CU_ASSERT_EQUAL(end_connect(a, true), WEFT_OK);
    CU_ASSERT_EQUAL(ops->subscribe(watcher->link, "live/+", 1), WEFT_OK);
    end_crash(a);
    CU_ASSERT_TRUE(HEARS(&watcher->ear, messages, 1));
    CU_ASSERT_STRING_EQUAL(watcher->ear.last_payload, "epoch 2");
    end_close(watcher);
    broker_destroy(b);
}

static void leaves_no_will_when_it_disconnects(void)
{
    broker *b = broker_run(NULL);
    end *a = end_open(broker_url(b), "a"), *watcher = end_open(broker_url(b), "watcher");
    CU_ASSERT_EQUAL(end_say(a, "live/a", "goodbye", true), WEFT_OK);
    end_close(a);
    end_expect_retained(watcher, "live/a", "goodbye");
    end_close(watcher);
    broker_destroy(b);
}

static void leaves_its_will_when_one_connection_was_lost(void)
{
    broker *b = broker_run(NULL);
    end *watcher = end_open(broker_url(b), "watcher"), *a = end_open(broker_url(b), "a");
    CU_ASSERT_EQUAL(end_say(a, "live/a", "here", true), WEFT_OK);
    CU_ASSERT_TRUE(HEARS(&a->ear, acked, 1));
    weft__link_opts opts = end_options(broker_url(b), "a");
    opts.receive_only = true;
    end *thief = end_create(&opts);
    CU_ASSERT_EQUAL(end_connect(thief, true), WEFT_OK);
    CU_ASSERT_TRUE(HEARS(&a->ear, downs, 1));
    end_expect_retained(watcher, "live/a", "here");
    end_close(a);
    end_expect_retained(watcher, "live/a", "gone");
    end_close(thief);
    end_close(watcher);
    broker_destroy(b);
}

static void receives_only_when_asked_to(void)
{
    broker *b = broker_run(NULL);
    weft__link_opts opts = end_options(broker_url(b), "a");
    opts.receive_only = true;
    end *a = end_create(&opts), *c = end_open(broker_url(b), "c");
    CU_ASSERT_EQUAL(end_connect(a, true), WEFT_OK);
    CU_ASSERT_EQUAL(end_say(a, "t", "x", false), WEFT_UNREACHABLE);
    CU_ASSERT_EQUAL(ops->subscribe(a->link, "t", 1), WEFT_OK);
    CU_ASSERT_EQUAL(end_say(c, "t", "x", false), WEFT_OK);
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
    CU_ASSERT_EQUAL(end_say(c, "t", "kept", false), WEFT_OK);
    CU_ASSERT_TRUE(HEARS(&c->ear, acked, 1));
    CU_ASSERT_EQUAL(end_connect(a, false), WEFT_OK);
    CU_ASSERT_TRUE(HEARS(&a->ear, messages, 1));
    ops->disconnect(a->link);
    CU_ASSERT_EQUAL(end_say(c, "t", "forgotten", false), WEFT_OK);
    CU_ASSERT_TRUE(HEARS(&c->ear, acked, 2));
    CU_ASSERT_EQUAL(end_connect(a, true), WEFT_OK);
    CU_ASSERT_EQUAL(ops->subscribe(a->link, "t", 1), WEFT_OK);
    CU_ASSERT_EQUAL(end_say(c, "t", "next", false), WEFT_OK);
    CU_ASSERT_TRUE(HEARS(&a->ear, messages, 2));
    CU_ASSERT_STRING_EQUAL(a->ear.last_payload, "next");
    end_close(a);
    end_close(c);
    broker_destroy(b);
}

int main(int argc, char **argv)
{
    static const suite_case cases[] = {CASE(delivers_and_acknowledges),
                                       CASE(stops_delivery_at_unsubscribe),
                                       CASE(subscribes_to_many_at_once),
                                       CASE(reports_what_the_broker_allows),
                                       CASE(refuses_a_message_over_the_limit),
                                       CASE(is_not_sent_what_would_exhaust_it),
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
                                       CASE(leaves_its_will_when_one_connection_was_lost),
                                       CASE(receives_only_when_asked_to),
                                       CASE(finds_queued_messages_when_it_comes_back)};
    if (!broker_available()) {
        (void)puts("skipped: mosquitto is not installed");
        return 77;
    }
    return suite_run("system_mqtt_link", cases, sizeof cases / sizeof *cases, argc, argv);
}

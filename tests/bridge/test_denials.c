/* Bridges at a broker whose access rules deny something: what goes on, what is said, and how often it is tried. */
#include "driven_rig.h"

static world *world_create(void)
{
    world *w = calloc(1, sizeof *w);
    w->broker = fake_broker_create(FAKE_PUMPED);
    fake_clock_init(&w->clock, 1000000);
    return w;
}

static void world_destroy(world *w)
{
    for (size_t i = 0; i < sizeof w->hosts / sizeof *w->hosts; i++)
        if (w->hosts[i] != NULL)
            host_destroy(w->hosts[i]);
    fake_broker_destroy(w->broker);
    free(w);
}

static void run_ms(world *w, unsigned ms)
{
    enum { ROUND_MS = 10 };
    turns_give(w, ms / ROUND_MS);
}

static weft_bridge_stats stats_of(host *h)
{
    weft_bridge_stats stats;
    weft_bridge_get_stats(h->bridge, &stats);
    return stats;
}

static void a_denied_subscription_leaves_the_rest_of_the_node_online(void)
{
    world *w = world_create();
    fake_broker_deny_subscribe(w->broker, "weft/v1/dev/evt/llm/+");
    fake_broker_deny_subscribe(w->broker, "weft/v1/dev/cmd/-/+/+");
    w->hosts[0] = driven_start(w, "a", 0);
    w->hosts[1] = driven_start(w, "b", WEFT_TOPIC_COST | WEFT_TOPIC_LLM);
    run_ms(w, 1000);
    publish_range(w->hosts[0], 1, 5);
    run_ms(w, 1000);
    CU_ASSERT_EQUAL(w->hosts[1]->count, 5);
    CU_ASSERT_TRUE(stats_of(w->hosts[1]).connected);
    CU_ASSERT_EQUAL(stats_of(w->hosts[1]).connects, 1);
    CU_ASSERT_EQUAL(stats_of(w->hosts[1]).denied_subscriptions, 2);
    CU_ASSERT_EQUAL(notices_of(w->hosts[1], WEFT_NOTICE_SUBSCRIBE_REFUSED), 2);
    CU_ASSERT_EQUAL(weft_bridge_wait_ready(w->hosts[1]->bridge, 0), WEFT_REFUSED);
    CU_ASSERT_EQUAL(weft_bridge_wait_ready(w->hosts[0]->bridge, 0), WEFT_OK);
    world_destroy(w);
}

static void a_denied_subscription_is_tried_again_and_told_once(void)
{
    world *w = world_create();
    fake_broker_deny_subscribe(w->broker, "weft/v1/dev/evt/cost/+");
    fake_broker_deny_subscribe(w->broker, "weft/v1/dev/reply/b/+/+");
    w->hosts[1] = driven_start(w, "b", WEFT_TOPIC_COST);
    run_ms(w, 100000);
    CU_ASSERT_EQUAL(notices_of(w->hosts[1], WEFT_NOTICE_SUBSCRIBE_REFUSED), 2);
    CU_ASSERT_EQUAL(fake_broker_cut(w->broker, "b"), 1);
    run_ms(w, 5000);
    CU_ASSERT_EQUAL(stats_of(w->hosts[1]).connects, 2);
    CU_ASSERT_EQUAL(notices_of(w->hosts[1], WEFT_NOTICE_SUBSCRIBE_REFUSED), 2);
    fake_broker_deny_subscribe(w->broker, NULL);
    run_ms(w, 40000);
    CU_ASSERT_TRUE(fake_broker_subscribed(w->broker, "b", "weft/v1/dev/evt/cost/+"));
    CU_ASSERT_TRUE(fake_broker_subscribed(w->broker, "b", "weft/v1/dev/reply/b/+/+"));
    CU_ASSERT_EQUAL(stats_of(w->hosts[1]).denied_subscriptions, 0);
    CU_ASSERT_EQUAL(weft_bridge_wait_ready(w->hosts[1]->bridge, 0), WEFT_OK);
    CU_ASSERT_EQUAL(stats_of(w->hosts[1]).connects, 2);
    world_destroy(w);
}

static void a_topic_denied_later_does_not_cost_the_connection(void)
{
    world *w = world_create();
    fake_broker_deny_subscribe(w->broker, "weft/v1/dev/evt/cost/+");
    w->hosts[1] = driven_start(w, "b", 0);
    run_ms(w, 1000);
    CU_ASSERT_EQUAL(weft_bridge_wait_ready(w->hosts[1]->bridge, 0), WEFT_OK);
    host_listen(w->hosts[1], WEFT_TOPIC_COST);
    run_ms(w, 1000);
    CU_ASSERT_EQUAL(weft_bridge_wait_ready(w->hosts[1]->bridge, 0), WEFT_REFUSED);
    CU_ASSERT_EQUAL(stats_of(w->hosts[1]).connects, 1);
    world_destroy(w);
}

static void denied_publishes_are_counted_by_topic_and_go_out_when_allowed(void)
{
    world *w = world_create();
    w->hosts[0] = driven_start(w, "a", 0);
    w->hosts[1] = driven_start(w, "b", WEFT_TOPIC_COST);
    run_ms(w, 1000);
    fake_broker_deny(w->broker, "weft/v1/dev/evt/cost/+");
    publish_range(w->hosts[0], 1, 3);
    run_ms(w, 35000);
    unsigned cost = weft_topic_number(WEFT_TOPIC_COST);
    weft_bridge_stats stats = stats_of(w->hosts[0]);
    CU_ASSERT_TRUE(stats.denied_by_topic[cost] >= 3);
    CU_ASSERT_EQUAL(stats.denied_publishes, stats.denied_by_topic[cost]);
    CU_ASSERT_EQUAL(stats.denied_topics, WEFT_TOPIC_COST);
    CU_ASSERT_EQUAL(notices_of(w->hosts[0], WEFT_NOTICE_PUBLISH_REFUSED), 1);
    fake_broker_deny(w->broker, NULL);
    run_ms(w, 20000);
    CU_ASSERT_TRUE(has_each_once(w->hosts[1], 1, 3));
    CU_ASSERT_EQUAL(stats_of(w->hosts[0]).denied_topics, 0);
    fake_broker_deny(w->broker, "weft/v1/dev/evt/cost/+");
    publish_range(w->hosts[0], 4, 4);
    run_ms(w, 1000);
    CU_ASSERT_EQUAL(notices_of(w->hosts[0], WEFT_NOTICE_PUBLISH_REFUSED), 2);
    world_destroy(w);
}

static void what_is_beside_the_events_is_told_by_its_tree(void)
{
    world *w = world_create();
    fake_broker_deny(w->broker, "weft/v1/dev/live/+");
    fake_broker_deny(w->broker, "weft/v1/dev/state/+");
    w->hosts[0] = driven_start(w, "a", 0);
    run_ms(w, 5000);
    CU_ASSERT_TRUE(stats_of(w->hosts[0]).connected);
    CU_ASSERT_TRUE(stats_of(w->hosts[0]).denied_by_topic[0] >= 2);
    CU_ASSERT_EQUAL(stats_of(w->hosts[0]).denied_topics, 0);
    CU_ASSERT_EQUAL(notices_of(w->hosts[0], WEFT_NOTICE_PUBLISH_REFUSED), 2);
    world_destroy(w);
}

static void an_event_that_the_broker_finds_too_large_is_lost_and_said(void)
{
    world *w = world_create();
    w->hosts[1] = driven_start(w, "b", WEFT_TOPIC_COST);
    run_ms(w, 1000);
    w->hosts[0] = driven_start(w, "a", 0);
    run_ms(w, 1000);
    fake_broker_add_fault(w->broker, &(fake_fault){.action = FAKE_TOO_LARGE, .filter = "weft/v1/dev/evt/#"});
    CU_ASSERT_EQUAL(publish(w->hosts[0], UINT64_C(1) << 60), WEFT_OK); /* some bytes longer than the next */
    run_ms(w, 5000);
    CU_ASSERT_EQUAL(stats_of(w->hosts[0]).lost_events, 1);
    CU_ASSERT_EQUAL(stats_of(w->hosts[0]).acked_events, 0);
    CU_ASSERT_EQUAL(stats_of(w->hosts[0]).pending_events, 0);
    CU_ASSERT_EQUAL(notices_of(w->hosts[0], WEFT_NOTICE_LOST), 1);
    publish_range(w->hosts[0], 2, 2);
    run_ms(w, 5000);
    CU_ASSERT_TRUE(has_each_once(w->hosts[1], 2, 2));
    CU_ASSERT_EQUAL(w->hosts[1]->lost_reports, 1);
    CU_ASSERT_EQUAL(w->hosts[1]->lost.reason, WEFT_LOST_TOO_LARGE);
    CU_ASSERT_EQUAL(stats_of(w->hosts[0]).connects, 1);
    world_destroy(w);
}

/* Attempts are seen as the time until the broker, once it allows them, is joined. */
static void a_refusal_is_told_once_and_tried_more_slowly_than_an_absence(void)
{
    world *w = world_create();
    fake_broker_refuse(w->broker, WEFT_REFUSED);
    w->hosts[0] = driven_start(w, "a", 0);
    run_ms(w, 200000);
    CU_ASSERT_EQUAL(notices_of(w->hosts[0], WEFT_NOTICE_CONNECT_FAILED), 1);
    CU_ASSERT_EQUAL(weft_bridge_wait_ready(w->hosts[0]->bridge, 0), WEFT_REFUSED);
    CU_ASSERT_TRUE(w->hosts[0]->bridge->wire.attempts >= 4 && w->hosts[0]->bridge->wire.attempts <= 9);
    fake_broker_refuse(w->broker, WEFT_UNREACHABLE);
    run_ms(w, 130000);
    CU_ASSERT_EQUAL(notices_of(w->hosts[0], WEFT_NOTICE_CONNECT_FAILED), 2);
    fake_broker_refuse(w->broker, WEFT_OK);
    run_ms(w, 130000);
    CU_ASSERT_EQUAL(notices_of(w->hosts[0], WEFT_NOTICE_CONNECTED), 1);
    CU_ASSERT_EQUAL(weft_bridge_wait_ready(w->hosts[0]->bridge, 0), WEFT_OK);
    world_destroy(w);
}

SUITE(bridge_denials, CASE(a_denied_subscription_leaves_the_rest_of_the_node_online),
      CASE(a_denied_subscription_is_tried_again_and_told_once), CASE(a_topic_denied_later_does_not_cost_the_connection),
      CASE(denied_publishes_are_counted_by_topic_and_go_out_when_allowed),
      CASE(what_is_beside_the_events_is_told_by_its_tree),
      CASE(an_event_that_the_broker_finds_too_large_is_lost_and_said),
      CASE(a_refusal_is_told_once_and_tried_more_slowly_than_an_absence))

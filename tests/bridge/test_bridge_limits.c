/* Whole bridges at their bounds: what a broker denies or cannot take, slow handlers, full journals, ends. */
#include "bridge/bridge_rig.h"
#include "support/gate.h"

static void what_is_denied_beside_the_events_does_not_hold_them_up(void)
{
    fake_broker *broker = fake_broker_create(FAKE_THREADED);
    fake_broker_deny(broker, "weft/v1/dev/cmd/#");
    fake_broker_set_limits(broker, 4, UINT32_MAX);
    host *b = host_start(broker, "b", WEFT_TOPIC_COST);
    host *a = host_start(broker, "a", 0);
    for (int i = 0; i < 20; i++)
        weft__bridge_send(a->bridge, "weft/v1/dev/cmd/b/replay/a", calloc(1, 1), 1, 1, false);
    for (uint64_t value = 1; value <= 50; value++) {
        publish_range(a, value, value);
        CU_ASSERT_EQUAL_FATAL(weft_bridge_drain(a->bridge, READY_MS), WEFT_OK);
    }
    CU_ASSERT_TRUE(host_gets(b, 50));
    CU_ASSERT_EQUAL(notices_of(a, WEFT_NOTICE_PUBLISH_REFUSED), 1);
    host_destroy(a);
    host_destroy(b);
    fake_broker_destroy(broker);
}

static void a_denied_topic_leaves_the_others_flowing(void)
{
    fake_broker *broker = fake_broker_create(FAKE_THREADED);
    host *b = host_start(broker, "b", WEFT_TOPIC_COST);
    host *a = host_start(broker, "a", 0);
    fake_broker_deny(broker, "weft/v1/dev/evt/custom/+");
    weft_event event = {.type = WEFT_CUSTOM, .custom = {.event_type = "denied", .data_json = "1"}};
    for (uint64_t value = 1; value <= 50; value++) {
        CU_ASSERT_EQUAL(weft_publish(a->bus, &event), WEFT_OK);
        publish_range(a, value, value);
        b->wanted = value;
        CU_ASSERT_TRUE_FATAL(suite_wait(has_wanted, b, READY_MS));
    }
    CU_ASSERT_EQUAL(weft_bridge_drain(a->bridge, 100), WEFT_TIMEOUT);
    host_destroy(a);
    host_destroy(b);
    fake_broker_destroy(broker);
}

/* With the longest names the topic alone is longer than what is set aside for it on the short ones. */
static void an_event_just_over_the_limit_does_not_stop_the_rest(void)
{
    enum { LIMIT = 8192 };
    char name[WEFT_NAME_MAX_BYTES + 1] = {0};
    memset(name, 'n', WEFT_NAME_MAX_BYTES);
    fake_broker *broker = fake_broker_create(FAKE_THREADED);
    fake_broker_set_limits(broker, 20, LIMIT);
    host *a = host_start(broker, name, 0);
    char json[LIMIT + 1];
    for (size_t length = LIMIT - 700; length < LIMIT; length += 16) {
        memset(json, 'x', length);
        json[0] = json[length - 1] = '"';
        json[length] = '\0';
        weft_event event = {.type = WEFT_CUSTOM, .custom = {.event_type = "big", .data_json = json}};
        CU_ASSERT_EQUAL(weft_publish(a->bus, &event), WEFT_OK);
    }
    publish_range(a, 1, 1);
    CU_ASSERT_EQUAL(weft_bridge_drain(a->bridge, READY_MS), WEFT_OK);
    weft_bridge_stats stats;
    weft_bridge_get_stats(a->bridge, &stats);
    CU_ASSERT_TRUE(stats.lost_events > 0);
    CU_ASSERT_EQUAL(stats.pending_events, 0);
    host_destroy(a);
    fake_broker_destroy(broker);
}

/* ---- the journal's bound, and ends ---- */

static bool has_given_up(void *user)
{
    weft_bridge_stats stats;
    weft_bridge_get_stats(((host *)user)->bridge, &stats);
    return stats.lost_events > 0;
}

static void a_journal_at_its_bound_gives_up_at_once_and_says_how_many(void)
{
    fake_broker *broker = fake_broker_create(FAKE_THREADED);
    host *a = host_create(broker, "a");
    CU_ASSERT_EQUAL_FATAL(host_open(a, &(weft_bridge_opts){.journal_max_bytes = 64 << 10}), WEFT_OK);
    CU_ASSERT_EQUAL_FATAL(weft_bridge_wait_ready(a->bridge, READY_MS), WEFT_OK);
    fake_broker_stop(broker);
    publish_range(a, 1, 5000);
    CU_ASSERT_EQUAL(weft_bridge_flush(a->bridge, READY_MS), WEFT_OK);
    CU_ASSERT_TRUE(suite_wait(has_given_up, a, 5000));
    CU_ASSERT_TRUE(notices_of(a, WEFT_NOTICE_LOST) < 100);
    fake_broker_start(broker);
    CU_ASSERT_EQUAL(weft_bridge_drain(a->bridge, DEADLINE_MS), WEFT_OK);
    weft_bridge_stats stats;
    weft_bridge_get_stats(a->bridge, &stats);
    CU_ASSERT_EQUAL(stats.acked_events + stats.lost_events, 5000);
    CU_ASSERT_EQUAL(stats.pending_events, 0);
    host_destroy(a);
    fake_broker_destroy(broker);
}

static void stop_tells_of_a_backlog_that_an_earlier_life_left(void)
{
    char dir[64];
    journal_dir_make(dir);
    fake_broker *broker = fake_broker_create(FAKE_THREADED);
    host *a = host_create(broker, "a");
    snprintf(a->journal, sizeof a->journal, "%s/journal.db", dir);
    fake_broker_stop(broker);
    CU_ASSERT_EQUAL_FATAL(host_open(a, NULL), WEFT_OK);
    publish_range(a, 1, 10);
    CU_ASSERT_EQUAL(weft_bridge_stop(a->bridge, 50), WEFT_TIMEOUT);
    weft_bridge_destroy(a->bridge);
    CU_ASSERT_EQUAL_FATAL(host_open(a, NULL), WEFT_OK);
    CU_ASSERT_EQUAL(weft_bridge_stop(a->bridge, 50), WEFT_TIMEOUT);
    weft_bridge_destroy(a->bridge);
    fake_broker_start(broker);
    CU_ASSERT_EQUAL_FATAL(host_open(a, NULL), WEFT_OK);
    CU_ASSERT_EQUAL(weft_bridge_drain(a->bridge, DEADLINE_MS), WEFT_OK);
    CU_ASSERT_EQUAL(fake_broker_count(broker, "weft/v1/dev/evt/cost/a"), 1);
    host_destroy(a);
    fake_broker_destroy(broker);
    journal_dir_remove(dir);
}

static void a_stopped_bridge_accepts_nothing(void)
{
    fake_broker *broker = fake_broker_create(FAKE_THREADED);
    host *a = host_start(broker, "a", 0);
    CU_ASSERT_EQUAL(weft_bridge_stop(a->bridge, READY_MS), WEFT_OK);
    weft_event event = {.type = WEFT_CONFIG_RELOADED};
    const weft_event *events[] = {&event};
    weft_bridge_stats stats;
    CU_ASSERT_EQUAL(weft_bridge_publish_group(a->bridge, events, 1, NULL, NULL, NULL), WEFT_STOPPED);
    weft_bridge_get_stats(a->bridge, &stats);
    CU_ASSERT_EQUAL(stats.published, stats.written);
    host_destroy(a);
    fake_broker_destroy(broker);
}

/* ---- handlers ---- */

static weft_status on_event_slowly(const weft_event *event, void *user)
{
    gate *g = user;
    (void)event;
    return gate_pass(g) ? WEFT_OK : WEFT_TIMEOUT;
}

static void *gate_open_soon(void *user)
{
    (void)gate_await(user, 1);
    gate_open(user);
    return NULL;
}

/* One handler runs when the bridge ends; the hundreds of events behind it are not waited for. */
static void destroy_waits_for_the_running_handler_only(void)
{
    fake_broker *broker = fake_broker_create(FAKE_THREADED);
    host *b = host_create(broker, "b");
    gate g = GATE_CLOSED;
    weft_subscription s;
    weft_filter filter = {.topics = WEFT_TOPIC_COST, .origin = WEFT_ORIGIN_REMOTE};
    CU_ASSERT_EQUAL_FATAL(weft_subscribe(b->bus, &filter, on_event_slowly, &g, &s), WEFT_OK);
    CU_ASSERT_EQUAL_FATAL(host_open(b, NULL), WEFT_OK);
    CU_ASSERT_EQUAL_FATAL(weft_bridge_wait_ready(b->bridge, READY_MS), WEFT_OK);
    host *a = host_start(broker, "a", 0);
    publish_range(a, 1, 300);
    CU_ASSERT_EQUAL(weft_bridge_drain(a->bridge, READY_MS), WEFT_OK);
    CU_ASSERT_TRUE(gate_await(&g, 1));
    atomic_store(&b->bridge->deliver_dropping, true); /* as destroy does, before the gate can open */
    pthread_t opener;
    CU_ASSERT_EQUAL_FATAL(pthread_create(&opener, NULL, gate_open_soon, &g), 0);
    host_destroy(b);
    pthread_join(opener, NULL);
    CU_ASSERT_EQUAL(g.arrived, 1);
    host_destroy(a);
    fake_broker_destroy(broker);
}

/* Its own handler is stuck, with more waiting than the queue to it holds; that is nobody else's trouble. */
static void a_node_whose_handlers_are_stuck_still_heals_others(void)
{
    enum { STUCK = 70000 };
    fake_broker *broker = fake_broker_create(FAKE_THREADED);
    gate g = GATE_CLOSED;
    host *b = host_start(broker, "b", WEFT_TOPIC_COST);
    host *a = host_create(broker, "a");
    weft_subscription s;
    weft_filter filter = {.topics = WEFT_TOPIC_COST, .origin = WEFT_ORIGIN_REMOTE};
    CU_ASSERT_EQUAL_FATAL(weft_subscribe(a->bus, &filter, on_event_slowly, &g, &s), WEFT_OK);
    CU_ASSERT_EQUAL_FATAL(host_open(a, NULL), WEFT_OK);
    CU_ASSERT_EQUAL_FATAL(weft_bridge_wait_ready(a->bridge, READY_MS), WEFT_OK);
    publish_range(b, 1, STUCK);
    CU_ASSERT_EQUAL(weft_bridge_drain(b->bridge, DEADLINE_MS), WEFT_OK);
    CU_ASSERT_TRUE(gate_await(&g, 1));
    fake_broker_add_fault(broker,
                          &(fake_fault){.action = FAKE_DROP, .filter = "weft/v1/dev/evt/cost/a", .client = "b"});
    publish_range(a, 1, 1);
    CU_ASSERT_EQUAL(weft_bridge_drain(a->bridge, READY_MS), WEFT_OK);
    publish_range(a, 2, 2);
    b->wanted = 2;
    CU_ASSERT_TRUE(suite_wait(has_wanted, b, 15000));
    CU_ASSERT_TRUE(has_each_once(b, 1, 2));
    CU_ASSERT_FALSE(b->replayed[0]);
    gate_open(&g);
    host_destroy(b);
    host_destroy(a);
    fake_broker_destroy(broker);
}

static bool has_tapped(void *broker)
{
    return fake_broker_count(broker, "weft/v1/dev/json/#") > 0;
}

/* What the tap has gathered while the broker was away must not push out questions, answers and state. */
static void a_full_tap_leaves_room_for_healing(void)
{
    fake_broker *broker = fake_broker_create(FAKE_THREADED);
    host *a = host_create(broker, "a");
    CU_ASSERT_EQUAL_FATAL(host_open(a, &(weft_bridge_opts){.json_tap = true}), WEFT_OK);
    CU_ASSERT_EQUAL_FATAL(weft_bridge_wait_ready(a->bridge, READY_MS), WEFT_OK);
    fake_broker_stop(broker);
    publish_range(a, 1, 20000);
    CU_ASSERT_EQUAL(weft_bridge_flush(a->bridge, DEADLINE_MS), WEFT_OK);
    CU_ASSERT_TRUE(weft__queue_count(&a->bridge->control) < 100);
    CU_ASSERT_TRUE(atomic_load(&a->bridge->control_dropped) > 0);
    fake_broker_start(broker);
    CU_ASSERT_EQUAL(weft_bridge_drain(a->bridge, DEADLINE_MS), WEFT_OK);
    CU_ASSERT_TRUE(suite_wait(has_tapped, broker, DEADLINE_MS));
    host_destroy(a);
    fake_broker_destroy(broker);
}

SUITE(bridge_limits, CASE(destroy_waits_for_the_running_handler_only),
      CASE(a_node_whose_handlers_are_stuck_still_heals_others), CASE(a_full_tap_leaves_room_for_healing),
      CASE(a_journal_at_its_bound_gives_up_at_once_and_says_how_many),
      CASE(stop_tells_of_a_backlog_that_an_earlier_life_left), CASE(a_stopped_bridge_accepts_nothing),
      CASE(what_is_denied_beside_the_events_does_not_hold_them_up), CASE(a_denied_topic_leaves_the_others_flowing),
      CASE(an_event_just_over_the_limit_does_not_stop_the_rest))

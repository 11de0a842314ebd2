/* What is slow degrades only what depends on it: a disk, a handler, a peer, a broker. */
#include "driven_rig.h"

enum { A, B, C };

static void world_open(world *w, const weft_bridge_opts *opts_of_a)
{
    *w = (world){.broker = fake_broker_create(FAKE_PUMPED)};
    fake_clock_init(&w->clock, 1000000);
    w->hosts[A] = driven_start_with(w, "a", WEFT_TOPIC_COST, opts_of_a);
    w->hosts[B] = driven_start(w, "b", WEFT_TOPIC_COST | WEFT_TOPIC_TOOL);
    w->hosts[C] = driven_start(w, "c", WEFT_TOPIC_COST);
    turns_give(w, 50);
}

static void world_close(world *w)
{
    for (size_t i = 0; i < sizeof w->hosts / sizeof *w->hosts; i++)
        host_destroy(w->hosts[i]);
    fake_broker_destroy(w->broker);
}

static weft_status publish_tool(host *h)
{
    weft_event event = {.type = WEFT_TOOL_CALL_START, .session_id = "s1", .tool_call_start = {.tool_name = "t"}};
    return weft_publish(h->bus, &event);
}

/* Handlers of a host without its journal's turns: as behind a disk that hangs. */
static const unsigned slow_disk = 1u << WEFT__AGENT_JOURNAL | 1u << WEFT__AGENT_SYNC | 1u << WEFT__AGENT_CHECKPOINT;
static const unsigned slow_handler = 1u << WEFT__AGENT_DELIVER;

static weft_status count_local(const weft_event *event, void *user)
{
    (void)event;
    ++*(size_t *)user;
    return WEFT_OK;
}

static void a_slow_disk_holds_up_only_what_is_published_there(void)
{
    world w;
    size_t local = 0;
    weft_subscription s;
    world_open(&w, NULL);
    weft_filter filter = {.origin = WEFT_ORIGIN_LOCAL};
    CU_ASSERT_EQUAL(weft_subscribe(w.hosts[A]->bus, &filter, count_local, &local, &s), WEFT_OK);
    w.held[A] = slow_disk;
    publish_range(w.hosts[A], 1, 100);
    publish_range(w.hosts[B], 1, 100);
    turns_give(&w, 50);
    CU_ASSERT_EQUAL(local, 100);                  /* handlers of its process */
    CU_ASSERT(has_each_once(w.hosts[A], 1, 100)); /* what others say */
    CU_ASSERT(has_each_once(w.hosts[C], 1, 100)); /* between others */
    w.held[A] = 0;
    turns_give(&w, 50);
    CU_ASSERT(has_each_once(w.hosts[B], 1, 100));
    CU_ASSERT_EQUAL(w.hosts[C]->count, 200);
    world_close(&w);
}

static void at_the_bound_publishes_are_refused_and_nothing_is_lost(void)
{
    world w;
    uint64_t accepted = 0;
    world_open(&w, &(weft_bridge_opts){.intake_max_bytes = 100000});
    w.held[A] = slow_disk;
    while (accepted < 100000 && publish(w.hosts[A], accepted + 1) == WEFT_OK)
        accepted++;
    CU_ASSERT(accepted > 50 && accepted < 100000);
    CU_ASSERT_EQUAL(publish(w.hosts[A], 0), WEFT_FULL);
    w.held[A] = 0;
    turns_give(&w, 50);
    CU_ASSERT_EQUAL(publish(w.hosts[A], ++accepted), WEFT_OK);
    turns_give(&w, 50);
    CU_ASSERT(has_each_once(w.hosts[B], 1, accepted));
    world_close(&w);
}

static void dropped_events_are_reported_lost_with_their_number(void)
{
    static const weft_backpressure policies[] = {{.topics = WEFT_TOPIC_TOOL, .when_full = WEFT_WHEN_FULL_DROP_OLDEST}};
    world w;
    weft_bridge_stats stats;
    world_open(&w, &(weft_bridge_opts){.intake_max_bytes = 100000, .backpressure = policies, .backpressure_count = 1});
    CU_ASSERT_EQUAL(publish_tool(w.hosts[A]), WEFT_OK); /* so that the stream is known */
    turns_give(&w, 50);
    CU_ASSERT_EQUAL(w.hosts[B]->count, 1);
    w.held[A] = slow_disk;
    publish_range(w.hosts[A], 1, 20); /* cost: stays, whatever comes after it */
    for (int i = 0; i < 1000; i++)
        CU_ASSERT_EQUAL_FATAL(publish_tool(w.hosts[A]), WEFT_OK);
    w.held[A] = 0;
    turns_give(&w, 100);
    weft_bridge_get_stats(w.hosts[A]->bridge, &stats);
    CU_ASSERT(stats.dropped_full > 100);
    CU_ASSERT_EQUAL(stats.published, 1021);
    CU_ASSERT_EQUAL(stats.lost_events, stats.dropped_full);
    CU_ASSERT_EQUAL(stats.pending_events, 0);
    CU_ASSERT_EQUAL(stats.refused_full, 0);
    CU_ASSERT_EQUAL(w.hosts[C]->count, 20);
    CU_ASSERT_EQUAL(w.hosts[B]->count, 1021 - stats.dropped_full);
    CU_ASSERT_EQUAL(w.hosts[B]->lost_reports, 1);
    CU_ASSERT_EQUAL(w.hosts[B]->lost.count, stats.dropped_full);
    CU_ASSERT_EQUAL(w.hosts[B]->lost.reason, WEFT_LOST_OVERFLOW);
    CU_ASSERT_EQUAL(w.hosts[B]->lost.topic, WEFT_TOPIC_TOOL);
    CU_ASSERT_EQUAL(notices_of(w.hosts[A], WEFT_NOTICE_LOST), 1);
    weft_bridge_get_stats(w.hosts[B]->bridge, &stats);
    CU_ASSERT_EQUAL(stats.open_gaps, 0);
    world_close(&w);
}

/* Nothing of the stream comes after them that could tell of it: the account does. */
static void dropped_events_at_the_end_of_a_stream_are_in_the_account(void)
{
    static const weft_backpressure policies[] = {
        {.topics = WEFT_TOPIC_TOOL | WEFT_TOPIC_COST, .when_full = WEFT_WHEN_FULL_DROP_OLDEST}};
    world w;
    weft_account *account;
    world_open(&w, &(weft_bridge_opts){.intake_max_bytes = 20000, .backpressure = policies, .backpressure_count = 1});
    CU_ASSERT_EQUAL(publish_tool(w.hosts[A]), WEFT_OK);
    turns_give(&w, 50);
    w.held[A] = slow_disk;
    for (int i = 0; i < 5; i++)
        CU_ASSERT_EQUAL(publish_tool(w.hosts[A]), WEFT_OK);
    publish_range(w.hosts[A], 1, 500); /* they push all five out, and some of their own */
    w.held[A] = 0;
    turns_give(&w, 50);
    CU_ASSERT_EQUAL_FATAL(weft_bridge_account(w.hosts[A]->bridge, &account), WEFT_OK);
    size_t seen = 0;
    for (size_t i = 0; i < account->stream_count; i++) {
        const weft_stream_account *row = &account->streams[i];
        if (!row->own)
            continue;
        seen++;
        CU_ASSERT_EQUAL(row->published, row->topic == WEFT_TOPIC_TOOL ? 6 : 500);
        CU_ASSERT_EQUAL(row->unwritten, row->topic == WEFT_TOPIC_TOOL ? 5 : 0);
        CU_ASSERT_EQUAL(row->published, row->written + row->unwritten);
    }
    CU_ASSERT_EQUAL(seen, 2);
    weft_account_free(account);
    world_close(&w);
}

static void a_slow_handler_holds_up_only_its_host(void)
{
    world w;
    world_open(&w, NULL);
    w.held[B] = slow_handler;
    publish_range(w.hosts[A], 1, 300);
    publish_range(w.hosts[B], 1001, 1100);
    turns_give(&w, 60);
    CU_ASSERT_EQUAL(w.hosts[B]->count, 0);
    CU_ASSERT(has_each_once(w.hosts[A], 1001, 1100)); /* the host of the slow handler sends */
    CU_ASSERT_EQUAL(w.hosts[C]->count, 400);          /* another peer gets all */
    w.held[B] = 0;
    turns_give(&w, 60);
    CU_ASSERT(has_each_once(w.hosts[B], 1, 300));
    world_close(&w);
}

static void a_peer_that_misses_everything_holds_up_nobody(void)
{
    world w;
    world_open(&w, NULL);
    fake_fault fault = {.action = FAKE_DROP, .filter = "weft/v1/dev/evt/#", .client = "weft:dev:b", .count = 1000000};
    fake_broker_add_fault(w.broker, &fault);
    for (uint64_t n = 1; n <= 300; n++) {
        CU_ASSERT_EQUAL(publish(w.hosts[A], n), WEFT_OK);
        turns_give(&w, 1);
    }
    turns_give(&w, 60);
    CU_ASSERT(has_each_once(w.hosts[C], 1, 300));
    weft_bridge_stats stats;
    weft_bridge_get_stats(w.hosts[A]->bridge, &stats);
    CU_ASSERT_EQUAL(stats.pending_events, 0);
    world_close(&w);
}

static void a_frozen_broker_holds_up_no_local_handler(void)
{
    world w;
    size_t local = 0;
    weft_subscription s;
    weft_bridge_stats stats;
    world_open(&w, NULL);
    weft_filter filter = {.origin = WEFT_ORIGIN_LOCAL};
    CU_ASSERT_EQUAL(weft_subscribe(w.hosts[A]->bus, &filter, count_local, &local, &s), WEFT_OK);
    fake_broker_freeze(w.broker);
    publish_range(w.hosts[A], 1, 300);
    turns_give(&w, 50);
    weft_bridge_get_stats(w.hosts[A]->bridge, &stats);
    CU_ASSERT_EQUAL(local, 300);
    CU_ASSERT_EQUAL(stats.written, 300);
    CU_ASSERT_EQUAL(stats.pending_events, 300);
    fake_broker_thaw(w.broker);
    turns_give(&w, 200);
    CU_ASSERT(has_each_once(w.hosts[C], 1, 300));
    world_close(&w);
}

SUITE(bridge_backpressure, CASE(a_slow_disk_holds_up_only_what_is_published_there),
      CASE(at_the_bound_publishes_are_refused_and_nothing_is_lost),
      CASE(dropped_events_are_reported_lost_with_their_number),
      CASE(dropped_events_at_the_end_of_a_stream_are_in_the_account), CASE(a_slow_handler_holds_up_only_its_host),
      CASE(a_peer_that_misses_everything_holds_up_nobody), CASE(a_frozen_broker_holds_up_no_local_handler))

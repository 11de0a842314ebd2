/* What is older than a listener: when it is not told of it, and when it asks for it. */
#include "bridge/bridge_rig.h"

static weft__live *birth_of(fake_broker *broker, const char *topic)
{
    size_t length = 0;
    weft__live *live = NULL;
    uint8_t *bytes = fake_broker_retained(broker, topic, &length);
    if (bytes != NULL && (weft__live_decode(bytes, length, &live, NULL) != WEFT_OK || live->born_ms == 0)) {
        free(live);
        live = NULL;
    }
    free(bytes);
    return live;
}

static bool is_born(void *broker)
{
    weft__live *live = birth_of(broker, "weft/v1/dev/live/a");
    bool born = live != NULL && live->status == WEFT__LIVE_BIRTH;
    free(live);
    return born;
}

static void a_birth_told_again_says_when_it_was_told_first(void)
{
    fake_broker *broker = fake_broker_create(FAKE_THREADED);
    host *a = host_start(broker, "a", 0);
    weft__live *first = birth_of(broker, "weft/v1/dev/live/a");
    CU_ASSERT_PTR_NOT_NULL_FATAL(first);
    CU_ASSERT_EQUAL(first->born_ms, first->timestamp_ms);
    fake_broker_stop(broker);
    fake_broker_forget(broker);
    fake_broker_start(broker);
    CU_ASSERT_TRUE_FATAL(suite_wait(is_born, broker, DEADLINE_MS));
    weft__live *again = birth_of(broker, "weft/v1/dev/live/a");
    CU_ASSERT_PTR_NOT_NULL_FATAL(again);
    CU_ASSERT_EQUAL(again->epoch, first->epoch);
    CU_ASSERT(again->born_ms >= first->born_ms - 1); /* by two clocks, each in whole ms */
    CU_ASSERT_TRUE(again->timestamp_ms > again->born_ms);
    free(first);
    free(again);
    host_destroy(a);
    fake_broker_destroy(broker);
}

static host *late_host(fake_broker *broker, const char *name, int64_t since_ms)
{
    host *h = host_create(broker, name);
    host_listen(h, WEFT_TOPIC_COST);
    CU_ASSERT_EQUAL_FATAL(host_open(h, &(weft_bridge_opts){.since_ms = since_ms}), WEFT_OK);
    CU_ASSERT_EQUAL_FATAL(weft_bridge_wait_ready(h->bridge, READY_MS), WEFT_OK);
    return h;
}

static void who_comes_late_gets_the_past_before_the_present(void)
{
    fake_broker *broker = fake_broker_create(FAKE_THREADED);
    host *a = host_start(broker, "a", 0);
    publish_range(a, 1, 3000);
    CU_ASSERT_EQUAL(weft_bridge_drain(a->bridge, READY_MS), WEFT_OK);
    host *b = late_host(broker, "b", 1);
    publish_range(a, 3001, 3100);
    CU_ASSERT_TRUE(host_gets(b, 3100));
    bool in_order = true;
    for (size_t i = 0; i < b->count; i++)
        in_order = in_order && b->values[i] == i + 1;
    CU_ASSERT_TRUE(in_order);
    CU_ASSERT_TRUE(b->replayed[0]);
    CU_ASSERT_EQUAL(b->lost_reports, 0);
    host_destroy(a);
    host_destroy(b);
    fake_broker_destroy(broker);
}

static void several_nodes_are_healed_at_once_also_if_answers_are_lost(void)
{
    fake_broker *broker = fake_broker_create(FAKE_THREADED);
    host *b = host_start(broker, "b", WEFT_TOPIC_COST);
    host *others[] = {host_start(broker, "a", 0), host_start(broker, "c", 0), host_start(broker, "d", 0)};
    static const char *const topics[] = {"weft/v1/dev/evt/cost/a", "weft/v1/dev/evt/cost/c", "weft/v1/dev/evt/cost/d"};
    for (int i = 0; i < 3; i++)
        fake_broker_add_fault(broker, &(fake_fault){.action = FAKE_DROP, .filter = topics[i], .skip = 1, .count = 3});
    fake_broker_add_fault(
        broker, &(fake_fault){.action = FAKE_DROP, .filter = "weft/v1/dev/reply/b/#", .client = "b", .count = 4});
    for (uint64_t value = 1; value <= 20; value++)
        for (uint64_t i = 0; i < 3; i++) {
            publish_range(others[i], i * 20 + value, i * 20 + value);
            CU_ASSERT_EQUAL_FATAL(weft_bridge_drain(others[i]->bridge, READY_MS), WEFT_OK);
        }
    CU_ASSERT_TRUE(host_gets(b, 60));
    bool seen[61] = {false};
    for (size_t i = 0; i < b->count; i++)
        seen[b->values[i]] = true;
    CU_ASSERT_EQUAL(b->count, 60);
    for (int value = 1; value <= 60; value++)
        CU_ASSERT_TRUE(seen[value]);
    CU_ASSERT_EQUAL(b->lost_reports, 0);
    for (int i = 0; i < 3; i++)
        host_destroy(others[i]);
    host_destroy(b);
    fake_broker_destroy(broker);
}

SUITE(bridge_bridge_past, CASE(who_comes_late_gets_the_past_before_the_present),
      CASE(several_nodes_are_healed_at_once_also_if_answers_are_lost),
      CASE(a_birth_told_again_says_when_it_was_told_first))

/* tests/bridge/test_driven.c: bridges without threads, given their turns one by one. */
#include "driven_rig.h"

static void carries_events_without_a_thread(void)
{
    world w = {.broker = fake_broker_create(FAKE_PUMPED)};
    fake_clock_init(&w.clock, 1000000);
    w.hosts[0] = driven_start(&w, "a", 0);
    w.hosts[1] = driven_start(&w, "b", WEFT_TOPIC_COST);
    turns_give(&w, 50);
    publish_range(w.hosts[0], 1, 100);
    turns_give(&w, 50);
    CU_ASSERT(has_each_once(w.hosts[1], 1, 100));
    CU_ASSERT(w.steps[WEFT__STEP_APPENDED] > 0);
    CU_ASSERT(w.steps[WEFT__STEP_SYNCED] > 0);
    CU_ASSERT(w.steps[WEFT__STEP_SENT] > 0);
    CU_ASSERT(w.steps[WEFT__STEP_ACKNOWLEDGED] > 0);
    CU_ASSERT_EQUAL(weft_bridge_stop(w.hosts[0]->bridge, 1), WEFT_OK);
    (void)fake_broker_pump(w.broker);
    w.hosts[1]->bridge->ticked_ms = 0;
    CU_ASSERT(weft__downlink_turn(w.hosts[1]->bridge) >= 0);
    CU_ASSERT_EQUAL(notices_of(w.hosts[1], WEFT_NOTICE_PEER_DOWN), 1);
    host_destroy(w.hosts[0]);
    host_destroy(w.hosts[1]);
    fake_broker_destroy(w.broker);
}

SUITE(bridge_driven, CASE(carries_events_without_a_thread))

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

static bool state_shows(fake_broker *broker, uint64_t sessions)
{
    size_t length;
    uint8_t *bytes = fake_broker_retained(broker, "weft/v1/dev/state/a", &length);
    weft__state *state = NULL;
    bool shows = bytes != NULL && weft__state_decode(bytes, length, &state, NULL) == WEFT_OK &&
                 state->sessions_started == sessions;
    free(state);
    free(bytes);
    return shows;
}

/* As when the publishing thread stands still between giving an event away and counting it. */
static void what_is_counted_after_its_commit_is_shown_too(void)
{
    world w = {.broker = fake_broker_create(FAKE_PUMPED)};
    fake_clock_init(&w.clock, 1000000);
    w.hosts[0] = driven_start(&w, "a", 0);
    turns_give(&w, 50);
    publish_range(w.hosts[0], 1, 1);
    turns_give(&w, 200);
    CU_ASSERT(state_shows(w.broker, 0));
    weft__node_state_add(w.hosts[0]->bridge->state, &(weft_event){.type = WEFT_SESSION_START, .session_id = "s"});
    turns_give(&w, 200);
    CU_ASSERT(state_shows(w.broker, 1));
    host_destroy(w.hosts[0]);
    fake_broker_destroy(w.broker);
}

SUITE(bridge_driven, CASE(carries_events_without_a_thread), CASE(what_is_counted_after_its_commit_is_shown_too))

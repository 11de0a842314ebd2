/* tests/bridge/test_driven.c: bridges without threads, given their turns one by one. */
#include "bridge_rig.h"

#include "support/fake_clock.h"

typedef struct world {
    fake_clock clock;
    fake_broker *broker;
    host *hosts[2];
    unsigned steps[WEFT__STEP_COUNT];
} world;

static void on_step(void *user, weft__step step)
{
    ((world *)user)->steps[step]++;
}

static host *driven_start(world *w, const char *name, uint32_t topics)
{
    host *h = calloc(1, sizeof *h);
    h->broker = w->broker;
    h->name = name;
    pthread_mutex_init(&h->mutex, NULL);
    weft_dispatcher_opts bus_opts = {.clock = &w->clock.clock};
    CU_ASSERT_EQUAL_FATAL(weft_dispatcher_create(&bus_opts, &h->bus), WEFT_OK);
    if (topics != 0)
        host_listen(h, topics);
    weft_bridge_opts opts = {
        .url = fake_broker_url(w->broker), .fabric = "dev", .node = name, .on_notice = on_notice, .user = h};
    weft__bridge_env env = {.link_ops = &fake_link, .random_seed = 1, .driven = true, .on_step = on_step, .user = w};
    CU_ASSERT_EQUAL_FATAL(weft__bridge_create_in(h->bus, &opts, &env, &h->bridge, NULL), WEFT_OK);
    return h;
}

static void turns_give(world *w, unsigned rounds)
{
    for (unsigned round = 0; round < rounds; round++) {
        for (size_t i = 0; i < sizeof w->hosts / sizeof *w->hosts; i++)
            for (unsigned id = 0; id < WEFT__AGENT_COUNT; id++)
                CU_ASSERT(w->hosts[i]->bridge->agents[id].turn(w->hosts[i]->bridge) >= 0);
        (void)fake_broker_pump(w->broker);
        fake_clock_advance(&w->clock, 10);
    }
}

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

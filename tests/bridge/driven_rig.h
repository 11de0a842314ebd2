/* tests/bridge/driven_rig.h: hosts without threads, given their turns one by one. */
#ifndef WEFT_TESTS_DRIVEN_RIG_H
#define WEFT_TESTS_DRIVEN_RIG_H

#include "bridge_rig.h"

#include "support/fake_clock.h"

typedef struct world {
    fake_clock clock;
    fake_broker *broker;
    host *hosts[3];   /* NULL: none */
    unsigned held[3]; /* of each host, agents that get no turns: a mask */
    const weft__disk *disk;
    unsigned steps[WEFT__STEP_COUNT];
} world;

static inline void on_step(void *user, weft__step step)
{
    ((world *)user)->steps[step]++;
}

/* opts may be NULL; what names the host is filled in. */
static inline host *driven_start_with(world *w, const char *name, uint32_t topics, const weft_bridge_opts *extra)
{
    host *h = calloc(1, sizeof *h);
    h->broker = w->broker;
    h->name = name;
    pthread_mutex_init(&h->mutex, NULL);
    weft_dispatcher_opts bus_opts = {.clock = &w->clock.clock};
    CU_ASSERT_EQUAL_FATAL(weft_dispatcher_create(&bus_opts, &h->bus), WEFT_OK);
    if (topics != 0)
        host_listen(h, topics);
    weft_bridge_opts opts = extra != NULL ? *extra : (weft_bridge_opts){0};
    opts.url = fake_broker_url(w->broker);
    opts.fabric = "dev";
    opts.node = name;
    opts.on_notice = on_notice;
    opts.user = h;
    weft__bridge_env env = {
        .link_ops = &fake_link, .random_seed = 1, .driven = true, .on_step = on_step, .user = w, .disk = w->disk};
    CU_ASSERT_EQUAL_FATAL(weft__bridge_create_in(h->bus, &opts, &env, &h->bridge, NULL), WEFT_OK);
    return h;
}

static inline host *driven_start(world *w, const char *name, uint32_t topics)
{
    return driven_start_with(w, name, topics, NULL);
}

/* Rounds of turns, 10 ms apart, for all agents of all hosts but those that are held. */
static inline void turns_give(world *w, unsigned rounds)
{
    for (unsigned round = 0; round < rounds; round++) {
        for (size_t i = 0; i < sizeof w->hosts / sizeof *w->hosts; i++)
            for (unsigned id = 0; id < WEFT__AGENT_COUNT; id++)
                if (w->hosts[i] != NULL && (w->held[i] & 1u << id) == 0)
                    CU_ASSERT(w->hosts[i]->bridge->agents[id].turn(w->hosts[i]->bridge) >= 0);
        (void)fake_broker_pump(w->broker);
        fake_clock_advance(&w->clock, 10);
    }
}

#endif

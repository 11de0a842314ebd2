/* tests/bridge/fleet_rig.h: many hosts without threads at one broker, on one clock that the test moves. */
#ifndef WEFT_TESTS_FLEET_RIG_H
#define WEFT_TESTS_FLEET_RIG_H

#include "bridge/bridge_private.h"
#include "support/bridge/fake_link.h"
#include "support/fake_clock.h"
#include "support/suite.h"
#include "weft/peers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SEEN_MAX = 64, STEP_MS = 10 };

typedef struct member {
    char name[24];
    weft_dispatcher *bus;
    weft_bridge *bridge;
    const weft_event *seen[SEEN_MAX];
    size_t seen_count;
    unsigned notices[64];
    char down_why[16];
} member;

typedef struct fleet {
    fake_clock clock;
    fake_broker *broker;
    uint64_t seeds;
} fleet;

static inline void fleet_init(fleet *f)
{
    *f = (fleet){.broker = fake_broker_create(FAKE_PUMPED)};
    fake_clock_init(&f->clock, 1700000000000);
}

static inline weft_status on_seen(const weft_event *event, void *user)
{
    member *m = user;
    CU_ASSERT_TRUE_FATAL(m->seen_count < SEEN_MAX);
    m->seen[m->seen_count++] = weft_event_keep(event);
    return WEFT_OK;
}

static inline void on_member_notice(const weft_notice *notice, void *user)
{
    member *m = user;
    m->notices[notice->kind]++;
    if (notice->kind == WEFT_NOTICE_PEER_DOWN)
        snprintf(m->down_why, sizeof m->down_why, "%s", notice->text);
}

/* splitmix64: seeds that have nothing to do with each other. */
static inline uint64_t fleet_seed(fleet *f)
{
    uint64_t z = ++f->seeds * 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return (z ^ (z >> 31)) | 1;
}

/* topics 0: only sends; listen_only: only hears. */
static inline void member_start(fleet *f, member *m, const char *name, uint32_t topics, bool listen_only)
{
    *m = (member){0};
    snprintf(m->name, sizeof m->name, "%s", name);
    weft_dispatcher_opts bus_opts = {.clock = &f->clock.clock};
    CU_ASSERT_EQUAL_FATAL(weft_dispatcher_create(&bus_opts, &m->bus), WEFT_OK);
    weft_subscription s;
    weft_filter filter = {.topics = topics, .origin = WEFT_ORIGIN_REMOTE};
    if (topics != 0)
        CU_ASSERT_EQUAL_FATAL(weft_subscribe(m->bus, &filter, on_seen, m, &s), WEFT_OK);
    weft_bridge_opts opts = {.url = fake_broker_url(f->broker),
                             .fabric = "dev",
                             .node = m->name,
                             .listen_only = listen_only,
                             .on_notice = on_member_notice,
                             .user = m};
    weft__bridge_env env = {.link_ops = &fake_link, .random_seed = fleet_seed(f), .driven = true};
    CU_ASSERT_EQUAL_FATAL(weft__bridge_create_in(m->bus, &opts, &env, &m->bridge, NULL), WEFT_OK);
}

/* The process dies: no goodbye; the broker publishes its will when it notices, which is now. */
static inline void member_kill(fleet *f, member *m)
{
    (void)fake_broker_cut(f->broker, m->name);
    atomic_store(&m->bridge->link_down, false);
    m->bridge->wire.up = false;
    m->bridge->wire.retry_ms = INT64_MAX;
}

static inline void member_end(member *m)
{
    for (size_t i = 0; i < m->seen_count; i++)
        weft_event_release(m->seen[i]);
    weft_bridge_destroy(m->bridge);
    weft_dispatcher_destroy(m->bus);
}

static inline void turn_give(member *m, weft__agent_id id)
{
    if (m->bridge->agents[id].running)
        CU_ASSERT_TRUE(m->bridge->agents[id].turn(m->bridge) >= 0);
}

static inline void turns_give(member *m)
{
    for (unsigned id = 0; id < WEFT__AGENT_COUNT; id++)
        turn_give(m, (weft__agent_id)id);
}

static inline void pass(fleet *f, member *members, size_t count, int64_t ms)
{
    for (int64_t passed = 0; passed < ms; passed += STEP_MS) {
        for (size_t i = 0; i < count; i++)
            if (members[i].bridge != NULL)
                turns_give(&members[i]);
        (void)fake_broker_pump(f->broker);
        fake_clock_advance(&f->clock, STEP_MS);
    }
}

static inline const char *seen_attribute(const member *m, size_t at, const char *key)
{
    const weft_event *event = at < m->seen_count ? m->seen[at] : NULL;
    for (size_t i = 0; event != NULL && i < event->attribute_count; i++)
        if (strcmp(event->attributes[i].key, key) == 0)
            return event->attributes[i].value;
    return "";
}

#endif

/* A thousand nodes that lose their broker at once: they come back spread over time, and all within a stated one.
 *
 * Stated: after an outage of a minute all are back within 30 s of the broker's return, the longest wait between two
 * attempts, and no tenth of a second sees more than 2 in 100 of them; after a mere break of all connections within half
 * a second. */
#include "fleet_rig.h"

enum { NODES = 1000, SENDERS = 40, BACK_MS = 30000, BREAK_BACK_MS = 500, TENTH_MS = 100 };

typedef struct arrivals {
    unsigned connected; /* now */
    unsigned most;      /* within a tenth of a second */
} arrivals;

static unsigned connected_count(const member *members, size_t count)
{
    unsigned connected = 0;
    for (size_t i = 0; i < count; i++)
        connected += members[i].bridge->wire.up;
    return connected;
}

/* Only the links have anything to do: cheap enough for a thousand. */
static arrivals links_pass(fleet *f, member *members, size_t count, int64_t ms, int64_t step_ms)
{
    arrivals seen = {.connected = connected_count(members, count)};
    for (int64_t passed = 0; passed < ms; passed += step_ms) {
        for (size_t i = 0; i < count; i++)
            turn_give(&members[i], WEFT__AGENT_LINK);
        (void)fake_broker_pump(f->broker);
        fake_clock_advance(&f->clock, step_ms);
        if (passed % TENTH_MS != TENTH_MS - step_ms)
            continue;
        unsigned now = connected_count(members, count), came = now > seen.connected ? now - seen.connected : 0;
        seen.most = came > seen.most ? came : seen.most;
        seen.connected = now;
    }
    return seen;
}

static member *fleet_start(fleet *f, size_t count, bool listen_only)
{
    member *members = calloc(count, sizeof *members);
    fleet_init(f);
    for (size_t i = 0; i < count; i++) {
        char name[24];
        snprintf(name, sizeof name, "n%zu", i);
        member_start(f, &members[i], name, 0, listen_only);
    }
    return members;
}

static void fleet_end(fleet *f, member *members, size_t count)
{
    for (size_t i = 0; i < count; i++)
        member_end(&members[i]);
    fake_broker_destroy(f->broker);
    free(members);
}

static void a_thousand_come_back_spread_after_an_outage(void)
{
    fleet f;
    member *nodes = fleet_start(&f, NODES, true);
    CU_ASSERT_EQUAL(links_pass(&f, nodes, NODES, TENTH_MS, STEP_MS).connected, NODES);
    fake_broker_stop(f.broker);
    CU_ASSERT_EQUAL(links_pass(&f, nodes, NODES, 60000, TENTH_MS).connected, 0);
    fake_broker_start(f.broker);
    arrivals back = links_pass(&f, nodes, NODES, BACK_MS, TENTH_MS);
    CU_ASSERT_EQUAL(back.connected, NODES);
    CU_ASSERT_TRUE(back.most > 0 && back.most <= NODES * 2 / 100);
    for (size_t i = 0; i < NODES; i++)
        CU_ASSERT_EQUAL(nodes[i].notices[WEFT_NOTICE_CONNECTED], 2);
    fleet_end(&f, nodes, NODES);
}

static void a_thousand_come_back_after_a_break(void)
{
    fleet f;
    member *nodes = fleet_start(&f, NODES, true);
    CU_ASSERT_EQUAL(links_pass(&f, nodes, NODES, TENTH_MS, STEP_MS).connected, NODES);
    CU_ASSERT_TRUE(fake_broker_cut(f.broker, NULL) >= NODES);
    arrivals back = links_pass(&f, nodes, NODES, BREAK_BACK_MS, STEP_MS);
    CU_ASSERT_EQUAL(back.connected, NODES);
    CU_ASSERT_TRUE(back.most < NODES); /* not all at once */
    fleet_end(&f, nodes, NODES);
}

/* Births, wills and what each hears of all others: fewer, as it grows with the square. */
static void whole_nodes_know_each_other_again(void)
{
    fleet f;
    member *nodes = fleet_start(&f, SENDERS, false);
    pass(&f, nodes, SENDERS, 1000);
    fake_broker_stop(f.broker);
    pass(&f, nodes, SENDERS, 2000);
    fake_broker_start(f.broker);
    pass(&f, nodes, SENDERS, 5000); /* longer than anybody waits after so short an outage */
    for (size_t i = 0; i < SENDERS; i++) {
        weft_bridge_stats stats;
        weft_bridge_get_stats(nodes[i].bridge, &stats);
        CU_ASSERT_TRUE(stats.connected);
        CU_ASSERT_EQUAL(stats.peers, SENDERS - 1);
        CU_ASSERT_EQUAL(nodes[i].notices[WEFT_NOTICE_PEER_DOWN], 0);
    }
    fleet_end(&f, nodes, SENDERS);
}

SUITE(bridge_fleet, CASE(a_thousand_come_back_spread_after_an_outage), CASE(a_thousand_come_back_after_a_break),
      CASE(whole_nodes_know_each_other_again))

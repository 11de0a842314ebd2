/* nodes/demo_chaos.c: runs --freeze--> frozen --SIGKILL--> dead --restart--> runs. */
#include "nodes/demo_chaos.h"

#include <poll.h>

#include "nodes/deadline.h"

enum { BROKER_FROZEN_MS = 200, BROKER_AWAY_MS = 500, FLOW_MS = 15000, FROZEN_LINES = 50 };

/* Faults are to hit a fabric at work: waits until events reach the observer again since the last one. */
static void flow_wait(const demo_chaos *c)
{
    int64_t deadline = deadline_in_ms(FLOW_MS);
    observer_count count;
    do {
        (void)poll(NULL, 0, 5);
        demo_observer_get_count(c->observer, &count);
    } while (count.events <= c->events_before && deadline_left_ms(deadline, 1) > 0);
}

static weft_status broker_bring_back(demo_chaos *c)
{
    observer_count count;
    if (c->broker == BROKER_FROZEN)
        demo_cluster_kill_broker(c->cluster);
    demo_observer_get_count(c->observer, &count);
    c->events_before = count.events;
    c->broker = BROKER_RUNS;
    return demo_cluster_restart_broker(c->cluster, c->reason, c->reason_bytes);
}

/* The broker hangs for a moment before it is killed, so that something is under way that nobody acknowledges. */
static weft_status broker_step(demo_chaos *c, uint64_t line)
{
    bool due = deadline_left_ms(c->broker_next_ms, 1) == 0 && line >= c->broker_next_line;
    if (c->broker == BROKER_RUNS || !due)
        return WEFT_OK;
    if (c->broker == BROKER_DEAD)
        return broker_bring_back(c);
    demo_cluster_kill_broker(c->cluster);
    c->broker = BROKER_DEAD;
    c->broker_next_ms = deadline_in_ms(BROKER_AWAY_MS);
    return WEFT_OK;
}

static weft_status broker_break(demo_chaos *c, uint64_t line)
{
    weft_status st = c->broker != BROKER_RUNS ? broker_bring_back(c) : WEFT_OK;
    if (st != WEFT_OK)
        return st;
    flow_wait(c);
    demo_cluster_freeze_broker(c->cluster);
    c->broker_kills++;
    c->broker = BROKER_FROZEN;
    c->broker_next_ms = deadline_in_ms(BROKER_FROZEN_MS);
    c->broker_next_line = line + FROZEN_LINES;
    return WEFT_OK;
}

static weft_status node_kill(demo_chaos *c)
{
    size_t node = demo_feed_busiest(c->feed); /* whose death is felt most */
    demo_cluster_kill_node(c->cluster, node);
    c->node_kills++;
    return demo_cluster_restart_node(c->cluster, node, c->reason, c->reason_bytes);
}

weft_status demo_chaos_step(demo_chaos *c, uint64_t line)
{
    weft_status st = broker_step(c, line);
    if (st == WEFT_OK && c->broker_kills == 0 && line * 100 >= c->lines * 25)
        st = broker_break(c, line);
    if (st == WEFT_OK && c->node_kills == 0 && line * 100 >= c->lines * 40)
        st = node_kill(c);
    if (st == WEFT_OK && c->broker_kills == 1 && line * 100 >= c->lines * 60)
        st = broker_break(c, line);
    return st;
}

weft_status demo_chaos_end(demo_chaos *c)
{
    return c->broker == BROKER_RUNS ? WEFT_OK : broker_bring_back(c);
}

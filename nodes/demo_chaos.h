/* nodes/demo_chaos.h: breaks the demo's cluster while it works: the broker when 25% and 60% of the lines are in, the
 * node that has had most to do at 40%. Threads: the feeding one. */
#ifndef WEFT_NODES_DEMO_CHAOS_H
#define WEFT_NODES_DEMO_CHAOS_H

#include "nodes/demo_cluster.h"
#include "nodes/demo_feed.h"
#include "nodes/demo_observer.h"

typedef struct demo_chaos {
    demo_cluster *cluster; /* these three are the caller's */
    demo_observer *observer;
    const demo_feed *feed;
    uint64_t lines;
    unsigned broker_kills;
    unsigned node_kills;
    enum { BROKER_RUNS, BROKER_FROZEN, BROKER_DEAD } broker;
    int64_t broker_next_ms; /* when, and from which line on, the broker's state changes next */
    uint64_t broker_next_line;
    uint64_t events_before; /* at the observer when the broker came back */
    char *reason;           /* the caller's buffer, says what could not be started again */
    size_t reason_bytes;
} demo_chaos;

/* To be called before each line; line counts from 0. Returns OK, or why something did not start again. */
weft_status demo_chaos_step(demo_chaos *c, uint64_t line);
/* Leaves everything running. */
weft_status demo_chaos_end(demo_chaos *c);

#endif

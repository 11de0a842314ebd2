/* nodes/demo_observer.h: the sixth host: takes every event of the fabric, sums it, and looks for events handled twice.
 *
 * Threads: any, after create. */
#ifndef WEFT_NODES_DEMO_OBSERVER_H
#define WEFT_NODES_DEMO_OBSERVER_H

#include <stddef.h>
#include <stdint.h>

#include "nodes/totals.h"
#include "weft/bridge.h"

typedef struct demo_observer demo_observer;

/* Connects and subscribes; blocks until that is done, up to 15 s. reason gets a static text.
 * Returns OK, or what the bridge says. */
weft_status demo_observer_create(const char *url, const char *fabric, demo_observer **ret, const char **reason);
void demo_observer_destroy(demo_observer *o);

/* Waits until so many nodes have announced themselves. Returns OK or TIMEOUT. */
weft_status demo_observer_wait_nodes(demo_observer *o, size_t nodes, uint32_t timeout_ms);

/* One line of the live table. */
typedef struct observer_row {
    char node[WEFT_NAME_MAX_BYTES + 1];
    uint64_t sessions;
    uint64_t llm_requests;
    uint64_t tool_calls;
    uint64_t tool_errors;
    uint64_t tokens;
    int64_t cost_nano_usd;
} observer_row;

typedef struct observer_count {
    uint64_t events;         /* handled */
    uint64_t duplicates;     /* of them, handled before */
    uint64_t lost;           /* loss reports */
    uint64_t epochs_changed; /* lives of a node beyond its first */
} observer_count;

/* The rows of all nodes seen, by name, at most max, and the sums behind them; returns how many. */
size_t demo_observer_rows(demo_observer *o, observer_row *rows, size_t max, observer_row *ret_sum);
void demo_observer_get_count(demo_observer *o, observer_count *ret);
void demo_observer_get_bridge_stats(demo_observer *o, weft_bridge_stats *ret);
/* The totals of all; call when nothing arrives any more. Ownership: the observer's. */
const totals *demo_observer_totals(demo_observer *o);

#endif

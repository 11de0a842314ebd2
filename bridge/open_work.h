/* bridge/open_work.h: the calls, requests, agents and sessions of other nodes that have begun and not ended, and what
 * becomes of them when their node dies.
 *
 * What lasts, what ends it and by which id they find each other stands in the schema table (ended_by). For each such
 * beginning that is delivered the event is kept. When the life (node, epoch) it belongs to is over, and stays so for
 * the grace, an end made up here is delivered:
 *
 *   open --life over--> dying --grace--> closed        the end is delivered
 *        <--same life--        <--same life--          the beginning is delivered again
 *   open, dying --an event of a later life names the session or agent--> open, of that life
 *   any --real end--> gone;   closed --later life--> gone
 *
 * An end can come before its beginning only while something older is missing: both travel in streams of one topic, in
 * order. It is remembered then, so that the beginning, once healed, opens nothing.
 *
 * Bounds  what is open and closed: in all and per node, in number and bytes; the oldest is forgotten, counted. Ends
 *         without a beginning: the newest ENDS_MAX.
 * Leaves  who is alive to peers.h; who hears of it to the caller.
 * Threads none of its own; the downlink's. Time is monotonic ms. */
#ifndef WEFT_BRIDGE_OPEN_WORK_H
#define WEFT_BRIDGE_OPEN_WORK_H

#include "weft/bridge.h"
#include "weft/clock.h"

typedef struct weft__open_work weft__open_work;

typedef enum weft__life {
    WEFT__LIFE_UNKNOWN, /* nobody will say when it ends: not followed */
    WEFT__LIFE_ON,
    WEFT__LIFE_OVER,
} weft__life;

typedef struct weft__open_work_ops {
    /* Takes a kept event to be delivered; the callee takes its own reference. */
    void (*deliver)(void *user, const weft_event *event);
    /* Whether the life of a node goes on; if it is over, *ret_why says how, static. */
    weft__life (*life)(void *user, const char *node, uint64_t epoch, const char **ret_why);
    /* Whether something of this event's node and topic may still come that is older than the event. */
    bool (*lacks)(void *user, const weft_event *event);
    void *user;
} weft__open_work_ops;

typedef struct weft__open_work_opts {
    const weft_clock *clock; /* for the timestamps of ends */
    uint32_t grace_ms;
    size_t max;       /* 0: 50,000 */
    size_t node_max;  /* 0: 10,000 */
    size_t bytes_max; /* 0: 64 MiB */
} weft__open_work_opts;

weft_status weft__open_work_create(const weft__open_work_opts *opts, const weft__open_work_ops *ops,
                                   weft__open_work **ret);
void weft__open_work_destroy(weft__open_work *w);

/* Sees a kept event of another node that has been delivered. */
void weft__open_work_take(weft__open_work *w, const weft_event *event, int64_t now_ms);
/* This life and all earlier ones of the node are over. why is static. */
void weft__open_work_over(weft__open_work *w, const char *node, uint64_t epoch, const char *why, int64_t now_ms);
/* This life goes on; all earlier ones are over. */
void weft__open_work_alive(weft__open_work *w, const char *node, uint64_t epoch, int64_t now_ms);
/* Only these topics are followed from now on. */
void weft__open_work_interest(weft__open_work *w, uint32_t topics);
/* While we cannot hear whether anybody lives nothing is closed; afterwards the grace begins anew. */
void weft__open_work_pause(weft__open_work *w);
void weft__open_work_resume(weft__open_work *w, int64_t now_ms);
/* Closes what is due. */
void weft__open_work_tick(weft__open_work *w, int64_t now_ms);

typedef struct weft__open_work_stats {
    uint64_t open;      /* now */
    uint64_t closed;    /* ends made up */
    uint64_t reopened;  /* of which withdrawn */
    uint64_t forgotten; /* at a bound, or without memory */
} weft__open_work_stats;
void weft__open_work_get_stats(const weft__open_work *w, weft__open_work_stats *ret);

#endif

/* bridge/lives.h: which nodes live, told from what is heard of them, and what that means for what they have begun.
 *
 * Owns    the peers and what they have open.
 * Leaves  the streams of events, and what a birth says about them, to downlink.c.
 * Threads none of its own; the downlink's. Time is monotonic ms. */
#ifndef WEFT_BRIDGE_LIVES_H
#define WEFT_BRIDGE_LIVES_H

#include "bridge/open_work.h"
#include "bridge/peers.h"

typedef struct weft__lives_ops {
    /* Takes a kept event made up here; the callee takes its own reference. */
    void (*deliver)(void *user, const weft_event *event);
    void (*peer)(void *user, const char *node, uint64_t epoch, bool up, const char *why);
    /* The clock of a node is off by more than 5 s; ahead of ours if positive. NULL: nobody cares. */
    void (*skewed)(void *user, const char *node, uint64_t epoch, int64_t skew_ms);
    void *user;
    /* As in weft__open_work_ops, but for the user. */
    bool (*lacks)(void *streams, const weft_event *event);
    void *streams;
} weft__lives_ops;

typedef struct weft__lives_opts {
    const weft_clock *clock;
    uint32_t silent_ms;
    uint32_t dead_grace_ms;
} weft__lives_opts;

typedef struct weft__lives {
    weft__lives_opts opts;
    weft__lives_ops ops;
    weft__peers peers;
    weft__open_work *work;
    int64_t now_ms; /* of the tick that runs */
} weft__lives;

weft_status weft__lives_init(weft__lives *lives, const weft__lives_opts *opts, const weft__lives_ops *ops);
void weft__lives_fini(weft__lives *lives);

/* An event is about to be delivered. */
void weft__lives_see(weft__lives *lives, const weft_event *event, int64_t now_ms);
/* Any message of a life of this peer has come. */
void weft__lives_hear(weft__lives *lives, weft__peer *peer, uint64_t epoch, int64_t now_ms);
void weft__lives_beat(weft__lives *lives, weft__peer *peer, const weft__beat *beat, int64_t now_ms);

/* A birth of an epoch not older than the peer's. fresh: published now, not retained. seen: as in weft__birth. */
void weft__lives_born(weft__lives *lives, weft__peer *peer, const weft__live *live, bool fresh, weft__moment seen,
                      int64_t now_ms);
/* A will or goodbye, likewise. seen: for a life whose birth we have not seen. */
void weft__lives_left(weft__lives *lives, weft__peer *peer, const weft__live *live, bool fresh, weft__moment seen,
                      int64_t now_ms);
/* What the node had retained was cleared. */
void weft__lives_forget(weft__lives *lives, const char *node, int64_t now_ms);

void weft__lives_connected(weft__lives *lives, int64_t now_ms);
void weft__lives_cut(weft__lives *lives);
void weft__lives_tick(weft__lives *lives, int64_t now_ms);

#endif

/* bridge/asks.h: the questions under way, by which an answer finds its stream.
 *
 * Few at a time: all answers come through one queue that the broker keeps for this node, and must not be what
 * overflows it. Threads: none of its own; the downlink's. */
#ifndef WEFT_BRIDGE_ASKS_H
#define WEFT_BRIDGE_ASKS_H

#include "bridge/stream.h"

enum {
    WEFT__ASKS_MAX = 12,  /* of at most 33 messages each, for one taker; a stock broker queues 1,000 for a client */
    WEFT__TAKERS_MAX = 16 /* that share the node's name: the bridge's own and its cursors */
};

typedef struct weft__asks {
    weft__stream *streams[WEFT__ASKS_MAX];
    size_t count;
    uint64_t last_request; /* the taker is the remainder by WEFT__TAKERS_MAX */
    uint32_t refused;      /* streams that found no room since it was last set to 0 */
} weft__asks;

/* Requests are numbered from some number on, apart from those of an earlier life. */
void weft__asks_init(weft__asks *asks, uint64_t first_request, uint32_t taker);
/* The taker that a request belongs to; a text that is no request of ours counts as the first's. */
uint32_t weft__asks_taker(const char *request);
/* Begins a question about a range of the stream. Returns false, and counts, if there is no room. */
bool weft__asks_begin(weft__asks *asks, weft__stream *s, uint64_t from, uint64_t to, int64_t deadline_ms);
/* Ends the stream's question, if it has one. */
void weft__asks_end(weft__asks *asks, weft__stream *s);
/* Ends it without an answer: the next may begin after a while, longer each time. */
void weft__asks_fail(weft__asks *asks, weft__stream *s, int64_t now_ms);
/* The stream that a node answers for, NULL if nobody asked that. */
weft__stream *weft__asks_find(const weft__asks *asks, const char *node, const char *request);

#endif

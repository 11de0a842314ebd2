/* bridge/stream.h: what a receiver knows of one stream (node, epoch, topic): a high-water mark, the open holes below
 * it, and the events held back until a hole is healed.
 *
 * An event is handed on in one of three ways: in order; held behind a hole and handed on in order when the hole closes
 * or its time is up; or, when it arrives for a hole that no longer holds others back, at once and marked as replayed.
 *
 *   no baseline --first batch / birth / beat--> based
 *   hole: holding --hold over--> late --healed / declared lost--> closed
 *
 * Invariant  a seq is handed on at most once. Everything up to `high` is settled, but for the holes.
 * Threads    none of its own; the downlink's. */
#ifndef WEFT_BRIDGE_STREAM_H
#define WEFT_BRIDGE_STREAM_H

#include "bridge/seq_ranges.h"
#include "weft/bridge.h"

enum { WEFT__HELD_MAX = 10000 };

typedef struct weft__stream_ops {
    /* Takes an event to be delivered, in the order of the calls; keeps its own reference. late: out of order. */
    void (*deliver)(void *user, const weft_event *event, bool late);
    void (*lost)(void *user, const weft_lost *lost);
    void *user;
} weft__stream_ops;

typedef struct weft__stream_counts {
    uint64_t delivered;
    uint64_t duplicates;
    uint64_t gaps;
    uint64_t healed;
    uint64_t lost; /* reports */
} weft__stream_counts;

/* An outstanding question for a hole. */
typedef struct weft__ask {
    uint64_t request; /* 0: none */
    uint64_t from;
    uint64_t to;
    uint32_t next_index;
    bool broken; /* a part of the answer is missing */
    int64_t deadline_ms;
} weft__ask;

typedef struct weft__stream {
    struct weft__stream *next;
    char node[WEFT_NAME_MAX_BYTES + 1];
    uint64_t epoch;
    weft_topic topic;
    bool based;
    uint64_t high;
    weft__seq_ranges holes;
    int64_t hold_until_ms;   /* of the youngest holding hole; 0: nothing is held back */
    uint64_t hold_from;      /* events above this wait */
    const weft_event **held; /* by seq */
    size_t held_count;
    size_t held_capacity;
    uint64_t suspected; /* a beat or a birth told of this seq; 0: nothing open */
    int64_t suspected_ms;
    weft__ask ask;
    uint32_t ask_failures;
    int64_t ask_after_ms;
    int64_t oldest_hole_ms; /* since when there is a hole, and nobody has answered for one */
    uint64_t used;          /* when it was used last, in the order of what the downlink saw */
} weft__stream;

weft__stream *weft__stream_create(const char *node, uint64_t epoch, weft_topic topic);
/* Releases held events without delivering them. */
void weft__stream_destroy(weft__stream *s);

/* Sets the baseline: nothing up to seq is expected. No effect once based. */
void weft__stream_base(weft__stream *s, uint64_t seq);

/* Takes the events of one message: (prev_seq, last] is covered by it. */
void weft__stream_take(weft__stream *s, uint64_t prev_seq, const weft_event *const *events, size_t count,
                       int64_t now_ms, uint32_t hold_ms, const weft__stream_ops *ops, weft__stream_counts *counts);

/* Everything in [from, to] that is still missing does not exist. */
void weft__stream_settle(weft__stream *s, uint64_t from, uint64_t to, const weft__stream_ops *ops,
                         weft__stream_counts *counts);
/* Everything in the range that is still missing is lost, and reported; what has been settled is not. Only range, count
 * and reason are used; the count is passed on if all of the range is missing. */
void weft__stream_lose(weft__stream *s, const weft_lost *lost, const weft__stream_ops *ops,
                       weft__stream_counts *counts);

/* Somebody says the stream reaches seq: if it has not by now + grace_ms, that is a gap. */
void weft__stream_suspect(weft__stream *s, uint64_t seq, int64_t now_ms, int64_t grace_ms);

/* Lets time pass: suspicions become holes, holds end. */
void weft__stream_tick(weft__stream *s, int64_t now_ms, uint32_t hold_ms, const weft__stream_ops *ops,
                       weft__stream_counts *counts);

#endif

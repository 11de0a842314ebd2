/* bridge/downlink_private.h: what the files of the downlink share; nobody else includes it.
 *
 *   downlink.c            takes batches and answers, asks for what is missing
 *   downlink_streams.c    the table of streams: found, added, forgotten, shown and accounted for
 *   downlink_peers.c      births, ends and beats: which streams there are, and how far they go
 */
#ifndef WEFT_BRIDGE_DOWNLINK_PRIVATE_H
#define WEFT_BRIDGE_DOWNLINK_PRIVATE_H

#include "bridge/asks.h"
#include "bridge/downlink.h"
#include "bridge/lives.h"

#include <pthread.h>

enum { WEFT__STREAM_BUCKETS = 1024, WEFT__RETRY_MS = 250 };

static const uint64_t WEFT__SEQ_MAX = INT64_MAX; /* what a journal can hold: more is not believed */

struct weft__downlink {
    weft__downlink_opts opts;
    weft__downlink_ops ops;
    weft__stream_ops stream_ops;
    weft__stream *buckets[WEFT__STREAM_BUCKETS];
    size_t stream_count;
    weft__lives lives;
    int64_t now_ms; /* of the message or tick that is being taken */
    uint32_t interest;
    uint64_t stamp;
    int64_t birthless_ms;                /* when it was last told that a birth is missing; 0: never */
    weft__moment wanted[WEFT_TOPIC_MAX]; /* since when */
    weft__asks asks;
    weft__stream *changed;
    bool in_answer;        /* the events taken now come from an answer */
    weft__stream *watched; /* a ring; where the next tick begins, so that all streams come to ask */
    size_t watched_count;
    uint64_t uses;              /* counts what uses a stream */
    weft__downlink_stats live;  /* this thread's */
    bool differs;               /* some stream's account does not add up, and that has not been said */
    pthread_mutex_t mutex;      /* a leaf; writing `buckets` and the lists in them, too */
    weft__downlink_stats shown; /* [mutex] copy of live for other threads; so is `shown` of each stream */
    weft__drops drops;          /* [mutex] */
};

/* ---- downlink.c ---- */

/* Counts a message that was dropped for what it contains; and tells, too. */
void weft__downlink_drop_count(weft__downlink *d, const char *sender, weft_topic topic, weft__drop_reason reason);
void weft__downlink_drop_message(weft__downlink *d, const char *sender, weft_topic topic, weft_status why,
                                 const char *reason);

/* ---- downlink_streams.c ---- */

weft__stream *weft__downlink_stream_find(const weft__downlink *d, const char *node, uint64_t epoch, weft_topic topic);
/* Finds or adds, and watches; NULL, counted, at the bound or without memory. */
weft__stream *weft__downlink_stream_add(weft__downlink *d, const char *node, uint64_t epoch, weft_topic topic);
void weft__downlink_note_change(weft__downlink *d, weft__stream *s);
/* Lets ticks look at a stream that may change: one that was found or added in order to tell it something. */
void weft__downlink_watch(weft__downlink *d, weft__stream *s);
/* Whether something of this event's node and topic may still come that is older than the event; d is the downlink. */
bool weft__downlink_lacks(void *d, const weft_event *event);
/* Whether its epoch is known to have begun before its topic was wanted. */
bool weft__downlink_was_before_us(const weft__downlink *d, const weft__stream *s);
/* Or is known to have begun after. */
bool weft__downlink_is_ours(const weft__downlink *d, const weft__stream *s);
/* Copies what other threads may see; streams of which nothing is due are not watched any more. */
void weft__downlink_accounts_show(weft__downlink *d);
/* Says what does not add up, once a change. */
void weft__downlink_accounts_complain(weft__downlink *d);

#endif

/* bridge/downlink.h: messages of other nodes → events for the dispatcher, each once, with gaps noticed and healed.
 *
 * Keeps the streams of all peers, what is known of the peers themselves, and what they have begun and not ended. Sends
 * nothing by itself: questions go out through `ask`, results through `deliver`, `lost` and `peer`.
 *
 * Threads: the downlink thread; get_stats, peers, drop and accounts: any. */
#ifndef WEFT_BRIDGE_DOWNLINK_H
#define WEFT_BRIDGE_DOWNLINK_H

#include "bridge/control.h"
#include "bridge/drops.h"
#include "bridge/open_work.h"
#include "bridge/stream.h"
#include "weft/peers.h"

typedef struct weft__downlink weft__downlink;

/* A part of a stream that its node is asked for. */
typedef struct weft__question {
    const char *node;
    uint64_t request;
    uint32_t taker;
    uint64_t epoch;
    weft_topic topic;
    uint64_t from_seq;
    uint64_t to_seq; /* UINT64_MAX: as far as there is */
    int64_t since_ms;
} weft__question;

typedef struct weft__downlink_ops {
    /* A kept event to be delivered, in order; the callee takes its own reference. */
    void (*deliver)(void *user, const weft_event *event);
    void (*lost)(void *user, const weft_lost *lost);
    /* Whether so many events and losses can be handed over without more memory. If not, the message that brings them
     * counts as not received, and is healed later. NULL: it always is. */
    bool (*room)(void *user, size_t events, size_t losses);
    /* Sends a question; the answer comes back through weft__downlink_reply with that request. */
    void (*ask)(void *user, const weft__question *question);
    void (*peer)(void *user, const char *node, uint64_t epoch, bool up, const char *why);
    /* The clock of a node is off by more than 5 s; ahead of ours if positive. NULL: nobody cares. */
    void (*skewed)(void *user, const char *node, uint64_t epoch, int64_t skew_ms);
    /* A life is heard of whose birth never came: it may be among what the broker retains. Told every 10 s. NULL: nobody
     * cares. */
    void (*birthless)(void *user);
    /* A message was dropped for what it contains. */
    void (*dropped)(void *user, const char *node, const char *reason);
    /* A stream is forgotten because there are too many, or the topic is not wanted any more. NULL: nobody cares. */
    void (*forgot)(void *user, const weft__stream *stream);
    /* The account of a stream does not add up: so many more (or, below 0, fewer) were published than are accounted for.
     */
    void (*unaccounted)(void *user, const char *node, uint64_t epoch, weft_topic topic, int64_t events);
    void *user;
} weft__downlink_ops;

typedef struct weft__downlink_opts {
    const char *node; /* own name; outlives the downlink */
    uint32_t hold_ms;
    uint32_t ask_timeout_ms; /* without any part of an answer; 0: 3,000 */
    uint32_t give_up_ms;     /* holes that a node that is up, or was never seen, does not fill for so long are lost;
                                0: 600,000. Those of a node that is away wait for it: 1,024 a stream */
    uint32_t streams_max;    /* 0: 65,536 */
    uint32_t silent_ms;      /* a node that is not heard for so long is dead; 0: 17,000 */
    bool closes_work;        /* what a dead node left open is closed by events made up here */
    uint32_t dead_grace_ms;  /* after this; 0: 10,000 */
    const weft_clock *clock; /* of the host, for its wall time; NULL: the system's */
    uint64_t first_request;  /* requests are numbered from here: apart from those of an earlier life */
    uint32_t taker;          /* which of those that share the node's name, below WEFT__TAKERS_MAX */
    int64_t since_ms;        /* the past is wanted too, from what was accepted then on (wall clock); 0: what comes */
    bool past_marked;        /* events that come as answers are flagged as replayed, also in their order */
} weft__downlink_opts;

weft_status weft__downlink_create(const weft__downlink_opts *opts, const weft__downlink_ops *ops, weft__downlink **ret);
void weft__downlink_destroy(weft__downlink *d);

/* now_ms is monotonic everywhere here. */
weft_status weft__downlink_batch(weft__downlink *d, const char *sender, weft_topic topic, const uint8_t *bytes,
                                 size_t length, int64_t now_ms);
void weft__downlink_reply(weft__downlink *d, const char *sender, const uint8_t *bytes, size_t length, int64_t now_ms);
/* Where a live message comes from. */
typedef enum weft__live_origin {
    WEFT__LIVE_FRESH,    /* was published now */
    WEFT__LIVE_BEFORE,   /* was retained, on the first connection of this process: the node was there before we were */
    WEFT__LIVE_RETAINED, /* was retained, on a later one: no proof that the node lives */
} weft__live_origin;

/* length 0: what the node had retained was cleared. */
weft_status weft__downlink_live(weft__downlink *d, const char *sender, const uint8_t *bytes, size_t length,
                                weft__live_origin origin, int64_t now_ms);
void weft__downlink_beat(weft__downlink *d, const char *sender, const uint8_t *bytes, size_t length, int64_t now_ms);
/* The topics wanted from now on: what is known of the others is forgotten. */
void weft__downlink_interest(weft__downlink *d, uint32_t topics, int64_t now_ms);
/* A new connection: answers that were under way will not come. */
void weft__downlink_connected(weft__downlink *d, int64_t now_ms);
/* The connection is lost: nothing can be said of anybody's life. */
void weft__downlink_cut(weft__downlink *d);
void weft__downlink_tick(weft__downlink *d, int64_t now_ms);
/* Counts a message that another part has dropped: for that status, or with OK because it spoke for somebody else. */
void weft__downlink_drop(weft__downlink *d, const char *sender, weft_status why, const char *reason);

/* Goes on with a stream where an earlier life stopped: all up to high has been handled, but for the holes. Its topic
 * must be wanted. Returns OK, INVALID (what cannot be), FULL or NO_MEMORY. */
weft_status weft__downlink_restore(weft__downlink *d, const char *node, uint64_t epoch, weft_topic topic, uint64_t high,
                                   const weft__seq_range *holes, size_t hole_count, int64_t now_ms);
/* Shows each stream that may have changed since changes_done was called last. */
void weft__downlink_each_changed(weft__downlink *d, void (*fn)(void *user, const weft__stream *stream), void *user);
void weft__downlink_changes_done(weft__downlink *d);
bool weft__downlink_changed(const weft__downlink *d);

typedef struct weft__downlink_stats {
    weft__stream_counts streams;
    uint64_t received_messages;
    uint64_t dropped_malformed;
    uint64_t dropped_corrupt;
    uint64_t dropped_foreign;
    uint64_t dropped_bound; /* more streams than the bound, or no memory */
    uint64_t before_since;  /* events accepted before what was wanted */
    uint32_t peers;
    uint32_t open_gaps;
    weft__open_work_stats work;
} weft__downlink_stats;
void weft__downlink_get_stats(weft__downlink *d, weft__downlink_stats *ret);
/* As weft_bridge_peers. Threads: any. */
size_t weft__downlink_peers(weft__downlink *d, weft_peer *ret, size_t max, int64_t now_ms);

/* Copies what became of the streams of others, as of the last tick, and of messages that belong to none, at most max;
 * names are copied to names[i]. Returns how many there are. Threads: any. */
typedef char weft__name_buffer[WEFT_NAME_MAX_BYTES + 1];
size_t weft__downlink_accounts(weft__downlink *d, weft_stream_account *accounts, weft__name_buffer *names, size_t max);

#endif

/* weft/bridge.h: carries the events of a dispatcher to the other hosts, and theirs to it, over an MQTT broker.
 *
 * Outgoing: a published event is written to the journal, then sent; it is kept for replays until retention takes it.
 * Incoming: what some local subscription wants from other hosts is subscribed at the broker, verified, deduplicated,
 * healed where messages are missing, and delivered once.
 *
 * Threads: any thread may call anything here unless it says otherwise; handlers of remote events run on one thread of
 * the bridge, or on the dispatcher's workers when queued. Nothing here calls user code but on_notice and on_written. */
#ifndef WEFT_BRIDGE_H
#define WEFT_BRIDGE_H

#include "weft/dispatcher.h"
#include "weft/wire.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct weft_bridge weft_bridge;

typedef enum weft_notice_kind {
    WEFT_NOTICE_CONNECTED,
    WEFT_NOTICE_DISCONNECTED,      /* status and text say why; reconnects by itself */
    WEFT_NOTICE_CONNECT_FAILED,    /* told once per cause until it changes */
    WEFT_NOTICE_FENCED,            /* a newer process holds the node name; the bridge has stopped for good */
    WEFT_NOTICE_PEER_UP,           /* node, epoch */
    WEFT_NOTICE_PEER_DOWN,         /* node, epoch; text "goodbye", "lost", "silent" or "forgotten" */
    WEFT_NOTICE_MESSAGE_DROPPED,   /* malformed or foreign; text is the reason; at most one a minute */
    WEFT_NOTICE_PUBLISH_REFUSED,   /* the broker's access rules deny what we publish; text says to which topics; told
                                      once until it is allowed. Events wait in the journal, all else goes on */
    WEFT_NOTICE_SUBSCRIBE_REFUSED, /* they deny a subscription; text is its filter; tried again now and then */
    WEFT_NOTICE_LOST,              /* events of this node that will never be sent; count, text */
    WEFT_NOTICE_JOURNAL_DAMAGED,   /* the file was moved aside; text is its new name */
    WEFT_NOTICE_JOURNAL_FAILED,    /* a write failed; publishes are refused until one succeeds again */
    WEFT_NOTICE_JOURNAL_RECOVERED,
    WEFT_NOTICE_EPOCH_CHANGED, /* the retained epoch was ahead of the clock */
    WEFT_NOTICE_CLOCK_SKEW,    /* node, epoch; count: ms that its clock is off, over 5 s; text "ahead" or "behind" */
    WEFT_NOTICE_UNACCOUNTED,   /* a stream of another node (node, epoch, text: topic) does not add up by count events:
                                  weft/account.h; at most one a minute */
    WEFT_NOTICE_COUNT
} weft_notice_kind;

/* "connected", "fenced" …; total. */
const char *weft_notice_name(weft_notice_kind kind);

typedef struct weft_notice {
    weft_notice_kind kind;
    weft_status status;
    const char *node; /* of a peer; may be NULL */
    uint64_t epoch;
    uint64_t count;
    const char *text; /* may be NULL */
} weft_notice;

/* What a returned flush has made safe. Events are in the journal before they are sent either way, and survive the end
 * of the process. */
typedef enum weft_durability {
    WEFT_DURABLE_POWER,   /* also the end of power: flush waits for the disk, which is synced at least every 100 ms */
    WEFT_DURABLE_PROCESS, /* the end of the process alone: flush waits for the write, the system decides when to sync.
                           * A power cut may take the newest events, but does not damage the journal */
} weft_durability;

/* What a publish does when the bound of what waits for the journal (intake_max_bytes) is reached: because the disk is
 * slow, not because it fails. Groups (weft_bridge_publish_group) are always refused: their writers are told what is
 * written, and hold back what they have. */
typedef enum weft_when_full {
    WEFT_WHEN_FULL_REFUSE,      /* the publish returns FULL */
    WEFT_WHEN_FULL_BLOCK,       /* it waits up to block_ms for room, then returns FULL */
    WEFT_WHEN_FULL_DROP_OLDEST, /* the oldest of the lowest priority that waits, of the topics with this policy and of
                                 * no higher priority than the new event, makes room: counted, and reported to
                                 * subscribers as Lost, overflow. FULL if there is none */
} weft_when_full;

typedef struct weft_backpressure {
    uint32_t topics; /* mask; 0: all. The first entry that names a topic counts */
    weft_when_full when_full;
    uint32_t block_ms; /* 0: 1,000 */
} weft_backpressure;

typedef struct weft_bridge_opts {
    const char *url;               /* mqtt://host[:port], mqtts://…; NULL: mqtt://localhost */
    const char *fabric;            /* NULL: "default" */
    const char *node;              /* required unless listen_only */
    const char *journal_path;      /* NULL: kept in memory, lost with the process */
    uint64_t journal_max_bytes;    /* 0: 1 GiB */
    uint64_t journal_retention_ms; /* 0: 7 days */
    weft_durability durability;
    uint64_t journal_reserve_bytes; /* a file beside the journal whose room, when the disk is full, is given to cost and
                                     * session events, while others are refused with NO_SPACE; made again when there is
                                     * room. 0: 16 MiB, less for a small journal or file system; UINT64_MAX: none */
    uint64_t intake_max_bytes;      /* of encoded events that wait for the journal; 0: 64 MiB */
    uint64_t delta_max_bytes;       /* of best-effort events that wait for the broker, joined where they can be: the
                                     * oldest go first, counted. 0: 4 MiB */
    uint64_t delta_max_events;      /* the same, events; 0: 16,384 */
    const weft_backpressure *backpressure; /* NULL: refuse; copied */
    size_t backpressure_count;
    uint32_t keep_alive_s; /* 0: 10 */
    const char *username;
    const char *password;
    const char *ca_file;
    const char *cert_file;
    const char *key_file;
    bool listen_only; /* no journal, no birth; `node` only addresses replies; if NULL the username, or made up */
    bool anonymous;   /* sends, but without birth, will, beat and state: for a process of seconds */
    bool json_tap;    /* also publishes each event as JSON under json/…, QoS 0 */
    int64_t since_ms; /* wall clock: what the nodes have accepted since then is wanted too, from their journals, for
                       * the topics subscribed when the bridge is created. It comes before what is new of its
                       * stream, flagged as replayed; what retention has taken is reported lost. 0: what comes */
    uint32_t hold_ms; /* how long events after a gap wait for it to be healed; 0: 2,000 */
    uint32_t dead_grace_ms; /* how long what a dead node left open stays so (weft/peers.h); 0: 10,000 */
    void (*on_notice)(const weft_notice *notice,
                      void *user);                    /* one at a time, on threads of the bridge; must not block */
    void (*on_written)(uint64_t receipt, void *user); /* all publishes up to this receipt are in the journal */
    void *user;
} weft_bridge_opts;

/* Opens the journal, begins an epoch, attaches to the dispatcher and starts connecting in the background. Publishing
 * works at once, broker or no broker. Ownership: the dispatcher must outlive the bridge.
 * reason, if not NULL, gets a text on failure, static.
 * Returns OK, INVALID (an option; the reason names it), EXISTS (the journal is open elsewhere, or the dispatcher has a
 * bridge), IO, NO_SPACE or NO_MEMORY. */
weft_status weft_bridge_create(weft_dispatcher *d, const weft_bridge_opts *opts, weft_bridge **ret,
                               const char **reason);

/* Drains for up to timeout_ms, says goodbye and disconnects. What the broker has not taken stays in the journal.
 * Blocks; not from a handler, on_notice or on_written. Returns OK or TIMEOUT (something is left, also of an earlier
 * life). */
weft_status weft_bridge_stop(weft_bridge *b, uint32_t timeout_ms);
/* Stops without draining if still running, and frees. NULL is fine. Blocks for the running handler. */
void weft_bridge_destroy(weft_bridge *b);

/* Waits until every event published before is safe, as durability says (not: sent). Returns OK, TIMEOUT, what the
 * journal says, or FULL: all is safe but for events that were dropped to make room (WEFT_WHEN_FULL_DROP_OLDEST) since
 * the last time. */
weft_status weft_bridge_flush(weft_bridge *b, uint32_t timeout_ms);
/* Waits until the broker has acknowledged every event published before, and best-effort ones have been sent. Returns
 * OK, TIMEOUT or FENCED. */
weft_status weft_bridge_drain(weft_bridge *b, uint32_t timeout_ms);
/* Waits until the bridge is connected and subscribed to what the local subscriptions want at that moment.
 * Returns OK, TIMEOUT, FENCED or, at once, REFUSED: the broker refuses us, or a subscription, and somebody has to
 * change that (the notice says what); the bridge goes on trying, more slowly. */
weft_status weft_bridge_wait_ready(weft_bridge *b, uint32_t timeout_ms);

/* ---- feeds: inputs that are numbered and may be repeated ---- */

/* How far a feed has come. state is opaque: what the feeder needs to go on from there. */
typedef struct weft_feed_mark {
    const char *feed; /* at most WEFT_ID_MAX_BYTES */
    uint64_t line;
    const char *state; /* NULL: keeps the stored one */
    size_t state_bytes;
} weft_feed_mark;

/* Publishes a group of events through the dispatcher and commits them, with the mark (may be NULL), in one transaction:
 * after a crash both are there, or neither; but for best-effort ones, which are in no journal. *ret_receipt names the
 * group: written once on_written or weft_bridge_written reach it. count may be 0.
 * Returns as weft_publish; if one event is at fault nothing of the group is published and ret_index (may be NULL) names
 * it. */
weft_status weft_bridge_publish_group(weft_bridge *b, const weft_event *const *events, size_t count,
                                      const weft_feed_mark *mark, uint64_t *ret_receipt, size_t *ret_index);
uint64_t weft_bridge_written(weft_bridge *b);

/* Reads a feed's stored mark. Ownership: *ret_state is malloc'ed, NULL if none. Blocks for a read of the journal.
 * A mark is remembered for at least 90 days after its feed last moved.
 * Returns OK, NOT_FOUND (line 0, no state), or FULL: it has none, and 10,000 others moved in the last 90 days. */
weft_status weft_bridge_feed(weft_bridge *b, const char *feed, uint64_t *ret_line, char **ret_state,
                             size_t *ret_state_bytes);

/* ---- what the bridge knows ---- */

typedef struct weft_bridge_stats {
    bool connected;
    uint64_t epoch;
    uint64_t connects;
    uint64_t published;     /* events given to the journal */
    uint64_t written;       /* events in the journal, and dropped ones of which it tells */
    uint64_t refused_full;  /* publishes refused because the intake was full or the journal failing */
    uint64_t dropped_full;  /* events dropped to make room for others; part of published */
    uint64_t sent_events;   /* events sent for the first time */
    uint64_t sent_messages; /* evt messages sent, repeats included */
    uint64_t resent_events; /* sent again, or by a later life: an acknowledgement was missing */
    uint64_t acked_events;
    uint64_t pending_events;  /* written, not yet acknowledged */
    uint64_t replayed_events; /* sent again because a peer asked */
    uint64_t lost_events;     /* given up before they were sent */
    uint64_t delta_published; /* best-effort events, in none of the figures above; the next four make up for them */
    uint64_t delta_sent;      /* events, once, at QoS 0 */
    uint64_t delta_joined;    /* sent as part of another */
    uint64_t delta_lost;      /* dropped at the bound, or could not be sent */
    uint64_t delta_waiting;
    uint64_t received_messages; /* evt and reply messages of other nodes */
    uint64_t received_events;
    uint64_t delivered_events; /* handed to the dispatcher */
    uint64_t duplicates;       /* dropped: already handled */
    uint64_t gaps;             /* gaps noticed */
    uint64_t healed_events;    /* delivered although their first message was missed */
    uint64_t lost_reports;     /* ranges of others' events reported lost */
    uint64_t dropped_malformed;
    uint64_t dropped_corrupt;
    uint64_t dropped_foreign;  /* the payload's node is not the topic's */
    uint64_t dropped_overflow; /* whole messages, because handlers were slow; healed later */
    uint64_t dropped_own;      /* own messages that came back */
    uint64_t dropped_control;  /* replies and messages of the JSON tap, because the connection was slow */
    uint64_t denied_publishes; /* messages that the broker's access rules denied; those of events are tried again */
    uint64_t denied_by_topic[WEFT_TOPIC_MAX]; /* of these, by topic number; [0]: beside the events */
    uint32_t denied_topics;                   /* topics whose events it denies us to publish now */
    uint32_t denied_subscriptions;            /* how many subscriptions it denies now */
    uint32_t peers;
    uint32_t open_gaps;
    uint64_t open_work;           /* what other nodes have begun and not ended, as far as it is followed */
    uint64_t closed_events;       /* ends made up for dead nodes; in no other figure here */
    uint64_t reopened_events;     /* of which taken back */
    uint64_t open_work_forgotten; /* no longer followed: at a bound, or without memory */
} weft_bridge_stats;

void weft_bridge_get_stats(weft_bridge *b, weft_bridge_stats *ret);

#ifdef __cplusplus
}
#endif
#endif

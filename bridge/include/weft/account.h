/* weft/account.h: what became of every event, by topic and peer, on both sides.
 *
 * A publisher knows of each of its streams (epoch, topic) how many events it accepted, wrote, sent and saw
 * acknowledged; a receiver how many it handed on, dropped as repeated, healed, and lost. An acknowledgement of the
 * broker is no delivery: these accounts are the truth. Publishers say in their beats how many events a stream holds; at
 * every quiet moment (nothing waits there, nothing is missing or held here) a receiver has
 *
 *   published = before + delivered + lost, the sum over all reasons
 *
 * where `published` leaves out what a best-effort stream has joined to other events, and `before` is what was published
 * before it began to listen. It is 0 for a stream that was heard from its begin, else fixed at the first quiet moment.
 * A difference ever after is a hole in our own books: `unaccounted`, with a notice.
 *
 * Threads: any may call anything here. */
#ifndef WEFT_ACCOUNT_H
#define WEFT_ACCOUNT_H

#include "weft/bridge.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { WEFT_LOST_REASON_COUNT = WEFT_LOST_UNREACHABLE + 1 };

/* The figures of one stream: X(NAME), each a uint64_t number of events unless it says otherwise. */
#define WEFT_ACCOUNT_MAP(X)                                                                                            \
    X(last_seq)         /* a seq: the last written; the last that is settled here, whatever became of it */            \
    X(published)        /* by all lives of the publisher, as it says itself; 0: it has not said */                     \
    X(written)          /* own: in the journal, by this process; all below too */                                      \
    X(left)             /* own: not acknowledged when this process began */                                            \
    X(sent)             /* own: for the first time */                                                                  \
    X(resent)           /* own: again, or by a later life than wrote them */                                           \
    X(acknowledged)     /* own: by the broker */                                                                       \
    X(replayed)         /* own: sent again because somebody had missed them */                                         \
    X(unwritten)        /* own: accepted, but dropped to make room, or the journal failed until the stop */            \
    X(pending)          /* own: written, not acknowledged */                                                           \
    X(baseline)         /* a seq: what lies before is not ours to have */                                              \
    X(before)           /* published before the baseline */                                                            \
    X(received)         /* in messages, repeated ones too */                                                           \
    X(delivered)        /* handed on to the dispatcher */                                                              \
    X(duplicates)       /* dropped: here already */                                                                    \
    X(healed)           /* delivered although their first message was missed */                                        \
    X(held)             /* wait for a gap before them to be healed */                                                  \
    X(gaps)             /* gaps, ever noticed */                                                                       \
    X(open_gaps)        /* gaps, not healed yet */                                                                     \
    X(lost_unspecified) /* for a reason that only a newer version knows, or for several */                             \
    X(lost_retention)   /* lost_*: own: given up before they were sent; else: will not come */                         \
    X(lost_overflow)                                                                                                   \
    X(lost_too_large)                                                                                                  \
    X(lost_corrupt)                                                                                                    \
    X(lost_unreachable)                                                                                                \
    X(lost_ranges)       /* ranges, lost, of which nobody has told the number yet: the next quiet moment does */       \
    X(dropped_malformed) /* messages, in a row of epoch 0: they belong to no stream */                                 \
    X(dropped_corrupt)                                                                                                 \
    X(dropped_foreign)                                                                                                 \
    X(joined) /* own, best effort: sent as part of another */

typedef struct weft_stream_account {
    const char *node; /* whose stream */
    uint64_t epoch;
    weft_topic topic;
    bool own;          /* published here; else received */
    bool based;        /* received: the baseline is known */
    bool before_known; /* received */
#define X(name) uint64_t name;
    WEFT_ACCOUNT_MAP(X)
#undef X
    int64_t unaccounted; /* published - before - delivered - lost at the last quiet moment */
} weft_stream_account;

typedef struct weft_account {
    const char *node;
    bool listener;                      /* only listens: it has no birth */
    uint64_t epoch;                     /* 0: of a listener */
    bool truncated;                     /* there are more streams */
    bool last;                          /* nothing of this account follows */
    uint64_t dropped_overflow;          /* messages that found a queue full, healed later, and events after the stop */
    uint64_t dropped_own;               /* own messages that came back */
    uint64_t refused;                   /* publishes refused */
    const weft_stream_account *streams; /* own ones first */
    size_t stream_count;
} weft_account;

uint64_t weft_stream_account_lost(const weft_stream_account *a);

/* Takes both sides of this node's account, each at one moment; what was received is at most 50 ms old.
 * Ownership: *ret is one block, release with weft_account_free. Returns OK or NO_MEMORY. */
weft_status weft_bridge_account(weft_bridge *b, weft_account **ret);
void weft_account_free(weft_account *a);

/* Takes an account, or the next part of one (until `last`), of another node. On a thread of the bridge; must not block.
 * The account is valid for the call. */
typedef void (*weft_account_fn)(const weft_account *account, void *user);

/* Asks a node, or with NULL all that are connected, for their accounts. Answers come until the next call, or the end of
 * the bridge; on_account may run once more while this returns. Returns OK, INVALID (a bad name) or NO_MEMORY. */
weft_status weft_bridge_ask_accounts(weft_bridge *b, const char *node, weft_account_fn on_account, void *user);

#ifdef __cplusplus
}
#endif
#endif

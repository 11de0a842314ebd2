/* core/snapshot.h: the subscriptions at one moment, as publishers read them.
 *
 * Never changed once published: every change makes a new one. It lists its subscriptions in chunks of up to 64, which
 * snapshots share: a change makes one chunk anew. A chunk holds a word for each event type with a bit for each of its
 * subscriptions that wants it. Freed when it is no longer current and no slot guards it. */
#ifndef WEFT_CORE_SNAPSHOT_H
#define WEFT_CORE_SNAPSHOT_H

#include "core/intercept.h"
#include "core/rate_limit.h"
#include "core/subscription.h"
#include "weft/tap.h"

enum { WEFT__CHUNK_MAX = 64 };

/* What a publisher looks at; `sub` holds the rest. */
typedef struct weft__entry {
    _Alignas(WEFT__CACHE_LINE) weft_handler_fn handler;
    void *user;
    uint64_t id;
    const weft__conditions *conditions; /* NULL: the type alone decides */
    weft__subscription *sub;            /* a reference */
    weft__tally_place tally;            /* the subscription's */
} weft__entry;

/* A text that some entries ask for: without it none of them wants the event. */
typedef struct weft__demand {
    uint64_t entries; /* a bit each */
    const weft__symbol *symbol;
    size_t text_at; /* offset in the event */
} weft__demand;

typedef struct weft__chunk {
    atomic_uint refs;
    unsigned count;
    weft__tally_place row; /* counts events by type that went to all who want it; in every slot */
    uint32_t row_index;
    struct weft__chunk_list *list; /* const after create */
    struct weft__chunk *next;      /* [writer] in the list */
    weft__type_set types;          /* union over the entries */
    weft__type_set asking;         /* union over those with texts, and the special */
    weft__type_set special;        /* union over those that are picky or not open */
    uint32_t remote_topics;        /* that some entry wants from other hosts */
    uint64_t picky;                /* entries of which more is to be asked than type and texts */
    uint64_t open;                 /* entries whose state needs no look while nothing changes */
    size_t demand_count, demand_max;
    weft__demand *demands;                 /* behind the entries; each pair of ask and symbol once */
    uint64_t wants[WEFT_EVENT_TYPE_COUNT]; /* entries that want this type */
    weft__entry entries[];                 /* in the order of subscribing, which is that of the ids */
} weft__chunk;

/* All chunks of a dispatcher, also those of retired snapshots. */
typedef struct weft__chunk_list {
    weft__slots *slots;
    weft__chunk *first; /* [writer] */
} weft__chunk_list;

typedef struct weft__entries {
    weft__type_set types;   /* union over the chunks */
    weft__type_set asking;  /* likewise */
    weft__type_set special; /* likewise */
    size_t chunk_count;
    weft__chunk **chunks; /* a reference each */
} weft__entries;

typedef struct weft__tap {
    const weft_tap_ops *ops; /* NULL: none */
    void *user;
    uint64_t id; /* drawn like a subscription's */
} weft__tap;

/* What every local publish passes before it is matched. References. */
typedef struct weft__gates {
    weft__tap tap;
    weft__limiter *limiter;           /* NULL: none */
    weft__interceptors *interceptors; /* NULL: none */
} weft__gates;

typedef struct weft__snapshot {
    weft__entries queued;
    weft__entries inline_;
    weft__gates gates;
    weft__type_set careful; /* types of which not all takers are inline, or that pass a gate */
    /* Types that are not careful, and that somebody takes: */
    weft__type_set plain; /* nothing is to be asked of any taker */
    weft__type_set texts; /* of some taker a text */
    struct weft__snapshot *next_retired;
} weft__snapshot;

/* What the next snapshot has that the last had not. */
typedef struct weft__change {
    weft__subscription *add;    /* NULL: none */
    weft__subscription *remove; /* NULL: none */
    weft__subscription *renew;  /* its state has changed; NULL: none */
    const weft__gates *gates;   /* NULL: the same */
    bool all_careful;           /* history, or a rule of the dispatcher, wants to see every event */
} weft__change;

/* Makes the snapshot after `from` (NULL: the first). Returns NULL when memory is out. The caller holds the lock. */
weft__snapshot *weft__snapshot_create(weft__chunk_list *chunks, const weft__snapshot *from, const weft__change *change);
void weft__snapshot_destroy(weft__snapshot *snapshot);

/* Finds one that has not ended. */
weft__subscription *weft__snapshot_find(const weft__snapshot *snapshot, uint64_t id);
/* The same, also of one that has ended but is listed still: a one-shot while its handler runs. */
weft__subscription *weft__snapshot_find_listed(const weft__snapshot *snapshot, uint64_t id);
/* Stores the ids after `after` in rising order of the two lists taken together. Returns their number. */
size_t weft__snapshot_ids(const weft__snapshot *snapshot, uint64_t after, weft_subscription *ret, size_t max);
/* The topics that some subscription wants from other hosts. */
uint32_t weft__snapshot_remote_topics(const weft__snapshot *snapshot);

/* What all chunks have counted for a subscription: events, and the last of them. */
uint64_t weft__chunks_handled_locked(const weft__chunk_list *chunks, const weft__subscription *sub, uint64_t *ret_last);
/* Sets the counts of all chunks to zero. */
void weft__chunks_reset_locked(weft__chunk_list *chunks);

/* Replaces *current, frees what nobody guards any more, and leaves the rest on *retired, which holds at most one
 * snapshot for each level in use. The caller holds the lock of both. */
void weft__snapshot_replace_locked(weft__slots *slots, weft__guard *current, weft__snapshot **retired,
                                   weft__snapshot *next);

#endif

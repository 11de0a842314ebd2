/* bridge/deltas.h: best-effort events between publishers and the link thread: in memory, joined, bounded.
 *
 * A piece joins the newest entry of its call if it agrees with it in all but text and times, and both fit into
 * WEFT__DELTA_JOINED_BYTES. A call is what names the same ids, so the pieces of one stay in order, also across
 * variants. At the bound the oldest entry goes, whole.
 *
 * What has gathered leaves in rounds: at once, but while more than ROUND_PIECES come in ROUND_MS only every ROUND_MS.
 * A seq is not given here; whoever takes entries numbers them, and what was lost before them.
 *
 * Invariant  published = sent + joined + lost + waiting.
 * Threads    put: any; the rest: the link thread, unless it says otherwise. */
#ifndef WEFT_BRIDGE_DELTAS_H
#define WEFT_BRIDGE_DELTAS_H

#include "bridge/control.h"

#include <pthread.h>

enum {
    WEFT__DELTA_TOPIC = WEFT_TOPIC_DELTA, /* the one best-effort stream */
    WEFT__DELTA_JOINED_BYTES = 8 * 1024,
    WEFT__DELTA_ROUND_MS = 50,
    WEFT__DELTA_ROUND_PIECES = 10,
    WEFT__DELTA_BUCKETS = 1024,
};

typedef struct weft__delta {
    struct weft__delta *next; /* the next younger */
    struct weft__delta *next_alike;
    uint64_t call;
    bool newest;             /* of its call: in its bucket */
    const weft_event *first; /* kept */
    char *text;              /* of all pieces; NULL: the first's own */
    size_t length, capacity;
    uint64_t pieces;
    size_t bytes;
} weft__delta;

typedef struct weft__deltas_counts {
    uint64_t published;
    uint64_t sent;   /* events */
    uint64_t joined; /* pieces that went as part of another's event */
    uint64_t lost[WEFT_LOST_UNREACHABLE + 1];
    uint64_t waiting;
    uint64_t refused;
} weft__deltas_counts;

typedef struct weft__deltas {
    pthread_mutex_t mutex;
    const char *node;    /* const after init; outlives this */
    size_t max_bytes;    /* const after init */
    size_t max_entries;  /* const after init */
    weft__delta *oldest; /* [mutex], all below too */
    weft__delta **tail;
    weft__delta *buckets[WEFT__DELTA_BUCKETS];
    size_t bytes;
    size_t entries;
    size_t joined_max;  /* bytes of an entry's text */
    uint64_t lost;      /* dropped from the front, and nobody has taken it */
    size_t round_left;  /* entries of the present round */
    int64_t round_ms;   /* when it began */
    int64_t slice;      /* of ROUND_MS, in which the last piece came, … */
    unsigned in_slice;  /* … and how many did … */
    unsigned in_before; /* … and in the one before */
    weft_status closed;
    weft__position end; /* what has been numbered */
    weft__deltas_counts counts;
} weft__deltas;

/* 0: the default bound. */
void weft__deltas_init(weft__deltas *d, const char *node, size_t max_bytes, size_t max_entries);
void weft__deltas_fini(weft__deltas *d);

static inline bool weft__is_best_effort(weft_topic topic)
{
    return ((uint32_t)topic & (uint32_t)WEFT_TOPICS_BEST_EFFORT) != 0;
}

/* Whether an event can be put at all. Returns OK or TOO_LARGE. Threads: any. */
weft_status weft__delta_check(const weft_event *event);
/* Takes a piece, and sets its id; without memory it is lost, counted. *ret_first: nothing waited, the link thread is to
 * be woken. Returns OK, TOO_LARGE, or the status of weft__deltas_close. Threads: any. */
weft_status weft__deltas_put(weft__deltas *d, weft_event *event, int64_t now_ms, bool *ret_first);
/* From now on refuses all. The first status stays. Threads: any. */
void weft__deltas_close(weft__deltas *d, weft_status status);

/* When something may be taken: 0 now, else in so many ms; below 0: nothing waits. */
int64_t weft__deltas_due_ms(weft__deltas *d, int64_t now_ms);
/* The oldest entries of the round, at least one and as many as surely encode to max_bytes; linked by next. NULL: the
 * round is over. *ret_lost: pieces lost before them. Ownership: free each with weft__delta_free. */
weft__delta *weft__deltas_take(weft__deltas *d, size_t max_bytes, uint64_t *ret_lost);
void weft__delta_free(weft__delta *delta);
/* The event that an entry is. Ownership: borrows from the entry. */
void weft__delta_event(const weft__delta *delta, uint64_t epoch, uint64_t seq, weft_event *ret);

/* Seqs up to last_seq were given to so many events. */
void weft__deltas_numbered(weft__deltas *d, uint64_t epoch, uint64_t last_seq, uint64_t events);
/* So many events, of so many pieces, that were taken have been sent, or are lost. */
void weft__deltas_sent(weft__deltas *d, uint64_t events, uint64_t pieces);
void weft__deltas_lose(weft__deltas *d, uint64_t events, uint64_t pieces, weft_lost_reason reason);
/* The broker takes messages up to so many bytes: no entry shall outgrow one. */
void weft__deltas_fit(weft__deltas *d, size_t max_message_bytes);
/* What waits is lost: nobody will send it. */
void weft__deltas_give_up(weft__deltas *d);

/* Where the stream of an epoch has come to. False: nowhere. Threads: any, all below too. */
bool weft__deltas_position(weft__deltas *d, uint64_t epoch, weft__position *ret);
void weft__deltas_get_counts(weft__deltas *d, weft__deltas_counts *ret);
/* How many pieces have been published, and how many of them do not wait any more. */
uint64_t weft__deltas_published(weft__deltas *d);
uint64_t weft__deltas_settled(weft__deltas *d);

#endif

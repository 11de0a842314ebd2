/* bridge/stream.h: what a receiver knows of one stream (node, epoch, topic): a high-water mark, the open holes below
 * it, and the events held back until a hole is healed.
 *
 * An event is handed on in one of three ways: in order; held behind a hole and handed on in order when the hole closes
 * or its time is up; or, when it arrives for a hole that no longer holds others back, at once and marked as replayed.
 *
 *   no baseline --first batch / birth / beat--> based (guessed from a beat: until the first message lowers it)
 *   hole: holding --hold over--> late --healed / declared lost--> closed
 *
 * A best-effort stream has no holes: what is missing when something later comes, or a beat tells of it, is lost.
 *
 * A patient stream holds for as long as an answer is coming in: the past before the present, however long it is. What
 * it cannot hold then it forgets again, as part of a hole, and is asked for later.
 *
 * Invariant  a seq is handed on at most once. Everything up to `high` is settled, but for the holes.
 * Threads    none of its own; the downlink's. */
#ifndef WEFT_BRIDGE_STREAM_H
#define WEFT_BRIDGE_STREAM_H

#include "bridge/seq_ranges.h"
#include "weft/account.h"

enum { WEFT__HELD_MAX = 10000 };

typedef struct weft__stream_ops {
    /* Takes an event to be delivered, in the order of the calls; keeps its own reference. late: out of order. False:
     * it is not wanted, being older than what is. */
    bool (*deliver)(void *user, const weft_event *event, bool late);
    void (*lost)(void *user, const weft_lost *lost);
    void *user;
} weft__stream_ops;

/* uint64_t only: they are added up as an array. */
typedef struct weft__stream_counts {
    uint64_t received;
    uint64_t delivered;
    uint64_t duplicates;
    uint64_t gaps;
    uint64_t healed;
    uint64_t lost_reports;
    uint64_t lost[WEFT_LOST_REASON_COUNT];
    uint64_t lost_ranges[WEFT_LOST_REASON_COUNT]; /* whose number of events nobody has told */
} weft__stream_counts;

/* An outstanding question for a hole. */
typedef struct weft__ask {
    uint64_t request; /* 0: none */
    uint64_t from;
    uint64_t to; /* UINT64_MAX: as far as there is */
    uint32_t next_index;
    bool broken; /* a part of the answer is missing */
    int64_t deadline_ms;
} weft__ask;

typedef struct weft__stream {
    struct weft__stream *next;
    char node[WEFT_NAME_MAX_BYTES + 1];
    uint64_t epoch;
    weft_topic topic;
    bool patient;     /* const after create */
    bool best_effort; /* const after create */
    bool endless;     /* how far it goes is not known: all that there is will be asked for */
    bool changed;     /* since somebody looked, in the list by next_changed */
    struct weft__stream *next_changed;
    struct weft__stream *next_watched, *previous_watched; /* NULL: nothing of it is due, and it is shown as it is */
    bool based;
    bool capped;  /* a beat has told where the stream was: the baseline is not above `cap` */
    bool guessed; /* the baseline is `cap` because no message has come */
    uint64_t cap;
    uint64_t high;
    weft__seq_ranges holes;
    int64_t hold_until_ms;   /* of the youngest holding hole; 0: nothing is held back */
    uint64_t hold_from;      /* events above this wait */
    const weft_event **held; /* by seq */
    size_t held_count;
    size_t held_capacity;
    uint64_t suspected; /* a beat or a birth told of this seq; 0: nothing open */
    int64_t suspected_ms;
    uint64_t suspected_later; /* was told of while another suspicion was open; 0: nothing */
    int64_t suspected_later_ms;
    weft__ask ask;
    uint32_t ask_failures;
    int64_t ask_after_ms;
    int64_t oldest_hole_ms; /* since when there is a hole, and nobody has answered for one */
    uint64_t used;          /* when it was used last, in the order of what the downlink saw */

    /* the account */
    weft__stream_counts counts;
    uint64_t baseline;
    uint64_t before; /* events before the baseline, or older than what is wanted, if that is known */
    bool before_known;
    uint64_t told_seq, told_events; /* so many, the publisher says, the stream holds up to that seq; 0: it has not */
    int64_t unaccounted;
    int64_t complained;          /* of unaccounted, what has been said */
    bool unshown;                /* `shown` is not up to date */
    weft__stream_counts counted; /* what is in the downlink's totals */
    weft_stream_account shown;   /* [the downlink's mutex] as others may see it */
} weft__stream;

weft__stream *weft__stream_create(const char *node, uint64_t epoch, weft_topic topic, bool patient);
/* Releases held events without delivering them. */
void weft__stream_destroy(weft__stream *s);

/* Sets the baseline: nothing up to seq, or the cap if that is lower, is expected. No effect once based. */
void weft__stream_base(weft__stream *s, uint64_t seq);
/* Tells a stream without a baseline what it had reached when we were first told. No effect the second time. */
void weft__stream_cap(weft__stream *s, uint64_t seq);
/* The first message of the stream begins behind seq: a baseline that was guessed is not above that. What lies between
 * becomes a hole. */
void weft__stream_begin(weft__stream *s, uint64_t seq, int64_t now_ms);

/* Takes the events of one message: (prev_seq, last] is covered by it. */
void weft__stream_take(weft__stream *s, uint64_t prev_seq, const weft_event *const *events, size_t count,
                       int64_t now_ms, uint32_t hold_ms, const weft__stream_ops *ops);

/* Everything in [from, to] that is still missing does not exist. */
void weft__stream_settle(weft__stream *s, uint64_t from, uint64_t to, const weft__stream_ops *ops);
/* Everything in the range that is still missing is lost, and reported; what has been settled is not. Only range, count
 * and reason are used; the count is passed on if all of the range is missing. */
void weft__stream_lose(weft__stream *s, const weft_lost *lost, const weft__stream_ops *ops);

/* The stream surely reaches seq: what is not here yet of it is a hole. */
void weft__stream_reach(weft__stream *s, uint64_t seq, int64_t now_ms, uint32_t hold_ms, const weft__stream_ops *ops);
/* The publisher says that the stream holds so many events up to seq (0: it does not know). Once all of them are settled
 * here, the account must agree. */
void weft__stream_tell(weft__stream *s, uint64_t seq, uint64_t events);
/* Looks whether this is a quiet moment: the stream has come to where its publisher stood, and nothing is missing or
 * held back. */
void weft__stream_account_check(weft__stream *s);
/* Brings `shown` up to date. Under the lock that it has. */
void weft__stream_show(weft__stream *s);

/* Somebody says the stream reaches seq: if it has not by now + grace_ms, that is a gap. */
void weft__stream_suspect(weft__stream *s, uint64_t seq, int64_t now_ms, int64_t grace_ms);

/* Whether something below seq may still be handed on after what has been. */
bool weft__stream_lacks(const weft__stream *s, uint64_t seq);

/* What is settled, for a later weft__stream_restore: everything up to *ret_high but for the first *ret_holes holes.
 * Events that are held back count as missing. */
void weft__stream_settled(const weft__stream *s, uint64_t *ret_high, size_t *ret_holes);
/* Goes on from there; s is new. Returns OK, INVALID (holes that cannot be) or NO_MEMORY. */
weft_status weft__stream_restore(weft__stream *s, uint64_t high, const weft__seq_range *holes, size_t count,
                                 int64_t now_ms);

/* An answer is coming in: a patient stream goes on holding. */
void weft__stream_hold_on(weft__stream *s, int64_t now_ms, uint32_t hold_ms);

/* Lets time pass: suspicions become holes, holds end. */
void weft__stream_tick(weft__stream *s, int64_t now_ms, uint32_t hold_ms, const weft__stream_ops *ops);

#endif

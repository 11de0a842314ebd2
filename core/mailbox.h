/* core/mailbox.h: what waits for one queued subscription: kept events and loss records, in a bounded queue.
 *
 * A lane for each priority: what is taken next is the oldest of the highest priority. A put that finds the mailbox full
 * drops the oldest or the newest, hands the newest back, or waits; what was dropped is summed up and handed out with
 * the next take, so that the subscriber learns of it in its place. */
#ifndef WEFT_CORE_MAILBOX_H
#define WEFT_CORE_MAILBOX_H

#include <pthread.h>
#include <stdatomic.h>

#include "core/spinlock.h"
#include "weft/dispatcher.h"

enum { WEFT__LANES = WEFT_PRIORITY_CRITICAL, WEFT__BATCH_MAX = 64 };

/* Either a kept event, with where it came from, or a loss record; whoever holds the mail owns it. */
typedef struct weft__mail {
    uintptr_t packed; /* pointer, and in its two lowest bits what it is; 0: nothing */
} weft__mail;

weft__mail weft__mail_of_event(const weft_event *kept, weft_origin origin);
weft__mail weft__mail_of_lost(weft_lost *lost);
/* NULL if it is not one. */
const weft_event *weft__mail_event(weft__mail mail);
const weft_lost *weft__mail_lost(weft__mail mail);
weft_origin weft__mail_origin(weft__mail mail);
void weft__mail_release(weft__mail mail);

typedef enum weft__mailbox_state {
    WEFT__MAILBOX_OPEN,
    WEFT__MAILBOX_STOPPED, /* refuses until opened again */
    WEFT__MAILBOX_CLOSED,  /* of an ended subscription, for good */
} weft__mailbox_state;

/* What a put does when a mailbox that blocks is full. */
typedef enum weft__put_mode {
    WEFT__PUT_TRY,  /* returns FULL; the mail stays the caller's */
    WEFT__PUT_WAIT, /* waits for room up to the deadline, then drops */
    WEFT__PUT_NOW,  /* drops */
} weft__put_mode;

typedef enum weft__put_result {
    WEFT__PUT_STORED,
    WEFT__PUT_DISPLACED, /* stored; another mail was dropped for it */
    WEFT__PUT_DROPPED,   /* full: the new mail was dropped */
    WEFT__PUT_FULL,      /* full: nothing was done */
    WEFT__PUT_DEAD,      /* full: the mail stays the caller's, to be made a dead letter */
    WEFT__PUT_STOPPED,   /* refused, dropped */
    WEFT__PUT_CLOSED,    /* refused, dropped */
} weft__put_result;

typedef struct weft__mailbox_opts {
    uint32_t max;
    weft_overflow overflow;
    uint32_t block_ms;
    uint32_t concurrency; /* workers at once, at least 1 */
    bool paused;
} weft__mailbox_opts;

/* A ring that grows up to the mailbox's bound, and a batch put back. */
typedef struct weft__lane {
    weft__mail *ring;
    uint32_t room; /* a power of two, or 0 */
    uint32_t head;
    uint32_t depth;
} weft__lane;

typedef struct weft__mailbox {
    weft__spinlock lock;           /* taken inside room_lock */
    weft__lane lanes[WEFT__LANES]; /* [lock] from low to critical */
    weft__mailbox_state state;     /* [lock] */
    atomic_uint depth;             /* [lock] to write */
    uint32_t workers;              /* [lock] that have it */
    uint32_t in_hand;              /* [lock] lane of what a worker took last, plus 1; 0: none */
    uint32_t blocked;              /* [lock] threads waiting for room */
    uint64_t untold;               /* [lock] events dropped since the last take */
    bool scheduled;                /* [lock] its job is queued */
    bool paused;                   /* [lock] */
    atomic_bool urgent;            /* [lock] to write: what is in hand should be put back */
    pthread_mutex_t room_lock;     /* of threads that wait for room */
    pthread_cond_t room;           /* [room_lock] */
    weft__mailbox_opts opts;       /* const after init */
    _Alignas(64) atomic_uint held; /* mails in a worker's hand behind the one it handles; that worker writes */
} weft__mailbox;

/* Returns OK or NO_MEMORY. Takes no memory for mails yet. */
weft_status weft__mailbox_init(weft__mailbox *box, const weft__mailbox_opts *opts);
/* Releases what is left in it. */
void weft__mailbox_fini(weft__mailbox *box);

/* Puts a mail, which is the mailbox's from here on unless the result is FULL or DEAD.
 * *ret_dropped_events: how many events (not records) were dropped by this call.
 * *ret_schedule: the mailbox's job must be given to a worker. */
weft__put_result weft__mailbox_put(weft__mailbox *box, weft__mail mail, weft__put_mode mode,
                                   uint64_t *ret_dropped_events, bool *ret_schedule);
/* Counts n events as lost by overflow that could not even be put. Returns whether its job must be given to a worker. */
bool weft__mailbox_miss(weft__mailbox *box, uint64_t n);

/* What a worker has taken. */
typedef struct weft__batch {
    weft__mail mails[WEFT__BATCH_MAX]; /* of one lane */
    unsigned count;
    uint64_t untold; /* losses to tell before them */
} weft__batch;

/* A worker has begun to run the job, and takes a first batch. */
void weft__mailbox_begin(weft__mailbox *box);
/* Takes the oldest mails of the highest lane, at most max: one at a time where several workers share. Returns false,
 * with an empty batch, if there is nothing to take or tell. *ret_schedule: another worker may join. */
bool weft__mailbox_take(weft__mailbox *box, unsigned max, weft__batch *ret, bool *ret_schedule);
/* Puts the mails of a batch from `from` on back where they were, so that what is urgent goes first; the
 * mailbox holds more than its bound then if others have come since. Returns STORED; FULL: nothing done, memory is out;
 * STOPPED or CLOSED: they were dropped, *ret_dropped_events of them events. */
weft__put_result weft__mailbox_put_back(weft__mailbox *box, weft__batch *batch, unsigned from,
                                        uint64_t *ret_dropped_events);
/* The worker leaves. Returns whether the job must be given to a worker again. */
bool weft__mailbox_rest(weft__mailbox *box);

/* Changes the state; leaving OPEN drops everything and wakes the blocked. A closed mailbox stays closed. Returns the
 * number of events dropped. */
uint64_t weft__mailbox_set_state(weft__mailbox *box, weft__mailbox_state state);
/* Returns whether its job must be given to a worker. */
bool weft__mailbox_pause(weft__mailbox *box, bool paused);

static inline uint32_t weft__mailbox_depth(const weft__mailbox *box)
{
    return atomic_load_explicit(&box->depth, memory_order_relaxed);
}

/* A worker goes on to the next mail of its batch; `behind` more follow it. */
static inline void weft__mailbox_hold(weft__mailbox *box, unsigned behind)
{
    atomic_store_explicit(&box->held, behind, memory_order_relaxed);
}

/* Mails that no handler has been called for yet. */
static inline uint32_t weft__mailbox_waiting(const weft__mailbox *box)
{
    return weft__mailbox_depth(box) + atomic_load_explicit(&box->held, memory_order_relaxed);
}

static inline bool weft__mailbox_is_urgent(const weft__mailbox *box)
{
    return atomic_load_explicit(&box->urgent, memory_order_relaxed);
}

#endif

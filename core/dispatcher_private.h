/* core/dispatcher_private.h: the dispatcher, as the files that make it up see it.
 *
 *   dispatcher.c  create, stop, start, destroy, publish       deliver.c  from an event to handlers and mailboxes
 *   subscribe.c   subscribe, unsubscribe                      tap.c      what a bridge attaches to
 *   stats.c       totals
 *
 * Locks, each may be held while taking one further right: lifecycle | interest_lock > writer > those of mailboxes,
 * pool, slots and history (leaves). Handlers, predicates and the tap run under none of them. */
#ifndef WEFT_CORE_DISPATCHER_PRIVATE_H
#define WEFT_CORE_DISPATCHER_PRIVATE_H

#include "core/history.h"
#include "core/snapshot.h"

enum {
    WEFT__SUBSCRIPTIONS_MAX = 65536,
    WEFT__WORKERS_MAX = 256,
    WEFT__CLOCK_SKEW_MS = 5000, /* granted to the clocks of other hosts */
};

/* running → stopping → stopped → running */
typedef enum weft__dispatcher_state {
    WEFT__RUNNING,
    WEFT__STOPPING,
    WEFT__STOPPED,
} weft__dispatcher_state;

struct weft_dispatcher {
    /* Read by every publish, written by the rare changes. */
    _Alignas(WEFT__CACHE_LINE) weft__guard current; /* written under [writer] */
    atomic_int state;                               /* weft__dispatcher_state */
    _Atomic uint64_t tap_id;                        /* of the attached tap, 0: none; written under [writer] */
    const weft_clock *clock;                        /* const after create */
    weft__slots slots;

    pthread_mutex_t writer;
    weft__snapshot *retired; /* [writer] */
    uint64_t last_id;        /* [writer] */

    pthread_mutex_t lifecycle; /* one stop at a time */
    weft__slot **worker_slots; /* const after create, one for each worker */
    weft__pool pool;
    weft__history history;
    weft__counters shared; /* counts of those who hold no slot */

    pthread_mutex_t interest_lock;
    pthread_cond_t interest_told; /* [interest_lock] */
    bool interest_telling;        /* [interest_lock] a call to the tap runs */
    uint64_t interest_tap;        /* [interest_lock] the tap told last */
    uint32_t interest_topics;     /* [interest_lock] what it was told */
};

/* ---- deliver.c ---- */

/* Whether an event of this origin is past its time to live. */
bool weft__event_expired(const weft_event *event, weft_origin origin, int64_t now_ms);

/* Hands an accepted event to history, mailboxes and inline handlers of the snapshot that the slot guards. */
void weft__deliver(weft_dispatcher *d, weft__slot *slot, const weft_event *event, weft_origin origin);
/* Hands a loss record to the subscriptions that could have got the events. */
void weft__deliver_lost(weft_dispatcher *d, weft__slot *slot, const weft_lost *lost);
/* One turn of a queued subscription; the pool's job function. */
void weft__deliver_turn(weft__job *job, unsigned worker, void *dispatcher);

/* ---- tap.c ---- */

/* Tells the tap if what it was told last is no longer true. Not while holding a lock. */
void weft__interest_refresh(weft_dispatcher *d);

/* ---- stats.c ---- */

uint64_t weft__stats_total(weft_dispatcher *d, weft__count count);

static inline void weft__count_in_slot(weft__slot *slot, weft__count count, uint64_t n)
{
    weft__count_own(&slot->counters.totals[count], n);
}

static inline void weft__count_unslotted(weft_dispatcher *d, weft__count count, uint64_t n)
{
    weft__count_shared(&d->shared.totals[count], n);
}

#endif

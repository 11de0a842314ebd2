/* core/dispatcher_private.h: the dispatcher, as the files that make it up see it.
 *
 *   dispatcher.c  create, stop, start, destroy               publish.c    from weft_publish to the gates and on
 *   subscribe.c   subscribe, unsubscribe, pause, list        deliver.c    from an event to handlers and mailboxes
 *   gates.c       rate limits, interceptors                  handle.c     calling a handler, and what if it fails
 *   tap.c         what a bridge attaches to                  turn.c       a worker's turn with a mailbox
 *   stats.c       totals, reset                              stall.c      handlers that run for too long
 *
 * Locks, each may be held while taking one further right: lifecycle | interest_lock > writer > those of mailboxes,
 * pool, slots, symbols, history and dead letters (leaves). Handlers, predicates, interceptors and the tap run under
 * none of them. */
#ifndef WEFT_CORE_DISPATCHER_PRIVATE_H
#define WEFT_CORE_DISPATCHER_PRIVATE_H

#include "core/dead_letters.h"
#include "core/event_private.h"
#include "core/history.h"
#include "core/request_private.h"
#include "core/snapshot.h"
#include "core/stall.h"

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
    weft__guard calm;                               /* what current is, unless something listed in it has ended; never
                                                     * followed. Written under [writer] */
    atomic_int state;                               /* weft__dispatcher_state */
    _Atomic uint64_t tap_id;                        /* of the attached tap, 0: none; written under [writer] */
    const weft_clock *clock;                        /* const after create */
    bool all_careful;                               /* const after create: history, or always_validate */
    weft__slots slots;
    weft__symbols symbols;
    weft__home home; /* const after create */
    weft__ended_requests ended_requests;

    pthread_mutex_t writer;
    weft__snapshot *retired;     /* [writer] */
    weft__chunk_list chunks;     /* [writer] */
    uint64_t last_id;            /* [writer] */
    uint32_t subscription_count; /* [writer] */

    pthread_mutex_t lifecycle; /* one stop at a time */
    weft__pool pool;
    weft__history history;
    weft__dead_letters dead_letters;
    weft__stall_watch stall_watch;
    weft__counters shared;   /* counts of those who hold no slot */
    weft__counters baseline; /* [writer] what had been counted at the last reset */

    pthread_mutex_t interest_lock;
    pthread_cond_t interest_told; /* [interest_lock] */
    bool interest_telling;        /* [interest_lock] a call to the tap runs */
    uint64_t interest_tap;        /* [interest_lock] the tap told last */
    uint32_t interest_topics;     /* [interest_lock] what it was told */
};

static inline const weft__snapshot *weft__current_locked(weft_dispatcher *d)
{
    return atomic_load_explicit(&d->current, memory_order_relaxed);
}

/* Where a call stands: its thread's slot and level in it. */
typedef struct weft__place {
    weft_dispatcher *d;
    weft__slot *slot;
    weft__level *level;
} weft__place;

/* Begins a level for reading the subscriptions; ends it. Returns OK, NESTED or NO_MEMORY. */
weft_status weft__place_begin(weft__place *ret, weft_dispatcher *d);
static inline void weft__place_end(const weft__place *p)
{
    weft__slot_end(&p->d->slots, p->slot, p->level);
}

/* ---- publish.c ---- */

/* weft_publish_checked, without delivering to one subscription. */
weft_status weft__publish_except(weft_dispatcher *d, const weft_event *event, weft_subscription except,
                                 const char **ret_field);

/* ---- gates.c ---- */

/* Leads a lent event past rate limits, interceptors and tap, and delivers what comes through. */
weft_status weft__gates_pass(const weft__place *p, weft__loan *loan, uint64_t except, const char **ret_field);

/* ---- deliver.c ---- */

/* Whether an event of this origin is past its time to live. */
bool weft__event_expired(const weft_event *event, weft_origin origin, int64_t now_ms);

/* Hands an accepted event to history, mailboxes and inline handlers of the place's snapshot. loan: the event's, if it
 * is lent, else NULL. except: id of a subscription that does not get it, 0 of none. */
void weft__deliver(const weft__place *p, const weft_event *event, weft__loan *loan, weft_origin origin,
                   uint64_t except);
/* The same if nobody but inline handlers takes it. */
void weft__deliver_inline(const weft__place *p, const weft_event *event, weft_origin origin, uint64_t except);
/* Hands a loss record to the subscriptions that could have got the events. */
void weft__deliver_lost(const weft__place *p, const weft_lost *lost);
/* Puts one kept event into a queued subscription's mailbox. Takes the reference. */
void weft__deliver_to_queue(const weft__place *p, weft__subscription *sub, const weft_event *kept, weft_origin origin);

/* ---- handle.c ---- */

/* Hands an event to a subscription: unless it has ended, is suspended or has handled its only event, calls the handler
 * as often as its attempts allow. Begins and ends running its code. timed: the call's
 * time is taken. */
void weft__handle(const weft__place *p, weft__subscription *sub, const weft_event *event, weft_origin origin,
                  bool timed);
/* Tells a subscription of events that it will not get, if it wants to know and has not ended. */
void weft__handle_lost(const weft__place *p, weft__subscription *sub, const weft_lost *lost);
/* Counts a call that returned anything but OK. */
void weft__handle_failed(const weft__place *p, weft__subscription *sub);
/* What follows once the last attempt at an event has failed. */
void weft__handle_gave_up(const weft__place *p, weft__subscription *sub, const weft_event *event, weft_origin origin,
                          weft_status status, uint32_t attempts);
/* Makes a dead letter of an event. */
void weft__bury(const weft__place *p, weft__subscription *sub, const weft_event *event, weft_origin origin,
                weft_dead_reason reason, weft_status status, uint32_t attempts);

/* ---- turn.c ---- */

/* One turn of a queued subscription; the pool's job function. */
void weft__turn(weft__job *job, unsigned worker, void *dispatcher);

/* ---- subscribe.c ---- */

/* Installs the next snapshot. Returns OK or NO_MEMORY: then nothing has changed, but readers look twice. */
weft_status weft__change_locked(weft_dispatcher *d, const weft__change *change);
/* Takes an ended one-shot off the list. */
void weft__subscription_retire(weft_dispatcher *d, weft__subscription *sub);
/* Resumes; lifts a suspension too. */
void weft__subscription_resume_locked(weft_dispatcher *d, weft__subscription *sub);

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

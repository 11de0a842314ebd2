/* core/subscription.h: one subscription: what it wants, whom it calls, and its statistics.
 *
 * Referenced by the snapshots that list it and by the pool while it is scheduled; the last to let go frees it. */
#ifndef WEFT_CORE_SUBSCRIPTION_H
#define WEFT_CORE_SUBSCRIPTION_H

#include <assert.h>
#include <stdatomic.h>

#include "core/filter_private.h"
#include "core/mailbox.h"
#include "core/name.h"
#include "core/pool.h"
#include "core/slots.h"

enum { WEFT__SAMPLE_EVERY = 1024 };

/* All but the first and every 1,024th that is counted here are common: they are not timed. */
static inline bool weft__count_is_common(const _Atomic uint64_t *count)
{
    return weft__count_read(count) % WEFT__SAMPLE_EVERY != 0;
}

/* Bits of weft__subscription.state; without any it is open. */
enum {
    WEFT__SUB_DEAD = 1,      /* unsubscribed, or a one-shot that has been used; set once */
    WEFT__SUB_PAUSED = 2,    /* by its user */
    WEFT__SUB_SUSPENDED = 4, /* it failed too often */
    WEFT__SUB_UNWANTED = 8,  /* weft_unsubscribe was called for it, be it a used one-shot; set once */
};

/* What only a queued subscription has. */
typedef struct weft__queue {
    weft__job job;
    struct weft__subscription *owner; /* const after create */
    weft__mailbox mailbox;            /* own lock */
    _Atomic uint64_t dropped_overflow;
    _Atomic uint64_t expired;
    _Atomic int64_t rested_ns; /* when a worker left it last */
} weft__queue;

/* Whom subscriptions belong to. */
typedef struct weft__home {
    weft__slots *slots;
    weft__symbols *symbols;
} weft__home;

/* Counts that are seldom added to have 32 bits: there may be tens of thousands of these. */
typedef struct weft__subscription {
    uint64_t id; /* const after subscribe */
    atomic_uint refs;
    atomic_uint state;      /* WEFT__SUB_* */
    atomic_uint failures;   /* events in a row */
    uint32_t failures_max;  /* const after create, as all below; 0: any number */
    uint32_t attempts : 31; /* at least 1 */
    bool once : 1;
    uint32_t tally; /* index */
    weft_handler_fn handler;
    weft_lost_fn on_lost;
    void *user;
    weft__filter filter;
    const weft__home *home; /* the dispatcher's */
    char *name;             /* NULL: none */
    weft__queue *queue;     /* NULL: inline */
    /* Chunks count for all of their subscriptions at once (core/snapshot.h). */
    _Atomic uint64_t handled_before; /* by chunks that are gone, less what a chunk counted that was not handled */
    uint64_t last_before;            /* [writer] likewise */
    _Atomic uint64_t errors;
    _Atomic uint64_t handler_ns;
    _Atomic uint32_t handler_timed;
    _Atomic uint32_t skipped_paused;
    _Atomic uint32_t stalls;
    _Atomic uint32_t dead_letters;
} weft__subscription;

static_assert(sizeof(weft__subscription) <= 152, "256 bytes a subscription, with its entry and the heap's own");

/* Creates one with one reference, without an id. Returns OK, INVALID, FULL or NO_MEMORY. */
weft_status weft__subscription_create(const weft__home *home, const weft_filter *filter,
                                      const weft_subscribe_opts *opts, weft_handler_fn handler, void *user,
                                      weft__subscription **ret);
void weft__subscription_ref(weft__subscription *sub);
void weft__subscription_unref(weft__subscription *sub);

weft__subscription *weft__subscription_of_job(weft__job *job);

static inline bool weft__subscription_has_ended(const weft__subscription *sub)
{
    return (atomic_load_explicit(&sub->state, memory_order_acquire) & WEFT__SUB_DEAD) != 0;
}

/* Ends it. Returns whether this call did: of several that try, one does. */
static inline bool weft__subscription_end(weft__subscription *sub)
{
    return (atomic_fetch_or(&sub->state, WEFT__SUB_DEAD) & WEFT__SUB_DEAD) == 0;
}

/* Whether each event must ask the subscription's state, beyond whether it has ended. */
static inline bool weft__subscription_is_special(const weft__subscription *sub)
{
    return sub->once || sub->attempts > 1 || sub->failures_max > 0 || atomic_load(&sub->state) != 0;
}

/* Calls the handler, timed. */
weft_status weft__subscription_call_timed(weft__subscription *sub, const weft_clock *clock, const weft_event *event);

static inline uint64_t weft__tally_last(const weft_event *event)
{
    return (uint64_t)event->timestamp_ms << 8 | weft__type_index(event->type);
}

/* handled, last: what chunks have counted. */
void weft__subscription_read_stats(weft__subscription *sub, uint64_t handled, uint64_t last,
                                   weft_subscription_stats *ret);
void weft__subscription_reset_stats(weft__subscription *sub);

#endif

/* core/subscription.h: one subscription: what it wants, whom it calls, its mailbox and its statistics.
 *
 * Referenced by the snapshots that list it and by the pool while it is scheduled; the last to let go frees it. */
#ifndef WEFT_CORE_SUBSCRIPTION_H
#define WEFT_CORE_SUBSCRIPTION_H

#include <stdatomic.h>

#include "core/filter_private.h"
#include "core/mailbox.h"
#include "core/pool.h"
#include "core/slots.h"

enum { WEFT__STRIPES = 8, WEFT__SAMPLE_EVERY = 1024 };

/* One cache line of counters; publishers on different slots mostly find different ones. */
typedef struct weft__stripe {
    _Alignas(WEFT__CACHE_LINE) _Atomic uint64_t handled;
    _Atomic uint64_t errors;
    _Atomic uint64_t dropped_overflow;
    _Atomic uint64_t expired;
    _Atomic uint64_t handler_ns;
    _Atomic uint64_t handler_timed;
    _Atomic uint64_t last; /* accepted_ms << 8 | type of the last event handled */
} weft__stripe;

typedef struct weft__subscription {
    uint64_t id; /* const after subscribe */
    atomic_uint refs;
    atomic_bool dead;        /* set once; no handler begins after it */
    weft_handler_fn handler; /* const after create, as all below */
    weft_lost_fn on_lost;
    void *user;
    weft__filter *filter;
    bool queued;
    char name[64];
    weft__job job;         /* queued only, as the next */
    weft__mailbox mailbox; /* own lock */
    weft__stripe stripes[WEFT__STRIPES];
} weft__subscription;

/* Creates one with one reference, without an id. Returns OK, INVALID or NO_MEMORY. */
weft_status weft__subscription_create(const weft_filter *filter, const weft_subscribe_opts *opts,
                                      weft_handler_fn handler, void *user, weft__subscription **ret);
void weft__subscription_ref(weft__subscription *sub);
void weft__subscription_unref(weft__subscription *sub);

weft__subscription *weft__subscription_of_job(weft__job *job);

static inline weft__stripe *weft__subscription_stripe(weft__subscription *sub, const weft__slot *slot)
{
    return &sub->stripes[slot->index % WEFT__STRIPES];
}

/* Calls the handler and counts the call in the holder's slot and in the subscription's statistics. */
void weft__subscription_handle(weft__subscription *sub, weft__slot *slot, const weft_clock *clock,
                               const weft_event *event);

void weft__subscription_read_stats(weft__subscription *sub, weft_subscription_stats *ret);

#endif

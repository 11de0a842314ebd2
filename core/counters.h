/* core/counters.h: the dispatcher's totals, kept where no two threads write the same one.
 *
 * Every reader slot has a set that its holder alone writes: a plain load and store. One more set takes the rare counts
 * of whoever holds no slot. A total is the sum over all sets; it is exact once the threads are quiet. */
#ifndef WEFT_CORE_COUNTERS_H
#define WEFT_CORE_COUNTERS_H

#include <stdatomic.h>

#include "weft/dispatcher.h"

/* X(ENUM, member of weft_dispatcher_stats) */
#define WEFT__COUNT_MAP(X)                                                                                             \
    X(DELIVERED_REMOTE, delivered_remote)                                                                              \
    X(REFUSED_INVALID, refused_invalid)                                                                                \
    X(REFUSED_STOPPED, refused_stopped)                                                                                \
    X(REFUSED_BRIDGE, refused_bridge)                                                                                  \
    X(REFUSED_RATE, refused_rate)                                                                                      \
    X(REFUSED_NESTED, refused_nested)                                                                                  \
    X(REFUSED_MEMORY, refused_memory)                                                                                  \
    X(REFUSED_INTERCEPTOR, refused_interceptor)                                                                        \
    X(DROPPED_INTERCEPTOR, dropped_interceptor)                                                                        \
    X(SPLIT, split)                                                                                                    \
    X(HANDLED, handled)                                                                                                \
    X(HANDLER_ERRORS, handler_errors)                                                                                  \
    X(HANDLER_STALLS, handler_stalls)                                                                                  \
    X(DROPPED_OVERFLOW, dropped_overflow)                                                                              \
    X(DROPPED_UNSUBSCRIBED, dropped_unsubscribed)                                                                      \
    X(DROPPED_STOPPED, dropped_stopped)                                                                                \
    X(SKIPPED_PAUSED, skipped_paused)                                                                                  \
    X(DEAD_LETTERS, dead_letters)                                                                                      \
    X(DEAD_LETTERS_DISPLACED, dead_letters_displaced)                                                                  \
    X(LATE_REPLIES, late_replies)                                                                                      \
    X(EXPIRED, expired)                                                                                                \
    X(UNMATCHED, unmatched)

typedef enum weft__count {
#define X(name, member) WEFT__COUNT_##name,
    WEFT__COUNT_MAP(X)
#undef X
        WEFT__COUNT_COUNT
} weft__count;

typedef struct weft__counters {
    _Atomic uint64_t totals[WEFT__COUNT_COUNT];
    _Atomic uint64_t by_type[WEFT_EVENT_TYPE_COUNT]; /* published or brought */
} weft__counters;

/* Adds to a counter that only the calling thread writes at the moment. */
static inline void weft__count_own(_Atomic uint64_t *counter, uint64_t n)
{
    uint64_t before = atomic_load_explicit(counter, memory_order_relaxed);
    atomic_store_explicit(counter, before + n, memory_order_relaxed);
}

static inline void weft__count_shared(_Atomic uint64_t *counter, uint64_t n)
{
    atomic_fetch_add_explicit(counter, n, memory_order_relaxed);
}

static inline uint64_t weft__count_read(const _Atomic uint64_t *counter)
{
    return atomic_load_explicit(counter, memory_order_relaxed);
}

#endif

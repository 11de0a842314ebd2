/* core/slots.h: who reads the subscriptions, and whose code runs where.
 *
 * A thread that publishes or delivers claims a slot for the time of the call; a worker has one for its life. The slot
 *   - guards the snapshot its holder reads (a hazard pointer): a guarded snapshot is not freed,
 *   - names the subscription (or tap) whose code the holder runs, so that an unsubscribe can wait for just that,
 *   - holds counters that the holder alone writes.
 *
 * Both sides of every wait work by the same rule: each writes its own flag and then reads the other's, all sequentially
 * consistent, so that at least one of them sees the other.
 *   claim     guard := snapshot;  then read the current snapshot     retire   current := new;  then read the guards
 *   enter     running := id;      then read `dead`                   end      dead := true;    then read running
 *   leave     running, guard;     then read `waiters`                wait     waiters + 1;     then read running, guard
 *
 * Claiming costs one compare-and-swap, entering one store each, on a cache line that no other publisher writes. Slots
 * are grown (32 at a time, never given back) only while more publishes than ever before run at once, nested ones
 * included. */
#ifndef WEFT_CORE_SLOTS_H
#define WEFT_CORE_SLOTS_H

#include <pthread.h>
#include <stdatomic.h>

#include "core/counters.h"

struct weft__snapshot;
typedef _Atomic(struct weft__snapshot *) weft__guard;

enum { WEFT__SLOTS_A_BLOCK = 32, WEFT__CACHE_LINE = 64 };

typedef struct weft__slot {
    _Alignas(WEFT__CACHE_LINE) weft__guard guard; /* NULL: free */
    _Atomic uint64_t running;                     /* id whose code the holder runs; 0: none */
    _Atomic(const void *) owner;                  /* thread that claimed it last */
    _Atomic uint64_t finished;                    /* claims (of a worker: jobs) that have ended */
    unsigned index;                               /* const after create */
    weft__counters counters;                      /* holder only; anyone reads */
} weft__slot;

typedef struct weft__slot_block {
    weft__slot slots[WEFT__SLOTS_A_BLOCK];
    _Atomic(struct weft__slot_block *) next; /* set once */
} weft__slot_block;

/* A thread that waits for an id to come to rest. */
typedef struct weft__waiter {
    const void *thread;
    uint64_t id;
    struct weft__waiter *next;
} weft__waiter;

typedef struct weft__slots {
    atomic_uint waiters;     /* threads that want to be told of every leave */
    weft__slot_block *first; /* const after init */
    pthread_mutex_t lock;    /* leaf; nothing is locked inside it */
    pthread_cond_t left;     /* [lock] */
    weft__waiter *waiting;   /* [lock] */
} weft__slots;

/* Returns OK or NO_MEMORY. */
weft_status weft__slots_init(weft__slots *slots);
void weft__slots_fini(weft__slots *slots);

/* Claims a slot that guards what *current holds. Ownership: give it back with weft__slot_release, on this thread.
 * Returns NULL when memory is out. */
weft__slot *weft__slot_claim(weft__slots *slots, weft__guard *current);
void weft__slot_release(weft__slots *slots, weft__slot *slot);

/* Claims a slot for a worker's life, guarding nothing. Returns NULL when memory is out. */
weft__slot *weft__slot_reserve(weft__slots *slots);
/* Says that the calling thread is the worker of this slot. */
void weft__slot_adopt(weft__slot *slot);
/* A worker has run a handler to its end. */
void weft__slot_rest(weft__slots *slots, weft__slot *slot);

void weft__slots_notify(weft__slots *slots);

/* From here on the holder runs code of this id (0: of nobody). Ask whether the id is dead afterwards, not before. */
static inline void weft__slot_enter(weft__slots *slots, weft__slot *slot, uint64_t id)
{
    atomic_store(&slot->running, id);
    if (atomic_load(&slots->waiters) != 0)
        weft__slots_notify(slots);
}

/* What the slot guards. */
static inline const struct weft__snapshot *weft__slot_snapshot(const weft__slot *slot)
{
    return atomic_load_explicit(&slot->guard, memory_order_relaxed);
}

bool weft__slots_guard(weft__slots *slots, const struct weft__snapshot *snapshot);

/* Whether the calling thread holds any slot: it is inside a handler, predicate or tap. */
bool weft__slots_held_here(weft__slots *slots);
/* Whether the calling thread is inside code of this id. */
bool weft__slots_running_here(weft__slots *slots, uint64_t id);

/* Waits until no other thread runs code of a dead id. Does not wait if that cannot end: the caller is inside the id's
 * own code, or a thread that runs it waits in turn, directly or over others, for code that the caller is inside of. */
void weft__slots_wait_for(weft__slots *slots, uint64_t id);

/* Waits until every claim (and job of a worker) that had begun before the call has ended. Not while holding a slot.
 * deadline may be NULL. Returns false if the deadline came first. */
bool weft__slots_quiesce(weft__slots *slots, const struct timespec *deadline);

/* Calls visit for the counters of every slot. */
void weft__slots_each(weft__slots *slots, void (*visit)(const weft__counters *counters, void *user), void *user);

#endif

/* core/slots.h: who reads the subscriptions, and whose code runs where.
 *
 * Every thread that publishes or delivers has a slot of its own in each dispatcher, from its first publish until it
 * ends; a later thread takes it over. Each publish, and each turn of a worker, is a level of it: publishes inside
 * handlers stack up. A level
 *   - guards the snapshot its thread reads (a hazard pointer): a guarded snapshot is not freed,
 *   - names the subscription (tap, interceptor) whose code the thread runs, so that an unsubscribe waits for just that.
 * The slot also holds counters that its thread alone writes: the dispatcher's, and a tally for each subscription.
 *
 * Both sides of every wait work by the same rule: each writes its own flag and then reads the other's, with a fence
 * between (light for the reader, heavy for the writer; core/fence.h), so that at least one of them sees the other.
 *   begin     guard := snapshot;  then read the current snapshot     retire   current := new;  then read the guards
 *   enter     running := id;      then read whether it has ended     end      state := dead;   then read running
 *   leave     running, guard;     then read `waiters`                wait     waiters + 1;     then read running, guard
 */
#ifndef WEFT_CORE_SLOTS_H
#define WEFT_CORE_SLOTS_H

#include <pthread.h>
#include <stddef.h>

#include "core/counters.h"
#include "core/fence.h"

struct weft__snapshot;
typedef _Atomic(struct weft__snapshot *) weft__guard;

enum {
    WEFT__CACHE_LINE = 64,
    WEFT__TALLIES_MAX = 65536 + 8192, /* of subscriptions, and of ended ones that a publish still guards */
    WEFT__TALLY_PAGE = 256,
    WEFT__TALLY_PAGES = WEFT__TALLIES_MAX / WEFT__TALLY_PAGE,
    WEFT__ROWS_MAX = 8192,
    WEFT__ROW_PAGE = 16,
    WEFT__ROW_PAGES = WEFT__ROWS_MAX / WEFT__ROW_PAGE,
    WEFT__SLOT_CACHE = 4,
};

/* What one thread did for one subscription; in a row: for all of a chunk that want one event type. */
typedef struct weft__tally {
    _Atomic uint64_t handled; /* calls that returned OK */
    _Atomic uint64_t last;    /* timestamp_ms << 8 | type of the event handled last */
} weft__tally;

typedef struct weft__level {
    weft__guard guard;        /* NULL: not in use */
    _Atomic uint64_t running; /* id whose code runs; 0: none */
} weft__level;

typedef struct weft__slot {
    _Alignas(WEFT__CACHE_LINE) unsigned depth; /* holder only: levels in use */
    _Atomic uint64_t calls;                    /* outermost levels (of a worker: mails) that have ended */
    weft__level levels[WEFT_PUBLISH_DEPTH_MAX];
    weft__counters counters;                           /* holder writes, anyone reads */
    _Atomic(weft__tally *) tallies[WEFT__TALLY_PAGES]; /* [slots lock]; a page stays once it is there */
    _Atomic(weft__tally *) rows[WEFT__ROW_PAGES];      /* likewise */
    _Atomic(const void *) owner;                       /* the thread; NULL: none. Set under [slots lock] */
    struct weft__slot *next;                           /* const after create */
} weft__slot;

/* A thread that waits for an id to come to rest. */
typedef struct weft__waiter {
    const void *thread;
    uint64_t id;
    struct weft__waiter *next;
} weft__waiter;

typedef struct weft__slots {
    atomic_uint waiters;          /* threads that want to be told of every leave */
    uint64_t serial;              /* const after init; no two in a process are alike */
    _Atomic(weft__slot *) first;  /* grows under [lock] at its head, never shrinks */
    pthread_mutex_t lock;         /* leaf but for the list of all slots; nothing else is locked inside it */
    pthread_cond_t left;          /* [lock] */
    weft__waiter *waiting;        /* [lock] */
    uint64_t *tallies_used;       /* [lock] a bit each */
    uint64_t *rows_used;          /* [lock] likewise */
    uint32_t tally_pages;         /* [lock] that every slot has */
    uint32_t row_pages;           /* [lock] likewise */
    struct weft__slots *next_all; /* [list of all] */
} weft__slots;

/* Returns OK or NO_MEMORY. */
weft_status weft__slots_init(weft__slots *slots);
void weft__slots_fini(weft__slots *slots);

/* ---- a thread's own slot ---- */

typedef struct weft__slot_cache {
    uint64_t serial;
    weft__slot *slot;
} weft__slot_cache;

extern _Thread_local weft__slot_cache weft__slot_cached[WEFT__SLOT_CACHE];

/* The calling thread's slot, given to it if it has none. Returns NULL when memory is out. */
weft__slot *weft__slot_find(weft__slots *slots);

static inline weft__slot *weft__slot_here(weft__slots *slots)
{
    const weft__slot_cache *cached = &weft__slot_cached[slots->serial % WEFT__SLOT_CACHE];
    return __builtin_expect(cached->serial == slots->serial, 1) ? cached->slot : weft__slot_find(slots);
}

/* Begins a level that guards what *current holds, or (current NULL) nothing, as a worker's. Ends with weft__slot_end,
 * on this thread, in the order of a stack. Returns NULL when the levels are used up. */
weft__level *weft__slot_begin_worker(weft__slot *slot);

/* The same; *ret_guarded: the snapshot. */
static inline weft__level *weft__slot_begin_guarding(weft__slot *slot, weft__guard *current,
                                                     struct weft__snapshot **ret_guarded)
{
    unsigned depth = slot->depth;
    if (__builtin_expect(depth == WEFT_PUBLISH_DEPTH_MAX, 0))
        return NULL;
    weft__level *level = &slot->levels[depth];
    slot->depth = depth + 1;
    struct weft__snapshot *guarded = atomic_load_explicit(current, memory_order_acquire);
    for (;;) {
        atomic_store_explicit(&level->guard, guarded, memory_order_release);
        weft__fence_light();
        /* Only what is still current after the guard was raised is safe from being freed. */
        struct weft__snapshot *now = atomic_load_explicit(current, memory_order_acquire);
        if (__builtin_expect(now == guarded, 1))
            break;
        guarded = now;
    }
    *ret_guarded = guarded;
    return level;
}

static inline weft__level *weft__slot_begin(weft__slot *slot, weft__guard *current)
{
    struct weft__snapshot *guarded;
    return weft__slot_begin_guarding(slot, current, &guarded);
}

void weft__slots_notify(weft__slots *slots);

static inline void weft__slot_notify_waiters(weft__slots *slots)
{
    weft__fence_light();
    if (__builtin_expect(atomic_load_explicit(&slots->waiters, memory_order_relaxed) != 0, 0))
        weft__slots_notify(slots);
}

static inline void weft__slot_count_call(weft__slot *slot)
{
    uint64_t calls = atomic_load_explicit(&slot->calls, memory_order_relaxed);
    atomic_store_explicit(&slot->calls, calls + 1, memory_order_release);
}

static inline void weft__slot_end(weft__slots *slots, weft__slot *slot, weft__level *level)
{
    unsigned depth = (unsigned)(level - slot->levels);
    atomic_store_explicit(&level->running, 0, memory_order_release);
    slot->depth = depth;
    if (depth == 0)
        weft__slot_count_call(slot);
    atomic_store_explicit(&level->guard, NULL, memory_order_release);
    weft__slot_notify_waiters(slots);
}

/* From here on the thread runs code of this id (0: of nobody). Ask whether the id has ended afterwards, not before. */
static inline void weft__slot_enter(weft__slots *slots, weft__level *level, uint64_t id)
{
    atomic_store_explicit(&level->running, id, memory_order_release);
    weft__slot_notify_waiters(slots);
}

/* The same while no change of the subscriptions has been seen, which every wait for an id begins with. */
static inline void weft__slot_enter_calm(weft__level *level, uint64_t id)
{
    atomic_store_explicit(&level->running, id, memory_order_release);
    weft__fence_light();
}

static inline const struct weft__snapshot *weft__level_snapshot(const weft__level *level)
{
    return atomic_load_explicit(&level->guard, memory_order_relaxed);
}

/* Where a tally or a row of them is, made ready for looking it up on every event. */
typedef struct weft__tally_place {
    uint32_t page_at; /* offset of the page's pointer in a slot */
    uint32_t at;      /* offset in the page */
} weft__tally_place;

static inline weft__tally_place weft__tally_place_of(uint32_t index)
{
    size_t page = index / WEFT__TALLY_PAGE * sizeof(_Atomic(weft__tally *));
    return (weft__tally_place){(uint32_t)(offsetof(weft__slot, tallies) + page),
                               (uint32_t)(index % WEFT__TALLY_PAGE * sizeof(weft__tally))};
}

weft__tally_place weft__row_place_of(uint32_t index);

static inline weft__tally *weft__slot_tally(const weft__slot *slot, weft__tally_place place)
{
    const _Atomic(char *) *page = (const void *)((const char *)slot + place.page_at);
    return (weft__tally *)(void *)(atomic_load_explicit(page, memory_order_relaxed) + place.at);
}

static inline void weft__tally_handled(weft__tally *tally, uint64_t last)
{
    weft__count_own(&tally->handled, 1);
    atomic_store_explicit(&tally->last, last, memory_order_relaxed);
}

/* ---- tallies ---- */

/* Give out a tally, or a row of one for each event type, zero in every slot. Return OK, FULL or NO_MEMORY. */
weft_status weft__tally_alloc(weft__slots *slots, uint32_t *ret);
weft_status weft__row_alloc(weft__slots *slots, uint32_t *ret);
/* Take it back; nobody may be counting in it. */
void weft__tally_free(weft__slots *slots, uint32_t index);
void weft__row_free(weft__slots *slots, uint32_t index);
/* Sets `count` tallies from a place on to zero; a count that is under way may survive. */
void weft__tally_clear(weft__slots *slots, weft__tally_place place, size_t count);
/* The sum of `handled` over all slots; raises *last to the largest `last`. */
uint64_t weft__tally_sum(weft__slots *slots, weft__tally_place place, uint64_t *last);

/* ---- looking at all slots ---- */

bool weft__slots_guard(weft__slots *slots, const struct weft__snapshot *snapshot);

/* Whether the calling thread is inside a handler, predicate, interceptor or tap. */
bool weft__slots_held_here(weft__slots *slots);
/* Whether the calling thread is inside code of this id. */
bool weft__slots_running_here(weft__slots *slots, uint64_t id);
/* How many threads run code of this id. */
uint32_t weft__slots_running(weft__slots *slots, uint64_t id);

/* Waits until no other thread runs code of an ended id. Does not wait if that cannot end: the caller is inside the id's
 * own code, or a thread that runs it waits in turn, directly or over others, for code that the caller is inside of. */
void weft__slots_wait_for(weft__slots *slots, uint64_t id);

/* Waits until every level that had begun before the call has ended. Not while holding one.
 * deadline may be NULL. Returns false if the deadline came first. */
bool weft__slots_quiesce(weft__slots *slots, const struct timespec *deadline);

/* Calls visit for every slot. */
void weft__slots_each(weft__slots *slots, void (*visit)(weft__slot *slot, void *user), void *user);

#endif

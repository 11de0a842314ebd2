/* core/slots.c: the slots of threads: giving them out, and waiting for what runs in them.
 *
 * The protocol and its orderings stand in slots.h. A thread is known by the address of a thread-local byte. When it
 * ends, its slots in all living dispatchers are set free; that is what the list of all is for.
 * Lock order: list of all > lock of one. Simplification: every look walks all slots, one for each thread that has ever
 * published at the same time as the others; with thousands of threads, keep those with a level in use in a list. */
#include "core/slots.h"

#include <stdlib.h>
#include <string.h>

#include "core/deadline.h"

_Thread_local weft__slot_cache weft__slot_cached[WEFT__SLOT_CACHE];
static _Thread_local char thread_mark;

static pthread_mutex_t all_lock = PTHREAD_MUTEX_INITIALIZER;
static weft__slots *all; /* [all_lock] */
static _Atomic uint64_t last_serial;
static pthread_once_t key_once = PTHREAD_ONCE_INIT;
static pthread_key_t key; /* const after key_once; its destructor runs at the end of a thread */
static bool key_there;    /* const after key_once */

/* Guard of a worker's level: not NULL, and no snapshot. */
static char worker_mark;
#define WORKER ((struct weft__snapshot *)(void *)&worker_mark)

static weft__slot *slot_first(weft__slots *slots)
{
    return atomic_load_explicit(&slots->first, memory_order_acquire);
}

/* ---- threads that come and go ---- */

static void thread_leaves_locked(weft__slots *slots)
{
    pthread_mutex_lock(&slots->lock);
    for (weft__slot *slot = slot_first(slots); slot != NULL; slot = slot->next)
        if (atomic_load(&slot->owner) == &thread_mark)
            atomic_store(&slot->owner, NULL);
    pthread_mutex_unlock(&slots->lock);
}

static void thread_leaves(void *mark)
{
    (void)mark;
    memset(weft__slot_cached, 0, sizeof weft__slot_cached);
    pthread_mutex_lock(&all_lock);
    for (weft__slots *slots = all; slots != NULL; slots = slots->next_all)
        thread_leaves_locked(slots);
    pthread_mutex_unlock(&all_lock);
}

static void key_make(void)
{
    key_there = pthread_key_create(&key, thread_leaves) == 0;
}

/* Both tables of a slot work alike. */
typedef struct table {
    _Atomic(weft__tally *) *pages;
    size_t page_tallies;
} table;

static table tallies_of(weft__slot *slot)
{
    return (table){slot->tallies, WEFT__TALLY_PAGE};
}

static table rows_of(weft__slot *slot)
{
    return (table){slot->rows, (size_t)WEFT__ROW_PAGE * WEFT_EVENT_TYPE_COUNT};
}

static bool pages_fill(table t, uint32_t pages)
{
    for (uint32_t i = 0; i < pages; i++) {
        if (atomic_load(&t.pages[i]) != NULL)
            continue;
        weft__tally *page = calloc(t.page_tallies, sizeof *page);
        if (page == NULL)
            return false;
        atomic_store(&t.pages[i], page);
    }
    return true;
}

static void slot_free(weft__slot *slot)
{
    for (uint32_t i = 0; i < WEFT__TALLY_PAGES; i++)
        free(atomic_load(&slot->tallies[i]));
    for (uint32_t i = 0; i < WEFT__ROW_PAGES; i++)
        free(atomic_load(&slot->rows[i]));
    free(slot);
}

static weft__slot *slot_create_locked(weft__slots *slots)
{
    weft__slot *slot = aligned_alloc(WEFT__CACHE_LINE, sizeof *slot);
    if (slot == NULL)
        return NULL;
    memset(slot, 0, sizeof *slot);
    if (!pages_fill(tallies_of(slot), slots->tally_pages) || !pages_fill(rows_of(slot), slots->row_pages)) {
        slot_free(slot);
        return NULL;
    }
    slot->next = slot_first(slots);
    atomic_store(&slot->owner, &thread_mark);
    atomic_store_explicit(&slots->first, slot, memory_order_release);
    return slot;
}

/* The slot this thread has, or one that an ended thread has left, or a new one. */
static weft__slot *slot_take_locked(weft__slots *slots)
{
    weft__slot *left = NULL;
    for (weft__slot *slot = slot_first(slots); slot != NULL; slot = slot->next) {
        const void *owner = atomic_load(&slot->owner);
        if (owner == &thread_mark)
            return slot;
        if (owner == NULL)
            left = slot;
    }
    if (left == NULL)
        return slot_create_locked(slots);
    atomic_store(&left->owner, &thread_mark);
    return left;
}

weft__slot *weft__slot_find(weft__slots *slots)
{
    if (pthread_setspecific(key, &thread_mark) != 0)
        return NULL;
    pthread_mutex_lock(&slots->lock);
    weft__slot *slot = slot_take_locked(slots);
    pthread_mutex_unlock(&slots->lock);
    if (slot != NULL)
        weft__slot_cached[slots->serial % WEFT__SLOT_CACHE] = (weft__slot_cache){slots->serial, slot};
    return slot;
}

weft__level *weft__slot_begin_worker(weft__slot *slot)
{
    weft__guard none;
    atomic_init(&none, WORKER);
    return weft__slot_begin(slot, &none);
}

/* ---- init, fini ---- */

weft_status weft__slots_init(weft__slots *slots)
{
    weft__fence_init();
    (void)pthread_once(&key_once, key_make);
    memset(slots, 0, sizeof *slots);
    if (!key_there)
        return WEFT_NO_MEMORY;
    slots->tallies_used = calloc((WEFT__TALLIES_MAX + WEFT__ROWS_MAX) / 64, sizeof *slots->tallies_used);
    if (slots->tallies_used == NULL)
        return WEFT_NO_MEMORY;
    slots->rows_used = slots->tallies_used + WEFT__TALLIES_MAX / 64;
    if (pthread_mutex_init(&slots->lock, NULL) != 0)
        goto err_tallies;
    if (weft__cond_init(&slots->left) != 0)
        goto err_lock;
    slots->serial = atomic_fetch_add(&last_serial, 1) + 1;
    pthread_mutex_lock(&all_lock);
    slots->next_all = all;
    all = slots;
    pthread_mutex_unlock(&all_lock);
    return WEFT_OK;
err_lock:
    pthread_mutex_destroy(&slots->lock);
err_tallies:
    free(slots->tallies_used);
    return WEFT_NO_MEMORY;
}

static void all_remove(const weft__slots *slots)
{
    pthread_mutex_lock(&all_lock);
    weft__slots **link = &all;
    while (*link != slots)
        link = &(*link)->next_all;
    *link = slots->next_all;
    pthread_mutex_unlock(&all_lock);
}

void weft__slots_fini(weft__slots *slots)
{
    all_remove(slots);
    weft__slot *next;
    for (weft__slot *slot = slot_first(slots); slot != NULL; slot = next) {
        next = slot->next;
        slot_free(slot);
    }
    pthread_cond_destroy(&slots->left);
    pthread_mutex_destroy(&slots->lock);
    free(slots->tallies_used);
}

/* ---- tallies ---- */

weft__tally_place weft__row_place_of(uint32_t index)
{
    size_t page = index / WEFT__ROW_PAGE * sizeof(_Atomic(weft__tally *));
    return (weft__tally_place){(uint32_t)(offsetof(weft__slot, rows) + page),
                               (uint32_t)(index % WEFT__ROW_PAGE * WEFT_EVENT_TYPE_COUNT * sizeof(weft__tally))};
}

/* The first index that is free, max if there is none. */
static uint32_t index_free(const uint64_t *used, uint32_t max)
{
    for (uint32_t word = 0; word < max / 64; word++)
        if (used[word] != UINT64_MAX)
            return word * 64 + (uint32_t)__builtin_ctzll(~used[word]);
    return max;
}

static void index_take(uint64_t *used, uint32_t index)
{
    used[index / 64] |= UINT64_C(1) << (index % 64);
}

static void index_give_back(uint64_t *used, uint32_t index)
{
    used[index / 64] &= ~(UINT64_C(1) << (index % 64));
}

static weft_status pages_reach_locked(weft__slots *slots, table (*of)(weft__slot *slot), uint32_t pages,
                                      uint32_t *ret_pages)
{
    if (pages <= *ret_pages)
        return WEFT_OK;
    for (weft__slot *slot = slot_first(slots); slot != NULL; slot = slot->next)
        if (!pages_fill(of(slot), pages))
            return WEFT_NO_MEMORY;
    *ret_pages = pages;
    return WEFT_OK;
}

/* An index of a table that every slot has: the table, the bits of what is used, and how far all slots have pages. */
typedef struct index_space {
    table (*of)(weft__slot *slot);
    uint64_t *used;
    uint32_t max;
    uint32_t page; /* indices on one */
    uint32_t *pages;
} index_space;

static index_space tally_space(weft__slots *slots)
{
    return (index_space){tallies_of, slots->tallies_used, WEFT__TALLIES_MAX, WEFT__TALLY_PAGE, &slots->tally_pages};
}

static index_space row_space(weft__slots *slots)
{
    return (index_space){rows_of, slots->rows_used, WEFT__ROWS_MAX, WEFT__ROW_PAGE, &slots->row_pages};
}

static weft_status index_alloc(weft__slots *slots, index_space space, uint32_t *ret)
{
    pthread_mutex_lock(&slots->lock);
    uint32_t index = index_free(space.used, space.max);
    weft_status status = WEFT_FULL;
    if (index < space.max)
        status = pages_reach_locked(slots, space.of, index / space.page + 1, space.pages);
    if (status == WEFT_OK) {
        index_take(space.used, index);
        *ret = index;
    }
    pthread_mutex_unlock(&slots->lock);
    return status;
}

weft_status weft__tally_alloc(weft__slots *slots, uint32_t *ret)
{
    return index_alloc(slots, tally_space(slots), ret);
}

weft_status weft__row_alloc(weft__slots *slots, uint32_t *ret)
{
    return index_alloc(slots, row_space(slots), ret);
}

void weft__tally_clear(weft__slots *slots, weft__tally_place place, size_t count)
{
    for (weft__slot *slot = slot_first(slots); slot != NULL; slot = slot->next) {
        weft__tally *tally = weft__slot_tally(slot, place);
        for (size_t i = 0; i < count; i++) {
            atomic_store_explicit(&tally[i].handled, 0, memory_order_relaxed);
            atomic_store_explicit(&tally[i].last, 0, memory_order_relaxed);
        }
    }
}

void weft__tally_free(weft__slots *slots, uint32_t index)
{
    pthread_mutex_lock(&slots->lock);
    weft__tally_clear(slots, weft__tally_place_of(index), 1);
    index_give_back(slots->tallies_used, index);
    pthread_mutex_unlock(&slots->lock);
}

void weft__row_free(weft__slots *slots, uint32_t index)
{
    pthread_mutex_lock(&slots->lock);
    weft__tally_clear(slots, weft__row_place_of(index), WEFT_EVENT_TYPE_COUNT);
    index_give_back(slots->rows_used, index);
    pthread_mutex_unlock(&slots->lock);
}

uint64_t weft__tally_sum(weft__slots *slots, weft__tally_place place, uint64_t *last)
{
    uint64_t handled = 0;
    for (weft__slot *slot = slot_first(slots); slot != NULL; slot = slot->next) {
        const weft__tally *tally = weft__slot_tally(slot, place);
        handled += weft__count_read(&tally->handled);
        uint64_t theirs = weft__count_read(&tally->last);
        *last = theirs > *last ? theirs : *last;
    }
    return handled;
}

/* ---- looking at all of them ---- */

static bool slot_owned_here(const weft__slot *slot)
{
    return atomic_load_explicit(&slot->owner, memory_order_relaxed) == &thread_mark;
}

/* Levels are a stack: the first one free ends the search. */
static bool level_used(const weft__slot *slot, unsigned i)
{
    return i < WEFT_PUBLISH_DEPTH_MAX && atomic_load_explicit(&slot->levels[i].guard, memory_order_acquire) != NULL;
}

static bool slot_guards(const weft__slot *slot, const struct weft__snapshot *snapshot)
{
    for (unsigned i = 0; level_used(slot, i); i++)
        if (atomic_load_explicit(&slot->levels[i].guard, memory_order_acquire) == snapshot)
            return true;
    return false;
}

static bool slot_runs(const weft__slot *slot, uint64_t id)
{
    for (unsigned i = 0; level_used(slot, i); i++)
        if (atomic_load_explicit(&slot->levels[i].running, memory_order_acquire) == id)
            return true;
    return false;
}

bool weft__slots_guard(weft__slots *slots, const struct weft__snapshot *snapshot)
{
    for (weft__slot *slot = slot_first(slots); slot != NULL; slot = slot->next)
        if (slot_guards(slot, snapshot))
            return true;
    return false;
}

bool weft__slots_held_here(weft__slots *slots)
{
    for (weft__slot *slot = slot_first(slots); slot != NULL; slot = slot->next)
        if (slot_owned_here(slot))
            return slot->depth > 0;
    return false;
}

bool weft__slots_running_here(weft__slots *slots, uint64_t id)
{
    for (weft__slot *slot = slot_first(slots); slot != NULL; slot = slot->next)
        if (slot_owned_here(slot))
            return slot_runs(slot, id);
    return false;
}

uint32_t weft__slots_running(weft__slots *slots, uint64_t id)
{
    uint32_t count = 0;
    for (weft__slot *slot = slot_first(slots); slot != NULL; slot = slot->next)
        count += slot_runs(slot, id);
    return count;
}

void weft__slots_each(weft__slots *slots, void (*visit)(weft__slot *slot, void *user), void *user)
{
    for (weft__slot *slot = slot_first(slots); slot != NULL; slot = slot->next)
        visit(slot, user);
}

/* ---- waiting ---- */

void weft__slots_notify(weft__slots *slots)
{
    pthread_mutex_lock(&slots->lock);
    pthread_cond_broadcast(&slots->left);
    pthread_mutex_unlock(&slots->lock);
}

static const weft__waiter *waiter_of_locked(const weft__slots *slots, const void *thread)
{
    for (const weft__waiter *waiter = slots->waiting; waiter != NULL; waiter = waiter->next)
        if (waiter->thread == thread)
            return waiter;
    return NULL;
}

/* Whether some thread that runs the id waits for the caller to return. A thread on the waiting list stands still, and
 * so do its slots: what is read of them here stays true while the lock is held. Nobody ever waits in a ring, because
 * the one who would close it finds out here; so the recursion ends. */
static bool waits_for_me_locked(weft__slots *slots, uint64_t id)
{
    for (weft__slot *slot = slot_first(slots); slot != NULL; slot = slot->next) {
        if (!slot_runs(slot, id))
            continue;
        const void *owner = atomic_load_explicit(&slot->owner, memory_order_relaxed);
        const weft__waiter *waiter = owner != &thread_mark ? waiter_of_locked(slots, owner) : NULL;
        if (waiter != NULL && (weft__slots_running_here(slots, waiter->id) || waits_for_me_locked(slots, waiter->id)))
            return true;
    }
    return false;
}

static void waiter_remove_locked(weft__slots *slots, const weft__waiter *waiter)
{
    weft__waiter **link = &slots->waiting;
    while (*link != waiter)
        link = &(*link)->next;
    *link = waiter->next;
}

void weft__slots_wait_for(weft__slots *slots, uint64_t id)
{
    weft__fence_heavy();
    if (weft__slots_running(slots, id) == 0 || weft__slots_running_here(slots, id))
        return;
    pthread_mutex_lock(&slots->lock);
    weft__waiter self = {.thread = &thread_mark, .id = id, .next = slots->waiting};
    slots->waiting = &self;
    atomic_fetch_add(&slots->waiters, 1);
    weft__fence_heavy();
    if (!waits_for_me_locked(slots, id))
        while (weft__slots_running(slots, id) != 0)
            (void)weft__cond_wait(&slots->left, &slots->lock, NULL);
    atomic_fetch_sub(&slots->waiters, 1);
    waiter_remove_locked(slots, &self);
    pthread_mutex_unlock(&slots->lock);
}

/* The outermost level of a thread lasts as long as any; a worker's that runs nobody's code is none. */
static bool slot_lasts(const weft__slot *slot, uint64_t calls)
{
    const struct weft__snapshot *guarded = atomic_load_explicit(&slot->levels[0].guard, memory_order_acquire);
    if (guarded == NULL || atomic_load_explicit(&slot->calls, memory_order_acquire) != calls)
        return false;
    return guarded != WORKER || atomic_load_explicit(&slot->levels[0].running, memory_order_acquire) != 0;
}

static bool slot_quiesce_locked(weft__slots *slots, weft__slot *slot, const struct timespec *deadline)
{
    uint64_t calls = atomic_load_explicit(&slot->calls, memory_order_acquire);
    while (slot_lasts(slot, calls))
        if (!weft__cond_wait(&slots->left, &slots->lock, deadline))
            return !slot_lasts(slot, calls);
    return true;
}

bool weft__slots_quiesce(weft__slots *slots, const struct timespec *deadline)
{
    bool quiet = true;
    pthread_mutex_lock(&slots->lock);
    atomic_fetch_add(&slots->waiters, 1);
    weft__fence_heavy();
    for (weft__slot *slot = slot_first(slots); slot != NULL; slot = slot->next)
        quiet = quiet && slot_quiesce_locked(slots, slot, deadline);
    atomic_fetch_sub(&slots->waiters, 1);
    pthread_mutex_unlock(&slots->lock);
    return quiet;
}

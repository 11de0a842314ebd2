/* core/slots.c: reader slots: claiming them, and waiting for what runs in them.
 *
 * The protocol and its orderings stand in slots.h. A thread is known by the address of a thread-local byte; that
 * address may come back in a later thread, which is harmless: a thread that has ended holds no slot and waits for
 * nothing.
 *
 * Simplification: a search walks the slots in order. Should hundreds of publishes run at once, give each thread the
 * block it found room in last time. */
#include "core/slots.h"

#include <stdlib.h>

#include "core/deadline.h"

static _Thread_local char thread_mark;
static _Thread_local unsigned thread_home; /* plus 1; 0: not chosen yet */
static atomic_uint threads_seen;

/* Guard of a worker's slot: not NULL, and no snapshot. */
static char reserved_mark;
#define RESERVED ((struct weft__snapshot *)(void *)&reserved_mark)

static unsigned home_slot(void)
{
    if (thread_home == 0)
        thread_home = 1 + atomic_fetch_add_explicit(&threads_seen, 1, memory_order_relaxed) % WEFT__SLOTS_A_BLOCK;
    /* Five apart, so that nested publishes of one thread stay clear of its neighbours'. */
    return (thread_home - 1) * 5 % WEFT__SLOTS_A_BLOCK;
}

static weft__slot_block *block_create(unsigned first_index)
{
    weft__slot_block *block = aligned_alloc(WEFT__CACHE_LINE, sizeof *block);
    if (block == NULL)
        return NULL;
    atomic_init(&block->next, NULL);
    for (unsigned i = 0; i < WEFT__SLOTS_A_BLOCK; i++) {
        weft__slot *slot = &block->slots[i];
        atomic_init(&slot->guard, NULL);
        atomic_init(&slot->running, 0);
        atomic_init(&slot->owner, NULL);
        atomic_init(&slot->finished, 0);
        slot->index = first_index + i;
        for (size_t c = 0; c < WEFT__COUNT_COUNT; c++)
            atomic_init(&slot->counters.totals[c], 0);
        for (size_t t = 0; t < WEFT_EVENT_TYPE_COUNT; t++)
            atomic_init(&slot->counters.by_type[t], 0);
    }
    return block;
}

weft_status weft__slots_init(weft__slots *slots)
{
    atomic_init(&slots->waiters, 0);
    slots->waiting = NULL;
    slots->first = block_create(0);
    if (slots->first == NULL)
        return WEFT_NO_MEMORY;
    if (pthread_mutex_init(&slots->lock, NULL) != 0)
        goto err_block;
    if (weft__cond_init(&slots->left) != 0)
        goto err_lock;
    return WEFT_OK;
err_lock:
    pthread_mutex_destroy(&slots->lock);
err_block:
    free(slots->first);
    return WEFT_NO_MEMORY;
}

void weft__slots_fini(weft__slots *slots)
{
    weft__slot_block *next;
    for (weft__slot_block *block = slots->first; block != NULL; block = next) {
        next = atomic_load(&block->next);
        free(block);
    }
    pthread_cond_destroy(&slots->left);
    pthread_mutex_destroy(&slots->lock);
}

/* ---- claiming ---- */

static weft__slot *block_claim(weft__slot_block *block, struct weft__snapshot *guarded)
{
    unsigned home = home_slot();
    for (unsigned i = 0; i < WEFT__SLOTS_A_BLOCK; i++) {
        weft__slot *slot = &block->slots[(home + i) % WEFT__SLOTS_A_BLOCK];
        struct weft__snapshot *none = NULL;
        if (atomic_load_explicit(&slot->guard, memory_order_relaxed) == NULL &&
            atomic_compare_exchange_strong(&slot->guard, &none, guarded))
            return slot;
    }
    return NULL;
}

/* The block after this one; made if it is the last. */
static weft__slot_block *block_after(weft__slots *slots, weft__slot_block *block)
{
    weft__slot_block *next = atomic_load(&block->next);
    if (next != NULL)
        return next;
    pthread_mutex_lock(&slots->lock);
    next = atomic_load(&block->next);
    if (next == NULL) {
        next = block_create(block->slots[0].index + WEFT__SLOTS_A_BLOCK);
        atomic_store(&block->next, next);
    }
    pthread_mutex_unlock(&slots->lock);
    return next;
}

static weft__slot *slot_find(weft__slots *slots, struct weft__snapshot *guarded)
{
    for (weft__slot_block *block = slots->first; block != NULL; block = block_after(slots, block)) {
        weft__slot *slot = block_claim(block, guarded);
        if (slot != NULL)
            return slot;
    }
    return NULL;
}

void weft__slot_adopt(weft__slot *slot)
{
    atomic_store_explicit(&slot->owner, &thread_mark, memory_order_relaxed);
}

weft__slot *weft__slot_claim(weft__slots *slots, weft__guard *current)
{
    struct weft__snapshot *guarded = atomic_load(current);
    weft__slot *slot = slot_find(slots, guarded);
    if (slot == NULL)
        return NULL;
    weft__slot_adopt(slot);
    /* Only what is still current after the guard was raised is safe from being freed. */
    for (struct weft__snapshot *now = atomic_load(current); now != guarded; now = atomic_load(current)) {
        guarded = now;
        atomic_store(&slot->guard, guarded);
    }
    return slot;
}

static void slot_finish(weft__slot *slot)
{
    uint64_t finished = atomic_load_explicit(&slot->finished, memory_order_relaxed);
    atomic_store_explicit(&slot->finished, finished + 1, memory_order_release);
}

void weft__slot_release(weft__slots *slots, weft__slot *slot)
{
    atomic_store_explicit(&slot->running, 0, memory_order_release);
    slot_finish(slot);
    atomic_store(&slot->guard, NULL);
    if (atomic_load(&slots->waiters) != 0)
        weft__slots_notify(slots);
}

weft__slot *weft__slot_reserve(weft__slots *slots)
{
    return slot_find(slots, RESERVED);
}

void weft__slot_rest(weft__slots *slots, weft__slot *slot)
{
    slot_finish(slot);
    weft__slot_enter(slots, slot, 0);
}

/* ---- looking at all of them ---- */

static weft__slot *slot_first(weft__slots *slots)
{
    return &slots->first->slots[0];
}

static weft__slot *slot_next(weft__slots *slots, weft__slot *slot)
{
    weft__slot_block *block = slots->first;
    for (unsigned i = slot->index / WEFT__SLOTS_A_BLOCK; i > 0; i--)
        block = atomic_load(&block->next);
    unsigned place = slot->index % WEFT__SLOTS_A_BLOCK;
    if (place + 1 < WEFT__SLOTS_A_BLOCK)
        return &block->slots[place + 1];
    block = atomic_load(&block->next);
    return block != NULL ? &block->slots[0] : NULL;
}

static bool slot_owned_here(const weft__slot *slot)
{
    return atomic_load(&slot->guard) != NULL &&
           atomic_load_explicit(&slot->owner, memory_order_relaxed) == &thread_mark;
}

static bool slot_busy(const weft__slot *slot)
{
    const struct weft__snapshot *guarded = atomic_load(&slot->guard);
    return guarded == RESERVED ? atomic_load(&slot->running) != 0 : guarded != NULL;
}

bool weft__slots_guard(weft__slots *slots, const struct weft__snapshot *snapshot)
{
    for (weft__slot *slot = slot_first(slots); slot != NULL; slot = slot_next(slots, slot))
        if (atomic_load(&slot->guard) == snapshot)
            return true;
    return false;
}

bool weft__slots_held_here(weft__slots *slots)
{
    for (weft__slot *slot = slot_first(slots); slot != NULL; slot = slot_next(slots, slot))
        if (slot_owned_here(slot) && slot_busy(slot))
            return true;
    return false;
}

bool weft__slots_running_here(weft__slots *slots, uint64_t id)
{
    for (weft__slot *slot = slot_first(slots); slot != NULL; slot = slot_next(slots, slot))
        if (slot_owned_here(slot) && atomic_load_explicit(&slot->running, memory_order_relaxed) == id)
            return true;
    return false;
}

void weft__slots_each(weft__slots *slots, void (*visit)(const weft__counters *counters, void *user), void *user)
{
    for (weft__slot *slot = slot_first(slots); slot != NULL; slot = slot_next(slots, slot))
        visit(&slot->counters, user);
}

/* ---- waiting ---- */

void weft__slots_notify(weft__slots *slots)
{
    pthread_mutex_lock(&slots->lock);
    pthread_cond_broadcast(&slots->left);
    pthread_mutex_unlock(&slots->lock);
}

static bool runs_anywhere(weft__slots *slots, uint64_t id)
{
    for (weft__slot *slot = slot_first(slots); slot != NULL; slot = slot_next(slots, slot))
        if (atomic_load(&slot->running) == id)
            return true;
    return false;
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
    for (weft__slot *slot = slot_first(slots); slot != NULL; slot = slot_next(slots, slot)) {
        if (atomic_load(&slot->running) != id)
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
    if (!runs_anywhere(slots, id) || weft__slots_running_here(slots, id))
        return;
    pthread_mutex_lock(&slots->lock);
    weft__waiter self = {.thread = &thread_mark, .id = id, .next = slots->waiting};
    slots->waiting = &self;
    atomic_fetch_add(&slots->waiters, 1);
    if (!waits_for_me_locked(slots, id))
        while (runs_anywhere(slots, id))
            (void)weft__cond_wait(&slots->left, &slots->lock, NULL);
    atomic_fetch_sub(&slots->waiters, 1);
    waiter_remove_locked(slots, &self);
    pthread_mutex_unlock(&slots->lock);
}

static bool claim_lasts(const weft__slot *slot, uint64_t finished)
{
    return slot_busy(slot) && atomic_load_explicit(&slot->finished, memory_order_acquire) == finished;
}

static bool slot_quiesce_locked(weft__slots *slots, weft__slot *slot, const struct timespec *deadline)
{
    uint64_t finished = atomic_load_explicit(&slot->finished, memory_order_acquire);
    while (claim_lasts(slot, finished))
        if (!weft__cond_wait(&slots->left, &slots->lock, deadline))
            return !claim_lasts(slot, finished);
    return true;
}

bool weft__slots_quiesce(weft__slots *slots, const struct timespec *deadline)
{
    bool quiet = true;
    pthread_mutex_lock(&slots->lock);
    atomic_fetch_add(&slots->waiters, 1);
    for (weft__slot *slot = slot_first(slots); slot != NULL; slot = slot_next(slots, slot))
        quiet = quiet && slot_quiesce_locked(slots, slot, deadline);
    atomic_fetch_sub(&slots->waiters, 1);
    pthread_mutex_unlock(&slots->lock);
    return quiet;
}

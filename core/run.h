/* core/run.h: one event on its way, and the shortest way of one.
 *
 * In a header, so that the way from weft_publish to inline handlers of which nothing is to be asked but the event's
 * type is one function; what is rare on it is called. */
#ifndef WEFT_CORE_RUN_H
#define WEFT_CORE_RUN_H

#include "core/dispatcher_private.h"

/* Of a function that is part of the shortest way; of one that it calls only if something is out of the ordinary. */
#define WEFT__HOT  static inline __attribute__((always_inline))
#define WEFT__COLD __attribute__((noinline, cold))

/* Set member by member: clearing all of it would cost more than a delivery. Jobs have no value to begin with. */
typedef struct weft__delivery {
    weft__place p;
    const weft__snapshot *snapshot;
    const weft_event *event;
    size_t type; /* index of the event's */
    weft_origin origin;
    uint64_t except;
    bool timed;                   /* handlers' time is taken */
    bool quick;                   /* open subscriptions go the shortest way */
    weft__job *jobs, **jobs_tail; /* mailboxes to be given to workers */
} weft__delivery;

WEFT__HOT void weft__delivery_init(weft__delivery *y, weft_dispatcher *d, weft__slot *slot, weft__level *level,
                                   const weft__snapshot *snapshot, const weft_event *event, size_t type,
                                   weft_origin origin, uint64_t except)
{
    y->p.d = d;
    y->p.slot = slot;
    y->p.level = level;
    y->snapshot = snapshot;
    y->event = event;
    y->type = type;
    y->origin = origin;
    y->except = except;
}

/* ---- the shortest way ---- */

/* What is rare on it: the subscription's state must be asked; its handler has failed; the event may be a late reply. */
void weft__run_closed(const weft__place *p, const weft__entry *entry, const weft_event *event);
void weft__run_failed(const weft__place *p, const weft__entry *entry, const weft_event *event, weft_status status);
void weft__late_reply(const weft__place *p, const weft_event *event);

static inline unsigned weft__lowest_bit(uint64_t bits)
{
    return (unsigned)__builtin_ctzll(bits);
}

/* Runs one whose state needs no look while nothing has changed since the snapshot was taken. Returns whether it was
 * handled. The caller's fences are asymmetric. */
WEFT__HOT bool weft__run_open(weft_dispatcher *d, weft__slot *slot, weft__level *level, const weft__snapshot *snapshot,
                              const weft__entry *entry, const weft_event *event)
{
    atomic_store_explicit(&level->running, entry->id, memory_order_release);
    atomic_signal_fence(memory_order_seq_cst);
    if (__builtin_expect(atomic_load_explicit(&d->calm, memory_order_relaxed) != snapshot, 0)) {
        weft__run_closed(&(weft__place){d, slot, level}, entry, event);
        return false;
    }
    weft_status status = entry->handler(event, entry->user);
    if (__builtin_expect(status != WEFT_OK, 0)) {
        weft__run_failed(&(weft__place){d, slot, level}, entry, event, status);
        return false;
    }
    return true;
}

/* The chunk counts the event for all who want it, also for those who have not handled it. */
static inline void weft__run_skipped(const weft__entry *entry)
{
    atomic_fetch_sub_explicit(&entry->sub->handled_before, 1, memory_order_relaxed);
}

/* Runs all of a chunk that want the type: each is open, and wants the event. Returns how many have handled it. */
WEFT__HOT uint64_t weft__run_all(weft_dispatcher *d, weft__slot *slot, weft__level *level,
                                 const weft__snapshot *snapshot, const weft__chunk *chunk, const weft_event *event,
                                 size_t type)
{
    uint64_t handled = 0;
    for (uint64_t bits = chunk->wants[type]; bits != 0; bits &= bits - 1) {
        const weft__entry *entry = &chunk->entries[weft__lowest_bit(bits)];
        if (__builtin_expect(weft__run_open(d, slot, level, snapshot, entry, event), 1))
            handled++;
        else
            weft__run_skipped(entry);
    }
    weft__tally_handled(weft__slot_tally(slot, chunk->row) + type, (uint64_t)event->timestamp_ms << 8 | type);
    return handled;
}

/* Runs all that want the type, of which nothing else is to be asked. */
WEFT__HOT void weft__run_plain(weft_dispatcher *d, weft__slot *slot, weft__level *level, const weft__snapshot *snapshot,
                               const weft_event *event, size_t type)
{
    uint64_t handled = 0;
    for (size_t i = 0; i < snapshot->inline_.chunk_count; i++) {
        const weft__chunk *chunk = snapshot->inline_.chunks[i];
        if (chunk->wants[type] != 0)
            handled += weft__run_all(d, slot, level, snapshot, chunk, event, type);
    }
    weft__slot_enter_calm(level, 0);
    weft__count_in_slot(slot, WEFT__COUNT_HANDLED, handled);
}

/* Runs the takers of a chunk, which are open; each is counted alone. Returns how many have handled it. */
uint64_t weft__run_some(const weft__place *p, const weft__snapshot *snapshot, const weft__chunk *chunk,
                        const weft_event *event, size_t type, uint64_t takers);

/* The entries of a chunk that want the type, and find in the event the texts that they ask for. A text is compared once
 * for all that ask for it. */
static inline uint64_t weft__chunk_texts(const weft__chunk *chunk, const weft_event *event, size_t type)
{
    uint64_t bits = chunk->wants[type];
    const weft__demand *end = chunk->demands + chunk->demand_count;
    for (const weft__demand *demand = chunk->demands; demand < end && bits != 0; demand++) {
        const char *text = *(const char *const *)(const void *)((const char *)event + demand->text_at);
        if ((bits & demand->entries) != 0 && !weft__symbol_matches(demand->symbol, text))
            bits &= ~demand->entries;
    }
    return bits;
}

/* Runs all that want the type, of which no more is to be asked than texts. Returns whether somebody wants it. */
WEFT__HOT bool weft__run_texts(weft_dispatcher *d, weft__slot *slot, weft__level *level, const weft__snapshot *snapshot,
                               const weft_event *event, size_t type)
{
    uint64_t handled = 0, any = 0;
    for (size_t i = 0; i < snapshot->inline_.chunk_count; i++) {
        const weft__chunk *chunk = snapshot->inline_.chunks[i];
        uint64_t takers = weft__chunk_texts(chunk, event, type);
        any |= takers;
        if (takers == 0)
            continue;
        if (takers == chunk->wants[type])
            handled += weft__run_all(d, slot, level, snapshot, chunk, event, type);
        else
            handled += weft__run_some(&(weft__place){d, slot, level}, snapshot, chunk, event, type, takers);
    }
    weft__slot_enter_calm(level, 0);
    weft__count_in_slot(slot, WEFT__COUNT_HANDLED, handled);
    return any != 0;
}

#endif

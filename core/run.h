/* core/run.h: one event on its way to inline handlers: what every publish passes through, and nothing else.
 *
 * In a header, so that the shortest way from weft_publish to a handler is one function: what is rare is called. */
#ifndef WEFT_CORE_RUN_H
#define WEFT_CORE_RUN_H

#include "core/dispatcher_private.h"

/* Of a function that the shortest way calls only when something is out of the ordinary. */
#define WEFT__COLD __attribute__((noinline, cold))

/* Set member by member: clearing all of it would cost more than a delivery. Memo and jobs have no value to begin with.
 */
typedef struct weft__delivery {
    weft__place p;
    const weft__snapshot *snapshot;
    const weft_event *event;
    size_t type; /* index of the event's */
    weft_origin origin;
    uint64_t except;
    uint64_t last;                /* what tallies remember of the event */
    bool timed;                   /* the handlers' time is taken */
    bool asks;                    /* timed, or one is to be left out, or each step needs a fence */
    weft__job *jobs, **jobs_tail; /* mailboxes to be given to workers */
    weft__memo memo;
} weft__delivery;

static inline __attribute__((always_inline)) void weft__delivery_init(weft__delivery *y, weft__place p,
                                                                      const weft__snapshot *snapshot,
                                                                      const weft_event *event, size_t type,
                                                                      weft_origin origin, uint64_t except)
{
    y->p.d = p.d;
    y->p.slot = p.slot;
    y->p.level = p.level;
    y->snapshot = snapshot;
    y->event = event;
    y->type = type;
    y->origin = origin;
    y->except = except;
    y->memo.compared = 0;
}

/* ---- deliver.c: what is rare ---- */

/* Whether a subscription wants the event, given that it wants the type. */
bool weft__delivery_wanted(weft__delivery *y, const weft__entry *entry);
void weft__delivery_late_reply(const weft__delivery *y);
/* The subscription's state must be asked. */
void weft__delivery_not_plain(const weft__delivery *y, const weft__entry *entry);
void weft__delivery_failed(const weft__delivery *y, const weft__entry *entry, weft_status status);

/* ---- what is not ---- */

static inline void weft__delivery_begin(weft__delivery *y)
{
    _Atomic uint64_t *count = &y->p.slot->counters.by_type[y->type];
    y->last = (uint64_t)y->event->timestamp_ms << 8 | y->type;
    y->timed = weft__count_read(count) % WEFT__SAMPLE_EVERY == 0;
    y->asks = y->timed || y->except != 0 || !weft__fence_is_asymmetric;
    weft__count_own(count, 1);
    if (__builtin_expect(y->event->correlation_id != NULL, 0))
        weft__delivery_late_reply(y);
}

static inline unsigned weft__lowest_bit(uint64_t bits)
{
    return (unsigned)__builtin_ctzll(bits);
}

/* Runs one whose state needs no look while nothing has changed since the snapshot was taken. Returns whether it was
 * handled. */
static inline bool weft__run_plain(const weft__delivery *y, const weft__entry *entry, bool timed)
{
    weft__slot_enter_calm(y->p.level, entry->id);
    if (__builtin_expect(atomic_load_explicit(&y->p.d->calm, memory_order_relaxed) != y->snapshot, 0)) {
        weft__delivery_not_plain(y, entry);
        return false;
    }
    weft_status status = timed ? weft__subscription_call_timed(entry->sub, y->p.d->clock, y->event)
                               : entry->handler(y->event, entry->user);
    if (__builtin_expect(status != WEFT_OK, 0)) {
        weft__delivery_failed(y, entry, status);
        return false;
    }
    weft__tally_handled(weft__slot_tally(y->p.slot, entry->tally), y->last);
    return true;
}

/* ---- chunks; both return how many have handled the event ---- */

/* Runs those of a chunk that want the event's type; nothing else is to be asked of any of them. */
uint64_t weft__run_chunk_plain(const weft__delivery *y, const weft__chunk *chunk, uint64_t wants);
/* The same if something is: conditions, a state, or it is time to take the time. */
uint64_t weft__run_chunk_asking(weft__delivery *y, const weft__chunk *chunk, uint64_t wants, bool *matched);

/* Runs the inline handlers that want the event. Returns whether there were any. */
static inline bool weft__run_inline(weft__delivery *y)
{
    const weft__entries *inline_ = &y->snapshot->inline_;
    bool matched = false;
    uint64_t handled = 0;
    for (size_t i = 0; i < inline_->chunk_count; i++) {
        const weft__chunk *chunk = inline_->chunks[i];
        uint64_t wants = chunk->wants[y->type];
        if ((wants & ~chunk->plain) != 0 || y->asks)
            handled += weft__run_chunk_asking(y, chunk, wants, &matched);
        else if (wants != 0) {
            handled += weft__run_chunk_plain(y, chunk, wants);
            matched = true;
        }
    }
    weft__slot_enter_calm(y->p.level, 0);
    weft__count_in_slot(y->p.slot, WEFT__COUNT_HANDLED, handled);
    return matched;
}

#endif

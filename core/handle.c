/* core/handle.c: calling a handler, and what follows if it fails.
 *
 * Threads    any, at a place of its own.
 * Invariant  an event handed to a subscription is handled, or a dead letter, or counted as dropped, skipped or failed.
 */
#include "core/dispatcher_private.h"

void weft__bury(const weft__place *p, weft__subscription *sub, const weft_event *event, weft_origin origin,
                weft_dead_reason reason, weft_status status, uint32_t attempts)
{
    const weft_event *kept = weft_event_keep(event);
    if (kept == NULL) {
        weft__count_in_slot(p->slot, WEFT__COUNT_DROPPED_OVERFLOW, 1);
        return;
    }
    weft_dead_letter letter = {
        .event = kept,
        .origin = origin,
        .subscription = {sub->id},
        .reason = reason,
        .status = status,
        .attempts = attempts,
        .died_ms = weft_clock_wall_ms(p->d->clock),
    };
    atomic_fetch_add_explicit(&sub->dead_letters, 1, memory_order_relaxed);
    weft__count_in_slot(p->slot, WEFT__COUNT_DEAD_LETTERS, 1);
    if (weft__dead_letters_add(&p->d->dead_letters, &letter) != WEFT__DEAD_STORED)
        weft__count_in_slot(p->slot, WEFT__COUNT_DEAD_LETTERS_DISPLACED, 1);
}

void weft__handle_failed(const weft__place *p, weft__subscription *sub)
{
    weft__count_shared(&sub->errors, 1);
    weft__count_in_slot(p->slot, WEFT__COUNT_HANDLER_ERRORS, 1);
}

void weft__handle_gave_up(const weft__place *p, weft__subscription *sub, const weft_event *event, weft_origin origin,
                          weft_status status, uint32_t attempts)
{
    weft__bury(p, sub, event, origin, WEFT_DEAD_FAILED, status, attempts);
    if (sub->failures_max == 0)
        return;
    if (atomic_fetch_add(&sub->failures, 1) + 1 >= sub->failures_max)
        atomic_fetch_or(&sub->state, WEFT__SUB_SUSPENDED);
}

static bool attempt(const weft__place *p, weft__subscription *sub, const weft_event *event, bool timed,
                    weft_status *ret)
{
    weft__tally *tally = weft__slot_tally(p->slot, weft__tally_place_of(sub->tally));
    *ret = timed ? weft__subscription_call_timed(sub, p->d->clock, event) : sub->handler(event, sub->user);
    if (*ret != WEFT_OK) {
        weft__handle_failed(p, sub);
        return false;
    }
    weft__tally_handled(tally, weft__tally_last(event));
    weft__count_in_slot(p->slot, WEFT__COUNT_HANDLED, 1);
    return true;
}

static void attempts(const weft__place *p, weft__subscription *sub, const weft_event *event, weft_origin origin,
                     bool timed)
{
    weft_status status = WEFT_OK;
    uint32_t made = 0;
    do {
        made++;
        if (attempt(p, sub, event, timed, &status)) {
            if (sub->failures_max != 0)
                atomic_store(&sub->failures, 0);
            return;
        }
    } while (made < sub->attempts && (atomic_load(&sub->state) & WEFT__SUB_UNWANTED) == 0);
    weft__handle_gave_up(p, sub, event, origin, status, made);
}

/* A one-shot ends by whoever gets to use it. */
static void handle_open(const weft__place *p, weft__subscription *sub, const weft_event *event, weft_origin origin,
                        bool timed)
{
    if (!sub->once) {
        attempts(p, sub, event, origin, timed);
    } else if (weft__subscription_end(sub)) {
        attempts(p, sub, event, origin, timed);
        weft__subscription_retire(p->d, sub);
    } else {
        weft__count_in_slot(p->slot, WEFT__COUNT_DROPPED_UNSUBSCRIBED, 1);
    }
}

void weft__handle(const weft__place *p, weft__subscription *sub, const weft_event *event, weft_origin origin,
                  bool timed)
{
    weft__slot_enter(&p->d->slots, p->level, sub->id);
    unsigned state = atomic_load_explicit(&sub->state, memory_order_acquire);
    if ((state & WEFT__SUB_DEAD) != 0) {
        weft__count_in_slot(p->slot, WEFT__COUNT_DROPPED_UNSUBSCRIBED, 1);
    } else if ((state & WEFT__SUB_SUSPENDED) != 0) {
        weft__bury(p, sub, event, origin, WEFT_DEAD_SUSPENDED, WEFT_OK, 0);
    } else if ((state & WEFT__SUB_PAUSED) != 0 && sub->queue == NULL) {
        weft__count_in_slot(p->slot, WEFT__COUNT_SKIPPED_PAUSED, 1);
        atomic_fetch_add_explicit(&sub->skipped_paused, 1, memory_order_relaxed);
    } else {
        handle_open(p, sub, event, origin, timed);
    }
    weft__slot_enter(&p->d->slots, p->level, 0);
}

void weft__handle_lost(const weft__place *p, weft__subscription *sub, const weft_lost *lost)
{
    if (sub->on_lost == NULL)
        return;
    weft__slot_enter(&p->d->slots, p->level, sub->id);
    if (!weft__subscription_has_ended(sub))
        sub->on_lost(lost, sub->user);
    weft__slot_enter(&p->d->slots, p->level, 0);
}

/* core/deliver.c: from an event to those who want it.
 *
 * Order      history and mailboxes first, then inline handlers in the order of subscribing: so an event that an inline
 *            handler publishes stands behind the one that caused it in every mailbox.
 * Threads    weft__deliver: any, holding a slot. weft__deliver_turn: a worker, in its own slot.
 * Invariant  for each subscription that wants an event: handled, failed, dropped or expired is counted once. */
#include "core/dispatcher_private.h"

#include <string.h>

#include "core/lost.h"

/* Mails a subscription may take before the others get a turn. */
enum { TURN_MAX = 64 };

typedef struct delivery {
    weft_dispatcher *d;
    weft__slot *slot;
    const weft_event *event;
    weft_origin origin;
    bool matched;
} delivery;

bool weft__event_expired(const weft_event *event, weft_origin origin, int64_t now_ms)
{
    if (event->ttl_ms == 0 || event->accepted_ms <= 0 || now_ms <= event->accepted_ms)
        return false;
    uint64_t age_ms = (uint64_t)(now_ms - event->accepted_ms);
    uint64_t skew_ms = origin == WEFT_ORIGIN_REMOTE ? WEFT__CLOCK_SKEW_MS : 0;
    return age_ms > skew_ms && age_ms - skew_ms > event->ttl_ms;
}

/* Begins running code of a subscription; false if it has ended, and then nothing of it may be called. */
static bool sub_enter(weft_dispatcher *d, weft__slot *slot, const weft__subscription *sub)
{
    weft__slot_enter(&d->slots, slot, sub->id);
    return !atomic_load(&sub->dead);
}

/* The predicate is code of the subscription too: unsubscribe waits for it as for the handler. */
static bool predicate_passes(const delivery *y, const weft__entry *entry)
{
    const weft_filter *condition = &entry->filter->condition;
    if (condition->predicate == NULL)
        return true;
    bool passes = sub_enter(y->d, y->slot, entry->sub) && condition->predicate(y->event, condition->predicate_user);
    weft__slot_enter(&y->d->slots, y->slot, 0);
    return passes;
}

static bool entry_wants(const delivery *y, const weft__entry *entry)
{
    return weft__type_set_has(&entry->types, y->event->type) &&
           weft__filter_matches_rest(entry->filter, y->event, y->origin) && predicate_passes(y, entry);
}

/* ---- mailboxes ---- */

static void sub_schedule(weft_dispatcher *d, weft__subscription *sub)
{
    weft__subscription_ref(sub);
    weft__pool_push(&d->pool, &sub->job);
}

static void count_overflow(weft__slot *slot, weft__subscription *sub, uint64_t n)
{
    weft__count_in_slot(slot, WEFT__COUNT_DROPPED_OVERFLOW, n);
    weft__count_shared(&weft__subscription_stripe(sub, slot)->dropped_overflow, n);
}

static void count_dropped(weft__slot *slot, weft__subscription *sub, weft__put_result result, uint64_t n)
{
    if (result == WEFT__PUT_CLOSED)
        weft__count_in_slot(slot, WEFT__COUNT_DROPPED_UNSUBSCRIBED, n);
    else if (result == WEFT__PUT_STOPPED)
        weft__count_in_slot(slot, WEFT__COUNT_DROPPED_STOPPED, n);
    else
        count_overflow(slot, sub, n);
}

/* Returns whether the mailbox took the mail over: not if it is full, would block, and was only tried. */
static bool mail_put(weft_dispatcher *d, weft__slot *slot, weft__subscription *sub, weft__mail mail,
                     weft__put_mode mode)
{
    uint64_t dropped;
    bool schedule;
    weft__put_result result = weft__mailbox_put(&sub->mailbox, mail, mode, &dropped, &schedule);
    if (dropped > 0)
        count_dropped(slot, sub, result, dropped);
    if (schedule)
        sub_schedule(d, sub);
    return result != WEFT__PUT_FULL;
}

/* Waits for room where that can end: not in the mailbox of the very handler that publishes, and not if it were the last
 * worker that could make room anywhere. */
static void mail_put_full(weft_dispatcher *d, weft__slot *slot, weft__subscription *sub, weft__mail mail)
{
    if (weft__slots_running_here(&d->slots, sub->id) || !weft__pool_wait_begin(&d->pool)) {
        (void)mail_put(d, slot, sub, mail, WEFT__PUT_NOW);
        return;
    }
    (void)mail_put(d, slot, sub, mail, WEFT__PUT_WAIT);
    weft__pool_wait_end(&d->pool);
}

/* No memory for a mail: to the subscriber it is one more event that did not fit. */
static void mail_miss(weft_dispatcher *d, weft__subscription *sub, uint64_t n)
{
    if (weft__mailbox_miss(&sub->mailbox, n))
        sub_schedule(d, sub);
}

static void event_queue(delivery *y, weft__subscription *sub)
{
    const weft_event *kept = weft_event_keep(y->event);
    if (kept == NULL) {
        count_overflow(y->slot, sub, 1);
        mail_miss(y->d, sub, 1);
        return;
    }
    weft__mail mail = {.event = kept, .origin = y->origin};
    if (!mail_put(y->d, y->slot, sub, mail, WEFT__PUT_TRY))
        mail_put_full(y->d, y->slot, sub, mail);
}

static void deliver_queued(delivery *y, const weft__entries *queued)
{
    if (!weft__type_set_has(&queued->types, y->event->type))
        return;
    for (size_t i = 0; i < queued->count; i++) {
        if (entry_wants(y, &queued->list[i])) {
            y->matched = true;
            event_queue(y, queued->list[i].sub);
        }
    }
}

/* ---- inline ---- */

static void deliver_inline(delivery *y, const weft__entries *inline_)
{
    if (!weft__type_set_has(&inline_->types, y->event->type))
        return;
    for (size_t i = 0; i < inline_->count; i++) {
        const weft__entry *entry = &inline_->list[i];
        if (!entry_wants(y, entry))
            continue;
        y->matched = true;
        if (sub_enter(y->d, y->slot, entry->sub))
            weft__subscription_handle(entry->sub, y->slot, y->d->clock, y->event);
        else
            weft__count_in_slot(y->slot, WEFT__COUNT_DROPPED_UNSUBSCRIBED, 1);
    }
}

static void remember(delivery *y)
{
    const weft_event *kept = weft_event_keep(y->event);
    if (kept != NULL)
        weft__history_add(&y->d->history, kept, y->origin);
    else
        weft__count_in_slot(y->slot, WEFT__COUNT_DROPPED_OVERFLOW, 1);
}

void weft__deliver(weft_dispatcher *d, weft__slot *slot, const weft_event *event, weft_origin origin)
{
    const weft__snapshot *snapshot = weft__slot_snapshot(slot);
    delivery y = {.d = d, .slot = slot, .event = event, .origin = origin};
    weft__count_own(&slot->counters.by_type[weft__type_index(event->type)], 1);
    if (d->history.max > 0)
        remember(&y);
    deliver_queued(&y, &snapshot->queued);
    deliver_inline(&y, &snapshot->inline_);
    if (!y.matched)
        weft__count_in_slot(slot, WEFT__COUNT_UNMATCHED, 1);
}

/* ---- losses ---- */

static bool entry_wants_lost(const weft__entry *entry, const weft_lost *lost)
{
    const weft_filter *condition = &entry->filter->condition;
    if (entry->sub->on_lost == NULL || condition->origin == WEFT_ORIGIN_LOCAL ||
        (entry->filter->topics & (uint32_t)lost->topic) == 0)
        return false;
    return condition->node == NULL || (lost->node != NULL && strcmp(condition->node, lost->node) == 0);
}

static void lost_queue(weft_dispatcher *d, weft__slot *slot, weft__subscription *sub, const weft_lost *lost)
{
    weft__mail mail = {.lost = weft__lost_copy(lost), .origin = WEFT_ORIGIN_REMOTE};
    if (mail.lost != NULL)
        (void)mail_put(d, slot, sub, mail, WEFT__PUT_NOW);
    else
        mail_miss(d, sub, weft__lost_count(lost));
}

void weft__deliver_lost(weft_dispatcher *d, weft__slot *slot, const weft_lost *lost)
{
    const weft__snapshot *snapshot = weft__slot_snapshot(slot);
    for (size_t i = 0; i < snapshot->queued.count; i++)
        if (entry_wants_lost(&snapshot->queued.list[i], lost))
            lost_queue(d, slot, snapshot->queued.list[i].sub, lost);
    for (size_t i = 0; i < snapshot->inline_.count; i++) {
        weft__subscription *sub = snapshot->inline_.list[i].sub;
        if (entry_wants_lost(&snapshot->inline_.list[i], lost) && sub_enter(d, slot, sub))
            sub->on_lost(lost, sub->user);
    }
}

/* ---- turns of queued subscriptions ---- */

static void tell_overflow(weft__subscription *sub, uint64_t count)
{
    if (sub->on_lost != NULL)
        sub->on_lost(&(weft_lost){.count = count, .reason = WEFT_LOST_OVERFLOW}, sub->user);
}

static void handle_mail(weft_dispatcher *d, weft__slot *slot, weft__subscription *sub, const weft__mail *mail)
{
    if (mail->lost != NULL) {
        sub->on_lost(mail->lost, sub->user);
    } else if (weft__event_expired(mail->event, mail->origin, weft_clock_wall_ms(d->clock))) {
        weft__count_in_slot(slot, WEFT__COUNT_EXPIRED, 1);
        weft__count_shared(&weft__subscription_stripe(sub, slot)->expired, 1);
    } else {
        weft__subscription_handle(sub, slot, d->clock, mail->event);
    }
}

static void take_mail(weft_dispatcher *d, weft__slot *slot, weft__subscription *sub, weft__mail *mail, uint64_t untold)
{
    if (sub_enter(d, slot, sub)) {
        if (untold > 0)
            tell_overflow(sub, untold);
        if (mail->event != NULL || mail->lost != NULL)
            handle_mail(d, slot, sub, mail);
    } else if (mail->event != NULL) {
        weft__count_in_slot(slot, WEFT__COUNT_DROPPED_UNSUBSCRIBED, 1);
    }
    weft__slot_rest(&d->slots, slot);
    weft__mail_release(mail);
}

void weft__deliver_turn(weft__job *job, unsigned worker, void *dispatcher)
{
    weft_dispatcher *d = dispatcher;
    weft__subscription *sub = weft__subscription_of_job(job);
    weft__slot *slot = d->worker_slots[worker];
    weft__slot_adopt(slot);
    weft__mail mail;
    uint64_t untold;
    for (int i = 0; i < TURN_MAX && weft__mailbox_take(&sub->mailbox, &mail, &untold); i++)
        take_mail(d, slot, sub, &mail, untold);
    if (weft__mailbox_rest(&sub->mailbox))
        weft__pool_push(&d->pool, job);
    else
        weft__subscription_unref(sub);
}

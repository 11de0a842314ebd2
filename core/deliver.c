/* core/deliver.c: from an event to those who want it.
 *
 * Order      history and mailboxes first, then inline handlers in the order of subscribing: so an event that an inline
 *            handler publishes stands behind the one that caused it in every mailbox.
 * Threads    any, at a place of its own.
 * Invariant  for each subscription that wants an event: handled, failed, dropped, skipped or expired is counted once.
 */
#include "core/dispatcher_private.h"

#include <string.h>

#include "core/lost.h"
#include "core/run.h"

bool weft__event_expired(const weft_event *event, weft_origin origin, int64_t now_ms)
{
    if (event->ttl_ms == 0 || event->accepted_ms <= 0 || now_ms <= event->accepted_ms)
        return false;
    uint64_t age_ms = (uint64_t)(now_ms - event->accepted_ms);
    uint64_t skew_ms = origin == WEFT_ORIGIN_REMOTE ? WEFT__CLOCK_SKEW_MS : 0;
    return age_ms > skew_ms && age_ms - skew_ms > event->ttl_ms;
}

/* The predicate is code of the subscription too: unsubscribe waits for it as for the handler. */
static bool predicate_passes(const weft__delivery *y, const weft__entry *entry)
{
    weft__slots *slots = &y->p.d->slots;
    weft__slot_enter(slots, y->p.level, entry->id);
    bool passes = !weft__subscription_has_ended(entry->sub) &&
                  entry->conditions->predicate(y->event, entry->conditions->predicate_user);
    weft__slot_enter(slots, y->p.level, 0);
    return passes;
}

static bool picky_wants(const weft__delivery *y, const weft__entry *entry)
{
    return weft__conditions_hold(entry->conditions, y->event, y->origin) &&
           (entry->conditions->predicate == NULL || predicate_passes(y, entry));
}

/* Clears those of the bits of which the event is not what they ask for. */
static uint64_t picky_clear(const weft__delivery *y, const weft__chunk *chunk, uint64_t bits)
{
    for (uint64_t rest = bits & chunk->picky; rest != 0; rest &= rest - 1)
        if (!picky_wants(y, &chunk->entries[weft__lowest_bit(rest)]))
            bits &= ~(rest & -rest);
    return bits;
}

static uint64_t except_clear(const weft__delivery *y, const weft__chunk *chunk, uint64_t bits)
{
    for (uint64_t rest = bits; rest != 0; rest &= rest - 1)
        if (chunk->entries[weft__lowest_bit(rest)].id == y->except)
            bits &= ~(rest & -rest);
    return bits;
}

/* The entries of a chunk that want the event. */
static inline uint64_t chunk_wants(const weft__delivery *y, const weft__chunk *chunk)
{
    uint64_t bits = weft__chunk_texts(chunk, y->event, y->type);
    if (__builtin_expect(y->except != 0, 0))
        bits = except_clear(y, chunk, bits);
    return (bits & chunk->picky) != 0 ? picky_clear(y, chunk, bits) : bits;
}

/* ---- inline ---- */

void weft__late_reply(const weft__place *p, const weft_event *event)
{
    if (weft__ended_requests_has(&p->d->ended_requests, event->correlation_id))
        weft__count_in_slot(p->slot, WEFT__COUNT_LATE_REPLIES, 1);
}

void weft__run_closed(const weft__place *p, const weft__entry *entry, const weft_event *event)
{
    weft__handle(p, entry->sub, event, WEFT_ORIGIN_LOCAL, false);
}

void weft__run_failed(const weft__place *p, const weft__entry *entry, const weft_event *event, weft_status status)
{
    weft__handle_failed(p, entry->sub);
    weft__handle_gave_up(p, entry->sub, event, WEFT_ORIGIN_LOCAL, status, 1);
}

uint64_t weft__run_some(const weft__place *p, const weft__snapshot *snapshot, const weft__chunk *chunk,
                        const weft_event *event, size_t type, uint64_t takers)
{
    uint64_t handled = 0, last = (uint64_t)event->timestamp_ms << 8 | type;
    for (uint64_t bits = takers; bits != 0; bits &= bits - 1) {
        const weft__entry *entry = &chunk->entries[weft__lowest_bit(bits)];
        if (weft__run_open(p->d, p->slot, p->level, snapshot, entry, event)) {
            weft__tally_handled(weft__slot_tally(p->slot, entry->tally), last);
            handled++;
        }
    }
    return handled;
}

/* An open one's state needs no look while nothing has changed since the snapshot was taken. */
static uint64_t chunk_run(const weft__delivery *y, const weft__chunk *chunk, uint64_t takers)
{
    uint64_t open = y->quick ? chunk->open : 0;
    if ((takers & ~open) == 0)
        return weft__run_some(&y->p, y->snapshot, chunk, y->event, y->type, takers);
    uint64_t handled = 0;
    for (uint64_t bits = takers; bits != 0; bits &= bits - 1) {
        unsigned i = weft__lowest_bit(bits);
        if ((open >> i & 1) == 0)
            weft__handle(&y->p, chunk->entries[i].sub, y->event, y->origin, y->timed);
        else
            handled += weft__run_some(&y->p, y->snapshot, chunk, y->event, y->type, bits & -bits);
    }
    return handled;
}

static inline bool run_inline(weft__delivery *y)
{
    const weft__entries *inline_ = &y->snapshot->inline_;
    uint64_t matched = 0, handled = 0;
    for (size_t i = 0; i < inline_->chunk_count; i++) {
        uint64_t takers = chunk_wants(y, inline_->chunks[i]);
        matched |= takers;
        if (takers != 0)
            handled += chunk_run(y, inline_->chunks[i], takers);
    }
    weft__slot_enter_calm(y->p.level, 0);
    weft__count_in_slot(y->p.slot, WEFT__COUNT_HANDLED, handled);
    return matched != 0;
}

/* ---- mailboxes ---- */

static void jobs_push(weft__delivery *y)
{
    *y->jobs_tail = NULL;
    weft__pool_push(&y->p.d->pool, y->jobs);
    y->jobs_tail = &y->jobs;
}

static void sub_schedule(weft__delivery *y, weft__subscription *sub)
{
    weft__subscription_ref(sub);
    *y->jobs_tail = &sub->queue->job;
    y->jobs_tail = &sub->queue->job.next;
}

static void count_overflow(weft__slot *slot, weft__subscription *sub, uint64_t n)
{
    weft__count_in_slot(slot, WEFT__COUNT_DROPPED_OVERFLOW, n);
    weft__count_shared(&sub->queue->dropped_overflow, n);
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

/* Returns FULL if the mailbox is full, would block, and was only tried: the mail is the caller's still. */
static weft__put_result mail_put(weft__delivery *y, weft__subscription *sub, weft__mail mail, weft__put_mode mode)
{
    uint64_t dropped;
    bool schedule;
    weft__put_result result = weft__mailbox_put(&sub->queue->mailbox, mail, mode, &dropped, &schedule);
    if (dropped > 0)
        count_dropped(y->p.slot, sub, result, dropped);
    if (schedule)
        sub_schedule(y, sub);
    if (result == WEFT__PUT_DEAD) {
        weft__bury(&y->p, sub, weft__mail_event(mail), weft__mail_origin(mail), WEFT_DEAD_OVERFLOW, WEFT_OK, 0);
        weft__mail_release(mail);
    }
    return result;
}

/* Waits for room where that can end: not in the mailbox of the very handler that publishes, and not if it were the last
 * worker that could make room anywhere. */
static void mail_put_full(weft__delivery *y, weft__subscription *sub, weft__mail mail)
{
    weft_dispatcher *d = y->p.d;
    jobs_push(y);
    if (weft__slots_running_here(&d->slots, sub->id) || !weft__pool_wait_begin(&d->pool)) {
        (void)mail_put(y, sub, mail, WEFT__PUT_NOW);
        return;
    }
    (void)mail_put(y, sub, mail, WEFT__PUT_WAIT);
    weft__pool_wait_end(&d->pool);
}

static void event_put(weft__delivery *y, weft__subscription *sub, const weft_event *kept)
{
    weft__mail mail = weft__mail_of_event(kept, y->origin);
    if (mail_put(y, sub, mail, WEFT__PUT_TRY) == WEFT__PUT_FULL)
        mail_put_full(y, sub, mail);
}

/* No memory for a mail: to the subscriber it is one more event that did not fit. */
static void mail_miss(weft__delivery *y, weft__subscription *sub, uint64_t n)
{
    if (weft__mailbox_miss(&sub->queue->mailbox, n))
        sub_schedule(y, sub);
}

static void chunk_miss(weft__delivery *y, const weft__chunk *chunk, uint64_t bits)
{
    for (; bits != 0; bits &= bits - 1) {
        weft__subscription *sub = chunk->entries[weft__lowest_bit(bits)].sub;
        count_overflow(y->p.slot, sub, 1);
        mail_miss(y, sub, 1);
    }
}

/* Mostly one: the general count is a call on processors of any age. */
static unsigned takers_count(uint64_t takers)
{
    return (takers & (takers - 1)) == 0 ? 1 : (unsigned)__builtin_popcountll(takers);
}

/* One reference for each taker. last_of: the loan that nobody takes one from after them; NULL: somebody may. */
static const weft_event *event_keep(const weft__delivery *y, unsigned takers, weft__loan *last_of)
{
    return last_of != NULL ? weft__loan_keep_last(last_of, takers) : weft__event_keep_n(y->event, takers);
}

static bool chunk_queue(weft__delivery *y, const weft__chunk *chunk, weft__loan *last_of)
{
    uint64_t takers = chunk_wants(y, chunk);
    if (takers == 0)
        return false;
    const weft_event *kept = event_keep(y, takers_count(takers), last_of);
    if (kept == NULL)
        chunk_miss(y, chunk, takers);
    else
        for (uint64_t bits = takers; bits != 0; bits &= bits - 1)
            event_put(y, chunk->entries[weft__lowest_bit(bits)].sub, kept);
    return true;
}

static bool deliver_queued(weft__delivery *y, weft__loan *loan)
{
    const weft__entries *queued = &y->snapshot->queued;
    if (!weft__type_set_has(&queued->types, y->event->type))
        return false;
    if (weft__type_set_has(&y->snapshot->inline_.types, y->event->type))
        loan = NULL;
    bool matched = false;
    y->jobs_tail = &y->jobs;
    for (size_t i = 0; i < queued->chunk_count; i++)
        matched |= chunk_queue(y, queued->chunks[i], i + 1 == queued->chunk_count ? loan : NULL);
    jobs_push(y);
    return matched;
}

void weft__deliver_to_queue(const weft__place *p, weft__subscription *sub, const weft_event *kept, weft_origin origin)
{
    weft__delivery y;
    weft__delivery_init(&y, p->d, p->slot, p->level, weft__level_snapshot(p->level), kept, weft__type_index(kept->type),
                        origin, 0);
    y.jobs_tail = &y.jobs;
    event_put(&y, sub, kept);
    jobs_push(&y);
}

/* What comes in pieces would push all else out. */
static void remember(const weft__delivery *y)
{
    if ((uint32_t)weft_event_topic(y->event) & (uint32_t)WEFT_TOPICS_BEST_EFFORT)
        return;
    const weft_event *kept = weft_event_keep(y->event);
    if (kept != NULL)
        weft__history_add(&y->p.d->history, kept, y->origin);
    else
        weft__count_in_slot(y->p.slot, WEFT__COUNT_DROPPED_OVERFLOW, 1);
}

/* Every 1,024th event of a type goes the long way, which takes the time of its handlers now and then. */
static inline void delivery_count(weft__delivery *y)
{
    _Atomic uint64_t *count = &y->p.slot->counters.by_type[y->type];
    y->timed = !weft__count_is_common(count);
    y->quick = weft__fence_is_asymmetric && y->origin == WEFT_ORIGIN_LOCAL && !y->timed;
    weft__count_own(count, 1);
    if (__builtin_expect(y->event->correlation_id != NULL, 0))
        weft__late_reply(&y->p, y->event);
}

void weft__deliver_inline(const weft__place *p, const weft_event *event, weft_origin origin, uint64_t except)
{
    weft__delivery y;
    weft__delivery_init(&y, p->d, p->slot, p->level, weft__level_snapshot(p->level), event,
                        weft__type_index(event->type), origin, except);
    delivery_count(&y);
    if (!run_inline(&y))
        weft__count_in_slot(p->slot, WEFT__COUNT_UNMATCHED, 1);
}

void weft__deliver(const weft__place *p, const weft_event *event, weft__loan *loan, weft_origin origin, uint64_t except)
{
    weft__delivery y;
    weft__delivery_init(&y, p->d, p->slot, p->level, weft__level_snapshot(p->level), event,
                        weft__type_index(event->type), origin, except);
    delivery_count(&y);
    if (p->d->history.max > 0)
        remember(&y);
    bool queued = deliver_queued(&y, loan);
    if (!run_inline(&y) && !queued)
        weft__count_in_slot(p->slot, WEFT__COUNT_UNMATCHED, 1);
}

/* ---- losses ---- */

static bool entry_wants_lost(const weft__entry *entry, const weft_lost *lost)
{
    const weft__conditions *conditions = entry->conditions;
    if (entry->sub->on_lost == NULL || (entry->sub->filter.topics & (uint32_t)lost->topic) == 0)
        return false;
    if (conditions == NULL)
        return true;
    const char *node = weft__conditions_text(conditions, WEFT__ASK_NODE);
    return conditions->origin != WEFT_ORIGIN_LOCAL &&
           (node == NULL || (lost->node != NULL && strcmp(node, lost->node) == 0));
}

static void lost_queue(weft__delivery *y, weft__subscription *sub, const weft_lost *lost)
{
    weft_lost *copy = weft__lost_copy(lost);
    if (copy != NULL)
        (void)mail_put(y, sub, weft__mail_of_lost(copy), WEFT__PUT_NOW);
    else
        mail_miss(y, sub, weft__lost_count(lost));
}

static void lost_tell(weft__delivery *y, weft__subscription *sub, const weft_lost *lost)
{
    weft__handle_lost(&y->p, sub, lost);
}

static void entries_lost(weft__delivery *y, const weft__entries *entries, const weft_lost *lost,
                         void (*tell)(weft__delivery *y, weft__subscription *sub, const weft_lost *lost))
{
    for (size_t c = 0; c < entries->chunk_count; c++)
        for (unsigned i = 0; i < entries->chunks[c]->count; i++)
            if (entry_wants_lost(&entries->chunks[c]->entries[i], lost))
                tell(y, entries->chunks[c]->entries[i].sub, lost);
}

void weft__deliver_lost(const weft__place *p, const weft_lost *lost)
{
    weft__delivery y;
    weft__delivery_init(&y, p->d, p->slot, p->level, weft__level_snapshot(p->level), NULL, WEFT_EVENT_NONE,
                        WEFT_ORIGIN_REMOTE, 0);
    y.jobs_tail = &y.jobs;
    entries_lost(&y, &y.snapshot->queued, lost, lost_queue);
    jobs_push(&y);
    entries_lost(&y, &y.snapshot->inline_, lost, lost_tell);
}

/* core/tap.c: the dispatcher's side of a bridge.
 *
 * The tap stands in the snapshot, so that publishers find it without a lock; d->tap_id says whether it is still
 * attached, and the slot's `running` that it is being called: the same way subscriptions end.
 *
 * Interest: whoever changed the subscriptions compares what the tap was told last with what is true now, one thread at
 * a time. A thread whose change was told by another meanwhile has nothing left to say; either way the tap knows of a
 * change before the call that made it returns. */
#include "weft/tap.h"

#include "core/dispatcher_private.h"
#include "core/event_private.h"

typedef struct interest {
    weft__tap tap;
    uint32_t topics;
} interest;

static interest interest_now(weft_dispatcher *d)
{
    interest now = {0};
    pthread_mutex_lock(&d->writer);
    const weft__snapshot *snapshot = atomic_load(&d->current);
    if (atomic_load(&d->tap_id) != 0)
        now = (interest){.tap = snapshot->tap, .topics = weft__snapshot_remote_topics(snapshot)};
    pthread_mutex_unlock(&d->writer);
    return now;
}

static bool interest_is_news_locked(const weft_dispatcher *d, const interest *now)
{
    return now->tap.ops != NULL && (now->tap.id != d->interest_tap || now->topics != d->interest_topics);
}

static void interest_await_turn_locked(weft_dispatcher *d)
{
    while (d->interest_telling)
        (void)pthread_cond_wait(&d->interest_told, &d->interest_lock);
}

void weft__interest_refresh(weft_dispatcher *d)
{
    if (atomic_load(&d->tap_id) == 0)
        return;
    pthread_mutex_lock(&d->interest_lock);
    interest_await_turn_locked(d);
    interest now = interest_now(d);
    if (interest_is_news_locked(d, &now)) {
        d->interest_tap = now.tap.id;
        d->interest_topics = now.topics;
        d->interest_telling = true;
        pthread_mutex_unlock(&d->interest_lock);
        now.tap.ops->interest_changed(now.tap.user, now.topics);
        pthread_mutex_lock(&d->interest_lock);
        d->interest_telling = false;
        pthread_cond_broadcast(&d->interest_told);
    }
    pthread_mutex_unlock(&d->interest_lock);
}

static weft_status tap_set_locked(weft_dispatcher *d, const weft_tap_ops *ops, void *user)
{
    if (atomic_load(&d->tap_id) != 0)
        return WEFT_EXISTS;
    weft__snapshot *next = weft__snapshot_create(atomic_load(&d->current), NULL);
    if (next == NULL)
        return WEFT_NO_MEMORY;
    next->tap = (weft__tap){.ops = ops, .user = user, .id = ++d->last_id};
    atomic_store(&d->tap_id, next->tap.id);
    weft__snapshot_replace_locked(&d->slots, &d->current, &d->retired, next);
    return WEFT_OK;
}

weft_status weft_tap_attach(weft_dispatcher *d, const weft_tap_ops *ops, void *user)
{
    pthread_mutex_lock(&d->writer);
    weft_status status = tap_set_locked(d, ops, user);
    pthread_mutex_unlock(&d->writer);
    if (status == WEFT_OK)
        weft__interest_refresh(d);
    return status;
}

void weft_tap_detach(weft_dispatcher *d)
{
    pthread_mutex_lock(&d->writer);
    uint64_t id = atomic_exchange(&d->tap_id, 0);
    pthread_mutex_unlock(&d->writer);
    if (id == 0)
        return;
    pthread_mutex_lock(&d->interest_lock);
    interest_await_turn_locked(d);
    pthread_mutex_unlock(&d->interest_lock);
    weft__slots_wait_for(&d->slots, id);
}

/* Delivers in a slot, unless the dispatcher is stopped. */
static weft_status tap_hand_over(weft_dispatcher *d, const weft_event *event, weft_origin origin, weft__count count)
{
    weft__slot *slot = weft__slot_claim(&d->slots, &d->current);
    if (slot == NULL)
        return WEFT_NO_MEMORY;
    weft_status status = WEFT_OK;
    if (atomic_load(&d->state) != WEFT__RUNNING) {
        weft__count_in_slot(slot, WEFT__COUNT_REFUSED_STOPPED, 1);
        status = WEFT_STOPPED;
    } else {
        weft__count_in_slot(slot, count, 1);
        weft__deliver(d, slot, event, origin);
    }
    weft__slot_release(&d->slots, slot);
    return status;
}

/* A kept event goes on as it is; another one is lent, so that all who keep it share one copy. */
static weft_status tap_lend(weft_dispatcher *d, const weft_event *event, weft_origin origin, weft__count count)
{
    if (weft__event_is_kept(event))
        return tap_hand_over(d, event, origin, count);
    weft__loan loan;
    weft__event_borrow(&loan, event);
    weft_status status = tap_hand_over(d, &loan.event, origin, count);
    weft__loan_done(&loan);
    return status;
}

weft_status weft_tap_publish_taken(weft_dispatcher *d, const weft_event *event)
{
    return tap_lend(d, event, WEFT_ORIGIN_LOCAL, WEFT__COUNT_PUBLISHED);
}

weft_status weft_tap_deliver(weft_dispatcher *d, const weft_event *event)
{
    if (!weft__event_expired(event, WEFT_ORIGIN_REMOTE, weft_clock_wall_ms(d->clock)))
        return tap_lend(d, event, WEFT_ORIGIN_REMOTE, WEFT__COUNT_DELIVERED_REMOTE);
    if (atomic_load(&d->state) != WEFT__RUNNING) {
        weft__count_unslotted(d, WEFT__COUNT_REFUSED_STOPPED, 1);
        return WEFT_STOPPED;
    }
    weft__count_unslotted(d, WEFT__COUNT_EXPIRED, 1);
    return WEFT_OK;
}

weft_status weft_tap_report_lost(weft_dispatcher *d, const weft_lost *lost)
{
    weft__slot *slot = weft__slot_claim(&d->slots, &d->current);
    if (slot == NULL)
        return WEFT_NO_MEMORY;
    weft__deliver_lost(d, slot, lost);
    weft__slot_release(&d->slots, slot);
    return WEFT_OK;
}

const weft_clock *weft_tap_clock(const weft_dispatcher *d)
{
    return d->clock;
}

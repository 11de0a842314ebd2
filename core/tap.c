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

#include <assert.h>

typedef struct interest {
    weft__tap tap;
    uint32_t topics;
} interest;

static interest interest_now(weft_dispatcher *d)
{
    interest now = {0};
    pthread_mutex_lock(&d->writer);
    const weft__snapshot *snapshot = weft__current_locked(d);
    if (atomic_load(&d->tap_id) != 0)
        now = (interest){.tap = snapshot->gates.tap, .topics = weft__snapshot_remote_topics(snapshot)};
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
    weft__gates gates = weft__current_locked(d)->gates;
    gates.tap = (weft__tap){.ops = ops, .user = user, .id = ++d->last_id};
    atomic_store(&d->tap_id, gates.tap.id);
    weft_status status = weft__change_locked(d, &(weft__change){.gates = &gates});
    if (status != WEFT_OK)
        atomic_store(&d->tap_id, 0);
    return status;
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

/* Without memory it stays listed, and is passed over. */
static void tap_unlist_locked(weft_dispatcher *d)
{
    weft__gates gates = weft__current_locked(d)->gates;
    gates.tap = (weft__tap){0};
    (void)weft__change_locked(d, &(weft__change){.gates = &gates});
}

void weft_tap_detach(weft_dispatcher *d)
{
    pthread_mutex_lock(&d->writer);
    uint64_t id = atomic_exchange(&d->tap_id, 0);
    if (id != 0)
        tap_unlist_locked(d);
    pthread_mutex_unlock(&d->writer);
    if (id == 0)
        return;
    pthread_mutex_lock(&d->interest_lock);
    interest_await_turn_locked(d);
    pthread_mutex_unlock(&d->interest_lock);
    weft__slots_wait_for(&d->slots, id);
}

static bool has_expired(const weft_dispatcher *d, const weft_event *event, weft_origin origin)
{
    return event->ttl_ms != 0 && origin == WEFT_ORIGIN_REMOTE &&
           weft__event_expired(event, origin, weft_clock_wall_ms(d->clock));
}

static weft_status deliver_at(const weft__place *p, const weft_event *event, weft__loan *loan, weft_origin origin)
{
    if (atomic_load(&p->d->state) != WEFT__RUNNING) {
        weft__count_in_slot(p->slot, WEFT__COUNT_REFUSED_STOPPED, 1);
        return WEFT_STOPPED;
    }
    if (has_expired(p->d, event, origin)) {
        weft__count_in_slot(p->slot, WEFT__COUNT_EXPIRED, 1);
        return WEFT_OK;
    }
    if (origin == WEFT_ORIGIN_REMOTE)
        weft__count_in_slot(p->slot, WEFT__COUNT_DELIVERED_REMOTE, 1);
    weft__deliver(p, event, loan, origin, 0);
    return WEFT_OK;
}

/* A kept event goes on as it is; another one is lent, so that all who keep it share one copy. */
static weft_status tap_lend(weft_dispatcher *d, const weft_event *event, weft_origin origin)
{
    weft__place place;
    weft_status status = weft__place_begin(&place, d);
    if (status != WEFT_OK)
        return status;
    if (weft__event_is_kept(event)) {
        status = deliver_at(&place, event, NULL, origin);
    } else {
        weft__loan loan;
        weft__event_borrow(&loan, event);
        status = deliver_at(&place, &loan.event, &loan, origin);
        weft__loan_done(&loan);
    }
    weft__place_end(&place);
    return status;
}

weft_status weft_tap_publish_taken(weft_dispatcher *d, const weft_event *event)
{
    return tap_lend(d, event, WEFT_ORIGIN_LOCAL);
}

weft_status weft_tap_deliver(weft_dispatcher *d, const weft_event *event)
{
    return tap_lend(d, event, WEFT_ORIGIN_REMOTE);
}

/* Whether the subscriptions have changed since the level began, or somebody waits for it to end. */
static bool place_is_outdated(const weft__place *p)
{
    return atomic_load_explicit(&p->d->current, memory_order_acquire) != weft__level_snapshot(p->level) ||
           atomic_load_explicit(&p->d->slots.waiters, memory_order_relaxed) != 0;
}

/* One level for all, but each event is delivered as if it had begun its own. */
weft_status weft_tap_deliver_each(weft_dispatcher *d, weft_tap_next_fn next, void *user)
{
    weft__place place;
    weft_status status = weft__place_begin(&place, d);
    if (status != WEFT_OK)
        return status;
    for (const weft_event *event; (event = next(user)) != NULL;) {
        if (place_is_outdated(&place)) {
            weft__place_end(&place);
            weft_status again = weft__place_begin(&place, d);
            assert(again == WEFT_OK); /* the thread has its slot, and as many levels as before */
            (void)again;
        }
        if (deliver_at(&place, event, NULL, WEFT_ORIGIN_REMOTE) != WEFT_OK)
            status = WEFT_STOPPED;
    }
    weft__place_end(&place);
    return status;
}

weft_status weft_tap_report_lost(weft_dispatcher *d, const weft_lost *lost)
{
    weft__place place;
    weft_status status = weft__place_begin(&place, d);
    if (status != WEFT_OK)
        return status;
    weft__deliver_lost(&place, lost);
    weft__place_end(&place);
    return WEFT_OK;
}

const weft_clock *weft_tap_clock(const weft_dispatcher *d)
{
    return d->clock;
}

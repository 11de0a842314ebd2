/* core/subscribe.c: subscriptions that come, pause, wake and go. */
#include "core/dispatcher_private.h"

weft_status weft__change_locked(weft_dispatcher *d, const weft__change *change)
{
    weft__change full = *change;
    full.all_careful = d->all_careful;
    weft__snapshot *next = weft__snapshot_create(&d->chunks, weft__current_locked(d), &full);
    atomic_store(&d->calm, next);
    if (next == NULL)
        return WEFT_NO_MEMORY;
    weft__snapshot_replace_locked(&d->slots, &d->current, &d->retired, next);
    return WEFT_OK;
}

/* ---- subscribe ---- */

/* Lists a new subscription. The handle is filled in first: its handler may run, and use it, before subscribe returns.
 */
static weft_status sub_list_locked(weft_dispatcher *d, weft__subscription *sub, weft_subscription *ret)
{
    if (d->subscription_count >= WEFT__SUBSCRIPTIONS_MAX)
        return WEFT_FULL;
    sub->id = ++d->last_id;
    if (ret != NULL)
        ret->id = sub->id;
    weft_status status = weft__change_locked(d, &(weft__change){.add = sub});
    d->subscription_count += status == WEFT_OK;
    return status;
}

static weft_status sub_add(weft_dispatcher *d, weft__subscription *sub, weft_subscription *ret)
{
    weft_status status = sub->queue != NULL ? weft__pool_start(&d->pool) : WEFT_OK;
    if (status != WEFT_OK)
        return status;
    pthread_mutex_lock(&d->writer);
    status = sub_list_locked(d, sub, ret);
    pthread_mutex_unlock(&d->writer);
    return status;
}

weft_status weft_subscribe_with(weft_dispatcher *d, const weft_filter *filter, const weft_subscribe_opts *opts,
                                weft_handler_fn handler, void *user, weft_subscription *ret)
{
    weft__subscription *sub;
    weft_status status = weft__subscription_create(&d->home, filter, opts, handler, user, &sub);
    if (status != WEFT_OK)
        return status;
    status = sub_add(d, sub, ret);
    weft__subscription_unref(sub);
    if (status == WEFT_OK)
        weft__interest_refresh(d);
    return status;
}

weft_status weft_subscribe(weft_dispatcher *d, const weft_filter *filter, weft_handler_fn handler, void *user,
                           weft_subscription *ret)
{
    return weft_subscribe_with(d, filter, NULL, handler, user, ret);
}

/* ---- unsubscribe ---- */

/* By whoever ended it. Without memory for a new snapshot it stays listed, and is passed over, until the next change. */
static uint64_t sub_unlist_locked(weft_dispatcher *d, weft__subscription *sub)
{
    uint64_t dropped = sub->queue != NULL ? weft__mailbox_set_state(&sub->queue->mailbox, WEFT__MAILBOX_CLOSED) : 0;
    d->subscription_count--;
    (void)weft__change_locked(d, &(weft__change){.remove = sub});
    return dropped;
}

static void sub_ended(weft_dispatcher *d, uint64_t dropped)
{
    if (dropped > 0)
        weft__count_unslotted(d, WEFT__COUNT_DROPPED_UNSUBSCRIBED, dropped);
    weft__interest_refresh(d);
}

weft_status weft_unsubscribe(weft_dispatcher *d, weft_subscription subscription)
{
    if (subscription.id == 0)
        return WEFT_NOT_FOUND;
    uint64_t dropped = 0;
    pthread_mutex_lock(&d->writer);
    weft__subscription *sub = weft__snapshot_find_listed(weft__current_locked(d), subscription.id);
    if (sub != NULL)
        atomic_fetch_or(&sub->state, WEFT__SUB_UNWANTED);
    bool ended = sub != NULL && weft__subscription_end(sub);
    if (ended)
        dropped = sub_unlist_locked(d, sub);
    pthread_mutex_unlock(&d->writer);
    if (ended)
        sub_ended(d, dropped);
    /* Also for an id already ended: its handler may still be running, and the caller is about to free what it uses. */
    weft__slots_wait_for(&d->slots, subscription.id);
    return ended ? WEFT_OK : WEFT_NOT_FOUND;
}

void weft__subscription_retire(weft_dispatcher *d, weft__subscription *sub)
{
    pthread_mutex_lock(&d->writer);
    uint64_t dropped = sub_unlist_locked(d, sub);
    pthread_mutex_unlock(&d->writer);
    sub_ended(d, dropped);
}

/* ---- pause, resume, list ---- */

static void mailbox_pause(weft_dispatcher *d, weft__subscription *sub, bool paused)
{
    if (sub->queue == NULL || !weft__mailbox_pause(&sub->queue->mailbox, paused))
        return;
    weft__subscription_ref(sub);
    sub->queue->job.next = NULL;
    weft__pool_push(&d->pool, &sub->queue->job);
}

/* Publishers that have not seen the change of the snapshot see that of the state. */
static void sub_pause_locked(weft_dispatcher *d, weft__subscription *sub)
{
    atomic_fetch_or(&sub->state, WEFT__SUB_PAUSED);
    (void)weft__change_locked(d, &(weft__change){.renew = sub});
    mailbox_pause(d, sub, true);
}

void weft__subscription_resume_locked(weft_dispatcher *d, weft__subscription *sub)
{
    atomic_store(&sub->failures, 0);
    atomic_fetch_and(&sub->state, ~(unsigned)(WEFT__SUB_PAUSED | WEFT__SUB_SUSPENDED));
    (void)weft__change_locked(d, &(weft__change){.renew = sub});
    mailbox_pause(d, sub, false);
}

static weft_status sub_do(weft_dispatcher *d, weft_subscription subscription,
                          void (*act)(weft_dispatcher *d, weft__subscription *sub))
{
    pthread_mutex_lock(&d->writer);
    weft__subscription *sub = weft__snapshot_find(weft__current_locked(d), subscription.id);
    if (sub != NULL)
        act(d, sub);
    pthread_mutex_unlock(&d->writer);
    return sub != NULL ? WEFT_OK : WEFT_NOT_FOUND;
}

weft_status weft_subscription_pause(weft_dispatcher *d, weft_subscription subscription)
{
    return sub_do(d, subscription, sub_pause_locked);
}

weft_status weft_subscription_resume(weft_dispatcher *d, weft_subscription subscription)
{
    return sub_do(d, subscription, weft__subscription_resume_locked);
}

size_t weft_subscription_list(weft_dispatcher *d, weft_subscription after, weft_subscription *ret, size_t max)
{
    pthread_mutex_lock(&d->writer);
    size_t count = weft__snapshot_ids(weft__current_locked(d), after.id, ret, max);
    pthread_mutex_unlock(&d->writer);
    return count;
}

/* core/subscribe.c: subscribing and unsubscribing. */
#include "core/dispatcher_private.h"

/* Lists a new subscription. The handle is filled in first: its handler may run, and use it, before subscribe returns.
 */
static weft_status sub_publish_locked(weft_dispatcher *d, weft__subscription *sub, weft_subscription *ret)
{
    const weft__snapshot *current = atomic_load(&d->current);
    if (weft__snapshot_count(current) >= WEFT__SUBSCRIPTIONS_MAX)
        return WEFT_FULL;
    sub->id = d->last_id + 1;
    weft__snapshot *next = weft__snapshot_create(current, sub);
    if (next == NULL)
        return WEFT_NO_MEMORY;
    d->last_id = sub->id;
    if (ret != NULL)
        ret->id = sub->id;
    weft__snapshot_replace_locked(&d->slots, &d->current, &d->retired, next);
    return WEFT_OK;
}

static weft_status sub_add(weft_dispatcher *d, weft__subscription *sub, weft_subscription *ret)
{
    weft_status status = sub->queued ? weft__pool_start(&d->pool) : WEFT_OK;
    if (status != WEFT_OK)
        return status;
    pthread_mutex_lock(&d->writer);
    status = sub_publish_locked(d, sub, ret);
    pthread_mutex_unlock(&d->writer);
    return status;
}

weft_status weft_subscribe_with(weft_dispatcher *d, const weft_filter *filter, const weft_subscribe_opts *opts,
                                weft_handler_fn handler, void *user, weft_subscription *ret)
{
    weft__subscription *sub;
    weft_status status = weft__subscription_create(filter, opts, handler, user, &sub);
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

/* Without memory for a new snapshot the dead subscription stays listed, and is passed over, until the next change. */
static uint64_t sub_end_locked(weft_dispatcher *d, weft__subscription *sub)
{
    atomic_store(&sub->dead, true);
    uint64_t dropped = sub->queued ? weft__mailbox_set_state(&sub->mailbox, WEFT__MAILBOX_CLOSED) : 0;
    weft__snapshot *next = weft__snapshot_create(atomic_load(&d->current), NULL);
    if (next != NULL)
        weft__snapshot_replace_locked(&d->slots, &d->current, &d->retired, next);
    return dropped;
}

weft_status weft_unsubscribe(weft_dispatcher *d, weft_subscription subscription)
{
    if (subscription.id == 0)
        return WEFT_NOT_FOUND;
    uint64_t dropped = 0;
    pthread_mutex_lock(&d->writer);
    weft__subscription *sub = weft__snapshot_find(atomic_load(&d->current), subscription.id);
    if (sub != NULL)
        dropped = sub_end_locked(d, sub);
    pthread_mutex_unlock(&d->writer);
    if (dropped > 0)
        weft__count_unslotted(d, WEFT__COUNT_DROPPED_UNSUBSCRIBED, dropped);
    if (sub != NULL)
        weft__interest_refresh(d);
    /* Also for an id already ended: its handler may still be running, and the caller is about to free what it uses. */
    weft__slots_wait_for(&d->slots, subscription.id);
    return sub != NULL ? WEFT_OK : WEFT_NOT_FOUND;
}

/* core/gates.c: what every local publish passes before it is matched: rate limits, interceptors, the tap.
 *
 * The gates stand in the snapshot, so that publishers find them without a lock; the level's `running` says whose code
 * is being called, so that removing waits for it, as subscriptions end.
 * Threads    any, at a place of its own. */
#include "core/dispatcher_private.h"

static const weft__gates *gates_of(const weft__place *p)
{
    return &weft__level_snapshot(p->level)->gates;
}

/* ---- passing ---- */

static weft_status tap_offer(const weft__place *p, weft_event *event)
{
    const weft__tap *tap = &gates_of(p)->tap;
    if (tap->ops == NULL)
        return WEFT_OK;
    weft_status status = WEFT_OK;
    weft__slot_enter(&p->d->slots, p->level, tap->id);
    if (atomic_load(&p->d->tap_id) == tap->id)
        status = tap->ops->accept(tap->user, event);
    weft__slot_enter(&p->d->slots, p->level, 0);
    if (status != WEFT_OK)
        weft__count_in_slot(p->slot, WEFT__COUNT_REFUSED_BRIDGE, 1);
    return status;
}

static weft_status offer_and_deliver(const weft__place *p, weft__loan *loan, uint64_t except)
{
    weft_status status = tap_offer(p, &loan->event);
    if (status == WEFT_OK)
        weft__deliver(p, &loan->event, loan, WEFT_ORIGIN_LOCAL, except);
    return status;
}

/* What interceptors have had in their hands is validated anew. */
static weft_status recheck_and_deliver(const weft__place *p, weft__loan *loan, uint64_t except, const char **ret_field)
{
    weft__layout layout;
    weft_status status = weft__event_check(&loan->event, &layout, ret_field);
    if (status != WEFT_OK) {
        weft__count_in_slot(p->slot, WEFT__COUNT_REFUSED_INVALID, 1);
        return status;
    }
    loan->layout = &layout;
    status = offer_and_deliver(p, loan, except);
    loan->layout = NULL;
    return status;
}

static weft_status split_deliver(const weft__place *p, const weft_event *event, uint64_t except, const char **ret_field)
{
    weft__loan loan;
    weft__event_borrow(&loan, event);
    weft_status status = recheck_and_deliver(p, &loan, except, ret_field);
    weft__loan_done(&loan);
    if (status == WEFT_OK)
        weft__count_in_slot(p->slot, WEFT__COUNT_SPLIT, 1);
    return status;
}

static bool interceptor_enter(void *user, const weft__interceptor *interceptor)
{
    const weft__place *p = user;
    weft__slot_enter(&p->d->slots, p->level, interceptor->id);
    return !atomic_load(&interceptor->removed);
}

static void interceptor_leave(void *user)
{
    const weft__place *p = user;
    weft__slot_enter(&p->d->slots, p->level, 0);
}

/* An interceptor may have overwritten all of the event. */
static void times_hold(weft_event *event, const weft_stage *stage)
{
    event->accepted_ms = stage->accepted_ms;
    if (event->timestamp_ms == 0)
        event->timestamp_ms = stage->accepted_ms;
}

/* The first refusal is the publish's answer; what else was split off goes on all the same. */
static weft_status results_deliver(const weft__place *p, weft__loan *loan, weft_stage *stage, weft_status run,
                                   uint64_t except, const char **ret_field)
{
    weft_status first = WEFT_OK;
    times_hold(&loan->event, stage);
    if (run == WEFT_OK)
        first = recheck_and_deliver(p, loan, except, ret_field);
    for (size_t i = 0; i < weft__stage_size(stage); i++) {
        weft_event *event = weft__stage_at(stage, i);
        times_hold(event, stage);
        weft_status status = split_deliver(p, event, except, first == WEFT_OK ? ret_field : NULL);
        first = first == WEFT_OK ? status : first;
    }
    return first;
}

static weft_status intercept_and_deliver(const weft__place *p, weft__loan *loan, uint64_t except,
                                         const char **ret_field)
{
    weft__intercept_hooks hooks = {interceptor_enter, interceptor_leave, (void *)(uintptr_t)p};
    weft_stage stage;
    weft__stage_init(&stage);
    weft_status status = weft__intercept_run(gates_of(p)->interceptors, &hooks, &loan->event, &stage);
    loan->layout = NULL;
    weft__count_in_slot(p->slot, WEFT__COUNT_DROPPED_INTERCEPTOR, stage.dropped);
    if (status == WEFT_OK || status == WEFT_DROPPED)
        status = results_deliver(p, loan, &stage, status, except, ret_field);
    else
        weft__count_in_slot(p->slot, WEFT__COUNT_REFUSED_INTERCEPTOR, 1);
    weft__stage_fini(&stage);
    return status;
}

weft_status weft__gates_pass(const weft__place *p, weft__loan *loan, uint64_t except, const char **ret_field)
{
    const weft__gates *gates = gates_of(p);
    if (gates->limiter != NULL && !weft__limiter_admit(gates->limiter, &loan->event, weft_clock_mono_ns(p->d->clock))) {
        weft__count_in_slot(p->slot, WEFT__COUNT_REFUSED_RATE, 1);
        return WEFT_RATE_LIMITED;
    }
    if (gates->interceptors != NULL)
        return intercept_and_deliver(p, loan, except, ret_field);
    return offer_and_deliver(p, loan, except);
}

/* ---- rate limits ---- */

weft_status weft_rate_limits_set(weft_dispatcher *d, const weft_rate_limit *limits, size_t count)
{
    weft__limiter *limiter = NULL;
    weft_status status = count > 0 ? weft__limiter_create(limits, count, &limiter) : WEFT_OK;
    if (status != WEFT_OK)
        return status;
    pthread_mutex_lock(&d->writer);
    weft__gates gates = weft__current_locked(d)->gates;
    gates.limiter = limiter;
    status = weft__change_locked(d, &(weft__change){.gates = &gates});
    pthread_mutex_unlock(&d->writer);
    weft__limiter_unref(limiter);
    return status;
}

weft_status weft_rate_limit_get_stats(weft_dispatcher *d, size_t index, weft_rate_limit_stats *ret)
{
    pthread_mutex_lock(&d->writer);
    weft__limiter *limiter = weft__current_locked(d)->gates.limiter;
    weft_status status = limiter != NULL ? weft__limiter_get_stats(limiter, index, ret) : WEFT_NOT_FOUND;
    pthread_mutex_unlock(&d->writer);
    return status;
}

/* ---- interceptors ---- */

/* A list without members is none, so that publishes need not be careful for it. */
static weft_status list_install_locked(weft_dispatcher *d, weft__interceptor *add)
{
    weft__gates gates = weft__current_locked(d)->gates;
    weft__interceptors *made = NULL;
    if (add != NULL || weft__interceptors_count(gates.interceptors) > 0) {
        made = weft__interceptors_create(gates.interceptors, add);
        if (made == NULL)
            return WEFT_NO_MEMORY;
    }
    gates.interceptors = made;
    weft_status status = weft__change_locked(d, &(weft__change){.gates = &gates});
    weft__interceptors_unref(made);
    return status;
}

static weft_status interceptor_add_locked(weft_dispatcher *d, weft__interceptor *interceptor, weft_interceptor *ret)
{
    if (weft__interceptors_count(weft__current_locked(d)->gates.interceptors) >= WEFT_INTERCEPTORS_MAX)
        return WEFT_FULL;
    interceptor->id = ++d->last_id;
    if (ret != NULL)
        ret->id = interceptor->id;
    return list_install_locked(d, interceptor);
}

weft_status weft_intercept(weft_dispatcher *d, const weft_interceptor_opts *opts, weft_intercept_fn intercept,
                           void *user, weft_interceptor *ret)
{
    weft__interceptor *interceptor;
    weft_status status = weft__interceptor_create(opts, intercept, user, &interceptor);
    if (status != WEFT_OK)
        return status;
    pthread_mutex_lock(&d->writer);
    status = interceptor_add_locked(d, interceptor, ret);
    pthread_mutex_unlock(&d->writer);
    weft__interceptor_unref(interceptor);
    return status;
}

/* Without memory for a new list the removed one stays listed, and is passed over, until the next change. */
weft_status weft_interceptor_remove(weft_dispatcher *d, weft_interceptor handle)
{
    if (handle.id == 0)
        return WEFT_NOT_FOUND;
    pthread_mutex_lock(&d->writer);
    weft__interceptor *found = weft__interceptors_find(weft__current_locked(d)->gates.interceptors, handle.id);
    if (found != NULL) {
        atomic_store(&found->removed, true);
        (void)list_install_locked(d, NULL);
    }
    pthread_mutex_unlock(&d->writer);
    weft__slots_wait_for(&d->slots, handle.id);
    return found != NULL ? WEFT_OK : WEFT_NOT_FOUND;
}

weft_status weft_interceptor_get_stats(weft_dispatcher *d, weft_interceptor handle, weft_interceptor_stats *ret)
{
    pthread_mutex_lock(&d->writer);
    const weft__interceptor *found = weft__interceptors_find(weft__current_locked(d)->gates.interceptors, handle.id);
    if (found != NULL)
        weft__interceptor_read_stats(found, ret);
    pthread_mutex_unlock(&d->writer);
    return found != NULL ? WEFT_OK : WEFT_NOT_FOUND;
}

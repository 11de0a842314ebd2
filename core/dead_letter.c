/* core/dead_letter.c: the public side of dead letters: what the ring keeps, and delivering it again. */
#include "weft/dead_letter.h"

#include "core/dispatcher_private.h"

size_t weft_dead_letters_list(weft_dispatcher *d, uint64_t after_id, weft_dead_letter *letters, size_t max)
{
    return weft__dead_letters_list(&d->dead_letters, after_id, letters, max);
}

weft_status weft_dead_letter_forget(weft_dispatcher *d, uint64_t id)
{
    return weft__dead_letters_forget(&d->dead_letters, id);
}

size_t weft_dead_letters_drain(weft_dispatcher *d, void (*visit)(const weft_dead_letter *letter, void *user),
                               void *user)
{
    return weft__dead_letters_drain(&d->dead_letters, visit, user);
}

static weft__subscription *sub_awake(weft_dispatcher *d, uint64_t id)
{
    pthread_mutex_lock(&d->writer);
    weft__subscription *sub = weft__snapshot_find(weft__current_locked(d), id);
    if (sub != NULL) {
        weft__subscription_ref(sub);
        if ((atomic_load(&sub->state) & WEFT__SUB_SUSPENDED) != 0)
            weft__subscription_resume_locked(d, sub);
    }
    pthread_mutex_unlock(&d->writer);
    return sub;
}

static void redeliver_at(const weft__place *p, weft__subscription *sub, const weft_dead_letter *letter)
{
    if (sub->queue != NULL) {
        weft__deliver_to_queue(p, sub, letter->event, letter->origin);
        return;
    }
    if (weft__event_expired(letter->event, letter->origin, weft_clock_wall_ms(p->d->clock)))
        weft__count_in_slot(p->slot, WEFT__COUNT_EXPIRED, 1);
    else
        weft__handle(p, sub, letter->event, letter->origin, false);
    weft_event_release(letter->event);
}

static weft_status redeliver(const weft__place *p, uint64_t id)
{
    weft_subscription handle;
    if (atomic_load(&p->d->state) != WEFT__RUNNING)
        return WEFT_STOPPED;
    if (!weft__dead_letters_get_subscription(&p->d->dead_letters, id, &handle))
        return WEFT_NOT_FOUND;
    weft__subscription *sub = sub_awake(p->d, handle.id);
    if (sub == NULL)
        return WEFT_NOT_FOUND;
    weft_dead_letter letter;
    bool taken = weft__dead_letters_take(&p->d->dead_letters, id, &letter);
    if (taken)
        redeliver_at(p, sub, &letter);
    weft__subscription_unref(sub);
    return taken ? WEFT_OK : WEFT_NOT_FOUND;
}

weft_status weft_dead_letter_redeliver(weft_dispatcher *d, uint64_t id)
{
    weft__place place;
    weft_status status = weft__place_begin(&place, d);
    if (status != WEFT_OK)
        return status;
    status = redeliver(&place, id);
    weft__place_end(&place);
    return status;
}

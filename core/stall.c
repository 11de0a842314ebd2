/* core/stall.c: the thread that looks for stalled handlers.
 *
 * A slot's count of calls together with the id that runs names a call: the count changes when the outermost publish or
 * mail ends. Handlers that run inside a handler are part of it. */
#include "core/stall.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "core/deadline.h"
#include "core/dispatcher_private.h"

enum { LOOKS = 2 }; /* in each stall_ms */

/* The call that a slot was in. */
typedef struct weft__stall_sight {
    const weft__slot *slot;
    uint64_t calls;
    uint64_t id;
    unsigned times; /* seen in a row */
    struct weft__stall_sight *next;
} sight;

static sight *sight_of(weft__stall_watch *watch, const weft__slot *slot)
{
    sight *s = watch->sights;
    while (s != NULL && s->slot != slot)
        s = s->next;
    if (s != NULL)
        return s;
    s = calloc(1, sizeof *s);
    if (s == NULL)
        return NULL;
    s->slot = slot;
    s->next = watch->sights;
    watch->sights = s;
    return s;
}

/* Of an id that is an interceptor's or the tap's there is no subscription. */
static bool stall_count(weft_dispatcher *d, uint64_t id, char name[WEFT__NAME_BYTES])
{
    pthread_mutex_lock(&d->writer);
    weft__subscription *sub = weft__snapshot_find(weft__current_locked(d), id);
    if (sub != NULL) {
        atomic_fetch_add_explicit(&sub->stalls, 1, memory_order_relaxed);
        weft__name_copy(name, sub->name);
    }
    pthread_mutex_unlock(&d->writer);
    if (sub != NULL)
        weft__count_unslotted(d, WEFT__COUNT_HANDLER_STALLS, 1);
    return sub != NULL;
}

static void slot_look(weft__slot *slot, void *user)
{
    weft__stall_watch *watch = user;
    sight *s = sight_of(watch, slot);
    if (s == NULL)
        return;
    uint64_t calls = atomic_load_explicit(&slot->calls, memory_order_acquire);
    uint64_t id = atomic_load_explicit(&slot->levels[0].running, memory_order_acquire);
    bool same = id != 0 && id == s->id && calls == s->calls;
    s->times = same ? s->times + 1 : 0;
    s->id = id;
    s->calls = calls;
    char name[WEFT__NAME_BYTES];
    if (s->times == LOOKS && stall_count(watch->d, id, name) && watch->on_stalled != NULL)
        watch->on_stalled((weft_subscription){id}, name, watch->user);
}

static bool pause_between_looks(weft__stall_watch *watch)
{
    struct timespec deadline = weft__deadline_after(watch->stall_ms / LOOKS + (watch->stall_ms < LOOKS));
    pthread_mutex_lock(&watch->lock);
    while (!watch->quit && weft__cond_wait(&watch->wake, &watch->lock, &deadline))
        continue;
    bool go_on = !watch->quit;
    pthread_mutex_unlock(&watch->lock);
    return go_on;
}

static void *watch_main(void *argument)
{
    weft__stall_watch *watch = argument;
    while (pause_between_looks(watch))
        weft__slots_each(&watch->d->slots, slot_look, watch);
    return NULL;
}

static bool thread_start(weft__stall_watch *watch)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    bool started = pthread_create(&watch->thread, NULL, watch_main, watch) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (started)
        (void)pthread_setname_np(watch->thread, "weft-stall");
    return started;
}

weft_status weft__stall_watch_init(weft__stall_watch *watch, weft_dispatcher *d, const weft_dispatcher_opts *opts)
{
    *watch = (weft__stall_watch){
        .d = d, .stall_ms = opts->stall_ms, .on_stalled = opts->on_stalled, .user = opts->stalled_user};
    if (watch->stall_ms == 0)
        return WEFT_OK;
    if (pthread_mutex_init(&watch->lock, NULL) != 0)
        return WEFT_NO_MEMORY;
    if (weft__cond_init(&watch->wake) != 0)
        goto err_lock;
    if (!thread_start(watch))
        goto err_wake;
    return WEFT_OK;
err_wake:
    pthread_cond_destroy(&watch->wake);
err_lock:
    pthread_mutex_destroy(&watch->lock);
    return WEFT_FULL;
}

void weft__stall_watch_fini(weft__stall_watch *watch)
{
    if (watch->stall_ms == 0)
        return;
    pthread_mutex_lock(&watch->lock);
    watch->quit = true;
    pthread_cond_signal(&watch->wake);
    pthread_mutex_unlock(&watch->lock);
    pthread_join(watch->thread, NULL);
    for (sight *s = watch->sights, *next; s != NULL; s = next) {
        next = s->next;
        free(s);
    }
    pthread_cond_destroy(&watch->wake);
    pthread_mutex_destroy(&watch->lock);
}

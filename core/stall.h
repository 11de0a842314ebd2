/* core/stall.h: looks for handlers that run for too long.
 *
 * A thread of its own looks twice in each stall_ms which call each slot's outermost level is in. A call that it has
 * seen for stall_ms is stalled. Publishing pays nothing for it. */
#ifndef WEFT_CORE_STALL_H
#define WEFT_CORE_STALL_H

#include <pthread.h>

#include "weft/dispatcher.h"

struct weft__stall_sight;

typedef struct weft__stall_watch {
    weft_dispatcher *d; /* const after init, as the next three */
    uint32_t stall_ms;  /* 0: no thread, nothing below is there */
    weft_stalled_fn on_stalled;
    void *user;
    pthread_mutex_t lock; /* leaf */
    pthread_cond_t wake;  /* [lock] */
    bool quit;            /* [lock] */
    pthread_t thread;
    struct weft__stall_sight *sights; /* watcher only: one for each slot seen */
} weft__stall_watch;

/* Starts looking, if opts ask for it. Returns OK, NO_MEMORY or FULL (no thread to be had). */
weft_status weft__stall_watch_init(weft__stall_watch *watch, weft_dispatcher *d, const weft_dispatcher_opts *opts);
/* Blocks while on_stalled runs. */
void weft__stall_watch_fini(weft__stall_watch *watch);

#endif

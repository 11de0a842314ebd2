/* core/history.h: the last events, kept in a ring. */
#ifndef WEFT_CORE_HISTORY_H
#define WEFT_CORE_HISTORY_H

#include <pthread.h>

#include "weft/dispatcher.h"

struct weft__history_entry;

typedef struct weft__history {
    uint32_t max;                     /* const after init; 0: keeps nothing */
    pthread_mutex_t lock;             /* leaf; no callback runs inside it */
    struct weft__history_entry *ring; /* [lock] the event numbered n is at n % max */
    uint64_t first;                   /* [lock] number of the oldest event held */
    uint64_t end;                     /* [lock] number of the next event */
} weft__history;

/* Returns OK or NO_MEMORY. */
weft_status weft__history_init(weft__history *history, uint32_t max);
void weft__history_fini(weft__history *history);

/* Adds a kept event. Ownership: takes the reference. */
void weft__history_add(weft__history *history, const weft_event *kept, weft_origin origin);
/* As weft_history_find. */
size_t weft__history_find(weft__history *history, const weft_history_query *query, const weft_event **events,
                          size_t max);
void weft__history_clear(weft__history *history);

#endif

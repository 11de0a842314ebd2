/* core/dead_letters.h: the letters behind weft/dead_letter.h, in a ring in the order of their ids.
 *
 * Threads: any. The lock is a leaf; no callback runs and no event is freed inside it. */
#ifndef WEFT_CORE_DEAD_LETTERS_H
#define WEFT_CORE_DEAD_LETTERS_H

#include <pthread.h>

#include "weft/dead_letter.h"

typedef struct weft__dead_letters {
    uint32_t max; /* const after init */
    pthread_mutex_t lock;
    weft_dead_letter *ring; /* [lock] NULL until the first letter; the oldest is at start */
    uint32_t start;         /* [lock] */
    uint32_t count;         /* [lock] */
    uint64_t last_id;       /* [lock] */
} weft__dead_letters;

typedef enum weft__dead_result {
    WEFT__DEAD_STORED,
    WEFT__DEAD_DISPLACED, /* stored in the place of the oldest, which is gone */
    WEFT__DEAD_NO_MEMORY, /* the new letter is gone */
} weft__dead_result;

/* max: at least 1. Returns OK or NO_MEMORY. */
weft_status weft__dead_letters_init(weft__dead_letters *letters, uint32_t max);
void weft__dead_letters_fini(weft__dead_letters *letters);

/* Adds a letter under the next id. Ownership: takes the reference to its event, whatever becomes of it. */
weft__dead_result weft__dead_letters_add(weft__dead_letters *letters, const weft_dead_letter *letter);

/* For which subscription a letter died; false if there is no such letter. */
bool weft__dead_letters_get_subscription(weft__dead_letters *letters, uint64_t id, weft_subscription *ret);

/* Takes a letter out; false if there is none (any more): of several that try, one gets it. Ownership: release its
 * event. */
bool weft__dead_letters_take(weft__dead_letters *letters, uint64_t id, weft_dead_letter *ret);

/* As weft_dead_letters_list, weft_dead_letter_forget and weft_dead_letters_drain. */
size_t weft__dead_letters_list(weft__dead_letters *letters, uint64_t after_id, weft_dead_letter *ret, size_t max);
weft_status weft__dead_letters_forget(weft__dead_letters *letters, uint64_t id);
size_t weft__dead_letters_drain(weft__dead_letters *letters, void (*visit)(const weft_dead_letter *letter, void *user),
                                void *user);

/* Forgets all letters and gives back the ring; ids go on. */
void weft__dead_letters_clear(weft__dead_letters *letters);

#endif

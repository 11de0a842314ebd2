/* core/default.c: the dispatcher that a process shares.
 *
 * Threads    any. The lock is taken until the dispatcher is there, never after; so a call that found memory out may be
 *            followed by one that does not, which a once would not allow.
 * Leaves     destroying it: nobody can know that the last user has gone. */
#include <pthread.h>
#include <stdatomic.h>

#include "weft/dispatcher.h"

static _Atomic(weft_dispatcher *) shared; /* set once, under the lock */
static pthread_mutex_t making = PTHREAD_MUTEX_INITIALIZER;

static weft_dispatcher *shared_make_locked(void)
{
    weft_dispatcher *d = atomic_load(&shared);
    if (d == NULL && weft_dispatcher_create(NULL, &d) == WEFT_OK)
        atomic_store(&shared, d);
    return d;
}

weft_dispatcher *weft_dispatcher_default(void)
{
    weft_dispatcher *d = atomic_load_explicit(&shared, memory_order_acquire);
    if (d != NULL)
        return d;
    pthread_mutex_lock(&making);
    d = shared_make_locked();
    pthread_mutex_unlock(&making);
    return d;
}

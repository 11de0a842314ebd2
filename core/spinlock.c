/* core/spinlock.c: waiting for a spinlock. Sleeping comes last, so that a thread of real-time priority cannot keep the
 * holder from its processor for ever. */
#include "core/spinlock.h"

#include <sched.h>
#include <time.h>

enum { SPINS = 200, YIELDS = 50, SLEEP_NS = 50000 };

static void wait_step(unsigned step)
{
    if (step < SPINS)
        weft__spin_pause();
    else if (step < SPINS + YIELDS)
        (void)sched_yield();
    else
        (void)nanosleep(&(struct timespec){.tv_nsec = SLEEP_NS}, NULL);
}

void weft__spinlock_wait(weft__spinlock *lock)
{
    for (unsigned step = 0;; step++) {
        wait_step(step);
        if (!atomic_load_explicit(&lock->held, memory_order_relaxed) &&
            !atomic_exchange_explicit(&lock->held, true, memory_order_acquire))
            return;
    }
}

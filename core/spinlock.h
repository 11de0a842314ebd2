/* core/spinlock.h: a lock for a few instructions at a time.
 *
 * A mutex that was waited for a moment too long makes every unlock a system call, which costs a hundred times what it
 * guards. This one spins, and lets others run once its holder has evidently been interrupted. Nothing may block, and no
 * other lock but another spinlock be taken, while it is held. */
#ifndef WEFT_CORE_SPINLOCK_H
#define WEFT_CORE_SPINLOCK_H

#include <stdatomic.h>
#include <stdbool.h>

typedef struct weft__spinlock {
    atomic_bool held; /* zeroed: free */
} weft__spinlock;

void weft__spinlock_wait(weft__spinlock *lock);

static inline void weft__spinlock_lock(weft__spinlock *lock)
{
    if (__builtin_expect(atomic_exchange_explicit(&lock->held, true, memory_order_acquire), 0))
        weft__spinlock_wait(lock);
}

static inline void weft__spinlock_unlock(weft__spinlock *lock)
{
    atomic_store_explicit(&lock->held, false, memory_order_release);
}

/* Tells the processor that the caller is waiting in a loop. */
static inline void weft__spin_pause(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ __volatile__("yield");
#endif
}

#endif

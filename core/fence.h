/* core/fence.h: a memory fence with one cheap side.
 *
 * Two threads that each write a flag and then read the other's need a full fence between the write and the read, on
 * both sides. Readers pass here on every event, writers on the rare change: so the reader only keeps the compiler from
 * reordering (weft__fence_light), and the writer has the kernel run a full fence on every core that runs a thread of
 * this process (membarrier(2), private expedited, Linux 4.14). Where the kernel refuses that, the light side is a full
 * fence too. */
#ifndef WEFT_CORE_FENCE_H
#define WEFT_CORE_FENCE_H

#include <stdatomic.h>
#include <stdbool.h>

extern bool weft__fence_is_asymmetric; /* const after weft__fence_init */

/* Before the first fence of either kind. Threads: any, any number of times. */
void weft__fence_init(void);

/* gcc says of a full fence that its thread sanitizer does not know it; nothing here relies on that it does. */
#if defined(__SANITIZE_THREAD__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wtsan"
#endif

static inline void weft__fence_light(void)
{
    if (__builtin_expect(weft__fence_is_asymmetric, 1))
        atomic_signal_fence(memory_order_seq_cst);
    else
        atomic_thread_fence(memory_order_seq_cst);
}

void weft__fence_heavy(void);

#endif

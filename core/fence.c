/* core/fence.c: the writer's side of the fence. Threads: any. */
#include "core/fence.h"

#include <linux/membarrier.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>

bool weft__fence_is_asymmetric;
static pthread_once_t registered = PTHREAD_ONCE_INIT;

static bool membarrier(int command)
{
    return syscall(SYS_membarrier, command, 0, 0) == 0;
}

static void process_register(void)
{
    weft__fence_is_asymmetric = membarrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED);
}

void weft__fence_init(void)
{
    (void)pthread_once(&registered, process_register);
}

void weft__fence_heavy(void)
{
    atomic_thread_fence(memory_order_seq_cst);
    if (weft__fence_is_asymmetric)
        (void)membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED);
}

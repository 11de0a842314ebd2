/* core/clock.c: the system's clock behind the injected one. Threads: any. */
#include "weft/clock.h"

#include <time.h>

static int64_t system_wall_ms(void *user)
{
    (void)user;
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int64_t system_mono_ns(void *user)
{
    (void)user;
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

const weft_clock *weft_clock_system(void)
{
    static const weft_clock clock = {system_wall_ms, system_mono_ns, NULL};
    return &clock;
}

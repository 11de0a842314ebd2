/* core/clock.c: the system's clock behind the injected one. Threads: any. */
#include "core/clock_private.h"

#include <time.h>

static int64_t wall_ms(clockid_t id)
{
    struct timespec now;
    clock_gettime(id, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int64_t system_wall_ms(void *user)
{
    (void)user;
    return wall_ms(CLOCK_REALTIME);
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

int64_t weft__clock_stamp_ms(const weft_clock *clock)
{
    return clock == weft_clock_system() ? wall_ms(CLOCK_REALTIME_COARSE) : weft_clock_wall_ms(clock);
}

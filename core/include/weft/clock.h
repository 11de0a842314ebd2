/* weft/clock.h: time as an argument, so that tests and the simulator own it. */
#ifndef WEFT_CLOCK_H
#define WEFT_CLOCK_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct weft_clock {
    int64_t (*wall_ms)(void *user); /* ms since 1970-01-01 UTC; may jump */
    int64_t (*mono_ns)(void *user); /* ns since an arbitrary start; never goes back */
    void *user;
} weft_clock;

/* The system's clock. Ownership: static. Threads: any. */
const weft_clock *weft_clock_system(void);

static inline int64_t weft_clock_wall_ms(const weft_clock *clock)
{
    return clock->wall_ms(clock->user);
}

static inline int64_t weft_clock_mono_ns(const weft_clock *clock)
{
    return clock->mono_ns(clock->user);
}

static inline int64_t weft_clock_mono_ms(const weft_clock *clock)
{
    return clock->mono_ns(clock->user) / 1000000;
}

#ifdef __cplusplus
}
#endif
#endif

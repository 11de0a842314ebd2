/* nodes/deadline.h: points in monotonic time to wait until, in ms. */
#ifndef WEFT_NODES_DEADLINE_H
#define WEFT_NODES_DEADLINE_H

#include <limits.h>
#include <stdint.h>
#include <time.h>

static inline int64_t deadline_now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static inline int64_t deadline_in_ms(int64_t ms)
{
    return deadline_now_ms() + ms;
}

/* What poll() takes: 0 when it has passed, at most cap_ms. */
static inline int deadline_left_ms(int64_t deadline, int cap_ms)
{
    int64_t left = deadline - deadline_now_ms();
    return left <= 0 ? 0 : left < cap_ms ? (int)left : cap_ms;
}

#endif

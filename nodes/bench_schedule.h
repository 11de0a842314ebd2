/* nodes/bench_schedule.h: an open loop: when each of a row of events is due, whatever became of those before.
 *
 * Latency counted from these times includes what a late sender would otherwise hide. Times are ns of CLOCK_MONOTONIC,
 * which all processes of one host share. */
#ifndef WEFT_NODES_BENCH_SCHEDULE_H
#define WEFT_NODES_BENCH_SCHEDULE_H

#include <stdint.h>
#include <time.h>

typedef struct bench_schedule {
    int64_t start_ns;
    double per_second; /* 0: everything is due at once */
} bench_schedule;

enum { BENCH_NAP_MAX_NS = 50000000 };

static inline int64_t bench_now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* When event number `index`, from 0, is due: exact to the microsecond for years, without a sum of rounded steps. */
static inline int64_t bench_schedule_due_ns(const bench_schedule *s, uint64_t index)
{
    if (s->per_second <= 0)
        return s->start_ns;
    return s->start_ns + (int64_t)((long double)index * 1e9L / (long double)s->per_second);
}

/* Sleeps towards a time, at most BENCH_NAP_MAX_NS, so that the caller can look at other things. Returns the time. */
static inline int64_t bench_nap_until_ns(int64_t due_ns, int64_t now_ns)
{
    int64_t until = due_ns - now_ns > BENCH_NAP_MAX_NS ? now_ns + BENCH_NAP_MAX_NS : due_ns;
    struct timespec at = {.tv_sec = until / 1000000000, .tv_nsec = until % 1000000000};
    (void)clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL);
    return bench_now_ns();
}

#endif

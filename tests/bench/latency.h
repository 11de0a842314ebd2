/* tests/bench/latency.h: a histogram of times, each kept to one part in 64. */
#ifndef WEFT_TESTS_BENCH_LATENCY_H
#define WEFT_TESTS_BENCH_LATENCY_H

#include <stdint.h>

enum { BENCH_LATENCY_BUCKETS = 64 * 40 };

typedef struct bench_latency {
    uint64_t total;
    uint64_t max_ns;
    uint32_t counts[BENCH_LATENCY_BUCKETS];
} bench_latency;

void bench_latency_add(bench_latency *latency, uint64_t ns);
/* The time that this part of all (0 to 1) did not exceed; 0 if there are none. */
uint64_t bench_latency_at(const bench_latency *latency, double part);

#endif

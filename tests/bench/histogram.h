/* tests/bench/histogram.h: a histogram of times, each kept to one part in 64. */
#ifndef WEFT_TESTS_BENCH_HISTOGRAM_H
#define WEFT_TESTS_BENCH_HISTOGRAM_H

#include <stdint.h>

enum { BENCH_HISTOGRAM_BUCKETS = 64 * 40 };

typedef struct bench_histogram {
    uint64_t total;
    uint64_t max_ns;
    uint32_t counts[BENCH_HISTOGRAM_BUCKETS];
} bench_histogram;

void bench_histogram_add(bench_histogram *histogram, uint64_t ns);
/* The time that this part of all (0 to 1) did not exceed; 0 if there are none. */
uint64_t bench_histogram_at(const bench_histogram *histogram, double part);

#endif

/* tests/bench/histogram.c: below 64 ns a bucket a nanosecond, then 64 buckets each time the figure doubles. */
#include "bench/histogram.h"

enum { PART_BITS = 6, PARTS = 1 << PART_BITS };

static unsigned bucket_of(uint64_t ns)
{
    if (ns < PARTS)
        return (unsigned)ns;
    unsigned shift = 63U - (unsigned)__builtin_clzll(ns) - PART_BITS;
    unsigned bucket = (shift + 1) * PARTS + (unsigned)(ns >> shift) - PARTS;
    return bucket < BENCH_HISTOGRAM_BUCKETS ? bucket : BENCH_HISTOGRAM_BUCKETS - 1;
}

static uint64_t bucket_end(unsigned bucket)
{
    if (bucket < PARTS)
        return bucket;
    unsigned shift = bucket / PARTS - 1;
    return ((uint64_t)(bucket % PARTS + PARTS + 1) << shift) - 1;
}

void bench_histogram_add(bench_histogram *histogram, uint64_t ns)
{
    histogram->counts[bucket_of(ns)]++;
    histogram->total++;
    if (ns > histogram->max_ns)
        histogram->max_ns = ns;
}

uint64_t bench_histogram_at(const bench_histogram *histogram, double part)
{
    uint64_t wanted = (uint64_t)(part * (double)histogram->total + 0.5), seen = 0;
    for (unsigned i = 0; i < BENCH_HISTOGRAM_BUCKETS; i++) {
        seen += histogram->counts[i];
        if (seen >= wanted && seen > 0)
            return bucket_end(i) < histogram->max_ns ? bucket_end(i) : histogram->max_ns;
    }
    return histogram->max_ns;
}

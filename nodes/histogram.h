/* nodes/histogram.h: how often which value came, in bounded memory, to about 3%.
 *
 * Log-linear, in the manner of HdrHistogram: values below 64 have a bucket each, above that every power of two is cut
 * into 32 buckets of equal width. A quantile is the highest value of its bucket: at most 1/32 too large, never too
 * small. Takes the whole range of uint64_t. Zero-initialise it. Threads: one writes; others read when it has ended. */
#ifndef WEFT_NODES_HISTOGRAM_H
#define WEFT_NODES_HISTOGRAM_H

#include <stddef.h>
#include <stdint.h>

enum {
    HISTOGRAM_HALF_BITS = 5, /* 32 buckets a power of two */
    HISTOGRAM_HALF = 1 << HISTOGRAM_HALF_BITS,
    HISTOGRAM_BUCKETS = (64 - HISTOGRAM_HALF_BITS + 1) * HISTOGRAM_HALF,
};

typedef struct histogram {
    uint64_t count;
    uint64_t min; /* exact; 0 while empty, as all below */
    uint64_t max;
    double sum;
    uint64_t buckets[HISTOGRAM_BUCKETS];
} histogram;

void histogram_add(histogram *h, uint64_t value);
/* Adds what another one holds. */
void histogram_merge(histogram *h, const histogram *other);
/* The value that a share (0 to 1) of all are not above: within 1/32 above the true one, never beyond max. */
uint64_t histogram_quantile(const histogram *h, double share);
double histogram_mean(const histogram *h);

#endif

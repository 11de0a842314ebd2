/* nodes/histogram.c: see the header. */
#include "nodes/histogram.h"

/* Of 2^k + r, k ≥ 5: the top six bits choose the bucket, so that rows of 32 follow each other without holes. */
static size_t bucket_of(uint64_t value)
{
    if (value < 2 * HISTOGRAM_HALF)
        return (size_t)value;
    unsigned shift = 63u - (unsigned)__builtin_clzll(value) - HISTOGRAM_HALF_BITS;
    return (size_t)shift * HISTOGRAM_HALF + (size_t)(value >> shift);
}

static uint64_t bucket_highest(size_t bucket)
{
    if (bucket < 2 * HISTOGRAM_HALF)
        return bucket;
    unsigned shift = (unsigned)(bucket / HISTOGRAM_HALF) - 1;
    uint64_t top = bucket - (size_t)shift * HISTOGRAM_HALF;
    return (top << shift) + ((UINT64_C(1) << shift) - 1);
}

static void bounds_widen(histogram *h, uint64_t min, uint64_t max)
{
    if (h->count == 0 || min < h->min)
        h->min = min;
    if (max > h->max)
        h->max = max;
}

void histogram_add(histogram *h, uint64_t value)
{
    bounds_widen(h, value, value);
    h->buckets[bucket_of(value)]++;
    h->count++;
    h->sum += (double)value;
}

void histogram_merge(histogram *h, const histogram *other)
{
    if (other->count == 0)
        return;
    bounds_widen(h, other->min, other->max);
    for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++)
        h->buckets[i] += other->buckets[i];
    h->count += other->count;
    h->sum += other->sum;
}

uint64_t histogram_quantile(const histogram *h, double share)
{
    double wanted = share * (double)h->count;
    uint64_t rank = wanted <= 1 ? 1 : (uint64_t)wanted;
    if ((double)rank < wanted)
        rank++;
    uint64_t seen = 0;
    for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
        seen += h->buckets[i];
        if (seen >= rank) {
            uint64_t highest = bucket_highest(i);
            return highest < h->max ? highest : h->max;
        }
    }
    return h->max;
}

double histogram_mean(const histogram *h)
{
    return h->count > 0 ? h->sum / (double)h->count : 0;
}

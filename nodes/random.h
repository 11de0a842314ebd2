/* nodes/random.h: a small seeded generator with integer arithmetic only, so that a seed means the same everywhere.
 * SplitMix64 (Steele, Lea, Flood 2014). Threads: one a source. */
#ifndef WEFT_NODES_RANDOM_H
#define WEFT_NODES_RANDOM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct random_source {
    uint64_t state;
} random_source;

static inline uint64_t random_next(random_source *r)
{
    uint64_t z = r->state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

/* 0 to bound - 1; the bias of the remainder does not matter for bounds far below 2^64. */
static inline uint64_t random_below(random_source *r, uint64_t bound)
{
    return bound == 0 ? 0 : random_next(r) % bound;
}

static inline bool random_chance(random_source *r, uint32_t per_million)
{
    return random_below(r, 1000000) < per_million;
}

/* A distribution by its quantiles at 0, 10, 25, 50, 75, 90, 99 and 100 percent, linear between them. */
typedef struct quantiles {
    uint32_t at[8];
} quantiles;

static inline uint64_t random_quantile(random_source *r, const quantiles *q)
{
    static const uint32_t rank[8] = {0, 1000, 2500, 5000, 7500, 9000, 9900, 10000};
    uint32_t u = (uint32_t)random_below(r, 10000);
    size_t i = 0;
    while (u >= rank[i + 1])
        i++;
    uint64_t width = (uint64_t)q->at[i + 1] - q->at[i];
    return q->at[i] + width * (u - rank[i]) / (rank[i + 1] - rank[i]);
}

#endif

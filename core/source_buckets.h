/* core/source_buckets.h: a bucket for each source of a rate limit, of a number fixed beforehand.
 *
 * A source beyond that gets the bucket that was unused for longest, filled anew. Sources are told apart by a hash of 64
 * bits; two that agree in it share a bucket. Threads: the caller's lock. */
#ifndef WEFT_CORE_SOURCE_BUCKETS_H
#define WEFT_CORE_SOURCE_BUCKETS_H

#include "core/gcra.h"
#include "weft/status.h"

enum { WEFT__RATES_MAX = 2 };

/* A bucket of each rate of one rule. */
typedef struct weft__bucket {
    weft__arrival arrivals[WEFT__RATES_MAX];
} weft__bucket;

void weft__bucket_init(weft__bucket *bucket);

typedef struct weft__source_buckets weft__source_buckets;

/* Returns NULL when memory is out; no other call allocates. */
weft__source_buckets *weft__source_buckets_create(void);
void weft__source_buckets_destroy(weft__source_buckets *buckets);

uint64_t weft__source_hash(const char *source);

/* Finds the bucket of a source or gives it one, and marks it as used. Valid until the next call. */
weft__bucket *weft__source_buckets_use(weft__source_buckets *buckets, uint64_t hash);

/* Number of sources that have one. */
uint32_t weft__source_buckets_count(const weft__source_buckets *buckets);

#endif

/* core/source_buckets.c: buckets hang in hash chains and in a ring, the one used last first.
 *
 * Entry 0 is no bucket but the ends of that ring and of every chain. */
#include "core/source_buckets.h"

#include <stdlib.h>

#include "weft/rate_limit.h"

enum { ENTRIES = WEFT_RATE_SOURCES_MAX + 1, CHAINS = 4096 };

typedef uint16_t place;
_Static_assert(ENTRIES <= UINT16_MAX, "a place is 16 bits");

typedef struct entry {
    weft__bucket bucket;
    uint64_t hash;
    place chained; /* next of the chain */
    place newer, older;
} entry;

struct weft__source_buckets {
    uint32_t count;
    place chains[CHAINS];
    entry entries[ENTRIES];
};

void weft__bucket_init(weft__bucket *bucket)
{
    for (int i = 0; i < WEFT__RATES_MAX; i++)
        weft__arrival_init(&bucket->arrivals[i]);
}

weft__source_buckets *weft__source_buckets_create(void)
{
    return calloc(1, sizeof(weft__source_buckets));
}

void weft__source_buckets_destroy(weft__source_buckets *buckets)
{
    free(buckets);
}

/* FNV-1a */
uint64_t weft__source_hash(const char *source)
{
    uint64_t hash = UINT64_C(14695981039346656037);
    for (const char *c = source; *c != '\0'; c++)
        hash = (hash ^ (unsigned char)*c) * UINT64_C(1099511628211);
    return hash;
}

static place *chain_of(weft__source_buckets *buckets, uint64_t hash)
{
    return &buckets->chains[(hash ^ hash >> 32) % CHAINS];
}

static void ring_remove(entry *entries, place at)
{
    entries[entries[at].newer].older = entries[at].older;
    entries[entries[at].older].newer = entries[at].newer;
}

static void ring_add_newest(entry *entries, place at)
{
    place second = entries[0].older;
    entries[at].newer = 0;
    entries[at].older = second;
    entries[second].newer = at;
    entries[0].older = at;
}

static void chain_remove(weft__source_buckets *buckets, place at)
{
    place *link = chain_of(buckets, buckets->entries[at].hash);
    while (*link != at)
        link = &buckets->entries[*link].chained;
    *link = buckets->entries[at].chained;
}

static place unused_longest(weft__source_buckets *buckets)
{
    if (buckets->count < WEFT_RATE_SOURCES_MAX)
        return (place)++buckets->count;
    place at = buckets->entries[0].newer;
    ring_remove(buckets->entries, at);
    chain_remove(buckets, at);
    return at;
}

static place bucket_assign(weft__source_buckets *buckets, uint64_t hash)
{
    place at = unused_longest(buckets);
    place *chain = chain_of(buckets, hash);
    entry *assigned = &buckets->entries[at];
    weft__bucket_init(&assigned->bucket);
    assigned->hash = hash;
    assigned->chained = *chain;
    *chain = at;
    ring_add_newest(buckets->entries, at);
    return at;
}

weft__bucket *weft__source_buckets_use(weft__source_buckets *buckets, uint64_t hash)
{
    place at = *chain_of(buckets, hash);
    while (at != 0 && buckets->entries[at].hash != hash)
        at = buckets->entries[at].chained;
    if (at == 0) {
        at = bucket_assign(buckets, hash);
    } else {
        ring_remove(buckets->entries, at);
        ring_add_newest(buckets->entries, at);
    }
    return &buckets->entries[at].bucket;
}

uint32_t weft__source_buckets_count(const weft__source_buckets *buckets)
{
    return buckets->count;
}

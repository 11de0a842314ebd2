/* core/ended_requests.c: the correlation ids of requests that have ended, as hashes. */
#include <string.h>

#include "core/request_private.h"

static uint64_t mixed(uint64_t hash, uint64_t word)
{
    hash = (hash ^ word) * 0x9E3779B97F4A7C15u;
    return hash ^ (hash >> 32);
}

/* Eight bytes at a time; never 0. */
static uint64_t hash_of(const char *text)
{
    size_t left = strlen(text);
    uint64_t word, hash = left;
    for (; left >= sizeof word; left -= sizeof word, text += sizeof word) {
        memcpy(&word, text, sizeof word);
        hash = mixed(hash, word);
    }
    word = 0;
    memcpy(&word, text, left);
    hash = mixed(hash, word);
    return hash != 0 ? hash : 1;
}

static uint64_t hash_read(const _Atomic uint64_t *place)
{
    return atomic_load_explicit(place, memory_order_relaxed);
}

static void hash_write(_Atomic uint64_t *place, uint64_t hash)
{
    atomic_store_explicit(place, hash, memory_order_relaxed);
}

bool weft__ended_requests_has(const weft__ended_requests *ended, const char *correlation_id)
{
    uint64_t hash = hash_of(correlation_id);
    const _Atomic uint64_t *set = ended->hashes[hash % WEFT__ENDED_SETS];
    for (int i = 0; i < WEFT__ENDED_WAYS; i++)
        if (hash_read(&set[i]) == hash)
            return true;
    return false;
}

void weft__ended_requests_add(weft__ended_requests *ended, const char *correlation_id)
{
    uint64_t hash = hash_of(correlation_id);
    _Atomic uint64_t *set = ended->hashes[hash % WEFT__ENDED_SETS];
    for (int i = WEFT__ENDED_WAYS - 1; i > 0; i--)
        hash_write(&set[i], hash_read(&set[i - 1]));
    hash_write(&set[0], hash);
    atomic_fetch_add_explicit(&ended->count, 1, memory_order_relaxed);
}

void weft__ended_requests_remove(weft__ended_requests *ended, const char *correlation_id)
{
    uint64_t hash = hash_of(correlation_id);
    _Atomic uint64_t *set = ended->hashes[hash % WEFT__ENDED_SETS];
    for (int i = 0; i < WEFT__ENDED_WAYS; i++)
        if (hash_read(&set[i]) == hash)
            hash_write(&set[i], 0);
}

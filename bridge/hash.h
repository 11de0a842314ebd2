/* bridge/hash.h: a hash of short texts for tables in memory: eight bytes a step, as ids are long and looked up for each
 * event. Whoever can choose the texts of others should not know the seed: the address of the table will do. Threads:
 * any. */
#ifndef WEFT_BRIDGE_HASH_H
#define WEFT_BRIDGE_HASH_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

static inline uint64_t weft__hash_step(uint64_t hash, uint64_t word)
{
    hash = (hash ^ word) * UINT64_C(0x9e3779b97f4a7c15);
    return hash ^ hash >> 32;
}

static inline uint64_t weft__hash_text(uint64_t seed, const char *text, size_t bytes)
{
    uint64_t hash = weft__hash_step(seed, bytes), word;
    for (; bytes >= sizeof word; text += sizeof word, bytes -= sizeof word) {
        memcpy(&word, text, sizeof word);
        hash = weft__hash_step(hash, word);
    }
    word = 0;
    memcpy(&word, text, bytes);
    return weft__hash_step(hash, word);
}

#endif

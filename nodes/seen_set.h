/* nodes/seen_set.h: a bounded memory of ids, the newest kept: 48-bit fingerprints in a hash set and a ring.
 *
 * Two ids out of n have one fingerprint with a chance of about n * n / 2^49: for a million ids 1 in 560.
 * Zero-initialise it with a bound, free it with seen_set_fini. Threads: one. */
#ifndef WEFT_NODES_SEEN_SET_H
#define WEFT_NODES_SEEN_SET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct seen_set {
    size_t max;     /* the bound; the oldest goes when it is hit */
    size_t count;   /* ids held */
    uint64_t *ring; /* oldest at head */
    size_t ring_size;
    size_t head;
    uint64_t *slots; /* fingerprints, 0: free; linear probing, at most half full */
    size_t slot_count;
} seen_set;

/* An id of one kind: ids of different kinds never meet. */
bool seen_set_has(const seen_set *set, char kind, const char *id);
/* Adds an id. Returns false when memory is out. */
bool seen_set_add(seen_set *set, char kind, const char *id);
/* Lowers or raises the bound, forgetting the oldest. */
void seen_set_limit(seen_set *set, size_t max);
void seen_set_fini(seen_set *set);

/* As base64 text, 8 characters an id, oldest first. Ownership: free it. Returns NULL when memory is out. */
char *seen_set_save(const seen_set *set);
/* Adds what seen_set_save wrote. Returns false when the text is damaged or memory is out. */
bool seen_set_load(seen_set *set, const char *text);

#endif

/* bridge/inbound.h: messages as they came from the link, in memory that is used again: at full rate a message of some
 * 56 KB comes every 400 us, is copied by one thread and freed by another, and left to malloc its pages would go back to
 * the system and be faulted in anew for each.
 *
 * Threads: any. */
#ifndef WEFT_BRIDGE_INBOUND_H
#define WEFT_BRIDGE_INBOUND_H

#include "bridge/handoff.h"

enum {
    WEFT__INBOUND_BLOCK_BYTES = 64 * 1024, /* of one that is used again */
    WEFT__INBOUND_SMALL_BYTES = 16 * 1024, /* up to here malloc has memory at hand */
    WEFT__INBOUND_SPARES_MAX = 16,
};

typedef struct weft__inbound {
    weft__node node; /* the bytes it takes */
    bool retained;
    bool known_before; /* came retained on the first connection */
    size_t length;
    uint8_t *payload; /* behind the topic in the same block */
    char topic[];
} weft__inbound;

/* Blocks that are not in use. */
typedef struct weft__inbound_pool {
    pthread_mutex_t mutex; /* a leaf */
    weft__node *spares;    /* [mutex] */
    size_t count;          /* [mutex] */
} weft__inbound_pool;

void weft__inbound_pool_init(weft__inbound_pool *pool);
void weft__inbound_pool_fini(weft__inbound_pool *pool);

/* Copies a message. NULL when memory is out. */
weft__inbound *weft__inbound_create(weft__inbound_pool *pool, const char *topic, const uint8_t *payload, size_t length);
void weft__inbound_free(weft__inbound_pool *pool, weft__inbound *in);

#endif

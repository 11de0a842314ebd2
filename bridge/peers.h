/* bridge/peers.h: the other nodes, as their live messages tell. Threads: none of its own; the downlink's. */
#ifndef WEFT_BRIDGE_PEERS_H
#define WEFT_BRIDGE_PEERS_H

#include "bridge/control.h"

typedef struct weft__peer {
    struct weft__peer *next;
    char node[WEFT_NAME_MAX_BYTES + 1];
    uint64_t epoch;       /* newest seen */
    uint64_t birth_stamp; /* when its birth was seen, in the order of what the downlink saw; 0: before us */
    bool born;            /* the birth of `epoch` has been seen */
    bool up;
} weft__peer;

typedef struct weft__peers {
    weft__peer *first;
    size_t count;
    size_t up;
} weft__peers;

enum { WEFT__PEERS_MAX = 10000 };

void weft__peers_fini(weft__peers *peers);
weft__peer *weft__peers_find(const weft__peers *peers, const char *node);
/* Finds or adds; NULL when memory or the bound is out. */
weft__peer *weft__peers_add(weft__peers *peers, const char *node, uint64_t epoch);

#endif

/* bridge/peers.h: the other nodes, as their live messages tell. Threads: none of its own; the downlink's. */
#ifndef WEFT_BRIDGE_PEERS_H
#define WEFT_BRIDGE_PEERS_H

#include "bridge/control.h"

enum { WEFT__PEERS_MAX = 10000, WEFT__BIRTHS_MAX = 4 };

/* Two clocks: the order of what the downlink saw, and its monotonic time. */
typedef struct weft__moment {
    uint64_t stamp;
    int64_t ms;
} weft__moment;

typedef struct weft__birth {
    uint64_t epoch;
    weft__moment seen; /* stamp 0: before us. ms: when it was first sent, at the latest */
} weft__birth;

typedef struct weft__peer {
    struct weft__peer *next;
    char node[WEFT_NAME_MAX_BYTES + 1];
    uint64_t epoch;                       /* newest seen */
    weft__birth births[WEFT__BIRTHS_MAX]; /* newest first, of which `epoch`'s is the first */
    size_t birth_count;                   /* 0: none has been seen, only an end */
    bool up;
} weft__peer;

typedef struct weft__peers {
    weft__peer *first;
    size_t count;
    size_t up;
} weft__peers;

void weft__peers_fini(weft__peers *peers);
weft__peer *weft__peers_find(const weft__peers *peers, const char *node);
/* Finds or adds, at the bound in the place of the oldest one that is down. NULL when all are up or memory is out. */
weft__peer *weft__peers_add(weft__peers *peers, const char *node, uint64_t epoch);
void weft__peer_note_birth(weft__peer *peer, uint64_t epoch, weft__moment seen);
/* Whether an epoch is known to have begun by then: a later one had. */
bool weft__peer_born_by(const weft__peer *peer, uint64_t epoch, weft__moment then);
/* Whether an epoch is known to have begun after then: its birth was seen later, or it is younger than one that was
 * seen, and nothing says that it began before. */
bool weft__peer_born_after(const weft__peer *peer, uint64_t epoch, weft__moment then);

#endif

/* bridge/peers.h: the other nodes, as their live messages, beats and silence tell.
 *
 *   none --birth--> up --will--> lost, --goodbye--> goodbye, --nothing heard for silent_ms--> silent
 *   silent --any message of that life--> up;   any --birth--> up;   any --cleared at the broker--> none
 *
 * Nothing is heard of anybody while we are not connected, and for a moment after our own process stood still: silence
 * counts from the end of that.
 *
 * Threads: the downlink's; list: any. */
#ifndef WEFT_BRIDGE_PEERS_H
#define WEFT_BRIDGE_PEERS_H

#include "bridge/control.h"
#include "bridge/skew.h"
#include "weft/peers.h"

#include <pthread.h>

enum { WEFT__PEERS_MAX = 10000, WEFT__BIRTHS_MAX = 4, WEFT__PEER_BUCKETS = 256 };

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
    struct weft__peer *next; /* in its bucket, new ones first */
    char node[WEFT_NAME_MAX_BYTES + 1];
    uint64_t epoch;                       /* newest seen */
    weft__birth births[WEFT__BIRTHS_MAX]; /* newest first, of which `epoch`'s is the first */
    size_t birth_count;                   /* 0: none has been seen, only an end */
    weft_peer_state state;
    int64_t since_ms; /* wall: of that state; 0: not known */
    int64_t heard_ms; /* monotonic: newest sign of life */
    bool has_beaten;
    int64_t beat_ms; /* monotonic: newest beat of this epoch */
    weft__skew skew;
    bool skew_told;
    char version[32];
} weft__peer;

typedef struct weft__peers {
    pthread_mutex_t mutex; /* what `list` reads is changed under it; the downlink's thread reads without */
    weft__peer *buckets[WEFT__PEER_BUCKETS];
    size_t count;
    size_t up;
    bool connected;
    int64_t listening_ms; /* monotonic: since when we would have heard */
    int64_t ticked_ms;
} weft__peers;

void weft__peers_init(weft__peers *peers);
void weft__peers_fini(weft__peers *peers);
weft__peer *weft__peers_find(const weft__peers *peers, const char *node);
/* Finds or adds, at the bound in the place of one that is not up. NULL when all are up or memory is out. */
weft__peer *weft__peers_add(weft__peers *peers, const char *node, uint64_t epoch);
static inline bool weft__peer_is_up(const weft__peer *peer)
{
    return peer->state == WEFT_PEER_UP;
}

void weft__peers_note_birth(weft__peers *peers, weft__peer *peer, uint64_t epoch, weft__moment seen);
/* Whether an epoch is known to have begun by then: a later one had. */
bool weft__peer_born_by(const weft__peer *peer, uint64_t epoch, weft__moment then);
/* Whether an epoch is known to have begun after then: its birth was seen later, or it is younger than one that was
 * seen, and nothing says that it began before. */
bool weft__peer_born_after(const weft__peer *peer, uint64_t epoch, weft__moment then);

void weft__peers_set_state(weft__peers *peers, weft__peer *peer, weft_peer_state state, int64_t since_ms);
void weft__peers_set_version(weft__peers *peers, weft__peer *peer, const char *version);
/* A message of this node has come. */
void weft__peers_hear(weft__peers *peers, weft__peer *peer, int64_t now_ms);
/* A beat has come; sent_ms 0: it does not say when it was sent. */
void weft__peers_beat(weft__peers *peers, weft__peer *peer, int64_t sent_ms, int64_t wall_ms, int64_t now_ms);

void weft__peers_connected(weft__peers *peers, int64_t now_ms);
void weft__peers_cut(weft__peers *peers);
/* Lets time pass. Calls on_silent for each that is up and has not been heard for silent_ms. */
void weft__peers_tick(weft__peers *peers, int64_t silent_ms, int64_t now_ms,
                      void (*on_silent)(void *user, weft__peer *peer), void *user);

/* Fills in up to max of those that have a state, sorted by nothing. Returns how many have. Threads: any. */
size_t weft__peers_list(weft__peers *peers, weft_peer *ret, size_t max, int64_t now_ms);

#endif

/* weft/peers.h: the other nodes: who lives, and what becomes of what a dead one left open.
 *
 * A node that is up says so every 5 s. It counts as dead when the broker publishes its will (it was not heard for 1.5
 * of its keep-alives), when it says goodbye, and, should the broker have died with it, when nothing has been heard of
 * it for 1.5 keep-alives + 2 s, at least 17 s. While this bridge is itself cut off from the broker nobody is declared
 * dead.
 *
 * When a node has been dead for dead_grace_ms, what it began and did not end (tool calls, LLM requests, agents,
 * sessions, as far as their beginning was delivered here and carries an id) is ended by events made up here: the
 * variant that ends it, with the ids and the envelope of the beginning, success false, figures 0, the present time,
 * WEFT_FLAG_SYNTHETIC, and the attribute WEFT_ATTRIBUTE_CLOSED, which says why: "lost" (will), "silent", "goodbye",
 * "forgotten" (somebody cleared what it had retained) or "replaced" (the node has begun a new life; that life can still
 * end it, and an event of it that names the session or agent shows that this one goes on). Their id names node and
 * epoch; seq is 0: they are no events of that node.
 *
 * If the node was merely cut off and comes back in the same life (epoch), what was so ended and has not really ended is
 * begun again: the beginning with its own timestamp, WEFT_FLAG_SYNTHETIC, seq 0, and the attribute
 * WEFT_ATTRIBUTE_STILL_OPEN, which repeats why it had been ended. A new life of the node takes nothing back. Real ends
 * that are healed later are delivered as always.
 *
 * Made up events go to subscriptions of this dispatcher only. They are never journaled or sent, and whoever counts or
 * records leaves out what carries WEFT_FLAG_SYNTHETIC. */
#ifndef WEFT_PEERS_H
#define WEFT_PEERS_H

#include "weft/bridge.h"

#ifdef __cplusplus
extern "C" {
#endif

#define WEFT_ATTRIBUTE_CLOSED     "weft.closed"
#define WEFT_ATTRIBUTE_STILL_OPEN "weft.still_open"

typedef enum weft_peer_state {
    WEFT_PEER_NONE,    /* not known */
    WEFT_PEER_UP,      /* said so, and has not been silent since */
    WEFT_PEER_SILENT,  /* no will, no goodbye, and nothing is heard of it */
    WEFT_PEER_LOST,    /* the broker lost it */
    WEFT_PEER_GOODBYE, /* left by itself */
} weft_peer_state;

/* "up", "silent" …; total. */
const char *weft_peer_state_name(weft_peer_state state);

typedef struct weft_peer {
    char node[WEFT_NAME_MAX_BYTES + 1];
    weft_peer_state state;
    uint64_t epoch;      /* its newest life, which began at about that time in ms */
    int64_t since_ms;    /* when it came to this state; by its own clock if that was before us, 0: not known */
    int64_t beat_age_ms; /* since its newest beat; -1: none was heard */
    bool skew_known;
    int64_t skew_ms;  /* its clock minus ours, too small by the time of the fastest message */
    char version[32]; /* of its program; empty: it does not say */
} weft_peer;

/* Threads: any. Fills in up to max other nodes, in no order. Returns how many are known; those away are forgotten when
 * there are more than 10,000. */
size_t weft_bridge_peers(weft_bridge *b, weft_peer *ret, size_t max);

/* Clears what a node left retained at the broker (live and state) and waits until it is gone: all bridges forget the
 * node. One that is up says so again with its next beat. Needs the right to publish in that node's name.
 * Returns OK, INVALID (no name, or our own), REFUSED (by the broker's access rules), or TIMEOUT. */
weft_status weft_bridge_forget(weft_bridge *b, const char *node, uint32_t timeout_ms);

#ifdef __cplusplus
}
#endif
#endif

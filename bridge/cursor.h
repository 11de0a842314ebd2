/* bridge/cursor.h: the cursors of a bridge, and what they are fed with.
 *
 *   downlink thread ──messages──▶ each cursor's queue ──▶ its turn: downlink ─▶ round ─▶ effects ─▶ place stored
 *   journal thread  ──own rows──▶
 *
 * A cursor has a downlink of its own, with its own view of each stream, which decodes for itself: the recorder, whose
 * node wants nothing else, decodes once.
 *
 * Lock order  the cursors' mutex, then a queue's (leaf). */
#ifndef WEFT_BRIDGE_CURSOR_H
#define WEFT_BRIDGE_CURSOR_H

#include "bridge/asks.h"
#include "bridge/cursor_store.h"
#include "bridge/downlink.h"
#include "bridge/handoff.h"
#include "bridge/topic_map.h"
#include "weft/cursor.h"

#include <stdatomic.h>

/* What is done with events: by a handler, or in the store's transaction. */
typedef struct weft__cursor_effect {
    bool inside;        /* the store's transaction is open, and everything of a round is done again if it fails */
    const char *tables; /* see weft__cursor_store_opts */
    /* Prepares what is done in the store, and ends it before the store is closed; may be NULL. */
    weft_status (*open)(void *user, weft__cursor_store *store);
    void (*close)(void *user);
    weft_status (*event)(void *user, const weft_event *event);
    weft_status (*lost)(void *user, const weft_lost *lost);
    /* Between rounds, about once a second; returns whether it wants to go on at once. May be NULL. */
    bool (*idle)(void *user, int64_t wall_ms);
    void *user;
} weft__cursor_effect;

/* A message for cursors. */
typedef struct weft__cursor_message {
    weft__tree tree; /* EVT, REPLY, LIVE or BEAT */
    const char *sender;
    weft_topic topic;         /* EVT */
    uint32_t taker;           /* REPLY */
    weft__live_origin origin; /* LIVE */
    const uint8_t *payload;
    size_t length;
} weft__cursor_message;

typedef struct weft__cursors {
    pthread_mutex_t mutex;
    weft_cursor *items[WEFT__TAKERS_MAX]; /* [mutex] by taker; 0 is the bridge's own downlink */
    uint32_t reserved;                    /* [mutex] takers in use, as bits */
    _Atomic uint32_t count;
    _Atomic uint32_t topics;  /* of all */
    atomic_bool lives_wanted; /* somebody does not know who lives: the link asks the broker again */
    atomic_bool own_wanted;   /* somebody does not know where this node's streams are */
} weft__cursors;

void weft__cursors_init(weft__cursors *cursors);
void weft__cursors_fini(weft__cursors *cursors);
/* Gives a message to all whom it concerns. Threads: any. */
void weft__cursors_feed(weft__cursors *cursors, const weft__cursor_message *message);
/* The connection is there anew, or gone. */
void weft__cursors_connected(weft__cursors *cursors, bool connected);

/* weft_cursor_open with another effect than a handler's. */
weft_status weft__cursor_open_with(weft_bridge *b, const weft_cursor_opts *opts, const weft__cursor_effect *effect,
                                   weft_cursor **ret, const char **reason);
/* The two halves of weft_cursor_close: the place is stored and the figures are the last ones; and freed. */
void weft__cursor_end(weft_cursor *c);
void weft__cursor_free(weft_cursor *c);
/* Takes what has come, hands it on, stores the place; for how many ms it may sleep then. Threads: the cursor's own; of
 * a driven bridge, the creator's. */
int64_t weft__cursor_turn(weft_cursor *c);

#endif

/* bridge/cursor_private.h: a cursor, as cursor.c and cursor_feed.c share it. */
#ifndef WEFT_BRIDGE_CURSOR_PRIVATE_H
#define WEFT_BRIDGE_CURSOR_PRIVATE_H

#include "bridge/bridge_private.h"

/* What a cursor's queue holds. */
typedef struct weft__fed {
    weft__node node;
    weft__tree tree;
    weft_topic topic;
    weft__live_origin origin;
    char sender[WEFT_NAME_MAX_BYTES + 1];
    size_t length;
    uint8_t payload[];
} weft__fed;

/* An event to be handled, or a loss to be told. */
typedef struct weft__round_item {
    const weft_event *event; /* NULL: a loss */
    weft_lost lost;
    char *lost_node;
} weft__round_item;

/* What is handled between one storing of the place and the next. */
typedef struct weft__round {
    weft__round_item *items;
    size_t count;
    size_t capacity;
    size_t done;
    uint32_t failures;    /* of the item at `done` */
    int64_t retry_ms;     /* not before; 0: at once */
    bool short_of_memory; /* something that was delivered is not in it: the place must not be stored */
} weft__round;

/* A stream that is forgotten, whose place goes with the next storing. */
typedef struct weft__forgotten {
    struct weft__forgotten *next;
    char node[WEFT_NAME_MAX_BYTES + 1];
    uint64_t epoch;
    weft_topic topic;
} weft__forgotten;

struct weft_cursor {
    /* const after open */
    weft_bridge *bridge;
    weft_cursor_opts opts; /* on_event and the like; strings are not kept */
    weft__cursor_effect effect;
    uint32_t topics;
    uint32_t taker;
    bool threaded;
    pthread_t thread;

    weft__queue queue;
    weft__signal signal;
    atomic_bool connected, cut; /* what has become of the connection since the last turn */
    atomic_bool lives_missed, own_missed;
    atomic_bool stopping;
    _Atomic uint64_t dropped;

    /* the cursor's turn */
    weft__cursor_store *store;
    weft__downlink *downlink;
    weft__round round;
    weft__forgotten *forgotten;
    int64_t ticked_ms;
    int64_t idled_ms;
    weft_cursor_stats live;

    pthread_mutex_t mutex;
    weft_cursor_stats shown; /* [mutex] */
};

weft_status weft__cursors_reserve(weft__cursors *cursors, uint32_t *ret_taker);
void weft__cursors_add(weft__cursors *cursors, weft_cursor *c);
/* When it returns, nobody feeds the cursor any more. */
void weft__cursors_remove(weft__cursors *cursors, weft_cursor *c);

#endif

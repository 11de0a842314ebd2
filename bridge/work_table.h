/* bridge/work_table.h: the works of open_work.c, found by (node, variant, id), and listed by age: in all and of a node.
 *
 * A work that was removed leaves its place to the next one, so that what begins and soon ends stays in the cache. Of
 * works that may last, the YOUNG_MAX newest are kept as they are; the events of older ones are packed.
 *
 * Invariant  a work has a slot and, unless it is WORK_ENDED, is in the lists `works` of the table and of its owner;
 *            an ended one is in `ends` alone. `dying`, `closed` and `bytes` are sums over `works`.
 * Bounds     the caller's.
 * Threads    the caller's. */
#ifndef WEFT_BRIDGE_WORK_TABLE_H
#define WEFT_BRIDGE_WORK_TABLE_H

#include "weft/event.h"
#include "weft/wire.h"

typedef enum weft__work_state {
    WEFT__WORK_OPEN,
    WEFT__WORK_DYING,
    WEFT__WORK_CLOSED,
    WEFT__WORK_ENDED, /* its end came first */
} weft__work_state;

typedef struct weft__work_link {
    struct weft__work_link *older, *newer;
} weft__work_link;

typedef struct weft__work_list {
    weft__work_link *oldest, *newest;
    size_t count;
} weft__work_list;

/* A node that has works. */
typedef struct weft__work_owner {
    struct weft__work_owner *same_bucket;
    uint64_t hash; /* const after create; of the name */
    weft__work_list works;
    size_t ended;
    size_t dying;
    int64_t due_ms; /* when the first of the dying is, or earlier */
    char name[WEFT_NAME_MAX_BYTES + 1];
} weft__work_owner;

typedef struct weft__work {
    weft__work_link in_all; /* of `works`, or of `ends` */
    weft__work_link in_owner;
    weft__work_owner *owner; /* const after add */
    union {
        const weft_event *begin; /* unless it is packed or has ended */
        uint8_t *packed;
        char *ended_id; /* not terminated */
    };
    const char *id;      /* in one of these, not terminated */
    uint64_t epoch, seq; /* of the newest event that told of it */
    int64_t over_ms;     /* dying: since when */
    const char *why;     /* dying, closed */
    uint32_t place;      /* const: its number in the chunks */
    uint32_t hash;
    uint32_t id_bytes;
    uint32_t bytes; /* of what it began with, as it is kept or packed */
    uint16_t type;  /* of the beginning */
    uint8_t state;  /* changed by weft__work_set_state alone */
    bool is_packed;
    bool is_young; /* may last, and is not packed yet */
} weft__work;

/* Who is looked for and not found, as most often, costs no look at a work. */
typedef struct weft__work_slot {
    uint32_t hash;
    uint32_t place_after; /* 0: empty; otherwise the place + 1 */
} weft__work_slot;

enum { WEFT__OWNER_BUCKETS = 256, WEFT__CHUNK_WORKS = 128 };

typedef struct weft__work_table {
    weft__work_slot *slots; /* found from the hash on, without a gap */
    uint32_t slot_count;    /* a power of two, at least twice the works */
    weft__work **chunks;    /* of WEFT__CHUNK_WORKS each */
    size_t chunk_count;
    size_t chunk_max;
    weft__work_link *free; /* by `older` of in_all */
    weft__work_owner *owners[WEFT__OWNER_BUCKETS];
    weft__work_owner *recent; /* found last: events of one node come together. It stays while it has no works */
    weft__work_list works;
    weft__work_list ends;
    weft__work_link *young; /* the oldest of `works` that is; NULL: none */
    size_t young_count;
    size_t bytes;
    size_t dying;
    size_t closed;
} weft__work_table;

weft_status weft__work_table_init(weft__work_table *t);
/* Releases all beginnings. */
void weft__work_table_fini(weft__work_table *t);

/* What a work is found by. Valid until another node is looked for. */
typedef struct weft__work_key {
    const char *node;
    weft__work_owner *owner; /* NULL: the node has no works */
    uint64_t node_hash;
    const char *id;
    uint32_t id_bytes;
    uint32_t hash;
    uint16_t type;
} weft__work_key;

void weft__work_key_init(weft__work_table *t, const char *node, weft_event_type type, const char *id,
                         weft__work_key *ret);
weft__work *weft__work_find(const weft__work_table *t, const weft__work_key *key);
weft__work_owner *weft__work_owner_find(weft__work_table *t, const char *node);

/* Adds an open work that this kept event begins; or one that has ended, of which the event told. NULL when memory is
 * out. */
weft__work *weft__work_add_begun(weft__work_table *t, weft__work_key *key, const weft_event *begin, bool may_last);
weft__work *weft__work_add_ended(weft__work_table *t, weft__work_key *key, const weft_event *end);
/* Its owner goes with its last work, if it is not the recent one. */
void weft__work_remove(weft__work_table *t, weft__work *work);
/* The event that it began with. Ownership: release it. NULL when memory is out. */
const weft_event *weft__work_begin(const weft__work *work);
void weft__work_set_state(weft__work_table *t, weft__work *work, weft__work_state state);

static inline weft__work *weft__work_of_all(weft__work_link *link)
{
    return (weft__work *)(void *)link;
}

static inline weft__work *weft__work_of_owner(weft__work_link *link)
{
    return (weft__work *)(void *)((char *)link - offsetof(weft__work, in_owner));
}

#endif

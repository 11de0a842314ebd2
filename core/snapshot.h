/* core/snapshot.h: the subscriptions at one moment, as publishers read them.
 *
 * Never changed once published: every change makes a new one. Freed when it is no longer current and no slot guards it.
 */
#ifndef WEFT_CORE_SNAPSHOT_H
#define WEFT_CORE_SNAPSHOT_H

#include "core/subscription.h"
#include "weft/tap.h"

/* What a publisher looks at first, side by side; `sub` holds the rest. */
typedef struct weft__entry {
    weft__type_set types;
    const weft__filter *filter; /* the subscription's */
    weft__subscription *sub;    /* a reference */
} weft__entry;

typedef struct weft__tap {
    const weft_tap_ops *ops; /* NULL: none */
    void *user;
    uint64_t id; /* drawn like a subscription's */
} weft__tap;

typedef struct weft__entries {
    weft__type_set types; /* union over the list */
    size_t count;
    weft__entry *list; /* in the order of subscribing */
} weft__entries;

typedef struct weft__snapshot {
    weft__entries queued;
    weft__entries inline_;
    weft__tap tap;
    struct weft__snapshot *next_retired;
} weft__snapshot;

/* Copies a snapshot (NULL: empty) without the dead, with `add` (may be NULL) appended. Returns NULL when memory is out.
 */
weft__snapshot *weft__snapshot_create(const weft__snapshot *from, weft__subscription *add);
void weft__snapshot_destroy(weft__snapshot *snapshot);

/* Three questions about the living; the dead may still be listed. */
weft__subscription *weft__snapshot_find(const weft__snapshot *snapshot, uint64_t id);
uint32_t weft__snapshot_count(const weft__snapshot *snapshot);
/* The topics that some subscription wants from other hosts. */
uint32_t weft__snapshot_remote_topics(const weft__snapshot *snapshot);

/* Replaces *current, frees what nobody guards any more, and leaves the rest on *retired, which holds at most one
 * snapshot for each slot in use. The caller holds the lock of both. */
void weft__snapshot_replace_locked(weft__slots *slots, weft__guard *current, weft__snapshot **retired,
                                   weft__snapshot *next);

#endif

/* bridge/cursor_store.h: the database of one cursor: how far it has come in each stream, and whatever tables its
 * effects go to, stored in one transaction.
 *
 * Threads: one at a time (the cursor's). The path is opened by one process at a time: open locks it. */
#ifndef WEFT_BRIDGE_CURSOR_STORE_H
#define WEFT_BRIDGE_CURSOR_STORE_H

#include "bridge/journal_disk.h"
#include "bridge/seq_ranges.h"
#include "weft/event.h"

typedef struct sqlite3 sqlite3;

typedef struct weft__cursor_store weft__cursor_store;

typedef struct weft__cursor_store_opts {
    const char *path;       /* NULL: in memory */
    const char *name;       /* the cursor's */
    int64_t since_ms;       /* where it begins if it is new */
    bool synced;            /* a commit survives a power cut: the effects are elsewhere, and must not come again */
    const char *tables;     /* SQL that makes further tables of the database when it is new; may be NULL */
    const weft__disk *disk; /* NULL: the system's */
} weft__cursor_store_opts;

/* All up to high has been handled, but for the holes. */
typedef struct weft__place {
    const char *node;
    uint64_t epoch;
    weft_topic topic;
    uint64_t high;
    const weft__seq_range *holes;
    size_t hole_count;
} weft__place;

/* Returns OK, INVALID (path), EXISTS (open elsewhere), UNSUPPORTED (a newer version's), CORRUPT, IO, NO_SPACE,
 * NO_MEMORY. */
weft_status weft__cursor_store_open(const weft__cursor_store_opts *opts, weft__cursor_store **ret, const char **reason);
void weft__cursor_store_close(weft__cursor_store *store);
/* Where the cursor began when it was new. */
int64_t weft__cursor_store_since_ms(const weft__cursor_store *store);
/* The connection, for those who keep effects in it. */
sqlite3 *weft__cursor_store_db(const weft__cursor_store *store);

/* Anything but OK stops the walk and is returned. */
weft_status weft__cursor_store_each(weft__cursor_store *store, weft_status (*fn)(void *user, const weft__place *place),
                                    void *user);

/* begin; end commits what status says OK of, and otherwise rolls back. Returns status, or why it was not committed. */
weft_status weft__cursor_store_begin(weft__cursor_store *store);
weft_status weft__cursor_store_put(weft__cursor_store *store, const weft__place *place);
weft_status weft__cursor_store_remove(weft__cursor_store *store, const char *node, uint64_t epoch, weft_topic topic);
weft_status weft__cursor_store_end(weft__cursor_store *store, weft_status status);

#endif

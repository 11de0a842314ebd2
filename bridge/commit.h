/* bridge/commit.h: what a transaction of the journal takes: drafts, and how far feeds have come.
 *
 * Threads    one at a time. */
#ifndef WEFT_BRIDGE_COMMIT_H
#define WEFT_BRIDGE_COMMIT_H

#include "bridge/draft.h"

enum { WEFT__PRIORITIES = WEFT_PRIORITY_CRITICAL + 1 };

/* Events of one priority that may be dropped to make room. */
typedef struct weft__droppable {
    size_t count;
    size_t bytes;
} weft__droppable;

typedef struct weft__commit {
    struct weft__commit *next;
    weft__draft *first, *last; /* in the order of their first seq */
    size_t events;
    size_t bytes;     /* whoever counts them */
    uint64_t receipt; /* the last */
    weft__droppable droppable[WEFT__PRIORITIES];
    weft__feed_mark *marks; /* the newest of each feed; its strings are a block of the commit's */
    size_t mark_count, mark_capacity;
    weft__journal_row *rows; /* see weft__commit_finish */
    size_t row_count, row_capacity;
} weft__commit;

/* Returns NULL without memory. */
weft__commit *weft__commit_create(void);
void weft__commit_destroy(weft__commit *commit);

/* Returns NULL without memory. */
weft__draft *weft__commit_draft(weft__commit *commit, size_t max_bytes, bool marked);
void weft__commit_remove(weft__commit *commit, weft__draft *draft);

/* Takes over a mark in place of the same feed's. Returns OK or NO_MEMORY. */
weft_status weft__commit_mark(weft__commit *commit, const weft_feed_mark *mark);

/* Makes rows of the drafts, in the order of their first seq; `ends` says where each stream has come to, by the number
 * of its topic, and moves on. Returns OK or NO_MEMORY: call it again, it goes on where it was. */
weft_status weft__commit_finish(weft__commit *commit, const char *node, weft__stream_end ends[WEFT_TOPIC_MAX]);

#endif

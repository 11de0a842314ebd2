/* bridge/draft.h: a batch in the making: events of one stream, encoded as they are published.
 *
 * A draft that is marked knows where each of its events stands, so that single ones can be dropped again. What is left
 * behind a dropped event becomes a row of its own, because only the head of a message can tell of a gap.
 *
 * Invariant  the events of a draft follow each other in their stream, but for those that were dropped from it.
 * Threads    one at a time. */
#ifndef WEFT_BRIDGE_DRAFT_H
#define WEFT_BRIDGE_DRAFT_H

#include "bridge/codec_encode.h"
#include "bridge/journal.h"

enum {
    WEFT__BATCH_TARGET_BYTES = 56 * 1024, /* see decision 0033 */
    WEFT__BATCH_MAX_EVENTS = 1024,
};

/* An event's place in its stream: what was assigned just before it, and how many of the stream were. */
typedef struct weft__stream_link {
    uint64_t prev_seq;
    uint64_t nth; /* from 1 */
} weft__stream_link;

/* Where a stream's rows have come to. */
typedef struct weft__stream_end {
    uint64_t epoch;
    uint64_t last_seq;
    uint64_t nth; /* of the stream's events, dropped ones included */
} weft__stream_end;

typedef struct weft__draft_mark weft__draft_mark;

typedef struct weft__draft {
    struct weft__draft *next, *prev; /* whoever owns it */
    weft__writer writer;
    weft__journal_row row; /* of what it holds; without bytes */
    weft__stream_link first, last;
    size_t max_bytes; /* of events; a single larger one passes */
    bool marked;
    bool broken; /* events were dropped */
    weft__draft_mark *marks;
    size_t mark_count, mark_capacity;
    size_t dropped; /* of these */
} weft__draft;

/* An empty draft. Returns NULL without memory. */
weft__draft *weft__draft_create(size_t max_bytes, bool marked);
void weft__draft_destroy(weft__draft *d);

/* What a draft held; see weft__draft_cut. */
typedef struct weft__draft_state {
    weft__writer writer;
    weft__journal_row row;
    weft__stream_link last;
    size_t mark_count;
} weft__draft_state;

/* Adds an event of the draft's stream (an empty one's stream is that of its first event), whose id is set. Returns OK
 * and how many bytes it takes, INVALID, NO_MEMORY, TOO_LARGE (the event is), or FULL: it belongs into the next draft.
 * If not OK nothing has changed. */
weft_status weft__draft_add(weft__draft *d, const weft_event *event, const weft__stream_link *link, size_t *ret_bytes);

void weft__draft_save(const weft__draft *d, weft__draft_state *ret);
/* Forgets what was added since. Nothing may have been dropped since. */
void weft__draft_cut(weft__draft *d, const weft__draft_state *to);

/* Drops an event of a marked draft. Returns how many bytes it took; 0: it is not there. */
size_t weft__draft_drop(weft__draft *d, uint64_t seq);

/* Makes the rows of the draft: `rows` has room for weft__draft_rows of them. node: as in the events. Each row's bytes
 * are malloc'ed; the draft is empty afterwards. `end` is where the stream has come to, and moves on. Returns OK or
 * NO_MEMORY: the draft and the end are as they were. */
weft_status weft__draft_finish(weft__draft *d, const char *node, weft__stream_end *end, weft__journal_row *rows);
size_t weft__draft_rows(const weft__draft *d);

void weft__rows_free(weft__journal_row *rows, size_t count);

#endif

/* bridge/batcher.h: groups of events → journal rows, each one encoded batch of one stream.
 *
 * Invariant  within a stream the rows' (prev_seq, last_seq] join without a gap, but where the intake dropped events: a
 *            row behind such a gap begins anew, and its message tells how many are lost.
 * Threads    the journal thread. */
#ifndef WEFT_BRIDGE_BATCHER_H
#define WEFT_BRIDGE_BATCHER_H

#include "bridge/codec_encode.h"
#include "bridge/intake.h"
#include "bridge/journal.h"

enum {
    WEFT__BATCH_TARGET_BYTES = 14 * 1024, /* both the client and the broker are fastest with messages below 16 KB */
    WEFT__BATCH_MAX_EVENTS = 512,
};

/* Where a stream's rows have come to. */
typedef struct weft__batcher_stream {
    uint64_t epoch;
    uint64_t last_seq;
    uint64_t nth; /* of the stream's events, dropped ones included */
} weft__batcher_stream;

typedef struct weft__batcher {
    weft__batcher_stream streams[WEFT_TOPIC_MAX];
    weft__writer writers[WEFT_TOPIC_MAX]; /* their buffers stay from build to build */
} weft__batcher;

/* Frees what a batcher keeps; it begins zeroed. */
void weft__batcher_fini(weft__batcher *batcher);

/* Encodes the events of all groups. Ownership: *ret_rows is malloc'ed, and the bytes of each row are.
 * Returns OK or NO_MEMORY (nothing has changed). */
weft_status weft__batcher_build(weft__batcher *batcher, const weft__group *groups, weft__journal_row **ret_rows,
                                size_t *ret_count);
void weft__rows_free(weft__journal_row *rows, size_t count);

#endif

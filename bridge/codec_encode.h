/* bridge/codec_encode.h: a batch that is written event by event into one buffer, which grows.
 *
 *   weft__writer w = {0};
 *   weft__writer_begin(&w, "host-a", epoch, prev_seq, 0);
 *   weft__writer_add(&w, event);                      w.length grows by what the event takes
 *   weft__writer_release(&w, &bytes, &length);        the buffer is the caller's; begin again
 *   weft__writer_fini(&w);
 *
 * Threads: one at a time. */
#ifndef WEFT_BRIDGE_CODEC_ENCODE_H
#define WEFT_BRIDGE_CODEC_ENCODE_H

#include "bridge/codec_write.h"
#include "weft/wire.h"

typedef struct weft__writer {
    uint8_t *bytes;
    size_t length;
    size_t capacity;
    size_t header_bytes;
    uint64_t last_seq;
    weft_topic topic; /* of its events; 0: not known yet */
    weft__written last;
} weft__writer;

/* Writes the header; what was begun before is forgotten. topic may be 0. Returns OK, INVALID or NO_MEMORY. */
weft_status weft__writer_begin(weft__writer *w, const char *node, uint64_t epoch, uint64_t prev_seq, weft_topic topic);
/* Adds an event. Returns OK, INVALID, TOO_LARGE (for an event, or for a batch together with those before it) or
 * NO_MEMORY; if it is not OK, nothing has changed. */
weft_status weft__writer_add(weft__writer *w, const weft_event *event);
weft_status weft__writer_lose(weft__writer *w, const weft_lost *lost);
/* Adds elements of another batch as they are. Returns OK, TOO_LARGE or NO_MEMORY. */
weft_status weft__writer_add_written(weft__writer *w, const uint8_t *bytes, size_t length);
/* Forgets what was added since the writer was like that. */
void weft__writer_cut(weft__writer *w, const weft__writer *to);
/* Adds the checksum and gives the buffer away; the writer has none then. Returns OK, TOO_LARGE or NO_MEMORY (nothing
 * has changed). Ownership: *ret is malloc'ed. */
weft_status weft__writer_release(weft__writer *w, uint8_t **ret, size_t *ret_length);
/* Frees the buffer; the writer may begin again. */
void weft__writer_fini(weft__writer *w);

#endif

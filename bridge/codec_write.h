/* bridge/codec_write.h: one event to its bytes on the wire, in one pass and without an allocation. Threads: any. */
#ifndef WEFT_BRIDGE_CODEC_WRITE_H
#define WEFT_BRIDGE_CODEC_WRITE_H

#include "weft/event.h"

/* How an event was written. */
typedef struct weft__written {
    uint8_t *end;
    size_t width; /* bytes of its length; before: of the last event's, which the next one's is likely to have */
    bool foreign; /* the payload of a newer version: belongs to any topic */
} weft__written;

enum { WEFT__WIDTH_FIRST = 2 };

/* Writes an event as an element of a batch, with its tag and length; nothing beyond `bytes` is touched, but what is
 * there may be overwritten also on failure. Returns OK, INVALID, FULL (it may not fit: weft__event_write_bytes always
 * does) or NO_MEMORY. */
weft_status weft__event_write(const weft_event *event, uint8_t *at, size_t bytes, weft__written *written);

/* Room that is enough for writing the event. */
size_t weft__event_write_bytes(const weft_event *event);

#endif

/* bridge/codec_read.h: one event from its bytes, verified in a single walk. Threads: one at a time. */
#ifndef WEFT_BRIDGE_CODEC_READ_H
#define WEFT_BRIDGE_CODEC_READ_H

#include "bridge/codec_plan.h"
#include "core/event_private.h"

/* An event that was read. Its strings, but for id.node, lie in the message and have no NUL. */
typedef struct weft__read {
    weft_event blank; /* what each event of a message begins as */
    weft_event event; /* CUSTOM without a payload, if that is of a newer version */
    weft__layout layout;
    const char **reason;
    const weft__steps *payload_steps; /* NULL: nobody here knows the payload */
    unsigned payload_count;
    uint32_t payload_number; /* the last one's; on the wire */
    const uint8_t *payload;
    size_t payload_bytes;
    /* One more of each than allowed: so many are too many, what follows is not stored. */
    const char *tags[WEFT_TAGS_MAX + 1];
    size_t tag_sizes[WEFT_TAGS_MAX + 1];
    weft_attribute attributes[WEFT_ATTRIBUTES_MAX + 1];
    weft__attribute_sizes attribute_sizes[WEFT_ATTRIBUTES_MAX + 1];
} weft__read;

/* For events of this life of a node. Ownership: borrows the name. */
void weft__read_init(weft__read *r, const char *node, uint64_t epoch);

/* Reads an event without its tag and length: wire types, lengths, UTF-8 and NULs, enums, times, one payload. Returns OK
 * or MALFORMED; reason (may be NULL) then gets a static text. */
weft_status weft__event_read(weft__read *r, const uint8_t *bytes, size_t length, const char **reason);

#endif

/* bridge/drops.h: messages that were dropped for what they contain, by who sent them and under which topic: they belong
 * to no stream. Bounded: senders who come late share one entry, "-". Threads: none of its own. */
#ifndef WEFT_BRIDGE_DROPS_H
#define WEFT_BRIDGE_DROPS_H

#include "weft/wire.h"

#include <stddef.h>
#include <stdint.h>

enum { WEFT__DROPS_MAX = 256 };

typedef enum weft__drop_reason {
    WEFT__DROP_MALFORMED,
    WEFT__DROP_CORRUPT,
    WEFT__DROP_FOREIGN, /* the payload's node is not the topic's */
    WEFT__DROP_REASONS
} weft__drop_reason;

typedef struct weft__drop_entry {
    char sender[WEFT_NAME_MAX_BYTES + 1];
    weft_topic topic; /* 0: beside the events */
    uint64_t messages[WEFT__DROP_REASONS];
} weft__drop_entry;

typedef struct weft__drops {
    weft__drop_entry entries[WEFT__DROPS_MAX];
    size_t count;
} weft__drops;

void weft__drops_add(weft__drops *drops, const char *sender, weft_topic topic, weft__drop_reason reason);
uint64_t weft__drops_sum(const weft__drops *drops, weft__drop_reason reason);

#endif

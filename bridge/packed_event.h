/* bridge/packed_event.h: an event laid by as the bytes it takes on the wire: a third of a kept one. Threads: any. */
#ifndef WEFT_BRIDGE_PACKED_EVENT_H
#define WEFT_BRIDGE_PACKED_EVENT_H

#include "weft/event.h"

/* Ownership: the result is malloc'ed. NULL when memory is out, or if the event cannot travel (it has no seq, or is too
 * large). */
uint8_t *weft__event_pack(const weft_event *kept, size_t *ret_bytes);
/* Ownership: a kept event, release it. NULL when memory is out. */
const weft_event *weft__event_unpack(const uint8_t *packed, size_t bytes);

#endif

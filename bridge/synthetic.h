/* bridge/synthetic.h: events that an observer makes up about work it saw begin: its end when the node died, its
 * beginning again when the node was merely cut off. weft/peers.h says what they carry. Threads: any. */
#ifndef WEFT_BRIDGE_SYNTHETIC_H
#define WEFT_BRIDGE_SYNTHETIC_H

#include "weft/event.h"

/* Kept events; release them. NULL when memory is out, or if `begin` is not of a variant that is ended by another. */
const weft_event *weft__synthetic_end(const weft_event *begin, const char *why, int64_t wall_ms);
const weft_event *weft__synthetic_begin(const weft_event *begin, const char *why, int64_t wall_ms);

#endif

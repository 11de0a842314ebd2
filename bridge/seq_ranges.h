/* bridge/seq_ranges.h: an ordered set of seq ranges: the open holes of a stream.
 *
 * Invariant  ranges are sorted, disjoint, not empty, and not adjacent to each other unless added so.
 * Threads    none of its own; the owner's. */
#ifndef WEFT_BRIDGE_SEQ_RANGES_H
#define WEFT_BRIDGE_SEQ_RANGES_H

#include "weft/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { WEFT__SEQ_RANGES_MAX = 1024 };

typedef struct weft__seq_range {
    uint64_t from; /* both included */
    uint64_t to;
} weft__seq_range;

typedef struct weft__seq_ranges {
    weft__seq_range *items;
    size_t count;
    size_t capacity;
} weft__seq_ranges;

void weft__seq_ranges_fini(weft__seq_ranges *set);
/* Adds a range beyond all others, or before all others. Returns OK, FULL or NO_MEMORY. */
/* Makes room for one more range, so that the next change needs no memory. Returns OK, FULL or NO_MEMORY. */
weft_status weft__seq_ranges_reserve(weft__seq_ranges *set);
weft_status weft__seq_ranges_append(weft__seq_ranges *set, uint64_t from, uint64_t to);
weft_status weft__seq_ranges_prepend(weft__seq_ranges *set, uint64_t from, uint64_t to);
/* Adds a range that continues the last one, if it does, to it; else as append. */
weft_status weft__seq_ranges_extend(weft__seq_ranges *set, uint64_t from, uint64_t to);
bool weft__seq_ranges_contain(const weft__seq_ranges *set, uint64_t seq);
/* Takes [from, to] out of the set. Returns OK; FULL when a range would have to be split beyond the bound, NO_MEMORY. */
weft_status weft__seq_ranges_remove(weft__seq_ranges *set, uint64_t from, uint64_t to);

#endif

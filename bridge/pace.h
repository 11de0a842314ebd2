/* bridge/pace.h: patience of the journal thread. When more than 20,000 events come a second, each commit of a few of
 * them costs more than it gives: 150 us from commit to commit make fewer and larger ones.
 *
 * Threads    one at a time. No allocation. */
#ifndef WEFT_BRIDGE_PACE_H
#define WEFT_BRIDGE_PACE_H

#include <stddef.h>
#include <stdint.h>

typedef struct weft__pace {
    int64_t taken_ns; /* the last commit was begun */
    int64_t gap_ns;   /* from event to event, of late; 0: nothing is known */
} weft__pace;

/* A commit of so many events begins. */
void weft__pace_taken(weft__pace *p, size_t events, int64_t now_ns);
/* When the next commit should begin: not later than now if there is no reason to wait. */
int64_t weft__pace_next_ns(const weft__pace *p, int64_t now_ns);

#endif

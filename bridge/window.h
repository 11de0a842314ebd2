/* bridge/window.h: how many messages may be in flight: as many as keep the broker busy, and no more, so that what
 * gathers meanwhile is one batch instead of many that wait at the broker.
 *
 * The time from a message to its acknowledgement is held against the least of late (as TCP Vegas does, Brakmo and
 * Peterson 1995): the difference says how many of the messages in flight only wait. One message at a time is timed.
 *
 * Threads    one at a time. No allocation. */
#ifndef WEFT_BRIDGE_WINDOW_H
#define WEFT_BRIDGE_WINDOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct weft__window {
    size_t size; /* messages */
    size_t max;
    int64_t least_ns;      /* acknowledgement time, of this period … */
    int64_t least_last_ns; /* … and of the one before */
    int64_t period_end_ns;
    bool timing;
    bool was_full; /* since the timed message was sent */
    int token;     /* of the timed message */
    int64_t sent_ns;
} weft__window;

/* A new connection, to a broker that takes so many. */
void weft__window_begin(weft__window *w, size_t max);
void weft__window_sent(weft__window *w, int token, int64_t now_ns);
/* Something waits because the window is full. */
void weft__window_full(weft__window *w);
/* Tokens of messages that were not timed are passed over. */
void weft__window_acked(weft__window *w, int token, int64_t now_ns);

#endif

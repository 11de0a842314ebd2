/* nodes/feed_line.h: reads one line of a feeder: an event, a group of events with a state, or a greeting.
 * Threads: any. */
#ifndef WEFT_NODES_FEED_LINE_H
#define WEFT_NODES_FEED_LINE_H

#include "nodes/feed_limits.h"
#include "weft/json.h"

typedef enum feed_line_kind { FEED_LINE_EMPTY, FEED_LINE_EVENTS, FEED_LINE_GREETING } feed_line_kind;

/* Owns everything in it; release with feed_line_fini. */
typedef struct feed_line {
    feed_line_kind kind;
    const weft_event **events; /* kept */
    size_t event_count;
    char *state;     /* NULL: none */
    char *feed;      /* of a greeting */
    uint64_t number; /* of a greeting; 0: not given */
} feed_line;

/* Returns OK, or what is wrong with the line, in words a feeder can act on, in error[error_bytes]; then there is
 * nothing to release. */
weft_status feed_line_parse(const char *text, size_t length, feed_line *ret, char *error, size_t error_bytes);
void feed_line_fini(feed_line *line);

#endif

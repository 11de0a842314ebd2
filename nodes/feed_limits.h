/* nodes/feed_limits.h: bounds of the node's socket protocol, the same at both ends. */
#ifndef WEFT_NODES_FEED_LIMITS_H
#define WEFT_NODES_FEED_LIMITS_H

enum {
    FEED_LINE_MAX_BYTES = 1024 * 1024, /* without the newline */
    FEED_LINE_MAX_EVENTS = 4096,       /* in {"events": […]} */
};

#endif

/* nodes/feed_group.h: lines that are published and committed together. Threads: one. */
#ifndef WEFT_NODES_FEED_GROUP_H
#define WEFT_NODES_FEED_GROUP_H

#include "nodes/feed_line.h"

enum { FEED_GROUP_MAX_LINES = 256, FEED_GROUP_MAX_EVENTS = 512 };

typedef struct feed_group_line {
    uint64_t ticket; /* of its answer */
    uint64_t number;
    size_t first_event;
    size_t event_count;
    char *state; /* NULL: none */
} feed_group_line;

typedef struct feed_group {
    const weft_event **events; /* kept, in the order of the lines */
    size_t event_count;
    size_t event_capacity;
    feed_group_line lines[FEED_GROUP_MAX_LINES];
    size_t line_count;
} feed_group;

/* Whether another line should wait for the next group. */
bool feed_group_is_full(const feed_group *g);
/* Takes a line's events and state over. Returns false when memory is out; the line keeps them then. */
bool feed_group_add(feed_group *g, feed_line *line, uint64_t ticket, uint64_t number);
/* Takes one line out: the one that holds an event. Of what it returns, ticket and number are still good. */
feed_group_line feed_group_remove_line_of(feed_group *g, size_t event_index);
/* The newest state among the lines, NULL if none has one. */
const char *feed_group_state(const feed_group *g);
/* Empties it and keeps the memory. */
void feed_group_clear(feed_group *g);
void feed_group_fini(feed_group *g);

#endif

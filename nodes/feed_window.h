/* nodes/feed_window.h: the lines of a feeder that are not answered yet, in order, and how far they are written.
 * Threads: one. */
#ifndef WEFT_NODES_FEED_WINDOW_H
#define WEFT_NODES_FEED_WINDOW_H

#include <stdbool.h>
#include <stddef.h>

typedef struct feed_window {
    char *text;      /* the lines with their newlines, oldest at start */
    size_t start;    /* of the oldest line */
    size_t written;  /* bytes before this went into the socket */
    size_t end;      /* behind the newest line */
    size_t capacity; /* of text */
    size_t *lengths; /* ring of max_lines, newlines included */
    size_t head;
    size_t count;
    size_t max_lines;
} feed_window;

/* Returns false when memory is out. */
bool feed_window_init(feed_window *w, size_t max_lines);
void feed_window_fini(feed_window *w);

/* Whether another line fits: fewer than max_lines, and not too many bytes. */
bool feed_window_has_room(const feed_window *w);
/* Adds a line and its newline. Returns false when memory is out. */
bool feed_window_push(feed_window *w, const char *line, size_t length);
/* Drops the oldest line: it is answered. */
void feed_window_pop(feed_window *w);
/* All of it has to be written again. */
void feed_window_rewind(feed_window *w);

#endif

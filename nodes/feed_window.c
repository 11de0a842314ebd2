/* nodes/feed_window.c: one run of text that is written with few large writes, and a ring of line lengths. */
#include "nodes/feed_window.h"

#include <stdlib.h>
#include <string.h>

enum { FIRST_CAPACITY = 64 * 1024, MAX_BYTES = 8 * 1024 * 1024 };

bool feed_window_init(feed_window *w, size_t max_lines)
{
    *w = (feed_window){.max_lines = max_lines, .capacity = FIRST_CAPACITY};
    w->text = malloc(FIRST_CAPACITY);
    w->lengths = calloc(max_lines, sizeof *w->lengths);
    return w->text != NULL && w->lengths != NULL;
}

void feed_window_fini(feed_window *w)
{
    free(w->text);
    free(w->lengths);
    *w = (feed_window){0};
}

bool feed_window_has_room(const feed_window *w)
{
    return w->count < w->max_lines && w->end - w->start < MAX_BYTES;
}

static void text_compact(feed_window *w)
{
    memmove(w->text, w->text + w->start, w->end - w->start);
    w->end -= w->start;
    w->written -= w->start;
    w->start = 0;
}

static bool text_reserve(feed_window *w, size_t more)
{
    if (w->capacity - w->end >= more)
        return true;
    if (w->start >= w->capacity / 2)
        text_compact(w);
    size_t capacity = w->capacity;
    while (capacity - w->end < more)
        capacity *= 2;
    if (capacity == w->capacity)
        return true;
    char *text = realloc(w->text, capacity);
    if (text == NULL)
        return false;
    w->text = text;
    w->capacity = capacity;
    return true;
}

bool feed_window_push(feed_window *w, const char *line, size_t length)
{
    if (!text_reserve(w, length + 1))
        return false;
    memcpy(w->text + w->end, line, length);
    w->text[w->end + length] = '\n';
    w->end += length + 1;
    w->lengths[(w->head + w->count++) % w->max_lines] = length + 1;
    return true;
}

void feed_window_pop(feed_window *w)
{
    w->start += w->lengths[w->head];
    w->head = (w->head + 1) % w->max_lines;
    w->count--;
    if (w->written < w->start)
        w->written = w->start; /* answered before it was written: the peer is confused, we stay consistent */
    if (w->count == 0)
        w->start = w->written = w->end = 0;
}

void feed_window_rewind(feed_window *w)
{
    w->written = w->start;
}

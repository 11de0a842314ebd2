/* nodes/line_buffer.c: one buffer that grows to twice the longest line it met, up to the bound.
 *
 * Invariant  start <= scanned <= end <= capacity, and data[capacity] exists for a terminator. */
#include "nodes/line_buffer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { FIRST_CAPACITY = 16 * 1024, CAPACITY_SLACK = 64 * 1024 };

bool line_buffer_init(line_buffer *b, size_t max)
{
    *b = (line_buffer){.capacity = FIRST_CAPACITY, .max = max, .data = malloc(FIRST_CAPACITY + 1)};
    return b->data != NULL;
}

void line_buffer_fini(line_buffer *b)
{
    free(b->data);
    *b = (line_buffer){0};
}

void line_buffer_clear(line_buffer *b)
{
    b->start = b->end = b->scanned = 0;
    b->skipping = false;
}

/* Where the next newline stands, end if there is none yet. */
static size_t newline_find(line_buffer *b)
{
    const char *hit = b->scanned < b->end ? memchr(b->data + b->scanned, '\n', b->end - b->scanned) : NULL;
    b->scanned = hit != NULL ? (size_t)(hit - b->data) : b->end;
    return b->scanned;
}

static void discard_overlong(line_buffer *b)
{
    if (newline_find(b) == b->end && (b->skipping || b->end - b->start > b->max)) {
        b->start = b->end = b->scanned = 0;
        b->skipping = true;
    }
}

static bool make_room(line_buffer *b)
{
    discard_overlong(b);
    if (b->start > 0) {
        memmove(b->data, b->data + b->start, b->end - b->start);
        b->end -= b->start;
        b->scanned -= b->start;
        b->start = 0;
    }
    size_t limit = b->max + CAPACITY_SLACK;
    if (b->end < b->capacity || b->capacity >= limit)
        return b->end < b->capacity;
    size_t capacity = b->capacity * 2 < limit ? b->capacity * 2 : limit;
    char *data = realloc(b->data, capacity + 1);
    if (data == NULL)
        return false;
    b->data = data;
    b->capacity = capacity;
    return true;
}

ssize_t line_buffer_read(line_buffer *b, int fd)
{
    if (!make_room(b)) {
        errno = ENOBUFS;
        return -1;
    }
    ssize_t got = read(fd, b->data + b->end, b->capacity - b->end);
    if (got > 0)
        b->end += (size_t)got;
    return got;
}

size_t line_buffer_add(line_buffer *b, const char *bytes, size_t length)
{
    size_t taken = 0;
    while (taken < length && make_room(b)) {
        size_t room = b->capacity - b->end;
        size_t part = length - taken < room ? length - taken : room;
        memcpy(b->data + b->end, bytes + taken, part);
        b->end += part;
        taken += part;
    }
    return taken;
}

static line_result line_take(line_buffer *b, size_t stop, size_t next, char **ret, size_t *ret_length)
{
    size_t start = b->start;
    bool too_long = b->skipping || stop - start > b->max;
    b->start = b->scanned = next;
    b->skipping = false;
    if (too_long)
        return LINE_TOO_LONG;
    if (stop > start && b->data[stop - 1] == '\r')
        stop--;
    b->data[stop] = '\0';
    *ret = b->data + start;
    *ret_length = stop - start;
    return LINE_TEXT;
}

line_result line_buffer_next(line_buffer *b, char **ret, size_t *ret_length)
{
    size_t stop = newline_find(b);
    return stop == b->end ? LINE_NONE : line_take(b, stop, stop + 1, ret, ret_length);
}

line_result line_buffer_rest(line_buffer *b, char **ret, size_t *ret_length)
{
    if (b->start == b->end && !b->skipping)
        return LINE_NONE;
    return line_take(b, b->end, b->end, ret, ret_length);
}

bool line_buffer_has_line(line_buffer *b)
{
    return newline_find(b) < b->end;
}

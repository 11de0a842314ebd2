/* nodes/line_buffer.h: cuts a byte stream into lines, in bounded memory.
 *
 * A line longer than the bound is thrown away as it comes and reported once, so that what follows it is not lost.
 * Threads: one. */
#ifndef WEFT_NODES_LINE_BUFFER_H
#define WEFT_NODES_LINE_BUFFER_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

typedef struct line_buffer {
    char *data;
    size_t start;   /* of the unread bytes */
    size_t end;     /* behind them */
    size_t scanned; /* no newline before this */
    size_t capacity;
    size_t max; /* bytes of a line, without its newline */
    bool skipping;
} line_buffer;

typedef enum line_result { LINE_NONE, LINE_TEXT, LINE_TOO_LONG } line_result;

/* Returns false when memory is out. */
bool line_buffer_init(line_buffer *b, size_t max);
void line_buffer_fini(line_buffer *b);
/* Forgets what it holds. */
void line_buffer_clear(line_buffer *b);

/* Reads once from a descriptor, as much as fits. Returns as read(2); ENOBUFS when unread lines fill it: take them. */
ssize_t line_buffer_read(line_buffer *b, int fd);
/* Adds bytes; returns how many were taken. */
size_t line_buffer_add(line_buffer *b, const char *bytes, size_t length);

/* Takes the next whole line, without its newline and a CR before it. The text is NUL-terminated, may be changed, and is
 * valid until the next read or add. */
line_result line_buffer_next(line_buffer *b, char **ret, size_t *ret_length);
/* Takes what stands behind the last newline when the input has ended. */
line_result line_buffer_rest(line_buffer *b, char **ret, size_t *ret_length);
/* Whether a whole line waits. */
bool line_buffer_has_line(line_buffer *b);

#endif

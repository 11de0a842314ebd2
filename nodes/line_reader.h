/* nodes/line_reader.h: the lines of a file, plain or gzip (told by its content), or of standard input ("-").
 *
 * Positions count bytes of the uncompressed data. A plain file may grow while it is read: after LINE_READER_END further
 * calls return what has been added, and so they do for a pipe whose writers are there still. Threads: one a reader. */
#ifndef WEFT_NODES_LINE_READER_H
#define WEFT_NODES_LINE_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "weft/status.h"

enum { LINE_READER_MAX_BYTES = 16 * 1024 * 1024 };

/* Where a reader stands. */
typedef struct line_position {
    uint64_t offset;
    uint64_t line; /* lines read so far */
    bool open;     /* the last of them had no newline yet */
} line_position;

typedef enum line_reader_result {
    LINE_READER_LINE,
    LINE_READER_TOO_LONG, /* the line is skipped; line_reader_error names it */
    LINE_READER_END,
    LINE_READER_FAILED, /* line_reader_error says why */
} line_reader_result;

typedef struct line_reader line_reader;

/* Opens a file and skips to a position (NULL: the start). max_bytes bounds a line; 0: LINE_READER_MAX_BYTES.
 * On failure error says why, with the file's name. Ownership: close it.
 * Returns OK, IO, NOT_FOUND (the file is shorter than the position) or NO_MEMORY. */
weft_status line_reader_open(const char *path, const line_position *from, size_t max_bytes, line_reader **ret,
                             char *error, size_t error_size);
void line_reader_close(line_reader *r);

/* Reads the next line, without its newline and a CR before it. The text is NUL-terminated and valid until the next
 * call. What stands behind the last newline is a line only if take_rest is set and the input has ended. Never waits: a
 * silent pipe is at its END until more comes. */
line_reader_result line_reader_next(line_reader *r, bool take_rest, const char **ret, size_t *ret_length);

/* The position behind the line read last, and the one before it. */
line_position line_reader_position(const line_reader *r);
line_position line_reader_previous(const line_reader *r);
/* "FILE:LINE: …" of the last TOO_LONG or FAILED. */
const char *line_reader_error(const line_reader *r);
/* Whether the last END was an end: always of a file (which may grow), of a pipe when its writers are gone. */
bool line_reader_ended(const line_reader *r);
/* Whether line_reader_next would find something new in a pipe; waits for that up to timeout_ms (-1: for ever), or for a
 * signal. Always true of a file. */
bool line_reader_ready(const line_reader *r, int timeout_ms);
/* Of a plain file: whether it has become shorter than what was read. */
bool line_reader_shrank(const line_reader *r);

#endif

/* nodes/lines_each.h: handles the lines of a pipe, a terminal or a file as they come. Threads: any. */
#ifndef WEFT_NODES_LINES_EACH_H
#define WEFT_NODES_LINES_EACH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct lines_handler {
    /* One line (text NULL: it was longer than max and is skipped), numbered from 1. Returns false to end. */
    bool (*on_line)(char *text, size_t length, uint64_t number, void *user);
    void (*on_pause)(void *user); /* nothing more has come yet; may be NULL */
    void *user;
} lines_handler;

/* Reads to the end; what stands behind the last newline is a line. Returns false with errno when reading failed, or
 * ENOMEM. Blocks. */
bool lines_each(int fd, size_t max_bytes, const lines_handler *handler);

#endif

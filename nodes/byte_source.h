/* nodes/byte_source.h: the bytes of a file, plain or gzip (told by its content), or of a pipe. Threads: one. */
#ifndef WEFT_NODES_BYTE_SOURCE_H
#define WEFT_NODES_BYTE_SOURCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <zlib.h>

enum { BYTE_SOURCE_INPUT_BYTES = 64 * 1024 };

typedef enum byte_format { BYTES_UNDECIDED, BYTES_PLAIN, BYTES_GZIP } byte_format;

typedef struct byte_source {
    int fd;
    byte_format format;
    bool ended;         /* the last read met the end of the file, or of the pipe's writers */
    bool regular;       /* a file that can be searched in */
    bool inside_member; /* of gzip data: between a header and its trailer */
    bool ignoring;      /* what follows the last member is no gzip data */
    z_stream inflater;
    unsigned char *input; /* compressed, or not yet decided */
    size_t start;
    size_t end;
} byte_source;

/* Takes the descriptor over. Returns false when memory is out; the descriptor is closed then. */
bool byte_source_init(byte_source *s, int fd);
void byte_source_fini(byte_source *s);

/* Reads some bytes, uncompressed. Never waits for a pipe. Returns how many, 0 when there are no more now (`ended` tells
 * whether a pipe may bring more; a file may grow), -1 with *ret_error (static or of the source) on failure. */
ssize_t byte_source_read(byte_source *s, char *to, size_t size, const char **ret_error);

/* At the end: whether compressed data stopped in the middle. */
bool byte_source_cut_off(const byte_source *s);
/* Skips bytes of the uncompressed data. Blocks: while a pipe is silent. Returns false with *ret_error (NULL: there are
 * not as many) on failure. */
bool byte_source_skip(byte_source *s, uint64_t count, const char **ret_error);

#endif

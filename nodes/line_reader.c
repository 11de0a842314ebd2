/* nodes/line_reader.c: see the header.
 *
 * The buffer holds at most one line and one read; a longer line is thrown away as it comes.
 *
 * A line that was taken without its newline (take_rest) and is completed later: the rest of it up to the newline is
 * skipped, which for a line that was whole is just the newline. */
#include "nodes/line_reader.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "nodes/byte_source.h"

enum { READ_BYTES = 64 * 1024 };

struct line_reader {
    byte_source source;
    char *path;
    size_t max_bytes;
    char *buffer;
    size_t capacity;
    size_t start;     /* of the next line */
    size_t end;       /* of what was read */
    size_t scanned;   /* no newline in start..scanned */
    uint64_t skipped; /* bytes of the line at start that were thrown away */
    line_position position;
    line_position previous;
    char error[512];
};

/* A directory opens and fails only at the first read, with a text that helps nobody. */
static int file_open(const char *path, char *error, size_t error_size)
{
    struct stat status;
    int fd = strcmp(path, "-") == 0 ? dup(STDIN_FILENO) : open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0 || fstat(fd, &status) != 0) {
        snprintf(error, error_size, "%s: %s", path, strerror(errno));
    } else if (S_ISDIR(status.st_mode)) {
        snprintf(error, error_size, "%s: is a directory", path);
    } else {
        return fd;
    }
    if (fd >= 0)
        close(fd);
    return -1;
}

static weft_status reader_create(const char *path, size_t max_bytes, int fd, line_reader **ret)
{
    line_reader *r = calloc(1, sizeof *r);
    if (r == NULL) {
        close(fd);
        return WEFT_NO_MEMORY;
    }
    r->max_bytes = max_bytes != 0 ? max_bytes : LINE_READER_MAX_BYTES;
    if (!byte_source_init(&r->source, fd)) {
        free(r);
        return WEFT_NO_MEMORY;
    }
    r->path = strdup(strcmp(path, "-") == 0 ? "standard input" : path);
    r->capacity = READ_BYTES + 1;
    r->buffer = malloc(r->capacity);
    if (r->path == NULL || r->buffer == NULL) {
        line_reader_close(r);
        return WEFT_NO_MEMORY;
    }
    *ret = r;
    return WEFT_OK;
}

void line_reader_close(line_reader *r)
{
    if (r == NULL)
        return;
    byte_source_fini(&r->source);
    free(r->buffer);
    free(r->path);
    free(r);
}

/* Makes room for another read behind `end`. */
static bool buffer_reserve(line_reader *r)
{
    if (r->start > 0) {
        memmove(r->buffer, r->buffer + r->start, r->end - r->start);
        r->scanned -= r->start;
        r->end -= r->start;
        r->start = 0;
    }
    size_t needed = r->end + READ_BYTES + 1;
    if (needed <= r->capacity)
        return true;
    size_t capacity = r->capacity * 2 > needed ? r->capacity * 2 : needed;
    char *buffer = realloc(r->buffer, capacity);
    if (buffer == NULL)
        return false;
    r->buffer = buffer;
    r->capacity = capacity;
    return true;
}

static void reader_fail(line_reader *r, const char *text)
{
    snprintf(r->error, sizeof r->error, "%s:%llu: %s", r->path, (unsigned long long)r->position.line + 1, text);
}

/* Reads once. Returns the bytes, 0 at the end of the data, -1 with the error filled. */
static ssize_t buffer_fill(line_reader *r)
{
    const char *text = weft_status_text(WEFT_NO_MEMORY);
    ssize_t got = buffer_reserve(r) ? byte_source_read(&r->source, r->buffer + r->end, READ_BYTES, &text) : -1;
    if (got < 0)
        reader_fail(r, text);
    else
        r->end += (size_t)got;
    return got;
}

/* Throws away what is held of a line that is too long. */
static void line_discard(line_reader *r)
{
    r->skipped += r->end - r->start;
    r->start = r->end = r->scanned = 0;
}

/* Moves behind a line of `length` bytes and its newline, if it has one. */
static void position_advance(line_reader *r, size_t length, bool newline)
{
    r->previous = r->position;
    r->position.offset += r->skipped + length + newline;
    r->position.line += !r->position.open;
    r->position.open = !newline;
    r->start += length + newline;
    r->scanned = r->start;
    r->skipped = 0;
}

/* Takes the line that ends at `length` bytes from start. A line already counted (open) yields nothing: END. */
static line_reader_result line_take(line_reader *r, size_t length, bool newline, const char **ret, size_t *ret_length)
{
    char *text = r->buffer + r->start;
    bool counted = r->position.open;
    bool too_long = r->skipped + length > r->max_bytes;
    position_advance(r, length, newline);
    if (counted)
        return LINE_READER_END;
    if (too_long) {
        snprintf(r->error, sizeof r->error, "%s:%llu: line longer than %zu bytes", r->path,
                 (unsigned long long)r->position.line, r->max_bytes);
        return LINE_READER_TOO_LONG;
    }
    if (length > 0 && text[length - 1] == '\r')
        length--;
    text[length] = '\0';
    *ret = text;
    *ret_length = length;
    return LINE_READER_LINE;
}

line_reader_result line_reader_next(line_reader *r, bool take_rest, const char **ret, size_t *ret_length)
{
    for (;;) {
        char *newline = memchr(r->buffer + r->scanned, '\n', r->end - r->scanned);
        if (newline != NULL) {
            bool counted = r->position.open;
            line_reader_result result = line_take(r, (size_t)(newline - (r->buffer + r->start)), true, ret, ret_length);
            if (!counted)
                return result;
            continue;
        }
        r->scanned = r->end;
        if (r->end - r->start > r->max_bytes || r->skipped > 0)
            line_discard(r);
        ssize_t got = buffer_fill(r);
        if (got < 0)
            return LINE_READER_FAILED;
        if (got > 0)
            continue;
        if (!r->source.ended)
            return LINE_READER_END;
        if (take_rest && byte_source_cut_off(&r->source)) {
            reader_fail(r, "the compressed data ends too early");
            return LINE_READER_FAILED;
        }
        if (!take_rest || r->position.open || (r->end == r->start && r->skipped == 0))
            return LINE_READER_END;
        return line_take(r, r->end - r->start, false, ret, ret_length);
    }
}

/* Fails with *ret_error NULL where there is less than that. */
static bool reader_skip(line_reader *r, const line_position *from, const char **ret_error)
{
    if (!byte_source_skip(&r->source, from->offset, ret_error))
        return false;
    r->position = r->previous = *from;
    return !line_reader_shrank(r);
}

weft_status line_reader_open(const char *path, const line_position *from, size_t max_bytes, line_reader **ret,
                             char *error, size_t error_size)
{
    int fd = file_open(path, error, error_size);
    if (fd < 0)
        return WEFT_IO;
    line_reader *r = NULL;
    const char *text = NULL;
    weft_status status = reader_create(path, max_bytes, fd, &r);
    if (status == WEFT_OK && from != NULL && !reader_skip(r, from, &text))
        status = text != NULL ? WEFT_IO : WEFT_NOT_FOUND;
    if (status != WEFT_OK) {
        snprintf(error, error_size, "%s: %s", path,
                 status == WEFT_NOT_FOUND ? "shorter than what was read of it before"
                 : text != NULL           ? text
                                          : weft_status_text(status));
        line_reader_close(r);
        return status;
    }
    *ret = r;
    return WEFT_OK;
}

line_position line_reader_position(const line_reader *r)
{
    return r->position;
}

line_position line_reader_previous(const line_reader *r)
{
    return r->previous;
}

const char *line_reader_error(const line_reader *r)
{
    return r->error;
}

bool line_reader_shrank(const line_reader *r)
{
    struct stat status;
    return r->source.format != BYTES_GZIP && r->source.regular && stat(r->path, &status) == 0 &&
           S_ISREG(status.st_mode) && (uint64_t)status.st_size < r->position.offset;
}

bool line_reader_ended(const line_reader *r)
{
    return r->source.ended;
}

bool line_reader_ready(const line_reader *r, int timeout_ms)
{
    struct pollfd poller = {.fd = r->source.fd, .events = POLLIN};
    if (r->source.regular || memchr(r->buffer + r->scanned, '\n', r->end - r->scanned) != NULL)
        return true;
    return poll(&poller, 1, timeout_ms) != 0;
}

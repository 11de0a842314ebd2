/* nodes/byte_source.c: see the header. gzip: RFC 1952; members are joined, and what is no member behind one is ignored,
 * as gzip itself does. zlib's own gz layer would do, but it waits for full blocks from pipes. */
#include "nodes/byte_source.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { GZIP_WINDOW = 15 + 16 }; /* zlib's largest window, gzip wrapper */

bool byte_source_init(byte_source *s, int fd)
{
    struct stat status;
    *s = (byte_source){.fd = fd, .input = malloc(BYTE_SOURCE_INPUT_BYTES)};
    s->regular = fstat(fd, &status) == 0 && S_ISREG(status.st_mode);
    if (s->input != NULL)
        return true;
    close(fd);
    return false;
}

void byte_source_fini(byte_source *s)
{
    if (s->format == BYTES_GZIP)
        (void)inflateEnd(&s->inflater);
    free(s->input);
    close(s->fd);
}

/* A pipe without bytes is left alone: reading would block. */
static ssize_t descriptor_read(byte_source *s, void *to, size_t size, const char **ret_error)
{
    struct pollfd poller = {.fd = s->fd, .events = POLLIN};
    s->ended = false;
    if (!s->regular && poll(&poller, 1, 0) == 0)
        return 0;
    ssize_t got = read(s->fd, to, size);
    if (got < 0 && errno == EINTR)
        return 0;
    if (got < 0)
        *ret_error = strerror(errno);
    s->ended = got == 0;
    return got;
}

/* Reads more behind what the input holds. */
static ssize_t input_fill(byte_source *s, const char **ret_error)
{
    memmove(s->input, s->input + s->start, s->end - s->start);
    s->end -= s->start;
    s->start = 0;
    ssize_t got = descriptor_read(s, s->input + s->end, BYTE_SOURCE_INPUT_BYTES - s->end, ret_error);
    if (got > 0)
        s->end += (size_t)got;
    return got;
}

static bool gzip_begins(const byte_source *s)
{
    return s->end - s->start >= 2 && s->input[s->start] == 0x1f && s->input[s->start + 1] == 0x8b;
}

/* Needs two bytes, or fewer that are the whole file so far. Returns 1 when decided, 0 at the end, -1 on failure. */
static int format_decide(byte_source *s, const char **ret_error)
{
    while (s->end < 2 && (s->end == 0 || s->input[0] == 0x1f)) {
        ssize_t got = input_fill(s, ret_error);
        if (got <= 0)
            return (int)got;
    }
    s->format = gzip_begins(s) ? BYTES_GZIP : BYTES_PLAIN;
    if (s->format == BYTES_GZIP && inflateInit2(&s->inflater, GZIP_WINDOW) != Z_OK) {
        s->format = BYTES_UNDECIDED;
        *ret_error = "out of memory";
        return -1;
    }
    s->inside_member = s->format == BYTES_GZIP;
    return 1;
}

/* Inflates what the input holds. Returns the bytes made; -1 on failure. */
static ssize_t input_inflate(byte_source *s, char *to, size_t size, const char **ret_error)
{
    s->inflater.next_in = s->input + s->start;
    s->inflater.avail_in = (unsigned)(s->end - s->start);
    s->inflater.next_out = (unsigned char *)to;
    s->inflater.avail_out = (unsigned)size;
    int result = inflate(&s->inflater, Z_NO_FLUSH);
    s->start = s->end - s->inflater.avail_in;
    if (result == Z_STREAM_END) {
        s->inside_member = false;
    } else if (result != Z_OK && result != Z_BUF_ERROR) {
        *ret_error = s->inflater.msg != NULL ? s->inflater.msg : "damaged gzip data";
        return -1;
    }
    return (ssize_t)(size - s->inflater.avail_out);
}

/* Between members: starts the next one. Returns false when there is none in the input. */
static bool member_begin(byte_source *s)
{
    if (s->end - s->start < 2)
        return false;
    s->ignoring = !gzip_begins(s);
    if (s->ignoring)
        return false;
    s->inside_member = inflateReset(&s->inflater) == Z_OK;
    return s->inside_member;
}

/* Inflates even without input: what did not fit the last time is still inside the inflater. */
static ssize_t gzip_read(byte_source *s, char *to, size_t size, const char **ret_error)
{
    while (!s->ignoring) {
        if (s->inside_member || member_begin(s)) {
            ssize_t made = input_inflate(s, to, size, ret_error);
            if (made != 0)
                return made;
            if (!s->inside_member)
                continue;
        }
        ssize_t got = s->ignoring ? 0 : input_fill(s, ret_error);
        if (got <= 0)
            return got;
    }
    return 0;
}

ssize_t byte_source_read(byte_source *s, char *to, size_t size, const char **ret_error)
{
    if (s->format == BYTES_UNDECIDED) {
        int decided = format_decide(s, ret_error);
        if (decided <= 0)
            return decided;
    }
    if (s->format == BYTES_GZIP)
        return gzip_read(s, to, size, ret_error);
    if (s->start == s->end)
        return descriptor_read(s, to, size, ret_error);
    size_t held = s->end - s->start < size ? s->end - s->start : size;
    memcpy(to, s->input + s->start, held);
    s->start += held;
    return (ssize_t)held;
}

bool byte_source_cut_off(const byte_source *s)
{
    return s->inside_member;
}

bool byte_source_skip(byte_source *s, uint64_t count, const char **ret_error)
{
    char scratch[16 * 1024];
    *ret_error = NULL;
    if (s->regular && s->format == BYTES_UNDECIDED && count > 0 && format_decide(s, ret_error) <= 0)
        return false;
    if (s->regular && s->format == BYTES_PLAIN) {
        s->start = s->end = 0;
        bool moved = lseek(s->fd, (off_t)count, SEEK_SET) == (off_t)count;
        *ret_error = moved ? NULL : strerror(errno);
        return moved;
    }
    while (count > 0) {
        ssize_t got = byte_source_read(s, scratch, count < sizeof scratch ? (size_t)count : sizeof scratch, ret_error);
        if (got < 0 || (got == 0 && s->ended))
            return false;
        if (got == 0)
            (void)poll(&(struct pollfd){.fd = s->fd, .events = POLLIN}, 1, -1);
        count -= (uint64_t)got;
    }
    return true;
}

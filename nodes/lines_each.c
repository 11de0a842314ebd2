/* nodes/lines_each.c: one reading loop for every command that takes lines. */
#include "nodes/lines_each.h"

#include "nodes/line_buffer.h"

#include <errno.h>

static bool give(const lines_handler *handler, line_result result, char *text, size_t length, uint64_t *number)
{
    return handler->on_line(result == LINE_TEXT ? text : NULL, result == LINE_TEXT ? length : 0, ++*number,
                            handler->user);
}

static bool give_whole_lines(line_buffer *b, const lines_handler *handler, uint64_t *number)
{
    char *text = NULL;
    size_t length = 0;
    line_result result;
    while ((result = line_buffer_next(b, &text, &length)) != LINE_NONE)
        if (!give(handler, result, text, length, number))
            return false;
    return true;
}

static bool run(line_buffer *b, int fd, const lines_handler *handler)
{
    uint64_t number = 0;
    ssize_t got;
    while ((got = line_buffer_read(b, fd)) > 0 || (got < 0 && errno == EINTR)) {
        if (got > 0 && !give_whole_lines(b, handler, &number))
            return true;
        if (handler->on_pause != NULL)
            handler->on_pause(handler->user);
    }
    if (got < 0)
        return false;
    char *text = NULL;
    size_t length = 0;
    line_result result = line_buffer_rest(b, &text, &length);
    if (result != LINE_NONE)
        (void)give(handler, result, text, length, &number);
    return true;
}

bool lines_each(int fd, size_t max_bytes, const lines_handler *handler)
{
    line_buffer b;
    bool done = line_buffer_init(&b, max_bytes);
    if (done)
        done = run(&b, fd, handler);
    else
        errno = ENOMEM;
    int saved = errno;
    line_buffer_fini(&b);
    errno = saved;
    return done;
}

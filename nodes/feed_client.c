/* nodes/feed_client.c: one non-blocking socket, one window of unanswered lines.
 *
 * States     closed → connected (greeted, if the feed has a name) → closed, when the peer goes; connect_until moves.
 * Invariant  window.count lines, the first of which has number first_line, are all that was sent and not answered.
 *            After a loss the greeting names first_line, so that the node and we count alike whatever it remembers. */
#include "nodes/feed_client.h"

#include "nodes/deadline.h"
#include "nodes/feed_window.h"
#include "nodes/line_buffer.h"
#include "nodes/unix_socket.h"

#include <errno.h>
#include <jansson.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    WINDOW_DEFAULT = 1024,
    RECONNECT_DEFAULT_MS = 30000,
    ANSWER_MAX_BYTES = 2 * FEED_LINE_MAX_BYTES, /* a state comes back with the greeting */
    RETRY_FIRST_MS = 20,
    RETRY_LAST_MS = 500,
    STOP_CHECK_MS = 200,
};

struct feed_client {
    feed_client_opts opts;
    char *path;
    char *feed;
    int fd; /* -1: closed */
    bool greeted;
    bool connected_before;
    uint64_t first_line; /* the number of the oldest unanswered line */
    uint64_t position;   /* as the first greeting was answered */
    char *state;
    feed_window window;
    line_buffer in;
    feed_client_stats stats;
    char error[512];
};

static weft_status fail(feed_client *c, weft_status st, const char *format, ...) __attribute__((format(printf, 3, 4)));

static weft_status fail(feed_client *c, weft_status st, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    vsnprintf(c->error, sizeof c->error, format, list);
    va_end(list);
    return st;
}

static bool stop_wanted(const feed_client *c)
{
    return c->opts.stop != NULL && *c->opts.stop;
}

weft_status feed_client_create(const feed_client_opts *opts, feed_client **ret)
{
    feed_client *c = calloc(1, sizeof *c);
    if (c == NULL)
        return WEFT_NO_MEMORY;
    c->opts = *opts;
    if (c->opts.window == 0)
        c->opts.window = WINDOW_DEFAULT;
    if (c->opts.reconnect_ms == 0)
        c->opts.reconnect_ms = RECONNECT_DEFAULT_MS;
    c->fd = -1;
    c->first_line = 1;
    c->path = strdup(opts->path);
    c->feed = opts->feed != NULL ? strdup(opts->feed) : NULL;
    bool window = feed_window_init(&c->window, c->opts.window);
    bool in = line_buffer_init(&c->in, ANSWER_MAX_BYTES);
    if (c->path == NULL || (opts->feed != NULL && c->feed == NULL) || !window || !in) {
        feed_client_destroy(c);
        return WEFT_NO_MEMORY;
    }
    *ret = c;
    return WEFT_OK;
}

static void connection_close(feed_client *c)
{
    if (c->fd >= 0)
        (void)close(c->fd);
    c->fd = -1;
    c->greeted = false;
    line_buffer_clear(&c->in);
    feed_window_rewind(&c->window);
}

void feed_client_destroy(feed_client *c)
{
    if (c == NULL)
        return;
    connection_close(c);
    feed_window_fini(&c->window);
    line_buffer_fini(&c->in);
    free(c->state);
    free(c->feed);
    free(c->path);
    free(c);
}

/* ---- answers ---- */

static weft_status take_greeting(feed_client *c, json_t *answer)
{
    const json_t *error = json_object_get(answer, "error");
    if (json_is_string(error))
        return fail(c, WEFT_REFUSED, "%s refused feed '%s': %s", c->path, c->feed, json_string_value(error));
    const json_t *line = json_object_get(answer, "line");
    if (!json_is_string(json_object_get(answer, "feed")) || !json_is_integer(line) || json_integer_value(line) < 0)
        return fail(c, WEFT_MALFORMED, "%s does not answer as a node does; is it another program's socket?", c->path);
    c->greeted = true;
    if (c->connected_before)
        return WEFT_OK;
    c->position = (uint64_t)json_integer_value(line);
    c->first_line = c->position + 1;
    const char *state = json_string_value(json_object_get(answer, "state"));
    if (state != NULL) {
        c->state = strdup(state);
        if (c->state == NULL)
            return fail(c, WEFT_NO_MEMORY, "out of memory");
    }
    return WEFT_OK;
}

static weft_status take_line_answer(feed_client *c, const json_t *answer)
{
    const char *error = json_string_value(json_object_get(answer, "error"));
    const json_t *line = json_object_get(answer, error != NULL ? "line" : "ok");
    if (c->window.count == 0 || !json_is_integer(line) || (uint64_t)json_integer_value(line) != c->first_line)
        return fail(c, WEFT_MALFORMED, "%s answered out of turn (line %llu was next); is it another program's socket?",
                    c->path, (unsigned long long)c->first_line);
    feed_window_pop(&c->window);
    c->stats.answered++;
    uint64_t number = c->first_line++;
    if (error == NULL)
        return WEFT_OK;
    c->stats.refused++;
    if (c->opts.on_refused != NULL)
        c->opts.on_refused(number, error, c->opts.user);
    return WEFT_OK;
}

static weft_status take_answer(feed_client *c, const char *text, size_t length)
{
    json_t *answer = json_loadb(text, length, 0, NULL);
    weft_status st;
    if (!json_is_object(answer))
        st = fail(c, WEFT_MALFORMED,
                  "%s answered with something that is no JSON object; is it another program's socket?", c->path);
    else if (c->feed != NULL && !c->greeted)
        st = take_greeting(c, answer);
    else
        st = take_line_answer(c, answer);
    json_decref(answer);
    return st;
}

static weft_status take_answers(feed_client *c)
{
    char *text;
    size_t length;
    line_result result;
    while ((result = line_buffer_next(&c->in, &text, &length)) != LINE_NONE) {
        weft_status st = result == LINE_TEXT ? take_answer(c, text, length)
                                             : fail(c, WEFT_MALFORMED, "%s sent an answer that is too long", c->path);
        if (st != WEFT_OK)
            return st;
    }
    return WEFT_OK;
}

/* ---- the socket ---- */

static weft_status lost(feed_client *c, int error)
{
    return fail(c, WEFT_UNREACHABLE, "%s: the node closed the connection%s%s with %zu line(s) unanswered", c->path,
                error != 0 ? ": " : "", error != 0 ? strerror(error) : "", c->window.count);
}

static bool is_transient(int error)
{
    return error == EAGAIN || error == EWOULDBLOCK || error == EINTR;
}

/* Answers that were sent before the peer closed are taken first: they count. */
static weft_status read_some(feed_client *c)
{
    ssize_t got = line_buffer_read(&c->in, c->fd);
    int error = errno;
    weft_status st = take_answers(c);
    if (st != WEFT_OK || got > 0)
        return st;
    if (got < 0 && is_transient(error))
        return WEFT_OK;
    return lost(c, got < 0 ? error : 0);
}

static weft_status write_some(feed_client *c)
{
    while (c->window.written < c->window.end) {
        ssize_t put = send(c->fd, c->window.text + c->window.written, c->window.end - c->window.written,
                           MSG_NOSIGNAL | MSG_DONTWAIT);
        if (put < 0)
            return is_transient(errno) ? WEFT_OK : lost(c, errno);
        c->window.written += (size_t)put;
    }
    return WEFT_OK;
}

/* Waits for one thing to happen, at most wait_ms. A write that fails is left to the read: what the peer said before it
 * went is still there. */
static weft_status step(feed_client *c, int wait_ms)
{
    bool greeting = c->feed != NULL && !c->greeted;
    bool unwritten = !greeting && c->window.written < c->window.end;
    struct pollfd poller = {.fd = c->fd, .events = (short)(POLLIN | (unwritten ? POLLOUT : 0))};
    int ready = poll(&poller, 1, wait_ms);
    if (stop_wanted(c))
        return fail(c, WEFT_STOPPED, "stopped with %zu line(s) unanswered", c->window.count);
    if (ready <= 0)
        return WEFT_OK;
    if (poller.revents & POLLOUT)
        (void)write_some(c);
    return poller.revents & (POLLIN | POLLHUP | POLLERR) ? read_some(c) : WEFT_OK;
}

/* ---- connecting ---- */

static weft_status greeting_send(feed_client *c)
{
    json_t *greeting = c->connected_before ? json_pack("{s:s, s:I}", "feed", c->feed, "line", (json_int_t)c->first_line)
                                           : json_pack("{s:s}", "feed", c->feed);
    char *text = greeting != NULL ? json_dumps(greeting, JSON_COMPACT) : NULL;
    json_decref(greeting);
    if (text == NULL)
        return fail(c, WEFT_REFUSED, "the feed's name is not valid UTF-8");
    size_t length = strlen(text);
    text[length] = '\n';
    ssize_t put = send(c->fd, text, length + 1, MSG_NOSIGNAL);
    free(text);
    return put == (ssize_t)length + 1 ? WEFT_OK : lost(c, put < 0 ? errno : 0);
}

static weft_status connect_once(feed_client *c, int64_t deadline)
{
    weft_status st = unix_socket_connect(c->path, &c->fd);
    if (st == WEFT_INVALID)
        return fail(c, WEFT_UNREACHABLE, "%s: the path of a socket has at most 107 bytes", c->path);
    if (st != WEFT_OK)
        return fail(c, st, "cannot reach a node at %s: %s; is it running? (weft node)", c->path, strerror(errno));
    if (c->feed != NULL)
        st = greeting_send(c);
    while (st == WEFT_OK && c->feed != NULL && !c->greeted) {
        if (deadline_now_ms() > deadline)
            return fail(c, WEFT_UNREACHABLE, "%s: the node does not answer", c->path);
        st = step(c, deadline_left_ms(deadline, STOP_CHECK_MS) + 1);
    }
    return st;
}

static weft_status connect_until(feed_client *c, int64_t deadline, int64_t answer_ms)
{
    int wait_ms = RETRY_FIRST_MS;
    for (;;) {
        int64_t answer_by = deadline_in_ms(answer_ms);
        weft_status st = connect_once(c, answer_by > deadline ? answer_by : deadline);
        if (st == WEFT_OK)
            return st;
        connection_close(c);
        if (st != WEFT_UNREACHABLE || deadline_now_ms() >= deadline)
            return st;
        (void)poll(NULL, 0, deadline_left_ms(deadline, wait_ms));
        if (stop_wanted(c))
            return fail(c, WEFT_STOPPED, "stopped while connecting to %s", c->path);
        wait_ms = wait_ms * 2 < RETRY_LAST_MS ? wait_ms * 2 : RETRY_LAST_MS;
    }
}

weft_status feed_client_connect(feed_client *c)
{
    weft_status st = connect_until(c, deadline_in_ms(c->opts.connect_ms), RECONNECT_DEFAULT_MS);
    c->connected_before = c->connected_before || st == WEFT_OK;
    return st;
}

/* After a loss: a named feed connects again and repeats what is unanswered. Any other status passes through. */
static weft_status recover(feed_client *c, weft_status st)
{
    if (st != WEFT_UNREACHABLE)
        return st;
    connection_close(c);
    if (c->feed == NULL)
        return st;
    st = connect_until(c, deadline_in_ms(c->opts.reconnect_ms), c->opts.reconnect_ms);
    if (st != WEFT_OK)
        return st;
    c->stats.reconnects++;
    c->stats.resent += c->window.count;
    if (c->opts.on_reconnect != NULL)
        c->opts.on_reconnect(c->opts.user);
    return WEFT_OK;
}

/* ---- lines ---- */

uint64_t feed_client_position(const feed_client *c, const char **ret_state)
{
    *ret_state = c->state;
    return c->position;
}

static weft_status require_connected(feed_client *c)
{
    if (c->fd >= 0)
        return WEFT_OK;
    return c->connected_before ? recover(c, WEFT_UNREACHABLE) : fail(c, WEFT_UNREACHABLE, "%s: not connected", c->path);
}

static weft_status fail_unanswered(feed_client *c, uint32_t waited_ms)
{
    return fail(c, WEFT_TIMEOUT, "%s: %zu line(s) still unanswered after %u ms", c->path, c->window.count, waited_ms);
}

static weft_status room_wait(feed_client *c)
{
    int64_t deadline = c->opts.room_ms > 0 ? deadline_in_ms(c->opts.room_ms) : INT64_MAX;
    weft_status st = require_connected(c);
    while (st == WEFT_OK && !feed_window_has_room(&c->window)) {
        if (deadline_now_ms() >= deadline)
            return fail_unanswered(c, c->opts.room_ms);
        st = recover(c, step(c, STOP_CHECK_MS));
    }
    return st;
}

weft_status feed_client_send(feed_client *c, const char *line, size_t length, uint64_t *ret_line)
{
    if (length > FEED_LINE_MAX_BYTES)
        return fail(c, WEFT_TOO_LARGE, "a line has at most %d bytes, this one %zu", FEED_LINE_MAX_BYTES, length);
    weft_status st = room_wait(c);
    if (st != WEFT_OK)
        return st;
    if (!feed_window_push(&c->window, line, length))
        return fail(c, WEFT_NO_MEMORY, "out of memory");
    if (ret_line != NULL)
        *ret_line = c->first_line + c->window.count - 1;
    (void)write_some(c);
    return recover(c, step(c, 0));
}

static weft_status wait_answered(feed_client *c, int64_t deadline)
{
    weft_status st = require_connected(c);
    while (st == WEFT_OK && c->window.count > 0 && deadline_now_ms() < deadline)
        st = recover(c, step(c, deadline_left_ms(deadline, STOP_CHECK_MS) + 1));
    return st;
}

weft_status feed_client_poll(feed_client *c, uint32_t timeout_ms)
{
    if (timeout_ms > 0)
        return wait_answered(c, deadline_in_ms(timeout_ms));
    weft_status st = require_connected(c);
    return st == WEFT_OK ? recover(c, step(c, 0)) : st;
}

weft_status feed_client_flush(feed_client *c, uint32_t timeout_ms)
{
    weft_status st = wait_answered(c, deadline_in_ms(timeout_ms));
    if (st != WEFT_OK || c->window.count == 0)
        return st;
    return fail_unanswered(c, timeout_ms);
}

void feed_client_get_stats(const feed_client *c, feed_client_stats *ret)
{
    *ret = c->stats;
    ret->unanswered = c->window.count;
    ret->next_line = c->first_line + c->window.count;
}

const char *feed_client_error(const feed_client *c)
{
    return c->error;
}

/* nodes/feed_connection.c: the protocol of the node's socket for one feeder.
 *
 * A line is read, parsed, owed an answer, put into the group, published with it, and answered when the journal has it.
 * Pressure goes backwards: no room for a publish or an answer stops the parsing, a whole unparsed line stops the
 * reading, and then the feeder's own writes wait. Nothing is dropped.
 *
 * A greeting waits until everything published so far, by whomever, is written: the feed's position in the journal is
 * then the truth, also when an earlier connection of the same feed was cut off a moment ago.
 *
 * States     open → ended (end of input, or stopped) → done (nothing owed); open or ended → broken (abandoned). */
#include "nodes/feed_connection.h"

#include "nodes/feed_answers.h"
#include "nodes/feed_group.h"
#include "nodes/line_buffer.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef enum connection_state { CONNECTION_OPEN, CONNECTION_ENDED, CONNECTION_BROKEN } connection_state;

struct feed_connection {
    feed_context *context;
    int input;
    int output;
    const char *name;
    connection_state state;
    bool blocked;
    bool mute;       /* nobody reads the answers */
    bool rest_taken; /* what stood behind the last newline has been looked at */
    line_buffer in;
    feed_answers answers;
    feed_group group;
    char *feed;         /* NULL: not greeted */
    uint64_t next_line; /* number of the next line */
    uint64_t known;     /* lines up to this one are published */
    char *greeting;     /* a feed's name whose greeting is not answered yet */
    uint64_t greeting_line;
    uint64_t greeting_receipt; /* it waits for this one */
};

feed_connection *feed_connection_create(feed_context *context, int input, int output, const char *name)
{
    feed_connection *c = calloc(1, sizeof *c);
    if (c == NULL)
        return NULL;
    c->context = context;
    c->name = name;
    c->next_line = 1;
    bool in = line_buffer_init(&c->in, FEED_LINE_MAX_BYTES);
    bool answers = feed_answers_init(&c->answers);
    c->input = c->output = -1;
    if (!in || !answers) {
        feed_connection_destroy(c);
        return NULL;
    }
    c->input = input;
    c->output = output;
    return c;
}

void feed_connection_destroy(feed_connection *c)
{
    if (c == NULL)
        return;
    if (c->output >= 0 && c->output != c->input)
        (void)close(c->output);
    if (c->input >= 0)
        (void)close(c->input);
    line_buffer_fini(&c->in);
    feed_answers_fini(&c->answers);
    feed_group_fini(&c->group);
    free(c->feed);
    free(c->greeting);
    free(c);
}

static void line_refuse(feed_connection *c, uint64_t ticket, uint64_t number, const char *error)
{
    feed_answers_refuse(&c->answers, ticket, error);
    c->context->counts.refused++;
    if (c->context->on_refused != NULL)
        c->context->on_refused(c->name, number, error, c->context->user);
}

/* ---- publishing ---- */

/* The publish says which event is at fault; which field of it, validation knows. */
static void group_refuse_event(feed_connection *c, size_t index, weft_status st)
{
    char error[256];
    const char *field = NULL;
    if (weft_event_validate(c->group.events[index], &field) == WEFT_OK || field == NULL)
        snprintf(error, sizeof error, "event refused: %s", weft_status_text(st));
    else
        snprintf(error, sizeof error, "%s: %s", field, weft_status_text(st));
    feed_group_line line = feed_group_remove_line_of(&c->group, index);
    line_refuse(c, line.ticket, line.number, error);
}

static void group_accept(feed_connection *c, uint64_t receipt)
{
    for (size_t i = 0; i < c->group.line_count; i++)
        feed_answers_accept(&c->answers, c->group.lines[i].ticket, receipt);
    c->known = c->group.lines[c->group.line_count - 1].number;
    c->context->counts.events += c->group.event_count;
    if (receipt > c->context->last_receipt)
        c->context->last_receipt = receipt;
    feed_group_clear(&c->group);
}

static weft_status group_publish(feed_connection *c, uint64_t *ret_receipt, size_t *ret_index)
{
    const feed_group *g = &c->group;
    if (c->feed == NULL && g->event_count == 0)
        return WEFT_OK;
    const char *state = feed_group_state(g);
    weft_feed_mark mark = {.feed = c->feed,
                           .line = g->lines[g->line_count - 1].number,
                           .state = state,
                           .state_bytes = state != NULL ? strlen(state) : 0};
    return c->context->ops->publish_group(c->context->ops_user, g->events, g->event_count,
                                          c->feed != NULL ? &mark : NULL, ret_receipt, ret_index);
}

static bool is_the_events_fault(weft_status st)
{
    return st == WEFT_INVALID || st == WEFT_TOO_LARGE || st == WEFT_TOO_DEEP || st == WEFT_MALFORMED;
}

/* Publishes the group, without the lines that turn out to be bad. Sets blocked when there is no room now. */
static void group_finish(feed_connection *c)
{
    c->blocked = false;
    while (c->group.line_count > 0) {
        uint64_t receipt = 0;
        size_t index = SIZE_MAX;
        weft_status st = group_publish(c, &receipt, &index);
        if (st == WEFT_OK) {
            group_accept(c, receipt);
        } else if (is_the_events_fault(st) && index < c->group.event_count) {
            group_refuse_event(c, index, st);
        } else if (st == WEFT_STOPPED || st == WEFT_FENCED) {
            c->context->stopped = true;
            feed_connection_abandon(c);
            return;
        } else {
            c->blocked = true;
            return;
        }
    }
}

/* ---- greetings ---- */

static void greeting_begin(feed_connection *c, feed_line *line)
{
    group_finish(c);
    c->greeting = line->feed;
    c->greeting_line = line->number;
    c->greeting_receipt = c->context->last_receipt;
    line->feed = NULL;
    if (c->context->on_claim != NULL)
        c->context->on_claim(c->greeting, c, c->context->user);
}

static bool greeting_is_due(feed_connection *c, uint64_t written)
{
    if (c->greeting == NULL || c->blocked || !feed_answers_is_empty(&c->answers))
        return false;
    return written >= c->greeting_receipt;
}

static void greeting_answer(feed_connection *c)
{
    uint64_t line = 0;
    char *state = NULL;
    size_t state_bytes = 0;
    weft_status st = c->context->ops->feed(c->context->ops_user, c->greeting, &line, &state, &state_bytes);
    if (st != WEFT_OK && st != WEFT_NOT_FOUND) {
        feed_answers_refuse_greeting(&c->answers, st == WEFT_FULL
                                                      ? "too many feeds are remembered; use a name again, not a new one"
                                                      : weft_status_text(st));
        feed_connection_stop(c);
        return;
    }
    free(c->feed);
    c->feed = c->greeting;
    c->greeting = NULL;
    c->known = line;
    c->next_line = c->greeting_line != 0 ? c->greeting_line : line + 1;
    feed_answers_greet(&c->answers, c->feed, line, state);
    free(state);
}

/* ---- lines ---- */

static void events_take(feed_connection *c, feed_line *line, uint64_t ticket, uint64_t number)
{
    if (c->feed != NULL && number <= c->known) {
        c->context->counts.duplicates++;
        feed_answers_accept(&c->answers, ticket, 0);
    } else if (line->kind == FEED_LINE_EMPTY) {
        feed_answers_accept(&c->answers, ticket, 0);
    } else if (line->state != NULL && c->feed == NULL) {
        line_refuse(c, ticket, number, "state: needs a feed; greet first with {\"feed\": NAME}");
    } else if (!feed_group_add(&c->group, line, ticket, number)) {
        line_refuse(c, ticket, number, weft_status_text(WEFT_NO_MEMORY));
    }
}

static void line_take(feed_connection *c, line_result result, const char *text, size_t length)
{
    char error[512] = "a line has at most 1 MiB";
    feed_line line = {0};
    weft_status st =
        result == LINE_TOO_LONG ? WEFT_TOO_LARGE : feed_line_parse(text, length, &line, error, sizeof error);
    if (st == WEFT_OK && line.kind == FEED_LINE_GREETING) {
        greeting_begin(c, &line);
        feed_line_fini(&line);
        return;
    }
    uint64_t number = c->next_line++;
    uint64_t ticket = feed_answers_owe(&c->answers, number);
    c->context->counts.lines++;
    if (st != WEFT_OK)
        line_refuse(c, ticket, number, error);
    else
        events_take(c, &line, ticket, number);
    feed_line_fini(&line);
}

static bool may_parse(const feed_connection *c)
{
    return c->state != CONNECTION_BROKEN && !c->blocked && c->greeting == NULL && !feed_group_is_full(&c->group) &&
           feed_answers_has_room(&c->answers);
}

/* A named feed repeats its last line when it comes back whole; an unnamed one means it to count. */
static line_result line_next(feed_connection *c, char **text, size_t *length)
{
    line_result result = line_buffer_next(&c->in, text, length);
    if (result != LINE_NONE || c->state != CONNECTION_ENDED || c->rest_taken)
        return result;
    c->rest_taken = true;
    return c->feed == NULL ? line_buffer_rest(&c->in, text, length) : LINE_NONE;
}

static void group_fill(feed_connection *c)
{
    char *text = NULL;
    size_t length = 0;
    line_result result;
    while (may_parse(c) && (result = line_next(c, &text, &length)) != LINE_NONE)
        line_take(c, result, text, length);
}

static bool has_more(feed_connection *c)
{
    bool rest = c->state == CONNECTION_ENDED && !c->rest_taken;
    return may_parse(c) && (rest || line_buffer_has_line(&c->in));
}

/* A feeder that went without reading its answers may have left lines behind: they count. */
static void answers_write(feed_connection *c)
{
    if (feed_answers_failed(&c->answers))
        feed_connection_abandon(c);
    else if (!feed_answers_write(&c->answers, c->mute ? -1 : c->output))
        c->mute = true;
}

void feed_connection_pump(feed_connection *c)
{
    do {
        group_fill(c);
        group_finish(c);
        uint64_t written = c->context->ops->written(c->context->ops_user);
        feed_answers_settle(&c->answers, written);
        if (greeting_is_due(c, written))
            greeting_answer(c);
        answers_write(c);
    } while (has_more(c));
}

/* ---- descriptors and states ---- */

void feed_connection_read(feed_connection *c)
{
    ssize_t got = line_buffer_read(&c->in, c->input);
    bool transient = got < 0 && (errno == EAGAIN || errno == EINTR || errno == ENOBUFS);
    if (got <= 0 && !transient && c->state == CONNECTION_OPEN)
        c->state = CONNECTION_ENDED;
}

short feed_connection_input_events(feed_connection *c)
{
    bool wanted = c->state == CONNECTION_OPEN && !line_buffer_has_line(&c->in);
    return (short)(wanted ? POLLIN : 0);
}

short feed_connection_output_events(const feed_connection *c)
{
    bool wanted = c->state != CONNECTION_BROKEN && !c->mute && feed_answers_has_due(&c->answers);
    return (short)(wanted ? POLLOUT : 0);
}

int feed_connection_input(const feed_connection *c)
{
    return c->input;
}

int feed_connection_output(const feed_connection *c)
{
    return c->output;
}

bool feed_connection_is_blocked(const feed_connection *c)
{
    return c->blocked && c->state != CONNECTION_BROKEN;
}

void feed_connection_stop(feed_connection *c)
{
    if (c->group.line_count > 0)
        feed_answers_withdraw(&c->answers, c->group.lines[0].ticket);
    feed_group_clear(&c->group);
    free(c->greeting);
    c->greeting = NULL;
    c->blocked = false;
    c->rest_taken = true;
    line_buffer_clear(&c->in);
    if (c->state == CONNECTION_OPEN)
        c->state = CONNECTION_ENDED;
}

void feed_connection_abandon(feed_connection *c)
{
    c->state = CONNECTION_BROKEN;
    c->blocked = false;
}

bool feed_connection_is_done(const feed_connection *c)
{
    if (c->state == CONNECTION_BROKEN)
        return true;
    return c->state == CONNECTION_ENDED && c->rest_taken && c->group.line_count == 0 && c->greeting == NULL &&
           feed_answers_is_empty(&c->answers) && !feed_answers_has_due(&c->answers);
}

const char *feed_connection_feed(const feed_connection *c)
{
    return c->greeting != NULL ? c->greeting : c->feed;
}

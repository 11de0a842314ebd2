/* nodes/ingest.c: the run: files → lines → engine → batches → node.
 *
 * Invariant  a batch holds the events of the lines between two states, and travels with the later one. The position of
 *            a file in the state is behind the last line that was fed, never behind one that was only read.
 *
 * A single line whose events fill more than a batch goes in several messages, of which the last has the state: should
 * the node die between them, the resumed run repeats the others. Lines of that kind (thousands of tool calls in one
 * record) are not known to exist. */
#include "nodes/ingest.h"

#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "nodes/deadline.h"
#include "nodes/feed_client.h"
#include "nodes/ingest_state.h"
#include "nodes/transcript.h"
#include "weft/json.h"

enum {
    BATCH_BYTES = 128 * 1024, /* of events: then a batch is sent */
    BATCH_EVENTS = 512,
    PART_BYTES = 640 * 1024, /* of events: no batch is larger, even within a line */
    PART_EVENTS = FEED_LINE_MAX_EVENTS,
    LINE_SPARE_BYTES = 64, /* of a message, beside events and state */
    TABLE_MAX = 512,
    SEEN_MAX = 24576,
    WINDOW_LINES = 8,
    TURN_LINES = 500, /* of one file while others wait */
    LOOK_MS = 200,    /* how often a followed file is looked at */
    FLUSH_MS = 60000,
};

/* One input. The reader is open while there may be more to read. */
typedef struct input {
    const char *path;
    char name[FILE_NAME_BYTES];
    line_reader *reader;
    line_position position; /* behind the last line fed */
    bool pipe;
    bool done;
} input;

typedef struct ingest {
    const ingest_opts *opts;
    ingest_counts *counts;
    feed_client *client;
    transcript *engine;
    file_positions positions;
    weft_text events; /* of the batch, without the brackets */
    size_t event_count;
    bool dirty;         /* something was fed since the last state was sent */
    weft_status status; /* the first thing that ends the run */
} ingest;

static void say(const ingest *g, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void say(const ingest *g, const char *format, ...)
{
    char text[PATH_MAX + 1024];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    g->opts->on_message(text, g->opts->user);
}

/* Notes what ends the run; the first reason counts. */
static void end_with(ingest *g, weft_status status)
{
    if (g->status == WEFT_OK)
        g->status = status;
}

static bool running(const ingest *g)
{
    return g->status == WEFT_OK && (g->opts->stop == NULL || !*g->opts->stop);
}

/* ---- batches ---- */

static void message_send(ingest *g, const weft_text *message)
{
    if (message->failed) {
        end_with(g, WEFT_NO_MEMORY);
        return;
    }
    weft_status status = feed_client_send(g->client, message->data, message->length, NULL);
    if (status != WEFT_OK && status != WEFT_STOPPED)
        say(g, "%s", feed_client_error(g->client));
    end_with(g, status);
    g->counts->events += g->event_count;
    g->event_count = 0;
    weft_text_clear(&g->events);
}

static void message_begin(const ingest *g, weft_text *message)
{
    weft_text_append(message, "{\"events\":[", 11);
    weft_text_append(message, g->events.data, g->events.length);
    weft_text_append(message, "]", 1);
}

/* Sends the events so far without a state. */
static void part_send(ingest *g)
{
    weft_text message = {0};
    message_begin(g, &message);
    weft_text_append(&message, "}", 1);
    message_send(g, &message);
    weft_text_fini(&message);
}

/* The state as a JSON string, small enough to go with the events: ids are forgotten until it is. */
static bool state_write(ingest *g, weft_text *ret)
{
    for (;;) {
        char *state = ingest_state_save(&g->positions, g->engine);
        if (state == NULL)
            return false;
        weft_text_clear(ret);
        weft_text_json_string(ret, state);
        free(state);
        if (ret->failed || ret->length + g->events.length + LINE_SPARE_BYTES <= FEED_LINE_MAX_BYTES)
            return !ret->failed;
        if (!transcript_forget(g->engine))
            return false;
    }
}

/* Sends the batch with its state. */
static void batch_send(ingest *g)
{
    weft_text message = {0}, state = {0};
    if (g->opts->feed == NULL) {
        if (g->event_count > 0)
            part_send(g);
        return;
    }
    if (state_write(g, &state)) {
        message_begin(g, &message);
        weft_text_append(&message, ",\"state\":", 9);
        weft_text_append(&message, state.data, state.length);
        weft_text_append(&message, "}", 1);
        message_send(g, &message);
        g->dirty = false;
    } else {
        end_with(g, WEFT_NO_MEMORY);
    }
    weft_text_fini(&message);
    weft_text_fini(&state);
}

static void batch_send_if_full(ingest *g)
{
    if (g->event_count >= BATCH_EVENTS || g->events.length >= BATCH_BYTES)
        batch_send(g);
}

/* ---- the engine's callbacks ---- */

static void on_event(const weft_event *event, void *user)
{
    ingest *g = user;
    const char *field = NULL;
    weft_status status = weft_event_validate(event, &field);
    if (status != WEFT_OK) {
        say(g, "an event is left out: %s: %s", field != NULL ? field : "event", weft_status_text(status));
        return;
    }
    if (g->event_count >= PART_EVENTS || g->events.length >= PART_BYTES)
        part_send(g);
    if (g->event_count > 0)
        weft_text_append(&g->events, ",", 1);
    if (weft_event_to_json(event, &g->events) != WEFT_OK)
        end_with(g, WEFT_NO_MEMORY);
    g->event_count++;
}

static void on_problem(const char *text, void *user)
{
    ingest *g = user;
    say(g, "%s; the line is skipped", text);
    g->counts->lines_skipped++;
}

static void on_unknown_model(const char *model, void *user)
{
    say(user, "model '%s' has no price and counts as 0 USD; --prices FILE adds it", model);
}

static void on_refused(uint64_t line, const char *text, void *user)
{
    ingest *g = user;
    say(g, "the node refused batch %" PRIu64 ": %s", line, text);
    end_with(g, WEFT_REFUSED);
}

/* ---- inputs ---- */

static void input_close(input *in)
{
    line_reader_close(in->reader);
    in->reader = NULL;
}

static void input_fail(ingest *g, input *in, const char *error)
{
    say(g, "%s", error);
    g->counts->files_failed++;
    in->done = true;
    input_close(in);
}

/* Opens it where the feed left off; a file that is shorter than that has been written anew. */
static void input_open(ingest *g, input *in)
{
    char error[PATH_MAX + 256];
    struct stat status;
    bool known = file_positions_get(&g->positions, in->name, &in->position);
    in->pipe = strcmp(in->path, "-") == 0 || (stat(in->path, &status) == 0 && !S_ISREG(status.st_mode));
    weft_status opened = line_reader_open(in->path, known ? &in->position : NULL, 0, &in->reader, error, sizeof error);
    if (opened == WEFT_NOT_FOUND && !in->pipe) {
        say(g, "%s; it is read from its start", error);
        in->position = (line_position){0};
        opened = line_reader_open(in->path, NULL, 0, &in->reader, error, sizeof error);
    }
    if (opened != WEFT_OK)
        input_fail(g, in, error);
}

static void position_note(ingest *g, input *in, const line_position *position)
{
    in->position = *position;
    g->dirty = true;
    if (!file_positions_put(&g->positions, in->name, position))
        end_with(g, WEFT_NO_MEMORY);
}

/* One line. The last one of a file that has no newline and is no record is probably being written: the position stays
 * before it, so that the next run reads it again. */
static void line_feed(ingest *g, input *in, line_reader_result result, const char *text, size_t length)
{
    line_position position = line_reader_position(in->reader);
    bool whole = true;
    if (result == LINE_READER_TOO_LONG) {
        on_problem(line_reader_error(in->reader), g);
    } else {
        weft_status status = transcript_feed(g->engine, in->path, position.line, text, length, deadline_now_ms());
        if (status == WEFT_NO_MEMORY)
            end_with(g, status);
        whole = status == WEFT_OK || !position.open;
    }
    g->counts->lines++;
    if (!whole)
        position = line_reader_previous(in->reader);
    position_note(g, in, &position);
    batch_send_if_full(g);
}

/* Reads up to max lines. Returns whether there may be more now. */
static bool input_read(ingest *g, input *in, size_t max)
{
    const char *text;
    size_t length;
    bool take_rest = !g->opts->follow || in->pipe;
    for (size_t i = 0; i < max && running(g); i++) {
        line_reader_result result = line_reader_next(in->reader, take_rest, &text, &length);
        if (result == LINE_READER_FAILED) {
            input_fail(g, in, line_reader_error(in->reader));
            return false;
        }
        if (result == LINE_READER_END) {
            in->done = take_rest && line_reader_ended(in->reader);
            return false;
        }
        line_feed(g, in, result, text, length);
    }
    return true;
}

/* ---- the run ---- */

/* Without follow: one file after the other, in the given order. */
static void read_in_order(ingest *g, input *inputs)
{
    for (size_t i = 0; i < g->opts->file_count && running(g); i++) {
        input *in = &inputs[i];
        input_open(g, in);
        while (!in->done && running(g)) {
            if (input_read(g, in, TURN_LINES) || in->done)
                continue;
            if (g->dirty && g->event_count > 0)
                batch_send(g);
            (void)line_reader_ready(in->reader, LOOK_MS);
        }
        input_close(in);
    }
}

/* What a followed file has got since the last look. Returns whether there may be more. */
static bool input_look(ingest *g, input *in)
{
    if (in->done)
        return false;
    if (line_reader_shrank(in->reader)) {
        input_close(in);
        input_open(g, in);
    }
    return !in->done && input_read(g, in, TURN_LINES);
}

/* Answers are taken, and a node that went is noticed, while nothing comes. */
static void pause_briefly(ingest *g)
{
    weft_status status = feed_client_poll(g->client, 0);
    if (status != WEFT_OK && status != WEFT_STOPPED)
        say(g, "%s", feed_client_error(g->client));
    end_with(g, status);
    if (running(g))
        (void)poll(NULL, 0, LOOK_MS);
}

static void read_and_follow(ingest *g, input *inputs)
{
    size_t open = 0;
    for (size_t i = 0; i < g->opts->file_count && running(g); i++)
        input_open(g, &inputs[i]);
    do {
        bool more = false;
        open = 0;
        for (size_t i = 0; i < g->opts->file_count && running(g); i++) {
            more |= input_look(g, &inputs[i]);
            open += !inputs[i].done;
        }
        (void)transcript_idle(g->engine, deadline_now_ms());
        if (g->event_count > 0)
            batch_send(g);
        if (!more && open > 0 && running(g))
            pause_briefly(g);
    } while (open > 0 && running(g));
}

/* Everything has been read: completes what is open, in batches that can be resumed. */
static void input_ended(ingest *g)
{
    while (running(g) && transcript_end_step(g->engine))
        batch_send_if_full(g);
    if (running(g) && (g->dirty || g->event_count > 0))
        batch_send(g);
}

static void flush(ingest *g)
{
    if (g->status != WEFT_OK)
        return;
    weft_status status = feed_client_flush(g->client, FLUSH_MS);
    if (status != WEFT_OK && status != WEFT_STOPPED)
        say(g, "%s", feed_client_error(g->client));
    end_with(g, status == WEFT_TIMEOUT ? WEFT_UNREACHABLE : status);
}

static weft_status state_load(ingest *g)
{
    const char *state;
    uint64_t line = feed_client_position(g->client, &state);
    if (g->opts->feed == NULL || line == 0)
        return WEFT_OK;
    weft_status status =
        state == NULL ? WEFT_CORRUPT : ingest_state_load(state, &g->positions, g->engine, deadline_now_ms());
    if (status == WEFT_CORRUPT)
        say(g, "the node's feed '%s' was not written by this command, or is damaged; choose another with --feed",
            g->opts->feed);
    return status == WEFT_CORRUPT ? WEFT_REFUSED : status;
}

static weft_status ingest_open(ingest *g)
{
    const ingest_opts *o = g->opts;
    transcript_opts engine = {.prices = o->prices,
                              .on_event = on_event,
                              .on_problem = on_problem,
                              .on_unknown_model = on_unknown_model,
                              .user = g,
                              .table_max = TABLE_MAX,
                              .seen_max = SEEN_MAX};
    feed_client_opts client = {.path = o->socket_path,
                               .feed = o->feed,
                               .window = WINDOW_LINES,
                               .connect_ms = o->connect_ms,
                               .reconnect_ms = o->reconnect_ms,
                               .on_refused = on_refused,
                               .user = g,
                               .stop = o->stop};
    weft_status status = transcript_create(&engine, &g->engine);
    if (status == WEFT_OK)
        status = feed_client_create(&client, &g->client);
    if (status != WEFT_OK)
        return status;
    status = feed_client_connect(g->client);
    if (status != WEFT_OK && status != WEFT_STOPPED)
        say(g, "%s", feed_client_error(g->client));
    return status == WEFT_OK ? state_load(g) : status;
}

weft_status ingest_run(const ingest_opts *opts, ingest_counts *ret)
{
    *ret = (ingest_counts){0};
    ingest g = {.opts = opts, .counts = ret, .positions = {.max = INGEST_FILES_MAX}};
    input *inputs = calloc(opts->file_count + 1, sizeof *inputs);
    g.status = inputs == NULL ? WEFT_NO_MEMORY : ingest_open(&g);
    for (size_t i = 0; inputs != NULL && i < opts->file_count; i++) {
        inputs[i].path = opts->files[i];
        file_name_from(inputs[i].name, opts->files[i]);
    }
    if (g.status == WEFT_OK) {
        if (opts->follow)
            read_and_follow(&g, inputs);
        else
            read_in_order(&g, inputs);
        input_ended(&g);
        flush(&g);
    }
    for (size_t i = 0; inputs != NULL && i < opts->file_count; i++)
        input_close(&inputs[i]);
    free(inputs);
    feed_client_destroy(g.client);
    transcript_destroy(g.engine);
    file_positions_fini(&g.positions);
    weft_text_fini(&g.events);
    return g.status == WEFT_OK && opts->stop != NULL && *opts->stop ? WEFT_STOPPED : g.status;
}

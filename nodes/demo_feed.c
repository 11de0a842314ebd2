/* nodes/demo_feed.c: one transcript engine for all files, and one feed connection a node. An engine a node would not
 * know that a message stands in a file of another node's, too, and count it twice. */
#include "nodes/demo_feed.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nodes/deadline.h"
#include "nodes/feed_client.h"
#include "nodes/line_reader.h"
#include "nodes/transcript.h"
#include "weft/json.h"

enum { CONNECT_MS = 10000, FLUSH_MS = 120000, PACE_STEP_MS = 50 };

typedef struct lane {
    feed_client *client;
    uint64_t events;
} lane;

struct demo_feed {
    demo_feed_opts opts;
    transcript *engine;
    lane *lanes;
    weft_text text;
    weft_status status; /* the first failure inside a callback */
    size_t failed;      /* whose it was */
    _Atomic uint64_t lines;
    int64_t started_ms;
    int64_t first_event_ms; /* of the file being read; 0: none yet */
    int64_t event_ms;       /* of the newest event */
    int64_t pace_from_ms;   /* when first_event_ms was */
};

/* Which node gets the events of a session. */
static size_t node_of_session(const demo_feed *f, const char *session)
{
    const char *owner = ownership_node_of(f->opts.owners, session);
    for (size_t i = 0; owner != NULL && i < f->opts.node_count; i++)
        if (strcmp(f->opts.nodes[i], owner) == 0)
            return i;
    return 0;
}

static void on_event(const weft_event *event, void *user)
{
    demo_feed *f = user;
    f->event_ms = event->timestamp_ms;
    if (f->status != WEFT_OK)
        return;
    size_t node = node_of_session(f, event->session_id);
    weft_text_clear(&f->text);
    f->status = weft_event_to_json(event, &f->text);
    if (f->status == WEFT_OK)
        f->status = feed_client_send(f->lanes[node].client, f->text.data, f->text.length, NULL);
    if (f->status == WEFT_OK)
        f->lanes[node].events++;
    else
        f->failed = node;
}

static void on_problem(const char *text, void *user)
{
    (void)user;
    fprintf(stderr, "weft demo: %s\n", text);
}

static void on_unknown_model(const char *model, void *user)
{
    (void)user;
    fprintf(stderr, "weft demo: no price for model \"%s\": its requests cost 0 (see --prices)\n", model);
}

static void on_refused(uint64_t line, const char *text, void *user)
{
    (void)user;
    fprintf(stderr, "weft demo: the node refused line %llu: %s\n", (unsigned long long)line, text);
}

static weft_status lane_open(demo_feed *f, size_t node, char *reason, size_t reason_bytes)
{
    lane *l = &f->lanes[node];
    feed_client_opts client = {.path = demo_cluster_socket(f->opts.cluster, node),
                               .feed = "demo",
                               .connect_ms = CONNECT_MS,
                               .on_refused = on_refused};
    weft_status st = feed_client_create(&client, &l->client);
    if (st == WEFT_OK && (st = feed_client_connect(l->client)) != WEFT_OK)
        snprintf(reason, reason_bytes, "%s", feed_client_error(l->client));
    return st;
}

weft_status demo_feed_create(const demo_feed_opts *opts, demo_feed **ret, char *reason, size_t reason_bytes)
{
    demo_feed *f = calloc(1, sizeof *f);
    if (f == NULL || (f->lanes = calloc(opts->node_count, sizeof *f->lanes)) == NULL) {
        free(f);
        return WEFT_NO_MEMORY;
    }
    f->opts = *opts;
    transcript_opts engine = {.prices = opts->prices,
                              .on_event = on_event,
                              .on_problem = on_problem,
                              .on_unknown_model = on_unknown_model,
                              .user = f};
    weft_status st = transcript_create(&engine, &f->engine);
    for (size_t i = 0; st == WEFT_OK && i < opts->node_count; i++)
        st = lane_open(f, i, reason, reason_bytes);
    if (st != WEFT_OK) {
        demo_feed_destroy(f);
        return st;
    }
    *ret = f;
    return WEFT_OK;
}

void demo_feed_destroy(demo_feed *f)
{
    if (f == NULL)
        return;
    transcript_destroy(f->engine);
    for (size_t i = 0; i < f->opts.node_count; i++)
        feed_client_destroy(f->lanes[i].client);
    weft_text_fini(&f->text);
    free(f->lanes);
    free(f);
}

/* ---- pace ---- */

static void wait_until(demo_feed *f, int64_t at_ms)
{
    int64_t left;
    while ((left = at_ms - deadline_now_ms()) > 0) {
        for (size_t i = 0; i < f->opts.node_count; i++)
            (void)feed_client_poll(f->lanes[i].client, 0);
        (void)poll(NULL, 0, (int)(left < PACE_STEP_MS ? left : PACE_STEP_MS));
    }
}

static void pace_keep(demo_feed *f)
{
    if (f->opts.pace == DEMO_PACE_SHOW && f->opts.lines > 0) {
        double part = (double)atomic_load(&f->lines) / (double)f->opts.lines;
        wait_until(f, f->started_ms + (int64_t)(part * DEMO_SHOW_SECONDS * 1000));
    }
    if (f->opts.pace != DEMO_PACE_TIMES || f->event_ms == 0)
        return;
    if (f->first_event_ms == 0 || f->event_ms < f->first_event_ms) {
        f->first_event_ms = f->event_ms;
        f->pace_from_ms = deadline_now_ms();
    }
    wait_until(f, f->pace_from_ms + (int64_t)((double)(f->event_ms - f->first_event_ms) / f->opts.times));
}

/* ---- lines ---- */

/* Says which node could not take its events. Returns what went wrong. */
static weft_status trouble_tell(const demo_feed *f, weft_status st, size_t node, char *reason, size_t reason_bytes)
{
    if (st != WEFT_OK)
        snprintf(reason, reason_bytes, "node %s: %s", f->opts.nodes[node], feed_client_error(f->lanes[node].client));
    return st;
}

static weft_status line_feed(demo_feed *f, const char *file, uint64_t number, const char *text, size_t length,
                             char *reason, size_t reason_bytes)
{
    weft_status st = f->opts.before_line != NULL ? f->opts.before_line(atomic_load(&f->lines), f->opts.user) : WEFT_OK;
    if (st != WEFT_OK)
        return st;
    if (transcript_feed(f->engine, file, number, text, length, deadline_now_ms()) == WEFT_NO_MEMORY)
        return WEFT_NO_MEMORY;
    atomic_fetch_add(&f->lines, 1);
    if (f->status == WEFT_OK)
        pace_keep(f);
    return trouble_tell(f, f->status, f->failed, reason, reason_bytes);
}

static weft_status file_feed(demo_feed *f, const char *file, char *reason, size_t reason_bytes)
{
    line_reader *reader;
    weft_status st = line_reader_open(file, NULL, 0, &reader, reason, reason_bytes);
    if (st != WEFT_OK)
        return st;
    f->first_event_ms = f->event_ms = 0;
    for (bool more = true; more && st == WEFT_OK;) {
        const char *text;
        size_t length;
        switch (line_reader_next(reader, true, &text, &length)) {
        case LINE_READER_LINE:
            st = line_feed(f, file, line_reader_position(reader).line, text, length, reason, reason_bytes);
            break;
        case LINE_READER_TOO_LONG:
            on_problem(line_reader_error(reader), NULL);
            break;
        case LINE_READER_END:
            more = false;
            break;
        case LINE_READER_FAILED:
            snprintf(reason, reason_bytes, "%s", line_reader_error(reader));
            st = WEFT_IO;
            break;
        }
    }
    line_reader_close(reader);
    return st;
}

weft_status demo_feed_run(demo_feed *f, char *reason, size_t reason_bytes)
{
    weft_status st = WEFT_OK;
    f->started_ms = deadline_now_ms();
    for (size_t i = 0; st == WEFT_OK && i < f->opts.file_count; i++)
        st = file_feed(f, f->opts.files[i], reason, reason_bytes);
    if (st == WEFT_OK)
        st = transcript_end(f->engine);
    if (st == WEFT_OK)
        st = trouble_tell(f, f->status, f->failed, reason, reason_bytes);
    for (size_t i = 0; st == WEFT_OK && i < f->opts.node_count; i++)
        st = trouble_tell(f, feed_client_flush(f->lanes[i].client, FLUSH_MS), i, reason, reason_bytes);
    return st;
}

uint64_t demo_feed_progress(const demo_feed *f)
{
    return atomic_load(&f->lines);
}

size_t demo_feed_busiest(const demo_feed *f)
{
    size_t busiest = 0;
    for (size_t i = 1; i < f->opts.node_count; i++)
        if (f->lanes[i].events > f->lanes[busiest].events)
            busiest = i;
    return busiest;
}

static uint64_t refused_lines(const demo_feed *f)
{
    uint64_t refused = 0;
    for (size_t i = 0; i < f->opts.node_count; i++) {
        feed_client_stats stats;
        feed_client_get_stats(f->lanes[i].client, &stats);
        refused += stats.refused;
    }
    return refused;
}

uint64_t demo_feed_events(const demo_feed *f)
{
    uint64_t events = 0;
    for (size_t i = 0; i < f->opts.node_count; i++)
        events += f->lanes[i].events;
    return events - refused_lines(f);
}

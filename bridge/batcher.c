/* bridge/batcher.c: one pass over the groups writes each event into the open batch of its topic, its lane. A lane that
 * is full, or whose epoch changes, or behind which events were dropped, becomes a row. Rows come in the order of their
 * first seq.
 *
 * How large an event is shows when it is written: one that makes a batch too large is cut off again, and written once
 * more into the next. */
#include "bridge/batcher.h"

#include <stdlib.h>
#include <string.h>

enum { BUFFER_KEPT_BYTES = 64 * 1024 }; /* a larger one is freed with its row */

typedef struct lane {
    weft__writer *writer;
    weft__journal_row row;         /* of what was written; no events: the lane is closed */
    weft__stream_link first, last; /* of the first and last event */
} lane;

typedef struct build {
    weft__batcher_stream streams[WEFT_TOPIC_MAX]; /* become the batcher's when all went well */
    lane lanes[WEFT_TOPIC_MAX];
    weft__journal_row *rows;
    size_t count;
    size_t capacity;
} build;

static weft__journal_row *row_add(build *b)
{
    if (b->count == b->capacity) {
        size_t capacity = b->capacity == 0 ? 16 : 2 * b->capacity;
        weft__journal_row *rows = realloc(b->rows, capacity * sizeof *rows);
        if (rows == NULL)
            return NULL;
        b->rows = rows;
        b->capacity = capacity;
    }
    b->rows[b->count] = (weft__journal_row){0};
    return &b->rows[b->count++];
}

/* What was dropped between the stream's last row and this lane. */
static weft_lost lane_lost(const lane *from, const weft__batcher_stream *stream)
{
    bool known = stream->epoch == from->row.epoch;
    return (weft_lost){.epoch = from->row.epoch,
                       .topic = from->row.topic,
                       .from_seq = (known ? stream->last_seq : 0) + 1,
                       .to_seq = from->first.prev_seq,
                       .count = from->first.nth - (known ? stream->nth : 0) - 1,
                       .reason = WEFT_LOST_OVERFLOW};
}

static weft_status lane_finish(lane *from, const weft__batcher_stream *stream)
{
    weft_lost lost = lane_lost(from, stream);
    weft_status st = lost.count > 0 ? weft__writer_lose(from->writer, &lost) : WEFT_OK;
    uint8_t *bytes;
    if (st == WEFT_OK)
        st = weft__writer_finish(from->writer, &bytes, &from->row.length);
    if (st != WEFT_OK)
        return st;
    from->row.bytes = bytes;
    from->row.lost_before = lost.count;
    return WEFT_OK;
}

static void lane_close(lane *from)
{
    from->row = (weft__journal_row){0};
    if (from->writer->capacity > BUFFER_KEPT_BYTES)
        weft__writer_fini(from->writer);
}

static weft_status lane_flush(build *b, unsigned number)
{
    lane *from = &b->lanes[number];
    if (from->row.event_count == 0)
        return WEFT_OK;
    weft__journal_row *row = row_add(b);
    if (row == NULL)
        return WEFT_NO_MEMORY;
    weft_status st = lane_finish(from, &b->streams[number]);
    if (st != WEFT_OK)
        return st;
    *row = from->row;
    b->streams[number] = (weft__batcher_stream){row->epoch, row->last_seq, from->last.nth};
    lane_close(from);
    return WEFT_OK;
}

static weft_status lane_open(lane *to, unsigned number, const weft_event *event, const weft__stream_link *link)
{
    to->first = *link;
    to->row = (weft__journal_row){.epoch = event->id.epoch,
                                  .topic = weft_topic_from_number(number),
                                  .prev_seq = link->prev_seq,
                                  .first_seq = event->id.seq};
    return weft__writer_begin(to->writer, event->id.node, event->id.epoch, link->prev_seq, 0);
}

static void lane_note(lane *to, const weft_event *event, const weft__stream_link *link)
{
    weft_priority priority = weft_event_priority(event);
    to->last = *link;
    to->row.event_count++;
    to->row.last_seq = event->id.seq;
    if (priority > to->row.priority)
        to->row.priority = priority;
    if (event->accepted_ms > to->row.accepted_ms)
        to->row.accepted_ms = event->accepted_ms;
}

static bool lane_takes(const lane *to, const weft_event *event, const weft__stream_link *link)
{
    return to->row.event_count < WEFT__BATCH_MAX_EVENTS && to->row.epoch == event->id.epoch &&
           to->last.nth + 1 == link->nth;
}

static bool lane_too_large(const lane *to)
{
    return to->row.event_count > 0 && to->writer->length - to->writer->header_bytes > WEFT__BATCH_TARGET_BYTES;
}

static weft_status lane_begin_with(lane *to, unsigned number, const weft_event *event, const weft__stream_link *link)
{
    weft_status st = lane_open(to, number, event, link);
    return st == WEFT_OK ? weft__writer_add(to->writer, event) : st;
}

static weft_status build_add(build *b, const weft_event *event, const weft__stream_link *link)
{
    unsigned number = weft_topic_number(weft_event_topic(event));
    lane *to = &b->lanes[number];
    size_t length = to->writer->length;
    bool fits = to->row.event_count > 0 && lane_takes(to, event, link);
    weft_status st = fits ? weft__writer_add(to->writer, event) : WEFT_OK;
    if (fits && st == WEFT_OK && lane_too_large(to)) {
        weft__writer_cut(to->writer, length);
        fits = false;
    }
    if (!fits)
        st = lane_flush(b, number);
    if (!fits && st == WEFT_OK)
        st = lane_begin_with(to, number, event, link);
    if (st == WEFT_OK)
        lane_note(to, event, link);
    return st;
}

static int row_order(const void *left, const void *right)
{
    const weft__journal_row *a = left, *b = right;
    if (a->epoch != b->epoch)
        return a->epoch < b->epoch ? -1 : 1;
    return (a->first_seq > b->first_seq) - (a->first_seq < b->first_seq);
}

static void build_begin(build *b, weft__batcher *batcher)
{
    *b = (build){0};
    memcpy(b->streams, batcher->streams, sizeof b->streams);
    for (unsigned number = 0; number < WEFT_TOPIC_MAX; number++)
        b->lanes[number].writer = &batcher->writers[number];
}

weft_status weft__batcher_build(weft__batcher *batcher, const weft__group *groups, weft__journal_row **ret_rows,
                                size_t *ret_count)
{
    build b;
    build_begin(&b, batcher);
    weft_status st = WEFT_OK;
    for (const weft__group *group = groups; st == WEFT_OK && group != NULL; group = group->next)
        for (size_t i = 0; st == WEFT_OK && i < group->count; i++)
            st = build_add(&b, group->events[i], &group->links[i]);
    for (unsigned number = 0; st == WEFT_OK && number < WEFT_TOPIC_MAX; number++)
        st = lane_flush(&b, number);
    if (st != WEFT_OK) {
        weft__rows_free(b.rows, b.count);
        return st;
    }
    if (b.count > 1)
        qsort(b.rows, b.count, sizeof *b.rows, row_order);
    memcpy(batcher->streams, b.streams, sizeof b.streams);
    *ret_rows = b.rows;
    *ret_count = b.count;
    return WEFT_OK;
}

void weft__batcher_fini(weft__batcher *batcher)
{
    for (unsigned number = 0; number < WEFT_TOPIC_MAX; number++)
        weft__writer_fini(&batcher->writers[number]);
}

void weft__rows_free(weft__journal_row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++)
        free((void *)rows[i].bytes);
    free(rows);
}

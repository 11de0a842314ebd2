/* bridge/batcher.c: one pass over the groups collects a lane of events a topic; a lane that is full, or whose epoch
 * changes, or behind which events were dropped, becomes a row. Rows come in the order of their first seq. */
#include "bridge/batcher.h"

#include <stdlib.h>

typedef struct lane {
    const weft_event *events[WEFT__BATCH_MAX_EVENTS];
    size_t count;
    size_t bytes;
    weft__stream_link first, last; /* of the first and last event */
} lane;

typedef struct build {
    weft__batcher next; /* becomes the batcher's state when all went well */
    lane *lanes;
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

static void row_describe(weft__journal_row *row, const lane *from)
{
    row->event_count = (uint32_t)from->count;
    row->first_seq = from->events[0]->id.seq;
    row->last_seq = from->events[from->count - 1]->id.seq;
    for (size_t i = 0; i < from->count; i++) {
        if (weft_event_priority(from->events[i]) > row->priority)
            row->priority = weft_event_priority(from->events[i]);
        if (from->events[i]->accepted_ms > row->accepted_ms)
            row->accepted_ms = from->events[i]->accepted_ms;
    }
}

/* What was dropped between the stream's last row and this lane. */
static weft_lost lane_lost(const build *b, unsigned topic_number)
{
    const lane *from = &b->lanes[topic_number];
    const weft_event_id *id = &from->events[0]->id;
    bool known = b->next.streams[topic_number].epoch == id->epoch;
    uint64_t last_seq = known ? b->next.streams[topic_number].last_seq : 0;
    uint64_t nth = known ? b->next.streams[topic_number].nth : 0;
    return (weft_lost){.epoch = id->epoch,
                       .topic = weft_topic_from_number(topic_number),
                       .from_seq = last_seq + 1,
                       .to_seq = from->first.prev_seq,
                       .count = from->first.nth - nth - 1,
                       .reason = WEFT_LOST_OVERFLOW};
}

static weft_status lane_encode(const lane *from, const weft_lost *lost, uint8_t **ret_bytes, size_t *ret_length)
{
    const weft_event_id *id = &from->events[0]->id;
    weft_batch batch = {.node = id->node,
                        .epoch = id->epoch,
                        .prev_seq = from->first.prev_seq,
                        .events = from->events,
                        .event_count = from->count,
                        .lost = lost,
                        .lost_count = lost->count > 0};
    return weft_batch_encode(&batch, ret_bytes, ret_length);
}

static weft_status lane_flush(build *b, unsigned topic_number)
{
    lane *from = &b->lanes[topic_number];
    if (from->count == 0)
        return WEFT_OK;
    weft_lost lost = lane_lost(b, topic_number);
    uint8_t *bytes;
    size_t length;
    weft_status st = lane_encode(from, &lost, &bytes, &length);
    if (st != WEFT_OK)
        return st;
    weft__journal_row *row = row_add(b);
    if (row == NULL) {
        free(bytes);
        return WEFT_NO_MEMORY;
    }
    row_describe(row, from);
    row->epoch = lost.epoch;
    row->topic = lost.topic;
    row->prev_seq = from->first.prev_seq;
    row->lost_before = lost.count;
    row->bytes = bytes;
    row->length = length;
    b->next.streams[topic_number].epoch = lost.epoch;
    b->next.streams[topic_number].last_seq = row->last_seq;
    b->next.streams[topic_number].nth = from->last.nth;
    from->count = from->bytes = 0;
    return WEFT_OK;
}

static bool lane_takes(const lane *to, const weft_event *event, const weft__stream_link *link, size_t bytes)
{
    return to->count < WEFT__BATCH_MAX_EVENTS && to->bytes + bytes <= WEFT__BATCH_TARGET_BYTES &&
           to->events[0]->id.epoch == event->id.epoch && to->last.nth + 1 == link->nth;
}

static weft_status build_add(build *b, const weft_event *event, const weft__stream_link *link)
{
    unsigned number = weft_topic_number(weft_event_topic(event));
    lane *to = &b->lanes[number];
    size_t bytes = weft_event_encoded_bytes(event);
    if (to->count > 0 && !lane_takes(to, event, link, bytes)) {
        weft_status st = lane_flush(b, number);
        if (st != WEFT_OK)
            return st;
    }
    if (to->count == 0)
        to->first = *link;
    to->last = *link;
    to->events[to->count++] = event;
    to->bytes += bytes;
    return WEFT_OK;
}

static int row_order(const void *left, const void *right)
{
    const weft__journal_row *a = left, *b = right;
    if (a->epoch != b->epoch)
        return a->epoch < b->epoch ? -1 : 1;
    return (a->first_seq > b->first_seq) - (a->first_seq < b->first_seq);
}

weft_status weft__batcher_build(weft__batcher *batcher, const weft__group *groups, weft__journal_row **ret_rows,
                                size_t *ret_count)
{
    build b = {.next = *batcher, .lanes = calloc(WEFT_TOPIC_MAX, sizeof(lane))};
    weft_status st = b.lanes == NULL ? WEFT_NO_MEMORY : WEFT_OK;
    for (const weft__group *group = groups; st == WEFT_OK && group != NULL; group = group->next)
        for (size_t i = 0; st == WEFT_OK && i < group->count; i++)
            st = build_add(&b, group->events[i], &group->links[i]);
    for (unsigned number = 0; st == WEFT_OK && number < WEFT_TOPIC_MAX; number++)
        st = lane_flush(&b, number);
    free(b.lanes);
    if (st != WEFT_OK) {
        weft__rows_free(b.rows, b.count);
        return st;
    }
    if (b.count > 1)
        qsort(b.rows, b.count, sizeof *b.rows, row_order);
    *batcher = b.next;
    *ret_rows = b.rows;
    *ret_count = b.count;
    return WEFT_OK;
}

void weft__rows_free(weft__journal_row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++)
        free((void *)rows[i].bytes);
    free(rows);
}

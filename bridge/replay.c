/* bridge/replay.c: walks the rows of a range, joins small ones into messages of the usual size, and says what is gone.
 *
 * Seqs are shared by all streams of a node, so that numbers missing between two rows mean nothing by themselves: only a
 * prev_seq above the row before it tells of rows that are no longer there. */
#include "bridge/replay.h"

#include "bridge/batcher.h"
#include "bridge/split.h"

#include <stdlib.h>
#include <string.h>

enum { PARTS_MAX = 256, LOST_MAX = 256 };

typedef struct answer {
    const char *node;
    const weft__replay_request *request;
    weft__replay_send_fn send;
    void *user;
    size_t max_bytes;
    size_t target_bytes;
    uint32_t max_messages;
    uint32_t index;
    uint64_t reached; /* everything up to here is in the answer, or lost */
    weft__bytes parts[PARTS_MAX];
    size_t part_count;
    size_t part_bytes;
    uint64_t part_events;
    weft_lost lost[LOST_MAX];
    size_t lost_count;
    uint64_t events;
} answer;

static void answer_send(answer *a, const uint8_t *batch, size_t batch_bytes, bool last)
{
    weft__reply reply = {.node = a->node,
                         .request_id = a->request->request_id,
                         .index = a->index++,
                         .last = last,
                         .batch = batch,
                         .batch_bytes = batch_bytes};
    if (last) {
        reply.covered_to_seq = a->reached;
        reply.lost = a->lost;
        reply.lost_count = a->lost_count;
    }
    uint8_t *bytes;
    size_t length;
    if (weft__reply_encode(&reply, &bytes, &length) == WEFT_OK)
        a->send(a->user, bytes, length);
}

static void parts_clear(answer *a)
{
    for (size_t i = 0; i < a->part_count; i++)
        free((void *)a->parts[i].data);
    a->part_count = a->part_bytes = a->part_events = 0;
}

static weft_status parts_send(answer *a)
{
    if (a->part_count == 0)
        return WEFT_OK;
    uint8_t *merged = NULL;
    size_t length = a->parts[0].length;
    weft_status st = WEFT_OK;
    if (a->part_count > 1)
        st = weft__batch_merge(a->parts, a->part_count, &merged, &length);
    if (st == WEFT_OK) {
        answer_send(a, merged != NULL ? merged : a->parts[0].data, length, false);
        a->events += a->part_events;
    }
    free(merged);
    parts_clear(a);
    return st;
}

static weft_status lost_add(answer *a, uint64_t from, uint64_t to, uint64_t count, weft_lost_reason reason)
{
    if (a->lost_count == LOST_MAX)
        return WEFT_FULL;
    a->lost[a->lost_count++] = (weft_lost){.epoch = a->request->epoch,
                                           .topic = a->request->topic,
                                           .from_seq = from,
                                           .to_seq = to,
                                           .count = count,
                                           .reason = reason};
    return WEFT_OK;
}

static weft_status parts_add(answer *a, const weft__journal_row *row)
{
    uint8_t *copy = malloc(row->length);
    if (copy == NULL)
        return WEFT_NO_MEMORY;
    memcpy(copy, row->bytes, row->length);
    a->parts[a->part_count++] = (weft__bytes){copy, row->length};
    a->part_bytes += row->length;
    a->part_events += row->event_count;
    return WEFT_OK;
}

static weft_status row_answer(answer *a, const weft__journal_row *row)
{
    weft_status st = WEFT_OK;
    bool gap = row->prev_seq > a->reached;
    bool unusable = row->bytes == NULL || row->length > a->max_bytes;
    bool full = a->part_count == PARTS_MAX || a->part_bytes + row->length > a->target_bytes;
    if (gap || unusable || full)
        st = parts_send(a);
    if (st == WEFT_OK && gap)
        st = lost_add(a, a->reached + 1, row->prev_seq, 0, WEFT_LOST_OVERFLOW);
    if (st == WEFT_OK && gap)
        a->reached = row->prev_seq;
    if (st == WEFT_OK && a->index >= a->max_messages)
        return WEFT_FULL;
    if (st == WEFT_OK && unusable)
        st = lost_add(a, row->first_seq, row->last_seq, row->event_count,
                      row->bytes == NULL ? WEFT_LOST_CORRUPT : WEFT_LOST_TOO_LARGE);
    else if (st == WEFT_OK)
        st = parts_add(a, row);
    if (st == WEFT_OK)
        a->reached = row->last_seq;
    return st;
}

static weft_status row_take(const weft__journal_row *row, void *user)
{
    answer *a = user;
    weft__journal_row *parts;
    size_t count;
    if (row->bytes == NULL || row->length <= a->max_bytes || row->event_count < 2 ||
        weft__row_split(row, &parts, &count) != WEFT_OK)
        return row_answer(a, row);
    weft_status st = WEFT_OK;
    for (size_t i = 0; st == WEFT_OK && i < count; i++)
        if (parts[i].last_seq >= a->request->from_seq)
            st = row_answer(a, &parts[i]);
    weft__rows_free(parts, count);
    return st;
}

static uint64_t last_assigned(weft__journal *j, uint64_t epoch, weft_topic topic)
{
    enum { MAX = 4096 };
    weft__position *positions = calloc(MAX, sizeof *positions);
    uint64_t last = 0;
    size_t count = positions == NULL ? 0 : weft__journal_positions(j, positions, MAX);
    for (size_t i = 0; i < count; i++)
        if (positions[i].epoch == epoch && positions[i].topic == topic)
            last = positions[i].last_seq;
    free(positions);
    return last;
}

static weft_status row_prev_seq(const weft__journal_row *row, void *user)
{
    *(uint64_t *)user = row->prev_seq;
    return WEFT_OK;
}

/* The last event before the next row that is kept; `end` if none is. */
static uint64_t missing_end(const answer *a, weft__journal *j, uint64_t end)
{
    uint64_t prev_seq = end, first_kept;
    (void)weft__journal_each_in_range(j, a->request->epoch, a->request->topic, a->reached + 1, INT64_MAX, 1,
                                      row_prev_seq, &prev_seq, &first_kept);
    return prev_seq < end ? prev_seq : end;
}

/* The whole range has been walked: what it does not hold is gone, up to what was ever assigned. A stream that the
 * journal does not know at all was kept in one that is no longer there. */
static void answer_complete(answer *a, weft__journal *j)
{
    uint64_t assigned = last_assigned(j, a->request->epoch, a->request->topic);
    uint64_t end = assigned == 0 || a->request->to_seq < assigned ? a->request->to_seq : assigned;
    if (a->reached < end)
        end = missing_end(a, j, end);
    if (a->reached < end && lost_add(a, a->reached + 1, end, 0, WEFT_LOST_OVERFLOW) != WEFT_OK)
        return;
    a->reached = a->request->to_seq;
}

weft_status weft__replay_answer(weft__journal *j, const char *node, const weft__replay_request *request,
                                size_t max_bytes, weft__replay_send_fn send, void *user, uint64_t *ret_events)
{
    answer *a = calloc(1, sizeof *a);
    if (a == NULL)
        return WEFT_NO_MEMORY;
    uint32_t max = request->max_messages;
    *a = (answer){.node = node,
                  .request = request,
                  .send = send,
                  .user = user,
                  .max_bytes = max_bytes,
                  .target_bytes = max_bytes < WEFT__BATCH_TARGET_BYTES ? max_bytes : WEFT__BATCH_TARGET_BYTES,
                  .max_messages = max == 0 || max > WEFT__REPLAY_MAX_MESSAGES ? WEFT__REPLAY_MAX_MESSAGES : max,
                  .reached = request->from_seq - 1};
    uint64_t first_kept = 0;
    weft_status st = weft__journal_each_in_range(j, request->epoch, request->topic, request->from_seq, request->to_seq,
                                                 SIZE_MAX, row_take, a, &first_kept);
    bool complete = st == WEFT_OK;
    if (st == WEFT_OK || st == WEFT_FULL)
        st = parts_send(a);
    if (st == WEFT_OK && complete)
        answer_complete(a, j);
    for (size_t i = 0; i < a->lost_count; i++)
        if (a->lost[i].reason == WEFT_LOST_OVERFLOW && (first_kept == 0 || a->lost[i].to_seq < first_kept))
            a->lost[i].reason = WEFT_LOST_RETENTION;
    if (st == WEFT_OK)
        answer_send(a, NULL, 0, true);
    *ret_events = a->events;
    parts_clear(a);
    free(a);
    return st;
}

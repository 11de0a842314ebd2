/* bridge/replay.c: walks the rows of a range, joins small ones into messages of the usual size, and says what is gone.
 *
 * Seqs are shared by all streams of a node, so that numbers missing between two rows mean nothing by themselves: only a
 * prev_seq above the row before it tells of rows that are no longer there.
 *
 * What was accepted before the time that the asker names is left out and not called lost, also where retention has
 * taken it: the journal remembers how new the newest was that went. */
#include "bridge/replay.h"

#include "bridge/draft.h"
#include "bridge/split.h"

#include <stdlib.h>
#include <string.h>

enum { PARTS_MAX = 256, LOST_MAX = 256, ROWS_AT_ONCE = 512 };

struct weft__replay_answer {
    const char *node;
    weft__replay_request request;
    uint32_t index;
    uint64_t reached;    /* everything up to here is in the answer, or lost, or left out */
    uint64_t first_kept; /* of the stream, in the journal */
    uint64_t skipped;    /* nothing up to here is lost: it is in the parts sent, or left out */
    weft__bytes parts[PARTS_MAX];
    size_t part_count;
    size_t part_bytes;
    uint64_t part_events;
    weft_lost *lost;
    size_t lost_count;
    /* of one go */
    weft__replay_send_fn send;
    void *user;
    weft__journal *journal;
    size_t max_bytes;
    size_t target_bytes;
    size_t rows;
    bool sent;
};

typedef struct weft__replay_answer answer;

weft__replay_answer *weft__replay_begin(const char *node, const weft__replay_request *request)
{
    answer *a = calloc(1, sizeof *a);
    if (a == NULL)
        return NULL;
    *a = (answer){.node = node, .request = *request, .reached = request->from_seq - 1};
    uint32_t max = request->max_messages;
    a->request.max_messages = max == 0 || max > WEFT__REPLAY_MAX_MESSAGES ? WEFT__REPLAY_MAX_MESSAGES : max;
    return a;
}

const weft__replay_request *weft__replay_request_of(const weft__replay_answer *a)
{
    return &a->request;
}

static void parts_clear(answer *a)
{
    for (size_t i = 0; i < a->part_count; i++)
        free((void *)a->parts[i].data);
    a->part_count = a->part_bytes = a->part_events = 0;
}

void weft__replay_end(weft__replay_answer *a)
{
    if (a == NULL)
        return;
    parts_clear(a);
    free(a->lost);
    free(a);
}

static bool is_too_old(const answer *a, int64_t accepted_ms)
{
    return a->request.since_ms > WEFT__SKEW_MS && accepted_ms < a->request.since_ms - WEFT__SKEW_MS;
}

/* ---- sending ---- */

static weft_status message_send(answer *a, weft__reply *reply, uint64_t events)
{
    uint8_t *bytes;
    size_t length;
    reply->node = a->node;
    reply->request_id = a->request.request_id;
    reply->index = a->index;
    reply->skipped_seq = a->skipped;
    weft_status st = weft__reply_encode(reply, &bytes, &length);
    if (st != WEFT_OK)
        return st;
    a->index++;
    a->sent = true;
    a->send(a->user, &a->request, bytes, length, events);
    return WEFT_OK;
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
    weft__reply reply = {.batch = merged != NULL ? merged : a->parts[0].data, .batch_bytes = length};
    if (st == WEFT_OK)
        st = message_send(a, &reply, a->part_events);
    free(merged);
    parts_clear(a);
    return st;
}

/* ---- rows ---- */

static weft_status lost_add(answer *a, uint64_t from, uint64_t to, uint64_t count, weft_lost_reason reason)
{
    if (a->lost_count == LOST_MAX)
        return WEFT_FULL;
    if (a->lost == NULL && (a->lost = calloc(LOST_MAX, sizeof *a->lost)) == NULL)
        return WEFT_NO_MEMORY;
    a->lost[a->lost_count++] = (weft_lost){.epoch = a->request.epoch,
                                           .topic = a->request.topic,
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

/* Leaves out everything up to there. */
static weft_status skip_to(answer *a, uint64_t seq)
{
    weft_status st = parts_send(a); /* before: what it says of being left out must not cover them */
    if (st != WEFT_OK)
        return st;
    a->reached = seq;
    if (a->lost_count == 0)
        a->skipped = seq;
    return WEFT_OK;
}

/* Nothing is kept from where the answer has got to up to there, though something was. */
static weft_status gap_answer(answer *a, uint64_t seq)
{
    bool before_all_kept = a->first_kept == 0 || seq < a->first_kept;
    int64_t gone = before_all_kept ? weft__journal_gone_ms(a->journal, a->request.epoch, a->request.topic) : 0;
    if (gone != 0 && is_too_old(a, gone))
        return skip_to(a, seq);
    weft_status st = parts_send(a);
    if (st == WEFT_OK)
        st = lost_add(a, a->reached + 1, seq, 0, before_all_kept ? WEFT_LOST_RETENTION : WEFT_LOST_OVERFLOW);
    if (st == WEFT_OK)
        a->reached = seq;
    return st;
}

static weft_status row_add(answer *a, const weft__journal_row *row)
{
    bool unusable = row->bytes == NULL || row->length > a->max_bytes;
    weft_status st = WEFT_OK;
    if (unusable || a->part_count == PARTS_MAX || a->part_bytes + row->length > a->target_bytes)
        st = parts_send(a);
    if (st == WEFT_OK && (a->sent || a->index >= a->request.max_messages))
        return WEFT_FULL;
    if (st == WEFT_OK && unusable)
        st = lost_add(a, row->first_seq, row->last_seq, row->event_count,
                      row->bytes == NULL ? WEFT_LOST_CORRUPT : WEFT_LOST_TOO_LARGE);
    else if (st == WEFT_OK)
        st = parts_add(a, row);
    if (st != WEFT_OK)
        return st;
    a->reached = row->last_seq;
    if (a->part_bytes < a->target_bytes - a->target_bytes / 4)
        return WEFT_OK;
    st = parts_send(a);
    return st == WEFT_OK ? WEFT_FULL : st;
}

/* FULL: enough for now, whether the row is in the answer or not. */
static weft_status row_answer(answer *a, const weft__journal_row *row)
{
    weft_status st = WEFT_OK;
    if (row->prev_seq > a->reached)
        st = gap_answer(a, row->prev_seq);
    if (st != WEFT_OK)
        return st;
    return is_too_old(a, row->accepted_ms) && row->bytes != NULL ? skip_to(a, row->last_seq) : row_add(a, row);
}

static weft_status row_take(const weft__journal_row *row, void *user)
{
    answer *a = user;
    weft__journal_row *parts;
    size_t count;
    if (++a->rows > ROWS_AT_ONCE)
        return WEFT_FULL;
    if (row->bytes == NULL || row->length <= a->max_bytes || row->event_count < 2 ||
        weft__row_split(row, &parts, &count) != WEFT_OK)
        return row_answer(a, row);
    weft_status st = WEFT_OK;
    for (size_t i = 0; st == WEFT_OK && i < count; i++)
        if (parts[i].last_seq > a->reached)
            st = row_answer(a, &parts[i]);
    weft__rows_free(parts, count);
    return st;
}

/* ---- the end ---- */

static weft_status row_prev_seq(const weft__journal_row *row, void *user)
{
    *(uint64_t *)user = row->prev_seq;
    return WEFT_OK;
}

/* The last event before the next row that is kept; `end` if none is. */
static uint64_t missing_end(const answer *a, uint64_t end)
{
    uint64_t prev_seq = end, first_kept;
    (void)weft__journal_each_in_range(a->journal, a->request.epoch, a->request.topic, a->reached + 1, INT64_MAX, 1,
                                      row_prev_seq, &prev_seq, &first_kept);
    return prev_seq < end ? prev_seq : end;
}

/* The whole range has been walked: what it does not hold is gone, up to what was ever assigned. A stream that the
 * journal does not know at all was kept in one that is no longer there, if the asker knows of it. */
static weft_status answer_complete(answer *a)
{
    uint64_t to = a->request.to_seq;
    bool open_ended = to == UINT64_MAX;
    uint64_t assigned = weft__journal_last_seq(a->journal, a->request.epoch, a->request.topic);
    uint64_t end = open_ended || (assigned != 0 && assigned < to) ? assigned : to;
    weft_status st = parts_send(a);
    if (a->reached < end)
        end = missing_end(a, end);
    if (st == WEFT_OK && a->reached < end)
        st = gap_answer(a, end);
    if (st == WEFT_OK && !open_ended)
        a->reached = to;
    return st;
}

static weft_status last_send(answer *a)
{
    weft__reply reply = {.last = true,
                         .covered_to_seq = a->reached,
                         .lost = a->lost,
                         .lost_count = a->lost_count,
                         .last_seq = weft__journal_last_seq(a->journal, a->request.epoch, a->request.topic)};
    return message_send(a, &reply, 0);
}

weft_status weft__replay_go_on(weft__replay_answer *a, weft__journal *j, size_t max_bytes, weft__replay_send_fn send,
                               void *user, bool *ret_done)
{
    a->send = send;
    a->user = user;
    a->journal = j;
    a->max_bytes = max_bytes;
    a->target_bytes = max_bytes < WEFT__BATCH_TARGET_BYTES ? max_bytes : WEFT__BATCH_TARGET_BYTES;
    a->rows = 0;
    a->sent = false;
    weft_status st = weft__journal_each_in_range(j, a->request.epoch, a->request.topic, a->reached + 1,
                                                 a->request.to_seq, SIZE_MAX, row_take, a, &a->first_kept);
    if (st == WEFT_OK)
        st = answer_complete(a);
    *ret_done = st != WEFT_FULL || a->index >= a->request.max_messages || a->lost_count == LOST_MAX;
    if (!*ret_done)
        return WEFT_OK;
    if (st == WEFT_FULL)
        st = parts_send(a);
    if (st == WEFT_OK)
        st = last_send(a);
    return st;
}

/* Answers from a journal in memory: what is there, what is gone, and how much at a time. */
#include "bridge/batcher.h"
#include "bridge/replay.h"
#include "support/suite.h"

#include <stdlib.h>
#include <string.h>

enum { EPOCH = 9, REPLIES = 64 };

typedef struct rig {
    weft__journal *journal;
    weft__reply *replies[REPLIES];
    size_t count;
    uint64_t seqs; /* how many events the answer holds */
    uint64_t first, last;
} rig;

static rig *rig_create(uint64_t max_bytes)
{
    rig *r = calloc(1, sizeof *r);
    weft__journal_opts opts = {.max_bytes = max_bytes};
    bool damaged;
    CU_ASSERT_EQUAL_FATAL(weft__journal_open(&opts, &r->journal, &damaged, NULL), WEFT_OK);
    CU_ASSERT_EQUAL_FATAL(weft__journal_begin_epoch(r->journal, EPOCH), WEFT_OK);
    return r;
}

static void replies_clear(rig *r)
{
    for (size_t i = 0; i < r->count; i++)
        free(r->replies[i]);
    r->count = 0;
    r->seqs = r->first = r->last = 0;
}

static void rig_destroy(rig *r)
{
    replies_clear(r);
    weft__journal_close(r->journal);
    free(r);
}

/* A row with one event, whose JSON is so long. */
static void append(rig *r, uint64_t prev, uint64_t seq, size_t length, bool damaged)
{
    char *json = malloc(length + 1);
    memset(json, 'x', length);
    json[0] = json[length - 1] = '"';
    json[length] = '\0';
    weft_event event = {.type = WEFT_CUSTOM,
                        .timestamp_ms = 1,
                        .accepted_ms = 1,
                        .id = {"a", EPOCH, seq},
                        .custom = {.event_type = "e", .source = "s", .data_json = json}};
    const weft_event *kept = weft_event_keep(&event);
    weft_batch batch = {.node = "a", .epoch = EPOCH, .prev_seq = prev, .events = &kept, .event_count = 1};
    uint8_t *bytes;
    weft__journal_row row = {.epoch = EPOCH,
                             .topic = WEFT_TOPIC_CUSTOM,
                             .prev_seq = prev,
                             .first_seq = seq,
                             .last_seq = seq,
                             .event_count = 1,
                             .accepted_ms = 1};
    CU_ASSERT_EQUAL_FATAL(weft_batch_encode(&batch, &bytes, &row.length), WEFT_OK);
    if (damaged)
        bytes[row.length / 2] ^= 0x20;
    row.bytes = bytes;
    CU_ASSERT_EQUAL_FATAL(weft__journal_append(r->journal, &row, 1, NULL, 0), WEFT_OK);
    weft_event_release(kept);
    free(bytes);
    free(json);
}

static void append_range(rig *r, uint64_t from, uint64_t to, size_t length)
{
    for (uint64_t seq = from; seq <= to; seq++)
        append(r, seq - 1, seq, length, false);
}

static void on_send(void *user, uint8_t *bytes, size_t length)
{
    rig *r = user;
    weft__reply *reply;
    CU_ASSERT_EQUAL_FATAL(weft__reply_decode(bytes, length, &reply, NULL), WEFT_OK);
    CU_ASSERT_TRUE_FATAL(r->count < REPLIES);
    CU_ASSERT_EQUAL(reply->index, r->count);
    CU_ASSERT_STRING_EQUAL(reply->request_id, "7");
    weft_batch *batch;
    if (reply->batch != NULL) {
        CU_ASSERT_EQUAL_FATAL(weft_batch_decode(reply->batch, reply->batch_bytes, &batch, NULL), WEFT_OK);
        if (r->seqs == 0)
            r->first = batch->events[0]->id.seq;
        r->seqs += batch->event_count;
        r->last = batch->events[batch->event_count - 1]->id.seq;
        weft_batch_free(batch);
    }
    r->replies[r->count++] = reply;
    free(bytes);
}

static const weft__reply *ask(rig *r, uint64_t from, uint64_t to, uint32_t max_messages, size_t max_bytes)
{
    weft__replay_request request = {.request_id = "7",
                                    .epoch = EPOCH,
                                    .topic = WEFT_TOPIC_CUSTOM,
                                    .from_seq = from,
                                    .to_seq = to,
                                    .max_messages = max_messages};
    uint64_t events;
    replies_clear(r);
    CU_ASSERT_EQUAL_FATAL(weft__replay_answer(r->journal, "a", &request, max_bytes, on_send, r, &events), WEFT_OK);
    CU_ASSERT_EQUAL(events, r->seqs);
    CU_ASSERT_TRUE_FATAL(r->count > 0 && r->replies[r->count - 1]->last);
    return r->replies[r->count - 1];
}

static void small_rows_are_joined(void)
{
    rig *r = rig_create(0);
    append_range(r, 1, 20, 100);
    const weft__reply *end = ask(r, 5, 9, 0, 1 << 20);
    CU_ASSERT_EQUAL(r->count, 2);
    CU_ASSERT_TRUE(r->first == 5 && r->last == 9 && r->seqs == 5);
    CU_ASSERT_EQUAL(end->covered_to_seq, 9);
    CU_ASSERT_EQUAL(end->lost_count, 0);
    rig_destroy(r);
}

static void an_answer_stops_at_its_bound_and_says_where(void)
{
    rig *r = rig_create(0);
    append_range(r, 1, 20, 10000);
    const weft__reply *end = ask(r, 1, 20, 3, 1 << 20);
    CU_ASSERT_EQUAL(r->seqs, 3);
    CU_ASSERT_EQUAL(end->covered_to_seq, 3);
    CU_ASSERT_EQUAL(end->lost_count, 0);
    end = ask(r, 4, 20, 1000000, 1 << 20);
    CU_ASSERT_EQUAL(end->covered_to_seq, 20);
    CU_ASSERT_EQUAL(r->seqs, 17);
    append_range(r, 21, 80, 10000);
    end = ask(r, 1, 80, 1000000, 1 << 20);
    CU_ASSERT_EQUAL(r->count, WEFT__REPLAY_MAX_MESSAGES + 1);
    rig_destroy(r);
}

static void what_retention_took_is_called_lost(void)
{
    rig *r = rig_create(10000);
    append_range(r, 1, 30, 1000);
    CU_ASSERT_EQUAL(weft__journal_acknowledge(r->journal, EPOCH, WEFT_TOPIC_CUSTOM, 30), WEFT_OK);
    CU_ASSERT_EQUAL(weft__journal_trim(r->journal, 2, NULL, NULL), WEFT_OK);
    const weft__reply *end = ask(r, 1, 30, 0, 1 << 20);
    CU_ASSERT_EQUAL_FATAL(end->lost_count, 1);
    CU_ASSERT_EQUAL(end->lost[0].reason, WEFT_LOST_RETENTION);
    CU_ASSERT_EQUAL(end->lost[0].from_seq, 1);
    CU_ASSERT_EQUAL(end->lost[0].to_seq, r->first - 1);
    CU_ASSERT_EQUAL(r->last, 30);
    CU_ASSERT_EQUAL(end->covered_to_seq, 30);
    rig_destroy(r);
}

static void seqs_of_other_streams_are_not_lost(void)
{
    rig *r = rig_create(0);
    append(r, 0, 3, 100, false);
    append(r, 3, 10, 100, false);
    const weft__reply *end = ask(r, 1, 10, 0, 1 << 20);
    CU_ASSERT_EQUAL(end->lost_count, 0);
    CU_ASSERT_EQUAL(r->seqs, 2);
    end = ask(r, 4, 9, 0, 1 << 20);
    CU_ASSERT_EQUAL(end->lost_count, 0);
    CU_ASSERT_EQUAL(end->covered_to_seq, 9);
    rig_destroy(r);
}

static void damaged_and_oversized_rows_are_named_and_the_rest_comes(void)
{
    rig *r = rig_create(0);
    append(r, 0, 1, 100, false);
    append(r, 1, 2, 100, true);
    append(r, 2, 3, 5000, false);
    append(r, 3, 4, 100, false);
    const weft__reply *end = ask(r, 1, 4, 0, 2000);
    CU_ASSERT_EQUAL(r->seqs, 2);
    CU_ASSERT_EQUAL_FATAL(end->lost_count, 2);
    CU_ASSERT_TRUE(end->lost[0].from_seq == 2 && end->lost[0].to_seq == 2);
    CU_ASSERT_EQUAL(end->lost[0].reason, WEFT_LOST_CORRUPT);
    CU_ASSERT_TRUE(end->lost[1].from_seq == 3 && end->lost[1].count == 1);
    CU_ASSERT_EQUAL(end->lost[1].reason, WEFT_LOST_TOO_LARGE);
    CU_ASSERT_EQUAL(end->covered_to_seq, 4);
    rig_destroy(r);
}

static void a_stream_that_nobody_knows_is_lost(void)
{
    rig *r = rig_create(0);
    const weft__reply *end = ask(r, 1, 4, 0, 2000);
    CU_ASSERT_EQUAL_FATAL(end->lost_count, 1);
    CU_ASSERT_TRUE(end->lost[0].from_seq == 1 && end->lost[0].to_seq == 4);
    CU_ASSERT_EQUAL(end->covered_to_seq, 4);
    rig_destroy(r);
}

SUITE(bridge_replay, CASE(small_rows_are_joined), CASE(an_answer_stops_at_its_bound_and_says_where),
      CASE(what_retention_took_is_called_lost), CASE(seqs_of_other_streams_are_not_lost),
      CASE(damaged_and_oversized_rows_are_named_and_the_rest_comes), CASE(a_stream_that_nobody_knows_is_lost))

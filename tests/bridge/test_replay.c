/* Answers from a journal in memory: what is there, what is gone, and how much at a time. */
#include "bridge/draft.h"
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
    uint64_t told; /* events, as the sender says */
    int64_t accepted_ms;
} rig;

static rig *rig_create(uint64_t max_bytes)
{
    rig *r = calloc(1, sizeof *r);
    r->accepted_ms = 1;
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
    r->seqs = r->first = r->last = r->told = 0;
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
                             .accepted_ms = r->accepted_ms};
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

static void on_send(void *user, const weft__replay_request *request, uint8_t *bytes, size_t length, uint64_t events)
{
    rig *r = user;
    (void)request;
    r->told += events;
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

static const weft__reply *ask_for(rig *r, const weft__replay_request *request, size_t max_bytes)
{
    bool done = false;
    replies_clear(r);
    weft__replay_answer *a = weft__replay_begin("a", request);
    while (!done)
        CU_ASSERT_EQUAL_FATAL(weft__replay_go_on(a, r->journal, max_bytes, on_send, r, &done), WEFT_OK);
    weft__replay_end(a);
    CU_ASSERT_EQUAL(r->told, r->seqs);
    CU_ASSERT_TRUE_FATAL(r->count > 0 && r->replies[r->count - 1]->last);
    return r->replies[r->count - 1];
}

static weft__replay_request request_of(uint64_t from, uint64_t to)
{
    return (weft__replay_request){
        .to = "b", .request_id = "7", .epoch = EPOCH, .topic = WEFT_TOPIC_CUSTOM, .from_seq = from, .to_seq = to};
}

static const weft__reply *ask(rig *r, uint64_t from, uint64_t to, uint32_t max_messages, size_t max_bytes)
{
    weft__replay_request request = request_of(from, to);
    request.max_messages = max_messages;
    return ask_for(r, &request, max_bytes);
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
    enum { ROW_BYTES = WEFT__BATCH_TARGET_BYTES * 2 / 3 }; /* no two of them are joined */
    rig *r = rig_create(0);
    append_range(r, 1, 20, ROW_BYTES);
    const weft__reply *end = ask(r, 1, 20, 3, 1 << 20);
    CU_ASSERT_EQUAL(r->seqs, 3);
    CU_ASSERT_EQUAL(end->covered_to_seq, 3);
    CU_ASSERT_EQUAL(end->lost_count, 0);
    end = ask(r, 4, 20, 1000000, 1 << 20);
    CU_ASSERT_EQUAL(end->covered_to_seq, 20);
    CU_ASSERT_EQUAL(r->seqs, 17);
    append_range(r, 21, 80, ROW_BYTES);
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

/* ---- the past ---- */

enum { SINCE = 1000000, BEFORE = SINCE - 10000 };

static const weft__reply *ask_since(rig *r, uint64_t from, uint64_t to)
{
    weft__replay_request request = request_of(from, to);
    request.since_ms = SINCE;
    return ask_for(r, &request, 1 << 20);
}

static rig *rig_with_past(uint64_t max_bytes)
{
    rig *r = rig_create(max_bytes);
    r->accepted_ms = BEFORE;
    append_range(r, 1, 700, 20);
    r->accepted_ms = SINCE;
    append_range(r, 701, 710, 20);
    return r;
}

static void an_open_end_is_where_the_stream_is(void)
{
    rig *r = rig_create(0);
    append_range(r, 1, 20, 100);
    const weft__reply *end = ask(r, 5, UINT64_MAX, 0, 1 << 20);
    CU_ASSERT_TRUE(r->first == 5 && r->last == 20);
    CU_ASSERT_EQUAL(end->covered_to_seq, 20);
    CU_ASSERT_EQUAL(end->last_seq, 20);
    end = ask(r, 21, UINT64_MAX, 0, 1 << 20);
    CU_ASSERT_TRUE(end->covered_to_seq == 20 && end->lost_count == 0);
    weft__replay_request other = request_of(1, UINT64_MAX);
    other.topic = WEFT_TOPIC_TOOL;
    end = ask_for(r, &other, 1 << 20);
    CU_ASSERT_TRUE(end->covered_to_seq == 0 && end->last_seq == 0 && end->lost_count == 0);
    rig_destroy(r);
}

static void what_was_accepted_before_is_left_out_and_said_so(void)
{
    rig *r = rig_with_past(0);
    const weft__reply *end = ask_since(r, 1, UINT64_MAX);
    CU_ASSERT_TRUE(r->first == 701 && r->last == 710 && r->seqs == 10);
    CU_ASSERT_EQUAL(r->replies[0]->skipped_seq, 700);
    CU_ASSERT_TRUE(end->covered_to_seq == 710 && end->lost_count == 0);
    end = ask_since(r, 1, 600);
    CU_ASSERT_TRUE(r->seqs == 0 && end->covered_to_seq == 600 && end->lost_count == 0);
    rig_destroy(r);
}

static void what_lies_between_is_not_left_out_twice(void)
{
    rig *r = rig_with_past(0);
    r->accepted_ms = BEFORE; /* the clock was set back */
    append_range(r, 711, 720, 20);
    r->accepted_ms = SINCE;
    append_range(r, 721, 725, 20);
    const weft__reply *end = ask_since(r, 1, UINT64_MAX);
    CU_ASSERT_EQUAL(r->seqs, 15);
    CU_ASSERT_EQUAL_FATAL(r->count, 3);
    CU_ASSERT_EQUAL(r->replies[0]->skipped_seq, 700); /* not 720: its own events come with it */
    CU_ASSERT_EQUAL(r->replies[1]->skipped_seq, 720);
    CU_ASSERT_EQUAL(end->covered_to_seq, 725);
    rig_destroy(r);
}

static void what_retention_took_is_lost_only_if_it_was_wanted(void)
{
    rig *r = rig_create(10000);
    r->accepted_ms = BEFORE;
    append_range(r, 1, 30, 1000);
    CU_ASSERT_EQUAL(weft__journal_acknowledge(r->journal, EPOCH, WEFT_TOPIC_CUSTOM, 30), WEFT_OK);
    CU_ASSERT_EQUAL(weft__journal_trim(r->journal, SINCE, NULL, NULL), WEFT_OK);
    const weft__reply *end = ask_since(r, 1, UINT64_MAX);
    CU_ASSERT_EQUAL(end->lost_count, 0);
    CU_ASSERT_TRUE(end->covered_to_seq == 30 && end->skipped_seq == 30);
    r->accepted_ms = SINCE;
    append_range(r, 31, 60, 1000);
    CU_ASSERT_EQUAL(weft__journal_acknowledge(r->journal, EPOCH, WEFT_TOPIC_CUSTOM, 60), WEFT_OK);
    CU_ASSERT_EQUAL(weft__journal_trim(r->journal, SINCE, NULL, NULL), WEFT_OK);
    end = ask_since(r, 1, UINT64_MAX);
    CU_ASSERT_EQUAL_FATAL(end->lost_count, 1);
    CU_ASSERT_EQUAL(end->lost[0].reason, WEFT_LOST_RETENTION);
    CU_ASSERT_EQUAL(end->lost[0].to_seq, r->first - 1);
    CU_ASSERT_EQUAL(r->last, 60);
    rig_destroy(r);
}

SUITE(bridge_replay, CASE(an_open_end_is_where_the_stream_is), CASE(what_was_accepted_before_is_left_out_and_said_so),
      CASE(what_lies_between_is_not_left_out_twice), CASE(what_retention_took_is_lost_only_if_it_was_wanted),
      CASE(small_rows_are_joined), CASE(an_answer_stops_at_its_bound_and_says_where),
      CASE(what_retention_took_is_called_lost), CASE(seqs_of_other_streams_are_not_lost),
      CASE(damaged_and_oversized_rows_are_named_and_the_rest_comes), CASE(a_stream_that_nobody_knows_is_lost))
